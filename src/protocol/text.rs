//! Entries in text: the JSON that submitters write and readers get.
//!
//! ```json
//! {"tenant": "acme", "kind": "reversal", "external_id": "R-1",
//!  "event_time": "2026-11-21T14:00:00Z",
//!  "body": {"commission": "C-1", "currency": "EUR", "amount": "2.50", "reason": "returned_item"}}
//! ```
//!
//! Reading is strict: unknown and repeated fields, numbers for amounts and anything else out
//! of form are errors that name the field.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, Value};

use super::entry::{Body, Entry, Kind};
use super::hash::Commitment;
use super::id::Id;
use super::json::{self, JsonError};
use super::money::{Decimal, MoneyError};
use super::spec::Currencies;
use super::time::Timestamp;

/// The longest text of one entry, in bytes: a full leaf, generously spelled out.
pub const MAX_ENTRY_TEXT_BYTES: usize = 256 * 1024;

/// Why a text is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than [`MAX_ENTRY_TEXT_BYTES`].
    #[error("an entry's text has at most {MAX_ENTRY_TEXT_BYTES} bytes, this has {0}")]
    TooLong(usize),
    /// Not JSON, or not of an entry's shape; the message names what and where.
    #[error("{message}")]
    Malformed {
        /// The path to it, such as `body.lines[3].amount`; empty for the entry as a whole.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// An amount that its currency can't hold.
    #[error("{field}: {error}")]
    Money {
        /// The field of the amount.
        field: String,
        /// What is wrong.
        error: MoneyError,
    },
}

impl TextError {
    /// The stable name of what is wrong, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "entry-too-long",
            Self::Malformed { .. } => "malformed-entry",
            Self::Money { error, .. } => match error {
                MoneyError::UnknownCurrency(_) => "unknown-currency",
                MoneyError::TooManyDecimals { .. } => "too-many-decimals",
                MoneyError::TooLarge => "amount-too-large",
                MoneyError::NotDecimal | MoneyError::BadCurrency => "malformed-entry",
            },
        }
    }

    /// The field at fault, where it is one field's doing.
    pub fn field(&self) -> Option<String> {
        match self {
            Self::TooLong(_) => None,
            Self::Malformed { field, message } => {
                let within = message.strip_prefix(&format!("{field}: ")).unwrap_or(message);
                let dot = if field.is_empty() { "" } else { "." };
                let named = named_field(within).map(|name| format!("{field}{dot}{name}"));
                named.or_else(|| Some(field.clone())).filter(|field| !field.is_empty())
            }
            Self::Money { field, error: MoneyError::UnknownCurrency(_) } => {
                Some(currency_of(field).to_owned())
            }
            Self::Money { field, .. } => Some(field.clone()),
        }
    }
}

/// The field of an amount's currency: an unknown one is noticed at the amount.
fn currency_of(amount: &str) -> &'static str {
    const PLACES: [(&str, &str); 6] = [
        ("body.rules.cap.", "body.rules.cap.currency"),
        ("body.rules.reward.rate.", "body.rules.reward.rate.currency"),
        ("body.rules.reward.", "body.rules.reward.currency"),
        ("body.refund.", "body.refund.currency"),
        ("body.balance.", "body.balance.currency"),
        ("body.", "body.currency"),
    ];
    let own = PLACES.iter().find(|(start, _)| amount.starts_with(start));
    own.map_or("body", |(_, currency)| currency)
}

/// The field that serde says is unknown, missing or there twice.
pub fn named_field(message: &str) -> Option<&str> {
    let said = ["unknown field `", "missing field `", "duplicate field `"];
    let rest = said.into_iter().find_map(|said| message.strip_prefix(said))?;
    rest.split('`').next()
}

/// The envelope as written; the body waits until the kind is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    tenant: Id,
    kind: Kind,
    external_id: Id,
    event_time: Timestamp,
    #[serde(default)]
    commitment: Option<Commitment>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Reads one entry.
///
/// # Errors
/// [`TextError`], which names the field.
pub fn parse(text: &str, currencies: &Currencies) -> Result<Entry, TextError> {
    if text.len() > MAX_ENTRY_TEXT_BYTES {
        return Err(TextError::TooLong(text.len()));
    }
    let envelope: Envelope<'_> = json::from_str(text).map_err(malformed)?;
    let body = Body::from_json(envelope.kind, envelope.body.get()).map_err(|error| {
        let dot = if error.path.is_empty() { "" } else { "." };
        malformed(JsonError { path: format!("body{dot}{}", error.path), ..error })
    })?;
    let body = body.try_map(|field, currency, decimal: Decimal| {
        currencies
            .scale(currency)
            .and_then(|scale| decimal.to_amount(currency, scale))
            .map_err(|error| TextError::Money { field: format!("body.{field}"), error })
    })?;
    Ok(Entry {
        tenant: envelope.tenant,
        external_id: envelope.external_id,
        event_time: envelope.event_time,
        commitment: envelope.commitment,
        body,
    })
}

fn malformed(JsonError { path, message }: JsonError) -> TextError {
    let message = if path.is_empty() { message } else { format!("{path}: {message}") };
    TextError::Malformed { field: path, message }
}

/// An entry as readers get it; serialises to what [`parse`] reads.
#[derive(Serialize)]
pub struct EntryText {
    tenant: Id,
    kind: Kind,
    external_id: Id,
    event_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    commitment: Option<Commitment>,
    body: Body<Decimal>,
}

impl EntryText {
    /// The text form of `entry`.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`] for an entry of another chain.
    pub fn new(entry: &Entry, currencies: &Currencies) -> Result<Self, MoneyError> {
        let body = entry.body.clone().try_map(|_, currency, amount| {
            currencies.scale(currency).map(|scale| amount.to_decimal(scale))
        })?;
        Ok(Self {
            tenant: entry.tenant.clone(),
            kind: entry.kind(),
            external_id: entry.external_id.clone(),
            event_time: entry.event_time,
            commitment: entry.commitment,
            body,
        })
    }

    /// What the entry says, with amounts as decimal strings.
    pub fn body(&self) -> &Body<Decimal> {
        &self.body
    }
}

/// A field in which two entries differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path to it, such as `body.rules[0].reward.ppm`.
    pub field: String,
    /// What the first says there; null where it says nothing.
    pub old: Value,
    /// What the second says there; null where it says nothing.
    pub new: Value,
}

/// How lists are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// Each as a whole.
    Whole,
    /// Item by item, each with that in the same place.
    ByPlace,
}

/// The fields, in text form, in which two entries differ, in the order of their names.
///
/// # Errors
/// [`MoneyError::UnknownCurrency`] for entries of another chain.
pub fn differences(
    one: &Entry,
    two: &Entry,
    currencies: &Currencies,
    lists: Lists,
) -> Result<Vec<Difference>, MoneyError> {
    let json = |entry| {
        let text = EntryText::new(entry, currencies)?;
        Ok(serde_json::to_value(text).expect("strings, numbers and lists"))
    };
    let mut differences = Vec::new();
    compare(String::new(), &json(one)?, &json(two)?, lists, &mut differences);
    Ok(differences)
}

fn compare(field: String, one: &Value, two: &Value, lists: Lists, found: &mut Vec<Difference>) {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            let names: BTreeSet<_> = one.keys().chain(two.keys()).collect();
            for name in names {
                let field = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                let said = |value: Option<&Value>| value.cloned().unwrap_or_default();
                compare(field, &said(one.get(name)), &said(two.get(name)), lists, found);
            }
        }
        (Value::Array(one), Value::Array(two)) if lists == Lists::ByPlace => {
            for place in 0..one.len().max(two.len()) {
                let said = |list: &[Value]| list.get(place).cloned().unwrap_or_default();
                compare(format!("{field}[{place}]"), &said(one), &said(two), lists, found);
            }
        }
        (one, two) if one != two => {
            found.push(Difference { field, old: one.clone(), new: two.clone() });
        }
        _ => {}
    }
}
