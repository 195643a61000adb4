//! The same entries in PostgreSQL, in turn with a ledger, as durable as it is set up to be.
//!
//! A slice of entries goes to a ledger, then to each table, and so on, so that whatever the disk
//! does hits all of them. In the ledger's time: encoding, the rules, hashes, a signature a block
//! and everything else of `ingest`. In the tables' time: what the driver does to send rows that
//! are at hand, and the server's work; many connections share it. Single entries reach the
//! ledger over HTTP, from a node of its own.
//!
//! Then the ledger is mirrored and compared with (`beside.rs`), and the home-made chain is tampered with,
//! as is a table that the ledger is compared with.

mod beside;
mod outbox;
mod tables;

use std::str::FromStr;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use self::beside::OwnDatabase;
use self::tables::{Connection, Row};
use super::child::{self, Job};
use super::http::Target;
use super::ingest::Sealer;
use super::report::{Curve, Findings, Slice, Unit, per_second, real};
use super::{ground, machine, workload};
use crate::protocol::block::EncodedEntry;
use crate::protocol::verify::VerifiedBlock;
use crate::store::Store;

/// How many connections send batches.
const BATCH_CONNECTIONS: usize = 4;
/// How many send single rows.
const SINGLE_CONNECTIONS: usize = 16;
/// The most entries that go into each table by batches.
const MAX_ENTRIES: u64 = 1_000_000;
/// Into how many slices they are parted.
const SLICES: u64 = 40;
/// The most rows that are kept, to be sent one by one to other tables.
const MAX_SINGLES: usize = 200_000;
/// The folder of the ledger that is filled in turn with the tables.
const BESIDE_FOLDER: &str = "beside";
/// How often single rows are each contender's turn.
const SINGLE_TURNS: u32 = 3;

/// A way to fill a table by many rows a transaction.
#[derive(Clone, Copy)]
enum Way {
    Insert,
    Copy,
}

/// A table that is filled by batches.
struct Contender {
    key: &'static str,
    table: &'static str,
    label: &'static str,
    way: Way,
    slices: Vec<Slice>,
}

const fn contender(
    key: &'static str,
    table: &'static str,
    label: &'static str,
    way: Way,
) -> Contender {
    Contender { key, table, label, way, slices: Vec::new() }
}

const CONTENDERS: [Contender; 4] = [
    contender("postgres.plain", "plain", "PostgreSQL table", Way::Insert),
    contender("postgres.plain_copied", "plain_copied", "PostgreSQL table, by COPY", Way::Copy),
    contender("postgres.chained", "chained", "PostgreSQL hash chain", Way::Insert),
    contender(
        "postgres.chained_copied",
        "chained_copied",
        "PostgreSQL hash chain, by COPY",
        Way::Copy,
    ),
];

/// Reads a URL and connects once, so that a wrong one is found before anything else is done.
pub fn check(url: &str) -> anyhow::Result<()> {
    let options = options(url)?;
    runtime()?.block_on(Connection::open(&options, "pg_catalog"))?;
    Ok(())
}

pub fn measure(job: &Job, url: &str) -> anyhow::Result<Findings> {
    let options = options(url)?;
    let schema = format!("counterfoil_bench_{}", std::process::id());
    runtime()?.block_on(async {
        let mut connection = Connection::open(&options, &schema).await?;
        connection.run(format!("CREATE SCHEMA {schema}")).await?;
        let measured = compare(job, url, &options, &schema, &mut connection).await;
        let dropped = connection.run(format!("DROP SCHEMA {schema} CASCADE")).await;
        let findings = measured?;
        dropped.with_context(|| format!("schema {schema} is left behind"))?;
        Ok(findings)
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)
        .context("--postgres takes a URL such as postgres://user:password@127.0.0.1:5432/name")?;
    // There is no TLS in this build; a server that insists on it refuses. That statements take
    // their time is what is measured here, and nothing to warn of.
    Ok(options.ssl_mode(PgSslMode::Disable).disable_statement_logging())
}

async fn compare(
    job: &Job,
    url: &str,
    options: &PgConnectOptions,
    schema: &str,
    connection: &mut Connection,
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    for table in ["plain", "plain_copied", "plain_single"] {
        connection.run(tables::create_plain(table)).await?;
    }
    for table in ["chained", "chained_copied", "chained_single"] {
        connection.run(tables::create_chained(table)).await?;
    }
    let rows = batches(job, options, schema, &mut findings).await?;
    let beside = beside(job, url, connection, &mut findings).await;
    std::fs::remove_dir_all(job.home.join(BESIDE_FOLDER))?;
    beside?;
    singles(job, options, schema, &rows, &mut findings).await?;
    for table in ["chained", "chained_copied", "chained_single"] {
        let broken: i64 = connection.value(tables::broken_links(table)).await?;
        ensure!(broken == 0, "the chain in {table} is broken at {broken} rows");
    }
    beside::tamper(connection, "chained_single", &mut findings).await?;
    sizes(connection, &mut findings).await?;
    ratios(&mut findings);
    findings.remark(settings(connection).await?);
    findings.remark(format!(
        "batches of {} on {BATCH_CONNECTIONS} connections, single rows on {SINGLE_CONNECTIONS}, single entries to the ledger over HTTP from {} clients; neither table checks a rule or signs",
        job.workload.block_entries, job.clients
    ));
    Ok(findings)
}

/// Ties a database to the ledger that was filled.
async fn beside(
    job: &Job,
    url: &str,
    connection: &mut Connection,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let directory = job.home.join(BESIDE_FOLDER);
    let (chain, _) = ground::prepare(&directory)?;
    let (store, _committer) = Store::open(&directory, chain)?;
    let database = OwnDatabase::create(url, connection, "mirror").await?;
    let measured = database.measure(&store, findings).await;
    database.drop(connection).await?;
    measured?;
    let database = OwnDatabase::create(url, connection, "outbox").await?;
    let measured = outbox::measure(job, &database, findings).await;
    let dropped = database.drop(connection).await;
    measured.and(dropped)
}

/// Fills a ledger and all tables, in turn; the rows that are to be sent one by one.
async fn batches(
    job: &Job,
    options: &PgConnectOptions,
    schema: &str,
    findings: &mut Findings,
) -> anyhow::Result<Vec<Row>> {
    let mut connections = connections(options, schema, BATCH_CONNECTIONS).await?;
    let job = Job { ledger: job.home.join(BESIDE_FOLDER), ..job.clone() };
    let mut sealer = Sealer::open(&job)?;
    let mut blocks = sealer.blocks(&job)?;
    let entries = job.workload.entries.min(MAX_ENTRIES);
    let slice_blocks = entries.div_ceil(job.workload.block_entries).div_ceil(SLICES).max(1);
    let mut ledger = Vec::new();
    let mut contenders = CONTENDERS;
    let (mut done, mut kept) = (0, Vec::new());
    while done < entries {
        let slice = usize::try_from(slice_blocks).unwrap_or(usize::MAX);
        let slice: Vec<_> = blocks.by_ref().take(slice).collect();
        let count = slice.iter().map(Vec::len).sum::<usize>() as u64;
        let began = Instant::now();
        let done_blocks = seal(&mut sealer, &slice)?;
        ledger.push(timed(done, count, began));
        let rows: Vec<Vec<Row>> = done_blocks.iter().map(rows_of).collect();
        for Contender { table, way, slices, .. } in &mut contenders {
            let began = Instant::now();
            send(&mut connections, table, *way, &rows).await?;
            slices.push(timed(done, count, began));
        }
        kept.extend(rows.into_iter().flatten().take(MAX_SINGLES - kept.len()));
        done += count;
        child::progress(done)?;
    }
    blocks.stop();
    drop(sealer);
    let disk = real(machine::disk_bytes(&job.ledger)?) / real(done);
    keep(findings, "postgres.ledger", "the ledger, in turn with what follows", ledger);
    for Contender { key, label, slices, .. } in contenders {
        keep(findings, key, label, slices);
    }
    findings.figure("postgres.ledger_disk", "the ledger, disk an entry", disk, Unit::Bytes);
    Ok(kept)
}

/// Seals blocks of entries. They are encoded once more, because that is part of the ledger's
/// work, by a thread of its own, as in a node.
fn seal(sealer: &mut Sealer, blocks: &[Vec<EncodedEntry>]) -> anyhow::Result<Vec<VerifiedBlock>> {
    let again = |entry: &EncodedEntry| workload::encode(entry.entry().clone());
    std::thread::scope(|scope| {
        let (sender, ready) = sync_channel(1);
        scope.spawn(move || {
            for block in blocks {
                let block: Vec<_> = block.iter().map(again).collect();
                // Whoever took them has failed, and says so.
                if sender.send(block).is_err() {
                    return;
                }
            }
        });
        let mut durable = Vec::new();
        for block in ready {
            durable.extend(sealer.seal(block)?);
        }
        durable.extend(sealer.finish()?);
        Ok(durable)
    })
}

fn timed(from_entry: u64, entries: u64, began: Instant) -> Slice {
    Slice { from_entry, entries, seconds: began.elapsed().as_secs_f64() }
}

/// Keeps how fast something was, over all and slice by slice.
fn keep(findings: &mut Findings, key: &str, label: &str, slices: Vec<Slice>) {
    let curve = Curve::new(key, label, slices);
    findings.figure(&format!("{key}_rate"), label, curve.rate(), Unit::PerSecond);
    findings.curves.push(curve);
}

fn rows_of(block: &VerifiedBlock) -> Vec<Row> {
    block.entries().iter().zip(block.parties()).map(|(entry, of)| Row::new(entry, of)).collect()
}

async fn connections(
    options: &PgConnectOptions,
    schema: &str,
    count: usize,
) -> anyhow::Result<Vec<Connection>> {
    try_join_all((0..count).map(|_| Connection::open(options, schema))).await
}

/// Sends batches, each connection the next that is left.
async fn send(
    connections: &mut [Connection],
    table: &str,
    way: Way,
    batches: &[Vec<Row>],
) -> anyhow::Result<()> {
    let next = std::cell::Cell::new(0);
    let next = &next;
    try_join_all(connections.iter_mut().map(|connection| async move {
        while let Some(batch) = batches.get(next.replace(next.get() + 1)) {
            match way {
                Way::Insert => connection.insert_all(table, batch).await?,
                Way::Copy => connection.copy(table, batch).await?,
            }
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(())
}

/// Single rows and single entries, in turn.
async fn singles(
    job: &Job,
    options: &PgConnectOptions,
    schema: &str,
    rows: &[Row],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut connections = connections(options, schema, SINGLE_CONNECTIONS).await?;
    let target = Target::start(job, "served-beside")?;
    let limit = Duration::from_secs(job.seconds) / SINGLE_TURNS;
    let mut tables = [("plain", 0, Duration::ZERO), ("chained", 0, Duration::ZERO)];
    let (mut entries, mut time) = (0, Duration::ZERO);
    for turn in 0..SINGLE_TURNS {
        for (table, sent, time) in &mut tables {
            let left = rows.get(*sent..).unwrap_or_default();
            let table = format!("{table}_single");
            let began = Instant::now();
            *sent += send_singles(&mut connections, &table, left, limit).await?;
            *time += began.elapsed();
        }
        let requests = target.singles(&format!("turn-{turn}"), limit)?;
        let went = target.put(requests, limit).await?;
        entries += went.entries;
        time += went.time;
    }
    target.stop()?;
    let ledger = per_second(entries, time.as_secs_f64());
    let label = "the ledger, one entry a request, in turn with";
    findings.figure("postgres.ledger_single_rate", label, ledger, Unit::PerSecond);
    for (table, sent, time) in tables {
        let rate = per_second(sent as u64, time.as_secs_f64());
        let label = if table == "plain" { "PostgreSQL table" } else { "PostgreSQL hash chain" };
        findings.figure(
            &format!("postgres.{table}_single_rate"),
            format!("{label}, one row a transaction"),
            rate,
            Unit::PerSecond,
        );
    }
    Ok(())
}

/// Sends rows one by one, each connection the next that is left, until the time is over; how
/// many were sent.
async fn send_singles(
    connections: &mut [Connection],
    table: &str,
    rows: &[Row],
    limit: Duration,
) -> anyhow::Result<usize> {
    let began = Instant::now();
    let next = std::cell::Cell::new(0);
    let next = &next;
    let sent = try_join_all(connections.iter_mut().map(|connection| async move {
        let mut sent = 0;
        while began.elapsed() < limit
            && let Some(row) = rows.get(next.replace(next.get() + 1))
        {
            connection.insert(table, row).await?;
            sent += 1;
        }
        anyhow::Ok(sent)
    }));
    Ok(sent.await?.into_iter().sum())
}

/// What a row takes on the disk, its indexes included.
async fn sizes(connection: &mut Connection, findings: &mut Findings) -> anyhow::Result<()> {
    for (table, label) in [("plain", "PostgreSQL table"), ("chained", "PostgreSQL hash chain")] {
        let size: i64 =
            connection.value(format!("SELECT pg_total_relation_size('{table}')")).await?;
        let rows: i64 = connection.value(format!("SELECT count(*) FROM {table}")).await?;
        let [size, rows] = [size, rows].map(|number| real(number.unsigned_abs()));
        let (key, label) =
            (format!("postgres.{table}_row"), format!("{label}, a row with indexes"));
        findings.figure(&key, label, size / rows.max(1.0), Unit::Bytes);
    }
    Ok(())
}

fn ratios(findings: &mut Findings) {
    // The better of its two ways stands for each table.
    for (key, ways) in [
        ("postgres.best_plain", ["postgres.plain_rate", "postgres.plain_copied_rate"]),
        ("postgres.best_chained", ["postgres.chained_rate", "postgres.chained_copied_rate"]),
    ] {
        let best = ways.iter().filter_map(|way| findings.value(way)).fold(0.0, f64::max);
        findings.figure(key, "  the better of its ways", best, Unit::PerSecond);
    }
    let ratios = [
        ("batch_to_plain", "by batches, ledger to table", "ledger_rate", "best_plain"),
        ("batch_to_chained", "by batches, ledger to hash chain", "ledger_rate", "best_chained"),
        (
            "single_to_plain",
            "one by one, ledger to table",
            "ledger_single_rate",
            "plain_single_rate",
        ),
        (
            "single_to_chained",
            "one by one, ledger to hash chain",
            "ledger_single_rate",
            "chained_single_rate",
        ),
        ("disk_to_plain_row", "disk, ledger to table", "ledger_disk", "plain_row"),
        ("disk_to_row", "disk, ledger to hash chain", "ledger_disk", "chained_row"),
    ];
    for (key, label, over, under) in ratios {
        let [key, over, under] = [key, over, under].map(|name| format!("postgres.{name}"));
        findings.ratio(&key, label, &over, &under);
    }
    findings.figures.retain(|figure| !figure.key.starts_with("postgres.best_"));
}

/// The server's version, and the settings that decide what durable means.
async fn settings(connection: &mut Connection) -> anyhow::Result<String> {
    let version: String = connection.value("SHOW server_version".to_owned()).await?;
    let mut said = format!("PostgreSQL {version}");
    for name in
        ["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers"]
    {
        let value: String = connection.value(format!("SHOW {name}")).await?;
        said = format!("{said}, {name} = {value}");
    }
    Ok(said)
}
