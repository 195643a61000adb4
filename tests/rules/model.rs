//! The rules once more, as simply as they can be said: facts in lists, sums made anew each
//! time, no state but what was stated. Shares no code with the rules.

use std::collections::BTreeMap;

use counterfoil::protocol::entry::{
    Body, Commission, Entry, Payout, PayoutLine, ProgramTerms, Reason, Reversal, Reward,
    Transaction, Verdict,
};
use counterfoil::protocol::money::Amount;
use proptest::prelude::*;
use proptest::strategy::Union;

use crate::market::{
    self, AHEAD_MS, NOW, at, currency, decision, id, line, of_tenant, units, when,
};

/// How far apart blocks are, in milliseconds.
pub const BLOCK_MS: u64 = 10;

/// Who earns a commission, what was stated, reversed and paid of it, where it stands, and when
/// it is due to lock.
pub type Balance = (String, [u64; 3], String, u64);

/// All that was stated, in order.
#[derive(Default)]
pub struct Model {
    facts: Vec<Entry>,
    balances: BTreeMap<(String, String), Balance>,
}

impl Model {
    /// States `entry` in a block at `now`, if that is legal.
    pub fn state(&mut self, entry: &Entry, now: u64) -> bool {
        let key =
            |entry: &Entry| (entry.tenant.to_string(), entry.kind(), entry.external_id.to_string());
        let new = self.facts.iter().all(|fact| key(fact) != key(entry));
        let legal = new && millis(entry) <= now + AHEAD_MS && self.allows(entry, now);
        if legal {
            self.facts.push(entry.clone());
            self.apply(entry);
        }
        legal
    }

    /// Every commission's balance, by tenant and external id.
    pub fn commissions(&self) -> &BTreeMap<(String, String), Balance> {
        &self.balances
    }

    fn allows(&self, entry: &Entry, now: u64) -> bool {
        match &entry.body {
            Body::ProgramTerms(terms) => self.allows_terms(entry, terms, now),
            Body::Transaction(sale) => {
                listed(&sale.currency)
                    && !self.versions(entry, &sale.merchant, &sale.program).is_empty()
            }
            Body::Commission(commission) => self.allows_commission(entry, commission),
            Body::Decision(decision) => {
                let Some(balance) = self.balance(entry, &decision.commission) else { return false };
                let standing = balance.2.as_str();
                match &decision.verdict {
                    Verdict::Approve | Verdict::Decline { .. } => {
                        ["pending", "extended"].contains(&standing)
                    }
                    Verdict::Lock => ["pending", "extended", "approved"].contains(&standing),
                    Verdict::Extend { locking_date } => {
                        standing == "pending"
                            && locking_date.as_millis() > self.due(entry, &decision.commission)
                    }
                }
            }
            Body::Reversal(reversal) => self.allows_reversal(entry, reversal),
            Body::Payout(payout) => self.allows_payout(entry, payout),
        }
    }

    fn allows_terms(&self, entry: &Entry, terms: &ProgramTerms<Amount>, now: u64) -> bool {
        let from = terms.effective_from.as_millis();
        let earlier = self.versions(entry, &terms.merchant, &terms.program);
        let sound = match &terms.reward {
            Reward::Percent { ppm } => *ppm <= 1_000_000,
            Reward::Fixed { currency, .. } => listed(currency),
        };
        let after_all = earlier.iter().all(|(_, other)| from >= other.effective_from.as_millis());
        sound
            && terms.effective_until.is_none_or(|until| until.as_millis() > from)
            && terms.version as usize == earlier.len() + 1
            && (earlier.is_empty() || (after_all && from >= now))
    }

    fn allows_commission(&self, entry: &Entry, commission: &Commission<Amount>) -> bool {
        let Some(Body::Transaction(sale)) =
            self.body(entry, "transaction", &commission.transaction)
        else {
            return false;
        };
        let sold_at = self.fact(entry, "transaction", &commission.transaction).map(millis);
        let Some(Body::ProgramTerms(terms)) = self.body(entry, "program_terms", &commission.terms)
        else {
            return false;
        };
        // The terms in force are the latest version that had begun, unless it had ended.
        let versions = self.versions(entry, &sale.merchant, &sale.program);
        let begun =
            |terms: &ProgramTerms<Amount>| Some(terms.effective_from.as_millis()) <= sold_at;
        let in_force = versions.iter().rev().find(|(_, terms)| begun(terms));
        let Some((name, _)) = in_force else { return false };
        let ended = terms.effective_until.is_some_and(|until| Some(until.as_millis()) <= sold_at);
        if *name != commission.terms.as_str()
            || (&terms.merchant, &terms.program) != (&sale.merchant, &sale.program)
            || ended
            || sale.currency != commission.currency
        {
            return false;
        }
        let earned = match &terms.reward {
            Reward::Percent { ppm } => percent(sale.amount.units(), *ppm),
            Reward::Fixed { currency, amount } if *currency == commission.currency => {
                amount.units()
            }
            Reward::Fixed { .. } => return false,
        };
        let others = self.of_tenant(entry).filter_map(|fact| match &fact.body {
            Body::Commission(other) if other.transaction == commission.transaction => {
                Some(other.amount.units())
            }
            _ => None,
        });
        others.sum::<u64>() + commission.amount.units() <= earned
    }

    fn allows_reversal(&self, entry: &Entry, reversal: &Reversal<Amount>) -> bool {
        let Some((_, [stated, reversed, paid], standing, _)) =
            self.balance(entry, &reversal.commission)
        else {
            return false;
        };
        let same = self.currency_of(entry, &reversal.commission) == reversal.currency.as_str();
        let amount = reversal.amount.units();
        same && ["pending", "extended", "approved"].contains(&standing.as_str())
            && amount > 0
            && amount + reversed + paid <= *stated
    }

    fn allows_payout(&self, entry: &Entry, payout: &Payout<Amount>) -> bool {
        let mut total: u64 = payout.lines.iter().map(|line| line.amount.units()).sum();
        if let Some(previous) = &payout.continues {
            let Some(Body::Payout(part)) = self.body(entry, "payout", previous) else {
                return false;
            };
            let shared = |body: &Payout<Amount>| {
                (body.affiliate.clone(), body.currency, body.period_from, body.period_until)
            };
            let taken = self.of_tenant(entry).any(|fact| {
                matches!(&fact.body, Body::Payout(other) if other.continues.as_ref() == Some(previous))
            });
            if part.total.is_some() || taken || shared(part) != shared(payout) {
                return false;
            }
            total += self.sum_until(entry, part);
        }
        listed(&payout.currency)
            && payout.period_until > payout.period_from
            && (1..=500).contains(&payout.lines.len())
            && payout.lines.iter().all(|line| self.allows_line(entry, payout, line))
            && payout.total.is_none_or(|stated| stated.units() == total)
    }

    /// What `part` and all parts before it come to.
    fn sum_until(&self, entry: &Entry, part: &Payout<Amount>) -> u64 {
        let own: u64 = part.lines.iter().map(|line| line.amount.units()).sum();
        let Some(previous) = &part.continues else { return own };
        match self.body(entry, "payout", previous) {
            Some(Body::Payout(previous)) => own + self.sum_until(entry, previous),
            _ => own,
        }
    }

    fn allows_line(
        &self,
        entry: &Entry,
        payout: &Payout<Amount>,
        line: &PayoutLine<Amount>,
    ) -> bool {
        let Some((affiliate, [stated, reversed, paid], standing, _)) =
            self.balance(entry, &line.commission)
        else {
            return false;
        };
        // All lines of this payout that name the same commission.
        let asked = payout.lines.iter().filter(|other| other.commission == line.commission);
        let asked: u64 = asked.map(|line| line.amount.units()).sum();
        affiliate == payout.affiliate.as_str()
            && self.currency_of(entry, &line.commission) == payout.currency.as_str()
            && standing == "locked"
            && line.amount.units() > 0
            && asked + reversed + paid <= *stated
    }

    fn apply(&mut self, entry: &Entry) {
        let tenant = entry.tenant.to_string();
        let of = tenant.clone();
        let mut change = |commission: &str, [reversed, paid]: [u64; 2], standing: Option<&str>| {
            let key = (of.clone(), commission.to_owned());
            let (_, amounts, now, _) = self.balances.get_mut(&key).expect("allowed above");
            amounts[1] += reversed;
            amounts[2] += paid;
            let nothing_left = amounts[0] == amounts[1] + amounts[2];
            let settled = [("reversed", reversed), ("paid", paid)];
            let settled = settled.iter().find(|(_, amount)| nothing_left && *amount > 0);
            if let Some(standing) = settled.map(|(name, _)| *name).or(standing) {
                standing.clone_into(now);
            }
        };
        match &entry.body {
            Body::ProgramTerms(_) | Body::Transaction(_) => {}
            Body::Commission(commission) => {
                let balance = [commission.amount.units(), 0, 0];
                let due = self.due(entry, &entry.external_id);
                let row = (commission.affiliate.to_string(), balance, "pending".to_owned(), due);
                self.balances.insert((tenant, entry.external_id.to_string()), row);
            }
            Body::Decision(decision) => {
                let standing = match decision.verdict {
                    Verdict::Approve => "approved",
                    Verdict::Decline { .. } => "declined",
                    Verdict::Extend { .. } => "extended",
                    Verdict::Lock => "locked",
                };
                change(decision.commission.as_str(), [0, 0], Some(standing));
                if let Verdict::Extend { locking_date } = decision.verdict {
                    let key = (tenant, decision.commission.to_string());
                    let row = self.balances.get_mut(&key).expect("allowed above");
                    row.3 = locking_date.as_millis();
                }
            }
            Body::Reversal(reversal) => {
                change(reversal.commission.as_str(), [reversal.amount.units(), 0], None);
            }
            Body::Payout(payout) => {
                for line in &payout.lines {
                    change(line.commission.as_str(), [0, line.amount.units()], None);
                }
            }
        }
    }

    fn of_tenant<'m>(&'m self, entry: &'m Entry) -> impl Iterator<Item = &'m Entry> {
        self.facts.iter().filter(|fact| fact.tenant == entry.tenant)
    }

    fn fact<'m>(&'m self, entry: &'m Entry, kind: &str, name: &impl ToString) -> Option<&'m Entry> {
        let name = name.to_string();
        self.of_tenant(entry)
            .find(|fact| fact.kind().as_str() == kind && fact.external_id.as_str() == name)
    }

    fn body<'m>(
        &'m self,
        entry: &'m Entry,
        kind: &str,
        name: &impl ToString,
    ) -> Option<&'m Body<Amount>> {
        self.fact(entry, kind, name).map(|fact| &fact.body)
    }

    fn balance(&self, entry: &Entry, commission: &impl ToString) -> Option<&Balance> {
        self.balances.get(&(entry.tenant.to_string(), commission.to_string()))
    }

    fn currency_of(&self, entry: &Entry, commission: &impl ToString) -> String {
        match self.body(entry, "commission", commission) {
            Some(Body::Commission(commission)) => commission.currency.to_string(),
            _ => String::new(),
        }
    }

    /// When a commission that is not extended is due to lock.
    fn due(&self, entry: &Entry, commission: &impl ToString) -> u64 {
        let Some(Body::Commission(commission)) = self.body(entry, "commission", commission) else {
            return 0;
        };
        let sold_at = self.fact(entry, "transaction", &commission.transaction).map_or(0, millis);
        match self.body(entry, "program_terms", &commission.terms) {
            Some(Body::ProgramTerms(terms)) => {
                sold_at + u64::from(terms.locking_days) * 24 * 60 * 60 * 1000
            }
            _ => 0,
        }
    }

    /// A program's terms by name, in the order of their versions.
    fn versions<'m>(
        &'m self,
        entry: &'m Entry,
        merchant: &impl ToString,
        program: &impl ToString,
    ) -> Vec<(&'m str, &'m ProgramTerms<Amount>)> {
        let (merchant, program) = (merchant.to_string(), program.to_string());
        let terms = self.of_tenant(entry).filter_map(|fact| match &fact.body {
            Body::ProgramTerms(terms) => Some((fact.external_id.as_str(), terms)),
            _ => None,
        });
        terms
            .filter(|(_, terms)| {
                (terms.merchant.as_str(), terms.program.as_str()) == (&*merchant, &*program)
            })
            .collect()
    }
}

fn millis(entry: &Entry) -> u64 {
    entry.event_time.as_millis()
}

fn listed(code: &impl ToString) -> bool {
    ["EUR", "GBP", "JPY"].contains(&code.to_string().as_str())
}

/// Parts per million of `amount`, half to even, in decimal digits rather than a remainder.
fn percent(amount: u64, ppm: u32) -> u64 {
    let digits = format!("{:07}", u128::from(amount) * u128::from(ppm));
    let (whole, fraction) = digits.split_at(digits.len() - 6);
    let whole: u64 = whole.parse().unwrap();
    match fraction.cmp("500000") {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Greater => whole + 1,
    }
}

/// Some blocks of some entries each, from so few names that they meet. The first begins with
/// what makes most of the rest possible.
pub fn histories() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    prop::collection::vec(prop::collection::vec(entries(), 0..40), 1..4).prop_map(|mut blocks| {
        blocks[0].splice(0..0, beginning());
        blocks
    })
}

/// Terms that give away all of a sale, and commissions of it: C-0 to C-2 locked, C-3 and C-4 not.
fn beginning() -> Vec<Entry> {
    let mut entries = vec![market::terms("T-0", |body| {
        (body.locking_days, body.reward) = (1, Reward::Percent { ppm: 1_000_000 });
    })];
    for number in 0..5 {
        let (sale, name) = (format!("S-{number}"), format!("C-{number}"));
        entries.push(market::sale(&sale, |body| body.amount = units(20)));
        entries.push(market::commission(&name, |body| {
            (body.transaction, body.terms) = (id(&sale), id("T-0"));
            body.amount = units(4 + number);
        }));
        if number < 3 {
            entries.push(decision(&format!("L-{number}"), &name, Verdict::Lock));
        }
    }
    entries
}

fn entries() -> impl Strategy<Value = Entry> {
    let name = |kind: &'static str, count: u8| (0..count).prop_map(move |n| format!("{kind}-{n}"));
    let tenant = prop_oneof![9 => Just("acme"), 1 => Just("other")];
    let time = prop_oneof![
        8 => NOW - 40..NOW + 40,
        1 => Just(NOW + AHEAD_MS),
        1 => NOW + AHEAD_MS..NOW + AHEAD_MS + 40
    ];
    let kinds = Union::new_weighted(vec![
        (3, some_terms(name("T", 4).boxed())),
        (6, some_sale(name("S", 6).boxed())),
        (8, some_commission(name("C", 8).boxed())),
        (8, some_decision()),
        (4, some_reversal()),
        (6, some_payout()),
    ]);
    (tenant, time, kinds).prop_map(|(tenant, time, entry)| of_tenant(tenant, when(time, entry)))
}

fn code() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => Just("EUR"), 2 => Just("GBP"), 1 => Just("USD")]
}

fn program() -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => Just("main"), 1 => Just("side")]
}

fn some_terms(name: BoxedStrategy<String>) -> BoxedStrategy<Entry> {
    let reward = prop_oneof![
        4 => (0..=1_000_001u32).prop_map(|ppm| Reward::Percent { ppm }),
        4 => Just(Reward::Percent { ppm: 1_000_000 }),
        1 => Just(Reward::Percent { ppm: 1_000_001 }),
        2 => (code(), 0..20u64).prop_map(|(code, amount)| {
            Reward::Fixed { currency: currency(code), amount: units(amount) }
        }),
    ];
    let from = NOW - 20..NOW + 30;
    let until = prop::option::weighted(0.2, NOW - 20..NOW + 60);
    let version = prop_oneof![4 => Just(1u32), 4 => Just(2u32), 1 => 0..5u32];
    (name, program(), version, from, until, 0..3u16, reward)
        .prop_map(|(name, program, version, from, until, days, reward)| {
            market::terms(&name, |body| {
                body.program = id(program);
                body.version = version;
                (body.effective_from, body.effective_until) = (at(from), until.map(at));
                (body.locking_days, body.reward) = (days, reward);
            })
        })
        .boxed()
}

fn some_sale(name: BoxedStrategy<String>) -> BoxedStrategy<Entry> {
    (name, program(), code(), 0..40u64)
        .prop_map(|(name, program, code, amount)| {
            market::sale(&name, |body: &mut Transaction<Amount>| {
                body.program = id(program);
                (body.currency, body.amount) = (currency(code), units(amount));
            })
        })
        .boxed()
}

fn some_commission(name: BoxedStrategy<String>) -> BoxedStrategy<Entry> {
    (name, 0..6u8, 0..4u8, affiliate(), code(), 0..20u64)
        .prop_map(|(name, sale, terms, affiliate, code, amount)| {
            market::commission(&name, |body| {
                body.transaction = id(&format!("S-{sale}"));
                body.terms = id(&format!("T-{terms}"));
                body.affiliate = id(affiliate);
                (body.currency, body.amount) = (currency(code), units(amount));
            })
        })
        .boxed()
}

fn affiliate() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("ann"), 1 => Just("bob")]
}

fn some_decision() -> BoxedStrategy<Entry> {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let verdict = prop_oneof![
        2 => Just(Verdict::Approve),
        1 => Just(Verdict::Decline { reason: Reason::Goodwill }),
        2 => (0..3u64, 0..80u64).prop_map(|(days, ms)| {
            Verdict::Extend { locking_date: at(NOW - 40 + days * DAY + ms) }
        }),
        4 => Just(Verdict::Lock),
    ];
    (0..40u8, 0..8u8, verdict)
        .prop_map(|(name, commission, verdict)| {
            decision(&format!("D-{name}"), &format!("C-{commission}"), verdict)
        })
        .boxed()
}

fn some_reversal() -> BoxedStrategy<Entry> {
    (0..20u8, 0..8u8, code(), 0..12u64)
        .prop_map(|(name, commission, code, amount)| {
            market::reversal(&format!("R-{name}"), |body| {
                body.commission = id(&format!("C-{commission}"));
                (body.currency, body.amount) = (currency(code), units(amount));
            })
        })
        .boxed()
}

fn some_payout() -> BoxedStrategy<Entry> {
    let lines = prop::collection::vec((0..8u8, 0..8u64), 0..3);
    let continues = prop::option::weighted(0.4, 0..6u8);
    let total = prop::option::weighted(0.3, 0..16u64);
    let days = prop_oneof![1 => Just(0u64), 1 => Just(2u64), 15 => Just(1u64)];
    (0..12u8, affiliate(), code(), days, continues, lines, total)
        .prop_map(|(name, affiliate, code, days, continues, lines, total)| {
            market::payout(&format!("P-{name}"), |body| {
                (body.affiliate, body.currency) = (id(affiliate), currency(code));
                body.period_until = at(body.period_from.as_millis() + days);
                body.continues = continues.map(|part| id(&format!("P-{part}")));
                body.lines =
                    lines.iter().map(|(c, amount)| line(&format!("C-{c}"), *amount)).collect();
                body.total = total.map(units);
            })
        })
        .boxed()
}
