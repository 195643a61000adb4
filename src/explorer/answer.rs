//! From a reading of the ledger to a response.

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use tokio::sync::Mutex;

use super::assets;
use super::home::Kept;
use super::language::Language;
use super::messages::filters;
use super::values::{Digest, Moment};
use crate::ledger::{self, Ledger, NotOpen};
use crate::protocol::money::MoneyError;
use crate::protocol::time::Timestamp;
use crate::query::QueryError;
use crate::store::{StoreError, View};

/// The most characters of an address that an error page repeats.
const MAX_REPEATED_CHARACTERS: usize = 128;
/// When to try again after what passes by itself, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// What every page is made from.
#[derive(Clone)]
pub(super) struct Explorer {
    ledger: Ledger,
    site: Arc<Site>,
    /// What was latest, in each language, for all who look on.
    latest: Shelf,
}

/// What is made once for many.
pub(super) type Shelf = Arc<Mutex<BTreeMap<Language, Kept>>>;

/// What is the same on every page.
pub(super) struct Site {
    pub(super) name: String,
    pub(super) origin: String,
    pub(super) chain_id: Digest,
    /// Where the pages' assets are, relative to the explorer's root, without a slash at its end.
    pub(super) assets: &'static str,
}

/// A request for a page, and who makes it.
pub(super) struct Visitor {
    explorer: Explorer,
    visit: Visit,
}

/// How a page is asked for: in which language, and from where its relative links begin.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) language: Language,
    /// The way from the page to the explorer's first page in the same language.
    pub(super) root: String,
    /// The way from the page to the node's root, where the API is.
    pub(super) node: String,
    /// The page's own address, query included, from the explorer's root.
    pub(super) path: String,
}

/// The part of the explorer that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Home,
    Blocks,
    Entries,
    Search,
    Transparency,
    Verify,
    Status,
}

/// What surrounds a page.
pub(super) struct Frame<'a> {
    pub(super) site: &'a Site,
    /// The way from this page to the explorer's root, in the language of the page.
    pub(super) root: &'a str,
    /// The way from this page to the node's root.
    pub(super) node: &'a str,
    pub(super) language: Language,
    pub(super) section: Section,
    /// What stands in the search box.
    pub(super) query: &'a str,
    /// The page's own address, from the explorer's root.
    pub(super) path: &'a str,
}

/// What a page is made from: the ledger at one head, and the time at which it is looked at.
pub(super) struct Reader<'a> {
    pub(super) view: &'a View,
    pub(super) ledger: &'a Ledger,
    pub(super) now: Timestamp,
    site: &'a Site,
    visit: &'a Visit,
}

/// What a handler comes to.
pub(super) enum Answer {
    /// A page, rendered.
    Page(String),
    /// Another address, relative to the explorer's root.
    Elsewhere(String),
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExplorerError {
    #[error("no such block")]
    NoSuchBlock { name: String },
    #[error("no such entry")]
    NoSuchEntry { name: String },
    #[error("nothing is called that")]
    NoSuchName { name: String },
    #[error("no such page")]
    NoSuchPage,
    #[error("{problem}")]
    BadQuery { problem: String },
    #[error("too many requests at the same time")]
    Overloaded,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NotOpen(#[from] NotOpen),
    #[error("an entry of another chain: {0}")]
    Money(#[from] MoneyError),
    #[error("a template failed: {0}")]
    Template(#[from] askama::Error),
}

impl Explorer {
    pub(super) fn new(ledger: Ledger) -> Self {
        let chain = ledger.chain();
        let site = Site {
            name: chain.spec().name.clone(),
            origin: chain.spec().origin.clone(),
            chain_id: Digest::new(chain.id()),
            assets: &assets::DIRECTORY,
        };
        Self { site: Arc::new(site), ledger, latest: Shelf::default() }
    }
}

impl FromRequestParts<Explorer> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, from: &Explorer) -> Result<Self, Infallible> {
        Ok(Self { explorer: from.clone(), visit: Visit::new(parts) })
    }
}

impl Visitor {
    /// Reads and renders on a thread that may block; an error becomes a page too.
    pub(super) async fn answer(
        self,
        read: impl FnOnce(&Reader<'_>) -> Result<Answer, ExplorerError> + Send + 'static,
    ) -> Response {
        match self.read(read).await {
            Ok(answer) => answer.into_response(&self.visit),
            Err(error) => self.refuse(&error),
        }
    }

    /// Reads on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader<'_>) -> Result<T, ExplorerError> + Send + 'static,
    ) -> Result<T, ExplorerError> {
        let Explorer { ledger, site, .. } = self.explorer.clone();
        let visit = self.visit.clone();
        let reading = ledger.clone();
        let read = move |view: &View| {
            read(&Reader { view, ledger: &ledger, now: ledger::now(), site: &site, visit: &visit })
        };
        reading.read(read).await.unwrap_or_else(|error| Err(error.into()))
    }

    /// The page that says why there is none.
    pub(super) fn refuse(&self, error: &ExplorerError) -> Response {
        let Explorer { ledger, site, .. } = &self.explorer;
        error.to_response(site, &self.visit, ledger.head().height())
    }

    /// How high the ledger is now.
    pub(super) fn height(&self) -> u64 {
        self.explorer.ledger.head().height()
    }

    /// The language of the page.
    pub(super) fn language(&self) -> Language {
        self.visit.language
    }

    /// What was latest, in each language.
    pub(super) fn latest(&self) -> Shelf {
        self.explorer.latest.clone()
    }

    /// What was made before, as the answer.
    pub(super) fn show(&self, html: String) -> Response {
        Answer::Page(html).into_response(&self.visit)
    }
}

impl Visit {
    /// What it is called among the values that templates are given.
    pub(super) const KEY: &'static str = "visit";

    fn new(parts: &Parts) -> Self {
        let path = parts.uri.path().trim_start_matches('/');
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        // An address that begins with a language asks for it, and so do all links from there.
        let asked = Language::ALL.into_iter().find(|language| language.code() == first);
        let accepted = || {
            let header = parts.headers.get(header::ACCEPT_LANGUAGE)?;
            Language::accepted(header.to_str().ok()?)
        };
        let page = if asked.is_some() { rest } else { path };
        let up = |path: &str| match path.matches('/').count() {
            0 => "./".to_owned(),
            deep => "../".repeat(deep),
        };
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        Self {
            language: asked.or_else(accepted).unwrap_or_default(),
            root: up(page),
            node: up(path),
            path: format!("{page}{query}"),
        }
    }
}

/// Templates find the visit, and with it their language, among the values that they are given.
impl askama::Values for Visit {
    fn get_value<'a>(&'a self, key: &str) -> Option<&'a dyn Any> {
        (key == Self::KEY).then_some(self as &dyn Any)
    }
}

impl<'a> Frame<'a> {
    fn new(site: &'a Site, visit: &'a Visit, section: Section) -> Self {
        let Visit { language, root, node, path } = visit;
        Self { site, root, node, language: *language, section, query: "", path }
    }

    /// The same page in every language: its name, and where it is.
    pub(super) fn languages(&self) -> impl Iterator<Item = (Language, String)> {
        let address =
            |language: Language| format!("{}{}/{}", self.node, language.code(), self.path);
        Language::ALL.into_iter().map(move |language| (language, address(language)))
    }
}

impl<'a> Reader<'a> {
    /// What surrounds a page of `section`.
    pub(super) fn frame(&self, section: Section) -> Frame<'a> {
        Frame::new(self.site, self.visit, section)
    }

    /// The page that `template` makes.
    pub(super) fn page(&self, template: &impl Template) -> Result<Answer, ExplorerError> {
        Ok(Answer::Page(template.render_with_values(self.visit)?))
    }

    /// The language of the page.
    pub(super) fn language(&self) -> Language {
        self.visit.language
    }

    /// What templates find their language in.
    pub(super) fn values(&self) -> &Visit {
        self.visit
    }

    /// A point in time as seen from now.
    pub(super) fn moment(&self, time: Timestamp) -> Moment {
        Moment::new(time, self.now)
    }
}

impl Answer {
    fn into_response(self, visit: &Visit) -> Response {
        match self {
            Self::Page(html) => (page_headers(visit), Html(html)).into_response(),
            Self::Elsewhere(path) => {
                let location = format!("{}{path}", visit.root);
                (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
            }
        }
    }
}

/// The headers of every page.
fn page_headers(visit: &Visit) -> [(HeaderName, &'static str); 3] {
    [
        // A commission's state may change with the next block.
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "Accept-Language"),
        (header::CONTENT_LANGUAGE, visit.language.code()),
    ]
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame<'a>,
    status: StatusCode,
    error: &'a ExplorerError,
    height: u64,
}

impl ExplorerError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchBlock { .. }
            | Self::NoSuchEntry { .. }
            | Self::NoSuchName { .. }
            | Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::BadQuery { .. } => StatusCode::BAD_REQUEST,
            Self::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            Self::NotOpen(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) if error.can_pass() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Money(_) | Self::Template(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The page that says so.
    fn to_response(&self, site: &Site, visit: &Visit, height: u64) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = %self, "a page failed");
        }
        let section = match self {
            Self::NoSuchBlock { .. } => Section::Blocks,
            Self::NoSuchEntry { .. } => Section::Entries,
            _ => Section::Search,
        };
        let page =
            ErrorPage { frame: Frame::new(site, visit, section), status, error: self, height };
        let Ok(html) = page.render_with_values(visit) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = (status, page_headers(visit), Html(html)).into_response();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

impl From<QueryRejection> for ExplorerError {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadQuery { problem: rejection.body_text() }
    }
}

impl From<PathRejection> for ExplorerError {
    fn from(rejection: PathRejection) -> Self {
        Self::BadQuery { problem: rejection.body_text() }
    }
}

impl From<QueryError> for ExplorerError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Store(error) => Self::Store(error),
            QueryError::NotFound { what } => Self::NoSuchName { name: what },
            QueryError::BeyondHead { .. }
            | QueryError::BeforeGenesis { .. }
            | QueryError::BadQuestion { .. }
            | QueryError::TooMany { .. } => Self::BadQuery { problem: error.to_string() },
        }
    }
}

/// The beginning of a text that somebody sent.
pub(super) fn repeated(text: &str) -> String {
    text.chars().take(MAX_REPEATED_CHARACTERS).collect()
}
