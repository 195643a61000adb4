//! The Online Retail data, as a marketplace would live with it: submitted to a real node, which
//! is stopped and started again; verified in every way; reconciled with what the node serves;
//! and a receipt that still holds when node and ledger are gone.
//!
//! `COUNTERFOIL_ONLINE_RETAIL` names the real data. Without it the dirty sample beside the
//! example goes the same way, and standard error says so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it doesn't expect"
)]

mod support;

#[path = "../examples/online_retail/conversion/mod.rs"]
mod conversion;

#[path = "online_retail/balances.rs"]
mod balances;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use balances::Balances;
use conversion::Book;
use support::binary::{Node, json, path, run};

/// The most entries of one page of the API.
const PAGE_ENTRIES: usize = 500;

/// The order lines to go by.
fn orders() -> PathBuf {
    const ENVIRONMENT: &str = "COUNTERFOIL_ONLINE_RETAIL";
    if let Some(path) = std::env::var_os(ENVIRONMENT) {
        return path.into();
    }
    // Not by eprintln!, which the test harness would swallow.
    let note = format!("{ENVIRONMENT} is not set: only the small sample was submitted\n");
    std::io::stderr().write_all(note.as_bytes()).unwrap();
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/online_retail/dirty_sample.csv")
}

#[test]
fn the_data_is_sealed_verified_and_reconciled() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| path(home.path(), name);
    let orders = orders();
    let mut entries = Vec::new();
    let report = Book::open(&orders).unwrap().write_entries(&mut entries).unwrap();
    std::fs::write(at("entries.ndjson"), &entries).unwrap();
    std::fs::write(at("report.json"), serde_json::to_vec(&report).unwrap()).unwrap();
    let count = String::from_utf8_lossy(&entries).lines().count();

    let node = Node::dev(&home.path().join("ledger"), &["--empty"]);
    let submit = |node: &Node| json(&["submit", &at("entries.ndjson"), "--url", &node.url]);
    assert_eq!(submit(&node)["sealed"], count);
    let before = node.get("/checkpoint");
    assert_eq!(node.stop().code, 0);

    let node = Node::dev(&home.path().join("ledger"), &["--empty"]);
    assert_eq!(node.get("/checkpoint"), before, "nothing is lost by a restart");
    assert_eq!(submit(&node)["existing"], count, "all of it was there");
    assert_eq!(node.get("/checkpoint"), before, "and nothing came twice");

    let spec = at("ledger/spec.toml");
    json(&["verify", "--url", &node.url, "--spec", &spec]);
    let (served, balances) = served(&node, count);
    reconcile(&orders, home.path(), &served, &balances);
    compare_answers(&node, &served, &balances);
    let id = node.json("/v1/entries?kind=reversal&limit=1")["entries"][0]["id"].clone();
    let receipt = node.get(&format!("/v1/entries/{}/receipt", id.as_str().unwrap()));
    std::fs::write(at("receipt.json"), &receipt).unwrap();
    assert_eq!(node.stop().code, 0);

    json(&["verify", "--dir", &at("ledger")]);
    json(&["fsck", "--dir", &at("ledger")]);
    json(&["export", "--dir", &at("ledger"), &at("ledger.cfx")]);
    std::fs::copy(&spec, at("spec.toml")).unwrap();
    std::fs::remove_dir_all(home.path().join("ledger")).unwrap();

    json(&["verify", "--file", &at("ledger.cfx"), "--spec", &at("spec.toml")]);
    json(&["verify", "--receipt", &at("receipt.json"), "--spec", &at("spec.toml")]);
    flip_bits(home.path(), &receipt);
}

/// Everything that the node serves of the data, in the form in which it was submitted, and what
/// it says is left of it.
fn served(node: &Node, count: usize) -> (String, Balances) {
    let mut lines = String::new();
    let mut balances = Balances::default();
    let mut cursor = String::new();
    let mut found = 0;
    loop {
        let page =
            node.json(&format!("/v1/entries?tenant=online-retail&limit={PAGE_ENTRIES}{cursor}"));
        for view in page["entries"].as_array().unwrap() {
            lines += &(view["entry"].to_string() + "\n");
            count_in(&mut balances, view);
            found += 1;
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, count);
    (lines, balances)
}

/// Counts where one entry stands in the end.
fn count_in(balances: &mut Balances, view: &Value) {
    let body = &view["entry"]["body"];
    if let Some(commission) = view.get("commission") {
        let (left, state) = (pennies(&commission["left"]), text(&commission["state"]));
        balances.add(text(&commission["affiliate"]), state, left);
        balances.add(text(&commission["merchant"]), state, left);
        balances.add(text(&commission["merchant"]), "fees", pennies(&commission["fee"]));
    } else if let Some(adjustment) = view.get("adjustment") {
        assert_eq!(body["effect"], "debit");
        let what = format!("debits_{}", text(&adjustment["state"]));
        balances.add(text(&body["affiliate"]), &what, pennies(&body["amount"]));
    } else if let Some(payout) = view.get("payout") {
        let carried = &payout["carried"];
        let left = pennies(&carried["kept"]) - pennies(&carried["used"]);
        balances.set(text(&body["affiliate"]), "carried_forward", left);
    } else if let Some(paid) = view.get("prepaid") {
        balances.set(text(&body["merchant"]), "prepaid", pennies(&paid["prepaid"]));
    }
}

/// Compares what the node answers when it is asked with what was reconciled, and with the entries.
fn compare_answers(node: &Node, served: &str, balances: &Balances) {
    let ask = |path: String| {
        let answer = node.json(&format!("/v1/{path}tenant=online-retail"));
        answer["rows"].as_array().unwrap().clone()
    };
    let mut parties = 0;
    for (party, sums) in &balances.0 {
        let sum = |what: &str| sums.get(what).copied().unwrap_or_default();
        let merchant = sums.contains_key("fees");
        let (role, question) =
            if merchant { ("merchants", "liabilities") } else { ("affiliates", "balances") };
        let rows = ask(format!("{role}/{party}/{question}?"));
        assert_eq!(rows.len(), 1, "one currency: {rows:?}");
        let row = &rows[0];
        let states = ["pending", "approved", "declined", "locked", "funded", "in_payout", "paid"];
        for state in states {
            assert_eq!(pennies(&row[state]), sum(state), "{party} {state}");
        }
        if merchant {
            let fees =
                row.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("fees_"));
            assert_eq!(fees.map(|(_, fee)| pennies(fee)).sum::<i64>(), sum("fees"), "{party}");
            assert_eq!(pennies(&row["prepaid"]), sum("prepaid"), "{party}");
        } else {
            for state in ["free", "in_payout", "paid"] {
                let adjusted = pennies(&row[format!("adjustments_{state}")]);
                assert_eq!(adjusted, -sum(&format!("debits_{state}")), "{party}");
            }
            assert_eq!(pennies(&row["carried_forward"]), sum("carried_forward"), "{party}");
        }
        parties += 1;
    }
    assert!(parties > 1, "nobody was compared");
    // Totals by month, kind and currency, against a count of the entries.
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in served.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let month = text(&entry["event_time"])[..7].to_owned();
        *expected.entry((month, text(&entry["kind"]).to_owned())).or_default() += 1;
    }
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    let period = "by=month&from=2010-01-01&to=2013-01-01&format=ndjson";
    let totals = node.get(&format!("/v1/totals?tenant=online-retail&{period}"));
    for row in String::from_utf8(totals).unwrap().lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let of = (text(&row["period"]).to_owned(), text(&row["kind"]).to_owned());
        *found.entry(of).or_default() += row["count"].as_u64().unwrap();
    }
    assert_eq!(found, expected);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// An amount of two decimals.
fn pennies(amount: &Value) -> i64 {
    text(amount).replace('.', "").parse().unwrap()
}

/// Compares what is served with what is reckoned from the order lines alone.
fn reconcile(orders: &Path, home: &Path, served: &str, balances: &Balances) {
    let (entries, left) = (path(home, "served.ndjson"), path(home, "balances.json"));
    std::fs::write(&entries, served).unwrap();
    std::fs::write(&left, balances.to_json().to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/online_retail_totals.py");
    let reckoned = Command::new("python3")
        .arg(script)
        .arg(orders)
        .args(["--ndjson", &entries, "--balances", &left, "--report", &path(home, "report.json")])
        .output()
        .expect("python3 is needed to reckon the totals");
    assert!(reckoned.status.success(), "{}", String::from_utf8_lossy(&reckoned.stderr));
}

/// A bit here and there; `tests/receipts.rs` flips each of them.
fn flip_bits(home: &Path, receipt: &[u8]) {
    let (altered, spec) = (path(home, "altered.json"), path(home, "spec.toml"));
    for place in (0..receipt.len()).step_by(receipt.len() / 16) {
        let mut bytes = receipt.to_vec();
        bytes[place] ^= 1 << (place % 7);
        std::fs::write(&altered, &bytes).unwrap();
        let ran = run(&["verify", "--receipt", &altered, "--spec", &spec]);
        assert_eq!(ran.code, 1, "byte {place}: {ran:?}");
    }
}
