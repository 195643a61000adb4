//! Reading from a full ledger: one thread, entries at random, read once before they are timed.

use std::time::{Duration, Instant};

use super::child::Job;
use super::ground;
use super::machine::Memory;
use super::report::{Findings, Unit, per_second, real};
use crate::protocol::hash::EntryId;
use crate::store::{Store, StoreError, View};

/// The most entries that are read. At 4 KiB a page they are more than any cache of ours.
const MAX_SAMPLE: u64 = 200_000;

pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let (store, _committer) = Store::open(&job.ledger, chain)?;
    let view = store.view();
    let sample = sample(&view, job)?;
    let pass = Pass { sample: &sample, limit: Duration::from_secs(job.seconds) };
    let by_index = pass.rate(|(index, _)| view.entry(*index).map(|entry| entry.is_some()))?;
    let by_id = pass.rate(|(_, id)| view.entry_with_id(id).map(|found| found.is_some()))?;
    let receipt = pass.rate(|(index, _)| view.receipt(*index).map(|receipt| receipt.is_some()))?;
    let mut findings = Findings::default();
    findings.figure("read.by_id", "entry by id", by_id, Unit::PerSecond);
    findings.figure("read.by_index", "entry by index", by_index, Unit::PerSecond);
    findings.figure("read.receipt", "receipt, built", receipt, Unit::PerSecond);
    findings.figure(
        "read.memory_peak",
        "memory while reading, at most",
        real(Memory::own().peak),
        Unit::Bytes,
    );
    findings.remark(format!(
        "{} random entries of the whole ledger, each read once before and once for each figure",
        sample.len()
    ));
    Ok(findings)
}

/// Random entries of the ledger. Reading them here is what warms them.
fn sample(view: &View, job: &Job) -> anyhow::Result<Vec<(u64, EntryId)>> {
    let size = view.head().size();
    let wanted = job.workload.entries.min(MAX_SAMPLE);
    let mut sample = Vec::new();
    let mut number = job.workload.seed;
    while (sample.len() as u64) < wanted {
        number = number.wrapping_add(1);
        let index = scattered(number) % size;
        // Where a header stands there is no entry.
        if let Some(entry) = view.entry(index)? {
            sample.push((index, entry.id()));
        }
    }
    Ok(sample)
}

/// A number that has nothing to do with the ones beside it.
pub fn scattered(number: u64) -> u64 {
    let mut bytes = [0; 8];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// One timed reading of the sample.
struct Pass<'a> {
    sample: &'a [(u64, EntryId)],
    limit: Duration,
}

impl Pass<'_> {
    /// How many a second `read` finds, each of which must be there.
    fn rate(
        &self,
        read: impl Fn(&(u64, EntryId)) -> Result<bool, StoreError>,
    ) -> anyhow::Result<f64> {
        let began = Instant::now();
        let mut done = 0;
        for item in self.sample {
            anyhow::ensure!(read(item)?, "entry {} at index {} is not found", item.1, item.0);
            done += 1;
            if began.elapsed() >= self.limit {
                break;
            }
        }
        Ok(per_second(done, began.elapsed().as_secs_f64()))
    }
}
