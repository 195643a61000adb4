//! What each figure ought to be: the goals for whole lifecycles.

use serde::Serialize;

use super::report::{Figure, Findings};

/// From how many entries on the goals for a large ledger hold instead.
const LARGE_LEDGER_ENTRIES: u64 = 10_000_000;
const MIB: f64 = 1024.0 * 1024.0;

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
}

/// How a figure stands to its goal.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Which figure.
    pub key: &'static str,
    /// What it ought to be.
    pub goal: Bound,
    /// Whether it is.
    pub met: bool,
    /// By what share of the goal it is short, 0 if it isn't.
    pub short_by: f64,
}

/// A goal for one figure.
struct Goal {
    key: &'static str,
    bound: Bound,
    /// The bound on a ledger of [`LARGE_LEDGER_ENTRIES`] and more, where it is another.
    large: Option<Bound>,
}

const fn at_least(key: &'static str, least: f64) -> Goal {
    Goal { key, bound: Bound::AtLeast(least), large: None }
}

const fn at_most(key: &'static str, most: f64) -> Goal {
    Goal { key, bound: Bound::AtMost(most), large: None }
}

const GOALS: [Goal; 34] = [
    at_least("ingest.rate", 120_000.0),
    at_least("ingest.to_raw", 0.4),
    at_least("ingest.to_raw_alone", 0.4),
    Goal { key: "ingest.decay", bound: Bound::AtLeast(0.85), large: Some(Bound::AtLeast(0.75)) },
    at_most("ingest.disk_per_entry", 500.0),
    Goal {
        key: "ingest.memory_peak",
        bound: Bound::AtMost(512.0 * MIB),
        large: Some(Bound::AtMost(1024.0 * MIB)),
    },
    at_most("open.after_kill", 2.0),
    at_least("read.by_id", 25_000.0),
    at_least("read.receipt", 10_000.0),
    at_least("verify.rate", 250_000.0),
    at_most("old.warm_to_cold", 2.0),
    at_most("query.balances_p99", 20.0),
    at_most("query.statement_p99", 20.0),
    at_most("query.earnings_p99", 20.0),
    at_most("query.liabilities_p99", 20.0),
    at_most("query.history_p99", 20.0),
    at_most("query.order_p99", 20.0),
    at_most("query.search_p99", 20.0),
    at_most("query.totals_p99", 50.0),
    at_least("http.batch_rate", 90_000.0),
    at_least("http.single_rate", 20_000.0),
    at_most("http.single_p99", 25.0),
    at_most("http.lone_to_allowed", 1.0),
    at_least("sync.to_alone", 0.5),
    at_most("sync.memory_peak", 512.0 * MIB),
    at_most("sync.tail_p99", 250.0),
    at_least("postgres.outbox_rate", 20_000.0),
    at_most("postgres.outbox_p50", 50.0),
    at_least("postgres.mirror_rate", 40_000.0),
    at_least("postgres.reconcile_rate", 200_000.0),
    at_least("postgres.batch_to_chained", 3.0),
    at_least("postgres.single_to_chained", 8.0),
    at_most("postgres.disk_to_row", 1.0),
    at_most("postgres.disk_to_plain_row", 1.0),
];

/// The goal of a figure on a ledger of `entries`, if there is one.
pub fn goal_of(figure: &Figure, entries: u64) -> Option<Verdict> {
    let goal = GOALS.iter().find(|goal| goal.key == figure.key)?;
    let large = goal.large.filter(|_| entries >= LARGE_LEDGER_ENTRIES);
    let bound = large.unwrap_or(goal.bound);
    let short_by = match bound {
        Bound::AtLeast(least) => (least - figure.value) / least,
        Bound::AtMost(most) => (figure.value - most) / most,
    };
    Some(Verdict { key: goal.key, goal: bound, met: short_by <= 0.0, short_by: short_by.max(0.0) })
}

/// How all figures stand to their goals.
pub fn judge(findings: &Findings, entries: u64) -> Vec<Verdict> {
    findings.figures.iter().filter_map(|figure| goal_of(figure, entries)).collect()
}
