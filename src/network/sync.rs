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
//! - The next height is always asked for, if somebody claims to have it, however much is held: so it
//!   goes on for as long as one peer answers.

use std::collections::{BTreeMap, VecDeque};

/// How many blocks a peer is asked for at a time, at most.
pub const MAX_RANGE_BLOCKS: u64 = 64;
/// How many bytes of blocks an answer has, at most; two of the largest blocks fit.
pub const MAX_ANSWER_BYTES: usize = 9 * 1024 * 1024;
/// How many questions a peer is asked at the same time.
pub const MAX_ASKED_OF_A_PEER: usize = 2;
/// How many bytes of blocks are held or on their way, beside an answer that has the next one.
pub const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;
/// How far ahead of the ledger heights are asked for.
pub const MAX_AHEAD_BLOCKS: u64 = 8 * 1024;
/// How many blocks are handed to the ledger before it has answered for the first of them.
pub const MAX_HANDED_BLOCKS: usize = 8;
/// How many peers are known at the same time; whoever joins beyond that isn't asked anything.
pub const MAX_PEERS: usize = 256;
/// How long an answer may take, in milliseconds.
pub const MAX_ANSWER_MS: u64 = 20_000;
/// How long a peer isn't asked after it failed for the first time, in milliseconds; twice as long
/// each time it fails once more in a row.
pub const FIRST_REST_MS: u64 = 500;
/// The longest that it isn't asked, in milliseconds.
pub const MAX_REST_MS: u64 = 60_000;

/// How often a rest is doubled, at most.
const MAX_DOUBLINGS: u32 = 16;

/// What tells questions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question(u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<P, B> {
    /// A peer is connected.
    Joined(P),
    /// It isn't any more.
    Left(P),
    /// A peer says how high its ledger is.
    Claimed {
        /// Who says so.
        peer: P,
        /// How high.
        height: u64,
    },
    /// A peer answered: blocks that follow each other from the first height that it was asked for,
    /// as many as it has or as fit an answer.
    Answered {
        /// Who did.
        peer: P,
        /// What it had been asked.
        question: Question,
        /// Each block, and its length in bytes.
        blocks: Vec<(B, usize)>,
    },
    /// A question went wrong: it wasn't answered, or with what can't be read.
    Unanswered {
        /// Who was asked.
        peer: P,
        /// What.
        question: Question,
    },
    /// The ledger took a block.
    Appended {
        /// The round in which it was handed over.
        round: u64,
        /// The block's height.
        height: u64,
    },
    /// The ledger refused a block.
    Refused {
        /// The round in which it was handed over.
        round: u64,
        /// The height at which it was to stand.
        height: u64,
    },
    /// Time went on.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<P, B> {
    /// Ask a peer for blocks.
    Ask {
        /// Whom.
        peer: P,
        /// What tells it from other questions.
        question: Question,
        /// The first height.
        from: u64,
        /// How many blocks, at most.
        count: u64,
    },
    /// Hand a block to the ledger, after those that were handed to it before.
    Append {
        /// What the ledger's answer must bear.
        round: u64,
        /// Where the block is to stand.
        height: u64,
        /// The block.
        block: B,
    },
    /// Hold something against a peer.
    Blame {
        /// Whom.
        peer: P,
        /// What it did.
        fault: Fault,
    },
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It didn't answer in time, or with what can't be read.
    Silence,
    /// It doesn't have what it claimed to have.
    Boast,
    /// It sent more than it was asked for.
    Excess,
    /// It sent a block that the ledger refused.
    Lie,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The height of the ledger.
    pub height: u64,
    /// The greatest height that a peer claims.
    pub claimed: u64,
    /// How many questions aren't answered yet.
    pub questions: usize,
    /// How many blocks are held.
    pub held_blocks: usize,
    /// How many bytes those have.
    pub held_bytes: usize,
    /// How many blocks the ledger has in hand.
    pub handed_blocks: usize,
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    claimed: u64,
    questions: usize,
    /// How often it failed since it last answered.
    failures: u32,
    /// Until when it isn't asked, in milliseconds.
    rests_until: u64,
    /// The number of the latest question that it was asked: who was asked longest ago is next.
    latest: u64,
    /// Nothing of it is wanted any more.
    is_shunned: bool,
}

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
    /// The peer was asked for them, and must answer by then, in milliseconds.
    Asked { question: Question, deadline: u64 },
    /// They wait for their turn, each with its length in bytes.
    Held(VecDeque<(B, usize)>),
}

impl<P, B> Range<P, B> {
    fn is_held(&self) -> bool {
        matches!(self.blocks, Blocks::Held(_))
    }

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
    peers: BTreeMap<P, Peer>,
    /// What is asked for or held, by the first height: none of it twice.
    ranges: BTreeMap<u64, Range<P, B>>,
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
            peers: BTreeMap::new(),
            ranges: BTreeMap::new(),
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
            claimed: self.peers.values().map(|peer| peer.claimed).max().unwrap_or(0),
            questions: self.questions_open(),
            held_blocks: held.sum(),
            held_bytes: self.held_bytes,
            handed_blocks: self.handed.len(),
        }
    }

    /// What follows from `event`, which happened at `now`, in milliseconds of a clock that never goes
    /// back.
    pub fn on(&mut self, now: u64, event: Event<P, B>) -> Vec<Action<P, B>> {
        let mut actions = Vec::new();
        match event {
            Event::Joined(peer) => {
                if self.peers.len() < MAX_PEERS {
                    self.peers.entry(peer).or_default();
                }
            }
            Event::Left(peer) => {
                self.peers.remove(&peer);
                self.ranges.retain(|_, range| range.peer != peer || range.is_held());
            }
            Event::Claimed { peer, height } => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.claimed = known.claimed.max(height);
                }
            }
            Event::Answered { peer, question, blocks } => {
                self.answered(now, (peer, question), blocks, &mut actions);
            }
            Event::Unanswered { peer, question } => {
                if self.take_question(peer, question).is_some() {
                    self.blame(now, peer, Fault::Silence, &mut actions);
                }
            }
            Event::Appended { round, height } => self.appended(round, height),
            Event::Refused { round, height } => self.refused(now, round, height, &mut actions),
            Event::Tick => self.give_up(now, &mut actions),
        }
        self.hand_over(&mut actions);
        self.ask(now, &mut actions);
        actions
    }

    fn answered(
        &mut self,
        now: u64,
        (peer, question): (P, Question),
        blocks: Vec<(B, usize)>,
        actions: &mut Vec<Action<P, B>>,
    ) {
        // Too late: somebody else was asked by now.
        let Some((from, end)) = self.take_question(peer, question) else { return };
        if blocks.len() as u64 > end - from {
            return self.blame(now, peer, Fault::Excess, actions);
        }
        if blocks.is_empty() {
            if let Some(known) = self.peers.get_mut(&peer) {
                known.claimed = known.claimed.min(from - 1);
            }
            return self.blame(now, peer, Fault::Boast, actions);
        }
        if let Some(known) = self.peers.get_mut(&peer) {
            known.failures = 0;
        }
        self.held_bytes += blocks.iter().map(|(_, bytes)| bytes).sum::<usize>();
        let end = from + blocks.len() as u64;
        self.ranges.insert(from, Range { peer, end, blocks: Blocks::Held(blocks.into()) });
    }

    /// The range of a question that wasn't answered so far, and is now.
    fn take_question(&mut self, peer: P, question: Question) -> Option<(u64, u64)> {
        let of_question = |range: &Range<P, B>| matches!(&range.blocks, Blocks::Asked { question: asked, .. } if *asked == question);
        let found = self.ranges.iter().find(|(_, range)| range.peer == peer && of_question(range));
        let (from, end) = found.map(|(from, range)| (*from, range.end))?;
        self.ranges.remove(&from);
        if let Some(known) = self.peers.get_mut(&peer) {
            known.questions -= 1;
        }
        Some((from, end))
    }

    fn appended(&mut self, round: u64, height: u64) {
        if round == self.round {
            assert_eq!(height, self.height + 1, "the ledger answers in order");
            self.height = height;
            self.handed.pop_front();
        }
    }

    fn refused(&mut self, now: u64, round: u64, height: u64, actions: &mut Vec<Action<P, B>>) {
        if round != self.round {
            return;
        }
        assert_eq!(height, self.height + 1, "the ledger answers in order");
        self.round += 1;
        let liar = self.handed.pop_front().expect("what is refused was handed over");
        self.handed.clear();
        self.blame(now, liar, Fault::Lie, actions);
    }

    /// Gives up what should have been answered by now.
    fn give_up(&mut self, now: u64, actions: &mut Vec<Action<P, B>>) {
        let late = self.ranges.values().filter_map(|range| match range.blocks {
            Blocks::Asked { question, deadline } if deadline <= now => Some((range.peer, question)),
            _ => None,
        });
        let late: Vec<_> = late.collect();
        for (peer, question) in late {
            self.take_question(peer, question);
            self.blame(now, peer, Fault::Silence, actions);
        }
    }

    fn blame(&mut self, now: u64, peer: P, fault: Fault, actions: &mut Vec<Action<P, B>>) {
        actions.push(Action::Blame { peer, fault });
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let rest = (FIRST_REST_MS << known.failures.min(MAX_DOUBLINGS)).min(MAX_REST_MS);
        known.failures = known.failures.saturating_add(1);
        known.rests_until = now.saturating_add(rest);
        if matches!(fault, Fault::Lie | Fault::Excess) {
            known.is_shunned = true;
            // What else it sent is worth no more.
            self.ranges.retain(|_, range| range.peer != peer);
            self.held_bytes = self.ranges.values().map(Range::held_bytes).sum();
        }
    }

    /// Hands over what comes next, as much as the ledger may have in hand.
    fn hand_over(&mut self, actions: &mut Vec<Action<P, B>>) {
        while self.handed.len() < MAX_HANDED_BLOCKS {
            let height = self.next_height();
            let Some(first) = self.ranges.first_entry().filter(|range| *range.key() == height)
            else {
                return;
            };
            if !first.get().is_held() {
                return;
            }
            let mut range = first.remove();
            let Blocks::Held(blocks) = &mut range.blocks else { unreachable!("looked at above") };
            let (block, bytes) = blocks.pop_front().expect("a range isn't empty");
            let is_done = blocks.is_empty();
            self.held_bytes -= bytes;
            self.handed.push_back(range.peer);
            actions.push(Action::Append { round: self.round, height, block });
            if !is_done {
                self.ranges.insert(height + 1, range);
            }
        }
    }

    /// Asks for what is missing, the lowest first, as much as may be held.
    fn ask(&mut self, now: u64, actions: &mut Vec<Action<P, B>>) {
        let mut from = self.next_height();
        while let Some(start) = self.missing(from) {
            let with_answers = (self.questions_open() + 1).saturating_mul(MAX_ANSWER_BYTES);
            let room = self.held_bytes.saturating_add(with_answers) <= MAX_HELD_BYTES;
            if !room && start != self.next_height() {
                return;
            }
            let Some((peer, claimed)) = self.whom_to_ask(now, start) else { return };
            let end = self.end_of_gap(start).min(claimed.saturating_add(1));
            self.questions += 1;
            let question = Question(self.questions);
            let deadline = now.saturating_add(MAX_ANSWER_MS);
            let blocks = Blocks::Asked { question, deadline };
            self.ranges.insert(start, Range { peer, end, blocks });
            if let Some(known) = self.peers.get_mut(&peer) {
                known.questions += 1;
                known.latest = self.questions;
            }
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

    fn questions_open(&self) -> usize {
        self.ranges.values().filter(|range| !range.is_held()).count()
    }

    /// Who claims to have `height` and has time, and what it claims: of those, whoever is asked least,
    /// and was asked longest ago.
    fn whom_to_ask(&self, now: u64, height: u64) -> Option<(P, u64)> {
        let able = self.peers.iter().filter(|(_, peer)| {
            let has_time = peer.questions < MAX_ASKED_OF_A_PEER && peer.rests_until <= now;
            peer.claimed >= height && has_time && !peer.is_shunned
        });
        let chosen = able.min_by_key(|(_, peer)| (peer.questions, peer.latest));
        chosen.map(|(name, peer)| (*name, peer.claimed))
    }
}
