//! The scripts of docs/verify on ledgers and receipts that are in order, and on some that aren't.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod published;

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::protocol::block::Header;
use counterfoil::protocol::checkpoint::vkey;
use counterfoil::protocol::hash::{AccountsRoot, ChainId, HeaderHash, TreeHash};
use published::{Ledger, entry_leaf, key, python, said, sales, script, spec, time, vectors};
use tempfile::TempDir;

/// A ledger on disk, with its chain spec.
struct Published {
    directory: TempDir,
    spec: PathBuf,
}

impl Published {
    fn new(ledger: &Ledger) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        ledger.publish(directory.path());
        let spec = directory.path().join("chain-spec.toml");
        fs::write(&spec, ledger.chain.spec().to_toml()).unwrap();
        Self { directory, spec }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn check(&self, more: &[&str]) -> (bool, String) {
        let mut command = python();
        command.arg(script("check_ledger.py")).arg("--dir").arg(self.directory.path());
        said(&command.arg("--spec").arg(&self.spec).args(more).output().expect("Python runs"))
    }
}

/// Checks each ledger, all in one run of Python, which takes its time to start.
fn check_each(ledgers: &[Published]) -> Vec<(bool, String)> {
    let each = r#"
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
import check_ledger
answers = []
for directory in sys.argv[2:]:
    sys.argv = ["", "--dir", directory, "--spec", directory + "/chain-spec.toml"]
    output, problem = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(output):
            check_ledger.main()
    except SystemExit as ended:
        problem = ended.code
    answers.append((problem is None, f"{output.getvalue()}{problem}"))
print(json.dumps(answers))
"#;
    let mut command = python();
    command.arg("-c").arg(each).arg(script(""));
    command.args(ledgers.iter().map(|published| published.directory.path()));
    let (ran, answers) = said(&command.output().expect("Python runs"));
    assert!(ran, "{answers}");
    serde_json::from_str(&answers).expect("a list of answers")
}

#[test]
fn a_ledger_in_order_is_proven_and_summed_up() {
    let (assume, cases) = vectors("block.json");
    let case = cases.iter().find(|case| case["case"] == "three blocks").unwrap();
    let (ledger, _) = Ledger::of_vectors(&assume, case["input"].as_array().unwrap());
    let (holds, said) = Published::new(&ledger).check(&[]);
    assert!(holds, "{said}");
    for line in [
        "4 blocks, 12 entries",
        "commission: 2",
        "commissions in_payout: 1",
        "commissions pending: 1",
        // 7.50 + 0.04, of which 2.50 went back; the rest of the first is on its way.
        "EUR: 7.54 stated − 2.50 reversed = 5.04, of which 0.00 paid",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }
}

/// A node's API, made up from the log that it serves: as it must be, then with one thing changed.
const FALSE_NODES: &str = r#"
import copy, json, sys
from urllib.parse import parse_qs
sys.path.insert(0, sys.argv[1])
import check_balances, check_ledger, counterfoil_format, counterfoil_rules

spec = check_ledger.read_spec(sys.argv[2] + "/chain-spec.toml")
log = check_ledger.from_directory(sys.argv[2])
checkpoint, _, ledger = check_ledger.prove(log, spec)
standings = dict(check_balances.by_the_log(ledger.state))
honest = []
for index, leaf in enumerate(check_ledger.read_leaves(log, 0, checkpoint.size)):
    kind, entry = counterfoil_format.decode_leaf(leaf)
    if kind == "entry":
        text = counterfoil_format.readable(entry, spec.scales)
        balance = text["body"].get("balance", {}).get("type")
        what = counterfoil_rules.ALSO.get(balance, text["body"]["kind"])
        name, body = (text["external_id"],), text["body"].get("balance", text["body"])
        if what == "funding":
            what, name = "prepaid", (body["merchant"], body["currency"])
        standing = standings.get((text["tenant"], what, *name))
        honest.append({"index": index, "entry": text} | ({what: standing} if standing else {}))

def says(views):
    def read(path):
        if not path.startswith("v1/entries?"):
            return log(path)
        query = parse_qs(path.partition("?")[2])
        fit = [view for view in views if view["entry"]["body"]["kind"] == query["kind"][0]]
        at = int(query.get("cursor", ["0"])[0])
        more = {"next": str(at + 1)} if at + 1 < len(fit) else {}
        return json.dumps({"entries": fit[at : at + 1]} | more)
    try:
        return "; ".join(check_balances.check(read, spec))
    except counterfoil_format.Wrong as problem:
        return f"NOT PROVEN: {problem}"

print(says(honest))
one = next(view for view in honest if "commission" in view)
first, standing = honest.index(one), one["commission"]
for member in standing:
    changed = copy.deepcopy(honest)
    changed[first]["commission"][member] = "other"
    print(says(changed))
other = copy.deepcopy(honest)
other[first]["entry"]["body"]["affiliate"] = "other"
funded = next(view for view in honest if "prepaid" in view)
paid = next(view for view in honest if "payout" in view)
moved = [view if view is not paid else {**view, "payout": {"state": "other"}} for view in honest]
richer = [view if view is not funded else {**view, "prepaid": {}} for view in honest]
unsealed = {**one, "index": checkpoint.size}
wrong = (other, moved, richer, [v for v in honest if v is not one], honest + [one], honest + [unsealed])
print("\n".join(map(says, wrong)))
"#;

#[test]
fn what_a_node_says_of_balances_is_held_against_its_log() {
    let (assume, cases) = vectors("block.json");
    let case = cases.iter().find(|case| case["case"] == "three blocks").unwrap();
    let (ledger, _) = Ledger::of_vectors(&assume, case["input"].as_array().unwrap());
    let published = Published::new(&ledger);
    let mut command = python();
    command.arg("-c").arg(FALSE_NODES).arg(script("")).arg(published.directory.path());
    let (ran, said) = said(&command.output().expect("Python runs"));
    assert!(ran, "{said}");
    let expected = [
        "sums ok:",
        "'state': 'other'",
        "'locks_at': 'other'",
        "'amount': 'other'",
        "'left': 'other'",
        "'reversed': 'other'",
        "'funded': 'other'",
        "'fee': 'other'",
        "'credited': 'other'",
        "'debited': 'other'",
        "the node's sum is",
        "the node says {'state': 'other'",
        "prepaid shop EUR: the node says",
        "the node doesn't list it",
        "the node's sum is",
        "sums ok:",
    ];
    assert_eq!(said.trim_end().lines().count(), expected.len(), "{said}");
    for (line, words) in said.lines().zip(expected) {
        assert!(line.contains(words), "no {words:?} in {line}");
        assert_eq!(line.starts_with("NOT PROVEN"), words != "sums ok:", "{line}");
    }
}

/// Where tiles begin, end and fall together, up to the third level.
#[test]
fn every_size_of_the_right_edge_is_proven() {
    // Each is the size of the log: genesis, terms and a header come first, a header last.
    for size in [3, 5, 255, 256, 257, 511, 512, 513, 700] {
        let blocks: &[u32] = if size == 3 { &[] } else { &[size - 4] };
        let ledger = sales(blocks);
        assert_eq!(ledger.log.size(), u64::from(size));
        let (holds, said) = Published::new(&ledger).check(&[]);
        assert!(holds && said.contains(&format!("the log of {size} leaves")), "{size}: {said}");
    }
    let ledger = sales(&[9_000; 8]);
    let (holds, said) = Published::new(&ledger).check(&[]);
    assert!(holds && said.contains("the log of 72011 leaves"), "{said}");
}

#[test]
fn a_changed_byte_is_noticed_and_its_leaf_named() {
    let ledger = sales(&[300, 100]);
    let published = Published::new(&ledger);
    let offset_in_bundle = |first: u64, leaf: u64| {
        (first..leaf).map(|index| 2 + ledger.log.leaf(index).len()).sum::<usize>()
    };
    let (full, rest) = ("tile/entries/000", "tile/entries/001.p/149");
    // File, which byte, what is said.
    let cases = [
        (full, 2, "leaf 0:"),
        (full, offset_in_bundle(0, 3) + 2, "leaf 3:"),
        (full, offset_in_bundle(0, 255) + 40, "leaf 255:"),
        // The length of leaf 100, so that all after it is out of step.
        (full, offset_in_bundle(0, 100) + 1, "leaf 100:"),
        (rest, offset_in_bundle(256, 303) + 100, "leaf 303:"),
        (rest, offset_in_bundle(256, 404) + 150, "leaf 404:"),
        ("tile/0/000", 77 * 32 + 5, "leaf 77:"),
        ("tile/0/001.p/149", 148 * 32, "leaf 404:"),
        ("tile/1/000.p/1", 31, "leaves 0 to 255:"),
        ("checkpoint", 0, "checkpoint:"),
        ("checkpoint", 21, "checkpoint:"),
        ("checkpoint", 90, "checkpoint:"),
        ("chain-spec.toml", 10, "checkpoint:"),
    ];
    for (file, byte, expected) in cases {
        let path = published.path(file);
        let honest = fs::read(&path).unwrap();
        let mut changed = honest.clone();
        changed[byte] ^= 1;
        fs::write(&path, changed).unwrap();
        let (holds, said) = published.check(&[]);
        fs::write(&path, honest).unwrap();
        // Another name in the spec makes another chain, which leaf 0 shows.
        let expected =
            if file == "chain-spec.toml" { "leaf 0: header: chain_id" } else { expected };
        assert!(!holds && said.contains(expected), "{file}, byte {byte}: {said}");
    }
    assert!(published.check(&[]).0, "as it was again");
}

#[test]
fn what_is_missing_or_too_much_is_noticed() {
    let published = Published::new(&sales(&[300, 100]));
    for file in ["checkpoint", "tile/entries/000", "tile/0/001.p/149", "tile/1/000.p/1"] {
        let path = published.path(file);
        let honest = fs::read(&path).unwrap();
        let longer = [&honest[..], b"\x00\x01\x01"].concat();
        for changed in [&honest[..honest.len() - 1], &longer, b""] {
            fs::write(&path, changed).unwrap();
            let (holds, said) = published.check(&[]);
            assert!(!holds && said.contains("NOT PROVEN"), "{file}: {said}");
        }
        fs::remove_file(&path).unwrap();
        let (holds, said) = published.check(&[]);
        assert!(!holds && said.contains("not there"), "{file}: {said}");
        fs::write(&path, honest).unwrap();
    }
}

/// A partial tile may go once its full tile exists.
#[test]
fn a_full_tile_serves_for_a_partial_one() {
    let (smaller, larger) = (sales(&[300]), sales(&[300, 500]));
    let published = Published::new(&larger);
    smaller.publish(published.directory.path());
    for partial in ["tile/entries/001.p", "tile/0/001.p"] {
        fs::remove_dir_all(published.path(partial)).unwrap();
    }
    let (holds, said) = published.check(&[]);
    assert!(holds && said.contains("the log of 304 leaves"), "{said}");
}

#[test]
fn an_earlier_checkpoint_holds_the_ledger_to_its_past() {
    let (past, present) = (sales(&[300]), sales(&[300, 100]));
    let published = Published::new(&present);
    let kept = published.path("kept");
    let earlier = ["--earlier", kept.to_str().unwrap()];
    let mut other = sales(&[299]);
    other.forge(time("2026-01-03T00:00:00Z"), &[], |_| ());
    assert_eq!(other.log.size(), past.log.size());
    let larger = sales(&[300, 101]);
    let stranger = Ledger::new(spec(key(&[8; 32]).public()), key(&[8; 32]));
    let cases = [
        (past.checkpoint(), true, "it begins with the 304 leaves"),
        (present.checkpoint(), true, "it begins with the 405 leaves"),
        (other.checkpoint(), false, "leaves 0 to 303: not those of the earlier checkpoint"),
        (larger.checkpoint(), false, "the earlier one is larger"),
        (stranger.checkpoint(), false, "earlier checkpoint: not signed"),
        ("", false, "earlier checkpoint: not a signed note"),
    ];
    for (note, expected, line) in cases {
        fs::write(&kept, note).unwrap();
        let (holds, said) = published.check(&earlier);
        assert!(holds == expected && said.contains(line), "{line}: {said}");
    }
}

/// By the spec that it began with, whoever sealed the rest.
#[test]
fn a_ledger_whose_spec_changed_is_proven() {
    let (assume, _) = vectors("succession-receipt.json");
    let blocks = assume["blocks"].as_array().unwrap();
    let (ledger, _) = Ledger::of_vectors(&assume, blocks);
    let (past, _) = Ledger::of_vectors(&assume, &blocks[..2]);
    let published = Published::new(&ledger);
    let kept = published.path("kept");
    fs::write(&kept, past.checkpoint()).unwrap();
    let (holds, said) = published.check(&["--earlier", kept.to_str().unwrap()]);
    assert!(holds && said.contains("the log of 12 leaves"), "{said}");
    assert!(said.contains("it begins with the 6 leaves"), "{said}");
    // What was replaced signs the same, and whoever trusts it is told.
    let old = key(&[7; 32]);
    let checkpoint = ledger.tip().checkpoint(&ledger.chain);
    let note = checkpoint.to_note(&old.public(), &checkpoint.sign(&old));
    fs::write(published.path("checkpoint"), note).unwrap();
    let (holds, said) = published.check(&[]);
    assert!(!holds && said.contains("checkpoint: not signed by"), "{said}");
    // Nor does a block count that it sealed after its time, or one that the next sealed before.
    for (count, seed) in [(2, [7; 32]), (1, [9; 32])] {
        let (mut forger, _) = Ledger::of_vectors(&assume, &blocks[..count]);
        let authority = key(&seed).public();
        let leaf = ledger.log.leaf(6).to_vec();
        forger.forge(time("2026-01-02T12:00:00Z"), &[leaf], |header| header.authority = authority);
        let (holds, said) = Published::new(&forger).check(&[]);
        assert!(!holds && said.contains("header: authority is"), "{said}");
    }
}

/// An authority that signs what the rules forbid.
#[test]
fn each_broken_rule_is_named_with_its_leaf() {
    let (assume, cases) = vectors("rules.json");
    let mut expected = Vec::new();
    let ledgers: Vec<_> = cases
        .iter()
        .map(|case| {
            let blocks = [&assume["blocks"], &case["input"]["blocks"]];
            let blocks = blocks.map(|blocks| blocks.as_array().unwrap().clone()).concat();
            let (mut ledger, _) = Ledger::of_vectors(&assume, &blocks);
            let refused = case["output"]["refused"].as_str();
            let index = ledger.log.size();
            expected.push(refused.map(|rule| format!("leaf {index}: breaks the rule {rule}")));
            let leaf = hex::decode(case["output"]["leaf"].as_str().unwrap()).unwrap();
            ledger.forge(time(case["input"]["time"].as_str().unwrap()), &[leaf], |_| ());
            Published::new(&ledger)
        })
        .collect();
    for ((case, expected), (holds, said)) in cases.iter().zip(expected).zip(check_each(&ledgers)) {
        match expected {
            None => assert!(holds, "{case}: {said}"),
            Some(line) => assert!(!holds && said.ends_with(&line), "{case}: {said}"),
        }
    }
}

/// When forged blocks are sealed.
const LATER: &str = "2026-01-03T00:00:00Z";

/// Seals a block of one sale under a header that `change` spoils.
fn forge_header(ledger: &mut Ledger, change: fn(&mut Header)) {
    let leaf = lead(ledger, "S-forged");
    ledger.forge(time(LATER), &[leaf], change);
}

/// Seals a block of one leaf, whatever that is.
fn forge_leaf(ledger: &mut Ledger, leaf: Vec<u8>) {
    ledger.forge(time(LATER), &[leaf], |_| ());
}

/// The leaf of a lead, as small as a transaction can be.
fn lead(ledger: &Ledger, external_id: &str) -> Vec<u8> {
    entry_leaf(ledger.entry(&format!(
        r#"{{"tenant": "acme", "kind": "transaction", "external_id": "{external_id}",
            "event_time": "2026-01-01T00:00:00Z", "body": {{
                "order_ref": "o", "merchant": "shop", "program": "summer",
                "action": "lead", "currency": "EUR", "amount": "0"}}}}"#
    )))
}

/// An authority that signs blocks which aren't what they must be.
#[test]
fn each_forged_block_is_named() {
    type Forge = fn(&mut Ledger);
    let cases: [(&str, Forge); 20] = [
        ("leaf 9: header: format_version is 2", |l| forge_header(l, |h| h.format_version = 2)),
        ("leaf 9: header: rules_version is 0", |l| forge_header(l, |h| h.rules_version = 0)),
        ("leaf 9: header: chain_id is", |l| forge_header(l, |h| h.chain_id = ChainId([1; 32]))),
        ("leaf 9: header: height is 4", |l| forge_header(l, |h| h.height += 1)),
        ("leaf 9: header: parent is", |l| forge_header(l, |h| h.parent = HeaderHash([0; 32]))),
        ("leaf 9: header: time is 2026-01-01T23:59:59.999Z, must be 2026-01-02T00:00:00Z", |l| {
            forge_header(l, |h| h.time = time("2026-01-01T23:59:59.999Z"));
        }),
        ("leaf 9: header: first_index is 7", |l| forge_header(l, |h| h.first_index -= 1)),
        ("leaf 9: header: entry_count is 2", |l| forge_header(l, |h| h.entry_count += 1)),
        ("leaf 9: header: log_root is", |l| forge_header(l, |h| h.log_root = TreeHash([0; 32]))),
        ("leaf 9: header: accounts_root is", |l| {
            forge_header(l, |h| h.accounts_root = AccountsRoot([0; 32]));
        }),
        ("leaf 9: header: authority is", |l| {
            forge_header(l, |h| h.authority = key(&[8; 32]).public());
        }),
        ("leaf 8: header: closes a block without entries", |l| {
            l.forge(time(LATER), &[], |_| ());
        }),
        ("leaf 8: no leaf has the number 2", |l| forge_leaf(l, vec![2])),
        ("leaf 8: the bytes end too early", |l| forge_leaf(l, vec![1])),
        ("leaf 8: 1 bytes left over after the value", |l| {
            forge_leaf(l, [lead(l, "S-9"), vec![0]].concat());
        }),
        ("leaf 8: an integer longer than it need be", |l| {
            let honest = lead(l, "S-9");
            forge_leaf(l, [&[1, 251, 4, 0], &honest[2..]].concat());
        }),
        // A second genesis header, which is no entry and closes a block of its own.
        ("leaf 8: header: height is 0", |l| forge_leaf(l, l.chain.genesis().to_leaf())),
        ("leaf 9: breaks the rule duplicate-external-id", |l| {
            let twice = lead(l, "S-9");
            l.forge(time(LATER), &[twice.clone(), twice], |_| ());
        }),
        ("leaf 10009: header: closes a block that is larger than the spec allows", |l| {
            let leaves: Vec<_> =
                (0..10_001).map(|number| lead(l, &format!("X-{number}"))).collect();
            l.forge(time(LATER), &leaves[..10_000], |_| ());
            // The same block with one more.
            *l = sales(&[4]);
            l.forge(time(LATER), &leaves, |_| ());
        }),
        ("leaf 8: not a header, yet the checkpoint ends there", |l| {
            let leaf = lead(l, "S-9");
            l.sign_open(&[leaf]);
        }),
    ];
    let mut ledgers = Vec::new();
    for (_, forge) in cases {
        let mut ledger = sales(&[4]);
        assert_eq!(ledger.log.size(), 8);
        forge(&mut ledger);
        ledgers.push(Published::new(&ledger));
    }
    for ((expected, _), (holds, said)) in cases.iter().zip(check_each(&ledgers)) {
        assert!(!holds && said.contains(expected), "{expected}: {said}");
    }
}

/// The receipt of a sale somewhere in the middle, with what it is checked against.
fn receipt(directory: &Path) -> (PathBuf, PathBuf, String) {
    let ledger = sales(&[20, 30]);
    let (receipt, spec) = (directory.join("receipt.json"), directory.join("chain-spec.toml"));
    fs::write(&receipt, ledger.receipt(11).to_text()).unwrap();
    fs::write(&spec, ledger.chain.spec().to_toml()).unwrap();
    let chain = ledger.chain.spec();
    (receipt, spec, vkey(&chain.origin, &chain.authority()))
}

#[test]
fn a_receipt_is_proven_by_key_or_spec_and_by_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (receipt, spec, vkey) = receipt(directory.path());
    let other = directory.path().join("other.toml");
    let renamed = fs::read_to_string(&spec).unwrap().replace("\"Test\"", "\"Other\"");
    fs::write(&other, renamed).unwrap();
    let others_vkey = counterfoil::protocol::checkpoint::vkey("a", &key(&[8; 32]).public());
    let (spec, other) = (spec.to_str().unwrap(), other.to_str().unwrap());
    let cases = [
        (["--vkey", vkey.as_str()], true, "1150 units"),
        (["--spec", spec], true, "\"amount\": \"11.50\""),
        (["--spec", other], false, "another chain's than the spec's"),
        (["--vkey", &others_vkey], false, "not signed by a"),
        (["--vkey", &vkey.replace("+A", "+B")], false, "vkey:"),
    ];
    for (arguments, expected, line) in cases {
        let mut command = python();
        command.arg(script("check_receipt.py")).arg(&receipt).args(arguments);
        let (holds, said) = said(&command.output().unwrap());
        assert!(holds == expected && said.contains(line), "{arguments:?}: {said}");
    }
}

#[test]
fn no_bit_of_a_receipt_can_be_flipped() {
    let directory = tempfile::tempdir().unwrap();
    let (receipt, _, vkey) = receipt(directory.path());
    let flip = r"
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import check_receipt, counterfoil_format
key = counterfoil_format.VerifierKey.parse(sys.argv[3])
honest = Path(sys.argv[2]).read_bytes()
list(check_receipt.check(check_receipt.parse_receipt(honest), key))
for bit in range(8 * len(honest)):
    data = bytearray(honest)
    data[bit // 8] ^= 1 << bit % 8
    try:
        list(check_receipt.check(check_receipt.parse_receipt(bytes(data)), key))
    except (counterfoil_format.Wrong, ValueError):
        continue
    sys.exit(f'bit {bit % 8} of byte {bit // 8} can be flipped: {bytes(data)!r}')
";
    let mut command = python();
    command.arg("-c").arg(flip).arg(script("")).arg(receipt).arg(vkey);
    let (holds, said) = said(&command.output().unwrap());
    assert!(holds, "{said}");
}
