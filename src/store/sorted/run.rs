//! One run: sorted pages, the first key of each, and filters over all keys.
//!
//! What is looked at before a page is read, the run's *directory*, is held in memory. In the run's
//! file it comes after the pages.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};

use bincode::{Decode, Encode};
use smallvec::SmallVec;
use xorf::{BinaryFuse8, Filter};

use super::file::{RunFile, RunFileWriter, RunFiles};
use super::page::{Layout, PageBuilder, Records};
use crate::protocol::codec;
use crate::store::error::StoreError;

/// The longest directory, in bytes: a run of a GiB has one of some hundred million.
const MAX_DIRECTORY_BYTES: usize = 1 << 30;
/// As many records as mostly are of one prefix on a page.
const RECORDS_OF_A_PAGE: usize = 64;
/// How many keys share a filter, at least: making one takes some 40 bytes of memory for each.
const FILTER_KEYS: usize = 1 << 20;

/// What the manifest says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct RunMeta {
    /// The run's number; a newer run's is higher.
    pub number: u64,
    /// 0 for what comes from memory, one more for each merge.
    pub level: u8,
    /// How many records it has.
    pub records: u64,
    /// Where its directory lies in its file.
    directory: (u64, u64),
}

/// What of a run is held in memory, as it is stored.
#[derive(Encode, Decode)]
struct Directory {
    /// Where each page ends, and the next begins.
    ends: Vec<u64>,
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
    file: RunFile,
    ends: Vec<u64>,
    fences: Vec<[u8; K]>,
    filters: Vec<Part>,
    /// Set when a merge has replaced the run: its file goes when its last reader does.
    retired: AtomicBool,
}

impl<const K: usize> Run<K> {
    /// Opens the run that the manifest describes.
    pub(super) fn open(files: &RunFiles, meta: RunMeta) -> Result<Arc<Self>, StoreError> {
        let damaged = |problem: &str| {
            StoreError::damaged(format!("directory of run {}", meta.number), problem)
        };
        let file = files.read(meta.number)?;
        let bytes = file.part(meta.directory.0..meta.directory.1)?;
        let stored = codec::decode_large::<Directory, MAX_DIRECTORY_BYTES>(&bytes)
            .map_err(|error| damaged(&error.to_string()))?;
        let (fences, rest) = stored.fences.as_chunks::<K>();
        if !rest.is_empty() || fences.len() != stored.ends.len() {
            return Err(damaged("not a key for each page"));
        }
        let Directory { ends, filters, .. } = stored;
        let (fences, retired) = (fences.to_vec(), AtomicBool::new(false));
        Ok(Arc::new(Self { meta, file, ends, fences, filters, retired }))
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
        let after = self.fences.partition_point(|fence| order(fence, key).is_le());
        let Some(number) = after.checked_sub(1) else { return Ok(None) };
        let page = self.page(number)?;
        let mut records = Records::<K>::new(&page);
        let found = records.by_ref().find(|(found, _)| order(found, key).is_ge());
        if found.is_none() && records.is_damaged() {
            return Err(self.damaged_page(number));
        }
        Ok(found.filter(|(found, _)| found == key).map(|(_, value)| read(value)))
    }

    /// The pages that may have keys from `first` to `last`.
    pub(super) fn pages_between(&self, first: &[u8; K], last: &[u8; K]) -> Range<usize> {
        let from = self.fences.partition_point(|fence| order(fence, first).is_le());
        let from = from.saturating_sub(1);
        let until = self.fences.partition_point(|fence| order(fence, last).is_le());
        from..until.max(from)
    }

    /// Looks at the records from `first` to `last`, which share their first eight bytes: at those of
    /// one page after the other, from the last on, until `look` says that it has seen enough.
    pub(in crate::store) fn look_back(
        &self,
        first: &[u8; K],
        last: &[u8; K],
        mut look: impl FnMut(&[([u8; K], &[u8])]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for number in self.pages_between(first, last).rev() {
            let page = self.page(number)?;
            let mut records = Records::<K>::new(&page);
            let within = records.by_ref().skip_while(|(key, _)| order(key, first).is_lt());
            let within = within.take_while(|(key, _)| order(key, last).is_le());
            let within: SmallVec<[_; RECORDS_OF_A_PAGE]> = within.collect();
            if records.next().is_none() && records.is_damaged() {
                return Err(self.damaged_page(number));
            }
            if look(&within)? {
                break;
            }
        }
        Ok(())
    }

    /// The run's number, which no other run ever has.
    pub(in crate::store) const fn number(&self) -> u64 {
        self.meta.number
    }

    pub(super) fn page(&self, number: usize) -> Result<Vec<u8>, StoreError> {
        let before = number.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(number).expect("a page for each fence");
        let page = self.file.part(before.copied().unwrap_or(0)..*end)?;
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

    /// Has all of the run in memory, if there is room.
    pub(super) fn read_ahead(&self) -> Result<(), StoreError> {
        self.file.read_ahead()
    }

    /// How long its file is, in bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.meta.directory.1
    }

    /// Says that the run has been replaced.
    pub(in crate::store) fn retire(&self) {
        self.retired.store(true, Release);
    }
}

impl<const K: usize> Drop for Run<K> {
    fn drop(&mut self) {
        if !self.retired.load(Acquire) {
            return;
        }
        if let Err(error) = self.file.remove() {
            // The next start removes it.
            tracing::warn!(run = self.meta.number, %error, "can't remove a merged run");
        }
    }
}

/// The first eight bytes of a key: what a filter knows it by.
pub(super) fn prefix<const K: usize>(key: &[u8; K]) -> u64 {
    u64::from_be_bytes(*key.first_chunk().expect("keys begin with eight bytes of a digest"))
}

/// Which of two keys is first. Their first eight bytes mostly decide.
pub(super) fn order<const K: usize>(one: &[u8; K], other: &[u8; K]) -> Ordering {
    prefix(one).cmp(&prefix(other)).then_with(|| one.cmp(other))
}

/// Writes a run, record by record.
pub(in crate::store) struct RunWriter<const K: usize> {
    file: RunFileWriter,
    number: u64,
    level: u8,
    records: u64,
    builder: PageBuilder,
    ends: Vec<u64>,
    fences: Vec<[u8; K]>,
    filters: Vec<Part>,
    /// The prefixes that no filter has yet, each once.
    prefixes: Vec<u64>,
}

impl<const K: usize> RunWriter<K> {
    pub(super) fn new<V>(files: &RunFiles, number: u64, level: u8) -> Self {
        let layout = if size_of::<V>() == 0 { Layout::Bare } else { Layout::Valued };
        Self {
            file: files.create(number),
            number,
            level,
            records: 0,
            builder: PageBuilder::new(layout),
            ends: Vec::new(),
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
            self.write(&page)?;
        }
        self.records += 1;
        let prefix = prefix(key);
        if self.prefixes.last() != Some(&prefix) {
            self.prefixes.push(prefix);
        }
        Ok(())
    }

    /// The run; `None` of no records. It MUST survive a power cut when this returns, if the names
    /// of files do ([`RunFiles::sync_names`]).
    pub(super) fn finish(mut self) -> Result<Option<Arc<Run<K>>>, StoreError> {
        let last = std::mem::replace(&mut self.builder, PageBuilder::new(Layout::Bare));
        let Some(page) = last.finish() else { return Ok(None) };
        self.write(&page)?;
        self.close_filter()?;
        let fences = self.fences.as_flattened().to_vec();
        let stored = Directory { ends: self.ends, fences, filters: self.filters };
        let directory = self.file.push(&codec::encode(&stored))?;
        let meta = RunMeta {
            number: self.number,
            level: self.level,
            records: self.records,
            directory: (directory.start, directory.end),
        };
        let Directory { ends, filters, .. } = stored;
        let (file, fences, retired) = (self.file.finish()?, self.fences, AtomicBool::new(false));
        Ok(Some(Arc::new(Run { meta, file, ends, fences, filters, retired })))
    }

    fn write(&mut self, page: &[u8]) -> Result<(), StoreError> {
        let place = self.file.push(page)?;
        self.ends.push(place.end);
        Ok(())
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
