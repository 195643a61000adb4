//! What programs pay, by what kind of merchant they are of.

use super::chance::Random;
use super::coins::{Coin, MAX_UNITS};
use crate::protocol::entry::{
    Action, Cap, CapPer, Locking, Period, Rate, Reward, RewardRule, Tier,
};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, PPM_WHOLE};

const RATES_PPM: [u32; 8] = [20_000, 35_000, 50_000, 62_500, 75_000, 80_000, 100_000, 150_000];
const FIXED_EURO_CENTS: [u64; 6] = [80, 150, 250, 400, 1_000, 2_500];
/// What the network charges, of each commission.
const NETWORK_FEES_PPM: [u32; 6] = [0, 0, 200_000, 250_000, 300_000, 300_000];
/// What uplines of level 1, 2 and 3 earn, of the direct commission.
const OVERRIDES_PPM: [u32; 3] = [100_000, 50_000, 20_000];
/// How many payments of a subscription earn.
const RECURRING: [u32; 3] = [3, 6, 12];

const LOCKINGS: [(u32, Locking); 9] = [
    (20, Locking::Days { days: 14 }),
    (40, Locking::Days { days: 30 }),
    (20, Locking::Days { days: 45 }),
    (10, Locking::Days { days: 60 }),
    (3, Locking::MonthDay { months: 1, day: 15 }),
    (3, Locking::MonthDay { months: 1, day: 28 }),
    (2, Locking::MonthDay { months: 2, day: 1 }),
    (1, Locking::Immediate),
    (1, Locking::OpenEnded),
];

/// The locking methods where commissions are to stay undecided for as long as it may be: half
/// of them have no date, so all may happen to them for ever.
const OPEN_LOCKINGS: [(u32, Locking); 4] = [
    (35, Locking::Days { days: 30 }),
    (10, Locking::MonthDay { months: 1, day: 28 }),
    (5, Locking::Immediate),
    (50, Locking::OpenEnded),
];

/// The groups of items and orders that some merchants tell apart.
pub const COMMISSION_GROUPS: [&str; 3] = ["hardware", "media", "services"];
/// The group of affiliates that some merchants pay better.
pub const AFFILIATE_GROUP: &str = "premium";

/// What a merchant's terms are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// One rule.
    Plain,
    /// By groups of items and of affiliates.
    Groups,
    /// Uplines earn, too.
    Overrides,
    /// By how many commissions there were in the month.
    CountTiers,
    /// By how much was sold in the month.
    VolumeTiers,
    /// Up to a bound, of a month, of all or of each sale.
    Capped(CapPer),
}

use Scheme::{Capped, CountTiers, Groups, Overrides, Plain, VolumeTiers};

/// The schemes of a tenant's first merchants, the most popular, so that a small marketplace
/// has something of each of the first.
const FIRST_SCHEMES: [Scheme; 4] = [Plain, Overrides, Groups, CountTiers];
/// The schemes of those that follow, again and again: most are plain.
const SCHEMES: [Scheme; 24] = [
    Plain,
    Plain,
    VolumeTiers,
    Plain,
    Plain,
    Capped(CapPer::Month),
    Plain,
    Plain,
    Plain,
    Capped(CapPer::Part),
    Plain,
    Plain,
    Groups,
    Plain,
    Plain,
    Plain,
    Overrides,
    Plain,
    Plain,
    Capped(CapPer::Ever),
    Plain,
    Plain,
    CountTiers,
    Plain,
];

impl Scheme {
    /// That of the merchant of this rank within its tenant.
    pub fn of(rank: usize) -> Self {
        let later = || SCHEMES.get((rank - FIRST_SCHEMES.len()) % SCHEMES.len());
        FIRST_SCHEMES.get(rank).or_else(later).copied().expect("within the list")
    }

    /// Whether the rules count what an affiliate had before. Then few affiliates take part, so
    /// that what is counted stays bounded.
    pub const fn counts(self) -> bool {
        matches!(self, CountTiers | VolumeTiers | Capped(CapPer::Month | CapPer::Ever))
    }

    /// Draws the rules of a program of this scheme, where `sells` says whether a transaction
    /// has an amount at all.
    pub fn rules(
        self,
        actions: &[Action],
        sells: bool,
        coin: &Coin,
        random: &mut Random,
    ) -> Vec<RewardRule<Amount>> {
        let mut draw = Draw { coin, sells, random };
        let mut rule = RewardRule {
            commission_group: None,
            affiliate_group: None,
            reward: match self {
                CountTiers => draw.count_tiers(),
                VolumeTiers if sells => draw.volume_tiers(),
                _ => draw.reward(),
            },
            recurring: None,
            cap: None,
            override_ppm: Vec::new(),
        };
        match self {
            Plain | CountTiers | VolumeTiers => {}
            Overrides => rule.override_ppm = OVERRIDES_PPM.to_vec(),
            Capped(per) => {
                let cents = match per {
                    CapPer::Part => 900,
                    CapPer::Month => 5_000,
                    CapPer::Ever => 15_000,
                };
                rule.cap = Some(Cap { currency: coin.currency, amount: coin.amount(cents), per });
            }
            Groups => {
                let [first, second, _] = COMMISSION_GROUPS.map(id);
                let first = RewardRule {
                    commission_group: Some(first),
                    reward: draw.reward(),
                    ..rule.clone()
                };
                let premium = RewardRule {
                    affiliate_group: Some(id(AFFILIATE_GROUP)),
                    reward: draw.reward(),
                    ..rule.clone()
                };
                let second = RewardRule {
                    commission_group: Some(second),
                    reward: draw.fixed(),
                    ..rule.clone()
                };
                return vec![first, premium, second, rule];
            }
        }
        if actions.contains(&Action::Subscription) {
            rule.recurring = Some(random.pick(&RECURRING));
        }
        vec![rule]
    }
}

struct Draw<'a> {
    coin: &'a Coin,
    sells: bool,
    random: &'a mut Random,
}

impl Draw<'_> {
    /// A percentage of most sales; the same for each where nothing is sold, and for some sales.
    fn reward(&mut self) -> Reward<Amount> {
        if !self.sells || self.random.chance(100_000) {
            self.fixed()
        } else {
            Reward::Percent { ppm: self.random.pick(&RATES_PPM) }
        }
    }

    fn fixed(&mut self) -> Reward<Amount> {
        let amount = self.coin.amount(self.random.pick(&FIXED_EURO_CENTS));
        Reward::Fixed { currency: self.coin.currency, amount }
    }

    /// The rate of a tier, better from tier to tier.
    fn rate(&self, base: u32, tier: u32) -> Rate<Amount> {
        if self.sells {
            Rate::Percent { ppm: base + 10_000 * tier }
        } else {
            let amount = self.coin.amount(u64::from(base / 200 + 50 * tier));
            Rate::Fixed { currency: self.coin.currency, amount }
        }
    }

    fn count_tiers(&mut self) -> Reward<Amount> {
        let base = self.random.pick(&RATES_PPM);
        let counts = [0, 4, 25].into_iter().zip(0..);
        let counts = counts.map(|(from, tier)| Tier { from, rate: self.rate(base, tier) });
        let period = if self.sells { Period::Month } else { Period::Ever };
        Reward::CountTiers { period, counts: counts.collect() }
    }

    fn volume_tiers(&mut self) -> Reward<Amount> {
        let base = self.random.pick(&RATES_PPM);
        let volumes = [0, 50_000, 500_000].into_iter().zip(0..).map(|(cents, tier)| {
            let from = if cents == 0 { Amount::ZERO } else { self.coin.amount(cents) };
            Tier { from, rate: self.rate(base, tier) }
        });
        let volumes = volumes.collect();
        Reward::VolumeTiers { period: Period::Month, currency: self.coin.currency, volumes }
    }
}

/// Draws other rewards in place of those of a rule; what is counted and bounded stays.
pub fn redraw(rule: &mut RewardRule<Amount>, random: &mut Random) {
    match &mut rule.reward {
        Reward::Percent { ppm } => *ppm = random.pick(&RATES_PPM),
        Reward::Fixed { amount, .. } => {
            // Between four fifths and five fourths of what it was.
            let ppm = u32::try_from(random.between(800_000, 1_250_000)).unwrap_or(PPM_WHOLE);
            let most = Amount::from_units(MAX_UNITS).unwrap_or(Amount::MAX);
            *amount = amount.parts_per_million(ppm).unwrap_or(*amount).min(most);
        }
        Reward::CountTiers { counts, .. } => {
            for tier in counts {
                redraw_rate(&mut tier.rate, random);
            }
        }
        Reward::VolumeTiers { volumes, .. } => {
            for tier in volumes {
                redraw_rate(&mut tier.rate, random);
            }
        }
    }
}

fn redraw_rate(rate: &mut Rate<Amount>, random: &mut Random) {
    if let Rate::Percent { ppm } = rate {
        *ppm = random.pick(&RATES_PPM);
    }
}

/// Draws when commissions lock; `open` for as late as it may be.
pub fn locking(open: bool, random: &mut Random) -> Locking {
    if open { random.weighted(&OPEN_LOCKINGS) } else { random.weighted(&LOCKINGS) }
}

/// Draws what the network charges, in parts per million.
pub fn network_fee_ppm(random: &mut Random) -> u32 {
    random.pick(&NETWORK_FEES_PPM)
}

fn id(text: &str) -> Id {
    Id::new(text).expect("a word")
}
