//! `counterfoil pg reconcile`: the backend's own tables, compared with the ledger.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::super::{Exit, Outcome, output, progress, sentence};
use super::{Place, block_on};
use crate::node::files;
use crate::postgres::mirror;
use crate::postgres::reconcile::{MAX_MAPPING_BYTES, Mapping, ReconcileReport, reconcile};
use crate::store::Store;

/// Compare the backend's own tables, and the mirror, with the ledger
///
/// A mapping file says which tables have what is on the ledger, and which columns must equal which
/// fields of the entries: see docs/postgres.md. Names every row that was changed, every entry without
/// a row, every row without an entry and every wrong reference. Exits with 0 where all is equal, with
/// 1 where something differs, with 2 where it could not be compared. The node of the directory must
/// not be running; it does the same by itself with `postgres_reconcile`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil pg reconcile --mapping mapping.toml --dir ledger\n  \
    counterfoil pg reconcile --mapping mapping.toml --dir ledger --no-mirror --json"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Which tables and columns have what is on the ledger (TOML)
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Leave the mirror out
    #[arg(long)]
    no_mirror: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let as_json = self.json;
        match self.compare() {
            Ok(report) => {
                tell(&report, as_json)?;
                Ok(if report.equal { Exit::Fine } else { Exit::Failed })
            }
            Err(error) => {
                eprintln!("error: {}", sentence(&error));
                Ok(Exit::Usage)
            }
        }
    }

    fn compare(self) -> anyhow::Result<ReconcileReport> {
        let shown = self.mapping.display().to_string();
        let mapping = files::read_text(&self.mapping, MAX_MAPPING_BYTES)?;
        let mapping = Arc::new(Mapping::parse(&mapping).context(shown)?);
        let (database, dir) = self.place.database_and_ledger()?;
        let (store, _committer) = Store::open(&dir, database.chain().clone())?;
        block_on(async {
            let mut connection = database.connect().await?;
            let mirrored = if self.no_mirror {
                None
            } else {
                let bar = progress::bar(store.head().height(), "mirrored blocks");
                let report =
                    mirror::check(&mut connection, &store, |height| bar.set_position(height))
                        .await?;
                bar.finish_and_clear();
                Some(report)
            };
            let bar = progress::bar(2 * store.head().size(), "entries and rows");
            let mut report =
                reconcile(&mut connection, &store, &mapping, |more| bar.inc(more)).await?;
            bar.finish_and_clear();
            report.equal &= mirrored.as_ref().is_none_or(mirror::CheckReport::is_equal);
            report.mirror = mirrored;
            Ok(report)
        })
    }
}

/// Says what was found.
fn tell(report: &ReconcileReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(report);
    }
    for table in &report.tables {
        for finding in &table.findings {
            output::line(format_args!("{}: {finding}", table.table))?;
        }
        let more = table.differences() - table.findings.len() as u64;
        if more > 0 {
            output::line(format_args!("{}: … and {} more", table.table, output::count(more)))?;
        }
        output::line(format_args!(
            "{}: {} for {} of kind {}: {} changed, {} with a wrong link, {} missing, {} extra; {} on the way",
            table.table,
            output::counted(table.rows, "row", "rows"),
            output::counted(table.entries, "entry", "entries"),
            table.kind,
            output::count(table.changed),
            output::count(table.wrong_links),
            output::count(table.missing),
            output::count(table.extra),
            output::count(table.awaited),
        ))?;
    }
    if let Some(mirror) = &report.mirror {
        for difference in &mirror.first {
            output::line(format_args!("mirror: {difference}"))?;
        }
        output::line(format_args!(
            "mirror: {} as of height {}: {}",
            output::counted(mirror.rows, "row", "rows"),
            output::count(mirror.height),
            output::counted(mirror.differences, "difference", "differences"),
        ))?;
    }
    let equal = if report.equal { "equal" } else { "DIFFERENT" };
    output::line(format_args!("{equal}, as of height {}", output::count(report.height)))
}
