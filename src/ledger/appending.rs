//! Blocks from elsewhere: one is verified while the one before it is written.
//!
//! Invariants:
//! - A block is written only if it was verified on the block before it, and that one is durable.
//! - Blocks are answered in the order in which they came. Where one is refused, what came after it
//!   in the same run is refused too: it can't follow.

use super::accused::is_doubtful;
use super::in_progress::InProgress;
use super::outcome::AppendError;
use super::pool::{Incoming, Request};
use super::writer::Writer;
use crate::protocol::verify::{self, Invalid, VerifiedBlock};
use crate::store::{self, Committer, MIN_FREE_BYTES, Pending, Progress, StoreError};

/// A block that may be written, and who waits for it.
struct Verified {
    block: VerifiedBlock,
    incoming: Answerable,
}

/// Who waits for a block.
struct Answerable {
    reply: tokio::sync::oneshot::Sender<Result<(), AppendError>>,
    _room: tokio::sync::OwnedSemaphorePermit,
}

impl Answerable {
    fn answer(self, answer: Result<(), AppendError>) {
        // Whoever asked may be gone; the block stays.
        let _ = self.reply.send(answer);
    }
}

/// What came while a block was written.
#[derive(Default)]
struct Meanwhile {
    next: Option<Verified>,
    /// A submission, to be looked at when no block is in hand any more.
    carried: Option<InProgress>,
    failed: Option<StoreError>,
}

impl Writer {
    /// Verifies and appends a block, and those that follow while it is written. Gives back a submission
    /// that came in between.
    ///
    /// # Errors
    /// Where reading or writing failed. Everything in hand is answered then.
    pub(super) fn append(
        &mut self,
        committer: &mut Committer,
        first: Incoming,
    ) -> Result<Option<InProgress>, StoreError> {
        let pending = Pending::new(committer.store().clone(), None);
        let mut verified = match self.look_at(&pending, first) {
            Ok(verified) => verified,
            Err(error) => return Err(self.fail(error, [])),
        };
        while let Some(Verified { block, incoming }) = verified {
            let pending = Pending::new(committer.store().clone(), Some(&block));
            let waker = self.requests.waker.clone();
            let wake = move || drop(waker.upgrade().map(|waker| waker.send(Request::Wake)));
            let look = |progress: &Progress| self.look_for_next(&pending, progress);
            let (appended, meanwhile) = committer.append_meanwhile(&block, wake, look);
            let Meanwhile { next, carried, failed } = meanwhile;
            match appended {
                Ok(head) => {
                    self.heads.send_replace(head);
                    self.tell_standing(committer);
                    incoming.answer(Ok(()));
                }
                Err(error) => {
                    let answer = AppendError::Failed(error.in_general().to_owned());
                    incoming.answer(Err(answer.clone()));
                    if let Some(next) = next {
                        next.incoming.answer(Err(answer));
                    }
                    return Err(self.fail(error, carried));
                }
            }
            if let Some(error) = failed {
                return Err(self.fail(error, carried));
            }
            if carried.is_some() {
                assert!(next.is_none(), "nothing is looked for after a submission");
                return Ok(carried);
            }
            verified = next;
        }
        Ok(None)
    }

    /// The next block, if it comes before `progress` is over, verified on `pending`.
    fn look_for_next(&mut self, pending: &Pending<'_>, progress: &Progress) -> Meanwhile {
        let mut meanwhile = Meanwhile::default();
        loop {
            let request = if progress.is_over() {
                self.requests.receiver.try_recv().ok()
            } else {
                self.requests.receiver.blocking_recv()
            };
            match request {
                None => return meanwhile,
                Some(Request::Wake) => {}
                Some(Request::Submit(submission)) => {
                    meanwhile.carried = Some(InProgress::new(submission));
                    return meanwhile;
                }
                Some(Request::Append(incoming)) => match self.look_at(pending, incoming) {
                    Ok(None) => {}
                    Ok(next) => {
                        meanwhile.next = next;
                        return meanwhile;
                    }
                    Err(error) => {
                        meanwhile.failed = Some(error);
                        return meanwhile;
                    }
                },
            }
        }
    }

    /// Verifies a block on `pending`; one that is refused is answered.
    fn look_at(
        &self,
        pending: &Pending<'_>,
        incoming: Incoming,
    ) -> Result<Option<Verified>, StoreError> {
        let Incoming { block, reply, room } = incoming;
        let incoming = Answerable { reply, _room: room };
        let (height, key) = (block.header.height, block.header.authority);
        if is_doubtful(&self.brakes.accused.borrow(), &block.header) {
            incoming.answer(Err(AppendError::Accused { height, key }));
            return Ok(None);
        }
        let verified = store::check_free(&self.place.directory, MIN_FREE_BYTES)
            .map_err(Invalid::State)
            .and_then(|()| verify::verify(&self.place.chain, pending.tip(), pending, *block));
        match verified {
            Ok(block) => Ok(Some(Verified { block, incoming })),
            Err(Invalid::State(error)) => {
                incoming.answer(Err(AppendError::Failed(error.in_general().to_owned())));
                Err(error)
            }
            Err(invalid) => {
                incoming.answer(Err(AppendError::Invalid(without_cause(invalid))));
                Ok(None)
            }
        }
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
        Invalid::Change { height, index, refusal } => Invalid::Change { height, index, refusal },
        Invalid::UnknownRules { height, version } => Invalid::UnknownRules { height, version },
        Invalid::Signature { height } => Invalid::Signature { height },
    }
}
