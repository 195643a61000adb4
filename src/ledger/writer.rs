//! The writer: one thread through which everything goes that makes the ledger grow.
//!
//! Invariants:
//! - It alone holds the committer.
//! - A request is answered only when every block that holds an entry of it is durable.
//! - After a failed write it seals nothing more on what is open: what was written of the block
//!   is for recovery to find out, when the store was opened anew (`resume.rs`).
//!
//! Blocks are cut by group commit: while one block is being made durable, what comes in
//! waits, and goes into the next together. A lone submitter waits for nobody.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::hold::Hold;
use super::outcome::{AppendError, Outcome, Position, Rejection, SubmitError};
use super::pool::{Atomicity, Request, Submission};
use super::{Health, OpenStore, now};
use crate::protocol::block::{Block, EncodedEntry};
use crate::protocol::key::SealingKey;
use crate::protocol::rules::{AdmitError, Refusal};
use crate::protocol::text::EntryText;
use crate::protocol::verify::{self, Chain, Draft, Invalid};
use crate::store::{self, Committer, Head, MIN_FREE_BYTES, Store, StoreError};

/// The most requests that one block answers. More than it has entries only where requests add
/// none; they mustn't keep the others waiting for ever.
const MAX_BLOCK_REQUESTS: usize = 10_000;

/// Which ledger is written, and where.
pub(super) struct Place {
    pub directory: PathBuf,
    pub chain: Arc<Chain>,
}

pub(super) struct Writer {
    pub(super) place: Place,
    pub(super) store: Arc<OpenStore>,
    pub(super) requests: mpsc::UnboundedReceiver<Request>,
    key: Option<SealingKey>,
    heads: watch::Sender<Arc<Head>>,
    pub(super) health: watch::Sender<Health>,
    hold: watch::Receiver<Option<Hold>>,
}

/// A submission of which some entries are done.
struct InProgress {
    entries: std::vec::IntoIter<EncodedEntry>,
    outcomes: Vec<Outcome>,
    atomicity: Atomicity,
    reply: oneshot::Sender<Result<Vec<Outcome>, SubmitError>>,
    _room: tokio::sync::OwnedSemaphorePermit,
}

type Heads = watch::Receiver<Arc<Head>>;

impl Writer {
    pub(super) fn new(
        place: Place,
        store: Arc<OpenStore>,
        committer: &Committer,
        key: Option<SealingKey>,
        requests: mpsc::UnboundedReceiver<Request>,
        hold: watch::Receiver<Option<Hold>>,
    ) -> (Self, Heads, watch::Receiver<Health>) {
        let (heads, heads_receiver) = watch::channel(committer.store().head());
        let (health, health_receiver) = watch::channel(standing(committer, key.as_ref()));
        let writer = Self { place, store, requests, key, heads, health, hold };
        (writer, heads_receiver, health_receiver)
    }

    /// Works until every handle is gone.
    pub(super) fn run(mut self, committer: Committer) {
        let mut open = Some(committer);
        while let Some(mut committer) = open.take() {
            match self.work(&mut committer) {
                Ok(()) => self.close(committer),
                Err(error) => open = self.resume(committer, &error),
            }
        }
    }

    /// Works until every handle is gone, or the store must be opened anew.
    fn work(&mut self, committer: &mut Committer) -> Result<(), StoreError> {
        let mut carried: Option<InProgress> = None;
        loop {
            let next = match carried.take() {
                Some(in_progress) => in_progress,
                None => match self.requests.blocking_recv() {
                    None => return Ok(()),
                    Some(Request::Append { block, reply }) => {
                        self.append(committer, *block, reply)?;
                        continue;
                    }
                    Some(Request::Submit(submission)) => InProgress::new(submission),
                },
            };
            carried = self.seal(committer, next)?;
        }
    }

    /// Takes up a store that was opened, and tells everybody.
    pub(super) fn take_up(&self, committer: &Committer) {
        self.store.store(Some(Arc::new(committer.store().clone())));
        self.heads.send_replace(committer.store().head());
        self.health.send_replace(standing(committer, self.key.as_ref()));
    }

    /// Tells everybody that nothing is sealed, and why.
    pub(super) fn halt(&self, health: Health) {
        self.health.send_replace(health);
    }

    /// Answers a request that can't be served now.
    pub(super) fn refuse(&self, request: Request) {
        let health = self.health.borrow().clone();
        // Whoever asked may be gone.
        match request {
            Request::Submit(submission) => {
                let _ = submission.reply.send(Err(SubmitError::NotSealing(health)));
            }
            Request::Append { reply, .. } => {
                let _ = reply.send(Err(AppendError::Failed(health.to_string())));
            }
        }
    }

    /// Seals one block: of `first`, and of what else waits as far as there is room. Gives back
    /// the request that didn't fit whole.
    ///
    /// # Errors
    /// Where reading or writing failed. Everything in hand is answered then.
    fn seal(
        &mut self,
        committer: &mut Committer,
        first: InProgress,
    ) -> Result<Option<InProgress>, StoreError> {
        let health = self.health.borrow().clone().held_by(self.hold.borrow().as_ref());
        let (Some(key), Health::Sealing) = (&self.key, &health) else {
            first.fail(&SubmitError::NotSealing(health));
            return Ok(None);
        };
        if let Err(error) = store::check_free(&self.place.directory, MIN_FREE_BYTES) {
            return Err(self.fail(error, [first]));
        }
        let store = committer.store().clone();
        let head = store.head();
        let chain = store.chain().clone();
        let mut draft = Draft::new(&chain, &head.tip, &store, now());
        let mut done = Vec::new();
        let mut carried = None;
        let mut next = Some(first);
        while let Some(mut request) = next.take() {
            match request.advance(&mut draft, &store) {
                Ok(Progress::Done) => done.push(request),
                Ok(Progress::BlockFull) => {
                    carried = Some(request);
                    break;
                }
                Err(error) => return Err(self.fail(error, done.into_iter().chain([request]))),
            }
            if done.len() < MAX_BLOCK_REQUESTS {
                next = waiting(&mut self.requests);
            }
        }
        if !draft.entries().is_empty() {
            let block = draft.seal(key);
            match caught(|| committer.commit(&block)) {
                Ok(head) => {
                    let (height, entries) = (head.height(), block.entries().len());
                    tracing::debug!(height, entries, size = head.size(), "block sealed");
                    self.heads.send_replace(head);
                }
                Err(error) => return Err(self.fail(error, done.into_iter().chain(carried))),
            }
        }
        done.into_iter().for_each(InProgress::finish);
        Ok(carried)
    }

    fn append(
        &mut self,
        committer: &mut Committer,
        block: Block,
        reply: oneshot::Sender<Result<(), AppendError>>,
    ) -> Result<(), StoreError> {
        let store = committer.store().clone();
        let appended = store::check_free(&self.place.directory, MIN_FREE_BYTES)
            .map_err(Invalid::State)
            .and_then(|()| verify::verify(store.chain(), &store.head().tip, &store, block))
            .and_then(|verified| caught(|| committer.append(&verified)).map_err(Invalid::State));
        let (answer, result) = match appended {
            Ok(head) => {
                self.heads.send_replace(head);
                self.health.send_replace(standing(committer, self.key.as_ref()));
                (Ok(()), Ok(()))
            }
            Err(Invalid::State(error)) => {
                let answer = AppendError::Failed(error.to_string());
                (Err(answer), Err(self.fail(error, [])))
            }
            Err(invalid) => (Err(AppendError::Invalid(without_cause(invalid))), Ok(())),
        };
        // Whoever asked may be gone; the block stays.
        let _ = reply.send(answer);
        result
    }

    /// Stops sealing: how much of the last block was written isn't known.
    fn fail(
        &self,
        error: StoreError,
        requests: impl IntoIterator<Item = InProgress>,
    ) -> StoreError {
        tracing::error!(%error, "the store failed; nothing is sealed until the disk works again");
        // The cause stays in the log: callers get no paths.
        let health = Health::Recovering(error.in_general());
        self.halt(health.clone());
        for request in requests {
            request.fail(&SubmitError::NotSealing(health.clone()));
        }
        error
    }
}

/// Commits a block. sled panics here and there where the disk fails; as after any other error,
/// the store must be opened anew then.
fn caught(commit: impl FnOnce() -> Result<Arc<Head>, StoreError>) -> Result<Arc<Head>, StoreError> {
    std::panic::catch_unwind(AssertUnwindSafe(commit)).unwrap_or(Err(StoreError::Panicked))
}

/// A submission that waits already, if one does. A block from elsewhere is refused: nobody may
/// seal but us while we do.
fn waiting(requests: &mut mpsc::UnboundedReceiver<Request>) -> Option<InProgress> {
    match requests.try_recv() {
        Ok(Request::Submit(submission)) => Some(InProgress::new(submission)),
        Ok(Request::Append { reply, .. }) => {
            let busy = "this node seals; it takes no blocks from elsewhere meanwhile";
            let _ = reply.send(Err(AppendError::Failed(busy.to_owned())));
            None
        }
        Err(_) => None,
    }
}

fn standing(committer: &Committer, key: Option<&SealingKey>) -> Health {
    match (key, committer.standing()) {
        // Whoever can't seal anyway may serve a copy.
        (None, standing) if standing.is_whole() => Health::NoKey,
        (Some(_), standing) if standing.may_seal() => Health::Sealing,
        (_, standing) => Health::Standing(standing.clone()),
    }
}

fn without_cause(invalid: Invalid<StoreError>) -> Invalid<String> {
    match invalid {
        Invalid::State(error) => Invalid::State(error.to_string()),
        Invalid::Header { height, field, expected, found } => {
            Invalid::Header { height, field, expected, found }
        }
        Invalid::TimeBackwards { height, time, parent_time } => {
            Invalid::TimeBackwards { height, time, parent_time }
        }
        Invalid::Empty { height } => Invalid::Empty { height },
        Invalid::TooLarge { height, index } => Invalid::TooLarge { height, index },
        Invalid::Rule { height, index, refusal } => Invalid::Rule { height, index, refusal },
        Invalid::Signature { height } => Invalid::Signature { height },
    }
}

/// How far a submission came in one block.
enum Progress {
    Done,
    BlockFull,
}

impl InProgress {
    fn new(submission: Submission) -> Self {
        Self {
            outcomes: Vec::with_capacity(submission.entries.len()),
            entries: submission.entries.into_iter(),
            atomicity: submission.atomicity,
            reply: submission.reply,
            _room: submission.room,
        }
    }

    fn advance(
        &mut self,
        draft: &mut Draft<'_, Store>,
        store: &Store,
    ) -> Result<Progress, StoreError> {
        match self.atomicity {
            Atomicity::EntryByEntry => self.advance_each(draft, store),
            Atomicity::AllOrNothing => self.advance_all(draft, store),
        }
    }

    fn advance_each(
        &mut self,
        draft: &mut Draft<'_, Store>,
        store: &Store,
    ) -> Result<Progress, StoreError> {
        while let Some(entry) = self.entries.as_slice().first() {
            if !draft.has_room_for(entry.leaf().len()) {
                return Ok(Progress::BlockFull);
            }
            let Some(entry) = self.entries.next() else { unreachable!("looked at above") };
            self.outcomes.push(admit(draft, store, entry)?);
        }
        Ok(Progress::Done)
    }

    fn advance_all(
        &mut self,
        draft: &mut Draft<'_, Store>,
        store: &Store,
    ) -> Result<Progress, StoreError> {
        let mark = draft.mark();
        let entries = self.entries.as_slice().to_vec();
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            if !draft.has_room_for(entry.leaf().len()) {
                // The pool checked that it fits an empty block, which the next one is.
                draft.roll_back(mark);
                return Ok(Progress::BlockFull);
            }
            outcomes.push(admit(draft, store, entry)?);
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Rejected(_))) {
            draft.roll_back(mark);
            // What referred to entries that were just taken back refers to nothing now.
            let gone = |position: &Position| position.index >= draft.next_index();
            for outcome in &mut outcomes {
                match outcome {
                    Outcome::Sealed(_) => *outcome = Outcome::Rejected(Rejection::NotAtomic),
                    Outcome::Existing(first) if gone(first) => {
                        *outcome = Outcome::Rejected(Rejection::NotAtomic);
                    }
                    Outcome::Rejected(Rejection::Conflict { first, .. }) => {
                        *first = first.filter(|first| !gone(first));
                    }
                    Outcome::Existing(_) | Outcome::Rejected(_) => {}
                }
            }
        }
        self.entries = Vec::new().into_iter();
        self.outcomes = outcomes;
        Ok(Progress::Done)
    }

    fn finish(self) {
        // Whoever asked may be gone; what is sealed stays, and a retry finds it.
        let _ = self.reply.send(Ok(self.outcomes));
    }

    fn fail(self, error: &SubmitError) {
        let _ = self.reply.send(Err(error.clone()));
    }
}

fn admit(
    draft: &mut Draft<'_, Store>,
    store: &Store,
    entry: EncodedEntry,
) -> Result<Outcome, StoreError> {
    let (id, height) = (entry.id(), draft.height());
    // A refused entry is needed once more only where its name was taken.
    let copy = entry.clone();
    match draft.admit(entry) {
        Ok(index) => Ok(Outcome::Sealed(Position { id, index, height })),
        Err(AdmitError::Refused(Refusal::Duplicate { index })) => {
            duplicate(draft, store, &copy, index)
        }
        Err(AdmitError::Refused(refusal)) => Ok(Outcome::Rejected(Rejection::Refused(refusal))),
        Err(AdmitError::State(error)) => Err(error),
    }
}

/// The outcome of an entry whose external id is that of the entry at `index`.
fn duplicate(
    draft: &Draft<'_, Store>,
    store: &Store,
    entry: &EncodedEntry,
    index: u64,
) -> Result<Outcome, StoreError> {
    let view = store.view();
    let (first, height) = if let Some(offset) = index.checked_sub(view.head().size()) {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        (draft.entries().get(offset).cloned(), Some(draft.height()))
    } else {
        (view.entry(index)?, view.height_of(index)?)
    };
    let (Some(first), Some(height)) = (first, height) else {
        return Err(StoreError::Damaged {
            place: format!("index {index}"),
            problem: "the rules remember an entry there, but there is none".to_owned(),
        });
    };
    let position = Position { id: first.id(), index, height };
    if first.id() == entry.id() {
        return Ok(Outcome::Existing(position));
    }
    let differing_fields = differing_fields(store, &first, entry);
    Ok(Outcome::Rejected(Rejection::Conflict { first: Some(position), differing_fields }))
}

/// The fields, in text form, in which two entries differ.
fn differing_fields(store: &Store, one: &EncodedEntry, two: &EncodedEntry) -> Vec<String> {
    let currencies = &store.chain().spec().currencies;
    let json = |entry: &EncodedEntry| {
        EntryText::new(entry.entry(), currencies)
            .ok()
            .and_then(|text| serde_json::to_value(text).ok())
            .unwrap_or_default()
    };
    let mut fields = Vec::new();
    collect_differences("", &json(one), &json(two), &mut fields);
    fields
}

fn collect_differences(
    path: &str,
    one: &serde_json::Value,
    two: &serde_json::Value,
    fields: &mut Vec<String>,
) {
    use serde_json::Value;
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            let names: std::collections::BTreeSet<_> = one.keys().chain(two.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let null = Value::Null;
                let (one, two) = (one.get(name).unwrap_or(&null), two.get(name).unwrap_or(&null));
                collect_differences(&path, one, two, fields);
            }
        }
        (one, two) if one != two => fields.push(path.to_owned()),
        _ => {}
    }
}
