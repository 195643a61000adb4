//! The explorer in a real browser: small and large, light and dark.
//!
//! With `COUNTERFOIL_PICTURES` set to a directory, pictures of every page stay there to be
//! looked at.

#![cfg(feature = "node")]
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::path::PathBuf;

use counterfoil::ledger::{self, Position};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::sample::{Marketplace, Profile};
use counterfoil::store::NameFamily;
use serde_json::json;
use support::axe;
use support::browser::Browser;
use support::site::{HOSTILE, Site, hostile_lives, lives};

/// What a page in the browser is held to, whatever is on it: nothing to scroll sideways, one
/// main heading and no level left out, a label for each field, enough contrast (WCAG 2.2 AA).
const CHECK: &str = include_str!("support/page_check.js");

/// What a window looks like: name, width and height in pixels, dark or not.
const WINDOWS: [(&str, u32, u32, bool); 4] = [
    ("desktop", 1280, 900, false),
    ("phone-dark", 375, 812, true),
    ("desktop-dark", 1280, 900, true),
    ("phone", 375, 812, false),
];
/// How many of these are looked at where nobody looks at pictures.
const WINDOWS_WITHOUT_PICTURES: usize = 2;
/// The languages beside English.
const LANGUAGES: [&str; 2] = ["ar", "de"];
/// The pages that are looked at in these, too, where nobody looks at pictures.
const IN_EVERY_LANGUAGE: [&str; 5] = ["home", "commission", "affiliate", "entry-terms", "status"];

/// Where pictures of the pages go, to be looked at; else they are made and thrown away.
const PICTURES_VARIABLE: &str = "COUNTERFOIL_PICTURES";

/// What is shown: where, under which name, and what it says.
fn shown<'a>(
    site: &'a Site,
    empty: &'a Site,
    lives: &[Position],
    hostile: &Position,
) -> Vec<(&'a Site, &'static str, String, &'static str)> {
    let (affiliate, merchant) = busiest(site);
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
        (site, "commission", "commissions/acme/commission-1".to_owned(), "step by step"),
        (site, "order", "orders/acme/order-1".to_owned(), "Its commissions today"),
        (site, "affiliate", affiliate, "Earnings by month"),
        (site, "statement", "affiliates/acme/affiliate-1/statement".to_owned(), "There was before"),
        (site, "merchant", merchant, "How it decides"),
        (site, "program", "programs/acme/shop/program".to_owned(), "Version 1"),
        (site, "transparency", "transparency".to_owned(), "begins with the log"),
        (site, "status", "status".to_owned(), "Seals blocks"),
        (site, "search-many", "search?q=affiliate".to_owned(), "What begins so"),
    ]
}

/// The pages of an affiliate and of a merchant of the sample marketplace.
fn busiest(site: &Site) -> (String, String) {
    let view = site.ledger.view().expect("it is open");
    let name = |family, begin| {
        let names = view.names(family, begin, 1).expect("it can be read");
        let listed = names.first().expect("the sample has some");
        format!("{}/{}", listed.tenant, listed.name)
    };
    let affiliate = name(NameFamily::Affiliate, "aff-b");
    let merchant = name(NameFamily::Merchant, "m-n");
    (format!("affiliates/{affiliate}"), format!("merchants/{merchant}"))
}

/// A site on which everything that can happen has happened, and an empty one.
async fn sites() -> (Site, Site, Vec<Position>, Vec<Position>) {
    let site = Site::start().await;
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
    (site, Site::start().await, lives, hostile)
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_right_in_a_browser() {
    let (site, empty, lives, hostile) = sites().await;
    let shown = shown(&site, &empty, &lives, &hostile[2]).into_iter();
    let shown: Vec<_> =
        shown.map(|(site, name, path, said)| (site.root.clone(), name, path, said)).collect();
    tokio::task::spawn_blocking(move || {
        let wanted = std::env::var_os(PICTURES_VARIABLE).map(PathBuf::from);
        let mut look =
            Look { browser: Browser::start(), axe: axe::script(), wanted, faults: Vec::new() };
        look.listens();
        let all = look.wanted.is_some();
        let windows = if all { WINDOWS.len() } else { WINDOWS_WITHOUT_PICTURES };
        for (window, width, height, dark) in WINDOWS.into_iter().take(windows) {
            look.browser.show_as(width, height, dark);
            for (root, name, path, said) in &shown {
                look.at(root.join(path).unwrap().as_str(), &format!("{name}-{window}"), said);
            }
            // A language for each window, and all of them for somebody who looks at pictures.
            for (code, of_window) in LANGUAGES.into_iter().zip(["phone-dark", "desktop"]) {
                let some = |name: &str| IN_EVERY_LANGUAGE.contains(&name) && window == of_window;
                for (root, name, path, _) in &shown {
                    if all || some(name) {
                        let address = root.join(&format!("{code}/{path}")).unwrap();
                        look.at(address.as_str(), &format!("{name}-{code}-{window}"), "");
                    }
                }
            }
        }
        assert!(look.faults.is_empty(), "{}", look.faults.join("\n"));
    })
    .await
    .unwrap();
}

/// Somebody who looks at pages.
struct Look {
    browser: Browser,
    axe: String,
    /// Where pictures go, if they are wanted.
    wanted: Option<PathBuf>,
    /// What was wrong so far: one run shows all of it.
    faults: Vec<String>,
}

impl Look {
    /// What a page complains about is heard.
    fn listens(&mut self) {
        self.browser.open("data:text/html,<script>console.error('heard')</script>");
        let complaints = self.browser.complaints();
        assert!(complaints.iter().any(|said| said.contains("heard")), "it is listened to");
    }

    fn expect(&mut self, fine: bool, fault: impl FnOnce() -> String) {
        if !fine {
            self.faults.push(fault());
        }
    }

    /// Opens a page, and notes what is wrong with it.
    fn at(&mut self, address: &str, name: &str, said: &str) {
        self.browser.open(address);
        let text = self.browser.evaluate("document.body.innerText").to_string();
        let text = text.replace('\u{a0}', " ");
        self.expect(text.contains(said), || format!("{name}: {said} is not in {text}"));
        let wrong = self.browser.evaluate(CHECK);
        self.expect(wrong == json!([]), || format!("{name}: {wrong}"));
        let made = "document.querySelectorAll('script:not([type=module]),iframe,main img,[onmouseover]').length";
        let made = self.browser.evaluate(made);
        self.expect(made == 0, || format!("{name}: something else than text comes of an id"));
        let complaints: Vec<_> = self
            .browser
            .complaints()
            .iter()
            .filter(|complaint| !(name.starts_with("not-found") && complaint.contains("404")))
            .collect();
        let complaints = complaints.into_iter().cloned().collect::<Vec<_>>().join(", ");
        self.expect(complaints.is_empty(), || format!("{name}: {complaints}"));
        if let Some(wanted) = &self.wanted {
            self.browser.picture(&wanted.join(format!("{name}.png")));
        }
        // Barriers hang on what a page is made of; contrast and widths are looked at in every window.
        if name.ends_with("-desktop") {
            self.browser.evaluate(&self.axe);
            let barriers = self.browser.evaluate(axe::RUN);
            self.expect(barriers == json!([]), || format!("{name}: {barriers}"));
        }
    }
}
