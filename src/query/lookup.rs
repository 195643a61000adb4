//! Search: everything that somebody may mean by a word, found by exact match, and names also by how
//! they begin.
//!
//! A search looks at a bounded number of entries and names, whatever the word.

use serde::Serialize;
use utoipa::ToSchema;

use super::as_of::height_at;
use super::{AsOf, QueryError, links};
use crate::protocol::entry::{Kind, ReferenceKind};
use crate::protocol::hash::{EntryId, HeaderHash};
use crate::protocol::id::Id;
use crate::protocol::time::{DAY_MS, Timestamp};
use crate::store::{EntryHit, Listed, Lookup, NameFamily, Span, View};

/// The most that a search finds.
pub const MAX_FOUND: usize = 100;
/// The most entries of one external id that are listed.
const MAX_SAME_NAME: usize = 20;
/// The most entries, or names, that are looked at for one way to read the word.
const MAX_LOOKED_AT: usize = 100;

/// Something that somebody may mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Found {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FoundType,
    /// Its name is what was asked for, not only begins so.
    pub exact: bool,
    /// Whose it is.
    pub tenant: Option<Id>,
    /// Its name: of an entry its external id, of a block its height, of a day the date.
    pub name: String,
    /// Of a program, its merchant.
    pub merchant: Option<Id>,
    /// Of an entry, its kind.
    pub entry_kind: Option<Kind>,
    /// The log index of the entry, or of the first entry that names it; of a block, that of its header.
    pub index: Option<u64>,
    /// The height of a block; of a day, that of its first block.
    pub height: Option<u64>,
    /// Of a day, the height of its last block.
    pub last_height: Option<u64>,
    /// Where there is more of it.
    #[schema(example = "/v1/entries?tenant=acme&affiliate=aff-7")]
    pub link: String,
    /// The proof of that entry.
    #[schema(example = "/v1/entries/4711/receipt")]
    pub receipt: Option<String>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundType {
    /// An entry, by identity, log index or external id.
    Entry,
    /// A block, by height or hash.
    Block,
    /// A day, by date.
    Day,
    /// An order.
    Order,
    /// An affiliate link.
    Link,
    /// A campaign.
    Campaign,
    /// A click.
    Click,
    /// A voucher.
    Voucher,
    /// A payment.
    Payment,
    /// A tenant.
    Tenant,
    /// An affiliate.
    Affiliate,
    /// A merchant.
    Merchant,
    /// A program.
    Program,
}

/// What may be meant by `text`, of one tenant or of any: exact matches first, at most `limit`.
///
/// # Errors
/// [`QueryError`].
pub fn search(
    view: &View,
    at: &AsOf,
    text: &str,
    tenant: Option<&Id>,
    limit: usize,
) -> Result<Vec<Found>, QueryError> {
    let mut search = Search { view, at, tenant, found: Vec::new() };
    let text = text.trim();
    if let Ok(number) = text.parse() {
        search.block(number)?;
        search.entry_at(number)?;
    }
    let digest = text.to_ascii_lowercase();
    if let Ok(id) = digest.parse::<EntryId>()
        && let Some(hit) = view.entry_with_id(&id)?
    {
        search.entry(hit);
    }
    if let Ok(hash) = digest.parse::<HeaderHash>()
        && let Some(height) = view.height_of_hash(&hash)?
    {
        search.block(height)?;
    }
    search.day(text)?;
    if let Ok(name) = Id::new(text) {
        search.named(&name)?;
        search.directory(&name)?;
    }
    let mut found = search.found;
    found.sort_by_key(|found| !found.exact);
    found.truncate(limit.min(MAX_FOUND));
    Ok(found)
}

struct Search<'a> {
    view: &'a View,
    at: &'a AsOf,
    tenant: Option<&'a Id>,
    found: Vec<Found>,
}

impl Search<'_> {
    fn fits(&self, tenant: &Id) -> bool {
        self.tenant.is_none_or(|asked| asked == tenant)
    }

    fn block(&mut self, height: u64) -> Result<(), QueryError> {
        if height > self.at.height {
            return Ok(());
        }
        if let Some(stored) = self.view.header(height)? {
            self.found.push(Found {
                index: Some(stored.header.index()),
                height: Some(height),
                ..plain(FoundType::Block, height.to_string(), format!("/v1/blocks/{height}"))
            });
        }
        Ok(())
    }

    fn entry_at(&mut self, index: u64) -> Result<(), QueryError> {
        if let Some(entry) = self.view.entry(index)? {
            self.entry(EntryHit { index, entry });
        }
        Ok(())
    }

    fn entry(&mut self, EntryHit { index, entry }: EntryHit) {
        let known = |found: &Found| found.kind == FoundType::Entry && found.index == Some(index);
        let entry = entry.entry();
        let is_there = index <= self.at.last_index() && self.fits(&entry.tenant);
        if is_there && !self.found.iter().any(known) {
            let name = entry.external_id.to_string();
            self.found.push(Found {
                tenant: Some(entry.tenant.clone()),
                entry_kind: Some(entry.kind()),
                index: Some(index),
                receipt: Some(links::receipt(index)),
                ..plain(FoundType::Entry, name, format!("/v1/entries/{index}"))
            });
        }
    }

    /// A day on which blocks were made: which ones.
    fn day(&mut self, text: &str) -> Result<(), QueryError> {
        let midnight: Option<Timestamp> = format!("{text}T00:00:00Z").parse().ok();
        let Some(begin) = midnight.map(Timestamp::as_millis) else { return Ok(()) };
        let last_before = |time: u64| match Timestamp::from_millis(time) {
            Ok(time) => match height_at(self.view, time) {
                Ok(height) => Ok(Some(height)),
                Err(QueryError::BeforeGenesis { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            Err(_) => Ok(None),
        };
        let first = match begin.checked_sub(1) {
            Some(before) => last_before(before)?.map_or(0, |height| height + 1),
            None => 0,
        };
        let last = last_before(begin + DAY_MS - 1)?.map(|height| height.min(self.at.height));
        if let Some(last) = last.filter(|last| *last >= first) {
            self.found.push(Found {
                height: Some(first),
                last_height: Some(last),
                ..plain(FoundType::Day, text.to_owned(), format!("/v1/blocks/{first}"))
            });
        }
        Ok(())
    }

    /// Entries with this external id, and what entries refer to by this name.
    fn named(&mut self, name: &Id) -> Result<(), QueryError> {
        let span = Span::up_to(self.at.last_index()).at_most(MAX_LOOKED_AT);
        let same = self.view.look_up(self.tenant, Lookup::ExternalId(name), span);
        for hit in same.take(MAX_SAME_NAME) {
            self.entry(hit?);
        }
        let kinds = [
            (ReferenceKind::Order, FoundType::Order),
            (ReferenceKind::Click, FoundType::Click),
            (ReferenceKind::Payment, FoundType::Payment),
        ];
        for (reference, kind) in kinds {
            let by = Lookup::Reference(reference, name);
            let Some(hit) = self.view.look_up(self.tenant, by, span).next().transpose()? else {
                continue;
            };
            let tenant = &hit.entry.entry().tenant;
            let link = match reference {
                ReferenceKind::Order => {
                    let (order, tenant) = (links::encoded(name), links::encoded(tenant));
                    format!("/v1/orders/{order}?tenant={tenant}")
                }
                ReferenceKind::Click => links::entries(tenant, "click_ref", name),
                _ => links::entries(tenant, "payment_ref", name),
            };
            self.found.push(Found {
                tenant: Some(tenant.clone()),
                index: Some(hit.index),
                receipt: Some(links::receipt(hit.index)),
                ..plain(kind, name.to_string(), link)
            });
        }
        Ok(())
    }

    /// Names that begin so.
    fn directory(&mut self, start: &Id) -> Result<(), QueryError> {
        for family in NameFamily::ALL {
            for listed in self.view.names(family, start.as_str(), MAX_LOOKED_AT)? {
                if listed.index <= self.at.last_index() && self.fits(&listed.tenant) {
                    self.found.push(from_directory(family, listed, start));
                }
            }
        }
        Ok(())
    }
}

fn from_directory(family: NameFamily, listed: Listed, start: &Id) -> Found {
    let Listed { tenant, name, merchant, index } = listed;
    let entries = |parameter| links::entries(&tenant, parameter, &name);
    let (kind, link) = match family {
        NameFamily::Tenant => {
            (FoundType::Tenant, format!("/v1/entries?tenant={}", links::encoded(&name)))
        }
        NameFamily::Affiliate => (FoundType::Affiliate, entries("affiliate")),
        NameFamily::Merchant => (FoundType::Merchant, entries("merchant")),
        NameFamily::Campaign => (FoundType::Campaign, entries("campaign_ref")),
        NameFamily::Link => (FoundType::Link, entries("link_ref")),
        NameFamily::Voucher => (FoundType::Voucher, entries("voucher")),
        NameFamily::Program => {
            let of = merchant.as_ref().map(links::encoded).unwrap_or_default();
            let (program, tenant) = (links::encoded(&name), links::encoded(&tenant));
            (FoundType::Program, format!("/v1/programs/{of}/{program}/terms?tenant={tenant}"))
        }
    };
    Found {
        exact: name == *start,
        tenant: Some(tenant),
        merchant,
        index: Some(index),
        receipt: Some(links::receipt(index)),
        ..plain(kind, name.to_string(), link)
    }
}

/// An exact match about which nothing more is known.
const fn plain(kind: FoundType, name: String, link: String) -> Found {
    Found {
        kind,
        exact: true,
        tenant: None,
        name,
        merchant: None,
        entry_kind: None,
        index: None,
        height: None,
        last_height: None,
        link,
        receipt: None,
    }
}
