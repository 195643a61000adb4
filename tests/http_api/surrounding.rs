//! What holds for every request: ids, headers, limits, and what happens when something breaks.

use flate2::read::GzDecoder;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::chain::terms;
use crate::support::node::{Node, TOKEN, json as answer};

#[tokio::test]
async fn a_response_names_its_request() {
    let node = Node::start("request-id").await;
    let id = async |given: Option<&str>| {
        let mut request = node.request(Method::GET, "/v1/chain");
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        let response = request.send().await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id(Some("abc-123")).await, "abc-123");
    let (one, two) = (id(None).await, id(None).await);
    assert!(one.len() == 36 && one != two, "{one} {two}");
    let long = "x".repeat(65);
    for bad in ["", "a b", "é", long.as_str()] {
        assert_eq!(id(Some(bad)).await.len(), 36, "{bad}");
    }
    let missing = node.request(Method::GET, "/nothing").header("x-request-id", "lost");
    assert_eq!(missing.send().await.unwrap().headers()["x-request-id"], "lost");
}

#[tokio::test]
async fn every_response_has_the_headers_that_protect() {
    let node = Node::start("headers").await;
    for path in ["/v1/chain", "/nothing", "/panic", "/page", "/livez", "/tile/0/000.p/1"] {
        let response = node.request(Method::GET, path).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert!(headers.contains_key("content-security-policy"), "{path}");
        assert!(headers.contains_key("cache-control"), "{path}");
        assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
        assert!(!headers.contains_key("access-control-allow-credentials"), "{path}");
    }
}

#[tokio::test]
async fn a_page_from_elsewhere_may_read_and_not_write() {
    let node = Node::start("cors").await;
    let preflight = async |method: &str| {
        let request = node.request(Method::OPTIONS, "/v1/entries");
        let request = request.header("origin", "https://auditor.example");
        request.header("access-control-request-method", method).send().await.unwrap()
    };
    let allowed = preflight("GET").await.headers()["access-control-allow-methods"].clone();
    assert_eq!(allowed, "GET,HEAD");
    let response = preflight("POST").await;
    assert!(!response.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert!(!response.headers().contains_key("access-control-allow-headers"));
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let node = Node::start("panic").await;
    let (status, problem) = node.get("/panic").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(problem["type"], "/problems/internal");
    assert!(!problem.to_string().contains("secret"), "{problem}");
    assert_eq!(node.read("/livez").await, json!({"status": "alive"}));
}

#[tokio::test]
async fn text_is_compressed_for_those_who_take_it() {
    let node = Node::start("gzip").await;
    node.seal(&[terms()]).await;
    let fetch = async |path: &str| {
        let request = node.request(Method::GET, path).header("accept-encoding", "gzip");
        request.send().await.unwrap()
    };
    let response = fetch("/v1/chain").await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let bytes = response.bytes().await.unwrap();
    let chain: Value = serde_json::from_reader(GzDecoder::new(bytes.as_ref())).unwrap();
    assert_eq!(chain, node.read("/v1/chain").await);
    let cases =
        [("/tile/0/000.p/3", false), ("/tile/entries/000.p/3", true), ("/checkpoint", false)];
    for (path, compressed) in cases {
        let response = fetch(path).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().contains_key("content-encoding"), compressed, "{path}");
    }
}

#[tokio::test]
async fn pages_are_served_beside_the_api() {
    let node = Node::start("pages").await;
    let page = node.request(Method::GET, "/page").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.headers().contains_key("x-request-id"));
    let head = node.request(Method::HEAD, "/v1/chain").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
}

/// Opens a request that never goes on.
async fn hang(node: &Node, path: &str, headers: &str) -> TcpStream {
    let address = node.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n{headers}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

#[tokio::test]
async fn bodies_and_streams_are_bounded_in_all() {
    let node = Node::start("bounded").await;
    // Eight bodies that are as long as they may be, all but their last byte.
    let most = " ".repeat(16 * 1024 * 1024 - 1);
    let cases = [
        ("application/json", "content-length: 16777216", 8, most.as_str()),
        ("application/x-ndjson", "transfer-encoding: chunked", 64, ""),
    ];
    for (content_type, length, count, body) in cases {
        let mut hanging = Vec::new();
        for _ in 0..count {
            let headers = format!("content-type: {content_type}\r\n{length}");
            let mut connection = hang(&node, "/v1/entries", &headers).await;
            connection.write_all(body.as_bytes()).await.unwrap();
            hanging.push(connection);
        }
        let text = node.text(&terms()).to_string();
        let submit = async || {
            let request = node.post("/v1/entries").header("content-type", content_type);
            request.body(text.clone()).send().await.unwrap()
        };
        let mut refused = submit().await;
        while refused.status().is_success() {
            // The others are still on their way in.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            refused = submit().await;
        }
        assert_eq!(refused.headers()["retry-after"], "2");
        let (status, problem) = answer(refused).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(problem["type"], "/problems/overloaded");
        assert_eq!(node.read("/readyz").await, json!({"status": "sealing"}));
        node.read("/v1/chain").await;
        drop(hanging);
        while !submit().await.status().is_success() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    node.check(1);
}
