//! One entry: what it says, where it stands, and what belongs to it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor, repeated};
use super::language::Language;
use super::lines::EntryLine;
use super::marks::Named;
use super::messages::{Said, filters, say};
use super::paid::{LineName, Paid};
use super::query::path;
use super::related::Related;
use super::sentence::{AdjustmentStateName, KindName, PayoutStateName, ReasonText, StateName};
use super::standing::{BAR_UNITS, Standing};
use super::values::{Count, Day, Digest, Moment, Money, Percent, Rated, Span};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{
    Action, Amended, Balance, Body, CapPer, Claim, Effect, Entry, Kind, Locking, Outcome,
    PaymentEvent, Period, Rate, Reference, Reward, Role, Verdict,
};
use crate::protocol::hash::EntryId;
use crate::protocol::id::Id;
use crate::protocol::money::PPM_WHOLE;
use crate::protocol::rules::{AdjustmentState, CommissionState, PayoutState, Privacy};
use crate::protocol::time::Timestamp;
use crate::store::EntryHit;

/// How many lines of a payout or a funding the page lists.
pub(super) const MAX_LINES_SHOWN: usize = 100;
/// How many bytes of a leaf the page shows.
const MAX_LEAF_BYTES_SHOWN: usize = 2_048;

/// When an entry was recorded, beside when it happened.
enum Delay {
    Before(Span),
    After(Span),
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage<'a> {
    frame: Frame<'a>,
    line: EntryLine,
    event: Moment,
    delay: Delay,
    commitment: Option<Digest>,
    /// Whether the salt of that was destroyed.
    erased: bool,
    leaf_hash: Digest,
    id: Digest,
    size: Count,
    named: BTreeMap<(Kind, Id), Named>,
    standing: Option<Standing>,
    /// Of a payout: what it pays.
    paid: Option<Paid>,
    /// A page that tells more than this entry: what it is called, and where it is.
    whole: Option<(Said<'static>, String)>,
    related: Related,
    now: Timestamp,
    leaf: String,
    leaf_bytes: Count,
    leaf_cut: bool,
}

/// `GET /entries/{id or index}`
pub(super) async fn page(visitor: Visitor, name: Result<Path<String>, PathRejection>) -> Response {
    visitor
        .answer(move |reader| {
            let Path(name) = name?;
            let EntryHit { index, entry } = find(reader, &name)?;
            reader.page(&entry_page(reader, index, &entry)?)
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
    let privacy = reader.view.record(&found.key())?.map(|stored| stored.privacy);
    let named = reader.named(found)?;
    let leaf = found.leaf();
    let shown = leaf.get(..MAX_LEAF_BYTES_SHOWN).unwrap_or(leaf);
    Ok(EntryPage {
        frame: reader.frame(Section::Entries),
        delay: Delay::new(entry.event_time, line.recorded.time()),
        line,
        event: reader.moment(entry.event_time),
        commitment: entry.commitment.map(Digest::new),
        erased: privacy == Some(Privacy::Erased),
        leaf_hash: Digest::new(found.leaf_hash()),
        id: Digest::new(found.id()),
        size: Count(reader.view.head().size()),
        paid: match &entry.body {
            Body::Payout(payout) => Some(reader.paid(payout, &named)?),
            _ => None,
        },
        whole: whole(entry),
        named,
        standing: reader.standing(found)?,
        related: reader.related(index, found)?,
        now: reader.now,
        leaf: hex::encode(shown),
        leaf_bytes: Count(leaf.len() as u64),
        leaf_cut: shown.len() < leaf.len(),
    })
}

/// The page of what an entry is about.
fn whole(entry: &Entry) -> Option<(Said<'static>, String)> {
    let tenant = entry.tenant.as_str();
    if let Some((Kind::Commission, name)) = entry.subject() {
        return Some((
            say("The commission’s whole life"),
            path("commissions", &[tenant, name.as_str()]),
        ));
    }
    match &entry.body {
        Body::Transaction(sale) => Some((
            say("The order’s whole life"),
            path("orders", &[tenant, sale.order_ref.as_str()]),
        )),
        Body::ProgramTerms(terms) => Some((
            say("All versions of these terms"),
            path("programs", &[tenant, terms.merchant.as_str(), terms.program.as_str()]),
        )),
        _ => None,
    }
}

impl Delay {
    fn new(event: Timestamp, recorded: Timestamp) -> Self {
        let span = Span::new(event.as_millis().abs_diff(recorded.as_millis()));
        if event <= recorded { Self::After(span) } else { Self::Before(span) }
    }
}

impl EntryPage<'_> {
    /// The entry that this one names.
    fn named(&self, kind: Kind, external_id: &Id) -> Option<&Named> {
        self.named.get(&(kind, external_id.clone()))
    }

    /// The same of an entry of any kind.
    fn referred(&self, reference: &Reference) -> Option<&Named> {
        self.named(reference.kind, &reference.external_id)
    }

    fn moment(&self, time: Timestamp) -> Moment {
        Moment::new(time, self.now)
    }
}
