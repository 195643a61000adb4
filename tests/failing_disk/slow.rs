//! A slow disk, and the work behind commits.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use crate::node::{Bench, Client, PATIENCE, is_long, is_passing};
use crate::support::load::sale;

/// How many clients submit one entry after the other to a slow disk, and how many each.
const SLOW_CLIENTS: u64 = 12;
const SLOW_TURNS: u64 = 3;
/// How many clients flood a slow disk, and with how many entries each: more than the pool takes.
const FLOODING_CLIENTS: u64 = 14;
const FLOODING_ENTRIES: u64 = 10_000;
/// How many entries are submitted at a time until there is something to write out behind commits,
/// and the most requests that takes.
const BULK_ENTRIES: u64 = 5_000;
const MAX_BULK_REQUESTS: u64 = 300;

#[test]
fn a_slow_disk_makes_larger_blocks_and_no_errors() {
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    let height = |client: &Client| client.get("/v1/chain").body["head"]["height"].as_u64().unwrap();
    let before = height(&client);
    bench.faults.rule("sync store/db * sleep:250\nsync guard/ * sleep:250\n");
    let clients: Vec<_> = (0..SLOW_CLIENTS)
        .map(|number| {
            let mut client = Client { url: client.url.clone(), acknowledged: BTreeMap::new() };
            std::thread::spawn(move || {
                for turn in 0..SLOW_TURNS {
                    let answer = client.submit(&[&format!("slow-{number}-{turn}")]);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                client.acknowledged
            })
        })
        .collect();
    for slow in clients {
        client.acknowledged.extend(slow.join().unwrap());
    }
    assert_eq!(client.get("/readyz").status, 200, "slow is not failed");
    bench.faults.rule("");
    let blocks = height(&client) - before;
    assert!(blocks <= SLOW_TURNS * 3, "{} entries in {blocks} blocks", SLOW_CLIENTS * SLOW_TURNS);
    client.check_acknowledged();
    bench.stop(node);
}

#[test]
fn what_a_slow_disk_keeps_waiting_too_long_is_refused() {
    if !is_long() {
        return;
    }
    let bench = Bench::new();
    let (node, client) = bench.start();
    bench.faults.rule("sync store/db * sleep:2000\nsync guard/ * sleep:2000\n");
    let clients: Vec<_> = (0..FLOODING_CLIENTS)
        .map(|number| {
            let client = Client { url: client.url.clone(), acknowledged: BTreeMap::new() };
            let entries = (0..FLOODING_ENTRIES).map(|part| sale(&format!("flood-{number}-{part}")));
            let body = Value::Array(entries.collect());
            std::thread::spawn(move || (client.post(&body), body))
        })
        .collect();
    let answers: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let refused =
        |kind: &str| answers.iter().filter(|(answer, _)| answer.body["type"] == kind).count();
    println!(
        "{} overloaded, {} timed out",
        refused("/problems/overloaded"),
        refused("/problems/timed-out")
    );
    assert!(refused("/problems/overloaded") > 0, "the pool is full");
    bench.faults.rule("");
    for (answer, body) in answers {
        if answer.status != 200 {
            is_passing(&answer);
        }
        let since = Instant::now();
        loop {
            let again = client.post(&body);
            if again.status == 200 {
                break;
            }
            is_passing(&again);
            assert!(since.elapsed() < PATIENCE, "{again:?}");
        }
    }
    bench.stop(node);
}

/// What fails behind commits, on the threads that write out what follows from the blocks.
#[test]
fn what_fails_behind_commits_is_no_damage() {
    if !is_long() {
        return;
    }
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    let failures = [
        ("store-flush", "sync", "EIO"),
        ("store-flush", "write", "ENOSPC"),
        ("store-merge", "sync", "EIO"),
        ("store-merge", "write", "ENOSPC"),
    ];
    for (thread, call, error) in failures {
        let rule = format!("{call} store/runs@{thread} 1 errno:{error}");
        bench.faults.rule(&rule);
        let mut requests = 0;
        while !bench.faults.fired().contains(&rule) {
            let name = |part| sale(&format!("{thread}-{call}-{requests}-{part}"));
            let answer = client.post(&(0..BULK_ENTRIES).map(name).collect());
            if answer.status != 200 {
                is_passing(&answer);
            }
            requests += 1;
            assert!(requests < MAX_BULK_REQUESTS, "{thread} has nothing to do");
        }
        println!("{thread}: {call} failed after {requests} requests");
        client.submit_until_sealed(&[&format!("after-{thread}-{call}")]);
    }
    client.check_acknowledged();
    bench.stop(node);
}
