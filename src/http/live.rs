//! Blocks as they are sealed, as server-sent events.
//!
//! One task reads each new block once and makes one event of it for all who look on; it runs while
//! there are any. Whoever comes later, or comes back, first reads what was sealed meanwhile from the
//! store.
//!
//! Invariants:
//! - A viewer gets each block once, in order, from where it asked on: there is no gap.
//! - Nobody is waited for. A viewer that lets [`MAX_EVENTS_WAITING`] events wait is dropped; it may
//!   come back and go on after the last that it got.
//! - No task and no viewer outlives the node: both end when it stops.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::Parameters;
use super::problem::{Problem, ProblemType};
use crate::ledger::Ledger;
use crate::protocol::hash::HeaderHash;
use crate::protocol::time::Timestamp;
use crate::store::{StoreError, StoredHeader, View};

/// The most viewers at the same time.
pub const MAX_VIEWERS: usize = 512;
/// The most events that wait for a viewer before it is dropped.
const MAX_EVENTS_WAITING: usize = 256;
/// How many blocks are read at once for a viewer that is behind.
const MAX_BLOCKS_A_READ: u64 = 128;
/// How long a connection stays silent at most, in seconds: proxies end what seems dead.
const KEEP_ALIVE_SECONDS: u64 = 15;
/// How long a browser waits before it comes back, in milliseconds.
const RETRY_MS: u64 = 2_000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What tells a proxy (nginx, and those that follow it) not to gather what comes.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// Where a viewer begins.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The height of the first block that is wanted; without it, the next that is sealed.
    #[param(example = 17)]
    from_height: Option<u64>,
}

/// A block that was sealed.
#[derive(Serialize, ToSchema)]
struct BlockEvent {
    /// Its height.
    height: u64,
    /// The hash of its header.
    hash: HeaderHash,
    /// When it was sealed.
    time: Timestamp,
    /// How many entries it has.
    entries: u32,
    /// The log index of the first of them.
    first_index: u64,
    /// The size of the log that ends with it.
    size: u64,
}

/// An event as it is sent.
#[derive(Clone)]
struct Event {
    height: u64,
    text: Bytes,
}

/// What all viewers share.
pub struct Feed {
    /// Where events come from, while anybody looks on.
    events: Arc<Mutex<Option<broadcast::Sender<Event>>>>,
    viewers: Arc<Semaphore>,
    stopping: CancellationToken,
}

/// Somebody who looks on.
struct Viewer {
    ledger: Ledger,
    events: broadcast::Receiver<Event>,
    /// The height of the next block to send.
    next: u64,
    /// The height up to which the store has to be asked: later blocks come as events.
    read_up_to: u64,
    waiting: VecDeque<Event>,
    stopping: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// Blocks as they are sealed
///
/// Server-sent events, one for each block: `event: block`, the height as `id`, the block as JSON in
/// `data`. The header `Last-Event-ID`, which browsers send by themselves when they come back, goes on
/// right after that height, however long ago that was. Whoever reads too slowly is disconnected and
/// may come back.
#[utoipa::path(
    get, path = "/v1/stream", tag = "blocks", params(StreamQuery),
    responses((status = 200, description = "Events without end.", body = String,
        content_type = "text/event-stream",
        example = json!("retry: 2000\n\nid: 17\nevent: block\ndata: {\"height\":17,…}\n\n")))
)]
pub async fn stream_blocks(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Parameters(query): Parameters<StreamQuery>,
) -> Result<Response, Problem> {
    let last = headers.get(LAST_EVENT_ID).map(|value| {
        let height = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
        let detail = "last-event-id: the height of the last block that came";
        height.ok_or_else(|| Problem::new(ProblemType::BadParameter, detail))
    });
    let from = match last.transpose()? {
        Some(last) => Some(last.saturating_add(1)),
        None => query.from_height,
    };
    let viewer = shared.feed.viewer(&shared.api.ledger, from)?;
    let begin = Bytes::from(format!("retry: {RETRY_MS}\n\n"));
    let events = stream::unfold((Some(begin), viewer), |(begin, mut viewer)| async move {
        let text = match begin {
            Some(begin) => begin,
            None => viewer.next().await?,
        };
        Some((Ok::<_, std::convert::Infallible>(text), (None, viewer)))
    });
    let kind = (header::CONTENT_TYPE, "text/event-stream");
    Ok(([kind, UNBUFFERED], Body::from_stream(events)).into_response())
}

impl Feed {
    /// A feed that ends when `stopping` says so.
    pub fn new(stopping: CancellationToken) -> Self {
        let viewers = Arc::new(Semaphore::new(MAX_VIEWERS));
        Self { events: Arc::default(), viewers, stopping }
    }

    fn viewer(&self, ledger: &Ledger, from: Option<u64>) -> Result<Viewer, Problem> {
        let permit = self.viewers.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{MAX_VIEWERS} look on already");
            Problem::new(ProblemType::Overloaded, detail)
        })?;
        // Subscribed before the head is asked for: whatever comes after that comes as an event.
        let events = self.subscribe(ledger);
        let head = ledger.head().height();
        let next = from.unwrap_or(u64::MAX).min(head.saturating_add(1));
        Ok(Viewer {
            ledger: ledger.clone(),
            events,
            next,
            read_up_to: head,
            waiting: VecDeque::new(),
            stopping: self.stopping.clone(),
            _permit: permit,
        })
    }

    fn subscribe(&self, ledger: &Ledger) -> broadcast::Receiver<Event> {
        let mut running = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*running {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(MAX_EVENTS_WAITING);
        *running = Some(sender.clone());
        let (events, stopping) = (self.events.clone(), self.stopping.clone());
        let ledger = ledger.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = feed(&ledger, &sender, &events) => {}
            }
            *events.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        receiver
    }
}

/// Makes an event of each new block until nobody is there to see it.
async fn feed(
    ledger: &Ledger,
    sender: &broadcast::Sender<Event>,
    running: &Mutex<Option<broadcast::Sender<Event>>>,
) {
    let mut heads = ledger.heads();
    let mut next = heads.borrow_and_update().height().saturating_add(1);
    while heads.changed().await.is_ok() {
        let head = heads.borrow_and_update().height();
        {
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if sender.receiver_count() == 0 {
                *running = None;
                return;
            }
        }
        while next <= head {
            match read(ledger, next, head).await {
                Ok(events) if events.is_empty() => break,
                Ok(events) => {
                    for event in events {
                        next = event.height.saturating_add(1);
                        // That nobody listens is seen at the next block.
                        let _ = sender.send(event);
                    }
                }
                // The store is being opened anew; the next block tries again.
                Err(_) => break,
            }
        }
    }
}

impl Viewer {
    /// What to send next; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            while let Some(event) = self.waiting.pop_front() {
                if event.height == self.next {
                    self.next = self.next.saturating_add(1);
                    return Some(event.text);
                }
            }
            if self.next <= self.read_up_to {
                let events = read(&self.ledger, self.next, self.read_up_to).await.ok()?;
                if events.is_empty() {
                    return None;
                }
                self.waiting = events.into();
                continue;
            }
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return None,
                event = self.events.recv() => match event {
                    Ok(event) if event.height > self.next => {
                        // What was sealed while the feed began.
                        self.read_up_to = event.height;
                    }
                    Ok(event) => self.waiting.push_back(event),
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                () = tokio::time::sleep(Duration::from_secs(KEEP_ALIVE_SECONDS)) => {
                    return Some(Bytes::from_static(b": nothing new\n\n"));
                }
            }
        }
    }
}

/// The events of some blocks from `from` on, up to `to` at most.
async fn read(ledger: &Ledger, from: u64, to: u64) -> Result<Vec<Event>, Problem> {
    let to = to.min(from.saturating_add(MAX_BLOCKS_A_READ - 1));
    let read = move |view: &View| -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        for height in from..=to {
            let Some(stored) = view.header(height)? else { break };
            events.push(event(&stored));
        }
        Ok(events)
    };
    Ok(ledger.read(read).await??)
}

fn event(StoredHeader { header, .. }: &StoredHeader) -> Event {
    let block = BlockEvent {
        height: header.height,
        hash: header.hash(),
        time: header.time,
        entries: header.entry_count,
        first_index: header.first_index,
        size: header.log_size(),
    };
    let data = serde_json::to_string(&block).expect("numbers and strings");
    let text = format!("id: {}\nevent: block\ndata: {data}\n\n", block.height);
    Event { height: block.height, text: text.into() }
}
