//! What all entries of a tenant come to, by the day or the month of their events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::figure::{Figure, count, figure};
use super::period::Length;
use super::{AsOf, Day, Page, PageOf, QueryError, Span};
use crate::protocol::accounts::{Account, Slot, Sums};
use crate::protocol::entry::Kind;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::View;

/// The most accounts that a page looks at before it ends with a period, however few rows it has.
const MAX_LOOKED_AT: usize = 2_000;

/// By what totals are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TotalsBy {
    /// By the day of each event.
    #[default]
    Day,
    /// By the month of each event.
    Month,
}

/// What the entries of a kind come to in one currency and period, by what each says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TotalsRow {
    /// The day or month.
    #[schema(example = "2026-11-21")]
    pub period: String,
    /// The period's first day, of those that were asked for.
    #[schema(value_type = String, format = Date, example = "2026-11-21")]
    pub from: Day,
    /// The day that all of them are before.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    pub to: Day,
    /// The kind.
    pub kind: Kind,
    /// The currency of the amount; none for entries that say no amount.
    pub currency: Option<Currency>,
    /// How many entries there were.
    #[schema(example = 12)]
    pub count: u64,
    /// What they come to.
    #[schema(value_type = Option<String>, example = "1234.50")]
    pub amount: Option<Figure>,
}

/// A currency of the ledger and its scale, or none.
type MaybeCurrency = Option<(Currency, u8)>;

/// What all entries come to, in the order of periods, kinds and currencies.
///
/// # Errors
/// [`QueryError`].
pub fn totals(
    view: &View,
    at: &AsOf,
    tenant: &Id,
    (by, span): (TotalsBy, Span),
    page: PageOf,
) -> Result<Page<TotalsRow>, QueryError> {
    let length = match by {
        TotalsBy::Day => Length::Day,
        TotalsBy::Month => Length::Month,
    };
    let currencies: Vec<MaybeCurrency> =
        std::iter::once(None).chain(view.spec().currencies.iter().map(Some)).collect();
    let begin = page.after.and_then(|after| u32::try_from(after >> 32).ok());
    let first = length.start(span.from());
    let mut start = begin.map_or(first, |days| Day::EPOCH.later(days).max(first));
    let (mut rows, mut last, mut looked_at) = (Vec::new(), None, 0);
    while start < span.to() {
        let (from, to) = (start.max(span.from()), length.end(start).min(span.to()));
        let mut sums: BTreeMap<usize, Sums> = BTreeMap::new();
        for day in (from.number()..to.number()).map(|day| Day::EPOCH.later(day)) {
            for (number, currency) in currencies.iter().enumerate() {
                let account = Account::Day(day.number(), currency.map(|(currency, _)| currency));
                let found = view.sums(tenant, account, at.last_index())?;
                sums.entry(number).or_default().add_all(&found);
                looked_at += 1;
            }
        }
        for (number, row) in of_period(&sums, &currencies, (length.name(start), from, to)) {
            let position = u64::from(start.number()) << 32 | number;
            if !page.reaches(position) {
                continue;
            }
            if rows.len() >= page.limit {
                return Ok(Page { rows, next: last });
            }
            rows.push(row);
            last = Some(position);
        }
        // All of the period is behind.
        last = Some(u64::from(start.number()) << 32 | u64::from(u32::MAX));
        start = length.end(start);
        if looked_at >= MAX_LOOKED_AT && start < span.to() {
            return Ok(Page { rows, next: last });
        }
    }
    Ok(Page { rows, next: None })
}

/// The rows of a period, each with what tells it apart in the period.
fn of_period(
    sums: &BTreeMap<usize, Sums>,
    currencies: &[MaybeCurrency],
    (period, from, to): (String, Day, Day),
) -> Vec<(u64, TotalsRow)> {
    let mut rows = Vec::new();
    for (kind_number, kind) in (0u64..).zip(Kind::ALL) {
        for ((place, sums), currency) in (0u64..).zip(sums.values()).zip(currencies) {
            let count = count(sums, Slot::of_kind(*kind));
            if count > 0 {
                let amount =
                    currency.map(|(_, scale)| figure(sums, Slot::amount_of_kind(*kind), scale));
                let currency = currency.map(|(currency, _)| currency);
                let period = period.clone();
                let row = TotalsRow { period, from, to, kind: *kind, currency, count, amount };
                rows.push((kind_number << 16 | place, row));
            }
        }
    }
    rows
}
