//! The outbox: how fast a node drains rows that are there, and how long a row takes from its COMMIT to its
//! receipt while others come at a steady pace.
//!
//! In the figures: the node, the server and the client that writes rows, on one machine; each row's
//! receipt is seen by a connection that asks again and again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join;

use super::beside::OwnDatabase;
use super::tables::Connection;
use crate::cli::bench::child::Job;
use crate::cli::bench::http::Target;
use crate::cli::bench::latency::Latencies;
use crate::cli::bench::report::{Findings, Unit, per_second};
use crate::cli::bench::workload;

/// The folder of the ledger that takes them.
const FOLDER: &str = "drained";
/// The most rows that are drained.
const MAX_ROWS: u64 = 200_000;
/// How many rows a second are written while latency is measured.
const ROWS_A_SECOND: u64 = 500;
/// How many rows one statement writes at first.
const ROWS_A_STATEMENT: usize = 5_000;
/// How often it is asked for receipts, in milliseconds.
const ASK_EVERY_MS: u64 = 1;
/// How long receipts may take, in seconds.
const PATIENCE_SECONDS: u64 = 120;

/// Measures a node that drains the outbox of `database`.
pub async fn measure(
    job: &Job,
    database: &OwnDatabase,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let chain = database.migrate(&job.home.join(FOLDER)).await?;
    let rows = job.workload.entries.min(MAX_ROWS);
    let paced = ROWS_A_SECOND.saturating_mul(job.seconds);
    let (tenant, until) = ("outbox".parse()?, job.workload.until);
    let currencies = &chain.spec().currencies;
    let texts = workload::texts_of_client(1, &tenant, rows + paced, until, currencies)?;
    let (first, paced) =
        texts.split_at_checked(usize::try_from(rows)?).context("too few entries")?;
    let mut connection = database.connect().await?;
    for texts in first.chunks(ROWS_A_STATEMENT) {
        connection.insert_into_outbox(texts).await?;
    }
    let target = Target::beside_database(job, FOLDER, database.url())?;
    let began = Instant::now();
    while connection.value::<bool>(WAITING.to_owned()).await? {
        ensure!(began.elapsed().as_secs() < PATIENCE_SECONDS, "the outbox is not drained");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = per_second(rows, began.elapsed().as_secs_f64());
    findings.figure("postgres.outbox_rate", "draining an outbox, rows", rate, Unit::PerSecond);
    let latencies = pace(database, &mut connection, paced).await?;
    let label = format!("from a row's COMMIT to its receipt, {ROWS_A_SECOND} rows a second");
    latencies.report(findings, "postgres.outbox", &label);
    let rejected = "SELECT count(*) FROM counterfoil.outbox WHERE state <> 'sealed'";
    let rejected: i64 = connection.value(rejected.to_owned()).await?;
    findings.remark(format!("of the rows in the outbox {rejected} were rejected"));
    target.stop()
}

/// Whether rows are still to be submitted.
const WAITING: &str = "SELECT EXISTS (SELECT FROM counterfoil.outbox WHERE state = 'pending') \
     OR EXISTS (SELECT FROM counterfoil.outbox WHERE state = 'waiting')";

/// Writes rows at a steady pace, and finds out when each has its receipt.
async fn pace(
    database: &OwnDatabase,
    writer: &mut Connection,
    texts: &[String],
) -> anyhow::Result<Latencies> {
    let mut reader = database.connect().await?;
    let (committed, written) = (RefCell::new(BTreeMap::new()), Cell::new(false));
    let write = async {
        let mut ticks =
            tokio::time::interval(Duration::from_secs(1) / u32::try_from(ROWS_A_SECOND)?);
        for text in texts.chunks(1) {
            ticks.tick().await;
            let id = writer.insert_into_outbox(text).await?;
            committed.borrow_mut().insert(id, Instant::now());
        }
        written.set(true);
        anyhow::Ok(())
    };
    let read = async {
        let (mut latencies, began) = (Latencies::new(), Instant::now());
        loop {
            let oldest = committed.borrow().keys().next().copied();
            let Some(oldest) = oldest else {
                if written.get() {
                    return anyhow::Ok(latencies);
                }
                tokio::time::sleep(Duration::from_millis(ASK_EVERY_MS)).await;
                continue;
            };
            ensure!(began.elapsed().as_secs() < PATIENCE_SECONDS, "receipts don't come");
            for id in reader.answered_from(oldest).await? {
                // One that was committed before its client heard of it is seen the next time.
                if let Some(since) = committed.borrow_mut().remove(&id) {
                    latencies.record(since.elapsed());
                }
            }
            tokio::time::sleep(Duration::from_millis(ASK_EVERY_MS)).await;
        }
    };
    Ok(try_join(write, read).await?.1)
}
