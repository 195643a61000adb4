//! Entries in text: what is written is read back, and what is out of form is refused with a
//! message that names the field.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod published;

use std::sync::LazyLock;

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Kind;
use counterfoil::protocol::money::{Currency, MoneyError};
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::text::{EntryText, MAX_ENTRY_TEXT_BYTES, TextError, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A usable key.
const AUTHORITY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn currencies() -> Currencies {
    // Those of the vectors, and one more.
    let list = [("EUR", 2), ("GBP", 2), ("JPY", 0), ("POINTS", 9), ("USD", 4), ("BTC", 9)];
    Currencies::new(list.map(|(code, scale)| (Currency::new(code).unwrap(), scale)))
}

/// An entry's text around `body`.
fn entry(kind: &str, body: &Value) -> Value {
    json!({
        "tenant": "acme", "kind": kind, "external_id": "X-1",
        "event_time": "2026-11-21T14:00:00Z", "body": body,
    })
}

/// The inputs of the vectors: each kind with every variant, and with and without whatever may
/// be left out.
static TEXTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let inputs = |kind: &Kind| published::vectors(&format!("entry-{kind}.json")).1;
    Kind::ALL.iter().flat_map(inputs).map(|case| case["input"].clone()).collect()
});

/// A body of each kind that shows most of its fields.
fn body_of(kind: &str) -> Value {
    match kind {
        "program_terms" => terms(),
        "transaction" => json!({
            "order_ref": "order/1#~!<script>", "merchant": "shop", "program": "main",
            "action": "sale", "currency": "EUR", "amount": "12.00", "discount": "1.00",
            "items": [
                {"item": "a", "quantity": 1, "amount": "5.00"},
                {"item": "b", "quantity": 2, "amount": "7.00", "commission_group": "shoes"},
            ],
            "fx": {"from": "EUR", "to": "JPY", "rate": "163.215000000", "source": "ecb",
                "at": "2026-11-21T00:00:00Z"},
        }),
        "commission" => json!({
            "transaction": "S-1", "terms": "T-1", "rule": 1, "affiliate": "ann",
            "role": {"type": "direct", "share_ppm": 500_000}, "currency": "JPY",
            "amount": "1250", "fee": "10", "locking_date": "2027-01-01T00:00:00Z",
        }),
        "decision" => json!({"commission": "C-1", "verdict": {"type": "approve"}}),
        "amendment" => json!({
            "of": {"type": "commission", "commission": "C-1"}, "currency": "EUR",
            "old": "2.00", "new": "3.00", "reason": "order_error",
        }),
        "reversal" => json!({
            "commission": "C-1", "currency": "EUR", "amount": "2.50", "reason": "returned_item",
        }),
        "adjustment" => json!({
            "affiliate": "ann", "effect": "debit", "currency": "EUR", "amount": "1.00",
            "related": {"kind": "commission", "external_id": "C-1"}, "reason": "chargeback",
        }),
        "inquiry" => json!({
            "affiliate": "ann", "merchant": "shop", "program": "main",
            "claim": {"type": "untracked"}, "currency": "EUR", "amount": "1.00",
        }),
        "inquiry_resolution" => json!({"inquiry": "I-1", "outcome": {"type": "valid"}}),
        "funding" => json!({
            "merchant": "shop", "payment_ref": "bank-1", "currency": "EUR", "received": "9.00",
            "lines": [{"commission": "C-1", "amount": "2.00"}, {"commission": "C-2", "amount": "3.00"}],
        }),
        "payout" => json!({
            "affiliate": "ann", "currency": "EUR", "period_from": "2026-10-01T00:00:00Z",
            "period_until": "2026-11-01T00:00:00Z",
            "lines": [
                {"type": "commission", "commission": "C-1", "amount": "0.01"},
                {"type": "fee", "amount": "0.02"},
            ],
        }),
        "payout_event" => json!({"payout": "P-1", "event": {"type": "sent"}}),
        "affiliate_upline" => json!({"affiliate": "ann", "upline": "bob"}),
        "opening_balance" => json!({
            "source": "old",
            "balance": {"type": "merchant", "merchant": "shop", "currency": "EUR", "amount": "1.00"},
        }),
        "erasure_notice" => json!({"entry": {"kind": "transaction", "external_id": "S-1"}}),
        "spec_change" => json!({
            "number": 2, "previous": "ab".repeat(32), "from_height": 7, "after": "cd".repeat(32),
            "authorities": [AUTHORITY],
            "governance": {"keys": [AUTHORITY], "quorum": 1},
            "witnesses": [{"name": "witness.example", "key": AUTHORITY}],
            "limits": {"block_entries": 1, "block_bytes": 65535, "event_ahead_ms": 0},
            "rules_version": 1,
            "signatures": [{"key": AUTHORITY, "signature": "ef".repeat(64)}],
        }),
        other => panic!("no kind {other}"),
    }
}

/// The body of terms with each type of reward.
fn terms() -> Value {
    json!({
        "merchant": "shop", "program": "main", "version": 1,
        "effective_from": "1970-01-01T00:00:00Z", "actions": ["sale", "lead"],
        "locking": {"type": "days", "days": 30}, "network_fee_ppm": 0,
        "rules": [
            {"reward": {"type": "percent", "ppm": 75_000}, "override_ppm": [5, 6]},
            {
                "reward": {"type": "volume_tiers", "period": "month", "currency": "EUR",
                    "volumes": [
                        {"from": "0.00", "rate": {"type": "percent", "ppm": 1}},
                        {"from": "8.00", "rate":
                            {"type": "fixed", "currency": "EUR", "amount": "3.00"}},
                    ]},
                "cap": {"currency": "EUR", "amount": "9.00", "per": "part"},
            },
            {"reward": {"type": "fixed", "currency": "BTC", "amount": "0.000000001"}},
            {"reward": {"type": "count_tiers", "period": "ever", "counts": [
                {"from": 0, "rate": {"type": "fixed", "currency": "EUR", "amount": "4.00"}},
            ]}},
        ],
    })
}

/// A text of `kind`.
fn text_of(kind: &str) -> Value {
    entry(kind, &body_of(kind))
}

#[test]
fn every_kind_is_written_as_it_is_read() {
    let own = Kind::ALL.iter().map(|kind| text_of(kind.as_str()));
    for text in TEXTS.iter().cloned().chain(own) {
        let read = parse(&text.to_string(), &currencies()).unwrap();
        let written = EntryText::new(&read, &currencies()).unwrap();
        assert_eq!(serde_json::to_value(&written).unwrap(), text);
        // On the ledger and back it is still the same.
        let encoded = EncodedEntry::new(read.clone()).unwrap();
        let decoded = EncodedEntry::decode(encoded.leaf().to_vec()).unwrap();
        assert_eq!(decoded.entry(), &read);
    }
}

/// What may be left out, by kind; and what is read of it then.
#[test]
fn what_may_be_left_out() {
    let mut cases = vec![
        ("program_terms", "network_fee_ppm", json!(0)),
        ("commission", "role", json!({"type": "direct", "share_ppm": 1_000_000})),
        ("commission", "fee", json!("0")),
        ("funding", "received", json!("0.00")),
    ];
    // Absent options and empty lists stay away.
    let absent = [
        "program_terms/effective_until",
        "transaction/discount",
        "transaction/items",
        "transaction/fx",
        "transaction/voucher",
        "commission/locking_date",
        "commission/deviation",
        "reversal/refund",
        "funding/lines",
        "payout/continues",
        "payout/total",
        "payout/fx",
        "affiliate_upline/upline",
    ];
    cases.extend(absent.map(|path| {
        let (kind, field) = path.split_once('/').unwrap();
        (kind, field, Value::Null)
    }));
    for (kind, field, expected) in cases {
        let mut text = text_of(kind);
        text["body"].as_object_mut().unwrap().remove(field);
        let read = parse(&text.to_string(), &currencies()).unwrap();
        let written = serde_json::to_value(EntryText::new(&read, &currencies()).unwrap()).unwrap();
        assert_eq!(written["body"][field], expected, "{kind}: {field}");
        // A null isn't nothing, but where nothing is what may be.
        text["body"][field] = Value::Null;
        let null = parse(&text.to_string(), &currencies());
        let list = ["items", "lines"].contains(&field);
        assert_eq!(null.is_ok(), expected.is_null() && !list, "{kind}: {field}: {null:?}");
    }
}

/// Every other field is needed: without it, or with a null there, a text is no entry.
#[test]
fn what_may_not_be_left_out() {
    let optional = [
        "effective_until",
        "network_fee_ppm",
        "override_ppm",
        "cap",
        "discount",
        "items",
        "fx",
        "commission_group",
        "role",
        "fee",
        "locking_date",
        "received",
        "upline",
        "previous",
        "after",
        "authorities",
        "governance",
        "witnesses",
        "limits",
        "rules_version",
        "signatures",
    ];
    for kind in Kind::ALL {
        let text = text_of(kind.as_str());
        let mut paths = Vec::new();
        paths_in(&text["body"], "/body", &mut paths);
        for path in paths {
            let (parent, field) = path.rsplit_once('/').unwrap();
            // A funding may be of no commission, a payout not of nothing.
            let free = optional.contains(&field) || (kind, field) == (&Kind::Funding, "lines");
            let mut without = text.clone();
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
            let read = parse(&without.to_string(), &currencies());
            assert_eq!(read.is_ok(), free, "{kind} without {path}: {read:?}");
            let mut more = text.clone();
            more.pointer_mut(parent).unwrap()["colour"] = json!("blue");
            let error = parse(&more.to_string(), &currencies()).unwrap_err().to_string();
            assert!(error.contains("unknown field `colour`"), "{kind}, {path}: {error}");
        }
    }
}

/// The pointers to all fields of objects in `value`.
fn paths_in(value: &Value, at: &str, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                paths.push(format!("{at}/{name}"));
                paths_in(value, &format!("{at}/{name}"), paths);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                paths_in(item, &format!("{at}/{index}"), paths);
            }
        }
        _ => {}
    }
}

/// An amount that no currency holds is named by the whole way to it.
#[test]
fn each_amount_is_named_by_its_path() {
    let mut tried = 0;
    for kind in Kind::ALL {
        let text = text_of(kind.as_str());
        let mut paths = Vec::new();
        paths_in(&text["body"], "/body", &mut paths);
        for path in paths {
            let decimal = text.pointer(&path).unwrap().as_str();
            let amount = decimal.is_some_and(|text| text.parse::<f64>().is_ok());
            if !amount || path.ends_with("/rate") {
                continue;
            }
            let mut spoilt = text.clone();
            *spoilt.pointer_mut(&path).unwrap() = json!("0.0000000001");
            let expected = path[1..].split('/').fold(String::new(), |path, segment| match segment
                .parse::<usize>(
            ) {
                Ok(index) => format!("{path}[{index}]"),
                Err(_) if path.is_empty() => segment.to_owned(),
                Err(_) => format!("{path}.{segment}"),
            });
            match parse(&spoilt.to_string(), &currencies()) {
                Err(TextError::Money { field, error: MoneyError::TooManyDecimals { .. } }) => {
                    assert_eq!(field, expected);
                }
                other => panic!("{path}: {other:?}"),
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 23, "amounts of all kinds");
}

#[test]
fn spelling_does_not_matter_where_meaning_is_the_same() {
    let text = text_of("reversal").to_string();
    let expected = parse(&text, &currencies()).unwrap();
    let spellings = [
        (r#""2.50""#, r#""2.5""#),
        (r#""2.50""#, r#""\u0032.50""#),
        (r#""amount""#, r#""\u0061mount""#),
        ("2026-11-21T14:00:00Z", "2026-11-21T15:30:00.000+01:30"),
        (r#""tenant""#, r#" "commitment" : null , "tenant""#),
        ("{", "\t{\r\n"),
    ];
    for (from, to) in spellings {
        let other = replaced(&text, from, to);
        assert_eq!(parse(&other, &currencies()).as_ref(), Ok(&expected), "{other}");
    }
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

/// Kind, what is replaced by what in its text, and how the message begins.
type Row = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const ENVELOPES: [Row; 29] = [
    ("reversal", r#""tenant":"acme""#, r#""tenant":"""#, "tenant: an identifier can't be empty"),
    ("reversal", r#""tenant":"acme""#, r#""tenant":7"#, "tenant: invalid type: integer `7`"),
    ("reversal", r#""tenant":"acme""#, r#""tenant":null"#, "tenant: invalid type: null"),
    ("reversal", r#""tenant":"acme""#, r#""tenant":["acme"]"#, "tenant: invalid type: sequence"),
    ("reversal", r#""tenant":"acme""#, r#""tenant":{"acme":null}"#, "tenant: invalid type: map"),
    ("reversal", r#""tenant":"acme""#, r#""tenant":true"#, "tenant: invalid type: boolean"),
    ("reversal", r#","tenant":"acme""#, "", "missing field `tenant`"),
    ("reversal", r#""tenant":"acme""#, r#""tenant":"acme","tenant":"acme""#, "duplicate field `tenant`"),
    ("reversal", r#""tenant":"acme""#, r#""tenant":"acme","\u0074enant":"b""#, "duplicate field `tenant`"),
    ("reversal", r#""tenant""#, r#""Tenant""#, "unknown field `Tenant`"),
    ("reversal", r#""tenant""#, r#""extra":{},"tenant""#, "unknown field `extra`"),
    ("reversal", r#""X-1""#, r#""X 1""#, "external_id: an identifier is made of visible ASCII"),
    ("reversal", r#""X-1""#, r#""X\u0000""#, "external_id: an identifier is made of visible ASCII"),
    ("reversal", r#""X-1""#, r#""X\ud83d\ude00""#, "external_id: an identifier is made of visible ASCII"),
    ("reversal", r#""X-1""#, r#""X\ud800""#, "external_id: "),
    ("reversal", r#""X-1""#, "\"X\u{1}\"", "external_id: control character"),
    ("reversal", r#""X-1""#, r#""X\x""#, "external_id: invalid escape"),
    ("reversal", r#""kind":"reversal""#, r#""kind":"refund""#, "kind: unknown variant `refund`"),
    ("reversal", r#""kind":"reversal""#, r#""kind":"Reversal""#, "kind: unknown variant `Reversal`"),
    ("reversal", r#""kind":"reversal""#, r#""kind":{"reversal":null}"#, "kind: invalid type: map"),
    ("reversal", r#""kind":"reversal""#, r#""kind":6"#, "kind: invalid type: integer"),
    ("reversal", "2026-11-21T14:00:00Z", "2026-11-21", "event_time: a time is written as in"),
    ("reversal", "2026-11-21T14:00:00Z", "9999-01-01T00:00:00Z", "event_time: a time lies between"),
    ("reversal", "2026-11-21T14:00:00Z", "1969-12-31T23:59:59Z", "event_time: a time lies between"),
    ("reversal", "2026-11-21T14:00:00Z", "2026-11-21T14:00:00.000001Z", "event_time: a time has at most three decimals"),
    ("reversal", "2026-11-21T14:00:00Z", "2026-12-31T23:59:60Z", "event_time: a time has no leap second"),
    ("reversal", r#""2026-11-21T14:00:00Z""#, "1795269600000", "event_time: invalid type: integer"),
    ("reversal", r#""tenant""#, r#""commitment":"ab","tenant""#, "commitment: expected 64 lower-case"),
    ("reversal", r#""body":{"#, r#""body":{},"body":{"#, "duplicate field `body`"),
];

#[rustfmt::skip]
const BODIES: [Row; 139] = [
    ("reversal", r#""amount":"2.50""#, r#""amount":2.5"#, "body.amount: invalid type: floating point `2.5`, expected an amount as a decimal string"),
    ("reversal", r#""amount":"2.50""#, r#""amount":2"#, "body.amount: invalid type: integer `2`"),
    ("reversal", r#""amount":"2.50""#, r#""amount":NaN"#, "body: expected value"),
    ("reversal", r#""amount":"2.50""#, r#""amount":1e999"#, "body.amount: "),
    ("reversal", r#""amount":"2.50""#, r#""amount":99999999999999999999999999"#, "body.amount: invalid type: "),
    ("reversal", r#""amount":"2.50""#, r#""amount":null"#, "body.amount: invalid type: null"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"NaN""#, "body.amount: an amount is a string of digits"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"-2.50""#, "body.amount: an amount is a string of digits"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"2,50""#, "body.amount: an amount is a string of digits"),
    ("reversal", r#""amount":"2.50""#, r#""amount":" 2.50""#, "body.amount: an amount is a string of digits"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"1e2""#, "body.amount: an amount is a string of digits"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"2.501""#, "body.amount: EUR has 2 decimals on this ledger, this amount has 3"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"92233720368547758.08""#, "body.amount: amount is too large"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"999999999999999999999999""#, "body.amount: amount is too large"),
    ("reversal", r#""amount":"2.50","#, "", "body: missing field `amount`"),
    ("reversal", r#""amount":"2.50""#, r#""amount":"2.50","amount":"2.50""#, "body: duplicate field `amount`"),
    ("reversal", r#""EUR""#, r#""eur""#, "body.currency: a currency code is three to eight"),
    ("reversal", r#""EUR""#, r#""CHF""#, "body.amount: currency CHF is not in the chain spec"),
    ("reversal", r#""EUR""#, "978", "body.currency: invalid type: integer"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":"because""#, "body.reason: unknown variant `because`"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":{"returned_item":null}"#, "body.reason: invalid type: map"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":null"#, "body.reason: invalid type: null"),
    ("reversal", r#","reason":"returned_item""#, "", "body: missing field `reason`"),
    ("reversal", r#""commission""#, r#""note":"x","commission""#, "body: unknown field `note`"),
    ("transaction", r#""action":"sale""#, r#""action":"theft""#, "body.action: unknown variant `theft`"),
    ("transaction", r#""action":"sale""#, r#""action":"sale","click_ref":"""#, "body.click_ref: an identifier can't be empty"),
    ("transaction", r#""action":"sale""#, r#""action":"sale","link_ref":5"#, "body.link_ref: invalid type: integer"),
("decision", r#"{"type":"approve"}"#, r#"{"type":"approve","reason":"goodwill"}"#, "body.verdict: `approve` has no `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"lock","locking_date":"2027-01-01T00:00:00Z"}"#, "body.verdict: `lock` has no `locking_date`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"approve","note":1}"#, "body.verdict: unknown field `note`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"decline"}"#, "body.verdict: `decline` needs `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"decline","reason":null}"#, "body.verdict: `decline` needs `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"extend","reason":"goodwill"}"#, "body.verdict: `extend` needs `locking_date`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"extend","locking_date":"2027-01-01T00:00:00Z","reason":"goodwill"}"#, "body.verdict: `extend` has no `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"extend","locking_date":"soon"}"#, "body.verdict.locking_date: a time is written"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"approve","reason":"because"}"#, "body.verdict.reason: unknown variant `because`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"approve","type":"lock"}"#, "body.verdict: duplicate field `type`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"decline","reason":"goodwill","reason":"goodwill"}"#, "body.verdict: duplicate field `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"pay"}"#, "body.verdict.type: unknown variant `pay`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"Approve"}"#, "body.verdict.type: unknown variant `Approve`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":{"approve":null}}"#, "body.verdict.type: invalid type: map"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":null}"#, "body.verdict.type: invalid type: null"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":1}"#, "body.verdict.type: invalid type: integer"),
    ("decision", r#"{"type":"approve"}"#, r#""approve""#, "body.verdict: invalid type: string"),
    ("decision", r#"{"type":"approve"}"#, r#"["approve"]"#, "body.verdict: invalid type: sequence"),
    ("decision", r#"{"type":"approve"}"#, "null", "body.verdict: invalid type: null"),
    ("decision", r#"{"type":"approve"}"#, "{}", "body.verdict: missing field `type`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"reason":"goodwill"}"#, "body.verdict: missing field `type`"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":"75000""#, "body.rules[0].reward.ppm: invalid type: string"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":7.5"#, "body.rules[0].reward.ppm: invalid type: floating point"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":4294967296"#, "body.rules[0].reward.ppm: invalid value"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":-1"#, "body.rules[0].reward.ppm: invalid value"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":1,"amount":"1""#, "body.rules[0].reward: `percent` has no `amount`"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":1,"counts":[]"#, "body.rules[0].reward: `percent` has no `counts`"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":1,"currency":"eur""#, "body.rules[0].reward.currency: a currency code"),
    ("program_terms", r#"{"ppm":75000,"type":"percent"}"#, r#"["percent",75000]"#, "body.rules[0].reward: invalid type: sequence"),
    ("program_terms", r#"{"ppm":75000,"type":"percent"}"#, r#"{"type":"fixed","amount":"1"}"#, "body.rules[0].reward: `fixed` needs `currency`"),
    ("program_terms", r#"{"ppm":75000,"type":"percent"}"#, r#"{"type":"count_tiers","period":"ever"}"#, "body.rules[0].reward: `count_tiers` needs `counts`"),
    ("program_terms", r#"{"ppm":75000,"type":"percent"}"#, r#"{"type":"count_tiers","period":"week","counts":[]}"#, "body.rules[0].reward.period: unknown variant `week`"),
    ("program_terms", r#"{"ppm":75000,"type":"percent"}"#, r#"{"type":"count_tiers","period":"ever","counts":[{"from":"0","rate":{"type":"percent","ppm":1}}]}"#, "body.rules[0].reward.counts[0].from: invalid type: string"),
    ("program_terms", r#"{"ppm":1,"type":"percent"}"#, r#"{"type":"count_tiers","ppm":1}"#, "body.rules[1].reward.volumes[0].rate.type: unknown variant `count_tiers`"),
    ("program_terms", r#""from":"8.00""#, r#""from":8"#, "body.rules[1].reward.volumes[1].from: invalid type: integer"),
    ("program_terms", r#""amount":"3.00""#, r#""amount":"3.001""#, "body.rules[1].reward.volumes[1].rate.amount: EUR has 2 decimals"),
    ("program_terms", r#""per":"part""#, r#""per":"day""#, "body.rules[1].cap.per: unknown variant `day`"),
    ("program_terms", r#""override_ppm":[5,6]"#, r#""override_ppm":[5,-6]"#, "body.rules[0].override_ppm[1]: invalid value"),
    ("program_terms", r#""override_ppm":[5,6]"#, r#""override_ppm":null"#, "body.rules[0].override_ppm: invalid type: null"),
    ("program_terms", r#""actions":["sale","lead"]"#, r#""actions":["sale","theft"]"#, "body.actions[1]: unknown variant `theft`"),
    ("program_terms", r#""actions":["sale","lead"]"#, r#""actions":"sale""#, "body.actions: invalid type: string"),
    ("program_terms", r#""days":30"#, r#""days":-1"#, "body.locking.days: invalid value"),
    ("program_terms", r#""days":30"#, r#""days":65536"#, "body.locking.days: invalid value"),
    ("program_terms", r#""days":30"#, r#""days":30,"day":1"#, "body.locking: `days` has no `day`"),
    ("program_terms", r#"{"days":30,"type":"days"}"#, r#"{"type":"month_day","day":1}"#, "body.locking: `month_day` needs `months`"),
    ("program_terms", r#"{"days":30,"type":"days"}"#, r#"{"type":"month_day","day":1,"months":256}"#, "body.locking.months: invalid value"),
    ("program_terms", r#"{"days":30,"type":"days"}"#, r#"{"type":"immediate","days":0}"#, "body.locking: `immediate` has no `days`"),
    ("program_terms", r#"{"days":30,"type":"days"}"#, "30", "body.locking: invalid type: integer"),
    ("program_terms", r#""version":1"#, r#""version":1.0"#, "body.version: invalid type: floating point"),
    ("transaction", r#""quantity":2"#, r#""quantity":4294967296"#, "body.items[1].quantity: invalid value"),
    ("transaction", r#""quantity":2"#, r#""quantity":"2""#, "body.items[1].quantity: invalid type: string"),
    ("transaction", r#""amount":"7.00""#, r#""amount":7"#, "body.items[1].amount: invalid type: integer"),
    ("transaction", r#""amount":"7.00""#, r#""amount":"7.001""#, "body.items[1].amount: EUR has 2 decimals"),
    ("transaction", r#""commission_group":"shoes""#, r#""commission_group":"the shoes""#, "body.items[1].commission_group: an identifier is made"),
    ("transaction", r#""rate":"163.215000000""#, r#""rate":163.215"#, "body.fx.rate: invalid type: floating point"),
    ("transaction", r#""rate":"163.215000000""#, r#""rate":"163.2150000000""#, "body.fx.rate: a rate is a decimal string of at most nine decimals"),
    ("transaction", r#""rate":"163.215000000""#, r#""rate":"18446744073.709551616""#, "body.fx.rate: a rate is"),
    ("transaction", r#""rate":"163.215000000""#, r#""rate":"-1""#, "body.fx.rate: an amount is a string of digits"),
    ("transaction", r#""to":"JPY""#, r#""into":"JPY""#, "body.fx: unknown field `into`"),
    ("transaction", r#""at":"2026-11-21T00:00:00Z""#, r#""at":"2026-11-21""#, "body.fx.at: a time is written"),
    ("commission", r#""share_ppm":500000"#, r#""share_ppm":500000,"level":1"#, "body.role: `direct` has no `level`"),
    ("commission", r#""share_ppm":500000"#, r#""share_ppm":"half""#, "body.role.share_ppm: invalid type: string"),
    ("commission", r#"{"share_ppm":500000,"type":"direct"}"#, r#"{"type":"direct"}"#, "body.role: `direct` needs `share_ppm`"),
    ("commission", r#"{"share_ppm":500000,"type":"direct"}"#, r#"{"type":"override","of":"C-1"}"#, "body.role: `override` needs `level`"),
    ("commission", r#"{"share_ppm":500000,"type":"direct"}"#, r#"{"type":"override","of":"C-1","level":256}"#, "body.role.level: invalid value"),
    ("commission", r#""rule":1"#, r#""rule":65536"#, "body.rule: invalid value"),
    ("commission", r#""fee":"10""#, r#""fee":"10.0""#, "body.fee: JPY has 0 decimals"),
    ("amendment", r#""old":"2.00""#, r#""old":"2.001""#, "body.old: EUR has 2 decimals"),
    ("amendment", r#"{"commission":"C-1","type":"commission"}"#, r#"{"type":"transaction","commission":"C-1"}"#, "body.of: `transaction` needs `transaction`"),
    ("amendment", r#"{"commission":"C-1","type":"commission"}"#, r#"{"type":"commission","commission":"C-1","commission_group":"x"}"#, "body.of: `commission` has no `commission_group`"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":"returned_item","refund":{"currency":"EUR"}"#, "body.refund: missing field `amount`"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":"returned_item","refund":{"currency":"JPY","amount":"1.5"}"#, "body.refund.amount: JPY has 0 decimals"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":"returned_item","refund":{"currency":"EUR","amount":"1","items":[{"item":"a","quantity":-1}]}"#, "body.refund.items[0].quantity: invalid value"),
    ("adjustment", r#""effect":"debit""#, r#""effect":"Debit""#, "body.effect: unknown variant `Debit`"),
    ("adjustment", r#""effect":"debit""#, r#""effect":-1"#, "body.effect: invalid type: integer"),
    ("adjustment", r#""kind":"commission""#, r#""kind":"spec""#, "body.related.kind: unknown variant `spec`"),
    ("adjustment", r#"{"external_id":"C-1","kind":"commission"}"#, r#""C-1""#, "body.related: invalid type: string"),
    ("inquiry", r#"{"type":"untracked"}"#, r#"{"type":"untracked","commission":"C-1"}"#, "body.claim: `untracked` has no `commission`"),
    ("inquiry", r#"{"type":"untracked"}"#, r#"{"type":"incorrect"}"#, "body.claim: `incorrect` needs `commission`"),
    ("inquiry", r#"{"type":"untracked"}"#, r#"{"type":"declined","commission":"C-1","order_ref":"o"}"#, "body.claim: `declined` has no `order_ref`"),
    ("inquiry_resolution", r#"{"type":"valid"}"#, r#"{"type":"valid","reason":"goodwill"}"#, "body.outcome: `valid` has no `reason`"),
    ("inquiry_resolution", r#"{"type":"valid"}"#, r#"{"type":"declined"}"#, "body.outcome: `declined` needs `reason`"),
    ("funding", r#""amount":"3.00""#, r#""amount":"3.001""#, "body.lines[1].amount: EUR has 2 decimals"),
    ("funding", r#""received":"9.00""#, r#""received":9"#, "body.received: invalid type: integer"),
    ("payout", r#""amount":"0.02""#, r#""amount":"0.001""#, "body.lines[1].amount: EUR has 2 decimals"),
    ("payout", r#""amount":"0.02""#, r#""amount":1"#, "body.lines[1].amount: invalid type: integer"),
    ("payout", r#""type":"fee""#, r#""type":"fee","commission":"C-1""#, "body.lines[1]: `fee` has no `commission`"),
    ("payout", r#""type":"fee""#, r#""type":"adjustment""#, "body.lines[1]: `adjustment` needs `adjustment`"),
    ("payout", r#""type":"fee""#, r#""type":"tip""#, "body.lines[1].type: unknown variant `tip`"),
    ("payout", r#""type":"fee""#, r#""type":"carried_forward""#, "body.lines[1]: `carried_forward` needs `effect`"),
    ("payout", r#"{"amount":"0.02","type":"fee"}"#, r#"["fee","0.02"]"#, "body.lines[1]: invalid type: sequence"),
    ("payout", r#"{"amount":"0.02","type":"fee"}"#, "null", "body.lines[1]: invalid type: null"),
    ("payout", r#""lines":["#, r#""0":["#, "body"),
    ("payout", r#""lines":["#, r#""total":5,"lines":["#, "body.total: invalid type: integer"),
    ("payout", r#""lines":["#, r#""total":"5.001","lines":["#, "body.total: EUR has 2 decimals"),
    ("payout_event", r#"{"type":"sent"}"#, r#"{"type":"completed","payment_ref":"x"}"#, "body.event: `completed` has no `payment_ref`"),
    ("payout_event", r#"{"type":"sent"}"#, r#"{"type":"sent","payment_ref":""}"#, "body.event.payment_ref: an identifier can't be empty"),
    ("affiliate_upline", r#""upline":"bob""#, r#""upline":"""#, "body.upline: an identifier can't be empty"),
    ("opening_balance", r#""type":"merchant""#, r#""type":"merchant","affiliate":"ann""#, "body.balance: `merchant` has no `affiliate`"),
    ("opening_balance", r#""type":"merchant""#, r#""type":"commission","affiliate":"ann""#, "body.balance: `commission` needs `state`"),
    ("opening_balance", r#""type":"merchant""#, r#""type":"commission","affiliate":"ann","state":"paid""#, "body.balance.state: unknown variant `paid`"),
    ("opening_balance", r#""amount":"1.00""#, r#""amount":"1.001""#, "body.balance.amount: EUR has 2 decimals"),
    ("erasure_notice", r#""kind":"transaction""#, r#""kind":2"#, "body.entry.kind: invalid type: integer"),
    ("spec_change", r#""number":2"#, r#""number":4294967296"#, "body.number: invalid value"),
    ("spec_change", r#""number":2"#, r#""number":2,"currencies":{"CHF":2,"CHF":2}"#, "body.currencies: CHF stands there twice"),
    ("spec_change", r#""number":2"#, r#""number":2,"currencies":{"CHF":256}"#, "body.currencies.CHF: invalid value"),
    ("spec_change", r#""number":2"#, r#""number":2,"currencies":["CHF"]"#, "body.currencies: invalid type: sequence, expected a table"),
    ("spec_change", r#""number":2"#, r#""number":2,"name":"Other""#, "body: unknown field `name`"),
    ("spec_change", r#""quorum":1"#, r#""quorum":65536"#, "body.governance.quorum: invalid value"),
    ("spec_change", "efef", "EFEF", "body.signatures[0].signature: a signature is 128"),
    ("spec_change", "efef", "ef", "body.signatures[0].signature: a signature is 128"),
    ("spec_change", "d75a", "D75A", "body.authorities[0]: a public key is 64"),
];

#[test]
fn bad_texts_are_refused_by_the_name_of_the_field() {
    let mut wrong = Vec::new();
    for (kind, from, to, message) in ENVELOPES.into_iter().chain(BODIES) {
        let text = replaced(&text_of(kind).to_string(), from, to);
        match parse(&text, &currencies()) {
            Ok(entry) => wrong.push(format!("{text} was read as {entry:?}")),
            Err(error) if error.to_string().starts_with(message) => {}
            Err(error) => wrong.push(format!("{message:?} expected, {error:?} found, for {text}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let longest = text_of("reversal").to_string();
    let with_id = |length: usize| replaced(&longest, "X-1", &"x".repeat(length));
    assert!(parse(&with_id(128), &currencies()).is_ok());
    let refused = parse(&with_id(129), &currencies()).unwrap_err().to_string();
    assert_eq!(refused, "external_id: an identifier has at most 128 characters, this has 129");
}

#[test]
fn texts_that_are_no_entry_at_all() {
    let text = text_of("reversal").to_string();
    let as_array = r#"["acme","reversal","X-1","2026-11-21T14:00:00Z",null,{}]"#;
    let brackets = "[".repeat(100_000);
    let in_body = format!("{}]", replaced(&text, r#""body":"#, &format!(r#""body":{brackets}"#)));
    let objects = r#"{"body":"#.repeat(10_000);
    let closed = replaced(
        &text,
        r#""amount":"2.50""#,
        &format!(r#""amount":{brackets}{}"#, "]".repeat(100_000)),
    );
    let cases = [
        ("", "EOF while parsing a value at line 1 column 0"),
        (" ", "EOF while parsing a value"),
        ("null", "invalid type: null"),
        ("{", "EOF while parsing an object"),
        ("nonsense", "expected ident"),
        ("[]", "invalid type: sequence"),
        (as_array, "invalid type: sequence"),
        (brackets.as_str(), "invalid type: sequence"),
        (in_body.as_str(), "expected"),
        (objects.as_str(), "body: EOF while parsing"),
        (closed.as_str(), "body.amount: invalid type: sequence"),
        ("{\"tenant\":\"a\u{b}\"}", "tenant: control character"),
    ];
    for (text, message) in cases {
        let error = parse(text, &currencies()).unwrap_err().to_string();
        let shown: String = text.chars().take(100).collect();
        assert!(error.contains(message), "{message:?} is not in {error:?}, for {shown}");
    }
    for length in 0..text.len() {
        assert!(parse(&text[..length], &currencies()).is_err(), "cut to {length}");
    }
    for (altered, message) in [
        (format!("\u{feff}{text}"), "expected value at line 1 column 1"),
        (format!("{text}{text}"), "trailing characters"),
        (format!("{text},"), "trailing characters"),
        (format!("{text}\0"), "trailing characters"),
        (text.replace(r#""amount""#, "'amount'"), "key must be a string"),
        (text.replace(r#","reason""#, r#",,"reason""#), "key must be a string"),
        (text.replace('}', ",}"), "key must be a string"),
    ] {
        let error = parse(&altered, &currencies()).unwrap_err().to_string();
        assert!(error.contains(message), "{message:?} is not in {error:?}");
    }
}

#[test]
fn the_length_of_text_and_message_is_bounded() {
    let text = text_of("reversal").to_string();
    let padded = |length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    assert!(parse(&padded(MAX_ENTRY_TEXT_BYTES), &currencies()).is_ok());
    for length in [MAX_ENTRY_TEXT_BYTES + 1, 300_000] {
        assert_eq!(parse(&padded(length), &currencies()), Err(TextError::TooLong(length)));
    }
    // A message quotes what is unknown, but not two hundred kilobytes of it, nor its controls.
    let long = replaced(&text, "tenant", &"\\u001b[2J".repeat(20_000));
    let error = parse(&long, &currencies()).unwrap_err().to_string();
    assert!(error.starts_with("unknown field") && error.chars().count() <= 400, "{error}");
    assert!(!error.chars().any(char::is_control), "{error:?}");
}

#[test]
fn an_entry_of_an_unknown_currency_is_not_written() {
    let text = text_of("reversal").to_string();
    let entry = parse(&text, &currencies()).unwrap();
    let others = Currencies::new([(Currency::new("JPY").unwrap(), 0)]);
    assert!(EntryText::new(&entry, &others).is_err());
}

/// Changes in a text: where, how much is cut, and what is put in.
fn changed(text: &str, changes: &[(prop::sample::Index, usize, String)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, cut, put) in changes {
        let start = place.index(characters.len() + 1);
        let end = (start + cut).min(characters.len());
        characters.splice(start..end, put.chars());
    }
    characters.into_iter().collect()
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = parse(&text, &currencies());
    }

    #[test]
    fn any_json_is_read_or_refused(text in r#"([\[\]{},:]|"[a-z_]{0,9}"|null|-?[0-9.e]{1,9}|\\u[0-9a-f]{4}| ){0,60}"#) {
        let _ = parse(&text, &currencies());
    }

    #[test]
    fn what_is_read_of_an_altered_text_is_written_back(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..3usize, r#"[\PC\[\]{}",:0-9a-z\\]{0,3}"#), 1..4,
        ),
    ) {
        let text = changed(&pick.get(&TEXTS).to_string(), &changes);
        if let Ok(entry) = parse(&text, &currencies()) {
            let written = EntryText::new(&entry, &currencies()).unwrap();
            let written = serde_json::to_string(&written).unwrap();
            prop_assert_eq!(parse(&written, &currencies()), Ok(entry));
        }
    }
}
