//! Verifying and making blocks: one mechanism.
//!
//! A [`Draft`] admits entries one by one, by the rules, and knows the header that would close
//! it. The authority seals a draft of what was submitted. Everybody else drafts the same
//! entries again and compares. Either way ends in a [`VerifiedBlock`], which nothing else can
//! make, and which is all that a store takes. Who reads the log alone, without the signature of
//! each block, replays it instead ([`replay`]).

use super::block::{Block, EncodedEntry, Header, checkpoint};
use super::checkpoint::Checkpoint;
use super::entry::Parties;
use super::hash::{AccountsRoot, ChainId, HeaderHash, TreeHash};
use super::key::{SealingKey, Signature};
use super::rules::{self, AdmitError, Changes, Overlay, Place, Refusal, StateReader};
use super::spec::{ChainSpec, FORMAT_VERSION};
use super::time::Timestamp;
use super::tree::{Frontier, leaf_hash};

/// A chain: its spec, and what follows from that alone.
#[derive(Clone, Debug)]
pub struct Chain {
    spec: ChainSpec,
    id: ChainId,
    genesis: Header,
}

impl Chain {
    /// The chain of `spec`.
    pub fn new(spec: ChainSpec) -> Self {
        let genesis = Header::genesis(&spec);
        Self { id: genesis.chain_id, genesis, spec }
    }

    /// The chain's spec.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The chain's identity.
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// The header of block 0.
    pub fn genesis(&self) -> &Header {
        &self.genesis
    }

    /// The end of the chain when it has but its genesis block.
    pub fn genesis_tip(&self) -> Tip {
        let mut tree = Frontier::default();
        tree.push(leaf_hash(&self.genesis.to_leaf()));
        Tip::new(&self.genesis, tree)
    }
}

/// The end of a chain: all that the next block has to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// How many blocks stand before the last.
    pub height: u64,
    /// The hash of the last header.
    pub header_hash: HeaderHash,
    /// The time of the last block.
    pub time: Timestamp,
    /// The log that ends with the last header.
    pub tree: Frontier,
}

impl Tip {
    /// The end of a chain whose last header is `header` and whose log is `tree`.
    pub fn new(header: &Header, tree: Frontier) -> Self {
        Self { height: header.height, header_hash: header.hash(), time: header.time, tree }
    }

    /// The checkpoint of the log that ends here.
    pub fn checkpoint(&self, chain: &Chain) -> Checkpoint {
        let origin = chain.spec.origin.clone();
        Checkpoint { origin, size: self.tree.size(), root: self.tree.root() }
    }
}

/// A block in the making: entries that are admitted, not yet sealed.
pub struct Draft<'a, S> {
    chain: &'a Chain,
    tip: &'a Tip,
    time: Timestamp,
    state: Overlay<'a, S>,
    entries: Vec<EncodedEntry>,
    parties: Vec<Parties>,
    /// The sum of the leaves' lengths.
    bytes: usize,
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
            bytes: 0,
        }
    }

    /// Whether another entry of `leaf_bytes` fits the block.
    pub fn has_room_for(&self, leaf_bytes: usize) -> bool {
        let limits = self.chain.spec.limits;
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
        let place =
            Place { spec: &self.chain.spec, block_time: self.time, height: self.height(), index };
        let mark = self.state.mark();
        match rules::admit(&mut self.state, place, &entry) {
            Ok(parties) => {
                self.bytes += entry.leaf().len();
                self.entries.push(entry);
                self.parties.push(parties);
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
        self.bytes = mark.bytes;
    }

    /// Closes the block and signs it, as the authority.
    ///
    /// # Panics
    /// If there is nothing to seal, or `key` is not the authority's: neither is ever to be
    /// sealed, so neither may depend on a caller's care.
    pub fn seal(self, key: &SealingKey) -> VerifiedBlock {
        assert!(!self.entries.is_empty(), "a block after genesis has entries");
        assert_eq!(key.public(), self.chain.spec.authority(), "only the authority seals");
        let log = log_after(self.tip, &self.entries);
        let closed = self.close(log);
        let signature = closed.checkpoint().sign(key);
        closed.sign(signature)
    }

    /// Closes the block; `tree` is the log with its entries, just before the header.
    fn close(self, mut tree: Frontier) -> Closed {
        let entry_count = u32::try_from(self.entries.len()).expect("has_room_for bounds it");
        let header = Header {
            format_version: FORMAT_VERSION,
            rules_version: self.chain.spec.rules_version,
            chain_id: self.chain.id,
            height: self.height(),
            parent: self.tip.header_hash,
            time: self.time,
            first_index: self.tip.tree.size(),
            entry_count,
            log_root: tree.root(),
            accounts_root: AccountsRoot::empty(),
            authority: self.chain.spec.authority(),
        };
        let header_leaf = header.to_leaf();
        let header_leaf_hash = leaf_hash(&header_leaf);
        tree.push(header_leaf_hash);
        Closed {
            origin: self.chain.spec.origin.clone(),
            tip: Tip::new(&header, tree),
            header,
            header_leaf,
            header_leaf_hash,
            entries: self.entries,
            parties: self.parties,
            changes: self.state.into_changes(),
        }
    }
}

/// The log of `tip` with `entries` appended.
fn log_after(tip: &Tip, entries: &[EncodedEntry]) -> Frontier {
    let mut tree = tip.tree.clone();
    for entry in entries {
        tree.push(entry.leaf_hash());
    }
    tree
}

/// A draft with its header: all of a block but the signature.
struct Closed {
    origin: String,
    header: Header,
    header_leaf: Vec<u8>,
    header_leaf_hash: TreeHash,
    entries: Vec<EncodedEntry>,
    parties: Vec<Parties>,
    changes: Changes,
    tip: Tip,
}

impl Closed {
    fn checkpoint(&self) -> Checkpoint {
        checkpoint(&self.origin, &self.header, self.tip.tree.root())
    }

    fn sign(self, signature: Signature) -> VerifiedBlock {
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
        (self.closed.tip, self.closed.changes)
    }

    /// The checkpoint that the signature is on.
    pub fn checkpoint(&self) -> Checkpoint {
        self.closed.checkpoint()
    }

    /// The canonical bytes of the block.
    pub fn encode(&self) -> Vec<u8> {
        super::block::encode_block(self.header(), &self.signature, self.entries())
    }
}

/// What is wrong with a block: the first thing found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid<E> {
    /// A field of the header isn't what it must be.
    #[error("block {height}: {field} is {found}, must be {expected}")]
    Header {
        /// The height that the block must have.
        height: u64,
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Time runs backwards.
    #[error("block {height}: its time {time} is before its parent's, {parent_time}")]
    TimeBackwards {
        /// The height of the block.
        height: u64,
        /// Its time.
        time: Timestamp,
        /// Its parent's time.
        parent_time: Timestamp,
    },
    /// A block without entries.
    #[error("block {height}: no entries")]
    Empty {
        /// The height of the block.
        height: u64,
    },
    /// More entries or bytes than the spec allows.
    #[error("block {height}: the entry at index {index} is beyond the limits of a block")]
    TooLarge {
        /// The height of the block.
        height: u64,
        /// The log index of the first entry that is too much.
        index: u64,
    },
    /// An entry that breaks a rule. From [`verify`]: in a block that the authority signed.
    #[error("block {height}: the entry at index {index} breaks the rule {}: {refusal}", refusal.rule())]
    Rule {
        /// The height of the block.
        height: u64,
        /// The log index of the entry.
        index: u64,
        /// The rule.
        refusal: Refusal,
    },
    /// The checkpoint isn't signed by the authority.
    #[error("block {height}: the authority's signature does not match")]
    Signature {
        /// The height of the block.
        height: u64,
    },
    /// The state that the rules need couldn't be read.
    #[error("the state can't be read")]
    State(E),
}

/// Verifies that `block` follows `tip`: links, roots, signature, limits and rules.
///
/// The signature comes before the rules: a stranger's block costs nobody more than its
/// hashes, and [`Invalid::Rule`] is said only of what the authority did sign.
///
/// # Errors
/// [`Invalid`].
pub fn verify<S: StateReader>(
    chain: &Chain,
    tip: &Tip,
    state: &S,
    block: Block,
) -> Result<VerifiedBlock, Invalid<S::Error>> {
    check_place(chain, tip, &block.header, &block.entries)?;
    let log = log_after(tip, &block.entries);
    check_signed(chain, &block, log.clone())?;
    let closed = execute(chain, tip, state, &block.header, block.entries, log)?;
    Ok(closed.sign(block.signature))
}

/// A block of which everything but a signature was verified. It is as true as the checkpoint
/// that its log, or one that goes on from it, turns out to end with.
pub struct ReplayedBlock {
    closed: Closed,
}

impl ReplayedBlock {
    /// What closes the block.
    pub fn header(&self) -> &Header {
        &self.closed.header
    }

    /// The same as [`VerifiedBlock::into_outcome`].
    pub fn into_outcome(self) -> (Tip, Changes) {
        (self.closed.tip, self.closed.changes)
    }
}

/// Verifies that `entries`, closed by `header`, follow `tip`: links, roots, limits and rules.
///
/// For whoever reads the log itself, where a block's own signature isn't kept: the signed
/// checkpoint of the log's end covers every block before it. Such a caller MUST compare the
/// last tip with one.
///
/// # Errors
/// [`Invalid`], never for a signature.
pub fn replay<S: StateReader>(
    chain: &Chain,
    tip: &Tip,
    state: &S,
    header: &Header,
    entries: Vec<EncodedEntry>,
) -> Result<ReplayedBlock, Invalid<S::Error>> {
    check_place(chain, tip, header, &entries)?;
    let log = log_after(tip, &entries);
    execute(chain, tip, state, header, entries, log).map(|closed| ReplayedBlock { closed })
}

/// Drafts a block again, by the rules, and compares. `log` is the log just before the header.
fn execute<S: StateReader>(
    chain: &Chain,
    tip: &Tip,
    state: &S,
    header: &Header,
    entries: Vec<EncodedEntry>,
    log: Frontier,
) -> Result<Closed, Invalid<S::Error>> {
    let height = header.height;
    let mut draft = Draft::new(chain, tip, state, header.time);
    for entry in entries {
        let index = draft.next_index();
        if !draft.has_room_for(entry.leaf().len()) {
            return Err(Invalid::TooLarge { height, index });
        }
        draft.admit(entry).map_err(|error| match error {
            AdmitError::Refused(refusal) => Invalid::Rule { height, index, refusal },
            AdmitError::State(error) => Invalid::State(error),
        })?;
    }
    let closed = draft.close(log);
    compare(height, &closed.header, header)?;
    Ok(closed)
}

/// Verifies what can be without the rules' state: that `block` follows `tip` by its links,
/// roots and signature. Whether its entries obey the rules isn't looked at. The chain's end
/// with it.
///
/// # Errors
/// [`Invalid`].
pub fn verify_signed(
    chain: &Chain,
    tip: &Tip,
    block: &Block,
) -> Result<Tip, Invalid<std::convert::Infallible>> {
    check_place(chain, tip, &block.header, &block.entries)?;
    let tree = check_signed(chain, block, log_after(tip, &block.entries))?;
    Ok(Tip::new(&block.header, tree))
}

/// Checks what must hold of a block before anything of it is hashed.
fn check_place<E>(
    chain: &Chain,
    tip: &Tip,
    header: &Header,
    entries: &[EncodedEntry],
) -> Result<(), Invalid<E>> {
    let height = tip.height + 1;
    let (time, parent_time) = (header.time, tip.time);
    if time < parent_time {
        return Err(Invalid::TimeBackwards { height, time, parent_time });
    }
    // The links first: of a block from elsewhere nothing else would make sense.
    compare_links(chain, tip, header)?;
    if entries.is_empty() { Err(Invalid::Empty { height }) } else { Ok(()) }
}

/// Checks what a header says of its place.
fn compare_links<E>(chain: &Chain, tip: &Tip, found: &Header) -> Result<(), Invalid<E>> {
    let expected = Header {
        format_version: FORMAT_VERSION,
        rules_version: chain.spec.rules_version,
        chain_id: chain.id,
        height: tip.height + 1,
        parent: tip.header_hash,
        first_index: tip.tree.size(),
        authority: chain.spec.authority(),
        ..found.clone()
    };
    compare(expected.height, &expected, found)
}

/// Checks that the header covers the block's entries, and that the authority signed the
/// checkpoint which ends at it. `tree` is the log with the entries, just before the header; the
/// log with the header comes back.
fn check_signed<E>(
    chain: &Chain,
    block: &Block,
    mut tree: Frontier,
) -> Result<Frontier, Invalid<E>> {
    let found = &block.header;
    let expected = Header {
        // More than fit are too many for any header; the limits tell.
        entry_count: u32::try_from(block.entries.len()).unwrap_or(u32::MAX),
        log_root: tree.root(),
        ..found.clone()
    };
    compare(found.height, &expected, found)?;
    tree.push(leaf_hash(&found.to_leaf()));
    checkpoint(&chain.spec.origin, found, tree.root())
        .verify(&found.authority, &block.signature)
        .map_err(|_| Invalid::Signature { height: found.height })?;
    Ok(tree)
}

/// The first field in which two headers differ, as an error.
fn compare<E>(height: u64, expected: &Header, found: &Header) -> Result<(), Invalid<E>> {
    type Show = fn(&Header) -> String;
    const FIELDS: [(&str, Show); 11] = [
        ("format_version", |header| header.format_version.to_string()),
        ("chain_id", |header| header.chain_id.to_string()),
        ("height", |header| header.height.to_string()),
        ("rules_version", |header| header.rules_version.to_string()),
        ("parent", |header| header.parent.to_string()),
        ("time", |header| header.time.to_string()),
        ("authority", |header| header.authority.to_string()),
        ("first_index", |header| header.first_index.to_string()),
        ("entry_count", |header| header.entry_count.to_string()),
        ("log_root", |header| header.log_root.to_string()),
        ("accounts_root", |header| header.accounts_root.to_string()),
    ];
    if expected == found {
        return Ok(());
    }
    let (field, show) = FIELDS
        .into_iter()
        .find(|(_, show)| show(expected) != show(found))
        .expect("headers that differ do so in a field");
    Err(Invalid::Header { height, field, expected: show(expected), found: show(found) })
}
