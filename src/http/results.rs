//! What became of each entry of a request.

use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemType};
use crate::ledger::{Outcome, Position, Rejection};
use crate::protocol::block::EncodedEntry;
use crate::protocol::hash::EntryId;
use crate::protocol::spec::Currencies;
use crate::protocol::text;

/// What became of an entry.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum EntryResult {
    /// It is on the ledger, by this request, and durable.
    Sealed(Placed),
    /// The same entry was on the ledger already: this is where.
    Existing(Placed),
    /// Its external id belongs to an entry that says something else.
    Conflict {
        /// That entry; absent if it came earlier in the same atomic request, and so isn't on the
        /// ledger either.
        first: Option<Placed>,
        /// The fields in which the two differ; none where a request has more conflicts than are
        /// compared.
        #[schema(example = json!(["body.amount"]))]
        differing_fields: Vec<String>,
    },
    /// It is not on the ledger.
    Rejected {
        /// Why.
        #[schema(no_recursion)]
        problem: Problem,
    },
}

/// Where an entry stands on the ledger.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Placed {
    /// The identity of the entry.
    pub id: EntryId,
    /// Its log index.
    #[schema(example = 4711)]
    pub index: u64,
    /// The height of its block.
    #[schema(example = 17)]
    pub height: u64,
    /// The path of its receipt.
    #[schema(example = "/v1/entries/4711/receipt")]
    pub receipt: String,
}

impl From<Position> for Placed {
    fn from(Position { id, index, height }: Position) -> Self {
        Self { id, index, height, receipt: format!("/v1/entries/{id}/receipt") }
    }
}

impl From<Outcome> for EntryResult {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Sealed(position) => Self::Sealed(position.into()),
            Outcome::Existing(position) => Self::Existing(position.into()),
            Outcome::Rejected(Rejection::Conflict { first, differing_fields }) => {
                Self::Conflict { first: first.map(Placed::from), differing_fields }
            }
            Outcome::Rejected(Rejection::Refused(refusal)) => Self::rejected(refusal),
            Outcome::Rejected(Rejection::NotAtomic) => {
                Self::rejected(Problem::plain(ProblemType::NotAtomic))
            }
        }
    }
}

impl EntryResult {
    /// An entry that isn't on the ledger, and why.
    pub fn rejected(problem: impl Into<Problem>) -> Self {
        Self::Rejected { problem: problem.into() }
    }

    /// Whether an atomic request fails by this entry.
    pub fn is_at_fault(&self) -> bool {
        match self {
            Self::Sealed(_) | Self::Existing(_) => false,
            Self::Conflict { .. } => true,
            Self::Rejected { problem } => problem.kind() != ProblemType::NotAtomic,
        }
    }
}

/// Reads one entry's text.
pub fn read_entry(text: &str, currencies: &Currencies) -> Result<EncodedEntry, Problem> {
    let entry = text::parse(text, currencies)?;
    Ok(EncodedEntry::new(entry)?)
}

/// Entries as they were read: those to submit, and in their places those that are none.
#[derive(Default)]
pub struct Readings {
    entries: Vec<EncodedEntry>,
    /// One for each that was read; nothing where it is to be submitted.
    faults: Vec<Option<Problem>>,
}

impl Readings {
    /// Adds what was read next.
    pub fn push(&mut self, read: Result<EncodedEntry, Problem>) {
        match read {
            Ok(entry) => {
                self.entries.push(entry);
                self.faults.push(None);
            }
            Err(problem) => self.faults.push(Some(problem)),
        }
    }

    /// Whether each is an entry.
    pub fn is_faultless(&self) -> bool {
        self.entries.len() == self.faults.len()
    }

    /// Takes the entries, to submit them.
    pub fn take_entries(&mut self) -> Vec<EncodedEntry> {
        std::mem::take(&mut self.entries)
    }

    /// The results of all, in order, given the outcomes of those that were submitted.
    pub fn results(self, outcomes: Vec<Outcome>) -> Vec<EntryResult> {
        let mut outcomes = outcomes.into_iter();
        self.faults
            .into_iter()
            .map(|fault| match fault {
                Some(problem) => EntryResult::rejected(problem),
                None => outcomes.next().expect("an outcome for each entry submitted").into(),
            })
            .collect()
    }

    /// The results of all when none is submitted because one is no entry.
    pub fn all_rejected(self) -> Vec<EntryResult> {
        let not_atomic = || Problem::plain(ProblemType::NotAtomic);
        self.faults
            .into_iter()
            .map(|fault| EntryResult::rejected(fault.unwrap_or_else(not_atomic)))
            .collect()
    }
}
