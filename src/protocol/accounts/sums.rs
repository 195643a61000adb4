//! What is summed up for an account.

use bincode::{Decode, Encode};

use crate::protocol::entry::{Kind, Reason};
use crate::protocol::rules::{AdjustmentState, CommissionState};

/// One of the numbers that are kept for an account. Amounts are in units of the account's
/// currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Slot(u8);

/// What a family of slots begins at. They must not overlap: see the test below.
mod family {
    pub(super) const LEFT: u8 = 0;
    pub(super) const FEE: u8 = 10;
    pub(super) const CREDIT: u8 = 20;
    pub(super) const DEBIT: u8 = 23;
    pub(super) const DECLINED: u8 = 64;
    pub(super) const DECLINED_AMOUNT: u8 = 96;
    pub(super) const REVERSED: u8 = 128;
    pub(super) const REVERSED_AMOUNT: u8 = 160;
    pub(super) const KIND: u8 = 192;
    pub(super) const KIND_AMOUNT: u8 = 224;
}

impl Slot {
    /// How many entries moved the account.
    pub const ENTRIES: Self = Self(30);
    /// What closed payouts kept for the affiliate.
    pub const KEPT: Self = Self(31);
    /// What payouts added from there.
    pub const USED: Self = Self(32);
    /// What the merchant paid.
    pub const RECEIVED: Self = Self(33);
    /// What that covers.
    pub const COVERS: Self = Self(34);
    /// How many commissions were stated under terms.
    pub const STATED: Self = Self(35);
    /// What they were stated at.
    pub const STATED_AMOUNT: Self = Self(36);
    /// How many commissions were brought in.
    pub const IMPORTED: Self = Self(37);
    /// What they were brought in at.
    pub const IMPORTED_AMOUNT: Self = Self(38);
    /// What amendments added, less what they took off. May be negative.
    pub const AMENDED_AMOUNT: Self = Self(39);
    /// How many declined commissions were reopened.
    pub const REOPENED: Self = Self(40);
    /// What was left of them.
    pub const REOPENED_AMOUNT: Self = Self(41);
    /// How many commissions locked.
    pub const LOCKED: Self = Self(42);
    /// How many seconds all those took to lock, by event times. May be negative.
    pub const SECONDS_TO_LOCK: Self = Self(43);
    /// How many commissions were paid, those whose payout came back later included.
    pub const PAID: Self = Self(44);
    /// How many seconds all those took to be paid, by event times. May be negative.
    pub const SECONDS_TO_PAY: Self = Self(45);
    /// What was adjusted for affiliates.
    pub const CREDITED: Self = Self(46);
    /// What was adjusted against affiliates.
    pub const DEBITED: Self = Self(47);
    /// How many commissions deviate from their terms.
    pub const DEVIATIONS: Self = Self(48);

    /// What is left of commissions in a state.
    pub const fn left(state: CommissionState) -> Self {
        Self(family::LEFT + state as u8)
    }

    /// The network's fees on commissions in a state, as stated.
    pub const fn fee(state: CommissionState) -> Self {
        Self(family::FEE + state as u8)
    }

    /// Adjustments for the affiliate in a state.
    pub const fn credit(state: AdjustmentState) -> Self {
        Self(family::CREDIT + state as u8)
    }

    /// Adjustments against the affiliate in a state.
    pub const fn debit(state: AdjustmentState) -> Self {
        Self(family::DEBIT + state as u8)
    }

    /// How many commissions were declined for a reason.
    pub const fn declined(reason: Reason) -> Self {
        Self(family::DECLINED + reason as u8)
    }

    /// What was left of them.
    pub const fn declined_amount(reason: Reason) -> Self {
        Self(family::DECLINED_AMOUNT + reason as u8)
    }

    /// How many reversals there were for a reason.
    pub const fn reversed(reason: Reason) -> Self {
        Self(family::REVERSED + reason as u8)
    }

    /// What they took back.
    pub const fn reversed_amount(reason: Reason) -> Self {
        Self(family::REVERSED_AMOUNT + reason as u8)
    }

    /// Whether it counts what happened, rather than what is there.
    pub const fn is_flow(self) -> bool {
        self.0 >= Self::STATED.0
    }

    /// The number by which the slot is stored.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The slot that was stored by this number.
    pub const fn from_number(number: u8) -> Self {
        Self(number)
    }

    /// How many entries there were of a kind.
    pub const fn of_kind(kind: Kind) -> Self {
        Self(family::KIND + kind as u8)
    }

    /// What they come to.
    pub const fn amount_of_kind(kind: Kind) -> Self {
        Self(family::KIND_AMOUNT + kind as u8)
    }
}

/// A number for each slot, 0 where it isn't said.
///
/// A number is a sum of amounts, or of how many there were: with 2^63 entries of 2^63 units each it
/// is still one of 128 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Sums(
    /// In the order of slots, none of them 0.
    Vec<(Slot, i128)>,
);

impl Sums {
    /// The number in a slot.
    pub fn get(&self, slot: Slot) -> i128 {
        match self.0.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(place) => self.0.get(place).map_or(0, |(_, number)| *number),
            Err(_) => 0,
        }
    }

    /// Adds to the number in a slot.
    pub fn add(&mut self, slot: Slot, more: i128) {
        if more == 0 {
            return;
        }
        // They mostly come in order.
        if self.0.last().is_none_or(|(last, _)| *last < slot) {
            return self.0.push((slot, more));
        }
        match self.0.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Err(place) => self.0.insert(place, (slot, more)),
            Ok(place) => {
                let Some((_, number)) = self.0.get_mut(place) else { return };
                *number += more;
                if *number == 0 {
                    self.0.remove(place);
                }
            }
        }
    }

    /// Adds every number of `others`.
    pub fn add_all(&mut self, others: &Self) {
        others.0.iter().for_each(|(slot, more)| self.add(*slot, *more));
    }

    /// Takes off every number of `others`.
    pub fn take_all(&mut self, others: &Self) {
        others.0.iter().for_each(|(slot, less)| self.add(*slot, -*less));
    }

    /// Whether every number is 0.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers that aren't 0, in the order of slots.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Slot, i128)> {
        self.0.iter().copied()
    }
}

impl FromIterator<(Slot, i128)> for Sums {
    fn from_iter<I: IntoIterator<Item = (Slot, i128)>>(numbers: I) -> Self {
        let mut sums = Self::default();
        numbers.into_iter().for_each(|(slot, number)| sums.add(slot, number));
        sums
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_slots_are_the_same() {
        let mut slots: Vec<Slot> = (30..=48).map(Slot).collect();
        for state in CommissionState::ALL {
            slots.extend([Slot::left(state), Slot::fee(state)]);
        }
        for state in [AdjustmentState::Free, AdjustmentState::InPayout, AdjustmentState::Paid] {
            slots.extend([Slot::credit(state), Slot::debit(state)]);
        }
        for reason in Reason::ALL {
            slots.extend([Slot::declined(reason), Slot::declined_amount(reason)]);
            slots.extend([Slot::reversed(reason), Slot::reversed_amount(reason)]);
        }
        for kind in Kind::ALL {
            slots.extend([Slot::of_kind(*kind), Slot::amount_of_kind(*kind)]);
        }
        let once: BTreeSet<Slot> = slots.iter().copied().collect();
        assert_eq!(once.len(), slots.len());
    }

    #[test]
    fn numbers_that_become_zero_are_gone() {
        let slot = Slot::ENTRIES;
        let mut sums: Sums = [(slot, 2), (Slot::KEPT, 5)].into_iter().collect();
        sums.add(slot, -2);
        assert_eq!(sums.iter().collect::<Vec<_>>(), [(Slot::KEPT, 5)]);
        sums.take_all(&sums.clone());
        assert!(sums.is_empty());
    }
}
