//! Verifying a data directory.

use std::path::Path;
use std::sync::Arc;

use super::replay::{self, Replay};
use super::{NotProven, ProvenLedger};
use crate::cli::progress;
use crate::protocol::verify::Chain;
use crate::store::{Ahead, Store, StoreError};

pub fn verify(
    directory: &Path,
    chain: &Arc<Chain>,
    spec_is_given: bool,
) -> anyhow::Result<ProvenLedger> {
    let (store, committer) = Store::open(directory, chain.clone()).map_err(not_proven)?;
    let view = store.view();
    let last = view.head().height();
    let mut replay = Replay::new(chain.clone());
    let bar = progress::bar(last, "blocks");
    let read = view.clone();
    let blocks = Ahead::new((1..=last).map(move |height| (height, read.block(height))))?;
    for (height, block) in blocks {
        let block = block.map_err(not_proven)?;
        let block = block.ok_or_else(|| NotProven::at_block(height, "it is missing"))?;
        replay.block(block)?;
        bar.set_position(height);
    }
    bar.finish_and_clear();
    if *replay.tip() != view.head().tip {
        return Err(
            NotProven::new("the head isn't the last block's; run `counterfoil fsck`").into()
        );
    }
    if !committer.standing().is_whole() {
        return Err(NotProven::new(committer.standing().to_string()).into());
    }
    let mut checked = vec!["signatures: the authority's, on the checkpoint of every block"];
    checked.extend(replay::CHECKED);
    let mut not_proven = vec![replay::NO_WITNESSES];
    if !spec_is_given {
        not_proven.push(
            "that this is the chain you mean: the chain spec was the directory's own; compare the chain id, or give --spec",
        );
    }
    Ok(replay.proven(checked, not_proven))
}

/// A store that is damaged disproves; one that can't be opened says nothing.
fn not_proven(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Damaged { .. } | StoreError::Diverged { .. } => {
            NotProven::new(error.to_string()).into()
        }
        other => other.into(),
    }
}
