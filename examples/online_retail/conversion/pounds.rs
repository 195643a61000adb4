//! Exact sums of pounds, before they are rounded to the ledger's pennies.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use counterfoil::protocol::money::{Amount, Currency, Decimal, MoneyError};
use serde::{Serialize, Serializer};

/// The most decimals of a unit price.
const MAX_PRICE_DECIMALS: u8 = 6;
/// Millionths of a pound in a pound.
const WHOLE: u128 = 1_000_000;
/// A pound has 100 pennies for its million millionths, so pennies are 100 parts per million.
const PENNIES_PPM: u32 = 100;

/// The currency of every price.
pub fn gbp() -> Currency {
    Currency::new("GBP").expect("three letters")
}

/// An exact sum of pounds, in millionths. Adjustments make it negative.
///
/// A price fits 64 bits and a quantity 32, so that no sum of lines gets near 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pounds(i128);

impl Pounds {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads a unit price such as `2.55` or `-11062.06`.
    ///
    /// # Errors
    /// [`MoneyError`]; more than six decimals are an error, never rounded away.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (digits, sign) = text.strip_prefix('-').map_or((text, 1), |digits| (digits, -1));
        let amount = Decimal::new(digits)?.to_amount(gbp(), MAX_PRICE_DECIMALS)?;
        Ok(Self(i128::from(amount.units()) * sign))
    }

    /// The price of `quantity` units at this price each.
    pub fn times(self, quantity: u32) -> Self {
        Self(self.0 * i128::from(quantity))
    }

    /// Whole pennies, rounded half to even: the ledger's one rounding rule.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] for what no ledger amount can hold: negative or immense.
    pub fn to_pennies(self) -> Result<Amount, MoneyError> {
        let millionths = u64::try_from(self.0).map_err(|_| MoneyError::TooLarge)?;
        Amount::from_units(millionths)?.parts_per_million(PENNIES_PPM).ok_or(MoneyError::TooLarge)
    }

    /// What `amount` pennies are.
    pub fn from_pennies(amount: Amount) -> Self {
        Self(i128::from(amount.units()) * 10_000)
    }
}

impl Add for Pounds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Pounds {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Pounds {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Pounds {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Pounds {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::ZERO, Add::add)
    }
}

impl std::fmt::Display for Pounds {
    /// All decimals that say something, two at least.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, millionths) = (self.0.unsigned_abs() / WHOLE, self.0.unsigned_abs() % WHOLE);
        let decimals = format!("{millionths:06}");
        let pennies = decimals.len() - 4;
        let length = decimals.trim_end_matches('0').len().max(pennies);
        let sign = if self.0 < 0 { "-" } else { "" };
        f.pad(&format!("{sign}{whole}.{decimals:.length$}"))
    }
}

impl Serialize for Pounds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_writes_and_rounds() {
        let pennies = |units| Ok(Amount::from_units(units).unwrap());
        let cases = [
            ("2.55", "2.55", pennies(255)),
            ("0.0", "0.00", pennies(0)),
            ("7", "7.00", pennies(700)),
            ("0.001", "0.001", pennies(0)),
            ("0.005", "0.005", pennies(0)),
            ("0.005001", "0.005001", pennies(1)),
            ("0.015", "0.015", pennies(2)),
            ("0.025", "0.025", pennies(2)),
            ("2042.761", "2042.761", pennies(204_276)),
            ("-11062.06", "-11062.06", Err(MoneyError::TooLarge)),
            ("9223372036854.775807", "9223372036854.775807", pennies(922_337_203_685_478)),
        ];
        for (text, written, rounded) in cases {
            let pounds = Pounds::parse(text).unwrap();
            assert_eq!(pounds.to_string(), written);
            assert_eq!(pounds.to_pennies(), rounded, "{text}");
        }
    }

    #[test]
    fn refuses() {
        for text in ["", "-", "--1", "1e3", "£2", "0.0000001", "nan", " 1", "1,000.00"] {
            assert!(Pounds::parse(text).is_err(), "{text}");
        }
        let most = Pounds::parse("9223372036854.775807").unwrap();
        assert_eq!(most.times(u32::MAX).to_pennies(), Err(MoneyError::TooLarge));
    }
}
