//! Figures as a table for people.

use super::goals::{Bound, Verdict};
use super::report::{Figure, Findings, Unit};
use crate::cli::output;

const LABEL_WIDTH: usize = 58;
const VALUE_WIDTH: usize = 14;
const KIB: f64 = 1024.0;

/// Prints what a part found.
pub fn print(name: &str, findings: &Findings, verdicts: &[Verdict]) -> anyhow::Result<()> {
    output::line(format_args!("\n{name}"))?;
    for figure in &findings.figures {
        let verdict = verdicts.iter().find(|verdict| verdict.key == figure.key);
        let verdict = verdict.map_or(String::new(), |verdict| said(verdict, figure.unit));
        let (label, value) = (&figure.label, value(figure.value, figure.unit));
        let line = format!("  {label:<LABEL_WIDTH$} {value:>VALUE_WIDTH$}  {verdict}");
        output::line(line.trim_end())?;
    }
    for remark in &findings.remarks {
        output::line(format_args!("  ({remark})"))?;
    }
    Ok(())
}

/// A goal, and whether it is met.
fn said(verdict: &Verdict, unit: Unit) -> String {
    let goal = goal_of(verdict, unit);
    if verdict.met {
        format!("{goal}: met")
    } else {
        format!("{goal}: MISSED by {:.0}%", verdict.short_by * 100.0)
    }
}

/// What a figure ought to be.
pub fn goal_of(verdict: &Verdict, unit: Unit) -> String {
    match verdict.goal {
        Bound::AtLeast(least) => format!("≥ {}", value(least, unit)),
        Bound::AtMost(most) => format!("≤ {}", value(most, unit)),
    }
}

/// A figure's value with its unit.
pub fn value_of(figure: &Figure) -> String {
    value(figure.value, figure.unit)
}

fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{}/s", grouped(value)),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Milliseconds if value < 10.0 => format!("{value:.2} ms"),
        Unit::Milliseconds => format!("{value:.0} ms"),
        Unit::Microseconds => format!("{value:.1} µs"),
        Unit::Bytes if value < 10.0 * KIB => format!("{value:.0} B"),
        Unit::Bytes => format!("{:.0} MiB", value / KIB / KIB),
        Unit::Ratio => format!("{value:.2}×"),
        Unit::Cores => format!("{value:.2}"),
        Unit::Count => grouped(value),
    }
}

fn grouped(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates and counts are positive and far below 2^53"
    )]
    let whole = value.round() as u64;
    output::count(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        let cases = [
            (123_456.7, Unit::PerSecond, "123,457/s"),
            (1.234, Unit::Seconds, "1.23 s"),
            (0.1239, Unit::Milliseconds, "0.12 ms"),
            (12.6, Unit::Milliseconds, "13 ms"),
            (7.25, Unit::Microseconds, "7.2 µs"),
            (473.2, Unit::Bytes, "473 B"),
            (512.0 * KIB * KIB, Unit::Bytes, "512 MiB"),
            (0.456, Unit::Ratio, "0.46×"),
            (1e6, Unit::Count, "1,000,000"),
        ];
        for (number, unit, text) in cases {
            assert_eq!(value(number, unit), text);
        }
    }
}
