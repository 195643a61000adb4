//! Which entries belong to a history: found by what names what, from the log indexes of the first on.
//!
//! What an entry names stands before it, so one pass in the order of the log finds everything: each
//! entry that is met says what else to look for after it.

use std::collections::{BTreeSet, HashMap};

use super::{AsOf, QueryError};
use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Body, Entry, Kind, ReferenceKind};
use crate::protocol::hash::EntryId;
use crate::protocol::id::Id;
use crate::store::{Lookup, Span, View};

/// The most entries that a history takes.
const MAX_ENTRIES: usize = 50_000;
/// How often an entry may be about another that is about another.
const MAX_SUBJECTS: usize = 4;

/// Whose history it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// Of what the entry with this identity is about.
    Id(EntryId),
    /// Of what the entry at this log index is about.
    Index(u64),
    /// Of what the entry of this name is about.
    Named {
        /// The tenant.
        tenant: Id,
        /// The kind.
        kind: Kind,
        /// The external id.
        external_id: Id,
    },
    /// Of all transactions of an order, with all their commissions.
    Order {
        /// The tenant.
        tenant: Id,
        /// The merchant's reference of the order.
        order_ref: Id,
    },
}

/// Which of the entries that name a member belong to the family, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interest {
    /// All of them.
    All,
    /// What corrects it.
    Corrections,
    /// What becomes of it as a payout.
    Events,
}

impl Interest {
    fn takes(self, kind: Kind) -> bool {
        use Kind::{Adjustment, Amendment, ErasureNotice, PayoutEvent};
        match self {
            Self::All => true,
            Self::Corrections => matches!(kind, Adjustment | Amendment | ErasureNotice),
            Self::Events => matches!(kind, PayoutEvent | ErasureNotice),
        }
    }
}

/// The entries of a history, one after the other.
pub(super) struct Family<'v> {
    view: &'v View,
    last: u64,
    pub(super) tenant: Id,
    /// Entries that may belong, by log index, and the name that they may name for it.
    waiting: BTreeSet<(u64, Option<(Kind, Id)>)>,
    /// Those that do, whatever they name.
    chosen: BTreeSet<u64>,
    /// What entries are looked for that name it.
    followed: HashMap<(Kind, Id), Interest>,
    /// Whether every commission that is met is followed, or the chosen ones alone.
    of_sale: bool,
    found: usize,
    /// The log index of the latest that belonged, 0 before there is one.
    met: u64,
}

impl<'v> Family<'v> {
    /// Finds where a history begins.
    pub(super) fn new(view: &'v View, at: &AsOf, root: &Root) -> Result<Self, QueryError> {
        let tenant = match root {
            Root::Named { tenant, .. } | Root::Order { tenant, .. } => tenant.clone(),
            Root::Id(_) | Root::Index(_) => begin(view, at, root)?.1.entry().tenant.clone(),
        };
        let mut family = Self {
            view,
            last: at.last_index(),
            tenant,
            waiting: BTreeSet::new(),
            chosen: BTreeSet::new(),
            followed: HashMap::new(),
            of_sale: false,
            found: 0,
            met: 0,
        };
        if let Root::Order { order_ref, .. } = root {
            family.of_order(order_ref)?;
        } else {
            let (index, entry) = begin(view, at, root)?;
            family.of_entry(index, &entry)?;
        }
        Ok(family)
    }

    /// All transactions of an order, and what was asked about it.
    fn of_order(&mut self, order_ref: &Id) -> Result<(), QueryError> {
        self.of_sale = true;
        let by = Lookup::Reference(ReferenceKind::Order, order_ref);
        let tenant = self.tenant.clone();
        let span = Span::up_to(self.last).at_most(MAX_ENTRIES);
        for hit in self.view.look_up(Some(&tenant), by, span) {
            self.choose(hit?.index);
        }
        if self.chosen.is_empty() {
            let what = "the tenant has no order of this reference at this height".to_owned();
            return Err(QueryError::NotFound { what });
        }
        Ok(())
    }

    /// What an entry is about, with what it names.
    fn of_entry(&mut self, index: u64, found: &EncodedEntry) -> Result<(), QueryError> {
        let (mut index, mut found) = (index, found.clone());
        for _ in 0..MAX_SUBJECTS {
            let subject = found.entry().subject().map(|(kind, name)| (kind, name.clone()));
            let Some((kind, name)) = subject else { break };
            let name = match self.view.payout(&self.tenant, &name)? {
                Some((first, _)) if kind == Kind::Payout => first,
                _ => name,
            };
            let Some(stored) = self.view.named(&self.tenant, kind, &name)? else { break };
            if stored.index == index {
                break;
            }
            let Some(entry) = self.view.entry(stored.index)? else { break };
            (index, found) = (stored.index, entry);
        }
        self.choose(index);
        let entry = found.entry();
        self.of_sale = entry.kind() == Kind::Transaction;
        match &entry.body {
            Body::Commission(_) | Body::Adjustment(_) | Body::Inquiry(_) => {
                for (kind, name) in entry.body.names() {
                    if let Some(stored) = self.view.named(&self.tenant, kind, name)? {
                        self.choose(stored.index);
                    }
                    if kind == Kind::Transaction {
                        self.followed.insert((kind, name.clone()), Interest::Corrections);
                    }
                }
            }
            _ => {}
        }
        let interest = match entry.kind() {
            // A program's commissions are no part of its terms' history.
            Kind::ProgramTerms => Interest::Corrections,
            _ => Interest::All,
        };
        self.followed.insert((entry.body.named_as(), entry.external_id.clone()), interest);
        Ok(())
    }

    fn choose(&mut self, index: u64) {
        if index <= self.last {
            self.chosen.insert(index);
            self.waiting.insert((index, None));
        }
    }

    /// The next entry that belongs to it.
    pub(super) fn next(&mut self) -> Result<Option<(u64, EncodedEntry, u64)>, QueryError> {
        while let Some((index, name)) = self.waiting.pop_first() {
            // Found once more, by another name.
            if index == self.met {
                continue;
            }
            let Some((found, height)) = self.view.entry_and_height(index)? else { continue };
            let entry = found.entry();
            let belongs = name.is_some_and(|name| self.belongs(entry, &name));
            if !belongs && !self.chosen.contains(&index) {
                continue;
            }
            self.met = index;
            self.follow(entry)?;
            return Ok(Some((index, found, height)));
        }
        Ok(None)
    }

    fn belongs(&self, entry: &Entry, name: &(Kind, Id)) -> bool {
        let interest = self.followed.get(name);
        entry.tenant == self.tenant
            && interest.is_some_and(|interest| interest.takes(entry.kind()))
            && entry.body.names().contains(&(name.0, &name.1))
    }

    /// Whether a commission's life is told, not only that it is there.
    pub(super) fn tells_of(&self, commission: &Id) -> bool {
        self.followed.contains_key(&(Kind::Commission, commission.clone()))
    }

    /// Looks for what names an entry, if that belongs to the family.
    fn follow(&mut self, entry: &Entry) -> Result<(), QueryError> {
        let own = (entry.body.named_as(), entry.external_id.clone());
        let interest = match (self.followed.get(&own), entry.kind()) {
            (Some(interest), _) => *interest,
            (None, Kind::Transaction | Kind::Commission) if self.of_sale => Interest::All,
            (None, Kind::Inquiry) => Interest::All,
            (None, Kind::Adjustment) => Interest::Corrections,
            (None, Kind::Payout) => {
                let first = self.view.payout(&self.tenant, &entry.external_id)?;
                let first = first.map_or_else(|| entry.external_id.clone(), |(first, _)| first);
                let first = (Kind::Payout, first);
                match self.followed.get(&first) {
                    Some(Interest::All) => Interest::All,
                    Some(_) => return Ok(()),
                    None => return self.look_for(first, Interest::Events),
                }
            }
            _ => return Ok(()),
        };
        // What was brought in may be named as what it is, too.
        if own.0 != entry.kind() {
            self.look_for((entry.kind(), own.1.clone()), Interest::All)?;
        }
        // The parts of a payout name each other, and whatever becomes of it the first.
        self.look_for(own, interest)
    }

    fn look_for(&mut self, name: (Kind, Id), interest: Interest) -> Result<(), QueryError> {
        let by = Lookup::Naming(&self.tenant, name.0, &name.1);
        let span = Span::up_to(self.last).from(self.met + 1);
        if interest == Interest::Corrections && name.0 == Kind::ProgramTerms {
            // All of a program's commissions name its terms.
            self.followed.insert(name, interest);
            return Ok(());
        }
        for candidate in self.view.candidates_for(by, span) {
            self.waiting.insert((candidate?, Some(name.clone())));
            self.found += 1;
            if self.found > MAX_ENTRIES {
                return Err(QueryError::TooMany { what: "entries", most: MAX_ENTRIES });
            }
        }
        self.followed.insert(name, interest);
        Ok(())
    }
}

/// The entry that was asked about.
fn begin(view: &View, at: &AsOf, root: &Root) -> Result<(u64, EncodedEntry), QueryError> {
    let found = match root {
        Root::Id(id) => view.entry_with_id(id)?.map(|hit| (hit.index, hit.entry)),
        Root::Index(index) => view.entry(*index)?.map(|entry| (*index, entry)),
        Root::Named { tenant, kind, external_id } => {
            match view.named(tenant, *kind, external_id)? {
                Some(stored) => view.entry(stored.index)?.map(|entry| (stored.index, entry)),
                None => None,
            }
        }
        Root::Order { .. } => None,
    };
    found.filter(|(index, _)| *index <= at.last_index()).ok_or_else(|| QueryError::NotFound {
        what: "no entry on the ledger has this name at this height".to_owned(),
    })
}
