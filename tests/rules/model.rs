//! The rules once more, as simply as they can be said, from FORMAT.md section 13 alone: what
//! was stated stands in a list, every sum is made anew each time, nothing else is remembered.
//! Shares no code with the rules. A refusal is the name of the first rule that is broken.

use std::collections::BTreeSet;

use counterfoil::protocol::entry::{
    Adjustment, Amended, Balance, Body, Claim, Effect, Entry, ImportedState, Kind, Outcome,
    PayoutLine, ProgramTerms, Role, Transaction, Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};
use counterfoil::protocol::time::Timestamp;

use super::steps::{after, of_commissions, step_of};

/// The most that an amount can be.
pub const MOST: u128 = (1 << 63) - 1;

/// A legal statement, or the rule that it would break.
pub type Verdicted = Result<(), &'static str>;

/// Breaks `rule` unless `kept`.
pub fn demand(kept: bool, rule: &'static str) -> Verdicted {
    if kept { Ok(()) } else { Err(rule) }
}

/// All that was stated, in order.
#[derive(Clone, Default)]
pub struct Model {
    pub facts: Vec<Entry>,
    /// Of each, the time of its block.
    pub recorded: Vec<u64>,
}

impl Model {
    /// States `entry` in a block at `now`, if that is legal.
    pub fn state(&mut self, entry: &Entry, now: u64) -> Verdicted {
        self.of(&entry.tenant).allows(entry, now)?;
        self.facts.push(entry.clone());
        self.recorded.push(now);
        Ok(())
    }

    /// What a tenant stated.
    pub fn of(&self, tenant: &Id) -> Known<'_> {
        self.before(self.facts.len(), tenant)
    }

    /// What a tenant stated before the `place`th fact of all.
    pub fn before(&self, place: usize, tenant: &Id) -> Known<'_> {
        let facts = self.facts.iter().zip(&self.recorded).take(place);
        let (facts, recorded) = facts.filter(|(fact, _)| fact.tenant == *tenant).unzip();
        Known(facts, recorded)
    }

    /// Every tenant that stated something.
    pub fn tenants(&self) -> BTreeSet<&Id> {
        self.facts.iter().map(|fact| &fact.tenant).collect()
    }
}

/// What one tenant stated, in order, and when each was recorded.
#[derive(Clone)]
pub struct Known<'m>(pub Vec<&'m Entry>, pub Vec<u64>);

/// A commission, as it is now.
pub struct Earning<'m> {
    pub affiliate: &'m Id,
    pub merchant: &'m Id,
    pub currency: Currency,
    pub transaction: Option<&'m Id>,
    /// Which rule of the terms, and of which part, if it is a direct one.
    pub direct: Option<(u16, Option<&'m Id>)>,
    pub amount: u128,
    pub fee: u128,
    pub reversed: u128,
    pub funded: u128,
    pub credits: u128,
    pub debits: u128,
    pub locks: Option<u64>,
    /// When it was recorded that it locks then.
    pub recorded: u64,
    pub extended: bool,
    pub standing: &'static str,
}

impl Earning<'_> {
    pub fn left(&self) -> u128 {
        self.amount - self.reversed
    }

    /// Whether a step at `time`, in a block at `now`, is in time.
    pub fn in_time(&self, time: u64, now: u64) -> bool {
        let Some(date) = self.locks else { return true };
        let recorded_ahead = self.recorded < date;
        time < date && !(recorded_ahead && now >= date)
    }
}

/// A transaction, as it is now.
pub struct Sold<'m> {
    pub place: usize,
    pub time: u64,
    pub body: &'m Transaction<Amount>,
    /// Its parts, in its own currency.
    pub parts: Vec<(Option<&'m Id>, u128)>,
    pub refunded: u128,
}

pub fn units(amount: Amount) -> u128 {
    amount.units().into()
}

impl<'m> Known<'m> {
    /// What was stated before the `place`th.
    pub fn before(&self, place: usize) -> Self {
        Self(self.0[..place].to_vec(), self.1[..place].to_vec())
    }

    /// An entry that was stated, and its place.
    pub fn entry(&self, kind: Kind, name: &Id) -> Option<(usize, &'m Entry)> {
        let found = |fact: &&Entry| fact.kind() == kind && fact.external_id == *name;
        self.0.iter().position(found).map(|place| (place, self.0[place]))
    }

    /// Something that was brought in, by the name of what it is from then on.
    pub fn imported(&self, kind: Kind, name: &Id) -> Option<&'m Balance<Amount>> {
        match &self.entry(Kind::OpeningBalance, name)?.1.body {
            Body::OpeningBalance(opening) => {
                let is = match opening.balance {
                    Balance::Commission { .. } => Some(Kind::Commission),
                    Balance::Affiliate { .. } => Some(Kind::Adjustment),
                    Balance::Merchant { .. } => None,
                };
                (is == Some(kind)).then_some(&opening.balance)
            }
            _ => None,
        }
    }

    /// Whether there is an entry, or what was brought in, of this kind and name.
    pub fn exists(&self, kind: Kind, name: &Id) -> bool {
        self.found(kind, name).is_some()
    }

    /// The entry of this kind and name, or that which brought it in, and its place.
    pub fn found(&self, kind: Kind, name: &Id) -> Option<(usize, &'m Entry)> {
        let imported = || self.imported(kind, name).and(self.entry(Kind::OpeningBalance, name));
        self.entry(kind, name).or_else(imported)
    }

    /// When that happened before which nothing may be dated that names it.
    pub fn happened(&self, kind: Kind, name: &Id) -> Option<u64> {
        let (_, entry) = self.found(kind, name)?;
        let dated = match (kind, &entry.body) {
            (Kind::Payout, Body::Payout(payout)) => payout.continues.is_none(),
            (Kind::Transaction | Kind::Commission | Kind::Adjustment | Kind::Inquiry, _) => true,
            _ => false,
        };
        dated.then(|| entry.event_time.as_millis())
    }

    /// Demands that what an entry at `time` names is there, and isn't later.
    pub fn names(&self, kind: Kind, name: &Id, time: u64) -> Verdicted {
        demand(self.exists(kind, name), "missing-parent")?;
        demand(self.happened(kind, name).is_none_or(|happened| happened <= time), "before-parent")
    }

    pub fn terms(&self, name: &Id) -> Option<(usize, &'m ProgramTerms<Amount>)> {
        match &self.entry(Kind::ProgramTerms, name)? {
            (place, Entry { body: Body::ProgramTerms(terms), .. }) => Some((*place, terms)),
            _ => None,
        }
    }

    /// All versions of a program's terms, each with its place.
    pub fn versions(&self, merchant: &Id, program: &Id) -> Vec<(usize, &'m ProgramTerms<Amount>)> {
        let facts = self.0.iter().enumerate();
        let terms = facts.filter_map(|(place, fact)| match &fact.body {
            Body::ProgramTerms(terms) => Some((place, terms)),
            _ => None,
        });
        terms
            .filter(|(_, terms)| (&terms.merchant, &terms.program) == (merchant, program))
            .collect()
    }

    /// A transaction as it is now.
    pub fn sold(&self, name: &Id) -> Option<Sold<'m>> {
        let (place, entry) = self.entry(Kind::Transaction, name)?;
        let Body::Transaction(body) = &entry.body else { return None };
        let mut parts = parts(body);
        let mut refunded = 0;
        for fact in &self.0 {
            match &fact.body {
                Body::Amendment(amendment) => {
                    if let Amended::Transaction { transaction, commission_group } = &amendment.of
                        && transaction == name
                    {
                        for part in &mut parts {
                            if part.0 == commission_group.as_ref() {
                                part.1 = units(amendment.new);
                            }
                        }
                    }
                }
                Body::Reversal(reversal) => {
                    if let Some(refund) = &reversal.refund
                        && self.transaction_of(&reversal.commission) == Some(name)
                    {
                        refunded += units(refund.amount);
                    }
                }
                _ => {}
            }
        }
        Some(Sold { place, time: entry.event_time.as_millis(), body, parts, refunded })
    }

    /// How many of an item of a transaction were sent back.
    pub fn sent_back(&self, transaction: &Id, item: &Id) -> u128 {
        let items = self.0.iter().filter_map(|fact| match &fact.body {
            Body::Reversal(reversal)
                if self.transaction_of(&reversal.commission) == Some(transaction) =>
            {
                reversal.refund.as_ref()
            }
            _ => None,
        });
        let items = items.flat_map(|refund| &refund.items).filter(|sent| sent.item == *item);
        items.map(|sent| u128::from(sent.quantity)).sum()
    }

    pub fn transaction_of(&self, commission: &Id) -> Option<&'m Id> {
        match &self.entry(Kind::Commission, commission)?.1.body {
            Body::Commission(commission) => Some(&commission.transaction),
            _ => None,
        }
    }

    /// The commissions of a transaction, by name.
    pub fn commissions_of(&self, transaction: &Id) -> Vec<&'m Id> {
        let of = |fact: &&&Entry| matches!(&fact.body, Body::Commission(body) if body.transaction == *transaction);
        self.0.iter().filter(of).map(|fact| &fact.external_id).collect()
    }

    /// A commission as it was stated, before anything became of it.
    fn stated(&self, name: &Id) -> Option<Earning<'m>> {
        let recorded = self.1[self.found(Kind::Commission, name)?.0];
        if let Some(Balance::Commission {
            affiliate,
            merchant,
            currency,
            amount,
            state,
            locking_date,
        }) = self.imported(Kind::Commission, name)
        {
            let (standing, funded) = match state {
                ImportedState::Pending => ("pending", 0),
                ImportedState::Approved => ("approved", 0),
                ImportedState::Locked => ("locked", 0),
                ImportedState::Funded => ("funded", units(*amount)),
            };
            return Some(Earning {
                affiliate,
                merchant,
                currency: *currency,
                transaction: None,
                direct: None,
                amount: units(*amount),
                fee: 0,
                reversed: 0,
                funded,
                credits: 0,
                debits: 0,
                locks: locking_date.map(Timestamp::as_millis),
                recorded,
                extended: false,
                standing,
            });
        }
        let Body::Commission(body) = &self.entry(Kind::Commission, name)?.1.body else {
            return None;
        };
        let Body::Transaction(sale) = &self.entry(Kind::Transaction, &body.transaction)?.1.body
        else {
            return None;
        };
        let direct = match &body.role {
            Role::Direct { commission_group, .. } => Some((body.rule, commission_group.as_ref())),
            Role::Override { .. } => None,
        };
        Some(Earning {
            affiliate: &body.affiliate,
            merchant: &sale.merchant,
            currency: body.currency,
            transaction: Some(&body.transaction),
            direct,
            amount: units(body.amount),
            fee: units(body.fee),
            reversed: 0,
            funded: 0,
            credits: 0,
            debits: 0,
            locks: body.locking_date.map(Timestamp::as_millis),
            recorded,
            extended: false,
            standing: "pending",
        })
    }

    /// A commission as it is now: what was stated of it, one after the other.
    pub fn commission(&self, name: &Id) -> Option<Earning<'m>> {
        let mut now = self.stated(name)?;
        for (fact, recorded) in self.0.iter().zip(&self.1) {
            match &fact.body {
                Body::Decision(decision) if decision.commission == *name => {
                    now.standing = after(now.standing, step_of(&decision.verdict)).unwrap();
                    if let Verdict::Extend { locking_date } = decision.verdict {
                        (now.locks, now.extended) = (Some(locking_date.as_millis()), true);
                        now.recorded = *recorded;
                    }
                }
                Body::Amendment(amendment) => {
                    if matches!(&amendment.of, Amended::Commission { commission } if commission == name)
                    {
                        now.amount = units(amendment.new);
                    }
                }
                Body::Reversal(reversal) if reversal.commission == *name => {
                    now.reversed += units(reversal.amount);
                    if now.left() == 0 {
                        now.standing = after(now.standing, "reverse").unwrap();
                    }
                }
                Body::InquiryResolution(resolution)
                    if resolution.outcome == Outcome::Valid
                        && self.reopened_by(&resolution.inquiry) == Some(name) =>
                {
                    now.standing = after(now.standing, "reopen").unwrap();
                }
                Body::Funding(funding) => {
                    for line in funding.lines.iter().filter(|line| line.commission == *name) {
                        now.funded += units(line.amount);
                        if now.funded == now.left() {
                            now.standing = after(now.standing, "fund").unwrap();
                        }
                    }
                }
                _ => {}
            }
        }
        (now.credits, now.debits) = self.adjusted(Kind::Commission, name);
        let has = |line: &PayoutLine<Amount>| matches!(line, PayoutLine::Commission { commission, .. } if commission == name);
        if let Some(payout) = self.latest_payout(has) {
            now.standing = of_commissions(payout.standing);
        }
        Some(now)
    }

    /// All credits and all debits that name a commission or an adjustment.
    pub fn adjusted(&self, kind: Kind, name: &Id) -> (u128, u128) {
        let sum = |wanted: Effect| {
            let amounts = self.0.iter().filter_map(|fact| match &fact.body {
                Body::Adjustment(Adjustment { effect, amount, related, .. })
                    if (related.kind, &related.external_id) == (kind, name) =>
                {
                    (*effect == wanted).then(|| units(*amount))
                }
                _ => None,
            });
            amounts.sum()
        };
        (sum(Effect::Credit), sum(Effect::Debit))
    }

    /// The commission that an inquiry reopens, if it is found valid.
    pub fn reopened_by(&self, inquiry: &Id) -> Option<&'m Id> {
        match &self.entry(Kind::Inquiry, inquiry)?.1.body {
            Body::Inquiry(inquiry) => match &inquiry.claim {
                Claim::Declined { commission } => Some(commission),
                Claim::Incorrect { .. } | Claim::Untracked { .. } => None,
            },
            _ => None,
        }
    }

    /// Who stands above an affiliate.
    pub fn upline(&self, affiliate: &Id) -> Option<&'m Id> {
        let latest = self.0.iter().rev().find_map(|fact| match &fact.body {
            Body::AffiliateUpline(body) if body.affiliate == *affiliate => Some(&body.upline),
            _ => None,
        });
        latest.and_then(Option::as_ref)
    }
}

/// The parts of a transaction as it was stated, each with its group.
pub fn parts(sale: &Transaction<Amount>) -> Vec<(Option<&Id>, u128)> {
    let order = sale.commission_group.as_ref();
    if sale.items.is_empty() {
        return vec![(order, units(sale.amount))];
    }
    let items: Vec<_> = sale
        .items
        .iter()
        .map(|item| (item.commission_group.as_ref().or(order), units(item.amount)))
        .collect();
    let mut parts: Vec<(Option<&Id>, u128)> = Vec::new();
    for (group, _) in &items {
        if parts.iter().all(|(known, _)| known != group) {
            let amounts = items.iter().filter(|(other, _)| other == group);
            parts.push((*group, amounts.map(|(_, amount)| amount).sum()));
        }
    }
    parts
}
