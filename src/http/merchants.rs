//! What merchants ask, and what is asked about them.

use axum::extract::{Path, State};
use axum::response::Response;

use super::Shared;
use super::affiliates::OfTenant;
use super::problem::Problem;
use super::report::{Asked, Question, Report, ReportQuery, Rows};
use super::statement::StatementQuery;
use crate::protocol::id::Id;
use crate::query::{
    self, AffiliateOfMerchant, MerchantLiabilities, MerchantStatementRow, PageOf, PerformanceRow,
};

/// A merchant's liabilities
///
/// Commissions and the network's fees by state, and what is prepaid; a row for each currency.
#[utoipa::path(
    get, path = "/v1/merchants/{merchant}/liabilities", tag = "queries",
    params(("merchant" = Id, Path, example = "shop", description = "The merchant."), OfTenant, ReportQuery),
    responses((status = 200, description = "The liabilities.", body = Report<MerchantLiabilities>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"currency": "EUR", "entries": 12, "pending": "7.50", "extended": "0.00",
                "approved": "12.00", "locked": "30.00", "funded": "9.00", "in_payout": "0.00",
                "paid": "112.40", "declined": "3.00", "fees_pending": "2.25",
                "fees_extended": "0.00", "fees_approved": "3.60", "fees_locked": "9.00",
                "fees_funded": "2.70", "fees_in_payout": "0.00", "fees_paid": "33.72",
                "fees_declined": "0.90", "fees_reversed": "0.00", "received": "150.00",
                "covered": "121.40", "prepaid": "28.60"}]})))
)]
pub async fn get_merchant_liabilities(
    State(shared): State<Shared>,
    Path(merchant): Path<Id>,
    Asked { question, report }: Asked<OfTenant>,
) -> Result<Response, Problem> {
    let asked = Question::new("merchant liabilities", &(&merchant, &question), report);
    let rows = move |view: &_, at: &_, _, _| {
        let rows = query::merchant_liabilities(view, at, &question.tenant, &merchant)?;
        Ok(Rows { rows, next: None })
    };
    asked.answer(&shared, rows).await
}

/// A merchant's statement
///
/// As an affiliate's: what there was before a period, a line for each entry that moved it, and what
/// there is at its end.
#[utoipa::path(
    get, path = "/v1/merchants/{merchant}/statement", tag = "queries",
    params(("merchant" = Id, Path, example = "shop", description = "The merchant."), StatementQuery, ReportQuery),
    responses((status = 200, description = "The statement.", body = Report<MerchantStatementRow>,
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
                "pending_change": "7.50", "extended_change": "0.00", "approved_change": "0.00",
                "locked_change": "0.00", "funded_change": "0.00", "in_payout_change": "0.00",
                "paid_change": "0.00", "declined_change": "0.00", "fees_pending_change": "2.25",
                "fees_extended_change": "0.00", "fees_approved_change": "0.00",
                "fees_locked_change": "0.00", "fees_funded_change": "0.00",
                "fees_in_payout_change": "0.00", "fees_paid_change": "0.00",
                "fees_declined_change": "0.00", "fees_reversed_change": "0.00",
                "received_change": "0.00", "covered_change": "0.00", "prepaid_change": "0.00",
                "pending": "7.50", "extended": "0.00", "approved": "12.00", "locked": "30.00",
                "funded": "9.00", "in_payout": "0.00", "paid": "112.40", "declined": "3.00",
                "fees_pending": "2.25", "fees_extended": "0.00", "fees_approved": "3.60",
                "fees_locked": "9.00", "fees_funded": "2.70", "fees_in_payout": "0.00",
                "fees_paid": "33.72", "fees_declined": "0.90", "fees_reversed": "0.00",
                "received": "150.00", "covered": "121.40", "prepaid": "28.60"}]})))
)]
pub async fn get_merchant_statement(
    State(shared): State<Shared>,
    Path(merchant): Path<Id>,
    Asked { question, report }: Asked<StatementQuery>,
) -> Result<Response, Problem> {
    let asked = Question::new("merchant statement", &(&merchant, &question), report);
    let period = question.period()?;
    let rows = move |view: &_, at: &_, after, limit| {
        let of = (&question.tenant, &merchant, question.currency);
        Ok(query::merchant_statement(view, at, of, period, PageOf { after, limit })?.into())
    };
    asked.answer(&shared, rows).await
}

/// A merchant's performance
///
/// What it does with commissions, measure by measure, beside what all merchants of the tenant do.
#[utoipa::path(
    get, path = "/v1/merchants/{merchant}/performance", tag = "queries",
    params(("merchant" = Id, Path, example = "shop", description = "The merchant."), OfTenant, ReportQuery),
    responses((status = 200, description = "The measures.", body = Report<PerformanceRow>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"currency": "EUR", "measure": "declined", "reason": "self_referral", "count": 3,
                "amount": "17.40", "count_ppm": 250_000, "amount_ppm": 100_000, "days": null,
                "network_count": 25, "network_amount": "140.00", "network_count_ppm": 50_000,
                "network_amount_ppm": 40_000, "network_days": null}]})))
)]
pub async fn get_merchant_performance(
    State(shared): State<Shared>,
    Path(merchant): Path<Id>,
    Asked { question, report }: Asked<OfTenant>,
) -> Result<Response, Problem> {
    let asked = Question::new("merchant performance", &(&merchant, &question), report);
    let rows = move |view: &_, at: &_, _, _| {
        let rows = query::merchant_performance(view, at, &question.tenant, &merchant)?;
        Ok(Rows { rows, next: None })
    };
    asked.answer(&shared, rows).await
}

/// A merchant's affiliates
///
/// What it owes each of them by program, and how much it declines and takes back of theirs: who is
/// treated unlike the others stands out.
#[utoipa::path(
    get, path = "/v1/merchants/{merchant}/affiliates", tag = "queries",
    params(("merchant" = Id, Path, example = "shop", description = "The merchant."), OfTenant, ReportQuery),
    responses((status = 200, description = "The affiliates.", body = Report<AffiliateOfMerchant>,
        example = json!({
            "as_of": {"height": 17, "time": "2026-11-21T14:00:01.204Z",
                "block": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "size": 4721, "indexed_height": 17},
            "rows": [{"affiliate": "aff-7", "program": "program", "currency": "EUR",
                "commissions": 12, "stated": "174.00", "deviations": 1, "declines": 3,
                "declines_amount": "17.40", "declines_ppm": 250_000,
                "declines_amount_ppm": 100_000, "reversals": 1, "reversals_amount": "8.70",
                "reversals_ppm": 83_333, "reversals_amount_ppm": 50_000, "pending": "7.50",
                "extended": "0.00", "approved": "12.00", "locked": "30.00", "funded": "9.00",
                "in_payout": "0.00", "paid": "112.40", "declined": "3.00"}]})))
)]
pub async fn list_merchant_affiliates(
    State(shared): State<Shared>,
    Path(merchant): Path<Id>,
    Asked { question, report }: Asked<OfTenant>,
) -> Result<Response, Problem> {
    let asked = Question::new("merchant affiliates", &(&merchant, &question), report);
    let rows = move |view: &_, at: &_, after, limit| {
        let page = query::merchant_affiliates(
            view,
            at,
            &question.tenant,
            &merchant,
            PageOf { after, limit },
        )?;
        Ok(page.into())
    };
    asked.answer(&shared, rows).await
}
