//! A chain and its end: what the next block has to fit.

use std::sync::Arc;

use crate::protocol::block::Header;
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::hash::{ChainId, HeaderHash};
use crate::protocol::spec::ChainSpec;
use crate::protocol::succession::Succession;
use crate::protocol::time::Timestamp;
use crate::protocol::tree::{Frontier, leaf_hash};

/// A chain: the spec that it began with, and what follows from that alone.
///
/// Of the spec name, origin and genesis time hold for ever, and with them the chain's identity.
/// What else is in force at some height, the [`Succession`] at the end of a chain tells.
#[derive(Clone, Debug)]
pub struct Chain {
    spec: ChainSpec,
    id: ChainId,
    genesis: Header,
    succession: Arc<Succession>,
}

impl Chain {
    /// The chain of `spec`.
    pub fn new(spec: ChainSpec) -> Self {
        let genesis = Header::genesis(&spec);
        let id = genesis.chain_id;
        let succession = Arc::new(Succession::new(id, spec.clone()));
        Self { spec, id, genesis, succession }
    }

    /// The spec that the chain began with.
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
        Tip::new(&self.genesis, tree, self.succession.clone())
    }

    /// What is in force as long as nothing changes it.
    pub fn succession(&self) -> &Arc<Succession> {
        &self.succession
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
    /// What is in force when, by every change up to the last block.
    pub succession: Arc<Succession>,
}

impl Tip {
    /// The end of a chain whose last header is `header` and whose log is `tree`, with what the
    /// changes up to there have put in force.
    pub fn new(header: &Header, tree: Frontier, succession: Arc<Succession>) -> Self {
        let (height, time) = (header.height, header.time);
        Self { height, header_hash: header.hash(), time, tree, succession }
    }

    /// The spec in force at the last block.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        self.succession.spec_at(self.height)
    }

    /// The spec in force at the next block, unless that begins with a change.
    pub fn spec_ahead(&self) -> &Arc<ChainSpec> {
        self.succession.spec_at(self.height.saturating_add(1))
    }

    /// The checkpoint of the log that ends here.
    pub fn checkpoint(&self, chain: &Chain) -> Checkpoint {
        let origin = chain.spec.origin.clone();
        Checkpoint { origin, size: self.tree.size(), root: self.tree.root() }
    }
}
