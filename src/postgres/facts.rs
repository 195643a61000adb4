//! From an entry to the rows that say the same: pure, so that what was written can be told again and
//! compared.

use super::copy::Field;
use super::tables::Relation;
use crate::protocol::entry::{
    Adjustment, Amended, Amendment, Balance, Body, Claim, Commission, Decision, Entry, Funding, Fx,
    Inquiry, OpeningBalance, Outcome, PaymentEvent, Payout, PayoutLine, ProgramTerms, Reason,
    Reversal, Role, SpecChange, Transaction, Verdict,
};
use crate::protocol::id::Id;
use crate::protocol::money::{Amount, Currency, MoneyError};
use crate::protocol::spec::Currencies;
use crate::protocol::text::EntryText;

/// Takes a row: of which table, which line of the entry, and the fields that follow the table's
/// first columns. Those are `index`, and `line` or `tenant`, `external_id` and `event_time`.
pub trait Take: FnMut(Relation, Option<i32>, &[Field<'_>]) {}

impl<T: FnMut(Relation, Option<i32>, &[Field<'_>])> Take for T {}

/// Hands the rows of an entry to `take`, that of the entry itself first, then its lines.
///
/// # Errors
/// [`MoneyError::UnknownCurrency`] for an entry of another chain.
pub fn facts(
    entry: &Entry,
    currencies: &Currencies,
    mut take: impl Take,
) -> Result<(), MoneyError> {
    let scale = |currency| currencies.scale(currency);
    match &entry.body {
        Body::ProgramTerms(terms) => program_terms(entry, terms, currencies, take)?,
        Body::Transaction(sold) => transaction(sold, scale(sold.currency)?, take),
        Body::Commission(earned) => commission(earned, scale(earned.currency)?, take),
        Body::Decision(decided) => decision(decided, take),
        Body::Amendment(amended) => amendment(amended, scale(amended.currency)?, take),
        Body::Reversal(reversed) => reversal(reversed, currencies, take)?,
        Body::Adjustment(adjusted) => adjustment(adjusted, scale(adjusted.currency)?, take),
        Body::Inquiry(asked) => inquiry(asked, scale(asked.currency)?, take),
        Body::InquiryResolution(answer) => {
            let (outcome, reason) = match answer.outcome {
                Outcome::Valid => ("valid", None),
                Outcome::Declined { reason } => ("declined", Some(reason)),
                Outcome::Incomplete => ("incomplete", None),
            };
            let row = [text(&answer.inquiry), outcome.into(), because(reason)];
            take(Relation::InquiryResolutions, None, &row);
        }
        Body::Funding(paid) => funding(paid, scale(paid.currency)?, take),
        Body::Payout(paid) => payout(paid, scale(paid.currency)?, take),
        Body::PayoutEvent(event) => {
            let (name, payment_ref) = match &event.event {
                PaymentEvent::Sent { payment_ref } => ("sent", payment_ref.as_ref()),
                PaymentEvent::Completed => ("completed", None),
                PaymentEvent::Failed => ("failed", None),
                PaymentEvent::Returned => ("returned", None),
            };
            let row = [text(&event.payout), name.into(), maybe(payment_ref)];
            take(Relation::PayoutEvents, None, &row);
        }
        Body::AffiliateUpline(stands) => {
            let row = [text(&stands.affiliate), maybe(stands.upline.as_ref())];
            take(Relation::AffiliateUplines, None, &row);
        }
        Body::OpeningBalance(opening) => opening_balance(opening, currencies, take)?,
        Body::ErasureNotice(notice) => {
            let row = [notice.entry.kind.as_str().into(), text(&notice.entry.external_id)];
            take(Relation::ErasureNotices, None, &row);
        }
        Body::SpecChange(change) => spec_change(entry, change, currencies, take)?,
    }
    Ok(())
}

fn text(id: &Id) -> Field<'_> {
    Field::Text(id.as_str())
}

fn maybe(id: Option<&Id>) -> Field<'_> {
    Field::optional(id, text)
}

fn money(currency: &Currency) -> Field<'_> {
    Field::Text(currency.as_str())
}

fn because<'a>(reason: Option<Reason>) -> Field<'a> {
    Field::optional(reason, |reason| reason.as_str().into())
}

/// A number of lines is bounded, far below this.
fn numbered<T>(lines: &[T]) -> impl Iterator<Item = (Option<i32>, &T)> {
    (0..).map(Some).zip(lines)
}

/// Into which currency amounts are changed, how, by whom, and when.
fn change(fx: Option<&Fx>) -> [Field<'_>; 4] {
    let Some(fx) = fx else { return [Field::Null; 4] };
    [money(&fx.to), Field::rate(fx.rate), text(&fx.source), Field::Time(fx.at)]
}

/// The body as the API shows it, for what is too much of a tree for columns.
fn body(entry: &Entry, currencies: &Currencies) -> Result<String, MoneyError> {
    let entry = EntryText::new(entry, currencies)?;
    Ok(serde_json::to_string(entry.body()).expect("a body is made of names and numbers"))
}

fn program_terms(
    entry: &Entry,
    terms: &ProgramTerms<Amount>,
    currencies: &Currencies,
    mut take: impl Take,
) -> Result<(), MoneyError> {
    let row = [
        text(&terms.merchant),
        text(&terms.program),
        Field::number(terms.version),
        Field::Time(terms.effective_from),
        Field::optional(terms.effective_until, Field::Time),
        Field::number(terms.network_fee_ppm),
        Field::Text(&body(entry, currencies)?),
    ];
    take(Relation::ProgramTerms, None, &row);
    Ok(())
}

fn transaction(sold: &Transaction<Amount>, scale: u8, mut take: impl Take) {
    let [fx_to, fx_rate, fx_source, fx_at] = change(sold.fx.as_ref());
    let row = [
        text(&sold.order_ref),
        text(&sold.merchant),
        text(&sold.program),
        sold.action.as_str().into(),
        money(&sold.currency),
        Field::amount(sold.amount, scale),
        Field::optional(sold.discount, |amount| Field::amount(amount, scale)),
        maybe(sold.voucher.as_ref()),
        maybe(sold.commission_group.as_ref()),
        maybe(sold.link_ref.as_ref()),
        maybe(sold.campaign_ref.as_ref()),
        maybe(sold.click_ref.as_ref()),
        fx_to,
        fx_rate,
        fx_source,
        fx_at,
    ];
    take(Relation::Transactions, None, &row);
    for (line, item) in numbered(&sold.items) {
        let row = [
            text(&item.item),
            Field::number(item.quantity),
            Field::amount(item.amount, scale),
            maybe(item.commission_group.as_ref()),
        ];
        take(Relation::TransactionItems, line, &row);
    }
}

fn commission(earned: &Commission<Amount>, scale: u8, mut take: impl Take) {
    let nothing = Field::Null;
    let (role, share, groups, of, level) = match &earned.role {
        Role::Direct { share_ppm, commission_group, affiliate_group } => {
            let groups = [maybe(commission_group.as_ref()), maybe(affiliate_group.as_ref())];
            ("direct", Field::number(*share_ppm), groups, nothing, nothing)
        }
        Role::Override { of, level } => {
            ("override", nothing, [nothing; 2], text(of), Field::Integer((*level).into()))
        }
    };
    let [commission_group, affiliate_group] = groups;
    let row = [
        text(&earned.transaction),
        text(&earned.terms),
        Field::Integer(earned.rule.into()),
        text(&earned.affiliate),
        role.into(),
        share,
        commission_group,
        affiliate_group,
        of,
        level,
        money(&earned.currency),
        Field::amount(earned.amount, scale),
        Field::amount(earned.fee, scale),
        Field::optional(earned.locking_date, Field::Time),
        because(earned.deviation),
    ];
    take(Relation::Commissions, None, &row);
}

fn decision(decided: &Decision, mut take: impl Take) {
    let (verdict, reason, locking_date) = match decided.verdict {
        Verdict::Approve => ("approve", None, None),
        Verdict::Decline { reason } => ("decline", Some(reason), None),
        Verdict::Extend { locking_date } => ("extend", None, Some(locking_date)),
        Verdict::Lock => ("lock", None, None),
    };
    let row = [
        text(&decided.commission),
        verdict.into(),
        because(reason),
        Field::optional(locking_date, Field::Time),
    ];
    take(Relation::Decisions, None, &row);
}

fn amendment(amended: &Amendment<Amount>, scale: u8, mut take: impl Take) {
    let nothing = Field::Null;
    let of = match &amended.of {
        Amended::Commission { commission } => [text(commission), nothing, nothing],
        Amended::Transaction { transaction, commission_group } => {
            [nothing, text(transaction), maybe(commission_group.as_ref())]
        }
    };
    let [commission, transaction, commission_group] = of;
    let row = [
        commission,
        transaction,
        commission_group,
        money(&amended.currency),
        Field::amount(amended.old, scale),
        Field::amount(amended.new, scale),
        amended.reason.as_str().into(),
    ];
    take(Relation::Amendments, None, &row);
}

fn reversal(
    reversed: &Reversal<Amount>,
    currencies: &Currencies,
    mut take: impl Take,
) -> Result<(), MoneyError> {
    let refund = reversed.refund.as_ref();
    let [refund_currency, refund_amount] = match refund {
        None => [Field::Null; 2],
        Some(refund) => {
            let scale = currencies.scale(refund.currency)?;
            [money(&refund.currency), Field::amount(refund.amount, scale)]
        }
    };
    let row = [
        text(&reversed.commission),
        money(&reversed.currency),
        Field::amount(reversed.amount, currencies.scale(reversed.currency)?),
        reversed.reason.as_str().into(),
        refund_currency,
        refund_amount,
    ];
    take(Relation::Reversals, None, &row);
    for (line, item) in numbered(refund.map_or(&[][..], |refund| &refund.items)) {
        take(Relation::RefundItems, line, &[text(&item.item), Field::number(item.quantity)]);
    }
    Ok(())
}

fn adjustment(adjusted: &Adjustment<Amount>, scale: u8, mut take: impl Take) {
    let row = [
        text(&adjusted.affiliate),
        adjusted.effect.as_str().into(),
        money(&adjusted.currency),
        Field::amount(adjusted.amount, scale),
        adjusted.related.kind.as_str().into(),
        text(&adjusted.related.external_id),
        adjusted.reason.as_str().into(),
    ];
    take(Relation::Adjustments, None, &row);
}

fn inquiry(asked: &Inquiry<Amount>, scale: u8, mut take: impl Take) {
    let (claim, order_ref) = match &asked.claim {
        Claim::Untracked { order_ref } => ("untracked", order_ref.as_ref()),
        Claim::Incorrect { .. } => ("incorrect", None),
        Claim::Declined { .. } => ("declined", None),
    };
    let row = [
        text(&asked.affiliate),
        text(&asked.merchant),
        text(&asked.program),
        claim.into(),
        maybe(order_ref),
        maybe(asked.claim.commission()),
        money(&asked.currency),
        Field::amount(asked.amount, scale),
    ];
    take(Relation::Inquiries, None, &row);
}

fn funding(paid: &Funding<Amount>, scale: u8, mut take: impl Take) {
    let row = [
        text(&paid.merchant),
        text(&paid.payment_ref),
        money(&paid.currency),
        Field::amount(paid.received, scale),
    ];
    take(Relation::Fundings, None, &row);
    for (line, covered) in numbered(&paid.lines) {
        let row = [text(&covered.commission), Field::amount(covered.amount, scale)];
        take(Relation::FundingLines, line, &row);
    }
}

fn payout(paid: &Payout<Amount>, scale: u8, mut take: impl Take) {
    let [fx_to, fx_rate, fx_source, fx_at] = change(paid.fx.as_ref());
    let row = [
        text(&paid.affiliate),
        money(&paid.currency),
        Field::Time(paid.period_from),
        Field::Time(paid.period_until),
        maybe(paid.continues.as_ref()),
        Field::optional(paid.total, |total| Field::amount(total, scale)),
        fx_to,
        fx_rate,
        fx_source,
        fx_at,
    ];
    take(Relation::Payouts, None, &row);
    for (number, line) in numbered(&paid.lines) {
        let nothing = Field::Null;
        let [name, commission, adjustment, effect] = match line {
            PayoutLine::Commission { commission, .. } => {
                ["commission".into(), text(commission), nothing, nothing]
            }
            PayoutLine::Adjustment { adjustment, .. } => {
                ["adjustment".into(), nothing, text(adjustment), nothing]
            }
            PayoutLine::Fee { .. } => ["fee".into(), nothing, nothing, nothing],
            PayoutLine::WithheldTax { .. } => ["withheld_tax".into(), nothing, nothing, nothing],
            PayoutLine::CarriedForward { effect, .. } => {
                ["carried_forward".into(), nothing, nothing, effect.as_str().into()]
            }
        };
        let amount = Field::amount(*line.amount(), scale);
        take(Relation::PayoutLines, number, &[name, commission, adjustment, effect, amount]);
    }
}

fn opening_balance(
    opening: &OpeningBalance<Amount>,
    currencies: &Currencies,
    mut take: impl Take,
) -> Result<(), MoneyError> {
    let nothing = Field::Null;
    let (of, currency, amount, ends) = match &opening.balance {
        Balance::Commission { affiliate, merchant, currency, amount, state, locking_date } => {
            let of = ["commission".into(), text(affiliate), text(merchant), nothing];
            let locks = Field::optional(*locking_date, Field::Time);
            (of, currency, amount, [state.as_str().into(), locks])
        }
        Balance::Affiliate { affiliate, effect, currency, amount } => {
            let of = ["affiliate".into(), text(affiliate), nothing, effect.as_str().into()];
            (of, currency, amount, [nothing; 2])
        }
        Balance::Merchant { merchant, currency, amount } => {
            let of = ["merchant".into(), nothing, text(merchant), nothing];
            (of, currency, amount, [nothing; 2])
        }
    };
    let ([name, affiliate, merchant, effect], [state, locking_date]) = (of, ends);
    let row = [
        text(&opening.source),
        name,
        affiliate,
        merchant,
        effect,
        money(currency),
        Field::amount(*amount, currencies.scale(*currency)?),
        state,
        locking_date,
    ];
    take(Relation::OpeningBalances, None, &row);
    Ok(())
}

fn spec_change(
    entry: &Entry,
    change: &SpecChange,
    currencies: &Currencies,
    mut take: impl Take,
) -> Result<(), MoneyError> {
    let row = [
        Field::number(change.number),
        Field::number(change.from_height),
        Field::Text(&body(entry, currencies)?),
    ];
    take(Relation::SpecChanges, None, &row);
    Ok(())
}
