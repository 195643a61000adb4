//! The explorer and the API over a ledger of their own, and pages as they come from it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use counterfoil::explorer;
use counterfoil::http::{self, Api, SubmitAccess};
use counterfoil::ledger::{Atomicity, Ledger, Outcome, Position};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::text;
use reqwest::{Client, Response, Url, redirect};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::chain::{chain, key};

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
        let api = Api {
            ledger: ledger.clone(),
            access: SubmitAccess::Open,
            genesis_note: None,
            stopping: CancellationToken::new(),
        };
        let pages = http::router(api, explorer::router(ledger.clone()));
        let pages = explorer::refusals_as_pages(pages, ledger.clone());
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

    /// The address of these names, one below the other, each encoded.
    pub fn path(&self, names: &[&str]) -> Url {
        let path: Vec<String> = names.iter().map(|name| encoded(name)).collect();
        self.root.join(&path.join("/")).unwrap()
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
        let attributes = ["href", "src", "action"].into_iter();
        attributes
            .flat_map(|name| [(name, '"'), (name, '\'')])
            .flat_map(|(name, quote)| {
                let begin = format!(" {name}={quote}");
                let rests: Vec<_> = self.html.split(&begin).skip(1).collect();
                rests.into_iter().map(move |rest| unescape(rest.split(quote).next().unwrap()))
            })
            .filter(|link| !link.starts_with('#'))
            .map(|link| self.address.join(&link).unwrap_or_else(|error| panic!("{link}: {error}")))
            .collect()
    }

    /// What a reader sees.
    pub fn text(&self) -> String {
        let body = self.html.split("<body").nth(1).unwrap().split_once('>').unwrap().1;
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

/// `text` with everything but letters, digits, `-`, `_`, `.` and `~` percent-encoded.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

pub fn unescape(html: &str) -> String {
    let named = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")];
    let plain = named.into_iter().fold(html.to_owned(), |html, (from, to)| html.replace(from, to));
    plain.replace("&#38;", "&").replace("&amp;", "&")
}

/// A commission's life from terms to payout, another that is declined and reopened, and whatever
/// else may be stated: an entry of every kind at least.
pub fn lives() -> Vec<EncodedEntry> {
    let lives: Vec<Value> = serde_json::from_str(include_str!("lives.json")).unwrap();
    lives.iter().map(told).collect()
}

/// An entry from its text.
pub fn told(text: &Value) -> EncodedEntry {
    let entry = text::parse(&text.to_string(), &chain("books").spec().currencies);
    EncodedEntry::new(entry.unwrap_or_else(|error| panic!("{text}: {error}"))).unwrap()
}

/// Entries in which everything that may be chosen freely is hostile.
pub fn hostile_lives() -> Vec<EncodedEntry> {
    let mut entries = Vec::new();
    for name in HOSTILE {
        let fact = |kind: &str, body: Value| {
            told(&json!({"tenant": "acme", "kind": kind, "external_id": name,
                "event_time": "2026-03-01T12:00:00Z", "body": body}))
        };
        entries.push(fact(
            "program_terms",
            json!({"merchant": name, "program": name, "version": 1,
                "effective_from": "2026-01-01T00:00:00Z", "actions": ["lead"],
                "locking": {"type": "open_ended"},
                "rules": [{"commission_group": name, "affiliate_group": name,
                    "reward": {"type": "fixed", "currency": "JPY", "amount": "500"}}]}),
        ));
        entries.push(fact(
            "transaction",
            json!({"order_ref": name, "merchant": name, "program": name, "action": "lead",
                "currency": "JPY", "amount": "0", "voucher": name, "commission_group": name,
                "link_ref": name, "campaign_ref": name, "click_ref": name,
                "items": [{"item": name, "quantity": 1, "amount": "0"}]}),
        ));
        entries.push(fact(
            "commission",
            json!({"transaction": name, "terms": name, "rule": 1, "affiliate": name,
                "role": {"type": "direct", "share_ppm": 1_000_000, "commission_group": name,
                    "affiliate_group": name},
                "currency": "JPY", "amount": "500"}),
        ));
    }
    entries
}
