//! What a merchant owes and paid, in all and by affiliate.

use serde::Serialize;
use utoipa::ToSchema;

use super::figure::{Figure, count, figure, over_reasons, ppm, scale};
use super::page::dealings;
use super::{AsOf, Page, PageOf, QueryError};
use crate::protocol::accounts::{Account, Party, Slot, Sums};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::rules::CommissionState as State;
use crate::store::{DealingsWith, View};

/// What a merchant owes and paid in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MerchantLiabilities {
    /// The currency of the amounts.
    pub currency: Currency,
    /// How many entries moved them.
    #[schema(example = 12)]
    pub entries: u64,
    /// Commissions stated and not yet decided.
    #[schema(value_type = String, example = "7.50")]
    pub pending: Figure,
    /// Those whose locking date was put off.
    #[schema(value_type = String, example = "0.00")]
    pub extended: Figure,
    /// Those that the merchant accepted.
    #[schema(value_type = String, example = "12.00")]
    pub approved: Figure,
    /// Those that can't be taken back any more: what the merchant owes.
    #[schema(value_type = String, example = "30.00")]
    pub locked: Figure,
    /// Those that the merchant paid for.
    #[schema(value_type = String, example = "9.00")]
    pub funded: Figure,
    /// Those on their way to affiliates.
    #[schema(value_type = String, example = "0.00")]
    pub in_payout: Figure,
    /// Those that were paid.
    #[schema(value_type = String, example = "112.40")]
    pub paid: Figure,
    /// Those that the merchant refused.
    #[schema(value_type = String, example = "3.00")]
    pub declined: Figure,
    /// The network's fees on pending commissions, as stated.
    #[schema(value_type = String, example = "2.25")]
    pub fees_pending: Figure,
    /// On extended ones.
    #[schema(value_type = String, example = "0.00")]
    pub fees_extended: Figure,
    /// On approved ones.
    #[schema(value_type = String, example = "3.60")]
    pub fees_approved: Figure,
    /// On locked ones.
    #[schema(value_type = String, example = "9.00")]
    pub fees_locked: Figure,
    /// On funded ones.
    #[schema(value_type = String, example = "2.70")]
    pub fees_funded: Figure,
    /// On those in a payout.
    #[schema(value_type = String, example = "0.00")]
    pub fees_in_payout: Figure,
    /// On those that were paid.
    #[schema(value_type = String, example = "33.72")]
    pub fees_paid: Figure,
    /// On declined ones.
    #[schema(value_type = String, example = "0.90")]
    pub fees_declined: Figure,
    /// On those that were taken back in full.
    #[schema(value_type = String, example = "0.00")]
    pub fees_reversed: Figure,
    /// All that the merchant paid.
    #[schema(value_type = String, example = "150.00")]
    pub received: Figure,
    /// What of it covers commissions.
    #[schema(value_type = String, example = "121.40")]
    pub covered: Figure,
    /// What is left of it.
    #[schema(value_type = String, example = "28.60")]
    pub prepaid: Figure,
}

/// What a merchant has to do with an affiliate under a program, in one currency.
///
/// Rates are of all commissions that were stated or brought in, in parts per million. They stand
/// beside those of the merchant's other affiliates, so that who is treated unlike them stands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AffiliateOfMerchant {
    /// Who earns.
    pub affiliate: Id,
    /// Under which program; none for what was brought in from elsewhere.
    pub program: Option<Id>,
    /// The currency of the amounts.
    pub currency: Currency,
    /// How many commissions were stated or brought in.
    #[schema(example = 12)]
    pub commissions: u64,
    /// What they were stated or brought in at.
    #[schema(value_type = String, example = "174.00")]
    pub stated: Figure,
    /// How many of them deviate from their terms.
    #[schema(example = 1)]
    pub deviations: u64,
    /// How many were declined, whatever became of them then.
    #[schema(example = 3)]
    pub declines: u64,
    /// What was left of those.
    #[schema(value_type = String, example = "17.40")]
    pub declines_amount: Figure,
    /// How many of a million were.
    #[schema(example = 250_000)]
    pub declines_ppm: Option<i64>,
    /// How much of a million was.
    #[schema(example = 100_000)]
    pub declines_amount_ppm: Option<i64>,
    /// How many reversals there were.
    #[schema(example = 1)]
    pub reversals: u64,
    /// What they took back.
    #[schema(value_type = String, example = "8.70")]
    pub reversals_amount: Figure,
    /// How many there were of a million.
    #[schema(example = 83_333)]
    pub reversals_ppm: Option<i64>,
    /// How much of a million they took back.
    #[schema(example = 50_000)]
    pub reversals_amount_ppm: Option<i64>,
    /// Commissions stated and not yet decided.
    #[schema(value_type = String, example = "7.50")]
    pub pending: Figure,
    /// Those whose locking date was put off.
    #[schema(value_type = String, example = "0.00")]
    pub extended: Figure,
    /// Those that the merchant accepted.
    #[schema(value_type = String, example = "12.00")]
    pub approved: Figure,
    /// Those that can't be taken back any more: what the merchant owes.
    #[schema(value_type = String, example = "30.00")]
    pub locked: Figure,
    /// Those that the merchant paid for.
    #[schema(value_type = String, example = "9.00")]
    pub funded: Figure,
    /// Those on their way to affiliates.
    #[schema(value_type = String, example = "0.00")]
    pub in_payout: Figure,
    /// Those that were paid.
    #[schema(value_type = String, example = "112.40")]
    pub paid: Figure,
    /// Those that the merchant refused.
    #[schema(value_type = String, example = "3.00")]
    pub declined: Figure,
}

/// What a merchant owes and paid: a row for each currency in which anything ever moved.
///
/// # Errors
/// [`QueryError`].
pub fn merchant_liabilities(
    view: &View,
    at: &AsOf,
    tenant: &Id,
    merchant: &Id,
) -> Result<Vec<MerchantLiabilities>, QueryError> {
    let mut rows = Vec::new();
    for (currency, scale) in view.spec().currencies.iter() {
        let sums = view.sums(tenant, Account::Merchant(merchant, currency), at.last_index())?;
        if sums.is_empty() {
            continue;
        }
        let left = |state| figure(&sums, Slot::left(state), scale);
        let fee = |state| figure(&sums, Slot::fee(state), scale);
        rows.push(MerchantLiabilities {
            currency,
            entries: count(&sums, Slot::ENTRIES),
            pending: left(State::Pending),
            extended: left(State::Extended),
            approved: left(State::Approved),
            locked: left(State::Locked),
            funded: left(State::Funded),
            in_payout: left(State::InPayout),
            paid: left(State::Paid),
            declined: left(State::Declined),
            fees_pending: fee(State::Pending),
            fees_extended: fee(State::Extended),
            fees_approved: fee(State::Approved),
            fees_locked: fee(State::Locked),
            fees_funded: fee(State::Funded),
            fees_in_payout: fee(State::InPayout),
            fees_paid: fee(State::Paid),
            fees_declined: fee(State::Declined),
            fees_reversed: fee(State::Reversed),
            received: figure(&sums, Slot::RECEIVED, scale),
            covered: figure(&sums, Slot::COVERS, scale),
            prepaid: Figure::new(sums.get(Slot::RECEIVED) - sums.get(Slot::COVERS), scale),
        });
    }
    Ok(rows)
}

/// What a merchant has to do with each affiliate, in no order that means anything.
///
/// # Errors
/// [`QueryError`].
pub fn merchant_affiliates(
    view: &View,
    at: &AsOf,
    tenant: &Id,
    merchant: &Id,
    page: PageOf,
) -> Result<Page<AffiliateOfMerchant>, QueryError> {
    let Page { rows: all, next } = dealings(view, tenant, Party::Merchant(merchant), page)?;
    let mut rows = Vec::new();
    for with in all {
        let sums = view.sums(tenant, with.account(), at.last_index())?;
        if !sums.is_empty() {
            let scale = scale(view, with.currency)?;
            rows.push(affiliate_of_merchant(with, &sums, scale));
        }
    }
    Ok(Page { rows, next })
}

fn affiliate_of_merchant(with: DealingsWith, sums: &Sums, scale: u8) -> AffiliateOfMerchant {
    let DealingsWith { affiliate, program, currency, .. } = with;
    let left = |state| figure(sums, Slot::left(state), scale);
    let commissions = sums.get(Slot::STATED) + sums.get(Slot::IMPORTED);
    let stated = sums.get(Slot::STATED_AMOUNT) + sums.get(Slot::IMPORTED_AMOUNT);
    let declines = over_reasons(sums, Slot::declined);
    let refused = over_reasons(sums, Slot::declined_amount);
    let reversals = over_reasons(sums, Slot::reversed);
    let taken_back = over_reasons(sums, Slot::reversed_amount);
    AffiliateOfMerchant {
        affiliate,
        program,
        currency,
        commissions: u64::try_from(commissions).unwrap_or(0),
        stated: Figure::new(stated, scale),
        deviations: count(sums, Slot::DEVIATIONS),
        declines: u64::try_from(declines).unwrap_or(0),
        declines_amount: Figure::new(refused, scale),
        declines_ppm: ppm(declines, commissions),
        declines_amount_ppm: ppm(refused, stated),
        reversals: u64::try_from(reversals).unwrap_or(0),
        reversals_amount: Figure::new(taken_back, scale),
        reversals_ppm: ppm(reversals, commissions),
        reversals_amount_ppm: ppm(taken_back, stated),
        pending: left(State::Pending),
        extended: left(State::Extended),
        approved: left(State::Approved),
        locked: left(State::Locked),
        funded: left(State::Funded),
        in_payout: left(State::InPayout),
        paid: left(State::Paid),
        declined: left(State::Declined),
    }
}
