//! Changes of the spec over HTTP: each rule of theirs broken, and what they lead to.

use std::collections::BTreeSet;

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::hash::{EntryId, HeaderHash};
use counterfoil::protocol::spec::Currencies;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::refusing::assert_refused;
use crate::support::chain::{
    GOVERNING, chain, currency, id, key, public, rotation, sale, seeded, spec_change, stated, terms,
};
use crate::support::node::{Node, json as answer};

/// The rules of changes that are broken here, and the one that takes a mebibyte of them: that is
/// left to tests/rules.rs.
pub const RULES: [&str; 17] = [
    "reserved-tenant",
    "change-not-first",
    "change-reaches-back",
    "wrong-history",
    "wrong-number",
    "misnamed-change",
    "wrong-previous",
    "too-many-changes",
    "currency-taken",
    "changes-nothing",
    "unknown-rules-version",
    "bad-spec",
    "below-quorum",
    "signatures-unordered",
    "not-governing",
    "bad-governance-signature",
    "duplicate-external-id",
];

/// A change that adds francs, until altered.
fn francs(node: &Node, alter: impl FnOnce(&mut Entry)) -> EncodedEntry {
    spec_change(&node.chain, &node.ledger.head().tip, |entry| {
        stated(entry).currencies = Currencies::new([(currency("CHF"), 2)]);
        alter(entry);
    })
}

/// The same, altered after it was signed.
fn spoilt(node: &Node, alter: impl FnOnce(&mut Entry)) -> EncodedEntry {
    let mut entry = francs(node, |_| ()).entry().clone();
    alter(&mut entry);
    EncodedEntry::new(entry).unwrap()
}

/// What breaks a rule by itself, and in which field.
fn cases(node: &Node) -> Vec<(&'static str, &'static str, EncodedEntry)> {
    vec![
        ("reserved-tenant", "tenant", francs(node, |entry| entry.tenant = id("acme"))),
        (
            "change-reaches-back",
            "body.from_height",
            francs(node, |entry| stated(entry).from_height = 1),
        ),
        ("wrong-history", "body.after", francs(node, |entry| stated(entry).from_height = 2)),
        (
            "wrong-history",
            "body.after",
            francs(node, |entry| {
                stated(entry).after = Some(HeaderHash([1; 32]));
            }),
        ),
        ("wrong-number", "body.number", francs(node, |entry| stated(entry).number = 2)),
        ("misnamed-change", "external_id", francs(node, |entry| entry.external_id = id("one"))),
        (
            "wrong-previous",
            "body.previous",
            francs(node, |entry| {
                stated(entry).previous = Some(EntryId([1; 32]));
            }),
        ),
        (
            "currency-taken",
            "body.currencies",
            francs(node, |entry| {
                stated(entry).currencies = Currencies::new([(currency("EUR"), 2)]);
            }),
        ),
        (
            "changes-nothing",
            "",
            francs(node, |entry| {
                stated(entry).currencies = Currencies::default();
            }),
        ),
        (
            "unknown-rules-version",
            "body.rules_version",
            francs(node, |entry| {
                stated(entry).rules_version = Some(2);
            }),
        ),
        ("bad-spec", "", francs(node, |entry| stated(entry).authorities = Some(Vec::new()))),
    ]
}

/// The same, by what signatures say.
fn of_signatures(node: &Node) -> Vec<(&'static str, &'static str, EncodedEntry)> {
    let signatures = "body.signatures";
    vec![
        (
            "below-quorum",
            signatures,
            spoilt(node, |entry| {
                stated(entry).signatures.pop();
            }),
        ),
        (
            "signatures-unordered",
            signatures,
            spoilt(node, |entry| {
                stated(entry).signatures.reverse();
            }),
        ),
        (
            "not-governing",
            signatures,
            spoilt(node, |entry| {
                entry.sign_change(node.chain.id(), &key());
            }),
        ),
        (
            "bad-governance-signature",
            signatures,
            spoilt(node, |entry| {
                stated(entry).from_height += 1;
            }),
        ),
    ]
}

#[tokio::test]
async fn every_rule_of_changes_is_broken() {
    let node = Node::start("changes").await;
    node.seal(&[terms()]).await;
    let cases = [cases(&node), of_signatures(&node)].concat();
    let texts: Vec<_> = cases
        .iter()
        .map(|(rule, field, entry)| (*rule, node.text(entry).to_string(), *rule, *field))
        .collect();
    assert_refused(&node, &texts).await;

    // What is only seen in a block: a change after something else.
    let both = node.texts(&[sale(1, 100), francs(&node, |_| ())]);
    let (status, refused) = node.submit_text("/v1/entries?atomic=true", both.to_string()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert_eq!(refused["results"][1]["problem"]["type"], "/problems/change-not-first", "{refused}");

    let change = node.text(&francs(&node, |_| ()));
    assert_eq!(node.submit(&change).await.0, StatusCode::CREATED);
    assert_eq!(node.submit(&change).await.0, StatusCode::OK);
    let mut another = change;
    another["body"]["currencies"] = json!({"SEK": 2});
    let (status, conflict) = node.submit(&another).await;
    assert_eq!(
        (status, &conflict["differing_fields"]),
        (StatusCode::CONFLICT, &json!(["body.currencies.CHF", "body.currencies.SEK"]))
    );
    let tested = cases.iter().map(|(rule, ..)| *rule);
    let apart = ["change-not-first", "too-many-changes", "duplicate-external-id"];
    assert_eq!(tested.chain(apart).collect::<BTreeSet<_>>(), BTreeSet::from(RULES));
    node.check(2);
}

#[tokio::test]
async fn a_currency_counts_from_its_height() {
    let node = Node::start("francs").await;
    node.seal(&[terms()]).await;
    let mut sold = node.text(&sale(1, 100));
    (sold["external_id"], sold["body"]["currency"]) = (json!("sale-chf"), json!("CHF"));
    let (_, refused) = node.submit(&sold).await;
    assert_eq!(refused["type"], "/problems/unknown-currency", "{refused}");
    // Recorded in block 2, in force from block 3 on.
    node.seal(&[francs(&node, |_| ())]).await;
    assert_eq!(node.read("/v1/chain").await["currencies"], json!({"EUR": 2, "JPY": 0}));
    let (status, sealed) = node.submit(&sold).await;
    assert_eq!(status, StatusCode::CREATED, "{sealed}");
    let chain = node.read("/v1/chain").await;
    assert_eq!(chain["currencies"], json!({"CHF": 2, "EUR": 2, "JPY": 0}));
    assert_eq!(chain["next_change"]["number"], 2);
    // It is shown, and proven to who has but the genesis spec.
    let id = sealed["id"].as_str().unwrap();
    let shown = node.read(&format!("/v1/entries/{id}")).await;
    assert_eq!(shown["entry"]["body"]["amount"], "1.00");
    let receipt = node.read(&format!("/v1/entries/{id}/receipt")).await;
    assert_eq!(receipt["spec_changes"].as_array().unwrap().len(), 1);
    let request = node.request(Method::POST, "/v1/verify/receipt").json(&receipt);
    let (_, verdict) = answer(request.send().await.unwrap()).await;
    assert_eq!(verdict["valid"], true, "{verdict}");
    assert_eq!(verdict["proven"]["entry"]["body"]["currency"], "CHF");
    node.check(3);
}

#[tokio::test]
async fn a_node_whose_key_is_not_the_authoritys_says_so() {
    let chain = chain("standing-by");
    let node = Node::start_with(chain.clone(), Some(seeded(9))).await;
    assert_eq!(node.read("/readyz").await["status"], "standing-by");
    assert_eq!(node.read("/v1/chain").await["role"], "standing-by");
    let (status, refused) = node.submit(&node.text(&terms())).await;
    assert_eq!(
        (status, &refused["type"]),
        (StatusCode::FORBIDDEN, &json!("/problems/not-authority"))
    );
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains(&key().public().to_string()), "{detail}");
    // A change that doesn't make it the authority isn't sealed either.
    let (status, refused) = node.submit(&node.text(&francs(&node, |_| ()))).await;
    assert_eq!(
        (status, &refused["type"]),
        (StatusCode::FORBIDDEN, &json!("/problems/not-authority"))
    );
    // Nor a forged one, which is told what is wrong with it.
    let mut change = node.text(&rotation(&chain, &node.ledger.head().tip, 9, 1));
    change["body"]["signatures"][0]["key"] = json!(public(GOVERNING[2]));
    let (status, _) = node.submit(&change).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    node.check(0);
    // One that does is.
    node.seal(&[rotation(&chain, &node.ledger.head().tip, 9, 1), terms()]).await;
    let shown = node.read("/v1/chain").await;
    assert_eq!((&shown["role"], &shown["authority"]), (&json!("sealing"), &json!(public(9))));
    node.check(2);
}
