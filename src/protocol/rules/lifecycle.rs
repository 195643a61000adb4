//! A commission's life, as a table.

use super::refusal::Refusal;
use crate::protocol::codec;
use serde::Serialize;

/// Where a commission stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// Due to be paid, no longer reversible.
    Locked,
    /// Paid in full.
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
        7 => Paid {},
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
    /// Paid to the last unit.
    Pay,
}

use CommissionState::{Approved, Declined, Extended, Locked, Paid, Pending, Reversed};

/// Every legal step. What isn't here is refused.
const STEPS: &[(CommissionState, Step, CommissionState)] = &[
    (Pending, Step::Approve, Approved),
    (Pending, Step::Decline, Declined),
    (Pending, Step::Extend, Extended),
    (Pending, Step::Lock, Locked),
    (Pending, Step::Reverse, Reversed),
    (Extended, Step::Approve, Approved),
    (Extended, Step::Decline, Declined),
    (Extended, Step::Lock, Locked),
    (Extended, Step::Reverse, Reversed),
    (Approved, Step::Lock, Locked),
    (Approved, Step::Reverse, Reversed),
    (Locked, Step::Pay, Paid),
];

impl CommissionState {
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
            Paid => "paid",
        }
    }
}

impl std::fmt::Display for CommissionState {
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
            Self::Pay => "paid",
        })
    }
}
