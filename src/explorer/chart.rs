//! Charts, drawn here as SVG: a browser has nothing to compute. What is text stands beside them as
//! HTML, so that it keeps its size whatever the width; each column says its value when pointed at.

use super::language::Language;
use super::values::Count;

/// The height of a drawing, in units of its own.
const HEIGHT: u64 = 100;
/// The width of a column with the gap after it.
const STEP: u64 = 10;
/// The width of a column.
const WIDTH: u64 = 7;

/// Values over time.
pub(super) struct Columns {
    drawn: Vec<Column>,
    /// The largest value, as people read it.
    pub(super) most: String,
    /// What stands below the first and the last column.
    pub(super) ends: [String; 2],
}

/// A value in a chart: what it is of, how much, and both as people read them.
pub(super) struct Value {
    pub(super) of: String,
    pub(super) units: i128,
    pub(super) shown: String,
}

/// A column as it is drawn.
pub(super) struct Column {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) height: u64,
    /// Whether it is less than nothing, which is drawn upwards too.
    pub(super) negative: bool,
    pub(super) said: String,
}

impl Columns {
    /// The chart of `values`, unless there is nothing to see.
    pub(super) fn new(values: &[Value]) -> Option<Self> {
        let largest = values.iter().max_by_key(|value| value.units.unsigned_abs())?;
        let most = Some(largest.units.unsigned_abs()).filter(|units| *units > 0)?;
        let ends = [values.first()?.of.clone(), values.last()?.of.clone()];
        let columns = (0..).zip(values).map(|(place, value)| {
            let height = scaled(value.units.unsigned_abs(), most, HEIGHT);
            Column {
                x: place * STEP,
                y: HEIGHT.saturating_sub(height),
                height,
                negative: value.units < 0,
                said: format!("{}: {}", value.of, value.shown),
            }
        });
        Some(Self { drawn: columns.collect(), most: largest.shown.clone(), ends })
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.drawn
    }

    pub(super) fn width(&self) -> u64 {
        self.drawn.len() as u64 * STEP - (STEP - WIDTH)
    }

    #[expect(clippy::unused_self, reason = "templates ask it of what they draw")]
    pub(super) fn column_width(&self) -> u64 {
        WIDTH
    }

    #[expect(clippy::unused_self, reason = "templates ask it of what they draw")]
    pub(super) fn height(&self) -> u64 {
        HEIGHT
    }
}

/// The length that stands for `value` where `whole` is `units` long. What isn't nothing is seen.
pub(super) fn scaled(value: u128, whole: u128, units: u64) -> u64 {
    if value == 0 || whole == 0 {
        return 0;
    }
    // Sums of money may be too large to multiply.
    let (value, whole) = match value.checked_mul(u128::from(units)) {
        Some(product) => (product, whole),
        None => (value, (whole / u128::from(units)).max(1)),
    };
    u64::try_from(value / whole).unwrap_or(units).clamp(1, units)
}

/// A number of things as a chart says it.
pub(super) fn number(language: Language, count: Count) -> String {
    language.number(&count.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_high_as_their_values() {
        let value = |units: i128| Value { of: "day".into(), units, shown: units.to_string() };
        let chart = Columns::new(&[0, 1, 500, 1_000, -250].map(value)).unwrap();
        let heights: Vec<_> = chart.columns().iter().map(|column| column.height).collect();
        assert_eq!(heights, [0, 1, 50, 100, 25]);
        assert_eq!((chart.most.as_str(), chart.width()), ("1000", 47));
        assert!(chart.columns()[4].negative);
        assert!(Columns::new(&[value(0)]).is_none() && Columns::new(&[]).is_none());
    }

    #[test]
    fn lengths_are_bounded_whatever_the_sums() {
        for (value, whole, expected) in
            [(0, 5, 0), (5, 0, 0), (1, u128::MAX, 1), (u128::MAX, u128::MAX, 100), (3, 4, 75)]
        {
            assert_eq!(scaled(value, whole, 100), expected, "{value} of {whole}");
        }
    }
}
