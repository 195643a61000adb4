//! The rules: what may be stated, decided from what was stated before.
//!
//! [`admit`] is a pure function of the state, the block's time and an entry. The authority
//! runs it before it seals, every replica and verifier runs it again; a block with an entry
//! that it refuses is invalid, whoever signed it. FORMAT.md section 13 says the same.
//!
//! | file | what |
//! |---|---|
//! | `lifecycle.rs` | the states and steps of a commission and of a payout, as tables |
//! | `terms.rs` | what a merchant's program may promise |
//! | `reckoning.rs` | what the terms give: rules, tiers, caps, locking dates |
//! | `transaction.rs` | what may earn commissions |
//! | `commission.rs` | what is earned: direct commissions and overrides |
//! | `correction.rs` | decisions, amendments, reversals, adjustments, inquiries |
//! | `payment.rs` | fundings, payouts and what becomes of them |
//! | `standing.rs` | uplines, what was brought in, erasure, changes of the spec |
//! | `refusal.rs` | every rule, named by how it is broken |
//! | `records.rs`, `sums.rs` | what the rules remember: of entries, and beyond |
//! | `state.rs`, `stored.rs` | where they remember it, and how it is kept |

mod commission;
mod correction;
mod lifecycle;
mod payment;
mod reckoning;
mod records;
mod refusal;
mod standing;
mod state;
mod stored;
mod sums;
mod terms;
mod transaction;

pub use lifecycle::{AdjustmentState, CommissionState, PayoutState, PayoutStep, Step};
pub use records::{
    AdjustmentRecord, CommissionRecord, InquiryRecord, ItemRecord, PartRecord, PayoutPartRecord,
    PayoutRecord, Record, TermsRecord, TransactionRecord,
};
pub use refusal::{AdmitError, Refusal};
pub use standing::MAX_UPLINE_DEPTH;
pub use state::{Changed, Changes, Mark, Overlay, StateReader, Subject};
pub use stored::{Privacy, StoredRecord};
pub use sums::{
    CarriedRecord, CountedRecord, PrepaidRecord, ProgramRecord, SubscriptionRecord, UplineRecord,
};

use super::block::EncodedEntry;
use super::entry::{Body, Entry, Fx, Kind, Parties};
use super::hash::{HeaderHash, StateKey};
use super::id::Id;
use super::money::{Amount, Currency, PPM_WHOLE};
use super::spec::ChainSpec;
use super::succession::{self, Succession};
use super::time::Timestamp;
use records::Kept;

/// Where an entry would stand: what rules may know beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The chain spec in force.
    pub spec: &'a ChainSpec,
    /// What is in force when, by the changes before it.
    pub succession: &'a Succession,
    /// Whether nothing but changes of the spec stands before it in its block.
    pub opening: bool,
    /// The hash of the header before the block.
    pub parent: HeaderHash,
    /// The time of the block.
    pub block_time: Timestamp,
    /// The height of the block.
    pub height: u64,
    /// The log index of the entry.
    pub index: u64,
}

/// What follows from an entry that was admitted, beside the state.
#[derive(Debug)]
pub struct Admitted {
    /// Whom it concerns, by its own word and by that of the entry that it
    /// [`concerns`](Body::concerns).
    pub parties: Parties,
    /// What is in force when from now on, where it changes that.
    pub succession: Option<Succession>,
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
) -> Result<Admitted, AdmitError<S::Error>> {
    let entry = encoded.entry();
    for key in [Some(encoded.key()), other_name(entry)].into_iter().flatten() {
        if let Some(first) = state.get(&key)? {
            return Err(Refusal::Duplicate { index: first.index }.into());
        }
    }
    let latest = place.block_time.saturating_add(place.spec.limits.event_ahead_ms);
    if entry.event_time > latest {
        return Err(Refusal::EventInFuture { event_time: entry.event_time, latest }.into());
    }
    succession::check_tenant(entry)?;
    let mut succession = None;
    let mut admission = Admission { state, place, entry, key: encoded.key() };
    let (record, others) = match &entry.body {
        Body::ProgramTerms(terms) => admission.program_terms(terms)?,
        Body::Transaction(transaction) => admission.transaction(transaction)?,
        Body::Commission(commission) => admission.commission(commission)?,
        Body::Decision(decision) => admission.decision(decision)?,
        Body::Amendment(amendment) => admission.amendment(amendment)?,
        Body::Reversal(reversal) => admission.reversal(reversal)?,
        Body::Adjustment(adjustment) => admission.adjustment(adjustment)?,
        Body::Inquiry(inquiry) => admission.inquiry(inquiry)?,
        Body::InquiryResolution(resolution) => admission.inquiry_resolution(resolution)?,
        Body::Funding(funding) => admission.funding(funding)?,
        Body::Payout(payout) => admission.payout(payout)?,
        Body::PayoutEvent(event) => admission.payout_event(event)?,
        Body::AffiliateUpline(upline) => admission.affiliate_upline(upline)?,
        Body::OpeningBalance(opening) => admission.opening_balance(opening)?,
        Body::ErasureNotice(notice) => admission.erasure_notice(notice)?,
        Body::SpecChange(change) => {
            succession = Some(admission.spec_change(encoded, change)?);
            (Record::Stated, Parties::default())
        }
    };
    let privacy = match entry.commitment {
        Some(_) => Privacy::Committed,
        None => Privacy::Nothing,
    };
    let (index, height) = (place.index, place.height);
    state.take_note(encoded.key(), None, &record);
    state.put(encoded.key(), StoredRecord { index, height, privacy, record });
    Ok(Admitted { parties: entry.body.parties().or(others), succession })
}

/// The record under which others find what was brought in: as the commission or adjustment
/// that it is from now on.
fn other_name(entry: &Entry) -> Option<StateKey> {
    let kind = entry.body.named_as();
    let another = kind != entry.kind();
    another.then(|| Subject::Entry(kind, &entry.external_id).key(&entry.tenant))
}

/// One entry under consideration.
struct Admission<'a, 's, S> {
    state: &'a mut Overlay<'s, S>,
    place: Place<'a>,
    entry: &'a Entry,
    /// The name of its own record, which is written last.
    key: StateKey,
}

/// What an entry's body leads to: its own record, and whom the entry concerns that it names.
type Outcome<E> = Result<(Record, Parties), AdmitError<E>>;

/// A record that was found, to be changed and put back.
struct Found<T> {
    key: StateKey,
    /// The record as it is stored, but for what is remembered.
    index: u64,
    height: u64,
    privacy: Privacy,
    record: T,
    /// What it was, where accounts move by it.
    before: Option<Record>,
}

impl<T: Kept> Found<T> {
    fn new(key: StateKey, stored: StoredRecord) -> Self {
        let StoredRecord { index, height, privacy, record } = stored;
        let before = record.moves_accounts().then(|| record.clone());
        Self { key, index, height, privacy, record: T::from_record(record), before }
    }
}

impl<S: StateReader> Admission<'_, '_, S> {
    /// The record about `subject`, if there is one.
    fn look_up<T: Kept>(
        &self,
        subject: Subject<'_>,
    ) -> Result<Option<Found<T>>, AdmitError<S::Error>> {
        self.look_up_key(subject.key(&self.entry.tenant))
    }

    /// The record of this name, if there is one.
    fn look_up_key<T: Kept>(
        &self,
        key: StateKey,
    ) -> Result<Option<Found<T>>, AdmitError<S::Error>> {
        Ok(self.state.get(&key)?.map(|stored| Found::new(key, stored)))
    }

    /// The record of an entry that this one names in `field`, and isn't dated before.
    fn parent<T: Kept>(
        &self,
        field: &'static str,
        kind: Kind,
        external_id: &Id,
    ) -> Result<Found<T>, AdmitError<S::Error>> {
        let key = Subject::Entry(kind, external_id).key(&self.entry.tenant);
        let Some(stored) = self.state.get(&key)? else {
            return Err(missing(field, kind, external_id).into());
        };
        if let Some(time) = stored.record.time()
            && self.entry.event_time < time
        {
            return Err(Refusal::BeforeParent { field, kind, time }.into());
        }
        Ok(Found::new(key, stored))
    }

    /// The sum about `subject`, and where to put it back; nothing, where there is none yet.
    fn sum<T: Kept + Default>(
        &self,
        subject: Subject<'_>,
    ) -> Result<Found<T>, AdmitError<S::Error>> {
        Ok(self.look_up(subject)?.unwrap_or_else(|| Found {
            key: subject.key(&self.entry.tenant),
            index: self.place.index,
            height: self.place.height,
            privacy: Privacy::Nothing,
            record: T::default(),
            before: None,
        }))
    }

    fn put_back<T: Kept>(&mut self, found: Found<T>) {
        let Found { key, index, height, privacy, record, before } = found;
        let record = record.into_record();
        self.state.take_note(key, before, &record);
        self.state.put(key, StoredRecord { index, height, privacy, record });
    }

    /// Writes a record that this entry makes beside its own.
    fn put_new(&mut self, subject: Subject<'_>, record: Record) {
        let (index, height, privacy) = (self.place.index, self.place.height, Privacy::Nothing);
        let key = subject.key(&self.entry.tenant);
        self.state.take_note(key, None, &record);
        self.state.put(key, StoredRecord { index, height, privacy, record });
    }

    /// A commission that this entry names in `field`, and where it stands.
    fn commission_at(
        &self,
        field: &'static str,
        external_id: &Id,
    ) -> Result<(Found<CommissionRecord>, CommissionState), AdmitError<S::Error>> {
        let found: Found<CommissionRecord> = self.parent(field, Kind::Commission, external_id)?;
        let standing = self.standing(&found.record)?;
        Ok((found, standing))
    }

    /// Where a commission stands.
    fn standing(
        &self,
        commission: &CommissionRecord,
    ) -> Result<CommissionState, AdmitError<S::Error>> {
        Ok(commission.standing(self.payout_state(commission.payout)?))
    }

    /// Where a payout stands, by its record's name.
    fn payout_state(
        &self,
        payout: Option<StateKey>,
    ) -> Result<Option<PayoutState>, AdmitError<S::Error>> {
        let Some(key) = payout else { return Ok(None) };
        let found: Option<Found<PayoutRecord>> = self.look_up_key(key)?;
        // Its own first part is written last: what a line before has taken, is in an open payout.
        let own = key == self.key;
        assert!(found.is_some() || own, "what names a payout is written when that is admitted");
        Ok(Some(found.map_or(PayoutState::Open, |found| found.record.state)))
    }

    fn has_terms(&self, merchant: &Id, program: &Id) -> Result<(), AdmitError<S::Error>> {
        if self.look_up::<ProgramRecord>(Subject::Program(merchant, program))?.is_some() {
            return Ok(());
        }
        let (merchant, program) = (merchant.clone(), program.clone());
        Err(Refusal::UnknownProgram { merchant, program }.into())
    }

    fn known(&self, field: &'static str, currency: Currency) -> Result<(), Refusal> {
        match self.place.spec.currencies.scale(currency) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refusal::UnknownCurrency { field, currency }),
        }
    }

    /// Checks a change of currency of amounts in `currency`.
    fn check_fx(&self, fx: &Fx, currency: Currency) -> Result<(), Refusal> {
        same_currency("body.fx.from", currency, fx.from)?;
        self.known("body.fx.to", fx.to)?;
        if fx.to == fx.from {
            return Err(Refusal::NeedlessFx);
        }
        if fx.rate.billionths() == 0 {
            return Err(Refusal::ZeroAmount { field: "body.fx.rate" });
        }
        Ok(())
    }

    /// `amount` of `from` in `to`, where it is an amount.
    fn changed(
        &self,
        amount: Amount,
        from: Currency,
        fx: Option<reckoning::Change>,
    ) -> Option<Amount> {
        let Some((to, rate)) = fx else { return Some(amount) };
        let scale = |currency| self.place.spec.currencies.scale(currency).ok();
        amount.changed(rate, scale(from)?, scale(to)?)
    }

    fn too_much(
        &self,
        field: &'static str,
        currency: Currency,
        left: Amount,
        given: Amount,
    ) -> Refusal {
        let (left, given) = (self.decimal(currency, left), self.decimal(currency, given));
        Refusal::TooMuch { field, currency, left, given }
    }

    /// Checks an amount that follows from what is on the ledger.
    fn exactly(
        &self,
        field: &'static str,
        currency: Currency,
        expected: Amount,
        given: Amount,
    ) -> Result<(), Refusal> {
        if expected == given {
            return Ok(());
        }
        let (expected, given) = (self.decimal(currency, expected), self.decimal(currency, given));
        Err(Refusal::WrongAmount { field, currency, expected, given })
    }

    /// For messages: an amount whose currency the ledger knows, or its bare units.
    fn decimal(&self, currency: Currency, amount: Amount) -> String {
        let scale = self.place.spec.currencies.scale(currency).unwrap_or(0);
        amount.to_decimal(scale).to_string()
    }
}

fn missing(field: &'static str, kind: Kind, external_id: &Id) -> Refusal {
    Refusal::MissingParent { field, kind, external_id: external_id.clone() }
}

fn positive(field: &'static str, amount: Amount) -> Result<(), Refusal> {
    if amount == Amount::ZERO { Err(Refusal::ZeroAmount { field }) } else { Ok(()) }
}

fn at_most_whole(field: &'static str, ppm: u32) -> Result<(), Refusal> {
    if ppm > PPM_WHOLE { Err(Refusal::RateAboveWhole { field, ppm }) } else { Ok(()) }
}

fn bounded(
    field: &'static str,
    bounds: std::ops::RangeInclusive<usize>,
    given: usize,
) -> Result<(), Refusal> {
    let (min, max) = bounds.into_inner();
    if (min..=max).contains(&given) {
        Ok(())
    } else {
        Err(Refusal::ListLength { field, min, max, given })
    }
}

fn same_currency(field: &'static str, expected: Currency, given: Currency) -> Result<(), Refusal> {
    if expected == given {
        Ok(())
    } else {
        Err(Refusal::AnotherCurrency { field, expected, given })
    }
}

fn same_affiliate(field: &'static str, expected: &Id, given: &Id) -> Result<(), Refusal> {
    if expected == given {
        Ok(())
    } else {
        Err(Refusal::AnotherAffiliate { field, expected: expected.clone() })
    }
}

fn same_merchant(field: &'static str, expected: &Id, given: &Id) -> Result<(), Refusal> {
    if expected == given {
        Ok(())
    } else {
        Err(Refusal::AnotherMerchant { field, expected: expected.clone() })
    }
}

/// `sum` and `more`, if that is an amount.
fn add(field: &'static str, sum: Amount, more: Amount) -> Result<Amount, Refusal> {
    sum.checked_add(more).ok_or(Refusal::SumTooLarge { field })
}
