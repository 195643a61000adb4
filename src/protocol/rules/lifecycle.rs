//! The lives of a commission and of a payout, as tables: FORMAT.md section 13.2.

use super::refusal::Refusal;
use crate::protocol::codec;
use serde::Serialize;

/// Where a commission stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CommissionState {
    /// Stated, not yet decided.
    Pending,
    /// Its locking date was put off.
    Extended,
    /// Accepted by the merchant.
    Approved,
    /// Refused by the merchant.
    Declined,
    /// Taken back in full.
    Reversed,
    /// No longer reversible; the merchant owes it.
    Locked,
    /// The merchant has paid for it; due to the affiliate.
    Funded,
    /// On its way to the affiliate.
    InPayout,
    /// Paid.
    Paid,
}

codec::numbered! {
    CommissionState {
        1 => Pending {},
        2 => Extended {},
        3 => Approved {},
        4 => Declined {},
        5 => Reversed {},
        6 => Locked {},
        7 => Funded {},
        8 => InPayout {},
        9 => Paid {},
    }
}

/// What may happen to a commission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Decided: approve.
    Approve,
    /// Decided: decline.
    Decline,
    /// Decided: extend.
    Extend,
    /// Decided: lock.
    Lock,
    /// Taken back to nothing.
    Reverse,
    /// Its amount, or its transaction's, is corrected.
    Amend,
    /// An inquiry found that it was wrongly declined.
    Reopen,
    /// The merchant has paid for all that is left of it.
    Fund,
    /// It becomes a line of a payout.
    Pay,
    /// That payout has arrived.
    Complete,
    /// That payout has failed.
    Fail,
    /// That payout came back.
    Return,
    /// An adjustment is linked to it.
    Adjust,
}

use CommissionState::{
    Approved, Declined, Extended, Funded, InPayout, Locked, Paid, Pending, Reversed,
};

/// Every legal step of a commission. What isn't here is refused.
const STEPS: &[(CommissionState, Step, CommissionState)] = &[
    (Pending, Step::Approve, Approved),
    (Pending, Step::Decline, Declined),
    (Pending, Step::Extend, Extended),
    (Pending, Step::Lock, Locked),
    (Pending, Step::Reverse, Reversed),
    (Pending, Step::Amend, Pending),
    (Extended, Step::Approve, Approved),
    (Extended, Step::Decline, Declined),
    (Extended, Step::Lock, Locked),
    (Extended, Step::Reverse, Reversed),
    (Approved, Step::Lock, Locked),
    (Approved, Step::Reverse, Reversed),
    (Declined, Step::Reopen, Pending),
    (Locked, Step::Fund, Funded),
    (Locked, Step::Adjust, Locked),
    (Funded, Step::Pay, InPayout),
    (Funded, Step::Adjust, Funded),
    (InPayout, Step::Complete, Paid),
    (InPayout, Step::Fail, Funded),
    (InPayout, Step::Adjust, InPayout),
    (Paid, Step::Return, Funded),
    (Paid, Step::Adjust, Paid),
];

impl CommissionState {
    /// Every state, in the order of a commission's life.
    pub const ALL: [Self; 9] =
        [Pending, Extended, Approved, Declined, Reversed, Locked, Funded, InPayout, Paid];

    /// The state after `step`.
    ///
    /// # Errors
    /// [`Refusal::IllegalStep`].
    pub fn after(self, step: Step) -> Result<Self, Refusal> {
        STEPS
            .iter()
            .find(|(from, by, _)| (*from, *by) == (self, step))
            .map(|(_, _, to)| *to)
            .ok_or(Refusal::IllegalStep { from: self, step })
    }

    /// The name in text, such as `pending`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Pending => "pending",
            Extended => "extended",
            Approved => "approved",
            Declined => "declined",
            Reversed => "reversed",
            Locked => "locked",
            Funded => "funded",
            InPayout => "in_payout",
            Paid => "paid",
        }
    }
}

/// Where a payout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PayoutState {
    /// More parts may follow.
    Open,
    /// Its total is stated.
    Closed,
    /// On its way.
    Sent,
    /// Arrived.
    Completed,
    /// Did not arrive.
    Failed,
    /// Came back.
    Returned,
}

codec::numbered! {
    PayoutState {
        1 => Open {},
        2 => Closed {},
        3 => Sent {},
        4 => Completed {},
        5 => Failed {},
        6 => Returned {},
    }
}

/// What may happen to a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutStep {
    /// Its total is stated.
    Close,
    /// It is sent.
    Send,
    /// It arrives.
    Complete,
    /// It fails.
    Fail,
    /// It comes back.
    Return,
}

/// Every legal step of a payout. What isn't here is refused.
const PAYOUT_STEPS: &[(PayoutState, PayoutStep, PayoutState)] = &[
    (PayoutState::Open, PayoutStep::Close, PayoutState::Closed),
    (PayoutState::Open, PayoutStep::Fail, PayoutState::Failed),
    (PayoutState::Closed, PayoutStep::Send, PayoutState::Sent),
    (PayoutState::Closed, PayoutStep::Complete, PayoutState::Completed),
    (PayoutState::Closed, PayoutStep::Fail, PayoutState::Failed),
    (PayoutState::Sent, PayoutStep::Complete, PayoutState::Completed),
    (PayoutState::Sent, PayoutStep::Fail, PayoutState::Failed),
    (PayoutState::Completed, PayoutStep::Return, PayoutState::Returned),
];

impl PayoutState {
    /// Every state, in the order of a payout's life.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Closed, Self::Sent, Self::Completed, Self::Failed, Self::Returned];

    /// The state after `step`.
    ///
    /// # Errors
    /// [`Refusal::IllegalPayoutStep`].
    pub fn after(self, step: PayoutStep) -> Result<Self, Refusal> {
        PAYOUT_STEPS
            .iter()
            .find(|(from, by, _)| (*from, *by) == (self, step))
            .map(|(_, _, to)| *to)
            .ok_or(Refusal::IllegalPayoutStep { from: self, step })
    }

    /// Where its commissions are meanwhile: one event moves all of them.
    pub const fn of_commissions(self) -> CommissionState {
        match self {
            Self::Open | Self::Closed | Self::Sent => InPayout,
            Self::Completed => Paid,
            Self::Failed | Self::Returned => Funded,
        }
    }

    /// The name in text, such as `sent`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Sent => "sent",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Returned => "returned",
        }
    }
}

/// Where an adjustment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentState {
    /// In no payout, or in one that failed or was returned.
    Free,
    /// In a payout on its way.
    InPayout,
    /// Paid.
    Paid,
}

impl std::fmt::Display for CommissionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::fmt::Display for PayoutState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Approve => "approved",
            Self::Decline => "declined",
            Self::Extend => "extended",
            Self::Lock => "locked",
            Self::Reverse => "reversed",
            Self::Amend => "amended",
            Self::Reopen => "reopened",
            Self::Fund => "funded",
            Self::Pay => "paid out",
            Self::Complete => "completed",
            Self::Fail => "failed",
            Self::Return => "returned",
            Self::Adjust => "adjusted",
        })
    }
}

impl std::fmt::Display for PayoutStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Close => "closed",
            Self::Send => "sent",
            Self::Complete => "completed",
            Self::Fail => "failed",
            Self::Return => "returned",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payout's step is a legal step of each commission in it.
    #[test]
    fn payouts_move_commissions_by_their_table() {
        for (from, step, to) in PAYOUT_STEPS {
            let step = match step {
                PayoutStep::Complete => Step::Complete,
                PayoutStep::Fail => Step::Fail,
                PayoutStep::Return => Step::Return,
                PayoutStep::Close | PayoutStep::Send => {
                    assert_eq!(from.of_commissions(), to.of_commissions());
                    continue;
                }
            };
            assert_eq!(from.of_commissions().after(step), Ok(to.of_commissions()), "{from} {step}");
        }
    }
}
