//! Everything that is derived, from the first to the last: for whoever recounts it.

use super::{Derived, Value, index_of};
use crate::protocol::hash::StateKey;
use crate::protocol::rules::StoredRecord;
use crate::store::accounts::{Dealing, LINE_KEY_BYTES, Line};
use crate::store::directory::{Listed, NameKey};
use crate::store::error::StoreError;
use crate::store::sorted::{Cursor, SortedMap};

impl Derived {
    /// Looks whether everything that is there can be found, and sums are of what is there.
    pub(in crate::store) fn check_runs(&self) -> Result<(), StoreError> {
        let maps = self.shared.maps.load();
        maps.state.check_runs()?;
        maps.postings.check_runs()?;
        maps.lines.check_runs()?;
        maps.dealings.check_runs()?;
        maps.names.check_runs()
    }

    /// Goes through every record of the rules, in the order of their keys.
    pub(in crate::store) fn all_records(
        &self,
        mut look: impl FnMut(&StateKey, StoredRecord),
    ) -> Result<(), StoreError> {
        each(&self.shared.maps.load().state, |key, record| look(&StateKey(*key), record))
    }

    /// Goes through every posting, a facet's digest and a log index, in order.
    pub(in crate::store) fn all_postings(
        &self,
        mut look: impl FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        each(&self.shared.maps.load().postings, |key, ()| {
            let digest = u64::from_be_bytes(*key.first_chunk().expect("sixteen bytes"));
            look(digest, index_of(key));
        })
    }

    /// Goes through every line of every account, in the order of their keys.
    pub(in crate::store) fn all_lines(
        &self,
        look: impl FnMut(&[u8; LINE_KEY_BYTES], Line),
    ) -> Result<(), StoreError> {
        each(&self.shared.maps.load().lines, look)
    }

    /// Goes through all dealings and shares of payouts, in the order of their keys.
    pub(in crate::store) fn all_dealings(
        &self,
        look: impl FnMut(&[u8; LINE_KEY_BYTES], Dealing),
    ) -> Result<(), StoreError> {
        each(&self.shared.maps.load().dealings, look)
    }

    /// Goes through the directory, in the order of the keys.
    pub(in crate::store) fn all_names(
        &self,
        look: impl FnMut(&NameKey, Listed),
    ) -> Result<(), StoreError> {
        each(&self.shared.maps.load().names, look)
    }
}

/// Goes through a map, in the order of its keys.
fn each<const K: usize, V: Value<K>>(
    map: &SortedMap<K, V>,
    mut look: impl FnMut(&[u8; K], V),
) -> Result<(), StoreError> {
    let mut all = map.all()?;
    while let Some((key, value)) = all.record() {
        look(key, V::read(value)?);
        all.advance()?;
    }
    Ok(())
}
