//! `counterfoil mirror` and `counterfoil export --tiles`: replicas from what is published, by
//! whomever, and publishing for whoever wants to have a replica.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]
#![cfg(all(feature = "node", unix))]

#[path = "mirror/following.rs"]
mod following;
mod published;
#[path = "mirror/publishing.rs"]
mod publishing;
#[path = "mirror/refusing.rs"]
mod refusing;
#[path = "mirror/resuming.rs"]
mod resuming;
#[path = "mirror/servers.rs"]
mod servers;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::protocol::checkpoint::Checkpoint;
use counterfoil::protocol::evidence::Evidence;
use published::{Ledger, authority, entry_leaf, sales, spec, time};
use serde_json::Value;
use servers::WebServer;
use support::binary::{Node, Ran, json, operated, operator, path, run, seal};

/// A published log in a folder, and room for replicas beside it.
struct Site {
    home: tempfile::TempDir,
}

impl Site {
    fn new(ledger: &Ledger) -> Self {
        let site = Self { home: tempfile::tempdir().unwrap() };
        fs::write(site.at("spec.toml"), ledger.chain.spec().to_toml()).unwrap();
        site.publish(ledger);
        site
    }

    /// Replaces what is published.
    fn publish(&self, ledger: &Ledger) {
        let _ = fs::remove_dir_all(self.at("pub"));
        ledger.publish(&self.at("pub"));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        path(self.home.path(), name)
    }

    /// Mirrors `place` in the replica `name`.
    fn mirror(&self, place: &str, name: &str) -> Ran {
        let (dir, spec) = (self.path(name), self.path("spec.toml"));
        run(&["mirror", place, "--dir", &dir, "--spec", &spec, "--json"])
    }

    /// The same, which must succeed; what it says.
    fn mirrored(&self, place: &str, name: &str) -> Value {
        let ran = self.mirror(place, name);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    }

    /// The replica `name` is whole as far as `height`, and ends there.
    fn stands(&self, name: &str, height: u64) {
        let report = json(&["fsck", "--dir", &self.path(name)]);
        let found = (&report["clean"], &report["height"], &report["verified_height"]);
        assert_eq!(found, (&true.into(), &height.into(), &height.into()), "{report}");
    }
}

/// Size and root of a ledger, as a mirror says them.
fn tells(ledger: &Ledger) -> (Value, Value) {
    let spec = ledger.chain.spec();
    let opened = Checkpoint::open(ledger.checkpoint(), &spec.origin, &spec.authority());
    let checkpoint = opened.unwrap().0;
    (checkpoint.size.into(), checkpoint.root.to_string().into())
}

/// Every file below a folder, by path from there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for item in fs::read_dir(inner).unwrap() {
            let item = item.unwrap().path();
            if item.is_dir() {
                folders.push(item);
            } else {
                let name = item.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&item).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_node_a_web_server_and_a_directory_are_mirrored_alike() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    seal(home.path(), 700);
    let node = operated(home.path());
    let head = node.json("/v1/chain")["head"].clone();
    let mirror = |place: &str, name: &str| {
        let said = json(&["mirror", place, "--dir", &at(name), "--spec", &at("spec.toml")]);
        for field in ["height", "size", "root"] {
            assert_eq!(said[field], head[field], "{place}: {said}");
        }
        assert_eq!(
            (&said["appended"], &said["published"]["root"]),
            (&head["height"], &head["root"])
        );
        assert_eq!(json(&["fsck", "--dir", &at(name)])["clean"], true);
    };
    mirror(&node.url, "from-node");

    // A replica publishes as well as the node itself does.
    let published = json(&["export", "--dir", &at("from-node"), "--tiles", &at("pub")]);
    assert_eq!((&published["size"], &published["root"]), (&head["size"], &head["root"]));
    let written = files(&home.path().join("pub"));
    for (path, bytes) in &written {
        assert_eq!(node.get(&format!("/{path}")), *bytes, "{path}");
    }
    assert_eq!(written.len() as u64, published["tiles"].as_u64().unwrap() + 1);
    node.stop();
    mirror(&at("pub"), "from-directory");
    let server = WebServer::start(&home.path().join("pub"));
    mirror(&server.url, "from-server");

    // What a web server has can be verified, too, there and in place.
    for (how, place) in [("--url", &server.url), ("--dir", &at("pub"))] {
        let proven = json(&["verify", how, place, "--spec", &at("spec.toml")]);
        assert_eq!((&proven["proven"], &proven["root"]), (&true.into(), &head["root"]));
    }
    // And whoever has a replica serves it.
    let replica =
        Node::start(&["node", "--dir", &at("from-server"), "--listen", "127.0.0.1:0", "--json"]);
    assert_eq!(replica.get("/checkpoint"), written["checkpoint"]);
}

#[test]
fn a_replica_goes_on_from_its_own_height() {
    let mut ledger = sales(&[1; 300]);
    let site = Site::new(&ledger);
    let said = site.mirrored(&site.path("pub"), "replica");
    assert_eq!((&said["appended"], &said["height"]), (&301.into(), &301.into()));
    // Once more there is nothing to do.
    let again = site.mirrored(&site.path("pub"), "replica");
    assert_eq!((&again["appended"], &again["root"]), (&0.into(), &said["root"]));

    let older = site.path("older");
    ledger.publish(Path::new(&older));
    for number in 0..3 {
        let sale = ledger.entry(&format!(
            r#"{{"tenant": "acme", "kind": "transaction", "external_id": "N-{number}",
                "event_time": "2026-01-01T00:00:00Z", "body": {{"order_ref": "n", "merchant": "shop",
                "program": "summer", "action": "sale", "currency": "EUR", "amount": "1"}}}}"#
        ));
        ledger.seal(time("2026-01-02T00:00:00Z"), &[sale]);
    }
    site.publish(&ledger);
    // Without the spec: the directory has it.
    let said = json(&["mirror", &site.path("pub"), "--dir", &site.path("replica")]);
    assert_eq!((&said["appended"], &said["height"]), (&3.into(), &304.into()));
    assert_eq!((said["size"].clone(), said["root"].clone()), tells(&ledger));
    site.stands("replica", 304);

    // What is published elsewhere is older: that is no failure, and it says so.
    let ran = run(&["mirror", &older, "--dir", &site.path("replica")]);
    assert!(ran.code == 0 && ran.out.contains("is older, of 603 leaves"), "{ran:?}");
    assert!(ran.out.contains("appended 0 blocks") && ran.out.contains("nothing to do"), "{ran:?}");
    site.stands("replica", 304);
}

#[test]
fn a_command_that_makes_no_sense_says_so() {
    let site = Site::new(&sales(&[]));
    let (replica, published) = (site.path("replica"), site.path("pub"));
    let ran = run(&["mirror", &published, "--dir", &replica]);
    assert!(ran.code == 2 && ran.err.contains("say with --spec"), "{ran:?}");
    let ran = run(&["verify", "--dir", &published]);
    assert!(ran.code == 2 && ran.err.contains("say with --spec"), "{ran:?}");
    for (place, says) in [("nowhere", "is no directory"), ("ftp://a.example", "by http or https")] {
        let ran = site.mirror(place, "replica");
        assert!(ran.code == 1 && ran.err.contains(says), "{ran:?}");
    }
    assert!(!site.at("replica").exists(), "nothing was made");
}

#[test]
fn another_chain_is_named() {
    let ledger = sales(&[3]);
    let site = Site::new(&ledger);
    // The same origin and key, another time of genesis.
    let mut other = spec(authority().public());
    other.genesis_time = time("2026-01-01T00:00:01Z");
    site.publish(&Ledger::new(other.clone(), authority()));
    let ran = site.mirror(&site.path("pub"), "replica");
    assert!(ran.code == 1 && ran.err.contains("another chain is published there"), "{ran:?}");
    let mut longer = Ledger::new(other.clone(), authority());
    longer.forge(time("2026-01-02T00:00:00Z"), &[ledger.log.leaf(1).to_vec()], |_| ());
    site.publish(&longer);
    let ran = site.mirror(&site.path("pub"), "replica");
    assert!(ran.code == 1 && ran.err.contains("another chain is published there"), "{ran:?}");
    // Another origin.
    other.origin = "ledger.example/other".to_owned();
    site.publish(&Ledger::new(other.clone(), authority()));
    let ran = site.mirror(&site.path("pub"), "replica");
    assert!(ran.code == 1 && ran.err.contains("of ledger.example/other"), "{ran:?}");
    site.stands("replica", 0);
    // A directory that is another chain's.
    fs::write(site.at("spec.toml"), other.to_toml()).unwrap();
    let ran = site.mirror(&site.path("pub"), "replica");
    assert!(ran.code == 1 && ran.err.contains("by another chain spec"), "{ran:?}");
}

#[test]
fn two_histories_are_both_named() {
    let ours = sales(&[4, 4]);
    let site = Site::new(&ours);
    site.mirrored(&site.path("pub"), "replica");
    let (our_size, our_root) = tells(&ours);
    // As long, longer and shorter than ours, and another from the second block on.
    for blocks in [&[5, 3][..], &[5, 3, 2], &[5]] {
        let theirs = sales(blocks);
        site.publish(&theirs);
        let ran = site.mirror(&site.path("pub"), "replica");
        assert!(ran.code == 1 && ran.err.contains("two histories"), "{ran:?}");
        let (their_size, their_root) = tells(&theirs);
        let shared = our_size.as_u64().unwrap().min(their_size.as_u64().unwrap());
        assert!(ran.err.contains(&format!("at size {shared} the root here is")), "{ran:?}");
        if our_size == their_size {
            for root in [&our_root, &their_root] {
                assert!(ran.err.contains(root.as_str().unwrap()), "{root}: {ran:?}");
            }
        }
        assert!(ran.err.contains("the evidence is kept"), "{ran:?}");
        let kind = if our_size == their_size { "two_roots" } else { "two_beginnings" };
        let kept = fs::read(site.at(&format!("replica/evidence/{}.{kind}", authority().public())));
        let evidence = Evidence::decode(&kept.unwrap()).unwrap();
        let (origin, key) = (spec(authority().public()).origin, authority().public());
        assert!(evidence.check(&origin, key).is_ok(), "{evidence:?}");
        site.stands("replica", 3);
    }
    // A checkpoint of one history over the blocks of another, which nothing tells before the end.
    site.publish(&ours);
    for part in ["tile/entries", "tile/signatures"] {
        fs::remove_dir_all(site.at("pub").join(part)).unwrap();
    }
    let theirs = sales(&[5, 3]);
    theirs.publish(&site.at("theirs"));
    for (path, bytes) in files(&site.at("theirs/tile")) {
        if path.starts_with("entries") || path.starts_with("signatures") {
            let path = site.at("pub/tile").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let ran = site.mirror(&site.path("pub"), "mixed");
    assert!(ran.code == 1 && ran.err.contains("two histories"), "{ran:?}");
    for root in [our_root, tells(&theirs).1] {
        assert!(ran.err.contains(root.as_str().unwrap()), "{root}: {ran:?}");
    }
    // In the place of what is published there is only one, too.
    site.publish(&sales(&[5, 3]));
    let ran = run(&["export", "--dir", &site.path("replica"), "--tiles", &site.path("pub")]);
    assert!(ran.code == 1 && ran.err.contains("two histories"), "{ran:?}");
}

/// The leaf of a sale that breaks no rule by itself.
fn sale(ledger: &Ledger, external_id: &str) -> Vec<u8> {
    entry_leaf(ledger.entry(&format!(
        r#"{{"tenant": "acme", "kind": "transaction", "external_id": "{external_id}",
            "event_time": "2026-01-01T00:00:00Z", "body": {{"order_ref": "o", "merchant": "shop",
            "program": "summer", "action": "sale", "currency": "EUR", "amount": "1"}}}}"#
    )))
}
