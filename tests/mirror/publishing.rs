//! The files that are written, held against an independent writer.

use std::fs;

use sha2::{Digest, Sha256};

use super::published::sales;
use super::support::binary::{json, run};
use super::{Site, files};

#[test]
fn the_files_are_those_that_the_format_says() {
    // Around the ends of tiles of leaves and of signatures: the size of the log, then how many
    // blocks of one sale come last.
    for (sales_first, blocks) in
        [(0, 0), (249, 1), (250, 1), (251, 1), (10, 253), (10, 254), (10, 255), (700, 300)]
    {
        let mut counts = if sales_first > 0 { vec![sales_first] } else { Vec::new() };
        counts.extend(vec![1; blocks]);
        let site = Site::new(&sales(&counts));
        site.mirrored(&site.path("pub"), "replica");
        json(&["export", "--dir", &site.path("replica"), "--tiles", &site.path("out")]);
        let (expected, found) = (files(&site.at("pub")), files(&site.at("out")));
        assert!(expected.keys().eq(found.keys()), "{:?}, {:?}", expected.keys(), found.keys());
        for (path, bytes) in expected {
            assert!(found[&path] == bytes, "{path}");
        }
    }
}

/// Key and entries are always the same, so the signatures are, too.
#[test]
fn a_bundle_of_signatures_is_these_bytes() {
    let site = Site::new(&sales(&[1, 2]));
    site.mirrored(&site.path("pub"), "replica");
    json(&["export", "--dir", &site.path("replica"), "--tiles", &site.path("out")]);
    let bundle = fs::read(site.at("out/tile/signatures/000.p/3")).unwrap();
    assert_eq!(bundle.len(), 3 * 64);
    assert_eq!(
        hex::encode(Sha256::digest(&bundle)),
        "5a5f9a90f55032a4aecc0f9adc9a3017dc9b190a59e17bcd039b612aa5617bf6"
    );
}

#[test]
fn publishing_again_adds_what_is_new() {
    let site = Site::new(&sales(&[1]));
    let (dir, out, spec) = (site.path("replica"), site.path("out"), site.path("spec.toml"));
    let publish = |blocks: &[u32]| {
        site.publish(&sales(blocks));
        site.mirrored(&site.path("pub"), "replica");
        json(&["export", "--dir", &dir, "--tiles", &out])
    };
    let first = publish(&[100]);
    assert_eq!((&first["size_before"], &first["size"]), (&0.into(), &104.into()));
    let before = files(&site.at("out"));
    let second = publish(&[100, 100]);
    assert_eq!((&second["size_before"], &second["tiles"]), (&104.into(), &3.into()));
    // A checkpoint that somebody holds still has its tiles.
    for path in before.keys().filter(|path| *path != "checkpoint") {
        assert_eq!(fs::read(site.at("out").join(path)).unwrap(), before[path], "{path}");
    }
    publish(&[100, 100, 100]);
    // Partial tiles go when they are full. Who comes with the older checkpoint takes those.
    assert!(
        site.at("out/tile/entries/000").exists() && !site.at("out/tile/entries/000.p").exists()
    );
    fs::write(site.at("out/checkpoint"), &before["checkpoint"]).unwrap();
    assert_eq!(run(&["verify", "--dir", &out, "--spec", &spec]).code, 0);
    assert_eq!(site.mirrored(&out, "older")["size"], 104);
    assert_eq!(json(&["export", "--dir", &dir, "--tiles", &out])["size"], 306);
    let again = json(&["export", "--dir", &dir, "--tiles", &out]);
    assert_eq!((&again["tiles"], &again["size_before"]), (&0.into(), &306.into()));

    // What was published isn't taken back, nor what is another's.
    site.publish(&sales(&[100]));
    site.mirrored(&site.path("pub"), "older");
    let ran = run(&["export", "--dir", &site.path("older"), "--tiles", &out]);
    assert!(ran.code == 1 && ran.err.contains("is of 306 leaves"), "{ran:?}");
    fs::write(site.at("out/checkpoint"), "nothing").unwrap();
    let ran = run(&["export", "--dir", &dir, "--tiles", &out]);
    assert!(ran.code == 1 && ran.err.contains("choose another directory"), "{ran:?}");
}

#[test]
fn of_genesis_alone_nothing_is_published() {
    let site = Site::new(&sales(&[]));
    let (dir, spec) = (site.path("new"), site.path("spec.toml"));
    assert_eq!(run(&["init", "--spec", &spec, "--dir", &dir]).code, 0);
    let ran = run(&["export", "--dir", &dir, "--tiles", &site.path("out")]);
    assert!(ran.code == 1 && ran.err.contains("nothing to publish yet"), "{ran:?}");
    assert!(!site.at("out").exists());
}
