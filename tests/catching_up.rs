//! Catching up with peers, whatever those do: courses of things that a seed repeats, played against
//! the machine that decides (`src/network/sync.rs`). `COUNTERFOIL_COURSE` plays one seed again.

#![expect(clippy::indexing_slicing, reason = "a test stops at what it doesn't expect")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::network::sync::{
    Action, Event, FIRST_REST_MS, Fault, MAX_AHEAD_BLOCKS, MAX_ANSWER_BYTES, MAX_ANSWER_MS,
    MAX_ASKED_OF_A_PEER, MAX_ASKED_OF_STRANGERS, MAX_HANDED_BLOCKS, MAX_HELD_BYTES,
    MAX_RANGE_BLOCKS, MAX_REST_MS, PATIENCE_MS, Question, Sent, Sync,
};
use support::random::Random;

/// A block as a peer sends it: its true place, and whether the ledger will take it there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    height: u64,
    is_good: bool,
}

/// How much a thin line carries, in bytes a millisecond: a range takes minutes.
const THIN_BYTES_A_MS: usize = 100;
/// How long a course may take beyond what the ledger works and the authority seals, in milliseconds.
/// There are at most eight peers besides the good one, each of which may waste some patience.
const MAX_WASTED_MS: u64 = 120_000;

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

const MANNERS: [Manner; 14] = [
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
    /// How long it worked, and when the authority sealed last or the node was started.
    worked: u64,
    grew_at: u64,
    /// The round in which the ledger refused a block: nothing of it reaches the ledger any more.
    refused: Option<u64>,
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

    fn later(&mut self, delay: u64, coming: Coming) {
        self.order += 1;
        self.coming.insert((self.now + delay, self.order), coming);
    }

    /// Plays until the ledger is as high as the authority's, and nothing else is to come.
    fn play(&mut self) {
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
        assert_eq!(faults.len(), 5, "every fault must have been met: {faults:?}");
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

fn blocks(from: u64, count: u64, bytes: usize) -> Vec<Sent<Block>> {
    let sent = |height| Sent { height, bytes, block: Block { height, is_good: true } };
    (from..from + count).map(sent).collect()
}

/// The event of an answer that can be read.
fn answer(peer: Peer, question: Question, blocks: Vec<Sent<Block>>) -> Event<Peer, Block> {
    Event::Answered { peer, question, blocks, is_garbled: false }
}

#[test]
fn a_block_that_was_sealed_is_asked_for_and_handed_over_at_once() {
    let (mut sync, actions) = machine(&[1]);
    let [Action::Ask { peer: 0, question, from: 1, count: 1 }] = actions[..] else {
        panic!("{actions:?}");
    };
    let answered = answer(0, question, blocks(1, 1, 100));
    let expected =
        Action::Append { round: 0, height: 1, block: Block { height: 1, is_good: true } };
    assert_eq!(sync.on(5, answered), [expected]);
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
            actions.extend(sync.on(1, answer(peer, question, blocks)));
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
    let answered = answer(liar, question, blocks(1, 1, 100));
    assert_eq!(sync.on(1, answered).len(), 1);
    let actions = sync.on(2, Event::Refused { round: 0, height: 1, is_a_lie: true });
    let [blame, Action::Ask { peer, question, from: 1, count: 1 }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(*blame, Action::Blame { peer: liar, fault: Fault::Lie });
    assert_ne!(*peer, liar);
    // What the ledger says of the round before means nothing any more.
    assert_eq!(sync.on(3, Event::Refused { round: 0, height: 1, is_a_lie: true }), []);
    let answered = answer(*peer, *question, blocks(1, 1, 100));
    let actions = sync.on(4, answered);
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
    let actions = sync.on(1, answer(0, question, Vec::new()));
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
    sync.on(now, answer(0, question, blocks(1, 1, 100)));
    let actions = sync.on(now, Event::Claimed { peer: 0, height: 2 });
    let [Action::Ask { question, .. }] = actions[..] else { panic!("{actions:?}") };
    sync.on(now, Event::Unanswered { peer: 0, question });
    let actions = sync.on(now + FIRST_REST_MS, Event::Tick);
    assert!(matches!(actions[..], [Action::Ask { .. }]), "{actions:?}");
}

#[test]
fn many_who_never_answer_hardly_delay_the_one_who_does() {
    let manners: Vec<Manner> =
        (0..200).map(|peer| if peer == 150 { Manner::Good } else { Manner::Silent }).collect();
    let mut world = World::new(1, 300, &manners);
    world.play();
    let found_by = world.now;
    assert!(found_by < 90_000 + world.worked, "{found_by} ms");
    // Once it is known who answers, a sealed block is there as soon as ever.
    let mut waited = Vec::new();
    for _ in 0..50 {
        let sealed = world.now;
        world.later(0, Coming::Sealed);
        world.play();
        waited.push(world.now - sealed);
    }
    waited.sort_unstable();
    // The announcement may be lost, and is repeated within some seconds.
    assert!(waited[25] < 1_000, "{waited:?}");
}

#[test]
fn whoever_keeps_the_next_height_loses_it_to_somebody_who_has_time() {
    let (mut sync, actions) = machine(&[1, 1]);
    let [Action::Ask { peer, question, .. }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(sync.on(PATIENCE_MS - 1, Event::Tick), []);
    let actions = sync.on(PATIENCE_MS, Event::Tick);
    let [Action::Cancel { peer: kept, question: given_up }, Action::Ask { peer: other, .. }] =
        actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!((kept, given_up), (peer, question));
    assert_ne!(other, peer);
    // The other one answers: from then on what comes next is its own, whoever is first to claim it.
    let [_, Action::Ask { question, .. }] = actions[..] else { panic!("{actions:?}") };
    sync.on(PATIENCE_MS, answer(other, question, blocks(1, 1, 100)));
    sync.on(PATIENCE_MS, Event::Appended { round: 0, height: 1 });
    let now = 10 * PATIENCE_MS;
    sync.on(now, Event::Left(peer));
    sync.on(now, Event::Joined(peer));
    let actions = sync.on(now, Event::Claimed { peer, height: 2 });
    assert!(matches!(actions[..], [Action::Ask { peer: first, .. }] if first == peer));
    let actions = sync.on(now + 1, Event::Claimed { peer: other, height: 2 });
    let [Action::Cancel { peer: first, .. }, Action::Ask { peer: second, .. }] = actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!((first, second), (peer, other));
}

#[test]
fn a_single_thin_line_is_asked_for_less_until_it_answers_in_time() {
    let mut world = World::new(1, 20, &[Manner::Thin]);
    // Of 9 MiB it carries 2 MB in time, and every block is shorter than that.
    world.grew_at = 3_600_000;
    world.play();
    assert_eq!(world.blamed.iter().map(|(_, fault)| *fault).collect::<Vec<_>>(), [Fault::Silence]);
}

#[test]
fn a_failed_write_is_nobodys_fault() {
    let (mut sync, actions) = machine(&[3, 3]);
    let [Action::Ask { question, count: 3, .. }] = actions[..] else { panic!("{actions:?}") };
    let appends = sync.on(1, answer(0, question, blocks(1, 3, 100)));
    assert_eq!(appends.len(), 3);
    // The first was found to be there; the others are asked for again.
    let actions = sync.on(2, Event::Stands { height: 1 });
    assert!(matches!(actions[..], [Action::Ask { from: 2, count: 2, .. }]), "{actions:?}");
    assert_eq!(sync.progress().height, 1);
    assert_eq!(sync.on(3, Event::Appended { round: 0, height: 2 }), []);
    // What somebody else appended meanwhile is asked for no more.
    assert_eq!(sync.on(4, Event::Stands { height: 3 }), []);
    assert_eq!((sync.progress().questions, sync.progress().held_bytes), (0, 0));
}

#[test]
fn what_stands_already_is_dropped_from_what_is_held() {
    let (mut sync, actions) = machine(&[u64::MAX, u64::MAX]);
    let asked: Vec<_> = actions
        .iter()
        .map(|action| match action {
            Action::Ask { peer, question, from, .. } => (*peer, *question, *from),
            other => panic!("{other:?}"),
        })
        .collect();
    let (peer, question, from) = asked[1];
    sync.on(1, answer(peer, question, blocks(from, 10, 100)));
    assert_eq!(sync.progress().held_bytes, 1_000);
    let actions = sync.on(2, Event::Stands { height: from + 3 });
    let handed = actions.iter().filter(|action| matches!(action, Action::Append { .. })).count();
    assert_eq!(handed, 6, "{actions:?}");
    assert_eq!(sync.progress().held_bytes, 0);
}

#[test]
fn nothing_is_asked_for_or_handed_over_while_it_is_halted() {
    let (mut sync, actions) = machine(&[5]);
    let [Action::Ask { question, .. }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(sync.on(1, Event::Halted), []);
    assert_eq!(sync.on(2, answer(0, question, blocks(1, 2, 100))), []);
    assert_eq!(sync.on(3, Event::Claimed { peer: 0, height: 9 }), []);
    assert!(sync.progress().is_halted);
    let actions = sync.on(4, Event::Resumed);
    let (appends, asks): (Vec<_>, Vec<_>) =
        actions.iter().partition(|action| matches!(action, Action::Append { .. }));
    assert_eq!((appends.len(), asks.len()), (2, 1), "{actions:?}");
}

/// Asks of each peer: how many blocks, by question.
fn asks(actions: &[Action<Peer, Block>]) -> Vec<(Peer, Question, u64, u64)> {
    let ask = |action: &Action<Peer, Block>| match action {
        Action::Ask { peer, question, from, count } => Some((*peer, *question, *from, *count)),
        _ => None,
    };
    actions.iter().filter_map(ask).collect()
}

#[test]
fn what_else_a_liar_has_sent_is_dropped() {
    let (mut sync, actions) = machine(&[1_000]);
    let [(_, first, from, _), (_, second, ..)] = asks(&actions)[..] else { panic!("{actions:?}") };
    let appends = sync.on(1, answer(0, first, blocks(from, 20, 100)));
    assert!(sync.progress().held_bytes > 0, "{appends:?}");
    let refused = Event::Refused { round: 0, height: from, is_a_lie: true };
    let actions = sync.on(2, refused);
    assert!(actions.contains(&Action::Cancel { peer: 0, question: second }), "{actions:?}");
    let progress = sync.progress();
    assert_eq!((progress.held_blocks, progress.held_bytes, progress.questions), (0, 0, 0));
}

#[test]
fn other_blocks_than_those_that_were_asked_for_are_garbage() {
    for (first, is_garbled) in [(2, false), (0, false), (1, true)] {
        let (mut sync, actions) = machine(&[5]);
        let [(_, question, ..)] = asks(&actions)[..] else { panic!("{actions:?}") };
        let blocks = blocks(first, 3, 100);
        let event = Event::Answered { peer: 0, question, blocks, is_garbled };
        let blamed = Action::Blame { peer: 0, fault: Fault::Garbage };
        assert_eq!(sync.on(1, event), [blamed], "{first} {is_garbled}");
    }
}

#[test]
fn whoever_fails_is_asked_for_less_and_whoever_answers_for_more() {
    let (mut sync, mut actions) = machine(&[1_000_000]);
    let (mut now, mut counts) = (0, Vec::new());
    for _ in 0..4 {
        let open = asks(&actions);
        counts.push(open[0].3);
        now += MAX_REST_MS;
        for (peer, question, ..) in open {
            sync.on(now, Event::Unanswered { peer, question });
        }
        now += MAX_REST_MS;
        actions = sync.on(now, Event::Tick);
    }
    assert_eq!(counts, [64, 32, 16, 8]);
    // One of two questions fails, the other is answered: that ends the rest.
    let open = asks(&actions);
    let [(_, one, ..), (_, other, from, count)] = open[..] else { panic!("{actions:?}") };
    sync.on(now, Event::Unanswered { peer: 0, question: one });
    let actions = sync.on(now, answer(0, other, blocks(from, count, 100)));
    assert!(!asks(&actions).is_empty(), "{actions:?}");
}

#[test]
fn strangers_get_few_questions_while_somebody_proven_is_there() {
    let (mut sync, actions) = machine(&[1]);
    let [(_, question, ..)] = asks(&actions)[..] else { panic!("{actions:?}") };
    sync.on(1, answer(0, question, blocks(1, 1, 100)));
    sync.on(2, Event::Appended { round: 0, height: 1 });
    let mut asked = asks(&sync.on(3, Event::Claimed { peer: 0, height: 10_000 }));
    assert_eq!(asked.len(), MAX_ASKED_OF_A_PEER, "{asked:?}");
    for stranger in 1..9 {
        sync.on(4, Event::Joined(stranger));
        asked = asks(&sync.on(4, Event::Claimed { peer: stranger, height: 10_000 }));
        assert!(asked.len() <= 2, "{asked:?}");
    }
    assert_eq!(sync.progress().questions, MAX_ASKED_OF_A_PEER + MAX_ASKED_OF_STRANGERS);
}
