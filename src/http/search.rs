//! Search: what somebody may mean by a word.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::problem::{Problem, ProblemType};
use super::report::{Asked, Question, Report, ReportQuery, Rows};
use crate::protocol::id::{Id, MAX_ID_BYTES};
use crate::query::{self, Found};

/// What is searched for.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// A word: a name or how one begins, an id, a number, a hash, a date.
    #[param(example = "aff-7")]
    q: String,
    /// Of this tenant.
    tenant: Option<Id>,
}

/// Search
///
/// Finds an entry by its id, external id or log index; a block by its height or hash; an order,
/// link, campaign, click, voucher or payment by its reference; an affiliate, a merchant, a program;
/// a day (`2026-11-21`). Tenants, affiliates, merchants, programs, campaigns, links and vouchers are
/// found by how their names begin, too. At most 100 are found, exact matches first; there is no
/// second page.
#[utoipa::path(
    get, path = "/v1/search", tag = "queries", params(SearchQuery, ReportQuery),
    responses((status = 200, description = "What may be meant.", body = Report<Found>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"type": "affiliate", "exact": true, "tenant": "acme", "name": "aff-7",
                "merchant": null, "entry_kind": null, "index": 4711, "height": null,
                "last_height": null, "link": "/v1/entries?tenant=acme&affiliate=aff-7",
                "receipt": "/v1/entries/4711/receipt"}]})))
)]
pub async fn search(
    State(shared): State<Shared>,
    Asked { question, report }: Asked<SearchQuery>,
) -> Result<Response, Problem> {
    if question.q.len() > MAX_ID_BYTES {
        let detail = format!("q: nothing has a name of more than {MAX_ID_BYTES} characters");
        return Err(Problem::new(ProblemType::BadParameter, detail).at("q"));
    }
    let asked = Question::new("search", &question, report);
    let rows = move |view: &_, at: &_, _, limit| {
        let rows = query::search(view, at, &question.q, question.tenant.as_ref(), limit)?;
        Ok(Rows { rows, next: None })
    };
    asked.answer(&shared, rows).await
}
