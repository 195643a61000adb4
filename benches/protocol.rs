//! What the pure protocol costs: per entry, per block of 1,000 entries, per receipt.
//!
//! `cargo bench --bench protocol`; state is in memory and nothing is written, so these are
//! the bounds that store, ledger and HTTP have to live with. The work is whole lifecycles:
//! a transaction, its commission, the approval and a reversal of a part.

#[path = "../tests/support/chain.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod chain;

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use counterfoil::protocol::block::{Block, EncodedEntry};
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::hash::{StateKey, TreeHash};
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::receipt::{LeafProof, Receipt};
use counterfoil::protocol::rules::StoredRecord;
use counterfoil::protocol::text;
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::tree::{Frontier, NodeSource, inclusion_proof, leaf_hash, node_hash};
use counterfoil::protocol::verify::{Chain, Draft, Tip, VerifiedBlock, verify};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Lifecycles in the block that is measured, of four entries each.
const BLOCK_LIFECYCLES: usize = 250;

const BLOCK_ENTRIES: u64 = 4 * BLOCK_LIFECYCLES as u64;

type State = HashMap<StateKey, StoredRecord>;

/// A chain whose first block holds a program's terms, and the block to measure after it.
struct Ledger {
    key: SealingKey,
    chain: Arc<Chain>,
    tip: Tip,
    state: State,
    /// The hash of every leaf up to `tip`.
    leaves: Vec<TreeHash>,
    /// What the block to measure records, in text.
    texts: Vec<String>,
    entries: Vec<EncodedEntry>,
}

impl Ledger {
    fn new() -> Self {
        let key = chain::key();
        let chain = chain::chain("bench");
        let tip = chain.genesis_tip();
        let leaves = vec![leaf_hash(&chain.genesis().to_leaf())];
        let texts = (0..BLOCK_LIFECYCLES).flat_map(lifecycle).collect();
        let (state, entries) = (State::new(), Vec::new());
        let mut ledger = Self { key, chain, tip, state, leaves, texts, entries };
        ledger.entries = ledger.texts.iter().map(|text| encoded(ledger.parse(text))).collect();
        let terms = encoded(ledger.parse(TERMS));
        let first = ledger.seal(vec![terms]);
        ledger.commit(&first);
        ledger
    }

    fn parse(&self, text: &str) -> Entry {
        text::parse(text, &self.chain.spec().currencies).expect("a good entry")
    }

    fn seal(&self, entries: Vec<EncodedEntry>) -> VerifiedBlock {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().expect("a good time");
        let mut draft = Draft::new(&self.chain, &self.tip, &self.state, now);
        for entry in entries {
            draft.admit(entry).expect("an entry by the rules");
        }
        draft.seal(&self.key)
    }

    fn commit(&mut self, block: &VerifiedBlock) {
        self.state.extend(block.changes().clone());
        self.leaves.extend(block.entries().iter().map(EncodedEntry::leaf_hash));
        self.leaves.push(block.header_leaf_hash());
        self.tip = block.tip().clone();
    }

    /// The receipt of the last entry of `block`, which is committed.
    fn receipt(&self, block: &VerifiedBlock) -> Receipt {
        let (entry, header) =
            (block.entries().last().expect("a block has entries"), block.header());
        let size = header.log_size();
        let proof = |index| inclusion_proof(self, index, size).expect("a leaf of the log");
        let place = header.index() - 1;
        Receipt::new(
            header.chain_id,
            entry.id(),
            &[],
            LeafProof::new(place, entry.leaf(), &proof(place)),
            LeafProof::new(header.index(), block.header_leaf(), &proof(header.index())),
            block.checkpoint().to_note(&self.key.public(), block.signature()),
        )
    }
}

impl NodeSource for Ledger {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<TreeHash, Infallible> {
        if let Some(below) = level.checked_sub(1) {
            let (left, right) = (self.node(below, 2 * index)?, self.node(below, 2 * index + 1)?);
            return Ok(node_hash(&left, &right));
        }
        let place = usize::try_from(index).expect("the log is in memory");
        Ok(*self.leaves.get(place).expect("a leaf of the log"))
    }
}

const TERMS: &str = r#"{"tenant": "acme", "kind": "program_terms", "external_id": "shop-terms-1",
    "event_time": "2026-11-21T00:00:00Z",
    "body": {"merchant": "shop", "program": "main", "version": 1, "actions": ["sale"],
        "effective_from": "2026-01-01T00:00:00Z", "locking": {"type": "open_ended"},
        "rules": [{"reward": {"type": "percent", "ppm": 75000}}]}}"#;

/// The four entries of one sale's life.
fn lifecycle(number: usize) -> [String; 4] {
    let entry = |kind: &str, body: &str| {
        format!(
            r#"{{"tenant": "acme", "kind": "{kind}", "external_id": "2026-11-21-{number:08}",
            "event_time": "2026-11-21T14:00:00.250Z", "body": {body}}}"#
        )
    };
    let sale = format!("2026-11-21-{number:08}");
    let affiliate = number % 40;
    [
        entry(
            "transaction",
            &format!(
                r#"{{"order_ref": "order-{number:08}", "merchant": "shop", "program": "main",
                "action": "sale", "currency": "EUR", "amount": "129.90",
                "link_ref": "link-{affiliate:06}", "click_ref": "click-{number:012}"}}"#
            ),
        ),
        entry(
            "commission",
            &format!(
                r#"{{"transaction": "{sale}", "terms": "shop-terms-1", "rule": 1,
                "currency": "EUR", "affiliate": "affiliate-{affiliate:06}", "amount": "9.74"}}"#
            ),
        ),
        entry(
            "decision",
            &format!(r#"{{"commission": "{sale}", "verdict": {{"type": "approve"}}}}"#),
        ),
        entry(
            "reversal",
            &format!(
                r#"{{"commission": "{sale}", "currency": "EUR", "amount": "1.50",
                "reason": "returned_item"}}"#
            ),
        ),
    ]
}

fn encoded(entry: Entry) -> EncodedEntry {
    EncodedEntry::new(entry).expect("a short entry")
}

/// One transaction, the largest entry of a lifecycle.
fn one_entry(criterion: &mut Criterion) {
    let ledger = Ledger::new();
    let text = ledger.texts.first().expect("a lifecycle");
    let entry = ledger.parse(text);
    let ready = encoded(entry.clone());
    let mut group = criterion.benchmark_group("entry");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse JSON", |bench| bench.iter(|| ledger.parse(black_box(text))));
    group.bench_function("encode, with id, key and leaf hash", |bench| {
        bench.iter_batched(|| entry.clone(), encoded, BatchSize::SmallInput);
    });
    group.bench_function("decode, with id, key and leaf hash", |bench| {
        let leaf = || ready.leaf().to_vec();
        bench.iter_batched(leaf, EncodedEntry::decode, BatchSize::SmallInput);
    });
    group.bench_function("id", |bench| bench.iter(|| black_box(&entry).id()));
    group.bench_function("leaf hash", |bench| bench.iter(|| leaf_hash(black_box(ready.leaf()))));
    group.finish();
}

fn one_block(criterion: &mut Criterion) {
    let ledger = Ledger::new();
    let bytes = ledger.seal(ledger.entries.clone()).encode();
    let block = Block::decode(&bytes).expect("a block of our own");
    let mut group = criterion.benchmark_group("block of 1,000");
    group.throughput(Throughput::Elements(BLOCK_ENTRIES));
    group.bench_function("append to the tree", |bench| {
        bench.iter(|| {
            let mut tree = Frontier::default();
            for entry in &ledger.entries {
                tree.push(black_box(entry.leaf_hash()));
            }
            tree.root()
        });
    });
    group.bench_function("admit and seal", |bench| {
        let entries = || ledger.entries.clone();
        bench.iter_batched(entries, |entries| ledger.seal(entries), BatchSize::LargeInput);
    });
    group.bench_function("encode", |bench| bench.iter(|| black_box(&block).encode()));
    group.bench_function("decode", |bench| bench.iter(|| Block::decode(black_box(&bytes))));
    group.bench_function("verify", |bench| {
        bench.iter_batched(
            || block.clone(),
            |block| verify(&ledger.chain, &ledger.tip, &ledger.state, block).ok(),
            BatchSize::LargeInput,
        );
    });
    group.finish();
    // A bench that measures a failure measures nothing.
    assert!(verify(&ledger.chain, &ledger.tip, &ledger.state, block).is_ok());
}

fn one_receipt(criterion: &mut Criterion) {
    let mut ledger = Ledger::new();
    let block = ledger.seal(ledger.entries.clone());
    ledger.commit(&block);
    let receipt = ledger.receipt(&block);
    receipt.verify(&ledger.chain).expect("a receipt of our own");
    let text = receipt.to_text();
    criterion.bench_function("receipt/parse and verify", |bench| {
        bench.iter(|| {
            let receipt = Receipt::parse(black_box(&text)).expect("a receipt of our own");
            receipt.verify(&ledger.chain)
        });
    });
}

criterion_group!(benches, one_entry, one_block, one_receipt);
criterion_main!(benches);
