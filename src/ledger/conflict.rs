//! What the writer finds out of each entry, and what is left to whoever asked: in which fields an entry
//! differs from the one that has its name. That takes as long as entries are long, and the writer's
//! time is everybody's.

use super::outcome::{Outcome, Position, Rejection, SubmitError};
use crate::protocol::block::EncodedEntry;
use crate::protocol::text::{self, Lists};
use crate::store::{StoreError, View};

/// How many bytes of leaves a request has compared; beyond it is said only that entries differ.
const MAX_COMPARED_BYTES: usize = 16 * 1024 * 1024;

/// What became of an entry, as far as the writer knows.
pub(super) enum Settled {
    /// This.
    As(Outcome),
    /// Its external id belongs to another entry.
    Conflict(Conflict),
}

/// Two entries of one name.
pub(super) struct Conflict {
    /// Where the first stands; nowhere if it was taken back with its request.
    pub first: Option<Position>,
    /// The first, unless it is to be read from the store.
    pub first_entry: Option<EncodedEntry>,
    /// The log index of the first.
    pub index: u64,
    /// The other.
    pub entry: EncodedEntry,
}

impl Settled {
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    pub(super) fn is_rejected(&self) -> bool {
        matches!(self, Self::As(Outcome::Rejected(_)) | Self::Conflict(_))
    }
}

/// The outcomes, conflicts compared where there is a `view`, at least as new as the answer.
pub(super) fn compare(
    settled: Vec<Settled>,
    view: Option<&View>,
) -> Result<Vec<Outcome>, SubmitError> {
    let mut left_bytes = MAX_COMPARED_BYTES;
    let outcomes = settled.into_iter().map(|settled| match settled {
        Settled::As(outcome) => Ok(outcome),
        Settled::Conflict(conflict) => {
            let differing_fields = match view {
                Some(view) => differing_fields(view, &conflict, &mut left_bytes),
                None => Ok(Vec::new()),
            };
            let differing_fields = differing_fields.map_err(|error| {
                tracing::error!(%error, "an entry in conflict can't be compared");
                SubmitError::Stopped
            })?;
            let first = conflict.first;
            Ok(Outcome::Rejected(Rejection::Conflict { first, differing_fields }))
        }
    });
    outcomes.collect()
}

fn differing_fields(
    view: &View,
    conflict: &Conflict,
    left_bytes: &mut usize,
) -> Result<Vec<String>, StoreError> {
    if *left_bytes == 0 {
        return Ok(Vec::new());
    }
    let first = match &conflict.first_entry {
        Some(first) => Some(first.clone()),
        None => view.entry(conflict.index)?,
    };
    let Some(first) = first else { return Ok(Vec::new()) };
    let bytes = first.leaf().len() + conflict.entry.leaf().len();
    *left_bytes = left_bytes.saturating_sub(bytes);
    let (first, entry) = (first.entry(), conflict.entry.entry());
    if first.kind() != entry.kind() {
        // As of a commission and one that was brought in under its name: there is nothing to compare.
        return Ok(vec!["kind".to_owned(), "body".to_owned()]);
    }
    let currencies = &view.spec().currencies;
    let found = text::differences(first, entry, currencies, Lists::Whole);
    Ok(found.unwrap_or_default().into_iter().map(|difference| difference.field).collect())
}
