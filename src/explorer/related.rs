//! What belongs to an entry: a commission's whole life, a transaction's commissions, a payout's
//! parts and what became of it, a program's latest terms.
//!
//! What an entry names is found by name. What names an entry is looked for among the entries
//! recorded after it that concern the same affiliate or merchant, so far and no further.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{ExplorerError, Reader};
use super::entries::later_entries;
use super::lines::EntryLine;
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Body, Kind};
use crate::protocol::hash::StateKey;
use crate::protocol::id::Id;
use crate::protocol::money::Amount;
use crate::protocol::rules::{CommissionRecord, Record, Subject};
use crate::store::{Direction, Filter};

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
    /// What the members are called by entries that belong to the family, too.
    names: BTreeSet<(Kind, Id)>,
    rest: Option<String>,
}

impl Reader<'_> {
    /// What belongs to the entry at `index`, itself included.
    pub(super) fn related(
        &self,
        index: u64,
        found: &EncodedEntry,
    ) -> Result<Related, ExplorerError> {
        let entry = found.entry();
        let mut family = Family {
            reader: self,
            tenant: &entry.tenant,
            members: BTreeMap::from([(index, found.clone())]),
            names: BTreeSet::new(),
            rest: None,
        };
        if let Some((kind, name)) = entry.subject() {
            family.of(kind, name)?;
        } else if let Body::AffiliateUpline(stated) = &entry.body {
            // Earlier and later words on the same affiliate.
            let filter = Filter {
                kind: Some(Kind::AffiliateUpline),
                ..family.of_affiliate(&stated.affiliate)
            };
            family.add_followers(&filter, None, |_, _| true)?;
        }
        family.into_related()
    }
}

impl Family<'_, '_> {
    /// Adds what belongs to the entry of `kind` called `name`.
    fn of(&mut self, kind: Kind, name: &Id) -> Result<(), ExplorerError> {
        let Some(stored) = self.reader.view.named(self.tenant, kind, name)? else { return Ok(()) };
        let Some(head) = self.add(stored.index)? else { return Ok(()) };
        self.names.insert((kind, name.clone()));
        match stored.record {
            Record::Terms(terms) => {
                let key = Subject::Program(&terms.merchant, &terms.program).key(self.tenant);
                if let Some(program) = self.reader.view.record(&key)?
                    && let Record::Program(program) = program.record
                    && let Some(latest) = self.reader.view.record(&program.latest)?
                {
                    self.add(latest.index)?;
                }
                Ok(())
            }
            Record::Transaction(sale) => {
                for commission in &sale.commissions {
                    self.add_known(commission)?;
                }
                let filter = self.of_merchant(&sale.merchant);
                self.add_naming(&filter, stored.index)
            }
            Record::Commission(commission) => {
                self.of_commission(name, stored.index, &head, &commission)
            }
            Record::Adjustment(adjustment) => {
                self.add_parents(&head)?;
                self.add_naming(&self.of_affiliate(&adjustment.affiliate), stored.index)
            }
            Record::Inquiry(inquiry) => {
                self.add_parents(&head)?;
                self.add_naming(&self.of_affiliate(&inquiry.affiliate), stored.index)
            }
            Record::Payout(payout) => {
                self.add_naming(&self.of_affiliate(&payout.affiliate), stored.index)
            }
            Record::PayoutPart(part) => self.of(Kind::Payout, &part.first),
            _ => Ok(()),
        }
    }

    fn of_commission(
        &mut self,
        name: &Id,
        index: u64,
        head: &EncodedEntry,
        commission: &CommissionRecord,
    ) -> Result<(), ExplorerError> {
        self.add_parents(head)?;
        if let (Some(transaction), true) = (&commission.transaction, commission.overridden != 0) {
            self.add_overrides(name, transaction)?;
        }
        self.add_naming(&self.of_affiliate(&commission.affiliate), index)?;
        // What a merchant pays for is no affiliate's entry.
        if commission.funded != Amount::ZERO {
            let rest = self.rest.take();
            let fundings =
                Filter { kind: Some(Kind::Funding), ..self.of_merchant(&commission.merchant) };
            self.add_naming(&fundings, index)?;
            self.rest = rest.or(self.rest.take());
        }
        if let Some(payout) = &commission.payout {
            self.add_known(payout)?;
        }
        Ok(())
    }

    /// Adds what uplines earn on the direct commission `name`.
    fn add_overrides(&mut self, name: &Id, transaction: &StateKey) -> Result<(), ExplorerError> {
        let stored = self.reader.view.record(transaction)?;
        let Some(Record::Transaction(sale)) = stored.map(|stored| stored.record) else {
            return Ok(());
        };
        let direct = (Kind::Commission, name);
        for other in &sale.commissions {
            let stored = self.reader.view.record(other)?;
            let Some(stored) = stored else { continue };
            if let Some(found) = self.reader.view.entry(stored.index)?
                && found.entry().body.names().contains(&direct)
            {
                self.members.insert(stored.index, found);
            }
        }
        Ok(())
    }

    /// Adds what `found` names.
    fn add_parents(&mut self, found: &EncodedEntry) -> Result<(), ExplorerError> {
        for (kind, name) in found.entry().body.names() {
            self.add_named(kind, name)?;
        }
        Ok(())
    }

    fn add_named(&mut self, kind: Kind, name: &Id) -> Result<(), ExplorerError> {
        self.add_known(&Subject::Entry(kind, name).key(self.tenant))
    }

    /// Adds the entry whose record this is.
    fn add_known(&mut self, key: &StateKey) -> Result<(), ExplorerError> {
        if let Some(stored) = self.reader.view.record(key)? {
            self.add(stored.index)?;
        }
        Ok(())
    }

    fn add(&mut self, index: u64) -> Result<Option<EncodedEntry>, ExplorerError> {
        let found = self.reader.view.entry(index)?;
        if let Some(found) = &found {
            self.members.insert(index, found.clone());
        }
        Ok(found)
    }

    fn of_affiliate(&self, affiliate: &Id) -> Filter {
        let (tenant, affiliate) = (Some(self.tenant.clone()), Some(affiliate.clone()));
        Filter { tenant, affiliate, ..Filter::default() }
    }

    fn of_merchant(&self, merchant: &Id) -> Filter {
        let (tenant, merchant) = (Some(self.tenant.clone()), Some(merchant.clone()));
        Filter { tenant, merchant, ..Filter::default() }
    }

    /// Adds those entries after `index` that fit `filter` and name one of the family.
    fn add_naming(&mut self, filter: &Filter, index: u64) -> Result<(), ExplorerError> {
        self.add_followers(filter, Some(index), |names, found| {
            found
                .entry()
                .body
                .names()
                .into_iter()
                .any(|(kind, name)| names.contains(&(kind, name.clone())))
        })
    }

    /// Adds those entries after `index` that fit `filter` and that `belong`. What answers an
    /// inquiry, or becomes of a payout, belongs where that does.
    fn add_followers(
        &mut self,
        filter: &Filter,
        index: Option<u64>,
        belongs: impl Fn(&BTreeSet<(Kind, Id)>, &EncodedEntry) -> bool,
    ) -> Result<(), ExplorerError> {
        let view = self.reader.view;
        let page = view.search(filter, Direction::OldestFirst, index, MAX_LOOKED_AT)?;
        let mut looked_up_to = page.next;
        let mut added = Vec::new();
        for hit in page.hits {
            if self.members.contains_key(&hit.index) || !belongs(&self.names, &hit.entry) {
                continue;
            }
            if added.len() == MAX_FOLLOWERS {
                looked_up_to = added.last().copied();
                break;
            }
            added.push(hit.index);
            let entry = hit.entry.entry();
            match entry.kind() {
                Kind::Inquiry => {
                    self.names.insert((Kind::Inquiry, entry.external_id.clone()));
                }
                Kind::Payout => {
                    let payout = view.payout(self.tenant, &entry.external_id)?;
                    self.names.insert((Kind::Payout, entry.external_id.clone()));
                    self.names.extend(payout.map(|(first, _)| (Kind::Payout, first)));
                }
                _ => {}
            }
            self.members.insert(hit.index, hit.entry);
        }
        self.rest = looked_up_to.map(|index| format!("entries{}", later_entries(filter, index)));
        Ok(())
    }

    fn into_related(self) -> Result<Related, ExplorerError> {
        let members = self.members.iter();
        let lines = members.map(|(index, found)| self.reader.entry_line(*index, found));
        Ok(Related { lines: lines.collect::<Result<_, _>>()?, rest: self.rest })
    }
}
