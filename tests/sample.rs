//! The synthetic marketplace states nothing that the rules refuse, looks like a marketplace,
//! and says the same for ever.

#![cfg(feature = "node")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::{Body, Entry, Kind, Reward, Verdict};
use counterfoil::protocol::hash::StateKey;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::rules::{CommissionState, Record, StoredRecord};
use counterfoil::protocol::spec::{
    ChainSpec, Currencies, Governance, Limits, MAX_LEAF_BYTES, RULES_VERSION,
};
use counterfoil::protocol::text;
use counterfoil::protocol::time::{DAY_MS, Timestamp};
use counterfoil::protocol::verify::{Chain, Draft};
use counterfoil::sample::{Marketplace, NextDecided, Profile};
use proptest::prelude::*;
use zeroize::Zeroizing;

/// How many entries a whole history has here: the rules are slow without optimisation.
const HISTORY: usize = if cfg!(debug_assertions) { 30_000 } else { 200_000 };

fn now() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

fn currencies() -> Currencies {
    let list = [("EUR", 2), ("GBP", 2), ("USD", 2), ("JPY", 0), ("USDC", 6), ("POINTS", 9)];
    Currencies::new(list.map(|(code, scale)| (code.parse().unwrap(), scale)))
}

fn history() -> Profile {
    Profile::history(7, HISTORY as u64, now())
}

fn entries(profile: Profile) -> Marketplace {
    Marketplace::new(profile, &currencies()).unwrap()
}

/// When a driver seals.
#[derive(Clone, Copy, Debug)]
enum BlockTime {
    /// All of it now, long after it happened.
    Now,
    /// As it happens: at the time of the block's last event.
    LastEvent,
}

/// Seals `count` entries in blocks of `per_block`; the state after them.
fn seal(
    profile: Profile,
    count: usize,
    per_block: usize,
    block_time: BlockTime,
) -> HashMap<StateKey, StoredRecord> {
    let key = SealingKey::from_seed(&Zeroizing::new([7; 32]));
    let chain = Chain::new(ChainSpec {
        name: "Sample".to_owned(),
        origin: "sample.example/log".to_owned(),
        genesis_time: profile.start,
        rules_version: RULES_VERSION,
        authorities: vec![key.public()],
        governance: Governance::default(),
        witnesses: Vec::new(),
        currencies: currencies(),
        // Nothing may be ahead of its block, not even a little.
        limits: Limits { event_ahead_ms: 0, ..Limits::default() },
    });
    let mut state = HashMap::new();
    let mut tip = chain.genesis_tip();
    let all: Vec<Entry> = entries(profile).take(count).collect();
    for block in all.chunks(per_block) {
        let time = match block_time {
            BlockTime::Now => now(),
            BlockTime::LastEvent => block.last().unwrap().event_time,
        };
        let mut draft = Draft::new(&chain, &tip, &state, time);
        for entry in block {
            let encoded = EncodedEntry::new(entry.clone()).unwrap();
            if let Err(refusal) = draft.admit(encoded) {
                panic!("{refusal}: {entry:#?}");
            }
        }
        let sealed = draft.seal(&key);
        tip = sealed.tip().clone();
        state.extend(sealed.changes().clone());
    }
    state
}

#[test]
fn every_entry_is_admitted() {
    let small = HISTORY / 5;
    let busy = |seed| Profile { pace_ms: 600_000, ..Profile::new(seed, Timestamp::MIN) };
    let cases = [
        (history(), HISTORY, 1_000, BlockTime::Now),
        (history(), small, 10_000, BlockTime::LastEvent),
        (Profile { new_terms: true, ..history() }, HISTORY, 97, BlockTime::LastEvent),
        (Profile { tenants: 3, payout_lines: 1, ..busy(1) }, small, 500, BlockTime::LastEvent),
        (
            Profile { next_decided: NextDecided::AtRandom, new_terms: true, ..busy(2) },
            small,
            64,
            BlockTime::LastEvent,
        ),
        (
            Profile { merchants: 1, affiliates: 1, id_digits: 64, ..busy(3) },
            small,
            1_000,
            BlockTime::LastEvent,
        ),
        (Profile { follow_ups_ppm: 600_000, ..busy(4) }, small, 1_000, BlockTime::Now),
        (Profile { follow_ups_ppm: 0, ..busy(5) }, small, 1_000, BlockTime::Now),
    ];
    for (profile, count, per_block, block_time) in cases {
        seal(profile, count, per_block, block_time);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The blocks cover less than the week by which new terms are announced.
    #[test]
    fn every_entry_is_admitted_whatever_the_profile(
        (seed, at_random, new_terms) in any::<(u64, bool, bool)>(),
        (tenants, merchants, affiliates) in (1..4u32, 1..8u32, 1..40u32),
        (pace_ms, follow_ups_ppm) in (1..=DAY_MS, 0..=600_000u32),
        (open_commissions, payout_lines, id_digits) in (1..300usize, 1..=500usize, 1..=64usize),
    ) {
        let next_decided = if at_random { NextDecided::AtRandom } else { NextDecided::WhenDue };
        let profile = Profile {
            seed, tenants, merchants, affiliates, pace_ms, follow_ups_ppm, next_decided,
            open_commissions, payout_lines, new_terms, id_digits, start: Timestamp::MIN,
        };
        seal(profile, 600, 6, BlockTime::LastEvent);
    }
}

#[test]
fn a_history_leaves_commissions_in_every_state() {
    let state = seal(history(), HISTORY, 5_000, BlockTime::Now);
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for record in state.values() {
        if let Record::Commission(commission) = &record.record {
            *states.entry(commission.state.as_str()).or_default() += 1;
        }
    }
    let all: usize = states.values().sum();
    // From and to, in hundredths of all commissions.
    let expected = [
        (CommissionState::Pending, 2, 25),
        (CommissionState::Extended, 0, 3),
        (CommissionState::Approved, 1, 15),
        (CommissionState::Declined, 2, 12),
        (CommissionState::Reversed, 1, 10),
        (CommissionState::Locked, 1, 12),
        (CommissionState::Paid, 45, 90),
    ];
    for (state, least, most) in expected {
        let count = states.get(state.as_str()).copied().unwrap_or_default();
        let range = (all * least / 100).max(1)..=all * most / 100;
        assert!(range.contains(&count), "{state}: {states:?}");
    }
}

#[test]
fn the_mix_is_a_marketplaces() {
    let at_random = Profile {
        next_decided: NextDecided::AtRandom,
        pace_ms: 1_000_000,
        payout_lines: 10,
        ..Profile::new(3, Timestamp::MIN)
    };
    let as_due = Profile { next_decided: NextDecided::WhenDue, ..at_random.clone() };
    for profile in [at_random, as_due] {
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
        let mut parts = 0;
        // After the first months, when the oldest commissions are due.
        for entry in entries(profile).skip(20_000).take(100_000) {
            *kinds.entry(entry.kind()).or_default() += 1;
            match &entry.body {
                Body::Decision(decision) => {
                    let verdict = match decision.verdict {
                        Verdict::Decline { .. } => "decline".to_owned(),
                        Verdict::Extend { .. } => "extend".to_owned(),
                        ref other => format!("{other:?}").to_lowercase(),
                    };
                    *verdicts.entry(verdict).or_default() += 1;
                }
                Body::Payout(payout) => parts += usize::from(payout.continues.is_some()),
                _ => {}
            }
        }
        let follow_ups = kinds[&Kind::Decision] + kinds[&Kind::Reversal];
        assert!((29_500..=30_500).contains(&follow_ups), "{kinds:?}");
        assert!((27_000..=35_000).contains(&kinds[&Kind::Transaction]), "{kinds:?}");
        assert!(kinds[&Kind::Commission] >= kinds[&Kind::Transaction], "{kinds:?}");
        assert!((700..=4_000).contains(&kinds[&Kind::Reversal]), "{kinds:?}");
        assert!((500..=14_000).contains(&kinds[&Kind::Payout]), "{kinds:?}");
        assert!(parts > 50, "{parts} payouts go on");
        assert_eq!(verdicts.len(), 4, "{verdicts:?}");
        assert!(verdicts.values().all(|count| *count >= 300), "{verdicts:?}");
    }
}

#[test]
fn few_earn_most() {
    let mut affiliates: BTreeMap<String, usize> = BTreeMap::new();
    let mut merchants: BTreeMap<String, usize> = BTreeMap::new();
    let mut rewards = BTreeMap::new();
    for entry in entries(Profile::new(1, now())).take(100_000) {
        match entry.body {
            Body::Commission(commission) => {
                *affiliates.entry(commission.affiliate.to_string()).or_default() += 1;
            }
            Body::Transaction(sale) => {
                *merchants.entry(sale.merchant.to_string()).or_default() += 1;
            }
            Body::ProgramTerms(terms) => {
                let percent = matches!(terms.reward, Reward::Percent { .. });
                *rewards.entry(percent).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    let tenth = |counts: BTreeMap<String, usize>| {
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        let all: usize = counts.iter().sum();
        (counts.len(), counts.iter().take(counts.len() / 10).sum::<usize>() * 100 / all)
    };
    let ((affiliates, of_affiliates), (merchants, of_merchants)) =
        (tenth(affiliates), tenth(merchants));
    assert!(affiliates > 1_900 && merchants == 200, "{affiliates} {merchants}");
    assert!((60..=85).contains(&of_affiliates), "the first tenth earns {of_affiliates}%");
    assert!((50..=80).contains(&of_merchants), "the first tenth sells {of_merchants}%");
    assert!(rewards[&true] > 100 && rewards[&false] > 50, "{rewards:?}");
}

#[test]
fn time_rises_and_ends_by_now() {
    let mut last = None;
    for entry in entries(history()).take(HISTORY) {
        assert!(last < Some(entry.event_time), "{} after {last:?}", entry.event_time);
        last = Some(entry.event_time);
    }
    let last = last.unwrap();
    let day_before = Timestamp::from_millis(now().as_millis() - DAY_MS).unwrap();
    assert!(last <= now() && last > day_before, "{last}");
}

/// Stricter than the rules: all that the terms give is earned, and nothing locks early.
#[test]
fn goes_by_the_terms() {
    let (mut terms, mut sales, mut locks) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut earned: HashMap<Id, u64> = HashMap::new();
    let (mut shared, mut last_sale) = (0, "none".parse().unwrap());
    for entry in entries(Profile { new_terms: true, ..history() }).take(HISTORY) {
        match entry.body {
            Body::ProgramTerms(body) => {
                terms.insert(entry.external_id, body);
            }
            Body::Transaction(sale) => {
                last_sale = entry.external_id.clone();
                sales.insert(entry.external_id, (entry.event_time, sale));
            }
            Body::Commission(commission) => {
                let (time, sale) = &sales[&commission.transaction];
                let terms = &terms[&commission.terms];
                let due = match &terms.reward {
                    Reward::Percent { ppm } => sale.amount.parts_per_million(*ppm).unwrap(),
                    Reward::Fixed { amount, .. } => *amount,
                };
                let sum = earned.entry(commission.transaction).or_default();
                shared += usize::from(*sum > 0);
                *sum += commission.amount.units();
                assert!(*sum <= due.units());
                let locking_ms = u64::from(terms.locking_days) * DAY_MS;
                locks.insert(entry.external_id, time.saturating_add(locking_ms));
            }
            Body::Decision(decision) => match decision.verdict {
                Verdict::Extend { locking_date } => {
                    locks.insert(decision.commission, locking_date);
                }
                Verdict::Lock => assert!(entry.event_time >= locks[&decision.commission]),
                Verdict::Approve | Verdict::Decline { .. } => {}
            },
            Body::Reversal(_) | Body::Payout(_) => {}
        }
    }
    for (transaction, earned) in &earned {
        let (time, sale) = &sales[transaction];
        let due = terms
            .values()
            .filter(|terms| (&terms.merchant, &terms.program) == (&sale.merchant, &sale.program))
            .filter(|terms| terms.effective_from <= *time)
            .max_by_key(|terms| terms.version)
            .map(|terms| match &terms.reward {
                Reward::Percent { ppm } => sale.amount.parts_per_million(*ppm).unwrap().units(),
                Reward::Fixed { amount, .. } => amount.units(),
            });
        // What another affiliate gets of the last sale may not have been stated yet.
        assert!(Some(*earned) == due || *transaction == last_sale, "{transaction}: {due:?}");
    }
    assert!(shared > 100, "{shared} commissions are shared");
}

#[test]
fn new_terms_only_on_demand() {
    let versions = |new_terms| {
        entries(Profile { new_terms, ..history() })
            .take(HISTORY)
            .filter_map(|entry| match entry.body {
                Body::ProgramTerms(terms) => Some(terms.version),
                _ => None,
            })
            .max()
    };
    assert_eq!(versions(false), Some(1));
    assert!(versions(true) > Some(1));
}

/// The digest of the ids of the first 10,000 entries, by profile. A sample ledger is the same
/// on every platform and for ever; where the format changes on purpose, so do these.
#[test]
fn says_the_same_for_ever() {
    let start = "2025-01-01T00:00:00Z".parse().unwrap();
    let at_random = Profile {
        tenants: 2,
        next_decided: NextDecided::AtRandom,
        pace_ms: 3_600_000,
        new_terms: true,
        ..Profile::new(42, start)
    };
    let cases = [
        (
            Profile::history(42, 10_000, now()),
            "f0b8480fdbc63da0f4598ee35d0343370fdd6d96b83e1fc5e7f9a57f8d7f3455",
        ),
        (at_random, "fae4e58ebe0993501a10d114b144c97791f5b819729daa6246391ec38f21e1ea"),
    ];
    for (profile, expected) in cases {
        let mut digest = blake3::Hasher::new();
        let mut kinds = BTreeMap::new();
        for entry in entries(profile.clone()).take(10_000) {
            digest.update(entry.id().as_bytes());
            *kinds.entry(entry.kind()).or_insert(0) += 1;
        }
        assert_eq!(kinds.len(), Kind::ALL.len(), "{kinds:?}");
        assert_eq!(digest.finalize().to_hex().as_str(), expected, "{profile:?}");
    }
    let first = |seed| entries(Profile { seed, ..history() }).nth(1_000).map(|entry| entry.id());
    assert_ne!(first(1), first(2));
}

#[test]
fn lines_read_back() {
    let profile = Profile { id_digits: 40, ..history() };
    let lines = entries(profile.clone()).into_lines();
    for (line, entry) in lines.zip(entries(profile)).take(5_000) {
        assert!(!line.contains('\n'));
        assert_eq!(text::parse(&line, &currencies()), Ok(entry), "{line}");
    }
}

#[test]
fn leaves_fit() {
    let profile = Profile { merchants: 1, affiliates: 1, id_digits: 64, ..history() };
    let profile = Profile { payout_lines: 500, ..profile };
    let longest = entries(profile)
        .take(HISTORY)
        .map(|entry| EncodedEntry::new(entry).unwrap().leaf().len())
        .max()
        .unwrap();
    assert!((20_000..MAX_LEAF_BYTES).contains(&longest), "{longest}");
}
