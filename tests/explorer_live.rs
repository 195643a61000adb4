//! Blocks as they are sealed, as server-sent events: nobody misses one, and nobody is waited for.

#![cfg(feature = "node")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use counterfoil::http::{self, Api, MAX_VIEWERS, SubmitAccess};
use counterfoil::ledger::{Atomicity, Ledger};
use futures::StreamExt;
use support::chain::{chain, key, sale, terms};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long an event may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The API over a ledger of its own, asked without a socket: so a test decides how fast it reads.
struct Node {
    ledger: Ledger,
    router: axum::Router,
    stopping: CancellationToken,
    _directory: TempDir,
}

/// Events as they come.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Node {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (ledger, _) = Ledger::open(directory.path(), chain("live"), Some(key())).unwrap();
        let stopping = CancellationToken::new();
        let api = Api {
            ledger: ledger.clone(),
            access: SubmitAccess::Open,
            genesis_note: None,
            stopping: stopping.clone(),
        };
        let router = http::router(api, axum::Router::new());
        let node = Self { ledger, router, stopping, _directory: directory };
        node.seal(0).await;
        node
    }

    /// Seals a block; its height is `number` + 1.
    async fn seal(&self, number: u64) {
        let entry = if number == 0 { terms() } else { sale(number, 100) };
        self.ledger.submit(vec![entry], Atomicity::AllOrNothing).await.unwrap();
    }

    async fn ask(&self, query: &str, last: Option<&str>) -> axum::response::Response {
        let request = Request::get(format!("/v1/stream{query}"));
        let request =
            last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn look_on(&self, query: &str, last: Option<&str>) -> Events {
        let response = self.ask(query, last).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events =
            Events { body: response.into_body().into_data_stream(), text: String::new() };
        assert!(events.more().await, "it says when to come back");
        assert!(events.text.starts_with("retry: "), "{}", events.text);
        events.text.clear();
        events
    }
}

impl Events {
    async fn more(&mut self) -> bool {
        match timeout(PATIENCE, self.body.next()).await.expect("something comes, or it ends") {
            None => false,
            Some(bytes) => {
                self.text.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap());
                true
            }
        }
    }

    /// The height of the next block; none at the end.
    async fn next(&mut self) -> Option<u64> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let Some(id) = event.strip_prefix("id: ") else { continue };
                let (id, rest) = id.split_once('\n').unwrap();
                let data = rest.strip_prefix("event: block\ndata: ").unwrap();
                let data: serde_json::Value = serde_json::from_str(data).unwrap();
                assert_eq!(data.get("height").unwrap().to_string(), id);
                return Some(id.parse().unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn expect(&mut self, heights: impl IntoIterator<Item = u64>) {
        for height in heights {
            assert_eq!(self.next().await, Some(height));
        }
    }
}

#[tokio::test]
async fn everybody_sees_each_block_once_and_in_order() {
    let node = Node::start().await;
    let mut first = node.look_on("", None).await;
    let mut from_the_start = node.look_on("?from_height=0", None).await;
    for number in 1..=5 {
        node.seal(number).await;
    }
    first.expect(2..=6).await;
    from_the_start.expect(0..=6).await;
    // Who comes back goes on where it was, from whatever height, without a gap.
    for last in [0, 3, 5] {
        node.look_on("", Some(&last.to_string())).await.expect(last + 1..=6).await;
    }
    let mut ahead = node.look_on("", Some("6")).await;
    // A height that isn't there yet is no reason to wait for it alone.
    let mut far = node.look_on("?from_height=1000000", None).await;
    node.seal(6).await;
    ahead.expect([7]).await;
    far.expect([7]).await;
    first.expect([7]).await;
}

#[tokio::test]
async fn who_is_behind_while_blocks_come_misses_none() {
    let node = Node::start().await;
    for number in 1..=40 {
        node.seal(number).await;
    }
    let mut viewer = node.look_on("?from_height=1", None).await;
    for number in 41..=60 {
        node.seal(number).await;
        viewer.expect([number - 40]).await;
    }
    viewer.expect(21..=61).await;
}

#[tokio::test]
async fn a_slow_reader_is_dropped_and_comes_back() {
    let node = Node::start().await;
    let mut slow = node.look_on("", None).await;
    for number in 1..=300 {
        node.seal(number).await;
    }
    // More waits for it than is kept: it ends, and sealing never waited.
    assert_eq!(slow.next().await, None);
    node.look_on("", Some("1")).await.expect(2..=301).await;
}

#[tokio::test]
async fn viewers_are_bounded_and_end_with_the_node() {
    let node = Node::start().await;
    let mut viewers = Vec::new();
    for _ in 0..MAX_VIEWERS {
        viewers.push(node.look_on("", None).await);
    }
    assert_eq!(node.ask("", None).await.status(), 503, "no more");
    drop(viewers.pop());
    let last = node.look_on("", None).await;
    viewers.push(last);
    for bad in ["x", "-1", "1.5"] {
        assert_eq!(node.ask("", Some(bad)).await.status(), 400, "{bad}");
    }
    node.stopping.cancel();
    for viewer in &mut viewers {
        assert_eq!(viewer.next().await, None, "the node stops");
    }
    if let Err(error) = node.ledger.submit(vec![sale(1, 100)], Atomicity::AllOrNothing).await {
        panic!("sealing goes on: {error}");
    }
}
