//! Orders that became transactions, and what was cancelled of them.

use std::collections::{BTreeMap, HashMap};

use counterfoil::protocol::entry::{Item, MAX_TRANSACTION_ITEMS};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, MoneyError};
use counterfoil::protocol::time::Timestamp;

use super::book::Goods;
use super::pounds::Pounds;
use super::program::{self, Affiliate};

/// An order that became a transaction.
pub struct Sale {
    /// Its number.
    pub order: Id,
    /// When it was.
    pub time: Timestamp,
    /// Whether the ledger knows what was bought.
    pub itemised: bool,
    /// What is earned by it, if anything.
    pub commission: Option<Earned>,
    /// What was cancelled of it so far: never more than it came to.
    cancelled: Pounds,
}

/// A commission.
pub struct Earned {
    /// Who earns it.
    pub affiliate: Affiliate,
    /// What is not reversed of it.
    pub left: Amount,
}

/// What a cancellation takes back of a sale.
#[derive(Default)]
pub struct Returned {
    /// What the goods are worth.
    pub value: Pounds,
    /// How many of each item of the transaction.
    pub items: BTreeMap<Id, u32>,
}

/// What that comes to in whole pennies.
#[derive(Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// What the customer gets back.
    pub refund: Amount,
    /// What had been earned on it.
    pub commission: Amount,
}

impl Sale {
    /// A sale of which nothing was cancelled.
    pub fn new(order: Id, time: Timestamp, itemised: bool, commission: Option<Earned>) -> Self {
        Self { order, time, itemised, commission, cancelled: Pounds::ZERO }
    }

    /// Takes back goods of `value`: what all that was cancelled by then comes to, less what was
    /// taken back before.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] if more is cancelled than any sale comes to.
    pub fn cancel(&mut self, value: Pounds) -> Result<TakenBack, MoneyError> {
        let before = self.cancelled.to_pennies()?;
        self.cancelled += value;
        let now = self.cancelled.to_pennies()?;
        let grown = |now: Amount, before| now.checked_sub(before).expect("neither ever falls");
        Ok(TakenBack {
            refund: grown(now, before),
            commission: grown(program::earned(now), program::earned(before)),
        })
    }
}

/// The item lines of an order: one for each stock code, in the order of the book. None at all
/// if there are too many for a transaction, or if a code or a quantity can't stand on the ledger.
///
/// Each gets by how much the order's total, rounded, grows with it; so they come to that total.
///
/// # Errors
/// [`MoneyError::TooLarge`].
pub fn items(goods: &[Goods]) -> Result<Vec<Item<Amount>>, MoneyError> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut lines: Vec<(&str, u64, Pounds)> = Vec::new();
    for goods in goods {
        let place = *places.entry(&goods.stock_code).or_insert(lines.len());
        if place == lines.len() {
            lines.push((&goods.stock_code, 0, Pounds::ZERO));
        }
        let (_, quantity, value) = lines.get_mut(place).expect("places are those of lines");
        *quantity += u64::from(goods.quantity);
        *value += goods.value();
    }
    if lines.len() > MAX_TRANSACTION_ITEMS {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    let (mut total, mut before) = (Pounds::ZERO, Amount::ZERO);
    for (stock_code, quantity, value) in lines {
        let (Ok(item), Ok(quantity)) = (Id::new(stock_code), quantity.try_into()) else {
            return Ok(Vec::new());
        };
        total += value;
        let now = total.to_pennies()?;
        let amount = now.checked_sub(before).expect("the total never falls");
        before = now;
        items.push(Item { item, quantity, amount, commission_group: None });
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goods(stock_code: &str, quantity: u32, price: &str) -> Goods {
        Goods { stock_code: stock_code.into(), quantity, price: Pounds::parse(price).unwrap() }
    }

    fn listed(goods: &[Goods]) -> Vec<(String, u32, u64)> {
        let items = items(goods).unwrap();
        items
            .iter()
            .map(|item| (item.item.to_string(), item.quantity, item.amount.units()))
            .collect()
    }

    #[test]
    fn items_come_to_the_rounded_total() {
        let order = [
            goods("A", 1, "0.335"),
            goods("B", 3, "0.335"),
            goods("A", 2, "1"),
            goods("C", 1, "0.335"),
        ];
        let expected = [("A", 3, 234), ("B", 3, 100), ("C", 1, 34)]
            .map(|(code, quantity, pennies)| (code.to_owned(), quantity, pennies));
        assert_eq!(listed(&order), expected);
        assert_eq!(expected.iter().map(|(.., pennies)| pennies).sum::<u64>(), 368);
    }

    #[test]
    fn an_order_that_no_transaction_can_list_has_no_items() {
        let many = |count: usize| -> Vec<Goods> {
            (0..count).map(|code| goods(&format!("A{code}"), 1, "1")).collect()
        };
        assert_eq!(listed(&many(MAX_TRANSACTION_ITEMS)).len(), MAX_TRANSACTION_ITEMS);
        let cases = [
            many(MAX_TRANSACTION_ITEMS + 1),
            vec![goods("A", 1, "1"), goods("BANK CHARGES", 1, "1")],
            vec![goods("A", u32::MAX, "0"), goods("A", 1, "0")],
        ];
        for case in cases {
            assert_eq!(listed(&case), []);
        }
    }

    #[test]
    fn what_is_taken_back_comes_to_all_of_it() {
        let time = Timestamp::MIN;
        let mut sale = Sale::new(Id::new("1").unwrap(), time, false, None);
        let mut taken = |value| {
            let taken = sale.cancel(Pounds::parse(value).unwrap()).unwrap();
            (taken.refund.units(), taken.commission.units())
        };
        let parts = ["0.335", "0.335", "0.33", "0.001", "9.009"].map(&mut taken);
        assert_eq!(parts, [(34, 3), (33, 2), (33, 3), (0, 0), (901, 67)]);
        let sum = |part: fn(&(u64, u64)) -> u64| parts.iter().map(part).sum::<u64>();
        // Of 10.01.
        assert_eq!((sum(|part| part.0), sum(|part| part.1)), (1_001, 75));
    }
}
