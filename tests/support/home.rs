//! Copies that stand for the directory itself, as a crash or a snapshot of it would leave it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Makes the data directory, copied with all its files, the one that it was copied from: its
/// record of where it lives names it. One that has no whole record gets none.
pub fn settle(directory: &Path) {
    let path = directory.join("guard/home");
    let record = fs::read_to_string(&path).unwrap_or_default();
    if record.lines().count() < 3 || !record.ends_with('\n') {
        return;
    }
    let mut file = OpenOptions::new().write(true).truncate(true).open(path).expect("a record");
    let metadata = file.metadata().expect("an open file");
    let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or("unknown".to_owned(), |born| born.as_nanos().to_string());
    let record = format!("counterfoil home 1\ninode {}\nborn {born}\n", metadata.ino());
    file.write_all(record.as_bytes()).expect("it can be written");
}
