//! What an operator is shown of the outbox, and can do about it.

use sqlx::PgConnection;

use super::super::PostgresError;

/// How many pending rows are counted at most, since whoever counts reads them.
const MAX_COUNTED_ROWS: i64 = 100_000;
/// The most rejected rows that are listed.
pub const MAX_LISTED_ROWS: i64 = 1_000;

/// How many rows are in which state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// To be submitted.
    pub pending: u64,
    /// How long the first of them has been, in seconds.
    pub oldest_pending_seconds: u64,
    /// Put off until what they name is there.
    pub waiting: u64,
    /// No entries.
    pub rejected: u64,
}

/// A row that is rejected, or waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The row's id.
    pub id: i64,
    /// Its state.
    pub state: String,
    /// Its tenant, kind and external id, shortened where they are too long to be such.
    pub name: [String; 3],
    /// The stable name of the problem.
    pub problem: String,
    /// What is wrong.
    pub detail: String,
}

/// How many rows are pending, up to a bound, and for how many seconds the first of them has been.
pub(super) async fn backlog(connection: &mut PgConnection) -> Result<(u64, u64), PostgresError> {
    let (count, seconds): (i64, i64) = sqlx::query_as(
        "SELECT count(*),
            coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at))::bigint, 0)
        FROM (SELECT recorded_at FROM counterfoil.outbox WHERE state = 'pending' LIMIT $1) AS rows",
    )
    .bind(MAX_COUNTED_ROWS)
    .fetch_one(connection)
    .await
    .map_err(PostgresError::statement("count the outbox"))?;
    Ok((natural(count), natural(seconds)))
}

/// How many rows are in which state. Those that are sealed aren't counted: they are most of them.
///
/// # Errors
/// [`PostgresError`].
pub async fn outbox_state(connection: &mut PgConnection) -> Result<OutboxState, PostgresError> {
    let (pending, oldest_pending_seconds) = backlog(&mut *connection).await?;
    let (waiting, rejected): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM counterfoil.outbox WHERE state = 'waiting'),
            (SELECT count(*) FROM counterfoil.outbox WHERE state = 'rejected')",
    )
    .fetch_one(connection)
    .await
    .map_err(PostgresError::statement("count the outbox"))?;
    let (waiting, rejected) = (natural(waiting), natural(rejected));
    Ok(OutboxState { pending, oldest_pending_seconds, waiting, rejected })
}

/// Rows that are rejected or wait, at most `MAX_LISTED_ROWS`, the oldest first.
///
/// # Errors
/// [`PostgresError`].
pub async fn rejected_rows(connection: &mut PgConnection) -> Result<Vec<Rejected>, PostgresError> {
    type Columns = (i64, String, String, String, String, String, String);
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT id, state, left(tenant, 128), left(kind, 128), left(external_id, 128),
            coalesce(problem, ''), coalesce(detail, '')
        FROM counterfoil.outbox WHERE state IN ('rejected', 'waiting') ORDER BY id LIMIT $1",
    )
    .bind(MAX_LISTED_ROWS)
    .fetch_all(connection)
    .await
    .map_err(PostgresError::statement("list rejected rows"))?;
    let row = |columns: Columns| {
        let (id, state, tenant, kind, external_id, problem, detail) = columns;
        Rejected { id, state, name: [tenant, kind, external_id], problem, detail }
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Has a rejected or waiting row submitted again; whether there is such a row.
///
/// # Errors
/// [`PostgresError`].
pub async fn retry(connection: &mut PgConnection, id: i64) -> Result<bool, PostgresError> {
    sqlx::query_scalar("SELECT counterfoil.retry($1)")
        .bind(id)
        .fetch_one(connection)
        .await
        .map_err(PostgresError::statement("submit a row again"))
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
