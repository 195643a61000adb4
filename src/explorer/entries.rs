//! All entries, or those that fit a filter.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Answer, Explorer, ExplorerError, Frame, Place, Reader, Section};
use super::lines::EntryLine;
use super::query::{query, value};
use super::sentence::KindName;
use crate::protocol::entry::Kind;
use crate::protocol::id::{Id, MAX_ID_BYTES};
use crate::store::{Direction, Filter, Page};

/// How many entries a page lists.
pub(super) const ENTRIES_A_PAGE: usize = 50;

/// What `/entries` can be asked for.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    kind: Option<String>,
    affiliate: Option<String>,
    merchant: Option<String>,
    tenant: Option<String>,
    external_id: Option<String>,
    /// The page of entries right below this index.
    before: Option<String>,
    /// The page of entries right above this index.
    after: Option<String>,
}

/// A field of the filter form.
struct Field {
    name: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "entries.html")]
struct EntryList<'a> {
    frame: Frame<'a>,
    kinds: Vec<KindName>,
    filter: Filter,
    entries: Vec<EntryLine>,
    newer: Option<String>,
    older: Option<String>,
    newest: Option<String>,
}

/// `GET /entries`
pub(super) async fn list(
    State(explorer): State<Explorer>,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Response {
    explorer
        .answer(Place::Top, move |reader| {
            let Query(asked) = asked?;
            Answer::page(&entry_list(reader, &asked)?)
        })
        .await
}

fn entry_list<'a>(reader: &Reader<'a>, asked: &ListQuery) -> Result<EntryList<'a>, ExplorerError> {
    let filter = Filter {
        tenant: value("tenant", asked.tenant.as_deref())?,
        kind: value("kind", asked.kind.as_deref())?,
        affiliate: value("affiliate", asked.affiliate.as_deref())?,
        merchant: value("merchant", asked.merchant.as_deref())?,
        external_id: value("external_id", asked.external_id.as_deref())?,
        ..Filter::default()
    };
    let before = value("before", asked.before.as_deref())?;
    let after = value("after", asked.after.as_deref())?;
    let search = |direction, from| reader.view.search(&filter, direction, from, ENTRIES_A_PAGE);
    // Newest first whichever way one turns the pages.
    let above = after.map(|after| search(Direction::OldestFirst, Some(after))).transpose()?;
    let (hits, more_above, more_below) = if let Some(Page { mut hits, next: Some(next) }) = above {
        hits.reverse();
        (hits, Some(next), after.map(|after: u64| after.saturating_add(1)))
    } else {
        // Nothing is further up: that is the first page, a full one.
        let Page { hits, next } = search(Direction::NewestFirst, before)?;
        (hits, before.map(|before: u64| before.saturating_sub(1)), next)
    };
    let address = |name, index: Option<u64>| Some(page_address(&filter, name, index?));
    Ok(EntryList {
        frame: reader.frame(Section::Entries),
        kinds: Kind::ALL.iter().copied().map(KindName).collect(),
        entries: reader.entry_lines(&hits)?,
        newer: address("after", more_above),
        older: address("before", more_below),
        newest: more_above.map(|_| filter_address(&filter)),
        filter,
    })
}

/// The query of the page of what fits `filter` and was recorded right after `index`.
pub(super) fn later_entries(filter: &Filter, index: u64) -> String {
    page_address(filter, "after", index)
}

/// The query of a page of what fits `filter`.
fn page_address(filter: &Filter, name: &'static str, index: u64) -> String {
    let mut values = filter_values(filter);
    values.push((name, Some(index.to_string())));
    query(&values)
}

/// The query of the first page of what fits `filter`.
fn filter_address(filter: &Filter) -> String {
    query(&filter_values(filter))
}

fn filter_values(filter: &Filter) -> Vec<(&'static str, Option<String>)> {
    let text = |id: &Option<Id>| id.as_ref().map(ToString::to_string);
    vec![
        ("tenant", text(&filter.tenant)),
        ("kind", filter.kind.map(|kind| kind.to_string())),
        ("affiliate", text(&filter.affiliate)),
        ("merchant", text(&filter.merchant)),
        ("external_id", text(&filter.external_id)),
    ]
}

impl EntryList<'_> {
    /// The filter's free fields, as the form shows them.
    fn fields(&self) -> impl Iterator<Item = Field> {
        let values = filter_values(&self.filter).into_iter().filter(|(name, _)| *name != "kind");
        values.map(|(name, value)| Field { name, value: value.unwrap_or_default() })
    }

    fn filtered(&self) -> bool {
        self.filter != Filter::default()
    }
}
