//! Where a block lies: found by any log index of it, it says where its leaves are.

use bincode::{Decode, Encode};

use super::error::StoreError;
use super::slots::MAX_VALUE_BYTES;
use crate::protocol::codec;

/// Where a block lies.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct BlockPlace {
    /// The block's height.
    pub height: u64,
    /// The log index that it begins with.
    pub first_index: u64,
    /// The number of its first chunk.
    pub first_chunk: u64,
    /// How many leaves begin in each of its chunks. A block of 4 MiB has some two thousand chunks
    /// at most, and few hold more than the 250 leaves that one byte counts.
    pub leaves: Vec<u16>,
}

impl BlockPlace {
    /// The stored form.
    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads the stored form, which was found under the log index `last` of a header.
    pub(super) fn decode(last: u64, bytes: &[u8]) -> Result<Self, StoreError> {
        codec::decode(bytes, MAX_VALUE_BYTES).map_err(|error| {
            StoreError::damaged(format!("the place of the block that ends at index {last}"), error)
        })
    }

    /// The chunk that the leaf at `index` begins in; `None` where no chunk of the block is.
    pub(super) fn chunk_of(&self, index: u64) -> Option<u64> {
        let mut before = index.checked_sub(self.first_index)?;
        for (chunk, leaves) in (self.first_chunk..).zip(&self.leaves) {
            match before.checked_sub(u64::from(*leaves)) {
                None => return Some(chunk),
                Some(left) => before = left,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::spec::{MAX_BLOCK_BYTES, MAX_BLOCK_ENTRIES};
    use crate::store::body;

    #[test]
    fn leads_to_the_chunk_of_each_leaf() {
        let place =
            BlockPlace { height: 3, first_index: 10, first_chunk: 7, leaves: vec![2, 1, 0, 3] };
        let found: Vec<_> = (9..17).map(|index| place.chunk_of(index)).collect();
        let chunks = [7, 7, 8, 10, 10, 10].map(Some);
        assert_eq!(found, [&[None], &chunks[..], &[None]].concat());
        assert_eq!(BlockPlace::decode(16, &place.encode()).unwrap(), place);
        assert!(BlockPlace::decode(16, &place.encode()[1..]).is_err());
    }

    #[test]
    fn of_the_largest_block_fits_a_value() {
        // A leaf that just doesn't fit a chunk takes two; a short one between two takes a third.
        let (long, short) = (vec![1; MAX_VALUE_BYTES], vec![1; 16]);
        let pairs = MAX_BLOCK_BYTES as usize / (long.len() + short.len());
        let mixed = std::iter::repeat_n([&long[..], &short], pairs).flatten();
        let shorts = std::iter::repeat_n(&short[..], MAX_BLOCK_ENTRIES as usize);
        for leaves in [Box::new(mixed) as Box<dyn Iterator<Item = &[u8]>>, Box::new(shorts)] {
            let leaves =
                body::pack(u64::MAX / 2, leaves).iter().map(|chunk| chunk.leaves).collect();
            let place = BlockPlace {
                height: u64::MAX,
                first_index: u64::MAX,
                first_chunk: u64::MAX,
                leaves,
            };
            assert!(place.encode().len() < MAX_VALUE_BYTES / 2, "{}", place.encode().len());
        }
    }
}
