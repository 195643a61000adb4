//! What was read, what became of it, and what could not be placed.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::pounds::Pounds;

/// Declares what the report counts once: variant, name in JSON, meaning.
macro_rules! items {
    ($($name:ident = $key:literal, $meaning:literal;)+) => {
        /// One thing that the report counts and values.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Item {
            $(#[doc = $meaning] $name,)+
        }

        impl Item {
            /// Every item, in the report's order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in JSON.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)+ }
            }

            /// What is counted, and what the value is where that isn't plain.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }
        }
    };
}

items! {
    LinesRead = "lines_read", "order lines";
    LinesRepeated = "lines_repeated",
        "order lines that repeat an earlier one in every field; they count like any other";
    LinesSold = "lines_sold", "order lines that are part of a transaction";
    LinesCancelled = "lines_cancelled", "order lines of cancellations";
    LinesWrittenOff = "lines_written_off",
        "order lines below zero outside cancellations: stock written off, no entry";
    LinesAdjusted = "lines_adjusted",
        "order lines of adjustments or at a price below zero: bad debts, no entry";
    LinesVoid = "lines_void",
        "order lines of quantity zero, or above zero in a cancellation: no entry";
    InvoicesRead = "invoices_read", "invoices";
    InvoicesOfSeveralTimes = "invoices_of_several_times",
        "invoices whose lines differ in time; the earliest counts";
    InvoicesWithoutGoods = "invoices_without_goods",
        "invoices of written-off, adjusted and void lines alone: no entry";
    Transactions = "transactions", "transactions";
    TransactionsRounded = "transactions_rounded",
        "of them rounded to a whole penny; value: what rounding added";
    TransactionsOfNothing = "transactions_of_nothing", "of them worth 0.00";
    TransactionsWithoutItems = "transactions_without_items",
        "of them without item lines: too many stock codes, or one that is no id";
    TransactionsWithoutCustomer = "transactions_without_customer",
        "of them without a customer, so without affiliate and commission";
    Commissions = "commissions", "commissions";
    CommissionsOfNothing = "commissions_of_nothing",
        "transactions whose commission would be 0.00: none stated; value: the transactions'";
    Cancellations = "cancellations", "cancellation invoices; value: what they credit";
    CancelledUnits = "cancelled_units", "units cancelled; value: what was credited for them";
    CancelledMatched = "cancelled_matched",
        "of them matched to purchases; value: what commissions are taken back on";
    CancelledWithoutCustomer = "cancelled_without_customer", "unmatched: no customer";
    CancelledNeverBought = "cancelled_never_bought",
        "unmatched: the customer never buys that stock code";
    CancelledBoughtLater = "cancelled_bought_later",
        "unmatched: the customer buys that stock code only afterwards";
    CancelledUsedUp = "cancelled_used_up",
        "unmatched: more than the customer bought before and hadn't cancelled yet";
    CancelledAbovePrice = "cancelled_above_price",
        "matched, yet credited above the price paid; value: the excess alone";
    Reversals = "reversals", "reversals: taken back before the commission locks";
    Adjustments = "adjustments", "adjustments: taken back from then on";
    TakenBackOfNothing = "taken_back_of_nothing",
        "matches that come to 0.00 of commission: no entry; value: what was cancelled";
    Approvals = "approvals", "approvals; value: what is left of the commissions then";
    Locks = "locks", "commissions locked; value: what is left of them";
    Funded = "funded", "of them paid for by the merchant; value: what they come to";
    Fundings = "fundings", "fundings; value: what came in";
    Payouts = "payouts", "payouts; value: what is to be sent";
    PayoutsOfNothing = "payouts_of_nothing",
        "of them of 0.00: everything is carried forward, kept or owed";
    PayoutsCompleted = "payouts_completed", "of them arrived, or with nothing to send";
    PayoutsFailed = "payouts_failed", "of them failed, so due again";
    PayoutsReturned = "payouts_returned", "of those that arrived, came back, so due again";
}

/// How many, and what they are worth together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their exact value in pounds.
    pub value: Pounds,
}

/// What a conversion did, item by item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(BTreeMap<Item, Tally>);

impl Report {
    /// Counts one more.
    pub fn add(&mut self, item: Item, value: Pounds) {
        self.add_units(item, 1, value);
    }

    /// Counts `units` more, of `value` together.
    pub fn add_units(&mut self, item: Item, units: u32, value: Pounds) {
        let tally = self.0.entry(item).or_default();
        tally.count += u64::from(units);
        tally.value += value;
    }

    /// What was counted under `item`.
    pub fn get(&self, item: Item) -> Tally {
        self.0.get(&item).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for item in Item::ALL {
            let Tally { count, value } = self.get(*item);
            writeln!(f, "{count:>9} {value:>15}  {}", item.meaning())?;
        }
        Ok(())
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Item::ALL.iter().map(|item| (item.key(), self.get(*item))))
    }
}
