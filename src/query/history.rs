//! Everything that happened to a commission, an order or whatever else entries are about, in the
//! order in which it was recorded, as of any height.
//!
//! Where a commission stood after each step follows from the steps before and the rules' own table
//! ([`CommissionState::after`]). Records aren't asked: of those there is only the latest.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use super::as_of::block_time;
use super::family::Family;
pub use super::family::Root;
use super::figure::{Figure, scale};
use super::{AsOf, QueryError, links};
use crate::protocol::accounts;
use crate::protocol::entry::{
    Balance, Body, Claim, Effect, Entry, ImportedState, Kind, Outcome, PaymentEvent, PayoutLine,
    Reason, Verdict,
};
use crate::protocol::hash::EntryId;
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency};
use crate::protocol::rules::{CommissionState, Step};
use crate::protocol::time::Timestamp;
use crate::store::{StoreError, View};

/// Something that an entry did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryStep {
    /// The log index of the entry.
    #[schema(example = 4711)]
    pub index: u64,
    /// The height of its block.
    pub height: u64,
    /// When it was recorded: the time of its block.
    pub recorded_at: Timestamp,
    /// When it happened, by the submitter's word.
    pub event_time: Timestamp,
    /// The kind of entry.
    pub kind: Kind,
    /// The entry's name.
    pub external_id: Id,
    /// The entry's identity.
    pub entry: EntryId,
    /// The commission to which it did it, if it was one whose history this is.
    pub commission: Option<Id>,
    /// What it did.
    pub did: Did,
    /// The currency of the amount.
    pub currency: Option<Currency>,
    /// How much it did it with: of an amendment, what the amount is from now on.
    #[schema(value_type = Option<String>, example = "7.50")]
    pub amount: Option<Figure>,
    /// Why.
    pub reason: Option<Reason>,
    /// Where the commission stood then.
    pub state: Option<CommissionState>,
    /// The proof that the entry is on the ledger.
    #[schema(example = "/v1/entries/4711/receipt")]
    pub receipt: String,
}

/// What an entry did, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// It stated something.
    Stated,
    /// It brought something in from another system.
    BroughtIn,
    /// It approved.
    Approved,
    /// It declined.
    Declined,
    /// It put the locking date off.
    Extended,
    /// It locked.
    Locked,
    /// It corrected an amount.
    Amended,
    /// It took back, in whole or in part.
    Reversed,
    /// It adjusted for the affiliate.
    Credited,
    /// It adjusted against the affiliate.
    Debited,
    /// It asked.
    Asked,
    /// It found that who asked was right.
    Upheld,
    /// The same, so that a declined commission is pending again.
    Reopened,
    /// It found that who asked was wrong.
    Rejected,
    /// It found that not enough was said.
    Incomplete,
    /// The merchant paid for it, in whole or in part.
    Funded,
    /// It put it into a payout.
    PaidOut,
    /// The payout was sent.
    Sent,
    /// The payout arrived.
    Completed,
    /// The payout failed.
    Failed,
    /// The payout came back.
    Returned,
    /// It told that private particulars are gone.
    Erased,
}

/// A commission, as it is after some steps.
struct Life {
    currency: Currency,
    amount: Amount,
    reversed: Amount,
    funded: Amount,
    state: CommissionState,
    /// The latest payout that has it as a line, by the name of its first part.
    payout: Option<Id>,
}

impl Life {
    fn new(currency: Currency, amount: Amount, state: CommissionState) -> Self {
        let funded = if state == CommissionState::Funded { amount } else { Amount::ZERO };
        Self { currency, amount, reversed: Amount::ZERO, funded, state, payout: None }
    }

    fn left(&self) -> Amount {
        self.amount.checked_sub(self.reversed).unwrap_or(Amount::ZERO)
    }

    /// Only what the rules admit is on the ledger.
    fn take(&mut self, step: Step) {
        self.state = self.state.after(step).unwrap_or(self.state);
    }
}

/// What an entry did to one commission, or to none.
struct Act {
    commission: Option<Id>,
    did: Did,
    amount: Option<(Currency, Amount)>,
    reason: Option<Reason>,
    state: Option<CommissionState>,
}

/// The steps of a history after so many, at most `limit`, and how many were given by then if there
/// are more.
///
/// # Errors
/// [`QueryError`].
pub fn history(
    view: &View,
    at: &AsOf,
    root: &Root,
    after: Option<u64>,
    limit: usize,
) -> Result<(Vec<HistoryStep>, Option<u64>), QueryError> {
    let family = Family::new(view, at, root)?;
    let mut telling = Telling { view, family, lives: BTreeMap::new(), asked: HashMap::new() };
    let (mut steps, mut number) = (Vec::new(), 0u64);
    let mut block: Option<(u64, Timestamp)> = None;
    while let Some((index, found, height)) = telling.family.next()? {
        for act in telling.acts(found.entry())? {
            number += 1;
            if after.is_some_and(|after| number <= after) {
                continue;
            }
            if steps.len() >= limit {
                return Ok((steps, Some(number - 1)));
            }
            let recorded_at = match block.filter(|(known, _)| *known == height) {
                Some((_, time)) => time,
                None => block_time(view, height)?,
            };
            block = Some((height, recorded_at));
            let (currency, amount) = act.amount.unzip();
            let figure = |(currency, amount): (Currency, Amount)| {
                Ok::<_, QueryError>(Figure::new(amount.units().into(), scale(view, currency)?))
            };
            let entry = found.entry();
            steps.push(HistoryStep {
                index,
                height,
                recorded_at,
                event_time: entry.event_time,
                kind: entry.kind(),
                external_id: entry.external_id.clone(),
                entry: found.id(),
                commission: act.commission,
                did: act.did,
                currency,
                amount: currency.zip(amount).map(figure).transpose()?,
                reason: act.reason,
                state: act.state,
                receipt: links::receipt(index),
            });
        }
    }
    Ok((steps, None))
}

/// What is known of a history so far.
struct Telling<'v> {
    view: &'v View,
    family: Family<'v>,
    /// Sorted: a thousand lines of a payout are looked for among the few that there mostly are.
    lives: BTreeMap<Id, Life>,
    /// The commissions that inquiries reopen where they are found valid.
    asked: HashMap<Id, Id>,
}

impl Telling<'_> {
    /// What an entry did: to each commission whose history this is, or else once to none.
    fn acts(&mut self, entry: &Entry) -> Result<Vec<Act>, QueryError> {
        let acts = match &entry.body {
            Body::Commission(stated) => {
                let (currency, amount) = (stated.currency, stated.amount);
                self.begin(
                    entry,
                    Life::new(currency, amount, CommissionState::Pending),
                    Did::Stated,
                )
            }
            Body::OpeningBalance(opening) => match &opening.balance {
                Balance::Commission { currency, amount, state, .. } => {
                    let life = Life::new(*currency, *amount, imported(*state));
                    self.begin(entry, life, Did::BroughtIn)
                }
                _ => Vec::new(),
            },
            Body::Funding(funding) => {
                let lines = funding.lines.iter();
                let acts = lines.filter_map(|line| self.funded(&line.commission, line.amount));
                acts.collect()
            }
            Body::Payout(payout) => {
                let first = match &payout.continues {
                    None => entry.external_id.clone(),
                    Some(_) => self.first_part(entry)?,
                };
                let lines = payout.lines.iter();
                let acts = lines.filter_map(|line| match line {
                    PayoutLine::Commission { commission, amount } => {
                        self.paid_out(commission, *amount, &first)
                    }
                    _ => None,
                });
                acts.collect()
            }
            Body::PayoutEvent(event) => self.paid(&event.payout, &event.event),
            _ => self.step(entry).into_iter().collect(),
        };
        Ok(if acts.is_empty() { vec![plain(entry)] } else { acts })
    }

    /// What an entry did that is about one commission.
    fn step(&mut self, entry: &Entry) -> Option<Act> {
        let name = match &entry.body {
            Body::InquiryResolution(answer) => self.asked.get(&answer.inquiry)?.clone(),
            body => match body.names().first()? {
                (Kind::Commission, name) => (*name).clone(),
                _ => return None,
            },
        };
        let life = self.lives.get_mut(&name)?;
        let mut act = plain(entry);
        match &entry.body {
            Body::Decision(decision) => life.take(match decision.verdict {
                Verdict::Approve => Step::Approve,
                Verdict::Decline { .. } => Step::Decline,
                Verdict::Extend { .. } => Step::Extend,
                Verdict::Lock => Step::Lock,
            }),
            Body::Amendment(amendment) => life.amount = amendment.new,
            Body::Reversal(reversal) => {
                life.reversed = life.reversed.checked_add(reversal.amount).unwrap_or(life.amount);
                if life.left() == Amount::ZERO {
                    life.take(Step::Reverse);
                }
            }
            Body::Inquiry(inquiry) => {
                if let Claim::Declined { .. } = inquiry.claim {
                    self.asked.insert(entry.external_id.clone(), name.clone());
                }
            }
            Body::InquiryResolution(answer) if answer.outcome == Outcome::Valid => {
                life.take(Step::Reopen);
                act.did = Did::Reopened;
            }
            _ => {}
        }
        act.state = Some(life.state);
        act.commission = Some(name);
        Some(act)
    }

    fn begin(&mut self, entry: &Entry, life: Life, did: Did) -> Vec<Act> {
        let name = entry.external_id.clone();
        if !self.family.tells_of(&name) {
            return Vec::new();
        }
        let (amount, state) = (Some((life.currency, life.amount)), Some(life.state));
        self.lives.insert(name.clone(), life);
        let reason = plain(entry).reason;
        vec![Act { commission: Some(name), did, amount, reason, state }]
    }

    fn funded(&mut self, name: &Id, amount: Amount) -> Option<Act> {
        let life = self.lives.get_mut(name)?;
        life.funded = life.funded.checked_add(amount).unwrap_or(life.amount);
        if life.funded == life.left() {
            life.take(Step::Fund);
        }
        Some(life_act(name, life, Did::Funded, amount))
    }

    fn paid_out(&mut self, name: &Id, amount: Amount, payout: &Id) -> Option<Act> {
        let life = self.lives.get_mut(name)?;
        life.take(Step::Pay);
        life.payout = Some(payout.clone());
        Some(life_act(name, life, Did::PaidOut, amount))
    }

    /// What became of a payout, to each commission that it has as a line.
    fn paid(&mut self, payout: &Id, event: &PaymentEvent) -> Vec<Act> {
        let (did, step) = happened(event);
        let mut acts = Vec::new();
        for (name, life) in &mut self.lives {
            if life.payout.as_ref() == Some(payout) {
                if let Some(step) = step {
                    life.take(step);
                }
                acts.push(life_act(name, life, did, life.left()));
            }
        }
        acts
    }

    fn first_part(&self, entry: &Entry) -> Result<Id, QueryError> {
        let payout = self.view.payout(&entry.tenant, &entry.external_id)?;
        let damaged = || StoreError::damaged(entry.external_id.to_string(), "not a payout's part");
        Ok(payout.ok_or_else(damaged)?.0)
    }
}

fn life_act(name: &Id, life: &Life, did: Did, amount: Amount) -> Act {
    let (amount, state) = (Some((life.currency, amount)), Some(life.state));
    Act { commission: Some(name.clone()), did, amount, reason: None, state }
}

const fn imported(state: ImportedState) -> CommissionState {
    match state {
        ImportedState::Pending => CommissionState::Pending,
        ImportedState::Approved => CommissionState::Approved,
        ImportedState::Locked => CommissionState::Locked,
        ImportedState::Funded => CommissionState::Funded,
    }
}

const fn happened(event: &PaymentEvent) -> (Did, Option<Step>) {
    match event {
        PaymentEvent::Sent { .. } => (Did::Sent, None),
        PaymentEvent::Completed => (Did::Completed, Some(Step::Complete)),
        PaymentEvent::Failed => (Did::Failed, Some(Step::Fail)),
        PaymentEvent::Returned => (Did::Returned, Some(Step::Return)),
    }
}

/// What an entry did, by its own word.
fn plain(entry: &Entry) -> Act {
    let mut amount = accounts::amount(&entry.body);
    let (did, reason) = match &entry.body {
        Body::Commission(commission) => (Did::Stated, commission.deviation),
        Body::ProgramTerms(_)
        | Body::Transaction(_)
        | Body::AffiliateUpline(_)
        | Body::SpecChange(_) => (Did::Stated, None),
        Body::OpeningBalance(_) => (Did::BroughtIn, None),
        Body::Decision(decision) => match decision.verdict {
            Verdict::Approve => (Did::Approved, None),
            Verdict::Decline { reason } => (Did::Declined, Some(reason)),
            Verdict::Extend { .. } => (Did::Extended, None),
            Verdict::Lock => (Did::Locked, None),
        },
        Body::Amendment(amendment) => {
            amount = Some((amendment.currency, amendment.new));
            (Did::Amended, Some(amendment.reason))
        }
        Body::Reversal(reversal) => (Did::Reversed, Some(reversal.reason)),
        Body::Adjustment(adjustment) => match adjustment.effect {
            Effect::Credit => (Did::Credited, Some(adjustment.reason)),
            Effect::Debit => (Did::Debited, Some(adjustment.reason)),
        },
        Body::Inquiry(_) => (Did::Asked, None),
        Body::InquiryResolution(answer) => match answer.outcome {
            Outcome::Valid => (Did::Upheld, None),
            Outcome::Declined { reason } => (Did::Rejected, Some(reason)),
            Outcome::Incomplete => (Did::Incomplete, None),
        },
        Body::Funding(_) => (Did::Funded, None),
        Body::Payout(_) => (Did::PaidOut, None),
        Body::PayoutEvent(event) => (happened(&event.event).0, None),
        Body::ErasureNotice(_) => (Did::Erased, None),
    };
    Act { commission: None, did, amount, reason, state: None }
}
