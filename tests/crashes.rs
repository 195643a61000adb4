//! The process is killed or the power goes at any moment: what was acknowledged is there when
//! the ledger is opened again, and nothing is left half-done.
//!
//! The seed of what is random is printed; `CRASHES_SEED` sets it.
//!
//! | file | what |
//! |---|---|
//! | `knowledge.rs` | what somebody was told, and whether a store still has it |
//! | `small_bounds.rs` | a store that writes and merges runs all the time, in a process of its own |
//! | `order.rs` | what was sent was synced before |
//! | `recorded.rs` | a process as the shim recorded it |
//! | `power_loss.rs` | power cuts, played on the record of a real process |
//! | `kills.rs` | kill -9, at any time and on each side of each sync |
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

#[path = "crashes/kills.rs"]
mod kills;
#[path = "crashes/knowledge.rs"]
mod knowledge;
#[path = "crashes/order.rs"]
mod order;
#[path = "crashes/power_loss.rs"]
mod power_loss;
#[path = "crashes/recorded.rs"]
mod recorded;
#[path = "crashes/small_bounds.rs"]
mod small_bounds;

/// What all chance follows from.
const SEED: &str = "CRASHES_SEED";

/// What a test takes of something: the second in the long suite.
fn sized<T>((ordinary, long): (T, T)) -> T {
    let is_long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    if is_long { long } else { ordinary }
}
