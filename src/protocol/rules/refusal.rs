//! Why an entry is refused: each variant names the rule that it would break.

use super::MAX_UPLINE_DEPTH;
use super::lifecycle::{CommissionState, PayoutState, PayoutStep, Step};
use crate::protocol::entry::{Action, Kind, LEDGER_TENANT};
use crate::protocol::hash::{EntryId, HeaderHash};
use crate::protocol::id::Id;
use crate::protocol::key::PublicKey;
use crate::protocol::money::Currency;
use crate::protocol::spec::{RULES_VERSION, SpecError};
use crate::protocol::succession::MAX_SPEC_CHANGES_BYTES;
use crate::protocol::time::Timestamp;

/// Declares the rules: each with its stable name, its message, and the field that breaks it.
macro_rules! rules {
    ($(
        $(#[$doc:meta])*
        $name:literal, $at:expr => $variant:ident $({
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        })?;
    )+) => {
        /// The rule that an entry would break.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Refusal {
            $($(#[$doc])* $variant $({ $($(#[$field_doc])* $field: $type,)* })?,)+
        }

        impl Refusal {
            /// The name of every rule.
            pub const RULES: &'static [&'static str] = &[$($name),+];

            /// The rule's stable name, for programs.
            pub const fn rule(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)+ }
            }

            /// The field of the entry that breaks the rule, where it is one field's doing.
            #[expect(unused_variables, reason = "few messages are about a field of many")]
            pub const fn field(&self) -> Option<&'static str> {
                match self { $(Self::$variant { $($($field),*)? } => $at,)+ }
            }
        }
    };
}

rules! {
    /// External ids are unique per tenant and kind, for ever.
    #[error("this external id was used before, by the entry at index {index}")]
    "duplicate-external-id", Some("external_id") => Duplicate {
        /// The log index of the entry that has it.
        index: u64,
    };
    /// An event lies at most a little ahead of its block.
    #[error("the event lies in the future: {event_time} is after {latest}")]
    "event-in-future", Some("event_time") => EventInFuture {
        /// When the event is said to have happened.
        event_time: Timestamp,
        /// The latest that it could be.
        latest: Timestamp,
    };
    /// An entry that is named must be on the ledger, under the same tenant.
    #[error("{field}: the tenant has no {kind} {external_id}")]
    "missing-parent", Some(field) => MissingParent {
        /// Where it is named.
        field: &'static str,
        /// The kind that it must have.
        kind: Kind,
        /// Its external id.
        external_id: Id,
    };
    /// Nothing is dated before what it names.
    #[error("event_time: {time}, the time of the {kind} that {field} names, is later")]
    "before-parent", Some("event_time") => BeforeParent {
        /// Where it is named.
        field: &'static str,
        /// Its kind.
        kind: Kind,
        /// When that happened.
        time: Timestamp,
    };
    /// Whatever is about a program needs its terms on the ledger.
    #[error("body.program: merchant {merchant} has no terms for program {program}")]
    "unknown-program", Some("body.program") => UnknownProgram {
        /// The merchant.
        merchant: Id,
        /// The program.
        program: Id,
    };
    /// A currency must be in the chain spec.
    #[error("{field}: currency {currency} is not in the chain spec")]
    "unknown-currency", Some(field) => UnknownCurrency {
        /// Where it is named.
        field: &'static str,
        /// The currency.
        currency: Currency,
    };
    /// An amount's currency is that of what it refers to, or a change of currency is stated.
    #[error("{field}: must be {expected}, as in what it refers to, not {given}")]
    "another-currency", Some(field) => AnotherCurrency {
        /// Where it is named.
        field: &'static str,
        /// The currency that it must be.
        expected: Currency,
        /// The currency that it is.
        given: Currency,
    };
    /// What one affiliate has is not another's.
    #[error("{field}: this is {expected}'s")]
    "another-affiliate", Some(field) => AnotherAffiliate {
        /// Where it is named.
        field: &'static str,
        /// Whose it is.
        expected: Id,
    };
    /// What one merchant owes is not another's.
    #[error("{field}: this is {expected}'s")]
    "another-merchant", Some(field) => AnotherMerchant {
        /// Where it is named.
        field: &'static str,
        /// Whose it is.
        expected: Id,
    };
    /// Nothing says nothing.
    #[error("{field}: must be more than zero")]
    "zero-amount", Some(field) => ZeroAmount {
        /// Where.
        field: &'static str,
    };
    /// Reversals, refunds, fundings and debits stay within what is left.
    #[error("{field}: {given} {currency} is more than what is left, {left} {currency}")]
    "too-much", Some(field) => TooMuch {
        /// Where.
        field: &'static str,
        /// The currency of both.
        currency: Currency,
        /// What is left.
        left: String,
        /// What was asked for.
        given: String,
    };
    /// An amount that follows from what is on the ledger is exactly that.
    #[error("{field}: must be exactly {expected} {currency}, is {given} {currency}")]
    "wrong-amount", Some(field) => WrongAmount {
        /// Where.
        field: &'static str,
        /// The currency of both.
        currency: Currency,
        /// What it must be.
        expected: String,
        /// What it is.
        given: String,
    };
    /// No sum goes beyond what an amount can be.
    #[error("{field}: the sum is more than any amount can be")]
    "sum-too-large", Some(field) => SumTooLarge {
        /// What is summed.
        field: &'static str,
    };
    /// A list has a bounded length.
    #[error("{field}: {min} to {max}, not {given}")]
    "list-length", Some(field) => ListLength {
        /// The list.
        field: &'static str,
        /// The fewest that there may be.
        min: usize,
        /// The most that there may be.
        max: usize,
        /// How many there are.
        given: usize,
    };
    /// A list that has an order is in it.
    #[error("{field}: each must be more than the one before, and the first tier begins at 0")]
    "unordered", Some(field) => Unordered {
        /// The list.
        field: &'static str,
    };
    /// A period ends after it begins.
    #[error("{field}: must be later than the beginning")]
    "empty-period", Some(field) => EmptyPeriod {
        /// The period's end.
        field: &'static str,
    };
    /// A locking date is a day that each month has.
    #[error("body.locking: 1 to 12 months later, on day 1 to 28")]
    "no-such-day", Some("body.locking") => NoSuchDay;
    /// A rate is at most the whole.
    #[error("{field}: {ppm} parts per million is more than the whole")]
    "rate-above-whole", Some(field) => RateAboveWhole {
        /// Where.
        field: &'static str,
        /// The rate.
        ppm: u32,
    };
    /// A program's terms are numbered 1, 2, 3.
    #[error("body.version: must be {expected}, is {given}")]
    "wrong-version", Some("body.version") => WrongVersion {
        /// The next version.
        expected: u32,
        /// The version that was given.
        given: u32,
    };
    /// A later version of terms doesn't reach back.
    #[error("body.effective_from: a later version may begin at {earliest} at the earliest, not {given}")]
    "terms-reach-back", Some("body.effective_from") => TermsReachBack {
        /// The earliest that it may begin.
        earliest: Timestamp,
        /// When it would begin.
        given: Timestamp,
    };
    /// A transaction names an item once.
    #[error("body.items: {item} stands there twice")]
    "duplicate-item", Some("body.items") => DuplicateItem {
        /// The item.
        item: Id,
    };
    /// A total is the sum of what it sums up.
    #[error("{field}: what it sums up comes to {expected}, not {given}")]
    "wrong-total", Some(field) => WrongTotal {
        /// The total.
        field: &'static str,
        /// The sum.
        expected: String,
        /// The total that was given.
        given: String,
    };
    /// A change of currency changes it.
    #[error("body.fx: both currencies are the same")]
    "needless-fx", Some("body.fx") => NeedlessFx;
    /// A payout's change of currency is of its total.
    #[error("body.fx: stands in the part with the total")]
    "misplaced-fx", Some("body.fx") => MisplacedFx;
    /// A commission follows the terms of its transaction's program.
    #[error("body.terms: these are the terms of another program")]
    "terms-of-another-program", Some("body.terms") => TermsOfAnotherProgram;
    /// A commission follows terms that were on the ledger before its transaction.
    #[error("body.terms: recorded after the transaction")]
    "terms-recorded-later", Some("body.terms") => TermsRecordedLater;
    /// A commission follows the terms that were in force when the transaction happened.
    #[error("body.terms: not in force at {at}, when the transaction happened")]
    "terms-not-in-force", Some("body.terms") => TermsNotInForce {
        /// When the transaction happened.
        at: Timestamp,
    };
    /// A commission is for what the terms name.
    #[error("body.transaction: by these terms a {action} earns nothing")]
    "action-not-eligible", Some("body.transaction") => ActionNotEligible {
        /// What was done.
        action: Action,
    };
    /// A part that is named is one of the transaction's.
    #[error("{field}: the transaction has no part of this group")]
    "no-such-part", Some(field) => NoSuchPart {
        /// Where it is named.
        field: &'static str,
    };
    /// The first rule of the terms that fits is the one that applies.
    #[error("body.rule: {}, not {given}", expected.map_or("no rule fits".to_owned(), |number| format!("rule {number} is the first that fits")))]
    "wrong-rule", Some("body.rule") => WrongRule {
        /// The rule that fits, if one does.
        expected: Option<u16>,
        /// The rule that was given.
        given: u16,
    };
    /// The shares in a part are at most the whole.
    #[error("body.role.share_ppm: {given_ppm} parts per million is more than what is left of the part, {left_ppm}")]
    "shares-above-whole", Some("body.role.share_ppm") => SharesAboveWhole {
        /// What is left of the part.
        left_ppm: u32,
        /// The share that was given.
        given_ppm: u32,
    };
    /// An override's level is one of the rule's.
    #[error("body.role.level: the rule has overrides for {levels} levels")]
    "no-such-level", Some("body.role.level") => NoSuchLevel {
        /// How many levels the rule has.
        levels: usize,
    };
    /// An override is on a direct commission of the same transaction.
    #[error("body.role.of: no direct commission of this transaction")]
    "override-of-another", Some("body.role.of") => OverrideOfAnother;
    /// An override rests on a commission that stands.
    #[error("body.role.of: that commission is {state}")]
    "override-of-nothing", Some("body.role.of") => OverrideOfNothing {
        /// Where it stands.
        state: CommissionState,
    };
    /// A commission has one override of each level.
    #[error("body.role.level: level {level} has its override already")]
    "override-taken", Some("body.role.level") => OverrideTaken {
        /// The level.
        level: u8,
    };
    /// An override is for who stood at its level when the direct commission was stated.
    #[error("body.affiliate: at this level stood {}", expected.as_ref().map_or("nobody", Id::as_str))]
    "not-upline", Some("body.affiliate") => NotUpline {
        /// Who it was, if there was anybody.
        expected: Option<Id>,
    };
    /// A deviation deviates.
    #[error("body.deviation: the amount is what the terms give")]
    "needless-deviation", Some("body.deviation") => NeedlessDeviation;
    /// A commission's locking date is what the terms give.
    #[error("body.locking_date: the terms give {}", expected.map_or("none".to_owned(), |date| date.to_string()))]
    "wrong-locking-date", Some("body.locking_date") => WrongLockingDate {
        /// What the terms give.
        expected: Option<Timestamp>,
    };
    /// A commission's life goes by the table in `lifecycle.rs`.
    #[error("a commission that is {from} can't be {step}")]
    "illegal-step", None => IllegalStep {
        /// Where it stands.
        from: CommissionState,
        /// What was to happen.
        step: Step,
    };
    /// From its locking date on, nothing is taken back; of what was recorded ahead of that date,
    /// nothing that is recorded later, whatever time it says.
    #[error("event_time: the locking date was {locks_at}")]
    "past-locking-date", Some("event_time") => PastLockingDate {
        /// The locking date.
        locks_at: Timestamp,
    };
    /// Nothing locks before its date.
    #[error("event_time: the locking date is {locks_at}")]
    "before-locking-date", Some("event_time") => BeforeLockingDate {
        /// The locking date.
        locks_at: Timestamp,
    };
    /// A commission is extended once.
    #[error("body.verdict: a commission is extended once")]
    "extended-before", Some("body.verdict") => ExtendedBefore;
    /// An extension puts the locking date off.
    #[error("body.verdict.locking_date: {given} is not later than {}", earlier.map_or("never".to_owned(), |date| date.to_string()))]
    "extension-not-later", Some("body.verdict.locking_date") => ExtensionNotLater {
        /// The locking date so far.
        earlier: Option<Timestamp>,
        /// The new one.
        given: Timestamp,
    };
    /// An amendment says what it changes.
    #[error("body.old: it is {expected} now, not {given}")]
    "stale-amount", Some("body.old") => StaleAmount {
        /// What it is now.
        expected: String,
        /// What it was said to be.
        given: String,
    };
    /// An amendment changes something.
    #[error("body.new: the same as before")]
    "no-change", Some("body.new") => NoChange;
    /// An amount isn't amended below what was taken back of it.
    #[error("body.new: {reversed} of it was taken back already")]
    "below-reversed", Some("body.new") => BelowReversed {
        /// What was taken back already.
        reversed: String,
    };
    /// What is sent back was bought.
    #[error("body.refund.items: the transaction has no item {item}")]
    "no-such-item", Some("body.refund.items") => NoSuchItem {
        /// The item.
        item: Id,
    };
    /// No more is sent back than was bought.
    #[error("body.refund.items: {given} of {item} is more than what is left, {left}")]
    "too-many-items", Some("body.refund.items") => TooManyItems {
        /// The item.
        item: Id,
        /// How many are left.
        left: u32,
        /// How many were to be sent back.
        given: u32,
    };
    /// An adjustment corrects something that can be corrected.
    #[error("body.related: a {kind} isn't adjusted")]
    "not-adjustable", Some("body.related.kind") => NotAdjustable {
        /// The kind of what is named.
        kind: Kind,
    };
    /// Against an affiliate, an adjustment names what it takes back: a commission or adjustment.
    #[error("body.effect: what takes from an affiliate names a commission or an adjustment")]
    "credit-only", Some("body.effect") => CreditOnly;
    /// An inquiry is resolved once.
    #[error("body.inquiry: was resolved already")]
    "inquiry-resolved", Some("body.inquiry") => InquiryResolved;
    /// A merchant's payments cover no more than they are.
    #[error("body.lines: {given} {currency} is more than what was paid, {prepaid} {currency}")]
    "prepaid-exceeded", Some("body.lines") => PrepaidExceeded {
        /// The currency of both.
        currency: Currency,
        /// What there is, with what came in now.
        prepaid: String,
        /// What the lines come to.
        given: String,
    };
    /// A part continues a payout that is open, at its latest part.
    #[error("body.continues: payout {part} is closed or was continued already")]
    "payout-not-open", Some("body.continues") => PayoutNotOpen {
        /// The part that was named.
        part: Id,
    };
    /// A payout pays for one period.
    #[error("body.period_from: the payout's earlier parts pay for {from} until {until}")]
    "another-period", Some("body.period_from") => AnotherPeriod {
        /// The beginning of the payout's period.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    };
    /// An adjustment is in one live payout.
    #[error("body.lines.adjustment: {adjustment} is in another payout or was paid")]
    "in-payout", Some("body.lines.adjustment") => InPayout {
        /// The adjustment.
        adjustment: Id,
    };
    /// Nobody is paid who owes.
    #[error("body.total: must be zero while the affiliate owes {owed}")]
    "still-owing", Some("body.total") => StillOwing {
        /// What was added before it was earned.
        owed: String,
    };
    /// A payout is named by its first part.
    #[error("body.payout: the payout's first part is {first}")]
    "not-first-part", Some("body.payout") => NotFirstPart {
        /// The first part.
        first: Id,
    };
    /// A payout's life goes by the table in `lifecycle.rs`.
    #[error("a payout that is {from} can't be {step}")]
    "illegal-payout-step", None => IllegalPayoutStep {
        /// Where it stands.
        from: PayoutState,
        /// What was to happen.
        step: PayoutStep,
    };
    /// Nobody stands above itself.
    #[error("body.upline: {affiliate} would stand above itself")]
    "upline-cycle", Some("body.upline") => UplineCycle {
        /// Who would.
        affiliate: Id,
    };
    /// A bounded number stands above an affiliate.
    #[error("body.upline: more than {MAX_UPLINE_DEPTH} would stand above the affiliate")]
    "upline-too-deep", Some("body.upline") => UplineTooDeep;
    /// An erasure is of private particulars that were committed to.
    #[error("body.entry: it has no commitment")]
    "nothing-committed", Some("body.entry") => NothingCommitted;
    /// A salt is destroyed once.
    #[error("body.entry: its salt was destroyed already")]
    "erased-before", Some("body.entry") => ErasedBefore;
    /// What the ledger states about itself has a tenant of its own.
    #[error("tenant: {LEDGER_TENANT} states changes of the spec, and nobody else does")]
    "reserved-tenant", Some("tenant") => ReservedTenant;
    /// What a block is measured by stands before what is measured.
    #[error("a change of the spec stands at the beginning of its block")]
    "change-not-first", None => ChangeNotFirst;
    /// Nothing that is sealed is changed.
    #[error("body.from_height: {earliest} at the earliest, not {given}")]
    "change-reaches-back", Some("body.from_height") => ChangeReachesBack {
        /// The height of the block.
        earliest: u64,
        /// From where it would hold.
        given: u64,
    };
    /// What holds at once is decided for one history.
    #[error("body.after: the header before the block is {expected}, not {}", given.map_or("unnamed".to_owned(), |hash| hash.to_string()))]
    "wrong-history", Some("body.after") => WrongHistory {
        /// The hash of the header before the block.
        expected: HeaderHash,
        /// The one that it names.
        given: Option<HeaderHash>,
    };
    /// Changes are numbered 1, 2, 3.
    #[error("body.number: must be {expected}, is {given}")]
    "wrong-number", Some("body.number") => WrongNumber {
        /// The next number.
        expected: u32,
        /// The number that was given.
        given: u32,
    };
    /// A change is called by its number.
    #[error("external_id: must be {expected}, as the number")]
    "misnamed-change", Some("external_id") => MisnamedChange {
        /// Its number.
        expected: u32,
    };
    /// A change is signed by those who know the one before it.
    #[error("body.previous: must be {}, is {}", or_none(*expected), or_none(*given))]
    "wrong-previous", Some("body.previous") => WrongPrevious {
        /// The id of the change before it.
        expected: Option<EntryId>,
        /// The id that was given.
        given: Option<EntryId>,
    };
    /// Receipts carry all changes.
    #[error("all changes of the spec together have at most {MAX_SPEC_CHANGES_BYTES} bytes")]
    "too-many-changes", None => TooManyChanges;
    /// Currencies are added, and stay as they are.
    #[error("body.currencies: {currency} is there already, and stays as it is")]
    "currency-taken", Some("body.currencies") => CurrencyTaken {
        /// The currency.
        currency: Currency,
    };
    /// A change changes something.
    #[error("the spec would be the same as before")]
    "changes-nothing", None => ChangesNothing;
    /// What a change leads to could stand in a chain spec file.
    #[error("the spec would be none: {error}")]
    "bad-spec", None => BadSpec {
        /// What would be wrong with it.
        error: SpecError,
    };
    /// Enough of those who govern must sign.
    #[error("body.signatures: {quorum} are needed, {given} are there{}", if *quorum == 0 { ": nobody governs" } else { "" })]
    "below-quorum", Some("body.signatures") => BelowQuorum {
        /// How many it takes; 0 where nobody governs, so that none are enough.
        quorum: u16,
        /// How many there are.
        given: usize,
    };
    /// Signatures stand in the order of their keys, one of each.
    #[error("body.signatures: each key must be more than the one before")]
    "signatures-unordered", Some("body.signatures") => SignaturesUnordered;
    /// Those sign who govern when the change takes effect.
    #[error("body.signatures: {key} doesn't govern when this takes effect")]
    "not-governing", Some("body.signatures") => NotGoverning {
        /// The key.
        key: PublicKey,
    };
    /// A signature is over this change of this chain.
    #[error("body.signatures: the signature by {key} does not match")]
    "bad-governance-signature", Some("body.signatures") => BadGovernanceSignature {
        /// The key.
        key: PublicKey,
    };
    /// A program can't follow rules that it doesn't know.
    #[error("body.rules_version: this program knows version {RULES_VERSION}, not {version}")]
    "unknown-rules-version", Some("body.rules_version") => UnknownRules {
        /// The version.
        version: u16,
    };
}

fn or_none(id: Option<EntryId>) -> String {
    id.map_or("none".to_owned(), |id| id.to_string())
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
