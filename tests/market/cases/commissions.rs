//! Direct commissions: which terms, which rule, which part, whose share.

use counterfoil::protocol::entry::{
    Action, Body, CapPer, Entry, Period, Reason, Reward, RewardRule, Role,
};
use counterfoil::protocol::money::{Amount, PPM_WHOLE};
use counterfoil::protocol::time::DAY_MS;

use super::super::{
    NOW, at, basket, commission, counts, currency, decision, decline, fixed, fx, grouped, id, item,
    percent, reversal, sale, share, terms, terms_of, units, volumes, when,
};
use super::{Row, and, earned, sold};

pub(super) fn rows() -> Vec<Row> {
    [of_terms(), of_force(), of_parts(), of_rules(), of_shares(), of_currencies(), of_sums()]
        .concat()
}

fn under(terms: &str) -> Entry {
    commission("C-9", |body| body.terms = id(terms))
}

fn on(sale: &str) -> Entry {
    commission("C-9", |body| body.transaction = id(sale))
}

/// A commission of `role` by `rule`, of 0.00 EUR.
fn nothing(name: &str, number: u16, role: Role) -> Entry {
    commission(name, |body| (body.rule, body.role, body.amount) = (number, role, units(0)))
}

fn of_terms() -> Vec<Row> {
    let side = terms("T-2", |body| body.program = id("side"));
    let of_mart = terms("T-2", |body| body.merchant = id("mart"));
    let later = terms("T-2", |body| (body.version, body.effective_from) = (2, at(NOW)));
    let given = |more: Entry| vec![terms("T-1", |_| ()), more, sale("S-1", |_| ())];
    let leads = terms("T-1", |body| body.actions = vec![Action::Lead, Action::Subscription]);
    let done = |name: &str, action: Action| sale(name, |body| body.action = action);
    // So small shares that each earns nothing.
    let many = (0..100).map(|n| nothing(&format!("C-{n}x"), 1, share(1, None)));
    let crowded = and(and(sold(), many), [sale("S-2", |_| ())]);
    vec![
        (
            "list-length",
            "body.transaction: 0 to 99, not 100",
            crowded,
            on("S-2"),
            nothing("C-9", 1, share(1, None)),
        ),
        (
            "terms-of-another-program",
            "body.terms: these are the terms of another program",
            given(side),
            under("T-1"),
            under("T-2"),
        ),
        (
            "terms-of-another-program",
            "body.terms: these are the terms of another program",
            given(of_mart),
            under("T-1"),
            under("T-2"),
        ),
        (
            "terms-recorded-later",
            "body.terms: recorded after the transaction",
            and(sold(), [later]),
            under("T-1"),
            under("T-2"),
        ),
        (
            "action-not-eligible",
            "body.transaction: by these terms a sale earns nothing",
            vec![leads.clone(), done("S-1", Action::Sale), done("S-2", Action::Lead)],
            on("S-2"),
            on("S-1"),
        ),
        (
            "action-not-eligible",
            "body.transaction: by these terms a signup earns nothing",
            vec![leads, done("S-1", Action::Subscription), done("S-2", Action::Signup)],
            on("S-1"),
            on("S-2"),
        ),
    ]
}

fn of_force() -> Vec<Row> {
    const RULE: &str = "terms-not-in-force";
    let second =
        |from: u64| terms("T-2", |body| (body.version, body.effective_from) = (2, at(from)));
    let given = |from: u64| vec![terms("T-1", |_| ()), second(from), sale("S-1", |_| ())];
    let ended = terms("T-1", |body| body.effective_until = Some(at(NOW)));
    let begin = NOW - 30 * DAY_MS;
    // What is recorded after the sale changes nothing for it.
    let late = vec![terms("T-1", |_| ()), sale("S-1", |_| ()), second(NOW), sale("S-2", |_| ())];
    // Once the second version is withdrawn, the third comes after the first.
    let third = terms("T-3", |body| (body.version, body.effective_from) = (3, at(NOW)));
    let withdrawn = |sold: Vec<Entry>| {
        let terms = [terms("T-1", |_| ()), second(NOW + DAY_MS)];
        [terms.to_vec(), sold, vec![third.clone(), sale("S-2", |_| ())]].concat()
    };
    let of_second = |terms: &str| {
        commission("C-9", |body| (body.terms, body.transaction) = (id(terms), id("S-2")))
    };
    vec![
        (
            RULE,
            "body.terms: not in force at 2023-11-14T22:13:20Z",
            given(NOW),
            under("T-2"),
            under("T-1"),
        ),
        (
            RULE,
            "body.terms: not in force at 2023-11-14T22:13:20Z",
            given(NOW + 1),
            under("T-1"),
            under("T-2"),
        ),
        (
            RULE,
            "body.terms: not in force at 2023-11-14T22:13:20Z",
            vec![ended, when(NOW - 1, sale("S-1", |_| ())), sale("S-2", |_| ())],
            on("S-1"),
            on("S-2"),
        ),
        (
            RULE,
            "body.terms: not in force at 2023-10-15T22:13:19.999Z",
            vec![
                terms("T-1", |_| ()),
                when(begin, sale("S-1", |_| ())),
                when(begin - 1, sale("S-2", |_| ())),
            ],
            on("S-1"),
            on("S-2"),
        ),
        (RULE, "body.terms: not in force at 2023-11-14T22:13:20Z", late, on("S-1"), on("S-2")),
        (
            RULE,
            "body.terms: not in force at 2023-11-14T22:13:20Z",
            withdrawn(vec![]),
            of_second("T-3"),
            of_second("T-1"),
        ),
        (
            RULE,
            "body.terms: not in force at 2023-11-14T22:13:20Z",
            withdrawn(vec![sale("S-1", |_| ())]),
            on("S-1"),
            on("S-2"),
        ),
    ]
}

fn of_parts() -> Vec<Row> {
    const RULE: &str = "no-such-part";
    let of_group = |group: Option<&str>, amount: u64| {
        commission("C-1", |body| {
            (body.role, body.amount) = (share(PPM_WHOLE, group), units(amount));
        })
    };
    let given = |sale: Entry| vec![terms("T-1", |_| ()), sale];
    let media = sale("S-1", |body| body.commission_group = Some(id("media")));
    // The order's group is that of items without one.
    let of_media = basket("S-1", |body| body.commission_group = Some(id("media")));
    let no_plain = sale("S-1", |body| {
        body.items =
            vec![item("book", 1, 4_000, Some("media")), item("tea", 1, 6_000, Some("tea"))];
    });
    vec![
        (
            RULE,
            "body.role.commission_group: the transaction has no part",
            sold(),
            of_group(None, 1_000),
            of_group(Some("media"), 1_000),
        ),
        (
            RULE,
            "body.role.commission_group: the transaction has no part",
            given(media),
            of_group(Some("media"), 1_000),
            of_group(None, 1_000),
        ),
        (
            RULE,
            "body.role.commission_group: the transaction has no part",
            given(of_media),
            of_group(Some("media"), 1_000),
            of_group(None, 1_000),
        ),
        (
            RULE,
            "body.role.commission_group: the transaction has no part",
            given(no_plain),
            of_group(Some("tea"), 600),
            of_group(None, 600),
        ),
        (
            RULE,
            "body.role.commission_group: the transaction has no part",
            given(basket("S-1", |_| ())),
            of_group(None, 600),
            of_group(Some("tea"), 400),
        ),
    ]
}

fn of_rules() -> Vec<Row> {
    const RULE: &str = "wrong-rule";
    let with = |alter: fn(&mut RewardRule<Amount>)| {
        let mut rule = percent(50_000);
        alter(&mut rule);
        rule
    };
    let media = || with(|rule| rule.commission_group = Some(id("media")));
    let stars = || with(|rule| rule.affiliate_group = Some(id("stars")));
    let given =
        |rules: Vec<RewardRule<Amount>>| vec![terms_of("T-1", rules), basket("S-1", |_| ())];
    let by = |rule: u16, role: Role, amount: u64| {
        commission("C-1", |body| (body.rule, body.role, body.amount) = (rule, role, units(amount)))
    };
    let plain = || share(PPM_WHOLE, None);
    let of_media = || share(PPM_WHOLE, Some("media"));
    vec![
        (
            RULE,
            "rule 1 is the first that fits, not 0",
            given(vec![percent(100_000)]),
            by(1, plain(), 600),
            by(0, plain(), 600),
        ),
        (
            RULE,
            "rule 1 is the first that fits, not 2",
            given(vec![percent(100_000)]),
            by(1, plain(), 600),
            by(2, plain(), 600),
        ),
        // The first that fits, of two that do.
        (
            RULE,
            "rule 1 is the first that fits, not 2",
            given(vec![media(), percent(100_000)]),
            by(1, of_media(), 200),
            by(2, of_media(), 400),
        ),
        (
            RULE,
            "rule 1 is the first that fits, not 2",
            given(vec![percent(100_000), media()]),
            by(1, of_media(), 400),
            by(2, of_media(), 200),
        ),
        // None fits.
        (
            RULE,
            "no rule fits, not 1",
            given(vec![media()]),
            by(1, of_media(), 200),
            by(1, plain(), 300),
        ),
        (
            RULE,
            "rule 2 is the first that fits, not 1",
            given(vec![stars(), percent(100_000)]),
            by(1, grouped("stars"), 300),
            by(1, grouped("moons"), 300),
        ),
        (
            RULE,
            "rule 2 is the first that fits, not 1",
            given(vec![stars(), percent(100_000)]),
            by(2, plain(), 600),
            by(1, plain(), 300),
        ),
    ]
}

fn of_shares() -> Vec<Row> {
    const RULE: &str = "shares-above-whole";
    let shared = |name: &str, ppm: u32, amount: u64| {
        commission(name, |body| (body.role, body.amount) = (share(ppm, None), units(amount)))
    };
    let begun = || and(sold(), [shared("C-1", 600_000, 600)]);
    let media = commission("C-9", |body| {
        (body.role, body.amount) = (share(PPM_WHOLE, Some("media")), units(400));
    });
    let of_basket = vec![
        terms("T-1", |_| ()),
        basket("S-1", |_| ()),
        commission("C-1", |body| body.amount = units(600)),
    ];
    vec![
        (
            "zero-amount",
            "body.role.share_ppm: must be more",
            sold(),
            nothing("C-1", 1, share(1, None)),
            { nothing("C-1", 1, share(0, None)) },
        ),
        (RULE, "400001 parts", begun(), shared("C-2", 400_000, 400), shared("C-2", 400_001, 400)),
        (
            RULE,
            "1000001 parts",
            sold(),
            shared("C-1", PPM_WHOLE, 1_000),
            shared("C-1", PPM_WHOLE + 1, 1_000),
        ),
        (
            RULE,
            "4294967295 parts",
            and(begun(), [shared("C-2", u32::MAX / 1_000_000, 4)]),
            { shared("C-3", 1, 0) },
            { shared("C-3", u32::MAX, 4_294_967) },
        ),
        // What was declined or taken back keeps its share.
        (
            RULE,
            "400001 parts",
            and(begun(), [decision("D-1", "C-1", decline())]),
            shared("C-2", 400_000, 400),
            shared("C-2", 400_001, 400),
        ),
        (
            RULE,
            "1 parts",
            and(earned(), [reversal("R-1", |_| ()), sale("S-2", |_| ())]),
            on("S-2"),
            nothing("C-2", 1, share(1, None)),
        ),
        // Each part has shares of its own.
        (RULE, "1 parts", of_basket, media, nothing("C-2", 1, share(1, None))),
    ]
}

fn of_currencies() -> Vec<Row> {
    const RULE: &str = "another-currency";
    let inn = |code: &str, amount: u64| {
        commission("C-1", |body| (body.currency, body.amount) = (currency(code), units(amount)))
    };
    let changed = sale("S-1", |body| {
        (body.currency, body.fx) = (currency("JPY"), Some(fx("JPY", "EUR", 10_000_000)));
    });
    // The rule for media is of another currency than the sale.
    let given = |mut rule: RewardRule<Amount>| {
        rule.commission_group = Some(id("media"));
        vec![terms_of("T-1", vec![rule, percent(100_000)]), basket("S-1", |_| ())]
    };
    let plain = || commission("C-1", |body| (body.rule, body.amount) = (2, units(600)));
    let of_media = |amount: u64| {
        commission("C-1", |body| {
            (body.role, body.amount) = (share(PPM_WHOLE, Some("media")), units(amount));
        })
    };
    let in_pounds = |mut rule: RewardRule<Amount>| {
        match (&mut rule.reward, &mut rule.cap) {
            (_, Some(cap)) => cap.currency = currency("GBP"),
            (Reward::VolumeTiers { currency: code, .. }, _) => {
                *code = currency("GBP");
            }
            _ => {}
        }
        rule
    };
    let capped = super::super::capped(percent(100_000), CapPer::Part, 5_000);
    let tiers = volumes(Period::Ever, &[(0, 100_000)]);
    vec![
        (RULE, "body.currency: must be EUR", sold(), inn("EUR", 1_000), inn("GBP", 1_000)),
        // Commissions are reckoned in what the sale is changed into.
        (
            RULE,
            "body.currency: must be EUR",
            vec![terms("T-1", |_| ()), changed],
            inn("EUR", 1_000),
            inn("JPY", 1_000),
        ),
        (RULE, "body.currency: must be GBP", given(fixed("GBP", 5)), plain(), of_media(5)),
        (RULE, "body.currency: must be GBP", given(in_pounds(capped)), plain(), of_media(400)),
        (RULE, "body.currency: must be GBP", given(in_pounds(tiers)), plain(), of_media(400)),
    ]
}

/// What is counted stays an amount.
fn of_sums() -> Vec<Row> {
    const RULE: &str = "sum-too-large";
    let whole = |name: &str| sale(name, |body| body.amount = Amount::MAX);
    let of = |name: &str, sale: &str, affiliate: &str| {
        commission(name, |body| {
            (body.transaction, body.affiliate) = (id(sale), id(affiliate));
            body.amount = units(0);
        })
    };
    let volume = vec![
        terms_of("T-1", vec![volumes(Period::Ever, &[(0, 0)])]),
        whole("S-1"),
        sale("S-2", |body| body.amount = units(1)),
        of("C-1", "S-1", "ann"),
    ];
    // A favour of all the money there is.
    let favour = |name: &str, sale: &str, affiliate: &str, amount: u64| {
        let mut entry = of(name, sale, affiliate);
        if let Body::Commission(body) = &mut entry.body {
            (body.amount, body.deviation) = (units(amount), Some(Reason::Goodwill));
        }
        entry
    };
    let earned = vec![
        terms_of("T-1", vec![counts(Period::Month, &[(0, 100_000)])]),
        sale("S-1", |_| ()),
        sale("S-2", |_| ()),
        favour("C-1", "S-1", "ann", Amount::MAX.units()),
    ];
    vec![
        (RULE, "body.amount: the sum", volume, of("C-2", "S-2", "bob"), of("C-2", "S-2", "ann")),
        (
            RULE,
            "body.amount: the sum",
            earned,
            favour("C-2", "S-2", "ann", 0),
            favour("C-2", "S-2", "ann", 1),
        ),
    ]
}
