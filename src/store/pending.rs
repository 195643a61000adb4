//! The ledger as it will be once a block is committed that isn't yet.
//!
//! The next block is drafted on it while that one is written: the disk and the rules work at the
//! same time. Nothing that is drafted here is signed before the block before it is durable.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::commit::Committer;
use super::error::StoreError;
use super::{Head, Store};
use crate::protocol::block::EncodedEntry;
use crate::protocol::hash::StateKey;
use crate::protocol::rules::{StateReader, StoredRecord};
use crate::protocol::verify::{Tip, VerifiedBlock};

/// A store, and a block on top of it that is still to be durable, if there is one.
pub struct Pending<'a> {
    store: Store,
    head: Arc<Head>,
    block: Option<&'a VerifiedBlock>,
}

impl<'a> Pending<'a> {
    /// The ledger as `store` is now, and `block`, which follows its head.
    pub fn new(store: Store, block: Option<&'a VerifiedBlock>) -> Self {
        let head = store.head();
        Self { store, head, block }
    }

    /// The end of the chain, pending block included.
    pub fn tip(&self) -> &Tip {
        self.block.map_or(&self.head.tip, VerifiedBlock::tip)
    }

    /// The size of the log that is committed.
    pub fn committed_size(&self) -> u64 {
        self.head.size()
    }

    /// The entry at `index` and the height of its block, or `None` beyond the end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entry(&self, index: u64) -> Result<Option<(EncodedEntry, u64)>, StoreError> {
        if let Some(block) = self.block
            && let Some(offset) = index.checked_sub(block.header().first_index)
        {
            let entry = usize::try_from(offset).ok().and_then(|offset| block.entries().get(offset));
            return Ok(entry.map(|entry| (entry.clone(), block.header().height)));
        }
        self.store.view().entry_and_height(index)
    }
}

impl StateReader for Pending<'_> {
    type Error = StoreError;

    fn read(&self, key: &StateKey) -> Result<Option<StoredRecord>, StoreError> {
        match self.block.and_then(|block| block.changes().get(key)) {
            Some(record) => Ok(Some(record.clone())),
            None => self.store.read(key),
        }
    }

    /// As many as the block before, which under load is of the same length.
    fn changes_to_expect(&self) -> usize {
        self.block.map_or(0, |block| block.changes().len())
    }
}

/// Whether a commit is over.
#[derive(Default)]
pub struct Progress {
    over: AtomicBool,
}

impl Progress {
    /// Whether the commit is over, well or not.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

impl Committer {
    /// Commits a block as [`Committer::commit`] does, and does something else meanwhile, which may
    /// look how far the commit is. `over` is called when it is over.
    ///
    /// # Errors
    /// [`StoreError`]; what follows from one is as for [`Committer::commit`].
    pub fn commit_meanwhile<T>(
        &mut self,
        block: &VerifiedBlock,
        over: impl FnOnce() + Send,
        meanwhile: impl FnOnce(&Progress) -> T,
    ) -> (Result<Arc<Head>, StoreError>, T) {
        self.meanwhile(|committer| committer.commit(block), over, meanwhile)
    }

    /// Appends a block as [`Committer::append`] does, and does something else meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]; what follows from one is as for [`Committer::commit`].
    pub fn append_meanwhile<T>(
        &mut self,
        block: &VerifiedBlock,
        over: impl FnOnce() + Send,
        meanwhile: impl FnOnce(&Progress) -> T,
    ) -> (Result<Arc<Head>, StoreError>, T) {
        self.meanwhile(|committer| committer.append(block), over, meanwhile)
    }

    fn meanwhile<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<Arc<Head>, StoreError> + Send,
        over: impl FnOnce() + Send,
        meanwhile: impl FnOnce(&Progress) -> T,
    ) -> (Result<Arc<Head>, StoreError>, T) {
        let (progress, threads) = (Progress::default(), self.threads.clone());
        let mut written = None;
        let other = threads.in_place_scope(|scope| {
            scope.spawn(|_| {
                // Whoever waits for the end waits for that of a panic, too.
                written = Some(catch_unwind(AssertUnwindSafe(|| write(self))));
                progress.over.store(true, Ordering::Release);
                over();
            });
            meanwhile(&progress)
        });
        let written = written.expect("a scope ends after all that was begun in it");
        (written.unwrap_or_else(|panic| resume_unwind(panic)), other)
    }
}
