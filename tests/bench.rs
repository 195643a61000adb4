//! `counterfoil bench`: every part on a small ledger, beside a real PostgreSQL server. What the
//! figures are is up to the machine; that they are there, and belong together, is not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};
use support::binary::{Ran, block_on, counterfoil, run};
use support::postgres::Postgres;

const ENTRIES: u32 = 2_000;

/// Every figure that everything together has, by part.
const FIGURES: [(&str, &[&str]); 9] = [
    (
        "ingest",
        &[
            "ingest.rate",
            "ingest.first_quarter",
            "ingest.last_quarter",
            "ingest.decay",
            "ingest.block_p50",
            "ingest.block_p99",
            "ingest.block_max",
            "ingest.waited",
            "ingest.processor_per_entry",
            "ingest.disk_per_entry",
            "ingest.memory_peak",
            "ingest.memory",
            "ingest.to_raw",
            "ingest.to_raw_alone",
            "raw.rate",
            "raw.single_p50",
            "raw.single_p99",
            "raw.single_max",
            "alone.make_rate",
            "alone.make_and_encode_rate",
            "alone.memory_peak",
            "alone.raw_rate",
            "alone.raw_single_p50",
        ],
    ),
    ("open", &["open.after_kill", "open.again", "open.memory_peak"]),
    ("read", &["read.by_id", "read.by_index", "read.receipt", "read.memory_peak"]),
    (
        "verify",
        &[
            "verify.rate",
            "verify.entries",
            "verify.memory_peak",
            "verify.fsck_rate",
            "verify.fsck_memory_peak",
        ],
    ),
    (
        "queries",
        &[
            "query.balances_rate",
            "query.balances_p99",
            "query.statement_p99",
            "query.earnings_p99",
            "query.liabilities_p99",
            "query.history_p99",
            "query.order_p99",
            "query.search_p99",
            "query.totals_p99",
            "query.memory_peak",
        ],
    ),
    ("old-decisions", &["old.cold", "old.warm", "old.warm_to_cold"]),
    (
        "http",
        &[
            "http.batch_rate",
            "http.batch_entries",
            "http.batch_p50",
            "http.single_rate",
            "http.single_entries",
            "http.single_p99",
            "http.lone_p50",
            "http.bare_p50",
            "http.lone_to_allowed",
            "http.memory_peak",
        ],
    ),
    (
        "sync",
        &[
            "sync.alone_rate",
            "sync.rate",
            "sync.to_alone",
            "sync.memory_peak",
            "sync.tail_p50",
            "sync.tail_p99",
            "sync.tail_max",
        ],
    ),
    (
        "postgres",
        &[
            "postgres.ledger_rate",
            "postgres.plain_rate",
            "postgres.plain_copied_rate",
            "postgres.chained_rate",
            "postgres.chained_copied_rate",
            "postgres.ledger_disk",
            "postgres.mirror_rate",
            "postgres.check_rate",
            "postgres.reconcile_rate",
            "postgres.tampered_named",
            "postgres.outbox_rate",
            "postgres.outbox_p50",
            "postgres.tampered",
            "postgres.ledger_single_rate",
            "postgres.plain_single_rate",
            "postgres.chained_single_rate",
            "postgres.plain_row",
            "postgres.chained_row",
            "postgres.batch_to_chained",
            "postgres.single_to_chained",
            "postgres.disk_to_row",
        ],
    ),
];

#[test]
fn everything_is_measured_and_nothing_is_left_behind() {
    let server = Postgres::start();
    let home = tempfile::tempdir().unwrap();
    let entries = ENTRIES.to_string();
    let url = server.url();
    let ran = bench(
        home.path(),
        &[
            "--entries",
            &entries,
            "--block-entries",
            "100",
            "--seconds",
            "1",
            "--clients",
            "8",
            "--postgres",
            &url,
            "--json",
            "bench.json",
            "--svg",
            "bench.svg",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(names(home.path()), ["bench.json", "bench.svg"]);
    assert_eq!(schemas(&server), 0, "a schema is left behind");

    let text = fs::read_to_string(home.path().join("bench.json")).unwrap();
    assert!(!text.contains("unused-password"), "the server's URL may hold a password");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["workload"]["entries"], ENTRIES);
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    let values = check_figures(&report, &ran);
    check_goals(&report, &values);
    check_curves(&report, &values);
    // Killed three times while more was written, the ledger has at least what it was filled with.
    assert!(values["verify.entries"] >= f64::from(ENTRIES));
    well_formed(&home.path().join("bench.svg"));
}

#[test]
fn a_ledger_that_was_filled_is_used_again() {
    let home = tempfile::tempdir().unwrap();
    let fill = ["--entries", "500", "--block-entries", "50", "--dir", "kept"];
    let filled = bench(home.path(), &[&fill[..], &["--only", "ingest"]].concat());
    assert_eq!(filled.code, 0, "{filled:?}");
    assert_eq!(names(&home.path().join("kept")), ["ledger"]);

    let read = ["--dir", "kept", "--only", "read,verify", "--seconds", "1", "--json", "read.json"];
    let read = bench(home.path(), &read);
    assert_eq!(read.code, 0, "{read:?}");
    let report: Value =
        serde_json::from_slice(&fs::read(home.path().join("read.json")).unwrap()).unwrap();
    assert_eq!(report["workload"]["entries"], 500);
    let parts: Vec<_> =
        report["parts"].as_array().unwrap().iter().map(|part| &part["name"]).collect();
    assert_eq!(parts, ["read", "verify"]);
    let verify = &report["parts"][1]["figures"];
    let entries = verify.as_array().unwrap().iter().find(|one| one["key"] == "verify.entries");
    assert_eq!(entries.unwrap()["value"], 500.0);

    // It verifies like any other ledger, and what contradicts it is refused.
    let directory = home.path().join("kept/ledger");
    assert_eq!(run(&["verify", "--dir", directory.to_str().unwrap()]).code, 0);
    let cases: [(&[&str], &str); 2] = [
        (&["--dir", "kept", "--only", "ingest"], "is filled already"),
        (&["--dir", "kept", "--only", "read", "--entries", "501"], "filled with 500 entries"),
    ];
    for (arguments, expected) in cases {
        let refused = bench(home.path(), arguments);
        assert_eq!(refused.code, 2, "{arguments:?}: {refused:?}");
        assert!(refused.err.contains(expected), "{refused:?}");
    }
}

#[test]
fn what_is_not_asked_for_is_not_measured() {
    let home = tempfile::tempdir().unwrap();
    let ran = bench(home.path(), &["--entries", "300", "--only", "raw", "--json", "raw.json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: Value =
        serde_json::from_slice(&fs::read(home.path().join("raw.json")).unwrap()).unwrap();
    let parts = report["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 1);
    let keys: Vec<_> =
        parts[0]["figures"].as_array().unwrap().iter().map(|one| &one["key"]).collect();
    assert!(keys.iter().any(|key| *key == "raw.rate"));
    assert!(!keys.iter().any(|key| key.as_str().unwrap().starts_with("ingest")), "{keys:?}");
    assert_eq!(names(home.path()), ["raw.json"]);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_done() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("full/ledger")).unwrap();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--only", "postgres"], 2, "--postgres URL"),
        (&["--postgres", "not a URL"], 1, "--postgres takes a URL such as"),
        (&["--postgres", "postgres://nobody@127.0.0.1:1/none"], 1, "can't connect to PostgreSQL"),
        (&["--only", "speed"], 2, "possible values"),
        (&["--dir", "full"], 2, "was not made by `counterfoil bench`"),
        (&["--entries", "0"], 2, "--entries"),
    ];
    for (arguments, code, expected) in cases {
        let ran = bench(home.path(), arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(expected), "{arguments:?}: {ran:?}");
        assert_eq!(names(home.path()), ["full"], "{arguments:?}");
    }
}

#[test]
fn a_disk_that_is_full_is_named() {
    let home = tempfile::tempdir().unwrap();
    // A limit to the size of files, in KiB, that fails a write as a full disk does.
    let script = r#"trap '' XFSZ; ulimit -f 600; exec "$0" "$@""#;
    let program = env!("CARGO_BIN_EXE_counterfoil");
    let ran: Ran = Command::new("sh")
        .args(["-c", script, program, "bench", "--entries", "100000", "--only", "raw"])
        .current_dir(home.path())
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("File too large"), "{ran:?}");
    assert!(names(home.path()).is_empty());
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let mut child = counterfoil(["bench", "--entries", "10000000", "--only", "ingest"])
        .current_dir(home.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    let working = || {
        fs::read_dir(home.path())
            .unwrap()
            .any(|item| item.is_ok_and(|item| !names(&item.path()).is_empty()))
    };
    while !working() {
        assert!(since.elapsed() < Duration::from_mins(1), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(names(home.path()).is_empty());
}

fn bench(home: &Path, arguments: &[&str]) -> Ran {
    let mut command = counterfoil([&["bench"], arguments].concat());
    command.current_dir(home).output().expect("the binary runs").into()
}

/// What is in a folder, sorted; nothing if it is gone.
fn names(folder: &Path) -> Vec<String> {
    let items = fs::read_dir(folder).map_or_else(|_| Vec::new(), Iterator::collect);
    let names = items.into_iter().flatten().map(|item| item.file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

fn schemas(server: &Postgres) -> i64 {
    block_on(async {
        let mut connection = PgConnection::connect(&server.url()).await.unwrap();
        let query = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'counterfoil%'";
        sqlx::query(query).fetch_one(&mut connection).await.unwrap().get(0)
    })
}

/// Every figure is there, is a number, and is printed; all of them by key.
fn check_figures(report: &Value, ran: &Ran) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let parts = report["parts"].as_array().unwrap();
    assert_eq!(parts.len(), FIGURES.len());
    for (part, (name, keys)) in parts.iter().zip(FIGURES) {
        assert_eq!(part["name"], name);
        for figure in part["figures"].as_array().unwrap() {
            let key = figure["key"].as_str().unwrap();
            let value = figure["value"].as_f64().unwrap_or_else(|| panic!("{key}: {figure}"));
            assert!(value.is_finite() && value >= 0.0, "{key}: {value}");
            assert!(ran.out.contains(figure["label"].as_str().unwrap()), "{key} is not printed");
            assert!(values.insert(key.to_owned(), value).is_none(), "{key} is there twice");
        }
        for key in keys {
            let value = values.get(*key).unwrap_or_else(|| panic!("{key} is missing"));
            assert!(*value > 0.0, "{key} is {value}");
        }
    }
    values
}

/// A goal is met where the figure says so, and no other.
fn check_goals(report: &Value, values: &BTreeMap<String, f64>) {
    let parts = report["parts"].as_array().unwrap();
    let goals: Vec<_> = parts.iter().flat_map(|part| part["goals"].as_array().unwrap()).collect();
    assert!(goals.len() >= 18, "{goals:#?}");
    for goal in goals {
        let value = values[goal["key"].as_str().unwrap()];
        let least = goal["goal"]["at_least"].as_f64().map(|least| value >= least);
        let most = goal["goal"]["at_most"].as_f64().map(|most| value <= most);
        assert_eq!(goal["met"].as_bool(), least.or(most), "{goal} {value}");
    }
}

/// The slices of a curve follow each other, and belong to the figure of the whole.
fn check_curves(report: &Value, values: &BTreeMap<String, f64>) {
    let parts = report["parts"].as_array().unwrap();
    let curves = parts.iter().flat_map(|part| part["curves"].as_array().unwrap());
    let cases = [
        ("ledger", "ingest.rate", ENTRIES),
        // Every fourth block of 100.
        ("raw", "raw.rate", ENTRIES / 4),
        ("postgres.ledger", "postgres.ledger_rate", ENTRIES),
        ("postgres.plain", "postgres.plain_rate", ENTRIES),
        ("postgres.plain_copied", "postgres.plain_copied_rate", ENTRIES),
        ("postgres.chained", "postgres.chained_rate", ENTRIES),
        ("postgres.chained_copied", "postgres.chained_copied_rate", ENTRIES),
    ];
    let mut found = 0;
    for curve in curves {
        let case = cases.iter().find(|(key, ..)| curve["key"] == *key);
        let (key, rate, entries) = case.unwrap_or_else(|| panic!("{}", curve["key"]));
        let (mut done, mut seconds) = (0, 0.0);
        // The bare file gets a part of what the ledger gets.
        let share = ENTRIES / entries;
        for slice in curve["slices"].as_array().unwrap() {
            let from = slice["from_entry"].as_u64().unwrap();
            assert!(if share == 1 { from == done } else { from >= done }, "{key}");
            done += slice["entries"].as_u64().unwrap();
            seconds += slice["seconds"].as_f64().unwrap();
        }
        assert_eq!(done, u64::from(*entries), "{key}");
        let (rate, over_all) = (values[*rate], f64::from(*entries) / seconds);
        assert!((rate / over_all - 1.0).abs() < 1e-6, "{key}: {rate} is not {over_all}");
        found += 1;
    }
    assert_eq!(found, cases.len());
}

/// The picture is XML, as a parser that shares nothing with us has it.
fn well_formed(picture: &Path) {
    let program = std::env::var("COUNTERFOIL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = "import sys, xml.dom.minidom as xml\n\
        picture = xml.parse(sys.argv[1]).documentElement\n\
        print(picture.tagName, len(picture.getElementsByTagName('polyline')),\n\
              len(picture.getElementsByTagName('rect')))";
    let read = Command::new(program).args(["-c", script]).arg(picture).output().unwrap();
    let said = String::from_utf8_lossy(&read.stdout);
    // Six curves; the background, and a bar for each goal.
    assert!(said.starts_with("svg 6 "), "{said} {}", String::from_utf8_lossy(&read.stderr));
    let bars: usize = said.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(bars >= 19, "{said}");
}
