//! What entries name: each entry others by external id, and itself as others name it.

use super::{Amended, Balance, Body, Entry, Kind, PayoutLine, Role};
use crate::protocol::id::Id;

impl<A> Body<A> {
    /// The entries that it names, by kind and external id, in the order of its fields; one that
    /// several of its lines name as often as they do. A commission or an adjustment that is
    /// meant may be an opening balance: [`Body::named_as`].
    pub fn names(&self) -> Vec<(Kind, &Id)> {
        match self {
            Self::ProgramTerms(_)
            | Self::Transaction(_)
            | Self::AffiliateUpline(_)
            | Self::OpeningBalance(_)
            | Self::SpecChange(_) => Vec::new(),
            Self::Commission(commission) => {
                let mut names = vec![
                    (Kind::Transaction, &commission.transaction),
                    (Kind::ProgramTerms, &commission.terms),
                ];
                if let Role::Override { of, .. } = &commission.role {
                    names.push((Kind::Commission, of));
                }
                names
            }
            Self::Decision(decision) => vec![(Kind::Commission, &decision.commission)],
            Self::Amendment(amendment) => match &amendment.of {
                Amended::Commission { commission } => vec![(Kind::Commission, commission)],
                Amended::Transaction { transaction, .. } => vec![(Kind::Transaction, transaction)],
            },
            Self::Reversal(reversal) => vec![(Kind::Commission, &reversal.commission)],
            Self::Adjustment(adjustment) => {
                vec![(adjustment.related.kind, &adjustment.related.external_id)]
            }
            Self::Inquiry(inquiry) => inquiry
                .claim
                .commission()
                .map(|commission| (Kind::Commission, commission))
                .into_iter()
                .collect(),
            Self::InquiryResolution(resolution) => vec![(Kind::Inquiry, &resolution.inquiry)],
            Self::Funding(funding) => {
                funding.lines.iter().map(|line| (Kind::Commission, &line.commission)).collect()
            }
            Self::Payout(payout) => {
                let before = payout.continues.iter().map(|before| (Kind::Payout, before));
                before.chain(payout.lines.iter().filter_map(PayoutLine::names)).collect()
            }
            Self::PayoutEvent(event) => vec![(Kind::Payout, &event.payout)],
            Self::ErasureNotice(notice) => vec![(notice.entry.kind, &notice.entry.external_id)],
        }
    }

    /// The kind as which others name it: its own, or that of what it brings in.
    pub const fn named_as(&self) -> Kind {
        match self {
            Self::OpeningBalance(opening) => match opening.balance {
                Balance::Commission { .. } => Kind::Commission,
                Balance::Affiliate { .. } => Kind::Adjustment,
                Balance::Merchant { .. } => Kind::OpeningBalance,
            },
            other => other.kind(),
        }
    }
}

impl Entry {
    /// What it is about, by the kind and the name that others call it by: itself, where it begins
    /// something, or what it does something to. Nothing, where it is about several.
    pub fn subject(&self) -> Option<(Kind, &Id)> {
        match &self.body {
            Body::Funding(_) | Body::AffiliateUpline(_) => None,
            Body::Decision(_)
            | Body::Amendment(_)
            | Body::Reversal(_)
            | Body::InquiryResolution(_)
            | Body::PayoutEvent(_)
            | Body::ErasureNotice(_) => self.body.concerns(),
            Body::ProgramTerms(_)
            | Body::Transaction(_)
            | Body::Commission(_)
            | Body::Adjustment(_)
            | Body::Inquiry(_)
            | Body::Payout(_)
            | Body::OpeningBalance(_)
            | Body::SpecChange(_) => Some((self.body.named_as(), &self.external_id)),
        }
    }
}

impl<A> PayoutLine<A> {
    /// The entry that it names, if it names one.
    pub const fn names(&self) -> Option<(Kind, &Id)> {
        match self {
            Self::Commission { commission, .. } => Some((Kind::Commission, commission)),
            Self::Adjustment { adjustment, .. } => Some((Kind::Adjustment, adjustment)),
            Self::Fee { .. } | Self::WithheldTax { .. } | Self::CarriedForward { .. } => None,
        }
    }
}
