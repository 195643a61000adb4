//! The database beside a ledger, as far as the node knows: told by whoever serves it, read by whoever
//! shows it.

/// What the node does for the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseReport {
    /// How it submits the rows of the outbox; nothing where it doesn't.
    pub outbox: Option<OutboxReport>,
}

/// How the outbox is drained. The counts are since the node started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxReport {
    /// Whether it works: the database can be reached and is this chain's, and the ledger seals.
    pub draining: bool,
    /// Rows that became entries, or were found to be such already.
    pub sealed: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// How often a row was put off until an entry that it names is there.
    pub put_off: u64,
    /// How often a batch, or connecting, failed and was tried again.
    pub failures: u64,
    /// How many rows wait to be submitted, as counted lately, up to a bound.
    pub pending: u64,
    /// How long ago the oldest of those was written, in seconds.
    pub oldest_pending_seconds: u64,
}
