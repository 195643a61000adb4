//! The outbox against a real PostgreSQL: rows become entries, whoever dies when.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

#[path = "postgres_outbox/access.rs"]
mod access;
#[path = "postgres_outbox/commitments.rs"]
mod commitments;
#[path = "postgres_outbox/crashes.rs"]
mod crashes;
#[path = "postgres_outbox/example.rs"]
mod example;
#[path = "postgres_outbox/rows.rs"]
mod rows;
#[path = "postgres_outbox/transport.rs"]
mod transport;
#[path = "postgres_outbox/world.rs"]
mod world;
