//! Announcements and claims.
//!
//! Invariants:
//! - An announcement is passed on only after its signature was checked and this node has its block: so
//!   whoever passes it on has the block, too.
//! - Every head that the authority signed and that comes to this node is compared with its own log.

use std::collections::VecDeque;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use tokio::sync::mpsc;

use super::answering::announcement;
use super::comparing::{Compared, OwnRoot, compare, compare_beginning};
use super::{Asked, Message, Service};
use crate::ledger::Ledger;
use crate::network::bans::Offence;
use crate::network::behaviour::message_id;
use crate::network::sync::{Event, Fault};
use crate::network::wire::{Announcement, AnnouncementError, Question, SignedHead};
use crate::protocol::evidence::Beginning;

/// How long after one announcement the next may come, in milliseconds.
pub const MIN_ANNOUNCEMENT_INTERVAL_MS: u64 = 20;
/// The most announcements that wait for their block.
pub const MAX_WAITING_HEADS: usize = 128;
/// How long an announcement waits for its block, in milliseconds.
pub const MAX_WAITING_MS: u64 = 10_000;

/// The most announcements that are remembered, so that they aren't made again.
const MAX_HEARD: usize = 512;

/// Announcements that wait until their block is here.
#[derive(Debug, Default)]
pub(super) struct WaitingHeads {
    waiting: VecDeque<WaitingHead>,
    /// What was announced already, by others or by this node.
    heard: VecDeque<MessageId>,
}

#[derive(Debug)]
struct WaitingHead {
    source: PeerId,
    message: MessageId,
    head: SignedHead,
    /// When it came, in milliseconds.
    came_at: u64,
}

/// Tells the service of each new head, until nobody listens. Those that come too soon after another are
/// left out, but never the last.
pub(super) async fn announce(ledger: Ledger, outbox: mpsc::Sender<Message>) {
    let mut heads = ledger.heads();
    loop {
        match ledger.read(announcement).await {
            Ok(Ok(Some(announced))) => {
                if outbox.send(Message::Announce(announced.encode())).await.is_err() {
                    return;
                }
            }
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => tracing::error!(%error, "the head can't be announced"),
        }
        tokio::time::sleep(Duration::from_millis(MIN_ANNOUNCEMENT_INTERVAL_MS)).await;
        tokio::select! {
            changed = heads.changed() => if changed.is_err() { return },
            () = outbox.closed() => return,
        }
    }
}

impl Service {
    pub(super) fn publish_head(&mut self, bytes: Vec<u8>) {
        if self.hear(message_id(&self.names.heads.hash(), &bytes)) {
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            // Nobody may be there to hear it; whoever comes asks.
            let _ = gossip.publish(self.names.heads.clone(), bytes);
        }
    }

    /// Whether an announcement is new.
    pub(super) fn hear(&mut self, message: MessageId) -> bool {
        let heard = &mut self.waiting_heads.heard;
        if heard.contains(&message) {
            return false;
        }
        if heard.len() >= MAX_HEARD {
            heard.pop_front();
        }
        heard.push_back(message);
        true
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: source, message_id: id, message } =
            event
        else {
            return;
        };
        if message.topic == self.names.heads.hash() {
            self.on_announcement(source, id, &message.data);
        } else {
            self.on_spread_evidence(source, &id, &message.data);
        }
    }

    fn on_announcement(&mut self, source: PeerId, message: MessageId, bytes: &[u8]) {
        let succession = &self.ledger.head().tip.succession;
        let checked =
            Announcement::decode(bytes).map(|it| it.check(self.ledger.chain(), succession));
        match checked {
            Ok(Ok(head)) => {
                let came_at = self.now_ms();
                self.hear(message.clone());
                self.claim(source, &head);
                if self.waiting_heads.waiting.len() >= MAX_WAITING_HEADS
                    && let Some(first) = self.waiting_heads.waiting.pop_front()
                {
                    self.pass_on(&first, MessageAcceptance::Ignore);
                }
                let waiting = WaitingHead { source, message, head, came_at };
                self.waiting_heads.waiting.push_back(waiting);
                self.compare_waiting_heads();
            }
            // Of a key that isn't in force here, now: it may have been, or be soon.
            Ok(Err(AnnouncementError::Authority(_))) => {
                self.validate(source, &message, MessageAcceptance::Ignore);
            }
            Ok(Err(_)) | Err(_) => {
                self.validate(source, &message, MessageAcceptance::Reject);
                self.hold_against(source, Offence::BadAnnouncement);
            }
        }
    }

    pub(super) fn validate(
        &mut self,
        source: PeerId,
        message: &MessageId,
        acceptance: MessageAcceptance,
    ) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(message, &source, acceptance);
    }

    fn pass_on(&mut self, waiting: &WaitingHead, acceptance: MessageAcceptance) {
        self.validate(waiting.source, &waiting.message, acceptance);
    }

    /// Compares the announcements whose block may be here with the ledger.
    pub(super) fn compare_waiting_heads(&mut self) {
        let own = self.ledger.head().size();
        let waiting = std::mem::take(&mut self.waiting_heads.waiting);
        let (here, later) =
            waiting.into_iter().partition(|it: &WaitingHead| it.head.signed.size <= own);
        self.waiting_heads.waiting = later;
        for waiting in here {
            let here: WaitingHead = waiting;
            self.pass_on(&here, MessageAcceptance::Accept);
            self.compare(here.source, here.head);
        }
    }

    pub(super) fn forget_late_heads(&mut self, now: u64) {
        let is_late = |it: &WaitingHead| now.saturating_sub(it.came_at) > MAX_WAITING_MS;
        while let Some(late) = self.waiting_heads.waiting.pop_front_if(|first| is_late(first)) {
            self.pass_on(&late, MessageAcceptance::Ignore);
        }
    }

    /// A peer said which head it has.
    pub(super) fn on_head(&mut self, peer: PeerId, announced: Option<Box<Announcement>>) {
        let Some(announced) = announced else {
            self.with_peer(peer, |peer| {
                (peer.height, peer.is_compared) = (Some(0), true);
            });
            self.peer_agrees(peer, 1);
            return self.unsuspect(peer);
        };
        let succession = &self.ledger.head().tip.succession;
        match announced.check(self.ledger.chain(), succession) {
            Ok(head) => self.compare(peer, head),
            // It may know of a change that this node hasn't come to; the blocks will show.
            Err(AnnouncementError::Authority(_)) => {
                let height = announced.header.height;
                self.drive(Event::Claimed { peer, height });
                self.unsuspect(peer);
            }
            Err(error) => {
                tracing::warn!(%peer, "its head isn't signed as it must be: {error}");
                self.hold_against(peer, Offence::Answering(Fault::Garbage));
            }
        }
    }

    fn claim(&mut self, peer: PeerId, head: &SignedHead) {
        // Of one of two histories: there is nothing to fetch.
        if self.ledger.is_doubtful(&head.header) {
            return;
        }
        if self.peers.get(&peer).is_some_and(|peer| peer.is_welcome) {
            let (height, time) = (head.header.height, head.header.time);
            self.with_peer(peer, |peer| {
                if peer.height.is_none_or(|known| known <= height) {
                    (peer.height, peer.head_time) = (Some(height), Some(time));
                }
            });
            self.drive(Event::Claimed { peer, height });
        }
    }

    /// Compares a head with the ledger elsewhere.
    fn compare(&mut self, peer: PeerId, head: SignedHead) {
        let ledger = self.ledger.clone();
        self.elsewhere(async move {
            let head = Box::new(head);
            let other = head.clone();
            match ledger.read(move |view| compare(view, &other)).await {
                Ok(Ok(compared)) => Some(Message::Compared { peer, head, compared }),
                Ok(Err(error)) => {
                    tracing::error!(%error, "a head can't be compared with the ledger");
                    None
                }
                Err(_) => None,
            }
        });
    }

    pub(super) fn on_compared(&mut self, peer: PeerId, head: SignedHead, compared: Compared) {
        match compared {
            Compared::Agrees => {
                self.with_peer(peer, |peer| peer.is_compared = true);
                self.claim(peer, &head);
                self.peer_agrees(peer, head.signed.size);
                self.unsuspect(peer);
            }
            Compared::Longer if self.peers.get(&peer).is_some_and(|peer| peer.is_compared) => {
                self.claim(peer, &head);
                self.peer_is_ahead(peer, &head);
            }
            Compared::Longer => {
                let own = OwnRoot::of(&self.ledger);
                let (old_size, size) = (own.size, head.signed.size);
                if old_size < size {
                    let asked = Asked::Beginning { own, head: Box::new(head) };
                    self.ask(peer, Question::Beginning { old_size, size }, asked);
                } else {
                    self.compare(peer, head);
                }
            }
            Compared::Contradicts(evidence) => {
                self.accuse(vec![*evidence], None);
                self.look_where_they_part(peer, head);
                self.exonerate(peer);
            }
            Compared::NoProof => {
                tracing::warn!(%peer, "it doesn't prove that its log begins with ours, or how it begins");
                self.hold_against(peer, Offence::Answering(Fault::Garbage));
                self.unsuspect(peer);
            }
        }
    }

    pub(super) fn on_beginning(
        &mut self,
        peer: PeerId,
        own: OwnRoot,
        head: SignedHead,
        beginning: Option<Beginning>,
    ) {
        let Some(beginning) = beginning else {
            // It hasn't what it showed the head of.
            self.hold_against(peer, Offence::Answering(Fault::Boast));
            return self.unsuspect(peer);
        };
        let compared = compare_beginning(&own, &head, beginning);
        if compared == Compared::Agrees {
            self.with_peer(peer, |peer| peer.is_compared = true);
            self.unsuspect(peer);
            return self.on_compared(peer, head, Compared::Longer);
        }
        self.on_compared(peer, head, compared);
    }
}
