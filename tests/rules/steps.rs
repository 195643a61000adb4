//! The model's own tables: the legal steps of commissions and payouts, section 13.2.

use counterfoil::protocol::entry::{PaymentEvent, Verdict};

/// The legal steps of a commission: from, step, to.
pub const STEPS: [(&str, &str, &str); 22] = [
    ("pending", "approve", "approved"),
    ("pending", "decline", "declined"),
    ("pending", "extend", "extended"),
    ("pending", "lock", "locked"),
    ("pending", "reverse", "reversed"),
    ("pending", "amend", "pending"),
    ("extended", "approve", "approved"),
    ("extended", "decline", "declined"),
    ("extended", "lock", "locked"),
    ("extended", "reverse", "reversed"),
    ("approved", "lock", "locked"),
    ("approved", "reverse", "reversed"),
    ("declined", "reopen", "pending"),
    ("locked", "fund", "funded"),
    ("locked", "adjust", "locked"),
    ("funded", "pay", "in_payout"),
    ("funded", "adjust", "funded"),
    ("in_payout", "complete", "paid"),
    ("in_payout", "fail", "funded"),
    ("in_payout", "adjust", "in_payout"),
    ("paid", "return", "funded"),
    ("paid", "adjust", "paid"),
];

/// The legal steps of a payout, and where its commissions are then.
pub const PAYOUT_STEPS: [(&str, &str, &str, &str); 8] = [
    ("open", "close", "closed", "in_payout"),
    ("open", "fail", "failed", "funded"),
    ("closed", "send", "sent", "in_payout"),
    ("closed", "complete", "completed", "paid"),
    ("closed", "fail", "failed", "funded"),
    ("sent", "complete", "completed", "paid"),
    ("sent", "fail", "failed", "funded"),
    ("completed", "return", "returned", "funded"),
];

/// Where a commission is after a legal step.
pub fn after(standing: &str, step: &str) -> Result<&'static str, &'static str> {
    let legal = STEPS.iter().find(|(from, by, _)| (*from, *by) == (standing, step));
    legal.map(|(_, _, to)| *to).ok_or("illegal-step")
}

/// Where a payout is after a legal step.
pub fn payout_after(standing: &str, step: &str) -> Result<&'static str, &'static str> {
    let legal = PAYOUT_STEPS.iter().find(|(from, by, ..)| (*from, *by) == (standing, step));
    legal.map(|(_, _, to, _)| *to).ok_or("illegal-payout-step")
}

pub fn step_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Decline { .. } => "decline",
        Verdict::Extend { .. } => "extend",
        Verdict::Lock => "lock",
    }
}

pub fn payout_step_of(event: &PaymentEvent) -> &'static str {
    match event {
        PaymentEvent::Sent { .. } => "send",
        PaymentEvent::Completed => "complete",
        PaymentEvent::Failed => "fail",
        PaymentEvent::Returned => "return",
    }
}

/// Where the commissions of a payout are.
pub fn of_commissions(payout: &str) -> &'static str {
    let row = PAYOUT_STEPS.iter().find(|(_, _, to, _)| *to == payout);
    row.map_or("in_payout", |(.., commissions)| *commissions)
}
