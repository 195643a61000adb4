//! The entries that a shop's history comes to.

use counterfoil::protocol::entry::{
    Action, Adjustment, Body, Commission, Decision, Effect, Entry, Funding, FundingLine, Item,
    Kind, Locking, PaymentEvent, Payout, PayoutEvent, PayoutLine, ProgramTerms, Reason, Reference,
    Refund, Reversal, RewardRule, Role, Transaction, Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::time::Timestamp;

use super::pounds::gbp;
use super::program::{self, Affiliate, MERCHANT, PROGRAM, TENANT, TERMS};

/// The first terms of the program, in force since the midnight before `first_event`.
pub fn terms(first_event: Timestamp) -> Entry {
    let effective_from = program::beginning(first_event);
    let body = Body::ProgramTerms(ProgramTerms {
        merchant: id(MERCHANT),
        program: id(PROGRAM),
        version: 1,
        effective_from,
        effective_until: None,
        actions: vec![Action::Sale],
        locking: Locking::Days { days: program::LOCKING_DAYS },
        network_fee_ppm: program::NETWORK_FEE_PPM,
        rules: vec![RewardRule {
            commission_group: None,
            affiliate_group: None,
            reward: program::reward(),
            recurring: None,
            cap: None,
            override_ppm: Vec::new(),
        }],
    });
    entry(id(TERMS), effective_from, body)
}

/// The transaction of an order.
pub fn transaction(order: &Id, time: Timestamp, amount: Amount, items: Vec<Item<Amount>>) -> Entry {
    let body = Body::Transaction(Transaction {
        order_ref: order.clone(),
        merchant: id(MERCHANT),
        program: id(PROGRAM),
        action: Action::Sale,
        currency: gbp(),
        amount,
        discount: None,
        voucher: None,
        commission_group: None,
        link_ref: None,
        campaign_ref: None,
        click_ref: None,
        items,
        fx: None,
    });
    entry(order.clone(), time, body)
}

/// The commission of an order.
pub fn commission(order: &Id, time: Timestamp, affiliate: Affiliate, amount: Amount) -> Entry {
    let body = Body::Commission(Commission {
        transaction: order.clone(),
        terms: id(TERMS),
        rule: 1,
        affiliate: affiliate.id(),
        role: Role::default(),
        currency: gbp(),
        amount,
        fee: program::fee(amount),
        locking_date: Some(program::locking(time)),
        deviation: None,
    });
    entry(commission_of(order), time, body)
}

/// A decision on an order's commission.
pub fn decision(order: &Id, time: Timestamp, verdict: Verdict) -> Entry {
    let name = match verdict {
        Verdict::Approve => "APPROVE",
        Verdict::Decline { .. } => "DECLINE",
        Verdict::Extend { .. } => "EXTEND",
        Verdict::Lock => "LOCK",
    };
    let body = Body::Decision(Decision { commission: commission_of(order), verdict });
    entry(id(&format!("{name}-{order}")), time, body)
}

/// Takes back of an order's commission for a cancellation, before it locks.
pub fn reversal(
    cancellation: &Id,
    time: Timestamp,
    order: &Id,
    amount: Amount,
    refund: Refund<Amount>,
) -> Entry {
    let body = Body::Reversal(Reversal {
        commission: commission_of(order),
        currency: gbp(),
        amount,
        reason: Reason::CancelledOrder,
        refund: Some(refund),
    });
    entry(id(&format!("REV-{cancellation}-{order}")), time, body)
}

/// Takes back of an order's commission for a cancellation, after it locked.
pub fn adjustment(
    cancellation: &Id,
    time: Timestamp,
    order: &Id,
    affiliate: Affiliate,
    amount: Amount,
) -> Entry {
    let related = Reference { kind: Kind::Commission, external_id: commission_of(order) };
    let name = adjustment_of(cancellation, order);
    let body = Body::Adjustment(Adjustment {
        affiliate: affiliate.id(),
        effect: Effect::Debit,
        currency: gbp(),
        amount,
        related,
        reason: Reason::CancelledOrder,
    });
    entry(name, time, body)
}

/// The name of what the merchant pays at `time`.
pub fn funding_name(time: Timestamp) -> Id {
    id(&format!("FUND-{}", month_name(time)))
}

/// Part `part` of what the merchant pays, counted from 0.
pub fn funding(
    name: &Id,
    time: Timestamp,
    part: usize,
    received: Amount,
    lines: Vec<FundingLine<Amount>>,
) -> Entry {
    let body = Body::Funding(Funding {
        merchant: id(MERCHANT),
        payment_ref: id(&format!("BANK-{}", month_name(time))),
        currency: gbp(),
        received,
        lines,
    });
    entry(part_of(name, part), time, body)
}

/// The name of what is paid to `affiliate` at `time`.
pub fn payout_name(time: Timestamp, affiliate: Affiliate) -> Id {
    id(&format!("PAY-{}-{}", month_name(time), affiliate.id()))
}

/// Part `part` of a payout, counted from 0; the last one has the total.
pub fn payout(
    name: &Id,
    time: Timestamp,
    affiliate: Affiliate,
    part: usize,
    lines: Vec<PayoutLine<Amount>>,
    total: Option<Amount>,
) -> Entry {
    let (period_from, period_until) = program::month_before(time);
    let body = Body::Payout(Payout {
        affiliate: affiliate.id(),
        currency: gbp(),
        period_from,
        period_until,
        continues: part.checked_sub(1).map(|before| part_of(name, before)),
        lines,
        total,
        fx: None,
    });
    entry(part_of(name, part), time, body)
}

/// What became of the payout `name`.
pub fn payout_event(name: &Id, time: Timestamp, event: PaymentEvent) -> Entry {
    let what = match &event {
        PaymentEvent::Sent { .. } => "SENT",
        PaymentEvent::Completed => "COMPLETED",
        PaymentEvent::Failed => "FAILED",
        PaymentEvent::Returned => "RETURNED",
    };
    let body = Body::PayoutEvent(PayoutEvent { payout: name.clone(), event });
    entry(id(&format!("{what}-{name}")), time, body)
}

/// The commission of an order, by external id.
pub fn commission_of(order: &Id) -> Id {
    id(&format!("COM-{order}"))
}

/// The adjustment of an order's commission for a cancellation, by external id.
pub fn adjustment_of(cancellation: &Id, order: &Id) -> Id {
    id(&format!("ADJ-{cancellation}-{order}"))
}

/// The first part has the bare name.
fn part_of(name: &Id, part: usize) -> Id {
    if part == 0 { name.clone() } else { id(&format!("{name}-{}", part + 1)) }
}

/// The month that a payment of this time is for, as in 2011-01.
fn month_name(time: Timestamp) -> String {
    let (from, _) = program::month_before(time);
    from.to_string().chars().take("2011-01".len()).collect()
}

fn entry(external_id: Id, event_time: Timestamp, body: Body<Amount>) -> Entry {
    Entry { tenant: id(TENANT), external_id, event_time, commitment: None, body }
}

fn id(text: &str) -> Id {
    Id::new(text).expect("made of short visible parts")
}
