//! Sums and lines of accounts, as they were at some index.

use super::line::{Parts, add_from_end};
use super::{AccountKey, Dealing, LINE_KEY_BYTES, Line, line_key, split_line_key};
use crate::protocol::accounts::{Account, Party, Sums};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::error::StoreError;
use crate::store::read::View;
use crate::store::sorted::{Cursor, Order, SortedMap, Stretch, Value};

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
/// All dealings and shares of payouts.
pub(in crate::store) type Dealings = SortedMap<LINE_KEY_BYTES, Dealing>;

/// What the lines of an account up to `last` come to.
pub(in crate::store) fn sums(
    lines: &Lines,
    account: AccountKey,
    last: u64,
) -> Result<Sums, StoreError> {
    let mut sums = Sums::default();
    if last == 0 {
        // Genesis moves nothing.
        return Ok(sums);
    }
    let (first, last) = (line_key(account, 0), line_key(account, last));
    lines.look_back(&first, &last, |stretch| match stretch {
        Stretch::Memory(lines) => {
            for (_, line) in lines {
                line.add_to(&mut sums);
            }
            Ok(true)
        }
        Stretch::Page(lines) => add_from_end(lines, &mut sums),
    })?;
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
