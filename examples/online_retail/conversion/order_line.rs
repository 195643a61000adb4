//! Order lines: the rows of the CSV file, checked.

use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::MoneyError;
use counterfoil::protocol::time::{TimeError, Timestamp};
use csv::ByteRecord;

use super::ConversionError;
use super::pounds::Pounds;
use super::report::Item;

/// The columns of the file, in their order.
pub const COLUMNS: [&str; 8] = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
];

/// The longest invoice number: leaves room for what ids made of two of them add.
const MAX_INVOICE_NO_BYTES: usize = 20;

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// The invoice that it belongs to.
    pub invoice: InvoiceNo,
    /// What was sold, cancelled or charged. May have blanks; never becomes an id.
    pub stock_code: Box<str>,
    /// How many; below zero for what goes back or is written off.
    pub quantity: i32,
    /// When. The file names no zone; it is read as UTC.
    pub time: Timestamp,
    /// The price of one.
    pub price: Pounds,
    /// Who bought, where the file says so.
    pub customer: Option<Customer>,
}

/// An invoice's number: digits, after a letter where it is no ordinary invoice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InvoiceNo {
    /// The number as an id, letter included.
    pub id: Id,
    /// What the letter says.
    pub kind: InvoiceKind,
}

/// What an invoice's letter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvoiceKind {
    /// No letter: an order.
    Order,
    /// `C`: a cancellation.
    Cancellation,
    /// `A`: an adjustment of the books.
    Adjustment,
}

/// A customer's number. It stays out of the ledger: it is personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Customer(pub u32);

/// What is wrong with a field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Bytes that are no text.
    #[error("not UTF-8")]
    NotText,
    /// Neither digits nor digits after a C or an A.
    #[error("an invoice number is up to {MAX_INVOICE_NO_BYTES} digits, perhaps after C or A")]
    InvoiceNo,
    /// Nothing.
    #[error("is empty")]
    Empty,
    /// A fraction, a word, or a number beyond 32 bits.
    #[error("a whole number is needed, such as 6 or 6.0")]
    NotWhole,
    /// Not as in 2010-12-01 08:26:00.
    #[error("a time as in 2010-12-01 08:26:00 is needed: {0}")]
    Time(#[from] TimeError),
    /// No price.
    #[error(transparent)]
    Price(#[from] MoneyError),
}

impl OrderLine {
    /// Reads a row.
    ///
    /// # Errors
    /// [`ConversionError::Field`], which names line and column.
    pub fn parse(record: &ByteRecord) -> Result<Self, ConversionError> {
        let [invoice, stock_code, _, quantity, time, price, customer, _] =
            std::array::from_fn(|column| Field::new(record, column));
        Ok(Self {
            invoice: invoice.parse(invoice_no)?,
            stock_code: stock_code.parse(|text| match text {
                "" => Err(FieldError::Empty),
                text => Ok(text.into()),
            })?,
            quantity: quantity.parse(whole_number)?,
            time: time.parse(|text| Ok(format!("{}Z", text.replacen(' ', "T", 1)).parse()?))?,
            price: price.parse(|text| Ok(Pounds::parse(text)?))?,
            customer: customer.parse(|text| match text {
                "" => Ok(None),
                text => whole_number(text).map(|number| Some(Customer(number))),
            })?,
        })
    }

    /// What the line is to the ledger.
    pub fn role(&self) -> Role {
        if self.invoice.kind == InvoiceKind::Adjustment || self.price < Pounds::ZERO {
            return Role::Adjusted;
        }
        match (self.invoice.kind, self.quantity.signum()) {
            (InvoiceKind::Order, 1) => Role::Sold,
            (InvoiceKind::Order, -1) => Role::WrittenOff,
            (InvoiceKind::Cancellation, -1) => Role::Cancelled,
            _ => Role::Void,
        }
    }

    /// Its quantity at its price, by the file's signs.
    pub fn value(&self) -> Pounds {
        let value = self.price.times(self.quantity.unsigned_abs());
        if self.quantity < 0 { -value } else { value }
    }
}

/// What an order line is to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Part of a transaction.
    Sold,
    /// Takes back what was sold.
    Cancelled,
    /// Stock that was lost, broken or miscounted: nobody's order.
    WrittenOff,
    /// An adjustment of the books, such as a bad debt: nobody's order.
    Adjusted,
    /// A quantity that says nothing: zero, or above zero in a cancellation.
    Void,
}

impl Role {
    /// Where the report counts such lines.
    pub const fn item(self) -> Item {
        match self {
            Self::Sold => Item::LinesSold,
            Self::Cancelled => Item::LinesCancelled,
            Self::WrittenOff => Item::LinesWrittenOff,
            Self::Adjusted => Item::LinesAdjusted,
            Self::Void => Item::LinesVoid,
        }
    }
}

/// A field and where it stands.
struct Field<'a> {
    bytes: &'a [u8],
    line: u64,
    column: &'static str,
}

impl<'a> Field<'a> {
    fn new(record: &'a ByteRecord, column: usize) -> Self {
        Self {
            bytes: record.get(column).unwrap_or_default(),
            line: record.position().map_or(0, csv::Position::line),
            column: COLUMNS.get(column).copied().unwrap_or_default(),
        }
    }

    fn parse<T>(
        &self,
        read: impl FnOnce(&'a str) -> Result<T, FieldError>,
    ) -> Result<T, ConversionError> {
        std::str::from_utf8(self.bytes).map_err(|_| FieldError::NotText).and_then(read).map_err(
            |error| ConversionError::Field {
                line: self.line,
                column: self.column,
                text: String::from_utf8_lossy(self.bytes).into_owned(),
                error,
            },
        )
    }
}

fn invoice_no(text: &str) -> Result<InvoiceNo, FieldError> {
    let (kind, digits) = match text.split_at_checked(1) {
        Some(("C" | "c", digits)) => (InvoiceKind::Cancellation, digits),
        Some(("A" | "a", digits)) => (InvoiceKind::Adjustment, digits),
        _ => (InvoiceKind::Order, text),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || text.len() > MAX_INVOICE_NO_BYTES {
        return Err(FieldError::InvoiceNo);
    }
    let id = Id::new(text).map_err(|_| FieldError::InvoiceNo)?;
    Ok(InvoiceNo { id, kind })
}

/// The file writes whole numbers with a decimal, as in `6.0`.
fn whole_number<T: std::str::FromStr>(text: &str) -> Result<T, FieldError> {
    text.strip_suffix(".0").unwrap_or(text).parse().map_err(|_| FieldError::NotWhole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(row: [&str; 8]) -> Result<OrderLine, ConversionError> {
        OrderLine::parse(&ByteRecord::from(row.to_vec()))
    }

    const ROW: [&str; 8] =
        ["536365", "85123A", "HEART", "6.0", "2010-12-01 08:26:00", "2.55", "17850.0", "France"];

    fn with(changes: &[(usize, &'static str)]) -> [&'static str; 8] {
        let mut row = ROW;
        for (column, text) in changes {
            row[*column] = text;
        }
        row
    }

    #[test]
    fn reads_a_row() {
        let line = parse(ROW).unwrap();
        assert_eq!(line.invoice.id.as_str(), "536365");
        assert_eq!(line.quantity, 6);
        assert_eq!(line.time.to_string(), "2010-12-01T08:26:00Z");
        assert_eq!(line.customer, Some(Customer(17850)));
        assert_eq!(line.value().to_string(), "15.30");
        assert_eq!(parse(with(&[(6, "")])).unwrap().customer, None);
        assert_eq!(&*parse(with(&[(1, "BANK CHARGES")])).unwrap().stock_code, "BANK CHARGES");
    }

    #[test]
    fn roles() {
        let cases = [
            (with(&[]), Role::Sold),
            (with(&[(5, "0.0")]), Role::Sold),
            (with(&[(3, "-6.0")]), Role::WrittenOff),
            (with(&[(3, "0.0")]), Role::Void),
            (with(&[(5, "-2.55")]), Role::Adjusted),
            (with(&[(0, "C536365"), (3, "-6")]), Role::Cancelled),
            (with(&[(0, "c536365"), (3, "-6")]), Role::Cancelled),
            (with(&[(0, "C536365")]), Role::Void),
            (with(&[(0, "C536365"), (5, "-2.55")]), Role::Adjusted),
            (with(&[(0, "A536365")]), Role::Adjusted),
            (with(&[(0, "A536365"), (5, "-1")]), Role::Adjusted),
        ];
        for (row, role) in cases {
            assert_eq!(parse(row).unwrap().role(), role, "{row:?}");
        }
    }

    #[test]
    fn refuses_and_names_the_column() {
        let cases = [
            (0, ""),
            (0, "C"),
            (0, "B536365"),
            (0, "536 365"),
            (0, "CC536365"),
            (0, "123456789012345678901"),
            (0, "é1"),
            (1, ""),
            (3, "6.5"),
            (3, ""),
            (3, "six"),
            (3, "2147483648"),
            (4, "12/1/2010 8:26"),
            (4, "2010-02-30 08:26:00"),
            (4, "2010-12-01 08:26:00.0001"),
            (5, ""),
            (5, "£2.55"),
            (5, "2.5500001"),
            (6, "17850.5"),
            (6, "-1"),
            (6, "4294967296"),
        ];
        for (changed, text) in cases {
            match parse(with(&[(changed, text)])) {
                Err(ConversionError::Field { column, .. }) => assert_eq!(column, COLUMNS[changed]),
                other => panic!("{text:?} as {}: {other:?}", COLUMNS[changed]),
            }
        }
    }

    #[test]
    fn only_what_is_read_must_be_text() {
        let mut record = ByteRecord::from(ROW.to_vec());
        let replace = |record: &ByteRecord, column: usize| {
            let fields = record.iter().enumerate();
            fields
                .map(|(at, field)| if at == column { b"\xa3".as_slice() } else { field })
                .collect::<ByteRecord>()
        };
        assert!(OrderLine::parse(&replace(&record, 2)).is_ok());
        record = replace(&record, 1);
        assert!(OrderLine::parse(&record).unwrap_err().to_string().contains("StockCode"));
    }
}
