//! A bare append-only file: the least that a durable log can cost.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::protocol::block::EncodedEntry;

/// A file to which leaves are appended. Removed when it is dropped.
pub struct AppendFile {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl AppendFile {
    /// A new file in `directory`.
    pub fn create(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(format!("append-{}.log", std::process::id()));
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("can't create {}", path.display()))?;
        file.sync_all()?;
        Ok(Self { file, path, buffer: Vec::new() })
    }

    /// Appends the leaves of entries, each after its length, in one write, and syncs them.
    /// When this returns, they MUST survive a power cut.
    pub fn append<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a EncodedEntry>,
    ) -> anyhow::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        for entry in entries {
            let length = u32::try_from(entry.leaf().len())?;
            buffer.extend_from_slice(&length.to_be_bytes());
            buffer.extend_from_slice(entry.leaf());
        }
        let appended = self.append_bytes(&buffer);
        self.buffer = buffer;
        appended
    }

    /// Appends bytes and syncs them. When this returns, they MUST survive a power cut.
    pub fn append_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        Ok(())
    }
}

impl Drop for AppendFile {
    fn drop(&mut self) {
        // Its directory goes next, mostly.
        let _ = std::fs::remove_file(&self.path);
    }
}
