//! A node in this process: a ledger in a directory of its own, served on a free port.
#![allow(clippy::indexing_slicing, clippy::unnecessary_literal_unwrap, reason = "a test may panic")]

use std::sync::Arc;

use axum::Router;
use counterfoil::http::{Api, SubmitAccess, TokenDigest, router};
use counterfoil::ledger::Ledger;
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::text::EntryText;
use counterfoil::protocol::verify::Chain;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::chain::{chain, key};

/// The token that may submit.
pub const TOKEN: &str = "a token that is long enough";

pub struct Node {
    /// Where it is, without a slash at the end.
    pub url: String,
    pub ledger: Ledger,
    pub chain: Arc<Chain>,
    pub client: Client,
    /// Every path that is routed.
    pub routes: Vec<String>,
    server: JoinHandle<()>,
    _directory: TempDir,
}

impl Node {
    /// The authority of a chain of that name.
    pub async fn start(name: &str) -> Self {
        Self::start_with(chain(name), Some(key())).await
    }

    pub async fn start_with(chain: Arc<Chain>, key: Option<SealingKey>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let genesis_note = key.as_ref().map(|key| {
            let checkpoint = chain.genesis_tip().checkpoint(&chain);
            checkpoint.to_note(&key.public(), &checkpoint.sign(key))
        });
        let (ledger, _) = Ledger::open(directory.path(), chain.clone(), key).expect("it opens");
        let access = SubmitAccess::Token(TokenDigest::new(TOKEN));
        let api = Api {
            ledger: ledger.clone(),
            access,
            genesis_note,
            stopping: CancellationToken::new(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let service = router(api, pages());
        let routes = routes(&service);
        let server = tokio::spawn(async move {
            axum::serve(listener, service).await.expect("it serves until it is stopped");
        });
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { url, ledger, chain, client, routes, server, _directory: directory }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, path).send().await.expect("an answer");
        json(response).await
    }

    /// A GET that must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path).bearer_auth(TOKEN)
    }

    /// Submits JSON; the status and the body.
    pub async fn submit(&self, body: &Value) -> (StatusCode, Value) {
        self.submit_text("/v1/entries", body.to_string()).await
    }

    pub async fn submit_text(&self, path: &str, body: impl Into<String>) -> (StatusCode, Value) {
        let request = self.post(path).header("content-type", "application/json");
        json(request.body(body.into()).send().await.expect("an answer")).await
    }

    /// Submits an array of entries, of which all must be sealed.
    pub async fn seal(&self, entries: &[EncodedEntry]) {
        let (status, body) = self.submit(&self.texts(entries)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        for result in body["results"].as_array().expect("results") {
            assert_eq!(result["status"], "sealed", "{result}");
        }
    }

    /// The text form of entries.
    pub fn texts(&self, entries: &[EncodedEntry]) -> Value {
        entries.iter().map(|entry| self.text(entry)).collect()
    }

    /// The text form of an entry.
    pub fn text(&self, entry: &EncodedEntry) -> Value {
        let text = EntryText::new(entry.entry(), &self.chain.spec().currencies);
        serde_json::to_value(text.expect("known currencies")).expect("it serialises")
    }

    /// Re-verifies everything that is stored, and that nothing but `entries` entries are.
    pub fn check(&self, entries: u64) {
        let report =
            self.ledger.store().expect("it is open").fsck(|_| {}).expect("the store can be read");
        assert!(report.is_clean(), "{report:#?}");
        assert_eq!(report.entries, entries);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Every path of a router, from its debug form: axum has no other way to ask.
fn routes(router: &Router) -> Vec<String> {
    let text = format!("{router:?}");
    let paths = text.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    // How axum routes what has no route.
    let paths = paths.filter(|path| *path != "/" && !path.contains("__private__"));
    let paths: std::collections::BTreeSet<String> = paths.map(str::to_owned).collect();
    paths.into_iter().collect()
}

/// Pages such as the explorer's: served beside the API, and one that fails.
fn pages() -> Router {
    Router::new()
        .route("/page", axum::routing::get(async || axum::response::Html("<p>a page</p>")))
        .route("/panic", axum::routing::get(panics))
}

async fn panics() -> &'static str {
    let nothing: Option<&str> = None;
    nothing.expect("a secret at /some/path")
}

/// The status and the JSON body. Every error must be a problem.
pub async fn json(response: reqwest::Response) -> (StatusCode, Value) {
    let status = response.status();
    let content_type = response.headers()["content-type"].to_str().expect("text").to_owned();
    let text = response.text().await.expect("a whole body");
    let expected =
        if status.is_success() { "application/json" } else { "application/problem+json" };
    assert_eq!(content_type, expected, "{status}: {text}");
    let body: Value = serde_json::from_str(&text).expect("JSON");
    if !status.is_success() {
        assert_eq!(body["status"], status.as_u16(), "{body}");
        let uri = body["type"].as_str().expect("a type URI");
        assert!(uri.starts_with("/problems/"), "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    }
    (status, body)
}
