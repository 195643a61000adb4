//! Fundings: once a month each merchant pays for what has locked, more or less.

use super::chance::Random;
use super::monthly::Monthly;
use super::profile::Profile;
use super::sales::part_of;
use crate::protocol::money::Amount;
use crate::protocol::time::Timestamp;

/// How often a merchant pays less than is due, in parts per million.
const SHORT_PPM: u32 = 80_000;
/// How often a merchant pays more than is due, in parts per million.
const SURPLUS_PPM: u32 = 100_000;

/// A locked commission. Ordered as fundings want it: by merchant and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Who owes it, by number.
    pub merchant: u32,
    /// The commission's number.
    pub number: u64,
    /// Who earns it, by number.
    pub affiliate: u32,
    /// What is left of it. Never zero.
    pub left: Amount,
    /// What was paid for of it. Less than what is left.
    pub funded: Amount,
}

/// What a merchant pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who pays, by number.
    pub merchant: u32,
    /// What comes in.
    pub received: Amount,
    /// What it covers: commissions by number, and how much of each.
    pub lines: Vec<(u64, Amount)>,
    /// Which of them are paid for in whole now.
    pub whole: Vec<Due>,
}

/// What waits to be paid for, and what was prepaid.
#[derive(Clone, Debug)]
pub struct Fundings {
    limit: usize,
    monthly: Monthly<Due>,
    /// By merchant.
    prepaid: Vec<Amount>,
}

impl Fundings {
    /// Nothing to pay for by so many merchants.
    pub fn new(profile: &Profile, merchants: usize) -> Self {
        Self {
            limit: profile.payout_lines,
            monthly: Monthly::new(profile.start),
            prepaid: vec![Amount::ZERO; merchants],
        }
    }

    /// As [`Monthly::pending`].
    pub fn pending(&self, now: Timestamp) -> (bool, bool) {
        self.monthly.pending(now)
    }

    /// Lets a locked commission wait for the next run.
    pub fn add(&mut self, due: Due) {
        self.monthly.add(due);
    }

    /// Keeps what a merchant has paid ahead.
    pub fn prepay(&mut self, merchant: u32, amount: Amount) {
        let prepaid = self.prepaid_of(merchant);
        *prepaid = sum(*prepaid, amount);
    }

    /// The next to be paid, if there is anything to pay at `now`.
    pub fn next(&mut self, now: Timestamp, random: &mut Random) -> Option<Payment> {
        let same = |one: &Due, other: &Due| one.merchant == other.merchant;
        let (mut whole, _) = self.monthly.take(now, self.limit, same)?;
        let merchant = whole.first()?.merchant;
        let mut lines: Vec<_> =
            whole.iter().map(|due| (due.number, rest(due.left, due.funded))).collect();
        if random.chance(SHORT_PPM)
            && let (Some(due), Some((_, amount))) = (whole.last().copied(), lines.last_mut())
        {
            let part = part_of(*amount, 400_000);
            if part < *amount {
                *amount = part;
                self.monthly.add(Due { funded: sum(due.funded, part), ..due });
                whole.pop();
            }
        }
        let covered = lines.iter().fold(Amount::ZERO, |all, (_, amount)| sum(all, *amount));
        let surplus =
            if random.chance(SURPLUS_PPM) { part_of(covered, 150_000) } else { Amount::ZERO };
        let prepaid = self.prepaid_of(merchant);
        let used = covered.min(*prepaid);
        *prepaid = sum(rest(*prepaid, used), surplus);
        let received = sum(rest(covered, used), surplus);
        Some(Payment { merchant, received, lines, whole })
    }

    fn prepaid_of(&mut self, merchant: u32) -> &mut Amount {
        self.prepaid.get_mut(merchant as usize).expect("a number of merchants")
    }
}

fn sum(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).expect("all that waits fits an amount")
}

fn rest(all: Amount, part: Amount) -> Amount {
    all.checked_sub(part).expect("a part is at most the whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(units: u64) -> Amount {
        Amount::from_units(units).unwrap()
    }

    /// Whatever merchants pay, it covers what it says, and everything is paid for in the end.
    #[test]
    fn covers_everything_in_the_end() {
        let start = "2026-01-10T00:00:00Z".parse().unwrap();
        let profile = Profile { payout_lines: 3, ..Profile::new(1, start) };
        let mut fundings = Fundings::new(&profile, 4);
        for number in 0..400 {
            let merchant = u32::try_from(number % 4).unwrap();
            let left = units(100 + number);
            fundings.add(Due { merchant, number, affiliate: 1, left, funded: Amount::ZERO });
        }
        fundings.prepay(2, units(500));
        let mut random = Random::new(5);
        let (mut whole, mut partly, mut from_prepaid) = (0, 0, 0);
        let mut prepaid = [0, 0, 500, 0];
        for month in ["2026-02", "2026-03", "2026-04", "2026-05", "2026-06", "2026-07"] {
            let now = format!("{month}-01T00:00:00Z").parse().unwrap();
            while let Some(payment) = fundings.next(now, &mut random) {
                let covered: u64 = payment.lines.iter().map(|(_, amount)| amount.units()).sum();
                let prepaid = &mut prepaid[payment.merchant as usize];
                from_prepaid += usize::from(payment.received.units() < covered);
                *prepaid = (*prepaid + payment.received.units()).checked_sub(covered).unwrap();
                whole += payment.whole.len();
                partly += payment.lines.len() - payment.whole.len();
            }
        }
        assert_eq!(whole, 400);
        assert!(partly > 3 && from_prepaid > 3, "{partly} {from_prepaid}");
        assert!(fundings.prepaid.iter().zip(prepaid).all(|(one, other)| one.units() == other));
    }
}
