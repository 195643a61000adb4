//! What an affiliate has, by state and currency: FORMAT.md section 13.18.

use serde::Serialize;
use utoipa::ToSchema;

use super::figure::{Figure, figure, scale};
use super::{AsOf, QueryError};
use crate::protocol::accounts::{Account, Slot};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::rules::{AdjustmentState, CommissionState};
use crate::store::View;

/// What an affiliate has in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AffiliateBalance {
    /// The currency of the amounts.
    pub currency: Currency,
    /// How many entries moved the balance.
    #[schema(example = 12)]
    pub entries: u64,
    /// Commissions stated and not yet decided.
    #[schema(value_type = String, example = "7.50")]
    pub pending: Figure,
    /// Whose locking date was put off.
    #[schema(value_type = String, example = "0.00")]
    pub extended: Figure,
    /// Accepted by the merchant.
    #[schema(value_type = String, example = "12.00")]
    pub approved: Figure,
    /// No longer reversible; owed by the merchant.
    #[schema(value_type = String, example = "30.00")]
    pub locked: Figure,
    /// Paid for by the merchant; due to the affiliate.
    #[schema(value_type = String, example = "9.00")]
    pub funded: Figure,
    /// On its way to the affiliate.
    #[schema(value_type = String, example = "0.00")]
    pub in_payout: Figure,
    /// Paid.
    #[schema(value_type = String, example = "112.40")]
    pub paid: Figure,
    /// Refused by the merchant.
    #[schema(value_type = String, example = "3.00")]
    pub declined: Figure,
    /// Adjustments in no live payout: those for the affiliate less those against.
    #[schema(value_type = String, example = "-2.00")]
    pub adjustments_free: Figure,
    /// Adjustments in a payout on its way.
    #[schema(value_type = String, example = "0.00")]
    pub adjustments_in_payout: Figure,
    /// Adjustments that were paid.
    #[schema(value_type = String, example = "1.50")]
    pub adjustments_paid: Figure,
    /// What payouts kept for later, less what was added from there. Less than nothing for one who
    /// owes.
    #[schema(value_type = String, example = "0.00")]
    pub carried_forward: Figure,
}

/// What an affiliate has: one balance for each currency in which anything ever moved.
///
/// # Errors
/// [`QueryError`].
pub fn affiliate_balances(
    view: &View,
    at: &AsOf,
    tenant: &Id,
    affiliate: &Id,
) -> Result<Vec<AffiliateBalance>, QueryError> {
    let mut balances = Vec::new();
    for (currency, _) in view.spec().currencies.iter() {
        let sums = view.sums(tenant, Account::Affiliate(affiliate, currency), at.last_index())?;
        if sums.is_empty() {
            continue;
        }
        let scale = scale(view, currency)?;
        let left = |state| figure(&sums, Slot::left(state), scale);
        let adjusted = |state| {
            Figure::new(sums.get(Slot::credit(state)) - sums.get(Slot::debit(state)), scale)
        };
        balances.push(AffiliateBalance {
            currency,
            entries: u64::try_from(sums.get(Slot::ENTRIES)).unwrap_or(0),
            pending: left(CommissionState::Pending),
            extended: left(CommissionState::Extended),
            approved: left(CommissionState::Approved),
            locked: left(CommissionState::Locked),
            funded: left(CommissionState::Funded),
            in_payout: left(CommissionState::InPayout),
            paid: left(CommissionState::Paid),
            declined: left(CommissionState::Declined),
            adjustments_free: adjusted(AdjustmentState::Free),
            adjustments_in_payout: adjusted(AdjustmentState::InPayout),
            adjustments_paid: adjusted(AdjustmentState::Paid),
            carried_forward: Figure::new(sums.get(Slot::KEPT) - sums.get(Slot::USED), scale),
        });
    }
    Ok(balances)
}
