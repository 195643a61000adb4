//! Reasons: one list for all networks, no free text.

use serde::{Deserialize, Serialize};

use crate::protocol::codec;

/// Why a commission was declined, reversed, amended or adjusted, or deviates from its terms.
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

impl Reason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::ReturnedItem,
        Self::CancelledOrder,
        Self::OrderError,
        Self::DuplicateOrder,
        Self::PaymentFailed,
        Self::Chargeback,
        Self::ConsumerFraud,
        Self::AffiliateTermsViolation,
        Self::InvalidVoucher,
        Self::SelfReferral,
        Self::WrongAttribution,
        Self::WrongAmount,
        Self::CurrencyCorrection,
        Self::TestTransaction,
        Self::OutOfScopeProduct,
        Self::MerchantDispute,
        Self::Goodwill,
        Self::NetworkCorrection,
    ];

    /// The name in text, such as `returned_item`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReturnedItem => "returned_item",
            Self::CancelledOrder => "cancelled_order",
            Self::OrderError => "order_error",
            Self::DuplicateOrder => "duplicate_order",
            Self::PaymentFailed => "payment_failed",
            Self::Chargeback => "chargeback",
            Self::ConsumerFraud => "consumer_fraud",
            Self::AffiliateTermsViolation => "affiliate_terms_violation",
            Self::InvalidVoucher => "invalid_voucher",
            Self::SelfReferral => "self_referral",
            Self::WrongAttribution => "wrong_attribution",
            Self::WrongAmount => "wrong_amount",
            Self::CurrencyCorrection => "currency_correction",
            Self::TestTransaction => "test_transaction",
            Self::OutOfScopeProduct => "out_of_scope_product",
            Self::MerchantDispute => "merchant_dispute",
            Self::Goodwill => "goodwill",
            Self::NetworkCorrection => "network_correction",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_one_name() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
