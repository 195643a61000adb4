//! Blocks: runs of entry leaves, each closed by a header leaf and signed by a checkpoint.

use std::sync::{Arc, OnceLock};

use bincode::{Decode, Encode, de::Decoder, error::DecodeError};
use serde::Serialize;

use super::checkpoint::Checkpoint;
use super::codec::{self, NotCanonical};
use super::entry::{Entry, Kind};
use super::hash::{
    AccountsRoot, ChainId, Commitment, Domain, EntryId, HeaderHash, StateKey, TreeHash,
};
use super::id::Id;
use super::key::{PublicKey, Signature};
use super::rules::Subject;
use super::spec::{ChainSpec, FORMAT_VERSION, MAX_BLOCK_BYTES, MAX_BLOCK_ENTRIES, MAX_LEAF_BYTES};
use super::time::Timestamp;
use super::tree::{self, empty_root};

/// The longest canonical block, in bytes: full of entries, with a length before each, header
/// and signature.
pub const MAX_BLOCK_WIRE_BYTES: usize =
    MAX_BLOCK_BYTES as usize + 3 * MAX_BLOCK_ENTRIES as usize + 1024;

/// What closes a block: a leaf of the log like any other, and the last of its block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[cfg_attr(feature = "node", derive(utoipa::ToSchema))]
pub struct Header {
    /// The version of the format.
    pub format_version: u16,
    /// The version of the rules that every entry of the block obeys.
    pub rules_version: u16,
    /// Whose block it is.
    pub chain_id: ChainId,
    /// How many blocks stand before it.
    pub height: u64,
    /// The hash of the header before it; zeros at genesis.
    pub parent: HeaderHash,
    /// When it was sealed, by the authority's clock; never before its parent.
    pub time: Timestamp,
    /// The log index of its first entry, or of the header itself in an empty block.
    pub first_index: u64,
    /// How many entries it has.
    pub entry_count: u32,
    /// The root of the log just before this header.
    pub log_root: TreeHash,
    /// The root of the accounts tree after its entries.
    pub accounts_root: AccountsRoot,
    /// The key that signs its checkpoint.
    pub authority: PublicKey,
}

impl Header {
    /// The header of the genesis block, which follows from the chain spec alone.
    pub fn genesis(spec: &ChainSpec) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            rules_version: spec.rules_version,
            chain_id: spec.chain_id(),
            height: 0,
            parent: HeaderHash([0; 32]),
            time: spec.genesis_time,
            first_index: 0,
            entry_count: 0,
            log_root: empty_root(),
            accounts_root: AccountsRoot::empty(),
            authority: spec.authority(),
        }
    }

    /// The link to this block: BLAKE3 of the header's canonical bytes.
    pub fn hash(&self) -> HeaderHash {
        HeaderHash(Domain::Header.digest(&codec::encode(self)))
    }

    /// The log index of the header itself. Saturates for a header that makes no sense.
    pub fn index(&self) -> u64 {
        self.first_index.saturating_add(u64::from(self.entry_count))
    }

    /// The size of the log that ends with this header.
    pub fn log_size(&self) -> u64 {
        self.index().saturating_add(1)
    }

    /// The bytes of the header's leaf.
    pub fn to_leaf(&self) -> Vec<u8> {
        codec::encode(&Leaf::Header(self.clone()))
    }
}

/// A leaf of the log. Its first byte says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// The end of a block.
    Header(Header),
    /// A fact.
    Entry(Entry),
}

/// The number of [`Leaf::Entry`].
const ENTRY_LEAF: u8 = 1;

codec::numbered! {
    Leaf {
        0 => Header { 0: header },
        1 => Entry { 0: entry },
    }
}

impl Leaf {
    /// Reads a leaf's bytes.
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotCanonical> {
        codec::decode(bytes, MAX_LEAF_BYTES)
    }
}

/// What the leaf of an entry begins with, and the entry's identity: enough to say which it is. A
/// payout's part has a thousand lines after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Whose fact it is.
    pub tenant: Id,
    /// The submitter's own name for it.
    pub external_id: Id,
    /// When it happened, by the submitter's word.
    pub event_time: Timestamp,
    /// What kind of fact it is.
    pub kind: Kind,
    /// The entry's identity.
    pub id: EntryId,
}

impl Heading {
    /// Reads what a leaf begins with, of one's own log: what follows isn't looked at.
    ///
    /// # Errors
    /// [`NotCanonical`], also for the leaf of a header.
    pub fn of(leaf: &[u8]) -> Result<Self, NotCanonical> {
        type Beginning = (Id, Id, Timestamp, Option<Commitment>, Kind);
        let Some((&ENTRY_LEAF, canonical)) = leaf.split_first() else {
            return Err(NotCanonical::Undecodable("not the leaf of an entry".to_owned()));
        };
        let (beginning, _) = codec::decode_beginning::<Beginning>(canonical)?;
        let (tenant, external_id, event_time, _, kind) = beginning;
        let id = EntryId(Domain::Entry.digest(canonical));
        Ok(Self { tenant, external_id, event_time, kind, id })
    }
}

impl From<&EncodedEntry> for Heading {
    fn from(encoded: &EncodedEntry) -> Self {
        let entry = encoded.entry();
        Self {
            tenant: entry.tenant.clone(),
            external_id: entry.external_id.clone(),
            event_time: entry.event_time,
            kind: entry.kind(),
            id: encoded.id(),
        }
    }
}

/// An entry with its leaf and what follows from it, computed once and carried along.
///
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct EncodedEntry(Arc<Encoded>);

#[derive(Debug)]
struct Encoded {
    entry: Entry,
    leaf: Vec<u8>,
    /// Made when it is first asked for: whoever verifies a log never does.
    id: OnceLock<EntryId>,
    key: StateKey,
    leaf_hash: TreeHash,
}

impl PartialEq for EncodedEntry {
    /// Everything follows from the leaf.
    fn eq(&self, other: &Self) -> bool {
        self.0.leaf == other.0.leaf
    }
}

impl Eq for EncodedEntry {}

/// An entry whose leaf would be longer than C2SP `tlog-tiles` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry takes {0} bytes, a leaf has at most {MAX_LEAF_BYTES}")]
pub struct EntryTooLong(pub usize);

impl EncodedEntry {
    /// Encodes `entry`.
    ///
    /// # Errors
    /// [`EntryTooLong`].
    pub fn new(entry: Entry) -> Result<Self, EntryTooLong> {
        let leaf = Leaf::Entry(entry);
        let bytes = codec::encode(&leaf);
        let Leaf::Entry(entry) = leaf else { unreachable!("made of an entry above") };
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(EntryTooLong(bytes.len()));
        }
        let encoded = Self::assemble(entry, bytes);
        // Whoever makes an entry tells its id.
        encoded.id();
        Ok(encoded)
    }

    /// Reads an entry's leaf.
    ///
    /// # Errors
    /// [`NotCanonical`], also for the leaf of a header.
    pub fn decode(leaf: Vec<u8>) -> Result<Self, NotCanonical> {
        match Leaf::decode(&leaf)? {
            Leaf::Entry(entry) => Ok(Self::assemble(entry, leaf)),
            Leaf::Header(_) => Err(NotCanonical::Undecodable("a header among entries".to_owned())),
        }
    }

    fn assemble(entry: Entry, leaf: Vec<u8>) -> Self {
        let key = Subject::Entry(entry.kind(), &entry.external_id).key(&entry.tenant);
        let leaf_hash = tree::leaf_hash(&leaf);
        Self(Arc::new(Encoded { entry, leaf, id: OnceLock::new(), key, leaf_hash }))
    }

    /// What is stated.
    pub fn entry(&self) -> &Entry {
        &self.0.entry
    }

    /// The leaf's bytes.
    pub fn leaf(&self) -> &[u8] {
        &self.0.leaf
    }

    /// The entry's identity.
    pub fn id(&self) -> EntryId {
        *self.0.id.get_or_init(|| {
            let (_, canonical) = self.leaf().split_first().expect("a leaf begins with its kind");
            EntryId(Domain::Entry.digest(canonical))
        })
    }

    /// The entry's kind.
    pub fn kind(&self) -> Kind {
        self.0.entry.kind()
    }

    /// The name of the entry's own record in the rules' state.
    pub fn key(&self) -> StateKey {
        self.0.key
    }

    /// The hash of the leaf.
    pub fn leaf_hash(&self) -> TreeHash {
        self.0.leaf_hash
    }
}

/// A sealed block as it travels: decoded, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What closes it.
    pub header: Header,
    /// The authority's signature on its checkpoint.
    pub signature: Signature,
    /// What it records.
    pub entries: Vec<EncodedEntry>,
}

/// The canonical form of a [`Block`].
#[derive(Encode)]
struct BlockWire<L> {
    header: Header,
    signature: Signature,
    leaves: Vec<L>,
}

impl<Context> Decode<Context> for BlockWire<Vec<u8>> {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (header, signature) = Decode::decode(decoder)?;
        // A hostile list of empty leaves would take many times its own bytes.
        let leaves = codec::decode_list(decoder, MAX_BLOCK_ENTRIES as usize)?;
        Ok(Self { header, signature, leaves })
    }
}

impl Block {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode_block(&self.header, &self.signature, &self.entries)
    }

    /// Reads canonical bytes. What they say is not verified.
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotCanonical> {
        let wire: BlockWire<Vec<u8>> = codec::decode(bytes, MAX_BLOCK_WIRE_BYTES)?;
        let entries =
            wire.leaves.into_iter().map(EncodedEntry::decode).collect::<Result<_, _>>()?;
        Ok(Self { header: wire.header, signature: wire.signature, entries })
    }
}

/// The canonical bytes of a block, from its parts.
pub fn encode_block(header: &Header, signature: &Signature, entries: &[EncodedEntry]) -> Vec<u8> {
    encode_leaves(header, signature, entries.iter().map(EncodedEntry::leaf))
}

/// The canonical bytes of a block whose entries have these leaves.
pub fn encode_leaves<'a>(
    header: &Header,
    signature: &Signature,
    leaves: impl Iterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let (header, signature) = (header.clone(), *signature);
    codec::encode(&BlockWire::<&[u8]> { header, signature, leaves: leaves.collect() })
}

/// The checkpoint that ends at `header`, given the root of the log that ends there.
pub fn checkpoint(origin: &str, header: &Header, root: TreeHash) -> Checkpoint {
    Checkpoint { origin: origin.to_owned(), size: header.log_size(), root }
}
