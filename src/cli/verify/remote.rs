//! Verifying a published log: checkpoint and tiles, nothing else.

use std::sync::Arc;

use futures::{StreamExt, stream};

use super::replay::{self, Replay};
use super::{NotProven, ProvenLedger};
use crate::cli::progress;
use crate::cli::tiles::{Bundle, Hashes, LeafContent, MAX_READS, PublishedLog, TileError};
use crate::protocol::hash::TreeHash;
use crate::protocol::tile_path::TILE_WIDTH;
use crate::protocol::verify::Chain;

pub fn verify(log: &PublishedLog, chain: &Arc<Chain>) -> anyhow::Result<ProvenLedger> {
    let verified = tokio::runtime::Runtime::new()?.block_on(verify_log(log, chain));
    verified.map_err(|error| match error.downcast::<NotProven>() {
        Ok(not_proven) => not_proven.into(),
        Err(error) => error.context(log.to_string()),
    })
}

/// What was read and is wrong disproves; what can't be read says nothing.
fn not_proven(error: TileError) -> anyhow::Error {
    if error.is_silence() { error.into() } else { NotProven::new(error.to_string()).into() }
}

async fn verify_log(log: &PublishedLog, chain: &Arc<Chain>) -> anyhow::Result<ProvenLedger> {
    let origin = &chain.spec().origin;
    // Who must have signed it, the log itself tells. Until that was read it is but a claim; what
    // the first authority signed must be so all the same.
    let signed = log.checkpoint(origin, &[chain.spec().authority()]).await.map_err(not_proven)?;
    let checkpoint = &signed.checkpoint;
    let hashes = log.hashes(checkpoint.size, checkpoint.root).await.map_err(not_proven)?;
    let mut replay = Replay::new(chain.clone());
    let bar = progress::bar(checkpoint.size, "leaves");
    let mut tiles = stream::iter(0..hashes.tiles())
        .map(|number| read_tile(log, number, hashes.width(number)))
        .buffered(MAX_READS);
    let mut number = 0;
    while let Some(tile) = tiles.next().await {
        let tile = tile.map_err(not_proven)?;
        tile.verify(&hashes, number, chain, &mut replay)?;
        number += 1;
        bar.set_position(checkpoint.size.min(number * TILE_WIDTH));
    }
    bar.finish_and_clear();
    replay.finish(checkpoint)?;
    let wrong = |error| NotProven::new(format!("the checkpoint: {error}"));
    signed.check(&replay.tip().spec().authority()).map_err(wrong)?;
    let mut checked = vec![
        "signature: the authority's, on the checkpoint, which covers every block before it",
        "leaves: each has the hash that the checkpoint commits to",
    ];
    checked.extend(replay::CHECKED);
    Ok(replay.proven(checked, vec![replay::NO_WITNESSES]))
}

/// A tile of hashes and the leaves that belong to it, as they were served.
struct Tile {
    hashes: Vec<TreeHash>,
    bundle: Bundle,
}

async fn read_tile(log: &PublishedLog, number: u64, width: u64) -> Result<Tile, TileError> {
    let (hashes, bundle) =
        futures::try_join!(log.hashes_of(0, number, width), log.bundle(number, width))?;
    Ok(Tile { hashes, bundle })
}

impl Tile {
    /// Verifies the hashes, then each leaf in order.
    fn verify(
        self,
        hashes: &Hashes,
        number: u64,
        chain: &Chain,
        replay: &mut Replay,
    ) -> Result<(), NotProven> {
        let first = number * TILE_WIDTH;
        if !hashes.vouch_for(number, &self.hashes) {
            return Err(self.altered_hashes(hashes, number));
        }
        for ((index, leaf), expected) in (first..).zip(self.bundle.leaves).zip(&self.hashes) {
            let height = if index == 0 { 0 } else { replay.next_height() };
            let wrong = |problem: String| NotProven::at_leaf(index, height, problem);
            let leaf = leaf.map_err(wrong)?;
            if leaf.hash != *expected {
                return Err(wrong(
                    "it was altered: its hash isn't the one that the signed checkpoint commits to"
                        .to_owned(),
                ));
            }
            match leaf.content.map_err(wrong)? {
                LeafContent::Header(header) if index == 0 => {
                    if *header != *chain.genesis() {
                        return Err(wrong("it isn't the genesis of this chain spec".to_owned()));
                    }
                }
                LeafContent::Entry(_) if index == 0 => {
                    return Err(wrong("an entry stands where the genesis header must".to_owned()));
                }
                LeafContent::Header(header) => replay.header(&header)?,
                LeafContent::Entry(entry) => replay.entry(*entry)?,
            }
        }
        if self.bundle.excess > 0 {
            let problem =
                format!("bundle {number} has {} bytes after its last leaf", self.bundle.excess);
            return Err(NotProven::new(problem));
        }
        Ok(())
    }

    /// Says what is wrong with a tile of hashes that the checkpoint doesn't vouch for: its
    /// leaves may still be the true ones.
    fn altered_hashes(&self, hashes: &Hashes, number: u64) -> NotProven {
        let found: Vec<TreeHash> =
            self.bundle.leaves.iter().flatten().map(|leaf| leaf.hash).collect();
        let first = number * TILE_WIDTH;
        if !hashes.vouch_for(number, &found) {
            let last = first + hashes.width(number) - 1;
            return NotProven::new(format!(
                "the served hash tile 0/{number} was altered, and of the leaves from index {first} to {last} at least one"
            ));
        }
        let offset = found.iter().zip(&self.hashes).take_while(|(one, two)| one == two).count();
        let index = first + offset as u64;
        let problem = format!(
            "the served hash tile 0/{number} was altered: its hash of the leaf at index {index} isn't the one that the signed checkpoint commits to"
        );
        NotProven { index: Some(index), ..NotProven::new(problem) }
    }
}
