//! The golden vectors in `tests/vectors/`, one file per object: each is checked in both
//! directions, and none may lie there unread. `UPDATE_VECTORS=1` writes the outputs anew.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

#[path = "vectors/objects.rs"]
mod objects;
mod published;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::protocol::rules::Refusal;
use objects::OBJECTS;
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// What `text` says, with the name of the file if it can't be read.
fn read(file: &str) -> Value {
    let path = directory().join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_vector_holds_in_both_directions() {
    let update = std::env::var_os("UPDATE_VECTORS").is_some();
    for object in OBJECTS {
        let mut vectors = read(object.file);
        let given = vectors["assume"].clone();
        let cases = vectors["cases"].as_array_mut().expect("a list of cases");
        assert!(!cases.is_empty(), "{}: no cases", object.file);
        let mut names = BTreeSet::new();
        for case in cases {
            let name = case["case"].as_str().expect("a name").to_owned();
            let place = format!("{}: {name}", object.file);
            assert!(names.insert(name), "{place}: twice");
            let output = (object.forward)(&given, &case["input"]);
            if update {
                case["output"] = output;
            } else {
                assert_eq!(case["output"], output, "{place}: another output");
            }
            if let Some(back) = object.back {
                assert_eq!(case["input"], back(&given, &case["output"]), "{place}: another input");
            }
        }
        if update {
            let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
            fs::write(directory().join(object.file), text).unwrap();
        }
    }
}

#[test]
fn no_vector_lies_unread() {
    let found: BTreeSet<String> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["README.md", "objects.rs", "check.py"].contains(&name.as_str()))
        .collect();
    let read: BTreeSet<String> = OBJECTS.iter().map(|object| object.file.to_owned()).collect();
    assert_eq!(found, read);
}

/// Whoever adds a rule adds a vector that breaks it.
#[test]
fn every_rule_is_broken_by_a_vector() {
    let rules: BTreeSet<&str> = Refusal::RULES.iter().copied().collect();
    let vectors = ["rules.json", "succession.json"].map(read);
    let cases = vectors.iter().flat_map(|vectors| vectors["cases"].as_array().unwrap());
    // A vector of a mebibyte would be no golden one; tests/market/changes.rs breaks that rule.
    let broken: BTreeSet<&str> = cases
        .filter_map(|case| case["output"]["refused"].as_str())
        .chain(["too-many-changes"])
        .collect();
    assert_eq!(rules, broken);
}
