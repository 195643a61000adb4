//! What belongs to an entry: a commission's whole life, a transaction's commissions, a
//! payout's parts, a program's latest terms.
//!
//! What an entry names is found by name. What names an entry is looked for among the entries
//! recorded after it that concern the same affiliate or merchant, so far and no further.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{ExplorerError, Reader};
use super::entries::later_entries;
use super::lines::EntryLine;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Body, Commission, Kind, ProgramTerms, Transaction};
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::rules::{Record, Subject};
use crate::store::{Direction, EntryHit, Filter};

/// How many later entries of the same party are looked at for those that name an entry.
const MAX_LOOKED_AT: usize = 1_000;
/// How many entries that name another its page lists.
const MAX_FOLLOWERS: usize = 50;

/// The entries that belong together, in the order in which they were recorded.
pub(super) struct Related {
    pub(super) lines: Vec<EntryLine>,
    /// Where there may be more, relative to the root: entries that were not looked at.
    pub(super) rest: Option<String>,
}

/// A family of entries in the making.
struct Family<'r, 'a> {
    reader: &'r Reader<'a>,
    tenant: &'r Id,
    members: BTreeMap<u64, EncodedEntry>,
    rest: Option<String>,
}

/// Whose entries may name another.
#[derive(Clone, Copy)]
enum Party<'i> {
    Affiliate(&'i Id),
    Merchant(&'i Id),
}

impl Reader<'_> {
    /// What belongs to the entry at `index`, itself included.
    pub(super) fn related(
        &self,
        index: u64,
        found: &EncodedEntry,
    ) -> Result<Related, ExplorerError> {
        let mut family = Family {
            reader: self,
            tenant: &found.entry().tenant,
            members: BTreeMap::from([(index, found.clone())]),
            rest: None,
        };
        let own = &found.entry().external_id;
        match &found.entry().body {
            Body::ProgramTerms(terms) => family.of_terms(terms)?,
            Body::Transaction(sale) => family.of_transaction(index, own, sale)?,
            Body::Commission(commission) => family.of_commission(index, own, commission)?,
            Body::Decision(decision) => family.of_named_commission(&decision.commission)?,
            Body::Reversal(reversal) => family.of_named_commission(&reversal.commission)?,
            Body::Payout(payout) => {
                if let Some(previous) = &payout.continues {
                    family.add_named(Kind::Payout, previous)?;
                }
                if payout.total.is_none() {
                    family.add_followers(index, Party::Affiliate(&payout.affiliate), |body| {
                        matches!(body, Body::Payout(next) if next.continues.as_ref() == Some(own))
                    })?;
                }
            }
        }
        family.into_related()
    }

    /// Where each entry stands that `found` names.
    pub(super) fn parents(
        &self,
        found: &EncodedEntry,
    ) -> Result<BTreeMap<(Kind, Id), u64>, ExplorerError> {
        let mut names = BTreeSet::new();
        match &found.entry().body {
            Body::ProgramTerms(_) | Body::Transaction(_) => {}
            Body::Commission(commission) => {
                names.insert((Kind::Transaction, &commission.transaction));
                names.insert((Kind::ProgramTerms, &commission.terms));
            }
            Body::Decision(decision) => {
                names.insert((Kind::Commission, &decision.commission));
            }
            Body::Reversal(reversal) => {
                names.insert((Kind::Commission, &reversal.commission));
            }
            Body::Payout(payout) => {
                names.extend(payout.continues.iter().map(|part| (Kind::Payout, part)));
                names.extend(payout.lines.iter().map(|line| (Kind::Commission, &line.commission)));
            }
        }
        let mut parents = BTreeMap::new();
        for (kind, external_id) in names {
            if let Some(stored) = self.named(found, kind, external_id)? {
                parents.insert((kind, external_id.clone()), stored.index);
            }
        }
        Ok(parents)
    }
}

impl Family<'_, '_> {
    fn of_terms(&mut self, terms: &ProgramTerms<Amount>) -> Result<(), ExplorerError> {
        let key = Subject::Program(&terms.merchant, &terms.program).key(self.tenant);
        if let Some(program) = self.reader.view.record(&key)?
            && let Record::Program(program) = program.record
            && let Some(latest) = self.reader.view.record(&program.latest)?
        {
            self.add(latest.index)?;
        }
        Ok(())
    }

    fn of_transaction(
        &mut self,
        index: u64,
        own: &Id,
        sale: &Transaction<Amount>,
    ) -> Result<(), ExplorerError> {
        self.add_followers(
            index,
            Party::Merchant(&sale.merchant),
            |body| matches!(body, Body::Commission(commission) if commission.transaction == *own),
        )
    }

    fn of_named_commission(&mut self, commission: &Id) -> Result<(), ExplorerError> {
        let Some((index, found)) = self.add_named(Kind::Commission, commission)? else {
            return Ok(());
        };
        match &found.entry().body {
            Body::Commission(body) => self.of_commission(index, commission, body),
            _ => Ok(()),
        }
    }

    fn of_commission(
        &mut self,
        index: u64,
        own: &Id,
        commission: &Commission<Amount>,
    ) -> Result<(), ExplorerError> {
        self.add_named(Kind::Transaction, &commission.transaction)?;
        self.add_named(Kind::ProgramTerms, &commission.terms)?;
        self.add_followers(index, Party::Affiliate(&commission.affiliate), |body| match body {
            Body::Decision(decision) => decision.commission == *own,
            Body::Reversal(reversal) => reversal.commission == *own,
            Body::Payout(payout) => payout.lines.iter().any(|line| line.commission == *own),
            Body::ProgramTerms(_) | Body::Transaction(_) | Body::Commission(_) => false,
        })
    }

    fn add_named(
        &mut self,
        kind: Kind,
        external_id: &Id,
    ) -> Result<Option<(u64, EncodedEntry)>, ExplorerError> {
        let key = Subject::Entry(kind, external_id).key(self.tenant);
        match self.reader.view.record(&key)? {
            Some(stored) => Ok(self.add(stored.index)?.map(|found| (stored.index, found))),
            None => Ok(None),
        }
    }

    fn add(&mut self, index: u64) -> Result<Option<EncodedEntry>, ExplorerError> {
        let found = self.reader.view.entry(index)?;
        if let Some(found) = &found {
            self.members.insert(index, found.clone());
        }
        Ok(found)
    }

    /// Adds those entries of `party` after `index` whose body `names` the entry there.
    fn add_followers(
        &mut self,
        index: u64,
        party: Party<'_>,
        names: impl Fn(&Body<Amount>) -> bool,
    ) -> Result<(), ExplorerError> {
        let mut filter = Filter { tenant: Some(self.tenant.clone()), ..Filter::default() };
        match party {
            Party::Affiliate(affiliate) => filter.affiliate = Some(affiliate.clone()),
            Party::Merchant(merchant) => filter.merchant = Some(merchant.clone()),
        }
        let page =
            self.reader.view.search(&filter, Direction::OldestFirst, Some(index), MAX_LOOKED_AT)?;
        let mut looked_up_to = page.next;
        let mut followers: Vec<EntryHit> =
            page.hits.into_iter().filter(|hit| names(&hit.entry.entry().body)).collect();
        if followers.len() > MAX_FOLLOWERS {
            followers.truncate(MAX_FOLLOWERS);
            looked_up_to = followers.last().map(|hit| hit.index);
        }
        self.rest = looked_up_to.map(|index| format!("entries{}", later_entries(&filter, index)));
        self.members.extend(followers.into_iter().map(|hit| (hit.index, hit.entry)));
        Ok(())
    }

    fn into_related(self) -> Result<Related, ExplorerError> {
        let members = self.members.iter();
        let lines = members.map(|(index, found)| self.reader.entry_line(*index, found));
        Ok(Related { lines: lines.collect::<Result<_, _>>()?, rest: self.rest })
    }
}
