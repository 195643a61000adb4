//! What the rules remember beyond single entries: a program's latest terms, who stands above whom,
//! and sums.

use bincode::{Decode, Encode};

use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::time::Timestamp;

/// What is remembered of a program.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ProgramRecord {
    /// The version of its latest terms.
    pub version: u32,
    /// From when those hold.
    pub effective_from: Timestamp,
    /// The record of those.
    pub latest: StateKey,
    /// The record of those before, withdrawn ones aside.
    pub before: Option<StateKey>,
}

/// What is remembered of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct SubscriptionRecord {
    /// How many transactions it has.
    pub payments: u32,
}

/// What is counted for tiers and caps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CountedRecord {
    /// How many transactions that earned direct commissions.
    pub count: u64,
    /// The affiliate's share in the parts' amounts.
    pub volume: Amount,
    /// What the commissions came to.
    pub earned: Amount,
}

/// What a merchant paid in a currency. Always `covers <= received`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepaidRecord {
    /// All that came in.
    pub received: Amount,
    /// All that it covers.
    pub covers: Amount,
}

/// What payouts carry forward for an affiliate in a currency, failed and returned ones aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CarriedRecord {
    /// All that closed payouts kept.
    pub kept: Amount,
    /// All that was added from there. More than was kept, for an affiliate who owes.
    pub used: Amount,
}

/// Who stands above an affiliate, by the latest word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct UplineRecord {
    /// Who, if anybody.
    pub upline: Option<Id>,
}
