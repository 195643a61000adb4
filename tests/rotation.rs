//! A planned change of the authority, while entries come in and replicas follow.

#![allow(clippy::indexing_slicing, reason = "a test stops where something isn't as it expects")]

mod support;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::json;
use support::binary::{self, Node};
use support::network::{LISTEN, PATIENCE, Site, done, wait_for_agreement, wait_until};

/// How many entries are submitted, one by one.
const ENTRIES: usize = 400;
/// How many blocks the old authority seals after the change was written.
const BLOCKS_AHEAD: &str = "150";
/// The pause after each entry, until the successor runs.
const PAUSE: Duration = Duration::from_millis(15);

/// Submits all entries, each to whichever node takes it, and slowly until there are two; how many each
/// took.
fn submit_all(site: &mut Site, old: &Node, successor: &OnceLock<Node>) -> [usize; 2] {
    let (mut taken, mut is_replaced) = ([0; 2], false);
    for _ in 0..ENTRIES {
        let entry = json!([site.next_entry()]);
        let since = Instant::now();
        loop {
            let node = successor.get().filter(|_| is_replaced).unwrap_or(old);
            let (status, answer) = site.submit(node, &entry);
            if status == 200 {
                assert_eq!(answer["results"][0]["status"], "sealed", "{answer}");
                taken[usize::from(is_replaced)] += 1;
                break;
            }
            assert!(status == 503 || answer["type"] == "/problems/not-authority", "{answer}");
            assert!(since.elapsed() < PATIENCE, "nobody seals: {answer}");
            is_replaced = successor.get().is_some() && !is_replaced;
        }
        if successor.get().is_none() {
            std::thread::sleep(PAUSE);
        }
    }
    taken
}

#[test]
fn the_authority_changes_under_load_and_everybody_follows() {
    let mut site = Site::governed(ENTRIES);
    let home = site.home.path().to_owned();
    let at = |name: &str| binary::path(&home, name);
    let (change, governance) = (at("change.toml"), at("governance"));
    let made = binary::json(&["key", "generate", "--out", &at("heir")]);
    let heir = made["public_key"].as_str().expect("a key").to_owned();
    let old = site.authority("ledger", &[]);
    let replica = site.replica("replica", &[&old.p2p()]);
    let follower = site.replica("successor", &[&replica.p2p()]);
    let keys = ["--key-file", &at("heir"), "--token-file", &at("token"), "--peer", &replica.p2p()];
    let started = OnceLock::new();

    let taken = std::thread::scope(|scope| {
        let load = scope.spawn(|| submit_all(&mut site, &old, &started));
        let from_url = ["spec", "change", "--url", &old.url, "--blocks-ahead", BLOCKS_AHEAD];
        let what = ["--authority", &heir, "--out", &change];
        done(&[&from_url[..], &what].concat());
        done(&["spec", "sign", &change, "--spec", &at("spec.toml"), "--key", &governance]);
        done(&["spec", "submit", &change, "--url", &old.url, "--token-file", &at("token")]);
        // The successor has the change, and seals when it comes into force.
        follower.wait_for_size(old.size());
        assert_eq!(follower.stop().code, 0);
        done(&["adopt", "--dir", &at("successor"), "--nothing-newer-was-published"]);
        let node = ["node", "--dir", &at("successor"), "--listen", "127.0.0.1:0", "--json"];
        let node = Node::start(&[&node[..], &["--p2p-listen", LISTEN], &keys].concat());
        assert!(started.set(node).is_ok());
        load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let successor = started.into_inner().expect("it was started");
    assert!(taken.iter().all(|taken| *taken > 0), "{taken:?}: both sealed");
    let late = site.replica("late", &[&replica.p2p()]);
    wait_for_agreement(&[&successor, &old, &replica, &late]);
    wait_until("the old one knows", || old.json("/v1/chain")["role"] != "sealing");
    for (node, name) in
        [(old, "ledger"), (replica, "replica"), (successor, "successor"), (late, "late")]
    {
        assert_eq!(node.json("/v1/evidence"), json!({"evidence": []}));
        assert_eq!(node.stop().code, 0);
        site.check(name);
    }
}
