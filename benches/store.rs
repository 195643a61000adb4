//! What the store costs: a durable block of 1,000 entries, and each way to read one.
//!
//! `cargo bench --bench store`; on a ledger of 200,000 entries, whole lifecycles with decisions
//! on random old commissions, most of whose records and postings are in sorted runs. It lies
//! below `target`, on a disk; `counterfoil bench` measures whole runs, and larger ones.

#[path = "../tests/support/chain.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod chain;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Body;
use counterfoil::protocol::hash::{EntryId, StateKey};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::verify::{Chain, Draft, VerifiedBlock};
use counterfoil::sample::{Marketplace, Profile};
use counterfoil::store::{Committer, Direction, Filter, Store};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BLOCK_ENTRIES: u16 = 1_000;
/// How many blocks there are before anything is measured.
const BLOCKS: u64 = 200;
/// More entries than are ever needed.
const ENTRIES: u64 = 20_000_000;
/// The entries of a page.
const PAGE_ENTRIES: usize = 50;

/// A ledger, and the marketplace that goes on with it.
struct Ledger {
    directory: PathBuf,
    chain: Arc<Chain>,
    key: SealingKey,
    store: Store,
    committer: Committer,
    market: Marketplace,
    now: Timestamp,
}

/// What is looked for: of early entries, whose records are in runs, or of the latest, whose
/// records are in memory.
#[derive(Default)]
struct Sought {
    keys: Vec<StateKey>,
    ids: Vec<EntryId>,
    indexes: Vec<u64>,
    affiliates: Vec<Id>,
}

impl Ledger {
    fn new() -> Self {
        let name = format!("store-bench-{}", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let key = chain::key();
        let chain = chain::chain("bench");
        let (store, committer) = Store::open(&directory, chain.clone()).expect("a new store");
        let now = "2026-11-22T00:00:00Z".parse().expect("a good time");
        let profile = Profile::benchmark(7, ENTRIES, now);
        let market = Marketplace::new(profile, &chain.spec().currencies).expect("a good profile");
        let mut ledger = Self { directory, chain, key, store, committer, market, now };
        for _ in 0..BLOCKS {
            let entries = ledger.next_entries();
            let block = ledger.seal(entries);
            ledger.commit(&block);
        }
        ledger
    }

    fn next_entries(&mut self) -> Vec<EncodedEntry> {
        let entries = self.market.by_ref().take(BLOCK_ENTRIES.into());
        entries.map(|entry| EncodedEntry::new(entry).expect("a short entry")).collect()
    }

    fn seal(&self, entries: Vec<EncodedEntry>) -> VerifiedBlock {
        let head = self.store.head();
        let mut draft = Draft::new(&self.chain, &head.tip, &self.store, self.now);
        for entry in entries {
            draft.admit(entry).expect("the rules admit it");
        }
        draft.seal(&self.key)
    }

    fn commit(&mut self, block: &VerifiedBlock) {
        self.committer.commit(block).expect("the disk takes it");
    }

    /// What the entries of some blocks are looked for by.
    fn sought(&self, heights: std::ops::RangeInclusive<u64>) -> Sought {
        let view = self.store.view();
        let mut sought = Sought::default();
        for height in heights {
            let block = view.block(height).expect("it can be read").expect("it is there");
            for (index, entry) in (block.header.first_index..).zip(&block.entries) {
                sought.keys.push(entry.key());
                sought.ids.push(entry.id());
                sought.indexes.push(index);
                if let Body::Commission(commission) = &entry.entry().body {
                    sought.affiliates.push(commission.affiliate.clone());
                }
            }
        }
        sought
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Below `target`, where everything may be removed at any time.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn store(criterion: &mut Criterion) {
    let mut ledger = Ledger::new();
    reads(criterion, &ledger);
    let mut group = criterion.benchmark_group("a block of 1,000 entries");
    group.throughput(Throughput::Elements(BLOCK_ENTRIES.into())).sample_size(20);
    for (name, step) in [("admitted and sealed", Step::Seal), ("committed, durable", Step::Commit)]
    {
        group.bench_function(name, |bench| {
            bench.iter_custom(|blocks| summed(blocks, &mut ledger, step));
        });
    }
    group.finish();
}

fn reads(criterion: &mut Criterion, ledger: &Ledger) {
    let old = ledger.sought(1..=BLOCKS / 4);
    let new = ledger.sought(BLOCKS - 4..=BLOCKS);
    let view = ledger.store.view();
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(1));
    for (name, keys) in [("record in runs", &old.keys), ("record in memory", &new.keys)] {
        let mut keys = keys.iter().cycle();
        group.bench_function(name, |bench| {
            bench.iter(|| view.record(keys.next()?).expect("it can be read"));
        });
    }
    let mut ids = old.ids.iter().cycle();
    group.bench_function("entry by id", |bench| {
        bench.iter(|| view.entry_with_id(ids.next()?).expect("it can be read"));
    });
    let mut indexes = old.indexes.iter().cycle();
    group.bench_function("receipt", |bench| {
        bench.iter(|| view.receipt(*indexes.next()?).expect("it can be read"));
    });
    let mut affiliates = old.affiliates.iter().cycle();
    group.bench_function("page of an affiliate's entries", |bench| {
        bench.iter(|| {
            let filter = Filter { affiliate: affiliates.next().cloned(), ..Filter::default() };
            view.search(&filter, Direction::NewestFirst, None, PAGE_ENTRIES).expect("a page")
        });
    });
    group.finish();
}

/// Which step of a block's life is timed.
#[derive(Clone, Copy)]
enum Step {
    Seal,
    Commit,
}

/// How long a step takes for as many blocks.
fn summed(blocks: u64, ledger: &mut Ledger, timed: Step) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..blocks {
        let entries = ledger.next_entries();
        let began = Instant::now();
        let block = ledger.seal(entries);
        let sealed = Instant::now();
        ledger.commit(&block);
        total += match timed {
            Step::Seal => sealed - began,
            Step::Commit => sealed.elapsed(),
        };
    }
    total
}

criterion_group!(benches, store);
criterion_main!(benches);
