//! Receipts: one file that proves an entry to somebody who trusts only the chain spec.
//!
//! A receipt holds the entry's leaf, the header leaf of its block, an inclusion proof of each,
//! and the signed checkpoint that ends at that header; and the changes of the spec that lead from
//! the genesis spec to the key that signed it. It never changes.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::block::{EncodedEntry, Header, Leaf};
use super::checkpoint::{Checkpoint, CheckpointError};
use super::codec::NotCanonical;
use super::entry::Body;
use super::hash::{ChainId, EntryId, TreeHash};
use super::json::{self, JsonError};
use super::rules::Refusal;
use super::spec::{ChainSpec, FORMAT_VERSION, MAX_LEAF_BYTES};
use super::succession::Succession;
use super::tree::{self, MAX_PROOF_HASHES};
use super::verify::Chain;

/// The longest receipt in text, in bytes: an entry, its proofs, and all changes of the spec that a
/// ledger may have.
pub const MAX_RECEIPT_BYTES: usize = 2 * 1024 * 1024;

/// What a receipt's `format` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
enum Format {
    #[serde(rename = "counterfoil-receipt-v1")]
    V1,
}

/// A receipt as a JSON file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Always `counterfoil-receipt-v1`.
    format: Format,
    /// Which chain.
    chain_id: ChainId,
    /// The entry's identity.
    entry_id: EntryId,
    /// The leaves of the changes that lead to the spec in force at the block, by number, each in
    /// base64.
    spec_changes: Vec<String>,
    /// The entry's leaf.
    entry: LeafProof,
    /// The leaf of the header that closes its block.
    header: LeafProof,
    /// The signed checkpoint of the log that ends with that header.
    checkpoint: String,
}

/// A leaf, where it stands, and its inclusion proof in the receipt's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LeafProof {
    /// The log index.
    index: u64,
    /// The leaf, in base64.
    leaf: String,
    /// The hashes from the leaf's sibling up to the root, each in base64.
    proof: Vec<String>,
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEntry {
    /// The entry.
    pub entry: EncodedEntry,
    /// Its log index.
    pub index: u64,
    /// The header of its block, which says when it was recorded.
    pub header: Header,
    /// The checkpoint that the authority signed.
    pub checkpoint: Checkpoint,
    /// The spec in force at its block.
    pub spec: Arc<ChainSpec>,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than [`MAX_RECEIPT_BYTES`].
    #[error("a receipt has at most {MAX_RECEIPT_BYTES} bytes, this has {0}")]
    TooLong(usize),
    /// Not JSON, or not of a receipt's shape.
    #[error("not a receipt: {0}")]
    Malformed(String),
    /// A receipt of another chain than the spec's.
    #[error("a receipt of chain {found}, not of {expected}")]
    WrongChain {
        /// The chain of the receipt.
        found: ChainId,
        /// The chain of the spec.
        expected: ChainId,
    },
    /// A leaf among the changes of the spec is of another entry.
    #[error("spec_changes: item {number} is no change of the spec")]
    NotAChange {
        /// Which item, from 1.
        number: usize,
    },
    /// A change of the spec isn't one: not the next, or not signed by enough of those who govern.
    #[error("spec_changes: change {number} breaks the rule {}: {refusal}", refusal.rule())]
    Change {
        /// Which item, from 1.
        number: usize,
        /// The rule.
        refusal: Refusal,
    },
    /// The last change holds only after the block.
    #[error("spec_changes: {0} of them lead to the block, the others do not")]
    NeedlessChanges(usize),
    /// The checkpoint isn't the authority's.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A leaf's bytes are not canonical.
    #[error("{part} leaf: {error}")]
    Leaf {
        /// `entry` or `header`.
        part: &'static str,
        /// What is wrong.
        error: NotCanonical,
    },
    /// A proof doesn't lead to the checkpoint's root.
    #[error("{0}: the inclusion proof does not lead to the checkpoint's root")]
    NotIncluded(&'static str),
    /// The header doesn't end the log of the checkpoint, or doesn't cover the entry, or says
    /// something else of the chain than the rest; the text says which.
    #[error("header: {0}")]
    Header(&'static str),
    /// The entry isn't the one that the receipt names.
    #[error("entry_id: the leaf's is {0}")]
    WrongEntry(EntryId),
}

impl LeafProof {
    /// A leaf with its proof.
    pub fn new(index: u64, leaf: &[u8], proof: &[TreeHash]) -> Self {
        let proof = proof.iter().map(|hash| BASE64_STANDARD.encode(hash.0)).collect();
        Self { index, leaf: BASE64_STANDARD.encode(leaf), proof }
    }

    fn leaf_bytes(&self, part: &'static str) -> Result<Vec<u8>, ReceiptError> {
        let malformed = || ReceiptError::Malformed(format!("{part}.leaf is not base64 of a leaf"));
        leaf_bytes(&self.leaf).ok_or_else(malformed)
    }

    fn hashes(&self, part: &'static str) -> Result<Vec<TreeHash>, ReceiptError> {
        let malformed = || ReceiptError::Malformed(format!("{part}.proof is not base64 of hashes"));
        if self.proof.len() > MAX_PROOF_HASHES {
            return Err(malformed());
        }
        self.proof
            .iter()
            .map(|text| {
                let bytes = BASE64_STANDARD.decode(text).map_err(|_| malformed())?;
                bytes.try_into().map(TreeHash).map_err(|_| malformed())
            })
            .collect()
    }

    /// The leaf and its proof, once that leads to `checkpoint`.
    fn check(
        &self,
        part: &'static str,
        checkpoint: &Checkpoint,
    ) -> Result<(Vec<u8>, Vec<TreeHash>), ReceiptError> {
        let (leaf, proof) = (self.leaf_bytes(part)?, self.hashes(part)?);
        let hash = tree::leaf_hash(&leaf);
        match tree::root_from_inclusion(hash, self.index, checkpoint.size, &proof) {
            Some(root) if root == checkpoint.root => Ok((leaf, proof)),
            _ => Err(ReceiptError::NotIncluded(part)),
        }
    }
}

fn leaf_bytes(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() <= MAX_LEAF_BYTES)
}

impl Receipt {
    /// Puts a receipt together; it is as true as its parts.
    pub fn new(
        chain_id: ChainId,
        entry_id: EntryId,
        changes: &[EncodedEntry],
        entry: LeafProof,
        header: LeafProof,
        checkpoint: String,
    ) -> Self {
        let spec_changes =
            changes.iter().map(|change| BASE64_STANDARD.encode(change.leaf())).collect();
        Self { format: Format::V1, chain_id, entry_id, spec_changes, entry, header, checkpoint }
    }

    /// Reads a receipt file. What it says is not verified.
    ///
    /// # Errors
    /// [`ReceiptError::TooLong`] or [`ReceiptError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLong(text.len()));
        }
        json::from_str(text).map_err(|JsonError { path, message }| {
            let colon = if path.is_empty() { "" } else { ": " };
            ReceiptError::Malformed(format!("{path}{colon}{message}"))
        })
    }

    /// The receipt file.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings, numbers and lists");
        text.push('\n');
        text
    }

    /// Checks everything that it says against `chain` alone.
    ///
    /// # Errors
    /// [`ReceiptError`], the first thing that is wrong.
    pub fn verify(&self, chain: &Chain) -> Result<ProvenEntry, ReceiptError> {
        let (found, expected) = (self.chain_id, chain.id());
        if found != expected {
            return Err(ReceiptError::WrongChain { found, expected });
        }
        let header = match Leaf::decode(&self.header.leaf_bytes("header")?) {
            Ok(Leaf::Header(header)) => header,
            Ok(Leaf::Entry(_)) => return Err(ReceiptError::Header("its leaf is an entry")),
            Err(error) => return Err(ReceiptError::Leaf { part: "header", error }),
        };
        let spec = self.spec_at(chain, header.height)?;
        let (checkpoint, _) = Checkpoint::open(&self.checkpoint, &spec.origin, &spec.authority())?;
        let (_, proof) = self.header.check("header", &checkpoint)?;
        self.check_header(&spec, &checkpoint, &header, &proof)?;
        let (leaf, _) = self.entry.check("entry", &checkpoint)?;
        let entry = EncodedEntry::decode(leaf)
            .map_err(|error| ReceiptError::Leaf { part: "entry", error })?;
        if entry.id() != self.entry_id {
            return Err(ReceiptError::WrongEntry(entry.id()));
        }
        Ok(ProvenEntry { entry, index: self.entry.index, header, checkpoint, spec })
    }

    /// The spec in force at `height`, by the changes that the receipt carries.
    fn spec_at(&self, chain: &Chain, height: u64) -> Result<Arc<ChainSpec>, ReceiptError> {
        let mut succession: Arc<Succession> = chain.succession().clone();
        for (number, text) in (1..).zip(&self.spec_changes) {
            let leaf = leaf_bytes(text).ok_or(ReceiptError::NotAChange { number })?;
            let encoded = EncodedEntry::decode(leaf)
                .map_err(|error| ReceiptError::Leaf { part: "spec_changes", error })?;
            let Body::SpecChange(change) = &encoded.entry().body else {
                return Err(ReceiptError::NotAChange { number });
            };
            let changed = succession.with(&encoded, change);
            let changed = changed.map_err(|refusal| ReceiptError::Change { number, refusal })?;
            succession = Arc::new(changed);
        }
        let needed = succession.changes_to(height).len();
        if needed < self.spec_changes.len() {
            return Err(ReceiptError::NeedlessChanges(needed));
        }
        Ok(succession.spec_at(height).clone())
    }

    fn check_header(
        &self,
        spec: &ChainSpec,
        checkpoint: &Checkpoint,
        header: &Header,
        proof: &[TreeHash],
    ) -> Result<(), ReceiptError> {
        let index = self.header.index;
        let checks = [
            (header.format_version == FORMAT_VERSION, "it is of another format"),
            (header.chain_id == self.chain_id, "it is another chain's"),
            (header.authority == spec.authority(), "it names another authority"),
            (header.index() == index, "it stands at another index than it says"),
            (header.log_size() == checkpoint.size, "the checkpoint does not end at it"),
            (header.log_root == tree::root_before_last(proof), "its log root is another"),
            (
                (header.first_index..index).contains(&self.entry.index),
                "the entry is not in its block",
            ),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, problem)) => Err(ReceiptError::Header(problem)),
            None => Ok(()),
        }
    }
}
