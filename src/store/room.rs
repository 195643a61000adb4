//! Whether the disk takes what the next block needs.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::error::StoreError;

/// The fewest bytes that must be free for a block to be begun. Merges of runs take more, and wait
/// until there is as much.
pub const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// The fewest bytes that must be free for sealing to be taken up again: some more, so that it
/// doesn't go back and forth at the limit.
pub const RESUME_FREE_BYTES: u64 = 80 * 1024 * 1024;
/// How much is written to try the disk: a full block in the guard and the store, with the room
/// that the database takes around it.
const TRIAL_BYTES: u64 = 16 * 1024 * 1024;
/// How much of it is written at a time.
const PIECE_BYTES: usize = 1024 * 1024;
/// The file that is written to try the disk, in the data directory.
const TRIAL_FILE: &str = "trial";

/// Whether there is room for a block.
///
/// # Errors
/// [`StoreError::Full`]. A file system that doesn't say has room.
pub fn check_free(directory: &Path, wanted: u64) -> Result<(), StoreError> {
    match fs2::available_space(directory) {
        Ok(free) if free < wanted => Err(StoreError::Full { free, wanted }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Tries whether the disk takes writes: writes as much as a full block and the database's next
/// opening take, syncs it, and removes it. Quotas and worn disks show only so.
///
/// # Errors
/// [`StoreError`].
pub fn try_writing(directory: &Path) -> Result<(), StoreError> {
    check_free(directory, RESUME_FREE_BYTES)?;
    let path = directory.join(TRIAL_FILE);
    let tried = write_trial(&path, TRIAL_BYTES + snapshot_bytes(directory));
    let removed = remove_trial(directory);
    tried.map_err(StoreError::io("write", &path)).and(removed)
}

/// Removes what a trial left that was cut short.
pub(super) fn remove_trial(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(TRIAL_FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(StoreError::io("remove", &path)),
    }
}

fn write_trial(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    // Nothing that a file system could make smaller.
    let mut piece = vec![0; PIECE_BYTES];
    blake3::Hasher::new().finalize_xof().fill(&mut piece);
    for _ in 0..bytes.div_ceil(PIECE_BYTES as u64) {
        file.write_all(&piece)?;
    }
    file.sync_all()
}

/// What sled's snapshot takes: it writes a new one when it is opened, before it removes the old.
fn snapshot_bytes(directory: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(directory.join("store")) else { return 0 };
    let snapshots = files
        .flatten()
        .filter(|file| file.file_name().to_string_lossy().starts_with("snap."))
        .filter_map(|file| file.metadata().ok());
    snapshots.map(|metadata| metadata.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(TRIAL_FILE), "cut short").unwrap();
        try_writing(directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(try_writing(&directory.path().join("missing")).is_err());
    }

    #[test]
    fn too_little_room_is_said_in_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let full = check_free(directory.path(), u64::MAX);
        assert!(matches!(full, Err(StoreError::Full { wanted: u64::MAX, .. })), "{full:?}");
        check_free(directory.path(), 0).unwrap();
    }
}
