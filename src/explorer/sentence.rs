//! What an entry says, in plain language.

use std::fmt;

use askama::filters::HtmlSafe;
use askama::{FastWritable, NO_VALUES, Template, Values};

use super::answer::{ExplorerError, Reader};
use super::messages::filters;
use super::values::Money;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Amended, Body, Kind, Reason};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, Decimal};
use crate::protocol::rules::{
    AdjustmentState, CommissionRecord, CommissionState, PayoutState, Record,
};
use crate::protocol::text::EntryText;

/// An entry as a sentence.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    pub(super) body: Body<Decimal>,
    pub(super) context: Context,
}

/// What the sentence says beyond the entry itself, as far as the ledger knows it.
#[derive(Clone, Debug)]
pub(super) enum Context {
    /// The entry speaks for itself.
    Itself,
    /// The order that a commission or an amendment is about, and its merchant.
    Order { merchant: Id, order_ref: Id },
    /// The commission that the entry is about.
    Commission { affiliate: Id, merchant: Id, amount: Money },
    /// The inquiry that is answered.
    Inquiry { affiliate: Id, merchant: Id },
    /// The payout that something became of; without a total while it is open.
    Payout { affiliate: Id, total: Option<Money> },
}

/// A kind of entry in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "value/kind.html")]
pub(super) struct KindName(pub(super) Kind);

/// Why something is so, in words.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "value/reason.html")]
pub(super) struct ReasonText(pub(super) Reason);

/// Where a commission stands, in a word.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "value/state.html")]
pub(super) struct StateName(pub(super) CommissionState);

/// Where a payout stands, in a word.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "value/payout_state.html")]
pub(super) struct PayoutStateName(pub(super) PayoutState);

/// Where an adjustment stands, in a word.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "value/adjustment_state.html")]
pub(super) struct AdjustmentStateName(pub(super) AdjustmentState);

impl HtmlSafe for Sentence {}
impl HtmlSafe for KindName {}
impl HtmlSafe for ReasonText {}
impl HtmlSafe for StateName {}
impl HtmlSafe for PayoutStateName {}
impl HtmlSafe for AdjustmentStateName {}

impl Sentence {
    /// The sentence of `found`, with what its parents add; `commission` is the one that it is
    /// about.
    pub(super) fn new(
        reader: &Reader<'_>,
        found: &EncodedEntry,
        commission: Option<&CommissionRecord>,
    ) -> Result<Self, ExplorerError> {
        let context = match &found.entry().body {
            Body::Commission(commission) => reader.order(found, &commission.transaction)?,
            Body::InquiryResolution(answer) => reader.inquiry(found, &answer.inquiry)?,
            Body::PayoutEvent(event) => reader.payout_of(found, &event.payout)?,
            Body::Amendment(amendment) => match &amendment.of {
                Amended::Transaction { transaction, .. } => reader.order(found, transaction)?,
                Amended::Commission { .. } => reader.about(commission)?,
            },
            _ => reader.about(commission)?,
        };
        let text = EntryText::new(found.entry(), &reader.view.spec().currencies)?;
        Ok(Self { body: text.body().clone(), context })
    }

    /// The order that it names beyond the entry itself.
    pub(super) fn order(&self) -> Option<&Id> {
        match &self.context {
            Context::Order { order_ref, .. } => Some(order_ref),
            _ => None,
        }
    }
}

impl FastWritable for Sentence {
    fn write_into(&self, dest: &mut dyn fmt::Write, values: &dyn Values) -> askama::Result<()> {
        self.said().write_into(dest, values)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_into(f, NO_VALUES).map_err(|_| fmt::Error)
    }
}

impl Reader<'_> {
    /// An amount as people read it.
    pub(super) fn money(&self, currency: Currency, amount: Amount) -> Result<Money, ExplorerError> {
        let scale = self.view.spec().currencies.scale(currency)?;
        Ok(Money::new(currency, &amount.to_decimal(scale)))
    }

    fn order(&self, found: &EncodedEntry, transaction: &Id) -> Result<Context, ExplorerError> {
        let stored = self.view.named(&found.entry().tenant, Kind::Transaction, transaction)?;
        let sale = match stored {
            Some(stored) => self.view.entry(stored.index)?,
            None => None,
        };
        Ok(match sale.as_ref().map(|sale| &sale.entry().body) {
            Some(Body::Transaction(sale)) => Context::Order {
                merchant: sale.merchant.clone(),
                order_ref: sale.order_ref.clone(),
            },
            _ => Context::Itself,
        })
    }

    fn about(&self, commission: Option<&CommissionRecord>) -> Result<Context, ExplorerError> {
        let Some(record) = commission else { return Ok(Context::Itself) };
        Ok(Context::Commission {
            affiliate: record.affiliate.clone(),
            merchant: record.merchant.clone(),
            amount: self.money(record.currency, record.amount)?,
        })
    }

    fn inquiry(&self, found: &EncodedEntry, inquiry: &Id) -> Result<Context, ExplorerError> {
        let stored = self.view.named(&found.entry().tenant, Kind::Inquiry, inquiry)?;
        Ok(match stored.map(|stored| stored.record) {
            Some(Record::Inquiry(inquiry)) => Context::Inquiry {
                affiliate: inquiry.affiliate.clone(),
                merchant: inquiry.merchant.clone(),
            },
            _ => Context::Itself,
        })
    }

    fn payout_of(&self, found: &EncodedEntry, payout: &Id) -> Result<Context, ExplorerError> {
        let Some((_, payout)) = self.view.payout(&found.entry().tenant, payout)? else {
            return Ok(Context::Itself);
        };
        let total = payout.added.checked_sub(payout.taken_off);
        let total = total.filter(|_| payout.state != PayoutState::Open);
        let total = total.map(|total| self.money(payout.currency, total)).transpose()?;
        Ok(Context::Payout { affiliate: payout.affiliate, total })
    }
}
