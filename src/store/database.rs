//! Opening sled, and what it leaves undone that a power cut would find.
//!
//! Invariants:
//! - sled's settings and the names of its files are durable before anything is in its file. So
//!   where that file is empty, torn settings are those of a database that never began.
//! - A snapshot counts when it has its final name. sled would read one that it was still writing
//!   as the newest there is, and then refuse to open.
//! - sled opens a log only where all that it is about to read of it could be read: it would take
//!   a read that failed for the log's end, and overwrite what follows.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::thread::ScopedJoinHandle;

use super::CACHE_BYTES;
use super::error::StoreError;
use super::table::Table;

/// What sled calls a snapshot that it is still writing.
const UNFINISHED_SNAPSHOT: &str = ".generating";

/// sled's log is a sequence of segments of this length, unless one asks for another.
const SEGMENT_BYTES: usize = 512 * 1024;
/// How many threads read it at once.
const LOG_READERS: u64 = 4;
/// What a segment begins with: a sum (4), its place in the log (8, little-endian, combined with
/// [`PLACE_MASK`]).
const SEGMENT_START_BYTES: usize = 4 + 8;
const PLACE_MASK: u64 = 0x7fff_ffff_ffff_ffff;

/// Opens sled and its tables, but those of tiles. Of some damaged files sled doesn't say so, but panics.
pub(super) fn open(path: &Path) -> Result<(sled::Db, [Table; 3]), StoreError> {
    remove_unfinished(path).map_err(StoreError::io("clean", path))?;
    read_log(path).map_err(StoreError::io("read", &path.join("db")))?;
    let config = sled::Config::new()
        .path(path)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    // Nothing of it is used after a panic.
    let opened = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let database = config.open()?;
        sync_names(path).map_err(StoreError::io("sync", path))?;
        let table = |name| Table::open(&database, name);
        let tables = [table("blocks")?, table("bodies")?, table("derived")?];
        Ok((database, tables))
    }));
    opened.unwrap_or_else(|_| {
        let place = path.join("db").display().to_string();
        Err(StoreError::damaged(place, "the database can't be read; restore a backup"))
    })
}

/// Removes what a crash left half-written, which sled would take for whole.
fn remove_unfinished(path: &Path) -> std::io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let began = path.join("db").metadata().is_ok_and(|db| db.len() > 0);
    for item in path.read_dir()? {
        let name = item?.file_name();
        let unfinished = name.to_string_lossy().ends_with(UNFINISHED_SNAPSHOT);
        if unfinished || (!began && name == "conf") {
            std::fs::remove_file(path.join(name))?;
        }
    }
    Ok(())
}

/// Reads what sled is about to read, the segments from its last snapshot on. They are in memory then. Several readers at once are quicker than sled alone would be.
fn read_log(path: &Path) -> std::io::Result<()> {
    let path = &path;
    let length = match path.join("db").metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?.len(),
    };
    let snapshot = snapshot_place(path)?;
    let part = length.div_ceil(LOG_READERS).next_multiple_of(SEGMENT_BYTES as u64);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..LOG_READERS)
            .map(|reader| {
                let part = reader * part..length.min((reader + 1) * part);
                let read = move || read_segments(&path.join("db"), part, snapshot);
                std::thread::Builder::new().name("store-log".to_owned()).spawn_scoped(scope, read)
            })
            .collect::<Result<_, _>>()?;
        let read = |reader: ScopedJoinHandle<'_, _>| {
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        readers.into_iter().try_for_each(read)
    })
}

/// Reads the segments within a part of sled's file that `snapshot` doesn't reach.
fn read_segments(path: &Path, part: Range<u64>, snapshot: u64) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let mut segment = vec![0; SEGMENT_BYTES];
    for start in part.step_by(SEGMENT_BYTES) {
        file.seek(SeekFrom::Start(start))?;
        let mut header = [0; SEGMENT_START_BYTES];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            read => read?,
        }
        let place = header.last_chunk().map_or(0, |place| u64::from_le_bytes(*place));
        if (place ^ PLACE_MASK).saturating_add(SEGMENT_BYTES as u64) > snapshot {
            segment.clear();
            file.by_ref().take(SEGMENT_BYTES as u64).read_to_end(&mut segment)?;
        }
    }
    Ok(())
}

/// How far in the log the last snapshot reaches, which is its name.
fn snapshot_place(path: &Path) -> std::io::Result<u64> {
    let mut latest = 0;
    for item in path.read_dir()? {
        let name = item?.file_name();
        let place = name
            .to_string_lossy()
            .strip_prefix("snap.")
            .map(|place| u64::from_str_radix(place, 16));
        latest = latest.max(place.and_then(Result::ok).unwrap_or(0));
    }
    Ok(latest)
}

/// Makes sled's settings and all names durable, and the one of the directory itself.
fn sync_names(path: &Path) -> std::io::Result<()> {
    let around = path.parent();
    for synced in [Some(&*path.join("conf")), Some(path), around].into_iter().flatten() {
        File::open(synced)?.sync_all()?;
    }
    Ok(())
}
