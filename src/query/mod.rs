//! Questions about the ledger, answered from it as it was at one height: what surfaces show, decided
//! once for all of them.
//!
//! An answer is made of the sums and lines of accounts ([`accounts`](crate::protocol::accounts)), of
//! the rules' records and of entries; nothing here is stored. Each answer says of which height
//! it is ([`AsOf`]), and leads to the entries that prove it.
//!
//! | file | what |
//! |---|---|
//! | `as_of.rs` | the height that an answer is of |
//! | `figure.rs` | sums as decimal strings |
//! | `balances.rs` | what an affiliate has, by state and currency |
//! | `statement.rs` | the statement of a period, line by line |
//! | `earnings.rs` | what an affiliate earned, by period, program or merchant |
//! | `liabilities.rs` | what a merchant owes and paid, in all and by affiliate |
//! | `performance.rs` | what a merchant makes of commissions, beside the network |
//! | `totals.rs` | what all entries come to, by day or month |
//! | `period.rs` | days and what they make up |
//! | `page.rs` | some rows of an answer |
//! | `downline.rs` | who stands below an affiliate, and what they earn |
//! | `history.rs`, `family.rs` | everything that happened to a commission or an order |
//! | `lookup.rs` | what somebody may mean by a word: search |
//! | `terms.rs` | versions of terms, and what changed |
//! | `links.rs` | where answers lead |

mod as_of;
mod balances;
mod downline;
mod earnings;
mod family;
mod figure;
mod history;
mod liabilities;
mod links;
mod lookup;
mod page;
mod performance;
mod period;
mod statement;
mod terms;
mod totals;

pub use as_of::{AsOf, When};
pub use balances::{AffiliateBalance, affiliate_balances};
pub use downline::{Downline, DownlineMember, MAX_DEPTH, downline};
pub use earnings::{EarningsBy, EarningsOf, EarningsRow, earnings};
pub use figure::Figure;
pub use history::{Did, HistoryStep, Root, history};
pub use liabilities::{
    AffiliateOfMerchant, MerchantLiabilities, merchant_affiliates, merchant_liabilities,
};
pub use lookup::{Found, FoundType, MAX_FOUND, search};
pub use page::{Page, PageOf};
pub use performance::{Measure, PerformanceRow, merchant_performance};
pub use period::{Day, DayError, MAX_SPAN_DAYS, Span};
pub use statement::{
    AffiliateStatementRow, Bound, MerchantStatementRow, Period, RowType, affiliate_statement,
    merchant_statement,
};
pub use terms::{ProgramName, TermsDifference, TermsVersion, terms_differences, terms_versions};
pub use totals::{TotalsBy, TotalsRow, totals};

use crate::protocol::time::Timestamp;
use crate::store::StoreError;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It asks for a height that the ledger doesn't have.
    #[error("at_height: the ledger ends at height {head}, there is no {asked}")]
    BeyondHead {
        /// What was asked for.
        asked: u64,
        /// The last height.
        head: u64,
    },
    /// It asks for a time before the ledger's genesis.
    #[error("at_time: the ledger begins at {genesis}")]
    BeforeGenesis {
        /// When it begins.
        genesis: Timestamp,
    },
    /// It asks for what no ledger can answer.
    #[error("{field}: {problem}")]
    BadQuestion {
        /// The parameter that is at fault.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// What it is about isn't on the ledger.
    #[error("{what}")]
    NotFound {
        /// What is missing.
        what: String,
    },
    /// It is about more than one answer takes.
    #[error("more than {most} {what} belong to it; list them with /v1/entries")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many one answer takes.
        most: usize,
    },
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl QueryError {
    /// A parameter that can't be as it is.
    fn bad(field: &'static str, problem: impl Into<String>) -> Self {
        Self::BadQuestion { field, problem: problem.into() }
    }
}
