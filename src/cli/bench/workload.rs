//! The entries: whole lifecycles, with decisions on random old commissions.
//!
//! They are made by a thread of their own, block by block, and wait in a short queue. What the
//! ledger has follows from the workload alone, so a process that comes later goes on where the
//! one before was killed: it makes the same entries again and leaves out those that are there.

use std::iter::Take;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context;

use super::ground::Workload;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::Entry;
use crate::protocol::id::Id;
use crate::protocol::spec::Currencies;
use crate::protocol::text::EntryText;
use crate::protocol::time::Timestamp;
use crate::sample::{Marketplace, Profile};

/// The most blocks that are ready and wait.
const MAX_WAITING_BLOCKS: usize = 4;
/// How many entries more than the ledger is filled with can be made, for what is measured on a
/// full one: loads that are killed, and decisions on old commissions. A dozen runs need less.
const MORE_ENTRIES: u64 = 10_000_000;
/// The time from one entry of a client to its next, by event time, in milliseconds.
const CLIENT_PACE_MS: u64 = 15 * 60 * 1000;

/// Every entry of a workload, in order; more than a ledger is filled with.
pub fn entries(workload: &Workload, currencies: &Currencies) -> anyhow::Result<Take<Marketplace>> {
    let all = workload.entries.saturating_add(MORE_ENTRIES);
    let profile = Profile::benchmark(workload.seed, all, workload.until);
    let market = Marketplace::new(profile, currencies)?;
    Ok(market.take(usize::try_from(all).unwrap_or(usize::MAX)))
}

/// Encodes an entry, which includes its id, its leaf's hash and the key of its record.
pub fn encode(entry: Entry) -> EncodedEntry {
    EncodedEntry::new(entry).expect("a profile's bounds keep its entries within a leaf")
}

/// The first `count` entries of a client, as JSON: of a small marketplace that is its own, in
/// which all of its entries belong to `tenant`. Commissions come to be decided soon.
pub fn texts_of_client(
    number: u64,
    tenant: &Id,
    count: u64,
    until: Timestamp,
    currencies: &Currencies,
) -> anyhow::Result<Vec<String>> {
    let start = until.as_millis().saturating_sub(count.saturating_mul(CLIENT_PACE_MS));
    let profile = Profile {
        start: Timestamp::from_millis(start).context("the clock is out of range")?,
        pace_ms: CLIENT_PACE_MS,
        merchants: 4,
        affiliates: 40,
        ..Profile::benchmark(number, count, until)
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let entries = Marketplace::new(profile, currencies)?.take(count);
    let texts = entries.map(|entry| {
        let entry = Entry { tenant: tenant.clone(), ..entry };
        Ok(serde_json::to_string(&EntryText::new(&entry, currencies)?)?)
    });
    texts.collect()
}

/// Blocks of encoded entries, made by a thread of their own.
pub struct Blocks {
    ready: Receiver<Vec<EncodedEntry>>,
    thread: Option<JoinHandle<()>>,
}

impl Blocks {
    /// Begins to make the blocks that follow the first `skipped` entries.
    pub fn new(workload: &Workload, currencies: &Currencies, skipped: u64) -> anyhow::Result<Self> {
        let mut entries = entries(workload, currencies)?;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let block_entries = usize::try_from(workload.block_entries).unwrap_or(usize::MAX);
        let (sender, ready) = sync_channel(MAX_WAITING_BLOCKS);
        let make = move || {
            if let Some(last) = skipped.checked_sub(1) {
                entries.nth(last);
            }
            loop {
                let block: Vec<_> = entries.by_ref().take(block_entries).map(encode).collect();
                // Whoever took them may have enough.
                if block.is_empty() || sender.send(block).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("entries".to_owned()).spawn(make)?;
        Ok(Self { ready, thread: Some(thread) })
    }

    /// Stops making blocks.
    pub fn stop(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Iterator for Blocks {
    type Item = Vec<EncodedEntry>;

    fn next(&mut self) -> Option<Vec<EncodedEntry>> {
        self.ready.recv().ok()
    }
}
