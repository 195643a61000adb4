//! The programs and transactions of random histories.

use counterfoil::protocol::entry::{
    Action, Cap, CapPer, Entry, Locking, Period, ProgramTerms, Rate, Reward, RewardRule, Tier,
};
use counterfoil::protocol::money::Amount;

use super::histories::{DAY_MS, Player};
use crate::market::{self, AHEAD_MS, at, currency, id, units};

impl Player<'_> {
    pub fn terms(&mut self) -> Entry {
        let (merchant, program) = (self.merchant(), self.program());
        let versions = self.known.versions(&merchant, &program);
        let version = u32::try_from(versions.len() + 1).unwrap();
        let first = versions.is_empty();
        // Either side of what the next version withdraws.
        let ahead = self.now + AHEAD_MS + self.random.below(3);
        let later = self.now + DAY_MS + self.random.below(30 * DAY_MS);
        let from = if first { self.now - 5 * DAY_MS } else { self.now + self.random.below(20) };
        let distant = !first && self.one_in(3) || self.one_in(12);
        let from = if distant { self.one_of(&[ahead, later]) } else { from };
        let until = self.one_in(8).then(|| at(from + 1 + self.random.below(30 * DAY_MS)));
        let locking = self.one_of(&[
            Locking::Immediate,
            Locking::Days { days: 0 },
            Locking::Days { days: 1 },
            Locking::Days { days: 15 },
            Locking::MonthDay { months: 1, day: 1 },
            Locking::OpenEnded,
        ]);
        let count = 1 + self.random.index(3);
        let mut rules: Vec<_> = (0..count).map(|_| self.rule()).collect();
        if self.random.below(4) > 0 {
            let open = rules.last_mut().unwrap();
            (open.commission_group, open.affiliate_group) = (None, None);
        }
        let all = Action::ALL.to_vec();
        let actions =
            self.one_of(&[all.clone(), all.clone(), all[1..].to_vec(), vec![Action::Sale]]);
        let fee = self.one_of(&[0, 300_000]);
        market::terms(&self.name("T"), |body: &mut ProgramTerms<Amount>| {
            *body = ProgramTerms {
                merchant,
                program,
                version,
                effective_from: at(from),
                effective_until: until,
                actions,
                locking,
                network_fee_ppm: fee,
                rules,
            };
        })
    }

    fn rate(&mut self) -> Rate<Amount> {
        if self.one_in(4) {
            let amount = units(self.random.below(20));
            return Rate::Fixed { currency: currency(self.code()), amount };
        }
        Rate::Percent { ppm: self.ppm() }
    }

    fn rule(&mut self) -> RewardRule<Amount> {
        let period = self.one_of(&[Period::Month, Period::Ever]);
        let reward = match self.random.below(6) {
            0 => {
                let amount = units(self.random.below(20));
                Reward::Fixed { currency: currency(self.code()), amount }
            }
            1 => {
                let counts = [0, 1, 3].map(|from| Tier { from, rate: self.rate() }).to_vec();
                Reward::CountTiers { period, counts }
            }
            2 => {
                let from = [0, 30, 90];
                let volumes =
                    from.map(|from| Tier { from: units(from), rate: self.rate() }).to_vec();
                Reward::VolumeTiers { period, currency: currency("EUR"), volumes }
            }
            _ => Reward::Percent { ppm: self.ppm() },
        };
        let per = self.one_of(&[CapPer::Month, CapPer::Ever, CapPer::Part]);
        let amount = units(self.random.below(60));
        let cap = self.one_in(3).then(|| Cap { currency: currency("EUR"), amount, per });
        let levels = self.random.index(5);
        RewardRule {
            commission_group: self.group(),
            affiliate_group: self.one_of(&[None, None, None, Some(id("stars"))]),
            reward,
            recurring: self.one_of(&[None, None, Some(1), Some(2)]),
            cap,
            override_ppm: (0..levels).map(|_| self.ppm()).collect(),
        }
    }

    pub fn transaction(&mut self) -> Entry {
        let huge = Amount::MAX.units() - self.random.below(50);
        let amount = if self.one_in(60) { huge } else { self.random.below(200) };
        let (merchant, program, group) = (self.merchant(), self.program(), self.group());
        let code = self.code();
        let action = self.one_of(&[Action::Sale, Action::Sale, Action::Subscription, Action::Lead]);
        let order = self.one_of(&["sub-1".to_owned(), "sub-2".to_owned(), self.name("order")]);
        let groups = [self.group(), self.group(), self.group()];
        let (with_items, to) = (self.one_in(3), self.code());
        let rate = self.one_of(&[1_000_000_000, 6_123_456, 160_500_000_000, 1]);
        let fx = (self.one_in(4) && to != code).then(|| market::fx(code, to, rate));
        market::sale(&self.name("S"), |body| {
            (body.merchant, body.program, body.commission_group) = (merchant, program, group);
            (body.order_ref, body.action) = (id(&order), action);
            (body.currency, body.amount, body.fx) = (currency(code), units(amount), fx);
            if with_items {
                let shares = [amount / 2, amount / 3, amount - amount / 2 - amount / 3];
                let items = shares.into_iter().zip(groups).zip(["shoe", "book", "tea"]);
                body.items = items
                    .map(|((amount, group), name)| {
                        let mut item = market::item(name, 2, amount, None);
                        item.commission_group = group;
                        item
                    })
                    .collect();
            }
        })
    }
}
