//! Reading blocks.

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::{Parameters, parse_number};
use super::paging::{Query, page_limit};
use super::problem::{Problem, ProblemType};
use crate::protocol::block::{EncodedEntry, Header};
use crate::protocol::entry::Kind;
use crate::protocol::hash::{EntryId, HeaderHash};
use crate::protocol::id::Id;
use crate::protocol::time::Timestamp;
use crate::store::{StoreError, View};

/// The most blocks of a page.
pub const MAX_PAGE_BLOCKS: u16 = 500;
/// The blocks of a page where no limit is asked for.
const DEFAULT_PAGE_BLOCKS: u16 = 50;
/// The most entries that are named in a page of a block.
pub const MAX_PAGE_BLOCK_ENTRIES: u16 = 1000;
/// The entries in a page of a block where no limit is asked for.
const DEFAULT_PAGE_BLOCK_ENTRIES: u16 = 100;

/// A block in a list.
#[derive(Serialize, ToSchema)]
pub struct BlockSummary {
    /// How many blocks stand before it.
    height: u64,
    /// The hash of its header.
    hash: HeaderHash,
    /// When it was sealed.
    time: Timestamp,
    /// The log index of its first entry.
    first_index: u64,
    /// How many entries it has.
    entry_count: u32,
    /// The size of the log that ends with it.
    log_size: u64,
}

impl From<&Header> for BlockSummary {
    fn from(header: &Header) -> Self {
        Self {
            height: header.height,
            hash: header.hash(),
            time: header.time,
            first_index: header.first_index,
            entry_count: header.entry_count,
            log_size: header.log_size(),
        }
    }
}

/// A page of blocks.
#[derive(Serialize, ToSchema)]
pub struct BlockPage {
    /// The blocks, the newest first.
    blocks: Vec<BlockSummary>,
    /// The cursor of the next page; absent at the end.
    next: Option<String>,
}

/// A block.
#[derive(Serialize, ToSchema)]
pub struct BlockView {
    /// The hash of its header.
    hash: HeaderHash,
    /// What closes it.
    header: Header,
    /// The log index of the header itself.
    header_index: u64,
    /// The size of the log that ends with it.
    log_size: u64,
    /// The authority's signature on its checkpoint, in base64. Genesis has none: it follows from
    /// the chain spec.
    signature: Option<String>,
    /// Its signed checkpoint (C2SP `tlog-checkpoint`).
    checkpoint: Option<String>,
    /// A page of its entries, in order.
    entries: Vec<EntryInBlock>,
    /// The cursor of the next page of entries; absent at the end.
    next: Option<String>,
}

/// An entry in a block.
#[derive(Serialize, ToSchema)]
struct EntryInBlock {
    /// Its log index.
    index: u64,
    /// Its identity.
    id: EntryId,
    /// Whose it is.
    tenant: Id,
    /// What kind of fact it is.
    kind: Kind,
    /// The submitter's name for it.
    external_id: Id,
}

/// How many, and from where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many at most.
    #[param(minimum = 1)]
    limit: Option<u16>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Lists blocks, the newest first
///
/// A page has at most 500. The last block of the last page is genesis.
#[utoipa::path(
    get, path = "/v1/blocks", tag = "blocks", params(PageQuery),
    responses((status = 200, description = "The blocks.", body = BlockPage,
        example = json!({
            "blocks": [{
                "height": 17, "time": "2026-11-21T14:00:01.204Z", "first_index": 4700,
                "hash": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "entry_count": 20, "log_size": 4721}],
            "next": "b2Rk3m9vQ4kAAAAAAAAAEQ"})))
)]
pub async fn list_blocks(
    State(shared): State<Shared>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<BlockPage>, Problem> {
    let limit = page_limit(query.limit, DEFAULT_PAGE_BLOCKS, MAX_PAGE_BLOCKS)?;
    let identity = Query::new("blocks", &());
    let before = identity.position(query.cursor.as_deref())?;
    let read = move |view: &View| {
        let end = view.head().height().saturating_add(1);
        let end = before.map_or(end, |before| before.min(end));
        let first = end.saturating_sub(limit as u64);
        let mut blocks = Vec::with_capacity(limit);
        for height in (first..end).rev() {
            blocks.extend(view.header(height)?.map(|stored| BlockSummary::from(&stored.header)));
        }
        let next = (first > 0).then(|| identity.cursor(first));
        Ok::<_, StoreError>(BlockPage { blocks, next })
    };
    Ok(Json(shared.read(read).await?))
}

/// One block
///
/// By its height or by the hash of its header: the header, the authority's signature, and a page
/// of its entries, at most 1000.
#[utoipa::path(
    get, path = "/v1/blocks/{block}", tag = "blocks",
    params(PageQuery, ("block" = String, Path, example = "17",
        description = "The block's height, or the hash of its header, 64 hexadecimal digits.")),
    responses((status = 200, description = "The block.", body = BlockView,
        example = json!({
            "hash": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "header": {
                "format_version": 1, "rules_version": 1,
                "chain_id": "0f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "height": 17,
                "parent": "2e6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "time": "2026-11-21T14:00:01.204Z", "first_index": 4700, "entry_count": 1,
                "log_root": "3f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "accounts_root":
                    "4f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "authority":
                    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
            "header_index": 4701, "log_size": 4702, "signature": "q6urq6urq6urq6urq6urqw==",
            "checkpoint": "ledger.example/acme\n4702\n…\n\n— ledger.example/acme …\n",
            "entries": [{"index": 4700, "tenant": "acme", "kind": "commission",
                "id": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "external_id": "C-1001"}],
            "next": null})))
)]
pub async fn get_block(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<BlockView>, Problem> {
    let name = BlockName::parse(&name)?;
    let limit = page_limit(query.limit, DEFAULT_PAGE_BLOCK_ENTRIES, MAX_PAGE_BLOCK_ENTRIES)? as u64;
    let read = move |view: &View| {
        let height = name.height(view)?;
        let identity = Query::new("block", &height);
        let after = identity.position(query.cursor.as_deref())?;
        block_view(view, height, after, limit, &identity).map(Json)
    };
    shared.read(read).await
}

fn block_view(
    view: &View,
    height: u64,
    after: Option<u64>,
    limit: u64,
    identity: &Query,
) -> Result<BlockView, Problem> {
    let missing = || Problem::internal(&format!("no header at height {height}"));
    let stored = view.header(height)?.ok_or_else(missing)?;
    let (checkpoint, _) = view.checkpoint(height)?.ok_or_else(missing)?;
    let header = stored.header;
    let first = after.map_or(header.first_index, |after| after.saturating_add(1));
    let first = first.clamp(header.first_index, header.index());
    let end = first.saturating_add(limit).min(header.index());
    let mut entries = Vec::new();
    for (index, leaf) in (first..end).zip(view.leaves(first, end)?) {
        entries.push(entry_in_block(index, leaf)?);
    }
    Ok(BlockView {
        hash: header.hash(),
        header_index: header.index(),
        log_size: header.log_size(),
        signature: stored.signature.map(|signature| BASE64_STANDARD.encode(signature.0)),
        checkpoint: stored
            .signature
            .map(|signature| checkpoint.to_note(&header.authority, &signature)),
        entries,
        next: (end < header.index()).then(|| identity.cursor(end.saturating_sub(1))),
        header,
    })
}

fn entry_in_block(index: u64, leaf: Vec<u8>) -> Result<EntryInBlock, StoreError> {
    let encoded = EncodedEntry::decode(leaf).map_err(|error| StoreError::Damaged {
        place: format!("index {index}"),
        problem: error.to_string(),
    })?;
    let entry = encoded.entry();
    Ok(EntryInBlock {
        index,
        id: encoded.id(),
        tenant: entry.tenant.clone(),
        kind: entry.kind(),
        external_id: entry.external_id.clone(),
    })
}

/// How a path names a block.
enum BlockName {
    Height(u64),
    Hash(HeaderHash),
}

impl BlockName {
    fn parse(text: &str) -> Result<Self, Problem> {
        let hash = text.parse().map(Self::Hash).ok();
        hash.or_else(|| parse_number(text).map(Self::Height)).ok_or_else(|| {
            let detail = "a block is named by its height, or by the hash of its header, 64 lower-case hexadecimal digits";
            Problem::new(ProblemType::BadParameter, detail).at("block")
        })
    }

    fn height(&self, view: &View) -> Result<u64, Problem> {
        let missing = |detail| Problem::new(ProblemType::NotFound, detail);
        match self {
            Self::Height(height) if *height > view.head().height() => {
                let head = view.head().height();
                Err(missing(format!("the last block is at height {head}")))
            }
            Self::Height(height) => Ok(*height),
            Self::Hash(hash) => view
                .height_of_hash(hash)?
                .ok_or_else(|| missing("no block on the ledger has this hash".to_owned())),
        }
    }
}
