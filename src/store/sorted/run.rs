//! One run: sorted pages, the first key of each, and filters over all keys.
//!
//! What is looked at before a page is read, the run's *directory*, is held in memory. On disk
//! it lies in pages like any other, each with the number of the next before it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bincode::{Decode, Encode};
use xorf::{BinaryFuse8, Filter};

use super::page::{Layout, MAX_PAGE_BYTES, PageBuilder, Records};
use super::pages::PageStore;
use crate::protocol::codec;
use crate::store::error::StoreError;

/// How many keys share a filter, at least: making one takes some 40 bytes of memory for each.
const FILTER_KEYS: usize = 1 << 20;
/// The bytes of the number of the next page of a directory.
const NEXT_BYTES: usize = 4;
/// What stands in its place on the last page.
const NO_NEXT: u32 = u32::MAX;

/// What the manifest says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct RunMeta {
    /// The run's number; a newer run's is higher.
    pub number: u64,
    /// 0 for what comes from memory, one more for each merge.
    pub level: u8,
    /// How many records it has.
    pub records: u64,
    /// Where its directory begins.
    directory: u32,
    /// How long that is.
    directory_bytes: u64,
}

/// What of a run is held in memory, as it is stored.
#[derive(Encode, Decode)]
struct Directory {
    /// Where each page lies.
    slots: Vec<u32>,
    /// The first key of each page, one after the other.
    fences: Vec<u8>,
    filters: Vec<Part>,
}

/// A filter over the keys of some pages that follow each other.
#[derive(Clone, Encode, Decode)]
struct Part {
    /// The first eight bytes of its last key.
    last: u64,
    filter: BinaryFuse8,
}

/// A run that is whole.
pub(in crate::store) struct Run<const K: usize> {
    pub meta: RunMeta,
    pages: PageStore,
    slots: Vec<u32>,
    fences: Vec<[u8; K]>,
    filters: Vec<Part>,
    /// Where the directory itself lies.
    directory: Vec<u32>,
    /// Set when a merge has replaced the run: its pages go when its last reader does.
    retired: AtomicBool,
}

impl<const K: usize> Run<K> {
    /// Opens the run that the manifest describes.
    pub(super) fn open(pages: &PageStore, meta: RunMeta) -> Result<Arc<Self>, StoreError> {
        let damaged = |problem: &str| {
            StoreError::damaged(format!("directory of run {}", meta.number), problem)
        };
        let (mut bytes, mut directory, mut next) = (Vec::new(), Vec::new(), meta.directory);
        while next != NO_NEXT {
            let page = pages.get(next)?;
            let (following, part) =
                page.split_first_chunk::<NEXT_BYTES>().ok_or_else(|| damaged("it is cut short"))?;
            directory.push(next);
            bytes.extend_from_slice(part);
            if part.is_empty() || bytes.len() as u64 > meta.directory_bytes {
                return Err(damaged("it is longer than the manifest says"));
            }
            next = u32::from_be_bytes(*following);
        }
        let stored: Directory =
            codec::decode(&bytes, bytes.len()).map_err(|error| damaged(&error.to_string()))?;
        let (fences, rest) = stored.fences.as_chunks::<K>();
        if !rest.is_empty() || fences.len() != stored.slots.len() {
            return Err(damaged("not a key for each page"));
        }
        let (fences, slots, filters) = (fences.to_vec(), stored.slots, stored.filters);
        let (pages, retired) = (pages.clone(), AtomicBool::new(false));
        Ok(Arc::new(Self { meta, pages, slots, fences, filters, directory, retired }))
    }

    /// Every slot that the run takes.
    pub(in crate::store) fn used_slots(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().chain(&self.directory).copied()
    }

    /// Whether a key that begins with `prefix` may be here.
    pub(super) fn may_have(&self, prefix: u64) -> bool {
        let from = self.filters.partition_point(|part| part.last < prefix);
        // Keys of one prefix may go on from one part into the next.
        let parts = self.filters.get(from..).unwrap_or_default().iter();
        let mut before = None;
        parts
            .take_while(|part| before.replace(part.last).is_none_or(|last| last == prefix))
            .any(|part| part.filter.contains(&prefix))
    }

    /// What `read` makes of the value of `key`, if the run has it.
    pub(super) fn get<R>(
        &self,
        key: &[u8; K],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StoreError> {
        if !self.may_have(prefix(key)) {
            return Ok(None);
        }
        // The first eight bytes mostly decide.
        let sought = (prefix(key), key);
        let after = self.fences.partition_point(|fence| (prefix(fence), fence) <= sought);
        let Some(number) = after.checked_sub(1) else { return Ok(None) };
        let page = self.page(number)?;
        let mut records = Records::<K>::new(&page);
        let found = records.by_ref().find(|(found, _)| (prefix(found), found) >= sought);
        if found.is_none() && records.is_damaged() {
            return Err(self.damaged_page(number));
        }
        Ok(found.filter(|(found, _)| found == key).map(|(_, value)| read(value)))
    }

    /// The pages that may have keys from `first` to `last`.
    pub(super) fn pages_between(&self, first: &[u8; K], last: &[u8; K]) -> Range<usize> {
        let from = self.fences.partition_point(|fence| fence <= first).saturating_sub(1);
        let until = self.fences.partition_point(|fence| fence <= last);
        from..until.max(from)
    }

    pub(super) fn page(&self, number: usize) -> Result<sled::IVec, StoreError> {
        let slot = self.slots.get(number).expect("a page for each fence");
        let page = self.pages.get(*slot)?;
        let first = Records::<K>::new(&page).next().map(|(key, _)| key);
        if first != self.fences.get(number).copied() {
            let place = format!("page {number} of run {}", self.meta.number);
            return Err(StoreError::damaged(place, "another page stands in its place"));
        }
        Ok(page)
    }

    pub(super) fn damaged_page(&self, number: usize) -> StoreError {
        let place = format!("page {number} of run {}", self.meta.number);
        StoreError::damaged(place, "a record is cut short")
    }

    /// Says that the run has been replaced.
    pub(in crate::store) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

impl<const K: usize> Drop for Run<K> {
    fn drop(&mut self) {
        if !self.retired.load(Ordering::Acquire) {
            return;
        }
        let slots: Vec<u32> = self.used_slots().collect();
        if let Err(error) = self.pages.give_back(&slots) {
            // The next start finds them free.
            tracing::warn!(run = self.meta.number, %error, "can't free a merged run");
        }
    }
}

/// The first eight bytes of a key: what a filter knows it by.
pub(super) fn prefix<const K: usize>(key: &[u8; K]) -> u64 {
    u64::from_be_bytes(*key.first_chunk().expect("keys begin with eight bytes of a digest"))
}

/// Writes a run, record by record.
pub(in crate::store) struct RunWriter<const K: usize> {
    pages: PageStore,
    number: u64,
    level: u8,
    records: u64,
    builder: PageBuilder,
    slots: Vec<u32>,
    fences: Vec<[u8; K]>,
    filters: Vec<Part>,
    /// The prefixes that no filter has yet, each once.
    prefixes: Vec<u64>,
}

impl<const K: usize> RunWriter<K> {
    pub(super) fn new<V>(pages: &PageStore, number: u64, level: u8) -> Self {
        let layout = if size_of::<V>() == 0 { Layout::Bare } else { Layout::Valued };
        Self {
            pages: pages.clone(),
            number,
            level,
            records: 0,
            builder: PageBuilder::new(layout),
            slots: Vec::new(),
            fences: Vec::new(),
            filters: Vec::new(),
            prefixes: Vec::new(),
        }
    }

    /// Takes the next record; its key is greater than the last.
    pub(super) fn push(&mut self, key: &[u8; K], value: &[u8]) -> Result<(), StoreError> {
        let page = self.builder.push(key, value);
        if page.is_some() || self.fences.is_empty() {
            if self.prefixes.len() >= FILTER_KEYS {
                self.close_filter()?;
            }
            self.fences.push(*key);
        }
        if let Some(page) = page {
            self.write(page)?;
        }
        self.records += 1;
        let prefix = prefix(key);
        if self.prefixes.last() != Some(&prefix) {
            self.prefixes.push(prefix);
        }
        Ok(())
    }

    /// The run. It is not durable before the store is synced.
    pub(super) fn finish(mut self) -> Result<Arc<Run<K>>, StoreError> {
        let last = std::mem::replace(&mut self.builder, PageBuilder::new(Layout::Bare));
        if let Some(page) = last.finish() {
            self.write(page)?;
        }
        self.close_filter()?;
        let fences = self.fences.as_flattened().to_vec();
        let stored = Directory { slots: self.slots, fences, filters: self.filters };
        let bytes = codec::encode(&stored);
        let parts = bytes.chunks(MAX_PAGE_BYTES - NEXT_BYTES);
        let directory: Vec<u32> = parts.clone().map(|_| self.pages.take()).collect();
        let nexts = directory.iter().skip(1).copied().chain([NO_NEXT]);
        for ((part, slot), next) in parts.zip(&directory).zip(nexts) {
            self.pages.put(*slot, [&next.to_be_bytes()[..], part].concat())?;
        }
        let meta = RunMeta {
            number: self.number,
            level: self.level,
            records: self.records,
            directory: *directory.first().expect("a directory is never empty"),
            directory_bytes: bytes.len() as u64,
        };
        let Directory { slots, filters, .. } = stored;
        let (pages, fences, retired) = (self.pages, self.fences, AtomicBool::new(false));
        Ok(Arc::new(Run { meta, pages, slots, fences, filters, directory, retired }))
    }

    fn write(&mut self, page: Vec<u8>) -> Result<(), StoreError> {
        let slot = self.pages.take();
        self.slots.push(slot);
        self.pages.put(slot, page)
    }

    fn close_filter(&mut self) -> Result<(), StoreError> {
        let prefixes = std::mem::take(&mut self.prefixes);
        let filter = BinaryFuse8::try_from(&prefixes).map_err(|problem| {
            StoreError::damaged(format!("filter of run {}", self.number), problem)
        })?;
        self.filters.push(Part { last: prefixes.last().copied().unwrap_or(u64::MAX), filter });
        Ok(())
    }
}
