//! What must be seen of an entry wherever it is shown, and of those that it names.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use askama::filters::HtmlSafe;

use super::answer::{ExplorerError, Reader};
use super::messages::filters;
use super::sentence::ReasonText;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Body, Effect, Entry, Kind, Reason};
use crate::protocol::id::Id;
use crate::protocol::rules::{CommissionRecord, Record};
use crate::protocol::time::Timestamp;

/// What must be seen of a commission, or of terms, wherever they are shown.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "value/marks.html")]
pub(super) struct Marks {
    /// It isn't what its terms give, and why.
    deviation: Option<Reason>,
    /// Its amount was corrected since it was stated.
    pub(super) amended: bool,
    /// It was brought in from another system, outside of any terms.
    imported: bool,
    /// They began before they were recorded.
    reaches_back: bool,
}

/// An entry that another names.
pub(super) struct Named {
    /// Where it stands.
    pub(super) index: u64,
    pub(super) marks: Marks,
    /// Of an adjustment, whom it is for.
    pub(super) effect: Option<Effect>,
}

impl HtmlSafe for Marks {}

impl Marks {
    /// The marks of an entry that was recorded at `recorded`; `commission` is the one that it is
    /// about.
    pub(super) fn new(
        entry: &Entry,
        commission: Option<&CommissionRecord>,
        recorded: Timestamp,
    ) -> Self {
        let marks = commission.map(Self::from).unwrap_or_default();
        match &entry.body {
            Body::ProgramTerms(terms) => {
                Self { reaches_back: terms.effective_from < recorded, ..marks }
            }
            Body::OpeningBalance(_) => Self { imported: true, ..marks },
            _ => marks,
        }
    }
}

impl From<&CommissionRecord> for Marks {
    fn from(commission: &CommissionRecord) -> Self {
        Self {
            deviation: commission.deviation,
            amended: commission.amended,
            imported: commission.imported(),
            reaches_back: false,
        }
    }
}

impl Reader<'_> {
    /// The one commission that `found` is about, itself perhaps, as it stands now.
    pub(super) fn concerned(
        &self,
        found: &EncodedEntry,
    ) -> Result<Option<CommissionRecord>, ExplorerError> {
        let entry = found.entry();
        let about = match &entry.body {
            Body::Adjustment(_) | Body::Inquiry(_) => entry.body.names().first().copied(),
            _ => entry.subject(),
        };
        let Some((Kind::Commission, name)) = about else { return Ok(None) };
        let stored = self.view.named(&entry.tenant, Kind::Commission, name)?;
        Ok(stored.and_then(|stored| match stored.record {
            Record::Commission(commission) => Some(Arc::unwrap_or_clone(commission)),
            _ => None,
        }))
    }

    /// The entries that `found` names.
    pub(super) fn named(
        &self,
        found: &EncodedEntry,
    ) -> Result<BTreeMap<(Kind, Id), Named>, ExplorerError> {
        let mut named = BTreeMap::new();
        for (kind, name) in found.entry().body.names() {
            let Some(stored) = self.view.named(&found.entry().tenant, kind, name)? else {
                continue;
            };
            let (marks, effect) = match &stored.record {
                Record::Commission(commission) => (Marks::from(&**commission), None),
                Record::Adjustment(adjustment) => (Marks::default(), Some(adjustment.effect)),
                _ => (Marks::default(), None),
            };
            let entry = Named { index: stored.index, marks, effect };
            named.insert((kind, name.clone()), entry);
        }
        Ok(named)
    }
}
