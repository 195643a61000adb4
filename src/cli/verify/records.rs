//! The rules' state of a whole chain, in memory.

use std::convert::Infallible;

use crate::protocol::hash::{DigestMap, StateKey};
use crate::protocol::rules::{Changes, StateReader, StoredRecord};

/// How many records lie together.
const RECORDS_A_CHUNK: usize = 16 * 1024;

/// Records by key. They don't move when there are more of them, only the small table of their
/// places does: millions of them take half the memory that one table of records would.
#[derive(Default)]
pub struct Records {
    places: DigestMap<StateKey, usize>,
    /// All but the last are full.
    chunks: Vec<Vec<StoredRecord>>,
}

impl Records {
    /// Takes in what a block changed.
    pub fn extend(&mut self, changes: Changes) {
        for (key, record) in changes {
            let next = self.places.len();
            let place = *self.places.entry(key).or_insert(next);
            match self.at_mut(place) {
                Some(before) => *before = record,
                None => self.push(record),
            }
        }
    }

    fn push(&mut self, record: StoredRecord) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < RECORDS_A_CHUNK => last.push(record),
            _ => {
                let mut chunk = Vec::with_capacity(RECORDS_A_CHUNK);
                chunk.push(record);
                self.chunks.push(chunk);
            }
        }
    }

    fn at_mut(&mut self, place: usize) -> Option<&mut StoredRecord> {
        self.chunks.get_mut(place / RECORDS_A_CHUNK)?.get_mut(place % RECORDS_A_CHUNK)
    }
}

impl StateReader for Records {
    type Error = Infallible;

    fn read(&self, key: &StateKey) -> Result<Option<StoredRecord>, Infallible> {
        let found = self.places.get(key).and_then(|place| {
            self.chunks.get(place / RECORDS_A_CHUNK)?.get(place % RECORDS_A_CHUNK)
        });
        Ok(found.cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::rules::{Privacy, Record};

    #[test]
    fn the_latest_record_of_each_key_is_read() {
        let key = |number: u64| StateKey::of(&number.to_be_bytes());
        let record = |index| StoredRecord {
            index,
            height: 1,
            privacy: Privacy::Nothing,
            record: Record::Stated,
        };
        let mut records = Records::default();
        let many = RECORDS_A_CHUNK as u64 * 2 + 5;
        for (numbers, index) in [(0..many, 1), (7..many - 7, 2)] {
            let all: Vec<u64> = numbers.collect();
            for some in all.chunks(1_000) {
                records.extend(some.iter().map(|number| (key(*number), record(index))).collect());
            }
        }
        for number in 0..many {
            let index = if (7..many - 7).contains(&number) { 2 } else { 1 };
            assert_eq!(records.read(&key(number)), Ok(Some(record(index))), "{number}");
        }
        assert_eq!(records.read(&key(many)), Ok(None));
    }
}
