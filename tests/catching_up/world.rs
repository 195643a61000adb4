//! Everything around the machine that catches up: peers of all manners, a ledger, an authority.
#![allow(clippy::indexing_slicing, reason = "a test stops at what it doesn't expect")]

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::network::sync::{
    Action, Event, Fault, MAX_AHEAD_BLOCKS, MAX_ANSWER_BYTES, MAX_ANSWER_MS, MAX_ASKED_OF_A_PEER,
    MAX_HANDED_BLOCKS, MAX_HELD_BYTES, MAX_RANGE_BLOCKS, Question, Sent, Sync,
};

use crate::support::random::Random;

/// A block as a peer sends it: its true place, and whether the ledger will take it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub height: u64,
    pub is_good: bool,
}

/// How much a thin line carries, in bytes a millisecond: a range takes minutes.
const THIN_BYTES_A_MS: usize = 100;
/// How long a course may take beyond what the ledger works and the authority seals, in milliseconds.
/// There are at most eight peers besides the good one, each of which may waste some patience.
const MAX_WASTED_MS: u64 = 120_000;

/// What a peer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Answers within a fifth of a second, and is always there.
    Good,
    /// Loses a third of all questions.
    Lossy,
    /// Takes up to half as long again as it may.
    Slow,
    /// Never answers.
    Silent,
    /// Sends one block at a time.
    Sparing,
    /// Comes and goes.
    Fickle,
    /// Its line is thin.
    Thin,
    /// It has too much to do, mostly.
    Loaded,
    /// Answers at the last moment.
    Stalling,
    /// Some of its blocks are wrong.
    Lying,
    /// The same, and it is gone before that is found out, and comes back.
    Deserting,
    /// Sends blocks in other places than those that it was asked for, or what can't be read.
    Garbling,
    /// Claims what nobody has.
    Boasting,
    /// Sends more than it was asked for.
    Flooding,
}

pub const MANNERS: [Manner; 14] = [
    Manner::Good,
    Manner::Lossy,
    Manner::Slow,
    Manner::Silent,
    Manner::Sparing,
    Manner::Fickle,
    Manner::Thin,
    Manner::Loaded,
    Manner::Stalling,
    Manner::Lying,
    Manner::Deserting,
    Manner::Garbling,
    Manner::Boasting,
    Manner::Flooding,
];

impl Manner {
    /// Whether nothing worse than silence may be held against it.
    const fn is_honest(self) -> bool {
        use Manner::{Boasting, Deserting, Flooding, Garbling, Lying};
        !matches!(self, Lying | Deserting | Garbling | Boasting | Flooding)
    }
}

pub type Peer = u8;

/// What comes at its time.
#[derive(Debug)]
pub enum Coming {
    /// To the machine.
    Event(Event<Peer, Block>),
    /// A peer connects.
    Arrival(Peer),
    /// A peer's connection breaks.
    Departure(Peer),
    /// The ledger has looked at a block.
    Looked { round: u64, height: u64, block: Block },
    /// The authority seals a block.
    Sealed,
    /// The node is killed, and started again.
    Restart,
}

/// Everything around the machine.
pub struct World {
    random: Random,
    pub now: u64,
    order: u64,
    coming: BTreeMap<(u64, u64), Coming>,
    sync: Sync<Peer, Block>,
    peers: Vec<Manner>,
    connected: BTreeSet<Peer>,
    /// Those that nothing more is wanted of.
    banned: BTreeSet<Peer>,
    pub blamed: BTreeSet<(Peer, Fault)>,
    /// Questions on their way, by peer, and when they were asked.
    asked: BTreeMap<Peer, BTreeMap<Question, u64>>,
    /// The height of the authority's ledger, and of one's own.
    pub top: u64,
    pub height: u64,
    /// Until when the ledger looks at what it has.
    busy_until: u64,
    /// How long it worked, and when the authority sealed last or the node was started.
    pub worked: u64,
    pub grew_at: u64,
    /// The round in which the ledger refused a block: nothing of it reaches the ledger any more.
    refused: Option<u64>,
    /// The round and the height of what was handed over last.
    handed: (u64, u64),
}

impl World {
    pub fn new(seed: u64, top: u64, manners: &[Manner]) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            now: 0,
            order: 0,
            coming: BTreeMap::new(),
            sync: Sync::new(0),
            peers: manners.to_vec(),
            connected: BTreeSet::new(),
            banned: BTreeSet::new(),
            blamed: BTreeSet::new(),
            asked: BTreeMap::new(),
            top,
            height: 0,
            busy_until: 0,
            worked: 0,
            grew_at: 0,
            refused: None,
            handed: (0, 0),
        };
        for peer in world.names() {
            let delay = world.random.below(2_000);
            world.later(delay, Coming::Arrival(peer));
        }
        world.later(250, Coming::Event(Event::Tick));
        world
    }

    fn names(&self) -> Vec<Peer> {
        (0u8..).take(self.peers.len()).collect()
    }

    fn manner(&self, peer: Peer) -> Manner {
        self.peers[usize::from(peer)]
    }

    pub fn later(&mut self, delay: u64, coming: Coming) {
        self.order += 1;
        self.coming.insert((self.now + delay, self.order), coming);
    }

    /// Plays until the ledger is as high as the authority's, and nothing else is to come.
    pub fn play(&mut self) {
        while self.height < self.top || self.is_to_grow() {
            let ((at, _), coming) = self.coming.pop_first().expect("ticks never end");
            self.now = at;
            let latest = self.grew_at + self.worked + MAX_WASTED_MS;
            assert!(
                at < latest,
                "stuck at height {} of {}: {:?}",
                self.height,
                self.top,
                self.sync
            );
            self.take(coming);
        }
    }

    fn is_to_grow(&self) -> bool {
        self.coming.values().any(|coming| matches!(coming, Coming::Sealed | Coming::Restart))
    }

    fn take(&mut self, coming: Coming) {
        match coming {
            Coming::Event(event) => {
                if let Event::Tick = event {
                    self.later(250, Coming::Event(Event::Tick));
                    self.claim_now_and_then();
                }
                if let Event::Answered { peer, question, .. }
                | Event::Unanswered { peer, question }
                | Event::Busy { peer, question } = event
                {
                    self.asked.entry(peer).or_default().remove(&question);
                    self.happen(event);
                    if self.manner(peer) == Manner::Deserting {
                        self.take(Coming::Departure(peer));
                    }
                } else {
                    self.happen(event);
                }
            }
            Coming::Arrival(peer) => self.arrive(peer),
            Coming::Departure(peer) => {
                if self.connected.contains(&peer) {
                    self.leave(peer);
                    let delay = self.random.below(10_000);
                    self.later(delay, Coming::Arrival(peer));
                }
            }
            Coming::Looked { round, height, block } => self.looked(round, height, &block),
            Coming::Sealed => {
                self.top += 1;
                self.grew_at = self.now;
                for peer in self.names() {
                    // Some announcements are lost.
                    if self.random.below(4) > 0 {
                        self.claim(peer);
                    }
                }
            }
            Coming::Restart => self.restart(),
        }
    }

    /// The ledger takes a block by what it is, whatever place it was handed over for.
    fn looked(&mut self, round: u64, height: u64, block: &Block) {
        if self.refused == Some(round) {
            return;
        }
        if self.random.below(200) == 0 {
            // Writing failed; the block turns out to be there, or not.
            let is_there = block.is_good && block.height == self.height + 1;
            self.height += u64::from(is_there && self.random.below(2) == 0);
            self.refused = Some(round);
            return self.happen(Event::Stands { height: self.height });
        }
        let fits = block.is_good && block.height == self.height + 1;
        self.height += u64::from(fits);
        if !fits {
            self.refused = Some(round);
        }
        self.happen(if fits {
            Event::Appended { round, height }
        } else {
            Event::Refused { round, height, is_a_lie: true }
        });
    }

    fn arrive(&mut self, peer: Peer) {
        if self.banned.contains(&peer) || !self.connected.insert(peer) {
            return;
        }
        self.happen(Event::Joined(peer));
        self.claim(peer);
        if self.manner(peer) == Manner::Fickle {
            let delay = self.random.below(5_000);
            self.later(delay, Coming::Departure(peer));
        }
    }

    fn leave(&mut self, peer: Peer) {
        self.connected.remove(&peer);
        self.asked.remove(&peer);
        // Nothing comes of it after that it left.
        self.coming.retain(|_, coming| match coming {
            Coming::Event(
                Event::Claimed { peer: from, .. }
                | Event::Answered { peer: from, .. }
                | Event::Unanswered { peer: from, .. }
                | Event::Busy { peer: from, .. },
            ) => *from != peer,
            _ => true,
        });
        self.happen(Event::Left(peer));
    }

    fn claim(&mut self, peer: Peer) {
        if self.connected.contains(&peer) {
            let boast = [self.top + self.random.below(10_000), u64::MAX][self.random.index(2)];
            let height = if self.manner(peer) == Manner::Boasting { boast } else { self.top };
            let delay = self.random.below(100);
            self.later(delay, Coming::Event(Event::Claimed { peer, height }));
        }
    }

    /// Peers repeat what they claim, in case it was lost.
    fn claim_now_and_then(&mut self) {
        for peer in self.names() {
            if self.random.below(20) == 0 {
                self.claim(peer);
            }
        }
    }

    /// The machine forgets everything; the ledger stays, and what it looked at is lost.
    fn restart(&mut self) {
        self.sync = Sync::new(self.height);
        self.handed = (0, self.height);
        self.refused = None;
        self.busy_until = self.now;
        self.grew_at = self.now;
        self.asked.clear();
        self.connected.clear();
        self.coming.retain(|_, coming| {
            matches!(coming, Coming::Event(Event::Tick) | Coming::Sealed | Coming::Restart)
        });
        for peer in self.names() {
            let delay = self.random.below(2_000);
            self.later(delay, Coming::Arrival(peer));
        }
    }

    fn happen(&mut self, event: Event<Peer, Block>) {
        let actions = self.sync.on(self.now, event);
        self.check();
        for action in actions {
            match action {
                Action::Ask { peer, question, from, count } => {
                    self.asked(peer, question, from, count);
                }
                Action::Cancel { peer, question } => {
                    self.asked.entry(peer).or_default().remove(&question);
                    self.coming.retain(|_, coming| {
                        !matches!(coming, Coming::Event(
                            Event::Answered { question: other, .. }
                            | Event::Unanswered { question: other, .. }
                            | Event::Busy { question: other, .. }
                        ) if *other == question)
                    });
                }
                Action::Append { round, height, block, .. } => self.look_at(round, height, block),
                Action::Blame { peer, fault } => self.blame(peer, fault),
            }
        }
    }

    /// What must hold at any time.
    fn check(&self) {
        let progress = self.sync.progress();
        assert!(progress.held_bytes <= MAX_HELD_BYTES + MAX_ANSWER_BYTES, "{progress:?}");
        assert!(progress.handed_blocks <= MAX_HANDED_BLOCKS, "{progress:?}");
        assert!(progress.questions <= MAX_HELD_BYTES / MAX_ANSWER_BYTES + 1, "{progress:?}");
        assert!(progress.height <= self.height, "{progress:?}");
    }

    /// A question is on its way.
    fn asked(&mut self, peer: Peer, question: Question, from: u64, count: u64) {
        assert!(self.connected.contains(&peer) && !self.banned.contains(&peer), "gone: {peer}");
        assert!((1..=MAX_RANGE_BLOCKS).contains(&count));
        assert!(from > self.sync.progress().height);
        assert!(from <= self.sync.progress().height + MAX_AHEAD_BLOCKS);
        let asked = self.asked.entry(peer).or_default();
        assert_eq!(asked.insert(question, self.now), None, "asked twice");
        assert!(asked.len() <= MAX_ASKED_OF_A_PEER, "too many at once");
        let manner = self.manner(peer);
        let blocks = self.answer(manner, from, count);
        let bytes: usize = blocks.iter().map(|sent| sent.bytes).sum();
        let delay = match manner {
            Manner::Silent => return,
            Manner::Lossy if self.random.below(3) == 0 => return,
            Manner::Slow => self.random.below(MAX_ANSWER_MS * 3 / 2),
            Manner::Stalling => MAX_ANSWER_MS - 1,
            Manner::Thin => (bytes / THIN_BYTES_A_MS) as u64,
            _ => self.random.below(200),
        };
        let is_garbled = manner == Manner::Garbling && self.random.below(4) == 0;
        let event = match manner {
            Manner::Lossy if self.random.below(4) == 0 => Event::Unanswered { peer, question },
            Manner::Loaded if self.random.below(4) > 0 => Event::Busy { peer, question },
            _ => Event::Answered { peer, question, blocks, is_garbled },
        };
        self.later(delay, Coming::Event(event));
    }

    /// What a peer sends: what it has, as much as fits an answer.
    fn answer(&mut self, manner: Manner, from: u64, count: u64) -> Vec<Sent<Block>> {
        let count = match manner {
            Manner::Sparing => 1,
            Manner::Flooding => count + self.random.below(3),
            _ => count,
        };
        // Some have large blocks, some small ones.
        let longest = [2_000, 300_000, 4 * 1024 * 1024][self.random.index(3)];
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for height in from..from + count {
            let length = self.random.index(longest) + 1;
            bytes += length;
            let is_there = height <= self.top || manner == Manner::Flooding;
            if !is_there || bytes > MAX_ANSWER_BYTES {
                break;
            }
            let lies = matches!(manner, Manner::Lying | Manner::Deserting);
            let is_wrong = lies && self.random.below(8) == 0;
            let block = Block { height, is_good: !is_wrong && height <= self.top };
            blocks.push(Sent { height, bytes: length, block });
        }
        if manner == Manner::Garbling && !blocks.is_empty() {
            match self.random.below(4) {
                0 => drop(blocks.remove(0)),
                1 => blocks.insert(0, blocks[0].clone()),
                2 => blocks.reverse(),
                // Another block than its header says.
                _ => blocks[0].block.height += 1,
            }
        }
        blocks
    }

    /// The ledger takes one block after the other, each in its time.
    fn look_at(&mut self, round: u64, height: u64, block: Block) {
        let (last_round, last) = self.handed;
        if round == last_round {
            assert_eq!(height, last + 1, "blocks are handed over in order");
        } else {
            assert!(round > last_round && height == self.sync.progress().height + 1);
        }
        self.handed = (round, height);
        let slow = self.random.below(50) == 0;
        let takes = self.random.below(if slow { 3_000 } else { 20 });
        self.worked += takes;
        self.busy_until = self.busy_until.max(self.now) + takes;
        let delay = self.busy_until - self.now;
        self.later(delay, Coming::Looked { round, height, block });
    }

    fn blame(&mut self, peer: Peer, fault: Fault) {
        self.blamed.insert((peer, fault));
        let manner = self.manner(peer);
        match fault {
            Fault::Silence | Fault::Boast => {}
            Fault::Excess | Fault::Garbage | Fault::Lie => {
                assert!(!manner.is_honest(), "{manner:?} was blamed for {fault:?}");
                self.banned.insert(peer);
                if self.connected.contains(&peer) {
                    self.leave(peer);
                }
            }
        }
    }
}
