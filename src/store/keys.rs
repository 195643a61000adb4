//! Where everything lies: sled's trees, and the keys of `blocks`.
//!
//! | tree | what |
//! |---|---|
//! | `blocks` | the ledger itself, but for the leaves of entries |
//! | `bodies` | the leaves of entries, in chunks (`body.rs`), in slots |
//! | `tiles-0`, `tiles-1`, … | full tiles of the log, half a tile a slot (`tiles.rs`) |
//! | `pages` | the pages of sorted runs, in slots (`sorted/`) |
//! | `derived` | the manifest of those runs (`derived.rs`) |
//!
//! Tree `blocks`:
//!
//! | key | value |
//! |---|---|
//! | `h` height | the block's signature and header leaf |
//! | `x` index | the height of the block whose header has that log index |
//! | `s` index | the chunk that begins with the leaf at that log index |
//! | `chain` | the chain id |
//! | `head` | the height of the last block, and the number of the next chunk |
//!
//! Numbers in keys are big-endian, so that they sort.

/// The chain id, in `blocks`.
pub(super) const CHAIN: &[u8] = b"chain";
/// The height of the last block and the number of the next chunk, in `blocks`.
pub(super) const HEAD: &[u8] = b"head";

/// The first byte of each family of keys.
pub(super) mod family {
    pub(in crate::store) const HEADER: u8 = b'h';
    pub(in crate::store) const HEADER_INDEX: u8 = b'x';
    pub(in crate::store) const CHUNK_START: u8 = b's';
}

/// A key of a family and a number.
fn numbered(family: u8, number: u64) -> [u8; 9] {
    let mut key = [family; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn header(height: u64) -> [u8; 9] {
    numbered(family::HEADER, height)
}

pub(super) fn header_index(index: u64) -> [u8; 9] {
    numbered(family::HEADER_INDEX, index)
}

pub(super) fn chunk_start(index: u64) -> [u8; 9] {
    numbered(family::CHUNK_START, index)
}

/// The value of [`HEAD`].
pub(super) fn head(height: u64, next_chunk: u64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&height.to_be_bytes());
    value[8..].copy_from_slice(&next_chunk.to_be_bytes());
    value
}

/// The height of the last block, and the number of the next chunk.
pub(super) fn parse_head(value: &[u8]) -> Option<(u64, u64)> {
    let value: &[u8; 16] = value.try_into().ok()?;
    let (height, next_chunk) = (value.first_chunk()?, value.last_chunk()?);
    Some((u64::from_be_bytes(*height), u64::from_be_bytes(*next_chunk)))
}

/// The number that ends a key or makes up a value, if there are enough bytes for one.
pub(super) fn trailing_number(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|number| u64::from_be_bytes(*number))
}
