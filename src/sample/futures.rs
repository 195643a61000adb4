//! What becomes of commissions: step by step, and how likely.

use crate::protocol::entry::{ImportedState, Locking};

/// What happens next to a commission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The merchant accepts it.
    Approve,
    /// The merchant refuses it.
    Decline,
    /// Its locking date is put off.
    Extend,
    /// Its amount is corrected.
    Amend,
    /// Its transaction's amount is corrected.
    AmendSale,
    /// A part is taken back.
    ReversePart,
    /// All that is left is taken back.
    ReverseAll,
    /// It becomes due to be paid.
    Lock,
    /// Its affiliate says that the amount is wrong.
    AskAmount,
    /// Its affiliate says that it was wrongly declined.
    AskDecline,
    /// The affiliate was right; what was declined is pending again.
    Confirm,
    /// The affiliate was wrong.
    Refute,
    /// It can't be told.
    Dismiss,
    /// Taken back after it has locked.
    Claw,
    /// Something on top after it has locked.
    Credit,
}

use Step::{
    Amend, AmendSale, Approve, AskAmount, AskDecline, Claw, Confirm, Credit, Decline, Dismiss,
    Extend, Lock, Refute, ReverseAll, ReversePart,
};

impl Step {
    /// Whether it is a decision or a reversal, which a profile gives a share of all entries.
    pub const fn follows_up(self) -> bool {
        matches!(self, Approve | Decline | Extend | Lock | ReversePart | ReverseAll)
    }

    /// Whether it is possible before the locking date only.
    pub const fn before_locking(self) -> bool {
        matches!(self, Decline | Extend | Amend | AmendSale | ReversePart | ReverseAll)
    }

    /// Whether it waits for some days whatever the locking date: questions, answers, and what
    /// happens to what has locked.
    pub const fn any_time(self) -> bool {
        matches!(self, AskAmount | AskDecline | Confirm | Refute | Dismiss | Claw | Credit)
    }
}

/// A commission's future, and how likely it is.
type Future = (u32, &'static [Step]);

/// What becomes of commissions on what was sent back.
pub const SENT_BACK: [Future; 10] = [
    (23, &[Decline]),
    (28, &[ReverseAll]),
    (10, &[Approve, ReverseAll]),
    (20, &[ReversePart, Lock]),
    (8, &[Approve, ReversePart, Lock]),
    (3, &[ReversePart, ReversePart, Lock]),
    (2, &[Extend, ReverseAll]),
    (2, &[AmendSale, Amend, Lock]),
    (2, &[AskAmount, Dismiss, Decline]),
    (2, &[Lock, Claw]),
];

/// What becomes of the others, where merchants have time to look at each.
pub const AT_LEISURE: [Future; 12] = [
    (540, &[Approve, Lock]),
    (300, &[Lock]),
    (40, &[Decline]),
    (40, &[Extend, Lock]),
    (20, &[Extend, Approve, Lock]),
    (15, &[Amend, Approve, Lock]),
    (5, &[AmendSale, Amend, Lock]),
    (5, &[AskAmount, Amend, Confirm, Lock]),
    (5, &[AskAmount, Refute, Approve, Lock]),
    (10, &[Decline, AskDecline, Confirm, Approve, Lock]),
    (10, &[Decline, AskDecline, Refute]),
    (10, &[Lock, Claw]),
];

/// What becomes of the others, where they have none.
pub const IN_HASTE: [Future; 8] = [
    (150, &[Approve, Lock]),
    (740, &[Lock]),
    (40, &[Decline]),
    (40, &[Extend, Lock]),
    (10, &[Amend, Lock]),
    (5, &[Decline, AskDecline, Confirm, Lock]),
    (10, &[Lock, Claw]),
    (5, &[Lock, Credit]),
];

/// What becomes of those that lock at once.
pub const AT_ONCE: [Future; 4] =
    [(90, &[Lock]), (7, &[Approve, Lock]), (2, &[Lock, Claw]), (1, &[Lock, Credit])];

/// What is left to happen to what is past its locking date.
pub const PAST: &[Step] = &[Lock];

/// A future as it can be for a commission that locks this way, of a sale that can be corrected
/// or not.
pub fn possible(future: &'static [Step], locking: Locking, sale: bool) -> &'static [Step] {
    match future {
        // There is no date to put off.
        [Extend, rest @ ..] if locking == Locking::OpenEnded => rest,
        [AmendSale, rest @ ..] if !sale => rest,
        future => future,
    }
}

/// What becomes of a commission that was brought in.
pub const fn of_imported(state: ImportedState) -> &'static [Step] {
    match state {
        ImportedState::Pending => &[Amend, Approve, Lock],
        ImportedState::Approved => &[ReversePart, Lock],
        ImportedState::Locked | ImportedState::Funded => &[Credit],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::rules::{self, CommissionState};

    /// The state after a step, and none where it can't be taken.
    fn after(state: CommissionState, step: Step) -> Option<CommissionState> {
        let legal = match step {
            Approve => rules::Step::Approve,
            Decline => rules::Step::Decline,
            Extend => rules::Step::Extend,
            Amend | AmendSale => rules::Step::Amend,
            ReverseAll => rules::Step::Reverse,
            Lock => rules::Step::Lock,
            Claw | Credit => rules::Step::Adjust,
            Confirm if state == CommissionState::Declined => rules::Step::Reopen,
            // It stays where it is, but has to be where it can be taken back.
            ReversePart => return state.after(rules::Step::Reverse).ok().map(|_| state),
            AskDecline => return state.after(rules::Step::Reopen).ok().map(|_| state),
            AskAmount | Confirm | Refute | Dismiss => return Some(state),
        };
        state.after(legal).ok()
    }

    #[test]
    fn every_future_is_legal() {
        let all = [&SENT_BACK[..], &AT_LEISURE, &IN_HASTE, &AT_ONCE].concat();
        for (_, future) in all {
            for sale in [true, false] {
                for locking in [Locking::OpenEnded, Locking::Days { days: 30 }] {
                    let future = possible(future, locking, sale);
                    let end = future
                        .iter()
                        .try_fold(CommissionState::Pending, |state, step| after(state, *step));
                    assert!(end.is_some() && !future.is_empty(), "{future:?}");
                    assert!(sale || !future.contains(&AmendSale));
                    let extends = locking == Locking::OpenEnded && future.contains(&Extend);
                    assert!(!extends, "{future:?}");
                    // Whatever came too late, locking is possible instead.
                    let mut state = CommissionState::Pending;
                    for step in future {
                        let lock = after(state, Lock);
                        assert!(!step.before_locking() || lock.is_some(), "{future:?}");
                        state = after(state, *step).unwrap_or(state);
                    }
                }
            }
        }
    }
}
