//! Finding entries by what they say.

use super::error::StoreError;
use super::facets::Facet;
use super::read::View;
use super::sorted::Order;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Balance, Body, Entry, Kind};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::rules::{Parties, Record, Subject};
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
        let parties = |affiliate: Option<&Id>, merchant: Option<&Id>| Parties {
            affiliate: affiliate.cloned(),
            merchant: merchant.cloned(),
        };
        Ok(match &entry.body {
            Body::ProgramTerms(terms) => parties(None, Some(&terms.merchant)),
            Body::Transaction(sale) => parties(None, Some(&sale.merchant)),
            Body::Funding(funding) => parties(None, Some(&funding.merchant)),
            Body::Payout(payout) => parties(Some(&payout.affiliate), None),
            Body::AffiliateUpline(stated) => parties(Some(&stated.affiliate), None),
            Body::Inquiry(inquiry) => parties(Some(&inquiry.affiliate), Some(&inquiry.merchant)),
            Body::OpeningBalance(opening) => match &opening.balance {
                Balance::Commission { affiliate, merchant, .. } => {
                    parties(Some(affiliate), Some(merchant))
                }
                Balance::Affiliate { affiliate, .. } => parties(Some(affiliate), None),
                Balance::Merchant { merchant, .. } => parties(None, Some(merchant)),
            },
            Body::Adjustment(adjustment) => Parties {
                affiliate: Some(adjustment.affiliate.clone()),
                ..match adjustment.related.kind {
                    Kind::Commission => self.parties_of_named(entry)?,
                    _ => Parties::default(),
                }
            },
            Body::Commission(_) => self.parties_of(found.key())?,
            Body::Decision(_)
            | Body::Amendment(_)
            | Body::Reversal(_)
            | Body::InquiryResolution(_)
            | Body::PayoutEvent(_) => self.parties_of_named(entry)?,
            Body::ErasureNotice(_) => Parties::default(),
        })
    }

    /// Whom the entry concerns that `entry` names.
    fn parties_of_named(&self, entry: &Entry) -> Result<Parties, StoreError> {
        match entry.body.names().first() {
            Some((kind, name)) => self.parties_of(Subject::Entry(*kind, name).key(&entry.tenant)),
            None => Ok(Parties::default()),
        }
    }

    fn parties_of(&self, key: StateKey) -> Result<Parties, StoreError> {
        let (affiliate, merchant) = match self.record(&key)?.map(|stored| stored.record) {
            Some(Record::Transaction(sale)) => (None, Some(sale.merchant)),
            Some(Record::Commission(commission)) => {
                (Some(commission.affiliate), Some(commission.merchant))
            }
            Some(Record::Inquiry(inquiry)) => (Some(inquiry.affiliate), Some(inquiry.merchant)),
            Some(Record::Payout(payout)) => (Some(payout.affiliate), None),
            _ => return Err(StoreError::damaged(format!("record {key}"), "of no party")),
        };
        Ok(Parties { affiliate, merchant })
    }
}
