//! Money that moves, as entries: fundings, payouts and what becomes of them.

use super::Marketplace;
use super::closing::Closing;
use super::coins::Coin;
use super::payouts::{Event, Paid, Part, Payable};
use super::sales::day_of;
use crate::protocol::entry::{
    Body, Effect, Entry, Funding, FundingLine, Fx, Kind, PaymentEvent, Payout, PayoutEvent,
    PayoutLine,
};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::time::Timestamp;

/// One of so many affiliates is paid in another currency.
const ONE_FOREIGN_OF: u32 = 9;

impl Marketplace {
    /// What has to do with money that moves, if there is anything at `now` and it is its turn.
    pub(super) fn settle(&mut self, now: Timestamp) -> Option<Entry> {
        let (fundings, payouts) = (self.fundings.pending(now), self.payouts.pending(now));
        let pending = fundings.0 || payouts.0 || self.payouts.event_pending(now);
        // Unless it can't wait, it takes turns with everything else, or the first of a month
        // would see nothing else.
        if !(fundings.1 || payouts.1 || pending && self.random.chance(500_000)) {
            return None;
        }
        // What is paid for now is paid out next month.
        self.payouts.begin_if_due(now);
        if let Some(event) = self.payouts.next_event(now) {
            return Some(self.payout_event(event, now));
        }
        if fundings.0
            && let Some(entry) = self.fund(now)
        {
            return Some(entry);
        }
        let part = self.payouts.next_part(now, &self.coins, &mut self.random)?;
        Some(self.pay(&part, now))
    }

    fn fund(&mut self, now: Timestamp) -> Option<Entry> {
        let payment = self.fundings.next(now, &mut self.random)?;
        let merchant = self.merchant(payment.merchant);
        let coin = merchant.coin;
        for due in payment.whole {
            let paid = Paid::Commission(due.number);
            self.payouts.add(Payable { affiliate: due.affiliate, coin, paid, amount: due.left });
        }
        let lines = payment.lines.into_iter();
        let lines = lines
            .map(|(number, amount)| FundingLine { commission: self.commission_id(number), amount });
        let lines = lines.collect();
        Some(self.funding(payment.merchant, payment.received, lines, now))
    }

    /// A merchant's payment.
    pub(super) fn funding(
        &mut self,
        merchant: u32,
        received: Amount,
        lines: Vec<FundingLine<Amount>>,
        now: Timestamp,
    ) -> Entry {
        let number = self.fresh(Kind::Funding);
        let (payment_ref, external_id) =
            (self.numbered("wire-", number), self.numbered("f-", number));
        let merchant = self.merchant(merchant);
        let funding = Funding {
            merchant: merchant.name.clone(),
            payment_ref,
            currency: self.coin(merchant.coin).currency,
            received,
            lines,
        };
        self.entry(merchant.tenant, external_id, now, Body::Funding(funding))
    }

    fn pay(&mut self, part: &Part, now: Timestamp) -> Entry {
        let coin = *self.coin(part.coin);
        let (period_from, period_until) = part.period;
        let mut lines: Vec<_> = part.lines.iter().map(|line| self.payout_line(line)).collect();
        if let Some(closing) = &part.closing {
            lines.extend(closing_lines(closing));
        }
        let total = part.closing.map(|closing| closing.total);
        let payout = Payout {
            affiliate: self.affiliate(part.affiliate),
            currency: coin.currency,
            period_from,
            period_until,
            continues: (part.number > 1).then(|| self.part_id(part.payout, part.number - 1)),
            lines,
            total,
            fx: total.and_then(|total| self.paid_in_another(part.affiliate, &coin, total, now)),
        };
        let tenant = part.affiliate % self.profile.tenants;
        let external_id = self.part_id(part.payout, part.number);
        self.entry(tenant, external_id, now, Body::Payout(payout))
    }

    fn part_id(&self, payout: u64, part: u64) -> Id {
        let id = self.numbered("p-", payout);
        Id::new(&format!("{id}.{part}")).expect("an id and digits")
    }

    fn payout_line(&self, line: &Payable) -> PayoutLine<Amount> {
        let amount = line.amount;
        match line.paid {
            Paid::Commission(number) => {
                PayoutLine::Commission { commission: self.commission_id(number), amount }
            }
            Paid::Credit(number) | Paid::Debit(number) => {
                PayoutLine::Adjustment { adjustment: self.numbered("a-", number), amount }
            }
        }
    }

    /// How a total is changed for the affiliates that are paid in another currency.
    fn paid_in_another(
        &mut self,
        affiliate: u32,
        coin: &Coin,
        total: Amount,
        now: Timestamp,
    ) -> Option<Fx> {
        let to = *self.coins.first()?;
        if affiliate % ONE_FOREIGN_OF != 3 || to.currency == coin.currency {
            return None;
        }
        let rate = coin.rate_to(&to, &mut self.random);
        total.changed(rate, coin.scale, to.scale)?;
        let source = Id::new("ecb").expect("a word");
        Some(Fx { from: coin.currency, to: to.currency, rate, source, at: day_of(now) })
    }

    fn payout_event(
        &mut self,
        (payout, event, affiliate): (u64, Event, u32),
        now: Timestamp,
    ) -> Entry {
        let event = match event {
            Event::Sent => {
                let payment_ref = Some(self.numbered("sepa-", payout));
                PaymentEvent::Sent { payment_ref }
            }
            Event::Completed => PaymentEvent::Completed,
            Event::Failed => PaymentEvent::Failed,
            Event::Returned => PaymentEvent::Returned,
        };
        let number = self.fresh(Kind::PayoutEvent);
        let body = Body::PayoutEvent(PayoutEvent { payout: self.part_id(payout, 1), event });
        let external_id = self.numbered("pe-", number);
        self.entry(affiliate % self.profile.tenants, external_id, now, body)
    }
}

/// The lines that close a payout, those with nothing in them left out.
fn closing_lines(closing: &Closing) -> impl Iterator<Item = PayoutLine<Amount>> + use<> {
    let Closing { fee, withheld_tax, added, kept, .. } = *closing;
    let lines = [
        PayoutLine::Fee { amount: fee },
        PayoutLine::WithheldTax { amount: withheld_tax },
        PayoutLine::CarriedForward { effect: Effect::Credit, amount: added },
        PayoutLine::CarriedForward { effect: Effect::Debit, amount: kept },
    ];
    lines.into_iter().filter(|line| *line.amount() != Amount::ZERO)
}
