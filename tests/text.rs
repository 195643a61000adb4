//! Entries in text: what is written is read back, and what is out of form is refused with a
//! message that names the field.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop where it fails")]

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Kind;
use counterfoil::protocol::money::Currency;
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::text::{EntryText, MAX_ENTRY_TEXT_BYTES, TextError, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

fn currencies() -> Currencies {
    let list = [("EUR", 2), ("JPY", 0), ("BTC", 9)];
    Currencies::new(list.map(|(code, scale)| (Currency::new(code).unwrap(), scale)))
}

/// An entry's text around `body`.
fn entry(kind: &str, body: &Value) -> Value {
    json!({
        "tenant": "acme", "kind": kind, "external_id": "X-1",
        "event_time": "2026-11-21T14:00:00Z", "body": body,
    })
}

/// One text for each kind and each shape that it may have.
fn texts() -> Vec<Value> {
    let period = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let mut texts = vec![
        entry(
            "program_terms",
            &json!({
                "merchant": "shop", "program": "main", "version": 1,
                "effective_from": "1970-01-01T00:00:00Z", "locking_days": 30,
                "reward": {"type": "percent", "ppm": 75_000},
            }),
        ),
        entry(
            "program_terms",
            &json!({
                "merchant": "shop", "program": "main", "version": u32::MAX,
                "effective_from": "2026-11-21T14:00:00.001Z",
                "effective_until": "9998-12-31T23:59:59.999Z", "locking_days": u16::MAX,
                "reward": {"type": "fixed", "currency": "BTC", "amount": "9223372036.854775807"},
            }),
        ),
        entry(
            "commission",
            &json!({
                "transaction": "S-1", "terms": "T-1", "affiliate": "ann",
                "currency": "JPY", "amount": "1250",
            }),
        ),
        entry(
            "reversal",
            &json!({
                "commission": "C-1", "currency": "EUR", "amount": "2.50", "reason": "returned_item",
            }),
        ),
        entry(
            "payout",
            &json!({
                "affiliate": "ann", "currency": "EUR",
                "period_from": period.0, "period_until": period.1,
                "lines": [{"commission": "C-1", "amount": "0.01"}],
            }),
        ),
        entry(
            "payout",
            &json!({
                "affiliate": "ann", "currency": "EUR",
                "period_from": period.0, "period_until": period.1, "continues": "P-1",
                "lines": [
                    {"commission": "C-1", "amount": "0.01"}, {"commission": "C-2", "amount": "0.00"},
                ],
                "total": "0.01",
            }),
        ),
    ];
    texts.extend(decisions());
    texts.extend(transactions());
    texts
}

/// A text for each verdict.
fn decisions() -> impl Iterator<Item = Value> {
    let verdicts = [
        json!({"type": "approve"}),
        json!({"type": "decline", "reason": "network_correction"}),
        json!({"type": "extend", "locking_date": "2027-01-01T00:00:00Z"}),
        json!({"type": "lock"}),
    ];
    let text = |verdict| entry("decision", &json!({"commission": "C-1", "verdict": verdict}));
    verdicts.into_iter().map(text)
}

/// A text for each action, and one with everything that may be left out.
fn transactions() -> Vec<Value> {
    let text = |action| {
        let body = json!({
            "order_ref": "order/1#~!<script>", "merchant": "shop", "program": "main",
            "action": action, "currency": "EUR", "amount": "0.00",
        });
        entry("transaction", &body)
    };
    let mut texts = ["sale", "lead", "signup", "subscription"].map(text).to_vec();
    let mut full = text("subscription");
    full["commitment"] = "ab".repeat(32).into();
    for reference in ["link_ref", "campaign_ref", "click_ref"] {
        full["body"][reference] = "r".repeat(128).into();
    }
    texts.push(full);
    texts
}

/// The first text of `kind`.
fn text_of(kind: &str) -> Value {
    texts().into_iter().find(|text| text["kind"] == kind).unwrap()
}

#[test]
fn every_kind_is_written_as_it_is_read() {
    for text in texts() {
        let read = parse(&text.to_string(), &currencies()).unwrap();
        let written = EntryText::new(&read, &currencies()).unwrap();
        assert_eq!(serde_json::to_value(&written).unwrap(), text);
        // On the ledger and back it is still the same.
        let encoded = EncodedEntry::new(read.clone()).unwrap();
        let decoded = EncodedEntry::decode(encoded.leaf().to_vec()).unwrap();
        assert_eq!(decoded.entry(), &read);
    }
    for kind in Kind::ALL {
        assert_eq!(text_of(kind.as_str())["kind"], kind.as_str());
    }
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
const BODIES: [Row; 52] = [
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
    ("reversal", r#""EUR""#, r#""USD""#, "body.amount: currency USD is not in the chain spec"),
    ("reversal", r#""EUR""#, "978", "body.currency: invalid type: integer"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":"because""#, "body.reason: unknown variant `because`"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":{"returned_item":null}"#, "body.reason: invalid type: map"),
    ("reversal", r#""reason":"returned_item""#, r#""reason":null"#, "body.reason: invalid type: null"),
    ("reversal", r#","reason":"returned_item""#, "", "body: missing field `reason`"),
    ("reversal", r#""commission""#, r#""note":"x","commission""#, "body: unknown field `note`"),
    ("transaction", r#""action":"sale""#, r#""action":"theft""#, "body.action: unknown variant `theft`"),
    ("transaction", r#""action":"sale""#, r#""action":"sale","click_ref":"""#, "body.click_ref: an identifier can't be empty"),
    ("transaction", r#""action":"sale""#, r#""action":"sale","link_ref":5"#, "body.link_ref: invalid type: integer"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"approve","reason":"goodwill"}"#, "body.verdict: `decline` has a `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"lock","locking_date":"2027-01-01T00:00:00Z"}"#, "body.verdict: `decline` has a `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"approve","note":1}"#, "body.verdict: unknown field `note`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"decline"}"#, "body.verdict: `decline` has a `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"extend","reason":"goodwill"}"#, "body.verdict: `decline` has a `reason`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"extend","locking_date":"soon"}"#, "body.verdict.locking_date: a time is written"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"approve","type":"lock"}"#, "body.verdict: duplicate field `type`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":"pay"}"#, "body.verdict.type: unknown variant `pay`"),
    ("decision", r#"{"type":"approve"}"#, r#"{"type":{"approve":null}}"#, "body.verdict.type: invalid type: map"),
    ("decision", r#"{"type":"approve"}"#, r#""approve""#, "body.verdict: invalid type: string"),
    ("decision", r#"{"type":"approve"}"#, r#"["approve"]"#, "body.verdict: invalid type: sequence"),
    ("decision", r#"{"type":"approve"}"#, "{}", "body.verdict: missing field `type`"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":"75000""#, "body.reward.ppm: invalid type: string"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":7.5"#, "body.reward.ppm: invalid type: floating point"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":4294967296"#, "body.reward.ppm: invalid value"),
    ("program_terms", r#""ppm":75000"#, r#""ppm":1,"amount":"1""#, "body.reward: `percent` has `ppm`"),
    ("program_terms", r#"{"ppm":75000,"type":"percent"}"#, r#"["percent",75000]"#, "body.reward: invalid type: sequence"),
    ("program_terms", r#""locking_days":30"#, r#""locking_days":-1"#, "body.locking_days: invalid value"),
    ("program_terms", r#""locking_days":30"#, r#""locking_days":65536"#, "body.locking_days: invalid value"),
    ("program_terms", r#""version":1"#, r#""version":1.0"#, "body.version: invalid type: floating point"),
    ("payout", r#""amount":"0.01""#, r#""amount":"0.001""#, "body.lines.amount: EUR has 2 decimals"),
    ("payout", r#""amount":"0.01""#, r#""amount":1"#, "body.lines[0].amount: invalid type: integer"),
    ("payout", r#"{"amount":"0.01","commission":"C-1"}"#, r#"{"amount":"1","commission":"C-1"},["C-1","0.01"]"#, "body.lines[1]: invalid type: sequence"),
    ("payout", "[{", r#"{"0":{"#, "body"),
    ("payout", r#""lines":["#, r#""total":5,"lines":["#, "body.total: invalid type: integer"),
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
        let texts = texts();
        let text = changed(&pick.get(&texts).to_string(), &changes);
        if let Ok(entry) = parse(&text, &currencies()) {
            let written = EntryText::new(&entry, &currencies()).unwrap();
            let written = serde_json::to_string(&written).unwrap();
            prop_assert_eq!(parse(&written, &currencies()), Ok(entry));
        }
    }
}
