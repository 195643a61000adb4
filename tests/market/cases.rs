//! Every rule as data: what came before, the nearest legal entry, and one that breaks it.

mod amendments;
mod commissions;
mod corrections;
mod counting;
mod dates;
mod decisions;
mod envelope;
mod fundings;
mod overrides;
mod parents;
mod payouts;
mod reckoning;
mod reversals;
mod terms;
mod totals;
mod transactions;

use counterfoil::protocol::entry::{Entry, Locking, PaymentEvent, Reward, Verdict};
use counterfoil::protocol::money::{Amount, PPM_WHOLE};
use counterfoil::protocol::time::DAY_MS;

use super::{
    NOW, at, closed, commission, covered, decision, funding, id, named, payout_event, percent,
    reversal, rule, sale, terms, terms_of, units, when,
};

/// One way to break a rule.
pub struct Case {
    /// The rule's stable name.
    pub rule: &'static str,
    /// What the message must say.
    pub says: &'static str,
    /// What is on the ledger before.
    pub given: Vec<Entry>,
    /// What may follow.
    pub legal: Entry,
    /// What may not.
    pub broken: Entry,
}

type Row = (&'static str, &'static str, Vec<Entry>, Entry, Entry);

/// Every case.
pub fn cases() -> Vec<Case> {
    let subjects = [
        envelope::rows(),
        parents::rows(),
        dates::rows(),
        terms::rows(),
        transactions::rows(),
        commissions::rows(),
        reckoning::rows(),
        counting::rows(),
        overrides::rows(),
        decisions::rows(),
        amendments::rows(),
        reversals::rows(),
        corrections::rows(),
        fundings::rows(),
        payouts::rows(),
        totals::rows(),
    ];
    subjects
        .into_iter()
        .flatten()
        .map(|(rule, says, given, legal, broken)| Case { rule, says, given, legal, broken })
        .collect()
}

/// Terms T-1 and sale S-1 of 100.00 EUR.
pub fn sold() -> Vec<Entry> {
    vec![terms("T-1", |_| ()), sale("S-1", |_| ())]
}

/// Those, and commission C-1 of 10.00 EUR for ann.
pub fn earned() -> Vec<Entry> {
    and(sold(), [commission("C-1", |_| ())])
}

/// That, locked.
pub fn locked() -> Vec<Entry> {
    and(earned(), [decision("D-1", "C-1", Verdict::Lock)])
}

/// That, paid for by shop.
pub fn funded() -> Vec<Entry> {
    and(locked(), [funding("F-1", |_| ())])
}

/// That, in payout P-1, which is closed.
pub fn in_payout() -> Vec<Entry> {
    and(funded(), [closed("P-1", |_| ())])
}

/// That, arrived.
pub fn paid() -> Vec<Entry> {
    and(in_payout(), [payout_event("E-1", "P-1", PaymentEvent::Completed)])
}

/// [`earned`], declined.
pub fn declined() -> Vec<Entry> {
    and(earned(), [decision("D-1", "C-1", super::decline())])
}

/// [`earned`], of a month ago and recorded now, when it is due to lock.
fn dated() -> Vec<Entry> {
    vec![
        terms("T-1", |body| body.locking = Locking::Days { days: 30 }),
        when(NOW - 30 * DAY_MS, sale("S-1", |_| ())),
        when(NOW - 30 * DAY_MS, commission("C-1", |body| body.locking_date = Some(at(NOW)))),
    ]
}

/// Sale S-`number` of 100.00 EUR and, of 10.00 EUR, commission C-`number` of `affiliate`.
fn another(number: u8, affiliate: &str) -> Vec<Entry> {
    let sold = format!("S-{number}");
    let earned = commission(&format!("C-{number}"), |body| {
        (body.transaction, body.affiliate) = (id(&sold), id(affiliate));
    });
    vec![sale(&sold, |_| ()), earned]
}

/// [`another`], locked, and funded by F-`number`.
fn another_funded(number: u8, affiliate: &str) -> Vec<Entry> {
    let name = format!("C-{number}");
    let lock = decision(&format!("D-{number}"), &name, Verdict::Lock);
    let funding = funding(&format!("F-{number}"), |body| body.lines = vec![covered(&name, 1_000)]);
    and(another(number, affiliate), [lock, funding])
}

/// Terms T-1 that give away all of a sale; sales S-1 and S-2 of all the money there is, and
/// their commissions C-1 and C-2, locked.
fn rich() -> Vec<Entry> {
    let mut entries = vec![terms_of("T-1", vec![rule(Reward::Percent { ppm: PPM_WHOLE })])];
    for (sold, earned, lock) in [("S-1", "C-1", "D-1"), ("S-2", "C-2", "D-2")] {
        entries.push(sale(sold, |body| body.amount = Amount::MAX));
        entries.push(commission(earned, |body| {
            (body.transaction, body.amount) = (id(sold), Amount::MAX);
        }));
        entries.push(decision(lock, earned, Verdict::Lock));
    }
    entries
}

/// Takes back so much of commission C-1.
fn back(name: &str, amount: u64) -> Entry {
    reversal(name, |body| body.amount = units(amount))
}

fn and(mut given: Vec<Entry>, more: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    given.extend(more);
    given
}
