//! Open commissions: those that something still has to happen to, and what.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::chance::Random;
use super::futures::{AT_LEISURE, AT_ONCE, IN_HASTE, PAST, SENT_BACK, Step, possible};
use super::profile::{NextDecided, Profile};
use crate::protocol::entry::Locking;
use crate::protocol::money::{Amount, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};

/// How many follow-ups are lacking when merchants have time to look at each commission.
const LEISURE: u64 = 4;
/// The most follow-ups that may be lacking, because nothing was due, to be made up for later.
const MAX_LACKING: u64 = 400;
/// How many random commissions are looked at for one that is due.
const RANDOM_TRIES: usize = 4;
/// By how long before the locking date everything happens that must be recorded before it: so
/// much later at most may it be sealed.
const RECORDED_WITHIN_MS: u64 = DAY_MS;
/// The most days until a question, an answer, or what happens after the locking.
const MAX_ANY_TIME_DAYS: u64 = 40;

/// A commission that something still has to happen to.
///
/// Ordered by when that is due, then by number: no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenCommission {
    /// When the next step is due.
    due: Timestamp,
    /// Its number, from which its external id follows.
    pub number: u64,
    /// What is left of it. Never zero.
    pub left: Amount,
    /// When it is due to lock; where it locks on no date, when it might.
    pub locks_at: Timestamp,
    /// What is yet to happen. Never empty.
    future: &'static [Step],
    /// What was sold.
    pub sold: Sold,
    /// Who earns it, by number.
    pub affiliate: u32,
    /// The program that it falls under, by number.
    pub program: u32,
    /// Whether it locks on a date.
    dated: bool,
}

/// What was sold, as far as it can still be sent back: nothing, where another commission of the
/// same part has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sold {
    /// The transaction's number.
    pub transaction: u64,
    /// For how much.
    pub amount: Amount,
    /// An item, by number.
    pub item: u32,
    /// How many of it; 0 where there is none.
    pub quantity: u16,
    /// What it was paid in, by number.
    pub coin: u16,
}

/// What a new commission starts from.
#[derive(Clone, Copy, Debug)]
pub struct NewCommission {
    /// Its number.
    pub number: u64,
    /// Who earns it, by number.
    pub affiliate: u32,
    /// The program that it falls under, by number.
    pub program: u32,
    /// What it is stated at.
    pub amount: Amount,
    /// How it locks.
    pub locking: Locking,
    /// When it is due to lock; where it locks on no date, when it might.
    pub locks_at: Timestamp,
    /// What was sold.
    pub sold: Sold,
    /// Whether nothing stands in the way of correcting the transaction: it has no other
    /// commission, and no groups.
    pub sole: bool,
    /// How likely it is that the sale comes back, in parts per million.
    pub refund_rate_ppm: u32,
}

/// The open commissions of a marketplace, never more than the profile allows.
///
/// Keeps the share of follow-ups: of two ways to choose the next, one counts what it lets
/// happen, the other what it promises, which then happens in time.
#[derive(Clone, Debug)]
pub struct OpenCommissions {
    queue: Queue,
    limit: usize,
    /// The share of follow-ups among all entries, in parts per million.
    share_ppm: u32,
    /// How many of them were let happen or promised.
    granted: u64,
}

#[derive(Clone, Debug)]
enum Queue {
    /// What is promised happens when it is due; what is beyond the share isn't promised.
    WhenDue(BinaryHeap<Reverse<OpenCommission>>),
    /// More is promised than can happen; it happens as the share allows, to any that is due.
    AtRandom(Vec<OpenCommission>),
}

impl OpenCommissions {
    /// None yet.
    pub fn new(profile: &Profile) -> Self {
        let queue = match profile.next_decided {
            NextDecided::WhenDue => Queue::WhenDue(BinaryHeap::new()),
            NextDecided::AtRandom => Queue::AtRandom(Vec::new()),
        };
        let (limit, share_ppm) = (profile.open_commissions, profile.follow_ups_ppm);
        Self { queue, limit, share_ppm, granted: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.queue {
            Queue::WhenDue(heap) => heap.len(),
            Queue::AtRandom(list) => list.len(),
        }
    }

    /// Gives a new commission, which is the entry of number `entries`, a future, or leaves it
    /// undecided.
    pub fn open(
        &mut self,
        new: NewCommission,
        (now, entries): (Timestamp, u64),
        random: &mut Random,
    ) {
        let lacking = match &self.queue {
            Queue::WhenDue(_) => self.lacking(entries),
            Queue::AtRandom(_) => LEISURE,
        };
        if lacking == 0 {
            return;
        }
        let future = if new.locking == Locking::Immediate {
            random.weighted(&AT_ONCE)
        } else if random.chance(new.refund_rate_ppm) {
            random.weighted(&SENT_BACK)
        } else if lacking < LEISURE {
            random.weighted(&IN_HASTE)
        } else {
            random.weighted(&AT_LEISURE)
        };
        let sale = new.sole && new.sold.amount != Amount::ZERO;
        self.open_with(new, possible(future, new.locking, sale), now, random);
    }

    /// Gives a new commission this future, if there is room.
    pub fn open_with(
        &mut self,
        new: NewCommission,
        future: &'static [Step],
        now: Timestamp,
        random: &mut Random,
    ) {
        // Of nothing, nothing can be taken back or paid.
        if new.amount == Amount::ZERO || self.len() >= self.limit {
            return;
        }
        if matches!(self.queue, Queue::WhenDue(_)) {
            self.granted += future.iter().filter(|step| step.follows_up()).count() as u64;
        }
        let commission = OpenCommission {
            due: now,
            number: new.number,
            left: new.amount,
            locks_at: new.locks_at,
            future,
            sold: new.sold,
            affiliate: new.affiliate,
            program: new.program,
            dated: new.locking != Locking::OpenEnded,
        };
        self.put(commission, now, random);
    }

    /// How many follow-ups are lacking among as many entries.
    fn lacking(&mut self, entries: u64) -> u64 {
        let share = entries.saturating_mul(self.share_ppm.into()) / u64::from(PPM_WHOLE);
        self.granted = self.granted.max(share.saturating_sub(MAX_LACKING));
        share.saturating_sub(self.granted)
    }

    /// Takes out a commission of which a step is due, and that step, if there is one and it is
    /// its turn among as many `entries`. Where the locking date is near or past, it locks then
    /// instead of what might be recorded too late.
    pub fn take(
        &mut self,
        (now, entries): (Timestamp, u64),
        random: &mut Random,
    ) -> Option<(OpenCommission, Step)> {
        let lacking = self.lacking(entries);
        let mut commission = match &mut self.queue {
            Queue::WhenDue(heap) => {
                heap.peek().filter(|Reverse(next)| next.due <= now)?;
                heap.pop().map(|Reverse(next)| next)
            }
            // One to four may be lacking, so that they don't come like clockwork.
            Queue::AtRandom(list) if lacking >= random.between(1, 4) => {
                let index = (0..RANDOM_TRIES)
                    .filter_map(|_| usize::try_from(random.below(list.len() as u64)).ok())
                    .find(|index| list.get(*index).is_some_and(|next| next.is_due(now)))?;
                Some(list.swap_remove(index))
            }
            Queue::AtRandom(_) => None,
        }?;
        if commission.is_late(now) {
            commission.future = PAST;
            if now < commission.locks_at {
                self.put(commission, now, random);
                return None;
            }
        }
        let (step, future) = commission.future.split_first().expect("never empty");
        commission.future = future;
        if matches!(self.queue, Queue::AtRandom(_)) && step.follows_up() {
            self.granted += 1;
        }
        Some((commission, *step))
    }

    /// Puts a commission back after a step, unless nothing more happens to it.
    pub fn put_back(&mut self, commission: OpenCommission, now: Timestamp, random: &mut Random) {
        if !commission.future.is_empty() && commission.left != Amount::ZERO {
            self.put(commission, now, random);
        }
    }

    fn put(&mut self, mut commission: OpenCommission, now: Timestamp, random: &mut Random) {
        let next = commission.future.first().copied().unwrap_or(Step::Lock);
        let lock_from = commission.locks_at.max(now);
        commission.due = if next == Step::Lock {
            // Within a day.
            lock_from.saturating_add(random.below(DAY_MS))
        } else if next.any_time() {
            now.saturating_add(random.between(DAY_MS / 2, MAX_ANY_TIME_DAYS * DAY_MS))
        } else {
            // In good time before that.
            let left_ms = lock_from.as_millis() - now.as_millis();
            now.saturating_add(random.between(left_ms / 16, left_ms / 16 * 14))
        };
        match &mut self.queue {
            Queue::WhenDue(heap) => heap.push(Reverse(commission)),
            Queue::AtRandom(list) => list.push(commission),
        }
    }
}

impl OpenCommission {
    /// Whether its next step is due.
    fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now
    }

    /// Whether it is too late for its next step, or would be when that is recorded.
    fn is_late(&self, now: Timestamp) -> bool {
        self.dated
            && now.saturating_add(RECORDED_WITHIN_MS) >= self.locks_at
            && self.future.first().is_some_and(|step| step.before_locking())
    }
}
