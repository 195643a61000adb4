//! Files that a visitor drops: on the node's page, and on the one file that is kept.

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use counterfoil::explorer;
use counterfoil::ledger::archive;
use counterfoil::protocol::checkpoint::vkey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::browser::Browser;
use crate::support::chain::{chain, key, rotation, sale};
use crate::support::site::{Site, lives};

/// Drops files, given by name with their bytes in base64, and waits until all are verified.
const DROP: &str = include_str!("drop.js");

/// What dropping files came to: the text and outcome of each verdict, and problems.
fn drop_files(browser: &mut Browser, files: &[(&str, &[u8])]) -> Value {
    let files: Vec<_> =
        files.iter().map(|(name, bytes)| json!([name, BASE64_STANDARD.encode(bytes)])).collect();
    browser.evaluate(&format!("({DROP})({})", json!(files)))
}

/// A ledger's spec, a receipt of it and all of it.
struct Files {
    spec: String,
    receipt: Vec<u8>,
    export: Vec<u8>,
}

async fn files(site: &Site) -> Files {
    let positions = site.seal(lives()).await;
    site.seal(vec![sale(200, 1999)]).await;
    let name = format!("v1/entries/{}/receipt", positions[3].id);
    let receipt = site.get(&name).await.bytes().await.unwrap().to_vec();
    let export = export(site).await;
    Files { spec: chain("books").spec().to_toml(), receipt, export }
}

async fn export(site: &Site) -> Vec<u8> {
    let id = chain("books").id();
    let write = move |view: &counterfoil::store::View| {
        let mut bytes = Vec::new();
        archive::write(view, id, &mut bytes, |_| {}).map(|_| bytes)
    };
    site.ledger.read(write).await.unwrap().unwrap()
}

fn outcome(found: &Value, at: usize) -> &str {
    found["verdicts"][at]["outcome"].as_str().unwrap_or("none")
}

/// Good files are proven and tampered ones aren't, by whichever page.
fn try_files(browser: &mut Browser, files: &Files) {
    let Files { spec, receipt, export } = files;
    let vkey = vkey("ledger.example/books", &key().public());

    let found = drop_files(browser, &[("receipt.json", receipt)]);
    assert_eq!(outcome(&found, 0), "failed", "nobody is trusted yet: {found}");
    let found = drop_files(
        browser,
        &[("receipt.json", receipt), ("books.cfx", export), ("chain-spec.toml", spec.as_bytes())],
    );
    assert_eq!((outcome(&found, 0), outcome(&found, 1)), ("passed", "unchecked"), "{found:#}");
    assert!(found["text"].as_str().unwrap().contains("123.45"), "{found:#}");
    assert!(found["text"].as_str().unwrap().contains("2 blocks with 27 entries"), "{found:#}");

    let text = std::str::from_utf8(receipt).unwrap();
    let tampered = [
        text.replacen("\"index\": 4", "\"index\": 5", 1),
        text.replacen("\"entry_id\": \"", "\"entry_id\": \"0", 1),
        text.replacen("\"leaf\": \"A", "\"leaf\": \"B", 1),
        text.replacen("\"spec_changes\": []", "\"spec_changes\": [\"AA==\"]", 1),
        text.replacen("ledger.example/books", "ledger.example/bookz", 1),
        text.replacen('{', "{\"format\": \"counterfoil-receipt-v1\",", 1),
        text.get(..text.len() - 9).unwrap().to_owned(),
    ];
    for (at, tampered) in tampered.iter().enumerate() {
        assert_ne!(tampered, text, "{at}");
        let found = drop_files(browser, &[("receipt.json", tampered.as_bytes())]);
        assert_eq!(outcome(&found, 0), "failed", "{at}: {found:#}");
    }
    for at in [20, export.len() / 2, export.len() - 6, export.len() - 1] {
        let mut tampered = export.clone();
        tampered[at] ^= 4;
        let found = drop_files(browser, &[("books.cfx", &tampered)]);
        assert_eq!(outcome(&found, 0), "failed", "{at}: {found:#}");
    }
    let found = drop_files(browser, &[("books.cfx", export.get(..export.len() - 12).unwrap())]);
    assert_eq!(outcome(&found, 0), "failed", "{found:#}");
    let found = drop_files(browser, &[("notes.txt", b"hello")]);
    assert!(found["text"].as_str().unwrap().contains("no receipt, no export"), "{found:#}");

    // By a key alone, and by a wrong one.
    for (vkey, expected) in [(vkey.clone(), "passed"), (another(), "failed")] {
        browser.evaluate(&format!(
            "(() => {{ const form = document.querySelector('form.trust');
                form.querySelector('input').value = {};
                form.requestSubmit(); return new Promise((done) => setTimeout(done, 100)); }})()",
            json!(vkey)
        ));
        let found = drop_files(browser, &[("receipt.json", receipt)]);
        assert_eq!(outcome(&found, 0), expected, "{vkey}: {found:#}");
    }
}

fn another() -> String {
    vkey("ledger.example/books", &crate::support::chain::public(9))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_verified_without_any_request() {
    let site = Site::start().await;
    let files = files(&site).await;
    let served = site.get("verify/offline.html").await;
    let disposition = served.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment"), "{disposition}");
    let kept = served.bytes().await.unwrap();
    assert_eq!(kept, explorer::offline_page().as_bytes());
    let page = site.page("verify").await;
    assert!(page.html.contains(&hex::encode(Sha256::digest(&kept))), "it says its hash");
    let root = site.root.join("verify").unwrap();
    let tried = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        browser.open(root.as_str());
        // The icon may come late.
        let requests = "performance.getEntriesByType('resource')
            .filter((one) => !one.name.endsWith('.svg')).length";
        let before = browser.evaluate(requests);
        try_files(&mut browser, &files);
        assert_eq!(browser.evaluate(requests), before, "nothing more was asked for");
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counterfoil-verify.html");
        fs::write(&path, &kept).unwrap();
        let mut browser = Browser::start();
        browser.cut_off();
        browser.open(&format!("file://{}", path.display()));
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
        try_files(&mut browser, &files);
        assert_eq!(browser.evaluate(requests), json!(0), "it loads nothing at all");
        let refused = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')";
        assert_eq!(browser.evaluate(refused), "refused", "its own policy forbids every request");
    });
    tried.await.unwrap();
    drop(site);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_validly_is_followed() {
    let site = Site::start().await;
    let positions = site.seal(lives()).await;
    let head = site.ledger.head();
    let change = rotation(&chain("books"), &head.tip, 33, head.height() + 2);
    site.seal(vec![change]).await;
    let name = format!("v1/entries/{}/receipt", positions[3].id);
    let receipt = site.get(&name).await.bytes().await.unwrap().to_vec();
    let (address, spec) = (site.root.clone(), chain("books").spec().to_toml());
    let tried = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        let verdict = crate::Verdict::of(&mut browser, address.join("blocks/2").unwrap().as_str());
        verdict.assert_passed("blocks/2");
        browser.open(address.join("verify").unwrap().as_str());
        let found = drop_files(&mut browser, &[("s.toml", spec.as_bytes()), ("r.json", &receipt)]);
        assert_eq!(outcome(&found, 0), "passed", "{found:#}");
    });
    tried.await.unwrap();
    drop(site);
}
