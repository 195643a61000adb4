//! What follows from a block, before it is taken in: found out while the block is being written.

use rayon::ThreadPool;

use super::{Derived, Posting, posting};
use crate::protocol::verify::VerifiedBlock;
use crate::store::accounts::{self, Counted};
use crate::store::commit::{postings, side_by_side};
use crate::store::directory::{Listed, NameKey};
use crate::store::error::StoreError;

/// What follows from a block, beside the records that it changes.
#[derive(Default)]
pub(in crate::store) struct Following {
    /// What its leaves can be found by, sorted.
    pub(super) postings: Vec<Posting>,
    /// What accounts come to.
    pub(super) counted: Counted,
    /// Names that it may be the first to say.
    pub(super) names: Vec<(NameKey, Listed)>,
}

impl Following {
    /// Of postings alone: digests, and log indexes.
    pub(super) fn of(postings: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut postings: Vec<Posting> =
            postings.map(|(digest, index)| posting(digest, index)).collect();
        postings.sort_unstable();
        Self { postings, ..Self::default() }
    }
}

impl Derived {
    /// What follows from a block, after all that was taken in. The block MUST be the next that is
    /// taken in, if another is: names that it says are remembered from now on.
    pub(in crate::store) fn following(
        &self,
        threads: Option<&ThreadPool>,
        block: &VerifiedBlock,
    ) -> Result<Following, StoreError> {
        let count = || accounts::count(self, block);
        let (counted, found) = side_by_side(threads, count, || Following::of(postings(block)));
        // Names are remembered last: where counting fails, the block may come once more.
        let (counted, names) = (counted?, self.remembered.new_names(block));
        Ok(Following { counted, names, ..found })
    }
}
