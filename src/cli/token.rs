//! `counterfoil token`: the token for submitting.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Exit, Outcome, output};
use crate::node::secret;

/// Make tokens for submitting
#[derive(Subcommand)]
pub enum Verb {
    Generate(Generate),
}

/// Make a new random token
///
/// The file holds the token on one line and only you can read it. The node reads it by
/// `token_file`, `counterfoil submit` by --token-file; other clients send it as
/// `Authorization: Bearer <token>`.
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil token generate --out submit.token")]
pub struct Generate {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Verb {
    pub fn run(self) -> Outcome {
        let Self::Generate(arguments) = self;
        secret::write_token(&arguments.out, &secret::generate_token()?)?;
        output::line(format_args!("wrote {}", arguments.out.display()))?;
        Ok(Exit::Fine)
    }
}
