//! Finding things over HTTP: search, histories, orders, terms, downlines.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use counterfoil::protocol::entry::Kind;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::rules::Record;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::node::Node;
use support::site::{lives, told};

async fn rows(node: &Node, path: &str) -> Vec<Value> {
    node.read(path).await["rows"].as_array().unwrap().clone()
}

/// The members of rows, one after the other.
fn members(rows: &[Value], names: &[&str]) -> Vec<Value> {
    rows.iter().map(|row| names.iter().map(|name| row[*name].clone()).collect()).collect()
}

#[tokio::test]
async fn a_commission_tells_its_whole_life() {
    let node = Node::start("books").await;
    node.seal(&lives()).await;
    let by_name = "/v1/history?tenant=acme&kind=commission&external_id=commission-1";
    let steps = rows(&node, by_name).await;
    let expected = json!([
        ["terms", "stated", null, null, null],
        ["sale-1", "stated", "1234.50", null, null],
        ["commission-1", "stated", "123.45", null, "pending"],
        ["override-1", "stated", "5.00", null, null],
        ["extended-1", "extended", null, null, "extended"],
        ["returned-1", "reversed", "23.45", "returned_item", "extended"],
        ["approved-1", "approved", null, null, "approved"],
        ["locked-1", "locked", null, null, "locked"],
        ["funding-1", "funded", "100.00", null, "funded"],
        ["adjustment-1", "credited", "5.00", "goodwill", "funded"],
        ["payout-1", "paid_out", "100.00", null, "in_payout"],
        ["sent-1", "sent", "100.00", null, "in_payout"],
        ["arrived-1", "completed", "100.00", null, "paid"],
    ]);
    let mut found = members(&steps, &["external_id", "did", "amount", "reason", "state"]);
    // What is on the override isn't this commission's.
    assert_eq!(found[3][0], "override-1");
    found[3] = expected[3].clone();
    let found: Vec<Value> = found;
    assert_eq!(json!(found), expected, "{found:#?}");
    for step in &steps {
        let receipt = node.read(step["receipt"].as_str().unwrap()).await;
        assert_eq!(receipt["entry_id"], step["entry"]);
    }
    // A step leads to the same, by index and by id.
    for name in [&steps[6]["index"], &steps[6]["entry"]] {
        let name = name.to_string();
        let path = format!("/v1/entries/{}/history", name.trim_matches('"'));
        assert_eq!(rows(&node, &path).await, steps);
    }
    let reopened = "/v1/history?tenant=acme&kind=commission&external_id=commission-2";
    let steps = rows(&node, reopened).await;
    let last = steps.iter().find(|step| step["did"] == "reopened").unwrap();
    assert_eq!((&last["external_id"], &last["state"]), (&json!("answer-2"), &json!("pending")));
}

#[tokio::test]
async fn an_order_tells_of_its_sales_and_commissions() {
    let node = Node::start("books").await;
    node.seal(&lives()).await;
    let steps = rows(&node, "/v1/orders/order-1?tenant=acme").await;
    let commissions: std::collections::BTreeSet<String> =
        steps.iter().filter_map(|step| step["commission"].as_str().map(str::to_owned)).collect();
    assert_eq!(Vec::from_iter(commissions), ["commission-1", "override-1"]);
    assert_eq!(steps[0]["external_id"], "sale-1");
    let (mut paged, mut path) = (Vec::new(), "/v1/orders/order-1?tenant=acme&limit=3".to_owned());
    loop {
        let page = node.read(&path).await;
        paged.extend(page["rows"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/orders/order-1?tenant=acme&limit=3&cursor={next}");
    }
    assert_eq!(paged, steps);
    let path = "/v1/orders/order-1?tenant=acme&format=csv";
    let text = node.request(Method::GET, path).send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with("index,height,recorded_at,event_time,kind,"), "{text}");
    assert_eq!(text.lines().count(), steps.len() + 1);
}

#[tokio::test]
async fn search_knows_what_may_be_meant() {
    let node = Node::start("books").await;
    node.seal(&lives()).await;
    let block = node.read("/v1/blocks/1").await;
    let hash = block["hash"].as_str().unwrap_or_default().to_owned();
    let day = block["header"]["time"].as_str().unwrap()[..10].to_owned();
    let id = lives()[0].id().to_string();
    let cases = [
        ("order-1", json!([["order", "order-1", true]])),
        ("SPRING", json!([["voucher", "SPRING", true]])),
        ("SPR", json!([["voucher", "SPRING", false]])),
        ("click-1", json!([["click", "click-1", true]])),
        ("invoice-6", json!([["payment", "invoice-6", true]])),
        ("commission-1", json!([["entry", "commission-1", true]])),
        ("shop", json!([["merchant", "shop", true]])),
        ("acm", json!([["tenant", "acme", false]])),
        ("prog", json!([["program", "program", false]])),
        ("affiliate-9", json!([["affiliate", "affiliate-9", true]])),
        ("1", json!([["block", "1", true], ["entry", "terms", true]])),
        (id.as_str(), json!([["entry", "terms", true]])),
        (day.as_str(), json!([["day", day, true]])),
        ("nothing-of-the-kind", json!([])),
        ("two%20words", json!([])),
        ("", json!([])),
    ];
    for (text, expected) in cases {
        let found = rows(&node, &format!("/v1/search?q={text}")).await;
        assert_eq!(json!(members(&found, &["type", "name", "exact"])), expected, "{text}");
        for found in &found {
            node.read(found["link"].as_str().unwrap()).await;
            if let Some(receipt) = found["receipt"].as_str() {
                node.read(receipt).await;
            }
        }
    }
    if !hash.is_empty() {
        assert_eq!(rows(&node, &format!("/v1/search?q={hash}")).await.len(), 1);
    }
    let found = rows(&node, "/v1/search?q=affiliate-").await;
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(rows(&node, "/v1/search?q=affiliate-&limit=2").await.len(), 2);
    assert!(rows(&node, "/v1/search?q=affiliate-&tenant=another").await.is_empty());
    assert!(rows(&node, "/v1/search?q=affiliate-&at_height=0").await.is_empty());
}

#[tokio::test]
async fn terms_are_listed_and_compared() {
    let node = Node::start("books").await;
    node.seal(&lives()).await;
    let text = node.text(&lives()[0]);
    let mut second = text.clone();
    second["external_id"] = json!("terms-2");
    second["body"]["version"] = json!(2);
    second["body"]["effective_from"] = json!("2035-01-01T00:00:00Z");
    second["body"]["rules"][0]["reward"]["ppm"] = json!(120_000);
    node.seal(&[told(&second)]).await;
    let of = "/v1/programs/shop/program/terms";
    let versions = rows(&node, &format!("{of}?tenant=acme")).await;
    let names = ["version", "superseded_from", "superseded_by", "withdrawn", "reaches_back"];
    let expected =
        json!([[1, "2035-01-01T00:00:00Z", 2, false, true], [2, null, null, false, false]]);
    assert_eq!(json!(members(&versions, &names)), expected);
    // Those that were announced give way to others that begin earlier.
    for (version, from) in
        [(3, "2034-01-01T00:00:00Z"), (4, "2036-01-01T00:00:00Z"), (5, "2033-01-01T00:00:00Z")]
    {
        second["external_id"] = json!(format!("terms-{version}"));
        second["body"]["version"] = json!(version);
        second["body"]["effective_from"] = json!(from);
        node.seal(&[told(&second)]).await;
    }
    let store = node.ledger.store().unwrap();
    for version in rows(&node, &format!("{of}?tenant=acme")).await {
        let id = |name: &str| Id::new(name).unwrap();
        let name = id(version["external_id"].as_str().unwrap());
        let stored = store.view().named(&id("acme"), Kind::ProgramTerms, &name).unwrap().unwrap();
        let Record::Terms(terms) = stored.record else { panic!("{version}") };
        let (from, begins) = (terms.superseded.map(|(from, _)| from), terms.effective_from);
        assert_eq!(version["superseded_from"], json!(from), "{version}");
        assert_eq!(version["withdrawn"], json!(from.is_some_and(|from| from <= begins)));
    }
    let before = rows(&node, &format!("{of}?tenant=acme&at_height=1")).await;
    assert_eq!(json!(members(&before, &names)), json!([[1, null, null, false, true]]));
    let compared = format!("{of}/differences?tenant=acme&from_version=1&to_version=2");
    let found = members(&rows(&node, &compared).await, &["field", "old", "new"]);
    let expected = json!([
        ["effective_from", "2026-01-01T00:00:00Z", "2035-01-01T00:00:00Z"],
        ["rules[0].reward.ppm", "100000", "120000"],
    ]);
    assert_eq!(json!(found), expected);
}

#[tokio::test]
async fn a_downline_is_of_a_height() {
    let node = Node::start("books").await;
    node.seal(&lives()).await;
    let upline = |name: &str, affiliate: &str, upline: Option<&str>| {
        let mut body = json!({"affiliate": affiliate});
        if let Some(upline) = upline {
            body["upline"] = json!(upline);
        }
        told(&json!({"tenant": "acme", "kind": "affiliate_upline", "external_id": name,
            "event_time": "2026-01-06T12:00:00Z", "body": body}))
    };
    node.seal(&[upline("u-2", "affiliate-2", Some("affiliate-1"))]).await;
    node.seal(&[upline("u-3", "affiliate-1", None)]).await;
    let of = "/v1/affiliates/affiliate-9/downline?tenant=acme";
    let names = ["affiliate", "upline", "level", "commissions", "paid"];
    let second = rows(&node, &format!("{of}&at_height=2")).await;
    let expected = json!([
        ["affiliate-1", "affiliate-9", 1, 1, "100.00"],
        ["affiliate-2", "affiliate-1", 2, 1, "0.00"],
    ]);
    assert_eq!(json!(members(&second, &names)), expected);
    assert_eq!(rows(&node, &format!("{of}&at_height=2&depth=1")).await.len(), 1);
    assert!(rows(&node, of).await.is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let node = Node::start("books").await;
    node.seal(&lives()).await;
    let long = format!("/v1/search?q={}", "a".repeat(200));
    let cases = [
        ("/v1/search", StatusCode::BAD_REQUEST, "q"),
        (long.as_str(), StatusCode::BAD_REQUEST, "q"),
        ("/v1/search?q=a&q=b", StatusCode::BAD_REQUEST, "q"),
        ("/v1/search?q=a&limit=0", StatusCode::BAD_REQUEST, "limit"),
        ("/v1/search?q=a&at_height=99", StatusCode::BAD_REQUEST, "at_height"),
        ("/v1/search?q=a&cursor=AAAA", StatusCode::BAD_REQUEST, "cursor"),
        ("/v1/entries/x/history", StatusCode::BAD_REQUEST, "entry"),
        ("/v1/entries/3/history?depth=1", StatusCode::BAD_REQUEST, "depth"),
        ("/v1/entries/999/history", StatusCode::NOT_FOUND, ""),
        ("/v1/entries/3/history?at_height=0", StatusCode::NOT_FOUND, ""),
        ("/v1/history?tenant=acme&kind=sale&external_id=a", StatusCode::BAD_REQUEST, "kind"),
        ("/v1/history?tenant=acme&kind=payout&external_id=a", StatusCode::NOT_FOUND, ""),
        ("/v1/orders/order-1", StatusCode::BAD_REQUEST, "tenant"),
        ("/v1/orders/order-9?tenant=acme", StatusCode::NOT_FOUND, ""),
        ("/v1/programs/shop/other/terms?tenant=acme", StatusCode::NOT_FOUND, ""),
        ("/v1/affiliates/a/downline?tenant=acme&depth=65", StatusCode::BAD_REQUEST, "depth"),
        ("/v1/affiliates/a/downline?tenant=acme&depth=300", StatusCode::BAD_REQUEST, "depth"),
    ];
    for (path, status, field) in cases {
        let (found, problem) = node.get(path).await;
        assert_eq!(found, status, "{path}: {problem}");
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{path}: {problem}");
    }
    let page = node.read("/v1/orders/order-1?tenant=acme&limit=2").await;
    let cursor = page["next"].as_str().unwrap();
    let (status, problem) =
        node.get(&format!("/v1/orders/order-2?tenant=acme&cursor={cursor}")).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::BAD_REQUEST, &json!("/problems/bad-cursor"))
    );
    let differences = "/v1/programs/shop/program/terms/differences?tenant=acme";
    let (status, _) = node.get(&format!("{differences}&from_version=1&to_version=7")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
