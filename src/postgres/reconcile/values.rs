//! One form for the values of both sides: PostgreSQL's binary one, where a numeric's value counts and
//! not how many decimals are written.

use super::mapping::{EVENT_TIME_PLACE, MappedField};
use crate::postgres::copy::{self, Field};
use crate::postgres::facts::facts;
use crate::postgres::tables::{Column, Type};
use crate::protocol::entry::Entry;
use crate::protocol::money::MoneyError;
use crate::protocol::spec::Currencies;

/// A value as the server sends it; `None` stands for null.
pub type Value = Option<Vec<u8>>;

/// Hands what `entry` says in the mapped fields to `take`, in their order.
///
/// # Errors
/// [`MoneyError::UnknownCurrency`] for an entry of another chain.
pub fn of_entry(
    entry: &Entry,
    currencies: &Currencies,
    fields: &[MappedField],
    mut take: impl FnMut(&MappedField, Option<&[u8]>),
) -> Result<(), MoneyError> {
    let mut written = Vec::new();
    facts(entry, currencies, |_, line, row| {
        if line.is_some() {
            return;
        }
        for mapped in fields {
            let own = match mapped.place.checked_sub(EVENT_TIME_PLACE + 1) {
                None => Field::Time(entry.event_time),
                Some(place) => row.get(place).copied().unwrap_or(Field::Null),
            };
            let own = match own {
                Field::Numeric { units, .. } if mapped.source.minor => {
                    Field::Numeric { units, scale: 0 }
                }
                own => own,
            };
            written.clear();
            own.write(&mut written);
            // Its length comes first.
            let bytes = written.get(4..).filter(|_| own != Field::Null);
            take(mapped, bytes);
        }
    })
}

/// Adds a value to what a digest is made of: equal values add equal bytes, others don't.
pub fn add_to(digested: &mut Vec<u8>, column: Column, value: Option<&[u8]>) {
    let Some(bytes) = value else { return digested.push(0) };
    digested.push(1);
    if let (Type::Numeric, Some((head, digits))) = (column.holds, copy::numeric_value(bytes)) {
        digested.extend_from_slice(head);
        digested.extend_from_slice(digits);
    } else {
        digested.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        digested.extend_from_slice(bytes);
    }
}

/// Whether two values are the same.
pub fn are_equal(column: Column, one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (column.holds, one, other) {
        (Type::Numeric, Some(one), Some(other)) => {
            copy::numeric_value(one) == copy::numeric_value(other)
        }
        _ => one == other,
    }
}

/// A value for people.
pub fn shown(column: Column, value: Option<&[u8]>) -> Option<String> {
    let bytes = value?;
    let shown = match column.holds {
        Type::Numeric => copy::numeric_text(bytes),
        Type::Time => copy::time_text(bytes),
        Type::Bigint => bytes.try_into().ok().map(|bytes| i64::from_be_bytes(bytes).to_string()),
        Type::Integer => bytes.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).to_string()),
        _ => std::str::from_utf8(bytes).ok().map(str::to_owned),
    };
    Some(shown.unwrap_or_else(|| hex::encode(bytes)))
}
