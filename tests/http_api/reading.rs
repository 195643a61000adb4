//! Reading what is on the ledger.

use std::collections::BTreeSet;

use counterfoil::protocol::checkpoint::{Checkpoint, vkey};
use counterfoil::protocol::entry::Verdict;
use counterfoil::protocol::receipt::Receipt;
use counterfoil::protocol::spec::ChainSpec;
use counterfoil::protocol::tree::leaf_hash;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::chain::{commission, decision, key, reversal, sale, terms};
use crate::support::node::Node;
use crate::support::site::lives;

#[tokio::test]
async fn an_entry_by_id_and_by_index() {
    let node = Node::start("entry").await;
    node.seal(&[terms(), sale(1, 1000), commission(1, 100)]).await;
    let entry = commission(1, 100);
    let id = entry.id().to_string();
    let by_id = node.read(&format!("/v1/entries/{id}")).await;
    assert_eq!(by_id, node.read("/v1/entries/3").await);
    assert_eq!(by_id["id"], id);
    assert_eq!(by_id["leaf_hash"], entry.leaf_hash().to_string());
    assert_eq!(by_id["entry"], node.text(&entry), "it reads as it was written");
    assert_eq!((&by_id["index"], &by_id["height"]), (&json!(3), &json!(1)));
    let block = node.read(by_id["links"]["block"].as_str().unwrap()).await;
    assert_eq!(by_id["recorded_at"], block["header"]["time"]);
    for link in ["self", "receipt"] {
        node.read(by_id["links"][link].as_str().unwrap()).await;
    }
    assert_eq!(node.read("/v1/entries/1").await["commission"], Value::Null);
    let leaf = by_id["links"]["leaf"].as_str().unwrap();
    let leaf = node.request(Method::GET, leaf).send().await.unwrap();
    assert_eq!(leaf.headers()["content-type"], "application/octet-stream");
    assert_eq!(leaf.bytes().await.unwrap(), entry.leaf());
}

#[tokio::test]
async fn a_commission_says_where_it_stands() {
    let node = Node::start("standing").await;
    node.seal(&[terms(), sale(1, 1000), commission(1, 100)]).await;
    let standing = async || node.read("/v1/entries/3").await["commission"].clone();
    let pending = json!({"state": "pending", "affiliate": "affiliate-1", "merchant": "shop",
        "currency": "EUR", "amount": "1.00", "left": "1.00", "reversed": "0.00",
        "funded": "0.00", "fee": "0.00", "credited": "0.00", "debited": "0.00",
        "extended": false, "amended": false, "imported": false});
    assert_eq!(standing().await, pending);
    node.seal(&[decision("d", 1, Verdict::Approve), reversal("r", 1, 25)]).await;
    let mut approved = pending;
    approved["state"] = json!("approved");
    approved["left"] = json!("0.75");
    approved["reversed"] = json!("0.25");
    assert_eq!(standing().await, approved);
}

#[tokio::test]
async fn everything_says_where_it_stands() {
    let node = Node::start("standings").await;
    node.seal(&lives()).await;
    let paid = json!({"state": "paid", "affiliate": "affiliate-1", "merchant": "shop",
        "currency": "EUR", "amount": "123.45", "left": "100.00", "reversed": "23.45",
        "funded": "100.00", "fee": "37.04", "credited": "5.00", "debited": "0.00",
        "locks_at": "2026-06-01T00:00:00Z", "payout": "payout-1", "extended": true,
        "amended": false, "imported": false, "override_levels": [1]});
    let reopened = json!({"state": "pending", "affiliate": "affiliate-2", "merchant": "shop",
        "currency": "EUR", "amount": "2.20", "left": "2.20", "reversed": "0.00",
        "funded": "0.00", "fee": "0.75", "credited": "0.00", "debited": "0.00",
        "locks_at": "2026-04-01T12:00:00Z", "deviation": "goodwill", "extended": false,
        "amended": true, "imported": false});
    let imported = json!({"state": "approved", "affiliate": "affiliate-3", "merchant": "shop",
        "currency": "EUR", "amount": "21.50", "left": "21.50", "reversed": "0.00",
        "funded": "0.00", "fee": "0.00", "credited": "0.00", "debited": "0.00",
        "extended": false, "amended": false, "imported": true});
    let sold = json!({"currency": "EUR", "amount": "1234.50", "refunded": "234.50",
        "parts": [{"amount": "1234.50", "shares_ppm": 1_000_000}],
        "refunded_items": [{"item": "bulb", "quantity": 5, "refunded": 5}],
        "commission_count": 2});
    let arrived = json!({"state": "completed", "first": "payout-1", "latest": "payout-1",
        "currency": "EUR", "added": "105.00", "taken_off": "15.00", "total": "90.00",
        "kept": "4.00", "used": "0.00", "carried": {"kept": "4.00", "used": "0.00"}});
    let cases = [
        ("terms", "terms", json!({"reaches_back": true})),
        ("upline-1", "uplines", json!(["affiliate-9"])),
        ("sale-1", "transaction", sold),
        ("commission-1", "commission", paid),
        (
            "funding-1",
            "prepaid",
            json!({"currency": "EUR", "received": "150.00",
            "covers": "100.00", "prepaid": "50.00"}),
        ),
        (
            "adjustment-1",
            "adjustment",
            json!({"state": "paid", "payout": "payout-1", "imported": false}),
        ),
        ("payout-1", "payout", arrived),
        ("commission-2", "commission", reopened),
        ("inquiry-2", "inquiry/resolved", json!(true)),
        ("commission-0", "commission", imported),
        ("debt-0", "adjustment", json!({"state": "free", "imported": true})),
        ("sale-3", "erased", json!(true)),
        ("approved-1", "commission", Value::Null),
    ];
    for (name, member, standing) in cases {
        let found = node.read(&format!("/v1/entries?external_id={name}")).await;
        let entry = &found["entries"][0];
        let said = entry.pointer(&format!("/{member}")).unwrap_or(&Value::Null);
        assert_eq!(*said, standing, "{name}");
        if name == "sale-1" {
            // Only by itself it names its commissions.
            let alone = node.read(entry["links"]["self"].as_str().unwrap()).await;
            let names = &alone["transaction"]["commissions"];
            assert_eq!(*names, json!(["commission-1", "override-1"]));
        }
    }
}

#[tokio::test]
async fn entries_of_every_kind_are_found_by_whom_they_concern() {
    let node = Node::start("parties").await;
    node.seal(&lives()).await;
    let found = async |query: &str| {
        let found = node.read(&format!("/v1/entries?{query}")).await;
        found["entries"].as_array().unwrap().len()
    };
    // By their own word or by that of what they name.
    let cases = [
        ("affiliate=affiliate-1", 10),
        ("affiliate=affiliate-2", 5),
        ("affiliate=affiliate-3", 3),
        ("affiliate=affiliate-9", 1),
        ("merchant=shop&kind=funding", 1),
        ("merchant=shop&kind=amendment", 2),
        ("merchant=shop&kind=opening_balance", 1),
        ("merchant=shop&kind=inquiry_resolution", 1),
        ("affiliate=affiliate-1&kind=payout_event", 2),
    ];
    for (query, count) in cases {
        assert_eq!(found(query).await, count, "{query}");
    }
}

#[tokio::test]
async fn a_receipt_is_a_file_that_never_changes() {
    let node = Node::start("receipt").await;
    node.seal(&[terms(), sale(1, 1000)]).await;
    let id = sale(1, 1000).id();
    let fetch = async || {
        let path = format!("/v1/entries/{id}/receipt");
        node.request(Method::GET, &path).send().await.unwrap()
    };
    let response = fetch().await;
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["cache-control"].to_str().unwrap().contains("immutable"));
    let file = format!("attachment; filename=\"{id}.receipt.json\"");
    assert_eq!(headers["content-disposition"], file);
    let text = response.text().await.unwrap();
    let receipt = Receipt::parse(&text).unwrap();
    assert_eq!(receipt.to_text(), text);
    let proven = receipt.verify(&node.chain).unwrap();
    assert_eq!((proven.entry.id(), proven.index, proven.header.height), (id, 2, 1));
    node.seal(&[sale(2, 5)]).await;
    assert_eq!(fetch().await.text().await.unwrap(), text, "the ledger grew, the receipt didn't");
}

#[tokio::test]
async fn lists_fit_what_was_asked_for() {
    let node = Node::start("lists").await;
    let mut entries = vec![terms()];
    for number in 1..=20 {
        entries.extend([sale(number, 1000), commission(number, 100)]);
    }
    entries.push(decision("d", 7, Verdict::Approve));
    node.seal(&entries).await;
    let count = async |query: &str| {
        let page = node.read(&format!("/v1/entries?limit=500&{query}")).await;
        assert_eq!(page["next"], Value::Null, "{query}");
        page["entries"].as_array().unwrap().len()
    };
    let cases = [
        ("", 42),
        ("tenant=acme", 42),
        ("tenant=other", 0),
        ("kind=commission", 20),
        ("kind=decision", 1),
        ("affiliate=affiliate-2", 5),
        ("affiliate=affiliate-2&kind=commission", 4),
        ("merchant=shop", 42),
        ("merchant=shop&affiliate=affiliate-3", 4),
        ("external_id=sale-7", 1),
        ("external_id=sale-7&kind=commission", 0),
        ("from=2026-03-01T12:00:00Z", 42),
        ("to=2026-03-01T12:00:00Z", 0),
        ("from=2026-03-01T12:00:00Z&to=2026-03-01T12:00:00.001Z", 42),
        ("from=2026-03-01T13:00:00%2B01:00", 42),
    ];
    for (query, expected) in cases {
        assert_eq!(count(query).await, expected, "{query}");
    }
    let newest = node.read("/v1/entries?order=newest&limit=1").await;
    assert_eq!(newest["entries"][0]["index"], 42);
}

#[tokio::test]
async fn a_cursor_yields_each_entry_once_while_others_are_sealed() {
    let node = Node::start("cursor").await;
    node.seal(&[terms()]).await;
    let sealing = async {
        for number in 1..=60 {
            node.seal(&[sale(number * 2, 1), sale(number * 2 + 1, 1)]).await;
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = node.read(&format!("/v1/entries?limit=7{cursor}")).await;
            let found = page["entries"].as_array().unwrap();
            seen.extend(found.iter().map(|entry| entry["index"].as_u64().unwrap()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None if seen.len() == 121 => break,
                // At the end for now: go on from where that was, later.
                None => {
                    seen.truncate(seen.len() - found.len());
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
        }
        seen
    };
    let ((), seen) = tokio::join!(sealing, reading);
    let unique: BTreeSet<u64> = seen.iter().copied().collect();
    assert_eq!((seen.len(), unique.len()), (121, 121));
    assert!(seen.is_sorted());
    node.check(121);

    // The other way round, what comes later isn't seen.
    let first = node.read("/v1/entries?order=newest&limit=50&kind=transaction").await;
    node.seal(&[sale(1000, 1)]).await;
    let mut seen: Vec<u64> = Vec::new();
    let mut page = first;
    loop {
        let found = page["entries"].as_array().unwrap();
        seen.extend(found.iter().map(|entry| entry["index"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        let path = format!("/v1/entries?order=newest&limit=50&kind=transaction&cursor={next}");
        page = node.read(&path).await;
    }
    assert_eq!(seen.len(), 120);
    assert!(seen.is_sorted_by(|one, two| one > two));

    // A cursor of another query is refused.
    let page = node.read("/v1/entries?limit=3&kind=transaction").await;
    let next = page["next"].as_str().unwrap();
    for other in ["", "kind=commission&", "kind=transaction&order=newest&", "tenant=acme&"] {
        let (status, problem) = node.get(&format!("/v1/entries?{other}cursor={next}")).await;
        assert_eq!((status.as_u16(), &problem["type"]), (400, &json!("/problems/bad-cursor")));
    }
    node.read(&format!("/v1/entries?limit=9&kind=transaction&cursor={next}")).await;
}

#[tokio::test]
async fn a_page_of_long_entries_ends_early() {
    let node = Node::start("long-page").await;
    let items: Vec<Value> = (0..100)
        .map(|number| {
            let name = format!("{number:0>120}");
            json!({"item": name, "quantity": 1, "amount": "0.01", "commission_group": name})
        })
        .collect();
    let sales = (1..=60).map(|number| {
        let mut sale = node.text(&sale(number, 100));
        sale["body"]["items"] = json!(items);
        sale
    });
    let entries: Vec<Value> = [node.text(&terms())].into_iter().chain(sales).collect();
    let (_, body) = node.submit(&json!(entries)).await;
    assert_eq!(body["results"][60]["status"], "sealed", "{body}");
    let (mut seen, mut pages, mut cursor) = (0, 0, String::new());
    loop {
        let page = node.read(&format!("/v1/entries?kind=transaction&limit=500{cursor}")).await;
        seen += page["entries"].as_array().unwrap().len();
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, 60);
    assert!(pages > 1, "each is some 25 KB long, a page ends after 1 MB");
}

#[tokio::test]
async fn blocks_from_the_newest_to_genesis() {
    let node = Node::start("blocks").await;
    node.seal(&[terms()]).await;
    for number in 1..=24 {
        node.seal(&[sale(number, 1)]).await;
    }
    let (mut heights, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = node.read(&format!("/v1/blocks?limit=10{cursor}")).await;
        let blocks = page["blocks"].as_array().unwrap();
        heights.extend(blocks.iter().map(|block| block["height"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(heights, (0..=25).rev().collect::<Vec<_>>());
    let by_height = node.read("/v1/blocks/3").await;
    let hash = by_height["hash"].as_str().unwrap();
    assert_eq!(node.read(&format!("/v1/blocks/{hash}")).await, by_height);
    let parent = node.read("/v1/blocks/2").await;
    assert_eq!(by_height["header"]["parent"], parent["hash"]);
    assert_eq!(by_height["entries"][0]["external_id"], "sale-2");
    let signed = by_height["checkpoint"].as_str().unwrap();
    let origin = &node.chain.spec().origin;
    let (checkpoint, _) = Checkpoint::open(signed, origin, &key().public()).unwrap();
    assert_eq!(by_height["log_size"], checkpoint.size);
    let genesis = node.read("/v1/blocks/0").await;
    assert_eq!(genesis["hash"], node.chain.genesis().hash().to_string());
    assert_eq!((&genesis["signature"], &genesis["entries"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn the_entries_of_a_block_come_in_pages() {
    let node = Node::start("block-pages").await;
    let mut entries = vec![terms()];
    entries.extend((1..=250).map(|number| sale(number, 1)));
    node.seal(&entries).await;
    let (mut indexes, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = node.read(&format!("/v1/blocks/1?limit=100{cursor}")).await;
        let found = page["entries"].as_array().unwrap();
        indexes.extend(found.iter().map(|entry| entry["index"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(indexes, (1..=251).collect::<Vec<_>>());
    let (status, problem) = node.get(&format!("/v1/blocks/0?limit=5{cursor}")).await;
    assert_eq!((status.as_u16(), &problem["type"]), (400, &json!("/problems/bad-cursor")));
}

#[tokio::test]
async fn the_chain_and_its_spec() {
    let node = Node::start("chain").await;
    node.seal(&[terms()]).await;
    let chain = node.read("/v1/chain").await;
    let spec = node.chain.spec();
    assert_eq!(chain["chain_id"], node.chain.id().to_string());
    assert_eq!(chain["vkey"], vkey(&spec.origin, &key().public()));
    assert_eq!(chain["currencies"], json!({"EUR": 2, "JPY": 0}));
    assert_eq!(chain["role"], "sealing");
    let head = node.ledger.head();
    assert_eq!(chain["head"]["root"], head.tip.tree.root().to_string());
    assert_eq!((&chain["head"]["height"], &chain["head"]["size"]), (&json!(1), &json!(3)));
    let response = node.request(Method::GET, "/v1/chain/spec").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/toml");
    let read = ChainSpec::parse(&response.text().await.unwrap()).unwrap();
    assert_eq!(read.chain_id(), node.chain.id());
}

#[tokio::test]
async fn leaves_hash_to_what_entries_say() {
    let node = Node::start("leaf-hash").await;
    node.seal(&[terms(), sale(1, 1)]).await;
    for index in [1, 2] {
        let entry = node.read(&format!("/v1/entries/{index}")).await;
        let leaf = node.request(Method::GET, &format!("/v1/entries/{index}/leaf")).send().await;
        let leaf = leaf.unwrap().bytes().await.unwrap();
        assert_eq!(entry["leaf_hash"], leaf_hash(&leaf).to_string());
    }
}
