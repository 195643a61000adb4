//! Who takes part: tenants, merchants with their programs, affiliates. All invented.

use super::chance::Random;
use super::profile::Profile;
use crate::protocol::entry::{Action, ProgramTerms, Reward};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, PPM_WHOLE};
use crate::protocol::spec::Currencies;
use crate::protocol::time::{DAY_MS, Timestamp};

/// The largest amount that is ever stated, in units of its currency: so many commissions as
/// one payout run can hold stay far below [`Amount::MAX`] together.
pub const MAX_UNITS: u64 = 10_000_000_000_000;

/// Days from the announcement of new terms until they hold.
pub const NOTICE_DAYS: u64 = 7;

/// What names are made of: one of the first and one of the second.
type Words = ([&'static str; 16], [&'static str; 16]);

const MERCHANT_WORDS: Words = (
    [
        "amber", "birch", "cedar", "copper", "harbour", "heath", "juniper", "lantern", "maple",
        "meadow", "north", "orchard", "pebble", "river", "saffron", "willow",
    ],
    [
        "audio", "bikes", "books", "candles", "coffee", "fashion", "flowers", "games", "garden",
        "kitchen", "lamps", "outdoor", "paper", "shoes", "toys", "travel",
    ],
);

const AFFILIATE_WORDS: Words = (
    [
        "bright", "calm", "clever", "daily", "early", "frugal", "honest", "kind", "little",
        "lucky", "merry", "quick", "quiet", "smart", "sunny", "tidy",
    ],
    [
        "badger", "basket", "compass", "deals", "finch", "fox", "guide", "heron", "journal",
        "magpie", "notes", "otter", "picks", "review", "robin", "voucher",
    ],
);

/// The currencies of merchants, the commonest first, and what a euro is about worth in each,
/// in millionths. Any other counts as a euro.
const EXCHANGE: [(&str, u64); 4] =
    [("EUR", 1_000_000), ("GBP", 850_000), ("USD", 1_100_000), ("JPY", 160_000_000)];

/// A tenth to a quarter of what some sell comes back, of others next to nothing.
const REFUND_RATES_PPM: [u32; 8] =
    [8_000, 15_000, 25_000, 40_000, 60_000, 90_000, 140_000, 250_000];
const MEDIAN_SALES_EURO_CENTS: [u64; 7] = [1_900, 2_900, 4_500, 6_900, 11_000, 19_000, 48_000];
const RATES_PPM: [u32; 8] = [20_000, 35_000, 50_000, 62_500, 75_000, 80_000, 100_000, 150_000];
const FIXED_EURO_CENTS: [u64; 6] = [80, 150, 250, 400, 1_000, 2_500];
const LOCKING_DAYS: [u16; 5] = [14, 30, 30, 45, 60];

/// The id of a name made of two words; of the 257th and following, with a number too.
fn worded(prefix: &str, (first, second): &Words, number: u32) -> Id {
    let pairs = 256;
    // An odd factor visits every pair once, and not in the order of the alphabet.
    let pair = number * 167 % pairs;
    let (Some(first), Some(second)) =
        (first.get((pair / 16) as usize), second.get((pair % 16) as usize))
    else {
        unreachable!("sixteen of each");
    };
    let name = match number / pairs {
        0 => format!("{prefix}{first}-{second}"),
        again => format!("{prefix}{first}-{second}-{}", again + 1),
    };
    Id::new(&name).expect("words and digits")
}

/// A currency that merchants trade in.
#[derive(Clone, Copy, Debug)]
pub struct Coin {
    /// Its code.
    pub currency: Currency,
    /// How many of its units a euro cent is worth, in millionths.
    units_per_cent_ppm: u64,
}

impl Coin {
    /// Every one of `currencies`, the commonest first.
    pub fn all(currencies: &Currencies) -> Vec<Self> {
        let place =
            |currency: Currency| EXCHANGE.iter().position(|(code, _)| *code == currency.as_str());
        let mut coins: Vec<_> = currencies.iter().collect();
        coins.sort_by_key(|(currency, _)| (place(*currency).unwrap_or(EXCHANGE.len()), *currency));
        coins.into_iter().map(|(currency, scale)| Self::new(currency, scale)).collect()
    }

    fn new(currency: Currency, scale: u8) -> Self {
        let per_euro = EXCHANGE
            .iter()
            .find(|(code, _)| *code == currency.as_str())
            .map_or(1_000_000, |(_, per_euro)| *per_euro);
        let units_per_cent_ppm = per_euro * 10u64.pow(scale.into()) / 100;
        Self { currency, units_per_cent_ppm }
    }

    /// What `cents` of a euro are about worth: at least a unit, at most [`MAX_UNITS`].
    pub fn amount(&self, cents: u64) -> Amount {
        let units = u128::from(cents) * u128::from(self.units_per_cent_ppm) / 1_000_000;
        let units = u64::try_from(units).unwrap_or(MAX_UNITS).clamp(1, MAX_UNITS);
        Amount::from_units(units).expect("far below the largest amount")
    }
}

/// A merchant's program: what is sold there, and the terms that hold.
#[derive(Clone, Debug)]
pub struct Program {
    /// The tenant, by number.
    pub tenant: u32,
    /// The merchant.
    pub merchant: Id,
    /// The program, within its merchant.
    pub name: Id,
    /// What earns a commission here.
    pub action: Action,
    /// What its merchant is paid in.
    pub coin: Coin,
    /// How much of it comes back, in parts per million.
    pub refund_rate_ppm: u32,
    /// What a typical sale comes to; 0 where nothing is sold.
    median_cents: u64,
    terms: Terms,
    announced: Option<Terms>,
}

/// A version of a program's terms.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Their external id.
    pub external_id: Id,
    /// 1, 2, 3.
    version: u32,
    effective_from: Timestamp,
    /// Days until a commission is due to lock.
    pub locking_days: u16,
    reward: Reward<Amount>,
}

impl Terms {
    /// What a transaction of `amount` earns.
    pub fn earned(&self, amount: Amount) -> Amount {
        match &self.reward {
            Reward::Percent { ppm } => {
                amount.parts_per_million(*ppm).expect("no rate is more than the whole")
            }
            Reward::Fixed { amount, .. } => *amount,
        }
    }
}

/// What a merchant may run beside its sales.
const SIDE_PROGRAMS: [Option<(Action, &str)>; 6] = [
    None,
    Some((Action::Lead, "leads")),
    None,
    Some((Action::Signup, "signups")),
    None,
    Some((Action::Subscription, "subscriptions")),
];

/// Every program of every tenant; those of the same merchant follow each other.
pub fn programs(profile: &Profile, coins: &[Coin], random: &mut Random) -> Vec<Program> {
    let mut programs = Vec::new();
    let tenants = profile.tenants;
    for number in 0..tenants * profile.merchants {
        let merchant = worded("m-", &MERCHANT_WORDS, number);
        let of_tenant = (number / tenants) as usize;
        let side = SIDE_PROGRAMS.get(of_tenant % SIDE_PROGRAMS.len()).copied().flatten();
        // Half of all merchants trade in the commonest currency, half of the rest in the next.
        let halvings = random.word().trailing_zeros() as usize;
        let coin = coins.get(halvings).or(coins.first()).copied().expect("at least one currency");
        for (action, name) in [Some((Action::Sale, "sales")), side].into_iter().flatten() {
            let program = Id::new(name).expect("a word");
            let refund_rate_ppm = random.pick(&REFUND_RATES_PPM);
            let median_cents = match action {
                Action::Sale | Action::Subscription => random.pick(&MEDIAN_SALES_EURO_CENTS),
                Action::Lead | Action::Signup => 0,
            };
            let reward = first_reward(median_cents, coin, random);
            let terms = Terms {
                external_id: terms_id(&merchant, &program, 1),
                version: 1,
                effective_from: profile.start,
                locking_days: random.pick(&LOCKING_DAYS),
                reward,
            };
            programs.push(Program {
                tenant: number % tenants,
                merchant: merchant.clone(),
                name: program,
                action,
                coin,
                refund_rate_ppm,
                median_cents,
                terms,
                announced: None,
            });
        }
    }
    programs
}

/// A percentage for most sales; the same for each where nothing is sold, and for some sales.
fn first_reward(median_cents: u64, coin: Coin, random: &mut Random) -> Reward<Amount> {
    if median_cents == 0 || random.chance(100_000) {
        let amount = coin.amount(random.pick(&FIXED_EURO_CENTS));
        Reward::Fixed { currency: coin.currency, amount }
    } else {
        Reward::Percent { ppm: random.pick(&RATES_PPM) }
    }
}

fn terms_id(merchant: &Id, program: &Id, version: u32) -> Id {
    Id::new(&format!("{merchant}.{program}.v{version}")).expect("ids joined by dots")
}

impl Program {
    /// What a transaction comes to.
    pub fn draw_amount(&self, random: &mut Random) -> Amount {
        match self.median_cents {
            0 => Amount::ZERO,
            median => self.coin.amount(random.around(median)),
        }
    }

    /// The terms that hold at `now`, which never lies before an earlier one.
    pub fn terms_at(&mut self, now: Timestamp) -> &Terms {
        if let Some(terms) = self.announced.take_if(|terms| terms.effective_from <= now) {
            self.terms = terms;
        }
        &self.terms
    }

    /// The first terms, as stated.
    pub fn first_terms(&self) -> (Id, ProgramTerms<Amount>) {
        self.statement(&self.terms)
    }

    /// Announces new terms, as stated; nothing while others are announced.
    pub fn announce(
        &mut self,
        now: Timestamp,
        random: &mut Random,
    ) -> Option<(Id, ProgramTerms<Amount>)> {
        self.terms_at(now);
        if self.announced.is_some() {
            return None;
        }
        let reward = match &self.terms.reward {
            Reward::Percent { .. } => Reward::Percent { ppm: random.pick(&RATES_PPM) },
            Reward::Fixed { currency, amount } => {
                // Between four fifths and five fourths of what it was.
                let ppm = u32::try_from(random.between(800_000, 1_250_000)).unwrap_or(PPM_WHOLE);
                let amount = amount.parts_per_million(ppm).unwrap_or(*amount);
                let most = Amount::from_units(MAX_UNITS).unwrap_or(Amount::MAX);
                Reward::Fixed { currency: *currency, amount: amount.min(most) }
            }
        };
        let version = self.terms.version + 1;
        let terms = Terms {
            external_id: terms_id(&self.merchant, &self.name, version),
            version,
            effective_from: now.saturating_add(NOTICE_DAYS * DAY_MS),
            locking_days: random.pick(&LOCKING_DAYS),
            reward,
        };
        let statement = self.statement(&terms);
        self.announced = Some(terms);
        Some(statement)
    }

    fn statement(&self, terms: &Terms) -> (Id, ProgramTerms<Amount>) {
        let body = ProgramTerms {
            merchant: self.merchant.clone(),
            program: self.name.clone(),
            version: terms.version,
            effective_from: terms.effective_from,
            effective_until: None,
            locking_days: terms.locking_days,
            reward: terms.reward.clone(),
        };
        (terms.external_id.clone(), body)
    }
}

/// Every tenant.
pub fn tenants(profile: &Profile) -> Vec<Id> {
    (1..=profile.tenants)
        .map(|number| match number {
            1 => Id::new("demo"),
            number => Id::new(&format!("demo-{number}")),
        })
        .collect::<Result<_, _>>()
        .expect("words and digits")
}

/// Every affiliate; affiliate number `n` works for tenant number `n` modulo the tenants.
pub fn affiliates(profile: &Profile) -> Vec<Id> {
    let count = profile.tenants * profile.affiliates;
    (0..count).map(|number| worded("aff-", &AFFILIATE_WORDS, number)).collect()
}
