//! The log's tiles (C2SP `tlog-tiles`): full ones in the store, the right edge in memory.
//!
//! A tile of level *l* holds up to 256 hashes of level 8·*l*. A full tile never changes; the
//! hashes of each level that don't fill a tile yet are its edge. The edge follows from the
//! leaves, and is made anew from them when the store is opened.

use crate::protocol::hash::TreeHash;
use crate::protocol::tree::node_hash;

/// How many hashes a full tile holds.
pub const TILE_WIDTH: u64 = 256;
/// Half a tile's hashes: what one value of the store holds, 4 KiB.
pub(super) const HALF_TILE_HASHES: usize = 128;
/// Levels of the tree that one level of tiles spans.
pub(super) const LEVELS_A_TILE: u32 = 8;

/// A full tile that an append completed.
pub(super) struct FullTile {
    pub level: u8,
    pub number: u64,
    pub hashes: Vec<TreeHash>,
}

/// The hashes of each level that don't fill a tile yet, lowest level first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edge {
    size: u64,
    levels: Vec<Vec<TreeHash>>,
}

impl Edge {
    /// An edge of `size` leaves whose partial tiles are known already.
    pub(super) fn from_levels(size: u64, levels: Vec<Vec<TreeHash>>) -> Self {
        Self { size, levels }
    }

    /// How many leaves the tree has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash; full tiles go to `full`.
    pub(super) fn push(&mut self, leaf: TreeHash, full: &mut Vec<FullTile>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0..=u8::MAX {
            let depth = usize::from(level);
            if self.levels.len() == depth {
                self.levels.push(Vec::new());
            }
            let Some(edge) = self.levels.get_mut(depth) else { unreachable!("pushed above") };
            edge.push(hash);
            if (edge.len() as u64) < TILE_WIDTH {
                return;
            }
            let hashes = std::mem::take(edge);
            hash = perfect_root(&hashes);
            let number = hashes_at(level, self.size) / TILE_WIDTH - 1;
            full.push(FullTile { level, number, hashes });
        }
    }

    /// The partial tile of `level`, if `number` is the one at the edge.
    pub(super) fn partial(&self, level: u8, number: u64) -> Option<&[TreeHash]> {
        if hashes_at(level, self.size) / TILE_WIDTH != number {
            return None;
        }
        self.levels.get(usize::from(level)).map(Vec::as_slice)
    }
}

/// How many hashes a level of tiles has in a tree of `size` leaves.
pub(super) fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(LEVELS_A_TILE * u32::from(level)).unwrap_or(0)
}

/// The root over hashes whose number is a power of two.
pub(super) fn perfect_root(hashes: &[TreeHash]) -> TreeHash {
    if let [hash] = hashes {
        return *hash;
    }
    let (left, right) = hashes.split_at(hashes.len() / 2);
    node_hash(&perfect_root(left), &perfect_root(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tree::{Frontier, leaf_hash};

    #[test]
    fn tiles_and_frontier_agree() {
        let (mut edge, mut frontier, mut full) = (Edge::default(), Frontier::default(), Vec::new());
        for index in 0..70_000u64 {
            let leaf = leaf_hash(&index.to_be_bytes());
            edge.push(leaf, &mut full);
            frontier.push(leaf);
        }
        assert_eq!(full.len(), 70_000 / 256 + 1);
        let top = full.iter().find(|tile| tile.level == 1).unwrap();
        assert_eq!(top.number, 0);
        // The first level-1 tile is the complete subtree of 65,536 leaves.
        let mut first = Frontier::default();
        for index in 0..65_536u64 {
            first.push(leaf_hash(&index.to_be_bytes()));
        }
        assert_eq!(perfect_root(&top.hashes), first.root());
        assert_eq!(edge.partial(0, 273).map(<[_]>::len), Some(70_000 % 256));
        assert_eq!(edge.partial(1, 1).map(<[_]>::len), Some(70_000 / 256 - 256));
        assert_eq!(edge.partial(2, 0).map(<[_]>::len), Some(1));
        assert_eq!(edge.partial(0, 272), None);
    }
}
