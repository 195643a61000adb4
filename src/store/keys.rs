//! Where everything lies: the keys of the two trees.
//!
//! Tree `blocks`, the ledger itself:
//!
//! | key | value |
//! |---|---|
//! | `b` index fragment | entry leaves from that log index on, or a fragment of a long one |
//! | `h` height | the block's header leaf and signature |
//! | `x` index | the height of the block whose header has that log index |
//! | `chain` | the chain id |
//! | `head` | the height of the last block |
//!
//! Tree `derived`, all of which follows from `blocks`:
//!
//! | key | value |
//! |---|---|
//! | `s` state key | a record of the rules |
//! | `t` level tile half | 128 hashes of a full tile of the log |
//! | `i` entry id | the log index of the entry |
//! | `k` header hash | the height of the block |
//! | `p` facet digest index | that the entry at that index has that facet |
//! | `applied` | the height that all of these have reached |
//!
//! Numbers in keys are big-endian, so that they sort.

use crate::protocol::hash::{EntryId, HeaderHash, StateKey};

/// The chain id, in `blocks`.
pub(super) const CHAIN: &[u8] = b"chain";
/// The height of the last block, in `blocks`.
pub(super) const HEAD: &[u8] = b"head";
/// The height that everything derived has reached, in `derived`.
pub(super) const APPLIED: &[u8] = b"applied";

/// The first byte of each family of keys.
pub(super) mod family {
    pub(in crate::store) const BODY: u8 = b'b';
    pub(in crate::store) const HEADER: u8 = b'h';
    pub(in crate::store) const HEADER_INDEX: u8 = b'x';
    pub(in crate::store) const STATE: u8 = b's';
    pub(in crate::store) const TILE: u8 = b't';
    pub(in crate::store) const ENTRY_ID: u8 = b'i';
    pub(in crate::store) const HEADER_HASH: u8 = b'k';
    pub(in crate::store) const POSTING: u8 = b'p';
}

/// A key of a family and a number.
fn numbered(family: u8, number: u64) -> [u8; 9] {
    let mut key = [family; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// A key of a family and a digest.
fn digest(family: u8, digest: &[u8; 32]) -> [u8; 33] {
    let mut key = [family; 33];
    key[1..].copy_from_slice(digest);
    key
}

pub(super) fn body(first_index: u64, fragment: u8) -> [u8; 10] {
    let mut key = [fragment; 10];
    key[..9].copy_from_slice(&numbered(family::BODY, first_index));
    key
}

pub(super) fn header(height: u64) -> [u8; 9] {
    numbered(family::HEADER, height)
}

pub(super) fn header_index(index: u64) -> [u8; 9] {
    numbered(family::HEADER_INDEX, index)
}

pub(super) fn state(key: &StateKey) -> [u8; 33] {
    digest(family::STATE, key.as_bytes())
}

pub(super) fn entry_id(id: &EntryId) -> [u8; 33] {
    digest(family::ENTRY_ID, id.as_bytes())
}

pub(super) fn header_hash(hash: &HeaderHash) -> [u8; 33] {
    digest(family::HEADER_HASH, hash.as_bytes())
}

pub(super) fn tile(level: u8, tile: u64, half: u8) -> [u8; 11] {
    let mut key = [half; 11];
    key[0] = family::TILE;
    key[1] = level;
    key[2..10].copy_from_slice(&tile.to_be_bytes());
    key
}

/// Length of a posting's key without its index.
pub(super) const POSTING_PREFIX_BYTES: usize = 18;

pub(super) fn posting_prefix(facet: u8, digest: [u8; 16]) -> [u8; POSTING_PREFIX_BYTES] {
    let mut key = [0; POSTING_PREFIX_BYTES];
    key[0] = family::POSTING;
    key[1] = facet;
    key[2..].copy_from_slice(&digest);
    key
}

pub(super) fn posting(prefix: [u8; POSTING_PREFIX_BYTES], index: u64) -> [u8; 26] {
    let mut key = [0; 26];
    key[..POSTING_PREFIX_BYTES].copy_from_slice(&prefix);
    key[POSTING_PREFIX_BYTES..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The number that ends a key or makes up a value, if there are enough bytes for one.
pub(super) fn trailing_number(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|number| u64::from_be_bytes(*number))
}
