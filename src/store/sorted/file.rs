//! The files of runs: each is written once from front to back, then only read, and removed when its
//! run counts no more.
//!
//! Invariants:
//! - A file and its name are durable before a manifest names its run.
//! - What no manifest names when the store is opened is removed: a run that never counted, or one
//!   that a merge has replaced.
//! - A file is a sequence of parts. Each ends with a sum over itself, the number of its run and where
//!   it begins, so one that was altered or stands elsewhere isn't read.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::disk::sync_directory;
use crate::store::error::StoreError;
use crate::store::keys;
use crate::store::room::{RESUME_FREE_BYTES, check_free};
use crate::store::table::{SUM_BYTES, sum};

/// How much is written at once, in bytes.
const WRITE_BYTES: usize = 256 * 1024;
/// How much is written before it is synced, in bytes: a commit that syncs meanwhile waits for no
/// more than that.
const UNSYNCED_BYTES: usize = 4 * 1024 * 1024;

/// Makes the manifest that was written last durable.
pub(in crate::store) type SyncManifest = dyn Fn() -> Result<(), StoreError> + Send + Sync;

/// The directory of all runs. Cheap to clone.
#[derive(Clone)]
pub(in crate::store) struct RunFiles {
    directory: Arc<Path>,
}

impl RunFiles {
    /// Opens the directory, making it where there is none. Its name MUST survive a power cut when
    /// this returns.
    pub(in crate::store) fn open(directory: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(StoreError::io("create", directory))?;
        if let Some(around) = directory.parent() {
            sync_directory(around)?;
        }
        Ok(Self { directory: directory.into() })
    }

    /// Removes the files of all runs but those of these numbers, which a manifest names. `sync` MUST
    /// make that manifest durable: the one before may name what is removed.
    pub(in crate::store) fn keep(
        &self,
        numbers: impl Iterator<Item = u64>,
        sync: &SyncManifest,
    ) -> Result<(), StoreError> {
        let read = || StoreError::io("read", &self.directory);
        let kept: BTreeSet<PathBuf> = numbers.map(|number| self.path(number)).collect();
        let found = self.directory.read_dir().map_err(read())?.map(|item| Ok(item?.path()));
        let mut others: Vec<PathBuf> = found.collect::<Result<_, _>>().map_err(read())?;
        let is_run = |path: &Path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
        };
        others.retain(|path| is_run(path) && !kept.contains(path));
        if !others.is_empty() {
            sync()?;
        }
        let remove =
            |path: &PathBuf| std::fs::remove_file(path).map_err(StoreError::io("remove", path));
        others.iter().try_for_each(remove)
    }

    /// The file of a run that is to be written.
    pub(super) fn create(&self, number: u64) -> RunFileWriter {
        let (path, buffer) = (self.path(number), Vec::with_capacity(2 * WRITE_BYTES));
        RunFileWriter { number, path, file: None, buffer, written: 0, unsynced: 0 }
    }

    /// The file of a run that a manifest names.
    pub(super) fn read(&self, number: u64) -> Result<RunFile, StoreError> {
        let path = self.path(number);
        match File::open(&path) {
            Ok(file) => {
                let length = file.metadata().map_err(StoreError::io("look at", &path))?.len();
                Ok(RunFile { number, path, file, length })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(StoreError::damaged(format!("run {number}"), "its file is missing"))
            }
            Err(error) => Err(StoreError::io("open", &path)(error)),
        }
    }

    /// Whether there is room for a run of so many bytes, and for sealing to go on meanwhile.
    pub(in crate::store) fn have_room(&self, bytes: u64) -> bool {
        check_free(&self.directory, bytes.saturating_add(RESUME_FREE_BYTES)).is_ok()
    }

    /// Makes the names of files durable: those that are there MUST survive a power cut when this
    /// returns.
    pub(in crate::store) fn sync_names(&self) -> Result<(), StoreError> {
        sync_directory(&self.directory)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:010}"))
    }
}

/// A file that is whole.
pub(super) struct RunFile {
    number: u64,
    path: PathBuf,
    file: File,
    /// How long it is, in bytes.
    length: u64,
}

impl RunFile {
    /// The part that lies there, without its sum.
    pub(super) fn part(&self, place: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let damaged = |problem| {
            StoreError::damaged(format!("run {} at byte {}", self.number, place.start), problem)
        };
        if place.end > self.length {
            return Err(damaged("the file is cut short"));
        }
        let length = place.end.checked_sub(place.start).and_then(|bytes| bytes.try_into().ok());
        let mut part = vec![0; length.ok_or_else(|| damaged("no part lies there"))?];
        match read_exact_at(&self.file, &mut part, place.start) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(damaged("the file is cut short"));
            }
            Err(error) => return Err(StoreError::io("read", &self.path)(error)),
        }
        let content = part.len().saturating_sub(SUM_BYTES);
        let key = keys::pair(self.number, place.start);
        if part.get(content..) != Some(&sum(&key, part.get(..content).unwrap_or_default())) {
            return Err(damaged("it isn't what was written (its sum is another)"));
        }
        part.truncate(content);
        Ok(part)
    }

    /// Reads all of it, so that it is in memory: one by one, parts of a file that isn't take several
    /// times as long.
    pub(super) fn read_ahead(&self) -> Result<(), StoreError> {
        let io = || StoreError::io("read", &self.path);
        let mut file = File::open(&self.path).map_err(io())?;
        let mut piece = vec![0; WRITE_BYTES];
        while file.read(&mut piece).map_err(io())? > 0 {}
        Ok(())
    }

    /// Removes the file. What reads it may go on.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// A file that is being written. It is made when there is something to write, and removed if it isn't
/// finished: where the disk is full, what is left of it would keep it so.
pub(super) struct RunFileWriter {
    number: u64,
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    /// How much was written before what is in the buffer, in bytes.
    written: u64,
    /// How much of that isn't synced, in bytes.
    unsynced: usize,
}

impl Drop for RunFileWriter {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(run = self.number, %error, "can't remove what was written of a run");
        }
    }
}

impl RunFileWriter {
    /// Appends a part; where it lies.
    pub(super) fn push(&mut self, part: &[u8]) -> Result<Range<u64>, StoreError> {
        let start = self.length();
        self.buffer.extend_from_slice(part);
        self.buffer.extend_from_slice(&sum(&keys::pair(self.number, start), part));
        let end = self.length();
        if self.buffer.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(start..end)
    }

    /// The file as it is to be read. All of it MUST survive a power cut when this returns, if its
    /// name does ([`RunFiles::sync_names`]).
    pub(super) fn finish(mut self) -> Result<RunFile, StoreError> {
        self.write()?;
        let file = self.file.as_ref().expect("it was made to write to it");
        file.sync_all().map_err(StoreError::io("sync", &self.path))?;
        let file = self.file.take().expect("it is there");
        let path = std::mem::take(&mut self.path);
        Ok(RunFile { number: self.number, path, file, length: self.written })
    }

    fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let mut options = OpenOptions::new();
            let made = options.read(true).write(true).create(true).truncate(true);
            let made = made.open(&self.path).map_err(StoreError::io("create", &self.path))?;
            self.file.insert(made)
        };
        file.write_all(&self.buffer).map_err(StoreError::io("write", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.unsynced += self.buffer.len();
        self.buffer.clear();
        if self.unsynced >= UNSYNCED_BYTES {
            file.sync_data().map_err(StoreError::io("sync", &self.path))?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = bytes.get_mut(read..).unwrap_or_default();
        offset += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &RunFiles, number: u64, parts: &[&[u8]]) -> (RunFile, Vec<Range<u64>>) {
        let mut writer = files.create(number);
        let places = parts.iter().map(|part| writer.push(part).unwrap()).collect();
        (writer.finish().unwrap(), places)
    }

    #[test]
    fn parts_are_read_as_they_were_written_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let files = RunFiles::open(&directory.path().join("runs")).unwrap();
        let large = vec![7; WRITE_BYTES];
        let parts: [&[u8]; 4] = [b"one", &large, b"two", b"three"];
        let (_, places) = written(&files, 3, &parts);
        let file = files.read(3).unwrap();
        for (place, part) in places.iter().zip(parts) {
            assert_eq!(file.part(place.clone()).unwrap(), part);
        }
        let last = places.last().unwrap();
        for wrong in [0..0, 0..3, 1..last.end, last.start..last.end + 1, last.end..last.start] {
            assert!(file.part(wrong).is_err());
        }
        // Each byte of another part, and the same file as that of another run.
        let path = files.path(3);
        let content = std::fs::read(&path).unwrap();
        for at in places[2].clone() {
            let mut altered = content.clone();
            altered[usize::try_from(at).unwrap()] ^= 1;
            std::fs::write(&path, altered).unwrap();
            assert!(file.part(places[2].clone()).is_err());
            assert_eq!(file.part(places[3].clone()).unwrap(), b"three");
        }
        std::fs::write(files.path(4), &content).unwrap();
        assert!(files.read(4).unwrap().part(places[0].clone()).is_err());
        assert!(files.read(5).is_err());
    }

    #[test]
    fn only_what_is_named_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let files = RunFiles::open(directory.path()).unwrap();
        for number in 1..=4 {
            written(&files, number, &[b"run"]);
        }
        let read = files.read(2).unwrap();
        files.keep([1, 3].into_iter(), &|| Ok(())).unwrap();
        for number in 1..=4 {
            assert_eq!(files.read(number).is_ok(), number % 2 == 1);
        }
        // Whoever has a file open still reads it.
        assert_eq!(read.part(0..7).unwrap(), b"run");
    }
}
