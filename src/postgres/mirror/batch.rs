//! Some blocks as rows of all tables: what one transaction writes, or a check compares.

use super::states::{AccountName, Role, Touched};
use crate::postgres::copy::{CopyRows, Field};
use crate::postgres::facts::facts;
use crate::postgres::tables::Relation;
use crate::protocol::accounts::{Account, Slot};
use crate::protocol::block::Block;
use crate::protocol::hash::HeaderHash;
use crate::protocol::money::Currency;
use crate::protocol::rules::{AdjustmentState, CommissionState};
use crate::store::{StoreError, View};

/// How many entries a batch has before it takes no further block.
pub const MAX_BATCH_ENTRIES: u64 = 20_000;
/// How many bytes of rows a batch has before it takes no further block.
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// The columns of `balances`, in the order in which rows are written.
pub fn balance_columns() -> Vec<String> {
    let mut columns: Vec<String> =
        ["tenant", "role", "party", "currency", "entries"].map(str::to_owned).into();
    columns.extend(CommissionState::ALL.map(|state| state.as_str().to_owned()));
    columns.extend(CommissionState::ALL.map(|state| format!("fee_{state}")));
    let rest = [
        "adjustments_free",
        "adjustments_in_payout",
        "adjustments_paid",
        "carried_kept",
        "carried_used",
        "received",
        "covered",
    ];
    columns.extend(rest.map(str::to_owned));
    columns
}

/// What a batch says of where entries stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Whatever its blocks may have changed, and balances.
    Touched,
    /// Of what its blocks state.
    Stated,
}

/// Rows of some blocks that follow each other.
pub struct Batch {
    /// The first height.
    pub first: u64,
    /// The last height.
    pub last: u64,
    /// The log index at which the first block begins.
    pub first_index: u64,
    /// The size of the log at the last block.
    pub log_size: u64,
    /// The hash of the last block's header.
    pub hash: HeaderHash,
    /// How many entries the blocks have.
    pub entries: u64,
    /// Rows that no table has yet, by table.
    new: Vec<CopyRows>,
    /// Where entries of earlier blocks stand now, by table.
    changed: Vec<CopyRows>,
    /// What accounts come to at the last block.
    pub balances: CopyRows,
}

impl Batch {
    /// The blocks of `view` from height `first` to `last`, as many as a batch of so many `entries`
    /// takes; `None` where there are none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(
        view: &View,
        (first, last): (u64, u64),
        entries: u64,
        scope: Scope,
    ) -> Result<Option<Self>, StoreError> {
        let last = last.min(view.head().height());
        let Some(header) = view.header(first)?.filter(|_| first <= last) else { return Ok(None) };
        let header = header.header;
        let mut batch = Self {
            first,
            last: first,
            first_index: header.first_index,
            log_size: header.log_size(),
            hash: header.hash(),
            entries: 0,
            new: vec![CopyRows::default(); Relation::ALL.len()],
            changed: vec![CopyRows::default(); Relation::ALL.len()],
            balances: CopyRows::default(),
        };
        let mut touched = Touched::default();
        for height in first..=last {
            let Some(block) = view.block(height)? else { continue };
            batch.block(view, &block, scope, &mut touched)?;
            if batch.entries >= entries || batch.bytes() >= MAX_BATCH_BYTES {
                break;
            }
        }
        touched.write(view, &mut batch)?;
        if scope == Scope::Touched {
            for account in &touched.accounts {
                balance(view, account, batch.log_size - 1, &mut batch.balances)?;
            }
        }
        Ok(Some(batch))
    }

    fn block(
        &mut self,
        view: &View,
        block: &Block,
        scope: Scope,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let header = &block.header;
        (self.last, self.log_size, self.hash) = (header.height, header.log_size(), header.hash());
        self.entries += u64::from(header.entry_count);
        let authority = header.authority.to_string();
        let row = [
            Field::number(header.height),
            Field::Bytes(&self.hash.0),
            Field::Bytes(&header.parent.0),
            Field::Time(header.time),
            Field::number(header.first_index),
            Field::number(header.entry_count),
            Field::Bytes(&header.log_root.0),
            Field::Bytes(&header.accounts_root.0),
            Field::Integer(header.rules_version.into()),
            Field::Text(&authority),
            Field::Bytes(&block.signature.0),
        ];
        rows_of(&mut self.new, Relation::Blocks).push(&row, &[]);
        for (position, (index, encoded)) in (0..).zip((header.first_index..).zip(&block.entries)) {
            let (entry, place) = (encoded.entry(), Field::number(index));
            let (id, leaf_hash) = (encoded.id(), encoded.leaf_hash());
            let named = [
                Field::Text(entry.tenant.as_str()),
                Field::Text(entry.external_id.as_str()),
                Field::Time(entry.event_time),
            ];
            let [tenant, external_id, event_time] = named;
            let commitment = entry.commitment;
            let row = [
                place,
                Field::number(header.height),
                Field::Integer(position),
                Field::Time(header.time),
                Field::Text(entry.kind().as_str()),
                tenant,
                external_id,
                event_time,
                Field::Bytes(&id.0),
                Field::Bytes(&leaf_hash.0),
                Field::optional(commitment.as_ref(), |commitment| Field::Bytes(&commitment.0)),
            ];
            rows_of(&mut self.new, Relation::Entries).push(&row, &[]);
            let take = |relation, line: Option<i32>, fields: &[Field<'_>]| {
                let rows = rows_of(&mut self.new, relation);
                match line {
                    Some(line) => rows.push(&[place, Field::Integer(line)], fields),
                    None => rows.push(&[place, tenant, external_id, event_time], fields),
                }
            };
            let currencies = &view.spec().currencies;
            facts(entry, currencies, take).map_err(|error| unreadable(index, &error))?;
            match scope {
                Scope::Touched => touched.entry(view, entry)?,
                Scope::Stated => touched.stated(view, entry)?,
            }
        }
        Ok(())
    }

    /// Adds the row of a record, stated at `index`.
    pub(super) fn state(
        &mut self,
        index: u64,
        relation: Relation,
        first: &[Field<'_>],
        rest: &[Field<'_>],
    ) {
        let is_new = index >= self.first_index;
        let tables = if is_new { &mut self.new } else { &mut self.changed };
        rows_of(tables, relation).push(first, rest);
    }

    /// The rows that no table has yet, by table, where there are any.
    pub fn take_new(&mut self) -> Vec<(Relation, CopyRows)> {
        taken(&mut self.new)
    }

    /// Where entries of earlier blocks stand now, by table, where there are any.
    pub fn take_changed(&mut self) -> Vec<(Relation, CopyRows)> {
        taken(&mut self.changed)
    }

    /// All rows of a table, as the server would send them.
    pub fn take(&mut self, relation: Relation) -> Vec<u8> {
        std::mem::take(rows_of(&mut self.new, relation)).finish()
    }

    fn bytes(&self) -> usize {
        self.new.iter().map(CopyRows::len).sum()
    }
}

fn rows_of(tables: &mut [CopyRows], relation: Relation) -> &mut CopyRows {
    tables.get_mut(relation as usize).expect("there is a place for each table")
}

fn taken(tables: &mut [CopyRows]) -> Vec<(Relation, CopyRows)> {
    let tables = Relation::ALL.iter().copied().zip(tables).filter(|(_, rows)| !rows.is_empty());
    tables.map(|(relation, rows)| (relation, std::mem::take(rows))).collect()
}

/// Writes what an account comes to at the log index `last`.
///
/// # Errors
/// [`StoreError`].
pub fn balance(
    view: &View,
    name: &AccountName,
    last: u64,
    rows: &mut CopyRows,
) -> Result<(), StoreError> {
    let (tenant, currency, role) = name;
    let (account, role, party) = match role {
        Role::Affiliate(affiliate) => {
            (Account::Affiliate(affiliate, *currency), "affiliate", affiliate.as_str())
        }
        Role::Merchant(merchant) => {
            (Account::Merchant(merchant, *currency), "merchant", merchant.as_str())
        }
        Role::Network => (Account::Network(*currency), "network", ""),
    };
    let sums = view.sums(tenant, account, last)?;
    if sums.is_empty() {
        return Ok(());
    }
    let scale = scale(view, *currency)?;
    let figure = |units| Field::Numeric { units, scale };
    let key = [tenant.as_str(), role, party, currency.as_str()].map(Field::Text);
    let mut fields = vec![Field::number(sums.get(Slot::ENTRIES))];
    fields.extend(CommissionState::ALL.map(|state| figure(sums.get(Slot::left(state)))));
    fields.extend(CommissionState::ALL.map(|state| figure(sums.get(Slot::fee(state)))));
    let adjusted = [AdjustmentState::Free, AdjustmentState::InPayout, AdjustmentState::Paid];
    fields.extend(
        adjusted.map(|state| figure(sums.get(Slot::credit(state)) - sums.get(Slot::debit(state)))),
    );
    let rest = [Slot::KEPT, Slot::USED, Slot::RECEIVED, Slot::COVERS];
    fields.extend(rest.map(|slot| figure(sums.get(slot))));
    rows.push(&key, &fields);
    Ok(())
}

/// How many decimals the ledger keeps of a currency that stands on it.
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn scale(view: &View, currency: Currency) -> Result<u8, StoreError> {
    let scale = view.spec().currencies.scale(currency);
    scale.map_err(|error| StoreError::Damaged {
        place: format!("currency {}", currency.as_str()),
        problem: error.to_string(),
    })
}

fn unreadable(index: u64, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged { place: format!("index {index}"), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::tables::STATES;

    #[test]
    fn every_table_of_states_has_a_place() {
        for (place, relation) in Relation::ALL.iter().enumerate() {
            assert_eq!(*relation as usize, place);
        }
        assert!(STATES.iter().all(|relation| relation.is_state()));
    }
}
