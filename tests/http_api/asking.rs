//! Questions over HTTP: what a small ledger answers, in every format, and what is refused.

use counterfoil::protocol::entry::{Reason, Verdict};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::chain::{commission, decision, reversal, sale, terms};
use crate::support::node::{Node, json as answer};

/// Two commissions of affiliate-1, 1.00 and 2.00, of which the second is declined and a quarter of
/// the first taken back: four blocks.
async fn books(name: &str) -> Node {
    let node = Node::start(name).await;
    node.seal(&[terms(), sale(1, 1000), commission(1, 100)]).await;
    node.seal(&[sale(6, 2000), commission(6, 200)]).await;
    let decline = Verdict::Decline { reason: Reason::SelfReferral };
    node.seal(&[decision("declined-6", 6, decline)]).await;
    node.seal(&[reversal("returned-1", 1, 25)]).await;
    node
}

const STATEMENT: &str = "/v1/affiliates/affiliate-1/statement?tenant=acme&currency=EUR";
const EARNINGS: &str = "/v1/affiliates/affiliate-1/earnings?tenant=acme";
const TOTALS: &str = "/v1/totals?tenant=acme&from=2026-03-01&to=2026-03-02";

/// Some members of each row.
fn members(answer: &Value, names: &[&str]) -> Value {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| names.iter().map(|name| row[*name].clone()).collect::<Value>()).collect()
}

#[tokio::test]
async fn a_statement_tells_what_moved() {
    let node = books("statement").await;
    let names = ["row", "external_id", "pending_change", "pending", "declined"];
    let whole = json!([
        ["opening", null, "0.00", "0.00", "0.00"],
        ["line", "commission-1", "1.00", "1.00", "0.00"],
        ["line", "commission-6", "2.00", "3.00", "0.00"],
        ["line", "declined-6", "-2.00", "1.00", "2.00"],
        ["line", "returned-1", "-0.25", "0.75", "2.00"],
        ["closing", null, "0.75", "0.75", "2.00"],
    ]);
    let statement = node.read(STATEMENT).await;
    assert_eq!(members(&statement, &names), whole);
    assert_eq!(statement["as_of"]["height"], 4);
    for line in statement["rows"].as_array().unwrap().iter().filter(|row| row["row"] == "line") {
        node.read(line["receipt"].as_str().unwrap()).await;
    }
    let middle = json!([
        ["opening", null, "0.00", "1.00", "0.00"],
        ["line", "commission-6", "2.00", "3.00", "0.00"],
        ["line", "declined-6", "-2.00", "1.00", "2.00"],
        ["closing", null, "0.00", "1.00", "2.00"],
    ]);
    let period = node.read(&format!("{STATEMENT}&from_height=2&to_height=3")).await;
    assert_eq!(members(&period, &names), middle);
    // By the times of the same blocks, and as of the time of the last of them.
    let time =
        async |height| node.read(&format!("/v1/blocks/{height}")).await["header"]["time"].clone();
    let (two, three, four) = (time(2).await, time(3).await, time(4).await);
    let text = |time: &Value| time.as_str().unwrap().to_owned();
    if two != time(1).await && four != three {
        let times = format!("&from_time={}&to_time={}", text(&two), text(&four));
        let by_time = node.read(&format!("{STATEMENT}{times}")).await;
        assert_eq!(by_time["rows"], period["rows"]);
        let path = format!("{STATEMENT}&from_height=2&at_time={}", text(&three));
        let then = node.read(&path).await;
        assert_eq!((&then["rows"], &then["as_of"]["height"]), (&period["rows"], &json!(3)));
    }
    let shop = node.read("/v1/merchants/shop/statement?tenant=acme&currency=EUR").await;
    assert_eq!(members(&shop, &names), whole);
}

#[tokio::test]
async fn small_books_are_told_in_round_numbers() {
    let node = books("round").await;
    let names = ["period", "commissions", "earned", "declined", "reversed", "net"];
    for (by, period) in [("day", "2026-03-01"), ("week", "2026-W09"), ("month", "2026-03")] {
        let earned = node.read(&format!("{EARNINGS}&by={by}&from=2026-02-01&to=2026-05-01")).await;
        let expected = json!([[period, 2, "3.00", "2.00", "0.25", "0.75"]]);
        assert_eq!(members(&earned, &names), expected, "{by}");
    }
    let earned = node.read(&format!("{EARNINGS}&by=program&at_height=2")).await;
    let names = ["merchant", "program", "commissions", "net"];
    assert_eq!(members(&earned, &names), json!([["shop", "program", 2, "3.00"]]));
    let names = ["kind", "currency", "count", "amount"];
    let told = json!([
        ["program_terms", null, 1, null],
        ["transaction", "EUR", 2, "30.00"],
        ["commission", "EUR", 2, "3.00"],
        ["decision", null, 1, null],
        ["reversal", "EUR", 1, "0.25"],
    ]);
    assert_eq!(members(&node.read(TOTALS).await, &names), told);
    let owed = node.read("/v1/merchants/shop/liabilities?tenant=acme").await;
    assert_eq!(
        members(&owed, &["pending", "declined", "prepaid"]),
        json!([["0.75", "2.00", "0.00"]])
    );
    let with = node.read("/v1/merchants/shop/affiliates?tenant=acme").await;
    let names =
        ["affiliate", "commissions", "declines_ppm", "declines_amount_ppm", "reversals_amount"];
    let expected = json!([["affiliate-1", 2, 500_000, 666_667, "0.25"]]);
    assert_eq!(members(&with, &names), expected);
    let names = ["measure", "reason", "count", "amount", "amount_ppm", "network_amount_ppm"];
    let measured = node.read("/v1/merchants/shop/performance?tenant=acme").await;
    let measured = members(&measured, &names);
    for row in [
        json!(["stated", null, 2, "3.00", 1_000_000, 1_000_000]),
        json!(["declined", "self_referral", 1, "2.00", 666_667, 666_667]),
        json!(["reversed", "returned_item", 1, "0.25", 83_333, 83_333]),
        json!(["locked", null, 0, null, null, null]),
    ] {
        assert!(measured.as_array().unwrap().contains(&row), "{row} in {measured}");
    }
    for path in ["affiliates/nobody/statement", "merchants/nobody/statement"] {
        let nothing = node.read(&format!("/v1/{path}?tenant=acme&currency=JPY")).await;
        assert_eq!(nothing["rows"], json!([]));
    }
}

/// The text of an answer in another format.
async fn text(node: &Node, path: &str) -> String {
    let response = node.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert_eq!(response.headers()["counterfoil-height"], "4");
    response.text().await.unwrap()
}

#[tokio::test]
async fn pages_lines_and_tables_tell_the_same() {
    let node = books("formats").await;
    let paths = [
        STATEMENT,
        TOTALS,
        &format!("{EARNINGS}&by=day&from=2026-02-01&to=2026-05-01"),
        &format!("{EARNINGS}&by=merchant"),
        "/v1/merchants/shop/statement?tenant=acme&currency=EUR",
        "/v1/merchants/shop/liabilities?tenant=acme",
        "/v1/merchants/shop/performance?tenant=acme",
        "/v1/merchants/shop/affiliates?tenant=acme",
    ];
    for path in paths {
        let lines = text(&node, &format!("{path}&format=ndjson")).await;
        let lines: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!lines.is_empty(), "{path}");
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = node.read(&format!("{path}&limit=1{cursor}")).await;
            rows.extend(page["rows"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(rows, lines, "{path}");
        let table = text(&node, &format!("{path}&format=csv")).await;
        let mut table = csv::Reader::from_reader(table.as_bytes());
        let names = table.headers().unwrap().clone();
        let records: Vec<_> = table.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), lines.len());
        for (record, line) in records.iter().zip(&lines) {
            assert_eq!(record.len(), line.as_object().unwrap().len());
            for (name, cell) in names.iter().zip(record) {
                let member = match &line[name] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                assert_eq!(cell, member, "{path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let node = books("asked-wrongly").await;
    let shop = "/v1/merchants/shop/liabilities?tenant=acme";
    let cases = [
        (STATEMENT, "&colour=red", "colour"),
        (STATEMENT, "&limit=0", "limit"),
        (STATEMENT, "&limit=1001", "limit"),
        (STATEMENT, "&limit=99999999999", "limit"),
        (STATEMENT, "&from_height=3&to_height=2", "to_height"),
        (STATEMENT, "&to_height=5", "to_height"),
        (STATEMENT, "&from_height=5", "from_height"),
        (STATEMENT, "&at_height=2&to_height=3", "to_height"),
        (STATEMENT, "&at_height=5", "at_height"),
        (STATEMENT, "&from_height=1&from_time=2026-01-01T00:00:00Z", "from_time"),
        (STATEMENT, "&from_time=2026-02-01T00:00:00Z&to_time=2026-01-01T00:00:00Z", "to_time"),
        (STATEMENT, "&from_time=yesterday", "from_time"),
        ("/v1/affiliates/affiliate-1/statement?tenant=acme", "", "currency"),
        ("/v1/affiliates/affiliate-1/statement?tenant=acme", "&currency=XAU", "currency"),
        ("/v1/affiliates/affiliate-1/statement?tenant=acme", "&currency=euro", "currency"),
        ("/v1/merchants/shop/statement?currency=EUR", "", "tenant"),
        (EARNINGS, "", "by"),
        (EARNINGS, "&by=century", "by"),
        (EARNINGS, "&by=day", "from"),
        (EARNINGS, "&by=week&from=2026-01-01", "to"),
        (EARNINGS, "&by=month&from=2026-02-01&to=2026-02-01", "to"),
        (EARNINGS, "&by=day&from=2026-02-30&to=2026-03-01", "from"),
        (EARNINGS, "&by=day&from=1970-01-01&to=2026-03-01", "to"),
        (EARNINGS, "&by=program&from=2026-02-01", "from"),
        ("/v1/totals?tenant=acme&from=2026-03-01", "&to=9998-12-31", "to"),
        ("/v1/totals?tenant=acme&from=2026-03-02", "&to=2026-03-01", "to"),
        (TOTALS, "&by=week", "by"),
        (shop, "&currency=EUR", "currency"),
    ];
    for (path, more, field) in cases {
        let response = node.request(Method::GET, &format!("{path}{more}")).send().await.unwrap();
        let (status, problem) = answer(response).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}{more}");
        assert_eq!(problem["type"], "/problems/bad-parameter", "{path}{more}: {problem}");
        assert_eq!(problem["field"], field, "{path}{more}: {problem}");
    }
    let next = node.read(&format!("{STATEMENT}&limit=2")).await["next"].clone();
    let next = next.as_str().unwrap();
    for path in [shop, TOTALS, &format!("{STATEMENT}&to_height=3")] {
        let (_, problem) = node.get(&format!("{path}&cursor={next}")).await;
        assert_eq!(problem["type"], "/problems/bad-cursor", "{path}");
        assert_eq!(problem["field"], "cursor");
    }
}

#[tokio::test]
async fn pages_are_all_of_the_height_of_the_first() {
    let node = books("one-height").await;
    let first = node.read(&format!("{STATEMENT}&limit=4")).await;
    node.seal(&[sale(11, 4000), commission(11, 400)]).await;
    let next = first["next"].as_str().unwrap();
    let rest = node.read(&format!("{STATEMENT}&limit=4&cursor={next}")).await;
    assert_eq!(
        rest["as_of"],
        first["as_of"].as_object().map_or(Value::Null, |as_of| {
            let mut as_of = as_of.clone();
            // Only how far search has come moves on.
            as_of.insert("indexed_height".to_owned(), json!(5));
            as_of.into()
        })
    );
    let names = ["row", "pending"];
    assert_eq!(members(&rest, &names), json!([["line", "0.75"], ["closing", "0.75"]]));
}
