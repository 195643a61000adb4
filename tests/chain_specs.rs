//! Chain specs: those that come with the program are good, and a bad one is refused with the
//! name of what is wrong in it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::spec::{ChainSpec, MAX_LIST_ITEMS, MAX_SPEC_BYTES};
use jsonschema::Validator;
use zeroize::Zeroizing;

/// Each chain spec in `chain-spec/` and its chain id. A change of the id is a change of format.
const CHAINS: [(&str, &str); 2] = [
    ("dev.toml", "64149112e713483c25f8e8216eafb36859997941c5a51d8fdd208b682e0d7933"),
    ("example.toml", "de497a7b9829a9f4e7b1321c7a3b9579d35e5791ac29d54b69c464e0a06bdcee"),
];

/// A small good spec, to be broken.
const GOOD: &str = r#"
name = "Test ledger"
origin = "ledger.example.com"
genesis_time = "2026-01-01T00:00:00Z"
rules_version = 1
authorities = ["d51edc07de8e89b79b9b6217dd81f614649cb7aee632d6fb72a6e15b7a159d14"]
governance = { keys = ["b517e87a6fabb2847ac2236534116016803f5cb190af676b405c33a974221dfe"], quorum = 1 }
witnesses = [{ name = "w1", key = "516629ce336398e9e7509c772db804829959f367f59808c1aa9c07c6b9e474e8" }]
currencies = { EUR = 2, JPY = 0 }
limits = { block_entries = 10_000, block_bytes = 4_194_304, event_ahead_ms = 300_000 }
"#;

/// Whether the JSON Schema sees what is wrong too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    Refuses,
    CantTell,
}

use Schema::{CantTell, Refuses};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("chain-spec")
}

fn schema() -> Validator {
    let text = std::fs::read_to_string(directory().join("chain-spec.schema.json")).unwrap();
    let schema = serde_json::from_str(&text).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// A TOML text as JSON, or `None` if it isn't TOML.
fn to_json(text: &str) -> Option<serde_json::Value> {
    toml::from_str::<toml::Table>(text).ok().map(|table| serde_json::to_value(table).unwrap())
}

/// [`GOOD`] with `from` replaced by `to`.
fn broken(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from} isn't in the good spec");
    GOOD.replacen(from, to, 1)
}

/// As many public keys, quoted and separated by commas.
fn keys(count: usize) -> String {
    let key = |number: usize| {
        let seed = Zeroizing::new(*blake3::hash(&number.to_le_bytes()).as_bytes());
        format!("\"{}\"", SealingKey::from_seed(&seed).public())
    };
    (0..count).map(key).collect::<Vec<_>>().join(",")
}

#[test]
fn the_specs_that_come_along_are_good() {
    let schema = schema();
    let mut found: Vec<_> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, CHAINS.map(|(name, _)| name), "each is in the table above");
    for (name, chain_id) in CHAINS {
        let text = std::fs::read_to_string(directory().join(name)).unwrap();
        let spec = ChainSpec::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(spec.chain_id().to_string(), chain_id, "{name}");
        let json = to_json(&text).unwrap();
        schema.validate(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The id is of what the file says, not of how it is laid out.
        let bare = spec.to_toml();
        assert!(!bare.contains('#'));
        assert_eq!(ChainSpec::parse(&bare), Ok(spec), "{name}");
    }
}

#[test]
fn every_value_counts() {
    let id = |text: &str| ChainSpec::parse(text).unwrap().chain_id();
    let good = id(GOOD);
    let cases = [
        ("Test ledger", "Another ledger"),
        ("ledger.example.com", "ledger.example.org"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z"),
        (
            "authorities = [\"d51",
            "authorities = [\"9ac9e90a8d59419de494a0969964e16da9a1442e2b2629bff2f61cec4e22b1c2\", \"d51",
        ),
        (
            "keys = [\"b517e87a6fabb2847ac2236534116016803f5cb190af676b405c33a974221dfe\"], quorum = 1",
            "keys = [], quorum = 0",
        ),
        ("w1", "w2"),
        ("EUR = 2", "EUR = 3"),
        ("JPY = 0", "YEN = 0"),
        ("block_entries = 10_000", "block_entries = 9_999"),
        ("block_bytes = 4_194_304", "block_bytes = 4_194_303"),
        ("event_ahead_ms = 300_000", "event_ahead_ms = 299_999"),
    ];
    for (from, to) in cases {
        assert_ne!(id(&broken(from, to)), good, "{from} -> {to}");
    }
    // The same point in time, and the same keys in another order.
    assert_eq!(id(&broken("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00")), good);
    assert_eq!(id(&broken("EUR = 2, JPY = 0", "JPY = 0, EUR = 2")), good);
}

#[test]
fn values_may_reach_their_bounds() {
    let schema = schema();
    let cases = [
        ("Test ledger", "L".repeat(128)),
        ("ledger.example.com", "o".repeat(128)),
        ("2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z".to_owned()),
        ("2026-01-01T00:00:00Z", "9998-12-31T23:59:59.999Z".to_owned()),
        ("EUR = 2", "EUR = 9".to_owned()),
        ("EUR = 2", "POINTS12 = 2".to_owned()),
        ("block_entries = 10_000", "block_entries = 1".to_owned()),
        ("block_bytes = 4_194_304", "block_bytes = 65_535".to_owned()),
        ("event_ahead_ms = 300_000", "event_ahead_ms = 0".to_owned()),
        ("event_ahead_ms = 300_000", "event_ahead_ms = 86_400_000".to_owned()),
        (
            "\"d51edc07de8e89b79b9b6217dd81f614649cb7aee632d6fb72a6e15b7a159d14\"",
            keys(MAX_LIST_ITEMS),
        ),
    ];
    for (from, to) in cases {
        let text = broken(from, &to);
        if let Err(error) = ChainSpec::parse(&text) {
            panic!("{to}: {error}");
        }
        schema.validate(&to_json(&text).unwrap()).unwrap_or_else(|error| panic!("{to}: {error}"));
    }
}

/// What is replaced in [`GOOD`], by what, how the message begins or what it names, and whether
/// the JSON Schema sees it.
type Case = (&'static str, String, &'static str, Schema);

fn case(from: &'static str, to: impl Into<String>, names: &'static str, schema: Schema) -> Case {
    (from, to.into(), names, schema)
}

fn bad_names_and_times() -> Vec<Case> {
    vec![
        case("Test ledger", "", "name: 1 to 128 bytes", Refuses),
        case("Test ledger", "  ", "name: 1 to 128 bytes", Refuses),
        case("Test ledger", "L".repeat(129), "name: 1 to 128 bytes", Refuses),
        case("Test ledger", "é".repeat(65), "name: 1 to 128 bytes", CantTell),
        case("Test ledger", r"Test\u0007ledger", "name: 1 to 128 bytes", Refuses),
        case("Test ledger", r"Test\u0085ledger", "name: 1 to 128 bytes", Refuses),
        case("ledger.example.com", "", "origin: 1 to 128 visible", Refuses),
        case("ledger.example.com", "o".repeat(129), "origin: 1 to 128 visible", Refuses),
        case("ledger.example.com", "https://example.com", "origin: 1 to 128 visible", Refuses),
        case("ledger.example.com", "example.com/", "origin: 1 to 128 visible", Refuses),
        case("ledger.example.com", "example.com/a+b", "origin: 1 to 128 visible", Refuses),
        case("ledger.example.com", "example.com/a b", "origin: 1 to 128 visible", Refuses),
        case("ledger.example.com", "example.com/ä", "origin: 1 to 128 visible", Refuses),
        case("ledger.example.com", r"example.com\n", "origin: 1 to 128 visible", Refuses),
        case("\"w1\"", "\"w+1\"", "witnesses.name: 1 to 128 visible", Refuses),
        case("2026-01-01T00:00:00Z", "soon", "genesis_time", Refuses),
        case("2026-01-01T00:00:00Z", "2026-01-01", "genesis_time", Refuses),
        case("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "genesis_time", Refuses),
        case("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.0001Z", "genesis_time", Refuses),
        case("2026-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "genesis_time", CantTell),
        case("2026-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "genesis_time", CantTell),
        case("\"2026-01-01T00:00:00Z\"", "2026-01-01T00:00:00Z", "genesis_time", Refuses),
    ]
}

fn bad_keys() -> Vec<Case> {
    const AUTHORITY: &str = "d51edc07de8e89b79b9b6217dd81f614649cb7aee632d6fb72a6e15b7a159d14";
    const GOVERNOR: &str = "b517e87a6fabb2847ac2236534116016803f5cb190af676b405c33a974221dfe";
    const WITNESS: &str = r#"{ name = "w1", key = "516629ce336398e9e7509c772db804829959f367f59808c1aa9c07c6b9e474e8" }"#;
    let same_key = WITNESS.replace("w1", "w2");
    let same_name = format!(r#"{{ name = "w1", key = "{AUTHORITY}" }}"#);
    vec![
        case(AUTHORITY, "", "authorities = [", Refuses),
        case(AUTHORITY, AUTHORITY.to_uppercase(), "authorities = [", Refuses),
        case(AUTHORITY, format!("01{}", "0".repeat(62)), "authorities = [", CantTell),
        case(AUTHORITY, format!("02{}", "0".repeat(62)), "authorities = [", CantTell),
        case(AUTHORITY, format!("{AUTHORITY}\", \"{AUTHORITY}"), "authorities: d51edc07", Refuses),
        case(
            "[\"d51edc07de8e89b79b9b6217dd81f614649cb7aee632d6fb72a6e15b7a159d14\"]",
            "[]",
            "authorities: at least one key",
            Refuses,
        ),
        case(
            "\"d51edc07de8e89b79b9b6217dd81f614649cb7aee632d6fb72a6e15b7a159d14\"",
            keys(MAX_LIST_ITEMS + 1),
            "authorities: at most 256",
            Refuses,
        ),
        case(GOVERNOR, format!("{GOVERNOR}\", \"{GOVERNOR}"), "governance.keys: b517e87a", Refuses),
        case("quorum = 1", "quorum = 2", "governance.quorum: 2 of 1", CantTell),
        case("quorum = 1", "quorum = 0", "governance.quorum: 0 of 1", Refuses),
        case("quorum = 1", "quorum = -1", "quorum", Refuses),
        case(
            "\"b517e87a6fabb2847ac2236534116016803f5cb190af676b405c33a974221dfe\"",
            "",
            "governance.quorum: 1 of 0",
            Refuses,
        ),
        case(WITNESS, format!("{WITNESS}, {same_key}"), "witnesses: 516629ce", CantTell),
        case(WITNESS, format!("{WITNESS}, {same_name}"), "witnesses: w1 stands", CantTell),
        case(WITNESS, "{ name = \"w1\" }", "missing field `key`", Refuses),
    ]
}

fn bad_numbers_and_shapes() -> Vec<Case> {
    let many: Vec<_> = (0..=MAX_LIST_ITEMS).map(|number| format!(", C{number:03} = 2")).collect();
    vec![
        case("rules_version = 1", "rules_version = 0", "rules_version: ", Refuses),
        case("rules_version = 1", "rules_version = 2", "rules_version: ", Refuses),
        case("rules_version = 1", "rules_version = \"1\"", "rules_version", Refuses),
        case("EUR = 2, JPY = 0", "", "currencies: at least one", Refuses),
        case("EUR = 2", "EUR = 10", "currencies.EUR: at most 9", Refuses),
        case("EUR = 2", "EUR = 256", "EUR", Refuses),
        case("EUR = 2", "EUR = -1", "EUR", Refuses),
        case("EUR = 2", "EUR = 2.0", "EUR", CantTell),
        case("EUR = 2", "eur = 2", "eur", Refuses),
        case("EUR = 2", "EU = 2", "EU", Refuses),
        case("EUR = 2", "EUR = 2, EUR = 2", "duplicate key", CantTell),
        case(", JPY = 0", many.concat(), "currencies: at most 256", Refuses),
        case(
            "block_entries = 10_000",
            "block_entries = 0",
            "limits.block_entries: from 1 to 10000",
            Refuses,
        ),
        case("block_entries = 10_000", "block_entries = 10_001", "limits.block_entries: ", Refuses),
        case("block_entries = 10_000", "block_entries = 5_000_000_000", "block_entries", Refuses),
        case(
            "block_bytes = 4_194_304",
            "block_bytes = 65_534",
            "limits.block_bytes: from 65535",
            Refuses,
        ),
        case("block_bytes = 4_194_304", "block_bytes = 4_194_305", "limits.block_bytes: ", Refuses),
        case(
            "event_ahead_ms = 300_000",
            "event_ahead_ms = 86_400_001",
            "limits.event_ahead_ms: from 0",
            Refuses,
        ),
        case("event_ahead_ms = 300_000", "event_ahead_ms = -1", "event_ahead_ms", Refuses),
        case("name =", "colour = \"blue\"\nname =", "unknown field `colour`", Refuses),
        case("quorum =", "colour = 1, quorum =", "unknown field `colour`", Refuses),
        case("name = \"w1\"", "colour = 1, name = \"w1\"", "unknown field `colour`", Refuses),
        case("block_entries =", "colour = 1, block_entries =", "unknown field `colour`", Refuses),
        case("name = \"Test ledger\"", "", "missing field `name`", Refuses),
        case("rules_version = 1", "", "missing field `rules_version`", Refuses),
        case(", event_ahead_ms = 300_000", "", "missing field `event_ahead_ms`", Refuses),
        case(", quorum = 1", "", "missing field `quorum`", Refuses),
        case("name = ", "name = \"Twice\"\nname = ", "duplicate key", CantTell),
        case("name = ", "name = = ", "line 2", CantTell),
        case("name = ", "{\"name\": ", "line 2", CantTell),
        case("\nname", "\n[[name", "line 2", CantTell),
        case("Test ledger", "Test\nledger", "line 3", CantTell),
    ]
}

#[test]
fn broken_specs_are_refused_by_name() {
    let schema = schema();
    assert!(ChainSpec::parse(GOOD).is_ok() && schema.is_valid(&to_json(GOOD).unwrap()));
    let cases = [bad_names_and_times(), bad_keys(), bad_numbers_and_shapes()].concat();
    for (from, to, names, by_schema) in cases {
        let text = broken(from, &to);
        let Err(error) = ChainSpec::parse(&text) else { panic!("{from} -> {to} passes") };
        let message = error.to_string();
        assert!(message.contains(names), "{from} -> {to}: {message}");
        let refused = to_json(&text).is_some_and(|json| !schema.is_valid(&json));
        assert_eq!(refused, by_schema == Refuses, "{from} -> {to}");
    }
}

#[test]
fn too_long_is_refused_unread() {
    let longest = format!("{GOOD}#{}", " ".repeat(MAX_SPEC_BYTES - GOOD.len() - 1));
    assert_eq!(longest.len(), MAX_SPEC_BYTES);
    assert!(ChainSpec::parse(&longest).is_ok());
    let error = ChainSpec::parse(&format!("{longest} ")).unwrap_err();
    assert_eq!(error.to_string(), "a chain spec has at most 1048576 bytes, this has 1048577");
    assert!(ChainSpec::parse("").is_err());
}
