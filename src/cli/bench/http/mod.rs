//! Submitting to a node over HTTP: batches, many clients with an entry each, one client alone.
//!
//! The node is a process of its own on this machine, on a ledger of its own that begins empty;
//! the clients share one thread of this one. What they send is text that was made before, so
//! that they cost little; how much is said. Each client has a tenant of its own: what its
//! entries name it has sent before, whatever the others do.

mod client;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use self::client::{Connection, Request};
use super::append::AppendFile;
use super::child::{self, Job, Running, Task};
use super::latency::Latencies;
use super::machine::{self, Memory};
use super::report::{Findings, Unit, per_second, real};
use super::{ground, workload};
use crate::http::SubmitAccess;
use crate::node::serve::{self, Setup};
use crate::protocol::spec::Currencies;

/// How many connections send batches.
const BATCH_CLIENTS: usize = 4;
/// The entries of a batch.
const BATCH_ENTRIES: usize = 1_000;
/// The most batches that each connection sends.
const MAX_BATCHES: usize = 100;
/// About how many single entries are made for each second, more than are ever sent.
const SINGLES_PER_SECOND: u64 = 60_000;
/// The most single entries, in all: some 600 bytes each.
const MAX_SINGLES: u64 = 400_000;
/// How many entries the lone client sends, and how many bare appends are made, before it is the
/// other's turn.
const TURN: usize = 20;
/// The most entries that the lone client sends.
const MAX_LONE: usize = 20_000;

/// Serves an empty ledger until killed; says where.
pub fn serve(job: &Job) -> anyhow::Result<Findings> {
    let (chain, key) = ground::prepare(&job.ledger)?;
    let setup = Setup {
        chain,
        directory: job.ledger.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        key: Some(key),
        access: SubmitAccess::Open,
    };
    serve::run(setup, |serving| {
        // Whoever started this is gone if it can't be told.
        let _ = child::serving(serving.address);
        std::future::ready(())
    })?;
    Ok(Findings::default())
}

/// The clients' side.
pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let served = Job { task: Task::Serve, ledger: job.home.join("served"), ..job.clone() };
    let mut node = served.start()?;
    let address = node.wait_for_address()?;
    let (chain, _) = ground::prepare(&served.ledger)?;
    let load = Load { job, address, node: &node, currencies: &chain.spec().currencies };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(load.measure())?;
    node.kill()?;
    std::fs::remove_dir_all(&served.ledger)?;
    Ok(findings)
}

/// Whom to burden with what.
struct Load<'a> {
    job: &'a Job,
    address: SocketAddr,
    node: &'a Running,
    currencies: &'a Currencies,
}

/// How a load went.
struct Went {
    entries: u64,
    time: Duration,
    latencies: Latencies,
    /// How long the clients computed.
    clients: Duration,
    /// How long the node did.
    node: Duration,
}

impl Load<'_> {
    async fn measure(&self) -> anyhow::Result<Findings> {
        let mut findings = Findings::default();
        let batches = self.batches()?;
        self.put(batches).await?.report(&mut findings, "http.batch", "JSON batches of 1,000");
        let singles = self.singles()?;
        let label = format!("single entries, {} clients", self.job.clients);
        self.put(singles).await?.report(&mut findings, "http.single", &label);
        self.alone(&mut findings).await?;
        let memory = Memory::of(self.node.id());
        findings.figure("http.memory_peak", "memory of the node", real(memory.peak), Unit::Bytes);
        findings.remark(format!(
            "batches on {BATCH_CLIENTS} connections; the clients' one thread runs beside the node on the same cores"
        ));
        Ok(findings)
    }

    /// The texts of what the client `number` of a load sends.
    fn texts(&self, load: &str, number: usize, count: u64) -> anyhow::Result<Vec<String>> {
        let tenant = format!("{load}-{number}").parse()?;
        let until = self.job.workload.until;
        workload::texts_of_client(number as u64, tenant, count, until, self.currencies)
    }

    fn batches(&self) -> anyhow::Result<Vec<VecDeque<Request>>> {
        let each = usize::try_from(self.job.workload.entries).unwrap_or(usize::MAX);
        let batches = (each / BATCH_CLIENTS).div_ceil(BATCH_ENTRIES).min(MAX_BATCHES);
        let client = |number| {
            let texts = self.texts("batch", number, (batches * BATCH_ENTRIES) as u64)?;
            Ok(texts.chunks(BATCH_ENTRIES).map(Request::new).collect())
        };
        (0..BATCH_CLIENTS).map(client).collect()
    }

    fn singles(&self) -> anyhow::Result<Vec<VecDeque<Request>>> {
        let wanted = (self.job.seconds.saturating_mul(SINGLES_PER_SECOND))
            .min(MAX_SINGLES)
            .min(self.job.workload.entries);
        let each = wanted.div_ceil(self.job.clients as u64);
        let client = |number| {
            let texts = self.texts("single", number, each)?;
            Ok(texts.chunks(1).map(Request::new).collect())
        };
        (0..self.job.clients).map(client).collect()
    }

    /// Has each client send its requests one after the other, all clients at the same time,
    /// until they have none left or the time is over.
    async fn put(&self, clients: Vec<VecDeque<Request>>) -> anyhow::Result<Went> {
        let limit = Duration::from_secs(self.job.seconds);
        let mut connections = Vec::new();
        for _ in &clients {
            connections.push(Connection::open(self.address).await?);
        }
        let (own, node) = (std::process::id(), self.node.id());
        let before = (machine::processor_time(own), machine::processor_time(node));
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (mut connection, requests) in connections.into_iter().zip(clients) {
            tasks.spawn(async move {
                let (mut entries, mut latencies) = (0, Latencies::new());
                for request in requests {
                    if began.elapsed() >= limit {
                        break;
                    }
                    let sent = Instant::now();
                    connection.submit(&request).await?;
                    latencies.record(sent.elapsed());
                    entries += request.entries as u64;
                }
                anyhow::Ok((entries, latencies))
            });
        }
        let (mut entries, mut latencies) = (0, Latencies::new());
        while let Some(client) = tasks.join_next().await {
            let (sent, times) = client.context("a client stopped")??;
            entries += sent;
            latencies.add(&times);
        }
        let time = began.elapsed();
        let clients = machine::processor_time(own).saturating_sub(before.0);
        let node = machine::processor_time(node).saturating_sub(before.1);
        Ok(Went { entries, time, latencies, clients, node })
    }

    /// One client with one entry at a time, in turn with a bare append and sync of the same.
    async fn alone(&self, findings: &mut Findings) -> anyhow::Result<()> {
        let count = MAX_LONE.min(usize::try_from(self.job.workload.entries).unwrap_or(MAX_LONE));
        let texts = self.texts("lone", 0, count as u64)?;
        let requests: Vec<_> = texts.chunks(1).map(Request::new).collect();
        let mut connection = Connection::open(self.address).await?;
        let mut file = AppendFile::create(&self.job.home)?;
        let (mut submits, mut appends) = (Latencies::new(), Latencies::new());
        let limit = Duration::from_secs(self.job.seconds);
        let began = Instant::now();
        for turn in requests.chunks(TURN) {
            for request in turn {
                let sent = Instant::now();
                connection.submit(request).await?;
                submits.record(sent.elapsed());
            }
            for text in &texts[..turn.len().min(texts.len())] {
                let written = Instant::now();
                file.append_bytes(text.as_bytes())?;
                appends.record(written.elapsed());
            }
            if began.elapsed() >= limit {
                break;
            }
        }
        submits.report(findings, "http.lone", "a lone client, an entry");
        appends.report(findings, "http.bare", "in turn with it, a bare append and sync");
        let allowed = 1.5 * appends.percentile_ms(50.0) + 1.0;
        findings.figure(
            "http.lone_over_allowed",
            "lone client to 1.5 bare appends and 1 ms, by the medians",
            submits.percentile_ms(50.0) / allowed,
            Unit::Ratio,
        );
        Ok(())
    }
}

impl Went {
    fn report(&self, findings: &mut Findings, key: &str, label: &str) {
        let rate = per_second(self.entries, self.time.as_secs_f64());
        findings.figure(&format!("{key}_rate"), label, rate, Unit::PerSecond);
        self.latencies.report(findings, key, "  a request");
        let shares = [("client", self.clients), ("node", self.node)];
        for (who, computed) in shares {
            let cores = computed.as_secs_f64() / self.time.as_secs_f64().max(f64::MIN_POSITIVE);
            let (key, label) =
                (format!("{key}_{who}_cores"), format!("  cores busy with the {who}"));
            findings.figure(&key, label, cores, Unit::Cores);
        }
    }
}
