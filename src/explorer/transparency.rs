//! What keeps the node honest: the signed checkpoint, who else holds the ledger, evidence against
//! keys, and the proof that the log only grows.

use std::sync::Arc;

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor};
use super::condition::Condition;
use super::messages::filters;
use super::query::value;
use super::values::{Count, Digest, Moment, Span};
use crate::ledger::peers::{PeerReport, PeersReport};
use crate::protocol::checkpoint;
use crate::protocol::tree::is_consistent;

/// How many peers are listed.
const MAX_PEERS: usize = 50;

/// What `/transparency` can be asked for.
#[derive(Deserialize)]
pub(super) struct TransparencyQuery {
    /// The size of the smaller log.
    old: Option<String>,
    /// The size of the larger one.
    new: Option<String>,
}

/// The proof that a log begins with another.
struct Consistency {
    old: u64,
    new: u64,
    old_root: Digest,
    new_root: Digest,
    proof: Vec<Digest>,
    holds: bool,
}

/// A key that signed two histories.
struct Accusation {
    key: Digest,
    smaller: Count,
    larger: Count,
    /// Whether both logs are of one size.
    same_size: bool,
}

/// A peer as the page shows it.
struct PeerLine {
    report: PeerReport,
    since: Moment,
    round_trip: Option<Span>,
    /// How many blocks it has more, or less, than this node.
    ahead: Option<i64>,
}

#[derive(Template)]
#[template(path = "transparency.html")]
struct TransparencyPage<'a> {
    frame: Frame<'a>,
    condition: Condition,
    height: u64,
    size: Count,
    sealed: Moment,
    root_hash: Digest,
    note: Option<String>,
    vkey: String,
    evidence: Vec<Accusation>,
    sync: Arc<PeersReport>,
    lag: Span,
    peers: Vec<PeerLine>,
    consistency: Consistency,
}

/// `GET /transparency`
pub(super) async fn page(
    visitor: Visitor,
    asked: Result<Query<TransparencyQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let Query(asked) = asked?;
            let old = value("old", asked.old.as_deref())?;
            let new = value("new", asked.new.as_deref())?;
            reader.page(&transparency(reader, old, new)?)
        })
        .await
}

fn transparency<'a>(
    reader: &Reader<'a>,
    old: Option<u64>,
    new: Option<u64>,
) -> Result<TransparencyPage<'a>, ExplorerError> {
    let head = reader.view.head();
    let (spec, sync) = (reader.view.spec(), reader.ledger.peers());
    let note = reader.view.checkpoint(head.height())?.and_then(|(checkpoint, signature)| {
        signature.map(|signature| checkpoint.to_note(&head.header.authority, &signature))
    });
    let evidence = reader.ledger.evidence();
    let evidence = evidence.iter().map(|evidence| Accusation {
        key: Digest::new(evidence.key),
        smaller: Count(evidence.smaller.size),
        larger: Count(evidence.larger.size),
        same_size: evidence.beginning.is_none(),
    });
    let peers = sync.peers.iter().take(MAX_PEERS).map(|report| PeerLine {
        since: reader.moment(report.since),
        round_trip: report.round_trip_ms.map(Span::new),
        ahead: report.height.and_then(|height| {
            i64::try_from(height).ok()?.checked_sub(i64::try_from(head.height()).ok()?)
        }),
        report: report.clone(),
    });
    Ok(TransparencyPage {
        frame: reader.frame(Section::Transparency),
        condition: Condition::of(reader.ledger),
        height: head.height(),
        size: Count(head.size()),
        sealed: reader.moment(head.header.time),
        root_hash: Digest::new(head.tip.tree.root()),
        note,
        vkey: checkpoint::vkey(&spec.origin, &spec.authority()),
        evidence: evidence.collect(),
        peers: peers.collect(),
        lag: Span::new(sync.sync.lag_seconds.saturating_mul(1000)),
        sync: sync.clone(),
        consistency: consistency(reader, old, new)?,
    })
}

/// The proof from one size to another: from genesis to now, where nothing else is asked for.
fn consistency(
    reader: &Reader<'_>,
    old: Option<u64>,
    new: Option<u64>,
) -> Result<Consistency, ExplorerError> {
    let size = reader.view.head().size();
    let (old, new) = (old.unwrap_or(1), new.unwrap_or(size));
    if old == 0 || old > new || new > size {
        let problem = format!("sizes: from 1 to {size}, the smaller one first");
        return Err(ExplorerError::BadQuery { problem });
    }
    let (old_root, new_root) = (reader.view.root(old)?, reader.view.root(new)?);
    let proof = reader.view.consistency_proof(old, new)?;
    Ok(Consistency {
        old,
        new,
        holds: is_consistent(old, old_root, new, new_root, &proof),
        old_root: Digest::new(old_root),
        new_root: Digest::new(new_root),
        proof: proof.into_iter().map(Digest::new).collect(),
    })
}
