//! The ledger: what is submitted is sealed once, in order, and answered when it is durable.

mod support;

use counterfoil::ledger::{Atomicity, Health, Ledger, Outcome, Rejection, SubmitError};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Verdict;
use counterfoil::protocol::rules::Refusal;
use counterfoil::protocol::spec::Limits;
use support::chain::{chain, chain_with, commission, decision, key, reversal, sale, terms};

/// Re-verifies the whole ledger, and that nothing but `entries` entries are on it.
fn check(ledger: &Ledger, entries: u64) {
    let report = ledger.store().expect("it is open").fsck(|_| {}).expect("the store can be read");
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.entries, entries);
}

async fn submit(ledger: &Ledger, entries: Vec<EncodedEntry>) -> Vec<Outcome> {
    ledger.submit(entries, Atomicity::EntryByEntry).await.expect("the ledger answers")
}

async fn submit_all(ledger: &Ledger, entries: Vec<EncodedEntry>) -> Vec<Outcome> {
    ledger.submit(entries, Atomicity::AllOrNothing).await.expect("the ledger answers")
}

fn names(outcomes: &[Outcome]) -> Vec<&'static str> {
    let name = |outcome: &Outcome| match outcome {
        Outcome::Sealed(_) => "sealed",
        Outcome::Existing(_) => "existing",
        Outcome::Rejected(Rejection::Conflict { .. }) => "conflict",
        Outcome::Rejected(Rejection::Refused(_)) => "refused",
        Outcome::Rejected(Rejection::NotAtomic) => "not atomic",
    };
    outcomes.iter().map(name).collect()
}

#[tokio::test]
async fn seals_once_and_says_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(directory.path(), chain("ledger"), Some(key())).unwrap();
    check(&ledger, 0);
    let entries = vec![terms(), sale(1, 1000), commission(1, 100)];
    let first = submit(&ledger, entries.clone()).await;
    assert_eq!(names(&first), ["sealed", "sealed", "sealed"]);
    check(&ledger, 3);

    let again = submit(&ledger, entries).await;
    assert_eq!(names(&again), ["existing", "existing", "existing"]);
    for (first, again) in first.iter().zip(&again) {
        let (Outcome::Sealed(first), Outcome::Existing(again)) = (first, again) else { panic!() };
        assert_eq!(first, again);
    }
    assert_eq!(ledger.head().height(), 1, "nothing new, no block");

    let other = submit(&ledger, vec![sale(1, 999), commission(2, 1), sale(2, 50)]).await;
    assert_eq!(names(&other), ["conflict", "refused", "sealed"]);
    let Outcome::Rejected(Rejection::Conflict { first: Some(position), differing_fields }) =
        &other[0]
    else {
        panic!()
    };
    assert_eq!((position.index, position.height), (2, 1));
    assert_eq!(differing_fields, &["body.amount"]);
    check(&ledger, 4);
}

#[tokio::test]
async fn duplicates_within_one_request_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(directory.path(), chain("ledger"), Some(key())).unwrap();
    let entries = vec![terms(), sale(1, 10), sale(1, 10), sale(1, 11)];
    let outcomes = submit(&ledger, entries).await;
    assert_eq!(names(&outcomes), ["sealed", "sealed", "existing", "conflict"]);
    check(&ledger, 2);
}

#[tokio::test]
async fn an_atomic_request_is_sealed_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { block_entries: 10, ..Limits::default() };
    let chain = chain_with("ledger", limits);
    let (ledger, _) = Ledger::open(directory.path(), chain, Some(key())).unwrap();
    submit(&ledger, vec![terms(), sale(1, 1000), commission(1, 100)]).await;

    let cases = [
        // One breaks a rule; what was there stays there, what refers to what is gone goes.
        (
            vec![sale(2, 10), sale(2, 10), terms(), reversal("r", 1, 101)],
            vec!["not atomic", "not atomic", "existing", "refused"],
        ),
        (vec![sale(3, 10), sale(3, 11)], vec!["not atomic", "conflict"]),
    ];
    for (entries, expected) in cases {
        let outcomes = submit_all(&ledger, entries).await;
        assert_eq!(names(&outcomes), expected);
        for outcome in &outcomes {
            if let Outcome::Rejected(Rejection::Conflict { first, .. }) = outcome {
                assert_eq!(*first, None, "the first is not on the ledger either");
            }
        }
        check(&ledger, 3);
    }
    let whole: Vec<_> = (10..20).map(|number| sale(number, 10)).collect();
    let outcomes = submit_all(&ledger, whole).await;
    let heights: std::collections::BTreeSet<u64> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Sealed(position) => position.height,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(heights.len(), 1);
    check(&ledger, 13);
    let beyond = (20..31).map(|number| sale(number, 10)).collect();
    let refused = ledger.submit(beyond, Atomicity::AllOrNothing).await;
    assert!(matches!(refused, Err(SubmitError::TooLarge { given: 11, limit: 10, .. })));
    check(&ledger, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_submitters_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { block_entries: 100, ..Limits::default() };
    let chain = chain_with("ledger", limits);
    let (ledger, _) = Ledger::open(directory.path(), chain, Some(key())).unwrap();
    submit(&ledger, vec![terms()]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..16u64 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            // Requests longer than a block, each referring to what came just before.
            for round in 0..3 {
                let numbers = (0..70).map(|number| client * 1000 + round * 100 + number);
                let entries = numbers.flat_map(|n| [sale(n, 1000), commission(n, 100)]).collect();
                let outcomes = submit(&ledger, entries).await;
                assert!(names(&outcomes).iter().all(|name| *name == "sealed"));
                let index = |outcome: &Outcome| match outcome {
                    Outcome::Sealed(position) => position.index,
                    other => panic!("{other:?}"),
                };
                assert!(outcomes.iter().map(index).is_sorted(), "in the order of the request");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    check(&ledger, 1 + 16 * 3 * 140);
}

#[tokio::test]
async fn refusals_name_the_rule_and_leave_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(directory.path(), chain("ledger"), Some(key())).unwrap();
    submit(&ledger, vec![terms(), sale(1, 1000), commission(1, 100)]).await;
    submit(&ledger, vec![decision("lock", 1, Verdict::Lock)]).await;
    let cases = [
        (decision("again", 1, Verdict::Approve), "illegal-step"),
        (reversal("late", 1, 100), "illegal-step"),
        (commission(7, 100), "missing-parent"),
    ];
    for (entry, rule) in cases {
        let outcomes = submit(&ledger, vec![entry]).await;
        let Outcome::Rejected(Rejection::Refused(refusal)) = &outcomes[0] else { panic!() };
        assert_eq!(refusal.rule(), rule);
        assert!(!matches!(refusal, Refusal::Duplicate { .. }));
        check(&ledger, 4);
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, writer) = Ledger::open(directory.path(), chain("ledger"), Some(key())).unwrap();
    let outcomes = submit(&ledger, vec![terms(), sale(1, 1000)]).await;
    drop(ledger);
    writer.join();
    let (ledger, _) = Ledger::open(directory.path(), chain("ledger"), Some(key())).unwrap();
    for outcome in outcomes {
        let Outcome::Sealed(position) = outcome else { panic!() };
        let receipt = ledger.view().unwrap().receipt(position.index).unwrap().unwrap();
        assert_eq!(receipt.verify(ledger.chain()).unwrap().entry.id(), position.id);
    }
    check(&ledger, 2);
}

#[tokio::test]
async fn without_the_authoritys_key_nothing_is_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(directory.path(), chain("ledger"), None).unwrap();
    let refused = ledger.submit(vec![terms()], Atomicity::EntryByEntry).await;
    assert_eq!(refused, Err(SubmitError::NotSealing(Health::NoKey)));
    check(&ledger, 0);
}

#[tokio::test]
async fn a_replica_appends_only_what_follows_and_holds() {
    let root = tempfile::tempdir().unwrap();
    let (authority, _) =
        Ledger::open(&root.path().join("authority"), chain("ledger"), Some(key())).unwrap();
    let (replica, _) = Ledger::open(&root.path().join("replica"), chain("ledger"), None).unwrap();
    submit(&authority, vec![terms(), sale(1, 1000)]).await;
    submit(&authority, vec![commission(1, 100)]).await;
    let block = |height| authority.view().unwrap().block(height).unwrap().unwrap();
    assert!(replica.append(block(2)).await.is_err(), "not the next one");
    replica.append(block(1)).await.unwrap();
    let mut altered = block(2);
    altered.header.time = altered.header.time.saturating_add(1);
    assert!(replica.append(altered).await.is_err());
    assert!(replica.append(block(1)).await.is_err(), "not again");
    replica.append(block(2)).await.unwrap();
    assert_eq!(replica.head().tip, authority.head().tip);
    check(&replica, 3);
}
