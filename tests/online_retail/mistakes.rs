//! Mistakes that a submitter, a node or the example could make in the entries of the sample.

use serde_json::Value;

/// What it changes in the entries of the sample.
type Mistake = fn(&mut Vec<Value>);
/// Each by its name.
pub const MISTAKES: &[(&str, Mistake)] = &[
    ("the last entry is missing", |entries| drop(entries.pop())),
    ("a reversal is missing", |entries| drop(entries.remove(place(entries, "REV-")))),
    ("an entry stands there twice", |entries| entries.push(entries[1].clone())),
    ("a penny more in a transaction", |entries| set(entries, "100001", "amount", "41.01")),
    ("a penny less in a commission", |entries| set(entries, "COM-100001", "amount", "3.07")),
    ("a penny moves between an affiliate's commissions", |entries| {
        set(entries, "COM-100022", "amount", "1.13");
        set(entries, "COM-100023", "amount", "1.11");
    }),
    ("another affiliate", |entries| set(entries, "COM-100001", "affiliate", "AFF-002")),
    ("two affiliates swapped", |entries| {
        set(entries, "COM-100022", "affiliate", "AFF-005");
        set(entries, "COM-100023", "affiliate", "AFF-005");
        set(entries, "COM-100021", "affiliate", "AFF-005");
    }),
    ("another transaction", |entries| set(entries, "COM-100001", "transaction", "100002")),
    ("a reversal of another commission", |entries| {
        set(entries, "REV-C100024-100022", "commission", "COM-100023");
    }),
    ("a reversal of nobody's commission", |entries| {
        set(entries, "REV-C100024-100022", "commission", "COM-1");
    }),
    ("a penny more in a reversal", |entries| {
        set(entries, "REV-C100011-100001", "amount", "1.81");
    }),
    ("another refund", |entries| {
        body(entries, "REV-C100011-100001")["refund"]["amount"] = "24.01".into();
    }),
    ("another item sent back", |entries| {
        body(entries, "REV-C100011-100001")["refund"]["items"][0]["item"] = "B2".into();
    }),
    ("one more of an item", |entries| {
        body(entries, "100001")["items"][0]["quantity"] = 21.into();
    }),
    ("no items", |entries| {
        body(entries, "100001").as_object_mut().unwrap().remove("items");
    }),
    ("another fee", |entries| set(entries, "COM-100001", "fee", "0.93")),
    ("another locking date", |entries| {
        set(entries, "COM-100001", "locking_date", "2010-12-31T08:26:01Z");
    }),
    ("an approval is missing", |entries| drop(entries.remove(place(entries, "APPROVE-")))),
    ("a lock of another commission", |entries| {
        set(entries, "LOCK-100025", "commission", "COM-100027");
    }),
    ("a lock is no lock", |entries| {
        body(entries, "LOCK-100025")["verdict"] = serde_json::json!({"type": "approve"});
    }),
    ("an adjustment for the affiliate", |entries| {
        set(entries, "ADJ-C100026-100025", "effect", "credit");
    }),
    ("the adjustment of another commission", |entries| {
        body(entries, "ADJ-C100026-100025")["related"]["external_id"] = "COM-100027".into();
    }),
    ("a penny more came in", |entries| set(entries, "FUND-2010-12", "received", "1000.01")),
    ("a commission isn't paid for", |entries| {
        body(entries, "FUND-2011-01")["lines"].as_array_mut().unwrap().pop();
    }),
    ("a penny less for a commission", |entries| {
        body(entries, "FUND-2011-01")["lines"][0]["amount"] = "0.89".into();
    }),
    ("a penny more is paid", |entries| set(entries, "PAY-2011-04-AFF-005", "total", "31.21")),
    ("a debt is forgotten", |entries| {
        body(entries, "PAY-2011-04-AFF-005")["lines"].as_array_mut().unwrap().remove(0);
    }),
    ("what is owed is kept instead", |entries| {
        body(entries, "PAY-2011-02-AFF-005")["lines"][1]["effect"] = "debit".into();
    }),
    ("another period", |entries| {
        set(entries, "PAY-2011-04-AFF-005", "period_from", "2011-03-01T00:00:00Z");
    }),
    ("a payout that failed has arrived", |entries| {
        body(entries, "FAILED-PAY-2011-04-AFF-004")["event"]["type"] = "completed".into();
    }),
    ("nothing is heard of a payout", |entries| {
        drop(entries.remove(place(entries, "RETURNED-")));
    }),
    ("another reason", |entries| set(entries, "REV-C100011-100001", "reason", "goodwill")),
    ("another order", |entries| set(entries, "100001", "order_ref", "100002")),
    ("another currency", |entries| set(entries, "100001", "currency", "EUR")),
    ("a number for an amount", |entries| {
        entries[1]["body"]["amount"] = serde_json::from_str("41.00").unwrap();
    }),
    ("another time", |entries| entries[3]["event_time"] = "2010-12-01T09:31:00Z".into()),
    ("another kind", |entries| entries[1]["kind"] = "inquiry".into()),
    ("another tenant", |entries| entries[1]["tenant"] = "acme".into()),
    ("another rate", |entries| {
        entries[0]["body"]["rules"][0]["reward"]["ppm"] = 75_001.into();
    }),
    ("another lock period", |entries| entries[0]["body"]["locking"]["days"] = 31.into()),
    ("terms that begin too late", |entries| {
        entries[0]["body"]["effective_from"] = "2010-12-02T00:00:00Z".into();
    }),
    ("no terms", |entries| drop(entries.remove(0))),
    ("nothing at all", Vec::clear),
];

fn place(entries: &[Value], name: &str) -> usize {
    let named = |entry: &Value| entry["external_id"].as_str().unwrap().starts_with(name);
    entries.iter().position(named).unwrap()
}

/// The body of the one entry of this name.
fn body<'a>(entries: &'a mut [Value], name: &str) -> &'a mut Value {
    let named = |entry: &&mut Value| entry["external_id"] == name;
    &mut entries.iter_mut().find(named).unwrap()["body"]
}

fn set(entries: &mut [Value], name: &str, field: &str, value: &str) {
    let body = body(entries, name);
    assert_ne!(body[field], value, "a mistake changes something");
    body[field] = value.into();
}
