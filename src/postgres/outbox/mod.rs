//! The outbox: rows that a backend commits with its own work become entries.
//!
//! Invariants:
//! - A row is locked from when it is claimed until its receipt or rejection is written, in one
//!   transaction. Whoever dies in between lets go of the lock, and the row is pending as before.
//! - What is submitted twice is one entry, since names are for ever: so a row that was sealed and
//!   whose receipt was lost, to a crash at any moment, gets the same receipt when it comes again.
//! - Rows go to the ledger in the order of their ids. Whoever records something that depends on
//!   committed rows gets a greater id than theirs.
//! - A row doesn't overtake an earlier one that waits for what it names, too.
//! - Nothing is dropped: a row is pending, waiting, sealed or rejected, and changes only that way.
//!
//! | file | what |
//! |---|---|
//! | `drain.rs` | the loop: claim, submit, have the fates written, a bounded number at a time |
//! | `claim.rs` | locks rows and reads them |
//! | `row.rs` | makes an entry of a row |
//! | `fate.rs` | what becomes of a row, by what the ledger said |
//! | `settle.rs` | writes that into the rows |
//! | `report.rs` | what an operator is shown |

mod claim;
mod drain;
mod fate;
mod report;
mod row;
mod settle;

pub use claim::{MAX_BATCH_BYTES, MAX_BATCH_ROWS};
pub use drain::drain;
pub use report::{OutboxState, Rejected, outbox_state, rejected_rows, retry};
