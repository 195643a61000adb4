//! Answering what peers ask, from the ledger as it is durable, as much at a time as is bounded.
//!
//! Invariant: who asks more than its share, or while too much is asked, is told that this node is busy;
//! nothing waits in a queue.

use std::collections::BTreeMap;

use libp2p::PeerId;

use crate::network::sync::MAX_ANSWER_BYTES;
use crate::network::wire::{
    Announcement, Answer, BlockBytes, EvidenceList, MAX_ANSWER_EVIDENCE_ITEMS, Question,
};
use crate::protocol::evidence::{Beginning, Evidence};
use crate::store::{StoreError, View};

/// The most answers with blocks that are made or on their way at the same time.
pub const MAX_BLOCK_ANSWERS: usize = 8;
/// The most of those for one peer.
pub const MAX_BLOCK_ANSWERS_OF_A_PEER: usize = 2;
/// The most other answers for one peer.
pub const MAX_SHORT_ANSWERS_OF_A_PEER: usize = 8;

/// How much is being answered, by peer: blocks, and the rest.
#[derive(Debug, Default)]
pub(super) struct Answering {
    by_peer: BTreeMap<PeerId, [usize; 2]>,
}

/// Which share an answer has.
fn share(question: &Question) -> usize {
    usize::from(!matches!(question, Question::Blocks { .. }))
}

impl Answering {
    /// Whether there is time for that, which then counts.
    pub(super) fn begin(&mut self, peer: PeerId, question: &Question) -> bool {
        let total: usize = self.by_peer.values().map(|[blocks, _]| blocks).sum();
        let shares = self.by_peer.entry(peer).or_default();
        let [blocks, short] = shares;
        let has_time = match question {
            Question::Blocks { .. } => {
                total < MAX_BLOCK_ANSWERS && *blocks < MAX_BLOCK_ANSWERS_OF_A_PEER
            }
            _ => *short < MAX_SHORT_ANSWERS_OF_A_PEER,
        };
        if has_time && let Some(count) = shares.get_mut(share(question)) {
            *count += 1;
        }
        has_time
    }

    /// An answer is sent, or can't be.
    pub(super) fn end(&mut self, peer: PeerId, question: &Question) {
        if let Some(shares) = self.by_peer.get_mut(&peer) {
            if let Some(count) = shares.get_mut(share(question)) {
                *count = count.saturating_sub(1);
            }
            if *shares == [0, 0] {
                self.by_peer.remove(&peer);
            }
        }
    }
}

/// What the ledger has to say. `evidence` is what it knows.
pub(super) fn answer(
    view: &View,
    evidence: &[Evidence],
    question: Question,
) -> Result<Answer, StoreError> {
    match question {
        Question::Head => Ok(Answer::Head(announcement(view)?.map(Box::new))),
        Question::Blocks { from, count } => {
            let mut blocks = BlockBytes::default();
            let mut bytes = 0;
            for height in (from..).take(count.into()) {
                let Some(block) = view.block_bytes(height)? else { break };
                bytes += block.len();
                if bytes > MAX_ANSWER_BYTES {
                    break;
                }
                blocks.0.push(block);
            }
            Ok(Answer::Blocks(blocks))
        }
        Question::Beginning { old_size, size } if size <= view.head().size() => {
            let root = view.root(old_size)?;
            let proof = view.consistency_proof(old_size, size)?;
            Ok(Answer::Beginning(Some(Beginning { root, proof })))
        }
        Question::Beginning { .. } => Ok(Answer::Beginning(None)),
        Question::Evidence => {
            let known = evidence.iter().take(MAX_ANSWER_EVIDENCE_ITEMS).cloned().collect();
            Ok(Answer::Evidence(EvidenceList(known)))
        }
    }
}

/// The head of the ledger as it is announced; none at genesis.
pub(super) fn announcement(view: &View) -> Result<Option<Announcement>, StoreError> {
    let head = view.head();
    let Some(signature) = head.signature else { return Ok(None) };
    let proof = view.inclusion_proof(head.header.index(), head.size())?;
    Ok(Some(Announcement { header: head.header.clone(), proof, signature }))
}
