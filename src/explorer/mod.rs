//! The explorer: the ledger as web pages, rendered here, readable without JavaScript.
//!
//! It translates and never decides: each page reads one [`View`](crate::store::View), asks the layer
//! below ([`query`](crate::query)), and says in plain language what stands there. All links are
//! relative, so the pages work unchanged behind a proxy's path prefix, provided that the prefix ends
//! with a slash and that the API (`v1/`, `docs`, `checkpoint`) stands beside them.
//!
//! Every page is there in each language, below its code (`/de/blocks/7`), and without one in whichever
//! the browser asks for. Relative links stay in the language that somebody chose; there are no cookies.
//!
//! | file | what |
//! |---|---|
//! | `home.rs`, `blocks.rs`, `entries.rs`, `entry.rs`, `search.rs` | a page or two each |
//! | `history.rs` | the life of a commission, or of an order |
//! | `affiliate.rs`, `statement.rs`, `merchant.rs`, `program.rs` | who and what entries are about |
//! | `transparency.rs`, `status.rs` | the node, as far as it can be asked about itself |
//! | `activity.rs`, `balances.rs`, `chart.rs`, `condition.rs` | what those pages are made of |
//! | `standing.rs` | where things stand today |
//! | `related.rs` | what belongs to an entry: a commission's whole life, a payout's parts |
//! | `paid.rs` | what a payout pays, by type |
//! | `marks.rs` | what must be seen wherever something is shown: deviations, amendments, imports |
//! | `lines.rs` | blocks and entries as lines of a list |
//! | `sentence.rs`, `telling.rs`, `values.rs` | entries, times, amounts and hashes as people read them |
//! | `messages.rs`, `language.rs` | what is said, and how numbers and dates are written, in each language |
//! | `answer.rs` | from a request to a reading, and from that to a response, errors included |
//! | `refusal.rs` | errors that others made, as pages |
//! | `verifier.rs`, `assets/verify/` | the verifier for browsers, and the page that takes files |
//! | `assets.rs` | style sheet, logo and modules, by the hash of what they hold |

mod activity;
mod affiliate;
mod answer;
mod assets;
mod balances;
mod blocks;
mod chart;
mod condition;
mod entries;
mod entry;
mod history;
mod home;
mod language;
mod lines;
mod marks;
mod merchant;
mod messages;
mod paid;
mod program;
mod query;
mod refusal;
mod related;
mod search;
mod sentence;
mod standing;
mod statement;
mod status;
mod telling;
mod transparency;
mod values;
mod verifier;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;

use self::language::Language;
pub use self::refusal::refusals_as_pages;
pub use self::verifier::{offline_hash, offline_page};
use crate::ledger::Ledger;

/// What a page may load: its own style sheet and images, nothing inline, nothing of others.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
    script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of every response.
const SECURITY_HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
];

/// The explorer's pages and assets. Paths that are not its own are left to whoever merges it.
pub fn router(ledger: Ledger) -> Router {
    let explorer = answer::Explorer::new(ledger);
    let languages = Language::ALL.map(|language| format!("/{}/", language.code()));
    let bases = std::iter::once("/".to_owned()).chain(languages);
    let pages = bases.fold(Router::new(), |router, base| {
        router.merge(pages(&base).with_state(explorer.clone())).merge(assets::router(&base))
    });
    pages.layer(map_response(async |mut response: Response| {
        secure(response.headers_mut());
        response
    }))
}

/// Sets the headers of every response.
fn secure(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The pages below `base`, which ends with a slash.
fn pages(base: &str) -> Router<answer::Explorer> {
    let at = |path: &str| format!("{base}{path}");
    Router::new()
        .route(&at(""), get(home::page))
        .route(&at("latest"), get(home::latest_page))
        .route(&at("blocks"), get(blocks::list))
        .route(&at("blocks/{name}"), get(blocks::page))
        .route(&at("entries"), get(entries::list))
        .route(&at("entries/{name}"), get(entry::page))
        .route(&at("commissions/{tenant}/{name}"), get(history::commission))
        .route(&at("orders/{tenant}/{order}"), get(history::order))
        .route(&at("affiliates/{tenant}/{affiliate}"), get(affiliate::page))
        .route(&at("affiliates/{tenant}/{affiliate}/statement"), get(statement::page))
        .route(&at("merchants/{tenant}/{merchant}"), get(merchant::page))
        .route(&at("programs/{tenant}/{merchant}/{program}"), get(program::page))
        .route(&at("search"), get(search::page))
        .route(&at("verify"), get(verifier::page))
        .route(&at("verify/offline.html"), get(verifier::offline))
        .route(&at("transparency"), get(transparency::page))
        .route(&at("status"), get(status::page))
}
