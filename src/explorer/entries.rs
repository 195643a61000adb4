//! All entries, or those that fit a filter.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor};
use super::lines::EntryLine;
use super::messages::filters;
use super::query::{query, value};
use super::sentence::KindName;
use crate::protocol::entry::{Kind, ReferenceKind};
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
    order_ref: Option<String>,
    voucher: Option<String>,
    click_ref: Option<String>,
    link_ref: Option<String>,
    campaign_ref: Option<String>,
    payment_ref: Option<String>,
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

/// What entries refer to outside of the ledger, by the names of the fields.
const REFERENCES: [(&str, ReferenceKind); 6] = [
    ("order_ref", ReferenceKind::Order),
    ("voucher", ReferenceKind::Voucher),
    ("click_ref", ReferenceKind::Click),
    ("link_ref", ReferenceKind::Link),
    ("campaign_ref", ReferenceKind::Campaign),
    ("payment_ref", ReferenceKind::Payment),
];

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
    visitor: Visitor,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let Query(asked) = asked?;
            reader.page(&entry_list(reader, &asked)?)
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
        references: asked.references()?,
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

impl ListQuery {
    /// What is asked for outside of the ledger.
    fn references(&self) -> Result<Vec<(ReferenceKind, Id)>, ExplorerError> {
        let given = [
            &self.order_ref,
            &self.voucher,
            &self.click_ref,
            &self.link_ref,
            &self.campaign_ref,
            &self.payment_ref,
        ];
        let mut references = Vec::new();
        for ((name, kind), given) in REFERENCES.into_iter().zip(given) {
            if let Some(id) = value(name, given.as_deref())? {
                references.push((kind, id));
            }
        }
        Ok(references)
    }
}

fn filter_values(filter: &Filter) -> Vec<(&'static str, Option<String>)> {
    let text = |id: &Option<Id>| id.as_ref().map(ToString::to_string);
    let named = vec![
        ("tenant", text(&filter.tenant)),
        ("kind", filter.kind.map(|kind| kind.to_string())),
        ("affiliate", text(&filter.affiliate)),
        ("merchant", text(&filter.merchant)),
        ("external_id", text(&filter.external_id)),
    ];
    let referred = REFERENCES.into_iter().map(|(name, kind)| {
        let given = filter.references.iter().find(|(known, _)| *known == kind);
        (name, given.map(|(_, id)| id.to_string()))
    });
    named.into_iter().chain(referred).collect()
}

impl EntryList<'_> {
    /// The filter's free fields, as the form shows them.
    fn fields(&self) -> impl Iterator<Item = Field> {
        let values = filter_values(&self.filter).into_iter().filter(|(name, _)| *name != "kind");
        // Nobody begins to filter by what is outside of the ledger: that comes from a link.
        let shown = values.filter(|(name, value)| {
            value.is_some() || !REFERENCES.iter().any(|(known, _)| known == name)
        });
        shown.map(|(name, value)| Field { name, value: value.unwrap_or_default() })
    }

    fn filtered(&self) -> bool {
        self.filter != Filter::default()
    }
}
