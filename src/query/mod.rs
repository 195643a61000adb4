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
//! | `downline.rs` | who stands below an affiliate, and what they earn |
//! | `history.rs`, `family.rs` | everything that happened to a commission or an order |
//! | `lookup.rs` | what somebody may mean by a word: search |
//! | `terms.rs` | versions of terms, and what changed |
//! | `links.rs` | where answers lead |

mod as_of;
mod balances;
mod downline;
mod family;
mod figure;
mod history;
mod links;
mod lookup;
mod terms;

pub use as_of::{AsOf, When};
pub use balances::{AffiliateBalance, affiliate_balances};
pub use downline::{Downline, DownlineMember, MAX_DEPTH, downline};
pub use figure::Figure;
pub use history::{Did, HistoryStep, Root, history};
pub use lookup::{Found, FoundType, MAX_FOUND, search};
pub use terms::{ProgramName, TermsDifference, TermsVersion, terms_differences, terms_versions};

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
