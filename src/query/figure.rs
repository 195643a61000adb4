//! Sums as decimal strings.

use serde::{Serialize, Serializer};

use super::QueryError;
use crate::protocol::accounts::{Slot, Sums};
use crate::protocol::entry::Reason;
use crate::protocol::money::Currency;
use crate::store::{StoreError, View};

/// A sum of amounts in a currency's scale. Written as a decimal string, with a sign where it is
/// less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    units: i128,
    scale: u8,
}

impl Figure {
    /// So many units of a currency's last decimal.
    pub const fn new(units: i128, scale: u8) -> Self {
        Self { units, scale }
    }

    /// How many units of the last decimal it is.
    pub const fn units(self) -> i128 {
        self.units
    }

    /// The sum of it and another of the same currency.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { units: self.units.saturating_add(other.units), scale: self.scale }
    }
}

/// The longest figure: 39 digits, a sign, and as many leading zeros and a point as a scale makes.
const MAX_FIGURE_BYTES: usize = 300;

impl Figure {
    /// Writes the figure from its end into `buffer`. A page has thousands of them, so this doesn't
    /// go by way of the formatter.
    fn write(self, buffer: &mut [u8; MAX_FIGURE_BYTES]) -> &str {
        let mut rest = self.units.unsigned_abs();
        let (mut start, mut digits) = (buffer.len(), 0);
        let mut put = |byte: u8| {
            start -= 1;
            if let Some(place) = buffer.get_mut(start) {
                *place = byte;
            }
        };
        while rest > 0 || digits <= usize::from(self.scale) {
            if digits == usize::from(self.scale) && digits > 0 {
                put(b'.');
            }
            // Most fit 64 bits, which are much quicker to divide.
            let digit = if let Ok(short) = u64::try_from(rest) {
                rest = u128::from(short / 10);
                u8::try_from(short % 10)
            } else {
                let digit = u8::try_from(rest % 10);
                rest /= 10;
                digit
            };
            put(b'0' + digit.unwrap_or(0));
            digits += 1;
        }
        if self.units < 0 {
            put(b'-');
        }
        std::str::from_utf8(buffer.get(start..).unwrap_or_default()).unwrap_or_default()
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.write(&mut [0; MAX_FIGURE_BYTES]))
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write(&mut [0; MAX_FIGURE_BYTES]))
    }
}

/// A quotient, by the ledger's one rounding rule: half to even. `None` for a divisor that isn't
/// positive, and beyond what a number can be.
fn quotient(dividend: i128, divisor: i128) -> Option<i128> {
    if divisor <= 0 {
        return None;
    }
    let (floor, remainder) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = match remainder.cmp(&(divisor - remainder)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => floor % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    floor.checked_add(i128::from(up))
}

/// How many parts per million `part` is of `whole`; nothing where there is no whole.
pub(super) fn ppm(part: i128, whole: i128) -> Option<i64> {
    quotient(part.checked_mul(1_000_000)?, whole)?.try_into().ok()
}

/// How many days each of `count` took, to the third decimal; nothing where there are none.
pub(super) fn mean_days(seconds: i128, count: i128) -> Option<Figure> {
    let days = quotient(seconds.checked_mul(1000)?, count.checked_mul(24 * 60 * 60)?)?;
    Some(Figure::new(days, 3))
}

/// The number in a slot that counts.
pub(super) fn count(sums: &Sums, slot: Slot) -> u64 {
    u64::try_from(sums.get(slot)).unwrap_or(0)
}

/// What the slots come to that `of_reason` names.
pub(super) fn over_reasons(sums: &Sums, of_reason: impl Fn(Reason) -> Slot) -> i128 {
    Reason::ALL.into_iter().map(|reason| sums.get(of_reason(reason))).sum()
}

/// How many decimals the ledger keeps of a currency that stands on it.
pub(super) fn scale(view: &View, currency: Currency) -> Result<u8, QueryError> {
    let scale = view.spec().currencies.scale(currency);
    Ok(scale.map_err(|error| StoreError::damaged("currency", error))?)
}

/// The figure in a slot.
pub(super) fn figure(sums: &Sums, slot: Slot, scale: u8) -> Figure {
    Figure::new(sums.get(slot), scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_plain_decimals() {
        let cases = [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (1250, 2, "12.50"),
            (-1250, 0, "-1250"),
            (i128::from(u64::MAX), 9, "18446744073.709551615"),
            (i128::MAX, 3, "170141183460469231731687303715884105.727"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ];
        for (units, scale, expected) in cases {
            assert_eq!(Figure::new(units, scale).to_string(), expected);
        }
    }

    #[test]
    fn quotients_are_rounded_half_to_even() {
        let cases = [
            (5, 2, Some(2)),
            (7, 2, Some(4)),
            (-5, 2, Some(-2)),
            (-7, 2, Some(-4)),
            (-8, 3, Some(-3)),
            (8, 3, Some(3)),
            (0, 3, Some(0)),
            (1, 0, None),
        ];
        for (dividend, divisor, expected) in cases {
            assert_eq!(quotient(dividend, divisor), expected, "{dividend} / {divisor}");
        }
        assert_eq!(ppm(1, 3), Some(333_333));
        assert_eq!(ppm(i128::MAX, 1), None);
        assert_eq!(mean_days(3 * 86_400, 2).unwrap().to_string(), "1.500");
        assert_eq!(mean_days(-43, 1).unwrap().to_string(), "0.000");
        assert_eq!(mean_days(-44, 1).unwrap().to_string(), "-0.001");
        assert_eq!(mean_days(1, 0), None);
    }
}
