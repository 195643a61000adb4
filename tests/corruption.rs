//! Damage of every kind, in every file: what is served afterwards is what was written, or an
//! error names the place.
//!
//! The seed of what is random is printed; `CORRUPTION_SEED` sets it, and `CORRUPTION_CASE` runs one
//! case of it alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

#[path = "corruption/checks.rs"]
mod checks;
#[path = "corruption/damage.rs"]
mod damage;
#[path = "corruption/original.rs"]
mod original;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use checks::{Fate, check};
use damage::{DAMAGES, write};
use original::{Original, original};
use support::home;
use support::random::Random;

/// How many cases there are, and how many in the long suite.
const CASES: u64 = 2_000;
const LONG_CASES: u64 = 20_000;
/// How long a case may take before it counts as one that never ends.
const PATIENCE: Duration = Duration::from_mins(2);

/// A case: a fresh copy, its damage, and all that is asked of it. A lie is an `Err`.
fn run_case(original: &Original, seed: u64, number: u64) -> (String, Result<Fate, String>) {
    let mut random = Random::new(seed.wrapping_add(number));
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &original.files);
    home::settle(directory.path());
    let damage = DAMAGES[usize::try_from(number).unwrap() % DAMAGES.len()];
    let damaged =
        catch_unwind(AssertUnwindSafe(|| damage.apply(directory.path(), original, &mut random)));
    let Ok(done) = damaged else {
        return (format!("{damage:?}"), Err("the test itself fails".to_owned()));
    };
    let what = format!("{damage:?}: {done}");
    let checked =
        catch_unwind(AssertUnwindSafe(|| check(original, directory.path(), damage, &mut random)));
    let checked = checked.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("it panics: {}", message.unwrap_or_default()))
    });
    (what, checked)
}

#[test]
fn damage_is_named_or_mended_and_never_served() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seed =
        variable("CORRUPTION_SEED").unwrap_or_else(|| counterfoil::ledger::now().as_millis());
    println!("CORRUPTION_SEED={seed}");
    let long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let cases = match variable("CORRUPTION_CASE") {
        Some(case) => case..case + 1,
        None => 0..if long { LONG_CASES } else { CASES },
    };
    let original = original();
    // sled says on standard error what it thinks of damaged files.
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicU64::new(cases.start);
    let fates = Mutex::new(BTreeMap::<(String, Fate), u64>::new());
    let lies = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let at_hand: Vec<Mutex<Option<(u64, Instant)>>> =
        (0..workers).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for at_hand in &at_hand {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cases.end {
                        *at_hand.lock().unwrap() = None;
                        return;
                    }
                    *at_hand.lock().unwrap() = Some((number, Instant::now()));
                    let (what, checked) = run_case(original, seed, number);
                    match checked {
                        Ok(fate) => {
                            let damage = what.split(':').next().unwrap().to_owned();
                            *fates.lock().unwrap().entry((damage, fate)).or_default() += 1;
                        }
                        Err(lie) => {
                            lies.lock().unwrap().push(format!("case {number}: {what}: {lie}"));
                        }
                    }
                }
            });
        }
        scope.spawn(|| watch(&at_hand, &next, cases.end));
    });
    drop(std::panic::take_hook());
    for ((damage, fate), count) in fates.lock().unwrap().iter() {
        println!("{damage:16} {fate:?}: {count}");
    }
    let lies = lies.lock().unwrap();
    assert!(lies.is_empty(), "CORRUPTION_SEED={seed}, {} lies:\n{}", lies.len(), lies.join("\n"));
}

/// Ends everything when a case doesn't end by itself.
fn watch(at_hand: &[Mutex<Option<(u64, Instant)>>], next: &AtomicU64, end: u64) {
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let running: Vec<_> = at_hand.iter().filter_map(|worker| *worker.lock().unwrap()).collect();
        if let Some((number, _)) = running.iter().find(|(_, since)| since.elapsed() > PATIENCE) {
            eprintln!("case {number} never ends");
            std::process::abort();
        }
        if running.is_empty() && next.load(Ordering::Relaxed) >= end {
            return;
        }
    }
}
