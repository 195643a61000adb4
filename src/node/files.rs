//! A data directory and small files in it.
//!
//! | file | what |
//! |---|---|
//! | `spec.toml` | the chain spec that the ledger was made for |
//! | `store/`, `guard/`, `lock` | the store's own |
//! | `evidence/` | proofs that a key signed two histories |
//! | `network.key`, `bans.json` | the node's identity among its peers, and whom it doesn't let in |
//! | `sealing.key`, `sample.toml` | `counterfoil dev` only: its key and its sample data |

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::protocol::spec::{ChainSpec, MAX_SPEC_BYTES, SpecError};
use crate::protocol::verify::Chain;

/// The name of the chain spec in a data directory.
pub const SPEC_FILE: &str = "spec.toml";
/// The name of the network key in a data directory, unless the configuration names another file.
pub const NETWORK_KEY_FILE: &str = "network.key";
/// The name of the file in a data directory that says who is banned.
pub const BANS_FILE: &str = "bans.json";

/// Why a file of a data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// No data directory.
    #[error(
        "{} is no data directory, it has no {SPEC_FILE}; make one with `counterfoil init --spec FILE --dir {}`",
        .0.display(), .0.display()
    )]
    NotInitialised(PathBuf),
    /// The directory is of another chain.
    #[error(
        "{} already holds a ledger by another chain spec (chain {found}); choose another directory",
        path.display()
    )]
    OtherSpec {
        /// The data directory.
        path: PathBuf,
        /// The chain that it holds.
        found: crate::protocol::hash::ChainId,
    },
    /// The chain spec is no good.
    #[error("{}: {error}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SpecError,
    },
    /// Not UTF-8.
    #[error("{} is not a text file in UTF-8", .0.display())]
    NotText(PathBuf),
}

impl FileError {
    /// For `map_err` after an operation on a file.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Reads and checks a chain spec file.
///
/// # Errors
/// [`FileError`].
pub fn read_spec(path: &Path) -> Result<ChainSpec, FileError> {
    let text = read_text(path, MAX_SPEC_BYTES)?;
    ChainSpec::parse(&text).map_err(|error| FileError::Spec { path: path.to_owned(), error })
}

/// The chain of a data directory, by its own spec.
///
/// # Errors
/// [`FileError`]; [`FileError::NotInitialised`] for any other directory, or none.
pub fn chain_of(directory: &Path) -> Result<Arc<Chain>, FileError> {
    let path = directory.join(SPEC_FILE);
    match read_spec(&path) {
        Ok(spec) => Ok(Arc::new(Chain::new(spec))),
        Err(FileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(FileError::NotInitialised(directory.to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// Makes `directory` the data directory of the chain whose spec is `text`; fine if it is so
/// already.
///
/// # Errors
/// [`FileError`].
pub fn initialise(directory: &Path, text: &str) -> Result<Arc<Chain>, FileError> {
    let path = directory.join(SPEC_FILE);
    let spec =
        ChainSpec::parse(text).map_err(|error| FileError::Spec { path: path.clone(), error })?;
    let chain = Arc::new(Chain::new(spec));
    match chain_of(directory) {
        Ok(found) if found.id() == chain.id() => return Ok(found),
        Ok(found) => {
            return Err(FileError::OtherSpec { path: directory.to_owned(), found: found.id() });
        }
        Err(FileError::NotInitialised(_)) => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(directory).map_err(FileError::io("create", directory))?;
    write_text(&path, text)?;
    Ok(chain)
}

/// Reads a text file of at most `limit_bytes`; one that is longer comes cut, for the parser to
/// refuse.
///
/// # Errors
/// [`FileError`].
pub fn read_text(path: &Path, limit_bytes: usize) -> Result<String, FileError> {
    let bytes = read_bytes(path, limit_bytes)?;
    String::from_utf8(bytes).map_err(|_| FileError::NotText(path.to_owned()))
}

/// Reads a file of at most `limit_bytes` and one more, which tells that there were too many.
///
/// # Errors
/// [`FileError::Io`].
pub fn read_bytes(path: &Path, limit_bytes: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(FileError::io("open", path))?
        .take(limit_bytes as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(FileError::io("read", path))?;
    Ok(bytes)
}

/// Writes a text file whole or not at all. When this returns, it MUST survive a power cut.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    replace(path, &path.with_file_name(name), text.as_bytes())?;
    sync_parent(path).map_err(FileError::io("sync the folder of", path))
}

/// Writes a file whole or not at all: as `new` first, on the same disk. What is in it survives a
/// power cut; its name does when its folder was synced, too.
///
/// # Errors
/// [`FileError::Io`].
pub fn replace(path: &Path, new: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = File::create(new).map_err(FileError::io("create", new))?;
    file.write_all(bytes).map_err(FileError::io("write", new))?;
    file.sync_all().map_err(FileError::io("sync", new))?;
    std::fs::rename(new, path).map_err(FileError::io("create", path))
}

/// Makes the names of the files in a folder durable.
///
/// # Errors
/// [`FileError::Io`].
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::io("sync", folder))
}

/// Makes a file's name durable.
pub(super) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
