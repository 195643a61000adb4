//! A disk that refuses writes: nothing is half-done, reading goes on, and when the disk works again
//! sealing goes on by itself. Linux only, for the shim that makes calls fail.
//!
//! The seed of what is random is printed; `FAILING_DISK_SEED` sets it.
//!
//! | file | what |
//! |---|---|
//! | `node.rs` | a node on a failing disk, and a client that knows what it was told |
//! | `writes.rs` | each kind of failed write, alone and under load |
//! | `opening.rs` | what fails while the store is opened, and what a failed sync leaves |
//! | `slow.rs` | a slow disk, and the work behind commits |
//! | `every_call.rs` | an error once at each call |
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

#[path = "failing_disk/every_call.rs"]
mod every_call;
#[path = "failing_disk/node.rs"]
mod node;
#[path = "failing_disk/opening.rs"]
mod opening;
#[path = "failing_disk/slow.rs"]
mod slow;
#[path = "failing_disk/writes.rs"]
mod writes;
