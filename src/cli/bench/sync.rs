//! Catching up with a peer, and how soon what is acknowledged is on a replica.
//!
//! A process serves the full ledger; another begins empty, fetches, verifies and commits all of it.
//! Both run on the same cores. Beside it, in turn: the same blocks from the same store, verified and
//! committed by one process alone, which is what catching up is compared with.
//!
//! Then an authority takes entries one by one, at a given rate, and a replica of it follows; each
//! entry's time is from its acknowledgement until the replica serves it.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::child::{self, Job, Task};
use super::ground::{self, Workload};
use super::latency::Latencies;
use super::machine::Memory;
use super::report::{Findings, Unit, per_second, real};
use super::workload;
use crate::ledger::{Appending, Atomicity, Ledger, MAX_APPENDING_BLOCKS, Outcome, WriterThread};
use crate::network::{Multiaddr, Network};
use crate::node::dev;
use crate::protocol::block::Block;
use crate::protocol::verify::Chain;
use crate::store::Store;

/// How many entries a second the authority takes while a replica follows it.
const TAIL_PER_SECOND: u64 = 1_000;
/// How many entries follow each other before it is said how far it is.
const PROGRESS_ENTRIES: u64 = 10_000;

pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let mut findings = Job { task: Task::AppendAlone, ..job.clone() }.delegate()?;
    let mut server = Job { task: Task::ServePeers, ..job.clone() }.start()?;
    let peer = server.wait_for_peer_address()?;
    let follow = Task::Follow { peer };
    findings.extend(Job { task: follow, ..job.clone() }.delegate()?);
    server.kill()?;
    findings.ratio(
        "sync.to_alone",
        "catching up to appending alone",
        "sync.rate",
        "sync.alone_rate",
    );
    findings.extend(Job { task: Task::Tail, ..job.clone() }.delegate()?);
    Ok(findings)
}

/// Verifies and commits all blocks of the full ledger into another one, with nobody between.
pub fn append_alone(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let (source, committer) = Store::open(&job.ledger, chain.clone())?;
    let view = source.view();
    let target = Target::open(job, "appended", chain)?;
    let runtime = Runtime::new()?;
    let began = Instant::now();
    runtime.block_on(async {
        let mut in_hand: VecDeque<Appending> = VecDeque::new();
        for height in 1..=view.head().height() {
            let bytes = view.block_bytes(height)?.context("a view has every block")?;
            let block = Block::decode(&bytes)?;
            if in_hand.len() == MAX_APPENDING_BLOCKS
                && let Some(first) = in_hand.pop_front()
            {
                first.outcome().await?;
            }
            in_hand.push_back(target.ledger.hand_over(block).await?);
        }
        for rest in in_hand {
            rest.outcome().await?;
        }
        anyhow::Ok(())
    })?;
    let rate = per_second(entries_of(&target.ledger), began.elapsed().as_secs_f64());
    drop((view, source, committer));
    target.remove()?;
    let mut findings = Findings::default();
    let label = "the same blocks, verified and committed alone";
    findings.figure("sync.alone_rate", label, rate, Unit::PerSecond);
    Ok(findings)
}

/// Serves the full ledger to peers until killed; says where.
pub fn serve_peers(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let (ledger, _writer) = Ledger::open(&job.ledger, chain, None)?;
    Runtime::new()?.block_on(async {
        let network = Network::start(dev::network(&job.ledger, &[])?, ledger).await?;
        let address = network.addresses().first().context("it listens")?.to_string();
        child::serving_peers(address)?;
        network.run(CancellationToken::new()).await;
        anyhow::Ok(())
    })?;
    Ok(Findings::default())
}

/// Begins empty and catches up with a peer.
pub fn follow(job: &Job, peer: &str) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let target = Target::open(job, "followed", chain)?;
    let peer: Multiaddr = peer.parse()?;
    let runtime = Runtime::new()?;
    let began = Instant::now();
    let entries = job.workload.entries;
    runtime.block_on(async {
        let settings = dev::network(&target.directory, &[peer])?;
        let network = Network::start(settings, target.ledger.clone()).await?;
        let network = tokio::spawn(network.run(CancellationToken::new()));
        let mut heads = target.ledger.heads();
        let mut told = 0;
        while entries_of(&target.ledger) < entries {
            heads.changed().await?;
            let now = entries_of(&target.ledger);
            if now >= told + PROGRESS_ENTRIES {
                told = now;
                child::progress(now)?;
            }
        }
        network.abort();
        anyhow::Ok(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let mut findings = Findings::default();
    let rate = per_second(entries, seconds);
    findings.figure("sync.rate", "catching up with a peer, entries", rate, Unit::PerSecond);
    let peak = real(Memory::own().peak);
    findings.figure("sync.memory_peak", "memory while catching up, at most", peak, Unit::Bytes);
    drop(runtime);
    target.remove()?;
    Ok(findings)
}

/// Takes entries one by one, while a replica follows.
pub fn tail(job: &Job) -> anyhow::Result<Findings> {
    let home = job.home.join("tail");
    let (chain, key) = ground::prepare(&home)?;
    let (authority, writer) = Ledger::open(&home, chain.clone(), Some(key))?;
    let replica = Target::open(job, "tailed", chain.clone())?;
    let runtime = Runtime::new()?;
    let count = (job.seconds * TAIL_PER_SECOND).max(TAIL_PER_SECOND);
    let until = job.workload.until;
    let singles = Workload { entries: count, until, ..job.workload.clone() };
    let entries = workload::entries(&singles, &chain.spec().currencies)?;
    let entries = entries.map(workload::encode).take(usize::try_from(count)?);
    let latencies = runtime.block_on(async {
        let leader = Network::start(dev::network(&home, &[])?, authority.clone()).await?;
        let settings = dev::network(&replica.directory, &leader.addresses())?;
        let follower = Network::start(settings, replica.ledger.clone()).await?;
        let stopping = CancellationToken::new();
        let networks = [leader, follower].map(|it| tokio::spawn(it.run(stopping.clone())));
        while authority.peers().peers.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let reached = tokio::spawn(note_heights(replica.ledger.clone()));
        let mut ticks =
            tokio::time::interval(Duration::from_secs(1) / u32::try_from(TAIL_PER_SECOND)?);
        let mut acknowledged = Vec::new();
        for entry in entries {
            ticks.tick().await;
            let enqueued = authority.enqueue(vec![entry], Atomicity::EntryByEntry).await?;
            acknowledged.push(tokio::spawn(async move {
                let outcomes = enqueued.outcomes().await?;
                let at = Instant::now();
                match outcomes.first() {
                    Some(Outcome::Sealed(position)) => Ok((position.height, at)),
                    other => anyhow::bail!("{other:?}"),
                }
            }));
        }
        let mut times = Vec::new();
        for entry in acknowledged {
            times.push(entry.await??);
        }
        let last = authority.head().height();
        replica.ledger.heads().wait_for(|head| head.height() >= last).await?;
        stopping.cancel();
        for network in networks {
            network.await?;
        }
        let reached = reached.await?;
        let mut latencies = Latencies::new();
        for (height, at) in times {
            let (_, there) = reached.range(height..).next().context("it was waited for")?;
            latencies.record(there.saturating_duration_since(at));
        }
        anyhow::Ok(latencies)
    })?;
    drop((runtime, authority));
    writer.join();
    replica.remove()?;
    std::fs::remove_dir_all(&home)?;
    let mut findings = Findings::default();
    latencies.report(&mut findings, "sync.tail", "from acknowledged to readable on a replica");
    findings.remark(format!(
        "single entries, {TAIL_PER_SECOND} a second, authority and replica in one process"
    ));
    Ok(findings)
}

/// When a ledger came to each height, until it doesn't grow any more.
async fn note_heights(ledger: Ledger) -> BTreeMap<u64, Instant> {
    let mut heads = ledger.heads();
    let mut reached = BTreeMap::new();
    loop {
        let patience = Duration::from_secs(2);
        match tokio::time::timeout(patience, heads.changed()).await {
            Ok(Ok(())) => drop(reached.insert(heads.borrow_and_update().height(), Instant::now())),
            Ok(Err(_)) | Err(_) => return reached,
        }
    }
}

/// How many entries a ledger has, but for headers.
fn entries_of(ledger: &Ledger) -> u64 {
    let head = ledger.head();
    head.size().saturating_sub(head.height() + 1)
}

/// A ledger that begins empty, in a folder of its own.
struct Target {
    directory: std::path::PathBuf,
    ledger: Ledger,
    writer: WriterThread,
}

impl Target {
    fn open(job: &Job, folder: &str, chain: Arc<Chain>) -> anyhow::Result<Self> {
        let directory = job.home.join(folder);
        ensure!(!Path::new(&directory).exists(), "{} is in the way", directory.display());
        std::fs::create_dir_all(&directory)?;
        let (ledger, writer) = Ledger::open(&directory, chain, None)?;
        Ok(Self { directory, ledger, writer })
    }

    fn remove(self) -> anyhow::Result<()> {
        let Self { directory, ledger, writer } = self;
        drop(ledger);
        writer.join();
        Ok(std::fs::remove_dir_all(directory)?)
    }
}
