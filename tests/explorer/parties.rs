//! Pages of whom and what entries are about, and of the node itself.

use serde_json::json;

use crate::support::chain::{commission, sale, terms};
use crate::support::site::{Site, lives, told};

/// What each page says of the lives that the tests tell.
const SHOWN: [(&str, &[&str]); 9] = [
    (
        "commissions/acme/commission-1",
        &[
            "Commission commission-1",
            "It is paid.",
            "Stated 123.45 EUR Paid 100.00 EUR Still open 0.00 EUR Taken back 23.45 EUR",
            "is extended: it locks on 1 Jun 2026",
            "The payout of 90.00 EUR to affiliate-1 has arrived",
            "Download receipt",
        ],
    ),
    ("commissions/acme/commission-2", &["It waits for the merchant’s decision", "Declined"]),
    (
        "orders/acme/order-1",
        &["Its commissions today", "commission-1", "override-1", "sells for 1,234.50 EUR"],
    ),
    (
        "affiliates/acme/affiliate-1",
        &[
            "Affiliate of acme affiliate-1",
            "Paid 100.00 EUR",
            "Kept for later payouts 4.00 EUR",
            "affiliate-9 level 1 above",
            "May 2026",
            "Latest entries",
        ],
    ),
    ("affiliates/acme/affiliate-9", &["affiliate-1 since", "100.00 EUR earned for good"]),
    (
        "affiliates/acme/affiliate-1/statement",
        &["Statement in EUR", "There was before", "Pending 123.45 EUR", "There is at the end"],
    ),
    (
        "merchants/acme/shop",
        &[
            "Received from the merchant 150.00 EUR",
            "Prepaid 50.00 EUR",
            "bought through the affiliate’s own link",
            "All merchants",
            "Program program",
            "affiliate-2",
        ],
    ),
    ("transparency", &["No peer is connected", "None: nobody has shown this node", "begins with"]),
    ("status", &["Seals blocks", "Entries a block", "counterfoil"]),
];

#[tokio::test]
async fn pages_say_what_the_ledger_answers() {
    let site = Site::start().await;
    site.seal(lives()).await;
    for (path, said) in SHOWN {
        let page = site.page(path).await.text();
        for said in said {
            assert!(page.contains(said), "{path}: {said} is not in: {page}");
        }
    }
}

#[tokio::test]
async fn nobody_has_a_page_who_is_not_on_the_ledger() {
    let site = Site::start().await;
    site.seal(lives()).await;
    for path in [
        "affiliates/acme/nobody",
        "affiliates/nobody/affiliate-1",
        "affiliates/acme/nobody/statement",
        "merchants/acme/affiliate-1",
        "programs/acme/shop/nothing",
        "commissions/acme/sale-1",
        "orders/acme/nothing",
        "affiliates/acme/two%20words",
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        let html = response.text().await.unwrap();
        assert!(html.contains("Nothing on the ledger is called that"), "{path}: {html}");
    }
}

#[tokio::test]
async fn terms_are_compared_version_by_version() {
    let site = Site::start().await;
    let second = json!({"tenant": "acme", "kind": "program_terms", "external_id": "terms-2",
        "event_time": "2026-03-01T12:00:00Z",
        "body": {"merchant": "shop", "program": "program", "version": 2,
            "effective_from": "2100-01-01T00:00:00Z", "actions": ["sale"],
            "locking": {"type": "days", "days": 14},
            "rules": [{"reward": {"type": "percent", "ppm": 75_000}}]}});
    site.seal(vec![terms()]).await;
    site.seal(vec![told(&second)]).await;
    let page = site.page("programs/acme/shop/program").await;
    for said in ["Version 2", "Version 1", "From version 1 to version 2", "rules[0].reward.ppm"] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    assert!(page.html.contains("<ins>75000</ins>"), "{}", page.html);
    let back = site.page("programs/acme/shop/program?from=2&to=1").await;
    assert!(back.html.contains("<del>75000</del>"), "{}", back.html);
    assert_eq!(site.get("programs/acme/shop/program?from=1&to=3").await.status(), 404);
}

#[tokio::test]
async fn long_lists_have_pages() {
    let site = Site::start().await;
    let mut entries = vec![terms()];
    for number in 1..=120 {
        entries.extend([sale(number, 1000), commission(number, 100)]);
    }
    site.seal(entries).await;
    let mut path = "affiliates/acme/affiliate-1/statement".to_owned();
    let mut lines = 0;
    for _ in 0..5 {
        let page = site.page(&path).await;
        lines += page.html.matches("Commission</a>").count();
        let Some(next) = crate::turn(&page, "next") else { break };
        path = next;
    }
    assert_eq!(lines, 120 / 5, "each of the affiliate's commissions once");
    let merchant = site.page("merchants/acme/shop").await;
    assert!(merchant.text().contains("affiliate-4"), "{}", merchant.text());
}

#[tokio::test]
async fn consistency_is_proven_between_any_two_sizes() {
    let site = Site::start().await;
    site.seal(vec![terms()]).await;
    for number in 1..=9 {
        site.seal(vec![sale(number, 1000)]).await;
    }
    let whole = site.ledger.head().size();
    for (old, new) in [(1, whole), (3, 17), (8, 8), (whole, whole)] {
        let page = site.page(&format!("transparency?old={old}&new={new}")).await;
        let said = format!("The log of size {new} begins with the log of size {old}.");
        assert!(page.text().contains(&said), "{said}: {}", page.text());
        let view = site.ledger.view().unwrap();
        for hash in view.consistency_proof(old, new).unwrap() {
            assert!(page.text().contains(&hash.to_string()), "{hash}");
        }
        assert!(page.text().contains(&view.root(old).unwrap().to_string()));
    }
    for sizes in ["old=0", "old=9&new=8", &format!("new={}", whole + 1), "old=x"] {
        assert_eq!(site.get(&format!("transparency?{sizes}")).await.status(), 400, "{sizes}");
    }
}
