//! Succession: which chain spec is in force at which height. FORMAT.md section 13.18.
//!
//! It follows from the genesis spec and the changes alone, in the order of their numbers: each
//! names the one before it and is signed by those who govern when it takes effect. So whoever
//! has the genesis spec and the changes needs nobody else, and no proof where they stand.
//!
//! A change holds from its height on, on top of what held there by the changes before it. What was
//! to begin later it withdraws: it was signed by somebody who knew of that.

use std::sync::Arc;

use super::block::EncodedEntry;
use super::entry::{Body, Entry, Kind, LEDGER_TENANT, SpecChange};
use super::hash::{ChainId, EntryId, HeaderHash};
use super::key::PublicKey;
use super::rules::Refusal;
use super::spec::{ChainSpec, RULES_VERSION};

/// The most bytes that the leaves of all changes of a ledger have together. Receipts carry them.
pub const MAX_SPEC_CHANGES_BYTES: usize = 1024 * 1024;

/// Which spec is in force at which height, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    chain: ChainId,
    /// Ascending by height; the first from genesis on.
    periods: Vec<Period>,
    /// Every change, by number.
    changes: Vec<EncodedEntry>,
    /// What the leaves of all changes have together.
    bytes: usize,
}

/// What holds from a height on, until the next period begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The height of its first block.
    pub from_height: u64,
    /// The spec in force.
    pub spec: Arc<ChainSpec>,
}

/// What a key is in a ledger, at some height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// It seals.
    Authority,
    /// A change that is recorded puts it in force.
    Awaited {
        /// From which block on.
        from_height: u64,
    },
    /// It is among the authorities, and not the first.
    StandsBy,
    /// It sealed before, and another one took its place.
    Retired,
    /// Nothing names it.
    Unknown,
}

/// Where on the ledger a change would stand.
#[derive(Clone, Copy, Debug)]
pub struct ChangePlace {
    /// The height of its block.
    pub height: u64,
    /// The hash of the header before that.
    pub parent: HeaderHash,
}

impl Succession {
    /// What holds by the spec that the chain began with.
    pub fn new(chain: ChainId, spec: ChainSpec) -> Self {
        let periods = vec![Period { from_height: 0, spec: Arc::new(spec) }];
        Self { chain, periods, changes: Vec::new(), bytes: 0 }
    }

    /// The spec in force at `height`.
    pub fn spec_at(&self, height: u64) -> &Arc<ChainSpec> {
        let after = self.periods.partition_point(|period| period.from_height <= height);
        let period = after.checked_sub(1).and_then(|place| self.periods.get(place));
        &period.expect("the first period begins at genesis").spec
    }

    /// What holds from which height on, ascending.
    pub fn periods(&self) -> &[Period] {
        &self.periods
    }

    /// What `key` is for the block at `height`.
    pub fn role_of(&self, key: &PublicKey, height: u64) -> KeyRole {
        let seals = |period: &&Period| period.spec.authority() == *key;
        let in_force = self.spec_at(height);
        let (until, after): (Vec<_>, Vec<_>) =
            self.periods.iter().partition(|period| period.from_height <= height);
        if in_force.authority() == *key {
            KeyRole::Authority
        } else if let Some(period) = after.into_iter().find(seals) {
            KeyRole::Awaited { from_height: period.from_height }
        } else if in_force.authorities.contains(key) {
            KeyRole::StandsBy
        } else if until.into_iter().any(|period| period.spec.authority() == *key) {
            KeyRole::Retired
        } else {
            KeyRole::Unknown
        }
    }

    /// Every change, by number: the first is number 1.
    pub fn changes(&self) -> &[EncodedEntry] {
        &self.changes
    }

    /// The changes that lead to the spec in force at `height`.
    pub fn changes_to(&self, height: u64) -> &[EncodedEntry] {
        let holds = |entry: &EncodedEntry| match &entry.entry().body {
            Body::SpecChange(change) => change.from_height <= height,
            _ => false,
        };
        let count = self.changes.iter().rposition(holds).map_or(0, |place| place + 1);
        self.changes.get(..count).unwrap_or_default()
    }

    /// Every key that seals in some period, each once.
    pub fn sealing_keys(&self) -> Vec<PublicKey> {
        let mut keys: Vec<_> = self.periods.iter().map(|period| period.spec.authority()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The number that the next change has.
    pub fn next_number(&self) -> u32 {
        u32::try_from(self.changes.len()).map_or(u32::MAX, |count| count.saturating_add(1))
    }

    /// The id of the last change.
    pub fn last_change(&self) -> Option<EntryId> {
        self.changes.last().map(EncodedEntry::id)
    }

    /// The same with the next change, as it stands at `place` of the ledger.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn with_at(
        &self,
        encoded: &EncodedEntry,
        change: &SpecChange,
        place: ChangePlace,
    ) -> Result<Self, Refusal> {
        let (from_height, after) = (change.from_height, change.after);
        if from_height < place.height {
            let (earliest, given) = (place.height, from_height);
            return Err(Refusal::ChangeReachesBack { earliest, given });
        }
        // Who decides what holds at once says which history it means.
        let says_where = after.is_some() || from_height > place.height;
        if !says_where || after.is_some_and(|after| after != place.parent) {
            return Err(Refusal::WrongHistory { expected: place.parent, given: after });
        }
        self.with(encoded, change)
    }

    /// The same with the next change, wherever that stands.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn with(&self, encoded: &EncodedEntry, change: &SpecChange) -> Result<Self, Refusal> {
        self.check_name(encoded.entry(), change)?;
        let bytes = self.bytes.saturating_add(encoded.leaf().len());
        if bytes > MAX_SPEC_CHANGES_BYTES {
            return Err(Refusal::TooManyChanges);
        }
        let spec = self.changed(change)?;
        self.check_signatures(encoded.entry(), change)?;
        // Last: anybody can write down a version, but only those who govern make one wait for it.
        if spec.rules_version != RULES_VERSION {
            return Err(Refusal::UnknownRules { version: spec.rules_version });
        }
        let mut periods = self.periods.clone();
        periods.retain(|period| period.from_height <= change.from_height);
        let same = |period: &Period| period.from_height == change.from_height;
        if periods.last().is_some_and(same) {
            periods.pop();
        }
        periods.push(Period { from_height: change.from_height, spec: Arc::new(spec) });
        let mut changes = self.changes.clone();
        changes.push(encoded.clone());
        Ok(Self { chain: self.chain, periods, changes, bytes })
    }

    /// Checks that the entry is called as the next change is, and follows the last.
    fn check_name(&self, entry: &Entry, change: &SpecChange) -> Result<(), Refusal> {
        check_tenant(entry)?;
        let (expected, given) = (self.next_number(), change.number);
        if given != expected {
            return Err(Refusal::WrongNumber { expected, given });
        }
        if entry.external_id.as_str() != expected.to_string() {
            return Err(Refusal::MisnamedChange { expected });
        }
        let (expected, given) = (self.last_change(), change.previous);
        if given != expected {
            return Err(Refusal::WrongPrevious { expected, given });
        }
        Ok(())
    }

    /// The spec that `change` leads to from its height on, whoever signs it.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn changed(&self, change: &SpecChange) -> Result<ChainSpec, Refusal> {
        if change.from_height == 0 {
            return Err(Refusal::ChangeReachesBack { earliest: 1, given: 0 });
        }
        let before = self.spec_at(change.from_height);
        let mut spec = ChainSpec {
            authorities: change.authorities.as_ref().unwrap_or(&before.authorities).clone(),
            governance: change.governance.as_ref().unwrap_or(&before.governance).clone(),
            witnesses: change.witnesses.as_ref().unwrap_or(&before.witnesses).clone(),
            limits: change.limits.unwrap_or(before.limits),
            rules_version: change.rules_version.unwrap_or(before.rules_version),
            ..ChainSpec::clone(before)
        };
        for (currency, scale) in change.currencies.iter() {
            if !spec.currencies.add(currency, scale) {
                return Err(Refusal::CurrencyTaken { currency });
            }
        }
        if spec == **before {
            return Err(Refusal::ChangesNothing);
        }
        spec.check_bounds().map_err(|error| Refusal::BadSpec { error })?;
        Ok(spec)
    }

    /// Checks that enough of those who govern when it takes effect have signed.
    fn check_signatures(&self, entry: &Entry, change: &SpecChange) -> Result<(), Refusal> {
        let governance = &self.spec_at(change.from_height).governance;
        let (given, quorum) = (change.signatures.len(), governance.quorum);
        if quorum == 0 || given < usize::from(quorum) {
            return Err(Refusal::BelowQuorum { quorum, given });
        }
        if !change.signatures.is_sorted_by(|one, next| one.key < next.key) {
            return Err(Refusal::SignaturesUnordered);
        }
        let message = entry.signed_by_governance(self.chain);
        for signed in &change.signatures {
            let key = signed.key;
            if !governance.keys.contains(&key) {
                return Err(Refusal::NotGoverning { key });
            }
            let verified = key.verify(&message, &signed.signature);
            verified.map_err(|_| Refusal::BadGovernanceSignature { key })?;
        }
        Ok(())
    }
}

/// Checks that an entry is of the ledger's own tenant exactly where it is of the ledger's own kind.
pub(super) fn check_tenant(entry: &Entry) -> Result<(), Refusal> {
    let own = entry.tenant.as_str() == LEDGER_TENANT;
    if own == (entry.kind() == Kind::SpecChange) { Ok(()) } else { Err(Refusal::ReservedTenant) }
}
