//! Times, amounts and hashes as people read them. Each renders itself in a template.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::protocol::money::{Currency, Decimal, ExchangeRate, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const MONTH_MS: u64 = 30 * DAY_MS;
const YEAR_MS: u64 = 365 * DAY_MS;
/// How many characters at a hash's end stay when its middle gives way.
const HASH_END_CHARACTERS: usize = 6;

/// A point in time: relative in words, exact on demand.
#[derive(Clone, Debug, Template)]
#[template(path = "value/moment.html")]
pub(super) struct Moment {
    time: Timestamp,
    ago: Ago,
}

/// The same, exact in words.
#[derive(Clone, Debug, Template)]
#[template(path = "value/exact.html")]
pub(super) struct Exact<'a> {
    moment: &'a Moment,
}

/// How long before or after now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "value/ago.html")]
pub(super) enum Ago {
    JustNow,
    Past(Span),
    Future(Span),
}

/// A length of time, in its largest whole unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "value/span.html")]
pub(super) struct Span {
    count: u64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

/// Each unit, and from how many milliseconds on it is used. The largest first.
const UNITS: [(Unit, u64, u64); 6] = [
    (Unit::Year, YEAR_MS, 2 * YEAR_MS),
    (Unit::Month, MONTH_MS, 2 * MONTH_MS),
    (Unit::Day, DAY_MS, 2 * DAY_MS),
    (Unit::Hour, HOUR_MS, HOUR_MS),
    (Unit::Minute, MINUTE_MS, MINUTE_MS),
    (Unit::Second, SECOND_MS, 0),
];

/// An amount of money.
#[derive(Clone, Debug, Template)]
#[template(path = "value/money.html")]
pub(super) struct Money {
    amount: String,
    currency: Currency,
}

/// A hash or a key: the middle gives way where there is no room for it.
#[derive(Clone, Debug, Template)]
#[template(path = "value/digest.html")]
pub(super) struct Digest {
    start: String,
    end: String,
}

/// A number of things.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64);

/// The day of a time, in UTC.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "value/day.html")]
pub(super) struct Day(pub(super) Timestamp);

/// A rate in per cent, given in parts per million; without zeros at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Percent(pub(super) u32);

/// How much one of a currency is in another, without zeros at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rated(pub(super) ExchangeRate);

impl HtmlSafe for Moment {}
impl HtmlSafe for Exact<'_> {}
impl HtmlSafe for Ago {}
impl HtmlSafe for Span {}
impl HtmlSafe for Money {}
impl HtmlSafe for Digest {}
impl HtmlSafe for Count {}
impl HtmlSafe for Day {}
impl HtmlSafe for Percent {}
impl HtmlSafe for Rated {}

impl Moment {
    pub(super) fn new(time: Timestamp, now: Timestamp) -> Self {
        let (time_ms, now_ms) = (time.as_millis(), now.as_millis());
        let ago = match time_ms.abs_diff(now_ms) {
            0..SECOND_MS => Ago::JustNow,
            apart if time_ms < now_ms => Ago::Past(Span::new(apart)),
            apart => Ago::Future(Span::new(apart)),
        };
        Self { time, ago }
    }

    /// The point itself.
    pub(super) fn time(&self) -> Timestamp {
        self.time
    }

    /// How far it is from now.
    pub(super) fn ago(&self) -> Ago {
        self.ago
    }

    /// The same with the exact time in words.
    pub(super) fn exact(&self) -> Exact<'_> {
        Exact { moment: self }
    }

    /// Date and time in UTC, to the millisecond where there are any.
    fn readable(&self) -> String {
        let text = self.time.to_string();
        format!("{} UTC", text.trim_end_matches('Z').replace('T', " "))
    }
}

impl Span {
    /// A length of `milliseconds`.
    pub(super) fn new(milliseconds: u64) -> Self {
        let (unit, size, _) = UNITS
            .into_iter()
            .find(|(_, _, from)| milliseconds >= *from)
            .expect("seconds begin at zero");
        Self { count: milliseconds / size, unit }
    }
}

impl Money {
    pub(super) fn new(currency: Currency, amount: &Decimal) -> Self {
        Self { amount: grouped(amount.as_str()), currency }
    }

    /// Whether `amount` is none at all.
    pub(super) fn is_none(amount: &Decimal) -> bool {
        !amount.as_str().bytes().any(|digit| (b'1'..=b'9').contains(&digit))
    }
}

impl Digest {
    pub(super) fn new(digest: impl std::fmt::Display) -> Self {
        let mut start = digest.to_string();
        let end = start.split_off(start.len().saturating_sub(HASH_END_CHARACTERS));
        Self { start, end }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&grouped(&self.0.to_string()))
    }
}

impl Day {
    fn readable(self) -> String {
        self.0.to_string().split('T').next().unwrap_or_default().to_owned()
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = PPM_WHOLE / 100;
        let text = format!("{}.{:04}", self.0 / unit, self.0 % unit);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl std::fmt::Display for Rated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A decimal number with its thousands apart.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::with_capacity(number.len() + number.len() / 3);
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(time: &str) -> String {
        let now = "2026-11-21T14:00:00Z".parse().unwrap();
        Moment::new(time.parse().unwrap(), now).ago.to_string()
    }

    #[test]
    fn relative_times() {
        let cases = [
            ("2026-11-21T14:00:00Z", "just now"),
            ("2026-11-21T13:59:59Z", "1 second ago"),
            ("2026-11-21T13:59:01Z", "59 seconds ago"),
            ("2026-11-21T13:58:59Z", "1 minute ago"),
            ("2026-11-21T12:00:00Z", "2 hours ago"),
            ("2026-11-20T13:00:00Z", "25 hours ago"),
            ("2026-11-19T13:00:00Z", "2 days ago"),
            ("2026-09-01T13:00:00Z", "2 months ago"),
            ("2024-11-01T13:00:00Z", "2 years ago"),
            ("2026-11-21T14:00:30Z", "in 30 seconds"),
            ("2026-12-21T14:00:00Z", "in 30 days"),
            ("1970-01-01T00:00:00Z", "56 years ago"),
        ];
        for (time, expected) in cases {
            assert_eq!(ago(time), expected, "{time}");
        }
    }

    #[test]
    fn exact_times() {
        let time = "2026-11-21T14:00:00.250Z".parse().unwrap();
        let moment = Moment::new(time, time);
        assert_eq!(moment.readable(), "2026-11-21 14:00:00.250 UTC");
        assert_eq!(Day(time).readable(), "2026-11-21");
    }

    #[test]
    fn numbers() {
        let cases = [("0", "0"), ("999.99", "999.99"), ("1000", "1,000")];
        let long = [("12345678.5", "12,345,678.5"), ("100000.000001", "100,000.000001")];
        for (number, expected) in cases.into_iter().chain(long) {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn rates() {
        for (ppm, expected) in [(75_000, "7.5"), (0, "0"), (1_000_000, "100"), (1, "0.0001")] {
            assert_eq!(Percent(ppm).to_string(), expected);
        }
        for (billionths, expected) in
            [(1_250_000_000, "1.25"), (1_000_000_000, "1"), (6, "0.000000006")]
        {
            assert_eq!(Rated(ExchangeRate::from_billionths(billionths)).to_string(), expected);
        }
    }

    #[test]
    fn hashes_keep_every_character() {
        let digest = Digest::new("0123456789abcdef");
        assert_eq!(format!("{}{}", digest.start, digest.end), "0123456789abcdef");
        assert_eq!(digest.end, "abcdef");
    }
}
