//! kill -9: at any time under load, and on each side of each call that makes something durable.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use counterfoil::node::{dev::KEY_FILE, files, secret};
use counterfoil::protocol::receipt::Receipt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::knowledge::{Knowledge, Owner, knowledge};
use crate::support::binary::{Node, copy_directory, dev, run};
use crate::support::faults::Faults;
use crate::support::load::{Known, LARGE_BLOCK_SALES, Load, large_block, post, sale, terms};
use crate::support::random::Random;
use crate::{SEED, sized, small_bounds};

/// On how many ledgers, and how often on each, a node is killed under load.
const LEDGERS: (u32, u32) = (2, 10);
const KILLS: (u32, u32) = (25, 200);
/// How long a node is under load after its first acknowledgement, in milliseconds.
const MAX_LOAD_MS: u64 = 120;
/// After how many kills everything is verified again.
const VERIFY_EVERY: (u32, u32) = (10, 40);
/// How many ledgers are worked on at the same time.
const AT_ONCE: u32 = 2;
/// How often a process is killed at each place.
const KILLS_AT_A_PLACE: u64 = 5;
/// How long a node may take to serve after it was killed, debug builds on a busy machine too.
const MAX_OPENING: Duration = Duration::from_secs(20);
/// How many acknowledged entries are asked for in one request.
const ASKED_AT_ONCE: usize = 1_000;
/// How many receipts are checked each time.
const RECEIPTS_CHECKED: usize = 3;
/// A ledger whose node is killed again and again.
struct Ledger {
    faults: Faults,
    owner: Owner,
    known: Arc<Known>,
    /// What was acknowledged since it was started last.
    unchecked: Vec<(String, Value)>,
    random: Random,
    /// How often it was started, and the longest that it took to serve.
    starts: u32,
    slowest: Duration,
    _home: TempDir,
}

/// How a node ends.
enum End<'a> {
    /// Somebody kills it, so long after it acknowledged something.
    After(Duration),
    /// It is killed where a rule says so.
    By(&'a str),
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_under_load() {
    let random = Mutex::new(Random::seeded(SEED));
    let left = Mutex::new(sized(LEDGERS));
    let take = || {
        let mut left = left.lock().unwrap();
        *left = left.checked_sub(1)?;
        Some(Random::new(random.lock().unwrap().next()))
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(random) = take() {
                    kill_under_load(Ledger::new(random));
                }
            });
        }
    });
}

fn kill_under_load(mut ledger: Ledger) {
    for kill in 1..=sized(KILLS) {
        let milliseconds = ledger.random.below(MAX_LOAD_MS);
        ledger.round(&End::After(Duration::from_millis(milliseconds)));
        if kill % sized(VERIFY_EVERY) == 0 {
            ledger.verify();
        }
    }
    ledger.finish();
}

/// Where a node is killed: the call, which one of how many, and what that leaves.
const NODE_PLACES: [(&str, u64); 3] =
    [("write guard/", 10), ("sync guard/", 10), ("sync store/db@store-commit", 10)];
/// Where a store in small bounds is killed.
const SMALL_PLACES: [(&str, u64); 6] = [
    ("sync store/runs@store-flush", 12),
    ("sync store/runs@store-merge", 4),
    ("sync store/db@store-merge", 4),
    ("write store/runs", 40),
    ("unlink store/runs", 8),
    ("write store/db", 40),
];
const SIDES: [&str; 2] = ["kill-before", "kill-after"];

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_on_either_side_of_a_nodes_syncs() {
    let mut ledger = Ledger::new(Random::seeded(SEED));
    for (place, calls) in NODE_PLACES {
        for side in SIDES {
            for _ in 0..KILLS_AT_A_PLACE {
                let rule = format!("{place} {} {side}", 1 + ledger.random.below(calls));
                ledger.round(&End::By(&rule));
            }
            ledger.verify();
            assert_killed(&ledger.faults, place, side);
        }
    }
    ledger.finish();
}

#[test]
fn a_large_block_is_whole_or_not_there_when_its_node_is_killed_before_the_commit_point() {
    let mut ledger = Ledger::new(Random::seeded(SEED));
    for (attempt, side) in SIDES.into_iter().enumerate() {
        let node = ledger.start();
        let size = node.size();
        ledger.faults.rule(&format!("write store/db 1 {side}"));
        let block = large_block(&format!("large-{attempt}"));
        assert!(post(&node.url, &block).is_none(), "it never answered");
        node.wait_for_kill();
        assert_eq!(ledger.faults.fired().len(), attempt + 1);
        ledger.faults.rule("");
        ledger.verify();
        let grown = ledger.start().size() - size;
        assert!([0, LARGE_BLOCK_SALES + 1].contains(&grown), "{side}: by {grown} leaves");
        println!("{side}: the large block is {}", if grown == 0 { "not there" } else { "whole" });
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_on_either_side_of_the_syncs_of_runs() {
    let mut random = Random::seeded(SEED);
    for (place, calls) in SMALL_PLACES {
        for side in SIDES {
            let home = tempfile::tempdir().unwrap();
            let faults = Faults::watch(&home.path().join("small"));
            let mut known = Vec::new();
            for _ in 0..KILLS_AT_A_PLACE {
                faults.rule(&format!("{place} {} {side}", 1 + random.below(calls)));
                known.extend(run_until_killed(&faults));
                check_copy(&small_bounds::owner(), faults.directory(), &known);
            }
            assert!(!known.is_empty(), "blocks were acknowledged before {side} {place}");
            assert_killed(&faults, place, side);
        }
    }
}

/// What a node does when it makes its ledger, and when it opens one after a kill.
const MAKING: [&str; 11] = [
    "mkdir store/blobs 1",
    "open store/conf 1",
    "write store/conf 1",
    "write store/conf 2",
    "open store/db 1",
    "sync store/conf 1",
    "sync store/db 1",
    "mkdir store/runs 1",
    "mkdir guard 1",
    "open guard/odd 1",
    "sync guard 1",
];
const OPENING: [&str; 6] = [
    "open store/snap 1",
    "write store/snap 1",
    "write store/snap 3",
    "sync store/snap 1",
    "rename store/snap 1",
    "sync guard 1",
];

#[test]
fn a_node_that_is_killed_while_it_makes_its_ledger_makes_it_the_next_time() {
    for (call, side) in MAKING.iter().flat_map(|call| SIDES.map(|side| (call, side))) {
        let home = tempfile::tempdir().unwrap();
        let faults = Faults::watch(&home.path().join("dev"));
        kill_at_start(&faults, &format!("{call} {side}"));
        let node = Node::launch(faults.under(dev(faults.directory(), &["--empty"])));
        let stated = post(&node.url, &json!([terms()])).expect("it answers");
        assert_eq!(stated["results"][0]["status"], "sealed", "{call} {side}: {stated}");
    }
}

#[test]
fn a_node_that_is_killed_while_it_opens_its_ledger_opens_it_the_next_time() {
    let mut ledger = Ledger::new(Random::seeded(SEED));
    for (call, side) in OPENING.iter().flat_map(|call| SIDES.map(|side| (call, side))) {
        ledger.round(&End::After(Duration::ZERO));
        kill_at_start(&ledger.faults, &format!("{call} {side}"));
    }
    ledger.finish();
}

fn kill_at_start(faults: &Faults, rule: &str) {
    let fired = faults.fired().len();
    faults.rule(rule);
    let done = faults.under(dev(faults.directory(), &["--empty"])).output().unwrap();
    assert_eq!(done.status.signal(), Some(9), "{rule}: {}", done.status);
    assert_eq!(faults.fired().len(), fired + 1);
    faults.rule("");
}

/// Runs the store in small bounds till a rule ends it; what it said until then.
fn run_until_killed(faults: &Faults) -> Vec<Knowledge> {
    let mut command: Command = faults.under(small_bounds::command(faults.directory(), 1_000));
    let done = command.stderr(Stdio::null()).output().unwrap();
    assert_eq!(done.status.signal(), Some(9), "{}", done.status);
    let chain = small_bounds::owner().chain;
    small_bounds::said(&done.stdout).flat_map(|text| knowledge(&text, &chain)).collect()
}

/// By the shim's own word, a process was killed often enough on that side of that call.
fn assert_killed(faults: &Faults, place: &str, side: &str) {
    let fired = faults.fired();
    let here = |rule: &&String| rule.starts_with(place) && rule.ends_with(side);
    let count = fired.iter().filter(here).count() as u64;
    println!("{count} times {side} {place}");
    assert_eq!(count, KILLS_AT_A_PLACE, "{side} {place}: {fired:?}");
}

/// Checks a directory without changing it.
fn check_copy(owner: &Owner, directory: &Path, known: &[Knowledge]) {
    let copy = tempfile::tempdir().unwrap();
    copy_directory(directory, copy.path());
    owner.check(copy.path(), known).unwrap();
}

impl Ledger {
    fn new(random: Random) -> Self {
        let home = tempfile::tempdir().unwrap();
        let faults = Faults::watch(&home.path().join("dev"));
        let node = Node::launch(faults.under(dev(faults.directory(), &["--empty"])));
        let chain = files::chain_of(faults.directory()).unwrap();
        let key = secret::read_key(&faults.directory().join(KEY_FILE)).unwrap();
        let stated = post(&node.url, &json!([terms()])).expect("it answers");
        assert_eq!(stated["results"][0]["status"], "sealed", "{stated}");
        node.kill();
        let owner = Owner { chain, key, bounds: None };
        Self {
            faults,
            owner,
            known: Arc::default(),
            unchecked: Vec::new(),
            random,
            starts: 1,
            slowest: Duration::ZERO,
            _home: home,
        }
    }

    /// Starts the node, which must not take long.
    fn start(&mut self) -> Node {
        let since = Instant::now();
        let node = Node::launch(self.faults.under(dev(self.faults.directory(), &[])));
        self.slowest = self.slowest.max(since.elapsed());
        assert!(since.elapsed() < MAX_OPENING, "{:?}", since.elapsed());
        self.starts += 1;
        node
    }

    /// Starts the node, looks for what was acknowledged before it was killed last, puts it under
    /// load, and has it killed again.
    fn round(&mut self, end: &End<'_>) {
        let node = self.start();
        let acknowledged = std::mem::take(&mut self.unchecked);
        self.check(&node, &acknowledged);
        if let End::By(rule) = end {
            self.faults.rule(rule);
        }
        let before = self.known.count();
        let round = format!("round-{}", self.starts);
        let load = Load::start(&node.url, &round, &self.owner.chain, &self.known);
        match end {
            End::After(time) => {
                self.known.wait_for_more_than(before);
                std::thread::sleep(*time);
                node.kill();
            }
            End::By(_) => node.wait_for_kill(),
        }
        load.stop();
        self.faults.rule("");
        self.unchecked = self.known.acknowledged(before);
    }

    /// Every one of these entries is there, in its place, and some of their receipts hold.
    fn check(&mut self, node: &Node, acknowledged: &[(String, Value)]) {
        for some in acknowledged.chunks(ASKED_AT_ONCE) {
            let body: Vec<Value> = some.iter().map(|(name, _)| sale(name)).collect();
            let again = post(&node.url, &body.into()).expect("it answers");
            let results = again["results"].as_array().expect("a result each");
            assert_eq!(results.len(), some.len());
            for ((name, place), found) in some.iter().zip(results) {
                assert_eq!(found["status"], "existing", "{name}: {found}");
                for field in ["id", "index", "height"] {
                    assert_eq!(found[field], place[field], "{name}: {found}");
                }
            }
        }
        for _ in 0..RECEIPTS_CHECKED.min(acknowledged.len()) {
            let (_, place) = &acknowledged[self.random.index(acknowledged.len())];
            let receipt = node.get(place["receipt"].as_str().unwrap());
            let receipt = Receipt::parse(std::str::from_utf8(&receipt).unwrap()).unwrap();
            let proven = receipt.verify(&self.owner.chain).expect("a receipt that holds");
            assert_eq!(proven.entry.id().to_string(), place["id"].as_str().unwrap());
        }
    }

    /// Verifies everything as it stands after a kill, and that it can be sealed on.
    fn verify(&self) {
        let acknowledged = self.known.acknowledged(0);
        let entries = acknowledged.iter().map(|(_, place)| json!({"results": [place]}).to_string());
        let mut known: Vec<Knowledge> =
            entries.flat_map(|text| knowledge(&text, &self.owner.chain)).collect();
        let checkpoints = self.known.checkpoints().into_iter();
        known.extend(checkpoints.map(|(size, root)| Knowledge::Checkpoint { size, root }));
        check_copy(&self.owner, self.faults.directory(), &known);
    }

    /// Everything that was ever acknowledged is there, and sealing goes on.
    fn finish(mut self) {
        self.verify();
        let node = self.start();
        let all = self.known.acknowledged(0);
        self.check(&node, &all);
        let last = post(&node.url, &json!([sale("last")])).expect("it answers");
        assert_eq!(last["results"][0]["status"], "sealed", "{last}");
        assert_eq!(node.stop().code, 0);
        let directory = self.faults.directory().to_str().unwrap();
        assert_eq!(run(&["verify", "--dir", directory]).code, 0);
        assert!(!all.is_empty(), "there was load");
        println!(
            "{} starts, the slowest took {:?}; {} entries acknowledged, {} checkpoints seen",
            self.starts,
            self.slowest,
            all.len(),
            self.known.checkpoints().len()
        );
    }
}
