//! Answers by another road: from what entries say alone, without rules, records or accounts.

use std::collections::BTreeMap;

use counterfoil::protocol::entry::{
    Amended, Balance, Body, Effect, Entry, ImportedState, Kind, Outcome, PayoutLine, Reason,
    Verdict,
};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::money::{Amount, Currency};

/// What happened to a sum of money, and to whose.
#[derive(Clone)]
pub struct Flow {
    pub day: u64,
    pub affiliate: Id,
    /// Who owes, and under which program.
    pub from: Option<(Id, Option<Id>)>,
    pub currency: Currency,
    /// The column of earnings, or `locked`.
    pub what: &'static str,
    pub reason: Option<Reason>,
    pub amount: i128,
    /// How long it took, in seconds.
    pub took: i128,
}

#[derive(Clone)]
pub struct Commission {
    pub affiliate: Id,
    pub merchant: Id,
    pub program: Option<Id>,
    pub currency: Currency,
    pub left: i128,
    pub fee: i128,
    pub state: &'static str,
    funded: i128,
    since: u64,
}

#[derive(Clone)]
pub struct Adjustment {
    pub affiliate: Id,
    pub currency: Currency,
    /// With its sign.
    pub amount: i128,
    pub state: &'static str,
}

#[derive(Clone, Default)]
struct Payout {
    of: Option<(Id, Currency)>,
    commissions: Vec<Id>,
    adjustments: Vec<Id>,
    kept: i128,
    used: i128,
    closed: bool,
    dead: bool,
}

/// All that entries said so far.
#[derive(Clone, Default)]
pub struct Recount {
    pub commissions: BTreeMap<Id, Commission>,
    pub adjustments: BTreeMap<Id, Adjustment>,
    pub flows: Vec<Flow>,
    /// What each merchant paid, and what of it covers commissions.
    pub prepaid: BTreeMap<(Id, Currency), (i128, i128)>,
    /// How many entries, and their amounts, by day, kind and currency.
    pub told: BTreeMap<(u64, Kind, Option<Currency>), (u64, i128)>,
    sales: BTreeMap<Id, (Id, Id)>,
    inquiries: BTreeMap<Id, Option<Id>>,
    payouts: BTreeMap<Id, Payout>,
    /// The first part of each part of a payout.
    parts: BTreeMap<Id, Id>,
}

fn units(amount: Amount) -> i128 {
    amount.units().into()
}

impl Recount {
    /// What a payout kept for later, less what was added from there.
    pub fn carried(&self, affiliate: &Id, currency: Currency) -> i128 {
        let live = self.payouts.values().filter(|payout| !payout.dead);
        let own = live.filter(|payout| payout.of.as_ref() == Some(&(affiliate.clone(), currency)));
        own.map(|payout| if payout.closed { payout.kept } else { 0 } - payout.used).sum()
    }

    fn flow(&mut self, entry: &Entry, of: &Id, what: &'static str, amount: i128) -> &mut Flow {
        let commission = &self.commissions[of];
        let time = entry.event_time.as_millis();
        self.flows.push(Flow {
            day: time / 86_400_000,
            affiliate: commission.affiliate.clone(),
            from: Some((commission.merchant.clone(), commission.program.clone())),
            currency: commission.currency,
            what,
            reason: None,
            amount,
            took: i128::from(time) / 1000 - i128::from(commission.since) / 1000,
        });
        self.flows.last_mut().unwrap()
    }

    fn tell(&mut self, entry: &Entry, about: Option<(Currency, Amount)>) {
        let day = entry.event_time.as_millis() / 86_400_000;
        let key = (day, entry.kind(), about.map(|(currency, _)| currency));
        let told = self.told.entry(key).or_default();
        told.0 += 1;
        told.1 += about.map_or(0, |(_, amount)| units(amount));
    }

    fn adjust(&mut self, entry: &Entry, affiliate: &Id, effect: Effect, about: (Currency, Amount)) {
        let (currency, amount) = (about.0, units(about.1));
        let (what, signed) = match effect {
            Effect::Credit => ("credited", amount),
            Effect::Debit => ("debited", -amount),
        };
        let day = entry.event_time.as_millis() / 86_400_000;
        let affiliate = affiliate.clone();
        self.flows.push(Flow {
            day,
            affiliate: affiliate.clone(),
            from: None,
            currency,
            what,
            reason: None,
            amount,
            took: 0,
        });
        let adjustment =
            Adjustment { affiliate, currency, amount: signed, state: "adjustments_free" };
        self.adjustments.insert(entry.external_id.clone(), adjustment);
        self.tell(entry, Some(about));
    }

    fn state(&mut self, of: &Id, commission: Commission, entry: &Entry, what: &'static str) {
        let amount = commission.left;
        self.commissions.insert(of.clone(), commission);
        self.flow(entry, of, what, amount);
    }

    /// Counts an entry.
    pub fn add(&mut self, entry: &Entry) {
        let (name, since) = (&entry.external_id, entry.event_time.as_millis());
        match &entry.body {
            Body::Transaction(sale) => {
                let from = (sale.merchant.clone(), sale.program.clone());
                self.sales.insert(name.clone(), from);
                self.tell(entry, Some((sale.currency, sale.amount)));
            }
            Body::Commission(stated) => {
                let (merchant, program) = self.sales[&stated.transaction].clone();
                let commission = Commission {
                    affiliate: stated.affiliate.clone(),
                    merchant,
                    program: Some(program),
                    currency: stated.currency,
                    left: units(stated.amount),
                    fee: units(stated.fee),
                    state: "pending",
                    funded: 0,
                    since,
                };
                self.state(name, commission, entry, "earned");
                self.tell(entry, Some((stated.currency, stated.amount)));
            }
            Body::Adjustment(adjustment) => {
                let about = (adjustment.currency, adjustment.amount);
                self.adjust(entry, &adjustment.affiliate, adjustment.effect, about);
            }
            Body::OpeningBalance(opening) => self.open(entry, &opening.balance),
            Body::Inquiry(inquiry) => {
                self.inquiries.insert(name.clone(), inquiry.claim.commission().cloned());
                self.tell(entry, Some((inquiry.currency, inquiry.amount)));
            }
            Body::Decision(_) | Body::Amendment(_) | Body::InquiryResolution(_) => {
                self.step(entry);
                self.tell(entry, None);
            }
            Body::Reversal(reversal) => {
                let amount = units(reversal.amount);
                self.flow(entry, &reversal.commission, "reversed", amount).reason =
                    Some(reversal.reason);
                let commission = self.commissions.get_mut(&reversal.commission).unwrap();
                commission.left -= amount;
                if commission.left == 0 {
                    commission.state = "reversed";
                }
                self.tell(entry, Some((reversal.currency, reversal.amount)));
            }
            Body::Funding(_) | Body::Payout(_) | Body::PayoutEvent(_) => self.pay(entry),
            _ => self.tell(entry, None),
        }
    }

    fn open(&mut self, entry: &Entry, balance: &Balance<Amount>) {
        match balance {
            Balance::Commission { affiliate, merchant, currency, amount, state, .. } => {
                let state = match state {
                    ImportedState::Pending => "pending",
                    ImportedState::Approved => "approved",
                    ImportedState::Locked => "locked",
                    ImportedState::Funded => "funded",
                };
                let commission = Commission {
                    affiliate: affiliate.clone(),
                    merchant: merchant.clone(),
                    program: None,
                    currency: *currency,
                    left: units(*amount),
                    fee: 0,
                    state,
                    funded: 0,
                    since: entry.event_time.as_millis(),
                };
                self.state(&entry.external_id, commission, entry, "imported");
                self.tell(entry, Some((*currency, *amount)));
            }
            Balance::Affiliate { affiliate, effect, currency, amount } => {
                self.adjust(entry, affiliate, *effect, (*currency, *amount));
            }
            Balance::Merchant { merchant, currency, amount } => {
                self.prepaid.entry((merchant.clone(), *currency)).or_default().0 += units(*amount);
                self.tell(entry, Some((*currency, *amount)));
            }
        }
    }

    fn step(&mut self, entry: &Entry) {
        match &entry.body {
            Body::Decision(decision) => {
                let of = &decision.commission;
                let left = self.commissions[of].left;
                let state = match decision.verdict {
                    Verdict::Approve => "approved",
                    Verdict::Extend { .. } => "extended",
                    Verdict::Decline { reason } => {
                        self.flow(entry, of, "declined", left).reason = Some(reason);
                        "declined"
                    }
                    Verdict::Lock => {
                        self.flow(entry, of, "locked", left);
                        "locked"
                    }
                };
                self.commissions.get_mut(of).unwrap().state = state;
            }
            Body::Amendment(amendment) => {
                if let Amended::Commission { commission } = &amendment.of {
                    let more = units(amendment.new) - units(amendment.old);
                    self.flow(entry, commission, "amended", more);
                    self.commissions.get_mut(commission).unwrap().left += more;
                }
            }
            Body::InquiryResolution(answer) if answer.outcome == Outcome::Valid => {
                let about = self.inquiries[&answer.inquiry].clone();
                let declined = |of: &Id| self.commissions[of].state == "declined";
                if let Some(of) = about.filter(declined) {
                    let left = self.commissions[&of].left;
                    self.flow(entry, &of, "reopened", left);
                    self.commissions.get_mut(&of).unwrap().state = "pending";
                }
            }
            _ => {}
        }
    }

    fn pay(&mut self, entry: &Entry) {
        match &entry.body {
            Body::Funding(funding) => {
                let key = (funding.merchant.clone(), funding.currency);
                let prepaid = self.prepaid.entry(key).or_default();
                prepaid.0 += units(funding.received);
                for line in &funding.lines {
                    prepaid.1 += units(line.amount);
                    let commission = self.commissions.get_mut(&line.commission).unwrap();
                    commission.funded += units(line.amount);
                    if commission.funded == commission.left {
                        commission.state = "funded";
                    }
                }
                self.tell(entry, Some((funding.currency, funding.received)));
            }
            Body::Payout(part) => {
                let first =
                    part.continues.as_ref().map_or(&entry.external_id, |of| &self.parts[of]);
                let first = first.clone();
                self.parts.insert(entry.external_id.clone(), first.clone());
                let payout = self.payouts.entry(first).or_default();
                payout.of = Some((part.affiliate.clone(), part.currency));
                payout.closed |= part.total.is_some();
                for line in &part.lines {
                    match line {
                        PayoutLine::Commission { commission, .. } => {
                            payout.commissions.push(commission.clone());
                            self.commissions.get_mut(commission).unwrap().state = "in_payout";
                        }
                        PayoutLine::Adjustment { adjustment, .. } => {
                            payout.adjustments.push(adjustment.clone());
                            self.adjustments.get_mut(adjustment).unwrap().state =
                                "adjustments_in_payout";
                        }
                        PayoutLine::CarriedForward { effect: Effect::Debit, amount } => {
                            payout.kept += units(*amount);
                        }
                        PayoutLine::CarriedForward { effect: Effect::Credit, amount } => {
                            payout.used += units(*amount);
                        }
                        PayoutLine::Fee { .. } | PayoutLine::WithheldTax { .. } => {}
                    }
                }
                self.tell(entry, part.total.map(|total| (part.currency, total)));
            }
            Body::PayoutEvent(event) => {
                let payout = self.payouts.get_mut(&event.payout).unwrap();
                let text = serde_json::to_value(&event.event).unwrap();
                let (commissions, adjustments) = match text["type"].as_str().unwrap() {
                    "completed" => ("paid", "adjustments_paid"),
                    "failed" | "returned" => ("funded", "adjustments_free"),
                    _ => ("in_payout", "adjustments_in_payout"),
                };
                payout.dead |= commissions == "funded";
                let payout = payout.clone();
                for of in &payout.commissions {
                    self.commissions.get_mut(of).unwrap().state = commissions;
                    if commissions == "paid" {
                        self.flow(entry, of, "paid", 0);
                    }
                }
                for of in &payout.adjustments {
                    self.adjustments.get_mut(of).unwrap().state = adjustments;
                }
                self.tell(entry, None);
            }
            _ => {}
        }
    }
}
