//! What root a published log had at a smaller size, proven from its hash tiles.

use std::collections::HashMap;

use super::hashes::tile_root;
use super::{PublishedLog, TileError};
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::evidence::Beginning;
use crate::protocol::hash::TreeHash;
use crate::protocol::tile_path::{LEVELS_A_TILE, TILE_WIDTH, TileKind, TilePath};
use crate::protocol::tree::{Frontier, NodeSource, ProofError, consistency_proof, is_consistent};

/// The most tiles that are read for a proof. A root and a proof name at most 64 nodes each.
const MAX_PROOF_TILES: usize = 128;

impl PublishedLog {
    /// What the log of `checkpoint` was when it had `size` leaves, which are not more: proven, since it
    /// leads to the root that was signed.
    pub async fn beginning(
        &self,
        size: u64,
        checkpoint: &Checkpoint,
    ) -> Result<Beginning, TileError> {
        let mut nodes = Nodes::default();
        for _ in 0..=MAX_PROOF_TILES {
            let proven = nodes.root_of_first(size).and_then(|root| {
                consistency_proof(&nodes, size, checkpoint.size).map(|proof| (root, proof))
            });
            match proven {
                Ok((root, proof)) => {
                    let holds = is_consistent(size, root, checkpoint.size, checkpoint.root, &proof);
                    return holds.then_some(Beginning { root, proof }).ok_or(TileError::OtherRoot);
                }
                Err(ProofError::Source(Unread { level, number })) => {
                    let items = TileKind::Hashes(level).items(checkpoint.size, 0);
                    let tile = TilePath::of(TileKind::Hashes(level), number, items);
                    let width = tile.ok_or(TileError::OtherRoot)?.width;
                    let hashes = self.hashes_of(level, number, width).await?;
                    nodes.tiles.insert((level, number), hashes);
                }
                Err(ProofError::OutOfRange { .. }) => return Err(TileError::OtherRoot),
            }
        }
        Err(TileError::OtherRoot)
    }
}

/// Nodes of the tree, from the tiles that were read so far.
#[derive(Default)]
struct Nodes {
    tiles: HashMap<(u8, u64), Vec<TreeHash>>,
}

/// A tile that has to be read first.
#[derive(Debug)]
struct Unread {
    level: u8,
    number: u64,
}

impl Nodes {
    /// The root over the first `size` leaves.
    fn root_of_first(&self, size: u64) -> Result<TreeHash, ProofError<Unread>> {
        let mut peaks = Vec::new();
        let mut start = 0u64;
        for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(self.node(level, start >> level).map_err(ProofError::Source)?);
            start += 1 << level;
        }
        Ok(Frontier::from_peaks(size, peaks).root())
    }
}

impl NodeSource for Nodes {
    type Error = Unread;

    fn node(&self, level: u32, index: u64) -> Result<TreeHash, Unread> {
        let tile_level = u8::try_from(level / LEVELS_A_TILE).unwrap_or(u8::MAX);
        let depth = level % LEVELS_A_TILE;
        let (first, width) = (index << depth, 1usize << depth);
        let unread = Unread { level: tile_level, number: first / TILE_WIDTH };
        let hashes = self.tiles.get(&(unread.level, unread.number));
        let offset = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let below = hashes.and_then(|hashes| hashes.get(offset..offset.saturating_add(width)));
        below.map(tile_root).ok_or(unread)
    }
}
