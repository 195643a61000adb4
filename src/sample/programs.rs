//! Merchants' programs: what is sold there, and the terms that hold.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chance::Random;
use super::coins::Coin;
use super::parties::Merchant;
use super::profile::{NextDecided, Profile};
use super::terms::{self, Scheme};
use crate::protocol::entry::{Action, Locking, ProgramTerms};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::time::{DAY_MS, Timestamp};

/// Days from the announcement of new terms until they hold.
pub const NOTICE_DAYS: u64 = 7;
/// The most subscriptions of a program that are paid for again.
const MAX_SUBSCRIPTIONS: usize = 32;
/// How many affiliates take part where what they have earned is counted.
const PARTNERS: u32 = 24;

/// A tenth to a quarter of what some sell comes back, of others next to nothing.
const REFUND_RATES_PPM: [u32; 8] =
    [8_000, 15_000, 25_000, 40_000, 60_000, 90_000, 140_000, 250_000];
const MEDIAN_SALES_EURO_CENTS: [u64; 7] = [1_900, 2_900, 4_500, 6_900, 11_000, 19_000, 48_000];

/// A merchant's program.
#[derive(Clone, Debug)]
pub struct Program {
    /// The merchant, by number.
    pub merchant: u32,
    /// The program, within its merchant.
    pub name: Id,
    /// What its terms are like.
    pub scheme: Scheme,
    /// How much of it comes back, in parts per million.
    pub refund_rate_ppm: u32,
    /// What a typical sale comes to, in euro cents; 0 where nothing is sold.
    pub median_cents: u64,
    /// Those that are paid for again, the one that is next first.
    pub subscriptions: VecDeque<Subscription>,
    terms: Arc<Terms>,
    announced: Option<Arc<Terms>>,
}

/// A version of a program's terms, as stated.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Their external id.
    pub external_id: Id,
    /// What they say.
    pub body: ProgramTerms<Amount>,
}

/// Something that is paid for again and again.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// Its number, from which its reference follows.
    pub number: u64,
    /// Whose it is, by number.
    pub affiliate: u32,
    /// How often it was paid for.
    pub payments: u32,
}

/// What a merchant may run beside its sales.
const SIDE_PROGRAMS: [Option<(&[Action], &str)>; 6] = [
    None,
    Some((&[Action::Lead, Action::Signup], "leads")),
    None,
    Some((&[Action::Subscription], "subscriptions")),
    None,
    Some((&[Action::Signup], "signups")),
];

/// Every program of every merchant; those of the same merchant follow each other.
pub fn programs(
    profile: &Profile,
    merchants: &[Merchant],
    coins: &[Coin],
    random: &mut Random,
) -> Vec<Program> {
    let mut programs = Vec::new();
    for (number, merchant) in (0u32..).zip(merchants) {
        let rank = (number / profile.tenants) as usize;
        let side = SIDE_PROGRAMS.get(rank % SIDE_PROGRAMS.len()).copied().flatten();
        let coin = coins.get(merchant.coin).expect("a number of coins");
        let sales: (&[Action], _) = (&[Action::Sale], "sales");
        for (actions, name) in [Some(sales), side].into_iter().flatten() {
            let sells = !actions.contains(&Action::Lead) && !actions.contains(&Action::Signup);
            let (name, scheme) = (Id::new(name).expect("a word"), Scheme::of(rank));
            let at_random = profile.next_decided == NextDecided::AtRandom;
            let body = ProgramTerms {
                merchant: merchant.name.clone(),
                program: name.clone(),
                version: 1,
                effective_from: profile.start,
                effective_until: None,
                actions: actions.to_vec(),
                locking: terms::locking(at_random, random),
                network_fee_ppm: terms::network_fee_ppm(random),
                rules: scheme.rules(actions, sells, coin, random),
            };
            programs.push(Program {
                merchant: number,
                name,
                scheme,
                refund_rate_ppm: random.pick(&REFUND_RATES_PPM),
                median_cents: if sells { random.pick(&MEDIAN_SALES_EURO_CENTS) } else { 0 },
                subscriptions: VecDeque::new(),
                terms: Arc::new(Terms::new(body)),
                announced: None,
            });
        }
    }
    programs
}

impl Terms {
    fn new(body: ProgramTerms<Amount>) -> Self {
        let ProgramTerms { merchant, program, version, .. } = &body;
        let external_id = Id::new(&format!("terms-{merchant}-{program}-{version}"));
        Self { external_id: external_id.expect("short names and a number"), body }
    }
}

impl Program {
    /// The terms that hold at `now`, which never lies before an earlier one.
    pub fn terms_at(&mut self, now: Timestamp) -> Arc<Terms> {
        if let Some(terms) = self.announced.take_if(|terms| terms.body.effective_from <= now) {
            self.terms = terms;
        }
        Arc::clone(&self.terms)
    }

    /// Announces new terms; nothing while others are announced. How commissions lock stays, but
    /// for the days.
    pub fn announce(&mut self, now: Timestamp, random: &mut Random) -> Option<Arc<Terms>> {
        let mut body = self.terms_at(now).body.clone();
        if self.announced.is_some() {
            return None;
        }
        body.version += 1;
        body.effective_from = now.saturating_add(NOTICE_DAYS * DAY_MS);
        if matches!(body.locking, Locking::Days { .. }) {
            body.locking = Locking::Days { days: random.pick(&[14, 30, 30, 45, 60]) };
        }
        for rule in &mut body.rules {
            terms::redraw(rule, random);
        }
        self.announced = Some(Arc::new(Terms::new(body)));
        self.announced.clone()
    }

    /// Which affiliate of a tenant takes part, of one of this rank among all.
    pub fn partner(&self, rank: u32) -> u32 {
        if self.scheme.counts() { rank % PARTNERS } else { rank }
    }

    /// What is done next under these terms.
    pub fn draw_action(&self, random: &mut Random) -> Action {
        match self.terms.body.actions.as_slice() {
            [first, second] => {
                if random.chance(700_000) {
                    *first
                } else {
                    *second
                }
            }
            actions => actions.first().copied().expect("every program has an action"),
        }
    }

    /// One more payment: of a subscription that there is, or of a new one, by `new`.
    pub fn subscribe(&mut self, new: Subscription, random: &mut Random) -> Subscription {
        let again = random.below(MAX_SUBSCRIPTIONS as u64) < self.subscriptions.len() as u64;
        let next = if again { self.subscriptions.pop_front() } else { None };
        let paid = next.unwrap_or(new);
        let after = Subscription { payments: paid.payments + 1, ..paid };
        // It ends a little after it has stopped to earn anything.
        let limit = self.terms.body.rules.iter().filter_map(|rule| rule.recurring).max();
        if self.subscriptions.len() < MAX_SUBSCRIPTIONS && after.payments < limit.unwrap_or(10) + 2
        {
            self.subscriptions.push_back(after);
        }
        paid
    }
}
