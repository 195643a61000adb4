//! A ledger to try things on: made on the spot, with a key of its own and sample data.
//!
//! The sample data follows from `sample.toml` in the data directory alone, so filling that was
//! interrupted goes on by submitting the same entries again: those that are there already are
//! found, not repeated.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::files::{self, FileError};
use super::secret::{self, SecretError};
use super::serve::Setup;
use crate::http::SubmitAccess;
use crate::ledger::{self, Atomicity, Ledger, Outcome, SubmitError};
use crate::network::{self, Multiaddr};
use crate::protocol::block::EncodedEntry;
use crate::protocol::key::SealingKey;
use crate::protocol::spec::{ChainSpec, SpecError};
use crate::protocol::time::Timestamp;
use crate::protocol::verify::Chain;
use crate::sample::{Marketplace, Profile, ProfileError};

/// How many sample entries a new ledger gets unless told otherwise.
pub const DEFAULT_SAMPLE_ENTRIES: u64 = 5_000;
/// The most sample entries.
pub const MAX_SAMPLE_ENTRIES: u64 = 10_000_000;
/// The most nodes of a development network.
pub const MAX_DEV_NODES: i64 = 8;
/// Where development nodes listen for each other.
const P2P_LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
/// The name of the sealing key in a development ledger's directory.
pub const KEY_FILE: &str = "sealing.key";

/// The chain spec of development ledgers, but for the authority and the genesis time.
const SPEC_TEMPLATE: &str = include_str!("../../chain-spec/dev.toml");
const SAMPLE_FILE: &str = "sample.toml";
const MAX_SAMPLE_FILE_BYTES: usize = 4 * 1024;
/// What all sample data follows from.
const SAMPLE_SEED: u64 = 20_261_121;
/// About how many blocks sample data is spread over.
const SAMPLE_BLOCKS: u64 = 100;
/// The most sample entries submitted at once.
const MAX_BATCH_ENTRIES: u64 = 1_000;

/// A development ledger, ready to be opened.
pub struct DevLedger {
    /// Its chain.
    pub chain: Arc<Chain>,
    /// Its sealing key.
    pub key: SealingKey,
    /// The sample data that it still lacks.
    pub missing_sample: Option<Sample>,
}

/// Which sample data a ledger has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleFile {
    /// What all chance follows from.
    seed: u64,
    /// How many entries.
    entries: u64,
    /// When the history ends.
    until: Timestamp,
    /// Whether all of them are on the ledger.
    complete: bool,
}

/// Sample data that a ledger still lacks, in whole or in part.
pub struct Sample {
    file: SampleFile,
    path: PathBuf,
}

/// How filling a ledger with sample data ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// How many entries were sealed.
    pub sealed: u64,
    /// How many were on the ledger already.
    pub existing: u64,
    /// Whether it was told to stop before the end; the next start goes on.
    pub interrupted: bool,
}

/// Why a development ledger can't be made or filled.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A file is in the way or can't be had.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key can't be made or read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The directory is another kind of node's.
    #[error(
        "{} was not made by `counterfoil dev`: it has a chain spec but no {KEY_FILE}; run it with `counterfoil node`, or choose another directory",
        .0.display()
    )]
    NotDev(PathBuf),
    /// The file of the sample data was altered.
    #[error("{}: {problem}; delete it to go on without sample data", path.display())]
    SampleFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The chain has no currency for a sample.
    #[error("no sample data can be made: {0}")]
    Profile(#[from] ProfileError),
    /// The chain spec that is built in is no good.
    #[error("the built-in chain spec: {0}")]
    Spec(#[from] SpecError),
    /// The ledger didn't take the sample data.
    #[error("the sample data could not be submitted: {0}")]
    Submit(#[from] SubmitError),
    /// The rules refuse a sample entry.
    #[error("the ledger refused sample entry {number}: {outcome}")]
    Refused {
        /// Which entry, from 1.
        number: u64,
        /// What became of it.
        outcome: String,
    },
}

/// A replica of a development ledger, to run beside it.
pub struct Replica {
    chain: Arc<Chain>,
    directory: PathBuf,
    number: u16,
    network: network::Settings,
}

impl Replica {
    /// Makes the directory of replica `number`, from 1 on, inside that of the ledger.
    ///
    /// # Errors
    /// [`DevError`].
    pub fn prepare(directory: &Path, chain: &Arc<Chain>, number: u16) -> Result<Self, DevError> {
        let directory = directory.join(format!("replica-{number}"));
        let chain = files::initialise(&directory, &chain.spec().to_toml())?;
        let network = network(&directory, &[])?;
        Ok(Self { chain, directory, number, network })
    }

    /// The replica of a ledger that serves at `listen`, on a port of its own, and whose network is at
    /// `peers`.
    pub fn setup(self, mut listen: SocketAddr, peers: &[Multiaddr]) -> Setup {
        if listen.port() != 0 {
            listen.set_port(listen.port().wrapping_add(self.number));
        }
        let network = network::Settings { peers: peers.to_vec(), ..self.network };
        Setup {
            chain: self.chain,
            directory: self.directory,
            listen,
            key: None,
            access: SubmitAccess::Closed,
            published: Vec::new(),
            network: Some(network),
            postgres: None,
        }
    }
}

/// The network of a development node: on this machine alone.
///
/// # Errors
/// [`DevError`].
pub fn network(directory: &Path, peers: &[Multiaddr]) -> Result<network::Settings, DevError> {
    Ok(network::Settings {
        key: secret::network_key(&directory.join(files::NETWORK_KEY_FILE))?,
        listen: vec![P2P_LISTEN.parse().expect("a multiaddress")],
        peers: peers.to_vec(),
        bootnodes: Vec::new(),
        discovery: BTreeSet::new(),
        allowed: None,
        max_peers: network::DEFAULT_MAX_PEERS,
        bans_file: directory.join(files::BANS_FILE),
    })
}

/// Makes a development ledger in `directory`, or goes on with the one that is there. A new one
/// is to have `sample_entries`; one that is there keeps what it was made with.
///
/// # Errors
/// [`DevError`].
pub fn prepare(directory: &Path, sample_entries: u64) -> Result<DevLedger, DevError> {
    let key_path = directory.join(KEY_FILE);
    let sample_path = directory.join(SAMPLE_FILE);
    let (chain, key) = match files::chain_of(directory) {
        Ok(_) if !key_path.exists() => return Err(DevError::NotDev(directory.to_owned())),
        Ok(chain) => (chain, secret::read_key(&key_path)?),
        Err(FileError::NotInitialised(_)) => {
            std::fs::create_dir_all(directory).map_err(FileError::io("create", directory))?;
            let key = new_key(&key_path)?;
            let file = SampleFile {
                seed: SAMPLE_SEED,
                entries: sample_entries,
                until: ledger::now(),
                complete: sample_entries == 0,
            };
            write_sample(&sample_path, &file)?;
            // Last: a directory with a spec is whole.
            (files::initialise(directory, &spec(&key)?.to_toml())?, key)
        }
        Err(error) => return Err(error.into()),
    };
    let missing_sample = read_sample(&sample_path)?
        .filter(|file| !file.complete)
        .map(|file| Sample { file, path: sample_path });
    Ok(DevLedger { chain, key, missing_sample })
}

/// The key of a directory that isn't whole yet: a start may have been interrupted before.
fn new_key(path: &Path) -> Result<SealingKey, SecretError> {
    if path.exists() {
        return secret::read_key(path);
    }
    let key = secret::generate_key()?;
    secret::write_key(path, &key)?;
    Ok(key)
}

fn spec(key: &SealingKey) -> Result<ChainSpec, SpecError> {
    let mut spec = ChainSpec::parse(SPEC_TEMPLATE)?;
    spec.authorities = vec![key.public()];
    spec.genesis_time = ledger::now();
    Ok(spec)
}

fn read_sample(path: &Path) -> Result<Option<SampleFile>, DevError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_text(path, MAX_SAMPLE_FILE_BYTES)?;
    toml::from_str(&text)
        .map(Some)
        .map_err(|error| DevError::SampleFile { path: path.to_owned(), problem: error.to_string() })
}

fn write_sample(path: &Path, file: &SampleFile) -> Result<(), FileError> {
    let text = toml::to_string(file).expect("numbers, a string and a flag");
    files::write_text(path, &format!("# The sample data of this development ledger.\n{text}"))
}

impl Sample {
    /// How many entries it has in all.
    pub fn entries(&self) -> u64 {
        self.file.entries
    }

    /// Submits all of it, until told to stop. `progress` is told how many entries were dealt
    /// with since it was last told.
    ///
    /// # Errors
    /// [`DevError`].
    pub async fn fill(
        mut self,
        ledger: &Ledger,
        stopping: &CancellationToken,
        progress: impl Fn(u64),
    ) -> Result<Filled, DevError> {
        let profile = Profile::history(self.file.seed, self.file.entries, self.file.until);
        let market = Marketplace::new(profile, &ledger.chain().spec().currencies)?;
        let total = usize::try_from(self.file.entries).unwrap_or(usize::MAX);
        let mut entries = market.take(total);
        let batch_entries = (self.file.entries / SAMPLE_BLOCKS).clamp(10, MAX_BATCH_ENTRIES);
        let batch_entries = usize::try_from(batch_entries).expect("a thousand at most");
        let mut filled = Filled { sealed: 0, existing: 0, interrupted: false };
        loop {
            let batch: Vec<EncodedEntry> = entries
                .by_ref()
                .take(batch_entries)
                .map(|entry| EncodedEntry::new(entry).expect("sample entries fit a leaf"))
                .collect();
            if batch.is_empty() {
                break;
            }
            if stopping.is_cancelled() {
                return Ok(Filled { interrupted: true, ..filled });
            }
            let count = batch.len() as u64;
            for outcome in ledger.submit(batch, Atomicity::EntryByEntry).await? {
                filled.count(outcome)?;
            }
            progress(count);
        }
        self.file.complete = true;
        write_sample(&self.path, &self.file)?;
        Ok(filled)
    }
}

impl Filled {
    fn count(&mut self, outcome: Outcome) -> Result<(), DevError> {
        match outcome {
            Outcome::Sealed(_) => self.sealed += 1,
            Outcome::Existing(_) => self.existing += 1,
            Outcome::Rejected(rejection) => {
                let number = self.sealed + self.existing + 1;
                return Err(DevError::Refused { number, outcome: format!("{rejection:?}") });
            }
        }
        Ok(())
    }
}
