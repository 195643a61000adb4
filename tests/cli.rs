//! The command line, as people use it: the real binary, real files, real nodes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::binary::{Node, counterfoil, json, operated, operator, path, run, seal};

const VERBS: [&[&str]; 30] = [
    &["dev"],
    &["init"],
    &["node"],
    &["submit"],
    &["query"],
    &["verify"],
    &["verify-page"],
    &["inspect"],
    &["export"],
    &["import"],
    &["mirror"],
    &["fsck"],
    &["reindex"],
    &["bench"],
    &["key", "generate"],
    &["key", "show"],
    &["token", "generate"],
    &["spec", "new"],
    &["spec", "validate"],
    &["spec", "hash"],
    &["spec", "change"],
    &["spec", "sign"],
    &["spec", "submit"],
    &["pg", "migrate"],
    &["pg", "status"],
    &["pg", "outbox"],
    &["pg", "erase"],
    &["pg", "mirror"],
    &["pg", "reconcile"],
    &[],
];

#[test]
fn every_verb_explains_itself_with_an_example() {
    for verb in VERBS {
        let ran = run(&[verb, &["--help"]].concat());
        assert_eq!(ran.code, 0, "{verb:?}");
        let example = format!("counterfoil {}", verb.join(" "));
        let (_, examples) = ran.out.split_once("Example").unwrap_or_default();
        assert!(examples.contains(example.trim()), "{verb:?}: {}", ran.out);
    }
}

#[test]
fn wrong_command_lines_exit_with_2() {
    let cases: [&[&str]; 8] = [
        &["frobnicate"],
        &["verify"],
        &["verify", "--url", "http://127.0.0.1:1"],
        &["verify", "--dir", "a", "--file", "b"],
        &["dev", "--listen", "0.0.0.0:8080"],
        &["inspect", "--dir", "a"],
        &["spec", "new", "--name", "A", "--origin", "a", "--authority", "zz"],
        &["dev", "--log-level", "shout=loud"],
    ];
    for arguments in cases {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

/// Tells by the directory that is missing whose setting won.
#[test]
fn file_then_environment_then_flags() {
    let home = tempfile::tempdir().unwrap();
    let config = path(home.path(), "node.toml");
    fs::write(&config, "dir = 'by-file'\n").unwrap();
    let cases: [(&[&str], Option<&str>, &str); 4] = [
        (&["--config", &config], None, "by-file"),
        (&["--config", &config], Some("by-environment"), "by-environment"),
        (&["--config", &config, "--dir", "by-flag"], Some("by-environment"), "by-flag"),
        (&["--dir", "by-flag"], None, "by-flag"),
    ];
    for (arguments, variable, expected) in cases {
        let mut command = counterfoil(["node"]);
        command.args(arguments).current_dir(&home);
        if let Some(variable) = variable {
            command.env("COUNTERFOIL_DIR", variable);
        }
        let output = command.output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(&format!("{expected} is no data directory")), "{err}");
    }
}

#[test]
fn wrong_settings_stop_the_start_and_are_named() {
    // What the file says, what the environment says, and what the message must name.
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);
    let home = tempfile::tempdir().unwrap();
    let config = path(home.path(), "node.toml");
    let dir = "dir = 'x'\n";
    let cases: [Case; 8] = [
        ("lisen = '127.0.0.1:1'", &[], &["lisen", "node.toml", "no such setting", "key_file"]),
        ("listen = 'nowhere'", &[], &["listen", "node.toml", "correct it"]),
        ("listen = 8080", &[], &["listen", "node.toml", "8080"]),
        ("log_format = 'xml'", &[], &["log_format", "node.toml", "pretty", "json"]),
        ("[store]\ncache = 1", &[], &["store", "no such setting"]),
        ("", &[("COUNTERFOIL_LISEN", "127.0.0.1:1")], &["COUNTERFOIL_LISEN", "no such setting"]),
        ("", &[("COUNTERFOIL_LISTEN", "nowhere")], &["COUNTERFOIL_LISTEN", "correct it"]),
        ("log_level = 'shout=loud'", &[], &["log_level", "shout=loud", "info"]),
    ];
    for (text, variables, expected) in cases {
        fs::write(&config, format!("{dir}{text}\n")).unwrap();
        let output = counterfoil(["node", "--config", &config])
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {err}");
        for word in expected {
            assert!(err.contains(word), "{text} {variables:?}: {word} is not in {err}");
        }
    }
    for (arguments, expected) in
        [(vec!["node"], "dir: not set"), (vec!["node", "--config", "none.toml"], "none.toml")]
    {
        let ran = run(&arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(expected), "{ran:?}");
    }
    fs::write(&config, "dir = 'x'\ndir = 'y'\n").unwrap();
    let ran = run(&["node", "--config", &config]);
    assert!(ran.code == 2 && ran.err.contains("node.toml"), "{ran:?}");
}

#[test]
fn keys_are_private_and_never_overwritten() {
    let home = operator();
    let key = path(home.path(), "key");
    let mode =
        |name: &str| fs::metadata(home.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("key"), mode("token")), (0o600, 0o600));

    let before = fs::read(&key).unwrap();
    let again = run(&["key", "generate", "--out", &key]);
    assert!(again.code == 1 && again.err.contains("never overwritten"), "{again:?}");
    assert_eq!(fs::read(&key).unwrap(), before);

    let shown = json(&["key", "show", &key, "--origin", "ledger.example/test"]);
    let vkey = shown["vkey"].as_str().unwrap();
    assert!(vkey.starts_with("ledger.example/test+"), "{vkey}");

    let ledger = path(home.path(), "ledger");
    let free = ["--listen", "127.0.0.1:0"];
    let node =
        |key: &str| run(&[&["node", "--dir", &ledger, "--key-file", key][..], &free].concat());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = node(&key);
    assert!(exposed.code == 1 && exposed.err.contains("chmod 600"), "{exposed:?}");
    let missing = node(&path(home.path(), "none"));
    assert!(missing.code == 1 && missing.err.contains("key generate"), "{missing:?}");
    json(&["key", "generate", "--out", &path(home.path(), "other")]);
    let wrong = node(&path(home.path(), "other"));
    assert!(wrong.code == 1 && wrong.err.contains("authority is"), "{wrong:?}");
}

#[test]
fn dev_makes_serves_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("dev");
    let spec = path(&dir, "spec.toml");
    let node = Node::dev(&dir, &["--entries", "300"]);
    node.wait_for_size(300);
    for page in ["/", "/docs", "/checkpoint", "/livez", "/readyz", "/v1/chain", "/v1/entries"] {
        assert!(!node.get(page).is_empty(), "{page}");
    }
    let other = run(&["dev", "--dir", dir.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(other.code == 1 && other.err.contains("in use by another process"), "{other:?}");
    let port = node.url.trim_start_matches("http://").to_owned();
    let elsewhere = path(home.path(), "elsewhere");
    let taken = run(&["dev", "--dir", &elsewhere, "--listen", &port]);
    assert!(taken.code == 1 && taken.err.contains("choose another address"), "{taken:?}");
    let chain = node.json("/v1/chain")["chain_id"].clone();
    // The sample is complete once its file says so.
    while !fs::read_to_string(dir.join("sample.toml")).unwrap().contains("complete = true") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let size = node.size();
    let stopped = node.stop();
    assert_eq!((stopped.code, stopped.err.as_str()), (0, ""), "{stopped:?}");

    // Again, and with another wish, which comes too late.
    let node = Node::dev(&dir, &["--entries", "900"]);
    assert_eq!((node.json("/v1/chain")["chain_id"].clone(), node.size()), (chain, size));
    let proven = json(&["verify", "--url", &node.url, "--spec", &spec]);
    assert_eq!((proven["entries"].as_u64(), proven["size"].as_u64()), (Some(300), Some(size)));
    assert_eq!(node.stop().code, 0);
    assert_eq!(json(&["fsck", "--dir", dir.to_str().unwrap()])["clean"], true);
}

#[test]
fn dev_goes_on_with_sample_data_that_was_interrupted() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("dev");
    let node = Node::dev(&dir, &["--entries", "3000"]);
    node.wait_for_size(200);
    node.kill();
    let node = Node::dev(&dir, &[]);
    while !fs::read_to_string(dir.join("sample.toml")).unwrap().contains("complete = true") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let head = node.json("/v1/chain")["head"].clone();
    let (size, height) = (head["size"].as_u64().unwrap(), head["height"].as_u64().unwrap());
    assert_eq!(size - height - 1, 3_000, "as many entries as asked for, none twice");
    assert_eq!(node.stop().code, 0);
}

#[test]
fn an_empty_dev_ledger_stays_empty_and_is_provable() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("dev");
    let node = Node::dev(&dir, &["--empty"]);
    let spec = path(&dir, "spec.toml");
    assert_eq!(json(&["verify", "--url", &node.url, "--spec", &spec])["entries"], 0);
    node.stop();
    let node = Node::dev(&dir, &[]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(node.size(), 1);
}

#[test]
fn export_and_import_move_a_ledger() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    seal(home.path(), 1_500);
    let exported = json(&["export", "--dir", &at("ledger"), &at("all.cfx")]);
    assert_eq!(run(&["export", "--dir", &at("ledger"), &at("all.cfx")]).code, 1, "not overwritten");

    assert_eq!(run(&["init", "--spec", &at("spec.toml"), "--dir", &at("copy")]).code, 0);
    // Cut short, then whole: the import goes on where it was.
    let bytes = fs::read(at("all.cfx")).unwrap();
    fs::write(at("cut.cfx"), &bytes[..bytes.len() * 2 / 3]).unwrap();
    let cut = run(&["import", &at("cut.cfx"), "--dir", &at("copy")]);
    assert!(cut.code == 1 && cut.err.contains("what was appended stays"), "{cut:?}");
    let imported = json(&["import", &at("all.cfx"), "--dir", &at("copy")]);
    assert_eq!(
        (&imported["size"], &imported["root"], &imported["chain_id"]),
        (&exported["size"], &exported["root"], &exported["chain_id"])
    );
    assert_eq!(
        imported["appended"].as_u64().unwrap() + imported["present"].as_u64().unwrap(),
        exported["blocks"].as_u64().unwrap()
    );
    let again = json(&["import", &at("all.cfx"), "--dir", &at("copy")]);
    assert_eq!((&again["appended"], &again["root"]), (&0.into(), &exported["root"]));
    assert_eq!(json(&["fsck", "--dir", &at("copy")])["clean"], true);
    assert_eq!(run(&["reindex", "--dir", &at("copy")]).code, 0);
    assert_eq!(json(&["fsck", "--dir", &at("copy")])["clean"], true);

    // The same checkpoint, byte for byte, from either.
    let checkpoint = |ledger: &str| {
        let node =
            Node::start(&["node", "--dir", &at(ledger), "--listen", "127.0.0.1:0", "--json"]);
        let signed = node.get("/checkpoint");
        node.stop();
        signed
    };
    assert_eq!(checkpoint("ledger"), checkpoint("copy"));

    let other = operator();
    let refused = run(&["import", &at("all.cfx"), "--dir", &path(other.path(), "ledger")]);
    assert!(refused.code == 1 && refused.err.contains("archive of chain"), "{refused:?}");
}

#[test]
fn a_directory_of_another_chain_is_refused() {
    let (home, other) = (operator(), operator());
    seal(home.path(), 5);
    let ledger = path(home.path(), "ledger");
    let init = run(&["init", "--spec", &path(other.path(), "spec.toml"), "--dir", &ledger]);
    assert!(init.code == 1 && init.err.contains("choose another directory"), "{init:?}");
    fs::copy(path(other.path(), "spec.toml"), path(home.path(), "ledger/spec.toml")).unwrap();
    for verb in [&["node", "--listen", "127.0.0.1:0"][..], &["fsck"], &["verify"], &["reindex"]] {
        let ran = run(&[verb, &["--dir", &ledger]].concat());
        assert!(ran.code == 1 && ran.err.contains("the store holds chain"), "{verb:?}: {ran:?}");
    }
}

#[test]
fn specs_are_written_checked_and_hashed() {
    let home = operator();
    let spec = path(home.path(), "spec.toml");
    let valid = json(&["spec", "validate", &spec]);
    let hash = json(&["spec", "hash", &spec]);
    assert_eq!((&valid["valid"], &valid["chain_id"]), (&true.into(), &hash["chain_id"]));
    let text = fs::read_to_string(&spec).unwrap();
    let without_comments: String =
        text.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |mut all, line| {
            writeln!(all, "{line}").unwrap();
            all
        });
    assert_ne!(text, without_comments);
    let bare = path(home.path(), "bare.toml");
    fs::write(&bare, without_comments).unwrap();
    assert_eq!(json(&["spec", "hash", &bare]), hash, "the text doesn't count");
    fs::write(&bare, text.replace("EUR = 2", "EUR = 99")).unwrap();
    let bad = run(&["spec", "validate", &bare]);
    assert!(bad.code == 1 && bad.err.contains("currencies.EUR"), "{bad:?}");
}

#[test]
fn inspect_prints_what_is_there() {
    let home = operator();
    let at = |name: &str| path(home.path(), name);
    seal(home.path(), 30);
    let ledger = at("ledger");
    let inspect = |place: &[&str]| json(&[&["inspect", "--dir", &ledger], place].concat());
    let entry = inspect(&["--index", "3"]);
    let id = entry["content"]["id"].as_str().unwrap().to_owned();
    assert_eq!(inspect(&["--id", &id]), entry);
    let block = inspect(&["--height", "1"]);
    assert_eq!(inspect(&["--id", block["block"]["hash"].as_str().unwrap()]), block);
    assert_eq!(block["entries"][2]["id"], id.as_str());
    assert_eq!(inspect(&["--index", "0"])["block"]["header"]["height"], 0);
    for place in [["--index", "99999"], ["--height", "9999"], ["--id", &"0".repeat(64)]] {
        assert_eq!(run(&[&["inspect", "--dir", &ledger][..], &place].concat()).code, 1);
    }

    fs::write(at("receipt.json"), entry["receipt"].to_string()).unwrap();
    fs::write(at("entry.json"), entry["content"]["entry"].to_string()).unwrap();
    let file = |name: &str| json(&["inspect", &at(name), "--spec", &at("spec.toml")]);
    assert_eq!(file("receipt.json")["entry"]["id"], id.as_str());
    assert_eq!(file("entry.json")["id"], id.as_str());
    let node = operated(home.path());
    fs::write(at("checkpoint"), node.get("/checkpoint")).unwrap();
    fs::write(at("leaf"), node.get(&format!("/v1/entries/{id}/leaf"))).unwrap();
    assert_eq!(file("checkpoint")["checkpoint"]["size"], node.size());
    assert_eq!(file("leaf")["id"], id.as_str());
    node.stop();
    fs::write(at("leaf"), b"\x01nonsense").unwrap();
    assert_eq!(run(&["inspect", &at("leaf"), "--spec", &at("spec.toml")]).code, 1);
    let readable = run(&["inspect", &at("receipt.json"), "--spec", &at("spec.toml")]);
    assert!(readable.code == 0 && readable.out.contains("kind"), "{readable:?}");
}

#[test]
fn questions_are_answered_as_table_csv_and_ndjson() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::dev(&home.path().join("ledger"), &["--entries", "400"]);
    node.wait_for_size(400);
    let commission = &node.json("/v1/entries?kind=commission&limit=1")["entries"][0]["entry"];
    let affiliate = format!("affiliate={}", commission["body"]["affiliate"].as_str().unwrap());
    let ask = |more: &[&str]| {
        let question = ["query", "balances", "tenant=demo", &affiliate, "--url", &node.url];
        run(&[&question[..], more].concat())
    };
    let rows = ask(&["--format", "ndjson"]);
    assert_eq!(rows.code, 0, "{rows:?}");
    let rows: Vec<serde_json::Value> =
        rows.out.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert!(!rows.is_empty());
    let csv = ask(&["--format", "csv"]).out;
    assert!(csv.starts_with("currency,entries,pending,"), "{csv}");
    assert_eq!(csv.lines().count(), rows.len() + 1);
    let table = ask(&[]);
    assert_eq!(table.code, 0, "{table:?}");
    for row in &rows {
        let paid = row["paid"].as_str().unwrap();
        assert!(table.out.contains(paid), "{paid} in {}", table.out);
    }
    assert!(table.out.contains("as of height "), "{}", table.out);
    // As it was at the beginning, there was nothing.
    let before = ask(&["at_height=0"]);
    assert!(before.out.starts_with("nothing"), "{before:?}");

    let cases: [(&[&str], i32, &str); 5] = [
        (&["balances", "tenant=demo"], 2, "affiliate=…"),
        (&["balances", "tenant=demo", "affiliate"], 2, "name=value"),
        (&["balances", "tenant=demo", "affiliate=a", "colour=red"], 1, "colour"),
        (&["balances", "tenant=demo", "affiliate=a", "at_height=999"], 1, "there is no 999"),
        (&["history", "tenant=demo", "kind=sale", "external_id=x"], 1, "kind"),
    ];
    for (question, code, said) in cases {
        let ran = run(&[&["query"][..], question, &["--url", &node.url]].concat());
        assert!(ran.code == code && ran.err.contains(said), "{question:?}: {ran:?}");
    }
    assert_eq!(node.stop().code, 0);
}
