//! Random histories: each entry is chosen by looking at what the model knows, so that most are
//! legal and lead deep; some are altered afterwards, so that they break a rule.

use counterfoil::protocol::entry::{
    Amended, Balance, Body, Claim, Effect, Entry, ImportedState, Kind, Outcome, ProgramTerms,
    Reason, Role, Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::Amount;
use proptest::prelude::*;

use super::arithmetic::ppm;
use super::model::{Known, Model, units as of};
use super::mutation;
use super::payouts;
use super::reckoning::{locking_date, rule_for};
use crate::market::{self, at, currency, id, units};
use crate::random::Random;

pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A block of a history: how long after the one before, and a seed for each of its entries.
pub type Moves = (u64, Vec<u64>);

/// Blocks of moves. What a move comes to depends on what came before it.
pub fn histories(blocks: usize, entries: usize) -> impl Strategy<Value = Vec<Moves>> {
    let gap = prop_oneof![3 => Just(10), 3 => 0..DAY_MS, 1 => Just(20 * DAY_MS)];
    let moves = prop::collection::vec(any::<u64>().no_shrink(), 1..=entries);
    prop::collection::vec((gap, moves), 1..=blocks)
}

/// The entry that a move comes to, in a block at `now`.
pub fn entry(model: &Model, seed: u64, now: u64) -> Entry {
    let mut random = Random::new(seed);
    let tenant = if random.below(10) == 0 { id("other") } else { id("acme") };
    let known = model.of(&tenant);
    let number = model.facts.len();
    let careless = random.below(6) == 0;
    let mut player = Player { known, random, now, number, careless };
    let mut entry = player.next();
    entry.tenant = tenant;
    if player.random.below(10) == 0 {
        entry = market::committed(entry);
    }
    if !careless && player.random.below(5) == 0 {
        mutation::altered(entry, &mut player)
    } else {
        entry
    }
}

/// Who chooses the next entry.
pub struct Player<'m> {
    pub known: Known<'m>,
    pub random: Random,
    pub now: u64,
    /// How many entries there are.
    pub number: usize,
    /// Whether rules are overlooked now and then.
    pub careless: bool,
}

/// How likely a kind is, beside others.
const KINDS: [(Kind, u64); 15] = [
    (Kind::ProgramTerms, 4),
    (Kind::Transaction, 12),
    (Kind::Commission, 32),
    (Kind::Decision, 20),
    (Kind::Amendment, 5),
    (Kind::Reversal, 5),
    (Kind::Adjustment, 4),
    (Kind::Inquiry, 4),
    (Kind::InquiryResolution, 6),
    (Kind::Funding, 12),
    (Kind::Payout, 10),
    (Kind::PayoutEvent, 12),
    (Kind::AffiliateUpline, 4),
    (Kind::OpeningBalance, 2),
    (Kind::ErasureNotice, 2),
];

impl Player<'_> {
    /// A legal entry, or the last of many that wasn't; without care, the first.
    fn next(&mut self) -> Entry {
        let mut last = None;
        for _ in 0..12 {
            let kind = self.kind();
            for _ in 0..4 {
                let Some(proposed) = self.propose(kind) else { break };
                let proposed = self.dated(proposed);
                if self.careless || self.known.allows(&proposed, self.now).is_ok() {
                    return proposed;
                }
                last = Some(proposed);
            }
        }
        last.unwrap_or_else(|| self.terms())
    }

    fn kind(&mut self) -> Kind {
        if self.named(Kind::ProgramTerms).is_empty() && !self.one_in(4) {
            return Kind::ProgramTerms;
        }
        let all: u64 = KINDS.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.below(all);
        for (kind, weight) in KINDS {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        Kind::Transaction
    }

    fn propose(&mut self, kind: Kind) -> Option<Entry> {
        match kind {
            Kind::ProgramTerms => Some(self.terms()),
            Kind::Transaction => Some(self.transaction()),
            Kind::Commission if self.one_in(3) => self.overriding(),
            Kind::Commission => self.commission(),
            Kind::Decision => self.decision(),
            Kind::Amendment => self.amendment(),
            Kind::Reversal => self.reversal(),
            Kind::Adjustment => self.adjustment(),
            Kind::Inquiry => self.inquiry(),
            Kind::InquiryResolution => self.resolution(),
            Kind::Funding => payouts::funding(self),
            Kind::Payout => payouts::payout(self),
            Kind::PayoutEvent => payouts::event(self),
            Kind::AffiliateUpline => Some(self.upline()),
            Kind::OpeningBalance => Some(self.opening()),
            Kind::ErasureNotice => self.erasure(),
            Kind::SpecChange => unreachable!("it has no weight"),
        }
    }

    pub fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.random.index(list.len())].clone()
    }

    pub fn some<T>(&mut self, mut list: Vec<T>) -> Option<T> {
        (!list.is_empty()).then(|| list.swap_remove(self.random.index(list.len())))
    }

    /// Whether something is overlooked now.
    pub fn slips(&mut self) -> bool {
        self.careless && self.one_in(3)
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.random.below(count) == 0
    }

    /// A name for a new entry.
    pub fn name(&self, letter: &str) -> String {
        format!("{letter}-{}", self.number)
    }

    /// Every entry's name of a kind; of commissions and adjustments, those brought in, too.
    pub fn named(&self, kind: Kind) -> Vec<Id> {
        let is = |entry: &Entry| match &entry.body {
            Body::OpeningBalance(opening) => match opening.balance {
                Balance::Commission { .. } => kind == Kind::Commission,
                Balance::Affiliate { .. } => kind == Kind::Adjustment,
                Balance::Merchant { .. } => false,
            },
            body => body.kind() == kind,
        };
        self.known.0.iter().filter(|fact| is(fact)).map(|fact| fact.external_id.clone()).collect()
    }

    /// The commissions that stand there; without care, wherever they stand.
    pub fn standing(&mut self, at: &[&str]) -> Vec<Id> {
        let mut names = self.named(Kind::Commission);
        if self.slips() {
            return names;
        }
        names.retain(|name| at.contains(&self.known.commission(name).unwrap().standing));
        names
    }

    pub fn affiliate(&mut self) -> Id {
        id(self.one_of(&["ann", "ann", "bob", "cid", "dan", "eve"]))
    }

    pub fn merchant(&mut self) -> Id {
        id(self.one_of(&["shop", "shop", "shop", "mart"]))
    }

    pub fn program(&mut self) -> Id {
        id(self.one_of(&["main", "main", "main", "side"]))
    }

    pub fn code(&mut self) -> &'static str {
        self.one_of(&["EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "GBP", "JPY"])
    }

    pub fn group(&mut self) -> Option<Id> {
        self.one_of(&[None, None, Some("media"), Some("tea")]).map(id)
    }

    fn reason(&mut self) -> Reason {
        self.one_of(&[Reason::ReturnedItem, Reason::Goodwill, Reason::MerchantDispute])
    }

    pub fn ppm(&mut self) -> u32 {
        let any = u32::try_from(self.random.below(1_000_001)).unwrap();
        self.one_of(&[any, 100_000, 250_000, 500_000, 1_000_000])
    }

    fn commission(&mut self) -> Option<Entry> {
        let name = self.some(self.named(Kind::Transaction))?;
        let sold = self.known.sold(&name)?;
        let (group, _) = self.some(sold.parts.clone())?;
        let taken = u32::try_from(self.known.shares(&name, group)).unwrap();
        let left = 1_000_000 - taken;
        let share = self.one_of(&[left, left, left / 2, left / 3]);
        let affiliate_group = self.one_in(4).then(|| id("stars"));
        // Who has a share in it may have another.
        let others = self.known.commissions_of(&name);
        let other = if self.one_in(3) { self.some(others) } else { None };
        let other = other.and_then(|other| self.known.commission(other));
        let affiliate = other.map_or_else(|| self.affiliate(), |other| other.affiliate.clone());
        let versions = self.known.versions(&sold.body.merchant, &sold.body.program);
        let in_force = |(place, terms): &&(usize, &ProgramTerms<Amount>)| {
            *place < sold.place && self.known.in_force(*place, terms, &sold)
        };
        let (place, terms) = *versions.iter().find(in_force)?;
        let number = rule_for(terms, group, affiliate_group.as_ref())?;
        let given = self.known.gives(&sold, &terms.rules[number - 1], (group, share), &affiliate);
        let deviates = self.one_in(10);
        let amount = if deviates { given + u128::from(self.random.below(30)) } else { given };
        let terms_name = self.known.0[place].external_id.clone();
        let group = group.cloned();
        let (reason, code, time) = (self.reason(), sold.reckoned_in(), sold.time);
        Some(market::commission(&self.name("C"), |body| {
            (body.transaction, body.terms, body.affiliate) = (name, terms_name, affiliate);
            body.rule = u16::try_from(number).unwrap();
            body.role = Role::Direct { share_ppm: share, commission_group: group, affiliate_group };
            (body.currency, body.amount) = (code, amounting(amount));
            body.fee = amounting(ppm(amount, terms.network_fee_ppm));
            body.locking_date = locking_date(terms, time).map(at);
            body.deviation = (amount != given).then_some(reason);
        }))
    }

    fn overriding(&mut self) -> Option<Entry> {
        let direct = (0..6).find_map(|_| {
            let name = self.some(self.named(Kind::Commission))?;
            let levels = self.one_of(&[1, 2, 3, 3]);
            self.known.stood_above(&name, levels).is_some().then_some(name)
        })?;
        let now = self.known.commission(&direct)?;
        let (number, _) = now.direct?;
        let Body::Commission(stated) = &self.known.entry(Kind::Commission, &direct)?.1.body else {
            return None;
        };
        let (_, terms) = self.known.terms(&stated.terms)?;
        let levels = &terms.rules[usize::from(number) - 1].override_ppm;
        let taken = self.known.levels_taken(&direct);
        let slips = self.slips();
        let free = (1..=levels.len())
            .filter(|level| slips || !taken.contains(&u8::try_from(*level).unwrap()));
        let stands = |level: &usize| {
            self.known.stood_above(&direct, u8::try_from(*level).unwrap()).is_some()
        };
        let free: Vec<usize> = free.filter(stands).collect();
        let highest = free.last().copied().filter(|_| self.one_in(2));
        let level = highest.or_else(|| self.some(free))?;
        let number = u8::try_from(level).unwrap();
        // Who stands there by now may be another.
        let stood = self.known.stood_above(&direct, number);
        let above = if self.slips() { self.known.above(now.affiliate, number) } else { stood };
        let above = above?.clone();
        let given = ppm(now.left(), levels[level - 1]);
        let sold = self.known.sold(now.transaction?)?;
        Some(market::commission(&self.name("C"), |body| {
            *body = stated.clone();
            body.affiliate = above;
            body.role = Role::Override { of: direct, level: number };
            body.amount = amounting(given);
            body.fee = amounting(ppm(given, terms.network_fee_ppm));
            body.locking_date = locking_date(terms, sold.time).map(at);
            body.deviation = None;
        }))
    }

    /// What was recorded ahead of a locking date that has come.
    fn come_due(&mut self) -> Vec<Id> {
        let mut open = self.standing(&["pending"]);
        open.retain(|name| {
            let found = self.known.commission(name).unwrap();
            found.locks.is_some_and(|date| found.recorded < date && date <= self.now)
        });
        open
    }

    fn decision(&mut self) -> Option<Entry> {
        let due = if self.careless && self.one_in(2) { self.come_due() } else { Vec::new() };
        if let Some(commission) = self.some(due) {
            let decline = Verdict::Decline { reason: self.reason() };
            return Some(market::decision(&self.name("D"), commission.as_str(), decline));
        }
        let open = self.standing(&["pending", "extended", "approved"]);
        let commission = self.some(open)?;
        let later = self.known.commission(&commission)?.locks.unwrap_or(self.now);
        let later = at(later + 1 + self.random.below(3 * DAY_MS));
        let reason = self.reason();
        let verdict = self.one_of(&[
            Verdict::Lock,
            Verdict::Lock,
            Verdict::Lock,
            Verdict::Lock,
            Verdict::Approve,
            Verdict::Decline { reason },
            Verdict::Extend { locking_date: later },
        ]);
        Some(market::decision(&self.name("D"), commission.as_str(), verdict))
    }

    fn amendment(&mut self) -> Option<Entry> {
        let name = self.name("M");
        let most = self.one_of(&[200, 200, 20]);
        let mut new = units(self.random.below(most));
        let reason = self.reason();
        if self.one_in(2) {
            let pending = self.standing(&["pending"]);
            let commission = self.some(pending)?;
            let now = self.known.commission(&commission)?;
            if self.slips() {
                new = amounting(now.amount);
            }
            return Some(market::amendment(&name, |body| {
                (body.currency, body.old, body.new) = (now.currency, amounting(now.amount), new);
                (body.of, body.reason) = (Amended::Commission { commission }, reason);
            }));
        }
        let transaction = self.some(self.named(Kind::Transaction))?;
        let sold = self.known.sold(&transaction)?;
        let (group, old) = self.some(sold.parts.clone())?;
        Some(market::amendment(&name, |body| {
            (body.currency, body.old, body.new) = (sold.body.currency, amounting(old), new);
            let commission_group = group.cloned();
            (body.of, body.reason) =
                (Amended::Transaction { transaction, commission_group }, reason);
        }))
    }

    fn reversal(&mut self) -> Option<Entry> {
        let open = self.standing(&["pending", "extended", "approved"]);
        let commission = self.some(open)?;
        let now = self.known.commission(&commission)?;
        let left = now.left();
        let amount = if self.slips() { left + 1 } else { self.one_of(&[left, left / 2, 1]) };
        let sold = now.transaction.and_then(|name| self.known.sold(name));
        let back = 1 + self.random.below(40);
        let item = self.one_of(&[None, Some("shoe"), Some("book")]);
        let slips = self.slips();
        let count = if slips { 3 } else { 1 };
        let refund = sold.filter(|_| self.one_in(2)).map(|sold| {
            let items: Vec<_> = item.into_iter().map(|item| (item, count)).collect();
            let items = if sold.body.items.is_empty() && !slips { &[][..] } else { &items };
            let mut refund = market::refund(back, items);
            refund.currency = sold.body.currency;
            refund
        });
        let reason = self.reason();
        Some(market::reversal(&self.name("R"), |body| {
            (body.commission, body.currency) = (commission, now.currency);
            (body.amount, body.refund, body.reason) = (amounting(amount), refund, reason);
        }))
    }

    fn adjustment(&mut self) -> Option<Entry> {
        let effect = self.one_of(&[Effect::Credit, Effect::Debit]);
        let amount = units(1 + self.random.below(30));
        let name = self.name("A");
        if self.one_in(3) {
            return self.adjustment_of_another(&name, effect, amount);
        }
        if self.one_in(3) {
            let mut facts = self.known.0.clone();
            let slips = self.slips();
            facts.retain(|fact| slips || [Kind::Transaction, Kind::Inquiry].contains(&fact.kind()));
            let kind = self.one_of(&[Kind::Transaction, Kind::Inquiry, Kind::Decision]);
            facts.sort_by_key(|fact| fact.kind() != kind);
            facts.truncate(5);
            let fact = self.some(facts)?;
            let (affiliate, code) = (self.affiliate(), self.code());
            let affiliate = match &fact.body {
                Body::Inquiry(inquiry) if !slips => inquiry.affiliate.clone(),
                _ => affiliate,
            };
            let effect = if self.slips() { effect } else { Effect::Credit };
            return Some(market::adjustment(&name, |body| {
                (body.affiliate, body.effect) = (affiliate, effect);
                (body.currency, body.amount) = (currency(code), amount);
                body.related = market::reference(fact.kind(), fact.external_id.as_str());
            }));
        }
        let settled = self.standing(&["locked", "funded", "in_payout", "paid"]);
        let commission = self.some(settled)?;
        let now = self.known.commission(&commission)?;
        Some(market::adjustment(&name, |body| {
            (body.affiliate, body.effect) = (now.affiliate.clone(), effect);
            (body.currency, body.amount) = (now.currency, amount);
            body.related = market::reference(Kind::Commission, commission.as_str());
        }))
    }

    /// For or against what another adjustment comes to.
    fn adjustment_of_another(
        &mut self,
        name: &str,
        effect: Effect,
        amount: Amount,
    ) -> Option<Entry> {
        let other = self.some(self.named(Kind::Adjustment))?;
        let now = self.known.adjustment(&other)?;
        let left = now.comes_to() + now.credits - now.debits;
        let more = if self.slips() { left + 1 } else { left.max(1) };
        let amount = self.one_of(&[amount, amounting(more)]);
        Some(market::adjustment(name, |body| {
            (body.affiliate, body.effect) = (now.affiliate.clone(), effect);
            (body.currency, body.amount) = (now.currency, amount);
            body.related = market::reference(Kind::Adjustment, other.as_str());
        }))
    }

    fn inquiry(&mut self) -> Option<Entry> {
        let name = self.name("Q");
        let at = self.one_of(&["declined", "declined", "pending"]);
        let standing = self.standing(&[at]);
        let Some(commission) = self.some(standing) else {
            return Some(market::inquiry(&name, |_| ()));
        };
        let now = self.known.commission(&commission)?;
        let program = self.program();
        Some(market::inquiry(&name, |body| {
            (body.affiliate, body.merchant) = (now.affiliate.clone(), now.merchant.clone());
            (body.program, body.currency) = (program, now.currency);
            body.claim = match at {
                "declined" => Claim::Declined { commission },
                _ => Claim::Incorrect { commission },
            };
        }))
    }

    fn resolution(&mut self) -> Option<Entry> {
        let mut asked = self.named(Kind::Inquiry);
        let slips = self.slips();
        asked.retain(|inquiry| slips || !self.known.resolved(inquiry));
        let inquiry = self.some(asked)?;
        let reason = self.reason();
        let outcome = self.one_of(&[
            Outcome::Valid,
            Outcome::Valid,
            Outcome::Valid,
            Outcome::Declined { reason },
            Outcome::Incomplete,
        ]);
        Some(market::resolution(&self.name("V"), inquiry.as_str(), outcome))
    }

    fn upline(&mut self) -> Entry {
        let (affiliate, above) = (self.affiliate(), self.affiliate());
        let above = (!self.one_in(12)).then_some(above);
        market::upline(&self.name("U"), affiliate.as_str(), above.as_ref().map(Id::as_str))
    }

    fn opening(&mut self) -> Entry {
        let (affiliate, merchant) = (self.affiliate(), self.merchant());
        let (currency, amount) = (currency(self.code()), units(1 + self.random.below(60)));
        let state = self.one_of(&[
            ImportedState::Pending,
            ImportedState::Approved,
            ImportedState::Locked,
            ImportedState::Funded,
        ]);
        let (before, after) = (self.now - DAY_MS, self.now + DAY_MS);
        let locking_date = self.one_of(&[None, Some(before), Some(self.now), Some(after)]).map(at);
        let effect = self.one_of(&[Effect::Credit, Effect::Debit]);
        let balance = match self.random.below(3) {
            0 => Balance::Affiliate { affiliate, effect, currency, amount },
            1 => Balance::Merchant { merchant, currency, amount },
            _ => Balance::Commission { affiliate, merchant, currency, amount, state, locking_date },
        };
        market::opening(&self.name("O"), balance)
    }

    fn erasure(&mut self) -> Option<Entry> {
        let slips = self.slips();
        let private =
            self.known.0.iter().filter(|fact| slips || fact.commitment.is_some()).copied();
        let fact = self.some(private.collect())?;
        Some(market::erasure(&self.name("X"), fact.kind(), fact.external_id.as_str()))
    }
}

/// An amount, or the most that there is.
pub fn amounting(amount: u128) -> Amount {
    let most = of(Amount::MAX);
    units(u64::try_from(amount.min(most)).unwrap())
}
