//! What is asked about programs: their terms, and what changed in them.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::affiliates::OfTenant;
use super::problem::Problem;
use super::report::{Asked, Question, Report, ReportQuery, Rows};
use crate::protocol::id::Id;
use crate::query::{self, ProgramName, TermsDifference, TermsVersion};

/// Which versions are compared.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ComparedVersions {
    /// The tenant.
    tenant: Id,
    /// The version that is `old`.
    #[param(example = 1)]
    from_version: u32,
    /// The version that is `new`.
    #[param(example = 2)]
    to_version: u32,
}

/// All versions of a program's terms
///
/// From when each holds and until when, and whether it reaches back to before it was recorded.
#[utoipa::path(
    get, path = "/v1/programs/{merchant}/{program}/terms", tag = "queries",
    params(("merchant" = Id, Path, example = "shop", description = "The merchant."),
        ("program" = Id, Path, example = "main", description = "The merchant's program."),
        OfTenant, ReportQuery),
    responses((status = 200, description = "The versions.", body = Report<TermsVersion>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"version": 1, "external_id": "shop-main-1",
                "effective_from": "2026-01-01T00:00:00Z", "effective_until": null,
                "superseded_from": null, "superseded_by": null, "withdrawn": false,
                "reaches_back": true, "recorded_at": "2026-11-21T14:00:01.204Z", "index": 1,
                "height": 1,
                "entry": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "receipt": "/v1/entries/1/receipt"}]})))
)]
pub async fn list_terms(
    State(shared): State<Shared>,
    Path((merchant, program)): Path<(Id, Id)>,
    Asked { question, report }: Asked<OfTenant>,
) -> Result<Response, Problem> {
    let of = ProgramName { tenant: question.tenant, merchant, program };
    let asked = Question::new("terms", &of, report);
    let rows = move |view: &_, at: &_, after, limit| {
        // One more, to know whether there are more.
        let mut rows = query::terms_versions(view, at, &of, after, limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|one| u64::from(one.version));
        Ok(Rows { rows, next: last.filter(|_| more) })
    };
    asked.answer(&shared, rows).await
}

/// What changed in a program's terms
///
/// The fields in which one version differs from another, with what each says.
#[utoipa::path(
    get, path = "/v1/programs/{merchant}/{program}/terms/differences", tag = "queries",
    params(("merchant" = Id, Path, example = "shop", description = "The merchant."),
        ("program" = Id, Path, example = "main", description = "The merchant's program."),
        ComparedVersions, ReportQuery),
    responses((status = 200, description = "The fields.", body = Report<TermsDifference>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"field": "rules[0].reward.ppm", "old": "50000", "new": "75000"}]})))
)]
pub async fn compare_terms(
    State(shared): State<Shared>,
    Path((merchant, program)): Path<(Id, Id)>,
    Asked { question, report }: Asked<ComparedVersions>,
) -> Result<Response, Problem> {
    let ComparedVersions { tenant, from_version, to_version } = question;
    let (of, versions) = (ProgramName { tenant, merchant, program }, (from_version, to_version));
    let asked = Question::new("terms differences", &(&of, versions), report);
    let rows = move |view: &_, at: &_, after: Option<u64>, limit| {
        let all = query::terms_differences(view, at, &of, versions)?;
        let from = usize::try_from(after.unwrap_or(0)).unwrap_or(usize::MAX);
        let end = from.saturating_add(limit);
        let next = (all.len() > end).then_some(end as u64);
        Ok(Rows { rows: all.into_iter().skip(from).take(limit).collect(), next })
    };
    asked.answer(&shared, rows).await
}
