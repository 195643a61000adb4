//! docs/succession.md works: its commands run as they stand there, with real nodes around them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use support::binary::{Node, block_on, json as printed, path, run};

const PAGE: &str = include_str!("../docs/succession.md");
/// What the page calls the node that seals, and one that has a copy.
const NODE: &str = "http://127.0.0.1:8080";
const MIRROR: &str = "https://mirror.example";

/// The blocks of commands of each section.
fn blocks() -> BTreeMap<&'static str, Vec<&'static str>> {
    let sections = PAGE.split("\n## ").skip(1);
    let parted = sections.map(|section| {
        let (title, text) = section.split_once('\n').unwrap();
        let blocks = text.split("```sh\n").skip(1);
        (title, blocks.map(|block| block.split("```").next().unwrap()).collect::<Vec<_>>())
    });
    parted.filter(|(_, blocks)| !blocks.is_empty()).collect()
}

/// Somebody's folder, and which blocks of the page were run in it.
struct Folder {
    home: tempfile::TempDir,
    done: RefCell<Vec<(&'static str, usize)>>,
    sold: RefCell<u32>,
}

impl Folder {
    /// As the page's first section makes it.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = Self { home, done: RefCell::default(), sold: RefCell::default() };
        folder.follow("Keys that govern", 0, "", "");
        folder
    }

    /// Runs a block of the page; what it printed.
    fn follow(&self, section: &'static str, number: usize, node: &str, mirror: &str) -> String {
        let (holds, said) = self.attempt(section, number, node, mirror);
        assert!(holds, "{section} {number}: {said}");
        self.done.borrow_mut().push((section, number));
        said
    }

    /// The same, which may fail.
    fn attempt(&self, section: &str, number: usize, node: &str, mirror: &str) -> (bool, String) {
        let commands = blocks()[section][number].replace(NODE, node).replace(MIRROR, mirror);
        let binary = env!("CARGO_BIN_EXE_counterfoil");
        let script =
            format!("set -euo pipefail\ncounterfoil() {{ '{binary}' \"$@\"; }}\n{commands}");
        let mut shell = Command::new("bash");
        let ran = shell.args(["-c", &script]).current_dir(self.home.path()).output().unwrap();
        let said = [&ran.stdout[..], &ran.stderr[..]].concat();
        (ran.status.success(), String::from_utf8(said).unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        path(self.home.path(), name)
    }

    /// A node on the directory `name`, with a key or without.
    fn node(&self, name: &str, key: Option<&str>) -> Node {
        self.node_with(name, key, &[])
    }

    fn node_with(&self, name: &str, key: Option<&str>, more: &[&str]) -> Node {
        let (dir, token) = (self.path(name), self.path("submit.token"));
        let mut arguments = vec!["node", "--dir", &dir, "--listen", "127.0.0.1:0", "--json"];
        let key = key.map(|key| self.path(key));
        if let Some(key) = &key {
            arguments.extend(["--key-file", key, "--token-file", &token]);
        }
        arguments.extend(more);
        Node::start(&arguments)
    }

    /// A directory with all that `url` has.
    fn copy(&self, name: &str, url: &str) {
        let (spec, dir) = (self.path("chain-spec.toml"), self.path(name));
        assert_eq!(run(&["init", "--spec", &spec, "--dir", &dir]).code, 0);
        printed(&["mirror", url, "--dir", &dir]);
    }

    fn submit(&self, node: &Node, body: &Value) -> (u16, Value) {
        let token = fs::read_to_string(self.at("submit.token")).unwrap();
        block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.post(format!("{}/v1/entries", node.url));
            let answer = request.bearer_auth(token.trim()).json(body).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        })
    }

    /// Seals as many blocks of one entry each; the id of the last.
    fn seal(&self, node: &Node, blocks: u32) -> String {
        let mut id = String::new();
        for _ in 0..blocks {
            *self.sold.borrow_mut() += 1;
            let (status, answer) = self.submit(node, &stated(*self.sold.borrow(), "EUR"));
            assert_eq!(status, 201, "{answer}");
            answer["id"].as_str().unwrap().clone_into(&mut id);
        }
        id
    }

    /// Verifies everything that a node serves by the chain spec that the ledger began with, and
    /// each of its receipts.
    fn verify(&self, node: &Node) {
        let spec = self.path("chain-spec.toml");
        let proven = printed(&["verify", "--url", &node.url, "--spec", &spec]);
        assert_eq!(proven["authority"], node.json("/v1/chain")["authority"]);
        let entries = node.json("/v1/entries?limit=100");
        for entry in entries["entries"].as_array().unwrap() {
            let id = entry["id"].as_str().unwrap();
            let receipt = self.path("receipt.json");
            fs::write(&receipt, node.get(&format!("/v1/entries/{id}/receipt"))).unwrap();
            let proven = printed(&["verify", "--receipt", &receipt, "--spec", &spec]);
            assert_eq!(proven["proven"], true, "{proven}");
            let page = String::from_utf8(node.get(&format!("/entries/{id}"))).unwrap();
            if entry["entry"]["kind"] == "spec_change" {
                assert!(page.contains("own spec <b>changes</b> from block"), "{page}");
                assert!(page.contains("Keys that governed before it."), "{page}");
            }
        }
    }

    fn fsck(&self, name: &str) {
        let ran = run(&["fsck", "--dir", &self.path(name)]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

/// An opening balance: what every ledger admits.
fn stated(number: u32, currency: &str) -> Value {
    json!({
        "tenant": "acme", "kind": "opening_balance", "external_id": format!("O-{number}"),
        "event_time": "2026-01-01T00:00:00Z",
        "body": {"source": "old", "balance": {
            "type": "affiliate", "affiliate": "ann", "effect": "credit", "currency": currency,
            "amount": "1.00"}},
    })
}

fn public(folder: &Folder, key: &str) -> Value {
    printed(&["key", "show", &folder.path(key)])["public_key"].clone()
}

#[test]
fn a_planned_rotation_a_currency_and_leaked_keys() {
    const ROTATION: &str = "A planned rotation";
    let folder = Folder::new();
    let node = folder.node("ledger", Some("authority.key"));
    folder.seal(&node, 1);
    folder.follow(ROTATION, 0, &node.url, "");
    let (holds, said) = folder.attempt(ROTATION, 2, &node.url, "");
    assert!(!holds && said.contains("2 are needed, 0 are there"), "{said}");
    let signed = folder.follow(ROTATION, 1, "", "");
    assert!(
        signed.contains("from block  4") && signed.matches("signed by").count() == 3,
        "{signed}"
    );
    let sealed = folder.follow(ROTATION, 2, &node.url, "");
    assert!(sealed.contains("sealed in block 2"), "{sealed}");
    folder.seal(&node, 1);
    let (status, refused) = folder.submit(&node, &stated(99, "EUR"));
    assert_eq!((status, &refused["type"]), (403, &json!("/problems/not-authority")));
    assert!(refused["detail"].as_str().unwrap().contains("retired"), "{refused}");
    assert_eq!(node.json("/readyz")["status"], "standing-by");
    assert_eq!(node.stop().code, 0);

    let node = folder.node("ledger", Some("successor.key"));
    folder.seal(&node, 1);
    assert_eq!(node.json("/v1/chain")["authority"], public(&folder, "successor.key"));
    folder.verify(&node);

    // A currency.
    let (_, refused) = folder.submit(&node, &stated(50, "CHF"));
    assert_eq!(refused["type"], "/problems/unknown-currency");
    folder.follow("A currency", 0, &node.url, "");
    let (status, answer) = folder.submit(&node, &stated(50, "CHF"));
    assert_eq!(status, 201, "{answer}");
    let said = folder.follow("A currency", 1, &node.url, "");
    assert!(said.starts_with("PROVEN"), "{said}");
    folder.verify(&node);
    assert_eq!(node.stop().code, 0);

    // Leaked keys. The one that governed before can't any more.
    folder.follow("A key has leaked", 0, "", "");
    folder.follow("A key has leaked", 1, "", "");
    let dir = folder.path("ledger");
    let more = folder.path("more.toml");
    let change =
        ["spec", "change", "--dir", &dir, "--at-once", "--currency", "SEK=2", "--out", &more];
    assert_eq!(run(&change).code, 0);
    for key in ["governance-1.key", "governance-3.key"] {
        let (spec, key) = (folder.path("chain-spec.toml"), folder.path(key));
        assert_eq!(run(&["spec", "sign", &more, "--spec", &spec, "--key", &key]).code, 0);
    }
    let fresh = folder.path("fresh.key");
    let ran = run(&["spec", "submit", &more, "--dir", &dir, "--key", &fresh]);
    assert!(ran.code == 1 && ran.err.contains("not-governing"), "{ran:?}");
    let node = folder.node("ledger", Some("fresh.key"));
    folder.seal(&node, 1);
    folder.verify(&node);
    assert_eq!(node.stop().code, 0);
    folder.fsck("ledger");
    ran_of(&folder, &[ROTATION, "A currency", "A key has leaked"]);
}

/// Looks that every block of these sections was run.
fn ran_of(folder: &Folder, sections: &[&str]) {
    let done = folder.done.borrow();
    for section in sections {
        for number in 0..blocks()[section].len() {
            let found = done.iter().any(|(title, one)| title == section && *one == number);
            assert!(found, "{section} {number}");
        }
    }
}

#[test]
fn the_authority_is_dead() {
    const DEAD: &str = "The authority is dead";
    let folder = Folder::new();
    let node = folder.node("ledger", Some("authority.key"));
    folder.seal(&node, 3);
    folder.copy("mirror", &node.url);
    node.kill();
    let mirror = folder.node("mirror", None);
    folder.follow(DEAD, 0, "", &mirror.url);
    folder.follow(DEAD, 1, "", "");
    let sealed = folder.follow(DEAD, 2, "", &mirror.url);
    assert!(sealed.contains("sealed in block 4"), "{sealed}");
    drop(mirror);
    let heir = folder.node("successor", Some("heir.key"));
    folder.seal(&heir, 2);
    folder.verify(&heir);

    // Replicas follow, from where they are.
    printed(&["mirror", &heir.url, "--dir", &folder.path("mirror")]);
    let mirror = folder.node("mirror", None);
    assert_eq!(mirror.json("/v1/chain")["head"], heir.json("/v1/chain")["head"]);
    drop(mirror);
    // The old authority comes back, and is followed by nobody.
    let old = folder.node("ledger", Some("authority.key"));
    folder.seal(&old, 5);
    let ran = run(&["mirror", &old.url, "--dir", &folder.path("mirror")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(heir.stop().code, 0);
    folder.fsck("successor");
    ran_of(&folder, &[DEAD, "Keys that govern"]);
}

#[test]
fn the_authority_is_hostile() {
    const HOSTILE: &str = "The authority is hostile";
    let folder = Folder::new();
    let node = folder.node("ledger", Some("authority.key"));
    folder.seal(&node, 2);
    // Two histories by one key: of a copy, which the authority lets seal, too.
    folder.copy("other", &node.url);
    let other = folder.path("other");
    assert_eq!(run(&["adopt", "--dir", &other, "--nothing-newer-was-published"]).code, 0);
    let other = folder.node("other", Some("authority.key"));
    folder.seal(&node, 2);
    folder.seal(&other, 1);
    folder.copy("with-one", &node.url);
    folder.copy("with-other", &other.url);

    folder.follow(HOSTILE, 0, "", &other.url);
    folder.follow(HOSTILE, 1, "", "");
    drop(other);
    // What the old key signed elsewhere doesn't halt the successor for good, as two histories by a
    // key in force do: it waits until the operator has looked at the place.
    fs::write(folder.at("elsewhere"), node.get("/checkpoint")).unwrap();
    let elsewhere = folder.path("elsewhere");
    let waiting = folder.node_with("chosen", Some("honest.key"), &["--published", &elsewhere]);
    let refused = loop {
        let (status, refused) = folder.submit(&waiting, &stated(98, "EUR"));
        assert_eq!(status, 503, "{refused}");
        if refused["detail"].as_str().unwrap().contains("signed by") {
            break refused;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert!(refused["detail"].as_str().unwrap().contains("which is retired"), "{refused}");
    drop(waiting);
    let chosen = folder.node("chosen", Some("honest.key"));
    folder.seal(&chosen, 3);
    folder.verify(&chosen);
    // Who has the chosen history goes on; who has the other one can't, and begins anew.
    printed(&["mirror", &chosen.url, "--dir", &folder.path("with-other")]);
    let ran = run(&["mirror", &chosen.url, "--dir", &folder.path("with-one")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let said = folder.follow(HOSTILE, 2, "", &chosen.url);
    assert!(said.contains("PROVEN"), "{said}");
    // The hostile authority's own node doesn't take the change: there it is too late for it.
    let (change, token) = (folder.path("honest.toml"), folder.path("submit.token"));
    let ran = run(&["spec", "submit", &change, "--url", &node.url, "--token-file", &token]);
    assert!(ran.code == 1 && ran.err.contains("reaches back"), "{ran:?}");
    ran_of(&folder, &[HOSTILE]);
}

#[test]
fn every_section_with_commands_is_followed_here() {
    let sections: Vec<&str> = blocks().into_keys().collect();
    let followed = [
        "A currency",
        "A key has leaked",
        "A planned rotation",
        "Keys that govern",
        "The authority is dead",
        "The authority is hostile",
    ];
    assert_eq!(sections, followed);
}
