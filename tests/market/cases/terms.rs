//! Program terms, and the programs that have some.

use counterfoil::protocol::entry::{
    Action, Body, CapPer, Entry, Locking, Period, Rate, Reward, RewardRule, Tier,
};
use counterfoil::protocol::money::{Amount, PPM_WHOLE};
use counterfoil::protocol::time::DAY_MS;

use super::super::{
    AHEAD_MS, NOW, at, capped, counts, currency, fixed, id, inquiry, of_tenant, percent, rule,
    sale, terms, terms_of, units, volumes,
};
use super::{Row, and, sold};

pub(super) fn rows() -> Vec<Row> {
    [of_programs(), of_the_whole(), of_rewards(), of_tiers(), of_rules(), of_versions()].concat()
}

fn of_programs() -> Vec<Row> {
    const RULE: &str = "unknown-program";
    let of = |program: &str| sale("S-2", |body| body.program = id(program));
    let asked = |merchant: &str| inquiry("Q-1", |body| body.merchant = id(merchant));
    vec![
        (RULE, "merchant shop has no terms for program side", sold(), of("main"), of("side")),
        (RULE, "merchant main has no terms for program shop", sold(), of("main"), {
            sale("S-2", |body| (body.merchant, body.program) = (id("main"), id("shop")))
        }),
        (
            RULE,
            "merchant shop has no terms for program main",
            sold(),
            of("main"),
            of_tenant("other", of("main")),
        ),
        (RULE, "merchant mart has no terms for program main", sold(), asked("shop"), asked("mart")),
        (
            RULE,
            "merchant shop has no terms for program side",
            sold(),
            asked("shop"),
            inquiry("Q-1", |body| body.program = id("side")),
        ),
    ]
}

fn of_the_whole() -> Vec<Row> {
    const DAY: &str = "no-such-day";
    use Action::{Lead, Sale, Signup, Subscription};
    let until = |from: u64, until: u64| {
        terms("T-1", |body| {
            (body.effective_from, body.effective_until) = (at(from), Some(at(until)));
        })
    };
    let actions = |actions: &[Action]| terms("T-1", |body| body.actions = actions.to_vec());
    let day =
        |months: u8, day: u8| terms("T-1", |body| body.locking = Locking::MonthDay { months, day });
    let fee = |ppm: u32| terms("T-1", |body| body.network_fee_ppm = ppm);
    let many = |count: usize| terms_of("T-1", vec![percent(1); count]);
    vec![
        (
            "empty-period",
            "body.effective_until: must be later than the beginning",
            vec![],
            until(9, 10),
            until(9, 9),
        ),
        (
            "empty-period",
            "body.effective_until: must be later than the beginning",
            vec![],
            until(9, 10),
            until(9, 0),
        ),
        ("list-length", "body.actions: 1 to 4, not 0", vec![], actions(&[Signup]), actions(&[])),
        ("list-length", "body.actions: 1 to 4, not 5", vec![], actions(&Action::ALL), {
            actions(&[Sale, Lead, Signup, Subscription, Subscription])
        }),
        (
            "unordered",
            "body.actions: each",
            vec![],
            actions(&[Sale, Subscription]),
            actions(&[Subscription, Sale]),
        ),
        ("unordered", "body.actions: each", vec![], actions(&[Lead]), actions(&[Lead, Lead])),
        (DAY, "body.locking: 1 to 12 months later, on day 1 to 28", vec![], day(1, 1), day(0, 1)),
        (
            DAY,
            "body.locking: 1 to 12 months later, on day 1 to 28",
            vec![],
            day(12, 28),
            day(13, 28),
        ),
        (DAY, "body.locking: 1 to 12 months later, on day 1 to 28", vec![], day(1, 1), day(1, 0)),
        (
            DAY,
            "body.locking: 1 to 12 months later, on day 1 to 28",
            vec![],
            day(12, 28),
            day(12, 29),
        ),
        (
            "rate-above-whole",
            "body.network_fee_ppm: 1000001",
            vec![],
            fee(PPM_WHOLE),
            fee(PPM_WHOLE + 1),
        ),
        ("list-length", "body.rules: 1 to 100, not 0", vec![], many(1), many(0)),
        ("list-length", "body.rules: 1 to 100, not 101", vec![], many(100), many(101)),
    ]
}

fn of_rewards() -> Vec<Row> {
    const RATE: &str = "rate-above-whole";
    let of = |rule: RewardRule<Amount>| terms_of("T-1", vec![rule]);
    // The second of two is looked at, too.
    let second = |rule: RewardRule<Amount>| terms_of("T-1", vec![percent(1), rule]);
    let volume = |code: &str| {
        let volumes = vec![Tier { from: units(0), rate: Rate::Percent { ppm: 1 } }];
        of(rule(Reward::VolumeTiers { period: Period::Ever, currency: currency(code), volumes }))
    };
    let tier = |from: u64, code: &str| Tier {
        from,
        rate: Rate::Fixed { currency: currency(code), amount: units(5) },
    };
    let fixed_tiers = |code: &str| {
        let counts = vec![tier(0, "EUR"), tier(1, code)];
        of(rule(Reward::CountTiers { period: Period::Month, counts }))
    };
    vec![
        (
            "unknown-currency",
            "body.rules.reward.currency: currency USD",
            vec![],
            of(fixed("JPY", 5)),
            of(fixed("USD", 5)),
        ),
        (
            "unknown-currency",
            "body.rules.reward.currency: currency USD",
            vec![],
            second(fixed("GBP", 5)),
            second(fixed("USD", 5)),
        ),
        (
            "unknown-currency",
            "body.rules.reward.currency: currency USD",
            vec![],
            volume("GBP"),
            volume("USD"),
        ),
        (
            "unknown-currency",
            "body.rules.reward.counts: currency USD",
            vec![],
            fixed_tiers("GBP"),
            fixed_tiers("USD"),
        ),
        (
            RATE,
            "body.rules.reward.ppm: 1000001",
            vec![],
            of(percent(PPM_WHOLE)),
            of(percent(PPM_WHOLE + 1)),
        ),
        (
            RATE,
            "body.rules.reward.ppm: 1000001",
            vec![],
            second(percent(PPM_WHOLE)),
            second(percent(PPM_WHOLE + 1)),
        ),
    ]
}

fn of_tiers() -> Vec<Row> {
    const RATE: &str = "rate-above-whole";
    let of = |rule: RewardRule<Amount>| terms_of("T-1", vec![rule]);
    let counted = |tiers: &[(u64, u32)]| of(counts(Period::Month, tiers));
    let of_volume = |tiers: &[(u64, u32)]| of(volumes(Period::Ever, tiers));
    let ascending = |count: u64| (0..count).map(|from| (from, 1)).collect::<Vec<_>>();
    vec![
        (
            "list-length",
            "body.rules.reward.counts: 1 to 20, not 0",
            vec![],
            counted(&ascending(1)),
            counted(&[]),
        ),
        (
            "list-length",
            "body.rules.reward.counts: 1 to 20, not 21",
            vec![],
            counted(&ascending(20)),
            counted(&ascending(21)),
        ),
        (
            "list-length",
            "body.rules.reward.volumes: 1 to 20, not 21",
            vec![],
            of_volume(&ascending(20)),
            of_volume(&ascending(21)),
        ),
        (
            "unordered",
            "body.rules.reward.counts: each",
            vec![],
            counted(&[(0, 5), (1, 5)]),
            counted(&[(1, 5), (2, 5)]),
        ),
        (
            "unordered",
            "body.rules.reward.counts: each",
            vec![],
            counted(&[(0, 5), (9, 5)]),
            counted(&[(0, 5), (0, 6)]),
        ),
        (
            "unordered",
            "body.rules.reward.volumes: each",
            vec![],
            of_volume(&[(0, 5), (1, 5)]),
            of_volume(&[(1, 5)]),
        ),
        (
            "unordered",
            "body.rules.reward.volumes: each",
            vec![],
            of_volume(&[(0, 5), (8, 5), (9, 5)]),
            { of_volume(&[(0, 5), (9, 5), (8, 5)]) },
        ),
        (RATE, "body.rules.reward.counts: 1000001", vec![], counted(&[(0, 1), (1, PPM_WHOLE)]), {
            counted(&[(0, 1), (1, PPM_WHOLE + 1)])
        }),
        (
            RATE,
            "body.rules.reward.volumes: 4294967295",
            vec![],
            of_volume(&[(0, PPM_WHOLE)]),
            of_volume(&[(0, u32::MAX)]),
        ),
    ]
}

fn of_rules() -> Vec<Row> {
    let with = |alter: fn(&mut RewardRule<Amount>)| {
        let mut rule = percent(1);
        alter(&mut rule);
        terms_of("T-1", vec![rule])
    };
    let cap = |code: &str| {
        let mut rule = capped(percent(1), CapPer::Part, 0);
        rule.cap.as_mut().unwrap().currency = currency(code);
        terms_of("T-1", vec![rule])
    };
    vec![
        (
            "zero-amount",
            "body.rules.recurring: must be more",
            vec![],
            with(|rule| rule.recurring = Some(1)),
            { with(|rule| rule.recurring = Some(0)) },
        ),
        (
            "unknown-currency",
            "body.rules.cap.currency: currency USD",
            vec![],
            cap("JPY"),
            cap("USD"),
        ),
        (
            "list-length",
            "body.rules.override_ppm: 0 to 10, not 11",
            vec![],
            with(|rule| rule.override_ppm = vec![1; 10]),
            { with(|rule| rule.override_ppm = vec![1; 11]) },
        ),
        (
            "rate-above-whole",
            "body.rules.override_ppm: 1000001",
            vec![],
            with(|rule| rule.override_ppm = vec![0, PPM_WHOLE]),
            with(|rule| rule.override_ppm = vec![0, PPM_WHOLE + 1]),
        ),
    ]
}

fn of_versions() -> Vec<Row> {
    const WRONG: &str = "wrong-version";
    const BACK: &str = "terms-reach-back";
    let version = |version: u32, from: u64| {
        let name = format!("T-{version}x");
        terms(&name, |body| (body.version, body.effective_from) = (version, at(from)))
    };
    let first = || vec![terms("T-1", |_| ())];
    let of_mart = |entry: Entry| {
        let Body::ProgramTerms(mut body) = entry.body else { unreachable!("terms are terms") };
        body.merchant = id("mart");
        super::super::entry("T-9", Body::ProgramTerms(body))
    };
    vec![
        (WRONG, "body.version: must be 1, is 2", vec![], version(1, NOW), version(2, NOW)),
        (WRONG, "body.version: must be 1, is 0", vec![], version(1, NOW), version(0, NOW)),
        (WRONG, "body.version: must be 2, is 1", first(), version(2, NOW), version(1, NOW)),
        (WRONG, "body.version: must be 2, is 3", first(), version(2, NOW), version(3, NOW)),
        // Each merchant counts its own.
        (
            WRONG,
            "body.version: must be 1, is 2",
            first(),
            of_mart(version(1, NOW)),
            of_mart(version(2, NOW)),
        ),
        (
            BACK,
            "at 2023-11-14T22:13:20Z at the earliest, not 2023-11-14T22:13:19.999Z",
            first(),
            version(2, NOW),
            version(2, NOW - 1),
        ),
        (
            BACK,
            "at 2023-11-14T22:13:20.009Z at the earliest, not 2023-11-14T22:13:20.008Z",
            and(first(), [version(2, NOW + 9)]),
            version(3, NOW + 9),
            version(3, NOW + 8),
        ),
        // Too late for any transaction, and withdrawn therefore; not a moment earlier.
        (
            BACK,
            "at 2023-11-14T22:13:20Z at the earliest, not 2023-11-14T22:13:19.999Z",
            and(first(), [version(2, NOW + AHEAD_MS + 1)]),
            version(3, NOW),
            version(3, NOW - 1),
        ),
        (
            BACK,
            "at 2023-11-14T22:18:20Z at the earliest, not 2023-11-14T22:18:19.999Z",
            and(first(), [version(2, NOW + AHEAD_MS)]),
            version(3, NOW + AHEAD_MS),
            version(3, NOW + AHEAD_MS - 1),
        ),
        // The first, and one after another.
        (
            BACK,
            "at 2023-11-14T22:13:20Z at the earliest, not 2023-11-14T22:13:19.999Z",
            vec![version(1, NOW + 2 * DAY_MS), version(2, NOW + 4 * DAY_MS)],
            version(3, NOW),
            version(3, NOW - 1),
        ),
    ]
}
