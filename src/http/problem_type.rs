//! The types of problems. The table below is the one place where their stable names stand; each
//! name is documented at its own type URI.

use axum::http::StatusCode;

/// Where the types of problems are documented, and what begins each type URI.
pub const TYPE_PREFIX: &str = "/problems/";

/// Declares the types of problems: variant, stable name, status, title, meaning.
macro_rules! problem_types {
    ($($variant:ident $name:literal $status:ident $title:literal: $meaning:literal;)+) => {
        /// What kind of problem it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemType {
            $(#[doc = $title] $variant,)+
        }

        impl ProblemType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name, the last segment of the type URI.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status of a response that is this problem.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// What it is, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What it means and what to do.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

problem_types! {
    // The request.
    BadRequest "bad-request" BAD_REQUEST "The request can't be read":
        "Something in the request line or the headers is out of form.";
    BadParameter "bad-parameter" BAD_REQUEST "A parameter is wrong":
        "A parameter of path or query is unknown, given twice, or has a value that it can't have. `field` names it. Parameters that a route doesn't know are refused rather than ignored.";
    BadCursor "bad-cursor" BAD_REQUEST "The cursor is not of this query":
        "A cursor goes on with the query that gave it, and with no other. Repeat the query without it.";
    MalformedJson "malformed-json" BAD_REQUEST "The body is not JSON":
        "The body isn't one complete JSON value. Nothing of it was looked at.";
    AtomicStream "atomic-stream" BAD_REQUEST "A stream can't be atomic":
        "An atomic request has to fit one block, so it comes as one JSON array, not as NDJSON.";
    Unauthorized "unauthorized" UNAUTHORIZED "A token is needed":
        "Submitting takes the header `Authorization: Bearer` with the token that the operator gave you.";
    NoSealingKey "no-sealing-key" FORBIDDEN "This node only serves":
        "This node has no sealing key. Submit to the authority's node.";
    NotAuthority "not-authority" FORBIDDEN "Another node seals":
        "This node's key isn't the authority's, so it serves and stands by. `detail` says whose key seals. Submit to that node; only a change of the spec that makes this node's key the authority is taken here.";
    NotFound "not-found" NOT_FOUND "There is nothing here":
        "No route, or nothing on the ledger by that name.";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "The method is not allowed here":
        "The header `Allow` lists the methods of this route.";
    TooLarge "too-large" PAYLOAD_TOO_LARGE "The request is too large":
        "More bytes or more entries than one request may have. Nothing of it was sealed. Send less at a time, or stream NDJSON.";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The content type is not supported":
        "The header `Content-Type` must name what this route takes, and the body must not be compressed.";
    // The node.
    Internal "internal" INTERNAL_SERVER_ERROR "The node failed":
        "The node's log says more, under the response's `x-request-id`. Submitting the same again is safe.";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too much at a time":
        "The node is at one of its limits. Try again after `Retry-After` seconds; submitting the same again is safe.";
    TimedOut "timed-out" SERVICE_UNAVAILABLE "It took too long":
        "The request was given up. What it submitted may or may not be sealed; submitting the same again is safe and tells.";
    NotSealing "not-sealing" SERVICE_UNAVAILABLE "The node takes no entries now":
        "What is on the ledger is served, but nothing is sealed until the operator has put right what `detail` names.";
    Recovering "recovering" SERVICE_UNAVAILABLE "The node recovers from a failed write":
        "Its disk refused a write: it is full, read-only or failing. The node tries again and goes on by itself when the disk works; try again after `Retry-After` seconds. An entry that was submitted just then may or may not be sealed; submitting the same again is safe and tells. What is on the ledger is served meanwhile, but for the moments in which the store is opened anew.";
    AuthorityUnreachable "authority-unreachable" BAD_GATEWAY "The authority can't be reached":
        "This replica passes submissions on to the authority's node, which doesn't answer. What was submitted may or may not be sealed; submitting the same again is safe and tells.";
    NotReady "not-ready" SERVICE_UNAVAILABLE "The node is not ready":
        "It runs, but it doesn't seal what it ought to seal. `detail` says why.";
    Interrupted "interrupted" BAD_REQUEST "The upload was cut off":
        "The body ended before it was complete, or nothing came for too long. The line that was cut was not submitted.";
    // Entries, by their text.
    MalformedEntry "malformed-entry" UNPROCESSABLE_ENTITY "This is no entry":
        "Not JSON, an unknown or repeated or missing field, an unknown kind, or a value that its field can't have: an amount that isn't a plain decimal string, an id with blanks or control characters, a time out of range. `field` says where.";
    EntryTooLong "entry-too-long" UNPROCESSABLE_ENTITY "The entry is too long":
        "An entry has a bounded text and, on the ledger, at most 65,535 bytes.";
    TooManyDecimals "too-many-decimals" UNPROCESSABLE_ENTITY "Too many decimals":
        "An amount has at most the decimals that its currency has on this ledger (`/v1/chain`). Nothing is rounded for you.";
    AmountTooLarge "amount-too-large" UNPROCESSABLE_ENTITY "The amount is too large":
        "An amount is at most 2^63 - 1 units of its currency's last decimal.";
    // Entries, by the rules. The names are the rules' own; section 13 of FORMAT.md has them all.
    DuplicateExternalId "duplicate-external-id" CONFLICT "The external id belongs to another entry":
        "External ids are unique per tenant and kind, for ever, and this one was used for an entry that says something else. `first` is that entry, `differing_fields` names where the two differ. An opening balance takes the name of the commission or adjustment that it brings in, too.";
    EventInFuture "event-in-future" UNPROCESSABLE_ENTITY "The event lies in the future":
        "An event lies at most a little ahead of the time of its block (`limits.event_ahead_ms` of the chain spec).";
    MissingParent "missing-parent" UNPROCESSABLE_ENTITY "The entry refers to one that is not there":
        "An entry that is named must stand on the ledger before, or earlier in the same request, under the same tenant.";
    BeforeParent "before-parent" UNPROCESSABLE_ENTITY "Dated before what it names":
        "Nothing happens to a transaction, commission, adjustment, inquiry or payout before it happened itself: `event_time` is at least that of what is named.";
    UnknownProgram "unknown-program" UNPROCESSABLE_ENTITY "The program has no terms":
        "A transaction or an inquiry needs a program of its merchant whose terms are on the ledger.";
    UnknownCurrency "unknown-currency" UNPROCESSABLE_ENTITY "The currency is unknown":
        "The chain spec lists the currencies of this ledger (`/v1/chain`).";
    AnotherCurrency "another-currency" UNPROCESSABLE_ENTITY "The currency is not the one that it must be":
        "An amount's currency is that of what it refers to. Only a transaction or a payout with `fx` changes it.";
    AnotherAffiliate "another-affiliate" UNPROCESSABLE_ENTITY "This is another affiliate's":
        "An affiliate is paid, corrected and asks about what is its own.";
    AnotherMerchant "another-merchant" UNPROCESSABLE_ENTITY "This is another merchant's":
        "A merchant pays for the commissions that it owes itself, and is asked about those.";
    ZeroAmount "zero-amount" UNPROCESSABLE_ENTITY "The amount is zero":
        "Taking nothing back, paying nothing or counting none says nothing.";
    TooMuch "too-much" UNPROCESSABLE_ENTITY "More than is left":
        "Reversals, fundings and debits stay within what is left of the commission, refunds within what the sale comes to.";
    WrongAmount "wrong-amount" UNPROCESSABLE_ENTITY "The amount is not what it must be":
        "A commission is exactly what the terms give, its fee too, and a payout pays all that is left. `detail` has the amount. A commission that is meant to differ says so with `deviation` and a reason, for all to see.";
    SumTooLarge "sum-too-large" UNPROCESSABLE_ENTITY "The sum is too large":
        "No sum goes beyond what an amount can be.";
    ListLength "list-length" UNPROCESSABLE_ENTITY "Too few or too many":
        "A list has a bounded length: 500 lines of a payout or a funding, 100 items, 100 rules. What is longer comes in several entries.";
    Unordered "unordered" UNPROCESSABLE_ENTITY "The list is out of order":
        "Actions stand in the order of their numbers, each once; tiers begin at 0 and rise.";
    EmptyPeriod "empty-period" UNPROCESSABLE_ENTITY "The period is empty":
        "A period ends after it begins.";
    NoSuchDay "no-such-day" UNPROCESSABLE_ENTITY "Not every month has this day":
        "Commissions lock 1 to 12 months later, on day 1 to 28 of the month.";
    RateAboveWhole "rate-above-whole" UNPROCESSABLE_ENTITY "The rate is more than the whole":
        "A rate is at most 1,000,000 parts per million.";
    WrongVersion "wrong-version" UNPROCESSABLE_ENTITY "The version is out of turn":
        "A program's terms are numbered 1, 2, 3.";
    TermsReachBack "terms-reach-back" UNPROCESSABLE_ENTITY "The terms reach back":
        "A later version of terms begins no earlier than it is recorded: it never changes a time that an earlier version governs.";
    DuplicateItem "duplicate-item" UNPROCESSABLE_ENTITY "The item stands there twice":
        "A transaction has each item once, with its quantity.";
    WrongTotal "wrong-total" UNPROCESSABLE_ENTITY "The total is wrong":
        "A transaction's amount is the sum of its items, a payout's total that of its lines, those of earlier parts included. `detail` has the sum.";
    NeedlessFx "needless-fx" UNPROCESSABLE_ENTITY "The change of currency changes nothing":
        "`fx` changes from one currency into another.";
    MisplacedFx "misplaced-fx" UNPROCESSABLE_ENTITY "The change of currency is out of place":
        "A payout's `fx` changes its total, so it stands in the part that has the total.";
    TermsOfAnotherProgram "terms-of-another-program" UNPROCESSABLE_ENTITY "These are another program's terms":
        "A commission follows the terms of its transaction's program.";
    TermsRecordedLater "terms-recorded-later" UNPROCESSABLE_ENTITY "The terms came after the transaction":
        "A commission follows terms that were on the ledger before its transaction was.";
    TermsNotInForce "terms-not-in-force" UNPROCESSABLE_ENTITY "The terms were not in force":
        "A commission follows the terms that were in force when its transaction happened.";
    ActionNotEligible "action-not-eligible" UNPROCESSABLE_ENTITY "The terms give nothing for this":
        "Terms list what earns commissions: sales, leads, signups, subscriptions.";
    NoSuchPart "no-such-part" UNPROCESSABLE_ENTITY "The transaction has no such part":
        "A transaction has a part for each commission group of its items, or one for the order as a whole.";
    WrongRule "wrong-rule" UNPROCESSABLE_ENTITY "Another rule applies":
        "The rule that applies is the first of the terms that fits the part's commission group and the affiliate's group; an override's is that of its direct commission. `detail` has its number.";
    SharesAboveWhole "shares-above-whole" UNPROCESSABLE_ENTITY "The shares are more than the whole":
        "All affiliates' shares in a part of a transaction are together at most 1,000,000 parts per million.";
    NoSuchLevel "no-such-level" UNPROCESSABLE_ENTITY "The rule has no override of this level":
        "Levels count from 1, for the direct affiliate's upline, as far as the rule has override rates.";
    OverrideOfAnother "override-of-another" UNPROCESSABLE_ENTITY "An override of another sale":
        "An override is on a direct commission of its own transaction.";
    OverrideOfNothing "override-of-nothing" UNPROCESSABLE_ENTITY "An override of what was taken back":
        "An override rests on a direct commission that is neither declined nor reversed.";
    OverrideTaken "override-taken" UNPROCESSABLE_ENTITY "This level has its override":
        "A direct commission has at most one override of each level.";
    NotUpline "not-upline" UNPROCESSABLE_ENTITY "Somebody else stood at this level":
        "An override is for who stood that many levels above the direct affiliate when the direct commission was admitted. `detail` has who.";
    NeedlessDeviation "needless-deviation" UNPROCESSABLE_ENTITY "The deviation deviates from nothing":
        "The amount is what the terms give; leave `deviation` out.";
    WrongLockingDate "wrong-locking-date" UNPROCESSABLE_ENTITY "The locking date is not what the terms give":
        "A commission states the locking date that follows from its terms and its transaction. `detail` has it.";
    IllegalStep "illegal-step" UNPROCESSABLE_ENTITY "The commission can't take this step":
        "A commission is pending, then extended, approved or declined, then locked or reversed, then funded, in a payout, and paid; steps out of that order are refused. What is locked is touched by adjustments only.";
    PastLockingDate "past-locking-date" UNPROCESSABLE_ENTITY "The locking date has passed":
        "From its locking date on a commission isn't declined, extended, amended or reversed: correct it by an adjustment. Where the commission was recorded ahead of that date, what counts is when the step is recorded, whatever time it says.";
    BeforeLockingDate "before-locking-date" UNPROCESSABLE_ENTITY "The locking date is still to come":
        "A commission locks on its locking date or later.";
    ExtendedBefore "extended-before" UNPROCESSABLE_ENTITY "It was extended before":
        "A commission is extended once in its life.";
    ExtensionNotLater "extension-not-later" UNPROCESSABLE_ENTITY "The extension is not later":
        "An extension puts a locking date off, so there is one, and the new one is later.";
    StaleAmount "stale-amount" UNPROCESSABLE_ENTITY "The amount has changed meanwhile":
        "An amendment states the amount as it is now in `old`. `detail` has it.";
    NoChange "no-change" UNPROCESSABLE_ENTITY "The amendment changes nothing":
        "An amendment's `new` differs from its `old`.";
    BelowReversed "below-reversed" UNPROCESSABLE_ENTITY "Less than was taken back":
        "A commission isn't amended below what was reversed of it, nor a transaction below what was refunded.";
    NoSuchItem "no-such-item" UNPROCESSABLE_ENTITY "The transaction has no such item":
        "What a buyer sends back is an item of the transaction.";
    TooManyItems "too-many-items" UNPROCESSABLE_ENTITY "More than was bought":
        "All refunds of an item together are at most its quantity.";
    NotAdjustable "not-adjustable" UNPROCESSABLE_ENTITY "This is not adjusted":
        "An adjustment names a commission, an adjustment, an inquiry or a transaction.";
    CreditOnly "credit-only" UNPROCESSABLE_ENTITY "A debit names what it takes back":
        "What is taken from an affiliate names the commission or the adjustment that it takes from, so that it can't be more than that. An inquiry or a transaction leads to credits only.";
    InquiryResolved "inquiry-resolved" UNPROCESSABLE_ENTITY "The inquiry was resolved before":
        "An inquiry is resolved once; who still disagrees asks anew.";
    PrepaidExceeded "prepaid-exceeded" UNPROCESSABLE_ENTITY "More than was paid":
        "What a merchant's payments cover is at most what the merchant paid.";
    PayoutNotOpen "payout-not-open" UNPROCESSABLE_ENTITY "The payout is not open":
        "A part continues a payout that isn't closed, at its latest part.";
    AnotherPeriod "another-period" UNPROCESSABLE_ENTITY "The payout is for another period":
        "All parts of a payout pay for the same period.";
    InPayout "in-payout" UNPROCESSABLE_ENTITY "The adjustment is in a payout":
        "An adjustment is a line of one payout; only where that failed or was returned, it may be a line of another.";
    StillOwing "still-owing" UNPROCESSABLE_ENTITY "The affiliate still owes":
        "While more was added by carrying forward than was kept, a payout's total is zero.";
    NotFirstPart "not-first-part" UNPROCESSABLE_ENTITY "This is not the payout's first part":
        "What becomes of a payout names its first part. `detail` has it.";
    IllegalPayoutStep "illegal-payout-step" UNPROCESSABLE_ENTITY "The payout can't take this step":
        "A payout is open, closed, sent, then completed or failed; only what was completed can be returned.";
    UplineCycle "upline-cycle" UNPROCESSABLE_ENTITY "An affiliate would stand above itself":
        "Uplines lead upwards and never round.";
    UplineTooDeep "upline-too-deep" UNPROCESSABLE_ENTITY "Too many levels":
        "At most 64 affiliates stand above one.";
    NothingCommitted "nothing-committed" UNPROCESSABLE_ENTITY "There is nothing to erase":
        "The entry has no commitment to private particulars. One that was brought in is named as the `opening_balance` that it is.";
    ErasedBefore "erased-before" UNPROCESSABLE_ENTITY "It was erased before":
        "A salt is destroyed once.";
    ReservedTenant "reserved-tenant" UNPROCESSABLE_ENTITY "The tenant is the ledger's own":
        "A change of the spec is stated by the tenant `@ledger`, and nothing else is.";
    ChangeNotFirst "change-not-first" UNPROCESSABLE_ENTITY "A change of the spec comes first":
        "A change of the spec stands at the beginning of its block: in an atomic request, before everything else.";
    ChangeReachesBack "change-reaches-back" UNPROCESSABLE_ENTITY "The change reaches back":
        "A change of the spec holds from the block that it stands in, or from a later one. `detail` has the earliest height.";
    WrongHistory "wrong-history" UNPROCESSABLE_ENTITY "The change means another history":
        "A change that holds from its very block names the header before that in `after`, and one that names a header stands right after it. `detail` has the header.";
    WrongNumber "wrong-number" UNPROCESSABLE_ENTITY "The change is out of turn":
        "Changes of the spec are numbered 1, 2, 3 (`next_change` of `/v1/chain`).";
    MisnamedChange "misnamed-change" UNPROCESSABLE_ENTITY "The change isn't called by its number":
        "The external id of a change of the spec is its number.";
    WrongPrevious "wrong-previous" UNPROCESSABLE_ENTITY "The change follows another one":
        "A change of the spec names the entry id of the change before it (`next_change` of `/v1/chain`).";
    TooManyChanges "too-many-changes" UNPROCESSABLE_ENTITY "The ledger has too many changes":
        "All changes of a ledger's spec are together at most 1,048,576 bytes, since receipts carry them.";
    CurrencyTaken "currency-taken" UNPROCESSABLE_ENTITY "The currency is there already":
        "Currencies are added. None is removed, and no scale changes.";
    ChangesNothing "changes-nothing" UNPROCESSABLE_ENTITY "The change changes nothing":
        "The spec would be the same as before.";
    UnknownRulesVersion "unknown-rules-version" UNPROCESSABLE_ENTITY "The rules are unknown here":
        "This program doesn't know that version of the rules; a newer one is needed.";
    BadSpec "bad-spec" UNPROCESSABLE_ENTITY "It would lead to no chain spec":
        "What a change leads to must be a chain spec that could stand in a file. `detail` says what is wrong with it.";
    BelowQuorum "below-quorum" UNPROCESSABLE_ENTITY "Too few signatures":
        "A change is signed by as many governance keys as the spec's quorum says. Without such keys there are no changes.";
    SignaturesUnordered "signatures-unordered" UNPROCESSABLE_ENTITY "The signatures are out of order":
        "Signatures stand in the order of their keys, one of each.";
    NotGoverning "not-governing" UNPROCESSABLE_ENTITY "The signer does not govern":
        "Those sign whose keys are the governance keys when the change takes effect.";
    BadGovernanceSignature "bad-governance-signature" UNPROCESSABLE_ENTITY "A signature does not match":
        "A governance key signs this change of this chain: whatever was altered after that makes the signature void.";
    Refused "refused" UNPROCESSABLE_ENTITY "The entry would break a rule":
        "`rule` names it.";
    // Atomic requests.
    NotAtomic "not-atomic" UNPROCESSABLE_ENTITY "Another entry of the request was rejected":
        "There is nothing wrong with this entry, but its atomic request was refused as a whole.";
    AtomicRejected "atomic-rejected" UNPROCESSABLE_ENTITY "The atomic request was refused":
        "At least one entry was rejected, so none was sealed. `results` has one result for each entry, in order.";
}

impl ProblemType {
    /// The type with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The type URI: a path on every node, the same everywhere.
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.name())
    }

    /// The type that fits a status best.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let plain = [
            Self::Unauthorized,
            Self::NotFound,
            Self::MethodNotAllowed,
            Self::TooLarge,
            Self::UnsupportedMediaType,
            Self::Overloaded,
            Self::Internal,
        ];
        let same = plain.into_iter().find(|kind| kind.status() == status);
        let other = if status.is_client_error() { Self::BadRequest } else { Self::Internal };
        same.unwrap_or(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_type_is_explained() {
        for kind in ProblemType::ALL {
            assert_eq!(ProblemType::named(kind.name()), Some(*kind));
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
            assert!(!kind.title().is_empty() && kind.meaning().ends_with('.'), "{kind:?}");
        }
    }

    #[test]
    fn every_rule_has_a_type_of_its_own() {
        for rule in crate::protocol::rules::Refusal::RULES {
            assert!(ProblemType::named(rule).is_some(), "{rule} is not in the table");
        }
    }
}
