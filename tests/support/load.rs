//! Clients of a real node that submit until it is gone, and remember what it told them.
#![allow(clippy::indexing_slicing, reason = "a test stops where something isn't as it expects")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use counterfoil::protocol::checkpoint::Checkpoint;
use counterfoil::protocol::hash::TreeHash;
use counterfoil::protocol::verify::Chain;
use serde_json::{Value, json};

use super::binary::block_on;

/// How many clients submit at the same time.
const CLIENTS: u64 = 4;
/// How many sales each request has, one request after the other.
const REQUEST_SALES: [u64; 5] = [1, 2, 1, 3, 40];

/// How many sales a large block has.
pub const LARGE_BLOCK_SALES: u64 = 2_600;

/// How long one waits before it looks at the checkpoint again.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long it may take until something is acknowledged.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the clients of all rounds were told.
#[derive(Default)]
pub struct Known {
    /// The external id of each acknowledged entry, and the result: where it stands.
    acknowledged: Mutex<Vec<(String, Value)>>,
    /// The root of each checkpoint that was seen, by size.
    checkpoints: Mutex<BTreeMap<u64, TreeHash>>,
}

impl Known {
    /// What was acknowledged, but for the first so many.
    pub fn acknowledged(&self, first: usize) -> Vec<(String, Value)> {
        self.lock()[first..].to_vec()
    }

    pub fn count(&self) -> usize {
        self.lock().len()
    }

    pub fn checkpoints(&self) -> BTreeMap<u64, TreeHash> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until more than so many entries are acknowledged.
    pub fn wait_for_more_than(&self, count: usize) {
        let since = Instant::now();
        while self.count() <= count {
            assert!(since.elapsed() < PATIENCE, "nothing is acknowledged");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn acknowledge(&self, name: String, result: Value) {
        assert_eq!(result["status"], "sealed", "{result}");
        self.lock().push((name, result));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Value)>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, checkpoint: &Checkpoint) {
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let root = checkpoints.entry(checkpoint.size).or_insert(checkpoint.root);
        assert_eq!(*root, checkpoint.root, "two roots at size {}", checkpoint.size);
    }
}

/// Clients that submit sales, one request after the other, until the node is gone, and one that
/// looks at the checkpoint all the time.
pub struct Load {
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts them; no other round may have the same name.
    pub fn start(url: &str, round: &str, chain: &Arc<Chain>, known: &Arc<Known>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for client in 0..CLIENTS {
            let (url, known, stopping) = (url.to_owned(), known.clone(), stopping.clone());
            let name = format!("{round}-{client}");
            threads
                .push(std::thread::spawn(move || block_on(submit(&url, &name, &known, &stopping))));
        }
        let (url, known, chain) = (url.to_owned(), known.clone(), chain.clone());
        let stopped = stopping.clone();
        threads.push(std::thread::spawn(move || block_on(watch(&url, &chain, &known, &stopped))));
        Self { stopping, threads }
    }

    /// Waits until all of them are done.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("clients see nothing that is wrong");
        }
    }
}

async fn submit(url: &str, name: &str, known: &Known, stopping: &AtomicBool) {
    let client = reqwest::Client::new();
    for (number, sales) in (0u64..).zip(REQUEST_SALES.iter().cycle()) {
        if stopping.load(Ordering::Relaxed) {
            return;
        }
        let names: Vec<String> =
            (0..*sales).map(|part| format!("{name}-{number}-{part}")).collect();
        let body: Vec<Value> = names.iter().map(|name| sale(name)).collect();
        // What isn't answered whole isn't acknowledged.
        let Some(answer) = try_post(&client, url, &body.into()).await else { return };
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        for (name, result) in names.into_iter().zip(results) {
            known.acknowledge(name, result);
        }
    }
}

async fn watch(url: &str, chain: &Chain, known: &Known, stopping: &AtomicBool) {
    let (spec, client) = (chain.spec(), reqwest::Client::new());
    while !stopping.load(Ordering::Relaxed) {
        let Some(note) = try_get(&client, &format!("{url}/checkpoint")).await else { return };
        let (checkpoint, _) =
            Checkpoint::open(&note, &spec.origin, &spec.authority()).expect("signed");
        known.see(&checkpoint);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The answer to a submission, if there is one.
pub fn post(url: &str, body: &Value) -> Option<Value> {
    block_on(try_post(&reqwest::Client::new(), url, body))
}

async fn try_post(client: &reqwest::Client, url: &str, body: &Value) -> Option<Value> {
    client.post(format!("{url}/v1/entries")).json(body).send().await.ok()?.json().await.ok()
}

async fn try_get(client: &reqwest::Client, url: &str) -> Option<String> {
    client.get(url).send().await.ok()?.text().await.ok()
}

/// The terms that every sale is under.
pub fn terms() -> Value {
    json!({
        "tenant": "acme", "kind": "program_terms", "external_id": "terms",
        "event_time": "2025-01-01T00:00:00Z",
        "body": {"merchant": "shop", "program": "main", "version": 1,
            "effective_from": "2025-01-01T00:00:00Z", "actions": ["sale"],
            "locking": {"type": "days", "days": 30},
            "rules": [{"reward": {"type": "percent", "ppm": 75_000}}]},
    })
}

pub fn sale(external_id: &str) -> Value {
    json!({
        "tenant": "acme", "kind": "transaction", "external_id": external_id,
        "event_time": "2025-02-01T00:00:00Z",
        "body": {"order_ref": external_id, "merchant": "shop", "program": "main",
            "action": "sale", "currency": "EUR", "amount": "12.50"},
    })
}

/// Sales with long names, so many that they don't fit a segment of the database's log, of 512
/// KiB: so a part of the block is written before its commit point is.
pub fn large_block(name: &str) -> Value {
    (0..LARGE_BLOCK_SALES).map(|number| sale(&format!("{name}-{number:0>100}"))).collect()
}
