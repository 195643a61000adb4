//! The backend's own tables, compared with the ledger itself.
//!
//! Of every mapped entry the ledger's side keeps a digest of what must be equal, under a digest of
//! its name; then each table is read once, row by row, and each row finds its entry. What is left
//! is missing. Both digests are keyed by a secret of the run, so nobody can make rows for which they
//! are the same. Memory is bounded: beyond [`MAX_ENTRIES_A_PASS`] entries the names are parted, and
//! each part is a pass of its own.
//!
//! The ledger is looked at before the database, and a row comes before its entry. So an entry that
//! has no row is missing, while a row without an entry may have been sealed since, or waits in the
//! outbox: both are asked before anything is said of it.
//!
//! | file | what |
//! |---|---|
//! | `mapping.rs` | which tables and columns have what is on the ledger |
//! | `index.rs` | the ledger's side |
//! | `rows.rs` | the tables' side |
//! | `values.rs` | one form for the values of both |
//! | `report.rs` | what was found |
//! | `schedule.rs` | a node's background job |

mod index;
mod mapping;
mod report;
mod rows;
mod schedule;
mod values;

use std::sync::Arc;

use sqlx::postgres::PgConnection;

use index::{Index, Secret};
pub use mapping::{
    MAX_MAPPING_BYTES, MAX_TABLES, MappedField, MappedTable, Mapping, MappingError, Only, Source,
    TenantOf,
};
pub use report::{FieldDifference, Finding, MAX_FINDINGS, Problem, ReconcileReport, TableReport};
pub use schedule::{Schedule, keep_reconciling};

use super::PostgresError;
use super::mirror::{blocking, run};
use crate::store::Store;

/// The most entries of which digests are in memory at a time: some 300 MB.
pub const MAX_ENTRIES_A_PASS: u64 = 4_000_000;

/// Compares the mapped tables with the ledger. `progress` is told how many leaves of the log and rows
/// of tables were looked at since it was told last.
///
/// # Errors
/// [`PostgresError`], where it could not be compared.
pub async fn reconcile(
    connection: &mut PgConnection,
    store: &Store,
    mapping: &Arc<Mapping>,
    progress: impl FnMut(u64),
) -> Result<ReconcileReport, PostgresError> {
    reconcile_bounded(connection, store, mapping, MAX_ENTRIES_A_PASS, progress).await
}

/// The same with another bound: a small one brings several passes about. For tests.
///
/// # Errors
/// [`PostgresError`].
#[doc(hidden)]
pub async fn reconcile_bounded(
    connection: &mut PgConnection,
    store: &Store,
    mapping: &Arc<Mapping>,
    entries_a_pass: u64,
    mut progress: impl FnMut(u64),
) -> Result<ReconcileReport, PostgresError> {
    let view = store.view();
    let size = view.head().size();
    let parts = size.div_ceil(entries_a_pass.max(1)).max(1);
    let tables = &mapping.tables;
    let mut reports: Vec<TableReport> =
        tables.iter().map(|table| TableReport::new(table.name.shown(), table.kind)).collect();
    let (secret, mut begun) = (Secret::default(), false);
    for part in 0..parts {
        let (read, of, keys) = (view.clone(), mapping.clone(), secret.clone());
        let mut index = blocking(move || Index::read(&read, &of, keys, (part, parts))).await?;
        progress(size / parts);
        if !begun {
            // After the ledger's side: see above. Between passes it idles for as long as the ledger takes.
            run(
                connection,
                "begin",
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                 SET LOCAL idle_in_transaction_session_timeout = 0",
            )
            .await?;
            begun = true;
        }
        for (number, (table, report)) in tables.iter().zip(&mut reports).enumerate() {
            let reading = rows::Reading { store, view: &view, table, number, index: &mut index };
            reading.run(connection, report, part == 0, &mut progress).await?;
        }
        for (number, (table, report)) in tables.iter().zip(&mut reports).enumerate() {
            report.entries += index.count(number);
            index.missing(&view, number, table, report)?;
        }
    }
    run(connection, "end", "COMMIT").await?;
    let equal = reports.iter().all(|report| report.differences() == 0);
    Ok(ReconcileReport { height: view.head().height(), equal, mirror: None, tables: reports })
}
