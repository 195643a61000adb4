//! What the rules remember: a record for each entry, and for each program.

use std::collections::HashMap;

use bincode::{Decode, Encode};

use super::lifecycle::{CommissionState, Step};
use super::refusal::{AdmitError, Refusal};
use crate::protocol::codec;
use crate::protocol::entry::{Kind, ProgramTerms, Reward};
use crate::protocol::hash::{DigestMap, Domain, StateKey};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency};
use crate::protocol::time::Timestamp;

/// What a record is about, within a tenant.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An entry, by kind and external id.
    Entry(Kind, &'a Id),
    /// A merchant's program.
    Program(&'a Id, &'a Id),
}

impl Subject<'_> {
    /// The name of the record.
    pub fn key(self, tenant: &Id) -> StateKey {
        let digest = |bytes: &[u8]| StateKey(Domain::State.digest(bytes));
        match self {
            Self::Entry(kind, external_id) => {
                codec::with_encoded(&(0u8, tenant, kind, external_id), digest)
            }
            Self::Program(merchant, program) => {
                codec::with_encoded(&(1u8, tenant, merchant, program), digest)
            }
        }
    }
}

/// A record and the entry that made it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StoredRecord {
    /// The log index of the entry that made it.
    pub index: u64,
    /// The height of the block of that entry.
    pub height: u64,
    /// What is remembered.
    pub record: Record,
}

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// That it was stated, nothing else.
    Stated,
    /// Of a program's terms.
    Terms(TermsRecord),
    /// Of a transaction.
    Transaction(TransactionRecord),
    /// Of a commission.
    Commission(CommissionRecord),
    /// Of a payout's part.
    Payout(PayoutRecord),
    /// Of a program.
    Program(ProgramRecord),
}

codec::numbered! {
    Record {
        0 => Stated {},
        1 => Terms { 0: terms },
        2 => Transaction { 0: transaction },
        3 => Commission { 0: commission },
        11 => Payout { 0: payout },
        100 => Program { 0: program },
    }
}

/// What is remembered of a program's terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TermsRecord {
    /// Whose program.
    pub merchant: Id,
    /// Which program.
    pub program: Id,
    /// From when they hold.
    pub effective_from: Timestamp,
    /// Until when they hold by their own word.
    pub effective_until: Option<Timestamp>,
    /// From when a later version holds instead.
    pub superseded_from: Option<Timestamp>,
    /// Days until a commission is due to lock.
    pub locking_days: u16,
    /// What a transaction earns.
    pub reward: Reward<Amount>,
}

impl TermsRecord {
    pub(super) fn new(terms: &ProgramTerms<Amount>) -> Self {
        Self {
            merchant: terms.merchant.clone(),
            program: terms.program.clone(),
            effective_from: terms.effective_from,
            effective_until: terms.effective_until,
            superseded_from: None,
            locking_days: terms.locking_days,
            reward: terms.reward.clone(),
        }
    }

    /// Whether they hold for an event at `time`.
    pub fn in_force(&self, time: Timestamp) -> bool {
        let ended = |end: Option<Timestamp>| end.is_some_and(|end| time >= end);
        time >= self.effective_from && !ended(self.effective_until) && !ended(self.superseded_from)
    }
}

/// What is remembered of a program.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ProgramRecord {
    /// The version of its latest terms.
    pub version: u32,
    /// From when those hold.
    pub effective_from: Timestamp,
    /// The record of those.
    pub latest: StateKey,
}

/// What is remembered of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TransactionRecord {
    /// Who sold.
    pub merchant: Id,
    /// Under which program.
    pub program: Id,
    /// When it happened.
    pub time: Timestamp,
    /// The currency of its amount.
    pub currency: Currency,
    /// What commissions are reckoned from.
    pub amount: Amount,
    /// What all its commissions come to so far.
    pub committed: Amount,
}

/// What is remembered of a commission. Always `reversed + paid <= amount`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CommissionRecord {
    /// Who earns it.
    pub affiliate: Id,
    /// Who owes it.
    pub merchant: Id,
    /// The currency of its amounts.
    pub currency: Currency,
    /// What it was stated at.
    pub amount: Amount,
    /// What was taken back of it.
    pub reversed: Amount,
    /// What was paid of it.
    pub paid: Amount,
    /// When it is due to lock.
    pub locks_at: Timestamp,
    /// Where it stands.
    pub state: CommissionState,
}

impl CommissionRecord {
    /// What is neither reversed nor paid.
    pub fn left(&self) -> Amount {
        self.amount
            .checked_sub(self.reversed)
            .and_then(|left| left.checked_sub(self.paid))
            .expect("never more is reversed and paid than was stated")
    }

    /// Takes a step of its life.
    ///
    /// # Errors
    /// [`Refusal::IllegalStep`].
    pub(super) fn step(&mut self, step: Step) -> Result<(), Refusal> {
        self.state = self.state.after(step)?;
        Ok(())
    }
}

/// What is remembered of a payout's part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PayoutRecord {
    /// Who is paid.
    pub affiliate: Id,
    /// In which currency.
    pub currency: Currency,
    /// The period that it pays for, from.
    pub period_from: Timestamp,
    /// The period that it pays for, until.
    pub period_until: Timestamp,
    /// The sum of its lines and of all parts before it.
    pub sum: Amount,
    /// Whether another part may follow.
    pub phase: PayoutPhase,
}

/// Whether another part of a payout may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutPhase {
    /// One may.
    Open,
    /// One did.
    Continued,
    /// This was the last.
    Closed,
}

codec::numbered! {
    PayoutPhase {
        1 => Open {},
        2 => Continued {},
        3 => Closed {},
    }
}

/// Somebody who keeps records.
pub trait StateReader {
    /// Why a record couldn't be read.
    type Error;

    /// The record under `key`, if there is one.
    fn read(&self, key: &StateKey) -> Result<Option<StoredRecord>, Self::Error>;
}

/// State in memory: what a verifier keeps, empty at genesis.
impl<H: std::hash::BuildHasher> StateReader for HashMap<StateKey, StoredRecord, H> {
    type Error = std::convert::Infallible;

    fn read(&self, key: &StateKey) -> Result<Option<StoredRecord>, Self::Error> {
        Ok(self.get(key).cloned())
    }
}

/// Records that changed, each as it is now.
pub type Changes = DigestMap<StateKey, StoredRecord>;

/// Changes on top of a state that stays as it is, and that can be taken back.
pub struct Overlay<'a, S> {
    base: &'a S,
    changes: Changes,
    /// What stood in `changes` before each write, the latest last.
    undo: Vec<(StateKey, Option<StoredRecord>)>,
}

/// A point to roll back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl<'a, S: StateReader> Overlay<'a, S> {
    /// No changes on top of `base`.
    pub fn new(base: &'a S) -> Self {
        Self { base, changes: Changes::default(), undo: Vec::new() }
    }

    /// The record under `key`, the latest.
    ///
    /// # Errors
    /// What `base` fails with.
    pub fn get(&self, key: &StateKey) -> Result<Option<StoredRecord>, AdmitError<S::Error>> {
        match self.changes.get(key) {
            Some(record) => Ok(Some(record.clone())),
            None => self.base.read(key).map_err(AdmitError::State),
        }
    }

    /// Writes a record.
    pub fn put(&mut self, key: StateKey, record: StoredRecord) {
        let before = self.changes.insert(key, record);
        self.undo.push((key, before));
    }

    /// The point that the changes have reached.
    pub fn mark(&self) -> Mark {
        Mark(self.undo.len())
    }

    /// Takes back every change since `mark`.
    pub fn roll_back(&mut self, mark: Mark) {
        for (key, before) in self.undo.drain(mark.0..).rev() {
            match before {
                Some(record) => self.changes.insert(key, record),
                None => self.changes.remove(&key),
            };
        }
    }

    /// Every changed record.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}
