//! Succession in ledgers that run: who seals, who doesn't any more, and that it is kept.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use counterfoil::ledger::{
    Atomicity, Health, Ledger, Outcome, Rejection, SubmitError, WriterThread,
};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::spec::{Currencies, Limits};
use counterfoil::protocol::succession::KeyRole;
use counterfoil::protocol::verify::{Chain, Invalid};
use counterfoil::store::Store;
use support::binary::copy_directory;
use support::chain::{chain, currency, public, rotation, sale, seeded, spec_change, stated, terms};

/// The successor's seed.
const SUCCESSOR: u8 = 9;

/// Re-verifies the whole ledger.
fn check(ledger: &Ledger, entries: u64) {
    let report = ledger.store().expect("it is open").fsck(|_| {}).expect("the store can be read");
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.entries, entries);
}

fn open(directory: &Path, chain: &Arc<Chain>, seed: Option<u8>) -> (Ledger, WriterThread) {
    Ledger::open(directory, chain.clone(), seed.map(seeded)).unwrap()
}

async fn seal(ledger: &Ledger, entries: Vec<EncodedEntry>) {
    let outcomes = ledger.submit(entries, Atomicity::EntryByEntry).await.unwrap();
    for outcome in outcomes {
        assert!(matches!(outcome, Outcome::Sealed(_)), "{outcome:?}");
    }
}

fn role(ledger: &Ledger) -> KeyRole {
    match ledger.health() {
        Health::Sealing => KeyRole::Authority,
        Health::NotAuthority { role, .. } => role,
        health => panic!("{health}"),
    }
}

/// Appends to `replica` what it lacks of `source`.
async fn follow(replica: &Ledger, source: &Ledger) {
    let view = source.view().unwrap();
    for height in replica.head().height() + 1..=view.head().height() {
        replica.append(view.block(height).unwrap().unwrap()).await.unwrap();
    }
    assert_eq!(replica.head().tip, source.head().tip);
}

/// Lets the directory seal, as `counterfoil adopt` does.
fn adopt(directory: &Path, chain: &Arc<Chain>) {
    let (_, mut committer) = Store::open(directory, chain.clone()).unwrap();
    committer.adopt().unwrap();
}

fn close((ledger, writer): (Ledger, WriterThread)) {
    drop(ledger);
    writer.join();
}

#[tokio::test]
async fn a_planned_rotation() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("planned"));
    let (old_home, new_home) = (root.path().join("old"), root.path().join("new"));
    let old = open(&old_home, &chain, Some(7));
    let new = open(&new_home, &chain, Some(SUCCESSOR));
    assert_eq!((role(&old.0), role(&new.0)), (KeyRole::Authority, KeyRole::Unknown));
    seal(&old.0, vec![rotation(&chain, &old.0.head().tip, SUCCESSOR, 3), terms()]).await;
    follow(&new.0, &old.0).await;
    // A directory that was filled from elsewhere is adopted before it seals anything.
    assert!(matches!(new.0.health(), Health::Standing(_)), "{}", new.0.health());
    close(new);
    adopt(&new_home, &chain);
    let new = open(&new_home, &chain, Some(SUCCESSOR));
    assert_eq!(role(&new.0), KeyRole::Awaited { from_height: 3 });
    let early = new.0.submit(vec![sale(1, 100)], Atomicity::EntryByEntry).await;
    assert!(
        matches!(early, Err(SubmitError::NotSealing(Health::NotAuthority { .. }))),
        "{early:?}"
    );

    seal(&old.0, vec![sale(1, 100)]).await;
    assert_eq!(role(&old.0), KeyRole::Retired);
    let late = old.0.submit(vec![sale(2, 100)], Atomicity::EntryByEntry).await;
    let health = Health::NotAuthority { role: KeyRole::Retired, authority: public(SUCCESSOR) };
    assert_eq!(late, Err(SubmitError::NotSealing(health)));
    follow(&new.0, &old.0).await;
    assert_eq!(role(&new.0), KeyRole::Authority);
    seal(&new.0, vec![sale(2, 100)]).await;
    follow(&old.0, &new.0).await;
    for ledger in [&old.0, &new.0] {
        check(ledger, 4);
        assert_eq!(ledger.head().header.authority, public(SUCCESSOR));
    }
    // Every receipt holds by the genesis spec.
    let view = new.0.view().unwrap();
    for (index, changes) in [(2, 0), (4, 0), (6, 1)] {
        let receipt = view.receipt(index).unwrap().unwrap();
        let proven = receipt.verify(&chain).unwrap();
        assert_eq!(proven.spec.authority(), proven.header.authority);
        assert_eq!(view.head().tip.succession.changes_to(proven.header.height).len(), changes);
    }
}

#[tokio::test]
async fn what_is_in_force_survives_reopening_and_reindexing() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("reopened"));
    let home = root.path().join("home");
    let running = open(&home, &chain, Some(7));
    seal(&running.0, vec![terms()]).await;
    let tip = running.0.head().tip.clone();
    let change = spec_change(&chain, &tip, |entry| {
        stated(entry).currencies = Currencies::new([(currency("CHF"), 3)]);
        stated(entry).authorities = Some(vec![public(7), public(SUCCESSOR)]);
    });
    seal(&running.0, vec![change]).await;
    seal(&running.0, vec![rotation(&chain, &running.0.head().tip, SUCCESSOR, 7)]).await;
    for number in 1..3 {
        seal(&running.0, vec![sale(number, 100)]).await;
    }
    let expected = running.0.head().tip.clone();
    assert_eq!((expected.height, expected.succession.changes().len()), (5, 2));
    close(running);
    let (store, committer) = Store::reindex(&home, chain.clone(), |_, _| {}).unwrap();
    assert_eq!(store.head().tip, expected);
    drop((store, committer));
    let running = open(&home, &chain, Some(7));
    assert_eq!(running.0.head().tip, expected);
    let view = running.0.view().unwrap();
    assert_eq!(view.succession_at(2).unwrap().changes().len(), 1);
    assert_eq!(view.succession_at(1).unwrap(), *chain.succession());
    assert_eq!(view.succession_at(5).unwrap(), expected.succession);
    drop(view);
    seal(&running.0, vec![sale(3, 100)]).await;
    check(&running.0, 6);
    close(running);
    let retired = open(&home, &chain, Some(7));
    assert_eq!(role(&retired.0), KeyRole::Retired);
    close(retired);
    let successor = open(&home, &chain, Some(SUCCESSOR));
    seal(&successor.0, vec![sale(4, 100)]).await;
    check(&successor.0, 7);
}

#[tokio::test]
async fn the_successor_seals_the_block_that_makes_it_the_authority() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("dead"));
    let (old_home, new_home) = (root.path().join("old"), root.path().join("new"));
    let old = open(&old_home, &chain, Some(7));
    seal(&old.0, vec![terms()]).await;
    let new = open(&new_home, &chain, None);
    follow(&new.0, &old.0).await;
    close(new);
    adopt(&new_home, &chain);
    let new = open(&new_home, &chain, Some(SUCCESSOR));
    let tip = new.0.head().tip.clone();
    let change = rotation(&chain, &tip, SUCCESSOR, 2);
    // The old key can't seal it, and what was to come with it isn't sealed without it.
    let by_old = old.0.submit(vec![change.clone(), sale(1, 100)], Atomicity::EntryByEntry).await;
    assert!(matches!(by_old, Err(SubmitError::NotSealing(_))), "{by_old:?}");
    assert_eq!(old.0.head().height(), 1);
    seal(&new.0, vec![change, sale(1, 100)]).await;
    assert_eq!(role(&new.0), KeyRole::Authority);
    assert_eq!(new.0.head().header.authority, public(SUCCESSOR));

    // The old authority wasn't dead. Nobody follows what it seals from here on.
    seal(&old.0, vec![sale(2, 100)]).await;
    let block = old.0.view().unwrap().block(2).unwrap().unwrap();
    let replica = open(&root.path().join("replica"), &chain, None);
    replica.0.append(new.0.view().unwrap().block(1).unwrap().unwrap()).await.unwrap();
    follow(&replica.0, &new.0).await;
    assert!(replica.0.append(block.clone()).await.is_err());
    // Nor does its own ledger take the successor's: it has another history, and says so.
    let theirs = new.0.view().unwrap().block(2).unwrap().unwrap();
    assert!(old.0.append(theirs).await.is_err());
    check(&new.0, 3);
    check(&replica.0, 3);
}

#[tokio::test]
async fn a_crash_in_the_block_that_changes_the_authority_loses_nothing() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("crashed"));
    let (home, before) = (root.path().join("home"), root.path().join("before"));
    let old = open(&home, &chain, Some(7));
    seal(&old.0, vec![terms()]).await;
    close(old);
    copy_directory(&home, &before);
    let new = open(&home, &chain, Some(SUCCESSOR));
    seal(&new.0, vec![rotation(&chain, &new.0.head().tip, SUCCESSOR, 2), sale(1, 100)]).await;
    let expected = new.0.head().tip.clone();
    close(new);
    // The guard has the block, and of the store nothing but what was before it.
    std::fs::remove_dir_all(home.join("store")).unwrap();
    copy_directory(&before.join("store"), &home.join("store"));
    let again = open(&home, &chain, Some(SUCCESSOR));
    assert_eq!(again.0.head().tip, expected);
    assert_eq!(again.0.head().header.authority, public(SUCCESSOR));
    seal(&again.0, vec![sale(2, 100)]).await;
    check(&again.0, 4);
    close(again);
    let again = open(&home, &chain, Some(7));
    assert_eq!(role(&again.0), KeyRole::Retired);
}

#[tokio::test]
async fn a_change_comes_first_however_much_else_is_submitted() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("busy"));
    let (ledger, _) = open(root.path(), &chain, Some(7));
    seal(&ledger, vec![terms()]).await;
    let mut tasks = Vec::new();
    for task in 0..8u64 {
        let ledger = ledger.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0..40 {
                seal(&ledger, vec![sale(1 + task * 100 + number, 100)]).await;
            }
        }));
    }
    let limits = Limits { block_entries: 3, ..Limits::default() };
    let change = spec_change(&chain, &ledger.head().tip, |entry| {
        stated(entry).from_height = 100;
        stated(entry).limits = Some(limits);
    });
    seal(&ledger, vec![sale(1_000, 1), change, sale(1_001, 1)]).await;
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ledger.head().tip.succession.spec_at(100).limits, limits);
    check(&ledger, 1 + 320 + 3);
}

#[tokio::test]
async fn an_atomic_request_begins_with_its_changes() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("atomic"));
    let (ledger, _) = open(root.path(), &chain, Some(7));
    seal(&ledger, vec![terms()]).await;
    let change = spec_change(&chain, &ledger.head().tip, |entry| {
        stated(entry).currencies = Currencies::new([(currency("CHF"), 2)]);
    });
    let turned = vec![sale(1, 100), change.clone()];
    let refused = ledger.submit(turned, Atomicity::AllOrNothing).await.unwrap();
    let Outcome::Rejected(Rejection::Refused(refusal)) = &refused[1] else { panic!("{refused:?}") };
    assert_eq!(refusal.rule(), "change-not-first");
    let sealed = ledger.submit(vec![change, sale(1, 100)], Atomicity::AllOrNothing).await.unwrap();
    assert!(sealed.iter().all(|outcome| matches!(outcome, Outcome::Sealed(_))), "{sealed:?}");
    assert_eq!(ledger.head().height(), 2);
    check(&ledger, 3);
}

#[tokio::test]
async fn an_atomic_request_that_fits_no_block_any_more_is_refused() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("smaller"));
    let (ledger, _) = open(root.path(), &chain, Some(7));
    seal(&ledger, vec![terms()]).await;
    let tip = ledger.head().tip.clone();
    let change = spec_change(&chain, &tip, |entry| {
        let change = stated(entry);
        (change.from_height, change.after) = (2, Some(tip.header_hash));
        change.limits = Some(Limits { block_entries: 2, ..Limits::default() });
    });
    let too_many = vec![change.clone(), sale(1, 100), sale(2, 100)];
    let refused = ledger.submit(too_many, Atomicity::AllOrNothing).await;
    assert!(
        matches!(refused, Err(SubmitError::TooLarge { given: 3, limit: 2, .. })),
        "{refused:?}"
    );
    let fits = ledger.submit(vec![change, sale(1, 100)], Atomicity::AllOrNothing).await.unwrap();
    assert!(fits.iter().all(|outcome| matches!(outcome, Outcome::Sealed(_))), "{fits:?}");
    let three = (2..5).map(|number| sale(number, 100)).collect();
    let refused = ledger.submit(three, Atomicity::AllOrNothing).await;
    assert!(matches!(refused, Err(SubmitError::TooLarge { limit: 2, .. })), "{refused:?}");
    seal(&ledger, (2..7).map(|number| sale(number, 100)).collect()).await;
    check(&ledger, 1 + 2 + 5);
}

#[tokio::test]
async fn a_replica_stops_at_rules_that_it_does_not_know_and_blames_nobody() {
    let (root, chain) = (tempfile::tempdir().unwrap(), chain("newer"));
    let (ledger, _) = open(root.path(), &chain, Some(7));
    seal(&ledger, vec![terms()]).await;
    // No program of this version seals it. So the block is one of another, with its first entry
    // taken by a change that a newer program admits.
    seal(&ledger, vec![sale(1, 100)]).await;
    let view = ledger.view().unwrap();
    let (first, mut second) = (view.block(1).unwrap().unwrap(), view.block(2).unwrap().unwrap());
    let replica = open(&root.path().join("replica"), &chain, None);
    replica.0.append(first).await.unwrap();
    let newer = spec_change(&chain, &replica.0.head().tip, |entry| {
        stated(entry).rules_version = Some(2);
    });
    second.entries[0] = newer;
    let error = replica.0.append(second).await.unwrap_err();
    let expected = Invalid::UnknownRules { height: 2, version: 2 };
    assert_eq!(error, counterfoil::ledger::AppendError::Invalid(expected));
    assert!(error.to_string().contains("a newer program is needed"), "{error}");
}
