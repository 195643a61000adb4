//! The height that an answer is of.

use serde::Serialize;

use super::QueryError;
use crate::protocol::block::Header;
use crate::protocol::hash::HeaderHash;
use crate::protocol::time::Timestamp;
use crate::store::{StoreError, View};

/// Of when an answer is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// The newest that there is.
    #[default]
    Now,
    /// As the block of this height left it.
    Height(u64),
    /// As it was recorded at this time: as the last block left it whose time isn't later.
    Time(Timestamp),
}

/// Of which height an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AsOf {
    /// The height of the last block that counts.
    #[schema(example = 17)]
    pub height: u64,
    /// That block's time.
    pub time: Timestamp,
    /// The hash of that block's header.
    pub block: HeaderHash,
    /// The size of the log that ends with it.
    #[schema(example = 4721)]
    pub size: u64,
    /// The height that search and sums have reached; never less than `height`.
    #[schema(example = 17)]
    pub indexed_height: u64,
}

impl AsOf {
    /// The height that `view` has for `when`.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn resolve(view: &View, when: When) -> Result<Self, QueryError> {
        let head = view.head().height();
        let height = match when {
            When::Now => head,
            When::Height(asked) if asked > head => {
                return Err(QueryError::BeyondHead { asked, head });
            }
            When::Height(height) => height,
            When::Time(time) => height_at(view, time)?,
        };
        let header = header(view, height)?;
        Ok(Self {
            height,
            time: header.time,
            block: header.hash(),
            size: header.log_size(),
            indexed_height: head,
        })
    }

    /// The log index of the last leaf that counts: the header of the block.
    pub fn last_index(&self) -> u64 {
        self.size.saturating_sub(1)
    }
}

/// The last height whose block isn't later than `time`.
pub(super) fn height_at(view: &View, time: Timestamp) -> Result<u64, QueryError> {
    let genesis = block_time(view, 0)?;
    if time < genesis {
        return Err(QueryError::BeforeGenesis { genesis });
    }
    let beyond = first_height(view, view.head().height() + 1, |of_block| of_block <= time)?;
    Ok(beyond.saturating_sub(1))
}

/// The first height whose block's time isn't `before`, or `end` where there is none below that.
/// Times of blocks never go back.
pub(super) fn first_height(
    view: &View,
    end: u64,
    before: impl Fn(Timestamp) -> bool,
) -> Result<u64, StoreError> {
    let (mut first, mut end) = (0, end);
    while first < end {
        let middle = first.midpoint(end);
        if before(block_time(view, middle)?) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(first)
}

/// The time of the block at `height`, which the head must hold.
pub(super) fn block_time(view: &View, height: u64) -> Result<Timestamp, StoreError> {
    view.block_time(height)?.ok_or_else(|| no_header(height))
}

/// The header of the block at `height`, which the head must hold.
pub(super) fn header(view: &View, height: u64) -> Result<Header, StoreError> {
    let stored = view.header(height)?.ok_or_else(|| no_header(height))?;
    Ok(stored.header)
}

fn no_header(height: u64) -> StoreError {
    StoreError::damaged(format!("block {height}"), "a view holds every block up to its head")
}
