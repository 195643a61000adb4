//! What affiliates ask.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::problem::Problem;
use super::report::{Asked, Question, Report, ReportQuery, Rows};
use super::statement::StatementQuery;
use crate::protocol::id::Id;
use crate::query::{
    self, AffiliateBalance, AffiliateStatementRow, Day, EarningsBy, EarningsOf, EarningsRow, PageOf,
};

/// Whose affiliate it is.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OfTenant {
    /// The tenant.
    pub tenant: Id,
}

/// By what earnings are told apart.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EarningsQuery {
    /// The tenant.
    tenant: Id,
    /// By time of the events, or by whom they concern.
    #[param(inline)]
    by: EarningsBy,
    /// The first day, in UTC; by time only, where it is needed.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Day>,
    /// The day that all are before, at most 3,660 days after the first.
    #[param(value_type = Option<String>, format = Date, example = "2026-12-01")]
    to: Option<Day>,
}

/// An affiliate's balances
///
/// By state, a row for each currency, now or as they were at any height.
#[utoipa::path(
    get, path = "/v1/affiliates/{affiliate}/balances", tag = "queries",
    params(("affiliate" = Id, Path, example = "aff-7", description = "The affiliate."), OfTenant, ReportQuery),
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

/// An affiliate's statement
///
/// What there was before a period, a line for each entry that moved it, and what there is at its
/// end; each line with the path of its receipt. The period is one of blocks, by when entries were
/// recorded: it never changes once it is over, and begins with what the one before ended with.
#[utoipa::path(
    get, path = "/v1/affiliates/{affiliate}/statement", tag = "queries",
    params(("affiliate" = Id, Path, example = "aff-7", description = "The affiliate."), StatementQuery, ReportQuery),
    responses((status = 200, description = "The statement.", body = Report<AffiliateStatementRow>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"row": "line", "currency": "EUR", "height": 17,
                "recorded_at": "2026-11-21T14:00:01.204Z", "index": 4711,
                "event_time": "2026-11-21T14:00:00Z", "kind": "commission",
                "external_id": "commission-1001",
                "entry": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "receipt": "/v1/entries/1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677/receipt",
                "pending_change": "12.00", "extended_change": "0.00", "approved_change": "0.00",
                "locked_change": "0.00", "funded_change": "0.00", "in_payout_change": "0.00",
                "paid_change": "0.00", "declined_change": "0.00",
                "adjustments_free_change": "0.00", "adjustments_in_payout_change": "0.00",
                "adjustments_paid_change": "0.00", "carried_forward_change": "0.00",
                "pending": "19.50", "extended": "0.00", "approved": "0.00", "locked": "0.00",
                "funded": "0.00", "in_payout": "0.00", "paid": "112.40", "declined": "0.00",
                "adjustments_free": "0.00", "adjustments_in_payout": "0.00",
                "adjustments_paid": "0.00", "carried_forward": "0.00"}]})))
)]
pub async fn get_affiliate_statement(
    State(shared): State<Shared>,
    Path(affiliate): Path<Id>,
    Asked { question, report }: Asked<StatementQuery>,
) -> Result<Response, Problem> {
    let asked = Question::new("affiliate statement", &(&affiliate, &question), report);
    let period = question.period()?;
    let rows = move |view: &_, at: &_, after, limit| {
        let of = (&question.tenant, &affiliate, question.currency);
        Ok(query::affiliate_statement(view, at, of, period, PageOf { after, limit })?.into())
    };
    asked.answer(&shared, rows).await
}

/// An affiliate's earnings
///
/// By day, week or month of the events, or by program or merchant over all time. Each amount counts
/// when it happened: what is taken back in April of a commission of March counts in April.
#[utoipa::path(
    get, path = "/v1/affiliates/{affiliate}/earnings", tag = "queries",
    params(("affiliate" = Id, Path, example = "aff-7", description = "The affiliate."), EarningsQuery, ReportQuery),
    responses((status = 200, description = "What was earned.", body = Report<EarningsRow>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"period": "2026-11", "from": "2026-11-01", "to": "2026-12-01", "merchant": null,
                "program": null, "currency": "EUR", "commissions": 12, "earned": "120.00",
                "imported": "0.00", "amended": "-1.50", "reopened": "0.00", "declined": "8.00",
                "reversed": "10.50", "credited": "2.00", "debited": "0.00", "net": "102.00"}]})))
)]
pub async fn get_affiliate_earnings(
    State(shared): State<Shared>,
    Path(affiliate): Path<Id>,
    Asked { question, report }: Asked<EarningsQuery>,
) -> Result<Response, Problem> {
    let asked = Question::new("affiliate earnings", &(&affiliate, &question), report);
    let rows = move |view: &_, at: &_, after, limit| {
        let EarningsQuery { tenant, by, from, to } = &question;
        let of = EarningsOf { tenant, affiliate: &affiliate, by: *by };
        Ok(query::earnings(view, at, of, (*from, *to), PageOf { after, limit })?.into())
    };
    asked.answer(&shared, rows).await
}
