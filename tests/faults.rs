//! The shim that other tests put under the binary: it sees what the node does, and its rules hold.
#![cfg(target_os = "linux")]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::binary::{Node, block_on, dev};
use support::faults::{Faults, Kind};

fn submit(node: &Node, external_id: &str) -> Option<u16> {
    block_on(async {
        let body = json!([{
            "tenant": "acme", "kind": "program_terms", "external_id": external_id,
            "event_time": "2025-01-01T00:00:00Z",
            "body": {"merchant": external_id, "program": "main", "version": 1,
                "effective_from": "2025-01-01T00:00:00Z", "locking_days": 30,
                "reward": {"type": "percent", "ppm": 75_000}},
        }]);
        let url = format!("{}/v1/entries", node.url);
        let sent = reqwest::Client::new().post(url).json(&body).send().await;
        Some(sent.ok()?.status().as_u16())
    })
}

#[test]
fn the_shim_records_what_a_node_does_and_its_rules_hold() {
    let home = tempfile::tempdir().expect("a directory");
    let faults = Faults::watch(&home.path().join("dev"));
    let start = || Node::launch(faults.recording(dev(faults.directory(), &["--empty"])));
    let node = start();
    assert_eq!(submit(&node, "one"), Some(200));

    let rule = "sync guard/ 1 sleep:400";
    faults.rule(rule);
    let since = Instant::now();
    assert_eq!(submit(&node, "two"), Some(200));
    assert!(since.elapsed() >= Duration::from_millis(400), "{:?}", since.elapsed());
    assert_eq!(faults.fired(), [rule]);

    faults.rule("sync store/db 1 kill-before");
    assert_eq!(submit(&node, "three"), None);
    drop(node);
    faults.rule("write guard/ 1 short");
    let node = start();
    assert_eq!(submit(&node, "four"), Some(503));
    faults.rule("");
    assert_eq!(faults.fired().len(), 3);
    drop(node);

    let calls = faults.recorded();
    let has = |kind: Kind, path: &str| {
        calls.iter().any(|call| call.kind == kind && call.path == path && call.succeeded())
    };
    let seen = [
        (Kind::MakeDirectory, "store"),
        (Kind::Open, "store/db"),
        (Kind::Write, "store/db"),
        (Kind::Range, "store/db"),
        (Kind::Sync, "store/db"),
        (Kind::Write, "guard/odd"),
        (Kind::Sync, "guard/even"),
        (Kind::Rename, "spec.toml.new"),
        (Kind::Sent, ""),
    ];
    for (kind, path) in seen {
        assert!(has(kind, path), "{kind:?} {path}");
    }
    let full = calls.iter().find(|call| call.kind == Kind::Write && !call.succeeded());
    assert_eq!(full.map(|call| call.result), Some(-28), "ENOSPC");
}
