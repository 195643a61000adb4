//! Receipts: one verifies from the chain spec alone, and any flipped bit in it doesn't.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod market;

use std::convert::Infallible;

use counterfoil::protocol::block::Leaf;
use counterfoil::protocol::checkpoint::{Checkpoint, CheckpointError};
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::hash::{AccountsRoot, ChainId, EntryId, HeaderHash, TreeHash};
use counterfoil::protocol::receipt::{LeafProof, MAX_RECEIPT_BYTES, Receipt, ReceiptError};
use counterfoil::protocol::spec::MAX_LEAF_BYTES;
use counterfoil::protocol::tree::{NodeSource, inclusion_proof};
use counterfoil::protocol::verify::{Chain, VerifiedBlock};
use market::{Market, NOW, another_key, at, key, sale, spec, terms};
use serde_json::Value;

/// All leaves of a log.
struct Leaves<'a>(&'a [TreeHash]);

impl NodeSource for Leaves<'_> {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<TreeHash, Infallible> {
        let start = usize::try_from(index << level).unwrap();
        Ok(market::root(&self.0[start..start + (1 << level)]))
    }
}

/// A log with its leaves in full, up to a header.
struct Log {
    chain: Chain,
    leaves: Vec<Vec<u8>>,
    note: String,
}

impl Log {
    /// The log that ends with `block`, which `market` just took.
    fn new(market: &Market, earlier: &[Vec<u8>], block: &VerifiedBlock) -> Self {
        let mut leaves = earlier.to_vec();
        leaves.extend(block.entries().iter().map(|entry| entry.leaf().to_vec()));
        leaves.push(block.header_leaf().to_vec());
        let note = block.checkpoint().to_note(&key().public(), block.signature());
        Self { chain: market.chain.clone(), leaves, note }
    }

    fn hashes(&self) -> Vec<TreeHash> {
        self.leaves.iter().map(|leaf| market::leaf_hash(leaf)).collect()
    }

    fn proof(&self, index: usize) -> LeafProof {
        let (hashes, index) = (self.hashes(), index as u64);
        let proof = inclusion_proof(&Leaves(&hashes), index, hashes.len() as u64).unwrap();
        LeafProof::new(index, &self.leaves[usize::try_from(index).unwrap()], &proof)
    }

    /// The receipt of the entry at `index`, put together from the leaf at `header`.
    fn receipt_with(&self, index: usize, header: usize) -> Receipt {
        let entry_id = match Leaf::decode(&self.leaves[index]) {
            Ok(Leaf::Entry(entry)) => entry.id(),
            _ => EntryId([0; 32]),
        };
        let (entry, header) = (self.proof(index), self.proof(header));
        Receipt::new(self.chain.id(), entry_id, &[], entry, header, self.note.clone())
    }

    fn receipt(&self, index: usize) -> Receipt {
        self.receipt_with(index, self.leaves.len() - 1)
    }

    /// The same log with its last header altered and signed anew by the authority.
    fn with_header(&self, alter: impl Fn(&mut counterfoil::protocol::block::Header)) -> Self {
        let mut leaves = self.leaves.clone();
        let Ok(Leaf::Header(mut header)) = Leaf::decode(&leaves.pop().unwrap()) else {
            panic!("a log ends with a header");
        };
        alter(&mut header);
        leaves.push(header.to_leaf());
        Self { chain: self.chain.clone(), leaves, note: String::new() }.signed_by(&key())
    }

    fn signed_by(mut self, key: &counterfoil::protocol::key::SealingKey) -> Self {
        let hashes = self.hashes();
        let checkpoint = Checkpoint {
            origin: self.chain.spec().origin.clone(),
            size: hashes.len() as u64,
            root: market::root(&hashes),
        };
        self.note = checkpoint.to_note(&key.public(), &checkpoint.sign(key));
        self
    }
}

/// The logs that end with each of some blocks of `sizes`.
fn logs(sizes: &[usize]) -> Vec<Log> {
    let mut market = Market::new();
    let mut leaves = vec![market.chain.genesis().to_leaf()];
    let mut sold = 0;
    let mut logs = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let entries: Vec<Entry> = (0..*size)
            .map(|_| {
                sold += 1;
                if sold == 1 { terms("T-1", |_| ()) } else { sale(&format!("S-{sold}"), |_| ()) }
            })
            .collect();
        let block = market.seal(NOW + number as u64, &entries);
        logs.push(Log::new(&market, &leaves, &block));
        leaves.clone_from(&logs[number].leaves);
    }
    logs
}

#[test]
fn a_receipt_proves_its_entry() {
    let sizes = [1, 2, 3, 1, 7, 64, 1, 130];
    let (mut first, mut proven) = (1, 0);
    for (log, size) in logs(&sizes).iter().zip(sizes) {
        for index in first..first + size {
            let text = log.receipt(index).to_text();
            assert!(text.len() < MAX_RECEIPT_BYTES);
            let receipt = Receipt::parse(&text).unwrap();
            assert_eq!(receipt, log.receipt(index));
            let found = receipt.verify(&log.chain).unwrap();
            assert_eq!(found.entry.leaf(), log.leaves[index]);
            assert_eq!(found.index, index as u64);
            assert_eq!(found.header.to_leaf(), *log.leaves.last().unwrap());
            assert_eq!(found.checkpoint.size, log.leaves.len() as u64);
            proven += 1;
        }
        first += size + 1;
    }
    assert_eq!(proven, sizes.iter().sum::<usize>());
}

#[test]
fn the_longest_receipt_can_be_read() {
    let proof = vec![TreeHash([0xff; 32]); 64];
    let largest = LeafProof::new(u64::MAX, &vec![0xff; MAX_LEAF_BYTES], &proof);
    let note = logs(&[1])[0].note.clone();
    let ids = (ChainId([0; 32]), EntryId([0; 32]));
    let text = Receipt::new(ids.0, ids.1, &[], largest.clone(), largest, note).to_text();
    assert!(Receipt::parse(&text).is_ok(), "{}", text.len());
    assert_eq!(
        Receipt::parse(&" ".repeat(MAX_RECEIPT_BYTES + 1)),
        Err(ReceiptError::TooLong(MAX_RECEIPT_BYTES + 1))
    );
}

/// Whether `text` is a receipt that `chain` confirms.
fn holds(chain: &Chain, text: &str) -> bool {
    Receipt::parse(text).is_ok_and(|receipt| receipt.verify(chain).is_ok())
}

#[test]
fn every_flipped_bit_of_a_receipt_is_noticed() {
    let log = &logs(&[3])[0];
    let text = log.receipt(2).to_text();
    assert!(holds(&log.chain, &text));
    let half = text.len() / 2;
    let flip_all = |range: std::ops::Range<usize>| {
        for position in range {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                let Ok(altered) = String::from_utf8(bytes) else { continue };
                assert!(!holds(&log.chain, &altered), "bit {bit} of byte {position}:\n{altered}");
            }
        }
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| flip_all(0..half));
        let second = scope.spawn(|| flip_all(half..text.len()));
        assert!(first.join().is_ok() && second.join().is_ok());
    });
}

/// `receipt` with the value at `pointer` replaced.
fn with(receipt: &Receipt, pointer: &str, value: Value) -> Receipt {
    let mut json = serde_json::to_value(receipt).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    Receipt::parse(&json.to_string()).unwrap()
}

fn at_pointer(receipt: &Receipt, pointer: &str) -> Value {
    serde_json::to_value(receipt).unwrap().pointer(pointer).unwrap().clone()
}

#[test]
fn parts_of_other_receipts_do_not_fit() {
    let logs = logs(&[3, 4]);
    let (first, log) = (&logs[0], &logs[1]);
    let receipt = log.receipt(6);
    assert!(receipt.verify(&log.chain).is_ok());
    let included = |part| Err(ReceiptError::NotIncluded(part));
    let of = |other: &Receipt, pointer: &str| {
        with(&receipt, pointer, at_pointer(other, pointer)).verify(&log.chain).map(|_| ())
    };
    let (neighbour, earlier) = (log.receipt(7), first.receipt(2));
    let its_id = log_id(log, 7);
    let cases = [
        (of(&neighbour, "/entry_id"), Err(ReceiptError::WrongEntry(log_id(log, 6)))),
        (of(&neighbour, "/entry"), Err(ReceiptError::WrongEntry(its_id))),
        (of(&neighbour, "/entry/leaf"), included("entry")),
        (of(&neighbour, "/entry/index"), included("entry")),
        (of(&earlier, "/entry/proof"), included("entry")),
        (of(&earlier, "/header"), included("header")),
        (of(&earlier, "/checkpoint"), included("header")),
        (of(&earlier, "/entry"), Err(ReceiptError::Header("the entry is not in its block"))),
    ];
    for (number, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found, expected, "case {number}");
    }
    let swapped = with(&receipt, "/header", at_pointer(&receipt, "/entry"));
    let swapped = with(&swapped, "/entry", at_pointer(&receipt, "/header"));
    assert_eq!(swapped.verify(&log.chain), Err(ReceiptError::Header("its leaf is an entry")));
    // An entry that the header covers is one; the header itself is none.
    let header_twice = with(&receipt, "/entry", at_pointer(&receipt, "/header"));
    let outside = ReceiptError::Header("the entry is not in its block");
    assert_eq!(header_twice.verify(&log.chain), Err(outside));
}

fn log_id(log: &Log, index: usize) -> EntryId {
    match Leaf::decode(&log.leaves[index]) {
        Ok(Leaf::Entry(entry)) => entry.id(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_entry_stands_in_the_block_of_the_header() {
    let logs = logs(&[3, 4]);
    let log = &logs[1];
    // Entry 2 is in the log, and proven, but not in block 2.
    let outside = ReceiptError::Header("the entry is not in its block");
    assert_eq!(log.receipt_with(2, 9).verify(&log.chain), Err(outside));
    // Header 4 is in the log, and proven, but the checkpoint goes on.
    let not_last = ReceiptError::Header("the checkpoint does not end at it");
    assert_eq!(log.receipt_with(2, 4).verify(&log.chain), Err(not_last));
}

#[test]
fn a_header_that_lies_is_no_proof_even_signed() {
    type Lie = (&'static str, fn(&mut counterfoil::protocol::block::Header));
    let log = &logs(&[3, 4])[1];
    let lies: [Lie; 7] = [
        ("it is of another format", |header| header.format_version += 1),
        ("it is another chain's", |header| header.chain_id = ChainId([1; 32])),
        ("it names another authority", |header| header.authority = another_key().public()),
        ("it stands at another index than it says", |header| header.first_index = u64::MAX),
        ("it stands at another index than it says", |header| header.entry_count += 1),
        ("its log root is another", |header| header.log_root = TreeHash([1; 32])),
        ("the entry is not in its block", |header| {
            header.first_index += 2;
            header.entry_count -= 2;
        }),
    ];
    for (problem, lie) in lies {
        let found = log.with_header(lie).receipt(6).verify(&log.chain);
        assert_eq!(found, Err(ReceiptError::Header(problem)));
    }
    // What a receipt can't tell: height, parent, time, accounts root are the authority's word.
    let word = log.with_header(|header| {
        (header.height, header.time) = (99, at(NOW + 99));
        header.parent = HeaderHash([9; 32]);
        header.accounts_root = AccountsRoot([9; 32]);
    });
    assert!(word.receipt(6).verify(&log.chain).is_ok());
}

#[test]
fn another_chain_or_authority_proves_nothing() {
    let log = &logs(&[3])[0];
    let receipt = log.receipt(2);
    let other = |alter: fn(&mut counterfoil::protocol::spec::ChainSpec)| {
        let mut spec = spec();
        alter(&mut spec);
        Chain::new(spec)
    };
    let specs = [
        other(|spec| spec.name.push('!')),
        other(|spec| spec.origin.push('x')),
        other(|spec| spec.authorities = vec![another_key().public()]),
    ];
    for chain in &specs {
        let (found, expected) = (log.chain.id(), chain.id());
        assert_eq!(receipt.verify(chain), Err(ReceiptError::WrongChain { found, expected }));
    }
    // The same, claiming to be of that chain.
    let claimed = |chain: &Chain| {
        let claim = Value::from(chain.id().to_string());
        with(&receipt, "/chain_id", claim).verify(chain)
    };
    assert_eq!(claimed(&specs[0]), Err(ReceiptError::Header("it is another chain's")));
    assert!(matches!(
        claimed(&specs[1]),
        Err(ReceiptError::Checkpoint(CheckpointError::WrongOrigin { .. }))
    ));
    assert_eq!(claimed(&specs[2]), Err(ReceiptError::Checkpoint(CheckpointError::NotSigned)));
    // The right chain, signed by a stranger under the authority's name.
    let forged = Log { chain: log.chain.clone(), leaves: log.leaves.clone(), note: String::new() };
    let forged = forged.signed_by(&another_key()).receipt(2).verify(&log.chain);
    assert_eq!(forged, Err(ReceiptError::Checkpoint(CheckpointError::NotSigned)));
}

#[test]
fn texts_that_are_no_receipt() {
    let log = &logs(&[3])[0];
    let receipt = log.receipt(2);
    let text = receipt.to_text();
    let altered = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let long_proof = {
        let mut json = serde_json::to_value(&receipt).unwrap();
        json["entry"]["proof"] = vec![json["entry"]["proof"][0].clone(); 65].into();
        json.to_string()
    };
    let upper_case = log.chain.id().to_string().to_uppercase();
    let cases = [
        (String::new(), "EOF while parsing"),
        ("[]".to_owned(), "sequence"),
        ("{}".to_owned(), "missing field `format`"),
        (format!("\u{feff}{text}"), "expected value at line 1 column 1"),
        (format!("{text}{{}}"), "trailing characters"),
        (text[..text.len() / 2].to_owned(), "EOF"),
        (altered("receipt-v1", "receipt-v2"), "format: unknown variant"),
        (altered("\"counterfoil-receipt-v1\"", "{\"counterfoil-receipt-v1\":null}"), "format"),
        (altered("\"format\"", "\"extra\": 1, \"format\""), "unknown field `extra`"),
        (altered("\"index\"", "\"index\": 1, \"index\""), "entry: duplicate field `index`"),
        (altered("\"index\": 2", "\"index\": \"2\""), "entry.index: invalid type"),
        (altered("\"index\": 2", "\"index\": 2.0"), "entry.index: invalid type"),
        (altered("\"index\": 2", "\"index\": -2"), "entry.index: invalid value"),
        (altered(&log.chain.id().to_string(), &upper_case), "chain_id: expected 64 lower-case"),
    ];
    for (text, message) in cases {
        let error = Receipt::parse(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{message:?} is not in {error}");
    }
    // Read, but not of the right parts.
    let cases = [
        (long_proof, "entry.proof is not base64 of hashes"),
        (with(&receipt, "/entry/leaf", "AB".into()).to_text(), "entry.leaf is not base64"),
        (with(&receipt, "/entry/leaf", "AA==".into()).to_text(), "does not lead to"),
        (with(&receipt, "/header/proof/0", "AAAA".into()).to_text(), "header.proof is not"),
        (with(&receipt, "/checkpoint", "".into()).to_text(), "not a signed checkpoint"),
    ];
    for (text, message) in cases {
        let error = Receipt::parse(&text).unwrap().verify(&log.chain).unwrap_err().to_string();
        assert!(error.contains(message), "{message:?} is not in {error}");
    }
}
