//! Entries in JSON, as a client writes them, and a history of them on which every rule of FORMAT.md
//! section 13 can be broken.

#![expect(clippy::needless_pass_by_value, reason = "literals stand where they are passed")]

use serde_json::{Value, json};

/// When most of it happens. Commissions of that time lock on [`LOCKING_DATE`].
pub const SOLD: &str = "2026-03-01T12:00:00Z";
pub const LOCKING_DATE: &str = "2026-03-31T12:00:00Z";
/// The most affiliates above another.
pub const MAX_UPLINES: usize = 64;

/// An entry of `acme`.
pub fn fact(kind: &str, name: &str, event_time: &str, body: Value) -> Value {
    json!({"tenant": "acme", "kind": kind, "external_id": name, "event_time": event_time, "body": body})
}

/// `value` with the members of `changes` instead of its own.
pub fn with(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

pub fn terms(name: &str, changes: Value) -> Value {
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
pub fn sale(name: &str, changes: Value) -> Value {
    let body = json!({"order_ref": name, "merchant": "shop", "program": "main", "action": "sale",
        "currency": "EUR", "amount": "100.00", "items": [
            {"item": "shoes", "quantity": 2, "amount": "60.00", "commission_group": "shoes"},
            {"item": "socks", "quantity": 1, "amount": "40.00"}]});
    fact("transaction", name, SOLD, with(body, changes))
}

pub fn part(share_ppm: u32, group: &str) -> Value {
    json!({"type": "direct", "share_ppm": share_ppm, "commission_group": group})
}

/// What the socks of a sale earn.
pub fn of_socks(name: &str, sale: &str, changes: Value) -> Value {
    let body = json!({"transaction": sale, "terms": "main", "rule": 2, "affiliate": "aff-1",
        "currency": "EUR", "amount": "4.00", "locking_date": LOCKING_DATE});
    fact("commission", name, SOLD, with(body, changes))
}

/// What the shoes of a sale earn.
pub fn of_shoes(name: &str, sale: &str, changes: Value) -> Value {
    let shoes = json!({"rule": 1, "role": part(1_000_000, "shoes"), "amount": "6.00"});
    of_socks(name, sale, with(shoes, changes))
}

/// What the upline earns of that.
pub fn of_upline(name: &str, sale: &str, of: &str, changes: Value) -> Value {
    let body = json!({"rule": 1, "affiliate": "aff-2", "amount": "0.30",
        "role": {"type": "override", "of": of, "level": 1}});
    of_socks(name, sale, with(body, changes))
}

pub fn decision(name: &str, commission: &str, event_time: &str, verdict: Value) -> Value {
    let body = json!({"commission": commission, "verdict": verdict});
    fact("decision", name, event_time, body)
}

pub fn lock(name: &str, commission: &str) -> Value {
    decision(name, commission, LOCKING_DATE, json!({"type": "lock"}))
}

pub fn amendment(commission: &str, changes: Value) -> Value {
    let body = json!({"of": {"type": "commission", "commission": commission}, "currency": "EUR",
        "old": "4.00", "new": "3.00", "reason": "wrong_amount"});
    fact("amendment", "A", SOLD, with(body, changes))
}

pub fn reversal(commission: &str, changes: Value) -> Value {
    let body = json!({"commission": commission, "currency": "EUR", "amount": "1.00",
        "reason": "returned_item"});
    fact("reversal", "R", SOLD, with(body, changes))
}

pub fn refund(item: &str, quantity: u32) -> Value {
    json!({"refund": {"currency": "EUR", "amount": "1.00",
        "items": [{"item": item, "quantity": quantity}]}})
}

pub fn adjustment(name: &str, changes: Value) -> Value {
    let body = json!({"affiliate": "aff-1", "effect": "credit", "currency": "EUR",
        "amount": "2.00", "related": {"kind": "commission", "external_id": "paid"},
        "reason": "goodwill"});
    fact("adjustment", name, SOLD, with(body, changes))
}

pub fn funding(name: &str, changes: Value) -> Value {
    let body = json!({"merchant": "shop", "payment_ref": name, "currency": "EUR",
        "received": "0.00", "lines": []});
    fact("funding", name, SOLD, with(body, changes))
}

pub fn covers(commission: &str) -> Value {
    json!([{"commission": commission, "amount": "4.00"}])
}

pub fn payout(name: &str, changes: Value) -> Value {
    let body = json!({"affiliate": "aff-1", "currency": "EUR",
        "period_from": "2026-03-01T00:00:00Z", "period_until": "2026-04-01T00:00:00Z",
        "lines": [{"type": "carried_forward", "effect": "debit", "amount": "0.01"}]});
    fact("payout", name, SOLD, with(body, changes))
}

pub fn payout_event(payout: &str, event: &str) -> Value {
    let body = json!({"payout": payout, "event": {"type": event}});
    fact("payout_event", "E", SOLD, body)
}

pub fn inquiry(name: &str, claim: Value) -> Value {
    let body = json!({"affiliate": "aff-1", "merchant": "shop", "program": "main",
        "claim": claim, "currency": "EUR", "amount": "4.00"});
    fact("inquiry", name, SOLD, body)
}

pub fn resolution(name: &str, inquiry: &str) -> Value {
    let body = json!({"inquiry": inquiry, "outcome": {"type": "valid"}});
    fact("inquiry_resolution", name, SOLD, body)
}

pub fn upline(affiliate: &str, upline: &str) -> Value {
    let body = json!({"affiliate": affiliate, "upline": upline});
    fact("affiliate_upline", &format!("{affiliate}-below-{upline}"), SOLD, body)
}

pub fn erasure(name: &str, kind: &str, external_id: &str) -> Value {
    let body = json!({"entry": {"kind": kind, "external_id": external_id}});
    fact("erasure_notice", name, SOLD, body)
}

pub fn extend(name: &str, commission: &str, locking_date: &str) -> Value {
    let verdict = json!({"type": "extend", "locking_date": locking_date});
    decision(name, commission, SOLD, verdict)
}

/// A ledger on which every rule can be broken.
pub fn history() -> Vec<Value> {
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
        sale("sale-declined", json!({})),
        of_shoes("declined", "sale-declined", json!({})),
        decision("D-2", "declined", SOLD, json!({"type": "decline", "reason": "order_error"})),
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

/// A balance that is brought in under a name.
pub fn opening(name: &str, balance: &str) -> Value {
    let mut balance =
        json!({"type": balance, "affiliate": "aff-1", "currency": "EUR", "amount": "1.00"});
    if balance["type"] == "commission" {
        balance = with(balance, json!({"merchant": "shop", "state": "locked"}));
    } else {
        balance = with(balance, json!({"effect": "credit"}));
    }
    fact("opening_balance", name, SOLD, json!({"source": "elsewhere", "balance": balance}))
}
