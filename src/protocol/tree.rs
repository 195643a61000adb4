//! The log's Merkle tree: RFC 6962, SHA-256.
//!
//! A tree grows at its right edge, so its [`Frontier`] is all that growing needs: the hashes
//! of the complete subtrees that a size is made of. Proofs need nodes from further inside;
//! whoever keeps them is a [`NodeSource`].

use sha2::{Digest, Sha256};

use super::hash::TreeHash;

/// The most hashes of an inclusion proof, and one more than those of a consistency proof's
/// longer half: a tree of 2^63 leaves is 63 levels high.
pub const MAX_PROOF_HASHES: usize = 64;

/// The hash of a leaf: SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> TreeHash {
    TreeHash(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    let mut bytes = [1; 65];
    let (_, children) = bytes.split_at_mut(1);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    TreeHash(Sha256::digest(bytes).into())
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> TreeHash {
    TreeHash(Sha256::digest([]).into())
}

/// The right edge of a tree: what it takes to append and to name the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// How many leaves the tree has.
    size: u64,
    /// The roots of its complete subtrees, the largest first: one for each bit of `size`.
    peaks: Vec<TreeHash>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves, from the roots of its complete subtrees, the
    /// largest first.
    ///
    /// # Panics
    /// Unless there is one for each bit of `size`.
    pub fn from_peaks(size: u64, peaks: Vec<TreeHash>) -> Self {
        assert_eq!(peaks.len(), size.count_ones() as usize, "a peak for each bit of the size");
        Self { size, peaks }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest first. From the last to the first they are the
    /// inclusion proof of the leaf that comes next, in the tree that ends with it.
    pub fn peaks(&self) -> &[TreeHash] {
        &self.peaks
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: TreeHash) {
        let merges = self.size.trailing_ones();
        let mut hash = leaf;
        for _ in 0..merges {
            let left = self.peaks.pop().expect("a peak for each bit of the size");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> TreeHash {
        fold_peaks(&self.peaks).unwrap_or_else(empty_root)
    }
}

/// Joins the roots of adjacent complete subtrees, the largest first, into one.
fn fold_peaks(peaks: &[TreeHash]) -> Option<TreeHash> {
    let (last, others) = peaks.split_last()?;
    Some(others.iter().rfold(*last, |right, left| node_hash(left, &right)))
}

/// Somebody who keeps the nodes of a tree.
pub trait NodeSource {
    /// Why a node couldn't be had.
    type Error;

    /// The root of the complete subtree over the leaves `index << level .. (index + 1) << level`.
    ///
    /// Asked only for subtrees that are complete at the size that the proof is for.
    fn node(&self, level: u32, index: u64) -> Result<TreeHash, Self::Error>;
}

/// A question about a tree that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// An index beyond the size, or a size beyond another.
    #[error("{part} is not within {whole}")]
    OutOfRange {
        /// The index or smaller size.
        part: u64,
        /// The size that it ought to lie within.
        whole: u64,
    },
    /// The source failed.
    #[error(transparent)]
    Source(E),
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves: the hashes from the
/// leaf's sibling up (RFC 6962 section 2.1.1).
///
/// # Errors
/// [`ProofError::OutOfRange`] unless `index < size`.
pub fn inclusion_proof<S: NodeSource>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<Vec<TreeHash>, ProofError<S::Error>> {
    if index >= size {
        return Err(ProofError::OutOfRange { part: index, whole: size });
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        let (sibling, rest) = if index < middle {
            ((middle, end), (start, middle))
        } else {
            ((start, middle), (middle, end))
        };
        proof.push(range_root(source, sibling.0, sibling.1)?);
        (start, end) = rest;
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `size` leaves begins with the one of `old_size` (RFC 6962
/// section 2.1.2). Empty where both are the same, or the old tree is empty.
///
/// # Errors
/// [`ProofError::OutOfRange`] unless `old_size <= size`.
pub fn consistency_proof<S: NodeSource>(
    source: &S,
    old_size: u64,
    size: u64,
) -> Result<Vec<TreeHash>, ProofError<S::Error>> {
    if old_size > size {
        return Err(ProofError::OutOfRange { part: old_size, whole: size });
    }
    let mut proof = Vec::new();
    if old_size == 0 {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, size);
    // Down the old tree's right edge, until the old tree ends where a subtree does.
    while end != old_size {
        let middle = start + split(end - start);
        if old_size <= middle {
            proof.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    // The verifier knows the old tree itself, but not a part of it.
    if start != 0 {
        proof.push(range_root(source, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below `count`, which is at least two.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The root over the leaves `start .. end`, where `start` is where a subtree of at least that
/// many leaves begins.
fn range_root<S: NodeSource>(
    source: &S,
    start: u64,
    end: u64,
) -> Result<TreeHash, ProofError<S::Error>> {
    let mut peaks = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2();
        peaks.push(source.node(level, at >> level).map_err(ProofError::Source)?);
        at += 1 << level;
    }
    Ok(fold_peaks(&peaks).expect("a range of a proof holds a leaf"))
}

/// The root that `leaf` at `index` and `proof` lead to in a tree of `size` leaves, or `None`
/// where the proof has not the shape of one (RFC 9162 section 2.1.3.2).
pub fn root_from_inclusion(
    leaf: TreeHash,
    index: u64,
    size: u64,
    proof: &[TreeHash],
) -> Option<TreeHash> {
    if index >= size || proof.len() > MAX_PROOF_HASHES {
        return None;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut root = leaf;
    for hash in proof {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(hash, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// The root of the tree before its last leaf, from that leaf's inclusion proof: for the last
/// leaf the proof is made of the peaks of what stands before it.
pub fn root_before_last(proof: &[TreeHash]) -> TreeHash {
    let largest_first: Vec<TreeHash> = proof.iter().rev().copied().collect();
    fold_peaks(&largest_first).unwrap_or_else(empty_root)
}

/// Whether `proof` shows that the tree of `size` leaves and root `root` begins with the one of
/// `old_size` leaves and root `old_root` (RFC 9162 section 2.1.4.2).
pub fn is_consistent(
    old_size: u64,
    old_root: TreeHash,
    size: u64,
    root: TreeHash,
    proof: &[TreeHash],
) -> bool {
    if old_size > size || proof.len() > MAX_PROOF_HASHES {
        return false;
    }
    if old_size == 0 {
        return proof.is_empty() && old_root == empty_root() && (size > 0 || root == old_root);
    }
    if old_size == size {
        return proof.is_empty() && old_root == root;
    }
    let mut hashes = proof.iter();
    // Where the old tree is one complete subtree, its root starts the path and isn't sent.
    let seed = if old_size.is_power_of_two() { Some(&old_root) } else { hashes.next() };
    let Some(seed) = seed else { return false };
    let (mut node, mut last) = (old_size - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*seed, *seed);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == old_root && new == root
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// The definition of RFC 6962 section 2.1, word for word.
    fn mth(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) =
                    leaves.split_at(usize::try_from(split(leaves.len() as u64)).unwrap());
                node_hash(&mth(left), &mth(right))
            }
        }
    }

    struct Leaves(Vec<TreeHash>);

    impl NodeSource for Leaves {
        type Error = Infallible;

        fn node(&self, level: u32, index: u64) -> Result<TreeHash, Infallible> {
            let start = usize::try_from(index << level).unwrap();
            Ok(mth(&self.0[start..start + (1 << level)]))
        }
    }

    fn leaves(count: u64) -> Leaves {
        Leaves((0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect())
    }

    #[test]
    fn known_roots() {
        // From RFC 6962's reference implementation: the empty tree, and one empty leaf.
        let cases = [
            (empty_root(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (leaf_hash(b""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ];
        for (root, expected) in cases {
            assert_eq!(root.to_string(), expected);
        }
    }

    #[test]
    fn every_proof_of_small_trees() {
        let tree = leaves(40);
        let mut frontier = Frontier::default();
        for size in 0..=40u64 {
            let root = mth(&tree.0[..usize::try_from(size).unwrap()]);
            assert_eq!((frontier.size(), frontier.root()), (size, root));
            for index in 0..size {
                let proof = inclusion_proof(&tree, index, size).unwrap();
                let leaf = tree.0[usize::try_from(index).unwrap()];
                assert_eq!(root_from_inclusion(leaf, index, size, &proof), Some(root));
                for wrong in (0..size).filter(|wrong| *wrong != index) {
                    assert_ne!(root_from_inclusion(leaf, wrong, size, &proof), Some(root));
                }
                if index + 1 == size {
                    let before = mth(&tree.0[..usize::try_from(index).unwrap()]);
                    assert_eq!(root_before_last(&proof), before);
                }
            }
            for old_size in 0..=size {
                let old_root = mth(&tree.0[..usize::try_from(old_size).unwrap()]);
                let proof = consistency_proof(&tree, old_size, size).unwrap();
                assert!(is_consistent(old_size, old_root, size, root, &proof), "{old_size} {size}");
                if old_size > 0 {
                    let lie = leaf_hash(b"lie");
                    assert!(!is_consistent(old_size, lie, size, root, &proof));
                    assert!(!is_consistent(old_size, old_root, size, lie, &proof));
                }
            }
            assert!(inclusion_proof(&tree, size, size).is_err());
            assert!(consistency_proof(&tree, size + 1, size).is_err());
            if size < 40 {
                frontier.push(tree.0[usize::try_from(size).unwrap()]);
            }
        }
    }

    proptest! {
        #[test]
        fn altered_proofs_fail(size in 2..300u64, pick in any::<(u64, u64, usize, u8)>()) {
            let tree = leaves(size);
            let root = mth(&tree.0);
            let (index, old_size) = (pick.0 % size, 1 + pick.1 % (size - 1));
            let mut proof = inclusion_proof(&tree, index, size).unwrap();
            let leaf = tree.0[usize::try_from(index).unwrap()];
            let mut longer = proof.clone();
            longer.push(leaf);
            prop_assert_eq!(root_from_inclusion(leaf, index, size, &longer), None);
            prop_assert_eq!(root_from_inclusion(leaf, index, size, &proof[1..]), None);
            let place = pick.2 % proof.len();
            proof[place].0[usize::from(pick.3) % 32] ^= 1;
            prop_assert_ne!(root_from_inclusion(leaf, index, size, &proof), Some(root));

            let old_root = mth(&tree.0[..usize::try_from(old_size).unwrap()]);
            let mut proof = consistency_proof(&tree, old_size, size).unwrap();
            prop_assert!(is_consistent(old_size, old_root, size, root, &proof));
            let place = pick.2 % proof.len();
            proof[place].0[usize::from(pick.3) % 32] ^= 1;
            prop_assert!(!is_consistent(old_size, old_root, size, root, &proof));
        }

        #[test]
        fn hostile_proofs_never_panic(
            index in any::<u64>(), size in any::<u64>(), length in 0..80usize,
        ) {
            let proof = vec![empty_root(); length];
            let _ = root_from_inclusion(empty_root(), index, size, &proof);
            let _ = is_consistent(index, empty_root(), size, empty_root(), &proof);
        }
    }
}
