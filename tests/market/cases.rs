//! Every rule as data: what came before, the nearest legal entry, and one that breaks it.

use counterfoil::protocol::entry::{Action, Commission, Entry, Reason, Reward, Verdict};
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::time::DAY_MS;

use super::{
    AHEAD_MS, NOW, at, commission, currency, decision, id, line, of_tenant, payout, reversal, sale,
    terms, units, when,
};

/// One way to break a rule.
pub struct Case {
    /// The rule's stable name.
    pub rule: &'static str,
    /// What the message must say.
    pub says: &'static str,
    /// What is on the ledger before.
    pub given: Vec<Entry>,
    /// What may follow.
    pub legal: Entry,
    /// What may not.
    pub broken: Entry,
}

type Row = (&'static str, &'static str, Vec<Entry>, Entry, Entry);

/// Every case.
pub fn cases() -> Vec<Case> {
    let subjects = [
        of_the_envelope(),
        of_parents(),
        of_payouts_parents(),
        of_programs(),
        of_terms(),
        of_commissions(),
        of_reversals(),
        of_steps(),
        of_payouts(),
        of_parts(),
    ];
    subjects
        .into_iter()
        .flatten()
        .map(|(rule, says, given, legal, broken)| Case { rule, says, given, legal, broken })
        .collect()
}

/// Terms T-1 and sale S-1.
pub fn sold() -> Vec<Entry> {
    vec![terms("T-1", |_| ()), sale("S-1", |_| ())]
}

/// Those, and commission C-1 of 10.00 EUR.
pub fn earned() -> Vec<Entry> {
    [sold(), vec![commission("C-1", |_| ())]].concat()
}

/// That, locked.
pub fn locked() -> Vec<Entry> {
    [earned(), vec![decision("D-1", "C-1", Verdict::Lock)]].concat()
}

/// [`locked`], and the same again with a commission C-2 of `affiliate`.
fn locked_twice(affiliate: &str) -> Vec<Entry> {
    let second = commission("C-2", |body| {
        (body.transaction, body.affiliate) = (id("S-2"), id(affiliate));
    });
    let lock = decision("D-2", "C-2", Verdict::Lock);
    [locked(), vec![sale("S-2", |_| ()), second, lock]].concat()
}

fn and(mut given: Vec<Entry>, more: Entry) -> Vec<Entry> {
    given.push(more);
    given
}

fn of_the_envelope() -> Vec<Row> {
    const DUPLICATE: &str = "duplicate-external-id";
    let future = "event-in-future";
    vec![
        (DUPLICATE, "at index 2", sold(), sale("S-2", |_| ()), sale("S-1", |_| ())),
        (
            DUPLICATE,
            "used before",
            sold(),
            sale("T-1", |_| ()),
            sale("S-1", |s| s.amount = units(1)),
        ),
        (
            DUPLICATE,
            "at index 4",
            and(earned(), decision("D-1", "C-1", Verdict::Approve)),
            decision("D-2", "C-1", Verdict::Lock),
            decision("D-1", "C-1", Verdict::Lock),
        ),
        (
            future,
            "2023-11-14T22:18:20.001Z is after 2023-11-14T22:18:20Z",
            sold(),
            when(NOW + AHEAD_MS, sale("S-2", |_| ())),
            when(NOW + AHEAD_MS + 1, sale("S-2", |_| ())),
        ),
        (future, "in the future", vec![], when(0, terms("T-1", |_| ())), {
            when(NOW + DAY_MS, terms("T-1", |_| ()))
        }),
    ]
}

fn of_parents() -> Vec<Row> {
    const MISSING: &str = "missing-parent";
    let elsewhere: Vec<Entry> = earned().into_iter().map(|e| of_tenant("other", e)).collect();
    let approve = |commission: &str| decision("D-1", commission, Verdict::Approve);
    vec![
        (
            MISSING,
            "body.transaction: the tenant has no transaction S-9",
            sold(),
            { commission("C-1", |_| ()) },
            commission("C-1", |body| body.transaction = id("S-9")),
        ),
        (
            MISSING,
            "body.terms: the tenant has no program_terms T-9",
            sold(),
            { commission("C-1", |_| ()) },
            commission("C-1", |body| body.terms = id("T-9")),
        ),
        (
            MISSING,
            "body.commission: the tenant has no commission C-9",
            earned(),
            { approve("C-1") },
            approve("C-9"),
        ),
        // The right name, of another kind.
        (MISSING, "the tenant has no commission S-1", earned(), approve("C-1"), approve("S-1")),
        // The right name and kind, of another tenant.
        (
            MISSING,
            "the tenant has no commission C-1",
            elsewhere,
            { of_tenant("other", approve("C-1")) },
            approve("C-1"),
        ),
        (
            MISSING,
            "body.commission: the tenant has no commission C-9",
            earned(),
            { reversal("R-1", |_| ()) },
            reversal("R-1", |body| body.commission = id("C-9")),
        ),
    ]
}

fn of_payouts_parents() -> Vec<Row> {
    let continued = |part: &str| payout("P-2", |body| body.continues = Some(id(part)));
    let half = payout("P-1", |body| body.lines = vec![line("C-1", 500)]);
    vec![
        (
            "missing-parent",
            "body.lines.commission: the tenant has no commission C-9",
            locked(),
            { payout("P-1", |_| ()) },
            payout("P-1", |body| body.lines = vec![line("C-9", 1)]),
        ),
        (
            "missing-parent",
            "body.continues: the tenant has no payout P-9",
            and(locked(), half.clone()),
            {
                payout("P-2", |body| {
                    (body.continues, body.lines) = (Some(id("P-1")), vec![line("C-1", 500)]);
                })
            },
            continued("P-9"),
        ),
        // A payout can't continue itself.
        (
            "missing-parent",
            "the tenant has no payout P-2",
            and(locked(), half),
            { payout("P-2", |body| body.lines = vec![line("C-1", 500)]) },
            continued("P-2"),
        ),
    ]
}

fn of_programs() -> Vec<Row> {
    vec![
        (
            "unknown-program",
            "merchant shop has no terms for program other",
            sold(),
            { sale("S-2", |_| ()) },
            sale("S-2", |body| body.program = id("other")),
        ),
        (
            "unknown-program",
            "merchant main has no terms for program shop",
            sold(),
            { sale("S-2", |_| ()) },
            sale("S-2", |body| (body.merchant, body.program) = (id("main"), id("shop"))),
        ),
        ("unknown-program", "merchant shop", sold(), sale("S-2", |_| ()), {
            of_tenant("other", sale("S-2", |_| ()))
        }),
    ]
}

fn of_terms() -> Vec<Row> {
    let fixed = |code: &str| {
        let reward = Reward::Fixed { currency: currency(code), amount: units(5) };
        terms("T-1", |body| body.reward = reward)
    };
    let first = || vec![terms("T-1", |_| ())];
    let rate = |ppm: u32| terms("T-1", |body| body.reward = Reward::Percent { ppm });
    let version = |version: u32| {
        terms("T-2", |body| (body.version, body.effective_from) = (version, at(NOW)))
    };
    let from = |version: u32, from: u64| {
        let name = format!("T-{version}");
        terms(&name, |body| (body.version, body.effective_from) = (version, at(from)))
    };
    let until = |until: u64| {
        terms("T-1", |body| (body.effective_from, body.effective_until) = (at(9), Some(at(until))))
    };
    let (wrong, back) = ("wrong-version", "terms-reach-back");
    vec![
        (
            "unknown-currency",
            "body.reward.currency: currency USD",
            vec![],
            fixed("JPY"),
            fixed("USD"),
        ),
        ("empty-period", "body.effective_until", vec![], until(10), until(9)),
        ("empty-period", "body.effective_until", vec![], until(u64::from(u32::MAX)), until(0)),
        ("rate-above-whole", "1000001 parts", vec![], rate(1_000_000), rate(1_000_001)),
        (wrong, "must be 1, is 2", vec![], from(1, NOW), version(2)),
        (wrong, "must be 1, is 0", vec![], from(1, NOW), version(0)),
        (wrong, "must be 2, is 1", first(), version(2), version(1)),
        (wrong, "must be 2, is 3", first(), version(2), version(3)),
        (back, "2023-11-14T22:13:20Z at the earliest", first(), from(2, NOW), from(2, NOW - 1)),
        (
            back,
            "body.effective_from",
            and(first(), from(2, NOW + 9)),
            { from(3, NOW + 9) },
            from(3, NOW + 8),
        ),
    ]
}

fn of_commissions() -> Vec<Row> {
    const MUCH: &str = "too-much";
    let of = |amount: u64| commission("C-1", |body| body.amount = units(amount));
    let second = |amount: u64| commission("C-2", |body| body.amount = units(amount));
    let back = |amount: u64| reversal("R-1", |body| body.amount = units(amount));
    let pounds = |body: &mut Commission<Amount>| {
        body.currency = currency("GBP");
    };
    let fixed = |code: &str| {
        let reward = Reward::Fixed { currency: currency(code), amount: units(5) };
        let second = sale("S-2", |body| body.currency = currency("GBP"));
        vec![terms("T-1", |body| body.reward = reward), sale("S-1", |_| ()), second]
    };
    let other = terms("T-9", |body| body.program = id("other"));
    let early = when(NOW - 30 * DAY_MS - 1, sale("S-2", |_| ()));
    let first = when(NOW - 30 * DAY_MS, sale("S-1", |_| ()));
    let last = when(NOW - 1, sale("S-2", |_| ()));
    let of_second = commission("C-1", |body| body.transaction = id("S-2"));
    let ended = terms("T-1", |body| body.effective_until = Some(at(NOW)));
    let later = terms("T-2", |body| (body.version, body.effective_from) = (2, at(NOW)));
    let nothing = terms("T-2", |body| {
        (body.version, body.effective_from) = (2, at(NOW));
        body.reward = Reward::Percent { ppm: 0 };
    });
    let under = |name: &str| commission("C-1", |body| body.terms = id(name));
    let force = "terms-not-in-force";
    let lead = sale("S-2", |body| (body.action, body.currency) = (Action::Lead, currency("USD")));
    vec![
        ("unknown-currency", "body.currency: currency USD", sold(), sale("S-2", |_| ()), lead),
        ("another-currency", "must be EUR", sold(), of(1), commission("C-1", pounds)),
        // The reward's currency is not the sale's.
        (
            "another-currency",
            "must be GBP",
            fixed("GBP"),
            {
                commission("C-1", |body| {
                    (body.transaction, body.currency, body.amount) =
                        (id("S-2"), currency("GBP"), units(5));
                })
            },
            of(5),
        ),
        (
            MUCH,
            "body.amount: 10.01 EUR is more than what is left, 10.00",
            sold(),
            of(1_000),
            of(1_001),
        ),
        (MUCH, "left, 0.05 EUR", fixed("EUR"), of(5), of(6)),
        (MUCH, "left, 4.00 EUR", and(sold(), of(600)), second(400), second(401)),
        // What was taken back can't be stated again.
        (MUCH, "left, 0.00 EUR", and(earned(), back(1_000)), second(0), second(1)),
        // Not even nothing, where terms that came later give less than was stated already.
        (MUCH, "left, 0.00 EUR", and(earned(), nothing), sale("S-2", |_| ()), {
            commission("C-2", |body| (body.terms, body.amount) = (id("T-2"), units(0)))
        }),
        ("terms-of-another-program", "body.terms", and(sold(), other), under("T-1"), under("T-9")),
        (
            force,
            "not in force at",
            vec![terms("T-1", |_| ()), first, early],
            of(1),
            of_second.clone(),
        ),
        (force, "2023-11-14T22:13:20Z", vec![ended, sale("S-1", |_| ()), last], of_second, of(1)),
        (force, "body.terms", and(sold(), later), under("T-2"), under("T-1")),
    ]
}

fn of_reversals() -> Vec<Row> {
    let back = |amount: u64| reversal("R-1", |body| body.amount = units(amount));
    vec![
        ("zero-amount", "body.amount", earned(), back(1), back(0)),
        ("another-currency", "must be EUR", earned(), back(1), {
            reversal("R-1", |body| body.currency = currency("GBP"))
        }),
        ("too-much", "10.01 EUR is more", earned(), back(1_000), back(1_001)),
        (
            "too-much",
            "left, 4.00 EUR",
            and(earned(), reversal("R-0", |body| body.amount = units(600))),
            { back(400) },
            back(401),
        ),
    ]
}

fn of_steps() -> Vec<Row> {
    let second = |amount: u64| commission("C-2", |body| body.amount = units(amount));
    let back = |amount: u64| reversal("R-1", |body| body.amount = units(amount));
    let extend = |date: u64| decision("D-1", "C-1", Verdict::Extend { locking_date: at(date) });
    let due = NOW + 30 * DAY_MS;
    let decline = Verdict::Decline { reason: Reason::Goodwill };
    vec![
        (
            "illegal-step",
            "declined can't be approved",
            and(earned(), decision("D-0", "C-1", decline)),
            { second(0) },
            decision("D-1", "C-1", Verdict::Approve),
        ),
        ("illegal-step", "locked can't be reversed", locked(), second(0), back(1)),
        ("illegal-step", "pending can't be paid", earned(), back(1), payout("P-1", |_| ())),
        // Reversed once, in full.
        ("illegal-step", "reversed can't be reversed", and(earned(), back(1_000)), second(0), {
            reversal("R-2", |body| body.amount = units(1))
        }),
        // Extended once.
        (
            "illegal-step",
            "extended can't be extended",
            and(earned(), extend(due + 1)),
            { decision("D-2", "C-1", Verdict::Lock) },
            decision("D-2", "C-1", Verdict::Extend { locking_date: at(due + 2) }),
        ),
        (
            "extension-not-later",
            "must be later than 2023-12-14",
            earned(),
            extend(due + 1),
            extend(due),
        ),
    ]
}

fn of_payouts() -> Vec<Row> {
    const MUCH: &str = "too-much";
    let lines = |lines: &[(&str, u64)]| {
        let lines = lines.iter().map(|(commission, amount)| line(commission, *amount)).collect();
        payout("P-1", |body| body.lines = lines)
    };
    let many = |count: usize| payout("P-1", |body| body.lines = vec![line("C-1", 1); count]);
    let total = |total: u64| payout("P-1", |body| body.total = Some(units(total)));
    let until = |until: u64| payout("P-1", |body| body.period_until = at(until));
    let paid = |amount: u64| payout("P-0", |body| body.lines = vec![line("C-1", amount)]);
    let inn = |code: &str| payout("P-1", |body| body.currency = currency(code));
    let largest = Amount::MAX.units();
    vec![
        ("unknown-currency", "body.currency: currency USD", locked(), inn("EUR"), inn("USD")),
        ("another-currency", "must be EUR", locked(), inn("EUR"), inn("GBP")),
        (
            "empty-period",
            "body.period_until",
            locked(),
            until(NOW - DAY_MS + 1),
            until(NOW - DAY_MS),
        ),
        ("line-count", "this has 0", locked(), lines(&[("C-1", 1)]), lines(&[])),
        ("line-count", "1 to 500 lines, this has 501", locked(), many(500), many(501)),
        ("zero-amount", "body.lines.amount", locked(), lines(&[("C-1", 1)]), lines(&[("C-1", 0)])),
        (MUCH, "body.lines.amount: 10.01 EUR", locked(), lines(&[("C-1", 1_000)]), {
            lines(&[("C-1", 1_001)])
        }),
        // The same commission twice in one payout.
        (MUCH, "left, 4.00 EUR", locked(), lines(&[("C-1", 600), ("C-1", 400)]), {
            lines(&[("C-1", 600), ("C-1", 401)])
        }),
        (MUCH, "left, 4.00 EUR", and(locked(), paid(600)), lines(&[("C-1", 400)]), {
            lines(&[("C-1", 401)])
        }),
        // What was reversed before it locked is not paid.
        (
            MUCH,
            "left, 4.00 EUR",
            {
                let back = reversal("R-1", |body| body.amount = units(600));
                and(and(earned(), back), decision("D-1", "C-1", Verdict::Lock))
            },
            lines(&[("C-1", 400)]),
            lines(&[("C-1", 401)]),
        ),
        (
            "illegal-step",
            "paid can't be paid",
            and(locked_twice("ann"), paid(1_000)),
            { lines(&[("C-2", 1)]) },
            lines(&[("C-1", 1)]),
        ),
        ("another-payee", "this is bob's", locked_twice("bob"), lines(&[("C-1", 1)]), {
            lines(&[("C-1", 1), ("C-2", 1)])
        }),
        ("wrong-total", "come to 10.00, not 10.01", locked(), total(1_000), total(1_001)),
        ("wrong-total", "come to 10.00, not 0.00", locked(), total(1_000), total(0)),
        ("sum-too-large", "body.lines", rich(), lines(&[("C-1", largest)]), {
            lines(&[("C-1", largest), ("C-2", 1)])
        }),
    ]
}

/// Two locked commissions of all the money there is.
fn rich() -> Vec<Entry> {
    let whole = terms("T-1", |body| body.reward = Reward::Percent { ppm: 1_000_000 });
    let sold = |name: &str| sale(name, |body| body.amount = Amount::MAX);
    let earned = |name: &str, sale: &str| {
        commission(name, |body| (body.transaction, body.amount) = (id(sale), Amount::MAX))
    };
    vec![
        whole,
        sold("S-1"),
        sold("S-2"),
        earned("C-1", "S-1"),
        earned("C-2", "S-2"),
        decision("D-1", "C-1", Verdict::Lock),
        decision("D-2", "C-2", Verdict::Lock),
    ]
}

fn of_parts() -> Vec<Row> {
    let part = |name: &str, previous: Option<&str>, amount: u64, total: Option<u64>| {
        payout(name, |body| {
            body.continues = previous.map(id);
            body.lines = vec![line("C-1", amount)];
            body.total = total.map(units);
        })
    };
    let open = || and(locked(), part("P-1", None, 100, None));
    let closed = || and(locked(), part("P-1", None, 100, Some(100)));
    let second = |total: u64| part("P-2", Some("P-1"), 50, Some(total));
    let continued = || and(open(), part("P-2", Some("P-1"), 50, None));
    let for_bob = payout("P-2", |body| {
        (body.affiliate, body.continues) = (id("bob"), Some(id("P-1")));
    });
    let another = |from: u64, until: u64| {
        payout("P-2", |body| {
            (body.continues, body.lines) = (Some(id("P-1")), vec![line("C-1", 1)]);
            (body.period_from, body.period_until) = (at(from), at(until));
        })
    };
    let pounds = payout("P-2", |body| {
        (body.currency, body.continues) = (currency("GBP"), Some(id("P-1")));
    });
    let largest = Amount::MAX.units();
    vec![
        ("wrong-total", "come to 1.50, not 0.50", open(), second(150), second(50)),
        (
            "payout-not-open",
            "payout P-1 is closed",
            closed(),
            { part("P-2", None, 50, Some(50)) },
            second(150),
        ),
        (
            "payout-not-open",
            "continued already",
            continued(),
            { part("P-3", Some("P-2"), 1, Some(151)) },
            part("P-3", Some("P-1"), 1, Some(101)),
        ),
        ("another-payee", "this is ann's", open(), second(150), for_bob),
        ("another-currency", "must be EUR", open(), second(150), pounds),
        (
            "another-period",
            "2023-11-13T22:13:20Z until 2023-11-14T22:13:20Z",
            open(),
            { another(NOW - DAY_MS, NOW) },
            another(NOW - DAY_MS, NOW + 1),
        ),
        ("another-period", "earlier parts", open(), second(150), another(NOW - DAY_MS + 1, NOW)),
        (
            "sum-too-large",
            "body.lines",
            and(rich(), part("P-1", None, largest, None)),
            { payout("P-2", |body| body.lines = vec![line("C-2", 1)]) },
            payout("P-2", |body| {
                (body.continues, body.lines) = (Some(id("P-1")), vec![line("C-2", 1)]);
            }),
        ),
    ]
}
