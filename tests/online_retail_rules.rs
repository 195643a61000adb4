//! The Online Retail data, by the rules: what the example writes is admitted to the last
//! entry, and what is sealed comes to the totals of `online_retail_totals.py`, which reckons
//! them from the order lines alone.
//!
//! `COUNTERFOIL_ONLINE_RETAIL` names the real data. Without it only the dirty sample beside
//! the example is put to the test, and standard error says so.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it doesn't expect"
)]

#[path = "../examples/online_retail/conversion/mod.rs"]
mod conversion;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::hash::StateKey;
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::rules::{Record, StoredRecord};
use counterfoil::protocol::spec::{ChainSpec, Currencies, Governance, Limits, RULES_VERSION};
use counterfoil::protocol::text::{self, EntryText};
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::verify::{Chain, Draft, Tip};
use proptest::prelude::*;
use serde_json::Value;
use zeroize::Zeroizing;

use conversion::{Book, Report};

const ENVIRONMENT: &str = "COUNTERFOIL_ONLINE_RETAIL";
const BLOCK_ENTRIES: u32 = 1_000;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/online_retail/dirty_sample.csv")
}

#[test]
fn what_is_sealed_comes_to_the_totals_of_the_order_lines() {
    reconcile(&sample());
    if let Some(path) = std::env::var_os(ENVIRONMENT) {
        let report = reconcile(Path::new(&path));
        check_documentation(&report);
    } else {
        // Not by eprintln!, which the test harness would swallow.
        let note = format!("{ENVIRONMENT} is not set: only the small sample was tested\n");
        std::io::stderr().write_all(note.as_bytes()).unwrap();
    }
}

fn reconcile(orders: &Path) -> Report {
    let (entries, report) = convert(orders);
    let sealed = seal(&entries);
    assert_eq!(sealed.to_ndjson(), entries, "the ledger says what was submitted");
    let verdict = reckon(orders, &sealed.to_ndjson(), &report);
    assert!(verdict.status.success(), "{}: {}", orders.display(), stderr(&verdict));
    // What the rules remember is what the totals call the affiliates' balances.
    let stdout = String::from_utf8_lossy(&verdict.stdout).into_owned();
    let balances = stdout.lines().find(|line| line.contains("balances of affiliates")).unwrap();
    let left = sealed.left().to_decimal(2).to_string();
    assert_eq!(balances.split_whitespace().nth(1), Some(left.as_str()));
    report
}

/// The table in docs/online-retail.md is the report on the real data.
fn check_documentation(report: &Report) {
    let page = include_str!("../docs/online-retail.md");
    for (item, tally) in serde_json::to_value(report).unwrap().as_object().unwrap() {
        let (count, value) = (&tally["count"], tally["value"].as_str().unwrap());
        let row = format!("| `{item}` | {count} | {value} |");
        assert!(page.contains(&row), "docs/online-retail.md needs: {row}");
    }
}

/// Each mistake that a submitter, a node or the example could make is one that the totals see.
#[test]
fn the_totals_catch_mistakes() {
    type Mistake = fn(&mut Vec<Value>);
    const MISTAKES: &[(&str, Mistake)] = &[
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
        ("another reason", |entries| set(entries, "REV-C100011-100001", "reason", "goodwill")),
        ("another order", |entries| set(entries, "100001", "order_ref", "100002")),
        ("another currency", |entries| set(entries, "100001", "currency", "EUR")),
        ("a number for an amount", |entries| {
            entries[1]["body"]["amount"] = serde_json::from_str("41.00").unwrap();
        }),
        ("another time", |entries| entries[3]["event_time"] = "2010-12-01T09:31:00Z".into()),
        ("another kind", |entries| entries[1]["kind"] = "decision".into()),
        ("another tenant", |entries| entries[1]["tenant"] = "acme".into()),
        ("another rate", |entries| entries[0]["body"]["reward"]["ppm"] = 75_001.into()),
        ("terms that begin too late", |entries| {
            entries[0]["body"]["effective_from"] = "2010-12-02T00:00:00Z".into();
        }),
        ("no terms", |entries| drop(entries.remove(0))),
        ("nothing at all", Vec::clear),
    ];
    let (ndjson, report) = convert(&sample());
    let entries: Vec<Value> =
        ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(reckon(&sample(), &to_ndjson(&entries), &report).status.success());
    for (name, mistake) in MISTAKES {
        let mut entries = entries.clone();
        mistake(&mut entries);
        let verdict = reckon(&sample(), &to_ndjson(&entries), &report);
        assert_eq!(verdict.status.code(), Some(1), "{name}: {}", stderr(&verdict));
        assert!(stderr(&verdict).contains("DIFFERS"), "{name}: {}", stderr(&verdict));
    }
    // The report too: that of other order lines differs in every item that has any.
    let verdict = reckon(&sample(), &ndjson, &Report::default());
    assert_eq!(verdict.status.code(), Some(1));
    assert_eq!(stderr(&verdict).lines().count(), 26, "{}", stderr(&verdict));
    assert_eq!(reckon(&sample(), "{}", &report).status.code(), Some(2), "no entries");
}

fn place(entries: &[Value], name: &str) -> usize {
    let named = |entry: &Value| entry["external_id"].as_str().unwrap().starts_with(name);
    entries.iter().position(named).unwrap()
}

fn set(entries: &mut [Value], name: &str, field: &str, value: &str) {
    let place = place(entries, name);
    assert_ne!(entries[place]["body"][field], value, "a mistake changes something");
    entries[place]["body"][field] = value.into();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Two programs that share nothing agree on whatever order lines there may be, and the
    /// rules admit what comes of them.
    #[test]
    fn any_order_lines_reconcile(lines in proptest::collection::vec(line(), 1..120)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orders.csv");
        let rows: Vec<String> = lines.into_iter().map(to_row).collect();
        // A first order, so that something is sold.
        let header = "InvoiceNo,StockCode,Description,Quantity,\
                      InvoiceDate,UnitPrice,CustomerID,Country\n\
                      0,X,,3,2010-12-01 08:00:00,0.335,12200,\n";
        std::fs::write(&path, format!("{header}{}", rows.concat())).unwrap();
        let (entries, report) = convert(&path);
        let verdict = reckon(&path, &seal(&entries).to_ndjson(), &report);
        prop_assert!(verdict.status.success(), "{}{}", rows.concat(), stderr(&verdict));
    }
}

/// Invoice, stock code, quantity, minute, price.
type Line = (u32, &'static str, i32, u32, &'static str);

fn line() -> impl Strategy<Value = Line> {
    let code = prop::sample::select(vec!["A1", "a1", "BANK CHARGES"]);
    let price = prop::sample::select(vec!["0.0", "0.005", "0.335", "1.25", "99.99", "-1.0"]);
    (1..30u32, code, -9..9i32, 0..40u32, price)
}

/// The invoice decides on its letter and on the customer, few of whom there are.
fn to_row((invoice, code, quantity, minute, price): Line) -> String {
    let letter = ["", "", "C", "", "C", "C", "A"][invoice as usize % 7];
    let customer = ["12201", "12202.0", "12401.0", ""][invoice as usize % 4];
    let quantity = if letter == "C" { -quantity } else { quantity };
    format!(
        "{letter}{invoice},{code},,{quantity}.0,2010-12-01 08:{minute:02}:00,{price},{customer},\n"
    )
}

fn convert(path: &Path) -> (String, Report) {
    let mut out = Vec::new();
    let book = Book::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let report = book.write_entries(&mut out).unwrap();
    (String::from_utf8(out).unwrap(), report)
}

/// A ledger in memory.
struct Sealed {
    currencies: Currencies,
    entries: Vec<EncodedEntry>,
    state: HashMap<StateKey, StoredRecord>,
}

/// Seals every entry, in blocks of [`BLOCK_ENTRIES`]. Nothing may be refused.
fn seal(ndjson: &str) -> Sealed {
    let key = SealingKey::from_seed(&Zeroizing::new([7; 32]));
    let currencies = Currencies::new([(Currency::new("GBP").unwrap(), 2)]);
    let chain = chain(&key, &currencies);
    let mut ledger = Sealed { currencies, entries: Vec::new(), state: HashMap::new() };
    let mut tip = chain.genesis_tip();
    let parsed: Vec<EncodedEntry> = ndjson
        .lines()
        .map(|line| {
            let entry = text::parse(line, &ledger.currencies);
            EncodedEntry::new(entry.unwrap_or_else(|error| panic!("{error}: {line}"))).unwrap()
        })
        .collect();
    for entries in parsed.chunks(BLOCK_ENTRIES as usize) {
        tip = ledger.seal_block(&chain, &key, &tip, entries);
    }
    assert_eq!(ledger.entries.len(), parsed.len());
    ledger
}

fn chain(key: &SealingKey, currencies: &Currencies) -> Chain {
    Chain::new(ChainSpec {
        name: "Online Retail".to_owned(),
        origin: "ledger.example/online-retail".to_owned(),
        genesis_time: "2026-01-01T00:00:00Z".parse().unwrap(),
        rules_version: RULES_VERSION,
        authorities: vec![key.public()],
        governance: Governance::default(),
        witnesses: Vec::new(),
        currencies: currencies.clone(),
        limits: Limits { block_entries: BLOCK_ENTRIES, ..Limits::default() },
    })
}

impl Sealed {
    fn seal_block(
        &mut self,
        chain: &Chain,
        key: &SealingKey,
        tip: &Tip,
        entries: &[EncodedEntry],
    ) -> Tip {
        let mut draft = Draft::new(chain, tip, &self.state, Timestamp::MIN);
        for entry in entries {
            assert!(draft.has_room_for(entry.leaf().len()), "a thousand small entries fit");
            draft.admit(entry.clone()).unwrap_or_else(|error| panic!("{error}: {entry:?}"));
        }
        let block = draft.seal(key);
        self.entries.extend_from_slice(block.entries());
        self.state.extend(block.changes().clone());
        block.tip().clone()
    }

    /// The entries as readers get them.
    fn to_ndjson(&self) -> String {
        let texts = self.entries.iter().map(|entry| {
            let text = EntryText::new(entry.entry(), &self.currencies).unwrap();
            serde_json::to_string(&text).unwrap() + "\n"
        });
        texts.collect()
    }

    /// What is left of all commissions, by the rules' own records.
    fn left(&self) -> Amount {
        let commissions = self.state.values().filter_map(|stored| match &stored.record {
            Record::Commission(commission) => Some(commission.left()),
            _ => None,
        });
        commissions.fold(Amount::ZERO, |sum, left| sum.checked_add(left).unwrap())
    }
}

/// Has the totals compare what stands in `ndjson` and `report` with the order lines.
fn reckon(orders: &Path, ndjson: &str, report: &Report) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let (entries_path, report_path) =
        (directory.path().join("entries.ndjson"), directory.path().join("report.json"));
    std::fs::write(&entries_path, ndjson).unwrap();
    std::fs::write(&report_path, serde_json::to_vec(report).unwrap()).unwrap();
    Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/online_retail_totals.py"))
        .arg(orders)
        .arg("--ndjson")
        .arg(entries_path)
        .arg("--report")
        .arg(report_path)
        .output()
        .expect("python3 is needed to reckon the totals")
}

fn to_ndjson(entries: &[Value]) -> String {
    entries.iter().map(|entry| entry.to_string() + "\n").collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
