//! Answers to questions: rows that are all of one height, as JSON in pages, or whole as CSV or NDJSON.
//!
//! Invariants:
//! - All rows of an answer are of one height, also over several pages: a cursor has it.
//! - A page is bounded. What is not is streamed page by page, in bounded memory, and ends when the
//!   client or the store does.

use axum::Json;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{self, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::parameters;
use super::paging::{Query, page_limit};
use super::problem::{Problem, ProblemType};
use crate::protocol::time::Timestamp;
use crate::query::{AsOf, Page, QueryError, When};
use crate::store::View;

/// The most rows of a page.
pub const MAX_PAGE_ROWS: u16 = 1_000;
/// The rows of a page where no limit is asked for, and of each step of a stream.
const DEFAULT_PAGE_ROWS: u16 = 50;
/// The most pages of a stream that wait for the client.
const MAX_WAITING_PAGES: usize = 4;
/// The height that an answer without room for it is of.
const HEIGHT_HEADER: HeaderName = HeaderName::from_static("counterfoil-height");

/// Of when an answer is to be, how it is to look, and how much of it.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// As the block of this height left it.
    at_height: Option<u64>,
    /// As it was recorded at this time: as the last block left it that isn't later.
    at_time: Option<Timestamp>,
    /// `json` in pages, or `csv` or `ndjson` with all rows.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// How many rows at most; of JSON only.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u16>,
    /// The `next` of the page before, with the same query.
    cursor: Option<String>,
}

/// The parameters of [`ReportQuery`], by name: those of every question.
const REPORT_PARAMETERS: [&str; 5] = ["at_height", "at_time", "format", "limit", "cursor"];

/// What is asked: the parameters of one question, and those of every question.
pub struct Asked<T> {
    /// Its own.
    pub question: T,
    /// Those of every question.
    pub report: ReportQuery,
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = parts.uri.query().unwrap_or("").split('&');
        let common = |pair: &&str| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            REPORT_PARAMETERS.contains(&name)
        };
        let (report, own): (Vec<&str>, Vec<&str>) = pairs.partition(common);
        let question = parameters(&own.join("&"))?;
        Ok(Self { question, report: parameters(&report.join("&"))? })
    }
}

/// How an answer looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON document, in pages.
    #[default]
    Json,
    /// A line of names, then a line for each row.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// Some rows, and where to go on.
pub struct Rows<R> {
    /// The rows.
    pub rows: Vec<R>,
    /// The position to go on after; none at the end.
    pub next: Option<u64>,
}

impl<R> From<Page<R>> for Rows<R> {
    fn from(Page { rows, next }: Page<R>) -> Self {
        Self { rows, next }
    }
}

/// An answer, or a page of it.
#[derive(Serialize, ToSchema)]
pub struct Report<R> {
    /// Of which height it is.
    as_of: AsOf,
    /// The rows.
    rows: Vec<R>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A question: its name and everything that it asks for, beside height, format and page.
pub struct Question {
    identity: Query,
    report: ReportQuery,
}

impl Question {
    /// The question `name` with `parameters`.
    pub fn new(name: &str, parameters: &impl std::fmt::Debug, report: ReportQuery) -> Self {
        let when = (report.at_height, report.at_time);
        Self { identity: Query::new(name, &(parameters, when)), report }
    }

    /// Of when the answer is to be, by what was asked.
    fn when(&self) -> Result<When, Problem> {
        match (self.report.at_height, self.report.at_time) {
            (None, None) => Ok(When::Now),
            (Some(height), None) => Ok(When::Height(height)),
            (None, Some(time)) => Ok(When::Time(time)),
            (Some(_), Some(_)) => {
                let detail = "at_time: there is an at_height already";
                Err(Problem::new(ProblemType::BadParameter, detail).at("at_time"))
            }
        }
    }

    /// Answers with rows, which `rows` gives from after a position on, so many at most.
    ///
    /// # Errors
    /// Of height, cursor and limit; and what `rows` fails with at first.
    pub async fn answer<R, F>(self, shared: &Shared, rows: F) -> Result<Response, Problem>
    where
        R: Serialize + Send + 'static,
        F: Fn(&View, &AsOf, Option<u64>, usize) -> Result<Rows<R>, QueryError> + Send + 'static,
    {
        let limit = page_limit(self.report.limit, DEFAULT_PAGE_ROWS, MAX_PAGE_ROWS)?;
        let mut when = self.when()?;
        let mut after = None;
        if let Some((position, height)) = self.identity.place(self.report.cursor.as_deref())? {
            (when, after) = (When::Height(height), Some(position));
        }
        let format = self.report.format;
        if format == Format::Json {
            let read = move |view: &View| {
                let as_of = AsOf::resolve(view, when)?;
                let Rows { rows, next } = rows(view, &as_of, after, limit)?;
                let next = next.map(|at| self.identity.cursor_in(at, as_of.height));
                Ok::<_, QueryError>(Json(Report { as_of, rows, next }))
            };
            return Ok(shared.read(read).await?.into_response());
        }
        stream(shared, format, when, after, rows).await
    }
}

/// Streams all rows after a position.
async fn stream<R, F>(
    shared: &Shared,
    format: Format,
    when: When,
    after: Option<u64>,
    rows: F,
) -> Result<Response, Problem>
where
    R: Serialize + Send + 'static,
    F: Fn(&View, &AsOf, Option<u64>, usize) -> Result<Rows<R>, QueryError> + Send + 'static,
{
    let permit =
        shared.streams.clone().try_acquire_owned().map_err(|_| {
            Problem::new(ProblemType::Overloaded, "too many streams are open already")
        })?;
    let store = shared.api.ledger.store()?;
    let limit = usize::from(MAX_PAGE_ROWS);
    let (as_of, first, rows) = shared
        .read(move |view| {
            let as_of = AsOf::resolve(view, when)?;
            let first = rows(view, &as_of, after, limit)?;
            Ok::<_, QueryError>((as_of, first, rows))
        })
        .await?;
    let (sender, receiver) = mpsc::channel(MAX_WAITING_PAGES);
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(|| {
            let view = store.view();
            let (mut page, mut writer) = (first, RowWriter::new(format));
            loop {
                let written = writer.write(&page.rows).map_err(std::io::Error::other);
                let failed = written.is_err();
                if sender.blocking_send(written).is_err() || failed || store.is_closing() {
                    return;
                }
                let Some(next) = page.next else { return };
                page = match rows(&view, &as_of, Some(next), limit) {
                    Ok(page) => page,
                    Err(error) => {
                        // The client sees that the answer breaks off.
                        tracing::error!(%error, "an answer breaks off");
                        let _ = sender.blocking_send(Err(std::io::Error::other("broken off")));
                        return;
                    }
                };
            }
        });
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (HEIGHT_HEADER, HeaderValue::from(as_of.height)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// Writes rows as text.
struct RowWriter {
    format: Format,
    /// Whether the names of the columns were written.
    named: bool,
}

impl RowWriter {
    const fn new(format: Format) -> Self {
        Self { format, named: false }
    }

    fn write<R: Serialize>(
        &mut self,
        rows: &[R],
    ) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        if self.format == Format::Csv {
            let mut writer = csv::WriterBuilder::new()
                .has_headers(!std::mem::replace(&mut self.named, true))
                .from_writer(Vec::new());
            for row in rows {
                writer.serialize(row)?;
            }
            return Ok(Bytes::from(writer.into_inner().map_err(|error| error.to_string())?));
        }
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, row)?;
            text.push(b'\n');
        }
        Ok(Bytes::from(text))
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let field = match &error {
            QueryError::Store(_) | QueryError::NotFound { .. } | QueryError::TooMany { .. } => None,
            QueryError::BeyondHead { .. } => Some("at_height"),
            QueryError::BeforeGenesis { .. } => Some("at_time"),
            QueryError::BadQuestion { field, .. } => Some(*field),
        };
        match (error, field) {
            (QueryError::Store(error), _) => error.into(),
            (QueryError::NotFound { what }, _) => Self::new(ProblemType::NotFound, what),
            (error @ QueryError::TooMany { .. }, _) => {
                Self::new(ProblemType::BadParameter, error.to_string())
            }
            (error, Some(field)) => {
                Self::new(ProblemType::BadParameter, error.to_string()).at(field)
            }
            (error, None) => Self::internal(&error),
        }
    }
}
