//! What the rest is held against: making entries, and a bare file, with nothing beside them.
//!
//! The first says whether the source of entries could be what limits a figure; the second what
//! the disk gives.

use std::time::{Duration, Instant};

use super::append::AppendFile;
use super::child::{self, Job};
use super::latency::Latencies;
use super::machine::Memory;
use super::report::{Findings, Unit, per_second};
use super::{ground, workload};
use crate::protocol::block::EncodedEntry;

/// The most entries that are made.
const MAX_ENTRIES: u64 = 3_000_000;
/// The most blocks that are written to the file, spread evenly.
const MAX_WRITTEN_BLOCKS: u64 = 400;
/// How many entries are appended one by one, each synced, after each of those blocks.
const SINGLES_PER_BLOCK: usize = 2;

pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.home.join("alone"))?;
    let mut entries = workload::entries(&job.workload, &chain.spec().currencies)?;
    let block_entries = usize::try_from(job.workload.block_entries).unwrap_or(usize::MAX);
    let blocks = job.workload.entries.min(MAX_ENTRIES).div_ceil(job.workload.block_entries);
    let every = blocks.div_ceil(MAX_WRITTEN_BLOCKS);
    let mut file = AppendFile::create(&job.home)?;
    let (mut making, mut encoding, mut writing) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut made, mut written) = (0, 0);
    let mut singles = Latencies::new();
    for number in 0..blocks {
        let block: Vec<_> = timed(&mut making, || entries.by_ref().take(block_entries).collect());
        let block: Vec<EncodedEntry> =
            timed(&mut encoding, || block.into_iter().map(workload::encode).collect());
        made += block.len() as u64;
        if number % every == 0 {
            timed(&mut writing, || file.append(&block))?;
            written += block.len() as u64;
            for entry in block.iter().take(SINGLES_PER_BLOCK) {
                let began = Instant::now();
                file.append([entry])?;
                singles.record(began.elapsed());
            }
        }
        child::progress(made)?;
    }
    std::fs::remove_dir_all(job.home.join("alone"))?;
    let mut findings = Findings::default();
    let (made_in, encoded_in) = (making.as_secs_f64(), encoding.as_secs_f64());
    findings.figure(
        "alone.make_rate",
        "entries made, by one thread",
        per_second(made, made_in),
        Unit::PerSecond,
    );
    findings.figure(
        "alone.make_and_encode_rate",
        "entries made and encoded, by one thread",
        per_second(made, made_in + encoded_in),
        Unit::PerSecond,
    );
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let memory = Memory::own().peak as f64;
    findings.figure("alone.memory_peak", "memory to make entries, at most", memory, Unit::Bytes);
    findings.figure(
        "alone.raw_rate",
        "a bare file, a sync a block, nothing beside it",
        per_second(written, writing.as_secs_f64()),
        Unit::PerSecond,
    );
    singles.report(&mut findings, "alone.raw_single", "a bare file, a sync an entry");
    Ok(findings)
}

/// Adds how long something takes to `total`.
fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    *total += began.elapsed();
    result
}
