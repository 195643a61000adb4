//! Corrections beside the ordinary way: adjustments, inquiries, what was brought in, erasure.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::tagged::tagged;
use super::{Convert, Kind};
use crate::protocol::codec;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::Timestamp;

/// Names an entry of any kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its external id.
    pub external_id: Id,
}

/// Whether an amount is for an affiliate or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// For the affiliate.
    Credit,
    /// Against the affiliate.
    Debit,
}

impl Effect {
    /// The name in text, such as `credit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
        }
    }
}

codec::numbered! {
    Effect {
        1 => Credit {},
        2 => Debit {},
    }
}

/// Corrects what can't be reversed any more: the only way to touch what is locked or paid.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Adjustment<A> {
    /// Whose balance.
    pub affiliate: Id,
    /// For or against the affiliate.
    pub effect: Effect,
    /// The currency of the amount.
    pub currency: Currency,
    /// How much.
    pub amount: A,
    /// What is corrected.
    pub related: Reference,
    /// Why.
    pub reason: Reason,
}

/// An affiliate's question.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Inquiry<A> {
    /// Who asks.
    pub affiliate: Id,
    /// About whose program.
    pub merchant: Id,
    /// About which.
    pub program: Id,
    /// What is said to be wrong.
    pub claim: Claim,
    /// The currency of the amount.
    pub currency: Currency,
    /// The commission that is claimed.
    pub amount: A,
}

tagged! {
    /// What is said to be wrong.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Claim {
        /// A sale isn't on the ledger. The envelope's commitment may hide its particulars.
        1 "untracked" => Untracked {
            /// The merchant's reference of the order, where it is known.
            #[serde(skip_serializing_if = "Option::is_none")]
            order_ref: Option<Id>,
        },
        /// A commission has a wrong amount.
        2 "incorrect" => Incorrect {
            /// The commission, by external id.
            commission: Id,
        },
        /// A commission was wrongly declined.
        3 "declined" => Declined {
            /// The commission, by external id.
            commission: Id,
        },
    }
    fields { order_ref: Id, commission: Id, }
}

impl Claim {
    /// The commission that is meant, if one is.
    pub const fn commission(&self) -> Option<&Id> {
        match self {
            Self::Untracked { .. } => None,
            Self::Incorrect { commission } | Self::Declined { commission } => Some(commission),
        }
    }
}

/// The answer to an inquiry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InquiryResolution {
    /// The inquiry, by external id.
    pub inquiry: Id,
    /// The answer.
    pub outcome: Outcome,
}

tagged! {
    /// The answer to an inquiry.
    #[derive(Copy)]
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Outcome {
        /// The affiliate is right. What was wrongly declined is pending again.
        1 "valid" => Valid,
        /// The affiliate is wrong.
        2 "declined" => Declined {
            /// Why.
            reason: Reason,
        },
        /// It doesn't say enough to be answered.
        3 "incomplete" => Incomplete,
    }
    fields { reason: Reason, }
}

/// Who stands above an affiliate, from now on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AffiliateUpline {
    /// Whose upline.
    pub affiliate: Id,
    /// Who it is; nobody, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upline: Option<Id>,
}

/// Something that was brought in from another system, outside of any terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpeningBalance<A> {
    /// Which system.
    pub source: Id,
    /// What is brought in.
    pub balance: Balance<A>,
}

tagged! {
    /// What is brought in.
    #[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
    pub enum Balance<A> {
        /// A commission. Others name it by this entry's external id, as a commission.
        1 "commission" => Commission {
            /// Who earns it.
            affiliate: Id,
            /// Who owes it.
            merchant: Id,
            /// The currency of the amount.
            currency: Currency,
            /// How much is still to be paid.
            amount: A,
            /// Where it stands.
            state: ImportedState,
            /// When it locks; on no date, when absent.
            #[serde(skip_serializing_if = "Option::is_none")]
            locking_date: Option<Timestamp>,
        },
        /// What an affiliate has or owes otherwise. Payouts name it by this entry's external
        /// id, as an adjustment.
        2 "affiliate" => Affiliate {
            /// Who.
            affiliate: Id,
            /// For or against the affiliate.
            effect: Effect,
            /// The currency of the amount.
            currency: Currency,
            /// How much.
            amount: A,
        },
        /// What a merchant has prepaid.
        3 "merchant" => Merchant {
            /// Who.
            merchant: Id,
            /// The currency of the amount.
            currency: Currency,
            /// How much.
            amount: A,
        },
    }
    fields {
        affiliate: Id,
        merchant: Id,
        effect: Effect,
        currency: Currency,
        amount: A,
        state: ImportedState,
        locking_date: Timestamp,
    }
}

/// Where a commission stands that is brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportedState {
    /// Not yet decided.
    Pending,
    /// Accepted by the merchant.
    Approved,
    /// Not reversible any more.
    Locked,
    /// Paid for by the merchant, in whole.
    Funded,
}

impl ImportedState {
    /// The name in text, such as `locked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Locked => "locked",
            Self::Funded => "funded",
        }
    }
}

codec::numbered! {
    ImportedState {
        1 => Pending {},
        2 => Approved {},
        3 => Locked {},
        4 => Funded {},
    }
}

/// Says that private particulars are gone: the salt of a commitment was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ErasureNotice {
    /// The entry whose commitment it was.
    pub entry: Reference,
}

impl<A> Adjustment<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Adjustment<B>, E> {
        Ok(Adjustment {
            affiliate: self.affiliate,
            effect: self.effect,
            currency: self.currency,
            amount: convert(format_args!("amount"), self.currency, self.amount)?,
            related: self.related,
            reason: self.reason,
        })
    }
}

impl<A> Inquiry<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<Inquiry<B>, E> {
        Ok(Inquiry {
            affiliate: self.affiliate,
            merchant: self.merchant,
            program: self.program,
            claim: self.claim,
            currency: self.currency,
            amount: convert(format_args!("amount"), self.currency, self.amount)?,
        })
    }
}

impl<A> OpeningBalance<A> {
    pub(super) fn try_map<B, E>(
        self,
        convert: &mut impl Convert<A, B, E>,
    ) -> Result<OpeningBalance<B>, E> {
        let mut convert =
            |currency, amount| convert(format_args!("balance.amount"), currency, amount);
        let balance = match self.balance {
            Balance::Commission { affiliate, merchant, currency, amount, state, locking_date } => {
                let amount = convert(currency, amount)?;
                Balance::Commission { affiliate, merchant, currency, amount, state, locking_date }
            }
            Balance::Affiliate { affiliate, effect, currency, amount } => {
                let amount = convert(currency, amount)?;
                Balance::Affiliate { affiliate, effect, currency, amount }
            }
            Balance::Merchant { merchant, currency, amount } => {
                let amount = convert(currency, amount)?;
                Balance::Merchant { merchant, currency, amount }
            }
        };
        Ok(OpeningBalance { source: self.source, balance })
    }
}
