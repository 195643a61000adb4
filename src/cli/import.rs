//! `counterfoil import`: a ledger from a file.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::{Exit, Outcome, output, progress};
use crate::ledger::{Health, Ledger, archive};
use crate::node::files;
use crate::protocol::block::Block;

/// Append the blocks of an exported file to a ledger
///
/// Every block is verified as if it came from a stranger: links, roots, rules and signature.
/// Blocks that are there already are compared, so an import that was interrupted goes on where
/// it was. This is also the way back when a store was rolled back, by a restored snapshot say:
/// import what is missing, and the node seals again; `counterfoil mirror` does the same from
/// whoever publishes the ledger. A directory that was empty doesn't seal
/// until you `counterfoil adopt` it: where its blocks come from, somebody may still seal.
#[derive(Args)]
#[command(after_help = "Examples:\n  counterfoil init --spec chain-spec.toml --dir ledger\n  \
    counterfoil import backup.cfx --dir ledger")]
pub struct Arguments {
    /// The file, made by `counterfoil export`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data directory, made by `counterfoil init`
    #[arg(long)]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How many blocks there were, by what became of them.
#[derive(Default)]
struct Counts {
    appended: u64,
    present: u64,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let chain = files::chain_of(&self.dir)?;
        let (ledger, writer) = Ledger::open(&self.dir, chain.clone(), None)?;
        let is_new = ledger.head().height() == 0;
        let mut counts = Counts::default();
        let appended = append_file(&ledger, &self.file, &mut counts);
        let (head, health) = (ledger.head(), ledger.health());
        drop(ledger);
        writer.join();
        appended.with_context(|| {
            format!("stopped after height {}; what was appended stays", head.height())
        })?;
        let root = head.tip.tree.root();
        if self.json {
            output::json(&json!({
                "chain_id": chain.id(), "appended": counts.appended, "present": counts.present,
                "height": head.height(), "size": head.size(), "root": root,
            }))?;
        } else {
            let appended = output::counted(counts.appended, "block", "blocks");
            output::line(format_args!(
                "verified and appended {appended}, {} were there already",
                output::count(counts.present)
            ))?;
            output::line(format_args!(
                "height {}, log size {}, root {root}",
                output::count(head.height()),
                output::count(head.size())
            ))?;
            if is_new && head.height() > 0 {
                output::line(
                    "this directory serves and verifies; `counterfoil adopt` makes it seal",
                )?;
            }
        }
        match health {
            Health::Standing(standing) => bail!("{standing}"),
            health @ Health::Accused(_) => bail!("{health}"),
            Health::Sealing
            | Health::NoKey
            | Health::NotAuthority { .. }
            | Health::Held(_)
            | Health::Recovering(_)
            | Health::Failed => Ok(Exit::Fine),
        }
    }
}

fn append_file(ledger: &Ledger, path: &Path, counts: &mut Counts) -> anyhow::Result<()> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("can't open {name}"))?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress::bytes(bytes, "import");
    let input = BufReader::new(bar.wrap_read(file));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let context = || format!("{name}");
    for block in archive::open(input, ledger.chain().id()).with_context(context)? {
        let block = block.with_context(context)?;
        if is_present(ledger, &block)? {
            counts.present += 1;
        } else {
            runtime.block_on(ledger.append(block))?;
            counts.appended += 1;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Whether the ledger has this block.
fn is_present(ledger: &Ledger, block: &Block) -> anyhow::Result<bool> {
    let height = block.header.height;
    match ledger.view()?.block(height)? {
        Some(present) if present == *block => Ok(true),
        Some(_) => bail!(
            "block {height} of the file is another than the ledger's: they are two histories, and one key may have signed both; keep both and find out why"
        ),
        None => Ok(false),
    }
}
