//! Submitting through a replica: what it is sent goes on to the authority, and the answer comes back.
//!
//! The replica adds nothing and believes nothing: who may submit, what is sealed and what is refused is
//! the authority's to say. Both bodies are passed on as they come, so a stream stays a stream.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use reqwest::{Client, Url, redirect};

use super::problem::{Problem, ProblemType};

/// What says that a request was passed on already: it isn't again.
const FORWARDED: HeaderName = HeaderName::from_static("counterfoil-forwarded");
/// How long a connection to the authority may take, in seconds.
const CONNECT_SECONDS: u64 = 5;
/// The headers of a request that go with it.
const OF_REQUEST: [HeaderName; 3] = [AUTHORIZATION, CONTENT_TYPE, CONTENT_ENCODING];
/// The headers of an answer that come back with it.
const OF_ANSWER: [HeaderName; 4] = [CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE];

/// Passes submissions on to an authority.
#[derive(Clone, Debug)]
pub struct Forwarder {
    client: Client,
    entries: Url,
}

/// Why an authority can't be forwarded to.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No URL under which there could be a node.
    #[error("forward_to: `{0}` is no URL of a node; write it as in https://ledger.example")]
    NotAUrl(String),
    /// No client can be made.
    #[error("forward_to: {0}")]
    Client(#[from] reqwest::Error),
}

impl Forwarder {
    /// To the authority's node under `url`.
    ///
    /// # Errors
    /// [`ForwardError`].
    pub fn new(url: &str) -> Result<Self, ForwardError> {
        let entries = format!("{}/v1/entries", url.trim_end_matches('/'));
        let entries = Url::parse(&entries).ok();
        let entries = entries.filter(|url| matches!(url.scheme(), "http" | "https"));
        let entries = entries.ok_or_else(|| ForwardError::NotAUrl(url.to_owned()))?;
        let client = Client::builder()
            .connect_timeout(std::time::Duration::from_secs(CONNECT_SECONDS))
            // A token goes where the operator said, and nowhere else.
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self { client, entries })
    }

    /// Passes a request on, and its answer back.
    ///
    /// # Errors
    /// A problem where the authority can't be reached: then nothing is known of the request.
    pub(super) async fn forward(&self, request: Request) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let failed =
            |detail: &str| Problem::new(ProblemType::AuthorityUnreachable, detail.to_owned());
        if parts.headers.contains_key(FORWARDED) {
            return Err(failed("this replica was told to forward to a node that forwards, too"));
        }
        let mut url = self.entries.clone();
        url.set_query(parts.uri.query());
        let mut headers = picked(&parts.headers, &OF_REQUEST);
        headers.insert(FORWARDED, HeaderValue::from_static("1"));
        let body = reqwest::Body::wrap_stream(body.into_data_stream());
        let sent = self.client.post(url).headers(headers).body(body).send().await;
        let answer = sent.map_err(|error| {
            // Without the URL, which may hold a password.
            tracing::warn!(error = %error.without_url(), "a submission can't be forwarded");
            failed("the authority's node doesn't answer; whether anything was sealed isn't known, and submitting the same again is safe")
        })?;
        let (status, headers) = (answer.status(), picked(answer.headers(), &OF_ANSWER));
        let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
        *response.status_mut() = status;
        response.headers_mut().extend(headers);
        Ok(response)
    }
}

fn picked(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let found =
        names.iter().flat_map(|name| headers.get_all(name).iter().map(move |it| (name, it)));
    found.map(|(name, value)| (name.clone(), value.clone())).collect()
}
