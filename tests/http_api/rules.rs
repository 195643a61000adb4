//! Every rule of FORMAT.md section 13, broken over HTTP by JSON that a client may write.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::refusing::assert_refused;
use crate::support::node::Node;

/// Where the rules are written down.
const FORMAT: &str = include_str!("../../src/protocol/FORMAT.md");
/// When most of it happens. Commissions of that time lock on [`LOCKING_DATE`].
const SOLD: &str = "2026-03-01T12:00:00Z";
const LOCKING_DATE: &str = "2026-03-31T12:00:00Z";
/// The most affiliates above another.
const MAX_UPLINES: usize = 64;

/// An entry of `acme`.
fn fact(kind: &str, name: &str, event_time: &str, body: Value) -> Value {
    json!({"tenant": "acme", "kind": kind, "external_id": name, "event_time": event_time, "body": body})
}

/// `value` with the members of `changes` instead of its own.
fn with(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

fn terms(name: &str, changes: Value) -> Value {
    let body = json!({"merchant": "shop", "program": name, "version": 1,
        "effective_from": "2026-01-01T00:00:00Z", "actions": ["sale"],
        "locking": {"type": "days", "days": 30},
        "rules": [
            {"commission_group": "shoes", "reward": {"type": "percent", "ppm": 100_000},
                "override_ppm": [50_000]},
            {"reward": {"type": "percent", "ppm": 100_000}}]});
    fact("program_terms", name, SOLD, with(body, changes))
}

/// A sale of two pairs of shoes for 60.00 and one of socks for 40.00.
fn sale(name: &str, changes: Value) -> Value {
    let body = json!({"order_ref": name, "merchant": "shop", "program": "main", "action": "sale",
        "currency": "EUR", "amount": "100.00", "items": [
            {"item": "shoes", "quantity": 2, "amount": "60.00", "commission_group": "shoes"},
            {"item": "socks", "quantity": 1, "amount": "40.00"}]});
    fact("transaction", name, SOLD, with(body, changes))
}

fn part(share_ppm: u32, group: &str) -> Value {
    json!({"type": "direct", "share_ppm": share_ppm, "commission_group": group})
}

/// What the socks of a sale earn.
fn of_socks(name: &str, sale: &str, changes: Value) -> Value {
    let body = json!({"transaction": sale, "terms": "main", "rule": 2, "affiliate": "aff-1",
        "currency": "EUR", "amount": "4.00", "locking_date": LOCKING_DATE});
    fact("commission", name, SOLD, with(body, changes))
}

/// What the shoes of a sale earn.
fn of_shoes(name: &str, sale: &str, changes: Value) -> Value {
    let shoes = json!({"rule": 1, "role": part(1_000_000, "shoes"), "amount": "6.00"});
    of_socks(name, sale, with(shoes, changes))
}

/// What the upline earns of that.
fn of_upline(name: &str, sale: &str, of: &str, changes: Value) -> Value {
    let body = json!({"rule": 1, "affiliate": "aff-2", "amount": "0.30",
        "role": {"type": "override", "of": of, "level": 1}});
    of_socks(name, sale, with(body, changes))
}

fn decision(name: &str, commission: &str, event_time: &str, verdict: Value) -> Value {
    let body = json!({"commission": commission, "verdict": verdict});
    fact("decision", name, event_time, body)
}

fn lock(name: &str, commission: &str) -> Value {
    decision(name, commission, LOCKING_DATE, json!({"type": "lock"}))
}

fn amendment(commission: &str, changes: Value) -> Value {
    let body = json!({"of": {"type": "commission", "commission": commission}, "currency": "EUR",
        "old": "4.00", "new": "3.00", "reason": "wrong_amount"});
    fact("amendment", "A", SOLD, with(body, changes))
}

fn reversal(commission: &str, changes: Value) -> Value {
    let body = json!({"commission": commission, "currency": "EUR", "amount": "1.00",
        "reason": "returned_item"});
    fact("reversal", "R", SOLD, with(body, changes))
}

fn refund(item: &str, quantity: u32) -> Value {
    json!({"refund": {"currency": "EUR", "amount": "1.00",
        "items": [{"item": item, "quantity": quantity}]}})
}

fn adjustment(name: &str, changes: Value) -> Value {
    let body = json!({"affiliate": "aff-1", "effect": "credit", "currency": "EUR",
        "amount": "2.00", "related": {"kind": "commission", "external_id": "paid"},
        "reason": "goodwill"});
    fact("adjustment", name, SOLD, with(body, changes))
}

fn funding(name: &str, changes: Value) -> Value {
    let body = json!({"merchant": "shop", "payment_ref": name, "currency": "EUR",
        "received": "0.00", "lines": []});
    fact("funding", name, SOLD, with(body, changes))
}

fn covers(commission: &str) -> Value {
    json!([{"commission": commission, "amount": "4.00"}])
}

fn payout(name: &str, changes: Value) -> Value {
    let body = json!({"affiliate": "aff-1", "currency": "EUR",
        "period_from": "2026-03-01T00:00:00Z", "period_until": "2026-04-01T00:00:00Z",
        "lines": [{"type": "carried_forward", "effect": "debit", "amount": "0.01"}]});
    fact("payout", name, SOLD, with(body, changes))
}

fn payout_event(payout: &str, event: &str) -> Value {
    let body = json!({"payout": payout, "event": {"type": event}});
    fact("payout_event", "E", SOLD, body)
}

fn inquiry(name: &str, claim: Value) -> Value {
    let body = json!({"affiliate": "aff-1", "merchant": "shop", "program": "main",
        "claim": claim, "currency": "EUR", "amount": "4.00"});
    fact("inquiry", name, SOLD, body)
}

fn resolution(name: &str, inquiry: &str) -> Value {
    let body = json!({"inquiry": inquiry, "outcome": {"type": "valid"}});
    fact("inquiry_resolution", name, SOLD, body)
}

fn upline(affiliate: &str, upline: &str) -> Value {
    let body = json!({"affiliate": affiliate, "upline": upline});
    fact("affiliate_upline", &format!("{affiliate}-below-{upline}"), SOLD, body)
}

fn erasure(name: &str, kind: &str, external_id: &str) -> Value {
    let body = json!({"entry": {"kind": kind, "external_id": external_id}});
    fact("erasure_notice", name, SOLD, body)
}

fn extend(name: &str, commission: &str, locking_date: &str) -> Value {
    let verdict = json!({"type": "extend", "locking_date": locking_date});
    decision(name, commission, SOLD, verdict)
}

/// A ledger on which every rule can be broken.
fn history() -> Vec<Value> {
    let part_of = |name: &str, lines: Value| payout(name, json!({"lines": lines}));
    let mut history = vec![
        terms("main", json!({})),
        terms("ended", json!({"effective_until": "2026-02-01T00:00:00Z"})),
        upline("aff-1", "aff-2"),
    ];
    // Sales, and what each earns: undecided, reversed in part, locked, reopened, paid.
    for name in ["pending", "reduced", "locked", "reopened", "paid"] {
        let sold = format!("sale-{name}");
        history.extend([sale(&sold, json!({})), of_socks(name, &sold, json!({}))]);
    }
    history.extend([
        sale("untouched", json!({})),
        sale("a-lead", json!({"action": "lead"})),
        sale("too-late", json!({"program": "ended"})),
        terms(
            "later",
            json!({"program": "main", "version": 2, "effective_from": "2100-01-01T00:00:00Z"}),
        ),
        of_shoes("with-upline", "sale-pending", json!({})),
        of_upline("override", "sale-pending", "with-upline", json!({})),
        of_shoes("without-upline", "sale-reduced", json!({})),
        with(reversal("reduced", json!({})), json!({"external_id": "R-1"})),
        lock("L-1", "locked"),
        lock("L-2", "paid"),
        extend("X-1", "reopened", "2026-05-01T00:00:00Z"),
        decision("D-1", "reopened", SOLD, json!({"type": "decline", "reason": "order_error"})),
        inquiry("I-1", json!({"type": "declined", "commission": "reopened"})),
        resolution("I-1-answer", "I-1"),
        funding("F-1", json!({"received": "4.00", "lines": covers("paid")})),
        funding("F-2", json!({"merchant": "rich", "received": "92233720368547758.07"})),
        adjustment("in-payout", json!({})),
        part_of("P-1", json!([{"type": "commission", "commission": "paid", "amount": "4.00"}])),
        part_of(
            "P-2",
            json!([{"type": "adjustment", "adjustment": "in-payout", "amount": "2.00"}]),
        ),
        payout("P-3", json!({"continues": "P-1"})),
        with(sale("private", json!({})), json!({"commitment": "5f".repeat(32)})),
        erasure("erased", "transaction", "private"),
    ]);
    let deep = |level: usize| format!("deep-{level}");
    history.extend((0..MAX_UPLINES).rev().map(|level| upline(&deep(level), &deep(level + 1))));
    history
}

/// Each rule with its field and an entry that breaks it.
fn cases() -> Vec<(&'static str, &'static str, Value)> {
    let fx = |from: &str, to: &str| json!({"fx": {"from": from, "to": to, "rate": "1.25", "source": "bank", "at": SOLD}});
    let percent = |ppm: u32| json!({"reward": {"type": "percent", "ppm": ppm}});
    let socks = |quantity: u32| json!({"item": "socks", "quantity": quantity, "amount": "50.00"});
    vec![
        (
            "event-in-future",
            "event_time",
            with(terms("new", json!({})), json!({"event_time": "2999-01-01T00:00:00Z"})),
        ),
        ("missing-parent", "body.transaction", of_socks("new", "nowhere", json!({}))),
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
    let cases = cases();
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

    let broken: BTreeSet<_> = cases.iter().map(|(rule, ..)| *rule).collect();
    let all: BTreeSet<_> = broken.into_iter().chain(["duplicate-external-id"]).collect();
    assert_eq!(all, written_down(), "all of them, and no others");
    node.check(history.len() as u64);
}

/// A balance that is brought in under a name.
fn opening(name: &str, balance: &str) -> Value {
    let mut balance =
        json!({"type": balance, "affiliate": "aff-1", "currency": "EUR", "amount": "1.00"});
    if balance["type"] == "commission" {
        balance = with(balance, json!({"merchant": "shop", "state": "locked"}));
    } else {
        balance = with(balance, json!({"effect": "credit"}));
    }
    fact("opening_balance", name, SOLD, json!({"source": "elsewhere", "balance": balance}))
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
