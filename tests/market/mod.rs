//! A small chain in memory, and short ways to write entries.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop where it fails")]

pub mod cases;

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use counterfoil::protocol::block::{Block, EncodedEntry, Header};
use counterfoil::protocol::entry::{
    Action, Body, Commission, Decision, Entry, Payout, PayoutLine, ProgramTerms, Reason, Reversal,
    Reward, Transaction, Verdict,
};
use counterfoil::protocol::hash::{StateKey, TreeHash};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::{SealingKey, Signature};
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::rules::StoredRecord;
use counterfoil::protocol::spec::{ChainSpec, Currencies, Governance, Limits, RULES_VERSION};
use counterfoil::protocol::time::{DAY_MS, Timestamp};
use counterfoil::protocol::verify::{Chain, Draft, Tip, VerifiedBlock};

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
        governance: Governance::default(),
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
        let block = draft.seal(&key());
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
            ..self.chain.genesis().clone()
        };
        alter(&mut header);
        leaves.push(leaf_hash(&header.to_leaf()));
        let signature = self.sign(&leaves, &key());
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

fn entry(external_id: &str, body: Body<Amount>) -> Entry {
    Entry {
        tenant: id("acme"),
        external_id: id(external_id),
        event_time: at(NOW),
        commitment: None,
        body,
    }
}

/// `entry` of another tenant.
pub fn of_tenant(tenant: &str, entry: Entry) -> Entry {
    Entry { tenant: id(tenant), ..entry }
}

/// `entry` of another time.
pub fn when(milliseconds: u64, entry: Entry) -> Entry {
    Entry { event_time: at(milliseconds), ..entry }
}

/// The first terms of shop's main program, reaching back a month: 10 percent.
pub fn terms(external_id: &str, alter: impl FnOnce(&mut ProgramTerms<Amount>)) -> Entry {
    let mut body = ProgramTerms {
        merchant: id("shop"),
        program: id("main"),
        version: 1,
        effective_from: at(NOW - 30 * DAY_MS),
        effective_until: None,
        locking_days: 30,
        reward: Reward::Percent { ppm: 100_000 },
    };
    alter(&mut body);
    entry(external_id, Body::ProgramTerms(body))
}

/// A sale of 100.00 EUR by shop, now.
pub fn sale(external_id: &str, alter: impl FnOnce(&mut Transaction<Amount>)) -> Entry {
    let mut body = Transaction {
        order_ref: id(external_id),
        merchant: id("shop"),
        program: id("main"),
        action: Action::Sale,
        currency: currency("EUR"),
        amount: units(10_000),
        link_ref: None,
        campaign_ref: None,
        click_ref: None,
    };
    alter(&mut body);
    entry(external_id, Body::Transaction(body))
}

/// 10.00 EUR for ann, from sale S-1 under terms T-1.
pub fn commission(external_id: &str, alter: impl FnOnce(&mut Commission<Amount>)) -> Entry {
    let mut body = Commission {
        transaction: id("S-1"),
        terms: id("T-1"),
        affiliate: id("ann"),
        currency: currency("EUR"),
        amount: units(1_000),
    };
    alter(&mut body);
    entry(external_id, Body::Commission(body))
}

pub fn decision(external_id: &str, commission: &str, verdict: Verdict) -> Entry {
    entry(external_id, Body::Decision(Decision { commission: id(commission), verdict }))
}

/// Takes back 10.00 EUR of commission C-1.
pub fn reversal(external_id: &str, alter: impl FnOnce(&mut Reversal<Amount>)) -> Entry {
    let mut body = Reversal {
        commission: id("C-1"),
        currency: currency("EUR"),
        amount: units(1_000),
        reason: Reason::ReturnedItem,
    };
    alter(&mut body);
    entry(external_id, Body::Reversal(body))
}

/// Pays ann 10.00 EUR of commission C-1, in one part without a total.
pub fn payout(external_id: &str, alter: impl FnOnce(&mut Payout<Amount>)) -> Entry {
    let mut body = Payout {
        affiliate: id("ann"),
        currency: currency("EUR"),
        period_from: at(NOW - DAY_MS),
        period_until: at(NOW),
        continues: None,
        lines: vec![line("C-1", 1_000)],
        total: None,
    };
    alter(&mut body);
    entry(external_id, Body::Payout(body))
}

pub fn line(commission: &str, amount: u64) -> PayoutLine<Amount> {
    PayoutLine { commission: id(commission), amount: units(amount) }
}
