//! `counterfoil node`: serve a ledger.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::output::Misuse;
use super::{Exit, Logging, Outcome, output};
use crate::http::{Forwarder, SubmitAccess, TokenDigest};
use crate::network;
use crate::node::config::{self, Flags, NodeConfig};
use crate::node::serve::{self, Setup};
use crate::node::{files, secret, telemetry};
use crate::postgres;
use crate::postgres::reconcile::{MAX_MAPPING_BYTES, Mapping, Schedule};

/// Serve a ledger and, with its sealing key, take entries
///
/// Reads one TOML file, then `COUNTERFOIL_…` environment variables, then flags; the later win.
/// The settings in the file are named as the flags are, with underscores. Without a token
/// nobody can submit, and the node listens on loopback only. Stops on Ctrl-C or SIGTERM,
/// after the requests at hand.
#[derive(Args)]
#[command(after_help = "Examples:\n  counterfoil node --config counterfoil.toml\n  \
    counterfoil node --dir ledger --key-file authority.key --token-file submit.token --listen 0.0.0.0:8080")]
pub struct Arguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory, made by `counterfoil init`
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The address and port to serve on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The sealing key; without one the node only serves
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The bearer token for submitting
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A URL or file with a checkpoint of this ledger, asked before the first block is sealed;
    /// can be given more than once
    #[arg(long, value_name = "PLACE")]
    published: Vec<String>,
    /// A multiaddress to listen on for peers, such as /ip4/0.0.0.0/tcp/4001; can be given more than
    /// once
    #[arg(long, value_name = "MULTIADDR")]
    p2p_listen: Vec<String>,
    /// The multiaddress of a peer to stay connected to; can be given more than once
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
    /// The multiaddress of a peer to connect to while few are; can be given more than once
    #[arg(long = "bootnode", value_name = "MULTIADDR")]
    bootnodes: Vec<String>,
    /// How to find peers that nobody named: mdns asks the own network, kademlia the peers; can be
    /// given more than once
    #[arg(long, value_name = "HOW")]
    discover: Vec<String>,
    /// The id of a peer that may connect, where not everybody may; can be given more than once
    #[arg(long = "allow-peer", value_name = "PEER ID")]
    allow_peers: Vec<String>,
    /// How many connections others may begin, and as many again this node [default: 64]
    #[arg(long)]
    max_peers: Option<u32>,
    /// The network key, made where there is none [default: network.key in the data directory]
    #[arg(long, value_name = "FILE")]
    network_key_file: Option<PathBuf>,
    /// The URL of the authority's node, for a replica to pass submissions on to
    #[arg(long, value_name = "URL", conflicts_with_all = ["key_file", "token_file"])]
    forward_to: Option<String>,
    /// The file with the URL of the marketplace's database, whose outbox is submitted here where
    /// `postgres_outbox` is set
    #[arg(long, value_name = "FILE")]
    postgres_url_file: Option<PathBuf>,
    /// Print, as JSON, where it serves once it does
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self, logging: Logging) -> Outcome {
        let flags = Flags {
            dir: self.dir,
            listen: self.listen,
            key_file: self.key_file,
            token_file: self.token_file,
            published: self.published,
            p2p_listen: self.p2p_listen,
            peers: self.peers,
            bootnodes: self.bootnodes,
            discover: self.discover,
            allow_peers: self.allow_peers,
            max_peers: self.max_peers,
            network_key_file: self.network_key_file,
            forward_to: self.forward_to,
            postgres_url_file: self.postgres_url_file,
            log_level: logging.log_level,
            log_format: logging.log_format,
        };
        let config = config::load(self.config.as_deref(), &flags)?;
        telemetry::start(&config.log_level, config.log_format)?;
        serve::run(setup(config)?, move |serving| {
            let url = format!("http://{}", serving.address);
            // Whoever started it may not listen; the log says the same.
            let _ = if self.json {
                let p2p: Vec<String> = serving.p2p.iter().map(ToString::to_string).collect();
                let chain = serving.ledger.chain().id();
                output::line(json!({"url": url, "chain_id": chain, "p2p": p2p}))
            } else {
                output::line(format_args!("serving on {url}, Ctrl-C stops"))
            };
            std::future::ready(())
        })?;
        Ok(Exit::Fine)
    }
}

fn setup(config: NodeConfig) -> anyhow::Result<Setup> {
    let chain = files::chain_of(&config.dir)?;
    let key = config.key_file.as_deref().map(secret::read_key).transpose()?;
    if config.forward_to.is_some() && (key.is_some() || config.token_file.is_some()) {
        bail!(Misuse("forward_to: it is for a replica, which has neither key_file nor token_file: the authority decides who may submit".to_owned()));
    }
    let access = match (&config.forward_to, &config.token_file) {
        (Some(url), _) => SubmitAccess::Forward(Forwarder::new(url)?),
        (None, Some(path)) => SubmitAccess::Token(TokenDigest::new(&secret::read_token(path)?)),
        (None, None) => SubmitAccess::Closed,
    };
    let network = network(&config)?;
    let postgres = postgres(&config, key.is_some())?;
    let NodeConfig { dir, listen, published, .. } = config;
    Ok(Setup { chain, directory: dir, listen, key, access, published, network, postgres })
}

/// What it does for the marketplace's database.
fn postgres(config: &NodeConfig, seals: bool) -> anyhow::Result<Option<postgres::Settings>> {
    let Some(address) = config.database()? else {
        let jobs = [
            ("postgres_outbox", config.postgres_outbox),
            ("postgres_mirror", config.postgres_mirror),
            ("postgres_reconcile", config.postgres_reconcile.is_some()),
        ];
        if let Some((job, _)) = jobs.into_iter().find(|(_, wanted)| *wanted) {
            bail!(Misuse(format!("{job}: there is no database; set postgres_url_file")));
        }
        return Ok(None);
    };
    if config.postgres_outbox && !seals {
        bail!(Misuse(
            "postgres_outbox: this node seals nothing; set it on the authority's".to_owned()
        ));
    }
    let parent_wait = Duration::from_secs(config.postgres_parent_wait_seconds.into());
    let outbox = config.postgres_outbox.then_some(postgres::OutboxSettings { parent_wait });
    let reconcile = match &config.postgres_reconcile {
        None => None,
        Some(path) => {
            let mapping = Mapping::parse(&files::read_text(path, MAX_MAPPING_BYTES)?);
            let mapping =
                mapping.with_context(|| format!("postgres_reconcile: {}", path.display()));
            let every = Duration::from_secs(config.postgres_reconcile_seconds.get().into());
            Some(Schedule { mapping: Arc::new(mapping?), every })
        }
    };
    let mirror = config.postgres_mirror;
    Ok(Some(postgres::Settings { address, outbox, mirror, reconcile }))
}

/// Where nobody can connect and nobody is named there is no network.
fn network(config: &NodeConfig) -> anyhow::Result<Option<network::Settings>> {
    let NodeConfig { dir, p2p_listen, peers, bootnodes, discover, allow_peers, .. } = config;
    if p2p_listen.is_empty() && peers.is_empty() && bootnodes.is_empty() && discover.is_empty() {
        return Ok(None);
    }
    let key_file = config.network_key_file.clone();
    let key_file = key_file.unwrap_or_else(|| dir.join(files::NETWORK_KEY_FILE));
    Ok(Some(network::Settings {
        key: secret::network_key(&key_file)?,
        listen: p2p_listen.clone(),
        peers: peers.clone(),
        bootnodes: bootnodes.clone(),
        discovery: discover.clone(),
        allowed: (!allow_peers.is_empty()).then(|| allow_peers.clone()),
        max_peers: config.max_peers,
        bans_file: dir.join(files::BANS_FILE),
    }))
}
