//! Times, amounts and hashes as people read them, each in the language of the page.

use std::fmt::{self, Write};

use askama::filters::HtmlSafe;
use askama::{FastWritable, NO_VALUES, Values};

use super::messages::{Said, counted, language, say};
use crate::protocol::money::{Currency, Decimal, ExchangeRate, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};
use crate::query::Figure;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const MONTH_MS: u64 = 30 * DAY_MS;
const YEAR_MS: u64 = 365 * DAY_MS;
/// How many characters at a hash's end stay when its middle gives way.
const HASH_END_CHARACTERS: usize = 6;

/// A point in time: relative in words, exact on demand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    time: Timestamp,
    ago: Ago,
}

/// The same, exact in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact(Moment);

/// How long before or after now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ago {
    JustNow,
    Past(Span),
    Future(Span),
}

/// A length of time, in its largest whole unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    count: u64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

/// Each unit, and from how many milliseconds on it is used. The largest first.
const UNITS: [(Unit, u64, u64); 7] = [
    (Unit::Year, YEAR_MS, 2 * YEAR_MS),
    (Unit::Month, MONTH_MS, 2 * MONTH_MS),
    (Unit::Day, DAY_MS, 2 * DAY_MS),
    (Unit::Hour, HOUR_MS, HOUR_MS),
    (Unit::Minute, MINUTE_MS, MINUTE_MS),
    (Unit::Second, SECOND_MS, SECOND_MS),
    (Unit::Millisecond, 1, 0),
];

/// An amount of money.
#[derive(Clone, Debug)]
pub(super) struct Money {
    amount: String,
    currency: Currency,
}

/// A hash or a key: the middle gives way where there is no room for it.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    start: String,
    end: String,
}

/// A number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

/// The day of a time, in UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day(pub(super) Timestamp);

/// A rate in per cent, given in parts per million; without zeros at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Percent(pub(super) u32);

/// A share in per cent to one decimal, given in parts per million.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(pub(super) i64);

/// How much one of a currency is in another, without zeros at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rated(pub(super) ExchangeRate);

/// A plain decimal number.
#[derive(Clone, Debug)]
pub(super) struct Number(pub(super) String);

/// What writes itself in the language of the page: that is HTML, and English elsewhere.
macro_rules! written {
    ($($type:ty),+) => {$(
        impl HtmlSafe for $type {}

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.write_into(f, NO_VALUES).map_err(|_| fmt::Error)
            }
        }
    )+};
}
written!(Moment, Exact, Ago, Span, Money, Digest, Count, Day, Percent, Share, Rated, Number);

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
    pub(super) fn exact(&self) -> Exact {
        Exact(*self)
    }
}

impl FastWritable for Moment {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        let (time, readable) = (self.time, language(values).moment(self.time));
        write!(dest, r#"<time datetime="{time}" title="{readable}" data-ago>"#)?;
        self.ago.write_into(dest, values)?;
        Ok(dest.write_str("</time>")?)
    }
}

impl FastWritable for Exact {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        let Self(Moment { time, ago }) = self;
        let readable = language(values).moment(*time);
        write!(dest, r#"<time datetime="{time}">{readable}</time> <span class="ago">("#)?;
        ago.write_into(dest, values)?;
        Ok(dest.write_str(")</span>")?)
    }
}

impl FastWritable for Ago {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        let said = match self {
            Self::JustNow => say("just now"),
            Self::Past(span) => say("{span} ago").with("span", *span),
            Self::Future(span) => say("in {span}").with("span", *span),
        };
        said.write_into(dest, values)
    }
}

impl Span {
    /// A length of `milliseconds`.
    pub(super) fn new(milliseconds: u64) -> Self {
        let (unit, size, _) = UNITS
            .into_iter()
            .find(|(_, _, from)| milliseconds >= *from)
            .expect("milliseconds begin at zero");
        Self { count: milliseconds / size, unit }
    }

    fn said(self) -> Said<'static> {
        let count = self.count;
        match self.unit {
            Unit::Millisecond => counted(count, "{count} millisecond", "{count} milliseconds"),
            Unit::Second => counted(count, "{count} second", "{count} seconds"),
            Unit::Minute => counted(count, "{count} minute", "{count} minutes"),
            Unit::Hour => counted(count, "{count} hour", "{count} hours"),
            Unit::Day => counted(count, "{count} day", "{count} days"),
            Unit::Month => counted(count, "{count} month", "{count} months"),
            Unit::Year => counted(count, "{count} year", "{count} years"),
        }
    }
}

impl FastWritable for Span {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        self.said().write_into(dest, values)
    }
}

impl Money {
    pub(super) fn new(currency: Currency, amount: &Decimal) -> Self {
        Self { amount: amount.as_str().to_owned(), currency }
    }

    /// A sum that an answer gives.
    pub(super) fn of(currency: Currency, figure: Figure) -> Self {
        Self { amount: figure.to_string(), currency }
    }

    /// Whether `amount` is none at all.
    pub(super) fn is_none(amount: &Decimal) -> bool {
        is_nothing(amount.as_str())
    }

    /// Whether it is none at all.
    pub(super) fn is_zero(&self) -> bool {
        is_nothing(&self.amount)
    }
}

fn is_nothing(amount: &str) -> bool {
    !amount.bytes().any(|digit| (b'1'..=b'9').contains(&digit))
}

impl FastWritable for Money {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        let (amount, currency) = (language(values).number(&self.amount), self.currency);
        Ok(write!(dest, r#"<span class="money">{amount} {currency}</span>"#)?)
    }
}

impl Digest {
    pub(super) fn new(digest: impl fmt::Display) -> Self {
        let mut start = digest.to_string();
        let end = start.split_off(start.len().saturating_sub(HASH_END_CHARACTERS));
        Self { start, end }
    }
}

impl FastWritable for Digest {
    fn write_into(&self, dest: &mut dyn Write, _: &dyn Values) -> askama::Result<()> {
        let Self { start, end } = self;
        let hash = format_args!(r#"<span class="hash-start">{start}</span><span>{end}</span>"#);
        Ok(write!(dest, r#"<code class="hash" title="{start}{end}">{hash}</code>"#)?)
    }
}

impl FastWritable for Count {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        Ok(dest.write_str(&language(values).number(&self.0.to_string()))?)
    }
}

impl FastWritable for Day {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        let (time, day) = (self.0, language(values).day(self.0));
        Ok(write!(dest, r#"<time datetime="{time}">{day}</time>"#)?)
    }
}

impl FastWritable for Percent {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        let unit = PPM_WHOLE / 100;
        let text = format!("{}.{:04}", self.0 / unit, self.0 % unit);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        Ok(dest.write_str(&language(values).number(text))?)
    }
}

impl FastWritable for Share {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        // Thousandths, rounded.
        let tenths = self.0.saturating_add(500).div_euclid(1_000);
        let sign = if tenths < 0 { "-" } else { "" };
        let tenths = tenths.unsigned_abs();
        let text = format!("{sign}{}.{}", tenths / 10, tenths % 10);
        Ok(write!(dest, "{} %", language(values).number(&text))?)
    }
}

impl FastWritable for Rated {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        let text = self.0.to_string();
        let text = text.trim_end_matches('0').trim_end_matches('.');
        Ok(dest.write_str(&language(values).number(text))?)
    }
}

impl FastWritable for Number {
    fn write_into(&self, dest: &mut dyn Write, values: &dyn Values) -> askama::Result<()> {
        Ok(dest.write_str(&language(values).number(&self.0))?)
    }
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
