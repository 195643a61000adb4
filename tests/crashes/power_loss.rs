//! The power goes while a process writes.
//!
//! What a real process writes, syncs and sends is recorded below it. From the record the disk is
//! made as it may be after a power cut at many moments, by the model in `support/disk.rs`, and
//! opened by the ordinary path.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, mpsc};

use tempfile::TempDir;

use crate::knowledge::Released;
use crate::recorded::Recorded;
use crate::support::disk::{Disk, FATES, Fate};
use crate::support::faults::{Call, Kind};
use crate::support::random::Random;
use crate::{SEED, sized, small_bounds};

/// How many power cuts each test plays, and how many in the long suite.
const CUTS: (usize, usize) = (110, 1_500);
/// How many blocks the store in small bounds seals.
const BLOCKS: (usize, usize) = (small_bounds::BLOCKS, 200);
/// In how many of those cuts the power goes again while the store is opened, and how often.
const FIRST_CUTS: (usize, usize) = (3, 60);
const SECOND_CUTS: usize = 12;
/// How many power cuts are played while a large block is written.
const LARGE_BLOCK_CUTS: (usize, usize) = (16, 200);
/// A write of as many bytes has leaves in it, and not only what refers to them.
const LEAVES_BYTES: usize = 128 * 1024;
/// How many power cuts are checked at the same time.
const CHECKERS: usize = 2;

/// Before which number of the record the power goes, and what becomes of what isn't synced.
type Moment = (u64, Fate);

/// A power cut, and what it left.
struct Cut {
    /// Everything before has happened.
    at: u64,
    fate: Fate,
    seed: u64,
    directory: TempDir,
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let mut random = Random::seeded(SEED);
    let home = tempfile::tempdir().unwrap();
    let recorded = Recorded::under_load(&home.path().join("dev"));
    let moments = moments(&recorded.calls, sized(CUTS), &mut random);
    play(&recorded, &Disk::default(), &moments, &mut random);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_while_runs_are_written() {
    let mut random = Random::seeded(SEED);
    let home = tempfile::tempdir().unwrap();
    let recorded = Recorded::small_bounds(&home.path().join("small"), sized(BLOCKS));
    for thread in ["store-flush", "store-merge"] {
        let synced = |call: &Call| call.kind == Kind::Sync && call.thread == thread;
        assert!(recorded.calls.iter().any(synced), "{thread} works");
    }
    let moments = moments(&recorded.calls, sized(CUTS), &mut random);
    play(&recorded, &Disk::default(), &moments, &mut random);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_again_while_the_store_is_opened() {
    let mut random = Random::seeded(SEED);
    let home = tempfile::tempdir().unwrap();
    let recorded = Recorded::small_bounds(&home.path().join("small"), small_bounds::BLOCKS);
    let first_moments = moments(&recorded.calls, sized(FIRST_CUTS), &mut random);
    for_each_cut(&recorded, &Disk::default(), &first_moments, &mut random, |first, random| {
        let disk = Disk::of(first.directory.path());
        let again = Recorded::small_bounds(first.directory.path(), 2);
        let mut released = again.released;
        let known = recorded.released.iter().filter(|known| known.at < first.at);
        released.extend(known.map(|known| Released { at: 0, what: known.what.clone() }));
        let moments = moments(&again.calls, SECOND_CUTS, random);
        play(&Recorded { released, ..again }, &disk, &moments, random);
    });
}

#[test]
fn a_large_block_is_whole_or_not_there_when_the_power_goes_while_it_is_written() {
    let mut random = Random::seeded(SEED);
    let home = tempfile::tempdir().unwrap();
    let recorded = Recorded::sealing_a_large_block(&home.path().join("dev"));
    let calls: Vec<&Call> = recorded.calls.iter().filter(|call| call.path == "store/db").collect();
    // What is written until each sync; the large block is where there are most leaves.
    let mut between: Vec<&[&Call]> =
        calls.split_inclusive(|call| call.kind == Kind::Sync).collect();
    let leaves =
        |calls: &&[&Call]| calls.iter().filter(|call| call.data.len() > LEAVES_BYTES).count();
    between.sort_by_key(leaves);
    let large = between.last().expect("it is synced");
    assert!(leaves(large) > 1, "leaves are written before the commit point");
    let sync = large.last().expect("it ends with a sync");
    // All is written, the store isn't synced: it may have all of the block, a part, or nothing,
    // and so may the guard unless that was quicker.
    let moments: Vec<Moment> = (0..sized(LARGE_BLOCK_CUTS))
        .map(|number| (sync.issued, [Fate::Torn, Fate::Writes][number % 2]))
        .collect();
    play(&recorded, &Disk::default(), &moments, &mut random);
}

/// Plays power cuts on a record that began with `disk`; none may lose anything.
fn play(recorded: &Recorded, disk: &Disk, moments: &[Moment], random: &mut Random) {
    let problems = Mutex::new(Vec::new());
    let (sender, receiver) = mpsc::sync_channel::<Cut>(CHECKERS);
    let receiver = Mutex::new(receiver);
    let next = || receiver.lock().unwrap().recv();
    std::thread::scope(|scope| {
        for _ in 0..CHECKERS {
            scope.spawn(|| {
                while let Ok(cut) = next() {
                    if let Err(problem) = check(recorded, &cut) {
                        let Cut { at, fate, seed, .. } = cut;
                        problems
                            .lock()
                            .unwrap()
                            .push(format!("{fate:?} at {at}, {seed}: {problem}"));
                    }
                }
            });
        }
        for_each_cut(recorded, disk, moments, random, |cut, _| sender.send(cut).unwrap());
        drop(sender);
    });
    let problems = problems.into_inner().unwrap();
    let (count, cuts) = (problems.len(), moments.len());
    assert!(problems.is_empty(), "{count} of {cuts}:\n{}", problems.join("\n"));
}

/// Checks what a power cut left; sled and the assertions may panic.
fn check(recorded: &Recorded, cut: &Cut) -> Result<(), String> {
    let known = recorded.released.iter().filter(|known| known.at < cut.at);
    let known = known.map(|known| &known.what);
    let checked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        recorded.owner.check(cut.directory.path(), known).map_err(|error| error.to_string())
    }));
    checked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text
            .or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default())
    })
}

/// When the power goes, in order, and what becomes of what isn't synced: half of the moments are
/// just before and after syncs and answers, the others fall by chance.
fn moments(calls: &[Call], count: usize, random: &mut Random) -> Vec<Moment> {
    let around = calls.iter().filter(|call| matches!(call.kind, Kind::Sync | Kind::Sent));
    let mut moments: Vec<u64> = around
        .flat_map(|call| [call.issued, call.issued + 1, call.returned, call.returned + 1])
        .collect();
    while moments.len() > count / 2 {
        moments.swap_remove(random.index(moments.len()));
    }
    let end = calls.iter().map(|call| call.returned).max().expect("calls") + 2;
    moments.resize_with(count, || random.below(end));
    moments.sort_unstable();
    moments.into_iter().map(|at| (at, FATES[random.index(FATES.len())])).collect()
}

/// Makes what a power cut at each of the moments leaves, one after the other.
fn for_each_cut(
    recorded: &Recorded,
    disk: &Disk,
    moments: &[Moment],
    random: &mut Random,
    mut visit: impl FnMut(Cut, &mut Random),
) {
    let issued = recorded.calls.iter().map(|call| (call.issued, call));
    let returned = recorded.calls.iter().map(|call| (call.returned, call));
    let mut events: Vec<(u64, &Call)> = issued.chain(returned).collect();
    events.sort_by_key(|(time, _)| *time);
    let mut events = events.into_iter().peekable();
    let mut disk = disk.clone();
    for (at, fate) in moments {
        while let Some((time, call)) = events.next_if(|(time, _)| time < at) {
            if time == call.issued {
                disk.issued(call);
            } else {
                disk.returned(call);
            }
        }
        let seed = random.next();
        let directory = tempfile::tempdir().unwrap();
        disk.make(directory.path(), *fate, &mut Random::new(seed));
        visit(Cut { at: *at, fate: *fate, seed, directory }, random);
    }
}
