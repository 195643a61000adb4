//! What is published of the ledger: the parts of the log, 256 items at a time.

use super::View;
use super::error::StoreError;
use crate::protocol::tile_path::{TileKind, TilePath};

impl View {
    /// The bytes of a tile, by its path; `None` where the log doesn't have as much.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tile_bytes(&self, path: TilePath) -> Result<Option<Vec<u8>>, StoreError> {
        let TilePath { kind, number, width } = path;
        let items = kind.items(self.head().size(), self.head().height());
        let Some((first, end)) = path.range().filter(|(_, end)| *end <= items) else {
            return Ok(None);
        };
        let bytes = match kind {
            TileKind::Hashes(level) => match self.tile(level, number, width)? {
                Some(hashes) => hashes.iter().flat_map(|hash| hash.0).collect(),
                None => return Ok(None),
            },
            TileKind::Entries => bundle_of(&self.leaves(first, end)?),
            TileKind::Signatures => self.signatures(first, end)?,
        };
        Ok(Some(bytes))
    }

    /// The signatures of the blocks after the first `first` ones, until the first `end` ones,
    /// without genesis, which has none.
    fn signatures(&self, first: u64, end: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        for height in first + 1..=end {
            let signature = self.stored_header(height)?.signature.ok_or_else(|| {
                StoreError::damaged(format!("header {height}"), "it has no signature")
            })?;
            bytes.extend_from_slice(&signature.0);
        }
        Ok(bytes)
    }
}

/// Leaves, each after its length.
fn bundle_of(leaves: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        let length = u16::try_from(leaf.len()).expect("a leaf has at most 65,535 bytes");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    bytes
}
