//! Keys that signed two histories, and the evidence of it.
//!
//! Invariants:
//! - What is held here proves what it says, and is on the disk before anybody is told.
//! - Nothing is sealed with a key that it accuses, and no block taken from it that reaches the size
//!   from which on it proves two histories. Which of the two is the true one it doesn't say: that is
//!   for the operator, or the governance keys.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::outcome::AccuseError;
use crate::protocol::block::Header;
use crate::protocol::evidence::Evidence;
use crate::protocol::key::PublicKey;
use crate::protocol::verify::Chain;
use crate::store::{EvidenceFolder, StoreError};

/// The most evidence that is held: two kinds for each of as many keys as a chain spec may list.
pub const MAX_EVIDENCE_ITEMS: usize = 512;

/// All evidence that is known.
pub type KnownEvidence = Arc<Vec<Evidence>>;

/// Who is accused.
pub(super) struct Accused {
    known: watch::Sender<KnownEvidence>,
    folder: Arc<Mutex<EvidenceFolder>>,
}

impl Accused {
    /// Reads what is known of keys of `chain` in `directory`.
    pub(super) fn open(directory: &Path, chain: &Chain) -> Result<Self, StoreError> {
        let folder = EvidenceFolder::new(directory);
        let known = folder.read(chain)?;
        for evidence in &known {
            let key = evidence.key;
            tracing::error!(%key, "this key signed two histories: it isn't followed");
        }
        let (known, _) = watch::channel(Arc::new(known));
        Ok(Self { known, folder: Arc::new(Mutex::new(folder)) })
    }

    pub(super) fn known(&self) -> watch::Receiver<KnownEvidence> {
        self.known.subscribe()
    }

    /// Takes in evidence; whether it says anything new. Of two of one key and kind the one is kept that
    /// shows where the histories part first.
    pub(super) async fn accuse(
        &self,
        chain: &Arc<Chain>,
        authority: &PublicKey,
        evidence: Evidence,
    ) -> Result<bool, AccuseError> {
        evidence.check(&chain.spec().origin, *authority)?;
        let folder = self.folder.clone().lock_owned().await;
        let is_alike =
            |known: &Evidence| (known.key, known.kind()) == (evidence.key, evidence.kind());
        let known = self.known.borrow().clone();
        let before = known.iter().find(|known| is_alike(known));
        if before.is_some_and(|before| before.smaller.size <= evidence.smaller.size) {
            return Ok(false);
        }
        if known.len() >= MAX_EVIDENCE_ITEMS {
            return Err(AccuseError::TooMuch);
        }
        let kept = evidence.clone();
        let written = tokio::task::spawn_blocking(move || folder.put(&kept)).await;
        match written {
            Ok(written) => written.map_err(|error| AccuseError::Failed(error.to_string()))?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        let (key, smaller, larger) = (evidence.key, evidence.smaller.size, evidence.larger.size);
        tracing::error!(
            %key, smaller, larger,
            "EQUIVOCATION: this key signed two histories. Nothing more of it is taken or sealed; the operator or the governance keys decide (docs/equivocation.md)"
        );
        self.known.send_modify(|known| {
            let known = Arc::make_mut(known);
            known.retain(|known| !is_alike(known));
            known.push(evidence.clone());
        });
        Ok(true)
    }
}

/// Whether there is evidence against `key`.
pub(super) fn is_accused(known: &[Evidence], key: &PublicKey) -> bool {
    known.iter().any(|evidence| evidence.key == *key)
}

/// Whether a block with that header may be of one of two histories.
pub(super) fn is_doubtful(known: &[Evidence], header: &Header) -> bool {
    let (key, size) = (header.authority, header.log_size());
    known.iter().any(|evidence| evidence.key == key && evidence.smaller.size <= size)
}
