//! What happened, in the order of time: orders, cancellations, and what falls due in between.

use std::collections::BTreeMap;
use std::io::{self, Write};

use counterfoil::protocol::entry::{Entry, Refund, RefundItem, Verdict};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, MoneyError};
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::text::EntryText;
use counterfoil::protocol::time::Timestamp;

use super::agenda::{Agenda, Due};
use super::book::{Goods, Invoice};
use super::pounds::{Pounds, gbp};
use super::program::{self, Affiliate};
use super::purchases::{Purchases, SaleIndex};
use super::report::{Item, Report};
use super::sale::{self, Earned, Returned, Sale, TakenBack};
use super::settlement::Settlement;
use super::{ConversionError, entries};

/// The history so far, as far as what is to come depends on it.
pub struct History<'a, W> {
    pub(super) journal: Journal<'a, W>,
    pub(super) report: Report,
    pub(super) agenda: Agenda,
    pub(super) settlement: Settlement,
    /// Every sale so far, by [`SaleIndex`].
    pub(super) sales: Vec<Sale>,
    purchases: Purchases,
}

/// Where the entries go.
pub struct Journal<'a, W> {
    out: &'a mut W,
    currencies: Currencies,
}

impl<'a, W: Write> History<'a, W> {
    /// Nothing happened yet.
    pub fn new(out: &'a mut W, report: Report) -> Self {
        Self {
            journal: Journal { out, currencies: program::currencies() },
            report,
            agenda: Agenda::default(),
            settlement: Settlement::default(),
            sales: Vec::new(),
            purchases: Purchases::default(),
        }
    }

    /// Writes what happens from the first of `invoices` until the last one. They are in order
    /// of time. What would fall due after the last one never happens.
    pub fn write(&mut self, invoices: &[Invoice]) -> Result<(), ConversionError> {
        let Some(first) = invoices.first() else { return Ok(()) };
        self.journal.write(&entries::terms(first.time))?;
        self.agenda.note(program::next_funding(first.time), Due::Fund);
        for invoice in invoices.iter().filter(|invoice| !invoice.cancels()) {
            self.announce(invoice);
        }
        for invoice in invoices {
            while let Some((time, due)) = self.agenda.take(invoice.time) {
                self.perform(time, due)?;
            }
            if invoice.cancels() { self.cancel(invoice)? } else { self.sell(invoice)? }
        }
        self.journal.out.flush()?;
        Ok(())
    }

    /// What was counted.
    pub fn into_report(self) -> Report {
        self.report
    }

    fn perform(&mut self, time: Timestamp, due: Due) -> Result<(), ConversionError> {
        match due {
            Due::Approve(sale) => self.decide(sale, time, Verdict::Approve),
            Due::Lock(sale) => self.decide(sale, time, Verdict::Lock),
            Due::Fund => self.fund(time),
            Due::PayOut => self.pay_out(time),
            Due::Hear(payment, news) => self.hear(payment, time, news),
        }
    }

    /// Makes known what is bought some time, to tell apart why a cancellation finds nothing.
    fn announce(&mut self, order: &Invoice) {
        if let Some(customer) = order.customer {
            for goods in &order.goods {
                self.purchases.announce(customer, &goods.stock_code);
            }
        }
    }

    fn sell(&mut self, order: &Invoice) -> Result<(), ConversionError> {
        let (number, time) = (&order.number.id, order.time);
        let exact = order.value();
        let amount = exact.to_pennies().map_err(|error| too_large(number, error))?;
        let value = Pounds::from_pennies(amount);
        let items = sale::items(&order.goods).map_err(|error| too_large(number, error))?;
        let itemised = !items.is_empty();
        self.journal.write(&entries::transaction(number, time, amount, items))?;
        self.report.add(Item::Transactions, value);
        let earned = program::earned(amount);
        for (item, counts, value) in [
            (Item::TransactionsRounded, value != exact, value - exact),
            (Item::TransactionsOfNothing, value == Pounds::ZERO, value),
            (Item::TransactionsWithoutItems, !itemised, value),
            (Item::TransactionsWithoutCustomer, order.customer.is_none(), value),
            (Item::CommissionsOfNothing, order.customer.is_some() && earned == Amount::ZERO, value),
        ] {
            if counts {
                self.report.add(item, value);
            }
        }
        let sale = SaleIndex(self.sales.len());
        let mut commission = None;
        if let Some(customer) = order.customer {
            for goods in &order.goods {
                self.purchases.buy(customer, goods, sale);
            }
            if earned != Amount::ZERO {
                let affiliate = Affiliate::of(customer);
                commission = Some(Earned { affiliate, left: earned });
                self.report.add(Item::Commissions, Pounds::from_pennies(earned));
                self.journal.write(&entries::commission(number, time, affiliate, earned))?;
                self.agenda.note(program::approval(time), Due::Approve(sale));
                self.agenda.note(program::locking(time), Due::Lock(sale));
            }
        }
        self.sales.push(Sale::new(number.clone(), time, itemised, commission));
        Ok(())
    }

    /// Approves or locks a commission, unless nothing is left of it.
    fn decide(
        &mut self,
        index: SaleIndex,
        time: Timestamp,
        verdict: Verdict,
    ) -> Result<(), ConversionError> {
        let sale = self.sales.get(index.0).expect("sales that were made fall due");
        let commission = sale.commission.as_ref().expect("only what is earned falls due");
        if commission.left == Amount::ZERO {
            return Ok(());
        }
        let left = Pounds::from_pennies(commission.left);
        self.journal.write(&entries::decision(&sale.order, time, verdict))?;
        if verdict == Verdict::Lock {
            self.report.add(Item::Locks, left);
            self.settlement.locked.push(index);
        } else {
            self.report.add(Item::Approvals, left);
        }
        Ok(())
    }

    fn cancel(&mut self, cancellation: &Invoice) -> Result<(), ConversionError> {
        self.report.add(Item::Cancellations, cancellation.value());
        let mut returned: BTreeMap<SaleIndex, Returned> = BTreeMap::new();
        for goods in &cancellation.goods {
            self.match_goods(cancellation, goods, &mut returned);
        }
        for (sale, returned) in returned {
            self.take_back(cancellation, sale, returned)?;
        }
        Ok(())
    }

    /// Matches a cancelled line and adds what it takes back of each sale.
    ///
    /// A unit counts at the price that was credited for it, and at most at the price paid: no
    /// more than that was ever earned on.
    fn match_goods(
        &mut self,
        cancellation: &Invoice,
        goods: &Goods,
        returned: &mut BTreeMap<SaleIndex, Returned>,
    ) {
        self.report.add_units(Item::CancelledUnits, goods.quantity, goods.value());
        let found = self.purchases.cancel(cancellation.customer, goods);
        for taken in found.taken {
            let value = goods.price.min(taken.price).times(taken.quantity);
            self.report.add_units(Item::CancelledMatched, taken.quantity, value);
            let of_sale = returned.entry(taken.sale).or_default();
            of_sale.value += value;
            let itemised = self.sales.get(taken.sale.0).is_some_and(|sale| sale.itemised);
            if itemised && let Ok(item) = Id::new(&goods.stock_code) {
                *of_sale.items.entry(item).or_default() += taken.quantity;
            }
            if goods.price > taken.price {
                let excess = (goods.price - taken.price).times(taken.quantity);
                self.report.add_units(Item::CancelledAbovePrice, taken.quantity, excess);
            }
        }
        if found.unmatched > 0 {
            let value = goods.price.times(found.unmatched);
            self.report.add_units(found.reason, found.unmatched, value);
        }
    }

    /// Takes back what was earned on goods that were returned: by a reversal until the
    /// commission locks, by an adjustment from then on.
    fn take_back(
        &mut self,
        cancellation: &Invoice,
        sale: SaleIndex,
        returned: Returned,
    ) -> Result<(), ConversionError> {
        let (number, time) = (&cancellation.number.id, cancellation.time);
        let sale = self.sales.get_mut(sale.0).expect("purchases name sales that were made");
        let taken = sale.cancel(returned.value).map_err(|error| too_large(&sale.order, error))?;
        let TakenBack { refund, commission: amount } = taken;
        if amount == Amount::ZERO {
            self.report.add(Item::TakenBackOfNothing, returned.value);
            return Ok(());
        }
        let commission = sale.commission.as_mut().expect("something was earned, so stated");
        let (item, entry) = if time < program::locking(sale.time) {
            let left = commission.left.checked_sub(amount);
            commission.left = left.expect("no more is taken back than was earned");
            let items = returned.items.into_iter();
            let items = items.map(|(item, quantity)| RefundItem { item, quantity }).collect();
            let refund = Refund { currency: gbp(), amount: refund, items };
            (Item::Reversals, entries::reversal(number, time, &sale.order, amount, refund))
        } else {
            let affiliate = commission.affiliate;
            let name = entries::adjustment_of(number, &sale.order);
            self.settlement.account(affiliate).debits.push((name, amount));
            (Item::Adjustments, entries::adjustment(number, time, &sale.order, affiliate, amount))
        };
        self.report.add(item, Pounds::from_pennies(amount));
        self.journal.write(&entry)
    }
}

impl<W: Write> Journal<'_, W> {
    /// Writes an entry, as a line of JSON.
    pub fn write(&mut self, entry: &Entry) -> Result<(), ConversionError> {
        let text = EntryText::new(entry, &self.currencies).expect("every amount is in pounds");
        serde_json::to_writer(&mut *self.out, &text).map_err(io::Error::from)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }
}

/// An amount that no entry can state.
pub fn too_large(entry: &Id, error: MoneyError) -> ConversionError {
    ConversionError::Amount { entry: entry.clone(), error }
}
