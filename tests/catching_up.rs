//! Catching up with peers, whatever those do: courses of things that a seed repeats, played against
//! the machine that decides (`src/network/sync.rs`). `COUNTERFOIL_COURSE` plays one seed again.

mod support;
#[path = "catching_up/world.rs"]
mod world;

use std::collections::BTreeSet;

use counterfoil::network::sync::{
    Action, Event, FIRST_REST_MS, Fault, MAX_ANSWER_BYTES, MAX_ANSWER_MS, MAX_ASKED_OF_A_PEER,
    MAX_ASKED_OF_STRANGERS, MAX_HANDED_BLOCKS, MAX_HELD_BYTES, MAX_REST_MS, PATIENCE_MS, Question,
    Sent, Sync,
};
use support::random::Random;
use world::{Block, Coming, MANNERS, Manner, Peer, World};

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
        Action::Append { peer: 0, round: 0, height: 1, block: Block { height: 1, is_good: true } };
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
