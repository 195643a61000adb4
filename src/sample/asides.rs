//! What happens beside everything else: questions about what isn't there, erasures, new uplines
//! and terms, payments ahead.

use std::collections::VecDeque;

use super::Marketplace;
use crate::protocol::entry::{
    AffiliateUpline, Body, Claim, Effect, Entry, ErasureNotice, Inquiry, InquiryResolution, Kind,
    Outcome, Reason, Reference,
};
use crate::protocol::money::{Amount, PPM_WHOLE};
use crate::protocol::time::{DAY_MS, Timestamp};

/// The most that is kept in mind of each.
const MAX_KEPT_IN_MIND: usize = 64;
/// One of so many transactions with a commitment is kept in mind, to be erased.
const ONE_ERASABLE_OF: u64 = 4;

/// What may happen, and how often, in parts per million of all entries.
const ASIDES: [(u32, Aside); 5] = [
    (300, Aside::Terms),
    (400, Aside::Upline),
    (300, Aside::Prepayment),
    (3_000, Aside::Erasure),
    (2_000, Aside::Question),
];

#[derive(Clone, Copy, Debug)]
enum Aside {
    Terms,
    Upline,
    Prepayment,
    Erasure,
    Question,
}

const OUTCOMES: [(u32, Outcome); 3] = [
    (40, Outcome::Valid),
    (40, Outcome::Declined { reason: Reason::WrongAttribution }),
    (20, Outcome::Incomplete),
];

/// What is kept in mind for that.
#[derive(Clone, Debug, Default)]
pub struct Asides {
    /// Transactions with private particulars: tenant and number.
    committed: VecDeque<(u32, u64)>,
    /// What affiliates have asked.
    questions: VecDeque<Question>,
}

/// A question about a sale that isn't there.
#[derive(Clone, Copy, Debug)]
struct Question {
    number: u64,
    affiliate: u32,
    program: u32,
    amount: Amount,
    /// When it is answered.
    due: Timestamp,
}

impl Asides {
    /// Keeps a transaction with private particulars in mind, or not.
    pub fn remember_committed(&mut self, tenant: u32, transaction: u64) {
        if self.committed.len() < MAX_KEPT_IN_MIND && transaction.is_multiple_of(ONE_ERASABLE_OF) {
            self.committed.push_back((tenant, transaction));
        }
    }
}

impl Marketplace {
    /// Something of that, now and then.
    pub(super) fn aside(&mut self, now: Timestamp) -> Option<Entry> {
        if self.asides.questions.front().is_some_and(|question| question.due <= now) {
            return self.answer_question(now);
        }
        let mut rest = self.random.below(PPM_WHOLE.into());
        for (ppm, aside) in ASIDES {
            match rest.checked_sub(ppm.into()) {
                Some(less) => rest = less,
                None => {
                    return match aside {
                        Aside::Terms => self.announce(now),
                        Aside::Upline => self.change_upline(now),
                        Aside::Prepayment => Some(self.prepay(now)),
                        Aside::Erasure => self.erase(now),
                        Aside::Question => self.question(now),
                    };
                }
            }
        }
        None
    }

    /// States new terms of some program, unless it has just had some.
    fn announce(&mut self, now: Timestamp) -> Option<Entry> {
        if !self.profile.new_terms {
            return None;
        }
        let rank = self.random.below(self.programs.len() as u64);
        let program = self.programs.get_mut(usize::try_from(rank).ok()?)?;
        let terms = program.announce(now, &mut self.random)?;
        let tenant = self.tenant_of(u32::try_from(rank).ok()?);
        let body = Body::ProgramTerms(terms.body.clone());
        Some(self.entry(tenant, terms.external_id.clone(), now, body))
    }

    fn change_upline(&mut self, now: Timestamp) -> Option<Entry> {
        let (affiliate, upline) = self.uplines.draw(&mut self.random)?;
        Some(self.state_upline(affiliate, upline, now))
    }

    /// Puts another above an affiliate, or nobody.
    pub(super) fn state_upline(
        &mut self,
        affiliate: u32,
        upline: Option<u32>,
        now: Timestamp,
    ) -> Entry {
        self.uplines.put(affiliate, upline);
        let number = self.fresh(Kind::AffiliateUpline);
        let body = Body::AffiliateUpline(AffiliateUpline {
            affiliate: self.affiliate(affiliate),
            upline: upline.map(|upline| self.affiliate(upline)),
        });
        self.entry(affiliate % self.profile.tenants, self.numbered("up-", number), now, body)
    }

    fn prepay(&mut self, now: Timestamp) -> Entry {
        let merchant = self.random.below(self.merchants.len() as u64);
        let merchant = u32::try_from(merchant).expect("a number of merchants");
        let cents = self.random.between(1, 20) * 5_000;
        let amount = self.coin(self.merchant(merchant).coin).amount(cents);
        self.fundings.prepay(merchant, amount);
        self.funding(merchant, amount, Vec::new(), now)
    }

    fn erase(&mut self, now: Timestamp) -> Option<Entry> {
        let (tenant, transaction) = self.asides.committed.pop_front()?;
        let external_id = self.numbered("t-", transaction);
        let entry = Reference { kind: Kind::Transaction, external_id };
        let number = self.fresh(Kind::ErasureNotice);
        let body = Body::ErasureNotice(ErasureNotice { entry });
        Some(self.entry(tenant, self.numbered("e-", number), now, body))
    }

    /// A question about a sale that isn't there.
    fn question(&mut self, now: Timestamp) -> Option<Entry> {
        if self.asides.questions.len() >= MAX_KEPT_IN_MIND {
            return None;
        }
        let number = self.program_popularity.rank(&mut self.random);
        let rank = self.affiliate_popularity.rank(&mut self.random);
        let affiliate = rank * self.profile.tenants + self.tenant_of(number);
        let cents = self.random.around(800);
        let amount = self.coin_of(number).amount(cents);
        let days = self.random.between(3, 12);
        let question = Question {
            number: self.fresh(Kind::Inquiry),
            affiliate,
            program: number,
            amount,
            // In the order in which they were asked.
            due: now.saturating_add(days * DAY_MS),
        };
        let order = self.random.below(1_000_000_000);
        let program = self.programs.get(number as usize)?;
        let body = Body::Inquiry(Inquiry {
            affiliate: self.affiliate(affiliate),
            merchant: self.merchant(program.merchant).name.clone(),
            program: program.name.clone(),
            claim: Claim::Untracked {
                order_ref: order.is_multiple_of(2).then(|| self.numbered("order-", order)),
            },
            currency: self.coin_of(number).currency,
            amount,
        });
        let external_id = self.numbered("u-", question.number);
        let mut entry = self.entry(self.tenant_of(number), external_id, now, body);
        entry.commitment = Some(self.draw_commitment());
        self.asides.questions.push_back(question);
        Some(entry)
    }

    /// Answers the oldest question. Who was right gets the commission otherwise.
    fn answer_question(&mut self, now: Timestamp) -> Option<Entry> {
        let Question { number, affiliate, program, amount, .. } =
            self.asides.questions.pop_front()?;
        let outcome = self.random.weighted(&OUTCOMES);
        let inquiry = self.numbered("u-", number);
        let tenant = self.tenant_of(program);
        if outcome == Outcome::Valid {
            let later = self.tick();
            let related = Reference { kind: Kind::Inquiry, external_id: inquiry.clone() };
            let (external_id, body) =
                self.adjust_balance(affiliate, program, Effect::Credit, amount, related);
            let entry = self.entry(tenant, external_id, later, body);
            self.next.push_back(entry);
        }
        let body = Body::InquiryResolution(InquiryResolution { inquiry, outcome });
        Some(self.entry(tenant, self.numbered("ur-", number), now, body))
    }
}
