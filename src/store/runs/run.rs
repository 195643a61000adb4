//! One run: sorted pages, the first key of each, and a filter over all keys.

use std::sync::Arc;

use bincode::{Decode, Encode};
use xorf::{BinaryFuse8, Filter};

use super::page::{PageBuilder, Records};
use crate::protocol::codec;
use crate::store::error::StoreError;
use crate::store::table::{Batch, Table};

/// The most bytes of pages in one batch: larger ones make sled hold far more in memory.
const MAX_BATCH_BYTES: usize = 64 * 1024;
/// The bytes of one value of a run's directory.
const DIRECTORY_CHUNK_BYTES: usize = 4096;

/// A record: a key and its value.
pub(in crate::store) type Record<const K: usize> = ([u8; K], Vec<u8>);

/// Where runs keep their pages. Each run's keys begin with its number.
#[derive(Clone)]
pub(in crate::store) struct PageStore {
    pub table: Table,
}

/// The parts of a run.
#[derive(Clone, Copy)]
enum Part {
    Page = 0,
    Directory = 1,
}

impl PageStore {
    fn key(run: u64, part: Part, number: u32) -> [u8; 13] {
        let mut key = [part as u8; 13];
        key[..8].copy_from_slice(&run.to_be_bytes());
        key[9..].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn page(&self, run: u64, number: u32) -> Result<sled::IVec, StoreError> {
        self.table.get(Self::key(run, Part::Page, number))?.ok_or_else(|| {
            StoreError::damaged(format!("page {number} of run {run}"), "it is missing")
        })
    }

    /// Removes every run that `is_live` doesn't name.
    pub(in crate::store) fn sweep(&self, is_live: impl Fn(u64) -> bool) -> Result<(), StoreError> {
        let mut from = 0u64;
        while let Some(item) = self.table.range(from.to_be_bytes()..).next() {
            let (key, _) = item?;
            let Some(number) = key.first_chunk().filter(|_| key.len() == 13) else { break };
            let run = u64::from_be_bytes(*number);
            if !is_live(run) {
                self.remove(run)?;
            }
            let Some(next) = run.checked_add(1) else { break };
            from = next;
        }
        Ok(())
    }

    fn remove(&self, run: u64) -> Result<(), StoreError> {
        loop {
            let keys = self.table.keys_from(run.to_be_bytes()).take(64);
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for key in keys {
                batch.remove(key);
            }
            self.table.apply_batch(batch)?;
        }
    }
}

/// What the manifest says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct RunMeta {
    /// The run's number; a newer run's is higher.
    pub number: u64,
    /// 0 for what comes from memory, one more for each merge.
    pub level: u8,
    /// How many records it has.
    pub records: u64,
    /// How many pages they fill.
    pub pages: u32,
    /// How many values its directory takes.
    pub directory_chunks: u32,
}

/// What of a run is held in memory, as it is stored.
#[derive(Encode, Decode)]
struct Directory {
    /// The first key of each page, one after the other.
    fences: Vec<u8>,
    filter: BinaryFuse8,
}

/// A run that is whole on disk.
pub(in crate::store) struct Run<const K: usize> {
    pub meta: RunMeta,
    store: PageStore,
    fences: Vec<[u8; K]>,
    filter: BinaryFuse8,
    /// Set when a merge has replaced the run: its pages go when its last reader does.
    retired: std::sync::atomic::AtomicBool,
}

impl<const K: usize> Run<K> {
    /// Writes sorted, distinct records as the run `number`. It is not durable before the store
    /// is synced.
    pub(in crate::store) fn write(
        store: &PageStore,
        number: u64,
        level: u8,
        records: impl Iterator<Item = Result<Record<K>, StoreError>>,
    ) -> Result<Arc<Self>, StoreError> {
        let mut writer = Writer { store, number, pages: 0, batch: Batch::default(), bytes: 0 };
        let (mut fences, mut hashes, mut builder) =
            (Vec::new(), Vec::new(), PageBuilder::default());
        let mut count = 0u64;
        for record in records {
            let (key, value) = record?;
            let page = builder.push(&key, &value);
            if page.is_some() || fences.is_empty() {
                fences.push(key);
            }
            if let Some(page) = page {
                writer.page(page)?;
            }
            count += 1;
            let hash = filter_hash(&key);
            if hashes.last() != Some(&hash) {
                hashes.push(hash);
            }
        }
        if let Some(page) = builder.finish() {
            writer.page(page)?;
        }
        let filter = BinaryFuse8::try_from(&hashes)
            .map_err(|problem| StoreError::damaged(format!("filter of run {number}"), problem))?;
        let (pages, directory_chunks) = writer.directory(&fences, &filter)?;
        let meta = RunMeta { number, level, records: count, pages, directory_chunks };
        let retired = std::sync::atomic::AtomicBool::new(false);
        Ok(Arc::new(Self { meta, store: store.clone(), fences, filter, retired }))
    }

    /// Opens the run that the manifest describes.
    pub(in crate::store) fn open(
        store: &PageStore,
        meta: RunMeta,
    ) -> Result<Arc<Self>, StoreError> {
        let damaged = |problem: &str| {
            StoreError::damaged(format!("directory of run {}", meta.number), problem)
        };
        let mut bytes = Vec::new();
        for chunk in 0..meta.directory_chunks {
            let key = PageStore::key(meta.number, Part::Directory, chunk);
            let value = store.table.get(key)?.ok_or_else(|| damaged("it is missing"))?;
            bytes.extend_from_slice(&value);
        }
        let directory: Directory =
            codec::decode(&bytes, bytes.len()).map_err(|error| damaged(&error.to_string()))?;
        let (fences, rest) = directory.fences.as_chunks::<K>();
        if !rest.is_empty() || fences.len() != meta.pages as usize {
            return Err(damaged("not a key for each page"));
        }
        let filter = directory.filter;
        let retired = std::sync::atomic::AtomicBool::new(false);
        Ok(Arc::new(Self { meta, store: store.clone(), fences: fences.to_vec(), filter, retired }))
    }

    /// Whether a key that begins with these eight bytes may be here.
    pub(in crate::store) fn may_have(&self, hash: u64) -> bool {
        self.filter.contains(&hash)
    }

    /// The value of `key`, if the run has it.
    pub(in crate::store) fn get(&self, key: &[u8; K]) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.may_have(filter_hash(key)) {
            return Ok(None);
        }
        let after = self.fences.partition_point(|fence| fence <= key);
        let Some(number) = after.checked_sub(1) else { return Ok(None) };
        let page = self.page(number)?;
        let mut records = Records::<K>::new(&page);
        let found = records.by_ref().find(|(found, _)| *found >= key);
        if found.is_none() && records.is_damaged() {
            return Err(self.damaged_page(number));
        }
        Ok(found.filter(|(found, _)| *found == key).map(|(_, value)| value.to_vec()))
    }

    /// The records whose keys lie within `range`, in `order`.
    pub(in crate::store) fn range(
        self: &Arc<Self>,
        range: KeyRange<K>,
        order: Order,
    ) -> RunIter<K> {
        let first = self.fences.partition_point(|fence| *fence <= range.first).saturating_sub(1);
        let end = self.fences.partition_point(|fence| *fence <= range.last);
        RunIter {
            run: self.clone(),
            pages: first..end.max(first),
            range,
            order,
            records: Vec::new().into_iter(),
        }
    }

    /// Says that the run has been replaced.
    pub(in crate::store) fn retire(&self) {
        self.retired.store(true, std::sync::atomic::Ordering::Release);
    }

    fn page(&self, number: usize) -> Result<sled::IVec, StoreError> {
        let number = u32::try_from(number).expect("counted in a u32 when it was written");
        self.store.page(self.meta.number, number)
    }

    fn damaged_page(&self, number: usize) -> StoreError {
        let place = format!("page {number} of run {}", self.meta.number);
        StoreError::damaged(place, "a record is cut short")
    }
}

impl<const K: usize> Drop for Run<K> {
    fn drop(&mut self) {
        if self.retired.load(std::sync::atomic::Ordering::Acquire)
            && let Err(error) = self.store.remove(self.meta.number)
        {
            // The next start sweeps what stays.
            tracing::warn!(run = self.meta.number, %error, "can't remove a merged run");
        }
    }
}

/// Keys from one to another, both included.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct KeyRange<const K: usize> {
    pub first: [u8; K],
    pub last: [u8; K],
}

impl<const K: usize> KeyRange<K> {
    /// Every key.
    pub(in crate::store) const ALL: Self = Self { first: [0; K], last: [u8::MAX; K] };

    fn contains(&self, key: &[u8; K]) -> bool {
        (&self.first..=&self.last).contains(&key)
    }
}

/// In which order records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Order {
    /// The least key first.
    Ascending,
    /// The greatest key first.
    Descending,
}

/// Records of one run, page by page.
pub(in crate::store) struct RunIter<const K: usize> {
    run: Arc<Run<K>>,
    /// Pages still to be read.
    pages: std::ops::Range<usize>,
    range: KeyRange<K>,
    order: Order,
    records: std::vec::IntoIter<Record<K>>,
}

impl<const K: usize> RunIter<K> {
    fn read(&self, number: usize) -> Result<Vec<Record<K>>, StoreError> {
        let page = self.run.page(number)?;
        let mut records = Records::<K>::new(&page);
        let mut wanted: Vec<Record<K>> = records
            .by_ref()
            .filter(|(key, _)| self.range.contains(key))
            .map(|(key, value)| (*key, value.to_vec()))
            .collect();
        if records.is_damaged() {
            return Err(self.run.damaged_page(number));
        }
        if self.order == Order::Descending {
            wanted.reverse();
        }
        Ok(wanted)
    }
}

impl<const K: usize> Iterator for RunIter<K> {
    type Item = Result<Record<K>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.records.next() {
                return Some(Ok(record));
            }
            let number = match self.order {
                Order::Ascending => self.pages.next()?,
                Order::Descending => self.pages.next_back()?,
            };
            match self.read(number) {
                Ok(records) => self.records = records.into_iter(),
                Err(error) => {
                    self.pages = 0..0;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// What the filter knows a key by.
pub(super) fn filter_hash<const K: usize>(key: &[u8; K]) -> u64 {
    u64::from_be_bytes(*key.first_chunk().expect("keys begin with eight bytes of a digest"))
}

/// Writes the parts of a run in small batches.
struct Writer<'a> {
    store: &'a PageStore,
    number: u64,
    pages: u32,
    batch: Batch,
    bytes: usize,
}

impl Writer<'_> {
    fn page(&mut self, page: Vec<u8>) -> Result<(), StoreError> {
        let key = PageStore::key(self.number, Part::Page, self.pages);
        self.pages += 1;
        self.put(key, page)
    }

    fn put(&mut self, key: [u8; 13], value: Vec<u8>) -> Result<(), StoreError> {
        self.bytes += value.len();
        self.batch.insert(&key[..], value);
        if self.bytes >= MAX_BATCH_BYTES {
            self.store.table.apply_batch(std::mem::take(&mut self.batch))?;
            self.bytes = 0;
        }
        Ok(())
    }

    fn directory<const K: usize>(
        mut self,
        fences: &[[u8; K]],
        filter: &BinaryFuse8,
    ) -> Result<(u32, u32), StoreError> {
        let directory = codec::encode(&Directory {
            fences: fences.as_flattened().to_vec(),
            filter: filter.clone(),
        });
        let mut chunks = 0u32;
        for chunk in directory.chunks(DIRECTORY_CHUNK_BYTES) {
            self.put(PageStore::key(self.number, Part::Directory, chunks), chunk.to_vec())?;
            chunks += 1;
        }
        self.store.table.apply_batch(self.batch)?;
        Ok((self.pages, chunks))
    }
}
