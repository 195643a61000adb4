//! The statement of a period: what there was before, every entry that moved it, and what there is
//! at its end.
//!
//! A period is one of blocks, by their heights or their times. Blocks never change, so neither does
//! the statement of a period that is over; and one period begins with what the one before ended with.

use serde::Serialize;
use utoipa::ToSchema;

use super::as_of::{block_time, first_height, header};
use super::figure::{Figure, scale};
use super::{AsOf, Page, PageOf, QueryError};
use crate::protocol::accounts::{Account, Slot, Sums};
use crate::protocol::block::Heading;
use crate::protocol::entry::Kind;
use crate::protocol::hash::EntryId;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::rules::{AdjustmentState, CommissionState as State};
use crate::protocol::time::Timestamp;
use crate::store::{AccountLine, StoreError, View};

/// Where a period begins or ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// Where the ledger does.
    #[default]
    Open,
    /// With the block of this height, that included.
    Height(u64),
    /// With the first block that isn't earlier, that included where a period begins and not where it
    /// ends. So the end of one is the beginning of the next.
    Time(Timestamp),
}

/// A period, by when entries were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Where it begins.
    pub from: Bound,
    /// Where it ends.
    pub to: Bound,
}

/// What a row of a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowType {
    /// What there was before the period; moves nothing.
    Opening,
    /// An entry, and what it moved.
    Line,
    /// What there is at the end; moves what all lines moved.
    Closing,
}

/// Where a row stands in the ledger.
struct Place {
    row: RowType,
    height: u64,
    recorded_at: Timestamp,
    entry: Option<EntryPlace>,
}

/// The entry of a line.
struct EntryPlace {
    index: u64,
    event_time: Timestamp,
    kind: Kind,
    external_id: Id,
    id: EntryId,
}

/// A row of a statement, made of what it moves and what there is after it.
trait StatementRow: Sized {
    fn new(place: Place, currency: Currency, sums: [&Sums; 2], scale: u8) -> Self;
}

/// Declares a row: each balance, the member for what moves of it, and how it follows from sums.
macro_rules! statement_row {
    ($(#[$doc:meta])* $row:ident {
        $($(#[$about:meta])* $balance:ident, $change:ident: $number:expr;)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
        pub struct $row {
            /// What the row is.
            pub row: RowType,
            /// The currency of the amounts.
            pub currency: Currency,
            /// The height of the entry's block; of the last block before the period, or the
            /// period's last.
            #[schema(example = 17)]
            pub height: u64,
            /// The time of that block.
            pub recorded_at: Timestamp,
            /// The entry's log index.
            #[schema(example = 4711)]
            pub index: Option<u64>,
            /// When it happened, by the submitter's word.
            pub event_time: Option<Timestamp>,
            /// The entry's kind.
            pub kind: Option<Kind>,
            /// The submitter's name for it.
            pub external_id: Option<Id>,
            /// Its identity.
            pub entry: Option<EntryId>,
            /// The path of the proof that it is on the ledger.
            pub receipt: Option<String>,
            $(
                /// What the row moves of the balance of that name.
                #[schema(value_type = String, example = "-2.50")]
                pub $change: Figure,
            )+
            $(
                $(#[$about])*
                #[schema(value_type = String, example = "12.50")]
                pub $balance: Figure,
            )+
        }

        impl StatementRow for $row {
            fn new(place: Place, currency: Currency, sums: [&Sums; 2], scale: u8) -> Self {
                let Place { row, height, recorded_at, entry } = place;
                let [moved, after] = sums;
                let of = |number: fn(&Sums) -> i128, sums| Figure::new(number(sums), scale);
                Self {
                    row,
                    currency,
                    height,
                    recorded_at,
                    index: entry.as_ref().map(|entry| entry.index),
                    event_time: entry.as_ref().map(|entry| entry.event_time),
                    kind: entry.as_ref().map(|entry| entry.kind),
                    entry: entry.as_ref().map(|entry| entry.id),
                    receipt: entry.as_ref().map(|entry| format!("/v1/entries/{}/receipt", entry.id)),
                    external_id: entry.map(|entry| entry.external_id),
                    $($change: of($number, moved),)+
                    $($balance: of($number, after),)+
                }
            }
        }
    };
}

statement_row! {
    /// A row of an affiliate's statement.
    AffiliateStatementRow {
        /// Commissions stated and not yet decided, after this row.
        pending, pending_change: |sums| sums.get(Slot::left(State::Pending));
        /// Those whose locking date was put off.
        extended, extended_change: |sums| sums.get(Slot::left(State::Extended));
        /// Those that the merchant accepted.
        approved, approved_change: |sums| sums.get(Slot::left(State::Approved));
        /// Those that can't be taken back any more.
        locked, locked_change: |sums| sums.get(Slot::left(State::Locked));
        /// Those that the merchant paid for.
        funded, funded_change: |sums| sums.get(Slot::left(State::Funded));
        /// Those on their way to the affiliate.
        in_payout, in_payout_change: |sums| sums.get(Slot::left(State::InPayout));
        /// Those that were paid.
        paid, paid_change: |sums| sums.get(Slot::left(State::Paid));
        /// Those that the merchant refused.
        declined, declined_change: |sums| sums.get(Slot::left(State::Declined));
        /// Adjustments in no live payout: those for the affiliate less those against.
        adjustments_free, adjustments_free_change: |sums| adjusted(sums, AdjustmentState::Free);
        /// Adjustments in a payout on its way.
        adjustments_in_payout, adjustments_in_payout_change:
            |sums| adjusted(sums, AdjustmentState::InPayout);
        /// Adjustments that were paid.
        adjustments_paid, adjustments_paid_change: |sums| adjusted(sums, AdjustmentState::Paid);
        /// What payouts kept for later, less what was added from there.
        carried_forward, carried_forward_change: |sums| sums.get(Slot::KEPT) - sums.get(Slot::USED);
    }
}

statement_row! {
    /// A row of a merchant's statement.
    MerchantStatementRow {
        /// Commissions stated and not yet decided, after this row.
        pending, pending_change: |sums| sums.get(Slot::left(State::Pending));
        /// Those whose locking date was put off.
        extended, extended_change: |sums| sums.get(Slot::left(State::Extended));
        /// Those that the merchant accepted.
        approved, approved_change: |sums| sums.get(Slot::left(State::Approved));
        /// Those that can't be taken back any more: what the merchant owes.
        locked, locked_change: |sums| sums.get(Slot::left(State::Locked));
        /// Those that the merchant paid for.
        funded, funded_change: |sums| sums.get(Slot::left(State::Funded));
        /// Those on their way to affiliates.
        in_payout, in_payout_change: |sums| sums.get(Slot::left(State::InPayout));
        /// Those that were paid.
        paid, paid_change: |sums| sums.get(Slot::left(State::Paid));
        /// Those that the merchant refused.
        declined, declined_change: |sums| sums.get(Slot::left(State::Declined));
        /// The network's fees on pending commissions, as stated.
        fees_pending, fees_pending_change: |sums| sums.get(Slot::fee(State::Pending));
        /// On extended ones.
        fees_extended, fees_extended_change: |sums| sums.get(Slot::fee(State::Extended));
        /// On approved ones.
        fees_approved, fees_approved_change: |sums| sums.get(Slot::fee(State::Approved));
        /// On locked ones.
        fees_locked, fees_locked_change: |sums| sums.get(Slot::fee(State::Locked));
        /// On funded ones.
        fees_funded, fees_funded_change: |sums| sums.get(Slot::fee(State::Funded));
        /// On those in a payout.
        fees_in_payout, fees_in_payout_change: |sums| sums.get(Slot::fee(State::InPayout));
        /// On those that were paid.
        fees_paid, fees_paid_change: |sums| sums.get(Slot::fee(State::Paid));
        /// On declined ones.
        fees_declined, fees_declined_change: |sums| sums.get(Slot::fee(State::Declined));
        /// On those that were taken back in full.
        fees_reversed, fees_reversed_change: |sums| sums.get(Slot::fee(State::Reversed));
        /// All that the merchant paid.
        received, received_change: |sums| sums.get(Slot::RECEIVED);
        /// What of it covers commissions.
        covered, covered_change: |sums| sums.get(Slot::COVERS);
        /// What is left of it.
        prepaid, prepaid_change: |sums| sums.get(Slot::RECEIVED) - sums.get(Slot::COVERS);
    }
}

fn adjusted(sums: &Sums, state: AdjustmentState) -> i128 {
    sums.get(Slot::credit(state)) - sums.get(Slot::debit(state))
}

/// An affiliate's statement of a period in a currency; no rows where nothing moved until its end.
///
/// # Errors
/// [`QueryError`].
pub fn affiliate_statement(
    view: &View,
    at: &AsOf,
    (tenant, affiliate, currency): (&Id, &Id, Currency),
    period: Period,
    page: PageOf,
) -> Result<Page<AffiliateStatementRow>, QueryError> {
    let of = Of { view, tenant, account: Account::Affiliate(affiliate, currency), currency };
    statement(of, at, period, page)
}

/// A merchant's statement of a period in a currency; no rows where nothing moved until its end.
///
/// # Errors
/// [`QueryError`].
pub fn merchant_statement(
    view: &View,
    at: &AsOf,
    (tenant, merchant, currency): (&Id, &Id, Currency),
    period: Period,
    page: PageOf,
) -> Result<Page<MerchantStatementRow>, QueryError> {
    let of = Of { view, tenant, account: Account::Merchant(merchant, currency), currency };
    statement(of, at, period, page)
}

/// Whose statement it is.
#[derive(Clone, Copy)]
struct Of<'a> {
    view: &'a View,
    tenant: &'a Id,
    account: Account<'a>,
    currency: Currency,
}

fn statement<R: StatementRow>(
    of: Of<'_>,
    at: &AsOf,
    period: Period,
    page: PageOf,
) -> Result<Page<R>, QueryError> {
    let Of { view, tenant, account, currency } = of;
    if view.spec().currencies.scale(currency).is_err() {
        return Err(QueryError::bad("currency", format!("this ledger has no {currency}")));
    }
    let scale = scale(view, currency)?;
    let blocks = Blocks::resolve(view, at, period)?;
    let closing = view.sums(tenant, account, blocks.last)?;
    if closing.is_empty() {
        return Ok(Page::empty());
    }
    // A position is the index of the last line; that before the first, of the opening row.
    let from = page.after.map_or(blocks.first, |after| after.saturating_add(1).max(blocks.first));
    let (mut position, mut rows) = (from - 1, Vec::new());
    let mut balance = view.sums(tenant, account, position)?;
    if page.after.is_none() {
        let place = Place::end(view, RowType::Opening, blocks.before)?;
        rows.push(R::new(place, currency, [&Sums::default(), &balance], scale));
    }
    let lines = (from <= blocks.last).then(|| {
        view.account_lines(tenant, account, (from, blocks.last), page.limit.saturating_add(1))
    });
    let mut block = None;
    for line in lines.into_iter().flatten() {
        if rows.len() >= page.limit {
            return Ok(Page { rows, next: Some(position) });
        }
        let AccountLine { index, moved, .. } = line?;
        balance.add_all(&moved);
        let place = Place::line(view, index, &mut block)?;
        rows.push(R::new(place, currency, [&moved, &balance], scale));
        position = index;
    }
    if rows.len() >= page.limit {
        return Ok(Page { rows, next: Some(position) });
    }
    let mut moved = closing.clone();
    moved.take_all(&view.sums(tenant, account, blocks.first - 1)?);
    let place = Place::end(view, RowType::Closing, blocks.end)?;
    rows.push(R::new(place, currency, [&moved, &closing], scale));
    Ok(Page { rows, next: None })
}

impl Place {
    /// Of a row at either end.
    fn end(view: &View, row: RowType, height: u64) -> Result<Self, StoreError> {
        Ok(Self { row, height, recorded_at: block_time(view, height)?, entry: None })
    }

    /// Of the line of the entry at `index`; `block` is the height and the time of the block of the
    /// one before.
    fn line(
        view: &View,
        index: u64,
        block: &mut Option<(u64, Timestamp)>,
    ) -> Result<Self, StoreError> {
        let missing = || StoreError::damaged(format!("index {index}"), "a line names no entry");
        let (heading, height) = view.heading_and_height(index)?.ok_or_else(missing)?;
        let recorded_at = match *block {
            Some((same, time)) if same == height => time,
            _ => block_time(view, height)?,
        };
        *block = Some((height, recorded_at));
        let Heading { event_time, kind, external_id, id, .. } = heading;
        let place = EntryPlace { index, event_time, kind, external_id, id };
        Ok(Self { row: RowType::Line, height, recorded_at, entry: Some(place) })
    }
}

/// The blocks of a period.
struct Blocks {
    /// The height of the last block before it; genesis, which has no entries, where there is none.
    before: u64,
    /// The height of its last block; of the last before it, where it has none.
    end: u64,
    /// The first log index, not 0.
    first: u64,
    /// The last log index; less than the first, where it has no block.
    last: u64,
}

impl Blocks {
    fn resolve(view: &View, at: &AsOf, period: Period) -> Result<Self, QueryError> {
        let beyond = |field| {
            QueryError::bad(
                field,
                format!("the answer is as of height {}, which is less", at.height),
            )
        };
        let end_of_all = at.height.saturating_add(1);
        let since = |time| first_height(view, end_of_all, |of_block| of_block < time);
        let from = match period.from {
            Bound::Open => 0,
            Bound::Height(height) if height > at.height => return Err(beyond("from_height")),
            Bound::Height(height) => height,
            Bound::Time(time) => since(time)?,
        };
        let (end, field) = match period.to {
            Bound::Open => (end_of_all, "to"),
            Bound::Height(height) if height > at.height => return Err(beyond("to_height")),
            Bound::Height(height) => (height + 1, "to_height"),
            Bound::Time(time) => (since(time)?, "to_time"),
        };
        let backwards = match (period.from, period.to) {
            (Bound::Height(from), Bound::Height(to)) => from > to,
            (Bound::Time(from), Bound::Time(to)) => from > to,
            (_, Bound::Open) => false,
            _ => from > end,
        };
        if backwards {
            return Err(QueryError::bad(field, "the period ends before it begins"));
        }
        let size_before = |height: u64| match height.checked_sub(1) {
            None => Ok(0),
            Some(last) => header(view, last).map(|header| header.log_size()),
        };
        Ok(Self {
            before: from.saturating_sub(1),
            end: end.saturating_sub(1),
            first: size_before(from)?.max(1),
            last: size_before(end)?.saturating_sub(1),
        })
    }
}
