//! Opening sled, and what it leaves undone that a power cut would find.
//!
//! Invariants:
//! - sled's settings and the names of its files are durable before anything is in its file. So
//!   where that file is empty, torn settings are those of a database that never began.
//! - A snapshot counts when it has its final name. sled would read one that it was still writing
//!   as the newest there is, and then refuse to open.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use super::CACHE_BYTES;
use super::error::StoreError;

/// What sled calls a snapshot that it is still writing.
const UNFINISHED_SNAPSHOT: &str = ".generating";

/// Opens sled and its three trees. Of some damaged files sled doesn't say so, but panics.
pub(super) fn open(path: &Path) -> Result<(sled::Db, [sled::Tree; 3]), StoreError> {
    remove_unfinished(path).map_err(StoreError::io("clean", path))?;
    let config = sled::Config::new()
        .path(path)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    // Nothing of it is used after a panic.
    let opened = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let database = config.open()?;
        sync_names(path).map_err(StoreError::io("sync", path))?;
        let tree = |name| database.open_tree(name);
        let trees = [tree("blocks")?, tree("tiles")?, tree("runs")?];
        Ok((database, trees))
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

/// Makes sled's settings and all names durable, and the one of the directory itself.
fn sync_names(path: &Path) -> std::io::Result<()> {
    let around = path.parent();
    for synced in [Some(&*path.join("conf")), Some(path), around].into_iter().flatten() {
        File::open(synced)?.sync_all()?;
    }
    Ok(())
}
