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

mod as_of;
mod balances;
mod figure;

pub use as_of::{AsOf, When};
pub use balances::{AffiliateBalance, affiliate_balances};
pub use figure::Figure;

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
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
