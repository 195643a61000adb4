//! What a node speaks on a connection, and within which bounds.

use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, MessageAuthenticity, MessageId, TopicHash, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, identify, kad, mdns, memory_connection_limits, noise,
    ping, tcp,
};

use super::discovery::{self, Discovery};
use super::exchange::Exchange;
use super::gate::Gate;
use super::wire::{MAX_ANNOUNCEMENT_BYTES, MAX_ANSWER_WIRE_BYTES};
use super::{NetworkError, Settings, yamux};
use crate::protocol::evidence::MAX_EVIDENCE_BYTES;
use crate::protocol::hash::ChainId;

/// How long a question may take to be asked and answered, in milliseconds.
pub const MAX_EXCHANGE_MS: u64 = super::sync::MAX_ANSWER_MS;
/// The most connections that are being negotiated, in each direction.
pub const MAX_PENDING_CONNECTIONS: u32 = 64;
/// The most connections to one peer: each side may have begun one.
pub const MAX_CONNECTIONS_TO_A_PEER: u32 = 2;
/// The most questions and answers at the same time on one connection.
pub const MAX_EXCHANGES_ON_A_CONNECTION: usize = 16;
/// How long a connection stays open on which nothing is said, in seconds.
const MAX_IDLE_SECONDS: u64 = 120;
/// How often a peer is pinged, and how long it may take to answer, in seconds.
const PING_SECONDS: u64 = 5;
/// How long a handshake may take, in seconds.
const MAX_HANDSHAKE_SECONDS: u64 = 10;
/// How much memory the process may have before nobody new is let in, in bytes.
const MAX_PROCESS_BYTES: usize = 3 * 1024 * 1024 * 1024;
/// How often gossip looks after its connections, in milliseconds.
const HEARTBEAT_MS: u64 = 500;
/// How long a message is known as one that was seen, in seconds.
const SEEN_SECONDS: u64 = 120;
/// The most messages that wait for a slow peer.
const MAX_WAITING_MESSAGES: usize = 256;
/// How much a peer may send on one QUIC stream before it is read, and on all of them, in bytes.
const MAX_QUIC_UNREAD_BYTES: (u32, u32) = (10 * 1024 * 1024, 20 * 1024 * 1024);

/// Everything that is spoken. The gate comes first: whoever it turns away costs nothing more.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub gate: Gate,
    pub limits: connection_limits::Behaviour,
    pub memory: memory_connection_limits::Behaviour,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub exchange: request_response::Behaviour<Exchange>,
    pub gossip: gossipsub::Behaviour,
    pub mdns: Toggle<mdns::tokio::Behaviour>,
    pub kademlia: Toggle<kad::Behaviour<MemoryStore>>,
}

/// The names of what is spoken on one chain. Nobody of another chain has a word in common.
#[derive(Clone, Debug)]
pub struct Names {
    /// Questions and answers.
    pub exchange: StreamProtocol,
    /// Where new heads are announced.
    pub heads: gossipsub::IdentTopic,
    /// Where evidence is spread.
    pub evidence: gossipsub::IdentTopic,
    gossip: String,
    identify: String,
    kademlia: StreamProtocol,
}

impl Names {
    /// Those of `chain`.
    pub fn new(chain: ChainId) -> Self {
        let name = |what: &str| format!("/counterfoil/{chain}/{what}/1");
        let protocol = |what: &str| {
            StreamProtocol::try_from_owned(name(what)).expect("it begins with a slash")
        };
        Self {
            exchange: protocol("exchange"),
            kademlia: protocol("kademlia"),
            heads: gossipsub::IdentTopic::new(name("heads")),
            evidence: gossipsub::IdentTopic::new(name("evidence")),
            gossip: format!("/counterfoil/{chain}/gossip"),
            identify: format!("/counterfoil/{chain}"),
        }
    }
}

/// Makes the swarm of a node; it listens nowhere yet.
pub fn swarm(settings: &Settings, names: &Names) -> Result<Swarm<Behaviour>, NetworkError> {
    let made = |error: &dyn std::fmt::Display| NetworkError::Setup(error.to_string());
    let swarm = SwarmBuilder::with_existing_identity(settings.key.clone())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, || yamux::Upgrade)
        .map_err(|error| made(&error))?
        .with_quic_config(bound_quic)
        .with_dns()
        .map_err(|error| made(&error))?
        .with_behaviour(|key| behaviour(key, settings, names))
        .map_err(|error| made(&error))?
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(Duration::from_secs(MAX_IDLE_SECONDS))
                .with_max_negotiating_inbound_streams(MAX_EXCHANGES_ON_A_CONNECTION)
        })
        .with_connection_timeout(Duration::from_secs(MAX_HANDSHAKE_SECONDS))
        .build();
    Ok(swarm)
}

fn bound_quic(mut config: libp2p::quic::Config) -> libp2p::quic::Config {
    (config.max_stream_data, config.max_connection_data) = MAX_QUIC_UNREAD_BYTES;
    config.max_concurrent_stream_limit = u32::try_from(yamux::MAX_STREAMS).unwrap_or(u32::MAX);
    config
}

fn behaviour(
    key: &Keypair,
    settings: &Settings,
    names: &Names,
) -> Result<Behaviour, Box<dyn std::error::Error + Send + Sync>> {
    let most = settings.max_peers;
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_CONNECTIONS))
        .with_max_pending_outgoing(Some(MAX_PENDING_CONNECTIONS))
        .with_max_established_incoming(Some(most))
        .with_max_established_outgoing(Some(most))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_TO_A_PEER));
    let agent = concat!("counterfoil/", env!("CARGO_PKG_VERSION")).to_owned();
    let identify = identify::Config::new(names.identify.clone(), key.public());
    // Where it listens it tells only those who pass it on.
    let tells = settings.discovery.contains(&Discovery::Kademlia);
    let identify =
        identify.with_agent_version(agent).with_cache_size(0).with_hide_listen_addrs(!tells);
    let ping = ping::Config::new()
        .with_interval(Duration::from_secs(PING_SECONDS))
        .with_timeout(Duration::from_secs(PING_SECONDS));
    let exchange = request_response::Config::default()
        .with_request_timeout(Duration::from_millis(MAX_EXCHANGE_MS))
        .with_max_concurrent_streams(MAX_EXCHANGES_ON_A_CONNECTION);
    let own = key.public().to_peer_id();
    let protocols = [(names.exchange.clone(), ProtocolSupport::Full)];
    Ok(Behaviour {
        gate: Gate::new(settings.allowed.clone()),
        limits: connection_limits::Behaviour::new(limits),
        memory: memory_connection_limits::Behaviour::with_max_bytes(MAX_PROCESS_BYTES),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        exchange: request_response::Behaviour::with_codec(Exchange, protocols, exchange),
        gossip: gossip(names)?,
        mdns: discovery::on_own_network(&settings.discovery, own)?,
        kademlia: discovery::among_peers(&settings.discovery, names.kademlia.clone(), own),
    })
}

/// Messages are signed by the authority, and say nothing of who passes them on; what was looked at
/// and found good is passed on, nothing else.
fn gossip(names: &Names) -> Result<gossipsub::Behaviour, Box<dyn std::error::Error + Send + Sync>> {
    const _: () = assert!(MAX_EVIDENCE_BYTES <= MAX_ANNOUNCEMENT_BYTES);
    const _: () = assert!(MAX_ANSWER_WIRE_BYTES < yamux::MAX_UNREAD_BYTES);
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix(names.gossip.clone())
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| message_id(&message.topic, &message.data))
        .max_transmit_size(MAX_ANNOUNCEMENT_BYTES + 1024)
        .heartbeat_interval(Duration::from_millis(HEARTBEAT_MS))
        .heartbeat_initial_delay(Duration::from_millis(HEARTBEAT_MS))
        .duplicate_cache_time(Duration::from_secs(SEEN_SECONDS))
        .connection_handler_queue_len(MAX_WAITING_MESSAGES)
        .build()?;
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)?;
    gossip.subscribe(&names.heads)?;
    gossip.subscribe(&names.evidence)?;
    Ok(gossip)
}

/// What a message is told apart by: what it says about what, whoever says it. With the topic, or what
/// was refused under one would not be heard under another.
pub fn message_id(topic: &TopicHash, message: &[u8]) -> MessageId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(topic.as_str().as_bytes()).update(&[0]).update(message);
    MessageId::from(hasher.finalize().as_bytes().to_vec())
}
