//! A merchant: what it owes, how it decides beside all others, and with whom it deals.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor, repeated};
use super::balances::{Balances, MAX_CURRENCIES};
use super::chart::scaled;
use super::lines::EntryLine;
use super::messages::{Said, filters, say};
use super::query::{ids, query, value};
use super::sentence::{ReasonText, StateName};
use super::values::{Count, Money, Number, Share};
use crate::protocol::entry::Kind;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::query::{
    self as questions, AffiliateOfMerchant, AsOf, Figure, Measure, PageOf, PerformanceRow, When,
};
use crate::store::{Direction, Filter};

/// How many of a merchant's affiliates a page lists.
const AFFILIATES_A_PAGE: usize = 50;
/// How many affiliates the chart of the largest has.
const LARGEST: usize = 8;
/// How many of the latest entries are listed.
const LATEST_ENTRIES: usize = 8;
/// How many of a merchant's programs are listed.
const MAX_PROGRAMS: usize = 20;
/// The length of a bar, in units of its own.
const BAR_UNITS: u64 = 200;

/// What `/merchants/{tenant}/{merchant}` can be asked for.
#[derive(Deserialize)]
pub(super) struct MerchantQuery {
    /// The position of the last affiliate of the page before.
    after: Option<String>,
    /// In which currency to compare the merchant with others.
    currency: Option<String>,
}

/// One measure, beside the same of all merchants together.
struct MeasureLine {
    row: PerformanceRow,
    name: Said<'static>,
    /// The lengths of both rates in a bar of [`BAR_UNITS`].
    bars: Option<[u64; 2]>,
}

/// An affiliate that stands out by what it earned.
struct Large {
    affiliate: Id,
    stated: Money,
    length: u64,
}

#[derive(Template)]
#[template(path = "merchant.html")]
struct MerchantPage<'a> {
    frame: Frame<'a>,
    tenant: Id,
    merchant: Id,
    balances: Vec<Balances>,
    /// The currency of the measures, if anything ever moved in one.
    currency: Option<Currency>,
    measures: Vec<MeasureLine>,
    programs: Vec<Id>,
    largest: Vec<Large>,
    affiliates: Vec<AffiliateOfMerchant>,
    newer: Option<String>,
    older: Option<String>,
    entries: Vec<EntryLine>,
}

/// `GET /merchants/{tenant}/{merchant}`
pub(super) async fn page(
    visitor: Visitor,
    names: Result<Path<(String, String)>, PathRejection>,
    asked: Result<Query<MerchantQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let (Path((tenant, merchant)), Query(asked)) = (names?, asked?);
            let [tenant, merchant] = ids([&tenant, &merchant])?;
            let after = value("after", asked.after.as_deref())?;
            let currency = value("currency", asked.currency.as_deref())?;
            reader.page(&merchant_page(reader, (tenant, merchant), after, currency)?)
        })
        .await
}

fn merchant_page<'a>(
    reader: &Reader<'a>,
    (tenant, merchant): (Id, Id),
    after: Option<u64>,
    currency: Option<Currency>,
) -> Result<MerchantPage<'a>, ExplorerError> {
    let view = reader.view;
    let at = AsOf::resolve(view, When::Now)?;
    let filter = Filter {
        tenant: Some(tenant.clone()),
        merchant: Some(merchant.clone()),
        ..Filter::default()
    };
    let latest = view.search(&filter, Direction::NewestFirst, None, LATEST_ENTRIES)?;
    if latest.hits.is_empty() && latest.next.is_none() {
        return Err(ExplorerError::NoSuchName { name: repeated(merchant.as_str()) });
    }
    let owed = questions::merchant_liabilities(view, &at, &tenant, &merchant)?;
    let currency = currency.or_else(|| owed.first().map(|owed| owed.currency));
    let page = PageOf { after, limit: AFFILIATES_A_PAGE };
    let affiliates = questions::merchant_affiliates(view, &at, &tenant, &merchant, page)?;
    Ok(MerchantPage {
        frame: reader.frame(Section::Entries),
        balances: owed.iter().take(MAX_CURRENCIES).map(Balances::of_merchant).collect(),
        currency,
        measures: measures(
            questions::merchant_performance(view, &at, &tenant, &merchant)?,
            currency,
        ),
        programs: programs(reader, &filter)?,
        largest: largest(&affiliates.rows),
        newer: after.map(|_| query(&[])),
        older: affiliates.next.map(|next| query(&[("after", Some(next.to_string()))])),
        affiliates: affiliates.rows,
        entries: reader.entry_lines(&latest.hits)?,
        tenant,
        merchant,
    })
}

/// The programs that a merchant's latest terms are of.
fn programs(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<Id>, ExplorerError> {
    use crate::protocol::entry::Body;
    let filter = Filter { kind: Some(Kind::ProgramTerms), ..filter.clone() };
    let terms = reader.view.search(&filter, Direction::NewestFirst, None, MAX_PROGRAMS)?;
    let mut programs: Vec<Id> = Vec::new();
    for hit in terms.hits {
        if let Body::ProgramTerms(terms) = &hit.entry.entry().body
            && !programs.contains(&terms.program)
        {
            programs.push(terms.program.clone());
        }
    }
    Ok(programs)
}

/// The measures in a currency, with bars that are as long as the largest rate needs.
fn measures(rows: Vec<PerformanceRow>, currency: Option<Currency>) -> Vec<MeasureLine> {
    let rows: Vec<_> = rows.into_iter().filter(|row| Some(row.currency) == currency).collect();
    let rates = rows.iter().filter(|row| is_compared(row));
    let most = rates.flat_map(|row| [row.count_ppm, row.network_count_ppm]).flatten().max();
    let most = most.and_then(|most| u128::try_from(most).ok()).unwrap_or(0);
    rows.into_iter().map(|row| MeasureLine::new(row, most)).collect()
}

/// Whether a measure is one of those in which merchants are compared.
fn is_compared(row: &PerformanceRow) -> bool {
    matches!(row.measure, Measure::Deviations | Measure::Declined | Measure::Reversed)
}

/// Days to the first decimal.
fn days(days: Figure) -> Number {
    let text = days.to_string();
    let end = text.find('.').map_or(text.len(), |point| point + 2);
    Number(text.get(..end).unwrap_or(&text).to_owned())
}

impl MeasureLine {
    fn new(row: PerformanceRow, most: u128) -> Self {
        let name = match row.measure {
            Measure::Stated => say("Commissions stated"),
            Measure::Imported => say("Commissions brought in"),
            Measure::Deviations => say("Deviations from the terms"),
            Measure::Declined => say("Declined"),
            Measure::Reversed => say("Taken back"),
            Measure::Reopened => say("Reopened after an inquiry"),
            Measure::Locked => say("Locked"),
            Measure::Paid => say("Paid"),
        };
        let length = |ppm: Option<i64>| {
            let ppm = ppm.and_then(|ppm| u128::try_from(ppm).ok()).unwrap_or(0);
            scaled(ppm, most, BAR_UNITS)
        };
        let bars = is_compared(&row).then(|| [row.count_ppm, row.network_count_ppm].map(length));
        Self { row, name, bars }
    }
}

/// Those of a page that earned most, in the currency that most of them earn in.
fn largest(affiliates: &[AffiliateOfMerchant]) -> Vec<Large> {
    let Some(currency) = affiliates
        .iter()
        .map(|one| one.currency)
        .max_by_key(|currency| affiliates.iter().filter(|one| one.currency == *currency).count())
    else {
        return Vec::new();
    };
    // One under several programs counts once.
    let mut sums: BTreeMap<&Id, Figure> = BTreeMap::new();
    for one in affiliates.iter().filter(|one| one.currency == currency) {
        let sum = sums.entry(&one.affiliate).or_insert(Figure::new(0, 0));
        *sum = one.stated.plus(*sum);
    }
    let mut sorted: Vec<_> = sums.into_iter().collect();
    sorted.sort_by_key(|(_, stated)| std::cmp::Reverse(stated.units()));
    let units = |figure: Figure| u128::try_from(figure.units()).unwrap_or(0);
    let most = sorted.first().map_or(0, |(_, stated)| units(*stated));
    let largest = sorted.into_iter().take(LARGEST).map(|(affiliate, stated)| Large {
        affiliate: affiliate.clone(),
        stated: Money::of(currency, stated),
        length: scaled(units(stated), most, BAR_UNITS),
    });
    largest.collect()
}
