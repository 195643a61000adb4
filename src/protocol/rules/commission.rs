//! What is earned: FORMAT.md section 13.6.

use std::sync::Arc;

use super::lifecycle::CommissionState;
use super::reckoning::{self, share};
use super::records::{CommissionRecord, Kept, TermsRecord, TransactionRecord};
use super::refusal::{AdmitError, Refusal};
use super::state::{StateReader, Subject};
use super::sums::CountedRecord;
use super::{Admission, Found, Outcome, add, bounded, same_currency};
use crate::protocol::entry::{Commission, Kind, Period, RewardRule, Role};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, PPM_WHOLE};

/// The most commissions of one transaction.
const MAX_COMMISSIONS: usize = 100;

/// What was counted before, by period.
type Counts = Vec<(Period, Found<CountedRecord>)>;

/// What the terms give for a commission.
struct Given {
    amount: Amount,
    /// The rule's number, of a direct commission; 0 for an override.
    direct_rule: u16,
    /// Who may earn overrides of it, the nearest first.
    uplines: Vec<Id>,
}

impl<S: StateReader> Admission<'_, '_, S> {
    pub(super) fn commission(&mut self, commission: &Commission<Amount>) -> Outcome<S::Error> {
        let mut sale: Found<TransactionRecord> =
            self.parent("body.transaction", Kind::Transaction, &commission.transaction)?;
        let terms: Found<Arc<TermsRecord>> =
            self.parent("body.terms", Kind::ProgramTerms, &commission.terms)?;
        check_terms(&sale, &terms)?;
        let terms = terms.record;
        let given = match &commission.role {
            Role::Direct { share_ppm, commission_group, affiliate_group } => {
                let groups = (commission_group.as_ref(), affiliate_group.as_ref());
                self.direct(commission, &mut sale.record, &terms, *share_ppm, groups)?
            }
            Role::Override { of, level } => {
                self.override_of(commission, sale.key, &terms, (of, *level))?
            }
        };
        self.check_stated(commission, &sale.record, &terms, given.amount)?;
        let record = CommissionRecord {
            transaction: Some(sale.key),
            time: self.entry.event_time,
            affiliate: commission.affiliate.clone(),
            merchant: sale.record.merchant.clone(),
            program: Some(sale.record.program.clone()),
            currency: commission.currency,
            amount: commission.amount,
            fee: commission.fee,
            reversed: Amount::ZERO,
            funded: Amount::ZERO,
            credited: Amount::ZERO,
            debited: Amount::ZERO,
            locks_at: commission.locking_date,
            dated_ahead: self.is_ahead(commission.locking_date),
            state: CommissionState::Pending,
            payout: None,
            deviation: commission.deviation,
            extended: false,
            amended: false,
            direct_rule: given.direct_rule,
            uplines: given.uplines,
            overridden: 0,
        };
        let parties = record.parties();
        sale.record.commissions.push(self.key);
        self.put_back(sale);
        Ok((record.into_record(), parties))
    }

    /// What the terms give for a direct commission. Counts it for tiers and caps, and its share
    /// in the part.
    fn direct(
        &mut self,
        commission: &Commission<Amount>,
        sale: &mut TransactionRecord,
        terms: &TermsRecord,
        share_ppm: u32,
        (commission_group, affiliate_group): (Option<&Id>, Option<&Id>),
    ) -> Result<Given, AdmitError<S::Error>> {
        let currency = sale.reckoning_currency();
        let part = sale
            .parts
            .iter_mut()
            .find(|part| part.commission_group.as_ref() == commission_group)
            .ok_or(Refusal::NoSuchPart { field: "body.role.commission_group" })?;
        let rule = terms.rule_for(commission_group, affiliate_group);
        let expected = rule.map(|(number, _)| number);
        let (number, rule) = rule
            .filter(|(number, _)| *number == commission.rule)
            .ok_or(Refusal::WrongRule { expected, given: commission.rule })?;
        same_currency("body.currency", currency, commission.currency)?;
        if share_ppm == 0 {
            return Err(Refusal::ZeroAmount { field: "body.role.share_ppm" }.into());
        }
        let left_ppm = PPM_WHOLE.saturating_sub(part.shares_ppm);
        if share_ppm > left_ppm {
            return Err(Refusal::SharesAboveWhole { left_ppm, given_ppm: share_ppm }.into());
        }
        part.shares_ppm = PPM_WHOLE - left_ppm + share_ppm;
        let base = self
            .changed(part.amount, sale.currency, sale.fx)
            .expect("transactions and amendments are admitted only where it is an amount");
        let counted = self.counted(commission, sale, rule)?;
        let before = |period: Period| {
            let found = counted.iter().find(|(of, _)| *of == period);
            found.expect("the rule names its periods").1.record
        };
        let rate = rule.rate(before);
        for expected in rule.currencies(&rate) {
            same_currency("body.currency", expected, commission.currency)?;
        }
        let amount = if rule.is_over(sale.earlier) {
            Amount::ZERO
        } else {
            rule.amount(base, &rate, share_ppm, before)
        };
        let earlier = match &counted[..] {
            [] => Vec::new(),
            _ => self.earlier_rules(sale, commission, terms)?,
        };
        for (period, mut found) in counted {
            let counted = &mut found.record;
            // However many shares and parts of it are the affiliate's: it is one transaction.
            if !earlier.iter().any(|earlier| earlier.periods().any(|of| of == period)) {
                counted.count = counted.count.saturating_add(1);
            }
            counted.volume = add("body.amount", counted.volume, share(base, share_ppm))?;
            counted.earned = add("body.amount", counted.earned, commission.amount)?;
            self.put_back(found);
        }
        let uplines = self.uplines(&commission.affiliate, rule.override_ppm.len())?;
        Ok(Given { amount, direct_rule: number, uplines })
    }

    /// The rules of the affiliate's other direct commissions of the transaction.
    fn earlier_rules<'t>(
        &self,
        sale: &TransactionRecord,
        commission: &Commission<Amount>,
        terms: &'t TermsRecord,
    ) -> Result<Vec<&'t RewardRule<Amount>>, AdmitError<S::Error>> {
        let mut rules = Vec::new();
        for key in &sale.commissions {
            let found: Option<Found<CommissionRecord>> = self.look_up_key(*key)?;
            let earlier = found.expect("a transaction's commissions are on the ledger").record;
            if earlier.affiliate == commission.affiliate {
                // All follow the same terms: one version is in force for a transaction.
                rules.extend(terms.rule(earlier.direct_rule));
            }
        }
        Ok(rules)
    }

    /// What was counted for the affiliate before, in the periods that `rule` looks back on.
    fn counted(
        &self,
        commission: &Commission<Amount>,
        sale: &TransactionRecord,
        rule: &RewardRule<Amount>,
    ) -> Result<Counts, AdmitError<S::Error>> {
        let counted = rule.periods().map(|period| {
            let found = self.sum(Subject::Counted {
                merchant: &sale.merchant,
                program: &sale.program,
                affiliate: &commission.affiliate,
                currency: commission.currency,
                month: reckoning::month(period, sale.time),
            });
            Ok((period, found?))
        });
        counted.collect()
    }

    /// What the terms give for an override of the direct commission `of`.
    fn override_of(
        &mut self,
        commission: &Commission<Amount>,
        transaction: StateKey,
        terms: &TermsRecord,
        (of, level): (&Id, u8),
    ) -> Result<Given, AdmitError<S::Error>> {
        let mut direct: Found<CommissionRecord> =
            self.parent("body.role.of", Kind::Commission, of)?;
        let number = direct.record.direct_rule;
        if direct.record.transaction != Some(transaction) || number == 0 {
            return Err(Refusal::OverrideOfAnother.into());
        }
        let state = self.standing(&direct.record)?;
        if matches!(state, CommissionState::Declined | CommissionState::Reversed) {
            return Err(Refusal::OverrideOfNothing { state }.into());
        }
        if commission.rule != number {
            let (expected, given) = (Some(number), commission.rule);
            return Err(Refusal::WrongRule { expected, given }.into());
        }
        let rule = terms.rule(number);
        let rates = rule.map_or(&[][..], |rule| &rule.override_ppm);
        let at = usize::from(level).checked_sub(1);
        let Some(ppm) = at.and_then(|at| rates.get(at)) else {
            return Err(Refusal::NoSuchLevel { levels: rates.len() }.into());
        };
        let bit = 1u16 << (level - 1);
        if direct.record.overridden & bit != 0 {
            return Err(Refusal::OverrideTaken { level }.into());
        }
        direct.record.overridden |= bit;
        let expected = at.and_then(|at| direct.record.uplines.get(at));
        if expected != Some(&commission.affiliate) {
            return Err(Refusal::NotUpline { expected: expected.cloned() }.into());
        }
        same_currency("body.currency", direct.record.currency, commission.currency)?;
        let amount = share(direct.record.left(), *ppm);
        self.put_back(direct);
        Ok(Given { amount, direct_rule: 0, uplines: Vec::new() })
    }

    /// Compares what is stated with what the terms give.
    fn check_stated(
        &self,
        commission: &Commission<Amount>,
        sale: &TransactionRecord,
        terms: &TermsRecord,
        given: Amount,
    ) -> Result<(), Refusal> {
        let currency = commission.currency;
        match commission.deviation {
            None => self.exactly("body.amount", currency, given, commission.amount)?,
            Some(_) if commission.amount == given => return Err(Refusal::NeedlessDeviation),
            Some(_) => {}
        }
        let fee = share(commission.amount, terms.network_fee_ppm);
        self.exactly("body.fee", currency, fee, commission.fee)?;
        let expected = terms.locking_date(sale.time);
        if commission.locking_date != expected {
            return Err(Refusal::WrongLockingDate { expected });
        }
        Ok(())
    }
}

/// Checks whether the terms may be applied to the transaction at all.
fn check_terms(
    sale: &Found<TransactionRecord>,
    terms: &Found<Arc<TermsRecord>>,
) -> Result<(), Refusal> {
    let (index, sale, recorded, terms) = (sale.index, &sale.record, terms.index, &terms.record);
    bounded("body.transaction", 0..=MAX_COMMISSIONS - 1, sale.commissions.len())?;
    if (&terms.merchant, &terms.program) != (&sale.merchant, &sale.program) {
        return Err(Refusal::TermsOfAnotherProgram);
    }
    if recorded > index {
        return Err(Refusal::TermsRecordedLater);
    }
    if !terms.in_force(sale.time, index) {
        return Err(Refusal::TermsNotInForce { at: sale.time });
    }
    if !terms.actions.contains(&sale.action) {
        return Err(Refusal::ActionNotEligible { action: sale.action });
    }
    Ok(())
}
