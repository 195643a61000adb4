//! Where things stand: what became of an entry by those that came after it.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::protocol::entry::{Balance, Body, Entry, Reason};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, Decimal};
use crate::protocol::rules::{
    AdjustmentRecord, AdjustmentState, CarriedRecord, CommissionRecord, CommissionState,
    PayoutRecord, PayoutState, PrepaidRecord, Privacy, Record, Subject, TermsRecord,
    TransactionRecord,
};
use crate::protocol::time::Timestamp;
use crate::store::{EntryHit, StoreError, View};

/// Where what an entry states stands now, after everything that later entries did to it. One
/// member by the kind of entry, none for most kinds.
#[derive(Default, Serialize, ToSchema)]
pub struct Standings {
    /// Of program terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<TermsStanding>,
    /// Of a transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionStanding>,
    /// Of a commission, also of one that was brought in.
    #[serde(skip_serializing_if = "Option::is_none")]
    commission: Option<CommissionStanding>,
    /// Of an adjustment, also of an affiliate's balance that was brought in.
    #[serde(skip_serializing_if = "Option::is_none")]
    adjustment: Option<AdjustmentStanding>,
    /// Of an inquiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    inquiry: Option<InquiryStanding>,
    /// Of a payout as a whole, at each of its parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    payout: Option<PayoutStanding>,
    /// Of a funding, or a merchant's balance that was brought in: what the merchant has paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    prepaid: Option<PrepaidStanding>,
    /// Of an affiliate's upline: who stands above it now, the nearest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    uplines: Option<Vec<Id>>,
    /// Whether the salt of the entry's commitment was destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<bool>,
}

/// Where program terms stand.
#[derive(Serialize, ToSchema)]
struct TermsStanding {
    /// Whether they began before they were recorded, as only a program's first may.
    reaches_back: bool,
    /// From when the next version holds instead; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_from: Option<Timestamp>,
}

/// Where a transaction stands.
#[derive(Serialize, ToSchema)]
struct TransactionStanding {
    /// The currency of the amounts.
    currency: Currency,
    /// What commissions are reckoned from, as amended.
    amount: Decimal,
    /// What the buyer got back.
    refunded: Decimal,
    /// Its parts, as amended.
    parts: Vec<PartStanding>,
    /// Of the items that the buyer sent back: how many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refunded_items: Vec<RefundedItem>,
    /// How many commissions it has.
    #[schema(example = 1)]
    commission_count: usize,
    /// Those, by external id; in lists left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    commissions: Option<Vec<Id>>,
}

/// Where a part of a transaction stands.
#[derive(Serialize, ToSchema)]
struct PartStanding {
    /// The group of its items.
    #[serde(skip_serializing_if = "Option::is_none")]
    commission_group: Option<Id>,
    /// Its amount, as amended.
    amount: Decimal,
    /// The shares of its direct commissions together, in parts per million.
    #[schema(example = 1_000_000)]
    shares_ppm: u32,
}

/// Items that were sent back.
#[derive(Serialize, ToSchema)]
struct RefundedItem {
    /// The item.
    item: Id,
    /// How many were bought.
    quantity: u32,
    /// How many of them were sent back.
    refunded: u32,
}

/// Where a commission stands.
#[derive(Serialize, ToSchema)]
struct CommissionStanding {
    /// The state, by its payout where it is in one.
    #[schema(example = "approved")]
    state: CommissionState,
    /// Who earns it.
    affiliate: Id,
    /// Who owes it.
    merchant: Id,
    /// The currency of the amounts.
    currency: Currency,
    /// What it is stated at, as amended.
    amount: Decimal,
    /// What isn't reversed of it.
    left: Decimal,
    /// What was taken back.
    reversed: Decimal,
    /// What the merchant has paid for.
    funded: Decimal,
    /// What the network charges the merchant on top, as stated.
    fee: Decimal,
    /// All adjustments for the affiliate that are linked to it.
    credited: Decimal,
    /// All adjustments against the affiliate that are linked to it.
    debited: Decimal,
    /// When it is due to lock; on no date, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    locks_at: Option<Timestamp>,
    /// The latest payout that has it as a line, by the external id of its first part.
    #[serde(skip_serializing_if = "Option::is_none")]
    payout: Option<Id>,
    /// Why it isn't what the terms give; absent where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    deviation: Option<Reason>,
    /// Whether its locking date was ever put off.
    extended: bool,
    /// Whether its amount was ever amended.
    amended: bool,
    /// Whether it was brought in from another system, outside of any terms.
    imported: bool,
    /// The levels at which uplines earn an override on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    override_levels: Vec<u8>,
}

/// Where an adjustment stands.
#[derive(Serialize, ToSchema)]
struct AdjustmentStanding {
    /// The state, by its payout.
    state: AdjustmentState,
    /// The latest payout that has it as a line, by the external id of its first part.
    #[serde(skip_serializing_if = "Option::is_none")]
    payout: Option<Id>,
    /// Whether it was brought in from another system.
    imported: bool,
}

/// Where an inquiry stands.
#[derive(Serialize, ToSchema)]
struct InquiryStanding {
    /// Whether it was answered.
    resolved: bool,
}

/// Where a payout stands, all its parts together.
#[derive(Serialize, ToSchema)]
struct PayoutStanding {
    /// The state.
    state: PayoutState,
    /// Its first part, by external id: what names the payout names this.
    first: Id,
    /// Its latest part, by external id.
    latest: Id,
    /// The currency of the amounts.
    currency: Currency,
    /// What its lines add so far.
    added: Decimal,
    /// What its lines take off so far.
    taken_off: Decimal,
    /// What is left of that; absent while more is taken off than added.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Decimal>,
    /// Of what it takes off, what is kept for a later payout.
    kept: Decimal,
    /// Of what it adds, what was kept from earlier ones.
    used: Decimal,
    /// What its affiliate has carried forward in this currency now, over all payouts.
    carried: CarriedStanding,
}

/// What is carried forward for an affiliate. What was used may be more than what was kept, for
/// one who owes.
#[derive(Serialize, ToSchema)]
struct CarriedStanding {
    /// All that was kept.
    kept: Decimal,
    /// All that was added from there.
    used: Decimal,
}

/// What a merchant has paid in a currency.
#[derive(Serialize, ToSchema)]
struct PrepaidStanding {
    /// The currency of the amounts.
    currency: Currency,
    /// All that came in.
    received: Decimal,
    /// All that it covers.
    covers: Decimal,
    /// What is left of it.
    prepaid: Decimal,
}

/// How much is said of where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What a few reads give: in a list there are many.
    InList,
    /// Everything.
    Whole,
}

/// Where what the entry `hit`, recorded at `recorded_at`, states stands now.
///
/// # Errors
/// [`StoreError`].
pub fn standings(
    view: &View,
    hit: &EntryHit,
    recorded_at: Timestamp,
    detail: Detail,
) -> Result<Standings, StoreError> {
    let entry = hit.entry.entry();
    let reading = Reading { view, hit, entry, detail };
    let mut standings = match view.record_of(entry)?.map(|stored| stored.record) {
        Some(Record::Terms(terms)) => terms_standing(&terms, recorded_at),
        Some(Record::Transaction(sale)) => reading.transaction(Arc::unwrap_or_clone(sale))?,
        Some(Record::Commission(commission)) => {
            reading.commission(Arc::unwrap_or_clone(commission))?
        }
        Some(Record::Adjustment(adjustment)) => reading.adjustment(&adjustment)?,
        Some(Record::Inquiry(inquiry)) => Standings {
            inquiry: Some(InquiryStanding { resolved: inquiry.resolved }),
            ..Standings::default()
        },
        Some(Record::Payout(_) | Record::PayoutPart(_)) => reading.payout()?,
        _ => reading.party()?,
    };
    let privacy = match entry.commitment {
        Some(_) => view.record(&hit.entry.key())?.map(|stored| stored.privacy),
        None => None,
    };
    standings.erased = (privacy == Some(Privacy::Erased)).then_some(true);
    Ok(standings)
}

fn terms_standing(terms: &TermsRecord, recorded_at: Timestamp) -> Standings {
    let standing = TermsStanding {
        reaches_back: terms.effective_from < recorded_at,
        superseded_from: terms.superseded.map(|(from, _)| from),
    };
    Standings { terms: Some(standing), ..Standings::default() }
}

/// An entry, and where to read what became of it.
struct Reading<'a> {
    view: &'a View,
    hit: &'a EntryHit,
    entry: &'a Entry,
    detail: Detail,
}

impl Reading<'_> {
    fn decimal(&self, currency: Currency, amount: Amount) -> Result<Decimal, StoreError> {
        match self.view.spec().currencies.scale(currency) {
            Ok(scale) => Ok(amount.to_decimal(scale)),
            Err(error) => Err(self.damaged(&error)),
        }
    }

    fn damaged(&self, problem: &dyn std::fmt::Display) -> StoreError {
        StoreError::Damaged {
            place: format!("record of the entry at index {}", self.hit.index),
            problem: problem.to_string(),
        }
    }

    fn transaction(&self, sale: TransactionRecord) -> Result<Standings, StoreError> {
        let decimal = |amount| self.decimal(sale.currency, amount);
        let amount = sale.amount();
        let parts = sale.parts.into_iter().map(|part| {
            let (commission_group, shares_ppm) = (part.commission_group, part.shares_ppm);
            Ok(PartStanding { commission_group, amount: decimal(part.amount)?, shares_ppm })
        });
        let items = sale.items.into_iter().filter(|item| item.refunded > 0);
        let commissions = match self.detail {
            Detail::InList => None,
            Detail::Whole => {
                let names = sale.commissions.iter();
                let names = names.filter_map(|key| self.view.name_of(key).transpose());
                Some(names.collect::<Result<_, _>>()?)
            }
        };
        let standing = TransactionStanding {
            currency: sale.currency,
            amount: decimal(amount)?,
            refunded: decimal(sale.refunded)?,
            parts: parts.collect::<Result<_, StoreError>>()?,
            refunded_items: items
                .map(|item| RefundedItem {
                    item: item.item,
                    quantity: item.quantity,
                    refunded: item.refunded,
                })
                .collect(),
            commission_count: sale.commissions.len(),
            commissions,
        };
        Ok(Standings { transaction: Some(standing), ..Standings::default() })
    }

    fn commission(&self, record: CommissionRecord) -> Result<Standings, StoreError> {
        let decimal = |amount| self.decimal(record.currency, amount);
        let payout = self.view.payout_of(record.payout)?;
        let standing = CommissionStanding {
            state: record.standing(payout.as_ref().map(|(_, _, state)| *state)),
            currency: record.currency,
            amount: decimal(record.amount)?,
            left: decimal(record.left())?,
            reversed: decimal(record.reversed)?,
            funded: decimal(record.funded)?,
            fee: decimal(record.fee)?,
            credited: decimal(record.credited)?,
            debited: decimal(record.debited)?,
            locks_at: record.locks_at,
            deviation: record.deviation,
            extended: record.extended,
            amended: record.amended,
            imported: record.imported(),
            override_levels: levels(record.overridden).collect(),
            affiliate: record.affiliate,
            merchant: record.merchant,
            payout: payout.map(|(_, name, _)| name),
        };
        Ok(Standings { commission: Some(standing), ..Standings::default() })
    }

    fn adjustment(&self, record: &AdjustmentRecord) -> Result<Standings, StoreError> {
        let payout = self.view.payout_of(record.payout)?;
        let standing = AdjustmentStanding {
            state: record.standing(payout.as_ref().map(|(_, _, state)| *state)),
            payout: payout.map(|(_, name, _)| name),
            imported: matches!(self.entry.body, Body::OpeningBalance(_)),
        };
        Ok(Standings { adjustment: Some(standing), ..Standings::default() })
    }

    fn payout(&self) -> Result<Standings, StoreError> {
        let found = self.view.payout(&self.entry.tenant, &self.entry.external_id)?;
        let (first, payout) = found.ok_or_else(|| self.damaged(&"not a payout's"))?;
        let PayoutRecord { affiliate, currency, state, latest, .. } = payout;
        let decimal = |amount| self.decimal(currency, amount);
        let carried = Subject::Carried(&affiliate, currency).key(&self.entry.tenant);
        let carried = match self.view.record(&carried)?.map(|stored| stored.record) {
            Some(Record::Carried(carried)) => carried,
            _ => CarriedRecord::default(),
        };
        let standing = PayoutStanding {
            state,
            first,
            latest,
            currency,
            added: decimal(payout.added)?,
            taken_off: decimal(payout.taken_off)?,
            total: payout.added.checked_sub(payout.taken_off).map(decimal).transpose()?,
            kept: decimal(payout.kept)?,
            used: decimal(payout.used)?,
            carried: CarriedStanding { kept: decimal(carried.kept)?, used: decimal(carried.used)? },
        };
        Ok(Standings { payout: Some(standing), ..Standings::default() })
    }

    /// Where the merchant or the affiliate stands that the entry is about.
    fn party(&self) -> Result<Standings, StoreError> {
        match &self.entry.body {
            Body::Funding(funding) => self.prepaid(&funding.merchant, funding.currency),
            Body::OpeningBalance(opening) => match &opening.balance {
                Balance::Merchant { merchant, currency, .. } => self.prepaid(merchant, *currency),
                Balance::Commission { .. } | Balance::Affiliate { .. } => Ok(Standings::default()),
            },
            Body::AffiliateUpline(upline) => {
                let uplines = self.view.uplines(&self.entry.tenant, &upline.affiliate)?;
                Ok(Standings { uplines: Some(uplines), ..Standings::default() })
            }
            _ => Ok(Standings::default()),
        }
    }

    fn prepaid(&self, merchant: &Id, currency: Currency) -> Result<Standings, StoreError> {
        let key = Subject::Prepaid(merchant, currency).key(&self.entry.tenant);
        let paid = match self.view.record(&key)?.map(|stored| stored.record) {
            Some(Record::Prepaid(paid)) => paid,
            _ => PrepaidRecord::default(),
        };
        let prepaid = paid.received.checked_sub(paid.covers);
        let prepaid = prepaid.ok_or_else(|| self.damaged(&"it covers more than was received"))?;
        let decimal = |amount| self.decimal(currency, amount);
        let standing = PrepaidStanding {
            currency,
            received: decimal(paid.received)?,
            covers: decimal(paid.covers)?,
            prepaid: decimal(prepaid)?,
        };
        Ok(Standings { prepaid: Some(standing), ..Standings::default() })
    }
}

/// The levels that a record's bits stand for: bit 0 is level 1.
fn levels(bits: u16) -> impl Iterator<Item = u8> {
    (1..=16u8).filter(move |level| bits >> (level - 1) & 1 == 1)
}
