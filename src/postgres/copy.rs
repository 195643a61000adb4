//! Rows in the binary format of PostgreSQL's COPY, which is how the mirror is written and read.
//!
//! A value has one encoding here, the one that the server sends back, so what was written is
//! compared byte by byte with what is there.

use std::fmt::Write as _;

use crate::protocol::money::{Amount, ExchangeRate};
use crate::protocol::time::Timestamp;

/// The signature, no flags, no extension: what every copy begins with.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What every copy ends with, in place of a row's number of fields.
const TRAILER: [u8; 2] = (-1i16).to_be_bytes();
/// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in milliseconds from where we do.
const POSTGRES_EPOCH_MS: i64 = 946_684_800_000;
/// A digit of PostgreSQL's numerics stands for this many decimals.
const DECIMALS_A_DIGIT: u32 = 4;
/// What such a digit is below.
const DIGIT_BASE: u128 = 10_000;
/// The sign of a numeric that is less than nothing.
const NEGATIVE: u16 = 0x4000;

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// Nothing.
    Null,
    /// `boolean`.
    Bool(bool),
    /// `integer`.
    Integer(i32),
    /// `bigint`.
    Bigint(i64),
    /// `text`, or `json`, which is kept as it is.
    Text(&'a str),
    /// `bytea`.
    Bytes(&'a [u8]),
    /// `timestamptz`.
    Time(Timestamp),
    /// `numeric`: so many units of its last decimal.
    Numeric {
        /// How many.
        units: i128,
        /// How many decimals there are.
        scale: u8,
    },
}

impl Field<'_> {
    /// An amount in a currency of `scale`.
    pub fn amount(amount: Amount, scale: u8) -> Self {
        Self::Numeric { units: amount.units().into(), scale }
    }

    /// A number that counts. What is beyond a `bigint` can't be counted to.
    pub fn number(number: impl TryInto<i64>) -> Self {
        Self::Bigint(number.try_into().unwrap_or(i64::MAX))
    }

    /// A rate of exchange.
    pub fn rate(rate: ExchangeRate) -> Self {
        Self::Numeric { units: rate.billionths().into(), scale: ExchangeRate::DECIMALS }
    }

    /// What is there, or nothing.
    pub fn optional<T>(value: Option<T>, field: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, field)
    }

    /// Writes the field: its length, then its bytes.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(&(-1i32).to_be_bytes()),
            Self::Bool(value) => write_bytes(&[u8::from(value)], out),
            Self::Integer(value) => write_bytes(&value.to_be_bytes(), out),
            Self::Bigint(value) => write_bytes(&value.to_be_bytes(), out),
            Self::Text(text) => write_bytes(text.as_bytes(), out),
            Self::Bytes(bytes) => write_bytes(bytes, out),
            Self::Time(time) => write_bytes(&microseconds(time).to_be_bytes(), out),
            Self::Numeric { units, scale } => write_numeric(units, scale, out),
        }
    }
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let length = i32::try_from(bytes.len()).expect("an entry is shorter than 2 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A time as PostgreSQL counts it.
fn microseconds(time: Timestamp) -> i64 {
    let milliseconds = i64::try_from(time.as_millis()).expect("times end in 9998");
    (milliseconds - POSTGRES_EPOCH_MS) * 1000
}

/// Digits of four decimals each, without zeros at either end, and where the point is.
fn write_numeric(units: i128, scale: u8, out: &mut Vec<u8>) {
    let decimals = u32::from(scale);
    let one = 10u128.pow(decimals);
    let (mut whole, fraction) = (units.unsigned_abs() / one, units.unsigned_abs() % one);
    let fraction_digits = decimals.div_ceil(DECIMALS_A_DIGIT);
    let mut fraction = fraction * 10u128.pow(fraction_digits * DECIMALS_A_DIGIT - decimals);
    // From the last digit to the first.
    let mut digits = [0u16; 16];
    let mut count = 0usize;
    let mut put = |digit: u128| {
        if let Some(place) = digits.get_mut(count) {
            *place = u16::try_from(digit).unwrap_or(0);
        }
        count += 1;
    };
    for _ in 0..fraction_digits {
        put(fraction % DIGIT_BASE);
        fraction /= DIGIT_BASE;
    }
    while whole > 0 {
        put(whole % DIGIT_BASE);
        whole /= DIGIT_BASE;
    }
    let mut digits = digits.get(..count).expect("39 digits of a number and 12 of its decimals fit");
    let mut weight =
        i32::try_from(count).unwrap_or(0) - i32::try_from(fraction_digits).unwrap_or(0) - 1;
    while let Some((0, rest)) = digits.split_last() {
        digits = rest;
        weight -= 1;
    }
    while let Some((0, rest)) = digits.split_first() {
        digits = rest;
    }
    if digits.is_empty() {
        weight = 0;
    }
    let sign = if units < 0 { NEGATIVE } else { 0 };
    let length = i32::try_from(8 + 2 * digits.len()).expect("at most 16 digits");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&u16::try_from(digits.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&i16::try_from(weight).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&u16::from(scale).to_be_bytes());
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// Rows for one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyRows {
    bytes: Vec<u8>,
    count: u64,
}

impl Default for CopyRows {
    fn default() -> Self {
        Self { bytes: HEADER.to_vec(), count: 0 }
    }
}

impl CopyRows {
    /// Adds a row: what all rows of its kind begin with, then the rest.
    pub fn push(&mut self, first: &[Field<'_>], rest: &[Field<'_>]) {
        let fields = i16::try_from(first.len() + rest.len()).expect("a table has few columns");
        self.bytes.extend_from_slice(&fields.to_be_bytes());
        for field in first.iter().chain(rest) {
            field.write(&mut self.bytes);
        }
        self.count += 1;
    }

    /// How many bytes they take so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The whole copy.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&TRAILER);
        self.bytes
    }
}

/// The fields of a row that was read; `None` stands for null.
pub type ReadRow<'a> = Vec<Option<&'a [u8]>>;

/// The rows of a whole copy, or `None` where it isn't one.
pub fn rows(copy: &[u8]) -> Option<Vec<ReadRow<'_>>> {
    let mut rest = copy.strip_prefix(HEADER)?;
    let mut rows = Vec::new();
    while rest != TRAILER {
        rows.push(take_row(&mut rest)?);
    }
    Some(rows)
}

/// Hands every row that is whole to `take`, and leaves of `copy`, which comes in parts, what isn't.
pub fn each_row(copy: &mut Vec<u8>, mut take: impl FnMut(&[Option<&[u8]>])) {
    let mut rest = copy.strip_prefix(HEADER).unwrap_or(copy);
    let mut whole = rest;
    while let Some(row) = take_row(&mut rest) {
        take(&row);
        whole = rest;
    }
    let left = whole.len();
    copy.drain(..copy.len() - left);
}

/// The next row, if it is there and whole.
fn take_row<'a>(rest: &mut &'a [u8]) -> Option<ReadRow<'a>> {
    let count = i16::from_be_bytes(*take(rest)?);
    let field = |_| {
        let length = i32::from_be_bytes(*take(rest)?);
        let Ok(length) = usize::try_from(length) else { return Some(None) };
        let (field, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(Some(field))
    };
    // Less than nothing: the end.
    if count < 0 { None } else { (0..count).map(field).collect() }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(first)
}

/// A numeric's bytes but for how many decimals are written: equal where the values are.
pub fn numeric_value(bytes: &[u8]) -> Option<(&[u8; 6], &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    let (_, digits) = rest.split_first_chunk::<2>()?;
    Some((head, digits))
}

/// A numeric in text, as far as its bytes are one.
pub fn numeric_text(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let [count, weight, sign, scale] = [(); 4].map(|()| take::<2>(&mut rest).copied());
    let (count, weight) = (u16::from_be_bytes(count?), i16::from_be_bytes(weight?));
    let (sign, scale) = (u16::from_be_bytes(sign?), u16::from_be_bytes(scale?));
    match sign {
        0 | NEGATIVE => {}
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        _ => return Some("-Infinity".to_owned()),
    }
    let digits: Vec<u16> = rest.as_chunks().0.iter().copied().map(u16::from_be_bytes).collect();
    if digits.len() != usize::from(count) {
        return None;
    }
    let digit = |place: i32| {
        let at = usize::try_from(i32::from(weight) - place).ok();
        at.and_then(|at| digits.get(at)).copied().unwrap_or(0)
    };
    let mut text = if sign == NEGATIVE { "-".to_owned() } else { String::new() };
    let digits_of = |text: &mut String, at| write!(text, "{:04}", digit(at)).expect("memory");
    let mut whole = String::new();
    (0..=i32::from(weight).max(0)).rev().for_each(|at| digits_of(&mut whole, at));
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let groups = i32::from(scale.div_ceil(4));
        let mut fraction = String::new();
        (1..=groups).for_each(|at| digits_of(&mut fraction, -at));
        text.push('.');
        text.push_str(fraction.get(..usize::from(scale))?);
    }
    Some(text)
}

/// A `timestamptz` in text: RFC 3339 where it is a time of ours, or else microseconds.
pub fn time_text(bytes: &[u8]) -> Option<String> {
    let microseconds = i64::from_be_bytes(bytes.try_into().ok()?);
    let milliseconds = microseconds.div_euclid(1000).checked_add(POSTGRES_EPOCH_MS);
    let time = milliseconds.and_then(|time| Timestamp::from_millis(time.try_into().ok()?).ok());
    Some(match time {
        Some(time) if microseconds.rem_euclid(1000) == 0 => time.to_string(),
        _ => format!("{microseconds} microseconds from 2000-01-01T00:00:00Z"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(field: Field<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        field.write(&mut bytes);
        bytes.split_off(4)
    }

    #[test]
    fn numerics_are_what_the_server_sends() {
        // As PostgreSQL's numeric_send has them: digits, weight, sign, decimals, the digits.
        let cases: [(i128, u8, &[u16], &str); 8] = [
            (0, 2, &[0, 0, 0, 2], "0.00"),
            (1250, 2, &[2, 0, 0, 2, 12, 5000], "12.50"),
            (-5, 2, &[1, 0xFFFF, 0x4000, 2, 500], "-0.05"),
            (100_000_000, 0, &[1, 2, 0, 0, 1], "100000000"),
            (1, 9, &[1, 0xFFFD, 0, 9, 1000], "0.000000001"),
            (12_345_678, 3, &[3, 1, 0, 3, 1, 2345, 6780], "12345.678"),
            (10_000, 0, &[1, 1, 0, 0, 1], "10000"),
            (700, 2, &[1, 0, 0, 2, 7], "7.00"),
        ];
        for (units, scale, words, text) in cases {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            assert_eq!(written(Field::Numeric { units, scale }), bytes, "{text}");
            assert_eq!(numeric_text(&bytes).as_deref(), Some(text));
        }
        let largest = written(Field::Numeric { units: i128::MIN, scale: 9 });
        assert_eq!(numeric_text(&largest).unwrap(), "-170141183460469231731687303715.884105728");
        let equal = [(1250, 2), (125, 1), (12_500, 3)]
            .map(|(units, scale)| written(Field::Numeric { units, scale }));
        assert_eq!(numeric_value(&equal[0]), numeric_value(&equal[1]));
        assert_eq!(numeric_value(&equal[0]), numeric_value(&equal[2]));
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        let mut copy = CopyRows::default();
        copy.push(&[Field::Bigint(7)], &[Field::Null, Field::Text("a'\\")]);
        copy.push(&[Field::Bigint(8)], &[Field::Bool(true), Field::Text("")]);
        let bytes = copy.finish();
        let seven = 7i64.to_be_bytes();
        let read = rows(&bytes).unwrap();
        assert_eq!(read[0], [Some(&seven[..]), None, Some(&b"a'\\"[..])]);
        assert_eq!(read.len(), 2);
        assert_eq!(rows(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn times_count_from_2000() {
        let time: Timestamp = "2026-11-21T14:00:00.123Z".parse().unwrap();
        assert_eq!(time_text(&written(Field::Time(time))).unwrap(), time.to_string());
        assert_eq!(written(Field::Time("2000-01-01T00:00:00Z".parse().unwrap())), [0; 8]);
    }
}
