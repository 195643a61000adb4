//! Verification by the node.

use counterfoil::protocol::receipt::Receipt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::chain::{chain, commission, sale, terms};
use crate::support::node::{Node, json as answer};

async fn node_with_blocks(name: &str, blocks: u64) -> Node {
    let node = Node::start(name).await;
    node.seal(&[terms()]).await;
    for number in 2..=blocks {
        node.seal(&[sale(number, 100), commission(number, 10)]).await;
    }
    node
}

#[tokio::test]
async fn a_range_says_what_was_checked_and_what_it_cant_show() {
    let node = node_with_blocks("range", 9).await;
    let rules = json!(["canonical bytes", "links", "roots", "signatures", "rules"]);
    let all = node.read("/v1/verify").await;
    assert_eq!(all["valid"], true, "{all}");
    assert_eq!((&all["from"], &all["to"], &all["blocks"]), (&json!(0), &json!(9), &json!(10)));
    assert_eq!((&all["entries"], &all["checked"]), (&json!(17), &rules));
    let chain = node.read("/v1/chain").await;
    for field in ["height", "hash", "size", "root"] {
        assert_eq!(all["end"][field], chain["head"][field]);
    }
    let cases = [
        ("?to=4", 5, true, "after 4"),
        ("?from=1", 9, true, ""),
        ("?from=2", 8, false, "before 2"),
        ("?from=5&to=7", 3, false, "before 5"),
        ("?from=9", 1, false, "before 9"),
        ("?from=0&to=0", 1, true, "after 0"),
    ];
    for (query, blocks, with_rules, words) in cases {
        let report = node.read(&format!("/v1/verify{query}")).await;
        assert_eq!(
            (&report["valid"], &report["blocks"]),
            (&json!(true), &json!(blocks)),
            "{query}"
        );
        let checked = report["checked"].as_array().unwrap();
        assert_eq!(checked.contains(&json!("rules")), with_rules, "{report}");
        assert_eq!(report["rules_checked_to"].is_null(), !with_rules, "{report}");
        assert!(report["not_shown"].to_string().contains(words), "{report}");
    }
}

#[tokio::test]
async fn a_long_verification_tells_how_far_it_is() {
    let node = node_with_blocks("progress", 40).await;
    let request = node.request(Method::GET, "/v1/verify").header("accept", "application/x-ndjson");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(last["result"]["valid"], true);
    for line in before {
        assert_eq!(line["progress"]["to"], 40);
    }
    assert_eq!(last["result"], node.read("/v1/verify").await);
}

#[tokio::test]
async fn a_receipt_is_verified_and_any_change_is_noticed() {
    let node = node_with_blocks("receipts", 4).await;
    let text = node.request(Method::GET, "/v1/entries/4/receipt").send().await.unwrap();
    let text = text.text().await.unwrap();
    let verify = async |text: String| {
        let request = node.request(Method::POST, "/v1/verify/receipt");
        let request = request.header("content-type", "application/json").body(text);
        answer(request.send().await.unwrap()).await
    };
    let (status, verdict) = verify(text.clone()).await;
    assert_eq!((status, &verdict["valid"]), (StatusCode::OK, &json!(true)), "{verdict}");
    let entry = node.read("/v1/entries/4").await;
    assert_eq!(verdict["proven"]["entry"], entry["entry"]);
    assert_eq!(verdict["proven"]["recorded_at"], entry["recorded_at"]);
    assert_eq!(verdict["proven"]["on_this_log"], true);

    // A bit of each part, and what isn't one at all.
    let receipt: Value = serde_json::from_str(&text).unwrap();
    let altered = [
        ("format", json!("counterfoil-receipt-v2")),
        ("chain_id", json!("00".repeat(32))),
        ("entry_id", json!("00".repeat(32))),
        ("checkpoint", json!(receipt["checkpoint"].as_str().unwrap().replace('\n', "\n\n"))),
        ("entry", receipt["header"].clone()),
        ("header", receipt["entry"].clone()),
        ("more", json!(1)),
    ];
    for (field, value) in altered {
        let mut receipt = receipt.clone();
        receipt[field] = value;
        let (status, verdict) = verify(receipt.to_string()).await;
        assert_eq!((status, &verdict["valid"]), (StatusCode::OK, &json!(false)), "{field}");
        assert!(verdict["reason"].is_string() && verdict["proven"].is_null(), "{verdict}");
    }
    for offset in (0..text.len()).step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes[offset] ^= 1;
        let Ok(altered) = String::from_utf8(bytes) else { continue };
        // A blank for a blank is the same receipt.
        let same = Receipt::parse(&altered).is_ok_and(|read| read.to_text() == text);
        let (status, verdict) = verify(altered).await;
        match status {
            StatusCode::OK => assert_eq!(verdict["valid"], same, "at {offset}: {verdict}"),
            _ => assert_eq!(verdict["type"], "/problems/malformed-json", "at {offset}"),
        }
    }
    let other = Node::start_with(chain("another"), None).await;
    let request = other.request(Method::POST, "/v1/verify/receipt").body(text);
    let request = request.header("content-type", "application/json");
    let (_, verdict) = answer(request.send().await.unwrap()).await;
    assert!(verdict["reason"].as_str().unwrap().contains("chain"), "{verdict}");
}

#[tokio::test]
async fn what_is_no_receipt() {
    let node = Node::start("no-receipt").await;
    let cases = [
        ("application/json", "{}".to_owned(), 200, ""),
        ("application/json", "[]".to_owned(), 200, ""),
        ("application/json", "{".to_owned(), 400, "/problems/malformed-json"),
        ("application/json", String::new(), 400, "/problems/malformed-json"),
        ("text/plain", "{}".to_owned(), 415, "/problems/unsupported-media-type"),
        ("application/json", " ".repeat(2_100_000), 413, "/problems/too-large"),
    ];
    for (content_type, body, status, kind) in cases {
        let request = node.request(Method::POST, "/v1/verify/receipt").body(body);
        let request = request.header("content-type", content_type);
        let (found, answer) = answer(request.send().await.unwrap()).await;
        assert_eq!(found, status, "{answer}");
        assert_eq!(answer["type"].as_str().unwrap_or_default(), kind);
        assert!(status != 200 || answer["valid"] == json!(false), "{answer}");
    }
}
