//! A network of real nodes: an authority, and replicas that know where to find it.
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::binary::{Node, block_on, json, operator_under, path, run, sample};
use super::line::Line;

/// How long it may take until nodes agree.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Where nodes listen for each other.
pub const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";

/// An operator's folder: the key, the token, the spec, and a data directory for each node.
pub struct Site {
    pub home: tempfile::TempDir,
    entries: Vec<String>,
    submitted: usize,
}

impl Site {
    /// A chain of its own, and enough entries that its rules admit.
    pub fn new(entries: usize) -> Self {
        Self::under(&[], entries)
    }

    /// The same, whose spec one governance key can change: `governance`.
    pub fn governed(entries: usize) -> Self {
        Self::under(&["governance"], entries)
    }

    fn under(governance: &[&str], entries: usize) -> Self {
        let entries = sample(entries).lines().map(str::to_owned).collect();
        Self { home: operator_under(governance), entries, submitted: 0 }
    }

    pub fn path(&self, name: &str) -> String {
        path(self.home.path(), name)
    }

    /// A node with the sealing key, on the data directory `name`.
    pub fn authority(&self, name: &str, more: &[&str]) -> Node {
        self.sealing_with("key", name, more)
    }

    /// The same, which listens for peers only where `more` says.
    pub fn authority_at(&self, name: &str, more: &[&str]) -> Node {
        self.node_at(name, &[&self.keys("key").each_ref().map(String::as_str), more].concat())
    }

    /// A node with the key of that name.
    pub fn sealing_with(&self, key: &str, name: &str, more: &[&str]) -> Node {
        self.node(name, &[&self.keys(key).each_ref().map(String::as_str), more].concat())
    }

    fn keys(&self, key: &str) -> [String; 4] {
        let [key_file, token_file] = ["--key-file", "--token-file"].map(str::to_owned);
        [key_file, self.path(key), token_file, self.path("token")]
    }

    /// A node without it, which stays connected to `peers`.
    pub fn replica(&self, name: &str, peers: &[&str]) -> Node {
        if !Path::new(&self.path(name)).exists() {
            self.init(name);
        }
        let peers: Vec<&str> = peers.iter().flat_map(|peer| ["--peer", peer]).collect();
        self.node(name, &peers)
    }

    /// Makes the data directory `name`.
    pub fn init(&self, name: &str) {
        let ran = run(&["init", "--spec", &self.path("spec.toml"), "--dir", &self.path(name)]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    pub fn node(&self, name: &str, more: &[&str]) -> Node {
        self.node_at(name, &[&["--p2p-listen", LISTEN], more].concat())
    }

    /// A node that listens for peers only where `more` says.
    pub fn node_at(&self, name: &str, more: &[&str]) -> Node {
        let dir = self.path(name);
        let basics = ["node", "--dir", &dir, "--listen", "127.0.0.1:0", "--json"];
        Node::start(&[&basics[..], more].concat())
    }

    /// Seals the next `count` entries in blocks of `batch`; all of them must be.
    pub fn seal(&mut self, node: &Node, count: usize, batch: usize) {
        let (from, to) = (self.submitted, self.submitted + count);
        for batch in self.entries[from..to].chunks(batch) {
            let entries: Vec<Value> =
                batch.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let (status, answer) = self.submit(node, &json!(entries));
            assert_eq!(status, 200, "{answer}");
            for result in answer["results"].as_array().expect("results") {
                assert_eq!(result["status"], "sealed", "{result}");
            }
        }
        self.submitted = to;
    }

    /// The last `count` entries are sealed once more: on another ledger.
    pub fn again(&mut self, count: usize) {
        self.submitted -= count;
    }

    /// Submits a body; the status, and what is answered.
    pub fn submit(&self, node: &Node, body: &Value) -> (u16, Value) {
        let token = std::fs::read_to_string(self.path("token")).expect("a token");
        block_on(async {
            let request = reqwest::Client::new()
                .post(format!("{}/v1/entries", node.url))
                .bearer_auth(token.trim())
                .json(body);
            let answer = request.send().await.expect("an answer");
            (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
        })
    }

    /// The next entry, to be submitted by hand.
    pub fn next_entry(&mut self) -> Value {
        self.submitted += 1;
        serde_json::from_str(&self.entries[self.submitted - 1]).expect("JSON")
    }

    /// Verifies everything that is in the data directory `name`, whose node isn't running.
    pub fn check(&self, name: &str) {
        let report = json(&["fsck", "--dir", &self.path(name)]);
        assert_eq!(report["clean"], true, "{report}");
    }
}

/// Runs a command that must do what it is asked.
pub fn done(arguments: &[&str]) {
    let ran = run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
}

/// Waits until something holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until all nodes have the checkpoint of the first, byte for byte.
pub fn wait_for_agreement(nodes: &[&Node]) {
    wait_until("one checkpoint everywhere", || {
        let [first, others @ ..] = nodes else { return true };
        let note = checkpoint(first);
        others.iter().all(|node| checkpoint(node) == note)
    });
}

/// What a node publishes as its checkpoint; nothing where there is none.
pub fn checkpoint(node: &Node) -> Vec<u8> {
    block_on(async {
        let answer = reqwest::get(format!("{}/checkpoint", node.url)).await.expect("an answer");
        if answer.status() == 404 {
            return Vec::new();
        }
        answer.bytes().await.expect("a body").to_vec()
    })
}

/// How far a node says that it is.
pub fn sync(node: &Node) -> Value {
    node.json("/v1/peers")["sync"].clone()
}

/// How many peers a node is connected to.
pub fn peers(node: &Node) -> usize {
    node.json("/v1/peers")["peers"].as_array().expect("a list").len()
}

/// A line to where a node listens for peers, and the address of the node at its other end.
pub fn line_to(node: &Node) -> (Line, String) {
    let address = node.p2p();
    let parts: Vec<&str> = address.split('/').collect();
    let target: SocketAddr = format!("{}:{}", parts[2], parts[4]).parse().expect("an address");
    let line = Line::new(target);
    let through = format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", line.address.port(), parts[6]);
    (line, through)
}
