//! The embedded database, and its own file, to sync.
//!
//! Invariants:
//! - When a sync succeeds, what was written before it survives a power cut. sled's flush only asks
//!   the kernel to start writing, so the file is synced apart from it.
//! - After a failed write or sync nothing is synced any more: the store must be opened anew. The
//!   kernel tells of a failed write-back once on each descriptor, and takes the pages for written
//!   from then on; so commits and the threads behind them have a descriptor each, and none is used
//!   again after it failed.
//! - Nobody waits for ever for a write that failed.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::doubt::Doubt;
use super::error::StoreError;

/// How often it is looked whether a write failed that somebody may wait for, in milliseconds.
const WATCH_INTERVAL_MS: u64 = 100;

/// The embedded database, and its file.
pub(super) struct Disk {
    database: sled::Db,
    pub(super) path: PathBuf,
    doubt: Arc<Doubt>,
    commits: Descriptor,
    behind: Descriptor,
    _watch: Watch,
}

/// A descriptor of the file, until a sync of it failed.
type Descriptor = Mutex<Option<File>>;

impl Disk {
    /// Takes over a database whose file is at `path`.
    pub(super) fn new(
        database: sled::Db,
        path: PathBuf,
        doubt: Arc<Doubt>,
    ) -> Result<Self, StoreError> {
        let descriptor = || {
            File::open(&path)
                .map(|file| Mutex::new(Some(file)))
                .map_err(StoreError::io("open", &path))
        };
        let (commits, behind) = (descriptor()?, descriptor()?);
        let watch = Watch::start(database.clone(), doubt.clone())
            .map_err(StoreError::io("start a thread for", &path))?;
        Ok(Self { database, path, doubt, commits, behind, _watch: watch })
    }

    /// For the one who commits: everything written so far MUST survive a power cut when this
    /// returns.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.sync_on(&self.commits)
    }

    /// The same, for the threads that work behind commits.
    pub(super) fn sync_behind(&self) -> Result<(), StoreError> {
        self.sync_on(&self.behind)
    }

    fn sync_on(&self, descriptor: &Descriptor) -> Result<(), StoreError> {
        self.database.flush().inspect_err(|_| self.doubt.mark())?;
        let mut file = descriptor.lock().unwrap_or_else(PoisonError::into_inner);
        let synced = match &*file {
            Some(file) => file.sync_data(),
            None => Err(io::Error::other("syncing it failed before")),
        };
        synced.map_err(|source| {
            *file = None;
            self.doubt.mark();
            StoreError::io("sync", &self.path)(source)
        })
    }
}

/// Opens a file to read and write it in place, making an empty one where there is none.
pub(super) fn open_or_make(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(StoreError::io("open", path))
}

/// Makes the names in a directory durable: they MUST survive a power cut when this returns.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(StoreError::io("sync", directory))
}

/// A thread that wakes those who wait for a write that failed: where sled finds out that it did
/// after the last writer left a buffer, it keeps the error and tells nobody. Whoever flushes
/// after that gets the error at once, and wakes all others. A slow write is no failed one, and
/// is waited for as long as it takes.
struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(database: sled::Db, doubt: Arc<Doubt>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let interval = Duration::from_millis(WATCH_INTERVAL_MS);
        let watch = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                if database.context.global_error().is_err() {
                    doubt.mark();
                    // The error that it returns is the one that was found.
                    let _ = database.flush();
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-watch".to_owned()).spawn(watch)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was said there.
            let _ = thread.join();
        }
    }
}
