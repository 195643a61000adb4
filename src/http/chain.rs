//! What chain this is, and where it stands.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::ledger::Health;
use crate::protocol::checkpoint::vkey;
use crate::protocol::hash::{ChainId, EntryId, HeaderHash, TreeHash};
use crate::protocol::key::PublicKey;
use crate::protocol::money::Currency;
use crate::protocol::spec::{FORMAT_VERSION, MAX_LEAF_BYTES};
use crate::protocol::time::Timestamp;

/// The chain.
#[derive(Serialize, ToSchema)]
pub struct ChainView {
    /// What people call the ledger.
    name: String,
    /// The identity of the chain: the digest of its genesis parameters.
    chain_id: ChainId,
    /// The origin of its checkpoints.
    origin: String,
    /// The verifier key of its checkpoints (C2SP `signed-note`). Take it from the chain spec, or
    /// compare it with that: a node could tell you any key.
    vkey: String,
    /// The key that seals blocks.
    authority: PublicKey,
    /// The time of the genesis block.
    genesis_time: Timestamp,
    /// The version of the format.
    format_version: u16,
    /// The version of the rules.
    rules_version: u16,
    /// Each currency and its decimals on the ledger.
    #[schema(value_type = BTreeMap<String, u8>)]
    currencies: BTreeMap<Currency, u8>,
    /// Bounds of blocks and entries.
    limits: LimitsView,
    /// The last block.
    head: HeadView,
    /// What the next change of the spec must say of those before it.
    next_change: NextChangeView,
    /// What this node does: `sealing`, `serving`, `standing-by` with a key that isn't the
    /// authority's, `recovering` after a failed write, or `halted` where it can't seal.
    #[schema(example = "sealing")]
    role: &'static str,
}

/// Bounds of blocks and entries.
#[derive(Serialize, ToSchema)]
struct LimitsView {
    /// The most entries of a block.
    block_entries: u32,
    /// The most bytes of a block's entry leaves.
    block_bytes: u32,
    /// The most bytes of a leaf.
    leaf_bytes: usize,
    /// How far an event may lie ahead of its block's time, in milliseconds.
    event_ahead_ms: u64,
}

/// What the next change of the spec must say of those before it.
#[derive(Serialize, ToSchema)]
struct NextChangeView {
    /// Its number.
    number: u32,
    /// The id of the change before it, if there is one.
    previous: Option<EntryId>,
}

/// The last block.
#[derive(Serialize, ToSchema)]
struct HeadView {
    /// Its height.
    height: u64,
    /// The hash of its header.
    hash: HeaderHash,
    /// The size of the log that ends with it.
    size: u64,
    /// The root of the log's tree at that size.
    root: TreeHash,
    /// When it was sealed.
    time: Timestamp,
}

/// Which chain this is, and where it stands
///
/// Its identity, its key, its currencies and limits, and the last block.
#[utoipa::path(
    get, path = "/v1/chain", tag = "chain",
    responses((status = 200, description = "The chain and its head.", body = ChainView,
        example = json!({
            "name": "Acme affiliate ledger",
            "chain_id": "0f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "origin": "ledger.example/acme",
            "vkey": "ledger.example/acme+33d7b496+AZw5qYb…",
            "authority": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "genesis_time": "2026-11-21T00:00:00Z", "format_version": 1, "rules_version": 1,
            "currencies": {"EUR": 2, "JPY": 0},
            "limits": {"block_entries": 10000, "block_bytes": 4_194_304, "leaf_bytes": 65535,
                "event_ahead_ms": 300_000},
            "head": {"height": 17, "size": 4721, "time": "2026-11-21T14:00:01.204Z",
                "hash": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "root": "3f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677"},
            "next_change": {"number": 1, "previous": null},
            "role": "sealing"})))
)]
pub async fn get_chain(State(shared): State<Shared>) -> Json<ChainView> {
    let ledger = &shared.api.ledger;
    let (chain, head) = (ledger.chain(), ledger.head());
    let spec = head.tip.spec();
    Json(ChainView {
        name: spec.name.clone(),
        chain_id: chain.id(),
        origin: spec.origin.clone(),
        vkey: vkey(&spec.origin, &spec.authority()),
        authority: spec.authority(),
        genesis_time: spec.genesis_time,
        format_version: FORMAT_VERSION,
        rules_version: spec.rules_version,
        currencies: spec.currencies.iter().collect(),
        limits: LimitsView {
            block_entries: spec.limits.block_entries,
            block_bytes: spec.limits.block_bytes,
            leaf_bytes: MAX_LEAF_BYTES,
            event_ahead_ms: spec.limits.event_ahead_ms,
        },
        head: HeadView {
            height: head.height(),
            hash: head.tip.header_hash,
            size: head.size(),
            root: head.tip.tree.root(),
            time: head.header.time,
        },
        next_change: NextChangeView {
            number: head.tip.succession.next_number(),
            previous: head.tip.succession.last_change(),
        },
        role: match ledger.health() {
            Health::Sealing => "sealing",
            Health::NoKey => "serving",
            Health::NotAuthority { .. } => "standing-by",
            Health::Recovering(_) => "recovering",
            Health::Standing(_) | Health::Accused(_) | Health::Held(_) | Health::Failed => "halted",
        },
    })
}

/// The chain spec
///
/// The one that the chain began with, as this node has it, in TOML. Changes of it are on the ledger
/// (`/v1/entries?kind=spec_change`); what is in force now, `/v1/chain` tells. What you verify with must come from somewhere that you trust;
/// compare.
#[utoipa::path(
    get, path = "/v1/chain/spec", tag = "chain",
    responses((status = 200, description = "The spec.", body = String,
        content_type = "application/toml",
        example = json!("name = \"Acme affiliate ledger\"\norigin = \"ledger.example/acme\"\n…")))
)]
pub async fn get_spec(State(shared): State<Shared>) -> impl IntoResponse {
    let spec = shared.api.ledger.chain().spec().to_toml();
    ([(CONTENT_TYPE, "application/toml")], spec)
}
