//! The ledger that is damaged: what was written of it, and all that can be asked of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use counterfoil::protocol::block::{Block, EncodedEntry};
use counterfoil::protocol::entry::{
    Adjustment, AffiliateUpline, Amended, Amendment, Balance, Body, Claim, Decision, Effect,
    ErasureNotice, Inquiry, InquiryResolution, Kind, OpeningBalance, Outcome, PaymentEvent, Payout,
    PayoutEvent, PayoutLine, Reason, Reference, Verdict,
};
use counterfoil::protocol::hash::{Commitment, StateKey, TreeHash};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::rules::StoredRecord;
use counterfoil::protocol::verify::{Chain, Draft, Tip};
use counterfoil::store::{Committer, MemoryBounds, Store, TILE_WIDTH, View};

use super::damage::{Files, read};
use crate::support::chain::{
    chain, commission, currency, decision, entry, funding, id, key, reversal, sale, terms, time,
    units,
};

/// The ledger as it was written, and all that can be asked of it.
pub struct Original {
    pub chain: Arc<Chain>,
    pub files: Files,
    /// The same directory some blocks earlier.
    pub old: Files,
    pub leaves: Vec<Vec<u8>>,
    /// The entries among the leaves.
    pub entries: Vec<Option<EncodedEntry>>,
    pub blocks: Vec<Block>,
    /// What is known at each height, from genesis on.
    pub tips: Vec<Tip>,
    /// What the rules remembered after each block, from genesis on.
    pub records: Vec<BTreeMap<StateKey, StoredRecord>>,
    pub tiles: BTreeMap<(u8, u64), Vec<TreeHash>>,
}

/// So small that there are runs, merged ones too, after a few blocks.
const BOUNDS: MemoryBounds = MemoryBounds { records: 600, blocks: 2 };

pub fn original() -> &'static Original {
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
        let lines = numbers
            .map(|number| PayoutLine::Commission { commission: long(number), amount: units(100) });
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
                fx: None,
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
        vec![funding("funding", &(0..64).map(long).collect::<Vec<_>>(), 100)],
        // Longer than a value of the database may be, between short ones.
        vec![sale(200, 1), payout("payout-1", 0..52), sale(201, 1), payout("payout-2", 52..64)],
        (64..70).map(|number| commission(number, 100)).collect(),
        vec![reversal("reversal-1", 64, 30), decision("approval", 65, Verdict::Approve)],
        beside_the_way(&long(0)),
    ];
    for number in 300..312 {
        blocks.push(vec![sale(number, 1000), commission(number, 100)]);
    }
    blocks
}

/// The kinds that no other block here has; `paid` is a commission in payout-1.
fn beside_the_way(paid: &Id) -> Vec<EncodedEntry> {
    let (currency, affiliate) = (currency("EUR"), id("affiliate"));
    let related = Reference { kind: Kind::Commission, external_id: paid.clone() };
    let amendment = Amendment {
        of: Amended::Commission { commission: id("commission-66") },
        currency,
        old: units(100),
        new: units(90),
        reason: Reason::WrongAmount,
    };
    let adjustment = Adjustment {
        affiliate: affiliate.clone(),
        effect: Effect::Debit,
        currency,
        amount: units(10),
        related,
        reason: Reason::Chargeback,
    };
    let inquiry = Inquiry {
        affiliate: affiliate.clone(),
        merchant: id("shop"),
        program: id("program"),
        claim: Claim::Incorrect { commission: paid.clone() },
        currency,
        amount: units(120),
    };
    let balance = Balance::Affiliate {
        affiliate: affiliate.clone(),
        effect: Effect::Credit,
        currency,
        amount: units(5),
    };
    let opening = OpeningBalance { source: id("old-system"), balance };
    let mut opening = entry("opening", Body::OpeningBalance(opening)).entry().clone();
    opening.commitment = Some(Commitment([5; 32]));
    let event = PayoutEvent { payout: id("payout-1"), event: PaymentEvent::Completed };
    let answer = InquiryResolution { inquiry: id("inquiry"), outcome: Outcome::Incomplete };
    let upline = AffiliateUpline { affiliate, upline: Some(id("upline")) };
    let erased = Reference { kind: Kind::OpeningBalance, external_id: id("opening") };
    vec![
        entry("amendment", Body::Amendment(amendment)),
        entry("adjustment", Body::Adjustment(adjustment)),
        entry("inquiry", Body::Inquiry(inquiry)),
        entry("answer", Body::InquiryResolution(answer)),
        entry("completed", Body::PayoutEvent(event)),
        entry("upline", Body::AffiliateUpline(upline)),
        EncodedEntry::new(opening).unwrap(),
        entry("erasure", Body::ErasureNotice(ErasureNotice { entry: erased })),
    ]
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
        records.extend(block.changes().clone());
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
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }
}
