//! Whom an entry concerns.

use super::{Amended, Balance, Body, Kind};
use crate::protocol::id::Id;

/// Whom an entry concerns, by its own word or by that of an entry that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// The affiliate.
    pub affiliate: Option<Id>,
    /// The merchant.
    pub merchant: Option<Id>,
}

impl Parties {
    /// An affiliate and a merchant.
    pub fn both(affiliate: &Id, merchant: &Id) -> Self {
        Self { affiliate: Some(affiliate.clone()), merchant: Some(merchant.clone()) }
    }

    /// An affiliate alone.
    pub fn affiliate(affiliate: &Id) -> Self {
        Self { affiliate: Some(affiliate.clone()), merchant: None }
    }

    /// A merchant alone.
    pub fn merchant(merchant: &Id) -> Self {
        Self { affiliate: None, merchant: Some(merchant.clone()) }
    }

    /// These, and of `others` whom these lack.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            affiliate: self.affiliate.or(others.affiliate),
            merchant: self.merchant.or(others.merchant),
        }
    }
}

impl<A> Body<A> {
    /// Whom the entry concerns by its own word.
    pub fn parties(&self) -> Parties {
        match self {
            Self::ProgramTerms(terms) => Parties::merchant(&terms.merchant),
            Self::Transaction(sale) => Parties::merchant(&sale.merchant),
            Self::Commission(commission) => Parties::affiliate(&commission.affiliate),
            Self::Adjustment(adjustment) => Parties::affiliate(&adjustment.affiliate),
            Self::Inquiry(inquiry) => Parties::both(&inquiry.affiliate, &inquiry.merchant),
            Self::Funding(funding) => Parties::merchant(&funding.merchant),
            Self::Payout(payout) => Parties::affiliate(&payout.affiliate),
            Self::AffiliateUpline(upline) => Parties::affiliate(&upline.affiliate),
            Self::OpeningBalance(opening) => match &opening.balance {
                Balance::Commission { affiliate, merchant, .. } => {
                    Parties::both(affiliate, merchant)
                }
                Balance::Affiliate { affiliate, .. } => Parties::affiliate(affiliate),
                Balance::Merchant { merchant, .. } => Parties::merchant(merchant),
            },
            Self::Decision(_)
            | Self::Amendment(_)
            | Self::Reversal(_)
            | Self::InquiryResolution(_)
            | Self::PayoutEvent(_)
            | Self::ErasureNotice(_)
            | Self::SpecChange(_) => Parties::default(),
        }
    }

    /// The entry that it names whose parties it concerns too.
    pub fn concerns(&self) -> Option<(Kind, &Id)> {
        match self {
            Self::Commission(commission) => Some((Kind::Transaction, &commission.transaction)),
            Self::Decision(decision) => Some((Kind::Commission, &decision.commission)),
            Self::Amendment(amendment) => Some(match &amendment.of {
                Amended::Commission { commission } => (Kind::Commission, commission),
                Amended::Transaction { transaction, .. } => (Kind::Transaction, transaction),
            }),
            Self::Reversal(reversal) => Some((Kind::Commission, &reversal.commission)),
            Self::Adjustment(adjustment) => {
                let related = &adjustment.related;
                Some((related.kind, &related.external_id))
            }
            Self::InquiryResolution(resolution) => Some((Kind::Inquiry, &resolution.inquiry)),
            Self::PayoutEvent(event) => Some((Kind::Payout, &event.payout)),
            Self::ErasureNotice(notice) => Some((notice.entry.kind, &notice.entry.external_id)),
            Self::ProgramTerms(_)
            | Self::Transaction(_)
            | Self::Inquiry(_)
            | Self::Funding(_)
            | Self::Payout(_)
            | Self::AffiliateUpline(_)
            | Self::OpeningBalance(_)
            | Self::SpecChange(_) => None,
        }
    }
}
