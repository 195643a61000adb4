//! Entries: one fact each that a marketplace states.
//!
//! An entry names another by the kind that its field asks for and the other's external id,
//! within its own tenant. External ids are unique for ever, so a name means one entry, and
//! the canonical bytes follow from what the submitter wrote alone: no look-up, no codec on
//! the client, the same bytes at every retry.
//!
//! The types are generic over how an amount is held: [`Amount`] on the ledger,
//! [`Decimal`](super::money::Decimal) in text ([`text`](super::text)).

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::codec;
use super::hash::{Commitment, Domain, EntryId};
use super::id::Id;
use super::money::{Amount, Currency};
use super::time::Timestamp;

/// The most lines of one payout entry; a longer payout comes in several parts.
pub const MAX_PAYOUT_LINES: usize = 500;

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

/// Declares the kinds once: number on the ledger, name in text, body.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($body:ty) = $number:tt, $text:literal;)+) => {
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
            $($(#[$doc])* $name($body),)+
        }

        codec::numbered! { Body<A> { $($number => $name { 0: body },)+ } }

        impl<A> Body<A> {
            /// The kind of this body.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)+ }
            }
        }
    };
}

kinds! {
    /// The terms of a merchant's program, by version.
    ProgramTerms(ProgramTerms<A>) = 1, "program_terms";
    /// A sale, lead or signup that may earn commissions.
    Transaction(Transaction<A>) = 2, "transaction";
    /// What an affiliate earns from a transaction under the program's terms.
    Commission(Commission<A>) = 3, "commission";
    /// A step of a commission's life: approval, decline, extension, locking.
    Decision(Decision) = 4, "decision";
    /// Takes back a commission, in whole or in part.
    Reversal(Reversal<A>) = 6, "reversal";
    /// Pays locked commissions to one affiliate.
    Payout(Payout<A>) = 11, "payout";
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

/// The terms of a merchant's program: what a commission is worth, and when it locks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramTerms<A> {
    /// The merchant whose program it is.
    pub merchant: Id,
    /// The program.
    pub program: Id,
    /// 1 for a program's first terms, then one more each time.
    pub version: u32,
    /// From when they hold, by event time. A first version may reach back.
    pub effective_from: Timestamp,
    /// Until when they hold, exclusive; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<Timestamp>,
    /// Days from the event until a commission is due to lock.
    pub locking_days: u16,
    /// What a transaction earns, all its commissions together.
    pub reward: Reward<A>,
}

/// What a transaction earns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", try_from = "RewardFields<A>")]
pub enum Reward<A> {
    /// A part of the transaction's amount.
    Percent {
        /// The part, in parts per million: 75000 is 7.5%.
        ppm: u32,
    },
    /// The same for every transaction, in one currency.
    Fixed {
        /// The currency.
        currency: Currency,
        /// How much.
        amount: A,
    },
}

/// A [`Reward`] in text, its fields not yet compared with its type.
///
/// Serde's own way with a `type` field forgets where an error was, and with a variant without
/// fields ignores whatever else is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RewardFields<A> {
    r#type: RewardType,
    ppm: Option<u32>,
    currency: Option<Currency>,
    #[serde(default = "Option::default")]
    amount: Option<A>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RewardType {
    Percent,
    Fixed,
}

impl<A> TryFrom<RewardFields<A>> for Reward<A> {
    type Error = &'static str;

    fn try_from(fields: RewardFields<A>) -> Result<Self, &'static str> {
        let RewardFields { r#type, ppm, currency, amount } = fields;
        match (r#type, ppm, currency, amount) {
            (RewardType::Percent, Some(ppm), None, None) => Ok(Self::Percent { ppm }),
            (RewardType::Fixed, None, Some(currency), Some(amount)) => {
                Ok(Self::Fixed { currency, amount })
            }
            _ => Err("`percent` has `ppm`; `fixed` has `currency` and `amount`; nothing else"),
        }
    }
}

codec::numbered! {
    Reward<A> {
        1 => Percent { ppm: ppm },
        2 => Fixed { currency: currency, amount: amount },
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Something was bought.
    Sale,
    /// Interest was shown.
    Lead,
    /// An account was opened.
    Signup,
    /// Something recurring was bought.
    Subscription,
}

codec::numbered! {
    Action {
        1 => Sale {},
        2 => Lead {},
        3 => Signup {},
        4 => Subscription {},
    }
}

/// A sale, lead or signup that may earn commissions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Transaction<A> {
    /// The merchant's own reference of the order.
    pub order_ref: Id,
    /// The merchant who sold.
    pub merchant: Id,
    /// The merchant's program that it falls under.
    pub program: Id,
    /// What was done.
    pub action: Action,
    /// The currency of the amount.
    pub currency: Currency,
    /// What commissions are reckoned from. Zero for a lead, say.
    pub amount: A,
    /// The marketplace's reference of the affiliate link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_ref: Option<Id>,
    /// The marketplace's reference of the campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_ref: Option<Id>,
    /// The marketplace's reference of the click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_ref: Option<Id>,
}

/// What an affiliate earns from a transaction under the program's terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Commission<A> {
    /// The transaction, by external id.
    pub transaction: Id,
    /// The terms that were applied, by external id.
    pub terms: Id,
    /// Who earns it.
    pub affiliate: Id,
    /// The currency of the amount: the transaction's.
    pub currency: Currency,
    /// How much.
    pub amount: A,
}

/// A step of a commission's life.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The commission, by external id.
    pub commission: Id,
    /// What was decided.
    pub verdict: Verdict,
}

/// What was decided of a commission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", try_from = "VerdictFields")]
pub enum Verdict {
    /// The merchant accepts it.
    Approve,
    /// The merchant refuses it.
    Decline {
        /// Why.
        reason: Reason,
    },
    /// It locks later than its terms say; once in its life.
    Extend {
        /// The new locking date.
        locking_date: Timestamp,
    },
    /// It can't be reversed any more and is due to be paid.
    Lock,
}

/// A [`Verdict`] in text, as [`RewardFields`] is of a reward.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictFields {
    r#type: VerdictType,
    reason: Option<Reason>,
    locking_date: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictType {
    Approve,
    Decline,
    Extend,
    Lock,
}

impl TryFrom<VerdictFields> for Verdict {
    type Error = &'static str;

    fn try_from(fields: VerdictFields) -> Result<Self, &'static str> {
        match (fields.r#type, fields.reason, fields.locking_date) {
            (VerdictType::Approve, None, None) => Ok(Self::Approve),
            (VerdictType::Decline, Some(reason), None) => Ok(Self::Decline { reason }),
            (VerdictType::Extend, None, Some(locking_date)) => Ok(Self::Extend { locking_date }),
            (VerdictType::Lock, None, None) => Ok(Self::Lock),
            _ => Err("`decline` has a `reason`; `extend` has a `locking_date`; nothing else"),
        }
    }
}

codec::numbered! {
    Verdict {
        1 => Approve {},
        2 => Decline { reason: reason },
        3 => Extend { locking_date: locking_date },
        4 => Lock {},
    }
}

/// Takes back a commission, in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reversal<A> {
    /// The commission, by external id.
    pub commission: Id,
    /// The currency of the amount: the commission's.
    pub currency: Currency,
    /// How much is taken back.
    pub amount: A,
    /// Why.
    pub reason: Reason,
}

/// Pays locked commissions to one affiliate.
///
/// A payout of more lines than fit one entry comes in parts, each an entry of its own that
/// names the part before it; the last states the total of them all and closes it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Payout<A> {
    /// Who is paid.
    pub affiliate: Id,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// The period that it pays for, from.
    pub period_from: Timestamp,
    /// The period that it pays for, until, exclusive.
    pub period_until: Timestamp,
    /// The part before this one, by external id; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Id>,
    /// What is paid: 1 to [`MAX_PAYOUT_LINES`].
    pub lines: Vec<PayoutLine<A>>,
    /// The sum of all lines of all parts, in the closing part; absent in the others.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub total: Option<A>,
}

/// A line of a payout.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PayoutLine<A> {
    /// The commission, by external id.
    pub commission: Id,
    /// How much of it is paid.
    pub amount: A,
}

/// Why a commission was declined or reversed: one list for all networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The buyer sent it back.
    ReturnedItem,
    /// The order was cancelled.
    CancelledOrder,
    /// The order was wrong.
    OrderError,
    /// The order was recorded twice.
    DuplicateOrder,
    /// The buyer's payment failed.
    PaymentFailed,
    /// The buyer's bank took the payment back.
    Chargeback,
    /// The buyer committed fraud.
    ConsumerFraud,
    /// The affiliate broke the program's terms.
    AffiliateTermsViolation,
    /// A voucher that was not the affiliate's to use.
    InvalidVoucher,
    /// The affiliate bought through its own link.
    SelfReferral,
    /// Another affiliate was due.
    WrongAttribution,
    /// The amount was wrong.
    WrongAmount,
    /// The currency was wrong.
    CurrencyCorrection,
    /// A test, not a sale.
    TestTransaction,
    /// A product that earns nothing.
    OutOfScopeProduct,
    /// The merchant disputes it.
    MerchantDispute,
    /// A favour.
    Goodwill,
    /// The network corrects itself.
    NetworkCorrection,
}

codec::numbered! {
    Reason {
        1 => ReturnedItem {},
        2 => CancelledOrder {},
        3 => OrderError {},
        4 => DuplicateOrder {},
        5 => PaymentFailed {},
        6 => Chargeback {},
        7 => ConsumerFraud {},
        8 => AffiliateTermsViolation {},
        9 => InvalidVoucher {},
        10 => SelfReferral {},
        11 => WrongAttribution {},
        12 => WrongAmount {},
        13 => CurrencyCorrection {},
        14 => TestTransaction {},
        15 => OutOfScopeProduct {},
        16 => MerchantDispute {},
        17 => Goodwill {},
        18 => NetworkCorrection {},
    }
}

impl<A> Body<A> {
    /// The same body with each amount turned into another form by `convert`, which gets the
    /// amount's field and currency.
    ///
    /// # Errors
    /// The first error of `convert`.
    pub fn try_map<B, E>(
        self,
        mut convert: impl FnMut(&'static str, Currency, A) -> Result<B, E>,
    ) -> Result<Body<B>, E> {
        Ok(match self {
            Self::ProgramTerms(terms) => Body::ProgramTerms(ProgramTerms {
                merchant: terms.merchant,
                program: terms.program,
                version: terms.version,
                effective_from: terms.effective_from,
                effective_until: terms.effective_until,
                locking_days: terms.locking_days,
                reward: match terms.reward {
                    Reward::Percent { ppm } => Reward::Percent { ppm },
                    Reward::Fixed { currency, amount } => Reward::Fixed {
                        currency,
                        amount: convert("reward.amount", currency, amount)?,
                    },
                },
            }),
            Self::Transaction(transaction) => Body::Transaction(Transaction {
                order_ref: transaction.order_ref,
                merchant: transaction.merchant,
                program: transaction.program,
                action: transaction.action,
                currency: transaction.currency,
                amount: convert("amount", transaction.currency, transaction.amount)?,
                link_ref: transaction.link_ref,
                campaign_ref: transaction.campaign_ref,
                click_ref: transaction.click_ref,
            }),
            Self::Commission(commission) => Body::Commission(Commission {
                transaction: commission.transaction,
                terms: commission.terms,
                affiliate: commission.affiliate,
                currency: commission.currency,
                amount: convert("amount", commission.currency, commission.amount)?,
            }),
            Self::Decision(decision) => Body::Decision(decision),
            Self::Reversal(reversal) => Body::Reversal(Reversal {
                commission: reversal.commission,
                currency: reversal.currency,
                amount: convert("amount", reversal.currency, reversal.amount)?,
                reason: reversal.reason,
            }),
            Self::Payout(payout) => Body::Payout(Payout {
                affiliate: payout.affiliate,
                currency: payout.currency,
                period_from: payout.period_from,
                period_until: payout.period_until,
                continues: payout.continues,
                lines: payout
                    .lines
                    .into_iter()
                    .map(|line| {
                        Ok(PayoutLine {
                            commission: line.commission,
                            amount: convert("lines.amount", payout.currency, line.amount)?,
                        })
                    })
                    .collect::<Result<_, E>>()?,
                total: payout
                    .total
                    .map(|total| convert("total", payout.currency, total))
                    .transpose()?,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_written_down() {
        let numbers: Vec<u8> = Kind::ALL.iter().flat_map(codec::encode).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 6, 11]);
        assert_eq!(codec::encode(&Verdict::Lock), [4]);
        assert_eq!(codec::encode(&Verdict::Decline { reason: Reason::Goodwill }), [2, 17]);
        assert!(codec::decode::<Kind>(&[5], 1).is_err());
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
