//! Figures for whoever watches the node, in the text format of `OpenMetrics`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Shared;
use crate::ledger::database::OutboxReport;
use crate::ledger::peers::{PeerReport, PeersReport};
use crate::ledger::{Health, Ledger};

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

/// Figures for whoever watches the node
///
/// In the text format of `OpenMetrics`, which Prometheus reads: the ledger's height and size, whether the
/// node does what it is there for, peers, how far it is behind them, bytes, and what was refused.
#[utoipa::path(
    get, path = "/metrics", tag = "node",
    responses((status = 200, description = "The figures.", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
        example = json!("# TYPE counterfoil_height gauge\ncounterfoil_height 17\n…\n# EOF\n")))
)]
pub async fn get_metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let ledger = &shared.api.ledger;
    let registry = collect(ledger, &ledger.peers());
    let mut text = String::new();
    encode(&mut text, &registry).expect("text can be written to memory");
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

fn collect(ledger: &Ledger, peers: &PeersReport) -> Registry {
    let mut registry = Registry::with_prefix("counterfoil");
    let (head, health) = (ledger.head(), ledger.health());
    let is_ready = matches!(health, Health::Sealing | Health::NoKey);
    let sync = &peers.sync;
    let gauges = [
        ("height", "The height of the last block", head.height()),
        ("log_size", "How many leaves the log has", head.size()),
        ("ready", "1 where the node does what it is there for", u64::from(is_ready)),
        ("sealing", "1 where the node seals", u64::from(health == Health::Sealing)),
        ("evidence", "Proofs that a key signed two histories", ledger.evidence().len() as u64),
        ("peers", "Peers that are connected", peers.peers.len() as u64),
        ("peers_banned", "Peers that aren't let in", peers.banned.len() as u64),
        ("lag_blocks", "Blocks that peers have and this node hasn't", sync.lag_blocks),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, gauge(value));
    }
    let help = "How old the last block is where peers have newer ones";
    registry.register_with_unit("lag", help, Unit::Seconds, gauge(sync.lag_seconds));
    let sum = |of: fn(&PeerReport) -> u64| -> u64 {
        peers.peers.iter().map(of).fold(0, u64::saturating_add)
    };
    let bytes = [
        (
            "peers_received",
            "Bytes of blocks from peers that are connected",
            sum(|it| it.bytes_received),
        ),
        ("peers_sent", "Bytes of blocks to peers that are connected", sum(|it| it.bytes_sent)),
    ];
    for (name, help, value) in bytes {
        registry.register_with_unit(name, help, Unit::Bytes, gauge(value));
    }
    let refused = Family::<Reason, Counter>::default();
    for (reason, count) in &peers.refused {
        refused.get_or_create(&Reason { reason: reason.clone() }).inc_by(*count);
    }
    registry.register("peers_refused", "What was refused since the node started", refused);
    if let Some(outbox) = &ledger.database().outbox {
        collect_outbox(&mut registry, outbox);
    }
    registry
}

/// How rows of the database's outbox become entries, on a node that drains it.
fn collect_outbox(registry: &mut Registry, outbox: &OutboxReport) {
    let gauges = [
        ("outbox_draining", "1 where rows are taken", u64::from(outbox.draining)),
        ("outbox_pending", "Rows that wait, up to a bound", outbox.pending),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, gauge(value));
    }
    let help = "How old the first row is that waits";
    let age = gauge(outbox.oldest_pending_seconds);
    registry.register_with_unit("outbox_oldest_pending", help, Unit::Seconds, age);
    let counters = [
        ("outbox_sealed", "Rows that are entries", outbox.sealed),
        ("outbox_rejected", "Rows that were rejected", outbox.rejected),
        ("outbox_put_off", "Times that a row waited for what it names", outbox.put_off),
        ("outbox_failures", "Times that the outbox couldn't be drained", outbox.failures),
    ];
    for (name, help, value) in counters {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
}

fn gauge(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}
