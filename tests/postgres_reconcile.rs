//! A marketplace's own tables in a real PostgreSQL, compared with the ledger: every edit, deletion and
//! insertion is found and named, and nothing else is.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]
#![cfg(all(feature = "node", unix))]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use counterfoil::postgres::Database;
use counterfoil::postgres::reconcile::{Mapping, ReconcileReport, reconcile_bounded};
use counterfoil::protocol::spec::ChainSpec;
use counterfoil::protocol::verify::Chain;
use counterfoil::store::Store;
use serde_json::{Value, json};
use support::binary::{Node, Ran, block_on, counterfoil, operated, operator, path, sample};
use support::load::{sale, terms};
use support::postgres::{Postgres, execute};
use support::random::Random;

const ENTRIES: usize = 1_500;
/// How many rows are edited, deleted or inserted; `COUNTERFOIL_LONG=1` makes it a thousand.
const EDITS: usize = 200;
const LONG_EDITS: usize = 1_000;
const LONG_ENTRIES: usize = 6_000;

/// Names that would be something else in SQL, were they ever part of it.
const HOSTILE: [&str; 6] = [
    "';DROP/**/TABLE/**/shop.orders;--",
    "\"quoted\"",
    "back\\slash\\'",
    "$1",
    "$$;ROLLBACK;$$",
    "{\"a\":[1,null]}",
];

const MAPPING: &str = r#"
    [[table]]
    name = "shop.orders"
    kind = "transaction"
    external_id = "Order ""Number"""
    tenant = { column = "brand" }
    only = { column = "state", is = ["recorded"] }
    [table.fields]
    amount = { column = "cents", unit = "minor" }
    currency = "currency"
    merchant = "merchant"
    event_time = "ordered_at"
    voucher = "voucher"

    [[table]]
    name = "shop.earned"
    kind = "commission"
    external_id = { column = "id", prefix = "" }
    tenant = { column = "brand" }
    [table.fields]
    amount = "amount"
    transaction = "order_id"
    affiliate = "affiliate"
    share_ppm = "share"
    rule = "rule"
"#;

const SCHEMA: &str = r#"
    CREATE SCHEMA shop;
    CREATE TABLE shop.orders (
        brand text, "Order ""Number""" text, cents bigint, currency char(3), merchant text,
        ordered_at timestamptz, voucher text, state text DEFAULT 'recorded'
    );
    CREATE TABLE shop.earned (
        brand text, id text, amount numeric(20, 4), order_id text, affiliate text, share int, rule int
    );
"#;

/// The column of the table `shop.orders` with the external id, as SQL has it.
const NUMBER: &str = "\"Order \"\"Number\"\"\"";

fn mapping() -> String {
    MAPPING.replace("\"Order \"\"Number\"\"\"", "'Order \"Number\"'")
}

/// What is wrong with a row, by table, tenant and external id.
type Wrong = BTreeMap<(String, String, String), String>;

#[test]
fn every_edit_is_found_and_nothing_else() {
    let long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let (entries, edits) = if long { (LONG_ENTRIES, LONG_EDITS) } else { (ENTRIES, EDITS) };
    let (server, home) = (Postgres::start(), operator());
    let (home, url) = (home.path(), server.database("market"));
    let lines = lines(entries);
    submit(home, &lines);
    assert_eq!(pg(home, &url, &["migrate"]).code, 0);
    execute(&url, SCHEMA);
    let rows = fill(&url, &lines);
    std::fs::write(home.join("mapping.toml"), mapping()).unwrap();

    let (equal, code) = reconcile(home, &url);
    assert_eq!((&equal["equal"], code), (&json!(true), 0), "{equal}");
    let of = |kind| lines.iter().filter(|line| line["kind"] == kind).count();
    for (table, kind) in [(0, "transaction"), (1, "commission")] {
        let report = &equal["tables"][table];
        assert_eq!((&report["rows"], &report["entries"]), (&json!(of(kind)), &json!(of(kind))));
    }

    let mut random = Random::seeded("POSTGRES_SEED");
    let wrong = tamper(&url, &rows, edits, &mut random);
    let (found, code) = reconcile(home, &url);
    assert_eq!((&found["equal"], code), (&json!(false), 1));
    assert_eq!(problems(&found), wrong);
    // In as many passes as it takes, it finds the same.
    let passes = in_passes(home, &url, 300);
    assert_eq!(problems(&serde_json::to_value(passes).unwrap()), wrong);

    a_node_raises_the_alarm(home, &url);
    readable_and_refusing(home, &url);
}

/// Entries of a sample marketplace and some with hostile names, one JSON object each.
fn lines(entries: usize) -> Vec<Value> {
    let mut lines: Vec<Value> =
        sample(entries).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let tenant = "it's\"$1";
    let mut hostile = vec![terms()];
    hostile.extend(HOSTILE.map(sale));
    for mut line in hostile {
        line["tenant"] = json!(tenant);
        lines.push(line);
    }
    lines
}

fn submit(home: &Path, lines: &[Value]) {
    let text = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    let (file, token) = (path(home, "entries.ndjson"), path(home, "token"));
    std::fs::write(&file, text).unwrap();
    let node = operated(home);
    let done =
        support::binary::json(&["submit", &file, "--url", &node.url, "--token-file", &token]);
    assert_eq!(done["sealed"], lines.len(), "{done}");
    assert_eq!(node.stop().code, 0);
}

fn pg(home: &Path, url: &str, arguments: &[&str]) -> Ran {
    let mut command = counterfoil(["pg"]);
    command.args(arguments).args(["--dir", &path(home, "ledger")]);
    command.env("COUNTERFOIL_POSTGRES_URL", url).output().unwrap().into()
}

fn reconcile(home: &Path, url: &str) -> (Value, i32) {
    let mapping = path(home, "mapping.toml");
    let ran = pg(home, url, &["reconcile", "--mapping", &mapping, "--no-mirror", "--json"]);
    assert!(ran.code < 2, "{ran:?}");
    (ran.json(), ran.code)
}

fn in_passes(home: &Path, url: &str, entries: u64) -> ReconcileReport {
    let spec = ChainSpec::parse(&std::fs::read_to_string(home.join("spec.toml")).unwrap()).unwrap();
    let chain = Arc::new(Chain::new(spec));
    let (store, _committer) = Store::open(&home.join("ledger"), chain.clone()).unwrap();
    let mapping = Arc::new(Mapping::parse(&mapping()).unwrap());
    block_on(async {
        let database = Database::new(url.parse().unwrap(), chain);
        let mut connection = database.connect().await.unwrap();
        reconcile_bounded(&mut connection, &store, &mapping, entries, |_| {}).await.unwrap()
    })
}

/// A text as SQL writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// A row of the marketplace's own: of which table, whose, called what.
#[derive(Clone)]
struct OwnRow {
    table: &'static str,
    tenant: Value,
    id: Value,
}

impl OwnRow {
    /// The condition that it alone meets.
    fn condition(&self) -> String {
        let id = if self.table == "shop.orders" { NUMBER } else { "id" };
        format!("brand = {} AND {id} = {}", literal(&self.tenant), literal(&self.id))
    }

    fn key(&self) -> (String, String, String) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (self.table.to_owned(), text(&self.tenant), text(&self.id))
    }
}

/// Fills the tables with what was submitted, as a marketplace has it; the rows.
fn fill(url: &str, lines: &[Value]) -> Vec<OwnRow> {
    let (mut statements, mut rows) = (String::new(), Vec::new());
    for line in lines {
        let (body, tenant, id) = (&line["body"], &line["tenant"], &line["external_id"]);
        let insert = |table: &str, values: Vec<Value>| {
            let values: Vec<String> = values.iter().map(literal).collect();
            format!("INSERT INTO {table} VALUES ({});\n", values.join(", "))
        };
        let table = match line["kind"].as_str().unwrap() {
            "transaction" => {
                let cents: String =
                    body["amount"].as_str().unwrap().chars().filter(|one| *one != '.').collect();
                let cents: i64 = cents.parse().unwrap();
                statements += &insert(
                    "shop.orders",
                    vec![
                        tenant.clone(),
                        id.clone(),
                        cents.into(),
                        body["currency"].clone(),
                        body["merchant"].clone(),
                        line["event_time"].clone(),
                        body["voucher"].clone(),
                    ]
                    .into_iter()
                    .chain([json!("recorded")])
                    .collect(),
                );
                "shop.orders"
            }
            "commission" => {
                let share = match body["role"]["type"].as_str() {
                    Some("override") => Value::Null,
                    _ => body["role"].get("share_ppm").cloned().unwrap_or(json!(1_000_000)),
                };
                statements += &insert(
                    "shop.earned",
                    vec![
                        tenant.clone(),
                        id.clone(),
                        body["amount"].clone(),
                        body["transaction"].clone(),
                        body["affiliate"].clone(),
                        share,
                        body["rule"].clone(),
                    ],
                );
                "shop.earned"
            }
            _ => continue,
        };
        rows.push(OwnRow { table, tenant: tenant.clone(), id: id.clone() });
    }
    // Not meant: its state says so.
    statements += "INSERT INTO shop.orders (brand, state) VALUES ('x', 'draft');";
    execute(url, &statements);
    rows
}

/// Makes so many rows wrong, each in one way.
fn tamper(url: &str, rows: &[OwnRow], edits: usize, random: &mut Random) -> Wrong {
    let (mut wrong, mut statements, mut left) = (Wrong::new(), String::new(), rows.to_vec());
    let update = [
        ("shop.orders", "cents = cents + 1", "changed"),
        ("shop.orders", "cents = NULL", "changed"),
        ("shop.orders", "currency = 'ZZZ'", "changed"),
        ("shop.orders", "merchant = merchant || 'x'", "changed"),
        ("shop.orders", "ordered_at = ordered_at + interval '1 microsecond'", "changed"),
        ("shop.orders", "voucher = coalesce(voucher || 'x', 'x')", "changed"),
        ("shop.orders", "state = 'draft'", "missing"),
        ("shop.earned", "amount = amount + 0.0001", "changed"),
        ("shop.earned", "order_id = order_id || 'x'", "wrong_link"),
        ("shop.earned", "order_id = NULL", "wrong_link"),
        ("shop.earned", "order_id = '', affiliate = ''", "changed"),
        ("shop.earned", "rule = rule + 1", "changed"),
    ];
    for number in 0..edits {
        let row = left.swap_remove(random.index(left.len()));
        let (table, condition) = (row.table, row.condition());
        match random.below(4) {
            0 => {
                writeln!(statements, "DELETE FROM {table} WHERE {condition};").unwrap();
                wrong.insert(row.key(), "missing".to_owned());
            }
            1 => {
                let copy = format!("INSERT INTO {table} SELECT * FROM {table} WHERE {condition};");
                writeln!(statements, "{copy}").unwrap();
                wrong.insert(row.key(), "repeated".to_owned());
            }
            2 => {
                let id = format!("inserted-{number}-'\"");
                let row = OwnRow { id: json!(id), ..row };
                let column = if table == "shop.orders" { NUMBER } else { "id" };
                let values = [&row.tenant, &row.id].map(literal).join(", ");
                writeln!(statements, "INSERT INTO {table} (brand, {column}) VALUES ({values});")
                    .unwrap();
                wrong.insert(row.key(), "extra".to_owned());
            }
            _ => {
                let fitting: Vec<_> = update.iter().filter(|(of, ..)| *of == table).collect();
                let (_, set, problem) = fitting[random.index(fitting.len())];
                writeln!(statements, "UPDATE {table} SET {set} WHERE {condition};").unwrap();
                wrong.insert(row.key(), (*problem).to_owned());
            }
        }
    }
    execute(url, &statements);
    wrong
}

/// What a report names.
fn problems(report: &Value) -> Wrong {
    let mut wrong = Wrong::new();
    for table in report["tables"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let findings = table["findings"].as_array().unwrap();
        let counted =
            ["changed", "wrong_links", "missing", "extra"].map(|name| table[name].as_u64());
        assert_eq!(counted.into_iter().flatten().sum::<u64>(), findings.len() as u64);
        for finding in findings {
            let key =
                (text(&table["table"]), text(&finding["tenant"]), text(&finding["external_id"]));
            let before = wrong.insert(key, text(&finding["problem"]));
            assert_eq!(before, None, "{finding} is named twice");
        }
    }
    wrong
}

/// A running node compares by itself, and raises the alarm in its log.
fn a_node_raises_the_alarm(home: &Path, url: &str) {
    let mut command =
        counterfoil(["node", "--dir", &path(home, "ledger"), "--listen", "127.0.0.1:0"]);
    command.arg("--json").env("COUNTERFOIL_POSTGRES_URL", url);
    command.env("COUNTERFOIL_POSTGRES_RECONCILE", path(home, "mapping.toml"));
    command.env("COUNTERFOIL_POSTGRES_RECONCILE_SECONDS", "1");
    let node = Node::launch(command);
    std::thread::sleep(Duration::from_secs(5));
    let said = node.stop().err;
    assert!(said.contains("DIFFERS from the ledger") && said.contains("shop.earned"), "{said}");
}

/// For people it says the same; what can't be compared is no difference.
fn readable_and_refusing(home: &Path, url: &str) {
    let mapping = path(home, "mapping.toml");
    let ran = pg(home, url, &["reconcile", "--mapping", &mapping, "--no-mirror"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("shop.orders: ") && ran.out.contains(": missing"), "{}", ran.out);
    assert!(
        ran.out.ends_with("DIFFERENT, as of height ") || ran.out.contains("DIFFERENT"),
        "{}",
        ran.out
    );
    for (from, to, said) in [
        ("shop.earned", "shop.nothing", "shop.nothing"),
        ("\"cents\"", "\"nothing\"", "nothing"),
        ("voucher =", "price =", "has no such field"),
    ] {
        let bad = self::mapping().replacen(from, to, 1);
        std::fs::write(home.join("bad.toml"), bad).unwrap();
        let ran =
            pg(home, url, &["reconcile", "--mapping", &path(home, "bad.toml"), "--no-mirror"]);
        assert_eq!((ran.code, ran.err.contains(said)), (2, true), "{said}: {ran:?}");
    }
}
