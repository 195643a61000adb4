//! FORMAT.md says what the code does: everything with a name or a number in the one stands in the
//! other, and its examples are the code's own bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use counterfoil::protocol::block::MAX_BLOCK_WIRE_BYTES;
use counterfoil::protocol::checkpoint::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES};
use counterfoil::protocol::codec;
use counterfoil::protocol::entry::{
    Action, CapPer, Effect, ImportedState, Kind, MAX_FUNDING_LINES, MAX_OVERRIDE_LEVELS,
    MAX_PAYOUT_LINES, MAX_REFUND_ITEMS, MAX_REWARD_TIERS, MAX_TERMS_RULES, MAX_TRANSACTION_ITEMS,
    Period, Reason,
};
use counterfoil::protocol::hash::Domain;
use counterfoil::protocol::id::MAX_ID_BYTES;
use counterfoil::protocol::money::{Amount, MAX_SCALE_DIGITS, PPM_WHOLE};
use counterfoil::protocol::receipt::MAX_RECEIPT_BYTES;
use counterfoil::protocol::rules::{
    CommissionState, MAX_UPLINE_DEPTH, PayoutState, PayoutStep, Refusal, Step,
};
use counterfoil::protocol::spec::{
    MAX_BLOCK_BYTES, MAX_BLOCK_ENTRIES, MAX_LEAF_BYTES, MAX_LIST_ITEMS, MAX_SPEC_BYTES,
};
use counterfoil::protocol::time::{DAY_MS, Timestamp};
use counterfoil::protocol::tree::MAX_PROOF_HASHES;
use serde_json::Value;

const FORMAT: &str = include_str!("../src/protocol/FORMAT.md");

/// The text from one heading to the next of its rank or a higher one.
fn section(heading: &str) -> &'static str {
    let rank = heading.split(' ').next().unwrap();
    let (_, text) = FORMAT.split_once(&format!("\n{heading}\n")).expect(heading);
    let higher = |line: &&str| line.starts_with('#') && line.split(' ').next().unwrap() <= rank;
    let end = text.lines().find(higher).map_or(text.len(), |line| text.find(line).unwrap());
    &text[..end]
}

/// The cells of each row of the tables in `text`, without code marks.
fn rows(text: &'static str) -> Vec<Vec<String>> {
    text.lines()
        // A row whose first cell is empty says nothing by itself.
        .filter(|line| !line.starts_with("| |"))
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").map(|cell| cell.replace('`', "")).collect())
        .collect()
}

/// What stands between quotes after `=> ` in a source.
fn arms(source: &str) -> BTreeSet<String> {
    let arm = |line: &str| Some(line.split_once("=> \"")?.1.strip_suffix("\",")?.to_owned());
    source.lines().filter_map(arm).collect()
}

#[test]
fn every_hash_context_stands_there() {
    let contexts = arms(include_str!("../src/protocol/hash.rs"));
    assert!(contexts.contains(Domain::Chain.context()), "{contexts:?}");
    let table: BTreeSet<String> =
        rows(section("## 3. Hashes")).into_iter().skip(1).map(|row| row[1].clone()).collect();
    assert_eq!(table, contexts);
}

/// The numbers that decode to a `T`, each with the name that it has in JSON.
fn numbered<T: bincode::Encode + bincode::Decode<()> + serde::Serialize>() -> Vec<(u8, String)> {
    let named = |number| {
        let value: T = codec::decode(&[number], 1).ok()?;
        Some((number, serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()))
    };
    (0..=u8::MAX).filter_map(named).collect()
}

#[test]
fn every_kind_stands_there_and_no_other() {
    let of_kinds = |row: &Vec<String>| row.len() == 6 && row[0].parse::<u8>().is_ok();
    let table: Vec<_> = rows(section("## 5. Entries")).into_iter().filter(of_kinds).collect();
    let mut kinds: Vec<_> = table
        .iter()
        .flat_map(|row| row.chunks(3))
        .map(|cells| (cells[0].parse::<u8>().unwrap(), cells[1].clone(), cells[2].clone()))
        .collect();
    kinds.sort_unstable();
    let named: Vec<_> = kinds.iter().map(|(number, name, _)| (*number, name.clone())).collect();
    assert_eq!(named, numbered::<Kind>());
    let rules = section("## 13. Rules, version 1");
    for (_, name, place) in kinds {
        assert!(FORMAT.contains(&format!("\n### {place} `{name}`: ")), "{name} isn't in {place}");
        let heading =
            |line: &&str| line.starts_with("### 13.") && line.contains(&format!("`{name}`"));
        assert_eq!(rules.lines().filter(heading).count(), 1, "no rules for {name}");
    }
}

#[test]
fn every_reason_stands_there_and_no_other() {
    let table = rows(section("### 5.16 Reasons"));
    let pairs = table.iter().skip(1).flat_map(|row| row.chunks(2));
    let mut reasons: Vec<(u8, String)> =
        pairs.map(|pair| (pair[0].parse().unwrap(), pair[1].clone())).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, numbered::<Reason>());
}

/// Enums without fields, which stand in a sentence each.
#[test]
fn every_choice_stands_there() {
    fn listed<T: bincode::Encode + bincode::Decode<()> + serde::Serialize>() -> String {
        let names = numbered::<T>();
        let names: Vec<_> =
            names.iter().map(|(number, name)| format!("{number} `{name}`")).collect();
        names.join(", ")
    }
    let text = section("## 5. Entries").replace('\n', " ");
    assert!(text.contains(&format!("`action`: {}.", listed::<Action>())));
    assert!(text.contains(&format!("`state`: enum, {};", listed::<ImportedState>())));
    assert_eq!(listed::<Effect>(), "1 `credit`, 2 `debit`");
    assert!(text.contains("enum: 1 `credit`, for the affiliate; 2 `debit`, against"));
    assert_eq!(listed::<Period>(), "1 `month`, 2 `ever`");
    assert!(text.contains("enum: 1 `month`, the calendar month") && text.contains("; 2 `ever`."));
    assert_eq!(listed::<CapPer>(), "1 `month`, 2 `ever`, 3 `part`");
    assert!(text.contains("enum: 1 `month`, 2 `ever`, as of a period; 3 `part`"));
}

/// Enums with fields have a table each: number, name, and fields, none of which is missing.
#[test]
fn every_variant_stands_there_with_its_fields() {
    // The names under `type` at this place of the vectors, with the members beside them.
    let variants = |kind: &str, place: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = path.join(format!("tests/vectors/entry-{kind}.json"));
        let vectors: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        for case in vectors["cases"].as_array().unwrap() {
            let mut places = vec![&case["input"]["body"]];
            for member in place.split('.') {
                places = places
                    .into_iter()
                    .flat_map(|value| match &value[member] {
                        Value::Array(items) => items.iter().collect(),
                        other => vec![other],
                    })
                    .collect();
            }
            for value in places {
                let fields = found.entry(value["type"].as_str().unwrap().to_owned()).or_default();
                fields.extend(value.as_object().unwrap().keys().cloned());
            }
        }
        found
    };
    let tables = [
        ("5.1", "program_terms", "locking"),
        ("5.1", "program_terms", "rules.reward"),
        ("5.3", "commission", "role"),
        ("5.4", "decision", "verdict"),
        ("5.5", "amendment", "of"),
        ("5.8", "inquiry", "claim"),
        ("5.11", "payout", "lines"),
        ("5.14", "opening_balance", "balance"),
    ];
    for (number, kind, place) in tables {
        let heading = FORMAT.lines().find(|line| line.starts_with(&format!("### {number} ")));
        let table = rows(section(heading.unwrap()));
        for (name, fields) in variants(kind, place) {
            let row = table.iter().find(|row| row.len() >= 3 && row[1] == name);
            let row = row.unwrap_or_else(|| panic!("{number} has no {place} {name}"));
            for field in fields.iter().filter(|field| *field != "type") {
                let says = row[2]
                    .split(|character: char| !(character.is_alphanumeric() || character == '_'));
                assert!(
                    says.into_iter().any(|word| word == field),
                    "{number}: {name} without {field}"
                );
            }
        }
    }
}

#[test]
fn every_rule_stands_there_and_no_other() {
    let rules: BTreeSet<String> = Refusal::RULES.iter().map(|rule| (*rule).to_owned()).collect();
    let table = rows(section("## 13. Rules, version 1"));
    // In tables of two columns, under such a heading.
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let named = table.iter().filter(|row| row.len() == 2 && row[0] != "rule" && plain(&row[0]));
    let named: BTreeSet<String> = named.map(|row| row[0].clone()).collect();
    assert_eq!(named, rules);
}

/// The rows of a table of section 13.2 that begins so.
fn life(header: &[&str]) -> Vec<Vec<String>> {
    let mut table = rows(section("### 13.2 A commission's life")).into_iter();
    table.by_ref().find(|row| row == header).expect("the header");
    table.take_while(|row| row.len() == header.len()).collect()
}

#[test]
fn the_table_of_a_commissions_life_is_the_codes() {
    use Step::{
        Adjust, Amend, Approve, Complete, Decline, Extend, Fail, Fund, Lock, Pay, Reopen, Return,
        Reverse,
    };
    let steps = [
        Approve, Decline, Extend, Lock, Reverse, Amend, Reopen, Fund, Pay, Complete, Fail, Return,
        Adjust,
    ];
    let mut expected = BTreeSet::new();
    for from in CommissionState::ALL {
        for step in steps {
            if let Ok(to) = from.after(step) {
                let name = format!("{step:?}").to_lowercase();
                expected.insert(vec![from.to_string(), name, to.to_string()]);
            }
        }
    }
    let table = life(&["from", "step", "to"]);
    assert_eq!(table.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(table), expected);
}

#[test]
fn the_table_of_a_payouts_life_is_the_codes() {
    use PayoutStep::{Close, Complete, Fail, Return, Send};
    let mut expected = BTreeSet::new();
    for from in PayoutState::ALL {
        for step in [Close, Send, Complete, Fail, Return] {
            if let Ok(to) = from.after(step) {
                let (name, meanwhile) = (format!("{step:?}").to_lowercase(), to.of_commissions());
                expected.insert(vec![
                    from.as_str().to_owned(),
                    name,
                    to.as_str().to_owned(),
                    meanwhile.to_string(),
                ]);
            }
        }
    }
    assert!(FORMAT.contains("\n| | its first entry | open | in_payout |\n"));
    let table = life(&["from", "step", "to", "its commissions are"]);
    assert_eq!(table.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(table), expected);
}

#[test]
fn the_examples_of_integers_are_the_codes() {
    let mut table = rows(section("## 2. Types"));
    table.retain(|row| row.len() == 2 && row[0].bytes().all(|byte| byte.is_ascii_digit()));
    assert!(table.len() >= 10, "{table:?}");
    for row in table {
        let value: u64 = row[0].parse().unwrap();
        assert_eq!(row[1], hex::encode(codec::encode(&value)), "{value}");
    }
}

/// Each example is the output of a vector: a leaf in hexadecimal with remarks, or a note as it is.
#[test]
fn the_examples_are_vectors() {
    let examples: Vec<&str> = FORMAT.split("```example ").skip(1).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let (title, body) = example.split_once('\n').unwrap();
        let (file, case) = title.split_once(' ').unwrap();
        let body = body.split("```").next().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
        let vectors: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        let found = cases.iter().find(|vector| vector["case"] == case.trim_matches('"'));
        let output = &found.unwrap_or_else(|| panic!("{file} has no {case}"))["output"];
        if let Some(leaf) = output["leaf"].as_str() {
            let bytes = body.lines().map(|line| line.split("  ").next().unwrap());
            assert_eq!(bytes.collect::<String>().replace(' ', ""), leaf, "{title}");
        } else {
            assert_eq!(body, output["note"].as_str().unwrap(), "{title}");
        }
    }
}

#[test]
fn every_bound_stands_there() {
    let bounds = [
        format!("1 to {MAX_ID_BYTES} bytes, each 21 to 7E"),
        format!("0 to {} ({})", Timestamp::MAX.as_millis(), Timestamp::MAX),
        format!("0 to {} (2^63 − 1)", Amount::MAX.units()),
        format!("A leaf is an enum of 1 to {} bytes", grouped(MAX_LEAF_BYTES)),
        format!("| 1 to {MAX_BLOCK_ENTRIES} |"),
        format!("| {MAX_LEAF_BYTES} to {MAX_BLOCK_BYTES} |"),
        format!("| 0 to {DAY_MS} |"),
        format!("up to {MAX_LIST_ITEMS}, no key twice"),
        format!("0 to {MAX_SCALE_DIGITS}): how many decimals"),
        format!("at most {} bytes.", grouped(MAX_SPEC_BYTES)),
        format!("{} bytes; names are", grouped(MAX_NOTE_BYTES)),
        format!("1 to {MAX_NOTE_SIGNATURES} signature lines"),
        format!("A proof has at most {MAX_PROOF_HASHES} hashes"),
        format!("A struct, at most {} bytes", grouped(MAX_BLOCK_WIRE_BYTES)),
        format!("of at most {} bytes that proves", grouped(MAX_RECEIPT_BYTES)),
        format!("1 to {MAX_PAYOUT_LINES} lines"),
        format!("| `list-length` | at most {MAX_FUNDING_LINES} lines |"),
        format!("| `list-length` | at most {MAX_TRANSACTION_ITEMS} items |"),
        format!("1 to {} `actions`", Action::ALL.len()),
        format!("1 to {MAX_TERMS_RULES} `rules`"),
        format!("1 to {MAX_REWARD_TIERS} tiers"),
        format!("at most {MAX_OVERRIDE_LEVELS} `override_ppm`"),
        format!("at most {MAX_UPLINE_DEPTH} stand above the affiliate"),
        format!("at most {PPM_WHOLE} ppm"),
    ];
    // One number for both.
    assert_eq!(MAX_REFUND_ITEMS, MAX_TRANSACTION_ITEMS);
    let missing: Vec<_> = bounds.iter().filter(|bound| !FORMAT.contains(*bound)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A number in groups of three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}
