//! Overrides, and the uplines that earn them.

use counterfoil::protocol::entry::{Body, Entry, ImportedState, Outcome, Reason, Role};

use super::super::{
    amendment, commission, currency, decision, decline, id, imported, of_tenant, overriding,
    percent, resolution, sale, terms_of, units, upline, wrongly_declined,
};
use super::{Row, and, another, back};

pub(super) fn rows() -> Vec<Row> {
    [of_direct(), of_nothing(), of_levels(), of_uplines(), of_amounts(), of_cycles(), of_depth()]
        .concat()
}

/// Commission C-1 of ann, whose uplines are upa and, above, upb. Level 1 gets 10 percent, level
/// 2 gets 5.
fn above() -> Vec<Entry> {
    let mut rule = percent(100_000);
    rule.override_ppm = vec![100_000, 50_000];
    vec![
        terms_of("T-1", vec![rule.clone(), rule]),
        sale("S-1", |_| ()),
        upline("U-1", "ann", Some("upa")),
        upline("U-2", "upa", Some("upb")),
        commission("C-1", |_| ()),
    ]
}

/// An override of `level`, for `affiliate`, of so much.
fn at_level(level: u8, affiliate: &str, amount: u64) -> Entry {
    overriding("C-9", |body| {
        body.role = Role::Override { of: id("C-1"), level };
        (body.affiliate, body.amount) = (id(affiliate), units(amount));
    })
}

fn on(commission: &str) -> Entry {
    overriding("C-9", |body| body.role = Role::Override { of: id(commission), level: 1 })
}

fn of_direct() -> Vec<Row> {
    const RULE: &str = "override-of-another";
    let with_override = and(above(), [overriding("C-2", |_| ())]);
    let second = overriding("C-9", |body| body.transaction = id("S-2"));
    let on_second = overriding("C-9", |body| {
        body.transaction = id("S-2");
        body.role = Role::Override { of: id("C-2"), level: 1 };
    });
    vec![
        (
            RULE,
            "body.role.of: no direct commission of this transaction",
            and(above(), another(2, "ann")),
            on("C-1"),
            on("C-2"),
        ),
        (
            RULE,
            "body.role.of: no direct commission of this transaction",
            and(above(), another(2, "ann")),
            on_second,
            second,
        ),
        // An override isn't overridden, nor is what was brought in.
        (
            RULE,
            "body.role.of: no direct commission of this transaction",
            with_override,
            at_level(2, "upb", 50),
            on("C-2"),
        ),
        (
            RULE,
            "body.role.of: no direct commission of this transaction",
            and(above(), [imported("C-2", ImportedState::Pending)]),
            on("C-1"),
            on("C-2"),
        ),
        (
            "wrong-rule",
            "rule 1 is the first that fits, not 2",
            above(),
            on("C-1"),
            overriding("C-9", |body| body.rule = 2),
        ),
        (
            "wrong-rule",
            "rule 1 is the first that fits, not 0",
            above(),
            on("C-1"),
            overriding("C-9", |body| body.rule = 0),
        ),
        ("another-currency", "body.currency: must be EUR", above(), on("C-1"), {
            overriding("C-9", |body| body.currency = currency("GBP"))
        }),
    ]
}

/// Overrides rest on what stands.
fn of_nothing() -> Vec<Row> {
    const RULE: &str = "override-of-nothing";
    let declined = || {
        let asked = wrongly_declined("Q-1");
        and(above(), [decision("D-1", "C-1", decline()), asked])
    };
    let reopened = resolution("V-1", "Q-1", Outcome::Valid);
    let parts = [back("R-1", 400), back("R-2", 600)];
    vec![
        (RULE, "body.role.of: that commission is declined", declined(), reopened, on("C-1")),
        (
            RULE,
            "body.role.of: that commission is reversed",
            and(and(above(), parts), another(2, "ann")),
            sale("S-9", |_| ()),
            on("C-1"),
        ),
        // Whatever else it says of that commission.
        (
            RULE,
            "body.role.of: that commission is declined",
            declined(),
            sale("S-9", |_| ()),
            overriding("C-9", |body| body.rule = 2),
        ),
    ]
}

fn of_levels() -> Vec<Row> {
    const LEVEL: &str = "no-such-level";
    let taken = || and(above(), [overriding("C-2", |_| ())]);
    vec![
        (
            LEVEL,
            "body.role.level: the rule has overrides for 2 levels",
            above(),
            at_level(1, "upa", 100),
            at_level(0, "upa", 100),
        ),
        (
            LEVEL,
            "body.role.level: the rule has overrides for 2 levels",
            above(),
            at_level(2, "upb", 50),
            at_level(3, "upc", 50),
        ),
        (
            "override-taken",
            "body.role.level: level 1 has its override already",
            taken(),
            at_level(2, "upb", 50),
            at_level(1, "upa", 100),
        ),
    ]
}

fn of_uplines() -> Vec<Row> {
    const RULE: &str = "not-upline";
    let mut put_later = above();
    let direct = put_later.remove(4);
    put_later.insert(2, direct);
    let moved = |to: Option<&str>| and(above(), [upline("U-9", "ann", to)]);
    let elsewhere = and(above(), [of_tenant("other", upline("U-9", "ann", Some("upc")))]);
    vec![
        (
            RULE,
            "body.affiliate: at this level stood upa",
            above(),
            at_level(1, "upa", 100),
            at_level(1, "upb", 100),
        ),
        (
            RULE,
            "body.affiliate: at this level stood upb",
            above(),
            at_level(2, "upb", 50),
            at_level(2, "upa", 50),
        ),
        (
            RULE,
            "body.affiliate: at this level stood upa",
            above(),
            at_level(1, "upa", 100),
            at_level(1, "ann", 100),
        ),
        // As it stood when that was earned, not as it stands now.
        (
            RULE,
            "body.affiliate: at this level stood upa",
            moved(Some("upc")),
            at_level(1, "upa", 100),
            at_level(1, "upc", 100),
        ),
        (
            RULE,
            "body.affiliate: at this level stood upb",
            moved(None),
            at_level(2, "upb", 50),
            at_level(2, "upc", 50),
        ),
        (
            RULE,
            "body.affiliate: at this level stood upb",
            and(above(), [upline("U-9", "upa", Some("upc"))]),
            at_level(2, "upb", 50),
            at_level(2, "upc", 50),
        ),
        (
            RULE,
            "body.affiliate: at this level stood nobody",
            put_later,
            sale("S-9", |_| ()),
            at_level(1, "upa", 100),
        ),
        (
            RULE,
            "body.affiliate: at this level stood upa",
            elsewhere,
            at_level(1, "upa", 100),
            at_level(1, "upc", 100),
        ),
    ]
}

fn of_amounts() -> Vec<Row> {
    const WRONG: &str = "wrong-amount";
    let of = |amount: u64| at_level(1, "upa", amount);
    let amended = and(above(), [amendment("M-1", |_| ())]);
    let taken_back = and(above(), [back("R-1", 400)]);
    let deviating = |amount: u64| {
        overriding("C-9", |body| {
            (body.amount, body.deviation) = (units(amount), Some(Reason::Goodwill));
        })
    };
    let fee = |fee: u64| overriding("C-9", |body| body.fee = units(fee));
    let mut charged = above();
    if let Some(Body::ProgramTerms(body)) = charged.first_mut().map(|entry| &mut entry.body) {
        body.network_fee_ppm = 20_000;
    }
    charged.pop();
    charged.push(commission("C-1", |body| body.fee = units(20)));
    vec![
        (WRONG, "must be exactly 1.00 EUR, is 1.01 EUR", above(), of(100), of(101)),
        (
            WRONG,
            "must be exactly 0.50 EUR, is 0.05 EUR",
            above(),
            at_level(2, "upb", 50),
            at_level(2, "upb", 5),
        ),
        // Of what is left of the direct commission now.
        (WRONG, "must be exactly 0.80 EUR, is 1.00 EUR", amended, of(80), of(100)),
        (WRONG, "must be exactly 0.60 EUR, is 1.00 EUR", taken_back, of(60), of(100)),
        (WRONG, "must be exactly 0.02 EUR, is 0.00 EUR", charged, fee(2), fee(0)),
        (
            "needless-deviation",
            "body.deviation: the amount is what the terms give",
            above(),
            deviating(99),
            deviating(100),
        ),
        ("wrong-locking-date", "body.locking_date: the terms give none", above(), of(100), {
            overriding("C-9", |body| body.locking_date = Some(super::at(super::NOW)))
        }),
    ]
}

fn of_cycles() -> Vec<Row> {
    const RULE: &str = "upline-cycle";
    let chain = || {
        vec![
            upline("U-1", "ann", Some("upa")),
            upline("U-2", "upa", Some("upb")),
            upline("U-3", "upb", Some("upc")),
        ]
    };
    let put = |affiliate: &str, above: &str| upline("U-9", affiliate, Some(above));
    let loosened = and(chain(), [upline("U-4", "upa", None)]);
    vec![
        (
            RULE,
            "body.upline: ann would stand above itself",
            vec![],
            put("ann", "bob"),
            put("ann", "ann"),
        ),
        (
            RULE,
            "body.upline: upa would stand above itself",
            chain(),
            put("upa", "bob"),
            put("upa", "ann"),
        ),
        (
            RULE,
            "body.upline: upc would stand above itself",
            chain(),
            put("upc", "upd"),
            put("upc", "ann"),
        ),
        // Once loosened, that isn't above any more.
        (
            RULE,
            "body.upline: upc would stand above itself",
            loosened.clone(),
            put("upb", "ann"),
            put("upc", "upb"),
        ),
        (
            RULE,
            "body.upline: upa would stand above itself",
            loosened,
            upline("U-9", "upc", None),
            put("upa", "ann"),
        ),
    ]
}

fn of_depth() -> Vec<Row> {
    const RULE: &str = "upline-too-deep";
    let name = |number: u8| format!("a-{number}");
    // Above a-0 are 64.
    let chain: Vec<Entry> =
        (0..64u8).map(|n| upline(&format!("U-{n}"), &name(n), Some(&name(n + 1)))).collect();
    let put = |affiliate: &str, above: &str| upline("U-99", affiliate, Some(above));
    vec![
        (
            RULE,
            "body.upline: more than 64 would stand above the affiliate",
            chain.clone(),
            put("ann", "a-1"),
            put("ann", "a-0"),
        ),
        // Those below have more above them then; only who is put is looked at.
        (
            RULE,
            "body.upline: more than 64 would stand above the affiliate",
            chain,
            put("a-64", "ann"),
            put("bob", "a-0"),
        ),
    ]
}
