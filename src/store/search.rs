//! Finding entries by what they say.

use super::error::StoreError;
use super::facets::Facet;
use super::read::View;
use super::sorted::Order;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Kind, Parties, ReferenceKind};
use crate::protocol::id::Id;
use crate::protocol::rules::Subject;
use crate::protocol::time::Timestamp;

/// The most entries that one page looks at, found or not.
pub const MAX_SCANNED_ENTRIES: usize = 10_000;

/// What is looked for: entries that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The tenant.
    pub tenant: Option<Id>,
    /// The kind.
    pub kind: Option<Kind>,
    /// The affiliate, by the entry's own word or its parents'.
    pub affiliate: Option<Id>,
    /// The merchant, by the entry's own word or its parents'.
    pub merchant: Option<Id>,
    /// The external id.
    pub external_id: Option<Id>,
    /// What it refers to outside of the ledger.
    pub references: Vec<(ReferenceKind, Id)>,
    /// The earliest event time.
    pub from: Option<Timestamp>,
    /// The event time that all are before.
    pub to: Option<Timestamp>,
}

/// In which order entries are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The oldest recorded first.
    #[default]
    OldestFirst,
    /// The newest recorded first.
    NewestFirst,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHit {
    /// Its log index.
    pub index: u64,
    /// The entry.
    pub entry: EncodedEntry,
}

/// A page of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries, in the direction that was asked for. May be fewer than asked for, even
    /// none, while there are more: a page looks at [`MAX_SCANNED_ENTRIES`] at most.
    pub hits: Vec<EntryHit>,
    /// The last index that was looked at, to go on after; `None` at the end.
    pub next: Option<u64>,
}

impl View {
    /// Entries that fit `filter`, at most `limit`, after the index `after` in `direction`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn search(
        &self,
        filter: &Filter,
        direction: Direction,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut hits = Vec::new();
        let mut scanned = 0;
        for index in self.candidates(filter, direction, after) {
            let index = index?;
            if let Some(entry) = self.entry(index)?
                && self.fits(filter, &entry)?
            {
                hits.push(EntryHit { index, entry });
            }
            scanned += 1;
            if hits.len() >= limit || scanned >= MAX_SCANNED_ENTRIES {
                return Ok(Page { hits, next: Some(index) });
            }
        }
        Ok(Page { hits, next: None })
    }

    /// Indexes that may fit: from the narrowest facet, or else all.
    fn candidates(
        &self,
        filter: &Filter,
        direction: Direction,
        after: Option<u64>,
    ) -> Box<dyn Iterator<Item = Result<u64, StoreError>>> {
        let size = self.head().size();
        let (first, end) = match (direction, after) {
            (_, None) => (0, size),
            (Direction::OldestFirst, Some(after)) => (after.saturating_add(1).min(size), size),
            (Direction::NewestFirst, Some(after)) => (0, after.min(size)),
        };
        let facets = [
            filter.external_id.as_ref().map(Facet::ExternalId),
            filter.references.first().map(|(kind, name)| Facet::Reference(*kind, name)),
            filter.affiliate.as_ref().map(Facet::Affiliate),
            filter.merchant.as_ref().map(Facet::Merchant),
        ];
        let narrowest = facets.into_iter().flatten().next();
        match (narrowest, end.checked_sub(1)) {
            (_, None) => Box::new(std::iter::empty()),
            (Some(facet), Some(last)) => {
                let order = match direction {
                    Direction::OldestFirst => Order::Ascending,
                    Direction::NewestFirst => Order::Descending,
                };
                Box::new(self.store.inner.derived.postings(facet.digest(), (first, last), order))
            }
            (None, Some(_)) => match direction {
                Direction::OldestFirst => Box::new((first..end).map(Ok)),
                Direction::NewestFirst => Box::new((first..end).rev().map(Ok)),
            },
        }
    }

    fn fits(&self, filter: &Filter, found: &EncodedEntry) -> Result<bool, StoreError> {
        let entry = found.entry();
        let plain = filter.tenant.as_ref().is_none_or(|tenant| *tenant == entry.tenant)
            && filter.kind.is_none_or(|kind| kind == entry.kind())
            && filter.external_id.as_ref().is_none_or(|id| *id == entry.external_id)
            && filter.references.iter().all(|(kind, name)| {
                entry.body.references().any(|reference| reference == (*kind, name))
            })
            && filter.from.is_none_or(|from| entry.event_time >= from)
            && filter.to.is_none_or(|to| entry.event_time < to);
        if !plain || (filter.affiliate.is_none() && filter.merchant.is_none()) {
            return Ok(plain);
        }
        let parties = self.parties(found)?;
        Ok((filter.affiliate.is_none() || filter.affiliate == parties.affiliate)
            && (filter.merchant.is_none() || filter.merchant == parties.merchant))
    }

    /// Whom an entry concerns, by its own word or its parents'.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn parties(&self, found: &EncodedEntry) -> Result<Parties, StoreError> {
        let entry = found.entry();
        let own = entry.body.parties();
        let Some((kind, external_id)) = entry.body.concerns() else { return Ok(own) };
        let key = Subject::Entry(kind, external_id).key(&entry.tenant);
        match self.record(&key)? {
            Some(stored) => Ok(own.or(stored.record.parties())),
            None => Err(StoreError::damaged(format!("record {key}"), "not there")),
        }
    }
}
