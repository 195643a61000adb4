//! The gate: who is let in, asked before anything else is done for a connection.
//!
//! Invariants:
//! - Nobody banned is connected, nor anybody whom an allow-list leaves out.
//! - One address has a bounded share of the connections that others began, so whoever makes many
//!   names for himself at one address doesn't keep the rest out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// The most connections that one address may have begun, at the same time.
pub const MAX_INBOUND_FROM_AN_ADDRESS: usize = 16;

/// Why a connection isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLetIn {
    /// It is banned.
    #[error("banned")]
    Banned,
    /// It isn't on the allow-list.
    #[error("not on the allow-list")]
    NotAllowed,
    /// Too many are connected from there.
    #[error("more than {MAX_INBOUND_FROM_AN_ADDRESS} connections from one address")]
    Address,
}

/// Lets connections in, or not.
#[derive(Debug, Default)]
pub struct Gate {
    /// Who may connect; everybody where there is no list.
    allowed: Option<BTreeSet<PeerId>>,
    banned: BTreeSet<PeerId>,
    /// Which connections others began, by address. Those that are being negotiated count.
    inbound: BTreeMap<ConnectionId, IpAddr>,
    to_close: VecDeque<PeerId>,
    waker: Option<Waker>,
}

impl Gate {
    /// A gate for those who are `allowed`, or for everybody.
    pub fn new(allowed: Option<BTreeSet<PeerId>>) -> Self {
        Self { allowed, ..Self::default() }
    }

    /// Lets `peer` in no more, and closes its connections.
    pub fn ban(&mut self, peer: PeerId) {
        self.banned.insert(peer);
        self.close(peer);
    }

    /// Lets `peer` in again.
    pub fn pardon(&mut self, peer: &PeerId) {
        self.banned.remove(peer);
    }

    /// Closes the connections of `peer`.
    pub fn close(&mut self, peer: PeerId) {
        self.to_close.push_back(peer);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn check(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        let is_left_out = self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(peer));
        if self.banned.contains(peer) {
            Err(ConnectionDenied::new(NotLetIn::Banned))
        } else if is_left_out {
            Err(ConnectionDenied::new(NotLetIn::NotAllowed))
        } else {
            Ok(())
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(address) = ip_of(remote) else { return Ok(()) };
        let others = self.inbound.values().filter(|other| **other == address).count();
        if others >= MAX_INBOUND_FROM_AN_ADDRESS {
            return Err(ConnectionDenied::new(NotLetIn::Address));
        }
        self.inbound.insert(id, address);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer).map(|()| dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        peer.map_or(Ok(()), |peer| self.check(&peer)).map(|()| Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer).map(|()| dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => {
                self.inbound.remove(&closed.connection_id);
            }
            FromSwarm::ListenFailure(failed) => {
                self.inbound.remove(&failed.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        if let Some(peer_id) = self.to_close.pop_front() {
            return Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::All,
            });
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// The address of a machine, in IPv6 its network of 64 bits: one customer has all of those.
fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(address) => Some(IpAddr::V4(address)),
        Protocol::Ip6(address) => {
            let network = u128::from(address) >> 64 << 64;
            Some(IpAddr::V6(network.into()))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(gate: &mut Gate, number: usize, address: &str) -> Result<(), ConnectionDenied> {
        let (id, local) = (ConnectionId::new_unchecked(number), "/ip4/127.0.0.1/tcp/1");
        let address: Multiaddr = address.parse().unwrap();
        gate.handle_pending_inbound_connection(id, &local.parse().unwrap(), &address)
    }

    fn reason(denied: Result<(), ConnectionDenied>) -> NotLetIn {
        denied.unwrap_err().downcast::<NotLetIn>().unwrap()
    }

    #[test]
    fn an_address_has_its_share() {
        let mut gate = Gate::new(None);
        for number in 0..MAX_INBOUND_FROM_AN_ADDRESS {
            connection(&mut gate, number, &format!("/ip6/2001:db8::{number}/tcp/9")).unwrap();
        }
        let next = MAX_INBOUND_FROM_AN_ADDRESS;
        let denied = connection(&mut gate, next, "/ip6/2001:db8::ffff/udp/9/quic-v1");
        assert_eq!(reason(denied), NotLetIn::Address);
        connection(&mut gate, next, "/ip6/2001:db8:0:1::1/tcp/9").unwrap();
        connection(&mut gate, next + 1, "/ip4/192.0.2.1/tcp/9").unwrap();
    }

    #[test]
    fn who_is_banned_or_left_out_stays_outside() {
        let [one, other] = [PeerId::random(), PeerId::random()];
        let mut gate = Gate::new(Some(BTreeSet::from([one])));
        assert!(gate.check(&one).is_ok());
        assert_eq!(reason(gate.check(&other)), NotLetIn::NotAllowed);
        gate.ban(one);
        assert_eq!(reason(gate.check(&one)), NotLetIn::Banned);
        gate.pardon(&one);
        assert!(gate.check(&one).is_ok());
    }
}
