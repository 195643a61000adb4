//! Submitting a stream of entries, one a line (NDJSON), in bounded memory.
//!
//! One task reads lines, gathers them into batches and puts those into the pool; the body of the
//! response waits for each batch in turn and writes its results. Between them is a short queue:
//! whoever is faster waits for the other, down to the client.
//!
//! Invariants:
//! - Batches enter the pool in the order of their lines, so that an entry finds those before it.
//! - The first batch that can't be submitted is the last: nothing after it is looked at.
//! - A body that breaks off is told from one that ends; what stands after the last newline of
//!   the former is never submitted.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, stream};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::Instrument;
use utoipa::ToSchema;

use super::Shared;
use super::lines::{Line, Lines};
use super::problem::{Problem, ProblemType};
use super::results::{EntryResult, Readings, read_entry};
use crate::ledger::{Atomicity, Enqueued, Health, Ledger, SubmitError};
use crate::protocol::spec::Currencies;
use crate::protocol::text::MAX_ENTRY_TEXT_BYTES;

/// The most streams at the same time.
pub const MAX_CONCURRENT_STREAMS: usize = 64;
/// The most entries of a stream that are submitted together.
const MAX_BATCH_ENTRIES: usize = 500;
/// The bytes of text after which a batch is full.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// The most batches of a stream that wait for their results.
const MAX_BATCHES_IN_FLIGHT: usize = 4;
/// How long a stream may stand still, in seconds: nothing comes from the client, or the client
/// takes nothing.
const MAX_STALL_SECONDS: u64 = 60;
const MAX_STALL: Duration = Duration::from_secs(MAX_STALL_SECONDS);

/// A line of the answer.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum StreamLine {
    /// What became of the entry on that line of the upload.
    Entry {
        /// The line, from 1.
        line: u64,
        /// What became of it.
        #[serde(flatten)]
        result: EntryResult,
    },
    /// The stream stopped before its end: the last line.
    Stopped {
        /// Always `stopped`.
        status: Stopped,
        /// The first line of which nothing is known: submit from there on again.
        line: u64,
        /// Why.
        problem: Problem,
    },
}

/// That a stream stopped.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// It did.
    Stopped,
}

/// What the reading task hands to the response.
enum Step {
    /// A batch that is in the pool.
    Batch(Batch, Enqueued),
    /// The end, and why it came early.
    End(Option<(u64, Problem)>),
}

/// Lines that are submitted together.
#[derive(Default)]
struct Batch {
    /// The number of each line.
    numbers: Vec<u64>,
    readings: Readings,
    /// The length of their text.
    bytes: usize,
}

/// How an upload ended.
enum End {
    /// It was whole.
    Whole,
    /// It broke off.
    Broken(Problem),
}

/// Answers a stream of entries.
///
/// # Errors
/// [`ProblemType::Overloaded`], and where the ledger takes no entries.
pub fn submit(shared: &Shared, body: Body) -> Result<Response, Problem> {
    let health = shared.api.ledger.health();
    if health != Health::Sealing {
        return Err(SubmitError::NotSealing(health).into());
    }
    let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_CONCURRENT_STREAMS} streams are open already");
        Problem::new(ProblemType::Overloaded, detail)
    })?;
    let (steps, results) = mpsc::channel(MAX_BATCHES_IN_FLIGHT);
    let ledger = shared.api.ledger.clone();
    let read = async move {
        let _permit = permit;
        read(&ledger, Lines::new(body), steps).await;
    };
    tokio::spawn(read.in_current_span());
    let body = Body::from_stream(stream::unfold(Some(results), answer));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Reads and submits until the end, or until nobody takes the results.
async fn read(ledger: &Ledger, mut lines: Lines, steps: mpsc::Sender<Step>) {
    let end = loop {
        let spec = ledger.head().tip.spec_ahead().clone();
        let (mut batch, end) = gather(&mut lines, &spec.currencies).await;
        let first = batch.numbers.first().copied();
        if let Some(first) = first {
            let entries = batch.readings.take_entries();
            match ledger.enqueue(entries, Atomicity::EntryByEntry).await {
                Err(error) => break Some((first, Problem::from(error))),
                Ok(enqueued) => {
                    let send = steps.send(Step::Batch(batch, enqueued));
                    if !matches!(timeout(MAX_STALL, send).await, Ok(Ok(()))) {
                        tracing::info!("a stream's results are not taken; it is given up");
                        return;
                    }
                }
            }
        }
        match end {
            Some(End::Whole) => break None,
            Some(End::Broken(problem)) => break Some((lines.next_number(), problem)),
            None => {}
        }
    };
    // Nobody may be there to take it.
    let _ = timeout(MAX_STALL, steps.send(Step::End(end))).await;
}

/// Gathers lines until there are enough, or the client pauses, or the upload ends.
async fn gather(lines: &mut Lines, currencies: &Currencies) -> (Batch, Option<End>) {
    let mut batch = Batch::default();
    loop {
        while !batch.is_full() {
            let Some(line) = lines.buffered() else { break };
            batch.push(line, currencies);
        }
        if batch.is_full() {
            return (batch, None);
        }
        let more = timeout(MAX_STALL, lines.more());
        let more = if batch.numbers.is_empty() {
            more.await
        } else {
            // What is there isn't kept waiting for what may come.
            match more.now_or_never() {
                Some(more) => more,
                None => return (batch, None),
            }
        };
        let broken = |detail: &str| End::Broken(Problem::new(ProblemType::Interrupted, detail));
        let end = match more {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => {
                if let Some(line) = lines.last() {
                    batch.push(line, currencies);
                }
                End::Whole
            }
            Ok(Err(_)) => broken("the upload broke off"),
            Err(_) => broken("nothing came for too long"),
        };
        return (batch, Some(end));
    }
}

impl Batch {
    fn is_full(&self) -> bool {
        self.numbers.len() >= MAX_BATCH_ENTRIES || self.bytes >= MAX_BATCH_BYTES
    }

    fn push(&mut self, Line { number, text }: Line, currencies: &Currencies) {
        self.bytes += text.as_ref().map_or(0, Bytes::len);
        let read = match text.as_deref().map(std::str::from_utf8) {
            Some(Ok(text)) => read_entry(text, currencies),
            Some(Err(error)) => Err(Problem::new(ProblemType::MalformedEntry, error.to_string())),
            None => {
                let detail = format!("a line has at most {MAX_ENTRY_TEXT_BYTES} bytes");
                Err(Problem::new(ProblemType::EntryTooLong, detail))
            }
        };
        self.numbers.push(number);
        self.readings.push(read);
    }
}

type Results = Option<mpsc::Receiver<Step>>;

/// The next piece of the answer. Without a proper end the body breaks off, so that nobody takes
/// half an answer for a whole one.
async fn answer(results: Results) -> Option<(Result<Bytes, std::io::Error>, Results)> {
    let mut results = results?;
    match results.recv().await {
        Some(Step::Batch(batch, enqueued)) => {
            let first = batch.numbers.first().copied().unwrap_or_default();
            match enqueued.outcomes().await {
                Ok(outcomes) => {
                    let done = batch.readings.results(outcomes).into_iter();
                    let lines = batch.numbers.into_iter().zip(done);
                    let lines = lines.map(|(line, result)| StreamLine::Entry { line, result });
                    Some((Ok(encode(lines)), Some(results)))
                }
                Err(error) => Some((Ok(stopped(first, error)), None)),
            }
        }
        Some(Step::End(Some((line, problem)))) => Some((Ok(stopped(line, problem)), None)),
        Some(Step::End(None)) => None,
        None => Some((Err(std::io::Error::other("the stream was given up")), None)),
    }
}

fn stopped(line: u64, problem: impl Into<Problem>) -> Bytes {
    let (status, problem) = (Stopped::Stopped, problem.into());
    encode([StreamLine::Stopped { status, line, problem }].into_iter())
}

fn encode(lines: impl Iterator<Item = StreamLine>) -> Bytes {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, &line).expect("strings, numbers and lists");
        bytes.push(b'\n');
    }
    bytes.into()
}
