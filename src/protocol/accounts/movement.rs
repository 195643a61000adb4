//! What a changed record moves, and for whom.

use super::sums::{Slot, Sums};
use crate::protocol::entry::{Balance, Body, Effect, Entry, Verdict};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency};
use crate::protocol::rules::{
    AdjustmentRecord, AdjustmentState, Changed, CommissionRecord, CommissionState, PayoutRecord,
    PayoutState, PrepaidRecord, Record,
};
use crate::protocol::time::Timestamp;

/// What moved for the parties of a commission, an adjustment or a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement<'a> {
    /// Who earns, if an affiliate is concerned.
    pub affiliate: Option<&'a Id>,
    /// Who owes, if a merchant is concerned.
    pub merchant: Option<&'a Id>,
    /// Under which program.
    pub program: Option<&'a Id>,
    /// In which currency.
    pub currency: Currency,
    /// By how much.
    pub sums: Sums,
    /// The network's fees on it, which are the merchant's affair.
    pub fees: Sums,
    /// What becomes part of a payout by it.
    pub share: Option<Share>,
}

/// A commission or adjustment that became a line of a payout: what an event of that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The payout's record.
    pub payout: StateKey,
    /// What moves: in the slots of what is in a payout.
    pub sums: Sums,
}

/// A payout that went from one state to another, and all that it has as lines with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayoutMove<'a> {
    /// The payout's record.
    pub payout: StateKey,
    /// Who is paid.
    pub affiliate: &'a Id,
    /// In which currency.
    pub currency: Currency,
    /// Where its commissions were.
    from: CommissionState,
    /// Where they are now.
    to: CommissionState,
    /// When it was moved, by the submitter's word.
    at: Timestamp,
}

/// What the change of one record by `entry` moves by itself, if anything.
pub fn moved<'a>(entry: &'a Entry, changed: &'a Changed) -> Option<Movement<'a>> {
    let before = changed.before.as_ref();
    let movement = match &changed.after {
        Record::Commission(after) => commission(entry, as_commission(before), after),
        Record::Adjustment(after) => adjustment(as_adjustment(before), after),
        Record::Prepaid(after) => prepaid(entry, before, after)?,
        Record::Payout(after) => carried(before, after),
        _ => return None,
    };
    let empty = movement.sums.is_empty() && movement.fees.is_empty();
    (!empty || movement.share.is_some()).then_some(movement)
}

/// The payout whose lines the change of its record by `entry` moves, if it moves them.
pub fn moved_payout<'a>(entry: &Entry, changed: &'a Changed) -> Option<PayoutMove<'a>> {
    let (Some(Record::Payout(before)), Record::Payout(after)) = (&changed.before, &changed.after)
    else {
        return None;
    };
    let (from, to) = (before.state.of_commissions(), after.state.of_commissions());
    (from != to).then_some(PayoutMove {
        payout: changed.key,
        affiliate: &after.affiliate,
        currency: after.currency,
        from,
        to,
        at: entry.event_time,
    })
}

fn as_commission(record: Option<&Record>) -> Option<&CommissionRecord> {
    match record {
        Some(Record::Commission(commission)) => Some(commission),
        _ => None,
    }
}

fn as_adjustment(record: Option<&Record>) -> Option<&AdjustmentRecord> {
    match record {
        Some(Record::Adjustment(adjustment)) => Some(adjustment),
        _ => None,
    }
}

fn commission<'a>(
    entry: &Entry,
    before: Option<&CommissionRecord>,
    after: &'a CommissionRecord,
) -> Movement<'a> {
    let (mut sums, mut fees) = (Sums::default(), Sums::default());
    let paid_out = before.is_some_and(|before| before.payout != after.payout);
    let stood = before.map(|before| match before.state {
        // What is in a payout stands where that says. It can be a line of another only when the
        // one before has given it back.
        CommissionState::InPayout if paid_out => (CommissionState::Funded, before.left()),
        state => (state, before.left()),
    });
    let stands = (after.state, after.left());
    if stood != Some(stands) {
        let parts = stood.map(|stood| (stood, -1)).into_iter().chain([(stands, 1)]);
        for ((state, left), sign) in parts {
            sums.add(Slot::left(state), sign * units(left));
            fees.add(Slot::fee(state), sign * units(after.fee));
        }
    }
    match before {
        None => state_anew(after, &mut sums),
        Some(before) => take_step(entry, before, after, &mut sums),
    }
    let share = after.payout.filter(|_| paid_out).map(|payout| Share {
        payout,
        sums: [
            (Slot::left(CommissionState::InPayout), units(after.left())),
            (Slot::fee(CommissionState::InPayout), units(after.fee)),
            (Slot::PAID, 1),
            (Slot::SECONDS_TO_PAY, seconds(after.time)),
        ]
        .into_iter()
        .collect(),
    });
    Movement {
        affiliate: Some(&after.affiliate),
        merchant: Some(&after.merchant),
        program: after.program.as_ref(),
        currency: after.currency,
        sums,
        fees,
        share,
    }
}

/// Counts a commission that wasn't there before.
fn state_anew(after: &CommissionRecord, sums: &mut Sums) {
    let (count, amount) = if after.imported() {
        (Slot::IMPORTED, Slot::IMPORTED_AMOUNT)
    } else {
        (Slot::STATED, Slot::STATED_AMOUNT)
    };
    sums.add(count, 1);
    sums.add(amount, units(after.amount));
    sums.add(Slot::DEVIATIONS, i128::from(after.deviation.is_some()));
}

/// Counts what happened to a commission.
fn take_step(entry: &Entry, before: &CommissionRecord, after: &CommissionRecord, sums: &mut Sums) {
    sums.add(Slot::AMENDED_AMOUNT, units(after.amount) - units(before.amount));
    match &entry.body {
        Body::Decision(decision) => match decision.verdict {
            Verdict::Decline { reason } => {
                sums.add(Slot::declined(reason), 1);
                sums.add(Slot::declined_amount(reason), units(before.left()));
            }
            Verdict::Lock => {
                sums.add(Slot::LOCKED, 1);
                sums.add(Slot::SECONDS_TO_LOCK, seconds(entry.event_time) - seconds(after.time));
            }
            Verdict::Approve | Verdict::Extend { .. } => {}
        },
        Body::Reversal(reversal) => {
            sums.add(Slot::reversed(reversal.reason), 1);
            sums.add(Slot::reversed_amount(reversal.reason), units(reversal.amount));
        }
        Body::InquiryResolution(_) => {
            sums.add(Slot::REOPENED, 1);
            sums.add(Slot::REOPENED_AMOUNT, units(after.left()));
        }
        _ => {}
    }
}

fn adjustment<'a>(before: Option<&AdjustmentRecord>, after: &'a AdjustmentRecord) -> Movement<'a> {
    type InState = fn(AdjustmentState) -> Slot;
    let (slot, flow): (InState, _) = match after.effect {
        Effect::Credit => (Slot::credit, Slot::CREDITED),
        Effect::Debit => (Slot::debit, Slot::DEBITED),
    };
    let (amount, mut sums) = (units(after.amount), Sums::default());
    if before.is_none() {
        sums.add(slot(AdjustmentState::Free), amount);
        sums.add(flow, amount);
    }
    let paid_out = before.is_some_and(|before| before.payout != after.payout);
    let share = after.payout.filter(|_| paid_out).map(|payout| {
        sums.add(slot(AdjustmentState::Free), -amount);
        sums.add(slot(AdjustmentState::InPayout), amount);
        Share { payout, sums: [(slot(AdjustmentState::InPayout), amount)].into_iter().collect() }
    });
    Movement {
        affiliate: Some(&after.affiliate),
        merchant: None,
        program: None,
        currency: after.currency,
        sums,
        fees: Sums::default(),
        share,
    }
}

fn prepaid<'a>(
    entry: &'a Entry,
    before: Option<&Record>,
    after: &PrepaidRecord,
) -> Option<Movement<'a>> {
    let before = match before {
        Some(Record::Prepaid(before)) => *before,
        _ => PrepaidRecord::default(),
    };
    let (merchant, currency) = match &entry.body {
        Body::Funding(funding) => (&funding.merchant, funding.currency),
        Body::OpeningBalance(opening) => match &opening.balance {
            Balance::Merchant { merchant, currency, .. } => (merchant, *currency),
            Balance::Commission { .. } | Balance::Affiliate { .. } => return None,
        },
        _ => return None,
    };
    let sums = [
        (Slot::RECEIVED, units(after.received) - units(before.received)),
        (Slot::COVERS, units(after.covers) - units(before.covers)),
    ];
    Some(Movement {
        affiliate: None,
        merchant: Some(merchant),
        program: None,
        currency,
        sums: sums.into_iter().collect(),
        fees: Sums::default(),
        share: None,
    })
}

/// What a payout kept for its affiliate and used of that, so far as it counts: what is used at
/// once, what is kept when it is closed, neither when it fails or is returned.
fn carried<'a>(before: Option<&Record>, after: &'a PayoutRecord) -> Movement<'a> {
    let counts = |payout: &PayoutRecord| match payout.state {
        PayoutState::Open => (0, units(payout.used)),
        PayoutState::Closed | PayoutState::Sent | PayoutState::Completed => {
            (units(payout.kept), units(payout.used))
        }
        PayoutState::Failed | PayoutState::Returned => (0, 0),
    };
    let before = match before {
        Some(Record::Payout(before)) => counts(before),
        _ => (0, 0),
    };
    let after_all = counts(after);
    let sums = [(Slot::KEPT, after_all.0 - before.0), (Slot::USED, after_all.1 - before.1)];
    Movement {
        affiliate: Some(&after.affiliate),
        merchant: None,
        program: None,
        currency: after.currency,
        sums: sums.into_iter().collect(),
        fees: Sums::default(),
        share: None,
    }
}

impl PayoutMove<'_> {
    /// What it moves of a share of the payout, summed up from [`Share`]s: sums, and fees.
    pub fn of_share(&self, share: &Sums) -> (Sums, Sums) {
        let in_payout = CommissionState::InPayout;
        let moved = |slot: fn(CommissionState) -> Slot| {
            let amount = share.get(slot(in_payout));
            [(slot(self.from), -amount), (slot(self.to), amount)]
        };
        let mut sums: Sums = moved(Slot::left).into_iter().collect();
        let (from, to) = (adjustments(self.from), adjustments(self.to));
        for slot in [Slot::credit, Slot::debit] {
            let amount = share.get(slot(AdjustmentState::InPayout));
            sums.add(slot(from), -amount);
            sums.add(slot(to), amount);
        }
        if self.to == CommissionState::Paid {
            let count = share.get(Slot::PAID);
            sums.add(Slot::PAID, count);
            let since = share.get(Slot::SECONDS_TO_PAY);
            sums.add(Slot::SECONDS_TO_PAY, count * seconds(self.at) - since);
        }
        (sums, moved(Slot::fee).into_iter().collect())
    }
}

/// Where the adjustments of a payout are, when its commissions are there.
fn adjustments(commissions: CommissionState) -> AdjustmentState {
    match commissions {
        CommissionState::InPayout => AdjustmentState::InPayout,
        CommissionState::Paid => AdjustmentState::Paid,
        _ => AdjustmentState::Free,
    }
}

fn units(amount: Amount) -> i128 {
    amount.units().into()
}

fn seconds(time: Timestamp) -> i128 {
    (time.as_millis() / 1000).into()
}
