//! The machine that it ran on, and what a process has had of it.
//!
//! What the kernel doesn't tell, as on another system than Linux, is left out or zero.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rustix::fs::Advice;
use serde::Serialize;

/// The size of what [`Metadata::blocks`](MetadataExt::blocks) counts, in bytes.
const ALLOCATED_BLOCK_BYTES: u64 = 512;
/// How much of a file is read at once, in bytes.
const READ_BYTES: usize = 1024 * 1024;

/// What the figures were had on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// How many threads run at once.
    pub cores: usize,
    /// The processor's name.
    pub processor: Option<String>,
    /// The memory, in bytes.
    pub memory_bytes: u64,
    /// The file system of the data directory.
    pub file_system: Option<String>,
    /// The kernel.
    pub kernel: Option<String>,
}

impl Machine {
    /// This machine, with the file system that `directory` is on.
    pub fn new(directory: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let processor = read("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor,
            memory_bytes: read("/proc/meminfo").map_or(0, |text| kilobytes(&text, "MemTotal:")),
            file_system: file_system(directory),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
        }
    }
}

/// The type of the file system that `directory` is on.
fn file_system(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        directory.starts_with(place).then(|| (place.len(), kind.to_owned()))
    });
    // Of two on one place the later covers the earlier.
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// A number in the style of `/proc/meminfo`, in bytes.
fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// The memory that a process has now and the most that it has had, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What is in memory now.
    pub now: u64,
    /// The most that ever was.
    pub peak: u64,
}

impl Memory {
    /// Of this process.
    pub fn own() -> Self {
        Self::of_status("/proc/self/status")
    }

    /// Of a process.
    pub fn of(process: u32) -> Self {
        Self::of_status(&format!("/proc/{process}/status"))
    }

    fn of_status(path: &str) -> Self {
        let status = fs::read_to_string(path).unwrap_or_default();
        Self { now: kilobytes(&status, "VmRSS:"), peak: kilobytes(&status, "VmHWM:") }
    }
}

/// How long a process has computed, in its own code and in the kernel's.
pub fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may hold blanks. After it comes field 3; these are 14 and 15.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: u64 =
        fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

/// Every file in a directory and below.
fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let items = fs::read_dir(&folder);
        for item in items.with_context(|| format!("can't read {}", folder.display()))? {
            let item = item?;
            if item.file_type()?.is_dir() {
                folders.push(item.path());
            } else {
                found.push(item.path());
            }
        }
    }
    Ok(found)
}

/// How many bytes of the disk a directory takes.
pub fn disk_bytes(directory: &Path) -> anyhow::Result<u64> {
    let mut blocks = 0;
    for file in files(directory)? {
        // A file that just went away takes nothing.
        blocks += fs::metadata(file).map_or(0, |metadata| metadata.blocks());
    }
    Ok(blocks * ALLOCATED_BLOCK_BYTES)
}

/// Makes the kernel forget what it has cached of a directory's files, which nobody may have
/// open for writing. Anybody may ask for it, and it does so for pages that are on the disk.
pub fn cool(directory: &Path) -> anyhow::Result<()> {
    for path in files(directory)? {
        let file = File::open(&path).with_context(|| format!("can't open {}", path.display()))?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)
            .with_context(|| format!("can't empty the page cache of {}", path.display()))?;
    }
    Ok(())
}

/// Reads every file of a directory, so that the kernel has it cached as far as there is room.
pub fn warm(directory: &Path) -> anyhow::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    for path in files(directory)? {
        let mut file =
            File::open(&path).with_context(|| format!("can't open {}", path.display()))?;
        while file.read(&mut buffer)? > 0 {}
    }
    Ok(())
}
