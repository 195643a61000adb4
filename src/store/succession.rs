//! What is in force when, read from the ledger.

use std::sync::Arc;

use super::error::StoreError;
use super::read::View;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Body, Kind, LEDGER_TENANT};
use crate::protocol::id::Id;
use crate::protocol::rules::Subject;
use crate::protocol::succession::Succession;

impl View {
    /// What is in force when, by the changes up to the block at `height`.
    ///
    /// Changes are called by their numbers, so the rules' records of their names lead to them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn succession_at(&self, height: u64) -> Result<Arc<Succession>, StoreError> {
        let tenant = Id::new(LEDGER_TENANT).expect("visible, and short");
        let mut succession = self.store.chain().succession().clone();
        loop {
            let number = succession.next_number();
            let name = Id::new(&number.to_string()).expect("digits, and few");
            let key = Subject::Entry(Kind::SpecChange, &name).key(&tenant);
            let Some(record) = self.record(&key)?.filter(|record| record.height <= height) else {
                return Ok(succession);
            };
            let place = || format!("change {number} of the spec");
            let encoded = EncodedEntry::decode(self.stored_leaf(record.index)?)
                .map_err(|error| StoreError::damaged(place(), error))?;
            let Body::SpecChange(change) = &encoded.entry().body else {
                return Err(StoreError::damaged(place(), "another entry stands in its place"));
            };
            let changed = succession.with(&encoded, change);
            let changed = changed.map_err(|refusal| StoreError::damaged(place(), refusal))?;
            succession = Arc::new(changed);
        }
    }
}
