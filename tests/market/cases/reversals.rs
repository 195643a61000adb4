//! Reversals, and the refunds behind them.

use counterfoil::protocol::entry::{Entry, Item, Refund, RefundItem};
use counterfoil::protocol::money::Amount;

use super::super::{
    amendment, basket, commission, currency, fx, id, item, refund, reversal, sale, sale_amended,
    share, terms, units,
};
use super::{Row, and, back, earned, sold};

pub(super) fn rows() -> Vec<Row> {
    [of_reversals(), of_refunds(), of_refunded_items(), of_refunded_quantities()].concat()
}

/// Takes back 0.01 EUR of commission C-1 because of a refund.
fn refunding(name: &str, refund: Refund<Amount>) -> Entry {
    reversal(name, |body| (body.amount, body.refund) = (units(1), Some(refund)))
}

fn of_reversals() -> Vec<Row> {
    const MUCH: &str = "too-much";
    let partly = and(earned(), [back("R-1", 600)]);
    let amended = and(earned(), [amendment("M-1", |_| ())]);
    vec![
        ("zero-amount", "body.amount: must be more", earned(), back("R-9", 1), back("R-9", 0)),
        ("another-currency", "body.currency: must be EUR", earned(), back("R-9", 1), {
            reversal("R-9", |body| body.currency = currency("GBP"))
        }),
        (
            MUCH,
            "10.01 EUR is more than what is left, 10.00 EUR",
            earned(),
            back("R-9", 1_000),
            back("R-9", 1_001),
        ),
        (
            MUCH,
            "4.01 EUR is more than what is left, 4.00 EUR",
            partly,
            back("R-9", 400),
            back("R-9", 401),
        ),
        (
            MUCH,
            "8.01 EUR is more than what is left, 8.00 EUR",
            amended,
            back("R-9", 800),
            back("R-9", 801),
        ),
    ]
}

fn of_refunds() -> Vec<Row> {
    let of = |amount: u64| refunding("R-9", refund(amount, &[]));
    let inn = |code: &str| {
        let given = Refund { currency: currency(code), amount: units(1), items: Vec::new() };
        refunding("R-9", given)
    };
    // The refund is in the transaction's currency, the commission in another.
    let changed = vec![
        terms("T-1", |_| ()),
        sale("S-1", |body| {
            (body.currency, body.fx) = (currency("JPY"), Some(fx("JPY", "EUR", 10_000_000)));
        }),
        commission("C-1", |_| ()),
    ];
    let partly = and(earned(), [refunding("R-1", refund(6_000, &[]))]);
    let thrice = and(partly.clone(), [refunding("R-2", refund(3_000, &[]))]);
    let amended = and(earned(), [sale_amended("M-1", |_| ())]);
    // Of whichever commission the refunds are.
    let shared = |name: &str| {
        commission(name, |body| (body.role, body.amount) = (share(500_000, None), units(500)))
    };
    let two = and(sold(), [shared("C-1"), shared("C-2"), refunding("R-1", refund(6_000, &[]))]);
    let of_second = |amount: u64| {
        reversal("R-9", |body| {
            (body.commission, body.amount) = (id("C-2"), units(1));
            body.refund = Some(refund(amount, &[]));
        })
    };
    vec![
        ("another-currency", "body.refund.currency: must be EUR", earned(), inn("EUR"), inn("GBP")),
        ("another-currency", "body.refund.currency: must be JPY", changed, inn("JPY"), inn("EUR")),
        ("zero-amount", "body.refund.amount: must be more", earned(), of(1), of(0)),
        (
            "too-much",
            "100.01 EUR is more than what is left, 100.00 EUR",
            earned(),
            of(10_000),
            of(10_001),
        ),
        (
            "too-much",
            "40.01 EUR is more than what is left, 40.00 EUR",
            partly,
            of(4_000),
            of(4_001),
        ),
        (
            "too-much",
            "10.01 EUR is more than what is left, 10.00 EUR",
            thrice,
            of(1_000),
            of(1_001),
        ),
        (
            "too-much",
            "80.01 EUR is more than what is left, 80.00 EUR",
            amended,
            of(8_000),
            of(8_001),
        ),
        (
            "too-much",
            "40.01 EUR is more than what is left, 40.00 EUR",
            two,
            of_second(4_000),
            of_second(4_001),
        ),
    ]
}

/// Commission C-1 of what is in a basket: two shoes and a book.
fn basket_earned() -> Vec<Entry> {
    vec![
        terms("T-1", |_| ()),
        basket("S-1", |_| ()),
        commission("C-1", |body| body.amount = units(600)),
    ]
}

/// Takes back 0.01 EUR because these items were sent back.
fn sent_back(items: &[(&str, u32)]) -> Entry {
    refunding("R-9", refund(1, items))
}

fn of_refunded_items() -> Vec<Row> {
    let named: Vec<String> = (0..101).map(|n| format!("i-{n}")).collect();
    let small: Vec<Item<Amount>> = named[..100].iter().map(|name| item(name, 2, 1, None)).collect();
    let many = vec![
        super::super::terms_of("T-1", vec![super::percent(1_000_000)]),
        sale("S-1", |body| (body.items, body.amount) = (small, units(100))),
        commission("C-1", |body| body.amount = units(100)),
    ];
    let items = |count: usize| {
        let items = (0..count).map(|n| RefundItem { item: id(&named[n % 100]), quantity: 1 });
        let given = Refund { currency: currency("EUR"), amount: units(1), items: items.collect() };
        refunding("R-9", given)
    };
    vec![
        ("list-length", "body.refund.items: 0 to 100, not 101", many, items(100), items(101)),
        (
            "no-such-item",
            "body.refund.items: the transaction has no item tea",
            basket_earned(),
            sent_back(&[("shoe", 1)]),
            sent_back(&[("tea", 1)]),
        ),
        (
            "no-such-item",
            "body.refund.items: the transaction has no item shoe",
            earned(),
            sent_back(&[]),
            sent_back(&[("shoe", 1)]),
        ),
        (
            "zero-amount",
            "body.refund.items.quantity: must be more",
            basket_earned(),
            sent_back(&[("shoe", 1)]),
            sent_back(&[("book", 1), ("shoe", 0)]),
        ),
    ]
}

fn of_refunded_quantities() -> Vec<Row> {
    const RULE: &str = "too-many-items";
    let partly = and(basket_earned(), [refunding("R-1", refund(1, &[("shoe", 1), ("book", 1)]))]);
    vec![
        (
            RULE,
            "body.refund.items: 3 of shoe is more than what is left, 2",
            basket_earned(),
            sent_back(&[("shoe", 2)]),
            sent_back(&[("shoe", 3)]),
        ),
        (
            RULE,
            "body.refund.items: 2 of shoe is more than what is left, 1",
            partly.clone(),
            sent_back(&[("shoe", 1)]),
            sent_back(&[("shoe", 2)]),
        ),
        (
            RULE,
            "body.refund.items: 1 of book is more than what is left, 0",
            partly,
            sent_back(&[("shoe", 1)]),
            sent_back(&[("book", 1)]),
        ),
        // The same item twice in one refund.
        (
            RULE,
            "body.refund.items: 2 of shoe is more than what is left, 1",
            basket_earned(),
            sent_back(&[("shoe", 1), ("shoe", 1)]),
            { sent_back(&[("shoe", 1), ("shoe", 2)]) },
        ),
        (
            RULE,
            "4294967295 of book is more than what is left, 1",
            basket_earned(),
            sent_back(&[("book", 1)]),
            sent_back(&[("book", u32::MAX)]),
        ),
    ]
}
