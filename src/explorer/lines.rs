//! Blocks and entries as lines of a list.

use super::answer::{ExplorerError, Reader};
use super::marks::Marks;
use super::sentence::{KindName, Sentence};
use super::values::{Count, Digest, Moment};
use crate::protocol::block::EncodedEntry;
use crate::protocol::hash::EntryId;
use crate::protocol::id::Id;
use crate::protocol::time::Timestamp;
use crate::store::{EntryHit, StoredHeader};

/// An entry in a list.
pub(super) struct EntryLine {
    pub(super) id: EntryId,
    pub(super) index: u64,
    pub(super) height: u64,
    pub(super) tenant: Id,
    pub(super) external_id: Id,
    pub(super) kind: KindName,
    pub(super) sentence: Sentence,
    pub(super) marks: Marks,
    pub(super) event: Timestamp,
    pub(super) recorded: Moment,
}

/// A block in a list.
pub(super) struct BlockLine {
    pub(super) height: u64,
    pub(super) hash: Digest,
    pub(super) entries: Count,
    pub(super) sealed: Moment,
}

impl Reader<'_> {
    /// The line of the entry at `index`.
    pub(super) fn entry_line(
        &self,
        index: u64,
        found: &EncodedEntry,
    ) -> Result<EntryLine, ExplorerError> {
        let unknown = || ExplorerError::NoSuchEntry { name: index.to_string() };
        let height = self.view.height_of(index)?.ok_or_else(unknown)?;
        let stored = self.view.header(height)?.ok_or_else(unknown)?;
        let commission = self.concerned(found)?;
        Ok(EntryLine {
            id: found.id(),
            index,
            height,
            tenant: found.entry().tenant.clone(),
            external_id: found.entry().external_id.clone(),
            kind: KindName(found.kind()),
            sentence: Sentence::new(self, found, commission.as_ref())?,
            marks: Marks::new(found.entry(), commission.as_ref(), stored.header.time),
            event: found.entry().event_time,
            recorded: self.moment(stored.header.time),
        })
    }

    /// The lines of entries that were found.
    pub(super) fn entry_lines(&self, hits: &[EntryHit]) -> Result<Vec<EntryLine>, ExplorerError> {
        hits.iter().map(|hit| self.entry_line(hit.index, &hit.entry)).collect()
    }

    /// The lines of at most `count` blocks, from `height` down.
    pub(super) fn block_lines(
        &self,
        height: u64,
        count: usize,
    ) -> Result<Vec<BlockLine>, ExplorerError> {
        let mut lines = Vec::new();
        for height in (0..=height).rev().take(count) {
            if let Some(stored) = self.view.header(height)? {
                lines.push(self.block_line(&stored));
            }
        }
        Ok(lines)
    }

    /// The line of a block.
    pub(super) fn block_line(&self, stored: &StoredHeader) -> BlockLine {
        BlockLine {
            height: stored.header.height,
            hash: Digest::new(stored.header.hash()),
            entries: Count(u64::from(stored.header.entry_count)),
            sealed: self.moment(stored.header.time),
        }
    }
}
