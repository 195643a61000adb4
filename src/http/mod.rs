//! The HTTP API.

mod schema;
