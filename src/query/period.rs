//! Days, and the weeks and months that they make up.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::QueryError;
use crate::protocol::time::{DAY_MS, Timestamp};

/// The most days that one question may be about: ten years.
pub const MAX_SPAN_DAYS: u32 = 3_660;

/// A day in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(
    /// Counted from 1970-01-01.
    u32,
);

/// A text that is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day is written as in 2026-11-21, from 1970 to 9998")]
pub struct DayError;

impl Day {
    /// 1970-01-01.
    pub(super) const EPOCH: Self = Self(0);

    /// The day that a time falls on.
    pub fn of(time: Timestamp) -> Self {
        Self(u32::try_from(time.as_millis() / DAY_MS).unwrap_or(u32::MAX))
    }

    /// How many days it comes after 1970-01-01.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(u64::from(self.0) * DAY_MS).unwrap_or(Timestamp::MAX)
    }

    /// The day so many days later.
    pub(super) const fn later(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The first day of its month.
    pub(super) fn first_of_month(self) -> Self {
        Self::of(self.start().day_of_later_month(0, 1))
    }

    /// The first day of the month after its own.
    pub(super) fn first_of_next_month(self) -> Self {
        // After the last month that there is comes the day after its last.
        let first = self.start().day_of_later_month(1, 1);
        if first == Timestamp::MAX { Self::of(first).later(1) } else { Self::of(first) }
    }

    /// The Monday of its week. 1970-01-01 was a Thursday, and stands for the Monday before.
    fn monday(self) -> Self {
        Self(self.0.saturating_sub((self.0 + 3) % 7))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = self.start().to_string();
        f.pad(time.get(..10).unwrap_or(&time))
    }
}

impl std::fmt::Debug for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        // Only ten characters can be a date before what follows.
        let time: Timestamp = format!("{text}T00:00:00Z").parse().map_err(|_| DayError)?;
        Ok(Self::of(time))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Days that a question is about: at least one, and [`MAX_SPAN_DAYS`] at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    from: Day,
    /// The one that all are before.
    to: Day,
}

impl Span {
    /// The days from `from` on that are before `to`.
    ///
    /// # Errors
    /// [`QueryError::BadQuestion`] for none, or too many.
    pub fn new(from: Day, to: Day) -> Result<Self, QueryError> {
        match to.0.checked_sub(from.0) {
            None | Some(0) => {
                let problem = format!("must be after from ({from}), is {to}; it isn't included");
                Err(QueryError::bad("to", problem))
            }
            Some(days) if days > MAX_SPAN_DAYS => {
                let problem = format!("at most {MAX_SPAN_DAYS} days after from, these are {days}");
                Err(QueryError::bad("to", problem))
            }
            Some(_) => Ok(Self { from, to }),
        }
    }

    /// The first day.
    pub const fn from(self) -> Day {
        self.from
    }

    /// The day that all are before.
    pub const fn to(self) -> Day {
        self.to
    }

    /// Whether a day is among them.
    pub(super) fn has(self, day: Day) -> bool {
        (self.from..self.to).contains(&day)
    }
}

/// How long the periods are that days are put together to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Day,
    /// From Monday on, as ISO 8601 has it.
    Week,
    Month,
}

impl Length {
    /// The first day of the period that has `day`.
    pub(super) fn start(self, day: Day) -> Day {
        match self {
            Self::Day => day,
            Self::Week => day.monday(),
            Self::Month => day.first_of_month(),
        }
    }

    /// The day that all of the period are before that begins with `start`.
    pub(super) fn end(self, start: Day) -> Day {
        match self {
            Self::Day => start.later(1),
            // The first week that there is has no Monday.
            Self::Week => start.later(7).monday(),
            Self::Month => start.first_of_next_month(),
        }
    }

    /// The name of the period that begins with `start`, as ISO 8601 has it.
    pub(super) fn name(self, start: Day) -> String {
        match self {
            Self::Day => start.to_string(),
            Self::Week => week_name(start),
            Self::Month => start.to_string().chars().take(7).collect(),
        }
    }
}

/// A week belongs to the year that has its Thursday.
fn week_name(monday: Day) -> String {
    let thursday = Length::Week.end(monday).0.saturating_sub(4);
    let year: String = Day(thursday).to_string().chars().take(4).collect();
    let first = format!("{year}-01-01").parse().map_or(thursday, |day: Day| day.0);
    let week = thursday.saturating_sub(first) / 7 + 1;
    format!("{year}-W{week:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_calendar() {
        let cases = [
            ("2026-03-01", Length::Day, "2026-03-01", "2026-03-02", "2026-03-01"),
            ("2026-03-01", Length::Week, "2026-02-23", "2026-03-02", "2026-W09"),
            ("2026-03-02", Length::Week, "2026-03-02", "2026-03-09", "2026-W10"),
            ("2027-01-03", Length::Week, "2026-12-28", "2027-01-04", "2026-W53"),
            ("2024-12-30", Length::Week, "2024-12-30", "2025-01-06", "2025-W01"),
            ("2023-01-01", Length::Week, "2022-12-26", "2023-01-02", "2022-W52"),
            ("1970-01-03", Length::Week, "1970-01-01", "1970-01-05", "1970-W01"),
            ("2024-02-29", Length::Month, "2024-02-01", "2024-03-01", "2024-02"),
            ("2026-12-31", Length::Month, "2026-12-01", "2027-01-01", "2026-12"),
            ("1970-01-31", Length::Month, "1970-01-01", "1970-02-01", "1970-01"),
        ];
        for (day, length, start, end, name) in cases {
            let found = length.start(day.parse().unwrap());
            assert_eq!(found.to_string(), start, "{day} {length:?}");
            assert_eq!(length.end(found).to_string(), end, "{day} {length:?}");
            assert_eq!(length.name(found), name, "{day} {length:?}");
        }
        let last: Day = "9998-12-31".parse().unwrap();
        assert!(last.first_of_next_month() > last);
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "2026-3-1", "2026-02-30", "2026-03-01T00:00:00Z", "9999-01-01", "today"] {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
    }

    #[test]
    fn a_span_is_bounded() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let from = day("2026-03-01");
        let span = |to| Span::new(from, to).map_err(|error| error.to_string());
        assert!(span(from.later(1)).is_ok() && span(from.later(MAX_SPAN_DAYS)).is_ok());
        for to in [from, day("2026-02-01"), from.later(MAX_SPAN_DAYS + 1)] {
            assert!(span(to).unwrap_err().starts_with("to: "), "{to}");
        }
    }
}
