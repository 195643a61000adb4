//! Why an entry is refused: each variant names the rule that it would break.

use super::lifecycle::{CommissionState, Step};
use crate::protocol::entry::{Kind, MAX_PAYOUT_LINES};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::Timestamp;

/// The rule that an entry would break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// External ids are unique per tenant and kind, for ever.
    #[error("this external id was used before, by the entry at index {index}")]
    Duplicate {
        /// The log index of the entry that has it.
        index: u64,
    },
    /// An event lies at most a little ahead of its block.
    #[error("the event lies in the future: {event_time} is after {latest}")]
    EventInFuture {
        /// When the event is said to have happened.
        event_time: Timestamp,
        /// The latest that it could be.
        latest: Timestamp,
    },
    /// An entry that is named must be on the ledger, under the same tenant.
    #[error("{field}: the tenant has no {kind} {external_id}")]
    MissingParent {
        /// Where it is named.
        field: &'static str,
        /// The kind that it must have.
        kind: Kind,
        /// Its external id.
        external_id: Id,
    },
    /// A transaction needs a program whose terms are on the ledger.
    #[error("body.program: merchant {merchant} has no terms for program {program}")]
    UnknownProgram {
        /// The merchant.
        merchant: Id,
        /// The program.
        program: Id,
    },
    /// A currency must be in the chain spec.
    #[error("{field}: currency {currency} is not in the chain spec")]
    UnknownCurrency {
        /// Where it is named.
        field: &'static str,
        /// The currency.
        currency: Currency,
    },
    /// An entry's currency is its parent's.
    #[error("the currency must be {expected}, as in the entry that it refers to, not {given}")]
    AnotherCurrency {
        /// The parent's currency.
        expected: Currency,
        /// This entry's currency.
        given: Currency,
    },
    /// Taking nothing back and paying nothing says nothing.
    #[error("{field}: must be more than zero")]
    ZeroAmount {
        /// Where.
        field: &'static str,
    },
    /// Commissions stay within what the terms give, reversals and payouts within what is left.
    #[error("{field}: {given} {currency} is more than what is left, {left} {currency}")]
    TooMuch {
        /// Where.
        field: &'static str,
        /// The currency of both.
        currency: Currency,
        /// What is left.
        left: String,
        /// What was asked for.
        given: String,
    },
    /// A period ends after it begins.
    #[error("{field}: must be later than the beginning")]
    EmptyPeriod {
        /// The period's end.
        field: &'static str,
    },
    /// A rate is at most the whole.
    #[error("body.reward.ppm: {ppm} parts per million is more than the whole")]
    RateAboveWhole {
        /// The rate.
        ppm: u32,
    },
    /// A program's terms are numbered 1, 2, 3.
    #[error("body.version: must be {expected}, is {given}")]
    WrongVersion {
        /// The next version.
        expected: u32,
        /// The version that was given.
        given: u32,
    },
    /// A later version of terms doesn't reach back.
    #[error(
        "body.effective_from: a later version may begin at {earliest} at the earliest, not {given}"
    )]
    TermsReachBack {
        /// The earliest that it may begin.
        earliest: Timestamp,
        /// When it would begin.
        given: Timestamp,
    },
    /// A commission follows the terms of its transaction's program.
    #[error("body.terms: these are the terms of another program")]
    TermsOfAnotherProgram,
    /// A commission follows the terms that were in force when the transaction happened.
    #[error("body.terms: not in force at {at}, when the transaction happened")]
    TermsNotInForce {
        /// When the transaction happened.
        at: Timestamp,
    },
    /// A commission's life goes by the table in `lifecycle.rs`.
    #[error("a commission that is {from} can't be {step}")]
    IllegalStep {
        /// Where it stands.
        from: CommissionState,
        /// What was to happen.
        step: Step,
    },
    /// An extension puts the locking date off.
    #[error("body.verdict.locking_date: must be later than {earlier}, is {given}")]
    ExtensionNotLater {
        /// The locking date so far.
        earlier: Timestamp,
        /// The new one.
        given: Timestamp,
    },
    /// A payout entry has a bounded number of lines.
    #[error("body.lines: a payout entry has 1 to {MAX_PAYOUT_LINES} lines, this has {given}")]
    LineCount {
        /// How many it has.
        given: usize,
    },
    /// A payout has one payee.
    #[error("body.affiliate: this is {expected}'s to be paid")]
    AnotherPayee {
        /// Whose it is.
        expected: Id,
    },
    /// A part continues a payout that is open, at its latest part.
    #[error("body.continues: payout {part} is closed or was continued already")]
    PayoutNotOpen {
        /// The part that was named.
        part: Id,
    },
    /// A payout pays for one period.
    #[error("body.period_from: the payout's earlier parts pay for {from} until {until}")]
    AnotherPeriod {
        /// The beginning of the payout's period.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// A payout's total is the sum of its lines, those of earlier parts included.
    #[error("body.total: the lines come to {expected}, not {given}")]
    WrongTotal {
        /// The sum of the lines.
        expected: String,
        /// The total that was given.
        given: String,
    },
    /// No sum goes beyond what an amount can be.
    #[error("body.lines: the sum is too large")]
    SumTooLarge,
}

impl Refusal {
    /// The field of the entry that breaks the rule, where it is one field's doing.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::MissingParent { field, .. }
            | Self::UnknownCurrency { field, .. }
            | Self::ZeroAmount { field }
            | Self::TooMuch { field, .. }
            | Self::EmptyPeriod { field } => Some(field),
            Self::Duplicate { .. } => Some("external_id"),
            Self::EventInFuture { .. } => Some("event_time"),
            Self::UnknownProgram { .. } => Some("body.program"),
            Self::AnotherCurrency { .. } => Some("body.currency"),
            Self::RateAboveWhole { .. } => Some("body.reward.ppm"),
            Self::WrongVersion { .. } => Some("body.version"),
            Self::TermsReachBack { .. } => Some("body.effective_from"),
            Self::TermsOfAnotherProgram | Self::TermsNotInForce { .. } => Some("body.terms"),
            Self::ExtensionNotLater { .. } => Some("body.verdict.locking_date"),
            Self::LineCount { .. } | Self::SumTooLarge => Some("body.lines"),
            Self::AnotherPayee { .. } => Some("body.affiliate"),
            Self::PayoutNotOpen { .. } => Some("body.continues"),
            Self::AnotherPeriod { .. } => Some("body.period_from"),
            Self::WrongTotal { .. } => Some("body.total"),
            Self::IllegalStep { .. } => None,
        }
    }

    /// The rule's stable name, for programs.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Duplicate { .. } => "duplicate-external-id",
            Self::EventInFuture { .. } => "event-in-future",
            Self::MissingParent { .. } => "missing-parent",
            Self::UnknownProgram { .. } => "unknown-program",
            Self::UnknownCurrency { .. } => "unknown-currency",
            Self::AnotherCurrency { .. } => "another-currency",
            Self::ZeroAmount { .. } => "zero-amount",
            Self::TooMuch { .. } => "too-much",
            Self::EmptyPeriod { .. } => "empty-period",
            Self::RateAboveWhole { .. } => "rate-above-whole",
            Self::WrongVersion { .. } => "wrong-version",
            Self::TermsReachBack { .. } => "terms-reach-back",
            Self::TermsOfAnotherProgram => "terms-of-another-program",
            Self::TermsNotInForce { .. } => "terms-not-in-force",
            Self::IllegalStep { .. } => "illegal-step",
            Self::ExtensionNotLater { .. } => "extension-not-later",
            Self::LineCount { .. } => "line-count",
            Self::AnotherPayee { .. } => "another-payee",
            Self::PayoutNotOpen { .. } => "payout-not-open",
            Self::AnotherPeriod { .. } => "another-period",
            Self::WrongTotal { .. } => "wrong-total",
            Self::SumTooLarge => "sum-too-large",
        }
    }
}

/// Why an entry was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError<E> {
    /// It would break a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The state couldn't be read.
    #[error("the state can't be read")]
    State(E),
}
