//! Several sorted sequences as one; of equal keys, the first sequence's record counts.

use super::run::{Order, Record};
use crate::store::error::StoreError;

/// A sorted sequence.
pub(in crate::store) type Source<'a, const K: usize> =
    Box<dyn Iterator<Item = Result<Record<K>, StoreError>> + 'a>;

/// A merge of sorted sequences, the newest first.
pub(in crate::store) struct Merge<'a, const K: usize> {
    sources: Vec<Source<'a, K>>,
    /// The next record of each source.
    heads: Vec<Option<Record<K>>>,
    /// An error met while looking ahead: said once, then the end.
    failed: Option<StoreError>,
    order: Order,
    started: bool,
}

impl<'a, const K: usize> Merge<'a, K> {
    /// The sequences must all come in `order`.
    pub(in crate::store) fn new(sources: Vec<Source<'a, K>>, order: Order) -> Self {
        let heads = sources.iter().map(|_| None).collect();
        Self { sources, heads, failed: None, order, started: false }
    }

    fn advance(&mut self, place: usize) {
        let next = self.sources.get_mut(place).and_then(Iterator::next).transpose();
        if let Some(head) = self.heads.get_mut(place) {
            match next {
                Ok(record) => *head = record,
                Err(error) => self.failed = Some(error),
            }
        }
    }
}

impl<const K: usize> Iterator for Merge<'_, K> {
    type Item = Result<Record<K>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            self.started = true;
            (0..self.sources.len()).for_each(|place| self.advance(place));
        }
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        // A handful of sources: looking at each head is as quick as a heap.
        let keys = self.heads.iter().flatten().map(|(key, _)| *key);
        let next = match self.order {
            Order::Ascending => keys.min(),
            Order::Descending => keys.max(),
        }?;
        let mut newest = None;
        for place in 0..self.heads.len() {
            if self.heads.get(place).and_then(Option::as_ref).is_some_and(|head| head.0 == next) {
                let record = self.heads.get_mut(place).and_then(Option::take);
                newest = newest.or(record);
                self.advance(place);
            }
        }
        newest.map(Ok)
    }
}
