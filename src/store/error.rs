//! What can go wrong in the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::protocol::hash::{ChainId, HeaderHash};

/// Why the store can't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The embedded database refused.
    #[error("the embedded database failed: {0}")]
    Database(#[from] sled::Error),
    /// What follows from the blocks couldn't be written out, by a thread of the store's own.
    #[error("what follows from the blocks couldn't be written out: {0}")]
    NotWrittenOut(Arc<Self>),
    /// The embedded database panicked.
    #[error("the embedded database panicked")]
    Panicked,
    /// Another process has the same data directory open.
    #[error("{} is in use by another process; stop that one first", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The store holds another chain.
    #[error(
        "the store holds chain {found}, the chain spec is of {expected}; use the spec that it was made with, or another directory"
    )]
    OtherChain {
        /// The chain in the store.
        found: ChainId,
        /// The chain of the spec.
        expected: ChainId,
    },
    /// Something in the store isn't what was written.
    #[error("the store is damaged at {place}: {problem}")]
    Damaged {
        /// Where.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// Guard and store name different blocks at one height: two stories.
    #[error(
        "the guard has block {guard} at height {height}, the store has {store}: one of them is of another history"
    )]
    Diverged {
        /// The height.
        height: u64,
        /// The guard's block.
        guard: HeaderHash,
        /// The store's block.
        store: HeaderHash,
    },
}

impl StoreError {
    /// For `map_err` after an operation on a file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Something that isn't what was written.
    pub(super) fn damaged(place: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Damaged { place: place.into(), problem: format!("{problem}") }
    }
}
