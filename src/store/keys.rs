//! Where everything lies: sled's trees, and the keys of `blocks`. Sorted runs have files of their own,
//! in `runs` (`sorted/`).
//!
//! | tree | what |
//! |---|---|
//! | `blocks` | the ledger itself, but for the leaves of entries |
//! | `bodies` | the leaves of entries, in chunks (`body.rs`), in slots |
//! | `tiles-0`, `tiles-1`, … | full tiles of the log, half a tile a slot (`tiles.rs`) |
//! | `derived` | the manifest of sorted runs (`derived.rs`) |
//!
//! Tree `blocks`:
//!
//! | key | value |
//! |---|---|
//! | `h` height | the block's signature and header leaf |
//! | `x` index | of the block whose header has that log index: where it lies (`place.rs`) |
//! | `chain` | the chain id |
//! | `head` | the height of the last block, and the number of the next chunk |
//!
//! Every value ends with a sum over its key and itself (`table.rs`). Numbers in keys are big-endian, so that they sort.

use super::slots::STRIDE;

/// The chain id, in `blocks`.
pub(super) const CHAIN: &[u8] = b"chain";
/// The height of the last block and the number of the next chunk, in `blocks`.
pub(super) const HEAD: &[u8] = b"head";

/// The first byte of each family of keys.
pub(super) mod family {
    pub(in crate::store) const HEADER: u8 = b'h';
    pub(in crate::store) const HEADER_INDEX: u8 = b'x';
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

/// The value of [`HEAD`].
pub(super) fn head(height: u64, next_chunk: u64) -> [u8; 16] {
    pair(height, next_chunk)
}

/// The height of the last block, and the number of the next chunk.
pub(super) fn parse_head(value: &[u8]) -> Option<(u64, u64)> {
    let value: &[u8; 16] = value.try_into().ok()?;
    let (height, next_chunk) = (value.first_chunk()?, value.last_chunk()?);
    Some((u64::from_be_bytes(*height), u64::from_be_bytes(*next_chunk)))
}

/// Two numbers, one after the other.
pub(super) fn pair(first: u64, second: u64) -> [u8; 16] {
    (u128::from(first) << u64::BITS | u128::from(second)).to_be_bytes()
}

/// The number that ends a key or makes up a value, if there are enough bytes for one.
pub(super) fn trailing_number(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|number| u64::from_be_bytes(*number))
}

/// What stands under a key of a table, for people.
pub(super) fn place(table: &str, key: &[u8]) -> String {
    let text = || String::from_utf8_lossy(key);
    let number = trailing_number(key).unwrap_or_default();
    let slot = number / STRIDE;
    match (table, key.first(), key.len()) {
        ("blocks", Some(&family::HEADER), 9) => format!("header {number}"),
        ("blocks", Some(&family::HEADER_INDEX), 9) => {
            format!("the place of the block that ends at index {number}")
        }
        ("blocks", ..) if key == CHAIN || key == HEAD => text().into_owned(),
        ("bodies", _, 8) => format!("chunk {slot} of the leaves"),
        ("derived", ..) => text().into_owned(),
        (_, _, 8) => format!("half {slot} of the tiles in {table}"),
        _ => format!("{table} under key {}", hex::encode(key)),
    }
}
