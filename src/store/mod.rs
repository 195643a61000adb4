//! The store: the ledger in an embedded database, and a guard beside it.
//!
//! Invariants:
//! - **One commit point a block.** The batch that writes a block's header also moves the head;
//!   before it there is no such block, after it there is all of it.
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
//! | `keys.rs`, `table.rs` | the layout; what is read is what was written |
//! | `commit.rs` | the commit point |
//! | `recovery.rs` | opening, and what each crash leaves |
//! | `guard.rs` | the last signed block, kept apart |
//! | `home.rs` | where the directory lives, so that a copy doesn't seal |
//! | `body.rs`, `tiles.rs`, `facets.rs` | how leaves, hashes and indexes are laid out |
//! | `derived.rs` | the rules' records and the search index: in memory, then in runs |
//! | `runs/` | sorted runs: an ordered map that takes writes at the speed of the disk |
//! | `read.rs`, `search.rs` | reading at one head |
//! | `fsck.rs` | re-verifying everything |

mod body;
mod commit;
mod derived;
mod error;
mod facets;
mod fsck;
mod guard;
mod home;
mod keys;
mod read;
mod recovery;
mod runs;
mod search;
mod table;
mod tiles;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use derived::{Derived, MEMORY_BOUNDS};
use table::Table;

pub use commit::Committer;
pub use derived::MemoryBounds;
pub use error::StoreError;
pub use fsck::{Finding, FsckReport, MAX_FINDINGS};
pub use home::NotAtHome;
pub use read::{StoredHeader, View};
pub use recovery::Standing;
pub use search::{Direction, EntryHit, Filter, MAX_SCANNED_ENTRIES, Page};
pub use tiles::TILE_WIDTH;

use crate::protocol::block::Header;
use crate::protocol::hash::StateKey;
use crate::protocol::key::Signature;
use crate::protocol::rules::{StateReader, StoredRecord};
use crate::protocol::verify::{Chain, Tip};

/// sled's cache, in bytes.
const CACHE_BYTES: u64 = 128 * 1024 * 1024;

/// The ledger as it is stored. Cheap to clone; anybody may read.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Arc<Chain>,
    disk: Arc<Disk>,
    blocks: Table,
    tiles: Table,
    derived: Derived,
    head: ArcSwap<Head>,
    /// Held as long as the store is open, so that nobody opens it twice.
    _lock: File,
}

/// The embedded database, and its own file, to sync: its flush doesn't.
struct Disk {
    database: sled::Db,
    file: File,
    path: PathBuf,
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

    /// Opens the store as [`Store::open`] does, with other bounds of what is derived and still in
    /// memory. With small ones even a small ledger comes to have all that a large one has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_bounded(
        directory: &Path,
        chain: Arc<Chain>,
        bounds: MemoryBounds,
    ) -> Result<(Self, Committer), StoreError> {
        recovery::open(directory, chain, recovery::Opening::KeepDerived, bounds, |_, _| {})
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
        recovery::open(directory, chain, recovery::Opening::DropDerived, MEMORY_BOUNDS, progress)
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

    /// Re-verifies everything that is stored and says what is wrong where. `progress` is told
    /// each height that was reached.
    ///
    /// # Errors
    /// [`StoreError`] only where the store can't be read at all.
    pub fn fsck(&self, progress: impl FnMut(u64)) -> Result<FsckReport, StoreError> {
        fsck::fsck(self, progress)
    }
}

impl StateReader for Store {
    type Error = StoreError;

    fn read(&self, key: &StateKey) -> Result<Option<StoredRecord>, StoreError> {
        self.inner.derived.record(key)
    }
}

impl Disk {
    /// Everything written so far MUST survive a power cut when this returns.
    fn sync(&self) -> Result<(), StoreError> {
        // sled's flush only asks the kernel to start writing.
        table::guarded(|| self.path.display().to_string(), || self.database.flush())?;
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))
    }
}
