//! Sorted runs: an ordered map on disk that takes writes at the speed of the disk.
//!
//! A database of small random keys writes each key somewhere else. Here keys are collected in
//! memory, sorted, and written in one go as a *run*: pages of sorted records, one after the
//! other, that never change. Looking a key up asks the runs from the newest to the oldest; a
//! filter tells in memory which of them can't have it. Eight runs of a level are merged into
//! one of the next, so that there are never many.
//!
//! Invariants:
//! - A run is whole before anything refers to it: the manifest names it only after its pages
//!   are synced.
//! - A run never changes. What a merge replaced is removed when its last reader is done; what
//!   a crash left unnamed is swept when the store is opened.
//! - Of equal keys, the newest run's counts.
//! - Keys are digests, or begin with one: their first eight bytes are spread evenly.
//!
//! | file | what |
//! |---|---|
//! | `page.rs` | records in a page |
//! | `run.rs` | one run: writing, opening, looking up |
//! | `merge.rs` | several runs as one sorted sequence |
//! | `set.rs` | all runs of one map, newest first, and which to merge |

mod merge;
mod page;
mod run;
mod set;

pub(super) use merge::{Merge, Source};
pub(super) use run::{KeyRange, Order, PageStore, Record, Run, RunMeta};
pub(super) use set::{RunSet, merge};
