//! Succession: which chain spec is in force when, who seals, and what receipts say of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod market;

use std::collections::BTreeMap;
use std::convert::Infallible;

use counterfoil::protocol::block::{Block, EncodedEntry};
use counterfoil::protocol::entry::{Body, Entry, SpecChange};
use counterfoil::protocol::evidence::{Evidence, EvidenceError, EvidenceKind, SignedRoot};
use counterfoil::protocol::hash::HeaderHash;
use counterfoil::protocol::rules::Refusal;
use counterfoil::protocol::spec::{ChainSpec, Currencies, Governance, Limits};
use counterfoil::protocol::succession::{KeyRole, Succession};
use counterfoil::protocol::verify::{Chain, Draft, Invalid, VerifiedBlock, verify, verify_signed};
use market::changes::{
    ChangeCase, GOVERNING, GOVERNING_LATER, authorities, change, change_by, change_cases,
    change_in, following, governance, id_of, key_of, public, signed_for, tampered, unsigned,
};
use market::{Market, NOW, at, currency, encoded, id, key, of_tenant, sale, spec, terms};
use proptest::prelude::*;

/// The successor's key.
const SUCCESSOR: u8 = 9;

fn check(market: &Market, block: Block) -> Result<VerifiedBlock, Invalid<Infallible>> {
    verify(&market.chain, &market.tip, &market.state, block)
}

/// What is wrong with `block`, which is no better without its rules looked at.
fn refusal(market: &Market, block: Block) -> Invalid<Infallible> {
    let signed = verify_signed(&market.chain, &market.tip, &block).err();
    let found = check(market, block).err().expect("an invalid block was verified");
    assert_eq!(signed.as_ref(), Some(&found));
    found
}

fn wrong_field(market: &Market, block: Block) -> &'static str {
    match refusal(market, block) {
        Invalid::Header { field, .. } => field,
        other => panic!("{other}"),
    }
}

/// A change that holds from the very next block of `market`.
fn at_once(market: &Market, number: u32, alter: impl FnOnce(&mut SpecChange)) -> Entry {
    change(number, |body| {
        body.currencies = Currencies::default();
        (body.from_height, body.after) = (market.tip.height + 1, Some(market.tip.header_hash));
        alter(body);
    })
}

/// A change from `from_height` on that puts the successor in the authority's place.
fn rotation(from_height: u64) -> Entry {
    change(1, |body| {
        body.currencies = Currencies::default();
        (body.from_height, body.authorities) = (from_height, Some(authorities(&[SUCCESSOR])));
    })
}

/// Sale number `number`.
fn sold(number: u64) -> Entry {
    sale(&format!("S-{number}"), |_| ())
}

#[test]
fn a_block_that_changes_the_spec_against_the_rules_is_refused_by_name() {
    for ChangeCase { rule, says, given, legal, broken } in change_cases() {
        let market = Market::new();
        let with = |last: Entry| market.forge(&[given.clone(), vec![last]].concat(), |_| ());
        assert!(check(&market, with(legal)).is_ok(), "{rule}, {says}");
        let index = 1 + given.len() as u64;
        match check(&market, with(broken)).err().expect(says) {
            Invalid::Change { height: 1, index: at, refusal } => {
                // A name that was used before is a number that was, too.
                if rule == "duplicate-external-id" {
                    assert_eq!((at, refusal.rule()), (index, "wrong-number"), "{says}");
                    continue;
                }
                assert_eq!((at, refusal.rule()), (index, rule), "{says}");
                assert!(refusal.to_string().contains(says), "{refusal}, not {says}");
            }
            Invalid::UnknownRules { height: 1, version: 2 } => {
                assert_eq!(rule, "unknown-rules-version");
            }
            // Where who seals doesn't depend on it.
            Invalid::Rule { height: 1, index: at, refusal } => {
                let later = ["change-not-first", "reserved-tenant"];
                assert!(later.contains(&rule), "{rule}: {refusal}");
                assert_eq!((at, refusal.rule()), (index, rule), "{says}");
            }
            other => panic!("{rule}: {other}"),
        }
    }
}

#[test]
fn a_planned_rotation_takes_effect_at_its_height() {
    let mut market = Market::new();
    market.seal(NOW, &[rotation(3), terms("T-1", |_| ())]);
    let by = |market: &Market, seed: u8| {
        market.forge(&[sold(market.tip.height)], |header| header.authority = public(seed))
    };
    assert_eq!(wrong_field(&market, by(&market, SUCCESSOR)), "authority");
    assert_eq!(market.seal(NOW, &[sold(1)]).header().authority, key().public());
    // Whoever was replaced has sealed its last block.
    assert_eq!(wrong_field(&market, by(&market, 7)), "authority");
    assert!(check(&market, by(&market, SUCCESSOR)).is_ok());
    let sealed = market.seal(NOW, &[sold(2)]);
    assert_eq!(sealed.header().authority, public(SUCCESSOR));
    assert_eq!(market.tip.spec().authority(), public(SUCCESSOR));
    let succession = &market.tip.succession;
    let roles = |seed| [1, 2, 3].map(|height| succession.role_of(&public(seed), height));
    let awaited = KeyRole::Awaited { from_height: 3 };
    assert_eq!(roles(7), [KeyRole::Authority, KeyRole::Authority, KeyRole::Retired]);
    assert_eq!(roles(SUCCESSOR), [awaited, awaited, KeyRole::Authority]);
    assert_eq!(roles(50), [KeyRole::Unknown; 3]);
}

#[test]
#[should_panic(expected = "only the authority seals")]
fn the_authority_that_a_change_replaces_does_not_seal_its_block() {
    let market = Market::new();
    let mut draft = market.draft();
    let change = at_once(&market, 1, |body| body.authorities = Some(authorities(&[SUCCESSOR])));
    draft.admit(encoded(&[change]).remove(0)).unwrap();
    draft.seal(&key());
}

#[test]
fn those_who_govern_choose_between_two_histories() {
    let (mut one, mut other) = (Market::new(), Market::new());
    one.seal(NOW, &[terms("T-1", |_| ())]);
    other.seal(NOW, &[terms("T-1", |body| body.network_fee_ppm = 1)]);
    let chosen = at_once(&one, 1, |body| {
        body.authorities = Some(authorities(&[SUCCESSOR]));
        body.governance = Some(governance(&GOVERNING_LATER, 2));
    });
    let entries = [chosen.clone(), sold(1)];
    let by_successor =
        |market: &Market| market.forge(&entries, |header| header.authority = public(SUCCESSOR));
    // Nobody else can seal it, and not on the other history.
    assert_eq!(wrong_field(&one, one.forge(&entries, |_| ())), "authority");
    match refusal(&other, by_successor(&other)) {
        Invalid::Change { index: 3, refusal, .. } => assert_eq!(refusal.rule(), "wrong-history"),
        other => panic!("{other}"),
    }
    assert!(check(&one, by_successor(&one)).is_ok());
    one.seal(NOW, &entries);

    // The old key goes on by itself, and is followed by nobody.
    let old = one.forge(&[sold(2)], |header| header.authority = key().public());
    assert_eq!(wrong_field(&one, old), "authority");
    // What it signed twice is evidence as long as it is in force.
    let signed_root = |market: &Market| {
        let size = market.leaves.len() as u64;
        let root = market::root(&market.leaves);
        SignedRoot { size, root, signature: market.sign(&market.leaves, &key()) }
    };
    let mut again = Market::new();
    again.seal(NOW, &[terms("T-1", |_| ())]);
    let evidence = Evidence::of_two_roots(key().public(), signed_root(&again), signed_root(&other));
    let origin = &one.chain.spec().origin;
    let in_force = |market: &Market| market.tip.spec_ahead().authority();
    assert_eq!(evidence.check(origin, in_force(&again)), Ok(EvidenceKind::TwoRoots));
    let found = evidence.key;
    assert_eq!(evidence.check(origin, in_force(&one)), Err(EvidenceError::Key { found }));

    // And those who governed before don't any more.
    let by_old = following(&chosen, |body| body.from_height = 20);
    let refused = refusal(&one, one.forge(&[by_old], |_| ()));
    assert!(matches!(refused, Invalid::Change { refusal: Refusal::NotGoverning { .. }, .. }));
    let by_new = change_by(&GOVERNING_LATER, 2, |body| body.previous = Some(id_of(&chosen)));
    assert!(check(&one, one.forge(&[by_new], |_| ())).is_ok());
}

#[test]
fn a_change_is_of_one_chain() {
    let other = ChainSpec { name: "Another".to_owned(), ..spec() };
    let market = Market::of(other);
    let stolen = change(1, |_| ());
    let refused = refusal(&market, market.forge(std::slice::from_ref(&stolen), |_| ()));
    let void = |refusal: &Refusal| refusal.rule() == "bad-governance-signature";
    assert!(matches!(refused, Invalid::Change { ref refusal, .. } if void(refusal)));
    let own = signed_for(market.chain.id(), stolen, &GOVERNING[..2]);
    assert!(check(&market, market.forge(&[own], |_| ())).is_ok());
}

#[test]
fn currencies_limits_and_what_else_changes_hold_from_their_height() {
    let mut market = Market::new();
    let limits = Limits { block_entries: 2, ..spec().limits };
    let later = change(1, |body| (body.from_height, body.limits) = (3, Some(limits)));
    market.seal(NOW, &[later, terms("T-1", |_| ())]);
    let in_francs =
        |number: u64| sale(&format!("S-{number}"), |body| body.currency = currency("CHF"));
    let francs = market.forge(&[in_francs(1)], |_| ());
    match check(&market, francs).err() {
        Some(Invalid::Rule { refusal, .. }) => assert_eq!(refusal.rule(), "unknown-currency"),
        other => panic!("{other:?}"),
    }
    market.seal(NOW, &[sold(2), sold(3), sold(4)]);
    let three = market.forge(&[in_francs(5), in_francs(6), in_francs(7)], |_| ());
    let index = market.leaves.len() as u64 + 2;
    assert_eq!(check(&market, three).err(), Some(Invalid::TooLarge { height: 3, index }));
    market.seal(NOW, &[in_francs(5), in_francs(6)]);
    // A change that holds at once holds for what stands after it.
    let last = id_of(&change(1, |body| (body.from_height, body.limits) = (3, Some(limits))));
    let wider = Limits { block_entries: 4, ..limits };
    let widened = at_once(&market, 2, |body| {
        (body.previous, body.limits) = (Some(last), Some(wider));
    });
    let entries = [vec![widened], (7..11).map(in_francs).collect()].concat();
    assert!(check(&market, market.forge(&entries[..4], |_| ())).is_ok());
    let index = market.leaves.len() as u64 + 4;
    let five = market.forge(&entries, |_| ());
    assert_eq!(check(&market, five).err(), Some(Invalid::TooLarge { height: 4, index }));
}

#[test]
fn a_draft_that_is_rolled_back_forgets_its_changes() {
    let market = Market::new();
    let mut draft = market.draft();
    let mark = draft.mark();
    let change = at_once(&market, 1, |body| body.authorities = Some(authorities(&[SUCCESSOR])));
    draft.admit(encoded(&[change]).remove(0)).unwrap();
    assert_eq!(draft.authority(), public(SUCCESSOR));
    draft.roll_back(mark);
    assert_eq!(draft.authority(), key().public());
    draft.admit(encoded(&[terms("T-1", |_| ())]).remove(0)).unwrap();
    assert!(!draft.is_opening());
    assert_eq!(draft.seal(&key()).tip().succession, market.tip.succession);
}

/// What a change states, for the model.
#[derive(Clone, Debug)]
enum Stated {
    Authority(u8),
    Governance(bool),
    Currency(u8),
}

/// The model: by height, which change holds there; by number, the height, what it states, and
/// which change it was on top of.
#[derive(Default)]
struct Model {
    changes: Vec<(u64, Stated, Option<usize>)>,
    held: BTreeMap<u64, usize>,
}

impl Model {
    fn at(&self, height: u64) -> Option<usize> {
        self.held.range(..=height).next_back().map(|(_, change)| *change)
    }

    fn take(&mut self, from_height: u64, stated: Stated) {
        let base = self.at(from_height);
        self.held.retain(|height, _| *height <= from_height);
        self.held.insert(from_height, self.changes.len());
        self.changes.push((from_height, stated, base));
    }

    /// What all changes that lead to `height` state, the latest first.
    fn stated(&self, height: u64) -> Vec<Stated> {
        let mut next = self.at(height);
        let mut stated = Vec::new();
        while let Some(change) = next {
            stated.push(self.changes[change].1.clone());
            next = self.changes[change].2;
        }
        stated
    }

    fn authority(&self, height: u64) -> u8 {
        let mut stated = self.stated(height).into_iter();
        stated
            .find_map(|one| if let Stated::Authority(seed) = one { Some(seed) } else { None })
            .unwrap_or(7)
    }

    fn governing(&self, height: u64) -> [u8; 2] {
        let mut stated = self.stated(height).into_iter();
        let later = stated
            .find_map(|one| if let Stated::Governance(later) = one { Some(later) } else { None });
        if later.unwrap_or(false) { GOVERNING_LATER } else { [GOVERNING[0], GOVERNING[1]] }
    }

    fn currencies(&self, height: u64) -> usize {
        3 + self.stated(height).iter().filter(|one| matches!(one, Stated::Currency(_))).count()
    }
}

fn stated() -> impl Strategy<Value = Stated> {
    prop_oneof![
        (1..5u8).prop_map(Stated::Authority),
        any::<bool>().prop_map(Stated::Governance),
        (0..26u8).prop_map(Stated::Currency),
    ]
}

fn state(body: &mut SpecChange, stated: &Stated) {
    body.currencies = Currencies::default();
    match stated {
        Stated::Authority(seed) => body.authorities = Some(authorities(&[*seed])),
        Stated::Governance(true) => body.governance = Some(governance(&GOVERNING_LATER, 2)),
        Stated::Governance(false) => body.governance = spec().governance.into(),
        Stated::Currency(letter) => {
            let code = format!("X{}", char::from(b'A' + letter % 26)).repeat(2);
            body.currencies = Currencies::new([(currency(&code), 2)]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_in_force_is_what_a_model_says(
        changes in prop::collection::vec((0..12u64, stated()), 1..12),
    ) {
        let mut market = Market::new();
        let mut model = Model::default();
        for (ahead, stated) in changes {
            let height = market.tip.height + 1;
            let from_height = height + ahead;
            let seeds = model.governing(from_height);
            let entry = change_by(&seeds, market.tip.succession.next_number(), |body| {
                state(body, &stated);
                body.previous = market.tip.succession.last_change();
                body.from_height = from_height;
                body.after = (ahead == 0).then_some(market.tip.header_hash);
            });
            let mut draft = Draft::new(&market.chain, &market.tip, &market.state, at(NOW));
            if draft.admit(encoded(&[entry]).remove(0)).is_ok() {
                model.take(from_height, stated);
            }
            // A block in any case, so that heights go on.
            let name = format!("T-{height}");
            let filler = terms(&name, |body| body.program = id(&name));
            draft.admit(encoded(&[filler]).remove(0)).unwrap();
            let block = draft.seal(&key_of(public(model.authority(height))));
            let again = Block::decode(&block.encode()).unwrap();
            let verified = check(&market, again).unwrap();
            prop_assert_eq!(verified.tip(), block.tip());
            market.take(&block);
            let succession = &market.tip.succession;
            for height in 0..40 {
                let spec = succession.spec_at(height);
                prop_assert_eq!(spec.authority(), public(model.authority(height)));
                prop_assert_eq!(spec.currencies.iter().count(), model.currencies(height));
            }
            offline(&market.chain, succession)?;
        }
    }
}

/// Whoever has but the changes that lead to a height finds the same in force there.
fn offline(chain: &Chain, succession: &Succession) -> Result<(), TestCaseError> {
    for height in 0..40 {
        let mut found = Succession::clone(chain.succession());
        for encoded in succession.changes_to(height) {
            let Body::SpecChange(change) = &encoded.entry().body else { panic!("a change") };
            found = found.with(encoded, change).unwrap();
        }
        prop_assert_eq!(found.spec_at(height), succession.spec_at(height));
        prop_assert_eq!(found.changes_to(height).len(), found.changes().len());
    }
    Ok(())
}

#[test]
fn a_change_withdraws_what_would_begin_after_it() {
    let first =
        change(1, |body| (body.from_height, body.authorities) = (10, Some(authorities(&[3]))));
    let second = following(&first, |body| {
        (body.from_height, body.authorities) = (5, Some(authorities(&[4])));
    });
    let third = following(&second, |body| {
        (body.from_height, body.currencies) = (5, Currencies::new([(currency("SEK"), 2)]));
    });
    let mut succession = Succession::clone(Chain::new(spec()).succession());
    for entry in [&first, &second, &third] {
        let Body::SpecChange(change) = &entry.body else { panic!("a change") };
        let encoded = EncodedEntry::new(entry.clone()).unwrap();
        succession = succession.with(&encoded, change).unwrap();
    }
    let begins: Vec<u64> = succession.periods().iter().map(|period| period.from_height).collect();
    assert_eq!(begins, [0, 5]);
    for (height, authority, currencies) in [(4, 7, 3), (5, 4, 5), (10, 4, 5), (99, 4, 5)] {
        let spec = succession.spec_at(height);
        assert_eq!(spec.authority(), public(authority), "{height}");
        assert_eq!(spec.currencies.iter().count(), currencies, "{height}");
    }
    assert_eq!(succession.changes_to(4).len(), 0);
    assert_eq!(succession.changes_to(5).len(), 3);
}

#[test]
fn a_signature_covers_all_of_the_entry_but_the_signatures() {
    let chain = Chain::new(spec()).id();
    let signed = change(1, |body| body.authorities = Some(authorities(&[3])));
    let message = signed.signed_by_governance(chain);
    let beginning = [b"counterfoil 2026-11-21 spec change v1\n".as_slice(), chain.as_bytes()];
    assert!(message.starts_with(&beginning.concat()));
    let Body::SpecChange(body) = &signed.body else { panic!("a change") };
    assert_eq!(unsigned(body.clone()).signed_by_governance(chain), message);
    let alter: [fn(&mut SpecChange); 10] = [
        |body| body.number += 1,
        |body| body.previous = Some(id_of(&terms("T-1", |_| ()))),
        |body| body.from_height += 1,
        |body| body.after = Some(HeaderHash([1; 32])),
        |body| body.authorities = None,
        |body| body.governance = Some(Governance::default()),
        |body| body.witnesses = Some(Vec::new()),
        |body| body.currencies = Currencies::default(),
        |body| body.limits = Some(spec().limits),
        |body| body.rules_version = Some(1),
    ];
    for (number, alter) in alter.into_iter().enumerate() {
        let altered = tampered(signed.clone(), alter);
        assert_ne!(altered.signed_by_governance(chain), message, "{number}");
    }
    let envelopes = [
        of_tenant("acme", signed.clone()),
        Entry { external_id: id("2"), ..signed.clone() },
        Entry { event_time: at(NOW - 1), ..signed.clone() },
        market::committed(signed.clone()),
    ];
    assert!(envelopes.iter().all(|entry| entry.signed_by_governance(chain) != message));
    // Signing again, in whatever order, comes to the same.
    let mut again = signed.clone();
    change_in(&mut again).signatures.clear();
    for seed in [22, 21, 22] {
        again.sign_change(chain, &market::changes::seeded(seed));
    }
    assert_eq!(again, signed);
}
