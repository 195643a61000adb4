//! What goes wrong with a database. No message has a secret in it, nor a value of a row.

use crate::protocol::hash::{ChainId, HeaderHash};
use crate::store::StoreError;

/// Why something with the database didn't work.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The connection string is out of form. It isn't quoted, since it may hold a password.
    #[error(
        "the database's URL {0}; write it as in postgres://user@db1.example:5432,db2.example/market?sslmode=verify-full"
    )]
    BadAddress(String),
    /// No host can be connected to, or none of them takes writes.
    #[error("no database server can be used: {}", .0.join("; "))]
    Unreachable(Vec<String>),
    /// All connections that a node may have are in use.
    #[error("all connections to the database are in use")]
    Exhausted,
    /// The schema isn't there.
    #[error("the database has no schema of ours; make it with `counterfoil pg migrate`")]
    NotMigrated,
    /// The schema is older than this program.
    #[error(
        "the database's schema has version {found}, this program needs {needed}; run `counterfoil pg migrate`"
    )]
    Outdated {
        /// What it has.
        found: i32,
        /// What it should have.
        needed: i32,
    },
    /// The schema is newer than this program.
    #[error(
        "the database's schema has version {found}, this program knows {known}: it is older than the schema"
    )]
    Newer {
        /// What it has.
        found: i32,
        /// The newest that is known here.
        known: i32,
    },
    /// A migration was applied from another text.
    #[error(
        "migration {version} was applied to the database with another text than this program's"
    )]
    AlteredMigration {
        /// Its version.
        version: i32,
    },
    /// It belongs to another chain.
    #[error(
        "the database belongs to the ledger {found_origin} (chain {found}), this is {own_origin} (chain {own}); choose another database"
    )]
    OtherChain {
        /// The origin of the chain that it belongs to.
        found_origin: String,
        /// That chain.
        found: String,
        /// The origin of this chain.
        own_origin: String,
        /// This chain.
        own: ChainId,
    },
    /// Something took too long, so the connection was given up.
    #[error("the database didn't {action} within {seconds} seconds")]
    TooSlow {
        /// What was asked of it.
        action: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// The server refused, or the connection broke.
    #[error("the database can't {action}: {source}")]
    Statement {
        /// What was asked of it.
        action: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
    /// There is no salt to destroy.
    #[error("no commitment of this entry was made in this database")]
    NoCommitment,
    /// It answered with something that it can't have.
    #[error("the database holds what it can't hold: {0}")]
    Damaged(String),
    /// The ledger can't be read.
    #[error("the ledger can't be read: {0}")]
    Ledger(String),
    /// The mirror tells of another history of the same chain.
    #[error(
        "the mirror has block {height} with the header {found}, the ledger has {}; one of the two was rolled back or tells another history. Where the ledger is the one to trust, make the mirror anew with `counterfoil pg mirror --rebuild`",
        .own.map_or_else(|| "no such block".to_owned(), |own| own.to_string())
    )]
    OtherHistory {
        /// The height that the mirror has reached.
        height: u64,
        /// The hash of that header, by the mirror.
        found: String,
        /// The same by the ledger, if it has that block.
        own: Option<HeaderHash>,
    },
    /// The ledger is being closed, or is being opened anew.
    #[error("the ledger isn't open")]
    NotOpen,
}

/// `serialization_failure` and `deadlock_detected`: doing the same again is what helps.
const CONTENTION: [&str; 2] = ["40001", "40P01"];

impl From<StoreError> for PostgresError {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error.to_string())
    }
}

impl PostgresError {
    /// For `map_err` after a statement.
    pub fn statement(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { action, source }
    }

    /// Whether the database belongs to another ledger, so that trying again is no use.
    pub fn is_another_ledgers(&self) -> bool {
        // A block that the ledger doesn't have yet may be on its way to a replica.
        matches!(self, Self::OtherChain { .. } | Self::OtherHistory { own: Some(_), .. })
    }

    /// Whether others were in the way, and trying again at once is what helps.
    pub fn is_contention(&self) -> bool {
        let Self::Statement { source: sqlx::Error::Database(error), .. } = self else {
            return false;
        };
        error.code().is_some_and(|code| CONTENTION.contains(&code.as_ref()))
    }
}
