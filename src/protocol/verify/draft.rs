//! Making a block: entries are admitted one by one, then it is closed and signed.

use std::sync::Arc;

use super::chain::{Chain, Tip};
use crate::protocol::block::{EncodedEntry, Header, checkpoint, encode_block};
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::entry::Parties;
use crate::protocol::hash::{AccountsRoot, TreeHash};
use crate::protocol::key::{PublicKey, SealingKey, Signature};
use crate::protocol::rules::{
    self, AdmitError, Admitted, Changed, Changes, Overlay, Place, StateReader,
};
use crate::protocol::spec::{ChainSpec, FORMAT_VERSION, Limits};
use crate::protocol::succession::Succession;
use crate::protocol::time::Timestamp;
use crate::protocol::tree::{Frontier, leaf_hash};

/// A block in the making: entries that are admitted, not yet sealed.
pub struct Draft<'a, S> {
    chain: &'a Chain,
    tip: &'a Tip,
    time: Timestamp,
    state: Overlay<'a, S>,
    entries: Vec<EncodedEntry>,
    parties: Vec<Parties>,
    /// How many changes by which accounts may move there were after each entry.
    changed: Vec<usize>,
    /// The sum of the leaves' lengths.
    bytes: usize,
    /// What is in force when, after each change of the spec: those are the block's first entries.
    successions: Vec<Arc<Succession>>,
}

/// A state of a draft to roll back to.
#[derive(Clone, Copy, Debug)]
pub struct DraftMark {
    state: rules::Mark,
    entries: usize,
    bytes: usize,
}

impl<'a, S: StateReader> Draft<'a, S> {
    /// An empty draft after `tip`, at `now` or, if that is later, at its parent's time.
    pub fn new(chain: &'a Chain, tip: &'a Tip, state: &'a S, now: Timestamp) -> Self {
        Self {
            chain,
            tip,
            time: now.max(tip.time),
            state: Overlay::new(state),
            entries: Vec::new(),
            parties: Vec::new(),
            changed: Vec::new(),
            bytes: 0,
            successions: Vec::new(),
        }
    }

    /// What is in force when, with the changes of the spec that the draft begins with.
    fn succession(&self) -> &Arc<Succession> {
        self.successions.last().unwrap_or(&self.tip.succession)
    }

    /// The spec in force for the block, as far as it goes.
    fn spec(&self) -> &ChainSpec {
        self.succession().spec_at(self.height())
    }

    /// Who may seal the block, as far as it goes.
    pub fn authority(&self) -> PublicKey {
        self.spec().authority()
    }

    /// Whether a change of the spec may come next: nothing but changes came so far.
    pub fn is_opening(&self) -> bool {
        self.successions.len() == self.entries.len()
    }

    /// What bounds the block, as far as it goes.
    pub fn limits(&self) -> Limits {
        self.spec().limits
    }

    /// Whether another entry of `leaf_bytes` fits the block.
    pub fn has_room_for(&self, leaf_bytes: usize) -> bool {
        let limits = self.limits();
        self.entries.len() < limits.block_entries as usize
            && self.bytes.saturating_add(leaf_bytes) <= limits.block_bytes as usize
    }

    /// Admits an entry, which must fit; its log index.
    ///
    /// # Errors
    /// [`AdmitError`]; the draft is as it was before.
    pub fn admit(&mut self, entry: EncodedEntry) -> Result<u64, AdmitError<S::Error>> {
        assert!(self.has_room_for(entry.leaf().len()), "the caller asks for room first");
        let index = self.next_index();
        let succession = self.successions.last().unwrap_or(&self.tip.succession);
        let place = Place {
            spec: succession.spec_at(self.height()),
            succession,
            opening: self.is_opening(),
            parent: self.tip.header_hash,
            block_time: self.time,
            height: self.height(),
            index,
        };
        let mark = self.state.mark();
        match rules::admit(&mut self.state, place, &entry) {
            Ok(Admitted { parties, succession }) => {
                self.successions.extend(succession.map(Arc::new));
                self.bytes += entry.leaf().len();
                self.entries.push(entry);
                self.parties.push(parties);
                self.changed.push(self.state.changed());
                Ok(index)
            }
            Err(error) => {
                self.state.roll_back(mark);
                Err(error)
            }
        }
    }

    /// The chain that the block is for.
    pub fn chain(&self) -> &'a Chain {
        self.chain
    }

    /// The height that the block will have.
    pub fn height(&self) -> u64 {
        self.tip.height + 1
    }

    /// The log index that the next entry will have.
    pub fn next_index(&self) -> u64 {
        self.tip.tree.size() + self.entries.len() as u64
    }

    /// The entries admitted so far, in order.
    pub fn entries(&self) -> &[EncodedEntry] {
        &self.entries
    }

    /// The point that the draft has reached.
    pub fn mark(&self) -> DraftMark {
        DraftMark { state: self.state.mark(), entries: self.entries.len(), bytes: self.bytes }
    }

    /// Takes back every entry since `mark`.
    pub fn roll_back(&mut self, mark: DraftMark) {
        self.state.roll_back(mark.state);
        self.entries.truncate(mark.entries);
        self.parties.truncate(mark.entries);
        self.changed.truncate(mark.entries);
        self.successions.truncate(mark.entries);
        self.bytes = mark.bytes;
    }

    /// Closes the block and signs it, as the authority.
    ///
    /// # Panics
    /// If there is nothing to seal, or `key` is not the authority's: neither is ever to be
    /// sealed, so neither may depend on a caller's care.
    pub fn seal(self, key: &SealingKey) -> VerifiedBlock {
        assert!(!self.entries.is_empty(), "a block after genesis has entries");
        assert_eq!(key.public(), self.authority(), "only the authority seals");
        let log = log_after(self.tip, &self.entries);
        let closed = self.close(log);
        let signature = closed.checkpoint().sign(key);
        closed.sign(signature)
    }

    /// Closes the block; `tree` is the log with its entries, just before the header.
    pub(super) fn close(self, mut tree: Frontier) -> Closed {
        let entry_count = u32::try_from(self.entries.len()).expect("has_room_for bounds it");
        let header = Header {
            format_version: FORMAT_VERSION,
            rules_version: self.spec().rules_version,
            chain_id: self.chain.id(),
            height: self.height(),
            parent: self.tip.header_hash,
            time: self.time,
            first_index: self.tip.tree.size(),
            entry_count,
            log_root: tree.root(),
            accounts_root: AccountsRoot::empty(),
            authority: self.authority(),
        };
        let succession = self.succession().clone();
        let header_leaf = header.to_leaf();
        let header_leaf_hash = leaf_hash(&header_leaf);
        tree.push(header_leaf_hash);
        let (changes, moves) = self.state.into_changes();
        Closed {
            origin: self.chain.spec().origin.clone(),
            tip: Tip::new(&header, tree, succession),
            header,
            header_leaf,
            header_leaf_hash,
            entries: self.entries,
            parties: self.parties,
            changes,
            changed: moves,
            changed_until: self.changed,
        }
    }
}

/// The log of `tip` with `entries` appended.
pub(super) fn log_after(tip: &Tip, entries: &[EncodedEntry]) -> Frontier {
    let mut tree = tip.tree.clone();
    for entry in entries {
        tree.push(entry.leaf_hash());
    }
    tree
}

/// A draft with its header: all of a block but the signature.
pub(super) struct Closed {
    origin: String,
    header: Header,
    header_leaf: Vec<u8>,
    header_leaf_hash: TreeHash,
    entries: Vec<EncodedEntry>,
    parties: Vec<Parties>,
    changes: Changes,
    changed: Vec<Changed>,
    /// Where the changes by each entry end.
    changed_until: Vec<usize>,
    tip: Tip,
}

impl Closed {
    fn checkpoint(&self) -> Checkpoint {
        checkpoint(&self.origin, &self.header, self.tip.tree.root())
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn into_outcome(self) -> (Tip, Changes) {
        (self.tip, self.changes)
    }

    pub(super) fn sign(self, signature: Signature) -> VerifiedBlock {
        VerifiedBlock { closed: self, signature }
    }
}

/// A block whose links, roots, rules and signature hold: sealed here or verified here.
pub struct VerifiedBlock {
    closed: Closed,
    signature: Signature,
}

impl VerifiedBlock {
    /// What closes the block.
    pub fn header(&self) -> &Header {
        &self.closed.header
    }

    /// The header's leaf.
    pub fn header_leaf(&self) -> &[u8] {
        &self.closed.header_leaf
    }

    /// The hash of the header's leaf.
    pub fn header_leaf_hash(&self) -> TreeHash {
        self.closed.header_leaf_hash
    }

    /// The authority's signature on the checkpoint.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[EncodedEntry] {
        &self.closed.entries
    }

    /// Whom each entry concerns, in the same order.
    pub fn parties(&self) -> &[Parties] {
        &self.closed.parties
    }

    /// Each entry, and the records that it changed by which accounts may move.
    pub fn changed(&self) -> impl Iterator<Item = (&EncodedEntry, &[Changed])> {
        let mut from = 0;
        self.closed.entries.iter().zip(&self.closed.changed_until).map(move |(entry, until)| {
            let changed = self.closed.changed.get(from..*until).unwrap_or_default();
            from = *until;
            (entry, changed)
        })
    }

    /// Every record that the rules changed.
    pub fn changes(&self) -> &Changes {
        &self.closed.changes
    }

    /// The end of the chain with this block.
    pub fn tip(&self) -> &Tip {
        &self.closed.tip
    }

    /// The end of the chain with this block, and what the rules changed: all that whoever goes
    /// on verifying has to keep.
    pub fn into_outcome(self) -> (Tip, Changes) {
        self.closed.into_outcome()
    }

    /// The checkpoint that the signature is on.
    pub fn checkpoint(&self) -> Checkpoint {
        self.closed.checkpoint()
    }

    /// The canonical bytes of the block.
    pub fn encode(&self) -> Vec<u8> {
        encode_block(self.header(), &self.signature, self.entries())
    }
}
