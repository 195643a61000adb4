//! Balances as the ledger has them, in the form that `online_retail_totals.py` compares.

use std::collections::BTreeMap;

use serde_json::Value;

/// Party -> what -> pennies.
#[derive(Default)]
pub struct Balances(pub BTreeMap<String, BTreeMap<String, i64>>);

impl Balances {
    /// Adds to what `party` has.
    pub fn add(&mut self, party: &str, what: &str, pennies: i64) {
        *self.sum(party, what) += pennies;
    }

    /// States what `party` has.
    pub fn set(&mut self, party: &str, what: &str, pennies: i64) {
        *self.sum(party, what) = pennies;
    }

    fn sum(&mut self, party: &str, what: &str) -> &mut i64 {
        self.0.entry(party.to_owned()).or_default().entry(what.to_owned()).or_default()
    }

    /// The JSON.
    pub fn to_json(&self) -> Value {
        let party = |sums: &BTreeMap<String, i64>| -> Value {
            sums.iter()
                .map(|(what, pennies)| (what.clone(), Value::from(decimal(*pennies))))
                .collect()
        };
        self.0.iter().map(|(name, sums)| (name.clone(), party(sums))).collect()
    }
}

/// Pennies as pounds.
pub fn decimal(pennies: i64) -> String {
    let sign = if pennies < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", pennies.abs() / 100, pennies.abs() % 100)
}
