//! What peers say to each other, byte for byte: canonical bincode, every length bounded before it is
//! read.
//!
//! A question and its answer go over one stream each; an announcement goes to everybody. None of it is
//! believed: an announcement is signed by the authority, and a block is verified by the ledger.

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use super::sync::{MAX_ANSWER_BYTES, MAX_RANGE_BLOCKS};
use crate::protocol::block::{Header, MAX_BLOCK_WIRE_BYTES};
use crate::protocol::checkpoint::{Checkpoint, CheckpointError};
use crate::protocol::codec::{self, NotCanonical};
use crate::protocol::evidence::{Beginning, Evidence, SignedRoot};
use crate::protocol::hash::{ChainId, TreeHash};
use crate::protocol::key::{PublicKey, Signature};
use crate::protocol::succession::Succession;
use crate::protocol::tree::{self, MAX_PROOF_HASHES};
use crate::protocol::verify::Chain;

/// The longest question, in bytes.
pub const MAX_QUESTION_BYTES: usize = 32;
/// The longest announcement, in bytes: a header, a proof of 64 hashes and a signature.
pub const MAX_ANNOUNCEMENT_BYTES: usize = 4 * 1024;
/// The most evidence that an answer has.
pub const MAX_ANSWER_EVIDENCE_ITEMS: usize = 16;
/// The longest answer, in bytes: blocks, and a length before each.
pub const MAX_ANSWER_WIRE_BYTES: usize = MAX_ANSWER_BYTES + 1024;

// So whoever is asked for two blocks can always send both.
const _: () = assert!(2 * MAX_BLOCK_WIRE_BYTES <= MAX_ANSWER_BYTES);

/// How much memory the parts of an answer may claim while it is read, in bytes.
const MAX_ANSWER_MEMORY_BYTES: usize = MAX_ANSWER_WIRE_BYTES + 16 * 1024;

/// What a peer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which block is the last that it has.
    Head,
    /// Blocks that follow each other.
    Blocks {
        /// The first height, not 0: genesis follows from the chain spec.
        from: u64,
        /// How many, at most: from 1 to [`MAX_RANGE_BLOCKS`].
        count: u8,
    },
    /// What its log of `size` leaves begins with.
    Beginning {
        /// How many of the first leaves; at least 1, and fewer than `size`.
        old_size: u64,
        /// How many leaves.
        size: u64,
    },
    /// What evidence it has that a key signed two histories.
    Evidence,
}

codec::numbered! {
    Question {
        0 => Head {},
        1 => Blocks { from: from, count: count },
        2 => Beginning { old_size: old_size, size: size },
        3 => Evidence {},
    }
}

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the block that is announced; genesis alone where there is none.
    Head(Option<Box<Announcement>>),
    /// The canonical bytes of the blocks that were asked for, as many as it has and as fit.
    Blocks(BlockBytes),
    /// It has too much to do; somebody else may have time.
    Busy,
    /// What the log begins with, and the proof; nothing where the log isn't that long.
    Beginning(Option<Beginning>),
    /// The evidence that it has.
    Evidence(EvidenceList),
}

codec::numbered! {
    Answer {
        0 => Head { 0: head },
        1 => Blocks { 0: blocks },
        2 => Busy {},
        3 => Beginning { 0: beginning },
        4 => Evidence { 0: evidence },
    }
}

/// Evidence, none of it looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
pub struct EvidenceList(pub Vec<Evidence>);

impl<Context> Decode<Context> for EvidenceList {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        codec::decode_list(decoder, MAX_ANSWER_EVIDENCE_ITEMS).map(Self)
    }
}

bincode::impl_borrow_decode!(EvidenceList);

/// Blocks that follow each other, each in canonical bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
pub struct BlockBytes(pub Vec<Vec<u8>>);

impl<Context> Decode<Context> for BlockBytes {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let most = usize::try_from(MAX_RANGE_BLOCKS).expect("a few blocks");
        codec::decode_list(decoder, most).map(Self)
    }
}

bincode::impl_borrow_decode!(BlockBytes);

/// A block that was sealed: its header, that it is the last leaf of its log, and the authority's
/// signature on the checkpoint of that.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Announcement {
    /// The block's header.
    pub header: Header,
    /// The inclusion proof of its leaf in the log that it ends.
    pub proof: Vec<TreeHash>,
    /// The signature on the block's checkpoint.
    pub signature: Signature,
}

impl<Context> Decode<Context> for Announcement {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let header = Header::decode(decoder)?;
        let proof = codec::decode_list(decoder, MAX_PROOF_HASHES)?;
        Ok(Self { header, proof, signature: Signature::decode(decoder)? })
    }
}

bincode::impl_borrow_decode!(Announcement);

/// A head that the authority signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The header of the block.
    pub header: Header,
    /// The checkpoint that ends with it.
    pub signed: SignedRoot,
}

/// Why an announcement isn't believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// Of another chain.
    #[error("it is of chain {0}")]
    Chain(ChainId),
    /// Of a key that isn't known to seal at its height. A change of the spec that is still to come may
    /// put it in force, so this says nothing of the peer.
    #[error("it is sealed by {0}, which isn't known to be the authority")]
    Authority(PublicKey),
    /// Genesis has no signature, and needs none.
    #[error("it announces genesis")]
    Genesis,
    /// The proof has a wrong length.
    #[error("its proof is none for the end of a log of {size} leaves")]
    Proof {
        /// How many leaves the log has.
        size: u64,
    },
    /// The signature doesn't match.
    #[error("{0}")]
    Signature(CheckpointError),
}

impl Announcement {
    /// Looks whether it is signed by who seals `chain` at its height, as far as `succession` knows.
    ///
    /// # Errors
    /// [`AnnouncementError`].
    pub fn check(
        &self,
        chain: &Chain,
        succession: &Succession,
    ) -> Result<SignedHead, AnnouncementError> {
        let Self { header, proof, signature } = self;
        if header.chain_id != chain.id() {
            return Err(AnnouncementError::Chain(header.chain_id));
        }
        let authority = succession.spec_at(header.height).authority();
        if header.authority != authority {
            return Err(AnnouncementError::Authority(header.authority));
        }
        if header.height == 0 {
            return Err(AnnouncementError::Genesis);
        }
        let size = header.log_size();
        let leaf = tree::leaf_hash(&header.to_leaf());
        let root = tree::root_from_inclusion(leaf, header.index(), size, proof)
            .ok_or(AnnouncementError::Proof { size })?;
        let origin = chain.spec().origin.clone();
        Checkpoint { origin, size, root }
            .verify(&authority, signature)
            .map_err(AnnouncementError::Signature)?;
        let signed = SignedRoot { size, root, signature: *signature };
        Ok(SignedHead { header: header.clone(), signed })
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
        codec::decode(bytes, MAX_ANNOUNCEMENT_BYTES)
    }
}

impl Question {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads canonical bytes, and looks whether anybody may ask that.
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotCanonical> {
        let question = codec::decode(bytes, MAX_QUESTION_BYTES)?;
        match question {
            Self::Blocks { count, .. } if !(1..=MAX_RANGE_BLOCKS).contains(&count.into()) => {
                let most = MAX_RANGE_BLOCKS;
                Err(NotCanonical::Undecodable(format!("{count} blocks, must be from 1 to {most}")))
            }
            Self::Blocks { from, count }
                if from == 0 || from.checked_add(count.into()).is_none() =>
            {
                Err(NotCanonical::Undecodable(format!(
                    "no ledger has {count} blocks from {from} on"
                )))
            }
            Self::Beginning { old_size, size } if old_size == 0 || old_size >= size => {
                let problem = format!("{old_size} leaves don't begin a log of {size}");
                Err(NotCanonical::Undecodable(problem))
            }
            _ => Ok(question),
        }
    }
}

impl Answer {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads canonical bytes. What they say is not verified. It takes no more memory than the longest
    /// answer has bytes.
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotCanonical> {
        if bytes.len() > MAX_ANSWER_WIRE_BYTES {
            let (length, limit) = (bytes.len(), MAX_ANSWER_WIRE_BYTES);
            return Err(NotCanonical::TooLong { length, limit });
        }
        let answer = codec::decode_large::<Self, MAX_ANSWER_MEMORY_BYTES>(bytes)?;
        if codec::encodes_to(&answer, bytes) { Ok(answer) } else { Err(NotCanonical::Ambiguous) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;
    use crate::protocol::block::EncodedEntry;
    use crate::protocol::entry::{Body, Entry, LEDGER_TENANT, SpecChange};
    use crate::protocol::key::SealingKey;
    use crate::protocol::spec::{ChainSpec, Governance};
    use crate::protocol::tree::Frontier;

    fn key() -> SealingKey {
        SealingKey::from_seed(&Zeroizing::new([7; 32]))
    }

    fn chain() -> Chain {
        let spec =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/chain-spec/dev.toml"));
        let mut spec = ChainSpec::parse(&spec.unwrap()).unwrap();
        spec.authorities = vec![key().public()];
        Chain::new(spec)
    }

    /// The end of a log of `size` leaves, and the announcement of that.
    fn announcement(chain: &Chain, entries: u32) -> (Announcement, TreeHash) {
        let mut tree = Frontier::default();
        tree.push(tree::leaf_hash(&chain.genesis().to_leaf()));
        for number in 0..entries {
            tree.push(tree::leaf_hash(&number.to_be_bytes()));
        }
        let header = Header {
            height: 1,
            parent: chain.genesis().hash(),
            first_index: 1,
            entry_count: entries,
            log_root: tree.root(),
            ..chain.genesis().clone()
        };
        let before = tree.clone();
        tree.push(tree::leaf_hash(&header.to_leaf()));
        let root = tree.root();
        let origin = chain.spec().origin.clone();
        let signature = Checkpoint { origin, size: header.log_size(), root }.sign(&key());
        // The last leaf's path: the complete subtrees before it, the smallest first.
        let proof = before.peaks().iter().rev().copied().collect();
        (Announcement { header, proof, signature }, root)
    }

    #[test]
    fn what_the_authority_signed_is_believed() {
        let chain = chain();
        for entries in [1, 2, 3, 7, 8, 1000] {
            let (announced, root) = announcement(&chain, entries);
            let head = announced.check(&chain, chain.succession()).unwrap();
            assert_eq!((head.signed.size, head.signed.root), (u64::from(entries) + 2, root));
            assert_eq!(Announcement::decode(&announced.encode()), Ok(announced));
        }
    }

    #[test]
    fn who_seals_at_its_height_is_believed_and_nobody_else() {
        let governing = SealingKey::from_seed(&Zeroizing::new([21; 32]));
        let mut spec = chain().spec().clone();
        spec.governance = Governance { keys: vec![governing.public()], quorum: 1 };
        let chain = Chain::new(spec);
        let (announced, _) = announcement(&chain, 3);
        for (from_height, is_believed) in [(1, false), (2, true)] {
            let mut change = SpecChange::new(1, None, from_height);
            change.authorities = Some(vec![governing.public()]);
            let mut entry = Entry {
                tenant: LEDGER_TENANT.parse().unwrap(),
                external_id: "1".parse().unwrap(),
                event_time: chain.genesis().time,
                commitment: None,
                body: Body::SpecChange(change.clone()),
            };
            entry.sign_change(chain.id(), &governing);
            let encoded = EncodedEntry::new(entry).unwrap();
            let Body::SpecChange(change) = &encoded.entry().body else { unreachable!() };
            let succession = chain.succession().with(&encoded, change).unwrap();
            let expected = AnnouncementError::Authority(key().public());
            let checked = announced.check(&chain, &succession).map(|_| ());
            assert_eq!(checked, if is_believed { Ok(()) } else { Err(expected) });
        }
    }

    #[test]
    fn nothing_else_is() {
        let chain = chain();
        let (announced, _) = announcement(&chain, 5);
        let with = |change: &dyn Fn(&mut Announcement)| {
            let mut changed = announced.clone();
            change(&mut changed);
            changed.check(&chain, chain.succession()).unwrap_err()
        };
        let stranger = SealingKey::from_seed(&Zeroizing::new([8; 32])).public();
        let unsigned = AnnouncementError::Signature(CheckpointError::BadSignature);
        assert_eq!(with(&|it| it.header.height = 2), unsigned);
        assert_eq!(with(&|it| it.header.entry_count = 4), unsigned);
        assert_eq!(with(&|it| it.proof[0] = it.header.log_root), unsigned);
        assert_eq!(with(&|it| it.signature.0[0] ^= 1), unsigned);
        assert_eq!(with(&|it| it.header.height = 0), AnnouncementError::Genesis);
        let other = ChainId([1; 32]);
        assert_eq!(with(&|it| it.header.chain_id = other), AnnouncementError::Chain(other));
        let wrong_key = AnnouncementError::Authority(stranger);
        assert_eq!(with(&|it| it.header.authority = stranger), wrong_key);
        let wrong_proof = AnnouncementError::Proof { size: 7 };
        assert_eq!(with(&|it| it.proof.truncate(1)), wrong_proof);
        assert_eq!(with(&|it| it.proof.push(it.header.log_root)), wrong_proof);
        let beyond = AnnouncementError::Proof { size: u64::MAX };
        assert_eq!(with(&|it| it.header.first_index = u64::MAX), beyond);
    }

    #[test]
    fn the_longest_fit() {
        let (mut announced, root) = announcement(&chain(), 5);
        announced.header.first_index = u64::MAX;
        announced.header.height = u64::MAX;
        announced.proof = vec![root; MAX_PROOF_HASHES];
        assert!(announced.encode().len() <= MAX_ANNOUNCEMENT_BYTES);
        let blocks = u8::try_from(MAX_RANGE_BLOCKS).unwrap();
        let longest = Question::Blocks { from: u64::MAX - 64, count: blocks };
        assert!(longest.encode().len() <= MAX_QUESTION_BYTES);
        let one = MAX_ANSWER_BYTES / usize::from(blocks);
        let answer = Answer::Blocks(BlockBytes(vec![vec![1; one]; usize::from(blocks)]));
        let encoded = answer.encode();
        assert!(encoded.len() <= MAX_ANSWER_WIRE_BYTES);
        assert_eq!(Answer::decode(&encoded), Ok(answer));
        let answer = Answer::Blocks(BlockBytes(vec![Vec::new(); usize::from(blocks) + 1]));
        assert!(Answer::decode(&answer.encode()).is_err());
    }

    #[test]
    fn lengths_beyond_any_limit_are_refused_unread() {
        // A list of one block, of as many bytes as a number can say.
        let mut bytes = vec![1, 1, 253];
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        assert!(Answer::decode(&bytes).is_err());
        assert!(Answer::decode(&vec![0; MAX_ANSWER_WIRE_BYTES + 1]).is_err());
        for (from, count) in [(1, 0), (1, 65), (1, u8::MAX), (0, 1), (u64::MAX, 1)] {
            assert!(Question::decode(&Question::Blocks { from, count }.encode()).is_err());
        }
        // One encoding for each answer.
        assert!(Answer::decode(&[1, 1, 0]).is_ok());
        assert!(Answer::decode(&[1, 251, 1, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            from in 1..u64::MAX - 64,
            count in 1..=64u8,
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..=64),
            junk in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            for question in [Question::Head, Question::Blocks { from, count }] {
                prop_assert_eq!(Question::decode(&question.encode()), Ok(question));
            }
            let (announced, _) = announcement(&chain(), 3);
            let blocks = Answer::Blocks(BlockBytes(blocks));
            for answer in [blocks, Answer::Head(None), Answer::Head(Some(Box::new(announced))), Answer::Busy] {
                prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
            }
            // Whatever comes is read or refused.
            let _ = (Question::decode(&junk), Answer::decode(&junk), Announcement::decode(&junk));
        }
    }
}
