//! Where things stand today: what became of them by later entries.

use std::sync::Arc;

use super::answer::{ExplorerError, Reader};
use super::marks::Marks;
use super::values::{Count, Moment, Money};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Balance, Body, Effect, Entry, Kind};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency};
use crate::protocol::rules::{
    AdjustmentRecord, AdjustmentState, CommissionRecord, CommissionState, PayoutRecord,
    PayoutState, PrepaidRecord, Record, Subject, TransactionRecord,
};

/// The length of the drawing of a commission's parts, in units of its own.
pub(super) const BAR_UNITS: u64 = 1_000;

/// Where something stands.
pub(super) enum Standing {
    Terms { superseded: Option<Moment> },
    Transaction(TransactionStanding),
    Commission(Box<CommissionStanding>),
    Adjustment(AdjustmentStanding),
    Inquiry { resolved: bool },
    Payout(Box<PayoutStanding>),
    Prepaid(PrepaidStanding),
    Uplines { affiliate: Id, above: Vec<Id> },
}

/// What has become of a transaction.
pub(super) struct TransactionStanding {
    pub(super) amount: Money,
    pub(super) refunded: Option<Money>,
    pub(super) parts: Vec<PartLine>,
    /// The items that were sent back: which, and how many.
    pub(super) sent_back: Vec<(Id, Count)>,
}

/// A part of a transaction.
pub(super) struct PartLine {
    pub(super) commission_group: Option<Id>,
    pub(super) amount: Money,
    pub(super) shares_ppm: u32,
}

/// What has become of a commission.
pub(super) struct CommissionStanding {
    pub(super) state: CommissionState,
    pub(super) marks: Marks,
    pub(super) extended: bool,
    pub(super) affiliate: Id,
    pub(super) merchant: Id,
    pub(super) locks_at: Option<Moment>,
    pub(super) amount: Money,
    /// What is paid, in a payout or funded, whichever came last.
    pub(super) settled: Money,
    /// What is left beside that.
    pub(super) open: Money,
    pub(super) reversed: Money,
    pub(super) fee: Option<Money>,
    pub(super) credited: Option<Money>,
    pub(super) debited: Option<Money>,
    pub(super) payout: Option<PayoutPlace>,
    /// The lengths of what is settled, open and reversed, of [`BAR_UNITS`].
    pub(super) bar: [u64; 3],
}

/// The payout that something is in.
pub(super) struct PayoutPlace {
    pub(super) name: Id,
    pub(super) index: u64,
    pub(super) state: PayoutState,
}

/// What has become of an adjustment.
pub(super) struct AdjustmentStanding {
    pub(super) state: AdjustmentState,
    pub(super) affiliate: Id,
    pub(super) effect: Effect,
    pub(super) amount: Money,
    pub(super) payout: Option<PayoutPlace>,
}

/// What has become of a payout, all its parts together.
pub(super) struct PayoutStanding {
    pub(super) place: PayoutPlace,
    pub(super) affiliate: Id,
    pub(super) added: Money,
    pub(super) taken_off: Money,
    /// What that comes to, unless more is taken off than added.
    pub(super) total: Option<Money>,
    pub(super) kept: Option<Money>,
    pub(super) used: Option<Money>,
    /// The latest part, where it isn't the first.
    pub(super) latest: Option<Id>,
}

/// What a merchant has paid.
pub(super) struct PrepaidStanding {
    pub(super) merchant: Id,
    pub(super) received: Money,
    pub(super) covers: Money,
    pub(super) prepaid: Money,
}

impl CommissionStanding {
    /// Whether nothing will come of what is left.
    pub(super) fn refused(&self) -> bool {
        self.state == CommissionState::Declined
    }

    /// Where the open part of the bar begins, and where the reversed part does.
    pub(super) fn bar_starts(&self) -> [u64; 2] {
        let [settled, open, _] = self.bar;
        [settled, settled.saturating_add(open)]
    }
}

impl Reader<'_> {
    /// Where that stands which `found` is about, if it can.
    pub(super) fn standing(&self, found: &EncodedEntry) -> Result<Option<Standing>, ExplorerError> {
        let entry = found.entry();
        let Some((kind, name)) = entry.subject() else { return self.party_standing(entry) };
        let Some(stored) = self.view.named(&entry.tenant, kind, name)? else { return Ok(None) };
        match stored.record {
            Record::Terms(terms) => Ok(Some(Standing::Terms {
                superseded: terms.superseded.map(|(from, _)| self.moment(from)),
            })),
            Record::Transaction(sale) => self.transaction_standing(&sale).map(Some),
            Record::Commission(commission) => {
                self.commission_standing(Arc::unwrap_or_clone(commission)).map(Some)
            }
            Record::Adjustment(record) => {
                self.adjustment_standing(Arc::unwrap_or_clone(record)).map(Some)
            }
            Record::Inquiry(inquiry) => Ok(Some(Standing::Inquiry { resolved: inquiry.resolved })),
            Record::Payout(_) | Record::PayoutPart(_) => {
                match self.view.payout(&entry.tenant, name)? {
                    Some((first, payout)) => self.payout_standing(entry, first, payout).map(Some),
                    None => Ok(None),
                }
            }
            _ => self.party_standing(entry),
        }
    }

    /// Where the merchant or the affiliate stands that `entry` is about.
    fn party_standing(&self, entry: &Entry) -> Result<Option<Standing>, ExplorerError> {
        match &entry.body {
            Body::Funding(funding) => {
                self.prepaid_standing(entry, &funding.merchant, funding.currency).map(Some)
            }
            Body::OpeningBalance(opening) => match &opening.balance {
                Balance::Merchant { merchant, currency, .. } => {
                    self.prepaid_standing(entry, merchant, *currency).map(Some)
                }
                Balance::Commission { .. } | Balance::Affiliate { .. } => Ok(None),
            },
            Body::AffiliateUpline(stated) => Ok(Some(Standing::Uplines {
                affiliate: stated.affiliate.clone(),
                above: self.view.uplines(&entry.tenant, &stated.affiliate)?,
            })),
            _ => Ok(None),
        }
    }

    fn transaction_standing(&self, sale: &TransactionRecord) -> Result<Standing, ExplorerError> {
        let parts = sale.parts.iter().map(|part| {
            Ok(PartLine {
                commission_group: part.commission_group.clone(),
                amount: self.money(sale.currency, part.amount)?,
                shares_ppm: part.shares_ppm,
            })
        });
        let sent_back = sale.items.iter().filter(|item| item.refunded > 0);
        Ok(Standing::Transaction(TransactionStanding {
            amount: self.money(sale.currency, sale.amount())?,
            refunded: self.some_money(sale.currency, sale.refunded)?,
            parts: parts.collect::<Result<_, ExplorerError>>()?,
            sent_back: sent_back
                .map(|item| (item.item.clone(), Count(item.refunded.into())))
                .collect(),
        }))
    }

    fn commission_standing(&self, record: CommissionRecord) -> Result<Standing, ExplorerError> {
        let payout = self.payout_place(record.payout)?;
        let state = record.standing(payout.as_ref().map(|payout| payout.state));
        let left = record.left();
        let settled = match state {
            CommissionState::InPayout | CommissionState::Paid => left,
            _ => record.funded,
        };
        let open = left.checked_sub(settled).unwrap_or(Amount::ZERO);
        let money = |amount| self.money(record.currency, amount);
        let some = |amount| self.some_money(record.currency, amount);
        let length = |amount: Amount| {
            let whole = u128::from(record.amount.units().max(1));
            let units = u128::from(amount.units()) * u128::from(BAR_UNITS) / whole;
            u64::try_from(units).unwrap_or(BAR_UNITS)
        };
        Ok(Standing::Commission(Box::new(CommissionStanding {
            state,
            marks: Marks::from(&record),
            extended: record.extended,
            locks_at: record.locks_at.map(|date| self.moment(date)),
            amount: money(record.amount)?,
            settled: money(settled)?,
            open: money(open)?,
            reversed: money(record.reversed)?,
            fee: some(record.fee)?,
            credited: some(record.credited)?,
            debited: some(record.debited)?,
            payout,
            bar: [settled, open, record.reversed].map(length),
            affiliate: record.affiliate,
            merchant: record.merchant,
        })))
    }

    fn adjustment_standing(&self, record: AdjustmentRecord) -> Result<Standing, ExplorerError> {
        let payout = self.payout_place(record.payout)?;
        Ok(Standing::Adjustment(AdjustmentStanding {
            state: record.standing(payout.as_ref().map(|payout| payout.state)),
            effect: record.effect,
            amount: self.money(record.currency, record.amount)?,
            payout,
            affiliate: record.affiliate,
        }))
    }

    fn payout_standing(
        &self,
        entry: &Entry,
        first: Id,
        record: PayoutRecord,
    ) -> Result<Standing, ExplorerError> {
        let stored = self.view.named(&entry.tenant, Kind::Payout, &first)?;
        let index = stored.map(|stored| stored.index).unwrap_or_default();
        let money = |amount| self.money(record.currency, amount);
        let some = |amount| self.some_money(record.currency, amount);
        Ok(Standing::Payout(Box::new(PayoutStanding {
            added: money(record.added)?,
            taken_off: money(record.taken_off)?,
            total: record.added.checked_sub(record.taken_off).map(money).transpose()?,
            kept: some(record.kept)?,
            used: some(record.used)?,
            affiliate: record.affiliate,
            latest: Some(record.latest).filter(|latest| *latest != first),
            place: PayoutPlace { name: first, index, state: record.state },
        })))
    }

    fn prepaid_standing(
        &self,
        entry: &Entry,
        merchant: &Id,
        currency: Currency,
    ) -> Result<Standing, ExplorerError> {
        let stored = self.view.record(&Subject::Prepaid(merchant, currency).key(&entry.tenant))?;
        let paid = match stored.map(|stored| stored.record) {
            Some(Record::Prepaid(paid)) => paid,
            _ => PrepaidRecord::default(),
        };
        let prepaid = paid.received.checked_sub(paid.covers).unwrap_or(Amount::ZERO);
        Ok(Standing::Prepaid(PrepaidStanding {
            merchant: merchant.clone(),
            received: self.money(currency, paid.received)?,
            covers: self.money(currency, paid.covers)?,
            prepaid: self.money(currency, prepaid)?,
        }))
    }

    /// Where the payout stands that this is the record of, if there is one.
    fn payout_place(&self, payout: Option<StateKey>) -> Result<Option<PayoutPlace>, ExplorerError> {
        let found = self.view.payout_of(payout)?;
        Ok(found.map(|(index, name, state)| PayoutPlace { name, index, state }))
    }

    /// An amount as people read it, where there is one.
    fn some_money(
        &self,
        currency: Currency,
        amount: Amount,
    ) -> Result<Option<Money>, ExplorerError> {
        let amount = Some(amount).filter(|amount| *amount != Amount::ZERO);
        amount.map(|amount| self.money(currency, amount)).transpose()
    }
}
