//! What holds for every request: an id, a log line, limits, headers, and problems for errors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tracing::Instrument;
use uuid::Uuid;

use super::problem::{self, Problem, ProblemType};

/// The most requests that are answered at the same time; more are refused, so that they can go
/// elsewhere.
pub const MAX_CONCURRENT_REQUESTS: usize = 1024;
/// How long a request may take until its answer begins, in seconds. Long answers, such as those
/// to streams, may take longer to end.
pub const REQUEST_TIMEOUT_SECONDS: u64 = 30;
/// The longest request id that is taken over from a client, in characters.
const MAX_REQUEST_ID_CHARACTERS: usize = 64;
/// How long a browser may remember what is allowed to pages from elsewhere, in seconds.
const PREFLIGHT_SECONDS: u64 = 24 * 60 * 60;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every response says unless it says otherwise.
const DEFAULT_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// A response that is worth compressing.
#[derive(Clone, Copy)]
pub struct Compressible;

/// Puts around `routes` what holds for all of them.
pub fn wrap(routes: Router) -> Router {
    // A page from elsewhere may read, and only that; there are no credentials to abuse.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER, header::CONTENT_DISPOSITION])
        .max_age(Duration::from_secs(PREFLIGHT_SECONDS));
    let compression = CompressionLayer::new().no_br().no_deflate().no_zstd();
    routes
        .fallback(not_found)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(only_problems))
        .layer(compression.compress_when(is_compressible))
        .layer(cors)
        .layer(from_fn(identify))
}

/// Refuses what is beyond `max_requests` at the same time.
pub fn limit(routes: Router, max_requests: usize) -> Router {
    async fn limited(
        State(requests): State<Arc<Semaphore>>,
        request: Request,
        next: Next,
    ) -> Response {
        let Ok(_permit) = requests.try_acquire() else {
            let detail = "too many requests are being answered";
            return Problem::new(ProblemType::Overloaded, detail).into_response();
        };
        next.run(request).await
    }
    routes.layer(from_fn_with_state(Arc::new(Semaphore::new(max_requests)), limited))
}

/// Gives up what takes longer than `patience` until its answer begins.
pub fn time_out(routes: Router, patience: Duration) -> Router {
    async fn timed(State(patience): State<Duration>, request: Request, next: Next) -> Response {
        tokio::time::timeout(patience, next.run(request))
            .await
            .unwrap_or_else(|_| Problem::plain(ProblemType::TimedOut).into_response())
    }
    routes.layer(from_fn_with_state(patience, timed))
}

async fn not_found(request: Request) -> Problem {
    // The path is the caller's own; it is visible ASCII, or it were no URI.
    Problem::new(ProblemType::NotFound, format!("there is no {}", request.uri().path()))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    Problem::internal(&text).into_response()
}

/// Turns errors that somebody else made (the router, an extractor, the reference page's files)
/// into problems. Pages for people stay as they are.
async fn only_problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let content_type = content_type(response.headers());
    if content_type == problem::MEDIA_TYPE || content_type.starts_with("text/html") {
        return response;
    }
    let mut replaced = Problem::of_status(status).into_response();
    for kept in [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = response.headers().get(&kept) {
            replaced.headers_mut().insert(kept, value.clone());
        }
    }
    replaced
}

/// Gives a request its id, in the log and in the response, and the response its headers.
async fn identify(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        %method,
        path,
    );
    let start = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, route) = (response.status().as_u16(), route.unwrap_or_default());
    let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(status, milliseconds, route, "answered"));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    for (name, value) in DEFAULT_HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

/// The client's own id if it is short and visible, or else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| {
        let visible = id.as_bytes().iter().all(u8::is_ascii_graphic);
        visible && (1..=MAX_REQUEST_ID_CHARACTERS).contains(&id.len())
    });
    given.cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("hexadecimal digits and hyphens")
    })
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Text is worth it, hashes and streams are not: the former don't shrink, the latter would
/// wait for the compressor. [`Compressible`] marks exceptions.
fn is_compressible(
    _: axum::http::StatusCode,
    _: Version,
    headers: &HeaderMap,
    extensions: &axum::http::Extensions,
) -> bool {
    const TEXT: [&str; 6] = [
        "application/json",
        problem::MEDIA_TYPE,
        "application/toml",
        "text/html",
        "text/css",
        "text/javascript",
    ];
    let content_type = content_type(headers);
    extensions.get::<Compressible>().is_some()
        || TEXT.into_iter().any(|text| content_type.starts_with(text))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn status_and_type(routes: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        (status, body["type"].as_str().unwrap_or_default().to_owned())
    }

    fn routes() -> Router {
        Router::new()
            .route("/quick", get(async || "done"))
            .route("/slow", get(async || std::future::pending::<&str>().await))
            .route("/odd", get(async || axum::http::StatusCode::IM_A_TEAPOT))
            .route("/broken", get(async || axum::http::StatusCode::BAD_GATEWAY))
    }

    #[tokio::test]
    async fn what_takes_too_long_is_given_up() {
        let routes = wrap(time_out(routes(), Duration::from_millis(20)));
        let expected = (503, "/problems/timed-out".to_owned());
        assert_eq!(status_and_type(&routes, "/slow").await, expected);
        assert_eq!(status_and_type(&routes, "/quick").await.0, 200);
    }

    #[tokio::test]
    async fn what_is_too_much_is_refused_at_once() {
        let routes = wrap(limit(routes(), 2));
        let slow =
            |routes: Router| tokio::spawn(async move { status_and_type(&routes, "/slow").await });
        let waiting = [slow(routes.clone()), slow(routes.clone())];
        let expected = (503, "/problems/overloaded".to_owned());
        // Those that wait have begun once a third is refused.
        while status_and_type(&routes, "/quick").await != expected {
            tokio::task::yield_now().await;
        }
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        while status_and_type(&routes, "/quick").await.0 != 200 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn errors_of_others_become_problems_and_keep_their_status() {
        let routes = wrap(routes());
        for (path, status, kind) in [
            ("/odd", 418, "/problems/bad-request"),
            ("/broken", 502, "/problems/internal"),
            ("/none", 404, "/problems/not-found"),
        ] {
            assert_eq!(status_and_type(&routes, path).await, (status, kind.to_owned()));
        }
    }
}
