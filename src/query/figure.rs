//! Sums as decimal strings.

use serde::{Serialize, Serializer};

use super::QueryError;
use crate::protocol::accounts::{Slot, Sums};
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
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let width = usize::from(self.scale) + 1;
        let digits = format!("{:0width$}", self.units.unsigned_abs());
        let (whole, decimals) = digits.split_at(digits.len() - usize::from(self.scale));
        match decimals {
            "" => write!(f, "{sign}{whole}"),
            decimals => write!(f, "{sign}{whole}.{decimals}"),
        }
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How many decimals the ledger keeps of a currency that stands on it.
pub(super) fn scale(view: &View, currency: Currency) -> Result<u8, QueryError> {
    let scale = view.chain().spec().currencies.scale(currency);
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
        ];
        for (units, scale, expected) in cases {
            assert_eq!(Figure::new(units, scale).to_string(), expected);
        }
    }
}
