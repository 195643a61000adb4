//! Each month: the merchant pays for what is locked, and the affiliates are paid.

use std::collections::BTreeMap;
use std::io::Write;

use counterfoil::protocol::entry::{
    FundingLine, MAX_FUNDING_LINES, MAX_PAYOUT_LINES, PaymentEvent,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, MoneyError};
use counterfoil::protocol::time::Timestamp;

use super::accounts::{Account, Payment};
use super::agenda::{Due, News, PaymentIndex};
use super::history::{History, too_large};
use super::pounds::Pounds;
use super::program::{self, Affiliate, Fate};
use super::purchases::SaleIndex;
use super::report::Item;
use super::{ConversionError, entries};

/// What is still to be settled.
#[derive(Default)]
pub struct Settlement {
    /// Commissions that are locked and not yet paid for.
    pub locked: Vec<SaleIndex>,
    /// What the merchant has paid beyond what it had to.
    prepaid: Amount,
    accounts: BTreeMap<Affiliate, Account>,
    /// Every payment so far, by [`PaymentIndex`].
    sent: Vec<Sent>,
}

/// A payment under way.
struct Sent {
    name: Id,
    affiliate: Affiliate,
    payment: Payment,
}

impl Settlement {
    /// The account of an affiliate.
    pub fn account(&mut self, affiliate: Affiliate) -> &mut Account {
        self.accounts.entry(affiliate).or_default()
    }

    /// Uses what is prepaid to cover `covered`. Gives what else the merchant pays in, or `None`
    /// if that is no amount.
    fn receive(&mut self, covered: Amount) -> Option<Amount> {
        let lacking = covered.checked_sub(self.prepaid).unwrap_or(Amount::ZERO);
        let received = program::received(lacking)?;
        self.prepaid = self.prepaid.checked_add(received)?.checked_sub(covered)?;
        Some(received)
    }
}

impl<W: Write> History<'_, W> {
    /// The merchant pays for all that is locked. What it prepaid counts.
    pub(super) fn fund(&mut self, time: Timestamp) -> Result<(), ConversionError> {
        self.agenda.note(program::payout(time), Due::PayOut);
        let next = program::next_funding(time);
        if next > time {
            self.agenda.note(next, Due::Fund);
        }
        let mut lines = Vec::new();
        let mut covered = Amount::ZERO;
        for index in std::mem::take(&mut self.settlement.locked) {
            let sale = self.sales.get(index.0).expect("sales that were made are locked");
            let earned = sale.commission.as_ref().expect("only what is earned is locked");
            let commission = entries::commission_of(&sale.order);
            covered = covered
                .checked_add(earned.left)
                .ok_or_else(|| too_large(&commission, MoneyError::TooLarge))?;
            self.report.add(Item::Funded, Pounds::from_pennies(earned.left));
            let account = self.settlement.account(earned.affiliate);
            account.commissions.push((commission.clone(), earned.left));
            lines.push(FundingLine { commission, amount: earned.left });
        }
        let name = entries::funding_name(time);
        let received = self.settlement.receive(covered);
        let mut received = received.ok_or_else(|| too_large(&name, MoneyError::TooLarge))?;
        for (part, lines) in lines.chunks(MAX_FUNDING_LINES).enumerate() {
            self.report.add(Item::Fundings, Pounds::from_pennies(received));
            self.journal.write(&entries::funding(&name, time, part, received, lines.to_vec()))?;
            received = Amount::ZERO;
        }
        Ok(())
    }

    /// Every affiliate with anything new is paid, or gets to know why not.
    pub(super) fn pay_out(&mut self, time: Timestamp) -> Result<(), ConversionError> {
        let mut payments = Vec::new();
        for (affiliate, account) in &mut self.settlement.accounts {
            let name = entries::payout_name(time, *affiliate);
            let payment = account.pay().map_err(|error| too_large(&name, error))?;
            payments.extend(payment.map(|payment| Sent { name, affiliate: *affiliate, payment }));
        }
        for sent in payments {
            self.pay(time, sent)?;
        }
        Ok(())
    }

    fn pay(&mut self, time: Timestamp, sent: Sent) -> Result<(), ConversionError> {
        let Sent { name, affiliate, payment: Payment { lines, total, .. } } = &sent;
        let parts = lines.chunks(MAX_PAYOUT_LINES);
        let last = parts.len().saturating_sub(1);
        for (part, lines) in parts.enumerate() {
            let total = (part == last).then_some(*total);
            let payout = entries::payout(name, time, *affiliate, part, lines.to_vec(), total);
            self.journal.write(&payout)?;
        }
        self.report.add(Item::Payouts, Pounds::from_pennies(*total));
        let mut news = vec![(program::arrival(time), News::Arrived)];
        if *total == Amount::ZERO {
            self.report.add(Item::PayoutsOfNothing, Pounds::ZERO);
            news = vec![(time, News::Arrived)];
        } else {
            let event = PaymentEvent::Sent { payment_ref: None };
            self.journal.write(&entries::payout_event(name, time, event))?;
            match affiliate.fate(time) {
                Fate::Arrives => {}
                Fate::Fails => news = vec![(program::failure(time), News::Failed)],
                Fate::ComesBack => news.push((program::coming_back(time), News::CameBack)),
            }
        }
        let index = PaymentIndex(self.settlement.sent.len());
        for (time, news) in news {
            self.agenda.note(time, Due::Hear(index, news));
        }
        self.settlement.sent.push(sent);
        Ok(())
    }

    pub(super) fn hear(
        &mut self,
        payment: PaymentIndex,
        time: Timestamp,
        news: News,
    ) -> Result<(), ConversionError> {
        let (event, item) = match news {
            News::Arrived => (PaymentEvent::Completed, Item::PayoutsCompleted),
            News::Failed => (PaymentEvent::Failed, Item::PayoutsFailed),
            News::CameBack => (PaymentEvent::Returned, Item::PayoutsReturned),
        };
        let Settlement { sent, accounts, .. } = &mut self.settlement;
        let sent = sent.get_mut(payment.0).expect("news are of payments that were made");
        self.report.add(item, Pounds::from_pennies(sent.payment.total));
        self.journal.write(&entries::payout_event(&sent.name, time, event))?;
        if news != News::Arrived {
            accounts.entry(sent.affiliate).or_default().undo(&mut sent.payment);
        }
        Ok(())
    }
}
