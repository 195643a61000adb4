//! Starting, serving, stopping.
//!
//! Start: bind the address, open the ledger (which recovers it), serve. Whatever can be wrong
//! is found before the first request is taken.
//!
//! Stop, on Ctrl-C or SIGTERM: take no more connections, finish the requests at hand, let go
//! of the ledger, wait until its writer has written what was submitted. Told again, it doesn't
//! wait for the requests. Killed, it loses nothing either: recovery is how every start begins.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all, try_join_all};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::published::{self, Place};
use crate::explorer;
use crate::http::{self, Api, SubmitAccess};
use crate::ledger::{Health, Holder, Ledger, OpenError, WriterThread};
use crate::network::{self, Multiaddr, Network, NetworkError};
use crate::postgres;
use crate::protocol::key::{PublicKey, SealingKey};
use crate::protocol::succession::KeyRole;
use crate::protocol::verify::Chain;

/// How long requests at hand may take to finish after the node was told to stop, in seconds.
pub const MAX_DRAIN_SECONDS: u64 = 20;
/// How long reads that still run are waited for after that, in seconds.
const MAX_LINGER_SECONDS: u64 = 5;

/// What a node is made of.
pub struct Setup {
    /// The chain.
    pub chain: Arc<Chain>,
    /// The data directory.
    pub directory: PathBuf,
    /// The address to serve on; port 0 for any that is free.
    pub listen: SocketAddr,
    /// The sealing key. A node without one only serves.
    pub key: Option<SealingKey>,
    /// Who may submit.
    pub access: SubmitAccess,
    /// Who is asked what was published, before the first block is sealed.
    pub published: Vec<Place>,
    /// How it keeps in touch with peers; not at all where there are no settings.
    pub network: Option<network::Settings>,
    /// What it does for the marketplace's database, where there is one.
    pub postgres: Option<postgres::Settings>,
}

/// What a node that serves can tell.
pub struct Serving {
    /// The address and port that it serves on.
    pub address: SocketAddr,
    /// The ledger.
    pub ledger: Ledger,
    /// Where peers find it, with its peer id.
    pub p2p: Vec<Multiaddr>,
    /// Cancelled when the node is told to stop: background work must then let go of the ledger.
    pub stopping: CancellationToken,
}

/// Why a node can't start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Without a token everybody could submit, so nobody else may connect.
    #[error(
        "{0} can be reached from elsewhere, which takes a token for submitting; make one with `counterfoil token generate --out FILE` and set token_file, or listen on 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The address can't be had.
    #[error(
        "can't listen on {address}: {source}; stop what listens there, or choose another address with --listen"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The ledger can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Nothing names the key: the wrong file, most likely. Who is to be the authority submits the
    /// change that says so first.
    #[error(
        "the sealing key is {found}, which nothing on the ledger names; the authority is {authority}. Give that one's key, or submit the change of the spec that names this one (`counterfoil spec submit --dir`)"
    )]
    UnknownKey {
        /// The public half of the key that was given.
        found: PublicKey,
        /// The key that seals.
        authority: PublicKey,
    },
    /// A bug: an assertion of work beside the requests didn't hold.
    #[error(
        "a part of the node failed, so all of it stopped; the log says where. What was acknowledged is there: start it again"
    )]
    PartFailed,
    /// The operating system refused.
    #[error("can't {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

/// Runs a node until it is told to stop, or a part of it fails. `serving` is called once it serves; what it returns
/// runs beside the node, until both are done.
///
/// # Errors
/// [`ServeError`].
pub fn run<Beside>(setup: Setup, serving: impl FnOnce(Serving) -> Beside) -> Result<(), ServeError>
where
    Beside: Future<Output = ()> + Send + 'static,
{
    run_with_replicas(setup, |_| Vec::new(), |first, _| serving(first))
}

/// Runs a node and, in the same process, replicas of it, which `replicas` makes knowing where the node's
/// network is. Apart from that as [`run`].
///
/// # Errors
/// [`ServeError`].
pub fn run_with_replicas<Beside>(
    setup: Setup,
    replicas: impl FnOnce(&[Multiaddr]) -> Vec<Setup>,
    serving: impl FnOnce(Serving, Vec<Serving>) -> Beside,
) -> Result<(), ServeError>
where
    Beside: Future<Output = ()> + Send + 'static,
{
    let runtime = Runtime::new().map_err(system("start threads"))?;
    let stopping = CancellationToken::new();
    let first = runtime.block_on(Node::open(setup, &stopping))?;
    let mut nodes = vec![first];
    let addresses = nodes.iter().flat_map(|node| node.serving.p2p.clone()).collect::<Vec<_>>();
    for replica in replicas(&addresses) {
        nodes.push(runtime.block_on(Node::open(replica, &stopping))?);
    }
    // Before anybody is told where it serves, and may tell it to stop. While the ledger was
    // being opened, Ctrl-C just ended the process, which recovery is made for.
    let signals = {
        let _context = runtime.enter();
        StopSignals::new().map_err(system("listen for signals"))?
    };
    let (mut writers, mut told, mut servers, mut background) = (vec![], vec![], vec![], vec![]);
    for node in nodes {
        let Node { listener, router, writer, serving, background: own } = node;
        writers.push(writer);
        told.push(serving);
        servers.push((listener, router));
        background.extend(own);
    }
    let first = told.remove(0);
    let beside = serving(first, told);
    let served = runtime.block_on(async {
        // A node of which a part is gone would look like a whole one.
        let whole = stopping.clone().drop_guard();
        let beside = tokio::spawn(async {
            futures::join!(beside, join_all(background));
            whole.disarm();
        });
        let served = serve(servers, signals, &stopping).await;
        // It may be in the midst of a request; what that submits is written all the same.
        match tokio::time::timeout(Duration::from_secs(MAX_LINGER_SECONDS), beside).await {
            Ok(Ok(())) => served,
            Ok(Err(_)) => served.and(Err(ServeError::PartFailed)),
            Err(_) => {
                tracing::warn!("background work did not stop in time");
                served
            }
        }
    });
    // Connections that still stand hold the ledger; they end with the runtime.
    runtime.shutdown_timeout(Duration::from_secs(MAX_LINGER_SECONDS));
    writers.into_iter().for_each(WriterThread::join);
    tracing::info!("stopped");
    served
}

/// Checks that the ledger names `key` as one that seals, sealed or may seal.
fn check_key(ledger: &Ledger, key: Option<PublicKey>) -> Result<(), ServeError> {
    let (Some(found), tip) = (key, &ledger.head().tip) else { return Ok(()) };
    let next = tip.height.saturating_add(1);
    match tip.succession.role_of(&found, next) {
        KeyRole::Unknown => {
            let authority = tip.spec_ahead().authority();
            Err(ServeError::UnknownKey { found, authority })
        }
        _ => Ok(()),
    }
}

/// A node that is open and doesn't serve yet.
struct Node {
    listener: TcpListener,
    router: axum::Router,
    writer: WriterThread,
    serving: Serving,
    /// Asks what was published, keeps in touch with peers, serves the database.
    background: Vec<BoxFuture<'static, ()>>,
}

impl Node {
    async fn open(setup: Setup, stopping: &CancellationToken) -> Result<Self, ServeError> {
        let asks = matches!(setup.access, SubmitAccess::Token(_) | SubmitAccess::Forward(_));
        if !asks && !setup.listen.ip().is_loopback() {
            return Err(ServeError::NotLoopback(setup.listen));
        }
        let address = setup.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Bind { address, source })?;
        let address = listener.local_addr().map_err(system("tell the address"))?;
        // Genesis is signed by nobody, but what a node publishes is; so is a log of genesis alone.
        let first = setup.chain.spec().authority();
        let genesis_key = setup.key.as_ref().filter(|key| key.public() == first);
        let genesis_note = genesis_key.map(|key| {
            let checkpoint = setup.chain.genesis_tip().checkpoint(&setup.chain);
            checkpoint.to_note(&key.public(), &checkpoint.sign(key))
        });
        let key = setup.key.as_ref().map(SealingKey::public);
        let (ledger, writer) = Ledger::open(&setup.directory, setup.chain, setup.key)?;
        check_key(&ledger, key)?;
        let places = if key.is_some() { setup.published } else { Vec::new() };
        if !places.is_empty() {
            // Before anybody can submit.
            ledger.hold(Holder::Published, Some(published::awaiting(&places)));
        }
        let network = match setup.network {
            None => None,
            Some(settings) => Some(Network::start(settings, ledger.clone()).await?),
        };
        let p2p = network.as_ref().map(Network::addresses).unwrap_or_default();
        tracing::info!(
            %address, directory = %setup.directory.display(), height = ledger.head().height(),
            size = ledger.head().size(), health = %ledger.health(), "serving"
        );
        if let Some(network) = &network {
            let addresses: Vec<String> = p2p.iter().map(ToString::to_string).collect();
            tracing::info!(id = %network.id(), listens = ?addresses, "in touch with peers");
        }
        if let health @ (Health::Standing(_) | Health::NotAuthority { .. }) = ledger.health() {
            tracing::warn!("nothing is sealed: {health}");
        }
        let api = Api {
            ledger: ledger.clone(),
            access: setup.access,
            genesis_note,
            stopping: stopping.clone(),
        };
        let router = http::router(api, explorer::router(ledger.clone()));
        let router = explorer::refusals_as_pages(router, ledger.clone());
        let mut background =
            vec![published::confirm(ledger.clone(), places, stopping.clone()).boxed()];
        background.extend(network.map(|network| network.run(stopping.clone()).boxed()));
        let serve_database =
            |settings| postgres::run(settings, ledger.clone(), stopping.clone()).boxed();
        background.extend(setup.postgres.map(serve_database));
        let serving = Serving { address, ledger, p2p, stopping: stopping.clone() };
        Ok(Self { listener, router, writer, serving, background })
    }
}

async fn serve(
    servers: Vec<(TcpListener, axum::Router)>,
    mut signals: StopSignals,
    stopping: &CancellationToken,
) -> Result<(), ServeError> {
    let servers = servers.into_iter().map(|(listener, router)| {
        axum::serve(listener, router)
            .with_graceful_shutdown(stopping.clone().cancelled_owned())
            .into_future()
    });
    let server = tokio::spawn(try_join_all(servers));
    tokio::select! {
        () = signals.recv() => {}
        () = stopping.cancelled() => {}
    }
    tracing::info!("stopping");
    stopping.cancel();
    let drained = tokio::select! {
        drained = tokio::time::timeout(Duration::from_secs(MAX_DRAIN_SECONDS), server) => drained,
        () = signals.recv() => {
            tracing::warn!("told to stop again: not waiting for requests at hand");
            return Ok(());
        }
    };
    match drained {
        Ok(Ok(ended)) => ended.map(drop).map_err(system("serve")),
        Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => {
            tracing::warn!("requests were still at hand after {MAX_DRAIN_SECONDS} seconds");
            Ok(())
        }
    }
}

/// Ctrl-C and SIGTERM, from when this is made on.
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    /// Listens from now on, in the runtime that this is called in.
    ///
    /// # Errors
    /// What the system said.
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits until somebody says stop.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl StopSignals {
    /// Listens from now on, in the runtime that this is called in.
    ///
    /// # Errors
    /// Never here.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until somebody says stop.
    pub async fn recv(&mut self) {
        // Without a way to be told, the node runs until its process ends.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn system(action: &'static str) -> impl FnOnce(std::io::Error) -> ServeError {
    move |source| ServeError::System { action, source }
}
