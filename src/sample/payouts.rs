//! Payouts: once a month, all that has locked, to each affiliate in each currency.

use super::profile::Profile;
use crate::protocol::money::{Amount, Currency};
use crate::protocol::time::Timestamp;

/// The most locked commissions that wait for a payout; when there are as many, it comes early.
pub const MAX_PAYABLE_COMMISSIONS: usize = 1 << 18;

// The sum of no payout can go beyond what an amount can be.
const _: () = assert!(
    super::parties::MAX_UNITS < Amount::MAX.units() / MAX_PAYABLE_COMMISSIONS as u64,
    "all that may wait for a payout must fit an amount"
);

/// A locked commission. Ordered as payouts want it: by payee, currency and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payable {
    /// Who earns it, by number.
    pub affiliate: u32,
    /// The currency.
    pub currency: Currency,
    /// The commission's number.
    pub number: u64,
    /// What is left of it. Never zero.
    pub left: Amount,
}

/// A part of a payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The payout's number.
    pub payout: u64,
    /// 1, 2, 3 within its payout.
    pub number: u64,
    /// From when locked commissions are in it.
    pub period_from: Timestamp,
    /// Until when, exclusive.
    pub period_until: Timestamp,
    /// What is paid, at least a line, all to one payee in one currency.
    pub lines: Vec<Payable>,
    /// The sum of all parts, in the last.
    pub total: Option<Amount>,
}

/// What waits to be paid, and what is being paid.
#[derive(Clone, Debug)]
pub struct Payouts {
    part_lines: usize,
    /// What has locked since the latest run began, at most [`MAX_PAYABLE_COMMISSIONS`].
    waiting: Vec<Payable>,
    period_from: Timestamp,
    /// When the month ends, and the next run begins.
    payday: Timestamp,
    run: Run,
}

/// One month's payouts. Over when nothing is left.
#[derive(Clone, Debug)]
struct Run {
    /// What is yet to be paid, in reverse order, so that the next comes off the end.
    left: Vec<Payable>,
    period_from: Timestamp,
    period_until: Timestamp,
    /// The latest payout.
    payout: u64,
    /// The latest part of it, 0 when it is complete.
    part: u64,
    /// The sum of its parts so far.
    sum: Amount,
}

impl Payouts {
    /// Nothing to pay.
    pub fn new(profile: &Profile) -> Self {
        let run = Run {
            left: Vec::new(),
            period_from: profile.start,
            period_until: profile.start,
            payout: 0,
            part: 0,
            sum: Amount::ZERO,
        };
        Self {
            part_lines: profile.payout_lines,
            waiting: Vec::new(),
            period_from: profile.start,
            payday: next_month(profile.start),
            run,
        }
    }

    /// Whether there may be something to pay at `now`, and whether it can't wait: then nothing
    /// else may happen before [`next_part`](Self::next_part) gives nothing more.
    pub fn pending(&self, now: Timestamp) -> (bool, bool) {
        let urgent = now >= self.payday || self.waiting.len() >= MAX_PAYABLE_COMMISSIONS;
        (urgent || !self.run.left.is_empty(), urgent)
    }

    /// Lets a locked commission wait for the next run.
    pub fn add(&mut self, payable: Payable) {
        self.waiting.push(payable);
    }

    /// The next part to pay, if there is anything to pay at `now`.
    pub fn next_part(&mut self, now: Timestamp) -> Option<Part> {
        let (_, urgent) = self.pending(now);
        if urgent && self.run.left.is_empty() {
            self.begin(now);
        }
        let run = &mut self.run;
        let next = run.left.last().copied()?;
        let same_payout =
            |line: &Payable| (line.affiliate, line.currency) == (next.affiliate, next.currency);
        let count = run.left.iter().rev().take(self.part_lines).take_while(|l| same_payout(l));
        let rest = run.left.len() - count.count();
        let lines: Vec<_> = run.left.drain(rest..).rev().collect();
        if run.part == 0 {
            run.payout += 1;
            run.sum = Amount::ZERO;
        }
        run.part += 1;
        run.sum = lines
            .iter()
            .try_fold(run.sum, |sum, line| sum.checked_add(line.left))
            .expect("all that waits for a payout fits an amount");
        let closed = !run.left.last().is_some_and(same_payout);
        let (payout, number) = (run.payout, run.part);
        if closed {
            run.part = 0;
        }
        let (period_from, period_until) = (run.period_from, run.period_until);
        let total = closed.then_some(run.sum);
        Some(Part { payout, number, period_from, period_until, lines, total })
    }

    fn begin(&mut self, now: Timestamp) {
        let period_until = self.payday.min(now);
        std::mem::swap(&mut self.run.left, &mut self.waiting);
        self.run.left.sort_unstable_by(|one, other| other.cmp(one));
        self.run.period_from = self.period_from;
        self.run.period_until = period_until;
        self.period_from = period_until;
        if now >= self.payday {
            self.payday = next_month(now);
        }
    }
}

/// The beginning of the month after that of `time`, in UTC.
fn next_month(time: Timestamp) -> Timestamp {
    let milliseconds = i64::try_from(time.as_millis()).expect("before the year 9999");
    let utc = jiff::tz::Offset::UTC;
    jiff::Timestamp::from_millisecond(milliseconds)
        .and_then(|time| utc.to_datetime(time).date().last_of_month().tomorrow())
        .and_then(|first| utc.to_timestamp(first.at(0, 0, 0, 0)))
        .ok()
        .and_then(|first| u64::try_from(first.as_millisecond()).ok())
        .and_then(|first| Timestamp::from_millis(first).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end() {
        let cases = [
            ("1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z"),
            ("2024-02-10T12:00:00Z", "2024-03-01T00:00:00Z"),
            ("2025-12-31T23:59:59.999Z", "2026-01-01T00:00:00Z"),
            ("2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("9998-12-31T23:59:59.999Z", "9998-12-31T23:59:59.999Z"),
        ];
        for (time, expected) in cases {
            let next = next_month(time.parse().unwrap());
            assert_eq!(next, expected.parse().unwrap(), "{time}");
        }
    }

    fn payable(affiliate: u32, currency: &str, number: u64) -> Payable {
        let currency = Currency::new(currency).unwrap();
        Payable { affiliate, currency, number, left: Amount::from_units(number).unwrap() }
    }

    fn payouts(part_lines: usize) -> Payouts {
        let start = "2026-01-10T00:00:00Z".parse().unwrap();
        let mut payouts =
            Payouts::new(&Profile { payout_lines: part_lines, ..Profile::new(1, start) });
        let waiting = [(2, "EUR", 9), (1, "USD", 3), (1, "EUR", 5), (1, "EUR", 2), (1, "EUR", 4)];
        for (affiliate, currency, number) in waiting {
            payouts.add(payable(affiliate, currency, number));
        }
        payouts
    }

    #[test]
    fn pays_each_affiliate_in_parts_after_the_month() {
        let mut payouts = payouts(2);
        assert_eq!(payouts.next_part("2026-01-31T23:59:59Z".parse().unwrap()), None);
        let payday = "2026-02-01T00:00:02Z".parse().unwrap();
        assert_eq!(payouts.pending(payday), (true, true));
        let parts: Vec<_> = std::iter::from_fn(|| payouts.next_part(payday))
            .map(|part| {
                let numbers: Vec<_> = part.lines.iter().map(|line| line.number).collect();
                assert_eq!(part.period_until, "2026-02-01T00:00:00Z".parse().unwrap());
                (part.payout, part.number, numbers, part.total.map(Amount::units))
            })
            .collect();
        let expected = [
            (1, 1, vec![2, 4], None),
            (1, 2, vec![5], Some(11)),
            (2, 1, vec![3], Some(3)),
            (3, 1, vec![9], Some(9)),
        ];
        assert_eq!(parts, expected);
        assert_eq!(payouts.pending(payday), (false, false));
    }

    #[test]
    fn pays_early_when_too_much_waits() {
        let mut payouts = payouts(500);
        let now = "2026-01-20T00:00:00Z".parse().unwrap();
        for number in 10.. {
            if payouts.pending(now).1 {
                break;
            }
            payouts.add(payable(3, "EUR", number));
        }
        let parts: Vec<_> = std::iter::from_fn(|| payouts.next_part(now)).collect();
        let lines: usize = parts.iter().map(|part| part.lines.len()).sum();
        assert_eq!(lines, MAX_PAYABLE_COMMISSIONS);
        assert!(parts.iter().all(|part| part.period_until == now));
        // The month's own run takes up where this one ended.
        payouts.add(payable(3, "EUR", 1));
        let part = payouts.next_part("2026-02-01T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!((part.period_from, part.lines.len()), (now, 1));
    }
}
