//! Who else holds this ledger, as far as the node knows: told by the network, read by whoever shows
//! it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::protocol::time::Timestamp;

/// What the network knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PeersReport {
    /// The peer id of this node, which follows from its network key; none where it has no network.
    #[schema(example = "12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2")]
    pub id: Option<String>,
    /// Where it listens, as multiaddresses.
    pub listens: Vec<String>,
    /// How far it is with catching up.
    pub sync: SyncReport,
    /// Who is connected.
    pub peers: Vec<PeerReport>,
    /// Who isn't let in, and until when.
    pub banned: Vec<BanReport>,
    /// How often something was refused since the node started, by what.
    pub refused: BTreeMap<String, u64>,
}

/// How far a node is with catching up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SyncReport {
    /// What it does.
    pub state: SyncState,
    /// The height of this node's ledger.
    pub height: u64,
    /// The greatest height that a connected peer claims.
    pub claimed: u64,
    /// How many blocks that makes to catch up.
    pub lag_blocks: u64,
    /// How long ago, in seconds, the head that is claimed was sealed, by the clocks of both; 0 where
    /// nothing is missing.
    pub lag_seconds: u64,
    /// How many blocks wait for their turn.
    pub held_blocks: usize,
    /// How many bytes those have.
    pub held_bytes: usize,
    /// How many questions aren't answered yet.
    pub questions: usize,
}

/// What a node does to keep up with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// Nobody is connected.
    #[default]
    Alone,
    /// It has all that anybody claims to have.
    UpToDate,
    /// It has less.
    CatchingUp,
    /// It has less, and nothing came for a while.
    Stalled,
    /// It takes nothing more: see the evidence, or the node's log.
    Halted,
}

/// A peer that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PeerReport {
    /// Its peer id.
    pub id: String,
    /// Where it is.
    pub address: String,
    /// Whether it connected to this node, rather than this node to it.
    pub is_inbound: bool,
    /// Whether this node's configuration names it.
    pub is_configured: bool,
    /// The program that it says it is.
    pub agent: Option<String>,
    /// Since when it is connected.
    pub since: Timestamp,
    /// The height that it claims.
    pub height: Option<u64>,
    /// How long it takes to answer a ping, in milliseconds.
    pub round_trip_ms: Option<u64>,
    /// How many blocks it sent.
    pub blocks_received: u64,
    /// How many bytes those had.
    pub bytes_received: u64,
    /// How many blocks it was sent.
    pub blocks_sent: u64,
    /// How many bytes those had.
    pub bytes_sent: u64,
    /// What is held against it: at 100 it is banned.
    pub score: u32,
}

/// A peer that isn't let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BanReport {
    /// Its peer id.
    pub id: String,
    /// What it did.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
}
