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
/// Of two kinds, as a commission and one that was brought in under its name, those and the bodies are
/// what differs.
pub fn differences(one: &Entry, other: &Entry, currencies: &Currencies) -> Vec<Difference> {
    let json = |entry: &Entry| {
        let text = EntryText::new(entry, currencies).ok();
        text.and_then(|text| serde_json::to_value(text).ok()).unwrap_or_default()
    };
    let (mut one_json, mut other_json) = (json(one), json(other));
    let mut found = Vec::new();
    if one.kind() != other.kind() {
        for name in ["kind", "body"] {
            let (one, other) = (take(&mut one_json, name), take(&mut other_json, name));
            found.push(Difference { path: name.to_owned(), one, other });
        }
        return found;
    }
    collect(String::new(), one_json, other_json, &mut found);
    found
}

fn take(object: &mut Value, name: &str) -> Value {
    object.get_mut(name).map(Value::take).unwrap_or_default()
}

fn collect(path: String, one: Value, other: Value, found: &mut Vec<Difference>) {
    match (one, other) {
        (Value::Object(mut one), Value::Object(mut other)) => {
            let names: std::collections::BTreeSet<String> =
                one.keys().chain(other.keys()).cloned().collect();
            for name in names {
                let dot = if path.is_empty() { "" } else { "." };
                let of =
                    |object: &mut serde_json::Map<_, _>| object.remove(&name).unwrap_or_default();
                let (one, other) = (of(&mut one), of(&mut other));
                collect(format!("{path}{dot}{name}"), one, other, found);
            }
        }
        (one, other) if one != other => found.push(Difference { path, one, other }),
        _ => {}
    }
}
