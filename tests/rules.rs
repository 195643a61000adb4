//! The rules: each broken by name, the lifecycle against another table, random histories
//! against another model.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod market;
#[path = "support/random.rs"]
mod random;

#[path = "rules/agreement.rs"]
mod agreement;
#[path = "rules/allowed.rs"]
mod allowed;
#[path = "rules/arithmetic.rs"]
mod arithmetic;
#[path = "rules/dates.rs"]
mod dates;
#[path = "rules/deadlines.rs"]
mod deadlines;
#[path = "rules/histories.rs"]
mod histories;
#[path = "rules/lifecycle.rs"]
mod lifecycle;
#[path = "rules/model.rs"]
mod model;
#[path = "rules/mutation.rs"]
mod mutation;
#[path = "rules/payments.rs"]
mod payments;
#[path = "rules/payouts.rs"]
mod payouts;
#[path = "rules/programs.rs"]
mod programs;
#[path = "rules/reckoning.rs"]
mod reckoning;
#[path = "rules/settlement.rs"]
mod settlement;
#[path = "rules/steps.rs"]
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::protocol::entry::{Entry, Kind, Verdict};
use counterfoil::protocol::rules::{AdmitError, Overlay, Place, Refusal, StateReader, admit};
use counterfoil::protocol::spec::MAX_BLOCK_BYTES;
use counterfoil::protocol::verify::Draft;
use market::cases::{Case, cases, earned, funded};
use market::changes::{ChangeCase, change_cases};
use market::{
    Market, NOW, at, commission, decision, encoded, id, of_tenant, payout, reversal, sale,
};

/// The state after `given` in a draft, and what becomes of `entry` there.
fn offer<S: StateReader>(
    draft: &mut Draft<'_, S>,
    entry: &Entry,
) -> Result<u64, AdmitError<S::Error>> {
    draft.admit(encoded(std::slice::from_ref(entry)).remove(0))
}

/// What is wrong with a case, if anything is.
fn fault(market: &Market, case: &Case) -> Option<String> {
    let mut draft = market.draft();
    for entry in &case.given {
        if let Err(error) = offer(&mut draft, entry) {
            return Some(format!("{} before it: {error}", entry.external_id));
        }
    }
    let before = draft.mark();
    let refusal = match offer(&mut draft, &case.broken) {
        Ok(_) => return Some("was admitted".to_owned()),
        Err(AdmitError::State(never)) => match never {},
        Err(AdmitError::Refused(refusal)) => refusal,
    };
    if refusal.rule() != case.rule || !refusal.to_string().contains(case.says) {
        return Some(format!("is refused by {}: {refusal}", refusal.rule()));
    }
    draft.roll_back(before);
    let admitted = offer(&mut draft, &case.legal);
    admitted.err().map(|error| format!("the legal one is refused: {error}"))
}

#[test]
fn each_rule_refuses_what_breaks_it_and_nothing_nearer() {
    let market = Market::new();
    let changes =
        change_cases().into_iter().map(|ChangeCase { rule, says, given, legal, broken }| Case {
            rule,
            says,
            given,
            legal,
            broken,
        });
    let all: Vec<Case> = cases().into_iter().chain(changes).collect();
    let faults: Vec<String> = all
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            let fault = fault(&market, case)?;
            Some(format!(
                "{number} {}, {:?}: {fault}\n{:?}",
                case.rule, case.says, case.broken.body
            ))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The name of every rule.
fn rule_names() -> BTreeSet<String> {
    let names: BTreeSet<String> = Refusal::RULES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names.len(), Refusal::RULES.len(), "each variant has its own name");
    names
}

#[test]
fn no_rule_is_without_a_case() {
    let changes = change_cases();
    let changes = changes.iter().map(|case| case.rule.to_owned());
    let tested: BTreeSet<String> =
        cases().iter().map(|case| case.rule.to_owned()).chain(changes).collect();
    assert_eq!(tested, rule_names());
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
    let entries = [funded(), vec![payout("P-1", |_| ())]].concat();
    let block = market.seal(NOW, &entries);
    let parties: Vec<_> = block
        .parties()
        .iter()
        .map(|parties| {
            let name = |id: &Option<_>| id.as_ref().map_or("-".to_owned(), ToString::to_string);
            format!("{} {}", name(&parties.merchant), name(&parties.affiliate))
        })
        .collect();
    assert_eq!(parties, ["shop -", "shop -", "shop ann", "shop ann", "shop -", "- ann"]);
}

/// Every change of an overlay, for comparison.
fn changes<S: StateReader>(overlay: Overlay<'_, S>) -> String {
    let changes: BTreeMap<_, _> = overlay.into_changes().0.into_iter().collect();
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
            succession: market.chain.succession(),
            opening: index == 0,
            parent: market.tip.header_hash,
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
    for entry in funded() {
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
