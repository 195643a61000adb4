//! Changes of the chain spec: what the ledger states about itself. FORMAT.md section 5.17.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{Body, Entry};
use crate::protocol::codec;
use crate::protocol::hash::{ChainId, EntryId, HeaderHash};
use crate::protocol::key::{PublicKey, SealingKey, Signature};
use crate::protocol::money::Amount;
use crate::protocol::spec::{Currencies, Governance, Limits, Witness};

/// The tenant of what the ledger states about itself, and of nothing else.
pub const LEDGER_TENANT: &str = "@ledger";
/// What a governance key signs begins with this line, so that it is never anything else.
const SIGNED_CONTEXT: &str = "counterfoil 2026-11-21 spec change v1\n";

/// Changes the chain spec from a height on. What isn't stated stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SpecChange {
    /// 1, 2, 3 … within the ledger.
    pub number: u32,
    /// The id of the change before it; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<EntryId>,
    /// From which block on it holds.
    pub from_height: u64,
    /// The hash of the header after which it must stand. Needed where it holds from the very
    /// block that it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<HeaderHash>,
    /// Keys that may seal blocks. The first does, the others stand by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Vec<PublicKey>>,
    /// The keys that can change the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance: Option<Governance>,
    /// Those whose cosignatures count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnesses: Option<Vec<Witness>>,
    /// Currencies that are added. None is ever removed, and no scale changes.
    #[serde(default, skip_serializing_if = "Currencies::is_empty")]
    pub currencies: Currencies,
    /// Bounds that replicas must agree on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The version of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_version: Option<u16>,
    /// By governance keys, in the order of the keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<GovernanceSignature>,
}

/// A governance key's signature of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GovernanceSignature {
    /// Whose it is.
    pub key: PublicKey,
    /// The signature, over [`Entry::signed_by_governance`].
    pub signature: Signature,
}

impl SpecChange {
    /// A change that states nothing yet.
    pub fn new(number: u32, previous: Option<EntryId>, from_height: u64) -> Self {
        Self {
            number,
            previous,
            from_height,
            after: None,
            authorities: None,
            governance: None,
            witnesses: None,
            currencies: Currencies::default(),
            limits: None,
            rules_version: None,
            signatures: Vec::new(),
        }
    }

    /// Puts a signature in its place among the others; of one key there is one.
    pub fn add_signature(&mut self, added: GovernanceSignature) {
        self.signatures.retain(|present| present.key != added.key);
        let place = self.signatures.partition_point(|present| present.key < added.key);
        self.signatures.insert(place, added);
    }
}

impl Entry {
    /// What governance keys sign of a change of `chain`'s spec: the chain, and the whole entry
    /// but for the signatures.
    pub fn signed_by_governance(&self, chain: ChainId) -> Vec<u8> {
        let mut unsigned = self.clone();
        if let Body::SpecChange(change) = &mut unsigned.body {
            change.signatures.clear();
        }
        [SIGNED_CONTEXT.as_bytes(), chain.as_bytes(), &codec::encode(&unsigned)].concat()
    }

    /// Signs a change of `chain`'s spec and puts the signature in its place.
    pub fn sign_change(&mut self, chain: ChainId, key: &SealingKey) {
        let message = self.signed_by_governance(chain);
        if let Body::<Amount>::SpecChange(change) = &mut self.body {
            let (key, signature) = (key.public(), key.sign(&message));
            change.add_signature(GovernanceSignature { key, signature });
        }
    }
}
