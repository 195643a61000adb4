//! A shim under the real binary's calls: what it did is recorded, and chosen calls fail, wait or
//! are its last. What it can do, and how rules are written, stands in `faults.c`. Linux only.
#![allow(clippy::indexing_slicing, reason = "a test stops where something isn't as it expects")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A directory that is watched, and how calls on it are to go wrong.
pub struct Faults {
    watched: PathBuf,
    /// The shim, its record and its rules: apart from what is watched.
    home: TempDir,
}

/// One call as it was recorded. When one call's `returned` is below another's `issued`, it had
/// ended before the other began.
#[derive(Clone, Debug)]
pub struct Call {
    /// When, as a number of the process's own order.
    pub issued: u64,
    pub returned: u64,
    pub kind: Kind,
    /// Below the watched directory; empty for that directory and for sockets.
    pub path: String,
    /// The file or socket; 0 where none was open.
    pub inode: u64,
    /// Where it wrote, or the length that it cut to; an open's flags.
    pub offset: u64,
    /// What it returned; below 0 an error number.
    pub result: i64,
    /// What was written or sent, as far as it was; a rename's new path.
    pub data: Vec<u8>,
    /// The name of the thread.
    pub thread: String,
}

/// What a call does. The numbers are those of `enum kind` in `faults.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process begins.
    Start = 0,
    /// Makes a file, or empties one.
    Open,
    Write,
    Truncate,
    /// fsync or fdatasync.
    Sync,
    /// `sync_file_range`, which makes nothing durable.
    Range,
    Rename,
    Unlink,
    MakeDirectory,
    /// Something goes out on a socket or pipe.
    Sent,
}

const KINDS: [Kind; 10] = [
    Kind::Start,
    Kind::Open,
    Kind::Write,
    Kind::Truncate,
    Kind::Sync,
    Kind::Range,
    Kind::Rename,
    Kind::Unlink,
    Kind::MakeDirectory,
    Kind::Sent,
];

impl Faults {
    /// Watches a directory, which need not be there yet; its parent must.
    pub fn watch(directory: &Path) -> Self {
        let parent = directory.parent().expect("a directory in another");
        let parent = parent.canonicalize().expect("the directory around it");
        let watched = parent.join(directory.file_name().expect("a name"));
        let faults = Self { watched, home: tempfile::tempdir().expect("a directory") };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([faults.at("faults.so"), source])
            .output()
            .expect("a C compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        faults
    }

    /// The directory that is watched.
    pub fn directory(&self) -> &Path {
        &self.watched
    }

    /// Puts the shim under a command.
    pub fn under(&self, mut command: Command) -> Command {
        command
            .env("LD_PRELOAD", self.at("faults.so"))
            .env("FAULTS_DIR", &self.watched)
            .env("FAULTS_RULES", self.at("rules"));
        command
    }

    /// Puts the shim under a command and records its calls.
    pub fn recording(&self, command: Command) -> Command {
        let mut command = self.under(command);
        command.env("FAULTS_RECORD", self.at("record"));
        command
    }

    /// Rules from now on, one a line; none for an empty text. What was counted before for
    /// earlier rules is forgotten.
    pub fn rule(&self, rules: &str) {
        let new = self.at("rules.new");
        std::fs::write(&new, rules).expect("a file");
        std::fs::rename(new, self.at("rules")).expect("the same directory");
    }

    /// The lines of rules that applied so far, in order.
    pub fn fired(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.at("rules.fired")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What was recorded so far of one process after the other, in the order in which it was
    /// issued.
    pub fn recorded(&self) -> Vec<Call> {
        let record = std::fs::read(self.at("record")).expect("a record");
        let mut rest = record.as_slice();
        let mut calls: Vec<Call> = Vec::new();
        let (mut earlier, mut latest) = (0, 0);
        // A process that was killed may leave half a record.
        while let Some(mut call) = Call::take(&mut rest) {
            if call.kind == Kind::Start {
                earlier = latest;
            }
            call.issued += earlier;
            call.returned += earlier;
            latest = latest.max(call.returned);
            calls.push(call);
        }
        calls.sort_unstable_by_key(|call| call.issued);
        calls
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Call {
    /// The next call of a record: `struct record` of `faults.c`, the path, the data.
    fn take(rest: &mut &[u8]) -> Option<Self> {
        let mut left = *rest;
        let mut field = |bytes: usize| {
            let (field, after) = left.split_at_checked(bytes)?;
            left = after;
            Some(field)
        };
        let mut number = |bytes: usize| {
            let mut whole = [0; 8];
            whole[..bytes].copy_from_slice(field(bytes)?);
            Some(u64::from_le_bytes(whole))
        };
        let [issued, returned, inode, offset, result] =
            [number(8)?, number(8)?, number(8)?, number(8)?, number(8)?];
        let [kind, path_bytes, data_bytes, _] = [number(4)?, number(4)?, number(4)?, number(4)?];
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let thread = text(field(16)?.split(|byte| *byte == 0).next()?);
        let path = text(field(usize::try_from(path_bytes).ok()?)?);
        let data = field(usize::try_from(data_bytes).ok()?)?.to_vec();
        *rest = left;
        let kind = KINDS[usize::try_from(kind).ok()?];
        let result = result.cast_signed();
        Some(Self { issued, returned, kind, path, inode, offset, result, data, thread })
    }

    /// Whether it did what it was asked.
    pub fn succeeded(&self) -> bool {
        self.result >= 0
    }
}
