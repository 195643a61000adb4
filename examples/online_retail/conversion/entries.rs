//! The entries that a shop's history comes to, and the rules by which it earns commissions.

use counterfoil::protocol::entry::{
    Action, Body, Commission, Entry, ProgramTerms, Reason, Reversal, Reward, Transaction,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, MoneyError};
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::time::{DAY_MS, Timestamp};

use super::order_line::Customer;
use super::pounds::{Pounds, gbp};

/// Decimals of a pound on the ledger.
const SCALE: u8 = 2;
/// What a transaction earns: 7.5% of its amount.
const COMMISSION_PPM: u32 = 75_000;
/// Days from a sale until its commission is due to lock: more than the data spans, so that
/// none of its cancellations comes too late.
const LOCKING_DAYS: u16 = 400;
/// How many affiliates share the customers.
const AFFILIATES: u32 = 200;

const TENANT: &str = "online-retail";
const MERCHANT: &str = "giftware";
const PROGRAM: &str = "all-orders";
const TERMS: &str = "TERMS-1";

/// The currencies that the ledger has to know.
pub fn currencies() -> Currencies {
    Currencies::new([(gbp(), SCALE)])
}

/// What goods worth `value` earn: the value in whole pennies, then the terms' part of it, each
/// rounded half to even.
///
/// It never falls as the value grows. So what is earned on the goods that are cancelled so far
/// is never more than the commission, and is all of it when all goods are cancelled.
///
/// # Errors
/// [`MoneyError::TooLarge`].
pub fn earned(value: Pounds) -> Result<Amount, MoneyError> {
    value.to_pennies()?.parts_per_million(COMMISSION_PPM).ok_or(MoneyError::TooLarge)
}

/// The first terms of the program, in force since the midnight before `first_event`.
pub fn terms(first_event: Timestamp) -> Entry {
    let midnight = first_event.as_millis() / DAY_MS * DAY_MS;
    let midnight = Timestamp::from_millis(midnight).expect("no later than the event");
    let body = Body::ProgramTerms(ProgramTerms {
        merchant: id(MERCHANT),
        program: id(PROGRAM),
        version: 1,
        effective_from: midnight,
        effective_until: None,
        locking_days: LOCKING_DAYS,
        reward: Reward::Percent { ppm: COMMISSION_PPM },
    });
    entry(id(TERMS), midnight, body)
}

/// The transaction of an order.
pub fn transaction(order: &Id, time: Timestamp, amount: Amount) -> Entry {
    let body = Body::Transaction(Transaction {
        order_ref: order.clone(),
        merchant: id(MERCHANT),
        program: id(PROGRAM),
        action: Action::Sale,
        currency: gbp(),
        amount,
        link_ref: None,
        campaign_ref: None,
        click_ref: None,
    });
    entry(order.clone(), time, body)
}

/// The commission of an order.
pub fn commission(order: &Id, time: Timestamp, customer: Customer, amount: Amount) -> Entry {
    let body = Body::Commission(Commission {
        transaction: order.clone(),
        terms: id(TERMS),
        affiliate: affiliate(customer),
        currency: gbp(),
        amount,
    });
    entry(commission_of(order), time, body)
}

/// The reversal of an order's commission for a cancellation.
pub fn reversal(cancellation: &Id, time: Timestamp, order: &Id, amount: Amount) -> Entry {
    let body = Body::Reversal(Reversal {
        commission: commission_of(order),
        currency: gbp(),
        amount,
        reason: Reason::CancelledOrder,
    });
    entry(id(&format!("REV-{cancellation}-{order}")), time, body)
}

fn commission_of(order: &Id) -> Id {
    id(&format!("COM-{order}"))
}

/// Who sent a customer. The data knows no affiliates: this one is made up, always the same
/// for the same customer, and tells little of the customer.
fn affiliate(customer: Customer) -> Id {
    id(&format!("AFF-{:03}", customer.0 % AFFILIATES))
}

fn entry(external_id: Id, event_time: Timestamp, body: Body<Amount>) -> Entry {
    Entry { tenant: id(TENANT), external_id, event_time, commitment: None, body }
}

fn id(text: &str) -> Id {
    Id::new(text).expect("made of short visible parts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earns_seven_and_a_half_per_cent_half_to_even() {
        let cases = [
            ("0.00", 0),
            ("0.06", 0),
            ("0.07", 1),
            ("0.20", 2),
            ("0.60", 4),
            ("1.00", 8),
            ("139.12", 1043),
            ("0.065", 0),
            ("0.0651", 1),
        ];
        for (value, pennies) in cases {
            let amount = earned(Pounds::parse(value).unwrap()).unwrap();
            assert_eq!(amount.units(), pennies, "{value}");
        }
    }

    #[test]
    fn affiliates_share_the_customers() {
        for (customer, name) in [(17850, "AFF-050"), (12200, "AFF-000"), (13999, "AFF-199")] {
            assert_eq!(affiliate(Customer(customer)).as_str(), name);
        }
    }
}
