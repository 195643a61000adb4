//! From order lines to entries.
//!
//! An order is a transaction, worth what its lines come to. If its customer is known, an
//! affiliate earns a commission on it. A cancellation takes back, by reversals, what was earned
//! on the goods that it takes back; [`Purchases`] finds those. What leads to no entry is
//! counted in the [`Report`], and nothing is left out of it.
//!
//! | file | what |
//! |---|---|
//! | `order_line.rs` | the rows, checked |
//! | `book.rs` | rows gathered into invoices, in order of time |
//! | `purchases.rs` | what a cancellation takes back |
//! | `entries.rs` | the entries, and what is made up in them |
//! | `pounds.rs` | exact sums |
//! | `report.rs` | what was counted |

mod book;
mod entries;
mod order_line;
mod pounds;
mod purchases;
mod report;

use std::collections::BTreeMap;
use std::io::{self, Write};

use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::MoneyError;
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::text::EntryText;

pub use book::Book;
pub use report::Report;

use book::{Goods, Invoice};
use order_line::{COLUMNS, FieldError};
use pounds::Pounds;
use purchases::{Purchases, SaleIndex};
use report::Item;

/// Why a file was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConversionError {
    /// Not CSV, cut short, or not to be read at all.
    #[error("the order lines can't be read: {0}")]
    Unreadable(#[from] csv::Error),
    /// Another table.
    #[error("these are not order lines: the first line must be {}", COLUMNS.join(","))]
    Columns,
    /// A field that isn't what its column says.
    #[error("line {line}: {column} is {text:?}: {error}")]
    Field {
        /// The line of the file.
        line: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        error: FieldError,
    },
    /// An invoice of two customers.
    #[error("line {line}: earlier lines of invoice {invoice} name another customer, or none")]
    AnotherCustomer {
        /// The line of the file.
        line: u64,
        /// The invoice.
        invoice: Id,
    },
    /// Neither an order nor a cancellation.
    #[error("nothing is sold in these order lines")]
    NothingSold,
    /// An order worth more than any amount of the ledger.
    #[error("invoice {invoice}: {error}")]
    Amount {
        /// The invoice.
        invoice: Id,
        /// What is wrong with its amount.
        error: MoneyError,
    },
    /// The entries have nowhere to go.
    #[error("the entries can't be written: {0}")]
    Unwritable(#[from] io::Error),
}

impl Book {
    /// Writes the entries, one a line, in the order in which the ledger takes them: each after
    /// those that it refers to.
    ///
    /// # Errors
    /// [`ConversionError::Amount`] or [`ConversionError::Unwritable`]; what was written by
    /// then is not all.
    pub fn write_entries(self, out: &mut impl Write) -> Result<Report, ConversionError> {
        let Self { invoices, report } = self;
        let mut conversion = Conversion {
            out,
            currencies: entries::currencies(),
            purchases: Purchases::default(),
            sales: Vec::new(),
            report,
        };
        if let Some(first) = invoices.first() {
            conversion.write(&entries::terms(first.time))?;
        }
        for invoice in invoices.iter().filter(|invoice| !invoice.cancels()) {
            conversion.announce(invoice);
        }
        for invoice in &invoices {
            let done = if invoice.cancels() {
                conversion.cancel(invoice)
            } else {
                conversion.sell(invoice)
            };
            done?;
        }
        conversion.out.flush()?;
        Ok(conversion.report)
    }
}

struct Conversion<'a, W> {
    out: &'a mut W,
    currencies: Currencies,
    purchases: Purchases,
    /// Every sale so far, by [`SaleIndex`].
    sales: Vec<Sale>,
    report: Report,
}

/// An order that became a transaction.
struct Sale {
    order: Id,
    /// What was cancelled of it so far: never more than it came to.
    cancelled: Pounds,
}

impl<W: Write> Conversion<'_, W> {
    /// Makes known what is bought some time, to tell apart why a cancellation finds nothing.
    fn announce(&mut self, order: &Invoice) {
        if let Some(customer) = order.customer {
            for goods in &order.goods {
                self.purchases.announce(customer, &goods.stock_code);
            }
        }
    }

    fn sell(&mut self, order: &Invoice) -> Result<(), ConversionError> {
        let number = &order.number.id;
        let exact = order.value();
        let amount = exact.to_pennies().map_err(|error| too_large(number, error))?;
        let value = Pounds::from_pennies(amount);
        self.write(&entries::transaction(number, order.time, amount))?;
        self.report.add(Item::Transactions, value);
        if value != exact {
            self.report.add(Item::TransactionsRounded, value - exact);
        }
        if value == Pounds::ZERO {
            self.report.add(Item::TransactionsOfNothing, value);
        }
        let sale = SaleIndex(self.sales.len());
        self.sales.push(Sale { order: number.clone(), cancelled: Pounds::ZERO });
        let Some(customer) = order.customer else {
            self.report.add(Item::TransactionsWithoutCustomer, value);
            return Ok(());
        };
        for goods in &order.goods {
            self.purchases.buy(customer, goods, sale);
        }
        let earned = entries::earned(exact).map_err(|error| too_large(number, error))?;
        if earned.units() == 0 {
            self.report.add(Item::CommissionsOfNothing, value);
            return Ok(());
        }
        self.report.add(Item::Commissions, Pounds::from_pennies(earned));
        self.write(&entries::commission(number, order.time, customer, earned))
    }

    fn cancel(&mut self, cancellation: &Invoice) -> Result<(), ConversionError> {
        self.report.add(Item::Cancellations, cancellation.value());
        let mut taken_back: BTreeMap<SaleIndex, Pounds> = BTreeMap::new();
        for goods in &cancellation.goods {
            self.match_goods(cancellation, goods, &mut taken_back);
        }
        for (sale, value) in taken_back {
            self.reverse(cancellation, sale, value)?;
        }
        Ok(())
    }

    /// Matches a cancelled line and adds the value that it takes back of each sale.
    ///
    /// A unit counts at the price that was credited for it, and at most at the price paid: no
    /// more than that was ever earned on.
    fn match_goods(
        &mut self,
        cancellation: &Invoice,
        goods: &Goods,
        taken_back: &mut BTreeMap<SaleIndex, Pounds>,
    ) {
        self.report.add_units(Item::CancelledUnits, goods.quantity, goods.value());
        let found = self.purchases.cancel(cancellation.customer, goods);
        for taken in found.taken {
            let value = goods.price.min(taken.price).times(taken.quantity);
            self.report.add_units(Item::CancelledMatched, taken.quantity, value);
            *taken_back.entry(taken.sale).or_default() += value;
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

    /// Takes back what was earned on goods of `value`: what is earned on all that was cancelled
    /// of the sale, less what was taken back before.
    fn reverse(
        &mut self,
        cancellation: &Invoice,
        sale: SaleIndex,
        value: Pounds,
    ) -> Result<(), ConversionError> {
        let sale = self.sales.get_mut(sale.0).expect("purchases name sales that were made");
        let order = &sale.order;
        let cancelled = sale.cancelled + value;
        let earned = |value| entries::earned(value).map_err(|error| too_large(order, error));
        let amount = earned(cancelled)?
            .checked_sub(earned(sale.cancelled)?)
            .expect("what is earned never falls as the value grows");
        sale.cancelled = cancelled;
        if amount.units() == 0 {
            self.report.add(Item::ReversalsOfNothing, value);
            return Ok(());
        }
        self.report.add(Item::Reversals, Pounds::from_pennies(amount));
        let (number, time) = (&cancellation.number.id, cancellation.time);
        let reversal = entries::reversal(number, time, order, amount);
        self.write(&reversal)
    }

    fn write(&mut self, entry: &Entry) -> Result<(), ConversionError> {
        let text = EntryText::new(entry, &self.currencies).expect("every amount is in pounds");
        serde_json::to_writer(&mut *self.out, &text).map_err(io::Error::from)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }
}

fn too_large(invoice: &Id, error: MoneyError) -> ConversionError {
    ConversionError::Amount { invoice: invoice.clone(), error }
}
