//! An entry as it is shown, and how it is named.

use serde::Serialize;
use utoipa::ToSchema;

use super::extract::parse_number;
use super::problem::{Problem, ProblemType};
use super::schema::EntryDocument;
use super::standing::{Detail, Standings, standings};
use crate::protocol::block::Header;
use crate::protocol::hash::{EntryId, TreeHash};
use crate::protocol::text::EntryText;
use crate::protocol::time::Timestamp;
use crate::store::{EntryHit, StoreError, View};

/// An entry on the ledger.
#[derive(Serialize, ToSchema)]
pub struct EntryView {
    /// The identity of the entry: BLAKE3 of its canonical bytes.
    id: EntryId,
    /// Its log index.
    index: u64,
    /// The height of its block.
    height: u64,
    /// When it was recorded: the time of its block.
    recorded_at: Timestamp,
    /// The hash of its leaf in the log's tree.
    leaf_hash: TreeHash,
    /// What was stated, as it could be submitted.
    #[schema(value_type = EntryDocument)]
    entry: EntryText,
    #[serde(flatten)]
    standings: Standings,
    /// Where its proofs are.
    links: Links,
}

/// Where to go on from an entry.
#[derive(Serialize, ToSchema)]
struct Links {
    /// The entry.
    #[serde(rename = "self")]
    this: String,
    /// The proof that it is on the ledger, in one file.
    receipt: String,
    /// The bytes of its leaf.
    leaf: String,
    /// Its block.
    block: String,
}

/// Entries as they are shown.
///
/// # Errors
/// [`StoreError`].
pub fn views(view: &View, hits: &[EntryHit], detail: Detail) -> Result<Vec<EntryView>, StoreError> {
    let mut block: Option<Header> = None;
    let mut views = Vec::with_capacity(hits.len());
    for hit in hits {
        let holds = |header: &Header| (header.first_index..header.index()).contains(&hit.index);
        let header = match block.take().filter(holds) {
            Some(header) => header,
            None => header_over(view, hit.index)?,
        };
        views.push(entry_view(view, &header, hit, detail)?);
        block = Some(header);
    }
    Ok(views)
}

/// The header of the block that holds the leaf at `index`, which the head must hold.
fn header_over(view: &View, index: u64) -> Result<Header, StoreError> {
    let stored = match view.height_of(index)? {
        Some(height) => view.header(height)?,
        None => None,
    };
    stored.map(|stored| stored.header).ok_or_else(|| StoreError::Damaged {
        place: format!("index {index}"),
        problem: "no block holds it".to_owned(),
    })
}

fn entry_view(
    view: &View,
    header: &Header,
    hit: &EntryHit,
    detail: Detail,
) -> Result<EntryView, StoreError> {
    let EntryHit { index, entry } = hit;
    let (id, height) = (entry.id(), header.height);
    let currencies = &view.spec().currencies;
    let damaged =
        |problem: String| StoreError::Damaged { place: format!("index {index}"), problem };
    let text = EntryText::new(entry.entry(), currencies);
    Ok(EntryView {
        id,
        index: *index,
        height,
        recorded_at: header.time,
        leaf_hash: entry.leaf_hash(),
        entry: text.map_err(|error| damaged(error.to_string()))?,
        standings: standings(view, hit, header.time, detail)?,
        links: Links {
            this: format!("/v1/entries/{id}"),
            receipt: format!("/v1/entries/{id}/receipt"),
            leaf: format!("/v1/entries/{id}/leaf"),
            block: format!("/v1/blocks/{height}"),
        },
    })
}

/// How a path names an entry.
pub enum EntryName {
    /// By its identity.
    Id(EntryId),
    /// By its log index.
    Index(u64),
}

impl EntryName {
    /// Reads the name.
    ///
    /// # Errors
    /// [`ProblemType::BadParameter`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let id = text.parse().map(Self::Id).ok();
        id.or_else(|| parse_number(text).map(Self::Index)).ok_or_else(|| {
            let detail = "an entry is named by its id, 64 lower-case hexadecimal digits, or by its log index";
            Problem::new(ProblemType::BadParameter, detail).at("entry")
        })
    }

    /// The entry.
    ///
    /// # Errors
    /// [`ProblemType::NotFound`].
    pub fn find(&self, view: &View) -> Result<EntryHit, Problem> {
        let found = match self {
            Self::Id(id) => view.entry_with_id(id)?,
            Self::Index(index) => {
                view.entry(*index)?.map(|entry| EntryHit { index: *index, entry })
            }
        };
        found.ok_or_else(|| {
            let detail = match self {
                Self::Id(_) => "no entry on the ledger has this id".to_owned(),
                Self::Index(index) if *index < view.head().size() => {
                    format!("the leaf at index {index} is a block's header")
                }
                Self::Index(index) => format!("the log ends before index {index}"),
            };
            Problem::new(ProblemType::NotFound, detail)
        })
    }
}
