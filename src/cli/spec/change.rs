//! `counterfoil spec change`: writing a change of the spec.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;

use super::draft::ChangeDraft;
use super::parse_currency;
use crate::cli::address::base_url;
use crate::cli::{Exit, Outcome, output};
use crate::ledger;
use crate::node::files;
use crate::protocol::entry::SpecChange;
use crate::protocol::hash::{ChainId, EntryId, HeaderHash};
use crate::protocol::key::PublicKey;
use crate::protocol::money::Currency;
use crate::protocol::spec::{Currencies, Governance, Limits, Witness};
use crate::protocol::succession::Succession;
use crate::store::Store;

/// How long a node may take to say where its ledger stands, in seconds.
const TIMEOUT_SECONDS: u64 = 30;

/// Write a change of the chain spec, to be signed by those who govern
///
/// Give what is to be otherwise; all else stays. `--authority`, `--governance` and `--witness`
/// state the whole new list. The file is TOML: read it through, and change in it what you like,
/// before anybody signs.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil spec change --url http://127.0.0.1:8080 --blocks-ahead 100 \\\n      \
    --authority d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a --out change.toml\n  \
    counterfoil spec change --dir ledger --at-once --currency CHF=2 --out change.toml"
)]
pub struct Change {
    #[command(flatten)]
    ledger: Source,
    #[command(flatten)]
    when: When,
    /// The key that seals; again for each that stands by
    #[arg(long = "authority", value_name = "HEX")]
    authorities: Vec<PublicKey>,
    /// A key that governs; again for each
    #[arg(long = "governance", value_name = "HEX", requires = "quorum")]
    governance: Vec<PublicKey>,
    /// How many of those must sign a change
    #[arg(long, value_name = "NUMBER", requires = "governance")]
    quorum: Option<u16>,
    /// A witness; again for each
    #[arg(long = "witness", value_name = "NAME=HEX", value_parser = parse_witness)]
    witnesses: Vec<Witness>,
    /// A currency to add, and how many decimals the ledger keeps of it; again for each
    #[arg(long = "currency", value_name = "CODE=DECIMALS", value_parser = parse_currency)]
    currencies: Vec<(Currency, u8)>,
    /// The most entries of a block
    #[arg(long, value_name = "NUMBER")]
    block_entries: Option<u32>,
    /// The most bytes of a block's entries
    #[arg(long, value_name = "NUMBER")]
    block_bytes: Option<u32>,
    /// How far an event may lie ahead of its block's time, in milliseconds
    #[arg(long, value_name = "NUMBER")]
    event_ahead_ms: Option<u64>,
    /// The version of the rules
    #[arg(long, value_name = "NUMBER")]
    rules_version: Option<u16>,
    /// The file to write, never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The ledger whose spec is to be changed.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// The node that serves it
    #[arg(long)]
    url: Option<String>,
    /// Its data directory, while no node runs on it
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// From when on the change holds.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct When {
    /// From so many blocks after the last one on: no fewer than may be sealed before it is submitted
    #[arg(long, value_name = "NUMBER")]
    blocks_ahead: Option<u64>,
    /// From this block on
    #[arg(long, value_name = "NUMBER")]
    from_height: Option<u64>,
    /// From the block after the last one on, which must be the block that the change stands in: for
    /// when nobody seals meanwhile
    #[arg(long)]
    at_once: bool,
}

/// Where a ledger stands.
struct Standing {
    chain_id: ChainId,
    height: u64,
    hash: HeaderHash,
    number: u32,
    previous: Option<EntryId>,
    limits: Limits,
    /// What is in force when, where it can be looked at.
    succession: Option<Succession>,
}

/// What is read of `/v1/chain`.
#[derive(Deserialize)]
struct ChainPage {
    chain_id: ChainId,
    head: HeadPage,
    next_change: NextChangePage,
    limits: LimitsPage,
}

#[derive(Deserialize)]
struct HeadPage {
    height: u64,
    hash: HeaderHash,
}

#[derive(Deserialize)]
struct NextChangePage {
    number: u32,
    previous: Option<EntryId>,
}

#[derive(Deserialize)]
struct LimitsPage {
    block_entries: u32,
    block_bytes: u32,
    event_ahead_ms: u64,
}

impl Change {
    pub fn run(self) -> Outcome {
        let standing = match (&self.ledger.url, &self.ledger.dir) {
            (Some(url), _) => Standing::of_node(url)?,
            (_, Some(dir)) => Standing::of_directory(dir)?,
            (None, None) => unreachable!("clap asks for one of them"),
        };
        let (chain_id, event_time) = (standing.chain_id, ledger::now());
        let draft = ChangeDraft { chain_id, event_time, change: self.change(&standing)? };
        if let Some(succession) = &standing.succession {
            succession.changed(&draft.change).context("this can't be changed so")?;
        }
        let text = draft.to_text()?;
        let mut file = OpenOptions::new();
        file.write(true)
            .create_new(true)
            .open(&self.out)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("can't write {}", self.out.display()))?;
        draft.show()?;
        output::line(format_args!("{:<11} {}", "wrote", self.out.display()))?;
        Ok(Exit::Fine)
    }

    fn change(&self, standing: &Standing) -> anyhow::Result<SpecChange> {
        let next = standing.height.saturating_add(1);
        let from_height = match self.when {
            When { at_once: true, .. } => next,
            When { from_height: Some(height), .. } => height,
            When { blocks_ahead: Some(blocks), .. } => standing.height.saturating_add(blocks),
            When { .. } => unreachable!("clap asks for one of them"),
        };
        if from_height < next || (from_height == next && !self.when.at_once) {
            bail!(
                "block {} is there already, and from {next} on a change holds only with --at-once",
                standing.height
            );
        }
        let mut change = SpecChange::new(standing.number, standing.previous, from_height);
        change.after = self.when.at_once.then_some(standing.hash);
        change.authorities = stated(&self.authorities);
        change.governance = self.quorum.map(|quorum| {
            let keys = self.governance.clone();
            Governance { keys, quorum }
        });
        change.witnesses = stated(&self.witnesses);
        change.currencies = Currencies::new(self.currencies.iter().copied());
        let limits = Limits {
            block_entries: self.block_entries.unwrap_or(standing.limits.block_entries),
            block_bytes: self.block_bytes.unwrap_or(standing.limits.block_bytes),
            event_ahead_ms: self.event_ahead_ms.unwrap_or(standing.limits.event_ahead_ms),
        };
        change.limits = (limits != standing.limits).then_some(limits);
        change.rules_version = self.rules_version;
        Ok(change)
    }
}

fn stated<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

impl Standing {
    fn of_node(url: &str) -> anyhow::Result<Self> {
        let url = base_url(url)?.join("v1/chain")?;
        let context = format!("{url} doesn't say where its ledger stands");
        let asked = async {
            let client = reqwest::Client::builder();
            let client = client.timeout(Duration::from_secs(TIMEOUT_SECONDS)).build()?;
            client.get(url).send().await?.error_for_status()?.json::<ChainPage>().await
        };
        let page = tokio::runtime::Runtime::new()?.block_on(asked).context(context)?;
        let LimitsPage { block_entries, block_bytes, event_ahead_ms } = page.limits;
        Ok(Self {
            chain_id: page.chain_id,
            height: page.head.height,
            hash: page.head.hash,
            number: page.next_change.number,
            previous: page.next_change.previous,
            limits: Limits { block_entries, block_bytes, event_ahead_ms },
            succession: None,
        })
    }

    fn of_directory(directory: &Path) -> anyhow::Result<Self> {
        let (store, _committer) = Store::open(directory, files::chain_of(directory)?)?;
        let tip = &store.head().tip;
        Ok(Self {
            chain_id: store.chain().id(),
            height: tip.height,
            hash: tip.header_hash,
            number: tip.succession.next_number(),
            previous: tip.succession.last_change(),
            limits: tip.spec().limits,
            succession: Some(Succession::clone(&tip.succession)),
        })
    }
}

fn parse_witness(text: &str) -> Result<Witness, String> {
    let (name, key) = text.split_once('=').ok_or("write it as in witness.example=0f6dd0b9…")?;
    let key = key.parse().map_err(|error| format!("{error}"))?;
    Ok(Witness { name: name.to_owned(), key })
}
