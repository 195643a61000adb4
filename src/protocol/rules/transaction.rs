//! What may earn commissions: FORMAT.md section 13.5.

use std::collections::BTreeSet;

use super::records::{ItemRecord, Kept, PartRecord, TransactionRecord};
use super::refusal::{AdmitError, Refusal};
use super::state::{StateReader, Subject};
use super::sums::SubscriptionRecord;
use super::{Admission, Outcome, bounded};
use crate::protocol::entry::{Action, MAX_TRANSACTION_ITEMS, Parties, Transaction};
use crate::protocol::money::Amount;

impl<S: StateReader> Admission<'_, '_, S> {
    pub(super) fn transaction(&mut self, sale: &Transaction<Amount>) -> Outcome<S::Error> {
        self.known("body.currency", sale.currency)?;
        self.has_terms(&sale.merchant, &sale.program)?;
        self.check_items(sale)?;
        if let Some(fx) = &sale.fx {
            self.check_fx(fx, sale.currency)?;
        }
        let change = sale.fx.as_ref().map(|fx| (fx.to, fx.rate));
        let parts = parts(sale);
        for part in &parts {
            self.changed(part.amount, sale.currency, change)
                .ok_or(Refusal::SumTooLarge { field: "body.amount" })?;
        }
        let items = sale.items.iter().map(|item| ItemRecord {
            item: item.item.clone(),
            quantity: item.quantity,
            refunded: 0,
        });
        let record = TransactionRecord {
            merchant: sale.merchant.clone(),
            program: sale.program.clone(),
            time: self.entry.event_time,
            action: sale.action,
            earlier: self.earlier_payments(sale)?,
            currency: sale.currency,
            fx: change,
            parts,
            items: items.collect(),
            refunded: Amount::ZERO,
            commissions: Vec::new(),
        };
        Ok((record.into_record(), Parties::default()))
    }

    fn check_items(&self, sale: &Transaction<Amount>) -> Result<(), Refusal> {
        const FIELD: &str = "body.items";
        bounded(FIELD, 0..=MAX_TRANSACTION_ITEMS, sale.items.len())?;
        if sale.items.iter().any(|item| item.quantity == 0) {
            return Err(Refusal::ZeroAmount { field: "body.items.quantity" });
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = sale.items.iter().find(|item| !seen.insert(&item.item)) {
            return Err(Refusal::DuplicateItem { item: twice.item.clone() });
        }
        if sale.items.is_empty() {
            return Ok(());
        }
        let mut amounts = sale.items.iter().map(|item| item.amount);
        let sum = amounts.try_fold(Amount::ZERO, Amount::checked_add);
        if sum == Some(sale.amount) {
            return Ok(());
        }
        let expected = sum.map_or("too much".to_owned(), |sum| self.decimal(sale.currency, sum));
        let given = self.decimal(sale.currency, sale.amount);
        Err(Refusal::WrongTotal { field: "body.amount", expected, given })
    }

    /// How many payments of the same subscription there were before, this one counted from now
    /// on.
    fn earlier_payments(
        &mut self,
        sale: &Transaction<Amount>,
    ) -> Result<u32, AdmitError<S::Error>> {
        if sale.action != Action::Subscription {
            return Ok(0);
        }
        let subject = Subject::Subscription(&sale.merchant, &sale.program, &sale.order_ref);
        let mut found = self.sum::<SubscriptionRecord>(subject)?;
        let earlier = found.record.payments;
        found.record.payments = earlier.saturating_add(1);
        self.put_back(found);
        Ok(earlier)
    }
}

/// The parts of a transaction whose items come to its amount.
fn parts(sale: &Transaction<Amount>) -> Vec<PartRecord> {
    let order = sale.commission_group.as_ref();
    if sale.items.is_empty() {
        let commission_group = order.cloned();
        return vec![PartRecord { commission_group, amount: sale.amount, shares_ppm: 0 }];
    }
    let mut parts: Vec<PartRecord> = Vec::new();
    for item in &sale.items {
        let group = item.commission_group.as_ref().or(order);
        match parts.iter_mut().find(|part| part.commission_group.as_ref() == group) {
            Some(part) => {
                let sum = part.amount.checked_add(item.amount);
                part.amount = sum.expect("at most the sum of all items");
            }
            None => parts.push(PartRecord {
                commission_group: group.cloned(),
                amount: item.amount,
                shares_ppm: 0,
            }),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::entry::Item;
    use crate::protocol::id::Id;

    #[test]
    fn parts_are_the_groups_of_items() {
        let id = |text: &str| Id::new(text).unwrap();
        let units = |units: u64| Amount::from_units(units).unwrap();
        let item = |name: &str, amount: u64, group: Option<&str>| Item {
            item: id(name),
            quantity: 1,
            amount: units(amount),
            commission_group: group.map(id),
        };
        let sale = |items: Vec<Item<Amount>>, group: Option<&str>| Transaction {
            order_ref: id("order"),
            merchant: id("shop"),
            program: id("main"),
            action: Action::Sale,
            currency: "EUR".parse().unwrap(),
            amount: units(60),
            discount: None,
            voucher: None,
            commission_group: group.map(id),
            link_ref: None,
            campaign_ref: None,
            click_ref: None,
            items,
            fx: None,
        };
        let none = Vec::new;
        let three = || vec![item("a", 10, None), item("b", 20, Some("x")), item("c", 30, None)];
        let cases = [
            (none(), None, vec![(None, 60)]),
            (none(), Some("x"), vec![(Some("x"), 60)]),
            (three(), None, vec![(None, 40), (Some("x"), 20)]),
            (three(), Some("x"), vec![(Some("x"), 60)]),
        ];
        for (items, group, expected) in cases {
            let found = parts(&sale(items, group));
            let found = found
                .iter()
                .map(|part| (part.commission_group.as_ref().map(Id::as_str), part.amount.units()));
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    }
}
