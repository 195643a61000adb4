//! The tables' side: each row is read once and finds its entry.

use std::collections::HashSet;

use futures::TryStreamExt;
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row, ValueRef};

use super::index::{Found, Index};
use super::mapping::{MappedTable, Source, TenantOf};
use super::report::{FieldDifference, Finding, Problem, TableReport};
use super::values;
use crate::postgres::PostgresError;
use crate::postgres::tables::{Column, Type};
use crate::protocol::entry::Kind;
use crate::protocol::id::Id;
use crate::store::{Store, StoreError, View};

/// Every how many rows progress is told.
const ROWS_A_REPORT: u64 = 10_000;
/// Where a row has its tenant and its external id.
const NAMES: [Column; 2] = [
    Column { name: "tenant", holds: Type::Text },
    Column { name: "external_id", holds: Type::Text },
];

/// Reading one table.
pub struct Reading<'a> {
    /// The ledger as it is.
    pub store: &'a Store,
    /// The ledger as it is compared.
    pub view: &'a View,
    /// The table.
    pub table: &'a MappedTable,
    /// Its number in the mapping.
    pub number: usize,
    /// The ledger's side.
    pub index: &'a mut Index,
}

impl Reading<'_> {
    /// Reads every row. Those are counted where `counted`.
    pub async fn run(
        mut self,
        connection: &mut PgConnection,
        report: &mut TableReport,
        counted: bool,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), PostgresError> {
        let said = PostgresError::statement;
        let (statement, prefixes) = self.statement();
        let mut query: Query<'_, Postgres, _> = sqlx::query(AssertSqlSafe(statement));
        for prefix in prefixes {
            query = query.bind(prefix);
        }
        if let Some(only) = &self.table.only {
            query = query.bind(&only.values);
        }
        let mut rows = query.fetch(&mut *connection);
        let (mut digested, mut read) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(said("send a mapped table"))? {
            read += 1;
            if read % ROWS_A_REPORT == 0 {
                progress(ROWS_A_REPORT);
            }
            self.row(&row, &mut digested, report)?;
        }
        drop(rows);
        progress(read % ROWS_A_REPORT);
        if counted {
            report.rows += read;
        }
        awaited(connection, self.table.kind, report).await
    }

    /// The statement that reads the table, and the texts that are its first parameters.
    fn statement(&self) -> (String, Vec<&str>) {
        let mut parameters = Vec::new();
        let mut selected = Vec::new();
        match &self.table.tenant {
            TenantOf::Fixed(tenant) => {
                parameters.push(tenant.as_str());
                selected.push(format!("${}::text", parameters.len()));
            }
            TenantOf::Column(column) => selected.push(format!("{column}::text")),
        }
        let mut select = |source, holds| {
            let Source { column, prefix, .. }: &_ = source;
            let value = format!("{column}::{}", Type::sql(holds));
            if prefix.is_empty() {
                selected.push(value);
            } else {
                parameters.push(prefix.as_str());
                selected.push(format!("${}::text || {value}", parameters.len()));
            }
        };
        select(&self.table.external_id, Type::Text);
        for field in &self.table.fields {
            select(&field.source, field.column.holds);
        }
        let mut statement = format!("SELECT {} FROM {}", selected.join(", "), self.table.name);
        if let Some(only) = &self.table.only {
            let number = parameters.len() + 1;
            let column = &only.column;
            let meant = format!(" WHERE {column}::text = ANY(${number}::text[])");
            statement.push_str(&meant);
        }
        (statement, parameters)
    }

    fn row(
        &mut self,
        row: &PgRow,
        digested: &mut Vec<u8>,
        report: &mut TableReport,
    ) -> Result<(), PostgresError> {
        digested.clear();
        for (place, field) in (NAMES.len()..).zip(&self.table.fields) {
            values::add_to(digested, field.column, value(row, place)?);
        }
        let [tenant, name] = [0, 1].map(|place| value(row, place));
        let [tenant, name] = [text(tenant?), text(name?)];
        let problem = match self.index.find(self.number, tenant, name, digested) {
            Found::Elsewhere | Found::Equal => return Ok(()),
            Found::Unknown => {
                if self.is_sealed_meanwhile(tenant, name)? {
                    report.awaited += 1;
                    return Ok(());
                }
                (None, Problem::Extra)
            }
            Found::Repeated(index) => (Some(index), Problem::Repeated),
            Found::Changed(index) => match self.differences(row, index)? {
                Some(problem) => (Some(index), problem),
                None => return Ok(()),
            },
        };
        let (index, problem) = problem;
        let (tenant, external_id) = (tenant.to_owned(), name.to_owned());
        report.add(Finding { tenant, external_id, index, problem });
        Ok(())
    }

    /// Whether the ledger has such an entry by now.
    fn is_sealed_meanwhile(&self, tenant: &str, name: &str) -> Result<bool, PostgresError> {
        let (Ok(tenant), Ok(name)) = (Id::new(tenant), Id::new(name)) else { return Ok(false) };
        let stored = self.store.view().named(&tenant, self.table.kind, &name)?;
        Ok(stored.is_some_and(|stored| stored.index >= self.view.head().size()))
    }

    /// In what a row differs from the entry at `index`.
    fn differences(&self, row: &PgRow, index: u64) -> Result<Option<Problem>, PostgresError> {
        let damaged =
            |problem: String| StoreError::Damaged { place: format!("index {index}"), problem };
        let entry = self.view.entry(index)?;
        let entry = entry.ok_or_else(|| damaged("no entry is there any more".to_owned()))?;
        let mut expected: Vec<values::Value> = Vec::new();
        let currencies = &self.view.spec().currencies;
        values::of_entry(entry.entry(), currencies, &self.table.fields, |_, value| {
            expected.push(value.map(<[u8]>::to_vec));
        })
        .map_err(|error| damaged(error.to_string()))?;
        let (mut fields, mut links_alone) = (Vec::new(), true);
        for ((place, field), own) in (NAMES.len()..).zip(&self.table.fields).zip(&expected) {
            let (own, found) = (own.as_deref(), value(row, place)?);
            if values::are_equal(field.column, own, found) {
                continue;
            }
            links_alone &= field.column.holds == Type::Link;
            fields.push(FieldDifference {
                field: field.column.name,
                column: field.source.column.as_str().to_owned(),
                ledger: values::shown(field.column, own),
                table: values::shown(field.column, found),
            });
        }
        Ok(match (fields.is_empty(), links_alone) {
            (true, _) => None,
            (false, true) => Some(Problem::WrongLink { fields }),
            (false, false) => Some(Problem::Changed { fields }),
        })
    }
}

/// Takes back what was said of rows that are on their way to the ledger: those that the outbox still has.
async fn awaited(
    connection: &mut PgConnection,
    kind: Kind,
    report: &mut TableReport,
) -> Result<(), PostgresError> {
    let is_extra = |finding: &&Finding| finding.problem == Problem::Extra;
    let extra = report.findings.iter().filter(is_extra);
    let (tenants, names): (Vec<&str>, Vec<&str>) =
        extra.map(|finding| (finding.tenant.as_str(), finding.external_id.as_str())).unzip();
    if names.is_empty() {
        return Ok(());
    }
    let waiting = sqlx::query_as(
        "SELECT DISTINCT tenant, external_id FROM counterfoil.outbox \
         WHERE kind = $1 AND state IN ('pending', 'waiting') \
             AND (tenant, external_id) IN (SELECT * FROM unnest($2::text[], $3::text[]))",
    );
    let waiting = waiting.bind(kind.as_str()).bind(tenants).bind(names).fetch_all(connection);
    let waiting: Vec<(String, String)> =
        waiting.await.map_err(PostgresError::statement("tell what waits in the outbox"))?;
    let waiting: HashSet<(String, String)> = waiting.into_iter().collect();
    let before = report.findings.len();
    report.findings.retain(|finding| {
        let name = (finding.tenant.clone(), finding.external_id.clone());
        !(finding.problem == Problem::Extra && waiting.contains(&name))
    });
    let taken_back = (before - report.findings.len()) as u64;
    report.extra -= taken_back;
    report.awaited += taken_back;
    Ok(())
}

/// A value as the server sent it.
fn value(row: &PgRow, place: usize) -> Result<Option<&[u8]>, PostgresError> {
    let said = PostgresError::statement;
    let value = row.try_get_raw(place).map_err(said("send as many columns"))?;
    if value.is_null() {
        return Ok(None);
    }
    let bytes = value.as_bytes();
    bytes
        .map(Some)
        .map_err(|error| PostgresError::Damaged(format!("a value that can't be read: {error}")))
}

/// A name, or nothing where there is none, which no entry is called.
fn text(value: Option<&[u8]>) -> &str {
    std::str::from_utf8(value.unwrap_or_default()).unwrap_or_default()
}
