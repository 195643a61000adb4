//! A page: sorted records one after the other, each a key, a length and a value; or bare keys,
//! where values say nothing. The first byte says which.

use crate::store::table::SUM_BYTES;

/// The longest page, in bytes.
pub(super) const MAX_PAGE_BYTES: usize = 4096;
/// Bytes of a value's length.
const LENGTH_BYTES: usize = 2;

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
}

impl PageBuilder {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, bytes: Vec::new() }
    }

    /// Appends a record; gives back the page that it didn't fit any more.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let needed = key.len() + LENGTH_BYTES + value.len();
        let full = !self.bytes.is_empty() && self.bytes.len() + needed > MAX_PAGE_BYTES;
        let page = full.then(|| std::mem::take(&mut self.bytes));
        if self.bytes.is_empty() {
            // With room for the sum that the store keeps of it.
            self.bytes.reserve_exact(MAX_PAGE_BYTES + SUM_BYTES);
            self.bytes.push(self.layout as u8);
        }
        self.bytes.extend_from_slice(key);
        if self.layout == Layout::Valued {
            let length = u16::try_from(value.len()).expect("values are shorter than a page");
            self.bytes.extend_from_slice(&length.to_be_bytes());
            self.bytes.extend_from_slice(value);
        }
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
    layout: Option<Layout>,
    rest: &'a [u8],
    length: usize,
}

impl<'a, const K: usize> Records<'a, K> {
    pub(super) fn new(page: &'a [u8]) -> Self {
        let (layout, rest) = match page.split_first() {
            Some((0, rest)) => (Some(Layout::Valued), rest),
            Some((1, rest)) => (Some(Layout::Bare), rest),
            _ => (None, page),
        };
        Self { layout, rest, length: page.len() }
    }

    /// The records from `offset` of the page on, where one begins.
    pub(super) fn at(page: &'a [u8], offset: usize) -> Self {
        let whole = Self::new(page);
        Self { rest: page.get(offset..).unwrap_or_default(), ..whole }
    }

    /// Where in the page the next record begins.
    pub(super) fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Whether something is left that isn't a record.
    pub(super) fn is_damaged(&self) -> bool {
        !self.rest.is_empty() || self.layout.is_none()
    }
}

impl<'a, const K: usize> Iterator for Records<'a, K> {
    type Item = (&'a [u8; K], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = self.rest.split_first_chunk::<K>()?;
        let (value, rest) = match self.layout? {
            Layout::Bare => (&[][..], rest),
            Layout::Valued => {
                let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
                rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?
            }
        };
        self.rest = rest;
        Some((key, value))
    }
}
