//! From order lines to entries.
//!
//! An order is a transaction, worth what its lines come to. If its customer is known, an
//! affiliate earns a commission on it, which is approved, locks, is paid for by the merchant and
//! paid out, all on the days that the program gives. A cancellation takes back what was earned
//! on the goods that it takes back; [`purchases::Purchases`] finds those. What leads to no entry
//! is counted in the [`Report`], and nothing is left out of it.
//!
//! | file | what |
//! |---|---|
//! | `order_line.rs` | the rows, checked |
//! | `book.rs` | rows gathered into invoices, in order of time |
//! | `program.rs` | what is made up: terms, affiliates, days |
//! | `history.rs` | what happens: orders, cancellations, decisions |
//! | `agenda.rs` | what falls due when |
//! | `sale.rs` | an order's items, and what was cancelled of it |
//! | `purchases.rs` | what a cancellation takes back |
//! | `settlement.rs` | fundings and payouts, month by month |
//! | `accounts.rs` | what an affiliate is due, owes and is paid |
//! | `entries.rs` | the entries |
//! | `pounds.rs` | exact sums |
//! | `report.rs` | what was counted |

mod accounts;
mod agenda;
mod book;
mod entries;
mod history;
mod order_line;
mod pounds;
mod program;
mod purchases;
mod report;
mod sale;
mod settlement;

use std::io::{self, Write};

use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::MoneyError;

pub use book::Book;
pub use report::Report;

use history::History;
use order_line::{COLUMNS, FieldError};

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
    /// An order, say, worth more than any amount of the ledger.
    #[error("entry {entry}: {error}")]
    Amount {
        /// What can't be stated, by external id.
        entry: Id,
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
        let mut history = History::new(out, self.report);
        history.write(&self.invoices)?;
        Ok(history.into_report())
    }
}

#[cfg(test)]
mod tests {
    use super::report::Item;
    use super::*;

    /// One of every kind of dirt. What it comes to was reckoned by hand.
    const SAMPLE: &str = include_str!("../dirty_sample.csv");
    /// Its entries in order: external id and amount, total or what was received. In the end,
    /// AFF-003 waits for the least that is paid, and AFF-004 for a payout that failed; AFF-005
    /// pays back what came back after it was paid; AFF-007 is paid at the third attempt.
    const SAMPLE_ENTRIES: &str = "
            TERMS-1 100001=41.00 COM-100001=3.08 100002=12.45 COM-100002=0.93 100003=0.14
            100004=0.06 100005=0.00
            REV-C100011-100001=1.80 REV-C100012-100001=1.20 REV-C100012-100002=0.45
            REV-C100013-100002=0.07 REV-C100014-100001=0.08 REV-C100014-100002=0.38
            100021=6.00 COM-100021=0.45 REV-C100020-100021=0.45 100022=15.00 COM-100022=1.12
            100023=15.00 COM-100023=1.12 REV-C100024-100022=0.22 REV-C100024-100023=1.12
            100018=5.00 COM-100018=0.38 100025=500.00 COM-100025=37.50 100027=400.00
            COM-100027=30.00 APPROVE-100002 APPROVE-100022 APPROVE-100018 APPROVE-100025
            APPROVE-100027 LOCK-100002
            FUND-2010-12=1000.00 LOCK-100022 LOCK-100018 LOCK-100025 PAY-2010-12-AFF-001=0.00
            COMPLETED-PAY-2010-12-AFF-001 REV-C100028-100027=0.60 LOCK-100027
            ADJ-C100029-100027=0.60 ADJ-C100026-100025=3.75
            FUND-2011-01=0.00 PAY-2011-01-AFF-003=0.00 PAY-2011-01-AFF-004=0.00
            PAY-2011-01-AFF-005=28.80 SENT-PAY-2011-01-AFF-005 PAY-2011-01-AFF-007=33.75
            SENT-PAY-2011-01-AFF-007 COMPLETED-PAY-2011-01-AFF-003 COMPLETED-PAY-2011-01-AFF-004
            FAILED-PAY-2011-01-AFF-007 100030=200.00 COM-100030=15.00
            COMPLETED-PAY-2011-01-AFF-005 ADJ-C100031-100027=13.80 REV-C100031-100030=15.00
            ADJ-C100032-100022=0.90
            100033=600.00 COM-100033=45.00 100034=600.00 COM-100034=45.00 PAY-2011-02-AFF-004=0.00
            PAY-2011-02-AFF-005=0.00 PAY-2011-02-AFF-007=33.75 SENT-PAY-2011-02-AFF-007
            COMPLETED-PAY-2011-02-AFF-004 COMPLETED-PAY-2011-02-AFF-005
            COMPLETED-PAY-2011-02-AFF-007 RETURNED-PAY-2011-02-AFF-007 APPROVE-100033
            APPROVE-100034
            LOCK-100033 LOCK-100034 100035=50.00 COM-100035=3.75 PAY-2011-03-AFF-007=33.75
            SENT-PAY-2011-03-AFF-007 COMPLETED-PAY-2011-03-AFF-007 APPROVE-100035 100036=50.00
            COM-100036=3.75 REV-C100037-100036=0.38
            FUND-2011-04=0.00 APPROVE-100036 LOCK-100035 PAY-2011-04-AFF-004=45.00
            SENT-PAY-2011-04-AFF-004 PAY-2011-04-AFF-005=31.20 SENT-PAY-2011-04-AFF-005
            FAILED-PAY-2011-04-AFF-004 100038=10.00 COM-100038=0.75
    ";
    const HEADER: &str =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn convert(csv: &str) -> Result<(Vec<serde_json::Value>, Report), ConversionError> {
        let mut out = Vec::new();
        let report = Book::read(csv.as_bytes())?.write_entries(&mut out)?;
        let lines = std::str::from_utf8(&out).unwrap().lines();
        Ok((lines.map(|line| serde_json::from_str(line).unwrap()).collect(), report))
    }

    #[test]
    fn the_sample_comes_to_these_entries() {
        let (entries, _) = convert(SAMPLE).unwrap();
        let amount = |body: &serde_json::Value| {
            let amount =
                ["amount", "total", "received"].iter().find_map(|name| body[name].as_str());
            amount.map_or_else(String::new, |amount| format!("={amount}"))
        };
        let written: Vec<String> = entries
            .iter()
            .map(|entry| {
                entry["external_id"].as_str().unwrap().to_owned() + &amount(&entry["body"])
            })
            .collect();
        assert_eq!(written, SAMPLE_ENTRIES.split_whitespace().collect::<Vec<_>>());
        assert_eq!(entries[0]["body"]["effective_from"], "2010-12-01T00:00:00Z");
        assert_eq!(entries[2]["body"]["affiliate"], "AFF-001");
        assert_eq!(entries[3]["event_time"], "2010-12-01T09:30:00Z");
        assert!(entries.windows(2).all(|two| {
            two[0]["event_time"].as_str().unwrap() <= two[1]["event_time"].as_str().unwrap()
        }));
    }

    #[test]
    fn the_sample_is_reported_to_the_last_line() {
        let (_, report) = convert(SAMPLE).unwrap();
        let expected = [
            (Item::LinesRead, 42, "1922.6351"),
            (Item::LinesRepeated, 1, "20.00"),
            (Item::LinesSold, 20, "2504.6501"),
            (Item::LinesCancelled, 17, "-582.515"),
            (Item::LinesWrittenOff, 1, "-3.50"),
            (Item::LinesAdjusted, 2, "0.00"),
            (Item::LinesVoid, 2, "4.00"),
            (Item::InvoicesRead, 38, "0.00"),
            (Item::InvoicesOfSeveralTimes, 2, "0.00"),
            (Item::InvoicesWithoutGoods, 5, "0.00"),
            (Item::Transactions, 17, "2504.65"),
            (Item::TransactionsRounded, 2, "-0.0001"),
            (Item::TransactionsOfNothing, 1, "0.00"),
            (Item::TransactionsWithoutItems, 1, "0.14"),
            (Item::TransactionsWithoutCustomer, 2, "0.14"),
            (Item::Commissions, 14, "187.83"),
            (Item::CommissionsOfNothing, 1, "0.06"),
            (Item::Cancellations, 16, "582.515"),
            (Item::CancelledUnits, 116, "582.515"),
            (Item::CancelledMatched, 108, "544.015"),
            (Item::CancelledWithoutCustomer, 1, "2.00"),
            (Item::CancelledNeverBought, 1, "27.50"),
            (Item::CancelledBoughtLater, 4, "5.00"),
            (Item::CancelledUsedUp, 2, "2.00"),
            (Item::CancelledAbovePrice, 4, "2.00"),
            (Item::Reversals, 12, "21.75"),
            (Item::Adjustments, 4, "19.05"),
            (Item::TakenBackOfNothing, 1, "0.06"),
            (Item::Approvals, 9, "165.93"),
            (Item::Locks, 8, "161.96"),
            (Item::Funded, 7, "158.21"),
            (Item::Fundings, 3, "1000.00"),
            (Item::Payouts, 11, "206.25"),
            (Item::PayoutsOfNothing, 5, "0.00"),
            (Item::PayoutsCompleted, 8, "96.30"),
            (Item::PayoutsFailed, 2, "78.75"),
            (Item::PayoutsReturned, 1, "33.75"),
        ];
        assert_eq!(expected.len(), Item::ALL.len());
        for (item, count, value) in expected {
            let tally = report.get(item);
            assert_eq!((tally.count, tally.value.to_string().as_str()), (count, value), "{item:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_order_book() {
        let cases = [
            (String::new(), "first line"),
            ("InvoiceNo,StockCode\n1,A\n".to_owned(), "first line"),
            ("1,A,,1,2010-12-01 08:26:00,1.0,1,\n".to_owned(), "first line"),
            (HEADER.to_owned(), "nothing is sold"),
            (format!("{HEADER}1,A,,0,2010-12-01 08:26:00,1.0,1,\n"), "nothing is sold"),
            (format!("{HEADER}1,A,,1,2010-12-01 08:26:00,1.0\n"), "can't be read"),
            (
                format!("{HEADER}1,A,,1,2010-12-01 08:26:00,one,1,\n"),
                "line 2: UnitPrice is \"one\"",
            ),
            (
                format!(
                    "{HEADER}1,A,,1,2010-12-01 08:26:00,1,1,\n1,A,,1,2010-12-01 08:26:00,1,,\n"
                ),
                "line 3: earlier lines of invoice 1",
            ),
            (
                format!("{HEADER}1,A,,2147483647,2010-12-01 08:26:00,9223372036854,1,\n"),
                "entry 1: amount is too large",
            ),
        ];
        for (csv, message) in cases {
            let error = convert(&csv).unwrap_err().to_string();
            assert!(error.contains(message), "{csv:?}: {error}");
        }
    }
}
