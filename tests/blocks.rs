//! Blocks: what the authority seals verifies, everything else is refused by name, even when
//! it is signed with the true key.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod market;

use std::collections::HashMap;
use std::convert::Infallible;

use counterfoil::protocol::block::{Block, EncodedEntry, Header, Leaf};
use counterfoil::protocol::codec::{self, NotCanonical};
use counterfoil::protocol::entry::{Entry, Kind, Verdict};
use counterfoil::protocol::hash::{AccountsRoot, ChainId, HeaderHash, TreeHash};
use counterfoil::protocol::key::Signature;
use counterfoil::protocol::spec::{Limits, MAX_LEAF_BYTES};
use counterfoil::protocol::verify::{Invalid, VerifiedBlock, verify};
use market::cases::{Case, cases, earned, locked, sold};
use market::changes::{authorities, change};
use market::{
    Market, NOW, another_key, at, decision, encoded, funding, id, payout, sale, spec, when,
};
use proptest::prelude::*;

fn check(market: &Market, block: Block) -> Result<VerifiedBlock, Invalid<Infallible>> {
    verify(&market.chain, &market.tip, &market.state, block)
}

/// What is wrong with `block`, after `market`.
fn refusal(market: &Market, block: Block) -> Invalid<Infallible> {
    match check(market, block) {
        Ok(_) => panic!("an invalid block was verified"),
        Err(invalid) => invalid,
    }
}

/// The field of the header that is wrong with `block`.
fn wrong_field(market: &Market, block: Block) -> &'static str {
    match refusal(market, block) {
        Invalid::Header { height, field, expected, found } => {
            assert_eq!(height, market.tip.height + 1);
            assert_ne!(expected, found);
            field
        }
        other => panic!("{other}"),
    }
}

/// Three blocks, as the authority seals them.
fn sealed(market: &mut Market) -> Vec<VerifiedBlock> {
    let mut blocks = vec![market.seal(NOW, &earned())];
    let paid_for = [decision("D-1", "C-1", Verdict::Lock), funding("F-1", |_| ())];
    blocks.push(market.seal(NOW, &paid_for));
    blocks.push(market.seal(NOW + 5, &[payout("P-1", |_| ()), sale("S-2", |_| ())]));
    blocks
}

#[test]
fn a_replica_accepts_what_the_authority_sealed() {
    let (mut authority, mut replica) = (Market::new(), Market::new());
    for sealed in sealed(&mut authority) {
        let block = Block::decode(&sealed.encode()).unwrap();
        let verified = check(&replica, block).unwrap();
        assert_eq!(verified.encode(), sealed.encode());
        assert_eq!(verified.changes(), sealed.changes());
        assert_eq!(verified.parties(), sealed.parties());
        assert_eq!(verified.checkpoint(), sealed.checkpoint());
        replica.take(&verified);
    }
    assert_eq!((replica.tip.height, replica.tip.tree.size()), (3, 11));
    assert_eq!(replica.tip, authority.tip);
    assert_eq!(replica.state, authority.state);
    assert_eq!(replica.tip.tree.root(), market::root(&replica.leaves));
}

#[test]
fn a_block_made_by_hand_is_the_one_that_is_sealed() {
    let mut market = Market::new();
    let forged = market.forge(&locked(), |_| ());
    assert_eq!(forged.encode(), market.seal(NOW, &locked()).encode());
}

/// Changes one field of a header.
type Alteration = fn(&mut Header);

const ALTERATIONS: [(&str, Alteration); 10] = [
    ("format_version", |header| header.format_version += 1),
    ("rules_version", |header| header.rules_version += 1),
    ("chain_id", |header| header.chain_id = ChainId([1; 32])),
    ("height", |header| header.height += 1),
    ("parent", |header| header.parent = HeaderHash([1; 32])),
    ("first_index", |header| header.first_index += 1),
    ("entry_count", |header| header.entry_count -= 1),
    ("log_root", |header| header.log_root = TreeHash([1; 32])),
    ("accounts_root", |header| header.accounts_root = AccountsRoot([1; 32])),
    ("authority", |header| header.authority = another_key().public()),
];

#[test]
fn each_altered_field_of_a_header_is_refused_by_name() {
    let mut market = Market::new();
    market.seal(NOW - 9, &sold());
    let entries = [sale("S-2", |_| ()), sale("S-3", |_| ())];
    let honest = market.forge(&entries, |_| ());
    assert!(check(&market, honest.clone()).is_ok());
    for (field, alter) in ALTERATIONS {
        // Signed anew with the true key: only the field is wrong.
        assert_eq!(wrong_field(&market, market.forge(&entries, alter)), field);
        // With the honest block's signature.
        let mut altered = honest.clone();
        alter(&mut altered.header);
        let invalid = refusal(&market, altered);
        if field == "accounts_root" {
            // What only running the rules can tell is not looked at in a stranger's block.
            assert_eq!(invalid, Invalid::Signature { height: 2 });
        } else {
            assert!(matches!(invalid, Invalid::Header { field: found, .. } if found == field));
        }
    }
    // The time is the authority's to say, but to sign too.
    assert!(check(&market, market.forge(&entries, |header| header.time = at(NOW + 1))).is_ok());
    let mut later = honest;
    later.header.time = at(NOW + 1);
    assert_eq!(refusal(&market, later), Invalid::Signature { height: 2 });
    // No field of a header is without a case here.
    let fields = serde_json::to_value(market.chain.genesis()).unwrap();
    assert_eq!(fields.as_object().unwrap().len(), ALTERATIONS.len() + 1);
}

#[test]
fn time_never_runs_backwards() {
    let mut market = Market::new();
    market.seal(NOW, &sold());
    let at_time = |time: u64| {
        // Old events, so that only the block's own time matters.
        let entries = [when(0, sale("S-2", |_| ()))];
        market.forge(&entries, |header| header.time = at(time))
    };
    assert!(check(&market, at_time(NOW)).is_ok());
    let (time, parent_time) = (at(NOW - 1), at(NOW));
    let expected = Invalid::TimeBackwards { height: 2, time, parent_time };
    assert_eq!(refusal(&market, at_time(NOW - 1)), expected);
}

#[test]
fn entries_can_not_be_swapped_dropped_added_or_repeated() {
    type Change = fn(&mut Vec<EncodedEntry>);
    let market = Market::new();
    let honest = market.forge(&locked(), |_| ());
    let changes: [(&str, Change, &str); 6] = [
        ("swapped", |entries| entries.swap(0, 1), "log_root"),
        ("dropped", |entries| drop(entries.pop()), "entry_count"),
        ("dropped first", |entries| drop(entries.remove(0)), "entry_count"),
        ("added", |entries| entries.extend(encoded(&[sale("S-2", |_| ())])), "entry_count"),
        ("repeated", |entries| entries.push(entries[3].clone()), "entry_count"),
        ("replaced", |entries| entries[1] = encoded(&[sale("S-2", |_| ())]).remove(0), "log_root"),
    ];
    for (name, change, field) in changes {
        let mut block = honest.clone();
        change(&mut block.entries);
        assert_eq!(wrong_field(&market, block), field, "{name}");
    }
    // The same with a header and a signature to match: now it is the rules that are broken.
    let rebuilt: [(&str, Vec<usize>, &str, u64); 3] = [
        ("swapped", vec![1, 0, 2, 3], "unknown-program", 1),
        ("dropped", vec![0, 2, 3], "missing-parent", 2),
        ("repeated", vec![0, 1, 2, 3, 1], "duplicate-external-id", 5),
    ];
    for (name, order, rule, at_index) in rebuilt {
        let entries: Vec<Entry> = order.iter().map(|place| locked()[*place].clone()).collect();
        assert_rule(&market, &entries, rule, at_index, name);
    }
}

fn assert_rule(market: &Market, entries: &[Entry], rule: &str, at_index: u64, what: &str) {
    match refusal(market, market.forge(entries, |_| ())) {
        Invalid::Rule { height, index, refusal } => {
            let found = (height, index, refusal.rule());
            assert_eq!(found, (market.tip.height + 1, at_index, rule), "{what}");
        }
        other => panic!("{what}: {other}"),
    }
}

#[test]
fn a_block_that_breaks_a_rule_is_invalid_whoever_signed_it() {
    for Case { rule, given, legal, broken, says } in cases() {
        // All in one block, and what came before in a block of its own.
        let apart = {
            let mut market = Market::new();
            if !given.is_empty() {
                market.seal(NOW, &given);
            }
            market
        };
        for (market, before) in [(Market::new(), given.as_slice()), (apart, &[])] {
            let index = market.leaves.len() as u64 + before.len() as u64;
            let entries = [before, std::slice::from_ref(&broken)].concat();
            assert_rule(&market, &entries, rule, index, says);
            let entries = [before, std::slice::from_ref(&legal)].concat();
            let honest = check(&market, market.forge(&entries, |_| ()));
            assert!(honest.is_ok(), "{rule}, {says}: {:?}", honest.err());
        }
    }
}

#[test]
fn only_the_authority_signs() {
    let market = Market::new();
    let honest = market.forge(&sold(), |_| ());
    let mut leaves = market.leaves.clone();
    leaves.extend(honest.entries.iter().map(|entry| market::leaf_hash(entry.leaf())));
    let without_header = market.sign(&leaves, &market::key());
    leaves.push(market::leaf_hash(&honest.header.to_leaf()));
    let by_another = market.sign(&leaves, &another_key());
    let elsewhere = market.forge(&[market::terms("T-1", |_| ())], |_| ()).signature;
    let mut flipped = honest.signature;
    flipped.0[40] ^= 4;
    let forgeries = [
        ("another key", by_another),
        ("not over the header", without_header),
        ("another block's", elsewhere),
        ("one bit", flipped),
        ("zeros", Signature([0; 64])),
    ];
    for (what, signature) in forgeries {
        let block = Block { signature, ..honest.clone() };
        assert_eq!(refusal(&market, block), Invalid::Signature { height: 1 }, "{what}");
    }
    // A stranger who names himself.
    let mut stranger = market.forge(&sold(), |header| header.authority = another_key().public());
    leaves.pop();
    leaves.push(market::leaf_hash(&stranger.header.to_leaf()));
    stranger.signature = market.sign(&leaves, &another_key());
    assert_eq!(wrong_field(&market, stranger), "authority");
}

#[test]
fn rules_are_not_run_for_strangers() {
    struct Untouchable;
    impl counterfoil::protocol::rules::StateReader for Untouchable {
        type Error = ();
        fn read(
            &self,
            _: &counterfoil::protocol::hash::StateKey,
        ) -> Result<Option<counterfoil::protocol::rules::StoredRecord>, ()> {
            Err(())
        }
    }
    let market = Market::new();
    let honest = market.forge(&sold(), |_| ());
    let unsigned = Block { signature: Signature([0; 64]), ..honest.clone() };
    let outcome = |block| verify(&market.chain, &market.tip, &Untouchable, block).err();
    assert_eq!(outcome(unsigned), Some(Invalid::Signature { height: 1 }));
    assert_eq!(outcome(honest), Some(Invalid::State(())));
}

#[test]
fn a_block_fits_one_chain_and_one_place() {
    let mut market = Market::new();
    let first = market.forge(&sold(), |_| ());
    for other in ["name", "origin", "genesis", "limits"] {
        let mut spec = spec();
        match other {
            "name" => spec.name.push('!'),
            "origin" => spec.origin.push('x'),
            "genesis" => spec.genesis_time = at(1),
            _ => spec.limits.event_ahead_ms += 1,
        }
        assert_eq!(wrong_field(&Market::of(spec), first.clone()), "chain_id", "{other}");
    }
    let blocks: Vec<Block> =
        sealed(&mut market).iter().map(|block| Block::decode(&block.encode()).unwrap()).collect();
    let genesis = Market::new();
    assert_eq!(wrong_field(&genesis, blocks[1].clone()), "height");
    assert_eq!(wrong_field(&market, blocks[2].clone()), "height");
    // The same height after another history.
    let mut fork = Market::new();
    fork.seal(NOW, &sold());
    assert_eq!(wrong_field(&fork, blocks[1].clone()), "parent");
}

#[test]
fn blocks_are_neither_empty_nor_beyond_the_limits() {
    let market = Market::new();
    assert_eq!(refusal(&market, market.forge(&[], |_| ())), Invalid::Empty { height: 1 });

    let limits = Limits { block_entries: 3, ..spec().limits };
    let market = Market::of(counterfoil::protocol::spec::ChainSpec { limits, ..spec() });
    assert!(check(&market, market.forge(&earned(), |_| ())).is_ok());
    let beyond = refusal(&market, market.forge(&locked(), |_| ()));
    assert_eq!(beyond, Invalid::TooLarge { height: 1, index: 4 });

    let limits = Limits { block_bytes: u32::try_from(MAX_LEAF_BYTES).unwrap(), ..spec().limits };
    let market = Market::of(counterfoil::protocol::spec::ChainSpec { limits, ..spec() });
    let long = |number: usize| {
        sale(&format!("{number:0>128}"), |body| {
            let reference = Some(id(&"x".repeat(128)));
            body.link_ref.clone_from(&reference);
            body.campaign_ref.clone_from(&reference);
            body.click_ref = reference;
        })
    };
    let mut entries = vec![market::terms("T-1", |_| ())];
    let mut bytes = encoded(&entries)[0].leaf().len();
    while bytes <= MAX_LEAF_BYTES {
        entries.push(long(entries.len()));
        bytes += encoded(&entries).last().unwrap().leaf().len();
    }
    let last = entries.len() as u64;
    let beyond = refusal(&market, market.forge(&entries, |_| ()));
    assert_eq!(beyond, Invalid::TooLarge { height: 1, index: last });
    entries.pop();
    assert!(check(&market, market.forge(&entries, |_| ())).is_ok());
}

#[test]
#[should_panic(expected = "a block after genesis has entries")]
fn an_empty_draft_is_not_sealed() {
    Market::new().draft().seal(&market::key());
}

#[test]
#[should_panic(expected = "only the authority seals")]
fn a_stranger_does_not_seal() {
    let market = Market::new();
    let mut draft = market.draft();
    draft.admit(encoded(&sold()).remove(0)).unwrap();
    draft.seal(&another_key());
}

#[test]
fn bytes_that_are_no_block() {
    let market = Market::new();
    let block = market.forge(&sold(), |_| ());
    let bytes = block.encode();
    assert_eq!(Block::decode(&bytes), Ok(block.clone()));
    for length in 0..bytes.len() {
        assert!(Block::decode(&bytes[..length]).is_err(), "cut to {length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Block::decode(&longer), Err(NotCanonical::Trailing(1)));
    // The same count and length in more bytes than they need.
    let head = codec::encode(&(block.header.clone(), block.signature)).len();
    let wide = [&bytes[..head], &[251, 2, 0], &bytes[head + 1..]].concat();
    assert_eq!(Block::decode(&wide), Err(NotCanonical::Ambiguous));
    // A header among the entries, and no leaf at all.
    let with = |leaves: Vec<Vec<u8>>| {
        Block::decode(&[bytes[..head].to_vec(), codec::encode(&leaves)].concat())
    };
    assert!(with(vec![block.entries[0].leaf().to_vec()]).is_ok());
    assert!(matches!(with(vec![block.header.to_leaf()]), Err(NotCanonical::Undecodable(_))));
    assert!(matches!(with(vec![Vec::new()]), Err(NotCanonical::Undecodable(_))));
    // More leaves than any block has; the least of them would take 24 times its own bytes.
    let refused = with(vec![Vec::new(); 10_001]);
    let Err(NotCanonical::Undecodable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("at most 10000"), "{reason}");
}

/// A leaf of every kind, and one of a header.
fn leaves() -> Vec<Vec<u8>> {
    let mut rich: Vec<Entry> = cases().into_iter().map(|case| case.broken).collect();
    rich.push(change(1, |body| body.authorities = Some(authorities(&[3]))));
    rich.sort_by_key(|entry| (entry.kind(), encoded(std::slice::from_ref(entry))[0].leaf().len()));
    // Of each kind one that says much, but not a very long list.
    let said = |kind: &Kind| {
        let entries = rich.iter().filter(|entry| entry.kind() == *kind);
        let encoded = entries.map(|entry| encoded(std::slice::from_ref(entry)).remove(0));
        encoded.map(|entry| entry.leaf().to_vec()).rfind(|leaf| leaf.len() <= 300).unwrap()
    };
    let mut leaves: Vec<_> = Kind::ALL.iter().map(said).collect();
    leaves.push(Market::new().chain.genesis().to_leaf());
    leaves
}

#[test]
fn every_byte_of_a_leaf_matters() {
    for leaf in leaves() {
        let value = Leaf::decode(&leaf).unwrap();
        assert_eq!(codec::encode(&value), leaf);
        for position in 0..leaf.len() {
            for byte in 0..=u8::MAX {
                let mut altered = leaf.clone();
                altered[position] = byte;
                if let Ok(other) = Leaf::decode(&altered) {
                    assert_eq!(codec::encode(&other), altered);
                    assert_eq!(other == value, altered == leaf, "{position}: {byte}");
                }
            }
        }
    }
}

/// One change of some bytes: what, where, and with which byte.
fn mutated(mut bytes: Vec<u8>, changes: &[(u8, prop::sample::Index, u8)]) -> Vec<u8> {
    for (what, position, byte) in changes {
        let position = position.index(bytes.len().max(1));
        match what {
            0 if position < bytes.len() => bytes[position] = *byte,
            1 => bytes.insert(position, *byte),
            2 if position < bytes.len() => drop(bytes.remove(position)),
            3 => bytes.truncate(position),
            _ => bytes.extend_from_within(position.min(bytes.len())..),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn random_bytes_have_one_reading_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(block) = Block::decode(&bytes) {
            prop_assert_eq!(block.encode(), bytes.clone());
        }
        // A quarter of all first bytes are ones that a leaf begins with.
        for start in [0u8, 1] {
            let leaf = [&[start], &bytes[..]].concat();
            if let Ok(value) = Leaf::decode(&leaf) {
                prop_assert_eq!(codec::encode(&value), leaf);
            }
        }
    }

    #[test]
    fn mutated_blocks_have_one_reading_or_none(
        changes in prop::collection::vec((0..5u8, any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let market = Market::new();
        let honest = market.forge(&locked(), |_| ());
        let bytes = mutated(honest.encode(), &changes);
        if let Ok(block) = Block::decode(&bytes) {
            prop_assert_eq!(block.encode(), bytes);
            // And only the very same block verifies.
            let same = block == honest;
            prop_assert_eq!(check(&market, block).is_ok(), same);
        }
    }
}

#[test]
fn a_verified_block_leaves_the_state_alone() {
    let market = Market::new();
    let before: HashMap<_, _> = market.state.clone();
    let verified = check(&market, market.forge(&locked(), |_| ())).unwrap();
    assert_eq!(market.state, before);
    assert!(!verified.changes().is_empty());
}
