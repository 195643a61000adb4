//! An affiliate: what it has, what it earned, and whom it brought.

use askama::Template;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor, repeated};
use super::balances::{Balances, MAX_CURRENCIES};
use super::chart::{Columns, Value};
use super::lines::EntryLine;
use super::messages::filters;
use super::query::ids;
use super::sentence::StateName;
use super::values::{Count, Day as OnDay, Money};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::{DAY_MS, Timestamp};
use crate::query::{
    self as questions, AsOf, Day, Downline, DownlineMember, EarningsBy, EarningsOf, EarningsRow,
    Figure, PageOf, When,
};
use crate::store::{Direction, Filter};

/// How many months of earnings are shown.
const MONTHS: usize = 12;
/// How many levels down those are shown who stand below.
const DOWNLINE_DEPTH: u8 = 3;
/// How many of them are shown.
const MAX_DOWNLINE_ROWS: usize = 40;
/// How many of the latest entries are listed.
const LATEST_ENTRIES: usize = 8;

/// Earnings in one currency.
struct Earnings {
    currency: Currency,
    chart: Option<Columns>,
    months: Vec<EarningsRow>,
}

/// Somebody who stands below.
struct Below {
    affiliate: Id,
    level: u8,
    since: OnDay,
    /// What it earned for good, in each currency.
    earned: Vec<Money>,
}

#[derive(Template)]
#[template(path = "affiliate.html")]
struct AffiliatePage<'a> {
    frame: Frame<'a>,
    tenant: Id,
    affiliate: Id,
    balances: Vec<Balances>,
    earnings: Vec<Earnings>,
    /// Who stands above, the nearest first.
    above: Vec<Id>,
    below: Vec<Below>,
    /// Whether more stand below than are shown.
    below_more: bool,
    entries: Vec<EntryLine>,
}

/// `GET /affiliates/{tenant}/{affiliate}`
pub(super) async fn page(
    visitor: Visitor,
    names: Result<Path<(String, String)>, PathRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let Path((tenant, affiliate)) = names?;
            let [tenant, affiliate] = ids([&tenant, &affiliate])?;
            reader.page(&affiliate_page(reader, tenant, affiliate)?)
        })
        .await
}

fn affiliate_page<'a>(
    reader: &Reader<'a>,
    tenant: Id,
    affiliate: Id,
) -> Result<AffiliatePage<'a>, ExplorerError> {
    let view = reader.view;
    let at = AsOf::resolve(view, When::Now)?;
    let filter = Filter {
        tenant: Some(tenant.clone()),
        affiliate: Some(affiliate.clone()),
        ..Filter::default()
    };
    let latest = view.search(&filter, Direction::NewestFirst, None, LATEST_ENTRIES)?;
    if latest.hits.is_empty() && latest.next.is_none() {
        return Err(ExplorerError::NoSuchName { name: repeated(affiliate.as_str()) });
    }
    let balances = questions::affiliate_balances(view, &at, &tenant, &affiliate)?;
    let of = Downline { tenant, affiliate, depth: DOWNLINE_DEPTH };
    let (below, more) = questions::downline(view, &at, &of, None, MAX_DOWNLINE_ROWS)?;
    let Downline { tenant, affiliate, .. } = of;
    Ok(AffiliatePage {
        frame: reader.frame(Section::Entries),
        balances: balances.iter().take(MAX_CURRENCIES).map(Balances::of_affiliate).collect(),
        earnings: earnings(reader, &at, &tenant, &affiliate)?,
        above: view.uplines(&tenant, &affiliate)?,
        below: by_affiliate(below),
        below_more: more.is_some(),
        entries: reader.entry_lines(&latest.hits)?,
        tenant,
        affiliate,
    })
}

/// Members of a downline, each once whatever the number of its currencies.
fn by_affiliate(members: Vec<DownlineMember>) -> Vec<Below> {
    let mut below: Vec<Below> = Vec::new();
    for member in members {
        let earned = member.currency.zip(member.earned);
        let earned = earned.map(|(currency, earned)| Money::of(currency, earned));
        match below.last_mut().filter(|last| last.affiliate == member.affiliate) {
            Some(last) => last.earned.extend(earned),
            None => below.push(Below {
                affiliate: member.affiliate,
                level: member.level,
                since: OnDay(member.since),
                earned: earned.into_iter().collect(),
            }),
        }
    }
    below
}

/// The earnings of the last months, in each currency that there are any in.
fn earnings(
    reader: &Reader<'_>,
    at: &AsOf,
    tenant: &Id,
    affiliate: &Id,
) -> Result<Vec<Earnings>, ExplorerError> {
    let months = months_until(at.time);
    let (Some(from), Some(to)) = (months.first(), months.last()) else { return Ok(Vec::new()) };
    let page = PageOf { after: None, limit: MONTHS * MAX_CURRENCIES };
    let of = EarningsOf { tenant, affiliate, by: EarningsBy::Month };
    let span = (Some(Day::of(*from)), Some(Day::of(*to)));
    let rows = questions::earnings(reader.view, at, of, span, page)?.rows;
    let mut earnings: Vec<Earnings> = Vec::new();
    for (currency, _) in reader.view.spec().currencies.iter() {
        let of_currency: Vec<EarningsRow> =
            rows.iter().filter(|row| row.currency == currency).cloned().collect();
        if of_currency.is_empty() {
            continue;
        }
        let columns: Vec<Value> = months
            .iter()
            .take(MONTHS)
            .map(|month| {
                let row = of_currency.iter().find(|row| row.from == Some(Day::of(*month)));
                let net = row.map(|row| row.net);
                let shown = net.map_or_else(|| "0".to_owned(), |net| net.to_string());
                Value {
                    of: reader.language().month(*month),
                    units: net.map_or(0, Figure::units),
                    shown: format!("{} {currency}", reader.language().number(&shown)),
                }
            })
            .collect();
        earnings.push(Earnings { currency, chart: Columns::new(&columns), months: of_currency });
    }
    Ok(earnings)
}

/// The first days of the last months up to `time`, and of the month after.
fn months_until(time: Timestamp) -> Vec<Timestamp> {
    let next = time.day_of_later_month(1, 1);
    let mut months = vec![next];
    let mut first = next;
    for _ in 0..MONTHS {
        let Some(day_before) = first.as_millis().checked_sub(DAY_MS) else { break };
        let Ok(day_before) = Timestamp::from_millis(day_before) else { break };
        first = day_before.day_of_later_month(0, 1);
        months.push(first);
    }
    months.reverse();
    months
}
