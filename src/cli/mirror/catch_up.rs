//! Appending what is published and missing here.

use super::blocks::Blocks;
use super::error::MirrorError;
use crate::cli::progress;
use crate::cli::tiles::{LeafContent, PublishedCheckpoint, PublishedLog, TileError};
use crate::ledger::{AppendError, Ledger, Published, contradiction};
use crate::protocol::checkpoint::{Checkpoint, CheckpointError, SignedBy};
use crate::protocol::evidence::{Evidence, SignedRoot};
use crate::protocol::hash::TreeHash;
use crate::protocol::key::PublicKey;
use crate::protocol::spec::Limits;
use crate::protocol::tile_path::TILE_WIDTH;

/// Appends to `ledger` what `log` has more, up to the checkpoint that is published now, and counts
/// it in `appended`. When this returns, that checkpoint and the ledger tell one history.
pub async fn catch_up(
    ledger: &Ledger,
    log: &PublishedLog,
    appended: &mut u64,
) -> Result<Checkpoint, MirrorError> {
    let head = ledger.head();
    let keys = head.tip.succession.sealing_keys();
    let claimed = log.checkpoint(&ledger.chain().spec().origin, &keys).await?;
    let checkpoint = claimed.checkpoint.clone();
    if holds(ledger, &claimed).await? {
        let sealer = sealer_of(ledger, checkpoint.size).await?;
        claimed.check(&sealer).map_err(TileError::from)?;
        return Ok(checkpoint);
    }
    // Before anything is fetched: does it go on from here?
    let (size, own) = (head.size(), head.tip.tree.root());
    let beginning = log.beginning(size, &checkpoint).await?;
    if beginning.root != own {
        let published = beginning.root;
        let evidence = |SignedBy { key, signature }| {
            let (smaller, larger) = (head.signature?, SignedRoot::new(&checkpoint, signature));
            let smaller = SignedRoot { size, root: own, signature: smaller };
            Some(Evidence { key, smaller, larger, beginning: Some(beginning) })
        };
        let evidence = claimed.signed_by.and_then(evidence);
        return Err(two_histories(ledger, &claimed, (size, published, own), evidence).await);
    }
    let height = last_height(log, &checkpoint).await?;
    // As large as any chain may allow: what is in force there, the changes that are read on the way tell.
    let limits = Limits::default();
    let mut blocks = Blocks::new(log, &head, limits, checkpoint.size, height);
    let bar = progress::bar(checkpoint.size, "leaves");
    bar.set_position(size);
    bar.reset_eta();
    while let Some(read) = blocks.next().await? {
        let end = read.block.header.log_size();
        ledger.append(read.block).await.map_err(|error| match error {
            AppendError::Invalid(_) => {
                MirrorError::Block { error: Box::new(error), read_from: read.read_from }
            }
            AppendError::Accused { .. } | AppendError::Failed(_) | AppendError::Stopped => {
                MirrorError::Failed(error)
            }
        })?;
        *appended += 1;
        bar.set_position(end);
    }
    bar.finish_and_clear();
    if holds(ledger, &claimed).await? {
        let sealer = sealer_of(ledger, checkpoint.size).await?;
        claimed.check(&sealer).map_err(TileError::from)?;
        return Ok(checkpoint);
    }
    Err(MirrorError::Short { published: checkpoint.size, own: ledger.head().size() })
}

/// Who sealed the block that ends the log of that size, which the ledger has.
async fn sealer_of(ledger: &Ledger, size: u64) -> Result<PublicKey, MirrorError> {
    let tip = ledger.head().tip.clone();
    let height = ledger.read(move |view| view.height_of(size.saturating_sub(1))).await??;
    Ok(tip.succession.spec_at(height.unwrap_or(tip.height)).authority())
}

/// Whether the ledger has all that the checkpoint covers. It can't have anything else.
async fn holds(ledger: &Ledger, claimed: &PublishedCheckpoint) -> Result<bool, MirrorError> {
    let compared = claimed.checkpoint.clone();
    match ledger.read(move |view| Published::compare(view, &compared)).await?? {
        Published::Held => Ok(true),
        Published::Newer { .. } => Ok(false),
        Published::Contradicts { size, published, own } => {
            let evidence = match claimed.signed_by {
                None => None,
                Some(SignedBy { key, signature }) => {
                    let other = SignedRoot::new(&claimed.checkpoint, signature);
                    ledger.read(move |view| contradiction(view, key, other)).await??
                }
            };
            Err(two_histories(ledger, claimed, (size, published, own), evidence).await)
        }
    }
}

/// What there is to say where at one size there are two roots, `published` and `own`. Evidence is kept,
/// if it proves anything of the key that is in force.
async fn two_histories(
    ledger: &Ledger,
    claimed: &PublishedCheckpoint,
    (size, published, own): (u64, TreeHash, TreeHash),
    evidence: Option<Evidence>,
) -> MirrorError {
    if claimed.signed_by.is_none() {
        return TileError::from(CheckpointError::NotSigned).into();
    }
    // Genesis alone follows from the chain spec.
    if size == 1 {
        return MirrorError::OtherChain { published, own };
    }
    let is_kept = match evidence {
        Some(evidence) => ledger.accuse(evidence).await.is_ok(),
        None => false,
    };
    MirrorError::Contradiction { size, published, own, is_kept }
}

/// The height of the last block, by its own header: so many signatures are published.
async fn last_height(log: &PublishedLog, checkpoint: &Checkpoint) -> Result<u64, MirrorError> {
    let size = checkpoint.size;
    let number = size.saturating_sub(1) / TILE_WIDTH;
    let bundle = log.bundle(number, size - number * TILE_WIDTH).await?;
    let path = bundle.path;
    match bundle.leaves.into_iter().next_back() {
        Some(Ok(leaf)) => match leaf.content {
            Ok(LeafContent::Header(header)) if header.log_size() == size => Ok(header.height),
            _ => Err(MirrorError::Open { size }),
        },
        Some(Err(problem)) => {
            Err(MirrorError::Leaf { index: size.saturating_sub(1), path, problem })
        }
        None => Err(MirrorError::Open { size }),
    }
}
