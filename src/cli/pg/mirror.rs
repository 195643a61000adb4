//! `counterfoil pg mirror`: every sealed entry as rows of typed tables.

use clap::Args;
use serde_json::json;

use super::super::{Exit, Outcome, output, progress};
use super::{Place, block_on};
use crate::postgres::mirror::{self, CheckReport, MAX_BATCH_ENTRIES, Mirror, Written};
use crate::store::Store;

/// Bring the mirror in the database up to date with the ledger, or check it
///
/// Every sealed entry as rows of typed tables, where entries stand, and what accounts come to, in the
/// schema `counterfoil`. It can be stopped at any time, and goes on where it was. The node of the
/// directory must not be running: a running node does the same by itself with `postgres_mirror`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil pg mirror --dir ledger --postgres-url-file node.url\n  \
    counterfoil pg mirror --dir ledger --check\n  counterfoil pg mirror --dir ledger --rebuild"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Empty the mirror first, and make it anew from the ledger
    #[arg(long)]
    rebuild: bool,
    /// Compare every row with the ledger instead of writing any: exits with 1 where one differs
    #[arg(long, conflicts_with = "rebuild")]
    check: bool,
    /// How many entries a transaction has before it takes no further block
    #[arg(long, default_value_t = MAX_BATCH_ENTRIES, value_parser = clap::value_parser!(u64).range(1..=MAX_BATCH_ENTRIES))]
    batch_entries: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let (database, dir) = self.place.database_and_ledger()?;
        let (store, _committer) = Store::open(&dir, database.chain().clone())?;
        let height = store.head().height();
        let bar = progress::bar(height, "blocks");
        block_on(async {
            let mirror = Mirror::open(database.connect().await?).await?;
            let mut mirror = mirror.with_batches_of(self.batch_entries);
            if self.check {
                let report =
                    mirror::check(mirror.connection(), &store, |height| bar.set_position(height));
                let report = report.await?;
                bar.finish_and_clear();
                return tell(&report, self.json);
            }
            if self.rebuild {
                mirror.clear().await?;
            }
            let written =
                mirror.catch_up(&store, |reached| bar.set_position(reached.height)).await?;
            bar.finish_and_clear();
            let Written { blocks, entries, time } = written;
            if self.json {
                let seconds = time.as_secs_f64();
                output::json(&json!({
                    "height": height, "blocks": blocks, "entries": entries, "seconds": seconds,
                }))?;
            } else {
                output::line(format_args!(
                    "mirrored {} with {}; the mirror is at height {}",
                    output::counted(blocks, "block", "blocks"),
                    output::counted(entries, "entry", "entries"),
                    output::count(height),
                ))?;
            }
            Ok(Exit::Fine)
        })
    }
}

/// Says what a check found.
fn tell(report: &CheckReport, as_json: bool) -> Outcome {
    let equal = report.is_equal();
    if as_json {
        let mut json = serde_json::to_value(report)?;
        if let Some(object) = json.as_object_mut() {
            object.insert("equal".to_owned(), equal.into());
        }
        output::json(&json)?;
    } else {
        report.first.iter().try_for_each(output::line)?;
        let more = report.differences - report.first.len() as u64;
        if more > 0 {
            output::line(format_args!("… and {} more", output::count(more)))?;
        }
        if !report.states_compared {
            output::line(format_args!(
                "the mirror is at height {}, the ledger at {}: where entries stand was not compared",
                output::count(report.height),
                output::count(report.ledger_height),
            ))?;
        }
        output::line(format_args!(
            "{}: {} and {} compared as of height {}",
            if equal { "equal" } else { "DIFFERENT" },
            output::counted(report.rows, "row", "rows"),
            output::counted(report.balances, "balance", "balances"),
            output::count(report.height),
        ))?;
    }
    Ok(if equal { Exit::Fine } else { Exit::Failed })
}
