//! Submitting to a node over HTTP: batches, many clients with an entry each, one client alone.
//!
//! The node is a process of its own on this machine, on a ledger of its own that begins empty;
//! the clients share one thread of this one. What they send is text that was made before, so
//! that they cost little; how much is said. Each client has a tenant of its own: what its
//! entries name it has sent before, whatever the others do.

mod client;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use self::client::Connection;
pub use self::client::Request;
use super::append::AppendFile;
use super::child::{self, Job, Running, Task};
use super::latency::Latencies;
use super::machine::{self, Memory};
use super::report::{Findings, Unit, per_second, real};
use super::{ground, workload};
use crate::http::SubmitAccess;
use crate::node::serve::{self, Setup};
use crate::postgres::{DEFAULT_PARENT_WAIT_SECONDS, OutboxSettings, Settings};
use crate::protocol::verify::Chain;

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
/// What a lone client may take, in bare appends and milliseconds on top.
const ALLOWED: (f64, f64) = (1.5, 1.0);

/// Serves an empty ledger until killed, and drains the outbox of `database`; says where.
pub fn serve(job: &Job, database: Option<&str>) -> anyhow::Result<Findings> {
    let outbox =
        OutboxSettings { parent_wait: Duration::from_secs(DEFAULT_PARENT_WAIT_SECONDS.into()) };
    let postgres = database.map(|url| {
        let address = url.parse()?;
        anyhow::Ok(Settings { address, outbox: Some(outbox), mirror: false, reconcile: None })
    });
    let (chain, key) = ground::prepare(&job.ledger)?;
    let setup = Setup {
        chain,
        directory: job.ledger.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        key: Some(key),
        access: SubmitAccess::Open,
        published: Vec::new(),
        network: None,
        postgres: postgres.transpose()?,
    };
    serve::run(setup, |serving| {
        // Whoever started this is gone if it can't be told.
        let _ = child::serving(serving.address);
        std::future::ready(())
    })?;
    Ok(Findings::default())
}

pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let target = Target::start(job, "served")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = Findings::default();
    runtime.block_on(async {
        let limit = Duration::from_secs(job.seconds);
        let batches = target.put(target.batches()?, limit).await?;
        batches.report(&mut findings, "http.batch", "JSON batches of 1,000");
        let singles = target.put(target.singles("single", limit)?, limit).await?;
        let label = format!("single entries, {} clients", job.clients);
        singles.report(&mut findings, "http.single", &label);
        target.lone(&mut findings).await
    })?;
    let memory = target.memory();
    findings.figure("http.memory_peak", "memory of the node", real(memory.peak), Unit::Bytes);
    findings.remark("a lone client may take 1.5 bare appends, each synced, and 1 ms");
    findings.remark(format!(
        "batches on {BATCH_CLIENTS} connections; the clients' one thread runs beside the node on the same cores"
    ));
    target.stop()?;
    Ok(findings)
}

/// A node to submit to.
pub struct Target {
    /// The job of the node.
    job: Job,
    node: Running,
    address: SocketAddr,
    chain: Arc<Chain>,
    /// Whether its ledger was made for it.
    temporary: bool,
}

/// How a load went.
pub struct Went {
    /// How many entries were sealed, or questions answered.
    pub entries: u64,
    /// In how long.
    pub time: Duration,
    latencies: Latencies,
    /// How long the clients computed.
    clients: Duration,
    /// How long the node did.
    node: Duration,
}

impl Target {
    /// Starts a node on an empty ledger in a folder of that name.
    pub fn start(job: &Job, folder: &str) -> anyhow::Result<Self> {
        Self::on(Job { task: Task::Serve, ledger: job.home.join(folder), ..job.clone() }, true)
    }

    /// Starts a node on an empty ledger in a folder of that name, beside the database at `url`.
    pub fn beside_database(job: &Job, folder: &str, url: &str) -> anyhow::Result<Self> {
        let task = Task::ServeDatabase { url: url.to_owned() };
        Self::on(Job { task, ledger: job.home.join(folder), ..job.clone() }, true)
    }

    /// Starts a node on the ledger that was filled.
    pub fn on_filled(job: &Job) -> anyhow::Result<Self> {
        Self::on(Job { task: Task::Serve, ..job.clone() }, false)
    }

    fn on(job: Job, temporary: bool) -> anyhow::Result<Self> {
        let mut node = job.start()?;
        let address = node.wait_for_address()?;
        let (chain, _) = ground::prepare(&job.ledger)?;
        Ok(Self { job, node, address, chain, temporary })
    }

    /// What memory the node takes.
    pub fn memory(&self) -> Memory {
        Memory::of(self.node.id())
    }

    /// Ends the node, and removes a ledger that was made for it.
    pub fn stop(self) -> anyhow::Result<()> {
        self.node.kill()?;
        if self.temporary {
            std::fs::remove_dir_all(&self.job.ledger)?;
        }
        Ok(())
    }

    /// The texts of what the client `number` of a load sends.
    fn texts(&self, load: &str, number: usize, count: u64) -> anyhow::Result<Vec<String>> {
        let tenant = format!("{load}-{number}").parse()?;
        let (until, currencies) = (self.job.workload.until, &self.chain.spec().currencies);
        workload::texts_of_client(number as u64, &tenant, count, until, currencies)
    }

    fn batches(&self) -> anyhow::Result<Vec<VecDeque<Request>>> {
        let entries = usize::try_from(self.job.workload.entries).unwrap_or(usize::MAX);
        let batches = (entries / BATCH_CLIENTS).div_ceil(BATCH_ENTRIES).min(MAX_BATCHES);
        let client = |number| {
            let texts = self.texts("batch", number, (batches * BATCH_ENTRIES) as u64)?;
            Ok(texts.chunks(BATCH_ENTRIES).map(Request::new).collect())
        };
        (0..BATCH_CLIENTS).map(client).collect()
    }

    /// What the clients of a load send, one entry a request: more than they can within `limit`.
    pub fn singles(&self, load: &str, limit: Duration) -> anyhow::Result<Vec<VecDeque<Request>>> {
        let wanted = (limit.as_secs() + 1).saturating_mul(SINGLES_PER_SECOND);
        let wanted = wanted.min(MAX_SINGLES).min(self.job.workload.entries);
        let each = wanted.div_ceil(self.job.clients as u64);
        let client = |number| {
            let texts = self.texts(load, number, each)?;
            Ok(texts.chunks(1).map(Request::new).collect())
        };
        (0..self.job.clients).map(client).collect()
    }

    /// Has each client send its requests one after the other, all clients at the same time,
    /// until they have none left or the time is over.
    pub async fn put(
        &self,
        clients: Vec<VecDeque<Request>>,
        limit: Duration,
    ) -> anyhow::Result<Went> {
        let mut connections = Vec::new();
        for _ in &clients {
            connections.push(Connection::open(self.address).await?);
        }
        let (own, node) = (std::process::id(), self.node.id());
        let before = (machine::processor_time(own), machine::processor_time(node));
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (connection, requests) in connections.into_iter().zip(clients) {
            tasks.spawn(send(connection, requests, began, limit));
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
    async fn lone(&self, findings: &mut Findings) -> anyhow::Result<()> {
        let count = MAX_LONE.min(usize::try_from(self.job.workload.entries).unwrap_or(MAX_LONE));
        let texts = self.texts("lone", 0, count as u64)?;
        let mut connection = Connection::open(self.address).await?;
        let mut file = AppendFile::create(&self.job.home)?;
        let (mut submits, mut appends) = (Latencies::new(), Latencies::new());
        let limit = Duration::from_secs(self.job.seconds);
        let began = Instant::now();
        for turn in texts.chunks(TURN) {
            for request in turn.chunks(1).map(Request::new) {
                let sent = Instant::now();
                connection.submit(&request).await?;
                submits.record(sent.elapsed());
            }
            for text in turn {
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
        let (appends_allowed, more_ms) = ALLOWED;
        let allowed = appends_allowed * appends.percentile_ms(50.0) + more_ms;
        findings.figure(
            "http.lone_to_allowed",
            "a lone client to what it may take, p50",
            submits.percentile_ms(50.0) / allowed,
            Unit::Ratio,
        );
        Ok(())
    }
}

/// One client.
async fn send(
    mut connection: Connection,
    requests: VecDeque<Request>,
    began: Instant,
    limit: Duration,
) -> anyhow::Result<(u64, Latencies)> {
    let (mut entries, mut latencies) = (0, Latencies::new());
    for request in requests {
        if began.elapsed() >= limit {
            break;
        }
        let sent = Instant::now();
        connection.submit(&request).await?;
        latencies.record(sent.elapsed());
        entries += request.entries.max(1) as u64;
    }
    Ok((entries, latencies))
}

impl Went {
    /// Adds how many a second there were, how long each took, and what it cost.
    pub fn report(&self, findings: &mut Findings, key: &str, label: &str) {
        let seconds = self.time.as_secs_f64();
        let rate = per_second(self.entries, seconds);
        findings.figure(&format!("{key}_rate"), label, rate, Unit::PerSecond);
        findings.figure(
            &format!("{key}_entries"),
            format!("{label}, done"),
            real(self.entries),
            Unit::Count,
        );
        self.latencies.report(findings, key, label);
        for (who, computed) in [("clients", self.clients), ("node", self.node)] {
            let cores = computed.as_secs_f64() / seconds.max(f64::MIN_POSITIVE);
            let label = format!("{label}, cores busy with the {who}");
            findings.figure(&format!("{key}_{who}_cores"), label, cores, Unit::Cores);
        }
    }
}
