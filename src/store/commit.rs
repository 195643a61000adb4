//! Committing a block: the one place where the ledger grows.
//!
//! What a crash leaves, step by step, and how opening the store mends it (`recovery.rs`):
//!
//! | crash after | guard | store | mended by |
//! |---|---|---|---|
//! | nothing | last block | last block | nothing to mend |
//! | guard written | new or torn | last block | whole: committing it; torn: nothing, it was never released |
//! | chunks written | new or torn | last block, loose chunks | the same; the next block's chunks take their place |
//! | commit point | new or torn | new block | deriving the rest; a store ahead of its guard was never released |
//! | synced | new | new block | deriving the rest |
//! | derived | new | new block, all derived | nothing to mend |

use std::sync::Arc;

use sled::Batch;

use super::error::StoreError;
use super::facets::{self, Facet};
use super::guard::Guard;
use super::recovery::Standing;
use super::{Head, Store, body, keys};
use crate::protocol::block::EncodedEntry;
use crate::protocol::verify::VerifiedBlock;

/// The right to append to a store; there is one for each open store.
pub struct Committer {
    pub(super) store: Store,
    pub(super) guard: Guard,
    pub(super) standing: Standing,
    /// The number of the next chunk of leaves.
    pub(super) next_chunk: u64,
}

impl Committer {
    /// The store that it appends to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the store may be sealed on.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Appends a block that was verified against the head.
    ///
    /// When this returns, the block MUST survive a power cut; only then may anything of it be
    /// released. After an error the store must be opened anew before anything else is
    /// committed: how much of the block was written is for recovery to find out.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Panics
    /// If the block doesn't follow the head.
    pub fn commit(&mut self, block: &VerifiedBlock) -> Result<Arc<Head>, StoreError> {
        self.guard.write(block.header().height, &block.encode())?;
        let head = self.write(block)?;
        self.guard.sync(block.header().height)?;
        self.standing.advanced_to(block.header());
        self.publish(block, head)
    }

    /// Writes a block to the store and syncs it.
    pub(super) fn write(&mut self, block: &VerifiedBlock) -> Result<Head, StoreError> {
        let inner = &self.store.inner;
        let before = self.store.head();
        let header = block.header();
        assert_eq!(header.parent, before.tip.header_hash, "verified against the head");
        assert_eq!(header.height, before.height() + 1, "verified against the head");

        let leaves = block.entries().iter().map(EncodedEntry::leaf);
        let mut batch = Batch::default();
        let mut chunks = self.next_chunk..;
        for (chunk, number) in body::pack(header.first_index, leaves).into_iter().zip(&mut chunks) {
            inner.bodies.put(number, chunk.value)?;
            if let Some(index) = chunk.first_index {
                batch.insert(&keys::chunk_start(index), &number.to_be_bytes());
            }
        }
        let mut value = block.signature().0.to_vec();
        value.extend_from_slice(block.header_leaf());
        batch.insert(&keys::header(header.height), value);
        batch.insert(&keys::header_index(header.index()), &header.height.to_be_bytes());
        batch.insert(keys::HEAD, &keys::head(header.height, chunks.start));
        // The commit point. Before: chunks that nothing refers to, written over by the next block.
        // After: the whole block, with everything derived from it made anew if need be.
        inner.blocks.apply_batch(batch)?;
        inner.disk.sync()?;
        self.next_chunk = chunks.start;
        Ok(Head {
            header: header.clone(),
            signature: Some(*block.signature()),
            tip: block.tip().clone(),
            edge: before.edge.clone(),
        })
    }

    /// Derives what follows from a durable block and makes it the head.
    pub(super) fn publish(
        &self,
        block: &VerifiedBlock,
        mut head: Head,
    ) -> Result<Arc<Head>, StoreError> {
        let mut full = Vec::new();
        for entry in block.entries() {
            head.edge.push(entry.leaf_hash(), &mut full);
        }
        head.edge.push(block.header_leaf_hash(), &mut full);
        let inner = &self.store.inner;
        for tile in &full {
            inner.tiles.put(tile)?;
        }
        let records = block.changes().iter().map(|(key, record)| (key, record));
        inner.derived.apply(head.height(), records, postings(block))?;
        let head = Arc::new(head);
        inner.head.store(head.clone());
        Ok(head)
    }
}

/// What each leaf of a block can be found by.
pub(super) fn postings(block: &VerifiedBlock) -> impl Iterator<Item = (u64, u64)> {
    let header = block.header();
    let entries = (header.first_index..).zip(block.entries()).zip(block.parties());
    let entries = entries.flat_map(|((index, entry), parties)| {
        facets::digests(entry, parties).map(move |digest| (digest, index))
    });
    let hash = Facet::HeaderHash(&block.tip().header_hash).digest();
    entries.chain([(hash, header.index())])
}
