//! What the terms give: amounts, fees and locking dates.

use counterfoil::protocol::entry::{
    Action, CapPer, Entry, Locking, Period, Reason, RewardRule, Transaction,
};
use counterfoil::protocol::money::{Amount, PPM_WHOLE};
use counterfoil::protocol::time::{DAY_MS, Timestamp};

use super::super::{
    NOW, at, basket, capped, commission, counts, currency, decision, decline, fixed, fx, id,
    percent, reversal, sale, sale_amended, share, terms, terms_of, units, volumes, when,
};
use super::{Row, and, another, earned, sold};

const RULE: &str = "wrong-amount";

pub(super) fn rows() -> Vec<Row> {
    [
        of_rates(),
        of_parts(),
        of_changes(),
        of_caps(),
        of_tiers(),
        of_subscriptions(),
        of_deviations(),
        of_fees(),
        of_dates(),
    ]
    .concat()
}

fn ruled(rule: RewardRule<Amount>, sold: impl FnOnce(&mut Transaction<Amount>)) -> Vec<Entry> {
    vec![terms_of("T-1", vec![rule]), sale("S-1", sold)]
}

/// A share in the part of a group, of so much.
fn of_share(ppm: u32, group: Option<&str>, amount: u64) -> Entry {
    commission("C-9", |body| (body.role, body.amount) = (share(ppm, group), units(amount)))
}

/// The whole, of so much.
fn of(amount: u64) -> Entry {
    of_share(PPM_WHOLE, None, amount)
}

/// All of sale S-2, of so much.
fn second(amount: u64) -> Entry {
    commission("C-9", |body| (body.transaction, body.amount) = (id("S-2"), units(amount)))
}

fn of_rates() -> Vec<Row> {
    let sold_for = |amount: u64| ruled(percent(100_000), |body| body.amount = units(amount));
    let free = || ruled(fixed("EUR", 5), |body| body.amount = units(0));
    vec![
        (RULE, "must be exactly 10.00 EUR, is 10.01 EUR", sold(), of(1_000), of(1_001)),
        (RULE, "must be exactly 10.00 EUR, is 9.99 EUR", sold(), of(1_000), of(999)),
        // Half to even.
        (RULE, "must be exactly 0.00 EUR, is 0.01 EUR", sold_for(5), of(0), of(1)),
        (RULE, "must be exactly 0.02 EUR, is 0.01 EUR", sold_for(15), of(2), of(1)),
        (RULE, "must be exactly 0.02 EUR, is 0.03 EUR", sold_for(25), of(2), of(3)),
        (RULE, "must be exactly 0.03 EUR, is 0.02 EUR", sold_for(26), of(3), of(2)),
        (RULE, "must be exactly 0.05 EUR, is 0.00 EUR", free(), of(5), of(0)),
        (
            RULE,
            "must be exactly 5.00 EUR, is 5.01 EUR",
            sold(),
            of_share(500_500, None, 500),
            of_share(500_500, None, 501),
        ),
        (
            RULE,
            "must be exactly 0.02 EUR, is 0.03 EUR",
            free(),
            of_share(500_000, None, 2),
            of_share(500_000, None, 3),
        ),
        // The whole is rounded before it is shared.
        (
            RULE,
            "must be exactly 0.00 EUR, is 0.01 EUR",
            sold_for(15),
            of_share(250_000, None, 0),
            of_share(250_000, None, 1),
        ),
    ]
}

fn of_parts() -> Vec<Row> {
    let given = |sale: Entry| vec![terms("T-1", |_| ()), sale];
    let media = |amount: u64| of_share(PPM_WHOLE, Some("media"), amount);
    let of_media = basket("S-1", |body| body.commission_group = Some(id("media")));
    let amended = and(sold(), [sale_amended("M-1", |_| ())]);
    let amended_book = sale_amended("M-1", |body| {
        body.of = counterfoil::protocol::entry::Amended::Transaction {
            transaction: id("S-1"),
            commission_group: Some(id("media")),
        };
        (body.old, body.new) = (units(4_000), units(5_000));
    });
    let amended_part = and(given(basket("S-1", |_| ())), [amended_book]);
    vec![
        (
            RULE,
            "must be exactly 6.00 EUR, is 10.00 EUR",
            given(basket("S-1", |_| ())),
            of(600),
            of(1_000),
        ),
        (
            RULE,
            "must be exactly 4.00 EUR, is 10.00 EUR",
            given(basket("S-1", |_| ())),
            media(400),
            media(1_000),
        ),
        (RULE, "must be exactly 10.00 EUR, is 4.00 EUR", given(of_media), media(1_000), media(400)),
        (RULE, "must be exactly 8.00 EUR, is 10.00 EUR", amended, of(800), of(1_000)),
        (
            RULE,
            "must be exactly 5.00 EUR, is 4.00 EUR",
            amended_part.clone(),
            media(500),
            media(400),
        ),
        (RULE, "must be exactly 6.00 EUR, is 7.00 EUR", amended_part, of(600), of(700)),
    ]
}

fn of_changes() -> Vec<Row> {
    let changed = |ppm: u32, from: &str, amount: u64, to: &str, rate: u64| {
        ruled(percent(ppm), |body| {
            (body.currency, body.amount) = (currency(from), units(amount));
            body.fx = Some(fx(from, to, rate));
        })
    };
    let in_yen = |amount: u64| {
        commission("C-9", |body| (body.currency, body.amount) = (currency("JPY"), units(amount)))
    };
    let yen = || changed(100_000, "JPY", 1_000, "EUR", 6_100_000);
    vec![
        (RULE, "must be exactly 0.61 EUR, is 0.62 EUR", yen(), of(61), of(62)),
        (
            RULE,
            "must be exactly 200 JPY, is 20000 JPY",
            changed(100_000, "EUR", 1_250, "JPY", 160_000_000_000),
            in_yen(200),
            { in_yen(20_000) },
        ),
        (
            RULE,
            "must be exactly 0.02 GBP, is 0.01 GBP",
            changed(PPM_WHOLE, "EUR", 3, "GBP", 500_000_000),
            {
                commission("C-9", |body| (body.currency, body.amount) = (currency("GBP"), units(2)))
            },
            {
                commission("C-9", |body| (body.currency, body.amount) = (currency("GBP"), units(1)))
            },
        ),
        // Changed first, and rounded then: 4.5 cents are 4, and an eighth of 4 is a half.
        (
            RULE,
            "must be exactly 0.00 EUR, is 0.01 EUR",
            changed(125_000, "JPY", 100, "EUR", 450_000),
            of(0),
            of(1),
        ),
    ]
}

fn of_caps() -> Vec<Row> {
    let cap = |per: CapPer, amount: u64| capped(percent(100_000), per, amount);
    let given = |rule: RewardRule<Amount>, more: Vec<Entry>| {
        let mut entries = earned();
        entries[0] = terms_of("T-1", vec![rule]);
        and(entries, more)
    };
    let sold = || vec![sale("S-2", |_| ())];
    let in_october = || vec![when(NOW - 20 * DAY_MS, sale("S-2", |_| ()))];
    let for_bob = |amount: u64| {
        commission("C-9", |body| {
            (body.transaction, body.affiliate) = (id("S-2"), id("bob"));
            body.amount = units(amount);
        })
    };
    let part = || ruled(cap(CapPer::Part, 700), |_| ());
    let month = |more| given(cap(CapPer::Month, 1_500), more);
    let ever = |more| given(cap(CapPer::Ever, 1_500), more);
    let shared = || ruled(cap(CapPer::Ever, 700), |_| ());
    let declined = || vec![decision("D-1", "C-1", decline()), sale("S-2", |_| ())];
    let reversed = || vec![reversal("R-1", |_| ()), sale("S-2", |_| ())];
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
        (RULE, "must be exactly 7.00 EUR, is 10.00 EUR", part(), of(700), of(1_000)),
        (
            RULE,
            "must be exactly 3.50 EUR, is 5.00 EUR",
            part(),
            of_share(500_000, None, 350),
            of_share(500_000, None, 500),
        ),
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
        // A share is bounded by such a cap, not a cap shared.
        (
            RULE,
            "must be exactly 5.00 EUR, is 3.50 EUR",
            shared(),
            of_share(500_000, None, 500),
            of_share(500_000, None, 350),
        ),
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
            given(cap(CapPer::Ever, 1_000), sold()),
            second(0),
            second(1),
        ),
    ]
}

fn of_tiers() -> Vec<Row> {
    let given = |rules: Vec<RewardRule<Amount>>, more: Vec<Entry>| {
        let mut entries = vec![terms_of("T-1", rules)];
        entries.extend(another(1, "ann"));
        and(entries, more)
    };
    let sold = || vec![sale("S-2", |_| ())];
    let in_october = || vec![when(NOW - 20 * DAY_MS, sale("S-2", |_| ()))];
    let count = |period| vec![counts(period, &[(0, 100_000), (1, 200_000), (2, 300_000)])];
    let volume = |from: u64| vec![volumes(Period::Ever, &[(0, 100_000), (from, 200_000)])];
    let third = || and(another(3, "bob"), [sale("S-2", |_| ())]);
    let amended = || vec![sale_amended("M-1", |_| ()), sale("S-2", |_| ())];
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
            if let counterfoil::protocol::entry::Body::Commission(body) = &mut entry.body {
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
        (RULE, "must be exactly 10.00 EUR, is 20.00 EUR", stars(), of_star(1_000), of_star(2_000)),
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

fn of_deviations() -> Vec<Row> {
    const NEEDLESS: &str = "needless-deviation";
    let deviating = |amount: u64| {
        commission("C-9", |body| {
            (body.amount, body.deviation) = (units(amount), Some(Reason::Goodwill));
        })
    };
    vec![
        (
            NEEDLESS,
            "body.deviation: the amount is what the terms give",
            sold(),
            deviating(1_001),
            deviating(1_000),
        ),
        (
            NEEDLESS,
            "body.deviation: the amount is what the terms give",
            sold(),
            deviating(0),
            deviating(1_000),
        ),
    ]
}

fn of_fees() -> Vec<Row> {
    let given = || {
        let mut entries = sold();
        entries[0] = terms("T-1", |body| body.network_fee_ppm = 250_000);
        entries
    };
    let with = |amount: u64, fee: u64| {
        commission("C-9", |body| {
            (body.amount, body.fee) = (units(amount), units(fee));
            body.deviation = (amount != 1_000).then_some(Reason::Goodwill);
        })
    };
    vec![
        (
            RULE,
            "must be exactly 2.50 EUR, is 2.51 EUR",
            given(),
            with(1_000, 250),
            with(1_000, 251),
        ),
        (RULE, "must be exactly 2.50 EUR, is 0.00 EUR", given(), with(1_000, 250), with(1_000, 0)),
        (RULE, "must be exactly 0.00 EUR, is 0.01 EUR", sold(), with(1_000, 0), with(1_000, 1)),
        // Of what is stated, whatever the terms give.
        (RULE, "must be exactly 0.02 EUR, is 2.50 EUR", given(), with(10, 2), with(10, 250)),
        (RULE, "must be exactly 0.04 EUR, is 0.03 EUR", given(), with(14, 4), with(14, 3)),
    ]
}

fn of_dates() -> Vec<Row> {
    let given = |locking: Locking| {
        let mut entries = sold();
        entries[0] = terms("T-1", |body| body.locking = locking);
        entries
    };
    let on = |date: Option<u64>| commission("C-9", |body| body.locking_date = date.map(at));
    let row = |says: &'static str, locking: Locking, right: Option<u64>, wrong: Option<u64>| {
        ("wrong-locking-date", says, given(locking), on(right), on(wrong))
    };
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap().as_millis());
    let day = |months: u8, day: u8| Locking::MonthDay { months, day };
    vec![
        row("body.locking_date: the terms give none", Locking::OpenEnded, None, Some(NOW)),
        row(
            "body.locking_date: the terms give 2023-11-14T22:13:20Z",
            Locking::Immediate,
            Some(NOW),
            None,
        ),
        row(
            "body.locking_date: the terms give 2023-11-14T22:13:20Z",
            Locking::Immediate,
            Some(NOW),
            Some(NOW + 1),
        ),
        row(
            "body.locking_date: the terms give 2023-12-14T22:13:20Z",
            Locking::Days { days: 30 },
            Some(NOW + 30 * DAY_MS),
            Some(NOW + 30 * DAY_MS - 1),
        ),
        row(
            "body.locking_date: the terms give 2023-11-14T22:13:20Z",
            Locking::Days { days: 0 },
            Some(NOW),
            Some(NOW + DAY_MS),
        ),
        row(
            "body.locking_date: the terms give 2023-12-20T00:00:00Z",
            day(1, 20),
            time("2023-12-20T00:00:00Z"),
            time("2023-12-20T00:00:00.001Z"),
        ),
        row(
            "body.locking_date: the terms give 2023-12-01T00:00:00Z",
            day(1, 1),
            time("2023-12-01T00:00:00Z"),
            time("2023-12-14T00:00:00Z"),
        ),
        row(
            "body.locking_date: the terms give 2024-01-28T00:00:00Z",
            day(2, 28),
            time("2024-01-28T00:00:00Z"),
            time("2024-01-14T22:13:20Z"),
        ),
        row(
            "body.locking_date: the terms give 2024-11-14T00:00:00Z",
            day(12, 14),
            time("2024-11-14T00:00:00Z"),
            time("2023-11-14T00:00:00Z"),
        ),
        // The transaction's time counts, not the commission's.
        (
            "wrong-locking-date",
            "body.locking_date: the terms give 2023-12-14T22:13:20Z",
            given(Locking::Days { days: 30 }),
            when(NOW - 5, on(Some(NOW + 30 * DAY_MS))),
            when(NOW - 5, on(Some(NOW + 30 * DAY_MS - 5))),
        ),
    ]
}
