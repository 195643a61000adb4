//! What the terms give for a part of a transaction: FORMAT.md, section 13.1.
//!
//! Written anew, not the rules' own way, so that each checks the other. What counts for tiers
//! and caps is kept for the programs that have such alone, in which few affiliates take part;
//! that of a month until the next one begins.

use std::collections::HashMap;

use crate::protocol::entry::{CapPer, Period, Rate, Reward, RewardRule, Tier};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::time::Timestamp;

/// What somebody has in a part of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Stake<'a> {
    /// The transaction, by number.
    pub transaction: u64,
    /// The program, by number.
    pub program: u32,
    /// Whose it is, by number.
    pub affiliate: u32,
    /// The group that the affiliate is in.
    pub affiliate_group: Option<&'a Id>,
    /// Which part.
    pub commission_group: Option<&'a Id>,
    /// The part's amount in the currency of commissions.
    pub amount: Amount,
    /// The share in the part, in parts per million.
    pub share_ppm: u32,
    /// Of a subscription, how often it was paid for before.
    pub earlier: Option<u32>,
}

/// What counts for tiers and caps.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// How many transactions, and the number of the latest.
    count: u64,
    latest: Option<u64>,
    volume: Amount,
    earned: Amount,
}

/// What was counted so far, by program and affiliate.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    month: u32,
    of_month: HashMap<(u32, u32), Counted>,
    of_ever: HashMap<(u32, u32), Counted>,
}

impl Counts {
    /// Forgets what was counted in the months before that of `now`.
    pub fn begin(&mut self, now: Timestamp) {
        let month = now.month();
        if month != self.month {
            self.of_month.clear();
            self.month = month;
        }
    }

    /// What `rules` give for a stake: the number of the rule, counted from 1, and the amount.
    pub fn give(&self, rules: &[RewardRule<Amount>], stake: &Stake<'_>) -> Option<(u16, Amount)> {
        let fits = |of: &Option<Id>, is: Option<&Id>| of.is_none() || of.as_ref() == is;
        let (number, rule) = (1..).zip(rules).find(|(_, rule)| {
            fits(&rule.commission_group, stake.commission_group)
                && fits(&rule.affiliate_group, stake.affiliate_group)
        })?;
        if rule.recurring.zip(stake.earlier).is_some_and(|(most, earlier)| earlier >= most) {
            return Some((number, Amount::ZERO));
        }
        let whole = match &rule.reward {
            Reward::Percent { ppm } => percent(stake.amount, *ppm),
            Reward::Fixed { amount, .. } => *amount,
            Reward::CountTiers { period, counts } => {
                let counted = self.of(*period, stake).count;
                rate(stake, tier(counts, &counted))
            }
            Reward::VolumeTiers { period, volumes, .. } => {
                let counted = self.of(*period, stake).volume;
                rate(stake, tier(volumes, &counted))
            }
        };
        let bounded = |amount: Amount, per: CapPer| match &rule.cap {
            Some(cap) if cap.per == per => {
                let earned = per.period().map(|period| self.of(period, stake).earned);
                let rest = cap.amount.checked_sub(earned.unwrap_or_default());
                amount.min(rest.unwrap_or_default())
            }
            _ => amount,
        };
        let shared = percent(bounded(whole, CapPer::Part), stake.share_ppm);
        Some((number, bounded(bounded(shared, CapPer::Month), CapPer::Ever)))
    }

    /// Counts what was stated for a stake by `rule`, for whatever periods it has.
    pub fn count(&mut self, rule: &RewardRule<Amount>, stake: &Stake<'_>, stated: Amount) {
        let tiers = match rule.reward {
            Reward::CountTiers { period, .. } | Reward::VolumeTiers { period, .. } => Some(period),
            Reward::Percent { .. } | Reward::Fixed { .. } => None,
        };
        let cap = rule.cap.as_ref().and_then(|cap| cap.per.period());
        for period in [Period::Month, Period::Ever] {
            if tiers != Some(period) && cap != Some(period) {
                continue;
            }
            let key = (stake.program, stake.affiliate);
            let counted = match period {
                Period::Month => self.of_month.entry(key).or_default(),
                Period::Ever => self.of_ever.entry(key).or_default(),
            };
            let volume = percent(stake.amount, stake.share_ppm);
            let sum = |one: Amount, other| one.checked_add(other).expect("far below the largest");
            // All of a transaction follows it at once.
            if counted.latest.replace(stake.transaction) != Some(stake.transaction) {
                counted.count += 1;
            }
            counted.volume = sum(counted.volume, volume);
            counted.earned = sum(counted.earned, stated);
        }
    }

    fn of(&self, period: Period, stake: &Stake<'_>) -> Counted {
        let counted = match period {
            Period::Month => &self.of_month,
            Period::Ever => &self.of_ever,
        };
        counted.get(&(stake.program, stake.affiliate)).copied().unwrap_or_default()
    }
}

fn rate(stake: &Stake<'_>, rate: Option<&Rate<Amount>>) -> Amount {
    match rate {
        Some(Rate::Percent { ppm }) => percent(stake.amount, *ppm),
        Some(Rate::Fixed { amount, .. }) => *amount,
        None => Amount::ZERO,
    }
}

fn tier<'a, F: Ord>(tiers: &'a [Tier<F, Amount>], counted: &F) -> Option<&'a Rate<Amount>> {
    tiers.iter().rfind(|tier| tier.from <= *counted).map(|tier| &tier.rate)
}

fn percent(amount: Amount, ppm: u32) -> Amount {
    amount.parts_per_million(ppm).expect("no rate is more than the whole")
}
