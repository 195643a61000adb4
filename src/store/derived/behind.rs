//! The two threads behind commits: one writes frozen memory out, the other merges runs.
//!
//! What the manifest is to name is synced before it is written; what it no longer names is removed
//! only when the manifest is synced.

use std::sync::{Arc, PoisonError};

use super::{MANIFEST, MAX_MANIFEST_BYTES, Manifest, Maps, POSTING_BYTES, Shared, Work};
use crate::protocol::codec;
use crate::protocol::hash::STATE_KEY_BYTES;
use crate::store::accounts::LINE_KEY_BYTES;
use crate::store::directory::NAME_KEY_BYTES;
use crate::store::error::StoreError;
use crate::store::sorted::{Run, SortedMap, Value, bytes};

impl Shared {
    /// Runs one of the loops; whoever waits for it learns of a panic in it, too.
    pub(super) fn supervise(&self, work: fn(&Self)) {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(self)));
        if caught.is_err() {
            self.fail(StoreError::Panicked);
        }
    }

    pub(super) fn flush_loop(&self) {
        let frozen = |maps: &Maps| maps.state.is_frozen().then(|| maps.clone());
        while let Some(maps) = self.wait_for(frozen) {
            if let Err(error) = self.flush(&maps) {
                return self.fail(error);
            }
        }
    }

    fn flush(&self, maps: &Maps) -> Result<(), StoreError> {
        let number = self.take_numbers(5);
        let state = maps.state.write_frozen(&self.files, number)?;
        let postings = maps.postings.write_frozen(&self.files, number + 1)?;
        let lines = maps.lines.write_frozen(&self.files, number + 2)?;
        let dealings = maps.dealings.write_frozen(&self.files, number + 3)?;
        let names = maps.names.write_frozen(&self.files, number + 4)?;
        self.files.sync_names()?;
        let mut work = self.work();
        let height = work.frozen;
        let before = self.maps.load();
        let maps = Maps {
            state: before.state.flushed(state),
            postings: before.postings.flushed(postings),
            lines: before.lines.flushed(lines),
            dealings: before.dealings.flushed(dealings),
            names: before.names.flushed(names),
        };
        self.install(&work, height, maps)?;
        // Only now: whoever writes another manifest says that height.
        work.durable = height;
        Ok(())
    }

    pub(super) fn merge_loop(&self) {
        enum Due {
            State(Vec<Arc<Run<STATE_KEY_BYTES>>>),
            Postings(Vec<Arc<Run<POSTING_BYTES>>>),
            Lines(Vec<Arc<Run<LINE_KEY_BYTES>>>),
            Dealings(Vec<Arc<Run<LINE_KEY_BYTES>>>),
            Names(Vec<Arc<Run<NAME_KEY_BYTES>>>),
        }
        let due = |maps: &Maps| {
            let state = self.due(&maps.state).map(Due::State);
            let state = state.or_else(|| self.due(&maps.postings).map(Due::Postings));
            let state = state.or_else(|| self.due(&maps.lines).map(Due::Lines));
            let state = state.or_else(|| self.due(&maps.dealings).map(Due::Dealings));
            state.or_else(|| self.due(&maps.names).map(Due::Names))
        };
        while let Some(due) = self.wait_for(due) {
            let merged = match due {
                Due::State(runs) => self.merge(&runs, |maps| &mut maps.state),
                Due::Postings(runs) => self.merge(&runs, |maps| &mut maps.postings),
                Due::Lines(runs) => self.merge(&runs, |maps| &mut maps.lines),
                Due::Dealings(runs) => self.merge(&runs, |maps| &mut maps.dealings),
                Due::Names(runs) => self.merge(&runs, |maps| &mut maps.names),
            };
            if let Err(error) = merged {
                return self.fail(error);
            }
        }
    }

    /// The runs of a map that are to be merged, unless there is no room: then it is looked again when
    /// memory is next written out.
    fn due<const K: usize, V: Value<K>>(&self, map: &SortedMap<K, V>) -> Option<Vec<Arc<Run<K>>>> {
        map.due().filter(|runs| self.files.have_room(bytes(runs)))
    }

    fn merge<const K: usize, V: Value<K>>(
        &self,
        runs: &[Arc<Run<K>>],
        map: fn(&mut Maps) -> &mut SortedMap<K, V>,
    ) -> Result<(), StoreError> {
        let number = self.take_numbers(1);
        let go_on = || !self.work().is_over();
        let merged = SortedMap::<K, V>::write_merged(&self.files, number, runs, go_on)?;
        let Some(merged) = merged else { return Ok(()) };
        self.files.sync_names()?;
        {
            let work = self.work();
            if work.is_over() {
                merged.retire();
                return Ok(());
            }
            let mut maps = (**self.maps.load()).clone();
            let map = map(&mut maps);
            *map = map.merged(runs, merged);
            self.install(&work, work.durable, maps)?;
        }
        (self.sync)()?;
        for run in runs {
            run.retire();
        }
        Ok(())
    }

    /// Writes the manifest of `maps`, which have reached `height`, and lets readers see them.
    fn install(&self, work: &Work, height: u64, maps: Maps) -> Result<(), StoreError> {
        let manifest = codec::encode(&Manifest::of(&maps, height, work.next_run));
        assert!(manifest.len() <= MAX_MANIFEST_BYTES, "some dozens of runs are described in less");
        self.manifest.insert(MANIFEST, manifest)?;
        self.maps.store(Arc::new(maps));
        self.wake.notify_all();
        Ok(())
    }

    /// Waits for something to do; `None` when the store is closed.
    fn wait_for<T>(&self, find: impl Fn(&Maps) -> Option<T>) -> Option<T> {
        let mut work = self.work();
        loop {
            if work.is_over() {
                return None;
            }
            if let Some(found) = find(&self.maps.load()) {
                return Some(found);
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fail(&self, error: StoreError) {
        tracing::error!(%error, "what is derived can't be written out");
        self.work().failed = Some(Arc::new(error));
        self.wake.notify_all();
    }

    fn take_numbers(&self, count: u64) -> u64 {
        let mut work = self.work();
        let first = work.next_run;
        work.next_run += count;
        first
    }
}
