//! Random histories, decided by the rules and by the model: the same is admitted, the same
//! rule is broken, and in the end everything stands where the model says.

use std::cell::RefCell;
use std::collections::BTreeMap;

use counterfoil::protocol::entry::{
    Body, Commission, Effect, Entry, Kind, PaymentEvent, Reward, Role,
};
use counterfoil::protocol::hash::StateKey;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::rules::{AdmitError, PayoutState, Record, StateReader, Subject};
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::verify::Draft;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::dates::dates_back;
use super::histories::{self, Moves, histories};
use super::model::{Known, Model, units};
use super::payouts::pays_again;
use super::{offer, rule_names};
use crate::market::changes::change_cases;
use crate::market::{self, AHEAD_MS, Market, NOW, at};
use crate::random::Random;

/// How often what was seen.
type Seen = BTreeMap<String, usize>;

/// Rules that random histories hardly ever break; `market/cases` breaks all.
const RARE: [&str; 3] = ["upline-too-deep", "extended-before", "no-such-day"];

#[test]
fn random_histories_agree_with_an_independent_model() {
    let long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let (cases, blocks, entries) = if long { (500, 14, 90) } else { (160, 10, 60) };
    let mut random = Random::seeded("RULES_SEED");
    let seed: Vec<u8> = (0..4).flat_map(|_| random.next().to_le_bytes()).collect();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let met = RefCell::new(Seen::new());
    let outcome = runner.run(&histories(blocks, entries), |history| {
        play(&history, &mut met.borrow_mut()).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let met = met.into_inner();
    println!("{met:#?}");
    let missing = |name: &String| !met.contains_key(name);
    // Changes of the spec have histories of their own, in tests/succession.rs.
    let kinds = Kind::ALL.iter().filter(|kind| **kind != Kind::SpecChange);
    let admitted = kinds.map(|kind| format!("admitted {kind}"));
    let depths = DEPTHS.iter().map(|(what, _)| (*what).to_owned());
    let depths = depths.chain([DATED_BACK.to_owned()]);
    let untouched: Vec<String> = admitted.chain(depths).filter(missing).collect();
    assert!(untouched.is_empty(), "the histories are too tame: never {untouched:?}");
    let changes = change_cases();
    let of_changes = |rule: &String| changes.iter().any(|case| case.rule == rule);
    let rules = rule_names().into_iter().filter(|rule| !of_changes(rule));
    let unbroken: Vec<String> =
        rules.map(|rule| format!("refused {rule}")).filter(missing).collect();
    println!("never broken: {unbroken:?}");
    let rare = |name: &&String| RARE.iter().any(|rule| name.ends_with(rule));
    let surprising = unbroken.iter().filter(|name| !rare(name)).count();
    assert!(surprising <= 6, "the histories are too tame: never {unbroken:?}");
}

/// Decides one history, entry by entry.
fn play(history: &[Moves], seen: &mut Seen) -> Result<(), String> {
    let mut market = Market::new();
    let mut model = Model::default();
    let mut now = NOW;
    for (gap, moves) in history {
        now += gap;
        let mut draft = Draft::new(&market.chain, &market.tip, &market.state, at(now));
        for seed in moves {
            let entry = histories::entry(&model, *seed, now);
            let before = draft.mark();
            let ours = offer(&mut draft, &entry);
            let back = dates_back(&model, model.facts.len(), &entry, now);
            let theirs = model.state(&entry, now);
            let name = match (&ours, theirs) {
                (Ok(_), Ok(())) => format!("admitted {}", entry.kind()),
                (Err(AdmitError::Refused(refusal)), Err(rule)) if refusal.rule() == rule => {
                    draft.roll_back(before);
                    format!("refused {rule}")
                }
                _ => return Err(disagreement(&entry, now, &format!("{ours:?}"), theirs, &model)),
            };
            if back && name == "refused past-locking-date" {
                *seen.entry(DATED_BACK.to_owned()).or_default() += 1;
            }
            *seen.entry(name).or_default() += 1;
        }
        if !draft.entries().is_empty() {
            let sealed = draft.seal(&market::key());
            market.take(&sealed);
        }
    }
    for (what, reached) in DEPTHS {
        let count = (0..model.facts.len()).filter(|place| reached(&model, *place)).count();
        if count > 0 {
            *seen.entry((*what).to_owned()).or_default() += count;
        }
    }
    model.tenants().into_iter().try_for_each(|tenant| compare(&market, tenant, &model.of(tenant)))
}

fn disagreement(
    entry: &Entry,
    now: u64,
    ours: &str,
    theirs: Result<(), &str>,
    model: &Model,
) -> String {
    let before: Vec<String> = model.facts.iter().map(|fact| format!("{fact:?}")).collect();
    format!(
        "at {now} (events until {}): {entry:?}\nrules: {ours}\nmodel: {theirs:?}\nafter\n{}",
        now + AHEAD_MS,
        before.join("\n")
    )
}

/// A step that is refused only because it was recorded too late, whatever time it says.
const DATED_BACK: &str = "a step dated back, refused";

/// Whether a history went that far with the entry of that place.
type Reached = fn(&Model, usize) -> bool;

/// How deep histories must go.
const DEPTHS: &[(&str, Reached)] = &[
    (
        "a payout in parts",
        |model, place| matches!(&model.facts[place].body, Body::Payout(body) if body.continues.is_some()),
    ),
    ("something paid again", |model, place| pays_again(&model.facts, place)),
    (
        "a return",
        |model, place| matches!(&model.facts[place].body, Body::PayoutEvent(body) if body.event == PaymentEvent::Returned),
    ),
    ("an override of level 2", |model, place| is_override(&model.facts[place], 2)),
    ("an override of level 3", |model, place| is_override(&model.facts[place], 3)),
    ("a share", |model, place| {
        matches!(&model.facts[place].body, Body::Commission(body)
            if matches!(body.role, Role::Direct { share_ppm: 1..1_000_000, .. }))
    }),
    (
        "a deviation",
        |model, place| matches!(&model.facts[place].body, Body::Commission(body) if body.deviation.is_some()),
    ),
    (
        "a refund",
        |model, place| matches!(&model.facts[place].body, Body::Reversal(body) if body.refund.is_some()),
    ),
    (
        "a payout of nothing",
        |model, place| matches!(&model.facts[place].body, Body::Payout(body) if body.total == Some(Amount::ZERO)),
    ),
    ("terms withdrawn", withdraws),
    ("an override for who stood there", |model, place| {
        overrides(model, place).is_some_and(|(known, of, level, override_)| {
            known.above(known.commission(of).unwrap().affiliate, level)
                != Some(&override_.affiliate)
        })
    }),
    ("an override of what is left", |model, place| {
        overrides(model, place)
            .is_some_and(|(known, of, ..)| known.commission(of).unwrap().reversed > 0)
    }),
    ("a debit of an adjustment", |model, place| {
        adjusts(model, place, Kind::Adjustment, Effect::Debit)
    }),
    ("a credit of a debit", |model, place| {
        adjusts(model, place, Kind::Adjustment, Effect::Credit) && adjusts_debit(model, place)
    }),
    ("an adjustment of a transaction", |model, place| {
        adjusts(model, place, Kind::Transaction, Effect::Credit)
    }),
    ("an adjustment of an inquiry", |model, place| {
        adjusts(model, place, Kind::Inquiry, Effect::Credit)
    }),
    ("a transaction counted once", counts_again),
    ("a step dated back, admitted", |model, place| {
        dates_back(model, place, &model.facts[place], model.recorded[place])
    }),
];

/// Whether terms withdraw those before them, and govern something since.
fn withdraws(model: &Model, place: usize) -> bool {
    let entry = &model.facts[place];
    let Body::ProgramTerms(terms) = &entry.body else { return false };
    let known = model.before(place + 1, &entry.tenant);
    let versions = known.versions(&terms.merchant, &terms.program);
    let used = model.facts[place..].iter().any(|fact| {
        matches!(&fact.body, Body::Commission(body)
            if fact.tenant == entry.tenant && body.terms == entry.external_id)
    });
    match &versions[..] {
        [.., (_, before), (own, _)] => used && known.withdraws(*own, before),
        _ => false,
    }
}

/// What was known before an override, the direct commission and the level, and the override.
fn overrides(model: &Model, place: usize) -> Option<(Known<'_>, &Id, u8, &Commission<Amount>)> {
    let entry = &model.facts[place];
    let Body::Commission(body) = &entry.body else { return None };
    let Role::Override { of, level } = &body.role else { return None };
    Some((model.before(place, &entry.tenant), of, *level, body))
}

fn adjusts(model: &Model, place: usize, kind: Kind, effect: Effect) -> bool {
    matches!(&model.facts[place].body, Body::Adjustment(body)
        if body.related.kind == kind && body.effect == effect)
}

/// Whether an adjustment names one against the affiliate.
fn adjusts_debit(model: &Model, place: usize) -> bool {
    let entry = &model.facts[place];
    let Body::Adjustment(body) = &entry.body else { return false };
    let named = model.of(&entry.tenant).adjustment(&body.related.external_id);
    named.is_some_and(|named| named.effect == Effect::Debit)
}

/// Whether a commission is by a rule with tiers, on a transaction of which the affiliate has one.
fn counts_again(model: &Model, place: usize) -> bool {
    let entry = &model.facts[place];
    let Body::Commission(body) = &entry.body else { return false };
    let known = model.before(place, &entry.tenant);
    let before = known.commissions_of(&body.transaction).into_iter().any(|name| {
        let before = known.commission(name).unwrap();
        before.direct.is_some() && *before.affiliate == body.affiliate
    });
    let (_, terms) = known.terms(&body.terms).unwrap();
    let reward = &terms.rules[usize::from(body.rule) - 1].reward;
    let direct = matches!(body.role, Role::Direct { .. });
    direct && before && matches!(reward, Reward::CountTiers { .. })
}

fn is_override(entry: &Entry, at: u8) -> bool {
    matches!(&entry.body, Body::Commission(body)
        if matches!(body.role, Role::Override { level, .. } if level == at))
}

/// Compares everything that goes beyond one entry.
fn compare(market: &Market, tenant: &Id, known: &Known<'_>) -> Result<(), String> {
    let record = |subject: Subject<'_>| {
        let Ok(stored) = market.state.read(&subject.key(tenant));
        stored.map(|stored| stored.record)
    };
    let payout_state = |payout: Option<StateKey>| -> Option<PayoutState> {
        let Ok(stored) = market.state.read(&payout?);
        match stored?.record {
            Record::Payout(payout) => Some(payout.state),
            _ => None,
        }
    };
    let mut pairs = Vec::new();
    for fact in &known.0 {
        let name = &fact.external_id;
        if let Some(model) = known.commission(name) {
            let Some(Record::Commission(found)) = record(Subject::Entry(Kind::Commission, name))
            else {
                return Err(format!("no record of commission {name}"));
            };
            let standing = found.standing(payout_state(found.payout));
            let ours = (
                found.affiliate.clone(),
                found.merchant.clone(),
                [found.amount, found.fee, found.reversed, found.funded].map(units),
                [found.credited, found.debited, found.left()].map(units),
                (found.locks_at.map(Timestamp::as_millis), found.extended),
                standing.as_str(),
            );
            let theirs = (
                model.affiliate.clone(),
                model.merchant.clone(),
                [model.amount, model.fee, model.reversed, model.funded],
                [model.credits, model.debits, model.left()],
                (model.locks, model.extended),
                model.standing,
            );
            pairs.push((format!("{ours:?}"), format!("{theirs:?}"), name.to_string()));
        }
        if let Some(model) = known.adjustment(name) {
            let Some(Record::Adjustment(found)) = record(Subject::Entry(Kind::Adjustment, name))
            else {
                return Err(format!("no record of adjustment {name}"));
            };
            let standing = found.standing(payout_state(found.payout));
            let sums = [found.amount, found.credited, found.debited].map(units);
            let ours = (found.affiliate.clone(), found.effect, sums);
            let sums = [model.amount, model.credits, model.debits];
            let theirs = (model.affiliate.clone(), model.effect, sums);
            pairs.push((
                format!("{ours:?} {standing:?}").to_lowercase(),
                format!("{theirs:?} {}", model.standing.replace('_', "")).to_lowercase(),
                name.to_string(),
            ));
        }
    }
    pairs.extend(payouts_and_sums(market, tenant, known)?);
    for (ours, theirs, what) in pairs {
        if ours != theirs {
            return Err(format!("{what}: the state has {ours}, the model {theirs}"));
        }
    }
    Ok(())
}

/// What the state and the model have of payouts, and of what is prepaid and carried forward.
fn payouts_and_sums(
    market: &Market,
    tenant: &Id,
    known: &Known<'_>,
) -> Result<Vec<(String, String, String)>, String> {
    let record = |subject: Subject<'_>| {
        let Ok(stored) = market.state.read(&subject.key(tenant));
        stored.map(|stored| stored.record)
    };
    let mut pairs = Vec::new();
    for (first, model) in known.payouts() {
        let Some(Record::Payout(found)) = record(Subject::Entry(Kind::Payout, first)) else {
            return Err(format!("no record of payout {first}"));
        };
        let lines = model.parts.iter().flat_map(|(_, part)| &part.lines);
        let ours = (units(found.added), units(found.taken_off));
        let ours = format!("{ours:?} {}", found.state);
        pairs.push((
            ours,
            format!("{:?} {}", known.sums(lines), model.standing),
            first.to_string(),
        ));
    }
    for who in ["ann", "bob", "cid", "dan", "eve", "shop", "mart"].map(market::id) {
        for code in ["EUR", "GBP", "JPY"].map(market::currency) {
            let carried = match record(Subject::Carried(&who, code)) {
                Some(Record::Carried(found)) => (units(found.kept), units(found.used)),
                _ => (0, 0),
            };
            let prepaid = match record(Subject::Prepaid(&who, code)) {
                Some(Record::Prepaid(found)) => (units(found.received), units(found.covers)),
                _ => (0, 0),
            };
            let theirs = (known.carried(&who, code), known.prepaid(&who, code));
            let ours = format!("{:?}", (carried, prepaid));
            pairs.push((ours, format!("{theirs:?}"), format!("{who} {code}")));
        }
    }
    Ok(pairs)
}
