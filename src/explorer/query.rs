//! What stands after the question mark of an address.

use std::str::FromStr;

use askama::filters::urlencode_strict;

use super::answer::{ExplorerError, repeated};
use crate::protocol::id::Id;

/// A value that was given, read as a `T`. An empty one counts as not given: forms send those.
///
/// # Errors
/// [`ExplorerError::BadQuery`], which names the field.
pub(super) fn value<T: FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, ExplorerError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(str::parse)
        .transpose()
        .map_err(|error: T::Err| ExplorerError::BadQuery { problem: format!("{field}: {error}") })
}

/// The query of an address, question mark included, from the values that there are.
pub(super) fn query(values: &[(&str, Option<String>)]) -> String {
    let pairs: Vec<String> = values
        .iter()
        .filter_map(|(name, value)| {
            value.as_deref().map(|value| format!("{name}={}", encode(value)))
        })
        .collect();
    format!("?{}", pairs.join("&"))
}

/// The address of what has these names, relative to the root.
pub(super) fn path(pages: &str, names: &[&str]) -> String {
    names.iter().fold(pages.to_owned(), |path, name| format!("{path}/{}", encode(name)))
}

/// The names in an address, each read as an id.
///
/// # Errors
/// [`ExplorerError::NoSuchName`]: nothing on a ledger is called what no id can be.
pub(super) fn ids<const N: usize>(names: [&str; N]) -> Result<[Id; N], ExplorerError> {
    let mut ids = Vec::with_capacity(N);
    for name in names {
        let unknown = |_| ExplorerError::NoSuchName { name: repeated(name) };
        ids.push(Id::new(name).map_err(unknown)?);
    }
    Ok(ids.try_into().expect("as many as there are names"))
}

/// `text` with everything but letters, digits, `-`, `_`, `.` and `~` percent-encoded.
pub(super) fn encode(text: &str) -> String {
    match urlencode_strict(text) {
        Ok(encoded) => encoded.to_string(),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_would_mean_something() {
        let hostile = "a/b?c=d&e#f%41+\"><script>'";
        assert_eq!(
            query(&[("kind", None), ("q", Some(hostile.to_owned())), ("n", Some("7".to_owned()))]),
            "?q=a%2Fb%3Fc%3Dd%26e%23f%2541%2B%22%3E%3Cscript%3E%27&n=7"
        );
        assert_eq!(query(&[]), "?");
    }

    #[test]
    fn reads_values() {
        assert_eq!(value::<u64>("n", None).unwrap(), None);
        assert_eq!(value::<u64>("n", Some("  ")).unwrap(), None);
        assert_eq!(value("n", Some(" 7 ")).unwrap(), Some(7u64));
        assert!(value::<u64>("n", Some("-1")).is_err());
        assert!(value::<Id>("n", Some("a b")).is_err());
    }
}
