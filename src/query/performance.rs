//! What a merchant makes of commissions, beside what all merchants of the tenant do.

use serde::Serialize;
use utoipa::ToSchema;

use super::figure::{Figure, mean_days, over_reasons, ppm};
use super::{AsOf, QueryError};
use crate::protocol::accounts::{Account, Slot, Sums};
use crate::protocol::entry::Reason;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::View;

/// What a row measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Commissions stated under terms.
    Stated,
    /// Commissions brought in from elsewhere.
    Imported,
    /// Commissions stated at another amount than the terms give.
    Deviations,
    /// Commissions declined, whatever became of them then; for all reasons or for one.
    Declined,
    /// Reversals, for all reasons or for one.
    Reversed,
    /// Declined commissions that were reopened.
    Reopened,
    /// Commissions that locked.
    Locked,
    /// Commissions that were paid, those whose payout came back later included.
    Paid,
}

/// One measure of a merchant, and the same of all merchants together.
///
/// Rates are of all commissions that were stated or brought in, in parts per million.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PerformanceRow {
    /// The currency of the amounts.
    pub currency: Currency,
    /// What is measured.
    pub measure: Measure,
    /// For which reason; for all of them, or where there is none to give, none.
    pub reason: Option<Reason>,
    /// How many there were.
    #[schema(example = 3)]
    pub count: u64,
    /// What they come to, where that is known.
    #[schema(value_type = Option<String>, example = "17.40")]
    pub amount: Option<Figure>,
    /// How many there were of a million commissions.
    #[schema(example = 250_000)]
    pub count_ppm: Option<i64>,
    /// How much of a million they come to.
    #[schema(example = 100_000)]
    pub amount_ppm: Option<i64>,
    /// How many days it took on average, by event times.
    #[schema(value_type = Option<String>, example = "30.125")]
    pub days: Option<Figure>,
    /// `count` of all merchants.
    #[schema(example = 25)]
    pub network_count: u64,
    /// `amount` of all merchants.
    #[schema(value_type = Option<String>, example = "140.00")]
    pub network_amount: Option<Figure>,
    /// `count_ppm` of all merchants.
    #[schema(example = 50_000)]
    pub network_count_ppm: Option<i64>,
    /// `amount_ppm` of all merchants.
    #[schema(example = 40_000)]
    pub network_amount_ppm: Option<i64>,
    /// `days` of all merchants.
    #[schema(value_type = Option<String>, example = "28.000")]
    pub network_days: Option<Figure>,
}

/// A merchant's performance: the measures of each currency in which anything ever moved.
///
/// # Errors
/// [`QueryError`].
pub fn merchant_performance(
    view: &View,
    at: &AsOf,
    tenant: &Id,
    merchant: &Id,
) -> Result<Vec<PerformanceRow>, QueryError> {
    let mut rows = Vec::new();
    for (currency, scale) in view.spec().currencies.iter() {
        let own = view.sums(tenant, Account::Merchant(merchant, currency), at.last_index())?;
        if own.is_empty() {
            continue;
        }
        let network = view.sums(tenant, Account::Network(currency), at.last_index())?;
        for measured in measures() {
            if let Some(row) = measured.row(currency, scale, &own, &network) {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

/// A number that follows from sums.
type Number = Box<dyn Fn(&Sums) -> i128>;
/// The slot of a reason.
type OfReason = fn(Reason) -> Slot;

/// A measure, and how it follows from sums.
struct Measured {
    measure: Measure,
    reason: Option<Reason>,
    /// Whether it is shown even where there is nothing.
    always: bool,
    count: Number,
    amount: Option<Number>,
    seconds: Option<Slot>,
}

fn measures() -> Vec<Measured> {
    use Measure::{Declined, Deviations, Imported, Locked, Paid, Reopened, Reversed, Stated};
    let plain = |measure, count: Slot, amount: Option<Slot>, seconds| Measured {
        measure,
        reason: None,
        always: true,
        count: Box::new(move |sums| sums.get(count)),
        amount: amount.map(|slot| Box::new(move |sums: &Sums| sums.get(slot)) as _),
        seconds,
    };
    let mut measures = vec![
        plain(Stated, Slot::STATED, Some(Slot::STATED_AMOUNT), None),
        plain(Imported, Slot::IMPORTED, Some(Slot::IMPORTED_AMOUNT), None),
        plain(Deviations, Slot::DEVIATIONS, None, None),
    ];
    let families: [(Measure, OfReason, OfReason); 2] = [
        (Declined, Slot::declined, Slot::declined_amount),
        (Reversed, Slot::reversed, Slot::reversed_amount),
    ];
    for (measure, count, amount) in families {
        measures.push(Measured {
            measure,
            reason: None,
            always: true,
            count: Box::new(move |sums| over_reasons(sums, count)),
            amount: Some(Box::new(move |sums| over_reasons(sums, amount))),
            seconds: None,
        });
        measures.extend(Reason::ALL.map(|reason| Measured {
            reason: Some(reason),
            always: false,
            ..plain(measure, count(reason), Some(amount(reason)), None)
        }));
    }
    measures.extend([
        plain(Reopened, Slot::REOPENED, Some(Slot::REOPENED_AMOUNT), None),
        plain(Locked, Slot::LOCKED, None, Some(Slot::SECONDS_TO_LOCK)),
        plain(Paid, Slot::PAID, None, Some(Slot::SECONDS_TO_PAY)),
    ]);
    measures
}

/// What a measure comes to.
struct Value {
    count: i128,
    amount: Option<i128>,
    count_ppm: Option<i64>,
    amount_ppm: Option<i64>,
    days: Option<Figure>,
}

impl Measured {
    fn row(
        &self,
        currency: Currency,
        scale: u8,
        own: &Sums,
        network: &Sums,
    ) -> Option<PerformanceRow> {
        let [own, network] = [own, network].map(|sums| self.value(sums));
        if !self.always && own.count == 0 && network.count == 0 {
            return None;
        }
        let count = |count: i128| u64::try_from(count).unwrap_or(0);
        let figure = |amount: Option<i128>| amount.map(|amount| Figure::new(amount, scale));
        Some(PerformanceRow {
            currency,
            measure: self.measure,
            reason: self.reason,
            count: count(own.count),
            amount: figure(own.amount),
            count_ppm: own.count_ppm,
            amount_ppm: own.amount_ppm,
            days: own.days,
            network_count: count(network.count),
            network_amount: figure(network.amount),
            network_count_ppm: network.count_ppm,
            network_amount_ppm: network.amount_ppm,
            network_days: network.days,
        })
    }

    fn value(&self, sums: &Sums) -> Value {
        let commissions = sums.get(Slot::STATED) + sums.get(Slot::IMPORTED);
        let stated = sums.get(Slot::STATED_AMOUNT) + sums.get(Slot::IMPORTED_AMOUNT);
        let count = (self.count)(sums);
        let amount = self.amount.as_ref().map(|amount| amount(sums));
        Value {
            count,
            amount,
            count_ppm: ppm(count, commissions),
            amount_ppm: amount.and_then(|amount| ppm(amount, stated)),
            days: self.seconds.and_then(|seconds| mean_days(sums.get(seconds), count)),
        }
    }
}
