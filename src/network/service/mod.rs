//! The service: one task that owns the connections and acts on what the pure parts decide.
//!
//! Invariants:
//! - Only what is durable is announced or sent to anybody.
//! - Whatever may take long (the disk, decoding blocks, the ledger) is done elsewhere and comes back as
//!   a message; the task itself never waits for one thing alone.
//! - What is asked, answered, held and remembered is bounded, by number or by bytes.
//!
//! | file | what |
//! |---|---|
//! | `answering.rs` | answering what peers ask |
//! | `appending.rs` | blocks to the ledger, in order |
//! | `catching_up.rs` | acting on what `sync.rs` decides |
//! | `comparing.rs` | whether two heads are of one history |
//! | `meeting.rs` | connections: who comes, who is who, who goes |
//! | `heads.rs` | announcements and claims |
//! | `accusing.rs` | evidence, and where two histories part |
//! | `sealing.rs` | an authority asks its peers before it seals |
//! | `report.rs` | what the network knows, for people |

mod accusing;
mod answering;
pub(super) mod appending;
mod catching_up;
mod comparing;
mod heads;
mod meeting;
mod report;
mod sealing;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::{ConnectionId, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::answering::Answering;
use self::appending::{Answered, Handed, append_in_order};
use self::catching_up::CatchingUp;
use self::comparing::{Compared, OwnRoot, Parting};
use self::heads::WaitingHeads;
use self::meeting::Peer;
use self::report::Told;
use self::sealing::Caution;
use super::bans::Bans;
use super::behaviour::{self, Behaviour, BehaviourEvent, Names};
use super::dialer::{Dialer, TargetNumber};
use super::sync::{MAX_HANDED_BLOCKS, Question as SyncQuestion, Sync};
use super::wire::{Answer, Question, SignedHead};
use super::{NetworkError, Settings};
use crate::ledger::{KnownEvidence, Ledger};

/// How often time goes on for the pure parts, in milliseconds.
const TICK_MS: u64 = 100;
/// How many messages from elsewhere wait for the task.
const MAX_WAITING_MESSAGES: usize = 256;
/// How long listening may take to begin, in seconds.
const LISTEN_SECONDS: u64 = 10;

/// The network of a node.
pub struct Network {
    service: Box<Service>,
    channels: Channels,
}

/// Where messages come from.
struct Channels {
    messages: mpsc::Receiver<Message>,
    answered: mpsc::Receiver<Answered<PeerId>>,
    evidence: watch::Receiver<KnownEvidence>,
}

/// What comes from work that was done elsewhere.
enum Message {
    /// An answer is ready.
    Answer { id: InboundRequestId, channel: ResponseChannel<Answer>, answer: Answer },
    /// A head was compared with the ledger.
    Compared { peer: PeerId, head: Box<SignedHead>, compared: Compared },
    /// Where two histories part is looked for: the own block to compare next.
    Parting { peer: PeerId, parting: Box<Parting>, own: Option<OwnRoot> },
    /// What a peer has against keys is known.
    Welcome(PeerId),
    /// The ledger has a new head to announce.
    Announce(Vec<u8>),
}

/// What a question was about.
enum Asked {
    Head,
    Blocks(SyncQuestion),
    Beginning { own: OwnRoot, head: Box<SignedHead> },
    Evidence,
    Parting { own: OwnRoot, parting: Box<Parting> },
}

struct Service {
    swarm: Swarm<Behaviour>,
    names: Names,
    listens: Vec<Multiaddr>,
    ledger: Ledger,
    begun: Instant,
    outbox: mpsc::Sender<Message>,
    peers: BTreeMap<PeerId, Peer>,
    dialer: Dialer,
    dialling: HashMap<ConnectionId, TargetNumber>,
    bans: Bans,
    /// How often something was refused, by what.
    refused: BTreeMap<&'static str, u64>,
    asked: HashMap<OutboundRequestId, (PeerId, Asked)>,
    answering: Answering,
    being_answered: HashMap<InboundRequestId, (PeerId, Question)>,
    /// Blocks that wait for their turn are bytes.
    machine: Sync<PeerId, Vec<u8>>,
    catching_up: CatchingUp,
    waiting_heads: WaitingHeads,
    /// Since when it is looked for where two histories part, in milliseconds.
    parting_since: Option<u64>,
    caution: Caution,
    told: Told,
}

impl Network {
    /// Listens, and makes a ledger that could seal wait until a peer was asked, where the configuration
    /// names any.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start(settings: Settings, ledger: Ledger) -> Result<Self, NetworkError> {
        let names = Names::new(ledger.chain().id());
        let mut swarm = behaviour::swarm(&settings, &names)?;
        let Listening { addresses, meanwhile } = listen(&mut swarm, &settings.listen).await?;
        let (outbox, messages) = mpsc::channel(MAX_WAITING_MESSAGES);
        let (to_ledger, handed) = mpsc::channel::<Handed<PeerId>>(MAX_HANDED_BLOCKS);
        let (answers, answered) = mpsc::channel(MAX_HANDED_BLOCKS);
        tokio::spawn(append_in_order(ledger.clone(), handed, answers));
        tokio::spawn(heads::announce(ledger.clone(), outbox.clone()));
        let dialer = Dialer::new(settings.peers, settings.bootnodes);
        let caution = Caution::new(&ledger, &dialer);
        let evidence = ledger.known_evidence();
        let service = Box::new(Service {
            swarm,
            names,
            listens: addresses,
            begun: Instant::now(),
            outbox,
            peers: BTreeMap::new(),
            dialer,
            dialling: HashMap::new(),
            bans: Bans::open(&settings.bans_file),
            refused: BTreeMap::new(),
            asked: HashMap::new(),
            answering: Answering::default(),
            being_answered: HashMap::new(),
            machine: Sync::new(ledger.head().height()),
            catching_up: CatchingUp::new(to_ledger),
            waiting_heads: WaitingHeads::default(),
            parting_since: None,
            caution,
            told: Told::default(),
            ledger,
        });
        let channels = Channels { messages, answered, evidence };
        let mut network = Self { service, channels };
        network.service.ban_whom_the_file_names();
        for event in meanwhile {
            network.service.on_swarm(event);
        }
        network.service.tell();
        Ok(network)
    }

    /// The node's own peer id.
    pub fn id(&self) -> PeerId {
        *self.service.swarm.local_peer_id()
    }

    /// Where it listens, with its peer id: what others put into their configuration.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.service
            .listens
            .iter()
            .map(|address| address.clone().with_p2p(self.id()).unwrap_or_else(|own| own))
            .collect()
    }

    /// Works until it is told to stop.
    pub async fn run(self, stopping: CancellationToken) {
        let Self { mut service, mut channels } = self;
        let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heads = service.ledger.heads();
        channels.evidence.mark_changed();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                event = service.swarm.select_next_some() => service.on_swarm(event),
                Some(message) = channels.messages.recv() => service.on_message(message),
                Some(answered) = channels.answered.recv() => service.on_answered(answered),
                Ok(()) = channels.evidence.changed() => {
                    let known = channels.evidence.borrow_and_update().clone();
                    service.on_evidence(&known);
                }
                Ok(()) = heads.changed() => {
                    service.on_own_head();
                }
                _ = ticks.tick() => service.on_tick(),
            }
        }
    }
}

/// Where it listens, and what happened until it did.
struct Listening {
    addresses: Vec<Multiaddr>,
    meanwhile: Vec<SwarmEvent<BehaviourEvent>>,
}

/// Listens on all addresses, and finds out what they turn out to be.
async fn listen(
    swarm: &mut Swarm<Behaviour>,
    wanted: &[Multiaddr],
) -> Result<Listening, NetworkError> {
    let failed = |address: &Multiaddr, problem: String| {
        let address = address.clone();
        NetworkError::Listen { address, problem }
    };
    let (mut addresses, mut meanwhile) = (Vec::new(), Vec::new());
    for address in wanted {
        let began = swarm.listen_on(address.clone());
        let listener = began.map_err(|error| failed(address, error.to_string()))?;
        let listening = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::NewListenAddr { listener_id, address }
                        if listener_id == listener =>
                    {
                        return Ok(address);
                    }
                    SwarmEvent::ListenerClosed { listener_id, reason, .. }
                        if listener_id == listener =>
                    {
                        return Err(reason
                            .map_or_else(|error| error.to_string(), |()| "it closed".to_owned()));
                    }
                    event => meanwhile.push(event),
                }
            }
        };
        let patience = Duration::from_secs(LISTEN_SECONDS);
        let listening = tokio::time::timeout(patience, listening).await;
        let listening = listening.unwrap_or_else(|_| Err("it takes too long".to_owned()));
        addresses.push(listening.map_err(|problem| failed(address, problem))?);
    }
    Ok(Listening { addresses, meanwhile })
}

impl Service {
    /// How long the service runs, in milliseconds: the clock of the pure parts.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Answer { id, channel, answer } => self.send_answer(id, channel, answer),
            Message::Compared { peer, head, compared } => self.on_compared(peer, *head, compared),
            Message::Parting { peer, parting, own } => self.on_parting(peer, *parting, own),
            Message::Welcome(peer) => self.welcome(peer),
            Message::Announce(bytes) => self.publish_head(bytes),
        }
    }

    fn on_tick(&mut self) {
        let now = self.now_ms();
        self.dial(now);
        self.look_after_peers(now);
        self.forget_late_heads(now);
        self.keep_catching_up(now);
        self.report(now);
    }

    /// Counts what was refused.
    fn count(&mut self, what: &'static str) {
        let count = self.refused.entry(what).or_default();
        *count = count.saturating_add(1);
    }

    /// Does something elsewhere that may take long; what comes of it comes back as a message.
    fn elsewhere(&self, work: impl Future<Output = Option<Message>> + Send + 'static) {
        let outbox = self.outbox.clone();
        tokio::spawn(async move {
            if let Some(message) = work.await {
                // The service may have ended.
                let _ = outbox.send(message).await;
            }
        });
    }
}
