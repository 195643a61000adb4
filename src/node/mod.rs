//! A running node: what it starts, in which order, and how it stops.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` | file, environment, flags |
//! | `secret.rs` | the sealing key and the token, in files |
//! | `files.rs` | the data directory |
//! | `dev.rs` | a ledger to try things on, with sample data |
//! | `published.rs` | what was published, asked for before the first block |
//! | `serve.rs` | start, serve, stop |
//! | `telemetry.rs` | logs |

pub mod config;
pub mod dev;
pub mod files;
pub mod published;
pub mod secret;
pub mod serve;
pub mod telemetry;
