//! What was sent was synced before: seen in the calls of a real process.

use std::path::Path;

use crate::knowledge::{Knowledge, Released};
use crate::recorded::Recorded;
use crate::small_bounds;
use crate::support::faults::{Call, Kind};

/// Where a block is to be durable before anything of it is released.
const PLACES: [&str; 2] = ["store/db", "guard/"];

#[test]
fn a_node_syncs_store_and_guard_before_it_answers() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("dev");
    check(&Recorded::under_load(&directory), &directory);
}

#[test]
fn a_store_that_writes_runs_syncs_itself_and_its_guard_before_a_block_is_released() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("small");
    check(&Recorded::small_bounds(&directory, small_bounds::BLOCKS), &directory);
}

fn check(recorded: &Recorded, directory: &Path) {
    let (store, _committer) = recorded.owner.open(directory).unwrap();
    let view = store.view();
    for place in PLACES {
        let here = |call: &&Call| call.path.starts_with(place) && call.succeeded();
        let mut calls = recorded.calls.iter().filter(here).collect::<Vec<_>>().into_iter();
        for height in 1..=view.head().height() {
            let stored = view.header(height).unwrap().unwrap();
            let signature = stored.signature.expect("after genesis").0;
            // The guard's slot has the signature, and in the store it lies with the header.
            let wrote = |call: &&Call| {
                call.kind == Kind::Write && call.data.windows(64).any(|bytes| bytes == signature)
            };
            let write = calls.by_ref().find(wrote).expect("the block is written");
            let sent = first_of_block(&recorded.released, height, stored.header.log_size());
            let synced = recorded.calls.iter().filter(here).any(|call| {
                call.kind == Kind::Sync && call.issued > write.returned && call.returned < sent
            });
            let Call { issued, returned, path, .. } = write;
            let written = format!("written to {path} from {issued} to {returned}");
            assert!(synced, "block {height}: {written}, not synced before it was sent at {sent}");
        }
    }
    let large = recorded.calls.iter().find(|call| call.path.starts_with("store/blobs/"));
    assert!(large.is_none(), "large values would not be durable: {large:?}");
}

/// When something of a block was first sent: an entry's place, or its checkpoint.
fn first_of_block(released: &[Released], block: u64, block_size: u64) -> u64 {
    let of_block = released.iter().filter(|known| match known.what {
        Knowledge::Entry { height, .. } => height == block,
        Knowledge::Checkpoint { size, .. } => size == block_size,
    });
    of_block.map(|known| known.at).min().expect("every block was acknowledged")
}
