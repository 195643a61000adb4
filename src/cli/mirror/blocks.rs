//! The blocks of a published log, put together from its leaves and signatures.
//!
//! Invariants:
//! - Nothing here is verified. What comes out is for [`crate::ledger::Ledger::append`] to judge.
//! - Memory is bounded whatever is served: [`MAX_READS`] bundles of leaves and
//!   [`MAX_SIGNATURE_READS`] of signatures are read ahead, and what is put together is no larger
//!   than a block may be.

use std::future::Future;
use std::ops::Range;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio_util::task::AbortOnDropHandle;

use super::error::MirrorError;
use crate::cli::tiles::{Bundle, LeafContent, MAX_READS, PublishedLog, ReadLeaf, TileError};
use crate::protocol::block::{Block, EncodedEntry, Header};
use crate::protocol::key::Signature;
use crate::protocol::spec::Limits;
use crate::protocol::tile_path::{TILE_WIDTH, TileKind, TilePath};
use crate::store::Head;

/// The most bundles of signatures that are read ahead.
const MAX_SIGNATURE_READS: usize = 2;

/// The blocks after a ledger's own, in order.
pub struct Blocks {
    limits: Limits,
    bundles: BoxStream<'static, Result<Bundle, TileError>>,
    signatures: BoxStream<'static, Result<Vec<Signature>, TileError>>,
    /// What is left of the last bundle of each.
    leaves: std::vec::IntoIter<Result<ReadLeaf, String>>,
    signed: std::vec::IntoIter<Signature>,
    /// Leaves and signatures that the ledger has already.
    known_leaves: u64,
    known_signatures: u64,
    /// The bundle that was read last.
    path: String,
    /// The log index of the next leaf.
    index: u64,
    /// The block that is put together.
    pending: Pending,
}

/// A block in the making.
#[derive(Default)]
struct Pending {
    height: u64,
    entries: Vec<EncodedEntry>,
    bytes: usize,
    /// The bundles that it was read from.
    first_path: String,
}

/// A block, and the files that it was read from.
pub struct ReadBlock {
    pub block: Block,
    pub read_from: String,
}

impl Blocks {
    /// The blocks of `log` after `head`, in its first `size` leaves, whose last block is at
    /// `height`.
    pub fn new(log: &PublishedLog, head: &Head, limits: Limits, size: u64, height: u64) -> Self {
        let (leaves, signatures) = (head.size(), head.height());
        let (bundles_of, signatures_of) = (log.clone(), log.clone());
        let bundles = ahead(TileKind::Entries, leaves..size, MAX_READS, move |tile| {
            let log = bundles_of.clone();
            async move { log.bundle(tile.number, tile.width).await }
        });
        let range = signatures..height;
        let signatures_ahead =
            ahead(TileKind::Signatures, range, MAX_SIGNATURE_READS, move |tile| {
                let log = signatures_of.clone();
                async move { log.signatures(tile.number, tile.width).await }
            });
        Self {
            limits,
            bundles,
            signatures: signatures_ahead,
            leaves: Vec::new().into_iter(),
            signed: Vec::new().into_iter(),
            known_leaves: leaves % TILE_WIDTH,
            known_signatures: signatures % TILE_WIDTH,
            path: String::new(),
            index: leaves - leaves % TILE_WIDTH,
            pending: Pending { height: signatures + 1, ..Pending::default() },
        }
    }

    /// The next block, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<ReadBlock>, MirrorError> {
        loop {
            let Some(leaf) = self.leaves.next() else {
                if self.next_bundle().await? {
                    continue;
                }
                if self.pending.entries.is_empty() {
                    return Ok(None);
                }
                return Err(MirrorError::Open { size: self.index });
            };
            let index = self.index;
            self.index += 1;
            if self.known_leaves > 0 {
                self.known_leaves -= 1;
                continue;
            }
            match leaf.and_then(|leaf| leaf.content) {
                Ok(LeafContent::Entry(entry)) => self.push(index, *entry)?,
                Ok(LeafContent::Header(header)) => return self.close(*header).await.map(Some),
                Err(problem) => {
                    return Err(MirrorError::Leaf { index, path: self.path.clone(), problem });
                }
            }
        }
    }

    /// Puts a block together, whose header this is.
    async fn close(&mut self, header: Header) -> Result<ReadBlock, MirrorError> {
        let (signature, signed) = self.next_signature().await?;
        let next = Pending { height: self.pending.height + 1, ..Pending::default() };
        let Pending { entries, first_path, .. } = std::mem::replace(&mut self.pending, next);
        let read_from = if first_path.is_empty() || first_path == self.path {
            format!("{} and {signed}", self.path)
        } else {
            format!("{first_path} to {} and {signed}", self.path)
        };
        Ok(ReadBlock { block: Block { header, signature, entries }, read_from })
    }

    /// Takes an entry into the block, which must have room for it.
    fn push(&mut self, index: u64, entry: EncodedEntry) -> Result<(), MirrorError> {
        let pending = &mut self.pending;
        pending.bytes = pending.bytes.saturating_add(entry.leaf().len());
        if pending.entries.is_empty() {
            pending.first_path.clone_from(&self.path);
        }
        pending.entries.push(entry);
        let fits = pending.entries.len() <= self.limits.block_entries as usize
            && pending.bytes <= self.limits.block_bytes as usize;
        if fits {
            return Ok(());
        }
        Err(MirrorError::TooLarge { height: pending.height, index, path: self.path.clone() })
    }

    /// Reads the next bundle of leaves, if there is one.
    async fn next_bundle(&mut self) -> Result<bool, MirrorError> {
        let Some(Bundle { path, leaves, excess }) = self.bundles.try_next().await? else {
            return Ok(false);
        };
        if excess > 0 {
            return Err(MirrorError::Excess { path, excess });
        }
        self.path = path;
        self.leaves = leaves.into_iter();
        Ok(true)
    }

    /// The signature of the block that is put together, and the bundle that it is in.
    async fn next_signature(&mut self) -> Result<(Signature, TilePath), MirrorError> {
        let height = self.pending.height;
        loop {
            match self.signed.next() {
                Some(_) if self.known_signatures > 0 => self.known_signatures -= 1,
                Some(signature) => {
                    let number = (height - 1) / TILE_WIDTH;
                    let width = TILE_WIDTH;
                    return Ok((signature, TilePath { kind: TileKind::Signatures, number, width }));
                }
                None => match self.signatures.try_next().await? {
                    Some(signatures) => self.signed = signatures.into_iter(),
                    None => return Err(MirrorError::Unsigned { height }),
                },
            }
        }
    }
}

/// Reads the tiles with these items in order, at most `reads` ahead of whoever takes them. Each is
/// read by a task of its own, so it arrives also while nobody looks.
fn ahead<T, F>(
    kind: TileKind,
    items: Range<u64>,
    reads: usize,
    read: impl Fn(TilePath) -> F + Send + 'static,
) -> BoxStream<'static, Result<T, TileError>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, TileError>> + Send + 'static,
{
    let numbers = items.start / TILE_WIDTH..items.end.div_ceil(TILE_WIDTH);
    stream::iter(numbers)
        .filter_map(move |number| std::future::ready(TilePath::of(kind, number, items.end)))
        .map(move |tile| {
            let task = AbortOnDropHandle::new(tokio::spawn(read(tile)));
            async {
                task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            }
        })
        .buffered(reads)
        .boxed()
}
