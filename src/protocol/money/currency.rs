//! Currencies, by their codes.

use std::borrow::Cow;

use bincode::{Decode, Encode, de::Decoder, enc::Encoder, error::DecodeError, error::EncodeError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::MoneyError;

/// The shortest and the longest currency code, in characters.
const CURRENCY_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=8;

/// A currency's code: three to eight upper-case letters or digits, usually ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    /// The code, padded with zeros.
    code: [u8; 8],
}

impl Currency {
    /// Checks `code`.
    ///
    /// # Errors
    /// [`MoneyError::BadCurrency`].
    pub fn new(code: &str) -> Result<Self, MoneyError> {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !CURRENCY_CHARACTERS.contains(&code.len()) || !code.bytes().all(plain) {
            return Err(MoneyError::BadCurrency);
        }
        let mut padded = [0; 8];
        for (slot, byte) in padded.iter_mut().zip(code.bytes()) {
            *slot = byte;
        }
        Ok(Self { code: padded })
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        let end = self.code.iter().position(|byte| *byte == 0).unwrap_or(self.code.len());
        std::str::from_utf8(self.code.get(..end).unwrap_or_default()).expect("checked as ASCII")
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::new(text)
    }
}

impl Encode for Currency {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.as_str().encode(encoder)
    }
}

impl<Context> Decode<Context> for Currency {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let code = String::decode(decoder)?;
        Self::new(&code).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(Currency);

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}
