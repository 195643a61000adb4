//! A page: sorted records one after the other, each a key, a length and a value; or keys alone,
//! where values say nothing. The first byte says which.
//!
//! The last eight bytes of a key are a number. Where many share what comes before it, the number is
//! mostly a little more than that of the key before. So such a key is the difference of the two
//! numbers; 0 says that a whole key follows. Numbers and lengths have seven bits a byte, the lowest
//! first, the eighth set where more come (LEB128); in a whole key, the number only where keys stand
//! alone.

/// The longest page, in bytes.
pub(super) const MAX_PAGE_BYTES: usize = 2048;
/// The bytes of the number that a key ends with.
const NUMBER_BYTES: usize = 8;
/// The most bytes of a number in parts of seven bits.
const MAX_VARINT_BYTES: usize = 10;
/// What stands before a key that is whole.
const WHOLE: u8 = 0;

/// How the records of a page are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each has a value.
    Valued = 0,
    /// Keys alone.
    Bare = 1,
}

/// Fills pages with records that come in order.
pub(super) struct PageBuilder {
    layout: Layout,
    bytes: Vec<u8>,
    /// The last key on the page.
    last: Vec<u8>,
    /// The next record, as it is to stand on the page.
    record: Vec<u8>,
}

impl PageBuilder {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, bytes: Vec::new(), last: Vec::new(), record: Vec::new() }
    }

    /// Appends a record; gives back the page that it didn't fit any more.
    pub(super) fn push<const K: usize>(&mut self, key: &[u8; K], value: &[u8]) -> Option<Vec<u8>> {
        self.write_record(key, value);
        let full = !self.bytes.is_empty() && self.bytes.len() + self.record.len() > MAX_PAGE_BYTES;
        let page = full.then(|| std::mem::take(&mut self.bytes));
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(MAX_PAGE_BYTES);
            self.bytes.push(self.layout as u8);
            self.last.clear();
            self.write_record(key, value);
        }
        self.bytes.extend_from_slice(&self.record);
        self.last.clear();
        self.last.extend_from_slice(key);
        page
    }

    /// The last page, if there is anything on it.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.bytes.is_empty()).then_some(self.bytes)
    }

    fn write_record<const K: usize>(&mut self, key: &[u8; K], value: &[u8]) {
        self.record.clear();
        let (shared, number) = split_key(key);
        match self.last.split_last_chunk() {
            Some((before, last)) if before == shared => {
                let more = number.checked_sub(u64::from_be_bytes(*last));
                let more = more.filter(|more| *more > 0).expect("keys come in order");
                push_varint(&mut self.record, more);
            }
            _ => {
                self.record.push(WHOLE);
                self.record.extend_from_slice(shared);
                match self.layout {
                    Layout::Valued => self.record.extend_from_slice(&number.to_be_bytes()),
                    Layout::Bare => push_varint(&mut self.record, number),
                }
            }
        }
        if self.layout == Layout::Valued {
            push_varint(&mut self.record, value.len() as u64);
            self.record.extend_from_slice(value);
        }
    }
}

/// The records of a page, in order. Ends early where the page is damaged, which
/// [`Records::is_damaged`] tells.
pub(super) struct Records<'a, const K: usize> {
    layout: Option<Layout>,
    rest: &'a [u8],
    length: usize,
    /// The last key that was read.
    last: [u8; K],
}

impl<'a, const K: usize> Records<'a, K> {
    pub(super) fn new(page: &'a [u8]) -> Self {
        let (layout, rest) = match page.split_first() {
            Some((0, rest)) => (Some(Layout::Valued), rest),
            Some((1, rest)) => (Some(Layout::Bare), rest),
            _ => (None, page),
        };
        Self { layout, rest, length: page.len(), last: [0; K] }
    }

    /// How many bytes of the page are read.
    pub(super) fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Whether something is left that isn't a record.
    pub(super) fn is_damaged(&self) -> bool {
        !self.rest.is_empty() || self.layout.is_none()
    }

    /// The key that `rest` begins with, and what comes after it.
    fn split_key(&self, layout: Layout) -> Option<([u8; K], &'a [u8])> {
        let (more, rest) = split_varint(self.rest)?;
        let mut key = self.last;
        let (shared, number) = key.split_last_chunk_mut::<NUMBER_BYTES>()?;
        if more != u64::from(WHOLE) {
            *number = u64::from_be_bytes(*number).checked_add(more)?.to_be_bytes();
            return Some((key, rest));
        }
        let (whole, rest) = rest.split_at_checked(shared.len())?;
        shared.copy_from_slice(whole);
        let rest = match layout {
            Layout::Valued => {
                let (whole, rest) = rest.split_first_chunk()?;
                *number = *whole;
                rest
            }
            Layout::Bare => {
                let (whole, rest) = split_varint(rest)?;
                *number = whole.to_be_bytes();
                rest
            }
        };
        Some((key, rest))
    }
}

impl<'a, const K: usize> Iterator for Records<'a, K> {
    type Item = ([u8; K], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let layout = self.layout?;
        let (key, rest) = self.split_key(layout)?;
        let (value, rest) = match layout {
            Layout::Valued => {
                let (length, rest) = split_varint(rest)?;
                rest.split_at_checked(usize::try_from(length).ok()?)?
            }
            Layout::Bare => (&[][..], rest),
        };
        (self.last, self.rest) = (key, rest);
        Some((key, value))
    }
}

/// What keys may share, and the number that a key ends with.
fn split_key<const K: usize>(key: &[u8; K]) -> (&[u8], u64) {
    let (shared, number) = key.split_last_chunk().expect("a key ends with a number");
    (shared, u64::from_be_bytes(*number))
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
    use crate::store::sorted::memory::PAIR_BYTES;

    fn key((first, second): (u64, u64)) -> [u8; PAIR_BYTES] {
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
        fn records_are_read_as_they_were_written(values in prop::collection::btree_map(
            (0..5u8, prop_oneof![0..1000u64, any::<u64>()]),
            prop::collection::vec(any::<u8>(), 0..300),
            1..200,
        )) {
            let key = |(group, number): (u8, u64)| -> [u8; 24] {
                let mut key = [group; 24];
                *key.last_chunk_mut().unwrap() = number.to_be_bytes();
                key
            };
            let records: Vec<([u8; 24], Vec<u8>)> =
                values.into_iter().map(|(of, value)| (key(of), value)).collect();
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
