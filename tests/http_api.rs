//! The HTTP API, over real sockets: what callers rely on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

#[path = "http_api/asking.rs"]
mod asking;
#[path = "http_api/changes.rs"]
mod changes;
#[path = "http_api/described.rs"]
mod described;
#[path = "http_api/facts.rs"]
mod facts;
#[path = "http_api/reading.rs"]
mod reading;
#[path = "http_api/refusing.rs"]
mod refusing;
#[path = "http_api/rules.rs"]
mod rules;
#[path = "http_api/streaming.rs"]
mod streaming;
#[path = "http_api/submitting.rs"]
mod submitting;
#[path = "http_api/surrounding.rs"]
mod surrounding;
#[path = "http_api/verifying.rs"]
mod verifying;
