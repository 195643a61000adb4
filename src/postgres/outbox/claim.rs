//! Claiming: rows are locked, in the order of their ids, past those that others have locked.

use sqlx::PgConnection;

use super::super::PostgresError;
use super::fate::{Reading, may_await};
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

/// The first thing named by each of these rows for which an earlier row waits.
const HELD: &str = "
    SELECT DISTINCT ON (r.row) r.row, r.name_of_row
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])
        AS r (row, name_of_row, id, tenant, kind, name)
    WHERE EXISTS (
        SELECT FROM counterfoil.outbox AS w
        WHERE w.state = 'waiting' AND w.tenant = r.tenant AND w.waits_for = r.name
            AND w.waits_kind = r.kind AND w.id < r.id
    )
    ORDER BY r.row, r.name_of_row";

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

/// Holds rows back that name what an earlier row waits for, so that they don't overtake it.
pub(super) async fn hold_back(
    connection: &mut PgConnection,
    rows: &[Row],
    readings: &mut [Reading],
) -> Result<(), PostgresError> {
    let awaited: Vec<_> = readings
        .iter()
        .map(|reading| match reading {
            Reading::Entry(entry) => may_await(entry),
            Reading::Fault(_) | Reading::Held(_) => Vec::new(),
        })
        .collect();
    let pairs = || {
        rows.iter().zip(&awaited).enumerate().flat_map(|(place, (row, named))| {
            named.iter().enumerate().map(move |(number, name)| (place, number, row, name))
        })
    };
    let number = |number: usize| i64::try_from(number).expect("a batch is short");
    let held: Vec<(i64, i64)> = sqlx::query_as(HELD)
        .bind(pairs().map(|(place, ..)| number(place)).collect::<Vec<_>>())
        .bind(pairs().map(|(_, of_row, ..)| number(of_row)).collect::<Vec<_>>())
        .bind(pairs().map(|(_, _, row, _)| row.id).collect::<Vec<_>>())
        .bind(pairs().map(|(_, _, row, _)| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(pairs().map(|(.., name)| name.kind).collect::<Vec<_>>())
        .bind(pairs().map(|(.., name)| name.name.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(PostgresError::statement("look who waits"))?;
    for (place, of_row) in held {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let of_row = usize::try_from(of_row).unwrap_or(usize::MAX);
        let first = awaited.get(place).and_then(|named| named.get(of_row));
        if let (Some(first), Some(reading)) = (first, readings.get_mut(place)) {
            *reading = Reading::Held(first.clone());
        }
    }
    Ok(())
}
