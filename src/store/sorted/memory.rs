//! Records that aren't written out yet.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::run::prefix;

/// The records of a prefix, sorted. Mostly one.
type Few<const K: usize, V> = SmallVec<[([u8; K], V); 1]>;

/// Records in memory, by the first eight bytes of their keys.
pub(super) struct Memory<const K: usize, V> {
    /// Not hashed by their own bytes: who chooses names could have many of them fall together.
    records: HashMap<u64, Few<K, V>>,
    count: usize,
}

impl<const K: usize, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self { records: HashMap::default(), count: 0 }
    }
}

impl<const K: usize, V> Memory<K, V> {
    /// An empty memory with room for records of so many prefixes.
    pub(super) fn with_capacity(prefixes: usize) -> Self {
        Self { records: HashMap::with_capacity(prefixes), count: 0 }
    }

    /// How many prefixes there are.
    pub(super) fn prefixes(&self) -> usize {
        self.records.len()
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Puts a record in, in the place of an older one of the same key.
    pub(super) fn insert(&mut self, key: [u8; K], value: V) {
        let records = self.records.entry(prefix(&key)).or_default();
        // What shares a prefix mostly comes in order.
        if records.last().is_none_or(|(last, _)| *last < key) {
            records.push((key, value));
            self.count += 1;
            return;
        }
        match records.binary_search_by(|(found, _)| found.cmp(&key)) {
            Ok(place) => {
                if let Some(record) = records.get_mut(place) {
                    record.1 = value;
                }
            }
            Err(place) => {
                records.insert(place, (key, value));
                self.count += 1;
            }
        }
    }

    pub(super) fn get(&self, key: &[u8; K]) -> Option<&V> {
        let records = self.records.get(&prefix(key))?;
        let place = records.binary_search_by(|(found, _)| found.cmp(key)).ok()?;
        records.get(place).map(|(_, value)| value)
    }

    /// The records from `first` to `last`, which share a prefix.
    pub(super) fn range(&self, first: &[u8; K], last: &[u8; K]) -> &[([u8; K], V)] {
        let records = self.records.get(&prefix(first)).map(SmallVec::as_slice).unwrap_or_default();
        let from = records.partition_point(|(key, _)| key < first);
        let until = records.partition_point(|(key, _)| key <= last).max(from);
        records.get(from..until).unwrap_or_default()
    }

    /// All records, in the order of their keys.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &([u8; K], V)> {
        let mut prefixes: Vec<_> = self.records.iter().collect();
        prefixes.sort_unstable_by_key(|(prefix, _)| **prefix);
        prefixes.into_iter().flat_map(|(_, records)| records)
    }
}
