//! The lives of a commission and of a payout: the code's tables, FORMAT.md's and the model's
//! are the same, and whatever isn't there is refused.

use counterfoil::protocol::rules::{CommissionState, PayoutState, PayoutStep, Refusal, Step};

use super::steps::{PAYOUT_STEPS, STEPS};

const COMMISSION: [(&str, Step); 13] = [
    ("approve", Step::Approve),
    ("decline", Step::Decline),
    ("extend", Step::Extend),
    ("lock", Step::Lock),
    ("reverse", Step::Reverse),
    ("amend", Step::Amend),
    ("reopen", Step::Reopen),
    ("fund", Step::Fund),
    ("pay", Step::Pay),
    ("complete", Step::Complete),
    ("fail", Step::Fail),
    ("return", Step::Return),
    ("adjust", Step::Adjust),
];

const PAYOUT: [(&str, PayoutStep); 5] = [
    ("close", PayoutStep::Close),
    ("send", PayoutStep::Send),
    ("complete", PayoutStep::Complete),
    ("fail", PayoutStep::Fail),
    ("return", PayoutStep::Return),
];

#[test]
fn a_commission_goes_by_the_table_and_nothing_else() {
    let mut legal = 0;
    for from in CommissionState::ALL {
        for (name, step) in COMMISSION {
            let to = STEPS.iter().find(|(state, by, _)| (*state, *by) == (from.as_str(), name));
            match (from.after(step), to) {
                (Ok(state), Some((.., to))) => {
                    assert_eq!(state.as_str(), *to, "{from} {name}");
                    legal += 1;
                }
                (Err(refusal), None) => assert_eq!(refusal, Refusal::IllegalStep { from, step }),
                (outcome, expected) => panic!("{from} {name}: {outcome:?}, not {expected:?}"),
            }
        }
    }
    assert_eq!((CommissionState::ALL.len() * COMMISSION.len(), legal), (9 * 13, STEPS.len()));
}

#[test]
fn a_payout_goes_by_the_table_and_takes_its_commissions_along() {
    let mut legal = 0;
    for from in PayoutState::ALL {
        for (name, step) in PAYOUT {
            let to = PAYOUT_STEPS.iter().find(|row| (row.0, row.1) == (from.as_str(), name));
            match (from.after(step), to) {
                (Ok(state), Some((.., to, commissions))) => {
                    let found = (state.as_str(), state.of_commissions().as_str());
                    assert_eq!(found, (*to, *commissions), "{from} {name}");
                    legal += 1;
                }
                (Err(refusal), None) => {
                    assert_eq!(refusal, Refusal::IllegalPayoutStep { from, step });
                }
                (outcome, expected) => panic!("{from} {name}: {outcome:?}, not {expected:?}"),
            }
        }
    }
    assert_eq!((PayoutState::ALL.len() * PAYOUT.len(), legal), (6 * 5, PAYOUT_STEPS.len()));
}

/// The cells of the table in FORMAT.md whose head begins so, row by row.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let text = include_str!("../../src/protocol/FORMAT.md");
    let (_, section) = text.split_once("### 13.2 ").unwrap();
    let (section, _) = section.split_once("### 13.3 ").unwrap();
    let rows = section.lines().skip_while(|line| *line != head).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_tables_are_those_of_the_format() {
    let commission: Vec<Vec<&str>> =
        STEPS.iter().map(|(from, step, to)| vec![*from, *step, *to]).collect();
    assert_eq!(table("| from | step | to |"), commission);
    let mut payout = vec![vec!["", "its first entry", "open", "in_payout"]];
    payout.extend(PAYOUT_STEPS.iter().map(|row| vec![row.0, row.1, row.2, row.3]));
    assert_eq!(table("| from | step | to | its commissions are |"), payout);
}

/// Every rule that FORMAT.md's tables name is one that the code refuses by, and the other way.
#[test]
fn the_rules_are_those_of_the_format() {
    let text = include_str!("../../src/protocol/FORMAT.md");
    let (_, section) = text.split_once("## 13. Rules").unwrap();
    let (section, _) = section.split_once("## 14. ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let written: std::collections::BTreeSet<String> =
        rows.map(|(name, _)| name.to_owned()).filter(|name| name != "commission").collect();
    assert_eq!(written, super::rule_names());
}
