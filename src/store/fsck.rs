//! Re-verifying everything that is stored, from genesis, believing nothing.
//!
//! The chain is verified with rules' state kept in memory, apart from the stored one; then
//! whatever is stored as derived is compared with what follows.

use std::collections::HashMap;

use super::error::StoreError;
use super::facets;
use super::read::View;
use super::tiles::{Edge, FullTile, HALF_TILE_HASHES, TILE_WIDTH};
use super::{Store, keys};
use crate::protocol::block::EncodedEntry;
use crate::protocol::codec;
use crate::protocol::hash::{StateKey, TreeHash};
use crate::protocol::rules::StoredRecord;
use crate::protocol::tree::leaf_hash;
use crate::protocol::verify::{self, VerifiedBlock};

/// The most findings that are listed; the rest is counted.
pub const MAX_FINDINGS: usize = 100;

/// Something that isn't as it must be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Where.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

/// What a check of the store came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FsckReport {
    /// The height of the last block that is stored.
    pub height: u64,
    /// The height up to which every block was verified.
    pub verified_height: u64,
    /// Entries in verified blocks.
    pub entries: u64,
    /// Records of the rules that were compared.
    pub records: u64,
    /// What is wrong, up to [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub findings_left_out: u64,
}

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, place: impl Into<String>, problem: impl std::fmt::Display) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { place: place.into(), problem: format!("{problem}") });
        } else {
            self.findings_left_out += 1;
        }
    }
}

pub(super) fn fsck(store: &Store, mut progress: impl FnMut(u64)) -> Result<FsckReport, StoreError> {
    let view = store.view();
    let mut check = Check {
        report: FsckReport { height: view.head().height(), ..FsckReport::default() },
        state: HashMap::new(),
        edge: Edge::default(),
        expected_keys: 1,
        view,
    };
    check.edge.push(leaf_hash(&store.chain().genesis().to_leaf()), &mut Vec::new());
    check.chain(&mut progress)?;
    if check.report.verified_height == check.report.height {
        check.derived()?;
    }
    check.blobs();
    Ok(check.report)
}

struct Check {
    view: View,
    report: FsckReport,
    /// The rules' state, from the blocks alone.
    state: HashMap<StateKey, StoredRecord>,
    /// The log's tiles, from the blocks alone.
    edge: Edge,
    /// How many keys the derived tree must have.
    expected_keys: usize,
}

impl Check {
    fn chain(&mut self, progress: &mut impl FnMut(u64)) -> Result<(), StoreError> {
        let chain = self.view.store.chain().clone();
        let mut tip = chain.genesis_tip();
        for height in 1..=self.report.height {
            let block = match self.view.stored_block(height) {
                Ok(block) => block,
                Err(StoreError::Damaged { place, problem }) => {
                    self.report.add(place, problem);
                    return self.leaves_from(height);
                }
                Err(error) => return Err(error),
            };
            match verify::verify(&chain, &tip, &self.state, block) {
                Ok(verified) => {
                    self.block(&verified)?;
                    tip = verified.tip().clone();
                    self.state.extend(verified.changes().iter().cloned());
                }
                Err(invalid) => {
                    self.report.add(format!("block {height}"), invalid);
                    return self.leaves_from(height);
                }
            }
            self.report.verified_height = height;
            progress(height);
        }
        Ok(())
    }

    /// Compares what is derived from one block.
    fn block(&mut self, block: &VerifiedBlock) -> Result<(), StoreError> {
        let header = block.header();
        self.report.entries += u64::from(header.entry_count);
        let mut full = Vec::new();
        let hashes = block.entries().iter().map(EncodedEntry::leaf_hash);
        for hash in hashes.chain([block.header_leaf_hash()]) {
            self.edge.push(hash, &mut full);
        }
        for tile in &full {
            self.tile(tile)?;
        }
        let hash = block.tip().header_hash;
        self.number(&keys::header_hash(&hash), header.height, || format!("index of hash {hash}"))?;
        for ((index, entry), parties) in
            (header.first_index..).zip(block.entries()).zip(block.parties())
        {
            let id = entry.id();
            self.number(&keys::entry_id(&id), index, || format!("index of entry {id}"))?;
            for prefix in facets::postings(entry.entry(), parties) {
                self.expected_keys += 1;
                let key = keys::posting(prefix, index);
                if !self.view.store.inner.derived.contains_key(key)? {
                    self.report.add(format!("search index at {index}"), "a posting is missing");
                }
            }
        }
        Ok(())
    }

    fn tile(&mut self, tile: &FullTile) -> Result<(), StoreError> {
        self.expected_keys += 2;
        let place = format!("tile {}/{}", tile.level, tile.number);
        match self.view.tile(tile.level, tile.number, TILE_WIDTH) {
            Ok(Some(stored)) if stored == tile.hashes => {}
            Ok(Some(stored)) => {
                let place_of = stored.iter().zip(&tile.hashes).position(|(one, two)| one != two);
                let offset = place_of.unwrap_or(2 * HALF_TILE_HASHES);
                self.report.add(place, format!("hash {offset} is not what the leaves give"));
            }
            Ok(None) => self.report.add(place, "missing"),
            Err(StoreError::Damaged { place, problem }) => self.report.add(place, problem),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn number(
        &mut self,
        key: &[u8],
        expected: u64,
        place: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        self.expected_keys += 1;
        let value = self.view.store.inner.derived.get(key)?;
        match value.as_deref().and_then(keys::trailing_number) {
            Some(found) if found == expected => {}
            Some(found) => self.report.add(place(), format!("is {found}, must be {expected}")),
            None => self.report.add(place(), "missing"),
        }
        Ok(())
    }

    /// After the first bad block: which leaves, from there on, the stored tiles disagree with.
    fn leaves_from(&mut self, height: u64) -> Result<(), StoreError> {
        let mut index = match height {
            0 | 1 => 1,
            _ => self.view.stored_header(height - 1)?.header.log_size(),
        };
        while index < self.view.head().size() {
            let (number, offset) = (index / TILE_WIDTH, index % TILE_WIDTH);
            let available = (self.view.head().size() - number * TILE_WIDTH).min(TILE_WIDTH);
            let tile = match self.view.tile(0, number, available) {
                Ok(tile) => tile.unwrap_or_default(),
                Err(StoreError::Damaged { place, problem }) => {
                    self.report.add(place, problem);
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            for hash in tile.iter().skip(usize::try_from(offset).unwrap_or(0)) {
                self.leaf(index, *hash)?;
                index += 1;
            }
            index = index.max((number + 1) * TILE_WIDTH);
        }
        Ok(())
    }

    fn leaf(&mut self, index: u64, hash: TreeHash) -> Result<(), StoreError> {
        match self.view.stored_leaf(index) {
            Ok(leaf) if leaf_hash(&leaf) == hash => {}
            Ok(_) => self.report.add(
                format!("the leaf at index {index}"),
                "its hash is not the one in the stored tile: leaf or tile was altered",
            ),
            Err(StoreError::Damaged { place, problem }) => self.report.add(place, problem),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Compares every record, and looks for keys that nothing accounts for.
    fn derived(&mut self) -> Result<(), StoreError> {
        for (key, expected) in &self.state {
            self.report.records += 1;
            let stored = self.view.store.inner.derived.get(keys::state(key))?;
            match stored {
                Some(bytes) if *bytes == codec::encode(expected)[..] => {}
                Some(_) => self.report.add(
                    format!("record of the entry at index {}", expected.index),
                    "is not what the rules give",
                ),
                None => self
                    .report
                    .add(format!("record of the entry at index {}", expected.index), "missing"),
            }
        }
        self.expected_keys += self.state.len();
        // The marker is there from the first block on.
        let expected = if self.report.height == 0 { 0 } else { self.expected_keys };
        let found = self.view.store.inner.derived.len();
        if found != expected {
            self.report.add("derived", format!("{found} keys, must be {expected}"));
        }
        Ok(())
    }

    /// sled never syncs what it puts there, so there must be nothing.
    fn blobs(&mut self) {
        let blobs = self.view.store.inner.database_path.with_file_name("blobs");
        let count = std::fs::read_dir(blobs).map_or(0, Iterator::count);
        if count > 0 {
            self.report.add("blobs", format!("{count} values are too large to be durable"));
        }
    }
}
