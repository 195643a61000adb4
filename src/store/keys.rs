//! Where everything lies: the keys of the two trees.
//!
//! Tree `blocks`, the ledger itself:
//!
//! | key | value |
//! |---|---|
//! | `b` index fragment | entry leaves from that log index on, or a fragment of a long one |
//! | `h` height | the block's header leaf and signature |
//! | `x` index | of the block whose header has that log index: where it begins, and its height |
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

/// The value under [`header_index`]: the index that a block begins with, and its height.
pub(super) fn block_place(first_index: u64, height: u64) -> [u8; 16] {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&first_index.to_be_bytes());
    place[8..].copy_from_slice(&height.to_be_bytes());
    place
}

/// The height of the block of `index`, by the first value of that kind from its key on; `None`
/// where that is another block's.
pub(super) fn height_of(index: u64, place: &[u8]) -> Option<u64> {
    let first = place.first_chunk().map(|first| u64::from_be_bytes(*first))?;
    trailing_number(place).filter(|_| first <= index)
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

/// What stands under a key of a table, for people.
pub(super) fn place(table: &str, key: &[u8]) -> String {
    let number = trailing_number(key);
    let from = |start: usize| key.get(start..start + 8).and_then(trailing_number);
    let found = match (table, key.first(), key.len()) {
        ("blocks", _, _) if key == CHAIN || key == HEAD => {
            Some(String::from_utf8_lossy(key).into_owned())
        }
        ("blocks", Some(&family::BODY), 10) => {
            from(1).map(|index| format!("body from index {index}"))
        }
        ("blocks", Some(&family::HEADER), 9) => number.map(|height| format!("header {height}")),
        ("blocks", Some(&family::HEADER_INDEX), 9) => {
            number.map(|index| format!("the height of the header at index {index}"))
        }
        ("tiles", Some(level), 10) => from(1).map(|number| format!("tile {level}/{number}")),
        ("runs", _, 8) => Some("manifest".to_owned()),
        ("runs", _, 13) => from(0).zip(key.get(8)).map(|(run, part)| {
            let part = if *part == 0 { "a page" } else { "the directory" };
            format!("{part} of run {run}")
        }),
        _ => None,
    };
    found.unwrap_or_else(|| format!("{table} under key {}", hex::encode(key)))
}
