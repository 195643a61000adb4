//! Everything that follows from the blocks and is looked up by key: the rules' records and the
//! search index.
//!
//! Invariants:
//! - What a block leads to is in memory before the next block is drafted.
//! - Memory is bounded, in records and in blocks: past either bound it is frozen, and a thread
//!   writes it out as a run of each map while a fresh memory takes what comes.
//! - The manifest is one value. It names the runs that count and the height that they have
//!   reached; what came after is derived anew when the store is opened.
//! - Pages are synced before the manifest names them, and the manifest is synced before a run
//!   that it no longer names is removed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use bincode::{Decode, Encode};

use super::error::StoreError;
use super::runs::{KeyRange, Merge, Order, PageStore, Record, Run, RunMeta, RunSet, Source, merge};
use super::table::Table;
use crate::protocol::codec;
use crate::protocol::hash::{DigestMap, StateKey};
use crate::protocol::rules::StoredRecord;

/// When what is derived and still in memory is frozen, to be written out as runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBounds {
    /// The most records and postings that it takes.
    pub records: usize,
    /// The most blocks that it takes: as many are verified again when the store is opened.
    pub blocks: u64,
}

/// The bounds of every store: some tens of MiB, and a second or so to open after a crash.
pub(super) const MEMORY_BOUNDS: MemoryBounds =
    MemoryBounds { records: 256 * 1024, blocks: 8 * 1024 };

/// The longest manifest, in bytes.
const MAX_MANIFEST_BYTES: usize = 6 * 1024;
/// Where the manifest lies among the runs: after every run's number.
const MANIFEST: [u8; 8] = [u8::MAX; 8];

/// Bytes of a record's key in the map of the rules' records: enough that nobody can make two
/// subjects with one.
const STATE_KEY_BYTES: usize = 24;
/// Bytes of a posting: eight of a facet's digest, eight of a log index.
const POSTING_BYTES: usize = 16;

type StateMapKey = [u8; STATE_KEY_BYTES];
type Posting = [u8; POSTING_BYTES];

/// Everything derived. Readers see whole blocks.
pub(super) struct Derived {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    pages: PageStore,
    bounds: MemoryBounds,
    /// Makes everything written so far durable.
    sync: Box<dyn Fn() -> Result<(), StoreError> + Send + Sync>,
    layers: ArcSwap<Layers>,
    work: Mutex<Work>,
    wake: Condvar,
}

/// What readers look through, the newest first.
#[derive(Clone)]
struct Layers {
    active: Arc<RwLock<Memory>>,
    frozen: Option<Arc<RwLock<Memory>>>,
    state: RunSet<STATE_KEY_BYTES>,
    postings: RunSet<POSTING_BYTES>,
}

/// What changes hands between the writer and the two threads. Whoever swaps the layers holds it.
struct Work {
    next_run: u64,
    /// The height that the runs have reached.
    height: u64,
    failed: Option<String>,
    closing: bool,
}

/// What came since the last freeze.
#[derive(Default)]
struct Memory {
    state: DigestMap<StateMapKey, StoredRecord>,
    /// Log indexes in rising order, by a facet's digest.
    postings: DigestMap<u64, Vec<u64>>,
    posting_count: usize,
    blocks: u64,
    height: u64,
}

#[derive(Encode, Decode)]
struct Manifest {
    height: u64,
    next_run: u64,
    state: Vec<RunMeta>,
    postings: Vec<RunMeta>,
}

impl Derived {
    /// Opens what is derived; `sync` must make everything written to the database durable.
    pub(super) fn open(
        table: Table,
        bounds: MemoryBounds,
        sync: impl Fn() -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let pages = PageStore { table };
        let manifest = match pages.table.get(MANIFEST)? {
            None => Manifest { height: 0, next_run: 0, state: Vec::new(), postings: Vec::new() },
            Some(bytes) => codec::decode(&bytes, MAX_MANIFEST_BYTES)
                .map_err(|error| StoreError::damaged("manifest", error))?,
        };
        let live: Vec<u64> =
            manifest.state.iter().chain(&manifest.postings).map(|meta| meta.number).collect();
        pages.sweep(|run| live.contains(&run))?;
        let layers = Layers {
            active: Arc::default(),
            frozen: None,
            state: RunSet::open(&pages, &manifest.state)?,
            postings: RunSet::open(&pages, &manifest.postings)?,
        };
        let work = Work {
            next_run: manifest.next_run,
            height: manifest.height,
            failed: None,
            closing: false,
        };
        let shared = Arc::new(Shared {
            pages,
            bounds,
            sync: Box::new(sync),
            layers: ArcSwap::from_pointee(layers),
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
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared))
        })
        .collect::<Result<_, _>>()
        .map_err(|source| StoreError::Io {
            action: "start a thread for",
            path: "store".into(),
            source,
        })?;
        Ok(Self { shared, threads })
    }

    /// Makes the next [`Derived::open`] begin with nothing.
    pub(super) fn forget(table: &Table) -> Result<(), StoreError> {
        table.remove(MANIFEST)
    }

    /// The height that is on disk; what came after must be derived again.
    pub(super) fn durable_height(&self) -> u64 {
        self.shared.work().height
    }

    /// The latest record of the rules under `key`.
    pub(super) fn record(&self, key: &StateKey) -> Result<Option<StoredRecord>, StoreError> {
        let key = state_key(key);
        let layers = self.shared.layers.load();
        for memory in layers.memories() {
            if let Some(record) = read(memory).state.get(&key) {
                return Ok(Some(record.clone()));
            }
        }
        let Some(bytes) = layers.state.get(&key)? else { return Ok(None) };
        decode_record(&bytes).map(Some)
    }

    /// Log indexes of what has the facet `digest`, from `first` to `last`, in `order`.
    pub(super) fn postings(
        &self,
        digest: u64,
        (first, last): (u64, u64),
        order: Order,
    ) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
        let range = KeyRange { first: posting(digest, first), last: posting(digest, last) };
        let layers = self.shared.layers.load_full();
        let mut sources: Vec<Source<'static, POSTING_BYTES>> = Vec::new();
        for memory in layers.memories() {
            let memory = read(memory);
            let all = memory.postings.get(&digest).map_or(&[][..], Vec::as_slice);
            let from = all.partition_point(|index| *index < first);
            let until = all.partition_point(|index| *index <= last).max(from);
            let mut found: Vec<Record<POSTING_BYTES>> = all
                .get(from..until)
                .unwrap_or_default()
                .iter()
                .map(|index| (posting(digest, *index), Vec::new()))
                .collect();
            if order == Order::Descending {
                found.reverse();
            }
            sources.push(Box::new(found.into_iter().map(Ok)));
        }
        sources.extend(layers.postings.sources(range, order));
        Merge::new(sources, order).map(|record| record.map(|(key, _)| index_of(&key)))
    }

    /// Takes in what a block leads to. Waits where too much is still to be written out.
    pub(super) fn apply<'a>(
        &self,
        height: u64,
        records: impl Iterator<Item = (&'a StateKey, &'a StoredRecord)>,
        postings: impl Iterator<Item = (u64, u64)>,
    ) -> Result<(), StoreError> {
        let active = self.shared.layers.load().active.clone();
        let full = {
            let mut memory = active.write().unwrap_or_else(PoisonError::into_inner);
            for (key, record) in records {
                memory.state.insert(state_key(key), record.clone());
            }
            for (digest, index) in postings {
                memory.postings.entry(digest).or_default().push(index);
                memory.posting_count += 1;
            }
            memory.blocks += 1;
            memory.height = height;
            memory.is_full(self.shared.bounds)
        };
        if full { self.shared.freeze() } else { Ok(()) }
    }

    /// Every record of the rules, in the order of their keys.
    pub(super) fn all_records(&self) -> impl Iterator<Item = Result<StoredRecord, StoreError>> {
        let layers = self.shared.layers.load_full();
        let memories = layers.memories().map(|memory| {
            Box::new(read(memory).sorted_records().into_iter().map(Ok)) as Source<'static, _>
        });
        let mut sources: Vec<_> = memories.collect();
        sources.push(Box::new(merge(layers.state.runs())));
        Merge::new(sources, Order::Ascending)
            .map(|record| record.and_then(|(_, bytes)| decode_record(&bytes)))
    }

    /// How many postings there are.
    pub(super) fn posting_count(&self) -> u64 {
        let layers = self.shared.layers.load_full();
        let memories: usize = layers.memories().map(|memory| read(memory).posting_count).sum();
        let runs: u64 = layers.postings.runs().iter().map(|run| run.meta.records).sum();
        memories as u64 + runs
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

impl Layers {
    fn memories(&self) -> impl Iterator<Item = &Arc<RwLock<Memory>>> {
        std::iter::once(&self.active).chain(&self.frozen)
    }
}

impl Memory {
    fn is_full(&self, bounds: MemoryBounds) -> bool {
        self.state.len() + self.posting_count >= bounds.records || self.blocks >= bounds.blocks
    }

    fn sorted_records(&self) -> Vec<Record<STATE_KEY_BYTES>> {
        let mut records: Vec<_> =
            self.state.iter().map(|(key, record)| (*key, codec::encode(record))).collect();
        records.sort_unstable_by_key(|(key, _)| *key);
        records
    }

    fn sorted_postings(&self) -> Vec<Record<POSTING_BYTES>> {
        let mut digests: Vec<_> = self.postings.iter().collect();
        digests.sort_unstable_by_key(|(digest, _)| **digest);
        let records = digests.into_iter().flat_map(|(digest, indexes)| {
            indexes.iter().map(|index| (posting(*digest, *index), Vec::new()))
        });
        records.collect()
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a fresh memory in the place of the full one, once the one before is written out.
    fn freeze(&self) -> Result<(), StoreError> {
        let mut work = self.work();
        while self.layers.load().frozen.is_some() && work.failed.is_none() {
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(problem) = &work.failed {
            return Err(StoreError::damaged("runs", problem));
        }
        let before = self.layers.load();
        let frozen = Some(before.active.clone());
        self.layers.store(Arc::new(Layers {
            active: Arc::default(),
            frozen,
            ..(**before).clone()
        }));
        self.wake.notify_all();
        Ok(())
    }

    fn flush_loop(&self) {
        while let Some(frozen) = self.wait_for(|layers| layers.frozen.clone()) {
            if let Err(error) = self.flush(&frozen) {
                return self.fail(&error);
            }
        }
    }

    fn merge_loop(&self) {
        enum Due {
            State(Vec<Arc<Run<STATE_KEY_BYTES>>>),
            Postings(Vec<Arc<Run<POSTING_BYTES>>>),
        }
        let due = |layers: &Layers| {
            let state = layers.state.due().map(Due::State);
            state.or_else(|| layers.postings.due().map(Due::Postings))
        };
        while let Some(due) = self.wait_for(due) {
            let merged = match due {
                Due::State(runs) => self.merge(&runs, |layers| &mut layers.state),
                Due::Postings(runs) => self.merge(&runs, |layers| &mut layers.postings),
            };
            if let Err(error) = merged {
                return self.fail(&error);
            }
        }
    }

    /// Waits for something to do; `None` when the store is closed.
    fn wait_for<T>(&self, find: impl Fn(&Layers) -> Option<T>) -> Option<T> {
        let mut work = self.work();
        loop {
            if work.closing || work.failed.is_some() {
                return None;
            }
            if let Some(found) = find(&self.layers.load()) {
                return Some(found);
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fail(&self, error: &StoreError) {
        tracing::error!(%error, "what is derived can't be written out");
        self.work().failed = Some(error.to_string());
        self.wake.notify_all();
    }

    fn flush(&self, frozen: &RwLock<Memory>) -> Result<(), StoreError> {
        let memory = frozen.read().unwrap_or_else(PoisonError::into_inner);
        let numbers = self.take_numbers(2);
        let state = memory.sorted_records().into_iter().map(Ok);
        let state = Run::write(&self.pages, numbers, 0, state)?;
        let postings = memory.sorted_postings().into_iter().map(Ok);
        let postings = Run::write(&self.pages, numbers + 1, 0, postings)?;
        (self.sync)()?;
        let mut work = self.work();
        work.height = memory.height;
        let before = self.layers.load();
        let layers = Layers {
            active: before.active.clone(),
            frozen: None,
            state: before.state.with(state),
            postings: before.postings.with(postings),
        };
        self.write_manifest(&work, &layers)?;
        self.layers.store(Arc::new(layers));
        self.wake.notify_all();
        Ok(())
    }

    fn merge<const K: usize>(
        &self,
        runs: &[Arc<Run<K>>],
        map: fn(&mut Layers) -> &mut RunSet<K>,
    ) -> Result<(), StoreError> {
        let level = runs.first().map_or(0, |run| run.meta.level) + 1;
        let number = self.take_numbers(1);
        let merged = Run::write(&self.pages, number, level, merge(runs))?;
        (self.sync)()?;
        {
            let work = self.work();
            let mut layers = (**self.layers.load()).clone();
            let map = map(&mut layers);
            *map = map.replace(runs, merged);
            self.write_manifest(&work, &layers)?;
            self.layers.store(Arc::new(layers));
            self.wake.notify_all();
        }
        (self.sync)()?;
        for run in runs {
            run.retire();
        }
        Ok(())
    }

    fn take_numbers(&self, count: u64) -> u64 {
        let mut work = self.work();
        let first = work.next_run;
        work.next_run += count;
        first
    }

    fn write_manifest(&self, work: &Work, layers: &Layers) -> Result<(), StoreError> {
        let manifest = codec::encode(&Manifest {
            height: work.height,
            next_run: work.next_run,
            state: layers.state.metas(),
            postings: layers.postings.metas(),
        });
        assert!(manifest.len() <= MAX_MANIFEST_BYTES, "a few dozen runs are described in less");
        self.pages.table.insert(MANIFEST, manifest)
    }
}

fn read(memory: &RwLock<Memory>) -> std::sync::RwLockReadGuard<'_, Memory> {
    memory.read().unwrap_or_else(PoisonError::into_inner)
}

fn decode_record(bytes: &[u8]) -> Result<StoredRecord, StoreError> {
    codec::decode(bytes, MAX_MANIFEST_BYTES)
        .map_err(|error| StoreError::damaged("a record of the rules", error))
}

fn state_key(key: &StateKey) -> StateMapKey {
    *key.as_bytes().first_chunk().expect("32 bytes begin with 24")
}

fn posting(digest: u64, index: u64) -> Posting {
    let mut key = [0; POSTING_BYTES];
    key[..8].copy_from_slice(&digest.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

fn index_of(posting: &Posting) -> u64 {
    u64::from_be_bytes(*posting.last_chunk().expect("16 bytes end with eight"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::protocol::rules::Record as RulesRecord;

    const BOUNDS: MemoryBounds = MemoryBounds { records: 40, blocks: 7 };

    /// A block: which of a hundred records it writes, and the facets of its leaves.
    #[derive(Clone, Debug)]
    struct Step {
        records: Vec<u8>,
        facets: Vec<u8>,
        /// Everything in memory is lost after it.
        crash: bool,
    }

    fn step() -> impl Strategy<Value = Step> {
        let records = prop::collection::vec(0..100u8, 1..12);
        let facets = prop::collection::vec(0..20u8, 1..12);
        (records, facets, prop::bool::weighted(0.05)).prop_map(|(records, facets, crash)| Step {
            records,
            facets,
            crash,
        })
    }

    fn key(number: u8) -> StateKey {
        StateKey(*blake3::hash(&[number]).as_bytes())
    }

    fn digest(number: u8) -> u64 {
        u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn record(height: u64) -> StoredRecord {
        StoredRecord { index: height * 100, height, record: RulesRecord::Stated }
    }

    fn apply(derived: &Derived, height: u64, step: &Step) {
        let record = record(height);
        let keys: Vec<StateKey> = step.records.iter().map(|number| key(*number)).collect();
        let records = keys.iter().map(|key| (key, &record));
        let facets = (height * 100..).zip(&step.facets);
        let postings = facets.map(|(index, number)| (digest(*number), index));
        derived.apply(height, records, postings).unwrap();
    }

    fn open(database: &sled::Db) -> Derived {
        Derived::open(Table::open(database, "runs").unwrap(), BOUNDS, || Ok(())).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn agrees_with_a_plain_map(steps in prop::collection::vec(step(), 1..400)) {
            let directory = tempfile::tempdir().unwrap();
            let database = sled::open(directory.path()).unwrap();
            let mut derived = open(&database);
            let mut records = BTreeMap::new();
            let mut postings: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
            for (height, step) in (1u64..).zip(&steps) {
                apply(&derived, height, step);
                records.extend(step.records.iter().map(|number| (*number, record(height))));
                for (index, number) in (height * 100..).zip(&step.facets) {
                    postings.entry(*number).or_default().insert(index);
                }
                if step.crash {
                    drop(derived);
                    derived = open(&database);
                    for lost in derived.durable_height() + 1..=height {
                        apply(&derived, lost, &steps[usize::try_from(lost).unwrap() - 1]);
                    }
                }
                // A look at something while flushes and merges go on.
                let number = u8::try_from(height % 100).unwrap();
                prop_assert_eq!(derived.record(&key(number)).unwrap(), records.get(&number).cloned());
            }
            for number in 0..100 {
                prop_assert_eq!(derived.record(&key(number)).unwrap(), records.get(&number).cloned());
            }
            let last = steps.len() as u64 * 100 + 99;
            for number in 0..20 {
                let expected: Vec<u64> =
                    postings.get(&number).into_iter().flatten().copied().collect();
                for (first, last) in [(0, last), (250, 950), (250, 250)] {
                    let within = expected.iter().copied().filter(|i| (first..=last).contains(i));
                    let mut within: Vec<u64> = within.collect();
                    for order in [Order::Ascending, Order::Descending] {
                        let found = derived.postings(digest(number), (first, last), order);
                        prop_assert_eq!(found.collect::<Result<Vec<_>, _>>().unwrap(), within.clone());
                        within.reverse();
                    }
                }
            }
            let all = derived.all_records().collect::<Result<Vec<_>, _>>().unwrap();
            prop_assert_eq!(all.len(), records.len());
            let count: usize = postings.values().map(BTreeSet::len).sum();
            prop_assert_eq!(derived.posting_count(), count as u64);
        }
    }

    #[test]
    fn merges_keep_runs_few_and_remove_what_they_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let database = sled::open(directory.path()).unwrap();
        let derived = open(&database);
        let step = |height: u64| Step {
            records: vec![u8::try_from(height % 100).unwrap(); 1],
            facets: vec![u8::try_from(height % 20).unwrap(); 1],
            crash: false,
        };
        for height in 1..=7 * 100 {
            apply(&derived, height, &step(height));
        }
        let settled = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let busy = |layers: &Layers| {
            layers.frozen.is_some()
                || layers.state.due().is_some()
                || layers.postings.due().is_some()
        };
        while busy(&derived.shared.layers.load()) {
            assert!(std::time::Instant::now() < settled, "merges must come to an end");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let live: Vec<u64> = {
            let layers = derived.shared.layers.load();
            let metas = layers.state.metas().into_iter().chain(layers.postings.metas());
            metas.map(|meta| meta.number).collect()
        };
        assert!(live.len() <= 32, "{live:?}");
        drop(derived);
        let _reopened = open(&database);
        let tree = database.open_tree("runs").unwrap();
        let mut stored: Vec<u64> = tree
            .iter()
            .keys()
            .map(|key| u64::from_be_bytes(*key.unwrap().first_chunk().unwrap()))
            .filter(|number| *number != u64::MAX)
            .collect();
        stored.dedup();
        assert!(stored.iter().all(|number| live.contains(number)), "{stored:?} {live:?}");
    }
}
