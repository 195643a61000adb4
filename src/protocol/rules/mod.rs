//! The rules: what may be stated, decided from what was stated before.
//!
//! [`admit`] is a pure function of the state, the block's time and an entry. The authority
//! runs it before it seals, every replica and verifier runs it again; a block with an entry
//! that it refuses is invalid, whoever signed it.
//!
//! | file | what |
//! |---|---|
//! | `lifecycle.rs` | a commission's states and steps, as a table |
//! | `refusal.rs` | every rule, named by how it is broken |
//! | `state.rs` | the records that rules read and write |

mod lifecycle;
mod refusal;
mod state;

pub use lifecycle::{CommissionState, Step};
pub use refusal::{AdmitError, Refusal};
pub use state::{
    Changes, CommissionRecord, Mark, Overlay, PayoutPhase, PayoutRecord, ProgramRecord, Record,
    StateReader, StoredRecord, Subject, TermsRecord, TransactionRecord,
};

use super::block::EncodedEntry;
use super::entry::{
    Body, Commission, Decision, Entry, Kind, MAX_PAYOUT_LINES, Payout, PayoutLine, ProgramTerms,
    Reversal, Reward, Transaction, Verdict,
};
use super::hash::StateKey;
use super::id::Id;
use super::money::{Amount, Currency, PPM_WHOLE};
use super::spec::ChainSpec;
use super::time::{DAY_MS, Timestamp};

/// Where an entry would stand: what rules may know beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The chain spec in force.
    pub spec: &'a ChainSpec,
    /// The time of the block.
    pub block_time: Timestamp,
    /// The height of the block.
    pub height: u64,
    /// The log index of the entry.
    pub index: u64,
}

/// Whom an admitted entry concerns, by its own word or its parents'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// The affiliate.
    pub affiliate: Option<Id>,
    /// The merchant.
    pub merchant: Option<Id>,
}

/// Decides whether `encoded` may be stated at `place`, and writes what follows to `state`.
///
/// On an error, `state` may hold part of what would have followed: the caller rolls back.
///
/// # Errors
/// [`AdmitError::Refused`] with the rule that is broken, or what `state` failed with.
pub fn admit<S: StateReader>(
    state: &mut Overlay<'_, S>,
    place: Place<'_>,
    encoded: &EncodedEntry,
) -> Result<Parties, AdmitError<S::Error>> {
    let entry = encoded.entry();
    if let Some(first) = state.get(&encoded.key())? {
        return Err(Refusal::Duplicate { index: first.index }.into());
    }
    let latest = place.block_time.saturating_add(place.spec.limits.event_ahead_ms);
    if entry.event_time > latest {
        return Err(Refusal::EventInFuture { event_time: entry.event_time, latest }.into());
    }
    let mut admission = Admission { state, place, entry };
    let (record, parties) = match &entry.body {
        Body::ProgramTerms(terms) => admission.program_terms(terms, encoded.key())?,
        Body::Transaction(transaction) => admission.transaction(transaction)?,
        Body::Commission(commission) => admission.commission(commission)?,
        Body::Decision(decision) => admission.decision(decision)?,
        Body::Reversal(reversal) => admission.reversal(reversal)?,
        Body::Payout(payout) => admission.payout(payout)?,
    };
    state.put(encoded.key(), StoredRecord { index: place.index, height: place.height, record });
    Ok(parties)
}

/// One entry under consideration.
struct Admission<'a, 's, S> {
    state: &'a mut Overlay<'s, S>,
    place: Place<'a>,
    entry: &'a Entry,
}

/// What an entry's body leads to: its own record, and whom it concerns.
type Outcome<E> = Result<(Record, Parties), AdmitError<E>>;

impl<S: StateReader> Admission<'_, '_, S> {
    fn program_terms(&mut self, terms: &ProgramTerms<Amount>, key: StateKey) -> Outcome<S::Error> {
        if let Some(until) = terms.effective_until
            && until <= terms.effective_from
        {
            return Err(Refusal::EmptyPeriod { field: "body.effective_until" }.into());
        }
        match &terms.reward {
            Reward::Percent { ppm } if *ppm > PPM_WHOLE => {
                return Err(Refusal::RateAboveWhole { ppm: *ppm }.into());
            }
            Reward::Percent { .. } => {}
            Reward::Fixed { currency, .. } => self.known("body.reward.currency", *currency)?,
        }
        let program_key = Subject::Program(&terms.merchant, &terms.program).key(&self.entry.tenant);
        let program = self.state.get(&program_key)?;
        let (expected, latest) = match &program {
            None => (1, None),
            Some(StoredRecord { record: Record::Program(program), .. }) => {
                (program.version.saturating_add(1), Some(program.clone()))
            }
            Some(_) => unreachable!("a program's key leads to a program's record"),
        };
        if terms.version != expected {
            return Err(Refusal::WrongVersion { expected, given: terms.version }.into());
        }
        if let Some(latest) = latest {
            self.supersede(&latest, terms.effective_from)?;
        }
        let record = Record::Program(ProgramRecord {
            version: terms.version,
            effective_from: terms.effective_from,
            latest: key,
        });
        let (index, height) = (self.place.index, self.place.height);
        self.state.put(program_key, StoredRecord { index, height, record });
        let parties = Parties { affiliate: None, merchant: Some(terms.merchant.clone()) };
        Ok((Record::Terms(TermsRecord::new(terms)), parties))
    }

    /// A later version begins no earlier than it is recorded, so that it never changes a time
    /// that an earlier one already governs.
    fn supersede(
        &mut self,
        latest: &ProgramRecord,
        from: Timestamp,
    ) -> Result<(), AdmitError<S::Error>> {
        let earliest = self.place.block_time.max(latest.effective_from);
        if from < earliest {
            return Err(Refusal::TermsReachBack { earliest, given: from }.into());
        }
        let Some(mut stored) = self.state.get(&latest.latest)? else {
            unreachable!("a program's record names terms that are on the ledger");
        };
        let Record::Terms(terms) = &mut stored.record else {
            unreachable!("a program's record names terms");
        };
        terms.superseded_from = Some(from);
        self.state.put(latest.latest, stored);
        Ok(())
    }

    fn transaction(&mut self, transaction: &Transaction<Amount>) -> Outcome<S::Error> {
        self.known("body.currency", transaction.currency)?;
        let program = Subject::Program(&transaction.merchant, &transaction.program);
        if self.state.get(&program.key(&self.entry.tenant))?.is_none() {
            return Err(Refusal::UnknownProgram {
                merchant: transaction.merchant.clone(),
                program: transaction.program.clone(),
            }
            .into());
        }
        let record = Record::Transaction(TransactionRecord {
            merchant: transaction.merchant.clone(),
            program: transaction.program.clone(),
            time: self.entry.event_time,
            currency: transaction.currency,
            amount: transaction.amount,
            committed: Amount::ZERO,
        });
        let parties = Parties { affiliate: None, merchant: Some(transaction.merchant.clone()) };
        Ok((record, parties))
    }

    fn commission(&mut self, commission: &Commission<Amount>) -> Outcome<S::Error> {
        let (key, stored) =
            self.parent("body.transaction", Kind::Transaction, &commission.transaction)?;
        let Record::Transaction(mut sale) = stored.record.clone() else {
            unreachable!("a transaction's key leads to a transaction's record");
        };
        let (_, terms) = self.parent("body.terms", Kind::ProgramTerms, &commission.terms)?;
        let Record::Terms(terms) = terms.record else {
            unreachable!("the terms' key leads to the terms' record");
        };
        if (&terms.merchant, &terms.program) != (&sale.merchant, &sale.program) {
            return Err(Refusal::TermsOfAnotherProgram.into());
        }
        if !terms.in_force(sale.time) {
            return Err(Refusal::TermsNotInForce { at: sale.time }.into());
        }
        same_currency(sale.currency, commission.currency)?;
        let earned = match &terms.reward {
            Reward::Percent { ppm } => sale.amount.parts_per_million(*ppm),
            Reward::Fixed { currency, amount } => {
                same_currency(*currency, commission.currency)?;
                Some(*amount)
            }
        };
        let earned = earned.unwrap_or(Amount::MAX);
        sale.committed = sale
            .committed
            .checked_add(commission.amount)
            .filter(|committed| *committed <= earned)
            .ok_or_else(|| {
                let left = earned.checked_sub(sale.committed).unwrap_or(Amount::ZERO);
                self.too_much("body.amount", commission.currency, left, commission.amount)
            })?;
        let merchant = sale.merchant.clone();
        let locks_at = sale.time.saturating_add(u64::from(terms.locking_days) * DAY_MS);
        self.state.put(key, StoredRecord { record: Record::Transaction(sale), ..stored });
        let record = Record::Commission(CommissionRecord {
            affiliate: commission.affiliate.clone(),
            merchant: merchant.clone(),
            currency: commission.currency,
            amount: commission.amount,
            reversed: Amount::ZERO,
            paid: Amount::ZERO,
            locks_at,
            state: CommissionState::Pending,
        });
        let affiliate = Some(commission.affiliate.clone());
        Ok((record, Parties { affiliate, merchant: Some(merchant) }))
    }

    fn decision(&mut self, decision: &Decision) -> Outcome<S::Error> {
        let step = match decision.verdict {
            Verdict::Approve => Step::Approve,
            Verdict::Decline { .. } => Step::Decline,
            Verdict::Extend { .. } => Step::Extend,
            Verdict::Lock => Step::Lock,
        };
        let parties = self.update_commission(&decision.commission, |commission| {
            if let Verdict::Extend { locking_date } = decision.verdict {
                if locking_date <= commission.locks_at {
                    let (earlier, given) = (commission.locks_at, locking_date);
                    return Err(Refusal::ExtensionNotLater { earlier, given });
                }
                commission.locks_at = locking_date;
            }
            commission.step(step)
        })?;
        Ok((Record::Stated, parties))
    }

    fn reversal(&mut self, reversal: &Reversal<Amount>) -> Outcome<S::Error> {
        let spec = self.place.spec;
        positive("body.amount", reversal.amount)?;
        let parties = self.update_commission(&reversal.commission, |commission| {
            same_currency(commission.currency, reversal.currency)?;
            // Whether it may be reversed at all, before how much of it.
            commission.state.after(Step::Reverse)?;
            let left = commission.left();
            if reversal.amount > left {
                let (field, currency) = ("body.amount", reversal.currency);
                return Err(too_much(spec, field, currency, left, reversal.amount));
            }
            commission.reversed = commission
                .reversed
                .checked_add(reversal.amount)
                .expect("the sum is at most the commission");
            if commission.left() == Amount::ZERO { commission.step(Step::Reverse) } else { Ok(()) }
        })?;
        Ok((Record::Stated, parties))
    }

    fn payout(&mut self, payout: &Payout<Amount>) -> Outcome<S::Error> {
        self.known("body.currency", payout.currency)?;
        if payout.period_until <= payout.period_from {
            return Err(Refusal::EmptyPeriod { field: "body.period_until" }.into());
        }
        if !(1..=MAX_PAYOUT_LINES).contains(&payout.lines.len()) {
            return Err(Refusal::LineCount { given: payout.lines.len() }.into());
        }
        let mut sum = match &payout.continues {
            Some(previous) => self.continue_payout(payout, previous)?,
            None => Amount::ZERO,
        };
        for line in &payout.lines {
            self.pay(payout, line)?;
            sum = sum.checked_add(line.amount).ok_or(Refusal::SumTooLarge)?;
        }
        if let Some(total) = payout.total
            && total != sum
        {
            let (expected, given) =
                (self.decimal(payout.currency, sum), self.decimal(payout.currency, total));
            return Err(Refusal::WrongTotal { expected, given }.into());
        }
        let record = Record::Payout(PayoutRecord {
            affiliate: payout.affiliate.clone(),
            currency: payout.currency,
            period_from: payout.period_from,
            period_until: payout.period_until,
            sum,
            phase: if payout.total.is_some() { PayoutPhase::Closed } else { PayoutPhase::Open },
        });
        Ok((record, Parties { affiliate: Some(payout.affiliate.clone()), merchant: None }))
    }

    /// Takes up an open payout where its latest part left it; the sum of its parts so far.
    fn continue_payout(
        &mut self,
        payout: &Payout<Amount>,
        previous: &Id,
    ) -> Result<Amount, AdmitError<S::Error>> {
        let (key, stored) = self.parent("body.continues", Kind::Payout, previous)?;
        let Record::Payout(mut part) = stored.record.clone() else {
            unreachable!("a payout's key leads to a payout's record");
        };
        if part.phase != PayoutPhase::Open {
            return Err(Refusal::PayoutNotOpen { part: previous.clone() }.into());
        }
        if part.affiliate != payout.affiliate {
            return Err(Refusal::AnotherPayee { expected: part.affiliate }.into());
        }
        same_currency(part.currency, payout.currency)?;
        let (from, until) = (part.period_from, part.period_until);
        if (from, until) != (payout.period_from, payout.period_until) {
            return Err(Refusal::AnotherPeriod { from, until }.into());
        }
        let sum = part.sum;
        part.phase = PayoutPhase::Continued;
        self.state.put(key, StoredRecord { record: Record::Payout(part), ..stored });
        Ok(sum)
    }

    fn pay(
        &mut self,
        payout: &Payout<Amount>,
        line: &PayoutLine<Amount>,
    ) -> Result<(), AdmitError<S::Error>> {
        const FIELD: &str = "body.lines.amount";
        let spec = self.place.spec;
        positive(FIELD, line.amount)?;
        self.update(("body.lines.commission", &line.commission), |commission| {
            if commission.affiliate != payout.affiliate {
                return Err(Refusal::AnotherPayee { expected: commission.affiliate.clone() });
            }
            same_currency(commission.currency, payout.currency)?;
            commission.state.after(Step::Pay)?;
            let left = commission.left();
            if line.amount > left {
                return Err(too_much(spec, FIELD, payout.currency, left, line.amount));
            }
            commission.paid = commission
                .paid
                .checked_add(line.amount)
                .expect("the sum is at most the commission");
            if commission.left() == Amount::ZERO { commission.step(Step::Pay) } else { Ok(()) }
        })?;
        Ok(())
    }

    fn update_commission(
        &mut self,
        external_id: &Id,
        change: impl FnOnce(&mut CommissionRecord) -> Result<(), Refusal>,
    ) -> Result<Parties, AdmitError<S::Error>> {
        self.update(("body.commission", external_id), change)
    }

    /// Changes a commission's record.
    fn update(
        &mut self,
        (field, external_id): (&'static str, &Id),
        change: impl FnOnce(&mut CommissionRecord) -> Result<(), Refusal>,
    ) -> Result<Parties, AdmitError<S::Error>> {
        let (key, mut stored) = self.parent(field, Kind::Commission, external_id)?;
        let Record::Commission(commission) = &mut stored.record else {
            unreachable!("a commission's key leads to a commission's record");
        };
        change(commission)?;
        let parties = Parties {
            affiliate: Some(commission.affiliate.clone()),
            merchant: Some(commission.merchant.clone()),
        };
        self.state.put(key, stored);
        Ok(parties)
    }

    /// The record of an entry that this one names in `field`.
    fn parent(
        &self,
        field: &'static str,
        kind: Kind,
        external_id: &Id,
    ) -> Result<(StateKey, StoredRecord), AdmitError<S::Error>> {
        let key = Subject::Entry(kind, external_id).key(&self.entry.tenant);
        let stored = self.state.get(&key)?.ok_or_else(|| {
            let external_id = external_id.clone();
            Refusal::MissingParent { field, kind, external_id }
        })?;
        Ok((key, stored))
    }

    fn known(&self, field: &'static str, currency: Currency) -> Result<(), Refusal> {
        match self.place.spec.currencies.scale(currency) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refusal::UnknownCurrency { field, currency }),
        }
    }

    fn too_much(
        &self,
        field: &'static str,
        currency: Currency,
        left: Amount,
        given: Amount,
    ) -> Refusal {
        too_much(self.place.spec, field, currency, left, given)
    }

    fn decimal(&self, currency: Currency, amount: Amount) -> String {
        decimal(self.place.spec, currency, amount)
    }
}

fn positive(field: &'static str, amount: Amount) -> Result<(), Refusal> {
    if amount == Amount::ZERO { Err(Refusal::ZeroAmount { field }) } else { Ok(()) }
}

fn same_currency(expected: Currency, given: Currency) -> Result<(), Refusal> {
    if expected == given { Ok(()) } else { Err(Refusal::AnotherCurrency { expected, given }) }
}

fn too_much(
    spec: &ChainSpec,
    field: &'static str,
    currency: Currency,
    left: Amount,
    given: Amount,
) -> Refusal {
    let (left, given) = (decimal(spec, currency, left), decimal(spec, currency, given));
    Refusal::TooMuch { field, currency, left, given }
}

/// For messages: an amount whose currency the ledger knows, or its bare units.
fn decimal(spec: &ChainSpec, currency: Currency, amount: Amount) -> String {
    amount.to_decimal(spec.currencies.scale(currency).unwrap_or(0)).to_string()
}
