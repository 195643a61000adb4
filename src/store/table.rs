//! The tables of the embedded database: every value that is read is the one that was written
//! under its key, or an error names the place.
//!
//! sled sums what it writes to the disk, but not everything that it keeps, and what is wrong
//! beyond its sums it would hand on. So each value ends with a sum over key and value: one that
//! was altered, cut or put under another key isn't read (but for one in four thousand million).
//! Where sled meets what it can't make sense of it panics; here that becomes an error, too. A sum
//! isn't a proof, since whoever alters a value may sum it again: what proves is the log's tree, and
//! `fsck` recomputes all of it.
//!
//! A key may be reserved, with nothing under it: that is how slots begin and end (`slots.rs`).

use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sled::IVec;

use super::error::StoreError;
use super::keys;

/// The sum at the end of each value, in bytes: a CRC-32, which costs next to nothing.
pub(super) const SUM_BYTES: usize = 4;

/// A table: sled's tree, with sums.
#[derive(Clone)]
pub(super) struct Table {
    tree: sled::Tree,
}

impl Table {
    /// The table of that name, empty where there is none.
    pub(super) fn open(database: &sled::Db, name: &str) -> Result<Self, StoreError> {
        guarded(|| database.open_tree(name)).map(|tree| Self { tree })
    }

    /// The value under `key`.
    pub(super) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<IVec>, StoreError> {
        let key = key.as_ref();
        let value = guarded(|| self.tree.get(key))?.filter(|value| !value.is_empty());
        value.map(|value| self.checked(key, &value)).transpose()
    }

    /// Keys and values in the order of the keys, none of which is only reserved.
    pub(super) fn range<K: AsRef<[u8]>, R: RangeBounds<K>>(&self, range: R) -> Items {
        Items { table: self.clone(), items: self.tree.range(range) }
    }

    /// The last key, be it only reserved.
    pub(super) fn last_key(&self) -> Result<Option<IVec>, StoreError> {
        Ok(guarded(|| self.tree.last())?.map(|(key, _)| key))
    }

    /// Puts `value` under `key`.
    pub(super) fn insert(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let key = key.as_ref();
        let value = summed(key, value.into());
        guarded(|| self.tree.insert(key, value)).map(drop)
    }

    /// Puts a key there with nothing under it.
    pub(super) fn reserve(&self, key: impl AsRef<[u8]>) -> Result<(), StoreError> {
        guarded(|| self.tree.insert(key, &[])).map(drop)
    }

    /// Removes a key and what is under it.
    pub(super) fn remove(&self, key: impl AsRef<[u8]>) -> Result<(), StoreError> {
        guarded(|| self.tree.remove(key)).map(drop)
    }

    /// A value without its sum.
    fn checked(&self, key: &[u8], value: &IVec) -> Result<IVec, StoreError> {
        value
            .split_last_chunk()
            .filter(|(value, found)| **found == sum(key, value))
            .map(|(content, _)| value.subslice(0, content.len()))
            .ok_or_else(|| {
                let table = String::from_utf8_lossy(&self.tree.name()).into_owned();
                let problem = "it isn't what was written (its sum is another)";
                StoreError::damaged(keys::place(&table, key), problem)
            })
    }
}

/// Items of a table, from both ends.
pub(super) struct Items {
    table: Table,
    items: sled::Iter,
}

impl Items {
    fn checked(
        &self,
        item: Result<Option<(IVec, IVec)>, StoreError>,
    ) -> Option<Result<(IVec, IVec), StoreError>> {
        let checked =
            |(key, value): (IVec, IVec)| self.table.checked(&key, &value).map(|value| (key, value));
        item.transpose().map(|item| item.and_then(checked))
    }
}

impl Iterator for Items {
    type Item = Result<(IVec, IVec), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = guarded(|| self.items.next().transpose());
        self.checked(item)
    }
}

impl DoubleEndedIterator for Items {
    fn next_back(&mut self) -> Option<Self::Item> {
        let item = guarded(|| self.items.next_back().transpose());
        self.checked(item)
    }
}

/// Runs an operation of sled's, which panics here and there where its file is damaged or the disk
/// fails. What it was to write isn't acknowledged, so nothing half-done counts.
fn guarded<T>(operation: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    Ok(catch_unwind(AssertUnwindSafe(operation)).map_err(|_| StoreError::Panicked)??)
}

fn summed(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let sum = sum(key, &value);
    value.extend_from_slice(&sum);
    value
}

/// The sum over a value and the key that it stands under.
pub(super) fn sum(key: &[u8], value: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let database = sled::open(directory.path()).unwrap();
        let table = Table::open(&database, "table").unwrap();
        assert_eq!(table.last_key().unwrap(), None);
        table.insert(b"one", *b"1").unwrap();
        table.insert(b"two", *b"").unwrap();
        table.insert(b"three", *b"333").unwrap();
        assert_eq!(table.get(b"one").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(table.get(b"two").unwrap().as_deref(), Some(&b""[..]));
        let all = || table.range::<&[u8], _>(..).collect::<Result<Vec<_>, _>>();
        assert_eq!(all().unwrap().len(), 3);
        assert_eq!(table.range(&b"three"[..]..).next_back().unwrap().unwrap().0, b"two");

        // Altered anywhere, cut anywhere, or under another key.
        let tree = database.open_tree("table").unwrap();
        let stored = tree.get(b"three").unwrap().unwrap();
        for place in 0..stored.len() {
            let mut altered = stored.to_vec();
            altered[place] ^= 1;
            for value in [&altered, &stored[..place]] {
                tree.insert(b"three", value).unwrap();
                match table.get(b"three") {
                    Ok(None) if value.is_empty() => {}
                    Err(StoreError::Damaged { .. }) => {}
                    other => panic!("{other:?}"),
                }
                assert!(all().is_err());
            }
        }
        tree.insert(b"three", stored.clone()).unwrap();
        assert_eq!(all().unwrap().len(), 3);
        tree.insert(b"four", stored).unwrap();
        assert!(table.get(b"four").is_err());
        table.remove(b"four").unwrap();
        assert_eq!(all().unwrap().len(), 3);
    }
}
