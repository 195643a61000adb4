//! What somebody was told, and whether a store still has it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use counterfoil::ledger::now;
use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::checkpoint::Checkpoint;
use counterfoil::protocol::entry::Body;
use counterfoil::protocol::hash::{EntryId, TreeHash};
use counterfoil::protocol::key::SealingKey;
use counterfoil::protocol::verify::{Chain, Draft};
use counterfoil::store::{Committer, MemoryBounds, Standing, Store, StoreError};
use serde_json::Value;

use crate::support::chain::{id, terms};
use crate::support::faults::{Call, Kind};
use crate::support::home;

/// How many receipts are checked at once.
const RECEIPTS_CHECKED: usize = 5;
/// How many entries are sealed after a crash.
const SEALED_AFTER: usize = 64;

/// What somebody was told.
#[derive(Clone, Debug)]
pub enum Knowledge {
    Entry { id: EntryId, index: u64, height: u64 },
    Checkpoint { size: u64, root: TreeHash },
}

/// Something that somebody may know from when it began to go out, a number of the record.
#[derive(Clone, Debug)]
pub struct Released {
    pub at: u64,
    pub what: Knowledge,
}

/// Whose store it is, and how it is opened.
pub struct Owner {
    pub chain: Arc<Chain>,
    pub key: SealingKey,
    /// Other bounds than a node's.
    pub bounds: Option<MemoryBounds>,
}

impl Owner {
    /// Opens a store by the ordinary path.
    pub fn open(&self, directory: &Path) -> Result<(Store, Committer), StoreError> {
        match self.bounds {
            None => Store::open(directory, self.chain.clone()),
            Some(bounds) => Store::open_bounded(directory, self.chain.clone(), bounds),
        }
    }

    /// Opens what a crash left, looks for everything that is known of it, seals on, and verifies
    /// everything.
    pub fn check<'a>(
        &self,
        directory: &Path,
        known: impl IntoIterator<Item = &'a Knowledge>,
    ) -> Result<(), StoreError> {
        home::settle(directory);
        let (store, mut committer) = self.open(directory)?;
        assert_eq!(*committer.standing(), Standing::Sound);
        self.check_known(&store, known)?;

        let head = store.head();
        let mut draft = Draft::new(&self.chain, &head.tip, &store, now());
        for entry in after_the_crash() {
            draft.admit(entry).expect("it is new");
        }
        let head = committer.commit(&draft.seal(&self.key))?;
        let report = store.fsck(|_| {})?;
        assert!(report.is_clean(), "{report:#?}");
        assert_eq!(report.verified_height, head.height());
        let blobs = std::fs::read_dir(directory.join("store/blobs")).expect("a directory");
        assert_eq!(blobs.count(), 0, "large values would not be durable");
        Ok(())
    }

    /// Everything that is known is there, in its place; the newest have receipts that hold.
    fn check_known<'a>(
        &self,
        store: &Store,
        known: impl IntoIterator<Item = &'a Knowledge>,
    ) -> Result<(), StoreError> {
        let view = store.view();
        let mut indexes = Vec::new();
        for what in known {
            match what {
                Knowledge::Entry { id, index, height } => {
                    let found = view.entry_with_id(id)?.map(|hit| hit.index);
                    assert_eq!(found, Some(*index), "an entry of block {height}");
                    assert_eq!(view.height_of(*index)?, Some(*height), "entry {index}");
                    indexes.push(*index);
                }
                Knowledge::Checkpoint { size, root } => assert_eq!(view.root(*size)?, *root),
            }
        }
        for index in indexes.into_iter().rev().take(RECEIPTS_CHECKED) {
            let receipt = view.receipt(index)?.expect("an entry");
            assert_eq!(receipt.verify(&self.chain).expect("a receipt that holds").index, index);
        }
        Ok(())
    }
}

/// Entries enough to lie beside whatever bodies a crash left, and shaped unlike them.
fn after_the_crash() -> impl Iterator<Item = EncodedEntry> {
    (0..SEALED_AFTER).map(|number| {
        let mut entry = terms().entry().clone();
        entry.external_id = id(&format!("{number:0>100}"));
        if let Body::ProgramTerms(terms) = &mut entry.body {
            terms.program = id(&format!("after-the-crash-{number}"));
        }
        EncodedEntry::new(entry).unwrap()
    })
}

/// What the answer to a submission says, or a checkpoint.
pub fn knowledge(text: &str, chain: &Chain) -> Vec<Knowledge> {
    if let Ok(answer) = serde_json::from_str::<Value>(text) {
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        let entries = results.iter().map(|result| Knowledge::Entry {
            id: result["id"].as_str().unwrap().parse().unwrap(),
            index: result["index"].as_u64().unwrap(),
            height: result["height"].as_u64().unwrap(),
        });
        return entries.collect();
    }
    let spec = chain.spec();
    let checkpoint = Checkpoint::open(text, &spec.origin, &spec.authority());
    let checkpoint =
        checkpoint.map(|(Checkpoint { size, root, .. }, _)| Knowledge::Checkpoint { size, root });
    checkpoint.into_iter().collect()
}

/// What was released, by texts and when they began to go out.
pub fn released(said: impl IntoIterator<Item = (u64, String)>, chain: &Chain) -> Vec<Released> {
    let known = said.into_iter().flat_map(|(at, text)| {
        knowledge(&text, chain).into_iter().map(move |what| Released { at, what })
    });
    known.collect()
}

/// The bodies of all HTTP answers in a record, and when the first byte of each was on its way.
pub fn answers(calls: &[Call]) -> Vec<(u64, String)> {
    let mut connections: BTreeMap<u64, (u64, Vec<u8>)> = BTreeMap::new();
    let mut answers = Vec::new();
    for call in calls.iter().filter(|call| call.kind == Kind::Sent) {
        let (since, sent) = connections.entry(call.inode).or_default();
        if sent.is_empty() {
            *since = call.issued;
        }
        sent.extend_from_slice(&call.data);
        if !sent.starts_with(b"HTTP/1.1 ") {
            sent.clear();
        } else if let Some(body) = whole_answer(sent) {
            answers.push((*since, body));
            sent.clear();
        }
    }
    answers
}

/// The body of an answer, if all of it is there.
fn whole_answer(sent: &[u8]) -> Option<String> {
    let (head, body) = std::str::from_utf8(sent).ok()?.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    (body.len() == length.parse::<usize>().ok()?).then(|| body.to_owned())
}
