//! Peers: replicas that hold the whole ledger and believe nobody.
//!
//! | file | what |
//! |---|---|
//! | `service/` | the service: it acts on what the pure parts decide |
//! | `sync.rs`, `sync/` | catching up with peers: decided purely, from event to actions |
//! | `dialer.rs` | whom to connect to, and when: decided purely |
//! | `discovery.rs` | finding peers that nobody named |
//! | `bans.rs` | what is held against peers, and who is banned |
//! | `wire.rs`, `exchange.rs` | what peers say to each other, byte for byte |
//! | `behaviour.rs`, `yamux.rs` | connections, and their bounds |
//! | `gate.rs` | who is let in |

mod bans;
mod behaviour;
mod dialer;
mod discovery;
mod exchange;
mod gate;
mod service;
pub mod sync;
pub mod wire;
mod yamux;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub use bans::{BAN_SCORE, FIRST_BAN_MS, MAX_BAN_MS};
pub use behaviour::{MAX_CONNECTIONS_TO_A_PEER, MAX_PENDING_CONNECTIONS};
pub use dialer::{MAX_TARGETS, peer_of};
pub use discovery::Discovery;
pub use gate::MAX_INBOUND_FROM_AN_ADDRESS;
pub use libp2p::identity::Keypair;
pub use libp2p::{Multiaddr, PeerId};
pub use service::Network;
pub use service::appending::MAX_CLOCK_AHEAD_MS;

/// How many peers may be connected unless the configuration says otherwise.
pub const DEFAULT_MAX_PEERS: u32 = 64;

/// What a node's network is made of.
#[derive(Clone)]
pub struct Settings {
    /// The network key, which is never the sealing key: connections are encrypted with it.
    pub key: Keypair,
    /// Where to listen; nowhere is fine for a node that connects to others.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected to.
    pub peers: Vec<Multiaddr>,
    /// Peers to connect to while too few are.
    pub bootnodes: Vec<Multiaddr>,
    /// How to find peers that nobody named.
    pub discovery: BTreeSet<Discovery>,
    /// Who may connect; everybody where there is no list.
    pub allowed: Option<BTreeSet<PeerId>>,
    /// How many may be connected that began the connection, and as many that this node began.
    pub max_peers: u32,
    /// Where to remember who is banned.
    pub bans_file: PathBuf,
}

/// Why a node has no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address can't be had.
    #[error(
        "can't listen on {address}: {problem}; stop what listens there, or choose another address"
    )]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What is wrong.
        problem: String,
    },
    /// Something that it is made of can't be made.
    #[error("the network can't be set up: {0}")]
    Setup(String),
}
