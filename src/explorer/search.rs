//! The search box: knows what was typed.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Answer, Explorer, ExplorerError, Frame, Place, Reader, Section, repeated};
use super::lines::{BlockLine, EntryLine};
use super::query::query;
use crate::protocol::hash::{EntryId, HeaderHash};
use crate::protocol::id::Id;
use crate::store::{Direction, Filter};

/// How many entries of one external id are listed.
const MAX_SAME_NAME: usize = 20;
/// How many of a party's latest entries are listed.
const MAX_OF_PARTY: usize = 5;

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
    parties: Vec<Party>,
}

/// Somebody whom entries concern.
struct Party {
    role: Role,
    name: Id,
    /// Where all of its entries are, relative to the root.
    address: String,
    latest: Vec<EntryLine>,
}

#[derive(Clone, Copy)]
enum Role {
    Affiliate,
    Merchant,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage<'a> {
    frame: Frame<'a>,
    found: Found,
    /// Why the text can't be a name of anything.
    problem: Option<String>,
}

/// `GET /search?q=`
pub(super) async fn page(
    State(explorer): State<Explorer>,
    asked: Result<Query<SearchQuery>, QueryRejection>,
) -> Response {
    explorer
        .answer(Place::Top, move |reader| {
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
    let problem = Id::new(text).err().filter(|_| !text.is_empty()).map(|error| error.to_string());
    Answer::page(&SearchPage { frame, found, problem })
}

impl Found {
    fn new(reader: &Reader<'_>, text: &str) -> Result<Self, ExplorerError> {
        let mut found = Self::default();
        if let Ok(number) = text.parse() {
            found.add_number(reader, number)?;
        }
        let digest = text.to_ascii_lowercase();
        if let Ok(id) = digest.parse::<EntryId>()
            && let Some(hit) = reader.view.entry_with_id(&id)?
        {
            found.add_entry(reader, hit.index)?;
        }
        if let Ok(hash) = digest.parse::<HeaderHash>()
            && let Some(height) = reader.view.height_of_hash(&hash)?
        {
            found.add_block(reader, height)?;
        }
        if let Ok(name) = Id::new(text) {
            found.add_name(reader, &name)?;
        }
        Ok(found)
    }

    /// A height, or a log index: of an entry or, if a header stands there, of its block.
    fn add_number(&mut self, reader: &Reader<'_>, number: u64) -> Result<(), ExplorerError> {
        self.add_block(reader, number)?;
        self.add_entry(reader, number)
    }

    fn add_block(&mut self, reader: &Reader<'_>, height: u64) -> Result<(), ExplorerError> {
        let stored = reader.view.header(height)?;
        self.blocks.extend(stored.map(|stored| reader.block_line(&stored)));
        Ok(())
    }

    fn add_entry(&mut self, reader: &Reader<'_>, index: u64) -> Result<(), ExplorerError> {
        if let Some(entry) = reader.view.entry(index)? {
            self.entries.push(reader.entry_line(index, &entry)?);
        }
        Ok(())
    }

    /// Entries with this external id, and whoever bears this name.
    fn add_name(&mut self, reader: &Reader<'_>, name: &Id) -> Result<(), ExplorerError> {
        let latest = |filter: &Filter, limit| -> Result<Vec<EntryLine>, ExplorerError> {
            let page = reader.view.search(filter, Direction::NewestFirst, None, limit)?;
            reader.entry_lines(&page.hits)
        };
        let name = || Some(name.clone());
        let named = Filter { external_id: name(), ..Filter::default() };
        for line in latest(&named, MAX_SAME_NAME)? {
            // Its index may have been found before: a number is a name too.
            if self.entries.iter().all(|known| known.index != line.index) {
                self.entries.push(line);
            }
        }
        let parties = [
            (Role::Affiliate, "affiliate", Filter { affiliate: name(), ..Filter::default() }),
            (Role::Merchant, "merchant", Filter { merchant: name(), ..Filter::default() }),
        ];
        for (role, field, filter) in parties {
            let latest = latest(&filter, MAX_OF_PARTY)?;
            if let (false, Some(name)) = (latest.is_empty(), name()) {
                let address = format!("entries{}", query(&[(field, Some(name.to_string()))]));
                self.parties.push(Party { role, name, address, latest });
            }
        }
        Ok(())
    }

    /// Where the only hit is, relative to the root.
    fn only_hit(&self) -> Option<String> {
        match (self.blocks.as_slice(), self.entries.as_slice(), self.parties.as_slice()) {
            ([block], [], []) => Some(format!("blocks/{}", block.height)),
            ([], [entry], []) => Some(format!("entries/{}", entry.id)),
            ([], [], [party]) => Some(party.address.clone()),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.entries.is_empty() && self.parties.is_empty()
    }
}
