//! What entries are found by: facets, each a digest of a name.

use super::keys::{self, POSTING_PREFIX_BYTES};
use crate::protocol::entry::Entry;
use crate::protocol::id::Id;
use crate::protocol::rules::Parties;

/// What an entry can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facet {
    ExternalId = 1,
    Affiliate = 2,
    Merchant = 3,
}

/// The key prefix under which the entries with a facet stand.
pub(super) fn prefix(facet: Facet, name: &Id) -> [u8; POSTING_PREFIX_BYTES] {
    let digest = blake3::hash(name.as_str().as_bytes());
    let digest = digest.as_bytes().first_chunk().expect("32 bytes begin with 16");
    keys::posting_prefix(facet as u8, *digest)
}

/// The key prefixes of every facet that an entry has.
pub(super) fn postings(
    entry: &Entry,
    parties: &Parties,
) -> impl Iterator<Item = [u8; POSTING_PREFIX_BYTES]> {
    let affiliate = parties.affiliate.iter().map(|name| prefix(Facet::Affiliate, name));
    let merchant = parties.merchant.iter().map(|name| prefix(Facet::Merchant, name));
    std::iter::once(prefix(Facet::ExternalId, &entry.external_id)).chain(affiliate).chain(merchant)
}
