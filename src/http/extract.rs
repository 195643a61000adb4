//! What handlers take from a request: parameters and bodies, or a problem.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use bytes::BytesMut;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::problem::{Problem, ProblemType};
use crate::protocol::text::named_field;

/// The most bytes of all JSON bodies that are in memory at the same time.
pub const MAX_BUFFERED_BYTES: usize = 128 * 1024 * 1024;
/// Bytes that one permit of the buffers stands for.
const BUFFER_UNIT_BYTES: usize = 4 * 1024;

/// The parameters of a query, all of them known to `T`.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parameters(parts.uri.query().unwrap_or("")).map(Self)
    }
}

/// The parameters that a query, such as `tenant=acme&limit=5`, has.
///
/// # Errors
/// [`ProblemType::BadParameter`].
pub fn parameters<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build();
    let rejection = match uri.map(|uri| Query::<T>::try_from_uri(&uri)) {
        Ok(Ok(Query(parameters))) => return Ok(parameters),
        Ok(Err(rejection)) => rejection.body_text(),
        Err(error) => error.to_string(),
    };
    let detail = rejection.split_once(": ").map_or(rejection.as_str(), |(_, detail)| detail);
    let problem = Problem::new(ProblemType::BadParameter, detail);
    // The message begins with the name of a parameter that has a wrong value.
    let named = detail.split_once(": ").map(|(name, _)| name);
    let named = named.filter(|name| !name.contains(' '));
    Err(match named.or_else(|| named_field(detail)) {
        Some(name) => problem.at(name),
        None => problem,
    })
}

/// A media type that a body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`.
    Json,
    /// `application/x-ndjson`.
    Ndjson,
}

/// What kind of body it is, one of `allowed`.
///
/// # Errors
/// [`ProblemType::UnsupportedMediaType`].
pub fn media_type(headers: &HeaderMap, allowed: &[MediaType]) -> Result<MediaType, Problem> {
    let refused = |detail: String| Err(Problem::new(ProblemType::UnsupportedMediaType, detail));
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return refused("the body must come without a content encoding".to_owned());
    }
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = header.split(';').next().unwrap_or("").trim();
    let known =
        [("application/json", MediaType::Json), ("application/x-ndjson", MediaType::Ndjson)];
    let known = known.into_iter().filter(|(_, kind)| allowed.contains(kind));
    for (name, kind) in known.clone() {
        if essence.eq_ignore_ascii_case(name) {
            return Ok(kind);
        }
    }
    let names: Vec<&str> = known.map(|(name, _)| name).collect();
    refused(format!("the header `Content-Type` must be {}", names.join(" or ")))
}

/// A body that is in memory, with its share of the room for such.
pub struct BufferedBody {
    /// The body.
    pub bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Reads a body of at most `limit_bytes`.
///
/// # Errors
/// [`ProblemType::TooLarge`], [`ProblemType::Interrupted`], and [`ProblemType::Overloaded`]
/// where too many bodies are in memory.
pub async fn read_body(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    limit_bytes: usize,
) -> Result<BufferedBody, Problem> {
    let too_large = || {
        let detail = format!("the body has more than {limit_bytes} bytes");
        Problem::new(ProblemType::TooLarge, detail)
    };
    let stated = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if stated.is_some_and(|stated: usize| stated > limit_bytes) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    let mut room = claim(shared, 0)?;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let cut_off = |_| Problem::new(ProblemType::Interrupted, "the body was cut off");
        let chunk = chunk.map_err(cut_off)?;
        let length = bytes.len() + chunk.len();
        if length > limit_bytes {
            return Err(too_large());
        }
        let units = length.div_ceil(BUFFER_UNIT_BYTES);
        room.merge(claim(shared, units.saturating_sub(room.num_permits()))?);
        bytes.extend_from_slice(&chunk);
    }
    Ok(BufferedBody { bytes: bytes.freeze(), _room: room })
}

/// Takes room for so many units of a body.
fn claim(shared: &Shared, units: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    shared
        .buffers
        .clone()
        .try_acquire_many_owned(units)
        .map_err(|_| Problem::new(ProblemType::Overloaded, "too many request bodies are in memory"))
}

/// How many permits all buffers have.
pub const fn buffer_permits() -> usize {
    MAX_BUFFERED_BYTES / BUFFER_UNIT_BYTES
}

/// A decimal number without sign or leading zeros.
pub fn parse_number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| plain && !leading_zero)
}
