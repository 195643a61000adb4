//! Records that aren't written out yet, of which very many share the first eight bytes of their keys
//! and come in no order. Of equal keys, the first record counts.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::cursor::Order;
use super::map::Value;
use super::memory::{Bounds, Encoded, Memory, RECORDS_A_TURN};
use crate::protocol::codec;

/// Records by key.
pub(in crate::store) struct Tree<const K: usize, V> {
    records: BTreeMap<[u8; K], V>,
}

impl<const K: usize, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self { records: BTreeMap::new() }
    }
}

impl<const K: usize, V: Value<K> + Send + Sync> Memory<K, V> for Tree<K, V> {
    fn like(&self) -> Self {
        Self::default()
    }

    fn extend(memory: &RwLock<Self>, records: impl Iterator<Item = ([u8; K], V)>) -> usize {
        let mut records = records.peekable();
        loop {
            let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in records.by_ref().take(RECORDS_A_TURN) {
                memory.records.entry(key).or_insert(value);
            }
            if records.peek().is_none() {
                return memory.records.len();
            }
        }
    }

    fn get(&self, key: &[u8; K]) -> Option<V> {
        self.records.get(key).cloned()
    }

    fn range(&self, (first, last): Bounds<'_, K>, order: Order, most: usize) -> Vec<Encoded<K>> {
        let within = self.records.range(*first..=*last);
        let encoded = |(key, value): (&[u8; K], &V)| (*key, codec::encode(value));
        match order {
            Order::Ascending => within.take(most).map(encoded).collect(),
            Order::Descending => {
                let mut within: Vec<_> = within.rev().take(most).map(encoded).collect();
                within.reverse();
                within
            }
        }
    }

    fn for_each<E>(&self, mut look: impl FnMut(&[u8; K], &V) -> Result<(), E>) -> Result<(), E> {
        self.records.iter().try_for_each(|(key, value)| look(key, value))
    }
}
