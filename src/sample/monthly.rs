//! What waits for the end of a month, and is then dealt with group by group.

use crate::protocol::time::Timestamp;

/// The most that waits for the end of a month; when there is as much, that comes early.
pub const MAX_WAITING: usize = 1 << 18;

/// What waits, and what is being dealt with.
#[derive(Clone, Debug)]
pub struct Monthly<T> {
    /// What has come since the latest run began.
    waiting: Vec<T>,
    /// What the run has yet to deal with, in reverse order, so that the next comes off the end.
    left: Vec<T>,
    /// When what waits began to come.
    from: Timestamp,
    /// The period of the run.
    period: (Timestamp, Timestamp),
    /// When the month ends, and the next run begins.
    month_end: Timestamp,
}

impl<T: Ord> Monthly<T> {
    /// Nothing yet.
    pub fn new(start: Timestamp) -> Self {
        Self {
            waiting: Vec::new(),
            left: Vec::new(),
            from: start,
            period: (start, start),
            month_end: start.day_of_later_month(1, 1),
        }
    }

    /// Lets one more wait for the next run.
    pub fn add(&mut self, one: T) {
        self.waiting.push(one);
    }

    /// Whether there may be something to deal with at `now`, and whether it can't wait: then
    /// nothing else may happen before [`take`](Self::take) gives nothing more.
    pub fn pending(&self, now: Timestamp) -> (bool, bool) {
        let urgent = now >= self.month_end || self.waiting.len() >= MAX_WAITING;
        (urgent || !self.left.is_empty(), urgent)
    }

    /// The period of the run: never empty, each begins where the one before ended.
    pub const fn period(&self) -> (Timestamp, Timestamp) {
        self.period
    }

    /// The next to deal with at `now`: in order, at most `limit`, all of the `same` group; and
    /// whether the run has more of that. None when nothing is left.
    pub fn take(
        &mut self,
        now: Timestamp,
        limit: usize,
        same: impl Fn(&T, &T) -> bool,
    ) -> Option<(Vec<T>, bool)> {
        self.begin_if_due(now);
        let next = self.left.last()?;
        let count = self.left.iter().rev().take(limit).take_while(|one| same(one, next)).count();
        let rest = self.left.len() - count;
        let taken: Vec<_> = self.left.drain(rest..).rev().collect();
        let more = taken.first().zip(self.left.last()).is_some_and(|(one, other)| same(one, other));
        Some((taken, more))
    }

    /// Begins the next run, if it is due at `now` and nothing is left of the one before. What is
    /// added later waits for the one after.
    pub fn begin_if_due(&mut self, now: Timestamp) {
        if !self.left.is_empty() || !self.pending(now).1 {
            return;
        }
        let until = self.month_end.min(now);
        std::mem::swap(&mut self.left, &mut self.waiting);
        self.left.sort_unstable_by(|one, other| other.cmp(one));
        self.period = (self.from, until);
        self.from = until;
        if now >= self.month_end {
            self.month_end = now.day_of_later_month(1, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn waiting() -> Monthly<(u32, u64)> {
        let mut monthly = Monthly::new(time("2026-01-10T00:00:00Z"));
        for one in [(2, 9), (1, 5), (1, 2), (1, 4)] {
            monthly.add(one);
        }
        monthly
    }

    fn same(one: &(u32, u64), other: &(u32, u64)) -> bool {
        one.0 == other.0
    }

    #[test]
    fn deals_with_each_group_after_the_month() {
        let mut monthly = waiting();
        assert_eq!(monthly.take(time("2026-01-31T23:59:59Z"), 2, same), None);
        let end = time("2026-02-01T00:00:02Z");
        assert_eq!(monthly.pending(end), (true, true));
        let taken: Vec<_> = std::iter::from_fn(|| monthly.take(end, 2, same)).collect();
        let expected = [(vec![(1, 2), (1, 4)], true), (vec![(1, 5)], false), (vec![(2, 9)], false)];
        assert_eq!(taken, expected);
        assert_eq!(monthly.period(), (time("2026-01-10T00:00:00Z"), time("2026-02-01T00:00:00Z")));
        assert_eq!(monthly.pending(end), (false, false));
    }

    #[test]
    fn begins_early_when_too_much_waits() {
        let mut monthly = waiting();
        let now = time("2026-01-20T00:00:00Z");
        for number in 10.. {
            if monthly.pending(now).1 {
                break;
            }
            monthly.add((3, number));
        }
        let taken: usize =
            std::iter::from_fn(|| monthly.take(now, 500, same)).map(|(taken, _)| taken.len()).sum();
        assert_eq!(taken, MAX_WAITING);
        assert_eq!(monthly.period().1, now);
        // The month's own run takes up where this one ended.
        monthly.add((3, 1));
        let end = time("2026-02-01T00:00:00Z");
        assert_eq!(monthly.take(end, 500, same), Some((vec![(3, 1)], false)));
        assert_eq!(monthly.period(), (now, end));
    }
}
