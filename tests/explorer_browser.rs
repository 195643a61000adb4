//! The explorer in a real browser: small and large, light and dark.
//!
//! With `COUNTERFOIL_PICTURES` set to a directory, pictures of every page stay there to be
//! looked at.

#![cfg(feature = "node")]
#![expect(clippy::indexing_slicing, reason = "a test fails by it")]

mod support;

use std::path::PathBuf;

use counterfoil::ledger::{self, Position};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::sample::{Marketplace, Profile};
use support::browser::Browser;
use support::site::{HOSTILE, Site, hostile_lives, lives};

/// What a page in the browser is held to, whatever is on it: nothing to scroll sideways, one
/// main heading and no level left out, a label for each field, enough contrast (WCAG 2.2 AA).
const CHECK: &str = include_str!("support/page_check.js");

/// What a window looks like: name, width and height in pixels, dark or not.
const WINDOWS: [(&str, u32, u32, bool); 4] = [
    ("desktop", 1280, 900, false),
    ("desktop-dark", 1280, 900, true),
    ("phone", 375, 812, false),
    ("phone-dark", 375, 812, true),
];

/// Where pictures of the pages go, to be looked at; else they are made and thrown away.
const PICTURES_VARIABLE: &str = "COUNTERFOIL_PICTURES";

/// What is shown: where, under which name, and what it says.
fn shown<'a>(
    site: &'a Site,
    empty: &'a Site,
    lives: &[Position],
    hostile: &Position,
) -> Vec<(&'a Site, &'static str, String, &'static str)> {
    let life = |member: usize| format!("entries/{}", lives[member].id);
    vec![
        (site, "home", String::new(), "Latest entries"),
        (empty, "home-empty", String::new(), "Nothing is recorded yet"),
        (site, "blocks", "blocks".to_owned(), "Genesis"),
        (site, "block", "blocks/7".to_owned(), "Block 7 seals 100 entries"),
        (site, "genesis", "blocks/0".to_owned(), "begins the ledger"),
        (site, "entries", "entries?kind=commission".to_owned(), "Commission"),
        (site, "entries-none", "entries?affiliate=nobody".to_owned(), "Nothing fits"),
        (site, "entry-terms", life(0), "30 days after the event"),
        (site, "entry-upline", life(1), "Who stands above"),
        (site, "entry-transaction", life(2), "sells for 1,234.50 EUR"),
        (site, "entry-commission", life(3), "The commission today"),
        (site, "entry-override", life(4), "as upline of level 1"),
        (site, "entry-reversal", life(6), "back to the buyer"),
        (site, "entry-funding", life(9), "What it covers"),
        (site, "entry-adjustment", life(10), "is credited 5.00 EUR"),
        (site, "entry-payout", life(11), "What is paid, by type"),
        (site, "entry-payout-event", life(13), "has arrived"),
        (site, "entry-deviation", life(15), "deviates from its terms"),
        (site, "entry-inquiry", life(18), "Answered"),
        (site, "entry-imported", life(21), "brought in from old-network"),
        (site, "entry-erasure", life(25), "are erased"),
        (site, "entry-hostile", format!("entries/{}", hostile.id), HOSTILE[0]),
        (site, "search", "search?q=2".to_owned(), "Results for 2"),
        (site, "search-none", "search?q=nothing".to_owned(), "Nothing found for nothing"),
        (site, "not-found", "entries/unknown".to_owned(), "There is no entry unknown"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_right_in_a_browser() {
    let site = Site::start().await;
    let empty = Site::start().await;
    let now = ledger::now();
    let currencies = site.ledger.chain().spec().currencies.clone();
    let sample = Marketplace::new(Profile::history(7, 1_500, now), &currencies).unwrap();
    let sample: Vec<_> =
        sample.take(1_500).map(|entry| EncodedEntry::new(entry).unwrap()).collect();
    let lives = site.seal(lives()).await;
    let hostile = site.seal(hostile_lives()).await;
    for block in sample.chunks(100) {
        site.seal(block.to_vec()).await;
    }
    let shown = shown(&site, &empty, &lives, &hostile[2]);
    let shown = shown.into_iter();
    let shown: Vec<_> = shown
        .map(|(site, name, path, said)| (site.root.join(&path).unwrap(), name, said))
        .collect();
    tokio::task::spawn_blocking(move || {
        let thrown_away = tempfile::tempdir().unwrap();
        let pictures = std::env::var_os(PICTURES_VARIABLE)
            .map_or_else(|| thrown_away.path().to_owned(), PathBuf::from);
        let mut browser = Browser::start();
        browser.open("data:text/html,<script>console.error('heard')</script>");
        assert!(
            browser.complaints().iter().any(|said| said.contains("heard")),
            "it is listened to"
        );
        for (window, width, height, dark) in WINDOWS {
            browser.show_as(width, height, dark);
            for (address, name, said) in &shown {
                browser.open(address.as_str());
                let text = browser.evaluate("document.body.innerText").to_string();
                let text = text.replace('\u{a0}', " ");
                assert!(text.contains(said), "{address}: {said} is not in {text}");
                let faults = browser.evaluate(CHECK);
                assert_eq!(faults, serde_json::json!([]), "{address} ({window})");
                let made =
                    "document.querySelectorAll('script,iframe,main img,[onmouseover]').length";
                assert_eq!(browser.evaluate(made), 0, "{address}: nothing but text comes of an id");
                let complaints: Vec<_> = browser
                    .complaints()
                    .iter()
                    .filter(|complaint| !(*name == "not-found" && complaint.contains("404")))
                    .collect();
                assert!(complaints.is_empty(), "{address}: {complaints:?}");
                browser.picture(&pictures.join(format!("{name}-{window}.png")));
            }
        }
    })
    .await
    .unwrap();
}
