//! Points in time: whole milliseconds since 1970 in UTC, RFC 3339 in text.

use std::borrow::Cow;

use bincode::{Decode, Encode, de::Decoder, enc::Encoder, error::DecodeError, error::EncodeError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds in a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since 1970-01-01T00:00:00Z, before the year 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Why a number or a text is no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Before 1970 or from 9999 on.
    #[error("a time lies between 1970-01-01T00:00:00Z and 9998-12-31T23:59:59.999Z")]
    OutOfRange,
    /// Not RFC 3339.
    #[error("a time is written as in 2026-11-21T14:00:00Z (RFC 3339, with Z or an offset)")]
    NotRfc3339,
    /// Microseconds, say.
    #[error("a time has at most three decimals of a second")]
    TooPrecise,
}

impl Timestamp {
    /// 9998-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_370_764_799_999);
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);

    /// The point `milliseconds` after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] from the year 9999 on.
    pub fn from_millis(milliseconds: u64) -> Result<Self, TimeError> {
        if milliseconds > Self::MAX.0 {
            return Err(TimeError::OutOfRange);
        }
        Ok(Self(milliseconds))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The point `milliseconds` later, or [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds).min(Self::MAX.0))
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC; milliseconds only where there are any.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let milliseconds = i64::try_from(self.0).expect("before the year 9999");
        let time = jiff::Timestamp::from_millisecond(milliseconds).expect("before the year 9999");
        let digits = if self.0.is_multiple_of(1000) { 0 } else { 3 };
        write!(f, "{time:.digits$}")
    }
}

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        // The library reads more than FORMAT.md does: the shape says which.
        if !is_rfc_3339(text) {
            return Err(TimeError::NotRfc3339);
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| TimeError::NotRfc3339)?;
        if !time.subsec_nanosecond().unsigned_abs().is_multiple_of(1_000_000) {
            return Err(TimeError::TooPrecise);
        }
        let milliseconds =
            u64::try_from(time.as_millisecond()).map_err(|_| TimeError::OutOfRange)?;
        Self::from_millis(milliseconds)
    }
}

/// Whether `text` has the shape `2026-11-21T14:00:00.000+01:00`: decimals may be missing, and Z
/// may stand for the offset. No leap seconds, and no offset of a day or more.
fn is_rfc_3339(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shaped = |part: &str, pattern: &str| {
        part.len() == pattern.len()
            && part.bytes().zip(pattern.bytes()).all(|(byte, expected)| match expected {
                b'0' => byte.is_ascii_digit(),
                _ => byte == expected,
            })
    };
    let Some((local, rest)) = text.split_at_checked("2026-11-21T14:00:00".len()) else {
        return false;
    };
    let (fraction, offset) = rest.split_at(rest.find(['Z', '+', '-']).unwrap_or(rest.len()));
    let in_range = offset.get(1..3).is_none_or(|hours| hours < "24");
    shaped(local, "0000-00-00T00:00:00")
        && local.get(17..) < Some("60")
        && (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(digits))
        && (offset == "Z" || shaped(offset, "+00:00") || shaped(offset, "-00:00"))
        && in_range
}

impl Encode for Timestamp {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<Context> Decode<Context> for Timestamp {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::from_millis(u64::decode(decoder)?)
            .map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(Timestamp);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let cases = [
            ("1970-01-01T00:00:00Z", Ok(0)),
            ("2010-12-01T08:26:00Z", Ok(1_291_191_960_000)),
            ("2010-12-01T09:26:00.250+01:00", Ok(1_291_191_960_250)),
            ("9998-12-31T23:59:59.999Z", Ok(Timestamp::MAX.0)),
            ("9999-01-01T00:00:00Z", Err(TimeError::OutOfRange)),
            ("2010-12-01T08:26:00", Err(TimeError::NotRfc3339)),
            ("2010-12-01 08:26:00Z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26Z", Err(TimeError::NotRfc3339)),
            ("2016-12-31T23:59:60Z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00,250Z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00+24:00", Err(TimeError::NotRfc3339)),
            ("2010-13-01T08:26:00Z", Err(TimeError::NotRfc3339)),
            ("yesterday", Err(TimeError::NotRfc3339)),
            ("", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00.0001Z", Err(TimeError::TooPrecise)),
            ("1969-12-31T23:59:59Z", Err(TimeError::OutOfRange)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Timestamp>().map(Timestamp::as_millis), expected, "{text}");
        }
        for millis in [0, 1, 999, 1000, 1_291_191_960_250, Timestamp::MAX.0] {
            let time = Timestamp::from_millis(millis).unwrap();
            assert_eq!(time.to_string().parse(), Ok(time), "{time}");
        }
        assert_eq!(Timestamp(1_291_191_960_000).to_string(), "2010-12-01T08:26:00Z");
        assert_eq!(Timestamp(1_291_191_960_250).to_string(), "2010-12-01T08:26:00.250Z");
        assert!(Timestamp::from_millis(Timestamp::MAX.0 + 1).is_err());
    }
}
