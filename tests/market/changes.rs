//! Changes of the chain spec, and every way in which one breaks a rule.

use counterfoil::protocol::block::EncodedEntry;
use counterfoil::protocol::entry::{Body, Entry, LEDGER_TENANT, SpecChange};
use counterfoil::protocol::hash::{ChainId, EntryId, HeaderHash};
use counterfoil::protocol::key::{PublicKey, SealingKey};
use counterfoil::protocol::spec::{Currencies, Governance, Limits, MAX_BLOCK_BYTES, Witness};
use counterfoil::protocol::succession::MAX_SPEC_CHANGES_BYTES;
use counterfoil::protocol::verify::Chain;
use zeroize::Zeroizing;

use super::{NOW, at, currency, id, sale, spec, terms};

/// The keys that govern at genesis, two of which it takes.
pub const GOVERNING: [u8; 3] = [21, 22, 23];
/// Those that may govern later, two of which it takes.
pub const GOVERNING_LATER: [u8; 2] = [31, 32];

pub fn seeded(seed: u8) -> SealingKey {
    SealingKey::from_seed(&Zeroizing::new([seed; 32]))
}

pub fn public(seed: u8) -> PublicKey {
    seeded(seed).public()
}

/// Keys of which `quorum` must sign.
pub fn governance(seeds: &[u8], quorum: u16) -> Governance {
    Governance { keys: seeds.iter().copied().map(public).collect(), quorum }
}

/// The key that has this public half.
pub fn key_of(public: PublicKey) -> SealingKey {
    (0..=u8::MAX).map(seeded).find(|key| key.public() == public).expect("a test's key")
}

/// A change of `number` for the blocks from height 10 on, signed by `seeds`: another currency,
/// until altered.
pub fn change_by(seeds: &[u8], number: u32, alter: impl FnOnce(&mut SpecChange)) -> Entry {
    let mut body = SpecChange::new(number, None, 10);
    body.currencies = Currencies::new([(currency("CHF"), 2)]);
    alter(&mut body);
    signed(unsigned(body), seeds)
}

/// The same, signed by two that govern at genesis.
pub fn change(number: u32, alter: impl FnOnce(&mut SpecChange)) -> Entry {
    change_by(&GOVERNING[..2], number, alter)
}

/// An entry that states a change.
pub fn unsigned(body: SpecChange) -> Entry {
    Entry {
        tenant: id(LEDGER_TENANT),
        external_id: id(&body.number.to_string()),
        event_time: at(NOW),
        commitment: None,
        body: Body::SpecChange(body),
    }
}

/// `entry` signed by those keys alone.
pub fn signed(entry: Entry, seeds: &[u8]) -> Entry {
    signed_for(Chain::new(spec()).id(), entry, seeds)
}

pub fn signed_for(chain: ChainId, mut entry: Entry, seeds: &[u8]) -> Entry {
    change_in(&mut entry).signatures.clear();
    for seed in seeds {
        entry.sign_change(chain, &seeded(*seed));
    }
    entry
}

pub fn change_in(entry: &mut Entry) -> &mut SpecChange {
    match &mut entry.body {
        Body::SpecChange(change) => change,
        _ => panic!("no change of the spec"),
    }
}

/// `entry`, altered after it was signed.
pub fn tampered(mut entry: Entry, alter: impl FnOnce(&mut SpecChange)) -> Entry {
    alter(change_in(&mut entry));
    entry
}

pub fn id_of(entry: &Entry) -> EntryId {
    EncodedEntry::new(entry.clone()).unwrap().id()
}

/// Authorities, the first of which seals.
pub fn authorities(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().copied().map(public).collect()
}

/// The hash of the genesis header of [`spec`].
pub fn genesis_hash() -> HeaderHash {
    Chain::new(spec()).genesis().hash()
}

/// A change that breaks a rule, after others in the first block, and one that doesn't.
pub struct ChangeCase {
    pub rule: &'static str,
    pub says: &'static str,
    pub given: Vec<Entry>,
    pub legal: Entry,
    pub broken: Entry,
}

/// What messages say, and rules that are broken more than once.
const NOTHING: &str = "the same as before";
const BAD: &str = "bad-spec";
const VOID: &str = "bad-governance-signature";
const QUORUM: &str = "2 are needed";
const ORDER: &str = "signatures-unordered";

type Row = (&'static str, &'static str, Vec<Entry>, Entry, Entry);

/// Every case.
pub fn change_cases() -> Vec<ChangeCase> {
    let rows = [of_places(), of_names(), of_contents(), of_signatures(), of_governors()].concat();
    rows.into_iter()
        .map(|(rule, says, given, legal, broken)| ChangeCase { rule, says, given, legal, broken })
        .collect()
}

fn of_places() -> Vec<Row> {
    let at_once = |body: &mut SpecChange| {
        (body.from_height, body.after) = (1, Some(genesis_hash()));
    };
    let elsewhere = Some(HeaderHash([7; 32]));
    let sold = vec![terms("T-1", |_| ())];
    vec![
        (
            "change-not-first",
            "at the beginning of its block",
            sold.clone(),
            sale("S-1", |_| ()),
            change(1, |_| ()),
        ),
        (
            "change-not-first",
            "at the beginning of its block",
            [vec![change(1, |_| ())], sold].concat(),
            sale("S-1", |_| ()),
            following(&change(1, |_| ()), |body| body.from_height = 11),
        ),
        (
            "change-reaches-back",
            "body.from_height: 1 at the earliest, not 0",
            vec![],
            change(1, at_once),
            change(1, |body| {
                at_once(body);
                body.from_height = 0;
            }),
        ),
        (
            "wrong-history",
            "unnamed",
            vec![],
            change(1, at_once),
            change(1, |body| body.from_height = 1),
        ),
        (
            "wrong-history",
            "not 0707",
            vec![],
            change(1, at_once),
            change(1, |body| (body.from_height, body.after) = (1, elsewhere)),
        ),
        // Who names a header means it, whenever the change takes effect.
        (
            "wrong-history",
            "not 0707",
            vec![],
            change(1, |body| body.after = Some(genesis_hash())),
            change(1, |body| body.after = elsewhere),
        ),
    ]
}

fn of_names() -> Vec<Row> {
    let first = change(1, |_| ());
    let second = |alter: &dyn Fn(&mut SpecChange)| {
        change(2, |body| {
            body.currencies = Currencies::new([(currency("USD"), 2)]);
            body.previous = Some(id_of(&change(1, |_| ())));
            alter(body);
        })
    };
    let named = |name: &str| Entry { external_id: id(name), ..change(1, |_| ()) };
    let renamed = signed(named("01"), &GOVERNING[..2]);
    let of_acme = signed(Entry { tenant: id("acme"), ..change(1, |_| ()) }, &GOVERNING[..2]);
    vec![
        ("reserved-tenant", "@ledger", vec![], first.clone(), of_acme),
        (
            "reserved-tenant",
            "@ledger",
            vec![],
            terms("T-1", |_| ()),
            Entry { tenant: id("@ledger"), ..terms("T-1", |_| ()) },
        ),
        ("wrong-number", "must be 1, is 2", vec![], first.clone(), change(2, |_| ())),
        ("wrong-number", "must be 1, is 0", vec![], first.clone(), change(0, |_| ())),
        (
            "wrong-number",
            "must be 2, is 3",
            vec![first.clone()],
            second(&|_| ()),
            signed(
                Entry { external_id: id("3"), ..tampered(second(&|_| ()), |body| body.number = 3) },
                &GOVERNING[..2],
            ),
        ),
        ("misnamed-change", "must be 1", vec![], first.clone(), renamed),
        (
            "wrong-previous",
            "must be none",
            vec![],
            first.clone(),
            change(1, |body| body.previous = Some(EntryId([1; 32]))),
        ),
        (
            "wrong-previous",
            "is none",
            vec![first.clone()],
            second(&|_| ()),
            second(&|body| body.previous = None),
        ),
        (
            "duplicate-external-id",
            "at index 1",
            vec![first.clone()],
            second(&|_| ()),
            change(1, |body| body.from_height = 12),
        ),
    ]
}

fn of_contents() -> Vec<Row> {
    let nothing = |body: &mut SpecChange| body.currencies = Currencies::default();
    let limits = |entries| {
        let limits = Limits { block_entries: entries, ..spec().limits };
        change(1, |body| (body.currencies, body.limits) = (Currencies::default(), Some(limits)))
    };
    let sealed_by = |seeds: &[u8]| change(1, |body| body.authorities = Some(authorities(seeds)));
    let mut small = [0; 32];
    small[0] = 1;
    let unusable = counterfoil::protocol::codec::decode::<PublicKey>(&small, 32).unwrap();
    let quorum = |quorum| change(1, |body| body.governance = Some(governance(&[31, 32], quorum)));
    let witness = |name: &str| Witness { name: name.to_owned(), key: public(40) };
    let witnessed = |name: &str| change(1, |body| body.witnesses = Some(vec![witness(name)]));
    let scale =
        |scale| change(1, |body| body.currencies = Currencies::new([(currency("CHF"), scale)]));
    let euro = change(1, |body| body.currencies = Currencies::new([(currency("EUR"), 2)]));
    vec![
        ("currency-taken", "EUR is there already", vec![], scale(2), euro),
        ("changes-nothing", NOTHING, vec![], scale(2), change(1, nothing)),
        ("changes-nothing", NOTHING, vec![], limits(9_999), limits(10_000)),
        (
            "unknown-rules-version",
            "version 1, not 2",
            vec![],
            change(1, |body| body.rules_version = Some(1)),
            change(1, |body| body.rules_version = Some(2)),
        ),
        (BAD, "at least one key", vec![], sealed_by(&[9]), sealed_by(&[])),
        (BAD, "stands there twice", vec![], sealed_by(&[9, 8]), sealed_by(&[9, 9])),
        (
            BAD,
            "not a usable Ed25519 public key",
            vec![],
            sealed_by(&[9]),
            change(1, |body| body.authorities = Some(vec![unusable])),
        ),
        (BAD, "3 of 2 keys", vec![], quorum(2), quorum(3)),
        (BAD, "0 of 2 keys", vec![], quorum(1), quorum(0)),
        (BAD, "witnesses.name", vec![], witnessed("w.example"), witnessed("w+example")),
        (BAD, "currencies.CHF", vec![], scale(9), scale(10)),
        (BAD, "limits.block_entries", vec![], limits(1), limits(0)),
    ]
}

fn of_signatures() -> Vec<Row> {
    let legal = change(1, |_| ());
    let with = |alter: &dyn Fn(&mut SpecChange)| tampered(change(1, |_| ()), alter);
    let other_chain = signed_for(ChainId([1; 32]), change(1, |_| ()), &GOVERNING[..2]);
    let later = Entry { event_time: at(NOW + 1), ..change(1, |_| ()) };
    vec![
        ("below-quorum", QUORUM, vec![], legal.clone(), change_by(&[21], 1, |_| ())),
        ("below-quorum", QUORUM, vec![], legal.clone(), change_by(&[], 1, |_| ())),
        (
            ORDER,
            "more than the one before",
            vec![],
            legal.clone(),
            with(&|body| {
                body.signatures.reverse();
            }),
        ),
        (
            ORDER,
            "more than the one before",
            vec![],
            legal.clone(),
            with(&|body| {
                body.signatures[1] = body.signatures[0];
            }),
        ),
        (
            "not-governing",
            "doesn't govern",
            vec![],
            change_by(&[21, 22, 23], 1, |_| ()),
            change_by(&[21, 22, 23, 24], 1, |_| ()),
        ),
        (VOID, "does not match", vec![], legal.clone(), with(&|body| body.from_height = 11)),
        (
            VOID,
            "does not match",
            vec![],
            legal.clone(),
            with(&|body| {
                body.authorities = Some(authorities(&[9]));
            }),
        ),
        (
            VOID,
            "does not match",
            vec![],
            legal.clone(),
            with(&|body| {
                let signature = body.signatures[0].signature;
                body.signatures[1].signature = signature;
            }),
        ),
        (VOID, "does not match", vec![], legal.clone(), later),
        (VOID, "does not match", vec![], legal, other_chain),
    ]
}

fn of_governors() -> Vec<Row> {
    let later = governance(&GOVERNING_LATER, 2);
    let handed_over = change(1, |body| body.governance = Some(later));
    let given_up = change(1, |body| body.governance = Some(Governance::default()));
    let added = |code: &str| Currencies::new([(currency(code), 2)]);
    let next = |before: &Entry, seeds: &[u8], from_height| {
        change_by(seeds, 2, |body| {
            (body.previous, body.from_height) = (Some(id_of(before)), from_height);
            body.currencies = added("USD");
        })
    };
    let long = |number: u32, before: Option<&Entry>, count: usize| {
        // About 42 KB, of other names each time.
        let witness =
            |place: u8| Witness { name: format!("{number:0>3}{place:0>125}"), key: public(place) };
        let mut witnesses: Vec<_> = (0..=u8::MAX).map(witness).collect();
        witnesses.truncate(count);
        change(number, |body| {
            body.previous = before.map(id_of);
            (body.currencies, body.witnesses) = (Currencies::default(), Some(witnesses));
        })
    };
    let mut many: Vec<Entry> = Vec::new();
    for number in 1..=25 {
        many.push(long(number, many.last(), 256));
    }
    assert!(many.len() * 60_000 < MAX_BLOCK_BYTES as usize);
    let leaf_bytes = |entry: &Entry| EncodedEntry::new(entry.clone()).unwrap().leaf().len();
    let left = MAX_SPEC_CHANGES_BYTES - many.iter().map(leaf_bytes).sum::<usize>();
    let last = |count| long(26, many.last(), count);
    let most = (0..256).rfind(|count| leaf_bytes(&last(*count)) <= left).unwrap();
    let (fits, too_much) = (last(most), last(most + 1));
    vec![
        // Who governs when it takes effect, signs it.
        (
            "not-governing",
            "doesn't govern",
            vec![handed_over.clone()],
            next(&handed_over, &GOVERNING_LATER, 10),
            next(&handed_over, &GOVERNING[..2], 10),
        ),
        (
            "not-governing",
            "doesn't govern",
            vec![handed_over.clone()],
            next(&handed_over, &GOVERNING[..2], 9),
            next(&handed_over, &GOVERNING_LATER, 9),
        ),
        (
            "below-quorum",
            "nobody governs",
            vec![given_up.clone()],
            next(&given_up, &GOVERNING[..2], 9),
            next(&given_up, &GOVERNING[..2], 10),
        ),
        ("too-many-changes", "1048576 bytes", many, fits, too_much),
    ]
}

/// The change after `before`, which adds another currency until altered.
pub fn following(before: &Entry, alter: impl FnOnce(&mut SpecChange)) -> Entry {
    let number = match &before.body {
        Body::SpecChange(change) => change.number + 1,
        _ => panic!("no change of the spec"),
    };
    change(number, |body| {
        body.previous = Some(id_of(before));
        body.currencies = Currencies::new([(currency("USD"), 2)]);
        alter(body);
    })
}
