//! How entry leaves are packed into values.
//!
//! sled moves large values into files that it never syncs, so no value may be large. Leaves
//! are packed into chunks of at most [`MAX_VALUE_BYTES`]; a leaf that is longer by itself is
//! cut into fragments under keys that follow its own.

use super::error::StoreError;
use super::keys;

/// The longest value that the store writes, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 6 * 1024;

/// The first byte of a chunk of whole leaves, each after its length (two bytes, big-endian).
const PACKED: u8 = 0;
/// The first byte of a long leaf's first fragment; the number of fragments follows.
const FRAGMENTED: u8 = 1;
/// The payload of a fragment, in bytes.
const FRAGMENT_BYTES: usize = MAX_VALUE_BYTES - 2;

/// Packs leaves that follow each other from `first_index` on into keys and values.
pub(super) fn pack<'a>(
    first_index: u64,
    leaves: impl Iterator<Item = &'a [u8]>,
) -> Vec<([u8; 10], Vec<u8>)> {
    let mut values = Vec::new();
    let mut chunk: Option<(u64, Vec<u8>)> = None;
    for (index, leaf) in (first_index..).zip(leaves) {
        let needed = 2 + leaf.len();
        if chunk.as_ref().is_some_and(|(_, bytes)| bytes.len() + needed > MAX_VALUE_BYTES) {
            values.extend(chunk.take().map(|(first, bytes)| (keys::body(first, 0), bytes)));
        }
        if 1 + needed > MAX_VALUE_BYTES {
            values.extend(chunk.take().map(|(first, bytes)| (keys::body(first, 0), bytes)));
            values.extend(fragment(index, leaf));
            continue;
        }
        let (_, bytes) = chunk.get_or_insert_with(|| (index, vec![PACKED]));
        let length = u16::try_from(leaf.len()).expect("shorter than a value");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    values.extend(chunk.map(|(first, bytes)| (keys::body(first, 0), bytes)));
    values
}

fn fragment(index: u64, leaf: &[u8]) -> impl Iterator<Item = ([u8; 10], Vec<u8>)> {
    let count = leaf.len().div_ceil(FRAGMENT_BYTES);
    let count = u8::try_from(count).expect("a leaf has at most 65,535 bytes");
    (0..count).zip(leaf.chunks(FRAGMENT_BYTES)).map(move |(number, part)| {
        let mut value = vec![FRAGMENTED, count];
        value.extend_from_slice(part);
        (keys::body(index, number), value)
    })
}

/// Puts leaves together again from values that come in the order of their keys.
pub(super) struct Unpacker {
    next_index: u64,
    leaves: Vec<Vec<u8>>,
    /// Fragments of a long leaf that are still to come.
    missing: u8,
}

impl Unpacker {
    /// Leaves from `first_index` on.
    pub(super) fn new(first_index: u64) -> Self {
        Self { next_index: first_index, leaves: Vec::new(), missing: 0 }
    }

    /// Takes the next value.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let damaged = |problem| StoreError::damaged(place(key), problem);
        match value.split_first() {
            Some((&PACKED, mut rest)) if self.missing == 0 => {
                if key != keys::body(self.next_index, 0) {
                    return Err(damaged("leaves before it are missing"));
                }
                while !rest.is_empty() {
                    let (leaf, tail) =
                        split_leaf(rest).ok_or_else(|| damaged("a leaf is cut short"))?;
                    self.leaves.push(leaf.to_vec());
                    self.next_index += 1;
                    rest = tail;
                }
                Ok(())
            }
            Some((&FRAGMENTED, rest)) => {
                let (&count, part) =
                    rest.split_first().ok_or_else(|| damaged("a fragment is cut short"))?;
                let number = key.last().copied().unwrap_or_default();
                let expected = if self.missing == 0 { 0 } else { count - self.missing.min(count) };
                if count == 0 || number != expected || key != keys::body(self.next_index, number) {
                    return Err(damaged("fragments are missing"));
                }
                match self.leaves.last_mut() {
                    Some(leaf) if number > 0 => leaf.extend_from_slice(part),
                    _ => self.leaves.push(part.to_vec()),
                }
                self.missing = count - number - 1;
                self.next_index += u64::from(self.missing == 0);
                Ok(())
            }
            _ => Err(damaged("not a chunk of leaves")),
        }
    }

    /// The leaves, once all fragments are there.
    pub(super) fn finish(self) -> Result<Vec<Vec<u8>>, StoreError> {
        if self.missing > 0 {
            let place = format!("body of the entry at index {}", self.next_index);
            return Err(StoreError::damaged(place, "fragments are missing"));
        }
        Ok(self.leaves)
    }
}

/// The leaf `offset` places into a chunk, or `None` where the chunk ends before it.
pub(super) fn leaf_at(chunk: &[u8], offset: u64) -> Option<&[u8]> {
    let (&tag, mut rest) = chunk.split_first()?;
    for _ in 0..offset {
        rest = split_leaf(rest)?.1;
    }
    if tag == PACKED { split_leaf(rest).map(|(leaf, _)| leaf) } else { None }
}

/// Whether a value is a fragment of a long leaf.
pub(super) fn is_fragment(value: &[u8]) -> bool {
    value.first() == Some(&FRAGMENTED)
}

fn split_leaf(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn place(key: &[u8]) -> String {
    let index = key.get(1..9).and_then(keys::trailing_number);
    match index {
        Some(index) => format!("body from index {index}"),
        None => "a body under a bad key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packs_and_unpacks(lengths in prop::collection::vec(
            prop_oneof![1..400usize, 5_000..7_000usize, 60_000..=65_535usize], 1..20,
        )) {
            let leaves: Vec<Vec<u8>> =
                (0u8..).zip(&lengths).map(|(fill, length)| vec![fill; *length]).collect();
            let values = pack(7, leaves.iter().map(Vec::as_slice));
            prop_assert!(values.iter().all(|(_, value)| value.len() <= MAX_VALUE_BYTES));
            prop_assert!(values.is_sorted_by(|(left, _), (right, _)| left < right));
            let mut unpacker = Unpacker::new(7);
            for (key, value) in &values {
                unpacker.push(key, value).unwrap();
            }
            let unpacked = unpacker.finish().unwrap();
            prop_assert_eq!(&unpacked, &leaves);
            for missing in 0..values.len() {
                let mut unpacker = Unpacker::new(7);
                let rest = values.iter().enumerate().filter(|(place, _)| *place != missing);
                let whole = rest
                    .map(|(_, (key, value))| unpacker.push(key, value))
                    .collect::<Result<Vec<_>, _>>()
                    .and_then(|_| unpacker.finish());
                // Without the last chunk it is merely shorter, which the reader notices.
                prop_assert!(whole.map_or(true, |found| found.len() < leaves.len()));
            }
        }
    }
}
