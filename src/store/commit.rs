//! Committing a block: the one place where the ledger grows.
//!
//! The guard is written and synced by another thread while the store is, so that a commit
//! waits for the slower of two syncs and not for both; others find out meanwhile what follows
//! from the block. What a crash leaves, step by step, and how
//! opening the store mends it (`recovery.rs`):
//!
//! | the store got as far as | guard | store | mended by |
//! |---|---|---|---|
//! | nothing | last block | last block | nothing to mend |
//! | nothing | new | last block | committing exactly what the guard has |
//! | nothing | torn | last block | nothing to mend: the new block was never released |
//! | chunks, header or place written | last, new or torn | last block, loose parts | the same; a loose place is removed, what else is loose is written over by the next block |
//! | commit point, not synced, and something before it is lost | new | part of the new block | committing what the guard has |
//! | the same | last or torn | part of the new block | nothing: it isn't opened, since what was lost may have been released; a backup or a peer has it |
//! | commit point | last or torn | new block | deriving the rest, and putting the block into the guard: it was never released |
//! | commit point | new | new block | deriving the rest |
//! | synced | last, new or torn | new block | as above |
//! | synced, and the guard | new | new block | the same |
//! | derived | new | new block, all derived | nothing to mend |
//!
//! Each row is played in `tests/crashes/`, all of them by power cuts at any moment
//! (`power_loss.rs`), and by kill -9 (`kills.rs`) in the tests whose names end so:
//!
//! | the store got as far as | kill -9 |
//! |---|---|
//! | nothing | `…_on_either_side_of_a_nodes_syncs`, at the guard's write and sync |
//! | chunks, header or place written | `a_large_block_…_is_killed_before_the_commit_point` |
//! | commit point; synced | `…_on_either_side_of_a_nodes_syncs`, at the store's sync |
//! | derived | `…_on_either_side_of_the_syncs_of_runs`, `…_by_kill_9_under_load` |

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::derived::Following;
use super::error::StoreError;
use super::facets::{self, Facet};
use super::guard::Guard;
use super::home::Home;
use super::place::BlockPlace;
use super::recovery::Standing;
use super::tiles::FullTile;
use super::{Head, Store, body, keys};
use crate::protocol::block::EncodedEntry;
use crate::protocol::verify::VerifiedBlock;

/// The right to append to a store; there is one for each open store.
pub struct Committer {
    pub(super) store: Store,
    pub(super) guard: Guard,
    pub(super) home: Box<Home>,
    pub(super) standing: Standing,
    /// The number of the next chunk of leaves.
    pub(super) next_chunk: u64,
    /// What commits while another block is drafted, and what puts blocks into the guard.
    pub(super) threads: Arc<ThreadPool>,
}

/// How many bytes of chunks may still be on their way to the disk when the commit point is written:
/// half a segment of sled's log. sled notices that something before it is missing only close to the
/// end, and what it doesn't notice only the guard can mend.
const MAX_UNSYNCED_BYTES: usize = 256 * 1024;
/// How many threads work for a committer.
const COMMIT_THREADS: usize = 4;
/// From how many entries on a block is worth threads that find out what follows from it.
const LARGE_BLOCK_ENTRIES: usize = 64;

/// The threads of a committer. They last as long as it does: starting one takes as long as writing
/// a small block.
pub(super) fn start_threads() -> Result<Arc<ThreadPool>, StoreError> {
    let builder = ThreadPoolBuilder::new().num_threads(COMMIT_THREADS);
    let threads = builder.thread_name(|_| "store-commit".to_owned()).build();
    threads.map(Arc::new).map_err(|error| StoreError::Io {
        action: "start a thread for",
        path: "store".into(),
        source: std::io::Error::other(error),
    })
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
    /// The first block of all makes this the directory that seals.
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
        let (before, header) = (self.store.head(), block.header());
        assert_eq!(header.parent, before.tip.header_hash, "verified against the head");
        assert_eq!(header.height, before.height() + 1, "verified against the head");
        // sled panics here and there where the disk fails.
        catch_unwind(AssertUnwindSafe(|| self.take_in(block))).unwrap_or(Err(StoreError::Panicked))
    }

    fn take_in(&mut self, block: &VerifiedBlock) -> Result<Arc<Head>, StoreError> {
        self.home.received();
        let Self { store, guard, home, next_chunk, standing, threads } = self;
        let (mut guarded, mut following, mut grown) = (Ok(()), None, None);
        let (height, inner, before) = (block.header().height, store.inner.clone(), store.head());
        let written = threads.in_place_scope(|scope| {
            // What the guard knows of blocks that are missing is worth more than this one.
            if standing.is_whole() {
                scope.spawn(|_| guarded = guard.put(height, &block.encode()));
            }
            if block.entries().len() >= LARGE_BLOCK_ENTRIES {
                scope.spawn(|_| following = Some(inner.derived.following(Some(threads), block)));
                scope.spawn(|_| grown = Some(before.grown(block)));
            }
            write(store, next_chunk, block)
        });
        guarded.and(written)?;
        standing.advanced_to(block.header(), home);
        let following = following.unwrap_or_else(|| inner.derived.following(None, block))?;
        self.publish(block, grown.unwrap_or_else(|| before.grown(block)), following)
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
            self.guard.put(height, &block.encode())?;
        }
        self.home.adopt()?;
        self.standing = Standing::Sound;
        Ok(())
    }

    /// The threads that work on what follows from a block, where it is worth any.
    pub(super) fn threads_for(&self, block: &VerifiedBlock) -> Option<&ThreadPool> {
        (block.entries().len() >= LARGE_BLOCK_ENTRIES).then_some(self.threads.as_ref())
    }

    /// Takes in what follows from a durable block and makes it the head.
    pub(super) fn publish(
        &self,
        block: &VerifiedBlock,
        (head, full): (Head, Vec<FullTile>),
        following: Following,
    ) -> Result<Arc<Head>, StoreError> {
        let inner = &self.store.inner;
        let put = || full.iter().try_for_each(|tile| inner.tiles.put(tile));
        let (height, changes) = (head.height(), block.changes());
        let threads = self.threads_for(block);
        let take_in = || inner.derived.take_in(threads, height, changes, following);
        let (put, is_full) = side_by_side(threads, put, take_in);
        put?;
        // Only with the tiles there: what is written out isn't derived again, and they with it.
        if is_full? {
            inner.derived.freeze()?;
        }
        let head = Arc::new(head);
        inner.head.store(head.clone());
        Ok(head)
    }
}

/// Does one thing and another: at the same time where there are threads for that. Handing work over takes
/// as long as all there is to do for a small block.
pub(super) fn side_by_side<A: Send, B: Send>(
    threads: Option<&ThreadPool>,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    match threads {
        Some(threads) => threads.join(one, other),
        None => (one(), other()),
    }
}

impl Head {
    /// The head that `block` makes after this one, and the tiles that it fills.
    pub(super) fn grown(&self, block: &VerifiedBlock) -> (Self, Vec<FullTile>) {
        let (mut edge, mut full) = (self.edge.clone(), Vec::new());
        for entry in block.entries() {
            edge.push(entry.leaf_hash(), &mut full);
        }
        edge.push(block.header_leaf_hash(), &mut full);
        let (header, signature) = (block.header().clone(), Some(*block.signature()));
        (Self { header, signature, tip: block.tip().clone(), edge }, full)
    }
}

/// Writes a block to the store and syncs it; its leaves go into chunks from `next_chunk` on.
fn write(store: &Store, next_chunk: &mut u64, block: &VerifiedBlock) -> Result<(), StoreError> {
    let inner = &store.inner;
    let header = block.header();
    let leaves = block.entries().iter().map(EncodedEntry::leaf);
    let mut place = BlockPlace {
        height: header.height,
        first_index: header.first_index,
        first_chunk: *next_chunk,
        leaves: Vec::new(),
    };
    let (mut chunks, mut unsynced) = (*next_chunk.., 0);
    for (chunk, number) in body::pack(header.first_index, leaves).into_iter().zip(&mut chunks) {
        unsynced += chunk.value.len();
        inner.bodies.put(number, chunk.value)?;
        place.leaves.push(chunk.leaves);
    }
    if unsynced > MAX_UNSYNCED_BYTES {
        inner.disk.sync()?;
    }
    let mut value = block.signature().0.to_vec();
    value.extend_from_slice(block.header_leaf());
    inner.blocks.insert(keys::header(header.height), value)?;
    inner.blocks.insert(keys::header_index(header.index()), place.encode())?;
    // The commit point. Before: parts that nothing refers to, removed or written over.
    // After: the whole block, with everything derived from it made anew if need be.
    inner.blocks.insert(keys::HEAD, keys::head(header.height, chunks.start))?;
    inner.disk.sync()?;
    *next_chunk = chunks.start;
    Ok(())
}

/// What each leaf of a block can be found by.
pub(super) fn postings(block: &VerifiedBlock) -> impl Iterator<Item = (u64, u64)> {
    let header = block.header();
    let entries = (header.first_index..).zip(block.entries()).zip(block.parties());
    let entries = entries.flat_map(|((index, entry), parties)| {
        facets::digests(entry, parties).into_iter().map(move |digest| (digest, index))
    });
    let hash = Facet::HeaderHash(&block.tip().header_hash).digest();
    entries.chain([(hash, header.index())])
}
