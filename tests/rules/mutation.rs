//! Entries with something changed, as text: most of them break a rule.

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::text::{self, EntryText};
use counterfoil::protocol::time::Timestamp;
use serde_json::Value;

use super::histories::{DAY_MS, Player};
use crate::market::currency;

/// `entry` with something changed; as it is, where that makes no entry.
pub fn altered(entry: Entry, player: &mut Player<'_>) -> Entry {
    // Every currency with two decimals, so that each amount is one in each of them.
    let codes = ["EUR", "GBP", "JPY", "USD"];
    let currencies = Currencies::new(codes.map(|code| (currency(code), 2)));
    let text = |entry: &Entry| {
        let text = EntryText::new(entry, &currencies).unwrap();
        serde_json::to_value(text).unwrap()
    };
    let mut alike = player.known.0.clone();
    alike.retain(|fact| fact.kind() == entry.kind());
    let lists = [&alike, &alike, &player.known.0, &player.known.0];
    let others = lists.map(Clone::clone).map(|list| player.some(list).map(text));
    let others: Vec<Value> = others.into_iter().flatten().collect();
    for _ in 0..6 {
        let mut value = text(&entry);
        let mut places = Vec::new();
        collect(&value, "", &mut places);
        let place = player.one_of(&places);
        alter(&mut value, &place, &others, player);
        let changed = text::parse(&value.to_string(), &currencies);
        if let Ok(changed) = changed
            && changed != entry
            && EncodedEntry::new(changed.clone()).is_ok()
        {
            return changed;
        }
    }
    entry
}

/// The place of every value within, the outermost aside.
fn collect(value: &Value, at: &str, places: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, inner)| (format!("{at}/{name}"), inner)).collect()
        }
        Value::Array(list) => {
            list.iter().enumerate().map(|(place, inner)| (format!("{at}/{place}"), inner)).collect()
        }
        _ => Vec::new(),
    };
    for (place, inner) in inner {
        places.push(place.clone());
        collect(inner, &place, places);
    }
}

/// Changes what stands at `place`.
fn alter(value: &mut Value, place: &str, others: &[Value], player: &mut Player<'_>) {
    let (outer, name) = place.rsplit_once('/').unwrap();
    if player.one_in(6) {
        graft(value, others, player);
        return;
    }
    if player.one_in(8) {
        match value.pointer_mut(outer) {
            Some(Value::Object(fields)) => drop(fields.remove(name)),
            Some(Value::Array(list)) => drop(list.pop()),
            _ => {}
        }
        return;
    }
    let Some(found) = value.pointer_mut(place) else { return };
    // What stands in the same field elsewhere.
    let mut elsewhere = Vec::new();
    for other in others {
        let mut places = Vec::new();
        collect(other, "", &mut places);
        let same = places.iter().filter(|other| other.rsplit('/').next() == Some(name));
        elsewhere.extend(same.filter_map(|place| other.pointer(place)).cloned());
    }
    if player.one_in(2)
        && let Some(other) = player.some(elsewhere)
    {
        *found = other;
        return;
    }
    match found {
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            let near = [0, 1, number + 1, number.saturating_sub(1), 13, 29, 1_000_001];
            *found = player.one_of(&near).into();
        }
        Value::String(text) => *text = another(text, name, player),
        Value::Array(list) => {
            if let Some(one) = player.some(list.clone()) {
                let count = player.one_of(&[1, 1, 1, 11, 21, 101, 501]);
                list.extend(std::iter::repeat_n(one, count));
            }
            if player.one_in(4) {
                list.reverse();
            }
        }
        _ => {}
    }
}

/// Gives the body a field that another has.
fn graft(value: &mut Value, others: &[Value], player: &mut Player<'_>) {
    let Some(Value::Object(body)) = value.pointer_mut("/body") else { return };
    let fields = others.iter().filter_map(|other| other["body"].as_object()).flatten();
    let new = fields.filter(|(name, _)| !body.contains_key(*name));
    if let Some((name, field)) = player.some(new.collect()) {
        body.insert(name.clone(), field.clone());
    }
}

/// Another text in the place of `text`, of the field `name`.
fn another(text: &str, name: &str, player: &mut Player<'_>) -> String {
    if name == "currency" || name == "from" || name == "to" {
        return player.one_of(&["EUR", "GBP", "JPY", "USD"]).to_owned();
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        let (time, day) = (time.as_millis(), DAY_MS);
        let near = [time - 1, time + 1, time + day, time.saturating_sub(30 * day), time + 301_000];
        return crate::market::at(player.one_of(&near)).to_string();
    }
    if let Some(units) =
        text.strip_suffix(char::is_numeric).and(text.replace('.', "").parse::<u64>().ok())
    {
        let near =
            [0, units + 1, units.saturating_sub(1), units / 2, u64::MAX / 2, u64::MAX / 2 - 9];
        let units = player.one_of(&near).min(u64::MAX / 2);
        return format!("{}.{:02}", units / 100, units % 100);
    }
    if !player.one_in(4)
        && let Some(fact) = player.some(player.known.0.clone())
    {
        return fact.external_id.to_string();
    }
    let names = ["nobody", "ann", "bob", "shop", "mart", "main", "side", "media", "shoe"];
    player.one_of(&names).to_owned()
}
