//! The model's own reckoning: what terms give, from FORMAT.md section 13.1.

use std::collections::BTreeSet;

use counterfoil::protocol::entry::{
    Action, Body, CapPer, Commission, Locking, Period, ProgramTerms, Rate, Reward, RewardRule, Role,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};

use super::arithmetic::{changed, ppm};
use super::model::{Known, Sold, units};
use crate::market::AHEAD_MS;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// 9998-12-31T23:59:59.999Z.
const LATEST: u64 = 253_370_764_799_999;

/// Whose commissions are counted, and in which.
pub struct Counting<'a> {
    pub affiliate: &'a Id,
    pub currency: Currency,
    pub period: Period,
}

/// What was counted before.
#[derive(Default)]
pub struct Counted {
    pub count: u128,
    pub volume: u128,
    pub earned: u128,
}

impl Sold<'_> {
    /// The currency that its commissions are reckoned in.
    pub fn reckoned_in(&self) -> Currency {
        self.body.fx.as_ref().map_or(self.body.currency, |fx| fx.to)
    }

    /// What the commissions of a part are reckoned from.
    pub fn part(&self, group: Option<&Id>) -> Option<u128> {
        let part = self.parts.iter().find(|(own, _)| *own == group);
        part.map(|(_, amount)| changed(*amount, self.body.fx.as_ref()))
    }
}

impl Known<'_> {
    /// Whether terms, stated at `place`, hold for a transaction.
    pub fn in_force(&self, place: usize, terms: &ProgramTerms<Amount>, sold: &Sold<'_>) -> bool {
        let begun = terms.effective_from.as_millis() <= sold.time;
        let ended = terms.effective_until.is_some_and(|until| until.as_millis() <= sold.time);
        let versions = self.versions(&terms.merchant, &terms.program);
        // The latest ones are never withdrawn.
        let withdrawn = |at: usize| {
            versions.get(at + 1).is_some_and(|(next, _)| self.withdraws(*next, versions[at].1))
        };
        let own = versions.iter().position(|(other, _)| *other == place).unwrap();
        let next = (own + 1..versions.len()).find(|at| !withdrawn(*at));
        let superseded = next.map(|at| versions[at]).is_some_and(|(other, next)| {
            other < sold.place && next.effective_from.as_millis() <= sold.time
        });
        begun && !ended && !superseded && !withdrawn(own)
    }

    /// Whether the terms stated at `place` withdraw the version before them.
    pub fn withdraws(&self, place: usize, before: &ProgramTerms<Amount>) -> bool {
        before.effective_from.as_millis() > self.1[place] + AHEAD_MS
    }

    /// What was counted so far for a commission of a transaction.
    pub fn counted(&self, sold: &Sold<'_>, whose: &Counting<'_>) -> Counted {
        let mut all = Counted::default();
        let mut transactions = BTreeSet::new();
        for (place, fact) in self.0.iter().enumerate() {
            let Body::Commission(body) = &fact.body else { continue };
            let Role::Direct { share_ppm, commission_group, .. } = &body.role else { continue };
            if (&body.affiliate, body.currency) != (whose.affiliate, whose.currency) {
                continue;
            }
            let before = self.before(place);
            let Some(other) = before.sold(&body.transaction) else { continue };
            let same_program = (&other.body.merchant, &other.body.program)
                == (&sold.body.merchant, &sold.body.program);
            let same_time = whose.period == Period::Ever || month(other.time) == month(sold.time);
            if same_program && same_time && counts_in(self.rule_of(body), whose.period) {
                transactions.insert(&body.transaction);
                all.volume +=
                    other.part(commission_group.as_ref()).map_or(0, |part| ppm(part, *share_ppm));
                all.earned += units(body.amount);
            }
        }
        all.count = transactions.len() as u128;
        all
    }

    fn rule_of(&self, commission: &Commission<Amount>) -> &RewardRule<Amount> {
        let (_, terms) = self.terms(&commission.terms).unwrap();
        &terms.rules[usize::from(commission.rule) - 1]
    }

    /// The rate that applies: all of it as a reward.
    pub fn rate(
        &self,
        sold: &Sold<'_>,
        rule: &RewardRule<Amount>,
        affiliate: &Id,
        currency: Currency,
    ) -> Rate<Amount> {
        let before = |period| self.counted(sold, &Counting { affiliate, currency, period });
        match &rule.reward {
            Reward::Percent { ppm } => Rate::Percent { ppm: *ppm },
            Reward::Fixed { currency, amount } => {
                Rate::Fixed { currency: *currency, amount: *amount }
            }
            Reward::CountTiers { period, counts } => {
                let count = before(*period).count;
                let reached = counts.iter().rfind(|tier| u128::from(tier.from) <= count);
                reached.unwrap().rate.clone()
            }
            Reward::VolumeTiers { period, volumes, .. } => {
                let volume = before(*period).volume;
                let reached = volumes.iter().rfind(|tier| units(tier.from) <= volume);
                reached.unwrap().rate.clone()
            }
        }
    }

    /// What the terms give an affiliate for a share in a part.
    pub fn gives(
        &self,
        sold: &Sold<'_>,
        rule: &RewardRule<Amount>,
        (group, share_ppm): (Option<&Id>, u32),
        affiliate: &Id,
    ) -> u128 {
        let currency = sold.reckoned_in();
        let earlier = self.0[..sold.place].iter().filter(|fact| match &fact.body {
            Body::Transaction(other) => {
                (&other.merchant, &other.program, &other.order_ref, other.action)
                    == (
                        &sold.body.merchant,
                        &sold.body.program,
                        &sold.body.order_ref,
                        Action::Subscription,
                    )
            }
            _ => false,
        });
        let earlier = earlier.count() as u128;
        let subscription = sold.body.action == Action::Subscription;
        if subscription && rule.recurring.is_some_and(|most| earlier >= u128::from(most)) {
            return 0;
        }
        let mut whole = match self.rate(sold, rule, affiliate, currency) {
            Rate::Percent { ppm: rate } => ppm(sold.part(group).unwrap(), rate),
            Rate::Fixed { amount, .. } => units(amount),
        };
        let Some(cap) = &rule.cap else { return ppm(whole, share_ppm) };
        let period = match cap.per {
            CapPer::Part => {
                whole = whole.min(units(cap.amount));
                return ppm(whole, share_ppm);
            }
            CapPer::Month => Period::Month,
            CapPer::Ever => Period::Ever,
        };
        let earned = self.counted(sold, &Counting { affiliate, currency, period }).earned;
        ppm(whole, share_ppm).min(units(cap.amount).saturating_sub(earned))
    }
}

/// The number of the rule that applies, from 1.
pub fn rule_for(
    terms: &ProgramTerms<Amount>,
    group: Option<&Id>,
    affiliate_group: Option<&Id>,
) -> Option<usize> {
    let fits = |wanted: &Option<Id>, given: Option<&Id>| match wanted {
        None => true,
        Some(wanted) => given == Some(wanted),
    };
    let place = terms.rules.iter().position(|rule| {
        fits(&rule.commission_group, group) && fits(&rule.affiliate_group, affiliate_group)
    });
    place.map(|place| place + 1)
}

/// Whether a commission by this rule is counted in a period.
pub fn counts_in(rule: &RewardRule<Amount>, period: Period) -> bool {
    let tiers = match &rule.reward {
        Reward::CountTiers { period, .. } | Reward::VolumeTiers { period, .. } => Some(*period),
        Reward::Percent { .. } | Reward::Fixed { .. } => None,
    };
    let cap = rule.cap.as_ref().and_then(|cap| match cap.per {
        CapPer::Month => Some(Period::Month),
        CapPer::Ever => Some(Period::Ever),
        CapPer::Part => None,
    });
    tiers == Some(period) || cap == Some(period)
}

/// When a commission of a transaction locks.
pub fn locking_date(terms: &ProgramTerms<Amount>, sold_at: u64) -> Option<u64> {
    let date = match terms.locking {
        Locking::Immediate => sold_at,
        Locking::Days { days } => sold_at + u64::from(days) * DAY_MS,
        Locking::MonthDay { months, day } => {
            let days: u64 = (0..month(sold_at) + u64::from(months)).map(days_in_month).sum();
            (days + u64::from(day) - 1) * DAY_MS
        }
        Locking::OpenEnded => return None,
    };
    Some(date.min(LATEST))
}

/// The month of a time, counted from January 1970.
fn month(time: u64) -> u64 {
    let mut left = time / DAY_MS;
    let mut month = 0;
    while left >= days_in_month(month) {
        left -= days_in_month(month);
        month += 1;
    }
    month
}

fn days_in_month(month: u64) -> u64 {
    let year = 1970 + month / 12;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month % 12 {
        1 if leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}
