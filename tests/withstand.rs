//! What must not lose anything: a node killed at any moment, a store that was rolled back.
//!
//! The seed of what is random is printed; `WITHSTAND_SEED` sets it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use counterfoil::protocol::checkpoint::Checkpoint;
use counterfoil::protocol::hash::TreeHash;
use counterfoil::protocol::receipt::Receipt;
use counterfoil::protocol::spec::ChainSpec;
use counterfoil::protocol::verify::Chain;
use counterfoil::store::Store;
use serde_json::{Value, json};
use support::binary::{Node, block_on, copy_directory, json, operated, operator, path, run};

/// How often the node is killed, and how often in the long suite.
const ROUNDS: u32 = 5;
const LONG_ROUNDS: u32 = 60;
/// How many clients submit at the same time.
const CLIENTS: u64 = 4;

/// How many acknowledged entries are asked for in one request.
const CHECKED_AT_ONCE: usize = 2000;
/// How many receipts are checked each time the node was killed.
const RECEIPTS_CHECKED: usize = 50;

/// What the clients of all rounds know, told by the node before it was killed.
#[derive(Default)]
struct Known {
    /// Where each acknowledged entry stands, by external id.
    acknowledged: Mutex<BTreeMap<String, Value>>,
    /// The root of each checkpoint that was seen, by size.
    checkpoints: Mutex<BTreeMap<u64, TreeHash>>,
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_under_load() {
    let mut random = seeded();
    let long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let rounds = if long { LONG_ROUNDS } else { ROUNDS };
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("dev");
    let dir_name = dir.to_str().unwrap();
    let known = Arc::new(Known::default());
    let mut node = Node::dev(&dir, &["--empty"]);
    let chain = Arc::new(Chain::new(
        ChainSpec::parse(&std::fs::read_to_string(dir.join("spec.toml")).unwrap()).unwrap(),
    ));
    let terms = post(&node.url, &json!([terms()])).expect("it answers");
    assert_eq!(terms["results"][0]["status"], "sealed", "{terms}");

    for round in 0..rounds {
        let load = Load::start(&node.url, round, &chain, &known);
        std::thread::sleep(Duration::from_millis(150 + random.below(750)));
        node.kill();
        load.stop();
        let acknowledged = known.acknowledged.lock().unwrap().clone();
        println!("round {round}: {} entries acknowledged", acknowledged.len());

        let report = json(&["fsck", "--dir", dir_name]);
        assert_eq!(report["clean"], true, "{report}");
        node = Node::dev(&dir, &[]);
        check_acknowledged(&node, &chain, &acknowledged, &mut random);
    }
    // Sealing goes on.
    let last = post(&node.url, &json!([sale("last")])).expect("it answers");
    assert_eq!(last["results"][0]["status"], "sealed");
    assert_eq!(node.stop().code, 0);
    assert_eq!(run(&["verify", "--dir", dir_name]).code, 0);
    assert!(!known.acknowledged.lock().unwrap().is_empty(), "there was load");
    check_checkpoints(&dir, &chain, &known);
}

/// Every acknowledged entry is there, in its place, and some of their receipts hold.
fn check_acknowledged(
    node: &Node,
    chain: &Chain,
    acknowledged: &BTreeMap<String, Value>,
    random: &mut Random,
) {
    let all: Vec<_> = acknowledged.iter().collect();
    for some in all.chunks(CHECKED_AT_ONCE) {
        let body: Vec<Value> = some.iter().map(|(external_id, _)| sale(external_id)).collect();
        let again = post(&node.url, &body.into()).expect("it answers");
        let results = again["results"].as_array().expect("a result each");
        assert_eq!(results.len(), some.len());
        for ((external_id, place), found) in some.iter().zip(results) {
            assert_eq!(found["status"], "existing", "{external_id}: {found}");
            for field in ["id", "index", "height"] {
                assert_eq!(found[field], place[field], "{external_id}: {found}");
            }
        }
    }
    for _ in 0..RECEIPTS_CHECKED.min(all.len()) {
        let (_, place) = all[usize::try_from(random.below(all.len() as u64)).unwrap()];
        let receipt = node.get(place["receipt"].as_str().unwrap());
        let receipt = Receipt::parse(std::str::from_utf8(&receipt).unwrap()).unwrap();
        let proven = receipt.verify(chain).expect("a receipt that holds");
        assert_eq!(proven.entry.id().to_string(), place["id"].as_str().unwrap());
    }
}

/// No checkpoint that anybody saw tells another story than the ledger does now.
fn check_checkpoints(dir: &Path, chain: &Arc<Chain>, known: &Known) {
    let (store, _committer) = Store::open(dir, chain.clone()).unwrap();
    let view = store.view();
    let checkpoints = known.checkpoints.lock().unwrap();
    assert!(checkpoints.len() > 1, "checkpoints were seen");
    for (size, root) in checkpoints.iter() {
        assert_eq!(view.root(*size).unwrap(), *root, "at size {size}");
    }
}

/// Clients that submit one sale after the other until the node is gone, and one that looks at
/// the checkpoint all the time.
struct Load {
    stopping: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(url: &str, round: u32, chain: &Arc<Chain>, known: &Arc<Known>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for client in 0..CLIENTS {
            let (url, known, stopping) = (url.to_owned(), known.clone(), stopping.clone());
            threads.push(std::thread::spawn(move || {
                for number in 0u64.. {
                    let names: Vec<String> = (0..=number % 4)
                        .map(|part| format!("sale-{round}-{client}-{number}-{part}"))
                        .collect();
                    let body: Vec<Value> = names.iter().map(|name| sale(name)).collect();
                    if stopping.load(Ordering::Relaxed) {
                        return;
                    }
                    // What isn't answered whole isn't acknowledged.
                    let Some(answer) = post(&url, &body.into()) else { return };
                    let results = answer["results"].as_array().cloned().unwrap_or_default();
                    let mut acknowledged = known.acknowledged.lock().unwrap();
                    for (name, result) in names.into_iter().zip(results) {
                        assert_eq!(result["status"], "sealed", "{result}");
                        acknowledged.insert(name, result);
                    }
                }
            }));
        }
        let (url, known, chain, stopped) =
            (url.to_owned(), known.clone(), chain.clone(), stopping.clone());
        threads.push(std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Some(note) = try_get(&format!("{url}/checkpoint")) else { return };
                let spec = chain.spec();
                let (checkpoint, _) =
                    Checkpoint::open(&note, &spec.origin, &spec.authority()).expect("signed");
                let mut checkpoints = known.checkpoints.lock().unwrap();
                let root = checkpoints.entry(checkpoint.size).or_insert(checkpoint.root);
                assert_eq!(*root, checkpoint.root, "two roots at size {}", checkpoint.size);
            }
        }));
        Self { stopping, threads }
    }

    fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("clients see nothing that is wrong");
        }
    }
}

#[test]
fn a_store_that_was_rolled_back_seals_nothing_until_what_is_missing_is_back() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    let token = std::fs::read_to_string(at("token")).unwrap();
    let submit = |node: &Node, body: Value| {
        block_on(async {
            let request = reqwest::Client::new()
                .post(format!("{}/v1/entries", node.url))
                .bearer_auth(token.trim())
                .json(&body);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        })
    };
    let node = operated(home.path());
    assert_eq!(submit(&node, json!([terms(), sale("one")])).0, 200);
    node.stop();
    copy_directory(&home.path().join("ledger/store"), &home.path().join("snapshot"));
    let node = operated(home.path());
    for name in ["two", "three", "four"] {
        assert_eq!(submit(&node, json!([sale(name)])).0, 200);
    }
    let head = node.json("/v1/chain")["head"].clone();
    node.stop();
    json(&["export", "--dir", &at("ledger"), &at("all.cfx")]);

    std::fs::remove_dir_all(home.path().join("ledger/store")).unwrap();
    copy_directory(&home.path().join("snapshot"), &home.path().join("ledger/store"));
    let node = operated(home.path());
    let (status, problem) = submit(&node, json!([sale("another")]));
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("rolled back"), "{problem}");
    assert!(node.size() < head["size"].as_u64().unwrap(), "it serves what it has");
    node.stop();
    let fsck = run(&["fsck", "--dir", &at("ledger"), "--json"]);
    assert_eq!((fsck.code, &fsck.json()["clean"]), (1, &false.into()));

    let imported = json(&["import", &at("all.cfx"), "--dir", &at("ledger")]);
    assert_eq!(imported["appended"], 3);
    let node = operated(home.path());
    assert_eq!(node.json("/v1/chain")["head"], head);
    assert_eq!(submit(&node, json!([sale("another")])).0, 200);
    node.stop();
    assert_eq!(run(&["verify", "--dir", &at("ledger")]).code, 0);
}

#[test]
fn requests_at_hand_are_answered_when_the_node_is_told_to_stop() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("dev");
    let node = Node::dev(&dir, &["--empty"]);
    post(&node.url, &json!([terms()])).expect("it answers");
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let url = node.url.clone();
            let body: Vec<Value> =
                (0..500).map(|number| sale(&format!("sale-{client}-{number}"))).collect();
            std::thread::spawn(move || post(&url, &body.into()))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(150));
    let stopped = node.stop();
    assert_eq!((stopped.code, stopped.err.as_str()), (0, ""));
    let mut sealed = 0;
    for client in clients {
        // One that came too late was refused as a whole.
        let Some(answer) = client.join().unwrap() else { continue };
        let results = answer["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == "sealed"), "{answer}");
        sealed += results.len() as u64;
    }
    let report = json(&["fsck", "--dir", dir.to_str().unwrap()]);
    assert_eq!(report["clean"], true);
    assert!(report["entries"].as_u64().unwrap() > sealed, "with the terms");
}

/// Random numbers that a seed repeats (Marsaglia's xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn seeded() -> Random {
    let seed = std::env::var("WITHSTAND_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| counterfoil::ledger::now().as_millis());
    println!("WITHSTAND_SEED={seed}");
    Random(seed.max(1))
}

/// The answer to a submission, if there is one.
fn post(url: &str, body: &Value) -> Option<Value> {
    block_on(async {
        let request = reqwest::Client::new().post(format!("{url}/v1/entries")).json(body);
        request.send().await.ok()?.json().await.ok()
    })
}

fn try_get(url: &str) -> Option<String> {
    block_on(async { reqwest::get(url).await.ok()?.text().await.ok() })
}

fn terms() -> Value {
    json!({
        "tenant": "acme", "kind": "program_terms", "external_id": "terms",
        "event_time": "2025-01-01T00:00:00Z",
        "body": {"merchant": "shop", "program": "main", "version": 1,
            "effective_from": "2025-01-01T00:00:00Z", "locking_days": 30,
            "reward": {"type": "percent", "ppm": 75_000}},
    })
}

fn sale(external_id: &str) -> Value {
    json!({
        "tenant": "acme", "kind": "transaction", "external_id": external_id,
        "event_time": "2025-02-01T00:00:00Z",
        "body": {"order_ref": external_id, "merchant": "shop", "program": "main",
            "action": "sale", "currency": "EUR", "amount": "12.50"},
    })
}
