//! `counterfoil init`: a data directory.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::{Exit, Outcome, output};
use crate::node::{files, secret};
use crate::protocol::spec::MAX_SPEC_BYTES;

/// Make a data directory for the ledger of a chain spec
///
/// Copies the chain spec into the directory. Doing it again with the same spec changes nothing;
/// a directory of another chain is refused. With --key the sealing key is checked against the
/// spec; it stays where it is.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil init --spec chain-spec.toml --dir ledger --key authority.key"
)]
pub struct Arguments {
    /// The chain spec
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
    /// The data directory to make
    #[arg(long)]
    dir: PathBuf,
    /// The sealing key, to check that it is the authority's
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        // Before anything is written.
        let spec = files::read_spec(&self.spec)?;
        if let Some(path) = &self.key {
            let found = secret::read_key(path)?.public();
            if found != spec.authority() {
                bail!(
                    "{} is the key {found}, but the chain spec's authority is {}; give that one's key, or put this one into the spec",
                    path.display(),
                    spec.authority()
                );
            }
        }
        let text = files::read_text(&self.spec, MAX_SPEC_BYTES)?;
        let chain = files::initialise(&self.dir, &text)?;
        let dir = self.dir.display();
        output::line(format_args!("data directory  {dir}"))?;
        output::line(format_args!("chain           {} ({})", chain.id(), chain.spec().name))?;
        let key = match &self.key {
            Some(key) => format!(" --key-file {}", key.display()),
            None => String::new(),
        };
        output::line(format_args!("next            counterfoil node --dir {dir}{key}"))?;
        Ok(Exit::Fine)
    }
}
