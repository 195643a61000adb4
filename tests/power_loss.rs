//! The power goes while a node writes: what it acknowledged is there when it is started again.
//!
//! What a real node writes, syncs and sends is recorded below it. From the record the disk is
//! made as it may be after a power cut at many moments, by the model in `support/disk.rs`, and
//! opened by the ordinary path.
//!
//! The seed of what is random is printed; `POWER_LOSS_SEED` sets it.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use counterfoil::ledger::now;
use counterfoil::node::{dev::KEY_FILE, files, secret};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::checkpoint::Checkpoint;
use counterfoil::protocol::hash::{EntryId, TreeHash};
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::verify::{Chain, Draft, VerifiedBlock};
use counterfoil::sample::{Marketplace, Profile};
use counterfoil::store::{MemoryBounds, Standing, Store};
use serde_json::{Value, json};
use support::binary::{Node, dev};
use support::chain::{chain, key, time};
use support::disk::{Disk, FATES, Fate};
use support::faults::{Call, Faults, Kind};
use support::load::{Known, Load, post, terms};
use support::random::Random;

/// How many crashes are played, and how many in the long suite.
const CRASHES: usize = 220;
const LONG_CRASHES: usize = 3_000;
/// How many receipts are checked after each.
const RECEIPTS_CHECKED: usize = 5;
/// How many crashes are played at the same time.
const PLAYERS: usize = 2;

/// Something that somebody may know, from when it was sent on.
#[derive(Clone, Debug)]
struct Released {
    at: u64,
    what: Knowledge,
}

#[derive(Clone, Debug)]
enum Knowledge {
    Entry { id: EntryId, index: u64, height: u64 },
    Checkpoint { size: u64, root: TreeHash },
}

/// Bounds that make the store write runs and merge them all the time.
const SMALL: MemoryBounds = MemoryBounds { records: 120, blocks: 4 };
/// The sizes of the blocks that are committed under those, one after the other.
const BLOCK_ENTRIES: [usize; 8] = [1, 2, 5, 20, 1, 60, 1, 150];
/// How many blocks those are, and how many in the long suite.
const BLOCKS: usize = 64;
const LONG_BLOCKS: usize = 400;
/// Names the directory of the process that is recorded.
const DRIVEN: &str = "POWER_LOSS_DRIVEN";

/// What every crash of one record is checked against.
struct Recorded {
    calls: Vec<Call>,
    released: Vec<Released>,
    chain: Arc<Chain>,
    key: SealingKey,
    /// Other than a node's.
    bounds: Option<MemoryBounds>,
}

/// A power cut: what is made of the record, and where.
struct Crash {
    /// Everything before it has happened.
    at: u64,
    fate: Fate,
    directory: PathBuf,
    seed: u64,
}

fn is_long() -> bool {
    std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1")
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let mut random = Random::seeded("POWER_LOSS_SEED");
    let home = tempfile::tempdir().unwrap();
    let recorded = record(&home.path().join("dev"));
    let crashes = if is_long() { LONG_CRASHES } else { CRASHES };
    let lost = play(&recorded, Disk::default(), crashes, &mut random);
    assert!(lost.is_empty(), "{} of {crashes}:\n{}", lost.len(), lost.join("\n"));
}

/// Runs a node under load, twice on one directory, and gives back all that it did.
fn record(directory: &Path) -> Recorded {
    let faults = Faults::watch(directory);
    let known = Arc::new(Known::default());
    for round in 0..2 {
        let node = Node::launch(faults.recording(dev(faults.directory(), &["--empty"])));
        let chain = files::chain_of(directory).unwrap();
        if round == 0 {
            post(&node.url, &json!([terms()])).expect("it answers");
        }
        let load = Load::start(&node.url, &format!("round-{round}"), &chain, &known);
        std::thread::sleep(Duration::from_millis(if is_long() { 3_000 } else { 400 }));
        load.stop();
        assert_eq!(node.stop().code, 0);
    }
    let calls = faults.recorded();
    let chain = files::chain_of(directory).unwrap();
    let key = secret::read_key(&directory.join(KEY_FILE)).unwrap();
    let released = released(answers(&calls), &chain);
    let entries = released.iter().filter(|r| matches!(r.what, Knowledge::Entry { .. })).count();
    println!("{} calls, {entries} entries acknowledged", calls.len());
    assert!(known.acknowledged().len() < entries, "the record has what clients were told");
    Recorded { calls, released, chain, key, bounds: None }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_while_runs_are_written() {
    let mut random = Random::seeded("POWER_LOSS_SEED");
    let home = tempfile::tempdir().unwrap();
    let recorded = record_driven(&home.path().join("driven"));
    let crashes = if is_long() { LONG_CRASHES } else { CRASHES };
    let lost = play(&recorded, Disk::default(), crashes, &mut random);
    assert!(lost.is_empty(), "{} of {crashes}:\n{}", lost.len(), lost.join("\n"));
}

/// Runs the test below in a process of its own, and gives back all that it did.
fn record_driven(directory: &Path) -> Recorded {
    let faults = Faults::watch(directory);
    let mut command = faults.recording(Command::new(std::env::current_exe().unwrap()));
    command.args(["--exact", "a_store_in_small_bounds_keeps_everything", "--nocapture"]);
    let done = command.env(DRIVEN, directory).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let calls = faults.recorded();
    let said = calls.iter().filter(|call| call.kind == Kind::Sent);
    let lines = said.map(|call| (call.issued, String::from_utf8(call.data.clone()).unwrap()));
    let released = released(lines, &chain("driven"));
    for thread in ["store-flush", "store-merge"] {
        let synced = |call: &&Call| call.kind == Kind::Sync && call.thread == thread;
        println!("{} syncs by {thread}", calls.iter().filter(synced).count());
    }
    Recorded { calls, released, chain: chain("driven"), key: key(), bounds: Some(SMALL) }
}

#[test]
fn a_store_in_small_bounds_keeps_everything() {
    let home = tempfile::tempdir().unwrap();
    let driven = std::env::var_os(DRIVEN).map(PathBuf::from);
    let directory = driven.clone().unwrap_or_else(|| home.path().join("driven"));
    let chain = chain("driven");
    let (store, mut committer) = Store::open_bounded(&directory, chain.clone(), SMALL).unwrap();
    let profile = Profile::history(11, 1_000_000, time("2026-03-01T00:00:00Z"));
    let mut market = Marketplace::new(profile, &chain.spec().currencies).unwrap();
    let blocks = if is_long() { LONG_BLOCKS } else { BLOCKS };
    for size in BLOCK_ENTRIES.iter().cycle().take(blocks) {
        let head = store.head();
        let mut draft = Draft::new(&chain, &head.tip, &store, now());
        for entry in market.by_ref().take(*size) {
            draft.admit(EncodedEntry::new(entry).unwrap()).expect("the rules admit it");
        }
        let block = draft.seal(&key());
        committer.commit(&block).unwrap();
        if driven.is_some() {
            say(&chain, &block);
        }
    }
    let report = store.fsck(|_| {}).unwrap();
    assert!(report.is_clean(), "{report:#?}");
}

/// Says what a node would answer when a block is durable, and its checkpoint.
fn say(chain: &Chain, block: &VerifiedBlock) {
    let (height, first) = (block.header().height, block.header().first_index);
    let entries = (first..).zip(block.entries());
    let results: Vec<Value> = entries
        .map(|(index, entry)| json!({"id": entry.id().to_string(), "index": index, "height": height}))
        .collect();
    let note = block.tip().checkpoint(chain).to_note(&key().public(), block.signature());
    let mut out = std::io::stdout();
    out.write_all(format!("{}\n", json!({"results": results})).as_bytes()).unwrap();
    out.write_all(note.as_bytes()).unwrap();
}

/// What somebody was told, and when that began to go out.
fn released(said: impl IntoIterator<Item = (u64, String)>, chain: &Chain) -> Vec<Released> {
    let known = said.into_iter().flat_map(|(at, text)| {
        knowledge(&text, chain).into_iter().map(move |what| Released { at, what })
    });
    known.collect()
}

/// What the answer to a submission says, or a checkpoint.
fn knowledge(text: &str, chain: &Chain) -> Vec<Knowledge> {
    if let Ok(answer) = serde_json::from_str::<Value>(text) {
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        let entries = results.iter().map(|result| Knowledge::Entry {
            id: result["id"].as_str().unwrap().parse().unwrap(),
            index: result["index"].as_u64().unwrap(),
            height: result["height"].as_u64().unwrap(),
        });
        return entries.collect();
    }
    let spec = chain.spec();
    let checkpoint = Checkpoint::open(text, &spec.origin, &spec.authority());
    let checkpoint =
        checkpoint.map(|(Checkpoint { size, root, .. }, _)| Knowledge::Checkpoint { size, root });
    checkpoint.into_iter().collect()
}

/// The bodies of all HTTP answers, and when the first byte of each was on its way.
fn answers(calls: &[Call]) -> Vec<(u64, String)> {
    let mut connections: BTreeMap<u64, (u64, Vec<u8>)> = BTreeMap::new();
    let mut answers = Vec::new();
    for call in calls.iter().filter(|call| call.kind == Kind::Sent) {
        let (since, sent) = connections.entry(call.inode).or_default();
        if sent.is_empty() {
            *since = call.issued;
        }
        sent.extend_from_slice(&call.data);
        if !sent.starts_with(b"HTTP/1.1 ") {
            sent.clear();
        } else if let Some(body) = whole_answer(sent) {
            answers.push((*since, body));
            sent.clear();
        }
    }
    answers
}

/// The body of an answer, if all of it is there.
fn whole_answer(sent: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(sent).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    (body.len() == length.parse::<usize>().ok()?).then(|| body.to_owned())
}

/// Plays power cuts on a record that began with `disk`, and says what was lost in which.
fn play(recorded: &Recorded, disk: Disk, crashes: usize, random: &mut Random) -> Vec<String> {
    let moments = moments(&recorded.calls, crashes, random);
    let home = tempfile::tempdir().unwrap();
    let lost = Mutex::new(Vec::new());
    let (sender, receiver) = mpsc::sync_channel::<Crash>(PLAYERS);
    let receiver = Mutex::new(receiver);
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                loop {
                    let Ok(crash) = receiver.lock().unwrap().recv() else { return };
                    if let Err(problem) = check(recorded, &crash) {
                        let Crash { at, fate, seed, .. } = &crash;
                        lost.lock().unwrap().push(format!("{fate:?} at {at} ({seed}): {problem}"));
                        if let Ok(keep) = std::env::var("KEEP") {
                            support::binary::copy_directory(
                                &crash.directory,
                                &Path::new(&keep).join(at.to_string()),
                            );
                        }
                    }
                    std::fs::remove_dir_all(&crash.directory).unwrap();
                }
            });
        }
        make_crashes(recorded, disk, &moments, home.path(), random, &sender);
        drop(sender);
    });
    lost.into_inner().unwrap()
}

/// The moments at which the power goes, in order: around each sync and each answer, as far as
/// there is room for these, and others by chance.
fn moments(calls: &[Call], count: usize, random: &mut Random) -> Vec<u64> {
    let around = calls.iter().filter_map(|call| match call.kind {
        Kind::Sync => Some([call.issued, call.returned, call.returned + 1]),
        Kind::Sent => Some([call.issued, call.issued + 1, call.returned + 1]),
        _ => None,
    });
    let mut around: Vec<u64> = around.flatten().collect();
    let last = calls.iter().map(|call| call.returned).max().unwrap() + 1;
    while around.len() > count / 2 {
        around.swap_remove(random.index(around.len()));
    }
    while around.len() < count {
        around.push(random.below(last + 1));
    }
    around.sort_unstable();
    around
}

fn make_crashes(
    recorded: &Recorded,
    mut disk: Disk,
    moments: &[u64],
    home: &Path,
    random: &mut Random,
    sender: &mpsc::SyncSender<Crash>,
) {
    let calls = &recorded.calls;
    let issues = calls.iter().map(|call| (call.issued, call));
    let returns = calls.iter().map(|call| (call.returned, call));
    let mut events: Vec<(u64, &Call)> = issues.chain(returns).collect();
    events.sort_by_key(|(at, _)| *at);
    let mut events = events.into_iter().peekable();
    for (number, at) in moments.iter().enumerate() {
        while let Some((time, call)) = events.next_if(|(time, _)| time < at) {
            if time == call.issued {
                disk.issued(call);
            } else {
                disk.returned(call);
            }
        }
        let fate = FATES[random.index(FATES.len())];
        let seed = random.next();
        let directory = home.join(number.to_string());
        disk.make(&directory, fate, &mut Random::new(seed));
        sender.send(Crash { at: *at, fate, directory, seed }).unwrap();
    }
}

/// Opens what a crash left, and looks for everything that anybody may know of it.
fn check(recorded: &Recorded, crash: &Crash) -> Result<(), String> {
    let checked = std::panic::catch_unwind(AssertUnwindSafe(|| look(recorded, crash)));
    checked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned())
    })
}

fn look(recorded: &Recorded, crash: &Crash) -> Result<(), String> {
    let Recorded { chain, key, .. } = recorded;
    let opened = match recorded.bounds {
        None => Store::open(&crash.directory, chain.clone()),
        Some(bounds) => Store::open_bounded(&crash.directory, chain.clone(), bounds),
    };
    let (store, mut committer) = opened.map_err(|error| format!("it doesn't open: {error}"))?;
    assert_eq!(*committer.standing(), Standing::Sound);
    let view = store.view();
    let known: Vec<_> = recorded.released.iter().filter(|known| known.at < crash.at).collect();
    let mut indexes = Vec::new();
    for released in &known {
        match &released.what {
            Knowledge::Entry { id, index, height } => {
                assert_eq!(view.index_of(id).unwrap(), Some(*index), "an entry of block {height}");
                assert_eq!(view.height_of(*index).unwrap(), Some(*height));
                indexes.push(*index);
            }
            Knowledge::Checkpoint { size, root } => assert_eq!(view.root(*size).unwrap(), *root),
        }
    }
    for index in indexes.iter().rev().take(RECEIPTS_CHECKED) {
        let receipt = view.receipt(*index).unwrap().expect("an entry");
        assert_eq!(receipt.verify(chain).expect("a receipt that holds").index, *index);
    }
    let report = store.fsck(|_| {}).unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.verified_height, store.head().height());

    let head = store.head();
    let mut draft = Draft::new(chain, &head.tip, &store, now());
    draft.admit(after_the_crash()).expect("it is new");
    committer.commit(&draft.seal(key)).unwrap();
    let blobs = std::fs::read_dir(crash.directory.join("store/blobs")).unwrap();
    assert_eq!(blobs.count(), 0, "large values would not be durable");
    Ok(())
}

fn after_the_crash() -> EncodedEntry {
    let mut entry = support::chain::terms().entry().clone();
    entry.external_id = support::chain::id("after-the-crash");
    EncodedEntry::new(entry).unwrap()
}
