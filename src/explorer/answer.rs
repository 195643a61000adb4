//! From a reading of the ledger to a response.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::assets::{DIRECTORY, LOGO, STYLE};
use super::values::{Digest, Moment};
use crate::ledger::{self, Ledger, NotOpen};
use crate::protocol::money::MoneyError;
use crate::protocol::time::Timestamp;
use crate::store::{StoreError, View};

/// The most characters of an address that an error page repeats.
const MAX_REPEATED_CHARACTERS: usize = 128;
/// When to try again after what passes by itself, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// What every handler has.
#[derive(Clone)]
pub(super) struct Explorer {
    ledger: Ledger,
    site: Arc<Site>,
}

/// What is the same on every page.
pub(super) struct Site {
    pub(super) name: String,
    pub(super) origin: String,
    pub(super) chain_id: Digest,
    pub(super) style: &'static str,
    pub(super) logo: &'static str,
    pub(super) verifier: String,
}

/// Where a page stands: how its relative links begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Right below the root, such as `/blocks`.
    Top,
    /// One deeper, such as `/blocks/7`.
    Below,
}

/// The part of the explorer that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Home,
    Blocks,
    Entries,
    Search,
    Verify,
}

/// What surrounds a page.
pub(super) struct Frame<'a> {
    pub(super) site: &'a Site,
    /// The way from this page to the explorer's root.
    pub(super) root: &'static str,
    pub(super) section: Section,
    /// What stands in the search box.
    pub(super) query: &'a str,
}

/// What a page is made from: the ledger at one head, and the time at which it is looked at.
pub(super) struct Reader<'a> {
    pub(super) view: &'a View,
    pub(super) now: Timestamp,
    site: &'a Site,
    root: &'static str,
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
    #[error("{problem}")]
    BadQuery { problem: String },
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
            style: &STYLE.path,
            logo: &LOGO.path,
            verifier: format!("{}/verify", *DIRECTORY),
        };
        Self { site: Arc::new(site), ledger }
    }

    /// Reads and renders on a thread that may block; an error becomes a page too.
    pub(super) async fn answer(
        &self,
        place: Place,
        read: impl FnOnce(&Reader<'_>) -> Result<Answer, ExplorerError> + Send + 'static,
    ) -> Response {
        let site = self.site.clone();
        let root = place.root();
        let read = move |view: &View| {
            let reader = Reader { view, now: ledger::now(), site: &site, root };
            read(&reader)
        };
        let answer = self.ledger.read(read).await.unwrap_or_else(|error| Err(error.into()));
        match answer {
            Ok(answer) => answer.into_response(root),
            Err(error) => error.into_response(&self.site, root, self.ledger.head().height()),
        }
    }
}

impl Place {
    const fn root(self) -> &'static str {
        match self {
            Self::Top => "./",
            Self::Below => "../",
        }
    }
}

impl<'a> Frame<'a> {
    fn new(site: &'a Site, root: &'static str, section: Section) -> Self {
        Self { site, root, section, query: "" }
    }
}

impl<'a> Reader<'a> {
    /// What surrounds a page of `section`.
    pub(super) fn frame(&self, section: Section) -> Frame<'a> {
        Frame::new(self.site, self.root, section)
    }

    /// A point in time as seen from now.
    pub(super) fn moment(&self, time: Timestamp) -> Moment {
        Moment::new(time, self.now)
    }
}

impl Answer {
    /// The page that `template` makes.
    pub(super) fn page(template: &impl Template) -> Result<Self, ExplorerError> {
        Ok(Self::Page(template.render()?))
    }

    fn into_response(self, root: &str) -> Response {
        match self {
            // A commission's state may change with the next block.
            Self::Page(html) => ([(header::CACHE_CONTROL, "no-cache")], Html(html)).into_response(),
            Self::Elsewhere(path) => {
                (StatusCode::SEE_OTHER, [(header::LOCATION, format!("{root}{path}"))])
                    .into_response()
            }
        }
    }
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
            Self::NoSuchBlock { .. } | Self::NoSuchEntry { .. } => StatusCode::NOT_FOUND,
            Self::BadQuery { .. } => StatusCode::BAD_REQUEST,
            Self::NotOpen(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) if error.can_pass() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Money(_) | Self::Template(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The page that says so.
    fn into_response(self, site: &Site, root: &'static str, height: u64) -> Response {
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
            ErrorPage { frame: Frame::new(site, root, section), status, error: &self, height };
        let Ok(html) = page.render() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response =
            (status, [(header::CACHE_CONTROL, "no-cache")], Html(html)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
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

/// The beginning of a text that somebody sent.
pub(super) fn repeated(text: &str) -> String {
    text.chars().take(MAX_REPEATED_CHARACTERS).collect()
}
