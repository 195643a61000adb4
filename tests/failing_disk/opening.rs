//! What fails while the store is opened, and what a failed sync leaves.

use serde_json::json;

use crate::node::{Bench, Client, assert_clean, refused_in_order};
use crate::support::binary::{Node, dev};
use crate::support::faults::Kind;
use crate::support::load::terms;

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
