//! A chain and its end: what the next block has to fit.

use crate::protocol::block::Header;
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::hash::{ChainId, HeaderHash};
use crate::protocol::spec::ChainSpec;
use crate::protocol::time::Timestamp;
use crate::protocol::tree::{Frontier, leaf_hash};

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
