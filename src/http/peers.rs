//! Who else holds this ledger, and what evidence there is against its keys.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::ledger::peers::PeersReport;
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::evidence::{Evidence, SignedRoot};
use crate::protocol::hash::TreeHash;
use crate::protocol::key::PublicKey;

/// Who else holds this ledger
///
/// The peers that are connected, how far this node is with catching up, who is banned, and what was
/// refused. A node without a network has no id and no peers.
#[utoipa::path(
    get, path = "/v1/peers", tag = "peers",
    responses((status = 200, description = "What the network knows.", body = PeersReport,
        example = json!({
            "id": "12D3KooWHBtY9LNvPAARVAMByzwazybGNXiXqmZ56YdACWq67BxM",
            "listens": ["/ip4/192.0.2.1/tcp/4001"],
            "sync": {"state": "up_to_date", "height": 17, "claimed": 17, "lag_blocks": 0,
                "lag_seconds": 0, "held_blocks": 0, "held_bytes": 0, "questions": 0},
            "peers": [{
                "id": "12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2",
                "address": "/ip4/192.0.2.7/tcp/4001", "is_inbound": false, "is_configured": true,
                "agent": "counterfoil/0.1.0", "since": "2026-11-21T14:00:01.204Z", "height": 17,
                "round_trip_ms": 12, "blocks_received": 17, "bytes_received": 182_044,
                "blocks_sent": 0, "bytes_sent": 0, "score": 0}],
            "banned": [{"id": "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo",
                "reason": "invalid_block", "until": "2026-11-21T14:10:01.204Z"}],
            "refused": {"invalid_block": 1}})))
)]
pub async fn get_peers(State(shared): State<Shared>) -> Json<PeersReport> {
    Json((*shared.api.ledger.peers()).clone())
}

/// All evidence.
#[derive(Serialize, ToSchema)]
pub struct EvidenceReport {
    /// One item for each key and kind; none is the ordinary case.
    evidence: Vec<EvidenceView>,
}

/// Proof that a key signed two histories (FORMAT.md section 17).
#[derive(Serialize, ToSchema)]
struct EvidenceView {
    /// The key.
    key: PublicKey,
    /// `two_roots` at one size, or `two_beginnings`: a log that doesn't begin with the smaller one.
    kind: &'static str,
    /// The checkpoint of the smaller log.
    smaller: CheckpointView,
    /// The checkpoint of the larger one.
    larger: CheckpointView,
    /// Where the sizes differ: what the larger log begins with, and the proof.
    beginning: Option<BeginningView>,
    /// The canonical bytes, in hexadecimal digits.
    bytes: String,
}

/// A checkpoint.
#[derive(Serialize, ToSchema)]
struct CheckpointView {
    /// How many leaves its log has.
    size: u64,
    /// The root of the log's tree.
    root: TreeHash,
    /// All of it with its signature, as a C2SP `signed-note`.
    note: String,
}

/// What a log begins with.
#[derive(Serialize, ToSchema)]
struct BeginningView {
    /// The root of as many of its first leaves as the smaller log has.
    root: TreeHash,
    /// The consistency proof (RFC 6962) from there to the larger log.
    proof: Vec<TreeHash>,
}

/// Evidence that a key signed two histories
///
/// Checked by this node, and checkable by anybody who has the chain spec. As long as there is any
/// against the authority, this node takes no block of it.
#[utoipa::path(
    get, path = "/v1/evidence", tag = "peers",
    responses((status = 200, description = "All evidence that this node has.",
        body = EvidenceReport, example = json!({"evidence": []})))
)]
pub async fn list_evidence(State(shared): State<Shared>) -> Json<EvidenceReport> {
    let ledger = &shared.api.ledger;
    let origin = &ledger.chain().spec().origin;
    let evidence = ledger.evidence().iter().map(|evidence| view(origin, evidence)).collect();
    Json(EvidenceReport { evidence })
}

fn view(origin: &str, evidence: &Evidence) -> EvidenceView {
    let Evidence { key, smaller, larger, beginning } = evidence;
    let checkpoint = |signed: &SignedRoot| {
        let (size, root) = (signed.size, signed.root);
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
        CheckpointView { size, root, note: checkpoint.to_note(key, &signed.signature) }
    };
    EvidenceView {
        key: *key,
        kind: evidence.kind().as_str(),
        smaller: checkpoint(smaller),
        larger: checkpoint(larger),
        beginning: beginning
            .as_ref()
            .map(|it| BeginningView { root: it.root, proof: it.proof.clone() }),
        bytes: hex::encode(evidence.encode()),
    }
}
