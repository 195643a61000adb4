//! The order book: all lines, gathered into invoices in the order of their times.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use counterfoil::protocol::id::Id;
use counterfoil::protocol::time::Timestamp;
use csv::{ByteRecord, ReaderBuilder};
use flate2::read::MultiGzDecoder;

use super::ConversionError;
use super::order_line::{COLUMNS, Customer, InvoiceKind, InvoiceNo, OrderLine, Role};
use super::pounds::Pounds;
use super::report::{Item, Report};

/// All invoices that sell or cancel something.
///
/// In order of time; at the same time orders before cancellations, then as in the file.
pub struct Book {
    /// The invoices.
    pub invoices: Vec<Invoice>,
    /// What was read so far.
    pub report: Report,
}

/// The lines under one invoice number.
pub struct Invoice {
    /// Its number.
    pub number: InvoiceNo,
    /// The earliest time of its lines.
    pub time: Timestamp,
    /// Who bought, where the file says so: the same in every line.
    pub customer: Option<Customer>,
    /// What is sold in an order, or cancelled in a cancellation, as in the file.
    pub goods: Vec<Goods>,
    /// Whether its lines differ in time.
    several_times: bool,
}

/// What a line sells or cancels.
pub struct Goods {
    /// What.
    pub stock_code: Box<str>,
    /// How many.
    pub quantity: u32,
    /// At which price each: never below zero.
    pub price: Pounds,
}

impl Goods {
    /// What all of them come to.
    pub fn value(&self) -> Pounds {
        self.price.times(self.quantity)
    }
}

impl Invoice {
    fn new(line: &OrderLine) -> Self {
        Self {
            number: line.invoice.clone(),
            time: line.time,
            customer: line.customer,
            goods: Vec::new(),
            several_times: false,
        }
    }

    /// Whether it takes goods back.
    pub fn cancels(&self) -> bool {
        self.number.kind == InvoiceKind::Cancellation
    }

    /// What its goods come to, to the last decimal.
    pub fn value(&self) -> Pounds {
        self.goods.iter().map(Goods::value).sum()
    }
}

impl Book {
    /// Reads the file at `path`, unpacking it if its name ends in `.gz`.
    ///
    /// # Errors
    /// [`ConversionError`], as of [`Book::read`].
    pub fn open(path: &Path) -> Result<Self, ConversionError> {
        let file = File::open(path).map_err(csv::Error::from)?;
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        if packed { Self::read(MultiGzDecoder::new(file)) } else { Self::read(file) }
    }

    /// Reads a CSV file of order lines to its end.
    ///
    /// # Errors
    /// [`ConversionError`], which names the line: a file that is not what it should be is
    /// refused as a whole.
    pub fn read(file: impl Read) -> Result<Self, ConversionError> {
        let mut rows = ReaderBuilder::new().from_reader(file);
        if rows.byte_headers()? != COLUMNS.as_slice() {
            return Err(ConversionError::Columns);
        }
        let mut gathering = Gathering::default();
        let mut row = ByteRecord::new();
        while rows.read_byte_record(&mut row)? {
            let line = OrderLine::parse(&row)?;
            if !gathering.rows.insert(digest(&row)) {
                gathering.report.add(Item::LinesRepeated, line.value());
            }
            gathering.add(line, row.position().map_or(0, csv::Position::line))?;
        }
        gathering.finish()
    }
}

/// What identifies a row: its fields, told apart by their lengths.
fn digest(row: &ByteRecord) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for field in row {
        hasher.update(&(field.len() as u64).to_le_bytes()).update(field);
    }
    hasher.finalize()
}

#[derive(Default)]
struct Gathering {
    /// As first met in the file.
    invoices: Vec<Invoice>,
    /// Where in `invoices` a number is; its lines needn't stand together in the file.
    places: HashMap<Id, usize>,
    /// The digests of all rows.
    rows: HashSet<blake3::Hash>,
    report: Report,
}

impl Gathering {
    fn add(&mut self, line: OrderLine, line_number: u64) -> Result<(), ConversionError> {
        let place = *self.places.entry(line.invoice.id.clone()).or_insert(self.invoices.len());
        if place == self.invoices.len() {
            self.invoices.push(Invoice::new(&line));
        }
        let invoice = self.invoices.get_mut(place).expect("places are those of invoices");
        if invoice.customer != line.customer {
            let invoice = line.invoice.id;
            return Err(ConversionError::AnotherCustomer { line: line_number, invoice });
        }
        invoice.several_times |= invoice.time != line.time;
        invoice.time = invoice.time.min(line.time);
        self.report.add(Item::LinesRead, line.value());
        let role = line.role();
        self.report.add(role.item(), line.value());
        if let Role::Sold | Role::Cancelled = role {
            invoice.goods.push(Goods {
                stock_code: line.stock_code,
                quantity: line.quantity.unsigned_abs(),
                price: line.price,
            });
        }
        Ok(())
    }

    fn finish(self) -> Result<Book, ConversionError> {
        let Self { mut invoices, mut report, .. } = self;
        for invoice in &invoices {
            report.add(Item::InvoicesRead, Pounds::ZERO);
            if invoice.several_times {
                report.add(Item::InvoicesOfSeveralTimes, Pounds::ZERO);
            }
            if invoice.goods.is_empty() {
                report.add(Item::InvoicesWithoutGoods, Pounds::ZERO);
            }
        }
        invoices.retain(|invoice| !invoice.goods.is_empty());
        if invoices.is_empty() {
            return Err(ConversionError::NothingSold);
        }
        // Stable: what stands first in the file stays first.
        invoices.sort_by_key(|invoice| (invoice.time, invoice.number.kind));
        Ok(Book { invoices, report })
    }
}
