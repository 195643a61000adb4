//! An error once at each call that a node makes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::node::{Bench, Client, is_long, refused_in_order};
use crate::support::binary::{Node, copy_directory, run};
use crate::support::home;
use crate::support::random::Random;

/// How many single faults are played in `tests/run`; in the long suite it is all there are.
const SAMPLED_FAULTS: usize = 24;
/// There are fewer calls than this of each kind.
const MAX_CALLS: u64 = 1_000;
/// How far the sample reaches at first: some more calls than there are of most kinds.
const FIRST_REACH: u64 = 60;

/// Which calls fail once, and with what.
const CALLS: &[(&str, &str)] = &[
    ("read", "EIO"),
    ("write", "ENOSPC"),
    ("sync", "EIO"),
    ("range", "EIO"),
    ("open", "EIO"),
    ("rename", "EIO"),
    ("unlink", "EIO"),
    ("truncate", "EIO"),
    ("mkdir", "ENOSPC"),
];

#[test]
fn an_error_at_any_one_call_loses_nothing() {
    let mut random = Random::seeded("FAILING_DISK_SEED");
    let bench = Bench::new();
    // As a crash leaves it, so that opening has something to do.
    let template = bench.home.path().join("template");
    let (node, client) = bench.start();
    node.kill();
    std::fs::rename(bench.faults.directory(), &template).unwrap();
    let mut sweep = Sweep { bench: &bench, template: &template, known: client.acknowledged };
    if is_long() {
        for (call, error) in CALLS {
            let last = (1..MAX_CALLS).find(|nth| !sweep.play(call, error, *nth));
            println!("{call}: {:?} played", last.expect("the load is small") - 1);
        }
    } else {
        let mut reach = BTreeMap::new();
        for _ in 0..SAMPLED_FAULTS {
            let (call, error) = CALLS[random.index(CALLS.len())];
            let reach = reach.entry(call).or_insert(FIRST_REACH);
            let nth = 1 + random.below(*reach);
            // Beyond the last such call: nearer from now on.
            if !sweep.play(call, error, nth) {
                *reach = nth;
            }
        }
    }
}

/// A small load on a copy of one ledger, again and again.
struct Sweep<'a> {
    bench: &'a Bench,
    template: &'a Path,
    /// What was acknowledged before the copy was made.
    known: BTreeMap<String, Value>,
}

impl Sweep<'_> {
    /// Plays the load with an error at the `nth` call of a kind; `false` if there is none.
    fn play(&mut self, call: &str, error: &str, nth: u64) -> bool {
        println!("{call} {nth}");
        let (faults, directory) = (&self.bench.faults, self.bench.faults.directory());
        copy_directory(self.template, directory);
        home::settle(directory);
        let before = faults.fired().len();
        faults.rule(&format!("{call} @ {nth} errno:{error}"));
        let node = Node::try_launch(self.bench.command()).unwrap_or_else(|refused| {
            refused_in_order(&refused);
            faults.rule("");
            Node::launch(self.bench.command())
        });
        let mut client = Client { acknowledged: self.known.clone(), ..Client::new(&node) };
        if call == "read" && client.get("/v1/chain").body["role"] == "halted" {
            self.is_named(node, nth);
            return true;
        }
        for number in 0..6 {
            let names = [format!("{number}-a"), format!("{number}-b")];
            client.submit_until_sealed(&[&names[0], &names[1]]);
        }
        client.check_acknowledged();
        self.bench.stop(node);
        std::fs::remove_dir_all(directory).unwrap();
        faults.fired().len() > before
    }

    /// A read that failed only once, and just when sled looked for the end of its log, cuts the
    /// log there. The guard tells: nothing is sealed, and `fsck` says why.
    fn is_named(&self, node: Node, nth: u64) {
        println!("read {nth} cuts the log");
        node.stop();
        let directory = self.bench.faults.directory();
        let fsck = run(&["fsck", "--dir", directory.to_str().unwrap(), "--json"]);
        assert_eq!(fsck.code, 1, "{fsck:?}");
        assert!(fsck.json()["guard"].as_str().unwrap().contains("rolled back"), "{fsck:?}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
