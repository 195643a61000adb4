//! Entries of every kind: what they say, where they stand, what belongs to them.

use std::collections::BTreeSet;

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Verdict;
use serde_json::{Value, json};

use crate::entry_links;
use crate::support::chain::{commission, decision, sale, terms};
use crate::support::site::{Site, lives, told};

#[tokio::test]
async fn each_entry_is_said_in_plain_language() {
    let site = Site::start().await;
    let positions = site.seal(lives()).await;
    let said = [
        "Program program of shop pays 10 % of each transaction from 1 Jan 2026 on.",
        "affiliate-9 stands above affiliate affiliate-1 from now on.",
        "shop sells for 1,234.50 EUR: order order-1.",
        "Affiliate affiliate-1 earns 123.45 EUR from order order-1 at shop.",
        "Affiliate affiliate-9 earns 6.17 EUR as upline of level 1 from order order-1 at shop.",
        "The commission of 123.45 EUR to affiliate-1 is extended: it locks on 1 Jun 2026.",
        "23.45 EUR of the commission of 123.45 EUR to affiliate-1 is taken back: item returned, 234.50 EUR back to the buyer.",
        "The commission of 123.45 EUR to affiliate-1 is approved.",
        "The commission of 123.45 EUR to affiliate-1 is locked: due to be paid.",
        "shop pays 150.00 EUR and covers 1 commission.",
        "Affiliate affiliate-1 is credited 5.00 EUR for the commission of 123.45 EUR at shop: goodwill.",
        "Affiliate affiliate-1 is to be paid 90.00 EUR for 1 commission and 1 adjustment.",
        "The payout of 90.00 EUR to affiliate-1 is sent.",
        "The payout of 90.00 EUR to affiliate-1 has arrived.",
        "shop sells for 19.99 EUR: order order-2.",
        "Affiliate affiliate-2 earns 2.50 EUR from order order-2 at shop.",
        "The commission to affiliate-2 is amended from 2.50 EUR to 2.20 EUR: wrong amount.",
        "The commission of 2.20 EUR to affiliate-2 is declined: bought through the affiliate’s own link.",
        "Affiliate affiliate-2 claims 2.20 EUR that shop declined.",
        "The inquiry of affiliate-2 about shop is found valid.",
        "Order order-2 at shop is amended from 19.99 EUR to 18.99 EUR: error in the order.",
        "A commission of 21.50 EUR to affiliate-3 at shop (pending) is brought in from old-network.",
        "The commission of 21.50 EUR to affiliate-3 is approved.",
        "A debt of 3.00 EUR of affiliate affiliate-3 is brought in from old-network.",
        "shop sells for 7.00 EUR: order order-3.",
        "The private particulars of sale-3 (Transaction) are erased.",
    ];
    assert_eq!(said.len(), positions.len());
    for (position, sentence) in positions.iter().zip(said) {
        for name in [position.id.to_string(), position.index.to_string()] {
            let page = site.page(&format!("entries/{name}")).await;
            let text = page.text();
            assert!(text.contains(sentence), "{sentence} is not in: {text}");
            let id = position.id.to_string();
            for fact in [" 2026,", "after it happened", "acme", &id] {
                assert!(text.contains(fact), "{fact}: {text}");
            }
            let links: Vec<String> = page.links().iter().map(ToString::to_string).collect();
            let below = |path: String| site.root.join(&path).unwrap().to_string();
            assert!(links.contains(&below(format!("v1/entries/{id}/receipt"))), "{links:?}");
            assert!(links.contains(&below(format!("v1/entries/{id}"))), "{links:?}");
            assert!(links.contains(&below(format!("blocks/{}", position.height))), "{links:?}");
        }
    }
}

/// What the page at each of these entries says, by the place of the entry among [`lives`].
const SHOWN: [(usize, &[&str]); 11] = [
    (
        0,
        &[
            "Program terms terms reaches back",
            "Version 1",
            "For sales",
            "Locks 30 days after the event",
            "Network’s fee 30 %",
            "Rule 1 10 % of the amount On top, of the commission: 5 % for the upline of level 1.",
        ],
    ),
    (1, &["Who stands above affiliate-1 today Level 1 affiliate-9"]),
    (
        2,
        &[
            "The transaction today Comes to 1,234.50 EUR Back to the buyer 234.50 EUR Sent back 5 of bulb",
            "the whole1,234.50 EUR100 %",
            "What was bought",
            "lamp",
            "Voucher SPRING",
        ],
    ),
    (
        3,
        &[
            "The commission today Paid extended Merchant shop, affiliate affiliate-1 \
        Stated 123.45 EUR Paid 100.00 EUR Still open 0.00 EUR Taken back 23.45 EUR \
        Credited on top 5.00 EUR Network’s fee 37.04 EUR Locking date 1 Jun 2026",
            "Payout payout-1 (Completed)",
            "Exactly what the terms give.",
        ],
    ),
    (4, &["The commission today Pending", "On top of commission-1"]),
    (
        9,
        &[
            "What the merchant has paid, today Merchant shop Came in 150.00 EUR \
        Covers commissions of 100.00 EUR Prepaid 50.00 EUR",
            "What it covers",
        ],
    ),
    (
        10,
        &[
            "The adjustment today Paid Affiliate affiliate-1 For the affiliate 5.00 EUR \
        Payout payout-1 (Completed)",
            "For Commission commission-1",
        ],
    ),
    (
        11,
        &[
            "The payout today Completed Affiliate affiliate-1 Total 90.00 EUR Added 105.00 EUR \
        Taken off 15.00 EUR Kept for later 4.00 EUR",
            "Tax withheld1−10.00 EUR",
            "Carried forward1−4.00 EUR",
            "Commission1100.00 EUR",
        ],
    ),
    (
        15,
        &[
            "The commission today Pending deviates from its terms: goodwill amended Merchant shop",
            "Amended to 2.20 EUR Funded 0.00 EUR Still open 2.20 EUR",
            "Not what the terms give: goodwill.",
        ],
    ),
    (
        18,
        &[
            "The inquiry today Answered",
            "A commission was wrongly declined",
            "deviates from its terms",
        ],
    ),
    (24, &["particulars that are gone: the salt was destroyed"]),
];

#[tokio::test]
async fn everything_shows_where_it_stands() {
    let site = Site::start().await;
    let positions = site.seal(lives()).await;
    for (place, said) in SHOWN {
        let page = site.page(&format!("entries/{}", positions[place].id)).await.text();
        for said in said {
            assert!(page.contains(said), "{said} is not in: {page}");
        }
    }
}

#[tokio::test]
async fn a_commission_shows_its_whole_life() {
    let site = Site::start().await;
    let positions = site.seal(lives()).await;
    let lives: [&[usize]; 3] = [
        // From the terms to the payout's arrival, with the upline's override and the funding.
        &[0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        // Stated, amended, declined, reopened by an inquiry.
        &[0, 14, 15, 16, 17, 18, 19],
        // Brought in, and found where it was.
        &[21, 22],
    ];
    for (commission, life) in [3, 15, 21].into_iter().zip(lives) {
        let page = site.page(&format!("entries/{}", positions[commission].id)).await;
        let links: BTreeSet<String> = entry_links(&page).into_iter().collect();
        // Its own address stands there too.
        let expected: BTreeSet<_> =
            life.iter().map(|member| positions[*member].id.to_string()).collect();
        assert_eq!(links, expected, "the life of {commission}");
    }
    // What happens to it shows the same life, and where it stands.
    for member in [5, 6, 7, 8] {
        let page = site.page(&format!("entries/{}", positions[member].id)).await;
        assert!(page.text().contains("The commission today Paid"), "{member}");
        assert!(entry_links(&page).contains(&positions[11].id.to_string()), "{member}");
    }
    let sale = site.page(&format!("entries/{}", positions[2].id)).await;
    for earned in [3, 4] {
        assert!(entry_links(&sale).contains(&positions[earned].id.to_string()), "{earned}");
    }
}

#[tokio::test]
async fn a_payout_in_parts_holds_together() {
    let site = Site::start().await;
    let part = |name: &str, number: u64, more: Value| -> EncodedEntry {
        let mut body = json!({"affiliate": "affiliate-1", "currency": "EUR",
            "period_from": "2026-03-01T00:00:00Z", "period_until": "2026-04-01T00:00:00Z",
            "lines": [{"type": "commission", "commission": format!("commission-{number}"),
                "amount": "1.00"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told(&fact("payout", name, &body))
    };
    let mut entries = vec![terms()];
    for number in [1, 6] {
        let lock = decision(&format!("lock-{number}"), number, Verdict::Lock);
        entries.extend([sale(number, 1000), commission(number, 100), lock]);
    }
    entries.extend([
        told(&fact(
            "funding",
            "funding",
            &json!({"merchant": "shop", "payment_ref": "invoice", "currency": "EUR",
                "received": "2.00", "lines": [{"commission": "commission-1", "amount": "1.00"},
                {"commission": "commission-6", "amount": "1.00"}]}),
        )),
        part("part-1", 1, json!({})),
        part("part-2", 6, json!({"continues": "part-1", "total": "2.00"})),
    ]);
    let positions = site.seal(entries).await;
    let [first, second] = [8, 9].map(|index: usize| positions[index].id.to_string());
    let page = site.page(&format!("entries/{first}")).await;
    assert!(
        page.text().contains("Part of a payout in EUR to affiliate affiliate-1: 1 commission.")
    );
    assert!(entry_links(&page).contains(&second), "the first part leads to the second");
    let page = site.page(&format!("entries/{second}")).await;
    for said in [
        "affiliate-1 is to be paid 2.00 EUR, in several parts of which this is the last.",
        "The payout today Closed Affiliate affiliate-1 Total 2.00 EUR",
        "First part part-1",
    ] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    assert!(entry_links(&page).contains(&first), "the second part leads to the first");
}

/// The text of an entry of `acme`.
fn fact(kind: &str, name: &str, body: &Value) -> Value {
    json!({"tenant": "acme", "kind": kind, "external_id": name,
        "event_time": "2026-03-01T12:00:00Z", "body": body})
}
