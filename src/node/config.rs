//! A node's configuration: one TOML file, then `COUNTERFOIL_…` variables, then flags; the
//! later win.
//!
//! | key | variable | what | default |
//! |---|---|---|---|
//! | `dir` | `COUNTERFOIL_DIR` | the data directory | none |
//! | `listen` | `COUNTERFOIL_LISTEN` | address and port to serve on | `127.0.0.1:8080` |
//! | `key_file` | `COUNTERFOIL_KEY_FILE` | the sealing key; without one the node only serves | none |
//! | `token_file` | `COUNTERFOIL_TOKEN_FILE` | the bearer token for submitting | none |
//! | `published` | `COUNTERFOIL_PUBLISHED` | URLs and files with checkpoints of this ledger, such as `["https://mirror.example/checkpoint"]`; none may know of more than the node does before it seals | `[]` |
//! | `p2p_listen` | `COUNTERFOIL_P2P_LISTEN` | multiaddresses to listen on for peers, such as `["/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"]` | `[]` |
//! | `peers` | `COUNTERFOIL_PEERS` | multiaddresses of peers to stay connected to; an authority seals only after one of them was asked what it has | `[]` |
//! | `bootnodes` | `COUNTERFOIL_BOOTNODES` | multiaddresses of peers to connect to while few are | `[]` |
//! | `discover` | `COUNTERFOIL_DISCOVER` | how to find peers that nobody named: `"mdns"` on the own network, `"kademlia"` from peer to peer | `[]` |
//! | `allow_peers` | `COUNTERFOIL_ALLOW_PEERS` | peer ids that may connect; everybody where there are none | `[]` |
//! | `max_peers` | `COUNTERFOIL_MAX_PEERS` | how many connections others may begin, and as many again this node | `64` |
//! | `network_key_file` | `COUNTERFOIL_NETWORK_KEY_FILE` | the network key, made where there is none | `network.key` in `dir` |
//! | `forward_to` | `COUNTERFOIL_FORWARD_TO` | the URL of the authority's node, such as `https://ledger.example`: a replica passes submissions on to it | none |
//! | `postgres_url` | `COUNTERFOIL_POSTGRES_URL` | the marketplace's database, such as `postgres://node@db1.example,db2.example/market?sslmode=verify-full` | none |
//! | `postgres_url_file` | `COUNTERFOIL_POSTGRES_URL_FILE` | a file with that URL, which only its owner may read | none |
//! | `postgres_outbox` | `COUNTERFOIL_POSTGRES_OUTBOX` | whether rows of its outbox are submitted here | `false` |
//! | `postgres_mirror` | `COUNTERFOIL_POSTGRES_MIRROR` | whether what is sealed is mirrored in typed tables there | `false` |
//! | `postgres_reconcile` | `COUNTERFOIL_POSTGRES_RECONCILE` | a mapping file: which of the marketplace's tables are compared with the ledger | none |
//! | `postgres_reconcile_seconds` | `COUNTERFOIL_POSTGRES_RECONCILE_SECONDS` | how often they are | `3600` |
//! | `postgres_parent_wait_seconds` | `COUNTERFOIL_POSTGRES_PARENT_WAIT_SECONDS` | how long a row waits for an entry that it names and that is nowhere | `3600` |
//! | `log_level` | `COUNTERFOIL_LOG_LEVEL` | level or filter of the log | `info` |
//! | `log_format` | `COUNTERFOIL_LOG_FORMAT` | `pretty` or `json` | `pretty` |
//!
//! Paths are relative to where the node is started.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::published::{MAX_PLACES, Place};
use super::secret::{self, SecretError};
use super::telemetry::LogFormat;
use crate::network::{DEFAULT_MAX_PEERS, Discovery, MAX_TARGETS, Multiaddr, PeerId};
use crate::postgres::{self, Address, PostgresError};

/// What the names of a node's environment variables begin with.
pub const ENV_PREFIX: &str = "COUNTERFOIL_";
/// Where a node listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// How often tables are compared with the ledger unless told otherwise, in seconds.
const DEFAULT_RECONCILE_SECONDS: u32 = 3600;
/// The most peers on an allow-list.
pub const MAX_ALLOWED_PEERS: usize = 1024;

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The data directory.
    pub dir: PathBuf,
    /// The address and port to serve on.
    pub listen: SocketAddr,
    /// The sealing key's file. A node without one only serves.
    pub key_file: Option<PathBuf>,
    /// The file of the bearer token for submitting.
    pub token_file: Option<PathBuf>,
    /// Where checkpoints of this ledger are published: each is asked before the first block is
    /// sealed.
    #[serde(deserialize_with = "places")]
    pub published: Vec<Place>,
    /// Where to listen for peers.
    #[serde(deserialize_with = "targets")]
    pub p2p_listen: Vec<Multiaddr>,
    /// Peers to stay connected to.
    #[serde(deserialize_with = "targets")]
    pub peers: Vec<Multiaddr>,
    /// Peers to connect to while few are.
    #[serde(deserialize_with = "targets")]
    pub bootnodes: Vec<Multiaddr>,
    /// How to find peers that nobody named.
    pub discover: BTreeSet<Discovery>,
    /// Who may connect; everybody where it is empty.
    #[serde(deserialize_with = "peer_ids")]
    pub allow_peers: BTreeSet<PeerId>,
    /// How many connections others may begin, and as many again this node.
    pub max_peers: u32,
    /// The network key's file.
    pub network_key_file: Option<PathBuf>,
    /// The authority's node, to which submissions are passed on.
    pub forward_to: Option<String>,
    /// The marketplace's database.
    pub postgres_url: Option<Address>,
    /// A file that says where it is.
    pub postgres_url_file: Option<PathBuf>,
    /// Whether rows of its outbox are submitted here.
    pub postgres_outbox: bool,
    /// Whether what is sealed is mirrored there.
    pub postgres_mirror: bool,
    /// The mapping of the tables that are compared with the ledger.
    pub postgres_reconcile: Option<PathBuf>,
    /// How often they are, in seconds.
    pub postgres_reconcile_seconds: NonZeroU32,
    /// How long a row waits for an entry that it names and that is nowhere, in seconds.
    pub postgres_parent_wait_seconds: u32,
    /// Level or filter of the log.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// What flags say of the configuration; the rest comes from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flags {
    /// Overrides [`NodeConfig::dir`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Overrides [`NodeConfig::listen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Overrides [`NodeConfig::key_file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Overrides [`NodeConfig::token_file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Overrides [`NodeConfig::published`], where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
    /// Overrides [`NodeConfig::p2p_listen`], where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub p2p_listen: Vec<String>,
    /// Overrides [`NodeConfig::peers`], where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// Overrides [`NodeConfig::bootnodes`], where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bootnodes: Vec<String>,
    /// Overrides [`NodeConfig::discover`], where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub discover: Vec<String>,
    /// Overrides [`NodeConfig::allow_peers`], where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_peers: Vec<String>,
    /// Overrides [`NodeConfig::max_peers`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_peers: Option<u32>,
    /// Overrides [`NodeConfig::network_key_file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_key_file: Option<PathBuf>,
    /// Overrides [`NodeConfig::forward_to`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_to: Option<String>,
    /// Overrides [`NodeConfig::postgres_url_file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_url_file: Option<PathBuf>,
    /// Overrides [`NodeConfig::log_level`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// Overrides [`NodeConfig::log_format`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
}

/// What is wrong with a configuration: every finding, each with its key, its source and what
/// to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// Reads the configuration from `file`, the environment and `flags`, in that order of growing
/// precedence.
///
/// # Errors
/// [`ConfigError`].
pub fn load(file: Option<&Path>, flags: &Flags) -> Result<NodeConfig, ConfigError> {
    let defaults = Serialized::defaults(Defaults {
        listen: DEFAULT_LISTEN,
        published: [],
        p2p_listen: [],
        peers: [],
        bootnodes: [],
        discover: [],
        allow_peers: [],
        max_peers: DEFAULT_MAX_PEERS,
        postgres_outbox: false,
        postgres_mirror: false,
        postgres_reconcile_seconds: DEFAULT_RECONCILE_SECONDS,
        postgres_parent_wait_seconds: postgres::DEFAULT_PARENT_WAIT_SECONDS,
        log_level: "info",
        log_format: LogFormat::Pretty,
    });
    let mut figment = Figment::from(defaults);
    if let Some(file) = file {
        if !file.is_file() {
            let problem = "does not exist or is no file; write it, or leave --config out";
            return Err(ConfigError(vec![format!("{} {problem}", file.display())]));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    figment
        .merge(Env::prefixed(ENV_PREFIX))
        .merge(FlagSource(flags))
        .extract()
        .map_err(|error| ConfigError(error.into_iter().map(|error| explain(&error)).collect()))
}

impl NodeConfig {
    /// The database that it names, in one way or the other.
    ///
    /// # Errors
    /// [`DatabaseConfigError`].
    pub fn database(&self) -> Result<Option<Address>, DatabaseConfigError> {
        match (&self.postgres_url, &self.postgres_url_file) {
            (Some(_), Some(_)) => Err(DatabaseConfigError::Both),
            (Some(address), None) => Ok(Some(address.clone())),
            (None, Some(path)) => Ok(Some(secret::read_text(path)?.parse()?)),
            (None, None) => Ok(None),
        }
    }
}

/// Why it isn't known which database is meant.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseConfigError {
    /// There are two settings for one thing.
    #[error("postgres_url and postgres_url_file are both set; remove one of them")]
    Both,
    /// The file can't be read.
    #[error("postgres_url_file: {0}")]
    File(#[from] SecretError),
    /// What stands in it is no URL.
    #[error("postgres_url_file: {0}")]
    Url(#[from] PostgresError),
}

#[derive(Serialize)]
struct Defaults {
    listen: &'static str,
    published: [String; 0],
    p2p_listen: [String; 0],
    peers: [String; 0],
    bootnodes: [String; 0],
    discover: [String; 0],
    allow_peers: [String; 0],
    max_peers: u32,
    postgres_outbox: bool,
    postgres_mirror: bool,
    postgres_reconcile_seconds: u32,
    postgres_parent_wait_seconds: u32,
    log_level: &'static str,
    log_format: LogFormat,
}

/// A bounded list of places.
fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Place>, D::Error> {
    let places = Vec::<Place>::deserialize(deserializer)?;
    if places.len() > MAX_PLACES {
        let problem = format!("{} places are given, at most {MAX_PLACES}", places.len());
        return Err(D::Error::custom(problem));
    }
    Ok(places)
}

/// A bounded list of multiaddresses.
fn targets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Multiaddr>, D::Error> {
    let texts = bounded(Vec::<String>::deserialize(deserializer)?, MAX_TARGETS)?;
    let parse = |text: String| {
        let parsed = text.parse();
        parsed.map_err(|error| {
            D::Error::custom(format!(
                "`{text}` is no multiaddress ({error}); write it as in /ip4/192.0.2.1/tcp/4001 or /dns4/ledger.example/tcp/4001/p2p/12D3Koo…"
            ))
        })
    };
    texts.into_iter().map(parse).collect()
}

/// A bounded list of peer ids.
fn peer_ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<PeerId>, D::Error> {
    let texts = bounded(Vec::<String>::deserialize(deserializer)?, MAX_ALLOWED_PEERS)?;
    let parse = |text: String| {
        let parsed = text.parse();
        parsed.map_err(|error| D::Error::custom(format!("`{text}` is no peer id ({error})")))
    };
    texts.into_iter().map(parse).collect()
}

fn bounded<E: serde::de::Error>(list: Vec<String>, limit: usize) -> Result<Vec<String>, E> {
    if list.len() > limit {
        return Err(E::custom(format!("{} are given, at most {limit}", list.len())));
    }
    Ok(list)
}

struct FlagSource<'a>(&'a Flags);

impl Provider for FlagSource<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("the command line")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Serialized::defaults(self.0).data()
    }
}

/// A sentence of one finding: the key, where it was set, what is wrong, what to do.
fn explain(error: &figment::Error) -> String {
    use figment::error::Kind;
    let key = error.path.join(".");
    let source = match &error.metadata {
        None => String::new(),
        Some(metadata) if metadata.name.contains("environment") => {
            format!(" (from {ENV_PREFIX}{})", key.to_uppercase())
        }
        Some(metadata) => match &metadata.source {
            Some(source) => format!(" (from {source})"),
            None => format!(" (from {})", metadata.name),
        },
    };
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let known = known.join(", ");
            format!("{name}{source}: there is no such setting; remove it, or use one of: {known}")
        }
        Kind::MissingField(name) => format!(
            "{name}: not set; set it in the file, as {ENV_PREFIX}{}, or as --{}",
            name.to_uppercase(),
            name.replace('_', "-")
        ),
        Kind::Message(problem) if key.is_empty() => format!("{problem}{source}"),
        problem => format!("{key}{source}: {problem}; correct it there"),
    }
}
