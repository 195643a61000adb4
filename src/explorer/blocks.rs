//! Blocks: all of them, and one.

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor, repeated};
use super::entries::ENTRIES_A_PAGE;
use super::language::Language;
use super::lines::{BlockLine, EntryLine};
use super::messages::filters;
use super::query::{query as address, value};
use super::values::{Count, Day, Digest, Moment, Span};
use crate::protocol::block::Header;
use crate::query;
use crate::store::StoredHeader;

/// How many blocks a page lists.
const BLOCKS_A_PAGE: u8 = 50;

/// What `/blocks` can be asked for.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    /// The height to begin with, going down.
    from: Option<String>,
    /// The day that the first of these blocks is of, for the page to say.
    day: Option<String>,
}

#[derive(Template)]
#[template(path = "blocks.html")]
struct BlockList<'a> {
    frame: Frame<'a>,
    day: Option<Day>,
    blocks: Vec<BlockLine>,
    newer: Option<String>,
    older: Option<String>,
}

/// `GET /blocks`
pub(super) async fn list(
    visitor: Visitor,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let Query(asked) = asked?;
            let from = value("from", asked.from.as_deref())?;
            let day: Option<query::Day> = value("day", asked.day.as_deref())?;
            reader.page(&BlockList {
                day: day.map(|day| Day(day.start())),
                ..block_list(reader, from)?
            })
        })
        .await
}

fn block_list<'a>(reader: &Reader<'a>, from: Option<u64>) -> Result<BlockList<'a>, ExplorerError> {
    let head = reader.view.head().height();
    let from = from.unwrap_or(head).min(head);
    let at = |height: u64| address(&[("from", Some(height.to_string()))]);
    let newer = (from < head).then(|| at(from.saturating_add(BLOCKS_A_PAGE.into()).min(head)));
    let older = from.checked_sub(BLOCKS_A_PAGE.into()).map(at);
    let blocks = reader.block_lines(from, BLOCKS_A_PAGE.into())?;
    Ok(BlockList { frame: reader.frame(Section::Blocks), day: None, blocks, newer, older })
}

/// What `/blocks/{name}` can be asked for.
#[derive(Deserialize)]
pub(super) struct PageQuery {
    /// Which page of its entries, from 1.
    page: Option<String>,
}

#[derive(Template)]
#[template(path = "block.html")]
struct BlockPage<'a> {
    frame: Frame<'a>,
    header: Header,
    hash: Digest,
    parent: Digest,
    log_root: Digest,
    accounts_root: Digest,
    authority: Digest,
    /// The root of the log that ends with the block: what its signature is on.
    root_hash: Digest,
    /// The checkpoint as a signed note; none at genesis.
    note: Option<String>,
    sealed: Moment,
    /// How long after the block before.
    after: Option<Span>,
    entry_count: Count,
    entries: Vec<EntryLine>,
    pages: Count,
    page: Count,
    newer: Option<String>,
    older: Option<String>,
    next: Option<u64>,
    leaf: String,
}

/// `GET /blocks/{height or hash}`
pub(super) async fn page(
    visitor: Visitor,
    name: Result<Path<String>, PathRejection>,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let (Path(name), Query(asked)) = (name?, asked?);
            let stored = find(reader, &name)?;
            let page = value("page", asked.page.as_deref())?.unwrap_or(1);
            reader.page(&block_page(reader, stored, page)?)
        })
        .await
}

/// The block that `name` means: a height, or the hash of its header.
fn find(reader: &Reader<'_>, name: &str) -> Result<StoredHeader, ExplorerError> {
    let height = match name.to_ascii_lowercase().parse() {
        Ok(hash) => reader.view.height_of_hash(&hash)?,
        Err(_) => name.parse().ok(),
    };
    let stored = match height {
        Some(height) => reader.view.header(height)?,
        None => None,
    };
    stored.ok_or_else(|| ExplorerError::NoSuchBlock { name: repeated(name) })
}

fn block_page<'a>(
    reader: &Reader<'a>,
    stored: StoredHeader,
    page: u64,
) -> Result<BlockPage<'a>, ExplorerError> {
    let StoredHeader { header, leaf, signature } = stored;
    let a_page = ENTRIES_A_PAGE as u64;
    let pages = u64::from(header.entry_count).div_ceil(a_page).max(1);
    let page = page.clamp(1, pages);
    let first = header.first_index.saturating_add((page - 1) * a_page);
    let mut entries = Vec::new();
    for index in first..header.index().min(first.saturating_add(a_page)) {
        if let Some(found) = reader.view.entry(index)? {
            entries.push(reader.entry_line(index, &found)?);
        }
    }
    let (checkpoint, _) = reader
        .view
        .checkpoint(header.height)?
        .ok_or_else(|| ExplorerError::NoSuchBlock { name: header.height.to_string() })?;
    let note = signature.map(|signature| checkpoint.to_note(&header.authority, &signature));
    let at = |page: u64| address(&[("page", Some(page.to_string()))]);
    Ok(BlockPage {
        frame: reader.frame(Section::Blocks),
        hash: Digest::new(header.hash()),
        parent: Digest::new(header.parent),
        log_root: Digest::new(header.log_root),
        accounts_root: Digest::new(header.accounts_root),
        authority: Digest::new(header.authority),
        root_hash: Digest::new(checkpoint.root),
        sealed: reader.moment(header.time),
        after: match header.height.checked_sub(1) {
            Some(before) => reader.view.header(before)?.map(|before| {
                let before = before.header.time.as_millis();
                Span::new(header.time.as_millis().saturating_sub(before))
            }),
            None => None,
        },
        entry_count: Count(u64::from(header.entry_count)),
        newer: (page > 1).then(|| at(page - 1)),
        older: (page < pages).then(|| at(page + 1)),
        next: (header.height < reader.view.head().height()).then(|| header.height + 1),
        pages: Count(pages),
        page: Count(page),
        leaf: hex::encode(leaf),
        header,
        note,
        entries,
    })
}
