//! FORMAT.md says what the code does: everything with a name or a number in the one stands in the
//! other, and its examples are the code's own bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use counterfoil::protocol::block::MAX_BLOCK_WIRE_BYTES;
use counterfoil::protocol::checkpoint::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES};
use counterfoil::protocol::codec;
use counterfoil::protocol::entry::{Action, Kind, MAX_PAYOUT_LINES, Reason};
use counterfoil::protocol::hash::Domain;
use counterfoil::protocol::id::MAX_ID_BYTES;
use counterfoil::protocol::money::{Amount, MAX_SCALE_DIGITS, PPM_WHOLE};
use counterfoil::protocol::receipt::MAX_RECEIPT_BYTES;
use counterfoil::protocol::rules::{CommissionState, Step};
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
    let mut table = rows(section("## 5. Entries"));
    table.retain(|row| row.len() == 3 && ["below", "kept"].contains(&row[2].as_str()));
    let in_use = table.iter().filter(|row| row[2] == "below");
    let in_use: Vec<_> = in_use.map(|row| (row[0].parse().unwrap(), row[1].clone())).collect();
    assert_eq!(in_use, numbered::<Kind>());
    let numbers: Vec<u8> = table.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    for kind in Kind::ALL {
        assert!(FORMAT.contains(&format!("### `{kind}`\n")), "no rules for {kind}");
    }
}

#[test]
fn every_reason_and_action_stands_there_and_no_other() {
    let table = rows(section("### 5.7 Reasons"));
    let pairs = table.iter().skip(1).flat_map(|row| row.chunks(2));
    let mut reasons: Vec<(u8, String)> =
        pairs.map(|pair| (pair[0].parse().unwrap(), pair[1].clone())).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, numbered::<Reason>());

    let actions = numbered::<Action>();
    let actions: Vec<_> =
        actions.iter().map(|(number, name)| format!("{number} `{name}`")).collect();
    assert!(FORMAT.contains(&format!("`action`: {}.", actions.join(", "))), "{actions:?}");
}

#[test]
fn every_rule_stands_there_and_no_other() {
    let rules = arms(include_str!("../src/protocol/rules/refusal.rs"));
    let table = rows(section("## 13. Rules, version 1"));
    // In tables of two columns, whose first has names with hyphens.
    let named = table.iter().filter(|row| row.len() == 2 && row[0].contains('-'));
    let named: BTreeSet<String> =
        named.map(|row| row[0].clone()).filter(|name| !name.starts_with('-')).collect();
    assert_eq!(named, rules);
}

#[test]
fn the_table_of_a_commissions_life_is_the_codes() {
    use Step::{Approve, Decline, Extend, Lock, Pay, Reverse};
    let steps = [
        ("approve", Approve),
        ("decline", Decline),
        ("extend", Extend),
        ("lock", Lock),
        ("reverse", Reverse),
        ("pay", Pay),
    ];
    let mut expected = Vec::new();
    for (number, from) in numbered::<CommissionState>() {
        let state: CommissionState = codec::decode(&[number], 1).unwrap();
        for (name, step) in steps {
            if let Ok(to) = state.after(step) {
                expected.push(vec![from.clone(), name.to_owned(), to.to_string()]);
            }
        }
    }
    let mut table = rows(section("## 13. Rules, version 1"));
    table.retain(|row| row.len() == 3 && steps.iter().any(|(name, _)| *name == row[1]));
    assert_eq!(table, expected);
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
        format!("at most {PPM_WHOLE} ppm"),
    ];
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
