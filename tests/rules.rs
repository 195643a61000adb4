//! The rules: each broken by name, the lifecycle against another table, random histories
//! against another model.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod market;
#[path = "rules/model.rs"]
mod model;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::protocol::entry::{Entry, Kind, Verdict};
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::rules::{
    AdmitError, CommissionState, Overlay, Place, Record, StateReader, Step, Subject, admit,
};
use counterfoil::protocol::spec::MAX_BLOCK_BYTES;
use counterfoil::protocol::verify::Draft;
use market::cases::{Case, cases, earned, locked};
use market::{
    Market, NOW, at, commission, decision, encoded, id, of_tenant, payout, reversal, sale,
};
use proptest::test_runner::{Config, TestRunner};

/// The state after `given` in a draft, and what becomes of `entry` there.
fn offer<S: StateReader>(
    draft: &mut Draft<'_, S>,
    entry: &Entry,
) -> Result<u64, AdmitError<S::Error>> {
    draft.admit(encoded(std::slice::from_ref(entry)).remove(0))
}

#[test]
fn each_rule_refuses_what_breaks_it_and_nothing_nearer() {
    let market = Market::new();
    for Case { rule, says, given, legal, broken } in cases() {
        let mut draft = market.draft();
        for entry in &given {
            let admitted = offer(&mut draft, entry);
            assert!(admitted.is_ok(), "{rule}, {says}: {entry:?} before it: {admitted:?}");
        }
        let before = draft.mark();
        let refused = offer(&mut draft, &broken);
        let Err(AdmitError::Refused(refusal)) = refused else {
            panic!("{rule}, {says}: {broken:?} was admitted");
        };
        assert_eq!(refusal.rule(), rule, "{refusal}");
        assert!(refusal.to_string().contains(says), "{rule}: {says:?} is not in {refusal}");
        draft.roll_back(before);
        let admitted = offer(&mut draft, &legal);
        assert!(admitted.is_ok(), "{rule}, {says}: {legal:?} is legal: {admitted:?}");
    }
}

#[test]
fn no_rule_is_without_a_case() {
    let source = include_str!("../src/protocol/rules/refusal.rs");
    let (_, table) = source.split_once("pub const fn rule(").unwrap();
    let (table, _) = table.split_once("\n        }").unwrap();
    let names: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.split_once("=> \"")?.1.split_once('"'))
        .map(|(name, _)| name)
        .collect();
    let variants = table.matches("Self::").count();
    assert_eq!((names.len(), variants), (22, 22), "each variant has a name of its own");
    let tested: BTreeSet<&str> = cases().iter().map(|case| case.rule).collect();
    assert_eq!(tested, names);
}

#[test]
fn the_lifecycle_is_the_one_written_down_here() {
    use CommissionState::{Approved, Declined, Extended, Locked, Paid, Pending, Reversed};
    let states = [Pending, Extended, Approved, Declined, Reversed, Locked, Paid];
    let steps = [Step::Approve, Step::Decline, Step::Extend, Step::Lock, Step::Reverse, Step::Pay];
    // A row for each state, a column for each step; `-` is refused.
    let table = [
        "approved declined extended locked reversed -",
        "approved declined -        locked reversed -",
        "-        -        -        locked reversed -",
        "-        -        -        -      -        -",
        "-        -        -        -      -        -",
        "-        -        -        -      -        paid",
        "-        -        -        -      -        -",
    ];
    let mut pairs = 0;
    for (state, row) in states.into_iter().zip(table) {
        for (step, expected) in steps.into_iter().zip(row.split_whitespace()) {
            let after = state.after(step).map_or("-", CommissionState::as_str);
            assert_eq!(after, expected, "{state} {step}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 7 * 6);
}

#[test]
fn ids_are_unique_within_a_tenant_and_kind_only() {
    let market = Market::new();
    let mut draft = market.draft();
    let renamed = |name: &str, entry: Entry| Entry { external_id: id(name), ..entry };
    for tenant in ["acme", "other"] {
        for entry in earned() {
            let name = match entry.kind() {
                // Named by those that follow.
                Kind::ProgramTerms => "T-1",
                Kind::Transaction => "S-1",
                _ => "C-1",
            };
            offer(&mut draft, &of_tenant(tenant, renamed(name, entry))).unwrap();
        }
        let one_name = [
            decision("S-1", "C-1", Verdict::Approve),
            reversal("S-1", |body| body.amount = market::units(1)),
        ];
        for entry in one_name {
            offer(&mut draft, &of_tenant(tenant, entry.clone())).unwrap();
            let again = offer(&mut draft, &of_tenant(tenant, entry)).unwrap_err();
            assert!(
                matches!(again, AdmitError::Refused(refusal) if refusal.rule() == "duplicate-external-id")
            );
        }
    }
}

#[test]
fn an_admitted_entry_concerns_its_parties() {
    let mut market = Market::new();
    let entries = [locked(), vec![payout("P-1", |_| ())]].concat();
    let block = market.seal(NOW, &entries);
    let parties: Vec<_> = block
        .parties()
        .iter()
        .map(|parties| {
            let name = |id: &Option<_>| id.as_ref().map_or("-".to_owned(), ToString::to_string);
            format!("{} {}", name(&parties.merchant), name(&parties.affiliate))
        })
        .collect();
    assert_eq!(parties, ["shop -", "shop -", "shop ann", "shop ann", "- ann"]);
}

/// Every change of an overlay, for comparison.
fn changes<S: StateReader>(overlay: Overlay<'_, S>) -> String {
    let changes: BTreeMap<_, _> = overlay.into_changes().into_iter().collect();
    format!("{changes:?}")
}

#[test]
fn rolling_back_a_refused_entry_leaves_no_trace() {
    let market = Market::new();
    for Case { rule, given, broken, .. } in cases() {
        let mut overlay = Overlay::new(&market.state);
        let mut control = Overlay::new(&market.state);
        let place = |index: usize| Place {
            spec: market.chain.spec(),
            block_time: at(NOW),
            height: 1,
            index: index as u64 + 1,
        };
        for (index, entry) in encoded(&given).iter().enumerate() {
            admit(&mut overlay, place(index), entry).unwrap();
            admit(&mut control, place(index), entry).unwrap();
        }
        let mark = overlay.mark();
        let broken = encoded(&[broken]).remove(0);
        assert!(admit(&mut overlay, place(given.len()), &broken).is_err());
        overlay.roll_back(mark);
        assert_eq!(changes(overlay), changes(control), "{rule}");
    }
}

#[test]
fn a_draft_rolled_back_seals_what_it_would_have() {
    let market = Market::new();
    let mut expected = market.draft();
    let mut draft = market.draft();
    for entry in locked() {
        offer(&mut expected, &entry).unwrap();
        offer(&mut draft, &entry).unwrap();
    }
    let (entries_before, mark) = (draft.entries().len(), draft.mark());
    // Accepted and refused ones after the mark, some of which change records before it.
    let after = [
        sale("S-2", |_| ()),
        commission("C-2", |body| body.transaction = id("S-2")),
        payout("P-1", |_| ()),
        payout("P-2", |_| ()),
        decision("D-2", "C-2", Verdict::Approve),
    ];
    let outcomes = after.map(|entry| offer(&mut draft, &entry).is_ok());
    assert_eq!(outcomes, [true, true, true, false, true]);
    let inner = draft.mark();
    offer(&mut draft, &sale("S-3", |_| ())).unwrap();
    draft.roll_back(inner);
    assert_eq!(draft.entries().len(), entries_before + 4);
    draft.roll_back(mark);
    assert_eq!(draft.next_index(), expected.next_index());
    let room =
        |draft: &Draft<'_, _>| (0..=MAX_BLOCK_BYTES as usize).rfind(|b| draft.has_room_for(*b));
    assert_eq!(room(&draft), room(&expected));
    // The same names again, with other bodies.
    let second = sale("S-2", |body| body.amount = market::units(7));
    assert_eq!(offer(&mut draft, &second), offer(&mut expected, &second));
    let (sealed, expected) = (draft.seal(&market::key()), expected.seal(&market::key()));
    assert_eq!(sealed.encode(), expected.encode());
    assert_eq!(sealed.changes(), expected.changes());
    assert_eq!(sealed.parties(), expected.parties());
    assert_eq!(sealed.tip(), expected.tip());
}

#[test]
fn random_histories_agree_with_an_independent_model() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    let seen = std::cell::RefCell::new(BTreeMap::<String, usize>::new());
    let outcome = runner.run(&model::histories(), |history| {
        let mut market = Market::new();
        let mut model = model::Model::default();
        for (number, block) in history.iter().enumerate() {
            let now = NOW + number as u64 * model::BLOCK_MS;
            let mut draft = Draft::new(&market.chain, &market.tip, &market.state, at(now));
            for entry in block {
                let (ours, theirs) = (offer(&mut draft, entry), model.state(entry, now));
                assert_eq!(ours.is_ok(), theirs, "{entry:?}: {ours:?}\nin {history:#?}");
                let name = match ours {
                    Ok(_) => format!("admitted {}", entry.kind()),
                    Err(AdmitError::Refused(refusal)) => refusal.rule().to_owned(),
                };
                *seen.borrow_mut().entry(name).or_default() += 1;
            }
            if !draft.entries().is_empty() {
                let sealed = draft.seal(&market::key());
                market.take(&sealed);
            }
        }
        compare_balances(&market, &model);
        Ok(())
    });
    outcome.unwrap();
    if cases >= 256 {
        // Otherwise the histories are too tame to show anything.
        let seen = seen.into_inner();
        let admitted = seen.keys().filter(|name| name.starts_with("admitted")).count();
        assert_eq!(admitted, Kind::ALL.len(), "{seen:?}");
        assert!(seen.len() - admitted >= 18, "{seen:?}");
    }
}

fn compare_balances(market: &Market, model: &model::Model) {
    let mut compared = 0;
    for ((tenant, name), expected) in model.commissions() {
        let key = Subject::Entry(Kind::Commission, &id(name)).key(&id(tenant));
        let stored = market.state.read(&key).unwrap().unwrap();
        let Record::Commission(found) = stored.record else { panic!("{stored:?}") };
        let found = (
            found.affiliate.to_string(),
            [found.amount, found.reversed, found.paid].map(Amount::units),
            found.state.to_string(),
            found.locks_at.as_millis(),
        );
        assert_eq!(found, *expected, "{tenant} {name}");
        compared += 1;
    }
    let stored =
        market.state.values().filter(|stored| matches!(stored.record, Record::Commission(_)));
    assert_eq!(stored.count(), compared);
}
