//! Adjustments, inquiries, and what is brought in.

use counterfoil::protocol::entry::{
    Adjustment, Balance, Claim, Effect, Entry, ImportedState, Inquiry, Kind, Outcome, Reason,
    Verdict,
};
use counterfoil::protocol::money::Amount;

use super::super::{
    adjustment, balance, currency, decision, decline, id, imported, inquiry, opening, prepaid,
    reference, resolution, reversal, sale, units, wrongly_declined,
};
use super::{Row, and, another, another_funded, declined, earned, in_payout, locked, paid, rich};

pub(super) fn rows() -> Vec<Row> {
    [
        of_adjustments(),
        of_linked_adjustments(),
        of_adjusted_sums(),
        of_adjusted_adjustments(),
        of_other_adjustments(),
        of_inquiries(),
        of_claims(),
        of_resolutions(),
        of_imports(),
        of_imported_sums(),
    ]
    .concat()
}

/// An adjustment of commission C-1.
fn adjust(name: &str, effect: Effect, amount: u64) -> Entry {
    adjustment(name, |body| (body.effect, body.amount) = (effect, units(amount)))
}

fn of_adjustments() -> Vec<Row> {
    let inn = |code: &str| {
        adjustment("A-9", |body| {
            (body.currency, body.related) = (currency(code), reference(Kind::Transaction, "S-1"));
            body.effect = Effect::Credit;
        })
    };
    vec![
        ("unknown-currency", "body.currency: currency USD", locked(), inn("JPY"), inn("USD")),
        ("zero-amount", "body.amount: must be more", locked(), adjust("A-9", Effect::Debit, 1), {
            adjust("A-9", Effect::Debit, 0)
        }),
        ("zero-amount", "body.amount: must be more", locked(), adjust("A-9", Effect::Credit, 1), {
            adjust("A-9", Effect::Credit, 0)
        }),
    ]
}

fn of_linked_adjustments() -> Vec<Row> {
    const STEP: &str = "illegal-step";
    let for_whom = |affiliate: &str| adjustment("A-9", |body| body.affiliate = id(affiliate));
    let inn = |code: &str| adjustment("A-9", |body| body.currency = currency(code));
    let of = |commission: &str| {
        adjustment("A-9", |body| body.related = reference(Kind::Commission, commission))
    };
    let with_funded = |given: Vec<Entry>| and(given, another_funded(2, "ann"));
    let after = |verdict: Verdict| with_funded(and(earned(), [decision("D-1", "C-1", verdict)]));
    let of_sale = adjustment("A-9", |body| {
        (body.affiliate, body.related) = (id("bob"), reference(Kind::Transaction, "S-1"));
        body.effect = Effect::Credit;
    });
    let import =
        |state| with_funded(and(vec![super::terms("T-1", |_| ())], [imported("C-1", state)]));
    let reversed = with_funded(and(earned(), [reversal("R-1", |_| ())]));
    vec![
        (
            "another-affiliate",
            "body.affiliate: this is ann's",
            locked(),
            for_whom("ann"),
            for_whom("bob"),
        ),
        // What isn't a commission's may be anybody's.
        ("another-affiliate", "body.affiliate: this is ann's", locked(), of_sale, for_whom("bob")),
        ("another-currency", "body.currency: must be EUR", locked(), inn("EUR"), inn("GBP")),
        (STEP, "pending can't be adjusted", with_funded(earned()), of("C-2"), of("C-1")),
        (STEP, "approved can't be adjusted", after(Verdict::Approve), of("C-2"), of("C-1")),
        (STEP, "declined can't be adjusted", after(decline()), of("C-2"), of("C-1")),
        (STEP, "reversed can't be adjusted", reversed, of("C-2"), of("C-1")),
        (STEP, "approved can't be adjusted", import(ImportedState::Approved), of("C-2"), of("C-1")),
        (
            STEP,
            "pending can't be adjusted",
            and(in_payout(), another(3, "ann")),
            of("C-1"),
            of("C-3"),
        ),
        (STEP, "pending can't be adjusted", and(paid(), another(3, "ann")), of("C-1"), of("C-3")),
    ]
}

fn of_adjusted_sums() -> Vec<Row> {
    const MUCH: &str = "too-much";
    let debit = |amount: u64| adjust("A-9", Effect::Debit, amount);
    let credit = |amount: u64| adjust("A-9", Effect::Credit, amount);
    let after = |entries: Vec<Entry>| and(locked(), entries);
    let largest = Amount::MAX.units();
    let partly = and(
        earned(),
        [reversal("R-1", |body| body.amount = units(600)), decision("D-1", "C-1", Verdict::Lock)],
    );
    let large = |effect: Effect, amount: u64| and(rich(), [adjust("A-1", effect, amount)]);
    vec![
        (
            MUCH,
            "10.01 EUR is more than what is left, 10.00 EUR",
            locked(),
            debit(1_000),
            debit(1_001),
        ),
        (
            MUCH,
            "7.01 EUR is more than what is left, 7.00 EUR",
            after(vec![adjust("A-1", Effect::Debit, 300)]),
            debit(700),
            debit(701),
        ),
        (
            MUCH,
            "13.01 EUR is more than what is left, 13.00 EUR",
            after(vec![adjust("A-1", Effect::Credit, 300)]),
            debit(1_300),
            debit(1_301),
        ),
        (MUCH, "4.01 EUR is more than what is left, 4.00 EUR", partly, debit(400), debit(401)),
        (
            MUCH,
            "10.01 EUR is more than what is left, 10.00 EUR",
            paid(),
            debit(1_000),
            debit(1_001),
        ),
        (
            "sum-too-large",
            "body.amount: the sum",
            locked(),
            credit(largest - 1_000),
            credit(largest - 999),
        ),
        ("sum-too-large", "body.amount: the sum", rich(), debit(1), credit(1)),
        (
            "sum-too-large",
            "body.amount: the sum",
            large(Effect::Debit, largest),
            sale("S-9", |_| ()),
            credit(1),
        ),
    ]
}

/// An adjustment of adjustment A-1.
fn adjust_again(name: &str, effect: Effect, amount: u64) -> Entry {
    adjustment(name, |body| {
        (body.effect, body.amount) = (effect, units(amount));
        body.related = reference(Kind::Adjustment, "A-1");
    })
}

fn of_adjusted_adjustments() -> Vec<Row> {
    const MUCH: &str = "too-much";
    let debit = |amount: u64| adjust_again("A-9", Effect::Debit, amount);
    let credit = |amount: u64| adjust_again("A-9", Effect::Credit, amount);
    let credited = || vec![balance("A-1", Effect::Credit, 300)];
    // 3.00 EUR against ann.
    let debited = || and(locked(), [adjustment("A-1", |_| ())]);
    let another = |alter: fn(&mut Adjustment<Amount>)| {
        adjustment("A-9", |body| {
            body.related = reference(Kind::Adjustment, "A-1");
            alter(body);
        })
    };
    let taken = || and(credited(), [adjust_again("A-2", Effect::Debit, 100)]);
    let given_back = || and(debited(), [adjust_again("A-2", Effect::Credit, 100)]);
    let of_second = adjustment("A-9", |body| {
        (body.amount, body.related) = (units(100), reference(Kind::Adjustment, "A-2"));
    });
    let largest = Amount::MAX.units();
    vec![
        (
            "another-affiliate",
            "body.affiliate: this is ann's",
            credited(),
            debit(300),
            another(|body| body.affiliate = id("bob")),
        ),
        ("another-currency", "body.currency: must be EUR", credited(), debit(300), {
            another(|body| body.currency = currency("GBP"))
        }),
        (MUCH, "3.01 EUR is more than what is left, 3.00 EUR", credited(), debit(300), debit(301)),
        (MUCH, "2.01 EUR is more than what is left, 2.00 EUR", taken(), debit(200), debit(201)),
        // A debit comes to nothing that could be taken; what is given back of it does.
        (MUCH, "0.01 EUR is more than what is left, 0.00 EUR", debited(), credit(1), debit(1)),
        (
            MUCH,
            "1.01 EUR is more than what is left, 1.00 EUR",
            given_back(),
            debit(100),
            debit(101),
        ),
        // What names that is counted there.
        (
            MUCH,
            "1.01 EUR is more than what is left, 1.00 EUR",
            and(given_back(), [super::named("A-3", of_second)]),
            debit(100),
            debit(101),
        ),
        // Nor does it change what the commission comes to.
        (
            MUCH,
            "7.01 EUR is more than what is left, 7.00 EUR",
            given_back(),
            adjust("A-9", Effect::Debit, 700),
            adjust("A-9", Effect::Debit, 701),
        ),
        (
            "sum-too-large",
            "body.amount: the sum",
            credited(),
            credit(largest - 300),
            credit(largest - 299),
        ),
        ("sum-too-large", "body.amount: the sum", given_back(), credit(largest - 100), {
            credit(largest - 99)
        }),
    ]
}

fn of_other_adjustments() -> Vec<Row> {
    const KIND: &str = "not-adjustable";
    const ONLY: &str = "credit-only";
    let of = |kind: Kind, name: &str, effect: Effect| {
        adjustment("A-9", |body| (body.effect, body.related) = (effect, reference(kind, name)))
    };
    let credit = |kind: Kind, name: &str| of(kind, name, Effect::Credit);
    let debit = |kind: Kind, name: &str| of(kind, name, Effect::Debit);
    let asked = || and(in_payout(), [inquiry("Q-1", |_| ())]);
    let by_bob = adjustment("A-9", |body| {
        (body.affiliate, body.effect) = (id("bob"), Effect::Credit);
        body.related = reference(Kind::Inquiry, "Q-1");
    });
    let not = |says: &'static str, kind: Kind, name: &str| {
        (KIND, says, asked(), credit(Kind::Inquiry, "Q-1"), credit(kind, name))
    };
    let import = vec![imported("C-1", ImportedState::Locked)];
    vec![
        not("body.related: a program_terms isn't adjusted", Kind::ProgramTerms, "T-1"),
        not("body.related: a decision isn't adjusted", Kind::Decision, "D-1"),
        not("body.related: a funding isn't adjusted", Kind::Funding, "F-1"),
        // Whether it is there or not.
        not("body.related: a payout isn't adjusted", Kind::Payout, "P-1"),
        not("body.related: a payout isn't adjusted", Kind::Payout, "P-9"),
        // What was brought in is a commission by then.
        (
            KIND,
            "body.related: a opening_balance isn't adjusted",
            import,
            credit(Kind::Commission, "C-1"),
            credit(Kind::OpeningBalance, "C-1"),
        ),
        (
            "another-affiliate",
            "body.affiliate: this is ann's",
            asked(),
            credit(Kind::Inquiry, "Q-1"),
            by_bob,
        ),
        (
            ONLY,
            "body.effect: what takes from an affiliate",
            asked(),
            credit(Kind::Inquiry, "Q-1"),
            debit(Kind::Inquiry, "Q-1"),
        ),
        (
            ONLY,
            "body.effect: what takes from an affiliate",
            asked(),
            credit(Kind::Transaction, "S-1"),
            debit(Kind::Transaction, "S-1"),
        ),
    ]
}

fn of_inquiries() -> Vec<Row> {
    let inn = |code: &str| inquiry("Q-9", |body| body.currency = currency(code));
    let of = |amount: u64| inquiry("Q-9", |body| body.amount = units(amount));
    vec![
        ("unknown-currency", "body.currency: currency USD", earned(), inn("JPY"), inn("USD")),
        ("zero-amount", "body.amount: must be more", earned(), of(1), of(0)),
    ]
}

fn of_claims() -> Vec<Row> {
    let incorrect = |commission: &str, alter: fn(&mut Inquiry<Amount>)| {
        inquiry("Q-9", |body| {
            body.claim = Claim::Incorrect { commission: id(commission) };
            alter(body);
        })
    };
    let of_mart = super::terms("T-9", |body| body.merchant = id("mart"));
    let given = || and(earned(), [of_mart.clone()]);
    let declined_claim = |commission: &str| {
        inquiry("Q-9", |body| body.claim = Claim::Declined { commission: id(commission) })
    };
    let asked = |given: Vec<Entry>| and(given, another(2, "ann"));
    vec![
        (
            "another-affiliate",
            "body.affiliate: this is ann's",
            earned(),
            incorrect("C-1", |_| ()),
            { incorrect("C-1", |body| body.affiliate = id("bob")) },
        ),
        ("another-merchant", "body.merchant: this is shop's", given(), incorrect("C-1", |_| ()), {
            incorrect("C-1", |body| body.merchant = id("mart"))
        }),
        ("another-currency", "body.currency: must be EUR", earned(), incorrect("C-1", |_| ()), {
            incorrect("C-1", |body| body.currency = currency("GBP"))
        }),
        (
            "illegal-step",
            "pending can't be reopened",
            asked(declined()),
            declined_claim("C-1"),
            declined_claim("C-2"),
        ),
        (
            "illegal-step",
            "locked can't be reopened",
            asked(locked()),
            incorrect("C-1", |_| ()),
            declined_claim("C-1"),
        ),
        (
            "another-affiliate",
            "body.affiliate: this is bob's",
            and(declined(), another(2, "bob")),
            declined_claim("C-1"),
            incorrect("C-2", |_| ()),
        ),
    ]
}

fn of_resolutions() -> Vec<Row> {
    const RESOLVED: &str = "inquiry-resolved";
    let asked = || and(declined(), [wrongly_declined("Q-1"), wrongly_declined("Q-2")]);
    let resolve = |name: &str, inquiry: &str, outcome: Outcome| resolution(name, inquiry, outcome);
    let valid = |inquiry: &str| resolve("V-9", inquiry, Outcome::Valid);
    let no = || Outcome::Declined { reason: Reason::MerchantDispute };
    let after = |outcome: Outcome| and(asked(), [resolve("V-1", "Q-1", outcome)]);
    vec![
        (
            RESOLVED,
            "body.inquiry: was resolved already",
            after(Outcome::Incomplete),
            valid("Q-2"),
            valid("Q-1"),
        ),
        (RESOLVED, "body.inquiry: was resolved already", after(no()), valid("Q-2"), valid("Q-1")),
        (
            RESOLVED,
            "body.inquiry: was resolved already",
            after(Outcome::Valid),
            resolve("V-9", "Q-2", no()),
            valid("Q-1"),
        ),
        // It is pending again already.
        (
            "illegal-step",
            "pending can't be reopened",
            after(Outcome::Valid),
            resolve("V-9", "Q-2", Outcome::Incomplete),
            valid("Q-2"),
        ),
    ]
}

fn of_imports() -> Vec<Row> {
    const ZERO: &str = "zero-amount";
    let commission = |code: &str, amount: u64| {
        opening(
            "O-9",
            Balance::Commission {
                affiliate: id("ann"),
                merchant: id("shop"),
                currency: currency(code),
                amount: units(amount),
                state: ImportedState::Locked,
                locking_date: None,
            },
        )
    };
    let affiliate = |code: &str, amount: u64| {
        let (affiliate, effect) = (id("ann"), Effect::Debit);
        let (currency, amount) = (currency(code), units(amount));
        opening("O-9", Balance::Affiliate { affiliate, effect, currency, amount })
    };
    let merchant = |code: &str, amount: u64| {
        let (merchant, currency, amount) = (id("shop"), currency(code), units(amount));
        opening("O-9", Balance::Merchant { merchant, currency, amount })
    };
    vec![
        (
            "unknown-currency",
            "body.balance.currency: currency USD",
            vec![],
            commission("JPY", 1),
            commission("USD", 1),
        ),
        (
            "unknown-currency",
            "body.balance.currency: currency USD",
            vec![],
            affiliate("JPY", 1),
            affiliate("USD", 1),
        ),
        (
            "unknown-currency",
            "body.balance.currency: currency USD",
            vec![],
            merchant("JPY", 1),
            merchant("USD", 1),
        ),
        (
            ZERO,
            "body.balance.amount: must be more",
            vec![],
            commission("EUR", 1),
            commission("EUR", 0),
        ),
        (
            ZERO,
            "body.balance.amount: must be more",
            vec![],
            affiliate("EUR", 1),
            affiliate("EUR", 0),
        ),
        (ZERO, "body.balance.amount: must be more", vec![], merchant("EUR", 1), merchant("EUR", 0)),
    ]
}

fn of_imported_sums() -> Vec<Row> {
    const RULE: &str = "sum-too-large";
    let merchant = |code: &str, amount: u64| {
        let (merchant, currency, amount) = (id("shop"), currency(code), units(amount));
        opening("O-9", Balance::Merchant { merchant, currency, amount })
    };
    let largest = Amount::MAX.units();
    let paid_in = super::funding("F-1", |body| {
        (body.received, body.lines) = (units(largest - 5), Vec::new());
    });
    vec![
        (
            RULE,
            "body.balance.amount: the sum",
            vec![prepaid("O-1", 1)],
            merchant("EUR", largest - 1),
            { merchant("EUR", largest) },
        ),
        (
            RULE,
            "body.balance.amount: the sum",
            vec![paid_in],
            merchant("EUR", 5),
            merchant("EUR", 6),
        ),
        // Sums are by currency.
        (
            RULE,
            "body.balance.amount: the sum",
            vec![prepaid("O-1", 1)],
            merchant("GBP", largest),
            { merchant("EUR", largest) },
        ),
    ]
}
