//! The store: the ledger in an embedded database, and a guard beside it.
//!
//! Invariants:
//! - **One commit point a block.** The head moves by one write, the block's last. Before it there is
//!   no such block; after it, and a sync, there is all of it.
//! - **Released means durable.** [`Committer::commit`] returns when store and guard are synced.
//! - **State, tiles and indexes follow.** They are derived from committed blocks only, and say
//!   how far they have come on disk; opening the store takes them the rest of the way by the
//!   same path.
//! - **No large values.** sled moves those into files that it never syncs.
//!
//! One thread holds the [`Committer`]; anybody may hold the [`Store`] and read.
//!
//! | file | what |
//! |---|---|
//! | `keys.rs` | the layout |
//! | `commit.rs` | the commit point |
//! | `pending.rs` | drafting the next block while one is committed |
//! | `recovery.rs` | opening, and what each crash leaves |
//! | `database.rs` | opening sled, and what it leaves undone |
//! | `guard.rs` | the last signed block, kept apart |
//! | `evidence.rs` | proofs that a key signed two histories |
//! | `home.rs` | where the directory lives, so that a copy doesn't seal |
//! | `table.rs` | the database's tables: what is read is what was written |
//! | `slots.rs` | values of a few KB, which sled writes once |
//! | `disk.rs` | the embedded database, and syncing it |
//! | `doubt.rs`, `room.rs` | after a failed write: what must be written again, and when it may go on |
//! | `body.rs`, `place.rs`, `tiles.rs`, `facets.rs` | how leaves, hashes and indexes are laid out |
//! | `derived.rs` | what follows from blocks and is looked up: sorted maps and their manifest |
//! | `directory.rs` | names, by how they begin |
//! | `accounts/` | the lines of accounts, and their sums at any height |
//! | `sorted/` | sorted maps: they take writes at the speed of the disk |
//! | `read.rs`, `named.rs`, `search.rs`, `lookup.rs`, `ahead.rs` | reading at one head |
//! | `published.rs` | the parts of the log, as they are published |
//! | `at_hand.rs` | what is read again and again |
//! | `succession.rs` | what is in force when |
//! | `fsck.rs` | re-verifying everything |

mod accounts;
mod ahead;
mod at_hand;
mod body;
mod commit;
mod database;
mod derived;
mod directory;
mod disk;
mod doubt;
mod error;
mod evidence;
mod facets;
mod fsck;
mod guard;
mod home;
mod keys;
mod lookup;
mod named;
mod pending;
mod place;
mod published;
mod read;
mod recovery;
mod room;
mod search;
mod slots;
mod sorted;
mod succession;
mod table;
mod tiles;

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use at_hand::AtHand;
use derived::{Derived, MEMORY_BOUNDS};
use disk::Disk;
use doubt::Doubt;
use slots::Slots;
use table::Table;
use tiles::TileStore;

pub use accounts::{AccountLine, DealingsWith};
pub use ahead::Ahead;
pub use commit::Committer;
#[doc(hidden)]
pub use derived::MemoryBounds;
pub use directory::{Listed, NameFamily};
pub use error::StoreError;
pub use evidence::EvidenceFolder;
pub use fsck::{Finding, FsckReport, MAX_FINDINGS};
pub use home::NotAtHome;
pub use lookup::{Lookup, Span};
pub use pending::{Pending, Progress};
pub use read::{StoredHeader, View};
pub use recovery::Standing;
pub use room::{MIN_FREE_BYTES, RESUME_FREE_BYTES, check_free, try_writing};
pub use search::{Direction, EntryHit, Filter, MAX_SCANNED_ENTRIES, Page};
pub use sorted::Order;
pub use tiles::TILE_WIDTH;

use crate::protocol::block::Header;
use crate::protocol::hash::StateKey;
use crate::protocol::key::Signature;
use crate::protocol::rules::{StateReader, StoredRecord};
use crate::protocol::verify::{Chain, Tip};

/// sled's cache, in bytes.
const CACHE_BYTES: u64 = 80 * 1024 * 1024;
/// How often it is looked whether the last reader is gone, in milliseconds.
const CLOSING_POLL_MS: u64 = 5;

/// The ledger as it is stored. Cheap to clone; anybody may read.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Arc<Chain>,
    disk: Arc<Disk>,
    doubt: Arc<Doubt>,
    blocks: Table,
    bodies: Slots,
    tiles: TileStore,
    derived: Derived,
    at_hand: AtHand,
    head: ArcSwap<Head>,
    /// Whether long readers must end.
    closing: AtomicBool,
    /// Held as long as the store is open, so that nobody opens it twice.
    _lock: File,
}

/// The last block, and the edge of the log that ends with it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The last block's header.
    pub header: Header,
    /// The signature on its checkpoint; none at genesis.
    pub signature: Option<Signature>,
    /// The end of the chain.
    pub tip: Tip,
    edge: tiles::Edge,
}

impl Head {
    /// The height of the last block.
    pub fn height(&self) -> u64 {
        self.header.height
    }

    /// The size of the log.
    pub fn size(&self) -> u64 {
        self.tip.tree.size()
    }
}

impl Store {
    /// Opens the store of `chain` in `directory`, making an empty one where there is none, and
    /// takes it through recovery.
    ///
    /// # Errors
    /// [`StoreError`]: in use, another chain's, or damaged.
    pub fn open(directory: &Path, chain: Arc<Chain>) -> Result<(Self, Committer), StoreError> {
        Self::open_bounded(directory, chain, MEMORY_BOUNDS)
    }

    /// Opens the store as [`Store::open`] does, with other bounds: small ones bring about in a
    /// moment what else takes a hundred thousand entries. For tests.
    ///
    /// # Errors
    /// [`StoreError`].
    #[doc(hidden)]
    pub fn open_bounded(
        directory: &Path,
        chain: Arc<Chain>,
        bounds: MemoryBounds,
    ) -> Result<(Self, Committer), StoreError> {
        recovery::open(directory, chain, bounds, recovery::Opening::KeepDerived, |_, _| {})
    }

    /// Opens the store as [`Store::open`] does, but first drops everything derived from the
    /// blocks and makes it anew. `progress` is told each height that was reached, and the last.
    ///
    /// Interrupted, it starts over when the store is opened next.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reindex(
        directory: &Path,
        chain: Arc<Chain>,
        progress: impl FnMut(u64, u64),
    ) -> Result<(Self, Committer), StoreError> {
        recovery::open(directory, chain, MEMORY_BOUNDS, recovery::Opening::DropDerived, progress)
    }

    /// The chain whose ledger this is.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.inner.chain
    }

    /// The latest head.
    pub fn head(&self) -> Arc<Head> {
        self.inner.head.load_full()
    }

    /// A view of the ledger as it stands now, which later blocks don't change.
    pub fn view(&self) -> View {
        View::new(self.clone(), self.head())
    }

    /// Whether the store is being closed: whoever reads for long must end then.
    pub fn is_closing(&self) -> bool {
        self.inner.closing.load(Ordering::Relaxed)
    }

    /// Re-verifies everything that is stored and says what is wrong where. `progress` is told
    /// each height that was reached.
    ///
    /// # Errors
    /// [`StoreError`] only where the store can't be read at all.
    pub fn fsck(&self, progress: impl FnMut(u64)) -> Result<FsckReport, StoreError> {
        fsck::fsck(self, progress)
    }
}

/// For the one thread that decides what is committed next; everybody else reads from a [`View`].
impl StateReader for Store {
    type Error = StoreError;

    fn read(&self, key: &StateKey) -> Result<Option<StoredRecord>, StoreError> {
        self.inner.derived.record_to_decide(key)
    }
}

impl Committer {
    /// Takes note that `error` came of committing, before anything else is tried.
    pub fn failed(&self, error: &StoreError) {
        if error.leaves_doubt() {
            self.store.inner.doubt.mark();
        }
    }

    /// Makes sure that the guard has the block that was being committed: recovery may find part of it
    /// in the store. To be called before the store is closed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.guard.put_missing()
    }

    /// Closes the store, so that it can be opened anew in the same process. New views must be out
    /// of reach already; those that there are get `patience` to end.
    ///
    /// # Errors
    /// The committer, where somebody still reads.
    pub fn close(self, patience: Duration) -> Result<(), Box<Self>> {
        self.store.inner.closing.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + patience;
        let Self { store, guard, home, standing, next_chunk, threads } = self;
        let mut shared = store.inner;
        loop {
            shared = match Arc::try_unwrap(shared) {
                Ok(inner) => break inner.close(),
                Err(shared) if Instant::now() < deadline => shared,
                Err(inner) => {
                    let store = Store { inner };
                    return Err(Box::new(Self {
                        store,
                        guard,
                        home,
                        standing,
                        next_chunk,
                        threads,
                    }));
                }
            };
            std::thread::sleep(Duration::from_millis(CLOSING_POLL_MS));
        }
        Ok(())
    }
}

impl Inner {
    fn close(self) {
        // After a failed sync sled panics when it is dropped. Nothing of it is used after that.
        let closed = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let Self { _lock, disk, blocks, bodies, tiles, derived, .. } = self;
            drop(derived);
            // What sled still has in memory, written while somebody watches over it.
            if let Err(error) = disk.sync() {
                tracing::debug!(%error, "what was not written is left to recovery");
            }
            drop((blocks, bodies, tiles, disk));
        }));
        if closed.is_err() {
            tracing::warn!("the embedded database could not be closed in order");
        }
    }
}
