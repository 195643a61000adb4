//! The tables that somebody would make instead, and the ways to fill them.
//!
//! A row is an entry: its id, who and what it is about, its time, and its canonical bytes. The
//! plain table has four indexes. The chained one has, besides, a number without gaps and the
//! hash of the row before it together with its own bytes, which a trigger puts in under a lock,
//! so that whoever keeps the last hash notices an altered row. Neither checks a rule, proves an
//! entry to anybody without the whole table, or is signed.

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row as _};

use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::Parties;

/// The columns that are written.
const COLUMNS: &str = "id, tenant, kind, external_id, affiliate, merchant, event_time_ms, body";
const COLUMN_COUNT: i16 = 8;
/// What binary COPY begins with: a signature, no flags, no extension (PostgreSQL's manual, COPY).
const COPY_HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// An entry as a row.
#[derive(Clone)]
pub struct Row {
    id: Vec<u8>,
    tenant: String,
    kind: i16,
    external_id: String,
    affiliate: Option<String>,
    merchant: Option<String>,
    event_time_ms: i64,
    body: Vec<u8>,
}

impl Row {
    /// The row of an entry that concerns `parties`.
    pub fn new(encoded: &EncodedEntry, parties: &Parties) -> Self {
        let entry = encoded.entry();
        let name = |id: &crate::protocol::id::Id| id.as_str().to_owned();
        Self {
            id: encoded.id().as_bytes().to_vec(),
            tenant: name(&entry.tenant),
            kind: entry.kind() as i16,
            external_id: name(&entry.external_id),
            affiliate: parties.affiliate.as_ref().map(name),
            merchant: parties.merchant.as_ref().map(name),
            event_time_ms: i64::try_from(entry.event_time.as_millis()).unwrap_or(i64::MAX),
            body: encoded.leaf().to_vec(),
        }
    }
}

/// A connection to the server, with a schema of its own as the only one that it sees.
pub struct Connection(PgConnection);

impl Connection {
    /// Connects.
    pub async fn open(options: &PgConnectOptions, schema: &str) -> anyhow::Result<Self> {
        let mut connection =
            options.connect().await.context("can't connect to PostgreSQL (--postgres)")?;
        connection.execute(AssertSqlSafe(format!("SET search_path TO {schema}"))).await?;
        Ok(Self(connection))
    }

    /// Runs statements that bring nothing back.
    pub async fn run(&mut self, statements: String) -> anyhow::Result<()> {
        self.0.execute(AssertSqlSafe(statements)).await?;
        Ok(())
    }

    /// The one value that a query brings.
    pub async fn value<T>(&mut self, query: String) -> anyhow::Result<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let row: PgRow = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut self.0).await?;
        Ok(row.try_get(0)?)
    }

    /// Inserts a row, in a transaction of its own. When this returns it is durable, by the
    /// server's settings.
    pub async fn insert(&mut self, table: &str, row: &Row) -> anyhow::Result<()> {
        let statement =
            format!("INSERT INTO {table} ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        sqlx::query(AssertSqlSafe(statement))
            .bind(&row.id)
            .bind(&row.tenant)
            .bind(row.kind)
            .bind(&row.external_id)
            .bind(&row.affiliate)
            .bind(&row.merchant)
            .bind(row.event_time_ms)
            .bind(&row.body)
            .execute(&mut self.0)
            .await?;
        Ok(())
    }

    /// Connects to a database as it is.
    pub async fn to(url: &str) -> anyhow::Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        Ok(Self(options.disable_statement_logging().connect().await?))
    }

    /// Writes entries, as JSON, into the outbox, in one transaction; the id of the last row.
    pub async fn insert_into_outbox(&mut self, texts: &[String]) -> anyhow::Result<i64> {
        let statement = "WITH written AS (
                INSERT INTO counterfoil.outbox (tenant, kind, external_id, event_time, body)
                SELECT e ->> 'tenant', e ->> 'kind', e ->> 'external_id',
                    (e ->> 'event_time')::timestamptz, e -> 'body'
                FROM unnest($1::text[]::jsonb[]) WITH ORDINALITY AS entries (e, place)
                ORDER BY place RETURNING id)
            SELECT max(id) FROM written";
        Ok(sqlx::query_scalar(statement).bind(texts).fetch_one(&mut self.0).await?)
    }

    /// The rows of the outbox from `id` on that have their receipt, or were rejected.
    pub async fn answered_from(&mut self, id: i64) -> anyhow::Result<Vec<i64>> {
        let query =
            "SELECT id FROM counterfoil.outbox WHERE id >= $1 AND state IN ('sealed', 'rejected')";
        Ok(sqlx::query_scalar(query).bind(id).fetch_all(&mut self.0).await?)
    }

    /// Inserts rows by one statement and in one transaction.
    pub async fn insert_all(&mut self, table: &str, rows: &[Row]) -> anyhow::Result<()> {
        let statement = format!(
            "INSERT INTO {table} ({COLUMNS}) SELECT * FROM unnest($1::bytea[], $2::text[], \
             $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bytea[])"
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(column(rows, |row| row.id.as_slice()))
            .bind(column(rows, |row| row.tenant.as_str()))
            .bind(column(rows, |row| row.kind))
            .bind(column(rows, |row| row.external_id.as_str()))
            .bind(column(rows, |row| row.affiliate.as_deref()))
            .bind(column(rows, |row| row.merchant.as_deref()))
            .bind(column(rows, |row| row.event_time_ms))
            .bind(column(rows, |row| row.body.as_slice()))
            .execute(&mut self.0)
            .await?;
        Ok(())
    }

    /// Copies rows in, in one transaction.
    pub async fn copy(&mut self, table: &str, rows: &[Row]) -> anyhow::Result<()> {
        let statement = format!("COPY {table} ({COLUMNS}) FROM STDIN (FORMAT binary)");
        let mut copy = self.0.copy_in_raw(&statement).await?;
        copy.send(binary(rows)).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// One column of some rows.
fn column<'a, T>(rows: &'a [Row], value: impl Fn(&'a Row) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Rows in the binary format of COPY.
fn binary(rows: &[Row]) -> Vec<u8> {
    let mut out = COPY_HEADER.to_vec();
    for row in rows {
        out.extend_from_slice(&COLUMN_COUNT.to_be_bytes());
        let fields = [
            Some(row.id.as_slice()),
            Some(row.tenant.as_bytes()),
            Some(&row.kind.to_be_bytes()),
            Some(row.external_id.as_bytes()),
            row.affiliate.as_deref().map(str::as_bytes),
            row.merchant.as_deref().map(str::as_bytes),
            Some(&row.event_time_ms.to_be_bytes()),
            Some(row.body.as_slice()),
        ];
        for field in fields {
            let length = field.map_or(-1, |field| i32::try_from(field.len()).unwrap_or(-1));
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(field.unwrap_or_default());
        }
    }
    out.extend_from_slice(&(-1i16).to_be_bytes());
    out
}

/// The statements that make a table without a chain.
pub fn create_plain(table: &str) -> String {
    create(table, "")
}

/// The statements that make a table with one, and the trigger that continues it.
pub fn create_chained(table: &str) -> String {
    let columns = "seq bigint PRIMARY KEY, hash bytea NOT NULL, ";
    format!(
        "{};
        CREATE FUNCTION {table}_continue() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            last_seq bigint;
            last_hash bytea;
        BEGIN
            -- One writer at a time, until its transaction ends; the lock is this table's own.
            PERFORM pg_advisory_xact_lock(TG_RELID::bigint);
            SELECT seq, hash INTO last_seq, last_hash FROM {table} ORDER BY seq DESC LIMIT 1;
            NEW.seq := coalesce(last_seq, 0) + 1;
            NEW.hash := sha256(coalesce(last_hash, ''::bytea) || NEW.body);
            RETURN NEW;
        END $$;
        CREATE TRIGGER continue BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_continue()",
        create(table, columns)
    )
}

fn create(table: &str, more_columns: &str) -> String {
    format!(
        "CREATE TABLE {table} ({more_columns}
            id bytea NOT NULL,
            tenant text NOT NULL,
            kind smallint NOT NULL,
            external_id text NOT NULL,
            affiliate text,
            merchant text,
            event_time_ms bigint NOT NULL,
            body bytea NOT NULL);
        CREATE UNIQUE INDEX ON {table} (id);
        CREATE INDEX ON {table} (affiliate);
        CREATE INDEX ON {table} (merchant);
        CREATE INDEX ON {table} (event_time_ms)"
    )
}

/// The query for how many rows of a chained table don't continue the chain.
pub fn broken_links(table: &str) -> String {
    format!(
        "SELECT count(*) FROM (
            SELECT hash, sha256(coalesce(lag(hash) OVER (ORDER BY seq), ''::bytea) || body) AS made,
                seq, row_number() OVER (ORDER BY seq) AS place
            FROM {table}) AS links
        WHERE hash <> made OR seq <> place"
    )
}
