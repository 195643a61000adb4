//! Killed at any moment, a mirror goes on where it was; so does whoever publishes.

use std::time::{Duration, Instant};

use super::published::sales;
use super::support::binary::{counterfoil, json, run};
use super::support::random::Random;
use super::{Site, files, tells};

/// Set to the seed that a run has printed, it kills at the same moments.
const SEED: &str = "MIRROR_SEED";
/// How often each is killed.
const KILLS: u64 = 6;

/// Runs a command and kills it at a random moment, at most `longest_ms` after its start.
fn kill(random: &mut Random, arguments: &[&str], longest_ms: u64) {
    let mut child = counterfoil(arguments).spawn().expect("the binary runs");
    std::thread::sleep(Duration::from_millis(random.below(longest_ms)));
    // As a power cut would. It may have ended already.
    let _ = child.kill();
    child.wait().expect("it was started here");
}

#[test]
fn a_mirror_that_is_killed_goes_on() {
    let ledger = sales(&[2; 280]);
    let site = Site::new(&ledger);
    let (pub_, dir, spec) = (site.path("pub"), site.path("replica"), site.path("spec.toml"));
    let started = Instant::now();
    site.mirrored(&pub_, "undisturbed");
    let longest_ms = u64::try_from(started.elapsed().as_millis()).unwrap() / 2;
    let mut random = Random::seeded(SEED);
    let mut reached = 0;
    for _ in 0..KILLS {
        kill(&mut random, &["mirror", &pub_, "--dir", &dir, "--spec", &spec], longest_ms.max(50));
        if !site.at("replica/store").exists() {
            continue;
        }
        let report = json(&["fsck", "--dir", &dir]);
        let height = report["height"].as_u64().unwrap();
        assert!(report["clean"] == true && height >= reached, "{reached}: {report}");
        reached = height;
    }
    let said = site.mirrored(&pub_, "replica");
    assert_eq!(said["appended"], 281 - reached, "none is fetched twice");
    assert_eq!((said["size"].clone(), said["root"].clone()), tells(&ledger));
    site.stands("replica", 281);
}

#[test]
fn publishing_that_is_killed_never_shows_a_checkpoint_without_its_tiles() {
    let site = Site::new(&sales(&[1]));
    let mut random = Random::seeded(SEED);
    let (dir, out, spec) = (site.path("replica"), site.path("out"), site.path("spec.toml"));
    let mut blocks = vec![1];
    for round in 0..KILLS {
        blocks.extend([100; 5]);
        site.publish(&sales(&blocks));
        site.mirrored(&site.path("pub"), "replica");
        let export = ["export", "--dir", &dir, "--tiles", &out];
        kill(&mut random, &export, 400);
        if site.at("out/checkpoint").exists() {
            let ran = run(&["verify", "--dir", &out, "--spec", &spec]);
            assert_eq!(ran.code, 0, "round {round}: {ran:?}");
            site.mirrored(&out, &format!("after-{round}"));
        }
        // Every other time it is done in the end.
        if round % 2 == 1 {
            json(&export);
            assert_eq!(run(&["verify", "--dir", &out, "--spec", &spec]).code, 0);
        }
    }
    // Whatever came in between, all of it is what is published at one go.
    let (whole, written) = (files(&site.at("pub")), files(&site.at("out")));
    for (path, bytes) in whole {
        assert_eq!(written.get(&path), Some(&bytes), "{path}");
    }
    assert!(!written.contains_key("unfinished.new"), "nothing is left unfinished");
}
