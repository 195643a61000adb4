//! What is asked about everything.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::problem::Problem;
use super::report::{Asked, Question, Report, ReportQuery};
use crate::protocol::id::Id;
use crate::query::{self, Day, PageOf, Span, TotalsBy, TotalsRow};

/// Which totals.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TotalsQuery {
    /// The tenant.
    tenant: Id,
    /// How long the periods are.
    #[serde(default)]
    #[param(inline)]
    by: TotalsBy,
    /// The first day, in UTC.
    #[param(value_type = String, format = Date, example = "2026-11-01")]
    from: Day,
    /// The day that all are before, at most 3,660 days after the first.
    #[param(value_type = String, format = Date, example = "2026-12-01")]
    to: Day,
}

/// Totals
///
/// How many entries of each kind there were by the day or month of their events, and what they come
/// to by their own word; those that say no amount have a row without currency.
#[utoipa::path(
    get, path = "/v1/totals", tag = "queries",
    params(TotalsQuery, ReportQuery),
    responses((status = 200, description = "The totals.", body = Report<TotalsRow>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"period": "2026-11-21", "from": "2026-11-21", "to": "2026-11-22",
                "kind": "transaction", "currency": "EUR", "count": 12, "amount": "1234.50"}]})))
)]
pub async fn get_totals(
    State(shared): State<Shared>,
    Asked { question, report }: Asked<TotalsQuery>,
) -> Result<Response, Problem> {
    let asked = Question::new("totals", &question, report);
    let span = Span::new(question.from, question.to)?;
    let rows = move |view: &_, at: &_, after, limit| {
        let of = (question.by, span);
        Ok(query::totals(view, at, &question.tenant, of, PageOf { after, limit })?.into())
    };
    asked.answer(&shared, rows).await
}
