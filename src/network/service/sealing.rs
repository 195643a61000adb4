//! An authority asks its peers before it seals: what it lost, they may still have.
//!
//! Invariants:
//! - Where the configuration names peers, nothing is sealed before one of them was found to have no more
//!   than this node, of the same history.
//! - Whenever a peer shows a longer log that the authority signed, nothing is sealed until it is here.

use libp2p::PeerId;

use super::Service;
use crate::ledger::{Health, Hold, Holder, Ledger};
use crate::network::dialer::Dialer;
use crate::network::wire::SignedHead;

/// What stands against sealing.
#[derive(Debug)]
pub(super) struct Caution {
    /// Whether this node could seal.
    seals: bool,
    /// Whether nobody has been asked yet who could know.
    is_awaiting: bool,
    /// Who has shown a longer log, and how long, in leaves.
    behind: Option<(PeerId, u64)>,
}

impl Caution {
    /// Makes a ledger that could seal wait, where there is somebody to ask.
    pub(super) fn new(ledger: &Ledger, dialer: &Dialer) -> Self {
        let seals = matches!(
            ledger.health(),
            Health::Sealing | Health::NotAuthority { .. } | Health::Held(_) | Health::Standing(_)
        );
        let is_awaiting = seals && !dialer.names_nobody();
        if is_awaiting {
            let places = dialer.addresses().map(ToString::to_string).collect();
            ledger.hold(Holder::Peers, Some(Hold::Awaiting(places)));
        }
        Self { seals, is_awaiting, behind: None }
    }
}

impl Service {
    /// A peer's log, of that many leaves, is the beginning of ours.
    pub(super) fn peer_agrees(&mut self, peer: PeerId, size: u64) {
        let is_named = self.dialer.names(&peer);
        if is_named && size <= self.ledger.head().size() && self.caution.is_awaiting {
            self.caution.is_awaiting = false;
            tracing::info!(%peer, "a peer has nothing that is missing here");
            self.look_whether_to_seal();
        }
    }

    /// A peer has more than we do, of the same history.
    pub(super) fn peer_is_ahead(&mut self, peer: PeerId, head: &SignedHead) {
        let (size, own) = (head.signed.size, self.ledger.head().size());
        if !self.caution.seals || size <= own {
            return;
        }
        if self.caution.behind.is_none() {
            tracing::error!(%peer, size, own, "a peer has blocks that are missing here; nothing is sealed until they are fetched");
        }
        self.caution.behind = Some((peer, size));
        let place = peer.to_string();
        self.ledger.hold(Holder::Peers, Some(Hold::Behind { place, size, own }));
    }

    /// The ledger has grown: it may have come to where others are.
    pub(super) fn look_whether_to_seal(&mut self) {
        if !self.caution.seals {
            return;
        }
        let own = self.ledger.head().size();
        if self.caution.behind.take_if(|(_, size)| *size <= own).is_some() {
            tracing::info!(own, "what was missing is here");
            self.caution.is_awaiting = false;
        }
        if self.caution.behind.is_none() && !self.caution.is_awaiting {
            self.ledger.hold(Holder::Peers, None);
        }
    }
}
