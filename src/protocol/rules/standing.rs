//! What holds from now on: uplines, what was brought in, erasure, the spec. FORMAT.md sections
//! 13.15 to 13.18.

use super::lifecycle::CommissionState;
use super::records::{AdjustmentRecord, CommissionRecord, Kept, Record};
use super::refusal::{AdmitError, Refusal};
use super::state::{StateReader, Subject};
use super::stored::Privacy;
use super::sums::{PrepaidRecord, UplineRecord};
use super::{Admission, Found, Outcome, add, positive};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{
    AffiliateUpline, Balance, ErasureNotice, ImportedState, Kind, OpeningBalance, Parties,
    SpecChange,
};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency};
use crate::protocol::succession::{ChangePlace, Succession};

/// The most affiliates above another.
pub const MAX_UPLINE_DEPTH: usize = 64;

impl<S: StateReader> Admission<'_, '_, S> {
    pub(super) fn affiliate_upline(&mut self, stated: &AffiliateUpline) -> Outcome<S::Error> {
        let mut above = stated.upline.clone();
        let mut depth = 0;
        while let Some(upline) = above {
            if upline == stated.affiliate {
                return Err(Refusal::UplineCycle { affiliate: upline }.into());
            }
            depth += 1;
            if depth > MAX_UPLINE_DEPTH {
                return Err(Refusal::UplineTooDeep.into());
            }
            above = self.upline_of(&upline)?;
        }
        let mut found = self.sum::<UplineRecord>(Subject::Upline(&stated.affiliate))?;
        found.record.upline.clone_from(&stated.upline);
        self.put_back(found);
        Ok((Record::Stated, Parties::default()))
    }

    /// Who stands above `affiliate`, the nearest first, for so many levels at most.
    pub(super) fn uplines(
        &self,
        affiliate: &Id,
        levels: usize,
    ) -> Result<Vec<Id>, AdmitError<S::Error>> {
        let mut uplines: Vec<Id> = Vec::new();
        while uplines.len() < levels {
            match self.upline_of(uplines.last().unwrap_or(affiliate))? {
                Some(upline) => uplines.push(upline),
                None => break,
            }
        }
        Ok(uplines)
    }

    fn upline_of(&self, affiliate: &Id) -> Result<Option<Id>, AdmitError<S::Error>> {
        let found: Option<Found<UplineRecord>> = self.look_up(Subject::Upline(affiliate))?;
        Ok(found.and_then(|found| found.record.upline))
    }

    pub(super) fn opening_balance(
        &mut self,
        opening: &OpeningBalance<Amount>,
    ) -> Outcome<S::Error> {
        let own = &self.entry.external_id;
        match &opening.balance {
            Balance::Commission { affiliate, merchant, currency, amount, state, locking_date } => {
                self.opening_amount(*currency, *amount)?;
                let (state, funded) = match state {
                    ImportedState::Pending => (CommissionState::Pending, Amount::ZERO),
                    ImportedState::Approved => (CommissionState::Approved, Amount::ZERO),
                    ImportedState::Locked => (CommissionState::Locked, Amount::ZERO),
                    ImportedState::Funded => (CommissionState::Funded, *amount),
                };
                let record = CommissionRecord {
                    transaction: None,
                    time: self.entry.event_time,
                    affiliate: affiliate.clone(),
                    merchant: merchant.clone(),
                    program: None,
                    currency: *currency,
                    amount: *amount,
                    fee: Amount::ZERO,
                    reversed: Amount::ZERO,
                    funded,
                    credited: Amount::ZERO,
                    debited: Amount::ZERO,
                    locks_at: *locking_date,
                    dated_ahead: self.is_ahead(*locking_date),
                    state,
                    payout: None,
                    deviation: None,
                    extended: false,
                    amended: false,
                    direct_rule: 0,
                    uplines: Vec::new(),
                    overridden: 0,
                };
                let subject = Subject::Entry(Kind::Commission, own);
                self.put_new(subject, record.into_record());
            }
            Balance::Affiliate { affiliate, effect, currency, amount } => {
                self.opening_amount(*currency, *amount)?;
                let record = AdjustmentRecord {
                    affiliate: affiliate.clone(),
                    effect: *effect,
                    currency: *currency,
                    amount: *amount,
                    time: self.entry.event_time,
                    credited: Amount::ZERO,
                    debited: Amount::ZERO,
                    payout: None,
                };
                let subject = Subject::Entry(Kind::Adjustment, own);
                self.put_new(subject, record.into_record());
            }
            Balance::Merchant { merchant, currency, amount } => {
                self.opening_amount(*currency, *amount)?;
                let mut found = self.sum::<PrepaidRecord>(Subject::Prepaid(merchant, *currency))?;
                let received = &mut found.record.received;
                *received = add("body.balance.amount", *received, *amount)?;
                self.put_back(found);
            }
        }
        Ok((Record::Stated, Parties::default()))
    }

    fn opening_amount(&self, currency: Currency, amount: Amount) -> Result<(), Refusal> {
        self.known("body.balance.currency", currency)?;
        positive("body.balance.amount", amount)
    }

    pub(super) fn erasure_notice(&mut self, notice: &ErasureNotice) -> Outcome<S::Error> {
        let named = &notice.entry;
        let mut found: Found<Record> = self.parent("body.entry", named.kind, &named.external_id)?;
        found.privacy = match found.privacy {
            Privacy::Committed => Privacy::Erased,
            Privacy::Nothing => return Err(Refusal::NothingCommitted.into()),
            Privacy::Erased => return Err(Refusal::ErasedBefore.into()),
        };
        let parties = found.record.parties();
        self.put_back(found);
        Ok((Record::Stated, parties))
    }

    /// What is in force when, with a change of the spec.
    pub(super) fn spec_change(
        &self,
        encoded: &EncodedEntry,
        change: &SpecChange,
    ) -> Result<Succession, Refusal> {
        if !self.place.opening {
            return Err(Refusal::ChangeNotFirst);
        }
        let place = ChangePlace { height: self.place.height, parent: self.place.parent };
        self.place.succession.with_at(encoded, change, place)
    }
}
