//! A process as the shim recorded it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use counterfoil::node::{dev::KEY_FILE, files, secret};
use serde_json::json;

use crate::knowledge::{Knowledge, Owner, Released, answers, released};
use crate::support::binary::{Node, dev};
use crate::support::faults::{Call, Faults, Kind};
use crate::support::load::{Known, Load, post, terms};
use crate::{is_long, small_bounds};

/// What a process did to a data directory, and what it told.
pub struct Recorded {
    pub owner: Owner,
    pub calls: Vec<Call>,
    pub released: Vec<Released>,
}

impl Recorded {
    /// Runs a node under load, twice on one directory.
    pub fn node(directory: &Path) -> Self {
        let faults = Faults::watch(directory);
        let known = Arc::new(Known::default());
        for round in 0..2 {
            let node = Node::launch(faults.recording(dev(faults.directory(), &["--empty"])));
            let chain = files::chain_of(directory).unwrap();
            if round == 0 {
                post(&node.url, &json!([terms()])).expect("it answers");
            }
            let load = Load::start(&node.url, &format!("round-{round}"), &chain, &known);
            std::thread::sleep(Duration::from_millis(if is_long() { 3_000 } else { 400 }));
            load.stop();
            assert_eq!(node.stop().code, 0);
        }
        let calls = faults.recorded();
        let chain = files::chain_of(directory).unwrap();
        let key = secret::read_key(&directory.join(KEY_FILE)).unwrap();
        let released = released(answers(&calls), &chain);
        let entries = released.iter().filter(|known| matches!(known.what, Knowledge::Entry { .. }));
        // And the terms.
        assert_eq!(entries.count(), known.count() + 1, "clients and record agree");
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
