//! The sentences themselves: what each kind of entry says.

use super::messages::{Said, counted, say};
use super::sentence::{Context, KindName, ReasonText, Sentence};
use super::values::{Day, Money, Percent};
use crate::protocol::entry::{
    Action, Adjustment, Amended, Amendment, Balance, Body, Claim, Commission, Decision, Effect,
    Funding, ImportedState, Inquiry, InquiryResolution, Outcome, PaymentEvent, Payout, PayoutEvent,
    PayoutLine, ProgramTerms, Reversal, Reward, Role, Transaction, Verdict,
};
use crate::protocol::id::Id;
use crate::protocol::money::{Decimal, PPM_WHOLE};

impl Sentence {
    /// All of it, without a full stop.
    pub(super) fn said(&self) -> Said<'_> {
        match &self.body {
            Body::ProgramTerms(terms) => of_terms(terms),
            Body::Transaction(sale) => of_transaction(sale),
            Body::Commission(commission) => self.of_commission(commission),
            Body::Decision(decision) => self.of_decision(decision),
            Body::Amendment(amendment) => self.of_amendment(amendment),
            Body::Reversal(reversal) => self.of_reversal(reversal),
            Body::Adjustment(adjustment) => self.of_adjustment(adjustment),
            Body::Inquiry(inquiry) => self.of_inquiry(inquiry),
            Body::InquiryResolution(answer) => self.of_answer(answer),
            Body::Funding(funding) => of_funding(funding),
            Body::Payout(payout) => of_payout(payout),
            Body::PayoutEvent(event) => self.of_payout_event(event),
            Body::AffiliateUpline(stated) => match &stated.upline {
                Some(upline) => {
                    say("<b>{upline}</b> stands above affiliate <b>{affiliate}</b> from now on")
                        .name("upline", upline)
                }
                None => say("Nobody stands above affiliate <b>{affiliate}</b> from now on"),
            }
            .name("affiliate", &stated.affiliate),
            Body::OpeningBalance(opening) => {
                of_balance(&opening.balance).name("source", &opening.source)
            }
            Body::ErasureNotice(notice) => {
                say("The private particulars of <b>{name}</b> ({kind}) are <b>erased</b>")
                    .name("name", &notice.entry.external_id)
                    .with("kind", KindName(notice.entry.kind))
            }
            Body::SpecChange(change) => {
                let first = change.authorities.as_ref().and_then(|keys| keys.first());
                match first {
                    Some(first) => {
                        say("The ledger’s own spec <b>changes</b> from block {height} on: <b>{key}</b> seals")
                            .name("key", first)
                    }
                    None => say("The ledger’s own spec <b>changes</b> from block {height} on"),
                }
                .with("height", change.from_height)
            }
        }
    }

    /// The commission that the entry is about, by whatever is known of it.
    fn the_commission<'a>(&'a self, name: &'a Id) -> Said<'a> {
        match &self.context {
            Context::Commission { affiliate, amount, .. } => {
                say("The commission of {amount} to <b>{affiliate}</b>")
                    .with("amount", amount)
                    .name("affiliate", affiliate)
            }
            _ => say("Commission <b>{name}</b>").name("name", name),
        }
    }

    fn of_commission<'a>(&'a self, stated: &'a Commission<Decimal>) -> Said<'a> {
        let role = match &stated.role {
            Role::Direct { share_ppm, .. } if *share_ppm != PPM_WHOLE => {
                say(", a share of {share} %,").with("share", Percent(*share_ppm))
            }
            Role::Direct { .. } => nothing(),
            Role::Override { level, .. } => {
                say(" as upline of level {level}").with("level", *level)
            }
        };
        let source = match &self.context {
            Context::Order { merchant, order_ref } => {
                say("from order <b>{order}</b> at <b>{merchant}</b>")
                    .name("order", order_ref)
                    .name("merchant", merchant)
            }
            _ => say("from transaction <b>{name}</b>").name("name", &stated.transaction),
        };
        say("Affiliate <b>{affiliate}</b> earns <b>{amount}</b>{role} {source}")
            .name("affiliate", &stated.affiliate)
            .with("amount", Money::new(stated.currency, &stated.amount))
            .with("role", role)
            .with("source", source)
    }

    fn of_decision<'a>(&'a self, decision: &'a Decision) -> Said<'a> {
        match &decision.verdict {
            Verdict::Approve => say("{commission} is <b>approved</b>"),
            Verdict::Decline { reason } => {
                say("{commission} is <b>declined</b>: {reason}").with("reason", ReasonText(*reason))
            }
            Verdict::Extend { locking_date } => {
                say("{commission} is <b>extended</b>: it locks on {day}")
                    .with("day", Day(*locking_date))
            }
            Verdict::Lock => say("{commission} is <b>locked</b>: due to be paid"),
        }
        .with("commission", self.the_commission(&decision.commission))
    }

    fn of_amendment<'a>(&'a self, amendment: &'a Amendment<Decimal>) -> Said<'a> {
        let what = match (&amendment.of, &self.context) {
            // What it comes to is what the sentence is about.
            (Amended::Commission { .. }, Context::Commission { affiliate, .. }) => {
                say("The commission to <b>{affiliate}</b>").name("affiliate", affiliate)
            }
            (Amended::Commission { commission }, _) => self.the_commission(commission),
            (Amended::Transaction { .. }, Context::Order { merchant, order_ref }) => {
                say("Order <b>{order}</b> at <b>{merchant}</b>")
                    .name("order", order_ref)
                    .name("merchant", merchant)
            }
            (Amended::Transaction { transaction, .. }, _) => {
                say("Transaction <b>{name}</b>").name("name", transaction)
            }
        };
        let group = match &amendment.of {
            Amended::Transaction { commission_group: Some(group), .. } => {
                say(", as far as it is of group <b>{group}</b>,").name("group", group)
            }
            _ => nothing(),
        };
        say("{what}{group} is <b>amended</b> from {old} to <b>{new}</b>: {reason}")
            .with("what", what)
            .with("group", group)
            .with("old", Money::new(amendment.currency, &amendment.old))
            .with("new", Money::new(amendment.currency, &amendment.new))
            .with("reason", ReasonText(amendment.reason))
    }

    fn of_reversal<'a>(&'a self, reversal: &'a Reversal<Decimal>) -> Said<'a> {
        let what = match &self.context {
            Context::Commission { affiliate, amount, .. } => {
                say("<b>{amount}</b> of the commission of {whole} to <b>{affiliate}</b>")
                    .with("whole", amount)
                    .name("affiliate", affiliate)
            }
            _ => say("<b>{amount}</b> of commission <b>{name}</b>")
                .name("name", &reversal.commission),
        }
        .with("amount", Money::new(reversal.currency, &reversal.amount));
        let refund = match &reversal.refund {
            Some(refund) => say(", {amount} back to the buyer")
                .with("amount", Money::new(refund.currency, &refund.amount)),
            None => nothing(),
        };
        say("{what} is <b>taken back</b>: {reason}{refund}")
            .with("what", what)
            .with("reason", ReasonText(reversal.reason))
            .with("refund", refund)
    }

    fn of_adjustment<'a>(&'a self, adjustment: &'a Adjustment<Decimal>) -> Said<'a> {
        let what = match &self.context {
            Context::Commission { merchant, amount, .. } => {
                say("the commission of {amount} at <b>{merchant}</b>")
                    .with("amount", amount)
                    .name("merchant", merchant)
            }
            _ => say("<b>{name}</b> ({kind})")
                .name("name", &adjustment.related.external_id)
                .with("kind", KindName(adjustment.related.kind)),
        };
        match adjustment.effect {
            Effect::Credit => {
                say("Affiliate <b>{affiliate}</b> is <b>credited {amount}</b> for {what}: {reason}")
            }
            Effect::Debit => {
                say("Affiliate <b>{affiliate}</b> is <b>charged {amount}</b> for {what}: {reason}")
            }
        }
        .name("affiliate", &adjustment.affiliate)
        .with("amount", Money::new(adjustment.currency, &adjustment.amount))
        .with("what", what)
        .with("reason", ReasonText(adjustment.reason))
    }

    fn of_inquiry<'a>(&'a self, inquiry: &'a Inquiry<Decimal>) -> Said<'a> {
        match (&inquiry.claim, &self.context) {
            (Claim::Untracked { order_ref: None }, _) => {
                say("Affiliate <b>{affiliate}</b> <b>misses</b> a commission of <b>{amount}</b> at <b>{merchant}</b>")
            }
            (Claim::Untracked { order_ref: Some(order) }, _) => {
                say("Affiliate <b>{affiliate}</b> <b>misses</b> a commission of <b>{amount}</b> at <b>{merchant}</b> for order <b>{order}</b>")
                    .name("order", order)
            }
            (Claim::Incorrect { .. }, Context::Commission { amount, .. }) => {
                say("Affiliate <b>{affiliate}</b> claims <b>{amount}</b> where a commission at <b>{merchant}</b> is {stated}")
                    .with("stated", amount)
            }
            (Claim::Incorrect { commission }, _) => {
                say("Affiliate <b>{affiliate}</b> claims <b>{amount}</b> where commission <b>{name}</b> is less")
                    .name("name", commission)
            }
            (Claim::Declined { .. }, _) => {
                say("Affiliate <b>{affiliate}</b> claims <b>{amount}</b> that <b>{merchant}</b> declined")
            }
        }
        .name("affiliate", &inquiry.affiliate)
        .name("merchant", &inquiry.merchant)
        .with("amount", Money::new(inquiry.currency, &inquiry.amount))
    }

    fn of_answer<'a>(&'a self, answer: &'a InquiryResolution) -> Said<'a> {
        let inquiry = match &self.context {
            Context::Inquiry { affiliate, merchant } => {
                say("The inquiry of <b>{affiliate}</b> about <b>{merchant}</b>")
                    .name("affiliate", affiliate)
                    .name("merchant", merchant)
            }
            _ => say("Inquiry <b>{name}</b>").name("name", &answer.inquiry),
        };
        match &answer.outcome {
            Outcome::Valid => say("{inquiry} is found <b>valid</b>"),
            Outcome::Declined { reason } => {
                say("{inquiry} is <b>declined</b>: {reason}").with("reason", ReasonText(*reason))
            }
            Outcome::Incomplete => say("{inquiry} is <b>incomplete</b>"),
        }
        .with("inquiry", inquiry)
    }

    fn of_payout_event<'a>(&'a self, event: &'a PayoutEvent) -> Said<'a> {
        let payout = match &self.context {
            Context::Payout { affiliate, total: Some(total) } => {
                say("The payout of {amount} to <b>{affiliate}</b>")
                    .with("amount", total)
                    .name("affiliate", affiliate)
            }
            Context::Payout { affiliate, total: None } => {
                say("The payout to <b>{affiliate}</b>").name("affiliate", affiliate)
            }
            _ => say("Payout <b>{name}</b>").name("name", &event.payout),
        };
        match &event.event {
            PaymentEvent::Sent { .. } => say("{payout} is <b>sent</b>"),
            PaymentEvent::Completed => say("{payout} has <b>arrived</b>"),
            PaymentEvent::Failed => say("{payout} has <b>failed</b>"),
            PaymentEvent::Returned => say("{payout} has <b>come back</b>"),
        }
        .with("payout", payout)
    }
}

/// What is left out.
fn nothing<'a>() -> Said<'a> {
    say("")
}

fn of_terms(terms: &ProgramTerms<Decimal>) -> Said<'_> {
    let pays = match terms.rules.as_slice() {
        [rule] => match &rule.reward {
            Reward::Percent { ppm } => {
                say("<b>{percent} %</b> of each transaction").with("percent", Percent(*ppm))
            }
            Reward::Fixed { currency, amount } => say("<b>{amount}</b> for each transaction")
                .with("amount", Money::new(*currency, amount)),
            Reward::CountTiers { counts, .. } => counted(
                counts.len() as u64,
                "by the number of sales, in {count} tier,",
                "by the number of sales, in {count} tiers,",
            ),
            Reward::VolumeTiers { volumes, .. } => counted(
                volumes.len() as u64,
                "by the volume of sales, in {count} tier,",
                "by the volume of sales, in {count} tiers,",
            ),
        },
        rules => counted(rules.len() as u64, "by <b>{count} rule</b>", "by <b>{count} rules</b>"),
    };
    let version = match terms.version {
        ..=1 => nothing(),
        version => say(": version {version}").with("version", version),
    };
    say("Program <b>{program}</b> of <b>{merchant}</b> pays {pays} from {day} on{version}")
        .name("program", &terms.program)
        .name("merchant", &terms.merchant)
        .with("pays", pays)
        .with("day", Day(terms.effective_from))
        .with("version", version)
}

fn of_transaction(sale: &Transaction<Decimal>) -> Said<'_> {
    match (sale.action, Money::is_none(&sale.amount)) {
        (Action::Sale, _) => {
            say("<b>{merchant}</b> sells for <b>{amount}</b>: order <b>{order}</b>")
        }
        (Action::Subscription, _) => {
            say("<b>{merchant}</b> sells a subscription for <b>{amount}</b>: order <b>{order}</b>")
        }
        (Action::Lead, true) => say("<b>{merchant}</b> gains a lead: order <b>{order}</b>"),
        (Action::Lead, false) => {
            say("<b>{merchant}</b> gains a lead worth <b>{amount}</b>: order <b>{order}</b>")
        }
        (Action::Signup, true) => say("<b>{merchant}</b> gains a signup: order <b>{order}</b>"),
        (Action::Signup, false) => {
            say("<b>{merchant}</b> gains a signup worth <b>{amount}</b>: order <b>{order}</b>")
        }
    }
    .name("merchant", &sale.merchant)
    .with("amount", Money::new(sale.currency, &sale.amount))
    .name("order", &sale.order_ref)
}

fn of_funding(funding: &Funding<Decimal>) -> Said<'_> {
    let covered = funding.lines.len() as u64;
    match (Money::is_none(&funding.received), covered) {
        (false, 0) => say("<b>{merchant}</b> pays <b>{amount}</b> in advance"),
        (false, _) => say("<b>{merchant}</b> pays <b>{amount}</b> and covers {commissions}"),
        (true, _) => say("<b>{merchant}</b> covers {commissions} from what it has prepaid"),
    }
    .name("merchant", &funding.merchant)
    .with("amount", Money::new(funding.currency, &funding.received))
    .with("commissions", commissions(covered))
}

fn of_payout(payout: &Payout<Decimal>) -> Said<'_> {
    let (paid, adjusted) = payout.lines.iter().fold((0, 0), |(paid, adjusted), line| match line {
        PayoutLine::Commission { .. } => (paid + 1, adjusted),
        PayoutLine::Adjustment { .. } => (paid, adjusted + 1),
        PayoutLine::Fee { .. }
        | PayoutLine::WithheldTax { .. }
        | PayoutLine::CarriedForward { .. } => (paid, adjusted),
    });
    let lines = match adjusted {
        0 => commissions(paid),
        _ => say("{commissions} and {adjustments}")
            .with("commissions", commissions(paid))
            .with("adjustments", counted(adjusted, "{count} adjustment", "{count} adjustments")),
    };
    match &payout.total {
        Some(total) => {
            if payout.continues.is_some() {
                say("Affiliate <b>{affiliate}</b> is to be paid <b>{amount}</b>, in several parts of which this is the last")
            } else {
                say("Affiliate <b>{affiliate}</b> is to be paid <b>{amount}</b> for {lines}")
            }
            .with("amount", Money::new(payout.currency, total))
        }
        None => say("Part of a payout in {currency} to affiliate <b>{affiliate}</b>: {lines}")
            .name("currency", payout.currency),
    }
    .name("affiliate", &payout.affiliate)
    .with("lines", lines)
}

/// A number of commissions.
fn commissions<'a>(count: u64) -> Said<'a> {
    counted(count, "{count} commission", "{count} commissions")
}

fn of_balance(balance: &Balance<Decimal>) -> Said<'_> {
    match balance {
        Balance::Commission { affiliate, merchant, currency, amount, state, .. } => {
            say("A commission of <b>{amount}</b> to <b>{affiliate}</b> at <b>{merchant}</b> ({state}) is <b>brought in</b> from {source}")
                .with("amount", Money::new(*currency, amount))
                .name("affiliate", affiliate)
                .name("merchant", merchant)
                .with("state", imported_state(*state))
        }
        Balance::Affiliate { affiliate, effect, currency, amount } => match effect {
            Effect::Credit => say("A credit of <b>{amount}</b> of affiliate <b>{affiliate}</b> is <b>brought in</b> from {source}"),
            Effect::Debit => say("A debt of <b>{amount}</b> of affiliate <b>{affiliate}</b> is <b>brought in</b> from {source}"),
        }
        .with("amount", Money::new(*currency, amount))
        .name("affiliate", affiliate),
        Balance::Merchant { merchant, currency, amount } => {
            say("Prepaid money of <b>{merchant}</b>, <b>{amount}</b>, is <b>brought in</b> from {source}")
                .with("amount", Money::new(*currency, amount))
                .name("merchant", merchant)
        }
    }
}

/// Where a commission stood that was brought in.
pub(super) fn imported_state<'a>(state: ImportedState) -> Said<'a> {
    match state {
        ImportedState::Pending => say("pending"),
        ImportedState::Approved => say("approved"),
        ImportedState::Locked => say("locked"),
        ImportedState::Funded => say("funded"),
    }
}
