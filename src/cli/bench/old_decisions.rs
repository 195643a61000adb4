//! Decisions on old commissions, with the records of the rules on the disk only, against the
//! same with everything in the page cache.
//!
//! Three of ten entries decide a random commission of all that ever were. Four runs in turn,
//! cold, warm, cold, warm, each on a ledger that was just opened, so that whatever the disk does
//! hits both.

use std::time::Instant;

use super::child::{self, Job};
use super::ingest::Sealer;
use super::machine;
use super::report::{Findings, Unit, per_second};
use super::workload::Blocks;

/// How many runs there are of each kind.
const RUNS: u64 = 2;
/// The most entries of a run.
const MAX_RUN_ENTRIES: u64 = 100_000;

pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let run_blocks =
        (job.workload.entries / 4).min(MAX_RUN_ENTRIES).div_ceil(job.workload.block_entries);
    let sealer = Sealer::open(job)?;
    let mut blocks = sealer.blocks(job)?;
    drop(sealer);
    let (mut cold, mut warm) = ((0, 0.0), (0, 0.0));
    for _ in 0..RUNS {
        machine::cool(&job.ledger)?;
        run(job, &mut blocks, run_blocks, &mut cold)?;
        machine::warm(&job.ledger)?;
        run(job, &mut blocks, run_blocks, &mut warm)?;
    }
    blocks.stop();
    let mut findings = Findings::default();
    let rates = [("old.cold", "state not cached", cold), ("old.warm", "state cached", warm)];
    for (key, label, (entries, seconds)) in rates {
        findings.figure(key, label, per_second(entries, seconds), Unit::PerSecond);
    }
    findings.ratio("old.warm_to_cold", "cached to not cached", "old.warm", "old.cold");
    findings.remark(format!(
        "{RUNS} runs of {} entries each way, in turn, on a ledger just opened; 30% are decisions and reversals on random commissions of the whole ledger; `cached` is what fits the page cache",
        run_blocks * job.workload.block_entries
    ));
    Ok(findings)
}

/// Seals some blocks on a ledger that is opened for it; adds how many entries that were, and
/// in how many seconds.
fn run(
    job: &Job,
    blocks: &mut Blocks,
    count: u64,
    (entries, seconds): &mut (u64, f64),
) -> anyhow::Result<()> {
    let mut sealer = Sealer::open(job)?;
    for block in blocks.by_ref().take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let began = Instant::now();
        *entries += block.len() as u64;
        sealer.seal(block)?;
        *seconds += began.elapsed().as_secs_f64();
        child::progress(sealer.entries())?;
    }
    let began = Instant::now();
    sealer.finish()?;
    *seconds += began.elapsed().as_secs_f64();
    Ok(())
}
