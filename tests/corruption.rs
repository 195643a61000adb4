//! Damage of every kind, in every file: what is served afterwards is what was written, or an
//! error names the place.
//!
//! The seed of what is random is printed; `CORRUPTION_SEED` sets it, and `CORRUPTION_CASE` runs one
//! case of it alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use counterfoil::protocol::block::{Block, EncodedEntry};
use counterfoil::protocol::entry::{Body, Decision, Payout, PayoutLine, Verdict};
use counterfoil::protocol::hash::{StateKey, TreeHash};
use counterfoil::protocol::rules::StoredRecord;
use counterfoil::protocol::verify::{Chain, Draft, Tip};
use counterfoil::store::{
    Committer, Direction, Filter, MemoryBounds, Standing, Store, StoreError, TILE_WIDTH, View,
};
use support::chain::{
    chain, commission, currency, decision, entry, id, key, reversal, sale, terms, time, units,
};
use support::home;

/// How many cases there are, and how many in the long suite.
const CASES: u64 = 800;
const LONG_CASES: u64 = 20_000;
/// How long a case may take before it counts as one that never ends.
const PATIENCE: Duration = Duration::from_mins(2);
/// How many receipts are checked in each case.
const RECEIPTS_CHECKED: u64 = 8;
/// Of how many leaves and records one is asked for by itself; all are asked for together.
const ASKED_EACH: u64 = 4;

/// The files of a data directory, by their place in it.
type Files = BTreeMap<String, Vec<u8>>;

/// The ledger as it was written, and all that can be asked of it.
struct Original {
    chain: Arc<Chain>,
    files: Files,
    /// The same directory some blocks earlier.
    old: Files,
    leaves: Vec<Vec<u8>>,
    /// The entries among the leaves.
    entries: Vec<Option<EncodedEntry>>,
    blocks: Vec<Block>,
    /// What is known at each height, from genesis on.
    tips: Vec<Tip>,
    /// What the rules remembered after each block, from genesis on.
    records: Vec<BTreeMap<StateKey, StoredRecord>>,
    tiles: BTreeMap<(u8, u64), Vec<TreeHash>>,
}

/// So small that there are runs, merged ones too, after a few blocks.
const BOUNDS: MemoryBounds = MemoryBounds { records: 600, blocks: 2 };

fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let chain = chain("corruption");
        let (store, mut committer) =
            Store::open_bounded(directory.path(), chain.clone(), BOUNDS).unwrap();
        let mut original = Original {
            tips: vec![chain.genesis_tip()],
            records: vec![BTreeMap::new()],
            chain,
            files: Files::new(),
            old: Files::new(),
            leaves: Vec::new(),
            entries: Vec::new(),
            blocks: Vec::new(),
            tiles: BTreeMap::new(),
        };
        let blocks = blocks();
        let last = blocks.len();
        for (number, entries) in blocks.into_iter().enumerate() {
            if number + 4 == last {
                original.old = read(directory.path());
            }
            original.seal(&mut committer, entries);
        }
        original.keep(&store.view());
        assert!(store.fsck(|_| {}).unwrap().is_clean());
        drop((store, committer));
        original.files = read(directory.path());
        original
    })
}

/// A few blocks with a kind of every entry, long leaves and short ones, and a full tile.
fn blocks() -> Vec<Vec<EncodedEntry>> {
    let long = |number: u64| id(&format!("{number:0>120}"));
    let rename = |number: u64| {
        let mut entry = commission(number, 100).entry().clone();
        entry.external_id = long(number);
        if let Body::Commission(commission) = &mut entry.body {
            commission.affiliate = id("affiliate");
        }
        EncodedEntry::new(entry).unwrap()
    };
    let payout = |name: &str, numbers: std::ops::Range<u64>| {
        let total = units(100 * (numbers.end - numbers.start));
        let lines =
            numbers.map(|number| PayoutLine { commission: long(number), amount: units(100) });
        entry(
            name,
            Body::Payout(Payout {
                affiliate: id("affiliate"),
                currency: currency("EUR"),
                period_from: time("2026-01-01T00:00:00Z"),
                period_until: time("2026-04-01T00:00:00Z"),
                continues: None,
                lines: lines.collect(),
                total: Some(total),
            }),
        )
    };
    let lock = |number: u64| {
        let lock = Decision { commission: long(number), verdict: Verdict::Lock };
        entry(&format!("lock-{number}"), Body::Decision(lock))
    };
    let mut blocks = vec![
        vec![terms()],
        (0..90).map(|number| sale(number, 1000)).collect(),
        (0..64).map(rename).collect(),
        (0..64).map(lock).collect(),
        // Longer than a value of the database may be, between short ones.
        vec![sale(200, 1), payout("payout-1", 0..52), sale(201, 1), payout("payout-2", 52..64)],
        (64..70).map(|number| commission(number, 100)).collect(),
        vec![reversal("reversal-1", 64, 30), decision("approval", 65, Verdict::Approve)],
    ];
    for number in 300..312 {
        blocks.push(vec![sale(number, 1000), commission(number, 90)]);
    }
    blocks
}

impl Original {
    fn seal(&mut self, committer: &mut Committer, entries: Vec<EncodedEntry>) {
        let store = committer.store().clone();
        let head = store.head();
        let mut draft = Draft::new(&self.chain, &head.tip, &store, time("2026-04-01T00:00:00Z"));
        for entry in entries {
            draft.admit(entry).expect("the rules admit it");
        }
        let block = draft.seal(&key());
        committer.commit(&block).unwrap();
        let mut records = self.records.last().unwrap().clone();
        records.extend(block.changes().iter().cloned());
        self.records.push(records);
        self.tips.push(block.tip().clone());
        self.blocks.push(store.view().block(head.height() + 1).unwrap().unwrap());
    }

    fn keep(&mut self, view: &View) {
        let size = view.head().size();
        self.leaves = view.leaves(0, size).unwrap();
        let entries = self.leaves.iter().map(|leaf| EncodedEntry::decode(leaf.clone()).ok());
        self.entries = entries.collect();
        assert!(self.leaves.iter().any(|leaf| leaf.len() > 6 * 1024), "some are cut in fragments");
        for level in 0..2 {
            let hashes = size >> (8 * u32::from(level));
            for number in 0..hashes / TILE_WIDTH {
                let tile = view.tile(level, number, TILE_WIDTH).unwrap().unwrap();
                self.tiles.insert((level, number), tile);
            }
        }
        assert!(!self.tiles.is_empty(), "there is a full tile");
    }

    /// The height of the last block.
    fn height(&self) -> u64 {
        self.blocks.len() as u64
    }
}

/// All files of a directory.
fn read(directory: &Path) -> Files {
    fn add(root: &Path, directory: &Path, files: &mut Files) {
        for item in fs::read_dir(directory).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                add(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut files = Files::new();
    add(directory, directory, &mut files);
    files
}

/// Puts files into an empty directory.
fn write(directory: &Path, files: &Files) {
    for (name, content) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// What is done to a data directory.
#[derive(Clone, Copy, Debug)]
enum Damage {
    FlippedBit,
    FlippedBits,
    ZeroedSector,
    ZeroedPage,
    Garbage,
    Truncated,
    Missing,
    SwappedSectors,
    SwappedPages,
    SwappedHalves,
    ExchangedSlots,
    OldFile,
    OldGuard,
    OldStore,
    AlteredValue,
    CutValue,
    RemovedKey,
    SwappedValues,
    InsertedKey,
}

const DAMAGES: [Damage; 19] = [
    Damage::FlippedBit,
    Damage::FlippedBits,
    Damage::ZeroedSector,
    Damage::ZeroedPage,
    Damage::Garbage,
    Damage::Truncated,
    Damage::Missing,
    Damage::SwappedSectors,
    Damage::SwappedPages,
    Damage::SwappedHalves,
    Damage::ExchangedSlots,
    Damage::OldFile,
    Damage::OldGuard,
    Damage::OldStore,
    Damage::AlteredValue,
    Damage::CutValue,
    Damage::RemovedKey,
    Damage::SwappedValues,
    Damage::InsertedKey,
];

impl Damage {
    /// Damages the directory; what was done, in words.
    fn apply(self, directory: &Path, original: &Original, random: &mut Random) -> String {
        match self {
            Self::AlteredValue
            | Self::CutValue
            | Self::RemovedKey
            | Self::SwappedValues
            | Self::InsertedKey => return self.apply_within(directory, random),
            _ => {}
        }
        let mut files = read(directory);
        let names: Vec<String> = files
            .iter()
            .filter(|(_, content)| !content.is_empty())
            .map(|(n, _)| n.clone())
            .collect();
        // Most of what can go wrong is in the database's one large file.
        let large = random.below(3) == 0;
        let name = if large { "store/db".to_owned() } else { random.pick(&names).clone() };
        let content = files.get_mut(&name).unwrap();
        let length = content.len() as u64;
        let mut said = format!("{name} ({length} bytes): ");
        match self {
            Self::FlippedBit | Self::FlippedBits => {
                let flips = if matches!(self, Self::FlippedBit) { 1 } else { 8 };
                for _ in 0..flips {
                    let (at, bit) = (random.used(content), random.below(8));
                    content[at] ^= 1 << bit;
                    let _ = write!(said, "bit {bit} of byte {at}; ");
                }
            }
            Self::ZeroedSector | Self::ZeroedPage | Self::Garbage => {
                let sector = if matches!(self, Self::ZeroedPage) { 4096 } else { 512 };
                let from = random.used(content) / sector * sector;
                let until = (from + sector).min(content.len());
                for byte in &mut content[from..until] {
                    let garbage = matches!(self, Self::Garbage);
                    *byte = if garbage { random.byte() } else { 0 };
                }
                let _ = write!(said, "bytes {from} to {until}");
            }
            Self::Truncated => {
                let at = random.used(content);
                content.truncate(at);
                let _ = write!(said, "cut at {at}");
            }
            Self::Missing => {
                files.remove(&name);
                fs::remove_file(directory.join(&name)).unwrap();
            }
            Self::SwappedSectors | Self::SwappedPages | Self::SwappedHalves => {
                let size = match self {
                    Self::SwappedSectors => 512,
                    Self::SwappedPages => 4096,
                    _ => content.len() / 2,
                };
                let (one, two) = (
                    random.used(content) / size.max(1) * size,
                    random.used(content) / size.max(1) * size,
                );
                for offset in 0..size {
                    if one.max(two) + offset < content.len() {
                        content.swap(one + offset, two + offset);
                    }
                }
                let _ = write!(said, "{size} bytes at {one} and {two}");
            }
            Self::ExchangedSlots => {
                let (even, odd) = (files["guard/even"].clone(), files["guard/odd"].clone());
                files.insert("guard/even".to_owned(), odd);
                files.insert("guard/odd".to_owned(), even);
            }
            Self::OldFile => match original.old.get(&name) {
                Some(old) if name != "guard/home" => *content = old.clone(),
                _ => {}
            },
            Self::OldGuard | Self::OldStore => {
                let folder = if matches!(self, Self::OldGuard) { "guard/" } else { "store/" };
                for name in names.iter().filter(|name| name.starts_with(folder)) {
                    if !original.old.contains_key(name) {
                        files.remove(name);
                        fs::remove_file(directory.join(name)).unwrap();
                    }
                }
                for (name, old) in &original.old {
                    if name.starts_with(folder) && name != "guard/home" {
                        files.insert(name.clone(), old.clone());
                    }
                }
            }
            _ => unreachable!("handled above"),
        }
        write(directory, &files);
        said
    }

    /// Damages what is stored by the database's own means, so that all its sums are right.
    fn apply_within(self, directory: &Path, random: &mut Random) -> String {
        let config = sled::Config::new().path(directory.join("store")).flush_every_ms(None);
        let database = config.open().unwrap();
        let tree_name = *random.pick(&["blocks", "tiles", "runs", "blocks", "runs"]);
        let tree = database.open_tree(tree_name).unwrap();
        let all: Vec<_> = tree.iter().map(Result::unwrap).collect();
        // Some families have few keys: as likely as the others.
        let mut families: Vec<(usize, u8, bool)> = Vec::new();
        for (key, _) in &all {
            let family = (
                key.len(),
                if tree_name == "blocks" { key[0] } else { 0 },
                key.len() == 13 && key[8] == 0,
            );
            if !families.contains(&family) {
                families.push(family);
            }
        }
        let family = *random.pick(&families);
        let all: Vec<_> = all
            .iter()
            .filter(|(key, _)| {
                (
                    key.len(),
                    if tree_name == "blocks" { key[0] } else { 0 },
                    key.len() == 13 && key[8] == 0,
                ) == family
            })
            .collect();
        let (key, value) = random.pick(&all);
        let mut said = format!("{tree_name}/{}", hex::encode(key));
        let mut value = value.to_vec();
        match self {
            Self::AlteredValue => {
                let at = usize::try_from(random.below(value.len().max(1) as u64)).unwrap();
                if let Some(byte) = value.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
                let _ = write!(said, ": byte {at} altered");
                tree.insert(key, value).unwrap();
            }
            Self::CutValue => {
                let at = usize::try_from(random.below(value.len().max(1) as u64)).unwrap();
                value.truncate(at);
                let _ = write!(said, ": cut at {at}");
                tree.insert(key, value).unwrap();
            }
            Self::RemovedKey => {
                said += ": removed";
                tree.remove(key).unwrap();
            }
            Self::SwappedValues => {
                let (other, other_value) = random.pick(&all);
                let _ = write!(said, ": swapped with {}", hex::encode(other));
                tree.insert(other, value).unwrap();
                tree.insert(key, other_value).unwrap();
            }
            Self::InsertedKey => {
                let mut other = key.to_vec();
                let at = usize::try_from(random.below(other.len() as u64)).unwrap();
                other[at] = other[at].wrapping_add(1);
                let _ = write!(said, ": again as {}", hex::encode(&other));
                tree.insert(other, value).unwrap();
            }
            _ => unreachable!("the others are done to files"),
        }
        database.flush().unwrap();
        said
    }
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It doesn't open, and says why.
    Refused,
    /// It opens, isn't the whole ledger, and doesn't seal.
    RolledBack,
    /// It opens, and `fsck` names what is wrong.
    Found,
    /// Nothing that counts was damaged, or it was mended.
    Whole,
}

/// A case: a fresh copy, its damage, and all that is asked of it. A lie is an `Err`.
fn run_case(original: &Original, seed: u64, number: u64) -> (String, Result<Fate, String>) {
    let mut random = Random::new(seed, number);
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &original.files);
    home::settle(directory.path());
    let damage = DAMAGES[usize::try_from(number).unwrap() % DAMAGES.len()];
    let damaged =
        catch_unwind(AssertUnwindSafe(|| damage.apply(directory.path(), original, &mut random)));
    let Ok(done) = damaged else {
        return (format!("{damage:?}"), Err("the test itself fails".to_owned()));
    };
    let what = format!("{damage:?}: {done}");
    let checked = catch_unwind(AssertUnwindSafe(|| check(original, directory.path(), &mut random)));
    let checked = checked.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("it panics: {}", message.unwrap_or_default()))
    });
    (what, checked)
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

fn check(original: &Original, directory: &Path, random: &mut Random) -> Result<Fate, String> {
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
            served(original, &store.view(), random, false)?;
            return Ok(Fate::Found);
        }
    };
    served(original, &store.view(), random, report.is_clean())?;
    Ok(match (report.is_clean(), height < original.height()) {
        (false, _) => Fate::Found,
        (true, true) => Fate::RolledBack,
        (true, false) => Fate::Whole,
    })
}

/// Whatever can be asked is answered as the original does, or not at all. Where `fsck` found
/// nothing it is answered.
fn served(
    original: &Original,
    view: &View,
    random: &mut Random,
    is_clean: bool,
) -> Result<(), String> {
    let same = |what: &str, is_same: Result<bool, StoreError>| match is_same {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("a lie is served: {what}")),
        Err(error) if is_clean => Err(format!("fsck is clean, but {what}: {error}")),
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
            let found = view.index_of(&entry.id()).map(|found| found == Some(index));
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
        if (number + 1) * TILE_WIDTH << (8 * u32::from(*level)) <= size {
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

#[test]
fn damage_is_named_or_mended_and_never_served() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seed =
        variable("CORRUPTION_SEED").unwrap_or_else(|| counterfoil::ledger::now().as_millis());
    println!("CORRUPTION_SEED={seed}");
    let long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let cases = match variable("CORRUPTION_CASE") {
        Some(case) => case..case + 1,
        None => 0..if long { LONG_CASES } else { CASES },
    };
    let original = original();
    // sled says on standard error what it thinks of damaged files.
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicU64::new(cases.start);
    let fates = Mutex::new(BTreeMap::<(String, Fate), u64>::new());
    let lies = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let at_hand: Vec<Mutex<Option<(u64, Instant)>>> =
        (0..workers).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for at_hand in &at_hand {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cases.end {
                        *at_hand.lock().unwrap() = None;
                        return;
                    }
                    *at_hand.lock().unwrap() = Some((number, Instant::now()));
                    let (what, checked) = run_case(original, seed, number);
                    match checked {
                        Ok(fate) => {
                            let damage = what.split(':').next().unwrap().to_owned();
                            *fates.lock().unwrap().entry((damage, fate)).or_default() += 1;
                        }
                        Err(lie) => {
                            lies.lock().unwrap().push(format!("case {number}: {what}: {lie}"))
                        }
                    }
                }
            });
        }
        scope.spawn(|| watch(&at_hand, &next, cases.end));
    });
    drop(std::panic::take_hook());
    for ((damage, fate), count) in fates.lock().unwrap().iter() {
        println!("{damage:16} {fate:?}: {count}");
    }
    let lies = lies.lock().unwrap();
    assert!(lies.is_empty(), "CORRUPTION_SEED={seed}, {} lies:\n{}", lies.len(), lies.join("\n"));
}

/// Ends everything when a case doesn't end by itself.
fn watch(at_hand: &[Mutex<Option<(u64, Instant)>>], next: &AtomicU64, end: u64) {
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let running: Vec<_> = at_hand.iter().filter_map(|worker| *worker.lock().unwrap()).collect();
        if let Some((number, _)) = running.iter().find(|(_, since)| since.elapsed() > PATIENCE) {
            eprintln!("case {number} never ends");
            std::process::abort();
        }
        if running.is_empty() && next.load(Ordering::Relaxed) >= end {
            return;
        }
    }
}

/// Random numbers that a seed repeats (Marsaglia's xorshift64).
struct Random(u64);

impl Random {
    fn new(seed: u64, case: u64) -> Self {
        let mixed = (seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
        let mut random = Self(mixed);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// A place in a file, mostly where something other than zeros stands.
    fn used(&mut self, content: &[u8]) -> usize {
        let mut place = 0;
        for _ in 0..20 {
            place = usize::try_from(self.below(content.len() as u64)).unwrap();
            if content[place] != 0 {
                break;
            }
        }
        place
    }
}
