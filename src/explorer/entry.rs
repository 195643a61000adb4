//! One entry: what it says, where it stands, and what belongs to it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use super::answer::{Answer, Explorer, ExplorerError, Frame, Place, Reader, Section, repeated};
use super::lines::EntryLine;
use super::related::Related;
use super::sentence::{ReasonText, StateName};
use super::values::{Count, Day, Digest, Moment, Money, Percent, Span};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Action, Body, Kind, Reward, Verdict};
use crate::protocol::hash::EntryId;
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::rules::{CommissionRecord, CommissionState};
use crate::protocol::time::Timestamp;
use crate::store::EntryHit;

/// How many lines of a payout the page lists.
const MAX_PAYOUT_LINES_SHOWN: usize = 100;
/// How many bytes of a leaf the page shows.
const MAX_LEAF_BYTES_SHOWN: usize = 2_048;
/// The length of the drawing of a commission's parts, in units of its own.
const BAR_UNITS: u64 = 1_000;

/// When an entry was recorded, beside when it happened.
enum Delay {
    Before(Span),
    After(Span),
}

/// What has become of a commission.
struct Standing {
    state: CommissionState,
    affiliate: Id,
    merchant: Id,
    locks_at: Moment,
    amount: Money,
    left: Money,
    reversed: Money,
    paid: Money,
    /// The lengths of what is paid, what is left and what is reversed, of [`BAR_UNITS`].
    bar: [u64; 3],
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage<'a> {
    frame: Frame<'a>,
    line: EntryLine,
    event: Moment,
    delay: Delay,
    commitment: Option<Digest>,
    leaf_hash: Digest,
    id: Digest,
    size: Count,
    parents: BTreeMap<(Kind, Id), u64>,
    standing: Option<Standing>,
    related: Related,
    now: Timestamp,
    leaf: String,
    leaf_bytes: Count,
    leaf_cut: bool,
}

/// `GET /entries/{id or index}`
pub(super) async fn page(
    State(explorer): State<Explorer>,
    name: Result<Path<String>, PathRejection>,
) -> Response {
    explorer
        .answer(Place::Below, move |reader| {
            let Path(name) = name?;
            let EntryHit { index, entry } = find(reader, &name)?;
            Answer::page(&entry_page(reader, index, &entry)?)
        })
        .await
}

/// The entry that `name` means: an entry id, or a log index.
fn find(reader: &Reader<'_>, name: &str) -> Result<EntryHit, ExplorerError> {
    let found = match (name.to_ascii_lowercase().parse::<EntryId>(), name.parse()) {
        (Ok(id), _) => reader.view.entry_with_id(&id)?,
        (_, Ok(index)) => reader.view.entry(index)?.map(|entry| EntryHit { index, entry }),
        (Err(_), Err(_)) => None,
    };
    found.ok_or_else(|| ExplorerError::NoSuchEntry { name: repeated(name) })
}

fn entry_page<'a>(
    reader: &Reader<'a>,
    index: u64,
    found: &EncodedEntry,
) -> Result<EntryPage<'a>, ExplorerError> {
    let entry = found.entry();
    let line = reader.entry_line(index, found)?;
    let concerned = match &entry.body {
        Body::Commission(_) => Some(&entry.external_id),
        Body::Decision(decision) => Some(&decision.commission),
        Body::Reversal(reversal) => Some(&reversal.commission),
        Body::ProgramTerms(_) | Body::Transaction(_) | Body::Payout(_) => None,
    };
    let record = match concerned {
        Some(commission) => reader.commission(found, commission)?,
        None => None,
    };
    let leaf = found.leaf();
    let shown = leaf.get(..MAX_LEAF_BYTES_SHOWN).unwrap_or(leaf);
    Ok(EntryPage {
        frame: reader.frame(Section::Entries),
        delay: Delay::new(entry.event_time, line.recorded.time()),
        line,
        event: reader.moment(entry.event_time),
        commitment: entry.commitment.map(Digest::new),
        leaf_hash: Digest::new(found.leaf_hash()),
        id: Digest::new(found.id()),
        size: Count(reader.view.head().size()),
        parents: reader.parents(found)?,
        standing: record.map(|record| Standing::new(reader, record)).transpose()?,
        related: reader.related(index, found)?,
        now: reader.now,
        leaf: hex::encode(shown),
        leaf_bytes: Count(leaf.len() as u64),
        leaf_cut: shown.len() < leaf.len(),
    })
}

impl Delay {
    fn new(event: Timestamp, recorded: Timestamp) -> Self {
        let span = Span::new(event.as_millis().abs_diff(recorded.as_millis()));
        if event <= recorded { Self::After(span) } else { Self::Before(span) }
    }
}

impl Standing {
    fn new(reader: &Reader<'_>, record: CommissionRecord) -> Result<Self, ExplorerError> {
        let left = record.left();
        let money = |amount| reader.money(record.currency, amount);
        let length = |amount: Amount| {
            let whole = u128::from(record.amount.units().max(1));
            let units = u128::from(amount.units()) * u128::from(BAR_UNITS) / whole;
            u64::try_from(units).unwrap_or(BAR_UNITS)
        };
        Ok(Self {
            state: record.state,
            locks_at: reader.moment(record.locks_at),
            amount: money(record.amount)?,
            left: money(left)?,
            reversed: money(record.reversed)?,
            paid: money(record.paid)?,
            bar: [record.paid, left, record.reversed].map(length),
            affiliate: record.affiliate,
            merchant: record.merchant,
        })
    }

    /// Whether nothing will come of what is left.
    fn refused(&self) -> bool {
        self.state == CommissionState::Declined
    }

    /// Where the part of the bar that is left begins, and where the reversed part ends.
    fn bar_starts(&self) -> [u64; 2] {
        let [paid, left, _] = self.bar;
        [paid, paid.saturating_add(left)]
    }
}

impl EntryPage<'_> {
    /// Where the entry stands that this one names.
    fn parent(&self, kind: Kind, external_id: &Id) -> Option<u64> {
        self.parents.get(&(kind, external_id.clone())).copied()
    }

    fn moment(&self, time: Timestamp) -> Moment {
        Moment::new(time, self.now)
    }
}
