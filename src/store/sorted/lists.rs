//! Records that aren't written out yet, of which many share the first eight bytes of their keys and
//! are asked for together.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use smallvec::SmallVec;

use super::cursor::Order;
use super::map::Value;
use super::memory::{Bounds, Encoded, Memory, RECORDS_A_TURN, Seeded};
use super::run::prefix;
use crate::protocol::codec;

/// The records of a prefix, sorted.
type List<const K: usize, V> = SmallVec<[([u8; K], V); 1]>;

/// Records by the first eight bytes of their keys.
pub(in crate::store) struct Lists<const K: usize, V> {
    lists: HashMap<[u8; 8], List<K, V>, Seeded>,
    records: usize,
}

impl<const K: usize, V> Default for Lists<K, V> {
    fn default() -> Self {
        Self { lists: HashMap::default(), records: 0 }
    }
}

impl<const K: usize, V> Lists<K, V> {
    fn insert(&mut self, key: [u8; K], value: V) {
        let list = self.lists.entry(prefix(&key).to_be_bytes()).or_default();
        // What shares a prefix mostly comes in order.
        if list.last().is_none_or(|(last, _)| *last < key) {
            list.push((key, value));
            self.records += 1;
            return;
        }
        match list.binary_search_by(|(found, _)| found.cmp(&key)) {
            Ok(place) => {
                if let Some(record) = list.get_mut(place) {
                    record.1 = value;
                }
            }
            Err(place) => {
                list.insert(place, (key, value));
                self.records += 1;
            }
        }
    }

    /// The records from `first` to `last`, which share a prefix.
    pub(super) fn within(&self, (first, last): Bounds<'_, K>) -> &[([u8; K], V)] {
        let records = self.list(first);
        let from = records.partition_point(|(key, _)| key < first);
        let until = records.partition_point(|(key, _)| key <= last).max(from);
        records.get(from..until).unwrap_or_default()
    }

    fn list(&self, key: &[u8; K]) -> &[([u8; K], V)] {
        self.lists.get(&prefix(key).to_be_bytes()).map(SmallVec::as_slice).unwrap_or_default()
    }
}

impl<const K: usize, V: Value<K> + Send + Sync> Memory<K, V> for Lists<K, V> {
    fn like(&self) -> Self {
        let lists = HashMap::with_capacity_and_hasher(self.lists.len(), Seeded::default());
        Self { lists, records: 0 }
    }

    fn extend(memory: &RwLock<Self>, records: impl Iterator<Item = ([u8; K], V)>) -> usize {
        let mut records = records.peekable();
        loop {
            let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in records.by_ref().take(RECORDS_A_TURN) {
                memory.insert(key, value);
            }
            if records.peek().is_none() {
                return memory.records;
            }
        }
    }

    fn get(&self, key: &[u8; K]) -> Option<V> {
        let list = self.list(key);
        let place = list.binary_search_by(|(found, _)| found.cmp(key)).ok()?;
        list.get(place).map(|(_, value)| value.clone())
    }

    fn range(&self, bounds: Bounds<'_, K>, order: Order, most: usize) -> Vec<Encoded<K>> {
        let within = self.within(bounds);
        let few = match order {
            Order::Ascending => 0..within.len().min(most),
            Order::Descending => within.len().saturating_sub(most)..within.len(),
        };
        let few = within.get(few).unwrap_or_default().iter();
        few.map(|(key, value)| (*key, codec::encode(value))).collect()
    }

    fn for_each<E>(&self, mut look: impl FnMut(&[u8; K], &V) -> Result<(), E>) -> Result<(), E> {
        let mut lists: Vec<_> = self.lists.iter().collect();
        lists.sort_unstable_by_key(|(prefix, _)| **prefix);
        let mut records = lists.into_iter().flat_map(|(_, list)| list);
        records.try_for_each(|(key, value)| look(key, value))
    }
}
