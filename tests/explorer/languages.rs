//! Every page in every language, chosen by address or by what the browser asks for.

use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE};

use crate::support::site::{Page, Site, lives};

async fn asked(site: &Site, path: &str, languages: &str) -> (String, Page) {
    let request = site.client.get(site.root.join(path).unwrap());
    let response = request.header(ACCEPT_LANGUAGE, languages).send().await.unwrap();
    assert_eq!(response.headers()["vary"], "Accept-Language", "{path}");
    let language = response.headers()["content-language"].to_str().unwrap().to_owned();
    assert!(!response.headers().contains_key("set-cookie"), "no cookies");
    let address = response.url().clone();
    (language, Page { address, html: response.text().await.unwrap() })
}

#[tokio::test]
async fn a_page_speaks_the_language_that_is_asked_for() {
    let site = Site::start().await;
    site.seal(lives()).await;
    let cases = [
        ("entries/3", "fr", "en", "earns 123.45 EUR from order order-1 at shop"),
        ("entries/3", "de-AT,en;q=0.5", "de", "verdient 123,45 EUR aus der Bestellung order-1"),
        ("entries/3", "ar", "ar", "يكسب المسوّق affiliate-1"),
        ("de/entries/4", "ar", "de", "Die Provision heute"),
        ("ar/", "en", "ar", "أحدث القيود"),
        ("en/", "de", "en", "Latest entries"),
        ("de/entries/unknown", "en", "de", "Es gibt keinen Eintrag unknown"),
        ("de/search?q=order-1", "en", "de", ""),
    ];
    for (path, languages, expected, said) in cases {
        if path.contains("search") {
            let response = site.get(path).await;
            assert_eq!(response.headers()["location"], "./orders/acme/order-1", "it stays there");
            continue;
        }
        let (language, page) = asked(&site, path, languages).await;
        assert_eq!(language, expected, "{path} for {languages}");
        assert!(page.html.contains(&format!("<html lang=\"{expected}\"")), "{path}");
        assert!(page.text().contains(said), "{path}: {said} is not in {}", page.text());
        let direction = if expected == "ar" { "rtl" } else { "ltr" };
        assert!(page.html.contains(&format!("dir=\"{direction}\"")), "{path}");
        // The same page in every other language.
        for code in ["en", "de", "ar"] {
            let below = path.trim_start_matches("de/").trim_start_matches("ar/");
            let below = below.trim_start_matches("en/");
            let other = site.root.join(&format!("{code}/{below}")).unwrap();
            assert!(page.links().contains(&other), "{path}: {other}");
        }
    }
}

#[tokio::test]
async fn what_others_refuse_is_a_page_for_people() {
    let site = Site::start().await;
    for (accept, path, is_page) in [
        ("text/html,application/xhtml+xml", "nothing/here", true),
        ("text/html", "de/nichts", true),
        ("application/json", "nothing/here", false),
        ("text/html", "v1/nothing", false),
    ] {
        let request = site.client.get(site.root.join(path).unwrap()).header(ACCEPT, accept);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind.starts_with("text/html"), is_page, "{path}: {kind}");
        assert!(response.headers().contains_key("x-request-id"), "{path}");
        if is_page {
            let policy = response.headers()["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            let address = response.url().clone();
            let page = Page { address, html: response.text().await.unwrap() };
            assert!(
                page.links().contains(&site.root.join("blocks").unwrap()) || path == "de/nichts"
            );
        }
    }
}
