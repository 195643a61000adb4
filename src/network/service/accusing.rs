//! Evidence: taken in, spread, and made as sharp as it can be.
//!
//! Invariants:
//! - Evidence is checked before anything is done about it, and on the disk before anybody hears of it.
//! - Where a peer holds another history that the authority signed, it is found out which own block is
//!   the first that isn't part of it: what comes before is common to both, and may be had by everybody.

use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId};

use super::comparing::{Compared, OwnRoot, Parting, compare_beginning, compare_same_size};
use super::{Asked, Message, Service};
use crate::ledger::KnownEvidence;
use crate::network::bans::Offence;
use crate::network::behaviour::message_id;
use crate::network::wire::{Question, SignedHead};
use crate::protocol::evidence::{Beginning, Evidence, EvidenceError};
use crate::store::StoreError;

/// How long it may take to find out where two histories part, in milliseconds, before it is begun anew.
pub const MAX_PARTING_MS: u64 = 60_000;

impl Service {
    /// Takes in evidence elsewhere; it is on the disk before anybody hears of it. Then `whom` is welcome.
    pub(super) fn accuse(&mut self, evidence: Vec<Evidence>, whom: Option<PeerId>) {
        let ledger = self.ledger.clone();
        self.elsewhere(async move {
            for evidence in evidence {
                if let Err(error) = ledger.accuse(evidence).await {
                    tracing::error!(%error, "evidence can't be kept");
                }
            }
            whom.map(Message::Welcome)
        });
    }

    pub(super) fn on_spread_evidence(&mut self, source: PeerId, message: &MessageId, bytes: &[u8]) {
        let (spec, authority) = (self.ledger.chain().spec(), self.ledger.authority());
        let checked =
            Evidence::decode(bytes).map(|it| it.check(&spec.origin, authority).map(|_| it));
        match checked {
            Ok(Ok(evidence)) => {
                self.hear(message.clone());
                self.validate(source, message, MessageAcceptance::Accept);
                self.accuse(vec![evidence], None);
            }
            Ok(Err(EvidenceError::Key { .. })) => {
                self.validate(source, message, MessageAcceptance::Ignore);
            }
            Ok(Err(_)) | Err(_) => {
                self.validate(source, message, MessageAcceptance::Reject);
                self.hold_against(source, Offence::BadEvidence);
            }
        }
    }

    /// What a peer has against keys of this chain.
    pub(super) fn on_evidence_of(&mut self, peer: PeerId, evidence: Vec<Evidence>) {
        let (spec, authority) = (self.ledger.chain().spec(), self.ledger.authority());
        let mut good = Vec::new();
        for evidence in evidence {
            match evidence.check(&spec.origin, authority) {
                Ok(_) => good.push(evidence),
                // Of a key that isn't in force here, now.
                Err(EvidenceError::Key { .. }) => {}
                Err(_) => return self.hold_against(peer, Offence::BadEvidence),
            }
        }
        self.accuse(good, Some(peer));
    }

    /// There is evidence: everybody is to know.
    pub(super) fn on_evidence(&mut self, known: &KnownEvidence) {
        let authority = self.ledger.authority();
        let of_authority = known.iter().filter(|evidence| evidence.key == authority);
        for bytes in of_authority.map(Evidence::encode) {
            if self.hear(message_id(&self.names.evidence.hash(), &bytes)) {
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                // Who isn't there to hear it asks when it comes.
                let _ = gossip.publish(self.names.evidence.clone(), bytes);
            }
        }
    }

    /// A peer holds another history, of which it showed this head.
    pub(super) fn look_where_they_part(&mut self, peer: PeerId, head: SignedHead) {
        let now = self.now_ms();
        let is_over = |since| now.saturating_sub(since) > MAX_PARTING_MS;
        if self.parting_since.is_none_or(is_over) {
            self.parting_since = Some(now);
            let ledger = self.ledger.clone();
            self.elsewhere(async move {
                let begun = ledger.read(move |view| -> Result<_, _> {
                    let Some(parting) = Parting::new(view, head)? else { return Ok(None) };
                    let own = parting.next(view)?;
                    Ok(Some((parting, own)))
                });
                let (parting, own) = parted(begun.await.ok()?)?;
                Some(Message::Parting { peer, parting: Box::new(parting), own })
            });
        }
    }

    pub(super) fn on_parting(&mut self, peer: PeerId, mut parting: Parting, own: Option<OwnRoot>) {
        let Some(own) = own else {
            self.parting_since = None;
            return self.accuse(parting.found().into_iter().collect(), None);
        };
        let (old_size, size) = (own.size, parting.other().signed.size);
        if old_size < size {
            let asked = Asked::Parting { own, parting: Box::new(parting) };
            return self.ask(peer, Question::Beginning { old_size, size }, asked);
        }
        let compared = compare_same_size(&own, parting.other());
        parting.learn(compared);
        self.go_on_parting(peer, parting);
    }

    pub(super) fn on_parting_beginning(
        &mut self,
        peer: PeerId,
        own: OwnRoot,
        mut parting: Parting,
        beginning: Option<Beginning>,
    ) {
        let compared = match beginning {
            Some(beginning) => compare_beginning(&own, parting.other(), beginning),
            None => Compared::NoProof,
        };
        if parting.learn(compared) {
            self.go_on_parting(peer, parting);
        } else {
            self.parting_since = None;
        }
    }

    fn go_on_parting(&mut self, peer: PeerId, parting: Parting) {
        let ledger = self.ledger.clone();
        self.elsewhere(async move {
            let next = ledger.read(move |view| {
                let own = parting.next(view)?;
                Ok(Some((parting, own)))
            });
            let (parting, own) = parted(next.await.ok()?)?;
            Some(Message::Parting { peer, parting: Box::new(parting), own })
        });
    }
}

/// What was read, or nothing where it can't be.
fn parted<T>(read: Result<Option<T>, StoreError>) -> Option<T> {
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "where two histories part can't be read");
        None
    })
}
