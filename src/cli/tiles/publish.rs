//! Publishing a log as files: what a node serves, for any web server.
//!
//! Invariants:
//! - The checkpoint is replaced last, by one rename, when all that it covers is durable. So whoever
//!   reads the directory, at any time and after any crash, finds every tile of the checkpoint there.
//! - A file is there whole or not at all, and a full tile never changes.
//! - A partial tile goes only when its full one is there, and the checkpoint after it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::ledger::Published;
use crate::node::files::{self, FileError};
use crate::protocol::checkpoint::{Checkpoint, CheckpointError, MAX_NOTE_BYTES};
use crate::protocol::hash::TreeHash;
use crate::protocol::tile_path::{TILE_WIDTH, TileKind, TilePath};
use crate::store::{StoreError, View};

/// The name of the checkpoint's file.
const CHECKPOINT: &str = "checkpoint";
/// The name of a tile that isn't whole yet. There is one at a time, so a crash leaves one at most.
const UNFINISHED: &str = "unfinished.new";

/// Why a log can't be published in a directory.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Genesis alone has no signature.
    #[error("there is nothing to publish yet: the ledger has no block but genesis")]
    Nothing,
    /// What is there is of another ledger, or damaged.
    #[error("{}: {error}; choose another directory", path.display())]
    Foreign {
        /// The checkpoint that is there.
        path: PathBuf,
        /// What is wrong with it.
        error: CheckpointError,
    },
    /// More was published than is here.
    #[error(
        "{} is of {published} leaves, the ledger has {own}: what was published isn't taken back",
        path.display()
    )]
    Ahead {
        /// The checkpoint that is there.
        path: PathBuf,
        /// Its size.
        published: u64,
        /// The ledger's.
        own: u64,
    },
    /// Something else was published than is here.
    #[error(
        "at size {size} the root here is {own}, but {} has a signed checkpoint with {published}: they are two histories, and one key signed both; keep both and find out why",
        path.display()
    )]
    Contradiction {
        /// The checkpoint that is there.
        path: PathBuf,
        /// The size of both.
        size: u64,
        /// Its root.
        published: TreeHash,
        /// The ledger's.
        own: TreeHash,
    },
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The ledger can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// How many tiles, of whatever kind.
    pub tiles: u64,
    /// The size of the log that was published before, in leaves.
    pub before: u64,
}

/// A log's size in leaves and the height of its last block.
#[derive(Clone, Copy, Default)]
struct Extent {
    size: u64,
    height: u64,
}

/// Writes what `directory` lacks of the log as it stands in `view`. `progress` is told how many
/// tiles were written, of how many. When this returns, all of it MUST survive a power cut.
pub fn publish(
    view: &View,
    directory: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Written, PublishError> {
    let now = Extent { size: view.head().size(), height: view.head().height() };
    let note = note(view, now.height)?;
    let before = published(view, directory)?;
    if before.size == now.size {
        return Ok(Written { tiles: 0, before: before.size });
    }
    let total = missing(before, now).count() as u64;
    let mut folders = BTreeSet::new();
    let mut tiles = 0;
    for path in missing(before, now) {
        let bytes = view.tile_bytes(path)?.ok_or_else(|| StoreError::Damaged {
            place: path.to_string(),
            problem: "the log is too short for it".to_owned(),
        })?;
        write(directory, path, &bytes, &mut folders)?;
        tiles += 1;
        progress(tiles, total);
    }
    for folder in &folders {
        files::sync_folder(folder)?;
    }
    // From here on it is published.
    files::write_text(&directory.join(CHECKPOINT), &note)?;
    remove_partials(directory, before, now)?;
    Ok(Written { tiles, before: before.size })
}

/// The signed checkpoint of the last block.
fn note(view: &View, height: u64) -> Result<String, PublishError> {
    match view.checkpoint(height)? {
        Some((checkpoint, Some(signature))) => {
            Ok(checkpoint.to_note(&view.head().header.authority, &signature))
        }
        _ => Err(PublishError::Nothing),
    }
}

/// How much of the log is published in `directory`.
fn published(view: &View, directory: &Path) -> Result<Extent, PublishError> {
    let path = directory.join(CHECKPOINT);
    if !path.try_exists().map_err(FileError::io("look for", &path))? {
        return Ok(Extent::default());
    }
    let (origin, keys) = (&view.chain().spec().origin, view.head().tip.succession.sealing_keys());
    let note = files::read_text(&path, MAX_NOTE_BYTES)?;
    let checkpoint = match Checkpoint::open_by_any(&note, origin, &keys) {
        Ok((checkpoint, _)) => checkpoint,
        Err(error) => return Err(PublishError::Foreign { path, error }),
    };
    match Published::compare(view, &checkpoint)? {
        Published::Held => {}
        Published::Newer { size, own } => {
            return Err(PublishError::Ahead { path, published: size, own });
        }
        Published::Contradicts { size, published, own } => {
            return Err(PublishError::Contradiction { path, size, published, own });
        }
    }
    let size = checkpoint.size;
    let height = size.checked_sub(1).map(|last| view.height_of(last)).transpose()?.flatten();
    Ok(Extent { size, height: height.unwrap_or(0) })
}

/// The tiles of a log that it didn't have before, or not as much of.
fn missing(before: Extent, now: Extent) -> impl Iterator<Item = TilePath> {
    TileKind::all().flat_map(move |kind| {
        let had = kind.items(before.size, before.height);
        let items = kind.items(now.size, now.height);
        let numbers = if items > had { had / TILE_WIDTH..items.div_ceil(TILE_WIDTH) } else { 0..0 };
        numbers.filter_map(move |number| TilePath::of(kind, number, items))
    })
}

/// Writes a tile, and adds the folders whose names must be made durable.
fn write(
    directory: &Path,
    path: TilePath,
    bytes: &[u8],
    folders: &mut BTreeSet<PathBuf>,
) -> Result<(), FileError> {
    let file = directory.join(path.to_string());
    let inside = file.ancestors().skip(1).take_while(|folder| folder.starts_with(directory));
    let new = inside.filter(|folder| !folders.contains(*folder)).map(Path::to_owned);
    let new: Vec<PathBuf> = new.collect();
    if let Some(folder) = new.first() {
        std::fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
    }
    folders.extend(new);
    files::replace(&file, &directory.join(UNFINISHED), bytes)
}

/// Removes partial tiles that are full now: those that were published before, and what an attempt
/// that was cut short may have left.
fn remove_partials(directory: &Path, before: Extent, now: Extent) -> Result<(), FileError> {
    for full in missing(before, now).filter(|path| !path.is_partial()) {
        let folder = directory.join(format!("{full}.p"));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::io("remove", &folder)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
