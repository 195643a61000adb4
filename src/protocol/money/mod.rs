//! Money: an integer in the smallest unit of a currency, never a float.
//!
//! How many decimals a currency has on the ledger (its scale) stands in the chain spec and
//! may be finer than ISO 4217's. In text an amount is a decimal string; [`Decimal`] is such
//! a string whose currency has not been looked at yet, [`Amount`] is what it comes to.

mod currency;
mod rate;

use bincode::{Decode, Encode, de::Decoder, enc::Encoder, error::DecodeError, error::EncodeError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::currency::Currency;
pub use self::rate::ExchangeRate;

/// Parts per million: the unit of rates and shares. 1,000,000 is the whole.
pub const PPM_WHOLE: u32 = 1_000_000;

/// The most decimals that a currency may have on the ledger.
pub const MAX_SCALE_DIGITS: u8 = 9;

/// The longest decimal string, in characters: 19 digits, a point, a leading zero.
const MAX_DECIMAL_CHARACTERS: usize = 21;

/// Why a text or a number is no money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three to eight upper-case letters or digits.
    #[error("a currency code is three to eight upper-case letters or digits, such as EUR")]
    BadCurrency,
    /// The chain spec doesn't list it.
    #[error("currency {0} is not in the chain spec")]
    UnknownCurrency(Currency),
    /// Not a plain decimal number.
    #[error(
        "an amount is a string of digits with at most one decimal point, such as \"12.50\": no sign, blank, exponent or superfluous leading zero"
    )]
    NotDecimal,
    /// More decimals than the ledger keeps.
    #[error("{currency} has {scale} decimals on this ledger, this amount has {given}")]
    TooManyDecimals {
        /// The currency.
        currency: Currency,
        /// Decimals that it has on the ledger.
        scale: u8,
        /// Decimals that were given.
        given: usize,
    },
    /// Beyond [`Amount::MAX`].
    #[error("amount is too large")]
    TooLarge,
}

/// An amount of money in units of its currency's ledger scale: 12.50 EUR at scale 2 is 1250.
///
/// Never negative: what is taken back is a kind of its own (a reversal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// The largest amount: 2^63 − 1 units, so that it fits a signed column too.
    pub const MAX: Self = Self(i64::MAX as u64);
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `units` of the ledger scale.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] beyond [`Amount::MAX`].
    pub fn from_units(units: u64) -> Result<Self, MoneyError> {
        if units > Self::MAX.0 { Err(MoneyError::TooLarge) } else { Ok(Self(units)) }
    }

    /// The units of the ledger scale.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// The sum, or `None` beyond [`Amount::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|units| Self::from_units(units).ok())
    }

    /// The difference, or `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `ppm` parts per million of this amount, by the one rounding rule. `None` beyond
    /// [`Amount::MAX`].
    pub fn parts_per_million(self, ppm: u32) -> Option<Self> {
        // 63 + 32 bits can't overflow 128.
        Self::rounded(u128::from(self.0) * u128::from(ppm), u128::from(PPM_WHOLE))
    }

    /// This amount changed at `rate` into a currency of `to_scale` decimals, from one of
    /// `from_scale`, by the one rounding rule. `None` beyond [`Amount::MAX`].
    pub fn changed(self, rate: ExchangeRate, from_scale: u8, to_scale: u8) -> Option<Self> {
        let power = |digits: u8| 10u128.checked_pow(u32::from(digits));
        // 63 + 64 bits fit; where more decimals overflow, the result is no amount either.
        let product = u128::from(self.0) * u128::from(rate.billionths());
        let product = product.checked_mul(power(to_scale.saturating_sub(from_scale))?)?;
        let divisor = power(ExchangeRate::DECIMALS + from_scale.saturating_sub(to_scale))?;
        Self::rounded(product, divisor)
    }

    /// The ledger's one rounding rule: the quotient, half to even.
    fn rounded(dividend: u128, divisor: u128) -> Option<Self> {
        let (quotient, remainder) = (dividend / divisor, dividend % divisor);
        let up = match (remainder * 2).cmp(&divisor) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => !quotient.is_multiple_of(2),
            std::cmp::Ordering::Greater => true,
        };
        let rounded = u64::try_from(quotient + u128::from(up)).ok()?;
        Self::from_units(rounded).ok()
    }

    /// The decimal string of this amount at `scale` decimals, all of them written.
    pub fn to_decimal(self, scale: u8) -> Decimal {
        let digits = format!("{:0>width$}", self.0, width = usize::from(scale) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
        let text = if scale == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") };
        Decimal(text.into_boxed_str())
    }
}

impl Encode for Amount {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<Context> Decode<Context> for Amount {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::from_units(u64::decode(decoder)?)
            .map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(Amount);

/// An amount in text, such as `12.50`: checked in form, not yet against a currency.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

impl Decimal {
    /// Checks the form of `text`: digits, and perhaps a point and more digits.
    ///
    /// # Errors
    /// [`MoneyError::NotDecimal`] or, for more digits than any amount has,
    /// [`MoneyError::TooLarge`].
    pub fn new(text: &str) -> Result<Self, MoneyError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if !digits(whole) || leading_zero || fraction.is_some_and(|part| !digits(part)) {
            return Err(MoneyError::NotDecimal);
        }
        if text.len() > MAX_DECIMAL_CHARACTERS {
            return Err(MoneyError::TooLarge);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The amount that this comes to in a `currency` of `scale` decimals.
    ///
    /// # Errors
    /// [`MoneyError::TooManyDecimals`] or [`MoneyError::TooLarge`]. Never rounds.
    pub fn to_amount(&self, currency: Currency, scale: u8) -> Result<Amount, MoneyError> {
        let given = self.0.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if given > usize::from(scale) {
            return Err(MoneyError::TooManyDecimals { currency, scale, given });
        }
        Amount::from_units(self.units(scale).ok_or(MoneyError::TooLarge)?)
    }

    /// This many units of `scale` decimals; `None` where that has more decimals or is too large.
    fn units(&self, scale: u8) -> Option<u64> {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let missing = usize::from(scale).checked_sub(fraction.len())?;
        let digits = whole.bytes().chain(fraction.bytes());
        digits.chain(std::iter::repeat_n(b'0', missing)).try_fold(0u64, |units, digit| {
            units.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
        })
    }
}

impl Default for Decimal {
    /// Nothing, in any currency.
    fn default() -> Self {
        Self("0".into())
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl std::fmt::Debug for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DecimalVisitor;
        impl de::Visitor<'_> for DecimalVisitor {
            type Value = Decimal;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an amount as a decimal string, such as \"12.50\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                Decimal::new(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(DecimalVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur() -> Currency {
        Currency::new("EUR").unwrap()
    }

    fn parse(text: &str) -> Result<u64, MoneyError> {
        Decimal::new(text)?.to_amount(eur(), 2).map(Amount::units)
    }

    #[test]
    fn decimals() {
        let too_many = |given| MoneyError::TooManyDecimals { currency: eur(), scale: 2, given };
        let cases = [
            ("0", Ok(0)),
            ("12", Ok(1200)),
            ("12.5", Ok(1250)),
            ("12.50", Ok(1250)),
            ("0.01", Ok(1)),
            ("92233720368547758.07", Ok(i64::MAX as u64)),
            ("92233720368547758.08", Err(MoneyError::TooLarge)),
            ("99999999999999999999999999", Err(MoneyError::TooLarge)),
            ("12.500", Err(too_many(3))),
            ("", Err(MoneyError::NotDecimal)),
            (".5", Err(MoneyError::NotDecimal)),
            ("5.", Err(MoneyError::NotDecimal)),
            ("05", Err(MoneyError::NotDecimal)),
            ("-1", Err(MoneyError::NotDecimal)),
            ("+1", Err(MoneyError::NotDecimal)),
            ("1e3", Err(MoneyError::NotDecimal)),
            ("1,000", Err(MoneyError::NotDecimal)),
            ("1.2.3", Err(MoneyError::NotDecimal)),
            ("١", Err(MoneyError::NotDecimal)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn currencies() {
        for code in ["EUR", "GBP", "USDC2", "POINTS12"] {
            assert_eq!(Currency::new(code).unwrap().as_str(), code);
        }
        for code in ["", "EU", "eur", "EURO€", "TOOLONGCODE", "A B"] {
            assert_eq!(Currency::new(code), Err(MoneyError::BadCurrency), "{code}");
        }
    }

    #[test]
    fn rounds_half_to_even() {
        let cases = [(50, 10_000, 0), (150, 10_000, 2), (250, 10_000, 2), (151, 10_000, 2)];
        for (units, ppm, expected) in cases {
            assert_eq!(Amount(units).parts_per_million(ppm), Some(Amount(expected)), "{units}");
        }
        assert_eq!(Amount::MAX.parts_per_million(PPM_WHOLE), Some(Amount::MAX));
        assert_eq!(Amount::MAX.parts_per_million(PPM_WHOLE + 1), None);
    }

    /// What a rate of so many billionths makes of so many units, between these scales.
    #[test]
    fn changes_round_half_to_even() {
        const ONE: u64 = 1_000_000_000;
        const MAX: u64 = Amount::MAX.0;
        let cases = [
            (0, u64::MAX, 0, 9, Some(0)),
            (MAX, 0, 2, 2, Some(0)),
            (1, ONE / 2, 2, 2, Some(0)),
            (3, ONE / 2, 2, 2, Some(2)),
            (5, ONE / 2, 2, 2, Some(2)),
            (1, ONE / 2 + 1, 2, 2, Some(1)),
            (1, ONE / 2 - 1, 2, 2, Some(0)),
            (150, ONE, 2, 0, Some(2)),
            (250, ONE, 2, 0, Some(2)),
            (251, ONE, 2, 0, Some(3)),
            (1, ONE, 0, 9, Some(1_000_000_000)),
            (1_500_000_000, ONE, 9, 0, Some(2)),
            (MAX, ONE, 2, 2, Some(MAX)),
            (MAX, ONE + 1, 2, 2, None),
            (MAX, ONE, 0, 1, None),
            (MAX, ONE, 1, 0, Some(922_337_203_685_477_581)),
            (1 << 62, 2 * ONE, 0, 0, None),
            ((1 << 62) - 1, 2 * ONE, 0, 0, Some(MAX - 1)),
            // Beyond 128 bits on the way.
            (MAX, u64::MAX, 0, 9, None),
            (MAX, u64::MAX, 9, 0, None),
            (1 << 40, u64::MAX, 9, 0, Some(20_282_409_603_652)),
            (1, u64::MAX, 0, 0, Some(18_446_744_074)),
            (1, MAX, 0, 9, Some(MAX)),
            (1, MAX + 1, 0, 9, None),
        ];
        for (units, rate, from, to, expected) in cases {
            let changed = Amount(units).changed(ExchangeRate::from_billionths(rate), from, to);
            assert_eq!(changed.map(Amount::units), expected, "{units} at {rate}, {from} to {to}");
        }
    }

    #[test]
    fn rates_in_text() {
        let read = |text: &str| serde_json::from_value::<ExchangeRate>(text.into());
        let cases = [
            ("1.25", Some((1_250_000_000, "1.250000000"))),
            ("0", Some((0, "0.000000000"))),
            ("0.000000001", Some((1, "0.000000001"))),
            ("18446744073.709551615", Some((u64::MAX, "18446744073.709551615"))),
            ("18446744073.709551616", None),
            ("99999999999", None),
            ("1.0000000000", None),
            ("-1", None),
            ("1e1", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let rate = read(text).ok();
            let found = rate.map(|rate| (rate.billionths(), rate.to_string()));
            assert_eq!(found, expected.map(|(units, text)| (units, text.to_owned())), "{text}");
        }
        for other in [serde_json::json!(1.25), serde_json::json!(1), serde_json::json!(null)] {
            assert!(serde_json::from_value::<ExchangeRate>(other).is_err());
        }
    }

    proptest! {
        /// The rule in words, with whole numbers that have no bound.
        #[test]
        fn changed_is_the_nearest(
            units in 0..=u64::from(u32::MAX), rate in 0..=u64::from(u32::MAX),
            from in 0..=MAX_SCALE_DIGITS, to in 0..=MAX_SCALE_DIGITS,
        ) {
            let dividend = u128::from(units) * u128::from(rate) * 10u128.pow(to.into());
            let divisor = 10u128.pow(u32::from(ExchangeRate::DECIMALS + from));
            match Amount(units).changed(ExchangeRate::from_billionths(rate), from, to) {
                Some(changed) => {
                    let off = dividend.abs_diff(u128::from(changed.0) * divisor) * 2;
                    prop_assert!(off < divisor || off == divisor && changed.0.is_multiple_of(2));
                }
                None => prop_assert!(dividend / divisor >= u128::from(Amount::MAX.0)),
            }
        }

        #[test]
        fn text_and_back(units in 0..=Amount::MAX.0, scale in 0..=MAX_SCALE_DIGITS) {
            let decimal = Amount(units).to_decimal(scale);
            prop_assert_eq!(Decimal::new(decimal.as_str()), Ok(decimal.clone()));
            prop_assert_eq!(decimal.to_amount(eur(), scale), Ok(Amount(units)));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
