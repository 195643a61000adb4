//! What an affiliate earned: what came in, what was taken back, and what is left of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::figure::{Figure, over_reasons, scale};
use super::page::dealings;
use super::period::Length;
use super::{AsOf, Day, Page, PageOf, QueryError, Span};
use crate::protocol::accounts::{Account, Party, Slot, Sums};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::{DealingsWith, StoreError, View};

/// By what earnings are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EarningsBy {
    /// By the day of each event.
    Day,
    /// By the week of each event, from Monday on.
    Week,
    /// By the month of each event.
    Month,
    /// By program, over all time.
    Program,
    /// By merchant, over all time.
    Merchant,
}

/// Whose earnings, and by what.
#[derive(Clone, Copy, Debug)]
pub struct EarningsOf<'a> {
    /// The tenant.
    pub tenant: &'a Id,
    /// The affiliate.
    pub affiliate: &'a Id,
    /// By what they are told apart.
    pub by: EarningsBy,
}

/// What an affiliate earned in one currency, in a period or from somebody.
///
/// Each amount counts when it happened, by event time: what is taken back in April of a
/// commission of March counts in April.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EarningsRow {
    /// The day, ISO week or month.
    #[schema(example = "2026-11")]
    pub period: Option<String>,
    /// The period's first day, of those that were asked for.
    #[schema(value_type = Option<String>, format = Date, example = "2026-11-01")]
    pub from: Option<Day>,
    /// The day that all of them are before.
    #[schema(value_type = Option<String>, format = Date, example = "2026-12-01")]
    pub to: Option<Day>,
    /// Who owes.
    pub merchant: Option<Id>,
    /// Under which program; none for what was brought in from elsewhere.
    pub program: Option<Id>,
    /// The currency of the amounts.
    pub currency: Currency,
    /// How many commissions were stated or brought in.
    #[schema(example = 12)]
    pub commissions: u64,
    /// What they were stated at.
    #[schema(value_type = String, example = "120.00")]
    pub earned: Figure,
    /// What was brought in from elsewhere.
    #[schema(value_type = String, example = "0.00")]
    pub imported: Figure,
    /// What amendments added, less what they took off.
    #[schema(value_type = String, example = "-1.50")]
    pub amended: Figure,
    /// What was declined and then reopened.
    #[schema(value_type = String, example = "0.00")]
    pub reopened: Figure,
    /// What merchants refused.
    #[schema(value_type = String, example = "8.00")]
    pub declined: Figure,
    /// What was taken back.
    #[schema(value_type = String, example = "10.50")]
    pub reversed: Figure,
    /// Adjustments for the affiliate. They name no merchant, so there are none by program or
    /// merchant.
    #[schema(value_type = String, example = "2.00")]
    pub credited: Figure,
    /// Adjustments against the affiliate.
    #[schema(value_type = String, example = "0.00")]
    pub debited: Figure,
    /// What all that comes to.
    #[schema(value_type = String, example = "102.00")]
    pub net: Figure,
}

/// What a row is of.
#[derive(Default)]
struct Label {
    period: Option<(String, Day, Day)>,
    merchant: Option<Id>,
    program: Option<Id>,
}

impl EarningsRow {
    /// The row of sums, unless nothing was earned or lost.
    fn new(label: Label, currency: Currency, sums: &Sums, scale: u8) -> Option<Self> {
        let [commissions, imports] = [Slot::STATED, Slot::IMPORTED].map(|slot| sums.get(slot));
        let gains = [
            Slot::STATED_AMOUNT,
            Slot::IMPORTED_AMOUNT,
            Slot::AMENDED_AMOUNT,
            Slot::REOPENED_AMOUNT,
            Slot::CREDITED,
        ];
        let gains = gains.map(|slot| sums.get(slot));
        let losses = [
            over_reasons(sums, Slot::declined_amount),
            over_reasons(sums, Slot::reversed_amount),
            sums.get(Slot::DEBITED),
        ];
        let nothing =
            commissions + imports == 0 && gains.iter().chain(&losses).all(|amount| *amount == 0);
        if nothing {
            return None;
        }
        let net = gains.iter().sum::<i128>() - losses.iter().sum::<i128>();
        let [earned, imported, amended, reopened, credited] =
            gains.map(|amount| Figure::new(amount, scale));
        let [declined, reversed, debited] = losses.map(|amount| Figure::new(amount, scale));
        let (period, from, to) = match label.period {
            None => (None, None, None),
            Some((name, from, to)) => (Some(name), Some(from), Some(to)),
        };
        Some(Self {
            period,
            from,
            to,
            merchant: label.merchant,
            program: label.program,
            currency,
            commissions: u64::try_from(commissions + imports).unwrap_or(0),
            earned,
            imported,
            amended,
            reopened,
            declined,
            reversed,
            credited,
            debited,
            net: Figure::new(net, scale),
        })
    }
}

/// What an affiliate earned. Rows of periods come in their order, others in none that means
/// anything.
///
/// # Errors
/// [`QueryError`].
pub fn earnings(
    view: &View,
    at: &AsOf,
    of: EarningsOf<'_>,
    (from, to): (Option<Day>, Option<Day>),
    page: PageOf,
) -> Result<Page<EarningsRow>, QueryError> {
    let length = match of.by {
        EarningsBy::Day => Length::Day,
        EarningsBy::Week => Length::Week,
        EarningsBy::Month => Length::Month,
        EarningsBy::Program | EarningsBy::Merchant => {
            if let Some((field, _)) =
                [("from", from), ("to", to)].iter().find(|(_, day)| day.is_some())
            {
                let problem = "by program or merchant, earnings are those of all time";
                return Err(QueryError::bad(field, problem));
            }
            return match of.by {
                EarningsBy::Merchant => by_merchant(view, at, of, page),
                _ => by_program(view, at, of, page),
            };
        }
    };
    let needed = |field| QueryError::bad(field, "by day, week or month, it is needed: 2026-11-21");
    let from = from.ok_or_else(|| needed("from"))?;
    let to = to.ok_or_else(|| needed("to"))?;
    by_period(view, at, of, (length, Span::new(from, to)?), page)
}

/// The position of a period's row: its first day, and which of the spec's currencies.
fn position(start: Day, currency: u64) -> u64 {
    u64::from(start.number()) << 8 | currency
}

fn by_period(
    view: &View,
    at: &AsOf,
    of: EarningsOf<'_>,
    (length, span): (Length, Span),
    page: PageOf,
) -> Result<Page<EarningsRow>, QueryError> {
    let mut currencies = Vec::new();
    for (number, (currency, scale)) in (0..).zip(view.spec().currencies.iter()) {
        let account = Account::Affiliate(of.affiliate, currency);
        if !view.sums(of.tenant, account, at.last_index())?.is_empty() {
            currencies.push((number, currency, scale));
        }
    }
    let begin = page.after.and_then(|after| u32::try_from(after >> 8).ok());
    let begin = begin.map_or(span.from(), |days| Day::EPOCH.later(days).max(span.from()));
    let mut month = begin.first_of_month();
    let mut found: BTreeMap<u64, Sums> = BTreeMap::new();
    // Whole months are read until there is a page of periods that no later month adds to.
    while month < span.to() {
        for (number, currency, _) in &currencies {
            let position = |day| position(length.start(day), *number);
            add_month(view, at, of, (length, span), (month, *currency), |day, sums| {
                found.entry(position(day)).or_default().add_all(sums);
            })?;
        }
        month = month.first_of_next_month();
        let whole = found.range(..position(length.start(month), 0));
        if whole.filter(|(position, _)| page.reaches(**position)).count() > page.limit {
            break;
        }
    }
    let whole = if month < span.to() { position(length.start(month), 0) } else { u64::MAX };
    let (mut rows, mut last) = (Vec::new(), None);
    for (position, sums) in found.range(..whole).filter(|(position, _)| page.reaches(**position)) {
        if rows.len() >= page.limit {
            return Ok(Page { rows, next: last });
        }
        let start = Day::EPOCH.later(u32::try_from(position >> 8).unwrap_or(u32::MAX));
        let (from, to) = (start.max(span.from()), length.end(start).min(span.to()));
        let label = Label { period: Some((length.name(start), from, to)), ..Label::default() };
        let currency = currencies.iter().find(|(number, ..)| *number == position & 0xff);
        if let Some((_, currency, scale)) = currency {
            rows.extend(EarningsRow::new(label, *currency, sums, *scale));
        }
        last = Some(*position);
    }
    Ok(Page { rows, next: (whole != u64::MAX).then(|| whole - 1) })
}

/// Gives what moved by events of a month and currency, day by day or as a whole.
fn add_month(
    view: &View,
    at: &AsOf,
    of: EarningsOf<'_>,
    (length, span): (Length, Span),
    (month, currency): (Day, Currency),
    mut add: impl FnMut(Day, &Sums),
) -> Result<(), StoreError> {
    let account = Account::Month(of.affiliate, currency, month.start().month());
    let is_whole = span.has(month) && month.first_of_next_month() <= span.to();
    if length == Length::Month && is_whole {
        let sums = view.sums(of.tenant, account, at.last_index())?;
        if !sums.is_empty() {
            add(month, &sums);
        }
        return Ok(());
    }
    for line in view.account_lines(of.tenant, account, (0, at.last_index()), usize::MAX) {
        let line = line?;
        let day = month.later(u32::from(line.day).saturating_sub(1));
        if span.has(day) {
            add(day, &line.moved);
        }
    }
    Ok(())
}

fn by_program(
    view: &View,
    at: &AsOf,
    of: EarningsOf<'_>,
    page: PageOf,
) -> Result<Page<EarningsRow>, QueryError> {
    let Page { rows: all, next } = dealings(view, of.tenant, Party::Affiliate(of.affiliate), page)?;
    let mut rows = Vec::new();
    for with in all {
        let sums = view.sums(of.tenant, with.account(), at.last_index())?;
        let DealingsWith { merchant, program, currency, .. } = with;
        let label = Label { merchant: Some(merchant), program, ..Label::default() };
        rows.extend(EarningsRow::new(label, currency, &sums, scale(view, currency)?));
    }
    Ok(Page { rows, next })
}

fn by_merchant(
    view: &View,
    at: &AsOf,
    of: EarningsOf<'_>,
    page: PageOf,
) -> Result<Page<EarningsRow>, QueryError> {
    // An affiliate's dealings are few, and a look at their names is cheap; only those of the page
    // are summed up.
    let mut merchants: BTreeMap<(u64, Id, Currency), Vec<DealingsWith>> = BTreeMap::new();
    let mut step = PageOf { after: None, limit: 1_000 };
    loop {
        let found = dealings(view, of.tenant, Party::Affiliate(of.affiliate), step)?;
        for with in found.rows {
            let key = Account::Merchant(&with.merchant, with.currency).key(of.tenant);
            let position = u64::from_be_bytes(*key.0.first_chunk().expect("a name is longer"));
            let merchant = (position, with.merchant.clone(), with.currency);
            merchants.entry(merchant).or_default().push(with);
        }
        step.after = found.next;
        if found.next.is_none() {
            break;
        }
    }
    let (mut rows, mut last) = (Vec::new(), None);
    for ((position, merchant, currency), all) in merchants {
        if !page.reaches(position) {
            continue;
        }
        if rows.len() >= page.limit {
            return Ok(Page { rows, next: last });
        }
        let mut sums = Sums::default();
        for with in all {
            sums.add_all(&view.sums(of.tenant, with.account(), at.last_index())?);
        }
        let label = Label { merchant: Some(merchant), ..Label::default() };
        rows.extend(EarningsRow::new(label, currency, &sums, scale(view, currency)?));
        last = Some(position);
    }
    Ok(Page { rows, next: None })
}
