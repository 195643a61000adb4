//! Where the rules' records are: named by what they are about, changed on top of a state that
//! stays as it is.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::records::Record;
use super::refusal::AdmitError;
use super::stored::StoredRecord;
use crate::protocol::codec;
use crate::protocol::entry::Kind;
use crate::protocol::hash::{DigestMap, StateKey};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;

/// What a record is about, within a tenant.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An entry, by kind and external id.
    Entry(Kind, &'a Id),
    /// A merchant's program.
    Program(&'a Id, &'a Id),
    /// A subscription: merchant, program, order.
    Subscription(&'a Id, &'a Id, &'a Id),
    /// What is counted for tiers and caps.
    Counted {
        /// Whose program.
        merchant: &'a Id,
        /// Which.
        program: &'a Id,
        /// For whom.
        affiliate: &'a Id,
        /// In which currency.
        currency: Currency,
        /// In which month, counted from January 1970, or ever.
        month: Option<u32>,
    },
    /// What a merchant paid in a currency.
    Prepaid(&'a Id, Currency),
    /// What is carried forward for an affiliate in a currency.
    Carried(&'a Id, Currency),
    /// Who stands above an affiliate.
    Upline(&'a Id),
}

impl Subject<'_> {
    /// The name of the record.
    pub fn key(self, tenant: &Id) -> StateKey {
        let digest = StateKey::of;
        match self {
            Self::Entry(kind, external_id) => {
                codec::with_encoded(&(0u8, tenant, kind, external_id), digest)
            }
            Self::Program(merchant, program) => {
                codec::with_encoded(&(1u8, tenant, merchant, program), digest)
            }
            Self::Subscription(merchant, program, order_ref) => {
                codec::with_encoded(&(2u8, tenant, merchant, program, order_ref), digest)
            }
            Self::Counted { merchant, program, affiliate, currency, month } => {
                let parties = (merchant, program, affiliate);
                codec::with_encoded(&(3u8, tenant, parties, currency, month), digest)
            }
            Self::Prepaid(merchant, currency) => {
                codec::with_encoded(&(4u8, tenant, merchant, currency), digest)
            }
            Self::Carried(affiliate, currency) => {
                codec::with_encoded(&(5u8, tenant, affiliate, currency), digest)
            }
            Self::Upline(affiliate) => codec::with_encoded(&(6u8, tenant, affiliate), digest),
        }
    }
}

/// Somebody who keeps records.
pub trait StateReader {
    /// Why a record couldn't be read.
    type Error;

    /// The record under `key`, if there is one.
    fn read(&self, key: &StateKey) -> Result<Option<StoredRecord>, Self::Error>;

    /// About how many records the next block changes, where there is a guess.
    fn changes_to_expect(&self) -> usize {
        0
    }
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
    /// Every change of a record by which accounts may move, the latest last.
    changed: Vec<Changed>,
}

/// A record by which accounts may move, before and after an entry changed it.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Its name.
    pub key: StateKey,
    /// What it was, if it was there.
    pub before: Option<Record>,
    /// What it is.
    pub after: Record,
}

/// A point to roll back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    undo: usize,
    changed: usize,
}

impl<'a, S: StateReader> Overlay<'a, S> {
    /// No changes on top of `base`.
    pub fn new(base: &'a S) -> Self {
        let room = base.changes_to_expect();
        let changes = Changes::with_capacity_and_hasher(room, BuildHasherDefault::default());
        Self { base, changes, undo: Vec::with_capacity(room), changed: Vec::new() }
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
        Mark { undo: self.undo.len(), changed: self.changed.len() }
    }

    /// Takes back every change since `mark`.
    pub fn roll_back(&mut self, mark: Mark) {
        self.changed.truncate(mark.changed);
        for (key, before) in self.undo.drain(mark.undo..).rev() {
            match before {
                Some(record) => self.changes.insert(key, record),
                None => self.changes.remove(&key),
            };
        }
    }

    /// Takes note of a record that is changed, if accounts may move by it.
    pub(super) fn take_note(&mut self, key: StateKey, before: Option<Record>, after: &Record) {
        if after.moves_accounts() {
            self.changed.push(Changed { key, before, after: after.clone() });
        }
    }

    /// How many records that accounts may move by were changed so far.
    pub fn changed(&self) -> usize {
        self.changed.len()
    }

    /// Every record that there is now in the place of another, and every change by which accounts
    /// may move, in order.
    pub fn into_changes(self) -> (Changes, Vec<Changed>) {
        (self.changes, self.changed)
    }
}
