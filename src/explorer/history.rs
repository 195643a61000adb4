//! The life of a commission, or of an order: every step, and where it stood after each.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor, repeated};
use super::lines::EntryLine;
use super::messages::filters;
use super::query::{ids, query, value};
use super::sentence::{AdjustmentStateName, PayoutStateName, StateName};
use super::standing::{BAR_UNITS, Standing};
use super::values::{Day, Exact, Money, Percent};
use crate::protocol::entry::{Effect, Kind};
use crate::protocol::id::Id;
use crate::protocol::rules::{AdjustmentState, CommissionState, PayoutState};
use crate::query::{self as questions, AsOf, HistoryStep, Root, When};

/// How many steps a page tells.
const STEPS_A_PAGE: usize = 50;

/// What a history can be asked for.
#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    /// After how many steps to go on.
    after: Option<String>,
}

/// A step, as the page tells it.
struct Step {
    line: EntryLine,
    happened: Exact,
    /// Where the commission stood then.
    state: Option<CommissionState>,
    /// Of an order, the commission that it was done to.
    commission: Option<Id>,
    amount: Option<Money>,
}

#[derive(Template)]
#[template(path = "commission.html")]
struct CommissionPage<'a> {
    frame: Frame<'a>,
    line: EntryLine,
    /// Where it stands, by the rules' own record.
    standing: Option<Standing>,
    state: Option<CommissionState>,
    order: Option<Id>,
    steps: Vec<Step>,
    newer: Option<String>,
    older: Option<String>,
    leaf: String,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    frame: Frame<'a>,
    tenant: Id,
    order: Id,
    /// Where each of its commissions stands.
    commissions: Vec<(Id, CommissionState)>,
    steps: Vec<Step>,
    newer: Option<String>,
    older: Option<String>,
}

/// `GET /commissions/{tenant}/{name}`
pub(super) async fn commission(
    visitor: Visitor,
    names: Result<Path<(String, String)>, PathRejection>,
    asked: Result<Query<HistoryQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let (Path((tenant, name)), Query(asked)) = (names?, asked?);
            let [tenant, name] = ids([&tenant, &name])?;
            let after = value("after", asked.after.as_deref())?;
            reader.page(&commission_page(reader, tenant, name, after)?)
        })
        .await
}

fn commission_page<'a>(
    reader: &Reader<'a>,
    tenant: Id,
    name: Id,
    after: Option<u64>,
) -> Result<CommissionPage<'a>, ExplorerError> {
    let unknown = || ExplorerError::NoSuchName { name: repeated(name.as_str()) };
    let stored = reader.view.named(&tenant, Kind::Commission, &name)?.ok_or_else(unknown)?;
    let found = reader.view.entry(stored.index)?.ok_or_else(unknown)?;
    let line = reader.entry_line(stored.index, &found)?;
    let standing = reader.standing(&found)?;
    let state = match &standing {
        Some(Standing::Commission(standing)) => Some(standing.state),
        _ => None,
    };
    let root = Root::Named { tenant, kind: Kind::Commission, external_id: name };
    let (steps, next) = steps(reader, &root, after)?;
    let order = line.sentence.order().cloned();
    Ok(CommissionPage {
        frame: reader.frame(Section::Entries),
        standing,
        state,
        order,
        steps,
        newer: after.map(|_| query(&[])),
        older: next.map(|next| query(&[("after", Some(next.to_string()))])),
        leaf: hex::encode(found.leaf()),
        line,
    })
}

/// `GET /orders/{tenant}/{order}`
pub(super) async fn order(
    visitor: Visitor,
    names: Result<Path<(String, String)>, PathRejection>,
    asked: Result<Query<HistoryQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let (Path((tenant, order)), Query(asked)) = (names?, asked?);
            let [tenant, order] = ids([&tenant, &order])?;
            let after = value("after", asked.after.as_deref())?;
            reader.page(&order_page(reader, tenant, order, after)?)
        })
        .await
}

fn order_page<'a>(
    reader: &Reader<'a>,
    tenant: Id,
    order: Id,
    after: Option<u64>,
) -> Result<OrderPage<'a>, ExplorerError> {
    let root = Root::Order { tenant: tenant.clone(), order_ref: order.clone() };
    let (steps, next) = steps(reader, &root, after)?;
    let names: BTreeSet<&Id> = steps.iter().filter_map(|step| step.commission.as_ref()).collect();
    let mut commissions = Vec::new();
    for name in names {
        let Some(stored) = reader.view.named(&tenant, Kind::Commission, name)? else { continue };
        let Some(found) = reader.view.entry(stored.index)? else { continue };
        if let Some(Standing::Commission(standing)) = reader.standing(&found)? {
            commissions.push((name.clone(), standing.state));
        }
    }
    Ok(OrderPage {
        frame: reader.frame(Section::Entries),
        tenant,
        order,
        commissions,
        steps,
        newer: after.map(|_| query(&[])),
        older: next.map(|next| query(&[("after", Some(next.to_string()))])),
    })
}

/// The steps of a history after so many, and after how many there are more.
fn steps(
    reader: &Reader<'_>,
    root: &Root,
    after: Option<u64>,
) -> Result<(Vec<Step>, Option<u64>), ExplorerError> {
    let at = AsOf::resolve(reader.view, When::Now)?;
    let (told, next) = questions::history(reader.view, &at, root, after, STEPS_A_PAGE)?;
    let steps = told.into_iter().map(|step| step_line(reader, step));
    Ok((steps.collect::<Result<_, ExplorerError>>()?, next))
}

fn step_line(reader: &Reader<'_>, step: HistoryStep) -> Result<Step, ExplorerError> {
    let unknown = || ExplorerError::NoSuchEntry { name: step.index.to_string() };
    let found = reader.view.entry(step.index)?.ok_or_else(unknown)?;
    Ok(Step {
        line: reader.entry_line(step.index, &found)?,
        happened: reader.moment(step.event_time).exact(),
        state: step.state,
        commission: step.commission,
        amount: step.currency.zip(step.amount).map(|(currency, sum)| Money::of(currency, sum)),
    })
}
