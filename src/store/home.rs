//! Where a data directory lives, so that a copy of it doesn't seal.
//!
//! A small file beside the guard says which file it is: its inode number and when it was made.
//! Both stay when the directory is moved within its file system, mounted elsewhere or shown to a
//! container; neither comes along when it is copied, restored from a backup or unpacked from an
//! archive. A clone of the whole disk has both: there only what was published knows better.
//!
//! Invariants:
//! - The record is made before the first block that is sealed here, or when the operator adopts
//!   the directory, and never otherwise. A ledger that came from elsewhere has none.
//! - It is durable before a block is.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::disk::sync_directory;
use super::error::StoreError;

/// The record's name in the guard's directory.
const FILE: &str = "home";
/// The first line of the record.
const FIRST_LINE: &str = "counterfoil home 1";
/// More than any record has, in bytes.
const MAX_RECORD_BYTES: u64 = 1024;

/// The record of a data directory's place.
pub(super) struct Home {
    path: PathBuf,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The record is of this very file.
    Here,
    /// There is none yet, and the ledger is new.
    New,
    NotHere(NotAtHome),
}

/// Why a directory isn't known to be the one that seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAtHome {
    /// The record is of another file: this is a copy.
    Copied,
    /// There is no record: the ledger came from elsewhere, or the guard was lost.
    NoRecord,
}

impl Home {
    /// Reads the record in the guard's `directory`. A ledger that `is_new` needs none yet.
    pub(super) fn open(directory: &Path, is_new: bool) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let missing = if is_new { State::New } else { State::NotHere(NotAtHome::NoRecord) };
        let state = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing,
            Err(error) => return Err(StoreError::io("open", &path)(error)),
            Ok(file) => {
                let mut found = Vec::new();
                let read = (&file).take(MAX_RECORD_BYTES).read_to_end(&mut found);
                read.map_err(StoreError::io("read", &path))?;
                let expected = identity(&file).map_err(StoreError::io("look at", &path))?;
                match found.as_slice() {
                    // Of a new ledger it may not be durable: then it is made once more.
                    found if found == expected.as_bytes() && !is_new => State::Here,
                    // The machine stopped, or the disk refused, while it was made.
                    found if expected.as_bytes().starts_with(found) => missing,
                    _ => State::NotHere(NotAtHome::Copied),
                }
            }
        };
        Ok(Self { path, state })
    }

    /// Why this isn't known to be the directory that seals, if it isn't.
    pub(super) fn problem(&self) -> Option<NotAtHome> {
        match self.state {
            State::Here | State::New => None,
            State::NotHere(problem) => Some(problem),
        }
    }

    /// Makes the record of a new ledger, if this is one. It MUST survive a power cut when this
    /// returns.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        if self.state == State::New { self.adopt() } else { Ok(()) }
    }

    /// Takes note that a block came from elsewhere: a ledger that began so isn't at home.
    pub(super) fn received(&mut self) {
        if self.state == State::New {
            self.state = State::NotHere(NotAtHome::NoRecord);
        }
    }

    /// Records that the directory lives here. It MUST survive a power cut when this returns.
    pub(super) fn adopt(&mut self) -> Result<(), StoreError> {
        // In place: where a rename would give the file another number, this doesn't.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&self.path)
            .map_err(StoreError::io("create", &self.path))?;
        identity(&file)
            .and_then(|identity| {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(identity.as_bytes())?;
                file.sync_all()
            })
            .map_err(StoreError::io("write", &self.path))?;
        if let Some(folder) = self.path.parent() {
            sync_directory(folder)?;
        }
        self.state = State::Here;
        Ok(())
    }
}

/// What the record of this very file says. File systems that don't know when a file was made
/// leave its number alone to tell.
fn identity(file: &File) -> std::io::Result<String> {
    let metadata = file.metadata()?;
    let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or("unknown".to_owned(), |born| born.as_nanos().to_string());
    Ok(format!("{FIRST_LINE}\ninode {}\nborn {born}\n", inode(&metadata)))
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Where files have no number, when they were made must do.
#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(directory: &Path, is_new: bool) -> Option<NotAtHome> {
        Home::open(directory, is_new).unwrap().problem()
    }

    #[test]
    fn stays_through_a_move_and_not_through_a_copy() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("a")).unwrap();
        let mut home = Home::open(&at("a"), true).unwrap();
        assert_eq!(home.problem(), None);
        assert!(!at("a/home").exists(), "made when there is something to protect");
        home.settle().unwrap();
        assert_eq!(problem(&at("a"), false), None);

        std::fs::rename(at("a"), at("moved")).unwrap();
        assert_eq!(problem(&at("moved"), false), None);
        std::fs::create_dir(at("copy")).unwrap();
        std::fs::copy(at("moved/home"), at("copy/home")).unwrap();
        assert_eq!(problem(&at("copy"), false), Some(NotAtHome::Copied));
        assert_eq!(problem(&at("copy"), true), Some(NotAtHome::Copied), "even before a block");

        let mut copy = Home::open(&at("copy"), false).unwrap();
        copy.settle().unwrap();
        assert_eq!(problem(&at("copy"), false), Some(NotAtHome::Copied), "adopting is explicit");
        copy.adopt().unwrap();
        assert_eq!(problem(&at("copy"), false), None);
        assert_eq!(problem(&at("moved"), false), None, "what it was copied from isn't touched");
    }

    #[test]
    fn what_came_from_elsewhere_has_no_home() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(problem(directory.path(), false), Some(NotAtHome::NoRecord));
        std::fs::write(directory.path().join(FILE), "").unwrap();
        assert_eq!(problem(directory.path(), false), Some(NotAtHome::NoRecord));
        assert_eq!(problem(directory.path(), true), None, "torn before the first block");
        let mut home = Home::open(directory.path(), true).unwrap();
        home.received();
        home.settle().unwrap();
        assert_eq!(home.problem(), Some(NotAtHome::NoRecord));
    }

    #[test]
    fn an_altered_record_is_of_another_file() {
        let directory = tempfile::tempdir().unwrap();
        Home::open(directory.path(), true).unwrap().settle().unwrap();
        let path = directory.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(problem(directory.path(), false), Some(NotAtHome::Copied), "byte {place}");
        }
        std::fs::write(&path, whole).unwrap();
        assert_eq!(problem(directory.path(), false), None);
    }
}
