//! The mapping: which of the backend's tables have what is on the ledger, and in which columns.
//!
//! ```toml
//! tenant = "demo"
//!
//! [[table]]
//! name = "shop.orders"
//! kind = "transaction"
//! external_id = { column = "id", prefix = "order-" }
//! only = { column = "state", is = ["recorded", "shipped"] }
//!
//! [table.fields]
//! amount = { column = "total_cents", unit = "minor" }
//! currency = "currency"
//! merchant = "merchant"
//! event_time = "ordered_at"
//! ```
//!
//! Fields are those of the mirror's table for the kind ([`Relation::of_kind`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::postgres::identifier::{IdentifierError, SqlIdentifier, TableName};
use crate::postgres::tables::{Column, Relation, Type};
use crate::protocol::entry::Kind;
use crate::protocol::id::{Id, IdError};

/// The longest mapping, in bytes.
pub const MAX_MAPPING_BYTES: usize = 1024 * 1024;
/// The most tables of a mapping.
pub const MAX_TABLES: usize = 64;
/// The most values that `only` has.
pub const MAX_ONLY_VALUES: usize = 100;

/// What is wrong with a mapping.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It isn't in the form of a mapping.
    #[error("{0}")]
    Malformed(#[from] toml::de::Error),
    /// Nothing is mapped, or too much.
    #[error("it has {0} tables; one to {MAX_TABLES} can be mapped")]
    Tables(usize),
    /// Something of a table can't be as it is.
    #[error("table {table}: {at}: {problem}")]
    Table {
        /// Which.
        table: String,
        /// Where in it.
        at: String,
        /// What is wrong.
        problem: String,
    },
}

/// Which of the backend's tables have what is on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The tables, no two of them for the same entries.
    pub tables: Vec<MappedTable>,
}

/// A table of the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedTable {
    /// Its name.
    pub name: TableName,
    /// What its rows are on the ledger.
    pub kind: Kind,
    /// Where the external id is.
    pub external_id: Source,
    /// Whose entries they are.
    pub tenant: TenantOf,
    /// Which rows are meant; all of them, where it doesn't say.
    pub only: Option<Only>,
    /// What must be equal.
    pub fields: Vec<MappedField>,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The column.
    pub column: SqlIdentifier,
    /// What stands before the column's value on the ledger.
    pub prefix: String,
    /// Whether an amount is counted in units of the ledger's last decimal, such as cents.
    pub minor: bool,
}

/// Whose entries the rows of a table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantOf {
    /// One tenant's.
    Fixed(Id),
    /// A column says.
    Column(SqlIdentifier),
}

/// Rows that have one of some values in a column, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// The column.
    pub column: SqlIdentifier,
    /// The values.
    pub values: Vec<String>,
}

/// What must be equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedField {
    /// The field, as the mirror's column.
    pub column: Column,
    /// Its place in the mirror's table.
    pub place: usize,
    /// Where the backend has it.
    pub source: Source,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingText {
    tenant: Option<String>,
    #[serde(default)]
    table: Vec<TableText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    name: String,
    kind: Kind,
    external_id: SourceText,
    tenant: Option<TenantText>,
    only: Option<OnlyText>,
    #[serde(default)]
    fields: BTreeMap<String, SourceText>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SourceText {
    Column(String),
    Detailed(DetailedText),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DetailedText {
    column: String,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    unit: UnitText,
}

#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum UnitText {
    #[default]
    Major,
    Minor,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TenantText {
    Fixed(String),
    Column { column: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyText {
    column: String,
    is: Vec<String>,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`MappingError`], with the table and the place in it.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mapping: MappingText = toml::from_str(text)?;
        if mapping.table.is_empty() || mapping.table.len() > MAX_TABLES {
            return Err(MappingError::Tables(mapping.table.len()));
        }
        let default = mapping.tenant.as_deref();
        let tables = mapping.table.into_iter().map(|table| MappedTable::new(table, default));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let mut taken: BTreeSet<(Kind, Option<&Id>)> = BTreeSet::new();
        for table in &tables {
            let tenant = match &table.tenant {
                TenantOf::Fixed(tenant) => Some(tenant),
                TenantOf::Column(_) => None,
            };
            let clashes = |(kind, other): &(Kind, Option<&Id>)| {
                *kind == table.kind && (other.is_none() || tenant.is_none() || *other == tenant)
            };
            if taken.iter().any(clashes) {
                let problem = "another table has the same entries; map a view of both instead";
                return Err(wrong(&table.name.shown(), "kind", problem));
            }
            taken.insert((table.kind, tenant));
        }
        Ok(Self { tables })
    }
}

fn wrong(table: &str, at: &str, problem: impl std::fmt::Display) -> MappingError {
    MappingError::Table { table: table.to_owned(), at: at.to_owned(), problem: problem.to_string() }
}

impl MappedTable {
    fn new(text: TableText, default_tenant: Option<&str>) -> Result<Self, MappingError> {
        let shown = text.name.clone();
        let wrong_name = |at: &str| {
            let (shown, at) = (shown.clone(), at.to_owned());
            move |error: IdentifierError| wrong(&shown, &at, error)
        };
        let wrong_id = |error: IdError| wrong(&shown, "tenant", error);
        let tenant = match (text.tenant, default_tenant) {
            (Some(TenantText::Column { column }), _) => {
                TenantOf::Column(SqlIdentifier::new(&column).map_err(wrong_name("tenant"))?)
            }
            (Some(TenantText::Fixed(tenant)), _) => {
                TenantOf::Fixed(Id::new(&tenant).map_err(wrong_id)?)
            }
            (None, Some(tenant)) => TenantOf::Fixed(Id::new(tenant).map_err(wrong_id)?),
            (None, None) => {
                let problem =
                    "say whose entries they are: tenant = \"…\" or tenant = { column = \"…\" }";
                return Err(wrong(&shown, "tenant", problem));
            }
        };
        let only = match text.only {
            None => None,
            Some(OnlyText { is, .. }) if is.is_empty() || is.len() > MAX_ONLY_VALUES => {
                let problem = format!("one to {MAX_ONLY_VALUES} values can be given");
                return Err(wrong(&shown, "only", problem));
            }
            Some(OnlyText { column, is }) => Some(Only {
                column: SqlIdentifier::new(&column).map_err(wrong_name("only"))?,
                values: is,
            }),
        };
        let external_id = Source::new(text.external_id).map_err(wrong_name("external_id"))?;
        if external_id.minor {
            return Err(wrong(&shown, "external_id", "a name has no unit"));
        }
        let mut fields = Vec::new();
        for (field, source) in text.fields {
            let source = Source::new(source).map_err(wrong_name(&field))?;
            fields.push(
                MappedField::new(text.kind, &field, source)
                    .map_err(|problem| wrong(&shown, &field, problem))?,
            );
        }
        let name = TableName::new(&text.name).map_err(wrong_name("name"))?;
        Ok(Self { name, kind: text.kind, external_id, tenant, only, fields })
    }
}

impl Source {
    fn new(text: SourceText) -> Result<Self, IdentifierError> {
        let (column, prefix, unit) = match text {
            SourceText::Column(column) => (column, String::new(), UnitText::Major),
            SourceText::Detailed(DetailedText { column, prefix, unit }) => (column, prefix, unit),
        };
        let minor = unit == UnitText::Minor;
        Ok(Self { column: SqlIdentifier::new(&column)?, prefix, minor })
    }
}

impl MappedField {
    fn new(kind: Kind, field: &str, source: Source) -> Result<Self, String> {
        let table = Relation::of_kind(kind).table();
        // The first columns say which entry it is.
        let known = || table.columns.iter().enumerate().skip(EVENT_TIME_PLACE);
        let found = known().find(|(_, column)| column.name == field);
        let Some((place, column)) = found else {
            let names: Vec<&str> = known().map(|(_, column)| column.name).collect();
            return Err(format!("a {kind} has no such field; it has {}", names.join(", ")));
        };
        match column.holds {
            Type::Json | Type::Bytes | Type::Boolean => {
                return Err("can't be compared with a column".to_owned());
            }
            Type::Numeric => {}
            _ if source.minor => return Err("only amounts have units".to_owned()),
            _ => {}
        }
        if !source.prefix.is_empty() && !matches!(column.holds, Type::Text | Type::Link) {
            return Err("only texts have prefixes".to_owned());
        }
        Ok(Self { column: *column, place, source })
    }
}

/// Where the mirror's tables have the event time, the first of the fields that can be mapped.
pub const EVENT_TIME_PLACE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        tenant = "demo"
        [[table]]
        name = "shop.orders"
        kind = "transaction"
        external_id = { column = "id", prefix = "order-" }
        only = { column = "state", is = ["recorded"] }
        [table.fields]
        amount = { column = "cents", unit = "minor" }
        event_time = "ordered_at"
        [[table]]
        name = "earned"
        kind = "commission"
        external_id = "id"
        tenant = { column = "brand" }
        fields = { transaction = { column = "order", prefix = "order-" } }
    "#;

    #[test]
    fn a_mapping_is_read() {
        let mapping = Mapping::parse(GOOD).unwrap();
        let [orders, earned] = &mapping.tables[..] else { panic!("two tables") };
        assert_eq!(orders.tenant, TenantOf::Fixed(Id::new("demo").unwrap()));
        assert!(orders.fields[0].source.minor);
        assert_eq!(earned.tenant, TenantOf::Column(SqlIdentifier::new("brand").unwrap()));
        assert_eq!(earned.fields[0].column.holds, Type::Link);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("tenant = \"demo\"", "tenant = \"de mo\"", "table shop.orders: tenant: "),
            ("tenant = \"demo\"", "", "table shop.orders: tenant: say whose"),
            ("\"transaction\"", "\"transfer\"", "unknown variant `transfer`"),
            ("kind = \"transaction\"", "kind = \"transaction\"\nwhere = \"1=1\"", "unknown field"),
            (
                "amount = {",
                "price = {",
                "price: a transaction has no such field; it has event_time",
            ),
            (
                "event_time = \"ordered_at\"",
                "currency = { column = \"c\", unit = \"minor\" }",
                "only amounts",
            ),
            (
                "event_time = \"ordered_at\"",
                "event_time = { column = \"c\", prefix = \"p\" }",
                "only texts",
            ),
            ("shop.orders", "shop.orders.x", "a table is written as"),
            ("[\"recorded\"]", "[]", "only: one to 100"),
        ];
        for (from, to, message) in cases {
            let error = Mapping::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(message), "{message:?} expected, not {error:?}");
        }
        let twice = GOOD.replacen("\"commission\"", "\"transaction\"", 1);
        let twice = Mapping::parse(&twice.replacen("transaction = {", "order_ref = {", 1));
        let error = twice.unwrap_err().to_string();
        assert!(error.contains("another table has the same entries"), "{error}");
        assert!(matches!(Mapping::parse("tenant = \"demo\""), Err(MappingError::Tables(0))));
    }
}
