//! `counterfoil fsck`: whether a data directory is in order.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Outcome, output, progress};
use crate::node::files;
use crate::store::{Finding, FsckReport, Store, StoreError};

/// Check everything in a data directory, and say what is wrong where
///
/// Re-verifies every block from genesis, believing nothing that is stored, and compares tiles,
/// indexes and the rules' records with what follows from the blocks. Changes nothing but what
/// every start does: it takes a store through recovery. The node of the directory must not be
/// running.
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil fsck --dir ledger")]
pub struct Arguments {
    /// The data directory
    #[arg(long)]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let chain = files::chain_of(&self.dir)?;
        let (report, guard, is_whole) = match Store::open(&self.dir, chain) {
            Ok((store, committer)) => {
                let bar = progress::bar(store.head().height(), "blocks");
                let report = store.fsck(|height| bar.set_position(height))?;
                bar.finish_and_clear();
                let standing = committer.standing();
                (report, standing.to_string(), standing.is_whole())
            }
            // It doesn't even open: that is the finding.
            Err(StoreError::Damaged { place, problem }) => {
                let findings = vec![Finding { place, problem }];
                let report = FsckReport { findings, ..FsckReport::default() };
                (report, "not compared, the store does not open".to_owned(), false)
            }
            Err(error) => return Err(error.into()),
        };
        let clean = report.is_clean() && is_whole;
        if self.json {
            let mut json = serde_json::to_value(&report)?;
            if let Some(object) = json.as_object_mut() {
                object.insert("clean".to_owned(), clean.into());
                object.insert("guard".to_owned(), guard.into());
            }
            output::json(&json)?;
        } else {
            for finding in &report.findings {
                output::line(format_args!("{}: {}", finding.place, finding.problem))?;
            }
            if report.findings_left_out > 0 {
                let more = output::count(report.findings_left_out);
                output::line(format_args!("… and {more} more findings"))?;
            }
            output::line(format_args!("guard: {guard}"))?;
            output::line(format_args!(
                "{}: {} of {} verified, {}, {} of the rules compared",
                if clean { "clean" } else { "NOT CLEAN" },
                output::count(report.verified_height),
                output::counted(report.height, "block", "blocks"),
                output::counted(report.entries, "entry", "entries"),
                output::counted(report.records, "record", "records"),
            ))?;
        }
        Ok(if clean { Exit::Fine } else { Exit::Failed })
    }
}
