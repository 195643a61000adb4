//! Payouts: totals, parts, and what becomes of them.

use counterfoil::protocol::entry::{Effect, Entry, Fx, PaymentEvent, Payout, PayoutLine};
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::time::DAY_MS;

use super::super::{
    NOW, adjusting, at, balance, carried, closed, currency, fee, fx, id, line, payout,
    payout_event, units, withheld_tax,
};
use super::{Row, and, another_funded, funded, in_payout, named, sale};

pub(super) fn rows() -> Vec<Row> {
    [
        of_totals(),
        of_owing(),
        of_open_parts(),
        of_later_parts(),
        of_changes(),
        of_events(),
        of_repeated_events(),
    ]
    .concat()
}

/// Pays ann `lines`, which come to `total`.
fn pay_all(name: &str, lines: Vec<PayoutLine<Amount>>, total: u64) -> Entry {
    payout(name, |body| (body.lines, body.total) = (lines, Some(units(total))))
}

fn event(name: &str, event: PaymentEvent) -> Entry {
    payout_event(name, "P-1", event)
}

fn sent() -> PaymentEvent {
    PaymentEvent::Sent { payment_ref: None }
}

fn of_totals() -> Vec<Row> {
    const RULE: &str = "wrong-total";
    let total = |total: u64| closed("P-9", |body| body.total = Some(units(total)));
    let all = |total: u64| {
        let lines = vec![
            line("C-1", 1_000),
            adjusting("A-1", 300),
            adjusting("A-2", 50),
            fee(25),
            withheld_tax(100),
            carried(Effect::Debit, 5),
        ];
        pay_all("P-9", lines, total)
    };
    let given =
        || and(funded(), [balance("A-1", Effect::Debit, 300), balance("A-2", Effect::Credit, 50)]);
    let open = || and(funded(), [payout("P-1", |_| ())]);
    let next = |taken_off: u64, total: u64| {
        payout("P-9", |body| {
            (body.continues, body.lines) = (Some(id("P-1")), vec![fee(taken_off)]);
            body.total = Some(units(total));
        })
    };
    vec![
        (RULE, "10.00, not 10.01", funded(), total(1_000), total(1_001)),
        (RULE, "10.00, not 0.00", funded(), total(1_000), total(0)),
        (RULE, "6.20, not 10.50", given(), all(620), all(1_050)),
        (RULE, "6.20, not 6.21", given(), all(620), all(621)),
        (RULE, "9.50, not 0.50", open(), next(50, 950), next(50, 50)),
        // Less than nothing is no total.
        (RULE, "-0.01, not 0.00", open(), next(1_000, 0), next(1_001, 0)),
    ]
}

fn of_owing() -> Vec<Row> {
    const RULE: &str = "still-owing";
    let kept = |name: &str, amount: u64| {
        pay_all(name, vec![line("C-1", 1_000), carried(Effect::Debit, amount)], 1_000 - amount)
    };
    let with_kept = || and(and(funded(), [kept("P-1", 400)]), another_funded(2, "ann"));
    let use_up = |amount: u64| {
        pay_all("P-9", vec![line("C-2", 1_000), carried(Effect::Credit, amount)], 1_000 + amount)
    };
    // An affiliate owes: a payout of nothing, the debt carried forward.
    let owed =
        |name: &str| pay_all(name, vec![adjusting("A-1", 300), carried(Effect::Credit, 300)], 0);
    let owing = || and(and(funded(), [balance("A-1", Effect::Debit, 300)]), [owed("P-1")]);
    let settled = || pay_all("P-9", vec![line("C-1", 1_000), carried(Effect::Debit, 300)], 700);
    let failed = || and(with_kept(), [event("E-1", PaymentEvent::Failed)]);
    vec![
        (
            RULE,
            "body.total: must be zero while the affiliate owes 0.01",
            with_kept(),
            use_up(400),
            use_up(401),
        ),
        (
            RULE,
            "body.total: must be zero while the affiliate owes 3.00",
            owing(),
            settled(),
            pay_all("P-9", vec![line("C-1", 1_000)], 1_000),
        ),
        (RULE, "body.total: must be zero while the affiliate owes 0.01", owing(), settled(), {
            pay_all("P-9", vec![line("C-1", 1_000), carried(Effect::Debit, 299)], 701)
        }),
        (
            RULE,
            "body.total: must be zero while the affiliate owes 0.01",
            and(vec![super::terms("T-1", |_| ())], [balance("A-1", Effect::Debit, 300)]),
            { owed("P-9") },
            pay_all("P-9", vec![carried(Effect::Credit, 1)], 1),
        ),
        // Nor what a payout keeps that isn't closed: nothing shows where it comes from.
        (
            RULE,
            "body.total: must be zero while the affiliate owes 4.00",
            and(
                and(funded(), another_funded(2, "ann")),
                [payout("P-1", |body| {
                    body.lines = vec![carried(Effect::Debit, 400)];
                })],
            ),
            pay_all("P-9", vec![line("C-2", 1_000)], 1_000),
            use_up(400),
        ),
        // What a payout kept that failed isn't there.
        (
            RULE,
            "body.total: must be zero while the affiliate owes 4.00",
            failed(),
            pay_all("P-9", vec![line("C-2", 1_000)], 1_000),
            use_up(400),
        ),
    ]
}

fn of_open_parts() -> Vec<Row> {
    const RULE: &str = "payout-not-open";
    let part = |name: &str, previous: Option<&str>, total: Option<u64>| {
        payout(name, |body| {
            body.continues = previous.map(id);
            (body.lines, body.total) = (vec![fee(1)], total.map(units));
        })
    };
    let open = || and(funded(), [payout("P-1", |_| ())]);
    let continued = || and(open(), [part("P-2", Some("P-1"), None)]);
    let failed = || and(open(), [event("E-1", PaymentEvent::Failed)]);
    let ended = and(continued(), [part("P-3", Some("P-2"), Some(998))]);
    vec![
        (
            RULE,
            "body.continues: payout P-1",
            in_payout(),
            part("P-9", None, None),
            part("P-9", Some("P-1"), None),
        ),
        (
            RULE,
            "body.continues: payout P-1",
            continued(),
            part("P-9", Some("P-2"), Some(998)),
            part("P-9", Some("P-1"), None),
        ),
        (
            RULE,
            "body.continues: payout P-3",
            ended,
            part("P-9", None, None),
            part("P-9", Some("P-3"), None),
        ),
        (
            RULE,
            "body.continues: payout P-1",
            failed(),
            part("P-9", None, None),
            part("P-9", Some("P-1"), None),
        ),
    ]
}

/// What a later part has in common with the first.
fn of_later_parts() -> Vec<Row> {
    let open = || and(funded(), [payout("P-1", |_| ())]);
    let next = |alter: fn(&mut Payout<Amount>)| {
        payout("P-9", |body| {
            (body.continues, body.lines) = (Some(id("P-1")), vec![fee(1)]);
            alter(body);
        })
    };
    vec![
        (
            "another-affiliate",
            "body.affiliate: this is ann's",
            open(),
            next(|_| ()),
            next(|body| body.affiliate = id("bob")),
        ),
        (
            "another-currency",
            "body.currency: must be EUR",
            open(),
            next(|_| ()),
            next(|body| body.currency = currency("GBP")),
        ),
        (
            "another-period",
            "2023-11-13T22:13:20Z until 2023-11-14T22:13:20Z",
            open(),
            next(|_| ()),
            { next(|body| body.period_until = at(NOW + 1)) },
        ),
        (
            "another-period",
            "2023-11-13T22:13:20Z until 2023-11-14T22:13:20Z",
            open(),
            next(|_| ()),
            { next(|body| body.period_from = at(NOW - DAY_MS + 1)) },
        ),
        // What an earlier part has, a later one has not.
        (
            "illegal-step",
            "in_payout can't be paid out",
            open(),
            next(|_| ()),
            next(|body| body.lines = vec![line("C-1", 1_000)]),
        ),
    ]
}

fn of_changes() -> Vec<Row> {
    let one = 1_000_000_000;
    let changed = |change: Fx| closed("P-9", |body| body.fx = Some(change));
    let to = |code: &str, rate: u64| changed(fx("EUR", code, rate));
    let largest = Amount::MAX.units();
    let all = |rate: u64| {
        payout("P-9", |body| {
            body.lines = vec![adjusting("A-1", largest)];
            (body.total, body.fx) = (Some(units(largest)), Some(fx("EUR", "GBP", rate)));
        })
    };
    vec![
        ("misplaced-fx", "body.fx: stands in the part with the total", funded(), to("GBP", one), {
            payout("P-9", |body| body.fx = Some(fx("EUR", "GBP", one)))
        }),
        (
            "another-currency",
            "body.fx.from: must be EUR",
            funded(),
            to("JPY", one),
            changed(fx("GBP", "JPY", one)),
        ),
        ("unknown-currency", "body.fx.to: currency USD", funded(), to("GBP", one), to("USD", one)),
        (
            "needless-fx",
            "body.fx: both currencies are the same",
            funded(),
            to("GBP", one),
            to("EUR", one),
        ),
        ("zero-amount", "body.fx.rate: must be more", funded(), to("GBP", 1), to("GBP", 0)),
        (
            "sum-too-large",
            "body.total: the sum",
            vec![balance("A-1", Effect::Credit, largest)],
            all(one),
            all(one + 1),
        ),
    ]
}

fn of_events() -> Vec<Row> {
    const RULE: &str = "illegal-payout-step";
    use PaymentEvent::{Completed, Failed, Returned};
    let open = || and(funded(), [payout("P-1", |_| ())]);
    let after = |events: Vec<PaymentEvent>| {
        let events = events.into_iter().enumerate();
        and(in_payout(), events.map(|(number, step)| event(&format!("E-{number}"), step)))
    };
    let next = |step: PaymentEvent| event("E-9", step);
    let second = and(
        open(),
        [payout("P-2", |body| {
            (body.continues, body.lines) = (Some(id("P-1")), vec![fee(1)]);
        })],
    );
    let idle = || sale("S-9", |_| ());
    vec![
        (
            "not-first-part",
            "body.payout: the payout's first part is P-1",
            second,
            next(Failed),
            payout_event("E-9", "P-2", Failed),
        ),
        (RULE, "open can't be sent", open(), next(Failed), next(sent())),
        (RULE, "open can't be completed", open(), next(Failed), next(Completed)),
        (RULE, "open can't be returned", open(), next(Failed), next(Returned)),
        (RULE, "closed can't be returned", in_payout(), next(sent()), next(Returned)),
        (RULE, "sent can't be sent", after(vec![sent()]), next(Completed), next(sent())),
        (RULE, "sent can't be returned", after(vec![sent()]), next(Failed), next(Returned)),
        (
            RULE,
            "completed can't be completed",
            after(vec![Completed]),
            next(Returned),
            next(Completed),
        ),
        (RULE, "completed can't be failed", after(vec![Completed]), next(Returned), next(Failed)),
        (
            RULE,
            "completed can't be sent",
            after(vec![sent(), Completed]),
            next(Returned),
            next(sent()),
        ),
        (RULE, "failed can't be failed", after(vec![Failed]), idle(), next(Failed)),
        (RULE, "failed can't be sent", after(vec![Failed]), idle(), next(sent())),
        (
            RULE,
            "returned can't be returned",
            after(vec![Completed, Returned]),
            idle(),
            next(Returned),
        ),
        (
            RULE,
            "returned can't be completed",
            after(vec![Completed, Returned]),
            idle(),
            next(Completed),
        ),
    ]
}

/// What happened to an earlier payout says nothing of a later one.
fn of_repeated_events() -> Vec<Row> {
    let failed =
        and(in_payout(), [event("E-1", PaymentEvent::Failed), named("P-2", closed("P-2", |_| ()))]);
    let second = |event: PaymentEvent| payout_event("E-9", "P-2", event);
    vec![(
        "illegal-payout-step",
        "failed can't be completed",
        failed,
        second(PaymentEvent::Completed),
        event("E-9", PaymentEvent::Completed),
    )]
}
