//! Programs that share nothing with ours agree about the log: crates `ct-merkle` and
//! `signed_note`, and the Python package `tlog-scales`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod published;

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use counterfoil::protocol::checkpoint::{Checkpoint, vkey};
use counterfoil::protocol::hash::TreeHash;
use counterfoil::protocol::key::Signature;
use counterfoil::protocol::tree::{
    Frontier, consistency_proof, inclusion_proof, is_consistent, leaf_hash, root_from_inclusion,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use published::{Ledger, Log, key, python, spec, time};
use sha2::Sha256;
use signed_note::{Note, NoteError, StandardSigner, StandardVerifier, Verifier, VerifierList};

/// So many leaves of several lengths, the empty one among them.
fn leaves(count: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|index| index.to_le_bytes().repeat(usize::try_from(index % 5).unwrap()))
        .collect()
}

fn our_log(leaves: &[Vec<u8>]) -> Log {
    let mut log = Log::default();
    for leaf in leaves {
        log.push(leaf.clone());
    }
    log
}

fn their_tree(leaves: &[Vec<u8>]) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    for leaf in leaves {
        tree.push(leaf.clone());
    }
    tree
}

fn our_root(leaves: &[Vec<u8>]) -> TreeHash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(leaf_hash(leaf));
    }
    frontier.root()
}

fn theirs(root: TreeHash, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

fn joined(proof: &[TreeHash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

fn parted(proof: &[u8]) -> Vec<TreeHash> {
    proof.chunks(32).map(|hash| TreeHash(hash.try_into().expect("whole hashes"))).collect()
}

/// Each makes the proof that the other makes, and accepts it.
fn agree_on_inclusion(leaves: &[Vec<u8>], index: u64) {
    let (size, root) = (leaves.len() as u64, our_root(leaves));
    let leaf = &leaves[usize::try_from(index).unwrap()];
    let ours = inclusion_proof(&our_log(leaves), index, size).unwrap();
    let tree = their_tree(leaves);
    let their_proof = tree.prove_inclusion(usize::try_from(index).unwrap());
    assert_eq!(joined(&ours), their_proof.as_bytes(), "{index} of {size}");
    let read = InclusionProof::<Sha256>::try_from_bytes(joined(&ours)).unwrap();
    assert!(theirs(root, size).verify_inclusion(leaf, index, &read).is_ok(), "{index} of {size}");
    let found = root_from_inclusion(leaf_hash(leaf), index, size, &parted(their_proof.as_bytes()));
    assert_eq!(found, Some(root), "{index} of {size}");
}

fn agree_on_consistency(leaves: &[Vec<u8>], old_size: u64) {
    let (size, root) = (leaves.len() as u64, our_root(leaves));
    let old_root = our_root(&leaves[..usize::try_from(old_size).unwrap()]);
    let ours = consistency_proof(&our_log(leaves), old_size, size).unwrap();
    let tree = their_tree(leaves);
    let their_proof = tree.prove_consistency(usize::try_from(size - old_size).unwrap());
    assert_eq!(joined(&ours), their_proof.as_bytes(), "{old_size} to {size}");
    let read = ConsistencyProof::<Sha256>::try_from_bytes(joined(&ours)).unwrap();
    let verified = theirs(root, size).verify_consistency(&theirs(old_root, old_size), &read);
    assert!(verified.is_ok(), "{old_size} to {size}");
    let proof = parted(their_proof.as_bytes());
    assert!(is_consistent(old_size, old_root, size, root, &proof), "{old_size} to {size}");
}

#[test]
fn ct_merkle_agrees_on_every_small_tree() {
    let all = leaves(40);
    for size in 1..=40u64 {
        let leaves = &all[..usize::try_from(size).unwrap()];
        let root = their_tree(leaves).root();
        assert_eq!(our_root(leaves).0[..], root.as_bytes()[..], "{size}");
        (0..size).for_each(|index| agree_on_inclusion(leaves, index));
        (1..=size).for_each(|old_size| agree_on_consistency(leaves, old_size));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn ct_merkle_agrees_on_larger_trees(size in 41..1500u64, pick in any::<(u64, u64)>()) {
        let leaves = leaves(size);
        let root = their_tree(&leaves).root();
        prop_assert_eq!(&our_root(&leaves).0[..], &root.as_bytes()[..]);
        agree_on_inclusion(&leaves, pick.0 % size);
        agree_on_consistency(&leaves, 1 + pick.1 % size);
    }

    /// Of a proof with a flipped bit, neither thinks more than the other.
    #[test]
    fn ct_merkle_refuses_what_we_refuse(
        size in 2..300u64, pick in any::<(u64, u64)>(), flip in any::<prop::sample::Index>(),
    ) {
        let (leaves, index, old_size) = (leaves(size), pick.0 % size, 1 + pick.1 % (size - 1));
        let (log, root) = (our_log(&leaves), our_root(&leaves));
        let spoil = |proof: Vec<TreeHash>| {
            let mut bytes = joined(&proof);
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        let bytes = spoil(inclusion_proof(&log, index, size).unwrap());
        let leaf = &leaves[usize::try_from(index).unwrap()];
        let read = InclusionProof::<Sha256>::try_from_bytes(bytes.clone()).unwrap();
        prop_assert!(theirs(root, size).verify_inclusion(leaf, index, &read).is_err());
        let found = root_from_inclusion(leaf_hash(leaf), index, size, &parted(&bytes));
        prop_assert_ne!(found, Some(root));

        let old_root = our_root(&leaves[..usize::try_from(old_size).unwrap()]);
        let bytes = spoil(consistency_proof(&log, old_size, size).unwrap());
        let read = ConsistencyProof::<Sha256>::try_from_bytes(bytes.clone()).unwrap();
        let old = theirs(old_root, old_size);
        prop_assert!(theirs(root, size).verify_consistency(&old, &read).is_err());
        prop_assert!(!is_consistent(old_size, old_root, size, root, &parted(&bytes)));
    }
}

const ORIGIN: &str = "ledger.example/test";

/// What `signed_note` says of a note by the key of `seed`.
fn their_verdict(note: &str, seed: u8) -> Result<usize, NoteError> {
    let verifier = StandardVerifier::new(&vkey(ORIGIN, &key(&[seed; 32]).public())).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    Note::from_bytes(note.as_bytes())?.verify(&known).map(|(verified, _)| verified.len())
}

#[test]
fn signed_note_reads_our_key() {
    let public = key(&[3; 32]).public();
    let ours = vkey(ORIGIN, &public);
    let verifier = StandardVerifier::new(&ours).unwrap();
    assert_eq!(verifier.name(), ORIGIN);
    let typed = [&[1], &public.as_bytes()[..]].concat();
    assert_eq!(verifier.key_id(), signed_note::key_id(ORIGIN, &typed));
    assert_eq!(ours.split('+').nth(1).unwrap(), format!("{:08x}", verifier.key_id()));
}

#[test]
fn signed_note_reads_our_checkpoint_and_signs_the_same() {
    let sealing = key(&[3; 32]);
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 4711, root: TreeHash([9; 32]) };
    let note = checkpoint.to_note(&sealing.public(), &checkpoint.sign(&sealing));
    assert_eq!(their_verdict(&note, 3).unwrap(), 1);
    assert_eq!(Note::from_bytes(note.as_bytes()).unwrap().text(), checkpoint.body().as_bytes());

    let vkey = vkey(ORIGIN, &sealing.public());
    let key_id = vkey.split('+').nth(1).unwrap();
    let private = BASE64_STANDARD.encode([&[1], &[3; 32][..]].concat());
    let signer = format!("PRIVATE+KEY+{ORIGIN}+{key_id}+{private}");
    let mut theirs = Note::new(checkpoint.body().as_bytes(), &[]).unwrap();
    theirs.add_sigs(&[&StandardSigner::new(&signer).unwrap()]).unwrap();
    assert_eq!(String::from_utf8(theirs.to_bytes()).unwrap(), note);
    assert!(Checkpoint::open(&note, ORIGIN, &sealing.public()).is_ok());
}

#[test]
fn signed_note_refuses_what_we_refuse() {
    let sealing = key(&[3; 32]);
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 4711, root: TreeHash([9; 32]) };
    let note = checkpoint.to_note(&sealing.public(), &checkpoint.sign(&sealing));
    let forged = checkpoint.to_note(&sealing.public(), &Signature([1; 64]));
    let stranger = format!("{note}\u{2014} other.example/log AAAAAAAA\n");
    let cases = [
        (note.clone(), 3, true),
        (stranger, 3, true),
        (note.clone(), 4, false),
        (forged, 3, false),
        (note.replace("\n4711\n", "\n4712\n"), 3, false),
        (note.replace("\n4711\n", "\n4711\t\n"), 3, false),
        (note.replace("\n\n", "\n"), 3, false),
        (note.trim_end().to_owned(), 3, false),
        (note.replace('\u{2014}', "-"), 3, false),
    ];
    for (note, seed, expected) in cases {
        let ours = Checkpoint::open(&note, ORIGIN, &key(&[seed; 32]).public());
        assert_eq!(ours.is_ok(), expected, "{note:?}: {ours:?}");
        let theirs = their_verdict(&note, seed);
        assert_eq!(theirs.is_ok(), expected, "{note:?}: {theirs:?}");
    }
}

/// A ledger of some hundred leaves, and the size and root that it had before its last block.
fn ledger(directory: &Path) -> (String, u64, TreeHash) {
    let sealing = key(&[3; 32]);
    let mut ledger = Ledger::new(spec(sealing.public()), sealing);
    let terms = |number: u32| {
        ledger.entry(&format!(
            r#"{{"tenant": "acme", "kind": "program_terms", "external_id": "T-{number}",
                "event_time": "2026-01-01T00:00:00Z", "body": {{
                    "merchant": "shop", "program": "p-{number}", "version": 1,
                    "effective_from": "2026-01-01T00:00:00Z", "actions": ["sale"],
                    "locking": {{"type": "days", "days": 30}},
                    "rules": [{{"reward": {{"type": "percent", "ppm": 75000}}}}]}}}}"#
        ))
    };
    let terms: Vec<_> = (0..700).map(terms).collect();
    ledger.seal(time("2026-01-02T00:00:00Z"), &terms[..500]);
    let (old_size, old_root) = (ledger.tip().tree.size(), ledger.tip().tree.root());
    ledger.seal(time("2026-01-03T00:00:00Z"), &terms[500..]);
    ledger.publish(directory);
    let chain = ledger.chain.spec();
    (vkey(&chain.origin, &chain.authority()), old_size, old_root)
}

#[test]
fn tlog_scales_verifies_our_tiles() {
    let directory = tempfile::tempdir().unwrap();
    let (vkey, old_size, old_root) = ledger(directory.path());
    let check = |vkey: &str, old_root: TreeHash| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tlog_scales_check.py");
        let mut command = python();
        command.arg(script).arg(directory.path()).arg(vkey);
        let output = command.args([old_size.to_string(), old_root.to_string()]).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (holds, said) = check(&vkey, old_root);
    assert!(holds && said.contains("703 leaves hold"), "{said}");

    // And it does look.
    let others = counterfoil::protocol::checkpoint::vkey(ORIGIN, &key(&[4; 32]).public());
    assert!(!check(&others, old_root).0);
    assert!(!check(&vkey, TreeHash([0; 32])).0);
    let tile = directory.path().join("tile/entries/001");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    assert!(!check(&vkey, old_root).0);
}
