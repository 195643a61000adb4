//! Sums and lines of accounts, as they were at some index.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::line::{Parts, add_from_end};
use super::{AccountKey, Dealing, LINE_KEY_BYTES, Line, line_key, split_line_key};
use crate::protocol::accounts::{Account, Party, Sums};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::error::StoreError;
use crate::store::read::View;
use crate::store::sorted::{Cursor, Order, Run, SortedMap, Value};

/// How many sums of accounts in runs are kept at hand, some 200 bytes each.
const SUMS_AT_HAND: usize = 64 * 1024;

/// What moved of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLine {
    /// The log index of the entry; of the last entry, where a line is of a whole block.
    pub index: u64,
    /// By events of which day of the month, in the account of a month; 0 in others.
    pub day: u8,
    /// By how much.
    pub moved: Sums,
}

/// With whom a party has dealings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DealingsWith {
    /// What tells them apart from others of the party; in no order that means anything.
    pub key: u64,
    /// Who owes.
    pub merchant: Id,
    /// Under which program; none for what was brought in.
    pub program: Option<Id>,
    /// Who earns.
    pub affiliate: Id,
    /// In which currency.
    pub currency: Currency,
}

impl DealingsWith {
    /// The account of what the two have to do with each other.
    pub fn account(&self) -> Account<'_> {
        Account::Dealings {
            merchant: &self.merchant,
            program: self.program.as_ref(),
            affiliate: &self.affiliate,
            currency: self.currency,
        }
    }
}

/// The lines of all accounts.
pub(in crate::store) type Lines = SortedMap<LINE_KEY_BYTES, Line>;
type LinesRun = Run<LINE_KEY_BYTES>;
/// All dealings and shares of payouts.
pub(in crate::store) type Dealings = SortedMap<LINE_KEY_BYTES, Dealing>;

/// What accounts come to in runs, where that was asked for lately: a run never changes.
pub(in crate::store) struct SumsAtHand {
    known: Cache<(u64, AccountKey), Arc<InRun>>,
}

/// What all lines of an account in a run come to.
struct InRun {
    /// The index of the last of them; 0 where there is none.
    last: u64,
    sums: Sums,
}

impl Default for SumsAtHand {
    fn default() -> Self {
        Self { known: Cache::new(SUMS_AT_HAND) }
    }
}

impl SumsAtHand {
    fn in_run(&self, run: &LinesRun, account: AccountKey) -> Result<Arc<InRun>, StoreError> {
        let key = (run.number(), account);
        self.known.get_or_insert_with(&key, || InRun::read(run, account, u64::MAX).map(Arc::new))
    }
}

impl InRun {
    /// Of the lines up to `last`.
    fn read(run: &LinesRun, account: AccountKey, last: u64) -> Result<Self, StoreError> {
        let mut found = Self { last: 0, sums: Sums::default() };
        run.look_back(&line_key(account, 0), &line_key(account, last), |lines| {
            let latest = lines.last().map_or(0, |(key, _)| split_line_key(key).1);
            found.last = found.last.max(latest);
            add_from_end(lines.iter().map(|(_, line)| *line), &mut found.sums)
        })?;
        Ok(found)
    }
}

/// What the lines of an account up to `last` come to.
pub(in crate::store) fn sums(
    lines: &Lines,
    at_hand: &SumsAtHand,
    account: AccountKey,
    last: u64,
) -> Result<Sums, StoreError> {
    let mut sums = Sums::default();
    if last == 0 {
        // Genesis moves nothing.
        return Ok(sums);
    }
    let (from, until) = (line_key(account, 0), line_key(account, last));
    lines.look_in_memory(&from, &until, |line| line.add_to(&mut sums));
    for run in lines.runs_with(&from) {
        let all = at_hand.in_run(run, account)?;
        if all.last <= last {
            sums.add_all(&all.sums);
        } else {
            sums.add_all(&InRun::read(run, account, last)?.sums);
        }
    }
    Ok(sums)
}

/// All that is listed under a party or payout, with the keys.
pub(in crate::store) fn dealings(
    dealings: &Dealings,
    of: AccountKey,
    from: u64,
    limit: usize,
) -> Result<Vec<([u8; LINE_KEY_BYTES], Dealing)>, StoreError> {
    let (first, last) = (line_key(of, from), line_key(of, u64::MAX));
    let mut found = dealings.range(first, last, Order::Ascending)?;
    let mut all = Vec::new();
    while let Some((key, value)) = found.record()
        && all.len() < limit
    {
        all.push((*key, Dealing::read(value)?));
        found.advance()?;
    }
    Ok(all)
}

impl View {
    /// What moved of an account up to the log index `last`, that included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sums(&self, tenant: &Id, account: Account<'_>, last: u64) -> Result<Sums, StoreError> {
        let last = last.min(self.last_index());
        self.store.inner.derived.sums(account.key(tenant), last)
    }

    /// The first `most` lines of an account between two log indexes, those included.
    pub fn account_lines(
        &self,
        tenant: &Id,
        account: Account<'_>,
        (first, last): (u64, u64),
        most: usize,
    ) -> impl Iterator<Item = Result<AccountLine, StoreError>> + use<> {
        let (key, last) = (account.key(tenant), last.min(self.last_index()));
        let lines = self.store.inner.derived.lines();
        // A block that comes later has greater log indexes.
        let lines = lines.in_turn(line_key(key, first.min(last)), line_key(key, last), most);
        lines.map(|line| {
            let (key, value) = line?;
            let (Parts { day, moved, .. }, (_, index)) = (Parts::of(&value)?, split_line_key(&key));
            Ok(AccountLine { index, day, moved })
        })
    }

    /// With whom a party has dealings: at most `limit`, from the one with this key on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dealings(
        &self,
        tenant: &Id,
        party: Party<'_>,
        from: u64,
        limit: usize,
    ) -> Result<Vec<DealingsWith>, StoreError> {
        let found = self.store.inner.derived.dealings(party.key(tenant), from, limit)?;
        let with = found.into_iter().filter_map(|(key, dealing)| {
            let Dealing { merchant, program, affiliate, currency, .. } = dealing;
            let (_, key) = split_line_key(&key);
            Some(DealingsWith { key, merchant: merchant?, program, affiliate, currency })
        });
        Ok(with.collect())
    }

    fn last_index(&self) -> u64 {
        self.head().size().saturating_sub(1)
    }
}
