//! Questions to a full ledger over HTTP: many clients at the same time, one kind of question after
//! the other, each about somebody or something of a random entry.
//!
//! The node is a process of its own, on the ledger that was filled; the clients share one thread of
//! this one. Every client asks again as soon as it has its answer, so a time is that of a node
//! that has as much to do as it can.

use std::collections::VecDeque;
use std::time::Duration;

use super::child::Job;
use super::ground;
use super::http::{Request, Target};
use super::read::scattered;
use super::report::{Findings, Unit, real};
use crate::protocol::entry::{Body, Kind};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::time::DAY_MS;
use crate::store::{Store, View};

/// How many commissions are asked about.
const SAMPLE: usize = 4_000;
/// The most entries that are looked at to find those.
const MAX_LOOKED_AT: u64 = 1_000_000;
/// The most requests of a client.
const MAX_REQUESTS: usize = 20_000;

/// Somebody and something to ask about.
struct Subject {
    tenant: Id,
    commission: Id,
    affiliate: Id,
    merchant: Id,
    order: Id,
    currency: Currency,
    /// The day, and the one 31 days later.
    month: (String, String),
}

/// A question: its name in the report, what it is, and its path.
type Question = (&'static str, &'static str, fn(&Subject) -> String);

const QUESTIONS: [Question; 8] = [
    ("balances", "an affiliate's balances", |of| {
        format!("/v1/affiliates/{}/balances?tenant={}", of.affiliate, of.tenant)
    }),
    ("statement", "a page of an affiliate's statement", |of| {
        let (affiliate, tenant, currency) = (&of.affiliate, &of.tenant, of.currency.as_str());
        format!("/v1/affiliates/{affiliate}/statement?tenant={tenant}&currency={currency}&limit=20")
    }),
    ("earnings", "an affiliate's earnings, 31 days", |of| {
        let (affiliate, tenant, (from, to)) = (&of.affiliate, &of.tenant, &of.month);
        format!("/v1/affiliates/{affiliate}/earnings?tenant={tenant}&by=day&from={from}&to={to}")
    }),
    ("liabilities", "a merchant's liabilities", |of| {
        format!("/v1/merchants/{}/liabilities?tenant={}", of.merchant, of.tenant)
    }),
    ("history", "a commission's history", |of| {
        let (tenant, commission) = (&of.tenant, &of.commission);
        format!("/v1/history?tenant={tenant}&kind=commission&external_id={commission}")
    }),
    ("order", "an order's history", |of| format!("/v1/orders/{}?tenant={}", of.order, of.tenant)),
    ("search", "search", |of| format!("/v1/search?q={}", of.commission)),
    ("totals", "totals, 31 days", |of| {
        let (from, to) = &of.month;
        format!("/v1/totals?tenant={}&by=day&from={from}&to={to}&limit=1000", of.tenant)
    }),
];

pub fn measure(job: &Job) -> anyhow::Result<Findings> {
    let (chain, _) = ground::prepare(&job.ledger)?;
    let (store, committer) = Store::open(&job.ledger, chain)?;
    let sample = sample(&store.view(), job.workload.seed)?;
    drop((store, committer));
    anyhow::ensure!(!sample.is_empty(), "the ledger has no commissions to ask about");
    let target = Target::on_filled(job)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = Findings::default();
    let limit = Duration::from_secs(job.seconds);
    runtime.block_on(async {
        for (number, (key, label, path)) in QUESTIONS.iter().enumerate() {
            let client = |client: usize| -> VecDeque<Request> {
                let first = (number + 1) * (client + 1) * 7_919;
                let subjects = sample.iter().cycle().skip(first % sample.len());
                subjects.take(MAX_REQUESTS).map(|of| Request::get(&path(of))).collect()
            };
            let went = target.put((0..job.clients).map(client).collect(), limit).await?;
            went.report(&mut findings, &format!("query.{key}"), label);
        }
        anyhow::Ok(())
    })?;
    let memory = target.memory();
    findings.figure("query.memory_peak", "memory of the node", real(memory.peak), Unit::Bytes);
    findings.remark(format!(
        "{} clients, each with its next question as soon as it has an answer, on the cores of the node",
        job.clients
    ));
    target.stop()?;
    Ok(findings)
}

/// Random commissions of the ledger, with whom and what they are about.
fn sample(view: &View, seed: u64) -> anyhow::Result<Vec<Subject>> {
    let size = view.head().size();
    let mut subjects = Vec::new();
    for number in 0..MAX_LOOKED_AT {
        if subjects.len() >= SAMPLE {
            break;
        }
        let Some(found) = view.entry(scattered(seed.wrapping_add(number)) % size)? else {
            continue;
        };
        let entry = found.entry();
        let Body::Commission(commission) = &entry.body else { continue };
        let sale = view.named(&entry.tenant, Kind::Transaction, &commission.transaction)?;
        let sale = sale.map(|stored| view.entry(stored.index)).transpose()?.flatten();
        let Some(sale) = sale else { continue };
        let Body::Transaction(of) = &sale.entry().body else { continue };
        let day = |days: u64| entry.event_time.saturating_add(days * DAY_MS).to_string();
        let date = |text: String| text.split('T').next().unwrap_or_default().to_owned();
        subjects.push(Subject {
            tenant: entry.tenant.clone(),
            commission: entry.external_id.clone(),
            affiliate: commission.affiliate.clone(),
            merchant: of.merchant.clone(),
            order: of.order_ref.clone(),
            currency: commission.currency,
            month: (date(day(0)), date(day(31))),
        });
    }
    Ok(subjects)
}
