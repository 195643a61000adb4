//! What the network knows, for people: in reports and in the log.

use super::Service;
use crate::ledger::peers::{PeerReport, PeersReport, SyncReport, SyncState};
use crate::ledger::{self, Health};

/// How often the report is made anew, in milliseconds.
const REPORT_INTERVAL_MS: u64 = 200;
/// How often the log says how far catching up is, in milliseconds.
const LOG_INTERVAL_MS: u64 = 5_000;
/// After which time without a block catching up counts as stalled, in milliseconds.
pub const STALLED_MS: u64 = 30_000;
/// From how many blocks on catching up is worth a line in the log.
const MIN_LOGGED_BLOCKS: u64 = 64;

/// When something was said last, in milliseconds, and what.
#[derive(Debug, Default)]
pub(super) struct Told {
    reported_at: u64,
    logged_at: u64,
    logged_height: u64,
    state: SyncState,
    /// Since when it is neither alone nor has all.
    behind_since: Option<u64>,
}

impl Service {
    pub(super) fn report(&mut self, now: u64) {
        if now.saturating_sub(self.told.reported_at) >= REPORT_INTERVAL_MS {
            self.told.reported_at = now;
            self.tell();
            self.log(now);
        }
    }

    /// Tells the ledger who else holds it.
    pub(super) fn tell(&mut self) {
        let now = ledger::now();
        let peers =
            self.peers.iter().filter(|(_, peer)| peer.is_introduced()).map(|(name, peer)| {
                PeerReport {
                    id: name.to_string(),
                    address: peer.address.to_string(),
                    is_inbound: peer.is_inbound,
                    is_configured: self.dialer.names(name),
                    agent: peer.agent.clone(),
                    since: peer.since,
                    height: peer.height,
                    round_trip_ms: peer.round_trip_ms,
                    blocks_received: peer.blocks_received,
                    bytes_received: peer.bytes_received,
                    blocks_sent: peer.blocks_sent,
                    bytes_sent: peer.bytes_sent,
                    score: self.bans.score(now, name),
                }
            });
        let report = PeersReport {
            id: Some(self.swarm.local_peer_id().to_string()),
            listens: self.listens.iter().map(ToString::to_string).collect(),
            peers: peers.collect(),
            sync: self.sync_report(),
            banned: self.bans.report(now),
            refused: self
                .refused
                .iter()
                .map(|(what, count)| ((*what).to_owned(), *count))
                .collect(),
        };
        self.ledger.tell_peers(report);
    }

    fn sync_report(&mut self) -> SyncReport {
        let (now, progress) = (self.now_ms(), self.machine.progress());
        let height = self.ledger.head().height();
        let introduced = self.peers.values().filter(|peer| peer.is_introduced());
        let ahead = introduced.clone().filter(|peer| peer.height > Some(height));
        let newest = ahead.filter_map(|peer| peer.head_time).max();
        let lag_seconds = newest.map_or(0, |_| {
            let own = self.ledger.head().header.time.as_millis();
            ledger::now().as_millis().saturating_sub(own) / 1000
        });
        let lag_blocks = progress.claimed.saturating_sub(height);
        let is_alone = introduced.count() == 0;
        if is_alone || lag_blocks == 0 {
            self.told.behind_since = None;
        }
        let is_accused = matches!(self.ledger.health(), Health::Accused(_));
        let state = if progress.is_halted || is_accused {
            SyncState::Halted
        } else if is_alone {
            SyncState::Alone
        } else if lag_blocks == 0 {
            SyncState::UpToDate
        } else {
            let since = *self.told.behind_since.get_or_insert(now);
            let last = progress.appended_at.unwrap_or(0).max(since);
            let is_stalled = now.saturating_sub(last) > STALLED_MS;
            if is_stalled { SyncState::Stalled } else { SyncState::CatchingUp }
        };
        SyncReport {
            state,
            height,
            claimed: progress.claimed,
            lag_blocks,
            lag_seconds,
            held_blocks: progress.held_blocks,
            held_bytes: progress.held_bytes,
            questions: progress.questions,
        }
    }

    /// Says in the log when something changed, and now and then how far it is.
    fn log(&mut self, now: u64) {
        let report = self.ledger.peers();
        let SyncReport { state, height, claimed, lag_blocks, .. } = report.sync;
        let waited = now.saturating_sub(self.told.logged_at);
        let is_due = state == SyncState::CatchingUp && waited >= LOG_INTERVAL_MS;
        let has_changed = state != self.told.state;
        let is_worth_it = match state {
            SyncState::CatchingUp => is_due && lag_blocks >= MIN_LOGGED_BLOCKS,
            SyncState::UpToDate => has_changed && self.told.state != SyncState::Alone,
            SyncState::Alone | SyncState::Stalled | SyncState::Halted => has_changed,
        };
        if is_worth_it {
            let peers = report.peers.len();
            let blocks = height.saturating_sub(self.told.logged_height);
            let blocks_per_second = blocks.saturating_mul(1000).checked_div(waited).unwrap_or(0);
            match state {
                SyncState::CatchingUp => {
                    tracing::info!(height, claimed, blocks_per_second, peers, "catching up");
                }
                SyncState::UpToDate => tracing::info!(height, peers, "has all that peers have"),
                SyncState::Alone => tracing::info!(height, "no peer is connected"),
                SyncState::Stalled => {
                    tracing::warn!(
                        height,
                        claimed,
                        peers,
                        "catching up has stalled: peers claim more blocks and send none"
                    );
                }
                SyncState::Halted => tracing::warn!(height, "no more blocks are taken"),
            }
        }
        if is_due || has_changed {
            (self.told.logged_at, self.told.logged_height, self.told.state) = (now, height, state);
        }
    }
}
