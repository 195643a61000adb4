//! What becomes of commissions, as entries.

use super::Marketplace;
use super::chance::Random;
use super::fundings::Due;
use super::futures::Step;
use super::open::OpenCommission;
use super::payouts::{Paid, Payable};
use super::sales::{item_id, part_of};
use crate::protocol::entry::{
    Adjustment, Amended, Amendment, Body, Claim, Decision, Effect, Entry, Inquiry,
    InquiryResolution, Kind, Outcome, Reason, Reference, Refund, RefundItem, Reversal, Verdict,
};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};

/// How often a reversal says what the buyer got back, in parts per million.
const REFUND_PPM: u32 = 500_000;

const DECLINE_REASONS: [(u32, Reason); 9] = [
    (35, Reason::CancelledOrder),
    (20, Reason::PaymentFailed),
    (12, Reason::DuplicateOrder),
    (9, Reason::AffiliateTermsViolation),
    (8, Reason::InvalidVoucher),
    (6, Reason::SelfReferral),
    (5, Reason::ConsumerFraud),
    (3, Reason::TestTransaction),
    (2, Reason::WrongAttribution),
];
const REVERSAL_REASONS: [(u32, Reason); 7] = [
    (70, Reason::ReturnedItem),
    (14, Reason::CancelledOrder),
    (6, Reason::Chargeback),
    (4, Reason::OrderError),
    (3, Reason::WrongAmount),
    (2, Reason::OutOfScopeProduct),
    (1, Reason::MerchantDispute),
];
const AMENDMENT_REASONS: [(u32, Reason); 4] = [
    (60, Reason::WrongAmount),
    (20, Reason::OrderError),
    (15, Reason::OutOfScopeProduct),
    (5, Reason::CurrencyCorrection),
];
const DEBIT_REASONS: [(u32, Reason); 3] =
    [(50, Reason::Chargeback), (35, Reason::ReturnedItem), (15, Reason::ConsumerFraud)];
const CREDIT_REASONS: [(u32, Reason); 3] =
    [(60, Reason::Goodwill), (25, Reason::NetworkCorrection), (15, Reason::WrongAmount)];
const REFUTATIONS: [(u32, Reason); 3] = [
    (50, Reason::MerchantDispute),
    (30, Reason::WrongAttribution),
    (20, Reason::AffiliateTermsViolation),
];

impl Marketplace {
    /// The next step of an open commission.
    pub(super) fn follow_up(
        &mut self,
        mut commission: OpenCommission,
        step: Step,
        now: Timestamp,
    ) -> Entry {
        let tenant = self.tenant_of(commission.program);
        let (external_id, body) = match step {
            Step::Approve => self.decide(&commission, Verdict::Approve),
            Step::Decline => {
                let reason = self.random.weighted(&DECLINE_REASONS);
                self.decide(&commission, Verdict::Decline { reason })
            }
            Step::Extend => {
                let days = self.random.between(7, 45);
                let locking_date = commission.locks_at.saturating_add(days * DAY_MS);
                commission.locks_at = locking_date;
                self.decide(&commission, Verdict::Extend { locking_date })
            }
            Step::Lock => {
                self.lock(&commission);
                self.decide(&commission, Verdict::Lock)
            }
            Step::Amend => self.amend(&mut commission),
            Step::AmendSale => self.amend_sale(&mut commission),
            Step::ReversePart | Step::ReverseAll => self.reverse(&mut commission, step),
            Step::AskAmount | Step::AskDecline => self.ask(&commission, step),
            Step::Confirm => self.answer(&commission, Outcome::Valid),
            Step::Dismiss => self.answer(&commission, Outcome::Incomplete),
            Step::Refute => {
                let reason = self.random.weighted(&REFUTATIONS);
                self.answer(&commission, Outcome::Declined { reason })
            }
            Step::Claw => self.adjust(&commission, Effect::Debit),
            Step::Credit => self.adjust(&commission, Effect::Credit),
        };
        self.open.put_back(commission, now, &mut self.random);
        self.entry(tenant, external_id, now, body)
    }

    fn decide(&mut self, commission: &OpenCommission, verdict: Verdict) -> (Id, Body<Amount>) {
        let number = self.fresh(Kind::Decision);
        let commission = self.commission_id(commission.number);
        (self.numbered("d-", number), Body::Decision(Decision { commission, verdict }))
    }

    /// From now on its merchant owes it.
    fn lock(&mut self, commission: &OpenCommission) {
        let program = self.programs.get(commission.program as usize).expect("it has a program");
        self.fundings.add(Due {
            merchant: program.merchant,
            number: commission.number,
            affiliate: commission.affiliate,
            left: commission.left,
            funded: Amount::ZERO,
        });
    }

    fn amend(&mut self, commission: &mut OpenCommission) -> (Id, Body<Amount>) {
        let old = commission.left;
        commission.left = corrected(old, &mut self.random);
        let of = Amended::Commission { commission: self.commission_id(commission.number) };
        let currency = self.coin_of(commission.program).currency;
        let reason = self.random.weighted(&AMENDMENT_REASONS);
        let body = Amendment { of, currency, old, new: commission.left, reason };
        let number = self.fresh(Kind::Amendment);
        (self.numbered("am-", number), Body::Amendment(body))
    }

    fn amend_sale(&mut self, commission: &mut OpenCommission) -> (Id, Body<Amount>) {
        let sold = &mut commission.sold;
        let old = sold.amount;
        sold.amount = corrected(old, &mut self.random);
        let transaction = self.numbered("t-", sold.transaction);
        let of = Amended::Transaction { transaction, commission_group: None };
        let coin = self.coins.get(usize::from(sold.coin)).expect("a number of coins");
        let reason = self.random.weighted(&AMENDMENT_REASONS);
        let body = Amendment { of, currency: coin.currency, old, new: sold.amount, reason };
        let number = self.fresh(Kind::Amendment);
        (self.numbered("am-", number), Body::Amendment(body))
    }

    fn reverse(&mut self, commission: &mut OpenCommission, step: Step) -> (Id, Body<Amount>) {
        let ppm = match step {
            // A twentieth to three quarters.
            Step::ReversePart => self.random.between(50_000, 750_000),
            _ => PPM_WHOLE.into(),
        };
        let ppm = u32::try_from(ppm).unwrap_or(PPM_WHOLE);
        let amount = part_of(commission.left, ppm);
        commission.left = commission.left.checked_sub(amount).expect("a part of it");
        let reversal = Reversal {
            commission: self.commission_id(commission.number),
            currency: self.coin_of(commission.program).currency,
            amount,
            reason: self.random.weighted(&REVERSAL_REASONS),
            refund: self.refund(commission, ppm),
        };
        let number = self.fresh(Kind::Reversal);
        (self.numbered("r-", number), Body::Reversal(reversal))
    }

    /// What the buyer got back of as much as was sold, in parts per million.
    fn refund(&mut self, commission: &mut OpenCommission, ppm: u32) -> Option<Refund<Amount>> {
        let sold = &mut commission.sold;
        if sold.amount == Amount::ZERO || !self.random.chance(REFUND_PPM) {
            return None;
        }
        let amount = part_of(sold.amount, ppm);
        sold.amount = sold.amount.checked_sub(amount).expect("a part of it");
        let mut items = Vec::new();
        if let Some(rest) = sold.quantity.checked_sub(1) {
            let all = ppm == PPM_WHOLE;
            let quantity = if all { sold.quantity } else { 1 };
            sold.quantity = if all { 0 } else { rest };
            let item = item_id(sold.item.into(), self.profile.id_digits);
            items.push(RefundItem { item, quantity: quantity.into() });
        }
        let coin = self.coins.get(usize::from(sold.coin)).expect("a number of coins");
        Some(Refund { currency: coin.currency, amount, items })
    }

    /// An inquiry is named after its commission: there is one at most.
    fn ask(&mut self, commission: &OpenCommission, step: Step) -> (Id, Body<Amount>) {
        let id = self.commission_id(commission.number);
        let claim = match step {
            Step::AskDecline => Claim::Declined { commission: id },
            _ => Claim::Incorrect { commission: id },
        };
        let program = self.programs.get(commission.program as usize).expect("it has a program");
        let amount = match step {
            Step::AskDecline => commission.left,
            _ => corrected(commission.left, &mut self.random),
        };
        let inquiry = Inquiry {
            affiliate: self.affiliate(commission.affiliate),
            merchant: self.merchant(program.merchant).name.clone(),
            program: program.name.clone(),
            claim,
            currency: self.coin_of(commission.program).currency,
            amount,
        };
        (self.numbered("i-", commission.number), Body::Inquiry(inquiry))
    }

    fn answer(&self, commission: &OpenCommission, outcome: Outcome) -> (Id, Body<Amount>) {
        let inquiry = self.numbered("i-", commission.number);
        let body = InquiryResolution { inquiry, outcome };
        (self.numbered("ir-", commission.number), Body::InquiryResolution(body))
    }

    fn adjust(&mut self, commission: &OpenCommission, effect: Effect) -> (Id, Body<Amount>) {
        let ppm = match effect {
            Effect::Debit if self.random.chance(700_000) => PPM_WHOLE.into(),
            Effect::Debit | Effect::Credit => self.random.between(50_000, 500_000),
        };
        let amount = part_of(commission.left, u32::try_from(ppm).unwrap_or(PPM_WHOLE));
        let related = Reference {
            kind: Kind::Commission,
            external_id: self.commission_id(commission.number),
        };
        self.adjust_balance(commission.affiliate, commission.program, effect, amount, related)
    }

    /// An adjustment, which waits to be paid from now on.
    pub(super) fn adjust_balance(
        &mut self,
        affiliate: u32,
        program: u32,
        effect: Effect,
        amount: Amount,
        related: Reference,
    ) -> (Id, Body<Amount>) {
        let number = self.fresh(Kind::Adjustment);
        let (reason, paid) = match effect {
            Effect::Debit => (self.random.weighted(&DEBIT_REASONS), Paid::Debit(number)),
            Effect::Credit => (self.random.weighted(&CREDIT_REASONS), Paid::Credit(number)),
        };
        let coin = self.coin_number_of(program);
        self.payouts.add(Payable { affiliate, coin, paid, amount });
        let currency = self.coin_of(program).currency;
        let affiliate = self.affiliate(affiliate);
        let body = Adjustment { affiliate, effect, currency, amount, related, reason };
        (self.numbered("a-", number), Body::Adjustment(body))
    }
}

/// What an amount is corrected to: less, mostly. Never the same, and never nothing.
fn corrected(old: Amount, random: &mut Random) -> Amount {
    let ppm = u32::try_from(random.between(400_000, 1_200_000)).unwrap_or(PPM_WHOLE);
    match old.parts_per_million(ppm) {
        Some(new) if new != Amount::ZERO && new != old => new,
        _ => Amount::from_units(old.units() + 1).unwrap_or(Amount::ZERO),
    }
}
