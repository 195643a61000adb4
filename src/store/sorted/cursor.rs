//! Records in order: of one run, and of several sequences as one.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use super::page::Records;
use super::run::{Run, order, prefix};
use crate::store::error::StoreError;

/// In which order records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The least key first.
    Ascending,
    /// The greatest key first.
    Descending,
}

/// A place in a sorted sequence of records.
pub(in crate::store) trait Cursor<const K: usize> {
    /// The record there; `None` at the end.
    fn record(&self) -> Option<(&[u8; K], &[u8])>;

    /// Goes on to the next.
    fn advance(&mut self) -> Result<(), StoreError>;
}

/// The records from a cursor's place on, if that could be found. After an error there is nothing more.
pub(in crate::store) fn records<const K: usize>(
    cursor: Result<impl Cursor<K>, StoreError>,
) -> impl Iterator<Item = Result<([u8; K], Vec<u8>), StoreError>> {
    let mut cursor = Some(cursor);
    std::iter::from_fn(move || match cursor.take()? {
        Err(error) => Some(Err(error)),
        Ok(mut found) => {
            let (key, value) = found.record()?;
            let record = (*key, value.to_vec());
            cursor = Some(found.advance().map(|()| found));
            Some(Ok(record))
        }
    })
}

/// Records that are in memory already.
pub(super) struct Collected<const K: usize> {
    records: Vec<([u8; K], Vec<u8>)>,
    place: usize,
}

impl<const K: usize> Collected<K> {
    pub(super) fn new(mut records: Vec<([u8; K], Vec<u8>)>, order: Order) -> Self {
        if order == Order::Descending {
            records.reverse();
        }
        Self { records, place: 0 }
    }
}

impl<const K: usize> Cursor<K> for Collected<K> {
    fn record(&self) -> Option<(&[u8; K], &[u8])> {
        self.records.get(self.place).map(|(key, value)| (key, value.as_slice()))
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        self.place += 1;
        Ok(())
    }
}

/// The records of one run whose keys lie within a range, page by page.
pub(super) struct RunCursor<const K: usize> {
    run: Arc<Run<K>>,
    order: Order,
    first: [u8; K],
    last: [u8; K],
    /// Pages still to be read.
    pages: Range<usize>,
    page: Vec<u8>,
    /// The page's records to come, the next last: keys, and where in the page values lie.
    records: Vec<([u8; K], Range<usize>)>,
}

impl<const K: usize> RunCursor<K> {
    /// From `first` to `last`, both included.
    pub(super) fn new(
        run: &Arc<Run<K>>,
        first: [u8; K],
        last: [u8; K],
        order: Order,
    ) -> Result<Self, StoreError> {
        let pages = run.pages_between(&first, &last);
        let (run, page, records) = (run.clone(), Vec::new(), Vec::new());
        let mut cursor = Self { run, order, first, last, pages, page, records };
        cursor.read_on()?;
        Ok(cursor)
    }

    /// Reads pages until there is a record, or no page any more.
    fn read_on(&mut self) -> Result<(), StoreError> {
        while self.records.is_empty() {
            let next = match self.order {
                Order::Ascending => self.pages.next(),
                Order::Descending => self.pages.next_back(),
            };
            let Some(number) = next else { return Ok(()) };
            self.page = self.run.page(number)?;
            let mut records = Records::<K>::new(&self.page);
            while let Some((key, value)) = records.next() {
                if order(&key, &self.first).is_ge() && order(&key, &self.last).is_le() {
                    let end = records.offset();
                    self.records.push((key, end - value.len()..end));
                }
            }
            if records.is_damaged() {
                self.pages = 0..0;
                return Err(self.run.damaged_page(number));
            }
            if self.order == Order::Ascending {
                self.records.reverse();
            }
        }
        Ok(())
    }
}

impl<const K: usize> Cursor<K> for RunCursor<K> {
    fn record(&self) -> Option<(&[u8; K], &[u8])> {
        let (key, value) = self.records.last()?;
        let value = self.page.get(value.clone())?;
        Some((key, value))
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        self.records.pop();
        self.read_on()
    }
}

impl<const K: usize, C: Cursor<K> + ?Sized> Cursor<K> for Box<C> {
    fn record(&self) -> Option<(&[u8; K], &[u8])> {
        (**self).record()
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        (**self).advance()
    }
}

/// Several sorted sequences as one: of equal keys, the record of the first that has it counts.
pub(super) struct Merge<const K: usize> {
    sources: Vec<Box<dyn Cursor<K> + Send>>,
    /// The key of each source's record, so that comparing them reads no pages.
    heads: Vec<Option<Head<K>>>,
    order: Order,
    /// Which source has the next record.
    next: Option<usize>,
}

/// A key, and its first eight bytes as a number, which mostly decide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head<const K: usize> {
    prefix: u64,
    key: [u8; K],
}

impl<const K: usize> Merge<K> {
    pub(super) fn new(sources: Vec<Box<dyn Cursor<K> + Send>>, order: Order) -> Self {
        let heads = sources.iter().map(|source| head(&**source)).collect();
        let mut merge = Self { sources, heads, order, next: None };
        merge.find_next();
        merge
    }

    /// A handful of sources: looking at each is as quick as a heap. Of equal keys, the first.
    fn find_next(&mut self) {
        let heads = self.heads.iter().enumerate();
        let heads = heads.filter_map(|(place, head)| Some((head.as_ref()?, place)));
        let next = match self.order {
            Order::Ascending => heads.min(),
            Order::Descending => heads.max_by_key(|(head, place)| (*head, Reverse(*place))),
        };
        self.next = next.map(|(_, place)| place);
    }
}

fn head<const K: usize>(source: &dyn Cursor<K>) -> Option<Head<K>> {
    source.record().map(|(key, _)| Head { prefix: prefix(key), key: *key })
}

impl<const K: usize> Cursor<K> for Merge<K> {
    fn record(&self) -> Option<(&[u8; K], &[u8])> {
        self.sources.get(self.next?)?.record()
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        let Some(past) = self.next.and_then(|next| *self.heads.get(next)?) else { return Ok(()) };
        for (source, place) in self.sources.iter_mut().zip(&mut self.heads) {
            if *place == Some(past) {
                source.advance()?;
                *place = head(&**source);
            }
        }
        self.find_next();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sorted::file::RunFiles;
    use crate::store::sorted::run::RunWriter;

    #[test]
    fn a_record_may_be_longer_than_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let files = RunFiles::open(directory.path()).unwrap();
        let mut writer = RunWriter::<24>::new::<u64>(&files, 0, 0);
        // As long as terms may be in a leaf, and longer.
        let values: Vec<Vec<u8>> = [1, 65_535, 2, 70_000, 3].map(|length| vec![7; length]).to_vec();
        for (number, value) in (0u8..).zip(&values) {
            writer.push(&[number; 24], value).unwrap();
        }
        let run = writer.finish().unwrap().unwrap();
        for order in [Order::Ascending, Order::Descending] {
            let found = records(RunCursor::new(&run, [0; 24], [9; 24], order));
            let mut found: Vec<Vec<u8>> = found.map(|record| record.unwrap().1).collect();
            if order == Order::Descending {
                found.reverse();
            }
            assert_eq!(found, values);
        }
    }
}
