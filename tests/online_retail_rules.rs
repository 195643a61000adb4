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

#[path = "online_retail/balances.rs"]
mod balances;

#[path = "online_retail/mistakes.rs"]
mod mistakes;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Effect;
use counterfoil::protocol::hash::StateKey;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::rules::{AdjustmentState, PayoutState, Record, StoredRecord, Subject};
use counterfoil::protocol::spec::{ChainSpec, Currencies, Governance, Limits, RULES_VERSION};
use counterfoil::protocol::text::{self, EntryText};
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::verify::{Chain, Draft, Tip};
use proptest::prelude::*;
use serde_json::Value;
use zeroize::Zeroizing;

use balances::Balances;
use conversion::{Book, Report};
use mistakes::MISTAKES;

const ENVIRONMENT: &str = "COUNTERFOIL_ONLINE_RETAIL";
const BLOCK_ENTRIES: u32 = 1_000;
const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/online_retail/dirty_sample.csv")
}

#[test]
fn what_is_sealed_comes_to_the_totals_of_the_order_lines() {
    reconcile(&sample());
    if let Some(path) = std::env::var_os(ENVIRONMENT) {
        let (report, balances) = reconcile(Path::new(&path));
        check_documentation(&report, &balances);
    } else {
        // Not by eprintln!, which the test harness would swallow.
        let note = format!("{ENVIRONMENT} is not set: only the small sample was tested\n");
        std::io::stderr().write_all(note.as_bytes()).unwrap();
    }
}

fn reconcile(orders: &Path) -> (Report, Balances) {
    let (entries, report) = convert(orders);
    let sealed = seal(&entries);
    assert_eq!(sealed.to_ndjson(), entries, "the ledger says what was submitted");
    let balances = sealed.balances();
    let verdict = reckon(orders, &sealed.to_ndjson(), &report, &balances.to_json());
    assert!(verdict.status.success(), "{}: {}", orders.display(), stderr(&verdict));
    (report, balances)
}

/// The tables in docs/online-retail.md are the report on the real data, and what is left of it.
fn check_documentation(report: &Report, balances: &Balances) {
    let page = include_str!("../docs/online-retail.md");
    for (item, tally) in serde_json::to_value(report).unwrap().as_object().unwrap() {
        let (count, value) = (&tally["count"], tally["value"].as_str().unwrap());
        let row = format!("| `{item}` | {count} | {value} |");
        assert!(page.contains(&row), "docs/online-retail.md needs: {row}");
    }
    for (prefix, what) in BALANCES {
        let of = balances.0.iter().filter(|(party, _)| party.starts_with(prefix));
        let sums = of.filter_map(|(_, sums)| sums.get(what)).filter(|pennies| **pennies != 0);
        let (parties, value) = (sums.clone().count(), balances::decimal(sums.sum()));
        let row = format!("| `{what}` | {parties} | {value} |");
        assert!(page.contains(&row), "docs/online-retail.md needs: {row}");
    }
}

/// What is left in the end: of affiliates, then of the merchant alone.
const BALANCES: [(&str, &str); 12] = [
    ("AFF-", "pending"),
    ("AFF-", "approved"),
    ("AFF-", "locked"),
    ("AFF-", "funded"),
    ("AFF-", "in_payout"),
    ("AFF-", "paid"),
    ("AFF-", "debits_free"),
    ("AFF-", "debits_in_payout"),
    ("AFF-", "debits_paid"),
    ("AFF-", "carried_forward"),
    ("giftware", "fees"),
    ("giftware", "prepaid"),
];

/// Each mistake is one that the totals see.
#[test]
fn the_totals_catch_mistakes() {
    let (ndjson, report) = convert(&sample());
    let entries: Vec<Value> =
        ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let balances = seal(&ndjson).balances().to_json();
    let reckon = |ndjson: &str, report: &Report, balances: &Value| {
        reckon(&sample(), ndjson, report, balances)
    };
    assert!(reckon(&to_ndjson(&entries), &report, &balances).status.success());
    for (name, mistake) in MISTAKES {
        let mut entries = entries.clone();
        mistake(&mut entries);
        let verdict = reckon(&to_ndjson(&entries), &report, &balances);
        assert_eq!(verdict.status.code(), Some(1), "{name}: {}", stderr(&verdict));
        assert!(stderr(&verdict).contains("DIFFERS"), "{name}: {}", stderr(&verdict));
    }
    // The report too: that of other order lines differs in every item, as the sample has all.
    let verdict = reckon(&ndjson, &Report::default(), &balances);
    assert_eq!(verdict.status.code(), Some(1));
    let items = serde_json::to_value(&report).unwrap().as_object().unwrap().len();
    assert_eq!(stderr(&verdict).lines().count(), items, "{}", stderr(&verdict));
    // And the balances, each of them.
    let mut altered = balances.clone();
    let sums = altered.as_object_mut().unwrap().values_mut();
    let sums = sums.flat_map(|sums| sums.as_object_mut().unwrap().values_mut());
    let altered_sums = sums.map(|sum| *sum = "0.01".into()).count();
    let verdict = reckon(&ndjson, &report, &altered);
    assert_eq!(verdict.status.code(), Some(1));
    assert_eq!(stderr(&verdict).lines().count(), altered_sums, "{}", stderr(&verdict));
    assert_eq!(reckon("{}", &report, &balances).status.code(), Some(2), "no entries");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Two programs that share nothing agree on whatever order lines there may be, and the
    /// rules admit what comes of them.
    #[test]
    fn any_order_lines_reconcile(lines in proptest::collection::vec(line(), 1..150)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orders.csv");
        let rows: Vec<String> = lines.into_iter().map(to_row).collect();
        // A first order, so that something is sold.
        let first = "0,X,,3,2010-12-01 08:00:00,0.335,12200,\n";
        std::fs::write(&path, format!("{HEADER}{first}{}", rows.concat())).unwrap();
        let (entries, report) = convert(&path);
        let sealed = seal(&entries);
        let balances = sealed.balances().to_json();
        let verdict = reckon(&path, &sealed.to_ndjson(), &report, &balances);
        prop_assert!(verdict.status.success(), "{}{}", rows.concat(), stderr(&verdict));
    }
}

/// Invoice, stock code, quantity, minute, price.
type Line = (u32, &'static str, i32, u32, &'static str);

fn line() -> impl Strategy<Value = Line> {
    let code = prop::sample::select(vec!["A1", "a1", "B2", "BANK CHARGES"]);
    let price = prop::sample::select(vec!["0.0", "0.005", "0.335", "1.25", "99.99", "-1.0"]);
    (1..60u32, code, -9..9i32, 0..2u32, price)
}

/// The invoice decides on its letter, on the customer, few of whom there are, and on the day:
/// so that one may come 14 or 30 days after another, or on the day of a funding or payout.
fn to_row((invoice, code, quantity, minute, price): Line) -> String {
    let letter = ["", "", "C", "", "C", "C", "A"][invoice as usize % 7];
    let customer = ["12201", "12207.0", "12407.0", "12208", ""][invoice as usize % 5];
    let day = ["12-02", "12-08", "12-16", "01-01", "01-08", "01-15", "01-31", "02-01", "02-08"];
    let day = day[(invoice * invoice) as usize % day.len()];
    let year = if day.starts_with("12") { 2010 } else { 2011 };
    let quantity = if letter == "C" { -quantity } else { quantity };
    format!(
        "{letter}{invoice},{code},,{quantity}.0,{year}-{day} 00:{minute:02}:00,{price},{customer},\n"
    )
}

#[test]
fn what_is_too_long_for_one_entry_comes_in_parts_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.csv");
    let rows = |numbers: std::ops::Range<u32>, order: fn(u32) -> u32| -> String {
        let row = |n| format!("{},A{n},,9,2010-12-01 08:00:00,1.25,12201,\n", order(n));
        numbers.map(row).collect()
    };
    // Orders of a hundred stock codes and of one more; five hundred of one; and one that is late.
    let orders = rows(0..100, |_| 1) + &rows(0..101, |_| 2) + &rows(3..503, |n| n);
    std::fs::write(&path, format!("{HEADER}{orders}503,A,,1,2011-01-12 08:00:00,1,12202,\n"))
        .unwrap();
    let (entries, _) = convert(&path);
    let named = |name: &str| {
        let name = format!("\"external_id\":\"{name}\"");
        let line = entries.lines().find(|line| line.contains(&name)).unwrap();
        serde_json::from_str::<Value>(line).unwrap()["body"].clone()
    };
    let lines = |name: &str, lines: &str| named(name)[lines].as_array().map(Vec::len);
    assert_eq!((lines("1", "items"), lines("2", "items")), (Some(100), None));
    assert_eq!(lines("FUND-2010-12", "lines"), Some(500));
    assert_eq!(lines("FUND-2010-12-2", "lines"), Some(2));
    assert_eq!(named("FUND-2010-12-2")["received"], "0.00");
    assert_eq!(lines("PAY-2010-12-AFF-001", "lines"), Some(500));
    assert_eq!(named("PAY-2010-12-AFF-001")["total"], Value::Null);
    assert_eq!(named("PAY-2010-12-AFF-001-2")["continues"], "PAY-2010-12-AFF-001");
    assert_ne!(named("PAY-2010-12-AFF-001-2")["total"], Value::Null);
    reconcile(&path);
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
    let currencies = Currencies::new([(gbp(), 2)]);
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

    /// Who has what in the end, by the rules' own records.
    fn balances(&self) -> Balances {
        let mut balances = Balances::default();
        for stored in self.state.values() {
            match &stored.record {
                Record::Commission(commission) => {
                    let payout = commission.payout.as_ref().map(|payout| self.payout(payout));
                    let state = commission.standing(payout);
                    let (affiliate, merchant) = (&commission.affiliate, &commission.merchant);
                    for party in [affiliate, merchant] {
                        balances.add(party.as_str(), state.as_str(), pennies(commission.left()));
                    }
                    balances.add(merchant.as_str(), "fees", pennies(commission.fee));
                    if let Some(Record::Prepaid(prepaid)) =
                        self.sum(Subject::Prepaid(merchant, gbp()))
                    {
                        let left = prepaid.received.checked_sub(prepaid.covers).unwrap();
                        balances.set(merchant.as_str(), "prepaid", pennies(left));
                    }
                    if let Some(Record::Carried(sums)) =
                        self.sum(Subject::Carried(affiliate, gbp()))
                    {
                        let carried = pennies(sums.kept) - pennies(sums.used);
                        balances.set(affiliate.as_str(), "carried_forward", carried);
                    }
                }
                Record::Adjustment(adjustment) => {
                    assert_eq!(adjustment.effect, Effect::Debit);
                    let payout = adjustment.payout.as_ref().map(|payout| self.payout(payout));
                    let what = match adjustment.standing(payout) {
                        AdjustmentState::Free => "debits_free",
                        AdjustmentState::InPayout => "debits_in_payout",
                        AdjustmentState::Paid => "debits_paid",
                    };
                    balances.add(adjustment.affiliate.as_str(), what, pennies(adjustment.amount));
                }
                _ => {}
            }
        }
        balances
    }

    fn sum(&self, subject: Subject<'_>) -> Option<&Record> {
        let tenant = Id::new("online-retail").unwrap();
        self.state.get(&subject.key(&tenant)).map(|stored| &stored.record)
    }

    /// Where a payout stands.
    fn payout(&self, payout: &StateKey) -> PayoutState {
        match self.state.get(payout).map(|stored| &stored.record) {
            Some(Record::Payout(payout)) => payout.state,
            other => panic!("{payout} is no payout: {other:?}"),
        }
    }
}

fn pennies(amount: Amount) -> i64 {
    amount.units().try_into().unwrap()
}

fn gbp() -> Currency {
    Currency::new("GBP").unwrap()
}

/// Has the totals compare what stands in `ndjson`, `report` and `balances` with the order lines.
fn reckon(orders: &Path, ndjson: &str, report: &Report, balances: &Value) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/online_retail_totals.py"))
        .arg(orders)
        .arg("--ndjson")
        .arg(file("entries.ndjson", ndjson.to_owned()))
        .arg("--report")
        .arg(file("report.json", serde_json::to_string(report).unwrap()))
        .arg("--balances")
        .arg(file("balances.json", balances.to_string()))
        .output()
        .expect("python3 is needed to reckon the totals")
}

fn to_ndjson(entries: &[Value]) -> String {
    entries.iter().map(|entry| entry.to_string() + "\n").collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
