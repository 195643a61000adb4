//! Peers: replicas that hold the whole ledger and believe nobody.
//!
//! | file | what |
//! |---|---|
//! | `sync.rs` | catching up with peers: decided purely, from event to actions |

pub mod sync;
