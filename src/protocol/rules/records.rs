//! What the rules remember: a record for each entry, and for what goes beyond one (`sums.rs`).

use std::sync::Arc;

use bincode::{Decode, Encode};

use super::lifecycle::{AdjustmentState, CommissionState, PayoutState};
use super::sums::{
    CarriedRecord, CountedRecord, PrepaidRecord, ProgramRecord, SubscriptionRecord, UplineRecord,
};
use crate::protocol::codec;
use crate::protocol::entry::{Action, Effect, Locking, Parties, ProgramTerms, Reason, RewardRule};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, ExchangeRate};
use crate::protocol::time::Timestamp;

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// That it was stated, nothing else.
    Stated,
    /// Of a program's terms.
    Terms(Arc<TermsRecord>),
    /// Of a transaction.
    Transaction(Arc<TransactionRecord>),
    /// Of a commission.
    Commission(Arc<CommissionRecord>),
    /// Of an adjustment.
    Adjustment(Arc<AdjustmentRecord>),
    /// Of an inquiry.
    Inquiry(Arc<InquiryRecord>),
    /// Of a payout, at its first part.
    Payout(Arc<PayoutRecord>),
    /// Of a payout's further part.
    PayoutPart(PayoutPartRecord),
    /// Of a program.
    Program(Arc<ProgramRecord>),
    /// Of a subscription.
    Subscription(SubscriptionRecord),
    /// Of what is counted for tiers and caps.
    Counted(CountedRecord),
    /// Of what a merchant paid.
    Prepaid(PrepaidRecord),
    /// Of what is carried forward for an affiliate.
    Carried(CarriedRecord),
    /// Of who stands above an affiliate.
    Upline(UplineRecord),
}

codec::numbered! {
    Record {
        0 => Stated {},
        1 => Terms { 0: terms },
        2 => Transaction { 0: transaction },
        3 => Commission { 0: commission },
        7 => Adjustment { 0: adjustment },
        8 => Inquiry { 0: inquiry },
        11 => Payout { 0: payout },
        12 => PayoutPart { 0: part },
        100 => Program { 0: program },
        101 => Subscription { 0: subscription },
        102 => Counted { 0: counted },
        103 => Prepaid { 0: prepaid },
        104 => Carried { 0: carried },
        105 => Upline { 0: upline },
    }
}

/// What a record of one subject holds.
pub(super) trait Kept: Sized {
    /// What is remembered of such a subject.
    ///
    /// # Panics
    /// If `record` is of another subject: a subject's key leads to its own kind of record.
    fn from_record(record: Record) -> Self;
    /// The record of it.
    fn into_record(self) -> Record;
}

/// Says where a record of this type stands; behind a pointer, what is large: records are handed
/// around more often than they change.
macro_rules! kept {
    ($($type:ty => $variant:ident $(($pointed:ident))?,)+) => {$(
        impl Kept for $type {
            fn from_record(record: Record) -> Self {
                match record {
                    Record::$variant(record) => kept!(@out record $(, $pointed)?),
                    other => unreachable!("a subject's key leads to a record of it, not {other:?}"),
                }
            }

            fn into_record(self) -> Record {
                Record::$variant(kept!(@in self $(, $pointed)?))
            }
        }
    )+};
    (@out $record:ident) => { $record };
    (@out $record:ident, pointed) => { Arc::unwrap_or_clone($record) };
    (@in $record:ident) => { $record };
    (@in $record:ident, pointed) => { Arc::new($record) };
}

kept! {
    Arc<TermsRecord> => Terms,
    TransactionRecord => Transaction (pointed),
    CommissionRecord => Commission (pointed),
    AdjustmentRecord => Adjustment (pointed),
    InquiryRecord => Inquiry (pointed),
    PayoutRecord => Payout (pointed),
    ProgramRecord => Program (pointed),
    SubscriptionRecord => Subscription,
    CountedRecord => Counted,
    PrepaidRecord => Prepaid,
    CarriedRecord => Carried,
    UplineRecord => Upline,
}

/// Of any entry.
impl Kept for Record {
    fn from_record(record: Record) -> Self {
        record
    }

    fn into_record(self) -> Record {
        self
    }
}

impl Record {
    /// Whether accounts may move when it changes.
    pub(super) fn moves_accounts(&self) -> bool {
        matches!(
            self,
            Self::Commission(_) | Self::Adjustment(_) | Self::Payout(_) | Self::Prepaid(_)
        )
    }

    /// When the entry of this record happened, where others mustn't be dated before it.
    pub(super) fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Transaction(sale) => Some(sale.time),
            Self::Commission(commission) => Some(commission.time),
            Self::Adjustment(adjustment) => Some(adjustment.time),
            Self::Inquiry(inquiry) => Some(inquiry.time),
            Self::Payout(payout) => Some(payout.time),
            _ => None,
        }
    }

    /// Whom the entry of this record concerns, as far as is remembered.
    pub fn parties(&self) -> Parties {
        match self {
            Self::Terms(terms) => Parties::merchant(&terms.merchant),
            Self::Transaction(sale) => Parties::merchant(&sale.merchant),
            Self::Commission(commission) => commission.parties(),
            Self::Adjustment(adjustment) => Parties::affiliate(&adjustment.affiliate),
            Self::Inquiry(inquiry) => Parties::both(&inquiry.affiliate, &inquiry.merchant),
            Self::Payout(payout) => Parties::affiliate(&payout.affiliate),
            _ => Parties::default(),
        }
    }
}

/// What is remembered of a program's terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TermsRecord {
    /// Whose program.
    pub merchant: Id,
    /// Which program.
    pub program: Id,
    /// From when they hold.
    pub effective_from: Timestamp,
    /// Until when they hold by their own word.
    pub effective_until: Option<Timestamp>,
    /// From when a later version holds instead, and where that stands in the log. Of terms that
    /// were withdrawn, from their own beginning on.
    pub superseded: Option<(Timestamp, u64)>,
    /// What earns commissions.
    pub actions: Vec<Action>,
    /// When a commission locks.
    pub locking: Locking,
    /// What the network charges, in parts per million of a commission.
    pub network_fee_ppm: u32,
    /// What a part of a transaction earns.
    pub rules: Vec<RewardRule<Amount>>,
}

impl TermsRecord {
    pub(super) fn new(terms: &ProgramTerms<Amount>) -> Self {
        Self {
            merchant: terms.merchant.clone(),
            program: terms.program.clone(),
            effective_from: terms.effective_from,
            effective_until: terms.effective_until,
            superseded: None,
            actions: terms.actions.clone(),
            locking: terms.locking,
            network_fee_ppm: terms.network_fee_ppm,
            rules: terms.rules.clone(),
        }
    }

    /// Whether they hold for a transaction of `time`, recorded at `index`.
    pub fn in_force(&self, time: Timestamp, index: u64) -> bool {
        let ended = self.effective_until.is_some_and(|end| time >= end);
        let superseded = self.superseded.is_some_and(|(from, at)| time >= from && at < index);
        time >= self.effective_from && !ended && !superseded
    }
}

/// What is remembered of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TransactionRecord {
    /// Who sold.
    pub merchant: Id,
    /// Under which program.
    pub program: Id,
    /// When it happened.
    pub time: Timestamp,
    /// What was done.
    pub action: Action,
    /// How many transactions of the same subscription there were before.
    pub earlier: u32,
    /// The currency of its amounts.
    pub currency: Currency,
    /// Into which currency they are changed for commissions, and how.
    pub fx: Option<(Currency, ExchangeRate)>,
    /// What commissions are reckoned from. Never empty, no group twice.
    pub parts: Vec<PartRecord>,
    /// What was bought, where it was said.
    pub items: Vec<ItemRecord>,
    /// What the buyer got back of all parts.
    pub refunded: Amount,
    /// The records of its commissions.
    pub commissions: Vec<StateKey>,
}

impl TransactionRecord {
    /// What all its parts come to.
    pub fn amount(&self) -> Amount {
        let sum =
            self.parts.iter().try_fold(Amount::ZERO, |sum, part| sum.checked_add(part.amount));
        sum.expect("transactions and amendments are admitted only where it is an amount")
    }

    /// The currency that commissions are reckoned in.
    pub fn reckoning_currency(&self) -> Currency {
        self.fx.map_or(self.currency, |(currency, _)| currency)
    }
}

/// What is remembered of a part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PartRecord {
    /// The group.
    pub commission_group: Option<Id>,
    /// Its amount, as it is now, in the transaction's currency.
    pub amount: Amount,
    /// The shares of its direct commissions together, in parts per million.
    pub shares_ppm: u32,
}

/// What is remembered of an item.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ItemRecord {
    /// The item.
    pub item: Id,
    /// How many were bought.
    pub quantity: u32,
    /// How many were sent back.
    pub refunded: u32,
}

/// What is remembered of a commission. Always `reversed <= amount` and `funded <= left`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CommissionRecord {
    /// Its transaction's record; none for one that was brought in.
    pub transaction: Option<StateKey>,
    /// When it was earned, by the submitter's word.
    pub time: Timestamp,
    /// Who earns it.
    pub affiliate: Id,
    /// Who owes it.
    pub merchant: Id,
    /// Under which program; none for one that was brought in.
    pub program: Option<Id>,
    /// The currency of its amounts.
    pub currency: Currency,
    /// What it is stated at, as amended.
    pub amount: Amount,
    /// What the network charges on top, as stated.
    pub fee: Amount,
    /// What was taken back of it.
    pub reversed: Amount,
    /// What the merchant has paid for of it.
    pub funded: Amount,
    /// All adjustments for the affiliate that are linked to it.
    pub credited: Amount,
    /// All adjustments against the affiliate that are linked to it.
    pub debited: Amount,
    /// When it is due to lock; on no date, when absent.
    pub locks_at: Option<Timestamp>,
    /// Whether that date lay ahead when it was recorded.
    pub dated_ahead: bool,
    /// Where it stands by its own word. What is in a payout stands where that says:
    /// [`CommissionRecord::standing`].
    pub state: CommissionState,
    /// The record of the latest payout that has it as a line.
    pub payout: Option<StateKey>,
    /// Why it isn't what the terms give, where it isn't.
    pub deviation: Option<Reason>,
    /// Whether it was ever extended.
    pub extended: bool,
    /// Whether it was ever amended.
    pub amended: bool,
    /// Of a direct commission, the number of its rule; 0 for any other.
    pub direct_rule: u16,
    /// Of a direct commission whose rule has overrides, who stood above its affiliate when it was
    /// admitted, level 1 first.
    pub uplines: Vec<Id>,
    /// The levels of its overrides: bit 0 is level 1.
    pub overridden: u16,
}

impl CommissionRecord {
    /// What is not reversed of it.
    pub fn left(&self) -> Amount {
        self.amount.checked_sub(self.reversed).expect("never more is reversed than was stated")
    }

    /// Where it stands, when its payout, if it has one, stands at `payout`.
    pub fn standing(&self, payout: Option<PayoutState>) -> CommissionState {
        match (self.state, payout) {
            (CommissionState::InPayout, Some(payout)) => payout.of_commissions(),
            (state, _) => state,
        }
    }

    /// Who earns it, and who owes it.
    pub fn parties(&self) -> Parties {
        Parties::both(&self.affiliate, &self.merchant)
    }

    /// Whether it was brought in from another system.
    pub fn imported(&self) -> bool {
        self.transaction.is_none()
    }
}

impl CommissionRecord {
    /// What it comes to, and all adjustments for and against the affiliate that name it.
    pub(super) fn adjusted(&mut self) -> Adjusted<'_> {
        let base = self.left();
        Adjusted { base, credited: &mut self.credited, debited: &mut self.debited }
    }
}

/// What adjustments may take from: something, and the adjustments that name it.
pub(super) struct Adjusted<'r> {
    /// What it comes to by itself.
    pub base: Amount,
    /// All adjustments for the affiliate.
    pub credited: &'r mut Amount,
    /// All adjustments against the affiliate.
    pub debited: &'r mut Amount,
}

/// What is remembered of an adjustment, or of an affiliate's balance that was brought in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AdjustmentRecord {
    /// Whose balance.
    pub affiliate: Id,
    /// For or against the affiliate.
    pub effect: Effect,
    /// The currency of the amount.
    pub currency: Currency,
    /// How much.
    pub amount: Amount,
    /// When it was made, by the submitter's word.
    pub time: Timestamp,
    /// All adjustments for the affiliate that name it.
    pub credited: Amount,
    /// All adjustments against the affiliate that name it.
    pub debited: Amount,
    /// The record of the latest payout that has it as a line.
    pub payout: Option<StateKey>,
}

impl AdjustmentRecord {
    /// What it comes to, and all adjustments for and against the affiliate that name it.
    pub(super) fn adjusted(&mut self) -> Adjusted<'_> {
        let base = match self.effect {
            Effect::Credit => self.amount,
            Effect::Debit => Amount::ZERO,
        };
        Adjusted { base, credited: &mut self.credited, debited: &mut self.debited }
    }

    /// Where it stands, when its payout, if it has one, stands at `payout`.
    pub fn standing(&self, payout: Option<PayoutState>) -> AdjustmentState {
        match payout.map(PayoutState::of_commissions) {
            Some(CommissionState::InPayout) => AdjustmentState::InPayout,
            Some(CommissionState::Paid) => AdjustmentState::Paid,
            _ => AdjustmentState::Free,
        }
    }
}

/// What is remembered of an inquiry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InquiryRecord {
    /// Who asks.
    pub affiliate: Id,
    /// About whose program.
    pub merchant: Id,
    /// When it was asked, by the submitter's word.
    pub time: Timestamp,
    /// The commission to reopen if it was wrongly declined, by external id.
    pub reopens: Option<Id>,
    /// Whether it was resolved.
    pub resolved: bool,
}

/// What is remembered of a payout.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PayoutRecord {
    /// Who is paid.
    pub affiliate: Id,
    /// In which currency.
    pub currency: Currency,
    /// When its first part was stated, by the submitter's word.
    pub time: Timestamp,
    /// The period that it pays for, from.
    pub period_from: Timestamp,
    /// The period that it pays for, until.
    pub period_until: Timestamp,
    /// Its latest part, by external id.
    pub latest: Id,
    /// What its lines add.
    pub added: Amount,
    /// What its lines take off.
    pub taken_off: Amount,
    /// Of what it takes off, what is kept for later.
    pub kept: Amount,
    /// Of what it adds, what was kept before.
    pub used: Amount,
    /// Where it stands.
    pub state: PayoutState,
}

/// What is remembered of a payout's further part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PayoutPartRecord {
    /// The first part, by external id.
    pub first: Id,
}
