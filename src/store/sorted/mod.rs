//! Sorted maps: ordered maps on disk that take writes at the speed of the disk.
//!
//! A database of small random keys writes each key somewhere else. Here new records are kept in
//! *memory*; when that is full it is frozen, sorted, and written in one go as a *run*: a file of
//! sorted records in pages, which never changes. Looking a key up asks memory, then the runs from the
//! newest to the oldest; a filter tells without reading which of them can't have it. Eight runs
//! of a level are merged into one of the next, so that there are never many.
//!
//! ```text
//!   writes ─> active memory ─> frozen memory ─> run  run  run            level 0
//!                                                 └─ merged ─> run  run  level 1
//!                                                                └─> run level 2
//! ```
//!
//! Invariants:
//! - The newest record of a key counts: memory before runs, a newer run before an older. Where the
//!   value's kind says that the first counts, it is the other way round.
//! - A run never changes, and is whole and durable before a manifest names it.
//! - The file of a run is removed when no durable manifest names it any more, and its last reader is
//!   done; what a crash leaves of others, when the maps are opened again.
//! - Keys are digests, or begin with one: their first eight bytes are spread evenly.
//!
//! When to freeze, flush and merge, and the manifest, are for whoever owns the maps
//! (`../derived.rs`): several maps share one manifest.
//!
//! | file | what |
//! |---|---|
//! | `map.rs` | the map: its memories and runs, as readers see them |
//! | `memory.rs` | records that aren't written out yet |
//! | `lists.rs`, `tree.rs` | the same, for records that are asked for together |
//! | `run.rs` | one run: writing, opening, looking up |
//! | `cursor.rs` | records of a run, or of several as one sequence |
//! | `page.rs` | records in a page |
//! | `file.rs` | the files of runs |

mod cursor;
mod file;
mod lists;
mod map;
mod memory;
mod page;
mod run;
mod tree;

pub use cursor::Order;
pub(super) use cursor::{Cursor, records};
pub(super) use file::{RunFiles, SyncManifest};
pub(super) use lists::Lists;
pub(super) use map::{SortedMap, Value, bytes, read_encoded};
pub(super) use memory::Records;
pub(super) use run::{Run, RunMeta};
pub(super) use tree::Tree;
