//! A published log: its checkpoint and its tiles, wherever they are, none of them believed.
//!
//! | file | what |
//! |---|---|
//! | `source.rs` | a server or a directory, asked again where that may help |
//! | `hashes.rs` | the tree's hashes, checked against the signed root |
//! | `nodes.rs` | the root that it had at a smaller size |
//! | `leaves.rs` | bundles of leaves, cut and decoded |
//! | `publish.rs` | the other way round: a ledger's log as files |

mod hashes;
mod leaves;
mod nodes;
mod publish;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;

pub use hashes::Hashes;
pub use leaves::{Bundle, LeafContent, ReadLeaf};
pub use publish::publish;
pub use source::looks_published;

use self::source::Source;
use crate::protocol::checkpoint::{Checkpoint, CheckpointError, MAX_NOTE_BYTES, SignedBy};
use crate::protocol::hash::{DIGEST_BYTES, TreeHash};
use crate::protocol::key::PublicKey;
use crate::protocol::key::{SIGNATURE_BYTES, Signature};
use crate::protocol::spec::MAX_LEAF_BYTES;
use crate::protocol::tile_path::{TileKind, TilePath};

/// The most files that are read at the same time. Each is of [`MAX_BUNDLE_BYTES`] at most, which
/// bounds what waits in memory.
pub const MAX_READS: usize = 8;
/// The longest bundle of leaves, in bytes: 16 MiB.
const MAX_BUNDLE_BYTES: usize = 256 * (2 + MAX_LEAF_BYTES);
/// The longest tile of hashes, in bytes.
const MAX_TILE_BYTES: usize = 256 * DIGEST_BYTES;
/// The longest bundle of signatures, in bytes.
const MAX_SIGNATURES_BYTES: usize = 256 * SIGNATURE_BYTES;

/// A checkpoint as it was published.
pub struct PublishedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// All of it, with its signatures.
    pub note: String,
    /// Which of the keys that were known to seal signed it, if any did.
    pub signed_by: Option<SignedBy>,
}

impl PublishedCheckpoint {
    /// Checks that `authority`, who turned out to seal its last block, signed it.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn check(&self, authority: &PublicKey) -> Result<(), CheckpointError> {
        Checkpoint::open(&self.note, &self.checkpoint.origin, authority).map(|_| ())
    }
}

/// Why a published log can't be read, or isn't what its checkpoint says.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// There is no such file.
    #[error("{path} is not there")]
    Missing {
        /// Its path in the log.
        path: String,
    },
    /// There may be one, but nothing came.
    #[error("{path} can't be read: {cause}")]
    Unreadable {
        /// Its path in the log.
        path: String,
        /// What happened.
        cause: String,
    },
    /// More than there can be.
    #[error("{path} is longer than {limit_bytes} bytes")]
    TooLong {
        /// Its path in the log.
        path: String,
        /// The most that it can have.
        limit_bytes: usize,
    },
    /// Not as many items as its path says.
    #[error("{path} has {found} bytes, not {width} {items}")]
    WrongLength {
        /// Its path in the log.
        path: String,
        /// How many bytes it has.
        found: usize,
        /// How many items it must have.
        width: u64,
        /// What they are.
        items: &'static str,
    },
    /// A checkpoint that is no text.
    #[error("the checkpoint is not UTF-8")]
    NotText,
    /// No checkpoint of this ledger by its authority.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Hashes that the signed root doesn't come from.
    #[error("the served hash tiles don't lead to the root that the authority signed")]
    OtherRoot,
    /// A tile that isn't the one that the hash above it stands for.
    #[error(
        "the served hash tile {level}/{number} was altered: it isn't what the signed checkpoint commits to"
    )]
    Altered {
        /// Its level.
        level: u8,
        /// Its number.
        number: u64,
    },
}

impl TileError {
    /// Whether it says nothing of the log: another time it may be read.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Unreadable { .. })
    }
}

/// A log that somebody publishes. Cheap to clone.
#[derive(Clone)]
pub struct PublishedLog {
    source: Arc<Source>,
}

impl PublishedLog {
    /// The log at `place`: a URL or a directory.
    pub fn at(place: &str) -> anyhow::Result<Self> {
        if place.contains("://") {
            return Self::under(place);
        }
        let directory = PathBuf::from(place);
        if !directory.is_dir() {
            bail!("{place} is no directory; a URL begins with http:// or https://");
        }
        Ok(Self::inside(directory))
    }

    /// The log under a URL.
    pub fn under(url: &str) -> anyhow::Result<Self> {
        Ok(Self { source: Arc::new(Source::server(url)?) })
    }

    /// The log in a directory.
    pub fn inside(directory: PathBuf) -> Self {
        Self { source: Arc::new(Source::Directory(directory)) }
    }

    /// The checkpoint of the log of that origin, and whether one of `keys` signed it. Where none did, a
    /// change of the spec that is still to be read may put another in force: until that was seen, it is
    /// but a claim, and the caller MUST look at [`PublishedCheckpoint::check`] in the end.
    pub async fn checkpoint(
        &self,
        origin: &str,
        keys: &[PublicKey],
    ) -> Result<PublishedCheckpoint, TileError> {
        let bytes = self.source.read("checkpoint", MAX_NOTE_BYTES).await?;
        let note = String::from_utf8(bytes).map_err(|_| TileError::NotText)?;
        let (checkpoint, signed_by) = match Checkpoint::open_by_any(&note, origin, keys) {
            Ok((checkpoint, signed_by)) => (checkpoint, Some(signed_by)),
            Err(CheckpointError::NotSigned) => (Checkpoint::read(&note, origin)?, None),
            Err(error) => return Err(error.into()),
        };
        Ok(PublishedCheckpoint { checkpoint, note, signed_by })
    }

    /// The first `width` leaves of a bundle.
    pub async fn bundle(&self, number: u64, width: u64) -> Result<Bundle, TileError> {
        let asked = TilePath { kind: TileKind::Entries, number, width };
        let Tile { path, bytes } = self.tile(asked, MAX_BUNDLE_BYTES).await?;
        let count = usize::try_from(width).unwrap_or(usize::MAX);
        let cut = move || {
            let (leaves, rest) = leaves::cut(&bytes, count);
            let is_whole = leaves.last().is_some_and(Result::is_ok);
            // A full bundle goes on after the leaves that were asked for; a torn leaf is no excess.
            let excess = if path == asked && is_whole { rest.len() } else { 0 };
            Bundle { path: path.to_string(), leaves, excess }
        };
        let cut = tokio::task::spawn_blocking(cut).await;
        Ok(cut.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())))
    }

    /// The first `width` hashes of a tile.
    pub async fn hashes_of(
        &self,
        level: u8,
        number: u64,
        width: u64,
    ) -> Result<Vec<TreeHash>, TileError> {
        let path = TilePath { kind: TileKind::Hashes(level), number, width };
        let tile = self.tile(path, MAX_TILE_BYTES).await?;
        Ok(tile.items("hashes", path)?.into_iter().map(TreeHash).collect())
    }

    /// The first `width` signatures of a bundle.
    pub async fn signatures(&self, number: u64, width: u64) -> Result<Vec<Signature>, TileError> {
        let path = TilePath { kind: TileKind::Signatures, number, width };
        let tile = self.tile(path, MAX_SIGNATURES_BYTES).await?;
        Ok(tile.items("signatures", path)?.into_iter().map(Signature).collect())
    }

    /// A tile. A partial one may be gone when the full one is there, which begins with it.
    async fn tile(&self, path: TilePath, limit_bytes: usize) -> Result<Tile, TileError> {
        match self.source.read(&path.to_string(), limit_bytes).await {
            Err(TileError::Missing { path: missing }) if path.is_partial() => {
                match self.source.read(&path.full().to_string(), limit_bytes).await {
                    Ok(bytes) => Ok(Tile { path: path.full(), bytes }),
                    // What was asked for isn't there either.
                    Err(TileError::Missing { .. }) => Err(TileError::Missing { path: missing }),
                    Err(error) => Err(error),
                }
            }
            read => read.map(|bytes| Tile { path, bytes }),
        }
    }
}

/// How everybody may see it, without a password.
impl std::fmt::Display for PublishedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(f)
    }
}

/// A tile as it was read: perhaps the full one in place of a part.
struct Tile {
    path: TilePath,
    bytes: Vec<u8>,
}

impl Tile {
    /// Its items of `N` bytes each, of which it must have as many as its own path says: those
    /// that were asked for.
    fn items<const N: usize>(
        &self,
        items: &'static str,
        asked: TilePath,
    ) -> Result<Vec<[u8; N]>, TileError> {
        let (whole, rest) = self.bytes.as_chunks::<N>();
        if whole.len() as u64 != self.path.width || !rest.is_empty() {
            let (path, found) = (self.path.to_string(), self.bytes.len());
            return Err(TileError::WrongLength { path, found, width: self.path.width, items });
        }
        let asked = usize::try_from(asked.width).unwrap_or(usize::MAX);
        Ok(whole.iter().take(asked).copied().collect())
    }
}
