//! The ledger: one handle for everybody, one thread that writes.
//!
//! Async ends here. Surfaces submit entries and get outcomes when those are durable; reads go
//! straight to the store's views, on a bounded number of threads.
//!
//! | file | what |
//! |---|---|
//! | `pool.rs` | what waits to be sealed, bounded |
//! | `writer.rs` | the thread that seals and appends: all roads meet there |
//! | `appending.rs` | blocks from elsewhere: one is verified while another is written |
//! | `in_progress.rs` | a submission that is being sealed |
//! | `conflict.rs` | two entries of one name, compared by whoever asked |
//! | `resume.rs` | what it does after a failed write, until it can seal again |
//! | `accused.rs` | keys that signed two histories, and the evidence |
//! | `database.rs` | the database beside this ledger |
//! | `peers.rs` | who else holds this ledger |
//! | `hold.rs` | sealing that waits for what was published |
//! | `outcome.rs` | what became of an entry |
//! | `archive.rs` | a whole ledger in one file |

mod accused;
mod appending;
pub mod archive;
mod conflict;
pub mod database;
mod hold;
mod in_progress;
mod outcome;
pub mod peers;
mod pool;
mod resume;
mod two_histories;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use accused::Accused;
use arc_swap::{ArcSwap, ArcSwapOption};
use database::DatabaseReport;
use hold::Holds;
use peers::PeersReport;
use tokio::sync::{Semaphore, watch};

pub use accused::{KnownEvidence, MAX_EVIDENCE_ITEMS};
pub use hold::{Hold, Holder, Published};
pub use outcome::{
    AccuseError, AppendError, NotOpen, OpenError, Outcome, Position, Rejection, SubmitError,
};
pub use pool::{
    Appending, Atomicity, Enqueued, MAX_APPENDING_BLOCKS, MAX_POOL_BYTES, MAX_POOL_ENTRIES,
    MAX_REQUEST_ENTRIES,
};
pub use two_histories::contradiction;

use crate::protocol::block::{Block, EncodedEntry, Header};
use crate::protocol::entry::Kind;
use crate::protocol::evidence::Evidence;
use crate::protocol::key::{PublicKey, SealingKey};
use crate::protocol::succession::KeyRole;
use crate::protocol::time::Timestamp;
use crate::protocol::verify::Chain;
use crate::store::{Head, Standing, Store, View};

/// The most reads that run at the same time for each core; others wait their turn. Some may wait for
/// the disk; but more than cores can run are each slower, and whose turn it is becomes a matter of luck.
const READS_A_CORE: usize = 4;

/// A ledger that is open. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Arc<Chain>,
    store: Arc<OpenStore>,
    pool: pool::Pool,
    heads: watch::Receiver<Arc<Head>>,
    health: watch::Receiver<Health>,
    holds: watch::Sender<Holds>,
    accused: Accused,
    peers: ArcSwap<PeersReport>,
    database: watch::Sender<DatabaseReport>,
    reads: Semaphore,
}

/// The store, as long as it is open: after a failed write it is closed and opened anew.
type OpenStore = ArcSwapOption<Store>;

/// Whether the ledger takes entries, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It seals what is submitted.
    Sealing,
    /// It has no sealing key: a replica, or a node that only serves.
    NoKey,
    /// Its key isn't the authority's. It serves, and takes a change of the spec that makes it so.
    NotAuthority {
        /// What its key is.
        role: KeyRole,
        /// Who seals the next block.
        authority: PublicKey,
    },
    /// Guard and store disagree.
    Standing(Standing),
    /// There is evidence that the authority signed two histories.
    Accused(PublicKey),
    /// It is not known yet, or known to be wrong, that nothing newer was published.
    Held(Hold),
    /// Writing failed, for the reason given. It goes on by itself when the disk works again.
    Recovering(&'static str),
    /// What is stored can't be relied on any more; only an operator can help.
    Failed,
}

/// The thread that writes. Ends when every [`Ledger`] is gone, after what was submitted.
pub struct WriterThread {
    thread: JoinHandle<()>,
}

impl Ledger {
    /// Opens the ledger of `chain` in `directory` and starts its writer. With `key` it seals what
    /// is submitted, as long as that is the authority's.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        directory: &Path,
        chain: Arc<Chain>,
        key: Option<SealingKey>,
    ) -> Result<(Self, WriterThread), OpenError> {
        let (store, committer) = Store::open(directory, chain.clone())?;
        let store = Arc::new(OpenStore::from_pointee(store));
        let (pool, requests) = pool::Pool::new(store.clone());
        let place = writer::Place { directory: directory.to_owned(), chain: chain.clone() };
        let accused = Accused::open(directory, &chain)?;
        let (holds, holds_receiver) = watch::channel(Holds::new());
        let brakes = writer::Brakes { holds: holds_receiver, accused: accused.known() };
        let (writer, heads, health) =
            writer::Writer::new(place, store.clone(), &committer, key, requests, brakes);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run(committer))
            .map_err(OpenError::Thread)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let reads = Semaphore::new(cores * READS_A_CORE);
        let (peers, database) = (ArcSwap::default(), watch::Sender::default());
        let inner =
            Inner { chain, store, pool, heads, health, holds, accused, peers, database, reads };
        Ok((Self { inner: Arc::new(inner) }, WriterThread { thread }))
    }

    /// The chain whose ledger this is.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.inner.chain
    }

    /// Submits entries, at most [`MAX_REQUEST_ENTRIES`], and waits until all that can be
    /// sealed is. The outcomes come in the order of the entries.
    ///
    /// An entry that is reported as sealed or existing MUST survive a power cut.
    ///
    /// # Errors
    /// [`SubmitError`] where nothing is known of any entry; submitting the same again is safe.
    pub async fn submit(
        &self,
        entries: Vec<EncodedEntry>,
        atomicity: Atomicity,
    ) -> Result<Vec<Outcome>, SubmitError> {
        self.enqueue(entries, atomicity).await?.outcomes().await
    }

    /// Puts entries, at most [`MAX_REQUEST_ENTRIES`], into the pool, waiting for room there.
    /// What one caller enqueues in order is sealed in that order, without waiting in between.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn enqueue(
        &self,
        entries: Vec<EncodedEntry>,
        atomicity: Atomicity,
    ) -> Result<Enqueued, SubmitError> {
        self.check_health(&entries)?;
        let limits = self.head().tip.spec_ahead().limits;
        self.inner.pool.enqueue(limits, entries, atomicity).await
    }

    /// Verifies a block from elsewhere and appends it. When this returns without an error, the
    /// block MUST survive a power cut.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append(&self, block: Block) -> Result<(), AppendError> {
        self.hand_over(block).await?.outcome().await
    }

    /// Hands over a block from elsewhere, waiting for room: at most [`MAX_APPENDING_BLOCKS`] are in
    /// hand. What one caller hands over in order is verified and appended in that order.
    ///
    /// # Errors
    /// [`AppendError::Stopped`].
    pub async fn hand_over(&self, block: Block) -> Result<Appending, AppendError> {
        self.inner.pool.hand_over(block).await
    }

    /// Whether the ledger takes entries.
    pub fn health(&self) -> Health {
        let (holds, known) = (self.inner.holds.borrow(), self.evidence());
        let health = self.inner.health.borrow().clone();
        health.braked_by(&holds, &known, &self.authority())
    }

    /// Who seals the next block, unless that begins with a change of the spec.
    pub fn authority(&self) -> PublicKey {
        self.head().tip.spec_ahead().authority()
    }

    /// All evidence that a key of this chain signed two histories.
    pub fn evidence(&self) -> KnownEvidence {
        self.known_evidence().borrow().clone()
    }

    /// Whether a block with that header may be of one of two histories that one key signed: it isn't
    /// taken.
    pub fn is_doubtful(&self, header: &Header) -> bool {
        accused::is_doubtful(&self.known_evidence().borrow(), header)
    }

    /// A receiver that always has all evidence, and wakes when there is more.
    pub fn known_evidence(&self) -> watch::Receiver<KnownEvidence> {
        self.inner.accused.known()
    }

    /// Takes in evidence that a key signed two histories; whether it says anything new. When this
    /// returns, it MUST survive a power cut; from then on nothing is sealed with that key, and no block
    /// taken from it.
    ///
    /// # Errors
    /// [`AccuseError`].
    pub async fn accuse(&self, evidence: Evidence) -> Result<bool, AccuseError> {
        self.inner.accused.accuse(self.chain(), &self.authority(), evidence).await
    }

    /// Who else holds this ledger.
    pub fn peers(&self) -> Arc<PeersReport> {
        self.inner.peers.load_full()
    }

    /// Says who else holds this ledger.
    pub fn tell_peers(&self, report: PeersReport) {
        self.inner.peers.store(Arc::new(report));
    }

    /// What the database beside this ledger is about.
    pub fn database(&self) -> DatabaseReport {
        self.inner.database.borrow().clone()
    }

    /// Says something about the database beside this ledger.
    pub fn tell_database(&self, tell: impl FnOnce(&mut DatabaseReport)) {
        self.inner.database.send_modify(tell);
    }

    /// Makes a ledger that could seal wait, or lets it go on when nobody else holds it. What is being
    /// sealed already isn't stopped by it.
    pub fn hold(&self, holder: Holder, hold: Option<Hold>) {
        self.inner.holds.send_modify(|holds| match hold {
            Some(hold) => drop(holds.insert(holder, hold)),
            None => drop(holds.remove(&holder)),
        });
    }

    /// The latest head.
    pub fn head(&self) -> Arc<Head> {
        self.inner.heads.borrow().clone()
    }

    /// A receiver that always has the latest durable head, and wakes at each.
    pub fn heads(&self) -> watch::Receiver<Arc<Head>> {
        self.inner.heads.clone()
    }

    /// A view of the ledger as it stands now. Reading from it may wait for the disk: in async
    /// code use [`Ledger::read`].
    ///
    /// # Errors
    /// [`NotOpen`].
    pub fn view(&self) -> Result<View, NotOpen> {
        self.store().map(|store| store.view())
    }

    /// The store. Whoever keeps it for long must let go of it when it [is closing].
    ///
    /// [is closing]: Store::is_closing
    ///
    /// # Errors
    /// [`NotOpen`].
    pub fn store(&self) -> Result<Store, NotOpen> {
        self.inner.store.load_full().map(|store| (*store).clone()).ok_or(NotOpen)
    }

    /// Runs `read` on a view of the ledger as it stands now, on a thread that may block. It must
    /// be done within seconds.
    ///
    /// # Errors
    /// [`NotOpen`].
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> T + Send + 'static,
    ) -> Result<T, NotOpen> {
        let _permit = self.inner.reads.acquire().await.expect("the semaphore is never closed");
        let view = self.view()?;
        match tokio::task::spawn_blocking(move || read(&view)).await {
            Ok(value) => Ok(value),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn check_health(&self, entries: &[EncodedEntry]) -> Result<(), SubmitError> {
        match self.health() {
            Health::Sealing => Ok(()),
            // Perhaps the change by which it may seal.
            Health::NotAuthority { .. } if begins_with_change(entries) => Ok(()),
            health => Err(SubmitError::NotSealing(health)),
        }
    }
}

/// Whether a change of the spec comes first.
fn begins_with_change(entries: &[EncodedEntry]) -> bool {
    entries.first().is_some_and(|entry| entry.kind() == Kind::SpecChange)
}

impl Health {
    /// What it comes to where sealing is held back, or `authority`, who seals the next block, accused.
    /// Whoever isn't the authority may still seal the change that makes it so.
    fn braked_by(self, holds: &Holds, known: &[Evidence], authority: &PublicKey) -> Self {
        match (self, holds.values().next()) {
            (Self::Sealing | Self::NoKey, _) if accused::is_accused(known, authority) => {
                Self::Accused(*authority)
            }
            (Self::Sealing | Self::NotAuthority { .. }, Some(hold)) => Self::Held(hold.clone()),
            (health, _) => health,
        }
    }
}

impl WriterThread {
    /// Waits until everything that was submitted is written. Every [`Ledger`] must be gone, or
    /// this waits for ever.
    pub fn join(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sealing => f.write_str("sealing"),
            Self::NoKey => f.write_str("this node has no sealing key, it only serves"),
            Self::NotAuthority { role, authority } => {
                match role {
                    // Only in the moment in which that changes.
                    KeyRole::Authority => f.write_str("this node's key seals"),
                    KeyRole::Awaited { from_height } => {
                        write!(f, "this node's key seals from block {from_height} on")
                    }
                    KeyRole::StandsBy => f.write_str("this node's key stands by"),
                    KeyRole::Retired => f.write_str("this node's key was replaced: it is retired"),
                    KeyRole::Unknown => {
                        f.write_str("this node's key is none of the chain spec's authorities")
                    }
                }?;
                write!(f, "; the next block is {authority}'s to seal")
            }
            Self::Standing(standing) => standing.fmt(f),
            Self::Accused(key) => write!(
                f,
                "the key {key} signed two histories: nothing more of it is taken or sealed until the operator or the governance keys decide; /v1/evidence has the proof"
            ),
            Self::Held(hold) => hold.fmt(f),
            Self::Recovering(cause) => write!(
                f,
                "writing failed ({cause}); it goes on by itself when the disk works again"
            ),
            Self::Failed => f.write_str(
                "what is stored can't be relied on any more: the operator is needed, the node's log says more",
            ),
        }
    }
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let milliseconds = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    Timestamp::from_millis(milliseconds).unwrap_or(Timestamp::MAX)
}
