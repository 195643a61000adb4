//! Every sealed entry as rows of typed tables, where entries stand, and what accounts come to.
//!
//! Invariants:
//! - **The height moves with its rows.** A batch of blocks and the height that is reached with it are
//!   one transaction, so whatever is killed when, the next run goes on at the exact height.
//! - **One history.** The mirror remembers the hash of the last header it took; it goes on only from
//!   a ledger that has that header at that height.
//! - **Everything comes from the ledger.** Facts are the entries themselves, states are the rules'
//!   records, balances are the accounts' sums. Nothing is reckoned in SQL.
//! - **It reads at its own pace.** Nobody who seals waits for it. In memory are a few batches
//!   ([`MAX_BATCH_ENTRIES`], [`MAX_BATCH_BYTES`]), however far it is behind.
//!
//! | file | what |
//! |---|---|
//! | `batch.rs` | some blocks as rows of all tables |
//! | `states.rs` | where entries stand that some blocks touch |
//! | `check.rs` | whether the tables say what the ledger says |
//! | `follow.rs` | a node's background job |

mod batch;
mod check;
mod follow;
mod states;

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::mpsc;

use batch::{Batch, Scope};
pub use batch::{MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, balance_columns};
pub use check::{CheckReport, Difference, MAX_DIFFERENCES, check};
pub use follow::follow;

use super::copy::CopyRows;
use super::tables::{Relation, STATES};
use crate::postgres::{Connection, PostgresError};
use crate::protocol::hash::HeaderHash;
use crate::store::{Store, StoreError, View};

/// How many batches are read ahead of the one that is written.
const BATCHES_AHEAD: usize = 1;

/// How far the mirror has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The last block that is mirrored.
    pub height: u64,
    /// How many leaves the log has with it.
    pub log_size: u64,
    /// The height that the tables of states may have reached already.
    pub states_height: u64,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// How many blocks were mirrored.
    pub blocks: u64,
    /// How many entries they have.
    pub entries: u64,
    /// How long it took.
    pub time: Duration,
}

/// The mirror, as the only one who writes it.
pub struct Mirror {
    connection: Connection,
    batch_entries: u64,
}

impl Mirror {
    /// Takes the mirror in the database that `connection` leads to.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub async fn open(mut connection: Connection) -> Result<Self, PostgresError> {
        // A mirror can be made again, so losing its last moments costs nothing but time.
        let mut settings = "SET synchronous_commit = off;".to_owned();
        for name in STATES.map(|relation| relation.table().name).into_iter().chain(["balances"]) {
            let table = format!(
                "CREATE TEMPORARY TABLE IF NOT EXISTS touched_{name} (LIKE counterfoil.{name}) \
                 ON COMMIT DELETE ROWS;"
            );
            settings.push_str(&table);
        }
        run(&mut connection, "prepare for the mirror", settings).await?;
        Ok(Self { connection, batch_entries: MAX_BATCH_ENTRIES })
    }

    /// The same with smaller transactions: none takes a further block once it has so many entries.
    #[must_use]
    pub fn with_batches_of(self, entries: u64) -> Self {
        Self { batch_entries: entries.clamp(1, MAX_BATCH_ENTRIES), ..self }
    }

    /// How far it has come; `None` where it has not begun.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub async fn reached(&mut self) -> Result<Option<Reached>, PostgresError> {
        Ok(self.place(false).await?.map(|place| place.reached))
    }

    /// Mirrors what the ledger has and the mirror doesn't. `progress` is told how far it has come.
    ///
    /// Blocks that are sealed meanwhile are left to the next call.
    ///
    /// # Errors
    /// [`PostgresError`]. What was written until then stays, whole batches of blocks.
    pub async fn catch_up(
        &mut self,
        store: &Store,
        mut progress: impl FnMut(Reached),
    ) -> Result<Written, PostgresError> {
        let began = Instant::now();
        let mut written = Written::default();
        loop {
            let view = store.view();
            let from = self.begin(&view).await?;
            if from.height == view.head().height() {
                if from.states_height != from.height && store.head().height() == from.height {
                    self.states_reached(from.height).await?;
                }
                progress(from);
                break;
            }
            let mut batches = read_ahead(store.clone(), view, from.height + 1, self.batch_entries)?;
            let mut outrun = false;
            while let Some(batch) = batches.recv().await {
                let (mut batch, states_height) = batch?;
                if !self.write(&mut batch, states_height).await? {
                    // Another one writes the same mirror. Look where it is now.
                    outrun = true;
                    break;
                }
                written.blocks += batch.last + 1 - batch.first;
                written.entries += batch.entries;
                let Batch { last: height, log_size, .. } = batch;
                progress(Reached { height, log_size, states_height });
            }
            if store.is_closing() {
                return Err(PostgresError::NotOpen);
            }
            if !outrun {
                break;
            }
        }
        written.time = began.elapsed();
        Ok(written)
    }

    /// Empties the mirror, of whatever chain or history it is, so that it begins anew.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub async fn clear(&mut self) -> Result<(), PostgresError> {
        let tables = Relation::ALL.iter().map(|relation| relation.table().name);
        let tables: Vec<String> = tables
            .chain(["balances", "mirror"])
            .map(|name| format!("counterfoil.{name}"))
            .collect();
        run(&mut self.connection, "empty the mirror", format!("TRUNCATE {}", tables.join(", ")))
            .await
    }

    /// The connection, for whoever compares.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Where to go on, which the ledger must have; begins the mirror where there is none.
    async fn begin(&mut self, view: &View) -> Result<Reached, PostgresError> {
        let Some(place) = self.place(false).await? else {
            let genesis = view.chain().genesis();
            sqlx::query(
                "INSERT INTO counterfoil.mirror (height, hash, log_size, states_height) \
                 VALUES (0, $1, 1, 0) ON CONFLICT DO NOTHING",
            )
            .bind(&genesis.hash().0[..])
            .execute(&mut *self.connection)
            .await
            .map_err(PostgresError::statement("begin the mirror"))?;
            return Ok(Reached { height: 0, log_size: 1, states_height: 0 });
        };
        place.check(view)?;
        Ok(place.reached)
    }

    /// How far it has come, and of which history; kept from moving where that is wished for, until
    /// the transaction ends.
    async fn place(&mut self, locked: bool) -> Result<Option<MirrorPlace>, PostgresError> {
        let lock = if locked { " FOR UPDATE" } else { "" };
        MirrorPlace::find(&mut self.connection, lock).await
    }

    /// Writes a batch, if it is the next; false if it isn't.
    async fn write(&mut self, batch: &mut Batch, states: u64) -> Result<bool, PostgresError> {
        run(&mut self.connection, "begin", "BEGIN").await?;
        let place = self.place(true).await?;
        let is_next = place.is_some_and(|place| place.reached.height + 1 == batch.first);
        if !is_next {
            run(&mut self.connection, "roll back", "ROLLBACK").await?;
            return Ok(false);
        }
        for (relation, rows) in batch.take_new() {
            let table = relation.table();
            let target = format!("counterfoil.{} ({})", table.name, table.column_list());
            self.copy(&target, rows).await?;
        }
        for (relation, rows) in batch.take_changed() {
            let table = relation.table();
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
            self.merge(table.name, table.key, &columns, rows).await?;
        }
        let balances = std::mem::take(&mut batch.balances);
        if !balances.is_empty() {
            let columns = balance_columns();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            self.merge("balances", BALANCE_KEY, &columns, balances).await?;
        }
        sqlx::query(
            "UPDATE counterfoil.mirror SET height = $1, hash = $2, log_size = $3, \
             states_height = greatest(states_height, $4), moved_at = now()",
        )
        .bind(bigint(batch.last))
        .bind(&batch.hash.0[..])
        .bind(bigint(batch.log_size))
        .bind(bigint(states))
        .execute(&mut *self.connection)
        .await
        .map_err(PostgresError::statement("move the mirror's height"))?;
        run(&mut self.connection, "commit blocks", "COMMIT").await?;
        Ok(true)
    }

    /// Says that the states are as of the mirror's own height.
    async fn states_reached(&mut self, height: u64) -> Result<(), PostgresError> {
        sqlx::query(
            "UPDATE counterfoil.mirror SET states_height = $1 WHERE height = $1 AND states_height < $1",
        )
        .bind(bigint(height))
        .execute(&mut *self.connection)
        .await
        .map_err(PostgresError::statement("move the mirror's height"))?;
        Ok(())
    }

    async fn copy(&mut self, target: &str, rows: CopyRows) -> Result<(), PostgresError> {
        let statement = format!("COPY {target} FROM STDIN (FORMAT binary)");
        let copied = async {
            let mut copy = self.connection.copy_in_raw(&statement).await?;
            copy.send(rows.finish()).await?;
            copy.finish().await
        };
        copied.await.map(drop).map_err(PostgresError::statement("take rows"))
    }

    /// Writes rows into a table that may have older ones of them.
    async fn merge(
        &mut self,
        table: &str,
        key: usize,
        columns: &[&str],
        rows: CopyRows,
    ) -> Result<(), PostgresError> {
        let list = columns.join(", ");
        self.copy(&format!("pg_temp.touched_{table} ({list})"), rows).await?;
        let (key, rest) = columns.split_at_checked(key).unwrap_or_default();
        let news = rest.iter().map(|column| format!("excluded.{column}"));
        let olds = rest.iter().map(|column| format!("known.{column}"));
        let [news, olds] = [news.collect::<Vec<_>>(), olds.collect()].map(|list| list.join(", "));
        let statement = format!(
            "INSERT INTO counterfoil.{table} AS known ({list}) SELECT {list} FROM pg_temp.touched_{table} \
             ON CONFLICT ({}) DO UPDATE SET ({}) = ROW ({news}) \
             WHERE ({olds}) IS DISTINCT FROM ({news})",
            key.join(", "),
            rest.join(", "),
        );
        run(&mut self.connection, "take changes", statement).await
    }
}

/// How many columns of `balances` tell accounts apart.
const BALANCE_KEY: usize = 4;

/// How far the mirror has come, and of which history.
struct MirrorPlace {
    hash: Vec<u8>,
    reached: Reached,
}

impl MirrorPlace {
    /// Where the mirror is, if it has begun.
    async fn find(
        connection: &mut PgConnection,
        lock: &'static str,
    ) -> Result<Option<Self>, PostgresError> {
        let query = "SELECT height, hash, log_size, states_height FROM counterfoil.mirror";
        let row = sqlx::query(AssertSqlSafe(format!("{query}{lock}"))).fetch_optional(connection);
        let row =
            row.await.map_err(PostgresError::statement("tell how far the mirror has come"))?;
        row.map(|row| Self::read(&row)).transpose()
    }

    fn read(row: &PgRow) -> Result<Self, PostgresError> {
        let said = PostgresError::statement;
        let number = |column| {
            let number: i64 = row.try_get(column).map_err(said("tell a height"))?;
            let negative =
                |_| PostgresError::Damaged(format!("{column} of the mirror is {number}"));
            u64::try_from(number).map_err(negative)
        };
        let reached = Reached {
            height: number("height")?,
            log_size: number("log_size")?,
            states_height: number("states_height")?,
        };
        Ok(Self { hash: row.try_get("hash").map_err(said("tell a hash"))?, reached })
    }

    /// Checks that the ledger's history is the same as far as the mirror has come.
    fn check(&self, view: &View) -> Result<(), PostgresError> {
        let height = self.reached.height;
        let ours = view.header(height)?.map(|stored| stored.header.hash());
        if ours.is_some_and(|ours: HeaderHash| ours.0[..] == self.hash[..]) {
            return Ok(());
        }
        Err(PostgresError::OtherHistory { height, found: hex::encode(&self.hash), own: ours })
    }
}

/// A batch, and the height that its states may have reached.
type ReadAhead = Result<(Batch, u64), StoreError>;

/// Batches from a height on, read on a thread of their own. With each comes the height that its
/// states may have reached.
fn read_ahead(
    store: Store,
    view: View,
    from: u64,
    entries: u64,
) -> Result<mpsc::Receiver<ReadAhead>, PostgresError> {
    let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
    let work = move || {
        let (mut next, last) = (from, view.head().height());
        while next <= last && !store.is_closing() {
            let read = Batch::read(&view, (next, last), entries, Scope::Touched);
            let Some(read) = read.transpose() else { return };
            let failed = read.is_err();
            let item = read.map(|batch| {
                next = batch.last + 1;
                (batch, store.head().height())
            });
            // Whoever took them has failed, and says so.
            if sender.blocking_send(item).is_err() || failed {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("pg-mirror".to_owned()).spawn(work);
    thread.map(|_| batches).map_err(|error| PostgresError::Ledger(error.to_string()))
}

/// Does what reads the ledger on a thread for such work.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PostgresError> + Send + 'static,
) -> Result<T, PostgresError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

/// Sends statements that are made of names in this program.
pub(crate) async fn run(
    connection: &mut PgConnection,
    action: &'static str,
    statements: impl Into<String>,
) -> Result<(), PostgresError> {
    let statements = sqlx::raw_sql(AssertSqlSafe(statements.into())).execute(connection);
    statements.await.map(drop).map_err(PostgresError::statement(action))
}

/// A height or a log index, of which there are fewer than 2^63.
fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
