//! Slots: numbered values of a few KB in sled, each written once.
//!
//! sled keeps up to 16 items in a leaf of its tree. When one more comes, it cuts the leaf in two
//! and writes both halves again; after nine changes of a leaf it writes it again, too. That is
//! meant for small items. Values of 6 KB that are simply appended are written 3.7 times each,
//! and the file grows to 1.7 times what is in it.
//!
//! So the keys come first, with nothing under them: leaves are cut while they are empty, and end
//! up with nine keys each. Then the values come, one change each, and a leaf has no tenth. That
//! writes 1.05 times what is stored, and the file is as large. A test below compares.
//!
//! Invariants:
//! - Keys are put there one by one, in order, and are never removed. A batch would make longer
//!   leaves, whose tenth change writes all of them again.
//! - There are always keys for [`RESERVED_AHEAD`] slots beyond the last value, so that the leaf
//!   that is cut next is empty.
//! - A key that is only reserved means that nothing was written.

use std::sync::{Mutex, PoisonError};

use super::error::StoreError;
use super::table::Table;

/// The longest value that the store writes, in bytes: sled moves a leaf of more than 128 KB or so
/// into a file of its own, which it never syncs.
pub(super) const MAX_VALUE_BYTES: usize = 6 * 1024;

/// For how many slots keys are there before they are needed: more than the two leaves that a cut
/// concerns.
const RESERVED_AHEAD: u64 = 64;

/// How many keys there are for each slot.
///
/// Not every key is used. Whoever reads a value has sled read all of its leaf, nine keys' worth: with
/// two keys to a chunk of leaves, an entry by its id takes three quarters of the time, for 20 bytes
/// more an entry on the disk.
pub(super) const STRIDE: u64 = 2;

/// A sequence of slots.
pub(super) struct Slots {
    table: Table,
    /// How many keys there are.
    reserved: Mutex<u64>,
}

impl Slots {
    pub(super) fn open(table: Table) -> Result<Self, StoreError> {
        let reserved = match table.last_key()? {
            None => 0,
            Some(key) => match key.as_ref().try_into().map(u64::from_be_bytes) {
                Ok(last) if last < u64::MAX => last + 1,
                _ => return Err(StoreError::damaged("slots", "a key is no number")),
            },
        };
        Ok(Self { table, reserved: Mutex::new(reserved) })
    }

    /// Writes a value, which isn't empty. It is not durable before the store is synced.
    pub(super) fn put(&self, slot: u64, value: Vec<u8>) -> Result<(), StoreError> {
        assert!(!value.is_empty(), "an empty slot is one that was never written");
        assert!(value.len() <= MAX_VALUE_BYTES, "a longer value wouldn't be durable");
        self.reserve(slot)?;
        self.table.insert(key(slot), value)
    }

    /// The value in a slot, if there is one.
    pub(super) fn get(&self, slot: u64) -> Result<Option<sled::IVec>, StoreError> {
        self.table.get(key(slot))
    }

    /// Puts the keys of `slot` and of those after it there.
    fn reserve(&self, slot: u64) -> Result<(), StoreError> {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        while *reserved < (slot + RESERVED_AHEAD) * STRIDE {
            self.table.reserve(reserved.to_be_bytes())?;
            *reserved += 1;
        }
        Ok(())
    }
}

fn key(slot: u64) -> [u8; 8] {
    (slot * STRIDE).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: u64 = 2_000;

    fn value(slot: u64) -> Vec<u8> {
        vec![u8::try_from(slot % 251 + 1).unwrap(); MAX_VALUE_BYTES]
    }

    /// Writes values with `put`; the length of sled's file.
    fn file_bytes(database: &sled::Db, put: impl Fn(u64, Vec<u8>)) -> u64 {
        for slot in 0..VALUES {
            put(slot, value(slot));
            if slot % 20 == 0 {
                database.flush().unwrap();
            }
        }
        database.flush().unwrap();
        database.size_on_disk().unwrap()
    }

    #[test]
    fn takes_little_more_than_is_stored() {
        let open = |directory: &tempfile::TempDir| {
            let config = sled::Config::new().path(directory.path());
            config.mode(sled::Mode::HighThroughput).flush_every_ms(None).open().unwrap()
        };
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let database = open(&one);
        let slots = Slots::open(Table::open(&database, "slots").unwrap()).unwrap();
        let in_slots = file_bytes(&database, |slot, value| slots.put(slot, value).unwrap());
        let plain = open(&two);
        let tree = plain.open_tree("plain").unwrap();
        let appended = file_bytes(&plain, |slot, value| {
            tree.insert(slot.to_be_bytes(), value).unwrap();
        });
        let stored = VALUES * MAX_VALUE_BYTES as u64;
        assert!(in_slots < stored / 4 * 5, "{in_slots} bytes for {stored}");
        assert!(in_slots < appended / 4 * 3, "{appended} bytes without slots, {in_slots} in them");
        for slot in (0..VALUES).step_by(7) {
            assert_eq!(slots.get(slot).unwrap().unwrap(), value(slot));
        }
        assert_eq!(slots.get(VALUES).unwrap(), None);
        assert_eq!(slots.get(1 << 40).unwrap(), None);
    }
}
