//! Bundles of leaves, cut and decoded.

use crate::protocol::block::{EncodedEntry, Header, Leaf};
use crate::protocol::hash::TreeHash;
use crate::protocol::tree::leaf_hash;

/// A bundle of leaves, as it was read.
pub struct Bundle {
    /// Its path in the log.
    pub path: String,
    /// As many leaves as were asked for; one that the bundle ends before is an error.
    pub leaves: Vec<Result<ReadLeaf, String>>,
    /// How many bytes come after them that belong to no leaf of the log.
    pub excess: usize,
}

/// A leaf that was read.
pub struct ReadLeaf {
    pub hash: TreeHash,
    /// Or why it is none.
    pub content: Result<LeafContent, String>,
}

pub enum LeafContent {
    Header(Box<Header>),
    Entry(Box<EncodedEntry>),
}

/// Cuts the first `width` leaves off a bundle and decodes them. What comes after them, too.
pub fn cut(bundle: &[u8], width: usize) -> (Vec<Result<ReadLeaf, String>>, &[u8]) {
    let (mut leaves, mut rest) = (Vec::with_capacity(width), bundle);
    while leaves.len() < width
        && let Some((length, tail)) = rest.split_first_chunk()
        && let Some((leaf, tail)) = tail.split_at_checked(u16::from_be_bytes(*length).into())
    {
        leaves.push(Ok(read_leaf(leaf)));
        rest = tail;
    }
    leaves.resize_with(width, || Err("its bundle ends before it does".to_owned()));
    (leaves, rest)
}

fn read_leaf(bytes: &[u8]) -> ReadLeaf {
    // Most leaves are entries.
    let content = match EncodedEntry::decode(bytes.to_vec()) {
        Ok(entry) => Ok(LeafContent::Entry(Box::new(entry))),
        Err(error) => match Leaf::decode(bytes) {
            Ok(Leaf::Header(header)) => Ok(LeafContent::Header(Box::new(header))),
            Ok(Leaf::Entry(_)) | Err(_) => Err(error.to_string()),
        },
    };
    let hash = match &content {
        Ok(LeafContent::Entry(entry)) => entry.leaf_hash(),
        Ok(LeafContent::Header(_)) | Err(_) => leaf_hash(bytes),
    };
    ReadLeaf { hash, content }
}
