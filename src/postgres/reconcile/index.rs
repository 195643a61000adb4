//! The ledger's side: of every mapped entry where it stands and a digest of what must be equal.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::mapping::{MappedTable, Mapping, TenantOf};
use super::report::{Finding, Problem, TableReport};
use super::values;
use crate::postgres::PostgresError;
use crate::protocol::block::Leaf;
use crate::protocol::entry::Entry;
use crate::store::{StoreError, View};

/// The secret of a run: what digests are keyed by, the same for all its passes.
#[derive(Clone, Default)]
pub struct Secret([RandomState; 2]);

/// Digests of entries, by their names. Of several parts of the names this may be one.
pub struct Index {
    secret: Secret,
    part: u64,
    parts: u64,
    entries: HashMap<u128, Expected, KeptHasher>,
    /// How many there are for each table.
    counts: Vec<u64>,
}

/// What a row must be.
#[derive(Clone, Copy)]
struct Expected {
    digest: u64,
    index: u64,
    table: u16,
    seen: bool,
}

/// What a row came to.
pub enum Found {
    /// Its name belongs to another part.
    Elsewhere,
    /// As the ledger has it.
    Equal,
    /// Another one than the entry at this log index.
    Changed(u64),
    /// A row for the entry at this log index was there before.
    Repeated(u64),
    /// No entry has its name.
    Unknown,
}

/// Keys are digests already.
type KeptHasher = std::hash::BuildHasherDefault<Kept>;

#[derive(Default)]
struct Kept(u64);

impl std::hash::Hasher for Kept {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        // Half of it is as good as any.
        self.0 = u64::try_from(key >> u64::BITS).unwrap_or(0);
    }
}

impl Index {
    /// Reads what the ledger has for `mapping`, of one of several parts of the names.
    pub fn read(
        view: &View,
        mapping: &Mapping,
        secret: Secret,
        part: (u64, u64),
    ) -> Result<Self, PostgresError> {
        let counts = vec![0; mapping.tables.len()];
        let (part, parts) = part;
        let mut index = Self { secret, part, parts, entries: HashMap::default(), counts };
        let mut digested = Vec::new();
        for height in 1..=view.head().height() {
            let Some(stored) = view.header(height)? else { break };
            let header = stored.header;
            let leaves = view.leaves(header.first_index, header.index())?;
            for (place, leaf) in (header.first_index..).zip(leaves) {
                let damaged = |problem: String| StoreError::Damaged {
                    place: format!("index {place}"),
                    problem,
                };
                let entry = match Leaf::decode(&leaf) {
                    Ok(Leaf::Entry(entry)) => entry,
                    Ok(Leaf::Header(_)) => continue,
                    Err(error) => return Err(damaged(error.to_string()).into()),
                };
                let Some((number, table)) = table_of(mapping, &entry) else { continue };
                let key = index.key(number, entry.tenant.as_str(), entry.external_id.as_str());
                if !index.has(key) {
                    continue;
                }
                digested.clear();
                let currencies = &view.spec().currencies;
                values::of_entry(&entry, currencies, &table.fields, |field, value| {
                    values::add_to(&mut digested, field.column, value);
                })
                .map_err(|error| damaged(error.to_string()))?;
                index.add(key, number, place, &digested);
            }
        }
        Ok(index)
    }

    fn add(&mut self, key: u128, number: usize, index: u64, digested: &[u8]) {
        let digest = self.digest(digested);
        let table = u16::try_from(number).expect("fewer tables are mapped");
        self.entries.insert(key, Expected { digest, index, table, seen: false });
        if let Some(count) = self.counts.get_mut(number) {
            *count += 1;
        }
    }

    /// The digest of a name.
    fn key(&self, table: usize, tenant: &str, external_id: &str) -> u128 {
        let Secret([one, other]) = &self.secret;
        let name = (table, tenant, external_id);
        u128::from(one.hash_one(name)) << u64::BITS | u128::from(other.hash_one(name))
    }

    /// Whether a name belongs to this part.
    fn has(&self, key: u128) -> bool {
        u64::try_from(key >> u64::BITS).unwrap_or(0) % self.parts == self.part
    }

    fn digest(&self, digested: &[u8]) -> u64 {
        let Secret([one, _]) = &self.secret;
        one.hash_one(digested)
    }

    /// Finds the entry of a row: of which table, of whom, its name, and what is digested of it.
    pub fn find(&mut self, table: usize, tenant: &str, name: &str, digested: &[u8]) -> Found {
        let key = self.key(table, tenant, name);
        if !self.has(key) {
            return Found::Elsewhere;
        }
        let digest = self.digest(digested);
        match self.entries.get_mut(&key) {
            None => Found::Unknown,
            Some(Expected { seen: true, index, .. }) => Found::Repeated(*index),
            Some(expected) => {
                expected.seen = true;
                if expected.digest == digest {
                    Found::Equal
                } else {
                    Found::Changed(expected.index)
                }
            }
        }
    }

    /// How many entries a table has.
    pub fn count(&self, table: usize) -> u64 {
        self.counts.get(table).copied().unwrap_or(0)
    }

    /// Reports the entries of a table that no row was found for, in the order of the log.
    pub fn missing(
        &self,
        view: &View,
        number: usize,
        table: &MappedTable,
        report: &mut TableReport,
    ) -> Result<(), PostgresError> {
        let left =
            self.entries.values().filter(|entry| !entry.seen && usize::from(entry.table) == number);
        let mut left: Vec<u64> = left.map(|expected| expected.index).collect();
        left.sort_unstable();
        for index in left {
            let Some(entry) = view.entry(index)? else { continue };
            let entry = entry.entry();
            debug_assert_eq!(entry.kind(), table.kind);
            report.add(Finding {
                tenant: entry.tenant.to_string(),
                external_id: entry.external_id.to_string(),
                index: Some(index),
                problem: Problem::Missing,
            });
        }
        Ok(())
    }
}

/// The table that has an entry, if one has.
fn table_of<'m>(mapping: &'m Mapping, entry: &Entry) -> Option<(usize, &'m MappedTable)> {
    mapping.tables.iter().enumerate().find(|(_, table)| {
        let of_tenant = match &table.tenant {
            TenantOf::Fixed(tenant) => *tenant == entry.tenant,
            TenantOf::Column(_) => true,
        };
        of_tenant && table.kind == entry.kind()
    })
}
