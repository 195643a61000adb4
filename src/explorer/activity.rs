//! What happened lately: by day, by kind and currency, and how fast.

use std::collections::BTreeMap;

use super::answer::{ExplorerError, Reader};
use super::chart::{Columns, Value, number};
use super::sentence::KindName;
use super::values::{Count, Day as OnDay, Money, Number};
use crate::protocol::entry::Kind;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::{DAY_MS, Timestamp};
use crate::query::{self, AsOf, Day, Figure, PageOf, Span, TotalsBy, TotalsRow};
use crate::store::NameFamily;

/// How many days are looked back.
pub(super) const DAYS: u64 = 30;
const _: () = assert!(DAYS > 1, "there is something to see");
/// How many tenants' totals are added up; a ledger seldom has more than one.
const MAX_TENANTS: usize = 4;
/// What an id may begin with: all that ASCII has to show.
const FIRST_LETTERS: std::ops::RangeInclusive<u8> = b'!'..=b'~';
/// The most rows of a tenant's totals.
const MAX_ROWS: usize = 4_000;
/// How many blocks the throughput is of.
const MAX_BLOCKS_TIMED: u64 = 100;

/// The last days.
pub(super) struct Activity {
    /// The last of them.
    pub(super) until: OnDay,
    pub(super) kinds: Vec<KindTotal>,
    /// Entries by day.
    pub(super) entries: Option<Columns>,
    /// What was sold by day, in the currency with the most sales.
    pub(super) sales: Option<(Currency, Columns)>,
}

/// What the entries of a kind come to.
pub(super) struct KindTotal {
    pub(super) kind: KindName,
    pub(super) count: Count,
    pub(super) amounts: Vec<Money>,
}

/// How fast entries come.
pub(super) struct Throughput {
    /// Entries a second.
    pub(super) rate: Number,
    /// Over how many blocks.
    pub(super) blocks: Count,
}

/// Sums in the making.
#[derive(Default)]
struct Sums {
    kinds: BTreeMap<usize, (u64, BTreeMap<Currency, Figure>)>,
    entries: BTreeMap<Day, u64>,
    sales: BTreeMap<Currency, (u64, BTreeMap<Day, Figure>)>,
}

impl Reader<'_> {
    /// What happened in the days up to that of `latest`, the newest entry, by event time.
    pub(super) fn activity(&self, at: &AsOf, latest: Timestamp) -> Result<Activity, ExplorerError> {
        // History that is recorded afterwards is looked at where it happened.
        let today = latest.min(at.time).as_millis() / DAY_MS;
        let first = today.saturating_sub(DAYS - 1);
        let days: Vec<Day> = (first..=today).map(day).collect();
        let span = Span::new(day(first), day(today + 1))?;
        let mut sums = Sums::default();
        for tenant in self.tenants()? {
            let page = PageOf { after: None, limit: MAX_ROWS };
            let page = query::totals(self.view, at, &tenant, (TotalsBy::Day, span), page)?;
            page.rows.iter().for_each(|row| sums.add(row));
        }
        Ok(self.drawn(sums, &days))
    }

    /// Some tenants. Names are found by how they begin, so every first letter is tried.
    fn tenants(&self) -> Result<Vec<Id>, ExplorerError> {
        let mut tenants = Vec::new();
        for letter in FIRST_LETTERS {
            let begin = char::from(letter).to_string();
            let listed = self.view.names(NameFamily::Tenant, &begin, MAX_TENANTS)?;
            tenants.extend(listed.into_iter().map(|listed| listed.name));
            if tenants.len() >= MAX_TENANTS {
                break;
            }
        }
        tenants.truncate(MAX_TENANTS);
        Ok(tenants)
    }

    fn drawn(&self, sums: Sums, days: &[Day]) -> Activity {
        let language = self.language();
        let kinds = sums.kinds.into_iter().filter_map(|(place, (count, amounts))| {
            let kind = KindName(*Kind::ALL.get(place)?);
            let money = |(currency, sum)| Money::of(currency, sum);
            let amounts = amounts.into_iter().map(money).collect();
            Some(KindTotal { kind, count: Count(count), amounts })
        });
        let entries: Vec<Value> = days
            .iter()
            .map(|day| {
                let count = sums.entries.get(day).copied().unwrap_or_default();
                let shown = number(language, Count(count));
                Value { of: language.day(day.start()), units: count.into(), shown }
            })
            .collect();
        let most_sold = sums.sales.into_iter().max_by_key(|(_, (count, _))| *count);
        let sales = most_sold.and_then(|(currency, (_, by_day))| {
            let values: Vec<Value> = days
                .iter()
                .map(|day| {
                    let sum = by_day.get(day).copied().unwrap_or(Figure::new(0, 0));
                    let shown = format!("{} {currency}", language.number(&sum.to_string()));
                    Value { of: language.day(day.start()), units: sum.units(), shown }
                })
                .collect();
            Some((currency, Columns::new(&values)?))
        });
        let until = OnDay(days.last().map_or(Timestamp::MAX, |day| day.start()));
        Activity { until, kinds: kinds.collect(), entries: Columns::new(&entries), sales }
    }

    /// How fast entries came in the latest blocks; nothing for less than two.
    pub(super) fn throughput(&self) -> Result<Option<Throughput>, ExplorerError> {
        let head = &self.view.head().header;
        let from = head.height.saturating_sub(MAX_BLOCKS_TIMED).max(1);
        let Some(first) = self.view.header(from)? else { return Ok(None) };
        let blocks = head.height.saturating_sub(from);
        let elapsed_ms = head.time.as_millis().saturating_sub(first.header.time.as_millis());
        // Leaves that aren't headers.
        let leaves = head.log_size().saturating_sub(first.header.log_size());
        let entries = leaves.saturating_sub(blocks);
        let hundredths = entries.saturating_mul(100_000).checked_div(elapsed_ms);
        Ok(hundredths.filter(|_| blocks > 0).map(|hundredths| Throughput {
            rate: Number(format!("{}.{:02}", hundredths / 100, hundredths % 100)),
            blocks: Count(blocks),
        }))
    }
}

/// The day that comes so many after 1970-01-01.
fn day(number: u64) -> Day {
    Day::of(Timestamp::from_millis(number.saturating_mul(DAY_MS)).unwrap_or(Timestamp::MAX))
}

impl Sums {
    fn add(&mut self, row: &TotalsRow) {
        let place = Kind::ALL.iter().position(|kind| *kind == row.kind).unwrap_or_default();
        let (count, amounts) = self.kinds.entry(place).or_default();
        *count = count.saturating_add(row.count);
        *self.entries.entry(row.from).or_default() += row.count;
        let (Some(currency), Some(amount)) = (row.currency, row.amount) else { return };
        add_to(amounts, currency, amount);
        if row.kind == Kind::Transaction {
            let (sales, by_day) = self.sales.entry(currency).or_default();
            *sales = sales.saturating_add(row.count);
            add_to(by_day, row.from, amount);
        }
    }
}

fn add_to<K: Ord>(sums: &mut BTreeMap<K, Figure>, key: K, amount: Figure) {
    sums.entry(key).and_modify(|sum| *sum = sum.plus(amount)).or_insert(amount);
}
