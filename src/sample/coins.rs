//! The currencies that merchants trade in, and what they are worth.

use super::chance::Random;
use crate::protocol::money::{Amount, Currency, ExchangeRate};
use crate::protocol::spec::Currencies;

/// The largest amount that is ever drawn, in units of its currency: so many commissions as
/// one payout run can hold stay far below [`Amount::MAX`] together.
pub const MAX_UNITS: u64 = 10_000_000_000_000;

/// The currencies of merchants, the commonest first, and what a euro is about worth in each,
/// in millionths. Any other counts as a euro.
const EXCHANGE: [(&str, u64); 4] =
    [("EUR", 1_000_000), ("GBP", 850_000), ("USD", 1_100_000), ("JPY", 160_000_000)];

/// A currency that merchants trade in.
#[derive(Clone, Copy, Debug)]
pub struct Coin {
    /// Its code.
    pub currency: Currency,
    /// How many decimals the ledger keeps of it.
    pub scale: u8,
    /// How much of it a euro is worth, in millionths.
    per_euro_ppm: u64,
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
        let per_euro_ppm = EXCHANGE
            .iter()
            .find(|(code, _)| *code == currency.as_str())
            .map_or(1_000_000, |(_, per_euro)| *per_euro);
        let units_per_cent_ppm = per_euro_ppm * 10u64.pow(scale.into()) / 100;
        Self { currency, scale, per_euro_ppm, units_per_cent_ppm }
    }

    /// What `cents` of a euro are about worth: at least a unit, at most [`MAX_UNITS`].
    pub fn amount(&self, cents: u64) -> Amount {
        let units = u128::from(cents) * u128::from(self.units_per_cent_ppm) / 1_000_000;
        let units = u64::try_from(units).unwrap_or(MAX_UNITS).clamp(1, MAX_UNITS);
        Amount::from_units(units).expect("far below the largest amount")
    }

    /// How much one of this is in `other`, within three hundredths of what it mostly is.
    pub fn rate_to(&self, other: &Self, random: &mut Random) -> ExchangeRate {
        let billionths = other.per_euro_ppm * 1_000_000 / self.per_euro_ppm;
        ExchangeRate::from_billionths(billionths * random.between(970, 1_030))
    }
}
