//! What entries are found by: facets, each known by eight bytes of a digest.
//!
//! Eight bytes can be the same for two names, by chance or by somebody's doing, so whatever is
//! found is compared with the leaf's own bytes. That is why a quick hash does for names.

use smallvec::SmallVec;
use twox_hash::XxHash3_64;

use crate::protocol::block::EncodedEntry;
use crate::protocol::entry::{Body, Kind, Parties, ReferenceKind};
use crate::protocol::hash::{EntryId, HeaderHash};
use crate::protocol::id::Id;

/// The bit that tells names from digests: nobody can make up an id that leads to a name's leaves.
const NAMED: u64 = 1;

/// The digests of an entry's facets. Mostly as many as a sale has.
pub(super) type Digests = SmallVec<[u64; 10]>;

/// What a leaf can be found by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Facet<'a> {
    EntryId(&'a EntryId),
    HeaderHash(&'a HeaderHash),
    ExternalId(&'a Id),
    Affiliate(&'a Id),
    Merchant(&'a Id),
    /// What it refers to outside of the ledger.
    Reference(ReferenceKind, &'a Id),
    /// Of terms: the merchant and the name of its program.
    Terms(&'a Id, &'a Id),
    /// The tenant, the kind and the name of an entry that it names.
    Naming(&'a Id, Kind, &'a Id),
    /// Of an upline: whose.
    UplineOf(&'a Id),
    /// Of an upline: who it is.
    Upline(&'a Id),
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
            Self::Reference(kind, name) => named(8 + kind as u64, name),
            Self::Terms(merchant, program) => named(named(5, merchant), program),
            Self::Naming(tenant, kind, name) => named_entry(named(6, tenant), kind, name),
            Self::UplineOf(name) => named(7, name),
            Self::Upline(name) => named(16, name),
        }
    }
}

/// The digests of every facet of an entry, each once.
pub(super) fn digests(encoded: &EncodedEntry, parties: &Parties) -> Digests {
    let (entry, body) = (encoded.entry(), &encoded.entry().body);
    let mut digests = Digests::new();
    let mut add = |facet: Facet<'_>| digests.push(facet.digest());
    add(Facet::EntryId(&encoded.id()));
    add(Facet::ExternalId(&entry.external_id));
    parties.affiliate.iter().for_each(|name| add(Facet::Affiliate(name)));
    parties.merchant.iter().for_each(|name| add(Facet::Merchant(name)));
    body.references().for_each(|(kind, name)| add(Facet::Reference(kind, name)));
    match body {
        Body::ProgramTerms(terms) => add(Facet::Terms(&terms.merchant, &terms.program)),
        Body::AffiliateUpline(stated) => {
            add(Facet::UplineOf(&stated.affiliate));
            stated.upline.iter().for_each(|upline| add(Facet::Upline(upline)));
        }
        _ => {}
    }
    let names = body.names();
    if !names.is_empty() {
        let tenant = named(6, &entry.tenant);
        digests.extend(names.into_iter().map(|(kind, name)| named_entry(tenant, kind, name)));
    }
    // A payout may name an entry in several lines.
    digests.sort_unstable();
    digests.dedup();
    digests
}

fn named(family: u64, name: &Id) -> u64 {
    XxHash3_64::oneshot_with_seed(family, name.as_str().as_bytes()) | NAMED
}

/// The digest of an entry's name, from that of its tenant.
fn named_entry(tenant: u64, kind: Kind, name: &Id) -> u64 {
    named(tenant.wrapping_add(kind as u64), name)
}

fn first_eight(digest: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().expect("32 bytes begin with eight"))
}
