//! What an entry says, in plain language. The words stand in templates.

use askama::Template;
use askama::filters::HtmlSafe;

use super::answer::{ExplorerError, Reader};
use super::values::{Day, Money, Percent};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Action, Body, Kind, Reason, Reward, Verdict};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, Decimal};
use crate::protocol::rules::{CommissionRecord, CommissionState, Record, StoredRecord, Subject};
use crate::protocol::text::EntryText;

/// An entry as a sentence.
#[derive(Clone, Debug, Template)]
#[template(path = "sentence.html")]
pub(super) struct Sentence {
    pub(super) body: Body<Decimal>,
    context: Context,
}

/// What the sentence says beyond the entry itself, as far as the ledger knows it.
#[derive(Clone, Debug)]
enum Context {
    /// The entry speaks for itself.
    Itself,
    /// The order that a commission is for, and its merchant.
    Order { merchant: Id, order_ref: Id },
    /// The commission that a decision or a reversal is about.
    Commission { affiliate: Id, amount: Money },
}

/// A kind of entry in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "value/kind.html")]
pub(super) struct KindName(pub(super) Kind);

/// Why something was declined or taken back, in words.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "value/reason.html")]
pub(super) struct ReasonText(pub(super) Reason);

/// Where a commission stands, in a word.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "value/state.html")]
pub(super) struct StateName(pub(super) CommissionState);

impl HtmlSafe for Sentence {}
impl HtmlSafe for KindName {}
impl HtmlSafe for ReasonText {}
impl HtmlSafe for StateName {}

impl Sentence {
    /// The sentence of `found`, with what its parents add.
    pub(super) fn new(reader: &Reader<'_>, found: &EncodedEntry) -> Result<Self, ExplorerError> {
        let context = match &found.entry().body {
            Body::Commission(commission) => reader.order(found, &commission.transaction)?,
            Body::Decision(decision) => reader.about(found, &decision.commission)?,
            Body::Reversal(reversal) => reader.about(found, &reversal.commission)?,
            Body::ProgramTerms(_) | Body::Transaction(_) | Body::Payout(_) => Context::Itself,
        };
        let text = EntryText::new(found.entry(), &reader.chain.spec().currencies)?;
        Ok(Self { body: text.body().clone(), context })
    }

    /// Whether an amount is worth mentioning: many a lead has none.
    fn has_amount(amount: &Decimal) -> bool {
        amount.as_str().bytes().any(|digit| (b'1'..=b'9').contains(&digit))
    }
}

impl Reader<'_> {
    /// An amount as people read it.
    pub(super) fn money(&self, currency: Currency, amount: Amount) -> Result<Money, ExplorerError> {
        let scale = self.chain.spec().currencies.scale(currency)?;
        Ok(Money::new(currency, &amount.to_decimal(scale)))
    }

    /// The record of an entry that `found` names.
    pub(super) fn named(
        &self,
        found: &EncodedEntry,
        kind: Kind,
        external_id: &Id,
    ) -> Result<Option<StoredRecord>, ExplorerError> {
        let key = Subject::Entry(kind, external_id).key(&found.entry().tenant);
        Ok(self.view.record(&key)?)
    }

    /// The commission that `found` names, as it stands now.
    pub(super) fn commission(
        &self,
        found: &EncodedEntry,
        external_id: &Id,
    ) -> Result<Option<CommissionRecord>, ExplorerError> {
        let stored = self.named(found, Kind::Commission, external_id)?;
        Ok(stored.and_then(|stored| match stored.record {
            Record::Commission(commission) => Some(commission),
            _ => None,
        }))
    }

    fn order(&self, found: &EncodedEntry, transaction: &Id) -> Result<Context, ExplorerError> {
        let stored = self.named(found, Kind::Transaction, transaction)?;
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

    fn about(&self, found: &EncodedEntry, commission: &Id) -> Result<Context, ExplorerError> {
        let Some(record) = self.commission(found, commission)? else { return Ok(Context::Itself) };
        let amount = self.money(record.currency, record.amount)?;
        Ok(Context::Commission { affiliate: record.affiliate, amount })
    }
}
