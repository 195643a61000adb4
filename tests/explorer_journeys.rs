//! What people do with the explorer, in a real browser.

#![cfg(feature = "node")]

mod support;

use counterfoil::ledger::Atomicity;
use serde_json::json;
use support::browser::Browser;
use support::chain::sale;
use support::site::{Site, lives};
use tokio::runtime::Handle;

/// Clicks the first link whose text has `text` in it.
fn follow(browser: &mut Browser, text: &str) {
    let text = json!(text);
    let found = format!(
        "[...document.querySelectorAll('main a')].find(a => a.textContent.includes({text}))"
    );
    browser.turn_page(|browser| {
        browser.evaluate(&format!("{found}.click()"));
    });
}

fn says(browser: &mut Browser, text: &str) {
    let said = browser.evaluate("document.body.innerText").to_string().replace('\u{a0}', " ");
    assert!(said.contains(text), "{text} is not in {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_order_to_its_payout_and_a_receipt() {
    let site = Site::start().await;
    site.seal(lives()).await;
    tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        browser.open(site.root.as_str());
        // The key leads to the box, which knows an order.
        browser.press("/", "/");
        assert_eq!(browser.evaluate("document.activeElement.id"), "q");
        assert_eq!(browser.evaluate("document.activeElement.value"), "");
        browser.type_text("order-1");
        browser.turn_page(|browser| browser.press("Enter", "\r"));
        says(&mut browser, "Its commissions today");
        follow(&mut browser, "commission-1");
        says(&mut browser, "It is paid.");
        follow(&mut browser, "The payout of 90.00 EUR to affiliate-1 has arrived");
        says(&mut browser, "What happened");
        follow(&mut browser, "payout-1");
        says(&mut browser, "What is paid, by type");
        let receipt = browser.evaluate(
            "fetch(document.querySelector('a[download]').href).then(answer => answer.json())",
        );
        assert!(receipt.get("checkpoint").is_some(), "{receipt}");
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_submitted_appears_by_itself() {
    let site = Site::start().await;
    site.seal(lives()).await;
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        browser.open(site.root.as_str());
        browser.wait_for("document.querySelector('.listening') !== null");
        for number in [4, 5] {
            let entries = vec![sale(number, 4242)];
            runtime.block_on(site.ledger.submit(entries, Atomicity::AllOrNothing)).unwrap();
            browser.wait_for(&format!(
                "document.querySelector('[data-part=entries]').innerText.includes('order-{number}')"
            ));
            let height = site.ledger.head().height();
            browser.wait_for(&format!(
                "document.querySelector('[data-part=block] .number').innerText.includes('{height}')"
            ));
        }
        let first = "document.querySelector('[data-part=entries] li').className";
        assert_eq!(browser.evaluate(first), "line new", "what is new is marked");
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_without_javascript() {
    let site = Site::start().await;
    site.seal(lives()).await;
    tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        browser.run_scripts(false);
        for (path, said) in [
            ("", "Latest entries"),
            ("search?q=affiliate", "What begins so"),
            ("commissions/acme/commission-1", "It is paid."),
            ("affiliates/acme/affiliate-1", "Earnings by month"),
            ("transparency?old=1&new=3", "The log of size 3 begins with the log of size 1."),
        ] {
            browser.open(site.root.join(path).unwrap().as_str());
            says(&mut browser, said);
            let buttons = "document.querySelectorAll('.copy').length";
            assert_eq!(browser.evaluate(buttons), 0, "{path}: no script ran");
        }
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    })
    .await
    .unwrap();
}
