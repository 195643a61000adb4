//! The explorer and the API over a ledger of their own, and pages as they come from it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use counterfoil::explorer;
use counterfoil::http::{self, Api, SubmitAccess};
use counterfoil::ledger::{Atomicity, Ledger, Outcome, Position};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::{
    Action, Body, Commission, Payout, PayoutLine, ProgramTerms, Reason, Reward, Transaction,
    Verdict,
};
use reqwest::{Client, Response, Url, redirect};
use tempfile::TempDir;

use super::chain::{
    chain, commission, currency, decision, entry, id, key, reversal, sale, terms, time, units,
};

/// Ids that would be something else if a page took them at their word.
pub const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"/><img/src=x>",
    "'onmouseover='alert(1)",
    "a/b?c=d&e=f#g",
    "100%41%2e+plus",
    "../../etc",
    "{{7*7}}{%raw%}",
    "javascript:alert(1)//\\",
];

/// A ledger that is served on a free port.
pub struct Site {
    pub root: Url,
    pub ledger: Ledger,
    pub client: Client,
    _directory: TempDir,
}

/// A page, as it came.
pub struct Page {
    pub address: Url,
    pub html: String,
}

impl Site {
    pub async fn start() -> Self {
        Self::start_below("/").await
    }

    pub async fn start_below(prefix: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (ledger, _) = Ledger::open(directory.path(), chain("books"), Some(key())).unwrap();
        let api = Api { ledger: ledger.clone(), access: SubmitAccess::Open, genesis_note: None };
        let pages = http::router(api, explorer::router(ledger.clone()));
        let router = match prefix.trim_end_matches('/') {
            "" => pages,
            // What a proxy that takes its prefix away comes to.
            prefix => axum::Router::new().nest_service(prefix, pages),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        let root = Url::parse(&format!("http://{address}{prefix}")).unwrap();
        Self { root, ledger, client, _directory: directory }
    }

    /// Seals entries in one block.
    pub async fn seal(&self, entries: Vec<EncodedEntry>) -> Vec<Position> {
        let outcomes = self.ledger.submit(entries, Atomicity::AllOrNothing).await.unwrap();
        let position = |outcome| match outcome {
            Outcome::Sealed(position) => position,
            other => panic!("{other:?}"),
        };
        outcomes.into_iter().map(position).collect()
    }

    pub async fn get(&self, path: &str) -> Response {
        let address = self.root.join(path).unwrap();
        self.client.get(address).send().await.unwrap()
    }

    /// The page at `path`, which is there.
    pub async fn page(&self, path: &str) -> Page {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        Page { address: response.url().clone(), html: response.text().await.unwrap() }
    }
}

impl Page {
    /// Everything that the page refers to.
    pub fn links(&self) -> Vec<Url> {
        ["href=\"", "src=\"", "action=\""]
            .into_iter()
            .flat_map(|attribute| self.html.split(attribute).skip(1))
            .map(|rest| unescape(rest.split('"').next().unwrap()))
            .filter(|link| !link.starts_with('#'))
            .map(|link| self.address.join(&link).unwrap_or_else(|error| panic!("{link}: {error}")))
            .collect()
    }

    /// What a reader sees.
    pub fn text(&self) -> String {
        let body = self.html.split("<body>").nth(1).unwrap();
        let mut text = String::new();
        for piece in body.split('<') {
            let (tag, piece) = piece.split_once('>').unwrap_or(("", piece));
            // Tags that begin a line of their own keep words apart.
            if ["dt", "dd", "p", "li", "div"].contains(&tag.split(' ').next().unwrap_or_default()) {
                text.push(' ');
            }
            text.push_str(piece);
        }
        unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

pub fn unescape(html: &str) -> String {
    let named = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")];
    let plain = named.into_iter().fold(html.to_owned(), |html, (from, to)| html.replace(from, to));
    plain.replace("&#38;", "&").replace("&amp;", "&")
}

/// A commission's life from terms to payout, and another that ends badly.
pub fn lives() -> Vec<EncodedEntry> {
    let extend = Verdict::Extend { locking_date: time("2026-06-01T00:00:00Z") };
    let payout = Payout {
        affiliate: id("affiliate-1"),
        currency: currency("EUR"),
        period_from: time("2026-03-01T00:00:00Z"),
        period_until: time("2026-04-01T00:00:00Z"),
        continues: None,
        lines: vec![PayoutLine { commission: id("commission-1"), amount: units(9000) }],
        total: Some(units(9000)),
    };
    vec![
        terms(),
        sale(1, 123_450),
        commission(1, 12_000),
        decision("extended", 1, extend),
        reversal("returned", 1, 2500),
        decision("approved", 1, Verdict::Approve),
        decision("locked", 1, Verdict::Lock),
        entry("payout-1", Body::Payout(payout)),
        sale(2, 1999),
        commission(2, 199),
        decision("declined", 2, Verdict::Decline { reason: Reason::SelfReferral }),
    ]
}

/// Entries in which everything that may be chosen freely is hostile.
pub fn hostile_lives() -> Vec<EncodedEntry> {
    let mut entries = Vec::new();
    for name in HOSTILE {
        let terms = Body::ProgramTerms(ProgramTerms {
            merchant: id(name),
            program: id(name),
            version: 1,
            effective_from: time("2026-01-01T00:00:00Z"),
            effective_until: None,
            locking_days: 1,
            reward: Reward::Fixed { currency: currency("JPY"), amount: units(500) },
        });
        let sale = Body::Transaction(Transaction {
            order_ref: id(name),
            merchant: id(name),
            program: id(name),
            action: Action::Lead,
            currency: currency("JPY"),
            amount: units(0),
            link_ref: Some(id(name)),
            campaign_ref: Some(id(name)),
            click_ref: Some(id(name)),
        });
        let commission = Body::Commission(Commission {
            transaction: id(name),
            terms: id(name),
            affiliate: id(name),
            currency: currency("JPY"),
            amount: units(500),
        });
        entries.extend([terms, sale, commission].map(|body| entry(name, body)));
    }
    entries
}
