//! How this node fares, for whoever wonders whether it is them or the node.

use askama::Template;
use axum::response::Response;

use super::activity::Throughput;
use super::answer::{ExplorerError, Frame, Reader, Section, Visitor};
use super::chart::{Columns, Value, number};
use super::condition::Condition;
use super::messages::filters;
use super::values::{Count, Moment};
use crate::protocol::time::Timestamp;

/// How many of the latest blocks are drawn.
const BLOCKS_DRAWN: u64 = 60;

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage<'a> {
    frame: Frame<'a>,
    condition: Condition,
    version: &'static str,
    height: u64,
    sealed: Moment,
    size: Count,
    throughput: Option<Throughput>,
    format_version: u16,
    rules_version: u16,
    /// Entries of the latest blocks.
    blocks: Option<Columns>,
    /// Seconds between the latest blocks.
    gaps: Option<Columns>,
}

/// `GET /status`
pub(super) async fn page(visitor: Visitor) -> Response {
    visitor.answer(|reader| reader.page(&status(reader)?)).await
}

fn status<'a>(reader: &Reader<'a>) -> Result<StatusPage<'a>, ExplorerError> {
    let head = reader.view.head();
    let header = &head.header;
    let language = reader.language();
    let (mut entries, mut gaps) = (Vec::new(), Vec::new());
    let mut before: Option<Timestamp> = None;
    let first = header.height.saturating_sub(BLOCKS_DRAWN);
    for height in first..=header.height {
        let Some(stored) = reader.view.header(height)? else { continue };
        let stored = stored.header;
        // Genesis is no block that somebody filled.
        if let Some(before) = before {
            let count = u64::from(stored.entry_count);
            let of = height.to_string();
            let shown = number(language, Count(count));
            entries.push(Value { of: of.clone(), units: count.into(), shown });
            if height > 1 {
                let gap = stored.time.as_millis().saturating_sub(before.as_millis());
                let shown =
                    format!("{} s", language.number(&format!("{}.{:03}", gap / 1000, gap % 1000)));
                gaps.push(Value { of, units: gap.into(), shown });
            }
        }
        before = Some(stored.time);
    }
    Ok(StatusPage {
        frame: reader.frame(Section::Status),
        condition: Condition::of(reader.ledger),
        version: env!("CARGO_PKG_VERSION"),
        height: header.height,
        sealed: reader.moment(header.time),
        size: Count(head.size()),
        throughput: reader.throughput()?,
        format_version: header.format_version,
        rules_version: header.rules_version,
        blocks: Columns::new(&entries),
        gaps: Columns::new(&gaps),
    })
}
