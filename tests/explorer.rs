//! The explorer: its pages say what stands on the ledger, whatever the ids in it contain, and
//! lead everywhere that they say they lead.

#![cfg(feature = "node")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

#[path = "explorer/kinds.rs"]
mod kinds;
#[path = "explorer/languages.rs"]
mod languages;
#[path = "explorer/parties.rs"]
mod parties;

use std::collections::{BTreeSet, VecDeque};

use counterfoil::protocol::entry::Verdict;
use reqwest::Url;
use support::chain::{commission, decision, reversal, sale, terms};
use support::site::{HOSTILE, Page, Site, hostile_lives, lives, unescape};

/// Where the API stands beside the explorer.
const OF_THE_API: [&str; 7] =
    ["v1/", "docs", "checkpoint", "openapi.json", "readyz", "livez", "metrics"];
/// The verifier as one file.
const OFFLINE_PAGE: &str = "verify/offline.html";
/// How addresses begin that ask for a language.
const LANGUAGES: [&str; 3] = ["en/", "de/", "ar/"];
/// The most bytes of a page, before it is compressed.
const MAX_PAGE_BYTES: usize = 100 * 1024;
/// The most pages that a crawl looks at.
const MAX_CRAWLED_PAGES: usize = 400;

#[tokio::test]
async fn an_empty_ledger_says_how_to_begin() {
    let site = Site::start().await;
    let home = site.page("").await;
    let said = home.text();
    for fact in ["books", "Nothing is recorded yet", "ledger.example/books"] {
        assert!(said.contains(fact), "{fact}: {said}");
    }
    let host = site.root.authority();
    assert!(said.contains(&format!("curl http://{host}/v1/entries")), "{said}");
    let example = said.split("-d ' ").nth(1).unwrap().split('\'').next().unwrap();
    let request = site.client.post(site.root.join("v1/entries").unwrap());
    let request = request.header("content-type", "application/json").body(example.to_owned());
    assert_eq!(request.send().await.unwrap().status(), 201, "{example}");
    assert!(!site.page("").await.text().contains("Nothing is recorded yet"));

    let genesis = site.page("blocks/0").await.text();
    assert!(genesis.contains("Genesis is not signed"), "{genesis}");
}

#[tokio::test]
async fn what_is_too_far_off_is_a_link_away() {
    let site = Site::start().await;
    // 50 reversals fit the page; the last doesn't.
    let mut entries = vec![terms(), sale(1, 100_000), commission(1, 10_000)];
    entries.extend((1..=51).map(|number| reversal(&format!("back-{number}"), 1, 1)));
    // A commission of an affiliate that then earns a thousand others before it is approved.
    entries.extend([sale(2, 1000), commission(2, 100)]);
    for number in (7..=5002).step_by(5) {
        entries.extend([sale(number, 1000), commission(number, 100)]);
    }
    entries.push(decision("late", 2, Verdict::Approve));
    let positions = site.seal(entries).await;
    let at = |index: usize| positions[index].id.to_string();
    let last = positions.len() - 1;
    for (from, farther) in [(2, 53), (55, last)] {
        let page = site.page(&format!("entries/{}", at(from))).await;
        assert!(!entry_links(&page).contains(&at(farther)), "{from} lists {farther}");
        let more = page
            .links()
            .into_iter()
            .find(|link| link.query().is_some_and(|query| query.contains("after=")));
        let more = site.page(more.expect("it leads on").as_str()).await;
        assert!(entry_links(&more).contains(&at(farther)), "{from} leads to {farther}");
    }
    let late = site.page(&format!("entries/{}", at(last))).await;
    assert!(entry_links(&late).contains(&at(55)), "a decision leads to its commission");
}

#[tokio::test]
async fn a_block_shows_its_header_and_its_entries() {
    let site = Site::start().await;
    let positions = site.seal(lives()).await;
    site.seal(vec![sale(4, 100)]).await;
    let view = site.ledger.view().unwrap();
    let header = view.header(1).unwrap().unwrap().header;
    let (checkpoint, signature) = view.checkpoint(1).unwrap().unwrap();
    let note = checkpoint.to_note(&header.authority, &signature.unwrap());
    for name in
        ["1".to_owned(), header.hash().to_string(), header.hash().to_string().to_uppercase()]
    {
        let page = site.page(&format!("blocks/{name}")).await;
        let text = page.text();
        let facts = [
            "Block 1 seals 26 entries".to_owned(),
            header.hash().to_string(),
            header.parent.to_string(),
            header.log_root.to_string(),
            header.accounts_root.to_string(),
            header.authority.to_string(),
            checkpoint.root.to_string(),
            "format 1, rules 1".to_owned(),
            note.split_whitespace().collect::<Vec<_>>().join(" "),
            hex::encode(header.to_leaf()),
        ];
        for fact in facts {
            assert!(text.contains(&fact), "{fact} is not in: {text}");
        }
        let links = page.links();
        let paths = positions.iter().map(|position| format!("entries/{}", position.id));
        for path in paths.chain(["blocks/0".to_owned(), "blocks/2".to_owned()]) {
            assert!(links.contains(&site.root.join(&path).unwrap()), "{path}");
        }
    }
}

#[tokio::test]
async fn pages_of_entries_have_each_once() {
    let site = Site::start().await;
    site.seal(vec![terms()]).await;
    site.seal((1..=120).map(|number| sale(number, 100 + number)).collect()).await;
    let mut path = "entries?merchant=shop&kind=transaction".to_owned();
    let mut seen = Vec::new();
    let mut forth = Vec::new();
    loop {
        let page = site.page(&path).await;
        forth.push(path);
        seen.extend(entry_links(&page));
        let Some(next) = turn(&page, "next") else { break };
        path = next;
    }
    assert_eq!(seen.len(), 120);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 120, "no entry twice");
    assert_eq!(forth.len(), 3);
    // And back to the first page.
    let mut page = site.page(forth.last().unwrap()).await;
    let mut back = entry_links(&page);
    while let Some(previous) = turn(&page, "prev") {
        page = site.page(&previous).await;
        let mut links = entry_links(&page);
        links.extend(back);
        back = links;
        assert!(back.len() <= 200, "the pages end");
    }
    let first_page = entry_links(&site.page(&forth[0]).await);
    assert_eq!(entry_links(&page), first_page);

    let block = site.page("blocks/2?page=3").await;
    assert_eq!(entry_links(&block).len(), 20);
    assert!(block.text().contains("page 3 of 3"));
}

/// The entries that a list leads to, in its order.
fn entry_links(page: &Page) -> Vec<String> {
    let entry = |link: &Url| {
        let name = link.path().rsplit_once("/entries/")?.1.to_owned();
        (name.len() == 64 && !link.path().contains("/v1/")).then_some(name)
    };
    page.links().iter().filter_map(entry).collect()
}

/// Where the page before or after this one is.
fn turn(page: &Page, relation: &str) -> Option<String> {
    let link = page.html.split(&format!("rel=\"{relation}\" href=\"")).nth(1)?;
    Some(page.address.join(&unescape(link.split('"').next()?)).unwrap().to_string())
}

#[tokio::test]
async fn the_search_knows_what_was_typed() {
    let site = Site::start().await;
    let positions = site.seal(lives()).await;
    let block = site.ledger.view().unwrap().header(1).unwrap().unwrap().header.hash().to_string();
    let sold = positions[2].id.to_string();
    let entry = format!("./entries/{sold}");
    let redirects = [
        (sold.as_str(), entry.as_str()),
        ("sale-1", &entry),
        ("%20%20sale-1%20", &entry),
        (&block, "./blocks/1"),
        (&block.to_uppercase(), "./blocks/1"),
        ("0", "./blocks/0"),
        ("affiliate-2", "./affiliates/acme/affiliate-2"),
        ("shop", "./merchants/acme/shop"),
        ("program", "./programs/acme/shop/program"),
        ("order-1", "./orders/acme/order-1"),
        ("SPRING", "./entries?tenant=acme&voucher=SPRING"),
        ("invoice-6", "./entries?tenant=acme&payment_ref=invoice-6"),
        // The beginning of a name that is the only one to begin so.
        ("affiliate-9", "./affiliates/acme/affiliate-9"),
    ];
    for (typed, target) in redirects {
        let response = site.get(&format!("search?q={typed}")).await;
        assert_eq!(response.status(), 303, "{typed}");
        assert_eq!(response.headers()["location"], target, "{typed}");
        let target = response.headers()["location"].to_str().unwrap().to_owned();
        site.page(&target).await;
    }
    // Block 1, and the entry at index 1.
    let both = site.page("search?q=1").await;
    assert!(both.text().contains("Block 1 26 entries"), "{}", both.text());
    assert_eq!(entry_links(&both), [positions[0].id.to_string()]);

    let no_hits = [
        ("sale-99", "Nothing found for sale-99"),
        ("999999", "Nothing found for 999999"),
        ("two%20words", "1 to 128 visible characters without spaces"),
        ("caf%C3%A9", "1 to 128 visible characters without spaces"),
        ("", "Type what you know"),
        (&"x".repeat(3000), "1 to 128 visible characters"),
        (&"f".repeat(64), "Nothing found"),
    ];
    for (typed, said) in no_hits {
        let text = site.page(&format!("search?q={typed}")).await.text();
        assert!(text.contains(said), "{said}: {text}");
        assert!(text.contains("by its external id"), "it helps: {text}");
    }
    assert!(site.page("search").await.text().contains("Type what you know"));
}

#[tokio::test]
async fn errors_are_pages_that_help() {
    let site = Site::start().await;
    let positions = site.seal(lives()).await;
    let unknown = "0".repeat(64);
    let cases = [
        ("entries/unknown", 404, "There is no entry unknown"),
        (&format!("entries/{unknown}"), 404, "There is no entry 0000"),
        ("entries/0", 404, "There is no entry 0"),
        ("entries/99999999999999999999999", 404, "There is no entry 9999"),
        ("entries/%3Cscript%3E", 404, "There is no entry <script>"),
        ("entries/%FF", 400, "can’t be"),
        ("blocks/2", 404, "There is no block 2"),
        ("blocks/-1", 404, "There is no block -1"),
        (&format!("blocks/{}", positions[0].id), 404, "There is no block"),
        ("blocks?from=x", 400, "from: "),
        ("blocks/1?page=-1", 400, "page: "),
        ("entries?kind=sales", 400, "kind: unknown kind of entry"),
        ("entries?affiliate=a%20b", 400, "affiliate: an identifier"),
        ("entries?before=1&before=2", 400, "can’t be"),
        ("search?q=a&q=b", 400, "can’t be"),
    ];
    for (path, status, said) in cases {
        let response = site.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let page = Page { address: response.url().clone(), html: response.text().await.unwrap() };
        assert!(page.text().contains(said), "{said}: {}", page.text());
        assert!(page.links().contains(&site.root.join("blocks").unwrap()), "it leads on");
    }
    // Numbers beyond the end are taken to mean the end.
    for path in ["blocks?from=18446744073709551615", "blocks/1?page=18446744073709551615"] {
        assert_eq!(site.get(path).await.status(), 200, "{path}");
    }
    for path in [
        "entries?before=0",
        "entries?after=18446744073709551615",
        "entries?before=18446744073709551615",
    ] {
        assert_eq!(site.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn every_response_is_guarded() {
    let site = Site::start().await;
    site.seal(lives()).await;
    let home = site.page("").await;
    let mut assets = 0;
    for path in ["", "de/", "blocks", "blocks/1", "entries", "entries/1", "search?q=1", "blocks/x"]
    {
        let response = site.get(path).await;
        let headers = response.headers();
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let html = response.text().await.unwrap();
        let html = html.replace("<script type=\"module\" src=\"", "");
        for inline in ["<script", "<style", " style=", " onclick=", " onload="] {
            assert!(!html.contains(inline), "{path}: {inline}");
        }
    }
    for link in home.links().into_iter().filter(|link| link.path().contains("/assets/")) {
        let response = site.client.get(link.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{link}");
        let caching = response.headers()["cache-control"].to_str().unwrap();
        assert!(caching.contains("immutable"), "{link}: {caching}");
        assets += 1;
    }
    assert!(assets >= 3, "a style sheet, a logo and a module");
}

#[tokio::test]
async fn hostile_ids_are_text_and_nothing_else() {
    let site = Site::start().await;
    let positions = site.seal(hostile_lives()).await;
    for (name, own) in HOSTILE.iter().zip(positions.chunks(3)) {
        for position in own {
            let page = site.page(&format!("entries/{}", position.id)).await;
            assert!(page.text().contains(name), "{name}: {}", page.text());
        }
        // From the commission to its affiliate, and to all entries of that: exactly its own are there.
        let commission = site.page(&format!("entries/{}", own[2].id)).await;
        for (field, pages, count) in [("affiliate", "affiliates", 1), ("merchant", "merchants", 3)]
        {
            let party = site.path(&[pages, "acme", name]);
            assert!(commission.links().contains(&party), "{name}: {party}");
            let party = site.page(party.as_str()).await;
            assert!(party.text().contains(name), "{name}: {}", party.text());
            let wanted =
                |link: &Url| link.query_pairs().any(|pair| pair == (field.into(), (*name).into()));
            let all = party.links().into_iter().find(wanted);
            let list = site.page(all.unwrap_or_else(|| panic!("{name}: {field}")).as_str()).await;
            let mut found = entry_links(&list);
            found.sort();
            let mut expected: Vec<_> =
                own.iter().rev().take(count).map(|position| position.id.to_string()).collect();
            expected.sort();
            assert_eq!(found, expected, "{name}: {field}");
        }
        for names in [
            ["commissions", "acme", name].as_slice(),
            &["orders", "acme", name],
            &["programs", "acme", name, name],
            &["affiliates", "acme", name, "statement"],
        ] {
            let page = site.page(site.path(names).as_str()).await;
            assert!(page.text().contains(name), "{names:?}: {}", page.text());
        }
        let mut search = site.root.join("search").unwrap();
        search.query_pairs_mut().append_pair("q", name);
        let found = site.page(search.as_str()).await;
        assert!(found.text().contains(name), "{name}");
        assert!(found.links().contains(&site.path(&["affiliates", "acme", name])), "{name}");
        for own in own {
            assert!(entry_links(&found).contains(&own.id.to_string()), "{name}");
        }
    }
    crawl(&site, "").await;
}

/// Follows every link from the first page below `base`; each must lead somewhere on this site. What
/// the API answers isn't read any further, nor are the pages in other languages.
async fn crawl(site: &Site, base: &str) -> usize {
    let first = site.root.join(base).unwrap();
    let mut waiting = VecDeque::from([first.clone()]);
    let mut seen = BTreeSet::from([first]);
    let mut pages = 0;
    while let Some(address) = waiting.pop_front() {
        let response = site.client.get(address.clone()).send().await.unwrap();
        if let Some(target) = response.headers().get("location") {
            let target = address.join(target.to_str().unwrap()).unwrap();
            assert!(target.as_str().starts_with(site.root.as_str()), "{target} leads away");
            waiting.extend(seen.insert(target.clone()).then_some(target));
            continue;
        }
        assert_eq!(response.status(), 200, "{address}");
        let below = address.as_str().strip_prefix(site.root.as_str()).unwrap();
        let other_language = LANGUAGES.iter().any(|code| below.starts_with(code) && base != *code);
        // A page to keep, which brings all that it needs with it.
        let is_file = below.ends_with(OFFLINE_PAGE);
        if is_file || other_language || OF_THE_API.iter().any(|path| below.starts_with(path)) {
            continue;
        }
        assert!(below.starts_with(base), "{address} isn't in the language of {base}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let html = response.text().await.unwrap();
        if !kind.starts_with("text/html") {
            assert!(address.path().contains("/assets/"), "{address}");
            continue;
        }
        pages += 1;
        assert!(pages <= MAX_CRAWLED_PAGES, "the pages end");
        assert!(html.len() <= MAX_PAGE_BYTES, "{address}: {} bytes", html.len());
        let lowered = html.to_ascii_lowercase().replace("<script type=\"module\" src=\"", "");
        for foreign in ["<script", "<img/", "<iframe", " onmouseover", "javascript:alert(1)\""] {
            assert!(!lowered.contains(foreign), "{address}: {foreign}");
        }
        for mut link in (Page { address, html }).links() {
            link.set_fragment(None);
            assert!(link.as_str().starts_with(site.root.as_str()), "{link} leads away");
            if seen.insert(link.clone()) {
                waiting.push_back(link);
            }
        }
    }
    pages
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let site = Site::start().await;
    site.seal(lives()).await;
    for number in 10..70 {
        site.seal(vec![sale(number, 5)]).await;
    }
    assert!(crawl(&site, "").await > 100);
}

#[tokio::test]
async fn works_behind_a_path_prefix() {
    let site = Site::start_below("/some/where/").await;
    site.seal(lives()).await;
    for base in ["", "de/", "ar/"] {
        assert!(crawl(&site, base).await > 40, "{base}");
    }
    let response = site.get("search?q=sale-1").await;
    let target = response.url().join(response.headers()["location"].to_str().unwrap()).unwrap();
    assert!(target.as_str().starts_with(site.root.join("entries/").unwrap().as_str()), "{target}");
}
