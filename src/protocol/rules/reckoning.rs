//! What the terms give: FORMAT.md section 13.1. Pure arithmetic, no state.

use super::records::TermsRecord;
use super::sums::CountedRecord;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::entry::{Action, Cap, ProgramTerms};

    fn units(units: u64) -> Amount {
        Amount::from_units(units).unwrap()
    }

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    fn percent(ppm: u32) -> Rate<Amount> {
        Rate::Percent { ppm }
    }

    fn fixed(amount: u64) -> Rate<Amount> {
        Rate::Fixed { currency: eur(), amount: units(amount) }
    }

    fn rule(reward: Reward<Amount>) -> RewardRule<Amount> {
        RewardRule {
            commission_group: None,
            affiliate_group: None,
            reward,
            recurring: None,
            cap: None,
            override_ppm: Vec::new(),
        }
    }

    fn capped(amount: u64, per: CapPer, reward: Reward<Amount>) -> RewardRule<Amount> {
        let cap = Some(Cap { currency: eur(), amount: units(amount), per });
        RewardRule { cap, ..rule(reward) }
    }

    fn counted(count: u64, volume: u64, earned: u64) -> impl Fn(Period) -> CountedRecord {
        move |_| CountedRecord { count, volume: units(volume), earned: units(earned) }
    }

    #[test]
    fn the_last_tier_that_is_reached_gives_the_rate() {
        let tiers = [(0, percent(1)), (2, percent(2)), (10, fixed(3))];
        let counts = tiers.clone().map(|(from, rate)| Tier { from, rate }).to_vec();
        let volumes = tiers.map(|(from, rate)| Tier { from: units(from), rate }).to_vec();
        let by_count = rule(Reward::CountTiers { period: Period::Ever, counts });
        let by_volume =
            rule(Reward::VolumeTiers { period: Period::Month, currency: eur(), volumes });
        let cases = [
            (0, percent(1)),
            (1, percent(1)),
            (2, percent(2)),
            (9, percent(2)),
            (10, fixed(3)),
            (i64::MAX as u64, fixed(3)),
        ];
        for (before, expected) in cases {
            assert_eq!(by_count.rate(counted(before, 77, 77)), expected, "{before}");
            assert_eq!(by_volume.rate(counted(77, before, 77)), expected, "{before}");
        }
    }

    #[test]
    fn caps_bound_the_whole_or_what_was_earned() {
        let ten_percent = || Reward::Percent { ppm: 100_000 };
        // The rule; the part's amount, the share, what was earned before, what it comes to.
        let cases = [
            (rule(ten_percent()), 1000, 1_000_000, 0, 100),
            (rule(ten_percent()), 1000, 333_333, 0, 33),
            // Each step is rounded by itself, half to even.
            (rule(ten_percent()), 25, 500_000, 0, 1),
            (rule(ten_percent()), 35, 500_000, 0, 2),
            (rule(ten_percent()), 5, 1_000_000, 0, 0),
            (rule(ten_percent()), 15, 1_000_000, 0, 2),
            // Per part: the whole before it is shared.
            (capped(60, CapPer::Part, ten_percent()), 1000, 500_000, 1_000_000, 30),
            (capped(100, CapPer::Part, ten_percent()), 1000, 500_000, 0, 50),
            // Per period: what is left after it is shared.
            (capped(60, CapPer::Ever, ten_percent()), 1000, 500_000, 0, 50),
            (capped(60, CapPer::Ever, ten_percent()), 1000, 500_000, 10, 50),
            (capped(60, CapPer::Month, ten_percent()), 1000, 500_000, 11, 49),
            (capped(60, CapPer::Month, ten_percent()), 1000, 500_000, 60, 0),
            // A deviation may have gone beyond it.
            (capped(60, CapPer::Ever, ten_percent()), 1000, 500_000, 61, 0),
            (capped(0, CapPer::Ever, ten_percent()), 1000, 1_000_000, 0, 0),
            (rule(Reward::Fixed { currency: eur(), amount: units(7) }), 0, 500_000, 0, 4),
        ];
        for (rule, base, share_ppm, earned, expected) in cases {
            let before = counted(0, 0, earned);
            let found = rule.amount(units(base), &rule.rate(&before), share_ppm, &before);
            assert_eq!(found.units(), expected, "{share_ppm} of {base} after {earned}, {rule:?}");
        }
    }

    #[test]
    fn periods_and_currencies_are_those_of_tiers_and_cap() {
        use Period::{Ever, Month};
        let tiers = |period| Reward::CountTiers { period, counts: Vec::new() };
        let cases = [
            (rule(tiers(Month)), vec![Month]),
            (capped(1, CapPer::Part, tiers(Ever)), vec![Ever]),
            (capped(1, CapPer::Month, tiers(Month)), vec![Month]),
            (capped(1, CapPer::Ever, tiers(Month)), vec![Month, Ever]),
            (capped(1, CapPer::Ever, Reward::Percent { ppm: 1 }), vec![Ever]),
            (capped(1, CapPer::Part, Reward::Percent { ppm: 1 }), vec![]),
            (rule(Reward::Fixed { currency: eur(), amount: units(1) }), vec![]),
        ];
        for (rule, expected) in cases {
            assert_eq!(rule.periods().collect::<Vec<_>>(), expected, "{rule:?}");
        }
        let volumes = Reward::VolumeTiers { period: Ever, currency: eur(), volumes: Vec::new() };
        assert_eq!(capped(1, CapPer::Part, volumes).currencies(&fixed(1)).count(), 3);
        assert_eq!(rule(tiers(Ever)).currencies(&percent(1)).count(), 0);
    }

    #[test]
    fn a_recurring_rule_ends() {
        let twice = RewardRule { recurring: Some(2), ..rule(Reward::Percent { ppm: 1 }) };
        assert_eq!(
            [0, 1, 2, u32::MAX].map(|earlier| twice.is_over(earlier)),
            [false, false, true, true]
        );
        assert!(!rule(Reward::Percent { ppm: 1 }).is_over(u32::MAX));
    }

    fn terms(locking: Locking, rules: Vec<RewardRule<Amount>>) -> TermsRecord {
        let id = |text: &str| Id::new(text).unwrap();
        TermsRecord::new(&ProgramTerms {
            merchant: id("shop"),
            program: id("main"),
            version: 1,
            effective_from: Timestamp::MIN,
            effective_until: None,
            actions: vec![Action::Sale],
            locking,
            network_fee_ppm: 0,
            rules,
        })
    }

    #[test]
    fn the_first_rule_that_fits_is_taken() {
        let id = |text: &str| Id::new(text).unwrap();
        let of = |commission: Option<&str>, affiliate: Option<&str>| RewardRule {
            commission_group: commission.map(id),
            affiliate_group: affiliate.map(id),
            ..rule(Reward::Percent { ppm: 1 })
        };
        let rules = vec![
            of(Some("shoes"), Some("gold")),
            of(Some("shoes"), None),
            of(None, Some("gold")),
            of(Some("shoes"), Some("silver")),
        ];
        let terms = terms(Locking::Immediate, rules);
        let cases = [
            (Some("shoes"), Some("gold"), Some(1)),
            (Some("shoes"), Some("silver"), Some(2)),
            (Some("shoes"), None, Some(2)),
            (Some("hats"), Some("gold"), Some(3)),
            (None, Some("gold"), Some(3)),
            (None, None, None),
            (Some("hats"), Some("silver"), None),
        ];
        for (commission, affiliate, expected) in cases {
            let (commission_group, affiliate_group) = (commission.map(id), affiliate.map(id));
            let found = terms.rule_for(commission_group.as_ref(), affiliate_group.as_ref());
            assert_eq!(found.map(|(number, _)| number), expected, "{commission:?} {affiliate:?}");
        }
        assert!(terms.rule(0).is_none() && terms.rule(5).is_none() && terms.rule(4).is_some());
    }

    #[test]
    fn commissions_lock_when_the_terms_say() {
        let at: Timestamp = "2026-01-31T12:00:00.250Z".parse().unwrap();
        let cases = [
            (Locking::Immediate, at, Some("2026-01-31T12:00:00.250Z")),
            (Locking::Days { days: 0 }, at, Some("2026-01-31T12:00:00.250Z")),
            (Locking::Days { days: 30 }, at, Some("2026-03-02T12:00:00.250Z")),
            (Locking::Days { days: u16::MAX }, Timestamp::MAX, Some("9998-12-31T23:59:59.999Z")),
            (Locking::MonthDay { months: 1, day: 28 }, at, Some("2026-02-28T00:00:00Z")),
            (Locking::MonthDay { months: 12, day: 1 }, at, Some("2027-01-01T00:00:00Z")),
            (
                Locking::MonthDay { months: 1, day: 1 },
                Timestamp::MAX,
                Some("9998-12-31T23:59:59.999Z"),
            ),
            (Locking::OpenEnded, at, None),
        ];
        for (locking, at, expected) in cases {
            let found = terms(locking, Vec::new()).locking_date(at);
            assert_eq!(found.map(|date| date.to_string()), expected.map(str::to_owned));
        }
    }
}
