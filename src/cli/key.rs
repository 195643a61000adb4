//! `counterfoil key`: sealing keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Exit, Outcome, output};
use crate::node::secret;
use crate::protocol::checkpoint;

/// Make and look at sealing keys
#[derive(Subcommand)]
pub enum Verb {
    Generate(Generate),
    Show(Show),
}

/// Make a new sealing key
///
/// The file is an Ed25519 private key in PKCS #8 PEM that only you can read, as
/// `openssl genpkey -algorithm ed25519` makes them. It is never overwritten. Whoever has it can
/// sign in the ledger's name; without it nothing more can be sealed: keep a copy offline.
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil key generate --out authority.key")]
pub struct Generate {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show the public half of a sealing key
///
/// With --origin also the verifier key of C2SP signed-note, by which witnesses and other tools
/// know the log.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil key show authority.key --origin ledger.example/acme"
)]
pub struct Show {
    /// The key file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The origin of the ledger, as in its chain spec
    #[arg(long)]
    origin: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vkey: Option<String>,
}

impl Verb {
    pub fn run(self) -> Outcome {
        match self {
            Self::Generate(arguments) => arguments.run(),
            Self::Show(arguments) => arguments.run(),
        }
    }
}

impl Generate {
    fn run(self) -> Outcome {
        let key = secret::generate_key()?;
        secret::write_key(&self.out, &key)?;
        let shown = Shown { public_key: key.public().to_string(), vkey: None };
        if self.json {
            output::json(&shown)?;
        } else {
            output::line(format_args!("wrote       {}", self.out.display()))?;
            output::line(format_args!("public key  {}", shown.public_key))?;
        }
        Ok(Exit::Fine)
    }
}

impl Show {
    fn run(self) -> Outcome {
        let public = secret::read_key(&self.file)?.public();
        let vkey = self.origin.map(|origin| checkpoint::vkey(&origin, &public));
        let shown = Shown { public_key: public.to_string(), vkey };
        if self.json {
            output::json(&shown)?;
        } else {
            output::line(format_args!("public key  {}", shown.public_key))?;
            if let Some(vkey) = shown.vkey {
                output::line(format_args!("vkey        {vkey}"))?;
            }
        }
        Ok(Exit::Fine)
    }
}
