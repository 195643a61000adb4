//! Accounts as they are stored: line by line what moved, so that every sum is known at every height.
//!
//! A line says what one entry moved of one account, or one block where nobody asks for single
//! entries. Lines lie in a sorted map under the account's name and the log index. Of a run's lines of
//! an account every so many says, too, what those before it in the run come to; so a sum up to
//! an index takes one look into each run, and a few lines.
//!
//! Invariants:
//! - Lines follow from verified blocks alone ([`count()`]), and are derived by the path by which records
//!   and postings are.
//! - An account's lines never change once their block is committed: what was true at a height stays so.
//! - The runs of the map cover ranges of log indexes that follow each other; so do their sums.
//!
//! | file | what |
//! |---|---|
//! | `count.rs` | from a block to the lines of accounts |
//! | `line.rs` | a line, and how runs sum lines up |
//! | `read.rs` | sums and lines, as they were at some index |

mod count;
mod line;
mod read;

pub(super) use count::{Counted, ReadShares, count};
pub(super) use line::{Dealing, Line};
pub use read::{AccountLine, DealingsWith};
pub(super) use read::{Dealings, Lines, SumsAtHand, dealings, sums};

use crate::protocol::accounts::{ACCOUNT_KEY_BYTES, AccountKey};

/// Bytes of a line's key: the account's name and a log index.
pub(super) const LINE_KEY_BYTES: usize = ACCOUNT_KEY_BYTES + 8;

/// The key of an account's line at a log index, or of one of a party's dealings.
pub(super) fn line_key(account: AccountKey, index: u64) -> [u8; LINE_KEY_BYTES] {
    let mut key = [0; LINE_KEY_BYTES];
    let (first, last) = key.split_at_mut(ACCOUNT_KEY_BYTES);
    first.copy_from_slice(&account.0);
    last.copy_from_slice(&index.to_be_bytes());
    key
}

/// The account and the log index of a line's key.
pub(super) fn split_line_key(key: &[u8; LINE_KEY_BYTES]) -> (AccountKey, u64) {
    let account = *key.first_chunk().expect("a line's key begins with an account's name");
    let index = *key.last_chunk().expect("a line's key ends with an index");
    (AccountKey(account), u64::from_be_bytes(index))
}
