//! What other tests stand on: the shim under the binary sees what the node does, and its rules
//! hold; the model of a disk keeps what was synced and may lose the rest.
#![cfg(target_os = "linux")]
#![allow(clippy::indexing_slicing, reason = "a test stops where something isn't as it expects")]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::binary::{Node, block_on, dev};
use support::disk::{Disk, Fate};
use support::faults::{Call, Faults, Kind};
use support::random::Random;

fn submit(node: &Node, external_id: &str) -> Option<u16> {
    block_on(async {
        let body = json!([{
            "tenant": "acme", "kind": "program_terms", "external_id": external_id,
            "event_time": "2025-01-01T00:00:00Z",
            "body": {"merchant": external_id, "program": "main", "version": 1,
                "effective_from": "2025-01-01T00:00:00Z", "actions": ["sale"],
                "locking": {"type": "days", "days": 30},
                "rules": [{"reward": {"type": "percent", "ppm": 75_000}}]},
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

/// A call on the file `f`, whose inode is 1, or on the directory, whose inode is 2.
fn call(issued: u64, returned: u64, kind: Kind, offset: u64, data: &[u8]) -> Call {
    let on_directory = kind == Kind::Sync && offset > 0;
    let path = if on_directory { "" } else { "f" };
    let inode = if on_directory { 2 } else { 1 };
    let (path, thread, data) = (path.to_owned(), String::new(), data.to_vec());
    Call { issued, returned, kind, path, inode, offset, result: 0, data, thread }
}

/// What is in `f` after the calls and a power cut; `None` where it has no such name.
fn left(calls: &[Call], fate: Fate, seed: u64) -> Option<Vec<u8>> {
    let mut events: Vec<(u64, bool, &Call)> = Vec::new();
    for call in calls {
        events.extend([(call.issued, true, call), (call.returned, false, call)]);
    }
    events.sort_by_key(|(time, ..)| *time);
    let mut disk = Disk::default();
    for (_, issued, call) in events {
        if issued { disk.issued(call) } else { disk.returned(call) }
    }
    let directory = tempfile::tempdir().expect("a directory");
    disk.make(directory.path(), fate, &mut Random::new(seed));
    std::fs::read(directory.path().join("f")).ok()
}

#[test]
fn the_disk_keeps_what_was_synced_and_may_lose_the_rest() {
    let open = call(1, 2, Kind::Open, 0, b"");
    let named = call(3, 4, Kind::Sync, 1, b"");
    let write = call(5, 6, Kind::Write, 0, &[b'a'; 1024]);
    let sync = call(7, 8, Kind::Sync, 0, b"");
    let over = call(9, 10, Kind::Write, 0, &[b'b'; 1024]);
    let whole = |byte: u8| Some(vec![byte; 1024]);
    let cases = [
        ("nothing synced", vec![open.clone(), write.clone()], None, whole(b'a')),
        ("a name", vec![open.clone(), named.clone(), write.clone()], Some(vec![]), whole(b'a')),
        (
            "a name and a write",
            vec![open.clone(), named.clone(), write.clone(), sync.clone()],
            whole(b'a'),
            whole(b'a'),
        ),
        (
            "a write over it",
            vec![open.clone(), named.clone(), write.clone(), sync.clone(), over.clone()],
            whole(b'a'),
            whole(b'b'),
        ),
        (
            "a range",
            vec![open.clone(), named.clone(), write.clone(), call(7, 8, Kind::Range, 0, b"")],
            Some(vec![]),
            whole(b'a'),
        ),
        (
            "a write that was under way when the sync was issued",
            vec![
                open.clone(),
                named.clone(),
                call(5, 8, Kind::Write, 0, &[b'a'; 1024]),
                call(7, 9, Kind::Sync, 0, b""),
            ],
            Some(vec![]),
            whole(b'a'),
        ),
        (
            "a cut",
            vec![open, named, write, sync, call(9, 10, Kind::Truncate, 3, b"")],
            whole(b'a'),
            Some(b"aaa".to_vec()),
        ),
    ];
    for (name, calls, lost, kept) in cases {
        assert_eq!(left(&calls, Fate::Lost, 1), lost, "{name}, all of it lost");
        assert_eq!(left(&calls, Fate::Kept, 1), kept, "{name}, all of it kept");
    }
}

#[test]
fn the_disk_tears_writes_between_sectors_and_nowhere_else() {
    let calls = [
        call(1, 2, Kind::Open, 0, b""),
        call(3, 4, Kind::Sync, 1, b""),
        call(5, 6, Kind::Write, 0, &[b'a'; 1024]),
        call(7, 8, Kind::Sync, 0, b""),
        call(9, 10, Kind::Write, 100, &[b'b'; 824]),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let bytes = left(&calls, Fate::Sectors, seed).expect("its name is synced");
        let sectors: Vec<bool> = bytes.chunks(512).map(|sector| sector.contains(&b'b')).collect();
        let expected = |at: usize| {
            let written = (100..924).contains(&at);
            if written && sectors[at / 512] { b'b' } else { b'a' }
        };
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == expected(at)), "seed {seed}");
        seen.insert(sectors);
    }
    assert_eq!(seen.len(), 4, "each sector may be old or new: {seen:?}");
}
