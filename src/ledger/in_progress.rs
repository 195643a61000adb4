//! A submission that is being sealed: entry by entry, or all at once.

use tokio::sync::oneshot;

use super::conflict::{Conflict, Settled};
use super::outcome::{Outcome, Position, Rejection, SubmitError};
use super::pool::{self, Atomicity, Submission};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::Kind;
use crate::protocol::rules::{AdmitError, Refusal};
use crate::protocol::spec::Limits;
use crate::protocol::verify::Draft;
use crate::store::{Pending, StoreError};

/// A submission of which some entries are done.
pub(super) struct InProgress {
    entries: std::vec::IntoIter<EncodedEntry>,
    outcomes: Vec<Settled>,
    atomicity: Atomicity,
    reply: oneshot::Sender<Result<Vec<Settled>, SubmitError>>,
    _room: tokio::sync::OwnedSemaphorePermit,
}

/// How far a submission came in one block.
pub(super) enum Step {
    Done,
    BlockFull,
    /// It doesn't fit any block, by the limits that hold after the changes that it begins with.
    FitsNone(SubmitError),
}

impl InProgress {
    pub(super) fn new(submission: Submission) -> Self {
        Self {
            outcomes: Vec::with_capacity(submission.entries.len()),
            entries: submission.entries.into_iter(),
            atomicity: submission.atomicity,
            reply: submission.reply,
            _room: submission.room,
        }
    }

    /// Whether a change of the spec comes next.
    pub(super) fn begins_with_change(&self) -> bool {
        super::begins_with_change(self.entries.as_slice())
    }

    /// Admits as many of its entries as the draft has room for.
    pub(super) fn advance(
        &mut self,
        draft: &mut Draft<'_, Pending<'_>>,
        pending: &Pending<'_>,
    ) -> Result<Step, StoreError> {
        match self.atomicity {
            Atomicity::EntryByEntry => self.advance_each(draft, pending),
            Atomicity::AllOrNothing => self.advance_all(draft, pending),
        }
    }

    fn advance_each(
        &mut self,
        draft: &mut Draft<'_, Pending<'_>>,
        pending: &Pending<'_>,
    ) -> Result<Step, StoreError> {
        while let Some(entry) = self.entries.as_slice().first() {
            // A change stands at the beginning of a block: of the next.
            let too_late = entry.kind() == Kind::SpecChange && !draft.is_opening();
            if too_late || !draft.has_room_for(entry.leaf().len()) {
                return Ok(Step::BlockFull);
            }
            let Some(entry) = self.entries.next() else { unreachable!("looked at above") };
            self.outcomes.push(admit(draft, pending, entry)?);
        }
        Ok(Step::Done)
    }

    fn advance_all(
        &mut self,
        draft: &mut Draft<'_, Pending<'_>>,
        pending: &Pending<'_>,
    ) -> Result<Step, StoreError> {
        if self.begins_with_change() && !draft.is_opening() {
            return Ok(Step::BlockFull);
        }
        let mark = draft.mark();
        let entries = self.entries.as_slice().to_vec();
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            if !draft.has_room_for(entry.leaf().len()) {
                let limits = draft.limits();
                draft.roll_back(mark);
                // The pool checked that it fits an empty block, by the limits of then.
                return Ok(if draft.entries().is_empty() {
                    Step::FitsNone(self.too_large(limits))
                } else {
                    Step::BlockFull
                });
            }
            outcomes.push(admit(draft, pending, entry)?);
        }
        if outcomes.iter().any(Settled::is_rejected) {
            draft.roll_back(mark);
            // What referred to entries that were just taken back refers to nothing now.
            let gone = |position: &Position| position.index >= draft.next_index();
            for outcome in &mut outcomes {
                match outcome {
                    Settled::As(Outcome::Sealed(_)) => *outcome = NOT_ATOMIC,
                    Settled::As(Outcome::Existing(first)) if gone(first) => *outcome = NOT_ATOMIC,
                    Settled::Conflict(conflict) => {
                        conflict.first = conflict.first.filter(|first| !gone(first));
                    }
                    Settled::As(_) => {}
                }
            }
        }
        self.entries = Vec::new().into_iter();
        self.outcomes = outcomes;
        Ok(Step::Done)
    }

    /// That what is left is more than a block of `limits` can have.
    fn too_large(&self, limits: Limits) -> SubmitError {
        let entries = self.entries.as_slice();
        match pool::check_size(limits, entries, self.atomicity) {
            Err(error) => error,
            // It is by itself what the limits allow, which the changes before it take up.
            Ok(()) => SubmitError::TooLarge {
                what: "entries of an atomic request",
                given: entries.len() as u64,
                limit: limits.block_entries.into(),
            },
        }
    }

    /// Answers with what became of each entry.
    pub(super) fn finish(self) {
        // Whoever asked may be gone; what is sealed stays, and a retry finds it.
        let _ = self.reply.send(Ok(self.outcomes));
    }

    /// Answers that nothing is known of any entry.
    pub(super) fn fail(self, error: &SubmitError) {
        let _ = self.reply.send(Err(error.clone()));
    }
}

const NOT_ATOMIC: Settled = Settled::As(Outcome::Rejected(Rejection::NotAtomic));

fn admit(
    draft: &mut Draft<'_, Pending<'_>>,
    pending: &Pending<'_>,
    entry: EncodedEntry,
) -> Result<Settled, StoreError> {
    let (id, height) = (entry.id(), draft.height());
    // A refused entry is needed once more only where its name was taken.
    let copy = entry.clone();
    match draft.admit(entry) {
        Ok(index) => Ok(Settled::As(Outcome::Sealed(Position { id, index, height }))),
        Err(AdmitError::Refused(Refusal::Duplicate { index })) => {
            duplicate(draft, pending, copy, index)
        }
        Err(AdmitError::Refused(refusal)) => {
            Ok(Settled::As(Outcome::Rejected(Rejection::Refused(refusal))))
        }
        Err(AdmitError::State(error)) => Err(error),
    }
}

/// The outcome of an entry whose external id is that of the entry at `index`. In what they differ,
/// is for those to find out who asked.
fn duplicate(
    draft: &Draft<'_, Pending<'_>>,
    pending: &Pending<'_>,
    entry: EncodedEntry,
    index: u64,
) -> Result<Settled, StoreError> {
    let first = match index.checked_sub(pending.tip().tree.size()) {
        None => pending.entry(index)?,
        Some(offset) => {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            draft.entries().get(offset).map(|first| (first.clone(), draft.height()))
        }
    };
    let Some((first, height)) = first else {
        return Err(StoreError::Damaged {
            place: format!("index {index}"),
            problem: "the rules remember an entry there, but there is none".to_owned(),
        });
    };
    let position = Position { id: first.id(), index, height };
    if first.id() == entry.id() {
        return Ok(Settled::As(Outcome::Existing(position)));
    }
    // What is stored can be read again; what is in memory already costs nothing to keep.
    let first_entry = (index >= pending.committed_size()).then_some(first);
    Ok(Settled::Conflict(Conflict { first: Some(position), first_entry, index, entry }))
}
