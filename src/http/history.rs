//! Histories: of what an entry is about, and of orders.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::affiliates::OfTenant;
use super::entry_view::EntryName;
use super::problem::Problem;
use super::report::{Asked, Question, Report, ReportQuery, Rows};
use crate::protocol::entry::Kind;
use crate::protocol::id::Id;
use crate::query::{self, HistoryStep, Root};

/// Nothing of its own.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Which entry.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NamedEntry {
    /// Its tenant.
    tenant: Id,
    /// Its kind.
    kind: Kind,
    /// Its external id.
    #[param(example = "C-1001")]
    external_id: Id,
}

/// The history of what an entry is about
///
/// Of a commission: its transaction, its terms, itself, and every amendment, decision, reversal,
/// adjustment, inquiry, answer, funding and payout of it, in the order in which they were recorded,
/// with where it stood after each. An entry that does something to a commission leads to the
/// history of that; so do others to what they are about.
#[utoipa::path(
    get, path = "/v1/entries/{entry}/history", tag = "queries",
    params(("entry" = String, Path, example = "4711",
        description = "The entry's id, 64 hexadecimal digits, or its log index."), ReportQuery),
    responses((status = 200, description = "The steps.", body = Report<HistoryStep>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"index": 4712, "height": 17, "recorded_at": "2026-11-21T14:00:01.204Z",
                "event_time": "2026-11-21T14:00:00Z", "kind": "decision", "external_id": "D-1001",
                "entry": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "commission": "C-1001", "did": "approved", "currency": null, "amount": null,
                "reason": null, "state": "approved", "receipt": "/v1/entries/4712/receipt"}]})))
)]
pub async fn get_entry_history(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Asked { question: Nothing {}, report }: Asked<Nothing>,
) -> Result<Response, Problem> {
    let root = match EntryName::parse(&name)? {
        EntryName::Id(id) => Root::Id(id),
        EntryName::Index(index) => Root::Index(index),
    };
    answer(&shared, root, report).await
}

/// The history of what an entry is about, by its name
///
/// As under `/v1/entries/{entry}/history`, for whoever knows what the submitter called it.
#[utoipa::path(
    get, path = "/v1/history", tag = "queries", params(NamedEntry, ReportQuery),
    responses((status = 200, description = "The steps.", body = Report<HistoryStep>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [], "next": "b2Rk3m9vQ4kAAAAAAAASZwAAAAAAAAAR"})))
)]
pub async fn get_history(
    State(shared): State<Shared>,
    Asked { question, report }: Asked<NamedEntry>,
) -> Result<Response, Problem> {
    let NamedEntry { tenant, kind, external_id } = question;
    answer(&shared, Root::Named { tenant, kind, external_id }, report).await
}

/// The history of an order
///
/// Its transactions, their commissions, and everything that happened to those.
#[utoipa::path(
    get, path = "/v1/orders/{order_ref}", tag = "queries",
    params(("order_ref" = Id, Path, example = "order-1001",
        description = "The merchant's reference of the order."), OfTenant, ReportQuery),
    responses((status = 200, description = "The steps.", body = Report<HistoryStep>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"index": 4710, "height": 17, "recorded_at": "2026-11-21T14:00:01.204Z",
                "event_time": "2026-11-21T14:00:00Z", "kind": "transaction",
                "external_id": "T-1001",
                "entry": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "commission": null, "did": "stated", "currency": "EUR", "amount": "100.00",
                "reason": null, "state": null, "receipt": "/v1/entries/4710/receipt"}]})))
)]
pub async fn get_order(
    State(shared): State<Shared>,
    Path(order_ref): Path<Id>,
    Asked { question, report }: Asked<OfTenant>,
) -> Result<Response, Problem> {
    answer(&shared, Root::Order { tenant: question.tenant, order_ref }, report).await
}

async fn answer(shared: &Shared, root: Root, report: ReportQuery) -> Result<Response, Problem> {
    let asked = Question::new("history", &root, report);
    let rows = move |view: &_, at: &_, after, limit| {
        let (rows, next) = query::history(view, at, &root, after, limit)?;
        Ok(Rows { rows, next })
    };
    asked.answer(shared, rows).await
}
