//! What entries are found by: facets, each known by eight bytes of a digest.
//!
//! Eight bytes can be the same for two names, by chance or by somebody's doing, so whatever is
//! found is compared with the leaf's own bytes. That is why a quick hash does for names.

use twox_hash::XxHash3_64;

use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::Parties;
use crate::protocol::hash::{EntryId, HeaderHash};
use crate::protocol::id::Id;

/// The bit that tells names from digests: nobody can make up an id that leads to a name's leaves.
const NAMED: u64 = 1;

/// What a leaf can be found by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Facet<'a> {
    EntryId(&'a EntryId),
    HeaderHash(&'a HeaderHash),
    ExternalId(&'a Id),
    Affiliate(&'a Id),
    Merchant(&'a Id),
}

impl Facet<'_> {
    /// What the facet is known by.
    pub(super) fn digest(self) -> u64 {
        match self {
            Self::EntryId(id) => first_eight(id.as_bytes()) & !NAMED,
            Self::HeaderHash(hash) => first_eight(hash.as_bytes()) & !NAMED,
            Self::ExternalId(name) => named(1, name),
            Self::Affiliate(name) => named(2, name),
            Self::Merchant(name) => named(3, name),
        }
    }
}

/// The digests of every facet of an entry.
pub(super) fn digests(entry: &EncodedEntry, parties: &Parties) -> impl Iterator<Item = u64> {
    let own = [
        Facet::EntryId(&entry.id()).digest(),
        Facet::ExternalId(&entry.entry().external_id).digest(),
    ];
    let affiliate = parties.affiliate.as_ref().map(|name| Facet::Affiliate(name).digest());
    let merchant = parties.merchant.as_ref().map(|name| Facet::Merchant(name).digest());
    own.into_iter().chain(affiliate).chain(merchant)
}

fn named(family: u64, name: &Id) -> u64 {
    XxHash3_64::oneshot_with_seed(family, name.as_str().as_bytes()) | NAMED
}

fn first_eight(digest: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().expect("32 bytes begin with eight"))
}
