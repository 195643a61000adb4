//! Sealing that waits for what was published.
//!
//! A machine that was rolled back as a whole can't tell by itself: store, guard and all else
//! agree. Whoever kept a later checkpoint of this ledger knows better. So before the first block
//! after a start a node may be made to ask, and seals when nobody knows of anything newer.

use std::collections::BTreeMap;

use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::hash::TreeHash;
use crate::store::{StoreError, View};

/// What a checkpoint that the authority signed says of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The ledger holds all that the checkpoint covers.
    Held,
    /// The ledger ends before it.
    Newer {
        /// The checkpoint's size, in leaves.
        size: u64,
        /// The ledger's.
        own: u64,
    },
    /// The ledger has another root at that size: two histories, both signed.
    Contradicts {
        /// The size, in leaves.
        size: u64,
        /// The checkpoint's root.
        published: TreeHash,
        /// The ledger's.
        own: TreeHash,
    },
}

impl Published {
    /// Compares a checkpoint, whose signature was checked, with the ledger.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn compare(view: &View, checkpoint: &Checkpoint) -> Result<Self, StoreError> {
        let (size, published) = (checkpoint.size, checkpoint.root);
        let own = view.head().size();
        if size > own {
            return Ok(Self::Newer { size, own });
        }
        let own = view.root(size)?;
        Ok(if own == published { Self::Held } else { Self::Contradicts { size, published, own } })
    }
}

/// Who holds a ledger back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// Whoever asks what was published.
    Published,
    /// The network.
    Peers,
}

/// What holds a ledger back, by who says so.
pub(super) type Holds = BTreeMap<Holder, Hold>;

/// Why a ledger that could seal is told not to, for now or for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// These places haven't said yet what was published there.
    Awaiting(Vec<String>),
    /// One of them knows of blocks that are missing here.
    Behind {
        /// Which place.
        place: String,
        /// The size of the log that it knows, in leaves.
        size: u64,
        /// The size of the log here.
        own: u64,
    },
    /// One of them tells another history.
    Contradicted {
        /// Which place.
        place: String,
        /// At which size of the log.
        size: u64,
        /// The root there.
        published: TreeHash,
        /// The root here.
        own: TreeHash,
    },
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Awaiting(places) => write!(
                f,
                "nothing is sealed before it is known what was published: waiting for {}",
                places.join(", ")
            ),
            Self::Behind { place, size, own } => write!(
                f,
                "this ledger has {own} leaves, but {place} knows a checkpoint of {size}: blocks that were published are missing here. Import them (`counterfoil mirror` or `import`) before anything else is sealed"
            ),
            Self::Contradicted { place, size, published, own } => write!(
                f,
                "at size {size} the root here is {own}, but {place} has a signed checkpoint with {published}: two histories by one key. Nothing is sealed; keep both and find out why"
            ),
        }
    }
}
