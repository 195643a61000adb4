//! Rates of exchange.

use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Decimal;

/// How much one unit of a currency is in another, in billionths: 1.25 is 1250000000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "node", schema(value_type = String, example = "1.083200000"))]
pub struct ExchangeRate(u64);

impl ExchangeRate {
    /// How many decimals a rate has.
    pub const DECIMALS: u8 = 9;

    /// A rate of so many billionths.
    pub const fn from_billionths(billionths: u64) -> Self {
        Self(billionths)
    }

    /// The rate in billionths.
    pub const fn billionths(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for ExchangeRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let one = 10u64.pow(Self::DECIMALS.into());
        write!(f, "{}.{:09}", self.0 / one, self.0 % one)
    }
}

impl Serialize for ExchangeRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExchangeRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const RATE: &str = "a rate is a decimal string of at most nine decimals, such as \"1.25\"";
        let decimal = Decimal::deserialize(deserializer)?;
        let units = decimal.units(Self::DECIMALS);
        units.map(Self).ok_or_else(|| de::Error::custom(RATE))
    }
}
