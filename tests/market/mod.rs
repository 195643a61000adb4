//! A small chain in memory, and short ways to write entries.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop where it fails")]

pub mod cases;
pub mod changes;
mod entries;

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use counterfoil::protocol::block::{Block, EncodedEntry, Header};
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::hash::{StateKey, TreeHash};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::{SealingKey, Signature};
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::rules::StoredRecord;
use counterfoil::protocol::spec::{ChainSpec, Currencies, Limits, RULES_VERSION};
use counterfoil::protocol::time::{DAY_MS, Timestamp};
use counterfoil::protocol::verify::{Chain, Draft, Tip, VerifiedBlock};

pub use entries::*;

/// When most things happen, in milliseconds.
pub const NOW: u64 = 1_700_000_000_000;

/// How far an event may lie ahead of its block, in milliseconds.
pub const AHEAD_MS: u64 = 300_000;

/// The authority's key.
pub fn key() -> SealingKey {
    SealingKey::from_seed(&Zeroizing::new([7; 32]))
}

/// Somebody else's.
pub fn another_key() -> SealingKey {
    SealingKey::from_seed(&Zeroizing::new([8; 32]))
}

/// A spec with two currencies of two decimals, and one without any.
pub fn spec() -> ChainSpec {
    let currencies = [("EUR", 2), ("GBP", 2), ("JPY", 0)];
    ChainSpec {
        name: "Market".to_owned(),
        origin: "ledger.example/market".to_owned(),
        genesis_time: at(NOW - 100 * DAY_MS),
        rules_version: RULES_VERSION,
        authorities: vec![key().public()],
        governance: changes::governance(&changes::GOVERNING, 2),
        witnesses: Vec::new(),
        currencies: Currencies::new(currencies.map(|(code, scale)| (currency(code), scale))),
        limits: Limits { event_ahead_ms: AHEAD_MS, ..Limits::default() },
    }
}

/// A chain with the state and the leaves that a verifier keeps.
pub struct Market {
    pub chain: Chain,
    pub tip: Tip,
    pub state: HashMap<StateKey, StoredRecord>,
    pub leaves: Vec<TreeHash>,
}

impl Market {
    pub fn new() -> Self {
        Self::of(spec())
    }

    /// Just the genesis block of `spec`.
    pub fn of(spec: ChainSpec) -> Self {
        let chain = Chain::new(spec);
        let leaves = vec![leaf_hash(&chain.genesis().to_leaf())];
        Self { tip: chain.genesis_tip(), chain, state: HashMap::new(), leaves }
    }

    /// An empty draft at [`NOW`].
    pub fn draft(&self) -> Draft<'_, HashMap<StateKey, StoredRecord>> {
        Draft::new(&self.chain, &self.tip, &self.state, at(NOW))
    }

    /// Seals one block at `now`, all of whose entries must be legal.
    pub fn seal(&mut self, now: u64, entries: &[Entry]) -> VerifiedBlock {
        let mut draft = Draft::new(&self.chain, &self.tip, &self.state, at(now));
        for entry in encoded(entries) {
            draft.admit(entry).unwrap();
        }
        let sealer = changes::key_of(draft.authority());
        let block = draft.seal(&sealer);
        self.take(&block);
        block
    }

    /// Goes on after `block`.
    pub fn take(&mut self, block: &VerifiedBlock) {
        self.state.extend(block.changes().clone());
        self.leaves.extend(block.entries().iter().map(|entry| leaf_hash(entry.leaf())));
        self.leaves.push(leaf_hash(block.header_leaf()));
        self.tip = block.tip().clone();
    }

    /// A block made by hand, whatever the rules say of it, and signed with the true key.
    pub fn forge(&self, entries: &[Entry], alter: impl FnOnce(&mut Header)) -> Block {
        let entries = encoded(entries);
        let mut leaves = self.leaves.clone();
        leaves.extend(entries.iter().map(|entry| leaf_hash(entry.leaf())));
        let mut header = Header {
            height: self.tip.height + 1,
            parent: self.tip.header_hash,
            time: at(NOW),
            first_index: self.leaves.len() as u64,
            entry_count: u32::try_from(entries.len()).unwrap(),
            log_root: root(&leaves),
            authority: self.tip.spec_ahead().authority(),
            ..self.chain.genesis().clone()
        };
        alter(&mut header);
        leaves.push(leaf_hash(&header.to_leaf()));
        let signature = self.sign(&leaves, &changes::key_of(header.authority));
        Block { header, signature, entries }
    }

    /// The signature of a checkpoint over `leaves`, its text put together by hand.
    pub fn sign(&self, leaves: &[TreeHash], key: &SealingKey) -> Signature {
        let root = BASE64_STANDARD.encode(root(leaves).0);
        let text = format!("{}\n{}\n{root}\n", self.chain.spec().origin, leaves.len());
        key.sign(text.as_bytes())
    }
}

/// SHA-256(0x00 ‖ leaf), apart from the code under test.
pub fn leaf_hash(leaf: &[u8]) -> TreeHash {
    TreeHash(Sha256::digest([&[0], leaf].concat()).into())
}

/// The Merkle tree hash of RFC 6962 section 2.1, apart from the code under test.
pub fn root(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash(Sha256::digest([]).into()),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            TreeHash(Sha256::digest([&[1], &root(left).0[..], &root(right).0].concat()).into())
        }
    }
}

pub fn encoded(entries: &[Entry]) -> Vec<EncodedEntry> {
    entries.iter().map(|entry| EncodedEntry::new(entry.clone()).unwrap()).collect()
}

pub fn at(milliseconds: u64) -> Timestamp {
    Timestamp::from_millis(milliseconds).unwrap()
}

pub fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub fn currency(code: &str) -> Currency {
    Currency::new(code).unwrap()
}

pub fn units(units: u64) -> Amount {
    Amount::from_units(units).unwrap()
}
