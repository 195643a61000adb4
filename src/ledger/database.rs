//! The database beside a ledger, as far as the node knows: told by whoever serves it, read by whoever
//! shows it.

/// What the node does for the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseReport {
    /// How it submits the rows of the outbox; nothing where it doesn't.
    pub outbox: Option<OutboxReport>,
    /// How it mirrors the ledger; nothing where it doesn't.
    pub mirror: Option<MirrorReport>,
    /// How the marketplace's own tables compare with the ledger; nothing where they aren't compared.
    pub comparison: Option<ComparisonReport>,
}

/// How the ledger is mirrored. The counts are since the node started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorReport {
    /// The height that the mirror has reached, as far as is known.
    pub height: u64,
    /// How many entries were mirrored.
    pub entries: u64,
    /// How often it broke off and was tried again.
    pub failures: u64,
}

/// How the marketplace's own tables compare with the ledger. The counts of comparisons are since the
/// node started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparisonReport {
    /// How often they were compared.
    pub comparisons: u64,
    /// How often they could not be.
    pub failures: u64,
    /// How many rows were compared the last time.
    pub rows: u64,
    /// How many differences were found the last time: anything but nothing is an alarm.
    pub differences: u64,
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
