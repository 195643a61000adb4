//! Bad input: a clear problem for each, and nothing written.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::chain::{commission, entry, id, sale, terms, time, units};
use crate::support::node::{Node, json as answer};
use counterfoil::protocol::entry::{Body, Decision, Payout, PayoutLine, Verdict};

/// A node with terms, a sale of 10.00 and its commission of 1.00 on it, locked.
async fn node_with_a_commission(name: &str) -> Node {
    let node = Node::start(name).await;
    let lock = Body::Decision(Decision { commission: id("commission-1"), verdict: Verdict::Lock });
    node.seal(&[terms(), sale(1, 1000), commission(1, 100), entry("lock", lock)]).await;
    node.seal(&[sale(2, 1000), commission(2, 100)]).await;
    node
}

fn payout(cents: u64) -> Body<counterfoil::protocol::money::Amount> {
    Body::Payout(Payout {
        affiliate: id("affiliate-1"),
        currency: crate::support::chain::currency("EUR"),
        period_from: time("2026-03-01T00:00:00Z"),
        period_until: time("2026-04-01T00:00:00Z"),
        continues: None,
        lines: vec![PayoutLine::Commission {
            commission: id("commission-1"),
            amount: units(cents),
        }],
        total: Some(units(cents)),
        fx: None,
    })
}

/// `text` with the value at `path`, such as `body/amount`, replaced; absent for null.
fn with(text: &Value, path: &str, value: Value) -> String {
    let mut text = text.clone();
    let (parent, name) = path
        .rsplit_once('/')
        .map_or((String::new(), path), |(parent, name)| (format!("/{parent}"), name));
    let parent = text.pointer_mut(&parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => parent.remove(name),
        value => parent.insert(name.to_owned(), value),
    };
    text.to_string()
}

/// Submits each text alone and in an array; each is refused as `kind` at `field`, and nothing is
/// written.
pub async fn assert_refused(node: &Node, cases: &[(&str, String, &str, &str)]) {
    let head = node.ledger.head();
    for (case, text, kind, field) in cases {
        let (status, problem) = node.submit_text("/v1/entries", text.as_str()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{case}: {problem}");
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{case}: {problem}");
        assert_eq!(problem["field"].as_str().unwrap_or_default(), *field, "{case}: {problem}");
        // The same within an array, where it rejects itself alone.
        let (status, body) = node.submit_text("/v1/entries", format!("[{text}]")).await;
        assert_eq!(status, StatusCode::OK, "{case}: {body}");
        for member in ["type", "title", "status", "rule", "field"] {
            assert_eq!(body["results"][0]["problem"][member], problem[member], "{case}");
        }
        let documented = node.read(problem["type"].as_str().unwrap()).await;
        assert_eq!((&documented["title"], &documented["status"]), (&problem["title"], &json!(422)));
    }
    assert_eq!(node.ledger.head().size(), head.size(), "nothing is written");
}

#[tokio::test]
async fn values_that_a_field_cant_have() {
    let node = node_with_a_commission("bad-values").await;
    let good = node.text(&sale(3, 1000));
    let cases = [
        ("unknown kind", "kind", json!("gift"), "malformed-entry"),
        ("unknown currency", "body/currency", json!("ABC"), "unknown-currency"),
        ("no currency", "body/currency", json!("eur"), "malformed-entry"),
        ("decimals", "body/amount", json!("1.001"), "too-many-decimals"),
        ("negative", "body/amount", json!("-1.00"), "malformed-entry"),
        ("a number", "body/amount", json!(1.00), "malformed-entry"),
        ("an exponent", "body/amount", json!("1e3"), "malformed-entry"),
        ("overflow", "body/amount", json!("92233720368547758.08"), "amount-too-large"),
        ("digits", "body/amount", json!("9".repeat(5000)), "malformed-entry"),
        ("control character", "external_id", json!("a\u{0}b"), "malformed-entry"),
        ("newline", "body/order_ref", json!("a\n"), "malformed-entry"),
        ("not ASCII", "tenant", json!("ácme"), "malformed-entry"),
        ("empty", "external_id", json!(""), "malformed-entry"),
        ("too long", "external_id", json!("x".repeat(129)), "malformed-entry"),
        ("too early", "event_time", json!("1969-12-31T23:59:59Z"), "malformed-entry"),
        ("too late", "event_time", json!("9999-01-01T00:00:00Z"), "malformed-entry"),
        ("no zone", "event_time", json!("2026-01-01T00:00:00"), "malformed-entry"),
        ("future", "event_time", json!("2999-01-01T00:00:00Z"), "event-in-future"),
        ("missing", "tenant", Value::Null, "malformed-entry"),
        ("missing in body", "body/amount", Value::Null, "malformed-entry"),
        ("unknown", "colour", json!("red"), "malformed-entry"),
        ("unknown in body", "body/colour", json!("red"), "malformed-entry"),
        ("array for object", "body", json!(["order-3", "shop"]), "malformed-entry"),
        ("another program", "body/program", json!("other"), "unknown-program"),
    ];
    let fields = cases.each_ref().map(|(_, path, _, _)| path.replace('/', "."));
    let cases: Vec<_> = cases
        .iter()
        .zip(&fields)
        .map(|((case, path, value, kind), field)| {
            (*case, with(&good, path, value.clone()), *kind, field.as_str())
        })
        .collect();
    assert_refused(&node, &cases).await;
    node.check(6);
}

#[tokio::test]
async fn texts_that_are_no_entry() {
    let node = node_with_a_commission("bad-texts").await;
    let text = node.text(&sale(3, 1000)).to_string();
    let replaced = |from: &str, to: &str| text.replacen(from, to, 1);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let twice = replaced("\"tenant\"", "\"tenant\":\"acme\",\"tenant\"");
    let twice_in_body = replaced("\"amount\"", "\"amount\":\"1.00\",\"amount\"");
    let long = replaced("order-3", &"x".repeat(300_000));
    let line = json!({"type": "commission", "commission": "x".repeat(128), "amount": "1"});
    let payout = node.text(&entry("p", payout(1)));
    let long_payout = with(&payout, "body/lines", json!(vec![line; 3000]));
    let cases = [
        ("a key twice", twice, "malformed-entry", "tenant"),
        ("a key twice in the body", twice_in_body, "malformed-entry", "body.amount"),
        ("deep nesting", replaced("\"order-3\"", &deep), "malformed-entry", "body.order_ref"),
        ("oversized", long, "entry-too-long", ""),
        ("an oversized payout", long_payout, "entry-too-long", ""),
        ("nothing in it", "{}".to_owned(), "malformed-entry", "tenant"),
    ];
    assert_refused(&node, &cases).await;
    node.check(6);
}

#[tokio::test]
async fn bad_bodies() {
    let node = Node::start("bad-bodies").await;
    let good = node.text(&terms()).to_string();
    let too_long = format!("[{}]", " ".repeat(16 * 1024 * 1024));
    let many = format!("[{}]", vec!["0"; 10_001].join(","));
    let deep = "[".repeat(200_000);
    let cases: [(&str, &str, String, u16, &str); 16] = [
        ("", "application/json", String::new(), 400, "malformed-json"),
        ("", "application/json", "null".to_owned(), 400, "malformed-json"),
        ("", "application/json", good[..good.len() - 1].to_owned(), 400, "malformed-json"),
        ("", "application/json", format!("[{good},"), 400, "malformed-json"),
        ("", "application/json", format!("[{good}]]"), 400, "malformed-json"),
        ("", "application/json", format!("{good}{good}"), 400, "malformed-json"),
        ("", "application/json", deep, 400, "malformed-json"),
        ("", "application/json", too_long, 413, "too-large"),
        ("", "application/json", many, 413, "too-large"),
        ("", "text/plain", good.clone(), 415, "unsupported-media-type"),
        ("", "application/jsonx", good.clone(), 415, "unsupported-media-type"),
        ("", "", good.clone(), 415, "unsupported-media-type"),
        ("?atomic=perhaps", "application/json", good.clone(), 400, "bad-parameter"),
        ("?atomic=true&atomic=true", "application/json", good.clone(), 400, "bad-parameter"),
        ("?atomically=true", "application/json", good.clone(), 400, "bad-parameter"),
        ("?atomic", "application/json", good.clone(), 400, "bad-parameter"),
    ];
    for (query, content_type, body, status, kind) in cases {
        let start = body.chars().take(30).collect::<String>();
        let mut request = node.post(&format!("/v1/entries{query}")).body(body);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let (found, problem) = answer(request.send().await.unwrap()).await;
        assert_eq!(found, status, "{query} {content_type} {start}: {problem}");
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{query} {start}");
        if !query.is_empty() {
            let name = query.trim_start_matches('?').split('=').next().unwrap();
            assert_eq!(problem["field"], name, "{problem}");
        }
        assert_eq!(node.ledger.head().size(), 1, "{start}");
    }
    let request = node.post("/v1/entries").header("content-type", "application/json");
    let request = request.header("content-encoding", "gzip").body(good);
    let (status, problem) = answer(request.send().await.unwrap()).await;
    assert_eq!(
        (status.as_u16(), &problem["type"]),
        (415, &json!("/problems/unsupported-media-type"))
    );
    node.check(0);
}

#[tokio::test]
async fn who_has_no_token_submits_nothing() {
    let node = Node::start("token").await;
    let body = node.text(&terms()).to_string();
    let cases = [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer a token that is long enougH"),
        Some("Bearer a token that is long enough "),
        Some("Basic a token that is long enough"),
        Some("a token that is long enough"),
    ];
    for header in cases {
        for content_type in ["application/json", "application/x-ndjson", "text/plain"] {
            let mut request = node.request(Method::POST, "/v1/entries");
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let request = request.header("content-type", content_type).body(body.clone());
            let response = request.send().await.unwrap();
            if header == Some("Bearer a token that is long enough ") {
                // HTTP knows no blanks at the end of a header.
                continue;
            }
            let scheme = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
            assert!(scheme.starts_with("Bearer"), "{scheme}");
            let (status, problem) = answer(response).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{header:?}");
            assert_eq!(problem["type"], "/problems/unauthorized");
        }
    }
    let two = node.post("/v1/entries").bearer_auth("another").body(body);
    let (status, _) =
        answer(two.header("content-type", "application/json").send().await.unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "two tokens are one too many");
}

#[tokio::test]
async fn bad_parameters_and_paths() {
    let node = node_with_a_commission("bad-parameters").await;
    let id = "0".repeat(63);
    let cases = [
        ("/v1/entries?colour=red", 400, "bad-parameter", "colour"),
        ("/v1/entries?tenant=acme&tenant=acme", 400, "bad-parameter", "tenant"),
        ("/v1/entries?tenant=", 400, "bad-parameter", "tenant"),
        ("/v1/entries?tenant=a%20b", 400, "bad-parameter", "tenant"),
        ("/v1/entries?tenant=%ff", 400, "bad-parameter", "tenant"),
        ("/v1/entries?kind=gift", 400, "bad-parameter", "kind"),
        ("/v1/entries?order=random", 400, "bad-parameter", "order"),
        ("/v1/entries?from=yesterday", 400, "bad-parameter", "from"),
        ("/v1/entries?limit=0", 400, "bad-parameter", "limit"),
        ("/v1/entries?limit=501", 400, "bad-parameter", "limit"),
        ("/v1/entries?limit=99999999999", 400, "bad-parameter", "limit"),
        ("/v1/entries?limit=-1", 400, "bad-parameter", "limit"),
        ("/v1/entries?cursor=nonsense", 400, "bad-cursor", "cursor"),
        ("/v1/blocks?limit=501", 400, "bad-parameter", "limit"),
        ("/v1/blocks?cursor=AAAA", 400, "bad-cursor", "cursor"),
        ("/v1/blocks?page=2", 400, "bad-parameter", "page"),
        ("/v1/blocks/1?limit=1001", 400, "bad-parameter", "limit"),
        ("/v1/blocks/99", 404, "not-found", ""),
        ("/v1/blocks/18446744073709551616", 400, "bad-parameter", "block"),
        ("/v1/blocks/01", 400, "bad-parameter", "block"),
        ("/v1/blocks/-1", 400, "bad-parameter", "block"),
        ("/v1/entries/0", 404, "not-found", ""),
        ("/v1/entries/99", 404, "not-found", ""),
        ("/v1/entries/99/receipt", 404, "not-found", ""),
        ("/v1/entries/99/leaf", 404, "not-found", ""),
        ("/v1/entries/18446744073709551615", 404, "not-found", ""),
        ("/v1/entries/+1", 400, "bad-parameter", "entry"),
        ("/v1/entries/%ff", 400, "bad-request", ""),
        ("/v1/entries/", 404, "not-found", ""),
        ("/v1/verify?from=3&to=2", 400, "bad-parameter", "from"),
        ("/v1/verify?to=99", 400, "bad-parameter", "to"),
        ("/v1/verify?height=1", 400, "bad-parameter", "height"),
        ("/problems/none", 404, "not-found", ""),
        ("/v2/entries", 404, "not-found", ""),
        ("/docs/none", 404, "not-found", ""),
        ("/%2e%2e/etc/passwd", 404, "not-found", ""),
    ];
    let mut cases: Vec<_> = cases.map(|(path, a, b, c)| (path.to_owned(), a, b, c)).into();
    cases.push((format!("/v1/entries/{id}0"), 404, "not-found", ""));
    cases.push((format!("/v1/blocks/{id}0"), 404, "not-found", ""));
    cases.push((format!("/v1/entries/{id}"), 400, "bad-parameter", "entry"));
    cases.push((format!("/v1/entries/{id}A"), 400, "bad-parameter", "entry"));
    cases.push((format!("/v1/entries?tenant={}", "x".repeat(129)), 400, "bad-parameter", "tenant"));
    for (path, status, kind, field) in cases {
        let (found, problem) = node.get(&path).await;
        assert_eq!(found, status, "{path}: {problem}");
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{path}: {problem}");
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{path}: {problem}");
    }
}

#[tokio::test]
async fn methods_that_a_route_does_not_have() {
    let node = Node::start("methods").await;
    let cases = [
        (Method::DELETE, "/v1/entries", "GET,HEAD,POST"),
        (Method::PUT, "/v1/entries/1", "GET,HEAD"),
        (Method::POST, "/v1/blocks", "GET,HEAD"),
        (Method::GET, "/v1/verify/receipt", "POST"),
        (Method::PATCH, "/checkpoint", "GET,HEAD"),
        (Method::POST, "/page", "GET,HEAD"),
        (Method::POST, "/livez", "GET,HEAD"),
        (Method::POST, "/openapi.json", "GET,HEAD"),
    ];
    for (method, path, allowed) in cases {
        let response = node.request(method.clone(), path).send().await.unwrap();
        let allow = response.headers()["allow"].to_str().unwrap().to_owned();
        let mut allow: Vec<&str> = allow.split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
        let (status, problem) = answer(response).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(problem["type"], "/problems/method-not-allowed");
    }
}
