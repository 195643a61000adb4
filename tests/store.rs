//! The store: what is committed stays, what is derived follows, what is damaged is named.

#![expect(clippy::unwrap_used, reason = "a test stops at what it doesn't expect")]

mod support;

use std::path::{Path, PathBuf};

use counterfoil::protocol::block::{Block, EncodedEntry, Heading};
use counterfoil::protocol::entry::{Body, Decision, MAX_PAYOUT_LINES, Payout, PayoutLine, Verdict};
use counterfoil::protocol::verify::{Draft, VerifiedBlock, verify};
use counterfoil::store::{
    Committer, Direction, Filter, Standing, Store, StoreError, TILE_WIDTH, View,
};
use support::chain::{
    chain, commission, currency, entry, funding, id, key, sale, terms, time, units,
};
use support::home;

/// Seals `entries` after the store's head.
fn seal(store: &Store, entries: impl IntoIterator<Item = EncodedEntry>) -> VerifiedBlock {
    let (chain, head) = (store.chain().clone(), store.head());
    let mut draft = Draft::new(&chain, &head.tip, store, time("2026-04-01T00:00:00Z"));
    for entry in entries {
        draft.admit(entry).expect("the rules admit it");
    }
    draft.seal(&key())
}

fn open(directory: &Path) -> (Store, Committer) {
    Store::open(directory, chain("store")).expect("the store opens")
}

/// Re-verifies everything.
fn check(store: &Store) {
    let report = store.fsck(|_| {}).expect("the store can be read");
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.verified_height, store.head().height());
}

/// Terms, then `blocks` blocks of sales and commissions, `pairs` of each.
fn fill(committer: &mut Committer, blocks: u64, pairs: u64) {
    let store = committer.store().clone();
    committer.commit(&seal(&store, [terms()])).unwrap();
    for block in 0..blocks {
        let numbers = block * pairs..(block + 1) * pairs;
        let entries = numbers.flat_map(|number| [sale(number, 1000), commission(number, 100)]);
        committer.commit(&seal(&store, entries)).unwrap();
    }
}

#[test]
fn what_is_committed_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut committer) = open(directory.path());
    check(&store);
    fill(&mut committer, 5, 200);
    check(&store);
    let head = store.head();
    let view = store.view();
    let roots: Vec<_> = (0..=head.height()).map(|height| view.checkpoint(height)).collect();
    let roots: Vec<_> = roots.into_iter().map(Result::unwrap).collect();
    drop((store, committer, view));

    let (store, committer) = open(directory.path());
    assert_eq!(store.head().tip, head.tip);
    assert_eq!(*committer.standing(), Standing::Sound);
    check(&store);
    let view = store.view();
    for (height, expected) in (0..).zip(roots) {
        let (checkpoint, signature) = expected.unwrap();
        if let Some(signature) = &signature {
            checkpoint.verify(&key().public(), signature).unwrap();
        }
        assert_eq!(view.checkpoint(height).unwrap(), Some((checkpoint, signature)));
    }
    assert!(view.checkpoint(head.height() + 1).unwrap().is_none());
    assert!(blobs(directory.path()) == 0, "large values would not be durable");
}

fn blobs(directory: &Path) -> usize {
    std::fs::read_dir(directory.join("store/blobs")).map_or(0, Iterator::count)
}

#[test]
fn every_leaf_has_its_place_and_every_entry_its_receipt() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut committer) = open(directory.path());
    fill(&mut committer, 4, 100);
    let view = store.view();
    let size = view.head().size();
    let all = view.leaves(0, size).unwrap();
    assert_eq!(all.len() as u64, size);
    let mut entries = 0;
    for (index, leaf) in (0..).zip(&all) {
        assert_eq!(view.leaf(index).unwrap().as_ref(), Some(leaf), "index {index}");
        match view.entry(index).unwrap() {
            None => assert!(view.receipt(index).unwrap().is_none()),
            Some(entry) => {
                entries += 1;
                assert_eq!(view.entry_with_id(&entry.id()).unwrap().unwrap().index, index);
                let receipt = view.receipt(index).unwrap().unwrap();
                let proven = receipt.verify(store.chain()).unwrap();
                assert_eq!((proven.index, &proven.entry), (index, &entry));
                let height = view.height_of(index).unwrap().unwrap();
                assert_eq!(proven.header.height, height);
            }
        }
    }
    assert_eq!(entries, 1 + 4 * 200);
    assert_eq!(view.leaves(250, 260).unwrap(), all[250..260]);
    assert!(view.leaf(size).unwrap().is_none());
    // Tiles are the leaves' hashes, cut to any width; never empty, never beyond the log.
    for width in [1, 7, TILE_WIDTH] {
        let tile = view.tile(0, 1, width).unwrap().unwrap();
        assert_eq!(tile.len() as u64, width);
    }
    assert!(view.tile(0, 0, 0).unwrap().is_none());
    assert!(view.tile(0, size / TILE_WIDTH, size % TILE_WIDTH + 1).unwrap().is_none());
    assert!(view.tile(63, 0, 1).unwrap().is_none());
    assert!(view.tile(0, u64::MAX, 1).unwrap().is_none());
}

#[test]
fn what_is_read_again_is_the_same_and_no_view_sees_further_than_its_head() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut committer) = open(directory.path());
    committer.commit(&seal(&store, [terms()])).unwrap();
    // Blocks of one entry, and blocks that span several tiles, by turns.
    let (mut number, mut views) = (0, Vec::new());
    for entries in [1, 700, 1, 1, 2, 300, 1, 255, 256, 257, 3] {
        let entries = (number..number + entries).map(|number| sale(number, 1000));
        let block = seal(&store, entries);
        number += block.entries().len() as u64;
        committer.commit(&block).unwrap();
        let view = store.view();
        let size = view.head().size();
        for index in (0..size).rev().chain(0..size).step_by(7) {
            look(&view, index);
        }
        views.push(view);
    }
    let last = store.view();
    for index in 0..last.head().size() {
        look(&last, index);
        for view in views.iter().filter(|view| view.head().size() <= index) {
            assert_eq!(view.entry_and_height(index).unwrap(), None);
            assert_eq!(view.heading_and_height(index).unwrap(), None);
            assert_eq!(view.height_of(index).unwrap(), None);
        }
    }
    for view in &views {
        let height = view.head().height();
        assert_eq!(view.block_time(height).unwrap(), Some(view.head().header.time));
        assert_eq!(view.block_time(height + 1).unwrap(), None);
    }
    check(&store);
}

/// Compares what is said of a log index with the leaf itself, and with the block that holds it.
fn look(view: &View, index: u64) {
    let (leaf, height) = (view.leaf(index).unwrap().unwrap(), view.height_of(index).unwrap());
    let header = view.header(height.unwrap()).unwrap().unwrap().header;
    assert!((header.first_index..=header.index()).contains(&index), "index {index}");
    assert_eq!(view.block_time(header.height).unwrap(), Some(header.time));
    let entry = view.entry_and_height(index).unwrap();
    let heading = view.heading_and_height(index).unwrap();
    if index == header.index() {
        assert_eq!((entry, heading), (None, None));
        return;
    }
    let (entry, heading) = (entry.unwrap(), heading.unwrap());
    assert_eq!((entry.0.leaf(), entry.1), (leaf.as_slice(), header.height));
    assert_eq!(heading, (Heading::from(&entry.0), header.height));
    assert_eq!(Heading::of(&leaf).unwrap(), heading.0);
}

#[test]
fn long_leaves_are_kept_in_small_values() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut committer) = open(directory.path());
    fill(&mut committer, 0, 0);
    // Names as long as they may be, lines as many as there may be: near the longest leaf.
    let name = |number: u64| id(&format!("{number:0>120}"));
    let rename = |encoded: EncodedEntry, number: u64| {
        let mut entry = encoded.entry().clone();
        entry.external_id = name(number);
        if let Body::Commission(commission) = &mut entry.body {
            commission.affiliate = id("affiliate");
        }
        EncodedEntry::new(entry).unwrap()
    };
    let numbers = 0..MAX_PAYOUT_LINES as u64;
    committer.commit(&seal(&store, numbers.clone().map(|number| sale(number, 1000)))).unwrap();
    let commissions = numbers.clone().map(|number| rename(commission(number, 100), number));
    committer.commit(&seal(&store, commissions)).unwrap();
    let locks = numbers.clone().map(|number| {
        let decision = Decision { commission: name(number), verdict: Verdict::Lock };
        entry(&format!("lock-{number}"), Body::Decision(decision))
    });
    committer.commit(&seal(&store, locks)).unwrap();
    let names: Vec<_> = numbers.clone().map(name).collect();
    let funding = funding("funding", &names, 100);
    assert!(funding.leaf().len() > 60_000, "{}", funding.leaf().len());
    committer.commit(&seal(&store, [funding])).unwrap();
    let payout = entry(
        "payout",
        Body::Payout(Payout {
            affiliate: id("affiliate"),
            currency: currency("EUR"),
            period_from: time("2026-01-01T00:00:00Z"),
            period_until: time("2026-04-01T00:00:00Z"),
            continues: None,
            lines: numbers
                .clone()
                .map(|number| PayoutLine::Commission {
                    commission: name(number),
                    amount: units(100),
                })
                .collect(),
            total: Some(units(100 * numbers.end)),
            fx: None,
        }),
    );
    assert!(payout.leaf().len() > 60_000, "{}", payout.leaf().len());
    // Between short ones, so that its fragments have neighbours.
    let entries = [sale(1000, 1), payout.clone(), sale(1001, 1)];
    let before = store.view();
    committer.commit(&seal(&store, entries.clone())).unwrap();
    for entry in entries {
        let index = store.view().entry_with_id(&entry.id()).unwrap().unwrap().index;
        assert_eq!(store.view().entry(index).unwrap(), Some(entry));
        look(&store.view(), index);
        assert_eq!(before.entry_and_height(index).unwrap(), None);
        assert_eq!(before.heading_and_height(index).unwrap(), None);
    }
    assert_eq!(blobs(directory.path()), 0);
    check(&store);
}

#[test]
fn entries_are_found_by_what_they_say() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut committer) = open(directory.path());
    fill(&mut committer, 3, 50);
    let view = store.view();
    let find = |filter: &Filter| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = view.search(filter, Direction::OldestFirst, after, 7).unwrap();
            found.extend(page.hits);
            match page.next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    };
    let affiliate = Filter { affiliate: Some(id("affiliate-3")), ..Filter::default() };
    assert_eq!(find(&affiliate).len(), 30);
    let merchant = Filter { merchant: Some(id("shop")), ..Filter::default() };
    assert_eq!(find(&merchant).len(), 301);
    let named = Filter { external_id: Some(id("sale-12")), ..Filter::default() };
    assert_eq!(find(&named).len(), 1);
    assert_eq!(find(&Filter { tenant: Some(id("other")), ..Filter::default() }), []);
    assert_eq!(find(&Filter { to: Some(time("2026-01-01T00:00:00Z")), ..named }), []);
    let newest = view.search(&affiliate, Direction::NewestFirst, None, 100).unwrap().hits;
    let mut oldest = find(&affiliate);
    oldest.reverse();
    assert_eq!(newest, oldest);
}

#[test]
fn a_store_is_opened_once_and_for_its_own_chain() {
    let directory = tempfile::tempdir().unwrap();
    let (store, committer) = open(directory.path());
    assert!(matches!(
        Store::open(directory.path(), chain("store")),
        Err(StoreError::Locked { .. })
    ));
    drop((store, committer));
    assert!(matches!(
        Store::open(directory.path(), chain("another")),
        Err(StoreError::OtherChain { .. })
    ));
}

/// A copy of a data directory as a crash would leave it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

#[test]
fn guard_and_store_tell_what_a_crash_left() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let mut copies = Vec::new();
    {
        let (store, mut committer) = open(&at("live"));
        fill(&mut committer, 0, 0);
        for number in 0..4 {
            let name = format!("height-{}", store.head().height());
            copy(&at("live"), &at(&name));
            copies.push(name);
            committer.commit(&seal(&store, [sale(number, 1000)])).unwrap();
        }
        copy(&at("live"), &at("height-5"));
    }
    // The guard of one moment beside the store of another: (guard, store, what follows).
    let cases = [
        (5, 5, Ok(5)),
        (5, 4, Ok(5)), // the guard's block is committed
        (4, 5, Ok(5)), // never released, adopted
        (5, 2, Err("rolled back")),
        (2, 5, Err("lost")),
    ];
    for (guard, stored, expected) in cases {
        let directory = at(&format!("case-{guard}-{stored}"));
        copy(&at(&format!("height-{stored}")), &directory);
        std::fs::remove_dir_all(directory.join("guard")).unwrap();
        copy(&at(&format!("height-{guard}")).join("guard"), &directory.join("guard"));
        home::settle(&directory);
        let (store, committer) = open(&directory);
        let outcome = match committer.standing() {
            Standing::Sound => Ok(store.head().height()),
            Standing::RolledBack { .. } => Err("rolled back"),
            Standing::GuardLost { .. } => Err("lost"),
            Standing::NotAtHome(_) => Err("a copy"),
        };
        assert_eq!(outcome, expected, "guard {guard}, store {stored}");
        check(&store);
    }
}

/// A directory whose store went back to its first block, while its guard knows of `released` more:
/// the directory, and those blocks.
fn rolled_back(root: &Path, released: u64) -> (PathBuf, Vec<Block>) {
    let (live, old) = (root.join("live"), root.join("old"));
    let (store, mut committer) = open(&live);
    fill(&mut committer, 0, 0);
    copy(&live, &old);
    for number in 0..released {
        committer.commit(&seal(&store, [sale(number, 1000)])).unwrap();
    }
    std::fs::remove_dir_all(old.join("guard")).unwrap();
    copy(&live.join("guard"), &old.join("guard"));
    home::settle(&old);
    let blocks = (2..2 + released).map(|height| store.view().block(height).unwrap().unwrap());
    (old, blocks.collect())
}

#[test]
fn a_store_that_was_rolled_back_seals_again_once_the_blocks_are_back() {
    let root = tempfile::tempdir().unwrap();
    let (old, blocks) = rolled_back(root.path(), 3);
    let (store, mut committer) = open(&old);
    for block in blocks {
        assert!(!committer.standing().may_seal());
        let verified = verify(store.chain(), &store.head().tip, &store, block).unwrap();
        committer.commit(&verified).unwrap();
        check(&store);
    }
    assert!(committer.standing().may_seal());
}

#[test]
fn a_store_that_got_back_only_some_blocks_still_knows_that_others_are_missing() {
    let root = tempfile::tempdir().unwrap();
    let (old, mut blocks) = rolled_back(root.path(), 5);
    // The guard has the last one.
    blocks.pop();
    for block in blocks {
        // Opened anew after each: what the guard knows mustn't be lost on the way.
        let (store, mut committer) = open(&old);
        let standing = committer.standing().clone();
        assert!(matches!(standing, Standing::RolledBack { guard: 6, .. }), "{standing:?}");
        let verified = verify(store.chain(), &store.head().tip, &store, block).unwrap();
        committer.append(&verified).unwrap();
        assert!(!committer.standing().may_seal());
        check(&store);
    }
    let (store, committer) = open(&old);
    assert_eq!(store.head().height(), 6);
    assert!(committer.standing().may_seal());
    check(&store);
}

/// What a power cut may leave when the commit point is on the disk and something before it isn't.
#[test]
fn a_last_block_of_which_a_part_is_missing_is_committed_again_from_the_guard() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    let head = {
        let (store, mut committer) = open(&whole);
        fill(&mut committer, 0, 0);
        committer.commit(&seal(&store, [sale(1, 1000), sale(2, 1000)])).unwrap().header.clone()
    };
    let last = |tree: &sled::Tree, prefix: &[u8]| {
        let written = tree.scan_prefix(prefix).map(Result::unwrap);
        written.filter(|(_, value)| !value.is_empty()).last().unwrap().0
    };
    for (tree, prefix) in [("bodies", &b""[..]), ("blocks", b"h\0"), ("blocks", b"x")] {
        let directory = root.path().join(format!("without-{tree}-{}", prefix.len()));
        copy(&whole, &directory);
        home::settle(&directory);
        {
            let database = sled::open(directory.join("store")).unwrap();
            let tree = database.open_tree(tree).unwrap();
            tree.remove(last(&tree, prefix)).unwrap();
        }
        let (store, mut committer) = open(&directory);
        assert_eq!(store.head().header, head, "{tree} {prefix:?}");
        assert!(committer.standing().may_seal());
        check(&store);
        committer.commit(&seal(&store, [sale(3, 1000)])).unwrap();
        check(&store);
    }
}

#[test]
fn a_guard_of_another_history_is_refused() {
    let root = tempfile::tempdir().unwrap();
    for (name, number) in [("one", 1), ("two", 2)] {
        let (store, mut committer) = open(&root.path().join(name));
        fill(&mut committer, 0, 0);
        committer.commit(&seal(&store, [sale(number, 1000)])).unwrap();
    }
    let guard = root.path().join("one/guard");
    std::fs::remove_dir_all(&guard).unwrap();
    copy(&root.path().join("two/guard"), &guard);
    let opened = Store::open(&root.path().join("one"), chain("store"));
    assert!(matches!(opened, Err(StoreError::Diverged { height: 2, .. })));
}
