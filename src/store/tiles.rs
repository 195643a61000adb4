//! The log's tiles (C2SP `tlog-tiles`): full ones in the store, the right edge in memory.
//!
//! A tile of level *l* holds up to 256 hashes of level 8·*l*. A full tile never changes; the
//! hashes of each level that don't fill a tile yet are its edge. The edge follows from the
//! leaves, and is made anew from them when the store is opened.

use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::sync::Cache;

use super::error::StoreError;
use super::slots::Slots;
use super::table::Table;
use crate::protocol::hash::{DIGEST_BYTES, TreeHash};
pub(super) use crate::protocol::tile_path::LEVELS_A_TILE;
pub use crate::protocol::tile_path::TILE_WIDTH;
use crate::protocol::tree::node_hash;

/// Half a tile's hashes: what one value of the store holds, 4 KiB.
const HALF_TILE_HASHES: usize = 128;

/// How many full tiles are kept in memory with all nodes above their hashes, 16 KiB each.
const CACHED_TILES: usize = 4096;
/// What each level's tree is called, before its number.
const TREE_PREFIX: &str = "tiles-";

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

/// Full tiles, as they are stored.
pub(super) struct TileStore {
    database: sled::Db,
    /// The slots of each level, the lowest first: two for a tile.
    levels: RwLock<Vec<Arc<Slots>>>,
    cache: Cache<(u8, u64), Arc<Tile>>,
}

/// A full tile and all nodes above its hashes.
pub(super) struct Tile {
    /// Each level of nodes, the hashes themselves first, one after the other.
    nodes: Vec<TreeHash>,
}

impl TileStore {
    pub(super) fn open(database: &sled::Db) -> Result<Self, StoreError> {
        let names = database.tree_names();
        let exists = |level: &usize| names.contains(&tree_name(*level).as_bytes().into());
        let levels = (0..).take_while(exists).map(|level| open_level(database, level));
        Ok(Self {
            levels: RwLock::new(levels.collect::<Result<_, _>>()?),
            database: database.clone(),
            cache: Cache::new(CACHED_TILES),
        })
    }

    /// Writes a tile. It is not durable before the store is synced.
    pub(super) fn put(&self, tile: &FullTile) -> Result<(), StoreError> {
        let slots = self.level_or_new(tile.level)?;
        for (half, hashes) in (2 * tile.number..).zip(tile.hashes.chunks(HALF_TILE_HASHES)) {
            slots.put(half, hashes.iter().flat_map(|hash| hash.0).collect())?;
        }
        Ok(())
    }

    /// A tile that was written.
    pub(super) fn get(&self, level: u8, number: u64) -> Result<Arc<Tile>, StoreError> {
        if let Some(tile) = self.cache.get(&(level, number)) {
            return Ok(tile);
        }
        let hashes = self.read(level, number)?;
        let hashes = hashes.ok_or_else(|| {
            StoreError::damaged(format!("tile {level}/{number}"), "missing or cut short")
        })?;
        let tile = Arc::new(Tile::new(hashes));
        self.cache.insert((level, number), tile.clone());
        Ok(tile)
    }

    fn read(&self, level: u8, number: u64) -> Result<Option<Vec<TreeHash>>, StoreError> {
        let Some(slots) = self.level(level) else { return Ok(None) };
        let mut hashes = Vec::with_capacity(2 * HALF_TILE_HASHES);
        for half in 2 * number..=2 * number + 1 {
            let Some(value) = slots.get(half)? else { return Ok(None) };
            let (whole, _) = value.as_chunks::<DIGEST_BYTES>();
            hashes.extend(whole.iter().map(|hash| TreeHash(*hash)));
        }
        Ok((hashes.len() == 2 * HALF_TILE_HASHES).then_some(hashes))
    }

    fn level(&self, level: u8) -> Option<Arc<Slots>> {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        levels.get(usize::from(level)).cloned()
    }

    fn level_or_new(&self, level: u8) -> Result<Arc<Slots>, StoreError> {
        if let Some(slots) = self.level(level) {
            return Ok(slots);
        }
        let mut levels = self.levels.write().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(levels.len(), usize::from(level), "a level's first tile is full of tiles below");
        let slots = open_level(&self.database, levels.len())?;
        levels.push(slots.clone());
        Ok(slots)
    }
}

fn tree_name(level: usize) -> String {
    format!("{TREE_PREFIX}{level}")
}

fn open_level(database: &sled::Db, level: usize) -> Result<Arc<Slots>, StoreError> {
    Slots::open(Table::open(database, &tree_name(level))?).map(Arc::new)
}

impl Tile {
    fn new(hashes: Vec<TreeHash>) -> Self {
        let mut nodes = hashes;
        let mut below = 0..nodes.len();
        while below.len() > 1 {
            let above: Vec<TreeHash> = nodes
                .get(below.clone())
                .unwrap_or_default()
                .chunks_exact(2)
                .map(perfect_root)
                .collect();
            below = nodes.len()..nodes.len() + above.len();
            nodes.extend(above);
        }
        Self { nodes }
    }

    /// The hashes of the tile itself.
    pub(super) fn hashes(&self) -> &[TreeHash] {
        self.nodes.get(..2 * HALF_TILE_HASHES).unwrap_or_default()
    }

    /// The node `index` places into the nodes that each span `2^depth` of the hashes.
    pub(super) fn node(&self, depth: u32, index: u64) -> Option<TreeHash> {
        let width = TILE_WIDTH >> depth;
        // Below a level of `width` nodes there are twice as many, and so on.
        let first = 2 * TILE_WIDTH - 2 * width;
        let place = usize::try_from(first + index).ok().filter(|_| index < width)?;
        self.nodes.get(place).copied()
    }

    /// The root over all hashes.
    pub(super) fn root(&self) -> TreeHash {
        *self.nodes.last().expect("a tile has hashes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tree::{Frontier, leaf_hash};

    #[test]
    fn a_tile_knows_its_nodes() {
        let hashes: Vec<TreeHash> = (0..256u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let tile = Tile::new(hashes.clone());
        assert_eq!(tile.hashes(), hashes);
        for depth in 0..=8 {
            for (index, part) in (0u64..).zip(hashes.chunks(1 << depth)) {
                assert_eq!(tile.node(depth, index), Some(perfect_root(part)), "{depth} {index}");
            }
            assert_eq!(tile.node(depth, 256 >> depth), None);
        }
        assert_eq!(tile.root(), perfect_root(&hashes));
    }

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
