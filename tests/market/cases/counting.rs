//! What the terms give by what was counted before: caps, tiers, subscriptions.

use counterfoil::protocol::entry::{Action, Body, CapPer, Entry, Period, RewardRule};
use counterfoil::protocol::money::{Amount, PPM_WHOLE};
use counterfoil::protocol::time::DAY_MS;

use super::super::{
    NOW, basket, capped, commission, counts, decision, decline, id, percent, reversal, sale,
    sale_amended, share, terms_of, units, volumes, when,
};
use super::{Row, and, another};

const RULE: &str = "wrong-amount";

pub(super) fn rows() -> Vec<Row> {
    [
        of_capped_shares(),
        of_caps(),
        of_used_caps(),
        of_counts(),
        of_shared_counts(),
        of_volumes(),
        of_subscriptions(),
    ]
    .concat()
}

/// The whole, of so much.
fn of(amount: u64) -> Entry {
    of_share(PPM_WHOLE, None, amount)
}

/// A share in the part of a group, of so much.
fn of_share(ppm: u32, group: Option<&str>, amount: u64) -> Entry {
    commission("C-9", |body| (body.role, body.amount) = (share(ppm, group), units(amount)))
}

/// All of sale S-2, of so much.
fn second(amount: u64) -> Entry {
    commission("C-9", |body| (body.transaction, body.amount) = (id("S-2"), units(amount)))
}

/// 10 percent, up to so much.
fn cap(per: CapPer, amount: u64) -> RewardRule<Amount> {
    capped(percent(100_000), per, amount)
}

/// Terms T-1 with `rules`, sale S-1 and commission C-1 for ann, and `more`.
fn given(rules: Vec<RewardRule<Amount>>, more: Vec<Entry>) -> Vec<Entry> {
    let terms = vec![terms_of("T-1", rules)];
    and(and(terms, another(1, "ann")), more)
}

fn month(more: Vec<Entry>) -> Vec<Entry> {
    given(vec![cap(CapPer::Month, 1_500)], more)
}

fn ever(more: Vec<Entry>) -> Vec<Entry> {
    given(vec![cap(CapPer::Ever, 1_500)], more)
}

fn sold() -> Vec<Entry> {
    vec![sale("S-2", |_| ())]
}

fn in_october() -> Vec<Entry> {
    vec![when(NOW - 20 * DAY_MS, sale("S-2", |_| ()))]
}

fn of_capped_shares() -> Vec<Row> {
    let by = |per: CapPer| vec![terms_of("T-1", vec![cap(per, 700)]), sale("S-1", |_| ())];
    let (part, ever) = (by(CapPer::Part), by(CapPer::Ever));
    vec![
        (RULE, "must be exactly 7.00 EUR, is 10.00 EUR", part.clone(), of(700), of(1_000)),
        (
            RULE,
            "must be exactly 3.50 EUR, is 5.00 EUR",
            part,
            of_share(500_000, None, 350),
            of_share(500_000, None, 500),
        ),
        // A share is bounded by such a cap, not a cap shared.
        (
            RULE,
            "must be exactly 5.00 EUR, is 3.50 EUR",
            ever,
            of_share(500_000, None, 500),
            of_share(500_000, None, 350),
        ),
    ]
}

fn of_caps() -> Vec<Row> {
    let for_bob = |amount: u64| {
        commission("C-9", |body| {
            (body.transaction, body.affiliate) = (id("S-2"), id("bob"));
            body.amount = units(amount);
        })
    };
    let used_up = || {
        and(
            vec![sale("S-3", |_| ())],
            [
                commission("C-3", |body| (body.transaction, body.amount) = (id("S-3"), units(500))),
                sale("S-2", |_| ()),
            ],
        )
    };
    vec![
        (RULE, "must be exactly 5.00 EUR, is 10.00 EUR", month(sold()), second(500), second(1_000)),
        (
            RULE,
            "must be exactly 10.00 EUR, is 5.00 EUR",
            month(in_october()),
            second(1_000),
            second(500),
        ),
        (
            RULE,
            "must be exactly 0.00 EUR, is 10.00 EUR",
            month(used_up()),
            second(0),
            second(1_000),
        ),
        (RULE, "must be exactly 5.00 EUR, is 10.00 EUR", ever(sold()), second(500), second(1_000)),
        (
            RULE,
            "must be exactly 5.00 EUR, is 10.00 EUR",
            ever(in_october()),
            second(500),
            second(1_000),
        ),
        (
            RULE,
            "must be exactly 10.00 EUR, is 5.00 EUR",
            ever(sold()),
            for_bob(1_000),
            for_bob(500),
        ),
    ]
}

fn of_used_caps() -> Vec<Row> {
    let declined = || vec![decision("D-1", "C-1", decline()), sale("S-2", |_| ())];
    let reversed = || vec![reversal("R-1", |_| ()), sale("S-2", |_| ())];
    vec![
        // What was declined or taken back is counted still.
        (
            RULE,
            "must be exactly 5.00 EUR, is 10.00 EUR",
            ever(declined()),
            second(500),
            second(1_000),
        ),
        (
            RULE,
            "must be exactly 5.00 EUR, is 10.00 EUR",
            month(reversed()),
            second(500),
            second(1_000),
        ),
        // A cap below what was earned by other rules gives nothing, not less.
        (
            RULE,
            "must be exactly 0.00 EUR, is 0.01 EUR",
            given(vec![cap(CapPer::Ever, 1_000)], sold()),
            second(0),
            second(1),
        ),
    ]
}

/// Shares and parts of one transaction that are the same affiliate's count it once.
fn of_shared_counts() -> Vec<Row> {
    let tiers = &[(0, 100_000), (1, 200_000), (2, 300_000)];
    let first = |name: &str, ppm: u32, group: Option<&str>, amount: u64| {
        commission(name, |body| (body.role, body.amount) = (share(ppm, group), units(amount)))
    };
    let given = |rule: RewardRule<Amount>, more: Vec<Entry>| {
        let half = first("C-1", 500_000, None, 300);
        and(vec![terms_of("T-1", vec![rule]), basket("S-1", |_| ()), half], more)
    };
    let twice =
        || vec![first("C-2", 500_000, None, 600), first("C-3", PPM_WHOLE, Some("media"), 800)];
    let by_count = |more: Vec<Entry>| given(counts(Period::Ever, tiers), more);
    // Another affiliate's share counts it for that one.
    let of_bob = |amount: u64| {
        commission("C-9", |body| {
            (body.affiliate, body.role) = (id("bob"), share(500_000, None));
            body.amount = units(amount);
        })
    };
    // What was counted of the volume, all shares give.
    let by_volume = volumes(Period::Ever, &[(0, 100_000), (10_000, 200_000)]);
    let all = vec![first("C-2", 500_000, None, 300), first("C-3", PPM_WHOLE, Some("media"), 400)];
    vec![
        (
            RULE,
            "must be exactly 20.00 EUR, is 30.00 EUR",
            by_count(and(twice(), sold())),
            second(2_000),
            second(3_000),
        ),
        // By then it is counted, for the second share of it, too.
        (
            RULE,
            "must be exactly 6.00 EUR, is 3.00 EUR",
            by_count(vec![]),
            of_share(500_000, None, 600),
            of_share(500_000, None, 300),
        ),
        (RULE, "must be exactly 3.00 EUR, is 6.00 EUR", by_count(vec![]), of_bob(300), of_bob(600)),
        (
            RULE,
            "must be exactly 20.00 EUR, is 10.00 EUR",
            given(by_volume, and(all, sold())),
            second(2_000),
            second(1_000),
        ),
    ]
}

fn of_counts() -> Vec<Row> {
    let count = |period| vec![counts(period, &[(0, 100_000), (1, 200_000), (2, 300_000)])];
    let third = || and(another(3, "bob"), [sale("S-2", |_| ())]);
    // The first rule, by which the first was earned, counts nothing.
    let uncounted = |mut rule: RewardRule<Amount>| {
        rule.affiliate_group = Some(id("stars"));
        vec![rule, percent(100_000)]
    };
    let of_star = |amount: u64| {
        commission("C-9", |body| {
            (body.transaction, body.role) = (id("S-2"), super::super::grouped("stars"));
            body.amount = units(amount);
        })
    };
    let stars = || {
        let mut entries =
            given(uncounted(counts(Period::Ever, &[(0, 100_000), (1, 200_000)])), sold());
        for entry in &mut entries {
            if let Body::Commission(body) = &mut entry.body {
                body.rule = 2;
            }
        }
        entries
    };
    vec![
        (
            RULE,
            "must be exactly 20.00 EUR, is 10.00 EUR",
            given(count(Period::Month), sold()),
            second(2_000),
            second(1_000),
        ),
        (
            RULE,
            "must be exactly 10.00 EUR, is 20.00 EUR",
            given(count(Period::Month), in_october()),
            second(1_000),
            second(2_000),
        ),
        (
            RULE,
            "must be exactly 20.00 EUR, is 10.00 EUR",
            given(count(Period::Ever), in_october()),
            second(2_000),
            second(1_000),
        ),
        (
            RULE,
            "must be exactly 20.00 EUR, is 30.00 EUR",
            given(count(Period::Ever), third()),
            second(2_000),
            second(3_000),
        ),
        (RULE, "must be exactly 10.00 EUR, is 20.00 EUR", stars(), of_star(1_000), of_star(2_000)),
    ]
}

fn of_volumes() -> Vec<Row> {
    let volume = |from: u64| vec![volumes(Period::Ever, &[(0, 100_000), (from, 200_000)])];
    let amended = || vec![sale_amended("M-1", |_| ()), sale("S-2", |_| ())];
    vec![
        (
            RULE,
            "must be exactly 20.00 EUR, is 10.00 EUR",
            given(volume(10_000), sold()),
            second(2_000),
            second(1_000),
        ),
        (
            RULE,
            "must be exactly 10.00 EUR, is 20.00 EUR",
            given(volume(10_001), sold()),
            second(1_000),
            second(2_000),
        ),
        // What was counted stays counted.
        (
            RULE,
            "must be exactly 20.00 EUR, is 10.00 EUR",
            given(volume(10_000), amended()),
            second(2_000),
            second(1_000),
        ),
    ]
}

fn of_subscriptions() -> Vec<Row> {
    let paid = |name: &str, order: &str, action: Action| {
        sale(name, |body| (body.order_ref, body.action) = (id(order), action))
    };
    let given = |recurring: u32, action: Action| {
        let mut rule = percent(100_000);
        rule.recurring = Some(recurring);
        let terms = terms_of("T-1", vec![rule]);
        vec![terms, paid("S-1", "sub", action), paid("S-2", "sub", action)]
    };
    let subscribed = |recurring: u32| given(recurring, Action::Subscription);
    let mut other = subscribed(1);
    other[2] = paid("S-2", "another", Action::Subscription);
    vec![
        (RULE, "must be exactly 0.00 EUR, is 10.00 EUR", subscribed(1), second(0), second(1_000)),
        // Which is the first goes by the transactions, not by the commissions.
        (RULE, "must be exactly 10.00 EUR, is 0.00 EUR", subscribed(1), of(1_000), of(0)),
        (RULE, "must be exactly 10.00 EUR, is 0.00 EUR", subscribed(2), second(1_000), second(0)),
        (
            RULE,
            "must be exactly 10.00 EUR, is 0.00 EUR",
            given(1, Action::Sale),
            second(1_000),
            second(0),
        ),
        (RULE, "must be exactly 10.00 EUR, is 0.00 EUR", other, second(1_000), second(0)),
    ]
}
