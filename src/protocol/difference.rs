//! In which fields two entries differ, by their text form.

use serde_json::Value;

use super::entry::Entry;
use super::spec::Currencies;
use super::text::EntryText;

/// A field in which two entries differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path to the field, such as `body.amount`.
    pub path: String,
    /// What it is in one; null where it isn't there.
    pub one: Value,
    /// What it is in the other; null where it isn't there.
    pub other: Value,
}

/// The fields in which two entries differ, in the order of their names. A list differs as a whole.
/// Of two kinds, as a commission and one that was brought in under its name, it is the bodies
/// that differ.
pub fn differences(one: &Entry, other: &Entry, currencies: &Currencies) -> Vec<Difference> {
    let json = |entry: &Entry| {
        let text = EntryText::new(entry, currencies).ok();
        text.and_then(|text| serde_json::to_value(text).ok()).unwrap_or_default()
    };
    let deepest = if one.kind() == other.kind() { usize::MAX } else { 1 };
    let mut found = Vec::new();
    collect(String::new(), json(one), json(other), deepest, &mut found);
    found
}

fn collect(path: String, one: Value, other: Value, deepest: usize, found: &mut Vec<Difference>) {
    match (one, other) {
        (Value::Object(mut one), Value::Object(mut other)) if deepest > 0 => {
            let names: std::collections::BTreeSet<String> =
                one.keys().chain(other.keys()).cloned().collect();
            for name in names {
                let dot = if path.is_empty() { "" } else { "." };
                let of =
                    |object: &mut serde_json::Map<_, _>| object.remove(&name).unwrap_or_default();
                let (one, other) = (of(&mut one), of(&mut other));
                collect(format!("{path}{dot}{name}"), one, other, deepest - 1, found);
            }
        }
        (one, other) if one != other => found.push(Difference { path, one, other }),
        _ => {}
    }
}
