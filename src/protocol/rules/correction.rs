//! What becomes of a commission until it locks, and how it is corrected afterwards: FORMAT.md
//! sections 13.7 to 13.11.

use super::lifecycle::{CommissionState, Step};
use super::records::{
    Adjusted, AdjustmentRecord, CommissionRecord, InquiryRecord, Kept, Record, TransactionRecord,
};
use super::refusal::{AdmitError, Refusal};
use super::state::StateReader;
use super::{
    Admission, Found, Outcome, add, bounded, missing, positive, same_affiliate, same_currency,
    same_merchant,
};
use crate::protocol::entry::{
    Adjustment, Amended, Amendment, Claim, Decision, Effect, Inquiry, InquiryResolution, Kind,
    MAX_REFUND_ITEMS, Outcome as Answer, Parties, Refund, RefundItem, Reversal, Verdict,
};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::time::Timestamp;

impl<S: StateReader> Admission<'_, '_, S> {
    pub(super) fn decision(&mut self, decision: &Decision) -> Outcome<S::Error> {
        let (mut found, standing) = self.commission_at("body.commission", &decision.commission)?;
        let commission = &mut found.record;
        let step = match decision.verdict {
            Verdict::Approve => Step::Approve,
            Verdict::Decline { .. } => Step::Decline,
            Verdict::Extend { .. } => Step::Extend,
            Verdict::Lock => Step::Lock,
        };
        commission.state = standing.after(step)?;
        match decision.verdict {
            Verdict::Approve => {}
            Verdict::Decline { .. } => self.before_locking(commission)?,
            Verdict::Lock => self.after_locking(commission)?,
            Verdict::Extend { locking_date } => {
                self.before_locking(commission)?;
                extend(commission, locking_date)?;
                commission.dated_ahead = self.is_ahead(commission.locks_at);
            }
        }
        let parties = commission.parties();
        self.put_back(found);
        Ok((Record::Stated, parties))
    }

    pub(super) fn amendment(&mut self, amendment: &Amendment<Amount>) -> Outcome<S::Error> {
        let parties = match &amendment.of {
            Amended::Commission { commission } => self.amend_commission(amendment, commission)?,
            Amended::Transaction { transaction, commission_group } => {
                self.amend_transaction(amendment, transaction, commission_group.as_ref())?
            }
        };
        Ok((Record::Stated, parties))
    }

    fn amend_commission(
        &mut self,
        amendment: &Amendment<Amount>,
        external_id: &Id,
    ) -> Result<Parties, AdmitError<S::Error>> {
        let (mut found, standing) = self.commission_at("body.of.commission", external_id)?;
        let commission = &mut found.record;
        same_currency("body.currency", commission.currency, amendment.currency)?;
        commission.state = standing.after(Step::Amend)?;
        self.before_locking(commission)?;
        self.check_amounts(amendment, commission.amount)?;
        if amendment.new < commission.reversed {
            let reversed = self.decimal(commission.currency, commission.reversed);
            return Err(Refusal::BelowReversed { reversed }.into());
        }
        commission.amount = amendment.new;
        commission.amended = true;
        let parties = commission.parties();
        self.put_back(found);
        Ok(parties)
    }

    fn amend_transaction(
        &mut self,
        amendment: &Amendment<Amount>,
        external_id: &Id,
        group: Option<&Id>,
    ) -> Result<Parties, AdmitError<S::Error>> {
        const FIELD: &str = "body.of.transaction";
        let mut found: Found<TransactionRecord> =
            self.parent(FIELD, Kind::Transaction, external_id)?;
        let sale = &mut found.record;
        let parts = sale.parts.iter();
        let (others, part): (Vec<_>, Vec<_>) =
            parts.partition(|part| part.commission_group.as_ref() != group);
        let [part] = part[..] else {
            return Err(Refusal::NoSuchPart { field: "body.of.commission_group" }.into());
        };
        same_currency("body.currency", sale.currency, amendment.currency)?;
        for commission in &sale.commissions {
            let found: Option<Found<CommissionRecord>> = self.look_up_key(*commission)?;
            let found = found.expect("a transaction's commissions are on the ledger");
            let standing = self.standing(&found.record)?;
            if !matches!(standing, CommissionState::Declined | CommissionState::Reversed) {
                standing.after(Step::Amend)?;
            }
        }
        self.check_amounts(amendment, part.amount)?;
        let sum = others.iter().try_fold(amendment.new, |sum, part| sum.checked_add(part.amount));
        if sum.is_some_and(|sum| sum < sale.refunded) {
            let reversed = self.decimal(sale.currency, sale.refunded);
            return Err(Refusal::BelowReversed { reversed }.into());
        }
        sum.and_then(|_| self.changed(amendment.new, sale.currency, sale.fx))
            .ok_or(Refusal::SumTooLarge { field: "body.new" })?;
        for part in &mut sale.parts {
            if part.commission_group.as_ref() == group {
                part.amount = amendment.new;
            }
        }
        let parties = Parties::merchant(&sale.merchant);
        self.put_back(found);
        Ok(parties)
    }

    /// Checks what an amendment says of an amount that is `now`.
    fn check_amounts(&self, amendment: &Amendment<Amount>, now: Amount) -> Result<(), Refusal> {
        if amendment.old != now {
            let expected = self.decimal(amendment.currency, now);
            let given = self.decimal(amendment.currency, amendment.old);
            return Err(Refusal::StaleAmount { expected, given });
        }
        if amendment.new == now { Err(Refusal::NoChange) } else { Ok(()) }
    }

    pub(super) fn reversal(&mut self, reversal: &Reversal<Amount>) -> Outcome<S::Error> {
        positive("body.amount", reversal.amount)?;
        let (mut found, standing) = self.commission_at("body.commission", &reversal.commission)?;
        let commission = &mut found.record;
        same_currency("body.currency", commission.currency, reversal.currency)?;
        // Whether it may be reversed at all, before how much of it.
        let reversed = standing.after(Step::Reverse)?;
        self.before_locking(commission)?;
        let left = commission.left();
        if reversal.amount > left {
            let given = reversal.amount;
            return Err(self.too_much("body.amount", reversal.currency, left, given).into());
        }
        let sum = commission.reversed.checked_add(reversal.amount);
        commission.reversed = sum.expect("the sum is at most the commission");
        if commission.left() == Amount::ZERO {
            commission.state = reversed;
        }
        if let Some(refund) = &reversal.refund {
            self.refund(commission, refund)?;
        }
        let parties = commission.parties();
        self.put_back(found);
        Ok((Record::Stated, parties))
    }

    fn refund(
        &mut self,
        commission: &CommissionRecord,
        refund: &Refund<Amount>,
    ) -> Result<(), AdmitError<S::Error>> {
        const FIELD: &str = "body.refund";
        let Some(transaction) = commission.transaction else {
            return Err(missing(FIELD, Kind::Transaction, &self.entry.external_id).into());
        };
        let found: Option<Found<TransactionRecord>> = self.look_up_key(transaction)?;
        let mut found = found.expect("a commission's transaction is on the ledger");
        let sale = &mut found.record;
        same_currency("body.refund.currency", sale.currency, refund.currency)?;
        bounded("body.refund.items", 0..=MAX_REFUND_ITEMS, refund.items.len())?;
        positive("body.refund.amount", refund.amount)?;
        let left = sale.amount().checked_sub(sale.refunded);
        let left = left.expect("never more is refunded than the parts come to");
        if refund.amount > left {
            let (currency, given) = (refund.currency, refund.amount);
            return Err(self.too_much("body.refund.amount", currency, left, given).into());
        }
        let sum = sale.refunded.checked_add(refund.amount);
        sale.refunded = sum.expect("the sum is at most that of the parts");
        refund.items.iter().try_for_each(|item| send_back(sale, item))?;
        self.put_back(found);
        Ok(())
    }

    pub(super) fn adjustment(&mut self, adjustment: &Adjustment<Amount>) -> Outcome<S::Error> {
        self.known("body.currency", adjustment.currency)?;
        positive("body.amount", adjustment.amount)?;
        let parties = self.adjust(adjustment)?;
        let record = AdjustmentRecord {
            affiliate: adjustment.affiliate.clone(),
            effect: adjustment.effect,
            currency: adjustment.currency,
            amount: adjustment.amount,
            time: self.entry.event_time,
            credited: Amount::ZERO,
            debited: Amount::ZERO,
            payout: None,
        };
        Ok((record.into_record(), parties))
    }

    /// Links an adjustment to what it names; the parties of that.
    fn adjust(&mut self, adjustment: &Adjustment<Amount>) -> Result<Parties, AdmitError<S::Error>> {
        const FIELD: &str = "body.related";
        let (kind, external_id) = (adjustment.related.kind, &adjustment.related.external_id);
        Ok(match kind {
            Kind::Commission => {
                let (mut found, standing) = self.commission_at(FIELD, external_id)?;
                let commission = &mut found.record;
                same_affiliate("body.affiliate", &commission.affiliate, &adjustment.affiliate)?;
                same_currency("body.currency", commission.currency, adjustment.currency)?;
                standing.after(Step::Adjust)?;
                self.count_adjustment(adjustment, commission.adjusted())?;
                let parties = commission.parties();
                self.put_back(found);
                parties
            }
            Kind::Adjustment => {
                let mut found: Found<AdjustmentRecord> = self.parent(FIELD, kind, external_id)?;
                let earlier = &mut found.record;
                same_affiliate("body.affiliate", &earlier.affiliate, &adjustment.affiliate)?;
                same_currency("body.currency", earlier.currency, adjustment.currency)?;
                self.count_adjustment(adjustment, earlier.adjusted())?;
                self.put_back(found);
                Parties::default()
            }
            Kind::Inquiry => {
                let found: Found<InquiryRecord> = self.parent(FIELD, kind, external_id)?;
                same_affiliate("body.affiliate", &found.record.affiliate, &adjustment.affiliate)?;
                credit_only(adjustment.effect)?;
                Parties::merchant(&found.record.merchant)
            }
            Kind::Transaction => {
                let found: Found<TransactionRecord> = self.parent(FIELD, kind, external_id)?;
                credit_only(adjustment.effect)?;
                Parties::merchant(&found.record.merchant)
            }
            kind => return Err(Refusal::NotAdjustable { kind }.into()),
        })
    }

    /// Counts an adjustment for or against what it names.
    fn count_adjustment(
        &self,
        adjustment: &Adjustment<Amount>,
        named: Adjusted<'_>,
    ) -> Result<(), Refusal> {
        const FIELD: &str = "body.amount";
        let Adjusted { base, credited, debited } = named;
        let given = adjustment.amount;
        match adjustment.effect {
            Effect::Debit => {
                let left = base.checked_add(*credited);
                let left = left.and_then(|all| all.checked_sub(*debited));
                let left = left.expect("debits are admitted up to this, credits up to an amount");
                if given > left {
                    return Err(self.too_much(FIELD, adjustment.currency, left, given));
                }
                *debited = add(FIELD, *debited, given)?;
            }
            Effect::Credit => {
                *credited = add(FIELD, *credited, given)?;
                add(FIELD, *credited, base)?;
            }
        }
        Ok(())
    }

    pub(super) fn inquiry(&mut self, inquiry: &Inquiry<Amount>) -> Outcome<S::Error> {
        self.known("body.currency", inquiry.currency)?;
        positive("body.amount", inquiry.amount)?;
        self.has_terms(&inquiry.merchant, &inquiry.program)?;
        if let Some(external_id) = inquiry.claim.commission() {
            let (found, standing) = self.commission_at("body.claim.commission", external_id)?;
            let commission = found.record;
            same_affiliate("body.affiliate", &commission.affiliate, &inquiry.affiliate)?;
            same_merchant("body.merchant", &commission.merchant, &inquiry.merchant)?;
            same_currency("body.currency", commission.currency, inquiry.currency)?;
            if let Claim::Declined { .. } = inquiry.claim {
                standing.after(Step::Reopen)?;
            }
        }
        let record = InquiryRecord {
            affiliate: inquiry.affiliate.clone(),
            merchant: inquiry.merchant.clone(),
            time: self.entry.event_time,
            reopens: match &inquiry.claim {
                Claim::Declined { commission } => Some(commission.clone()),
                Claim::Untracked { .. } | Claim::Incorrect { .. } => None,
            },
            resolved: false,
        };
        Ok((record.into_record(), Parties::default()))
    }

    pub(super) fn inquiry_resolution(
        &mut self,
        resolution: &InquiryResolution,
    ) -> Outcome<S::Error> {
        let mut found: Found<InquiryRecord> =
            self.parent("body.inquiry", Kind::Inquiry, &resolution.inquiry)?;
        if found.record.resolved {
            return Err(Refusal::InquiryResolved.into());
        }
        found.record.resolved = true;
        if let (Answer::Valid, Some(commission)) = (&resolution.outcome, &found.record.reopens) {
            let (mut commission, standing) = self.commission_at("body.inquiry", commission)?;
            commission.record.state = standing.after(Step::Reopen)?;
            self.put_back(commission);
        }
        let parties = Parties::both(&found.record.affiliate, &found.record.merchant);
        self.put_back(found);
        Ok((Record::Stated, parties))
    }

    /// Until its locking date a commission may be taken back, and from then on no more. What was
    /// recorded ahead of that date can't be taken back later by dating that back.
    fn before_locking(&self, commission: &CommissionRecord) -> Result<(), Refusal> {
        let Some(locks_at) = commission.locks_at else { return Ok(()) };
        let late = commission.dated_ahead && self.place.block_time >= locks_at;
        if late || self.entry.event_time >= locks_at {
            return Err(Refusal::PastLockingDate { locks_at });
        }
        Ok(())
    }

    /// Whether a locking date lies ahead of what is recorded now.
    pub(super) fn is_ahead(&self, locks_at: Option<Timestamp>) -> bool {
        locks_at.is_some_and(|locks_at| self.place.block_time < locks_at)
    }

    fn after_locking(&self, commission: &CommissionRecord) -> Result<(), Refusal> {
        match commission.locks_at {
            Some(locks_at) if self.entry.event_time < locks_at => {
                Err(Refusal::BeforeLockingDate { locks_at })
            }
            _ => Ok(()),
        }
    }
}

fn credit_only(effect: Effect) -> Result<(), Refusal> {
    match effect {
        Effect::Credit => Ok(()),
        Effect::Debit => Err(Refusal::CreditOnly),
    }
}

fn extend(commission: &mut CommissionRecord, given: Timestamp) -> Result<(), Refusal> {
    if commission.extended {
        return Err(Refusal::ExtendedBefore);
    }
    let earlier = commission.locks_at;
    if earlier.is_none_or(|earlier| given <= earlier) {
        return Err(Refusal::ExtensionNotLater { earlier, given });
    }
    commission.locks_at = Some(given);
    commission.extended = true;
    Ok(())
}

/// Counts what a buyer sent back of a transaction.
fn send_back(sale: &mut TransactionRecord, sent: &RefundItem) -> Result<(), Refusal> {
    let found = sale.items.iter_mut().find(|item| item.item == sent.item);
    let item = found.ok_or_else(|| Refusal::NoSuchItem { item: sent.item.clone() })?;
    if sent.quantity == 0 {
        return Err(Refusal::ZeroAmount { field: "body.refund.items.quantity" });
    }
    let left = item.quantity.checked_sub(item.refunded).expect("no more is sent back than bought");
    if sent.quantity > left {
        let (item, given) = (sent.item.clone(), sent.quantity);
        return Err(Refusal::TooManyItems { item, left, given });
    }
    item.refunded += sent.quantity;
    Ok(())
}
