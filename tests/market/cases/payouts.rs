//! Payouts: what they pay.

use counterfoil::protocol::entry::{Effect, Entry, ImportedState, PaymentEvent, PayoutLine};
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::time::DAY_MS;

use super::super::{
    NOW, adjusting, at, balance, carried, closed, currency, fee, funding, id, imported, line,
    payout, payout_event, units, withheld_tax,
};
use super::{Row, and, another_funded, earned, funded, in_payout, locked, paid};

pub(super) fn rows() -> Vec<Row> {
    [of_wholes(), of_commissions(), of_commission_amounts(), of_adjustments(), of_sums()].concat()
}

/// Pays ann `lines`.
fn pay(lines: Vec<PayoutLine<Amount>>) -> Entry {
    payout("P-9", |body| body.lines = lines)
}

/// Pays ann `lines`, which come to `total`.
fn pay_all(name: &str, lines: Vec<PayoutLine<Amount>>, total: u64) -> Entry {
    payout(name, |body| (body.lines, body.total) = (lines, Some(units(total))))
}

fn event(name: &str, event: PaymentEvent) -> Entry {
    payout_event(name, "P-1", event)
}

fn of_wholes() -> Vec<Row> {
    let inn = |code: &str| {
        payout("P-9", |body| (body.currency, body.lines) = (currency(code), vec![fee(1)]))
    };
    let until = |until: u64| payout("P-9", |body| body.period_until = at(until));
    let many = |count: usize| pay(vec![fee(1); count]);
    vec![
        ("unknown-currency", "body.currency: currency USD", vec![], inn("JPY"), inn("USD")),
        (
            "empty-period",
            "body.period_until: must be later than the beginning",
            funded(),
            until(NOW - DAY_MS + 1),
            until(NOW - DAY_MS),
        ),
        (
            "empty-period",
            "body.period_until: must be later than the beginning",
            funded(),
            until(NOW),
            until(0),
        ),
        ("list-length", "body.lines: 1 to 500, not 0", vec![], many(1), many(0)),
        ("list-length", "body.lines: 1 to 500, not 501", vec![], many(500), many(501)),
        (
            "zero-amount",
            "body.lines.amount: must be more",
            vec![],
            pay(vec![fee(1)]),
            pay(vec![fee(0)]),
        ),
        ("zero-amount", "body.lines.amount: must be more", vec![], pay(vec![withheld_tax(1)]), {
            pay(vec![withheld_tax(1), withheld_tax(0)])
        }),
        (
            "zero-amount",
            "body.lines.amount: must be more",
            vec![],
            pay(vec![carried(Effect::Credit, 1)]),
            { pay(vec![carried(Effect::Credit, 0)]) },
        ),
    ]
}

fn of_commissions() -> Vec<Row> {
    const STEP: &str = "illegal-step";
    let inn = |code: &str| payout("P-9", |body| body.currency = currency(code));
    let whole = |name: &str| pay(vec![line(name, 1_000)]);
    let with_other = |given: Vec<Entry>| and(given, another_funded(2, "ann"));
    let for_bob = and(funded(), another_funded(2, "bob"));
    let import = |state| with_other(vec![super::terms("T-1", |_| ()), imported("C-1", state)]);
    let partly = |amount: u64| super::covered("C-1", amount);
    let half = and(locked(), [funding("F-1", |body| body.lines = vec![partly(999)])]);
    let first = payout("P-1", |body| body.lines = vec![carried(Effect::Debit, 5)]);
    let last = payout("P-2", |body| {
        (body.continues, body.total) = (Some(id("P-1")), Some(units(995)));
    });
    let in_parts = and(funded(), [first, last, event("E-1", PaymentEvent::Completed)]);
    let failed = and(in_payout(), [event("E-1", PaymentEvent::Failed)]);
    let returned = and(paid(), [event("E-2", PaymentEvent::Returned)]);
    let again = |given: Vec<Entry>| and(given, [closed("P-2", |_| ())]);
    vec![
        ("another-affiliate", "body.affiliate: this is bob's", for_bob, whole("C-1"), {
            pay(vec![line("C-1", 1_000), line("C-2", 1_000)])
        }),
        ("another-currency", "body.currency: must be EUR", funded(), inn("EUR"), inn("GBP")),
        (STEP, "pending can't be paid out", with_other(earned()), whole("C-2"), whole("C-1")),
        (STEP, "locked can't be paid out", with_other(locked()), whole("C-2"), whole("C-1")),
        (STEP, "locked can't be paid out", with_other(half), whole("C-2"), whole("C-1")),
        (STEP, "in_payout can't be paid out", with_other(in_payout()), whole("C-2"), whole("C-1")),
        (STEP, "paid can't be paid out", with_other(paid()), whole("C-2"), whole("C-1")),
        (
            STEP,
            "in_payout can't be paid out",
            with_other(funded()),
            pay(vec![line("C-1", 1_000), line("C-2", 1_000)]),
            { pay(vec![line("C-1", 1_000), line("C-1", 1_000)]) },
        ),
        (
            STEP,
            "locked can't be paid out",
            import(ImportedState::Locked),
            whole("C-2"),
            whole("C-1"),
        ),
        // The later parts of a payout move with the first.
        (STEP, "paid can't be paid out", with_other(in_parts), whole("C-2"), whole("C-1")),
        // What failed or came back is paid again, once.
        (
            STEP,
            "in_payout can't be paid out",
            with_other(again(failed)),
            whole("C-2"),
            whole("C-1"),
        ),
        (
            STEP,
            "in_payout can't be paid out",
            with_other(again(returned)),
            whole("C-2"),
            whole("C-1"),
        ),
    ]
}

/// A commission is paid in whole.
fn of_commission_amounts() -> Vec<Row> {
    const RULE: &str = "wrong-amount";
    let of = |amount: u64| pay(vec![line("C-1", amount)]);
    vec![
        (RULE, "must be exactly 10.00 EUR, is 9.99 EUR", funded(), of(1_000), of(999)),
        (RULE, "must be exactly 10.00 EUR, is 10.01 EUR", funded(), of(1_000), of(1_001)),
    ]
}

fn of_adjustments() -> Vec<Row> {
    let given = || vec![balance("A-1", Effect::Debit, 300), balance("A-2", Effect::Credit, 400)];
    let settle = |name: &str, amount: u64| pay(vec![adjusting(name, amount)]);
    let taken = |events: Vec<Entry>| {
        and(and(given(), [pay_all("P-1", vec![adjusting("A-2", 400)], 400)]), events)
    };
    let for_bob = |affiliate: &str| {
        payout("P-9", |body| {
            (body.affiliate, body.lines) = (id(affiliate), vec![adjusting("A-1", 300)]);
        })
    };
    let inn = |code: &str| {
        payout("P-9", |body| {
            (body.currency, body.lines) = (currency(code), vec![adjusting("A-1", 300)]);
        })
    };
    let completed = || vec![event("E-1", PaymentEvent::Completed)];
    let failed_and_again = || {
        vec![event("E-1", PaymentEvent::Failed), pay_all("P-2", vec![adjusting("A-2", 400)], 400)]
    };
    vec![
        (
            "zero-amount",
            "body.lines.amount: must be more",
            given(),
            settle("A-1", 300),
            settle("A-1", 0),
        ),
        (
            "another-affiliate",
            "body.affiliate: this is ann's",
            given(),
            for_bob("ann"),
            for_bob("bob"),
        ),
        ("another-currency", "body.currency: must be EUR", given(), inn("EUR"), inn("GBP")),
        ("in-payout", "A-2 is", taken(vec![]), settle("A-1", 300), settle("A-2", 400)),
        ("in-payout", "A-2 is", taken(completed()), settle("A-1", 300), settle("A-2", 400)),
        ("in-payout", "A-2 is", taken(failed_and_again()), settle("A-1", 300), settle("A-2", 400)),
        (
            "in-payout",
            "A-1 is",
            given(),
            pay(vec![adjusting("A-1", 300), adjusting("A-2", 400)]),
            { pay(vec![adjusting("A-1", 300), adjusting("A-1", 300)]) },
        ),
        (
            "wrong-amount",
            "must be exactly 3.00 EUR, is 2.99 EUR",
            given(),
            settle("A-1", 300),
            settle("A-1", 299),
        ),
        (
            "wrong-amount",
            "must be exactly 4.00 EUR, is 4.01 EUR",
            given(),
            settle("A-2", 400),
            settle("A-2", 401),
        ),
    ]
}

fn of_sums() -> Vec<Row> {
    const RULE: &str = "sum-too-large";
    let largest = Amount::MAX.units();
    let given = || vec![balance("A-1", Effect::Credit, largest), balance("A-2", Effect::Credit, 1)];
    let open = |lines: Vec<PayoutLine<Amount>>| payout("P-1", |body| body.lines = lines);
    let next = |lines: Vec<PayoutLine<Amount>>| {
        payout("P-9", |body| (body.continues, body.lines) = (Some(id("P-1")), lines))
    };
    // All that there is was kept by a payout that is closed.
    let keep = |name: &str, adjustment: &str, amount: u64| {
        let lines = vec![adjusting(adjustment, amount), carried(Effect::Debit, amount)];
        pay_all(name, lines, 0)
    };
    let kept = and(given(), [keep("P-1", "A-1", largest)]);
    let opened = vec![open(vec![carried(Effect::Debit, largest - 1)])];
    let used = vec![open(vec![carried(Effect::Credit, largest - 1)])];
    let failed = and(opened, [event("E-1", PaymentEvent::Failed)]);
    vec![
        (RULE, "body.lines: the sum", given(), pay(vec![adjusting("A-1", largest)]), {
            pay(vec![adjusting("A-1", largest), adjusting("A-2", 1)])
        }),
        (
            RULE,
            "body.lines: the sum",
            and(given(), [open(vec![adjusting("A-1", largest)])]),
            next(vec![fee(1)]),
            { next(vec![adjusting("A-2", 1)]) },
        ),
        (
            RULE,
            "body.lines: the sum",
            vec![],
            pay(vec![fee(largest)]),
            pay(vec![fee(largest), withheld_tax(1)]),
        ),
        (
            RULE,
            "body.lines: the sum",
            vec![open(vec![fee(largest - 1)])],
            next(vec![fee(1)]),
            next(vec![fee(2)]),
        ),
        // Over all payouts of the affiliate.
        (RULE, "body.lines: the sum", kept, pay_all("P-9", vec![adjusting("A-2", 1)], 1), {
            keep("P-9", "A-2", 1)
        }),
        (RULE, "body.lines: the sum", used, pay(vec![carried(Effect::Credit, 1)]), {
            pay(vec![carried(Effect::Credit, 2)])
        }),
        // What failed counts no more.
        (RULE, "body.lines: the sum", failed, pay(vec![carried(Effect::Debit, largest)]), {
            pay(vec![carried(Effect::Debit, largest), fee(1)])
        }),
    ]
}
