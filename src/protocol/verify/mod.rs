//! Verifying and making blocks: one mechanism.
//!
//! A [`Draft`] admits entries one by one, by the rules, and knows the header that would close
//! it. The authority seals a draft of what was submitted. Everybody else drafts the same
//! entries again and compares. Either way ends in a [`VerifiedBlock`], which nothing else can
//! make, and which is all that a store takes. Who reads the log alone, without the signature of
//! each block, replays it instead ([`replay`]).
//!
//! | file | what |
//! |---|---|
//! | `chain.rs` | a chain and its end: what the next block has to fit |
//! | `draft.rs` | making a block |

mod chain;
mod draft;

use std::sync::Arc;

pub use self::chain::{Chain, Tip};
use self::draft::{Closed, log_after};
pub use self::draft::{Draft, DraftMark, VerifiedBlock};
use super::block::{Block, EncodedEntry, Header, checkpoint};
use super::entry::Body;
use super::rules::{AdmitError, Changes, Refusal, StateReader};
use super::spec::{FORMAT_VERSION, RULES_VERSION};
use super::succession::{ChangePlace, Succession};
use super::time::Timestamp;
use super::tree::{Frontier, leaf_hash};

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
    /// An entry that the block begins with changes the spec against the rules. Who may seal the
    /// block depends on it, so this says nothing of who did.
    #[error("block {height}: the change of the spec at index {index} breaks the rule {}: {refusal}", refusal.rule())]
    Change {
        /// The height of the block.
        height: u64,
        /// The log index of the entry.
        index: u64,
        /// The rule.
        refusal: Refusal,
    },
    /// It puts rules in force that this program doesn't know. Nobody has lied; a newer program goes
    /// on from here.
    #[error(
        "block {height}: puts version {version} of the rules in force, this program knows version {RULES_VERSION}: a newer program is needed"
    )]
    UnknownRules {
        /// The height of the block.
        height: u64,
        /// The version.
        version: u16,
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
        self.closed.header()
    }

    /// The same as [`VerifiedBlock::into_outcome`].
    pub fn into_outcome(self) -> (Tip, Changes) {
        self.closed.into_outcome()
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
    compare(height, closed.header(), header)?;
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
    let succession = check_place(chain, tip, &block.header, &block.entries)?;
    let tree = check_signed(chain, block, log_after(tip, &block.entries))?;
    Ok(Tip::new(&block.header, tree, succession))
}

/// Checks what must hold of a block before anything of it is hashed. What is in force when with
/// the changes that it begins with.
fn check_place<E>(
    chain: &Chain,
    tip: &Tip,
    header: &Header,
    entries: &[EncodedEntry],
) -> Result<Arc<Succession>, Invalid<E>> {
    let height = tip.height + 1;
    let (time, parent_time) = (header.time, tip.time);
    if time < parent_time {
        return Err(Invalid::TimeBackwards { height, time, parent_time });
    }
    // The links first: of a block from elsewhere nothing else would make sense.
    compare_links(chain, tip, header)?;
    if entries.is_empty() {
        return Err(Invalid::Empty { height });
    }
    let succession = with_changes(tip, entries)?;
    let spec = succession.spec_at(height);
    let (rules_version, authority) = (spec.rules_version, spec.authority());
    compare(height, &Header { rules_version, authority, ..header.clone() }, header)?;
    Ok(succession)
}

/// What is in force when with the changes that a block after `tip` begins with.
fn with_changes<E>(tip: &Tip, entries: &[EncodedEntry]) -> Result<Arc<Succession>, Invalid<E>> {
    let height = tip.height + 1;
    let place = ChangePlace { height, parent: tip.header_hash };
    let mut succession = tip.succession.clone();
    for (index, encoded) in (tip.tree.size()..).zip(entries) {
        let Body::SpecChange(change) = &encoded.entry().body else { break };
        succession = match succession.with_at(encoded, change, place) {
            Ok(changed) => Arc::new(changed),
            Err(Refusal::UnknownRules { version }) => {
                return Err(Invalid::UnknownRules { height, version });
            }
            Err(refusal) => return Err(Invalid::Change { height, index, refusal }),
        };
    }
    Ok(succession)
}

/// Checks what a header says of its place, whatever the spec in force.
fn compare_links<E>(chain: &Chain, tip: &Tip, found: &Header) -> Result<(), Invalid<E>> {
    let expected = Header {
        format_version: FORMAT_VERSION,
        chain_id: chain.id(),
        height: tip.height + 1,
        parent: tip.header_hash,
        first_index: tip.tree.size(),
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
    checkpoint(&chain.spec().origin, found, tree.root())
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
