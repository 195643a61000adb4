//! Problems: every error that a caller sees, as RFC 9457 `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub use super::problem_type::ProblemType;
use super::results::{EntryResult, Placed};
use crate::ledger::{Health, NotOpen, SubmitError};
use crate::protocol::block::EntryTooLong;
use crate::protocol::rules::Refusal;
use crate::protocol::text::TextError;
use crate::store::StoreError;

/// The media type of problems.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// When to try again after what passes by itself, in seconds.
const RETRY_AFTER_SECONDS: &str = "2";

/// A problem (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    kind: ProblemType,
    /// A stable name of the kind of problem, and where it is documented on this node.
    #[serde(rename = "type")]
    #[schema(example = "/problems/missing-parent")]
    type_uri: String,
    /// The kind of problem, in words.
    title: &'static str,
    /// The status of the response, or what it would be were this one of its own.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time.
    detail: String,
    /// The rule that an entry would break.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// The field or parameter that is at fault, such as `body.lines[3].amount`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What goes with some types.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<Box<More>>,
}

/// What goes with some types of problems.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
struct More {
    /// Of a conflict: the entry that the external id belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Placed>,
    /// Of a conflict: the fields in which the two entries differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    differing_fields: Option<Vec<String>>,
    /// Of an atomic request: one result for each entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<EntryResult>>,
}

impl Problem {
    /// A problem of `kind`; `detail` is for the caller to read and holds no internals.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            kind,
            type_uri: kind.uri(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            rule: None,
            field: None,
            more: None,
        }
    }

    /// A problem of `kind` about which there is no more to say than its meaning.
    pub fn plain(kind: ProblemType) -> Self {
        Self::new(kind, kind.meaning())
    }

    /// The problem of a response that somebody else made.
    pub fn of_status(status: StatusCode) -> Self {
        Self { status: status.as_u16(), ..Self::plain(ProblemType::of_status(status)) }
    }

    /// The same, at `field`.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// A failure of our own: the cause goes to the log, the caller gets none of it.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::plain(ProblemType::Internal)
    }

    /// An external id that belongs to another entry.
    pub fn conflict(first: Option<Placed>, differing_fields: Vec<String>) -> Self {
        let differing = differing_fields.join(", ");
        let detail = match &first {
            Some(first) => format!(
                "this external id was used before, by the entry at index {}; they differ in {differing}",
                first.index
            ),
            None => format!(
                "this external id was used by another entry of the request; they differ in {differing}"
            ),
        };
        let more = More { first, differing_fields: Some(differing_fields), ..More::default() };
        let more = Some(Box::new(more));
        let kind = ProblemType::DuplicateExternalId;
        Self { more, rule: Some(kind.name()), ..Self::new(kind, detail).at("external_id") }
    }

    /// An atomic request of which nothing was sealed.
    pub fn atomic_rejected(results: Vec<EntryResult>) -> Self {
        let rejected = results.iter().filter(|result| result.is_at_fault()).count();
        let count = results.len();
        let detail = format!("{rejected} of {count} entries were rejected, so none was sealed");
        let more = Some(Box::new(More { results: Some(results), ..More::default() }));
        Self { more, ..Self::new(ProblemType::AtomicRejected, detail) }
    }

    /// The kind of problem.
    pub fn kind(&self) -> ProblemType {
        self.kind
    }
}

impl From<TextError> for Problem {
    fn from(error: TextError) -> Self {
        let kind = ProblemType::named(error.name()).unwrap_or(ProblemType::MalformedEntry);
        Self { field: error.field(), ..Self::new(kind, error.to_string()) }
    }
}

impl From<EntryTooLong> for Problem {
    fn from(error: EntryTooLong) -> Self {
        Self::new(ProblemType::EntryTooLong, error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let rule = refusal.rule();
        let kind = ProblemType::named(rule).unwrap_or(ProblemType::Refused);
        let field = refusal.field().map(str::to_owned);
        Self { rule: Some(rule), field, ..Self::new(kind, refusal.to_string()) }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let kind = match &error {
            SubmitError::NotSealing(Health::NoKey) => ProblemType::NoSealingKey,
            SubmitError::NotSealing(Health::NotAuthority { .. }) => ProblemType::NotAuthority,
            SubmitError::NotSealing(Health::Recovering(_)) => ProblemType::Recovering,
            SubmitError::NotSealing(_) | SubmitError::Stopped => ProblemType::NotSealing,
            SubmitError::TooLarge { .. } => ProblemType::TooLarge,
            SubmitError::Overloaded => ProblemType::Overloaded,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.can_pass() {
            tracing::error!(%error, "the store can't be read");
            return Self::plain(ProblemType::Recovering);
        }
        Self::internal(&error)
    }
}

impl From<NotOpen> for Problem {
    fn from(_: NotOpen) -> Self {
        Self::plain(ProblemType::Recovering)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(self.kind.status());
        let body = serde_json::to_vec(&self).expect("strings, numbers and lists");
        let content_type = HeaderValue::from_static(MEDIA_TYPE);
        let mut response = (status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"counterfoil\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
