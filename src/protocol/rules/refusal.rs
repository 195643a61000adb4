//! Why an entry is refused: each variant names the rule that it would break.

use super::MAX_UPLINE_DEPTH;
use super::lifecycle::{CommissionState, PayoutState, PayoutStep, Step};
use crate::protocol::entry::{Action, Kind};
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
    /// Whatever is about a program needs its terms on the ledger.
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
    /// An amount's currency is that of what it refers to, or a change of currency is stated.
    #[error("{field}: must be {expected}, as in what it refers to, not {given}")]
    AnotherCurrency {
        /// Where it is named.
        field: &'static str,
        /// The currency that it must be.
        expected: Currency,
        /// The currency that it is.
        given: Currency,
    },
    /// What one affiliate has is not another's.
    #[error("{field}: this is {expected}'s")]
    AnotherAffiliate {
        /// Where it is named.
        field: &'static str,
        /// Whose it is.
        expected: Id,
    },
    /// What one merchant owes is not another's.
    #[error("{field}: this is {expected}'s")]
    AnotherMerchant {
        /// Where it is named.
        field: &'static str,
        /// Whose it is.
        expected: Id,
    },
    /// Nothing says nothing.
    #[error("{field}: must be more than zero")]
    ZeroAmount {
        /// Where.
        field: &'static str,
    },
    /// Reversals, refunds, fundings and debits stay within what is left.
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
    /// An amount that follows from what is on the ledger is exactly that.
    #[error("{field}: must be exactly {expected} {currency}, is {given} {currency}")]
    WrongAmount {
        /// Where.
        field: &'static str,
        /// The currency of both.
        currency: Currency,
        /// What it must be.
        expected: String,
        /// What it is.
        given: String,
    },
    /// No sum goes beyond what an amount can be.
    #[error("{field}: the sum is more than any amount can be")]
    SumTooLarge {
        /// What is summed.
        field: &'static str,
    },
    /// A list has a bounded length.
    #[error("{field}: {min} to {max}, not {given}")]
    ListLength {
        /// The list.
        field: &'static str,
        /// The fewest that there may be.
        min: usize,
        /// The most that there may be.
        max: usize,
        /// How many there are.
        given: usize,
    },
    /// A list that has an order is in it.
    #[error("{field}: each must be more than the one before, and the first tier begins at 0")]
    Unordered {
        /// The list.
        field: &'static str,
    },
    /// A period ends after it begins.
    #[error("{field}: must be later than the beginning")]
    EmptyPeriod {
        /// The period's end.
        field: &'static str,
    },
    /// A locking date is a day that each month has.
    #[error("body.locking: 1 to 12 months later, on day 1 to 28")]
    NoSuchDay,
    /// A rate is at most the whole.
    #[error("{field}: {ppm} parts per million is more than the whole")]
    RateAboveWhole {
        /// Where.
        field: &'static str,
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
    /// A transaction names an item once.
    #[error("body.items: {item} stands there twice")]
    DuplicateItem {
        /// The item.
        item: Id,
    },
    /// A total is the sum of what it sums up.
    #[error("{field}: what it sums up comes to {expected}, not {given}")]
    WrongTotal {
        /// The total.
        field: &'static str,
        /// The sum.
        expected: String,
        /// The total that was given.
        given: String,
    },
    /// A change of currency changes it.
    #[error("body.fx: both currencies are the same")]
    NeedlessFx,
    /// A payout's change of currency is of its total.
    #[error("body.fx: stands in the part with the total")]
    MisplacedFx,
    /// A commission follows the terms of its transaction's program.
    #[error("body.terms: these are the terms of another program")]
    TermsOfAnotherProgram,
    /// A commission follows terms that were on the ledger before its transaction.
    #[error("body.terms: recorded after the transaction")]
    TermsRecordedLater,
    /// A commission follows the terms that were in force when the transaction happened.
    #[error("body.terms: not in force at {at}, when the transaction happened")]
    TermsNotInForce {
        /// When the transaction happened.
        at: Timestamp,
    },
    /// A commission is for what the terms name.
    #[error("body.transaction: by these terms a {action} earns nothing")]
    ActionNotEligible {
        /// What was done.
        action: Action,
    },
    /// A part that is named is one of the transaction's.
    #[error("{field}: the transaction has no part of this group")]
    NoSuchPart {
        /// Where it is named.
        field: &'static str,
    },
    /// The first rule of the terms that fits is the one that applies.
    #[error("body.rule: {}, not {given}", expected.map_or("no rule fits".to_owned(), |number| format!("rule {number} is the first that fits")))]
    WrongRule {
        /// The rule that fits, if one does.
        expected: Option<u16>,
        /// The rule that was given.
        given: u16,
    },
    /// The shares in a part are at most the whole.
    #[error(
        "body.role.share_ppm: {given_ppm} parts per million is more than what is left of the part, {left_ppm}"
    )]
    SharesAboveWhole {
        /// What is left of the part.
        left_ppm: u32,
        /// The share that was given.
        given_ppm: u32,
    },
    /// An override's level is one of the rule's.
    #[error("body.role.level: the rule has overrides for {levels} levels")]
    NoSuchLevel {
        /// How many levels the rule has.
        levels: usize,
    },
    /// An override is on a direct commission of the same transaction.
    #[error("body.role.of: no direct commission of this transaction")]
    OverrideOfAnother,
    /// A commission has one override of each level.
    #[error("body.role.level: level {level} has its override already")]
    OverrideTaken {
        /// The level.
        level: u8,
    },
    /// An override is for who stands at its level.
    #[error("body.affiliate: at this level stands {}", expected.as_ref().map_or("nobody", Id::as_str))]
    NotUpline {
        /// Who it is, if there is anybody.
        expected: Option<Id>,
    },
    /// A deviation deviates.
    #[error("body.deviation: the amount is what the terms give")]
    NeedlessDeviation,
    /// A commission's locking date is what the terms give.
    #[error("body.locking_date: the terms give {}", expected.map_or("none".to_owned(), |date| date.to_string()))]
    WrongLockingDate {
        /// What the terms give.
        expected: Option<Timestamp>,
    },
    /// A commission's life goes by the table in `lifecycle.rs`.
    #[error("a commission that is {from} can't be {step}")]
    IllegalStep {
        /// Where it stands.
        from: CommissionState,
        /// What was to happen.
        step: Step,
    },
    /// From its locking date on, nothing is taken back.
    #[error("event_time: the locking date was {locks_at}")]
    PastLockingDate {
        /// The locking date.
        locks_at: Timestamp,
    },
    /// Nothing locks before its date.
    #[error("event_time: the locking date is {locks_at}")]
    BeforeLockingDate {
        /// The locking date.
        locks_at: Timestamp,
    },
    /// A commission is extended once.
    #[error("body.verdict: a commission is extended once")]
    ExtendedBefore,
    /// An extension puts the locking date off.
    #[error("body.verdict.locking_date: {given} is not later than {}", earlier.map_or("never".to_owned(), |date| date.to_string()))]
    ExtensionNotLater {
        /// The locking date so far.
        earlier: Option<Timestamp>,
        /// The new one.
        given: Timestamp,
    },
    /// An amendment says what it changes.
    #[error("body.old: it is {expected} now, not {given}")]
    StaleAmount {
        /// What it is now.
        expected: String,
        /// What it was said to be.
        given: String,
    },
    /// An amendment changes something.
    #[error("body.new: the same as before")]
    NoChange,
    /// An amount isn't amended below what was taken back of it.
    #[error("body.new: {reversed} of it was taken back already")]
    BelowReversed {
        /// What was taken back already.
        reversed: String,
    },
    /// What is sent back was bought.
    #[error("body.refund.items: the transaction has no item {item}")]
    NoSuchItem {
        /// The item.
        item: Id,
    },
    /// No more is sent back than was bought.
    #[error("body.refund.items: {given} of {item} is more than what is left, {left}")]
    TooManyItems {
        /// The item.
        item: Id,
        /// How many are left.
        left: u32,
        /// How many were to be sent back.
        given: u32,
    },
    /// An inquiry is resolved once.
    #[error("body.inquiry: was resolved already")]
    InquiryResolved,
    /// A merchant's payments cover no more than they are.
    #[error("body.lines: {given} {currency} is more than what was paid, {prepaid} {currency}")]
    PrepaidExceeded {
        /// The currency of both.
        currency: Currency,
        /// What there is, with what came in now.
        prepaid: String,
        /// What the lines come to.
        given: String,
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
    /// An adjustment is in one live payout.
    #[error("body.lines.adjustment: {adjustment} is in another payout or was paid")]
    InPayout {
        /// The adjustment.
        adjustment: Id,
    },
    /// Nobody is paid who owes.
    #[error("body.total: must be zero while the affiliate owes {owed}")]
    StillOwing {
        /// What was added before it was earned.
        owed: String,
    },
    /// A payout is named by its first part.
    #[error("body.payout: the payout's first part is {first}")]
    NotFirstPart {
        /// The first part.
        first: Id,
    },
    /// A payout's life goes by the table in `lifecycle.rs`.
    #[error("a payout that is {from} can't be {step}")]
    IllegalPayoutStep {
        /// Where it stands.
        from: PayoutState,
        /// What was to happen.
        step: PayoutStep,
    },
    /// Nobody stands above itself.
    #[error("body.upline: {affiliate} would stand above itself")]
    UplineCycle {
        /// Who would.
        affiliate: Id,
    },
    /// A bounded number stands above an affiliate.
    #[error("body.upline: more than {MAX_UPLINE_DEPTH} would stand above the affiliate")]
    UplineTooDeep,
    /// An erasure is of private particulars that were committed to.
    #[error("body.entry: it has no commitment")]
    NothingCommitted,
    /// A salt is destroyed once.
    #[error("body.entry: its salt was destroyed already")]
    ErasedBefore,
}

impl Refusal {
    /// The field of the entry that breaks the rule, where it is one field's doing.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::MissingParent { field, .. }
            | Self::UnknownCurrency { field, .. }
            | Self::AnotherCurrency { field, .. }
            | Self::AnotherAffiliate { field, .. }
            | Self::AnotherMerchant { field, .. }
            | Self::ZeroAmount { field, .. }
            | Self::TooMuch { field, .. }
            | Self::WrongAmount { field, .. }
            | Self::SumTooLarge { field, .. }
            | Self::ListLength { field, .. }
            | Self::Unordered { field, .. }
            | Self::EmptyPeriod { field, .. }
            | Self::RateAboveWhole { field, .. }
            | Self::WrongTotal { field, .. }
            | Self::NoSuchPart { field, .. } => Some(field),
            Self::Duplicate { .. } => Some("external_id"),
            Self::EventInFuture { .. }
            | Self::PastLockingDate { .. }
            | Self::BeforeLockingDate { .. } => Some("event_time"),
            Self::UnknownProgram { .. } => Some("body.program"),
            Self::NoSuchDay => Some("body.locking"),
            Self::WrongVersion { .. } => Some("body.version"),
            Self::TermsReachBack { .. } => Some("body.effective_from"),
            Self::DuplicateItem { .. } => Some("body.items"),
            Self::NeedlessFx | Self::MisplacedFx => Some("body.fx"),
            Self::TermsOfAnotherProgram
            | Self::TermsRecordedLater
            | Self::TermsNotInForce { .. } => Some("body.terms"),
            Self::ActionNotEligible { .. } => Some("body.transaction"),
            Self::WrongRule { .. } => Some("body.rule"),
            Self::SharesAboveWhole { .. } => Some("body.role.share_ppm"),
            Self::NoSuchLevel { .. } | Self::OverrideTaken { .. } => Some("body.role.level"),
            Self::OverrideOfAnother => Some("body.role.of"),
            Self::NotUpline { .. } => Some("body.affiliate"),
            Self::NeedlessDeviation => Some("body.deviation"),
            Self::WrongLockingDate { .. } => Some("body.locking_date"),
            Self::ExtendedBefore => Some("body.verdict"),
            Self::ExtensionNotLater { .. } => Some("body.verdict.locking_date"),
            Self::StaleAmount { .. } => Some("body.old"),
            Self::NoChange | Self::BelowReversed { .. } => Some("body.new"),
            Self::NoSuchItem { .. } | Self::TooManyItems { .. } => Some("body.refund.items"),
            Self::InquiryResolved => Some("body.inquiry"),
            Self::PrepaidExceeded { .. } => Some("body.lines"),
            Self::PayoutNotOpen { .. } => Some("body.continues"),
            Self::AnotherPeriod { .. } => Some("body.period_from"),
            Self::InPayout { .. } => Some("body.lines.adjustment"),
            Self::StillOwing { .. } => Some("body.total"),
            Self::NotFirstPart { .. } => Some("body.payout"),
            Self::UplineCycle { .. } | Self::UplineTooDeep => Some("body.upline"),
            Self::NothingCommitted | Self::ErasedBefore => Some("body.entry"),
            Self::IllegalStep { .. } | Self::IllegalPayoutStep { .. } => None,
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
            Self::AnotherAffiliate { .. } => "another-affiliate",
            Self::AnotherMerchant { .. } => "another-merchant",
            Self::ZeroAmount { .. } => "zero-amount",
            Self::TooMuch { .. } => "too-much",
            Self::WrongAmount { .. } => "wrong-amount",
            Self::SumTooLarge { .. } => "sum-too-large",
            Self::ListLength { .. } => "list-length",
            Self::Unordered { .. } => "unordered",
            Self::EmptyPeriod { .. } => "empty-period",
            Self::NoSuchDay => "no-such-day",
            Self::RateAboveWhole { .. } => "rate-above-whole",
            Self::WrongVersion { .. } => "wrong-version",
            Self::TermsReachBack { .. } => "terms-reach-back",
            Self::DuplicateItem { .. } => "duplicate-item",
            Self::WrongTotal { .. } => "wrong-total",
            Self::NeedlessFx => "needless-fx",
            Self::MisplacedFx => "misplaced-fx",
            Self::TermsOfAnotherProgram => "terms-of-another-program",
            Self::TermsRecordedLater => "terms-recorded-later",
            Self::TermsNotInForce { .. } => "terms-not-in-force",
            Self::ActionNotEligible { .. } => "action-not-eligible",
            Self::NoSuchPart { .. } => "no-such-part",
            Self::WrongRule { .. } => "wrong-rule",
            Self::SharesAboveWhole { .. } => "shares-above-whole",
            Self::NoSuchLevel { .. } => "no-such-level",
            Self::OverrideOfAnother => "override-of-another",
            Self::OverrideTaken { .. } => "override-taken",
            Self::NotUpline { .. } => "not-upline",
            Self::NeedlessDeviation => "needless-deviation",
            Self::WrongLockingDate { .. } => "wrong-locking-date",
            Self::IllegalStep { .. } => "illegal-step",
            Self::PastLockingDate { .. } => "past-locking-date",
            Self::BeforeLockingDate { .. } => "before-locking-date",
            Self::ExtendedBefore => "extended-before",
            Self::ExtensionNotLater { .. } => "extension-not-later",
            Self::StaleAmount { .. } => "stale-amount",
            Self::NoChange => "no-change",
            Self::BelowReversed { .. } => "below-reversed",
            Self::NoSuchItem { .. } => "no-such-item",
            Self::TooManyItems { .. } => "too-many-items",
            Self::InquiryResolved => "inquiry-resolved",
            Self::PrepaidExceeded { .. } => "prepaid-exceeded",
            Self::PayoutNotOpen { .. } => "payout-not-open",
            Self::AnotherPeriod { .. } => "another-period",
            Self::InPayout { .. } => "in-payout",
            Self::StillOwing { .. } => "still-owing",
            Self::NotFirstPart { .. } => "not-first-part",
            Self::IllegalPayoutStep { .. } => "illegal-payout-step",
            Self::UplineCycle { .. } => "upline-cycle",
            Self::UplineTooDeep => "upline-too-deep",
            Self::NothingCommitted => "nothing-committed",
            Self::ErasedBefore => "erased-before",
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
