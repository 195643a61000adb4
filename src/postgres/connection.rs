//! Connections to a database: to the first of its hosts that takes writes, and never more than a
//! stated number at a time.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::address::Host;
use super::migrate::{check_state, schema_state};
use super::{Address, PostgresError};
use crate::protocol::verify::Chain;

/// The most connections that a process has to the database.
pub const MAX_CONNECTIONS: usize = 8;
/// How long somebody waits for one of them, in seconds.
const MAX_WAIT_SECONDS: u64 = 10;

/// A database, and the chain whose ledger it must belong to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    address: Address,
    chain: Arc<Chain>,
    permits: Arc<Semaphore>,
}

/// A connection. It closes when it is dropped.
#[derive(Debug)]
pub struct Connection {
    inner: PgConnection,
    host: String,
    _permit: OwnedSemaphorePermit,
}

impl Database {
    /// The database at `address`, for the ledger of `chain`. Connects to nothing yet.
    pub fn new(address: Address, chain: Arc<Chain>) -> Self {
        Self { address, chain, permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }

    /// The chain whose ledger it must belong to.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Connects to the first host that answers and takes writes. Looks that the database has this
    /// program's schema and belongs to this chain.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub async fn connect(&self) -> Result<Connection, PostgresError> {
        let mut connection = self.connect_unchecked().await?;
        check_state(schema_state(&mut connection).await?, &self.chain)?;
        Ok(connection)
    }

    /// The same, whatever the database holds: for whoever makes the schema, or tells of it.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub async fn connect_unchecked(&self) -> Result<Connection, PostgresError> {
        let wait = Duration::from_secs(MAX_WAIT_SECONDS);
        let permit = timeout(wait, self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| PostgresError::Exhausted)?;
        let permit = permit.expect("the semaphore is never closed");
        let mut tried = Vec::new();
        for host in self.address.hosts() {
            let patience = self.address.patience();
            let said = match timeout(patience, self.connect_to(host)).await {
                Ok(Ok(inner)) => {
                    return Ok(Connection { inner, host: host.name.clone(), _permit: permit });
                }
                Ok(Err(said)) => said,
                Err(_) => format!("no answer within {} seconds", patience.as_secs()),
            };
            tried.push(format!("{}: {said}", host.name));
        }
        Err(PostgresError::Unreachable(tried))
    }

    async fn connect_to(&self, host: &Host) -> Result<PgConnection, String> {
        let connected = host.options.connect().await;
        let mut connection = connected.map_err(|error| error.to_string())?;
        if self.address.must_be_writable() {
            let read_only =
                sqlx::query_scalar("SELECT current_setting('transaction_read_only') = 'on'")
                    .fetch_one(&mut connection);
            if read_only.await.map_err(|error| error.to_string())? {
                // It learns of it sooner than by the broken connection; it may be gone already.
                let _ = connection.close().await;
                return Err("takes no writes".to_owned());
            }
        }
        Ok(connection)
    }
}

impl Connection {
    /// The host that it leads to.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}
