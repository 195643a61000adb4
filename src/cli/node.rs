//! `counterfoil node`: serve a ledger.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Exit, Logging, Outcome, output};
use crate::http::{SubmitAccess, TokenDigest};
use crate::node::config::{self, Flags, NodeConfig};
use crate::node::serve::{self, Setup};
use crate::node::{files, secret, telemetry};

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
            log_level: logging.log_level,
            log_format: logging.log_format,
        };
        let config = config::load(self.config.as_deref(), &flags)?;
        telemetry::start(&config.log_level, config.log_format)?;
        serve::run(setup(config)?, move |serving| {
            let url = format!("http://{}", serving.address);
            // Whoever started it may not listen; the log says the same.
            let _ = if self.json {
                output::line(json!({"url": url, "chain_id": serving.ledger.chain().id()}))
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
    let access = match &config.token_file {
        Some(path) => SubmitAccess::Token(TokenDigest::new(&secret::read_token(path)?)),
        None => SubmitAccess::Closed,
    };
    let NodeConfig { dir, listen, published, .. } = config;
    Ok(Setup { chain, directory: dir, listen, key, access, published })
}
