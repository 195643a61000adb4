//! FORMAT.md is enough: the verifier in docs/verify, written from it alone, reads exactly the
//! leaves that the code reads and knows exactly its rules.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod published;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Seek, Write};
use std::path::Path;

use counterfoil::protocol::block::{EncodedEntry, Leaf};
use counterfoil::protocol::entry::{
    Action, Body, Commission, Decision, Entry, Kind, Payout, PayoutLine, ProgramTerms, Reason,
    Reversal, Reward, Transaction, Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::rules::AdmitError;
use counterfoil::protocol::time::{DAY_MS, Timestamp};
use counterfoil::protocol::verify::Chain;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use published::{Ledger, key, python, said, script, spec, vectors};

/// How many ledgers the rules are tried on, and with how many entries each.
const MARKETS: usize = 20;
const RANDOM_ENTRIES: usize = 300;

/// Runs `program`, which finds docs/verify in its first argument, on `input`.
fn run(program: &str, input: &str) -> String {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    let mut command = python();
    command.arg("-c").arg(program).arg(script("")).stdin(file);
    let (ran, answers) = said(&command.output().expect("Python runs"));
    assert!(ran, "{answers}");
    answers
}

#[test]
fn the_vectors_hold_for_the_scripts() {
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/check.py");
    let (holds, said) = said(&python().arg(check).output().expect("Python runs"));
    assert!(holds, "{said}");
}

/// Bytes that differ from a leaf in one place, in ways that tell encodings apart.
fn altered(leaf: &[u8]) -> Vec<Vec<u8>> {
    const BYTES: [u8; 13] = [0, 1, 2, 5, 32, 126, 127, 128, 250, 251, 252, 253, 255];
    let mut all = Vec::new();
    for at in 0..leaf.len() {
        let (before, after) = (&leaf[..at], &leaf[at + 1..]);
        let byte = leaf[at];
        all.extend(BYTES.map(|new| [before, &[new], after].concat()));
        all.extend([1, 16, 32, 128].map(|bit| [before, &[byte ^ bit], after].concat()));
        // The same number in more bytes, one byte less, one more, and the end.
        all.push([before, &[251, byte, 0], after].concat());
        all.push([before, &[252, byte, 0, 0, 0], after].concat());
        all.push([before, after].concat());
        all.push([before, &[byte, byte], after].concat());
        all.push(before.to_vec());
    }
    all
}

#[test]
fn the_scripts_read_exactly_the_leaves_that_the_node_reads() {
    let mut leaves = Vec::new();
    for kind in Kind::ALL {
        for case in vectors(&format!("entry-{kind}.json")).1 {
            let leaf = hex::decode(case["output"]["leaf"].as_str().unwrap()).unwrap();
            // All that a long one could show a short one does.
            leaves.extend(if leaf.len() < 300 { altered(&leaf) } else { vec![leaf] });
        }
    }
    let chain = Chain::new(spec(key(&[7; 32]).public()));
    leaves.extend(altered(&chain.genesis().to_leaf()));
    let read = r#"
import sys
sys.path.insert(0, sys.argv[1])
import counterfoil_format
for line in sys.stdin:
    try:
        counterfoil_format.decode_leaf(bytes.fromhex(line))
        print(1, end="")
    except counterfoil_format.Wrong:
        print(0, end="")
"#;
    let input = leaves.iter().map(|leaf| hex::encode(leaf) + "\n").collect::<String>();
    let answers = run(read, &input);
    assert_eq!(answers.len(), leaves.len(), "an answer for each");
    let mut readable = 0;
    for (leaf, answer) in leaves.iter().zip(answers.chars()) {
        let ours = Leaf::decode(leaf);
        assert_eq!(ours.is_ok(), answer == '1', "{}: {ours:?}", hex::encode(leaf));
        readable += usize::from(ours.is_ok());
    }
    assert!(readable > 1000 && readable < leaves.len() / 2, "{readable} of {}", leaves.len());
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// Numbers from which an entry is made: each picks something from a short list, so that all ids,
/// parties, times and amounts meet all others.
#[derive(Clone, Copy)]
struct Picks([u8; 12]);

impl Picks {
    fn of<const N: usize, T: Copy>(self, number: usize, list: [T; N]) -> T {
        list[usize::from(self.0[number]) % N]
    }

    fn name(self, number: usize, prefix: &str) -> Id {
        id(&format!("{prefix}-{}", self.0[number] % 8))
    }

    fn party(self, prefix: &str) -> Id {
        id(&format!("{prefix}-{}", self.0[5] % 2))
    }

    fn day(self, number: usize) -> Timestamp {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        start.saturating_add(u64::from(self.0[number] % 12) * DAY_MS)
    }

    fn units(self, number: usize) -> Amount {
        let units = self.of(number, [0, 1, 2, 3, 5, 5, 10, 10, 20, 20, 400]);
        Amount::from_units(units).unwrap()
    }

    fn currency(self) -> Currency {
        let codes = ["EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "JPY", "GBP"];
        Currency::new(self.of(6, codes)).unwrap()
    }
}

fn entry(picks: Picks) -> Entry {
    let (body, prefix) = match picks.0[0] % 16 {
        0 => (Body::ProgramTerms(terms(picks)), "T"),
        1..4 => (Body::Transaction(transaction(picks)), "S"),
        4..8 => (Body::Commission(commission(picks)), "C"),
        8..12 => (Body::Decision(decision(picks)), "D"),
        12 | 13 => (Body::Reversal(reversal(picks)), "R"),
        _ => (Body::Payout(payout(picks)), "P"),
    };
    Entry {
        tenant: id(if picks.0[1] < 8 { "brand" } else { "acme" }),
        // Most are new names, the first of which others refer to.
        external_id: id(&format!("{prefix}-{}", picks.0[2] % 24)),
        event_time: picks.day(9),
        commitment: None,
        body,
    }
}

fn terms(picks: Picks) -> ProgramTerms<Amount> {
    ProgramTerms {
        merchant: id("shop"),
        program: picks.party("program"),
        version: picks.of(4, [1, 1, 1, 2, 3]),
        effective_from: picks.day(9),
        effective_until: picks.of(8, [false, false, false, true]).then(|| picks.day(10)),
        locking_days: picks.of(8, [0, 1, 2, 3]),
        reward: match picks.of(11, [0, 75_000, 75_000, 500_000, 1_000_000, 1_000_001]) {
            0 => Reward::Fixed { currency: picks.currency(), amount: picks.units(7) },
            ppm => Reward::Percent { ppm },
        },
    }
}

fn transaction(picks: Picks) -> Transaction<Amount> {
    Transaction {
        order_ref: picks.name(3, "order"),
        merchant: id("shop"),
        program: picks.party("program"),
        action: Action::Sale,
        currency: picks.currency(),
        amount: picks.units(7),
        link_ref: None,
        campaign_ref: None,
        click_ref: None,
    }
}

fn commission(picks: Picks) -> Commission<Amount> {
    Commission {
        transaction: picks.name(3, "S"),
        terms: picks.name(4, "T"),
        affiliate: picks.party("aff"),
        currency: picks.currency(),
        amount: picks.units(7),
    }
}

fn decision(picks: Picks) -> Decision {
    let verdict = match picks.of(11, [0, 1, 2, 3, 3]) {
        0 => Verdict::Approve,
        1 => Verdict::Decline { reason: Reason::Goodwill },
        2 => Verdict::Extend { locking_date: picks.day(10) },
        _ => Verdict::Lock,
    };
    Decision { commission: picks.name(3, "C"), verdict }
}

fn reversal(picks: Picks) -> Reversal<Amount> {
    Reversal {
        commission: picks.name(3, "C"),
        currency: picks.currency(),
        amount: picks.units(7),
        reason: Reason::ReturnedItem,
    }
}

fn payout(picks: Picks) -> Payout<Amount> {
    let line = |(named, amount)| PayoutLine {
        commission: picks.name(named, "C"),
        amount: picks.units(amount),
    };
    let lines = [(3, 7), (4, 8)].map(line)[..picks.of(11, [1, 1, 2, 1, 0])].to_vec();
    let sum = lines.iter().map(|line| line.amount.units()).sum::<u64>();
    let total = picks.of(8, [None, None, Some(sum), Some(sum), Some(sum + 1)]);
    Payout {
        affiliate: picks.party("aff"),
        currency: picks.currency(),
        period_from: "2026-01-02T00:00:00Z".parse().unwrap(),
        period_until: picks.day(10),
        continues: picks.of(9, [true, false, false]).then(|| picks.name(10, "P")),
        lines,
        total: total.map(|total| Amount::from_units(total).unwrap()),
    }
}

/// What a market begins with: four commissions by the same terms, two of them locked.
fn opening(ledger: &Ledger) -> Vec<Entry> {
    let entry = |kind: &str, external_id: String, body: String| {
        ledger.entry(&format!(
            r#"{{"tenant": "acme", "kind": "{kind}", "external_id": "{external_id}",
                "event_time": "2026-01-02T00:00:00Z", "body": {body}}}"#
        ))
    };
    let terms = r#"{"merchant": "shop", "program": "program-0", "version": 1,
        "effective_from": "2026-01-01T00:00:00Z", "locking_days": 2,
        "reward": {"type": "percent", "ppm": 75000}}"#;
    let mut entries = vec![entry("program_terms", "T-0".to_owned(), terms.to_owned())];
    for number in 0..4 {
        let sale = r#"{"order_ref": "o", "merchant": "shop", "program": "program-0",
            "action": "sale", "currency": "EUR", "amount": "4.00"}"#;
        let commission = format!(
            r#"{{"transaction": "S-{number}", "terms": "T-0", "affiliate": "aff-{}",
                "currency": "EUR", "amount": "0.20"}}"#,
            number % 2
        );
        entries.push(entry("transaction", format!("S-{number}"), sale.to_owned()));
        entries.push(entry("commission", format!("C-{number}"), commission));
    }
    for number in 0..2 {
        let lock = format!(r#"{{"commission": "C-{number}", "verdict": {{"type": "lock"}}}}"#);
        entries.push(entry("decision", format!("D-{number}"), lock));
    }
    entries
}

/// Tries an opening and random entries, each in a block of its own if it is admitted; what was
/// tried, as time and leaf, and what the rules said of it.
fn random_market(runner: &mut TestRunner) -> Vec<(String, &'static str)> {
    let mut ledger = Ledger::new(spec(key(&[7; 32]).public()), key(&[7; 32]));
    let start: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
    let mut entries = opening(&ledger);
    let mut random = || entry(Picks(any::<[u8; 12]>().new_tree(runner).unwrap().current()));
    entries.extend(std::iter::repeat_with(&mut random).take(RANDOM_ENTRIES));
    let mut tried = Vec::new();
    for (attempt, entry) in (0u64..).zip(entries) {
        let time = start.saturating_add(attempt * DAY_MS / 40);
        let encoded = EncodedEntry::new(entry.clone()).unwrap();
        let line = format!("{} {}", time.as_millis(), hex::encode(encoded.leaf()));
        let verdict = match ledger.draft(time).admit(encoded) {
            Ok(_) => "admitted",
            Err(AdmitError::Refused(refusal)) => refusal.rule(),
            Err(AdmitError::State(impossible)) => match impossible {},
        };
        if verdict == "admitted" {
            ledger.seal(time, &[entry]);
        }
        tried.push((line, verdict));
    }
    tried
}

#[test]
fn the_scripts_know_exactly_the_rules() {
    let apply = r#"
import copy, sys
sys.path.insert(0, sys.argv[1])
import counterfoil_format, counterfoil_rules
for line in sys.stdin:
    if line == "market\n":
        state = counterfoil_rules.State({"EUR", "JPY", "USD"}, 300000)
        continue
    time, leaf = line.split()
    kind, entry = counterfoil_format.decode_leaf(bytes.fromhex(leaf))
    before = copy.deepcopy(state)
    try:
        state.admit(entry, int(time))
        print("admitted")
    except counterfoil_rules.Refused as rule:
        state = before
        print(rule)
"#;
    let mut runner = TestRunner::deterministic();
    let (mut input, mut expected) = (String::new(), Vec::new());
    for _ in 0..MARKETS {
        input.push_str("market\n");
        for (line, verdict) in random_market(&mut runner) {
            writeln!(input, "{line}").unwrap();
            expected.push((line, verdict));
        }
    }
    let answers = run(apply, &input);
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), expected.len(), "an answer for each");
    for ((line, verdict), answer) in expected.iter().zip(answers) {
        assert_eq!(*verdict, answer, "{line}");
    }
    let met: BTreeSet<&str> = expected.iter().map(|(_, verdict)| *verdict).collect();
    assert!(met.len() >= 20, "only {met:?}");
}
