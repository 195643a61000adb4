//! The writer: one thread through which everything goes that makes the ledger grow.
//!
//! Invariants:
//! - It alone holds the committer.
//! - A request is answered only when every block that holds an entry of it is durable.
//! - After a failed write it seals nothing more on what is open: what was written of the block
//!   is for recovery to find out, when the store was opened anew (`resume.rs`).
//!
//! Blocks are cut by group commit: while one block is being made durable, the next is drafted of
//! what comes in; it is signed when that one is durable. A lone submitter waits for nobody.
//! - An answer that refers to an entry goes out after that entry's block is durable.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::hold::Holds;
use super::in_progress::{InProgress, Step};
use super::outcome::{AppendError, SubmitError};
use super::pool::{Request, Requests};
use super::{Health, KnownEvidence, OpenStore, now};
use crate::protocol::key::{PublicKey, SealingKey};
use crate::protocol::verify::{Chain, Draft, Tip, VerifiedBlock};
use crate::store::{self, Committer, Head, MIN_FREE_BYTES, Pending, Progress, StoreError};

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
    pub(super) requests: Requests,
    key: Option<SealingKey>,
    pub(super) heads: watch::Sender<Arc<Head>>,
    pub(super) health: watch::Sender<Health>,
    pub(super) brakes: Brakes,
}

/// What keeps a ledger from growing.
pub(super) struct Brakes {
    /// Why it isn't sealed, though it could be.
    pub holds: watch::Receiver<Holds>,
    /// Evidence against keys.
    pub accused: watch::Receiver<KnownEvidence>,
}

/// A block that is signed and not yet durable, and the requests that it answers.
struct Sealed {
    block: VerifiedBlock,
    requests: Vec<InProgress>,
}

/// A block in the making.
struct Drafting<'a> {
    draft: Draft<'a, Pending<'a>>,
    /// Requests that are answered when the block is durable.
    done: Vec<InProgress>,
    /// The request that comes next.
    carried: Option<InProgress>,
    failed: Option<StoreError>,
}

impl<'a> Drafting<'a> {
    fn new(draft: Draft<'a, Pending<'a>>, carried: Option<InProgress>) -> Self {
        Self { draft, done: Vec::new(), carried, failed: None }
    }

    fn into_requests(self) -> impl Iterator<Item = InProgress> {
        self.done.into_iter().chain(self.carried)
    }
}

type Heads = watch::Receiver<Arc<Head>>;

impl Writer {
    pub(super) fn new(
        place: Place,
        store: Arc<OpenStore>,
        committer: &Committer,
        key: Option<SealingKey>,
        requests: Requests,
        brakes: Brakes,
    ) -> (Self, Heads, watch::Receiver<Health>) {
        let (heads, heads_receiver) = watch::channel(committer.store().head());
        let (health, health_receiver) = watch::channel(standing(committer, key.as_ref()));
        let writer = Self { place, store, requests, key, heads, health, brakes };
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
        let (mut sealed, mut carried) = (None, None);
        loop {
            if sealed.is_none() && carried.is_none() {
                match self.requests.receiver.blocking_recv() {
                    None => return Ok(()),
                    Some(Request::Wake) => continue,
                    Some(Request::Append(incoming)) => {
                        carried = self.append(committer, incoming)?;
                        continue;
                    }
                    Some(Request::Submit(submission)) => {
                        carried = Some(InProgress::new(submission));
                    }
                }
            }
            (sealed, carried) = self.turn(committer, sealed, carried)?;
        }
    }

    /// Takes up a store that was opened, and tells everybody.
    pub(super) fn take_up(&self, committer: &Committer) {
        self.store.store(Some(Arc::new(committer.store().clone())));
        self.heads.send_replace(committer.store().head());
        self.health.send_replace(standing(committer, self.key.as_ref()));
    }

    /// Tells everybody whether this node seals, where that has changed.
    pub(super) fn tell_standing(&self, committer: &Committer) {
        let now = standing(committer, self.key.as_ref());
        self.health.send_if_modified(|health| {
            let changed = *health != now;
            *health = now;
            changed
        });
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
            Request::Append(incoming) => {
                let _ = incoming.reply.send(Err(AppendError::Failed(health.to_string())));
            }
            Request::Wake => {}
        }
    }

    /// Makes a sealed block durable and answers its requests; meanwhile drafts the next of
    /// `carried` and of what comes in, and seals it. Gives back that block and the request that
    /// didn't fit whole.
    ///
    /// # Errors
    /// Where reading or writing failed. Everything in hand is answered then.
    fn turn(
        &mut self,
        committer: &mut Committer,
        sealed: Option<Sealed>,
        carried: Option<InProgress>,
    ) -> Result<(Option<Sealed>, Option<InProgress>), StoreError> {
        let (block, requests) = sealed.map(|sealed| (sealed.block, sealed.requests)).unzip();
        let pending = Pending::new(committer.store().clone(), block.as_ref());
        let chain = self.place.chain.clone();
        let mut next = Drafting::new(Draft::new(&chain, pending.tip(), &pending, now()), carried);
        let durable = match &block {
            None => {
                self.draft(&mut next, &pending, None);
                None
            }
            Some(block) => {
                let waker = self.requests.waker.clone();
                // Nobody left to wake: the writer doesn't wait then, either.
                let wake = move || drop(waker.upgrade().map(|waker| waker.send(Request::Wake)));
                let draft = |progress: &Progress| self.draft(&mut next, &pending, Some(progress));
                Some(committer.commit_meanwhile(block, wake, draft).0)
            }
        };
        let requests = requests.into_iter().flatten();
        match durable {
            None => {}
            Some(Ok(head)) => {
                let (height, size) = (head.height(), head.size());
                tracing::debug!(height, size, "block sealed");
                self.heads.send_replace(head);
                self.tell_standing(committer);
                requests.for_each(InProgress::finish);
            }
            Some(Err(error)) => {
                return Err(self.fail(error, requests.chain(next.into_requests())));
            }
        }
        if let Some(error) = next.failed.take() {
            return Err(self.fail(error, next.into_requests()));
        }
        Ok(match &self.key {
            Some(key) if !next.draft.entries().is_empty() => {
                let sealed = Sealed { block: next.draft.seal(key), requests: next.done };
                (Some(sealed), next.carried)
            }
            _ => {
                next.done.into_iter().for_each(InProgress::finish);
                (None, next.carried)
            }
        })
    }

    /// Drafts a block of what waits, and of what comes in while another is committed.
    fn draft(
        &mut self,
        next: &mut Drafting<'_>,
        pending: &Pending<'_>,
        committing: Option<&Progress>,
    ) {
        let health = self.braked_health();
        let may_seal = matches!(health, Health::Sealing | Health::NotAuthority { .. });
        let Some(own) = self.key.as_ref().map(SealingKey::public).filter(|_| may_seal) else {
            if let Some(request) = next.carried.take() {
                request.fail(&SubmitError::NotSealing(health));
            }
            return;
        };
        if let Err(error) = store::check_free(&self.place.directory, MIN_FREE_BYTES) {
            next.failed = Some(error);
            return;
        }
        while next.done.len() < MAX_BLOCK_REQUESTS {
            let request = next.carried.take().or_else(|| self.next_submission(committing));
            let Some(mut request) = request else { return };
            let mark = next.draft.mark();
            // Who seals this block may be another one than for the block before; a change that comes
            // first may make it us, or somebody else.
            let may_be_ours = next.draft.authority() == own || request.begins_with_change();
            let advanced = may_be_ours.then(|| request.advance(&mut next.draft, pending));
            let step = match advanced.transpose() {
                Ok(step) => step.filter(|_| next.draft.authority() == own),
                Err(error) => {
                    next.failed = Some(error);
                    next.carried = Some(request);
                    return;
                }
            };
            match step {
                Some(Step::Done) => next.done.push(request),
                Some(Step::BlockFull) => {
                    next.carried = Some(request);
                    return;
                }
                Some(Step::FitsNone(error)) => request.fail(&error),
                None => {
                    let authority = next.draft.authority();
                    next.draft.roll_back(mark);
                    let health = not_authority(own, pending.tip(), authority);
                    request.fail(&SubmitError::NotSealing(health));
                }
            }
        }
    }

    /// A submission that waits already, or that comes while a block is committed. A block from
    /// elsewhere is refused: nobody may seal but us while we do.
    fn next_submission(&mut self, committing: Option<&Progress>) -> Option<InProgress> {
        loop {
            let request = match committing {
                Some(progress) if !progress.is_over() => self.requests.receiver.blocking_recv()?,
                _ => self.requests.receiver.try_recv().ok()?,
            };
            match request {
                Request::Submit(submission) => return Some(InProgress::new(submission)),
                Request::Append(incoming) => {
                    let busy = "this node seals; it takes no blocks from elsewhere meanwhile";
                    let _ = incoming.reply.send(Err(AppendError::Failed(busy.to_owned())));
                }
                Request::Wake => {}
            }
        }
    }

    fn braked_health(&self) -> Health {
        let (holds, known) = (self.brakes.holds.borrow(), self.brakes.accused.borrow());
        let authority = self.heads.borrow().tip.spec_ahead().authority();
        self.health.borrow().clone().braked_by(&holds, &known, &authority)
    }

    /// Stops sealing: how much of the last block was written isn't known.
    pub(super) fn fail(
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

fn standing(committer: &Committer, key: Option<&SealingKey>) -> Health {
    match (key, committer.standing()) {
        // Whoever can't seal anyway may serve a copy.
        (None, standing) if standing.is_whole() => Health::NoKey,
        (Some(key), standing) if standing.may_seal() => {
            let tip = &committer.store().head().tip;
            let (own, authority) = (key.public(), tip.spec_ahead().authority());
            if own == authority { Health::Sealing } else { not_authority(own, tip, authority) }
        }
        (_, standing) => Health::Standing(standing.clone()),
    }
}

/// Why `own` doesn't seal the block after `tip`, which `authority` does.
fn not_authority(own: PublicKey, tip: &Tip, authority: PublicKey) -> Health {
    let height = tip.height.saturating_add(1);
    Health::NotAuthority { role: tip.succession.role_of(&own, height), authority }
}
