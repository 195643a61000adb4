//! `counterfoil reindex`: everything derived, made anew.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Outcome, output, progress};
use crate::node::files;
use crate::store::Store;

/// Drop and rebuild everything that is derived from the blocks
///
/// That is tiles, indexes and the rules' records; the blocks themselves are verified again on
/// the way, and stay as they are. Interrupted, it starts over at the next start. The node of
/// the directory must not be running.
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil reindex --dir ledger")]
pub struct Arguments {
    /// The data directory
    #[arg(long)]
    dir: PathBuf,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let chain = files::chain_of(&self.dir)?;
        let bar = progress::bar(0, "blocks");
        let (store, _committer) = Store::reindex(&self.dir, chain, |height, last| {
            bar.set_length(last);
            bar.set_position(height);
        })?;
        bar.finish_and_clear();
        let blocks = output::counted(store.head().height(), "block", "blocks");
        output::line(format_args!("rebuilt from {blocks}, each verified again"))?;
        Ok(Exit::Fine)
    }
}
