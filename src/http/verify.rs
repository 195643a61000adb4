//! Verifying for those who ask: a range of blocks, or a receipt.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::{MediaType, Parameters, media_type, read_body};
use super::problem::{Problem, ProblemType};
use super::schema::EntryDocument;
use super::verify_range::{Progress, RangeReport, verify_range};
use crate::ledger::NotOpen;
use crate::protocol::hash::{EntryId, HeaderHash, TreeHash};
use crate::protocol::receipt::{MAX_RECEIPT_BYTES, ProvenEntry, Receipt};
use crate::protocol::text::EntryText;
use crate::protocol::time::Timestamp;
use crate::store::{Store, StoreError, View};

/// The most verifications at the same time: each keeps a thread busy.
pub const MAX_CONCURRENT_VERIFICATIONS: usize = 2;
/// How often progress is told, in milliseconds.
const PROGRESS_INTERVAL_MS: u64 = 250;

/// Which blocks.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RangeQuery {
    /// The height of the first block; genesis when absent.
    from: Option<u64>,
    /// The height of the last block; the head when absent.
    to: Option<u64>,
}

/// Verifies a range of blocks
///
/// The node reads its own store again and checks canonical bytes, links, roots and signatures;
/// from genesis on it also executes the rules again, with their state in memory. The answer says
/// in words what it doesn't show. With `Accept: application/x-ndjson` lines with `progress` come
/// first, then one with the `result`.
#[utoipa::path(
    get, path = "/v1/verify", tag = "verify", params(RangeQuery),
    responses((status = 200, description = "What came of it. `valid` says whether all holds.",
        content((RangeReport = "application/json", example = json!({
            "valid": true, "from": 0, "to": 17, "blocks": 18, "entries": 4703,
            "checked": ["canonical bytes", "links", "roots", "signatures", "rules"],
            "rules_checked_to": 17,
            "end": {"height": 17, "size": 4721,
                "hash": "2f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "root": "3f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677"},
            "problem": null, "not_shown": ["This is the node's word about itself. …"]})),
        (ProgressLine = "application/x-ndjson", example = json!(
            {"progress": {"height": 9, "to": 17, "entries": 2410}})))))
)]
pub async fn verify_ledger(
    State(shared): State<Shared>,
    Parameters(query): Parameters<RangeQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let store = shared.api.ledger.store()?;
    let view = store.view();
    let head = view.head().height();
    let (from, to) = (query.from.unwrap_or(0), query.to.unwrap_or(head));
    for (name, value, end) in [("to", to, head), ("from", from, to)] {
        if value > end {
            let detail = format!("{name}: must be at most {end}, is {value}");
            return Err(Problem::new(ProblemType::BadParameter, detail).at(name));
        }
    }
    let permit = shared.verifications.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_CONCURRENT_VERIFICATIONS} verifications are running already");
        Problem::new(ProblemType::Overloaded, detail)
    })?;
    let (sender, progress) = mpsc::channel(1);
    let span = tracing::Span::current();
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(|| verify_range(&view, view.chain(), (from, to), reporter(sender, store)))
    });
    let accept = request.headers().get_all(ACCEPT).iter();
    if accept.filter_map(|value| value.to_str().ok()).any(|value| value.contains("x-ndjson")) {
        return Ok(streamed(task, progress));
    }
    // As long as `progress` is held, somebody waits for the answer.
    let report = finished(task).await?;
    drop(progress);
    Ok(Json(report).into_response())
}

/// Sends progress now and then; breaks off when nobody waits for the answer any more, and when
/// the store is closed.
fn reporter(
    sender: mpsc::Sender<Progress>,
    store: Store,
) -> impl FnMut(Progress) -> ControlFlow<()> {
    let interval = Duration::from_millis(PROGRESS_INTERVAL_MS);
    let mut last = Instant::now();
    move |progress| {
        if last.elapsed() >= interval {
            last = Instant::now();
            // Whoever reads slowly misses some.
            let _ = sender.try_send(progress);
        }
        if sender.is_closed() || store.is_closing() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

type Task = JoinHandle<Result<Option<RangeReport>, StoreError>>;

async fn finished(task: Task) -> Result<RangeReport, Problem> {
    match task.await {
        // It was broken off; if somebody waits, the store was closed.
        Ok(report) => Ok(report?.ok_or(NotOpen)?),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// A line of a streamed verification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ProgressLine {
    /// How far it has come.
    Progress(Progress),
    /// What it came to: the last line.
    Result(RangeReport),
    /// Why it couldn't be finished: the last line, in place of a result.
    Problem(Problem),
}

fn streamed(task: Task, progress: mpsc::Receiver<Progress>) -> Response {
    let span = tracing::Span::current();
    let lines = stream::unfold(Some((task, progress)), move |state| {
        let step = async move {
            let (task, mut progress) = state?;
            Some(match progress.recv().await {
                Some(reached) => (ProgressLine::Progress(reached), Some((task, progress))),
                None => match finished(task).await {
                    Ok(report) => (ProgressLine::Result(report), None),
                    Err(problem) => (ProgressLine::Problem(problem), None),
                },
            })
        };
        step.instrument(span.clone())
    });
    let body = Body::from_stream(futures::StreamExt::map(lines, |line| {
        let mut line = serde_json::to_vec(&line).expect("strings, numbers and lists");
        line.push(b'\n');
        Ok::<_, std::convert::Infallible>(Bytes::from(line))
    }));
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// Whether a receipt proves what it says.
#[derive(Serialize, ToSchema)]
pub struct ReceiptVerdict {
    /// Whether it does.
    valid: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What it proves.
    #[serde(skip_serializing_if = "Option::is_none")]
    proven: Option<Proven>,
}

/// What a receipt proves.
#[derive(Serialize, ToSchema)]
struct Proven {
    /// The identity of the entry.
    entry_id: EntryId,
    /// Its log index.
    index: u64,
    /// The height of its block.
    height: u64,
    /// The hash of its block's header.
    block: HeaderHash,
    /// When it was recorded: the time of its block.
    recorded_at: Timestamp,
    /// What was stated.
    #[schema(value_type = EntryDocument)]
    entry: EntryText,
    /// The size of the log that the authority signed.
    log_size: u64,
    /// The root of the log that the authority signed.
    log_root: TreeHash,
    /// Whether this node's log has that root at that size; absent where it is shorter. A valid
    /// receipt of another history is evidence against the authority: keep it.
    on_this_log: Option<bool>,
}

/// Verifies a receipt
///
/// Against the chain spec alone: the authority's signature, both inclusion proofs, the header
/// and the entry's canonical bytes. `counterfoil verify --receipt` does the same without asking
/// a node.
#[utoipa::path(
    post, path = "/v1/verify/receipt", tag = "verify",
    request_body(content = Receipt, description = "The receipt file, as it was served.",
        example = json!({"format": "counterfoil-receipt-v1",
            "chain_id": "0f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "entry_id": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
            "entry": {"index": 4711, "leaf": "…", "proof": ["…"]},
            "header": {"index": 4720, "leaf": "…", "proof": ["…"]}, "checkpoint": "…"})),
    responses((status = 200, description = "The verdict, also where it is not valid.",
        body = ReceiptVerdict,
        example = json!({"valid": false,
            "reason": "entry: the inclusion proof does not lead to the checkpoint's root"})))
)]
pub async fn verify_receipt(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Json<ReceiptVerdict>, Problem> {
    media_type(request.headers(), &[MediaType::Json])?;
    let (parts, body) = request.into_parts();
    let body = read_body(&shared, &parts.headers, body, MAX_RECEIPT_BYTES).await?;
    let malformed = |error: String| Problem::new(ProblemType::MalformedJson, error);
    let text = std::str::from_utf8(&body.bytes).map_err(|error| malformed(error.to_string()))?;
    // Something that isn't JSON at all is a request gone wrong, no verdict on a receipt.
    serde_json::from_str::<&RawValue>(text).map_err(|error| malformed(error.to_string()))?;
    let chain = shared.api.ledger.chain().clone();
    match Receipt::parse(text).and_then(|receipt| receipt.verify(&chain)) {
        Ok(proven) => {
            let read = move |view: &View| proven_view(view, proven);
            let proven = Some(shared.read(read).await?);
            Ok(Json(ReceiptVerdict { valid: true, reason: None, proven }))
        }
        Err(error) => {
            let reason = Some(error.to_string());
            Ok(Json(ReceiptVerdict { valid: false, reason, proven: None }))
        }
    }
}

fn proven_view(view: &View, proven: ProvenEntry) -> Result<Proven, Problem> {
    let ProvenEntry { entry, index, header, checkpoint, spec } = proven;
    let text = EntryText::new(entry.entry(), &spec.currencies);
    let on_this_log = if checkpoint.size <= view.head().size() {
        Some(view.root(checkpoint.size)? == checkpoint.root)
    } else {
        None
    };
    Ok(Proven {
        entry_id: entry.id(),
        index,
        height: header.height,
        block: header.hash(),
        recorded_at: header.time,
        entry: text.map_err(|error| Problem::internal(&error))?,
        log_size: checkpoint.size,
        log_root: checkpoint.root,
        on_this_log,
    })
}
