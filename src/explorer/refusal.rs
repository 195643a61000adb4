//! Errors that others made, as pages: an address that leads nowhere, too many requests, a node that
//! isn't ready. Machines get problems (RFC 9457); somebody with a browser gets a page that helps.

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use super::answer::{Explorer, ExplorerError, Visitor};
use crate::ledger::Ledger;

/// Where the API is: its errors stay as they are, whoever asks.
const API: &str = "/v1/";

/// Puts pages in the place of the problems that `routes` answer a browser with.
pub fn refusals_as_pages(routes: Router, ledger: Ledger) -> Router {
    routes.layer(from_fn_with_state(Explorer::new(ledger), replace))
}

async fn replace(State(explorer): State<Explorer>, request: Request, next: Next) -> Response {
    let for_people = wants_page(&request);
    let (mut parts, body) = request.into_parts();
    let Ok(visitor) = Visitor::from_request_parts(&mut parts, &explorer).await;
    let response = next.run(Request::from_parts(parts, body)).await;
    let is_page = media_type(response.headers()).starts_with("text/html");
    if !for_people || is_page {
        return response;
    }
    let error = match response.status() {
        StatusCode::NOT_FOUND => ExplorerError::NoSuchPage,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            ExplorerError::Overloaded
        }
        _ => return response,
    };
    let mut page = visitor.refuse(&error);
    *page.status_mut() = response.status();
    // What the answer says beside its body still holds: its id, when to try again.
    for (name, value) in response.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            page.headers_mut().insert(name.clone(), value.clone());
        }
    }
    super::secure(page.headers_mut());
    page
}

/// Whether somebody looks at the answer in a browser.
fn wants_page(request: &Request) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    reads
        && !request.uri().path().starts_with(API)
        && accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}
