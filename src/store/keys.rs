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
//! Tree `tiles`:
//!
//! | key | value |
//! |---|---|
//! | level tile half | 128 hashes of a full tile of the log |
//!
//! Tree `runs`: the rules' records and the search index (`derived.rs`, `runs/`).
//!
//! Numbers in keys are big-endian, so that they sort.

/// The chain id, in `blocks`.
pub(super) const CHAIN: &[u8] = b"chain";
/// The height of the last block, in `blocks`.
pub(super) const HEAD: &[u8] = b"head";

/// The first byte of each family of keys.
pub(super) mod family {
    pub(in crate::store) const BODY: u8 = b'b';
    pub(in crate::store) const HEADER: u8 = b'h';
    pub(in crate::store) const HEADER_INDEX: u8 = b'x';
}

/// A key of a family and a number.
fn numbered(family: u8, number: u64) -> [u8; 9] {
    let mut key = [family; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
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

pub(super) fn tile(level: u8, tile: u64, half: u8) -> [u8; 10] {
    let mut key = [half; 10];
    key[0] = level;
    key[1..9].copy_from_slice(&tile.to_be_bytes());
    key
}

/// The number that ends a key or makes up a value, if there are enough bytes for one.
pub(super) fn trailing_number(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|number| u64::from_be_bytes(*number))
}
