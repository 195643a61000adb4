//! What the model knows of payments: what merchants paid in, what affiliates are owed, and what
//! became of payouts.

use counterfoil::protocol::entry::{Balance, Body, Effect, Kind, Payout, PayoutLine};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};

use super::model::{Known, units};
use super::steps::{of_commissions, payout_after, payout_step_of};

/// An adjustment, or an affiliate's balance that was brought in.
pub struct Adjusting<'m> {
    pub affiliate: &'m Id,
    pub effect: Effect,
    pub currency: Currency,
    pub amount: u128,
    /// What other adjustments give that name it, and what they take.
    pub credits: u128,
    pub debits: u128,
    pub standing: &'static str,
}

impl Adjusting<'_> {
    /// What may be taken from it, those that name it aside.
    pub fn comes_to(&self) -> u128 {
        match self.effect {
            Effect::Credit => self.amount,
            Effect::Debit => 0,
        }
    }
}

/// A payout of one or several parts.
pub struct Paying<'m> {
    pub parts: Vec<(&'m Id, &'m Payout<Amount>)>,
    pub standing: &'static str,
}

impl<'m> Known<'m> {
    /// An adjustment as it is now.
    pub fn adjustment(&self, name: &Id) -> Option<Adjusting<'m>> {
        let stated = match self.imported(Kind::Adjustment, name) {
            Some(Balance::Affiliate { affiliate, effect, currency, amount }) => {
                (affiliate, *effect, *currency, *amount)
            }
            _ => match &self.entry(Kind::Adjustment, name)?.1.body {
                Body::Adjustment(body) => {
                    (&body.affiliate, body.effect, body.currency, body.amount)
                }
                _ => return None,
            },
        };
        let has = |line: &PayoutLine<Amount>| matches!(line, PayoutLine::Adjustment { adjustment, .. } if adjustment == name);
        let standing = match self.latest_payout(has).map(|payout| of_commissions(payout.standing)) {
            Some("in_payout") => "in_payout",
            Some("paid") => "paid",
            _ => "free",
        };
        let (affiliate, effect, currency, amount) = stated;
        let (credits, debits) = self.adjusted(Kind::Adjustment, name);
        let amount = units(amount);
        Some(Adjusting { affiliate, effect, currency, amount, credits, debits, standing })
    }

    /// The latest payout with such a line.
    pub fn latest_payout(&self, has: impl Fn(&PayoutLine<Amount>) -> bool) -> Option<Paying<'m>> {
        let latest = self.0.iter().rev().find(|fact| match &fact.body {
            Body::Payout(payout) => payout.lines.iter().any(&has),
            _ => false,
        });
        latest.map(|fact| self.payout(self.first_part(&fact.external_id)))
    }

    /// The first part of the payout that has this part.
    pub fn first_part<'a>(&self, part: &'a Id) -> &'a Id
    where
        'm: 'a,
    {
        match self.entry(Kind::Payout, part).map(|(_, entry)| &entry.body) {
            Some(Body::Payout(Payout { continues: Some(previous), .. })) => {
                self.first_part(previous)
            }
            _ => part,
        }
    }

    /// A payout, by its first part.
    pub fn payout(&self, first: &Id) -> Paying<'m> {
        let parts: Vec<(&Id, &Payout<Amount>)> = self
            .0
            .iter()
            .filter_map(|fact| match &fact.body {
                Body::Payout(payout) if self.first_part(&fact.external_id) == first => {
                    Some((&fact.external_id, payout))
                }
                _ => None,
            })
            .collect();
        let closed = parts.iter().any(|(_, payout)| payout.total.is_some());
        let mut standing = if closed { "closed" } else { "open" };
        for fact in &self.0 {
            if let Body::PayoutEvent(event) = &fact.body
                && event.payout == *first
            {
                standing = payout_after(standing, payout_step_of(&event.event)).unwrap();
            }
        }
        Paying { parts, standing }
    }

    /// Every payout, by its first part.
    pub fn payouts(&self) -> Vec<(&'m Id, Paying<'m>)> {
        let first = self.0.iter().filter(
            |fact| matches!(&fact.body, Body::Payout(payout) if payout.continues.is_none()),
        );
        first.map(|fact| (&fact.external_id, self.payout(&fact.external_id))).collect()
    }

    /// What lines add and take off.
    pub fn sums<'l>(
        &self,
        lines: impl IntoIterator<Item = &'l PayoutLine<Amount>>,
    ) -> (u128, u128) {
        let (mut added, mut taken_off) = (0, 0);
        for line in lines {
            let effect = match line {
                PayoutLine::Commission { .. } => Effect::Credit,
                PayoutLine::Adjustment { adjustment, .. } => {
                    self.adjustment(adjustment).map_or(Effect::Credit, |found| found.effect)
                }
                PayoutLine::Fee { .. } | PayoutLine::WithheldTax { .. } => Effect::Debit,
                PayoutLine::CarriedForward { effect, .. } => *effect,
            };
            match effect {
                Effect::Credit => added += units(*line.amount()),
                Effect::Debit => taken_off += units(*line.amount()),
            }
        }
        (added, taken_off)
    }

    /// What closed payouts ever kept for an affiliate, and what was ever added from there.
    pub fn carried(&self, affiliate: &Id, currency: Currency) -> (u128, u128) {
        let (mut kept, mut used) = (0, 0);
        for (_, payout) in self.payouts() {
            let whose =
                payout.parts.iter().map(|(_, part)| (&part.affiliate, part.currency)).next();
            if whose != Some((affiliate, currency))
                || ["failed", "returned"].contains(&payout.standing)
            {
                continue;
            }
            let sums = carried_by(payout.parts.iter().flat_map(|(_, part)| &part.lines));
            kept += if payout.standing == "open" { 0 } else { sums.0 };
            used += sums.1;
        }
        (kept, used)
    }

    /// All that a merchant paid, and all that it covers.
    pub fn prepaid(&self, merchant: &Id, currency: Currency) -> (u128, u128) {
        let (mut received, mut covers) = (0, 0);
        for fact in &self.0 {
            match &fact.body {
                Body::Funding(funding)
                    if (&funding.merchant, funding.currency) == (merchant, currency) =>
                {
                    received += units(funding.received);
                    covers += funding.lines.iter().map(|line| units(line.amount)).sum::<u128>();
                }
                Body::OpeningBalance(opening) => match &opening.balance {
                    Balance::Merchant { merchant: who, currency: code, amount }
                        if (who, *code) == (merchant, currency) =>
                    {
                        received += units(*amount);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        (received, covers)
    }
}

/// What lines keep, and what they add from what was kept.
pub fn carried_by<'l>(lines: impl IntoIterator<Item = &'l PayoutLine<Amount>>) -> (u128, u128) {
    let (mut kept, mut used) = (0, 0);
    for line in lines {
        match line {
            PayoutLine::CarriedForward { effect: Effect::Debit, amount } => kept += units(*amount),
            PayoutLine::CarriedForward { effect: Effect::Credit, amount } => used += units(*amount),
            _ => {}
        }
    }
    (kept, used)
}
