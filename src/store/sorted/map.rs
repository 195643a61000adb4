//! The map: its memories and runs, as readers see them.

use std::sync::{Arc, RwLock, RwLockReadGuard};

use bincode::{Decode, Encode};
use rayon::prelude::*;

use super::cursor::{Collected, Cursor, Merge, Order, RunCursor, records};
use super::file::RunFiles;
use super::lists::Lists;
use super::memory::{Keys, Memory, PAIR_BYTES, read};
use super::run::{Run, RunMeta, RunWriter, prefix};
use crate::protocol::codec;
use crate::store::error::StoreError;

/// How many runs of a level are merged into one of the next.
const MERGE_WIDTH: usize = 8;
/// How long runs may be together that are merged, in bytes: a merge of more would write gigabytes, to
/// save a look at a few filters.
const MAX_MERGED_BYTES: u64 = 1 << 30;
/// After how many records a merge looks whether it is to go on.
const RECORDS_A_LOOK: usize = 4096;

/// What a map keeps under keys of `K` bytes. `()` takes no bytes.
pub(in crate::store) trait Value<const K: usize>: Encode + Clone {
    /// Of equal keys, whether the first record that was put in counts, rather than the latest.
    const FIRST_COUNTS: bool = false;

    /// How it is kept in memory.
    type Memory: Memory<K, Self>;
    /// What the records of a run come to so far, for values that say something of that.
    type Running: Default;

    /// Reads a value as it stands in a run.
    fn read(bytes: &[u8]) -> Result<Self, StoreError>;

    /// Writes a value as it stands in a run, after all those of smaller keys there.
    fn write_in_order(
        _: &mut Self::Running,
        _key: &[u8; K],
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        out.extend_from_slice(value);
        Ok(())
    }
}

impl Value<PAIR_BYTES> for () {
    type Memory = Keys;
    type Running = ();

    fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        read_encoded(bytes)
    }
}

/// Reads a value that is stored by its own encoding.
pub(in crate::store) fn read_encoded<V: Decode<()>>(bytes: &[u8]) -> Result<V, StoreError> {
    codec::decode_own(bytes).map_err(|error| StoreError::damaged("a record", error))
}

/// A sorted map from keys of `K` bytes to values. A clone has the same memories, and keeps the
/// runs of its time.
pub(in crate::store) struct SortedMap<const K: usize, V: Value<K>> {
    active: Arc<RwLock<V::Memory>>,
    frozen: Option<Arc<RwLock<V::Memory>>>,
    /// The newest first.
    runs: Vec<Arc<Run<K>>>,
}

impl<const K: usize, V: Value<K>> Clone for SortedMap<K, V> {
    fn clone(&self) -> Self {
        let (active, frozen) = (self.active.clone(), self.frozen.clone());
        Self { active, frozen, runs: self.runs.clone() }
    }
}

impl<const K: usize, V: Value<K>> SortedMap<K, V> {
    /// A map of the runs that a manifest names, the newest first, and of nothing in memory.
    pub(in crate::store) fn open(files: &RunFiles, metas: &[RunMeta]) -> Result<Self, StoreError> {
        let runs = metas.iter().map(|meta| Run::open(files, *meta)).collect::<Result<_, _>>()?;
        Ok(Self { active: Arc::default(), frozen: None, runs })
    }

    /// Puts records in, the latest of a key last; how many are in active memory then. Readers may
    /// see some of them before others.
    pub(in crate::store) fn extend(&self, records: impl Iterator<Item = ([u8; K], V)>) -> usize {
        Memory::extend(&*self.active, records)
    }

    /// The value of `key`.
    pub(in crate::store) fn get(&self, key: &[u8; K]) -> Result<Option<V>, StoreError> {
        const { assert!(!V::FIRST_COUNTS, "the newest record is looked for first") };
        for memory in self.memories() {
            if let Some(value) = memory.get(key) {
                return Ok(Some(value));
            }
        }
        for run in &self.runs {
            if let Some(value) = run.get(key, V::read)? {
                return value.map(Some);
            }
        }
        Ok(None)
    }

    /// The records from `first` to `last`, which share their first eight bytes.
    pub(in crate::store) fn range(
        &self,
        first: [u8; K],
        last: [u8; K],
        order: Order,
    ) -> Result<impl Cursor<K> + use<K, V>, StoreError> {
        self.range_few(first, last, order, usize::MAX)
    }

    /// The first `most` records, in `order`, from `first` to `last`, which share their first eight
    /// bytes. What comes after those isn't all there is.
    pub(in crate::store) fn range_few(
        &self,
        first: [u8; K],
        last: [u8; K],
        order: Order,
        most: usize,
    ) -> Result<impl Cursor<K> + use<K, V>, StoreError> {
        Ok(Self::merge(self.sources_few(first, last, order, most)?, order))
    }

    /// The first `most` records from `first` to `last`, which share their first eight bytes, where what
    /// came later has the greater keys: so each run is read only when those before it are done.
    pub(in crate::store) fn in_turn(
        &self,
        first: [u8; K],
        last: [u8; K],
        most: usize,
    ) -> impl Iterator<Item = Result<([u8; K], Vec<u8>), StoreError>> + use<K, V> {
        let runs = self.runs.clone().into_iter().rev();
        let runs = runs.filter(move |run| run.may_have(prefix(&first))).map(move |run| {
            let cursor = RunCursor::new(&run, first, last, Order::Ascending)?;
            Ok(Box::new(cursor) as Box<dyn Cursor<K> + Send>)
        });
        let memories = self.frozen.clone().into_iter().chain([self.active.clone()]);
        let memories = memories.map(move |memory| {
            let found = read(&memory).range((&first, &last), Order::Ascending, most);
            Ok(Box::new(Collected::new(found, Order::Ascending)) as Box<dyn Cursor<K> + Send>)
        });
        let mut failed = false;
        let unless_failed =
            move |record: &Result<_, _>| !std::mem::replace(&mut failed, record.is_err());
        runs.chain(memories).flat_map(records).take_while(unless_failed).take(most)
    }

    /// The records from `first` to `last`, which share their first eight bytes, of each memory and
    /// each run by themselves, the newest first; of each memory only the first `most`.
    fn sources_few(
        &self,
        first: [u8; K],
        last: [u8; K],
        order: Order,
        most: usize,
    ) -> Result<Vec<Box<dyn Cursor<K> + Send>>, StoreError> {
        debug_assert_eq!(prefix(&first), prefix(&last), "a filter knows one prefix at a time");
        let mut sources: Vec<Box<dyn Cursor<K> + Send>> = Vec::new();
        for memory in self.memories() {
            let found = memory.range((&first, &last), order, most);
            sources.push(Box::new(Collected::new(found, order)));
        }
        for run in self.runs.iter().filter(|run| run.may_have(prefix(&first))) {
            sources.push(Box::new(RunCursor::new(run, first, last, order)?));
        }
        Ok(sources)
    }

    /// All records, in the order of their keys.
    pub(in crate::store) fn all(&self) -> Result<impl Cursor<K> + use<K, V>, StoreError> {
        let mut sources: Vec<Box<dyn Cursor<K> + Send>> = Vec::new();
        for memory in self.memories() {
            let mut records = Vec::new();
            memory.for_each(|key, value| {
                records.push((*key, codec::encode(value)));
                Ok::<_, StoreError>(())
            })?;
            sources.push(Box::new(Collected::new(records, Order::Ascending)));
        }
        sources.extend(cursors(&self.runs)?);
        Ok(Self::merge(sources, Order::Ascending))
    }

    /// Sources as one, the newest of which is first.
    fn merge(mut sources: Vec<Box<dyn Cursor<K> + Send>>, order: Order) -> Merge<K> {
        if V::FIRST_COUNTS {
            sources.reverse();
        }
        Merge::new(sources, order)
    }

    /// Reads the runs, the newest first, up to `most_bytes` of them, so that what is looked up after
    /// that is in memory.
    pub(in crate::store) fn read_ahead(&self, most_bytes: u64) -> Result<(), StoreError> {
        let mut bytes = 0;
        let near = self.runs.iter().take_while(|run| {
            bytes += run.bytes();
            bytes <= most_bytes
        });
        let near: Vec<_> = near.collect();
        near.par_iter().try_for_each(|run| run.read_ahead())
    }

    /// Looks whether each run's filter knows all its keys: one that doesn't would hide some. And
    /// whether its values say of those before them what they must.
    pub(in crate::store) fn check_runs(&self) -> Result<(), StoreError> {
        for run in &self.runs {
            let mut all = RunCursor::new(run, [0; K], [u8::MAX; K], Order::Ascending)?;
            let (mut running, mut expected) = (V::Running::default(), Vec::new());
            while let Some((key, value)) = all.record() {
                if !run.may_have(prefix(key)) {
                    let place = format!("filter of run {}", run.meta.number);
                    return Err(StoreError::damaged(place, "it doesn't know a key of the run"));
                }
                expected.clear();
                V::write_in_order(&mut running, key, value, &mut expected)?;
                if expected != value {
                    let place = format!("run {}", run.meta.number);
                    return Err(StoreError::damaged(place, "a sum isn't what comes before it"));
                }
                all.advance()?;
            }
        }
        Ok(())
    }

    // Below: how a map changes shape. Each gives the map as it is to be from then on.

    /// With a fresh memory, and the one so far frozen.
    pub(in crate::store) fn freeze(&self) -> Self {
        assert!(self.frozen.is_none(), "the one before is written out first");
        // The next one mostly takes as many.
        let active = Arc::new(RwLock::new(read(&self.active).like()));
        Self { active, frozen: Some(self.active.clone()), runs: self.runs.clone() }
    }

    /// Writes frozen memory out as a run; `None` where there is nothing in it.
    pub(in crate::store) fn write_frozen(
        &self,
        files: &RunFiles,
        number: u64,
    ) -> Result<Option<Arc<Run<K>>>, StoreError> {
        let mut writer = RunWriter::new::<V>(files, number, 0);
        let (mut running, mut written) = (V::Running::default(), Vec::new());
        if let Some(frozen) = &self.frozen {
            let write = |key: &[u8; K], value: &V| {
                written.clear();
                codec::with_encoded(value, |value| {
                    V::write_in_order(&mut running, key, value, &mut written)
                })?;
                writer.push(key, &written)
            };
            read(frozen).for_each(write)?;
        }
        writer.finish()
    }

    /// With the run in the place of frozen memory.
    pub(in crate::store) fn flushed(&self, run: Option<Arc<Run<K>>>) -> Self {
        let runs = run.into_iter().chain(self.runs.iter().cloned()).collect();
        Self { active: self.active.clone(), frozen: None, runs }
    }

    /// The runs to merge next: the oldest of a level that has [`MERGE_WIDTH`] of them. They are
    /// neighbours, since each level's runs are newer than the next one's.
    pub(in crate::store) fn due(&self) -> Option<Vec<Arc<Run<K>>>> {
        let levels = self.runs.chunk_by(|newer, older| newer.meta.level == older.meta.level);
        let mut oldest = levels.filter_map(|level| level.rchunks_exact(MERGE_WIDTH).next());
        oldest.find(|runs| bytes(runs) <= MAX_MERGED_BYTES).map(<[_]>::to_vec)
    }

    /// Writes runs that are due as one; `None` where it wasn't to go on.
    pub(in crate::store) fn write_merged(
        files: &RunFiles,
        number: u64,
        runs: &[Arc<Run<K>>],
        go_on: impl Fn() -> bool,
    ) -> Result<Option<Arc<Run<K>>>, StoreError> {
        let level = runs.first().map_or(0, |run| run.meta.level) + 1;
        let mut writer = RunWriter::new::<V>(files, number, level);
        let mut merge = Self::merge(cursors(runs)?, Order::Ascending);
        let (mut running, mut written) = (V::Running::default(), Vec::new());
        let mut pushed = 0usize;
        while let Some((key, value)) = merge.record() {
            written.clear();
            V::write_in_order(&mut running, key, value, &mut written)?;
            writer.push(key, &written)?;
            merge.advance()?;
            pushed += 1;
            if pushed.is_multiple_of(RECORDS_A_LOOK) && !go_on() {
                return Ok(None);
            }
        }
        writer.finish()
    }

    /// With `merged` in the place of `runs`.
    pub(in crate::store) fn merged(&self, runs: &[Arc<Run<K>>], merged: Arc<Run<K>>) -> Self {
        let replaced =
            |run: &Arc<Run<K>>| runs.iter().any(|old| old.meta.number == run.meta.number);
        let place = self.runs.iter().position(replaced).unwrap_or(self.runs.len());
        let mut kept: Vec<_> = self.runs.iter().filter(|run| !replaced(run)).cloned().collect();
        kept.insert(place, merged);
        Self { active: self.active.clone(), frozen: self.frozen.clone(), runs: kept }
    }

    /// Whether a memory waits to be written out.
    pub(in crate::store) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// What a manifest says of the runs.
    pub(in crate::store) fn metas(&self) -> Vec<RunMeta> {
        self.runs.iter().map(|run| run.meta).collect()
    }

    fn memories(&self) -> impl Iterator<Item = RwLockReadGuard<'_, V::Memory>> {
        std::iter::once(&self.active).chain(&self.frozen).map(|memory| read(memory))
    }
}

impl<const K: usize, V: Value<K, Memory = Lists<K, V>>> SortedMap<K, V> {
    /// Looks at the values in memory from `first` to `last`, which share their first eight bytes.
    pub(in crate::store) fn look_in_memory(
        &self,
        first: &[u8; K],
        last: &[u8; K],
        mut look: impl FnMut(&V),
    ) {
        for memory in self.memories() {
            memory.within((first, last)).iter().for_each(|(_, value)| look(value));
        }
    }

    /// The runs that may have keys that begin as `key` does, the newest first.
    pub(in crate::store) fn runs_with(&self, key: &[u8; K]) -> impl Iterator<Item = &Run<K>> {
        let prefix = prefix(key);
        self.runs.iter().map(Arc::as_ref).filter(move |run| run.may_have(prefix))
    }
}

/// How long runs are together.
pub(in crate::store) fn bytes<const K: usize>(runs: &[Arc<Run<K>>]) -> u64 {
    runs.iter().map(|run| run.bytes()).sum()
}

fn cursors<const K: usize>(
    runs: &[Arc<Run<K>>],
) -> Result<Vec<Box<dyn Cursor<K> + Send>>, StoreError> {
    let all = |run| RunCursor::new(run, [0; K], [u8::MAX; K], Order::Ascending);
    runs.iter().map(|run| Ok(Box::new(all(run)?) as Box<dyn Cursor<K> + Send>)).collect()
}
