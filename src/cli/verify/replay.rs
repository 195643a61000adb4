//! Executing a whole chain again, from genesis, with the rules' state in memory.

use std::sync::Arc;

use super::records::Records;
use super::{NotProven, ProvenLedger};
use crate::protocol::block::{Block, EncodedEntry, Header};
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::rules::Changes;
use crate::protocol::spec::MAX_BLOCK_ENTRIES;
use crate::protocol::verify::{self, Chain, Tip};

/// A chain that was verified as far as its tip.
pub struct Replay {
    chain: Arc<Chain>,
    tip: Tip,
    state: Records,
    entries: u64,
    /// Leaves after the tip, of a block whose header is still to come.
    pending: Vec<EncodedEntry>,
}

impl Replay {
    /// The genesis block alone.
    pub fn new(chain: Arc<Chain>) -> Self {
        let tip = chain.genesis_tip();
        Self { chain, tip, state: Records::default(), entries: 0, pending: Vec::new() }
    }

    /// The height of the block that comes next or is coming.
    pub fn next_height(&self) -> u64 {
        self.tip.height + 1
    }

    /// The end of what was verified.
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The next block, its signature included.
    pub fn block(&mut self, block: Block) -> Result<(), NotProven> {
        let count = block.entries.len() as u64;
        let verified = verify::verify(&self.chain, &self.tip, &self.state, block)?;
        self.advance(count, verified.into_outcome());
        Ok(())
    }

    /// The next leaf, an entry.
    pub fn entry(&mut self, entry: EncodedEntry) -> Result<(), NotProven> {
        // What the block itself allows, its first entries may change.
        if self.pending.len() >= MAX_BLOCK_ENTRIES as usize {
            let index = self.tip.tree.size() + self.pending.len() as u64;
            let problem = "a block can't have as many entries as come before the next header";
            return Err(NotProven::at_leaf(index, self.next_height(), problem));
        }
        self.pending.push(entry);
        Ok(())
    }

    /// The next leaf, a header: it closes the entries since the last. Its signature is that of
    /// a later checkpoint: see [`Replay::finish`].
    pub fn header(&mut self, header: &Header) -> Result<(), NotProven> {
        let entries = std::mem::take(&mut self.pending);
        let count = entries.len() as u64;
        let replayed = verify::replay(&self.chain, &self.tip, &self.state, header, entries)?;
        self.advance(count, replayed.into_outcome());
        Ok(())
    }

    fn advance(&mut self, entries: u64, (tip, changes): (Tip, Changes)) {
        self.entries += entries;
        self.tip = tip;
        self.state.extend(changes);
    }

    /// Checks that the log ends as `checkpoint` says, which the authority must have signed.
    pub fn finish(&self, checkpoint: &Checkpoint) -> Result<(), NotProven> {
        let found = self.tip.checkpoint(&self.chain);
        if !self.pending.is_empty() {
            let problem = "the log ends within a block, before its header";
            return Err(NotProven::at_block(self.next_height(), problem));
        }
        if found == *checkpoint {
            return Ok(());
        }
        Err(NotProven::new(format!(
            "the log that was read has {} leaves and the root {}, the checkpoint says {} and {}",
            found.size, found.root, checkpoint.size, checkpoint.root
        )))
    }

    /// What was proven, with what the caller adds.
    pub fn proven(
        &self,
        checked: Vec<&'static str>,
        not_proven: Vec<&'static str>,
    ) -> ProvenLedger {
        let spec = self.tip.spec();
        ProvenLedger {
            chain_id: self.chain.id().to_string(),
            origin: spec.origin.clone(),
            authority: spec.authority().to_string(),
            height: self.tip.height,
            size: self.tip.tree.size(),
            root: self.tip.tree.root(),
            entries: self.entries,
            rules_version: spec.rules_version,
            last_block_time: self.tip.time,
            checked,
            not_proven,
        }
    }
}

/// What every way of verifying a whole chain checks.
pub const CHECKED: [&str; 3] = [
    "links: every header names the one before it, from the genesis that the chain spec gives",
    "roots: the log's root is recomputed from every leaf, at every header",
    "rules: every entry is admitted again, and is in its one canonical encoding",
];
/// What no way of verifying can tell yet.
pub const NO_WITNESSES: &str = "that nobody is shown another ledger: there are no witnesses yet; compare size and root with others";
