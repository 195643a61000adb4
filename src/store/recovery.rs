//! Opening a store: finding out what the last run left, and mending it.
//!
//! There is no other way to open one: recovery is the normal path. The table of what a crash
//! leaves stands in `commit.rs`.

use std::fs::{File, TryLockError};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

use super::at_hand::AtHand;
use super::commit::{Committer, start_threads};
use super::derived::{Derived, MemoryBounds};
use super::disk::{Disk, open_or_make};
use super::doubt::Doubt;
use super::error::StoreError;
use super::guard::{Guard, Guarded};
use super::home::{Home, NotAtHome};
use super::read::View;
use super::room::remove_trial;
use super::slots::Slots;
use super::table::Table;
use super::tiles::{Edge, TILE_WIDTH, TileStore, hashes_at};
use super::{Head, Inner, Store, database, keys};
use crate::protocol::block::{Block, Header};
use crate::protocol::hash::ChainId;
use crate::protocol::tree::leaf_hash;
use crate::protocol::verify::{self, Chain, Invalid, Tip};

/// Whether a store may be sealed on: what guard and store say of each other, and of where they
/// are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They agree.
    Sound,
    /// The guard is further than the store, which was rolled back: blocks that were released
    /// are missing. They must be brought back, from a backup or a peer, before anything else
    /// is sealed at their heights.
    RolledBack {
        /// The height that the guard has seen.
        guard: u64,
        /// That block.
        guarded: Box<Header>,
        /// The height of the store.
        store: u64,
    },
    /// The store is further than the guard by more than a crash explains: the guard was rolled
    /// back or lost, and can't say whether the store was, too.
    GuardLost {
        /// The height that the guard has seen, if any.
        guard: Option<u64>,
        /// The height of the store.
        store: u64,
    },
    /// Guard and store agree, but this may not be the directory that seals: another one may
    /// have gone on from here, or still do.
    NotAtHome(NotAtHome),
}

impl Standing {
    /// Whether blocks may be sealed.
    pub fn may_seal(&self) -> bool {
        *self == Self::Sound
    }

    /// Whether guard and store agree, so that nothing is known to be missing.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Sound | Self::NotAtHome(_))
    }

    fn at(home: &Home) -> Self {
        home.problem().map_or(Self::Sound, Self::NotAtHome)
    }

    /// Takes note of a committed block: one that was missing may have come back.
    pub(super) fn advanced_to(&mut self, header: &Header, home: &Home) {
        match self {
            Self::RolledBack { guard, guarded, store } => {
                *store = header.height;
                if header.height == *guard && header == guarded.as_ref() {
                    *self = Self::at(home);
                }
            }
            Self::Sound | Self::NotAtHome(_) => *self = Self::at(home),
            Self::GuardLost { store, .. } => *store = header.height,
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sound => f.write_str("guard and store agree"),
            Self::RolledBack { guard, store, .. } => write!(
                f,
                "the store ends at height {store}, but block {guard} was already signed: the store was rolled back. Import the missing blocks (`counterfoil mirror` or `import`) before sealing"
            ),
            Self::GuardLost { guard, store } => {
                let seen = guard.map_or("no block".to_owned(), |height| format!("block {height}"));
                write!(
                    f,
                    "the store ends at height {store}, but the guard beside it has seen {seen}: the guard was lost or rolled back. Put the guard back, or run `counterfoil adopt`"
                )
            }
            Self::NotAtHome(problem) => {
                let what = match problem {
                    NotAtHome::Copied => "this directory is a copy of another",
                    NotAtHome::NoRecord => {
                        "this directory was filled from elsewhere, or its guard was"
                    }
                };
                write!(
                    f,
                    "{what}: it serves and verifies, but two copies that seal would tell two stories. Once no other copy will ever seal again, run `counterfoil adopt`"
                )
            }
        }
    }
}

/// What becomes of everything derived when a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// It is kept, and taken the rest of the way.
    KeepDerived,
    /// It is dropped, and made anew from the blocks.
    DropDerived,
}

/// Opens a store; `progress` is told each height whose block was derived from, and the last.
pub(super) fn open(
    directory: &Path,
    chain: Arc<Chain>,
    bounds: MemoryBounds,
    opening: Opening,
    progress: impl FnMut(u64, u64),
) -> Result<(Store, Committer), StoreError> {
    // sled panics here and there where the disk fails. Nothing of it is used after a panic.
    let opened = AssertUnwindSafe(|| take_through(directory, chain, bounds, opening, progress));
    std::panic::catch_unwind(opened).unwrap_or(Err(StoreError::Panicked))
}

fn take_through(
    directory: &Path,
    chain: Arc<Chain>,
    bounds: MemoryBounds,
    opening: Opening,
    mut progress: impl FnMut(u64, u64),
) -> Result<(Store, Committer), StoreError> {
    std::fs::create_dir_all(directory).map_err(StoreError::io("create", directory))?;
    let lock = lock(directory)?;
    remove_trial(directory)?;
    let (path, guard) = (directory.join("store"), directory.join("guard"));
    let file_path = path.join("db");
    let doubt = Arc::new(Doubt::open(directory)?);
    doubt.settle(&[file_path.clone(), guard.join("even"), guard.join("odd")])?;
    let (database, [blocks, bodies, derived]) = database::open(&path)?;
    let tiles = TileStore::open(&database)?;
    let disk = Arc::new(Disk::new(database, file_path, doubt.clone())?);
    if opening == Opening::DropDerived {
        // Without a manifest nothing derived counts, whether the rest is dropped already or not.
        Derived::forget(&derived)?;
        disk.sync()?;
    }
    let sync = {
        let disk = disk.clone();
        move || disk.sync_behind()
    };
    let inner = Inner {
        blocks,
        bodies: Slots::open(bodies)?,
        tiles,
        derived: Derived::open(derived, &path.join("runs"), bounds, sync)?,
        at_hand: AtHand::default(),
        head: ArcSwap::from_pointee(genesis_head(&chain)),
        chain,
        disk,
        doubt,
        closing: AtomicBool::new(false),
        _lock: lock,
    };
    check_chain(&inner)?;
    let store = Store { inner: Arc::new(inner) };
    let guard_directory = guard;
    let mut guard = Guard::open(&guard_directory)?;
    let is_new = stored_head(&store.inner.blocks)?.0 == 0 && guard.latest()?.is_none();
    let home = Box::new(Home::open(&guard_directory, is_new)?);
    let (store_copy, standing) = (store.clone(), Standing::Sound);
    let threads = start_threads()?;
    let mut committer =
        Committer { store: store_copy, guard, home, standing, next_chunk: 0, threads };
    recover(&mut committer, &mut progress)?;
    Ok((store, committer))
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let file = open_or_make(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::io("lock", &path)(source)),
    }
}

/// A new store takes the chain's id; any other must have it.
fn check_chain(inner: &Inner) -> Result<(), StoreError> {
    let expected = inner.chain.id();
    match inner.blocks.get(keys::CHAIN)? {
        None if inner.blocks.last_key()?.is_none() => {
            inner.blocks.insert(keys::CHAIN, *expected.as_bytes())?;
            inner.disk.sync()
        }
        None => Err(StoreError::damaged("chain", "the chain id is missing")),
        Some(found) if *found == expected.as_bytes()[..] => Ok(()),
        Some(found) => {
            let found = <[u8; 32]>::try_from(&*found)
                .map_err(|_| StoreError::damaged("chain", "not a chain id"))?;
            Err(StoreError::OtherChain { found: ChainId(found), expected })
        }
    }
}

fn genesis_head(chain: &Chain) -> Head {
    let mut edge = Edge::default();
    edge.push(leaf_hash(&chain.genesis().to_leaf()), &mut Vec::new());
    Head { header: chain.genesis().clone(), signature: None, tip: chain.genesis_tip(), edge }
}

fn recover(
    committer: &mut Committer,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), StoreError> {
    let inner = committer.store.inner.clone();
    let guarded = committer.guard.latest()?;
    let (height, next_chunk) = stored_head(&inner.blocks)?;
    committer.next_chunk = next_chunk;
    let applied = inner.derived.durable_height();
    if applied > height {
        let problem = format!("it has reached height {applied}, the ledger {height}; reindex it");
        return Err(StoreError::damaged("derived", problem));
    }
    let head = head_at(&committer.store, applied)?;
    check_signed(&committer.store, &head)?;
    inner.head.store(Arc::new(head));
    let height = replay(committer, applied, height, guarded.as_ref(), progress)?;
    remove_loose_places(&inner.blocks, inner.head.load().size())?;
    committer.standing = match compare_guard(committer, guarded, height)? {
        Standing::Sound => Standing::at(&committer.home),
        problem => problem,
    };
    Ok(())
}

/// What everything that is read leads to must be what the authority signed.
fn check_signed(store: &Store, head: &Head) -> Result<(), StoreError> {
    let Some(signature) = &head.signature else { return Ok(()) };
    let chain = store.chain();
    head.tip.checkpoint(chain).verify(&head.tip.spec().authority(), signature).map_err(|error| {
        StoreError::damaged(format!("the checkpoint of block {}", head.height()), error)
    })
}

/// Removes the places of blocks beyond the head: they were written before the commit point, which
/// was never reached, and the next block may end at another index.
fn remove_loose_places(blocks: &Table, size: u64) -> Result<(), StoreError> {
    for item in blocks.range(keys::header_index(size)..=keys::header_index(u64::MAX)) {
        blocks.remove(item?.0)?;
    }
    Ok(())
}

/// Derives what follows from blocks that were committed but no further; the height that is reached
/// so.
///
/// sled finds a hole in its log only behind what it knows to be on the disk, so the last block may
/// have been written in part. It wasn't released then; where the guard has it, it is left to be
/// committed again.
fn replay(
    committer: &Committer,
    applied: u64,
    last: u64,
    guarded: Option<&Guarded>,
    progress: &mut impl FnMut(u64, u64),
) -> Result<u64, StoreError> {
    let view = committer.store.view();
    if applied < last
        && let Err(error) = committer.store.inner.derived.read_ahead()
    {
        // Perhaps nobody asks for what can't be read.
        tracing::warn!(%error, "the rules' records can't be read ahead");
    }
    for height in applied + 1..=last {
        match view.stored_block(height).and_then(|block| derive(committer, block)) {
            Err(StoreError::Damaged { .. })
                if height == last && has_block(guarded, &view, height) =>
            {
                return Ok(height - 1);
            }
            derived => derived?,
        }
        progress(height, last);
    }
    Ok(last)
}

/// Whether the guard has the block at `height`, and the store no header of another.
fn has_block(guarded: Option<&Guarded>, view: &View, height: u64) -> bool {
    let Some(guarded) = guarded.filter(|guarded| guarded.height == height) else { return false };
    match (Block::decode(&guarded.bytes), view.stored_header(height)) {
        (Ok(block), Ok(stored)) => block.header == stored.header,
        (Ok(_), Err(StoreError::Damaged { .. })) => true,
        _ => false,
    }
}

fn derive(committer: &Committer, block: Block) -> Result<(), StoreError> {
    let (store, head) = (&committer.store, committer.store.head());
    let height = block.header.height;
    let verified = verify::verify(store.chain(), &head.tip, store, block)
        .map_err(|invalid| damaged_block(store, height, invalid))?;
    let threads = committer.threads_for(&verified);
    let following = store.inner.derived.following(threads, &verified)?;
    committer.publish(&verified, head.grown(&verified), following).map(|_| ())
}

/// Names what is wrong with a block that doesn't verify: the leaf, where its stored hash tells.
fn damaged_block(store: &Store, height: u64, invalid: Invalid<StoreError>) -> StoreError {
    let invalid = match invalid {
        // It could not even be looked at.
        Invalid::State(error) => return error,
        invalid => invalid,
    };
    match store.view().altered_leaf(height) {
        Ok(Some(index)) => StoreError::damaged(
            format!("the leaf at index {index} (block {height})"),
            format!("its hash is not the one in the stored tile: {invalid}"),
        ),
        Ok(None) => StoreError::damaged(format!("block {height}"), invalid),
        Err(error) => error,
    }
}

fn compare_guard(
    committer: &mut Committer,
    guarded: Option<Guarded>,
    height: u64,
) -> Result<Standing, StoreError> {
    let Some(guarded) = guarded else {
        // One block that the guard never got was never released.
        return match height {
            0 => Ok(Standing::Sound),
            1 => adopt(committer, height),
            _ => Ok(Standing::GuardLost { guard: None, store: height }),
        };
    };
    let decoded =
        Block::decode(&guarded.bytes).map_err(|error| StoreError::damaged("guard", error))?;
    let (found, expected) = (decoded.header.chain_id, committer.store.chain().id());
    if found != expected {
        return Err(StoreError::OtherGuard { found, expected });
    }
    let guard = guarded.height;
    if guard == height + 1 {
        // Signed and perhaps released: exactly these bytes, and no others, come next.
        let head = committer.store.head();
        let store = committer.store.clone();
        let block =
            verify::verify(store.chain(), &head.tip, &store, decoded).map_err(|invalid| {
                match invalid {
                    Invalid::State(error) => error,
                    invalid => StoreError::damaged("guard", invalid),
                }
            })?;
        committer.append(&block)?;
        return Ok(Standing::Sound);
    }
    if guard > height {
        let guarded = Box::new(decoded.header);
        return Ok(Standing::RolledBack { guard, guarded, store: height });
    }
    let stored = committer.store.view().stored_header(guard)?;
    if stored.header != decoded.header {
        let (guard_hash, store) = (decoded.header.hash(), stored.header.hash());
        return Err(StoreError::Diverged { height: guard, guard: guard_hash, store });
    }
    match height - guard {
        0 => Ok(Standing::Sound),
        1 => adopt(committer, height),
        _ => Ok(Standing::GuardLost { guard: Some(guard), store: height }),
    }
}

/// Takes on the last block, which the guard doesn't have. The next one takes the slot of the block
/// before it: were that torn, the guard would have neither.
fn adopt(committer: &mut Committer, height: u64) -> Result<Standing, StoreError> {
    let block = committer.store.view().stored_block(height)?;
    committer.guard.put(height, &block.encode())?;
    Ok(Standing::Sound)
}

/// The height of the last block, and the number of the next chunk.
fn stored_head(blocks: &Table) -> Result<(u64, u64), StoreError> {
    let Some(value) = blocks.get(keys::HEAD)? else { return Ok((0, 0)) };
    keys::parse_head(&value).ok_or_else(|| StoreError::damaged("head", "not a height and a chunk"))
}

/// The head as it was at `height`, which everything derived has reached: the frontier and the
/// edge from full tiles and from the leaves after the last of them.
fn head_at(store: &Store, height: u64) -> Result<Head, StoreError> {
    if height == 0 {
        return Ok(genesis_head(store.chain()));
    }
    let view = View::new(store.clone(), store.head());
    let stored = view.stored_header(height)?;
    let size = stored.header.log_size();
    let mut levels = Vec::new();
    for level in 0..=u8::MAX {
        let count = hashes_at(level, size);
        if count == 0 {
            break;
        }
        let (first, mut hashes) = (count - count % TILE_WIDTH, Vec::new());
        for number in first..count {
            hashes.push(match level {
                0 => leaf_hash(&view.stored_leaf(number)?),
                _ => view.stored_tile(level - 1, number)?.root(),
            });
        }
        levels.push(hashes);
    }
    let edge = Edge::from_levels(size, levels);
    let tree = view.frontier_at(&edge, size)?;
    let tip = Tip::new(&stored.header, tree, view.succession_at(height)?);
    Ok(Head { header: stored.header, signature: stored.signature, tip, edge })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_beyond_the_head_are_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::open(&sled::open(directory.path()).unwrap(), "blocks").unwrap();
        let kept =
            [&keys::header_index(3)[..], &keys::header_index(9), &keys::header(70), keys::HEAD];
        let loose = [keys::header_index(10), keys::header_index(12), keys::header_index(u64::MAX)];
        for key in kept.iter().copied().chain(loose.iter().map(|key| &key[..])) {
            table.insert(key, *b"value").unwrap();
        }
        remove_loose_places(&table, 10).unwrap();
        assert!(kept.iter().all(|key| table.get(key).unwrap().is_some()));
        assert!(loose.iter().all(|key| table.get(key).unwrap().is_none()));
    }
}
