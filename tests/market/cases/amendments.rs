//! Amendments of commissions and of transactions.

use counterfoil::protocol::entry::{Amended, Entry, Fx, Verdict};
use counterfoil::protocol::money::Amount;

use super::super::{
    amendment, basket, commission, currency, decision, decline, fx, id, item, refund, reversal,
    sale, sale_amended, share, terms, units,
};
use super::{Row, and, another, back, earned, sold};

pub(super) fn rows() -> Vec<Row> {
    [of_amendments(), of_amended_parts(), of_amended_amounts(), of_amended_standings()].concat()
}

fn of_amendments() -> Vec<Row> {
    const STEP: &str = "illegal-step";
    let of = |old: u64, new: u64| {
        amendment("M-9", |body| (body.old, body.new) = (units(old), units(new)))
    };
    let after =
        |verdict: Verdict| and(and(earned(), [decision("D-1", "C-1", verdict)]), another(2, "ann"));
    let second = amendment("M-9", |body| body.of = Amended::Commission { commission: id("C-2") });
    let partly = and(earned(), [back("R-1", 400)]);
    let amended = and(earned(), [of(1_000, 700)].map(|entry| super::named("M-1", entry)));
    vec![
        (
            STEP,
            "approved can't be amended",
            after(Verdict::Approve),
            second.clone(),
            of(1_000, 800),
        ),
        (STEP, "declined can't be amended", after(decline()), second.clone(), of(1_000, 800)),
        (STEP, "locked can't be amended", after(Verdict::Lock), second, of(1_000, 800)),
        ("another-currency", "body.currency: must be EUR", earned(), of(1_000, 800), {
            amendment("M-9", |body| body.currency = currency("GBP"))
        }),
        (
            "stale-amount",
            "body.old: it is 10.00 now, not 9.99",
            earned(),
            of(1_000, 800),
            of(999, 800),
        ),
        (
            "stale-amount",
            "body.old: it is 7.00 now, not 10.00",
            amended,
            of(700, 1_000),
            of(1_000, 800),
        ),
        // What was taken back of it doesn't change what it is.
        (
            "stale-amount",
            "body.old: it is 10.00 now, not 6.00",
            partly.clone(),
            of(1_000, 800),
            of(600, 800),
        ),
        ("no-change", "body.new: the same as before", earned(), of(1_000, 1_001), of(1_000, 1_000)),
        (
            "below-reversed",
            "body.new: 4.00 of it was taken back already",
            partly,
            of(1_000, 400),
            of(1_000, 399),
        ),
    ]
}

/// Corrects the part without a group of sale S-1.
fn sale_of(old: u64, new: u64) -> Entry {
    part(None, old, new)
}

/// Corrects a part of sale S-1.
fn part(group: Option<&str>, old: u64, new: u64) -> Entry {
    sale_amended("M-9", |body| {
        body.of = Amended::Transaction { transaction: id("S-1"), commission_group: group.map(id) };
        (body.old, body.new) = (units(old), units(new));
    })
}

fn of_amended_parts() -> Vec<Row> {
    let given = |sale: Entry| vec![terms("T-1", |_| ()), sale];
    vec![
        (
            "no-such-part",
            "body.of.commission_group: the transaction has no part",
            sold(),
            sale_of(10_000, 1),
            part(Some("media"), 10_000, 1),
        ),
        (
            "no-such-part",
            "body.of.commission_group: the transaction has no part",
            given(basket("S-1", |_| ())),
            part(Some("media"), 4_000, 1),
            { part(Some("tea"), 4_000, 1) },
        ),
        ("another-currency", "body.currency: must be EUR", sold(), sale_of(10_000, 1), {
            sale_amended("M-9", |body| body.currency = currency("GBP"))
        }),
        (
            "stale-amount",
            "body.old: it is 100.00 now, not 99.99",
            sold(),
            sale_of(10_000, 8_000),
            sale_of(9_999, 8_000),
        ),
        (
            "stale-amount",
            "body.old: it is 60.00 now, not 100.00",
            given(basket("S-1", |_| ())),
            part(None, 6_000, 1),
            { part(None, 10_000, 1) },
        ),
    ]
}

fn of_amended_amounts() -> Vec<Row> {
    let refunded = and(
        earned(),
        [reversal("R-1", |body| {
            (body.amount, body.refund) = (units(1), Some(refund(3_000, &[])));
        })],
    );
    let given = |sale: Entry| vec![terms("T-1", |_| ()), sale];
    let in_two = |first: u64, second: u64, change: Option<Fx>| {
        let items = vec![item("one", 1, first, None), item("two", 1, second, Some("media"))];
        given(sale("S-1", |body| {
            (body.items, body.amount, body.fx) = (items, units(first + second), change);
        }))
    };
    let largest = Amount::MAX.units();
    let doubled = || in_two(1, 1, Some(fx("EUR", "GBP", 2_000_000_000)));
    vec![
        (
            "no-change",
            "body.new: the same as before",
            sold(),
            sale_of(10_000, 0),
            sale_of(10_000, 10_000),
        ),
        (
            "below-reversed",
            "body.new: 30.00 of it was taken back already",
            refunded,
            sale_of(10_000, 3_000),
            sale_of(10_000, 2_999),
        ),
        (
            "sum-too-large",
            "body.new: the sum",
            in_two(1, 1, None),
            part(None, 1, largest - 1),
            part(None, 1, largest),
        ),
        (
            "sum-too-large",
            "body.new: the sum",
            doubled(),
            part(None, 1, largest / 2),
            part(None, 1, largest / 2 + 1),
        ),
    ]
}

fn of_amended_standings() -> Vec<Row> {
    const STEP: &str = "illegal-step";
    let half = |name: &str| {
        commission(name, |body| (body.role, body.amount) = (share(500_000, None), units(500)))
    };
    let two = |more: Vec<Entry>| and(and(sold(), [half("C-1"), half("C-2")]), more);
    let given = |sale: Entry| vec![terms("T-1", |_| ()), sale];
    vec![
        (
            STEP,
            "approved can't be amended",
            and(two(vec![decision("D-1", "C-2", Verdict::Approve)]), [sale("S-2", |_| ())]),
            {
                sale_amended("M-9", |body| {
                    body.of =
                        Amended::Transaction { transaction: id("S-2"), commission_group: None };
                })
            },
            sale_of(10_000, 8_000),
        ),
        (
            STEP,
            "approved can't be amended",
            two(vec![decision("D-1", "C-1", Verdict::Approve)]),
            decision("D-9", "C-2", decline()),
            sale_of(10_000, 8_000),
        ),
        // Of a part that is another commission's, even.
        (
            STEP,
            "approved can't be amended",
            and(
                given(basket("S-1", |_| ())),
                [
                    commission("C-1", |body| body.amount = units(600)),
                    decision("D-1", "C-1", Verdict::Approve),
                ],
            ),
            decision("D-2", "C-1", Verdict::Lock),
            part(Some("media"), 4_000, 1),
        ),
        // What was declined or taken back is no obstacle; what was locked is.
        (
            STEP,
            "locked can't be amended",
            two(vec![
                decision("D-1", "C-1", decline()),
                super::named(
                    "R-2",
                    reversal("R-2", |body| {
                        (body.commission, body.amount) = (id("C-2"), units(500));
                    }),
                ),
                sale("S-2", |_| ()),
                commission("C-3", |body| body.transaction = id("S-2")),
                decision("D-3", "C-3", Verdict::Lock),
            ]),
            sale_of(10_000, 8_000),
            sale_amended("M-9", |body| {
                body.of = Amended::Transaction { transaction: id("S-2"), commission_group: None };
            }),
        ),
    ]
}
