//! What is named must be there: of the kind, of the tenant.

use counterfoil::protocol::entry::{
    Amended, Claim, Effect, Entry, ImportedState, Kind, Outcome, PaymentEvent, Role, Verdict,
};

use super::super::{
    adjusting, adjustment, amendment, balance, commission, covered, decision, funding, id,
    imported, inquiry, line, of_tenant, overriding, payout, payout_event, reference, refund,
    resolution, reversal, sale_amended, terms_of, upline, wrongly_declined,
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
    above.insert(2, upline("U-1", "ann", Some("upa")));
    let on = |name: &str| {
        overriding("C-2", |body| body.role = Role::Override { of: id(name), level: 1 })
    };
    vec![
        (
            RULE,
            "body.transaction: the tenant has no transaction S-9",
            sold(),
            of_sale("S-1"),
            of_sale("S-9"),
        ),
        (
            RULE,
            "body.terms: the tenant has no program_terms T-9",
            sold(),
            under("T-1"),
            under("T-9"),
        ),
        // A sale isn't terms, however it is called.
        (
            RULE,
            "body.terms: the tenant has no program_terms S-1",
            sold(),
            under("T-1"),
            under("S-1"),
        ),
        (RULE, "body.role.of: the tenant has no commission C-9", above, on("C-1"), on("C-9")),
        (
            RULE,
            "body.commission: the tenant has no commission C-9",
            earned(),
            approve("C-1"),
            approve("C-9"),
        ),
        (
            RULE,
            "body.commission: the tenant has no commission S-1",
            earned(),
            approve("C-1"),
            approve("S-1"),
        ),
        // The right name and kind, of another tenant.
        (
            RULE,
            "body.commission: the tenant has no commission C-1",
            elsewhere,
            of_tenant("other", approve("C-1")),
            approve("C-1"),
        ),
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
        adjustment("A-1", |body| {
            (body.effect, body.related) = (Effect::Credit, reference(kind, name));
        })
    };
    vec![
        (
            RULE,
            "body.of.commission: the tenant has no commission C-9",
            earned(),
            amend("C-1"),
            amend("C-9"),
        ),
        (
            RULE,
            "body.of.transaction: the tenant has no transaction S-9",
            earned(),
            amend_sale("S-1"),
            amend_sale("S-9"),
        ),
        (
            RULE,
            "body.commission: the tenant has no commission C-9",
            earned(),
            reverse("C-1"),
            reverse("C-9"),
        ),
        // What was brought in has no transaction to refund.
        (
            RULE,
            "body.refund: the tenant has no transaction R-1",
            import,
            refunding(None),
            refunding(Some(refund(1, &[]))),
        ),
        (
            RULE,
            "body.related: the tenant has no commission C-9",
            locked(),
            adjust(Kind::Commission, "C-1"),
            adjust(Kind::Commission, "C-9"),
        ),
        (
            RULE,
            "body.related: the tenant has no inquiry S-1",
            locked(),
            adjust(Kind::Transaction, "S-1"),
            adjust(Kind::Inquiry, "S-1"),
        ),
        (
            RULE,
            "body.related: the tenant has no adjustment A-1",
            locked(),
            adjust(Kind::Commission, "C-1"),
            adjust(Kind::Adjustment, "A-1"),
        ),
    ]
}

fn of_inquiries() -> Vec<Row> {
    let incorrect =
        |name: &str| inquiry("Q-1", |body| body.claim = Claim::Incorrect { commission: id(name) });
    let reopen =
        |name: &str| inquiry("Q-1", |body| body.claim = Claim::Declined { commission: id(name) });
    let asked = and(declined(), [wrongly_declined("Q-1")]);
    let resolve = |name: &str| resolution("V-1", name, Outcome::Valid);
    vec![
        (
            RULE,
            "body.claim.commission: the tenant has no commission C-9",
            earned(),
            incorrect("C-1"),
            incorrect("C-9"),
        ),
        (
            RULE,
            "body.claim.commission: the tenant has no commission C-9",
            declined(),
            reopen("C-1"),
            reopen("C-9"),
        ),
        (
            RULE,
            "body.inquiry: the tenant has no inquiry Q-9",
            asked,
            resolve("Q-1"),
            resolve("Q-9"),
        ),
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
        (
            RULE,
            "body.lines.commission: the tenant has no commission C-9",
            locked(),
            fund("C-1"),
            fund("C-9"),
        ),
        (
            RULE,
            "body.lines.commission: the tenant has no commission C-9",
            funded(),
            pay("C-1"),
            pay("C-9"),
        ),
        (
            RULE,
            "body.lines.adjustment: the tenant has no adjustment A-9",
            vec![balance("A-1", Effect::Credit, 5)],
            settle("A-1"),
            settle("A-9"),
        ),
        // A commission isn't an adjustment.
        (
            RULE,
            "body.lines.adjustment: the tenant has no adjustment C-1",
            and(funded(), [balance("A-1", Effect::Credit, 5)]),
            settle("A-1"),
            { settle("C-1") },
        ),
        (
            RULE,
            "body.continues: the tenant has no payout P-9",
            open.clone(),
            go_on("P-2", "P-1"),
            go_on("P-2", "P-9"),
        ),
        // A payout can't continue itself.
        (
            RULE,
            "body.continues: the tenant has no payout P-2",
            open,
            go_on("P-2", "P-1"),
            go_on("P-2", "P-2"),
        ),
        (
            RULE,
            "body.payout: the tenant has no payout P-9",
            in_payout(),
            complete("P-1"),
            complete("P-9"),
        ),
    ]
}
