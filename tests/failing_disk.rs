//! A disk that refuses writes: nothing is half-done, reading goes on, and when the disk works again
//! sealing goes on by itself. Linux only, for the shim that makes calls fail.
//!
//! The seed of what is random is printed; `FAILING_DISK_SEED` sets it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::binary::{Node, Ran, block_on, copy_directory, dev, run};
use support::faults::{Faults, Kind};
use support::home;
use support::load::{sale, terms};
use support::random::Random;

/// How long a node may take until it seals again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a refusal may take at most: it is given at once, whatever the disk does.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How many blocks there are before anything fails.
const EARLIER_BLOCKS: u32 = 20;
/// How many receipts are read while the disk fails.
const READINGS: usize = 8;
/// How many clients submit one entry after the other to a slow disk, and how many each.
const SLOW_CLIENTS: u64 = 12;
const SLOW_TURNS: u64 = 3;
/// How many clients flood a slow disk, and with how many entries each: more than the pool takes.
const FLOODING_CLIENTS: u64 = 14;
const FLOODING_ENTRIES: u64 = 10_000;
/// How often faults come and go under load.
const FAULTY_ROUNDS: u32 = 8;
const LONG_FAULTY_ROUNDS: u32 = 200;
/// How many single faults are played in `tests/run`; in the long suite it is all there are.
const SAMPLED_FAULTS: usize = 24;

fn is_long() -> bool {
    std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1")
}

/// An answer to a submission.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<u64>,
    body: Value,
}

/// A client that knows what it was told.
struct Client {
    url: String,
    /// Where each acknowledged entry stands, by external id.
    acknowledged: BTreeMap<String, Value>,
}

impl Client {
    fn new(node: &Node) -> Self {
        Self { url: node.url.clone(), acknowledged: BTreeMap::new() }
    }

    /// Submits sales once.
    fn submit(&mut self, names: &[&str]) -> Answer {
        let answer = self.post(&names.iter().map(|name| sale(name)).collect());
        if answer.status == 200 {
            for (name, result) in names.iter().zip(answer.body["results"].as_array().unwrap()) {
                let status = result["status"].as_str().unwrap();
                assert!(["sealed", "existing"].contains(&status), "{name}: {result}");
                let place = json!([result["id"], result["index"], result["height"]]);
                let known = self.acknowledged.entry((*name).to_owned()).or_insert(place.clone());
                assert_eq!(*known, place, "{name}");
            }
        } else {
            is_passing(&answer);
        }
        answer
    }

    /// Submits sales again and again until they are sealed.
    fn submit_until_sealed(&mut self, names: &[&str]) -> Answer {
        let since = Instant::now();
        loop {
            let answer = self.submit(names);
            if answer.status == 200 {
                return answer;
            }
            assert!(since.elapsed() < PATIENCE, "sealing does not go on: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn post(&self, body: &Value) -> Answer {
        block_on(async {
            let url = format!("{}/v1/entries", self.url);
            let sent = reqwest::Client::new().post(url).json(body).send().await;
            Answer::of(sent.expect("it answers")).await
        })
    }

    fn get(&self, path: &str) -> Answer {
        block_on(async {
            let sent = reqwest::get(format!("{}{path}", self.url)).await;
            Answer::of(sent.expect("it answers")).await
        })
    }

    /// Everything that was acknowledged is there, where it was said to be.
    fn check_acknowledged(&mut self) {
        let names: Vec<String> = self.acknowledged.keys().cloned().collect();
        for names in names.chunks(500) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let found = self.submit_until_sealed(&names);
            let existing = |result: &Value| result["status"] == "existing";
            assert!(found.body["results"].as_array().unwrap().iter().all(existing), "{found:?}");
        }
    }
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let bytes = response.bytes().await.expect("a whole body");
        Self { status, retry_after, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }
}

/// A refusal says when to try again, and nothing of the node's insides.
fn is_passing(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{answer:?}");
    let text = answer.body.to_string();
    for inside in ["store/", "guard/", "os error", "/tmp"] {
        assert!(!text.contains(inside), "{text}");
    }
}

/// A node on a small ledger, under the shim.
struct Bench {
    home: tempfile::TempDir,
    faults: Faults,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let faults = Faults::watch(&home.path().join("dev"));
        Self { home, faults }
    }

    fn command(&self) -> Command {
        self.faults.under(dev(self.faults.directory(), &["--empty"]))
    }

    /// Starts the node and submits the first entries.
    fn start(&self) -> (Node, Client) {
        let node = Node::launch(self.command());
        let mut client = Client::new(&node);
        assert_eq!(client.post(&json!([terms()])).status, 200);
        for number in 0..EARLIER_BLOCKS {
            client.submit_until_sealed(&[&format!("early-{number}")]);
        }
        (node, client)
    }

    /// Stops the node; what is stored is whole.
    fn stop(&self, node: Node) -> Ran {
        let ran = node.stop();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_clean(self.faults.directory());
        ran
    }
}

/// It says what it can't do, rather than break down.
fn refused_in_order(refused: &Ran) {
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.starts_with("error: "), "{refused:?}");
    assert!(!refused.err.contains("panicked"), "{refused:?}");
}

fn assert_clean(directory: &Path) {
    let fsck = run(&["fsck", "--dir", directory.to_str().unwrap(), "--json"]);
    assert_eq!((fsck.code, &fsck.json()["clean"]), (0, &json!(true)), "{fsck:?}");
    let blobs = directory.join("store/blobs");
    assert!(std::fs::read_dir(blobs).map_or(0, Iterator::count) == 0, "blobs/ is empty");
}

/// Reading goes on. Where the database's own writing failed, it may have to write before it can
/// read what shares a page with that; then it is refused.
fn check_reading(client: &Client, name: &str) {
    let step = client.acknowledged.len().div_ceil(READINGS);
    for (entry, place) in client.acknowledged.iter().step_by(step) {
        let receipt = client.get(&format!("/v1/entries/{}/receipt", place[1]));
        if name.contains("guard") {
            assert_eq!(receipt.status, 200, "{name}, {entry}: {receipt:?}");
        } else if receipt.status != 200 {
            is_passing(&receipt);
        }
    }
}

fn await_role(client: &Client, role: &str) {
    let since = Instant::now();
    loop {
        let chain = client.get("/v1/chain");
        assert_eq!(chain.status, 200);
        if chain.body["role"] == role {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{role}: {chain:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What goes wrong, and what is said of it: rules of the shim, and the cause in general.
const FAILURES: &[(&str, &[&str], &str)] = &[
    ("no room for the guard", &["write guard/ * errno:ENOSPC"], "the disk is full"),
    ("half a guard", &["write guard/ 1 short"], "the disk is full"),
    ("no room for bodies", &["write store/db 1 errno:ENOSPC"], "the disk is full"),
    ("half of what the store writes", &["write store/db 1 short"], "the disk is full"),
    ("no room for tiles", &["write store/db 3 errno:ENOSPC"], "the disk is full"),
    ("a used-up quota", &["write store/db * errno:EDQUOT"], "the disk quota is used up"),
    ("a read-only store", &["write store/db * errno:EROFS"], "the disk is read-only"),
    ("a read-only guard", &["write guard/ * errno:EROFS"], "the disk is read-only"),
    ("a store that can't be written back", &["range store/db 1 errno:EIO"], "the disk failed"),
    ("a store that can't be synced", &["sync store/db 1 errno:EIO"], "the disk failed"),
    ("a guard that can't be synced", &["sync guard/ 1 errno:EIO"], "the disk failed"),
];

/// The same error for whoever tries the disk, until it is taken away.
fn with_trial(rules: &[&str]) -> String {
    let action = rules[0].rsplit(' ').next().unwrap();
    let action = if action == "short" { "errno:ENOSPC" } else { action };
    format!("{}\nwrite trial * {action}\n", rules.join("\n"))
}

#[test]
fn sealing_goes_on_by_itself_when_the_disk_takes_writes_again() {
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    let began = Instant::now();
    for (number, (name, rules, cause)) in FAILURES.iter().enumerate() {
        println!("{:?} {name}", began.elapsed());
        bench.faults.rule(&with_trial(rules));
        let names: Vec<String> = (0..12).map(|part| format!("{number}-{part}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let refused = names.iter().map(|name| client.submit(&[name])).find(|a| a.status != 200);
        let refused = refused.unwrap_or_else(|| panic!("{name}: the fault has come"));
        assert_eq!(refused.body["type"], "/problems/recovering", "{refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(cause), "{name}: {detail}");

        // As long as it lasts, submissions are refused at once and reading goes on.
        await_role(&client, "recovering");
        for _ in 0..2 {
            let since = Instant::now();
            assert_eq!(client.submit(&names).status, 503, "{name}");
            assert!(since.elapsed() < AT_ONCE, "{name}: {:?}", since.elapsed());
            check_reading(&client, name);
            is_passing(&client.get("/readyz"));
            assert_eq!(client.get("/livez").status, 200);
        }

        bench.faults.rule("");
        await_role(&client, "sealing");
        client.submit_until_sealed(&names);
        assert_eq!(client.get("/readyz").status, 200);
    }
    client.check_acknowledged();
    bench.stop(node);
}

/// What fails while the store is opened anew, one after the other.
const OPENING: &[&str] = &[
    "open lock 1 errno:EIO",
    "open store/db 1 errno:EIO",
    "write store/snap 1 errno:ENOSPC",
    "sync store/snap 1 errno:EIO",
    "rename store/snap 1 errno:EIO",
    "open guard/odd 1 errno:EROFS",
];

#[test]
fn opening_that_fails_is_tried_again() {
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    bench.faults.rule(&format!("write guard/ 1 short\n{}\n", OPENING.join("\n")));
    client.submit_until_sealed(&["after"]);
    let fired = bench.faults.fired();
    for rule in OPENING {
        assert!(fired.iter().any(|line| line == rule), "{rule}: {fired:?}");
    }
    client.check_acknowledged();
    bench.stop(node);

    // What can't be opened when the process starts is said, and nothing is the worse for it.
    for rule in OPENING {
        bench.faults.rule(rule);
        if let Err(refused) = Node::try_launch(bench.command()) {
            refused_in_order(&refused);
        }
        bench.faults.rule("");
        assert_clean(bench.faults.directory());
    }
    let node = Node::launch(bench.command());
    client.url.clone_from(&node.url);
    client.check_acknowledged();
    bench.stop(node);
}

#[test]
fn what_a_failed_sync_left_in_doubt_is_written_again() {
    let bench = Bench::new();
    let launch =
        || Node::launch(bench.faults.recording(dev(bench.faults.directory(), &["--empty"])));
    let node = launch();
    let mut client = Client::new(&node);
    assert_eq!(client.post(&json!([terms()])).status, 200);
    client.submit_until_sealed(&["before"]);
    bench.faults.rule("sync store/db 1 errno:EIO\nwrite trial * errno:EIO\n");
    assert_eq!(client.submit(&["doubtful"]).status, 503);
    let mark = bench.faults.directory().join("doubt");
    assert_eq!(std::fs::read(&mark).unwrap(), b"1");
    // Even where the process has no time to do it.
    node.kill();
    bench.faults.rule("");
    let db = bench.faults.directory().join("store/db");
    let length = std::fs::metadata(&db).unwrap().len();
    let node = launch();
    client.url.clone_from(&node.url);
    client.submit_until_sealed(&["doubtful", "after"]);
    client.check_acknowledged();
    assert_eq!(std::fs::read(&mark).unwrap(), b"0");
    bench.stop(node);

    let calls = bench.faults.recorded();
    let start = calls.iter().rposition(|call| call.kind == Kind::Start).unwrap();
    let mut written = 0;
    for call in calls[start..].iter().filter(|call| call.path == "store/db") {
        match call.kind {
            Kind::Write => {
                assert_eq!(call.offset, written, "one piece after the other: {:?}", call.kind);
                written += call.data.len() as u64;
            }
            Kind::Sync => break,
            _ => {}
        }
    }
    assert_eq!(written, length, "all of it, before anything else is written to it");
}

#[test]
fn a_slow_disk_makes_larger_blocks_and_no_errors() {
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    let height = |client: &Client| client.get("/v1/chain").body["head"]["height"].as_u64().unwrap();
    let before = height(&client);
    bench.faults.rule("sync store/db * sleep:250\nsync guard/ * sleep:250\n");
    let clients: Vec<_> = (0..SLOW_CLIENTS)
        .map(|number| {
            let mut client = Client { url: client.url.clone(), acknowledged: BTreeMap::new() };
            std::thread::spawn(move || {
                for turn in 0..SLOW_TURNS {
                    let answer = client.submit(&[&format!("slow-{number}-{turn}")]);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                client.acknowledged
            })
        })
        .collect();
    for slow in clients {
        client.acknowledged.extend(slow.join().unwrap());
    }
    assert_eq!(client.get("/readyz").status, 200, "slow is not failed");
    bench.faults.rule("");
    let blocks = height(&client) - before;
    assert!(blocks <= SLOW_TURNS * 3, "{} entries in {blocks} blocks", SLOW_CLIENTS * SLOW_TURNS);
    client.check_acknowledged();
    bench.stop(node);
}

#[test]
fn what_a_slow_disk_keeps_waiting_too_long_is_refused() {
    if !is_long() {
        return;
    }
    let bench = Bench::new();
    let (node, client) = bench.start();
    bench.faults.rule("sync store/db * sleep:2000\nsync guard/ * sleep:2000\n");
    let clients: Vec<_> = (0..FLOODING_CLIENTS)
        .map(|number| {
            let client = Client { url: client.url.clone(), acknowledged: BTreeMap::new() };
            let entries = (0..FLOODING_ENTRIES).map(|part| sale(&format!("flood-{number}-{part}")));
            let body = Value::Array(entries.collect());
            std::thread::spawn(move || (client.post(&body), body))
        })
        .collect();
    let answers: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let refused =
        |kind: &str| answers.iter().filter(|(answer, _)| answer.body["type"] == kind).count();
    println!(
        "{} overloaded, {} timed out",
        refused("/problems/overloaded"),
        refused("/problems/timed-out")
    );
    assert!(refused("/problems/overloaded") > 0, "the pool is full");
    bench.faults.rule("");
    for (answer, body) in answers {
        if answer.status != 200 {
            is_passing(&answer);
        }
        let since = Instant::now();
        loop {
            let again = client.post(&body);
            if again.status == 200 {
                break;
            }
            is_passing(&again);
            assert!(since.elapsed() < PATIENCE, "{again:?}");
        }
    }
    bench.stop(node);
}

/// What fails behind commits, on the threads that write out what follows from the blocks.
#[test]
fn what_fails_behind_commits_is_no_damage() {
    if !is_long() {
        return;
    }
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    for thread in ["store-flush", "store-merge"] {
        let rule = format!("sync store/db@{thread} 1 errno:EIO");
        bench.faults.rule(&rule);
        let mut requests = 0;
        while !bench.faults.fired().contains(&rule) {
            let names: Vec<String> =
                (0..5000).map(|part| format!("{thread}-{requests}-{part}")).collect();
            client.submit_until_sealed(&names.iter().map(String::as_str).collect::<Vec<_>>());
            requests += 1;
            assert!(requests < 300, "{thread} has nothing to do");
        }
        println!("{thread} failed after {requests} requests");
        client.submit_until_sealed(&[&format!("after-{thread}")]);
    }
    client.check_acknowledged();
    bench.stop(node);
}

#[test]
fn clients_that_try_again_lose_nothing_while_faults_come_and_go() {
    let mut random = Random::seeded("FAILING_DISK_SEED");
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    let stopping = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let mut client = Client { url: client.url.clone(), acknowledged: BTreeMap::new() };
            let stopping = stopping.clone();
            std::thread::spawn(move || {
                for turn in 0.. {
                    if stopping.load(Ordering::Relaxed) {
                        break;
                    }
                    let names: Vec<String> =
                        (0..=turn % 7).map(|part| format!("{number}-{turn}-{part}")).collect();
                    client
                        .submit_until_sealed(&names.iter().map(String::as_str).collect::<Vec<_>>());
                }
                client.acknowledged
            })
        })
        .collect();
    let rounds = if is_long() { LONG_FAULTY_ROUNDS } else { FAULTY_ROUNDS };
    for _ in 0..rounds {
        let (_, rules, _) = FAILURES[random.index(FAILURES.len())];
        let trial = if random.below(2) == 0 { with_trial(rules) } else { rules.join("\n") };
        bench.faults.rule(&trial);
        std::thread::sleep(Duration::from_millis(50 + random.below(250)));
        bench.faults.rule("");
        std::thread::sleep(Duration::from_millis(random.below(600)));
    }
    stopping.store(true, Ordering::Relaxed);
    for client_of in clients {
        client.acknowledged.extend(client_of.join().unwrap());
    }
    println!("{} entries", client.acknowledged.len());
    await_role(&client, "sealing");
    client.check_acknowledged();
    bench.stop(node);
}

/// There are fewer calls than this of each kind.
const MAX_CALLS: u64 = 1_000;
/// How far the sample reaches at first: some more calls than there are of most kinds.
const FIRST_REACH: u64 = 60;

/// Which calls fail once, and with what.
const CALLS: &[(&str, &str)] = &[
    ("read", "EIO"),
    ("write", "ENOSPC"),
    ("sync", "EIO"),
    ("range", "EIO"),
    ("open", "EIO"),
    ("rename", "EIO"),
    ("unlink", "EIO"),
    ("truncate", "EIO"),
    ("mkdir", "ENOSPC"),
];

#[test]
fn an_error_at_any_one_call_loses_nothing() {
    let mut random = Random::seeded("FAILING_DISK_SEED");
    let bench = Bench::new();
    // As a crash leaves it, so that opening has something to do.
    let template = bench.home.path().join("template");
    let (node, client) = bench.start();
    node.kill();
    std::fs::rename(bench.faults.directory(), &template).unwrap();
    let mut sweep = Sweep { bench: &bench, template: &template, known: client.acknowledged };
    if is_long() {
        for (call, error) in CALLS {
            let last = (1..MAX_CALLS).find(|nth| !sweep.play(call, error, *nth));
            println!("{call}: {:?} played", last.expect("the load is small") - 1);
        }
    } else {
        let mut reach = BTreeMap::new();
        for _ in 0..SAMPLED_FAULTS {
            let (call, error) = CALLS[random.index(CALLS.len())];
            let reach = reach.entry(call).or_insert(FIRST_REACH);
            let nth = 1 + random.below(*reach);
            // Beyond the last such call: nearer from now on.
            if !sweep.play(call, error, nth) {
                *reach = nth;
            }
        }
    }
}

/// A small load on a copy of one ledger, again and again.
struct Sweep<'a> {
    bench: &'a Bench,
    template: &'a Path,
    /// What was acknowledged before the copy was made.
    known: BTreeMap<String, Value>,
}

impl Sweep<'_> {
    /// Plays the load with an error at the `nth` call of a kind; `false` if there is none.
    fn play(&mut self, call: &str, error: &str, nth: u64) -> bool {
        println!("{call} {nth}");
        let (faults, directory) = (&self.bench.faults, self.bench.faults.directory());
        copy_directory(self.template, directory);
        home::settle(directory);
        let before = faults.fired().len();
        faults.rule(&format!("{call} @ {nth} errno:{error}"));
        let node = Node::try_launch(self.bench.command()).unwrap_or_else(|refused| {
            refused_in_order(&refused);
            faults.rule("");
            Node::launch(self.bench.command())
        });
        let mut client = Client { acknowledged: self.known.clone(), ..Client::new(&node) };
        if call == "read" && client.get("/v1/chain").body["role"] == "halted" {
            self.is_named(node, nth);
            return true;
        }
        for number in 0..6 {
            let names = [format!("{number}-a"), format!("{number}-b")];
            client.submit_until_sealed(&[&names[0], &names[1]]);
        }
        client.check_acknowledged();
        self.bench.stop(node);
        std::fs::remove_dir_all(directory).unwrap();
        faults.fired().len() > before
    }

    /// A read that failed only once, and just when sled looked for the end of its log, cuts the
    /// log there. The guard tells: nothing is sealed, and `fsck` says why.
    fn is_named(&self, node: Node, nth: u64) {
        println!("read {nth} cuts the log");
        node.stop();
        let directory = self.bench.faults.directory();
        let fsck = run(&["fsck", "--dir", directory.to_str().unwrap(), "--json"]);
        assert_eq!(fsck.code, 1, "{fsck:?}");
        assert!(fsck.json()["guard"].as_str().unwrap().contains("rolled back"), "{fsck:?}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
