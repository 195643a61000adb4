//! `counterfoil dev`: a ledger to try things on.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Exit, Outcome, output, progress};
use crate::http::SubmitAccess;
use crate::ledger::Ledger;
use crate::network::Multiaddr;
use crate::node::config::DEFAULT_LISTEN;
use crate::node::dev::{self, DEFAULT_SAMPLE_ENTRIES, MAX_DEV_NODES, MAX_SAMPLE_ENTRIES, Sample};
use crate::node::files::SPEC_FILE;
use crate::node::serve::{self, Serving, Setup};

/// Make and serve a ledger to try things on, in one command
///
/// Makes a directory with a key and a chain spec of its own, fills the ledger with the history
/// of an invented marketplace, and serves it. Anybody on this machine may submit to it. Started
/// again on the same directory it goes on where it was.
#[derive(Args)]
#[command(after_help = "Examples:\n  counterfoil dev\n  \
    counterfoil dev --nodes 3\n  \
    counterfoil dev --empty --dir /tmp/ledger --listen 127.0.0.1:0")]
pub struct Arguments {
    /// Leave the new ledger empty
    #[arg(long, conflicts_with = "entries")]
    empty: bool,
    /// The data directory
    #[arg(long, default_value = "counterfoil-dev")]
    dir: PathBuf,
    /// The address and port to serve on, loopback only; port 0 takes any that is free
    #[arg(long, default_value = DEFAULT_LISTEN, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// How many sample entries a new ledger gets
    #[arg(long, default_value_t = DEFAULT_SAMPLE_ENTRIES,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SAMPLE_ENTRIES))]
    entries: u64,
    /// How many nodes: one that seals, the others replicas of it on the ports that follow, each
    /// verifying everything again
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=MAX_DEV_NODES))]
    nodes: u16,
    /// Print, as JSON on one line, where it serves
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        if !self.listen.ip().is_loopback() {
            bail!(output::Misuse(format!(
                "--listen {}: a development ledger takes entries from anybody, so it listens on loopback only, such as 127.0.0.1:8080; use `counterfoil node` for the rest",
                self.listen
            )));
        }
        let entries = if self.empty { 0 } else { self.entries };
        let dev = dev::prepare(&self.dir, entries)?;
        let networked = self.nodes > 1;
        let setup = Setup {
            chain: dev.chain.clone(),
            directory: self.dir.clone(),
            listen: self.listen,
            key: Some(dev.key),
            access: SubmitAccess::Open,
            published: Vec::new(),
            network: networked.then(|| dev::network(&self.dir, &[])).transpose()?,
            postgres: None,
        };
        let mut places = Vec::new();
        for number in 1..self.nodes {
            places.push(dev::Replica::prepare(&self.dir, &dev.chain, number)?);
        }
        let missing_sample = dev.missing_sample;
        let listen = self.listen;
        let replicas = |peers: &[Multiaddr]| {
            places.into_iter().map(|replica| replica.setup(listen, peers)).collect()
        };
        serve::run_with_replicas(setup, replicas, move |serving, replicas| {
            // Whoever started it may not listen.
            let _ = self.announce(&serving, &replicas);
            async move {
                drop(replicas);
                if let Some(sample) = missing_sample {
                    fill(sample, &serving.ledger, &serving.stopping, self.json).await;
                }
            }
        })?;
        Ok(Exit::Fine)
    }

    fn announce(&self, serving: &Serving, replicas: &[Serving]) -> anyhow::Result<()> {
        let url = format!("http://{}", serving.address);
        let spec = self.dir.join(SPEC_FILE);
        let (dir, spec) = (self.dir.display(), spec.display());
        let chain = serving.ledger.chain().id();
        let replicas: Vec<String> =
            replicas.iter().map(|replica| format!("http://{}", replica.address)).collect();
        let p2p: Vec<String> = serving.p2p.iter().map(ToString::to_string).collect();
        if self.json {
            return output::line(json!({
                "url": url, "dir": dir.to_string(), "spec": spec.to_string(), "chain_id": chain,
                "replicas": replicas, "p2p": p2p,
            }));
        }
        let mut copies = String::new();
        for url in &replicas {
            let _ = writeln!(copies, "  replica     {url}/");
        }
        output::line(format_args!(
            "Counterfoil development ledger, chain {chain}\n\n  \
             explorer    {url}/\n  \
             API docs    {url}/docs\n  \
             checkpoint  {url}/checkpoint\n  \
             directory   {dir}\n  \
             chain spec  {spec}\n{copies}\n\
             Verify all of it, trusting only the chain spec (in another terminal):\n  \
             counterfoil verify --url {url} --spec {spec}\n\n\
             Ctrl-C stops; the same command goes on."
        ))
    }
}

async fn fill(sample: Sample, ledger: &Ledger, stopping: &CancellationToken, quiet: bool) {
    let bar = progress::bar(sample.entries(), "sample data");
    let filled = sample.fill(ledger, stopping, |count| bar.inc(count)).await;
    bar.finish_and_clear();
    let said = match filled {
        Ok(filled) if filled.interrupted => {
            format!("sample data: stopped after {}; the next start goes on", filled.sealed)
        }
        Ok(filled) => {
            let entries = output::counted(filled.sealed + filled.existing, "entry", "entries");
            let blocks = output::counted(ledger.head().height(), "block", "blocks");
            format!("sample data: {entries} in {blocks}")
        }
        Err(error) => return tracing::error!(%error, "the sample data is incomplete"),
    };
    if !quiet {
        let _ = output::line(said);
    }
}
