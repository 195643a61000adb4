//! Payouts: once a month, all that is paid for, to each affiliate in each currency; and what
//! becomes of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::chance::Random;
use super::closing::Closing;
use super::coins::{Coin, MAX_UNITS};
use super::monthly::{MAX_WAITING, Monthly};
use super::profile::Profile;
use crate::protocol::entry::MAX_PAYOUT_LINES;
use crate::protocol::money::Amount;
use crate::protocol::time::{DAY_MS, Timestamp};

/// The most lines of payouts that will fail or come back, kept to be paid again.
const MAX_DOOMED_LINES: usize = 1 << 16;
/// The most that is to become of payouts yet; of those on top, nothing more is heard.
const MAX_EVENTS: usize = 1 << 18;
/// The most lines of a payout beside those that wait: what was and what is kept, a fee, tax.
const MAX_OTHER_LINES: usize = 4;

// The sum of no payout can go beyond what an amount can be. An amended amount is at most twice
// what was drawn.
const _: () = assert!(
    2 * MAX_UNITS < Amount::MAX.units() / (MAX_WAITING + MAX_DOOMED_LINES) as u64,
    "all that may wait for a payout must fit an amount"
);

/// How often a payout is held up, in parts per million.
const HELD_UP_PPM: u32 = 60_000;
/// The most days that takes.
const MAX_HELD_UP_DAYS: u64 = 50;
/// The most days that each step of a payout takes otherwise.
const MAX_ON_THE_WAY_DAYS: u64 = 3;

/// How payouts end, and how likely.
const FATES: [(u32, Fate); 5] = [
    (700, Fate::Arrives),
    (245, Fate::IsSentAndArrives),
    (25, Fate::Fails),
    (10, Fate::BreaksOff),
    (20, Fate::ComesBack),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    IsSentAndArrives,
    Fails,
    /// After its first part, if it has several.
    BreaksOff,
    ComesBack,
}

/// What becomes of a payout, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// It is on its way.
    Sent,
    /// It has arrived.
    Completed,
    /// It won't arrive.
    Failed,
    /// It had arrived, and came back.
    Returned,
}

/// What a line pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paid {
    /// A commission, by number.
    Commission(u64),
    /// An adjustment for the affiliate, by number.
    Credit(u64),
    /// An adjustment against the affiliate, by number.
    Debit(u64),
}

/// Something that waits to be paid. Ordered as payouts want it: by payee and currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payable {
    /// Who gets it, by number.
    pub affiliate: u32,
    /// In what, by number.
    pub coin: usize,
    /// What is paid.
    pub paid: Paid,
    /// How much. Never zero.
    pub amount: Amount,
}

/// A part of a payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The payout's number.
    pub payout: u64,
    /// 1, 2, 3 within its payout.
    pub number: u64,
    /// From when to when, exclusive, things have come that are in it.
    pub period: (Timestamp, Timestamp),
    /// Who is paid.
    pub affiliate: u32,
    /// In what, by number.
    pub coin: usize,
    /// What is paid, at least a line.
    pub lines: Vec<Payable>,
    /// The end of the last part.
    pub closing: Option<Closing>,
}

/// A payout that is being stated.
#[derive(Clone, Debug)]
struct Open {
    number: u64,
    parts: u64,
    fate: Fate,
    added: Amount,
    taken_off: Amount,
    /// Its lines, where they will have to be paid again.
    lines: Vec<Payable>,
}

/// A payout that will fail or come back.
#[derive(Clone, Debug)]
struct Doomed {
    lines: Vec<Payable>,
    payee: (u32, usize),
    /// By how much it changed what is kept, in units.
    kept: i128,
}

/// What waits to be paid, what is being paid, and what is on its way.
#[derive(Clone, Debug)]
pub struct Payouts {
    limit: usize,
    monthly: Monthly<Payable>,
    open: Option<Open>,
    /// The latest payout.
    payout: u64,
    /// What is kept for affiliates, by coin too, in units; below zero for who owes.
    kept: BTreeMap<(u32, usize), i128>,
    /// What is to become of payouts, with who was paid, and when.
    events: BinaryHeap<Reverse<(Timestamp, u64, Event, u32)>>,
    doomed: BTreeMap<u64, Doomed>,
    doomed_lines: usize,
}

impl Payouts {
    /// Nothing to pay.
    pub fn new(profile: &Profile) -> Self {
        Self {
            limit: profile.payout_lines.min(MAX_PAYOUT_LINES - MAX_OTHER_LINES),
            monthly: Monthly::new(profile.start),
            open: None,
            payout: 0,
            kept: BTreeMap::new(),
            events: BinaryHeap::new(),
            doomed: BTreeMap::new(),
            doomed_lines: 0,
        }
    }

    /// As [`Monthly::pending`].
    pub fn pending(&self, now: Timestamp) -> (bool, bool) {
        self.monthly.pending(now)
    }

    /// As [`Monthly::begin_if_due`].
    pub fn begin_if_due(&mut self, now: Timestamp) {
        self.monthly.begin_if_due(now);
    }

    /// Whether something is due to become of a payout.
    pub fn event_pending(&self, now: Timestamp) -> bool {
        self.events.peek().is_some_and(|Reverse((due, ..))| *due <= now)
    }

    /// Lets something wait for the next run.
    pub fn add(&mut self, payable: Payable) {
        self.monthly.add(payable);
    }

    /// The next part to pay, if there is anything to pay at `now`.
    pub fn next_part(
        &mut self,
        now: Timestamp,
        coins: &[Coin],
        random: &mut Random,
    ) -> Option<Part> {
        let payee = |one: &Payable| (one.affiliate, one.coin);
        let same = |one: &Payable, other: &Payable| payee(one) == payee(other);
        let (lines, more) = self.monthly.take(now, self.limit, same)?;
        let (affiliate, coin) = payee(lines.first()?);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(random),
        };
        open.parts += 1;
        for line in &lines {
            let side = match line.paid {
                Paid::Commission(_) | Paid::Credit(_) => &mut open.added,
                Paid::Debit(_) => &mut open.taken_off,
            };
            *side = side.checked_add(line.amount).expect("all that waits fits an amount");
        }
        if open.lines.len() + lines.len() > MAX_DOOMED_LINES / 2 {
            open.fate = Fate::Arrives;
            open.lines = Vec::new();
        } else if !matches!(open.fate, Fate::Arrives | Fate::IsSentAndArrives) {
            open.lines.extend_from_slice(&lines);
        }
        let (payout, number, period) = (open.number, open.parts, self.monthly.period());
        let mut closing = None;
        if !more {
            let paid_in = coins.get(coin).expect("a number of coins");
            closing = Some(self.close((affiliate, coin), paid_in, open, now, random));
        } else if open.fate == Fate::BreaksOff {
            // What it has lines of is paid again later, the rest by the next payout.
            self.events.push(Reverse((now, payout, Event::Failed, affiliate)));
            self.doom(payout, Doomed { lines: open.lines, payee: (affiliate, coin), kept: 0 });
        } else {
            self.open = Some(open);
        }
        Some(Part { payout, number, period, affiliate, coin, lines, closing })
    }

    /// What becomes of which payout, to whom, if anything is due at `now`.
    pub fn next_event(&mut self, now: Timestamp) -> Option<(u64, Event, u32)> {
        self.events.peek().filter(|Reverse((due, ..))| *due <= now)?;
        let Reverse((_, payout, event, affiliate)) = self.events.pop()?;
        if matches!(event, Event::Failed | Event::Returned)
            && let Some(doomed) = self.doomed.remove(&payout)
        {
            self.doomed_lines -= doomed.lines.len();
            *self.kept.entry(doomed.payee).or_default() -= doomed.kept;
            for line in doomed.lines {
                self.monthly.add(line);
            }
        }
        Some((payout, event, affiliate))
    }

    fn begin(&mut self, random: &mut Random) -> Open {
        self.payout += 1;
        let fate = random.weighted(&FATES);
        let fate = if self.doomed_lines >= MAX_DOOMED_LINES / 2 { Fate::Arrives } else { fate };
        Open {
            number: self.payout,
            parts: 0,
            fate,
            added: Amount::ZERO,
            taken_off: Amount::ZERO,
            lines: Vec::new(),
        }
    }

    fn doom(&mut self, payout: u64, doomed: Doomed) {
        self.doomed_lines += doomed.lines.len();
        self.doomed.insert(payout, doomed);
    }

    /// Closes a payout, and decides what becomes of it when.
    fn close(
        &mut self,
        payee: (u32, usize),
        coin: &Coin,
        open: Open,
        now: Timestamp,
        random: &mut Random,
    ) -> Closing {
        let kept = self.kept.entry(payee).or_default();
        let closing = Closing::new((open.added, open.taken_off), payee.0, coin, *kept);
        let change = i128::from(closing.kept.units()) - i128::from(closing.added.units());
        *kept += change;
        let mut due = now;
        let events: &[Event] = match open.fate {
            _ if self.events.len() >= MAX_EVENTS => &[],
            _ if closing.total == Amount::ZERO => &[Event::Completed],
            Fate::Arrives | Fate::BreaksOff => &[Event::Completed],
            Fate::IsSentAndArrives => &[Event::Sent, Event::Completed],
            Fate::Fails => &[Event::Sent, Event::Failed],
            Fate::ComesBack => &[Event::Completed, Event::Returned],
        };
        for event in events {
            let days =
                if random.chance(HELD_UP_PPM) { MAX_HELD_UP_DAYS } else { MAX_ON_THE_WAY_DAYS };
            due = due.saturating_add(random.between(DAY_MS / 24, DAY_MS * days));
            self.events.push(Reverse((due, open.number, *event, payee.0)));
        }
        if matches!(events, [_, Event::Failed | Event::Returned]) {
            self.doom(open.number, Doomed { lines: open.lines, payee, kept: change });
        }
        closing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::spec::Currencies;

    fn euro() -> Coin {
        Coin::all(&Currencies::new([("EUR".parse().unwrap(), 2)])).pop().unwrap()
    }

    fn units(units: u64) -> Amount {
        Amount::from_units(units).unwrap()
    }

    /// Whatever becomes of payouts, everything has arrived in the end, once.
    #[test]
    fn everything_arrives_once() {
        let start: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        let profile = Profile { payout_lines: 2, ..Profile::new(1, start) };
        let (mut payouts, mut random, coins) = (Payouts::new(&profile), Random::new(1), [euro()]);
        for number in 0..2_000 {
            let affiliate = u32::try_from(number % 500).unwrap();
            let paid = Paid::Commission(number);
            payouts.add(Payable { affiliate, coin: 0, paid, amount: units(700 + number) });
        }
        let mut lines: BTreeMap<u64, Vec<Paid>> = BTreeMap::new();
        let (mut arrived, mut events): (Vec<Paid>, BTreeMap<Event, usize>) = Default::default();
        for day in 0..600 {
            let now = start.saturating_add(day * DAY_MS);
            while let Some(part) = payouts.next_part(now, &coins, &mut random) {
                let paid = part.lines.iter().map(|line| line.paid);
                lines.entry(part.payout).or_default().extend(paid);
            }
            while let Some((payout, event, _)) = payouts.next_event(now) {
                *events.entry(event).or_default() += 1;
                let paid = lines.get(&payout).cloned().unwrap_or_default();
                match event {
                    Event::Completed => arrived.extend(paid),
                    Event::Returned => arrived.retain(|one| !paid.contains(one)),
                    Event::Sent | Event::Failed => {}
                }
            }
        }
        arrived.sort_unstable();
        assert_eq!(arrived, (0..2_000).map(Paid::Commission).collect::<Vec<_>>());
        assert_eq!((events.len(), payouts.doomed.len(), payouts.doomed_lines), (4, 0, 0));
    }
}
