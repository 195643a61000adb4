//! What is named must be there: of the kind, of the tenant.

use counterfoil::protocol::entry::{
    Amended, Claim, Effect, Entry, ImportedState, Kind, Outcome, PaymentEvent, Role, Verdict,
};

use super::super::{
    adjusting, adjustment, amendment, balance, commission, covered, decision, funding, id, imported,
    inquiry, line, of_tenant, overriding, payout, payout_event, reference, refund, resolution,
    reversal, sale_amended, terms_of, upline, wrongly_declined,
};
use super::{Row, and, declined, earned, funded, in_payout, locked, sold};

const RULE: &str = "missing-parent";

pub(super) fn rows() -> Vec<Row> {
    [of_earnings(), of_corrections(), of_inquiries(), of_payments()].concat()
}

fn of_earnings() -> Vec<Row> {
    let elsewhere: Vec<Entry> = earned().into_iter().map(|e| of_tenant("other", e)).collect();
    let approve = |commission: &str| decision("D-1", commission, Verdict::Approve);
    let of_sale = |name: &str| commission("C-1", |body| body.transaction = id(name));
    let under = |name: &str| commission("C-1", |body| body.terms = id(name));
    let with_override = |ppm: u32| {
        let mut rule = super::percent(100_000);
        rule.override_ppm = vec![ppm];
        terms_of("T-1", vec![rule])
    };
    let mut above = earned();
    above[0] = with_override(100_000);
    above.push(upline("U-1", "ann", Some("upa")));
    let on = |name: &str| {
        overriding("C-2", |body| body.role = Role::Override { of: id(name), level: 1 })
    };
    vec![
        (RULE, "?", sold(), of_sale("S-1"), of_sale("S-9")),
        (RULE, "?", sold(), under("T-1"), under("T-9")),
        // A sale isn't terms, however it is called.
        (RULE, "?", sold(), under("T-1"), under("S-1")),
        (RULE, "?", above, on("C-1"), on("C-9")),
        (RULE, "?", earned(), approve("C-1"), approve("C-9")),
        (RULE, "?", earned(), approve("C-1"), approve("S-1")),
        // The right name and kind, of another tenant.
        (RULE, "?", elsewhere, of_tenant("other", approve("C-1")), approve("C-1")),
    ]
}

fn of_corrections() -> Vec<Row> {
    let amend = |name: &str| {
        amendment("M-1", |body| body.of = Amended::Commission { commission: id(name) })
    };
    let amend_sale = |name: &str| {
        sale_amended("M-1", |body| {
            body.of = Amended::Transaction { transaction: id(name), commission_group: None };
        })
    };
    let reverse = |name: &str| reversal("R-1", |body| body.commission = id(name));
    let import = vec![imported("C-1", ImportedState::Approved)];
    let refunding = |given| reversal("R-1", |body| body.refund = given);
    let adjust = |kind: Kind, name: &str| {
        adjustment("A-1", |body| body.related = reference(kind, name))
    };
    vec![
        (RULE, "?", earned(), amend("C-1"), amend("C-9")),
        (RULE, "?", earned(), amend_sale("S-1"), amend_sale("S-9")),
        (RULE, "?", earned(), reverse("C-1"), reverse("C-9")),
        // What was brought in has no transaction to refund.
        (RULE, "?", import, refunding(None), refunding(refund(1, &[]))),
        (RULE, "?", locked(), adjust(Kind::Commission, "C-1"), adjust(Kind::Commission, "C-9")),
        (RULE, "?", locked(), adjust(Kind::Transaction, "S-1"), adjust(Kind::Payout, "S-1")),
        (RULE, "?", locked(), adjust(Kind::Decision, "D-1"), adjust(Kind::Adjustment, "A-1")),
    ]
}

fn of_inquiries() -> Vec<Row> {
    let incorrect = |name: &str| {
        inquiry("Q-1", |body| body.claim = Claim::Incorrect { commission: id(name) })
    };
    let reopen = |name: &str| {
        inquiry("Q-1", |body| body.claim = Claim::Declined { commission: id(name) })
    };
    let asked = and(declined(), [wrongly_declined("Q-1")]);
    let resolve = |name: &str| resolution("V-1", name, Outcome::Valid);
    vec![
        (RULE, "?", earned(), incorrect("C-1"), incorrect("C-9")),
        (RULE, "?", declined(), reopen("C-1"), reopen("C-9")),
        (RULE, "?", asked, resolve("Q-1"), resolve("Q-9")),
    ]
}

fn of_payments() -> Vec<Row> {
    let fund = |name: &str| funding("F-1", |body| body.lines = vec![covered(name, 1_000)]);
    let pay = |name: &str| payout("P-1", |body| body.lines = vec![line(name, 1_000)]);
    let settle = |name: &str| payout("P-1", |body| body.lines = vec![adjusting(name, 5)]);
    let open = and(funded(), [balance("A-1", Effect::Credit, 5), payout("P-1", |_| ())]);
    let go_on = |name: &str, previous: &str| {
        payout(name, |body| {
            (body.continues, body.lines) = (Some(id(previous)), vec![adjusting("A-1", 5)]);
        })
    };
    let complete = |name: &str| payout_event("E-1", name, PaymentEvent::Completed);
    vec![
        (RULE, "?", locked(), fund("C-1"), fund("C-9")),
        (RULE, "?", funded(), pay("C-1"), pay("C-9")),
        (RULE, "?", vec![balance("A-1", Effect::Credit, 5)], settle("A-1"), settle("A-9")),
        // A commission isn't an adjustment.
        (RULE, "?", and(funded(), [balance("A-1", Effect::Credit, 5)]), settle("A-1"), {
            settle("C-1")
        }),
        (RULE, "?", open.clone(), go_on("P-2", "P-1"), go_on("P-2", "P-9")),
        // A payout can't continue itself.
        (RULE, "?", open, go_on("P-2", "P-1"), go_on("P-2", "P-2")),
        (RULE, "?", in_payout(), complete("P-1"), complete("P-9")),
    ]
}
