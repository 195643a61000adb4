//! What must not lose anything: a node that is told to stop, a store that was rolled back. What
//! crashes leave is played in `crashes.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::binary::{Node, block_on, copy_directory, json, operated, operator, path, run};
use support::load::{post, sale, terms};

#[test]
fn a_store_that_was_rolled_back_seals_nothing_until_what_is_missing_is_back() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    let token = std::fs::read_to_string(at("token")).unwrap();
    let submit = |node: &Node, body: Value| {
        block_on(async {
            let request = reqwest::Client::new()
                .post(format!("{}/v1/entries", node.url))
                .bearer_auth(token.trim())
                .json(&body);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        })
    };
    let node = operated(home.path());
    assert_eq!(submit(&node, json!([terms(), sale("one")])).0, 200);
    node.stop();
    copy_directory(&home.path().join("ledger/store"), &home.path().join("snapshot"));
    let node = operated(home.path());
    for name in ["two", "three", "four"] {
        assert_eq!(submit(&node, json!([sale(name)])).0, 200);
    }
    let head = node.json("/v1/chain")["head"].clone();
    node.stop();
    json(&["export", "--dir", &at("ledger"), &at("all.cfx")]);

    std::fs::remove_dir_all(home.path().join("ledger/store")).unwrap();
    copy_directory(&home.path().join("snapshot"), &home.path().join("ledger/store"));
    let node = operated(home.path());
    let (status, problem) = submit(&node, json!([sale("another")]));
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("rolled back"), "{problem}");
    assert!(node.size() < head["size"].as_u64().unwrap(), "it serves what it has");
    node.stop();
    let fsck = run(&["fsck", "--dir", &at("ledger"), "--json"]);
    assert_eq!((fsck.code, &fsck.json()["clean"]), (1, &false.into()));

    let imported = json(&["import", &at("all.cfx"), "--dir", &at("ledger")]);
    assert_eq!(imported["appended"], 3);
    let node = operated(home.path());
    assert_eq!(node.json("/v1/chain")["head"], head);
    assert_eq!(submit(&node, json!([sale("another")])).0, 200);
    node.stop();
    assert_eq!(run(&["verify", "--dir", &at("ledger")]).code, 0);
}

#[test]
fn requests_at_hand_are_answered_when_the_node_is_told_to_stop() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("dev");
    let node = Node::dev(&dir, &["--empty"]);
    post(&node.url, &json!([terms()])).expect("it answers");
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let url = node.url.clone();
            let body: Vec<Value> =
                (0..500).map(|number| sale(&format!("sale-{client}-{number}"))).collect();
            std::thread::spawn(move || post(&url, &body.into()))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(150));
    let stopped = node.stop();
    assert_eq!((stopped.code, stopped.err.as_str()), (0, ""));
    let mut sealed = 0;
    for client in clients {
        // One that came too late was refused as a whole.
        let Some(answer) = client.join().unwrap() else { continue };
        let results = answer["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == "sealed"), "{answer}");
        sealed += results.len() as u64;
    }
    let report = json(&["fsck", "--dir", dir.to_str().unwrap()]);
    assert_eq!(report["clean"], true);
    assert!(report["entries"].as_u64().unwrap() > sealed, "with the terms");
}
