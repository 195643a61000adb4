//! The relational side: a PostgreSQL database that is tied to the ledger.
//!
//! A surface: it translates between rows and entries, and decides nothing. Everything it owns
//! there stands in the schema `counterfoil`, made by versioned migrations; the tables of the
//! marketplace are only read. A database that is slow, full or away never holds the ledger up.
//!
//! | file | what |
//! |---|---|
//! | `address.rs` | the connection string: several hosts, and nothing of it in a log |
//! | `connection.rs` | connections to whichever host takes writes, bounded |
//! | `service.rs` | what a node does for the database, in the background |
//! | `migrate.rs`, `migrations/` | the schema, by version, and the chain that it belongs to |
//! | `outbox/` | rows that the backend commits with its own work become entries |
//! | `erase.rs` | private particulars, committed to and forgotten |
//! | `mirror/` | every sealed entry as rows of typed tables |
//! | `reconcile/` | the backend's own tables, compared with the ledger |
//! | `tables.rs`, `facts.rs`, `copy.rs` | the mirror's tables, from entries to rows, and from rows to bytes |
//! | `identifier.rs` | names of tables and columns that somebody wrote |
//! | `error.rs` | what goes wrong |

mod address;
mod connection;
mod copy;
mod erase;
mod error;
mod facts;
mod identifier;
mod migrate;
pub mod mirror;
mod outbox;
pub mod reconcile;
mod service;
pub mod tables;

pub use address::Address;
pub use connection::{Connection, Database, MAX_CONNECTIONS};
pub use erase::{erase, rewrite_secrets};
pub use error::PostgresError;
pub use migrate::{
    Migrated, NEWEST_VERSION, SchemaState, check_state, migrate, schema_state, server_version,
};
pub use outbox::{
    MAX_BATCH_BYTES, MAX_BATCH_ROWS, OutboxState, Rejected, outbox_state, rejected_rows, retry,
};
pub use service::{DEFAULT_PARENT_WAIT_SECONDS, OutboxSettings, Settings, run};
