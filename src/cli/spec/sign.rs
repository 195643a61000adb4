//! `counterfoil spec sign`: a governance key's signature of a change, offline.

use std::path::PathBuf;

use clap::Args;

use super::draft::ChangeDraft;
use crate::cli::{Exit, Outcome, output};
use crate::node::{files, secret};
use crate::protocol::entry::Body;

/// Show a change of the chain spec, and sign it
///
/// Needs no node and no network: bring the file to the key. It shows all that is signed, and puts
/// the signature into the file, beside those of others. Without --key it only shows. Of each number
/// sign one change, and never a second.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil spec sign change.toml --spec chain-spec.toml --key governance.key"
)]
pub struct Sign {
    /// The change, made by `counterfoil spec change`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The chain spec that the ledger began with, from a trusted place
    #[arg(long)]
    spec: PathBuf,
    /// The governance key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Sign {
    pub fn run(self) -> Outcome {
        let spec = files::read_spec(&self.spec)?;
        let mut draft = ChangeDraft::read(&self.file)?;
        draft.check_chain(&spec)?;
        let Some(path) = &self.key else {
            draft.show()?;
            return Ok(Exit::Fine);
        };
        let key = secret::read_key(path)?;
        let mut entry = draft.entry();
        entry.sign_change(draft.chain_id, &key);
        if let Body::SpecChange(signed) = entry.body {
            draft.change = signed;
        }
        files::write_text(&self.file, &draft.to_text()?)?;
        draft.show()?;
        output::line(format_args!("{:<11} {}", "wrote", self.file.display()))?;
        Ok(Exit::Fine)
    }
}
