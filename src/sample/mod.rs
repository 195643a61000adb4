//! Synthetic marketplaces: endless, realistic entries for `dev`, tests and benchmarks.
//!
//! A [`Marketplace`] states the terms of every program first, then sales, leads and signups,
//! what affiliates earn from them, and what becomes of that: approved, declined, extended,
//! taken back in whole or in part, locked, paid once a month. Every entry is one that the
//! rules admit, in an order in which they do. All of it follows from a [`Profile`] alone, on
//! every platform and for ever: integers only, and a random number generator of its own.
//!
//! Everybody in it is invented. Commitments are random bytes that nothing opens.
//!
//! | file | what |
//! |---|---|
//! | `profile.rs` | what a marketplace is like |
//! | `parties.rs` | who takes part: tenants, merchants and programs, affiliates |
//! | `open.rs` | commissions that something still has to happen to |
//! | `payouts.rs` | what has locked, and its monthly payout |
//! | `chance.rs` | random numbers, prices, popularity |
//!
//! ```
//! use counterfoil::protocol::spec::Currencies;
//! use counterfoil::sample::{Marketplace, Profile};
//!
//! let now = "2026-11-21T14:00:00Z".parse()?;
//! let euro = Currencies::new([("EUR".parse()?, 2)]);
//! for line in Marketplace::new(Profile::history(7, 1_000, now), &euro)?.into_lines().take(3) {
//!     println!("{line}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! - Each tick of the clock is one entry, and each is later than the one before.
//! - Whatever an entry names has been stated before it.
//! - What is open and what waits for a payout fit their limits, so memory is bounded.

mod chance;
mod open;
mod parties;
mod payouts;
mod profile;

use std::collections::VecDeque;

pub use payouts::MAX_PAYABLE_COMMISSIONS;
pub use profile::{
    BENCHMARK_PACE_MS, HISTORY_DAYS, MAX_AFFILIATES, MAX_FOLLOW_UPS_PPM, MAX_ID_DIGITS,
    MAX_MERCHANTS, MAX_OPEN_COMMISSIONS, MAX_PARTIES, MAX_TENANTS, NextDecided, Profile,
    ProfileError,
};

use self::chance::{Random, Zipf};
use self::open::{NewCommission, OpenCommission, OpenCommissions, Step};
use self::parties::{Coin, Program};
use self::payouts::{Part, Payable, Payouts};
use crate::protocol::entry::{
    Body, Commission, Decision, Entry, Payout, PayoutLine, Reason, Reversal, Transaction, Verdict,
};
use crate::protocol::hash::Commitment;
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, PPM_WHOLE};
use crate::protocol::spec::Currencies;
use crate::protocol::text::EntryText;
use crate::protocol::time::{DAY_MS, Timestamp};

/// How often a program gets new terms, in parts per million of what happens.
const NEW_TERMS_PPM: u32 = 300;
/// How often two affiliates share a commission, in parts per million.
const SHARED_PPM: u32 = 40_000;
/// What the first of them gets, in parts per million.
const FIRST_SHARE_PPM: u32 = 700_000;
/// How often a transaction has private particulars committed to, in parts per million.
const COMMITMENT_PPM: u32 = 250_000;
/// How often a transaction belongs to a campaign, in parts per million.
const CAMPAIGN_PPM: u32 = 300_000;
/// How often a transaction has a click to it, in parts per million.
const CLICK_PPM: u32 = 900_000;

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

/// A synthetic marketplace: an iterator of entries that never ends.
#[derive(Clone, Debug)]
pub struct Marketplace {
    profile: Profile,
    currencies: Currencies,
    random: Random,
    tenants: Vec<Id>,
    programs: Vec<Program>,
    program_popularity: Zipf,
    affiliates: Vec<Id>,
    affiliate_popularity: Zipf,
    stated: Stated,
    /// The commissions on the latest transaction, at most two, before anything else.
    next: VecDeque<Entry>,
    open: OpenCommissions,
    payouts: Payouts,
}

/// How much was stated so far; also the latest number of each kind.
#[derive(Clone, Debug, Default)]
struct Stated {
    entries: u64,
    programs: usize,
    transactions: u64,
    commissions: u64,
    decisions: u64,
    reversals: u64,
}

impl Marketplace {
    /// A marketplace that trades in `currencies`.
    ///
    /// # Errors
    /// [`ProfileError`], which names the field.
    pub fn new(profile: Profile, currencies: &Currencies) -> Result<Self, ProfileError> {
        profile.check()?;
        let coins = Coin::all(currencies);
        if coins.is_empty() {
            return Err(ProfileError::NoCurrency);
        }
        let mut random = Random::new(profile.seed);
        let programs = parties::programs(&profile, &coins, &mut random);
        Ok(Self {
            tenants: parties::tenants(&profile),
            program_popularity: Zipf::new(u32::try_from(programs.len()).unwrap_or(u32::MAX)),
            programs,
            affiliates: parties::affiliates(&profile),
            affiliate_popularity: Zipf::new(profile.affiliates),
            stated: Stated::default(),
            next: VecDeque::new(),
            open: OpenCommissions::new(&profile),
            payouts: Payouts::new(&profile),
            currencies: currencies.clone(),
            random,
            profile,
        })
    }

    /// The same entries as JSON, one a line, without the line's end.
    pub fn into_lines(self) -> impl Iterator<Item = String> {
        let currencies = self.currencies.clone();
        self.map(move |entry| {
            let text = EntryText::new(&entry, &currencies).expect("it trades in these alone");
            serde_json::to_string(&text).expect("an entry's text is plain JSON")
        })
    }

    /// The time of one more entry.
    fn tick(&mut self) -> Timestamp {
        let pace = self.profile.pace_ms;
        let since =
            self.stated.entries.saturating_mul(pace).saturating_add(self.random.below(pace));
        self.stated.entries += 1;
        self.profile.start.saturating_add(since)
    }

    fn happen(&mut self, now: Timestamp) -> Entry {
        if self.stated.programs < self.programs.len() {
            return self.introduce(now);
        }
        let (payable, urgent) = self.payouts.pending(now);
        // Otherwise payouts take turns with everything else, or the first of a month would
        // see nothing but payouts.
        if (urgent || payable && self.random.chance(PPM_WHOLE / 2))
            && let Some(part) = self.payouts.next_part(now)
        {
            return self.pay(&part, now);
        }
        if self.profile.new_terms
            && self.random.chance(NEW_TERMS_PPM)
            && let Some(entry) = self.announce(now)
        {
            return entry;
        }
        let at = (now, self.stated.entries);
        if let Some((commission, step)) = self.open.take(at, &mut self.random) {
            return self.follow_up(commission, step, now);
        }
        self.trade(now)
    }

    /// States the first terms of one more program.
    fn introduce(&mut self, now: Timestamp) -> Entry {
        let program = self.programs.get(self.stated.programs).expect("the caller has counted");
        self.stated.programs += 1;
        let (external_id, terms) = program.first_terms();
        self.entry(program.tenant, external_id, now, Body::ProgramTerms(terms))
    }

    /// States new terms of some program, unless it has just had some.
    fn announce(&mut self, now: Timestamp) -> Option<Entry> {
        let rank = self.random.below(self.programs.len() as u64);
        let program = self.programs.get_mut(usize::try_from(rank).ok()?)?;
        let (external_id, terms) = program.announce(now, &mut self.random)?;
        let tenant = program.tenant;
        Some(self.entry(tenant, external_id, now, Body::ProgramTerms(terms)))
    }

    /// A transaction, after which its commissions are next.
    fn trade(&mut self, now: Timestamp) -> Entry {
        let number = self.program_popularity.rank(&mut self.random);
        let program = self.programs.get_mut(number as usize).expect("a rank of programs");
        let (tenant, currency) = (program.tenant, program.coin.currency);
        let amount = program.draw_amount(&mut self.random);
        let terms = program.terms_at(now);
        let (terms_id, earned) = (terms.external_id.clone(), terms.earned(amount));
        let locks_at = now.saturating_add(u64::from(terms.locking_days) * DAY_MS);
        let (merchant, action) = (program.merchant.clone(), program.action);
        let name = program.name.clone();

        let affiliate = self.affiliate_of(tenant);
        self.stated.transactions += 1;
        let external_id = self.numbered("t-", self.stated.transactions);
        let random = &mut self.random;
        let order = random.below(1_000_000_000);
        let link = u64::from(affiliate) * 1_000 + u64::from(number % 1_000);
        let campaign = random.chance(CAMPAIGN_PPM).then(|| random.below(1_000));
        let click = random.chance(CLICK_PPM).then(|| random.below(1_000_000_000_000));
        let transaction = Transaction {
            order_ref: self.numbered("order-", order),
            merchant,
            program: name,
            action,
            currency,
            amount,
            link_ref: Some(self.numbered("link-", link)),
            campaign_ref: campaign.map(|campaign| self.numbered("cmp-", campaign)),
            click_ref: click.map(|click| self.numbered("click-", click)),
        };
        let mut entry =
            self.entry(tenant, external_id.clone(), now, Body::Transaction(transaction));
        entry.commitment = self.random.chance(COMMITMENT_PPM).then(|| self.draw_commitment());

        for (affiliate, amount) in self.split(tenant, affiliate, earned) {
            self.earn(
                NewCommission { number: 0, affiliate, program: number, amount, locks_at },
                &external_id,
                &terms_id,
            );
        }
        entry
    }

    /// Who gets how much of what a transaction earns.
    fn split(
        &mut self,
        tenant: u32,
        affiliate: u32,
        earned: Amount,
    ) -> impl Iterator<Item = (u32, Amount)> + use<> {
        let whole = [Some((affiliate, earned)), None];
        let shares = if self.random.chance(SHARED_PPM) {
            let second = self.affiliate_of(tenant);
            let first_share = earned.parts_per_million(FIRST_SHARE_PPM).unwrap_or(earned);
            let rest = earned.checked_sub(first_share).unwrap_or(Amount::ZERO);
            if second == affiliate {
                whole
            } else {
                [Some((affiliate, first_share)), Some((second, rest))]
            }
        } else {
            whole
        };
        shares.into_iter().flatten()
    }

    /// Lets `affiliate` earn `amount` next.
    fn earn(&mut self, new: NewCommission, transaction: &Id, terms: &Id) {
        let now = self.tick();
        self.stated.commissions += 1;
        let new = NewCommission { number: self.stated.commissions, ..new };
        let program = self.programs.get(new.program as usize).expect("the caller has it");
        self.open.open(new, program, (now, self.stated.entries), &mut self.random);
        let commission = Commission {
            transaction: transaction.clone(),
            terms: terms.clone(),
            affiliate: self.affiliate(new.affiliate),
            currency: program.coin.currency,
            amount: new.amount,
        };
        let external_id = self.commission_id(new.number);
        let entry = self.entry(program.tenant, external_id, now, Body::Commission(commission));
        self.next.push_back(entry);
    }

    /// The next step of an open commission.
    fn follow_up(&mut self, mut commission: OpenCommission, step: Step, now: Timestamp) -> Entry {
        let program = self.programs.get(commission.program as usize).expect("it has a program");
        let (tenant, currency) = (program.tenant, program.coin.currency);
        let entry = match step {
            Step::Approve => self.decide(tenant, &commission, Verdict::Approve, now),
            Step::Decline => {
                let reason = self.random.weighted(&DECLINE_REASONS);
                self.decide(tenant, &commission, Verdict::Decline { reason }, now)
            }
            Step::Extend => {
                let days = self.random.between(7, 45);
                let locking_date = commission.locks_at.saturating_add(days * DAY_MS);
                commission.locks_at = locking_date;
                self.decide(tenant, &commission, Verdict::Extend { locking_date }, now)
            }
            Step::Lock => {
                let OpenCommission { affiliate, number, left, .. } = commission;
                self.payouts.add(Payable { affiliate, currency, number, left });
                self.decide(tenant, &commission, Verdict::Lock, now)
            }
            Step::ReversePart | Step::ReverseAll => {
                let amount = match step {
                    Step::ReversePart => self.draw_part(commission.left),
                    _ => commission.left,
                };
                commission.left =
                    commission.left.checked_sub(amount).expect("a part is at most the whole");
                self.stated.reversals += 1;
                let reversal = Reversal {
                    commission: self.commission_id(commission.number),
                    currency,
                    amount,
                    reason: self.random.weighted(&REVERSAL_REASONS),
                };
                let external_id = self.numbered("r-", self.stated.reversals);
                self.entry(tenant, external_id, now, Body::Reversal(reversal))
            }
        };
        self.open.put_back(commission, now, &mut self.random);
        entry
    }

    fn decide(
        &mut self,
        tenant: u32,
        commission: &OpenCommission,
        verdict: Verdict,
        now: Timestamp,
    ) -> Entry {
        self.stated.decisions += 1;
        let commission = self.commission_id(commission.number);
        let external_id = self.numbered("d-", self.stated.decisions);
        self.entry(tenant, external_id, now, Body::Decision(Decision { commission, verdict }))
    }

    fn pay(&self, part: &Part, now: Timestamp) -> Entry {
        let first = part.lines.first().expect("a part has lines");
        let part_id = |number: u64| {
            let id = self.numbered("p-", part.payout);
            Id::new(&format!("{id}.{number}")).expect("an id and digits")
        };
        let payout = Payout {
            affiliate: self.affiliate(first.affiliate),
            currency: first.currency,
            period_from: part.period_from,
            period_until: part.period_until,
            continues: (part.number > 1).then(|| part_id(part.number - 1)),
            lines: part
                .lines
                .iter()
                .map(|line| PayoutLine {
                    commission: self.commission_id(line.number),
                    amount: line.left,
                })
                .collect(),
            total: part.total,
        };
        let tenant = first.affiliate % self.profile.tenants;
        self.entry(tenant, part_id(part.number), now, Body::Payout(payout))
    }

    fn entry(&self, tenant: u32, external_id: Id, now: Timestamp, body: Body<Amount>) -> Entry {
        let tenant = self.tenants.get(tenant as usize).expect("a number of tenants").clone();
        Entry { tenant, external_id, event_time: now, commitment: None, body }
    }

    fn affiliate_of(&mut self, tenant: u32) -> u32 {
        self.affiliate_popularity.rank(&mut self.random) * self.profile.tenants + tenant
    }

    fn affiliate(&self, number: u32) -> Id {
        self.affiliates.get(number as usize).expect("a number of affiliates").clone()
    }

    fn commission_id(&self, number: u64) -> Id {
        self.numbered("c-", number)
    }

    /// A twentieth to three quarters of `whole`, but something.
    fn draw_part(&mut self, whole: Amount) -> Amount {
        let ppm = u32::try_from(self.random.between(50_000, 750_000)).unwrap_or(PPM_WHOLE);
        match whole.parts_per_million(ppm) {
            Some(part) if part != Amount::ZERO => part,
            _ => whole,
        }
    }

    fn draw_commitment(&mut self) -> Commitment {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.random.word().to_le_bytes());
        }
        Commitment(bytes)
    }

    /// `prefix` and `number`, filled up to the profile's digits.
    fn numbered(&self, prefix: &str, number: u64) -> Id {
        numbered(prefix, number, self.profile.id_digits)
    }
}

impl Iterator for Marketplace {
    type Item = Entry;

    /// Always an entry.
    fn next(&mut self) -> Option<Entry> {
        self.next.pop_front().or_else(|| {
            let now = self.tick();
            Some(self.happen(now))
        })
    }
}

/// `prefix` and `number` with at least as many digits. By hand, because half of all the time
/// that an entry takes would be spent in formatting.
fn numbered(prefix: &str, mut number: u64, digits: usize) -> Id {
    /// A prefix, [`MAX_ID_DIGITS`] and some.
    const LONGEST: usize = 80;
    let mut text = [b'0'; LONGEST];
    let mut start = LONGEST;
    for slot in text.iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    start = start.min(LONGEST - digits.min(MAX_ID_DIGITS)) - prefix.len();
    for (slot, byte) in text.iter_mut().skip(start).zip(prefix.bytes()) {
        *slot = byte;
    }
    let text = text.get(start..).and_then(|text| std::str::from_utf8(text).ok());
    Id::new(text.expect("prefix and digits")).expect("visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_filled_up() {
        let cases = [
            (0, 1, "t-0"),
            (7, 9, "t-000000007"),
            (1_234_567_890, 9, "t-1234567890"),
            (u64::MAX, 1, "t-18446744073709551615"),
        ];
        for (number, digits, expected) in cases {
            assert_eq!(numbered("t-", number, digits).as_str(), expected);
        }
        let longest = numbered("click-", 5, MAX_ID_DIGITS);
        assert_eq!(longest.as_str().len(), 70);
        assert!(longest.as_str().starts_with("click-000") && longest.as_str().ends_with('5'));
    }

    #[test]
    fn memory_is_bounded() {
        for next_decided in [NextDecided::WhenDue, NextDecided::AtRandom] {
            let profile = Profile {
                next_decided,
                open_commissions: 50,
                pace_ms: 100_000,
                ..Profile::new(1, Timestamp::MIN)
            };
            let euro = Currencies::new([("EUR".parse().unwrap(), 2)]);
            let mut market = Marketplace::new(profile, &euro).unwrap();
            let mut most = 0;
            for _ in 0..20_000 {
                market.next();
                most = most.max(market.open.len());
                assert!(market.next.len() <= 2);
            }
            assert_eq!(most, 50);
        }
    }

    #[test]
    fn needs_a_currency() {
        let none = Currencies::new([]);
        let market = Marketplace::new(Profile::new(1, Timestamp::MIN), &none);
        assert_eq!(market.map(|_| ()), Err(ProfileError::NoCurrency));
    }
}
