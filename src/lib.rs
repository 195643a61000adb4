//! Counterfoil: an append-only transparency ledger node for affiliate marketing.
//!
//! The layers, outermost first. A module imports only from layers below its own, never from a
//! neighbour; `tests/tidy.rs` reads this list and holds everyone to it.

// The rows of a merchant's statement have more members than `json!` takes by itself, where an example
// shows one.
#![recursion_limit = "256"]

#[cfg(feature = "node")]
pub mod cli;

#[cfg(feature = "node")]
pub mod node;

#[cfg(feature = "node")]
pub mod explorer;
#[cfg(feature = "node")]
pub mod http;
#[cfg(feature = "node")]
pub mod network;
#[cfg(feature = "node")]
pub mod postgres;

#[cfg(feature = "node")]
pub mod ledger;

#[cfg(feature = "node")]
pub mod query;

#[cfg(feature = "node")]
pub mod store;

#[cfg(feature = "node")]
pub mod sample;

pub mod protocol;
