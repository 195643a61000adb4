//! What everybody agrees on: bytes, hashes, rules, proofs. Pure: no IO, no async, no clock,
//! no randomness. `FORMAT.md` beside this file says the same for another language.
//!
//! Read it from the leaf up:
//!
//! | module | what |
//! |---|---|
//! | [`entry`] | a fact that a marketplace states; [`text`] is its JSON |
//! | [`rules`] | whether it may be stated |
//! | [`accounts`] | what it comes to for each party |
//! | [`block`] | a run of entries, closed by a header |
//! | [`tree`] | the log over all leaves, and its proofs |
//! | [`checkpoint`] | what the authority signs |
//! | [`verify`] | making and verifying blocks, one mechanism |
//! | [`tile_path`] | where the parts of the published log stand |
//! | [`receipt`] | one entry's proof in one file |
//! | [`evidence`] | the proof that a key signed two histories |
//! | [`spec`] | the one thing to get from a trusted place |
//! | [`succession`] | which spec is in force at which height |
//!
//! Below them: [`codec`] (canonical bytes), `json` (strict text), [`hash`], [`key`], [`id`],
//! [`money`], [`time`].

pub mod accounts;
pub mod block;
pub mod checkpoint;
pub mod codec;
pub mod entry;
pub mod evidence;
pub mod hash;
pub mod id;
mod json;
pub mod key;
pub mod money;
pub mod receipt;
pub mod rules;
pub mod spec;
pub mod succession;
pub mod text;
pub mod tile_path;
pub mod time;
pub mod tree;
pub mod verify;
