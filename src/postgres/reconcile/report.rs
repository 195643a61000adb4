//! What a comparison found.

use serde::Serialize;

use crate::postgres::mirror::CheckReport;
use crate::protocol::entry::Kind;

/// The most findings that a report names for one table; it counts all.
pub const MAX_FINDINGS: usize = 10_000;

/// What a comparison with the ledger found.
#[derive(Clone, Debug, Serialize)]
pub struct ReconcileReport {
    /// The ledger's height at which it was compared.
    pub height: u64,
    /// Whether everything is equal.
    pub equal: bool,
    /// Of the mirror, where it was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<CheckReport>,
    /// Of each mapped table.
    pub tables: Vec<TableReport>,
}

/// What was found of one table.
#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// What its rows are on the ledger.
    pub kind: Kind,
    /// How many rows it has.
    pub rows: u64,
    /// How many entries the ledger has for it.
    pub entries: u64,
    /// How many rows say something else than the ledger.
    pub changed: u64,
    /// How many rows name other entries than the ledger, and differ in nothing else.
    pub wrong_links: u64,
    /// How many entries have no row.
    pub missing: u64,
    /// How many rows have no entry, or have one that another row has too.
    pub extra: u64,
    /// How many rows wait in the outbox, or were sealed after the comparison began: no difference.
    pub awaited: u64,
    /// The findings, up to [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// Something that isn't as the ledger says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The tenant.
    pub tenant: String,
    /// The external id.
    pub external_id: String,
    /// The entry's log index, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// The row says something else than the entry.
    Changed {
        /// Where.
        fields: Vec<FieldDifference>,
    },
    /// The row names another entry than this entry does.
    WrongLink {
        /// Where.
        fields: Vec<FieldDifference>,
    },
    /// The entry has no row.
    Missing,
    /// The row has no entry.
    Extra,
    /// The row is there more than once.
    Repeated,
}

/// A field that differs. What isn't there is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// The entry's field.
    pub field: &'static str,
    /// The backend's column.
    pub column: String,
    /// What the ledger has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    /// What the table has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

impl TableReport {
    /// Of a table in which nothing was found yet.
    pub(super) fn new(table: String, kind: Kind) -> Self {
        Self {
            table,
            kind,
            rows: 0,
            entries: 0,
            changed: 0,
            wrong_links: 0,
            missing: 0,
            extra: 0,
            awaited: 0,
            findings: Vec::new(),
        }
    }

    /// How many differences there are.
    pub fn differences(&self) -> u64 {
        self.changed + self.wrong_links + self.missing + self.extra
    }

    pub(super) fn add(&mut self, finding: Finding) {
        *match finding.problem {
            Problem::Changed { .. } => &mut self.changed,
            Problem::WrongLink { .. } => &mut self.wrong_links,
            Problem::Missing => &mut self.missing,
            Problem::Extra | Problem::Repeated => &mut self.extra,
        } += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tenant, external_id, index, problem } = self;
        write!(f, "{tenant}/{external_id}")?;
        if let Some(index) = index {
            write!(f, " (index {index})")?;
        }
        let (what, fields) = match problem {
            Problem::Missing => return f.write_str(": missing"),
            Problem::Extra => return f.write_str(": not on the ledger"),
            Problem::Repeated => return f.write_str(": there more than once"),
            Problem::Changed { fields } => ("changed", fields),
            Problem::WrongLink { fields } => ("wrong link", fields),
        };
        write!(f, ": {what}")?;
        for difference in fields {
            let shown =
                |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let (ledger, table) = (shown(&difference.ledger), shown(&difference.table));
            write!(
                f,
                "; {}: the ledger has {ledger}, {} has {table}",
                difference.field, difference.column
            )?;
        }
        Ok(())
    }
}
