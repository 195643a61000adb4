//! A published log's hashes, checked against the root that the authority signed.
//!
//! The hash tiles are read from the top down. The root of the checkpoint is made of the right
//! edges of all levels, and each full tile is the hash that stands for it a level above; so
//! when a leaf arrives, its true hash is known already, and one that was altered can be named.

use futures::{StreamExt, TryStreamExt, stream};

use super::{MAX_READS, PublishedLog, TileError};
use crate::protocol::hash::TreeHash;
use crate::protocol::tile_path::TILE_WIDTH;
use crate::protocol::tree::Frontier;

/// The hashes of a log that its checkpoint vouches for: all levels of tiles but the lowest,
/// and of that the partial tile at its end.
pub struct Hashes {
    size: u64,
    /// The hashes of level 1, one for each full tile of level 0.
    full_tiles: Vec<TreeHash>,
    /// The hashes of the partial tile of level 0; empty where the last one is full.
    edge: Vec<TreeHash>,
}

impl PublishedLog {
    /// All levels of the log's hashes but the lowest, checked against the root.
    pub async fn hashes(&self, size: u64, root: TreeHash) -> Result<Hashes, TileError> {
        // From the lowest level up, because a level's size tells whether there is another.
        let mut levels = vec![self.level_edge(size).await?];
        for level in 1..=u8::MAX {
            let count = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
            if count == 0 {
                break;
            }
            levels.push(self.level(level, count).await?);
        }
        let edges = levels.iter().map(|hashes| {
            let edge = hashes.len() % 256;
            hashes.get(hashes.len() - edge..).unwrap_or_default()
        });
        if root_of_edges(edges) != root {
            return Err(TileError::OtherRoot);
        }
        for (level, pair) in (1u8..).zip(levels.windows(2).skip(1)) {
            let [lower, upper] = pair else { unreachable!("windows of two") };
            for ((number, tile), expected) in (0u64..).zip(lower.chunks_exact(256)).zip(upper) {
                if tile_root(tile) != *expected {
                    return Err(TileError::Altered { level, number });
                }
            }
        }
        let mut levels = levels.into_iter();
        let (edge, full_tiles) = (levels.next(), levels.next());
        Ok(Hashes {
            size,
            full_tiles: full_tiles.unwrap_or_default(),
            edge: edge.unwrap_or_default(),
        })
    }

    /// The partial tile at the end of level 0.
    async fn level_edge(&self, size: u64) -> Result<Vec<TreeHash>, TileError> {
        match size % TILE_WIDTH {
            0 => Ok(Vec::new()),
            width => self.hashes_of(0, size / TILE_WIDTH, width).await,
        }
    }

    /// All `count` hashes of a level.
    async fn level(&self, level: u8, count: u64) -> Result<Vec<TreeHash>, TileError> {
        let tiles = stream::iter(0..count.div_ceil(TILE_WIDTH)).map(|number| async move {
            let width = TILE_WIDTH.min(count - number * TILE_WIDTH);
            self.hashes_of(level, number, width).await
        });
        tiles
            .buffered(MAX_READS)
            .try_fold(Vec::new(), |mut hashes, tile| async move {
                hashes.extend(tile);
                Ok(hashes)
            })
            .await
    }
}

impl Hashes {
    /// How many tiles level 0 has.
    pub fn tiles(&self) -> u64 {
        self.size.div_ceil(TILE_WIDTH)
    }

    /// How many leaves tile `number` has.
    pub fn width(&self, number: u64) -> u64 {
        TILE_WIDTH.min(self.size - number * TILE_WIDTH)
    }

    /// Whether `hashes` are those of tile `number` of level 0, by the checkpoint.
    pub fn vouch_for(&self, number: u64, hashes: &[TreeHash]) -> bool {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        match self.full_tiles.get(place) {
            Some(expected) => hashes.len() == 256 && tile_root(hashes) == *expected,
            None => hashes == self.edge,
        }
    }
}

/// The root over hashes of one level, as those of a full tile.
pub(super) fn tile_root(hashes: &[TreeHash]) -> TreeHash {
    let mut tree = Frontier::default();
    for hash in hashes {
        tree.push(*hash);
    }
    tree.root()
}

/// The root of a log, from what each level of tiles has beyond its full tiles, lowest first.
///
/// What the levels below come to is one more node at the right of a level's edge.
fn root_of_edges<'a>(edges: impl Iterator<Item = &'a [TreeHash]>) -> TreeHash {
    let mut below: Option<TreeHash> = None;
    for edge in edges {
        let nodes: Vec<TreeHash> = edge.iter().copied().chain(below).collect();
        if !nodes.is_empty() {
            below = Some(tile_root(&nodes));
        }
    }
    below.unwrap_or_else(crate::protocol::tree::empty_root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tree::leaf_hash;

    #[test]
    fn edges_lead_to_the_root() {
        let sizes =
            [1, 2, 3, 100, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 70_000, 131_071];
        for size in sizes {
            let mut tree = Frontier::default();
            let mut levels: Vec<Vec<TreeHash>> = vec![Vec::new(); 3];
            for index in 0..size {
                let mut hash = leaf_hash(&u64::to_be_bytes(index));
                tree.push(hash);
                for level in &mut levels {
                    level.push(hash);
                    if level.len() < 256 {
                        break;
                    }
                    hash = tile_root(level);
                    level.clear();
                }
            }
            assert_eq!(root_of_edges(levels.iter().map(Vec::as_slice)), tree.root(), "{size}");
        }
    }
}
