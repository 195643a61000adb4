//! Re-verifying everything that is stored, from genesis, believing nothing.
//!
//! The chain is verified with rules' state kept in memory, apart from the stored one; then
//! whatever is stored as derived is compared with what follows.

use std::collections::BTreeMap;

use super::accounts::{self, Dealing, LINE_KEY_BYTES, ReadShares, line_key};
use super::ahead::Ahead;
use super::commit::postings;
use super::directory::{self, Listed, NameKey};
use super::error::StoreError;
use super::place::BlockPlace;
use super::read::View;
use super::sorted::Order;
use super::tiles::{Edge, FullTile, TILE_WIDTH};
use super::{Store, body, keys};
use crate::protocol::accounts::AccountKey;
use crate::protocol::block::EncodedEntry;
use crate::protocol::codec;
use crate::protocol::hash::TreeHash;
use crate::protocol::rules::Changes;
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
    let mut check = Check::new(store, Postings::Counted);
    check.chain(&mut progress)?;
    if check.report.verified_height == check.report.height {
        let sound = check.records()? & check.postings()?;
        check.accounts()?;
        check.names()?;
        check.runs()?;
        if !sound && check.report.is_clean() {
            // Something is missing: once more, and slower, to say what.
            check = Check::new(store, Postings::LookedUp);
            check.chain(&mut progress)?;
            check.missing_records()?;
        }
    }
    check.blobs();
    Ok(check.report)
}

struct Check {
    view: View,
    report: FsckReport,
    /// The rules' state, from the blocks alone.
    state: Changes,
    /// The log's tiles, from the blocks alone.
    edge: Edge,
    /// What becomes of the postings that there must be.
    expected: Postings,
    /// Those, as far as they were counted.
    counted: Tally,
    /// The lines of accounts that there must be.
    lines: Tally,
    /// The dealings and shares of payouts, from the blocks alone.
    dealings: ExpectedDealings,
    /// The directory, from the blocks alone.
    names: BTreeMap<NameKey, Listed>,
}

/// Dealings and shares of payouts that there must be.
#[derive(Default)]
struct ExpectedDealings(BTreeMap<[u8; LINE_KEY_BYTES], Dealing>);

impl ReadShares for ExpectedDealings {
    type Error = StoreError;

    fn share(&self, key: &[u8; LINE_KEY_BYTES]) -> Result<Option<Dealing>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn shares(
        &self,
        payout: AccountKey,
    ) -> Result<Vec<([u8; LINE_KEY_BYTES], Dealing)>, StoreError> {
        let all = self.0.range(line_key(payout, 0)..=line_key(payout, u64::MAX));
        Ok(all.map(|(key, dealing)| (*key, dealing.clone())).collect())
    }
}

/// How postings are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Postings {
    /// All together, which is quick.
    Counted,
    /// One by one, which tells what is missing.
    LookedUp,
}

/// A sum over what was met that doesn't depend on its order.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    count: u64,
    digests: u128,
}

impl Tally {
    fn add(&mut self, bytes: &[u8]) {
        let hash = *blake3::hash(bytes).as_bytes();
        let half = hash.first_chunk().expect("a digest has more bytes");
        self.digests = self.digests.wrapping_add(u128::from_be_bytes(*half));
        self.count += 1;
    }
}

impl Check {
    fn new(store: &Store, expected: Postings) -> Self {
        let view = store.view();
        let mut edge = Edge::default();
        edge.push(leaf_hash(&store.chain().genesis().to_leaf()), &mut Vec::new());
        Self {
            report: FsckReport { height: view.head().height(), ..FsckReport::default() },
            view,
            state: Changes::default(),
            edge,
            expected,
            counted: Tally::default(),
            lines: Tally::default(),
            dealings: ExpectedDealings::default(),
            names: BTreeMap::new(),
        }
    }

    fn chain(&mut self, progress: &mut impl FnMut(u64)) -> Result<(), StoreError> {
        let chain = self.view.store.chain().clone();
        let mut tip = chain.genesis_tip();
        let (view, last) = (self.view.clone(), self.report.height);
        let blocks = Ahead::new((1..=last).map(move |height| (height, view.stored_block(height))))?;
        for (height, block) in blocks {
            let block = match block {
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
                    let changes = verified.changes().iter();
                    self.state.extend(changes.map(|(key, record)| (*key, record.clone())));
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
        self.place(block);
        for (digest, index) in postings(block) {
            match self.expected {
                Postings::Counted => self.counted.add(&keys::pair(digest, index)),
                Postings::LookedUp => self.look_up(digest, index)?,
            }
        }
        let counted = accounts::count(&self.dealings, block)?;
        counted.lines.iter().for_each(|(key, line)| self.lines.add(&codec::encode(&(key, line))));
        self.dealings.0.extend(counted.dealings);
        directory::all_names(block, |key, listed| {
            self.names.entry(key).or_insert(listed);
        });
        Ok(())
    }

    /// Each index of a block must lead to it, and so to the chunks of its leaves.
    fn place(&mut self, block: &VerifiedBlock) {
        let header = block.header();
        let (first, last) = (header.first_index, header.index());
        let blocks = &self.view.store.inner.blocks;
        let found = blocks.range(keys::header_index(first)..=keys::header_index(last));
        let place = || format!("the place of the block that ends at index {last}");
        let found = match found.collect::<Result<Vec<_>, _>>() {
            Ok(found) => found,
            Err(error) => return self.report.add(place(), error),
        };
        let [(key, value)] = &*found else {
            return self.report.add(place(), "missing, or not the only one");
        };
        let leaves = block.entries().iter().map(EncodedEntry::leaf);
        let leaves = body::pack(first, leaves).iter().map(|chunk| chunk.leaves).collect();
        let expected = |first_chunk| BlockPlace {
            height: header.height,
            first_index: first,
            first_chunk,
            leaves,
        };
        match BlockPlace::decode(last, value) {
            // The leaves were read from the chunks that it names.
            Ok(found)
                if *key == keys::header_index(last) && found == expected(found.first_chunk) => {}
            Ok(_) => self.report.add(place(), "it isn't the one of this block"),
            Err(error) => self.report.add(place(), error),
        }
    }

    fn look_up(&mut self, digest: u64, index: u64) -> Result<(), StoreError> {
        let derived = &self.view.store.inner.derived;
        let place = || format!("search index at {index}");
        match derived.postings(digest, (index, index), Order::Ascending).next() {
            Some(Ok(_)) => {}
            None => self.report.add(place(), "a posting is missing"),
            Some(Err(StoreError::Damaged { problem, .. })) => self.report.add(place(), problem),
            Some(Err(error)) => return Err(error),
        }
        Ok(())
    }

    fn tile(&mut self, tile: &FullTile) -> Result<(), StoreError> {
        let place = format!("tile {}/{}", tile.level, tile.number);
        match self.view.tile(tile.level, tile.number, TILE_WIDTH) {
            Ok(Some(stored)) if stored == tile.hashes => {}
            Ok(Some(stored)) => {
                let place_of = stored.iter().zip(&tile.hashes).position(|(one, two)| one != two);
                let offset = place_of.expect("as many, and not the same");
                self.report.add(place, format!("hash {offset} is not what the leaves give"));
            }
            Ok(None) => self.report.add(place, "missing"),
            Err(StoreError::Damaged { place, problem }) => self.report.add(place, problem),
            Err(error) => return Err(error),
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

    /// Compares every stored record with what the rules give; whether all are there.
    fn records(&mut self) -> Result<bool, StoreError> {
        let Self { view, report, state, .. } = self;
        let mut found = 0u64;
        let looked = view.store.inner.derived.all_records(|key, record| {
            report.records += 1;
            let place = || format!("record of the entry at index {}", record.index);
            match state.get(key) {
                Some(expected) if *expected == record => found += 1,
                Some(_) => report.add(place(), "is not what the rules give"),
                None => report.add(place(), "nothing accounts for it"),
            }
        });
        self.whole("records", looked)?;
        Ok(found == self.state.len() as u64)
    }

    /// Compares all stored postings with those that there must be; whether they are the same.
    fn postings(&mut self) -> Result<bool, StoreError> {
        let mut found = Tally::default();
        let derived = &self.view.store.inner.derived;
        let looked = derived.all_postings(|digest, index| found.add(&keys::pair(digest, index)));
        self.whole("postings", looked)?;
        if found.count > self.counted.count {
            let problem = format!("{} are there, must be {}", found.count, self.counted.count);
            self.report.add("postings", problem);
        }
        Ok(found == self.counted)
    }

    /// Compares all stored lines of accounts, and all dealings, with what the blocks give.
    fn accounts(&mut self) -> Result<(), StoreError> {
        let mut found = Tally::default();
        let derived = &self.view.store.inner.derived;
        let looked = derived.all_lines(|key, line| found.add(&codec::encode(&(key, line))));
        let (there, expected) = (found.count, self.lines.count);
        self.whole("lines of accounts", looked)?;
        if found != self.lines {
            let problem = format!("{there} are there, of {expected}, or one isn't what it must be");
            self.report.add("lines of accounts", problem);
        }
        let Self { view, report, dealings, .. } = self;
        let mut as_they_must = 0;
        let looked = view.store.inner.derived.all_dealings(|key, dealing| {
            if dealings.0.get(key) == Some(&dealing) {
                as_they_must += 1;
            } else {
                report.add("dealings", "one isn't what the blocks give");
            }
        });
        if as_they_must != dealings.0.len() {
            report.add("dealings", "some are missing");
        }
        self.whole("dealings", looked)
    }

    /// Compares the directory with the names that the blocks say.
    fn names(&mut self) -> Result<(), StoreError> {
        let Self { view, report, names, .. } = self;
        let mut as_they_must = 0;
        let looked = view.store.inner.derived.all_names(|key, listed| {
            if names.get(key) == Some(&listed) {
                as_they_must += 1;
            } else {
                report.add("directory", "a name isn't what the blocks give");
            }
        });
        if as_they_must != names.len() {
            report.add("directory", "some names are missing");
        }
        self.whole("names", looked)
    }

    /// What is there must be found, too.
    fn runs(&mut self) -> Result<(), StoreError> {
        let looked = self.view.store.inner.derived.check_runs();
        self.whole("runs", looked)
    }

    /// Takes note of damage met while everything was gone through.
    fn whole(&mut self, what: &str, looked: Result<(), StoreError>) -> Result<(), StoreError> {
        match looked {
            Err(StoreError::Damaged { place, problem }) => {
                self.report.add(place, format!("{problem} (among the {what})"));
                Ok(())
            }
            other => other,
        }
    }

    fn missing_records(&mut self) -> Result<(), StoreError> {
        for (key, expected) in &self.state {
            let place = || format!("record of the entry at index {}", expected.index);
            match self.view.store.inner.derived.record(key) {
                Ok(Some(_)) => {}
                Ok(None) => self.report.add(place(), "missing"),
                Err(StoreError::Damaged { problem, .. }) => self.report.add(place(), problem),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// sled never syncs what it puts there, so there must be nothing.
    fn blobs(&mut self) {
        let blobs = self.view.store.inner.disk.path.with_file_name("blobs");
        let count = std::fs::read_dir(blobs).map_or(0, Iterator::count);
        if count > 0 {
            self.report.add("blobs", format!("{count} values are too large to be durable"));
        }
    }
}
