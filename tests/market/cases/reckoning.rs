//! What the terms give: amounts, fees and locking dates.

use counterfoil::protocol::entry::{Amended, Entry, Locking, Reason, RewardRule, Transaction};
use counterfoil::protocol::money::{Amount, PPM_WHOLE};
use counterfoil::protocol::time::{DAY_MS, Timestamp};

use super::super::{
    NOW, at, basket, commission, currency, fixed, fx, id, percent, sale, sale_amended, share,
    terms, terms_of, units, when,
};
use super::{Row, and, sold};

const RULE: &str = "wrong-amount";

pub(super) fn rows() -> Vec<Row> {
    [of_rates(), of_parts(), of_changes(), of_deviations(), of_fees(), of_dates()].concat()
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
        body.of =
            Amended::Transaction { transaction: id("S-1"), commission_group: Some(id("media")) };
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
            when(NOW + 5, on(Some(NOW + 30 * DAY_MS))),
            when(NOW + 5, on(Some(NOW + 30 * DAY_MS + 5))),
        ),
    ]
}
