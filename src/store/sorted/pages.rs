//! Where the pages of all runs lie: slots that are used again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::error::StoreError;
use crate::store::slots::{Lifetime, Slots};
use crate::store::table::Table;

/// How many pages are written, at most, before they are synced: 256 KiB. sled notices that something
/// of its log is missing where what is on its way to the disk is less than a segment of it.
const PAGES_A_SYNC: usize = 64;

/// Makes everything written so far durable.
pub(in crate::store) type SyncPages = dyn Fn() -> Result<(), StoreError> + Send + Sync;

/// The pages of all runs. Cheap to clone.
#[derive(Clone)]
pub(in crate::store) struct PageStore {
    inner: Arc<Inner>,
}

struct Inner {
    slots: Slots,
    free: Mutex<Free>,
    sync: Arc<SyncPages>,
    /// How many pages were written since the last sync.
    unsynced: AtomicUsize,
}

/// Which slots belong to no run.
struct Free {
    /// Below `end`, the lowest last.
    slots: Vec<u32>,
    /// No run has a slot from here on.
    end: u32,
}

impl PageStore {
    /// Every slot counts as taken until [`PageStore::set_used`].
    pub(in crate::store) fn open(table: Table, sync: Arc<SyncPages>) -> Result<Self, StoreError> {
        let slots = Slots::open(table, Lifetime::Reused)?;
        let free = Mutex::new(Free { slots: Vec::new(), end: 0 });
        Ok(Self { inner: Arc::new(Inner { slots, free, sync, unsynced: AtomicUsize::new(0) }) })
    }

    /// Says which slots are in use; all others are free. What a crash left in those is written
    /// over.
    pub(in crate::store) fn set_used(&self, mut used: Vec<u32>) {
        used.sort_unstable();
        let end = used.last().map_or(0, |last| last + 1);
        let mut taken = used.into_iter().peekable();
        let mut slots: Vec<u32> =
            (0..end).filter(|slot| taken.next_if_eq(slot).is_none()).collect();
        slots.reverse();
        *self.free() = Free { slots, end };
    }

    /// Takes a free slot.
    pub(super) fn take(&self) -> u32 {
        let mut free = self.free();
        free.slots.pop().unwrap_or_else(|| {
            let slot = free.end;
            free.end = slot.checked_add(1).expect("sixteen tebibytes of pages");
            slot
        })
    }

    /// Empties slots and gives them back.
    pub(super) fn give_back(&self, slots: &[u32]) -> Result<(), StoreError> {
        for slot in slots {
            self.inner.slots.free(u64::from(*slot))?;
        }
        let mut free = self.free();
        free.slots.extend_from_slice(slots);
        // Low slots first keeps the rest of the file free for good.
        free.slots.sort_unstable_by(|left, right| right.cmp(left));
        Ok(())
    }

    /// Writes a page. It is not durable before the store is synced.
    pub(super) fn put(&self, slot: u32, page: Vec<u8>) -> Result<(), StoreError> {
        self.inner.slots.put(u64::from(slot), page)?;
        if self.inner.unsynced.fetch_add(1, Ordering::Relaxed) < PAGES_A_SYNC {
            return Ok(());
        }
        self.inner.unsynced.store(0, Ordering::Relaxed);
        (self.inner.sync)()
    }

    pub(super) fn get(&self, slot: u32) -> Result<sled::IVec, StoreError> {
        self.inner
            .slots
            .get(u64::from(slot))?
            .ok_or_else(|| StoreError::damaged(format!("page {slot} of the runs"), "it is missing"))
    }

    /// How many slots are taken.
    #[cfg(test)]
    pub(in crate::store) fn taken(&self) -> usize {
        let free = self.free();
        free.end as usize - free.slots.len()
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Free> {
        self.inner.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
