//! Catching up with peers: what happens goes in, what is to be done comes out. Nothing here waits,
//! asks a clock or touches a socket, so a test can play any course of things.
//!
//! Ranges of heights are asked for from several peers at a time; what comes is held until its turn,
//! and handed to the ledger in order, which verifies it. What is asked for, held and handed over is
//! bounded, so a peer that is quicker than the ledger waits, and one that boasts costs nothing.
//!
//! Invariants:
//! - Each height above the ledger's is in one place: nowhere, asked for, held, or handed over; and
//!   those that are handed over come first, without a gap.
//! - A peer's word decides only whom is asked what. What it sends counts when the ledger took it.
//! - What belongs to an earlier round, before a block was refused, is ignored.
//! - The next height is always asked for, if somebody claims to have it, however much is held; and
//!   nobody keeps it for long while somebody else has time: so it goes on for as long as one peer
//!   answers, whatever the others do.

use std::collections::{BTreeMap, VecDeque};

mod events;
mod peers;

pub use events::{Action, Event, Fault, Progress, Question, Sent};
use peers::Peers;

/// How many blocks a peer is asked for at a time, at most.
pub const MAX_RANGE_BLOCKS: u64 = 64;
/// How many bytes of blocks an answer has, at most; two of the largest blocks fit.
pub const MAX_ANSWER_BYTES: usize = 9 * 1024 * 1024;
/// How many questions a peer is asked at the same time.
pub const MAX_ASKED_OF_A_PEER: usize = 2;
/// How many questions are asked, at the same time, of peers that have sent nothing yet that the ledger
/// took, while there is one that has.
pub const MAX_ASKED_OF_STRANGERS: usize = 2;
/// How many bytes of blocks are held or on their way, beside an answer that has the next one.
pub const MAX_HELD_BYTES: usize = 48 * 1024 * 1024;
/// How far ahead of the ledger heights are asked for.
pub const MAX_AHEAD_BLOCKS: u64 = 8 * 1024;
/// How many blocks are handed to the ledger before it has answered for the first of them.
pub const MAX_HANDED_BLOCKS: usize = 8;
/// How many peers are known, connected or not.
pub const MAX_PEERS: usize = 512;
/// How long an answer may take, in milliseconds.
pub const MAX_ANSWER_MS: u64 = 20_000;
/// How long the next height may take, in milliseconds, while somebody else has time.
pub const PATIENCE_MS: u64 = 1_500;
/// How long a peer isn't asked after it failed for the first time, in milliseconds; twice as long
/// each time it fails once more in a row.
pub const FIRST_REST_MS: u64 = 500;
/// The longest that it isn't asked, in milliseconds.
pub const MAX_REST_MS: u64 = 60_000;

/// Heights that follow each other, and whom they are from.
#[derive(Debug)]
struct Range<P, B> {
    peer: P,
    /// The height that comes after them.
    end: u64,
    blocks: Blocks<B>,
}

#[derive(Debug)]
enum Blocks<B> {
    /// The peer was asked for them then, in milliseconds.
    Asked { question: Question, at: u64 },
    /// They wait for their turn, each with its length in bytes.
    Held(VecDeque<(B, usize)>),
}

impl<P, B> Range<P, B> {
    fn held_bytes(&self) -> usize {
        match &self.blocks {
            Blocks::Asked { .. } => 0,
            Blocks::Held(blocks) => blocks.iter().map(|(_, bytes)| bytes).sum(),
        }
    }
}

/// Catching up of one ledger. `P` is what peers are told apart by, `B` a block that isn't verified.
#[derive(Debug)]
pub struct Sync<P, B> {
    height: u64,
    round: u64,
    appended_at: Option<u64>,
    is_halted: bool,
    peers: Peers<P>,
    /// What is asked for or held, by the first height: none of it twice.
    ranges: BTreeMap<u64, Range<P, B>>,
    /// Where the range of each open question begins.
    asked: BTreeMap<Question, u64>,
    held_bytes: usize,
    /// Who sent the blocks that the ledger has in hand, the lowest first.
    handed: VecDeque<P>,
    questions: u64,
}

impl<P: Copy + Ord, B> Sync<P, B> {
    /// Begins from a ledger of this height, with nobody connected.
    pub fn new(height: u64) -> Self {
        Self {
            height,
            round: 0,
            appended_at: None,
            is_halted: false,
            peers: Peers::default(),
            ranges: BTreeMap::new(),
            asked: BTreeMap::new(),
            held_bytes: 0,
            handed: VecDeque::new(),
            questions: 0,
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let held = self.ranges.values().map(|range| match &range.blocks {
            Blocks::Asked { .. } => 0,
            Blocks::Held(blocks) => blocks.len(),
        });
        Progress {
            height: self.height,
            claimed: self.peers.claimed(),
            appended_at: self.appended_at,
            questions: self.asked.len(),
            held_blocks: held.sum(),
            held_bytes: self.held_bytes,
            handed_blocks: self.handed.len(),
            is_halted: self.is_halted,
        }
    }

    /// What follows from `event`, which happened at `now`, in milliseconds of a clock that never goes
    /// back.
    pub fn on(&mut self, now: u64, event: Event<P, B>) -> Vec<Action<P, B>> {
        let mut actions = Vec::new();
        match event {
            Event::Joined(peer) => self.peers.join(peer),
            Event::Left(peer) => {
                self.drop_questions_of(peer);
                self.peers.leave(peer);
            }
            Event::Claimed { peer, height } => self.peers.claim(peer, height),
            Event::Unwanted { peer, height } => self.peers.has_no_more_than(peer, height),
            Event::Answered { peer, question, blocks, is_garbled } => {
                let range = self.take_question(peer, question);
                let fault = range.and_then(|range| self.keep(peer, range, blocks, is_garbled));
                if let Some(fault) = fault {
                    self.blame(now, peer, fault, &mut actions);
                }
            }
            Event::Unanswered { peer, question } => {
                if self.take_question(peer, question).is_some() {
                    self.blame(now, peer, Fault::Silence, &mut actions);
                }
            }
            Event::Busy { peer, question } => {
                if self.take_question(peer, question).is_some() {
                    self.peers.fail(now, peer);
                }
            }
            Event::Appended { round, height } => self.appended(now, round, height),
            Event::Refused { round, height, is_a_lie } => {
                self.refused(now, (round, height), is_a_lie, &mut actions);
            }
            Event::Stands { height } => self.stands(height),
            Event::Halted => self.is_halted = true,
            Event::Resumed => self.is_halted = false,
            Event::Tick => {}
        }
        self.give_up(now, &mut actions);
        if !self.is_halted {
            self.hand_over(&mut actions);
            self.ask(now, &mut actions);
        }
        actions
    }

    /// Keeps what a peer sent of a range, as far as it is what it was asked for; what is wrong with it.
    fn keep(
        &mut self,
        peer: P,
        (from, end): (u64, u64),
        blocks: Vec<Sent<B>>,
        is_garbled: bool,
    ) -> Option<Fault> {
        if blocks.len() as u64 > end - from {
            return Some(Fault::Excess);
        }
        let in_order = (from..).zip(&blocks).all(|(height, sent)| sent.height == height);
        if is_garbled || !in_order {
            return Some(Fault::Garbage);
        }
        if blocks.is_empty() {
            self.peers.has_no_more_than(peer, from - 1);
            return Some(Fault::Boast);
        }
        self.peers.answered(peer);
        let end = from + blocks.len() as u64;
        let blocks: VecDeque<_> = blocks.into_iter().map(|sent| (sent.block, sent.bytes)).collect();
        self.held_bytes += blocks.iter().map(|(_, bytes)| bytes).sum::<usize>();
        if let Some((_, before)) = self.ranges.range_mut(..from).next_back()
            && let Blocks::Held(held) = &mut before.blocks
            && (before.peer, before.end) == (peer, from)
        {
            held.extend(blocks);
            before.end = end;
        } else {
            self.ranges.insert(from, Range { peer, end, blocks: Blocks::Held(blocks) });
        }
        None
    }

    /// The range of a question that wasn't answered so far, and is now. None where that was given up.
    fn take_question(&mut self, peer: P, question: Question) -> Option<(u64, u64)> {
        let from = *self.asked.get(&question)?;
        let range = self.ranges.get(&from).filter(|range| range.peer == peer)?;
        let end = range.end;
        self.ranges.remove(&from);
        self.asked.remove(&question);
        self.peers.done(peer);
        Some((from, end))
    }

    fn drop_questions_of(&mut self, peer: P) -> Vec<Question> {
        let of_peer = |from: &u64| self.ranges.get(from).is_some_and(|range| range.peer == peer);
        let asked = self.asked.iter().filter(|(_, from)| of_peer(from));
        let questions: Vec<Question> = asked.map(|(question, _)| *question).collect();
        for question in &questions {
            self.take_question(peer, *question);
        }
        questions
    }

    fn appended(&mut self, now: u64, round: u64, height: u64) {
        if round == self.round {
            assert_eq!(height, self.height + 1, "the ledger answers in order");
            self.height = height;
            self.appended_at = Some(now);
            let sender = self.handed.pop_front().expect("what is taken was handed over");
            self.peers.delivered(sender);
        }
    }

    fn refused(
        &mut self,
        now: u64,
        (round, height): (u64, u64),
        is_a_lie: bool,
        actions: &mut Vec<Action<P, B>>,
    ) {
        if round != self.round {
            return;
        }
        assert_eq!(height, self.height + 1, "the ledger answers in order");
        self.round += 1;
        let sender = self.handed.pop_front().expect("what is refused was handed over");
        self.handed.clear();
        if is_a_lie {
            self.blame(now, sender, Fault::Lie, actions);
        }
    }

    /// Begins a new round at the ledger's height; what is held and asked for at or below it is dropped.
    fn stands(&mut self, height: u64) {
        self.round += 1;
        self.height = height;
        self.handed.clear();
        while let Some(first) = self.ranges.first_entry().filter(|first| *first.key() <= height) {
            let (from, mut range) = first.remove_entry();
            match &mut range.blocks {
                Blocks::Asked { question, .. } => {
                    self.asked.remove(question);
                    self.peers.done(range.peer);
                }
                Blocks::Held(blocks) => {
                    let below = usize::try_from(height + 1 - from).unwrap_or(usize::MAX);
                    for (_, bytes) in blocks.drain(..below.min(blocks.len())) {
                        self.held_bytes -= bytes;
                    }
                    if !blocks.is_empty() {
                        self.ranges.insert(height + 1, range);
                    }
                }
            }
        }
    }

    /// Gives up what should have been answered by now. Where somebody else has time, what comes next
    /// waits less long for anybody, and whatever it is for strangers; and what comes next goes from a
    /// stranger to somebody proven at once.
    fn give_up(&mut self, now: u64, actions: &mut Vec<Action<P, B>>) {
        let next = self.next_height();
        let late = self.ranges.iter().filter_map(|(from, range)| {
            let Blocks::Asked { question, at } = range.blocks else { return None };
            let waited = now.saturating_sub(at);
            let (is_next, is_stranger) = (*from == next, self.peers.is_stranger(range.peer));
            let may_go_on = if is_next || is_stranger {
                match self.peers.whom_to_ask(now, *from, Some(range.peer)) {
                    None => true,
                    Some((other, _))
                        if is_next && is_stranger && !self.peers.is_stranger(other) =>
                    {
                        false
                    }
                    Some(_) => waited < PATIENCE_MS,
                }
            } else {
                true
            };
            let is_late = waited >= MAX_ANSWER_MS;
            (is_late || !may_go_on).then_some((range.peer, question, waited))
        });
        let late: Vec<_> = late.collect();
        for (peer, question, waited) in late {
            self.take_question(peer, question);
            actions.push(Action::Cancel { peer, question });
            if waited >= MAX_ANSWER_MS {
                self.blame(now, peer, Fault::Silence, actions);
            } else if waited >= PATIENCE_MS {
                self.peers.fail(now, peer);
            }
        }
    }

    fn blame(&mut self, now: u64, peer: P, fault: Fault, actions: &mut Vec<Action<P, B>>) {
        actions.push(Action::Blame { peer, fault });
        self.peers.fail(now, peer);
        if fault.is_grave() {
            self.peers.shun(peer);
            // What else it sent, or would send, is worth no more.
            let questions = self.drop_questions_of(peer);
            actions.extend(questions.into_iter().map(|question| Action::Cancel { peer, question }));
            self.ranges.retain(|_, range| range.peer != peer);
            self.held_bytes = self.ranges.values().map(Range::held_bytes).sum();
        }
    }

    /// Hands over what comes next, as much as the ledger may have in hand.
    fn hand_over(&mut self, actions: &mut Vec<Action<P, B>>) {
        while self.handed.len() < MAX_HANDED_BLOCKS {
            let height = self.next_height();
            let Some(first) = self.ranges.first_entry().filter(|first| *first.key() == height)
            else {
                return;
            };
            if let Blocks::Asked { .. } = first.get().blocks {
                return;
            }
            let mut range = first.remove();
            let Blocks::Held(blocks) = &mut range.blocks else { unreachable!("looked at above") };
            let (block, bytes) = blocks.pop_front().expect("a range isn't empty");
            let is_done = blocks.is_empty();
            self.held_bytes -= bytes;
            self.handed.push_back(range.peer);
            let (peer, round) = (range.peer, self.round);
            actions.push(Action::Append { peer, round, height, block });
            if !is_done {
                self.ranges.insert(height + 1, range);
            }
        }
    }

    /// Asks for what is missing, the lowest first, as much as may be held.
    fn ask(&mut self, now: u64, actions: &mut Vec<Action<P, B>>) {
        let mut from = self.next_height();
        while let Some(start) = self.missing(from) {
            let with_answers = (self.asked.len() + 1).saturating_mul(MAX_ANSWER_BYTES);
            let room = self.held_bytes.saturating_add(with_answers) <= MAX_HELD_BYTES;
            if !room && start != self.next_height() {
                return;
            }
            let Some((peer, most)) = self.peers.whom_to_ask(now, start, None) else { return };
            let end = self.end_of_gap(start).min(most);
            self.questions += 1;
            let question = Question(self.questions);
            let blocks = Blocks::Asked { question, at: now };
            self.ranges.insert(start, Range { peer, end, blocks });
            self.asked.insert(question, start);
            self.peers.asked(peer, self.questions);
            actions.push(Action::Ask { peer, question, from: start, count: end - start });
            from = end;
        }
    }

    /// The height after those that the ledger has or has in hand.
    fn next_height(&self) -> u64 {
        self.height + 1 + self.handed.len() as u64
    }

    /// The first height from `from` on that is neither held nor asked for, if it isn't too far ahead.
    fn missing(&self, from: u64) -> Option<u64> {
        let mut height = from;
        while let Some((_, range)) = self.ranges.range(..=height).next_back()
            && range.end > height
        {
            height = range.end;
        }
        (height <= self.height.saturating_add(MAX_AHEAD_BLOCKS)).then_some(height)
    }

    /// The first height after `start` that is held or asked for, or the end of what may be asked for.
    fn end_of_gap(&self, start: u64) -> u64 {
        let next = self.ranges.range(start..).next().map(|(height, _)| *height);
        let most = start.saturating_add(MAX_RANGE_BLOCKS);
        next.map_or(most, |next| next.min(most))
    }
}
