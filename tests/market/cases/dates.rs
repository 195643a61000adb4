//! Nothing is dated before what it names, in whatever field.

use counterfoil::protocol::entry::{
    Claim, Effect, Entry, ImportedState, Kind, Outcome, PaymentEvent, Verdict,
};

use super::super::{
    NOW, adjusting, adjustment, amendment, balance, closed, commission, committed, decision,
    erasure, fee, funding, id, imported, inquiry, line, overriding, payout, payout_event, percent,
    reference, resolution, reversal, sale, sale_amended, terms, terms_of, upline, when,
    wrongly_declined,
};
use super::{Row, and, declined, earned, funded, in_payout, locked, sold};

const RULE: &str = "before-parent";

pub(super) fn rows() -> Vec<Row> {
    [of_earnings(), of_corrections(), of_adjustments(), of_payments(), of_parts()].concat()
}

/// `entry` is legal at the time of what came before it, and not a moment earlier.
fn row(says: &'static str, given: Vec<Entry>, entry: Entry) -> Row {
    (RULE, says, given, entry.clone(), when(NOW - 1, entry))
}

fn of_earnings() -> Vec<Row> {
    const SALE: &str = "the time of the transaction that body.transaction names, is later";
    const EARNED: &str = "the time of the commission that body.commission names, is later";
    let mut rule = percent(100_000);
    rule.override_ppm = vec![100_000];
    let above = vec![
        terms_of("T-1", vec![rule]),
        when(NOW - 1, sale("S-1", |_| ())),
        upline("U-1", "ann", Some("upa")),
        commission("C-1", |_| ()),
    ];
    // Of terms it only matters when they were recorded, and from when they hold.
    let with_later_terms = vec![when(NOW + 9, terms("T-1", |_| ())), sale("S-1", |_| ())];
    let imported = vec![imported("C-1", ImportedState::Pending)];
    let approve = || decision("D-9", "C-1", Verdict::Approve);
    vec![
        row(SALE, sold(), commission("C-1", |_| ())),
        row(SALE, with_later_terms, commission("C-1", |_| ())),
        row(
            "the time of the commission that body.role.of names, is later",
            above,
            overriding("C-9", |_| ()),
        ),
        row(EARNED, earned(), approve()),
        row(EARNED, imported, approve()),
    ]
}

fn of_corrections() -> Vec<Row> {
    let incorrect = inquiry("Q-1", |body| body.claim = Claim::Incorrect { commission: id("C-1") });
    let asked = and(declined(), [wrongly_declined("Q-1")]);
    let private = and(sold(), [committed(sale("S-2", |_| ()))]);
    vec![
        row(
            "the time of the commission that body.of.commission names, is later",
            earned(),
            amendment("M-1", |_| ()),
        ),
        row(
            "the time of the transaction that body.of.transaction names, is later",
            sold(),
            sale_amended("M-1", |_| ()),
        ),
        row(
            "the time of the commission that body.commission names, is later",
            earned(),
            reversal("R-1", |_| ()),
        ),
        row(
            "the time of the commission that body.claim.commission names, is later",
            earned(),
            incorrect,
        ),
        row(
            "the time of the inquiry that body.inquiry names, is later",
            asked,
            resolution("V-1", "Q-1", Outcome::Valid),
        ),
        row(
            "the time of the transaction that body.entry names, is later",
            private,
            erasure("X-1", Kind::Transaction, "S-2"),
        ),
    ]
}

fn of_adjustments() -> Vec<Row> {
    let of = |kind: Kind, name: &str| {
        adjustment("A-9", |body| {
            (body.effect, body.related) = (Effect::Credit, reference(kind, name));
        })
    };
    let asked = and(sold(), [inquiry("Q-1", |_| ())]);
    vec![
        row(
            "the time of the commission that body.related names, is later",
            locked(),
            of(Kind::Commission, "C-1"),
        ),
        row(
            "the time of the adjustment that body.related names, is later",
            vec![balance("A-1", Effect::Credit, 5)],
            of(Kind::Adjustment, "A-1"),
        ),
        row(
            "the time of the transaction that body.related names, is later",
            sold(),
            of(Kind::Transaction, "S-1"),
        ),
        row(
            "the time of the inquiry that body.related names, is later",
            asked,
            of(Kind::Inquiry, "Q-1"),
        ),
    ]
}

fn of_payments() -> Vec<Row> {
    const EARNED: &str = "the time of the commission that body.lines.commission names, is later";
    let settle = payout("P-1", |body| body.lines = vec![adjusting("A-1", 5)]);
    vec![
        row(EARNED, locked(), funding("F-9", |_| ())),
        row(EARNED, funded(), closed("P-1", |_| ())),
        row(
            "the time of the adjustment that body.lines.adjustment names, is later",
            vec![balance("A-1", Effect::Credit, 5)],
            settle,
        ),
        row(
            "the time of the payout that body.payout names, is later",
            in_payout(),
            payout_event("E-9", "P-1", PaymentEvent::Completed),
        ),
    ]
}

/// Who continues a payout is compared with its first part.
fn of_parts() -> Vec<Row> {
    const SAYS: &str = "the time of the payout that body.continues names, is later";
    let first = || payout("P-1", |body| body.lines = vec![fee(1)]);
    let go_on = |name: &str, previous: &str| {
        payout(name, |body| (body.continues, body.lines) = (Some(id(previous)), vec![fee(1)]))
    };
    let late = || vec![first(), when(NOW + 9, go_on("P-2", "P-1"))];
    let paid = and(funded(), [payout("P-1", |body| body.lines = vec![line("C-1", 1_000)])]);
    vec![
        row(SAYS, vec![first()], go_on("P-2", "P-1")),
        row(SAYS, late(), go_on("P-3", "P-2")),
        row(SAYS, paid, go_on("P-2", "P-1")),
        // A further part has no time of its own.
        (
            RULE,
            "the time of the payout that body.entry names, is later",
            [first(), go_on("P-2", "P-1")].map(committed).to_vec(),
            when(NOW - 1, erasure("X-1", Kind::Payout, "P-2")),
            when(NOW - 1, erasure("X-1", Kind::Payout, "P-1")),
        ),
    ]
}
