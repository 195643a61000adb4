//! Open commissions: those that something still has to happen to, and what.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::chance::Random;
use super::parties::Program;
use super::profile::{NextDecided, Profile};
use crate::protocol::money::{Amount, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};

/// What happens next to a commission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The merchant accepts it.
    Approve,
    /// The merchant refuses it.
    Decline,
    /// Its locking date is put off.
    Extend,
    /// A part is taken back.
    ReversePart,
    /// All that is left is taken back.
    ReverseAll,
    /// It becomes due to be paid.
    Lock,
}

use Step::{Approve, Decline, Extend, Lock, ReverseAll, ReversePart};

/// A commission's future, and how likely it is.
type Future = (u32, &'static [Step]);

/// What becomes of commissions on what was sent back.
const SENT_BACK: [Future; 6] = [
    (25, &[Decline]),
    (30, &[ReverseAll]),
    (10, &[Approve, ReverseAll]),
    (22, &[ReversePart, Lock]),
    (8, &[Approve, ReversePart, Lock]),
    (5, &[ReversePart, ReversePart, Lock]),
];

/// What becomes of the others, where merchants have time to look at each.
const AT_LEISURE: [Future; 5] = [
    (58, &[Approve, Lock]),
    (32, &[Lock]),
    (4, &[Decline]),
    (4, &[Extend, Lock]),
    (2, &[Extend, Approve, Lock]),
];

/// What becomes of the others, where they have none.
const IN_HASTE: [Future; 4] =
    [(15, &[Approve, Lock]), (77, &[Lock]), (4, &[Decline]), (4, &[Extend, Lock])];

/// How many follow-ups are lacking when merchants have time to look at each commission.
const LEISURE: u64 = 4;
/// The most follow-ups that may be lacking, because nothing was due, to be made up for later.
const MAX_LACKING: u64 = 100;
/// How many random commissions are looked at for one that is due.
const RANDOM_TRIES: usize = 4;

/// A commission that something still has to happen to.
///
/// Ordered by when that is due, then by number: no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenCommission {
    /// When the next step is due.
    due: Timestamp,
    /// Its number, from which its external id follows.
    pub number: u64,
    /// Who earns it, by number.
    pub affiliate: u32,
    /// The program that it falls under, by number.
    pub program: u32,
    /// What is left of it. Never zero.
    pub left: Amount,
    /// When it is due to lock.
    pub locks_at: Timestamp,
    /// What is yet to happen. Never empty.
    future: &'static [Step],
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
    /// When it is due to lock.
    pub locks_at: Timestamp,
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

    /// Gives a new commission of `program`, which is the entry of number `entries`, a future,
    /// or leaves it undecided.
    pub fn open(
        &mut self,
        new: NewCommission,
        program: &Program,
        (now, entries): (Timestamp, u64),
        random: &mut Random,
    ) {
        let lacking = match &self.queue {
            Queue::WhenDue(_) => self.lacking(entries),
            Queue::AtRandom(_) => LEISURE,
        };
        // Of nothing, nothing can be taken back or paid.
        if lacking == 0 || new.amount == Amount::ZERO || self.len() >= self.limit {
            return;
        }
        let future = if random.chance(program.refund_rate_ppm) {
            random.weighted(&SENT_BACK)
        } else if lacking < LEISURE {
            random.weighted(&IN_HASTE)
        } else {
            random.weighted(&AT_LEISURE)
        };
        if matches!(self.queue, Queue::WhenDue(_)) {
            self.granted += future.len() as u64;
        }
        let commission = OpenCommission {
            due: now,
            number: new.number,
            affiliate: new.affiliate,
            program: new.program,
            left: new.amount,
            locks_at: new.locks_at,
            future,
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
    /// its turn among as many `entries`.
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
                    .find(|index| list.get(*index).is_some_and(|next| next.due <= now))?;
                self.granted += 1;
                Some(list.swap_remove(index))
            }
            Queue::AtRandom(_) => None,
        }?;
        let (step, future) = commission.future.split_first().expect("never empty");
        commission.future = future;
        Some((commission, *step))
    }

    /// Puts a commission back after a step, unless nothing more happens to it.
    pub fn put_back(&mut self, commission: OpenCommission, now: Timestamp, random: &mut Random) {
        if !commission.future.is_empty() && commission.left != Amount::ZERO {
            self.put(commission, now, random);
        }
    }

    fn put(&mut self, mut commission: OpenCommission, now: Timestamp, random: &mut Random) {
        commission.due = if commission.future.first() == Some(&Lock) {
            // Within a day.
            commission.locks_at.saturating_add(random.below(DAY_MS))
        } else {
            // In good time before that.
            let left_ms = commission.locks_at.as_millis().saturating_sub(now.as_millis());
            now.saturating_add(random.between(left_ms / 16, left_ms / 16 * 14))
        };
        match &mut self.queue {
            Queue::WhenDue(heap) => heap.push(Reverse(commission)),
            Queue::AtRandom(list) => list.push(commission),
        }
    }
}
