//! Submitting a stream of lines.

use std::fmt::Write;

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use reqwest::{Body, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::chain::{commission, sale, terms};
use crate::support::node::{Node, TOKEN};

const LINES: &str = "application/x-ndjson";

async fn stream(node: &Node, body: impl Into<Body>) -> Response {
    let request = node.post("/v1/entries").header("content-type", LINES);
    let response = request.body(body).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], LINES);
    response
}

async fn lines(response: Response) -> Vec<Value> {
    let text = response.text().await.expect("a whole answer");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn twenty_thousand_lines_come_back_in_order() {
    let node = Node::start("long").await;
    let mut text = node.text(&terms()).to_string();
    for number in 1..10_000 {
        let (sale, commission) = (sale(number, number * 100), commission(number, number * 10));
        write!(text, "\n{}\n{}", node.text(&sale), node.text(&commission)).unwrap();
    }
    let body = text.clone();
    let results = lines(stream(&node, body).await).await;
    assert_eq!(results.len(), 19_999);
    for (place, result) in results.iter().enumerate() {
        assert_eq!(result["line"], place + 1);
        assert_eq!(result["status"], "sealed", "{result}");
    }
    node.check(19_999);
    let head = node.ledger.head().height();

    let again = lines(stream(&node, text).await).await;
    for (first, again) in results.iter().zip(&again) {
        assert_eq!(again["status"], "existing");
        for field in ["line", "id", "index", "height", "receipt"] {
            assert_eq!(first[field], again[field]);
        }
    }
    assert_eq!(node.ledger.head().height(), head);
}

#[tokio::test]
async fn a_bad_line_is_rejected_and_the_stream_goes_on() {
    let node = Node::start("bad-lines").await;
    let long = "x".repeat(300_000);
    let deep = "[".repeat(100_000);
    let (terms, sale_1) = (node.text(&terms()).to_string(), node.text(&sale(1, 1)).to_string());
    let other = node.text(&sale(1, 2)).to_string();
    let orphan = node.text(&commission(7, 2)).to_string();
    let parts: [&[u8]; 12] = [
        terms.as_bytes(),
        b"{\"tenant\":",
        b"",
        b"\xff\xfe",
        long.as_bytes(),
        deep.as_bytes(),
        b"[]",
        b" \t\r",
        sale_1.as_bytes(),
        other.as_bytes(),
        orphan.as_bytes(),
        sale_1.as_bytes(),
    ];
    let results = lines(stream(&node, parts.join(&b'\n')).await).await;
    let found: Vec<_> = results
        .iter()
        .map(|result| {
            let kind = result["problem"]["type"].as_str().unwrap_or_default();
            let kind = kind.trim_start_matches("/problems/");
            (result["line"].as_u64().unwrap(), result["status"].as_str().unwrap(), kind)
        })
        .collect();
    let expected = [
        (1, "sealed", ""),
        (2, "rejected", "malformed-entry"),
        (4, "rejected", "malformed-entry"),
        (5, "rejected", "entry-too-long"),
        (6, "rejected", "malformed-entry"),
        (7, "rejected", "malformed-entry"),
        (9, "sealed", ""),
        (10, "conflict", ""),
        (11, "rejected", "missing-parent"),
        (12, "existing", ""),
    ];
    assert_eq!(found, expected);
    node.check(2);
}

#[tokio::test]
async fn results_come_while_the_upload_goes_on() {
    let node = Node::start("duplex").await;
    let (sender, receiver) = mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    let send = |text: String| sender.unbounded_send(Ok(text.into())).unwrap();
    send(format!("{}\n", node.text(&terms())));
    let mut results = stream(&node, Body::wrap_stream(receiver)).await.bytes_stream();
    let mut next = async || -> Value {
        serde_json::from_slice(&results.next().await.unwrap().unwrap()).unwrap()
    };
    assert_eq!(next().await["line"], 1);
    // A line that comes in two pieces is one line.
    let text = format!("{}\n", node.text(&sale(1, 1)));
    let (head, tail) = text.split_at(20);
    send(head.to_owned());
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    send(tail.to_owned());
    let result = next().await;
    assert_eq!((&result["line"], &result["status"]), (&json!(2), &json!("sealed")));
    // The last line needs no newline.
    send(node.text(&sale(2, 1)).to_string());
    sender.close_channel();
    assert_eq!(next().await["line"], 3);
    assert!(results.next().await.is_none());
    node.check(3);
}

#[tokio::test]
async fn nothing_at_all_is_an_empty_stream() {
    let node = Node::start("nothing").await;
    assert_eq!(lines(stream(&node, "").await).await, Vec::<Value>::new());
    assert_eq!(lines(stream(&node, "\n\n").await).await, Vec::<Value>::new());
    node.check(0);
}

/// Sends what is given and closes the connection, or only its sending half; what came back.
async fn cut_off(node: &Node, head: &str, body: &str) -> String {
    let address = node.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/entries HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n{head}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_line_that_was_cut_off_is_never_submitted() {
    let node = Node::start("cut").await;
    let whole = format!("{}\n", node.text(&terms()));
    // The cut falls right behind the closing brace: what came looks like a line, and isn't one.
    let body = format!("{whole}{}", node.text(&sale(1, 1)));
    let length = body.len();
    let heads = [
        format!("content-type: {LINES}\r\ncontent-length: {}", length + 1),
        format!("content-type: {LINES}\r\ntransfer-encoding: chunked"),
    ];
    for (place, head) in heads.iter().enumerate() {
        let sent = if place == 0 { body.clone() } else { format!("{length:x}\r\n{body}\r\n") };
        let answer = cut_off(&node, head, &sent).await;
        // Whether the connection still took the answer is the other side's luck.
        if answer.contains("\"stopped\"") {
            assert!(answer.contains("\"line\":2") && answer.contains("/problems/interrupted"));
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        node.check(1);
    }
    // An array that is cut off submits nothing.
    let sales = node.texts(&[sale(2, 1), sale(3, 1)]).to_string();
    let head = format!("content-type: application/json\r\ncontent-length: {}", sales.len() + 1);
    cut_off(&node, &head, &sales).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    node.check(1);
}

#[tokio::test]
async fn a_stream_cant_be_atomic() {
    let node = Node::start("atomic-stream").await;
    let request = node.post("/v1/entries?atomic=true").header("content-type", LINES);
    let response = request.body(node.text(&terms()).to_string()).send().await.unwrap();
    let (status, body) = crate::support::node::json(response).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["type"], "/problems/atomic-stream");
    node.check(0);
}

#[tokio::test]
async fn who_never_reads_the_results_is_made_to_wait() {
    let node = Node::start("deaf").await;
    let line = format!("{}\n", node.text(&sale(1, 1)));
    let address = node.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/entries HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: {LINES}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = line.repeat(500);
    let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
    let mut sent = 0;
    let patience = std::time::Duration::from_secs(2);
    while sent < 400 * 1024 * 1024 {
        match tokio::time::timeout(patience, connection.write_all(chunk.as_bytes())).await {
            Ok(written) => written.unwrap(),
            Err(_) => break,
        }
        sent += chunk.len();
    }
    assert!(sent < 400 * 1024 * 1024, "the node took {sent} bytes and nobody read its answers");
    // Others aren't made to wait.
    node.seal(&[terms()]).await;
}
