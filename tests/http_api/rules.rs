//! Every rule of FORMAT.md section 13, broken over HTTP by JSON that a client may write.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::changes;
use crate::facts::{
    LOCKING_DATE, SOLD, adjustment, amendment, covers, decision, erasure, extend, funding, history,
    of_shoes, of_socks, of_upline, opening, part, payout, payout_event, refund, resolution,
    reversal, sale, terms, upline, with,
};
use crate::refusing::assert_refused;
use crate::support::node::Node;

/// Where the rules are written down.
const FORMAT: &str = include_str!("../../src/protocol/FORMAT.md");

/// A rule, its field, and an entry that breaks it.
type Case = (&'static str, &'static str, Value);

/// What several kinds have to obey.
fn of_several_kinds() -> Vec<Case> {
    vec![
        (
            "event-in-future",
            "event_time",
            with(terms("new", json!({})), json!({"event_time": "2999-01-01T00:00:00Z"})),
        ),
        ("missing-parent", "body.transaction", of_socks("new", "nowhere", json!({}))),
        (
            "before-parent",
            "event_time",
            with(
                of_socks("new", "untouched", json!({})),
                json!({"event_time": "2025-12-31T00:00:00Z"}),
            ),
        ),
        ("unknown-program", "body.program", sale("new", json!({"program": "none"}))),
        ("unknown-currency", "body.fx.to", sale("new", fx("EUR", "ABC"))),
        (
            "another-currency",
            "body.currency",
            amendment("pending", json!({"currency": "JPY", "old": "4", "new": "3"})),
        ),
        ("another-affiliate", "body.affiliate", adjustment("new", json!({"affiliate": "aff-9"}))),
        (
            "another-merchant",
            "body.merchant",
            funding("new", json!({"merchant": "rich", "lines": covers("locked")})),
        ),
        ("zero-amount", "body.amount", reversal("pending", json!({"amount": "0.00"}))),
        ("too-much", "body.amount", reversal("pending", json!({"amount": "4.01"}))),
        ("wrong-amount", "body.amount", of_socks("new", "untouched", json!({"amount": "4.01"}))),
        (
            "sum-too-large",
            "body.received",
            funding("new", json!({"merchant": "rich", "received": "0.01"})),
        ),
    ]
}

/// Terms and transactions.
fn of_terms_and_sales() -> Vec<Case> {
    let percent = |ppm: u32| json!({"reward": {"type": "percent", "ppm": ppm}});
    let socks = |quantity: u32| json!({"item": "socks", "quantity": quantity, "amount": "50.00"});
    vec![
        ("list-length", "body.rules", terms("new", json!({"rules": []}))),
        ("unordered", "body.actions", terms("new", json!({"actions": ["lead", "sale"]}))),
        (
            "empty-period",
            "body.effective_until",
            terms("new", json!({"effective_until": "2026-01-01T00:00:00Z"})),
        ),
        (
            "no-such-day",
            "body.locking",
            terms("new", json!({"locking": {"type": "month_day", "months": 1, "day": 29}})),
        ),
        (
            "rate-above-whole",
            "body.rules.reward.ppm",
            terms("new", json!({"rules": [percent(1_000_001)]})),
        ),
        ("wrong-version", "body.version", terms("new", json!({"version": 2}))),
        (
            "terms-reach-back",
            "body.effective_from",
            terms("new", json!({"program": "ended", "version": 2})),
        ),
        ("duplicate-item", "body.items", sale("new", json!({"items": [socks(1), socks(2)]}))),
        ("wrong-total", "body.amount", sale("new", json!({"amount": "99.00"}))),
        ("needless-fx", "body.fx", sale("new", fx("EUR", "EUR"))),
        ("misplaced-fx", "body.fx", payout("new", fx("EUR", "JPY"))),
    ]
}

/// What is earned.
fn of_commissions() -> Vec<Case> {
    vec![
        (
            "terms-of-another-program",
            "body.terms",
            of_socks("new", "untouched", json!({"terms": "ended"})),
        ),
        (
            "terms-recorded-later",
            "body.terms",
            of_socks("new", "untouched", json!({"terms": "later"})),
        ),
        (
            "terms-not-in-force",
            "body.terms",
            of_socks("new", "too-late", json!({"terms": "ended"})),
        ),
        ("action-not-eligible", "body.transaction", of_socks("new", "a-lead", json!({}))),
        (
            "no-such-part",
            "body.role.commission_group",
            of_shoes("new", "untouched", json!({"role": part(1_000_000, "hats")})),
        ),
        ("wrong-rule", "body.rule", of_shoes("new", "untouched", json!({"rule": 2}))),
        (
            "shares-above-whole",
            "body.role.share_ppm",
            of_shoes("new", "sale-pending", json!({"role": part(1, "shoes")})),
        ),
        (
            "no-such-level",
            "body.role.level",
            of_upline(
                "new",
                "sale-pending",
                "with-upline",
                json!({"role": {"type": "override", "of": "with-upline", "level": 2}}),
            ),
        ),
        (
            "override-of-another",
            "body.role.of",
            of_upline("new", "untouched", "with-upline", json!({})),
        ),
        (
            "override-of-nothing",
            "body.role.of",
            of_upline("new", "sale-declined", "declined", json!({})),
        ),
        (
            "override-taken",
            "body.role.level",
            of_upline("new", "sale-pending", "with-upline", json!({})),
        ),
        (
            "not-upline",
            "body.affiliate",
            of_upline("new", "sale-reduced", "without-upline", json!({"affiliate": "aff-9"})),
        ),
        (
            "needless-deviation",
            "body.deviation",
            of_socks("new", "untouched", json!({"deviation": "goodwill"})),
        ),
        (
            "wrong-locking-date",
            "body.locking_date",
            of_socks("new", "untouched", json!({"locking_date": SOLD})),
        ),
    ]
}

/// What becomes of that.
fn of_lives() -> Vec<Case> {
    vec![
        ("illegal-step", "", decision("new", "paid", SOLD, json!({"type": "approve"}))),
        (
            "past-locking-date",
            "event_time",
            decision(
                "new",
                "pending",
                LOCKING_DATE,
                json!({"type": "decline", "reason": "goodwill"}),
            ),
        ),
        (
            "before-locking-date",
            "event_time",
            decision("new", "pending", SOLD, json!({"type": "lock"})),
        ),
        ("extended-before", "body.verdict", extend("new", "reopened", "2026-06-01T00:00:00Z")),
        (
            "extension-not-later",
            "body.verdict.locking_date",
            extend("new", "pending", LOCKING_DATE),
        ),
        ("stale-amount", "body.old", amendment("pending", json!({"old": "3.99"}))),
        ("no-change", "body.new", amendment("pending", json!({"new": "4.00"}))),
        ("below-reversed", "body.new", amendment("reduced", json!({"new": "0.99"}))),
        ("no-such-item", "body.refund.items", reversal("pending", refund("hats", 1))),
        ("too-many-items", "body.refund.items", reversal("pending", refund("shoes", 3))),
        ("inquiry-resolved", "body.inquiry", resolution("new", "I-1")),
        (
            "not-adjustable",
            "body.related.kind",
            adjustment("new", json!({"related": {"kind": "payout", "external_id": "P-1"}})),
        ),
        (
            "credit-only",
            "body.effect",
            adjustment(
                "new",
                json!({"effect": "debit", "related": {"kind": "inquiry", "external_id": "I-1"}}),
            ),
        ),
    ]
}

/// Money that moves, uplines, erasure.
fn of_the_rest() -> Vec<Case> {
    vec![
        (
            "prepaid-exceeded",
            "body.lines",
            funding("new", json!({"received": "3.99", "lines": covers("locked")})),
        ),
        ("payout-not-open", "body.continues", payout("new", json!({"continues": "P-1"}))),
        (
            "another-period",
            "body.period_from",
            payout("new", json!({"continues": "P-3", "period_from": "2026-02-01T00:00:00Z"})),
        ),
        (
            "in-payout",
            "body.lines.adjustment",
            payout(
                "new",
                json!({"lines": [{"type": "adjustment", "adjustment": "in-payout", "amount": "2.00"}]}),
            ),
        ),
        (
            "still-owing",
            "body.total",
            payout(
                "new",
                json!({"lines": [{"type": "carried_forward", "effect": "credit", "amount": "5.00"}], "total": "5.00"}),
            ),
        ),
        ("not-first-part", "body.payout", payout_event("P-3", "completed")),
        ("illegal-payout-step", "", payout_event("P-1", "returned")),
        ("upline-cycle", "body.upline", upline("aff-2", "aff-1")),
        ("upline-too-deep", "body.upline", upline("deeper", "deep-0")),
        ("nothing-committed", "body.entry", erasure("new", "transaction", "untouched")),
        ("erased-before", "body.entry", erasure("new", "transaction", "private")),
    ]
}

/// A change of currency.
fn fx(from: &str, to: &str) -> Value {
    json!({"fx": {"from": from, "to": to, "rate": "1.25", "source": "bank", "at": SOLD}})
}

/// The rules' names, where they are written down.
fn written_down() -> BTreeSet<&'static str> {
    let (_, rules) = FORMAT.split_once("\n## 13. ").unwrap();
    let (rules, _) = rules.split_once("\n## 14. ").unwrap();
    let rows = rules.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0)).collect()
}

#[tokio::test]
async fn every_rule_is_broken() {
    let node = Node::start("every-rule").await;
    let history = history();
    let (status, body) = node.submit(&json!(history)).await;
    assert_eq!(status, StatusCode::OK);
    for (entry, result) in history.iter().zip(body["results"].as_array().unwrap()) {
        assert_eq!(result["status"], "sealed", "{entry}: {result}");
    }
    let cases =
        [of_several_kinds(), of_terms_and_sales(), of_commissions(), of_lives(), of_the_rest()]
            .concat();
    let texts: Vec<_> = cases
        .iter()
        .map(|(rule, field, entry)| (*rule, entry.to_string(), *rule, *field))
        .collect();
    assert_refused(&node, &texts).await;

    // A name that belongs to another entry is a conflict, in whatever way it does.
    let conflicts = [
        (sale("untouched", json!({"order_ref": "another"})), json!(["body.order_ref"])),
        (opening("pending", "commission"), json!(["kind", "body"])),
        (opening("in-payout", "affiliate"), json!(["kind", "body"])),
    ];
    for (entry, differing) in conflicts {
        let (status, problem) = node.submit(&entry).await;
        assert_eq!(
            (status, &problem["rule"]),
            (StatusCode::CONFLICT, &json!("duplicate-external-id"))
        );
        assert_eq!(problem["differing_fields"], differing, "{problem}");
    }

    let broken = cases.iter().map(|(rule, ..)| *rule).chain(changes::RULES);
    let all: BTreeSet<_> = broken.chain(["duplicate-external-id"]).collect();
    assert_eq!(all, written_down(), "all of them, and no others");
    node.check(history.len() as u64);
}

#[tokio::test]
async fn what_was_brought_in_takes_its_name() {
    let node = Node::start("brought-in").await;
    let history = [
        terms("main", json!({})),
        sale("sold", json!({})),
        opening("C", "commission"),
        opening("J", "affiliate"),
    ];
    let (_, body) = node.submit(&json!(history)).await;
    assert_eq!(body["results"][3]["status"], "sealed", "{body}");
    let conflicts = [
        (of_socks("C", "sold", json!({})), 3),
        (adjustment("J", json!({"related": {"kind": "transaction", "external_id": "sold"}})), 4),
    ];
    for (entry, index) in conflicts {
        let (status, problem) = node.submit(&entry).await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem}");
        assert_eq!(problem["type"], "/problems/duplicate-external-id");
        assert_eq!(problem["first"]["index"], index, "{problem}");
        assert_eq!(problem["differing_fields"], json!(["kind", "body"]));
        let (status, body) = node.submit(&json!([entry])).await;
        assert_eq!((status, &body["results"][0]["status"]), (StatusCode::OK, &json!("conflict")));
    }
    // The same again is the same.
    let (status, body) = node.submit(&opening("C", "commission")).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("existing")));
    node.check(4);
}
