//! What the terms give: FORMAT.md section 13.1. Pure arithmetic, no state.

use super::records::{CountedRecord, TermsRecord};
use crate::protocol::entry::{CapPer, Locking, Period, Rate, Reward, RewardRule, Tier};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, ExchangeRate};
use crate::protocol::time::{DAY_MS, Timestamp};

/// A change of currency: into which, and how.
pub(super) type Change = (Currency, ExchangeRate);

impl TermsRecord {
    /// The first rule that fits, and its number.
    pub(super) fn rule_for(
        &self,
        commission_group: Option<&Id>,
        affiliate_group: Option<&Id>,
    ) -> Option<(u16, &RewardRule<Amount>)> {
        let fits = |wanted: &Option<Id>, given: Option<&Id>| {
            wanted.as_ref().is_none_or(|wanted| Some(wanted) == given)
        };
        (1..).zip(&self.rules).find(|(_, rule)| {
            fits(&rule.commission_group, commission_group)
                && fits(&rule.affiliate_group, affiliate_group)
        })
    }

    /// The rule of this number.
    pub(super) fn rule(&self, number: u16) -> Option<&RewardRule<Amount>> {
        self.rules.get(usize::from(number).checked_sub(1)?)
    }

    /// When a commission locks whose transaction happened at `time`.
    pub(super) fn locking_date(&self, time: Timestamp) -> Option<Timestamp> {
        match self.locking {
            Locking::Immediate => Some(time),
            Locking::Days { days } => Some(time.saturating_add(u64::from(days) * DAY_MS)),
            Locking::MonthDay { months, day } => Some(time.day_of_later_month(months, day)),
            Locking::OpenEnded => None,
        }
    }
}

impl RewardRule<Amount> {
    /// The periods that the rule looks back on, each once.
    pub(super) fn periods(&self) -> impl Iterator<Item = Period> + use<> {
        let tiers = match self.reward {
            Reward::CountTiers { period, .. } | Reward::VolumeTiers { period, .. } => Some(period),
            Reward::Percent { .. } | Reward::Fixed { .. } => None,
        };
        let cap = self.cap.as_ref().and_then(|cap| cap.per.period());
        tiers.into_iter().chain(cap.filter(|period| Some(*period) != tiers))
    }

    /// The rate for an affiliate of whom so much was `counted` before in a period.
    pub(super) fn rate(&self, counted: impl Fn(Period) -> CountedRecord) -> Rate<Amount> {
        match &self.reward {
            Reward::Percent { ppm } => Rate::Percent { ppm: *ppm },
            Reward::Fixed { currency, amount } => {
                Rate::Fixed { currency: *currency, amount: *amount }
            }
            Reward::CountTiers { period, counts } => reached(counts, &counted(*period).count),
            Reward::VolumeTiers { period, volumes, .. } => {
                reached(volumes, &counted(*period).volume)
            }
        }
    }

    /// The currencies that the rule's amounts are in, at `rate`, each with its field.
    pub(super) fn currencies(&self, rate: &Rate<Amount>) -> impl Iterator<Item = Currency> + use<> {
        let tiers = match self.reward {
            Reward::VolumeTiers { currency, .. } => Some(currency),
            _ => None,
        };
        let rate = match rate {
            Rate::Fixed { currency, .. } => Some(*currency),
            Rate::Percent { .. } => None,
        };
        let cap = self.cap.as_ref().map(|cap| cap.currency);
        tiers.into_iter().chain(rate).chain(cap)
    }

    /// What a direct commission comes to: of a part of `base`, at `rate`, for a share.
    pub(super) fn amount(
        &self,
        base: Amount,
        rate: &Rate<Amount>,
        share_ppm: u32,
        counted: impl Fn(Period) -> CountedRecord,
    ) -> Amount {
        let whole = match rate {
            Rate::Percent { ppm } => share(base, *ppm),
            Rate::Fixed { amount, .. } => *amount,
        };
        let Some(cap) = &self.cap else { return share(whole, share_ppm) };
        match cap.per.period() {
            None => {
                assert_eq!(cap.per, CapPer::Part, "every other cap has a period");
                share(whole.min(cap.amount), share_ppm)
            }
            Some(period) => {
                let left = cap.amount.checked_sub(counted(period).earned);
                share(whole, share_ppm).min(left.unwrap_or(Amount::ZERO))
            }
        }
    }

    /// Whether the rule gives nothing, after so many `earlier` payments of a subscription.
    pub(super) fn is_over(&self, earlier: u32) -> bool {
        self.recurring.is_some_and(|payments| earlier >= payments)
    }
}

/// The rate of the last tier that `counted` has reached. The first begins at nothing.
fn reached<F: Ord>(tiers: &[Tier<F, Amount>], counted: &F) -> Rate<Amount> {
    let tier = tiers.iter().rev().find(|tier| tier.from <= *counted);
    tier.expect("terms are admitted with a tier from nothing on").rate.clone()
}

/// A share of at most the whole.
pub(super) fn share(amount: Amount, ppm: u32) -> Amount {
    amount.parts_per_million(ppm).expect("a share is admitted only up to the whole")
}

/// The month of `time` for what is counted in `period`, counted from January 1970.
pub(super) fn month(period: Period, time: Timestamp) -> Option<u32> {
    match period {
        Period::Month => Some(time.month()),
        Period::Ever => None,
    }
}
