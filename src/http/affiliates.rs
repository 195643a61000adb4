//! What affiliates ask.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::problem::Problem;
use super::report::{Asked, Question, Report, ReportQuery, Rows};
use crate::protocol::id::Id;
use crate::query::{self, AffiliateBalance};

/// Whose affiliate it is.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OfTenant {
    /// The tenant.
    pub tenant: Id,
}

/// An affiliate's balances
///
/// By state, a row for each currency, now or as they were at any height.
#[utoipa::path(
    get, path = "/v1/affiliates/{affiliate}/balances", tag = "queries",
    params(("affiliate" = Id, Path, example = "aff-7"), OfTenant, ReportQuery),
    responses((status = 200, description = "The balances.", body = Report<AffiliateBalance>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"currency": "EUR", "entries": 12, "pending": "7.50", "extended": "0.00",
                "approved": "12.00", "locked": "30.00", "funded": "9.00", "in_payout": "0.00",
                "paid": "112.40", "declined": "3.00", "adjustments_free": "-2.00",
                "adjustments_in_payout": "0.00", "adjustments_paid": "1.50",
                "carried_forward": "0.00"}]})))
)]
pub async fn get_affiliate_balances(
    State(shared): State<Shared>,
    Path(affiliate): Path<Id>,
    Asked { question, report }: Asked<OfTenant>,
) -> Result<Response, Problem> {
    let asked = Question::new("affiliate balances", &(&affiliate, &question), report);
    let rows = move |view: &_, at: &_, _, _| {
        let rows = query::affiliate_balances(view, at, &question.tenant, &affiliate)?;
        Ok(Rows { rows, next: None })
    };
    asked.answer(&shared, rows).await
}
