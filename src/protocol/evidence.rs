//! Evidence: a proof that one key signed two histories of one log. FORMAT.md section 17.
//!
//! Whoever holds two checkpoints that no log can have both needs nobody's word for it: the two
//! signatures say so. It takes no side, and says nothing of which history is the true one.

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use super::checkpoint::Checkpoint;
use super::codec::{self, NotCanonical};
use super::hash::TreeHash;
use super::key::{PublicKey, Signature};
use super::tree::{self, MAX_PROOF_HASHES};

/// The longest evidence, in bytes: a key, two checkpoints, a root and a proof of 64 hashes.
pub const MAX_EVIDENCE_BYTES: usize = 4 * 1024;

/// Two checkpoints that one key signed and no log has both, not yet looked at.
///
/// The smaller is first; of two of one size, the one of the smaller root. So there is one way to say
/// what two checkpoints prove.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// The key that signed both.
    pub key: PublicKey,
    /// The checkpoint of the smaller log.
    pub smaller: SignedRoot,
    /// The checkpoint of the larger one.
    pub larger: SignedRoot,
    /// Where the two have different sizes: that the larger log doesn't begin with the smaller one.
    pub beginning: Option<Beginning>,
}

/// A checkpoint without its origin, which is the ledger's, and its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedRoot {
    /// How many leaves the log has.
    pub size: u64,
    /// The root of its tree.
    pub root: TreeHash,
    /// The signature on its checkpoint.
    pub signature: Signature,
}

impl SignedRoot {
    /// That of a checkpoint and a signature on it.
    pub fn new(checkpoint: &Checkpoint, signature: Signature) -> Self {
        Self { size: checkpoint.size, root: checkpoint.root, signature }
    }
}

/// What a log begins with.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Beginning {
    /// The root of as many of the larger log's first leaves as the smaller log has.
    pub root: TreeHash,
    /// The consistency proof (RFC 6962 section 2.1.2) from there to the larger log.
    pub proof: Vec<TreeHash>,
}

impl<Context> Decode<Context> for Beginning {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let root = TreeHash::decode(decoder)?;
        Ok(Self { root, proof: codec::decode_list(decoder, MAX_PROOF_HASHES)? })
    }
}

bincode::impl_borrow_decode!(Beginning);

/// What evidence proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceKind {
    /// Two roots at one size.
    TwoRoots,
    /// A log that doesn't begin with the one that was signed before.
    TwoBeginnings,
}

impl EvidenceKind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwoRoots => "two_roots",
            Self::TwoBeginnings => "two_beginnings",
        }
    }
}

/// Why something is no evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Anybody can sign two histories with a key of his own.
    #[error("{found} isn't the key that signs this log now")]
    Key {
        /// The key.
        found: PublicKey,
    },
    /// The two aren't in the order that [`Evidence`] says.
    #[error("the two checkpoints are the same, or not in order")]
    Order,
    /// Nobody signs an empty log.
    #[error("a checkpoint of an empty log proves nothing")]
    Empty,
    /// A signature isn't the key's.
    #[error("the checkpoint of size {size} isn't signed by the key")]
    NotSigned {
        /// Which of the two.
        size: u64,
    },
    /// There is a beginning where the sizes are the same, or none where they aren't.
    #[error("two checkpoints of different sizes, and only those, need a consistency proof")]
    Proof,
    /// The proof doesn't lead from the beginning to the larger log.
    #[error("the proof doesn't lead to the larger log")]
    NotConsistent,
    /// The larger log begins with the smaller one, as it must.
    #[error("the larger log begins with the smaller one: nothing is wrong")]
    NothingWrong,
}

impl Evidence {
    /// Of two checkpoints of one size.
    pub fn of_two_roots(key: PublicKey, one: SignedRoot, other: SignedRoot) -> Self {
        let (smaller, larger) = if one.root <= other.root { (one, other) } else { (other, one) };
        Self { key, smaller, larger, beginning: None }
    }

    /// What it proves, if it proves anything.
    pub fn kind(&self) -> EvidenceKind {
        match self.beginning {
            None => EvidenceKind::TwoRoots,
            Some(_) => EvidenceKind::TwoBeginnings,
        }
    }

    /// Looks whether it proves anything of the log of that origin, whose next block `authority` is to
    /// seal, and what. Of a key that isn't in force any more it proves nothing that matters.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn check(&self, origin: &str, authority: PublicKey) -> Result<EvidenceKind, EvidenceError> {
        let Self { key, smaller, larger, beginning } = self;
        if *key != authority {
            return Err(EvidenceError::Key { found: *key });
        }
        if (smaller.size, smaller.root) >= (larger.size, larger.root) {
            return Err(EvidenceError::Order);
        }
        if smaller.size == 0 {
            return Err(EvidenceError::Empty);
        }
        for signed in [smaller, larger] {
            let SignedRoot { size, root, signature } = *signed;
            let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
            let checked = checkpoint.verify(key, &signature);
            checked.map_err(|_| EvidenceError::NotSigned { size })?;
        }
        match beginning {
            None if smaller.size == larger.size => Ok(self.kind()),
            Some(Beginning { root, proof }) if smaller.size < larger.size => {
                if !tree::is_consistent(smaller.size, *root, larger.size, larger.root, proof) {
                    return Err(EvidenceError::NotConsistent);
                }
                if *root == smaller.root {
                    return Err(EvidenceError::NothingWrong);
                }
                Ok(self.kind())
            }
            _ => Err(EvidenceError::Proof),
        }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads canonical bytes. What they say is not checked.
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotCanonical> {
        codec::decode(bytes, MAX_EVIDENCE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;
    use crate::protocol::key::SealingKey;
    use crate::protocol::tree::{Frontier, NodeSource, leaf_hash, node_hash};

    const ORIGIN: &str = "ledger.example/test";

    fn key(seed: u8) -> SealingKey {
        SealingKey::from_seed(&Zeroizing::new([seed; 32]))
    }

    fn signed(size: u64, root: TreeHash, key: &SealingKey) -> SignedRoot {
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root };
        SignedRoot { size, root, signature: checkpoint.sign(key) }
    }

    /// A log whose leaves are told apart by `mark` from the index `from` on.
    struct Log(Vec<TreeHash>);

    impl Log {
        fn new(size: u64, from: u64, mark: u8) -> Self {
            let mark = |index| if index < from { 0 } else { mark };
            let leaf = |index: u64| leaf_hash(&[&index.to_be_bytes()[..], &[mark(index)]].concat());
            Self((0..size).map(leaf).collect())
        }

        fn root(&self, size: u64) -> TreeHash {
            let mut frontier = Frontier::default();
            self.0.iter().zip(0..size).for_each(|(leaf, _)| frontier.push(*leaf));
            frontier.root()
        }

        fn proof(&self, old_size: u64, size: u64) -> Vec<TreeHash> {
            tree::consistency_proof(self, old_size, size).unwrap()
        }
    }

    impl NodeSource for Log {
        type Error = Infallible;

        fn node(&self, level: u32, index: u64) -> Result<TreeHash, Infallible> {
            let Some(below) = level.checked_sub(1) else {
                return Ok(self.0[usize::try_from(index).unwrap()]);
            };
            let [left, right] = [2 * index, 2 * index + 1].map(|index| self.node(below, index));
            Ok(node_hash(&left?, &right?))
        }
    }

    fn two_roots() -> Evidence {
        let (one, other) = (Log::new(9, 9, 0).root(9), Log::new(9, 4, 1).root(9));
        Evidence::of_two_roots(key(7).public(), signed(9, one, &key(7)), signed(9, other, &key(7)))
    }

    fn two_beginnings(smaller: u64, larger: u64, from: u64) -> Evidence {
        let (one, other) = (Log::new(smaller, smaller, 0), Log::new(larger, from, 1));
        Evidence {
            key: key(7).public(),
            smaller: signed(smaller, one.root(smaller), &key(7)),
            larger: signed(larger, other.root(larger), &key(7)),
            beginning: Some(Beginning {
                root: other.root(smaller),
                proof: other.proof(smaller, larger),
            }),
        }
    }

    #[test]
    fn two_roots_at_one_size_are_evidence() {
        let evidence = two_roots();
        assert_eq!(evidence.check(ORIGIN, key(7).public()), Ok(EvidenceKind::TwoRoots));
        // However the two are given.
        let turned = Evidence::of_two_roots(evidence.key, evidence.larger, evidence.smaller);
        assert_eq!(turned, evidence);
        let turned = Evidence { smaller: evidence.larger, larger: evidence.smaller, ..turned };
        assert_eq!(turned.check(ORIGIN, key(7).public()), Err(EvidenceError::Order));
        let same = Evidence { larger: evidence.smaller, ..evidence.clone() };
        assert_eq!(same.check(ORIGIN, key(7).public()), Err(EvidenceError::Order));
        // Of this log and this key.
        let not_signed = Err(EvidenceError::NotSigned { size: 9 });
        assert_eq!(evidence.check("ledger.example/other", key(7).public()), not_signed);
        let stranger = key(8).public();
        let another = Evidence { key: stranger, ..evidence.clone() };
        assert_eq!(another.check(ORIGIN, stranger), not_signed);
        let wrong_key = Err(EvidenceError::Key { found: stranger });
        assert_eq!(another.check(ORIGIN, key(7).public()), wrong_key);
        let forged = Evidence {
            larger: SignedRoot { signature: evidence.smaller.signature, ..evidence.larger },
            ..evidence
        };
        assert_eq!(forged.check(ORIGIN, key(7).public()), not_signed);
    }

    #[test]
    fn an_empty_log_proves_nothing() {
        let mut evidence = two_roots();
        for signed_root in [&mut evidence.smaller, &mut evidence.larger] {
            *signed_root = signed(0, signed_root.root, &key(7));
        }
        assert_eq!(evidence.check(ORIGIN, key(7).public()), Err(EvidenceError::Empty));
    }

    #[test]
    fn a_proof_belongs_to_different_sizes_and_only_to_those() {
        let beginning = two_beginnings(5, 9, 3).beginning;
        let with = Evidence { beginning, ..two_roots() };
        assert_eq!(with.check(ORIGIN, key(7).public()), Err(EvidenceError::Proof));
        let without = Evidence { beginning: None, ..two_beginnings(5, 9, 3) };
        assert_eq!(without.check(ORIGIN, key(7).public()), Err(EvidenceError::Proof));
    }

    proptest! {
        #[test]
        fn a_log_that_does_not_begin_with_the_one_before_is_evidence(
            smaller in 1..60u64, more in 1..60u64, from in 0..130u64,
        ) {
            let larger = smaller + more;
            let evidence = two_beginnings(smaller, larger, from);
            let expected = if from < smaller {
                Ok(EvidenceKind::TwoBeginnings)
            } else {
                Err(EvidenceError::NothingWrong)
            };
            prop_assert_eq!(evidence.check(ORIGIN, key(7).public()), expected);
        }

        #[test]
        fn no_other_beginning_is_proven(
            smaller in 1..60u64, more in 1..60u64, place in any::<prop::sample::Index>(),
        ) {
            // Nothing is wrong here, whatever somebody claims.
            let larger = smaller + more;
            let honest = two_beginnings(smaller, larger, larger);
            let Some(Beginning { root, proof }) = honest.beginning.clone() else { unreachable!() };
            let claim = |root, proof| {
                let beginning = Some(Beginning { root, proof });
                Evidence { beginning, ..honest.clone() }.check(ORIGIN, key(7).public())
            };
            let other = leaf_hash(b"other");
            prop_assert_eq!(claim(other, proof.clone()), Err(EvidenceError::NotConsistent));
            let mut altered = proof.clone();
            *place.get_mut(&mut altered) = other;
            prop_assert_eq!(claim(root, altered), Err(EvidenceError::NotConsistent));
            let longer: Vec<_> = proof.iter().copied().chain([other]).collect();
            prop_assert_eq!(claim(root, longer), Err(EvidenceError::NotConsistent));
        }

        #[test]
        fn bytes_are_read_as_they_were_written(
            smaller in 1..60u64, more in 1..60u64, bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            for evidence in [two_roots(), two_beginnings(smaller, smaller + more, 0)] {
                let encoded = evidence.encode();
                prop_assert!(encoded.len() <= MAX_EVIDENCE_BYTES);
                prop_assert_eq!(Evidence::decode(&encoded), Ok(evidence));
                prop_assert!(Evidence::decode(&encoded[1..]).is_err());
            }
            // Whatever bytes come, they aren't read, or say what they say in one way.
            if let Ok(evidence) = Evidence::decode(&bytes) {
                prop_assert_eq!(evidence.encode(), bytes);
            }
        }
    }

    #[test]
    fn the_longest_fits() {
        let proof = vec![TreeHash([1; 32]); MAX_PROOF_HASHES];
        let longest = SignedRoot { size: u64::MAX, ..two_roots().larger };
        let beginning = Some(Beginning { root: TreeHash([2; 32]), proof });
        let evidence = Evidence { smaller: longest, larger: longest, beginning, ..two_roots() };
        assert!(evidence.encode().len() <= MAX_EVIDENCE_BYTES);
        assert_eq!(Evidence::decode(&evidence.encode()), Ok(evidence.clone()));
        let Some(Beginning { root, mut proof }) = evidence.beginning.clone() else {
            unreachable!()
        };
        proof.push(root);
        let longer = Evidence { beginning: Some(Beginning { root, proof }), ..evidence };
        assert!(Evidence::decode(&longer.encode()).is_err());
    }
}
