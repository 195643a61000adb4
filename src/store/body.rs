//! How entry leaves are packed into values.
//!
//! Leaves are packed into chunks of at most [`MAX_VALUE_BYTES`]; a leaf that is longer by itself
//! is cut into fragments, a chunk each. Chunks are numbered through the whole ledger.
//!
//! | chunk | bytes |
//! |---|---|
//! | of whole leaves | 0, index of the first (8), then for each its length (2) and its bytes |
//! | of a fragment | 1, index of the leaf (8), the fragment's number from 0, how many there are, its bytes |

use super::error::StoreError;
use super::keys;
use super::slots::MAX_VALUE_BYTES;
use super::table::SUM_BYTES;

/// The first byte of a chunk of whole leaves.
const PACKED: u8 = 0;
/// The first byte of a fragment of a long leaf.
const FRAGMENTED: u8 = 1;
/// Bytes of a chunk before the first leaf: its kind and an index.
const PREAMBLE_BYTES: usize = 1 + 8;
/// The payload of a fragment, in bytes.
const FRAGMENT_BYTES: usize = MAX_VALUE_BYTES - PREAMBLE_BYTES - 2;

/// A value, and how many leaves begin in it.
pub(super) struct Chunk {
    pub leaves: u16,
    pub value: Vec<u8>,
}

/// Packs leaves that follow each other from `first_index` on into chunks.
pub(super) fn pack<'a>(first_index: u64, leaves: impl Iterator<Item = &'a [u8]>) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut open: Option<Chunk> = None;
    for (index, leaf) in (first_index..).zip(leaves) {
        let needed = 2 + leaf.len();
        let full = |chunk: &Chunk| chunk.value.len() + needed > MAX_VALUE_BYTES;
        if open.as_ref().is_some_and(full) {
            chunks.extend(open.take());
        }
        if PREAMBLE_BYTES + needed > MAX_VALUE_BYTES {
            chunks.extend(open.take());
            chunks.extend(fragment(index, leaf));
            continue;
        }
        let chunk = open.get_or_insert_with(|| {
            let mut value = Vec::with_capacity(MAX_VALUE_BYTES + SUM_BYTES);
            value.push(PACKED);
            value.extend_from_slice(&index.to_be_bytes());
            Chunk { leaves: 0, value }
        });
        let length = u16::try_from(leaf.len()).expect("shorter than a value");
        chunk.value.extend_from_slice(&length.to_be_bytes());
        chunk.value.extend_from_slice(leaf);
        chunk.leaves += 1;
    }
    chunks.extend(open);
    chunks
}

fn fragment(index: u64, leaf: &[u8]) -> impl Iterator<Item = Chunk> {
    let count = leaf.len().div_ceil(FRAGMENT_BYTES);
    let count = u8::try_from(count).expect("a leaf has at most 65,535 bytes");
    (0..count).zip(leaf.chunks(FRAGMENT_BYTES)).map(move |(number, part)| {
        let mut value = vec![FRAGMENTED];
        value.extend_from_slice(&index.to_be_bytes());
        value.extend_from_slice(&[number, count]);
        value.extend_from_slice(part);
        Chunk { leaves: u16::from(number == 0), value }
    })
}

/// Puts leaves together again from chunks that follow each other.
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

    /// How many leaves are whole.
    pub(super) fn whole(&self) -> u64 {
        self.leaves.len() as u64 - u64::from(self.missing > 0)
    }

    /// Takes the next chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        let place = format!("body from index {}", self.next_index);
        let damaged = |problem| StoreError::damaged(place, problem);
        let Some((kind, index, mut rest)) = split_preamble(chunk) else {
            return Err(damaged("a chunk of leaves is cut short"));
        };
        if index != self.next_index {
            return Err(damaged("other leaves stand in their place"));
        }
        match (kind, rest) {
            (PACKED, _) if self.missing == 0 => {
                while !rest.is_empty() {
                    let Some((leaf, tail)) = split_leaf(rest) else {
                        return Err(damaged("a leaf is cut short"));
                    };
                    self.leaves.push(leaf.to_vec());
                    self.next_index += 1;
                    rest = tail;
                }
                Ok(())
            }
            (FRAGMENTED, [number, count, part @ ..]) => {
                let expected =
                    if self.missing == 0 { 0 } else { count.saturating_sub(self.missing) };
                if number >= count || *number != expected {
                    return Err(damaged("fragments are missing"));
                }
                match self.leaves.last_mut() {
                    Some(leaf) if *number > 0 => leaf.extend_from_slice(part),
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

/// The leaf at `index` in a chunk of whole leaves, or `None` where it isn't there.
pub(super) fn leaf_at(chunk: &[u8], index: u64) -> Option<&[u8]> {
    let (kind, first, mut rest) = split_preamble(chunk)?;
    for _ in 0..index.checked_sub(first)? {
        rest = split_leaf(rest)?.1;
    }
    if kind == PACKED { split_leaf(rest).map(|(leaf, _)| leaf) } else { None }
}

/// Whether a chunk is a fragment of the leaf at `index`.
pub(super) fn is_fragment_of(chunk: &[u8], index: u64) -> bool {
    split_preamble(chunk).is_some_and(|(kind, first, _)| kind == FRAGMENTED && first == index)
}

fn split_preamble(chunk: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (preamble, rest) = chunk.split_first_chunk::<PREAMBLE_BYTES>()?;
    Some((*preamble.first()?, keys::trailing_number(preamble)?, rest))
}

fn split_leaf(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
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
            let chunks = pack(7, leaves.iter().map(Vec::as_slice));
            prop_assert!(chunks.iter().all(|chunk| chunk.value.len() <= MAX_VALUE_BYTES));
            let begun: usize = chunks.iter().map(|chunk| usize::from(chunk.leaves)).sum();
            prop_assert_eq!(begun, leaves.len());
            let mut unpacker = Unpacker::new(7);
            for chunk in &chunks {
                unpacker.push(&chunk.value).unwrap();
            }
            let unpacked = unpacker.finish().unwrap();
            prop_assert_eq!(&unpacked, &leaves);
            for missing in 0..chunks.len() {
                let mut unpacker = Unpacker::new(7);
                let rest = chunks.iter().enumerate().filter(|(place, _)| *place != missing);
                let whole = rest
                    .map(|(_, chunk)| unpacker.push(&chunk.value))
                    .collect::<Result<Vec<_>, _>>()
                    .and_then(|_| unpacker.finish());
                // Without the last chunk it is merely shorter, which the reader notices.
                prop_assert!(whole.map_or(true, |found| found.len() < leaves.len()));
            }
        }
    }
}
