//! When the entries of random histories happen: about now, and mostly no earlier than what they
//! name; some as if they had been recorded in time.

use counterfoil::protocol::entry::{Amended, Body, Claim, Entry, Kind, PayoutLine, Role, Verdict};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::Amount;

use super::histories::{DAY_MS, Player};
use super::model::Model;
use crate::market;

/// What a body names, where that has a time.
fn names(body: &Body<Amount>) -> Vec<(Kind, &Id)> {
    let commission = |name| vec![(Kind::Commission, name)];
    match body {
        Body::Commission(body) => match &body.role {
            Role::Direct { .. } => vec![(Kind::Transaction, &body.transaction)],
            Role::Override { of, .. } => {
                vec![(Kind::Transaction, &body.transaction), (Kind::Commission, of)]
            }
        },
        Body::Decision(body) => commission(&body.commission),
        Body::Amendment(body) => match &body.of {
            Amended::Commission { commission: name } => commission(name),
            Amended::Transaction { transaction, .. } => vec![(Kind::Transaction, transaction)],
        },
        Body::Reversal(body) => commission(&body.commission),
        Body::Adjustment(body) => vec![(body.related.kind, &body.related.external_id)],
        Body::Inquiry(body) => match &body.claim {
            Claim::Incorrect { commission: name } | Claim::Declined { commission: name } => {
                commission(name)
            }
            Claim::Untracked { .. } => Vec::new(),
        },
        Body::InquiryResolution(body) => vec![(Kind::Inquiry, &body.inquiry)],
        Body::Funding(body) => {
            body.lines.iter().map(|line| (Kind::Commission, &line.commission)).collect()
        }
        Body::Payout(body) => {
            let lines = body.lines.iter().filter_map(|line| match line {
                PayoutLine::Commission { commission, .. } => Some((Kind::Commission, commission)),
                PayoutLine::Adjustment { adjustment, .. } => Some((Kind::Adjustment, adjustment)),
                _ => None,
            });
            lines.chain(body.continues.iter().map(|name| (Kind::Payout, name))).collect()
        }
        Body::PayoutEvent(body) => vec![(Kind::Payout, &body.payout)],
        Body::ErasureNotice(body) => vec![(body.entry.kind, &body.entry.external_id)],
        Body::ProgramTerms(_)
        | Body::Transaction(_)
        | Body::AffiliateUpline(_)
        | Body::OpeningBalance(_)
        | Body::SpecChange(_) => Vec::new(),
    }
}

impl Player<'_> {
    /// `entry` of some time.
    pub fn dated(&mut self, entry: Entry) -> Entry {
        let aside = self.random.below(3) * self.random.below(1_000);
        let mut time = if self.one_in(8) { self.now + aside } else { self.now - aside };
        if matches!(entry.body, Body::Transaction(_) | Body::OpeningBalance(_)) {
            // History that is recorded late.
            let back = if self.one_in(5) { self.random.below(3 * DAY_MS) } else { 0 };
            return market::when(time - back, entry);
        }
        let named = names(&entry.body);
        let happened = named.iter().filter_map(|(kind, name)| match kind {
            Kind::Payout => self.known.happened(*kind, self.known.first_part(name)),
            _ => self.known.happened(*kind, name),
        });
        let Some(latest) = happened.max() else { return market::when(time, entry) };
        let locks = named.iter().find_map(|(kind, name)| {
            let named = (*kind == Kind::Commission).then(|| self.known.commission(name))?;
            named?.locks
        });
        if let Some(date) = locks
            && (takes_back(&entry.body) && date <= self.now || self.one_in(4))
        {
            // Beside the locking date.
            time = self.one_of(&[date - 1, date - 1, date]);
        } else if self.one_in(6) {
            time = latest;
        }
        let slips = self.slips() && self.one_in(2);
        market::when(if slips { latest - 1 } else { time.max(latest) }, entry)
    }
}

/// Whether it takes a commission back, or puts it off.
fn takes_back(body: &Body<Amount>) -> bool {
    match body {
        Body::Decision(body) => {
            matches!(body.verdict, Verdict::Decline { .. } | Verdict::Extend { .. })
        }
        Body::Amendment(_) | Body::Reversal(_) => true,
        _ => false,
    }
}

/// Whether a step says a time before the locking date that has come in the block at `now`.
pub fn dates_back(model: &Model, place: usize, entry: &Entry, now: u64) -> bool {
    if !takes_back(&entry.body) {
        return false;
    }
    let named = names(&entry.body);
    let mut commissions = named.iter().filter(|(kind, _)| *kind == Kind::Commission);
    let known = model.before(place, &entry.tenant);
    commissions.any(|(_, name)| {
        let locks = known.commission(name).and_then(|named| named.locks);
        locks.is_some_and(|date| entry.event_time.as_millis() < date && date <= now)
    })
}
