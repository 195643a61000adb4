//! What the model allows: section 13 of FORMAT.md, rule by rule in its order.

use std::collections::BTreeSet;

use counterfoil::protocol::entry::{
    Adjustment, Amended, Amendment, Balance, Body, Claim, Commission, Decision, Effect, Entry, Fx,
    Inquiry, InquiryResolution, Kind, Locking, OpeningBalance, Outcome, Period, ProgramTerms, Rate,
    Refund, Reversal, Reward, RewardRule, Role, Transaction, Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::time::Timestamp;

use super::arithmetic::{changed, ppm};
use super::model::{Earning, Known, MOST, Sold, Verdicted, demand, parts, units};
use super::reckoning::{Counting, counts_in, locking_date, rule_for};
use super::steps::{after, step_of};
use crate::market::AHEAD_MS;

const WHOLE: u32 = 1_000_000;

pub fn listed(currency: Currency) -> Verdicted {
    demand(["EUR", "GBP", "JPY"].contains(&currency.as_str()), "unknown-currency")
}

/// The rules of a change of currency of amounts in `currency`.
pub fn allows_fx(fx: &Fx, currency: Currency) -> Verdicted {
    demand(fx.from == currency, "another-currency")?;
    listed(fx.to)?;
    demand(fx.to != fx.from, "needless-fx")?;
    demand(fx.rate.billionths() != 0, "zero-amount")
}

impl<'m> Known<'m> {
    /// Whether `entry` may be stated next, in a block at `now`.
    pub fn allows(&self, entry: &Entry, now: u64) -> Verdicted {
        let name = &entry.external_id;
        let taken = |kind| self.exists(kind, name);
        let mut new = !taken(entry.kind());
        if let Body::OpeningBalance(opening) = &entry.body {
            new &= match opening.balance {
                Balance::Commission { .. } => !taken(Kind::Commission),
                Balance::Affiliate { .. } => !taken(Kind::Adjustment),
                Balance::Merchant { .. } => true,
            };
        }
        demand(new, "duplicate-external-id")?;
        let time = entry.event_time.as_millis();
        demand(time <= now + AHEAD_MS, "event-in-future")?;
        match &entry.body {
            Body::ProgramTerms(body) => self.allows_terms(body, now),
            Body::Transaction(body) => self.allows_transaction(body),
            Body::Commission(body) => self.allows_commission(body, time),
            Body::Decision(body) => self.allows_decision(body, time, now),
            Body::Amendment(body) => self.allows_amendment(body, time, now),
            Body::Reversal(body) => self.allows_reversal(body, time, now),
            Body::Adjustment(body) => self.allows_adjustment(body, time),
            Body::Inquiry(body) => self.allows_inquiry(body, time),
            Body::InquiryResolution(body) => self.allows_resolution(body, time),
            Body::Funding(body) => self.allows_funding(body, time),
            Body::Payout(body) => self.allows_payout(body, name, time),
            Body::PayoutEvent(body) => self.allows_payout_event(body, time),
            Body::AffiliateUpline(body) => self.allows_upline(body),
            Body::OpeningBalance(body) => self.allows_opening(body),
            Body::ErasureNotice(body) => self.allows_erasure(body, time),
            Body::SpecChange(_) => unreachable!("tests/succession.rs is about those"),
        }
    }

    fn allows_terms(&self, terms: &ProgramTerms<Amount>, now: u64) -> Verdicted {
        demand(terms.effective_until.is_none_or(|end| end > terms.effective_from), "empty-period")?;
        demand((1..=4).contains(&terms.actions.len()), "list-length")?;
        demand(terms.actions.is_sorted_by(|one, next| one < next), "unordered")?;
        if let Locking::MonthDay { months, day } = terms.locking {
            demand((1..=12).contains(&months) && (1..=28).contains(&day), "no-such-day")?;
        }
        demand(terms.network_fee_ppm <= WHOLE, "rate-above-whole")?;
        demand((1..=100).contains(&terms.rules.len()), "list-length")?;
        terms.rules.iter().try_for_each(allows_rule)?;
        let earlier = self.versions(&terms.merchant, &terms.program);
        demand(terms.version as usize == earlier.len() + 1, "wrong-version")?;
        let Some((_, latest)) = earlier.last() else { return Ok(()) };
        let from = terms.effective_from;
        let withdraws = latest.effective_from.as_millis() > now + AHEAD_MS;
        let in_order = from >= latest.effective_from || withdraws;
        demand(from.as_millis() >= now && in_order, "terms-reach-back")
    }

    fn has_terms(&self, merchant: &Id, program: &Id) -> Verdicted {
        demand(!self.versions(merchant, program).is_empty(), "unknown-program")
    }

    fn allows_transaction(&self, sale: &Transaction<Amount>) -> Verdicted {
        listed(sale.currency)?;
        self.has_terms(&sale.merchant, &sale.program)?;
        demand(sale.items.len() <= 100, "list-length")?;
        demand(sale.items.iter().all(|item| item.quantity != 0), "zero-amount")?;
        let names: BTreeSet<&Id> = sale.items.iter().map(|item| &item.item).collect();
        demand(names.len() == sale.items.len(), "duplicate-item")?;
        let sum: u128 = sale.items.iter().map(|item| units(item.amount)).sum();
        demand(sale.items.is_empty() || sum == units(sale.amount), "wrong-total")?;
        let Some(fx) = &sale.fx else { return Ok(()) };
        allows_fx(fx, sale.currency)?;
        let small = parts(sale).iter().all(|(_, part)| changed(*part, Some(fx)) <= MOST);
        demand(small, "sum-too-large")
    }

    fn allows_commission(&self, body: &Commission<Amount>, time: u64) -> Verdicted {
        self.names(Kind::Transaction, &body.transaction, time)?;
        let sold = self.sold(&body.transaction).unwrap();
        let (place, terms) = self.terms(&body.terms).ok_or("missing-parent")?;
        demand(self.commissions_of(&body.transaction).len() < 100, "list-length")?;
        let program = (&terms.merchant, &terms.program);
        demand(program == (&sold.body.merchant, &sold.body.program), "terms-of-another-program")?;
        demand(place < sold.place, "terms-recorded-later")?;
        demand(self.in_force(place, terms, &sold), "terms-not-in-force")?;
        demand(terms.actions.contains(&sold.body.action), "action-not-eligible")?;
        let given = match &body.role {
            Role::Direct { .. } => self.allows_direct(body, &sold, terms)?,
            Role::Override { of, level } => {
                self.allows_override(body, terms, (of, *level), time)?
            }
        };
        match body.deviation {
            None => demand(units(body.amount) == given, "wrong-amount")?,
            Some(_) => demand(units(body.amount) != given, "needless-deviation")?,
        }
        demand(units(body.fee) == ppm(units(body.amount), terms.network_fee_ppm), "wrong-amount")?;
        let date = body.locking_date.map(Timestamp::as_millis);
        demand(date == locking_date(terms, sold.time), "wrong-locking-date")
    }

    /// What the terms give, if all but the amount is right.
    fn allows_direct(
        &self,
        body: &Commission<Amount>,
        sold: &Sold<'_>,
        terms: &ProgramTerms<Amount>,
    ) -> Result<u128, &'static str> {
        let Role::Direct { share_ppm, commission_group, affiliate_group } = &body.role else {
            unreachable!("it is direct")
        };
        let group = commission_group.as_ref();
        let part = sold.part(group).ok_or("no-such-part")?;
        let number = rule_for(terms, group, affiliate_group.as_ref());
        demand(number == Some(body.rule.into()), "wrong-rule")?;
        let rule = &terms.rules[usize::from(body.rule) - 1];
        demand(body.currency == sold.reckoned_in(), "another-currency")?;
        demand(*share_ppm != 0, "zero-amount")?;
        let shares = self.shares(&body.transaction, group) + u128::from(*share_ppm);
        demand(shares <= WHOLE.into(), "shares-above-whole")?;
        let applies = self.rate(sold, rule, &body.affiliate, body.currency);
        let of_rate = match applies {
            Rate::Fixed { currency, .. } => Some(currency),
            Rate::Percent { .. } => None,
        };
        let of_tiers = match &rule.reward {
            Reward::VolumeTiers { currency, .. } => Some(*currency),
            _ => None,
        };
        let of_cap = rule.cap.as_ref().map(|cap| cap.currency);
        let currencies = [of_tiers, of_rate, of_cap];
        let same = currencies.into_iter().flatten().all(|code| code == body.currency);
        demand(same, "another-currency")?;
        for period in [Period::Month, Period::Ever] {
            let (affiliate, currency) = (&body.affiliate, body.currency);
            let all = self.counted(sold, &Counting { affiliate, currency, period });
            let volume = all.volume + ppm(part, *share_ppm);
            let small = volume <= MOST && all.earned + units(body.amount) <= MOST;
            demand(small || !counts_in(rule, period), "sum-too-large")?;
        }
        Ok(self.gives(sold, rule, (group, *share_ppm), &body.affiliate))
    }

    /// The shares of all direct commissions of a part.
    pub fn shares(&self, transaction: &Id, group: Option<&Id>) -> u128 {
        let shares = self.0.iter().filter_map(|fact| match &fact.body {
            Body::Commission(Commission {
                transaction: other,
                role: Role::Direct { share_ppm, commission_group, .. },
                ..
            }) if other == transaction && commission_group.as_ref() == group => {
                Some(u128::from(*share_ppm))
            }
            _ => None,
        });
        shares.sum()
    }

    /// The levels of a commission that have their override.
    pub fn levels_taken(&self, direct: &Id) -> Vec<u8> {
        let levels = self.0.iter().filter_map(|fact| match &fact.body {
            Body::Commission(Commission { role: Role::Override { of, level }, .. })
                if of == direct =>
            {
                Some(*level)
            }
            _ => None,
        });
        levels.collect()
    }

    /// Who stands so many levels above an affiliate.
    pub fn above(&self, affiliate: &Id, levels: u8) -> Option<&'m Id> {
        let first = self.upline(affiliate)?;
        (1..levels).try_fold(first, |at, _| self.upline(at))
    }

    /// Who stood so many levels above the affiliate of a direct commission when that was stated.
    pub fn stood_above(&self, direct: &Id, levels: u8) -> Option<&'m Id> {
        let (place, entry) = self.entry(Kind::Commission, direct)?;
        let Body::Commission(stated) = &entry.body else { return None };
        self.before(place).above(&stated.affiliate, levels)
    }

    fn allows_override(
        &self,
        body: &Commission<Amount>,
        terms: &ProgramTerms<Amount>,
        (of, level): (&Id, u8),
        time: u64,
    ) -> Result<u128, &'static str> {
        let direct = self.named_commission(of, time)?;
        let same_sale = direct.transaction == Some(&body.transaction);
        let Some((rule, _)) = direct.direct.filter(|_| same_sale) else {
            return Err("override-of-another");
        };
        let stands = !["declined", "reversed"].contains(&direct.standing);
        demand(stands, "override-of-nothing")?;
        demand(body.rule == rule, "wrong-rule")?;
        let levels = &terms.rules[usize::from(rule) - 1].override_ppm;
        demand((1..=levels.len()).contains(&level.into()), "no-such-level")?;
        demand(!self.levels_taken(of).contains(&level), "override-taken")?;
        demand(self.stood_above(of, level) == Some(&body.affiliate), "not-upline")?;
        demand(body.currency == direct.currency, "another-currency")?;
        Ok(ppm(direct.left(), levels[usize::from(level) - 1]))
    }

    /// A commission that an entry at `time` names, as it is now.
    pub fn named_commission(&self, name: &Id, time: u64) -> Result<Earning<'m>, &'static str> {
        self.names(Kind::Commission, name, time)?;
        Ok(self.commission(name).unwrap())
    }

    fn allows_decision(&self, body: &Decision, time: u64, block: u64) -> Verdicted {
        let now = self.named_commission(&body.commission, time)?;
        after(now.standing, step_of(&body.verdict))?;
        let in_time = now.in_time(time, block);
        let before = now.locks.is_some_and(|date| time < date);
        match body.verdict {
            Verdict::Approve => Ok(()),
            Verdict::Decline { .. } => demand(in_time, "past-locking-date"),
            Verdict::Lock => demand(!before, "before-locking-date"),
            Verdict::Extend { locking_date } => {
                demand(in_time, "past-locking-date")?;
                demand(!now.extended, "extended-before")?;
                let later = now.locks.is_some_and(|date| locking_date.as_millis() > date);
                demand(later, "extension-not-later")
            }
        }
    }

    fn allows_amendment(&self, body: &Amendment<Amount>, time: u64, block: u64) -> Verdicted {
        match &body.of {
            Amended::Commission { commission } => {
                let now = self.named_commission(commission, time)?;
                demand(body.currency == now.currency, "another-currency")?;
                after(now.standing, "amend")?;
                demand(now.in_time(time, block), "past-locking-date")?;
                demand(units(body.old) == now.amount, "stale-amount")?;
                demand(body.new != body.old, "no-change")?;
                demand(units(body.new) >= now.reversed, "below-reversed")
            }
            Amended::Transaction { transaction, commission_group } => {
                self.names(Kind::Transaction, transaction, time)?;
                let sold = self.sold(transaction).unwrap();
                let part = sold.parts.iter().find(|(own, _)| *own == commission_group.as_ref());
                let (_, amount) = part.ok_or("no-such-part")?;
                demand(body.currency == sold.body.currency, "another-currency")?;
                for name in self.commissions_of(transaction) {
                    let standing = self.commission(name).unwrap().standing;
                    if !["declined", "reversed"].contains(&standing) {
                        after(standing, "amend")?;
                    }
                }
                demand(units(body.old) == *amount, "stale-amount")?;
                demand(body.new != body.old, "no-change")?;
                let all: u128 = sold.parts.iter().map(|(_, amount)| amount).sum();
                let all = all - amount + units(body.new);
                demand(all >= sold.refunded, "below-reversed")?;
                let changed = changed(units(body.new), sold.body.fx.as_ref());
                demand(all <= MOST && changed <= MOST, "sum-too-large")
            }
        }
    }

    fn allows_reversal(&self, body: &Reversal<Amount>, time: u64, block: u64) -> Verdicted {
        demand(units(body.amount) != 0, "zero-amount")?;
        let now = self.named_commission(&body.commission, time)?;
        demand(body.currency == now.currency, "another-currency")?;
        after(now.standing, "reverse")?;
        demand(now.in_time(time, block), "past-locking-date")?;
        demand(units(body.amount) <= now.left(), "too-much")?;
        let Some(refund) = &body.refund else { return Ok(()) };
        self.allows_refund(refund, now.transaction.ok_or("missing-parent")?)
    }

    fn allows_refund(&self, refund: &Refund<Amount>, transaction: &Id) -> Verdicted {
        let sold = self.sold(transaction).unwrap();
        demand(refund.currency == sold.body.currency, "another-currency")?;
        demand(refund.items.len() <= 100, "list-length")?;
        demand(units(refund.amount) != 0, "zero-amount")?;
        let all: u128 = sold.parts.iter().map(|(_, amount)| amount).sum();
        demand(sold.refunded + units(refund.amount) <= all, "too-much")?;
        for (place, sent) in refund.items.iter().enumerate() {
            let item = sold.body.items.iter().find(|item| item.item == sent.item);
            let item = item.ok_or("no-such-item")?;
            demand(sent.quantity != 0, "zero-amount")?;
            let here = refund.items[..=place].iter().filter(|other| other.item == sent.item);
            let here: u128 = here.map(|other| u128::from(other.quantity)).sum();
            let sent_back = self.sent_back(transaction, &sent.item) + here;
            demand(sent_back <= item.quantity.into(), "too-many-items")?;
        }
        Ok(())
    }

    fn allows_adjustment(&self, body: &Adjustment<Amount>, time: u64) -> Verdicted {
        const ADJUSTABLE: [Kind; 4] =
            [Kind::Transaction, Kind::Commission, Kind::Adjustment, Kind::Inquiry];
        listed(body.currency)?;
        demand(units(body.amount) != 0, "zero-amount")?;
        let (kind, name) = (body.related.kind, &body.related.external_id);
        demand(ADJUSTABLE.contains(&kind), "not-adjustable")?;
        self.names(kind, name, time)?;
        let same_affiliate =
            |affiliate: &Id| demand(body.affiliate == *affiliate, "another-affiliate");
        let (comes_to, mut credits, mut debits) = match kind {
            Kind::Commission => {
                let now = self.commission(name).unwrap();
                same_affiliate(now.affiliate)?;
                demand(body.currency == now.currency, "another-currency")?;
                after(now.standing, "adjust")?;
                (now.left(), now.credits, now.debits)
            }
            Kind::Adjustment => {
                let now = self.adjustment(name).unwrap();
                same_affiliate(now.affiliate)?;
                demand(body.currency == now.currency, "another-currency")?;
                (now.comes_to(), now.credits, now.debits)
            }
            _ => {
                if let Body::Inquiry(inquiry) = &self.entry(kind, name).unwrap().1.body {
                    same_affiliate(&inquiry.affiliate)?;
                }
                return demand(body.effect == Effect::Credit, "credit-only");
            }
        };
        match body.effect {
            Effect::Credit => credits += units(body.amount),
            Effect::Debit => debits += units(body.amount),
        }
        demand(debits <= comes_to + credits, "too-much")?;
        demand(comes_to + credits <= MOST, "sum-too-large")
    }

    fn allows_inquiry(&self, body: &Inquiry<Amount>, time: u64) -> Verdicted {
        listed(body.currency)?;
        demand(units(body.amount) != 0, "zero-amount")?;
        self.has_terms(&body.merchant, &body.program)?;
        let (Claim::Incorrect { commission } | Claim::Declined { commission }) = &body.claim else {
            return Ok(());
        };
        let now = self.named_commission(commission, time)?;
        demand(body.affiliate == *now.affiliate, "another-affiliate")?;
        demand(body.merchant == *now.merchant, "another-merchant")?;
        demand(body.currency == now.currency, "another-currency")?;
        match body.claim {
            Claim::Declined { .. } => after(now.standing, "reopen").map(|_| ()),
            Claim::Incorrect { .. } | Claim::Untracked { .. } => Ok(()),
        }
    }

    fn allows_resolution(&self, body: &InquiryResolution, time: u64) -> Verdicted {
        self.names(Kind::Inquiry, &body.inquiry, time)?;
        demand(!self.resolved(&body.inquiry), "inquiry-resolved")?;
        match (&body.outcome, self.reopened_by(&body.inquiry)) {
            (Outcome::Valid, Some(commission)) => {
                after(self.commission(commission).unwrap().standing, "reopen").map(|_| ())
            }
            _ => Ok(()),
        }
    }

    pub fn resolved(&self, inquiry: &Id) -> bool {
        self.0.iter().any(
            |fact| matches!(&fact.body, Body::InquiryResolution(body) if body.inquiry == *inquiry),
        )
    }

    fn allows_opening(&self, body: &OpeningBalance<Amount>) -> Verdicted {
        let (Balance::Commission { currency, amount, .. }
        | Balance::Affiliate { currency, amount, .. }
        | Balance::Merchant { currency, amount, .. }) = &body.balance;
        listed(*currency)?;
        demand(units(*amount) != 0, "zero-amount")?;
        if let Balance::Merchant { merchant, .. } = &body.balance {
            let (received, _) = self.prepaid(merchant, *currency);
            demand(received + units(*amount) <= MOST, "sum-too-large")?;
        }
        Ok(())
    }
}

fn allows_rule(rule: &RewardRule<Amount>) -> Verdicted {
    let rates: Vec<&Rate<Amount>> = match &rule.reward {
        Reward::Percent { ppm } => {
            demand(*ppm <= WHOLE, "rate-above-whole")?;
            Vec::new()
        }
        Reward::Fixed { currency, .. } => {
            listed(*currency)?;
            Vec::new()
        }
        Reward::CountTiers { counts, .. } => {
            let from: Vec<u128> = counts.iter().map(|tier| tier.from.into()).collect();
            allows_tiers(&from)?;
            counts.iter().map(|tier| &tier.rate).collect()
        }
        Reward::VolumeTiers { currency, volumes, .. } => {
            listed(*currency)?;
            let from: Vec<u128> = volumes.iter().map(|tier| units(tier.from)).collect();
            allows_tiers(&from)?;
            volumes.iter().map(|tier| &tier.rate).collect()
        }
    };
    for rate in &rates {
        if let Rate::Fixed { currency, .. } = rate {
            listed(*currency)?;
        }
    }
    let above = |rate: &&Rate<Amount>| matches!(rate, Rate::Percent { ppm } if *ppm > WHOLE);
    demand(!rates.iter().any(above), "rate-above-whole")?;
    demand(rule.recurring != Some(0), "zero-amount")?;
    if let Some(cap) = &rule.cap {
        listed(cap.currency)?;
    }
    demand(rule.override_ppm.len() <= 10, "list-length")?;
    demand(rule.override_ppm.iter().all(|ppm| *ppm <= WHOLE), "rate-above-whole")
}

fn allows_tiers(from: &[u128]) -> Verdicted {
    demand((1..=20).contains(&from.len()), "list-length")?;
    demand(from[0] == 0 && from.is_sorted_by(|one, next| one < next), "unordered")
}
