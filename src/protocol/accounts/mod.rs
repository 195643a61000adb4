//! Accounts: what entries come to for those whom they concern, in sums that each entry moves.
//!
//! The rules decide; accounts only count what was decided. Everything here follows from the
//! records that an admitted entry changed ([`Changed`](super::rules::Changed)), each before and
//! after, so whoever executes the ledger again comes to the same sums. FORMAT.md section 13.18
//! says what balances are.
//!
//! | file | what |
//! |---|---|
//! | `sums.rs` | what is summed up: a number for each of many [`Slot`]s |
//! | `movement.rs` | what a changed record moves, and for whom |

mod movement;
mod sums;

pub use movement::{Movement, PayoutMove, Share, moved, moved_payout};
pub use sums::{Slot, Sums};

use super::id::Id;
use super::money::Currency;

/// Whose sums they are, within a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account<'a> {
    /// An affiliate's, in a currency.
    Affiliate(&'a Id, Currency),
    /// A merchant's, in a currency.
    Merchant(&'a Id, Currency),
    /// Everybody's, in a currency.
    Network(Currency),
    /// What a merchant has to do with an affiliate, by program; none for what was brought in.
    Dealings {
        /// Who owes.
        merchant: &'a Id,
        /// Under which program.
        program: Option<&'a Id>,
        /// Who earns.
        affiliate: &'a Id,
        /// In which currency.
        currency: Currency,
    },
    /// What moved for an affiliate by events of one month, counted from January 1970.
    Month(&'a Id, Currency, u32),
    /// How many entries of each kind tell of one day, counted from 1970-01-01, and what they come
    /// to in a currency.
    Day(u32, Option<Currency>),
}
