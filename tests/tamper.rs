//! Whoever alters a ledger on its way to the verifier is found out, and what was altered is
//! named: by a proxy that lies, in an export, in a receipt, in the store itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use serde_json::Value;
use support::binary::{Node, get, path, run};

/// Two full tiles and a partial one, with the headers.
const ENTRIES: usize = 600;

/// A ledger with all that can be altered of it, read once.
struct Ledger {
    home: tempfile::TempDir,
    /// The height and index of the last block's header.
    height: u64,
    size: u64,
}

impl Ledger {
    fn new() -> (Self, Node) {
        let home = tempfile::tempdir().unwrap();
        let entries = ENTRIES.to_string();
        let node = Node::dev(home.path(), &["--entries", &entries]);
        while !fs::read_to_string(home.path().join("sample.toml"))
            .unwrap()
            .contains("complete = true")
        {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let head = node.json("/v1/chain")["head"].clone();
        let (height, size) = (head["height"].as_u64().unwrap(), head["size"].as_u64().unwrap());
        (Self { home, height, size }, node)
    }

    fn dir(&self) -> &Path {
        self.home.path()
    }

    fn verify(&self, how: &str, what: &str) -> (i32, Value) {
        let ran = run(&["verify", how, what, "--spec", &path(self.dir(), "spec.toml"), "--json"]);
        (ran.code, ran.json())
    }
}

/// A server that hands on what another serves, altered.
struct Proxy {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

type Alter = dyn Fn(&str, &mut Vec<u8>) + Send + Sync;

impl Proxy {
    fn new(upstream: &str, alter: impl Fn(&str, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        let alter: Arc<Alter> = Arc::new(alter);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let state = (upstream.to_owned(), alter);
        let router = axum::Router::new().fallback(hand_on).with_state(state);
        let address: SocketAddr = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(axum::serve(listener, router).into_future());
            address
        });
        Self { url: format!("http://{address}"), _runtime: runtime }
    }
}

async fn hand_on(
    OriginalUri(uri): OriginalUri,
    State((upstream, alter)): State<(String, Arc<Alter>)>,
) -> (StatusCode, Bytes) {
    let answer = reqwest::get(format!("{upstream}{uri}")).await.unwrap();
    let status = answer.status();
    let mut body = answer.bytes().await.unwrap().to_vec();
    alter(uri.path(), &mut body);
    (status, body.into())
}

/// Alters the byte `offset` of the leaf at `index`, wherever it is served in a bundle.
fn flip_leaf(index: u64, offset: usize) -> impl Fn(&str, &mut Vec<u8>) + Send + Sync {
    move |path, body| {
        let bundle = format!("/tile/entries/{:03}", index / 256);
        if path != bundle && !path.starts_with(&format!("{bundle}.p/")) {
            return;
        }
        let mut at = 0;
        for _ in 0..index % 256 {
            at += 2 + usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
        }
        body[at + 2 + offset] ^= 0x10;
    }
}

#[test]
fn a_proxy_that_alters_a_leaf_is_found_out_and_the_leaf_named() {
    let (ledger, node) = Ledger::new();
    let honest = Proxy::new(&node.url, |_, _| {});
    let (code, proven) = ledger.verify("--url", &honest.url);
    assert_eq!((code, &proven["proven"], &proven["size"]), (0, &true.into(), &ledger.size.into()));

    // The first and the last leaf, both ends of a tile, one of the partial tile; a header closes
    // each block of ten entries.
    let heights = heights(&node);
    let cases = [(0, 40), (1, 0), (11, 1), (255, 20), (256, 3), (600, 9), (ledger.size - 1, 100)];
    for (index, offset) in cases {
        let liar = Proxy::new(&node.url, flip_leaf(index, offset));
        // The node itself says, through the same proxy, that all is well.
        let said = String::from_utf8(get(&format!("{}/v1/verify", liar.url))).unwrap();
        assert!(said.contains("true") && !said.contains("false"), "{said}");
        let (code, found) = ledger.verify("--url", &liar.url);
        let problem = found["problem"].as_str().unwrap();
        assert_eq!((code, &found["proven"]), (1, &false.into()), "leaf {index}");
        let height = heights[usize::try_from(index).unwrap()];
        let place = (found["index"].as_u64(), found["height"].as_u64());
        assert_eq!(place, (Some(index), Some(height)), "{problem}");
        assert!(
            problem.contains(&format!("the leaf at index {index} (block {height})")),
            "{problem}"
        );
    }
}

/// The height of the block of each leaf.
fn heights(node: &Node) -> Vec<u64> {
    let last = node.json("/v1/chain")["head"]["height"].as_u64().unwrap();
    (0..=last)
        .flat_map(|height| {
            let block = node.json(&format!("/v1/blocks/{height}"));
            let entries = block["header"]["entry_count"].as_u64().unwrap();
            std::iter::repeat_n(height, usize::try_from(entries).unwrap() + 1)
        })
        .collect()
}

#[test]
fn whatever_else_a_proxy_alters_is_found_out() {
    type Case = (&'static str, &'static str, Box<dyn Fn(&mut Vec<u8>) + Send + Sync>);
    let flip = |at: usize| move |body: &mut Vec<u8>| body[at] ^= 1;
    let (ledger, node) = Ledger::new();
    let edge = ledger.size / 256;
    let cases: Vec<Case> = vec![
        ("/checkpoint", "checkpoint", Box::new(flip(0))),
        (
            "/checkpoint",
            "checkpoint",
            Box::new(|body| {
                let at = body.iter().position(|byte| *byte == b'\n').unwrap() + 1;
                body[at] ^= 1;
            }),
        ),
        (
            "/checkpoint",
            "checkpoint",
            Box::new(|body| {
                let at = body.len() - 8;
                body[at] = if body[at] == b'A' { b'B' } else { b'A' };
            }),
        ),
        ("/tile/0/001", "hash of the leaf at index 256", Box::new(flip(0))),
        ("/tile/0/000", "hash of the leaf at index 255", Box::new(flip(8191))),
        ("/tile/0/edge", "the root that the authority signed", Box::new(flip(40))),
        ("/tile/1/", "the root that the authority signed", Box::new(flip(33))),
        ("/tile/0/001", "bytes, not 256 hashes", Box::new(|body| body.truncate(8191))),
        ("/tile/0/001", "longer than", Box::new(|body| body.push(0))),
        ("/tile/entries/001", "the leaf at index 256", Box::new(flip(0))),
        (
            "/tile/entries/001",
            "the leaf at index 511",
            Box::new(|body| body.truncate(body.len() - 1)),
        ),
        ("/tile/entries/001", "bytes after its last leaf", Box::new(|body| body.push(0))),
        ("/tile/entries/000", "the leaf at index 0", Box::new(Vec::clear)),
    ];
    for (place, expected, alter) in cases {
        let place = place.replace("edge", &format!("{edge:03}.p/"));
        let shown = place.clone();
        let liar = Proxy::new(&node.url, move |path, body| {
            if path.starts_with(&place) {
                alter(body);
            }
        });
        let (code, found) = ledger.verify("--url", &liar.url);
        let problem = found["problem"].as_str().unwrap_or_default();
        assert_eq!((code, &found["proven"]), (1, &false.into()), "{shown}: {found}");
        assert!(problem.contains(expected), "{shown}: {problem}");
    }

    // Leaves and hashes altered together: the tile is named.
    let both = Proxy::new(&node.url, |path, body| {
        flip_leaf(300, 5)(path, body);
        if path == "/tile/0/001" {
            body[44 * 32] ^= 1;
        }
    });
    let (code, found) = ledger.verify("--url", &both.url);
    let problem = found["problem"].as_str().unwrap();
    assert!(code == 1 && problem.contains("from index 256 to 511"), "{found}");

    // An older checkpoint is as true; another ledger's isn't.
    let (_other, elsewhere) = Ledger::new();
    assert_eq!(ledger.verify("--url", &elsewhere.url).0, 1);
    let url = node.url.clone();
    node.stop();
    let gone = ledger.verify("--url", &url);
    assert_eq!((gone.0, &gone.1["proven"]), (1, &false.into()));
}

#[test]
fn an_altered_export_is_found_out() {
    let (ledger, node) = Ledger::new();
    node.stop();
    let export = path(ledger.dir(), "all.cfx");
    assert_eq!(run(&["export", "--dir", &path(ledger.dir(), ""), &export]).code, 0);
    let (code, proven) = ledger.verify("--file", &export);
    assert_eq!((code, &proven["height"]), (0, &ledger.height.into()));

    let whole = fs::read(&export).unwrap();
    let content = gunzip(&whole).unwrap();
    let altered = path(ledger.dir(), "altered.cfx");
    for step in 0..12 {
        let mut bytes = whole.clone();
        let at = (step * 15_919 + 13) % bytes.len();
        bytes[at] ^= 1 << (step % 8);
        // Some bits of a compressed file mean nothing: its date, say.
        if gunzip(&bytes).is_ok_and(|altered| altered == content) {
            continue;
        }
        fs::write(&altered, &bytes).unwrap();
        let (code, found) = ledger.verify("--file", &altered);
        assert_eq!((code, &found["proven"]), (1, &false.into()), "byte {at}");
    }
    // Altered before it was compressed, so that every sum is right.
    for step in 0..12 {
        let mut content = content.clone();
        let at = (step * 104_729 + 90) % content.len();
        content[at] ^= 1 << (step % 8);
        fs::write(&altered, gzip(&content)).unwrap();
        let (code, found) = ledger.verify("--file", &altered);
        assert_eq!((code, &found["proven"]), (1, &false.into()), "byte {at} of the content");
    }
    for cut in [0, 1, 50, whole.len() / 2, whole.len() - 1] {
        fs::write(&altered, &whole[..cut]).unwrap();
        assert_eq!(ledger.verify("--file", &altered).0, 1, "cut at {cut}");
    }
}

#[test]
fn an_altered_receipt_is_found_out() {
    let (ledger, node) = Ledger::new();
    let id = node.json("/v1/entries?limit=1&kind=payout")["entries"][0]["id"].clone();
    let id = id.as_str().unwrap();
    let receipt = node.get(&format!("/v1/entries/{id}/receipt"));
    node.stop();
    // Node stopped, data gone: spec and receipt are all there is.
    for folder in ["store", "guard"] {
        fs::remove_dir_all(ledger.dir().join(folder)).unwrap();
    }
    let file = path(ledger.dir(), "receipt.json");
    fs::write(&file, &receipt).unwrap();
    let (code, proven) = ledger.verify("--receipt", &file);
    assert_eq!((code, &proven["id"], &proven["entry"]["kind"]), (0, &id.into(), &"payout".into()));
    let said = run(&["verify", "--receipt", &file, "--spec", &path(ledger.dir(), "spec.toml")]);
    assert!(said.out.contains("PROVEN") && said.out.contains("\"payout\""), "{said:?}");

    let bits = receipt.len() * 8;
    for step in 0..30 {
        let bit = step * bits / 30 + step % 8;
        let mut altered = receipt.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &altered).unwrap();
        let (code, found) = ledger.verify("--receipt", &file);
        assert_eq!((code, &found["proven"]), (1, &false.into()), "bit {bit}");
    }
}

#[test]
fn an_altered_leaf_in_the_store_is_found_and_named() {
    let (ledger, node) = Ledger::new();
    node.stop();
    let index = alter_a_stored_leaf(&ledger.dir().join("store"));
    let dir = path(ledger.dir(), "");
    let fsck = run(&["fsck", "--dir", &dir, "--json"]);
    let report = fsck.json();
    assert_eq!((fsck.code, &report["clean"]), (1, &false.into()));
    let places: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["place"].as_str().unwrap())
        .collect();
    assert!(places.iter().any(|place| place.contains(&format!("index {index}"))), "{places:?}");
    let (code, found) = ledger.verify("--dir", &dir);
    assert_eq!((code, &found["proven"]), (1, &false.into()), "{found}");
    let problem = found["problem"].as_str().unwrap();
    assert!(problem.contains(&format!("the leaf at index {index} (block ")), "{problem}");
    // What is derived can be made anew, but not from blocks that are damaged.
    assert_eq!(run(&["reindex", "--dir", &dir]).code, 1);
}

/// Alters the last byte of an entry's leaf in the middle of the ledger, by the database's own
/// means and with the sum that the store keeps of it made right; the leaf's index.
fn alter_a_stored_leaf(store: &Path) -> u64 {
    let database = sled::Config::new().path(store).flush_every_ms(None).open().unwrap();
    let bodies = database.open_tree("bodies").unwrap();
    let full = |(_, value): &(sled::IVec, sled::IVec)| !value.is_empty();
    let chunks: Vec<_> = bodies.iter().map(Result::unwrap).filter(full).collect();
    let (key, value) = &chunks[chunks.len() / 2];
    let mut value = value.to_vec();
    // A chunk of whole leaves: the index of the first, then each after its length.
    assert_eq!(value[0], 0);
    let first = u64::from_be_bytes(value[1..9].try_into().unwrap());
    let length = usize::from(u16::from_be_bytes([value[9], value[10]]));
    value[10 + length] ^= 1;
    let content = value.len() - 4;
    let sum = crc32fast::hash(&[key, &value[..content]].concat());
    value[content..].copy_from_slice(&sum.to_be_bytes());
    bodies.insert(key, value).unwrap();
    database.flush().unwrap();
    first
}

fn gunzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut content)?;
    Ok(content)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let level = flate2::Compression::fast();
    flate2::read::GzEncoder::new(content, level).read_to_end(&mut bytes).unwrap();
    bytes
}
