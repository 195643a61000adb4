//! What is made up: the program, who earns by it, and the days on which things are decided.

use counterfoil::protocol::entry::Reward;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::Amount;
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::time::{DAY_MS, Timestamp};

use super::order_line::Customer;
use super::pounds::{Pounds, gbp};

/// Decimals of a pound on the ledger.
const SCALE: u8 = 2;
/// What a transaction earns: 7.5% of its amount.
const COMMISSION_PPM: u32 = 75_000;
/// What the network charges the merchant on top: 30% of each commission.
pub const NETWORK_FEE_PPM: u32 = 300_000;
/// Days from a sale until its commission locks. What comes back by then is reversed.
pub const LOCKING_DAYS: u16 = 30;
/// Days from a sale until the merchant approves its commission.
const APPROVAL_DAYS: u64 = 14;
/// The day of the month on which the merchant pays for what is locked.
const FUNDING_DAY: u8 = 1;
/// The merchant pays in whole thousands of pounds.
const FUNDING_STEP_PENNIES: u64 = 100_000;
/// The day of the month on which affiliates are paid.
const PAYOUT_DAY: u8 = 8;
/// Less than that, in pennies, is kept for the next payout.
const MIN_PAYOUT_PENNIES: u64 = 2_500;
/// How many affiliates share the customers.
const AFFILIATES: u32 = 200;
/// Each month one in so many affiliates has an account that refuses the payout, and another
/// one in so many an account that sends it back.
const MISHAP_PERIOD: u32 = 50;

pub const TENANT: &str = "online-retail";
pub const MERCHANT: &str = "giftware";
pub const PROGRAM: &str = "all-orders";
pub const TERMS: &str = "TERMS-1";

/// The currencies that the ledger has to know.
pub fn currencies() -> Currencies {
    Currencies::new([(gbp(), SCALE)])
}

/// What every sale earns.
pub fn reward() -> Reward<Amount> {
    Reward::Percent { ppm: COMMISSION_PPM }
}

/// What a sale of `amount` earns, rounded half to even.
///
/// It never falls as the amount grows. So what is earned on what was cancelled so far is never
/// more than the commission, and is all of it when everything is cancelled.
pub fn earned(amount: Amount) -> Amount {
    amount.parts_per_million(COMMISSION_PPM).expect("less than the amount")
}

/// What the network charges on a commission of `amount`.
pub fn fee(amount: Amount) -> Amount {
    amount.parts_per_million(NETWORK_FEE_PPM).expect("less than the amount")
}

/// When the terms begin: the midnight before the first event.
pub fn beginning(first_event: Timestamp) -> Timestamp {
    let midnight = first_event.as_millis() / DAY_MS * DAY_MS;
    Timestamp::from_millis(midnight).expect("no later than the event")
}

/// When the commission of a sale is approved.
pub fn approval(sale: Timestamp) -> Timestamp {
    sale.saturating_add(APPROVAL_DAYS * DAY_MS)
}

/// When the commission of a sale locks.
pub fn locking(sale: Timestamp) -> Timestamp {
    sale.saturating_add(u64::from(LOCKING_DAYS) * DAY_MS)
}

/// The next time that the merchant pays.
pub fn next_funding(time: Timestamp) -> Timestamp {
    time.day_of_later_month(1, FUNDING_DAY)
}

/// When affiliates are paid what the merchant paid for at `funding`.
pub fn payout(funding: Timestamp) -> Timestamp {
    funding.day_of_later_month(0, PAYOUT_DAY)
}

/// The month that a payment of this time is for: the one before, up to the time's own.
pub fn month_before(time: Timestamp) -> (Timestamp, Timestamp) {
    let until = time.day_of_later_month(0, 1);
    let day_before = until.as_millis().saturating_sub(DAY_MS);
    let day_before = Timestamp::from_millis(day_before).expect("earlier than a time");
    (day_before.day_of_later_month(0, 1), until)
}

/// What the merchant pays in when `lacking` is all that is missing.
///
/// `None` beyond what an amount can be.
pub fn received(lacking: Amount) -> Option<Amount> {
    let pennies = lacking.units().div_ceil(FUNDING_STEP_PENNIES).checked_mul(FUNDING_STEP_PENNIES);
    pennies.and_then(|pennies| Amount::from_units(pennies).ok())
}

/// The least that is paid out.
pub fn min_payout() -> Pounds {
    Pounds::from_pennies(Amount::from_units(MIN_PAYOUT_PENNIES).expect("a small amount"))
}

/// Who sent a customer. The data knows no affiliates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affiliate(u32);

/// What becomes of a payout that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after three days.
    Arrives,
    /// It fails after a day.
    Fails,
    /// It arrives, and comes back a week later.
    ComesBack,
}

impl Affiliate {
    /// Always the same for the same customer, and tells little of the customer.
    pub fn of(customer: Customer) -> Self {
        Self(customer.0 % AFFILIATES)
    }

    /// The name on the ledger.
    pub fn id(self) -> Id {
        Id::new(&format!("AFF-{:03}", self.0)).expect("short and visible")
    }

    /// What becomes of a payout at `time`.
    pub fn fate(self, time: Timestamp) -> Fate {
        match (self.0 + time.month()) % MISHAP_PERIOD {
            0 => Fate::Fails,
            1 => Fate::ComesBack,
            _ => Fate::Arrives,
        }
    }
}

/// When a payout of `time` arrives.
pub fn arrival(time: Timestamp) -> Timestamp {
    time.saturating_add(3 * DAY_MS)
}

/// When a payout of `time` fails.
pub fn failure(time: Timestamp) -> Timestamp {
    time.saturating_add(DAY_MS)
}

/// When a payout of `time` comes back: before the next one.
pub fn coming_back(time: Timestamp) -> Timestamp {
    time.saturating_add(10 * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn earns_seven_and_a_half_per_cent_half_to_even() {
        let cases = [(0, 0), (6, 0), (7, 1), (20, 2), (60, 4), (100, 8), (13_912, 1_043)];
        for (amount, pennies) in cases {
            let amount = Amount::from_units(amount).unwrap();
            assert_eq!(earned(amount).units(), pennies, "{amount:?}");
        }
    }

    #[test]
    fn affiliates_share_the_customers() {
        for (customer, name) in [(17850, "AFF-050"), (12200, "AFF-000"), (13999, "AFF-199")] {
            assert_eq!(Affiliate::of(Customer(customer)).id().as_str(), name);
        }
    }

    #[test]
    fn everything_has_its_day() {
        let sale = at("2010-12-18T08:26:00Z");
        assert_eq!(beginning(sale), at("2010-12-18T00:00:00Z"));
        assert_eq!(approval(sale), at("2011-01-01T08:26:00Z"));
        assert_eq!(locking(sale), at("2011-01-17T08:26:00Z"));
        let funding = next_funding(locking(sale));
        assert_eq!(funding, at("2011-02-01T00:00:00Z"));
        let payout = payout(funding);
        assert_eq!(payout, at("2011-02-08T00:00:00Z"));
        let january = (at("2011-01-01T00:00:00Z"), funding);
        assert_eq!((month_before(funding), month_before(payout)), (january, january));
        assert!(coming_back(payout) < self::payout(next_funding(funding)));
        assert!(arrival(payout) < coming_back(payout));
    }

    #[test]
    fn the_merchant_pays_in_whole_thousands() {
        for (lacking, pennies) in [(1, 100_000), (100_000, 100_000), (100_001, 200_000)] {
            let received = received(Amount::from_units(lacking).unwrap()).unwrap();
            assert_eq!(received.units(), pennies);
        }
        assert_eq!(received(Amount::MAX), None);
    }

    #[test]
    fn each_month_a_payout_fails_and_one_comes_back() {
        let fates =
            (0..AFFILIATES).map(|number| Affiliate(number).fate(at("2011-02-08T00:00:00Z")));
        let fates: Vec<Fate> = fates.collect();
        let count = |fate| fates.iter().filter(|of| **of == fate).count();
        assert_eq!((count(Fate::Fails), count(Fate::ComesBack)), (4, 4));
    }
}
