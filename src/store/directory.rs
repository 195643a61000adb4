//! A directory of names: who and what there is, to be found by how the names begin.
//!
//! A name stands there with the first entry that says it, so that it is known from which height on
//! there is such a one. Most entries say names that are there already; many of those are remembered.
//! What isn't is put there again, and means nothing: of equal keys, the first record counts.
//!
//! Keys begin with a digest of the family and the name's first character: whatever somebody types
//! lies in one stretch of one digest's keys, in the order of the names.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use bincode::{Decode, Encode};
use twox_hash::XxHash3_64;

use super::error::StoreError;
use super::read::View;
use super::sorted::{Cursor, Order, SortedMap, Tree, Value, read_encoded};
use crate::protocol::entry::{Balance, Body, Entry, ReferenceKind};
use crate::protocol::id::Id;
use crate::protocol::verify::VerifiedBlock;

/// Bytes of a name that its key has; longer ones are told apart by what follows.
const NAME_BYTES: usize = 48;
/// Bytes of a name's key: a digest, the name, and what tells it from others.
pub(super) const NAME_KEY_BYTES: usize = 8 + NAME_BYTES + 8;
/// How many names are remembered, at most: each has one place where it can be, of eight bytes.
const REMEMBERED_NAMES: usize = 256 * 1024;

pub(super) type NameKey = [u8; NAME_KEY_BYTES];
/// The directory, as it is stored.
pub(super) type Directory = SortedMap<NAME_KEY_BYTES, Listed>;

/// What bears a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameFamily {
    /// A tenant.
    Tenant,
    /// An affiliate.
    Affiliate,
    /// A merchant.
    Merchant,
    /// A merchant's program.
    Program,
    /// A campaign.
    Campaign,
    /// An affiliate link.
    Link,
    /// A voucher.
    Voucher,
}

impl NameFamily {
    /// Every family.
    pub const ALL: [Self; 7] = [
        Self::Tenant,
        Self::Affiliate,
        Self::Merchant,
        Self::Program,
        Self::Campaign,
        Self::Link,
        Self::Voucher,
    ];
}

/// A name in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Listed {
    /// Whose.
    pub tenant: Id,
    /// The name.
    pub name: Id,
    /// Of a program, its merchant.
    pub merchant: Option<Id>,
    /// The log index of the first entry that says it.
    pub index: u64,
}

impl Value<NAME_KEY_BYTES> for Listed {
    const FIRST_COUNTS: bool = true;

    type Memory = Tree<NAME_KEY_BYTES, Self>;
    type Running = ();

    fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        read_encoded(bytes)
    }
}

/// A name that an entry says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Said<'a> {
    family: NameFamily,
    tenant: &'a Id,
    merchant: Option<&'a Id>,
    name: &'a Id,
}

impl Said<'_> {
    pub(super) fn key(self) -> NameKey {
        let Self { family, tenant, merchant, name } = self;
        let hash = |seed, part: &Id| XxHash3_64::oneshot_with_seed(seed, part.as_str().as_bytes());
        let others = merchant.map_or(0, |merchant| hash(1, merchant));
        key(family, name.as_str(), 0, hash(hash(others, tenant), name))
    }

    fn listed(self, index: u64) -> Listed {
        let (tenant, name) = (self.tenant.clone(), self.name.clone());
        Listed { tenant, name, merchant: self.merchant.cloned(), index }
    }
}

/// A key of a name, or of a bound: what follows the name is filled with `filler`.
fn key(family: NameFamily, name: &str, filler: u8, last: u64) -> NameKey {
    let mut key = [filler; NAME_KEY_BYTES];
    let first = name.as_bytes().first().copied().unwrap_or_default();
    let digest = XxHash3_64::oneshot(&[family as u8, first]);
    let parts = digest.to_be_bytes().into_iter().chain(name.bytes().take(NAME_BYTES));
    key.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
    if let Some(end) = key.last_chunk_mut() {
        *end = last.to_be_bytes();
    }
    key
}

/// An affiliate's name and how it is listed, of a tenant of the same name.
#[cfg(test)]
pub(super) fn named(name: &Id, index: u64) -> (NameKey, Listed) {
    let said = Said { family: NameFamily::Affiliate, tenant: name, merchant: None, name };
    (said.key(), said.listed(index))
}

/// The names that an entry says itself, where it may be the first to say them. Whoever else it
/// concerns is named by what it names.
pub(super) fn said(entry: &Entry, mut take: impl FnMut(Said<'_>)) {
    let tenant = &entry.tenant;
    take(Said { family: NameFamily::Tenant, tenant, merchant: None, name: tenant });
    let mut one = |family, name| take(Said { family, tenant, merchant: None, name });
    match &entry.body {
        Body::ProgramTerms(terms) => {
            one(NameFamily::Merchant, &terms.merchant);
            let (merchant, name) = (Some(&terms.merchant), &terms.program);
            take(Said { family: NameFamily::Program, tenant, merchant, name });
        }
        // Its merchant's terms came before it.
        Body::Transaction(_) => shared(&entry.body).for_each(|(family, name)| one(family, name)),
        Body::Commission(commission) => one(NameFamily::Affiliate, &commission.affiliate),
        Body::Adjustment(adjustment) => one(NameFamily::Affiliate, &adjustment.affiliate),
        Body::Inquiry(inquiry) => one(NameFamily::Affiliate, &inquiry.affiliate),
        Body::Payout(payout) => one(NameFamily::Affiliate, &payout.affiliate),
        Body::Funding(funding) => one(NameFamily::Merchant, &funding.merchant),
        Body::AffiliateUpline(stated) => {
            one(NameFamily::Affiliate, &stated.affiliate);
            stated.upline.iter().for_each(|upline| one(NameFamily::Affiliate, upline));
        }
        Body::OpeningBalance(opening) => match &opening.balance {
            Balance::Commission { affiliate, merchant, .. } => {
                one(NameFamily::Affiliate, affiliate);
                one(NameFamily::Merchant, merchant);
            }
            Balance::Affiliate { affiliate, .. } => one(NameFamily::Affiliate, affiliate),
            Balance::Merchant { merchant, .. } => one(NameFamily::Merchant, merchant),
        },
        Body::Decision(_)
        | Body::Amendment(_)
        | Body::Reversal(_)
        | Body::InquiryResolution(_)
        | Body::PayoutEvent(_)
        | Body::ErasureNotice(_)
        | Body::SpecChange(_) => {}
    }
}

/// The names among what a sale refers to: those that many sales have.
fn shared<A>(body: &Body<A>) -> impl Iterator<Item = (NameFamily, &Id)> {
    body.references().filter_map(|(kind, name)| match kind {
        ReferenceKind::Campaign => Some((NameFamily::Campaign, name)),
        ReferenceKind::Link => Some((NameFamily::Link, name)),
        ReferenceKind::Voucher => Some((NameFamily::Voucher, name)),
        ReferenceKind::Order | ReferenceKind::Click | ReferenceKind::Payment => None,
    })
}

/// Names that are known to be in the directory: many of those that were met.
pub(super) struct Remembered {
    /// Digests by a hash that nobody outside can foresee, each in its place.
    digests: Mutex<Vec<u64>>,
    hasher: RandomState,
}

impl Default for Remembered {
    fn default() -> Self {
        Self { digests: Mutex::new(vec![0; REMEMBERED_NAMES]), hasher: RandomState::new() }
    }
}

impl Remembered {
    /// Whether a name isn't remembered; from now on it is, and whatever was in its place is not.
    fn is_new(&self, digests: &mut [u64], said: &Said<'_>) -> bool {
        let digest = self.hasher.hash_one(said);
        let place = digest % REMEMBERED_NAMES as u64;
        let place = usize::try_from(place).ok().and_then(|place| digests.get_mut(place));
        place.is_none_or(|place| std::mem::replace(place, digest) != digest)
    }

    /// The names that a block says and that aren't remembered to be there, with their keys.
    pub(super) fn new_names(&self, block: &VerifiedBlock) -> Vec<(NameKey, Listed)> {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for (index, encoded) in (block.header().first_index..).zip(block.entries()) {
            said(encoded.entry(), |said| {
                if self.is_new(&mut digests, &said) {
                    new.push((said.key(), said.listed(index)));
                }
            });
        }
        new
    }
}

/// Every name that a block says, with its key.
pub(super) fn all_names(block: &VerifiedBlock, mut take: impl FnMut(NameKey, Listed)) {
    for (index, encoded) in (block.header().first_index..).zip(block.entries()) {
        said(encoded.entry(), |said| take(said.key(), said.listed(index)));
    }
}

/// Names that begin with `start`, in order, looking at `most` at most.
pub(super) fn names(
    directory: &Directory,
    family: NameFamily,
    start: &str,
    most: usize,
) -> Result<Vec<Listed>, StoreError> {
    let first = key(family, start, 0, 0);
    let last = key(family, start, u8::MAX, u64::MAX);
    let mut found = directory.range_few(first, last, Order::Ascending, most)?;
    let mut names = Vec::new();
    for _ in 0..most {
        let Some((_, value)) = found.record() else { break };
        let listed = Listed::read(value)?;
        if listed.name.as_str().starts_with(start) {
            names.push(listed);
        }
        found.advance()?;
    }
    Ok(names)
}

impl View {
    /// Names of a family that begin with `start`, of all tenants, in order: looks at `most` at
    /// most. Some may be said only by entries after this view.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn names(
        &self,
        family: NameFamily,
        start: &str,
        most: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.store.inner.derived.names(family, start, most)
    }
}
