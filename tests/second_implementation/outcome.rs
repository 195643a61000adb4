//! What the entries of a market have come to, as the scripts write it.

use std::collections::BTreeSet;

use counterfoil::protocol::entry::Kind;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::rules::{Record, Subject};
use counterfoil::protocol::time::Timestamp;
use serde_json::{Map, Value, json};

use super::market::{Market, id};

/// Everybody whom an entry may name.
const AFFILIATES: &[&str] = &["ann", "bob", "cy", "dee", "eve"];
const MERCHANTS: &[&str] = &["shop", "store"];

/// By tenant, what there is of each sort, by name.
pub fn of(market: &mut Market) -> Value {
    let mut tenants = Map::new();
    for tenant in ["acme", "brand"] {
        market.tenant = id(tenant);
        if Kind::ALL.iter().any(|kind| !market.names(*kind).is_empty()) {
            tenants.insert(tenant.to_owned(), of_tenant(market));
        }
    }
    Value::Object(tenants)
}

fn of_tenant(market: &Market) -> Value {
    let commissions = market.commissions().into_iter().map(|(name, of, standing)| {
        let units = [of.amount, of.left(), of.funded, of.fee, of.credited, of.debited];
        let [amount, left, funded, fee, credited, debited] = units.map(Amount::units);
        let locks_at = of.locks_at.map(Timestamp::as_millis);
        let stands = standing.as_str();
        (name, json!([stands, amount, left, funded, fee, credited, debited, locks_at]))
    });
    let adjustments = market.adjustments().into_iter().map(|(name, of, standing)| {
        let [amount, credited, debited] = [of.amount, of.credited, of.debited].map(Amount::units);
        (name, json!([standing, of.effect, amount, credited, debited]))
    });
    let payouts = market.names(Kind::Payout).into_iter().filter_map(|first| {
        let of = market.payout(&first)?;
        let sums = (of.added.units(), of.taken_off.units());
        Some((first, json!([of.state.as_str(), sums.0, sums.1, of.latest])))
    });
    let transactions = market.names(Kind::Transaction).into_iter().map(|name| {
        let Some(Record::Transaction(of)) = market.record(Kind::Transaction, &name) else {
            panic!("{name} has no record");
        };
        let parts = of.parts.iter();
        let parts: Vec<_> =
            parts.map(|part| json!([part.commission_group, part.amount.units()])).collect();
        let kept: Vec<_> = of.items.iter().map(|item| item.quantity - item.refunded).collect();
        (name, json!([of.refunded.units(), parts, kept]))
    });
    json!({
        "commissions": object(commissions),
        "adjustments": object(adjustments),
        "payouts": object(payouts),
        "transactions": object(transactions),
        "prepaid": sums(market, MERCHANTS, |party, code| Subject::Prepaid(party, code)),
        "carried": sums(market, AFFILIATES, |party, code| Subject::Carried(party, code)),
        "uplines": uplines(market),
    })
}

fn object(named: impl Iterator<Item = (Id, Value)>) -> Value {
    Value::Object(named.map(|(name, value)| (name.to_string(), value)).collect())
}

/// What is left of sums of the parties by currency, where it isn't nothing.
fn sums(
    market: &Market,
    parties: &[&str],
    subject: for<'a> fn(&'a Id, Currency) -> Subject<'a>,
) -> Value {
    let mut found = Map::new();
    for party in parties.iter().map(|party| id(party)) {
        for currency in market.ledger.chain.spec().currencies.iter().map(|(code, _)| code) {
            let key = subject(&party, currency).key(&market.tenant);
            let (plus, minus) = match market.ledger.state().get(&key).map(|found| &found.record) {
                Some(Record::Prepaid(of)) => (of.received, of.covers),
                Some(Record::Carried(of)) => (of.kept, of.used),
                _ => continue,
            };
            let sum = i128::from(plus.units()) - i128::from(minus.units());
            if sum != 0 {
                let sum = i64::try_from(sum).expect("a difference of amounts");
                found.insert(format!("{party} {currency}"), json!(sum));
            }
        }
    }
    Value::Object(found)
}

fn uplines(market: &Market) -> Value {
    object(AFFILIATES.iter().filter_map(|affiliate| {
        let affiliate = id(affiliate);
        let key = Subject::Upline(&affiliate).key(&market.tenant);
        match &market.ledger.state().get(&key)?.record {
            Record::Upline(of) => Some((affiliate, json!(of.upline.as_ref()?))),
            other => panic!("{other:?}"),
        }
    }))
}

/// # Panics
/// If they differ, with the first things that do.
pub fn assert_same(ours: &Value, theirs: &Value) {
    if let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) {
        let names = |of: &Map<String, Value>| of.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(ours), names(theirs));
        for (name, ours) in ours {
            assert_same(ours, &theirs[name]);
        }
    }
    assert_eq!(ours, theirs);
}

/// The states that commissions, adjustments and payouts have ended in.
pub fn states(outcome: &Value) -> BTreeSet<(String, String)> {
    let tenants = outcome.as_object().expect("an object").values();
    let mut found = BTreeSet::new();
    for tenant in tenants {
        for sort in ["commissions", "adjustments", "payouts"] {
            let named = tenant[sort].as_object().expect("an object");
            found.extend(
                named
                    .values()
                    .map(|of| (sort.to_owned(), of[0].as_str().expect("a state").to_owned())),
            );
        }
    }
    found
}
