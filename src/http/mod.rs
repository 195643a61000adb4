//! The HTTP API: it translates, and decides nothing.
//!
//! | file | what |
//! |---|---|
//! | `submit.rs`, `stream.rs`, `lines.rs` | submitting: one entry, many, a stream of them |
//! | `forward.rs` | submitting through a replica |
//! | `results.rs` | what became of each entry |
//! | `entries.rs`, `blocks.rs`, `chain.rs` | what is on the ledger |
//! | `entry_view.rs`, `standing.rs`, `paging.rs` | how entries are shown, where they stand, lists of them |
//! | `affiliates.rs`, `merchants.rs`, `totals.rs` | what affiliates, merchants and everybody ask |
//! | `statement.rs`, `downline.rs` | which period a statement is of; who stands below an affiliate |
//! | `search.rs`, `history.rs`, `programs.rs` | finding things, what happened to them, terms |
//! | `report.rs` | answers to questions: pages, CSV, NDJSON |
//! | `log.rs` | the log itself, as C2SP `tlog-tiles`, and the signatures of its blocks |
//! | `verify.rs`, `verify_range.rs` | verifying for those who ask |
//! | `peers.rs` | who else holds this ledger, and evidence |
//! | `health.rs`, `metrics.rs` | whether the node is well, and figures |
//! | `problem.rs`, `problem_type.rs` | every error, with a stable name |
//! | `access.rs`, `extract.rs`, `middleware.rs` | what holds for every request |
//! | `openapi.rs`, `schema.rs` | the description of all this |

mod access;
mod affiliates;
mod blocks;
mod chain;
mod downline;
mod entries;
mod entry_view;
mod extract;
mod forward;
mod health;
mod history;
mod lines;
mod live;
mod log;
mod merchants;
mod metrics;
mod middleware;
mod openapi;
mod paging;
mod peers;
mod problem;
mod problem_type;
mod programs;
mod report;
mod results;
mod schema;
mod search;
mod standing;
mod statement;
mod stream;
mod submit;
mod totals;
mod verify;
mod verify_range;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use access::{SubmitAccess, TokenDigest};
pub use extract::MAX_BUFFERED_BYTES;
pub use forward::{ForwardError, Forwarder};
pub use live::MAX_VIEWERS;
pub use middleware::{MAX_CONCURRENT_REQUESTS, REQUEST_TIMEOUT_SECONDS};
pub use problem::{Problem, ProblemType};
pub use stream::MAX_CONCURRENT_STREAMS;
pub use submit::MAX_JSON_BODY_BYTES;
pub use verify::MAX_CONCURRENT_VERIFICATIONS;

use crate::ledger::Ledger;
use crate::store::View;

/// What the API serves, and to whom.
#[derive(Clone)]
pub struct Api {
    /// The ledger.
    pub ledger: Ledger,
    /// Who may submit.
    pub access: SubmitAccess,
    /// The signed checkpoint of the genesis block, which the authority alone can make: the
    /// block itself has no signature.
    pub genesis_note: Option<String>,
    /// Tells those who look on without end that the node stops.
    pub stopping: CancellationToken,
}

/// What all handlers share.
type Shared = Arc<SharedState>;

struct SharedState {
    api: Api,
    /// Permits for the bytes of request bodies in memory.
    buffers: Arc<Semaphore>,
    /// One permit for each stream of entries.
    streams: Arc<Semaphore>,
    /// One permit for each verification.
    verifications: Arc<Semaphore>,
    /// New blocks, for all who look on.
    feed: live::Feed,
}

impl SharedState {
    /// Reads from the ledger as it stands now, on a thread that may block; what is logged there
    /// has the request's id.
    async fn read<T: Send + 'static, E: Into<Problem> + Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem> {
        let span = tracing::Span::current();
        let read = self.api.ledger.read(move |view| span.in_scope(|| read(view))).await?;
        read.map_err(E::into)
    }
}

/// Everything the node serves over HTTP: the API, its description, and `pages`, which get the
/// same treatment (request ids, limits, problems for what isn't there).
pub fn router(api: Api, pages: Router) -> Router {
    let shared = Arc::new(SharedState {
        feed: live::Feed::new(api.stopping.clone()),
        api,
        buffers: Arc::new(Semaphore::new(extract::buffer_permits())),
        streams: Arc::new(Semaphore::new(MAX_CONCURRENT_STREAMS)),
        verifications: Arc::new(Semaphore::new(MAX_CONCURRENT_VERIFICATIONS)),
    });
    let (timed, untimed) = (timed_routes(), untimed_routes());
    let timed = Router::from(timed)
        .merge(openapi::routes(&openapi()))
        .with_state(shared.clone())
        .merge(pages);
    let untimed = Router::from(untimed).with_state(shared.clone());
    let patience = Duration::from_secs(REQUEST_TIMEOUT_SECONDS);
    let answered = middleware::time_out(timed, patience).merge(untimed);
    let limited = middleware::limit(answered, MAX_CONCURRENT_REQUESTS);
    let health = Router::from(health_routes()).with_state(shared);
    middleware::wrap(limited.merge(health))
}

/// The description of the API, OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::describe(timed_routes().merge(untimed_routes()).merge(health_routes()))
}

/// Routes that are answered within [`REQUEST_TIMEOUT_SECONDS`].
fn timed_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(submit::submit_entries, entries::list_entries))
        .routes(routes!(entries::get_entry))
        .routes(routes!(entries::get_receipt))
        .routes(routes!(entries::get_leaf))
        .routes(routes!(blocks::list_blocks))
        .routes(routes!(blocks::get_block))
        .routes(routes!(chain::get_chain))
        .routes(routes!(chain::get_spec))
        .routes(routes!(verify::verify_receipt))
        .routes(routes!(affiliates::get_affiliate_balances))
        .routes(routes!(affiliates::get_affiliate_statement))
        .routes(routes!(affiliates::get_affiliate_earnings))
        .routes(routes!(merchants::get_merchant_liabilities))
        .routes(routes!(merchants::get_merchant_statement))
        .routes(routes!(merchants::get_merchant_performance))
        .routes(routes!(merchants::list_merchant_affiliates))
        .routes(routes!(totals::get_totals))
        .routes(routes!(downline::get_downline))
        .routes(routes!(search::search))
        .routes(routes!(history::get_entry_history))
        .routes(routes!(history::get_history))
        .routes(routes!(history::get_order))
        .routes(routes!(programs::list_terms))
        .routes(routes!(programs::compare_terms))
        .routes(routes!(log::get_checkpoint))
        .routes(routes!(log::get_tile))
        .routes(routes!(log::get_entry_bundle))
        .routes(routes!(peers::get_peers))
        .routes(routes!(peers::list_evidence))
        .routes(routes!(log::get_signatures))
        .routes(routes!(openapi::list_problems))
        .routes(routes!(openapi::get_problem))
}

/// Routes that may take as long as the ledger is.
fn untimed_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(verify::verify_ledger)).routes(routes!(live::stream_blocks))
}

/// Routes that are answered however busy the node is.
fn health_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::get_metrics))
}
