//! Writing fates into the rows, within the transaction that claimed them.

use std::time::Duration;

use sqlx::PgConnection;

use super::super::PostgresError;
use super::fate::{Awaited, Fate, Receipt};
use super::row::{Fault, Row};

/// A row whose parents are in the outbox themselves waits longer, this many times as long: they may
/// name each other in a circle.
const MAX_WAIT_FACTOR: f64 = 10.0;

const SEALED: &str = "
    UPDATE counterfoil.outbox AS o
    SET state = 'sealed', entry_id = r.entry_id, log_index = r.log_index, height = r.height,
        leaf_hash = r.leaf_hash,
        sealed_at = timestamptz 'epoch' + r.milliseconds * interval '1 millisecond',
        problem = NULL, detail = NULL, fields = NULL, due_at = NULL, waits_kind = NULL,
        waits_for = NULL
    FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
        AS r (id, entry_id, log_index, height, leaf_hash, milliseconds)
    WHERE o.id = r.id";

/// Whoever waits for what was just sealed is pending again.
const WAKE: &str = "
    UPDATE counterfoil.outbox AS o SET state = 'pending', due_at = NULL
    FROM unnest($1::text[], $2::text[], $3::text[]) AS s (tenant, kind, name)
    WHERE o.state = 'waiting' AND o.tenant = s.tenant AND o.waits_for = s.name
        AND o.waits_kind = s.kind";

/// Tried again after 100 ms, then twice as long each time, up to half a minute. What has waited too
/// long is rejected, unless what it names is on its way itself.
const WAITS: &str = "
    UPDATE counterfoil.outbox AS o
    SET state = CASE WHEN r.expired THEN 'rejected' ELSE 'waiting' END,
        problem = r.problem, detail = r.detail, fields = string_to_array(r.fields, ','),
        attempts = o.attempts + 1, waits_since = coalesce(o.waits_since, clock_timestamp()),
        waits_kind = r.kind, waits_for = r.name,
        due_at = clock_timestamp()
            + least(interval '100 ms' * power(2, least(o.attempts, 9)), interval '30 s')
    FROM (
        SELECT w.*, clock_timestamp() > p.waits_since + $7 * interval '1 second' * (
            CASE WHEN EXISTS (
                SELECT FROM counterfoil.outbox AS q
                WHERE q.tenant = p.tenant AND q.external_id = w.name AND q.id <> p.id
                    AND q.kind IN (w.kind, 'opening_balance') AND q.state IN ('pending', 'waiting')
            ) THEN $8 ELSE 1 END) AS expired
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
            AS w (id, kind, name, problem, detail, fields)
        JOIN counterfoil.outbox AS p USING (id)
    ) AS r
    WHERE o.id = r.id
    RETURNING o.state = 'rejected'";

const REJECTED: &str = "
    UPDATE counterfoil.outbox AS o
    SET state = 'rejected', problem = r.problem, detail = r.detail,
        fields = string_to_array(r.fields, ','), attempts = o.attempts + 1, due_at = NULL,
        waits_kind = NULL, waits_for = NULL
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
        AS r (id, problem, detail, fields)
    WHERE o.id = r.id";

/// How many rows had which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub sealed: u64,
    pub put_off: u64,
    pub rejected: u64,
}

/// Writes the fates of `rows`, in their order. Wakes rows that wait for the sealed ones if
/// `any_waiting`.
pub(super) async fn settle(
    connection: &mut PgConnection,
    rows: &[Row],
    fates: &[Fate],
    parent_wait: Duration,
    any_waiting: bool,
) -> Result<Tally, PostgresError> {
    let (mut sealed, mut waits, mut rejected) = (vec![], vec![], vec![]);
    for (row, fate) in rows.iter().zip(fates) {
        match fate {
            Fate::Sealed(receipt) => sealed.push((row, receipt)),
            Fate::Waits(awaited, fault) => waits.push((row, awaited, fault)),
            Fate::Rejected(fault) => rejected.push((row, fault)),
        }
    }
    let mut tally = Tally {
        sealed: sealed.len() as u64,
        put_off: waits.len() as u64,
        rejected: rejected.len() as u64,
    };
    if !sealed.is_empty() {
        write_sealed(connection, &sealed).await?;
        if any_waiting {
            wake(connection, &sealed).await?;
        }
    }
    if !waits.is_empty() {
        let expired = write_waits(connection, &waits, parent_wait).await?;
        tally.put_off -= expired;
        tally.rejected += expired;
    }
    if !rejected.is_empty() {
        write_rejected(connection, &rejected).await?;
    }
    Ok(tally)
}

async fn write_sealed(
    connection: &mut PgConnection,
    sealed: &[(&Row, &Receipt)],
) -> Result<(), PostgresError> {
    let column = |of: fn(&Receipt) -> u64| -> Vec<i64> {
        let number = |(_, receipt): &(&Row, &Receipt)| i64::try_from(of(receipt));
        sealed.iter().map(|one| number(one).expect("below 2^63")).collect()
    };
    let written = sqlx::query(SEALED)
        .bind(ids(sealed.iter().map(|(row, _)| *row)))
        .bind(sealed.iter().map(|(_, it)| it.position.id.0.as_slice()).collect::<Vec<_>>())
        .bind(column(|it| it.position.index))
        .bind(column(|it| it.position.height))
        .bind(sealed.iter().map(|(_, it)| it.leaf_hash.as_slice()).collect::<Vec<_>>())
        .bind(column(|it| it.time.as_millis()))
        .execute(connection)
        .await;
    written.map_err(PostgresError::statement("write receipts")).map(drop)
}

async fn wake(
    connection: &mut PgConnection,
    sealed: &[(&Row, &Receipt)],
) -> Result<(), PostgresError> {
    let names = || sealed.iter().flat_map(|(row, it)| it.names.iter().map(move |name| (row, name)));
    let woken = sqlx::query(WAKE)
        .bind(names().map(|(row, _)| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(names().map(|(_, awaited)| awaited.kind).collect::<Vec<_>>())
        .bind(names().map(|(_, awaited)| awaited.name.as_str()).collect::<Vec<_>>())
        .execute(connection)
        .await;
    woken.map_err(PostgresError::statement("wake waiting rows")).map(drop)
}

/// Writes who waits for what; how many of them have waited too long.
async fn write_waits(
    connection: &mut PgConnection,
    waits: &[(&Row, &Awaited, &Fault)],
    parent_wait: Duration,
) -> Result<u64, PostgresError> {
    let faults = || waits.iter().map(|(_, _, fault)| *fault);
    let expired: Vec<bool> = sqlx::query_scalar(WAITS)
        .bind(ids(waits.iter().map(|(row, _, _)| *row)))
        .bind(waits.iter().map(|(_, awaited, _)| awaited.kind).collect::<Vec<_>>())
        .bind(waits.iter().map(|(_, awaited, _)| awaited.name.as_str()).collect::<Vec<_>>())
        .bind(faults().map(|fault| fault.problem).collect::<Vec<_>>())
        .bind(faults().map(|fault| fault.detail.as_str()).collect::<Vec<_>>())
        .bind(faults().map(|fault| fault.fields.join(",")).collect::<Vec<_>>())
        .bind(parent_wait.as_secs_f64())
        .bind(MAX_WAIT_FACTOR)
        .fetch_all(connection)
        .await
        .map_err(PostgresError::statement("put rows off"))?;
    Ok(expired.into_iter().filter(|expired| *expired).count() as u64)
}

async fn write_rejected(
    connection: &mut PgConnection,
    rejected: &[(&Row, &Fault)],
) -> Result<(), PostgresError> {
    let faults = || rejected.iter().map(|(_, fault)| *fault);
    let written = sqlx::query(REJECTED)
        .bind(ids(rejected.iter().map(|(row, _)| *row)))
        .bind(faults().map(|fault| fault.problem).collect::<Vec<_>>())
        .bind(faults().map(|fault| fault.detail.as_str()).collect::<Vec<_>>())
        .bind(faults().map(|fault| fault.fields.join(",")).collect::<Vec<_>>())
        .execute(connection)
        .await;
    written.map_err(PostgresError::statement("write rejections")).map(drop)
}

fn ids<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<i64> {
    rows.map(|row| row.id).collect()
}
