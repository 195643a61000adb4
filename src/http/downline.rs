//! Who stands below an affiliate.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::problem::{Problem, ProblemType};
use super::report::{Asked, Question, Report, ReportQuery, Rows};
use crate::protocol::id::Id;
use crate::query::{self, Downline, DownlineMember, MAX_DEPTH};

/// How many levels are shown where nothing else is asked for.
const DEFAULT_DEPTH: u8 = 10;

/// Whose downline, and how far down.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DownlineQuery {
    /// The tenant.
    tenant: Id,
    /// How many levels.
    #[param(minimum = 1, maximum = 64, default = 10)]
    depth: Option<u8>,
}

/// An affiliate's downline
///
/// Everybody who stands below, each before those below it, with what each has in each currency. The
/// rows of one affiliate stay together, so a page may be a little longer or shorter than its limit.
#[utoipa::path(
    get, path = "/v1/affiliates/{affiliate}/downline", tag = "queries",
    params(("affiliate" = Id, Path, example = "aff-7", description = "The affiliate."),
        DownlineQuery, ReportQuery),
    responses((status = 200, description = "The tree.", body = Report<DownlineMember>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"affiliate": "aff-9", "upline": "aff-7", "level": 1,
                "since": "2026-01-01T00:00:00Z", "currency": "EUR", "commissions": 12,
                "stated": "120.00", "earned": "90.00", "paid": "60.00", "index": 7,
                "receipt": "/v1/entries/7/receipt"}]})))
)]
pub async fn get_downline(
    State(shared): State<Shared>,
    Path(affiliate): Path<Id>,
    Asked { question, report }: Asked<DownlineQuery>,
) -> Result<Response, Problem> {
    let depth = question.depth.unwrap_or(DEFAULT_DEPTH);
    if !(1..=MAX_DEPTH).contains(&depth) {
        let detail = format!("depth: must be from 1 to {MAX_DEPTH}, is {depth}");
        return Err(Problem::new(ProblemType::BadParameter, detail).at("depth"));
    }
    let of = Downline { tenant: question.tenant, affiliate, depth };
    let asked = Question::new("downline", &of, report);
    let rows = move |view: &_, at: &_, after, limit| {
        let (rows, next) = query::downline(view, at, &of, after, limit)?;
        Ok(Rows { rows, next })
    };
    asked.answer(&shared, rows).await
}
