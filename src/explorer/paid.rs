//! What a payout pays, line by line and by type.

use std::collections::BTreeMap;

use super::answer::{ExplorerError, Reader};
use super::marks::Named;
use super::values::{Count, Money};
use crate::protocol::entry::{Effect, Kind, Payout, PayoutLine};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;

/// The lines of one payout entry.
pub(super) struct Paid {
    /// As many as a page lists, in their order.
    pub(super) lines: Vec<PaidLine>,
    /// All of them, by type.
    pub(super) by_type: Vec<PaidSum>,
}

/// A line.
pub(super) struct PaidLine {
    pub(super) name: LineName,
    /// The entry that it names.
    pub(super) entry: Option<(Kind, Id)>,
    pub(super) effect: Effect,
    pub(super) amount: Money,
}

/// The lines of one type.
pub(super) struct PaidSum {
    pub(super) name: LineName,
    pub(super) effect: Effect,
    pub(super) count: Count,
    pub(super) amount: Money,
}

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineName {
    Commission,
    Adjustment,
    Fee,
    WithheldTax,
    CarriedForward,
}

impl Reader<'_> {
    /// What `payout` pays, given the entries that it names.
    pub(super) fn paid(
        &self,
        payout: &Payout<Amount>,
        named: &BTreeMap<(Kind, Id), Named>,
    ) -> Result<Paid, ExplorerError> {
        let mut lines = Vec::new();
        let mut sums: BTreeMap<(LineName, bool), (u64, Amount)> = BTreeMap::new();
        for line in &payout.lines {
            let entry = line.names().map(|(kind, name)| (kind, name.clone()));
            let of_entry = entry.as_ref().and_then(|entry| named.get(entry)?.effect);
            let (name, effect) = match line {
                PayoutLine::Commission { .. } => (LineName::Commission, Effect::Credit),
                PayoutLine::Adjustment { .. } => {
                    (LineName::Adjustment, of_entry.unwrap_or(Effect::Credit))
                }
                PayoutLine::Fee { .. } => (LineName::Fee, Effect::Debit),
                PayoutLine::WithheldTax { .. } => (LineName::WithheldTax, Effect::Debit),
                PayoutLine::CarriedForward { effect, .. } => (LineName::CarriedForward, *effect),
            };
            let amount = *line.amount();
            let (count, sum) = sums.entry((name, effect == Effect::Debit)).or_default();
            *count += 1;
            *sum = sum.checked_add(amount).expect("the rules admit only sums that are amounts");
            if lines.len() < super::entry::MAX_LINES_SHOWN {
                let amount = self.money(payout.currency, amount)?;
                lines.push(PaidLine { name, entry, effect, amount });
            }
        }
        let by_type = sums.into_iter().map(|((name, taken_off), (count, sum))| {
            let effect = if taken_off { Effect::Debit } else { Effect::Credit };
            let amount = self.money(payout.currency, sum)?;
            Ok(PaidSum { name, effect, count: Count(count), amount })
        });
        Ok(Paid { lines, by_type: by_type.collect::<Result<_, ExplorerError>>()? })
    }
}
