//! Verifying a full ledger, by the code of `counterfoil verify --dir` and `counterfoil fsck`.

use std::time::Instant;

use anyhow::ensure;

use super::child::Job;
use super::ground;
use super::machine::Memory;
use super::report::{Findings, Unit, per_second, real};
use crate::cli::verify::directory;
use crate::store::Store;

pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let began = Instant::now();
    let proven = directory::verify(&job.ledger, &chain, true)?;
    let seconds = began.elapsed().as_secs_f64();
    let mut findings = Findings::default();
    let rate = per_second(proven.entries, seconds);
    findings.figure("verify.rate", "entries verified, opening included", rate, Unit::PerSecond);
    findings.figure("verify.entries", "entries", real(proven.entries), Unit::Count);
    let peak = real(Memory::own().peak);
    findings.figure("verify.memory_peak", "memory while verifying, at most", peak, Unit::Bytes);
    Ok(findings)
}

pub fn measure_fsck(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let (store, _committer) = Store::open(&job.ledger, chain)?;
    let began = Instant::now();
    let report = store.fsck(|_| {})?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(report.is_clean(), "the ledger is damaged: {:?}", report.findings);
    let mut findings = Findings::default();
    let rate = per_second(report.entries, seconds);
    findings.figure("verify.fsck_rate", "entries checked by fsck", rate, Unit::PerSecond);
    let peak = real(Memory::own().peak);
    findings.figure("verify.fsck_memory_peak", "memory in fsck, at most", peak, Unit::Bytes);
    Ok(findings)
}
