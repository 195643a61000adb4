//! Reading entries: one, its receipt, its bytes, and lists of them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::entry_view::{EntryName, EntryView, views};
use super::extract::Parameters;
use super::log::IMMUTABLE;
use super::paging::{Query, page_limit};
use super::problem::Problem;
use super::standing::Detail;
use crate::protocol::entry::{Kind, ReferenceKind};
use crate::protocol::id::Id;
use crate::protocol::time::Timestamp;
use crate::store::{Direction, EntryHit, Filter, StoreError, View};

/// The most entries of a page.
pub const MAX_PAGE_ENTRIES: u16 = 500;
/// The entries of a page where no limit is asked for.
const DEFAULT_PAGE_ENTRIES: u16 = 100;
/// The bytes of leaves after which a page ends early.
const MAX_PAGE_LEAF_BYTES: usize = 1024 * 1024;

/// A page of entries.
#[derive(Serialize, ToSchema)]
pub struct EntryPage {
    /// The entries. May be fewer than asked for, even none, while there are more.
    entries: Vec<EntryView>,
    /// The cursor of the next page; absent at the end.
    next: Option<String>,
}

/// Which entries, and how many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Of this tenant.
    tenant: Option<Id>,
    /// Of this kind.
    kind: Option<Kind>,
    /// That concern this affiliate, by their own word or their parents'.
    affiliate: Option<Id>,
    /// That concern this merchant, by their own word or their parents'.
    merchant: Option<Id>,
    /// With this external id.
    external_id: Option<Id>,
    /// Of this order.
    order_ref: Option<Id>,
    /// By this affiliate link.
    link_ref: Option<Id>,
    /// Of this campaign.
    campaign_ref: Option<Id>,
    /// Of this click.
    click_ref: Option<Id>,
    /// With this voucher.
    voucher: Option<Id>,
    /// Of this payment, by a merchant or to an affiliate.
    payment_ref: Option<Id>,
    /// That happened at this time or later.
    from: Option<Timestamp>,
    /// That happened before this time.
    to: Option<Timestamp>,
    /// The oldest recorded first, or the newest.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u16>,
    /// The `next` of the page before, with the same query.
    cursor: Option<String>,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// The oldest recorded first. New entries come at the end: a reader that goes on sees each
    /// once.
    #[default]
    Oldest,
    /// The newest recorded first.
    Newest,
}

/// Finds entries
///
/// By everything that is given, in the order in which they were recorded. The list goes on with
/// `cursor` while `next` is there; it yields each entry once, also while new ones are sealed.
#[utoipa::path(
    get, path = "/v1/entries", tag = "entries", params(ListQuery),
    responses((status = 200, description = "The entries that fit.", body = EntryPage,
        example = json!({"entries": [], "next": "b2Rk3m9vQ4kAAAAAAAASZw"})))
)]
pub async fn list_entries(
    State(shared): State<Shared>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<EntryPage>, Problem> {
    let limit = page_limit(query.limit, DEFAULT_PAGE_ENTRIES, MAX_PAGE_ENTRIES)?;
    let direction = match query.order {
        Order::Oldest => Direction::OldestFirst,
        Order::Newest => Direction::NewestFirst,
    };
    let references = [
        (ReferenceKind::Click, query.click_ref),
        (ReferenceKind::Order, query.order_ref),
        (ReferenceKind::Payment, query.payment_ref),
        (ReferenceKind::Voucher, query.voucher),
        (ReferenceKind::Link, query.link_ref),
        (ReferenceKind::Campaign, query.campaign_ref),
    ];
    let references =
        references.into_iter().filter_map(|(kind, name)| name.map(|name| (kind, name)));
    let filter = Filter {
        tenant: query.tenant,
        kind: query.kind,
        affiliate: query.affiliate,
        merchant: query.merchant,
        external_id: query.external_id,
        references: references.collect(),
        from: query.from,
        to: query.to,
    };
    let identity = Query::new("entries", &(&filter, direction));
    let after = identity.position(query.cursor.as_deref())?;
    let read = move |view: &View| {
        let mut page = view.search(&filter, direction, after, limit)?;
        shorten(&mut page.hits, &mut page.next);
        let entries = views(view, &page.hits, Detail::InList)?;
        Ok::<_, StoreError>(EntryPage { entries, next: page.next.map(|at| identity.cursor(at)) })
    };
    Ok(Json(shared.read(read).await?))
}

/// Ends a page early where its entries are long.
fn shorten(hits: &mut Vec<EntryHit>, next: &mut Option<u64>) {
    let mut bytes = 0;
    let fit = hits.iter().take_while(|hit| {
        let before = bytes;
        bytes += hit.entry.leaf().len();
        before < MAX_PAGE_LEAF_BYTES
    });
    let fit = fit.count();
    if fit < hits.len() {
        hits.truncate(fit);
        *next = hits.last().map(|hit| hit.index);
    }
}

/// One entry
///
/// By its id or by its log index, with where it stands now: a commission, an adjustment or a
/// payout with its state, a transaction with what was refunded of it, and so on.
#[utoipa::path(
    get, path = "/v1/entries/{entry}", tag = "entries",
    params(("entry" = String, Path, example = "4711",
        description = "The entry's id, 64 hexadecimal digits, or its log index.")),
    responses((status = 200, description = "The entry.", body = EntryView,
        example = json!({
            "id": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "index": 4711, "height": 17, "recorded_at": "2026-11-21T14:00:01.204Z",
            "leaf_hash": "3f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "entry": {
                "tenant": "acme", "kind": "commission", "external_id": "C-1001",
                "event_time": "2026-11-21T14:00:00Z",
                "body": {"transaction": "T-1001", "terms": "shop-main-1", "rule": 1,
                    "affiliate": "aff-7", "role": {"type": "direct", "share_ppm": 1_000_000},
                    "currency": "EUR", "amount": "7.50", "fee": "2.25",
                    "locking_date": "2026-12-21T14:00:00Z"}},
            "commission": {"state": "approved", "affiliate": "aff-7", "merchant": "shop",
                "currency": "EUR", "amount": "7.50", "left": "5.00", "reversed": "2.50",
                "funded": "0.00", "fee": "2.25", "credited": "0.00", "debited": "0.00",
                "locks_at": "2026-12-21T14:00:00Z", "extended": false, "amended": false,
                "imported": false},
            "links": {"self": "/v1/entries/4711", "receipt": "/v1/entries/4711/receipt",
                "leaf": "/v1/entries/4711/leaf", "block": "/v1/blocks/17"}})))
)]
pub async fn get_entry(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<EntryView>, Problem> {
    let name = EntryName::parse(&name)?;
    let read = move |view: &View| {
        let hit = name.find(view)?;
        let entry = views(view, &[hit], Detail::Whole)?.pop().expect("a view of each");
        Ok::<_, Problem>(Json(entry))
    };
    shared.read(read).await
}

/// The receipt of an entry
///
/// One file that proves, to somebody who has the chain spec and nothing else, that the entry is
/// on the ledger, in which block, and unchanged. It never changes: keep it.
#[utoipa::path(
    get, path = "/v1/entries/{entry}/receipt", tag = "entries",
    params(("entry" = String, Path, example = "4711",
        description = "The entry's id, 64 hexadecimal digits, or its log index.")),
    responses((status = 200, description = "The receipt.",
        body = crate::protocol::receipt::Receipt,
        example = json!({
            "format": "counterfoil-receipt-v1",
            "chain_id": "0f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "entry_id": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "entry": {"index": 4711, "leaf": "AQRhY21l", "proof": ["q6urq6urq6urq6urq6urqw=="]},
            "header": {"index": 4720, "leaf": "AAEB", "proof": ["q6urq6urq6urq6urq6urqw=="]},
            "checkpoint": "ledger.example/acme\n4721\n…\n\n— ledger.example/acme …\n"})))
)]
pub async fn get_receipt(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let name = EntryName::parse(&name)?;
    let read = move |view: &View| {
        let hit = name.find(view)?;
        let receipt = view.receipt(hit.index)?;
        let receipt = receipt.ok_or_else(|| Problem::internal(&"an entry without a receipt"))?;
        let file = format!("{}.receipt.json", hit.entry.id());
        Ok::<_, Problem>(immutable("application/json", &file, receipt.to_text().into_bytes()))
    };
    shared.read(read).await
}

/// The leaf of an entry
///
/// The bytes that the log's tree is made of: the kind of leaf, then the entry's canonical bytes.
#[utoipa::path(
    get, path = "/v1/entries/{entry}/leaf", tag = "entries",
    params(("entry" = String, Path, example = "4711",
        description = "The entry's id, 64 hexadecimal digits, or its log index.")),
    responses((status = 200, description = "The leaf.", body = Vec<u8>,
        content_type = "application/octet-stream", example = json!("\u{1}\u{4}acme…")))
)]
pub async fn get_leaf(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let name = EntryName::parse(&name)?;
    let read = move |view: &View| {
        let hit = name.find(view)?;
        let file = format!("{}.leaf", hit.entry.id());
        let leaf = hit.entry.leaf().to_vec();
        Ok::<_, Problem>(immutable("application/octet-stream", &file, leaf))
    };
    shared.read(read).await
}

/// Something that never changes, to be kept as `file`.
fn immutable(content_type: &'static str, file: &str, body: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{file}\"");
    let disposition = HeaderValue::from_str(&disposition).expect("an entry's id and an ending");
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, IMMUTABLE),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, body).into_response()
}
