//! Forgetting: the salt of a commitment is destroyed, and the ledger is told so.
//!
//! The salt goes and the notice comes into the outbox in one transaction; from there on the notice is a
//! row like any other. So there is no moment at which the salt is gone and nobody will say so, nor one
//! at which the ledger says so and the salt is still there.

use sqlx::PgConnection;

use super::PostgresError;

/// Destroys the salt of an entry's commitment, and records that; the id of the notice's row in the
/// outbox. Doing it again finds it done. When this returns without an error, it MUST survive a crash
/// of the server.
///
/// # Errors
/// [`PostgresError`]; [`PostgresError::NoCommitment`] where none was made for such an entry.
pub async fn erase(
    connection: &mut PgConnection,
    tenant: &str,
    kind: &str,
    external_id: &str,
) -> Result<i64, PostgresError> {
    let erased = sqlx::query_scalar("SELECT counterfoil.erase($1, $2, $3)")
        .bind(tenant)
        .bind(kind)
        .bind(external_id)
        .fetch_one(connection)
        .await;
    erased.map_err(|source| match &source {
        sqlx::Error::Database(error) if error.code().as_deref() == Some(NO_DATA_FOUND) => {
            PostgresError::NoCommitment
        }
        _ => PostgresError::Statement { action: "destroy the salt", source },
    })
}

/// What `counterfoil.erase` raises where there is nothing to destroy.
const NO_DATA_FOUND: &str = "P0002";

/// Writes the table of salts anew, so that nothing destroyed is left in its file: a `VACUUM` alone
/// leaves its bytes there until others take their place. Nobody can use the table meanwhile. Only its
/// owner may.
///
/// # Errors
/// [`PostgresError`].
pub async fn rewrite_secrets(connection: &mut PgConnection) -> Result<(), PostgresError> {
    sqlx::query("VACUUM FULL counterfoil.secrets")
        .execute(connection)
        .await
        .map_err(PostgresError::statement("write the table of salts anew"))
        .map(drop)
}
