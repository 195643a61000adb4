//! What a disk may hold when the power goes, by what was recorded of a process.
//!
//! The model, from what POSIX promises and what ext4 does:
//! - A sync covers the writes to its file that had returned when it was issued, once it has
//!   returned itself. `sync_file_range` covers nothing.
//! - A write that isn't covered may be on the disk or not, whatever became of those before and
//!   after it, and each of its sectors on its own. A sector is written whole, from memory: it
//!   holds all that came to it up to some moment.
//! - Names are made, changed and removed in order, as in a journal: some beginning of that order
//!   survives, at least up to the latest change that a sync of its directory covers. A cut to
//!   another length may be lost, too.
#![allow(clippy::indexing_slicing, reason = "a test stops where something isn't as it expects")]

use std::collections::BTreeMap;
use std::path::Path;

use super::faults::{Call, Kind};
use super::random::Random;

/// Bytes that a disk writes all or none of.
const SECTOR_BYTES: u64 = 512;
/// The flag of an open that empties the file, on Linux.
const O_TRUNC: u64 = 0o1000;

/// What is on the disk for sure, and what may be.
#[derive(Clone, Default)]
pub struct Disk {
    files: Vec<File>,
    /// Which file has an inode number now.
    inodes: BTreeMap<u64, usize>,
    /// The names that a power cut leaves, whatever else it does.
    names: Names,
    /// Changes of names after those, in order.
    changes: Vec<Change>,
}

/// A file's number by its path; none for a directory.
type Names = BTreeMap<String, Option<usize>>;

#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
struct Pending {
    returned: u64,
    what: Effect,
}

#[derive(Clone)]
enum Effect {
    Write { at: u64, data: Vec<u8> },
    Cut { length: u64 },
}

#[derive(Clone)]
struct Change {
    returned: u64,
    what: Naming,
}

#[derive(Clone)]
enum Naming {
    Make { path: String, file: Option<usize> },
    Move { from: String, to: String },
    Remove { path: String },
}

/// What becomes of what isn't synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it is lost.
    Lost,
    /// All of it got there.
    Kept,
    /// Each write got there or not.
    Writes,
    /// Each sector of each write got there or not.
    Sectors,
    /// Only the last writes got there.
    Newest,
    /// The first writes got there, and the beginning of the next.
    Torn,
}

pub const FATES: [Fate; 6] =
    [Fate::Lost, Fate::Kept, Fate::Writes, Fate::Sectors, Fate::Newest, Fate::Torn];

impl Disk {
    /// A disk that has a directory's files, all of them durable.
    pub fn of(directory: &Path) -> Self {
        let mut disk = Self::default();
        disk.take_in(directory, "");
        disk
    }

    fn take_in(&mut self, directory: &Path, below: &str) {
        use std::os::unix::fs::MetadataExt as _;

        for item in std::fs::read_dir(directory).expect("a directory") {
            let item = item.expect("a directory");
            let path = format!("{below}{}", item.file_name().to_str().expect("UTF-8"));
            if item.path().is_dir() {
                self.take_in(&item.path(), &format!("{path}/"));
                self.names.insert(path, None);
            } else {
                let durable = std::fs::read(item.path()).expect("a file");
                let inode = item.metadata().expect("a file").ino();
                self.inodes.insert(inode, self.files.len());
                self.names.insert(path, Some(self.files.len()));
                self.files.push(File { durable, pending: Vec::new() });
            }
        }
    }

    /// Takes note that a call was issued: what it does may get to the disk from now on.
    pub fn issued(&mut self, call: &Call) {
        if !call.succeeded() {
            return;
        }
        let Call { path, returned, .. } = call;
        let naming = |what| Change { returned: *returned, what };
        match call.kind {
            Kind::Write => {
                let what = Effect::Write { at: call.offset, data: call.data.clone() };
                self.pend(call, what);
            }
            Kind::Truncate => self.pend(call, Effect::Cut { length: call.offset }),
            Kind::Open if self.current_names().contains_key(path) => {
                assert!(call.offset & O_TRUNC != 0, "recorded because it changes something");
                self.pend(call, Effect::Cut { length: 0 });
            }
            Kind::Open => {
                let file = self.files.len();
                self.files.push(File::default());
                self.inodes.insert(call.inode, file);
                self.changes.push(naming(Naming::Make { path: path.clone(), file: Some(file) }));
            }
            Kind::MakeDirectory => {
                self.changes.push(naming(Naming::Make { path: path.clone(), file: None }));
            }
            Kind::Rename => {
                let to = String::from_utf8(call.data.clone()).expect("UTF-8");
                self.changes.push(naming(Naming::Move { from: path.clone(), to }));
            }
            Kind::Unlink => self.changes.push(naming(Naming::Remove { path: path.clone() })),
            Kind::Start | Kind::Sync | Kind::Range | Kind::Sent => {}
        }
    }

    /// Takes note that a call has returned: from now on what it promised holds.
    pub fn returned(&mut self, call: &Call) {
        if call.kind != Kind::Sync || !call.succeeded() {
            return;
        }
        if let Some(file) = self.inodes.get(&call.inode) {
            let file = &mut self.files[*file];
            let pending = std::mem::take(&mut file.pending);
            let (covered, left) = pending.into_iter().partition(|p| p.returned < call.issued);
            file.pending = left;
            for Pending { what, .. } in covered {
                what.apply(&mut file.durable, &|_| true);
            }
            return;
        }
        let covers = |change: &Change| {
            change.returned < call.issued && change.what.touches_directory(&call.path)
        };
        let covered = self.changes.iter().rposition(covers).map_or(0, |last| last + 1);
        for change in self.changes.drain(..covered) {
            change.what.apply(&mut self.names);
        }
    }

    fn pend(&mut self, call: &Call, what: Effect) {
        let file = self.inodes.get(&call.inode).expect("a file that was made before");
        self.files[*file].pending.push(Pending { returned: call.returned, what });
    }

    fn current_names(&self) -> Names {
        let mut names = self.names.clone();
        self.changes.iter().for_each(|change| change.what.apply(&mut names));
        names
    }

    /// Makes the directory as it is after the power went now.
    pub fn make(&self, directory: &Path, fate: Fate, random: &mut Random) {
        let survive = match fate {
            Fate::Lost => 0,
            Fate::Kept => self.changes.len(),
            _ => random.index(self.changes.len() + 1),
        };
        let mut names = self.names.clone();
        self.changes[..survive].iter().for_each(|change| change.what.apply(&mut names));
        std::fs::create_dir_all(directory).expect("a directory");
        for (path, file) in names {
            let path = directory.join(path);
            match file {
                // In the order of their names, so that one comes after the one around it.
                None => std::fs::create_dir(path).expect("a new directory"),
                Some(file) => {
                    let bytes = self.files[file].after(fate, random);
                    // A name may survive the directory that it was in; then there is no place.
                    if path.parent().is_some_and(Path::is_dir) {
                        std::fs::write(path, bytes).expect("a new file");
                    }
                }
            }
        }
    }
}

impl File {
    /// What it holds after the power went.
    fn after(&self, fate: Fate, random: &mut Random) -> Vec<u8> {
        let count = self.pending.len();
        let (salt, chosen) = (random.next(), random.index(count + 1));
        let torn_after = random.below(64);
        let coin = |write: usize, sector: u64| {
            let mut coin = Random::new(salt ^ (write as u64) << 32 ^ sector);
            coin.next();
            coin.next() >> 32 & 1 == 1
        };
        let gets_there = |write: usize, sector_in_write: u64| match fate {
            Fate::Lost => false,
            Fate::Kept => true,
            Fate::Writes => coin(write, 0),
            Fate::Sectors => coin(write, sector_in_write),
            Fate::Newest => write >= chosen,
            Fate::Torn => write < chosen || write == chosen && sector_in_write < torn_after,
        };
        // Whatever came to a sector before the last that got there is there, too.
        let mut last = BTreeMap::new();
        for (number, pending) in self.pending.iter().enumerate() {
            for (sector, sector_in_write) in pending.what.sectors().zip(0..) {
                if gets_there(number, sector_in_write) {
                    last.insert(sector, number);
                }
            }
        }
        let mut bytes = self.durable.clone();
        for (number, pending) in self.pending.iter().enumerate() {
            let survives = |sector: Option<u64>| match sector {
                Some(sector) => last.get(&sector).is_some_and(|last| number <= *last),
                None => gets_there(number, 0),
            };
            pending.what.apply(&mut bytes, &survives);
        }
        bytes
    }
}

impl Effect {
    fn sectors(&self) -> std::ops::Range<u64> {
        match self {
            Self::Write { at, data } => {
                at / SECTOR_BYTES..(at + data.len() as u64).div_ceil(SECTOR_BYTES)
            }
            Self::Cut { .. } => 0..0,
        }
    }

    /// Does to a file's bytes what `survives` of it; a cut has no sector.
    fn apply(&self, bytes: &mut Vec<u8>, survives: &dyn Fn(Option<u64>) -> bool) {
        match self {
            Self::Cut { length } => {
                if survives(None) {
                    bytes.resize(usize::try_from(*length).expect("a file in memory"), 0);
                }
            }
            Self::Write { at, data } => {
                let end = at + data.len() as u64;
                for sector in self.sectors().filter(|sector| survives(Some(*sector))) {
                    let from = (sector * SECTOR_BYTES).max(*at);
                    let until = ((sector + 1) * SECTOR_BYTES).min(end);
                    let range = |from: u64, until: u64| {
                        let index = |at| usize::try_from(at).expect("a file in memory");
                        index(from)..index(until)
                    };
                    let target = range(from, until);
                    if bytes.len() < target.end {
                        bytes.resize(target.end, 0);
                    }
                    bytes[target].copy_from_slice(&data[range(from - at, until - at)]);
                }
            }
        }
    }
}

impl Naming {
    fn touches_directory(&self, directory: &str) -> bool {
        let parent =
            |path: &String| path.rsplit_once('/').map_or("", |(parent, _)| parent) == directory;
        match self {
            Self::Make { path, .. } | Self::Remove { path } => parent(path),
            Self::Move { from, to } => parent(from) || parent(to),
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Make { path, file } => {
                // The directory that is watched is there already.
                if !path.is_empty() {
                    names.insert(path.clone(), *file);
                }
            }
            Self::Remove { path } => {
                names.remove(path);
            }
            Self::Move { from, to } => {
                let moved = names.remove(from).expect("it was made before");
                names.insert(to.clone(), moved);
                move_below(names, from, to);
            }
        }
    }
}

/// Moves what is in a directory that was moved.
fn move_below(names: &mut Names, from: &str, to: &str) {
    let inside = format!("{from}/");
    let moved: Vec<String> =
        names.keys().filter(|path| path.starts_with(&inside)).cloned().collect();
    for path in moved {
        let file = names.remove(&path).expect("just listed");
        names.insert(format!("{to}/{}", &path[inside.len()..]), file);
    }
}
