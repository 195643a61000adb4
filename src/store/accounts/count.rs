//! From a block to the lines of accounts.

use std::collections::BTreeMap;

use super::{Dealing, LINE_KEY_BYTES, Line, line_key};
use crate::protocol::accounts::{
    self, Account, AccountKey, Movement, Party, PayoutMove, Share, Slot, Sums,
};
use crate::protocol::block::EncodedEntry;
use crate::protocol::codec;
use crate::protocol::hash::{DigestMap, StateKey};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::protocol::rules::Changed;
use crate::protocol::time::{DAY_MS, Timestamp};
use crate::protocol::verify::VerifiedBlock;

/// What a block leads to.
#[derive(Default)]
pub(in crate::store) struct Counted {
    /// Lines, by key.
    pub lines: Vec<([u8; LINE_KEY_BYTES], Line)>,
    /// Dealings and shares of payouts as they are now, by key.
    pub dealings: BTreeMap<[u8; LINE_KEY_BYTES], Dealing>,
}

/// Where shares of payouts are kept.
pub(in crate::store) trait ReadShares {
    /// Why a share couldn't be read.
    type Error;

    /// The share of this key.
    fn share(&self, key: &[u8; LINE_KEY_BYTES]) -> Result<Option<Dealing>, Self::Error>;

    /// All shares of a payout, with their keys.
    fn shares(
        &self,
        payout: AccountKey,
    ) -> Result<Vec<([u8; LINE_KEY_BYTES], Dealing)>, Self::Error>;
}

/// What `block` leads to, after all that `before` has.
pub(in crate::store) fn count<R: ReadShares>(
    before: &R,
    block: &VerifiedBlock,
) -> Result<Counted, R::Error> {
    let mut counting = Counting {
        before,
        counted: Counted::default(),
        of_block: DigestMap::default(),
        of_entry: DigestMap::default(),
        day: None,
    };
    for (index, (entry, changed)) in (block.header().first_index..).zip(block.changed()) {
        counting.entry(index, entry, changed)?;
    }
    Ok(counting.finish())
}

struct Counting<'r, R> {
    before: &'r R,
    counted: Counted,
    /// What moved in accounts that have one line a block, by account and day, and at which index
    /// it moved last.
    of_block: DigestMap<(AccountKey, u8), (u64, Sums)>,
    /// What one entry moves of accounts that have a line for each entry.
    of_entry: DigestMap<AccountKey, Sums>,
    /// The day of the latest entry, which is mostly that of the next.
    day: Option<Day>,
}

/// Accounts of a tenant's day, by currency.
struct Day {
    tenant: Id,
    number: u32,
    accounts: Vec<(Option<Currency>, AccountKey)>,
}

impl<R: ReadShares> Counting<'_, R> {
    fn entry(
        &mut self,
        index: u64,
        encoded: &EncodedEntry,
        changed: &[Changed],
    ) -> Result<(), R::Error> {
        let entry = encoded.entry();
        let tenant = &entry.tenant;
        self.day(index, encoded);
        for changed in changed {
            if let Some(movement) = accounts::moved(entry, changed) {
                let at = Place { index, tenant, time: entry.event_time };
                self.movement(at, &movement);
                if let Some(share) = &movement.share {
                    self.add_share(&movement, share)?;
                }
                if changed.before.is_none() {
                    self.add_dealing(tenant, &movement);
                }
            }
            if let Some(payout) = accounts::moved_payout(entry, changed) {
                let at = Place { index, tenant, time: entry.event_time };
                self.payout(at, &payout)?;
            }
        }
        for (account, mut moved) in self.of_entry.drain() {
            moved.add(Slot::ENTRIES, 1);
            self.counted.lines.push((line_key(account, index), Line::new(0, &moved)));
        }
        Ok(())
    }

    /// Counts the entry for its day, in the currency that it tells of, or in none.
    fn day(&mut self, index: u64, encoded: &EncodedEntry) {
        let entry = encoded.entry();
        let day = u32::try_from(entry.event_time.as_millis() / DAY_MS).unwrap_or(u32::MAX);
        let (kind, told) = (entry.kind(), accounts::amount(&entry.body));
        let amount = told.map_or(0, |(_, amount)| amount.units().into());
        let sums = [(Slot::of_kind(kind), 1), (Slot::amount_of_kind(kind), amount)];
        let account = self.day_account(&entry.tenant, day, told.map(|(currency, _)| currency));
        self.add(account, 0, index, sums.into_iter());
    }

    /// The account of a day, which is mostly that of the entry before.
    fn day_account(&mut self, tenant: &Id, number: u32, currency: Option<Currency>) -> AccountKey {
        let same = |day: &Day| day.number == number && day.tenant == *tenant;
        let day = match self.day.take().filter(same) {
            Some(day) => day,
            None => Day { tenant: tenant.clone(), number, accounts: Vec::new() },
        };
        let day = self.day.insert(day);
        let known = day.accounts.iter().find(|(of, _)| *of == currency);
        if let Some((_, account)) = known {
            return *account;
        }
        let account = Account::Day(number, currency).key(tenant);
        day.accounts.push((currency, account));
        account
    }

    fn movement(&mut self, at: Place<'_>, movement: &Movement<'_>) {
        let Movement { affiliate, merchant, program, currency, sums, fees, .. } = movement;
        let Place { index, tenant, time } = at;
        if let Some(affiliate) = affiliate {
            let account = Account::Affiliate(affiliate, *currency).key(tenant);
            self.of_entry.entry(account).or_default().add_all(sums);
            let mut flows = sums.iter().filter(|(slot, _)| slot.is_flow()).peekable();
            if flows.peek().is_some() {
                let month = Account::Month(affiliate, *currency, time.month()).key(tenant);
                self.add(month, time.day_of_month(), index, flows);
            }
        }
        if let Some(merchant) = merchant {
            let account = Account::Merchant(merchant, *currency).key(tenant);
            let moved = self.of_entry.entry(account).or_default();
            moved.add_all(sums);
            moved.add_all(fees);
        }
        if let (Some(affiliate), Some(merchant)) = (*affiliate, *merchant) {
            let (program, currency) = (*program, *currency);
            let dealings = Account::Dealings { merchant, program, affiliate, currency };
            self.add(dealings.key(tenant), 0, index, sums.iter());
        }
        let network = Account::Network(*currency).key(tenant);
        self.add(network, 0, index, sums.iter().chain(fees.iter()));
    }

    /// Adds to an account that has one line a block.
    fn add(
        &mut self,
        account: AccountKey,
        day: u8,
        index: u64,
        sums: impl Iterator<Item = (Slot, i128)>,
    ) {
        let (last, moved) = self.of_block.entry((account, day)).or_default();
        *last = index;
        sums.for_each(|(slot, more)| moved.add(slot, more));
    }

    /// Lists an affiliate among those whom a merchant has dealings with, and the other way round.
    fn add_dealing(&mut self, tenant: &Id, movement: &Movement<'_>) {
        let (Some(affiliate), Some(merchant)) = (movement.affiliate, movement.merchant) else {
            return;
        };
        let (program, currency) = (movement.program, movement.currency);
        let dealings = Account::Dealings { merchant, program, affiliate, currency }.key(tenant);
        for party in [Party::Affiliate(affiliate), Party::Merchant(merchant)] {
            let dealing = Dealing {
                merchant: Some(merchant.clone()),
                program: program.cloned(),
                affiliate: affiliate.clone(),
                currency,
                share: Sums::default(),
            };
            self.counted.dealings.insert(line_key(party.key(tenant), first(dealings)), dealing);
        }
    }

    /// Counts what came into a payout.
    fn add_share(&mut self, movement: &Movement<'_>, share: &Share) -> Result<(), R::Error> {
        let Some(affiliate) = movement.affiliate else { return Ok(()) };
        // Among the shares of one payout, whom and what they are of.
        let of = (movement.merchant, movement.program, movement.currency);
        let of = codec::with_encoded(&of, StateKey::of);
        let of = u64::from_be_bytes(*of.0.first_chunk().expect("a digest has more bytes"));
        let key = line_key(payout_key(share.payout), of);
        let so_far = match self.counted.dealings.remove(&key) {
            Some(dealing) => Some(dealing),
            None => self.before.share(&key)?,
        };
        let mut dealing = so_far.unwrap_or_else(|| Dealing {
            merchant: movement.merchant.cloned(),
            program: movement.program.cloned(),
            affiliate: affiliate.clone(),
            currency: movement.currency,
            share: Sums::default(),
        });
        dealing.share.add_all(&share.sums);
        self.counted.dealings.insert(key, dealing);
        Ok(())
    }

    /// Moves everything that a payout has as lines.
    fn payout(&mut self, at: Place<'_>, payout: &PayoutMove<'_>) -> Result<(), R::Error> {
        let key = payout_key(payout.payout);
        let mut shares: BTreeMap<_, _> = self.before.shares(key)?.into_iter().collect();
        let of_block = self.counted.dealings.range(line_key(key, 0)..=line_key(key, u64::MAX));
        shares.extend(of_block.map(|(key, dealing)| (*key, dealing.clone())));
        for share in shares.values() {
            let (sums, fees) = payout.of_share(&share.share);
            let movement = Movement {
                affiliate: Some(payout.affiliate),
                merchant: share.merchant.as_ref(),
                program: share.program.as_ref(),
                currency: payout.currency,
                sums,
                fees,
                share: None,
            };
            self.movement(at, &movement);
        }
        Ok(())
    }

    fn finish(self) -> Counted {
        let Self { mut counted, of_block, .. } = self;
        let lines = of_block.into_iter().filter(|(_, (_, moved))| !moved.is_empty());
        counted.lines.extend(lines.map(|((account, day), (index, moved))| {
            (line_key(account, index), Line::new(day, &moved))
        }));
        counted
    }
}

/// Where something moved.
#[derive(Clone, Copy)]
struct Place<'a> {
    index: u64,
    tenant: &'a Id,
    /// When, by the submitter's word.
    time: Timestamp,
}

/// The name under which a payout's shares are.
fn payout_key(payout: StateKey) -> AccountKey {
    AccountKey(*payout.0.first_chunk().expect("a record's name is longer"))
}

/// What tells a party's dealings apart.
fn first(dealings: AccountKey) -> u64 {
    u64::from_be_bytes(*dealings.0.first_chunk().expect("an account's name is longer"))
}
