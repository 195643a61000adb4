//! `counterfoil spec`: chain specs, and changes of them.
//!
//! | file | what |
//! |---|---|
//! | `change.rs` | writing a change |
//! | `draft.rs` | the file that it is until it is submitted |
//! | `sign.rs` | signing it, offline |
//! | `submit.rs` | submitting it |

mod change;
mod draft;
mod sign;
mod submit;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{Exit, Outcome, output};
use crate::ledger;
use crate::node::files;
use crate::protocol::checkpoint;
use crate::protocol::key::PublicKey;
use crate::protocol::money::Currency;
use crate::protocol::spec::{ChainSpec, Limits, RULES_VERSION};
use crate::protocol::time::Timestamp;

/// Write, check and hash chain specs, and change them
#[derive(Subcommand)]
pub enum Verb {
    New(New),
    Validate(Validate),
    Hash(Hash),
    Change(change::Change),
    Sign(sign::Sign),
    Submit(submit::Submit),
}

/// Write a new chain spec, with comments
///
/// Read it through and change what is to be otherwise before the first entry is sealed: from
/// then on it is part of the chain's identity.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil spec new --name \"Acme ledger\" --origin ledger.example/acme \\\n      \
    --authority d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a --out chain-spec.toml"
)]
pub struct New {
    /// What people call the ledger
    #[arg(long)]
    name: String,
    /// The origin of its checkpoints: a URL without scheme
    #[arg(long)]
    origin: String,
    /// The public key of the sealing authority (`counterfoil key show`)
    #[arg(long, value_name = "HEX")]
    authority: PublicKey,
    /// A currency and how many decimals the ledger keeps of it; again for each
    #[arg(long = "currency", value_name = "CODE=DECIMALS", default_values = ["EUR=2", "GBP=2", "USD=2"],
          value_parser = parse_currency)]
    currencies: Vec<(Currency, u8)>,
    /// A key that can change the spec later; again for each
    #[arg(long = "governance", value_name = "HEX", requires = "quorum")]
    governance: Vec<PublicKey>,
    /// How many of those must sign a change
    #[arg(long, value_name = "NUMBER", requires = "governance")]
    quorum: Option<u16>,
    /// The time of the genesis block [default: now]
    #[arg(long, value_name = "TIME")]
    genesis_time: Option<Timestamp>,
    /// The file to write, never overwritten; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Check a chain spec
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil spec validate chain-spec.toml")]
pub struct Validate {
    /// The chain spec
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print the chain id: the hash of the spec's canonical parameters, not of its text
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil spec hash chain-spec.toml")]
pub struct Hash {
    /// The chain spec
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verb {
    pub fn run(self) -> Outcome {
        match self {
            Self::New(arguments) => arguments.run(),
            Self::Validate(arguments) => arguments.run(),
            Self::Hash(arguments) => arguments.run(),
            Self::Change(arguments) => arguments.run(),
            Self::Sign(arguments) => arguments.run(),
            Self::Submit(arguments) => arguments.run(),
        }
    }
}

impl New {
    fn run(self) -> Outcome {
        let text = self.text();
        let spec = ChainSpec::parse(&text).map_err(|error| {
            output::Misuse(format!("no chain spec can be made of this: {error}"))
        })?;
        let Some(path) = &self.out else {
            output::line(text.trim_end())?;
            return Ok(Exit::Fine);
        };
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("can't write {}", path.display()))?;
        output::line(format_args!("wrote     {}", path.display()))?;
        output::line(format_args!("chain id  {}", spec.chain_id()))?;
        Ok(Exit::Fine)
    }

    fn text(&self) -> String {
        let string = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let genesis_time = self.genesis_time.unwrap_or_else(ledger::now);
        let currencies: Vec<String> =
            self.currencies.iter().map(|(code, scale)| format!("{code} = {scale}")).collect();
        let governance: Vec<String> =
            self.governance.iter().map(|key| format!("\"{key}\"")).collect();
        let Limits { block_entries, block_bytes, event_ahead_ms } = Limits::default();
        format!(
            "# A chain spec: the one thing that whoever verifies this ledger must get from a trusted\n\
             # place. Its chain id is the hash of what it says, not of this text (`counterfoil spec hash`).\n\
             \n\
             # What people call the ledger.\n\
             name = {name}\n\
             # The origin of its checkpoints: a URL without scheme, no slash at the end.\n\
             origin = {origin}\n\
             # The time of the genesis block.\n\
             genesis_time = \"{genesis_time}\"\n\
             # The version of the rules that holds from genesis.\n\
             rules_version = {RULES_VERSION}\n\
             # Public keys that may seal blocks. The first does; the others stand by.\n\
             authorities = [\"{authority}\"]\n\
             \n\
             # Offline keys that can change this spec later, and how many of them it takes. Without\n\
             # any, nothing of it can ever be changed.\n\
             [governance]\n\
             keys = [{governance}]\n\
             quorum = {quorum}\n\
             \n\
             # Witnesses whose cosignatures count, each as:\n\
             # [[witnesses]]\n\
             # name = \"witness.example/w1\"\n\
             # key = \"<64 hexadecimal digits>\"\n\
             \n\
             # Each currency, and how many decimals of it the ledger keeps.\n\
             [currencies]\n\
             {currencies}\n\
             \n\
             # Bounds that everybody agrees on.\n\
             [limits]\n\
             # The most entries of a block.\n\
             block_entries = {block_entries}\n\
             # The most bytes of a block's entries.\n\
             block_bytes = {block_bytes}\n\
             # How far an event may lie ahead of its block's time, in milliseconds.\n\
             event_ahead_ms = {event_ahead_ms}\n",
            currencies = currencies.join("\n"),
            governance = governance.join(", "),
            quorum = self.quorum.unwrap_or(0),
            name = string(&self.name),
            origin = string(&self.origin),
            authority = self.authority,
        )
    }
}

impl Validate {
    fn run(self) -> Outcome {
        let spec = files::read_spec(&self.file)?;
        let vkey = checkpoint::vkey(&spec.origin, &spec.authority());
        if self.json {
            output::json(&json!({
                "valid": true, "chain_id": spec.chain_id(), "vkey": vkey, "spec": spec,
            }))?;
            return Ok(Exit::Fine);
        }
        let currencies: Vec<String> =
            spec.currencies.iter().map(|(code, scale)| format!("{code} ({scale})")).collect();
        let lines = [
            ("valid", self.file.display().to_string()),
            ("name", spec.name.clone()),
            ("origin", spec.origin.clone()),
            ("chain id", spec.chain_id().to_string()),
            ("authority", spec.authority().to_string()),
            ("vkey", vkey),
            ("genesis", spec.genesis_time.to_string()),
            ("currencies", currencies.join(", ")),
            (
                "governance",
                format!("{} of {} keys", spec.governance.quorum, spec.governance.keys.len()),
            ),
            ("witnesses", spec.witnesses.len().to_string()),
        ];
        for (name, value) in lines {
            output::line(format_args!("{name:<11} {value}"))?;
        }
        Ok(Exit::Fine)
    }
}

impl Hash {
    fn run(self) -> Outcome {
        let id = files::read_spec(&self.file)?.chain_id();
        if self.json {
            output::json(&json!({"chain_id": id}))?;
        } else {
            output::line(id)?;
        }
        Ok(Exit::Fine)
    }
}

fn parse_currency(text: &str) -> Result<(Currency, u8), String> {
    let (code, scale) = text.split_once('=').ok_or("write it as in EUR=2")?;
    let code = Currency::new(code).map_err(|error| error.to_string())?;
    let scale = scale.parse().map_err(|_| "the decimals are a small number, as in EUR=2")?;
    Ok((code, scale))
}
