//! The versions of a program's terms, and what changed from one to another.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{AsOf, QueryError, links};
use crate::protocol::entry::{Body, ProgramTerms};
use crate::protocol::hash::EntryId;
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::text::{self, Lists};
use crate::protocol::time::Timestamp;
use crate::store::{EntryHit, Lookup, Span, StoreError, View};

/// The most versions that are looked at.
const MAX_VERSIONS: usize = 10_000;

/// A merchant's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramName {
    /// The tenant.
    pub tenant: Id,
    /// The merchant.
    pub merchant: Id,
    /// The program.
    pub program: Id,
}

/// A version of a program's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TermsVersion {
    /// Its number.
    #[schema(example = 2)]
    pub version: u32,
    /// The entry's name.
    pub external_id: Id,
    /// From when it holds, by event time.
    pub effective_from: Timestamp,
    /// Until when it holds by its own word, exclusive.
    pub effective_until: Option<Timestamp>,
    /// From when a later version holds instead. Of terms that were withdrawn, from their own
    /// beginning on.
    pub superseded_from: Option<Timestamp>,
    /// The latest version that said so.
    pub superseded_by: Option<u32>,
    /// Whether it never holds: a later version took its place before it began.
    pub withdrawn: bool,
    /// Whether it began before it was recorded, as only a first version may.
    pub reaches_back: bool,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The log index of the entry.
    pub index: u64,
    /// The height of its block.
    pub height: u64,
    /// The entry's identity.
    pub entry: EntryId,
    /// The proof that it is on the ledger.
    #[schema(example = "/v1/entries/1/receipt")]
    pub receipt: String,
}

/// A field in which two versions of terms differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TermsDifference {
    /// The path to it.
    #[schema(example = "rules[0].reward.ppm")]
    pub field: String,
    /// What the one version says: a string as it is, anything else as JSON. Nothing, where it says
    /// nothing.
    #[schema(example = "50000")]
    pub old: Option<String>,
    /// What the other says.
    #[schema(example = "75000")]
    pub new: Option<String>,
}

/// All versions of a program's terms after one of them, at most `limit`, the oldest first.
///
/// # Errors
/// [`QueryError`].
pub fn terms_versions(
    view: &View,
    at: &AsOf,
    of: &ProgramName,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<TermsVersion>, QueryError> {
    let mut versions: Vec<TermsVersion> = Vec::new();
    // The places of the version that holds last, and of the one before, withdrawn ones aside.
    let (mut latest, mut before): (Option<usize>, Option<usize>) = (None, None);
    let ahead_ms = view.spec().limits.event_ahead_ms;
    for hit in entries(view, at, of)? {
        let version = version(view, &hit)?;
        let (from, number) = (version.effective_from, version.version);
        let mut supersede = |place: usize, from| {
            if let Some(one) = versions.get_mut(place) {
                (one.superseded_from, one.superseded_by) = (Some(from), Some(number));
                one.withdrawn = from <= one.effective_from;
            }
            // From when it would have held.
            versions.get(place).map(|one| one.effective_from)
        };
        if let Some(place) = latest {
            let governs = version.recorded_at.saturating_add(ahead_ms);
            let begins = supersede(place, from);
            if let Some(begins) = begins.filter(|begins| *begins > governs) {
                supersede(place, begins);
                before.map(|before| supersede(before, from));
            } else {
                before = latest;
            }
        }
        latest = Some(versions.len());
        versions.push(version);
    }
    let after = after.unwrap_or(0);
    Ok(versions.into_iter().filter(|one| u64::from(one.version) > after).take(limit).collect())
}

/// The fields in which one version of a program's terms differs from another.
///
/// # Errors
/// [`QueryError`].
pub fn terms_differences(
    view: &View,
    at: &AsOf,
    of: &ProgramName,
    (from_version, to_version): (u32, u32),
) -> Result<Vec<TermsDifference>, QueryError> {
    let hits = entries(view, at, of)?;
    let version = |number: u32| {
        let is_it = |hit: &&EntryHit| terms(hit).is_some_and(|terms| terms.version == number);
        let hit = hits.iter().find(is_it);
        hit.ok_or_else(|| QueryError::NotFound {
            what: format!("the program has no version {number} of its terms at this height"),
        })
    };
    let (one, two) = (version(from_version)?.entry.entry(), version(to_version)?.entry.entry());
    let currencies = &view.spec().currencies;
    let differences = text::differences(one, two, currencies, Lists::ByPlace)
        .map_err(|error| StoreError::damaged("terms", error))?;
    let said = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let within = differences.into_iter().filter_map(|difference| {
        let field = difference.field.strip_prefix("body.")?.to_owned();
        // That they differ in this was asked for.
        let is_new = field != "version";
        let (old, new) = (said(difference.old), said(difference.new));
        is_new.then_some(TermsDifference { field, old, new })
    });
    Ok(within.collect())
}

/// The entries of all versions, the oldest first. There is at least one.
fn entries(view: &View, at: &AsOf, of: &ProgramName) -> Result<Vec<EntryHit>, QueryError> {
    let by = Lookup::Terms(&of.merchant, &of.program);
    let span = Span::up_to(at.last_index()).at_most(MAX_VERSIONS + 1);
    let hits: Vec<_> = view.look_up(Some(&of.tenant), by, span).collect::<Result<_, _>>()?;
    match hits.len() {
        0 => Err(QueryError::NotFound {
            what: "no terms of this program are on the ledger at this height".to_owned(),
        }),
        1..=MAX_VERSIONS => Ok(hits),
        _ => Err(QueryError::TooMany { what: "versions of terms", most: MAX_VERSIONS }),
    }
}

fn terms(hit: &EntryHit) -> Option<&ProgramTerms<Amount>> {
    match &hit.entry.entry().body {
        Body::ProgramTerms(terms) => Some(terms),
        _ => None,
    }
}

fn version(view: &View, hit: &EntryHit) -> Result<TermsVersion, QueryError> {
    let lost = || StoreError::damaged(format!("index {}", hit.index), "not terms any more");
    let terms = terms(hit).ok_or_else(lost)?;
    let height = view.height_of(hit.index)?.ok_or_else(lost)?;
    let recorded_at = view.header(height)?.ok_or_else(lost)?.header.time;
    Ok(TermsVersion {
        version: terms.version,
        external_id: hit.entry.entry().external_id.clone(),
        effective_from: terms.effective_from,
        effective_until: terms.effective_until,
        superseded_from: None,
        superseded_by: None,
        withdrawn: false,
        reaches_back: terms.effective_from < recorded_at,
        recorded_at,
        index: hit.index,
        height,
        entry: hit.entry.id(),
        receipt: links::receipt(hit.index),
    })
}
