//! A page: sorted records one after the other, each a key, a length and a value; or keys alone,
//! where values say nothing. The first byte says which.
//!
//! Keys alone have sixteen bytes, two numbers. Many share the first, and the second is mostly a
//! little more than the one before. So a key is the difference of its second number to that one's;
//! 0 says that both numbers follow. All but the first number have seven bits a byte, the lowest
//! first, the eighth set where more come (LEB128).

use super::memory::PAIR_BYTES;
use crate::store::table::SUM_BYTES;

/// The longest page, in bytes.
pub(super) const MAX_PAGE_BYTES: usize = 4096;
/// Bytes of a value's length.
const LENGTH_BYTES: usize = 2;
/// The most bytes of a number in parts of seven bits.
const MAX_VARINT_BYTES: usize = 10;
/// What stands before a key of which both numbers follow.
const NEW_FIRST: u8 = 0;

/// How the records of a page are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each has a value.
    Valued = 0,
    /// Keys alone.
    Bare = 1,
}

/// Two numbers that are a key.
type Pair = (u64, u64);

/// Fills pages with records that come in order.
pub(super) struct PageBuilder {
    layout: Layout,
    bytes: Vec<u8>,
    /// The last key alone on the page.
    last: Option<Pair>,
    /// The next record, as it is to stand on the page.
    record: Vec<u8>,
}

impl PageBuilder {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, bytes: Vec::new(), last: None, record: Vec::new() }
    }

    /// Appends a record; gives back the page that it didn't fit any more.
    pub(super) fn push<const K: usize>(&mut self, key: &[u8; K], value: &[u8]) -> Option<Vec<u8>> {
        self.write_record(key, value);
        let full = !self.bytes.is_empty() && self.bytes.len() + self.record.len() > MAX_PAGE_BYTES;
        let page = full.then(|| std::mem::take(&mut self.bytes));
        if self.bytes.is_empty() {
            // With room for the sum that the store keeps of it.
            self.bytes.reserve_exact(MAX_PAGE_BYTES + SUM_BYTES);
            self.bytes.push(self.layout as u8);
            self.last = None;
            self.write_record(key, value);
        }
        self.bytes.extend_from_slice(&self.record);
        self.last = pair(key);
        page
    }

    /// The last page, if there is anything on it.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.bytes.is_empty()).then_some(self.bytes)
    }

    fn write_record<const K: usize>(&mut self, key: &[u8; K], value: &[u8]) {
        self.record.clear();
        match self.layout {
            Layout::Valued => {
                let length = u16::try_from(value.len()).expect("values are shorter than a page");
                self.record.extend_from_slice(key);
                self.record.extend_from_slice(&length.to_be_bytes());
                self.record.extend_from_slice(value);
            }
            Layout::Bare => {
                let (first, second) = pair(key).expect("keys alone have sixteen bytes");
                match self.last {
                    Some(last) if last.0 == first => {
                        let more = second.checked_sub(last.1).filter(|more| *more > 0);
                        push_varint(&mut self.record, more.expect("keys come in order"));
                    }
                    _ => {
                        self.record.push(NEW_FIRST);
                        self.record.extend_from_slice(&first.to_be_bytes());
                        push_varint(&mut self.record, second);
                    }
                }
            }
        }
    }
}

/// The records of a page, in order. Ends early where the page is damaged, which
/// [`Records::is_damaged`] tells.
pub(super) struct Records<'a, const K: usize> {
    layout: Option<Layout>,
    rest: &'a [u8],
    length: usize,
    /// The last key alone that was read.
    last: Pair,
}

impl<'a, const K: usize> Records<'a, K> {
    pub(super) fn new(page: &'a [u8]) -> Self {
        let (layout, rest) = match page.split_first() {
            Some((0, rest)) => (Some(Layout::Valued), rest),
            Some((1, rest)) if K == PAIR_BYTES => (Some(Layout::Bare), rest),
            _ => (None, page),
        };
        Self { layout, rest, length: page.len(), last: (0, 0) }
    }

    /// How many bytes of the page are read.
    pub(super) fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Whether something is left that isn't a record.
    pub(super) fn is_damaged(&self) -> bool {
        !self.rest.is_empty() || self.layout.is_none()
    }
}

impl<'a, const K: usize> Iterator for Records<'a, K> {
    type Item = ([u8; K], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match self.layout? {
            Layout::Valued => {
                let (key, rest) = self.rest.split_first_chunk::<K>()?;
                let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
                let (value, rest) =
                    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                self.rest = rest;
                Some((*key, value))
            }
            Layout::Bare => {
                let (more, rest) = split_varint(self.rest)?;
                let (key, rest) = if more == u64::from(NEW_FIRST) {
                    let (first, rest) = rest.split_first_chunk()?;
                    let (second, rest) = split_varint(rest)?;
                    ((u64::from_be_bytes(*first), second), rest)
                } else {
                    ((self.last.0, self.last.1.checked_add(more)?), rest)
                };
                (self.last, self.rest) = (key, rest);
                let mut bytes = [0; K];
                let (first, second) = bytes.split_first_chunk_mut()?;
                *first = key.0.to_be_bytes();
                second.copy_from_slice(&key.1.to_be_bytes());
                Some((bytes, &[]))
            }
        }
    }
}

/// A key of sixteen bytes as two numbers.
fn pair<const K: usize>(key: &[u8; K]) -> Option<Pair> {
    let (first, second) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*first), u64::from_be_bytes(second.try_into().ok()?)))
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn split_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let last = bytes.iter().take(MAX_VARINT_BYTES).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at_checked(last + 1)?;
    let number =
        number.iter().rev().fold(0u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key((first, second): Pair) -> [u8; PAIR_BYTES] {
        (u128::from(first) << u64::BITS | u128::from(second)).to_be_bytes()
    }

    fn read<const K: usize>(pages: &[Vec<u8>]) -> Vec<([u8; K], Vec<u8>)> {
        let mut read = Vec::new();
        for page in pages {
            assert!(page.len() <= MAX_PAGE_BYTES);
            let mut records = Records::<K>::new(page);
            read.extend(records.by_ref().map(|(key, value)| (key, value.to_vec())));
            assert!(!records.is_damaged());
        }
        read
    }

    proptest! {
        #[test]
        fn keys_alone_are_read_as_they_were_written(keys in prop::collection::btree_set(
            (0..5u64, prop_oneof![0..100_000u64, any::<u64>()]), 1..4000,
        )) {
            let mut builder = PageBuilder::new(Layout::Bare);
            let mut pages: Vec<_> =
                keys.iter().filter_map(|pair| builder.push(&key(*pair), &[])).collect();
            pages.extend(builder.finish());
            let expected: Vec<_> = keys.iter().map(|pair| (key(*pair), Vec::new())).collect();
            prop_assert_eq!(read::<PAIR_BYTES>(&pages), expected);
        }

        #[test]
        fn records_are_read_as_they_were_written(values in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..300), 1..200,
        )) {
            let records: Vec<([u8; 24], Vec<u8>)> = (0u8..).zip(values)
                .map(|(number, value)| ([number; 24], value))
                .collect();
            let mut builder = PageBuilder::new(Layout::Valued);
            let mut pages: Vec<_> =
                records.iter().filter_map(|(key, value)| builder.push(key, value)).collect();
            pages.extend(builder.finish());
            prop_assert_eq!(read::<24>(&pages), records);
        }

        #[test]
        fn any_bytes_are_read_to_their_end_or_are_damaged(page in prop::collection::vec(
            prop_oneof![Just(0u8), Just(1u8), any::<u8>()], 0..200,
        )) {
            let mut records = Records::<PAIR_BYTES>::new(&page);
            let count = records.by_ref().count();
            prop_assert!(count <= page.len());
            prop_assert!(records.is_damaged() || records.offset() == page.len());
        }
    }
}
