//! Questions, answered from accounts, against what the entries say by themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

#[path = "queries/recount.rs"]
mod recount;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::Currency;
use counterfoil::protocol::verify::{Chain, Draft};
use counterfoil::query::{
    self, AsOf, Bound, Day, EarningsBy, EarningsOf, Page, PageOf, Period, QueryError, Span,
    TotalsBy, When,
};
use counterfoil::sample::{Marketplace, Profile};
use counterfoil::store::{MemoryBounds, Store, View};
use recount::{Flow, Recount};
use serde::Serialize;
use serde_json::{Map, Value, json};
use support::chain::{chain, id, key, time};

const ENTRIES: usize = 5_000;
const BLOCK_ENTRIES: usize = 50;
/// The heights at which answers are compared, the last of them the head.
const HEIGHTS: [u64; 3] = [31, 70, 100];
const STATES: [&str; 8] =
    ["pending", "extended", "approved", "locked", "funded", "in_payout", "paid", "declined"];
const ADJUSTED: [&str; 3] = ["adjustments_free", "adjustments_in_payout", "adjustments_paid"];
const EARNED: [&str; 9] = [
    "commissions",
    "earned",
    "imported",
    "amended",
    "reopened",
    "declined",
    "reversed",
    "credited",
    "debited",
];

type Row = Map<String, Value>;

/// A store with a sample, and what its entries come to at each of [`HEIGHTS`].
struct Sample {
    view: View,
    tenant: Id,
    recounts: Vec<(AsOf, Recount)>,
    _directory: tempfile::TempDir,
}

fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| fill(&chain("queries")))
}

fn fill(chain: &Arc<Chain>) -> Sample {
    let directory = tempfile::tempdir().unwrap();
    // Small memories: runs are written and merged all along.
    let bounds = MemoryBounds { records: 1_500, blocks: 30 };
    let (store, mut committer) =
        Store::open_bounded(directory.path(), chain.clone(), bounds).unwrap();
    let profile = Profile {
        tenants: 1,
        merchants: 4,
        affiliates: 12,
        ..Profile::history(7, ENTRIES as u64, time("2026-03-31T00:00:00Z"))
    };
    let market = Marketplace::new(profile, &chain.spec().currencies).unwrap();
    let entries: Vec<EncodedEntry> =
        market.take(ENTRIES).map(|entry| EncodedEntry::new(entry).unwrap()).collect();
    let (mut recount, mut recounts) = (Recount::default(), Vec::new());
    for (height, entries) in (1..).zip(entries.chunks(BLOCK_ENTRIES)) {
        let head = store.head();
        let at = time("2026-04-01T00:00:00Z").saturating_add(height * 60_000);
        let mut draft = Draft::new(chain, &head.tip, &store, at);
        for entry in entries {
            draft.admit(entry.clone()).unwrap();
            recount.add(entry.entry());
        }
        committer.commit(&draft.seal(&key())).unwrap();
        if HEIGHTS.contains(&height) {
            recounts.push((height, recount.clone()));
        }
    }
    let view = store.view();
    let tenant = entries[0].entry().tenant.clone();
    let resolve = |height| AsOf::resolve(&view, When::Height(height)).unwrap();
    let recounts = recounts.into_iter().map(|(height, of)| (resolve(height), of)).collect();
    Sample { recounts, tenant, view, _directory: directory }
}

fn row(row: impl Serialize) -> Row {
    match serde_json::to_value(row).unwrap() {
        Value::Object(row) => row,
        other => unreachable!("{other}"),
    }
}

/// All rows, page by page.
fn all<R: Serialize>(
    limit: usize,
    page: impl Fn(PageOf) -> Result<Page<R>, QueryError>,
) -> Vec<Row> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let Page { rows: found, next } = page(PageOf { after, limit }).unwrap();
        assert!(found.len() <= limit && next.is_none_or(|next| after.is_none_or(|at| next > at)));
        rows.extend(found.into_iter().map(row));
        after = next;
        if after.is_none() {
            return rows;
        }
    }
}

/// The units of a figure, or a number.
fn number(value: &Value) -> i128 {
    match value {
        Value::String(text) => text.replace('.', "").parse().unwrap(),
        other => other.as_i64().unwrap().into(),
    }
}

fn currency_of(row: &Row) -> Currency {
    row["currency"].as_str().unwrap().parse().unwrap()
}

/// By name those of `names` that aren't 0.
fn named(row: &Row, names: &[&'static str]) -> BTreeMap<&'static str, i128> {
    let numbers = names.iter().map(|name| (*name, number(&row[*name])));
    numbers.filter(|(_, number)| *number != 0).collect()
}

impl Recount {
    fn affiliates(&self) -> BTreeSet<(Id, Currency)> {
        self.flows.iter().map(|flow| (flow.affiliate.clone(), flow.currency)).collect()
    }

    fn merchants(&self) -> BTreeSet<(Id, Currency)> {
        self.prepaid
            .keys()
            .cloned()
            .chain(self.commissions.values().map(|of| (of.merchant.clone(), of.currency)))
            .collect()
    }

    /// What an affiliate has, by name, those that aren't 0.
    fn balances(&self, affiliate: &Id, currency: Currency) -> BTreeMap<&'static str, i128> {
        let mut balances: BTreeMap<&'static str, i128> = BTreeMap::new();
        for of in self.commissions.values() {
            if of.affiliate == *affiliate && of.currency == currency {
                *balances.entry(of.state).or_default() += of.left;
            }
        }
        for of in self.adjustments.values() {
            if of.affiliate == *affiliate && of.currency == currency {
                *balances.entry(of.state).or_default() += of.amount;
            }
        }
        balances.insert("carried_forward", self.carried(affiliate, currency));
        balances.retain(|_, amount| *amount != 0);
        balances
    }

    /// Earnings by what `label` says of each flow.
    fn earnings(
        &self,
        label: impl Fn(&Flow) -> Option<String>,
    ) -> BTreeMap<(String, Currency), BTreeMap<&'static str, i128>> {
        let mut earned: BTreeMap<_, BTreeMap<&'static str, i128>> = BTreeMap::new();
        for flow in self.flows.iter().filter(|flow| EARNED.contains(&flow.what)) {
            let Some(label) = label(flow) else { continue };
            let row = earned.entry((label, flow.currency)).or_default();
            *row.entry(flow.what).or_default() += flow.amount;
            if ["earned", "imported"].contains(&flow.what) {
                *row.entry("commissions").or_default() += 1;
            }
        }
        for row in earned.values_mut() {
            row.retain(|_, amount| *amount != 0);
        }
        earned.retain(|_, row| !row.is_empty());
        earned
    }
}

#[test]
fn the_sample_has_some_of_everything() {
    let Sample { recounts, .. } = sample();
    let (_, recount) = recounts.last().unwrap();
    for what in EARNED.into_iter().skip(1).chain(["locked", "paid"]) {
        assert!(recount.flows.iter().any(|flow| flow.what == what), "nothing was {what}");
    }
    for (_, recount) in recounts {
        assert!(recount.commissions.values().any(|of| of.state == "paid"));
    }
    for state in STATES {
        assert!(recount.commissions.values().any(|of| of.state == state), "nothing is {state}");
    }
    // In a payout they are only in passing, between the heights that are compared.
    for state in ["adjustments_free", "adjustments_paid"] {
        let of_state = |recount: &Recount| recount.adjustments.values().any(|of| of.state == state);
        assert!(recounts.iter().any(|(_, recount)| of_state(recount)), "nothing is {state}");
    }
    let carried = recount.affiliates();
    assert!(carried.iter().any(|(affiliate, currency)| recount.carried(affiliate, *currency) != 0));
}

#[test]
fn statements_add_up_and_never_change() {
    let Sample { view, tenant, recounts, .. } = sample();
    let (now, recount) = recounts.last().unwrap();
    let names = [&STATES[..], &ADJUSTED[..], &["carried_forward"]].concat();
    for (affiliate, currency) in recount.affiliates() {
        let of = (tenant, &affiliate, currency);
        let statement = |at: &AsOf, from, to, limit| {
            let period = Period { from, to };
            all(limit, |page| query::affiliate_statement(view, at, of, period, page))
        };
        let mut before: Option<Row> = None;
        for (at, recount) in recounts {
            let from = before.as_ref().map_or(Bound::Open, |closing| {
                Bound::Height(closing["height"].as_u64().unwrap() + 1)
            });
            let rows = statement(now, from, Bound::Height(at.height), 1000);
            assert_eq!(rows, statement(at, from, Bound::Open, 7), "it never changes");
            assert_eq!(rows, statement(now, from, Bound::Time(at.time.saturating_add(1)), 1));
            let expected = recount.balances(&affiliate, currency);
            let (Some(opening), Some(closing)) = (rows.first(), rows.last()) else {
                assert!(expected.is_empty(), "{affiliate} {currency}");
                continue;
            };
            assert_eq!((&opening["row"], &closing["row"]), (&json!("opening"), &json!("closing")));
            assert_eq!(named(closing, &names), expected, "{affiliate} {currency} at {at:?}");
            if let Some(before) = &before {
                assert_eq!(named(opening, &names), named(before, &names));
            }
            for name in &names {
                let mut balance = number(&opening[*name]);
                let lines = rows.iter().filter(|row| row["row"] == "line");
                for line in lines {
                    balance += number(&line[&format!("{name}_change")]);
                    assert_eq!(number(&line[*name]), balance);
                }
                assert_eq!(balance, number(&closing[*name]));
                let moved = number(&closing[&format!("{name}_change")]);
                assert_eq!(moved, balance - number(&opening[*name]));
            }
            before = Some(closing.clone());
        }
    }
}

#[test]
fn lines_of_a_statement_lead_to_their_entries() {
    let Sample { view, tenant, recounts, .. } = sample();
    let (at, recount) = recounts.last().unwrap();
    for (merchant, currency) in recount.merchants() {
        let of = (tenant, &merchant, currency);
        let rows =
            all(300, |page| query::merchant_statement(view, at, of, Period::default(), page));
        for line in rows.iter().filter(|row| row["row"] == "line") {
            let index = line["index"].as_u64().unwrap();
            let (entry, height) = view.entry_and_height(index).unwrap().unwrap();
            assert_eq!(line["entry"], json!(entry.id()));
            assert_eq!(line["external_id"], json!(entry.entry().external_id));
            assert_eq!(line["kind"], json!(entry.entry().kind()));
            assert_eq!(line["event_time"], json!(entry.entry().event_time));
            assert_eq!(line["height"], json!(height));
            let header = view.header(height).unwrap().unwrap().header;
            assert_eq!(line["recorded_at"], json!(header.time));
            assert_eq!(line["receipt"], format!("/v1/entries/{}/receipt", entry.id()));
        }
        // Its end is what the merchant owes and paid.
        let closing = rows.last().unwrap();
        let all = query::merchant_liabilities(view, at, tenant, &merchant).unwrap();
        let owed = all.into_iter().map(row).find(|row| currency_of(row) == currency).unwrap();
        assert_eq!(owed["entries"], json!(rows.len() - 2));
        for (name, amount) in owed.iter().filter(|(name, _)| *name != "entries") {
            assert_eq!(closing[name], *amount, "{name}");
        }
    }
}

/// The month or so of a day that is counted from 1970.
fn day(number: u64) -> String {
    let time = time("1970-01-01T00:00:00Z").saturating_add(number * 86_400_000);
    Day::of(time).to_string()
}

#[test]
fn earnings_are_those_of_the_entries() {
    let Sample { view, tenant, recounts, .. } = sample();
    let (from, to): (Day, Day) = ("2025-04-10".parse().unwrap(), "2026-03-20".parse().unwrap());
    let within =
        |flow: &Flow| (u64::from(from.number())..u64::from(to.number())).contains(&flow.day);
    // 1970-01-05 was a Monday.
    let monday = |flow: &Flow| day((flow.day + 3) / 7 * 7 - 3);
    for (at, recount) in recounts {
        let affiliates: BTreeSet<Id> =
            recount.affiliates().into_iter().map(|(affiliate, _)| affiliate).collect();
        for affiliate in &affiliates {
            let own = |flow: &Flow| flow.affiliate == *affiliate;
            let program = |flow: &Flow| {
                let (merchant, program) = flow.from.clone().filter(|_| own(flow))?;
                Some(format!("{merchant} {}", json!(program)))
            };
            let merchant =
                |flow: &Flow| Some(flow.from.clone().filter(|_| own(flow))?.0.to_string());
            let period = |flow: &Flow, name: String| (own(flow) && within(flow)).then_some(name);
            let span = (Some(from), Some(to));
            let cases = [
                (EarningsBy::Day, span, recount.earnings(|flow| period(flow, day(flow.day)))),
                (EarningsBy::Week, span, recount.earnings(|flow| period(flow, monday(flow)))),
                (
                    EarningsBy::Month,
                    span,
                    recount.earnings(|flow| period(flow, day(flow.day)[..7].to_owned())),
                ),
                (EarningsBy::Program, (None, None), recount.earnings(program)),
                (EarningsBy::Merchant, (None, None), recount.earnings(merchant)),
            ];
            for (by, span, expected) in cases {
                let of = EarningsOf { tenant, affiliate, by };
                let rows = all(1000, |page| query::earnings(view, at, of, span, page));
                assert_eq!(rows, all(5, |page| query::earnings(view, at, of, span, page)));
                let found: BTreeMap<_, _> = rows
                    .iter()
                    .map(|row| {
                        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                        let label = match by {
                            EarningsBy::Day | EarningsBy::Month => text("period"),
                            // The first week begins with the first day that was asked for.
                            EarningsBy::Week if text("from") == from.to_string() => {
                                "2025-04-07".to_owned()
                            }
                            EarningsBy::Week => text("from"),
                            EarningsBy::Program => {
                                format!("{} {}", text("merchant"), row["program"])
                            }
                            EarningsBy::Merchant => text("merchant"),
                        };
                        let named = named(row, &EARNED);
                        let of = |name: &str| named.get(name).copied().unwrap_or(0);
                        let net = of("earned")
                            + of("imported")
                            + of("amended")
                            + of("reopened")
                            + of("credited")
                            - of("declined")
                            - of("reversed")
                            - of("debited");
                        assert_eq!(number(&row["net"]), net);
                        ((label, currency_of(row)), named)
                    })
                    .collect();
                assert_eq!(found.len(), rows.len(), "none twice");
                assert_eq!(found, expected, "{affiliate} {by:?} at {}", at.height);
            }
        }
    }
}

#[test]
fn liabilities_and_performance_are_those_of_the_entries() {
    let Sample { view, tenant, recounts, .. } = sample();
    for (at, recount) in recounts {
        let network = |flow: &&Flow| flow.from.is_some();
        for (merchant, currency) in recount.merchants() {
            let commissions = recount
                .commissions
                .values()
                .filter(|of| of.merchant == merchant && of.currency == currency);
            let mut expected: BTreeMap<String, i128> = BTreeMap::new();
            let mut by_affiliate: BTreeMap<(Id, Option<Id>), i128> = BTreeMap::new();
            for of in commissions {
                *expected.entry(of.state.to_owned()).or_default() += of.left;
                *expected.entry(format!("fees_{}", of.state)).or_default() += of.fee;
                *by_affiliate.entry((of.affiliate.clone(), of.program.clone())).or_default() +=
                    of.left;
            }
            let (received, covered) =
                recount.prepaid.get(&(merchant.clone(), currency)).copied().unwrap_or_default();
            let prepaid =
                [("received", received), ("covered", covered), ("prepaid", received - covered)];
            expected.extend(prepaid.map(|(name, amount)| (name.to_owned(), amount)));
            expected.retain(|_, amount| *amount != 0);
            let rows = query::merchant_liabilities(view, at, tenant, &merchant).unwrap();
            let owed = rows.into_iter().map(row).find(|row| currency_of(row) == currency).unwrap();
            let mut found: BTreeMap<String, i128> = owed
                .iter()
                .filter(|(name, _)| !["entries", "currency"].contains(&name.as_str()))
                .map(|(name, amount)| (name.clone(), number(amount)))
                .collect();
            found.retain(|_, amount| *amount != 0);
            assert_eq!(found, expected, "{merchant} {currency} at {}", at.height);

            let rows = query::merchant_performance(view, at, tenant, &merchant).unwrap();
            let flows: Vec<&Flow> = recount
                .flows
                .iter()
                .filter(network)
                .filter(|flow| flow.currency == currency)
                .collect();
            for row in rows.into_iter().map(row).filter(|row| currency_of(row) == currency) {
                check_measure(&row, &flows, &merchant);
            }
            let rows = all(3, |page| query::merchant_affiliates(view, at, tenant, &merchant, page));
            let found: BTreeMap<(Id, Option<Id>), i128> = rows
                .iter()
                .filter(|row| currency_of(row) == currency)
                .map(|row| {
                    let program = row["program"].as_str().map(id);
                    let left = STATES.iter().map(|state| number(&row[*state])).sum();
                    ((id(row["affiliate"].as_str().unwrap()), program), left)
                })
                .collect();
            assert_eq!(found, by_affiliate, "{merchant} {currency} at {}", at.height);
        }
    }
}

/// Compares a row of a merchant's performance with what happened in its currency.
fn check_measure(row: &Row, flows: &[&Flow], merchant: &Id) {
    let what = match row["measure"].as_str().unwrap() {
        "stated" => "earned",
        // Entries say those only to who knows the terms.
        "deviations" => return,
        measure => measure,
    };
    for (prefix, of_all) in [("", false), ("network_", true)] {
        let own: Vec<&Flow> = flows
            .iter()
            .copied()
            .filter(|flow| of_all || flow.from.as_ref().is_some_and(|from| from.0 == *merchant))
            .collect();
        let reason = |flow: &Flow| row["reason"].is_null() || json!(flow.reason) == row["reason"];
        let found = own.iter().filter(|flow| flow.what == what && reason(flow));
        let (mut count, mut amount, mut took) = (0, 0, 0);
        for flow in found {
            (count, amount, took) = (count + 1, amount + flow.amount, took + flow.took);
        }
        let (mut commissions, mut stated) = (0, 0);
        for flow in own.iter().filter(|flow| ["earned", "imported"].contains(&flow.what)) {
            (commissions, stated) = (commissions + 1, stated + flow.amount);
        }
        let get = |name: &str| &row[&format!("{prefix}{name}")];
        assert_eq!(number(get("count")), count, "{row:?}");
        assert_quotient(get("count_ppm"), count * 1_000_000, commissions);
        if !get("amount").is_null() {
            assert_eq!(number(get("amount")), amount, "{row:?}");
            assert_quotient(get("amount_ppm"), amount * 1_000_000, stated);
        }
        if ["locked", "paid"].contains(&what) {
            assert_quotient(get("days"), took * 1000, count * 86_400);
        }
    }
}

/// Nothing is nearer to the quotient than this.
fn assert_quotient(found: &Value, dividend: i128, divisor: i128) {
    if divisor == 0 {
        assert!(found.is_null(), "{found}");
    } else {
        let off = number(found) * divisor - dividend;
        assert!(off.abs() * 2 <= divisor, "{found} is not {dividend} / {divisor}");
    }
}

#[test]
fn totals_are_those_of_the_entries() {
    let Sample { view, tenant, recounts, .. } = sample();
    let (from, to): (Day, Day) = ("2025-04-10".parse().unwrap(), "2026-03-20".parse().unwrap());
    for (at, recount) in recounts {
        for (by, length) in [(TotalsBy::Day, 10), (TotalsBy::Month, 7)] {
            let mut expected: BTreeMap<(String, String, String), (i128, i128)> = BTreeMap::new();
            for ((number, kind, currency), (count, amount)) in &recount.told {
                if (u64::from(from.number())..u64::from(to.number())).contains(number) {
                    let period = day(*number)[..length].to_owned();
                    let key = (period, json!(kind).to_string(), json!(currency).to_string());
                    let row = expected.entry(key).or_default();
                    *row = (row.0 + i128::from(*count), row.1 + amount);
                }
            }
            let of = (by, Span::new(from, to).unwrap());
            let rows = all(1000, |page| query::totals(view, at, tenant, of, page));
            assert_eq!(rows, all(17, |page| query::totals(view, at, tenant, of, page)));
            let found: BTreeMap<_, _> = rows
                .iter()
                .map(|row| {
                    let period = row["period"].as_str().unwrap().to_owned();
                    let amount = if row["amount"].is_null() { 0 } else { number(&row["amount"]) };
                    let key = (period, row["kind"].to_string(), row["currency"].to_string());
                    (key, (number(&row["count"]), amount))
                })
                .collect();
            assert_eq!(found.len(), rows.len(), "none twice");
            assert_eq!(found, expected, "{by:?} at {}", at.height);
        }
    }
}

#[test]
fn nobody_has_nothing() {
    let Sample { view, tenant, recounts, .. } = sample();
    let (at, _) = recounts.last().unwrap();
    let (nobody, eur) = (id("nobody"), "EUR".parse().unwrap());
    let page = PageOf { after: None, limit: 10 };
    let statement =
        query::affiliate_statement(view, at, (tenant, &nobody, eur), Period::default(), page);
    assert_eq!(statement.unwrap().rows, []);
    let days = (Some("2016-03-20".parse().unwrap()), Some("2026-03-20".parse().unwrap()));
    let of = EarningsOf { tenant, affiliate: &nobody, by: EarningsBy::Day };
    assert_eq!(query::earnings(view, at, of, days, page).unwrap().rows, []);
    assert_eq!(query::merchant_liabilities(view, at, tenant, &nobody).unwrap(), []);
    assert_eq!(query::merchant_performance(view, at, tenant, &nobody).unwrap(), []);
    assert_eq!(query::merchant_affiliates(view, at, tenant, &nobody, page).unwrap().rows, []);
}
