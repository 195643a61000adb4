//! A process as the shim recorded it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use counterfoil::node::{dev::KEY_FILE, files, secret};
use counterfoil::protocol::verify::Chain;
use serde_json::json;

use crate::knowledge::{Knowledge, Owner, Released, answers, released};
use crate::support::binary::{Node, dev};
use crate::support::faults::{Call, Faults, Kind};
use crate::support::load::{Known, Load, large_block, post, terms};
use crate::{sized, small_bounds};

/// How long a node is under load.
const LOADED: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(3));

/// What a process did to a data directory, and what it told.
pub struct Recorded {
    pub owner: Owner,
    pub calls: Vec<Call>,
    pub released: Vec<Released>,
}

impl Recorded {
    /// A node under load, started twice.
    pub fn under_load(directory: &Path) -> Self {
        let faults = Faults::watch(directory);
        let known = Arc::new(Known::default());
        for round in ["first", "second"] {
            run_node(&faults, |node, chain| {
                let load = Load::start(&node.url, round, chain, &known);
                std::thread::sleep(sized(LOADED));
                load.stop();
            });
        }
        let recorded = Self::of_node(&faults);
        let is_entry = |known: &&Released| matches!(known.what, Knowledge::Entry { .. });
        let entries = recorded.released.iter().filter(is_entry).count();
        // And the terms, twice.
        assert_eq!(entries, known.count() + 2, "clients and record agree");
        recorded
    }

    /// A node that seals one large block after its terms.
    pub fn sealing_a_large_block(directory: &Path) -> Self {
        let faults = Faults::watch(directory);
        run_node(&faults, |node, _| {
            let answer = post(&node.url, &large_block("large")).expect("it answers");
            assert_eq!(answer["results"][0]["status"], "sealed", "{}", answer["results"][0]);
        });
        Self::of_node(&faults)
    }

    fn of_node(faults: &Faults) -> Self {
        let calls = faults.recorded();
        let chain = files::chain_of(faults.directory()).unwrap();
        let key = secret::read_key(&faults.directory().join(KEY_FILE)).unwrap();
        let released = released(answers(&calls), &chain);
        Self { owner: Owner { chain, key, bounds: None }, calls, released }
    }

    /// Runs a store in small bounds.
    pub fn small_bounds(directory: &Path, blocks: usize) -> Self {
        let faults = Faults::watch(directory);
        let command = faults.recording(small_bounds::command(faults.directory(), blocks));
        let done = { command }.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let calls = faults.recorded();
        let owner = small_bounds::owner();
        let said = calls.iter().filter(|call| call.kind == Kind::Sent);
        let said = said.map(|call| (call.issued, String::from_utf8(call.data.clone()).unwrap()));
        let released = released(said, &owner.chain);
        Self { owner, calls, released }
    }
}

/// Starts a node, states the terms, has something done, and stops it.
fn run_node(faults: &Faults, work: impl FnOnce(&Node, &Arc<Chain>)) {
    let node = Node::launch(faults.recording(dev(faults.directory(), &["--empty"])));
    post(&node.url, &json!([terms()])).expect("it answers");
    work(&node, &files::chain_of(faults.directory()).unwrap());
    assert_eq!(node.stop().code, 0);
}
