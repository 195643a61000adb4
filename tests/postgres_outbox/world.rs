//! A server, a ledger in this process, and an outbox between them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil::ledger::Ledger;
use counterfoil::postgres::{self, Database, OutboxSettings, Settings};
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::text::EntryText;
use counterfoil::protocol::verify::Chain;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::chain;
use crate::support::postgres::Postgres;

/// How long something may take that happens by itself.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A marketplace: its database, and the ledger of a chain.
pub struct World {
    pub postgres: Postgres,
    pub chain: Arc<Chain>,
    pub ledger: Ledger,
    pub parent_wait: Duration,
    drains: Vec<(CancellationToken, JoinHandle<()>)>,
    _directory: TempDir,
}

impl World {
    /// With a database that is migrated, and nobody who drains it yet.
    pub async fn new(name: &str) -> Self {
        let postgres = Postgres::start();
        let (chain, directory) = (chain::chain(name), tempfile::tempdir().unwrap());
        let (ledger, _) =
            Ledger::open(directory.path(), chain.clone(), Some(chain::key())).unwrap();
        let parent_wait = Duration::from_mins(1);
        let world = Self {
            postgres,
            chain,
            ledger,
            parent_wait,
            drains: Vec::new(),
            _directory: directory,
        };
        postgres::migrate(&world.database()).await.unwrap();
        world
    }

    pub fn database(&self) -> Database {
        self.database_as("tester")
    }

    pub fn database_as(&self, user: &str) -> Database {
        Database::new(self.postgres.url_of(user).parse().unwrap(), self.chain.clone())
    }

    /// Somebody drains the outbox from now on.
    pub fn drain(&mut self) {
        self.drain_as("tester");
    }

    pub fn drain_as(&mut self, user: &str) {
        let stopping = CancellationToken::new();
        let outbox = Some(OutboxSettings { parent_wait: self.parent_wait });
        let address = self.postgres.url_of(user).parse().unwrap();
        let settings = Settings { address, outbox, mirror: false, reconcile: None };
        let draining = postgres::run(settings, self.ledger.clone(), stopping.clone());
        self.drains.push((stopping, tokio::spawn(draining)));
    }

    /// Nobody does any more.
    pub async fn stop_draining(&mut self) {
        for (stopping, drain) in self.drains.drain(..) {
            stopping.cancel();
            drain.await.unwrap();
        }
    }

    pub async fn client(&self) -> Client {
        self.client_as("tester").await
    }

    pub async fn client_as(&self, user: &str) -> Client {
        Client::connect(&self.postgres.url_of(user)).await
    }

    /// Re-verifies the whole ledger, which must have `entries` entries, and that every receipt in the
    /// outbox is that of its entry.
    pub async fn check(&self, entries: u64) {
        let report = self.ledger.store().unwrap().fsck(|_| {}).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        assert_eq!(report.entries, entries);
        let mut client = self.client().await;
        let view = self.ledger.view().unwrap();
        let rows = client
            .rows("SELECT external_id, entry_id, log_index, height, leaf_hash, (extract(epoch FROM sealed_at) * 1000)::bigint AS time FROM counterfoil.outbox WHERE state = 'sealed'")
            .await;
        for row in rows {
            let index = u64::try_from(row.get::<i64, _>("log_index")).unwrap();
            let entry = view.entry(index).unwrap().expect("an entry stands there");
            let height = u64::try_from(row.get::<i64, _>("height")).unwrap();
            assert_eq!(view.height_of(index).unwrap(), Some(height));
            assert_eq!(entry.entry().external_id.as_str(), row.get::<String, _>("external_id"));
            assert_eq!(entry.id().0.as_slice(), row.get::<Vec<u8>, _>("entry_id"));
            assert_eq!(entry.leaf_hash().0.as_slice(), row.get::<Vec<u8>, _>("leaf_hash"));
            let time = view.header(height).unwrap().unwrap().header.time;
            assert_eq!(time.as_millis(), u64::try_from(row.get::<i64, _>("time")).unwrap());
        }
    }

    /// The text form of an entry.
    pub fn text(&self, entry: &EncodedEntry) -> Value {
        let text = EntryText::new(entry.entry(), &self.chain.spec().currencies).unwrap();
        serde_json::to_value(text).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (stopping, drain) in &self.drains {
            stopping.cancel();
            drain.abort();
        }
    }
}

/// A backend's connection.
pub struct Client(pub PgConnection);

impl Client {
    pub async fn connect(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        Self(options.connect().await.unwrap())
    }

    /// Runs SQL that a test wrote.
    pub async fn run(&mut self, sql: &str) {
        self.try_run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await.map(drop)
    }

    pub async fn rows(&mut self, sql: &str) -> Vec<sqlx::postgres::PgRow> {
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.0).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// A text that SQL comes to; nothing for null.
    pub async fn text(&mut self, sql: &str) -> Option<String> {
        let text = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.0).await;
        text.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub async fn count(&mut self, sql: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {sql}");
        let count = sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_one(&mut self.0).await;
        count.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Records entries, given as the API takes them; the ids of their rows.
    pub async fn record(&mut self, entries: &[Value]) -> Vec<i64> {
        let field = |name: &str| -> Vec<String> {
            entries.iter().map(|it| it[name].as_str().unwrap().to_owned()).collect()
        };
        let bodies: Vec<Value> = entries.iter().map(|entry| entry["body"].clone()).collect();
        sqlx::query_scalar(
            "SELECT counterfoil.record(tenant, kind, external_id, body, event_time::timestamptz,
                decode(commitment, 'hex'))
            FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[],
                $6::text[]) WITH ORDINALITY
                AS e (tenant, kind, external_id, body, event_time, commitment, place)
            ORDER BY place",
        )
        .bind(field("tenant"))
        .bind(field("kind"))
        .bind(field("external_id"))
        .bind(bodies)
        .bind(field("event_time"))
        .bind(entries.iter().map(|it| it["commitment"].as_str()).collect::<Vec<_>>())
        .fetch_all(&mut self.0)
        .await
        .unwrap()
    }

    /// Waits until `sql`, which comes to a number, comes to `expected`.
    pub async fn wait_for_count(&mut self, sql: &str, expected: i64) {
        let since = Instant::now();
        loop {
            let count = self.count(sql).await;
            if count == expected {
                return;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{sql}: {count}, not {expected}: {}",
                self.dump().await
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn wait_until_sealed(&mut self, rows: i64) {
        self.wait_for_count("counterfoil.outbox WHERE state = 'sealed'", rows).await;
    }

    /// What isn't sealed, for a message.
    async fn dump(&mut self) -> String {
        let sql = "SELECT string_agg(o::text, chr(10)) FROM (SELECT * FROM counterfoil.outbox WHERE state <> 'sealed' ORDER BY id LIMIT 20) AS o";
        self.text(sql).await.unwrap_or_default()
    }
}

/// A file with a secret, as an operator keeps it.
pub fn secret_file(folder: &std::path::Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, format!("{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}
