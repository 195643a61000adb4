//! Verifying a served log: checkpoint and tiles, nothing else.

use std::sync::Arc;

use anyhow::Context;
use futures::{StreamExt, TryFutureExt, stream};

use super::replay::{self, Replay};
use super::tiles::{Hashes, MAX_REQUESTS, TileClient, split_bundle};
use super::{NotProven, ProvenLedger};
use crate::cli::progress;
use crate::protocol::block::{EncodedEntry, Header, Leaf};
use crate::protocol::checkpoint::{Checkpoint, CheckpointError};
use crate::protocol::hash::TreeHash;
use crate::protocol::tree::leaf_hash;
use crate::protocol::verify::Chain;
use crate::store::TILE_WIDTH;

pub fn verify(url: &str, chain: &Arc<Chain>) -> anyhow::Result<ProvenLedger> {
    let client = TileClient::new(url)?;
    tokio::runtime::Runtime::new()?.block_on(verify_log(&client, chain))
}

async fn verify_log(client: &TileClient, chain: &Arc<Chain>) -> anyhow::Result<ProvenLedger> {
    let origin = &chain.spec().origin;
    let note = client.checkpoint().await?;
    let wrong = |error| NotProven::new(format!("the checkpoint: {error}"));
    // Who must have signed it, the log itself tells. Until that was read it is but a claim; what
    // the first authority signed must be so all the same.
    let checkpoint = match Checkpoint::open(&note, origin, &chain.spec().authority()) {
        Ok((checkpoint, _)) => Ok(checkpoint),
        Err(CheckpointError::NotSigned) => Checkpoint::read(&note, origin),
        Err(error) => Err(error),
    }
    .map_err(wrong)?;
    let hashes = client.hashes(checkpoint.size, checkpoint.root).await?;
    let mut replay = Replay::new(chain.clone());
    let bar = progress::bar(checkpoint.size, "leaves");
    let mut tiles = stream::iter(0..hashes.tiles())
        .map(|number| read_tile(client, number, hashes.width(number)))
        .buffered(MAX_REQUESTS);
    let mut number = 0;
    while let Some(tile) = tiles.next().await {
        let tile = tile?;
        tile.verify(&hashes, number, chain, &mut replay)?;
        number += 1;
        bar.set_position(checkpoint.size.min(number * TILE_WIDTH));
    }
    bar.finish_and_clear();
    replay.finish(&checkpoint)?;
    Checkpoint::open(&note, origin, &replay.tip().spec().authority()).map_err(wrong)?;
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
    leaves: Vec<Result<ReadLeaf, String>>,
    /// Bytes after the last leaf.
    excess: usize,
}

/// A leaf that was read.
struct ReadLeaf {
    hash: TreeHash,
    content: Result<Content, String>,
}

enum Content {
    Header(Box<Header>),
    Entry(Box<EncodedEntry>),
}

async fn read_tile(client: &TileClient, number: u64, width: u64) -> anyhow::Result<Tile> {
    let (hashes, bundle) =
        futures::try_join!(client.tile(0, number, width), client.bundle(number, width))?;
    tokio::task::spawn_blocking(move || read_bundle(hashes, &bundle))
        .map_err(|error| anyhow::anyhow!(error))
        .await
        .context("reading leaves stopped")
}

/// Cuts a bundle into as many leaves as there are hashes, and decodes them.
fn read_bundle(hashes: Vec<TreeHash>, bundle: &[u8]) -> Tile {
    let (whole, rest) = split_bundle(bundle, hashes.len());
    let mut leaves: Vec<_> = whole.into_iter().map(|leaf| Ok(read_leaf(leaf))).collect();
    leaves.resize_with(hashes.len(), || Err("its bundle ends before it does".to_owned()));
    Tile { hashes, leaves, excess: rest.len() }
}

fn read_leaf(bytes: &[u8]) -> ReadLeaf {
    // Most leaves are entries.
    let content = match EncodedEntry::decode(bytes.to_vec()) {
        Ok(entry) => Ok(Content::Entry(Box::new(entry))),
        Err(error) => match Leaf::decode(bytes) {
            Ok(Leaf::Header(header)) => Ok(Content::Header(Box::new(header))),
            Ok(Leaf::Entry(_)) | Err(_) => Err(error.to_string()),
        },
    };
    ReadLeaf { hash: leaf_hash(bytes), content }
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
        for ((index, leaf), expected) in (first..).zip(self.leaves).zip(&self.hashes) {
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
                Content::Header(header) if index == 0 => {
                    if *header != *chain.genesis() {
                        return Err(wrong("it isn't the genesis of this chain spec".to_owned()));
                    }
                }
                Content::Entry(_) if index == 0 => {
                    return Err(wrong("an entry stands where the genesis header must".to_owned()));
                }
                Content::Header(header) => replay.header(&header)?,
                Content::Entry(entry) => replay.entry(*entry)?,
            }
        }
        if self.excess > 0 {
            let problem = format!("bundle {number} has {} bytes after its last leaf", self.excess);
            return Err(NotProven::new(problem));
        }
        Ok(())
    }

    /// Says what is wrong with a tile of hashes that the checkpoint doesn't vouch for: its
    /// leaves may still be the true ones.
    fn altered_hashes(&self, hashes: &Hashes, number: u64) -> NotProven {
        let found: Vec<TreeHash> = self.leaves.iter().flatten().map(|leaf| leaf.hash).collect();
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
