//! Comparing what the authority signed for others with what it signed for us.
//!
//! A head that is no longer than our log is compared with our root there. Of a longer one the proof is
//! asked for that its log begins with ours. Where they differ, the two signatures are evidence.

use crate::ledger::{Ledger, contradiction};
use crate::network::wire::SignedHead;
use crate::protocol::evidence::{Beginning, Evidence, SignedRoot};
use crate::protocol::hash::TreeHash;
use crate::protocol::tree;
use crate::store::{StoreError, View};

/// What comes of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// One history.
    Agrees,
    /// Two, both signed.
    Contradicts(Box<Evidence>),
    /// The log is longer than ours: a proof is needed.
    Longer,
    /// What was sent is no proof.
    NoProof,
}

/// Our own head as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnRoot {
    pub size: u64,
    pub root: TreeHash,
    /// Genesis has no signature.
    pub signed: Option<SignedRoot>,
}

impl OwnRoot {
    /// That of the ledger as it stands now.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let head = ledger.head();
        let (size, root) = (head.size(), head.tip.tree.root());
        let signed = head.signature.map(|signature| SignedRoot { size, root, signature });
        Self { size, root, signed }
    }
}

/// Compares a head with a ledger that may be longer.
pub(super) fn compare(view: &View, other: &SignedHead) -> Result<Compared, StoreError> {
    if other.signed.size > view.head().size() {
        return Ok(Compared::Longer);
    }
    let evidence = contradiction(view, other.header.authority, other.signed)?;
    Ok(evidence.map_or(Compared::Agrees, |evidence| Compared::Contradicts(Box::new(evidence))))
}

/// Compares what a longer log is said to begin with to our own, as it was when that was asked.
pub(super) fn compare_beginning(
    own: &OwnRoot,
    longer: &SignedHead,
    beginning: Beginning,
) -> Compared {
    let SignedRoot { size, root, .. } = longer.signed;
    if !tree::is_consistent(own.size, beginning.root, size, root, &beginning.proof) {
        return Compared::NoProof;
    }
    if beginning.root == own.root {
        return Compared::Agrees;
    }
    match own.signed {
        // All logs of a chain begin with one genesis, which nobody signs.
        None => Compared::NoProof,
        Some(smaller) => {
            let (key, larger) = (longer.header.authority, longer.signed);
            let beginning = Some(beginning);
            Compared::Contradicts(Box::new(Evidence { key, smaller, larger, beginning }))
        }
    }
}

/// Where two histories part: the first own block that isn't part of the other log. Halved again and again,
/// by asking for what the other log begins with.
#[derive(Clone, Debug)]
pub(super) struct Parting {
    /// The other log, which is signed.
    other: SignedHead,
    /// The own heights, from the first, that may be the first that isn't part of it.
    first: u64,
    last: u64,
    found: Option<Evidence>,
}

impl Parting {
    /// Begins where a head was found not to be of our history. None where there is no own block that it
    /// could be compared with.
    pub(super) fn new(view: &View, other: SignedHead) -> Result<Option<Self>, StoreError> {
        let (mut first, mut last) = (0, view.head().height());
        // The last own block whose log isn't longer than the other.
        while first < last {
            let middle = last - (last - first) / 2;
            let size = view.header(middle)?.map(|stored| stored.header.log_size());
            if size <= Some(other.signed.size) {
                first = middle;
            } else {
                last = middle - 1;
            }
        }
        Ok((last > 0).then_some(Self { other, first: 1, last, found: None }))
    }

    /// The own block to compare next, with its root; what was found, when there is nothing left.
    pub(super) fn next(&self, view: &View) -> Result<Option<OwnRoot>, StoreError> {
        if self.first > self.last {
            return Ok(None);
        }
        let Some((checkpoint, Some(signature))) = view.checkpoint(self.middle())? else {
            return Ok(None);
        };
        let (size, root) = (checkpoint.size, checkpoint.root);
        Ok(Some(OwnRoot { size, root, signed: Some(SignedRoot { size, root, signature }) }))
    }

    /// The log to ask about.
    pub(super) fn other(&self) -> &SignedHead {
        &self.other
    }

    /// What was found so far.
    pub(super) fn found(self) -> Option<Evidence> {
        self.found
    }

    /// Takes in what the other log begins with; whether it is worth going on.
    pub(super) fn learn(&mut self, compared: Compared) -> bool {
        let middle = self.middle();
        match compared {
            Compared::Agrees => self.first = middle + 1,
            Compared::Contradicts(evidence) => {
                self.found = Some(*evidence);
                self.last = middle - 1;
            }
            Compared::Longer | Compared::NoProof => return false,
        }
        true
    }

    fn middle(&self) -> u64 {
        self.first + (self.last - self.first) / 2
    }
}

/// Compares an own block with a log of the same size.
pub(super) fn compare_same_size(own: &OwnRoot, other: &SignedHead) -> Compared {
    match own.signed {
        Some(signed) if signed.root != other.signed.root => {
            let key = other.header.authority;
            Compared::Contradicts(Box::new(Evidence::of_two_roots(key, other.signed, signed)))
        }
        _ => Compared::Agrees,
    }
}
