//! What a damaged store may say: what was written, or an error that names the place.

use std::path::Path;

use counterfoil::protocol::entry::Body;
use counterfoil::store::{
    Direction, Filter, Finding, FsckReport, Standing, Store, StoreError, TILE_WIDTH, View,
};

use super::damage::Damage;
use super::original::Original;
use crate::support::chain::id;
use crate::support::random::Random;

/// How many receipts are checked in each case.
const RECEIPTS_CHECKED: u64 = 8;
/// Of how many leaves and records one is asked for by itself; all are asked for together.
const ASKED_EACH: u64 = 4;

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It doesn't open, and says why.
    Refused,
    /// It opens, isn't the whole ledger, and doesn't seal.
    RolledBack,
    /// It opens, and `fsck` names what is wrong.
    Found,
    /// Nothing that counts was damaged, or it was mended.
    Whole,
}

/// An error must say where.
fn named(error: &StoreError) -> Result<(), String> {
    let said = error.to_string();
    match error {
        StoreError::Damaged { place, problem } if place.is_empty() || problem.is_empty() => {
            Err(format!("it doesn't say where: {said}"))
        }
        _ => Ok(()),
    }
}

fn finding(place: &str, problem: &StoreError) -> Finding {
    Finding { place: place.to_owned(), problem: problem.to_string() }
}

/// Opens a damaged directory and asks for everything. A lie is an `Err`.
pub fn check(
    original: &Original,
    directory: &Path,
    damage: Damage,
    random: &mut Random,
) -> Result<Fate, String> {
    let (store, committer) = match Store::open(directory, original.chain.clone()) {
        Ok(opened) => opened,
        Err(error) => return named(&error).map(|()| Fate::Refused),
    };
    let (head, standing) = (store.head(), committer.standing().clone());
    let height = head.height();
    let tip = original.tips.get(usize::try_from(height).unwrap());
    if tip != Some(&head.tip) {
        return Err(format!("the head at height {height} is another"));
    }
    if height < original.height() && standing == Standing::Sound {
        return Err(format!("blocks after height {height} are lost, and it would seal"));
    }
    let report = match store.fsck(|_| {}) {
        Ok(report) => report,
        Err(error) => {
            named(&error)?;
            FsckReport { findings: vec![finding("the store", &error)], ..FsckReport::default() }
        }
    };
    let trust = match (report.is_clean(), damage) {
        (true, _) => Trust::Everything,
        (false, damage) if damage.is_forgery() => Trust::Proofs,
        (false, _) => Trust::WhatIsAnswered,
    };
    served(original, &store.view(), random, trust)?;
    Ok(match (report.is_clean(), height < original.height()) {
        (false, _) => Fate::Found,
        (true, true) => Fate::RolledBack,
        (true, false) => Fate::Whole,
    })
}

/// What may be expected of a store that opens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// `fsck` found nothing: everything is answered, and right.
    Everything,
    /// What is answered is right.
    WhatIsAnswered,
    /// Somebody forged it, and `fsck` says so: only what is proven can be right.
    Proofs,
}

/// Whatever can be asked is answered as the original does, as far as that may be expected.
fn served(
    original: &Original,
    view: &View,
    random: &mut Random,
    trust: Trust,
) -> Result<(), String> {
    let same = |what: &str, is_same: Result<bool, StoreError>| match is_same {
        Ok(true) => Ok(()),
        Ok(false) if trust == Trust::Proofs => Ok(()),
        Ok(false) => Err(format!("a lie is served: {what}")),
        Err(error) if trust == Trust::Everything => {
            Err(format!("fsck is clean, but {what}: {error}"))
        }
        Err(error) => named(&error),
    };
    let size = view.head().size();
    let height = view.head().height();
    let leaves = &original.leaves[..usize::try_from(size).unwrap()];
    let turn = random.below(ASKED_EACH);
    let asked = |number: u64| number % ASKED_EACH == turn;
    for ((index, leaf), entry) in (0..).zip(leaves).zip(&original.entries) {
        if !asked(index) {
            continue;
        }
        let found = view.leaf(index).map(|found| found.as_ref() == Some(leaf));
        same(&format!("leaf {index}"), found)?;
        let found = view.entry(index).map(|found| found == *entry);
        same(&format!("entry {index}"), found)?;
        if let Some(entry) = entry {
            let found =
                view.entry_with_id(&entry.id()).map(|hit| hit.map(|hit| hit.index) == Some(index));
            same(&format!("index of entry {index}"), found)?;
        }
    }
    same("all leaves", view.leaves(0, size).map(|found| found == leaves))?;
    for block in original.blocks.iter().take(usize::try_from(height).unwrap()) {
        let at = block.header.height;
        let found = view.block(at).map(|found| found.as_ref() == Some(block));
        same(&format!("block {at}"), found)?;
        let tip = &original.tips[usize::try_from(at).unwrap()];
        let found = view.checkpoint(at).map(|found| {
            found.is_some_and(|(checkpoint, signature)| {
                checkpoint == tip.checkpoint(&original.chain) && signature == Some(block.signature)
            })
        });
        same(&format!("checkpoint {at}"), found)?;
        let found = view.height_of_hash(&tip.header_hash).map(|found| found == Some(at));
        same(&format!("height of header {at}"), found)?;
        let last = block.header.index();
        for index in [block.header.first_index, last] {
            let found = view.height_of(index).map(|found| found == Some(at));
            same(&format!("height of index {index}"), found)?;
        }
    }
    for ((level, number), tile) in &original.tiles {
        let end = ((number + 1) * TILE_WIDTH) << (8 * u32::from(*level));
        if end <= size {
            let found = view.tile(*level, *number, TILE_WIDTH);
            let found = found.map(|found| found.as_ref() == Some(tile));
            same(&format!("tile {level}/{number}"), found)?;
        }
    }
    let records = &original.records[usize::try_from(height).unwrap()];
    for (key, record) in records.iter().filter(|(_, record)| asked(record.index)) {
        let found = view.record(key).map(|found| found.as_ref() == Some(record));
        same(&format!("record of the entry at {}", record.index), found)?;
    }
    searches(original, view, same)?;
    receipts(original, view, random, same)
}

/// What is found by affiliate, merchant and name.
fn searches(
    original: &Original,
    view: &View,
    same: impl Fn(&str, Result<bool, StoreError>) -> Result<(), String>,
) -> Result<(), String> {
    let size = usize::try_from(view.head().size()).unwrap();
    let all = |filter: &Filter| {
        let (mut found, mut after) = (0, None);
        loop {
            let page = view.search(filter, Direction::NewestFirst, after, 100)?;
            found += page.hits.len();
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok::<_, StoreError>(found),
            }
        }
    };
    let affiliate = Filter { affiliate: Some(id("affiliate-2")), ..Filter::default() };
    let expected = original.entries[..size].iter().flatten().filter(|entry| {
        let body = &entry.entry().body;
        matches!(body, Body::Commission(commission) if commission.affiliate == id("affiliate-2"))
    });
    let expected = expected.count();
    same("search by affiliate", all(&affiliate).map(|found| found == expected))
}

fn receipts(
    original: &Original,
    view: &View,
    random: &mut Random,
    same: impl Fn(&str, Result<bool, StoreError>) -> Result<(), String>,
) -> Result<(), String> {
    for _ in 0..RECEIPTS_CHECKED {
        let index = random.below(view.head().size());
        let entry = &original.entries[usize::try_from(index).unwrap()];
        let found = view.receipt(index).map(|receipt| match (receipt, entry) {
            (None, None) => true,
            (Some(receipt), Some(entry)) => {
                let proven = receipt.verify(&original.chain);
                proven.is_ok_and(|proven| (proven.index, &proven.entry) == (index, entry))
            }
            _ => false,
        });
        same(&format!("receipt of {index}"), found)?;
    }
    Ok(())
}
