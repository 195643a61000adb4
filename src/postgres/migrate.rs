//! The schema `counterfoil`, by version, and the chain that a database belongs to.
//!
//! Invariants: what was applied is never changed, only added to (each text's hash is kept beside its
//! version); all that is missing is applied in one transaction, by one process at a time; a database
//! belongs to one chain for ever.

use sha2::{Digest, Sha256};
use sqlx::{Acquire, PgConnection};

use super::{Database, PostgresError};
use crate::protocol::verify::Chain;

/// A step from one version of the schema to the next.
struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

/// Declares the migrations, in order, each by version and name of its file.
macro_rules! migrations {
    ($($version:literal $name:literal;)+) => {
        const MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("migrations/", $name, ".sql")),
        }),+];
    };
}

migrations! {
    1 "0001_foundation";
    2 "0002_outbox";
    3 "0003_commitments";
    100 "0100_mirror";
}

/// The version of the schema that this program needs.
pub const NEWEST_VERSION: i32 = {
    let [.., newest] = MIGRATIONS else { panic!("there is a first") };
    newest.version
};

/// What one process at a time may hold in a database ("counterf" in ASCII).
const MIGRATION_LOCK: i64 = 0x636f_756e_7465_7266;

/// What migrating came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; 0 where there was none.
    pub from: i32,
    /// The migrations that were applied.
    pub applied: Vec<&'static str>,
}

/// What a database has of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaState {
    /// The newest version that was applied.
    pub version: i32,
    /// The chain that it belongs to, as text.
    pub chain_id: String,
    /// That chain's origin.
    pub origin: String,
}

/// Brings the schema to this program's version, and claims the database for the chain. When this
/// returns without an error, the schema MUST be there after a crash of the server.
///
/// # Errors
/// [`PostgresError`]; nothing is changed then.
pub async fn migrate(database: &Database) -> Result<Migrated, PostgresError> {
    let mut connection = database.connect_unchecked().await?;
    let transaction = connection.begin().await;
    let mut transaction = transaction.map_err(PostgresError::statement("begin"))?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(PostgresError::statement("take turns"))?;
    prepare(&mut transaction).await?;
    let from = applied_version(&mut transaction).await?;
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
        apply(&mut transaction, migration).await?;
        applied.push(migration.name);
    }
    claim(&mut transaction, database.chain()).await?;
    transaction.commit().await.map_err(PostgresError::statement("commit the schema"))?;
    Ok(Migrated { from, applied })
}

/// What the database has of the schema; nothing where there is none.
///
/// # Errors
/// [`PostgresError`].
pub async fn schema_state(
    connection: &mut PgConnection,
) -> Result<Option<SchemaState>, PostgresError> {
    let read = PostgresError::statement("tell its version");
    let exists = "SELECT to_regclass('counterfoil.chain') IS NOT NULL";
    let exists: bool = match sqlx::query_scalar(exists).fetch_one(&mut *connection).await {
        Ok(exists) => exists,
        // Whoever may not look into the schema is told so by the server.
        Err(error) => return Err(read(error)),
    };
    if !exists {
        return Ok(None);
    }
    let state: Option<(i32, String, String)> = sqlx::query_as(
        "SELECT (SELECT max(version) FROM counterfoil.migrations), chain_id, origin \
         FROM counterfoil.chain",
    )
    .fetch_optional(connection)
    .await
    .map_err(read)?;
    Ok(state.map(|(version, chain_id, origin)| SchemaState { version, chain_id, origin }))
}

/// The server's own version, as it names it.
///
/// # Errors
/// [`PostgresError`].
pub async fn server_version(connection: &mut PgConnection) -> Result<String, PostgresError> {
    sqlx::query_scalar("SELECT current_setting('server_version')")
        .fetch_one(connection)
        .await
        .map_err(PostgresError::statement("tell its version"))
}

/// Looks that a database in that state has this program's schema and belongs to `chain`.
///
/// # Errors
/// [`PostgresError`].
pub fn check_state(state: Option<SchemaState>, chain: &Chain) -> Result<(), PostgresError> {
    let state = state.ok_or(PostgresError::NotMigrated)?;
    check_chain(chain, state.chain_id, state.origin)?;
    match state.version {
        found if found < NEWEST_VERSION => {
            Err(PostgresError::Outdated { found, needed: NEWEST_VERSION })
        }
        found if found > NEWEST_VERSION => {
            Err(PostgresError::Newer { found, known: NEWEST_VERSION })
        }
        _ => Ok(()),
    }
}

fn check_chain(chain: &Chain, found: String, found_origin: String) -> Result<(), PostgresError> {
    let own = chain.id();
    if found == own.to_string() {
        return Ok(());
    }
    let own_origin = chain.spec().origin.clone();
    Err(PostgresError::OtherChain { found_origin, found, own_origin, own })
}

/// Makes the schema and the list of what was applied, where they aren't there.
async fn prepare(connection: &mut PgConnection) -> Result<(), PostgresError> {
    // The schema alone may be made by an administrator, for whoever may not make any.
    let exists = "SELECT to_regnamespace('counterfoil') IS NOT NULL";
    let exists: bool = sqlx::query_scalar(exists)
        .fetch_one(&mut *connection)
        .await
        .map_err(PostgresError::statement("tell its schemas"))?;
    if !exists {
        sqlx::query("CREATE SCHEMA counterfoil")
            .execute(&mut *connection)
            .await
            .map_err(PostgresError::statement("make the schema"))?;
    }
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS counterfoil.migrations (
            version integer PRIMARY KEY,
            name text NOT NULL,
            sha256 bytea NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )",
    )
    .execute(connection)
    .await
    .map_err(PostgresError::statement("make the list of migrations"))?;
    Ok(())
}

/// The newest version that was applied, after a look that all of them were those of this program.
async fn applied_version(connection: &mut PgConnection) -> Result<i32, PostgresError> {
    let applied: Vec<(i32, Vec<u8>)> =
        sqlx::query_as("SELECT version, sha256 FROM counterfoil.migrations ORDER BY version")
            .fetch_all(connection)
            .await
            .map_err(PostgresError::statement("list its migrations"))?;
    for (version, sha256) in &applied {
        match MIGRATIONS.iter().find(|migration| migration.version == *version) {
            None => return Err(PostgresError::Newer { found: *version, known: NEWEST_VERSION }),
            Some(migration) if migration.sha256() != *sha256 => {
                return Err(PostgresError::AlteredMigration { version: *version });
            }
            Some(_) => {}
        }
    }
    Ok(applied.last().map_or(0, |(version, _)| *version))
}

async fn apply(
    connection: &mut PgConnection,
    migration: &'static Migration,
) -> Result<(), PostgresError> {
    sqlx::raw_sql(migration.sql)
        .execute(&mut *connection)
        .await
        .map_err(PostgresError::statement("take a migration"))?;
    sqlx::query("INSERT INTO counterfoil.migrations (version, name, sha256) VALUES ($1, $2, $3)")
        .bind(migration.version)
        .bind(migration.name)
        .bind(migration.sha256())
        .execute(connection)
        .await
        .map_err(PostgresError::statement("note a migration"))?;
    Ok(())
}

/// Makes the database this chain's, unless it is another's.
async fn claim(connection: &mut PgConnection, chain: &Chain) -> Result<(), PostgresError> {
    sqlx::query(
        "INSERT INTO counterfoil.chain (chain_id, origin) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(chain.id().to_string())
    .bind(&chain.spec().origin)
    .execute(&mut *connection)
    .await
    .map_err(PostgresError::statement("note the chain"))?;
    let (found, found_origin): (String, String) =
        sqlx::query_as("SELECT chain_id, origin FROM counterfoil.chain")
            .fetch_one(connection)
            .await
            .map_err(PostgresError::statement("tell its chain"))?;
    check_chain(chain, found, found_origin)
}

impl Migration {
    fn sha256(&self) -> Vec<u8> {
        Sha256::digest(self.sql.as_bytes()).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_and_are_those_of_their_files() {
        assert!(MIGRATIONS.is_sorted_by(|one, next| one.version < next.version));
        for migration in MIGRATIONS {
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
        }
    }
}
