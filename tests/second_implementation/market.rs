//! A market that is steered by the rules: entries at random, each mended by what refuses it, so
//! that most of them lead somewhere and every state is reached.

use std::collections::BTreeMap;
use std::sync::Arc;

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::{
    Balance, Body, Commission, Effect, Entry, Kind, Payout, PayoutLine, Reversal, Role, Verdict,
};
use counterfoil::protocol::hash::{Commitment, StateKey};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency, Decimal};
use counterfoil::protocol::rules::{
    AdjustmentRecord, AdjustmentState, AdmitError, CommissionRecord, CommissionState, PayoutRecord,
    PayoutState, Record, Refusal, Subject,
};
use counterfoil::protocol::time::{DAY_MS, Timestamp};

use super::entries;
use super::published::{Ledger, key, spec};
use super::random::Random;

/// How often an entry that is refused is mended and tried again.
const MENDINGS: usize = 6;

/// What was offered to the rules, and what they said.
pub struct Offer {
    pub time: Timestamp,
    pub leaf: Vec<u8>,
    /// The rule that it breaks; none where it was admitted.
    pub refused: Option<&'static str>,
}

/// A ledger, and what has been named on it.
pub struct Market {
    pub ledger: Ledger,
    pub random: Random,
    pub now: Timestamp,
    pub tenant: Id,
    /// What others can name, by tenant and kind.
    named: BTreeMap<(Id, Kind), Vec<Id>>,
    programs: BTreeMap<Id, Vec<(Id, Id)>>,
    numbered: usize,
    pub offers: Vec<Offer>,
}

pub fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub fn amount(units: u64) -> Amount {
    Amount::from_units(units).unwrap()
}

impl Market {
    pub fn new(seed: u64) -> Self {
        Self {
            ledger: Ledger::new(spec(key(&[7; 32]).public()), key(&[7; 32])),
            random: Random::new(seed),
            now: "2026-01-20T00:00:00Z".parse().unwrap(),
            tenant: id("acme"),
            named: BTreeMap::new(),
            programs: BTreeMap::new(),
            numbered: 0,
            offers: Vec::new(),
        }
    }

    /// One of `list`.
    pub fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.random.index(list.len())].clone()
    }

    /// Whether something happens that does so many times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// Some units, small ones mostly, so that sums meet.
    pub fn some_amount(&mut self) -> Amount {
        let units = [0, 1, 2, 3, 5, 10, 20, 50, 100, 400, 1000, 9999];
        if self.random.below(400) == 0 { Amount::MAX } else { amount(self.of(&units)) }
    }

    pub fn currency(&mut self) -> Currency {
        let code = match self.random.below(60) {
            0 => "GBP",
            1..=4 => "JPY",
            5..=9 => "USD",
            _ => "EUR",
        };
        Currency::new(code).unwrap()
    }

    /// A time around now, in days before it and a little after.
    pub fn day(&mut self) -> Timestamp {
        let days = self.random.below(12) * DAY_MS;
        Timestamp::from_millis((self.now.as_millis() + 2 * DAY_MS).saturating_sub(days)).unwrap()
    }

    pub fn names(&self, kind: Kind) -> Vec<Id> {
        self.named.get(&(self.tenant.clone(), kind)).cloned().unwrap_or_default()
    }

    /// Each merchant and program that there are terms of.
    pub fn programs(&self) -> &[(Id, Id)] {
        self.programs.get(&self.tenant).map_or(&[], Vec::as_slice)
    }

    /// A name of this kind: one that there is, mostly.
    pub fn name(&mut self, kind: Kind) -> Id {
        let names = self.names(kind);
        if names.is_empty() || self.random.below(50) == 0 { id("nobody") } else { self.of(&names) }
    }

    pub fn record(&self, kind: Kind, name: &Id) -> Option<Record> {
        self.record_at(&Subject::Entry(kind, name).key(&self.tenant))
    }

    pub fn record_at(&self, key: &StateKey) -> Option<Record> {
        self.ledger.state().get(key).map(|stored| stored.record.clone())
    }

    /// The name of the entry of `kind` whose record this is.
    pub fn name_of(&self, kind: Kind, key: &StateKey) -> Id {
        let found = |name: &Id| Subject::Entry(kind, name).key(&self.tenant) == *key;
        self.names(kind).into_iter().find(found).expect("it was stated")
    }

    /// Where the payout stands whose record this is.
    fn payout_state(&self, payout: Option<StateKey>) -> Option<PayoutState> {
        match self.record_at(&payout?)? {
            Record::Payout(payout) => Some(payout.state),
            other => panic!("a payout's record is {other:?}"),
        }
    }

    /// The payout that `first` names.
    pub fn payout(&self, first: &Id) -> Option<Arc<PayoutRecord>> {
        match self.record(Kind::Payout, first)? {
            Record::Payout(payout) => Some(payout),
            _ => None,
        }
    }

    /// Each commission, and where it stands.
    pub fn commissions(&self) -> Vec<(Id, Arc<CommissionRecord>, CommissionState)> {
        let standing = |name: Id| match self.record(Kind::Commission, &name) {
            Some(Record::Commission(record)) => {
                let standing = record.standing(self.payout_state(record.payout));
                (name, record, standing)
            }
            other => panic!("{name}: {other:?}"),
        };
        self.names(Kind::Commission).into_iter().map(standing).collect()
    }

    /// Each adjustment, and where it stands.
    pub fn adjustments(&self) -> Vec<(Id, Arc<AdjustmentRecord>, AdjustmentState)> {
        let standing = |name: Id| match self.record(Kind::Adjustment, &name) {
            Some(Record::Adjustment(record)) => {
                let standing = record.standing(self.payout_state(record.payout));
                (name, record, standing)
            }
            other => panic!("{name}: {other:?}"),
        };
        self.names(Kind::Adjustment).into_iter().map(standing).collect()
    }

    /// Offers an entry at random, and again, mended, as long as that changes anything.
    pub fn step(&mut self) {
        self.now = self.now.saturating_add(self.random.below(DAY_MS / 4));
        self.tenant = if self.chance(90) { id("acme") } else { id("brand") };
        let mut body = entries::body(self);
        if !self.has_parents(body.kind()) && !self.chance(10) {
            body = entries::first(self);
        }
        let mut entry = self.envelope(body);
        for _ in 0..MENDINGS {
            let Some(refusal) = self.offer(&entry) else { return };
            // Some stay as they are, for what comes after them.
            if self.chance(10) || !self.mend(&mut entry, refusal) {
                return;
            }
        }
    }

    /// Whether there is something that an entry of this kind could be about.
    fn has_parents(&self, kind: Kind) -> bool {
        let about = match kind {
            Kind::ProgramTerms | Kind::AffiliateUpline | Kind::OpeningBalance => return true,
            Kind::Transaction | Kind::Inquiry => Kind::ProgramTerms,
            Kind::Commission => Kind::Transaction,
            Kind::InquiryResolution => Kind::Inquiry,
            Kind::PayoutEvent => Kind::Payout,
            _ => Kind::Commission,
        };
        !self.names(about).is_empty()
    }

    fn envelope(&mut self, body: Body<Amount>) -> Entry {
        let kind = body.kind();
        let ahead = self.of(&[0, 0, 0, 0, 1, DAY_MS, 3 * DAY_MS, 300_000]);
        let event_time = if self.random.below(30) == 0 {
            self.now.saturating_add(300_001)
        } else if ahead == 300_000 {
            self.now.saturating_add(ahead)
        } else {
            Timestamp::from_millis(self.now.as_millis() - ahead).unwrap()
        };
        self.numbered += 1;
        let external_id = if self.random.below(40) == 0 {
            self.name(kind)
        } else {
            id(&format!("{kind}-{}", self.numbered))
        };
        let commitment = self.chance(20).then_some(Commitment([7; 32]));
        Entry { tenant: self.tenant.clone(), external_id, event_time, commitment, body }
    }

    /// Offers `entry` to the rules and seals it if they admit it; else why they don't.
    fn offer(&mut self, entry: &Entry) -> Option<Refusal> {
        let encoded = EncodedEntry::new(entry.clone()).unwrap();
        let leaf = encoded.leaf().to_vec();
        let refusal = match self.ledger.draft(self.now).admit(encoded) {
            Ok(_) => None,
            Err(AdmitError::Refused(refusal)) => Some(refusal),
            Err(AdmitError::State(impossible)) => match impossible {},
        };
        let refused = refusal.as_ref().map(Refusal::rule);
        self.offers.push(Offer { time: self.now, leaf, refused });
        if refusal.is_none() {
            self.ledger.seal(self.now, std::slice::from_ref(entry));
            self.remember(entry);
        }
        refusal
    }

    fn remember(&mut self, entry: &Entry) {
        let mut kinds = vec![entry.kind()];
        match &entry.body {
            Body::OpeningBalance(opening) => match opening.balance {
                Balance::Commission { .. } => kinds.push(Kind::Commission),
                Balance::Affiliate { .. } => kinds.push(Kind::Adjustment),
                Balance::Merchant { .. } => {}
            },
            Body::ProgramTerms(terms) => {
                let program = (terms.merchant.clone(), terms.program.clone());
                let programs = self.programs.entry(entry.tenant.clone()).or_default();
                if !programs.contains(&program) {
                    programs.push(program);
                }
            }
            _ => {}
        }
        for kind in kinds {
            let names = self.named.entry((entry.tenant.clone(), kind)).or_default();
            names.push(entry.external_id.clone());
        }
    }

    /// Lets `entry` say what `refusal` demands; whether that changes it.
    fn mend(&mut self, entry: &mut Entry, refusal: Refusal) -> bool {
        let before = entry.clone();
        match refusal {
            Refusal::EventInFuture { latest, .. } => entry.event_time = latest,
            Refusal::BeforeParent { time, .. } => entry.event_time = time,
            Refusal::BeforeLockingDate { locks_at } => {
                entry.event_time = locks_at;
                // Such an entry comes when it is time.
                self.now = self.now.max(locks_at);
            }
            Refusal::PastLockingDate { locks_at } => {
                let before = locks_at.as_millis().saturating_sub(1);
                entry.event_time = Timestamp::from_millis(before).unwrap();
            }
            other => self.mend_body(&mut entry.body, other),
        }
        *entry != before
    }

    /// Lets `body` say what `refusal` demands.
    fn mend_body(&self, body: &mut Body<Amount>, refusal: Refusal) {
        match (body, refusal) {
            (Body::ProgramTerms(terms), Refusal::WrongVersion { expected, .. }) => {
                terms.version = expected;
            }
            (Body::ProgramTerms(terms), Refusal::TermsReachBack { earliest, .. }) => {
                terms.effective_from = earliest;
                terms.effective_until = None;
            }
            (Body::Transaction(sale), Refusal::WrongTotal { expected, .. }) => {
                sale.amount = self.amount_from(&expected, sale.currency).unwrap_or(sale.amount);
            }
            (Body::Commission(stated), refusal) => self.mend_commission(stated, refusal),
            (Body::Decision(decision), Refusal::ExtensionNotLater { earlier: Some(date), .. }) => {
                let locking_date = date.saturating_add(DAY_MS);
                decision.verdict = Verdict::Extend { locking_date };
            }
            (Body::Amendment(amendment), Refusal::StaleAmount { expected, .. }) => {
                amendment.old = self.amount_from(&expected, amendment.currency).unwrap();
            }
            (Body::Amendment(amendment), Refusal::AnotherCurrency { expected, .. }) => {
                amendment.currency = expected;
            }
            (Body::Reversal(reversal), refusal) => self.mend_reversal(reversal, refusal),
            (Body::Adjustment(adjustment), Refusal::AnotherAffiliate { expected, .. }) => {
                adjustment.affiliate = expected;
            }
            (Body::Adjustment(adjustment), Refusal::AnotherCurrency { expected, .. }) => {
                adjustment.currency = expected;
            }
            (Body::Adjustment(adjustment), Refusal::CreditOnly) => {
                adjustment.effect = Effect::Credit;
            }
            (Body::Adjustment(adjustment), Refusal::TooMuch { currency, left, .. }) => {
                adjustment.amount = self.amount_from(&left, currency).unwrap();
            }
            (Body::Inquiry(inquiry), refusal) => match refusal {
                Refusal::AnotherAffiliate { expected, .. } => inquiry.affiliate = expected,
                Refusal::AnotherMerchant { expected, .. } => inquiry.merchant = expected,
                Refusal::AnotherCurrency { expected, .. } => inquiry.currency = expected,
                _ => {}
            },
            (Body::Funding(funding), Refusal::PrepaidExceeded { currency, prepaid, given }) => {
                let [prepaid, given] =
                    [prepaid, given].map(|text| self.amount_from(&text, currency).unwrap());
                let lacks = given.checked_sub(prepaid).unwrap();
                funding.received = funding.received.checked_add(lacks).unwrap();
            }
            (Body::Payout(payout), refusal) => self.mend_payout(payout, refusal),
            (Body::PayoutEvent(event), Refusal::NotFirstPart { first }) => event.payout = first,
            _ => {}
        }
    }

    fn mend_commission(&self, stated: &mut Commission<Amount>, refusal: Refusal) {
        match refusal {
            Refusal::WrongRule { expected: Some(rule), .. } => stated.rule = rule,
            Refusal::AnotherCurrency { expected, .. } => stated.currency = expected,
            Refusal::WrongAmount { field, expected, .. } => {
                let expected = self.amount_from(&expected, stated.currency).unwrap();
                if field == "body.fee" {
                    stated.fee = expected;
                } else {
                    stated.amount = expected;
                }
            }
            Refusal::WrongLockingDate { expected } => stated.locking_date = expected,
            Refusal::NeedlessDeviation => stated.deviation = None,
            Refusal::NotUpline { expected: Some(upline) } => stated.affiliate = upline,
            Refusal::SharesAboveWhole { left_ppm, .. } => {
                if let Role::Direct { share_ppm, .. } = &mut stated.role {
                    *share_ppm = left_ppm;
                }
            }
            _ => {}
        }
    }

    fn mend_reversal(&self, reversal: &mut Reversal<Amount>, refusal: Refusal) {
        match refusal {
            Refusal::AnotherCurrency { field, expected, .. } => match &mut reversal.refund {
                Some(refund) if field == "body.refund.currency" => refund.currency = expected,
                _ => reversal.currency = expected,
            },
            Refusal::TooMuch { field, currency, left, .. } => {
                let left = self.amount_from(&left, currency).unwrap();
                match &mut reversal.refund {
                    Some(refund) if field == "body.refund.amount" => refund.amount = left,
                    _ => reversal.amount = left,
                }
            }
            _ => {}
        }
    }

    fn mend_payout(&self, payout: &mut Payout<Amount>, refusal: Refusal) {
        match refusal {
            Refusal::WrongTotal { expected, .. } => {
                match self.amount_from(&expected, payout.currency) {
                    Some(total) => payout.total = Some(total),
                    // Below zero: more was taken off.
                    None => payout.lines.push(PayoutLine::CarriedForward {
                        effect: Effect::Credit,
                        amount: self.amount_from(&expected[1..], payout.currency).unwrap(),
                    }),
                }
            }
            Refusal::StillOwing { .. } | Refusal::MisplacedFx => {
                (payout.total, payout.fx) = (None, None);
            }
            Refusal::AnotherPeriod { from, until } => {
                (payout.period_from, payout.period_until) = (from, until);
            }
            _ => {}
        }
    }

    /// An amount that a refusal says in text; none if it is below zero.
    fn amount_from(&self, text: &str, currency: Currency) -> Option<Amount> {
        let scale = self.ledger.chain.spec().currencies.scale(currency).unwrap_or(0);
        Decimal::new(text).and_then(|text| text.to_amount(currency, scale)).ok()
    }
}
