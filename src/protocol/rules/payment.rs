//! Money that moves: FORMAT.md sections 13.12 to 13.14.

use super::lifecycle::{AdjustmentState, PayoutState, PayoutStep, Step};
use super::records::{AdjustmentRecord, Kept, PayoutPartRecord, PayoutRecord, Record};
use super::refusal::{AdmitError, Refusal};
use super::state::{StateReader, Subject};
use super::sums::{CarriedRecord, PrepaidRecord};
use super::{
    Admission, Found, Outcome, add, bounded, positive, same_affiliate, same_currency, same_merchant,
};
use crate::protocol::entry::{
    Effect, Funding, FundingLine, Kind, MAX_FUNDING_LINES, MAX_PAYOUT_LINES, Parties, PaymentEvent,
    Payout, PayoutEvent, PayoutLine,
};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::time::Timestamp;

const LINE_AMOUNT: &str = "body.lines.amount";

impl<S: StateReader> Admission<'_, '_, S> {
    pub(super) fn funding(&mut self, funding: &Funding<Amount>) -> Outcome<S::Error> {
        self.known("body.currency", funding.currency)?;
        bounded("body.lines", 0..=MAX_FUNDING_LINES, funding.lines.len())?;
        if funding.lines.is_empty() {
            positive("body.received", funding.received)?;
        }
        for line in &funding.lines {
            self.cover(funding, line)?;
        }
        let mut found =
            self.sum::<PrepaidRecord>(Subject::Prepaid(&funding.merchant, funding.currency))?;
        let PrepaidRecord { received, covers } = &mut found.record;
        let before = *covers;
        *received = add("body.received", *received, funding.received)?;
        for line in &funding.lines {
            *covers = add("body.lines", *covers, line.amount)?;
        }
        if covers > received {
            let amount = |amount: Option<Amount>| {
                self.decimal(funding.currency, amount.expect("neither is less than before"))
            };
            let prepaid = amount(received.checked_sub(before));
            let given = amount(covers.checked_sub(before));
            let currency = funding.currency;
            return Err(Refusal::PrepaidExceeded { currency, prepaid, given }.into());
        }
        self.put_back(found);
        Ok((Record::Stated, Parties::default()))
    }

    /// Lets a merchant's payment cover a commission.
    fn cover(
        &mut self,
        funding: &Funding<Amount>,
        line: &FundingLine<Amount>,
    ) -> Result<(), AdmitError<S::Error>> {
        positive(LINE_AMOUNT, line.amount)?;
        let (mut found, standing) =
            self.commission_at("body.lines.commission", &line.commission)?;
        let commission = &mut found.record;
        same_merchant("body.merchant", &commission.merchant, &funding.merchant)?;
        same_currency("body.currency", commission.currency, funding.currency)?;
        let funded = standing.after(Step::Fund)?;
        let left = commission.left().checked_sub(commission.funded);
        let left = left.expect("never more is funded than is left");
        if line.amount > left {
            return Err(self.too_much(LINE_AMOUNT, funding.currency, left, line.amount).into());
        }
        let sum = commission.funded.checked_add(line.amount);
        commission.funded = sum.expect("the sum is at most what is left");
        if line.amount == left {
            commission.state = funded;
        }
        self.put_back(found);
        Ok(())
    }

    pub(super) fn payout(&mut self, payout: &Payout<Amount>) -> Outcome<S::Error> {
        self.known("body.currency", payout.currency)?;
        if payout.period_until <= payout.period_from {
            return Err(Refusal::EmptyPeriod { field: "body.period_until" }.into());
        }
        bounded("body.lines", 1..=MAX_PAYOUT_LINES, payout.lines.len())?;
        let own = &self.entry.external_id;
        let before = match &payout.continues {
            Some(previous) => Some(self.open_payout(payout, previous)?),
            None => None,
        };
        let (key, record) = match &before {
            Some((_, found)) => (found.key, found.record.clone()),
            None => (self.key, PayoutRecord::new(payout, own, self.entry.event_time)),
        };
        let record = PayoutRecord { latest: own.clone(), ..record };
        let record = self.pay_lines(payout, record, key)?;
        let own = match before {
            None => record.into_record(),
            Some((first, found)) => {
                self.put_back(Found { record, ..found });
                Record::PayoutPart(PayoutPartRecord { first })
            }
        };
        Ok((own, Parties::default()))
    }

    /// An open payout whose latest part is `previous`, by its first part.
    fn open_payout(
        &self,
        payout: &Payout<Amount>,
        previous: &Id,
    ) -> Result<(Id, Found<PayoutRecord>), AdmitError<S::Error>> {
        let first = self.first_part("body.continues", previous)?;
        let found: Found<PayoutRecord> = self.parent("body.continues", Kind::Payout, &first)?;
        let open = &found.record;
        if open.state != PayoutState::Open || open.latest != *previous {
            return Err(Refusal::PayoutNotOpen { part: previous.clone() }.into());
        }
        same_affiliate("body.affiliate", &open.affiliate, &payout.affiliate)?;
        same_currency("body.currency", open.currency, payout.currency)?;
        let (from, until) = (open.period_from, open.period_until);
        if (from, until) != (payout.period_from, payout.period_until) {
            return Err(Refusal::AnotherPeriod { from, until }.into());
        }
        Ok((first, found))
    }

    /// The first part of the payout that has `part`.
    fn first_part(&self, field: &'static str, part: &Id) -> Result<Id, AdmitError<S::Error>> {
        let found: Found<Record> = self.parent(field, Kind::Payout, part)?;
        Ok(match found.record {
            Record::PayoutPart(PayoutPartRecord { first }) => first,
            _ => part.clone(),
        })
    }

    /// Adds the lines of one entry to its payout, and closes it with the total.
    fn pay_lines(
        &mut self,
        payout: &Payout<Amount>,
        mut record: PayoutRecord,
        key: StateKey,
    ) -> Result<PayoutRecord, AdmitError<S::Error>> {
        let subject = Subject::Carried(&payout.affiliate, payout.currency);
        let mut carried = self.sum::<CarriedRecord>(subject)?;
        let before = carried.record;
        for line in &payout.lines {
            let amount = *line.amount();
            positive(LINE_AMOUNT, amount)?;
            let effect = match line {
                PayoutLine::Commission { commission, amount } => {
                    self.pay_commission(payout, key, commission, *amount)?
                }
                PayoutLine::Adjustment { adjustment, amount } => {
                    self.pay_adjustment(payout, key, adjustment, *amount)?
                }
                PayoutLine::Fee { .. } | PayoutLine::WithheldTax { .. } => Effect::Debit,
                PayoutLine::CarriedForward { effect, .. } => *effect,
            };
            let sum = match effect {
                Effect::Credit => &mut record.added,
                Effect::Debit => &mut record.taken_off,
            };
            *sum = add("body.lines", *sum, amount)?;
            match line {
                // What was kept is gone at once. What is kept is there when the payout is closed:
                // before that, nothing says where it comes from.
                PayoutLine::CarriedForward { effect: Effect::Credit, .. } => {
                    record.used = add("body.lines", record.used, amount)?;
                    carried.record.used = add("body.lines", carried.record.used, amount)?;
                }
                PayoutLine::CarriedForward { effect: Effect::Debit, .. } => {
                    record.kept = add("body.lines", record.kept, amount)?;
                }
                _ => {}
            }
        }
        if let Some(total) = payout.total {
            self.close(payout, &mut record, &mut carried.record, total)?;
        }
        if let Some(fx) = &payout.fx {
            let total = payout.total.ok_or(Refusal::MisplacedFx)?;
            self.check_fx(fx, payout.currency)?;
            self.changed(total, payout.currency, Some((fx.to, fx.rate)))
                .ok_or(Refusal::SumTooLarge { field: "body.total" })?;
        }
        if carried.record != before {
            self.put_back(carried);
        }
        Ok(record)
    }

    fn close(
        &self,
        payout: &Payout<Amount>,
        record: &mut PayoutRecord,
        carried: &mut CarriedRecord,
        total: Amount,
    ) -> Result<(), Refusal> {
        let decimal = |amount: Amount| self.decimal(payout.currency, amount);
        if record.added.checked_sub(record.taken_off) != Some(total) {
            let less =
                record.taken_off.checked_sub(record.added).filter(|less| *less > Amount::ZERO);
            let expected = match less {
                Some(less) => format!("-{}", decimal(less)),
                None => decimal(record.added.checked_sub(record.taken_off).unwrap_or(Amount::ZERO)),
            };
            let field = "body.total";
            return Err(Refusal::WrongTotal { field, expected, given: decimal(total) });
        }
        carried.kept = add("body.lines", carried.kept, record.kept)?;
        if let Some(owed) = carried.used.checked_sub(carried.kept)
            && owed > Amount::ZERO
            && total > Amount::ZERO
        {
            return Err(Refusal::StillOwing { owed: decimal(owed) });
        }
        record.state = record.state.after(PayoutStep::Close)?;
        Ok(())
    }

    fn pay_commission(
        &mut self,
        payout: &Payout<Amount>,
        key: StateKey,
        external_id: &Id,
        amount: Amount,
    ) -> Result<Effect, AdmitError<S::Error>> {
        let (mut found, standing) = self.commission_at("body.lines.commission", external_id)?;
        let commission = &mut found.record;
        same_affiliate("body.affiliate", &commission.affiliate, &payout.affiliate)?;
        same_currency("body.currency", commission.currency, payout.currency)?;
        commission.state = standing.after(Step::Pay)?;
        self.exactly(LINE_AMOUNT, payout.currency, commission.left(), amount)?;
        commission.payout = Some(key);
        self.put_back(found);
        Ok(Effect::Credit)
    }

    fn pay_adjustment(
        &mut self,
        payout: &Payout<Amount>,
        key: StateKey,
        external_id: &Id,
        amount: Amount,
    ) -> Result<Effect, AdmitError<S::Error>> {
        let field = "body.lines.adjustment";
        let mut found: Found<AdjustmentRecord> =
            self.parent(field, Kind::Adjustment, external_id)?;
        let adjustment = &mut found.record;
        same_affiliate("body.affiliate", &adjustment.affiliate, &payout.affiliate)?;
        same_currency("body.currency", adjustment.currency, payout.currency)?;
        let in_payout = self.payout_state(adjustment.payout)?;
        if adjustment.standing(in_payout) != AdjustmentState::Free {
            return Err(Refusal::InPayout { adjustment: external_id.clone() }.into());
        }
        self.exactly(LINE_AMOUNT, payout.currency, adjustment.amount, amount)?;
        adjustment.payout = Some(key);
        let effect = adjustment.effect;
        self.put_back(found);
        Ok(effect)
    }

    pub(super) fn payout_event(&mut self, event: &PayoutEvent) -> Outcome<S::Error> {
        let first = self.first_part("body.payout", &event.payout)?;
        if first != event.payout {
            return Err(Refusal::NotFirstPart { first }.into());
        }
        let mut found: Found<PayoutRecord> = self.parent("body.payout", Kind::Payout, &first)?;
        let payout = &mut found.record;
        let before = payout.state;
        payout.state = before.after(match event.event {
            PaymentEvent::Sent { .. } => PayoutStep::Send,
            PaymentEvent::Completed => PayoutStep::Complete,
            PaymentEvent::Failed => PayoutStep::Fail,
            PaymentEvent::Returned => PayoutStep::Return,
        })?;
        let undone = matches!(payout.state, PayoutState::Failed | PayoutState::Returned);
        if undone && (payout.kept, payout.used) != (Amount::ZERO, Amount::ZERO) {
            let subject = Subject::Carried(&payout.affiliate, payout.currency);
            let mut carried = self.sum::<CarriedRecord>(subject)?;
            let less = |all: Amount, of_payout: Amount| {
                all.checked_sub(of_payout).expect("it was counted when the payout was admitted")
            };
            if before != PayoutState::Open {
                carried.record.kept = less(carried.record.kept, payout.kept);
            }
            carried.record.used = less(carried.record.used, payout.used);
            self.put_back(carried);
        }
        let parties = Parties::affiliate(&payout.affiliate);
        self.put_back(found);
        Ok((Record::Stated, parties))
    }
}

impl PayoutRecord {
    /// A payout whose first part is `payout`, none of its lines counted yet.
    fn new(payout: &Payout<Amount>, external_id: &Id, time: Timestamp) -> Self {
        Self {
            affiliate: payout.affiliate.clone(),
            currency: payout.currency,
            time,
            period_from: payout.period_from,
            period_until: payout.period_until,
            latest: external_id.clone(),
            added: Amount::ZERO,
            taken_off: Amount::ZERO,
            kept: Amount::ZERO,
            used: Amount::ZERO,
            state: PayoutState::Open,
        }
    }
}
