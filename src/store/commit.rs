//! Committing a block: the one place where the ledger grows.
//!
//! What a crash leaves, step by step, and how opening the store mends it (`recovery.rs`):
//!
//! | crash after | guard | store | mended by |
//! |---|---|---|---|
//! | nothing | last block | last block | nothing to mend |
//! | guard written | new or torn | last block | whole: committing it; torn: nothing, it was never released |
//! | bodies written | new or torn | last block, loose bodies | the same, and sweeping the loose bodies |
//! | commit point | new or torn | new block | deriving the rest; a store ahead of its guard was never released |
//! | synced | new | new block | deriving the rest |
//! | derived | new | new block, all derived | nothing to mend |

use std::sync::Arc;

use super::error::StoreError;
use super::facets::{self, Facet};
use super::guard::Guard;
use super::home::Home;
use super::recovery::Standing;
use super::table::Batch;
use super::tiles::{FullTile, HALF_TILE_HASHES};
use super::{Head, Store, body, keys};
use crate::protocol::block::EncodedEntry;
use crate::protocol::verify::VerifiedBlock;

/// The most bytes of bodies in one batch: larger ones make sled hold far more in memory.
const MAX_BATCH_BYTES: usize = 128 * 1024;

/// The right to append to a store; there is one for each open store.
pub struct Committer {
    pub(super) store: Store,
    pub(super) guard: Guard,
    pub(super) home: Home,
    pub(super) standing: Standing,
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

    /// Appends a block that was sealed here, after the head.
    ///
    /// The first block of all makes this the directory that seals. When this returns, the block MUST survive a power cut; only then may anything of it be
    /// released. After an error the store must be opened anew before anything else is
    /// committed: how much of the block was written is for recovery to find out.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Panics
    /// If the block doesn't follow the head.
    pub fn commit(&mut self, block: &VerifiedBlock) -> Result<Arc<Head>, StoreError> {
        self.home.settle()?;
        self.append(block)
    }

    /// Appends a block that was sealed elsewhere and verified against the head.
    ///
    /// When this returns, the block MUST survive a power cut. A directory whose first block came
    /// this way isn't the one that seals until it is adopted.
    ///
    /// # Errors
    /// [`StoreError`]; what follows from one is as for [`Committer::commit`].
    ///
    /// # Panics
    /// If the block doesn't follow the head.
    pub fn append(&mut self, block: &VerifiedBlock) -> Result<Arc<Head>, StoreError> {
        self.home.received();
        self.guard.write(block.header().height, &block.encode())?;
        let head = self.write(block)?;
        self.guard.sync(block.header().height)?;
        self.standing.advanced_to(block.header(), &self.home);
        self.publish(block, head)
    }

    /// Makes this the directory that seals: the guard takes the last block, and the record of
    /// where the directory lives is made anew. Both MUST survive a power cut when this returns.
    ///
    /// The caller vouches that no other copy will seal again, and that nothing was released after
    /// the last block.
    ///
    /// # Errors
    /// [`StoreError::BlocksMissing`] where the guard knows that more was released.
    pub fn adopt(&mut self) -> Result<(), StoreError> {
        if let Standing::RolledBack { guard, store, .. } = &self.standing {
            return Err(StoreError::BlocksMissing { guard: *guard, store: *store });
        }
        let view = self.store.view();
        let height = view.head().height();
        if let Some(block) = view.block(height)? {
            self.guard.write(height, &block.encode())?;
            self.guard.sync(height)?;
        }
        self.home.adopt()?;
        self.standing = Standing::Sound;
        Ok(())
    }

    /// Writes a block to the store and syncs it.
    pub(super) fn write(&self, block: &VerifiedBlock) -> Result<Head, StoreError> {
        let inner = &self.store.inner;
        let before = self.store.head();
        let header = block.header();
        assert_eq!(header.parent, before.tip.header_hash, "verified against the head");
        assert_eq!(header.height, before.height() + 1, "verified against the head");

        let leaves = block.entries().iter().map(EncodedEntry::leaf);
        let mut batch = Batch::default();
        let mut batch_bytes = 0;
        for (key, value) in body::pack(header.first_index, leaves) {
            batch_bytes += value.len();
            batch.insert(key, value);
            if batch_bytes > MAX_BATCH_BYTES {
                inner.blocks.apply_batch(std::mem::take(&mut batch))?;
                batch_bytes = 0;
            }
        }
        let mut value = block.signature().0.to_vec();
        value.extend_from_slice(block.header_leaf());
        batch.insert(keys::header(header.height), value);
        let place = keys::block_place(header.first_index, header.height);
        batch.insert(keys::header_index(header.index()), place);
        batch.insert(keys::HEAD, header.height.to_be_bytes());
        // The commit point. Before: bodies without a header, swept at the next start. After:
        // the whole block, with everything derived from it made anew if need be.
        inner.blocks.apply_batch(batch)?;
        inner.disk.sync()?;
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
            inner.tiles.apply_batch(tile_batch(tile))?;
        }
        let records = block.changes().iter().map(|(key, record)| (key, record));
        inner.derived.apply(head.height(), records, postings(block))?;
        let head = Arc::new(head);
        inner.head.store(head.clone());
        Ok(head)
    }
}

fn tile_batch(tile: &FullTile) -> Batch {
    let mut batch = Batch::default();
    for (half, hashes) in (0u8..).zip(tile.hashes.chunks(HALF_TILE_HASHES)) {
        let value: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        batch.insert(keys::tile(tile.level, tile.number, half), value);
    }
    batch
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
