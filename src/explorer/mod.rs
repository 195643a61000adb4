//! The explorer: the ledger as web pages, rendered here, readable without JavaScript.
//!
//! It translates and never decides: each page reads one [`View`](crate::store::View) and says
//! in plain language what stands there. All links are relative, so the pages work unchanged
//! behind a proxy's path prefix, provided that the prefix ends with a slash and that the API
//! (`v1/`, `docs`, `checkpoint`) stands beside them.
//!
//! The words stand in `templates/`, so that other languages can come.
//!
//! | file | what |
//! |---|---|
//! | `home.rs`, `blocks.rs`, `entries.rs`, `entry.rs`, `search.rs` | a page or two each |
//! | `standing.rs` | where things stand today |
//! | `related.rs` | what belongs to an entry: a commission's whole life, a payout's parts |
//! | `paid.rs` | what a payout pays, by type |
//! | `marks.rs` | what must be seen wherever something is shown: deviations, amendments, imports |
//! | `lines.rs` | blocks and entries as lines of a list |
//! | `sentence.rs`, `values.rs` | entries, times, amounts and hashes as people read them |
//! | `answer.rs` | from a reading to a response, errors included |
//! | `verifier.rs`, `assets/verify/` | the verifier for browsers, and the page that takes files |
//! | `assets.rs` | the style sheet and the logo, by the hash of what they hold |

mod answer;
mod assets;
mod blocks;
mod entries;
mod entry;
mod home;
mod lines;
mod marks;
mod paid;
mod query;
mod related;
mod search;
mod sentence;
mod standing;
mod values;
mod verifier;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::get;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

pub use verifier::{offline_hash, offline_page};

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
    let pages = Router::new()
        .route("/", get(home::page))
        .route("/blocks", get(blocks::list))
        .route("/blocks/{name}", get(blocks::page))
        .route("/entries", get(entries::list))
        .route("/entries/{name}", get(entry::page))
        .route("/search", get(search::page))
        .route("/verify", get(verifier::page))
        .route("/verify/offline.html", get(verifier::offline))
        .with_state(answer::Explorer::new(ledger));
    SECURITY_HEADERS.into_iter().fold(pages.merge(assets::router()), |router, (name, value)| {
        let value = HeaderValue::from_static(value);
        router.layer(ServiceBuilder::new().layer(SetResponseHeaderLayer::overriding(name, value)))
    })
}
