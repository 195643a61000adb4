//! Entries: one fact each that a marketplace states.
//!
//! An entry names another by the kind that its field asks for and the other's external id,
//! within its own tenant. External ids are unique for ever, so a name means one entry, and
//! the canonical bytes follow from what the submitter wrote alone: no look-up, no codec on
//! the client, the same bytes at every retry.
//!
//! The types are generic over how an amount is held: [`Amount`] on the ledger,
//! [`Decimal`](super::money::Decimal) in text ([`text`](super::text)).
//!
//! | file | what |
//! |---|---|
//! | `terms.rs` | what a merchant's program pays |
//! | `transaction.rs` | what may earn commissions |
//! | `commission.rs` | what is earned, and what becomes of it until it locks |
//! | `correction.rs` | adjustments, inquiries, uplines, what was brought in, erasure |
//! | `payment.rs` | fundings and payouts |
//! | `naming.rs` | what entries name, and how they are named |
//! | `parties.rs` | whom an entry concerns |
//! | `reason.rs` | the published list of reasons |
//! | `references.rs` | what they refer to outside of the ledger |
//! | `spec_change.rs` | changes of the chain spec |
//! | `tagged.rs` | enums with fields: numbers on the ledger, a `type` in text |

mod commission;
mod correction;
mod naming;
mod parties;
mod payment;
mod reason;
mod references;
mod spec_change;
mod tagged;
mod terms;
mod transaction;

use std::fmt::Arguments;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize, Serializer};

pub use self::commission::{
    Amended, Amendment, Commission, Decision, MAX_REFUND_ITEMS, Refund, RefundItem, Reversal, Role,
    Verdict,
};
pub use self::correction::{
    Adjustment, AffiliateUpline, Balance, Claim, Effect, ErasureNotice, ImportedState, Inquiry,
    InquiryResolution, OpeningBalance, Outcome, Reference,
};
pub use self::parties::Parties;
pub use self::payment::{
    Funding, FundingLine, MAX_FUNDING_LINES, MAX_PAYOUT_LINES, PaymentEvent, Payout, PayoutEvent,
    PayoutLine,
};
pub use self::reason::Reason;
pub use self::references::ReferenceKind;
pub use self::spec_change::{GovernanceSignature, LEDGER_TENANT, SpecChange};
pub use self::terms::{
    Cap, CapPer, Locking, MAX_OVERRIDE_LEVELS, MAX_REWARD_TIERS, MAX_TERMS_RULES, Period,
    ProgramTerms, Rate, Reward, RewardRule, Tier,
};
pub use self::transaction::{Action, Fx, Item, MAX_TRANSACTION_ITEMS, Transaction};
use super::codec;
use super::hash::{Commitment, Domain, EntryId};
use super::id::Id;
use super::json::{self, JsonError};
use super::money::{Amount, Currency};
use super::time::Timestamp;

/// One fact that the marketplace states.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Whose fact it is: the marketplace or the brand of it.
    pub tenant: Id,
    /// The submitter's own name for it, unique for ever within its tenant and kind.
    pub external_id: Id,
    /// When it happened, by the submitter's word. When it was recorded, its block says.
    pub event_time: Timestamp,
    /// A salted commitment to private particulars.
    pub commitment: Option<Commitment>,
    /// What happened.
    pub body: Body<Amount>,
}

impl Entry {
    /// What identifies this entry: BLAKE3 of its canonical bytes.
    pub fn id(&self) -> EntryId {
        EntryId(Domain::Entry.digest(&codec::encode(self)))
    }

    /// What kind of fact it is.
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }
}

/// What turns an amount into another form, given the path to it and its currency.
pub trait Convert<A, B, E>: FnMut(Arguments<'_>, Currency, A) -> Result<B, E> {}

impl<A, B, E, F: FnMut(Arguments<'_>, Currency, A) -> Result<B, E>> Convert<A, B, E> for F {}

/// What has no amounts in it, to be turned into another form like what has.
macro_rules! no_amounts {
    ($($name:ident)+) => {$(
        impl $name {
            fn try_map<A, B, E>(self, _: &mut impl Convert<A, B, E>) -> Result<Self, E> {
                Ok(self)
            }
        }
    )+};
}

no_amounts! {
    Decision InquiryResolution PayoutEvent AffiliateUpline ErasureNotice SpecChange
}

/// Declares the kinds once: number on the ledger, name in text, body.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($body:ident $(<$parameter:ident>)?) = $number:tt, $text:literal;)+) => {
        /// What kind of fact an entry is. The numbers are those of FORMAT.md; numbers that
        /// are not here yet are kept for kinds to come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[$doc])* $name,)+
        }

        codec::numbered! { Kind { $($number => $name {},)+ } }

        impl Kind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name in text, such as `program_terms`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }

        /// What an entry says, by kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Body<A> {
            $($(#[$doc])* $name($body $(<$parameter>)?),)+
        }

        codec::numbered! { Body<A> { $($number => $name { 0: body },)+ } }

        impl<A> Body<A> {
            /// The kind of this body.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)+ }
            }

            /// The same body with each amount turned into another form by `convert`, which gets
            /// the path to the amount, such as `lines[3].amount`, and its currency.
            ///
            /// # Errors
            /// The first error of `convert`.
            pub fn try_map<B, E>(
                self,
                mut convert: impl FnMut(Arguments<'_>, Currency, A) -> Result<B, E>,
            ) -> Result<Body<B>, E> {
                Ok(match self {
                    $(Self::$name(body) => {
                        Body::$name(body.try_map(&mut convert)?)
                    })+
                })
            }
        }

        impl<A: serde::de::DeserializeOwned + Default> Body<A> {
            /// Reads the body of an entry of `kind`.
            pub(super) fn from_json(kind: Kind, text: &str) -> Result<Self, JsonError> {
                match kind { $(Kind::$name => json::from_str(text).map(Self::$name),)+ }
            }
        }

        impl<A: Serialize> Serialize for Body<A> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$name(body) => body.serialize(serializer),)+ }
            }
        }
    };
}

kinds! {
    /// The terms of a merchant's program, by version.
    ProgramTerms(ProgramTerms<A>) = 1, "program_terms";
    /// A sale, lead, signup or subscription that may earn commissions.
    Transaction(Transaction<A>) = 2, "transaction";
    /// What an affiliate earns from a transaction under the program's terms.
    Commission(Commission<A>) = 3, "commission";
    /// A step of a commission's life: approval, decline, extension, locking.
    Decision(Decision) = 4, "decision";
    /// Corrects the amount of a pending commission or its transaction.
    Amendment(Amendment<A>) = 5, "amendment";
    /// Takes back a commission, in whole or in part.
    Reversal(Reversal<A>) = 6, "reversal";
    /// Corrects what is locked or paid.
    Adjustment(Adjustment<A>) = 7, "adjustment";
    /// An affiliate's question.
    Inquiry(Inquiry<A>) = 8, "inquiry";
    /// The answer to an inquiry.
    InquiryResolution(InquiryResolution) = 9, "inquiry_resolution";
    /// A merchant's payment, and the commissions that it covers.
    Funding(Funding<A>) = 10, "funding";
    /// Pays an affiliate what is funded.
    Payout(Payout<A>) = 11, "payout";
    /// What became of a payout.
    PayoutEvent(PayoutEvent) = 12, "payout_event";
    /// Who stands above an affiliate.
    AffiliateUpline(AffiliateUpline) = 13, "affiliate_upline";
    /// Something brought in from another system.
    OpeningBalance(OpeningBalance<A>) = 14, "opening_balance";
    /// Private particulars are gone.
    ErasureNotice(ErasureNotice) = 15, "erasure_notice";
    /// The ledger's own spec changes.
    SpecChange(SpecChange) = 16, "spec_change";
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// A text that names no kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of entry")]
pub struct UnknownKind;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_written_down() {
        let numbers: Vec<u8> = Kind::ALL.iter().flat_map(codec::encode).collect();
        assert_eq!(numbers, (1..=16).collect::<Vec<u8>>());
        assert_eq!(codec::encode(&Verdict::Lock), [4]);
        assert_eq!(codec::encode(&Verdict::Decline { reason: Reason::Goodwill }), [2, 17]);
        assert!(codec::decode::<Kind>(&[17], 1).is_err());
    }

    #[test]
    fn kinds_have_one_name() {
        for kind in Kind::ALL {
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            // On the ledger a kind is its number, in one byte.
            assert_eq!(codec::encode(kind).len(), 1);
        }
    }
}
