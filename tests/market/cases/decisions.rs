//! Decisions, amendments and reversals: what becomes of a commission until it locks.

use counterfoil::protocol::entry::{
    Amended, Entry, Fx, ImportedState, Item, Outcome, Refund, RefundItem, Verdict,
};
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::time::DAY_MS;

use super::super::{
    NOW, amendment, at, basket, commission, currency, decision, decline, fx, id, imported, item,
    refund, resolution, reversal, sale, sale_amended, share, terms, units, when, wrongly_declined,
};
use super::{Row, and, another, dated, declined, earned, funded, locked, sold};

pub(super) fn rows() -> Vec<Row> {
    [
        of_steps(),
        of_dates(),
        of_extensions(),
        of_amendments(),
        of_amended_sales(),
        of_reversals(),
        of_refunds(),
        of_refunded_items(),
    ]
    .concat()
}

fn decide(verdict: Verdict) -> Entry {
    decision("D-9", "C-1", verdict)
}

fn extend(name: &str, date: u64) -> Entry {
    decision(name, "C-1", Verdict::Extend { locking_date: at(date) })
}

/// Takes back so much of commission C-1.
fn back(name: &str, amount: u64) -> Entry {
    reversal(name, |body| body.amount = units(amount))
}

fn of_steps() -> Vec<Row> {
    const RULE: &str = "illegal-step";
    let approved = || and(earned(), [decision("D-1", "C-1", Verdict::Approve)]);
    let reversed = || and(and(earned(), [back("R-1", 1_000)]), another(2, "ann"));
    let extended = || {
        let extend = extend("D-1", NOW + DAY_MS);
        and(dated(), [when(NOW - 1, extend)])
    };
    let other = || reversal("R-9", |body| body.commission = id("C-2"));
    let with_other = |given: Vec<Entry>| and(given, another(2, "ann"));
    vec![
        (
            RULE,
            "declined can't be approved",
            with_other(declined()),
            other(),
            decide(Verdict::Approve),
        ),
        (RULE, "declined can't be locked", with_other(declined()), other(), decide(Verdict::Lock)),
        (RULE, "declined can't be declined", with_other(declined()), other(), decide(decline())),
        (
            RULE,
            "approved can't be approved",
            approved(),
            decide(Verdict::Lock),
            decide(Verdict::Approve),
        ),
        (RULE, "approved can't be declined", approved(), back("R-9", 1), decide(decline())),
        (
            RULE,
            "approved can't be extended",
            approved(),
            back("R-9", 1),
            extend("D-9", NOW + DAY_MS),
        ),
        (RULE, "locked can't be locked", with_other(locked()), other(), decide(Verdict::Lock)),
        (RULE, "locked can't be reversed", with_other(locked()), other(), back("R-9", 1)),
        (RULE, "funded can't be reversed", with_other(funded()), other(), back("R-9", 1)),
        (RULE, "declined can't be reversed", with_other(declined()), other(), back("R-9", 1)),
        (RULE, "reversed can't be reversed", reversed(), other(), back("R-9", 1)),
        (RULE, "reversed can't be locked", reversed(), other(), decide(Verdict::Lock)),
        (
            RULE,
            "extended can't be extended",
            extended(),
            when(NOW - 1, decide(decline())),
            when(NOW - 1, extend("D-9", NOW + 2 * DAY_MS)),
        ),
        (
            RULE,
            "approved can't be declined",
            with_other(vec![
                super::super::terms("T-1", |_| ()),
                imported("C-1", ImportedState::Approved),
            ]),
            decide(Verdict::Lock),
            decide(decline()),
        ),
    ]
}

fn of_dates() -> Vec<Row> {
    const PAST: &str = "past-locking-date";
    const BEFORE: &str = "before-locking-date";
    let put_off = || and(dated(), [when(NOW - 1, extend("D-1", NOW + 5))]);
    let amend = || amendment("M-1", |_| ());
    let import = || {
        vec![super::super::opening(
            "C-1",
            counterfoil::protocol::entry::Balance::Commission {
                affiliate: id("ann"),
                merchant: id("shop"),
                currency: currency("EUR"),
                amount: units(1_000),
                state: ImportedState::Pending,
                locking_date: Some(at(NOW)),
            },
        )]
    };
    let lock = || decide(Verdict::Lock);
    vec![
        (
            PAST,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, decide(decline())),
            when(NOW, decide(decline())),
        ),
        (
            PAST,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW, decide(Verdict::Approve)),
            when(NOW, decide(decline())),
        ),
        (
            PAST,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, extend("D-9", NOW + 1)),
            when(NOW, extend("D-9", NOW + 1)),
        ),
        (
            PAST,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, back("R-1", 1)),
            when(NOW, back("R-1", 1)),
        ),
        (
            PAST,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            dated(),
            when(NOW - 1, amend()),
            when(NOW, amend()),
        ),
        // The date that it was put off to counts.
        (
            PAST,
            "event_time: the locking date was 2023-11-14T22:13:20.005Z",
            put_off(),
            when(NOW + 4, decide(decline())),
            when(NOW + 5, decide(decline())),
        ),
        (
            PAST,
            "event_time: the locking date was 2023-11-14T22:13:20Z",
            import(),
            when(NOW - 1, back("R-1", 1)),
            when(NOW, back("R-1", 1)),
        ),
        (
            BEFORE,
            "event_time: the locking date is 2023-11-14T22:13:20Z",
            dated(),
            when(NOW, lock()),
            when(NOW - 1, lock()),
        ),
        (
            BEFORE,
            "event_time: the locking date is 2023-11-14T22:13:20.005Z",
            put_off(),
            when(NOW + 5, lock()),
            when(NOW + 4, lock()),
        ),
        (
            BEFORE,
            "event_time: the locking date is 2023-11-14T22:13:20Z",
            import(),
            when(NOW, lock()),
            when(NOW - 1, lock()),
        ),
    ]
}

fn of_extensions() -> Vec<Row> {
    const LATER: &str = "extension-not-later";
    let before = |entry: Entry| when(NOW - 1, entry);
    // Put off, declined, and pending again.
    let again = || {
        and(
            dated(),
            [
                before(extend("D-1", NOW + 5)),
                decision("D-2", "C-1", decline()),
                wrongly_declined("Q-1"),
                resolution("V-1", "Q-1", Outcome::Valid),
            ],
        )
    };
    vec![
        (
            "extended-before",
            "body.verdict: a commission is extended once",
            again(),
            decide(decline()),
            extend("D-9", NOW + 6),
        ),
        (
            LATER,
            "2023-11-14T22:13:20Z is not later than 2023-11-14T22:13:20Z",
            dated(),
            before(extend("D-9", NOW + 1)),
            before(extend("D-9", NOW)),
        ),
        (
            LATER,
            "1970-01-01T00:00:00Z is not later than 2023-11-14T22:13:20Z",
            dated(),
            before(extend("D-9", NOW + 1)),
            before(extend("D-9", 0)),
        ),
        // There is no date to put off.
        (
            LATER,
            "2023-11-14T22:13:20.001Z is not later than never",
            earned(),
            decide(Verdict::Lock),
            extend("D-9", NOW + 1),
        ),
    ]
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

fn of_amended_sales() -> Vec<Row> {
    const STEP: &str = "illegal-step";
    let of = |old: u64, new: u64| {
        sale_amended("M-9", |body| (body.old, body.new) = (units(old), units(new)))
    };
    let part = |group: Option<&str>, old: u64, new: u64| {
        sale_amended("M-9", |body| {
            body.of =
                Amended::Transaction { transaction: id("S-1"), commission_group: group.map(id) };
            (body.old, body.new) = (units(old), units(new));
        })
    };
    let half = |name: &str| {
        commission(name, |body| (body.role, body.amount) = (share(500_000, None), units(500)))
    };
    let two = |more: Vec<Entry>| and(and(sold(), [half("C-1"), half("C-2")]), more);
    let refunded = and(
        earned(),
        [reversal("R-1", |body| {
            (body.amount, body.refund) = (units(1), refund(3_000, &[]));
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
            "no-such-part",
            "body.of.commission_group: the transaction has no part",
            sold(),
            of(10_000, 1),
            part(Some("media"), 10_000, 1),
        ),
        (
            "no-such-part",
            "body.of.commission_group: the transaction has no part",
            given(basket("S-1", |_| ())),
            part(Some("media"), 4_000, 1),
            { part(Some("tea"), 4_000, 1) },
        ),
        ("another-currency", "body.currency: must be EUR", sold(), of(10_000, 1), {
            sale_amended("M-9", |body| body.currency = currency("GBP"))
        }),
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
            of(10_000, 8_000),
        ),
        (
            STEP,
            "approved can't be amended",
            two(vec![decision("D-1", "C-1", Verdict::Approve)]),
            decision("D-9", "C-2", decline()),
            of(10_000, 8_000),
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
            of(10_000, 8_000),
            sale_amended("M-9", |body| {
                body.of = Amended::Transaction { transaction: id("S-2"), commission_group: None };
            }),
        ),
        (
            "stale-amount",
            "body.old: it is 100.00 now, not 99.99",
            sold(),
            of(10_000, 8_000),
            of(9_999, 8_000),
        ),
        (
            "stale-amount",
            "body.old: it is 60.00 now, not 100.00",
            given(basket("S-1", |_| ())),
            part(None, 6_000, 1),
            { part(None, 10_000, 1) },
        ),
        ("no-change", "body.new: the same as before", sold(), of(10_000, 0), of(10_000, 10_000)),
        (
            "below-reversed",
            "body.new: 30.00 of it was taken back already",
            refunded,
            of(10_000, 3_000),
            of(10_000, 2_999),
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

/// Takes back 0.01 EUR of commission C-1 because of a refund.
fn refunding(name: &str, refund: Option<Refund<Amount>>) -> Entry {
    reversal(name, |body| (body.amount, body.refund) = (units(1), refund))
}

fn of_refunds() -> Vec<Row> {
    let of = |amount: u64| refunding("R-9", refund(amount, &[]));
    let inn = |code: &str| {
        let given = Refund { currency: currency(code), amount: units(1), items: Vec::new() };
        refunding("R-9", Some(given))
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
    let amended = and(earned(), [sale_amended("M-1", |_| ())]);
    // Of whichever commission the refunds are.
    let shared = |name: &str| {
        commission(name, |body| (body.role, body.amount) = (share(500_000, None), units(500)))
    };
    let two = and(sold(), [shared("C-1"), shared("C-2"), refunding("R-1", refund(6_000, &[]))]);
    let of_second = |amount: u64| {
        reversal("R-9", |body| {
            (body.commission, body.amount) = (id("C-2"), units(1));
            body.refund = refund(amount, &[]);
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

fn of_refunded_items() -> Vec<Row> {
    let given = || {
        vec![
            terms("T-1", |_| ()),
            basket("S-1", |_| ()),
            commission("C-1", |body| body.amount = units(600)),
        ]
    };
    let of = |items: &[(&str, u32)]| refunding("R-9", refund(1, items));
    let partly = and(given(), [refunding("R-1", refund(1, &[("shoe", 1), ("book", 1)]))]);
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
        refunding("R-9", Some(given))
    };
    vec![
        ("list-length", "body.refund.items: 0 to 100, not 101", many, items(100), items(101)),
        (
            "no-such-item",
            "body.refund.items: the transaction has no item tea",
            given(),
            of(&[("shoe", 1)]),
            of(&[("tea", 1)]),
        ),
        (
            "no-such-item",
            "body.refund.items: the transaction has no item shoe",
            earned(),
            of(&[]),
            of(&[("shoe", 1)]),
        ),
        (
            "zero-amount",
            "body.refund.items.quantity: must be more",
            given(),
            of(&[("shoe", 1)]),
            of(&[("book", 1), ("shoe", 0)]),
        ),
        (
            "too-many-items",
            "body.refund.items: 3 of shoe is more than what is left, 2",
            given(),
            of(&[("shoe", 2)]),
            of(&[("shoe", 3)]),
        ),
        (
            "too-many-items",
            "body.refund.items: 2 of shoe is more than what is left, 1",
            partly.clone(),
            of(&[("shoe", 1)]),
            of(&[("shoe", 2)]),
        ),
        (
            "too-many-items",
            "body.refund.items: 1 of book is more than what is left, 0",
            partly,
            of(&[("shoe", 1)]),
            of(&[("book", 1)]),
        ),
        // The same item twice in one refund.
        (
            "too-many-items",
            "body.refund.items: 2 of shoe is more than what is left, 1",
            given(),
            of(&[("shoe", 1), ("shoe", 1)]),
            { of(&[("shoe", 1), ("shoe", 2)]) },
        ),
        (
            "too-many-items",
            "4294967295 of book is more than what is left, 1",
            given(),
            of(&[("book", 1)]),
            of(&[("book", u32::MAX)]),
        ),
    ]
}
