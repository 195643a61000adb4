//! Whether what the files seem to hold is on the disk, after a write or a sync that failed.
//!
//! When the kernel can't write a page back, it says so once and then takes the page for written:
//! reading it gives the new bytes as long as it stays in memory, and a later sync succeeds without
//! having written them. So after a failed sync nobody can tell what is on the disk; and sled, opened
//! anew, would build on bytes that a power cut takes away. Therefore every byte of the files in
//! doubt is written again, the same bytes in the same place, and synced, before anything is built
//! on them. What the kernel dropped from memory meanwhile reads as it is on the disk, which is for
//! recovery to judge, as after a power cut. All of it was never released.
//!
//! Invariants:
//! - The mark is a byte that is always there, so that setting it takes no room on a full disk.
//! - It is taken back only when the files in doubt were written again and synced.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::open_or_make;
use super::error::StoreError;

/// The mark's file, in the data directory.
const FILE_NAME: &str = "doubt";
/// What it holds when nothing is in doubt.
const SETTLED: u8 = b'0';
/// What it holds when something is.
const IN_DOUBT: u8 = b'1';
/// How much is read and written again at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// The mark of a data directory.
pub(super) struct Doubt {
    file: File,
    path: PathBuf,
    marked: AtomicBool,
}

impl Doubt {
    /// Opens the mark in `directory`, making it where there is none.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        let mut file = open_or_make(&path)?;
        let mut mark = [SETTLED];
        let length = file.read(&mut mark).map_err(StoreError::io("read", &path))?;
        let doubt = Self { file, path, marked: AtomicBool::new(mark == [IN_DOUBT]) };
        if length == 0 {
            doubt.write(SETTLED)?;
        }
        Ok(doubt)
    }

    /// Marks everything as being in doubt. Where even that fails, this process still knows.
    pub(super) fn mark(&self) {
        if self.marked.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Err(error) = self.write(IN_DOUBT) {
            tracing::warn!(%error, "can't note that writes may be missing: don't cut the power now");
        }
    }

    /// Writes `files` again if they are in doubt. Those that aren't there are passed over; nobody
    /// else may have any of them open.
    pub(super) fn settle(&self, files: &[PathBuf]) -> Result<(), StoreError> {
        if !self.marked.load(Ordering::SeqCst) {
            return Ok(());
        }
        for path in files {
            let bytes = rewrite(path)?;
            tracing::info!(file = %path.display(), bytes, "written again, since a sync failed");
        }
        self.write(SETTLED)?;
        self.marked.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn write(&self, mark: u8) -> Result<(), StoreError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&[mark]))
            .and_then(|()| file.sync_all())
            .map_err(StoreError::io("write", &self.path))
    }
}

/// Writes every byte of a file again and syncs it; how many there were.
fn rewrite(path: &Path) -> Result<u64, StoreError> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        opened => opened.map_err(StoreError::io("open", path))?,
    };
    // sled's threads may still be at a write that was under way when its database was closed.
    file.try_lock().map_err(|error| StoreError::io("lock", path)(error.into()))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    loop {
        let length = file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| file.read(&mut piece))
            .map_err(StoreError::io("read", path))?;
        let bytes = piece.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.write_all(bytes))
            .map_err(StoreError::io("write again", path))?;
        offset += length as u64;
    }
    file.sync_all().map_err(StoreError::io("sync", path))?;
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_doubt_stays_so_until_it_is_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let bytes: Vec<u8> =
            (0..3 * PIECE_BYTES + 7).map(|place| u8::try_from(place % 251).unwrap()).collect();
        std::fs::write(&one, &bytes).unwrap();
        let files = [one.clone(), two.clone()];
        let written = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();

        let doubt = Doubt::open(directory.path()).unwrap();
        let before = written(&one);
        doubt.settle(&files).unwrap();
        assert_eq!(written(&one), before, "nothing was in doubt");
        doubt.mark();
        drop(doubt);
        let doubt = Doubt::open(directory.path()).unwrap();
        let held = File::open(&one).unwrap();
        held.lock().unwrap();
        assert!(doubt.settle(&files).is_err(), "somebody may still write");
        held.unlock().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        doubt.settle(&files).unwrap();
        assert!(written(&one) > before, "written again");
        assert_eq!(std::fs::read(&one).unwrap(), bytes);
        assert!(!two.exists());
        let after = written(&one);
        Doubt::open(directory.path()).unwrap().settle(&files).unwrap();
        assert_eq!(written(&one), after, "settled for good");
    }
}
