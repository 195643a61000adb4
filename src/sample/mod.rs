//! Synthetic marketplaces: endless, realistic entries for `dev`, tests and benchmarks.
//!
//! A [`Marketplace`] begins with the terms of every program, with who stands above whom and with
//! what it brings in from another system. Then come sales, leads, signups and subscriptions,
//! what affiliates and those above them earn from them, and what becomes of that: approved,
//! declined, extended, amended, asked about, reopened, taken back in whole or in part, locked,
//! adjusted, paid for by merchants once a month, and paid out once a month. Every entry is one
//! that the rules admit, in an order in which they do. All of it follows from a [`Profile`] alone,
//! on every platform and for ever: integers only, and a random number generator of its own.
//!
//! Everybody in it is invented. Commitments are random bytes that nothing opens.
//!
//! | file | what |
//! |---|---|
//! | `profile.rs` | what a marketplace is like |
//! | `parties.rs` | who takes part: tenants, merchants, affiliates, uplines |
//! | `programs.rs`, `terms.rs` | merchants' programs, and what they pay |
//! | `beginnings.rs` | what it begins with |
//! | `sales.rs`, `trades.rs` | what is sold, and the commissions on it |
//! | `earnings.rs` | what the terms give |
//! | `open.rs`, `futures.rs` | commissions that something still has to happen to, and what |
//! | `follow_ups.rs` | what becomes of commissions |
//! | `fundings.rs`, `payouts.rs` | what waits to be paid for and paid out |
//! | `closing.rs` | the end of a payout: what is taken off, kept and lent |
//! | `settlement.rs` | that, as entries |
//! | `asides.rs` | what happens beside all that |
//! | `monthly.rs` | what waits for the end of a month |
//! | `coins.rs` | currencies |
//! | `chance.rs` | random numbers, prices, popularity |
//!
//! ```
//! use counterfoil::protocol::spec::Currencies;
//! use counterfoil::sample::{Marketplace, Profile};
//!
//! let now = "2026-11-21T14:00:00Z".parse()?;
//! let euro = Currencies::new([("EUR".parse()?, 2)]);
//! for line in Marketplace::new(Profile::history(7, 1_000, now), &euro)?.into_lines().take(3) {
//!     println!("{line}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! - Each tick of the clock is one entry, and each is later than the one before.
//! - Whatever an entry names has been stated before it.
//! - What must be recorded before a locking date happens a day before it or earlier, so that it is
//!   in time where a block covers less than a day.
//! - What is open, what is counted and what waits fit their limits, so memory is bounded.

mod asides;
mod beginnings;
mod chance;
mod closing;
mod coins;
mod earnings;
mod follow_ups;
mod fundings;
mod futures;
mod monthly;
mod open;
mod parties;
mod payouts;
mod profile;
mod programs;
mod sales;
mod settlement;
mod terms;
mod trades;

use std::collections::VecDeque;

pub use monthly::MAX_WAITING;
pub use profile::{
    BENCHMARK_PACE_MS, HISTORY_DAYS, MAX_AFFILIATES, MAX_FOLLOW_UPS_PPM, MAX_ID_DIGITS,
    MAX_MERCHANTS, MAX_OPEN_COMMISSIONS, MAX_PARTIES, MAX_TENANTS, NextDecided, Profile,
    ProfileError,
};

use self::asides::Asides;
use self::beginnings::Beginning;
use self::chance::{Random, Zipf};
use self::coins::Coin;
use self::earnings::Counts;
use self::fundings::Fundings;
use self::open::OpenCommissions;
use self::parties::{Merchant, Uplines};
use self::payouts::Payouts;
use self::programs::Program;
use crate::protocol::entry::{Body, Entry, Kind};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::spec::Currencies;
use crate::protocol::text::EntryText;
use crate::protocol::time::Timestamp;

/// A synthetic marketplace: an iterator of entries that never ends.
#[derive(Clone, Debug)]
pub struct Marketplace {
    profile: Profile,
    currencies: Currencies,
    coins: Vec<Coin>,
    random: Random,
    tenants: Vec<Id>,
    merchants: Vec<Merchant>,
    programs: Vec<Program>,
    program_popularity: Zipf,
    affiliates: Vec<Id>,
    affiliate_popularity: Zipf,
    uplines: Uplines,
    /// What it has yet to begin with.
    beginnings: VecDeque<Beginning>,
    /// How many entries there are so far.
    entries: u64,
    /// The latest number of each kind.
    numbers: [u64; Kind::ALL.len()],
    /// What follows from the latest entry, before anything else: the commissions on a
    /// transaction, or what an answer leads to.
    next: VecDeque<Entry>,
    counts: Counts,
    open: OpenCommissions,
    fundings: Fundings,
    payouts: Payouts,
    asides: Asides,
}

impl Marketplace {
    /// A marketplace that trades in `currencies`.
    ///
    /// # Errors
    /// [`ProfileError`], which names the field.
    pub fn new(profile: Profile, currencies: &Currencies) -> Result<Self, ProfileError> {
        profile.check()?;
        let coins = Coin::all(currencies);
        if coins.is_empty() {
            return Err(ProfileError::NoCurrency);
        }
        let mut random = Random::new(profile.seed);
        let merchants = parties::merchants(&profile, &coins, &mut random);
        let programs = programs::programs(&profile, &merchants, &coins, &mut random);
        let mut market = Self {
            tenants: parties::tenants(&profile),
            program_popularity: Zipf::new(u32::try_from(programs.len()).unwrap_or(u32::MAX)),
            programs,
            affiliates: parties::affiliates(&profile),
            affiliate_popularity: Zipf::new(profile.affiliates),
            uplines: Uplines::new(&profile),
            beginnings: VecDeque::new(),
            entries: 0,
            numbers: [0; Kind::ALL.len()],
            next: VecDeque::new(),
            counts: Counts::default(),
            open: OpenCommissions::new(&profile),
            fundings: Fundings::new(&profile, merchants.len()),
            payouts: Payouts::new(&profile),
            asides: Asides::default(),
            merchants,
            coins,
            currencies: currencies.clone(),
            random,
            profile,
        };
        market.beginnings = market.beginnings().into();
        Ok(market)
    }

    /// The same entries as JSON, one a line, without the line's end.
    pub fn into_lines(self) -> impl Iterator<Item = String> {
        let currencies = self.currencies.clone();
        self.map(move |entry| {
            let text = EntryText::new(&entry, &currencies).expect("it trades in these alone");
            serde_json::to_string(&text).expect("an entry's text is plain JSON")
        })
    }

    fn happen(&mut self, now: Timestamp) -> Entry {
        if let Some(beginning) = self.beginnings.pop_front() {
            return self.begin(beginning, now);
        }
        if let Some(entry) = self.settle(now).or_else(|| self.aside(now)) {
            return entry;
        }
        let at = (now, self.entries);
        if let Some((commission, step)) = self.open.take(at, &mut self.random) {
            return self.follow_up(commission, step, now);
        }
        self.trade(now)
    }

    /// The time of one more entry.
    fn tick(&mut self) -> Timestamp {
        let pace = self.profile.pace_ms;
        let since = self.entries.saturating_mul(pace).saturating_add(self.random.below(pace));
        self.entries += 1;
        self.profile.start.saturating_add(since)
    }

    /// The number of one more of a kind.
    fn fresh(&mut self, kind: Kind) -> u64 {
        let number = self.numbers.get_mut(kind as usize).expect("one for each kind");
        *number += 1;
        *number
    }

    /// The latest number of a kind.
    fn latest(&self, kind: Kind) -> u64 {
        self.numbers.get(kind as usize).copied().expect("one for each kind")
    }

    fn entry(&self, tenant: u32, external_id: Id, now: Timestamp, body: Body<Amount>) -> Entry {
        let tenant = self.tenants.get(tenant as usize).expect("a number of tenants").clone();
        Entry { tenant, external_id, event_time: now, commitment: None, body }
    }

    fn affiliate(&self, number: u32) -> Id {
        self.affiliates.get(number as usize).expect("a number of affiliates").clone()
    }

    fn merchant(&self, number: u32) -> &Merchant {
        self.merchants.get(number as usize).expect("a number of merchants")
    }

    fn coin(&self, number: usize) -> &Coin {
        self.coins.get(number).expect("a number of currencies")
    }

    fn merchant_of(&self, program: u32) -> &Merchant {
        let program = self.programs.get(program as usize).expect("a number of programs");
        self.merchant(program.merchant)
    }

    fn tenant_of(&self, program: u32) -> u32 {
        self.merchant_of(program).tenant
    }

    fn coin_number_of(&self, program: u32) -> usize {
        self.merchant_of(program).coin
    }

    fn coin_of(&self, program: u32) -> &Coin {
        self.coin(self.coin_number_of(program))
    }

    fn commission_id(&self, number: u64) -> Id {
        self.numbered("c-", number)
    }

    /// `prefix` and `number`, filled up to the profile's digits.
    fn numbered(&self, prefix: &str, number: u64) -> Id {
        numbered(prefix, number, self.profile.id_digits)
    }
}

impl Iterator for Marketplace {
    type Item = Entry;

    /// Always an entry.
    fn next(&mut self) -> Option<Entry> {
        self.next.pop_front().or_else(|| {
            let now = self.tick();
            Some(self.happen(now))
        })
    }
}

/// `prefix` and `number` with at least as many digits. By hand, because half of all the time
/// that an entry takes would be spent in formatting.
fn numbered(prefix: &str, mut number: u64, digits: usize) -> Id {
    /// A prefix, [`MAX_ID_DIGITS`] and some.
    const LONGEST: usize = 80;
    let mut text = [b'0'; LONGEST];
    let mut start = LONGEST;
    for slot in text.iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    start = start.min(LONGEST - digits.min(MAX_ID_DIGITS)) - prefix.len();
    for (slot, byte) in text.iter_mut().skip(start).zip(prefix.bytes()) {
        *slot = byte;
    }
    let text = text.get(start..).and_then(|text| std::str::from_utf8(text).ok());
    Id::new(text.expect("prefix and digits")).expect("visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_filled_up() {
        let cases = [
            (0, 1, "t-0"),
            (7, 9, "t-000000007"),
            (1_234_567_890, 9, "t-1234567890"),
            (u64::MAX, 1, "t-18446744073709551615"),
        ];
        for (number, digits, expected) in cases {
            assert_eq!(numbered("t-", number, digits).as_str(), expected);
        }
        let longest = numbered("click-", 5, MAX_ID_DIGITS);
        assert_eq!(longest.as_str().len(), 70);
        assert!(longest.as_str().starts_with("click-000") && longest.as_str().ends_with('5'));
    }

    #[test]
    fn memory_is_bounded() {
        for next_decided in [NextDecided::WhenDue, NextDecided::AtRandom] {
            let profile = Profile {
                next_decided,
                open_commissions: 50,
                pace_ms: 100_000,
                ..Profile::new(1, Timestamp::MIN)
            };
            let euro = Currencies::new([("EUR".parse().unwrap(), 2)]);
            let mut market = Marketplace::new(profile, &euro).unwrap();
            let mut most = 0;
            for _ in 0..20_000 {
                market.next();
                most = most.max(market.open.len());
                assert!(market.next.len() <= 24);
            }
            assert_eq!(most, 50);
        }
    }

    #[test]
    fn needs_a_currency() {
        let none = Currencies::new([]);
        let market = Marketplace::new(Profile::new(1, Timestamp::MIN), &none);
        assert_eq!(market.map(|_| ()), Err(ProfileError::NoCurrency));
    }
}
