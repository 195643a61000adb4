//! A peer that says what a test wants it to say: over real connections, and not by the node's code.
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use counterfoil::network::wire::{Answer, Question};
use counterfoil::protocol::hash::ChainId;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, ValidationMode};
use libp2p::request_response::{self, Codec, Message, ProtocolSupport};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify, noise, tcp, yamux};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What a stranger answers.
#[derive(Clone, Debug)]
pub enum Says {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Bytes without an end.
    Endless,
    /// Nothing, and it doesn't hang up either.
    Nothing,
    /// These bytes, one at a time, with a pause between.
    Slowly(Vec<u8>),
}

impl From<Answer> for Says {
    fn from(answer: Answer) -> Self {
        Self::Bytes(answer.encode())
    }
}

/// How long a stranger waits before it tries to connect again.
const REDIAL: Duration = Duration::from_secs(2);

/// What a stranger answers to each question.
pub type Mind = Arc<dyn Fn(Question) -> Says + Send + Sync>;

#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Says;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        stream.take(1 << 16).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Says>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        stream.take(16 << 20).read_to_end(&mut bytes).await?;
        Ok(Says::Bytes(bytes))
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        question: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        stream.write_all(&question).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        says: Says,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match says {
            Says::Bytes(bytes) => stream.write_all(&bytes).await,
            Says::Nothing => std::future::pending().await,
            Says::Endless => loop {
                stream.write_all(&[0; 16 * 1024]).await?;
            },
            Says::Slowly(bytes) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Ok(())
            }
        }
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    exchange: request_response::Behaviour<Raw>,
    gossip: gossipsub::Behaviour,
}

/// What a test tells a stranger to do.
enum Order {
    Dial(Multiaddr),
    Ask(PeerId, Vec<u8>),
    Gossip(&'static str, Vec<u8>),
}

/// A stranger, until the test is done with it.
pub struct Stranger {
    pub id: PeerId,
    pub address: String,
    /// How many questions it was asked.
    asked: Arc<AtomicUsize>,
    orders: mpsc::UnboundedSender<Order>,
    answers: mpsc::UnboundedReceiver<Option<Vec<u8>>>,
    task: JoinHandle<()>,
    /// Drives it.
    runtime: Arc<Runtime>,
}

impl Stranger {
    /// One that speaks the protocol of `chain`.
    pub fn new(runtime: &Arc<Runtime>, chain: ChainId, mind: Mind) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (outbox, answers) = mpsc::unbounded_channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let (swarm, address) = runtime.block_on(swarm(chain));
        let id = *swarm.local_peer_id();
        let work = work(swarm, chain, mind, asked.clone(), inbox, outbox);
        let task = runtime.spawn(work);
        let address = format!("{address}/p2p/{id}");
        Self { id, address, asked, orders, answers, task, runtime: runtime.clone() }
    }

    /// Connects to a node.
    pub fn dial(&self, address: &str) {
        self.order(Order::Dial(address.parse().expect("a multiaddress")));
    }

    /// Asks a node that it is connected to; the bytes of the answer, or nothing where there is none.
    pub fn ask(&mut self, node: PeerId, question: Vec<u8>) -> Option<Vec<u8>> {
        self.order(Order::Ask(node, question));
        let answers = &mut self.answers;
        self.runtime.block_on(answers.recv()).expect("it is there as long as the test")
    }

    /// Spreads something about `heads` or `evidence`.
    pub fn gossip(&self, topic: &'static str, bytes: Vec<u8>) {
        self.order(Order::Gossip(topic, bytes));
    }

    /// How many questions it was asked so far.
    pub fn times_asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn order(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "it is there as long as the test");
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn swarm(chain: ChainId) -> (Swarm<Behaviour>, Multiaddr) {
    let name = |what: &str| format!("/counterfoil/{chain}/{what}/1");
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|key| {
            let config = gossipsub::ConfigBuilder::default()
                .protocol_id_prefix(format!("/counterfoil/{chain}/gossip"))
                .validation_mode(ValidationMode::Anonymous)
                .message_id_fn(|message| {
                    MessageId::from([message.topic.as_str().as_bytes(), &message.data].concat())
                })
                .build()
                .expect("a configuration");
            let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)
                .expect("a configuration");
            for topic in ["heads", "evidence"] {
                gossip.subscribe(&IdentTopic::new(name(topic))).expect("a topic");
            }
            let exchange = StreamProtocol::try_from_owned(name("exchange")).expect("a name");
            let config =
                request_response::Config::default().with_request_timeout(Duration::from_hours(1));
            Behaviour {
                identify: identify::Behaviour::new(identify::Config::new(
                    format!("/counterfoil/{chain}"),
                    key.public(),
                )),
                exchange: request_response::Behaviour::new(
                    [(exchange, ProtocolSupport::Full)],
                    config,
                ),
                gossip,
            }
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_mins(10)))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("a free port");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return (swarm, address);
        }
    }
}

/// Connects, unless it is connected or about to be: one address has a bounded share.
fn once(address: &Multiaddr) -> DialOpts {
    let peer = counterfoil::network::peer_of(address).expect("an address with a peer id");
    DialOpts::peer_id(peer)
        .condition(PeerCondition::DisconnectedAndNotDialing)
        .addresses(vec![address.clone()])
        .build()
}

async fn work(
    mut swarm: Swarm<Behaviour>,
    chain: ChainId,
    mind: Mind,
    asked: Arc<AtomicUsize>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    answers: mpsc::UnboundedSender<Option<Vec<u8>>>,
) {
    let mut target: Option<Multiaddr> = None;
    let mut again = tokio::time::interval(REDIAL);
    loop {
        tokio::select! {
            // On a busy machine a handshake may take too long, or a ping.
            _ = again.tick() => if let Some(target) = &target
                && swarm.connected_peers().next().is_none()
            {
                drop(swarm.dial(once(target)));
            },
            order = orders.recv() => match order {
                None => return,
                // It may be turned away; the test looks at the node.
                Some(Order::Dial(address)) => {
                    drop(swarm.dial(once(&address)));
                    target = Some(address);
                }
                Some(Order::Ask(node, question)) => {
                    swarm.behaviour_mut().exchange.send_request(&node, question);
                }
                Some(Order::Gossip(topic, bytes)) => {
                    let topic = IdentTopic::new(format!("/counterfoil/{chain}/{topic}/1"));
                    let _ = swarm.behaviour_mut().gossip.publish(topic, bytes);
                }
            },
            event = swarm.select_next_some() => {
                let SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) = event else { continue };
                match event {
                    request_response::Event::Message { message, .. } => match message {
                        Message::Request { request, channel, .. } => {
                            asked.fetch_add(1, Ordering::Relaxed);
                            let question = Question::decode(&request).expect("a node asks properly");
                            let _ = swarm.behaviour_mut().exchange.send_response(channel, mind(question));
                        }
                        Message::Response { response: Says::Bytes(bytes), .. } => {
                            let _ = answers.send(Some(bytes));
                        }
                        Message::Response { .. } => unreachable!("only bytes are read"),
                    },
                    request_response::Event::OutboundFailure { .. } => {
                        let _ = answers.send(None);
                    }
                    _ => {}
                }
            }
        }
    }
}
