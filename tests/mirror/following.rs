//! Following a node, and publishing what it seals.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::support::binary::{
    Node, block_on, counterfoil, json as done, operated, operated_on, operator, path, run,
};
use super::support::load;

/// A mirror that follows, and what it says.
struct Follower {
    child: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Follower {
    fn start(arguments: &[&str]) -> Self {
        let mut child = counterfoil(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    /// Waits until it says that it has the log's first `size` leaves.
    fn reaches(&mut self, size: u64) {
        for line in &mut self.said {
            let said: Value = serde_json::from_str(&line.unwrap()).expect("one object a line");
            if said["size"].as_u64().unwrap() >= size {
                return;
            }
        }
        panic!("it ended before size {size}");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn submit(node: &Node, home: &std::path::Path, entries: &Value) {
    let token = std::fs::read_to_string(home.join("token")).unwrap();
    let status = block_on(async {
        let request = reqwest::Client::new().post(format!("{}/v1/entries", node.url));
        request.bearer_auth(token.trim()).json(entries).send().await.unwrap().status()
    });
    assert_eq!(status, 200);
}

#[test]
fn a_follower_keeps_up_publishes_and_stops_when_told() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    let node = operated(home.path());
    submit(&node, home.path(), &json!([load::terms()]));
    let mut follower = Follower::start(&[
        "mirror",
        &node.url,
        "--dir",
        &at("replica"),
        "--spec",
        &at("spec.toml"),
        "--follow",
        "--tiles",
        &at("pub"),
        "--json",
    ]);
    follower.reaches(3);
    submit(&node, home.path(), &json!([load::sale("sale-1"), load::sale("sale-2")]));
    follower.reaches(6);
    // The node goes away and comes back: that ends nothing.
    let address = node.url.trim_start_matches("http://").to_owned();
    node.stop();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let node = operated_on(home.path(), &address);
    submit(&node, home.path(), &json!([load::sale("sale-3")]));
    follower.reaches(8);
    // What it said, it has published before.
    assert_eq!(std::fs::read(home.path().join("pub/checkpoint")).unwrap(), node.get("/checkpoint"));
    follower.signal("-TERM");
    assert_eq!(follower.child.wait().unwrap().code(), Some(0));
    let proven = done(&["verify", "--dir", &at("pub"), "--spec", &at("spec.toml")]);
    assert_eq!((&proven["size"], &proven["height"]), (&8.into(), &3.into()));
    assert_eq!(run(&["fsck", "--dir", &at("replica")]).code, 0);
}

#[test]
fn a_follower_waits_for_what_is_not_there_yet() {
    let ledger = super::sales(&[4]);
    let site = super::Site::new(&ledger);
    let published = site.path("later");
    std::fs::create_dir(&published).unwrap();
    let mut follower = Follower::start(&[
        "mirror",
        &published,
        "--dir",
        &site.path("replica"),
        "--spec",
        &site.path("spec.toml"),
        "--follow",
        "--json",
    ]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    ledger.publish(std::path::Path::new(&published));
    follower.reaches(ledger.log.size());
    follower.signal("-INT");
    assert_eq!(follower.child.wait().unwrap().code(), Some(0));
    site.stands("replica", 2);
}

#[test]
fn what_is_wrong_ends_a_follower() {
    let ledger = super::sales(&[4]);
    let site = super::Site::new(&ledger);
    site.mirrored(&site.path("pub"), "replica");
    site.publish(&super::sales(&[5, 2]));
    let ran = run(&["mirror", &site.path("pub"), "--dir", &site.path("replica"), "--follow"]);
    assert!(ran.code == 1 && ran.err.contains("two histories"), "{ran:?}");
}
