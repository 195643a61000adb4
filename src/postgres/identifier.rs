//! Names of tables and columns that somebody wrote into a file: quoted whenever they get into SQL.

use std::fmt;

/// The longest name that PostgreSQL keeps whole, in bytes.
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// The name of a column, or one part of a table's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SqlIdentifier(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing at all.
    #[error("a name can't be empty")]
    Empty,
    /// PostgreSQL would cut it off, and it would be another name.
    #[error("a name has at most {MAX_IDENTIFIER_BYTES} bytes")]
    TooLong,
    /// A character that nobody sees.
    #[error("a name has no control characters")]
    Control,
    /// More than a schema and a table.
    #[error("a table is written as in orders or shop.orders")]
    NotATable,
}

impl SqlIdentifier {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`IdentifierError`].
    pub fn new(text: &str) -> Result<Self, IdentifierError> {
        if text.is_empty() {
            Err(IdentifierError::Empty)
        } else if text.len() > MAX_IDENTIFIER_BYTES {
            Err(IdentifierError::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(IdentifierError::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Quoted: whatever it is, it stays one name.
impl fmt::Display for SqlIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// The name of a table, with its schema; `public` where none is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    schema: SqlIdentifier,
    table: SqlIdentifier,
}

impl TableName {
    /// Checks `text`, such as `shop.orders`.
    ///
    /// # Errors
    /// [`IdentifierError`].
    pub fn new(text: &str) -> Result<Self, IdentifierError> {
        let (schema, table) = text.split_once('.').unwrap_or(("public", text));
        if table.contains('.') {
            return Err(IdentifierError::NotATable);
        }
        Ok(Self { schema: SqlIdentifier::new(schema)?, table: SqlIdentifier::new(table)? })
    }

    /// The name as it is shown.
    pub fn shown(&self) -> String {
        format!("{}.{}", self.schema.as_str(), self.table.as_str())
    }
}

/// Quoted.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        let cases = [
            ("orders", "\"public\".\"orders\""),
            ("Shop.Orders", "\"Shop\".\"Orders\""),
            ("a\"; DROP TABLE b; --.c", "\"a\"\"; DROP TABLE b; --\".\"c\""),
            ("sélect.été", "\"sélect\".\"été\""),
        ];
        for (text, quoted) in cases {
            assert_eq!(TableName::new(text).unwrap().to_string(), quoted);
        }
        let long = "x".repeat(64);
        for text in ["", ".a", "a.", "a.b.c", "a\0b", "a\nb", &long] {
            assert!(TableName::new(text).is_err(), "{text:?}");
        }
    }
}
