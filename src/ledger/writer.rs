//! The writer: one thread through which everything goes that makes the ledger grow.
//!
//! Invariants:
//! - It alone holds the committer.
//! - A request is answered only when every block that holds an entry of it is durable.
//! - After a failed write it seals nothing more: what was written of the block is for the
//!   next start to find out.
//!
//! Blocks are cut by group commit: while one block is being made durable, what comes in
//! waits, and goes into the next together. A lone submitter waits for nobody.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::hold::Hold;
use super::outcome::{AppendError, Outcome, Position, Rejection, SubmitError};
use super::pool::{Atomicity, Request, Submission};
use super::{Health, now};
use crate::protocol::block::{Block, EncodedEntry};
use crate::protocol::key::SealingKey;
use crate::protocol::rules::{AdmitError, Refusal};
use crate::protocol::text::EntryText;
use crate::protocol::verify::{self, Draft, Invalid};
use crate::store::{Committer, Head, Store, StoreError};

/// The most requests that one block answers. More than it has entries only where requests add
/// none; they mustn't keep the others waiting for ever.
const MAX_BLOCK_REQUESTS: usize = 10_000;

pub(super) struct Writer {
    committer: Committer,
    key: Option<SealingKey>,
    requests: mpsc::UnboundedReceiver<Request>,
    heads: watch::Sender<Arc<Head>>,
    health: watch::Sender<Health>,
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
        committer: Committer,
        key: Option<SealingKey>,
        requests: mpsc::UnboundedReceiver<Request>,
        hold: watch::Receiver<Option<Hold>>,
    ) -> (Self, Heads, watch::Receiver<Health>) {
        let (heads, heads_receiver) = watch::channel(committer.store().head());
        let (health, health_receiver) = watch::channel(standing(&committer, key.as_ref()));
        (Self { committer, key, requests, heads, health, hold }, heads_receiver, health_receiver)
    }

    /// Works until every handle is gone.
    pub(super) fn run(mut self) {
        let mut carried: Option<InProgress> = None;
        loop {
            let next = match carried.take() {
                Some(in_progress) => in_progress,
                None => match self.requests.blocking_recv() {
                    None => return,
                    Some(Request::Append { block, reply }) => {
                        let result = self.append(*block);
                        // Whoever asked may be gone; the block stays.
                        let _ = reply.send(result);
                        continue;
                    }
                    Some(Request::Submit(submission)) => InProgress::new(submission),
                },
            };
            carried = self.seal(next);
        }
    }

    /// Seals one block: of `first`, and of what else waits as far as there is room. Gives back
    /// the request that didn't fit whole.
    fn seal(&mut self, first: InProgress) -> Option<InProgress> {
        let health = self.health.borrow().clone().held_by(self.hold.borrow().as_ref());
        let (Some(key), Health::Sealing) = (&self.key, &health) else {
            first.fail(&SubmitError::NotSealing(health));
            return None;
        };
        let store = self.committer.store().clone();
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
                Err(error) => {
                    fail(&self.health, &error, done.into_iter().chain([request]));
                    return None;
                }
            }
            if done.len() < MAX_BLOCK_REQUESTS {
                next = waiting(&mut self.requests);
            }
        }
        if !draft.entries().is_empty() {
            let block = draft.seal(key);
            match self.committer.commit(&block) {
                Ok(head) => {
                    let (height, entries) = (head.height(), block.entries().len());
                    tracing::debug!(height, entries, size = head.size(), "block sealed");
                    self.heads.send_replace(head);
                }
                Err(error) => {
                    fail(&self.health, &error, done.into_iter().chain(carried));
                    return None;
                }
            }
        }
        done.into_iter().for_each(InProgress::finish);
        carried
    }

    fn append(&mut self, block: Block) -> Result<(), AppendError> {
        if let Health::Failed(cause) = &*self.health.borrow() {
            return Err(AppendError::Failed(cause.clone()));
        }
        let store = self.committer.store().clone();
        let verified = verify::verify(store.chain(), &store.head().tip, &store, block)
            .map_err(|invalid| AppendError::Invalid(without_cause(invalid)))?;
        match self.committer.append(&verified) {
            Ok(head) => {
                self.heads.send_replace(head);
                self.health.send_replace(standing(&self.committer, self.key.as_ref()));
                Ok(())
            }
            Err(error) => {
                let cause = error.to_string();
                fail(&self.health, &error, std::iter::empty());
                Err(AppendError::Failed(cause))
            }
        }
    }
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

/// Stops sealing: how much of the last block was written isn't known.
fn fail(
    health: &watch::Sender<Health>,
    error: &StoreError,
    requests: impl Iterator<Item = InProgress>,
) {
    tracing::error!(%error, "writing failed; nothing more is sealed until a restart");
    // The cause stays in the log: callers get no paths.
    let failed = Health::Failed("see the node's log".to_owned());
    health.send_replace(failed.clone());
    for request in requests {
        request.fail(&SubmitError::NotSealing(failed.clone()));
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
