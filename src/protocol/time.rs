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
    /// Second 60. The ledger's scale has no place for it, and another second would be a lie.
    #[error("a time has no leap second: 59 is the last second of a minute")]
    LeapSecond,
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

    /// The calendar month in UTC, counted from January 1970.
    pub fn month(self) -> u32 {
        let date = self.date();
        let year = u32::try_from(date.year()).expect("1970 or later");
        let month = u32::try_from(date.month()).expect("1 to 12");
        (year - 1970) * 12 + month - 1
    }

    /// The day of the month, 1 to 31, in UTC.
    pub fn day_of_month(self) -> u8 {
        u8::try_from(self.date().day()).expect("1 to 31")
    }

    /// 00:00 UTC of `day` (1 to 28) in the calendar month that comes `months` after this one's,
    /// or [`Timestamp::MAX`].
    #[must_use]
    pub fn day_of_later_month(self, months: u8, day: u8) -> Self {
        let month = self.month() + u32::from(months);
        let year = i16::try_from(1970 + month / 12).unwrap_or(i16::MAX);
        let month = i8::try_from(month % 12 + 1).expect("1 to 12");
        let day = i8::try_from(day).unwrap_or(i8::MAX);
        let Ok(date) = jiff::civil::Date::new(year, month, day) else { return Self::MAX };
        let time =
            jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
        let milliseconds = time.ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
        milliseconds.map_or(Self::MAX, |milliseconds| Self(milliseconds.min(Self::MAX.0)))
    }

    fn date(self) -> jiff::civil::Date {
        let milliseconds = i64::try_from(self.0).expect("before the year 9999");
        let time = jiff::Timestamp::from_millisecond(milliseconds).expect("before the year 9999");
        jiff::tz::TimeZone::UTC.to_datetime(time).date()
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
        if !is_rfc3339(text) {
            return Err(TimeError::NotRfc3339);
        }
        if text.get(17..19) == Some("60") {
            return Err(TimeError::LeapSecond);
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

/// Whether `text` has the shape that RFC 3339 demands, upper case. The library that reads it
/// accepts more: a blank for the T, a comma for the point, offsets of 25 hours.
fn is_rfc3339(text: &str) -> bool {
    let Some((local, rest)) = text.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let digits = fraction.len().saturating_sub(zone.len());
            if !(1..=9).contains(&digits) {
                return false;
            }
            zone
        }
    };
    let offset = zone.strip_prefix(['+', '-']);
    has_shape(local, "0000-00-00T00:00:00")
        && (zone == "Z" || offset.is_some_and(|offset| has_shape(offset, "00:00") && offset < "24"))
}

/// Whether `text` is `shape` with any digits in place of its zeros.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, form): (u8, u8)| byte == form || (form == b'0' && byte.is_ascii_digit());
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
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
    fn days_of_later_months() {
        let cases = [
            ("2026-11-21T14:00:00Z", 682, 1, 15, "2026-12-15T00:00:00Z"),
            ("2026-11-30T23:59:59.999Z", 682, 2, 1, "2027-01-01T00:00:00Z"),
            ("2024-02-29T00:00:00Z", 649, 12, 28, "2025-02-28T00:00:00Z"),
            ("1970-01-01T00:00:00Z", 0, 1, 1, "1970-02-01T00:00:00Z"),
            ("9998-12-31T23:59:59.999Z", 96_347, 1, 1, "9998-12-31T23:59:59.999Z"),
        ];
        for (time, month, months, day, expected) in cases {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(time.month(), month, "{time}");
            assert_eq!(time.day_of_later_month(months, day).to_string(), expected, "{time}");
        }
    }

    #[test]
    fn months_go_round_the_year() {
        let mut month = 0;
        let mut time = Timestamp::MIN;
        // Every month from 1970 to 2105, with the years 2000 and 2100 among them.
        for _ in 0..136 * 12 {
            assert_eq!(time.month(), month);
            let next = time.day_of_later_month(1, 1);
            // The last millisecond before belongs to this month, whatever its length.
            let last = Timestamp::from_millis(next.as_millis() - 1).unwrap();
            assert_eq!((last.month(), next.month()), (month, month + 1), "{next}");
            assert_eq!(last.day_of_later_month(1, 1), next);
            let days = (next.as_millis() - time.as_millis()) / DAY_MS;
            assert!((28..=31).contains(&days), "{time}: {days}");
            (month, time) = (month + 1, next);
        }
        assert_eq!(time.to_string(), "2106-01-01T00:00:00Z");
        // What the rules refuse is a time too, and no panic.
        assert_eq!(time.day_of_later_month(0, 31).to_string(), "2106-01-31T00:00:00Z");
        assert_eq!(time.day_of_later_month(1, 31), Timestamp::MAX);
        assert_eq!(time.day_of_later_month(255, 255), Timestamp::MAX);
    }

    #[test]
    fn reads_and_writes_rfc_3339() {
        let cases = [
            ("1970-01-01T00:00:00Z", Ok(0)),
            ("2010-12-01T08:26:00Z", Ok(1_291_191_960_000)),
            ("2010-12-01T09:26:00.250+01:00", Ok(1_291_191_960_250)),
            ("2010-12-01T08:26:00.25-00:00", Ok(1_291_191_960_250)),
            ("2010-12-02T08:25:00+23:59", Ok(1_291_191_960_000)),
            ("9998-12-31T23:59:59.999Z", Ok(Timestamp::MAX.0)),
            ("9999-01-01T00:00:00Z", Err(TimeError::OutOfRange)),
            ("2010-12-01T08:26:00", Err(TimeError::NotRfc3339)),
            ("2010-12-01 08:26:00Z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26Z", Err(TimeError::NotRfc3339)),
            ("2010-13-01T08:26:00Z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00.Z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00,5Z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00.5", Err(TimeError::NotRfc3339)),
            ("2010-12-01t08:26:00z", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00+25:00", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00+24:00", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00+01:60", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00+0100", Err(TimeError::NotRfc3339)),
            ("2010-12-01T08:26:00+01:00[Europe/Paris]", Err(TimeError::NotRfc3339)),
            ("2010-12-01T24:00:00Z", Err(TimeError::NotRfc3339)),
            ("2010-02-30T00:00:00Z", Err(TimeError::NotRfc3339)),
            ("2016-12-31T23:59:60Z", Err(TimeError::LeapSecond)),
            ("éééé-12-31T23:59:60Z", Err(TimeError::NotRfc3339)),
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
