//! The search box: knows what was typed. One hit is gone to at once, many are listed.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Answer, ExplorerError, Frame, Reader, Section, Visitor, repeated};
use super::lines::{BlockLine, EntryLine};
use super::messages::filters;
use super::query::{path, query};
use super::values::Day;
use crate::protocol::id::Id;
use crate::protocol::time::Timestamp;
use crate::query::{self, AsOf, FoundType, QueryError, When};

/// How many hits are listed.
const MAX_HITS: usize = 50;

/// What `/search` can be asked for.
#[derive(Deserialize)]
pub(super) struct SearchQuery {
    q: Option<String>,
}

/// What was found.
#[derive(Default)]
struct Found {
    blocks: Vec<BlockLine>,
    entries: Vec<EntryLine>,
    /// Whoever and whatever is called so.
    names: Vec<Name>,
    /// Those whose name only begins so.
    similar: Vec<Name>,
}

/// Something that has a page.
struct Name {
    kind: FoundType,
    called: String,
    /// Of a day.
    day: Option<Timestamp>,
    /// Of a program.
    merchant: Option<Id>,
    tenant: Option<Id>,
    /// Where it is, relative to the root.
    address: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage<'a> {
    frame: Frame<'a>,
    found: Found,
    /// Whether the text can't be a name of anything.
    impossible: bool,
}

/// `GET /search?q=`
pub(super) async fn page(
    visitor: Visitor,
    asked: Result<Query<SearchQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let Query(asked) = asked?;
            search(reader, asked.q.unwrap_or_default().trim())
        })
        .await
}

fn search(reader: &Reader<'_>, text: &str) -> Result<Answer, ExplorerError> {
    let found = Found::new(reader, text)?;
    if let Some(address) = found.only_hit() {
        return Ok(Answer::Elsewhere(address));
    }
    let shown = repeated(text);
    let frame = Frame { query: &shown, ..reader.frame(Section::Search) };
    let impossible = Id::new(text).is_err();
    reader.page(&SearchPage { frame, found, impossible })
}

impl Found {
    fn new(reader: &Reader<'_>, text: &str) -> Result<Self, ExplorerError> {
        let mut found = Self::default();
        if text.is_empty() {
            return Ok(found);
        }
        let at = AsOf::resolve(reader.view, When::Now)?;
        for hit in query::search(reader.view, &at, text, None, MAX_HITS)? {
            match (hit.kind, hit.index, hit.height) {
                (FoundType::Entry, Some(index), _) => found.add_entry(reader, index)?,
                (FoundType::Block, _, Some(height)) => found.add_block(reader, height)?,
                _ => {
                    let exact = hit.exact;
                    let names = if exact { &mut found.names } else { &mut found.similar };
                    names.push(Name::new(hit));
                }
            }
        }
        if let Some(time) = point_in_time(text) {
            found.add_block_at(reader, time)?;
        }
        Ok(found)
    }

    fn add_block(&mut self, reader: &Reader<'_>, height: u64) -> Result<(), ExplorerError> {
        let stored = reader.view.header(height)?;
        self.blocks.extend(stored.map(|stored| reader.block_line(&stored)));
        Ok(())
    }

    /// The block that was the last one at a time.
    fn add_block_at(&mut self, reader: &Reader<'_>, time: Timestamp) -> Result<(), ExplorerError> {
        match AsOf::resolve(reader.view, When::Time(time)) {
            Ok(at) => self.add_block(reader, at.height),
            Err(QueryError::BeforeGenesis { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn add_entry(&mut self, reader: &Reader<'_>, index: u64) -> Result<(), ExplorerError> {
        if let Some(entry) = reader.view.entry(index)? {
            self.entries.push(reader.entry_line(index, &entry)?);
        }
        Ok(())
    }

    /// Where the only hit is, relative to the root. What only begins so doesn't count beside it.
    fn only_hit(&self) -> Option<String> {
        match (self.blocks.as_slice(), self.entries.as_slice(), self.names.as_slice()) {
            ([block], [], []) => Some(format!("blocks/{}", block.height)),
            ([], [entry], []) => Some(format!("entries/{}", entry.id)),
            ([], [], [name]) => Some(name.address.clone()),
            ([], [], []) => match self.similar.as_slice() {
                [name] => Some(name.address.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        let nobody = self.names.is_empty() && self.similar.is_empty();
        self.blocks.is_empty() && self.entries.is_empty() && nobody
    }
}

impl Name {
    fn new(found: query::Found) -> Self {
        let query::Found { kind, tenant, name, merchant, last_height, .. } = found;
        let of = tenant.as_ref().map(ToString::to_string).unwrap_or_default();
        let entries = |field| {
            let values = [("tenant", Some(of.clone())), (field, Some(name.clone()))];
            format!("entries{}", query(&values))
        };
        let address = match kind {
            FoundType::Affiliate => path("affiliates", &[&of, &name]),
            FoundType::Merchant => path("merchants", &[&of, &name]),
            FoundType::Order => path("orders", &[&of, &name]),
            FoundType::Program => {
                let merchant = merchant.as_ref().map(ToString::to_string).unwrap_or_default();
                path("programs", &[&of, &merchant, &name])
            }
            FoundType::Day => {
                let last = last_height.unwrap_or_default().to_string();
                format!("blocks{}", query(&[("from", Some(last)), ("day", Some(name.clone()))]))
            }
            FoundType::Tenant => format!("entries{}", query(&[("tenant", Some(name.clone()))])),
            FoundType::Voucher => entries("voucher"),
            FoundType::Click => entries("click_ref"),
            FoundType::Link => entries("link_ref"),
            FoundType::Campaign => entries("campaign_ref"),
            FoundType::Payment => entries("payment_ref"),
            FoundType::Entry | FoundType::Block => entries("external_id"),
        };
        let day =
            if kind == FoundType::Day { format!("{name}T00:00:00Z").parse().ok() } else { None };
        Self { kind, called: name, day, merchant, tenant, address }
    }
}

/// The point in time that `text` writes, with a `T` or a space in its middle, with or without
/// seconds, in UTC.
fn point_in_time(text: &str) -> Option<Timestamp> {
    let text = text.trim_end_matches("UTC").trim_end_matches('Z').trim().replacen(' ', "T", 1);
    let (day, clock) = text.split_once('T')?;
    let seconds = if clock.matches(':').count() == 1 { ":00" } else { "" };
    format!("{day}T{clock}{seconds}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let time = "2026-03-01T14:05:00Z".parse::<Timestamp>().unwrap();
        for text in [
            "2026-03-01T14:05:00Z",
            "2026-03-01 14:05",
            "2026-03-01 14:05:00 UTC",
            "2026-03-01T14:05:00.000",
        ] {
            assert_eq!(point_in_time(text), Some(time), "{text}");
        }
        for text in ["2026-03-01", "T", "2026-03-01 ", "yesterday", "12:00"] {
            assert_eq!(point_in_time(text), None, "{text}");
        }
    }
}
