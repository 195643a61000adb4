//! The languages of the pages: which one somebody gets, and how numbers and dates are written in it.

use crate::protocol::time::Timestamp;

/// The most languages of an `Accept-Language` header that are looked at.
const MAX_ACCEPTED_LANGUAGES: usize = 16;

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Language {
    #[default]
    English,
    German,
    Arabic,
}

/// Which form a word takes beside a number: the plural categories of Unicode's CLDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Plural {
    Zero,
    One,
    Two,
    Few,
    Many,
    Other,
}

impl Language {
    pub(super) const ALL: [Self; 3] = [Self::English, Self::German, Self::Arabic];

    /// Its code (BCP 47), also the first part of an address that asks for it.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Arabic => "ar",
        }
    }

    /// What it calls itself.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::Arabic => "العربية",
        }
    }

    /// Which way it is written.
    pub(super) const fn direction(self) -> &'static str {
        match self {
            Self::English | Self::German => "ltr",
            Self::Arabic => "rtl",
        }
    }

    /// The language with this code; regions don't matter.
    pub(super) fn with_code(code: &str) -> Option<Self> {
        let primary = code.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// What somebody prefers of what there is, by an `Accept-Language` header.
    pub(super) fn accepted(header: &str) -> Option<Self> {
        let wished = header.split(',').take(MAX_ACCEPTED_LANGUAGES).filter_map(|wish| {
            let (code, weight) = wish.split_once(';').unwrap_or((wish, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            Self::with_code(code.trim()).filter(|_| weight > 0.0).map(|known| (weight, known))
        });
        // Of those that weigh the same the first counts.
        let best = wished.fold(None, |best: Option<(f32, Self)>, wish| match best {
            Some(known) if known.0 >= wish.0 => Some(known),
            _ => Some(wish),
        });
        best.map(|(_, language)| language)
    }

    /// The form that a word takes beside `number`.
    pub(super) const fn plural(self, number: u64) -> Plural {
        match (self, number, number % 100) {
            (_, 1, _) => Plural::One,
            (Self::Arabic, 0, _) => Plural::Zero,
            (Self::Arabic, 2, _) => Plural::Two,
            (Self::Arabic, _, 3..=10) => Plural::Few,
            (Self::Arabic, _, 11..=99) => Plural::Many,
            _ => Plural::Other,
        }
    }

    /// The forms that its words have.
    #[cfg(test)]
    pub(super) const fn plurals(self) -> &'static [Plural] {
        match self {
            Self::English | Self::German => &[Plural::One, Plural::Other],
            Self::Arabic => {
                &[Plural::Zero, Plural::One, Plural::Two, Plural::Few, Plural::Many, Plural::Other]
            }
        }
    }

    /// A decimal number as this language writes it, given with a point and maybe a sign. Digits are
    /// those of the hashes and ids beside it, in Arabic too.
    pub(super) fn number(self, decimal: &str) -> String {
        let (sign, rest) = match decimal.strip_prefix('-') {
            Some(rest) => ("−", rest),
            None => ("", decimal),
        };
        let (group, point) = match self {
            Self::English | Self::Arabic => (',', '.'),
            Self::German => ('.', ','),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let mut text = String::with_capacity(decimal.len() + decimal.len() / 3 + 4);
        text.push_str(sign);
        for (position, digit) in whole.chars().enumerate() {
            if position > 0 && whole.len().saturating_sub(position).is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        if !fraction.is_empty() {
            text.push(point);
            text.push_str(fraction);
        }
        text
    }

    /// The day of a time, in UTC.
    pub(super) fn day(self, time: Timestamp) -> String {
        let text = time.to_string();
        let day = text.get(8..10).unwrap_or_default().trim_start_matches('0');
        let point = if self == Self::German { "." } else { "" };
        format!("{day}{point} {}", self.month(time))
    }

    /// The month of a time, in UTC.
    pub(super) fn month(self, time: Timestamp) -> String {
        let text = time.to_string();
        let (year, month) = (text.get(..4).unwrap_or_default(), text.get(5..7).unwrap_or_default());
        let place = month.parse::<usize>().unwrap_or(1).saturating_sub(1);
        let names = match self {
            Self::English => &ENGLISH_MONTHS,
            Self::German => &GERMAN_MONTHS,
            Self::Arabic => &ARABIC_MONTHS,
        };
        format!("{} {year}", names.get(place).copied().unwrap_or_default())
    }

    /// Day and time in UTC, to the millisecond where there are any.
    pub(super) fn moment(self, time: Timestamp) -> String {
        let text = time.to_string();
        let clock = text.split_once('T').map_or("", |(_, clock)| clock).trim_end_matches('Z');
        let comma = if self == Self::Arabic { "،" } else { "," };
        format!("{}{comma} {clock} UTC", self.day(time))
    }
}

const ENGLISH_MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const GERMAN_MONTHS: [&str; 12] = [
    "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez.",
];
const ARABIC_MONTHS: [&str; 12] = [
    "يناير",
    "فبراير",
    "مارس",
    "أبريل",
    "مايو",
    "يونيو",
    "يوليو",
    "أغسطس",
    "سبتمبر",
    "أكتوبر",
    "نوفمبر",
    "ديسمبر",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_what_they_prefer_of_what_there_is() {
        let cases = [
            ("de", Some(Language::German)),
            ("fr, de-CH;q=0.8, en;q=0.5", Some(Language::German)),
            ("en;q=0.5,ar-EG;q=0.9", Some(Language::Arabic)),
            ("en; q=0.5 , de ; q=0.7", Some(Language::German)),
            ("de;q=0, en", Some(Language::English)),
            ("EN-gb,de", Some(Language::English)),
            ("fr", None),
            ("de;q=much", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn numbers() {
        let cases = [
            ("0", "0", "0"),
            ("999.99", "999.99", "999,99"),
            ("1000", "1,000", "1.000"),
            ("-12345678.5", "−12,345,678.5", "−12.345.678,5"),
            ("100000.000001", "100,000.000001", "100.000,000001"),
        ];
        for (number, english, german) in cases {
            assert_eq!(Language::English.number(number), english);
            assert_eq!(Language::German.number(number), german);
        }
    }

    #[test]
    fn times() {
        let time = "2026-03-01T14:00:00.250Z".parse().unwrap();
        assert_eq!(Language::English.moment(time), "1 Mar 2026, 14:00:00.250 UTC");
        assert_eq!(Language::German.moment(time), "1. März 2026, 14:00:00.250 UTC");
        assert_eq!(Language::Arabic.moment(time), "1 مارس 2026، 14:00:00.250 UTC");
    }

    #[test]
    fn words_agree_with_numbers() {
        use Plural::{Few, Many, One, Other, Two, Zero};
        let forms = [0, 1, 2, 3, 10, 11, 99, 100, 102, 103, 111, 200]
            .map(|number| Language::Arabic.plural(number));
        assert_eq!(forms, [Zero, One, Two, Few, Few, Many, Many, Other, Other, Few, Many, Other]);
    }
}
