//! A node on a failing disk, and a client that knows what it was told.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::binary::{Node, Ran, block_on, dev, run};
use crate::support::faults::Faults;
use crate::support::load::{sale, terms};

/// How long a node may take until it seals again.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a refusal may take at most: it is given at once, whatever the disk does.
pub const AT_ONCE: Duration = Duration::from_secs(2);
/// How many blocks there are before anything fails.
pub const EARLIER_BLOCKS: u32 = 20;

pub fn is_long() -> bool {
    std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1")
}

/// An answer to a submission.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<u64>,
    pub body: Value,
}

/// A client that knows what it was told.
pub struct Client {
    pub url: String,
    /// Where each acknowledged entry stands, by external id.
    pub acknowledged: BTreeMap<String, Value>,
}

impl Client {
    pub fn new(node: &Node) -> Self {
        Self { url: node.url.clone(), acknowledged: BTreeMap::new() }
    }

    /// Submits sales once.
    pub fn submit(&mut self, names: &[&str]) -> Answer {
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
    pub fn submit_until_sealed(&mut self, names: &[&str]) -> Answer {
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

    pub fn post(&self, body: &Value) -> Answer {
        block_on(async {
            let url = format!("{}/v1/entries", self.url);
            let sent = reqwest::Client::new().post(url).json(body).send().await;
            Answer::of(sent.expect("it answers")).await
        })
    }

    pub fn get(&self, path: &str) -> Answer {
        block_on(async {
            let sent = reqwest::get(format!("{}{path}", self.url)).await;
            Answer::of(sent.expect("it answers")).await
        })
    }

    /// Everything that was acknowledged is there, where it was said to be.
    pub fn check_acknowledged(&mut self) {
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
    pub async fn of(response: reqwest::Response) -> Self {
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let bytes = response.bytes().await.expect("a whole body");
        Self { status, retry_after, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }
}

/// A refusal says when to try again, and nothing of the node's insides.
pub fn is_passing(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{answer:?}");
    let text = answer.body.to_string();
    for inside in ["store/", "guard/", "os error", "/tmp"] {
        assert!(!text.contains(inside), "{text}");
    }
}

/// A node on a small ledger, under the shim.
pub struct Bench {
    pub home: tempfile::TempDir,
    pub faults: Faults,
}

impl Bench {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let faults = Faults::watch(&home.path().join("dev"));
        Self { home, faults }
    }

    pub fn command(&self) -> Command {
        self.faults.under(dev(self.faults.directory(), &["--empty"]))
    }

    /// Starts the node and submits the first entries.
    pub fn start(&self) -> (Node, Client) {
        let node = Node::launch(self.command());
        let mut client = Client::new(&node);
        assert_eq!(client.post(&json!([terms()])).status, 200);
        for number in 0..EARLIER_BLOCKS {
            client.submit_until_sealed(&[&format!("early-{number}")]);
        }
        (node, client)
    }

    /// Stops the node; what is stored is whole.
    pub fn stop(&self, node: Node) -> Ran {
        let ran = node.stop();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_clean(self.faults.directory());
        ran
    }
}

/// It says what it can't do, rather than break down.
pub fn refused_in_order(refused: &Ran) {
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.starts_with("error: "), "{refused:?}");
    assert!(!refused.err.contains("panicked"), "{refused:?}");
}

pub fn assert_clean(directory: &Path) {
    let fsck = run(&["fsck", "--dir", directory.to_str().unwrap(), "--json"]);
    assert_eq!((fsck.code, &fsck.json()["clean"]), (0, &json!(true)), "{fsck:?}");
    let blobs = directory.join("store/blobs");
    assert!(std::fs::read_dir(blobs).map_or(0, Iterator::count) == 0, "blobs/ is empty");
}
pub fn await_role(client: &Client, role: &str) {
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
