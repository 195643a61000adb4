//! What each file of vectors is about: from input to output, and back.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

use std::collections::HashMap;

use counterfoil::protocol::block::{Block, EncodedEntry, Header, Leaf};
use counterfoil::protocol::checkpoint::{Checkpoint, vkey};
use counterfoil::protocol::codec::{self, NotCanonical};
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::evidence::{Beginning, Evidence, SignedRoot};
use counterfoil::protocol::hash::{StateKey, TreeHash};
use counterfoil::protocol::id::Id;
use counterfoil::protocol::key::PublicKey;
use counterfoil::protocol::money::{Amount, Currency, Decimal, ExchangeRate};
use counterfoil::protocol::receipt::Receipt;
use counterfoil::protocol::rules::{AdmitError, StoredRecord};
use counterfoil::protocol::spec::{ChainSpec, Currencies};
use counterfoil::protocol::text::{self, EntryText};
use counterfoil::protocol::time::Timestamp;
use counterfoil::protocol::tree::{
    Frontier, consistency_proof, inclusion_proof, is_consistent, leaf_hash, root_from_inclusion,
};
use counterfoil::protocol::verify::{Chain, VerifiedBlock, verify};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::published::{self, Ledger, Log};

/// A file of vectors.
pub struct Object {
    pub file: &'static str,
    /// What an input comes to; the first argument is what the whole file assumes.
    pub forward: fn(&Value, &Value) -> Value,
    /// The input again, from what it came to. None where inputs are bytes or texts already.
    pub back: Option<fn(&Value, &Value) -> Value>,
}

macro_rules! objects {
    ($($file:literal: $forward:ident $(and $back:ident)?;)+) => {
        pub const OBJECTS: &[Object] = &[$(Object {
            file: $file,
            forward: $forward,
            back: objects!(@back $($back)?),
        },)+];
    };
    (@back) => { None };
    (@back $back:ident) => { Some($back) };
}

objects! {
    "types.json": encode_value and decode_value;
    "types-refused.json": refuse_value;
    "entry-program_terms.json": encode_entry and decode_entry;
    "entry-transaction.json": encode_entry and decode_entry;
    "entry-commission.json": encode_entry and decode_entry;
    "entry-decision.json": encode_entry and decode_entry;
    "entry-amendment.json": encode_entry and decode_entry;
    "entry-reversal.json": encode_entry and decode_entry;
    "entry-adjustment.json": encode_entry and decode_entry;
    "entry-inquiry.json": encode_entry and decode_entry;
    "entry-inquiry_resolution.json": encode_entry and decode_entry;
    "entry-funding.json": encode_entry and decode_entry;
    "entry-payout.json": encode_entry and decode_entry;
    "entry-payout_event.json": encode_entry and decode_entry;
    "entry-affiliate_upline.json": encode_entry and decode_entry;
    "entry-opening_balance.json": encode_entry and decode_entry;
    "entry-erasure_notice.json": encode_entry and decode_entry;
    "entry-spec_change.json": encode_entry and decode_entry;
    "header.json": encode_header and decode_header;
    "leaf-refused.json": refuse_leaf;
    "genesis.json": derive_genesis;
    "spec-refused.json": refuse_spec;
    "tree.json": grow_tree and verify_tree;
    "proof-refused.json": refuse_proof;
    "checkpoint.json": sign_checkpoint and open_checkpoint;
    "note.json": open_note;
    "evidence.json": sign_evidence and read_evidence;
    "block.json": seal_blocks and verify_blocks;
    "block-refused.json": refuse_block;
    "receipt.json": make_receipt and verify_receipt;
    "receipt-refused.json": refuse_receipt;
    "rules.json": apply_rules;
    "succession.json": apply_changes;
    "succession-receipt.json": make_receipt and verify_receipt;
    "succession-receipt-refused.json": refuse_receipt;
    "amount.json": read_amount;
    "rounding.json": round;
    "rate.json": read_rate;
    "change.json": change;
    "time.json": read_time;
    "month.json": read_month;
}

fn from<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}: not a string"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value}: not a list"))
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// The name of an error's variant: what is stable of it.
fn error(error: impl std::fmt::Debug) -> Value {
    let text = format!("{error:?}");
    let name = text.split(|character: char| !character.is_alphanumeric()).next();
    json!({ "error": name.expect("a variant has a name") })
}

// Types.

macro_rules! types {
    ($($name:literal => $type:ty, $parse:expr, $show:expr;)+) => {
        fn encode_value(_: &Value, input: &Value) -> Value {
            let value = &input["value"];
            let bytes = match text(&input["type"]) {
                $($name => {
                    let parse: fn(&Value) -> $type = $parse;
                    codec::encode(&parse(value))
                })+
                other => panic!("no type {other}"),
            };
            json!({ "type": input["type"], "bytes": hex::encode(bytes) })
        }

        fn decode_value(_: &Value, output: &Value) -> Value {
            let bytes = unhex(&output["bytes"]);
            let value: Value = match text(&output["type"]) {
                $($name => {
                    let show: fn($type) -> Value = $show;
                    show(codec::decode(&bytes, bytes.len()).expect("canonical"))
                })+
                other => panic!("no type {other}"),
            };
            json!({ "type": output["type"], "value": value })
        }

        fn refuse_value(_: &Value, input: &Value) -> Value {
            let bytes = unhex(&input["bytes"]);
            let found: Result<(), NotCanonical> = match text(&input["type"]) {
                $($name => codec::decode::<$type>(&bytes, bytes.len()).map(|_| ()),)+
                other => panic!("no type {other}"),
            };
            error(found.expect_err("refused"))
        }
    };
}

/// A number, as a string: JSON's own numbers are too small in some languages.
fn number<T: std::str::FromStr>(value: &Value) -> T {
    text(value).parse().unwrap_or_else(|_| panic!("{value}: not such a number"))
}

types! {
    "u8" => u8, number, |value| json!(value.to_string());
    "u16" => u16, number, |value| json!(value.to_string());
    "u32" => u32, number, |value| json!(value.to_string());
    "u64" => u64, number, |value| json!(value.to_string());
    "string" => String, from, |value| json!(value);
    "id" => Id, from, |value| json!(value);
    "currency" => Currency, from, |value| json!(value);
    "time" => Timestamp, from, |value| json!(value);
    "amount" => Amount, |value| Amount::from_units(number(value)).unwrap(),
        |value| json!(value.units().to_string());
    "option<id>" => Option<Id>, from, |value| json!(value);
    "list<id>" => Vec<Id>, from, |value| json!(value);
    "digest" => TreeHash, from, |value| json!(value);
}

// Leaves.

fn currencies(assume: &Value) -> Currencies {
    from(&assume["currencies"])
}

fn entry(value: &Value, currencies: &Currencies) -> Entry {
    text::parse(&value.to_string(), currencies).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn entry_text(entry: &Entry, currencies: &Currencies) -> Value {
    serde_json::to_value(EntryText::new(entry, currencies).unwrap()).unwrap()
}

fn encode_entry(assume: &Value, input: &Value) -> Value {
    let encoded = EncodedEntry::new(entry(input, &currencies(assume))).unwrap();
    assert_eq!(encoded.id(), encoded.entry().id());
    json!({
        "leaf": hex::encode(encoded.leaf()),
        "entry_id": encoded.id(),
        "leaf_hash": encoded.leaf_hash(),
    })
}

fn decode_entry(assume: &Value, output: &Value) -> Value {
    let encoded = EncodedEntry::decode(unhex(&output["leaf"])).unwrap();
    entry_text(encoded.entry(), &currencies(assume))
}

fn encode_header(_: &Value, input: &Value) -> Value {
    let header = Header {
        format_version: from(&input["format_version"]),
        rules_version: from(&input["rules_version"]),
        chain_id: from(&input["chain_id"]),
        height: from(&input["height"]),
        parent: from(&input["parent"]),
        time: from(&input["time"]),
        first_index: from(&input["first_index"]),
        entry_count: from(&input["entry_count"]),
        log_root: from(&input["log_root"]),
        accounts_root: from(&input["accounts_root"]),
        authority: from(&input["authority"]),
    };
    describe_header(&header)
}

fn describe_header(header: &Header) -> Value {
    let leaf = header.to_leaf();
    json!({
        "leaf": hex::encode(&leaf),
        "header_hash": header.hash(),
        "leaf_hash": leaf_hash(&leaf),
        "index": header.index(),
    })
}

fn decode_header(_: &Value, output: &Value) -> Value {
    match Leaf::decode(&unhex(&output["leaf"])).unwrap() {
        Leaf::Header(header) => serde_json::to_value(header).unwrap(),
        Leaf::Entry(entry) => panic!("{entry:?}"),
    }
}

fn refuse_leaf(_: &Value, input: &Value) -> Value {
    // Long leaves are written as what is repeated, and how often.
    let repeat = input["times"].as_u64().unwrap_or(1);
    let leaf = unhex(&input["leaf"]).repeat(usize::try_from(repeat).unwrap());
    error(Leaf::decode(&leaf).expect_err("refused"))
}

// The chain spec.

fn spec(value: &Value) -> ChainSpec {
    ChainSpec::parse(&toml(value)).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn toml(value: &Value) -> String {
    toml::to_string(value).expect("TOML can hold it")
}

fn derive_genesis(_: &Value, input: &Value) -> Value {
    let chain = Chain::new(spec(input));
    let (spec, header) = (chain.spec(), chain.genesis());
    let mut described = describe_header(header);
    described["genesis_parameters"] = json!(hex::encode(spec.genesis_bytes()));
    described["chain_id"] = json!(chain.id());
    described["header"] = json!(header);
    described["root"] = json!(chain.genesis_tip().tree.root());
    described["vkey"] = json!(vkey(&spec.origin, &spec.authority()));
    described
}

fn refuse_spec(assume: &Value, input: &Value) -> Value {
    error(ChainSpec::parse(&toml(&edited(assume, input))).expect_err("refused"))
}

/// What is assumed, with some members set to something else or, by null, taken away.
fn edited(assume: &Value, edits: &Value) -> Value {
    let mut value = assume.clone();
    for (pointer, replacement) in edits.as_object().expect("edits by JSON pointer") {
        let (parent, member) = pointer.rsplit_once('/').expect("a JSON pointer");
        let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
        match (parent, replacement) {
            (Value::Object(members), Value::Null) => drop(members.remove(member)),
            (Value::Array(items), new) => items[member.parse::<usize>().unwrap()] = new.clone(),
            (parent, new) => parent[member] = new.clone(),
        }
    }
    value
}

// The tree.

fn grow_tree(_: &Value, input: &Value) -> Value {
    let mut tree = Log::default();
    for leaf in list(&input["leaves"]) {
        tree.push(unhex(leaf));
    }
    let mut frontier = Frontier::default();
    let (mut roots, mut inclusion, mut consistency) = (vec![frontier.root()], vec![], vec![]);
    for index in 0..tree.size() {
        frontier.push(leaf_hash(tree.leaf(index)));
        roots.push(frontier.root());
    }
    for size in 1..=tree.size() {
        for index in 0..size {
            let proof = inclusion_proof(&tree, index, size).unwrap();
            inclusion.push(json!({ "index": index, "size": size, "proof": proof }));
        }
        for old_size in 0..=size {
            let proof = consistency_proof(&tree, old_size, size).unwrap();
            consistency.push(json!({ "old_size": old_size, "size": size, "proof": proof }));
        }
    }
    let leaves = &input["leaves"];
    json!({
        "leaves": leaves, "roots": roots, "inclusion": inclusion, "consistency": consistency,
    })
}

fn verify_tree(_: &Value, output: &Value) -> Value {
    let roots: Vec<TreeHash> = from(&output["roots"]);
    let leaves: Vec<_> =
        list(&output["leaves"]).iter().map(|leaf| leaf_hash(&unhex(leaf))).collect();
    for item in list(&output["inclusion"]) {
        let (index, size): (usize, usize) = (from(&item["index"]), from(&item["size"]));
        let proof: Vec<TreeHash> = from(&item["proof"]);
        let root = root_from_inclusion(leaves[index], index as u64, size as u64, &proof);
        assert_eq!(root, Some(roots[size]), "{item}");
    }
    for item in list(&output["consistency"]) {
        let (old, size): (usize, usize) = (from(&item["old_size"]), from(&item["size"]));
        let proof: Vec<TreeHash> = from(&item["proof"]);
        assert!(is_consistent(old as u64, roots[old], size as u64, roots[size], &proof), "{item}");
    }
    json!({ "leaves": output["leaves"] })
}

fn refuse_proof(_: &Value, input: &Value) -> Value {
    let (size, root): (u64, TreeHash) = (from(&input["size"]), from(&input["root"]));
    let proof: Vec<TreeHash> = from(&input["proof"]);
    let holds = if input["old_size"].is_null() {
        let leaf = from(&input["leaf_hash"]);
        root_from_inclusion(leaf, from(&input["index"]), size, &proof) == Some(root)
    } else {
        let (old_size, old_root) = (from(&input["old_size"]), from(&input["old_root"]));
        is_consistent(old_size, old_root, size, root, &proof)
    };
    json!({ "holds": holds })
}

// Checkpoints.

fn sign_checkpoint(assume: &Value, input: &Value) -> Value {
    let key = published::key(&unhex(&assume["seed"]));
    let checkpoint = Checkpoint {
        origin: from(&input["origin"]),
        size: from(&input["size"]),
        root: from(&input["root"]),
    };
    let signature = checkpoint.sign(&key);
    json!({
        "text": checkpoint.body(),
        "signature": hex::encode(signature.0),
        "note": checkpoint.to_note(&key.public(), &signature),
        "key": key.public(),
        "vkey": vkey(&checkpoint.origin, &key.public()),
    })
}

fn open_checkpoint(_: &Value, output: &Value) -> Value {
    let key: PublicKey = from(&output["key"]);
    let (name, _) = text(&output["vkey"]).split_once('+').unwrap();
    let (checkpoint, signature) = Checkpoint::open(text(&output["note"]), name, &key).unwrap();
    assert_eq!(hex::encode(signature.0), text(&output["signature"]));
    json!({ "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root })
}

fn sign_evidence(assume: &Value, input: &Value) -> Value {
    let (key, origin) = (published::key(&unhex(&assume["seed"])), text(&assume["origin"]));
    let sign = |input: &Value| {
        let (size, root) = (from(&input["size"]), from(&input["root"]));
        let signature = Checkpoint { origin: origin.to_owned(), size, root }.sign(&key);
        SignedRoot { size, root, signature }
    };
    let beginning = (!input["beginning"].is_null()).then(|| Beginning {
        root: from(&input["beginning"]["root"]),
        proof: from(&input["beginning"]["proof"]),
    });
    let (smaller, larger) = (sign(&input["smaller"]), sign(&input["larger"]));
    let evidence = Evidence { key: key.public(), smaller, larger, beginning };
    let proves = match evidence.check(origin, key.public()) {
        Ok(kind) => json!(format!("{kind:?}")),
        Err(refused) => error(refused),
    };
    json!({ "bytes": hex::encode(evidence.encode()), "proves": proves })
}

fn read_evidence(_: &Value, output: &Value) -> Value {
    let evidence = Evidence::decode(&unhex(&output["bytes"])).unwrap();
    let signed = |signed: SignedRoot| json!({ "size": signed.size, "root": signed.root });
    let beginning = evidence.beginning.as_ref();
    json!({
        "smaller": signed(evidence.smaller),
        "larger": signed(evidence.larger),
        "beginning": beginning.map(|found| json!({ "root": found.root, "proof": found.proof })),
    })
}

fn open_note(assume: &Value, input: &Value) -> Value {
    match Checkpoint::open(text(input), text(&assume["origin"]), &from(&assume["key"])) {
        Ok((checkpoint, _)) => json!({ "size": checkpoint.size, "root": checkpoint.root }),
        Err(refused) => error(refused),
    }
}

// Blocks.

/// The ledger that the whole file is about.
fn ledger(assume: &Value) -> Ledger {
    Ledger::of_vectors(assume, list(&assume["blocks"])).0
}

fn seal_blocks(assume: &Value, input: &Value) -> Value {
    let (ledger, blocks) = Ledger::of_vectors(assume, list(input));
    let describe = |block: &VerifiedBlock| {
        let (checkpoint, key) = (block.checkpoint(), ledger.chain.spec().authority());
        json!({
            "wire": hex::encode(block.encode()),
            "header": block.header(),
            "header_hash": block.header().hash(),
            "root": checkpoint.root,
            "checkpoint": checkpoint.to_note(&key, block.signature()),
        })
    };
    blocks.iter().map(describe).collect()
}

fn verify_blocks(assume: &Value, output: &Value) -> Value {
    let chain = Chain::new(spec(&assume["spec"]));
    let currencies = &chain.spec().currencies;
    let (mut tip, mut state) = (chain.genesis_tip(), HashMap::<StateKey, StoredRecord>::new());
    let mut blocks = Vec::new();
    for sealed in list(output) {
        let block = Block::decode(&unhex(&sealed["wire"])).unwrap();
        assert_eq!(block.encode(), unhex(&sealed["wire"]));
        let verified = verify(&chain, &tip, &state, block).unwrap_or_else(|error| {
            panic!("{error}");
        });
        let entries: Vec<_> =
            verified.entries().iter().map(|entry| entry_text(entry.entry(), currencies)).collect();
        blocks.push(json!({ "time": verified.header().time, "entries": entries }));
        state.extend(verified.changes().clone());
        tip = verified.tip().clone();
    }
    Value::Array(blocks)
}

fn refuse_block(_: &Value, input: &Value) -> Value {
    error(Block::decode(&unhex(input)).expect_err("refused"))
}

// Receipts.

fn make_receipt(assume: &Value, input: &Value) -> Value {
    serde_json::from_str(&ledger(assume).receipt(from(input)).to_text()).unwrap()
}

fn verify_receipt(assume: &Value, output: &Value) -> Value {
    let chain = Chain::new(spec(&assume["spec"]));
    let proven = Receipt::parse(&output.to_string()).unwrap().verify(&chain).unwrap();
    assert_eq!(proven.entry.leaf(), ledger(assume).log.leaf(proven.index));
    json!(proven.index)
}

fn refuse_receipt(assume: &Value, input: &Value) -> Value {
    let chain = Chain::new(spec(&assume["spec"]));
    let receipt = edited(&make_receipt(assume, &input["index"]), &input["edits"]);
    let refused = Receipt::parse(&receipt.to_string()).and_then(|receipt| receipt.verify(&chain));
    let mut output = error(refused.expect_err("refused"));
    output["receipt"] = receipt;
    output
}

// Rules.

fn apply_rules(assume: &Value, input: &Value) -> Value {
    let blocks = [list(&assume["blocks"]), list(&input["blocks"])].concat();
    let (ledger, _) = Ledger::of_vectors(assume, &blocks);
    let mut draft = ledger.draft(from(&input["time"]));
    // Of more currencies than the spec's.
    let encoded = EncodedEntry::new(entry(&input["entry"], &currencies(assume))).unwrap();
    let leaf = hex::encode(encoded.leaf());
    match draft.admit(encoded) {
        Ok(index) => json!({ "leaf": leaf, "admitted": index }),
        Err(AdmitError::Refused(refusal)) => json!({ "leaf": leaf, "refused": refusal.rule() }),
        Err(AdmitError::State(impossible)) => match impossible {},
    }
}

fn apply_changes(assume: &Value, input: &Value) -> Value {
    let (ledger, _) = Ledger::of_vectors(assume, list(&input["blocks"]));
    let (known, mut draft) = (currencies(assume), ledger.draft(from(&input["time"])));
    let encoded = |text: &Value| EncodedEntry::new(entry(text, &known)).unwrap();
    for before in list(&input["before"]) {
        draft.admit(encoded(before)).unwrap();
    }
    let change = encoded(&input["entry"]);
    let mut output = json!({
        "leaf": hex::encode(change.leaf()),
        "signed": hex::encode(change.entry().signed_by_governance(ledger.chain.id())),
    });
    match draft.admit(change) {
        Ok(index) => {
            output["admitted"] = json!(index);
            output["sealed_by"] = json!(draft.authority());
        }
        Err(AdmitError::Refused(refusal)) => output["refused"] = json!(refusal.rule()),
        Err(AdmitError::State(impossible)) => match impossible {},
    }
    output
}

// Text.

fn read_amount(_: &Value, input: &Value) -> Value {
    let scale = from(&input["scale"]);
    let currency = Currency::new("EUR").unwrap();
    match Decimal::new(text(&input["text"])).and_then(|text| text.to_amount(currency, scale)) {
        Ok(amount) => json!({
            "units": amount.units().to_string(), "written": amount.to_decimal(scale),
        }),
        Err(refused) => error(refused),
    }
}

fn round(_: &Value, input: &Value) -> Value {
    let amount = Amount::from_units(number(&input["units"])).unwrap();
    json!(amount.parts_per_million(from(&input["ppm"])).map(|part| part.units().to_string()))
}

fn read_rate(_: &Value, input: &Value) -> Value {
    match ExchangeRate::deserialize(input) {
        Ok(rate) => json!({ "billionths": rate.billionths().to_string(), "written": rate }),
        Err(_) => json!({ "error": "NotARate" }),
    }
}

fn change(_: &Value, input: &Value) -> Value {
    let amount = Amount::from_units(number(&input["units"])).unwrap();
    let scales = (from(&input["from_scale"]), from(&input["to_scale"]));
    let changed = amount.changed(from(&input["rate"]), scales.0, scales.1);
    json!(changed.map(|changed| changed.units().to_string()))
}

fn read_month(_: &Value, input: &Value) -> Value {
    let time: Timestamp = from(&input["time"]);
    let month = time.month();
    json!({
        "month": format!("{:04}-{:02}", 1970 + month / 12, month % 12 + 1),
        "locks": time.day_of_later_month(from(&input["months"]), from(&input["day"])),
    })
}

fn read_time(_: &Value, input: &Value) -> Value {
    match text(input).parse::<Timestamp>() {
        Ok(time) => json!({ "milliseconds": time.as_millis().to_string(), "written": time }),
        Err(refused) => error(refused),
    }
}
