//! What was measured: figures, curves and remarks, the same for the table, the JSON and the
//! chart.

use serde::{Deserialize, Serialize};

use super::goals;
use super::ground::Workload;
use super::machine::Machine;
use crate::protocol::time::Timestamp;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// So many each second.
    PerSecond,
    /// A time, in seconds.
    Seconds,
    /// A time, in milliseconds.
    Milliseconds,
    /// A time, in microseconds.
    Microseconds,
    /// Bytes.
    Bytes,
    /// One figure over another.
    Ratio,
    /// So many processors.
    Cores,
    /// A number of something.
    Count,
}

/// One figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// What a program finds it by, such as `ingest.rate`.
    pub key: String,
    /// What a person reads.
    pub label: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
}

/// A stretch of a curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// How many entries the ledger had before it.
    pub from_entry: u64,
    /// How many were written in it.
    pub entries: u64,
    /// In how long, in seconds.
    pub seconds: f64,
}

impl Slice {
    /// Entries a second.
    pub fn rate(&self) -> f64 {
        per_second(self.entries, self.seconds)
    }
}

/// How fast something was over a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curve {
    /// What a program finds it by.
    pub key: String,
    /// What was so fast.
    pub name: String,
    /// The run, piece by piece.
    pub slices: Vec<Slice>,
}

impl Curve {
    /// A curve.
    pub fn new(key: &str, name: &str, slices: Vec<Slice>) -> Self {
        Self { key: key.to_owned(), name: name.to_owned(), slices }
    }

    /// Entries a second over the whole run.
    pub fn rate(&self) -> f64 {
        let entries = self.slices.iter().map(|slice| slice.entries).sum();
        per_second(entries, self.slices.iter().map(|slice| slice.seconds).sum())
    }
}

/// What a part found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Findings {
    /// In the order in which they are to be read.
    pub figures: Vec<Figure>,
    /// What changes over a run.
    #[serde(default)]
    pub curves: Vec<Curve>,
    /// What one must know to read the figures.
    #[serde(default)]
    pub remarks: Vec<String>,
}

impl Findings {
    /// Adds a figure.
    pub fn figure(&mut self, key: &str, label: impl Into<String>, value: f64, unit: Unit) {
        self.figures.push(Figure { key: key.to_owned(), label: label.into(), value, unit });
    }

    /// Adds a remark.
    pub fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }

    /// Adds what another part found.
    pub fn extend(&mut self, more: Self) {
        self.figures.extend(more.figures);
        self.curves.extend(more.curves);
        self.remarks.extend(more.remarks);
    }

    /// The value of a figure, if it is there.
    pub fn value(&self, key: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| figure.value)
    }

    /// Adds one figure over another where both are there.
    pub fn ratio(&mut self, key: &str, label: &str, over: &str, under: &str) {
        if let (Some(over), Some(under)) = (self.value(over), self.value(under))
            && under > 0.0
        {
            self.figure(key, label, over / under, Unit::Ratio);
        }
    }
}

/// Everything that one run of the benchmark has to say.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this program.
    pub version: &'static str,
    /// Whether it was built with optimisations; figures of any other build mean nothing.
    pub optimised: bool,
    /// The command line.
    pub command: Vec<String>,
    /// When it began.
    pub started: Timestamp,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// On what.
    pub machine: Machine,
    /// Which entries were written, and how.
    pub workload: Workload,
    /// What each part found.
    pub parts: Vec<Part>,
}

/// What one part found, with the goals that there are.
#[derive(Debug, Serialize)]
pub struct Part {
    /// Its name, as for `--only`.
    pub name: String,
    /// What it found.
    #[serde(flatten)]
    pub findings: Findings,
    /// How its figures stand to their goals.
    pub goals: Vec<goals::Verdict>,
}

/// How many a second, `count` in `seconds`.
pub fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { real(count) / seconds } else { 0.0 }
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub fn real(count: u64) -> f64 {
    count as f64
}
