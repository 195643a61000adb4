//! What the rules remember of entries, by the names that entries call each other.

use std::sync::Arc;

use super::error::StoreError;
use super::read::View;
use crate::protocol::entry::{Entry, Kind};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::rules::{
    MAX_UPLINE_DEPTH, PayoutPartRecord, PayoutRecord, PayoutState, Record, StoredRecord, Subject,
    UplineRecord,
};

impl View {
    /// The record of the tenant's entry of `kind`, or of what was brought in under that name.
    /// Its index leads to that entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn named(
        &self,
        tenant: &Id,
        kind: Kind,
        external_id: &Id,
    ) -> Result<Option<StoredRecord>, StoreError> {
        self.record(&Subject::Entry(kind, external_id).key(tenant))
    }

    /// The record of what `entry` states or brings in, as others name it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record_of(&self, entry: &Entry) -> Result<Option<StoredRecord>, StoreError> {
        self.named(&entry.tenant, entry.body.named_as(), &entry.external_id)
    }

    /// The payout that the entry called `part` is a part of: the external id of its first part,
    /// and its record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payout(&self, tenant: &Id, part: &Id) -> Result<Option<(Id, PayoutRecord)>, StoreError> {
        let record = |name: &Id| {
            let stored = self.named(tenant, Kind::Payout, name)?;
            Ok::<_, StoreError>(stored.map(|stored| stored.record))
        };
        match record(part)? {
            Some(Record::Payout(payout)) => Ok(Some((part.clone(), Arc::unwrap_or_clone(payout)))),
            Some(Record::PayoutPart(PayoutPartRecord { first })) => match record(&first)? {
                Some(Record::Payout(payout)) => Ok(Some((first, Arc::unwrap_or_clone(payout)))),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The payout that a commission or an adjustment was last a line of, if there is one: the
    /// log index and the external id of its first part, and where it stands.
    ///
    /// Of a record there is only the latest, so what this view doesn't have yet may be named
    /// already: then there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payout_of(
        &self,
        payout: Option<StateKey>,
    ) -> Result<Option<(u64, Id, PayoutState)>, StoreError> {
        let Some(key) = payout else { return Ok(None) };
        let Some(StoredRecord { index, record: Record::Payout(payout), .. }) = self.record(&key)?
        else {
            return Ok(None);
        };
        Ok(self.name_at(index)?.map(|name| (index, name, payout.state)))
    }

    /// The external id of the entry whose record is called `key`, as long as this view has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn name_of(&self, key: &StateKey) -> Result<Option<Id>, StoreError> {
        match self.record(key)? {
            Some(stored) => self.name_at(stored.index),
            None => Ok(None),
        }
    }

    fn name_at(&self, index: u64) -> Result<Option<Id>, StoreError> {
        Ok(self.entry(index)?.map(|found| found.entry().external_id.clone()))
    }

    /// Who stands above `affiliate` now, the nearest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn uplines(&self, tenant: &Id, affiliate: &Id) -> Result<Vec<Id>, StoreError> {
        let mut above = Vec::new();
        while above.len() < MAX_UPLINE_DEPTH {
            let below = above.last().unwrap_or(affiliate);
            let stored = self.record(&Subject::Upline(below).key(tenant))?;
            match stored.map(|stored| stored.record) {
                Some(Record::Upline(UplineRecord { upline: Some(upline) })) => above.push(upline),
                _ => break,
            }
        }
        Ok(above)
    }
}
