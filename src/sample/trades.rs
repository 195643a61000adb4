//! Transactions, and the commissions on them: exactly what the terms give, but for a few.

use std::sync::Arc;

use super::Marketplace;
use super::earnings::Stake;
use super::open::{NewCommission, Sold};
use super::programs::{Subscription, Terms};
use super::sales::{Market, Part, Sale};
use super::terms::{AFFILIATE_GROUP, Scheme};
use crate::protocol::entry::{
    Action, Body, Commission, Entry, Kind, Locking, Reason, Role, Transaction,
};
use crate::protocol::hash::Commitment;
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};

/// How often two affiliates share a commission, in parts per million.
const SHARED_PPM: u32 = 40_000;
/// What the first of them gets, in parts per million.
const FIRST_SHARE_PPM: u32 = 700_000;
/// How often a commission isn't what the terms give, in parts per million.
const DEVIATION_PPM: u32 = 3_000;
/// How often a transaction has private particulars committed to, in parts per million.
const COMMITMENT_PPM: u32 = 250_000;
/// How often a transaction belongs to a campaign, in parts per million.
const CAMPAIGN_PPM: u32 = 300_000;
/// How often a transaction has a click to it, in parts per million.
const CLICK_PPM: u32 = 900_000;
/// The most days until something happens to what locks on no date.
const MAX_UNDECIDED_DAYS: u64 = 60;
/// One of so many affiliates is in the group that some merchants pay better.
const ONE_PREMIUM_OF: u32 = 5;

const DEVIATION_REASONS: [(u32, Reason); 4] = [
    (50, Reason::Goodwill),
    (20, Reason::AffiliateTermsViolation),
    (20, Reason::WrongAttribution),
    (10, Reason::NetworkCorrection),
];

/// What the commissions on a transaction have in common.
struct Deal {
    tenant: u32,
    program: u32,
    number: u64,
    external_id: Id,
    /// Whose buyer it is, by number.
    affiliate: u32,
    /// Who has a share in that.
    second: Option<u32>,
    terms: Arc<Terms>,
    currency: Currency,
    locking_date: Option<Timestamp>,
    /// The locking date, or when it might lock.
    locks_at: Timestamp,
    refund_rate_ppm: u32,
    /// What is paid for once more, as it was before.
    subscription: Option<Subscription>,
    /// Whether some affiliates are in a group of their own.
    has_affiliate_groups: bool,
    /// What was paid in, by number.
    coin: usize,
    /// Whether there is at most one commission, and no group.
    sole: bool,
}

/// What is stated of a commission.
struct Earned {
    rule: u16,
    affiliate: u32,
    role: Role,
    amount: Amount,
    deviation: Option<Reason>,
    sold: Sold,
}

impl Marketplace {
    /// A transaction, after which its commissions are next.
    pub(super) fn trade(&mut self, now: Timestamp) -> Entry {
        let (deal, sale) = self.strike(now);
        self.counts.begin(now);
        for part in &sale.parts {
            match deal.second {
                None => self.share(&deal, part, (deal.affiliate, PPM_WHOLE), true),
                Some(second) => {
                    self.share(&deal, part, (deal.affiliate, FIRST_SHARE_PPM), true);
                    self.share(&deal, part, (second, PPM_WHOLE - FIRST_SHARE_PPM), false);
                }
            }
        }
        self.state_sale(&deal, sale, now)
    }

    /// Draws what is sold, by whom, and who has led the buyer there.
    fn strike(&mut self, now: Timestamp) -> (Deal, Sale) {
        let program_number = self.program_popularity.rank(&mut self.random);
        let ranks = [(); 2].map(|()| self.affiliate_popularity.rank(&mut self.random));
        let number = self.fresh(Kind::Transaction);
        let program = self.programs.get_mut(program_number as usize).expect("a rank of programs");
        let merchant = self.merchants.get(program.merchant as usize).expect("it has a merchant");
        let tenant = merchant.tenant;
        let terms = program.terms_at(now);
        let id_digits = self.profile.id_digits;
        let market = Market { coins: &self.coins, coin: merchant.coin, id_digits };
        let sale = Sale::draw(&market, program, now, &mut self.random);
        let [mut affiliate, second] =
            ranks.map(|rank| program.partner(rank) * self.profile.tenants + tenant);
        let subscription = (sale.action == Action::Subscription).then(|| {
            let new = Subscription { number, affiliate, payments: 0 };
            program.subscribe(new, &mut self.random)
        });
        affiliate = subscription.map_or(affiliate, |subscription| subscription.affiliate);
        let shared = subscription.is_none() && self.random.chance(SHARED_PPM);
        let second = (shared && second != affiliate).then_some(second);
        let locking_date = locking_date(terms.body.locking, now);
        let undecided = self.random.between(DAY_MS, MAX_UNDECIDED_DAYS * DAY_MS);
        let overrides = terms.body.rules.iter().any(|rule| !rule.override_ppm.is_empty());
        let grouped = sale.parts.iter().any(|part| part.group.is_some());
        let deal = Deal {
            tenant,
            program: program_number,
            number,
            affiliate,
            second,
            subscription,
            locking_date,
            locks_at: locking_date.unwrap_or(now.saturating_add(undecided)),
            refund_rate_ppm: program.refund_rate_ppm,
            has_affiliate_groups: program.scheme == Scheme::Groups,
            coin: sale.coin,
            currency: market.currency(),
            sole: second.is_none() && !overrides && !grouped,
            external_id: self.numbered("t-", number),
            terms,
        };
        (deal, sale)
    }

    fn state_sale(&mut self, deal: &Deal, sale: Sale, now: Timestamp) -> Entry {
        let random = &mut self.random;
        let order = match deal.subscription {
            Some(subscription) => ("sub-", subscription.number),
            None => ("order-", random.below(1_000_000_000)),
        };
        let link = u64::from(deal.affiliate) * 1_000 + u64::from(deal.program % 1_000);
        let campaign = random.chance(CAMPAIGN_PPM).then(|| random.below(1_000));
        let click = random.chance(CLICK_PPM).then(|| random.below(1_000_000_000_000));
        let coin = self.coins.get(sale.coin).expect("a number of coins");
        let transaction = Transaction {
            order_ref: self.numbered(order.0, order.1),
            merchant: deal.terms.body.merchant.clone(),
            program: deal.terms.body.program.clone(),
            action: sale.action,
            currency: coin.currency,
            amount: sale.amount,
            discount: sale.discount,
            voucher: sale.voucher,
            commission_group: sale.group,
            link_ref: Some(self.numbered("link-", link)),
            campaign_ref: campaign.map(|campaign| self.numbered("cmp-", campaign)),
            click_ref: click.map(|click| self.numbered("click-", click)),
            items: sale.items,
            fx: sale.fx,
        };
        let body = Body::Transaction(transaction);
        let mut entry = self.entry(deal.tenant, deal.external_id.clone(), now, body);
        if self.random.chance(COMMITMENT_PPM) {
            entry.commitment = Some(self.draw_commitment());
            self.asides.remember_committed(deal.tenant, deal.number);
        }
        entry
    }

    /// Lets an affiliate earn a share of a part, and those above it what they get for that. The
    /// first of a part keeps in mind what can be sent back.
    fn share(&mut self, deal: &Deal, part: &Part, (affiliate, share_ppm): (u32, u32), first: bool) {
        let premium = deal.has_affiliate_groups && affiliate % ONE_PREMIUM_OF == 0;
        let affiliate_group = premium.then(|| Id::new(AFFILIATE_GROUP).expect("a word"));
        let stake = Stake {
            transaction: deal.number,
            program: deal.program,
            affiliate,
            affiliate_group: affiliate_group.as_ref(),
            commission_group: part.group.as_ref(),
            amount: part.reckoned,
            share_ppm,
            earlier: deal.subscription.map(|subscription| subscription.payments),
        };
        let rules = &deal.terms.body.rules;
        let (number, given) =
            self.counts.give(rules, &stake).expect("the last rule fits everything");
        if given == Amount::ZERO && deal.subscription.is_some() {
            // It has been paid for often enough.
            return;
        }
        let (amount, deviation) = self.deviate(given);
        let reward = rules.get(usize::from(number) - 1).expect("the number of a rule");
        self.counts.count(reward, &stake, amount);
        let sold = if first { sold(deal, part) } else { Sold::default() };
        let role =
            Role::Direct { share_ppm, commission_group: part.group.clone(), affiliate_group };
        let direct =
            self.earn(deal, Earned { rule: number, affiliate, role, amount, deviation, sold });
        let mut below = affiliate;
        for (level, ppm) in (1..).zip(&reward.override_ppm) {
            let Some(affiliate) = self.uplines.above(below) else { break };
            let given = amount.parts_per_million(*ppm).expect("a part of it");
            let (amount, deviation) = self.deviate(given);
            let role = Role::Override { of: direct.clone(), level };
            let sold = Sold::default();
            self.earn(deal, Earned { rule: number, affiliate, role, amount, deviation, sold });
            below = affiliate;
        }
    }

    /// What is stated where the terms give so much: that, but for a few.
    fn deviate(&mut self, given: Amount) -> (Amount, Option<Reason>) {
        if !self.random.chance(DEVIATION_PPM) {
            return (given, None);
        }
        let ppm = u32::try_from(self.random.between(500_000, 1_500_000)).unwrap_or(PPM_WHOLE);
        let amount = given.parts_per_million(ppm).unwrap_or(given);
        let reason = self.random.weighted(&DEVIATION_REASONS);
        (amount, (amount != given).then_some(reason))
    }

    /// States a commission next; its external id.
    fn earn(&mut self, deal: &Deal, earned: Earned) -> Id {
        let now = self.tick();
        let number = self.fresh(Kind::Commission);
        let Earned { rule, affiliate, role, amount, deviation, sold } = earned;
        let terms = &deal.terms.body;
        let new = NewCommission {
            number,
            affiliate,
            program: deal.program,
            amount,
            locking: terms.locking,
            locks_at: deal.locks_at,
            sold,
            sole: deal.sole,
            refund_rate_ppm: deal.refund_rate_ppm,
        };
        self.open.open(new, (now, self.entries), &mut self.random);
        let fee = amount.parts_per_million(terms.network_fee_ppm).expect("a part of it");
        let body = Body::Commission(Commission {
            transaction: deal.external_id.clone(),
            terms: deal.terms.external_id.clone(),
            rule,
            affiliate: self.affiliate(affiliate),
            role,
            currency: deal.currency,
            amount,
            fee,
            locking_date: deal.locking_date,
            deviation,
        });
        let external_id = self.commission_id(number);
        let entry = self.entry(deal.tenant, external_id.clone(), now, body);
        self.next.push_back(entry);
        external_id
    }

    pub(super) fn draw_commitment(&mut self) -> Commitment {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.random.word().to_le_bytes());
        }
        Commitment(bytes)
    }
}

/// What can be sent back of a part.
fn sold(deal: &Deal, part: &Part) -> Sold {
    let (item, quantity) = part.item.unwrap_or_default();
    Sold {
        transaction: deal.number,
        amount: part.amount,
        item: u32::try_from(item).expect("one of few items"),
        quantity: u16::try_from(quantity).expect("a few of it"),
        coin: u16::try_from(deal.coin).expect("one of few currencies"),
    }
}

/// When a commission on a transaction of this time locks.
fn locking_date(locking: Locking, time: Timestamp) -> Option<Timestamp> {
    match locking {
        Locking::Immediate => Some(time),
        Locking::Days { days } => Some(time.saturating_add(u64::from(days) * DAY_MS)),
        Locking::MonthDay { months, day } => Some(time.day_of_later_month(months, day)),
        Locking::OpenEnded => None,
    }
}
