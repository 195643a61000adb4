//! `counterfoil adopt`: a copy that is to seal from now on.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::{Exit, Outcome, output};
use crate::ledger::Published;
use crate::node::files;
use crate::node::published::Place;
use crate::protocol::verify::Chain;
use crate::store::{Standing, Store, View};

/// Make a restored or copied data directory the one that seals
///
/// A copy of a data directory doesn't seal by itself, nor does one whose guard was lost, nor one
/// that was filled by an import: another copy may have gone on from the same point, and two
/// blocks in one place are two stories that nobody can reconcile. By adopting a directory you
/// vouch for two things. First, that no other copy will ever seal again: it is gone, or has no
/// sealing key any more. Second, that nothing newer was released than is here: give the newest
/// checkpoint that anybody has seen, from a mirror, a peer, an auditor or a receipt, with
/// --checkpoint, and it is compared with the directory; only if there can be none, say
/// --nothing-newer-was-published. The node of the directory must not be running.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil adopt --dir ledger --checkpoint https://mirror.example/checkpoint\n  \
    counterfoil adopt --dir ledger --checkpoint newest.checkpoint\n  \
    counterfoil adopt --dir ledger --nothing-newer-was-published"
)]
pub struct Arguments {
    /// The data directory
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    newest: Newest,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Newest {
    /// The newest signed checkpoint of this ledger that anybody has seen: a URL or a file
    #[arg(long, value_name = "PLACE")]
    checkpoint: Option<Place>,
    /// Nobody has seen a checkpoint that is newer than the directory
    #[arg(long)]
    nothing_newer_was_published: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let chain = files::chain_of(&self.dir)?;
        let (store, mut committer) = Store::open(&self.dir, chain.clone())?;
        let view = store.view();
        check_head(&view)?;
        if let Some(place) = &self.newest.checkpoint {
            check_newest(place, &chain, &view)?;
        }
        let was = committer.standing().clone();
        if was != Standing::Sound {
            committer.adopt()?;
        }
        let (height, size) = (view.head().height(), view.head().size());
        let adopted = was != Standing::Sound;
        if self.json {
            output::json(&json!({
                "chain_id": chain.id(), "adopted": adopted, "height": height, "size": size,
            }))?;
        } else if adopted {
            output::line(format_args!(
                "this directory seals from now on, after height {} and log size {}; no other copy may ever seal again",
                output::count(height),
                output::count(size)
            ))?;
        } else {
            output::line("this directory is the one that seals already")?;
        }
        Ok(Exit::Fine)
    }
}

/// What goes into the guard must be what the authority signed.
fn check_head(view: &View) -> anyhow::Result<()> {
    let (checkpoint, signature) = view
        .checkpoint(view.head().height())?
        .context("a view holds every block up to its head")?;
    match signature {
        Some(signature) => checkpoint
            .verify(&view.spec().authority(), &signature)
            .context("the last block; run `counterfoil fsck`"),
        None => Ok(()),
    }
}

fn check_newest(place: &Place, chain: &Arc<Chain>, view: &View) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = place.checkpoint(&chain.spec().origin, &view.head().tip.succession);
    let (checkpoint, _) = runtime.block_on(asked).with_context(|| place.to_string())?;
    match Published::compare(view, &checkpoint)? {
        Published::Held => Ok(()),
        Published::Newer { size, own } => bail!(
            "{place} has a checkpoint of {size} leaves, this directory ends at {own}: import the missing blocks first (`counterfoil mirror` or `import`)"
        ),
        Published::Contradicts { size, published, own } => bail!(
            "at size {size} the root here is {own}, but {place} has a signed checkpoint with {published}: two histories by one key; this directory must not seal. Keep both and find out why"
        ),
    }
}
