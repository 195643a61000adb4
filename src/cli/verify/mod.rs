//! `counterfoil verify`: prove a ledger, or one entry of it, from keys and hashes alone.
//!
//! | file | what is read |
//! |---|---|
//! | `directory.rs` | a data directory |
//! | `remote.rs` | a published log: checkpoint and tiles, nothing else |
//! | `file.rs` | an exported file |
//! | `receipt.rs` | a receipt |
//!
//! The first three end in `replay.rs`, which executes the whole chain again.

pub(super) mod directory;
mod file;
mod receipt;
mod records;
mod remote;
mod replay;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::tiles::{self, PublishedLog};
use super::{Exit, Outcome, output};
use crate::node::files;
use crate::protocol::hash::TreeHash;
use crate::protocol::time::Timestamp;
use crate::protocol::verify::{Chain, Invalid};

/// Prove a whole ledger, or one entry, trusting only the chain spec
///
/// --url reads the signed checkpoint and the log's tiles from a node, or from any web server that
/// has them, and recomputes the rest itself; what the node says of itself doesn't count. --dir
/// reads a data directory whose node isn't running, or a directory with the published files;
/// --file reads an export, --receipt one entry's receipt, without any network.
/// Everything is proven, or the exit code is not 0 and the first thing that is wrong is named.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil verify --url http://127.0.0.1:8080 --spec counterfoil-dev/spec.toml\n  \
    counterfoil verify --dir ledger\n  \
    counterfoil verify --file backup.cfx --spec chain-spec.toml\n  \
    counterfoil verify --receipt receipt.json --spec chain-spec.toml"
)]
pub struct Arguments {
    #[command(flatten)]
    what: What,
    /// The chain spec, from a place that you trust; a data directory's own without it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// A node, or a web server with the files of a published log
    #[arg(long, requires = "spec")]
    url: Option<String>,
    /// A data directory, or one with the files of a published log
    #[arg(long)]
    dir: Option<PathBuf>,
    /// An exported ledger
    #[arg(long, requires = "spec", value_name = "FILE")]
    file: Option<PathBuf>,
    /// A receipt
    #[arg(long, requires = "spec", value_name = "FILE")]
    receipt: Option<PathBuf>,
}

/// What was proven of a whole ledger.
#[derive(Debug, Serialize)]
pub(super) struct ProvenLedger {
    chain_id: String,
    origin: String,
    authority: String,
    /// The height of the last block.
    height: u64,
    /// How many leaves the log has.
    size: u64,
    root: TreeHash,
    pub(super) entries: u64,
    rules_version: u16,
    last_block_time: Timestamp,
    /// What was checked, a sentence each.
    checked: Vec<&'static str>,
    /// What was not, and can't be this way.
    not_proven: Vec<&'static str>,
}

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{problem}")]
struct NotProven {
    problem: String,
    /// The height of the block in which it was found, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    /// The log index of the leaf at which it was found, if it is one leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

impl NotProven {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), height: None, index: None }
    }

    fn at_block(height: u64, problem: impl Into<String>) -> Self {
        Self { height: Some(height), ..Self::new(problem) }
    }

    fn at_leaf(index: u64, height: u64, problem: impl std::fmt::Display) -> Self {
        let problem = format!("the leaf at index {index} (block {height}): {problem}");
        Self { problem, height: Some(height), index: Some(index) }
    }
}

impl<E> From<Invalid<E>> for NotProven {
    fn from(invalid: Invalid<E>) -> Self {
        let problem = invalid.to_string();
        let (height, index) = match invalid {
            Invalid::Header { height, .. }
            | Invalid::TimeBackwards { height, .. }
            | Invalid::Empty { height }
            | Invalid::UnknownRules { height, .. }
            | Invalid::Signature { height } => (Some(height), None),
            Invalid::TooLarge { height, index }
            | Invalid::Rule { height, index, .. }
            | Invalid::Change { height, index, .. } => (Some(height), Some(index)),
            Invalid::State(_) => (None, None),
        };
        Self { problem, height, index }
    }
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let chain = self.chain()?;
        match &self.what {
            What { url: Some(url), .. } => {
                let log = PublishedLog::under(url)?;
                self.report(remote::verify(&log, &chain), print)
            }
            What { dir: Some(dir), .. } if tiles::looks_published(dir) => {
                let log = PublishedLog::inside(dir.clone());
                self.report(remote::verify(&log, &chain), print)
            }
            What { dir: Some(dir), .. } => {
                self.report(directory::verify(dir, &chain, self.spec.is_some()), print)
            }
            What { file: Some(file), .. } => self.report(file::verify(file, &chain), print),
            What { receipt: Some(path), .. } => {
                self.report(receipt::verify(path, &chain), receipt::print)
            }
            What { .. } => unreachable!("clap asks for one of them"),
        }
    }

    fn chain(&self) -> anyhow::Result<Arc<Chain>> {
        match (&self.spec, &self.what.dir) {
            (Some(spec), _) => Ok(Arc::new(Chain::new(files::read_spec(spec)?))),
            (None, Some(dir)) if tiles::looks_published(dir) => Err(output::Misuse(format!(
                "{} has a published log; say with --spec which chain it must be of",
                dir.display()
            ))
            .into()),
            (None, Some(dir)) => Ok(files::chain_of(dir)?),
            (None, None) => unreachable!("clap asks for --spec"),
        }
    }

    /// Prints what was proven, or what wasn't.
    fn report<T: Serialize>(
        &self,
        result: anyhow::Result<T>,
        print: impl FnOnce(&T) -> anyhow::Result<()>,
    ) -> Outcome {
        match result {
            Ok(proven) if self.json => {
                output::json(&Report { proven: true, result: &proven })?;
                Ok(Exit::Fine)
            }
            Ok(proven) => print(&proven).map(|()| Exit::Fine),
            Err(error) if self.json => {
                let not_proven = match error.downcast::<NotProven>() {
                    Ok(not_proven) => not_proven,
                    Err(error) => NotProven::new(super::sentence(&error)),
                };
                output::json(&Report { proven: false, result: &not_proven })?;
                Ok(Exit::Failed)
            }
            Err(error) => match error.downcast::<NotProven>() {
                Ok(not_proven) => {
                    output::line(format_args!("NOT PROVEN: {not_proven}"))?;
                    Ok(Exit::Failed)
                }
                Err(error) => Err(error.context("nothing is proven")),
            },
        }
    }
}

#[derive(Serialize)]
struct Report<'a, T> {
    proven: bool,
    #[serde(flatten)]
    result: &'a T,
}

fn print(proven: &ProvenLedger) -> anyhow::Result<()> {
    let lines = [
        ("chain", proven.chain_id.clone()),
        ("origin", proven.origin.clone()),
        ("authority", proven.authority.clone()),
        ("blocks", format!("{} after genesis", output::count(proven.height))),
        ("entries", output::count(proven.entries)),
        (
            "log",
            format!("{}, root {}", output::counted(proven.size, "leaf", "leaves"), proven.root),
        ),
        ("last block", proven.last_block_time.to_string()),
    ];
    print_proven(&lines, &proven.checked, &proven.not_proven)
}

/// What is proven, what was checked for that, and what isn't proven by it.
fn print_proven(
    lines: &[(&str, String)],
    checked: &[impl std::fmt::Display],
    not_proven: &[impl std::fmt::Display],
) -> anyhow::Result<()> {
    output::line("PROVEN")?;
    for (name, value) in lines {
        output::line(format_args!("  {name:<11} {value}"))?;
    }
    for checked in checked {
        output::line(format_args!("  checked     {checked}"))?;
    }
    for not_proven in not_proven {
        output::line(format_args!("  not proven  {not_proven}"))?;
    }
    Ok(())
}
