//! Transactions.

use counterfoil::protocol::entry::{Fx, Item};
use counterfoil::protocol::money::Amount;

use super::super::{basket, currency, fx, item, sale, units};
use super::{Row, sold};

pub(super) fn rows() -> Vec<Row> {
    [of_items(), of_changes()].concat()
}

fn of_items() -> Vec<Row> {
    let of = |items: Vec<Item<Amount>>, amount: u64| {
        sale("S-2", |body| (body.items, body.amount) = (items, units(amount)))
    };
    let many = |count: usize| {
        of((0..count).map(|n| item(&format!("i-{n}"), 1, 1, None)).collect(), count as u64)
    };
    let two = |quantity: u32| {
        basket("S-2", |body| {
            if let Some(item) = body.items.last_mut() {
                item.quantity = quantity;
            }
        })
    };
    let called =
        |name: &str| of(vec![item("shoe", 1, 5, None), item(name, 1, 6, Some("media"))], 11);
    let total = |amount: u64| basket("S-2", |body| body.amount = units(amount));
    let largest = Amount::MAX.units();
    vec![
        (
            "unknown-currency",
            "body.currency: currency USD",
            sold(),
            sale("S-2", |body| body.currency = currency("JPY")),
            { sale("S-2", |body| body.currency = currency("USD")) },
        ),
        ("list-length", "body.items: 0 to 100, not 101", sold(), many(100), many(101)),
        ("zero-amount", "body.items.quantity: must be more", sold(), two(1), two(0)),
        (
            "duplicate-item",
            "body.items: shoe stands there twice",
            sold(),
            called("book"),
            called("shoe"),
        ),
        ("wrong-total", "100.00, not 100.01", sold(), total(10_000), total(10_001)),
        ("wrong-total", "100.00, not 0.00", sold(), total(10_000), total(0)),
        // Sums beyond what an amount can be are no amount.
        (
            "wrong-total",
            "too much, not 92233720368547758.07",
            sold(),
            of(vec![item("one", 1, largest, None)], largest),
            of(vec![item("one", 1, largest, None), item("two", 1, 1, None)], largest),
        ),
    ]
}

fn of_changes() -> Vec<Row> {
    let in_yen =
        |change: Fx| sale("S-2", |body| (body.currency, body.fx) = (currency("JPY"), Some(change)));
    let rich = |amount: u64, rate: u64| {
        sale("S-2", |body| {
            (body.amount, body.fx) = (units(amount), Some(fx("EUR", "GBP", rate)));
        })
    };
    // Of two parts only one is too large.
    let parts = |amount: u64| {
        let items = vec![item("one", 1, 1, None), item("two", 1, amount, Some("media"))];
        sale("S-2", |body| {
            (body.items, body.amount) = (items, units(amount + 1));
            body.fx = Some(fx("EUR", "GBP", 2_000_000_000));
        })
    };
    let (largest, one) = (Amount::MAX.units(), 1_000_000_000);
    let half = largest / 2;
    vec![
        ("another-currency", "body.fx.from: must be JPY", sold(), in_yen(fx("JPY", "EUR", one)), {
            in_yen(fx("GBP", "EUR", one))
        }),
        ("unknown-currency", "body.fx.to: currency USD", sold(), in_yen(fx("JPY", "EUR", one)), {
            in_yen(fx("JPY", "USD", one))
        }),
        (
            "needless-fx",
            "body.fx: both currencies are the same",
            sold(),
            in_yen(fx("JPY", "GBP", one)),
            in_yen(fx("JPY", "JPY", one)),
        ),
        (
            "zero-amount",
            "body.fx.rate: must be more",
            sold(),
            in_yen(fx("JPY", "EUR", 1)),
            in_yen(fx("JPY", "EUR", 0)),
        ),
        (
            "sum-too-large",
            "body.amount: the sum",
            sold(),
            rich(largest, one),
            rich(largest, one + 1),
        ),
        (
            "sum-too-large",
            "body.amount: the sum",
            sold(),
            rich(1, u64::MAX),
            rich(largest, u64::MAX),
        ),
        ("sum-too-large", "body.amount: the sum", sold(), parts(half), parts(half + 1)),
    ]
}
