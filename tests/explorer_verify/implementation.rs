//! The implementation in JavaScript, held against the vectors, against BLAKE3's own, and against ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use counterfoil::protocol::block::Leaf;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::random::Random;
use crate::support::site::Site;

/// How many altered leaves both decoders get.
const ALTERED_LEAVES: usize = 6000;
/// What BLAKE3's official vectors are called by in key derivation, and their key.
const BLAKE3_CONTEXT: &str = "BLAKE3 2019-12-27 16:29:52 test vectors context";
const BLAKE3_KEY: &[u8; 32] = b"whats the Elvish word for friend";
/// Lengths around every border of blocks, chunks and subtrees.
const BLAKE3_LENGTHS: [usize; 24] = [
    0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 3073, 4096,
    5121, 6145, 8193, 16384, 31744,
];

fn vectors() -> BTreeMap<String, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Where the page's modules are.
const BASE: &str = "new URL('.', document.querySelector('script[src$=\"/main.js\"]').src).href";

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_third_implementation() {
    let site = Site::start().await;
    let page = site.root.join("verify").unwrap();
    let vectors = vectors();
    let found = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        browser.open(page.as_str());
        let files = json!(vectors);
        let check = include_str!("vectors.js");
        let found = browser.evaluate(&format!("{check}\ncheckVectors({BASE}, {files})"));
        assert_eq!(found["wrong"], json!([]), "of {}", found["count"]);
        assert!(found["count"].as_u64().unwrap() > 700, "{}", found["count"]);
        hashes_agree(&mut browser);
        decoders_agree(&mut browser, &vectors);
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    });
    found.await.unwrap();
}

/// BLAKE3 in its three modes, over the inputs of its official vectors.
fn hashes_agree(browser: &mut Browser) {
    let lengths = json!(BLAKE3_LENGTHS);
    let key = hex::encode(BLAKE3_KEY);
    let digests = browser.evaluate(&format!(
        "Promise.all(['blake3', 'bytes'].map((name) => import(`${{{BASE}}}${{name}}.js`))).then(
            ([b, {{ hex, fromHex }}]) => {lengths}.map((length) => {{
                const input = Uint8Array.from({{ length }}, (_, at) => at % 251);
                return [b.blake3(input), b.keyedHash(fromHex('{key}'), input),
                    b.deriveKey('{BLAKE3_CONTEXT}', input)].map(hex);
            }}))"
    ));
    for (length, found) in BLAKE3_LENGTHS.into_iter().zip(digests.as_array().unwrap()) {
        let input: Vec<u8> = (0..=250).cycle().take(length).collect();
        let expected = [
            blake3::hash(&input).to_hex().to_string(),
            blake3::keyed_hash(BLAKE3_KEY, &input).to_hex().to_string(),
            hex::encode(blake3::derive_key(BLAKE3_CONTEXT, &input)),
        ];
        assert_eq!(*found, json!(expected), "{length} bytes");
    }
    // The first of the official vectors, by its known value.
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(digests[0][0], empty);
}

/// Leaves of every kind, altered at random: both decoders refuse the same ones.
fn decoders_agree(browser: &mut Browser, vectors: &BTreeMap<String, String>) {
    let whole = leaves(vectors);
    let mut random = Random::seeded("COUNTERFOIL_VERIFY_SEED");
    let altered: Vec<Vec<u8>> =
        (0..ALTERED_LEAVES).map(|at| altered(&whole, at, &mut random)).collect();
    let texts: Vec<String> = altered.iter().map(hex::encode).collect();
    let decoded = browser.evaluate(&format!(
        "Promise.all(['header', 'bytes'].map((name) => import(`${{{BASE}}}${{name}}.js`))).then(
            ([{{ decodeLeaf }}, {{ Wrong, fromHex }}]) => {}.map((text) => {{
                try {{ decodeLeaf(fromHex(text)); return true; }}
                catch (error) {{ if (error instanceof Wrong) return false; throw error; }}
            }}))",
        json!(texts)
    ));
    let mut accepted = 0;
    for (leaf, found) in altered.iter().zip(decoded.as_array().unwrap()) {
        let ours = Leaf::decode(leaf);
        accepted += usize::from(ours.is_ok());
        assert_eq!(*found, json!(ours.is_ok()), "{}: {ours:?}", hex::encode(leaf));
    }
    // Both answers are well tried.
    assert!((ALTERED_LEAVES / 20..ALTERED_LEAVES * 19 / 20).contains(&accepted), "{accepted}");
}

/// The leaves that the vectors hold.
fn leaves(vectors: &BTreeMap<String, String>) -> Vec<Vec<u8>> {
    let holding = vectors.iter().filter(|(name, _)| {
        name.starts_with("entry-") || ["header", "genesis"].contains(&name.as_str())
    });
    let cases = holding.flat_map(|(_, text)| {
        let vectors: Value = serde_json::from_str(text).unwrap();
        vectors["cases"].as_array().unwrap().clone()
    });
    cases.map(|case| hex::decode(case["output"]["leaf"].as_str().unwrap()).unwrap()).collect()
}

/// One of the leaves with a change or two that come near to what a lazy decoder lets pass.
fn altered(whole: &[Vec<u8>], at: usize, random: &mut Random) -> Vec<u8> {
    const TELLING: [u8; 12] = [0, 1, 2, 16, 17, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xff];
    let mut leaf = whole[at % whole.len()].clone();
    for _ in 0..=random.below(2) {
        let place = random.index(leaf.len());
        let byte = TELLING[random.index(TELLING.len())];
        match random.below(6) {
            0 => leaf[place] ^= 1 << random.below(8),
            1 => leaf[place] = byte,
            2 => leaf.insert(place, byte),
            3 => drop(leaf.remove(place)),
            4 => leaf.truncate(place.max(1)),
            // An integer in more bytes than it needs.
            _ => drop(leaf.splice(place..=place, [0xfb, leaf[place], 0])),
        }
        if leaf.is_empty() {
            leaf.push(byte);
        }
    }
    leaf
}
