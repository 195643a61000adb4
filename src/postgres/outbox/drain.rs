//! The loop that drains the outbox.
//!
//! One task claims batches and enqueues their entries, so those go to the ledger in order; while one
//! batch is being sealed or its receipts are written, the next is claimed, over a connection of its
//! own. A batch of which anything fails is given up as a whole: its rows are pending again, and what
//! was sealed of it is found to be there.

use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::super::service::OutboxSettings;
use super::super::{Connection, Database, PostgresError};
use super::claim::{MAX_BATCH_ROWS, claim, hold_back, peek, promote};
use super::fate::{Reading, fates};
use super::report::backlog;
use super::row::Row;
use super::settle::{Tally, settle};
use crate::ledger::database::OutboxReport;
use crate::ledger::{Atomicity, Enqueued, Health, Ledger, SubmitError};

/// How many batches are in hand at the same time, each over a connection of its own.
const MAX_BATCHES_IN_HAND: usize = 3;
/// How long an idle loop waits before it looks again, in milliseconds: twice as long each time.
const IDLE_MS: std::ops::RangeInclusive<u64> = 5..=100;
/// How long it waits after something failed, in milliseconds: twice as long each time.
const FAILED_MS: std::ops::RangeInclusive<u64> = 100..=10_000;
/// How long a node that doesn't seal waits before it looks whether it does, in milliseconds.
const NOT_SEALING_MS: u64 = 500;
/// How long the database may take for one step, and the ledger to seal a batch, in seconds. Shorter
/// together than the server keeps an idle transaction open.
const MAX_STEP_SECONDS: u64 = 20;
/// How often waiting rows are looked at, in milliseconds.
const PROMOTE_MS: u64 = 50;
/// How often the backlog is counted, in seconds.
const COUNT_SECONDS: u64 = 5;

/// A batch: its rows are locked on `connection`, their entries are in the ledger's pool.
struct Batch {
    connection: Connection,
    rows: Vec<Row>,
    readings: Vec<Reading>,
    enqueued: Enqueued,
    any_waiting: bool,
}

/// What a look into the outbox came to.
enum Turn {
    /// There may be more.
    Full,
    /// A batch was claimed, and it was all there was.
    Some,
    /// There was nothing.
    Nothing,
    /// The ledger takes no entries now.
    NotSealing,
}

/// Why a batch was given up.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Database(#[from] PostgresError),
    #[error("the ledger takes no entries: {0}")]
    Submit(#[from] SubmitError),
    #[error("the ledger didn't seal a batch within {MAX_STEP_SECONDS} seconds")]
    Unsealed,
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
}

struct Drainer {
    database: Database,
    ledger: Ledger,
    settings: OutboxSettings,
    /// Connections without a batch.
    idle: Vec<Connection>,
    in_hand: JoinSet<Result<(Connection, Tally), Failure>>,
    promoted: Instant,
    counted: Option<Instant>,
}

/// Drains the outbox until `stopping` is cancelled.
pub async fn drain(
    database: Database,
    ledger: Ledger,
    settings: OutboxSettings,
    stopping: CancellationToken,
) {
    let drainer = Drainer {
        database,
        ledger,
        settings,
        idle: Vec::new(),
        in_hand: JoinSet::new(),
        promoted: Instant::now(),
        counted: None,
    };
    drainer.run(&stopping).await;
}

impl Drainer {
    async fn run(mut self, stopping: &CancellationToken) {
        let (mut idle_ms, mut failed_ms) = (*IDLE_MS.start(), *FAILED_MS.start());
        while !stopping.is_cancelled() {
            let pause_ms = match self.turn().await {
                Ok(Turn::Full) => {
                    (idle_ms, failed_ms) = (*IDLE_MS.start(), *FAILED_MS.start());
                    0
                }
                Ok(Turn::Some) => {
                    (idle_ms, failed_ms) = (*IDLE_MS.start(), *FAILED_MS.start());
                    idle_ms
                }
                Ok(Turn::Nothing) => {
                    // While batches are in hand, there may be no failure only because nothing ended.
                    if self.in_hand.is_empty() {
                        failed_ms = *FAILED_MS.start();
                    }
                    let pause_ms = idle_ms;
                    idle_ms = (idle_ms * 2).min(*IDLE_MS.end());
                    pause_ms
                }
                Ok(Turn::NotSealing) => NOT_SEALING_MS,
                Err(failure) => {
                    self.failed(&failure, failed_ms);
                    let pause_ms = failed_ms;
                    failed_ms = (failed_ms * 2).min(*FAILED_MS.end());
                    pause_ms
                }
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = stopping.cancelled() => {}
            }
        }
        // What is in the pool is sealed anyway; with its receipts written, nothing comes twice.
        while let Some(ended) = self.in_hand.join_next().await {
            if let Err(failure) = self.take_back(ended) {
                tracing::debug!(%failure, "a batch of the outbox was given up at the end");
            }
        }
    }

    /// Looks into the outbox once, and claims what is there.
    async fn turn(&mut self) -> Result<Turn, Failure> {
        while let Some(ended) = self.in_hand.try_join_next() {
            self.take_back(ended)?;
        }
        if self.in_hand.len() >= MAX_BATCHES_IN_HAND
            && let Some(ended) = self.in_hand.join_next().await
        {
            self.take_back(ended)?;
        }
        if self.ledger.health() != Health::Sealing {
            self.tell(|report| report.draining = false);
            return Ok(Turn::NotSealing);
        }
        let connection = match self.idle.pop() {
            Some(connection) => connection,
            None => self.database.connect().await?,
        };
        match in_time("claim rows", self.claim(connection)).await? {
            Claimed::Nothing(connection) => {
                self.draining(connection.host());
                self.idle.push(*connection);
                Ok(Turn::Nothing)
            }
            Claimed::Rows { connection, rows, any_waiting } => {
                self.draining(connection.host());
                let full = rows.len() == MAX_BATCH_ROWS;
                self.submit(*connection, rows, any_waiting).await?;
                Ok(if full { Turn::Full } else { Turn::Some })
            }
        }
    }

    async fn claim(&mut self, mut connection: Connection) -> Result<Claimed, PostgresError> {
        if self.counted.is_none_or(|counted| counted.elapsed().as_secs() >= COUNT_SECONDS) {
            let (pending, oldest_pending_seconds) = backlog(&mut connection).await?;
            self.tell(|report| {
                report.pending = pending;
                report.oldest_pending_seconds = oldest_pending_seconds;
            });
            self.counted = Some(Instant::now());
        }
        let mut peeked = peek(&mut connection).await?;
        if peeked.waiting && self.promoted.elapsed() >= Duration::from_millis(PROMOTE_MS) {
            promote(&mut connection).await?;
            self.promoted = Instant::now();
            peeked.pending = true;
        }
        if !peeked.pending {
            return Ok(Claimed::Nothing(Box::new(connection)));
        }
        // A receipt that a crash of the server takes back is written again, the same.
        run(&mut connection, "BEGIN; SET LOCAL synchronous_commit = off").await?;
        let rows = claim(&mut connection).await?;
        if rows.is_empty() {
            run(&mut connection, "ROLLBACK").await?;
            return Ok(Claimed::Nothing(Box::new(connection)));
        }
        let connection = Box::new(connection);
        Ok(Claimed::Rows { connection, rows, any_waiting: peeked.waiting })
    }

    /// Puts the entries of claimed rows into the pool, in order, and leaves the rest to a task.
    async fn submit(
        &mut self,
        mut connection: Connection,
        rows: Vec<Row>,
        any_waiting: bool,
    ) -> Result<(), Failure> {
        let spec = self.ledger.head().tip.spec_ahead().clone();
        let read = move || {
            let reading = |row: &Row| match row.entry(&spec.currencies) {
                Ok(entry) => Reading::Entry(entry),
                Err(fault) => Reading::Fault(fault),
            };
            let readings: Vec<_> = rows.iter().map(reading).collect();
            (rows, readings)
        };
        let (rows, mut readings) = tokio::task::spawn_blocking(read).await?;
        if any_waiting {
            let looked = hold_back(&mut connection, &rows, &mut readings);
            in_time("look who waits", looked).await?;
        }
        let entries = readings.iter().filter_map(|reading| match reading {
            Reading::Entry(entry) => Some(entry.clone()),
            Reading::Fault(_) | Reading::Held(_) => None,
        });
        let entries = entries.collect();
        let enqueued = self.ledger.enqueue(entries, Atomicity::EntryByEntry).await?;
        let batch = Batch { connection, rows, readings, enqueued, any_waiting };
        let (ledger, parent_wait) = (self.ledger.clone(), self.settings.parent_wait);
        self.in_hand.spawn(batch.finish(ledger, parent_wait));
        Ok(())
    }

    /// Takes a connection back whose batch has ended.
    fn take_back(
        &mut self,
        ended: Result<Result<(Connection, Tally), Failure>, JoinError>,
    ) -> Result<(), Failure> {
        let (connection, tally) = ended??;
        self.idle.push(connection);
        self.tell(|report| {
            report.sealed = report.sealed.saturating_add(tally.sealed);
            report.put_off = report.put_off.saturating_add(tally.put_off);
            report.rejected = report.rejected.saturating_add(tally.rejected);
        });
        if tally.rejected > 0 {
            let rows = tally.rejected;
            tracing::warn!(rows, "rows of the outbox were rejected; see `counterfoil pg outbox`");
        }
        Ok(())
    }

    fn tell(&self, tell: impl FnOnce(&mut OutboxReport)) {
        self.ledger.tell_database(|report| tell(report.outbox.get_or_insert_default()));
    }

    fn draining(&self, host: &str) {
        self.tell(|report| {
            if !report.draining {
                tracing::info!(%host, "the outbox is drained");
            }
            report.draining = true;
        });
    }

    fn failed(&mut self, failure: &Failure, pause_ms: u64) {
        if let Failure::Database(error) = failure
            && error.is_contention()
        {
            tracing::debug!(%failure, "others were in the way of a batch; it is claimed again");
            return;
        }
        // The others lead to the same server.
        self.idle.clear();
        self.tell(|report| {
            report.draining = false;
            report.failures = report.failures.saturating_add(1);
        });
        tracing::warn!(%failure, again_in_ms = pause_ms, "the outbox isn't drained");
    }
}

/// What claiming came to.
enum Claimed {
    Nothing(Box<Connection>),
    Rows { connection: Box<Connection>, rows: Vec<Row>, any_waiting: bool },
}

impl Batch {
    /// Waits until the entries are sealed, and writes what became of them.
    async fn finish(
        self,
        ledger: Ledger,
        parent_wait: Duration,
    ) -> Result<(Connection, Tally), Failure> {
        let Self { mut connection, rows, readings, enqueued, any_waiting } = self;
        let sealed = timeout(Duration::from_secs(MAX_STEP_SECONDS), enqueued.outcomes()).await;
        let outcomes = sealed.map_err(|_| Failure::Unsealed)??;
        let fates = fates(&ledger, readings, outcomes).await?;
        let written = async {
            let tally = settle(&mut connection, &rows, &fates, parent_wait, any_waiting).await?;
            // From here on the backend sees the receipts. Before, the rows are pending as they were.
            run(&mut connection, "COMMIT").await?;
            Ok(tally)
        };
        let tally = in_time("write receipts", written).await?;
        Ok((connection, tally))
    }
}

/// Gives up after [`MAX_STEP_SECONDS`].
async fn in_time<T>(
    action: &'static str,
    step: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    let seconds = MAX_STEP_SECONDS;
    let done = timeout(Duration::from_secs(seconds), step).await;
    done.map_err(|_| PostgresError::TooSlow { action, seconds })?
}

async fn run(connection: &mut Connection, sql: &'static str) -> Result<(), PostgresError> {
    let done = sqlx::raw_sql(sql).execute(&mut **connection).await;
    done.map_err(PostgresError::statement("end or begin a transaction")).map(drop)
}
