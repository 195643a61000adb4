//! Opening a ledger whose process was killed while it wrote.

use std::time::{Duration, Instant};

use super::child::{Job, Running, Task};
use super::ground;
use super::machine::{self, Memory};
use super::report::{Findings, Unit, real};
use crate::store::Store;

/// How often it is killed.
const KILLS: usize = 3;
/// How many blocks it writes at least before it is.
const MIN_BLOCKS_BEFORE_KILL: u64 = 10;
/// How long it goes on after those, in milliseconds; not always the same, so that not every
/// kill hits the same step.
const MORE_MS: [u64; KILLS] = [150, 617, 1_033];

/// Kills a process that writes to the ledger, `KILLS` times, and has it opened each time, with
/// nothing of it in the page cache; then once more without a kill, with everything cached.
/// `first` is a process that writes already, if there is one.
pub fn after_kills(job: &Job, mut first: Option<Running>) -> anyhow::Result<Findings> {
    let mut found = Findings::default();
    let (mut slowest, mut peak) = (0.0f64, 0.0f64);
    for more_ms in MORE_MS {
        let mut running = match first.take() {
            Some(running) => running,
            None => Job { task: Task::GoOn, ..job.clone() }.start()?,
        };
        running.wait_for_progress(MIN_BLOCKS_BEFORE_KILL)?;
        std::thread::sleep(Duration::from_millis(more_ms));
        running.kill()?;
        machine::cool(&job.ledger)?;
        let opened = Job { task: Task::Open, ..job.clone() }.delegate()?;
        slowest = slowest.max(opened.value("open.seconds").unwrap_or(f64::NAN));
        peak = peak.max(opened.value("open.memory_peak").unwrap_or(f64::NAN));
    }
    found.figure(
        "open.after_kill",
        format!("open after a kill, not cached, slowest of {KILLS}"),
        slowest,
        Unit::Seconds,
    );
    let again = Job { task: Task::Open, ..job.clone() }.delegate()?;
    if let Some(seconds) = again.value("open.seconds") {
        found.figure("open.again", "open after a stop, cached", seconds, Unit::Seconds);
    }
    found.figure("open.memory_peak", "memory while opening, at most", peak, Unit::Bytes);
    found.remark("the page cache of the ledger's files is dropped by posix_fadvise (DONTNEED)");
    Ok(found)
}

/// Opens the ledger once, in this process.
pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let began = Instant::now();
    let opened = Store::open(&job.ledger, chain)?;
    let seconds = began.elapsed().as_secs_f64();
    let mut findings = Findings::default();
    findings.figure("open.seconds", "open", seconds, Unit::Seconds);
    findings.figure("open.memory_peak", "memory", real(Memory::own().peak), Unit::Bytes);
    drop(opened);
    Ok(findings)
}
