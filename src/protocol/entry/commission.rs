//! What an affiliate earns, and what becomes of it until it locks.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::Convert;
use super::reason::Reason;
use super::tagged::tagged;
use crate::protocol::codec;
use crate::protocol::id::Id;
use crate::protocol::money::{Currency, PPM_WHOLE};
use crate::protocol::time::Timestamp;

/// The most items of a refund.
pub const MAX_REFUND_ITEMS: usize = 100;

/// What an affiliate earns from a transaction under the program's terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Commission<A> {
    /// The transaction, by external id.
    pub transaction: Id,
    /// The terms that are applied, by external id.
    pub terms: Id,
    /// Which of their rules, counted from 1.
    pub rule: u16,
    /// Who earns it.
    pub affiliate: Id,
    /// For what.
    #[serde(default)]
    pub role: Role,
    /// The currency of its amounts.
    pub currency: Currency,
    /// How much.
    pub amount: A,
    /// What the network charges the merchant on top.
    #[serde(default)]
    pub fee: A,
    /// When it locks; on no date, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locking_date: Option<Timestamp>,
    /// Why the amount isn't what the terms give; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<Reason>,
}

tagged! {
    /// What a commission is for.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Role {
        /// The sale itself, or a share in it.
        1 "direct" => Direct {
            /// The affiliate's share in the part, in parts per million.
            share_ppm: u32,
            /// Which part of the transaction.
            #[serde(skip_serializing_if = "Option::is_none")]
            commission_group: Option<Id>,
            /// The group that the affiliate is in.
            #[serde(skip_serializing_if = "Option::is_none")]
            affiliate_group: Option<Id>,
        },
        /// A sale by somebody further down: a commission on a commission.
        2 "override" => Override {
            /// The direct commission, by external id.
            of: Id,
            /// 1 for the direct affiliate's upline, 2 for that one's, and so on.
            level: u8,
        },
    }
    fields {
        share_ppm: u32,
        commission_group: Id,
        affiliate_group: Id,
        of: Id,
        level: u8,
    }
}

impl Default for Role {
    /// The whole of an order of no group.
    fn default() -> Self {
        Self::Direct { share_ppm: PPM_WHOLE, commission_group: None, affiliate_group: None }
    }
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

tagged! {
    /// What was decided of a commission.
    #[derive(Copy)]
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Verdict {
        /// The merchant accepts it.
        1 "approve" => Approve,
        /// The merchant refuses it.
        2 "decline" => Decline {
            /// Why.
            reason: Reason,
        },
        /// It locks later than its terms say; once in its life.
        3 "extend" => Extend {
            /// The new locking date.
            locking_date: Timestamp,
        },
        /// It can't be reversed any more and is due to be paid.
        4 "lock" => Lock,
    }
    fields { reason: Reason, locking_date: Timestamp, }
}

/// Corrects a pending commission, or the transaction of pending commissions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Amendment<A> {
    /// What is corrected.
    pub of: Amended,
    /// The currency of both amounts.
    pub currency: Currency,
    /// What it was.
    pub old: A,
    /// What it is now.
    pub new: A,
    /// Why.
    pub reason: Reason,
}

tagged! {
    /// What is corrected.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Amended {
        /// A commission's amount.
        1 "commission" => Commission {
            /// The commission, by external id.
            commission: Id,
        },
        /// The amount of a part of a transaction.
        2 "transaction" => Transaction {
            /// The transaction, by external id.
            transaction: Id,
            /// Which part.
            #[serde(skip_serializing_if = "Option::is_none")]
            commission_group: Option<Id>,
        },
    }
    fields { commission: Id, transaction: Id, commission_group: Id, }
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
    /// What the buyer got back.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub refund: Option<Refund<A>>,
}

/// What a buyer got back of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Refund<A> {
    /// The currency of the amount: the transaction's.
    pub currency: Currency,
    /// How much.
    pub amount: A,
    /// What was sent back, up to [`MAX_REFUND_ITEMS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<RefundItem>,
}

/// Something that was sent back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefundItem {
    /// The transaction's item.
    pub item: Id,
    /// How many of it.
    pub quantity: u32,
}

impl<A> Commission<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Commission<B>, E> {
        let currency = self.currency;
        Ok(Commission {
            transaction: self.transaction,
            terms: self.terms,
            rule: self.rule,
            affiliate: self.affiliate,
            role: self.role,
            currency,
            amount: convert(format_args!("amount"), currency, self.amount)?,
            fee: convert(format_args!("fee"), currency, self.fee)?,
            locking_date: self.locking_date,
            deviation: self.deviation,
        })
    }
}

impl<A> Amendment<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Amendment<B>, E> {
        let currency = self.currency;
        Ok(Amendment {
            of: self.of,
            currency,
            old: convert(format_args!("old"), currency, self.old)?,
            new: convert(format_args!("new"), currency, self.new)?,
            reason: self.reason,
        })
    }
}

impl<A> Reversal<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Reversal<B>, E> {
        let currency = self.currency;
        let amount = convert(format_args!("amount"), currency, self.amount)?;
        let refund = match self.refund {
            None => None,
            Some(Refund { currency, amount, items }) => {
                let amount = convert(format_args!("refund.amount"), currency, amount)?;
                Some(Refund { currency, amount, items })
            }
        };
        Ok(Reversal { commission: self.commission, currency, amount, reason: self.reason, refund })
    }
}
