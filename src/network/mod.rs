//! Peers: replicas that hold the whole ledger and believe nobody.
//!
//! | file | what |
//! |---|---|
//! | `sync.rs`, `sync/` | catching up with peers: decided purely, from event to actions |
//! | `wire.rs` | what peers say to each other, byte for byte |

pub mod sync;
pub mod wire;
