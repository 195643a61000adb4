//! Connections: who comes, who is who, and who goes.
//!
//! Invariants:
//! - Nobody is asked anything before it has said that it speaks this chain's protocol.
//! - Whoever doesn't say so in time is disconnected.

use libp2p::core::ConnectedPoint;
use libp2p::request_response::{
    self, InboundRequestId, Message as Exchanged, OutboundFailure, ResponseChannel,
};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, ping};

use super::answering::answer;
use super::{Asked, Message, Service};
use crate::ledger;
use crate::network::bans::Offence;
use crate::network::behaviour::BehaviourEvent;
use crate::network::gate::NotLetIn;
use crate::network::sync::{Event, Fault};
use crate::network::wire::{Answer, Question};
use crate::network::{discovery, exchange};
use crate::protocol::time::Timestamp;

/// How long a peer may take to say who it is, in milliseconds.
pub const MAX_INTRODUCTION_MS: u64 = 10_000;
/// How often a peer is asked for its head, in milliseconds. Announcements come sooner.
pub const HEAD_INTERVAL_MS: u64 = 5_000;
/// The longest name of a program that is remembered, in characters.
const MAX_AGENT_CHARACTERS: usize = 64;

/// A peer that is connected.
#[derive(Debug)]
pub(super) struct Peer {
    pub address: Multiaddr,
    pub is_inbound: bool,
    pub since: Timestamp,
    /// When it came, in milliseconds.
    came_at: u64,
    /// Which program it says it is, once it has said that it is of this chain.
    pub agent: Option<String>,
    pub height: Option<u64>,
    /// When the head was sealed that it claims.
    pub head_time: Option<Timestamp>,
    pub round_trip_ms: Option<u64>,
    /// When it was asked for its head the last time, in milliseconds.
    asked_at: u64,
    pub blocks_received: u64,
    pub bytes_received: u64,
    pub blocks_sent: u64,
    pub bytes_sent: u64,
    /// Whether its history was found to be ours.
    pub is_compared: bool,
    /// Whether it may be asked for blocks.
    pub is_welcome: bool,
}

impl Peer {
    fn new(endpoint: &ConnectedPoint, now: u64) -> Self {
        Self {
            address: endpoint.get_remote_address().clone(),
            is_inbound: endpoint.is_listener(),
            since: ledger::now(),
            came_at: now,
            agent: None,
            height: None,
            head_time: None,
            round_trip_ms: None,
            asked_at: 0,
            blocks_received: 0,
            bytes_received: 0,
            blocks_sent: 0,
            bytes_sent: 0,
            is_compared: false,
            is_welcome: false,
        }
    }

    /// Whether it is of this chain.
    pub(super) fn is_introduced(&self) -> bool {
        self.agent.is_some()
    }
}

impl Service {
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.on_gone(peer_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => self.on_turned_away(error),
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_introduced(peer_id, &info);
            }
            BehaviourEvent::Ping(ping::Event { peer, result, connection }) => match result {
                Ok(time) => {
                    let time = u64::try_from(time.as_millis()).ok();
                    self.with_peer(peer, |peer| peer.round_trip_ms = time);
                }
                Err(ping::Failure::Unsupported) => {}
                // A line that is cut without a word.
                Err(_) => drop(self.swarm.close_connection(connection)),
            },
            BehaviourEvent::Exchange(event) => self.on_exchange(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Mdns(event) => self.discover(discovery::told_by_network(event)),
            BehaviourEvent::Kademlia(event) => self.discover(discovery::told_by_peers(event)),
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let now = self.now_ms();
        match self.dialling.remove(&id) {
            Some(target) => self.dialer.found(target, peer),
            None => self.dialer.connected(&peer),
        }
        self.peers.entry(peer).or_insert_with(|| Peer::new(endpoint, now));
    }

    fn on_gone(&mut self, peer: PeerId) {
        let now = self.now_ms();
        if let Some(gone) = self.peers.remove(&peer)
            && gone.is_introduced()
        {
            tracing::info!(%peer, address = %gone.address, "peer is gone");
        }
        self.dialer.closed(now, &peer);
        self.unsuspect(peer);
        self.drive(Event::Left(peer));
    }

    fn on_dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let now = self.now_ms();
        if let Some(target) = self.dialling.remove(&id) {
            tracing::debug!(%error, "can't connect");
            self.dialer.failed(now, target);
        }
    }

    fn on_turned_away(&mut self, error: ListenError) {
        let what = match error {
            ListenError::Denied { cause } => match cause.downcast_ref::<NotLetIn>() {
                Some(NotLetIn::Banned) => "connection_of_banned",
                Some(NotLetIn::NotAllowed) => "connection_not_allowed",
                Some(NotLetIn::Address) => "connections_of_an_address",
                None => "connections",
            },
            _ => "handshake",
        };
        self.count(what);
    }

    fn on_introduced(&mut self, peer: PeerId, info: &identify::Info) {
        if !info.protocols.contains(&self.names.exchange) {
            tracing::warn!(%peer, protocol = %info.protocol_version, "peer is of another chain");
            return self.hold_against(peer, Offence::OtherChain);
        }
        let agent: String = info
            .agent_version
            .chars()
            .filter(|character| !character.is_control())
            .take(MAX_AGENT_CHARACTERS)
            .collect();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.agent.replace(agent).is_some() {
            return;
        }
        tracing::info!(%peer, address = %known.address, inbound = known.is_inbound, "peer is connected");
        self.dialer.introduced(&peer);
        if let Some(kademlia) = self.swarm.behaviour_mut().kademlia.as_mut() {
            for address in discovery::addresses_of(peer, &info.listen_addrs) {
                kademlia.add_address(&peer, address);
            }
        }
        self.ask_for_evidence(peer);
    }

    fn discover(&mut self, addresses: Vec<Multiaddr>) {
        for address in addresses {
            self.dialer.discover(address);
        }
    }

    /// What it has against keys is known: now it may be asked for blocks.
    pub(super) fn welcome(&mut self, peer: PeerId) {
        if self.peers.contains_key(&peer) {
            self.with_peer(peer, |peer| peer.is_welcome = true);
            self.drive(Event::Joined(peer));
            self.ask_for_head(peer);
        }
    }

    /// Connects to whom it is time to.
    pub(super) fn dial(&mut self, now: u64) {
        for (target, address) in self.dialer.due(now, self.peers.len()) {
            let options = DialOpts::from(address);
            let id = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => drop(self.dialling.insert(id, target)),
                Err(_) => self.dialer.failed(now, target),
            }
        }
    }

    /// Disconnects whoever doesn't say who it is, asks the others for their heads, and lets in again
    /// whose ban is over.
    pub(super) fn look_after_peers(&mut self, now: u64) {
        let is_late = |peer: &Peer| {
            !peer.is_introduced() && now.saturating_sub(peer.came_at) > MAX_INTRODUCTION_MS
        };
        let is_due = |peer: &Peer| {
            peer.is_introduced() && now.saturating_sub(peer.asked_at) > HEAD_INTERVAL_MS
        };
        let named = |is: &dyn Fn(&Peer) -> bool| -> Vec<PeerId> {
            self.peers.iter().filter(|(_, peer)| is(peer)).map(|(name, _)| *name).collect()
        };
        let (late, due) = (named(&is_late), named(&is_due));
        for peer in late {
            self.hold_against(peer, Offence::NoIntroduction);
            self.swarm.behaviour_mut().gate.close(peer);
        }
        for peer in due {
            if self.peers.get(&peer).is_some_and(|peer| peer.is_welcome) {
                self.ask_for_head(peer);
            } else {
                self.ask_for_evidence(peer);
            }
        }
        for peer in self.bans.pardon(ledger::now()) {
            self.swarm.behaviour_mut().gate.pardon(&peer);
        }
    }

    /// Before anything else: what it has against a key may keep us from taking blocks.
    fn ask_for_evidence(&mut self, peer: PeerId) {
        let now = self.now_ms();
        self.with_peer(peer, |peer| peer.asked_at = now);
        self.ask(peer, Question::Evidence, Asked::Evidence);
    }

    pub(super) fn ask_for_head(&mut self, peer: PeerId) {
        let now = self.now_ms();
        self.with_peer(peer, |peer| peer.asked_at = now);
        self.ask(peer, Question::Head, Asked::Head);
    }

    pub(super) fn ask(&mut self, peer: PeerId, question: Question, asked: Asked) {
        let id = self.swarm.behaviour_mut().exchange.send_request(&peer, Some(question));
        self.asked.insert(id, (peer, asked));
    }

    /// Holds something against a peer, which may be the last straw.
    pub(super) fn hold_against(&mut self, peer: PeerId, offence: Offence) {
        let reason = offence.as_str();
        self.count(reason);
        tracing::debug!(%peer, reason, "held against a peer");
        if let Some(until) = self.bans.hold_against(ledger::now(), peer, offence) {
            tracing::warn!(%peer, reason, %until, "peer is banned");
            self.swarm.behaviour_mut().gate.ban(peer);
        }
    }

    pub(super) fn ban_whom_the_file_names(&mut self) {
        let banned: Vec<PeerId> = self.bans.banned(ledger::now()).collect();
        for peer in banned {
            self.swarm.behaviour_mut().gate.ban(peer);
        }
    }

    pub(super) fn with_peer(&mut self, name: PeerId, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(&name) {
            change(peer);
        }
    }

    fn on_exchange(&mut self, event: request_response::Event<exchange::Asked, Answer>) {
        use request_response::Event as Exchange;
        match event {
            Exchange::Message { peer, message, .. } => match message {
                Exchanged::Request { request_id, request: Some(question), channel } => {
                    self.on_question(peer, request_id, question, channel);
                }
                Exchanged::Request { request: None, .. } => {
                    self.hold_against(peer, Offence::BadQuestion);
                }
                Exchanged::Response { request_id, response } => {
                    if let Some((peer, asked)) = self.asked.remove(&request_id) {
                        self.on_answer(peer, asked, response);
                    }
                }
            },
            Exchange::OutboundFailure { request_id, error, .. } => {
                if let Some((peer, asked)) = self.asked.remove(&request_id) {
                    self.on_no_answer(peer, &asked, &error);
                }
            }
            Exchange::InboundFailure { request_id, .. }
            | Exchange::ResponseSent { request_id, .. } => self.done_answering(request_id),
        }
    }

    fn on_question(
        &mut self,
        peer: PeerId,
        id: InboundRequestId,
        question: Question,
        channel: ResponseChannel<Answer>,
    ) {
        if !self.answering.begin(peer, &question) {
            self.count("busy");
            let exchange = &mut self.swarm.behaviour_mut().exchange;
            // Whoever asked may be gone.
            let _ = exchange.send_response(channel, Answer::Busy);
            return;
        }
        self.being_answered.insert(id, (peer, question));
        let (ledger, evidence) = (self.ledger.clone(), self.ledger.evidence());
        self.elsewhere(async move {
            let read = ledger.read(move |view| answer(view, &evidence, question)).await;
            let answer = match read {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    tracing::error!(%error, "a peer's question can't be answered");
                    Answer::Busy
                }
                Err(_) => Answer::Busy,
            };
            Some(Message::Answer { id, channel, answer })
        });
    }

    pub(super) fn send_answer(
        &mut self,
        id: InboundRequestId,
        channel: ResponseChannel<Answer>,
        answer: Answer,
    ) {
        if let (Answer::Blocks(blocks), Some((peer, _))) = (&answer, self.being_answered.get(&id)) {
            let bytes: usize = blocks.0.iter().map(Vec::len).sum();
            let (count, bytes, peer) = (blocks.0.len() as u64, bytes as u64, *peer);
            self.with_peer(peer, |peer| {
                peer.blocks_sent = peer.blocks_sent.saturating_add(count);
                peer.bytes_sent = peer.bytes_sent.saturating_add(bytes);
            });
        }
        if self.swarm.behaviour_mut().exchange.send_response(channel, answer).is_err() {
            self.done_answering(id);
        }
    }

    fn done_answering(&mut self, id: InboundRequestId) {
        if let Some((peer, question)) = self.being_answered.remove(&id) {
            self.answering.end(peer, &question);
        }
    }

    fn on_answer(&mut self, peer: PeerId, asked: Asked, answer: Answer) {
        match (asked, answer) {
            (Asked::Blocks(question), Answer::Blocks(blocks)) => {
                self.on_blocks(peer, question, blocks);
            }
            (Asked::Blocks(question), Answer::Busy) => self.drive(Event::Busy { peer, question }),
            (Asked::Head, Answer::Head(head)) => self.on_head(peer, head),
            (Asked::Beginning { own, head }, Answer::Beginning(beginning)) => {
                self.on_beginning(peer, own, *head, beginning);
            }
            (Asked::Parting { own, parting }, Answer::Beginning(beginning)) => {
                self.on_parting_beginning(peer, own, *parting, beginning);
            }
            (Asked::Evidence, Answer::Evidence(evidence)) => self.on_evidence_of(peer, evidence.0),
            (Asked::Beginning { .. }, Answer::Busy) => self.unsuspect(peer),
            (Asked::Parting { .. }, Answer::Busy) => self.parting_since = None,
            (Asked::Head | Asked::Evidence, Answer::Busy) => {}
            (Asked::Blocks(question), _) => self.drive_garbled(peer, question),
            _ => {
                tracing::warn!(%peer, "it answers something else than it was asked");
                self.hold_against(peer, Offence::Answering(Fault::Garbage));
            }
        }
    }

    fn on_no_answer(&mut self, peer: PeerId, asked: &Asked, failure: &OutboundFailure) {
        let is_garbled = matches!(failure, OutboundFailure::Io(error) if is_garbled(error));
        if let Asked::Parting { .. } = asked {
            self.parting_since = None;
        }
        match asked {
            Asked::Blocks(question) if is_garbled => self.drive_garbled(peer, *question),
            Asked::Blocks(question) => {
                self.drive(Event::Unanswered { peer, question: *question });
            }
            _ if is_garbled => {
                tracing::warn!(%peer, "its answer can't be read: {failure}");
                self.hold_against(peer, Offence::Answering(Fault::Garbage));
            }
            _ => self.unsuspect(peer),
        }
    }
}

/// Whether a stream ended because of what stood in it.
fn is_garbled(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}
