//! The mirror in a real PostgreSQL: every row beside the ledger, sums beside the answers to queries,
//! and whatever is killed when, it goes on at the exact height.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]
#![cfg(all(feature = "node", unix))]

mod support;

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil::postgres::mirror::balance_columns;
use counterfoil::postgres::tables::Relation;
use counterfoil::protocol::spec::ChainSpec;
use counterfoil::protocol::verify::Chain;
use counterfoil::query::{AsOf, When, affiliate_balances};
use counterfoil::store::Store;
use serde_json::{Value, json};
use support::binary::{Node, Ran, counterfoil, operated, operator, path, seal};
use support::postgres::{Postgres, execute, query, try_execute};
use support::random::Random;

const ENTRIES: usize = 1_500;
/// How often something is killed; `COUNTERFOIL_LONG` makes it a hundred.
const KILLS: u64 = 6;
const LONG_KILLS: u64 = 100;
/// How long the mirror may take to follow.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs `counterfoil pg …` on an operator's ledger and a database.
fn pg(home: &Path, url: &str, arguments: &[&str]) -> Ran {
    pg_command(home, url, arguments).output().unwrap().into()
}

fn pg_command(home: &Path, url: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = counterfoil(["pg"]);
    command.args(arguments).args(["--dir", &path(home, "ledger")]);
    command.env("COUNTERFOIL_POSTGRES_URL", url);
    command
}

fn pg_json(home: &Path, url: &str, arguments: &[&str]) -> Value {
    let ran = pg(home, url, &[arguments, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.json()
}

/// The mirror is as far as the ledger, and every row of it is as the ledger says.
fn assert_equal(home: &Path, url: &str) -> Value {
    let report = pg_json(home, url, &["mirror", "--check"]);
    assert_eq!(report["equal"], true, "{report}");
    assert_eq!(report["height"], report["ledger_height"], "{report}");
    assert_eq!(report["states_compared"], true, "{report}");
    report
}

fn count(url: &str, from: &str) -> u64 {
    query(url, &format!("SELECT count(*) AS n FROM {from}"))[0]["n"].as_u64().unwrap()
}

#[test]
fn the_mirror_says_what_the_ledger_says() {
    let (server, home) = (Postgres::start(), operator());
    let (home, url) = (home.path(), server.database("market"));
    seal(home, ENTRIES);
    let refused = pg(home, &url, &["mirror"]);
    assert_eq!((refused.code, refused.err.contains("pg migrate")), (1, true), "{refused:?}");
    pg_json(home, &url, &["migrate"]);
    schema_is_as_the_program_says(&url);
    let written = pg_json(home, &url, &["mirror", "--batch-entries", "200"]);
    assert_eq!(written["entries"], ENTRIES, "{written}");
    let report = assert_equal(home, &url);
    assert!(report["balances"].as_u64().unwrap() > 10, "{report}");
    assert_eq!(count(&url, "counterfoil.entries"), ENTRIES as u64);
    // Again: nothing to do.
    assert_eq!(pg_json(home, &url, &["mirror"])["blocks"], 0);

    balances_are_those_of_queries(home, &url);
    views_add_up(&url);
    readers_read_and_nothing_else(&url);

    let before = contents(&url);
    pg_json(home, &url, &["mirror", "--rebuild"]);
    assert!(before == contents(&url), "a rebuilt mirror differs");
    tampering_is_found(home, &url);
    others_are_refused(home, &server, &url);
}

/// Every table has the columns that the program writes, of their types, in their order.
fn schema_is_as_the_program_says(url: &str) {
    for relation in Relation::ALL {
        let table = relation.table();
        let columns = query(
            url,
            &format!(
                "SELECT column_name AS name, data_type AS type FROM information_schema.columns \
                 WHERE table_schema = 'counterfoil' AND table_name = '{}' ORDER BY ordinal_position",
                table.name
            ),
        );
        let expected: Vec<Value> = table
            .columns
            .iter()
            .map(|column| json!({"name": column.name, "type": column.holds.sql()}))
            .collect();
        assert_eq!(columns, Value::from(expected), "{}", table.name);
    }
    let balances = query(
        url,
        "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = \
         'counterfoil' AND table_name = 'balances' ORDER BY ordinal_position",
    );
    let names: Vec<&str> =
        balances.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, balance_columns());
}

/// Affiliates have in the mirror what `counterfoil query balances` answers.
fn balances_are_those_of_queries(home: &Path, url: &str) {
    let spec = ChainSpec::parse(&std::fs::read_to_string(home.join("spec.toml")).unwrap()).unwrap();
    let (store, _committer) =
        Store::open(&home.join("ledger"), Arc::new(Chain::new(spec))).unwrap();
    let view = store.view();
    let at = AsOf::resolve(&view, When::default()).unwrap();
    let rows = query(
        url,
        "SELECT tenant, party, currency, entries, pending::text, extended::text, approved::text, \
             locked::text, funded::text, in_payout::text, paid::text, declined::text, \
             adjustments_free::text, adjustments_in_payout::text, adjustments_paid::text, \
             (carried_kept - carried_used)::text AS carried_forward \
         FROM counterfoil.balances WHERE role = 'affiliate'",
    );
    let rows = rows.as_array().unwrap();
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        let mut row = row.as_object().unwrap().clone();
        let [tenant, party] = ["tenant", "party"]
            .map(|name| row.remove(name).unwrap().as_str().unwrap().parse().unwrap());
        let answered = affiliate_balances(&view, &at, &tenant, &party).unwrap();
        let answered = serde_json::to_value(answered).unwrap();
        let own =
            answered.as_array().unwrap().iter().find(|own| own["currency"] == row["currency"]);
        assert_eq!(own, Some(&Value::from(row)));
    }
}

/// What views come to is what balances and tables come to.
fn views_add_up(url: &str) {
    let by_state = query(
        url,
        "SELECT currency, state, sum(remaining)::text AS amount FROM counterfoil.commissions_now \
         GROUP BY currency, state HAVING sum(remaining) <> 0 ORDER BY 1, 2",
    );
    assert!(by_state.as_array().unwrap().len() > 4, "{by_state}");
    for row in by_state.as_array().unwrap() {
        let (currency, state) = (row["currency"].as_str().unwrap(), row["state"].as_str().unwrap());
        for role in ["network", "affiliate", "merchant"] {
            let balance = query(
                url,
                &format!(
                    "SELECT sum({state})::text AS amount FROM counterfoil.balances \
                     WHERE role = '{role}' AND currency = '{currency}'"
                ),
            );
            assert_eq!(balance[0]["amount"], row["amount"], "{role} {row}");
        }
    }
    let free = "SELECT coalesce(sum(CASE effect WHEN 'credit' THEN amount ELSE -amount END), 0)::text \
        AS sum FROM counterfoil.adjustments_now WHERE state = 'free'";
    let balance = "SELECT sum(adjustments_free)::text AS sum FROM counterfoil.balances WHERE role = 'network'";
    let number = |asked| query(url, asked)[0]["sum"].as_str().unwrap().parse::<f64>().unwrap();
    assert!((number(free) - number(balance)).abs() < 0.001);
    for view in [
        "earnings_by_month",
        "liabilities_by_merchant",
        "due_to_affiliates",
        "declines_by_reason",
        "open_commissions",
        "sales_by_month",
    ] {
        assert!(count(url, &format!("counterfoil.{view}")) > 0, "{view}");
    }
    let open = count(url, "counterfoil.open_commissions");
    let states = count(
        url,
        "counterfoil.commission_states WHERE own_state IN ('pending', 'extended', 'approved')",
    );
    assert_eq!(open, states);
    count(url, "counterfoil.open_inquiries");
}

fn readers_read_and_nothing_else(url: &str) {
    execute(url, "CREATE ROLE analyst LOGIN IN ROLE counterfoil_reader");
    let analyst = url.replace("tester:", "analyst:");
    assert_eq!(count(&analyst, "counterfoil.entries"), ENTRIES as u64);
    assert!(count(&analyst, "counterfoil.earnings_by_month") > 0);
    for statement in [
        "DELETE FROM counterfoil.entries",
        "UPDATE counterfoil.balances SET paid = 0",
        "INSERT INTO counterfoil.mirror SELECT * FROM counterfoil.mirror",
        "TRUNCATE counterfoil.blocks",
        "CREATE TABLE counterfoil.own (id int)",
    ] {
        let refused = try_execute(&analyst, statement).unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{statement}: {refused}");
    }
}

/// Everything in the mirror, but for when it was written.
fn contents(url: &str) -> Vec<Value> {
    let names = Relation::ALL.iter().map(|relation| relation.table());
    let mut contents: Vec<Value> = names
        .map(|table| {
            let (name, key) = (table.name, table.key_list());
            query(url, &format!("SELECT * FROM counterfoil.{name} ORDER BY {key}"))
        })
        .collect();
    contents.push(query(url, "SELECT * FROM counterfoil.balances ORDER BY 1, 2, 3, 4"));
    contents
        .push(query(url, "SELECT height, hash, log_size, states_height FROM counterfoil.mirror"));
    contents
}

/// Each of these is found, and named.
fn tampering_is_found(home: &Path, url: &str) {
    let cases = [
        (
            "UPDATE counterfoil.commissions SET amount = amount + 0.01 WHERE index = (SELECT min(index) FROM counterfoil.commissions)",
            "commissions",
            "changed",
        ),
        (
            "DELETE FROM counterfoil.entries WHERE index = (SELECT max(index) FROM counterfoil.entries)",
            "entries",
            "missing",
        ),
        (
            "INSERT INTO counterfoil.decisions (index, tenant, external_id, event_time, commission, verdict) VALUES (1000000, 'a', 'b', now(), 'c', 'lock')",
            "decisions",
            "extra",
        ),
        (
            "UPDATE counterfoil.commission_states SET own_state = 'paid' WHERE index = (SELECT index FROM counterfoil.commission_states WHERE own_state <> 'paid' LIMIT 1)",
            "commission_states",
            "changed",
        ),
        (
            "UPDATE counterfoil.balances SET paid = paid + 1 WHERE role = 'affiliate' AND (tenant, party, currency) = (SELECT tenant, party, currency FROM counterfoil.balances WHERE role = 'affiliate' LIMIT 1)",
            "balances",
            "changed",
        ),
        ("DELETE FROM counterfoil.balances WHERE role = 'network'", "balances", "missing"),
        (
            "UPDATE counterfoil.blocks SET sealed_at = sealed_at + interval '1 second' WHERE height = 1",
            "blocks",
            "changed",
        ),
    ];
    for (statement, table, problem) in cases {
        execute(url, statement);
        let ran = pg(home, url, &["mirror", "--check", "--json"]);
        assert_eq!(ran.code, 1, "{statement}: {ran:?}");
        let report = ran.json();
        let first = report["first"].as_array().unwrap();
        assert!(!first.is_empty() && report["differences"] == first.len(), "{report}");
        let named = |one: &Value| one["table"] == table && one["problem"] == problem;
        assert!(first.iter().all(named), "{statement}: {report}");
        pg_json(home, url, &["mirror", "--rebuild"]);
    }
    assert_equal(home, url);
}

/// Neither another chain's ledger nor another history of this one is mixed in.
fn others_are_refused(home: &Path, server: &Postgres, url: &str) {
    let other = operator();
    let ran = pg(other.path(), url, &["mirror"]);
    assert_eq!((ran.code, ran.err.contains("choose another database")), (1, true), "{ran:?}");
    execute(url, "UPDATE counterfoil.mirror SET hash = sha256('another history')");
    for arguments in [&["mirror"][..], &["mirror", "--check"]] {
        let ran = pg(home, url, arguments);
        assert_eq!((ran.code, ran.err.contains("another history")), (1, true), "{ran:?}");
    }
    pg_json(home, url, &["mirror", "--rebuild"]);
    assert_equal(home, url);
    drop(other);
    let _ = server;
}

#[test]
fn killed_at_any_moment_it_goes_on_at_the_exact_height() {
    let long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let (mut server, home) = (Postgres::start(), operator());
    let (home, url) = (home.path(), server.database("market"));
    seal(home, ENTRIES);
    pg_json(home, &url, &["migrate"]);
    let mut random = Random::seeded("POSTGRES_SEED");
    let mut cut = 0;
    for round in 0..if long { LONG_KILLS } else { KILLS } {
        if round % 3 == 0 {
            // From the beginning, else it would soon have everything.
            execute(&url, "UPDATE counterfoil.mirror SET moved_at = now()");
            truncate(&url);
        }
        let mut child = start_mirroring(home, &url);
        std::thread::sleep(Duration::from_millis(random.below(900)));
        match random.below(3) {
            0 => {
                child.kill().unwrap();
            }
            1 => {
                // What it asked for is answered by nobody any more.
                server.crash(random.below(2) == 0);
                server.recover();
            }
            _ => execute(
                &url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
            ),
        }
        let status = child.wait().unwrap();
        cut += u64::from(!status.success());
        is_whole(&url);
    }
    pg_json(home, &url, &["mirror"]);
    assert_equal(home, &url);
    assert!(cut > 0, "nothing was ever cut off");
    println!("cut off {cut} times");
}

fn start_mirroring(home: &Path, url: &str) -> Child {
    let mut command = pg_command(home, url, &["mirror", "--batch-entries", "20"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn truncate(url: &str) {
    let tables =
        Relation::ALL.iter().map(|relation| format!("counterfoil.{}", relation.table().name));
    let tables: Vec<String> = tables.collect();
    let tables = tables.join(", ");
    execute(url, &format!("TRUNCATE counterfoil.mirror, counterfoil.balances, {tables}"));
}

/// The rows are those of the height that is said to be reached: none less, none more.
fn is_whole(url: &str) {
    let place = query(url, "SELECT height, log_size FROM counterfoil.mirror");
    let (height, log_size) = match place.get(0) {
        Some(place) => (place["height"].as_u64().unwrap(), place["log_size"].as_u64().unwrap()),
        None => (0, 1),
    };
    assert_eq!(count(url, "counterfoil.blocks"), height);
    assert_eq!(count(url, "counterfoil.entries"), log_size - 1 - height);
}

#[test]
fn a_node_mirrors_what_it_seals() {
    let (server, home) = (Postgres::start(), operator());
    let (home, url) = (home.path(), server.database("market"));
    pg_json(home, &url, &["migrate"]);
    let lines = support::binary::sample(700);
    let lines: Vec<&str> = lines.lines().collect();
    let mut command = counterfoil([
        "node",
        "--dir",
        &path(home, "ledger"),
        "--key-file",
        &path(home, "key"),
        "--token-file",
        &path(home, "token"),
        "--listen",
        "127.0.0.1:0",
        "--json",
    ]);
    command.env("COUNTERFOIL_POSTGRES_URL", &url).env("COUNTERFOIL_POSTGRES_MIRROR", "true");
    let node = Node::launch(command);
    let submit = |node: &Node, lines: &[&str]| {
        let (entries, token) = (path(home, "entries.ndjson"), path(home, "token"));
        std::fs::write(&entries, lines.join("\n")).unwrap();
        let arguments = ["submit", &entries, "--url", &node.url, "--token-file", &token];
        assert_eq!(support::binary::json(&arguments)["sealed"], lines.len());
    };
    submit(&node, &lines[..300]);
    submit(&node, &lines[300..600]);
    let since = Instant::now();
    while count(&url, "counterfoil.entries") < 600 {
        assert!(since.elapsed() < PATIENCE, "the mirror does not follow");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(node.stop().code, 0);
    assert_equal(home, &url);
    // Without a database it seals all the same.
    drop(server);
    let node = operated(home);
    submit(&node, &lines[600..]);
    assert_eq!(node.stop().code, 0);
}
