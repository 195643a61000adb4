//! Counterfoil: an append-only transparency ledger node for affiliate marketing.
//!
//! The layers, outermost first. A module imports only from layers below its own, never from a
//! neighbour; `tests/tidy.rs` reads this list and holds everyone to it.

#[cfg(feature = "node")]
pub mod cli;

#[cfg(feature = "node")]
pub mod node;

#[cfg(feature = "node")]
pub mod explorer;
#[cfg(feature = "node")]
pub mod http;

#[cfg(feature = "node")]
pub mod ledger;

#[cfg(feature = "node")]
pub mod query;

#[cfg(feature = "node")]
pub mod store;

#[cfg(feature = "node")]
pub mod sample;

pub mod protocol;
