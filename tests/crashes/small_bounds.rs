//! A store that writes runs and merges them all the time, since it may hold little in memory.
//!
//! The test here also runs as a process of its own, with the shim under it: then it goes on in
//! the directory that it is given, and says on standard output what a node would answer.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use counterfoil::ledger::now;
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::verify::{Chain, Draft, VerifiedBlock};
use counterfoil::sample::{Marketplace, Profile};
use counterfoil::store::MemoryBounds;
use serde_json::{Value, json};

use crate::knowledge::Owner;
use crate::support::chain::{chain, key, time};

const SMALL: MemoryBounds = MemoryBounds { records: 120, blocks: 4 };
/// The sizes of the blocks, one after the other.
const BLOCK_ENTRIES: [usize; 8] = [1, 2, 5, 20, 1, 60, 1, 150];
/// How many blocks are sealed where nothing else is said.
pub const BLOCKS: usize = 40;

/// To the process: the directory, and how many blocks to seal.
const DIRECTORY: &str = "SMALL_BOUNDS_DIRECTORY";
const COUNT: &str = "SMALL_BOUNDS_BLOCKS";

pub fn owner() -> Owner {
    Owner { chain: chain("small-bounds"), key: key(), bounds: Some(SMALL) }
}

/// A process that seals `blocks` blocks in a directory, after those that are there.
pub fn command(directory: &Path, blocks: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "small_bounds::a_store_in_small_bounds_keeps_everything";
    command
        .args(["--exact", test, "--nocapture"])
        .env(DIRECTORY, directory)
        .env(COUNT, blocks.to_string());
    command
}

#[test]
fn a_store_in_small_bounds_keeps_everything() {
    let home = tempfile::tempdir().unwrap();
    let told = std::env::var_os(DIRECTORY).map(PathBuf::from);
    let directory = told.clone().unwrap_or_else(|| home.path().join("store"));
    let blocks = std::env::var(COUNT).map_or(BLOCKS, |count| count.parse().unwrap());

    let owner = owner();
    let (store, mut committer) = owner.open(&directory).unwrap();
    let head = store.head();
    // Without the headers, genesis's among them.
    let sealed = usize::try_from(head.size() - head.height() - 1).unwrap();
    let profile = Profile::history(11, 1_000_000, time("2026-03-01T00:00:00Z"));
    let market = Marketplace::new(profile, &owner.chain.spec().currencies).unwrap();
    let mut entries = market.skip(sealed);
    for size in BLOCK_ENTRIES.iter().cycle().take(blocks) {
        let head = store.head();
        let mut draft = Draft::new(&owner.chain, &head.tip, &store, now());
        for entry in entries.by_ref().take(*size) {
            draft.admit(EncodedEntry::new(entry).unwrap()).expect("the rules admit it");
        }
        let block = draft.seal(&owner.key);
        committer.commit(&block).unwrap();
        if told.is_some() {
            say(&owner.chain, &block);
        }
    }
    let report = store.fsck(|_| {}).unwrap();
    assert!(report.is_clean(), "{report:#?}");
}

/// Says where a block's entries stand, and its checkpoint.
fn say(chain: &Chain, block: &VerifiedBlock) {
    let (height, first) = (block.header().height, block.header().first_index);
    let results = (first..).zip(block.entries()).map(
        |(index, entry)| json!({"id": entry.id().to_string(), "index": index, "height": height}),
    );
    let results = json!({"results": results.collect::<Vec<Value>>()});
    let note = block.tip().checkpoint(chain).to_note(&key().public(), block.signature());
    let mut out = std::io::stdout();
    out.write_all(format!("{results}\n").as_bytes()).unwrap();
    out.write_all(note.as_bytes()).unwrap();
}

/// What a process has said, one thing after the other.
pub fn said(out: &[u8]) -> impl Iterator<Item = String> {
    let mut said: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(out).split_inclusive('\n') {
        match said.last_mut() {
            // A note has several lines; results have one, and so are what they follow.
            Some(note) if !line.starts_with('{') && !note.starts_with('{') => note.push_str(line),
            _ => said.push(line.to_owned()),
        }
    }
    said.into_iter()
}
