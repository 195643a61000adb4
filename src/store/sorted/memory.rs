//! Records that aren't written out yet.
//!
//! Records with values are looked up and changed one by one, so they are in a hash map. Keys alone
//! come by the thousand and are rarely looked for before they are written out, so they are in
//! *stretches*, sorted lists: each block's keys are one, and eight of about the same length are
//! put together. A hash map of them would take several times the memory, and a miss of the
//! processor's cache for each key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use twox_hash::XxHash3_64;

use super::cursor::Order;
use super::map::Value;
use super::run::prefix;
use crate::protocol::codec;

/// How many records are put in before a reader may have its turn.
pub(super) const RECORDS_A_TURN: usize = 32;
/// Of how many stretches one is made.
const JOIN_WIDTH: usize = 8;
/// The bytes of a key alone.
pub(super) const PAIR_BYTES: usize = 16;

/// The first and the last key of a range.
pub(super) type Bounds<'a, const K: usize> = (&'a [u8; K], &'a [u8; K]);

/// A key and its value as it is stored.
pub(super) type Encoded<const K: usize> = ([u8; K], Vec<u8>);

/// What is in memory of a map.
pub(in crate::store) trait Memory<const K: usize, V>:
    Default + Send + Sync
{
    /// An empty memory with room for as much.
    fn like(&self) -> Self;

    /// Puts records in, the latest of a key last; how many there are then. Readers may see some
    /// of them before others.
    fn extend(memory: &RwLock<Self>, records: impl Iterator<Item = ([u8; K], V)>) -> usize;

    /// The value of `key`.
    fn get(&self, key: &[u8; K]) -> Option<V>;

    /// The first `most` records, in `order`, of those from `first` to `last`; in the order of their
    /// keys. Where records are listed by prefix, those two share it.
    fn range(&self, bounds: Bounds<'_, K>, order: Order, most: usize) -> Vec<Encoded<K>>;

    /// All records, in the order of their keys.
    fn for_each<E>(&self, look: impl FnMut(&[u8; K], &V) -> Result<(), E>) -> Result<(), E>;
}

/// Records with values.
pub(in crate::store) struct Records<const K: usize, V> {
    records: HashMap<[u8; K], V, Seeded>,
}

impl<const K: usize, V> Default for Records<K, V> {
    fn default() -> Self {
        Self { records: HashMap::default() }
    }
}

impl<const K: usize, V: Value<K> + Send + Sync> Memory<K, V> for Records<K, V> {
    fn like(&self) -> Self {
        Self { records: HashMap::with_capacity_and_hasher(self.records.len(), Seeded::default()) }
    }

    fn extend(memory: &RwLock<Self>, records: impl Iterator<Item = ([u8; K], V)>) -> usize {
        let mut records = records.peekable();
        loop {
            let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
            memory.records.extend(records.by_ref().take(RECORDS_A_TURN));
            if records.peek().is_none() {
                return memory.records.len();
            }
        }
    }

    fn get(&self, key: &[u8; K]) -> Option<V> {
        self.records.get(key).cloned()
    }

    fn range(&self, (first, last): Bounds<'_, K>, order: Order, most: usize) -> Vec<Encoded<K>> {
        let within = self.records.iter().filter(|(key, _)| (first..=last).contains(key));
        let mut within: Vec<_> = within.map(|(key, value)| (*key, codec::encode(value))).collect();
        within.sort_unstable();
        few(within, order, most)
    }

    fn for_each<E>(&self, mut look: impl FnMut(&[u8; K], &V) -> Result<(), E>) -> Result<(), E> {
        let records = self.records.iter().map(|(key, value)| (prefix(key), key, value));
        let mut records: Vec<_> = records.collect();
        records.sort_unstable_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
        records.into_iter().try_for_each(|(_, key, value)| look(key, value))
    }
}

/// Hashes digests with a seed of its own: who chooses names could have many of them fall together
/// if it were their own bytes.
#[derive(Clone, Copy)]
pub(super) struct Seeded {
    seed: u64,
}

impl Default for Seeded {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(()) }
    }
}

impl BuildHasher for Seeded {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher { seed: self.seed, prefix: [0; 8] }
    }
}

pub(super) struct SeededHasher {
    seed: u64,
    prefix: [u8; 8],
}

impl Hasher for SeededHasher {
    fn finish(&self) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed, &self.prefix)
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(prefix) = bytes.first_chunk() {
            self.prefix = *prefix;
        }
    }

    // The length of an array, which says nothing.
    fn write_usize(&mut self, _: usize) {}
}

/// Keys alone, as numbers, in sorted stretches.
#[derive(Default)]
pub(in crate::store) struct Keys {
    stretches: Vec<Vec<u128>>,
    /// How many keys came the last time.
    latest: usize,
}

impl Keys {
    fn len(&self) -> usize {
        self.stretches.iter().map(Vec::len).sum()
    }

    /// How many stretches at the end are to become one with `more` keys, and how long that is.
    fn to_join(&self, more: usize) -> (usize, usize) {
        let (mut joined, mut length) = (0, more);
        loop {
            let before = self.stretches.iter().rev().skip(joined).map(Vec::len);
            let (mut alike, mut sum) = (0, 0);
            for keys in before.take_while(|keys| magnitude(*keys) <= magnitude(length)) {
                (alike, sum) = (alike + 1, sum + keys);
            }
            if alike + 1 < JOIN_WIDTH {
                return (joined, length);
            }
            (joined, length) = (joined + alike, length + sum);
        }
    }

    /// The keys of all stretches from the one at `from` on, and `more`, `length` in all.
    #[expect(clippy::stable_sort_primitive, reason = "quick with what is sorted in parts")]
    fn join(&self, from: usize, more: &[u128], length: usize) -> Vec<u128> {
        let mut all = Vec::with_capacity(length);
        let stretches = self.stretches.iter().skip(from).map(Vec::as_slice);
        stretches.chain([more]).for_each(|keys| all.extend_from_slice(keys));
        all.sort();
        all.dedup();
        all
    }
}

/// Of sorted records the first `most` in `order`, still sorted.
fn few<T>(mut sorted: Vec<T>, order: Order, most: usize) -> Vec<T> {
    match order {
        Order::Ascending => sorted.truncate(most),
        Order::Descending => drop(sorted.drain(..sorted.len().saturating_sub(most))),
    }
    sorted
}

/// How many times [`JOIN_WIDTH`] goes into a length.
fn magnitude(length: usize) -> u32 {
    length.checked_ilog(JOIN_WIDTH).unwrap_or(0)
}

impl Memory<PAIR_BYTES, ()> for Keys {
    fn like(&self) -> Self {
        Self { stretches: Vec::new(), latest: self.latest }
    }

    fn extend(
        memory: &RwLock<Self>,
        records: impl Iterator<Item = ([u8; PAIR_BYTES], ())>,
    ) -> usize {
        let mut fresh: Vec<u128> = Vec::with_capacity(read(memory).latest);
        fresh.extend(records.map(|(key, ())| u128::from_be_bytes(key)));
        fresh.sort_unstable();
        fresh.dedup();
        let latest = fresh.len();
        // Nobody else writes, so readers need not wait for what follows.
        let (kept, fresh) = {
            let before = read(memory);
            let (joined, length) = before.to_join(fresh.len());
            let kept = before.stretches.len() - joined;
            (kept, if joined == 0 { fresh } else { before.join(kept, &fresh, length) })
        };
        let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.stretches.truncate(kept);
        memory.stretches.push(fresh);
        memory.latest = latest;
        memory.len()
    }

    fn get(&self, key: &[u8; PAIR_BYTES]) -> Option<()> {
        let key = u128::from_be_bytes(*key);
        self.stretches.iter().any(|keys| keys.binary_search(&key).is_ok()).then_some(())
    }

    fn range(
        &self,
        (first, last): Bounds<'_, PAIR_BYTES>,
        order: Order,
        most: usize,
    ) -> Vec<Encoded<PAIR_BYTES>> {
        let (first, last) = (u128::from_be_bytes(*first), u128::from_be_bytes(*last));
        let mut within: Vec<u128> = Vec::new();
        for keys in &self.stretches {
            let from = keys.partition_point(|key| *key < first);
            let until = keys.partition_point(|key| *key <= last).max(from);
            within.extend_from_slice(keys.get(from..until).unwrap_or_default());
        }
        within.sort_unstable();
        within.dedup();
        let within = few(within, order, most);
        within.into_iter().map(|key| (key.to_be_bytes(), Vec::new())).collect()
    }

    fn for_each<E>(
        &self,
        mut look: impl FnMut(&[u8; PAIR_BYTES], &()) -> Result<(), E>,
    ) -> Result<(), E> {
        let all = self.join(0, &[], self.len());
        all.into_iter().try_for_each(|key| look(&key.to_be_bytes(), &()))
    }
}

pub(super) fn read<M>(memory: &RwLock<M>) -> RwLockReadGuard<'_, M> {
    memory.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_found_however_they_were_joined(blocks in prop::collection::vec(
            prop::collection::vec(0..3000u128, 0..40), 0..200,
        )) {
            let (memory, mut expected) = (RwLock::new(Keys::default()), BTreeSet::new());
            for block in &blocks {
                Keys::extend(&memory, block.iter().map(|key| (key.to_be_bytes(), ())));
                expected.extend(block.iter().copied());
            }
            let memory = read(&memory);
            for key in [0, 1, 2999] {
                let found = memory.get(&u128::to_be_bytes(key));
                prop_assert_eq!(found.is_some(), expected.contains(&key));
            }
            let mut all = Vec::new();
            let push = |key: &[u8; PAIR_BYTES], (): &()| -> Result<(), ()> {
                all.push(u128::from_be_bytes(*key));
                Ok(())
            };
            memory.for_each(push).unwrap();
            prop_assert_eq!(all, expected.iter().copied().collect::<Vec<_>>());
            let bounds = (&u128::to_be_bytes(100), &u128::to_be_bytes(900));
            let within = memory.range(bounds, Order::Ascending, usize::MAX);
            let within: Vec<_> = within.iter().map(|(key, _)| u128::from_be_bytes(*key)).collect();
            prop_assert_eq!(within, expected.range(100..=900).copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn stretches_stay_few() {
        let memory = RwLock::new(Keys::default());
        for block in 0..5000u128 {
            let keys = (0..3).map(|key| ((block * 3 + key).to_be_bytes(), ()));
            assert_eq!(Keys::extend(&memory, keys) as u128, block * 3 + 3);
            assert!(read(&memory).stretches.len() <= 5 * JOIN_WIDTH);
        }
    }
}
