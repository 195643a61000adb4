//! Finding entries by one thing that they say.

use std::collections::VecDeque;

use super::error::StoreError;
use super::facets::Facet;
use super::read::View;
use super::search::EntryHit;
use super::sorted::Order;
use crate::protocol::entry::{Body, Entry, Kind, ReferenceKind};
use crate::protocol::id::Id;

/// How many candidates are read at first; then twice as many each time.
const FIRST_STEP: usize = 16;
/// The most that are read at a time.
const MAX_STEP: usize = 4096;

/// What entries are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The external id.
    ExternalId(&'a Id),
    /// What it refers to outside of the ledger.
    Reference(ReferenceKind, &'a Id),
    /// Of terms: the merchant and the name of the program.
    Terms(&'a Id, &'a Id),
    /// An entry of the tenant that it names.
    Naming(&'a Id, Kind, &'a Id),
    /// Of what is said of uplines: whose upline it is.
    UplineOf(&'a Id),
    /// Of what is said of uplines: who it is.
    Upline(&'a Id),
}

/// Where in the log it is looked, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first log index.
    pub first: u64,
    /// The last log index.
    pub last: u64,
    /// Which way.
    pub order: Order,
    /// The most entries that are looked at, whether they fit or not.
    pub most: usize,
}

impl Span {
    /// From the beginning to a log index, that included.
    pub const fn up_to(last: u64) -> Self {
        Self { first: 0, last, order: Order::Ascending, most: usize::MAX }
    }

    /// The same, beginning at an index.
    #[must_use]
    pub const fn from(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// The same the other way round.
    #[must_use]
    pub const fn newest_first(self) -> Self {
        Self { order: Order::Descending, ..self }
    }

    /// The same, looking at so many entries at most.
    #[must_use]
    pub const fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }
}

impl Lookup<'_> {
    fn digest(self) -> u64 {
        match self {
            Self::ExternalId(name) => Facet::ExternalId(name),
            Self::Reference(kind, name) => Facet::Reference(kind, name),
            Self::Terms(merchant, program) => Facet::Terms(merchant, program),
            Self::Naming(tenant, kind, name) => Facet::Naming(tenant, kind, name),
            Self::UplineOf(name) => Facet::UplineOf(name),
            Self::Upline(name) => Facet::Upline(name),
        }
        .digest()
    }

    /// Whether an entry is what is looked for, by its own bytes.
    pub fn fits(self, entry: &Entry) -> bool {
        match (self, &entry.body) {
            (Self::ExternalId(name), _) => entry.external_id == *name,
            (Self::Reference(kind, name), body) => body.references().any(|one| one == (kind, name)),
            (Self::Terms(merchant, program), Body::ProgramTerms(terms)) => {
                terms.merchant == *merchant && terms.program == *program
            }
            (Self::Naming(tenant, kind, name), body) => {
                entry.tenant == *tenant && body.names().contains(&(kind, name))
            }
            (Self::UplineOf(name), Body::AffiliateUpline(stated)) => stated.affiliate == *name,
            (Self::Upline(name), Body::AffiliateUpline(stated)) => {
                stated.upline.as_ref() == Some(name)
            }
            (Self::Terms(..) | Self::UplineOf(_) | Self::Upline(_), _) => false,
        }
    }
}

impl View {
    /// Entries that are found by what they say, of one tenant or of any.
    pub fn look_up<'a>(
        &'a self,
        tenant: Option<&'a Id>,
        by: Lookup<'a>,
        span: Span,
    ) -> impl Iterator<Item = Result<EntryHit, StoreError>> + 'a {
        self.candidates_for(by, span).filter_map(move |index| {
            let hit = index.and_then(|index| {
                let entry = self.entry(index)?;
                Ok(entry.map(|entry| EntryHit { index, entry }))
            });
            let fits = |hit: &EntryHit| {
                let entry = hit.entry.entry();
                tenant.is_none_or(|tenant| *tenant == entry.tenant) && by.fits(entry)
            };
            hit.map(|hit| hit.filter(fits)).transpose()
        })
    }

    /// The log indexes of entries that may say it; whether they do is for the caller to see.
    pub fn candidates_for(
        &self,
        by: Lookup<'_>,
        span: Span,
    ) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
        let mut steps = Steps::new(self, by.digest(), span);
        std::iter::from_fn(move || steps.next().transpose())
    }
}

/// Candidates that are read some at a time: mostly the first few are all that is asked for.
struct Steps {
    view: View,
    digest: u64,
    span: Span,
    /// How many are read next.
    step: usize,
    read: VecDeque<u64>,
}

impl Steps {
    fn new(view: &View, digest: u64, span: Span) -> Self {
        let last = span.last.min(view.head().size().saturating_sub(1));
        let span = Span { last, ..span };
        Self { view: view.clone(), digest, span, step: FIRST_STEP, read: VecDeque::new() }
    }

    fn next(&mut self) -> Result<Option<u64>, StoreError> {
        let Span { first, last, order, most } = self.span;
        let step = self.step.min(most);
        if self.read.is_empty() && step > 0 && first <= last {
            let derived = &self.view.store.inner.derived;
            let found = derived.postings_few(self.digest, (first, last), order, step);
            // After an error there is nothing more.
            self.span.most = 0;
            self.read = found.collect::<Result<_, _>>()?;
            if let Some(at) = self.read.back().filter(|_| self.read.len() == step) {
                self.span = match order {
                    Order::Ascending => Span { first: at + 1, ..self.span },
                    // Before genesis there is nothing to find.
                    Order::Descending => Span { last: at.saturating_sub(1), ..self.span },
                };
                self.span.most = most - step;
                self.step = (self.step * 2).min(MAX_STEP);
            }
        }
        Ok(self.read.pop_front())
    }
}
