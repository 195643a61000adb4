//! `counterfoil spec submit`: a signed change of the spec, to a node or into a ledger.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::draft::ChangeDraft;
use crate::cli::address::base_url;
use crate::cli::{Exit, Outcome, output};
use crate::ledger::{self, Atomicity, Ledger, Rejection};
use crate::node::{files, secret};
use crate::protocol::block::EncodedEntry;
use crate::protocol::hash::EntryId;
use crate::protocol::spec::Currencies;
use crate::protocol::text::EntryText;

/// How long a node may take to seal a change, in seconds.
const TIMEOUT_SECONDS: u64 = 60;

/// Submit a signed change of the chain spec
///
/// To the node that seals (--url), or, with --dir and --key, into a ledger: by the successor, whose
/// key the change makes the authority, where the old authority is dead or hostile. Where several
/// signed a copy each, give all of them.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil spec submit change.toml --url http://127.0.0.1:8080 --token-file submit.token\n  \
    counterfoil spec submit change.toml --dir ledger --key successor.key"
)]
pub struct Submit {
    /// The change; again for each copy with signatures of its own
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The node
    #[arg(long, required_unless_present = "dir", conflicts_with = "dir")]
    url: Option<String>,
    /// The bearer token
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// The data directory of the ledger, while no node runs on it
    #[arg(long, requires = "key")]
    dir: Option<PathBuf>,
    /// The key that seals the block
    #[arg(long, value_name = "FILE", requires = "dir")]
    key: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where the change stands.
#[derive(Deserialize)]
struct Sealed {
    id: EntryId,
    height: u64,
}

/// A problem, as far as it matters here (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: Option<String>,
}

impl Submit {
    pub fn run(self) -> Outcome {
        let draft = self.draft()?;
        let encoded = EncodedEntry::new(draft.entry())?;
        let sealed = match (&self.url, &self.dir, &self.key) {
            (Some(url), ..) => self.send(url, &encoded)?,
            (None, Some(dir), Some(key)) => seal(dir, key, &draft, encoded)?,
            (None, ..) => unreachable!("clap asks for one of them"),
        };
        let (number, from_height) = (draft.change.number, draft.change.from_height);
        if self.json {
            output::json(&json!({
                "number": number, "id": sealed.id, "height": sealed.height,
                "from_height": from_height,
            }))?;
        } else {
            output::line(format_args!("change {number} is sealed in block {}", sealed.height))?;
            output::line(format_args!("it holds from block {from_height} on"))?;
        }
        Ok(Exit::Fine)
    }

    /// The change with the signatures of all copies.
    fn draft(&self) -> anyhow::Result<ChangeDraft> {
        let mut copies = self.files.iter().map(|file| ChangeDraft::read(file));
        let mut whole = copies.next().context("no file")??;
        for copy in copies {
            let mut copy = copy?;
            let signatures = std::mem::take(&mut copy.change.signatures);
            let mut unsigned = whole.clone();
            unsigned.change.signatures.clear();
            if copy != unsigned {
                bail!("these are not copies of one change");
            }
            for signed in signatures {
                whole.change.add_signature(signed);
            }
        }
        Ok(whole)
    }

    fn send(&self, url: &str, encoded: &EncodedEntry) -> anyhow::Result<Sealed> {
        let token = self.token_file.as_deref().map(secret::read_token).transpose()?;
        let text = EntryText::new(encoded.entry(), &Currencies::default())?;
        let url = base_url(url)?.join("v1/entries")?;
        let sent = async {
            let client = reqwest::Client::builder();
            let client = client.timeout(Duration::from_secs(TIMEOUT_SECONDS)).build()?;
            let mut request = client.post(url.clone()).json(&text);
            if let Some(token) = &token {
                request = request.bearer_auth(token.as_str());
            }
            let response = request.send().await?;
            let is_fine = response.status().is_success();
            Ok::<_, reqwest::Error>((is_fine, response.text().await?))
        };
        let (is_fine, answer) = tokio::runtime::Runtime::new()?.block_on(sent)?;
        if is_fine {
            return serde_json::from_str(&answer)
                .with_context(|| format!("{url} answered what is no result"));
        }
        match serde_json::from_str(&answer) {
            Ok(Problem { title, detail: Some(detail) }) => {
                bail!("{url} answered: {title}: {detail}")
            }
            Ok(Problem { title, detail: None }) => bail!("{url} answered: {title}"),
            Err(_) => bail!("{url} refused it, and gave no reason"),
        }
    }
}

/// Seals a block of the change alone.
fn seal(
    directory: &Path,
    key: &Path,
    draft: &ChangeDraft,
    encoded: EncodedEntry,
) -> anyhow::Result<Sealed> {
    let chain = files::chain_of(directory)?;
    draft.check_chain(chain.spec())?;
    let (ledger, writer) = Ledger::open(directory, chain, Some(secret::read_key(key)?))?;
    let submitted = ledger.submit(vec![encoded], Atomicity::AllOrNothing);
    let outcomes = tokio::runtime::Runtime::new()?.block_on(submitted);
    drop(ledger);
    writer.join();
    match outcomes?.pop() {
        Some(ledger::Outcome::Sealed(found) | ledger::Outcome::Existing(found)) => {
            Ok(Sealed { id: found.id, height: found.height })
        }
        Some(ledger::Outcome::Rejected(Rejection::Refused(refusal))) => {
            bail!("the change breaks the rule {}: {refusal}", refusal.rule())
        }
        Some(ledger::Outcome::Rejected(Rejection::Conflict { .. })) => {
            bail!("another change of this number is on the ledger already")
        }
        Some(ledger::Outcome::Rejected(Rejection::NotAtomic)) | None => {
            bail!("the ledger gave no reason")
        }
    }
}
