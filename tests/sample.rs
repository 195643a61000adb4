//! The synthetic marketplace states nothing that the rules refuse, looks like a marketplace,
//! and says the same for ever.

#![cfg(feature = "node")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};

use counterfoil::protocol::block::{EncodedEntry, Heading};
use counterfoil::protocol::entry::{
    Action, Amended, Body, CapPer, Claim, Effect, Entry, Kind, Locking, Outcome, PaymentEvent,
    PayoutLine, Reward, RewardRule, Role, Verdict,
};
use counterfoil::protocol::hash::StateKey;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::rules::{CommissionState, PayoutState, Record, StoredRecord};
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
    /// As it happens: at the time of the block's last event, less than a day after its first.
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
            let Heading { tenant, external_id, event_time, kind, id } =
                Heading::of(encoded.leaf()).unwrap();
            assert_eq!((&tenant, &external_id), (&entry.tenant, &entry.external_id));
            assert_eq!((event_time, kind, id), (entry.event_time, entry.kind(), encoded.id()));
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
        (history(), small, 60, BlockTime::LastEvent),
        (Profile { new_terms: true, ..history() }, HISTORY, 64, BlockTime::LastEvent),
        (Profile { payout_lines: 500, ..history() }, small, 10_000, BlockTime::Now),
        (Profile { tenants: 3, payout_lines: 1, ..busy(1) }, small, 140, BlockTime::LastEvent),
        (
            Profile { next_decided: NextDecided::AtRandom, new_terms: true, ..busy(2) },
            small,
            64,
            BlockTime::LastEvent,
        ),
        (
            Profile { merchants: 1, affiliates: 1, id_digits: 64, ..busy(3) },
            small,
            100,
            BlockTime::LastEvent,
        ),
        (Profile::benchmark(6, small as u64, now()), small, 1_000, BlockTime::Now),
        (Profile { follow_ups_ppm: 600_000, ..busy(4) }, small, 1_000, BlockTime::Now),
        (Profile { follow_ups_ppm: 0, ..busy(5) }, small, 1_000, BlockTime::Now),
    ];
    for (profile, count, per_block, block_time) in cases {
        seal(profile, count, per_block, block_time);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The blocks cover less than the day in which everything must be recorded.
    #[test]
    fn every_entry_is_admitted_whatever_the_profile(
        (seed, at_random, new_terms) in any::<(u64, bool, bool)>(),
        (tenants, merchants, affiliates) in (1..4u32, 1..8u32, 1..40u32),
        (pace_ms, follow_ups_ppm) in (1..=DAY_MS / 6, 0..=600_000u32),
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
    let (mut payouts, mut amended, mut deviating, mut imported) = (BTreeMap::new(), 0, 0, 0);
    for record in state.values() {
        match &record.record {
            Record::Commission(commission) => {
                let standing = commission.standing(
                    commission.payout.as_ref().map(|payout| payout_state(&state, payout)),
                );
                *states.entry(standing.as_str()).or_default() += 1;
                amended += usize::from(commission.amended);
                deviating += usize::from(commission.deviation.is_some());
                imported += usize::from(commission.imported());
            }
            Record::Payout(payout) => *payouts.entry(payout.state.as_str()).or_insert(0) += 1,
            _ => {}
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
        (CommissionState::Funded, 1, 12),
        (CommissionState::InPayout, 0, 10),
        (CommissionState::Paid, 45, 90),
    ];
    assert_eq!(expected.map(|(state, ..)| state), CommissionState::ALL);
    for (state, least, most) in expected {
        let count = states.get(state.as_str()).copied().unwrap_or_default();
        let range = (all * least / 100).max(1)..=all * most / 100;
        assert!(range.contains(&count), "{state}: {states:?}");
    }
    let expected = ["completed", "failed", "returned"];
    assert!(expected.iter().all(|state| payouts.contains_key(state)), "{payouts:?}");
    assert!(amended > 20 && deviating > 10 && imported == 4, "{amended} {deviating} {imported}");
}

fn payout_state(state: &HashMap<StateKey, StoredRecord>, payout: &StateKey) -> PayoutState {
    match &state[payout].record {
        Record::Payout(payout) => payout.state,
        other => panic!("a payout's record is {other:?}"),
    }
}

#[test]
fn even_a_small_history_shows_every_kind() {
    // Changes of the spec take keys that no sample has.
    for (entries_count, lacking) in [(1_000, 2), (5_000, 1), (20_000, 1)] {
        let profile = Profile::history(20_261_121, entries_count, now());
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for entry in entries(profile).take(usize::try_from(entries_count).unwrap()) {
            *kinds.entry(entry.kind()).or_default() += 1;
        }
        assert!(kinds.len() >= Kind::ALL.len() - lacking, "{entries_count}: {kinds:?}");
        let sales = kinds[&Kind::Transaction] + kinds[&Kind::Commission];
        assert!(sales * 100 >= 35 * usize::try_from(entries_count).unwrap(), "{kinds:?}");
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
    // At random, most dates are past when it is a commission's turn.
    for (profile, least) in [(at_random, 20), (as_due, 300)] {
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut parts = 0;
        // After the first months, when the oldest commissions are due.
        for entry in entries(profile).skip(20_000).take(100_000) {
            *kinds.entry(entry.kind()).or_default() += 1;
            match &entry.body {
                Body::Decision(decision) => {
                    let verdict = match decision.verdict {
                        Verdict::Approve => "approve",
                        Verdict::Decline { .. } => "decline",
                        Verdict::Extend { .. } => "extend",
                        Verdict::Lock => "lock",
                    };
                    *verdicts.entry(verdict).or_default() += 1;
                }
                Body::Payout(payout) => parts += usize::from(payout.continues.is_some()),
                _ => {}
            }
        }
        let follow_ups = kinds[&Kind::Decision] + kinds[&Kind::Reversal];
        assert!((29_500..=30_500).contains(&follow_ups), "{kinds:?}");
        assert!((18_000..=35_000).contains(&kinds[&Kind::Transaction]), "{kinds:?}");
        assert!(kinds[&Kind::Commission] >= kinds[&Kind::Transaction], "{kinds:?}");
        assert!((700..=4_000).contains(&kinds[&Kind::Reversal]), "{kinds:?}");
        assert!((500..=14_000).contains(&kinds[&Kind::Payout]), "{kinds:?}");
        let rare = [Kind::Amendment, Kind::Adjustment, Kind::Inquiry, Kind::InquiryResolution];
        for kind in rare {
            assert!((50..=3_000).contains(&kinds[&kind]), "{kind}: {kinds:?}");
        }
        assert!(parts > 50, "{parts} payouts go on");
        assert_eq!(verdicts.len(), 4, "{verdicts:?}");
        assert!(verdicts.values().all(|count| *count >= least), "{verdicts:?}");
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
                for rule in terms.rules {
                    let percent = matches!(rule.reward, Reward::Percent { .. });
                    *rewards.entry(percent).or_insert(0) += 1;
                }
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

/// What is there to be found in it: of each part of the terms, of each form of a commission and
/// of whatever else the rules know, something.
#[test]
fn everything_occurs() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries(Profile { new_terms: true, ..history() }).take(HISTORY) {
        let what = traits(&entry.body);
        for (name, _) in what.iter().filter(|(_, is)| *is) {
            *seen.entry(name).or_default() += 1;
        }
        for (name, _) in what {
            seen.entry(name).or_default();
        }
    }
    let lacking: Vec<_> = seen.iter().filter(|(_, count)| **count == 0).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    assert!(seen.len() > 60, "{}", seen.len());
}

/// What is worth showing of an entry, and whether it has it.
fn traits(body: &Body<Amount>) -> Vec<(&'static str, bool)> {
    match body {
        Body::ProgramTerms(terms) => {
            let any = |is: fn(&RewardRule<Amount>) -> bool| terms.rules.iter().any(is);
            let cap = |rule: &RewardRule<Amount>| rule.cap.as_ref().map(|cap| cap.per);
            vec![
                ("days", matches!(terms.locking, Locking::Days { .. })),
                ("a day of a month", matches!(terms.locking, Locking::MonthDay { .. })),
                ("at once", matches!(terms.locking, Locking::Immediate)),
                ("no date", matches!(terms.locking, Locking::OpenEnded)),
                ("two actions", terms.actions.len() > 1),
                ("a network fee", terms.network_fee_ppm > 0),
                ("a commission group", any(|rule| rule.commission_group.is_some())),
                ("an affiliate group", any(|rule| rule.affiliate_group.is_some())),
                ("percent", any(|rule| matches!(rule.reward, Reward::Percent { .. }))),
                ("fixed", any(|rule| matches!(rule.reward, Reward::Fixed { .. }))),
                ("count tiers", any(|rule| matches!(rule.reward, Reward::CountTiers { .. }))),
                ("volume tiers", any(|rule| matches!(rule.reward, Reward::VolumeTiers { .. }))),
                ("recurring", any(|rule| rule.recurring.is_some())),
                ("overrides", any(|rule| rule.override_ppm.len() == 3)),
                ("a cap of a month", terms.rules.iter().any(|r| cap(r) == Some(CapPer::Month))),
                ("a cap for ever", terms.rules.iter().any(|r| cap(r) == Some(CapPer::Ever))),
                ("a cap of a part", terms.rules.iter().any(|r| cap(r) == Some(CapPer::Part))),
            ]
        }
        Body::Transaction(sale) => vec![
            ("a sale", sale.action == Action::Sale),
            ("a lead", sale.action == Action::Lead),
            ("a signup", sale.action == Action::Signup),
            ("a subscription", sale.action == Action::Subscription),
            ("a discount", sale.discount.is_some()),
            ("a voucher", sale.voucher.is_some()),
            ("an order's group", sale.commission_group.is_some()),
            ("items of groups", sale.items.iter().any(|item| item.commission_group.is_some())),
            ("several items", sale.items.len() > 1),
            ("a sale in another currency", sale.fx.is_some()),
        ],
        Body::Commission(commission) => {
            let share = match &commission.role {
                Role::Direct { share_ppm, .. } => Some(*share_ppm),
                Role::Override { .. } => None,
            };
            let level =
                |wanted| matches!(commission.role, Role::Override { level, .. } if level == wanted);
            vec![
                ("a share", share.is_some_and(|share| share < 1_000_000)),
                ("an override of level 1", level(1)),
                ("an override of level 2", level(2)),
                ("an override of level 3", level(3)),
                ("a rule but the first", commission.rule > 1),
                ("a fee", commission.fee > Amount::ZERO),
                ("a deviation", commission.deviation.is_some()),
                ("nothing", commission.amount == Amount::ZERO),
            ]
        }
        Body::Funding(_) | Body::Payout(_) | Body::PayoutEvent(_) => traits_of_payments(body),
        _ => traits_of_corrections(body),
    }
}

fn traits_of_corrections(body: &Body<Amount>) -> Vec<(&'static str, bool)> {
    match body {
        Body::Reversal(reversal) => {
            let refund = reversal.refund.as_ref();
            vec![
                ("a refund", refund.is_some()),
                ("refunded items", refund.is_some_and(|refund| !refund.items.is_empty())),
            ]
        }
        Body::Amendment(amendment) => vec![
            ("an amended commission", matches!(amendment.of, Amended::Commission { .. })),
            ("an amended transaction", matches!(amendment.of, Amended::Transaction { .. })),
        ],
        Body::Adjustment(adjustment) => vec![
            ("a credit", adjustment.effect == Effect::Credit),
            ("a debit", adjustment.effect == Effect::Debit),
            ("an adjusted inquiry", adjustment.related.kind == Kind::Inquiry),
        ],
        Body::Inquiry(inquiry) => vec![
            ("untracked", matches!(inquiry.claim, Claim::Untracked { .. })),
            ("incorrect", matches!(inquiry.claim, Claim::Incorrect { .. })),
            ("wrongly declined", matches!(inquiry.claim, Claim::Declined { .. })),
        ],
        Body::InquiryResolution(resolution) => vec![
            ("valid", matches!(resolution.outcome, Outcome::Valid)),
            ("refuted", matches!(resolution.outcome, Outcome::Declined { .. })),
            ("incomplete", matches!(resolution.outcome, Outcome::Incomplete)),
        ],
        Body::AffiliateUpline(upline) => vec![("no upline any more", upline.upline.is_none())],
        _ => Vec::new(),
    }
}

fn traits_of_payments(body: &Body<Amount>) -> Vec<(&'static str, bool)> {
    match body {
        Body::Funding(funding) => {
            let covered: u64 = funding.lines.iter().map(|line| line.amount.units()).sum();
            vec![
                ("prepaid", funding.lines.is_empty()),
                ("from what was prepaid", funding.received.units() < covered),
                ("more than is due", funding.received.units() > covered && covered > 0),
            ]
        }
        Body::Payout(payout) => {
            let any = |is: fn(&PayoutLine<Amount>) -> bool| payout.lines.iter().any(is);
            vec![
                ("a further part", payout.continues.is_some()),
                ("an open payout", payout.total.is_none()),
                ("a payout in another currency", payout.fx.is_some()),
                ("a paid adjustment", any(|line| matches!(line, PayoutLine::Adjustment { .. }))),
                ("a payment fee", any(|line| matches!(line, PayoutLine::Fee { .. }))),
                ("withheld tax", any(|line| matches!(line, PayoutLine::WithheldTax { .. }))),
                (
                    "carried forward",
                    any(|line| {
                        matches!(line, PayoutLine::CarriedForward { effect: Effect::Debit, .. })
                    }),
                ),
                (
                    "brought forward",
                    any(|line| {
                        matches!(line, PayoutLine::CarriedForward { effect: Effect::Credit, .. })
                    }),
                ),
            ]
        }
        Body::PayoutEvent(event) => vec![
            ("sent", matches!(event.event, PaymentEvent::Sent { .. })),
            ("completed", event.event == PaymentEvent::Completed),
            ("failed", event.event == PaymentEvent::Failed),
            ("returned", event.event == PaymentEvent::Returned),
        ],
        _ => Vec::new(),
    }
}

/// Stricter than the rules: all of each part is earned, but for subscriptions that have been
/// paid for often enough.
#[test]
fn every_part_is_earned() {
    let mut missing: HashMap<Id, (Action, u32)> = HashMap::new();
    let mut shared = 0;
    for entry in entries(Profile { new_terms: true, ..history() }).take(HISTORY) {
        match entry.body {
            Body::Transaction(sale) => {
                let mut groups: Vec<_> = sale
                    .items
                    .iter()
                    .map(|item| item.commission_group.clone().or(sale.commission_group.clone()))
                    .collect();
                groups.sort();
                groups.dedup();
                let parts = u32::try_from(groups.len().max(1)).unwrap();
                missing.insert(entry.external_id, (sale.action, parts * 1_000_000));
            }
            Body::Commission(commission) => {
                if let Role::Direct { share_ppm, .. } = commission.role {
                    missing.get_mut(&commission.transaction).unwrap().1 -= share_ppm;
                    shared += usize::from(share_ppm < 1_000_000);
                }
            }
            _ => {}
        }
    }
    missing.retain(|_, (_, ppm)| *ppm > 0);
    let subscriptions = missing.values().filter(|(action, _)| *action == Action::Subscription);
    // What is earned of the last sale may not have been stated yet.
    assert!(missing.len() - subscriptions.count() <= 1, "{missing:?}");
    assert!(shared > 100 && missing.len() > 3, "{shared} {}", missing.len());
}

/// What was reopened is decided again.
#[test]
fn what_was_reopened_is_decided_again() {
    let (mut asked, mut reopened) = (HashMap::new(), HashMap::new());
    for entry in entries(history()).take(HISTORY) {
        match entry.body {
            Body::Inquiry(inquiry) => {
                if let Claim::Declined { commission } = inquiry.claim {
                    asked.insert(entry.external_id, commission);
                }
            }
            Body::InquiryResolution(resolution) if resolution.outcome == Outcome::Valid => {
                if let Some(commission) = asked.remove(&resolution.inquiry) {
                    reopened.insert(commission, false);
                }
            }
            Body::Decision(decision) => {
                if let Some(decided) = reopened.get_mut(&decision.commission) {
                    *decided = true;
                }
            }
            _ => {}
        }
    }
    let decided = reopened.values().filter(|decided| **decided).count();
    assert!(decided > 10 && reopened.len() - decided < 20, "{decided} of {}", reopened.len());
}

/// What the benchmarks measure stays comparable: the size of leaves, and mostly plain commissions.
#[test]
fn benchmarks_have_ordinary_leaves_and_plain_commissions() {
    let (mut bytes, mut commissions, mut plain) = (0, 0, 0);
    let sample = entries(Profile::benchmark(7, 1_000_000, now())).skip(50_000).take(50_000);
    for entry in sample {
        if let Body::Commission(commission) = &entry.body {
            commissions += 1;
            plain += usize::from(commission.role == Role::default() && commission.rule == 1);
        }
        bytes += EncodedEntry::new(entry).unwrap().leaf().len();
    }
    assert!((240 * 50_000..=260 * 50_000).contains(&bytes), "{bytes} bytes");
    assert!(plain * 100 >= commissions * 70, "{plain} of {commissions}");
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
            "bb21bf8be1e641aaeac57fe7e546f6c9214e386c07b9d3fd01724377ed23e10c",
        ),
        (at_random, "808b829e78bf96c1809dc92da3787a144382c1848663b5262cb7e0b4fc1c4173"),
    ];
    for (profile, expected) in cases {
        let mut digest = blake3::Hasher::new();
        let mut kinds = BTreeMap::new();
        for entry in entries(profile.clone()).take(10_000) {
            digest.update(entry.id().as_bytes());
            *kinds.entry(entry.kind()).or_insert(0) += 1;
        }
        // All but changes of the spec.
        assert_eq!(kinds.len(), Kind::ALL.len() - 1, "{kinds:?}");
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
