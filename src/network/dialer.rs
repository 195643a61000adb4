//! Whom this node connects to, and when: decided purely.
//!
//! Invariants:
//! - A peer that the configuration names is dialled again and again until it is there; the pause grows.
//! - A bootnode is dialled only while too few are connected, and so is whoever was found by asking
//!   around; of those a bounded number is remembered, and whoever isn't there is forgotten.

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// How many connected peers are enough not to ask bootnodes.
pub const ENOUGH_PEERS: usize = 4;
/// The pause after the first attempt that failed, in milliseconds; it doubles each time.
pub const FIRST_PAUSE_MS: u64 = 500;
/// The longest pause, in milliseconds.
pub const MAX_PAUSE_MS: u64 = 30_000;
/// The most peers and bootnodes that a configuration names.
pub const MAX_TARGETS: usize = 64;

/// The most peers that are remembered beside those.
pub const MAX_FOUND_PEERS: usize = 64;

/// Somebody to connect to.
#[derive(Clone, Debug)]
struct Target {
    address: Multiaddr,
    peer: Option<PeerId>,
    origin: Origin,
    state: State,
    failures: u32,
}

/// How it is known of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The configuration names it as a peer.
    Peer,
    /// The configuration names it as a bootnode.
    Bootnode,
    /// It was found by asking around. Nobody vouches for it.
    Found,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not before then, in milliseconds.
    Rests(u64),
    Dialling,
    Connected,
    /// Found, and not there when it was dialled: its place is free.
    Forgotten,
}

/// Whom to connect to, and where each stands.
#[derive(Clone, Debug)]
pub struct Dialer {
    targets: Vec<Target>,
}

/// What tells targets apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetNumber(usize);

impl Dialer {
    /// For these peers and bootnodes, none of them connected yet.
    pub fn new(peers: Vec<Multiaddr>, bootnodes: Vec<Multiaddr>) -> Self {
        let peers = peers.into_iter().map(|address| Target::new(address, Origin::Peer));
        let bootnodes = bootnodes.into_iter().map(|address| Target::new(address, Origin::Bootnode));
        Self { targets: peers.chain(bootnodes).collect() }
    }

    /// Somebody was found at an address that says who it is.
    pub fn discover(&mut self, address: Multiaddr) {
        let peer = peer_of(&address);
        if peer.is_none() || self.targets.iter().any(|target| target.peer == peer) {
            return;
        }
        let found = Target::new(address, Origin::Found);
        let number_found = self.targets.iter().filter(|it| it.origin == Origin::Found).count();
        match self.targets.iter_mut().find(|target| target.state == State::Forgotten) {
            Some(free) => *free = found,
            None if number_found < MAX_FOUND_PEERS => self.targets.push(found),
            None => {}
        }
    }

    /// Whether the configuration names `peer`, or named the address behind which it was found.
    pub fn names(&self, peer: &PeerId) -> bool {
        self.named().any(|target| target.peer == Some(*peer))
    }

    /// Whether the configuration names nobody.
    pub fn names_nobody(&self) -> bool {
        self.named().next().is_none()
    }

    fn named(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.origin != Origin::Found)
    }

    /// Where the named peers are, as the configuration says it.
    pub fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.named().map(|target| &target.address)
    }

    /// Whom to dial now, while `connected` peers are there. Each counts as being dialled from then on.
    pub fn due(&mut self, now: u64, connected: usize) -> Vec<(TargetNumber, Multiaddr)> {
        let due = self.targets.iter_mut().enumerate().filter(|(_, target)| {
            let is_time = matches!(target.state, State::Rests(until) if until <= now);
            is_time && (target.origin == Origin::Peer || connected < ENOUGH_PEERS)
        });
        let due = due.map(|(number, target)| {
            target.state = State::Dialling;
            (TargetNumber(number), target.address.clone())
        });
        due.collect()
    }

    /// An attempt came to nothing.
    pub fn failed(&mut self, now: u64, number: TargetNumber) {
        if let Some(target) = self.targets.get_mut(number.0) {
            target.failed(now);
        }
    }

    /// Behind the address that was dialled is this peer.
    pub fn found(&mut self, number: TargetNumber, peer: PeerId) {
        if let Some(target) = self.targets.get_mut(number.0) {
            target.peer = Some(peer);
        }
        self.connected(&peer);
    }

    /// A peer is connected, whoever began it.
    pub fn connected(&mut self, peer: &PeerId) {
        for target in self.targets.iter_mut().filter(|target| target.peer == Some(*peer)) {
            target.state = State::Connected;
        }
    }

    /// It is one of ours: the next attempt need not wait.
    pub fn introduced(&mut self, peer: &PeerId) {
        for target in self.targets.iter_mut().filter(|target| target.peer == Some(*peer)) {
            target.failures = 0;
        }
    }

    /// A peer isn't connected any more.
    pub fn closed(&mut self, now: u64, peer: &PeerId) {
        for target in self.targets.iter_mut().filter(|target| target.peer == Some(*peer)) {
            target.failed(now);
        }
    }
}

impl Target {
    fn new(address: Multiaddr, origin: Origin) -> Self {
        let peer = peer_of(&address);
        Self { address, peer, origin, state: State::Rests(0), failures: 0 }
    }

    fn failed(&mut self, now: u64) {
        let doubled = 1u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        let pause = FIRST_PAUSE_MS.saturating_mul(doubled).min(MAX_PAUSE_MS);
        self.failures = self.failures.saturating_add(1);
        self.state = match self.origin {
            Origin::Found => State::Forgotten,
            Origin::Peer | Origin::Bootnode => State::Rests(now.saturating_add(pause)),
        };
    }
}

/// The peer id at the end of an address, if it has one.
pub fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    address.iter().find_map(|part| match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    fn ports(due: &[(TargetNumber, Multiaddr)]) -> Vec<String> {
        due.iter()
            .map(|(_, address)| address.to_string().rsplit('/').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn it_goes_on_and_waits_longer_each_time() {
        let mut dialer = Dialer::new(vec![address(1)], vec![]);
        let (mut now, mut pauses) = (0, Vec::new());
        for _ in 0..10 {
            let due = dialer.due(now, 0);
            assert_eq!(ports(&due), ["1"]);
            assert!(dialer.due(now, 0).is_empty());
            dialer.failed(now, due[0].0);
            let begin = now;
            while dialer.clone().due(now, 0).is_empty() {
                now += 100;
            }
            pauses.push(now - begin);
        }
        assert_eq!(pauses[..4], [500, 1000, 2000, 4000]);
        assert_eq!(pauses[9], MAX_PAUSE_MS);
    }

    fn found(port: u16, peer: PeerId) -> Multiaddr {
        address(port).with(Protocol::P2p(peer))
    }

    #[test]
    fn whoever_is_found_is_dialled_while_few_are_there_and_forgotten_when_it_is_gone() {
        let named = PeerId::random();
        let mut dialer = Dialer::new(vec![found(1, named)], vec![]);
        dialer.discover(address(9));
        dialer.discover(found(2, named));
        assert_eq!(dialer.due(0, 0).len(), 1, "of nobody, and somebody who is known");
        let peers: Vec<PeerId> = (0..=MAX_FOUND_PEERS).map(|_| PeerId::random()).collect();
        for peer in &peers {
            dialer.discover(found(3, *peer));
            dialer.discover(found(4, *peer));
        }
        assert!(!dialer.names(&peers[0]) && dialer.addresses().count() == 1);
        assert!(dialer.due(0, ENOUGH_PEERS).is_empty());
        let due = dialer.due(0, 0);
        assert_eq!(due.len(), MAX_FOUND_PEERS);
        // The last one had no place; of those that have, one isn't there.
        dialer.discover(found(5, peers[MAX_FOUND_PEERS]));
        assert!(dialer.due(MAX_PAUSE_MS, 0).is_empty());
        dialer.failed(0, due[7].0);
        assert!(dialer.due(MAX_PAUSE_MS, 0).is_empty());
        dialer.discover(found(5, peers[MAX_FOUND_PEERS]));
        let due = dialer.due(MAX_PAUSE_MS, 0);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].1, found(5, peers[MAX_FOUND_PEERS]));
    }

    #[test]
    fn whoever_left_is_dialled_again_and_bootnodes_only_when_needed() {
        let mut dialer = Dialer::new(vec![address(1)], vec![address(2)]);
        let due = dialer.due(0, 0);
        assert_eq!(ports(&due), ["1", "2"]);
        let (one, two) = (PeerId::random(), PeerId::random());
        dialer.found(due[0].0, one);
        dialer.found(due[1].0, two);
        dialer.introduced(&one);
        assert!(dialer.names(&one) && dialer.names(&two) && !dialer.names(&PeerId::random()));
        assert!(dialer.due(1_000_000, 2).is_empty());
        dialer.closed(10, &one);
        dialer.closed(10, &two);
        assert!(dialer.due(11, 0).is_empty());
        assert_eq!(ports(&dialer.due(10 + FIRST_PAUSE_MS, ENOUGH_PEERS)), ["1"]);
        // It came back by itself.
        dialer.connected(&two);
        assert!(dialer.due(1_000_000, 0).is_empty());
    }
}
