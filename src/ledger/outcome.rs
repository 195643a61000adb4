//! What becomes of what was submitted.

use super::Health;
use crate::protocol::evidence::EvidenceError;
use crate::protocol::hash::EntryId;
use crate::protocol::key::PublicKey;
use crate::protocol::rules::Refusal;
use crate::protocol::verify::Invalid;
use crate::store::StoreError;

/// Where an entry stands on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The entry's identity.
    pub id: EntryId,
    /// Its log index.
    pub index: u64,
    /// The height of its block.
    pub height: u64,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the ledger, by this request.
    Sealed(Position),
    /// The same entry was on the ledger already.
    Existing(Position),
    /// It is not on the ledger.
    Rejected(Rejection),
}

/// Why an entry is not on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its external id belongs to another entry.
    Conflict {
        /// Where that one stands; nowhere if it came earlier in the same atomic request, and
        /// so isn't on the ledger either.
        first: Option<Position>,
        /// The fields, such as `body.amount`, in which the two differ; none where a request has
        /// more conflicts than are compared.
        differing_fields: Vec<String>,
    },
    /// It would break a rule.
    Refused(Refusal),
    /// Another entry of the same atomic request was rejected.
    NotAtomic,
}

/// Why nothing is known of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The ledger takes no entries.
    #[error("{0}")]
    NotSealing(Health),
    /// More entries than a request may have, or than fit the one block of an atomic request.
    #[error("{what}: {given}, at most {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        given: u64,
        /// How much there may be.
        limit: u64,
    },
    /// Too much was waiting to be sealed for too long.
    #[error("too much is waiting to be sealed, try again")]
    Overloaded,
    /// The writer stopped before it answered.
    #[error("the ledger stopped before the request was done, try again")]
    Stopped,
}

/// Why a block from elsewhere was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It isn't the next block, or not valid.
    #[error("{0}")]
    Invalid(Invalid<String>),
    /// It is sealed by a key that signed two histories.
    #[error("block {height} is sealed by {key}, which signed two histories")]
    Accused {
        /// The height of the block.
        height: u64,
        /// The key.
        key: PublicKey,
    },
    /// Writing failed.
    #[error("{0}")]
    Failed(String),
    /// The writer stopped before it answered.
    #[error("the ledger stopped before the block was appended")]
    Stopped,
}

/// Why evidence isn't taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccuseError {
    /// It proves nothing about this ledger.
    #[error("it proves nothing: {0}")]
    NoEvidence(#[from] EvidenceError),
    /// More than any chain needs is there already.
    #[error("there is too much evidence already")]
    TooMuch,
    /// Writing failed.
    #[error("{0}")]
    Failed(String),
}

/// There is no store to read from: after a failed write it is being opened anew, or can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is not open")]
pub struct NotOpen;

/// Why a ledger can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No thread could be started.
    #[error("can't start the writer's thread: {0}")]
    Thread(std::io::Error),
}
