//! A page: sorted records one after the other, each a key, a length and a value.

/// The longest page, in bytes.
pub(super) const MAX_PAGE_BYTES: usize = 4096;
/// Bytes of a value's length.
const LENGTH_BYTES: usize = 2;

/// Fills pages with records that come in order.
#[derive(Default)]
pub(super) struct PageBuilder {
    bytes: Vec<u8>,
}

impl PageBuilder {
    /// Appends a record; gives back the page that it didn't fit any more.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let needed = key.len() + LENGTH_BYTES + value.len();
        let full = !self.bytes.is_empty() && self.bytes.len() + needed > MAX_PAGE_BYTES;
        let page = full.then(|| std::mem::take(&mut self.bytes));
        let length = u16::try_from(value.len()).expect("values are shorter than a page");
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        page
    }

    /// The last page, if there is anything on it.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.bytes.is_empty()).then_some(self.bytes)
    }
}

/// The records of a page, in order. Ends early where the page is damaged, which
/// [`Records::is_damaged`] tells.
pub(super) struct Records<'a, const K: usize> {
    rest: &'a [u8],
}

impl<'a, const K: usize> Records<'a, K> {
    pub(super) fn new(page: &'a [u8]) -> Self {
        Self { rest: page }
    }

    /// Whether something is left that isn't a record.
    pub(super) fn is_damaged(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl<'a, const K: usize> Iterator for Records<'a, K> {
    type Item = (&'a [u8; K], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = self.rest.split_first_chunk::<K>()?;
        let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.rest = rest;
        Some((key, value))
    }
}
