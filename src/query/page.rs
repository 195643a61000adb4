//! Some rows of an answer.

use super::QueryError;
use crate::protocol::accounts::Party;
use crate::protocol::id::Id;
use crate::store::{DealingsWith, View};

/// Which rows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageOf {
    /// After which position; from the first on, where there is none.
    pub after: Option<u64>,
    /// How many at most, not 0.
    pub limit: usize,
}

impl PageOf {
    /// Whether a position belongs to this page or a later one.
    pub(super) fn reaches(self, position: u64) -> bool {
        self.after.is_none_or(|after| position > after)
    }
}

/// Some rows of an answer, and where to go on. It may be fewer than asked for, even none, while
/// there are more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    /// The rows.
    pub rows: Vec<R>,
    /// The position to go on after; none at the end.
    pub next: Option<u64>,
}

impl<R> Page<R> {
    /// Nothing.
    pub(super) const fn empty() -> Self {
        Self { rows: Vec::new(), next: None }
    }
}

/// A page of a party's dealings.
pub(super) fn dealings(
    view: &View,
    tenant: &Id,
    party: Party<'_>,
    page: PageOf,
) -> Result<Page<DealingsWith>, QueryError> {
    let from = match page.after {
        None => 0,
        Some(u64::MAX) => return Ok(Page::empty()),
        Some(after) => after + 1,
    };
    let mut rows = view.dealings(tenant, party, from, page.limit.saturating_add(1))?;
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().filter(|_| more).map(|last| last.key);
    Ok(Page { rows, next })
}
