//! The guard: the last signed block, kept apart from the store.
//!
//! Invariants:
//! - A block's bytes are in the guard, synced, before the block is released to anybody.
//! - There are two slots, one for even heights and one for odd; writing a block never touches
//!   the slot of the block before it. A torn write therefore loses nothing that was released.
//! - Slots are overwritten in place, so that syncing one is mostly its data.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::disk::{open_or_make, sync_directory};
use super::error::StoreError;
use crate::protocol::block::MAX_BLOCK_WIRE_BYTES;

/// What a slot begins with.
const MAGIC: &[u8; 16] = b"counterfoil gd 1";
/// Magic, height, length and digest.
const PREAMBLE_BYTES: usize = 16 + 8 + 4 + 32;

/// The guard's two slots.
pub(super) struct Guard {
    slots: [Slot; 2],
    /// The block that couldn't be put in.
    missing: Option<Guarded>,
}

struct Slot {
    path: PathBuf,
    file: File,
}

/// A block as the guard keeps it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guarded {
    /// The block's height.
    pub height: u64,
    /// The block's canonical bytes.
    pub bytes: Vec<u8>,
}

impl Guard {
    /// Opens the slots in `directory`, making empty ones where there are none.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(StoreError::io("create", directory))?;
        let slots = [Slot::open(directory.join("even"))?, Slot::open(directory.join("odd"))?];
        sync_directory(directory)?;
        Ok(Self { slots, missing: None })
    }

    /// The latest block that is whole in the guard.
    pub(super) fn latest(&mut self) -> Result<Option<Guarded>, StoreError> {
        let mut latest: Option<Guarded> = None;
        for slot in &mut self.slots {
            if let Some(found) = slot.read()?
                && latest.as_ref().is_none_or(|latest| latest.height < found.height)
            {
                latest = Some(found);
            }
        }
        Ok(latest)
    }

    /// Puts a block in. When this returns, it MUST survive a power cut.
    pub(super) fn put(&mut self, height: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let put = self.slot(height).put(height, bytes);
        self.missing = put.is_err().then(|| Guarded { height, bytes: bytes.to_vec() });
        put
    }

    /// Puts in what couldn't be put in last, if anything. When this returns, it MUST survive a
    /// power cut.
    pub(super) fn put_missing(&mut self) -> Result<(), StoreError> {
        match self.missing.take() {
            Some(missing) => self.put(missing.height, &missing.bytes),
            None => Ok(()),
        }
    }

    fn slot(&mut self, height: u64) -> &mut Slot {
        let [even, odd] = &mut self.slots;
        if height.is_multiple_of(2) { even } else { odd }
    }
}

impl Slot {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        Ok(Self { file: open_or_make(&path)?, path })
    }

    /// The block in the slot, or `None` for an empty, torn or altered one.
    fn read(&mut self) -> Result<Option<Guarded>, StoreError> {
        let limit = (PREAMBLE_BYTES + MAX_BLOCK_WIRE_BYTES) as u64;
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| (&self.file).take(limit).read_to_end(&mut bytes))
            .map_err(StoreError::io("read", &self.path))?;
        Ok(parse(&bytes))
    }

    fn put(&mut self, height: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let length = u32::try_from(bytes.len()).expect("a block is a few MiB at most");
        let mut slot = Vec::with_capacity(PREAMBLE_BYTES + bytes.len());
        slot.extend_from_slice(MAGIC);
        slot.extend_from_slice(&height.to_be_bytes());
        slot.extend_from_slice(&length.to_be_bytes());
        slot.extend_from_slice(digest(height, bytes).as_bytes());
        slot.extend_from_slice(bytes);
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&slot))
            .map_err(StoreError::io("write", &self.path))?;
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))
    }
}

fn parse(slot: &[u8]) -> Option<Guarded> {
    let (magic, rest) = slot.split_first_chunk::<16>()?;
    let (height, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<32>()?;
    let bytes = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let height = u64::from_be_bytes(*height);
    let whole = magic == MAGIC && digest(height, bytes) == *expected;
    whole.then(|| Guarded { height, bytes: bytes.to_vec() })
}

fn digest(height: u64, bytes: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(&height.to_be_bytes()).update(bytes).finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_block_before_when_a_write_tears() {
        let directory = tempfile::tempdir().unwrap();
        let mut guard = Guard::open(directory.path()).unwrap();
        assert_eq!(guard.latest().unwrap(), None);
        guard.put(1, b"one, which is longer").unwrap();
        guard.put(2, b"two").unwrap();
        guard.put(3, b"three").unwrap();
        let mut guard = Guard::open(directory.path()).unwrap();
        assert_eq!(guard.latest().unwrap(), Some(Guarded { height: 3, bytes: b"three".to_vec() }));

        let path = directory.path().join("odd");
        let whole = std::fs::read(&path).unwrap();
        for torn in 0..PREAMBLE_BYTES + 5 {
            let mut bytes = whole.clone();
            bytes[torn] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            let two = Some(Guarded { height: 2, bytes: b"two".to_vec() });
            assert_eq!(guard_at(directory.path()), two, "byte {torn}");
            std::fs::write(&path, &whole[..torn]).unwrap();
            assert_eq!(guard_at(directory.path()), two, "cut at {torn}");
        }
    }

    fn guard_at(directory: &Path) -> Option<Guarded> {
        Guard::open(directory).unwrap().latest().unwrap()
    }
}
