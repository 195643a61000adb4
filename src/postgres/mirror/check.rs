//! Whether the mirror's tables say what the ledger says: the rows that would be written now, beside
//! those that are there, byte by byte.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use futures::TryStreamExt;
use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::batch::{Batch, Scope, balance, balance_columns};
use super::states::{AccountName, Role};
use super::{BALANCE_KEY, MAX_BATCH_ENTRIES, MirrorPlace, bigint, blocking, run};
use crate::postgres::PostgresError;
use crate::postgres::copy::{self, CopyRows};
use crate::postgres::tables::{Relation, STATES, Table};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::{Store, View};

/// The most differences that a report names; it counts all.
pub const MAX_DIFFERENCES: usize = 1_000;

/// What a comparison of the mirror with the ledger came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckReport {
    /// The height that the mirror has reached.
    pub height: u64,
    /// The ledger's height.
    pub ledger_height: u64,
    /// Whether the tables of states were compared: they can be where the mirror is as far as the
    /// ledger.
    pub states_compared: bool,
    /// How many rows the mirror must have in what was compared, but for balances.
    pub rows: u64,
    /// How many balances it has.
    pub balances: u64,
    /// How many rows are not as they must be.
    pub differences: u64,
    /// How many of those are of where entries stand.
    #[serde(skip)]
    state_differences: u64,
    /// The first of them.
    pub first: Vec<Difference>,
}

/// A row that isn't as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// What tells the row apart: log index or height, line, or the names of an account.
    pub row: String,
    /// What is wrong with it.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// The ledger has it, the table doesn't.
    Missing,
    /// The table has it, the ledger doesn't.
    Extra,
    /// Both have it, and say different things.
    Changed {
        /// In these columns.
        columns: Vec<String>,
    },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, row, problem } = self;
        match problem {
            Problem::Missing => write!(f, "{table} {row}: missing"),
            Problem::Extra => write!(f, "{table} {row}: not on the ledger"),
            Problem::Changed { columns } => {
                write!(f, "{table} {row}: changed: {}", columns.join(", "))
            }
        }
    }
}

impl CheckReport {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.differences == 0
    }

    /// Takes back what was said of where entries stand.
    fn forget_states(&mut self) {
        self.states_compared = false;
        self.differences -= self.state_differences;
        self.state_differences = 0;
        let is_state = |name: &str| STATES.iter().any(|state| state.table().name == name);
        self.first.retain(|difference| !is_state(&difference.table));
    }

    fn add(&mut self, table: &str, row: String, problem: Problem) {
        self.differences += 1;
        if STATES.iter().any(|state| state.table().name == table) {
            self.state_differences += 1;
        }
        if self.first.len() < MAX_DIFFERENCES {
            self.first.push(Difference { table: table.to_owned(), row, problem });
        }
    }
}

/// Compares the mirror with the ledger, as far as the mirror has come, in one snapshot of the database.
/// Where the ledger grows meanwhile, nothing is said of where entries stand. `progress` is told each height that was reached.
///
/// # Errors
/// [`PostgresError`], where it could not be compared.
pub async fn check(
    connection: &mut PgConnection,
    store: &Store,
    mut progress: impl FnMut(u64),
) -> Result<CheckReport, PostgresError> {
    run(connection, "begin", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let place = MirrorPlace::find(connection, "").await?;
    // After the mirror, which the ledger is never behind.
    let view = store.view();
    let mut report = CheckReport { ledger_height: view.head().height(), ..CheckReport::default() };
    let (mut from_height, mut from_index, mut last) = (0, 0, 0);
    if let Some(place) = place {
        place.check(&view)?;
        last = place.reached.height;
    }
    report.states_compared = last == view.head().height();
    report.height = last;
    let mut next = 1;
    loop {
        let read = view.clone();
        let batch = blocking(move || {
            Ok(Batch::read(&read, (next, last), MAX_BATCH_ENTRIES, Scope::Stated)?)
        })
        .await?;
        let ends = batch.as_ref().is_none_or(|batch| batch.last >= last);
        // Beyond the last block there must be nothing.
        let (until_height, until_index) = match &batch {
            Some(batch) if !ends => (bigint(batch.last) + 1, bigint(batch.log_size)),
            _ => (i64::MAX, i64::MAX),
        };
        let mut batch = batch;
        for relation in Relation::ALL {
            if relation.is_state() && !report.states_compared {
                continue;
            }
            let (from, until) = match relation {
                Relation::Blocks => (from_height, until_height),
                _ => (from_index, until_index),
            };
            let expected = match &mut batch {
                Some(batch) => batch.take(*relation),
                None => CopyRows::default().finish(),
            };
            let found = read_range(connection, relation.table(), from, until).await?;
            compare(relation.table(), &expected, &found, &mut report)?;
        }
        if let Some(batch) = &batch {
            progress(batch.last);
            next = batch.last + 1;
        }
        (from_height, from_index) = (until_height, until_index);
        if ends {
            break;
        }
    }
    balances(connection, &view, last, &mut report).await?;
    run(connection, "end", "COMMIT").await?;
    if store.head().height() != view.head().height() {
        report.forget_states();
    }
    Ok(report)
}

/// The rows of a table whose key begins with a number in a range, as a whole copy.
async fn read_range(
    connection: &mut PgConnection,
    table: &Table,
    from: i64,
    until: i64,
) -> Result<Vec<u8>, PostgresError> {
    let first = table.columns.first().map_or("", |column| column.name);
    let statement = format!(
        "COPY (SELECT {} FROM counterfoil.{} WHERE {first} >= {from} AND {first} < {until} \
         ORDER BY {}) TO STDOUT (FORMAT binary)",
        table.column_list(),
        table.name,
        table.key_list(),
    );
    let copied = async {
        let mut copy = connection.copy_out_raw(&statement).await?;
        let mut bytes = Vec::new();
        while let Some(part) = copy.try_next().await? {
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    };
    copied.await.map_err(PostgresError::statement("send the mirror's rows"))
}

/// Finds what differs between two copies of the same rows, in the order of their keys.
fn compare(
    table: &Table,
    expected: &[u8],
    found: &[u8],
    report: &mut CheckReport,
) -> Result<(), PostgresError> {
    let whole = || PostgresError::Damaged(format!("what {} sends is no copy", table.name));
    let expected_rows = copy::rows(expected).ok_or_else(whole)?;
    report.rows += expected_rows.len() as u64;
    if expected == found {
        return Ok(());
    }
    let found_rows = copy::rows(found).ok_or_else(whole)?;
    let (mut expected, mut found) = (expected_rows.iter().peekable(), found_rows.iter().peekable());
    loop {
        // Numbers that aren't negative are ordered as their bytes are.
        let order = match (expected.peek(), found.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => key_of(table, one).cmp(key_of(table, other)),
        };
        match order {
            Ordering::Less => {
                let row = expected.next().map(|row| shown_key(table, row)).unwrap_or_default();
                report.add(table.name, row, Problem::Missing);
            }
            Ordering::Greater => {
                let row = found.next().map(|row| shown_key(table, row)).unwrap_or_default();
                report.add(table.name, row, Problem::Extra);
            }
            Ordering::Equal => {
                let (Some(one), Some(other)) = (expected.next(), found.next()) else { continue };
                let columns = table.columns.iter().zip(one.iter().zip(other));
                let columns = columns.filter(|(_, (one, other))| one != other);
                let columns: Vec<String> =
                    columns.map(|(column, _)| column.name.to_owned()).collect();
                if !columns.is_empty() {
                    report.add(table.name, shown_key(table, one), Problem::Changed { columns });
                }
            }
        }
    }
}

fn key_of<'a, 'b>(table: &Table, row: &'b [Option<&'a [u8]>]) -> &'b [Option<&'a [u8]>] {
    row.get(..table.key).unwrap_or_default()
}

/// What tells a row apart, for people.
fn shown_key(table: &Table, row: &[Option<&[u8]>]) -> String {
    let columns = table.columns.iter().zip(key_of(table, row));
    let shown = columns.map(|(column, value)| {
        let number = value.unwrap_or_default().iter();
        let number = number.fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{} {number}", column.name)
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Compares balances: each that is there, and whether one is there for whoever has anything.
async fn balances(
    connection: &mut PgConnection,
    view: &View,
    height: u64,
    report: &mut CheckReport,
) -> Result<(), PostgresError> {
    let last = view.header(height)?.map_or(0, |stored| stored.header.index());
    let columns = balance_columns();
    let names = columns.join(", ");
    let statement =
        format!("COPY (SELECT {names} FROM counterfoil.balances) TO STDOUT (FORMAT binary)");
    let mut wrong = Vec::new();
    {
        let said = PostgresError::statement;
        let copied = connection.copy_out_raw(&statement).await;
        let mut copied = copied.map_err(said("send balances"))?;
        let mut rest = Vec::new();
        while let Some(part) = copied.try_next().await.map_err(said("send balances"))? {
            rest.extend_from_slice(&part);
            copy::each_row(&mut rest, |row| {
                report.balances += 1;
                wrong.extend(wrong_balance(view, last, &columns, row).transpose());
            });
        }
    }
    for wrong in wrong {
        let (row, problem) = wrong?;
        report.add("balances", row, problem);
    }
    let missing = "SELECT tenant, 'affiliate' AS role, affiliate AS party, currency \
            FROM counterfoil.commission_states \
        UNION SELECT tenant, 'merchant', merchant, currency FROM counterfoil.commission_states \
        UNION SELECT tenant, 'network', '', currency FROM counterfoil.commission_states \
        UNION SELECT tenant, 'affiliate', affiliate, currency FROM counterfoil.adjustment_states \
        UNION SELECT tenant, 'merchant', merchant, currency FROM counterfoil.fundings \
        EXCEPT SELECT tenant, role, party, currency FROM counterfoil.balances";
    let said = PostgresError::statement;
    let rows = sqlx::query(missing).fetch_all(connection).await;
    let rows = rows.map_err(said("compare balances"))?;
    let mut accounts = BTreeSet::new();
    for row in rows {
        let texts = (0..BALANCE_KEY).map(|column| row.try_get::<String, _>(column));
        let texts = texts.collect::<Result<Vec<_>, _>>().map_err(said("name balances"))?;
        accounts.insert(texts.join(" "));
    }
    for account in accounts {
        report.add("balances", account, Problem::Missing);
    }
    Ok(())
}

/// What is wrong with a balance that is there, if anything is.
fn wrong_balance(
    view: &View,
    last: u64,
    columns: &[String],
    row: &[Option<&[u8]>],
) -> Result<Option<(String, Problem)>, PostgresError> {
    let text = |place: usize| {
        let bytes = row.get(place).copied().flatten().unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    };
    let [tenant, role, party, currency] = [0, 1, 2, 3].map(text);
    let shown = || [tenant, role, party, currency].join(" ");
    let Some(account) = account([tenant, role, party, currency]) else {
        return Ok(Some((shown(), Problem::Extra)));
    };
    let mut expected = CopyRows::default();
    if view.spec().currencies.scale(account.1).is_ok() {
        balance(view, &account, last, &mut expected)?;
    }
    let expected = expected.finish();
    let expected = copy::rows(&expected).unwrap_or_default();
    let Some(expected) = expected.first() else { return Ok(Some((shown(), Problem::Extra))) };
    let wrong = columns.iter().zip(expected.iter().zip(row));
    let wrong = wrong.filter(|(_, (one, other))| one != other);
    let columns: Vec<String> = wrong.map(|(column, _)| column.clone()).collect();
    Ok((!columns.is_empty()).then(|| (shown(), Problem::Changed { columns })))
}

/// The account that a row names, if it names one that there can be.
fn account([tenant, role, party, currency]: [&str; BALANCE_KEY]) -> Option<AccountName> {
    let role = match role {
        "affiliate" => Role::Affiliate(Id::new(party).ok()?),
        "merchant" => Role::Merchant(Id::new(party).ok()?),
        "network" if party.is_empty() => Role::Network,
        _ => return None,
    };
    Some((Id::new(tenant).ok()?, Currency::new(currency).ok()?, role))
}
