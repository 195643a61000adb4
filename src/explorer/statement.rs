//! An affiliate's statement of a period: what there was before, everything that moved it, and what
//! there is at its end.

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor, repeated};
use super::messages::{Said, filters, say};
use super::query::{ids, query, value};
use super::sentence::KindName;
use super::values::{Day as OnDay, Digest, Moment, Money};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::query::{
    self as questions, AffiliateStatementRow, AsOf, Bound, Day, PageOf, Period, RowType, When,
};

/// How many rows of a statement a page has.
const ROWS_A_PAGE: usize = 50;

/// What a statement can be asked for.
#[derive(Deserialize)]
pub(super) struct StatementQuery {
    currency: Option<String>,
    /// The first day, by when entries were recorded.
    from: Option<String>,
    /// The day that all are before.
    to: Option<String>,
    /// The log index of the last entry of the page before.
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "statement.html")]
struct StatementPage<'a> {
    frame: Frame<'a>,
    tenant: Id,
    affiliate: Id,
    currencies: Vec<Currency>,
    currency: Currency,
    from: Option<Day>,
    to: Option<Day>,
    rows: Vec<StatementLine>,
    closing: Option<StatementLine>,
    /// The query of the same as data.
    data: String,
    newer: Option<String>,
    older: Option<String>,
    height: u64,
    block: Digest,
}

/// A row of a statement.
struct StatementLine {
    row: AffiliateStatementRow,
    recorded: Moment,
    /// What it moved, or, at the beginning and the end, what there is.
    parts: Vec<(Said<'static>, Money)>,
}

/// `GET /affiliates/{tenant}/{affiliate}/statement`
pub(super) async fn page(
    visitor: Visitor,
    names: Result<Path<(String, String)>, PathRejection>,
    asked: Result<Query<StatementQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let (Path((tenant, affiliate)), Query(asked)) = (names?, asked?);
            let [tenant, affiliate] = ids([&tenant, &affiliate])?;
            reader.page(&statement_page(reader, tenant, affiliate, &asked)?)
        })
        .await
}

fn statement_page<'a>(
    reader: &Reader<'a>,
    tenant: Id,
    affiliate: Id,
    asked: &StatementQuery,
) -> Result<StatementPage<'a>, ExplorerError> {
    let view = reader.view;
    let at = AsOf::resolve(view, When::Now)?;
    let unknown = || ExplorerError::NoSuchName { name: repeated(affiliate.as_str()) };
    let balances = questions::affiliate_balances(view, &at, &tenant, &affiliate)?;
    let currencies: Vec<Currency> = balances.iter().map(|balance| balance.currency).collect();
    let first = *currencies.first().ok_or_else(unknown)?;
    let currency = value("currency", asked.currency.as_deref())?.unwrap_or(first);
    let from: Option<Day> = value("from", asked.from.as_deref())?;
    let to: Option<Day> = value("to", asked.to.as_deref())?;
    let after = value("after", asked.after.as_deref())?;
    let bound = |day: Option<Day>| day.map_or(Bound::Open, |day| Bound::Time(day.start()));
    let period = Period { from: bound(from), to: bound(to) };
    let page = PageOf { after, limit: ROWS_A_PAGE };
    let of = (&tenant, &affiliate, currency);
    let found = questions::affiliate_statement(view, &at, of, period, page)?;
    let line = |row: AffiliateStatementRow| StatementLine {
        recorded: reader.moment(row.recorded_at),
        parts: parts(&row),
        row,
    };
    let (closing, rows): (Vec<_>, Vec<_>) =
        found.rows.into_iter().partition(|row| row.row == RowType::Closing);
    let day = |day: Option<Day>| day.map(|day| day.to_string());
    let same = |after: Option<u64>| {
        query(&[
            ("currency", Some(currency.to_string())),
            ("from", day(from)),
            ("to", day(to)),
            ("after", after.map(|after| after.to_string())),
        ])
    };
    let time = |day: Option<Day>| day.map(|day| day.start().to_string());
    Ok(StatementPage {
        frame: reader.frame(Section::Entries),
        data: query(&[
            ("tenant", Some(tenant.to_string())),
            ("currency", Some(currency.to_string())),
            ("from_time", time(from)),
            ("to_time", time(to)),
            ("format", Some("csv".to_owned())),
        ]),
        currencies,
        currency,
        from,
        to,
        rows: rows.into_iter().map(line).collect(),
        closing: closing.into_iter().map(line).next(),
        newer: after.map(|_| same(None)),
        older: found.next.map(|next| same(Some(next))),
        height: at.height,
        block: Digest::new(at.block),
        tenant,
        affiliate,
    })
}

/// What a row moved, or what there is.
fn parts(row: &AffiliateStatementRow) -> Vec<(Said<'static>, Money)> {
    let figures = [
        (say("Pending"), row.pending, row.pending_change),
        (say("Extended"), row.extended, row.extended_change),
        (say("Approved"), row.approved, row.approved_change),
        (say("Locked"), row.locked, row.locked_change),
        (say("Funded"), row.funded, row.funded_change),
        (say("In payout"), row.in_payout, row.in_payout_change),
        (say("Paid"), row.paid, row.paid_change),
        (say("Declined"), row.declined, row.declined_change),
        (say("Adjustments, not paid yet"), row.adjustments_free, row.adjustments_free_change),
        (
            say("Adjustments in a payout"),
            row.adjustments_in_payout,
            row.adjustments_in_payout_change,
        ),
        (say("Adjustments paid"), row.adjustments_paid, row.adjustments_paid_change),
        (say("Kept for later payouts"), row.carried_forward, row.carried_forward_change),
    ];
    let moves = row.row == RowType::Line;
    let shown = figures
        .into_iter()
        .map(|(name, balance, change)| (name, if moves { change } else { balance }));
    shown
        .filter(|(_, figure)| figure.units() != 0)
        .map(|(name, figure)| (name, Money::of(row.currency, figure)))
        .collect()
}
