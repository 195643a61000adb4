//! What the authority signed for others, beside what it signed for us.

use crate::protocol::evidence::{Beginning, Evidence, SignedRoot};
use crate::protocol::key::PublicKey;
use crate::store::{StoreError, View};

/// Evidence that `key` signed two histories, where it signed `other`, a log no longer than the ledger,
/// and the ledger has another root there. None where they agree, or where nobody signed the ledger's head:
/// genesis.
///
/// # Errors
/// [`StoreError`].
pub fn contradiction(
    view: &View,
    key: PublicKey,
    other: SignedRoot,
) -> Result<Option<Evidence>, StoreError> {
    let (head, root) = (view.head(), view.root(other.size)?);
    let Some(signature) = head.signature.filter(|_| root != other.root) else { return Ok(None) };
    let own = SignedRoot { size: head.size(), root: head.tip.tree.root(), signature };
    if other.size == own.size {
        return Ok(Some(Evidence::of_two_roots(key, other, own)));
    }
    let proof = view.consistency_proof(other.size, own.size)?;
    let beginning = Some(Beginning { root, proof });
    Ok(Some(Evidence { key, smaller: other, larger: own, beginning }))
}
