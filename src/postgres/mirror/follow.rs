//! A node's background job: mirror what is sealed, as long as the node runs.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Mirror, Reached};
use crate::ledger::Ledger;
use crate::postgres::{Database, PostgresError};

/// How long it waits after a first failure, in milliseconds; then twice as long each time.
const FIRST_WAIT_MS: u64 = 500;
/// The longest that it waits, in milliseconds.
const MAX_WAIT_MS: u64 = 30_000;
/// How long blocks are left to gather before they are mirrored, in milliseconds.
const GATHER_MS: u64 = 50;

/// Mirrors what `ledger` seals until it is told to stop. A server that is away is tried again; a
/// database of another ledger ends it.
pub async fn follow(ledger: Ledger, database: Database, stopping: CancellationToken) {
    let mut wait = FIRST_WAIT_MS;
    loop {
        let followed = tokio::select! {
            () = stopping.cancelled() => return,
            followed = follow_once(&ledger, &database, &mut wait) => followed,
        };
        let Err(error) = followed else { return };
        if error.is_another_ledgers() {
            tracing::error!(%error, "nothing is mirrored");
            return;
        }
        ledger.tell_database(|report| report.mirror.get_or_insert_default().failures += 1);
        tracing::warn!(%error, again_in_ms = wait, "mirroring broke off");
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
        wait = (wait * 2).min(MAX_WAIT_MS);
    }
}

/// Mirrors over one connection until it breaks, or the ledger is gone.
async fn follow_once(
    ledger: &Ledger,
    database: &Database,
    wait: &mut u64,
) -> Result<(), PostgresError> {
    let mut mirror = Mirror::open(database.connect().await?).await?;
    let mut heads = ledger.heads();
    loop {
        heads.borrow_and_update();
        let Ok(store) = ledger.store() else { return Err(PostgresError::NotOpen) };
        let tell = |reached: Reached| {
            ledger.tell_database(|report| {
                report.mirror.get_or_insert_default().height = reached.height;
            });
        };
        let written = mirror.catch_up(&store, tell).await?;
        // Whoever closes the ledger waits for those who hold it.
        drop(store);
        if written.blocks > 0 {
            ledger.tell_database(|report| {
                report.mirror.get_or_insert_default().entries += written.entries;
            });
            tracing::debug!(blocks = written.blocks, entries = written.entries, "mirrored");
        }
        *wait = FIRST_WAIT_MS;
        if heads.changed().await.is_err() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(GATHER_MS)).await;
    }
}
