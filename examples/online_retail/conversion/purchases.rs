//! What customers bought and have not given back: where cancellations are matched.

use std::collections::HashMap;

use super::book::Goods;
use super::order_line::Customer;
use super::pounds::Pounds;
use super::report::Item;

/// The place of a sale in the order of sales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SaleIndex(pub usize);

/// Purchases by customer and stock code.
#[derive(Default)]
pub struct Purchases(HashMap<Customer, HashMap<Box<str>, Vec<Purchase>>>);

/// An order line of a known customer.
struct Purchase {
    sale: SaleIndex,
    price: Pounds,
    /// How many were not cancelled yet.
    left: u32,
}

/// Units of one purchase that a cancellation takes back.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// The sale that they were part of.
    pub sale: SaleIndex,
    /// How many.
    pub quantity: u32,
    /// What each had cost.
    pub price: Pounds,
}

/// What became of a cancelled line.
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    /// Purchases that it takes back.
    pub taken: Vec<Taken>,
    /// How many units are left over.
    pub unmatched: u32,
    /// Where the report counts those that are left over.
    pub reason: Item,
}

impl Purchases {
    /// Makes known that `customer` buys `stock_code` some time.
    pub fn announce(&mut self, customer: Customer, stock_code: &str) {
        self.0.entry(customer).or_default().entry(stock_code.into()).or_default();
    }

    /// Records a purchase, later than all before it.
    pub fn buy(&mut self, customer: Customer, goods: &Goods, sale: SaleIndex) {
        let Goods { stock_code, quantity, price } = goods;
        let purchases = self.0.entry(customer).or_default().entry(stock_code.clone()).or_default();
        purchases.push(Purchase { sale, price: *price, left: *quantity });
    }

    /// Takes back what `goods` cancel from the purchases recorded so far.
    ///
    /// Those of the same customer and stock code count: first those at the very price that is
    /// credited, then the others, among each the newest first.
    pub fn cancel(&mut self, customer: Option<Customer>, goods: &Goods) -> Match {
        let none = |reason| Match { taken: Vec::new(), unmatched: goods.quantity, reason };
        let Some(customer) = customer else { return none(Item::CancelledWithoutCustomer) };
        let bought = self.0.get_mut(&customer).and_then(|codes| codes.get_mut(&*goods.stock_code));
        let Some(purchases) = bought else { return none(Item::CancelledNeverBought) };
        if purchases.is_empty() {
            return none(Item::CancelledBoughtLater);
        }
        let mut found = none(Item::CancelledUsedUp);
        for at_price in [true, false] {
            let newest_first = purchases.iter_mut().rev();
            for purchase in newest_first.filter(|bought| (bought.price == goods.price) == at_price)
            {
                let quantity = purchase.left.min(found.unmatched);
                if quantity > 0 {
                    purchase.left -= quantity;
                    found.unmatched -= quantity;
                    let Purchase { sale, price, .. } = *purchase;
                    found.taken.push(Taken { sale, quantity, price });
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUYER: Customer = Customer(1);

    fn goods(stock_code: &str, quantity: u32, price: &str) -> Goods {
        Goods { stock_code: stock_code.into(), quantity, price: Pounds::parse(price).unwrap() }
    }

    /// What a cancellation finds after these purchases: (sale, quantity) and what is left over.
    fn cancel(bought: &[(u32, &str)], cancelled: &[(u32, &str)]) -> (Vec<(usize, u32)>, u32, Item) {
        let mut purchases = Purchases::default();
        for (sale, (quantity, price)) in bought.iter().enumerate() {
            purchases.buy(BUYER, &goods("X", *quantity, price), SaleIndex(sale));
        }
        let mut matches = cancelled
            .iter()
            .map(|(quantity, price)| purchases.cancel(Some(BUYER), &goods("X", *quantity, price)));
        let last = matches.by_ref().last().unwrap();
        let taken = last.taken.iter().map(|taken| (taken.sale.0, taken.quantity)).collect();
        (taken, last.unmatched, last.reason)
    }

    #[test]
    fn newest_first_and_at_the_same_price_before_others() {
        /// Quantities and prices bought and cancelled; sales and quantities taken by the last
        /// cancellation, and what it leaves over.
        type Case = (Lines, Lines, &'static [(usize, u32)], u32);
        type Lines = &'static [(u32, &'static str)];
        const CASES: &[Case] = &[
            (&[(5, "1")], &[(2, "1")], &[(0, 2)], 0),
            (&[(5, "1"), (5, "1")], &[(7, "1")], &[(1, 5), (0, 2)], 0),
            (&[(5, "1"), (5, "1")], &[(7, "1"), (2, "1")], &[(0, 2)], 0),
            (&[(5, "1"), (5, "1")], &[(7, "1"), (9, "1")], &[(0, 3)], 6),
            (&[(5, "1"), (5, "9")], &[(3, "1")], &[(0, 3)], 0),
            (&[(5, "1"), (5, "9")], &[(6, "1")], &[(0, 5), (1, 1)], 0),
            (&[(5, "1"), (5, "9"), (5, "1")], &[(12, "1")], &[(2, 5), (0, 5), (1, 2)], 0),
            (&[(5, "1.0"), (5, "9")], &[(1, "1.00")], &[(0, 1)], 0),
            (&[(5, "1")], &[(5, "1"), (1, "1")], &[], 1),
        ];
        for (bought, cancelled, taken, unmatched) in CASES {
            let expected = (taken.to_vec(), *unmatched, Item::CancelledUsedUp);
            assert_eq!(cancel(bought, cancelled), expected, "{bought:?} {cancelled:?}");
        }
    }

    #[test]
    fn says_why_nothing_matches() {
        let mut purchases = Purchases::default();
        purchases.buy(BUYER, &goods("X", 1, "1"), SaleIndex(0));
        purchases.announce(BUYER, "X");
        purchases.announce(BUYER, "Y");
        let cases = [
            (None, "X", Item::CancelledWithoutCustomer),
            (Some(Customer(2)), "X", Item::CancelledNeverBought),
            (Some(BUYER), "x", Item::CancelledNeverBought),
            (Some(BUYER), "Y", Item::CancelledBoughtLater),
        ];
        for (customer, code, reason) in cases {
            let expected = Match { taken: Vec::new(), unmatched: 3, reason };
            assert_eq!(purchases.cancel(customer, &goods(code, 3, "1")), expected, "{code}");
        }
    }
}
