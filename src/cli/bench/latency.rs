//! How long something took, over many times.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::report::{Findings, Unit};

/// Times are kept to three digits, in a few kilobytes however many there are.
const DIGITS: u8 = 3;

/// Times, of which percentiles can be had.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        Self(Histogram::new(DIGITS).expect("a histogram keeps up to five digits"))
    }

    /// Takes note of a time.
    pub fn record(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.record(nanoseconds.max(1)).expect("one that has no bounds takes every number");
    }

    /// Adds the times of another.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("one that has no bounds takes every number");
    }

    /// The time in milliseconds that `percent` of all were no longer than.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        milliseconds(self.0.value_at_percentile(percent))
    }

    /// Adds median, 99th percentile and longest time to `findings`, as `{key}_p50` and so on.
    pub fn report(&self, findings: &mut Findings, key: &str, label: &str) {
        let times = [("p50", 50.0), ("p99", 99.0), ("max", 100.0)];
        for (name, percent) in times {
            let (key, label) = (format!("{key}_{name}"), format!("{label}, {name}"));
            findings.figure(&key, label, self.percentile_ms(percent), Unit::Milliseconds);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}
