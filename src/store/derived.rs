//! Everything that follows from the blocks and is looked up by key: the rules' records, the search
//! index, the lines of accounts, who has dealings with whom and the directory: five sorted maps.
//!
//! Invariants:
//! - What a block leads to is in memory when its commit returns. Whoever drafts the next one
//!   meanwhile looks at the block first (`pending.rs`).
//! - Memory is bounded, in records and in blocks: past either bound it is frozen, and a thread
//!   writes it out as a run of each map while a fresh memory takes what comes. Another thread
//!   merges runs. A commit waits for neither, unless a second memory fills up while the first is
//!   still being written.
//! - The manifest is one value. It names the runs that count and the height that they have
//!   reached; what came after is derived anew when the store is opened.
//! - Runs are synced before the manifest names them, and the manifest is synced before files of runs
//!   that it no longer names are removed.

mod behind;
mod following;
mod recount;

pub(super) use following::Following;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use bincode::{Decode, Encode};
use quick_cache::sync::Cache;
use rayon::ThreadPool;

use super::accounts::{self, Dealing, Dealings, LINE_KEY_BYTES, Lines, ReadShares, SumsAtHand};
use super::commit::side_by_side;
use super::directory::{self, Directory, Listed, NameFamily, Remembered};
use super::error::StoreError;
use super::keys;
use super::sorted::{
    Order, Records, RunFiles, RunMeta, SortedMap, SyncManifest, Value, read_encoded, records,
};
use super::table::Table;
use crate::protocol::accounts::{AccountKey, Sums};
use crate::protocol::codec;
use crate::protocol::hash::{STATE_KEY_BYTES, StateKey};
use crate::protocol::rules::{Changes, Record, StoredRecord};

/// When memory is frozen.
#[derive(Clone, Copy, Debug)]
pub struct MemoryBounds {
    /// The most records that it takes; of what is smaller, so many more.
    pub records: usize,
    /// The most blocks that it takes: as many are verified again when the store is opened.
    pub blocks: u64,
}

/// The bounds of every store: some tens of MiB, and a second or so to open after a crash.
pub(super) const MEMORY_BOUNDS: MemoryBounds =
    MemoryBounds { records: 224 * 1024, blocks: 8 * 1024 };

/// How many postings take about as much memory as a record of the rules.
const POSTINGS_A_RECORD: usize = 16;
/// How many lines of accounts take about as much.
const LINES_A_RECORD: usize = 3;

/// How many records that the rules read are kept at hand.
const RECORDS_AT_HAND: usize = 16 * 1024;

/// How much of the records is read ahead when a store is opened, in bytes.
const READ_AHEAD_BYTES: u64 = 1024 * 1024 * 1024;

/// The longest manifest, in bytes: longer values wouldn't be durable.
const MAX_MANIFEST_BYTES: usize = 6 * 1024;
const MANIFEST: &[u8] = b"manifest";

/// Bytes of a posting: eight of a facet's digest, eight of a log index.
const POSTING_BYTES: usize = 16;

type Posting = [u8; POSTING_BYTES];

impl Value<STATE_KEY_BYTES> for StoredRecord {
    type Memory = Records<STATE_KEY_BYTES, Self>;
    type Running = ();

    fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        read_encoded(bytes)
    }
}

/// Everything derived. While a block is taken in, readers may find part of it: postings they look
/// at no further than their head, and of a record there is only the latest.
pub(super) struct Derived {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Records that the rules read lately, as they are now.
    at_hand: Cache<StateKey, StoredRecord>,
    /// Names that were met lately.
    remembered: Remembered,
    /// Sums of accounts that were asked for lately.
    sums_at_hand: SumsAtHand,
}

struct Shared {
    manifest: Table,
    files: RunFiles,
    bounds: MemoryBounds,
    sync: Box<SyncManifest>,
    maps: ArcSwap<Maps>,
    work: Mutex<Work>,
    wake: Condvar,
}

/// What readers look through.
#[derive(Clone)]
struct Maps {
    state: SortedMap<STATE_KEY_BYTES, StoredRecord>,
    postings: SortedMap<POSTING_BYTES, ()>,
    lines: Lines,
    dealings: Dealings,
    names: Directory,
}

/// What changes hands between the writer and the two threads. Whoever swaps the maps holds it.
struct Work {
    next_run: u64,
    /// The height that the runs have reached.
    durable: u64,
    /// The height that frozen memory has reached.
    frozen: u64,
    /// The height that active memory has reached.
    active: u64,
    /// Why nothing more is written out; the store must be opened anew.
    failed: Option<Arc<StoreError>>,
    closing: bool,
}

#[derive(Default, Encode, Decode)]
struct Manifest {
    height: u64,
    next_run: u64,
    state: Vec<RunMeta>,
    postings: Vec<RunMeta>,
    lines: Vec<RunMeta>,
    dealings: Vec<RunMeta>,
    names: Vec<RunMeta>,
}

impl Derived {
    /// Opens what is derived: the manifest, and the files of runs in `directory`. `sync` must make
    /// everything written to the database durable.
    pub(super) fn open(
        manifest: Table,
        directory: &Path,
        bounds: MemoryBounds,
        sync: impl Fn() -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let stored = match manifest.get(MANIFEST)? {
            None => Manifest::default(),
            Some(bytes) => codec::decode(&bytes, MAX_MANIFEST_BYTES)
                .map_err(|error| StoreError::damaged("manifest", error))?,
        };
        let files = RunFiles::open(directory)?;
        files.keep(stored.numbers(), &sync)?;
        let maps = Maps {
            state: SortedMap::open(&files, &stored.state)?,
            postings: SortedMap::open(&files, &stored.postings)?,
            lines: SortedMap::open(&files, &stored.lines)?,
            dealings: SortedMap::open(&files, &stored.dealings)?,
            names: SortedMap::open(&files, &stored.names)?,
        };
        let work = Work {
            next_run: stored.next_run,
            durable: stored.height,
            frozen: stored.height,
            active: stored.height,
            failed: None,
            closing: false,
        };
        let shared = Arc::new(Shared {
            manifest,
            files,
            bounds,
            sync: Box::new(sync),
            maps: ArcSwap::from_pointee(maps),
            work: Mutex::new(work),
            wake: Condvar::new(),
        });
        let threads = [
            ("store-flush", Shared::flush_loop as fn(&Shared)),
            ("store-merge", Shared::merge_loop),
        ]
        .into_iter()
        .map(|(name, work)| {
            let shared = shared.clone();
            std::thread::Builder::new().name(name.to_owned()).spawn(move || shared.supervise(work))
        })
        .collect::<Result<_, _>>()
        .map_err(|source| StoreError::Io {
            action: "start a thread for",
            path: "store".into(),
            source,
        })?;
        let at_hand = Cache::new(RECORDS_AT_HAND);
        let (remembered, sums_at_hand) = (Remembered::default(), SumsAtHand::default());
        Ok(Self { shared, threads, at_hand, remembered, sums_at_hand })
    }

    /// Makes the next [`Derived::open`] begin with nothing.
    pub(super) fn forget(manifest: &Table) -> Result<(), StoreError> {
        manifest.remove(MANIFEST)
    }

    /// The height that is on disk; what came after must be derived again.
    pub(super) fn durable_height(&self) -> u64 {
        self.shared.work().durable
    }

    /// The latest record of the rules under `key`, for the one who decides what is applied next.
    ///
    /// It is kept at hand, so nobody else may ask here: what somebody read before another record
    /// was applied would be kept after it.
    pub(super) fn record_to_decide(
        &self,
        key: &StateKey,
    ) -> Result<Option<StoredRecord>, StoreError> {
        if let Some(record) = self.at_hand.get(key) {
            return Ok(Some(record));
        }
        let record = self.record(key)?;
        if let Some(record) = record.as_ref().filter(|record| belongs_at_hand(record)) {
            self.at_hand.insert(*key, record.clone());
        }
        Ok(record)
    }

    /// The latest record of the rules under `key`.
    pub(super) fn record(&self, key: &StateKey) -> Result<Option<StoredRecord>, StoreError> {
        self.shared.maps.load().state.get(&key.0)
    }

    /// Log indexes of what has the facet `digest`, from `first` to `last`, in `order`.
    pub(super) fn postings(
        &self,
        digest: u64,
        (first, last): (u64, u64),
        order: Order,
    ) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
        self.postings_few(digest, (first, last), order, usize::MAX)
    }

    /// The first `most` of those.
    pub(super) fn postings_few(
        &self,
        digest: u64,
        (first, last): (u64, u64),
        order: Order,
        most: usize,
    ) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
        let maps = self.shared.maps.load();
        let (first, last) = (posting(digest, first), posting(digest, last));
        let found = records(maps.postings.range_few(first, last, order, most));
        found.map(|record| record.map(|(key, _)| index_of(&key))).take(most)
    }

    /// Names of a family that begin with `start`, looking at `most` at most.
    pub(super) fn names(
        &self,
        family: NameFamily,
        start: &str,
        most: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        directory::names(&self.shared.maps.load().names, family, start, most)
    }

    /// What the lines of an account up to the log index `last` come to.
    pub(super) fn sums(&self, account: AccountKey, last: u64) -> Result<Sums, StoreError> {
        accounts::sums(&self.shared.maps.load().lines, &self.sums_at_hand, account, last)
    }

    /// The lines of all accounts, as they are now.
    pub(super) fn lines(&self) -> Lines {
        self.shared.maps.load().lines.clone()
    }

    /// At most `limit` of what is listed under a party or payout, from the number `from` on.
    pub(super) fn dealings(
        &self,
        of: AccountKey,
        from: u64,
        limit: usize,
    ) -> Result<Vec<([u8; LINE_KEY_BYTES], Dealing)>, StoreError> {
        accounts::dealings(&self.shared.maps.load().dealings, of, from, limit)
    }

    /// Reads the records of the rules ahead: whoever derives many blocks asks for records all over.
    pub(super) fn read_ahead(&self) -> Result<(), StoreError> {
        self.shared.maps.load().state.read_ahead(READ_AHEAD_BYTES)
    }

    /// Takes in what a block leads to; whether memory is full by then, and is to be frozen before the
    /// next block.
    pub(super) fn take_in(
        &self,
        threads: Option<&ThreadPool>,
        height: u64,
        changes: &Changes,
        following: Following,
    ) -> Result<bool, StoreError> {
        if let Some(cause) = &self.shared.work().failed {
            return Err(StoreError::NotWrittenOut(cause.clone()));
        }
        let shared = &self.shared;
        let maps = shared.maps.load();
        let Following { postings, counted, names } = following;
        let records = || self.extend_records(&maps, changes);
        let others = || {
            let postings = maps.postings.extend(postings.into_iter().map(|key| (key, ())));
            let lines = maps.lines.extend(counted.lines.into_iter());
            let dealings = maps.dealings.extend(counted.dealings.into_iter());
            let names = maps.names.extend(names.into_iter());
            postings / POSTINGS_A_RECORD + lines / LINES_A_RECORD + dealings + names
        };
        let (records, others) = side_by_side(threads, records, others);
        let mut work = shared.work();
        work.active = height;
        let blocks = height - work.frozen;
        Ok(records + others >= shared.bounds.records || blocks >= shared.bounds.blocks)
    }

    /// Has what is in memory written out; waits where the one before still is. Whatever else the blocks
    /// so far lead to MUST be in the database by now: once the manifest names their height, nobody
    /// derives it again.
    pub(super) fn freeze(&self) -> Result<(), StoreError> {
        self.shared.freeze(self.shared.work())
    }

    fn extend_records(&self, maps: &Maps, changes: &Changes) -> usize {
        maps.state.extend(changes.iter().map(|(key, record)| {
            if belongs_at_hand(record) {
                self.at_hand.remove(key);
            }
            (key.0, record.clone())
        }))
    }
}

impl Drop for Derived {
    fn drop(&mut self) {
        self.shared.work().closing = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A panic there was said there; the next start derives what is missing.
            let _ = thread.join();
        }
    }
}

impl Work {
    /// Whether nothing more is written out.
    fn is_over(&self) -> bool {
        self.closing || self.failed.is_some()
    }
}

impl Manifest {
    fn of(maps: &Maps, height: u64, next_run: u64) -> Self {
        Self {
            height,
            next_run,
            state: maps.state.metas(),
            postings: maps.postings.metas(),
            lines: maps.lines.metas(),
            dealings: maps.dealings.metas(),
            names: maps.names.metas(),
        }
    }

    /// The numbers of all runs.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        let Self { state, postings, lines, dealings, names, .. } = self;
        let maps = [state, postings, lines, dealings, names];
        maps.into_iter().flatten().map(|run| run.number)
    }
}

impl ReadShares for Derived {
    type Error = StoreError;

    fn share(&self, key: &[u8; LINE_KEY_BYTES]) -> Result<Option<Dealing>, StoreError> {
        self.shared.maps.load().dealings.get(key)
    }

    fn shares(
        &self,
        payout: AccountKey,
    ) -> Result<Vec<([u8; LINE_KEY_BYTES], Dealing)>, StoreError> {
        self.dealings(payout, 0, usize::MAX)
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a fresh memory in the place of the full one, once the one before is written out.
    fn freeze(&self, mut work: MutexGuard<'_, Work>) -> Result<(), StoreError> {
        while self.maps.load().state.is_frozen() && work.failed.is_none() {
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(cause) = &work.failed {
            return Err(StoreError::NotWrittenOut(cause.clone()));
        }
        work.frozen = work.active;
        let maps = self.maps.load();
        self.maps.store(Arc::new(Maps {
            state: maps.state.freeze(),
            postings: maps.postings.freeze(),
            lines: maps.lines.freeze(),
            dealings: maps.dealings.freeze(),
            names: maps.names.freeze(),
        }));
        self.wake.notify_all();
        Ok(())
    }
}

/// Whether a record is read many times before it changes. Most are read to be changed. A key has
/// the same kind of record for ever.
fn belongs_at_hand(record: &StoredRecord) -> bool {
    matches!(record.record, Record::Terms(_) | Record::Program(_) | Record::Upline(_))
}

fn posting(digest: u64, index: u64) -> Posting {
    keys::pair(digest, index)
}

fn index_of(posting: &Posting) -> u64 {
    u64::from_be_bytes(*posting.last_chunk().expect("sixteen bytes"))
}

#[cfg(test)]
mod tests;
