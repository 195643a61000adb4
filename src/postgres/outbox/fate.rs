//! What becomes of a row, by what the ledger said of its entry.

use std::collections::BTreeMap;

use super::super::PostgresError;
use super::row::Fault;
use crate::ledger::{Ledger, Outcome, Position, Rejection};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Body, Kind};
use crate::protocol::rules::Refusal;
use crate::protocol::time::Timestamp;

/// What a row waits for whose program has no terms yet.
const PROGRAM: &str = "program";

/// What becomes of a row.
pub(super) enum Fate {
    /// It is an entry.
    Sealed(Receipt),
    /// It is put off until what it names is there.
    Waits(Awaited, Fault),
    /// It is no entry.
    Rejected(Fault),
}

/// Where a row's entry stands.
pub(super) struct Receipt {
    pub position: Position,
    pub leaf_hash: [u8; 32],
    /// The time of its block.
    pub time: Timestamp,
    /// As what rows may wait for it.
    pub names: Vec<Awaited>,
}

/// What a row waits for, within its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    pub kind: &'static str,
    pub name: String,
}

/// The fates of rows: of those that state no entry, and of `entries`, in the order of `readings`.
///
/// # Errors
/// [`PostgresError::Ledger`].
pub(super) async fn fates(
    ledger: &Ledger,
    readings: Vec<Result<EncodedEntry, Fault>>,
    outcomes: Vec<Outcome>,
) -> Result<Vec<Fate>, PostgresError> {
    let times = block_times(ledger, &outcomes).await?;
    let mut outcomes = outcomes.into_iter();
    let fates = readings.into_iter().map(|reading| match reading {
        Err(fault) => Ok(Fate::Rejected(fault)),
        Ok(entry) => fate(&entry, outcomes.next().expect("an outcome for each entry"), &times),
    });
    fates.collect()
}

fn fate(
    entry: &EncodedEntry,
    outcome: Outcome,
    times: &BTreeMap<u64, Timestamp>,
) -> Result<Fate, PostgresError> {
    match outcome {
        Outcome::Sealed(position) | Outcome::Existing(position) => {
            let time = times.get(&position.height).copied();
            let time = time.ok_or_else(|| no_block(position.height))?;
            let (leaf_hash, names) = (entry.leaf_hash().0, names(entry));
            Ok(Fate::Sealed(Receipt { position, leaf_hash, time, names }))
        }
        Outcome::Rejected(Rejection::Refused(refusal)) => Ok(refused(&refusal)),
        Outcome::Rejected(Rejection::Conflict { first, differing_fields }) => {
            let first = match first {
                Some(first) => format!(", by the entry at index {}", first.index),
                None => String::new(),
            };
            Ok(Fate::Rejected(Fault {
                problem: "duplicate-external-id",
                detail: format!("this external id was used before{first}"),
                fields: differing_fields,
            }))
        }
        Outcome::Rejected(Rejection::NotAtomic) => {
            unreachable!("rows are submitted entry by entry")
        }
    }
}

/// What a refusal comes to: where something isn't there yet, it may still come.
fn refused(refusal: &Refusal) -> Fate {
    let fault = Fault {
        problem: refusal.rule(),
        detail: refusal.to_string(),
        fields: refusal.field().map(str::to_owned).into_iter().collect(),
    };
    match refusal {
        Refusal::MissingParent { kind, external_id, .. } => {
            Fate::Waits(Awaited { kind: kind.as_str(), name: external_id.to_string() }, fault)
        }
        Refusal::UnknownProgram { merchant, program } => {
            Fate::Waits(Awaited { kind: PROGRAM, name: format!("{merchant}/{program}") }, fault)
        }
        _ => Fate::Rejected(fault),
    }
}

/// As what rows may wait for an entry.
fn names(entry: &EncodedEntry) -> Vec<Awaited> {
    let entry = entry.entry();
    let name = entry.external_id.to_string();
    let mut names = vec![Awaited { kind: entry.body.named_as().as_str(), name: name.clone() }];
    match &entry.body {
        // An erasure names it by its own kind.
        Body::OpeningBalance(_) => {
            names.push(Awaited { kind: Kind::OpeningBalance.as_str(), name });
        }
        Body::ProgramTerms(terms) => {
            let name = format!("{}/{}", terms.merchant, terms.program);
            names.push(Awaited { kind: PROGRAM, name });
        }
        _ => {}
    }
    names
}

/// The times of the blocks in which entries stand.
async fn block_times(
    ledger: &Ledger,
    outcomes: &[Outcome],
) -> Result<BTreeMap<u64, Timestamp>, PostgresError> {
    let heights = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Sealed(position) | Outcome::Existing(position) => Some(position.height),
        Outcome::Rejected(_) => None,
    });
    let mut heights: Vec<u64> = heights.collect();
    heights.sort_unstable();
    heights.dedup();
    if heights.is_empty() {
        return Ok(BTreeMap::new());
    }
    let read = ledger.read(move |view| {
        let time = |height| match view.header(height) {
            Ok(Some(stored)) => Ok((height, stored.header.time)),
            Ok(None) => Err(no_block(height)),
            Err(error) => Err(PostgresError::Ledger(error.to_string())),
        };
        heights.into_iter().map(time).collect()
    });
    read.await.map_err(|error| PostgresError::Ledger(error.to_string()))?
}

fn no_block(height: u64) -> PostgresError {
    PostgresError::Ledger(format!("it has no block {height}"))
}
