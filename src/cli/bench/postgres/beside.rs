//! The database that is tied to the ledger: mirroring it, comparing tables with it, and what each way
//! notices when somebody tampers.
//!
//! A database of its own is made for that, and dropped. In the figures: reading the ledger, the driver
//! and the server, which share the machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};

use super::tables::{self, Connection};
use crate::cli::bench::ground;
use crate::cli::bench::report::{Findings, Unit, per_second, real};
use crate::postgres::mirror::{self, Mirror};
use crate::postgres::reconcile::{self, Mapping, ReconcileReport};
use crate::postgres::{self, Database};
use crate::protocol::verify::Chain;
use crate::store::Store;

/// How many rows are deleted at the end of a table.
const TAIL_ROWS: u64 = 10;
/// The roles that a migration makes where they aren't there.
const ROLES: [&str; 3] = ["counterfoil_node", "counterfoil_writer", "counterfoil_reader"];

/// The marketplace's own tables, as it would have them.
const OWN_TABLES: &str = "CREATE SCHEMA market;
    CREATE TABLE market.orders AS SELECT tenant, external_id AS id, merchant, currency, amount, event_time \
        FROM counterfoil.transactions;
    CREATE TABLE market.earned AS SELECT tenant, external_id AS id, transaction AS order_id, affiliate, \
        currency, amount FROM counterfoil.commissions;
    CREATE TABLE market.decided AS SELECT tenant, external_id AS id, commission, verdict \
        FROM counterfoil.decisions;
    ANALYZE";

const MAPPING: &str = r#"
    [[table]]
    name = "market.orders"
    kind = "transaction"
    external_id = "id"
    tenant = { column = "tenant" }
    fields = { merchant = "merchant", currency = "currency", amount = "amount", event_time = "event_time" }
    [[table]]
    name = "market.earned"
    kind = "commission"
    external_id = "id"
    tenant = { column = "tenant" }
    fields = { transaction = "order_id", affiliate = "affiliate", currency = "currency", amount = "amount" }
    [[table]]
    name = "market.decided"
    kind = "decision"
    external_id = "id"
    tenant = { column = "tenant" }
    fields = { commission = "commission", verdict = "verdict" }
"#;

/// A database of this run alone.
pub struct OwnDatabase {
    name: String,
    /// Roles of the server that are there by this run alone.
    roles: Vec<&'static str>,
    url: String,
}

impl OwnDatabase {
    /// Makes it on the server at `url`, over `connection`, for `what`.
    pub async fn create(
        url: &str,
        connection: &mut Connection,
        what: &str,
    ) -> anyhow::Result<Self> {
        let name = format!("counterfoil_bench_{}_{what}", std::process::id());
        let mut roles = Vec::new();
        for role in ROLES {
            let query = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
            let there: i64 = connection.value(query).await?;
            if there == 0 {
                roles.push(role);
            }
        }
        let mut url = reqwest::Url::parse(url).context("--postgres takes one host")?;
        url.set_path(&name);
        connection.run(format!("CREATE DATABASE {name}")).await?;
        Ok(Self { name, roles, url: url.into() })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connects to it.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::to(&self.url).await
    }

    /// Makes our schema in it, for the ledger in a job's directory; that ledger's chain.
    pub async fn migrate(&self, directory: &Path) -> anyhow::Result<Arc<Chain>> {
        let (chain, _) = ground::prepare(directory)?;
        postgres::migrate(&Database::new(self.url.parse()?, chain.clone())).await?;
        Ok(chain)
    }

    /// Drops it.
    pub async fn drop(self, connection: &mut Connection) -> anyhow::Result<()> {
        let dropped = connection.run(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        dropped.with_context(|| format!("database {} is left behind", self.name))?;
        for role in self.roles {
            connection.run(format!("DROP ROLE {role}")).await?;
        }
        Ok(())
    }

    /// Mirrors the ledger, and compares tables with it.
    pub async fn measure(&self, store: &Store, findings: &mut Findings) -> anyhow::Result<()> {
        let database = Database::new(self.url.parse()?, store.chain().clone());
        postgres::migrate(&database).await?;
        let mut mirror = Mirror::open(database.connect().await?).await?;
        let written = mirror.catch_up(store, |_| {}).await?;
        let rate = per_second(written.entries, written.time.as_secs_f64());
        findings.figure("postgres.mirror_rate", "mirroring, entries", rate, Unit::PerSecond);
        let began = Instant::now();
        let report = mirror::check(mirror.connection(), store, |_| {}).await?;
        let rate = per_second(report.rows, began.elapsed().as_secs_f64());
        ensure!(report.is_equal(), "the mirror differs: {:?}", report.first.first());
        findings.figure("postgres.check_rate", "checking the mirror, rows", rate, Unit::PerSecond);

        let mut connection = database.connect().await?;
        mirror::run(&mut connection, "make tables", OWN_TABLES).await?;
        let mapping = Arc::new(Mapping::parse(MAPPING)?);
        let began = Instant::now();
        let report = reconcile::reconcile(&mut connection, store, &mapping, |_| {}).await?;
        let rows: u64 = report.tables.iter().map(|table| table.rows).sum();
        let rate = per_second(rows, began.elapsed().as_secs_f64());
        ensure!(report.equal, "tables differ that were made of the mirror");
        findings.figure(
            "postgres.reconcile_rate",
            "comparing a marketplace's tables, rows",
            rate,
            Unit::PerSecond,
        );
        // The same as was done to the chain.
        let tamper = format!(
            "DELETE FROM market.orders WHERE id IN \
                (SELECT external_id FROM counterfoil.transactions ORDER BY index DESC LIMIT {TAIL_ROWS});
            DELETE FROM market.orders WHERE ctid = (SELECT min(ctid) FROM market.orders);
            UPDATE market.orders SET amount = amount + 1 WHERE ctid = (SELECT min(ctid) FROM market.orders)"
        );
        mirror::run(&mut connection, "be tampered with", tamper).await?;
        let report = reconcile::reconcile(&mut connection, store, &mapping, |_| {}).await?;
        let named = report.tables.iter().map(reconcile::TableReport::differences).sum::<u64>();
        ensure!(names_all(&report), "the comparison doesn't name what was done");
        let label = "  of them named by comparing with the ledger";
        findings.figure("postgres.tampered_named", label, real(named), Unit::Count);
        Ok(())
    }
}

/// Whether a report has the rows that were deleted, and the one that was changed.
fn names_all(report: &ReconcileReport) -> bool {
    let [orders, ..] = &report.tables[..] else { return false };
    (orders.missing, orders.changed) == (TAIL_ROWS + 1, 1)
}

/// Deletes the end of a chained table and one row within it, changes another, and makes the chain anew;
/// how many rows its own check then finds wrong.
pub async fn tamper(
    connection: &mut Connection,
    table: &str,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    connection
        .run(format!(
            "DELETE FROM {table} WHERE seq > (SELECT max(seq) - {TAIL_ROWS} FROM {table});
            DELETE FROM {table} WHERE seq = 2;
            UPDATE {table} SET body = body || '\\x00' WHERE seq = 1;
            DO $$
            DECLARE
                last_hash bytea := '';
                place bigint := 0;
                link record;
            BEGIN
                FOR link IN SELECT seq, body FROM {table} ORDER BY seq LOOP
                    place := place + 1;
                    last_hash := sha256(last_hash || link.body);
                    UPDATE {table} SET seq = place, hash = last_hash WHERE seq = link.seq;
                END LOOP;
            END $$"
        ))
        .await?;
    let noticed: i64 = connection.value(tables::broken_links(table)).await?;
    let label = "rows tampered with: a tail deleted, another row deleted, one changed";
    findings.figure("postgres.tampered", label, real(TAIL_ROWS + 2), Unit::Count);
    let label = "  of them noticed by the hash chain's own check";
    let noticed = real(noticed.unsigned_abs());
    findings.figure("postgres.tampered_noticed", label, noticed, Unit::Count);
    Ok(())
}
