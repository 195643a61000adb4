//! `counterfoil submit`: who may, what becomes of each line, what is tried again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use support::binary::{
    Node, counterfoil, json, operated, operated_on, operator, path, run, sample,
};

#[test]
fn nobody_submits_without_a_token() {
    let home = operator();
    let ledger = path(home.path(), "ledger");
    let key = path(home.path(), "key");
    let open = run(&["node", "--dir", &ledger, "--key-file", &key, "--listen", "0.0.0.0:0"]);
    assert!(open.code == 1 && open.err.contains("token generate"), "{open:?}");

    let entries = path(home.path(), "entries.ndjson");
    fs::write(&entries, sample(5)).unwrap();
    let node = Node::start(&[
        "node",
        "--dir",
        &ledger,
        "--key-file",
        &key,
        "--listen",
        "127.0.0.1:0",
        "--json",
    ]);
    let closed = run(&["submit", &entries, "--url", &node.url]);
    assert!(closed.code == 1 && closed.err.contains("no token"), "{closed:?}");
    assert_eq!(node.stop().code, 0);

    let node = operated(home.path());
    assert_eq!(run(&["submit", &entries, "--url", &node.url]).code, 1);
    let wrong = path(home.path(), "wrong");
    assert_eq!(run(&["token", "generate", "--out", &wrong]).code, 0);
    let refused = run(&["submit", &entries, "--url", &node.url, "--token-file", &wrong]);
    assert!(refused.code == 1 && refused.err.contains("401"), "{refused:?}");
    let right = path(home.path(), "token");
    let done = json(&["submit", &entries, "--url", &node.url, "--token-file", &right]);
    assert_eq!(done["sealed"], 5);
}

#[test]
fn submit_tells_what_became_of_each_line() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    let node = operated(home.path());
    let good = sample(40);
    let mut lines: Vec<String> = good.lines().map(ToOwned::to_owned).collect();
    let mut conflict: Value = serde_json::from_str(&lines[0]).unwrap();
    conflict["event_time"] = "2020-01-01T00:00:00Z".into();
    lines.push(String::new());
    lines.push(conflict.to_string());
    lines.push("{not json".to_owned());
    lines.push(lines[1].clone());
    lines.push(format!("{{\"tenant\": \"{}\"}}", "x".repeat(300_000)));
    fs::write(at("entries.ndjson"), lines.join("\n")).unwrap();

    let submit = |more: &[&str]| {
        let (file, token) = (at("entries.ndjson"), at("token"));
        let basics = ["submit", &file, "--url", &node.url, "--token-file", &token, "--json"];
        run(&[&basics[..], more].concat())
    };
    let ran = submit(&[]);
    let summary = ran.json();
    let counts = |summary: &Value| {
        ["lines", "sealed", "existing", "conflict", "rejected"]
            .map(|name| summary[name].as_u64().unwrap())
    };
    assert_eq!((ran.code, counts(&summary)), (1, [44, 40, 1, 1, 2]), "{ran:?}");
    let rejected = fs::read_to_string(at("entries.ndjson.rejected.ndjson")).unwrap();
    let rejected: Vec<Value> =
        rejected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = rejected
        .iter()
        .map(|reject| (reject["line"].as_u64().unwrap(), reject["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [(42, "conflict"), (43, "rejected"), (45, "rejected")]
            .map(|(line, status)| (line, status))
            .to_vec()
    );
    assert_eq!(rejected[0]["entry"], conflict);
    assert_eq!(rejected[0]["differing_fields"], serde_json::json!(["event_time"]));
    assert_eq!(rejected[1]["text"], "{not json");
    assert!(rejected[1]["problem"]["type"].as_str().unwrap().ends_with("malformed-entry"));

    // Again: nothing is sealed twice.
    let elsewhere = at("elsewhere.ndjson");
    let again = submit(&["--rejected", &elsewhere]);
    assert_eq!((again.code, counts(&again.json())), (1, [44, 0, 41, 1, 2]));
    assert!(fs::exists(&elsewhere).unwrap());

    // From standard input.
    let mut child =
        counterfoil(["submit", "-", "--url", &node.url, "--token-file", &at("token"), "--json"])
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
    child.stdin.take().unwrap().write_all(good.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), counts(&summary)), (Some(0), [40, 0, 40, 0, 0]));
    assert!(!home.path().join("stdin.rejected.ndjson").exists());
}

#[test]
fn submit_waits_for_a_node_that_is_not_there_yet() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    fs::write(at("entries.ndjson"), sample(700)).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{port}");
    let child = counterfoil([
        "submit",
        &at("entries.ndjson"),
        "--url",
        &url,
        "--token-file",
        &at("token"),
        "--json",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    let node = operated_on(home.path(), &port.to_string());
    let output = child.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), summary["sealed"].as_u64()),
        (Some(0), Some(700)),
        "{output:?}"
    );
    assert!(String::from_utf8(output.stderr).unwrap().contains("trying again"));
    node.stop();
}

#[test]
fn submit_gets_through_while_the_node_is_killed_again_and_again() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    fs::write(at("entries.ndjson"), sample(12_000)).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut node = operated_on(home.path(), &port.to_string());
    let url = node.url.clone();
    let (entries, token) = (at("entries.ndjson"), at("token"));
    let submit = ["submit", &entries, "--url", &url, "--token-file", &token, "--json"];
    let child = counterfoil(submit).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for size in [600, 4_000, 9_000] {
        node.wait_for_size(size);
        node.kill();
        node = operated_on(home.path(), &port.to_string());
    }
    let output = child.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((count("lines"), count("sealed") + count("existing")), (12_000, 12_000));
    let head = node.json("/v1/chain")["head"].clone();
    let entries = head["size"].as_u64().unwrap() - head["height"].as_u64().unwrap() - 1;
    assert_eq!(entries, 12_000, "each once");
    node.stop();
    assert_eq!(run(&["verify", "--dir", &at("ledger")]).code, 0);
}
