//! Finding peers by asking around: on the own network (mDNS), and from peer to peer (Kademlia). Both are
//! off unless the configuration turns them on.
//!
//! Whoever is found is a stranger like any other: it passes the gate, says of which chain it is, and is
//! believed nothing. Nothing is kept for others in the Kademlia table but where peers are.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, PeerId, StreamProtocol, kad, mdns};
use serde::Deserialize;

use super::peer_of;

/// How often the neighbourhood is asked for anew, in seconds.
const LOOK_AROUND_SECONDS: u64 = 60;
/// How many addresses of one peer are taken in, of those where it says it listens.
pub const MAX_ADDRESSES_OF_A_PEER: usize = 8;

/// A way to find peers that the configuration doesn't name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// Multicast DNS: whoever is on the same network.
    Mdns,
    /// A Kademlia table among the peers of this chain.
    Kademlia,
}

/// Asks the own network, where that is wanted.
pub fn on_own_network(
    wanted: &BTreeSet<Discovery>,
    own: PeerId,
) -> io::Result<Toggle<mdns::tokio::Behaviour>> {
    let config = mdns::Config {
        query_interval: Duration::from_secs(LOOK_AROUND_SECONDS),
        ..mdns::Config::default()
    };
    let wanted = wanted.contains(&Discovery::Mdns);
    Ok(wanted.then(|| mdns::tokio::Behaviour::new(config, own)).transpose()?.into())
}

/// Asks peers for peers, where that is wanted.
pub fn among_peers(
    wanted: &BTreeSet<Discovery>,
    name: StreamProtocol,
    own: PeerId,
) -> Toggle<kad::Behaviour<MemoryStore>> {
    let table = || {
        let nothing = MemoryStoreConfig {
            max_records: 0,
            max_value_bytes: 0,
            max_providers_per_key: 0,
            max_provided_keys: 0,
        };
        let mut config = kad::Config::new(name);
        config
            .set_record_filtering(kad::StoreInserts::FilterBoth)
            .set_periodic_bootstrap_interval(Some(Duration::from_secs(LOOK_AROUND_SECONDS)));
        let store = MemoryStore::with_config(own, nothing);
        let mut table = kad::Behaviour::with_config(own, store, config);
        // Whoever runs a node serves.
        table.set_mode(Some(kad::Mode::Server));
        table
    };
    wanted.contains(&Discovery::Kademlia).then(table).into()
}

/// Where peers are that an event tells of, each address with its peer's id.
pub fn told_by_network(event: mdns::Event) -> Vec<Multiaddr> {
    match event {
        mdns::Event::Discovered(found) => {
            found.into_iter().filter_map(|(peer, address)| address.with_p2p(peer).ok()).collect()
        }
        mdns::Event::Expired(_) => Vec::new(),
    }
}

/// Where a peer is that has come into the table.
pub fn told_by_peers(event: kad::Event) -> Vec<Multiaddr> {
    match event {
        kad::Event::RoutingUpdated { peer, addresses, .. } => {
            let addresses = addresses.into_vec().into_iter().take(MAX_ADDRESSES_OF_A_PEER);
            addresses.filter_map(|address| address.with_p2p(peer).ok()).collect()
        }
        _ => Vec::new(),
    }
}

/// Which of the addresses where `peer` says it listens are worth keeping.
pub fn addresses_of(peer: PeerId, listens: &[Multiaddr]) -> Vec<Multiaddr> {
    let is_its_own = |address: &&Multiaddr| peer_of(address).is_none_or(|named| named == peer);
    listens.iter().filter(is_its_own).take(MAX_ADDRESSES_OF_A_PEER).cloned().collect()
}
