//! Why a mirror can't go on.

use crate::cli::tiles::TileError;
use crate::ledger::{AppendError, NotOpen};
use crate::protocol::hash::TreeHash;
use crate::store::StoreError;

/// Why a mirror can't go on. Whatever was appended before stays.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The published log can't be read, or isn't what its checkpoint says.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// Origin and key are the same, but the log begins with another genesis block.
    #[error(
        "another chain is published there: its log begins with the root {published}, the chain spec's with {own}"
    )]
    OtherChain {
        /// The root of what is published, at size 1.
        published: TreeHash,
        /// The genesis that the chain spec gives.
        own: TreeHash,
    },
    /// Two roots at one size, both under the authority's signature.
    #[error(
        "at size {size} the root here is {own}, in what is published and signed there it is {published}: they are two histories, and one key signed both; {}",
        if *is_kept { "the evidence is kept beside the ledger here, which follows that key no more: docs/equivocation.md" }
        else { "keep both and find out why" }
    )]
    Contradiction {
        /// The size of both.
        size: u64,
        /// The root there.
        published: TreeHash,
        /// The root here.
        own: TreeHash,
        /// Whether the proof of it is kept.
        is_kept: bool,
    },
    /// A leaf that can't be read.
    #[error("the leaf at index {index}, read from {path}: {problem}")]
    Leaf {
        /// Its log index.
        index: u64,
        /// The bundle that it is in.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A bundle that goes on after its last leaf.
    #[error("{path} has {excess} bytes after its last leaf")]
    Excess {
        /// The bundle.
        path: String,
        /// How much is too much.
        excess: usize,
    },
    /// More leaves before a header than a block can have.
    #[error(
        "block {height}, read from {path}: the entry at index {index} is beyond the limits of a block"
    )]
    TooLarge {
        /// The block's height.
        height: u64,
        /// The first entry that is too much.
        index: u64,
        /// The bundle that it is in.
        path: String,
    },
    /// The checkpoint's log doesn't end with a block.
    #[error("the log that the checkpoint covers ends within a block, at size {size}")]
    Open {
        /// The checkpoint's size.
        size: u64,
    },
    /// A block whose signature isn't published.
    #[error("block {height} is published without its signature")]
    Unsigned {
        /// Its height.
        height: u64,
    },
    /// A block that doesn't hold.
    #[error("{error} (read from {read_from})")]
    Block {
        /// What is wrong.
        error: Box<AppendError>,
        /// The files that it was read from.
        read_from: String,
    },
    /// The ledger here can't be written.
    #[error("{0}")]
    Failed(AppendError),
    /// All was appended, and it isn't as much as the checkpoint says.
    #[error("the checkpoint there covers {published} leaves, the blocks there come to {own}")]
    Short {
        /// The checkpoint's size.
        published: u64,
        /// What the ledger has now.
        own: u64,
    },
    /// The ledger here can't be read.
    #[error(transparent)]
    NotOpen(#[from] NotOpen),
    /// The ledger here can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MirrorError {
    /// Whether nothing is wrong, but nothing came.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Tile(error) if error.is_silence())
    }
}
