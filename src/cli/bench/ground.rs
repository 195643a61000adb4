//! Where the benchmark writes: a directory, and in it a ledger that says of which entries it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::output::Misuse;
use crate::ledger;
use crate::node::dev;
use crate::node::files;
use crate::protocol::key::SealingKey;
use crate::protocol::time::Timestamp;
use crate::protocol::verify::Chain;

/// Which entries a ledger of the benchmark has.
const WORKLOAD_FILE: &str = "bench.toml";
const MAX_WORKLOAD_FILE_BYTES: usize = 4 * 1024;
/// How long an interrupted run tries to remove its directory.
const MAX_REMOVAL: Duration = Duration::from_secs(10);
/// What an interrupted run ends with, as shells have it: 128 and the signal's number.
const INTERRUPTED_EXIT_CODE: i32 = 130;

/// Which entries are written, and in which blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// What all chance follows from.
    pub seed: u64,
    /// How many entries the ledger is filled with before anything else is measured.
    pub entries: u64,
    /// How many there are in a block.
    pub block_entries: u64,
    /// The time before which all of them happened.
    pub until: Timestamp,
}

/// The directory of one run.
pub struct Ground {
    path: PathBuf,
    /// Whether it was made for this run alone, and goes with it.
    temporary: bool,
}

impl Ground {
    /// The directory that was asked for, or a new one beside whatever the caller works on: the
    /// place for temporary files is often in memory, where syncing costs nothing.
    pub fn new(asked: Option<&Path>) -> anyhow::Result<Self> {
        let temporary = asked.is_none();
        let path = match asked {
            Some(path) => path.to_owned(),
            None => PathBuf::from(format!("counterfoil-bench-{}", std::process::id())),
        };
        if temporary && path.exists() {
            bail!("{} is in the way; remove it, or name a directory with --dir", path.display());
        }
        fs::create_dir_all(&path).with_context(|| {
            format!("can't create {}; name a directory with --dir", path.display())
        })?;
        let path = path.canonicalize()?;
        Ok(Self { path, temporary })
    }

    /// From now on, Ctrl-C and SIGTERM end this process only after a directory that was made
    /// for it alone is gone. Its children end with it.
    pub fn remove_when_interrupted(&self) -> anyhow::Result<()> {
        if !self.temporary {
            return Ok(());
        }
        let path = self.path.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(interrupted()) {
                return tracing::warn!(%error, "an interrupted run leaves its directory behind");
            }
            let since = Instant::now();
            // What a child makes meanwhile is removed the next time.
            while path.exists() && since.elapsed() < MAX_REMOVAL {
                let _ = fs::remove_dir_all(&path);
            }
            std::process::exit(INTERRUPTED_EXIT_CODE);
        })?;
        Ok(())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes with the run.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Where the ledger is that is filled and then read.
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger")
    }

    /// The workload of the ledger that is there already, if one is.
    pub fn filled(&self) -> anyhow::Result<Option<Workload>> {
        let path = self.ledger().join(WORKLOAD_FILE);
        if !path.exists() {
            if self.ledger().exists() {
                bail!(Misuse(format!(
                    "{} was not made by `counterfoil bench`, or not filled to its end; choose another --dir",
                    self.ledger().display()
                )));
            }
            return Ok(None);
        }
        let text = files::read_text(&path, MAX_WORKLOAD_FILE_BYTES)?;
        let workload = toml::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(Some(workload))
    }

    /// Says that the ledger is filled.
    pub fn set_filled(&self, workload: &Workload) -> anyhow::Result<()> {
        let text = toml::to_string(workload).context("a workload is plain TOML")?;
        let text = format!("# What `counterfoil bench` filled this ledger with.\n{text}");
        files::write_text(&self.ledger().join(WORKLOAD_FILE), &text)?;
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("{} could not be removed: {error}", self.path.display());
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Makes an empty ledger in `directory`, or takes the one that is there: its chain and key.
/// It is one that `counterfoil dev` and `counterfoil verify --dir` take, too.
pub fn prepare(directory: &Path) -> anyhow::Result<(Arc<Chain>, SealingKey)> {
    let dev = dev::prepare(directory, 0)?;
    Ok((dev.chain, dev.key))
}

impl Workload {
    /// The workload of a new ledger.
    pub fn new(seed: u64, entries: u64, block_entries: u64) -> Self {
        Self { seed, entries, block_entries, until: ledger::now() }
    }
}
