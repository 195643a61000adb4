//! The first page: what this ledger is, and what was recorded last.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::answer::{Answer, Explorer, ExplorerError, Frame, Place, Reader, Section};
use super::lines::{BlockLine, EntryLine};
use super::values::{Count, Digest, Moment};
use crate::protocol::checkpoint;
use crate::protocol::time::Timestamp;
use crate::store::{Direction, Filter};

/// How many of the latest blocks the first page lists.
const LATEST_BLOCKS: usize = 8;
/// How many of the latest entries the first page lists.
const LATEST_ENTRIES: usize = 10;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    frame: Frame<'a>,
    height: u64,
    entry_count: Count,
    block_count: Count,
    size: Count,
    root_hash: Digest,
    sealed: Moment,
    vkey: String,
    blocks: Vec<BlockLine>,
    entries: Vec<EntryLine>,
    /// Where this node answers, for an example to be copied.
    host: String,
    /// The time of that example.
    example_time: Timestamp,
}

/// `GET /`
pub(super) async fn page(State(explorer): State<Explorer>, headers: HeaderMap) -> Response {
    let host = host(&headers);
    explorer.answer(Place::Top, move |reader| Answer::page(&home(reader, host)?)).await
}

fn home<'a>(reader: &Reader<'a>, host: String) -> Result<Home<'a>, ExplorerError> {
    let head = reader.view.head();
    let (height, size) = (head.height(), head.size());
    let latest =
        reader.view.search(&Filter::default(), Direction::NewestFirst, None, LATEST_ENTRIES)?;
    // Each block has one leaf that isn't an entry: its header.
    let blocks = height.saturating_add(1);
    Ok(Home {
        frame: reader.frame(Section::Home),
        height,
        entry_count: Count(size.saturating_sub(blocks)),
        block_count: Count(blocks),
        size: Count(size),
        root_hash: Digest::new(head.tip.tree.root()),
        sealed: reader.moment(head.header.time),
        vkey: checkpoint::vkey(&reader.view.spec().origin, &reader.view.spec().authority()),
        blocks: reader.block_lines(height, LATEST_BLOCKS)?,
        entries: reader.entry_lines(&latest.hits)?,
        host,
        example_time: reader.view.head().header.time,
    })
}

/// The host that the request was sent to. It goes into a command for people to copy, so
/// anything that a shell would read otherwise is left out.
fn host(headers: &HeaderMap) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:-[]".contains(c);
    headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| host.chars().all(plain))
        .unwrap_or("localhost")
        .to_owned()
}
