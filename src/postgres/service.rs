//! What a node does for the database, in the background, until it is told to stop.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio_util::sync::CancellationToken;

use super::reconcile::{self, Schedule};
use super::{Address, Database, mirror, outbox};
use crate::ledger::Ledger;

/// How long a row waits for an entry that it names and that is nowhere, unless told otherwise, in
/// seconds.
pub const DEFAULT_PARENT_WAIT_SECONDS: u32 = 3600;

/// What a node does for a database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database is.
    pub address: Address,
    /// How rows of its outbox are submitted; not at all where there is nothing.
    pub outbox: Option<OutboxSettings>,
    /// Whether what is sealed is mirrored.
    pub mirror: bool,
    /// What is compared with the ledger every so often; nothing where there is none.
    pub reconcile: Option<Schedule>,
}

/// How rows of the outbox are submitted.
#[derive(Clone, Copy, Debug)]
pub struct OutboxSettings {
    /// How long a row waits for an entry that it names and that is nowhere, before it is rejected.
    pub parent_wait: Duration,
}

/// Does for the database what `settings` say, until `stopping` is cancelled. Each job is a future of
/// its own, and each connects by itself.
pub async fn run(settings: Settings, ledger: Ledger, stopping: CancellationToken) {
    let database = Database::new(settings.address, ledger.chain().clone());
    let mut jobs: Vec<BoxFuture<'static, ()>> = Vec::new();
    if let Some(outbox) = settings.outbox {
        let job = outbox::drain(database.clone(), ledger.clone(), outbox, stopping.clone());
        jobs.push(job.boxed());
    }
    if settings.mirror {
        jobs.push(mirror::follow(ledger.clone(), database.clone(), stopping.clone()).boxed());
    }
    if let Some(schedule) = settings.reconcile {
        let job = reconcile::keep_reconciling(schedule, ledger, database, stopping);
        jobs.push(job.boxed());
    }
    join_all(jobs).await;
}
