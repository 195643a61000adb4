//! Claiming: rows are locked, in the order of their ids, past those that others have locked.

use sqlx::PgConnection;

use super::super::PostgresError;
use super::row::Row;
use crate::protocol::text::MAX_ENTRY_TEXT_BYTES;

/// The most rows of a batch.
pub const MAX_BATCH_ROWS: usize = 2_000;
/// The most bytes of bodies in a batch; its first row is taken whatever it has.
pub const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Of a name no more is read than shows that it is too long, in characters.
const MAX_NAME_CHARACTERS: i32 = 256;
/// The most waiting rows that become pending at a time.
const MAX_DUE_ROWS: i64 = 1_000;

/// What is locked beyond [`MAX_BATCH_BYTES`] is let go of with the batch.
const CLAIM: &str = "
    WITH claimed AS MATERIALIZED (
        SELECT id, tenant, kind, external_id, event_time, commitment, body
        FROM counterfoil.outbox
        WHERE state = 'pending'
        ORDER BY id
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ), sized AS MATERIALIZED (
        SELECT id, CASE WHEN octet_length(text) <= $3 THEN text END AS text,
            sum(octet_length(text)) OVER (ORDER BY id) - octet_length(text) AS bytes_before
        FROM (SELECT id, body::text AS text FROM claimed ORDER BY id OFFSET 0) AS texts
    )
    SELECT id, left(tenant, $2), left(kind, $2), left(external_id, $2),
        floor(extract(epoch FROM event_time) * 1000)::float8, commitment, text
    FROM claimed JOIN sized USING (id)
    WHERE bytes_before < $4
    ORDER BY id";

const PROMOTE: &str = "
    UPDATE counterfoil.outbox SET state = 'pending', due_at = NULL
    WHERE id IN (
        SELECT id FROM counterfoil.outbox
        WHERE state = 'waiting' AND due_at <= clock_timestamp()
        ORDER BY due_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    )";

/// What there is to do.
pub(super) struct Peek {
    /// Whether any row is pending; others may have it in hand.
    pub pending: bool,
    /// Whether any row waits.
    pub waiting: bool,
}

/// Looks what there is to do, without a lock.
pub(super) async fn peek(connection: &mut PgConnection) -> Result<Peek, PostgresError> {
    let (pending, waiting) = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM counterfoil.outbox WHERE state = 'pending'),
            EXISTS (SELECT FROM counterfoil.outbox WHERE state = 'waiting')",
    )
    .fetch_one(connection)
    .await
    .map_err(PostgresError::statement("look into the outbox"))?;
    Ok(Peek { pending, waiting })
}

/// Makes rows pending that have waited long enough to be tried again.
pub(super) async fn promote(connection: &mut PgConnection) -> Result<(), PostgresError> {
    sqlx::query(PROMOTE)
        .bind(MAX_DUE_ROWS)
        .execute(connection)
        .await
        .map_err(PostgresError::statement("wake waiting rows"))?;
    Ok(())
}

/// Locks the next rows, within a transaction that the caller has begun.
pub(super) async fn claim(connection: &mut PgConnection) -> Result<Vec<Row>, PostgresError> {
    type Columns = (i64, String, String, String, f64, Option<Vec<u8>>, Option<String>);
    let rows: Vec<Columns> = sqlx::query_as(CLAIM)
        .bind(i64::try_from(MAX_BATCH_ROWS).expect("a few thousand"))
        .bind(MAX_NAME_CHARACTERS)
        .bind(i32::try_from(MAX_ENTRY_TEXT_BYTES).expect("some KiB"))
        .bind(i64::try_from(MAX_BATCH_BYTES).expect("some MiB"))
        .fetch_all(connection)
        .await
        .map_err(PostgresError::statement("claim rows of the outbox"))?;
    let row = |columns: Columns| {
        let (id, tenant, kind, external_id, event_milliseconds, commitment, body) = columns;
        Row { id, tenant, kind, external_id, event_milliseconds, commitment, body }
    };
    Ok(rows.into_iter().map(row).collect())
}
