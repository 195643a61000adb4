//! What is derived, against plain maps, with crashes at random points.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::protocol::accounts::Slot;
use crate::protocol::id::Id;
use crate::protocol::rules::Privacy;
use crate::store::accounts::{Line, line_key, split_line_key};
use crate::store::commit::start_threads;

const BOUNDS: MemoryBounds = MemoryBounds { records: 40, blocks: 7 };

/// A block: which of a hundred records it writes, and the facets of its leaves.
#[derive(Clone, Debug)]
struct Step {
    records: Vec<u8>,
    facets: Vec<u8>,
    /// Everything in memory is lost after it.
    crash: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let records = prop::collection::vec(0..100u8, 1..12);
    let facets = prop::collection::vec(0..20u8, 1..12);
    (records, facets, prop::bool::weighted(0.05)).prop_map(|(records, facets, crash)| Step {
        records,
        facets,
        crash,
    })
}

fn key(number: u8) -> StateKey {
    StateKey::of(&[number])
}

fn digest(number: u8) -> u64 {
    u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn account(number: u8) -> AccountKey {
    AccountKey([number.wrapping_mul(101); 16])
}

fn record(height: u64) -> StoredRecord {
    StoredRecord { index: height * 100, height, privacy: Privacy::Nothing, record: Record::Stated }
}

fn apply(derived: &Derived, height: u64, step: &Step) {
    static THREADS: LazyLock<Arc<ThreadPool>> = LazyLock::new(|| start_threads().unwrap());
    let record = record(height);
    let records = step.records.iter().map(|number| (key(*number), record.clone())).collect();
    let facets = (height * 100..).zip(&step.facets);
    let postings = facets.clone().map(|(index, number)| (digest(*number), index));
    let mut following = Following::of(postings);
    for (index, number) in facets {
        following.names.push(directory::named(&Id::new(&format!("n{number:03}")).unwrap(), index));
        let moved = [(Slot::ENTRIES, 1), (Slot::KEPT, index.into())].into_iter().collect();
        following.counted.lines.push((line_key(account(*number), index), Line::new(0, &moved)));
    }
    if derived.take_in(Some(&THREADS), height, &records, following).unwrap() {
        derived.freeze().unwrap();
    }
}

fn open(database: &sled::Db, directory: &Path) -> Derived {
    let table = |name| Table::open(database, name).unwrap();
    Derived::open(table("derived"), &directory.join("runs"), BOUNDS, || Ok(())).unwrap()
}

/// Looks whether what an account comes to up to an index is what its lines up to there say.
fn check_sums<const N: usize>(
    derived: &Derived,
    number: u8,
    indexes: &BTreeSet<u64>,
    until: [u64; N],
) {
    for until in until {
        let moved = derived.sums(account(number), until).unwrap();
        let expected: Vec<u64> = indexes.range(..=until).copied().collect();
        let expected = (expected.len() as i128, i128::from(expected.iter().sum::<u64>()));
        assert_eq!((moved.get(Slot::ENTRIES), moved.get(Slot::KEPT)), expected, "up to {until}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn agrees_with_a_plain_map(steps in prop::collection::vec(step(), 1..400)) {
        let directory = tempfile::tempdir().unwrap();
        let database = sled::open(directory.path()).unwrap();
        let mut derived = open(&database, directory.path());
        let mut records = BTreeMap::new();
        let mut postings: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
        for (height, step) in (1u64..).zip(&steps) {
            apply(&derived, height, step);
            records.extend(step.records.iter().map(|number| (*number, record(height))));
            for (index, number) in (height * 100..).zip(&step.facets) {
                postings.entry(*number).or_default().insert(index);
            }
            if step.crash {
                drop(derived);
                derived = open(&database, directory.path());
                for lost in derived.durable_height() + 1..=height {
                    apply(&derived, lost, &steps[usize::try_from(lost).unwrap() - 1]);
                }
            }
            // A look at something while flushes and merges go on.
            let number = u8::try_from(height % 100).unwrap();
            let found = derived.record_to_decide(&key(number)).unwrap();
            prop_assert_eq!(found, records.get(&number).cloned());
            let (number, all) = (number % 20, postings.entry(number % 20).or_default());
            check_sums(&derived, number, all, [height * 50, height * 100 + 99]);
        }
        for number in 0..100 {
            let expected = records.get(&number).cloned();
            prop_assert_eq!(derived.record(&key(number)).unwrap(), expected.clone());
            prop_assert_eq!(derived.record_to_decide(&key(number)).unwrap(), expected);
        }
        let last = steps.len() as u64 * 100 + 99;
        for number in 0..20 {
            let expected: Vec<u64> =
                postings.get(&number).into_iter().flatten().copied().collect();
            for (first, last) in [(0, last), (250, 950), (250, 250)] {
                let within = expected.iter().copied().filter(|i| (first..=last).contains(i));
                let mut within: Vec<u64> = within.collect();
                for order in [Order::Ascending, Order::Descending] {
                    let found = derived.postings(digest(number), (first, last), order);
                    prop_assert_eq!(found.collect::<Result<Vec<_>, _>>().unwrap(), within.clone());
                    within.reverse();
                }
            }
        }
        for (number, indexes) in &postings {
            check_sums(&derived, *number, indexes, [0, 99, 250, 950, last / 2, last]);
            for (first, most) in [(0, 3), (250, 40), (last / 2, 1_000)] {
                let keys = [first, last].map(|index| line_key(account(*number), index));
                let found = derived.lines().in_turn(keys[0], keys[1], most);
                let found: Vec<u64> = found.map(|line| split_line_key(&line.unwrap().0).1).collect();
                let expected: Vec<u64> = indexes.range(first..).copied().take(most).collect();
                prop_assert_eq!(found, expected);
            }
        }
        let names = derived.names(NameFamily::Affiliate, "n", 1_000).unwrap();
        let names: Vec<(String, u64)> =
            names.into_iter().map(|listed| (listed.name.to_string(), listed.index)).collect();
        let first = postings.iter().filter_map(|(number, all)| Some((number, all.first()?)));
        let first: Vec<_> = first.map(|(number, index)| (format!("n{number:03}"), *index)).collect();
        prop_assert_eq!(names, first);
        let (mut all, mut count) = (0, 0);
        derived.all_records(|_, _| all += 1).unwrap();
        derived.all_postings(|_, _| count += 1).unwrap();
        prop_assert_eq!(all, records.len());
        prop_assert_eq!(count, postings.values().map(BTreeSet::len).sum::<usize>());
    }
}

#[test]
fn merges_keep_runs_few_and_remove_what_they_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let database = sled::open(directory.path()).unwrap();
    let derived = open(&database, directory.path());
    let step = |height: u64| Step {
        records: vec![u8::try_from(height % 100).unwrap(); 1],
        facets: vec![u8::try_from(height % 20).unwrap(); 1],
        crash: false,
    };
    for height in 1..=7 * 8 * 8 * 8 {
        apply(&derived, height, &step(height));
    }
    let settled = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // Of maps with nothing in them, too, runs are written and merged.
    let busy = |maps: &Maps| {
        maps.state.is_frozen()
            || maps.state.due().is_some()
            || maps.postings.due().is_some()
            || maps.lines.due().is_some()
            || maps.dealings.due().is_some()
            || maps.names.due().is_some()
    };
    while busy(&derived.shared.maps.load()) {
        assert!(std::time::Instant::now() < settled, "merges must come to an end");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let runs = |maps: &Maps| maps.state.metas().len() + maps.postings.metas().len();
    assert!(runs(&derived.shared.maps.load()) <= 2 * 4 * 7, "seven of a level at most");
    drop(derived);
    let reopened = open(&database, directory.path());
    // What was merged away is gone.
    let manifest = Manifest::of(&reopened.shared.maps.load(), 0, 0);
    let runs = std::fs::read_dir(directory.path().join("runs")).unwrap();
    assert_eq!(runs.count(), manifest.numbers().count());
}
