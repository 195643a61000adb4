//! Catching up with peers, whatever those do: courses of things that a seed repeats, played against
//! the machine that decides (`src/network/sync.rs`). `COUNTERFOIL_COURSE` plays one seed again.

#![expect(clippy::indexing_slicing, reason = "a test stops at what it doesn't expect")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::network::sync::{
    Action, Event, FIRST_REST_MS, Fault, MAX_AHEAD_BLOCKS, MAX_ANSWER_BYTES, MAX_ANSWER_MS,
    MAX_ASKED_OF_A_PEER, MAX_HANDED_BLOCKS, MAX_HELD_BYTES, MAX_RANGE_BLOCKS, MAX_REST_MS,
    Question, Sync,
};
use support::random::Random;

/// A block as a peer sends it: whose place it says it has, and whether the ledger will take it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    height: u64,
    is_good: bool,
}

/// What a peer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
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
    /// Some of its blocks are wrong.
    Lying,
    /// Claims what nobody has.
    Boasting,
    /// Sends more than it was asked for.
    Flooding,
}

const MANNERS: [Manner; 9] = [
    Manner::Good,
    Manner::Lossy,
    Manner::Slow,
    Manner::Silent,
    Manner::Sparing,
    Manner::Fickle,
    Manner::Lying,
    Manner::Boasting,
    Manner::Flooding,
];

impl Manner {
    /// Whether nothing worse than silence may be held against it.
    const fn is_honest(self) -> bool {
        !matches!(self, Self::Lying | Self::Boasting | Self::Flooding)
    }
}

type Peer = u8;

/// What comes at its time.
#[derive(Debug)]
enum Coming {
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
struct World {
    random: Random,
    now: u64,
    order: u64,
    coming: BTreeMap<(u64, u64), Coming>,
    sync: Sync<Peer, Block>,
    peers: Vec<Manner>,
    connected: BTreeSet<Peer>,
    /// Those that nothing more is wanted of.
    banned: BTreeSet<Peer>,
    blamed: BTreeSet<(Peer, Fault)>,
    /// Questions on their way, by peer, and when they were asked.
    asked: BTreeMap<Peer, BTreeMap<Question, u64>>,
    /// The height of the authority's ledger, and of one's own.
    top: u64,
    height: u64,
    /// Until when the ledger looks at what it has.
    busy_until: u64,
    /// The round and the height of what was handed over last.
    handed: (u64, u64),
}

impl World {
    fn new(seed: u64, top: u64, manners: &[Manner]) -> Self {
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

    fn later(&mut self, delay: u64, coming: Coming) {
        self.order += 1;
        self.coming.insert((self.now + delay, self.order), coming);
    }

    /// Plays until the ledger is as high as the authority's, and nothing else is to come.
    fn play(&mut self) {
        const MAX_MS: u64 = 4 * 3_600_000;
        while self.height < self.top || self.is_to_grow() {
            let ((at, _), coming) = self.coming.pop_first().expect("ticks never end");
            self.now = at;
            assert!(
                at < MAX_MS,
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
                | Event::Unanswered { peer, question } = &event
                {
                    self.asked.entry(*peer).or_default().remove(question);
                }
                self.happen(event);
            }
            Coming::Arrival(peer) => self.arrive(peer),
            Coming::Departure(peer) => {
                if self.connected.contains(&peer) {
                    self.leave(peer);
                    let delay = self.random.below(10_000);
                    self.later(delay, Coming::Arrival(peer));
                }
            }
            Coming::Looked { round, height, block } => {
                let fits = block.is_good && block.height == height && height == self.height + 1;
                self.height += u64::from(fits);
                self.happen(if fits {
                    Event::Appended { round, height }
                } else {
                    Event::Refused { round, height }
                });
            }
            Coming::Sealed => {
                self.top += 1;
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
        self.coming.retain(|_, coming| {
            !matches!(coming, Coming::Event(
                Event::Answered { peer: from, .. } | Event::Unanswered { peer: from, .. }
            ) if *from == peer)
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
        self.busy_until = self.now;
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
                Action::Append { round, height, block } => self.look_at(round, height, block),
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
        let open = asked.values().filter(|asked| self.now - **asked < MAX_ANSWER_MS).count();
        assert!(open <= MAX_ASKED_OF_A_PEER, "too many at once");
        let blocks = self.answer(self.manner(peer), from, count);
        let delay = match self.manner(peer) {
            Manner::Silent => return,
            Manner::Lossy if self.random.below(3) == 0 => return,
            Manner::Slow => self.random.below(MAX_ANSWER_MS * 3 / 2),
            _ => self.random.below(200),
        };
        let fails = self.manner(peer) == Manner::Lossy && self.random.below(4) == 0;
        self.later(
            delay,
            Coming::Event(if fails {
                Event::Unanswered { peer, question }
            } else {
                Event::Answered { peer, question, blocks }
            }),
        );
    }

    /// What a peer sends: what it has, as much as fits an answer.
    fn answer(&mut self, manner: Manner, from: u64, count: u64) -> Vec<(Block, usize)> {
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
            let is_wrong = manner == Manner::Lying && self.random.below(8) == 0;
            blocks.push((Block { height, is_good: !is_wrong && height <= self.top }, length));
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
        self.busy_until = self.busy_until.max(self.now) + takes;
        let delay = self.busy_until - self.now;
        self.later(delay, Coming::Looked { round, height, block });
    }

    fn blame(&mut self, peer: Peer, fault: Fault) {
        self.blamed.insert((peer, fault));
        let manner = self.manner(peer);
        match fault {
            Fault::Silence | Fault::Boast => {}
            Fault::Excess | Fault::Lie => {
                assert!(!manner.is_honest(), "{manner:?} was blamed for {fault:?}");
                self.banned.insert(peer);
                if self.connected.contains(&peer) {
                    self.leave(peer);
                }
            }
        }
    }
}

#[test]
fn any_course_of_things_ends_with_the_whole_ledger() {
    let is_long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let given = std::env::var("COUNTERFOIL_COURSE").ok().and_then(|seed| seed.parse().ok());
    let first: u64 = given.unwrap_or_else(|| Random::seeded("COUNTERFOIL_COURSES").next());
    let courses = match (given, is_long) {
        (Some(_), _) => 1,
        (None, false) => 1_000,
        (None, true) => 20_000,
    };
    let mut faults = BTreeSet::new();
    for course in 0..courses {
        let seed = first.wrapping_add(course);
        println!("COUNTERFOIL_COURSE={seed}");
        let mut random = Random::new(seed);
        let count = random.index(8);
        let mut manners = vec![Manner::Good];
        manners.extend((0..count).map(|_| MANNERS[random.index(MANNERS.len())]));
        let top = random.below(400);
        let mut world = World::new(random.next(), top, &manners);
        for _ in 0..random.below(40) {
            world.later(random.below(60_000), Coming::Sealed);
        }
        for _ in 0..random.below(3) {
            world.later(random.below(60_000), Coming::Restart);
        }
        world.play();
        assert_eq!(world.height, world.top);
        faults.extend(world.blamed.iter().map(|(_, fault)| *fault));
    }
    if given.is_none() {
        assert_eq!(faults.len(), 4, "every fault must have been met: {faults:?}");
    }
}

/// A machine with peers that claim to have so much.
fn machine(claims: &[u64]) -> (Sync<Peer, Block>, Vec<Action<Peer, Block>>) {
    let (mut sync, mut actions) = (Sync::new(0), Vec::new());
    for (peer, height) in (0..).zip(claims) {
        assert_eq!(sync.on(0, Event::Joined(peer)), []);
        actions.extend(sync.on(0, Event::Claimed { peer, height: *height }));
    }
    (sync, actions)
}

fn blocks(from: u64, count: u64, bytes: usize) -> Vec<(Block, usize)> {
    (from..from + count).map(|height| (Block { height, is_good: true }, bytes)).collect()
}

#[test]
fn a_block_that_was_sealed_is_asked_for_and_handed_over_at_once() {
    let (mut sync, actions) = machine(&[1]);
    let [Action::Ask { peer: 0, question, from: 1, count: 1 }] = actions[..] else {
        panic!("{actions:?}");
    };
    let answer = Event::Answered { peer: 0, question, blocks: blocks(1, 1, 100) };
    let expected =
        Action::Append { round: 0, height: 1, block: Block { height: 1, is_good: true } };
    assert_eq!(sync.on(5, answer), [expected]);
    // The next one is asked for before the ledger has taken this one.
    let actions = sync.on(6, Event::Claimed { peer: 0, height: 2 });
    assert!(matches!(actions[..], [Action::Ask { peer: 0, from: 2, count: 1, .. }]), "{actions:?}");
}

#[test]
fn ranges_are_asked_of_several_peers_and_none_twice() {
    let (_, actions) = machine(&[1_000, 1_000, 1_000]);
    let mut heights = BTreeSet::new();
    let mut peers = BTreeSet::new();
    for action in &actions {
        let Action::Ask { peer, from, count, .. } = action else { panic!("{action:?}") };
        assert!((*from..from + count).all(|height| heights.insert(height)), "{actions:?}");
        peers.insert(*peer);
    }
    assert_eq!(peers.len(), 3, "{actions:?}");
    assert_eq!(heights.first(), Some(&1));
    assert_eq!(heights.last().map(|last| last + 1), Some(1 + heights.len() as u64));
}

#[test]
fn while_the_ledger_stands_still_no_more_is_asked_for_than_may_be_held() {
    let (mut sync, mut actions) = machine(&[u64::MAX; 20]);
    let mut next = 0;
    // Every answer is as long as it may be, and none is ever taken.
    while let Some(action) = actions.get(next).cloned() {
        next += 1;
        if let Action::Ask { peer, question, from, .. } = action {
            let blocks = blocks(from, 2, MAX_ANSWER_BYTES / 2);
            actions.extend(sync.on(1, Event::Answered { peer, question, blocks }));
        }
        assert!(sync.progress().held_bytes <= MAX_HELD_BYTES + MAX_ANSWER_BYTES);
        assert!(next < 1_000, "it asks for ever");
    }
    let progress = sync.progress();
    assert!(progress.held_bytes > MAX_HELD_BYTES - 2 * MAX_ANSWER_BYTES, "{progress:?}");
    assert_eq!(progress.handed_blocks, MAX_HANDED_BLOCKS);
    // It goes on when the ledger does.
    let actions = sync.on(2, Event::Appended { round: 0, height: 1 });
    assert!(actions.iter().any(|action| matches!(action, Action::Append { .. })), "{actions:?}");
}

#[test]
fn whoever_never_answers_is_asked_less_and_less() {
    let (mut sync, actions) = machine(&[u64::MAX]);
    let mut asked = actions.len();
    assert_eq!(asked, MAX_ASKED_OF_A_PEER);
    let hour = 3_600_000;
    for now in (0..hour).step_by(250) {
        let actions = sync.on(now, Event::Tick);
        asked += actions.iter().filter(|action| matches!(action, Action::Ask { .. })).count();
    }
    let (least, most) = (hour / (MAX_ANSWER_MS + MAX_REST_MS), hour / MAX_ANSWER_MS);
    let asked = asked as u64 / MAX_ASKED_OF_A_PEER as u64;
    assert!((least..most).contains(&asked), "{asked} times");
}

#[test]
fn a_block_that_is_refused_is_asked_of_somebody_else() {
    let (mut sync, actions) = machine(&[1, 1]);
    let [Action::Ask { peer: liar, question, .. }] = actions[..] else { panic!("{actions:?}") };
    let answer = Event::Answered { peer: liar, question, blocks: blocks(1, 1, 100) };
    assert_eq!(sync.on(1, answer).len(), 1);
    let actions = sync.on(2, Event::Refused { round: 0, height: 1 });
    let [blame, Action::Ask { peer, question, from: 1, count: 1 }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(*blame, Action::Blame { peer: liar, fault: Fault::Lie });
    assert_ne!(*peer, liar);
    // What the ledger says of the round before means nothing any more.
    assert_eq!(sync.on(3, Event::Refused { round: 0, height: 1 }), []);
    let answer = Event::Answered { peer: *peer, question: *question, blocks: blocks(1, 1, 100) };
    let actions = sync.on(4, answer);
    assert!(matches!(actions[..], [Action::Append { round: 1, height: 1, .. }]), "{actions:?}");
    assert_eq!(sync.on(5, Event::Appended { round: 1, height: 1 }), []);
    assert_eq!(sync.progress().height, 1);
    // The liar isn't asked again, however long ago it was.
    sync.on(6 + FIRST_REST_MS, Event::Left(*peer));
    let actions = sync.on(MAX_REST_MS * 10, Event::Claimed { peer: liar, height: 2 });
    assert_eq!(actions, []);
}

#[test]
fn whoever_boasts_is_not_asked_again_for_what_it_does_not_have() {
    let (mut sync, actions) = machine(&[50]);
    let [Action::Ask { question, from: 1, .. }] = actions[..] else { panic!("{actions:?}") };
    let actions = sync.on(1, Event::Answered { peer: 0, question, blocks: Vec::new() });
    assert_eq!(actions, [Action::Blame { peer: 0, fault: Fault::Boast }]);
    assert_eq!(sync.on(MAX_REST_MS * 10, Event::Tick), []);
    let actions = sync.on(MAX_REST_MS * 10, Event::Claimed { peer: 0, height: 1 });
    assert!(matches!(actions[..], [Action::Ask { from: 1, count: 1, .. }]), "{actions:?}");
}

#[test]
fn whoever_answers_again_rests_no_longer_than_at_first_the_next_time() {
    let (mut sync, mut actions) = machine(&[1]);
    let mut now = 0;
    for rests in [1, 2, 4] {
        let [Action::Ask { question, .. }] = actions[..] else { panic!("{actions:?}") };
        let blamed = sync.on(now, Event::Unanswered { peer: 0, question });
        assert_eq!(blamed, [Action::Blame { peer: 0, fault: Fault::Silence }]);
        now += rests * FIRST_REST_MS;
        assert_eq!(sync.on(now - 1, Event::Tick), []);
        actions = sync.on(now, Event::Tick);
    }
    let [Action::Ask { question, .. }] = actions[..] else { panic!("{actions:?}") };
    sync.on(now, Event::Answered { peer: 0, question, blocks: blocks(1, 1, 100) });
    let actions = sync.on(now, Event::Claimed { peer: 0, height: 2 });
    let [Action::Ask { question, .. }] = actions[..] else { panic!("{actions:?}") };
    sync.on(now, Event::Unanswered { peer: 0, question });
    let actions = sync.on(now + FIRST_REST_MS, Event::Tick);
    assert!(matches!(actions[..], [Action::Ask { .. }]), "{actions:?}");
}
