//! Money that moves: from merchants, and to affiliates.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::Convert;
use super::correction::Effect;
use super::tagged::tagged;
use super::transaction::Fx;
use crate::protocol::codec;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::Timestamp;

/// The most lines of one payout entry; a longer payout comes in several parts.
pub const MAX_PAYOUT_LINES: usize = 500;
/// The most lines of a funding; what is left over can be used by another.
pub const MAX_FUNDING_LINES: usize = 500;

/// A merchant's payment, and what it covers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Funding<A> {
    /// Who pays.
    pub merchant: Id,
    /// The merchant's reference of the payment.
    pub payment_ref: Id,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// What came in; zero where only what was prepaid is used.
    #[serde(default)]
    pub received: A,
    /// What it covers, up to [`MAX_FUNDING_LINES`]; what is over stays prepaid.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<FundingLine<A>>,
}

/// A commission that a merchant's payment covers, in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FundingLine<A> {
    /// The commission, by external id.
    pub commission: Id,
    /// How much of it.
    pub amount: A,
}

/// Pays an affiliate.
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
    /// What is paid and kept: 1 to [`MAX_PAYOUT_LINES`].
    pub lines: Vec<PayoutLine<A>>,
    /// What all lines of all parts come to, in the closing part; absent in the others.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub total: Option<A>,
    /// Changes the total into the currency that is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fx: Option<Fx>,
}

tagged! {
    /// A line of a payout.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum PayoutLine<A> {
        /// A commission, all that is left of it.
        1 "commission" => Commission {
            /// The commission, by external id.
            commission: Id,
            /// How much.
            amount: A,
        },
        /// An adjustment: added for a credit, taken off for a debit.
        2 "adjustment" => Adjustment {
            /// The adjustment, by external id.
            adjustment: Id,
            /// How much.
            amount: A,
        },
        /// A fee, taken off.
        3 "fee" => Fee {
            /// How much.
            amount: A,
        },
        /// Tax that is withheld, taken off.
        4 "withheld_tax" => WithheldTax {
            /// How much.
            amount: A,
        },
        /// Credit: added, from what was kept before. Debit: taken off, and kept.
        5 "carried_forward" => CarriedForward {
            /// For this payout or against it.
            effect: Effect,
            /// How much.
            amount: A,
        },
    }
    fields { commission: Id, adjustment: Id, effect: Effect, amount: A, }
}

impl<A> PayoutLine<A> {
    /// The line's amount.
    pub const fn amount(&self) -> &A {
        match self {
            Self::Commission { amount, .. }
            | Self::Adjustment { amount, .. }
            | Self::Fee { amount }
            | Self::WithheldTax { amount }
            | Self::CarriedForward { amount, .. } => amount,
        }
    }
}

/// What became of a payout.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PayoutEvent {
    /// The payout, by the external id of its first part.
    pub payout: Id,
    /// What happened.
    pub event: PaymentEvent,
}

tagged! {
    /// What happened to a payout.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum PaymentEvent {
        /// It is on its way.
        1 "sent" => Sent {
            /// The bank's or the payment provider's reference.
            #[serde(skip_serializing_if = "Option::is_none")]
            payment_ref: Option<Id>,
        },
        /// It has arrived.
        2 "completed" => Completed,
        /// It has not arrived, and won't.
        3 "failed" => Failed,
        /// It had arrived, and came back.
        4 "returned" => Returned,
    }
    fields { payment_ref: Id, }
}

impl<A> Funding<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Funding<B>, E> {
        let currency = self.currency;
        let received = convert(format_args!("received"), currency, self.received)?;
        let lines =
            self.lines.into_iter().enumerate().map(|(line, FundingLine { commission, amount })| {
                let amount = convert(format_args!("lines[{line}].amount"), currency, amount)?;
                Ok(FundingLine { commission, amount })
            });
        Ok(Funding {
            merchant: self.merchant,
            payment_ref: self.payment_ref,
            currency,
            received,
            lines: lines.collect::<Result<_, E>>()?,
        })
    }
}

impl<A> Payout<A> {
    pub(super) fn try_map<B, E>(self, convert: &mut impl Convert<A, B, E>) -> Result<Payout<B>, E> {
        let currency = self.currency;
        let lines = self.lines.into_iter().enumerate().map(|(number, line)| {
            line.try_map(|amount| convert(format_args!("lines[{number}].amount"), currency, amount))
        });
        let lines = lines.collect::<Result<_, E>>()?;
        Ok(Payout {
            affiliate: self.affiliate,
            currency,
            period_from: self.period_from,
            period_until: self.period_until,
            continues: self.continues,
            lines,
            total: match self.total {
                None => None,
                Some(total) => Some(convert(format_args!("total"), currency, total)?),
            },
            fx: self.fx,
        })
    }
}

impl<A> PayoutLine<A> {
    fn try_map<B, E>(self, convert: impl FnOnce(A) -> Result<B, E>) -> Result<PayoutLine<B>, E> {
        Ok(match self {
            Self::Commission { commission, amount } => {
                PayoutLine::Commission { commission, amount: convert(amount)? }
            }
            Self::Adjustment { adjustment, amount } => {
                PayoutLine::Adjustment { adjustment, amount: convert(amount)? }
            }
            Self::Fee { amount } => PayoutLine::Fee { amount: convert(amount)? },
            Self::WithheldTax { amount } => PayoutLine::WithheldTax { amount: convert(amount)? },
            Self::CarriedForward { effect, amount } => {
                PayoutLine::CarriedForward { effect, amount: convert(amount)? }
            }
        })
    }
}
