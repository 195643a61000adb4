//! A node's background job: compare the mapped tables with the ledger every so often, and raise the
//! alarm in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Mapping, ReconcileReport, TableReport, reconcile};
use crate::ledger::Ledger;
use crate::postgres::{Database, PostgresError};

/// The most findings of one table that go to the log.
const MAX_LOGGED_FINDINGS: usize = 20;

/// What is compared, and how often.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Which tables have what is on the ledger.
    pub mapping: Arc<Mapping>,
    /// From one beginning to the next.
    pub every: Duration,
}

/// Compares until it is told to stop. A server that is away is asked again the next time.
pub async fn keep_reconciling(
    schedule: Schedule,
    ledger: Ledger,
    database: Database,
    stopping: CancellationToken,
) {
    let mut ticks = tokio::time::interval(schedule.every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let began = Instant::now();
        let compared = tokio::select! {
            () = stopping.cancelled() => return,
            compared = once(&schedule.mapping, &ledger, &database) => compared,
        };
        match compared {
            Err(error) => {
                ledger.tell_database(|report| {
                    report.comparison.get_or_insert_default().failures += 1;
                });
                tracing::error!(%error, "the database could not be compared with the ledger");
            }
            Ok(found) => {
                ledger.tell_database(|report| {
                    let told = report.comparison.get_or_insert_default();
                    told.comparisons += 1;
                    told.rows = found.tables.iter().map(|table| table.rows).sum();
                    told.differences = found.tables.iter().map(TableReport::differences).sum();
                });
                tell(&found, began.elapsed());
            }
        }
    }
}

async fn once(
    mapping: &Arc<Mapping>,
    ledger: &Ledger,
    database: &Database,
) -> Result<ReconcileReport, PostgresError> {
    let mut connection = database.connect().await?;
    let store = ledger.store().map_err(|_| PostgresError::NotOpen)?;
    reconcile(&mut connection, &store, mapping, |_| {}).await
}

fn tell(report: &ReconcileReport, took: Duration) {
    let rows: u64 = report.tables.iter().map(|table| table.rows).sum();
    if report.equal {
        tracing::info!(
            height = report.height,
            rows,
            ?took,
            "the database says what the ledger says"
        );
        return;
    }
    for table in report.tables.iter().filter(|table| table.differences() > 0) {
        for finding in table.findings.iter().take(MAX_LOGGED_FINDINGS) {
            tracing::error!(table = table.table, "{finding}");
        }
        tracing::error!(
            alarm = "reconcile",
            table = table.table,
            height = report.height,
            rows = table.rows,
            changed = table.changed,
            wrong_links = table.wrong_links,
            missing = table.missing,
            extra = table.extra,
            "the database DIFFERS from the ledger"
        );
    }
}
