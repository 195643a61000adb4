//! Each kind of failed write, alone and under load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::node::{AT_ONCE, Bench, Client, await_role, is_long, is_passing};
use crate::support::binary::{Node, block_on};
use crate::support::load::sale;
use crate::support::random::Random;

/// How many receipts are read while the disk fails.
const READINGS: usize = 8;
/// How often faults come and go under load.
const FAULTY_ROUNDS: u32 = 8;
const LONG_FAULTY_ROUNDS: u32 = 100;

/// Reading goes on. Where the database's own writing failed, it may have to write before it can
/// read what shares a page with that; then it is refused.
fn check_reading(client: &Client, name: &str) {
    let step = client.acknowledged.len().div_ceil(READINGS);
    for (entry, place) in client.acknowledged.iter().step_by(step) {
        let receipt = client.get(&format!("/v1/entries/{}/receipt", place[1]));
        if name.contains("guard") {
            assert_eq!(receipt.status, 200, "{name}, {entry}: {receipt:?}");
        } else if receipt.status != 200 {
            is_passing(&receipt);
        }
    }
}

/// What goes wrong, and what is said of it: rules of the shim, and the cause in general.
const FAILURES: &[(&str, &[&str], &str)] = &[
    ("no room for the guard", &["write guard/ * errno:ENOSPC"], "the disk is full"),
    ("half a guard", &["write guard/ 1 short"], "the disk is full"),
    ("no room for bodies", &["write store/db 1 errno:ENOSPC"], "the disk is full"),
    ("half of what the store writes", &["write store/db 1 short"], "the disk is full"),
    ("no room for tiles", &["write store/db 3 errno:ENOSPC"], "the disk is full"),
    ("a used-up quota", &["write store/db * errno:EDQUOT"], "the disk quota is used up"),
    ("a read-only store", &["write store/db * errno:EROFS"], "the disk is read-only"),
    ("a read-only guard", &["write guard/ * errno:EROFS"], "the disk is read-only"),
    ("a store that can't be written back", &["range store/db 1 errno:EIO"], "the disk failed"),
    ("a store that can't be synced", &["sync store/db 1 errno:EIO"], "the disk failed"),
    ("a guard that can't be synced", &["sync guard/ 1 errno:EIO"], "the disk failed"),
];

/// The same error for whoever tries the disk, until it is taken away.
fn with_trial(rules: &[&str]) -> String {
    let last = rules.last().unwrap();
    let action = last.rsplit(' ').next().unwrap();
    let action = if action == "short" { "errno:ENOSPC" } else { action };
    format!("{}\nwrite trial * {action}\n", rules.join("\n"))
}

#[test]
fn sealing_goes_on_by_itself_when_the_disk_takes_writes_again() {
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    let began = Instant::now();
    for (number, (name, rules, cause)) in FAILURES.iter().enumerate() {
        println!("{:?} {name}", began.elapsed());
        bench.faults.rule(&with_trial(rules));
        let names: Vec<String> = (0..12).map(|part| format!("{number}-{part}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let refused = names.iter().map(|name| client.submit(&[name])).find(|a| a.status != 200);
        let refused = refused.unwrap_or_else(|| panic!("{name}: the fault has come"));
        assert_eq!(refused.body["type"], "/problems/recovering", "{refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(cause), "{name}: {detail}");

        // As long as it lasts, submissions are refused at once and reading goes on.
        await_role(&client, "recovering");
        for _ in 0..2 {
            let since = Instant::now();
            assert_eq!(client.submit(&names).status, 503, "{name}");
            assert!(since.elapsed() < AT_ONCE, "{name}: {:?}", since.elapsed());
            check_reading(&client, name);
            is_passing(&client.get("/readyz"));
            assert_eq!(client.get("/livez").status, 200);
        }

        bench.faults.rule("");
        await_role(&client, "sealing");
        client.submit_until_sealed(&names);
        assert_eq!(client.get("/readyz").status, 200);
    }
    client.check_acknowledged();
    bench.stop(node);
}

/// The store may be a block ahead of the guard, twice in a row, and the second time it crashes.
#[test]
fn a_guard_that_tears_again_is_mended_in_between() {
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    // It is killed at the latest when it looks whether it can go on.
    let rules = "write guard/ 1 short\nopen trial 1 kill-before\n";
    let mut node = Some(node);
    for round in 0..3 {
        bench.faults.rule(rules);
        let name = format!("torn-{round}");
        let sent = block_on(async {
            let url = format!("{}/v1/entries", client.url);
            reqwest::Client::new().post(url).json(&json!([sale(&name)])).send().await
        });
        drop(sent);
        drop(node.take());
        let torn = bench.faults.fired().iter().filter(|rule| rule.ends_with("short")).count();
        assert_eq!(torn, round + 1);
        bench.faults.rule("");
        let again = Node::launch(bench.command());
        client.url.clone_from(&again.url);
        await_role(&client, "sealing");
        client.submit_until_sealed(&[&name]);
        node = Some(again);
    }
    client.check_acknowledged();
    bench.stop(node.unwrap());
}

/// sled tells nobody of it who waits already.
#[test]
fn a_write_that_fails_late_keeps_nobody_waiting() {
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    for nth in 1..=3 {
        let rule = format!("write store/db {nth}");
        bench.faults.rule(&format!("{rule} sleep:400\n{rule} errno:EIO\n"));
        let name = format!("late-{nth}");
        let since = Instant::now();
        client.submit(&[&name]);
        assert!(since.elapsed() < AT_ONCE, "{nth}: {:?}", since.elapsed());
        client.submit_until_sealed(&[&name]);
        bench.faults.rule("");
    }
    client.check_acknowledged();
    bench.stop(node);
}
#[test]
fn clients_that_try_again_lose_nothing_while_faults_come_and_go() {
    let mut random = Random::seeded("FAILING_DISK_SEED");
    let bench = Bench::new();
    let (node, mut client) = bench.start();
    let stopping = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let mut client = Client { url: client.url.clone(), acknowledged: BTreeMap::new() };
            let stopping = stopping.clone();
            std::thread::spawn(move || {
                for turn in 0.. {
                    if stopping.load(Ordering::Relaxed) {
                        break;
                    }
                    let names: Vec<String> =
                        (0..=turn % 7).map(|part| format!("{number}-{turn}-{part}")).collect();
                    client
                        .submit_until_sealed(&names.iter().map(String::as_str).collect::<Vec<_>>());
                }
                client.acknowledged
            })
        })
        .collect();
    let rounds = if is_long() { LONG_FAULTY_ROUNDS } else { FAULTY_ROUNDS };
    for _ in 0..rounds {
        let (_, rules, _) = FAILURES[random.index(FAILURES.len())];
        let trial = if random.below(2) == 0 { with_trial(rules) } else { rules.join("\n") };
        bench.faults.rule(&trial);
        std::thread::sleep(Duration::from_millis(50 + random.below(250)));
        bench.faults.rule("");
        std::thread::sleep(Duration::from_millis(random.below(600)));
        // It needs a while without faults now and then.
        if random.below(3) == 0 {
            await_role(&client, "sealing");
        }
    }
    stopping.store(true, Ordering::Relaxed);
    for client_of in clients {
        client.acknowledged.extend(client_of.join().unwrap());
    }
    println!("{} entries", client.acknowledged.len());
    await_role(&client, "sealing");
    client.check_acknowledged();
    bench.stop(node);
}
