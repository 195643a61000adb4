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
    Database(sled::Error),
    /// What follows from the blocks couldn't be written out, by a thread of the store's own.
    #[error("what follows from the blocks couldn't be written out: {0}")]
    NotWrittenOut(Arc<Self>),
    /// The embedded database panicked.
    #[error(
        "the embedded database panicked: its file store/db is damaged, or the disk failed; `counterfoil fsck` may say more"
    )]
    Panicked,
    /// Too little room is left on the disk to begin a block.
    #[error("the disk is full: {free} bytes are free, {wanted} must be")]
    Full {
        /// How many bytes are free.
        free: u64,
        /// How many must be.
        wanted: u64,
    },
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
    /// The guard knows of blocks that the store lacks, so the directory can't be adopted.
    #[error(
        "the store ends at height {store}, but block {guard} was already signed: import the missing blocks first (`counterfoil mirror` or `import`)"
    )]
    BlocksMissing {
        /// The height that the guard has seen.
        guard: u64,
        /// The height of the store.
        store: u64,
    },
    /// The guard holds another chain's block.
    #[error(
        "the guard holds a block of chain {found}, the store is of {expected}: put back the guard that belongs to this store, or move the folder `guard` away and run `counterfoil adopt`"
    )]
    OtherGuard {
        /// The chain of the guard's block.
        found: ChainId,
        /// The chain of the store.
        expected: ChainId,
    },
    /// Guard and store name different blocks at one height: two stories.
    #[error(
        "the guard has block {guard} at height {height}, the store has {store}: two histories, and one key may have signed both; put back the guard and the store that belong together, and keep the others"
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

impl From<sled::Error> for StoreError {
    /// What sled read and can't be what was written is damage.
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Corruption { at, .. } => {
                let at =
                    at.map_or(String::new(), |at| format!(" at byte {} of store/db", at.lid()));
                Self::damaged(format!("the database{at}"), "it isn't what was written")
            }
            sled::Error::ReportableBug(problem) => Self::damaged("the database", problem),
            error => Self::Database(error),
        }
    }
}

impl StoreError {
    /// Whether it can pass by itself, as a full disk does. Damage and another history don't.
    pub fn can_pass(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Panicked | Self::Full { .. } | Self::Locked { .. } => true,
            Self::Database(error) => matches!(error, sled::Error::Io(_)),
            Self::NotWrittenOut(cause) => cause.can_pass(),
            Self::OtherChain { .. }
            | Self::OtherGuard { .. }
            | Self::BlocksMissing { .. }
            | Self::Damaged { .. }
            | Self::Diverged { .. } => false,
        }
    }

    /// What is the matter with the disk, in words for those who mustn't know more.
    pub fn in_general(&self) -> &'static str {
        use std::io::ErrorKind;
        match self.io_kind() {
            Some(ErrorKind::StorageFull) => "the disk is full",
            Some(ErrorKind::QuotaExceeded) => "the disk quota is used up",
            Some(ErrorKind::ReadOnlyFilesystem) => "the disk is read-only",
            Some(_) => "the disk failed",
            None => "the database failed",
        }
    }

    fn io_kind(&self) -> Option<std::io::ErrorKind> {
        match self {
            Self::Io { source, .. } | Self::Database(sled::Error::Io(source)) => {
                Some(source.kind())
            }
            Self::Full { .. } => Some(std::io::ErrorKind::StorageFull),
            Self::NotWrittenOut(cause) => cause.io_kind(),
            _ => None,
        }
    }

    /// Whether something that was written before it may not be on the disk, though reading gives
    /// it and a later sync succeeds (`doubt.rs`). Which call failed inside sled isn't known.
    pub(super) fn leaves_doubt(&self) -> bool {
        match self {
            Self::Io { action, .. } => *action == "sync",
            Self::Database(_) | Self::NotWrittenOut(_) | Self::Panicked => true,
            _ => false,
        }
    }

    /// For `map_err` after an operation on a file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Something that isn't what was written.
    pub(crate) fn damaged(place: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Damaged { place: place.into(), problem: format!("{problem}") }
    }
}
