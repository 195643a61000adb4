//! Where entries stand: what the rules remember of those that some blocks state or name, as it is now.
//!
//! The rules keep the latest record of everything and no other, so a row may be ahead of the height
//! that the mirror has reached. It is written again when the mirror comes to the block that
//! changed it. At the ledger's head all rows are as of that.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Batch;
use crate::postgres::copy::Field;
use crate::postgres::tables::Relation;
use crate::protocol::accounts::Party;
use crate::protocol::entry::{Body, Entry, Kind};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::rules::{
    AdjustmentRecord, CommissionRecord, PayoutPartRecord, PayoutRecord, PayoutState, Record,
    StoredRecord, Subject, TransactionRecord,
};
use crate::store::{StoreError, View};

/// Whose balances they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// An affiliate's.
    Affiliate(Id),
    /// A merchant's.
    Merchant(Id),
    /// Everybody's.
    Network,
}

/// A tenant's account in a currency.
pub type AccountName = (Id, Currency, Role);

/// What some blocks may have changed.
#[derive(Default)]
pub struct Touched {
    /// Records, with the tenant whose they are and, where it is known, what others call them.
    records: BTreeMap<StateKey, (Id, Option<Id>)>,
    /// Payouts of which something became, and so of all their lines.
    moved_payouts: BTreeSet<StateKey>,
    /// Accounts.
    pub accounts: BTreeSet<AccountName>,
}

impl Touched {
    /// Takes note of what an entry may have changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entry(&mut self, view: &View, entry: &Entry) -> Result<(), StoreError> {
        let tenant = &entry.tenant;
        self.stated(view, entry)?;
        for (kind, name) in entry.body.names() {
            self.name(view, tenant, kind, name)?;
        }
        match &entry.body {
            Body::Reversal(reversal) if reversal.refund.is_some() => {
                let stored = view.named(tenant, Kind::Commission, &reversal.commission)?;
                if let Some(Record::Commission(commission)) = stored.map(|stored| stored.record)
                    && let Some(sale) = commission.transaction
                {
                    self.records.entry(sale).or_insert_with(|| (tenant.clone(), None));
                }
            }
            Body::InquiryResolution(resolution) => {
                let stored = view.named(tenant, Kind::Inquiry, &resolution.inquiry)?;
                if let Some(Record::Inquiry(inquiry)) = stored.map(|stored| stored.record)
                    && let Some(commission) = &inquiry.reopens
                {
                    self.name(view, tenant, Kind::Commission, commission)?;
                }
            }
            Body::PayoutEvent(event) => {
                let key = Subject::Entry(Kind::Payout, &event.payout).key(tenant);
                self.moved_payouts.insert(key);
            }
            _ => {}
        }
        let parties = entry.body.parties();
        let currency = crate::protocol::accounts::amount(&entry.body).map(|(currency, _)| currency);
        if let (Some(merchant), Some(currency)) = (parties.merchant, currency) {
            self.account(tenant, currency, Role::Merchant(merchant));
        }
        Ok(())
    }

    /// Takes note of what an entry states itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stated(&mut self, view: &View, entry: &Entry) -> Result<(), StoreError> {
        self.name(view, &entry.tenant, entry.body.named_as(), &entry.external_id)
    }

    /// Takes note of what others call by this name.
    fn name(&mut self, view: &View, tenant: &Id, kind: Kind, name: &Id) -> Result<(), StoreError> {
        if !matches!(kind, Kind::Transaction | Kind::Commission | Kind::Adjustment | Kind::Payout) {
            return Ok(());
        }
        let (mut key, mut name) = (Subject::Entry(kind, name).key(tenant), name.clone());
        if kind == Kind::Payout
            && let Some(StoredRecord { record: Record::PayoutPart(part), .. }) =
                view.record(&key)?
        {
            // Of a payout in parts, the first part has what is remembered.
            let PayoutPartRecord { first } = part;
            key = Subject::Entry(Kind::Payout, &first).key(tenant);
            name = first;
        }
        self.records.insert(key, (tenant.clone(), Some(name)));
        Ok(())
    }

    fn account(&mut self, tenant: &Id, currency: Currency, role: Role) {
        self.accounts.insert((tenant.clone(), currency, Role::Network));
        self.accounts.insert((tenant.clone(), currency, role));
    }

    /// Writes the rows of all records into `batch`, in the order of the log, and finds out whose
    /// accounts they move.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write(&mut self, view: &View, batch: &mut Batch) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for (key, (tenant, name)) in std::mem::take(&mut self.records) {
            // What is stated after the view's head comes with its own block.
            let stored = view.record(&key)?.filter(|stored| stored.index < view.head().size());
            found.extend(stored.map(|stored| (stored, key, tenant, name)));
        }
        found.sort_unstable_by_key(|(stored, ..)| stored.index);
        for (stored, key, tenant, name) in found {
            let name = match name {
                Some(name) => name,
                None => name_at(view, stored.index)?,
            };
            let row = StateRow { view, tenant: &tenant, name: &name, stored: &stored };
            match &stored.record {
                Record::Transaction(sale) => row.transaction(sale, batch)?,
                Record::Commission(earned) => {
                    self.account(
                        &tenant,
                        earned.currency,
                        Role::Affiliate(earned.affiliate.clone()),
                    );
                    self.account(&tenant, earned.currency, Role::Merchant(earned.merchant.clone()));
                    row.commission(earned, batch)?;
                }
                Record::Adjustment(adjusted) => {
                    let affiliate = Role::Affiliate(adjusted.affiliate.clone());
                    self.account(&tenant, adjusted.currency, affiliate);
                    row.adjustment(adjusted, batch)?;
                }
                Record::Payout(payout) => {
                    let affiliate = Role::Affiliate(payout.affiliate.clone());
                    self.account(&tenant, payout.currency, affiliate);
                    if self.moved_payouts.contains(&key) {
                        self.merchants_of(view, &tenant, payout)?;
                    }
                    row.payout(payout, batch)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A payout's event moves what its affiliate's merchants owe: any of them may be in it.
    fn merchants_of(
        &mut self,
        view: &View,
        tenant: &Id,
        payout: &PayoutRecord,
    ) -> Result<(), StoreError> {
        let party = Party::Affiliate(&payout.affiliate);
        for with in view.dealings(tenant, party, 0, usize::MAX)? {
            if with.currency == payout.currency {
                self.account(tenant, payout.currency, Role::Merchant(with.merchant));
            }
        }
        Ok(())
    }
}

/// The row of one record.
struct StateRow<'a> {
    view: &'a View,
    tenant: &'a Id,
    name: &'a Id,
    stored: &'a StoredRecord,
}

/// What the entry at `index`, to which a record leads, is called.
fn name_at(view: &View, index: u64) -> Result<Id, StoreError> {
    let entry = view.entry(index)?;
    entry.map(|entry| entry.entry().external_id.clone()).ok_or_else(|| StoreError::Damaged {
        place: format!("index {index}"),
        problem: "a record leads to it, and no entry is there".to_owned(),
    })
}

impl StateRow<'_> {
    fn scale(&self, currency: Currency) -> Result<u8, StoreError> {
        super::batch::scale(self.view, currency)
    }

    /// The log index of the first part of the payout with this record, where this view has it.
    fn payout_index(&self, payout: Option<StateKey>) -> Result<Field<'static>, StoreError> {
        let Some(key) = payout else { return Ok(Field::Null) };
        let stored = self.view.record(&key)?;
        Ok(Field::optional(stored, |stored| Field::number(stored.index)))
    }

    fn push(&self, batch: &mut Batch, relation: Relation, fields: &[Field<'_>]) {
        let first = [
            Field::number(self.stored.index),
            Field::Text(self.tenant.as_str()),
            Field::Text(self.name.as_str()),
        ];
        batch.state(self.stored.index, relation, &first, fields);
    }

    fn transaction(&self, sold: &TransactionRecord, batch: &mut Batch) -> Result<(), StoreError> {
        let scale = self.scale(sold.currency)?;
        let row = [
            Field::Text(sold.merchant.as_str()),
            Field::Text(sold.program.as_str()),
            Field::Text(sold.currency.as_str()),
            Field::amount(sold.amount(), scale),
            Field::amount(sold.refunded, scale),
            Field::number(sold.commissions.len()),
        ];
        self.push(batch, Relation::TransactionStates, &row);
        Ok(())
    }

    fn commission(&self, earned: &CommissionRecord, batch: &mut Batch) -> Result<(), StoreError> {
        let scale = self.scale(earned.currency)?;
        let amount = |amount| Field::amount(amount, scale);
        let row = [
            Field::Text(earned.affiliate.as_str()),
            Field::Text(earned.merchant.as_str()),
            Field::optional(earned.program.as_ref(), |program| Field::Text(program.as_str())),
            Field::Time(earned.time),
            Field::Text(earned.currency.as_str()),
            amount(earned.amount),
            amount(earned.left()),
            amount(earned.reversed),
            amount(earned.funded),
            amount(earned.fee),
            amount(earned.credited),
            amount(earned.debited),
            Field::optional(earned.locks_at, Field::Time),
            Field::Text(earned.state.as_str()),
            self.payout_index(earned.payout)?,
            Field::optional(earned.deviation, |reason| Field::Text(reason.as_str())),
            Field::Bool(earned.extended),
            Field::Bool(earned.amended),
            Field::Bool(earned.imported()),
        ];
        self.push(batch, Relation::CommissionStates, &row);
        Ok(())
    }

    fn adjustment(&self, adjusted: &AdjustmentRecord, batch: &mut Batch) -> Result<(), StoreError> {
        let scale = self.scale(adjusted.currency)?;
        let row = [
            Field::Text(adjusted.affiliate.as_str()),
            Field::Text(adjusted.effect.as_str()),
            Field::Time(adjusted.time),
            Field::Text(adjusted.currency.as_str()),
            Field::amount(adjusted.amount, scale),
            Field::amount(adjusted.credited, scale),
            Field::amount(adjusted.debited, scale),
            self.payout_index(adjusted.payout)?,
        ];
        self.push(batch, Relation::AdjustmentStates, &row);
        Ok(())
    }

    fn payout(&self, payout: &PayoutRecord, batch: &mut Batch) -> Result<(), StoreError> {
        let scale = self.scale(payout.currency)?;
        let row = [
            Field::Text(payout.affiliate.as_str()),
            Field::Text(payout.currency.as_str()),
            Field::Time(payout.period_from),
            Field::Time(payout.period_until),
            Field::Text(payout.latest.as_str()),
            Field::amount(payout.added, scale),
            Field::amount(payout.taken_off, scale),
            Field::amount(payout.kept, scale),
            Field::amount(payout.used, scale),
            Field::Text(payout.state.as_str()),
            Field::Text(payout.state.of_commissions().as_str()),
            Field::Text(adjustment_state(payout.state)),
        ];
        self.push(batch, Relation::PayoutStates, &row);
        Ok(())
    }
}

/// Where the adjustments are that are lines of such a payout.
fn adjustment_state(payout: PayoutState) -> &'static str {
    use crate::protocol::rules::CommissionState;
    match payout.of_commissions() {
        CommissionState::InPayout => "in_payout",
        CommissionState::Paid => "paid",
        _ => "free",
    }
}
