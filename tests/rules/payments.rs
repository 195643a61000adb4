//! What the model allows of payments, uplines and erasures: section 13 of FORMAT.md.

use counterfoil::protocol::entry::{
    AffiliateUpline, Body, ErasureNotice, Funding, Kind, Payout, PayoutEvent, PayoutLine,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::Amount;

use super::allowed::{allows_fx, listed};
use super::arithmetic::changed;
use super::model::{Known, MOST, Verdicted, demand, units};
use super::settlement::carried_by;
use super::steps::{after, payout_after, payout_step_of};

impl Known<'_> {
    pub(super) fn allows_funding(&self, body: &Funding<Amount>, time: u64) -> Verdicted {
        listed(body.currency)?;
        demand(body.lines.len() <= 500, "list-length")?;
        demand(!body.lines.is_empty() || units(body.received) != 0, "zero-amount")?;
        for (place, line) in body.lines.iter().enumerate() {
            demand(units(line.amount) != 0, "zero-amount")?;
            let now = self.named_commission(&line.commission, time)?;
            demand(*now.merchant == body.merchant, "another-merchant")?;
            demand(now.currency == body.currency, "another-currency")?;
            let here =
                body.lines[..place].iter().filter(|other| other.commission == line.commission);
            let funded = now.funded + here.map(|other| units(other.amount)).sum::<u128>();
            let by_now = now.standing == "locked" && funded == now.left() && funded > 0;
            after(if by_now { "funded" } else { now.standing }, "fund")?;
            demand(funded + units(line.amount) <= now.left(), "too-much")?;
        }
        let (received, covers) = self.prepaid(&body.merchant, body.currency);
        let received = received + units(body.received);
        let covers = covers + body.lines.iter().map(|line| units(line.amount)).sum::<u128>();
        demand(received <= MOST && covers <= MOST, "sum-too-large")?;
        demand(covers <= received, "prepaid-exceeded")
    }

    pub(super) fn allows_payout(&self, body: &Payout<Amount>, name: &Id, time: u64) -> Verdicted {
        listed(body.currency)?;
        demand(body.period_until > body.period_from, "empty-period")?;
        demand((1..=500).contains(&body.lines.len()), "list-length")?;
        let mut earlier = Vec::new();
        if let Some(previous) = &body.continues {
            demand(self.exists(Kind::Payout, previous) && previous != name, "missing-parent")?;
            self.names(Kind::Payout, self.first_part(previous), time)?;
            let payout = self.payout(self.first_part(previous));
            let (latest, part) = payout.parts.last().unwrap();
            demand(*latest == previous && payout.standing == "open", "payout-not-open")?;
            demand(part.affiliate == body.affiliate, "another-affiliate")?;
            demand(part.currency == body.currency, "another-currency")?;
            let period = (body.period_from, body.period_until);
            demand((part.period_from, part.period_until) == period, "another-period")?;
            earlier = payout.parts.iter().flat_map(|(_, part)| &part.lines).collect();
        }
        let before = self.carried(&body.affiliate, body.currency);
        let so_far = |place: usize| {
            let lines = earlier.iter().copied().chain(&body.lines[..place]);
            let (_, used) = carried_by(&body.lines[..place]);
            (self.sums(lines), before.1 + used)
        };
        for (place, line) in body.lines.iter().enumerate() {
            demand(units(*line.amount()) != 0, "zero-amount")?;
            self.allows_line(body, place, line, time)?;
            let (sums, carried) = so_far(place + 1);
            let all = [sums.0, sums.1, carried];
            demand(all.into_iter().all(|sum| sum <= MOST), "sum-too-large")?;
        }
        let ((added, taken_off), used) = so_far(body.lines.len());
        if let Some(total) = body.total {
            demand(added == taken_off + units(total), "wrong-total")?;
            let kept = before.0 + carried_by(earlier.iter().copied().chain(&body.lines)).0;
            demand(kept <= MOST, "sum-too-large")?;
            demand(units(total) == 0 || used <= kept, "still-owing")?;
        }
        let Some(fx) = &body.fx else { return Ok(()) };
        let total = body.total.ok_or("misplaced-fx")?;
        allows_fx(fx, body.currency)?;
        demand(changed(units(total), Some(fx)) <= MOST, "sum-too-large")
    }

    fn allows_line(
        &self,
        body: &Payout<Amount>,
        place: usize,
        line: &PayoutLine<Amount>,
        time: u64,
    ) -> Verdicted {
        let whose = (&body.affiliate, body.currency);
        match line {
            PayoutLine::Commission { commission, amount } => {
                let now = self.named_commission(commission, time)?;
                demand(now.affiliate == whose.0, "another-affiliate")?;
                demand(now.currency == whose.1, "another-currency")?;
                let here = |other: &PayoutLine<Amount>| matches!(other, PayoutLine::Commission { commission: same, .. } if same == commission);
                let taken = body.lines[..place].iter().any(here);
                after(if taken { "in_payout" } else { now.standing }, "pay")?;
                demand(units(*amount) == now.left(), "wrong-amount")
            }
            PayoutLine::Adjustment { adjustment, amount } => {
                self.names(Kind::Adjustment, adjustment, time)?;
                let now = self.adjustment(adjustment).unwrap();
                demand(now.affiliate == whose.0, "another-affiliate")?;
                demand(now.currency == whose.1, "another-currency")?;
                let here = |other: &PayoutLine<Amount>| matches!(other, PayoutLine::Adjustment { adjustment: same, .. } if same == adjustment);
                let taken = body.lines[..place].iter().any(here);
                demand(now.standing == "free" && !taken, "in-payout")?;
                demand(units(*amount) == now.amount, "wrong-amount")
            }
            PayoutLine::Fee { .. }
            | PayoutLine::WithheldTax { .. }
            | PayoutLine::CarriedForward { .. } => Ok(()),
        }
    }

    pub(super) fn allows_payout_event(&self, body: &PayoutEvent, time: u64) -> Verdicted {
        self.names(Kind::Payout, &body.payout, time)?;
        demand(self.first_part(&body.payout) == &body.payout, "not-first-part")?;
        let standing = self.payout(&body.payout).standing;
        payout_after(standing, payout_step_of(&body.event)).map(|_| ())
    }

    pub(super) fn allows_upline(&self, body: &AffiliateUpline) -> Verdicted {
        let mut above = body.upline.as_ref();
        let mut count = 0;
        while let Some(who) = above {
            count += 1;
            demand(*who != body.affiliate, "upline-cycle")?;
            demand(count <= 64, "upline-too-deep")?;
            above = self.upline(who);
        }
        Ok(())
    }

    pub(super) fn allows_erasure(&self, body: &ErasureNotice, time: u64) -> Verdicted {
        let (kind, name) = (body.entry.kind, &body.entry.external_id);
        self.names(kind, name, time)?;
        let found = self.entry(kind, name).map(|(_, entry)| entry);
        let committed = found.is_some_and(|entry| entry.commitment.is_some());
        demand(committed, "nothing-committed")?;
        let named = self.0.iter().any(
            |fact| matches!(&fact.body, Body::ErasureNotice(other) if other.entry == body.entry),
        );
        demand(!named, "erased-before")
    }
}
