//! What a merchant's program may promise: FORMAT.md section 13.4.

use std::sync::Arc;

use super::records::{Kept, Record, TermsRecord};
use super::refusal::{AdmitError, Refusal};
use super::state::{StateReader, Subject};
use super::sums::ProgramRecord;
use super::{Admission, Found, Outcome, at_most_whole, bounded};
use crate::protocol::entry::{
    Action, Cap, Locking, MAX_OVERRIDE_LEVELS, MAX_REWARD_TIERS, MAX_TERMS_RULES, Parties,
    ProgramTerms, Rate, Reward, RewardRule, Tier,
};
use crate::protocol::hash::StateKey;
use crate::protocol::money::Amount;
use crate::protocol::time::Timestamp;

impl<S: StateReader> Admission<'_, '_, S> {
    pub(super) fn program_terms(&mut self, terms: &ProgramTerms<Amount>) -> Outcome<S::Error> {
        self.check_terms(terms)?;
        let subject = Subject::Program(&terms.merchant, &terms.program);
        let latest: Option<Found<ProgramRecord>> = self.look_up(subject)?;
        let expected = latest.as_ref().map_or(1, |found| found.record.version.saturating_add(1));
        if terms.version != expected {
            return Err(Refusal::WrongVersion { expected, given: terms.version }.into());
        }
        let before = match latest {
            Some(latest) => self.follow(&latest.record, terms.effective_from)?,
            None => None,
        };
        let program = ProgramRecord {
            version: terms.version,
            effective_from: terms.effective_from,
            latest: self.key,
            before,
        };
        self.put_new(subject, program.into_record());
        Ok((Record::Terms(Arc::new(TermsRecord::new(terms))), Parties::default()))
    }

    fn check_terms(&self, terms: &ProgramTerms<Amount>) -> Result<(), Refusal> {
        if terms.effective_until.is_some_and(|until| until <= terms.effective_from) {
            return Err(Refusal::EmptyPeriod { field: "body.effective_until" });
        }
        bounded("body.actions", 1..=Action::ALL.len(), terms.actions.len())?;
        ascending("body.actions", &terms.actions, |action| action)?;
        if let Locking::MonthDay { months, day } = terms.locking
            && !((1..=12).contains(&months) && (1..=28).contains(&day))
        {
            return Err(Refusal::NoSuchDay);
        }
        at_most_whole("body.network_fee_ppm", terms.network_fee_ppm)?;
        bounded("body.rules", 1..=MAX_TERMS_RULES, terms.rules.len())?;
        terms.rules.iter().try_for_each(|rule| self.check_rule(rule))
    }

    fn check_rule(&self, rule: &RewardRule<Amount>) -> Result<(), Refusal> {
        match &rule.reward {
            Reward::Percent { ppm } => at_most_whole("body.rules.reward.ppm", *ppm)?,
            Reward::Fixed { currency, .. } => {
                self.known("body.rules.reward.currency", *currency)?;
            }
            Reward::CountTiers { counts, .. } => {
                self.check_tiers("body.rules.reward.counts", counts, &0)?;
            }
            Reward::VolumeTiers { currency, volumes, .. } => {
                self.known("body.rules.reward.currency", *currency)?;
                self.check_tiers("body.rules.reward.volumes", volumes, &Amount::ZERO)?;
            }
        }
        if rule.recurring == Some(0) {
            return Err(Refusal::ZeroAmount { field: "body.rules.recurring" });
        }
        if let Some(Cap { currency, .. }) = rule.cap {
            self.known("body.rules.cap.currency", currency)?;
        }
        let overrides = "body.rules.override_ppm";
        bounded(overrides, 0..=MAX_OVERRIDE_LEVELS, rule.override_ppm.len())?;
        rule.override_ppm.iter().try_for_each(|ppm| at_most_whole(overrides, *ppm))
    }

    fn check_tiers<F: Ord>(
        &self,
        field: &'static str,
        tiers: &[Tier<F, Amount>],
        zero: &F,
    ) -> Result<(), Refusal> {
        bounded(field, 1..=MAX_REWARD_TIERS, tiers.len())?;
        if tiers.first().is_some_and(|first| first.from != *zero) {
            return Err(Refusal::Unordered { field });
        }
        ascending(field, tiers, |tier| &tier.from)?;
        for tier in tiers {
            if let Rate::Fixed { currency, .. } = tier.rate {
                self.known(field, currency)?;
            }
        }
        for tier in tiers {
            if let Rate::Percent { ppm } = tier.rate {
                at_most_whole(field, ppm)?;
            }
        }
        Ok(())
    }

    /// A later version begins no earlier than it is recorded, so that it never changes a time
    /// that an earlier one already governs. One that governs nothing yet gives way to it as a
    /// whole. What comes before it from now on.
    fn follow(
        &mut self,
        latest: &ProgramRecord,
        from: Timestamp,
    ) -> Result<Option<StateKey>, AdmitError<S::Error>> {
        let now = self.place.block_time;
        let governs = now.saturating_add(self.place.spec.limits.event_ahead_ms);
        let withdrawn = latest.effective_from > governs;
        let earliest = if withdrawn { now } else { now.max(latest.effective_from) };
        if from < earliest {
            return Err(Refusal::TermsReachBack { earliest, given: from }.into());
        }
        if !withdrawn {
            self.supersede(latest.latest, from)?;
            return Ok(Some(latest.latest));
        }
        self.supersede(latest.latest, latest.effective_from)?;
        if let Some(before) = latest.before {
            self.supersede(before, from)?;
        }
        Ok(latest.before)
    }

    /// Lets the terms of this record hold no more `from` then on.
    fn supersede(&mut self, key: StateKey, from: Timestamp) -> Result<(), AdmitError<S::Error>> {
        let Some(mut stored) = self.state.get(&key)? else {
            unreachable!("a program's record names terms that are on the ledger");
        };
        let Record::Terms(terms) = &mut stored.record else {
            unreachable!("a program's record names terms");
        };
        Arc::make_mut(terms).superseded = Some((from, self.place.index));
        self.state.put(key, stored);
        Ok(())
    }
}

fn ascending<'t, T, K: Ord + 't>(
    field: &'static str,
    list: &'t [T],
    key: impl Fn(&'t T) -> &'t K,
) -> Result<(), Refusal> {
    if list.is_sorted_by(|one, next| key(one) < key(next)) {
        Ok(())
    } else {
        Err(Refusal::Unordered { field })
    }
}
