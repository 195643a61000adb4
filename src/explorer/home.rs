//! The first page: what this ledger is, what was recorded last, and what it comes to.

use std::time::{Duration, Instant};

use askama::Template;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::activity::{Activity, DAYS, Throughput};
use super::answer::{ExplorerError, Frame, Reader, Section, Visitor};
use super::condition::Condition;
use super::lines::{BlockLine, EntryLine};
use super::messages::filters;
use super::values::{Count, Digest, Moment};
use crate::protocol::checkpoint;
use crate::protocol::time::Timestamp;
use crate::query::{AsOf, When};
use crate::store::{Direction, Filter};

/// How many of the latest blocks the first page lists.
const LATEST_BLOCKS: usize = 8;
/// How many of the latest entries the first page lists.
const LATEST_ENTRIES: usize = 8;
/// How long the latest may be shown though there is something later, while many ask.
const LATEST_KEPT: Duration = Duration::from_secs(1);

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    frame: Frame<'a>,
    latest: Latest<'a>,
    condition: Condition,
    vkey: String,
    activity: Activity,
    /// Where this node answers, for an example to be copied.
    host: String,
    /// The time of that example.
    example_time: Timestamp,
}

/// What changes with every block: a part of the first page, which is also served alone.
#[derive(Template)]
#[template(path = "latest.html")]
struct Latest<'a> {
    frame: Frame<'a>,
    height: u64,
    entry_count: Count,
    block_count: Count,
    size: Count,
    throughput: Option<Throughput>,
    root_hash: Digest,
    sealed: Moment,
    blocks: Vec<BlockLine>,
    entries: Vec<EntryLine>,
}

/// What was latest when somebody asked.
pub(super) struct Kept {
    height: u64,
    made: Instant,
    html: String,
}

/// `GET /`
pub(super) async fn page(visitor: Visitor, headers: HeaderMap) -> Response {
    let host = host(&headers);
    visitor.answer(|reader| reader.page(&home(reader, host)?)).await
}

/// `GET /latest`: what is put into the first page while it stands open. However many look on, it is
/// made once for a block, and once in [`LATEST_KEPT`] at most.
pub(super) async fn latest_page(visitor: Visitor) -> Response {
    let (height, language) = (visitor.height(), visitor.language());
    let shelf = visitor.latest();
    // Whoever comes while it is being made waits for it here.
    let mut shelf = shelf.lock().await;
    if let Some(kept) = shelf.get(&language)
        && (kept.height == height || kept.made.elapsed() < LATEST_KEPT)
    {
        return visitor.show(kept.html.clone());
    }
    let made = visitor.read(|reader| {
        let latest = latest(reader)?;
        Ok((latest.height, latest.render_with_values(reader.values())?))
    });
    match made.await {
        Ok((height, html)) => {
            let answer = visitor.show(html.clone());
            shelf.insert(language, Kept { height, made: Instant::now(), html });
            answer
        }
        Err(error) => visitor.refuse(&error),
    }
}

fn home<'a>(reader: &Reader<'a>, host: String) -> Result<Home<'a>, ExplorerError> {
    let at = AsOf::resolve(reader.view, When::Now)?;
    let spec = reader.view.spec();
    let latest = latest(reader)?;
    let newest = latest.entries.first().map_or(at.time, |newest| newest.event);
    Ok(Home {
        frame: reader.frame(Section::Home),
        latest,
        condition: Condition::of(reader.ledger),
        vkey: checkpoint::vkey(&spec.origin, &spec.authority()),
        activity: reader.activity(&at, newest)?,
        host,
        example_time: reader.view.head().header.time,
    })
}

fn latest<'a>(reader: &Reader<'a>) -> Result<Latest<'a>, ExplorerError> {
    let head = reader.view.head();
    let (height, size) = (head.height(), head.size());
    let latest =
        reader.view.search(&Filter::default(), Direction::NewestFirst, None, LATEST_ENTRIES)?;
    // Each block has one leaf that isn't an entry: its header.
    let blocks = height.saturating_add(1);
    Ok(Latest {
        frame: reader.frame(Section::Home),
        height,
        entry_count: Count(size.saturating_sub(blocks)),
        block_count: Count(blocks),
        size: Count(size),
        throughput: reader.throughput()?,
        root_hash: Digest::new(head.tip.tree.root()),
        sealed: reader.moment(head.header.time),
        blocks: reader.block_lines(height, LATEST_BLOCKS)?,
        entries: reader.entry_lines(&latest.hits)?,
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
