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

use bincode::{Decode, Encode};

use super::codec;
use super::entry::{Balance, Body};
use super::hash::StateKey;
use super::id::Id;
use super::money::{Amount, Currency};

/// The bytes of an [`AccountKey`].
pub const ACCOUNT_KEY_BYTES: usize = 16;

/// The name of an account, of whatever tenant, in as many bytes as nobody finds two accounts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct AccountKey(pub [u8; ACCOUNT_KEY_BYTES]);

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
    /// How many entries of each kind tell of one day, counted from 1970-01-01, and of an amount in
    /// a currency, and what they come to; in none, how many tell of no amount.
    Day(u32, Option<Currency>),
}

impl Account<'_> {
    /// The name of the account.
    pub fn key(self, tenant: &Id) -> AccountKey {
        // The numbers follow those of what the rules remember, whose names come from the same hash.
        match self {
            Self::Affiliate(affiliate, currency) => key(&(16u8, tenant, affiliate, currency)),
            Self::Merchant(merchant, currency) => key(&(17u8, tenant, merchant, currency)),
            Self::Network(currency) => key(&(18u8, tenant, currency)),
            Self::Dealings { merchant, program, affiliate, currency } => {
                key(&(19u8, tenant, merchant, program, affiliate, currency))
            }
            Self::Month(affiliate, currency, month) => {
                key(&(20u8, tenant, affiliate, currency, month))
            }
            Self::Day(day, currency) => key(&(21u8, tenant, day, currency)),
        }
    }
}

/// Those who have dealings with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party<'a> {
    /// An affiliate, with merchants.
    Affiliate(&'a Id),
    /// A merchant, with affiliates.
    Merchant(&'a Id),
}

impl Party<'_> {
    /// The name under which its dealings are listed.
    pub fn key(self, tenant: &Id) -> AccountKey {
        match self {
            Self::Affiliate(affiliate) => key(&(22u8, tenant, affiliate)),
            Self::Merchant(merchant) => key(&(23u8, tenant, merchant)),
        }
    }
}

fn key(name: &impl Encode) -> AccountKey {
    AccountKey(codec::with_encoded(name, |bytes| {
        *StateKey::of(bytes).0.first_chunk().expect("a record's name is longer")
    }))
}

/// What an entry is about in money, as it says itself.
pub fn amount(body: &Body<Amount>) -> Option<(Currency, Amount)> {
    match body {
        Body::Transaction(sale) => Some((sale.currency, sale.amount)),
        Body::Commission(commission) => Some((commission.currency, commission.amount)),
        Body::Reversal(reversal) => Some((reversal.currency, reversal.amount)),
        Body::Adjustment(adjustment) => Some((adjustment.currency, adjustment.amount)),
        Body::Inquiry(inquiry) => Some((inquiry.currency, inquiry.amount)),
        Body::Funding(funding) => Some((funding.currency, funding.received)),
        Body::Payout(payout) => payout.total.map(|total| (payout.currency, total)),
        Body::OpeningBalance(opening) => Some(match &opening.balance {
            Balance::Commission { currency, amount, .. }
            | Balance::Affiliate { currency, amount, .. }
            | Balance::Merchant { currency, amount, .. } => (*currency, *amount),
        }),
        Body::ProgramTerms(_)
        | Body::Decision(_)
        | Body::Amendment(_)
        | Body::InquiryResolution(_)
        | Body::PayoutEvent(_)
        | Body::AffiliateUpline(_)
        | Body::ErasureNotice(_)
        | Body::SpecChange(_) => None,
    }
}
