//! What merchants pay.

use counterfoil::protocol::entry::{Entry, FundingLine, ImportedState, Verdict};
use counterfoil::protocol::money::Amount;

use super::super::{
    covered, currency, decision, funding, id, imported, of_tenant, prepaid, reversal, units,
};
use super::{Row, and, another, another_funded, earned, funded, locked, rich};

pub(super) fn rows() -> Vec<Row> {
    [of_payments(), of_lines(), of_parts(), of_prepaid(), of_sums()].concat()
}

/// So much came in, and covers `lines`.
fn fund(received: u64, lines: &[(&str, u64)]) -> Entry {
    funding("F-9", |body| {
        body.received = units(received);
        body.lines = lines.iter().map(|(name, amount)| covered(name, *amount)).collect();
    })
}

fn of_payments() -> Vec<Row> {
    let inn = |code: &str| {
        funding("F-9", |body| (body.currency, body.lines) = (currency(code), Vec::new()))
    };
    // 500 lines of a cent each, of a commission of 5.00 EUR and more.
    let many = |count: usize| {
        let lines: Vec<FundingLine<Amount>> = vec![covered("C-1", 1); count];
        funding("F-9", |body| body.lines = lines)
    };
    vec![
        ("unknown-currency", "body.currency: currency USD", locked(), inn("JPY"), inn("USD")),
        ("list-length", "body.lines: 0 to 500, not 501", locked(), many(500), many(501)),
        ("zero-amount", "body.received: must be more", locked(), fund(1, &[]), fund(0, &[])),
    ]
}

fn of_lines() -> Vec<Row> {
    const STEP: &str = "illegal-step";
    let by = |merchant: &str| funding("F-9", |body| body.merchant = id(merchant));
    let inn = |code: &str| funding("F-9", |body| body.currency = currency(code));
    let whole = |name: &str| fund(1_000, &[(name, 1_000)]);
    let with_locked = |given: Vec<Entry>| {
        and(and(given, another(2, "ann")), [decision("D-2", "C-2", Verdict::Lock)])
    };
    let approved = and(earned(), [decision("D-1", "C-1", Verdict::Approve)]);
    let import = |state| with_locked(vec![super::terms("T-1", |_| ()), imported("C-1", state)]);
    vec![
        (
            "zero-amount",
            "body.lines.amount: must be more",
            locked(),
            fund(1_000, &[("C-1", 1)]),
            fund(1_000, &[("C-1", 0)]),
        ),
        ("another-merchant", "body.merchant: this is shop's", locked(), by("shop"), by("mart")),
        ("another-currency", "body.currency: must be EUR", locked(), inn("EUR"), inn("GBP")),
        (STEP, "pending can't be funded", with_locked(earned()), whole("C-2"), whole("C-1")),
        (STEP, "approved can't be funded", with_locked(approved), whole("C-2"), whole("C-1")),
        (
            STEP,
            "funded can't be funded",
            with_locked(funded()),
            whole("C-2"),
            fund(1, &[("C-1", 1)]),
        ),
        (
            STEP,
            "pending can't be funded",
            import(ImportedState::Pending),
            whole("C-2"),
            whole("C-1"),
        ),
        (
            STEP,
            "funded can't be funded",
            import(ImportedState::Funded),
            whole("C-2"),
            fund(1, &[("C-1", 1)]),
        ),
        (
            STEP,
            "funded can't be funded",
            with_locked(locked()),
            fund(2_000, &[("C-1", 1_000), ("C-2", 1_000)]),
            { fund(2_000, &[("C-1", 1_000), ("C-1", 1)]) },
        ),
    ]
}

fn of_parts() -> Vec<Row> {
    const MUCH: &str = "too-much";
    let half = |given: Vec<Entry>| and(given, [super::named("F-1", fund(600, &[("C-1", 600)]))]);
    let partly = and(
        earned(),
        [reversal("R-1", |body| body.amount = units(600)), decision("D-1", "C-1", Verdict::Lock)],
    );
    let import = || vec![imported("C-1", ImportedState::Locked)];
    vec![
        (
            MUCH,
            "10.01 EUR is more than what is left, 10.00 EUR",
            locked(),
            fund(2_000, &[("C-1", 1_000)]),
            fund(2_000, &[("C-1", 1_001)]),
        ),
        (
            MUCH,
            "4.01 EUR is more than what is left, 4.00 EUR",
            half(locked()),
            fund(400, &[("C-1", 400)]),
            fund(401, &[("C-1", 401)]),
        ),
        (
            MUCH,
            "4.01 EUR is more than what is left, 4.00 EUR",
            locked(),
            fund(1_000, &[("C-1", 600), ("C-1", 400)]),
            { fund(1_001, &[("C-1", 600), ("C-1", 401)]) },
        ),
        // What was taken back before it locked isn't paid for.
        (
            MUCH,
            "4.01 EUR is more than what is left, 4.00 EUR",
            partly,
            fund(400, &[("C-1", 400)]),
            fund(401, &[("C-1", 401)]),
        ),
        (
            MUCH,
            "4.01 EUR is more than what is left, 4.00 EUR",
            half(import()),
            fund(400, &[("C-1", 400)]),
            fund(401, &[("C-1", 401)]),
        ),
    ]
}

fn of_prepaid() -> Vec<Row> {
    const RULE: &str = "prepaid-exceeded";
    let before = |entry: Entry| and(locked(), [entry]);
    let elsewhere = before(of_tenant("other", prepaid("O-1", 5)));
    let in_pounds = before(funding("F-1", |body| {
        (body.currency, body.lines) = (currency("GBP"), Vec::new());
    }));
    let used = and(and(locked(), [prepaid("O-1", 5)]), another_funded(2, "ann"));
    let paid = |received: u64| super::named("F-1", fund(received, &[]));
    let first = || fund(995, &[("C-1", 1_000)]);
    let too_little = || fund(994, &[("C-1", 1_000)]);
    vec![
        (
            RULE,
            "10.00 EUR is more than what was paid, 9.99 EUR",
            locked(),
            fund(1_000, &[("C-1", 1_000)]),
            fund(999, &[("C-1", 1_000)]),
        ),
        (
            RULE,
            "10.00 EUR is more than what was paid, 9.99 EUR",
            before(prepaid("O-1", 5)),
            first(),
            too_little(),
        ),
        (
            RULE,
            "10.00 EUR is more than what was paid, 9.99 EUR",
            before(paid(5)),
            first(),
            too_little(),
        ),
        // What was covered before is gone.
        (RULE, "10.00 EUR is more than what was paid, 9.99 EUR", used, first(), too_little()),
        (
            RULE,
            "10.00 EUR is more than what was paid, 9.95 EUR",
            elsewhere,
            fund(1_000, &[("C-1", 1_000)]),
            first(),
        ),
        (
            RULE,
            "10.00 EUR is more than what was paid, 9.95 EUR",
            in_pounds,
            fund(1_000, &[("C-1", 1_000)]),
            first(),
        ),
    ]
}

fn of_sums() -> Vec<Row> {
    const RULE: &str = "sum-too-large";
    let largest = Amount::MAX.units();
    let largest_of = |name: &str| fund(0, &[(name, largest)]);
    let all_of_first = and(
        rich(),
        [super::named("F-1", fund(largest, &[])), super::named("F-2", largest_of("C-1"))],
    );
    vec![
        (
            RULE,
            "body.received: the sum",
            vec![prepaid("O-1", 1)],
            fund(largest - 1, &[]),
            fund(largest, &[]),
        ),
        // What is covered: more than there is, even of what is an amount.
        (RULE, "body.lines: the sum", rich(), fund(largest, &[("C-1", largest)]), {
            fund(largest, &[("C-1", largest), ("C-2", 1)])
        }),
        (
            RULE,
            "body.lines: the sum",
            all_of_first,
            another(9, "bob").remove(0),
            fund(0, &[("C-2", 1)]),
        ),
    ]
}
