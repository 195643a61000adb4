//! What readers come back to again and again, kept in memory: it never changes once it is committed.
//!
//! Invariants:
//! - Only what the head of a view holds is kept: recovery, which looks further, keeps nothing.
//! - Whoever looks whether what is stored is right (`fsck.rs`) reads what is stored.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::error::StoreError;
use super::place::BlockPlace;
use super::read::View;
use super::slots::MAX_VALUE_BYTES;
use crate::protocol::block::{EncodedEntry, Heading};
use crate::protocol::time::Timestamp;

/// How many bytes of leaves the long entries have that are kept; with what is decoded of them they take
/// some three times as much.
const MAX_LONG_LEAF_BYTES: u64 = 32 * 1024 * 1024;
/// How many bytes the places of blocks have that are kept, at most.
const MAX_PLACE_BYTES: u64 = 8 * 1024 * 1024;
/// What a place takes beside two bytes for each of its chunks.
const PLACE_BYTES: u64 = 80;
/// How many times of blocks are kept.
const TIMES: usize = 64 * 1024;
/// How many log indexes that follow each other lead to one place that is kept: about as many as a
/// block has under load.
const INDEXES_A_PLACE: u64 = 256;

/// What is at hand.
pub(super) struct AtHand {
    /// Entries that don't fit one chunk, by log index, and the heights of their blocks: of each there
    /// are a thousand lines to decode.
    long_entries: Cache<u64, (EncodedEntry, u64), ByBytes>,
    /// Where blocks lie, and the log indexes of their headers, by every so many log indexes: the block
    /// that holds one of those.
    places: Cache<u64, Arc<(u64, BlockPlace)>, ByBytes>,
    /// Times of blocks, by height.
    times: Cache<u64, Timestamp>,
}

impl Default for AtHand {
    fn default() -> Self {
        Self {
            long_entries: Cache::with_weighter(1024, MAX_LONG_LEAF_BYTES, ByBytes),
            places: Cache::with_weighter(16 * 1024, MAX_PLACE_BYTES, ByBytes),
            times: Cache::new(TIMES),
        }
    }
}

/// Weighs what is kept by how many bytes it has.
#[derive(Clone)]
struct ByBytes;

impl Weighter<u64, (EncodedEntry, u64)> for ByBytes {
    fn weight(&self, _: &u64, (entry, _): &(EncodedEntry, u64)) -> u64 {
        entry.leaf().len() as u64
    }
}

impl Weighter<u64, Arc<(u64, BlockPlace)>> for ByBytes {
    fn weight(&self, _: &u64, place: &Arc<(u64, BlockPlace)>) -> u64 {
        PLACE_BYTES + 2 * place.1.leaves.len() as u64
    }
}

impl View {
    /// The entry at `index` and the height of its block, or `None` beyond the head and where a
    /// header stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entry_and_height(&self, index: u64) -> Result<Option<(EncodedEntry, u64)>, StoreError> {
        if let Some(known) = self.long_entry(index) {
            return Ok(Some(known));
        }
        let Some((leaf, height)) = self.entry_leaf(index)? else { return Ok(None) };
        Ok(Some((self.decoded(index, leaf, height)?, height)))
    }

    /// What the entry at `index` begins with, and the height of its block; `None` where no entry is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn heading_and_height(&self, index: u64) -> Result<Option<(Heading, u64)>, StoreError> {
        if let Some((entry, height)) = self.long_entry(index) {
            return Ok(Some((Heading::from(&entry), height)));
        }
        let Some((leaf, height)) = self.entry_leaf(index)? else { return Ok(None) };
        let heading = if is_long(&leaf) {
            Heading::from(&self.decoded(index, leaf, height)?)
        } else {
            let damaged = |error| StoreError::damaged(format!("index {index}"), error);
            Heading::of(&leaf).map_err(damaged)?
        };
        Ok(Some((heading, height)))
    }

    /// When the block at `height` was sealed, or `None` beyond the head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block_time(&self, height: u64) -> Result<Option<Timestamp>, StoreError> {
        let times = &self.at_hand().times;
        if let Some(time) = times.get(&height).filter(|_| height <= self.head().height()) {
            return Ok(Some(time));
        }
        let time = self.header(height)?.map(|stored| stored.header.time);
        if let Some(time) = time {
            times.insert(height, time);
        }
        Ok(time)
    }

    /// Where the block of the leaf at `index` lies, and the index of its header. The head MUST hold
    /// that leaf: what comes after may still be written over.
    pub(super) fn place_at_hand(&self, index: u64) -> Result<Arc<(u64, BlockPlace)>, StoreError> {
        let (places, key) = (&self.at_hand().places, index / INDEXES_A_PLACE);
        let holds =
            |(last, place): &(u64, BlockPlace)| (place.first_index..=*last).contains(&index);
        if let Some(place) = places.get(&key).filter(|place| holds(place)) {
            return Ok(place);
        }
        assert!(index < self.head().size(), "recovery asks for the stored place");
        let place = Arc::new(self.place_of(index)?);
        places.insert(key, place.clone());
        Ok(place)
    }

    fn decoded(&self, index: u64, leaf: Vec<u8>, height: u64) -> Result<EncodedEntry, StoreError> {
        let is_long = is_long(&leaf);
        let entry = EncodedEntry::decode(leaf)
            .map_err(|error| StoreError::damaged(format!("index {index}"), error))?;
        if is_long {
            self.at_hand().long_entries.insert(index, (entry.clone(), height));
        }
        Ok(entry)
    }

    /// The long entry at `index` and the height of its block, if it was read lately.
    fn long_entry(&self, index: u64) -> Option<(EncodedEntry, u64)> {
        self.at_hand().long_entries.get(&index).filter(|_| index < self.head().size())
    }

    fn at_hand(&self) -> &AtHand {
        &self.store.inner.at_hand
    }
}

fn is_long(leaf: &[u8]) -> bool {
    leaf.len() > MAX_VALUE_BYTES
}
