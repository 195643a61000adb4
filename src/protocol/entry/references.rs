//! What entries refer to outside of the ledger: orders, links, campaigns, clicks, vouchers,
//! payments.

use super::{Body, Claim, PaymentEvent};
use crate::protocol::id::Id;

/// What kind of thing outside of the ledger an entry refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// The merchant's order.
    Order,
    /// The affiliate link.
    Link,
    /// The campaign.
    Campaign,
    /// The click.
    Click,
    /// The voucher.
    Voucher,
    /// The payment of a merchant, or to an affiliate.
    Payment,
}

impl ReferenceKind {
    /// Every kind, in order.
    pub const ALL: [Self; 6] =
        [Self::Order, Self::Link, Self::Campaign, Self::Click, Self::Voucher, Self::Payment];
}

impl<A> Body<A> {
    /// What it refers to outside of the ledger.
    pub fn references(&self) -> impl Iterator<Item = (ReferenceKind, &Id)> {
        use ReferenceKind::{Campaign, Click, Link, Order, Payment, Voucher};
        let of = |kind, reference| Some((kind, reference));
        let none = [None; 5];
        let references = match self {
            Self::Transaction(sale) => [
                of(Order, &sale.order_ref),
                sale.link_ref.as_ref().map(|link| (Link, link)),
                sale.campaign_ref.as_ref().map(|campaign| (Campaign, campaign)),
                sale.click_ref.as_ref().map(|click| (Click, click)),
                sale.voucher.as_ref().map(|voucher| (Voucher, voucher)),
            ],
            Self::Funding(funding) => [of(Payment, &funding.payment_ref), None, None, None, None],
            Self::PayoutEvent(event) => match &event.event {
                PaymentEvent::Sent { payment_ref: Some(payment) } => {
                    [of(Payment, payment), None, None, None, None]
                }
                _ => none,
            },
            Self::Inquiry(inquiry) => match &inquiry.claim {
                Claim::Untracked { order_ref: Some(order) } => {
                    [of(Order, order), None, None, None, None]
                }
                _ => none,
            },
            _ => none,
        };
        references.into_iter().flatten()
    }
}
