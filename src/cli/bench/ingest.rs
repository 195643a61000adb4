//! Filling a ledger, block by block, and a bare file beside it.
//!
//! In the figure: encoding entries with their ids and hashes, the rules, the log, a signature a
//! block, records and indexes, and each block durable before the next is begun. The thread that
//! makes the entries encodes them too, as the thread of a request does in a node. Not in it:
//! JSON and HTTP, which `http` measures, and making the entries, which goes on beside it.
//!
//! Every fourth block also goes to the bare file, at once, so that whatever the disk does hits
//! both. While that one is written the ledger's merges go on, as they do beside anything else;
//! `alone` says what the file does without them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::append::AppendFile;
use super::child::{self, Job};
use super::ground;
use super::latency::Latencies;
use super::machine::{self, Memory};
use super::report::{Curve, Findings, Slice, Unit, per_second, real};
use super::workload::Blocks;
use crate::ledger;
use crate::protocol::block::EncodedEntry;
use crate::protocol::key::SealingKey;
use crate::protocol::rules::AdmitError;
use crate::protocol::verify::{Chain, Draft, VerifiedBlock};
use crate::store::{Committer, Pending, Progress, Store};

/// Into how many slices a run is parted.
const SLICES: u64 = 40;
/// Every how many blocks one goes to the bare file.
const RAW_EVERY_BLOCKS: u64 = 4;
/// How many entries are appended one by one, each synced, after each such block.
const SINGLES_PER_BLOCK: usize = 2;

/// A ledger that is written to without a node around it.
pub struct Sealer {
    chain: Arc<Chain>,
    key: SealingKey,
    store: Store,
    committer: Committer,
    /// Signed, and not yet durable.
    sealed: Option<VerifiedBlock>,
}

impl Sealer {
    /// Opens the ledger in a job's directory, or makes it.
    pub fn open(job: &Job) -> anyhow::Result<Self> {
        let (chain, key) = ground::prepare(&job.ledger)?;
        let (store, committer) = Store::open(&job.ledger, chain.clone())?;
        ensure!(committer.standing().may_seal(), "{}", committer.standing());
        Ok(Self { chain, key, store, committer, sealed: None })
    }

    /// The blocks that come next.
    pub fn blocks(&self, job: &Job) -> anyhow::Result<Blocks> {
        Blocks::new(&job.workload, &self.chain.spec().currencies, self.entries())
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        let head = self.store.head();
        // The other leaves are headers, genesis among them.
        head.size() - head.height() - 1
    }

    /// Seals a block of entries, and meanwhile makes the one before durable, which it gives back.
    pub fn seal(&mut self, entries: Vec<EncodedEntry>) -> anyhow::Result<Option<VerifiedBlock>> {
        let before = self.sealed.take();
        let pending = Pending::new(self.store.clone(), before.as_ref());
        let mut draft = Draft::new(&self.chain, pending.tip(), &pending, ledger::now());
        match &before {
            None => admit(&mut draft, entries)?,
            Some(before) => {
                let admit = |_: &Progress| admit(&mut draft, entries);
                let (committed, admitted) = self.committer.commit_meanwhile(before, || {}, admit);
                committed?;
                admitted?;
            }
        }
        self.sealed = Some(draft.seal(&self.key));
        Ok(before)
    }

    /// Makes the last block durable, and gives it back.
    pub fn finish(&mut self) -> anyhow::Result<Option<VerifiedBlock>> {
        let last = self.sealed.take();
        if let Some(last) = &last {
            self.committer.commit(last)?;
        }
        Ok(last)
    }
}

fn admit(draft: &mut Draft<'_, Pending<'_>>, entries: Vec<EncodedEntry>) -> anyhow::Result<()> {
    for entry in entries {
        ensure!(
            draft.has_room_for(entry.leaf().len()),
            "the chain spec allows no block as large; choose less --block-entries"
        );
        match draft.admit(entry) {
            Ok(_) => {}
            Err(AdmitError::Refused(refusal)) => bail!("an entry was refused: {refusal}"),
            Err(AdmitError::State(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Fills a ledger, a bare file, or both.
pub fn fill(job: &Job, ledger: bool, raw: bool, go_on: bool) -> anyhow::Result<Findings> {
    let currencies = ground::prepare(&job.ledger)?.0.spec().currencies.clone();
    let mut sealer = ledger.then(|| Sealer::open(job)).transpose()?;
    let mut file = raw.then(|| AppendFile::create(&job.home)).transpose()?;
    let mut run = Run::new(job);
    let mut blocks = Blocks::new(&job.workload, &currencies, 0)?;
    while run.made < job.workload.entries {
        let left = usize::try_from(job.workload.entries - run.made).unwrap_or(usize::MAX);
        let began = Instant::now();
        let mut entries = blocks.next().context("making entries ended too early")?;
        entries.truncate(left);
        run.waiting += began.elapsed();
        run.made += entries.len() as u64;
        match (&mut sealer, &mut file) {
            (None, None) => {}
            (None, Some(file)) => run.append(file, &entries)?,
            (Some(sealer), file) => {
                let block = run.seal(sealer, entries, began)?;
                // The block that is durable now is the one before.
                if let (Some(file), Some(block)) = (file, &block)
                    && (run.blocks - 1).is_multiple_of(RAW_EVERY_BLOCKS)
                {
                    run.append(file, block.entries())?;
                }
                // Whoever writes a ledger lets go of blocks, too.
                let began = Instant::now();
                drop(block);
                run.ledger.add(0, began.elapsed());
            }
        }
        run.blocks += 1;
        run.close_slice_if_due();
        child::progress(run.made)?;
    }
    if let Some(sealer) = &mut sealer {
        let began = Instant::now();
        sealer.finish()?;
        run.ledger.add(0, began.elapsed());
    }
    let findings = run.findings(job, ledger, raw)?;
    drop(file);
    if let Some(sealer) = sealer.filter(|_| go_on) {
        child::found(findings)?;
        return until_killed(sealer, blocks);
    }
    blocks.stop();
    Ok(findings)
}

/// Goes on with the ledger that is there until it is killed.
pub fn go_on(job: &Job) -> anyhow::Result<Findings> {
    let sealer = Sealer::open(job)?;
    let blocks = sealer.blocks(job)?;
    until_killed(sealer, blocks)
}

fn until_killed(mut sealer: Sealer, blocks: Blocks) -> anyhow::Result<Findings> {
    for block in blocks {
        sealer.seal(block)?;
        child::progress(sealer.entries())?;
    }
    bail!("there are no more entries to write until it is killed")
}

/// What was measured so far.
struct Run {
    blocks: u64,
    made: u64,
    slice_entries: u64,
    /// How many were made when the slice began.
    slice_from: u64,
    waiting: Duration,
    ledger: Course,
    raw: Course,
    blocks_sealed: Latencies,
    singles: Latencies,
}

/// How one of the two went, slice by slice.
#[derive(Default)]
struct Course {
    done: u64,
    slices: Vec<Slice>,
    entries: u64,
    time: Duration,
}

impl Course {
    fn add(&mut self, entries: u64, time: Duration) {
        self.entries += entries;
        self.time += time;
    }

    /// Closes a slice that began when the ledger had `from_entry` entries.
    fn close_slice(&mut self, from_entry: u64) {
        if self.entries > 0 {
            let (entries, seconds) = (self.entries, self.time.as_secs_f64());
            self.slices.push(Slice { from_entry, entries, seconds });
            self.done += entries;
            (self.entries, self.time) = (0, Duration::ZERO);
        }
    }

    fn rate(&self) -> f64 {
        let seconds = self.slices.iter().map(|slice| slice.seconds).sum();
        per_second(self.done, seconds)
    }

    /// The rate of a quarter of the slices, from 0 to 3.
    fn quarter_rate(&self, quarter: usize) -> f64 {
        let (from, to) = (self.slices.len() * quarter / 4, self.slices.len() * (quarter + 1) / 4);
        let slices = self.slices.get(from..to).unwrap_or_default();
        let entries = slices.iter().map(|slice| slice.entries).sum();
        per_second(entries, slices.iter().map(|slice| slice.seconds).sum())
    }
}

impl Run {
    fn new(job: &Job) -> Self {
        Self {
            blocks: 0,
            made: 0,
            slice_entries: job.workload.entries.div_ceil(SLICES),
            slice_from: 0,
            waiting: Duration::ZERO,
            ledger: Course::default(),
            raw: Course::default(),
            blocks_sealed: Latencies::new(),
            singles: Latencies::new(),
        }
    }

    /// Seals a block. What the ledger is charged with begins when it asked for the entries.
    fn seal(
        &mut self,
        sealer: &mut Sealer,
        entries: Vec<EncodedEntry>,
        asked: Instant,
    ) -> anyhow::Result<Option<VerifiedBlock>> {
        let count = entries.len() as u64;
        let began = Instant::now();
        let block = sealer.seal(entries)?;
        self.blocks_sealed.record(began.elapsed());
        self.ledger.add(count, asked.elapsed());
        Ok(block)
    }

    fn append(&mut self, file: &mut AppendFile, entries: &[EncodedEntry]) -> anyhow::Result<()> {
        let began = Instant::now();
        file.append(entries)?;
        self.raw.add(entries.len() as u64, began.elapsed());
        for entry in entries.iter().take(SINGLES_PER_BLOCK) {
            let began = Instant::now();
            file.append([entry])?;
            self.singles.record(began.elapsed());
        }
        Ok(())
    }

    /// Slices end with blocks; the last one with the run.
    fn close_slice_if_due(&mut self) {
        if self.made - self.slice_from >= self.slice_entries {
            self.close_slice();
        }
    }

    fn close_slice(&mut self) {
        self.ledger.close_slice(self.slice_from);
        self.raw.close_slice(self.slice_from);
        self.slice_from = self.made;
    }

    fn findings(mut self, job: &Job, ledger: bool, raw: bool) -> anyhow::Result<Findings> {
        self.close_slice();
        let mut findings = Findings::default();
        if ledger {
            self.ledger_findings(job, &mut findings)?;
        }
        if raw {
            let what = "a bare file, a sync a block, in turn with the ledger";
            let what = if ledger { what } else { "a bare file, a sync a block" };
            findings.figure("raw.rate", what, self.raw.rate(), Unit::PerSecond);
            self.singles.report(&mut findings, "raw.single", "a bare file, a sync an entry");
            findings.ratio(
                "ingest.to_raw",
                "ledger to bare file, in turn",
                "ingest.rate",
                "raw.rate",
            );
        }
        let courses = [("ledger", "ledger", self.ledger), ("raw", "bare file", self.raw)];
        for (key, name, Course { slices, .. }) in courses {
            if !slices.is_empty() {
                findings.curves.push(Curve::new(key, name, slices));
            }
        }
        Ok(findings)
    }

    fn ledger_findings(&self, job: &Job, findings: &mut Findings) -> anyhow::Result<()> {
        let course = &self.ledger;
        let (first, last) = (course.quarter_rate(0), course.quarter_rate(3));
        let seconds: f64 = course.slices.iter().map(|slice| slice.seconds).sum();
        findings.figure("ingest.rate", "entries, durable", course.rate(), Unit::PerSecond);
        findings.figure("ingest.first_quarter", "first quarter", first, Unit::PerSecond);
        findings.figure("ingest.last_quarter", "last quarter", last, Unit::PerSecond);
        findings.ratio(
            "ingest.decay",
            "last quarter to first",
            "ingest.last_quarter",
            "ingest.first_quarter",
        );
        self.blocks_sealed.report(findings, "ingest.block", "a block admitted and durable");
        let computed = machine::processor_time(std::process::id()).as_secs_f64();
        findings.figure(
            "ingest.processor_per_entry",
            "processor time an entry, all threads, making it included",
            computed * 1e6 / real(course.done.max(1)),
            Unit::Microseconds,
        );
        let waited = if seconds > 0.0 { self.waiting.as_secs_f64() / seconds } else { 0.0 };
        findings.figure("ingest.waited", "of it waiting for entries", waited, Unit::Ratio);
        let disk = real(machine::disk_bytes(&job.ledger)?) / real(course.done.max(1));
        findings.figure("ingest.disk_per_entry", "disk, an entry", disk, Unit::Bytes);
        let memory = Memory::own();
        let memory = [
            ("ingest.memory_peak", "memory, at most", memory.peak),
            ("ingest.memory", "memory, at the end", memory.now),
        ];
        for (key, label, bytes) in memory {
            findings.figure(key, label, real(bytes), Unit::Bytes);
        }
        Ok(())
    }
}
