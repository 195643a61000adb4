//! All runs of one map.

use std::sync::Arc;

use super::merge::{Merge, Source};
use super::run::{KeyRange, Order, PageStore, Run, RunMeta, filter_hash};
use crate::store::error::StoreError;

/// How many runs of a level are merged into one of the next.
pub(in crate::store) const MERGE_WIDTH: usize = 8;

/// The runs of one map, the newest first.
#[derive(Clone)]
pub(in crate::store) struct RunSet<const K: usize> {
    runs: Vec<Arc<Run<K>>>,
}

impl<const K: usize> RunSet<K> {
    /// The runs that a manifest names, the newest first.
    pub(in crate::store) fn open(store: &PageStore, metas: &[RunMeta]) -> Result<Self, StoreError> {
        let runs = metas.iter().map(|meta| Run::open(store, *meta)).collect::<Result<_, _>>()?;
        Ok(Self { runs })
    }

    /// What a manifest says of them.
    pub(in crate::store) fn metas(&self) -> Vec<RunMeta> {
        self.runs.iter().map(|run| run.meta).collect()
    }

    /// The newest value of `key`.
    pub(in crate::store) fn get(&self, key: &[u8; K]) -> Result<Option<Vec<u8>>, StoreError> {
        for run in &self.runs {
            if let Some(value) = run.get(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The records within `range`, whose keys all begin with the same eight bytes, as sources of
    /// a merge: the newest run's first.
    pub(in crate::store) fn sources(
        &self,
        range: KeyRange<K>,
        order: Order,
    ) -> impl Iterator<Item = Source<'static, K>> {
        let hash = filter_hash(&range.first);
        debug_assert_eq!(hash, filter_hash(&range.last), "the filter knows one prefix at a time");
        let runs = self.runs.iter().filter(move |run| run.may_have(hash));
        runs.map(move |run| Box::new(run.range(range, order)) as Source<'static, K>)
    }

    /// The set with a newer run.
    pub(in crate::store) fn with(&self, newest: Arc<Run<K>>) -> Self {
        let mut runs = vec![newest];
        runs.extend(self.runs.iter().cloned());
        Self { runs }
    }

    /// All runs, the newest first.
    pub(in crate::store) fn runs(&self) -> &[Arc<Run<K>>] {
        &self.runs
    }

    /// The runs to merge next: a level that has [`MERGE_WIDTH`] of them. They are neighbours,
    /// since each level's runs are newer than the next one's.
    pub(in crate::store) fn due(&self) -> Option<Vec<Arc<Run<K>>>> {
        let levels = self.runs.chunk_by(|newer, older| newer.meta.level == older.meta.level);
        levels.into_iter().find(|level| level.len() >= MERGE_WIDTH).map(<[_]>::to_vec)
    }

    /// The set with `merged` in the place of `runs`.
    pub(in crate::store) fn replace(&self, runs: &[Arc<Run<K>>], merged: Arc<Run<K>>) -> Self {
        let replaced =
            |run: &Arc<Run<K>>| runs.iter().any(|old| old.meta.number == run.meta.number);
        let place = self.runs.iter().position(replaced).unwrap_or(self.runs.len());
        let mut kept: Vec<_> = self.runs.iter().filter(|run| !replaced(run)).cloned().collect();
        kept.insert(place, merged);
        Self { runs: kept }
    }
}

/// All records of several runs, the newest first, as one sequence.
pub(in crate::store) fn merge<const K: usize>(runs: &[Arc<Run<K>>]) -> Merge<'static, K> {
    let all = |run: &Arc<Run<K>>| {
        Box::new(run.range(KeyRange::ALL, Order::Ascending)) as Source<'static, K>
    };
    Merge::new(runs.iter().map(all).collect(), Order::Ascending)
}
