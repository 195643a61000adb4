//! `counterfoil bench`: what the store can do on this machine, beside what else one could use.
//!
//! Each part runs in a process of its own, on one ledger that is filled first. What every
//! figure includes stands at the top of the file of its part.
//!
//! | file | what |
//! |---|---|
//! | `ingest.rs` | filling the ledger, and a bare append-only file in turn with it |
//! | `alone.rs` | the bare file and the source of the entries, by themselves |
//! | `open.rs` | opening after a kill |
//! | `read.rs`, `verify.rs`, `old_decisions.rs` | what is done with a full ledger |
//! | `http/` | a node under load |
//! | `sync.rs` | catching up with a peer, and following one |
//! | `postgres/` | the same entries in PostgreSQL |
//! | `workload.rs`, `append.rs`, `ground.rs` | the entries, the bare file, the directory |
//! | `child.rs` | processes of our own |
//! | `machine.rs`, `latency.rs` | memory, disk, page cache; percentiles |
//! | `report.rs`, `goals.rs` | figures, and what they ought to be |
//! | `table.rs`, `chart.rs` | how they are shown |

mod alone;
mod append;
mod chart;
mod child;
mod goals;
mod ground;
mod http;
mod ingest;
mod latency;
mod machine;
mod old_decisions;
mod open;
mod postgres;
mod queries;
mod read;
mod report;
mod sync;
mod table;
mod verify;
mod workload;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::child::{Job, Running, Task};
use self::ground::{Ground, Workload};
use self::machine::Machine;
use self::report::{Findings, Report};
use super::output::Misuse;
use super::{Exit, Outcome, output};
use crate::ledger;
use crate::node::files;

/// What all sample entries follow from.
const SEED: u64 = 20_261_121;

/// Measure the store on this machine, beside a bare file and PostgreSQL
///
/// Fills a ledger with synthetic entries, whole lifecycles with 30% decisions and reversals on
/// random old commissions, and measures writing, opening after a kill, reading and verifying.
/// A bare append-only file, synced as often, is written in turn with the ledger, so that the
/// ratios hold whatever else the disk does. Use a release build on a quiet machine.
#[derive(Args)]
#[command(after_help = "Examples:\n  counterfoil bench\n  \
    counterfoil bench --entries 3000000 --json bench.json --svg bench.svg\n  \
    counterfoil bench --entries 30000000 --dir big --only ingest,raw\n  \
    counterfoil bench --dir big --only open,read,old-decisions")]
pub struct Arguments {
    /// How many entries the ledger is filled with [default: 300,000, or as many as --dir has]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    entries: Option<u64>,
    /// How many entries a block has
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    block_entries: u64,
    /// Where to write; a ledger that an earlier run has filled there is used again. Without it,
    /// a new folder in the current one, which is removed afterwards
    #[arg(long)]
    dir: Option<PathBuf>,
    /// What to measure, separated by commas [default: everything]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// How many clients submit single entries at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    clients: u64,
    /// How long each thing is measured, in seconds, where the entries don't tell
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// A PostgreSQL server to compare with; a schema of its own is made there, and dropped
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw a chart
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What a process that this command started is to do
    #[arg(long, hide = true)]
    job: Option<String>,
}

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A bare append-only file, in turn with `ingest`
    Raw,
    /// Filling a ledger, block by block
    Ingest,
    /// Opening it after a kill
    Open,
    /// Entries and receipts, one by one
    Read,
    /// Verifying all of it
    Verify,
    /// Decisions on old commissions, cached and not
    OldDecisions,
    /// Questions to a node on the full ledger, many clients at the same time
    Queries,
    /// Submitting to a node: batches, single entries, a lone client
    Http,
    /// Catching up with a peer, and following one
    Sync,
    /// The same entries in PostgreSQL's tables, with --postgres
    Postgres,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether it is done with a ledger that is full.
    fn needs_ledger(self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Read
                | Self::Verify
                | Self::Queries
                | Self::OldDecisions
                | Self::Sync
        )
    }
}

impl Arguments {
    pub fn run(self) -> Outcome {
        if let Some(job) = &self.job {
            return child::work(job);
        }
        self.check()?;
        let ground = Ground::new(self.dir.as_deref())?;
        ground.remove_when_interrupted()?;
        let workload = self.workload(&ground)?;
        let job = Job {
            task: Task::Alone,
            home: ground.path().to_owned(),
            ledger: ground.ledger(),
            workload: workload.clone(),
            seconds: self.seconds,
            clients: usize::try_from(self.clients).unwrap_or(usize::MAX),
        };
        let mut bench = Bench {
            began: Instant::now(),
            parts: self.parts(),
            report: Report {
                version: env!("CARGO_PKG_VERSION"),
                optimised: !cfg!(debug_assertions),
                command: self.command_line(),
                started: ledger::now(),
                seconds: 0.0,
                machine: Machine::new(ground.path()),
                workload,
                parts: Vec::new(),
            },
            ground,
            job,
        };
        bench.introduce()?;
        bench.run()?;
        if let Some(url) = self.postgres.clone().filter(|_| bench.measures(Part::Postgres)) {
            let findings = bench.delegate(Task::Postgres { url })?;
            bench.keep(Part::Postgres, findings)?;
        }
        bench.write(&self)?;
        Ok(Exit::Fine)
    }

    fn parts(&self) -> Vec<Part> {
        let all = Part::value_variants().to_vec();
        if self.only.is_empty() { all } else { self.only.clone() }
    }

    /// Finds what is wrong before anything is measured.
    fn check(&self) -> anyhow::Result<()> {
        match &self.postgres {
            Some(url) => postgres::check(url),
            None if self.only.contains(&Part::Postgres) => {
                anyhow::bail!(Misuse("--only postgres takes a server, --postgres URL".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// The command line, without the server, whose URL may hold a password.
    fn command_line(&self) -> Vec<String> {
        let hidden = |argument: String| match &self.postgres {
            Some(url) => argument.replace(url.as_str(), "URL"),
            None => argument,
        };
        std::env::args().map(hidden).collect()
    }

    /// What the ledger has, or is to be filled with.
    fn workload(&self, ground: &Ground) -> anyhow::Result<Workload> {
        const DEFAULT_ENTRIES: u64 = 300_000;
        let fills = self.parts().contains(&Part::Ingest);
        match (ground.filled()?, self.entries) {
            (Some(_), _) if fills => anyhow::bail!(Misuse(format!(
                "{} is filled already; choose another --dir, or leave `ingest` out of --only",
                ground.ledger().display()
            ))),
            (Some(filled), Some(asked)) if filled.entries != asked => {
                anyhow::bail!(Misuse(format!(
                    "{} was filled with {}, not with {}; leave --entries out",
                    ground.ledger().display(),
                    output::counted(filled.entries, "entry", "entries"),
                    output::count(asked)
                )))
            }
            (Some(filled), _) => Ok(filled),
            (None, asked) => {
                let entries = asked.unwrap_or(DEFAULT_ENTRIES);
                Ok(Workload::new(SEED, entries, self.block_entries))
            }
        }
    }
}

/// One run.
struct Bench {
    began: Instant,
    parts: Vec<Part>,
    ground: Ground,
    job: Job,
    report: Report,
}

impl Bench {
    /// Says what is about to be measured, and on what.
    fn introduce(&self) -> anyhow::Result<()> {
        let Machine { cores, processor, memory_bytes, file_system, kernel } = &self.report.machine;
        let unknown = || "unknown".to_owned();
        let (memory, workload) = (memory_bytes >> 30, &self.report.workload);
        output::line(format_args!(
            "{cores} cores ({}), {memory} GiB of memory, {} on Linux {}",
            processor.clone().unwrap_or_else(unknown),
            file_system.clone().unwrap_or_else(unknown),
            kernel.clone().unwrap_or_else(unknown),
        ))?;
        let removed = if self.ground.is_temporary() { ", removed afterwards" } else { "" };
        output::line(format_args!(
            "{} in blocks of {}, in {}{removed}",
            output::counted(workload.entries, "entry", "entries"),
            output::count(workload.block_entries),
            self.ground.path().display(),
        ))?;
        if !self.report.optimised {
            output::line("this is no release build: these figures mean nothing")?;
        }
        if matches!(file_system.as_deref(), Some("tmpfs" | "ramfs")) {
            output::line("this directory is in memory, where syncing costs nothing: use --dir")?;
        }
        Ok(())
    }

    fn measures(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let (ingest, raw) = (self.measures(Part::Ingest), self.measures(Part::Raw));
        let missing = self.ground.filled()?.is_none();
        let needed = missing && self.parts.iter().any(|part| part.needs_ledger());
        let mut writing = None;
        if ingest || raw || needed {
            writing = self.fill(ingest, raw, needed)?;
        }
        if self.measures(Part::Open) {
            let findings = open::after_kills(&self.job, writing.take())?;
            self.keep(Part::Open, findings)?;
        }
        drop(writing);
        let rest = [
            (Part::Read, vec![Task::Read]),
            (Part::Verify, vec![Task::Verify, Task::Fsck]),
            (Part::Queries, vec![Task::Queries]),
            (Part::OldDecisions, vec![Task::OldDecisions]),
            (Part::Http, vec![Task::Http]),
            (Part::Sync, vec![Task::Sync]),
        ];
        for (part, tasks) in rest {
            if self.measures(part) {
                let mut findings = Findings::default();
                for task in tasks {
                    findings.extend(self.delegate(task)?);
                }
                self.keep(part, findings)?;
            }
        }
        Ok(())
    }

    fn delegate(&self, task: Task) -> anyhow::Result<Findings> {
        Job { task, ..self.job.clone() }.delegate()
    }

    /// Fills the ledger or a bare file, and keeps what was measured of what was asked for; the
    /// process that did it, where it is to be killed.
    fn fill(&mut self, ingest: bool, raw: bool, needed: bool) -> anyhow::Result<Option<Running>> {
        let ledger = ingest || needed;
        let go_on = ledger && self.measures(Part::Open);
        let alone = if ingest || raw { Some(self.delegate(Task::Alone)?) } else { None };
        let task = Task::Fill { ledger, raw, go_on };
        let mut running = Job { task, ..self.job.clone() }.start()?;
        let mut findings = running.wait_for_findings()?;
        if ledger {
            self.ground.set_filled(&self.report.workload)?;
        }
        if let Some(alone) = alone {
            findings.extend(alone);
            findings.ratio(
                "ingest.to_raw_alone",
                "ledger to bare file with nothing beside it",
                "ingest.rate",
                "alone.raw_rate",
            );
            self.keep(if ingest { Part::Ingest } else { Part::Raw }, findings)?;
        }
        Ok(go_on.then_some(running))
    }

    fn keep(&mut self, part: Part, findings: Findings) -> anyhow::Result<()> {
        let goals = goals::judge(&findings, self.report.workload.entries);
        table::print(&part.name(), &findings, &goals)?;
        self.report.parts.push(report::Part { name: part.name(), findings, goals });
        Ok(())
    }

    fn write(&mut self, arguments: &Arguments) -> anyhow::Result<()> {
        self.report.seconds = self.began.elapsed().as_secs_f64();
        if let Some(path) = &arguments.json {
            let json = serde_json::to_string_pretty(&self.report).context("figures are JSON")?;
            files::write_text(path, &format!("{json}\n"))?;
        }
        if let Some(path) = &arguments.svg {
            files::write_text(path, &chart::draw(&self.report))?;
        }
        Ok(())
    }
}
