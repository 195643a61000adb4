//! Reading the ledger as it stood at one head.

use std::sync::Arc;

use super::error::StoreError;
use super::facets::Facet;
use super::place::BlockPlace;
use super::search::EntryHit;
use super::sorted::Order;
use super::tiles::{Edge, LEVELS_A_TILE, TILE_WIDTH, Tile, hashes_at, perfect_root};
use super::{Head, Store, body, keys};
use crate::protocol::block::{Block, EncodedEntry, Header, Leaf, encode_leaves};
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::hash::{EntryId, HeaderHash, StateKey, TreeHash};
use crate::protocol::key::{SIGNATURE_BYTES, Signature};
use crate::protocol::receipt::{LeafProof, Receipt};
use crate::protocol::rules::StoredRecord;
use crate::protocol::spec::ChainSpec;
use crate::protocol::tree::{self, Frontier, NodeSource, ProofError};
use crate::protocol::verify::Chain;

/// The ledger as it stands at one head: what later blocks add isn't seen.
///
/// Records of the rules are the exception: there is only their latest state.
#[derive(Clone)]
pub struct View {
    pub(super) store: Store,
    head: Arc<Head>,
}

/// A header as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHeader {
    /// What closes the block.
    pub header: Header,
    /// The header's leaf.
    pub leaf: Vec<u8>,
    /// The signature on its checkpoint; none at genesis.
    pub signature: Option<Signature>,
}

impl View {
    pub(super) fn new(store: Store, head: Arc<Head>) -> Self {
        Self { store, head }
    }

    /// The chain whose ledger this is.
    pub fn chain(&self) -> &Chain {
        self.store.chain()
    }

    /// The spec in force at the head.
    pub fn spec(&self) -> &ChainSpec {
        self.head.tip.spec()
    }

    /// The head that is looked at.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The header of the block at `height`, or `None` beyond the head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn header(&self, height: u64) -> Result<Option<StoredHeader>, StoreError> {
        if height > self.head.height() { Ok(None) } else { self.stored_header(height).map(Some) }
    }

    /// The whole block at `height`, or `None` beyond the head and for genesis, which has no
    /// signature and follows from the chain spec.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block(&self, height: u64) -> Result<Option<Block>, StoreError> {
        if height == 0 || height > self.head.height() {
            return Ok(None);
        }
        self.stored_block(height).map(Some)
    }

    /// The canonical bytes of the block at `height`, as [`View::block`] has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block_bytes(&self, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if height == 0 || height > self.head.height() {
            return Ok(None);
        }
        let StoredHeader { header, signature, .. } = self.stored_header(height)?;
        let Some(signature) = signature else { return Ok(None) };
        let leaves = self.stored_bodies(&header)?;
        Ok(Some(encode_leaves(&header, &signature, leaves.iter().map(Vec::as_slice))))
    }

    /// The height of the block that the leaf at `index` belongs to, or `None` beyond the head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn height_of(&self, index: u64) -> Result<Option<u64>, StoreError> {
        if index >= self.head.size() {
            return Ok(None);
        }
        if index == 0 {
            return Ok(Some(0));
        }
        self.place_at_hand(index).map(|found| Some(found.1.height))
    }

    /// The height of the block whose header has `hash`, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn height_of_hash(&self, hash: &HeaderHash) -> Result<Option<u64>, StoreError> {
        if *hash == self.store.chain().genesis().hash() {
            return Ok(Some(0));
        }
        for index in self.found_by(Facet::HeaderHash(hash)) {
            if let Some(height) = self.height_of(index?)?
                && self.stored_header(height)?.header.hash() == *hash
            {
                return Ok(Some(height));
            }
        }
        Ok(None)
    }

    /// The entry with `id`, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entry_with_id(&self, id: &EntryId) -> Result<Option<EntryHit>, StoreError> {
        for index in self.found_by(Facet::EntryId(id)) {
            let index = index?;
            if let Some(entry) = self.entry(index)?.filter(|entry| entry.id() == *id) {
                return Ok(Some(EntryHit { index, entry }));
            }
        }
        Ok(None)
    }

    /// The indexes of leaves that may have a facet.
    fn found_by(&self, facet: Facet<'_>) -> impl Iterator<Item = Result<u64, StoreError>> + use<> {
        let all = (0, self.head.size() - 1);
        self.store.inner.derived.postings(facet.digest(), all, Order::Ascending)
    }

    /// The entry at `index`, or `None` beyond the head and where a header stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entry(&self, index: u64) -> Result<Option<EncodedEntry>, StoreError> {
        Ok(self.entry_and_height(index)?.map(|(entry, _)| entry))
    }

    /// The leaf of the entry at `index` and the height of its block; `None` where no entry is.
    pub(super) fn entry_leaf(&self, index: u64) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
        if index == 0 || index >= self.head.size() {
            return Ok(None);
        }
        let found = self.place_at_hand(index)?;
        let (last, place) = found.as_ref();
        if index == *last {
            Ok(None)
        } else {
            Ok(Some((self.leaf_in(place, index)?, place.height)))
        }
    }

    /// The leaf at `index`, header or entry, or `None` beyond the head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn leaf(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if index >= self.head.size() { Ok(None) } else { self.stored_leaf(index).map(Some) }
    }

    /// The leaves from `start` until `end`, exclusive, which the head must hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn leaves(&self, start: u64, end: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut leaves = Vec::new();
        let mut index = start;
        while index < end.min(self.head.size()) {
            let Some(height) = self.height_of(index)? else { break };
            let stored = self.stored_header(height)?;
            let last = stored.header.index();
            if !(stored.header.first_index..=last).contains(&index) {
                let problem = format!("block {height} is named for it, which doesn't hold it");
                return Err(StoreError::damaged(format!("index {index}"), problem));
            }
            if index < last {
                let body = self.stored_bodies(&stored.header)?;
                let skipped = usize::try_from(index - stored.header.first_index);
                let skipped = skipped.unwrap_or(usize::MAX);
                let wanted = usize::try_from(end.min(last) - index).unwrap_or(usize::MAX);
                leaves.extend(body.into_iter().skip(skipped).take(wanted));
            }
            if last < end {
                leaves.push(stored.leaf);
            }
            index = last + 1;
        }
        Ok(leaves)
    }

    /// The latest record of the rules under `key`, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record(&self, key: &StateKey) -> Result<Option<StoredRecord>, StoreError> {
        self.store.inner.derived.record(key)
    }

    /// The first `width` hashes of a tile, or `None` where the log has fewer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tile(
        &self,
        level: u8,
        number: u64,
        width: u64,
    ) -> Result<Option<Vec<TreeHash>>, StoreError> {
        let available = hashes_at(level, self.head.size());
        let wanted = number.checked_mul(TILE_WIDTH).and_then(|first| first.checked_add(width));
        if width == 0 || width > TILE_WIDTH || wanted.is_none_or(|wanted| wanted > available) {
            return Ok(None);
        }
        let mut hashes = self.tile_at(&self.head.edge, level, number)?;
        hashes.truncate(usize::try_from(width).expect("at most 256"));
        Ok(Some(hashes))
    }

    /// The checkpoint that ends with the header at `height`, and its signature; `None` beyond
    /// the head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn checkpoint(
        &self,
        height: u64,
    ) -> Result<Option<(Checkpoint, Option<Signature>)>, StoreError> {
        let Some(stored) = self.header(height)? else { return Ok(None) };
        let origin = self.store.chain().spec().origin.clone();
        let size = stored.header.log_size();
        let root = self.root(size)?;
        Ok(Some((Checkpoint { origin, size, root }, stored.signature)))
    }

    /// The root of the log's first `size` leaves, of which the head must have as many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn root(&self, size: u64) -> Result<TreeHash, StoreError> {
        self.frontier_at(&self.head.edge, size).map(|frontier| frontier.root())
    }

    /// The receipt of the entry at `index`, or `None` beyond the head and where a header stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn receipt(&self, index: u64) -> Result<Option<Receipt>, StoreError> {
        let Some((entry, height)) = self.entry_and_height(index)? else { return Ok(None) };
        let stored = self.stored_header(height)?;
        let Some(signature) = stored.signature else { return Ok(None) };
        let size = stored.header.log_size();
        let proof = self.inclusion_proof(index, size)?;
        let header_proof = self.inclusion_proof(size - 1, size)?;
        let root = tree::root_from_inclusion(entry.leaf_hash(), index, size, &proof)
            .ok_or_else(|| StoreError::damaged(format!("index {index}"), "no proof leads to it"))?;
        let chain = self.store.chain();
        let checkpoint = Checkpoint { origin: chain.spec().origin.clone(), size, root };
        Ok(Some(Receipt::new(
            chain.id(),
            entry.id(),
            self.head.tip.succession.changes_to(height),
            LeafProof::new(index, entry.leaf(), &proof),
            LeafProof::new(size - 1, &stored.leaf, &header_proof),
            checkpoint.to_note(&stored.header.authority, &signature),
        )))
    }

    /// The inclusion proof of the leaf at `index` in the log's first `size` leaves.
    ///
    /// # Errors
    /// [`StoreError`]; also for numbers beyond the head, which the caller checks first.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<TreeHash>, StoreError> {
        tree::inclusion_proof(self, index, size.min(self.head.size())).map_err(proof_error)
    }

    /// The proof that the log's first `size` leaves begin with its first `old_size`.
    ///
    /// # Errors
    /// [`StoreError`]; also for numbers beyond the head, which the caller checks first.
    pub fn consistency_proof(&self, old_size: u64, size: u64) -> Result<Vec<TreeHash>, StoreError> {
        tree::consistency_proof(self, old_size, size.min(self.head.size())).map_err(proof_error)
    }

    // Below: reading by place, whatever the head. Recovery does so before there is one.

    pub(super) fn stored_header(&self, height: u64) -> Result<StoredHeader, StoreError> {
        if height == 0 {
            let header = self.store.chain().genesis().clone();
            return Ok(StoredHeader { leaf: header.to_leaf(), header, signature: None });
        }
        let damaged = |problem: &str| StoreError::damaged(format!("header {height}"), problem);
        let value = self.store.inner.blocks.get(keys::header(height))?;
        let value = value.ok_or_else(|| damaged("it is missing"))?;
        let (signature, leaf) = value
            .split_first_chunk::<SIGNATURE_BYTES>()
            .ok_or_else(|| damaged("it is cut short"))?;
        match Leaf::decode(leaf) {
            Ok(Leaf::Header(header)) if header.height == height => {
                let signature = Some(Signature(*signature));
                Ok(StoredHeader { header, leaf: leaf.to_vec(), signature })
            }
            Ok(_) => Err(damaged("another leaf stands in its place")),
            Err(error) => Err(damaged(&error.to_string())),
        }
    }

    pub(super) fn stored_block(&self, height: u64) -> Result<Block, StoreError> {
        let stored = self.stored_header(height)?;
        let place = format!("block {height}");
        let Some(signature) = stored.signature else {
            return Err(StoreError::damaged(place, "genesis has no stored block"));
        };
        let mut entries = Vec::new();
        for (index, leaf) in (stored.header.first_index..).zip(self.stored_bodies(&stored.header)?)
        {
            entries.push(EncodedEntry::decode(leaf).map_err(|error| {
                StoreError::damaged(format!("the leaf at index {index} (block {height})"), error)
            })?);
        }
        Ok(Block { header: stored.header, signature, entries })
    }

    pub(super) fn stored_bodies(&self, header: &Header) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut unpacker = body::Unpacker::new(header.first_index);
        if header.entry_count > 0 {
            let mut number = self.place_of(header.first_index)?.1.first_chunk;
            while unpacker.whole() < u64::from(header.entry_count) {
                unpacker.push(&self.chunk(number)?)?;
                number += 1;
            }
        }
        let leaves = unpacker.finish()?;
        if leaves.len() as u64 == u64::from(header.entry_count) {
            return Ok(leaves);
        }
        let problem = format!("{} of {} entries are there", leaves.len(), header.entry_count);
        Err(StoreError::damaged(format!("block {}", header.height), problem))
    }

    pub(super) fn stored_leaf(&self, index: u64) -> Result<Vec<u8>, StoreError> {
        if index == 0 {
            return Ok(self.store.chain().genesis().to_leaf());
        }
        let (last, place) = self.place_of(index)?;
        if index == last {
            return self.stored_header(place.height).map(|stored| stored.leaf);
        }
        self.leaf_in(&place, index)
    }

    /// The leaf of the entry at `index`, whose block lies at `place`.
    fn leaf_in(&self, place: &BlockPlace, index: u64) -> Result<Vec<u8>, StoreError> {
        let missing = || StoreError::damaged(format!("index {index}"), "no chunk holds its leaf");
        let number = place.chunk_of(index).ok_or_else(missing)?;
        let chunk = self.chunk(number)?;
        if let Some(leaf) = body::leaf_at(&chunk, index) {
            return Ok(leaf.to_vec());
        }
        if body::is_fragment_of(&chunk, index) {
            let mut unpacker = body::Unpacker::new(index);
            unpacker.push(&chunk)?;
            for number in number + 1.. {
                if unpacker.whole() > 0 {
                    break;
                }
                unpacker.push(&self.chunk(number)?)?;
            }
            let leaf = unpacker.finish()?.pop();
            return Ok(leaf.expect("one is whole"));
        }
        let problem = format!("chunk {number} of the leaves doesn't hold it");
        Err(StoreError::damaged(format!("index {index}"), problem))
    }

    /// Where the block of the leaf at `index` lies, and the index of its header.
    pub(super) fn place_of(&self, index: u64) -> Result<(u64, BlockPlace), StoreError> {
        let no_block = || StoreError::damaged(format!("index {index}"), "no block holds it");
        let from = keys::header_index(index);
        let next = self.store.inner.blocks.range(from..).next().transpose()?;
        let (key, value) =
            next.filter(|(key, _)| key.first() == from.first()).ok_or_else(no_block)?;
        let last = keys::trailing_number(&key).ok_or_else(no_block)?;
        let place = BlockPlace::decode(last, &value)?;
        if place.first_index <= index { Ok((last, place)) } else { Err(no_block()) }
    }

    fn chunk(&self, number: u64) -> Result<sled::IVec, StoreError> {
        self.store.inner.bodies.get(number)?.ok_or_else(|| {
            StoreError::damaged(format!("chunk {number} of the leaves"), "it is missing")
        })
    }

    /// The hashes of a tile: from the edge where it isn't full yet, else as stored.
    fn tile_at(&self, edge: &Edge, level: u8, number: u64) -> Result<Vec<TreeHash>, StoreError> {
        match edge.partial(level, number) {
            Some(hashes) => Ok(hashes.to_vec()),
            None => Ok(self.stored_tile(level, number)?.hashes().to_vec()),
        }
    }

    /// A full tile.
    pub(super) fn stored_tile(&self, level: u8, number: u64) -> Result<Arc<Tile>, StoreError> {
        self.store.inner.tiles.get(level, number)
    }

    /// The first entry of the block at `height` whose hash isn't the one in its tile, as far as
    /// tiles are full and so stored.
    pub(super) fn altered_leaf(&self, height: u64) -> Result<Option<u64>, StoreError> {
        let block = self.stored_block(height)?;
        for (index, entry) in (block.header.first_index..).zip(&block.entries) {
            let Ok(tile) = self.stored_tile(0, index / TILE_WIDTH) else { return Ok(None) };
            if tile.node(0, index % TILE_WIDTH).is_some_and(|hash| hash != entry.leaf_hash()) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The complete subtrees that the log's first `size` leaves are made of, given its edge.
    pub(super) fn frontier_at(&self, edge: &Edge, size: u64) -> Result<Frontier, StoreError> {
        let mut peaks = Vec::new();
        let mut start = 0u64;
        for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(self.node_at(edge, level, start >> level)?);
            start += 1 << level;
        }
        Ok(Frontier::from_peaks(size, peaks))
    }

    /// The root of a complete subtree, given the edge of the log.
    pub(super) fn node_at(
        &self,
        edge: &Edge,
        level: u32,
        index: u64,
    ) -> Result<TreeHash, StoreError> {
        let tile_level = u8::try_from(level / LEVELS_A_TILE).expect("at most 64 levels");
        let depth = level % LEVELS_A_TILE;
        let first = index << depth;
        let number = first / TILE_WIDTH;
        let node = match edge.partial(tile_level, number) {
            Some(hashes) => {
                let offset = usize::try_from(first % TILE_WIDTH).expect("below 256");
                hashes.get(offset..offset + (1 << depth)).map(perfect_root)
            }
            None => {
                self.stored_tile(tile_level, number)?.node(depth, (first % TILE_WIDTH) >> depth)
            }
        };
        node.ok_or_else(|| {
            let place = format!("node {index} of level {level}");
            StoreError::damaged(place, "the log is too short for it")
        })
    }
}

impl NodeSource for View {
    type Error = StoreError;

    fn node(&self, level: u32, index: u64) -> Result<TreeHash, StoreError> {
        self.node_at(&self.head.edge, level, index)
    }
}

fn proof_error(error: ProofError<StoreError>) -> StoreError {
    match error {
        ProofError::Source(error) => error,
        ProofError::OutOfRange { part, whole } => {
            StoreError::damaged("proof", format!("{part} is not within {whole}"))
        }
    }
}
