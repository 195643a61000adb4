//! Honest pages pass, and each lie of a node is found and named.

use counterfoil::protocol::checkpoint::Checkpoint;
use counterfoil::protocol::hash::TreeHash;
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::spec::Currencies;
use serde_json::json;

use crate::liar::{Liar, Lie};
use crate::support::browser::Browser;
use crate::support::chain::{chain, currency, key, sale, seeded, spec_change, stated};
use crate::support::site::{Site, lives};
use crate::{VERIFY, Verdict};

/// Alters each amount, time, hash and name that a page shows of its own leaf: how many there were, and
/// which went unnoticed.
const ALTER_EACH: &str = include_str!("alter.js");

/// A ledger with an entry of every kind, of several blocks.
async fn site() -> (Site, Vec<u64>) {
    let site = Site::start_below("/some/where/").await;
    let mut indexes: Vec<u64> = site.seal(lives()).await.into_iter().map(|at| at.index).collect();
    for number in 100..103 {
        site.seal(vec![sale(number, 5 * number)]).await;
    }
    let change = spec_change(&chain("books"), &site.ledger.head().tip, |entry| {
        stated(entry).currencies = Currencies::new([(currency("CHF"), 2)]);
    });
    indexes.push(site.seal(vec![change]).await[0].index);
    site.seal(vec![sale(103, 77)]).await;
    (site, indexes)
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_pages_pass_and_what_they_show_counts() {
    let (site, indexes) = site().await;
    let root = site.root.clone();
    let height = site.ledger.head().height();
    let looked = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        let mut altered = 0;
        let entries = indexes.iter().map(|index| format!("entries/{index}"));
        for path in entries.chain((0..=height).map(|height| format!("blocks/{height}"))) {
            let verdict = Verdict::of(&mut browser, root.join(&path).unwrap().as_str());
            verdict.assert_passed(&path);
            assert_eq!(verdict.alarm(), None);
            assert!(browser.complaints().is_empty(), "{path}: {:?}", browser.complaints());
            let found = browser.evaluate(ALTER_EACH);
            assert_eq!(found["unnoticed"], json!([]), "{path}");
            altered += found["altered"].as_u64().unwrap();
        }
        assert!(altered > 300, "{altered}");
        browser.open(root.join("entries/4").unwrap().as_str());
        browser.evaluate("Object.defineProperty(crypto, 'subtle', { value: undefined }); 0");
        let verdict = Verdict(browser.evaluate(VERIFY));
        assert_eq!(verdict.outcome(), "unchecked", "without Ed25519: {verdict}");
        for (language, path) in
            [("de", "entries/4"), ("ar", "entries/12"), ("de", "blocks/1"), ("ar", "blocks/0")]
        {
            let address = root.join(&format!("{language}/{path}")).unwrap();
            Verdict::of(&mut browser, address.as_str()).assert_passed(language);
            let found = browser.evaluate(ALTER_EACH);
            assert_eq!(found["unnoticed"], json!([]), "{language}/{path}");
        }
    });
    looked.await.unwrap();
    drop(site);
}

/// A lie: what it is called, on which page it is told, how, and what is said of it.
struct Case {
    name: &'static str,
    page: &'static str,
    lie: Lie,
    /// Of which step, and in which words.
    said: (&'static str, &'static str),
    /// Whether it is one that stays until the visitor decides.
    alarm: bool,
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes.splice(at..at + from.len(), to.iter().copied());
    }
    bytes
}

/// Alters what a path that contains `part` gives.
fn altering(
    part: &'static str,
    from: impl AsRef<[u8]> + Send + Sync + 'static,
    to: impl AsRef<[u8]> + Send + Sync + 'static,
) -> Lie {
    Box::new(
        move |path, bytes| {
            if path.contains(part) { replaced(&bytes, from.as_ref(), to.as_ref()) } else { bytes }
        },
    )
}

/// Gives a checkpoint in the place of the node's own.
fn checkpoint(note: String) -> Lie {
    Box::new(
        move |path, bytes| if path == "checkpoint" { note.clone().into_bytes() } else { bytes },
    )
}

fn signed(size: u64, root: [u8; 32], key: &SealingKey) -> String {
    let checkpoint =
        Checkpoint { origin: "ledger.example/books".to_owned(), size, root: TreeHash(root) };
    checkpoint.to_note(&key.public(), &checkpoint.sign(key))
}

/// The commission of 123.45 EUR, and its block.
const ENTRY: &str = "entries/4";
const BLOCK: &str = "blocks/1";

/// Where the leaves come from.
const TILE: &str = "tile/entries";

/// Amounts, names and hashes: in the page, in the tile, in both.
fn lies_of_leaves() -> Vec<Case> {
    let case = |name, page, lie, said| Case { name, page, lie, said, alarm: false };
    let (amount, other) = ([0xfb, 0x39, 0x30], [0xfb, 0x3a, 0x30]);
    let both = move |path: &str, bytes: Vec<u8>| {
        let bytes = if path.contains(TILE) { replaced(&bytes, &amount, &other) } else { bytes };
        if path == ENTRY { replaced(&bytes, b"123.45", b"123.46") } else { bytes }
    };
    vec![
        case(
            "an amount, in the page",
            ENTRY,
            altering("entries/4", "123.45", "923.45"),
            ("What this page shows", "923.45"),
        ),
        case(
            "an amount, in the tile",
            ENTRY,
            altering(TILE, amount, other),
            ("It is in the log", "leaf 4, as this node serves it"),
        ),
        case(
            "an amount, in both",
            ENTRY,
            Box::new(both),
            ("It is in the log", "leaf 4, as this node serves it"),
        ),
        case(
            "a name in a list",
            BLOCK,
            altering("blocks/1", "affiliate-1", "affiliate-7"),
            ("What this page shows", ""),
        ),
        case(
            "an amount in a list",
            BLOCK,
            altering("blocks/1", ">123.45 EUR", ">723.45 EUR"),
            ("What this page shows", "723.45"),
        ),
        case(
            "a hash of the tree",
            ENTRY,
            Box::new(|path, mut bytes| {
                if path.contains("tile/0/") {
                    bytes[4 * 32 + 7] ^= 1;
                }
                bytes
            }),
            ("It is in the log", "the tree has"),
        ),
    ]
}

/// The time of a block, in the page and in the tile; `shown` is how the page has it.
fn lies_of_times(time: u64, shown: &str) -> Vec<Case> {
    let case = |name, page, lie, said| Case { name, page, lie, said, alarm: false };
    let encoded = |time: u64| [&[0xfd][..], &time.to_le_bytes()].concat();
    let late = shown.replace(':', ":5").replace(":55", ":54");
    let late = late.get(..shown.len()).unwrap();
    let (showing, showing_late) = (format!(">{shown}<"), format!(">{late}<"));
    vec![
        case(
            "the time of an entry's block, in the page",
            ENTRY,
            altering("entries/4", showing.clone(), showing_late.clone()),
            ("What this page shows", "block.time"),
        ),
        case(
            "the time of a block, in the page",
            BLOCK,
            altering("blocks/1", showing, showing_late),
            ("What this page shows", "block.time"),
        ),
        case(
            "the time of a block, in the tile",
            BLOCK,
            altering(TILE, encoded(time), encoded(time + 1)),
            ("Its header is in the log", "as this node serves it"),
        ),
    ]
}

/// Checkpoints that aren't the ledger's, or not its latest.
fn lies_of_checkpoints(size: u64, note: &str, old: String) -> Vec<Case> {
    let case = |name, lie, said, alarm| Case { name, page: ENTRY, lie, said, alarm };
    let mut forged = note.trim_end().to_owned();
    let end = forged.split_off(forged.len() - 20);
    let forged = format!("{forged}{}\n", end.chars().rev().collect::<String>().replace('=', "A"));
    vec![
        case(
            "a signature",
            checkpoint(forged.replace("AA\n", "A=\n")),
            ("Its signature", ""),
            false,
        ),
        case(
            "a root, signed by nobody",
            checkpoint(note.replacen(&note.lines().nth(2).unwrap()[..4], "AAAA", 1)),
            ("Its signature", "the signature is wrong"),
            false,
        ),
        case(
            "an old checkpoint",
            checkpoint(old),
            ("It goes on from what you saw before", "It is an old one"),
            false,
        ),
        case(
            "another history of this size",
            checkpoint(signed(size, [9; 32], &key())),
            ("It goes on from what you saw before", "one history"),
            true,
        ),
        case(
            "another history, longer",
            checkpoint(signed(size + 5, [9; 32], &key())),
            ("It goes on from what you saw before", "one history"),
            true,
        ),
        case(
            "another history, shorter",
            checkpoint(signed(size - 2, [9; 32], &key())),
            ("It goes on from what you saw before", "one history"),
            true,
        ),
        case(
            "another key",
            checkpoint(signed(size, [9; 32], &seeded(99))),
            ("Its signature", "another key than"),
            true,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_is_caught_and_named() {
    let site = Site::start().await;
    site.seal(lives()).await;
    let old = site.get("checkpoint").await.text().await.unwrap();
    for number in 100..103 {
        site.seal(vec![sale(number, 5 * number)]).await;
    }
    let head = site.ledger.head();
    let note = site.get("checkpoint").await.text().await.unwrap();
    let page = site.page(BLOCK).await.html;
    let shown = page.split("data-field=\"block.time\"").nth(1).unwrap();
    let shown = shown.split("Z\">").nth(1).unwrap().split('<').next().unwrap();
    let time = site.get("v1/blocks/1").await.json::<serde_json::Value>().await.unwrap();
    let time = time["header"]["time"].as_str().or(time["time"].as_str()).unwrap();
    let time = time.parse::<counterfoil::protocol::time::Timestamp>().unwrap().as_millis();
    let mut cases = lies_of_leaves();
    cases.extend(lies_of_times(time, shown));
    cases.extend(lies_of_checkpoints(head.size(), &note, old));
    let liar = Liar::start(site.root.clone()).await;
    let told = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        for case in cases {
            let address = liar.root.join(case.page).unwrap();
            liar.repent();
            Verdict::of(&mut browser, address.as_str()).assert_passed(case.name);
            liar.tell(case.lie);
            let verdict = Verdict::of(&mut browser, address.as_str());
            assert_eq!(verdict.outcome(), "failed", "{}: {verdict}", case.name);
            let (title, said) = case.said;
            let named =
                verdict.failed().iter().any(|step| step.0 == title && step.1.contains(said));
            assert!(named, "{}: {verdict}", case.name);
            assert_eq!(verdict.alarm().is_some(), case.alarm, "{}: {verdict}", case.name);
            liar.repent();
            if case.alarm {
                // It stays whatever the node says now, until the visitor decides.
                let verdict = Verdict::of(&mut browser, address.as_str());
                assert!(verdict.alarm().is_some(), "{}", case.name);
                browser.evaluate("document.querySelector('#alarm button').click()");
                let verdict = Verdict::of(&mut browser, address.as_str());
                assert_eq!(verdict.alarm(), None, "{}", case.name);
            }
        }
    });
    told.await.unwrap();
    drop(site);
}
