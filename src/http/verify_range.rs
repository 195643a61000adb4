//! Verifying a range of blocks as they are stored, believing nothing but the chain spec.
//!
//! From genesis on the rules are executed again, with their state in memory apart from the
//! stored one. From anywhere else there is no state to execute them on; the range then hangs on
//! the signed checkpoint of the block before it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use serde::Serialize;
use utoipa::ToSchema;

use crate::protocol::block::Block;
use crate::protocol::hash::{HeaderHash, StateKey, TreeHash};
use crate::protocol::rules::StoredRecord;
use crate::protocol::tree::{Frontier, NodeSource};
use crate::protocol::verify::{self, Chain, Tip};
use crate::store::{StoreError, View};

/// The most records of the rules' state that one verification keeps in memory, some 0.7 GB.
pub const MAX_STATE_RECORDS: usize = 2_000_000;

/// How far a verification has come.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Progress {
    /// The height that was verified last.
    pub height: u64,
    /// The last height of the range.
    pub to: u64,
    /// Entries verified so far.
    pub entries: u64,
}

/// What a verification of a range came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RangeReport {
    /// Whether everything that was looked at holds.
    pub valid: bool,
    /// The first height of the range.
    pub from: u64,
    /// The last height of the range.
    pub to: u64,
    /// The blocks that hold, genesis included.
    pub blocks: u64,
    /// The entries in them.
    pub entries: u64,
    /// What was checked of each of them.
    #[schema(example = json!(["canonical bytes", "links", "roots", "signatures"]))]
    pub checked: Vec<&'static str>,
    /// The height up to which the rules were executed again; absent if they weren't.
    pub rules_checked_to: Option<u64>,
    /// The end of what holds.
    pub end: RangeEnd,
    /// The first thing that is wrong, and where.
    pub problem: Option<String>,
    /// What this doesn't show.
    pub not_shown: Vec<String>,
}

/// The end of what was verified.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RangeEnd {
    /// The height of the last block.
    pub height: u64,
    /// The hash of its header.
    pub hash: HeaderHash,
    /// The size of the log that ends with it.
    pub size: u64,
    /// The root of the log's tree at that size.
    pub root: TreeHash,
}

/// A run through a range.
struct Run<'a> {
    view: &'a View,
    chain: &'a Chain,
    tip: Tip,
    /// The rules' state, as long as it is known and fits.
    state: Option<HashMap<StateKey, StoredRecord>>,
    rules_checked_to: Option<u64>,
    entries: u64,
}

/// Verifies that the blocks from height `from` to height `to`, which the view must hold, are
/// those of `chain`. `progress` is told every block, and may break it off; then there is no
/// report.
///
/// # Errors
/// [`StoreError`] where the store can't be read. What is damaged in it is the report's to say.
pub fn verify_range(
    view: &View,
    chain: &Chain,
    (from, to): (u64, u64),
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Option<RangeReport>, StoreError> {
    let (tip, mut problem) = match finding(start(view, chain, from))? {
        Ok(tip) => (tip, None),
        Err(problem) => (chain.genesis_tip(), Some(problem)),
    };
    let from_genesis = tip.height == 0 && problem.is_none();
    let mut run = Run {
        view,
        chain,
        state: from_genesis.then(HashMap::new),
        rules_checked_to: from_genesis.then_some(0),
        tip,
        entries: 0,
    };
    while problem.is_none() && run.tip.height < to {
        problem = finding(run.block())?.err();
        let reached = Progress { height: run.tip.height, to, entries: run.entries };
        if problem.is_none() && progress(reached).is_break() {
            return Ok(None);
        }
    }
    if problem.is_none() {
        problem = finding(run.tiles())?.err();
    }
    Ok(Some(run.report(from, to, problem)))
}

/// What is wrong, apart from why the store couldn't be read.
enum Fault {
    Wrong(String),
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { place, problem } => Self::Wrong(format!("{place}: {problem}")),
            error => Self::Store(error),
        }
    }
}

fn finding<T>(result: Result<T, Fault>) -> Result<Result<T, String>, StoreError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Fault::Wrong(problem)) => Ok(Err(problem)),
        Err(Fault::Store(error)) => Err(error),
    }
}

/// The end of the chain before the block at `from`, as its signed checkpoint has it.
fn start(view: &View, chain: &Chain, from: u64) -> Result<Tip, Fault> {
    let before = from.saturating_sub(1);
    if before == 0 {
        return Ok(chain.genesis_tip());
    }
    let wrong =
        |problem: &str| Fault::Wrong(format!("block {before}, before the range: {problem}"));
    let stored = view.header(before)?.ok_or_else(|| wrong("missing"))?;
    let size = stored.header.log_size();
    let mut peaks = Vec::new();
    let mut first = 0u64;
    for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
        peaks.push(view.node(level, first >> level)?);
        first += 1 << level;
    }
    let succession = view.succession_at(before)?;
    let tip = Tip::new(&stored.header, Frontier::from_peaks(size, peaks), succession);
    let signature = stored.signature.ok_or_else(|| wrong("no signature"))?;
    tip.checkpoint(chain)
        .verify(&tip.spec().authority(), &signature)
        .map_err(|error| wrong(&error.to_string()))?;
    Ok(tip)
}

impl Run<'_> {
    /// Verifies the next block.
    fn block(&mut self) -> Result<(), Fault> {
        let height = self.tip.height + 1;
        let missing = || Fault::Wrong(format!("block {height}: missing"));
        let block = self.view.block(height)?.ok_or_else(missing)?;
        self.entries += block.entries.len() as u64;
        self.tip = match self.state.take() {
            Some(state) => self.by_the_rules(state, block)?,
            None => verify::verify_signed(self.chain, &self.tip, &block)
                .map_err(|invalid| wrong(&invalid))?,
        };
        Ok(())
    }

    fn by_the_rules(
        &mut self,
        mut state: HashMap<StateKey, StoredRecord>,
        block: Block,
    ) -> Result<Tip, Fault> {
        let verified = verify::verify(self.chain, &self.tip, &state, block)
            .map_err(|invalid| wrong(&invalid))?;
        self.rules_checked_to = Some(verified.header().height);
        let (tip, changes) = verified.into_outcome();
        state.extend(changes);
        if state.len() <= MAX_STATE_RECORDS {
            self.state = Some(state);
        }
        Ok(tip)
    }

    /// Compares the tree that the leaves give with the stored tiles.
    fn tiles(&self) -> Result<(), Fault> {
        let (size, root) = (self.tip.tree.size(), self.tip.tree.root());
        let stored = self.view.root(size)?;
        if stored == root {
            return Ok(());
        }
        Err(Fault::Wrong(format!("tiles: they give the root {stored} at size {size}, not {root}")))
    }

    fn report(self, from: u64, to: u64, problem: Option<String>) -> RangeReport {
        let verified = self.tip.height.saturating_add(1).saturating_sub(from);
        let mut checked = vec!["canonical bytes", "links", "roots", "signatures"];
        if self.rules_checked_to == Some(to) {
            checked.push("rules");
        }
        let not_shown = self.not_shown(from, to);
        RangeReport {
            valid: problem.is_none(),
            from,
            to,
            blocks: verified,
            entries: self.entries,
            checked,
            rules_checked_to: self.rules_checked_to,
            end: RangeEnd {
                height: self.tip.height,
                hash: self.tip.header_hash,
                size: self.tip.tree.size(),
                root: self.tip.tree.root(),
            },
            problem,
            not_shown,
        }
    }

    fn not_shown(&self, from: u64, to: u64) -> Vec<String> {
        let mut not_shown = vec![
            "This is the node's word about itself. `counterfoil verify --url` reads the same log and believes no answer but what it recomputes.".to_owned(),
        ];
        if from > 1 {
            not_shown.push(format!(
                "The blocks before {from} were not read; the range hangs on the signed checkpoint of block {}. Whether its entries obey the rules can't be told without what stands before them, so no rule was executed again.",
                from - 1
            ));
        } else if self.state.is_none() {
            let rules_checked_to = self.rules_checked_to.unwrap_or(0);
            not_shown.push(format!(
                "The rules were executed again up to height {rules_checked_to}: their state is kept in memory, at most {MAX_STATE_RECORDS} records of it. `counterfoil fsck` has no such limit."
            ));
        }
        let head = self.view.head().height();
        if to < head {
            not_shown.push(format!("The blocks after {to}, up to {head}, were not read."));
        }
        not_shown
    }
}

fn wrong(invalid: &verify::Invalid<Infallible>) -> Fault {
    Fault::Wrong(invalid.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::*;
    use crate::ledger::{Atomicity, Ledger};
    use crate::protocol::block::EncodedEntry;
    use crate::protocol::key::SealingKey;
    use crate::protocol::spec::ChainSpec;
    use crate::protocol::text;

    fn key(seed: u8) -> SealingKey {
        SealingKey::from_seed(&Zeroizing::new([seed; 32]))
    }

    fn chain(authority: &SealingKey) -> Chain {
        let spec = format!(
            "name = 'n'\norigin = 'ledger.example/n'\ngenesis_time = '2026-01-01T00:00:00Z'\nrules_version = 1\nauthorities = ['{}']\n[governance]\nkeys = []\nquorum = 0\n[currencies]\nEUR = 2\n[limits]\nblock_entries = 10\nblock_bytes = 65535\nevent_ahead_ms = 0\n",
            authority.public()
        );
        Chain::new(ChainSpec::parse(&spec).unwrap())
    }

    /// Terms of a program of its own for each number.
    fn terms(number: u32, chain: &Chain) -> EncodedEntry {
        let text = format!(
            r#"{{"tenant": "t", "kind": "program_terms", "external_id": "{number}",
                "event_time": "2026-01-01T00:00:00Z", "body": {{"merchant": "m",
                "program": "{number}", "version": 1, "effective_from": "2026-01-01T00:00:00Z",
                "actions": ["sale"], "locking": {{"type": "immediate"}},
                "rules": [{{"reward": {{"type": "percent", "ppm": 1}}}}]}}}}"#
        );
        EncodedEntry::new(text::parse(&text, &chain.spec().currencies).unwrap()).unwrap()
    }

    async fn ledger(directory: &std::path::Path, blocks: u32) -> Ledger {
        let chain = Arc::new(chain(&key(1)));
        let (ledger, _) = Ledger::open(directory, chain.clone(), Some(key(1))).unwrap();
        for number in 0..blocks {
            let entries = vec![terms(number, &chain)];
            ledger.submit(entries, Atomicity::EntryByEntry).await.unwrap();
        }
        ledger
    }

    #[tokio::test]
    async fn what_is_another_chains_is_not_valid() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = ledger(directory.path(), 5).await;
        let other = chain(&key(2));
        let cases = [
            ((0, 5), "block 1: chain_id is ", (1, 0)),
            ((2, 5), "block 2: chain_id is ", (0, 1)),
            ((5, 5), "block 5: chain_id is ", (0, 4)),
        ];
        for (range, problem, reached) in cases {
            let proceed = |_| ControlFlow::Continue(());
            let report =
                verify_range(&ledger.view().unwrap(), &other, range, proceed).unwrap().unwrap();
            let found = report.problem.unwrap_or_default();
            assert!(!report.valid && found.starts_with(problem), "{found}");
            assert_eq!((report.blocks, report.end.height), reached);
            let own = verify_range(&ledger.view().unwrap(), ledger.chain(), range, proceed);
            assert!(own.unwrap().unwrap().valid);
        }
    }

    #[tokio::test]
    async fn it_can_be_broken_off() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = ledger(directory.path(), 3).await;
        let mut reached = Vec::new();
        let report = verify_range(&ledger.view().unwrap(), ledger.chain(), (0, 3), |progress| {
            reached.push(progress.height);
            if progress.height == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(report.unwrap().is_none());
        assert_eq!(reached, [1, 2]);
    }
}
