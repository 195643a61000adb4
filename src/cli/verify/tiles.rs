//! A served log, read as C2SP `tlog-tiles` and believed only as far as its signed checkpoint.
//!
//! The hash tiles are read from the top down. The root of the checkpoint is made of the right
//! edges of all levels, and each full tile is the hash that stands for it a level above; so
//! when a leaf arrives, its true hash is known already, and one that was altered can be named.

use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, StatusCode, Url};

use super::NotProven;
use crate::cli::address::base_url;
use crate::protocol::checkpoint::MAX_NOTE_BYTES;
use crate::protocol::hash::{DIGEST_BYTES, TreeHash};
use crate::protocol::spec::MAX_LEAF_BYTES;
use crate::protocol::tree::Frontier;
use crate::store::TILE_WIDTH;

/// The most requests that wait for an answer at the same time.
pub const MAX_REQUESTS: usize = 8;
/// How often a request is made before it is given up.
const MAX_ATTEMPTS: u32 = 4;
/// How long an answer may take, in seconds.
const TIMEOUT_SECONDS: u64 = 60;
/// The pause before the second attempt, in milliseconds; it doubles each time.
const FIRST_PAUSE_MS: u64 = 250;
/// The longest bundle of entries, in bytes.
const MAX_BUNDLE_BYTES: usize = 256 * (2 + MAX_LEAF_BYTES);
/// The longest tile of hashes, in bytes.
const MAX_TILE_BYTES: usize = 256 * DIGEST_BYTES;

/// A log behind a URL.
pub struct TileClient {
    client: Client,
    base: Url,
}

/// The hashes of a log that its checkpoint vouches for: all levels of tiles but the lowest,
/// and of that the partial tile at its end.
pub struct Hashes {
    size: u64,
    /// The hashes of level 1, one for each full tile of level 0.
    full_tiles: Vec<TreeHash>,
    /// The hashes of the partial tile of level 0; empty where the last one is full.
    edge: Vec<TreeHash>,
}

impl TileClient {
    /// The log under `url`.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let base = base_url(url)?;
        let client = Client::builder().timeout(Duration::from_secs(TIMEOUT_SECONDS)).build()?;
        Ok(Self { client, base })
    }

    /// The signed checkpoint.
    pub async fn checkpoint(&self) -> anyhow::Result<String> {
        let bytes = self.get("checkpoint", MAX_NOTE_BYTES).await?;
        Ok(String::from_utf8(bytes).map_err(|_| NotProven::new("the checkpoint is not UTF-8"))?)
    }

    /// The first `width` leaves of bundle `number`, as they come.
    pub async fn bundle(&self, number: u64, width: u64) -> anyhow::Result<Vec<u8>> {
        self.get(&tile_path("tile/entries", number, width), MAX_BUNDLE_BYTES).await
    }

    /// The first `width` hashes of a tile.
    pub async fn tile(&self, level: u8, number: u64, width: u64) -> anyhow::Result<Vec<TreeHash>> {
        let path = tile_path(&format!("tile/{level}"), number, width);
        let bytes = self.get(&path, MAX_TILE_BYTES).await?;
        let (chunks, rest) = bytes.as_chunks::<DIGEST_BYTES>();
        if chunks.len() as u64 != width || !rest.is_empty() {
            let problem = format!("{path} has {} bytes, not {width} hashes", bytes.len());
            return Err(NotProven::new(problem).into());
        }
        Ok(chunks.iter().map(|hash| TreeHash(*hash)).collect())
    }

    /// All levels of the log's hashes but the lowest, checked against the root.
    pub async fn hashes(&self, size: u64, root: TreeHash) -> anyhow::Result<Hashes> {
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
            let problem = "the served hash tiles don't lead to the root that the authority signed";
            return Err(NotProven::new(problem).into());
        }
        for (level, pair) in (1u8..).zip(levels.windows(2).skip(1)) {
            let [lower, upper] = pair else { unreachable!("windows of two") };
            for ((number, tile), expected) in (0u64..).zip(lower.chunks_exact(256)).zip(upper) {
                if tile_root(tile) != *expected {
                    let problem = format!(
                        "the served hash tile {level}/{number} was altered: it isn't what the signed checkpoint commits to"
                    );
                    return Err(NotProven::new(problem).into());
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
    async fn level_edge(&self, size: u64) -> anyhow::Result<Vec<TreeHash>> {
        match size % TILE_WIDTH {
            0 => Ok(Vec::new()),
            width => self.tile(0, size / TILE_WIDTH, width).await,
        }
    }

    /// All `count` hashes of a level.
    async fn level(&self, level: u8, count: u64) -> anyhow::Result<Vec<TreeHash>> {
        let tiles = stream::iter(0..count.div_ceil(TILE_WIDTH)).map(|number| async move {
            let width = TILE_WIDTH.min(count - number * TILE_WIDTH);
            self.tile(level, number, width).await
        });
        tiles
            .buffered(MAX_REQUESTS)
            .try_fold(Vec::new(), |mut hashes, tile| async move {
                hashes.extend(tile);
                Ok(hashes)
            })
            .await
    }

    /// What stands at a path under the log's URL, at most `limit_bytes` of it.
    pub async fn get(&self, path: &str, limit_bytes: usize) -> anyhow::Result<Vec<u8>> {
        let url = self.base.join(path).with_context(|| format!("{path} makes no URL"))?;
        let mut pause = Duration::from_millis(FIRST_PAUSE_MS);
        for attempt in 1..=MAX_ATTEMPTS {
            match self.get_once(&url, limit_bytes).await {
                Err(Fetch::Again(_)) if attempt < MAX_ATTEMPTS => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(Fetch::Again(error) | Fetch::Never(error)) => return Err(error),
                Ok(bytes) => return Ok(bytes),
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn get_once(&self, url: &Url, limit_bytes: usize) -> Result<Vec<u8>, Fetch> {
        let again = |error: reqwest::Error| {
            let error = anyhow::Error::new(error.without_url());
            Fetch::Again(error.context(format!("can't read {url}")))
        };
        let mut response = self.client.get(url.clone()).send().await.map_err(again)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Fetch::Again(anyhow::anyhow!("{url} answered {status}")));
            }
            status => return Err(Fetch::Never(anyhow::anyhow!("{url} answered {status}"))),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(again)? {
            if bytes.len() + chunk.len() > limit_bytes {
                let problem = format!("{url} is longer than {limit_bytes} bytes");
                return Err(Fetch::Never(NotProven::new(problem).into()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// Why there is no answer, and whether asking again may help.
enum Fetch {
    Again(anyhow::Error),
    Never(anyhow::Error),
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

/// The first `count` leaves of a bundle, or as many as are whole, and what comes after them.
pub fn split_bundle(bundle: &[u8], count: usize) -> (Vec<&[u8]>, &[u8]) {
    let (mut leaves, mut rest) = (Vec::with_capacity(count), bundle);
    while leaves.len() < count
        && let Some((length, tail)) = rest.split_first_chunk()
        && let Some((leaf, tail)) = tail.split_at_checked(u16::from_be_bytes(*length).into())
    {
        leaves.push(leaf);
        rest = tail;
    }
    (leaves, rest)
}

/// The root over a full tile.
fn tile_root(hashes: &[TreeHash]) -> TreeHash {
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

/// The path of a tile: `x001/x234/067` for number 1234067, `.p/<width>` for a partial one.
fn tile_path(kind: &str, number: u64, width: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width == TILE_WIDTH { format!("{kind}/{path}") } else { format!("{kind}/{path}.p/{width}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tree::leaf_hash;

    #[test]
    fn paths_are_those_of_tlog_tiles() {
        let cases = [
            (0, 256, "tile/0/000"),
            (5, 256, "tile/0/005"),
            (999, 7, "tile/0/999.p/7"),
            (1_000, 256, "tile/0/x001/000"),
            (1_234_067, 256, "tile/0/x001/x234/067"),
        ];
        for (number, width, path) in cases {
            assert_eq!(tile_path("tile/0", number, width), path);
        }
    }

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
