//! Evidence that a key signed two histories, beside the store: a file each.
//!
//! Invariants:
//! - What a file holds was checked before it was written, and is checked again when it is read.
//! - There is one file for each key and kind of evidence, written whole. Only evidence of the same key
//!   and kind takes its place.
//! - Nothing here takes evidence away: an operator who knows why it may go removes the file.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::disk::sync_directory;
use super::error::StoreError;
use crate::protocol::evidence::{Evidence, MAX_EVIDENCE_BYTES};
use crate::protocol::verify::Chain;

/// The folder in a data directory.
const FOLDER: &str = "evidence";
/// The most files that are read: two kinds for each key that a chain may ever have.
const MAX_EVIDENCE_FILES: usize = 1024;

/// The folder of evidence in a data directory.
#[derive(Debug)]
pub struct EvidenceFolder {
    path: PathBuf,
}

impl EvidenceFolder {
    /// The folder in the data directory `directory`, which need not be there yet.
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join(FOLDER) }
    }

    /// All the evidence that is there and proves something about `chain`. What doesn't is named in
    /// the log, and left alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(&self, chain: &Chain) -> Result<Vec<Evidence>, StoreError> {
        let listed = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(StoreError::io("list", &self.path))?,
        };
        let mut paths = Vec::new();
        for item in listed.take(MAX_EVIDENCE_FILES) {
            paths.push(item.map_err(StoreError::io("list", &self.path))?.path());
        }
        paths.sort();
        let mut found = Vec::new();
        for path in paths {
            match read_one(&path, chain)? {
                Ok(evidence) => found.push(evidence),
                Err(problem) => {
                    tracing::warn!(path = %path.display(), %problem, "this file is no evidence");
                }
            }
        }
        Ok(found)
    }

    /// Writes down what was checked. When this returns, it MUST survive a power cut.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let path = self.path.join(file_name(evidence));
        std::fs::create_dir_all(&self.path).map_err(StoreError::io("create", &self.path))?;
        let draft = path.with_extension("new");
        let io = |action| StoreError::io(action, &draft);
        let mut file = File::create(&draft).map_err(io("create"))?;
        file.write_all(&evidence.encode()).map_err(io("write"))?;
        file.sync_all().map_err(io("sync"))?;
        std::fs::rename(&draft, &path).map_err(io("rename"))?;
        sync_directory(&self.path)?;
        if let Some(parent) = self.path.parent() {
            sync_directory(parent)?;
        }
        Ok(())
    }
}

fn file_name(evidence: &Evidence) -> String {
    format!("{}.{}", evidence.key, evidence.kind().as_str())
}

/// The evidence in a file, or what is wrong with it.
fn read_one(path: &Path, chain: &Chain) -> Result<Result<Evidence, String>, StoreError> {
    let mut bytes = Vec::new();
    let limit = MAX_EVIDENCE_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(StoreError::io("read", path))?;
    let evidence = match Evidence::decode(&bytes) {
        Ok(evidence) => evidence,
        Err(error) => return Ok(Err(error.to_string())),
    };
    // Of whichever key: who seals when, the blocks tell, and they aren't looked at yet.
    let checked = evidence.check(&chain.spec().origin, evidence.key);
    Ok(checked.map(|_| evidence).map_err(|error| error.to_string()))
}
