//! What somebody could tell who holds some blocks: true or not, it hangs together.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::convert::Infallible;

use counterfoil::network::wire::{Announcement, Answer, BlockBytes, EvidenceList, Question};
use counterfoil::protocol::block::{Block, EncodedEntry, Header};
use counterfoil::protocol::evidence::Beginning;
use counterfoil::protocol::hash::TreeHash;
use counterfoil::protocol::tree::{
    Frontier, NodeSource, consistency_proof, inclusion_proof, leaf_hash, node_hash,
};

/// Blocks from height 1 on, and the log that they make.
#[derive(Clone)]
pub struct Tale {
    pub blocks: Vec<Block>,
    leaves: Vec<TreeHash>,
}

impl Tale {
    pub fn new(genesis: &Header, blocks: Vec<Block>) -> Self {
        let mut leaves = vec![leaf_hash(&genesis.to_leaf())];
        for block in &blocks {
            leaves.extend(block.entries.iter().map(EncodedEntry::leaf_hash));
            leaves.push(leaf_hash(&block.header.to_leaf()));
        }
        Self { blocks, leaves }
    }

    /// The last block as it is announced.
    pub fn announcement(&self) -> Option<Announcement> {
        let last = self.blocks.last()?;
        let size = self.leaves.len() as u64;
        let Ok(proof) = inclusion_proof(self, size - 1, size) else { return None };
        Some(Announcement { header: last.header.clone(), proof, signature: last.signature })
    }

    /// What somebody answers who tells it straight.
    pub fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Head => Answer::Head(self.announcement().map(Box::new)),
            Question::Blocks { from, count } => {
                let from = usize::try_from(from).expect("a small tale") - 1;
                let told = self.blocks.iter().skip(from).take(count.into());
                Answer::Blocks(BlockBytes(told.map(Block::encode).collect()))
            }
            Question::Beginning { old_size, size } => {
                let root = self.root(old_size);
                let proof = consistency_proof(self, old_size, size).ok();
                Answer::Beginning(proof.map(|proof| Beginning { root, proof }))
            }
            Question::Evidence => Answer::Evidence(EvidenceList::default()),
        }
    }

    fn root(&self, size: u64) -> TreeHash {
        let mut frontier = Frontier::default();
        self.leaves.iter().zip(0..size).for_each(|(leaf, _)| frontier.push(*leaf));
        frontier.root()
    }
}

impl NodeSource for Tale {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<TreeHash, Infallible> {
        let Some(below) = level.checked_sub(1) else {
            return Ok(self.leaves[usize::try_from(index).expect("a small tale")]);
        };
        let [left, right] = [2 * index, 2 * index + 1].map(|index| self.node(below, index));
        Ok(node_hash(&left?, &right?))
    }
}
