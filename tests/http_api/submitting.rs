//! Submitting one entry, or many.

use counterfoil::protocol::entry::Verdict;
use counterfoil::protocol::spec::Limits;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::chain::{chain, chain_with, commission, decision, key, reversal, sale, terms};
use crate::support::node::Node;

fn statuses(body: &Value) -> Vec<&str> {
    let results = body["results"].as_array().expect("results");
    results.iter().map(|result| result["status"].as_str().expect("a status")).collect()
}

#[tokio::test]
async fn one_entry_is_sealed_then_existing_then_in_conflict() {
    let node = Node::start("one").await;
    let text = node.text(&terms());
    let (status, sealed) = node.submit(&text).await;
    assert_eq!((status, &sealed["status"]), (StatusCode::CREATED, &json!("sealed")));
    assert_eq!((&sealed["index"], &sealed["height"]), (&json!(1), &json!(1)));
    assert_eq!(sealed["id"], terms().id().to_string());

    let (status, existing) = node.submit(&text).await;
    assert_eq!((status, &existing["status"]), (StatusCode::OK, &json!("existing")));
    for field in ["id", "index", "height", "receipt"] {
        assert_eq!(existing[field], sealed[field], "{field}");
    }
    let receipt = node.read(sealed["receipt"].as_str().unwrap()).await;
    assert_eq!(receipt["entry_id"], sealed["id"]);

    let mut other = text.clone();
    other["body"]["network_fee_ppm"] = json!(31);
    other["event_time"] = json!("2026-03-02T12:00:00Z");
    let (status, conflict) = node.submit(&other).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(conflict["type"], "/problems/duplicate-external-id");
    assert_eq!(conflict["first"]["index"], 1);
    assert_eq!(conflict["first"]["receipt"], sealed["receipt"]);
    assert_eq!(conflict["differing_fields"], json!(["body.network_fee_ppm", "event_time"]));
    assert_eq!(node.ledger.head().height(), 1);
    node.check(1);
}

#[tokio::test]
async fn only_so_much_is_compared_for_one_request() {
    let node = Node::start("compared").await;
    // Many short entries whose names belong to long ones: much to compare, for little that is sent.
    let long = |number: u64| {
        let mut text = node.text(&sale(number, 100 * 100));
        let items = (0..100).map(|item| {
            json!({"item": format!("{item:0128}"), "quantity": 1, "amount": "1.00",
                "commission_group": format!("{item:0128}")})
        });
        text["body"]["items"] = items.collect();
        text
    };
    node.submit(&node.text(&terms())).await;
    let count = 1_000;
    for from in (0..count).step_by(100) {
        let entries: Vec<Value> = (from..from + 100).map(long).collect();
        let (_, body) = node.submit(&json!(entries)).await;
        assert!(statuses(&body).iter().all(|status| *status == "sealed"), "{body}");
    }
    let short = |number: u64| node.text(&sale(number, 100));
    let entries: Vec<Value> = (0..count).map(short).collect();
    let (_, body) = node.submit(&json!(entries)).await;
    let results = body["results"].as_array().unwrap();
    assert!(statuses(&body).iter().all(|status| *status == "conflict"));
    assert_eq!(results[0]["differing_fields"], json!(["body.amount", "body.items"]));
    let last = results.last().unwrap();
    assert_eq!(last["differing_fields"], json!([]));
    // After the terms, ten blocks of a hundred and their headers.
    assert_eq!(last["first"]["index"], 2 + count + 9);
}

#[tokio::test]
async fn entries_of_one_request_with_one_name_are_compared() {
    let node = Node::start("same-name").await;
    let (one, other) = (node.text(&sale(1, 100)), node.text(&sale(1, 200)));
    let entries = json!([node.text(&terms()), one, other]);
    let (_, problem) = node.submit_text("/v1/entries?atomic=true", entries.to_string()).await;
    let conflict = &problem["results"][2];
    assert_eq!(conflict["status"], "conflict", "{problem}");
    assert_eq!(conflict["first"], json!(null));
    assert_eq!(conflict["differing_fields"], json!(["body.amount"]));
    let (_, body) = node.submit(&entries).await;
    let conflict = &body["results"][2];
    assert_eq!(conflict["first"]["index"], 2);
    assert_eq!(conflict["differing_fields"], json!(["body.amount"]));
    node.check(2);
}

#[tokio::test]
async fn the_place_of_a_sealed_entry_is_in_the_location() {
    let node = Node::start("location").await;
    let body = node.text(&terms()).to_string();
    let request =
        node.post("/v1/entries").header("content-type", "application/json; charset=utf-8");
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(node.read(&location).await["index"], 1);
}

#[tokio::test]
async fn an_array_has_a_result_for_each_in_order() {
    let node = Node::start("array").await;
    let entries = json!([
        node.text(&terms()),
        node.text(&sale(1, 1000)),
        {"not": "an entry"},
        node.text(&commission(1, 100)),
        node.text(&commission(2, 100)),
        node.text(&sale(1, 1000)),
        node.text(&sale(1, 999)),
        17,
    ]);
    let (status, body) = node.submit(&entries).await;
    assert_eq!(status, StatusCode::OK);
    let expected =
        ["sealed", "sealed", "rejected", "sealed", "rejected", "existing", "conflict", "rejected"];
    assert_eq!(statuses(&body), expected);
    let results = &body["results"];
    assert_eq!(results[2]["problem"]["type"], "/problems/malformed-entry");
    assert_eq!(results[4]["problem"]["type"], "/problems/missing-parent");
    assert_eq!(results[4]["problem"]["rule"], "missing-parent");
    assert_eq!(results[4]["problem"]["field"], "body.transaction");
    assert_eq!(results[5]["index"], results[1]["index"]);
    assert_eq!(results[6]["first"]["index"], results[1]["index"]);
    assert_eq!(results[6]["differing_fields"], json!(["body.amount"]));
    node.check(3);

    let (status, body) = node.submit(&entries).await;
    assert_eq!(status, StatusCode::OK);
    let expected = [
        "existing", "existing", "rejected", "existing", "rejected", "existing", "conflict",
        "rejected",
    ];
    assert_eq!(statuses(&body), expected);
    assert_eq!(node.ledger.head().height(), 1, "a retry seals nothing");
    let (status, body) = node.submit(&json!([])).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"results": []})));
    node.check(3);
}

#[tokio::test]
async fn a_full_array_is_sealed() {
    let node = Node::start("full").await;
    let mut entries = vec![terms()];
    entries.extend((1..10_000).map(|number| sale(number, number)));
    node.seal(&entries).await;
    node.check(10_000);
    entries.push(sale(10_000, 1));
    let head = node.ledger.head().height();
    let (status, body) = node.submit(&node.texts(&entries)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body}");
    assert_eq!(body["type"], "/problems/too-large");
    assert_eq!(node.ledger.head().height(), head);
}

#[tokio::test]
async fn an_atomic_request_is_sealed_whole_or_not_at_all() {
    let node = Node::start("atomic").await;
    let path = "/v1/entries?atomic=true";
    let good = [terms(), sale(1, 1000), commission(1, 100), decision("d", 1, Verdict::Approve)];
    let mut with_malformed = node.texts(&good);
    with_malformed[2]["body"]["amount"] = json!(1);
    let mut with_refused = node.texts(&good);
    with_refused.as_array_mut().unwrap().push(node.text(&reversal("r", 1, 101)));
    let mut with_conflict = node.texts(&good);
    with_conflict.as_array_mut().unwrap().push(node.text(&sale(1, 1001)));
    let cases = [
        (with_malformed, 2, "/problems/malformed-entry"),
        (with_refused, 4, "/problems/too-much"),
        (with_conflict, 4, ""),
    ];
    for (body, place, kind) in cases {
        let (status, problem) = node.submit_text(path, body.to_string()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["type"], "/problems/atomic-rejected");
        let results = problem["results"].as_array().unwrap();
        assert_eq!(results.len(), body.as_array().unwrap().len());
        for (index, result) in results.iter().enumerate() {
            if index != place {
                assert_eq!(result["problem"]["type"], "/problems/not-atomic", "{result}");
            } else if kind.is_empty() {
                assert_eq!(result["status"], "conflict");
                assert_eq!(result["first"], Value::Null, "it isn't on the ledger");
            } else {
                assert_eq!(result["problem"]["type"], kind);
            }
        }
        assert_eq!(node.ledger.head().height(), 0, "nothing is sealed");
    }
    let (status, body) = node.submit_text(path, node.texts(&good).to_string()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(statuses(&body), ["sealed"; 4]);
    let (status, body) = node.submit_text(path, node.texts(&good).to_string()).await;
    assert_eq!((status, statuses(&body)), (StatusCode::OK, vec!["existing"; 4]));
    let (status, body) = node.submit_text(path, node.text(&sale(2, 5)).to_string()).await;
    assert_eq!((status, &body["status"]), (StatusCode::CREATED, &json!("sealed")));
    assert_eq!(node.ledger.head().height(), 2);
    node.check(5);
}

#[tokio::test]
async fn an_atomic_request_must_fit_a_block() {
    let limits = Limits { block_entries: 3, ..Limits::default() };
    let node = Node::start_with(chain_with("small", limits), Some(key())).await;
    let entries = [terms(), sale(1, 1), sale(2, 2), sale(3, 3)];
    let path = "/v1/entries?atomic=true";
    let (status, body) = node.submit_text(path, node.texts(&entries).to_string()).await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("/problems/too-large"))
    );
    node.check(0);
    node.seal(&entries).await;
    assert_eq!(node.ledger.head().height(), 2);
    node.check(4);
}

#[tokio::test]
async fn who_has_no_key_only_serves() {
    let node = Node::start_with(chain("replica"), None).await;
    for content_type in ["application/json", "application/x-ndjson"] {
        let request = node.post("/v1/entries").header("content-type", content_type);
        let response = request.body(node.text(&terms()).to_string()).send().await.unwrap();
        let (status, body) = crate::support::node::json(response).await;
        assert_eq!(
            (status, &body["type"]),
            (StatusCode::FORBIDDEN, &json!("/problems/no-sealing-key"))
        );
    }
    assert_eq!(node.read("/readyz").await["status"], "serving");
    assert_eq!(node.read("/v1/chain").await["role"], "serving");
    let (status, _) = node.get("/checkpoint").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "nobody signed genesis");
}

#[tokio::test]
async fn many_clients_at_once_lose_nothing() {
    let node = Node::start("many").await;
    node.seal(&[terms()]).await;
    let clients = (0..16u64).map(|client| {
        let node = &node;
        async move {
            for round in 0..10u64 {
                let number = client * 10 + round;
                let (status, body) = node.submit(&node.text(&sale(number, number + 1))).await;
                assert_eq!(status, StatusCode::CREATED, "{body}");
                let receipt = node.read(body["receipt"].as_str().unwrap()).await;
                assert_eq!(receipt["entry"]["index"], body["index"]);
            }
        }
    });
    futures::future::join_all(clients).await;
    node.check(161);
}
