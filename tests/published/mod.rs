//! A ledger in memory, and the files that a node publishes of it.
#![allow(dead_code, reason = "each test binary uses its part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use counterfoil::protocol::block::{EncodedEntry, Header, Leaf, checkpoint};
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::hash::{AccountsRoot, StateKey, TreeHash};
use counterfoil::protocol::key::{PublicKey, SealingKey, Signature};
use counterfoil::protocol::receipt::{LeafProof, Receipt};
use counterfoil::protocol::rules::StoredRecord;
use counterfoil::protocol::spec::ChainSpec;
use counterfoil::protocol::text;
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::tree::{NodeSource, inclusion_proof, leaf_hash, node_hash};
use counterfoil::protocol::verify::{Chain, Draft, Tip, VerifiedBlock};
use serde_json::Value;
use zeroize::Zeroizing;

/// Leaves of an entry bundle, hashes of a hash tile.
const TILE: usize = 256;
/// Levels of the binary tree between two levels of tiles.
const TILE_LEVELS: usize = 8;

/// The tests' Python, which has what tests/requirements.txt lists.
///
/// # Panics
/// If it isn't there or lacks something, with what to do.
pub fn python() -> Command {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(find_python));
    // No compiled files beside the scripts.
    command.arg("-B");
    command
}

fn find_python() -> String {
    const PACKAGES: &str = "import blake3, cryptography, tlog_scales";
    let program = std::env::var("COUNTERFOIL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let problem = match Command::new(&program).args(["-c", PACKAGES]).output() {
        Ok(output) if output.status.success() => return program,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "{program}: {problem}\nThese tests need Python 3.11 or later with three packages: \
         pip install cryptography blake3 tlog-scales. Name it in COUNTERFOIL_PYTHON, or let \
         tests/run provide it."
    );
}

/// A script of docs/verify.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify").join(name)
}

/// Whether a run ended well, and all that it said.
pub fn said(output: &Output) -> (bool, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8(text).expect("UTF-8"))
}

/// The vectors of a file: what they assume, and each case.
pub fn vectors(file: &str) -> (Value, Vec<Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let mut vectors: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cases = vectors["cases"].take();
    (vectors["assume"].take(), cases.as_array().unwrap().clone())
}

/// The time that `text` stands for.
pub fn time(text: &str) -> Timestamp {
    text.parse().expect("a time of RFC 3339")
}

/// The key of a seed of 32 bytes.
pub fn key(seed: &[u8]) -> SealingKey {
    SealingKey::from_seed(&Zeroizing::new(seed.try_into().expect("32 bytes")))
}

/// A chain spec for tests, sealed by `authority`.
pub fn spec(authority: PublicKey) -> ChainSpec {
    ChainSpec::parse(&format!(
        r#"
            name = "Test"
            origin = "ledger.example/test"
            genesis_time = "2026-01-01T00:00:00Z"
            rules_version = 1
            authorities = ["{authority}"]
            [governance]
            keys = []
            quorum = 0
            [currencies]
            EUR = 2
            JPY = 0
            USD = 4
            [limits]
            block_entries = 10000
            block_bytes = 4194304
            event_ahead_ms = 300000
        "#
    ))
    .expect("a spec that holds")
}

/// A log whose every leaf and node is kept.
#[derive(Default)]
pub struct Log {
    leaves: Vec<Vec<u8>>,
    /// The complete subtrees by level of the binary tree, level 0 being the leaves' hashes.
    levels: Vec<Vec<TreeHash>>,
}

impl NodeSource for Log {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<TreeHash, Infallible> {
        Ok(self.levels[level as usize][usize::try_from(index).unwrap()])
    }
}

impl Log {
    /// Appends a leaf.
    pub fn push(&mut self, leaf: Vec<u8>) {
        let mut hash = leaf_hash(&leaf);
        self.leaves.push(leaf);
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(hash);
            if nodes.len() % 2 == 1 {
                break;
            }
            hash = node_hash(&nodes[nodes.len() - 2], &hash);
        }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// A leaf.
    pub fn leaf(&self, index: u64) -> &[u8] {
        &self.leaves[usize::try_from(index).unwrap()]
    }

    /// Writes its tiles to files in `directory`, by path.
    pub fn publish(&self, directory: &Path) {
        for (number, bundle) in self.leaves.chunks(TILE).enumerate() {
            let framed = bundle.iter().flat_map(|leaf| {
                let length = u16::try_from(leaf.len()).expect("a leaf").to_be_bytes();
                length.into_iter().chain(leaf.iter().copied())
            });
            let path = tile_path("entries", number, bundle.len());
            write(&directory.join(path), &framed.collect::<Vec<_>>());
        }
        for (level, hashes) in self.levels.iter().step_by(TILE_LEVELS).enumerate() {
            for (number, tile) in hashes.chunks(TILE).enumerate() {
                let path = tile_path(&level.to_string(), number, tile.len());
                let bytes: Vec<u8> = tile.iter().flat_map(|hash| hash.0).collect();
                write(&directory.join(path), &bytes);
            }
        }
    }
}

/// A ledger of which everything is kept.
pub struct Ledger {
    /// The chain that it is of.
    pub chain: Chain,
    /// Its leaves.
    pub log: Log,
    /// Those that may be authority in their turn.
    keys: Vec<SealingKey>,
    tip: Tip,
    state: HashMap<StateKey, StoredRecord>,
    /// Each header, with the signed checkpoint that ends there.
    blocks: Vec<(Header, String)>,
    /// The signatures of those that somebody sealed.
    signatures: Vec<Signature>,
}

impl Ledger {
    /// The ledger of `spec` with its genesis block, sealed by `key`.
    pub fn new(spec: ChainSpec, key: SealingKey) -> Self {
        let chain = Chain::new(spec);
        let tip = chain.genesis_tip();
        let header = chain.genesis().clone();
        let (log, state, blocks) = (Log::default(), HashMap::new(), Vec::new());
        let signatures = Vec::new();
        let mut ledger = Self { chain, log, keys: vec![key], tip, state, blocks, signatures };
        ledger.log.push(header.to_leaf());
        ledger.finish(header);
        // Nobody needs to sign genesis.
        ledger.signatures.clear();
        ledger
    }

    /// The ledger of a file of vectors, from what that assumes, and its blocks.
    pub fn of_vectors(assume: &Value, blocks: &[Value]) -> (Self, Vec<VerifiedBlock>) {
        let spec = toml::to_string(&assume["spec"]).expect("TOML can hold it");
        let seed = hex::decode(assume["seed"].as_str().expect("a seed")).expect("hexadecimal");
        let mut ledger = Self::new(ChainSpec::parse(&spec).expect("a spec"), key(&seed));
        for seed in assume["successors"].as_array().into_iter().flatten() {
            ledger.may_succeed(key(&hex::decode(seed.as_str().expect("a seed")).unwrap()));
        }
        let seal = |block: &Value| {
            let entries = block["entries"].as_array().expect("entries");
            let entries: Vec<_> =
                entries.iter().map(|entry| ledger.entry(&entry.to_string())).collect();
            ledger.seal(time(block["time"].as_str().expect("a time")), &entries)
        };
        let sealed = blocks.iter().map(seal).collect();
        (ledger, sealed)
    }

    /// Lets `key` seal where a change makes it the authority.
    pub fn may_succeed(&mut self, key: SealingKey) {
        self.keys.push(key);
    }

    fn sealer(&self, authority: PublicKey) -> &SealingKey {
        let mut keys = self.keys.iter();
        keys.find(|key| key.public() == authority).expect("the authority's key")
    }

    /// The entry that `json` states.
    pub fn entry(&self, json: &str) -> Entry {
        text::parse(json, &self.tip.spec_ahead().currencies).unwrap_or_else(|error| {
            panic!("{json}: {error}");
        })
    }

    /// A draft on top, to see what the rules say.
    pub fn draft(&self, time: Timestamp) -> Draft<'_, HashMap<StateKey, StoredRecord>> {
        Draft::new(&self.chain, &self.tip, &self.state, time)
    }

    /// Seals a block of `entries`, which must obey the rules.
    pub fn seal(&mut self, time: Timestamp, entries: &[Entry]) -> VerifiedBlock {
        let mut draft = self.draft(time);
        for entry in entries {
            let encoded = EncodedEntry::new(entry.clone()).expect("short enough");
            draft.admit(encoded).unwrap_or_else(|error| panic!("{entry:?}: {error}"));
        }
        let authority = draft.authority();
        let block = draft.seal(self.sealer(authority));
        for entry in block.entries() {
            self.log.push(entry.leaf().to_vec());
        }
        self.log.push(block.header_leaf().to_vec());
        self.state.extend(block.changes().clone());
        self.tip = block.tip().clone();
        self.finish(block.header().clone());
        block
    }

    /// Seals a block of `leaves` without looking at them, under a header that `change` may
    /// spoil: what an authority could do that breaks the rules.
    pub fn forge(&mut self, time: Timestamp, leaves: &[Vec<u8>], change: impl FnOnce(&mut Header)) {
        let first_index = self.log.size();
        for leaf in leaves {
            self.log.push(leaf.clone());
            self.tip.tree.push(leaf_hash(leaf));
        }
        let mut header = Header {
            height: self.tip.height + 1,
            parent: self.tip.header_hash,
            time,
            first_index,
            entry_count: u32::try_from(leaves.len()).unwrap(),
            log_root: self.tip.tree.root(),
            accounts_root: AccountsRoot::empty(),
            ..self.chain.genesis().clone()
        };
        change(&mut header);
        self.log.push(header.to_leaf());
        let mut tree = self.tip.tree.clone();
        tree.push(leaf_hash(&header.to_leaf()));
        self.tip = Tip::new(&header, tree, self.tip.succession.clone());
        self.finish(header);
    }

    /// Signs a log that goes on after its last header.
    pub fn sign_open(&mut self, leaves: &[Vec<u8>]) {
        for leaf in leaves {
            self.log.push(leaf.clone());
            self.tip.tree.push(leaf_hash(leaf));
        }
        self.finish(self.chain.genesis().clone());
    }

    fn finish(&mut self, header: Header) {
        let mut checkpoint = checkpoint(&self.chain.spec().origin, &header, self.tip.tree.root());
        // Also where a forged header says something else.
        checkpoint.size = self.log.size();
        let key = self.sealer(self.tip.spec().authority());
        let signature = checkpoint.sign(key);
        let note = checkpoint.to_note(&key.public(), &signature);
        self.blocks.push((header, note));
        self.signatures.push(signature);
    }

    /// What its entries leave behind.
    pub fn state(&self) -> &HashMap<StateKey, StoredRecord> {
        &self.state
    }

    /// The end of the chain.
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The latest signed checkpoint.
    pub fn checkpoint(&self) -> &str {
        &self.blocks.last().expect("genesis at least").1
    }

    /// The receipt of the entry at `index`.
    pub fn receipt(&self, index: u64) -> Receipt {
        let (header, note) =
            self.blocks.iter().find(|(header, _)| index < header.index()).expect("a block's");
        let proof = |index| {
            let proof = inclusion_proof(&self.log, index, header.log_size()).unwrap();
            LeafProof::new(index, self.log.leaf(index), &proof)
        };
        let id = EncodedEntry::decode(self.log.leaf(index).to_vec()).expect("an entry").id();
        let changes = self.tip.succession.changes_to(header.height);
        let (entry, header) = (proof(index), proof(header.index()));
        Receipt::new(self.chain.id(), id, changes, entry, header, note.clone())
    }

    /// Writes what a node serves to files in `directory`, by path.
    pub fn publish(&self, directory: &Path) {
        write(&directory.join("checkpoint"), self.checkpoint().as_bytes());
        self.log.publish(directory);
        for (number, bundle) in self.signatures.chunks(TILE).enumerate() {
            let bytes: Vec<u8> = bundle.iter().flat_map(|signature| signature.0).collect();
            write(&directory.join(tile_path("signatures", number, bundle.len())), &bytes);
        }
    }
}

/// The authority of [`sales`].
pub fn authority() -> SealingKey {
    key(&[7; 32])
}

/// Terms, and then a block of so many sales for each number.
pub fn sales(blocks: &[u32]) -> Ledger {
    let mut ledger = Ledger::new(spec(authority().public()), authority());
    let terms = ledger.entry(
        r#"{"tenant": "acme", "kind": "program_terms", "external_id": "T-1",
            "event_time": "2026-01-01T00:00:00Z", "body": {
                "merchant": "shop", "program": "summer", "version": 1, "actions": ["sale"],
                "effective_from": "2025-12-01T00:00:00Z",
                "locking": {"type": "days", "days": 30},
                "rules": [{"reward": {"type": "percent", "ppm": 75000}}]}}"#,
    );
    ledger.seal(time("2026-01-01T00:00:00Z"), &[terms]);
    for count in blocks {
        let first = ledger.log.size();
        let sales: Vec<_> = (first..first + u64::from(*count))
            .map(|number| {
                ledger.entry(&format!(
                    r#"{{"tenant": "acme", "kind": "transaction", "external_id": "S-{number}",
                        "event_time": "2026-01-01T00:00:00Z", "body": {{
                            "order_ref": "order-{number}", "merchant": "shop",
                            "program": "summer", "action": "sale", "currency": "EUR",
                            "amount": "{}.5", "click_ref": "click-{number}"}}}}"#,
                    number % 1000
                ))
            })
            .collect();
        ledger.seal(time("2026-01-02T00:00:00Z"), &sales);
    }
    ledger
}

/// The canonical bytes of an entry's leaf.
pub fn entry_leaf(entry: Entry) -> Vec<u8> {
    counterfoil::protocol::codec::encode(&Leaf::Entry(entry))
}

/// C2SP `tlog-tiles`: numbers in groups of three digits, all but the last with an `x`.
fn tile_path(level: &str, number: usize, width: usize) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    let partial = if width < TILE { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{path}{partial}")
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(path, bytes).expect("written");
}
