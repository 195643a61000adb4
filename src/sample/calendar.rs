//! Months, in UTC.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use crate::protocol::time::Timestamp;

/// The beginning of the month after that of `time`.
pub fn next_month(time: Timestamp) -> Timestamp {
    day_of_month(time, 1, 1)
}

/// The beginning of the day `day` in the month that comes `months` after that of `time`. `day`
/// is 1 to 28. The end of time, where there is no such day any more.
pub fn day_of_month(time: Timestamp, months: u8, day: u8) -> Timestamp {
    let date = civil(time).date();
    let month = i32::from(date.year()) * 12 + i32::from(date.month()) - 1 + i32::from(months);
    let (Ok(year), Ok(month)) = (i16::try_from(month / 12), i8::try_from(month % 12 + 1)) else {
        return Timestamp::MAX;
    };
    let day = i8::try_from(day).unwrap_or(1);
    Date::new(year, month, day)
        .and_then(|date| Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)))
        .ok()
        .and_then(|begin| u64::try_from(begin.as_millisecond()).ok())
        .and_then(|begin| Timestamp::from_millis(begin).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A number of the month of `time`, one more for each month.
pub fn month_number(time: Timestamp) -> i32 {
    let date = civil(time).date();
    i32::from(date.year()) * 12 + i32::from(date.month())
}

fn civil(time: Timestamp) -> DateTime {
    let milliseconds = i64::try_from(time.as_millis()).expect("before the year 9999");
    let time = jiff::Timestamp::from_millisecond(milliseconds).expect("before the year 9999");
    Offset::UTC.to_datetime(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end() {
        let cases = [
            ("1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z"),
            ("2024-02-10T12:00:00Z", "2024-03-01T00:00:00Z"),
            ("2025-12-31T23:59:59.999Z", "2026-01-01T00:00:00Z"),
            ("2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("9998-12-31T23:59:59.999Z", "9998-12-31T23:59:59.999Z"),
        ];
        for (time, expected) in cases {
            let next = next_month(time.parse().unwrap());
            assert_eq!(next, expected.parse().unwrap(), "{time}");
        }
    }

    #[test]
    fn days_of_later_months() {
        let cases = [
            ("2025-12-31T23:00:00Z", 1, 20, "2026-01-20T00:00:00Z"),
            ("2025-12-31T23:00:00Z", 12, 28, "2026-12-28T00:00:00Z"),
            ("2025-11-01T00:00:00Z", 2, 1, "2026-01-01T00:00:00Z"),
        ];
        for (time, months, day, expected) in cases {
            let date = day_of_month(time.parse().unwrap(), months, day);
            assert_eq!(date, expected.parse().unwrap(), "{time}");
        }
        let [one, other] = ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"]
            .map(|time| month_number(time.parse().unwrap()));
        assert_eq!(one + 1, other);
    }
}
