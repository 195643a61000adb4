//! The pool: what waits to be sealed, in the order it came, bounded in entries and bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::OpenStore;
use super::conflict::{Settled, compare};
use super::outcome::{AppendError, Outcome, SubmitError};
use crate::protocol::block::{Block, EncodedEntry};
use crate::protocol::spec::Limits;

/// The most entries of one request.
pub const MAX_REQUEST_ENTRIES: usize = 10_000;
/// The most entries that wait, in all requests together.
pub const MAX_POOL_ENTRIES: usize = 100_000;
/// The most bytes of leaves that wait, in all requests together.
pub const MAX_POOL_BYTES: usize = 64 * 1024 * 1024;
/// How long a request waits for room in the pool, in milliseconds.
pub const MAX_POOL_WAIT_MS: u64 = 10_000;
/// The most blocks from elsewhere that are handed over and not answered.
pub const MAX_APPENDING_BLOCKS: usize = 8;
/// Bytes that one permit of the pool stands for.
const PERMIT_BYTES: usize = MAX_POOL_BYTES / MAX_POOL_ENTRIES;

/// Whether a request may be sealed in part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Atomicity {
    /// Each entry by itself.
    #[default]
    EntryByEntry,
    /// All of them in one block, or none.
    AllOrNothing,
}

/// Something for the writer to do.
pub(super) enum Request {
    Submit(Submission),
    Append(Incoming),
    /// A block was committed, or could not be: nothing to do but to look.
    Wake,
}

/// Entries that wait to be sealed.
pub(super) struct Submission {
    pub entries: Vec<EncodedEntry>,
    pub atomicity: Atomicity,
    pub reply: oneshot::Sender<Result<Vec<Settled>, SubmitError>>,
    /// The submission's share of the pool, given back when it is done.
    pub room: OwnedSemaphorePermit,
}

/// A block from elsewhere that waits to be verified and appended.
pub(super) struct Incoming {
    pub block: Box<Block>,
    pub reply: oneshot::Sender<Result<(), AppendError>>,
    /// Its place among those that are in hand, given back when it is done.
    pub room: OwnedSemaphorePermit,
}

/// A block that was handed over: what is handed over later is appended later.
pub struct Appending {
    outcome: oneshot::Receiver<Result<(), AppendError>>,
}

impl Appending {
    /// Waits until the block is appended or refused. When this returns without an error, the block
    /// MUST survive a power cut.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn outcome(self) -> Result<(), AppendError> {
        self.outcome.await.map_err(|_| AppendError::Stopped)?
    }
}

/// Entries that are in the pool: what is enqueued later is sealed later.
pub struct Enqueued {
    settled: oneshot::Receiver<Result<Vec<Settled>, SubmitError>>,
    store: Arc<OpenStore>,
}

impl Enqueued {
    /// Waits until all that can be sealed is. The outcomes come in the order of the entries.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn outcomes(self) -> Result<Vec<Outcome>, SubmitError> {
        let Self { settled, store } = self;
        let settled = settled.await.map_err(|_| SubmitError::Stopped)??;
        if !settled.iter().any(Settled::is_conflict) {
            return compare(settled, None);
        }
        let compare = move || {
            let view = store.load_full().map(|store| store.view());
            compare(settled, view.as_ref())
        };
        match tokio::task::spawn_blocking(compare).await {
            Ok(outcomes) => outcomes,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// The writer's end of the pool.
pub(super) struct Requests {
    pub receiver: mpsc::UnboundedReceiver<Request>,
    /// Wakes whoever waits for the next request, as long as there may be one.
    pub waker: mpsc::WeakUnboundedSender<Request>,
}

pub(super) struct Pool {
    requests: mpsc::UnboundedSender<Request>,
    /// One permit for each entry, or for each [`PERMIT_BYTES`] of a longer one. This bounds the
    /// channel, which therefore needs no bound of its own.
    room: Arc<Semaphore>,
    /// One permit for each block from elsewhere.
    appending: Arc<Semaphore>,
    /// Where entries in conflict are read again.
    store: Arc<OpenStore>,
}

impl Pool {
    /// The pool, and the writer's end of it.
    pub(super) fn new(store: Arc<OpenStore>) -> (Self, Requests) {
        let (requests, receiver) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(MAX_POOL_ENTRIES));
        let incoming = Requests { receiver, waker: requests.downgrade() };
        let appending = Arc::new(Semaphore::new(MAX_APPENDING_BLOCKS));
        (Self { requests, room, appending, store }, incoming)
    }

    pub(super) async fn enqueue(
        &self,
        limits: Limits,
        entries: Vec<EncodedEntry>,
        atomicity: Atomicity,
    ) -> Result<Enqueued, SubmitError> {
        let (reply, settled) = oneshot::channel();
        let enqueued = Enqueued { settled, store: self.store.clone() };
        if entries.is_empty() {
            // Whoever waits is there: the receiver is in hand.
            let _ = reply.send(Ok(Vec::new()));
            return Ok(enqueued);
        }
        check_size(limits, &entries, atomicity)?;
        let permits: usize =
            entries.iter().map(|entry| entry.leaf().len().div_ceil(PERMIT_BYTES)).sum();
        let permits = u32::try_from(permits.min(MAX_POOL_ENTRIES)).expect("bounded above");
        let room = self.room.clone().acquire_many_owned(permits);
        let room = tokio::time::timeout(Duration::from_millis(MAX_POOL_WAIT_MS), room)
            .await
            .map_err(|_| SubmitError::Overloaded)?
            .expect("the semaphore is never closed");
        let submission = Submission { entries, atomicity, reply, room };
        self.requests.send(Request::Submit(submission)).map_err(|_| SubmitError::Stopped)?;
        Ok(enqueued)
    }

    pub(super) async fn hand_over(&self, block: Block) -> Result<Appending, AppendError> {
        let room = self.appending.clone().acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        let (reply, outcome) = oneshot::channel();
        let incoming = Incoming { block: Box::new(block), reply, room };
        self.requests.send(Request::Append(incoming)).map_err(|_| AppendError::Stopped)?;
        Ok(Appending { outcome })
    }
}

pub(super) fn check_size(
    limits: Limits,
    entries: &[EncodedEntry],
    atomicity: Atomicity,
) -> Result<(), SubmitError> {
    let count = entries.len() as u64;
    let bytes: u64 = entries.iter().map(|entry| entry.leaf().len() as u64).sum();
    let bounds = match atomicity {
        Atomicity::EntryByEntry => [
            ("entries of a request", count, MAX_REQUEST_ENTRIES as u64),
            ("bytes of a request", bytes, MAX_POOL_BYTES as u64),
        ],
        Atomicity::AllOrNothing => [
            ("entries of an atomic request", count, limits.block_entries.into()),
            ("bytes of an atomic request", bytes, limits.block_bytes.into()),
        ],
    };
    match bounds.into_iter().find(|(_, given, limit)| given > limit) {
        Some((what, given, limit)) => Err(SubmitError::TooLarge { what, given, limit }),
        None => Ok(()),
    }
}
