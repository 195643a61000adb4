//! The log as C2SP `tlog-tiles`, read by a client that shares no code with the node: its own
//! hashes, its own tree, its own paths.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use counterfoil::protocol::block::Leaf;
use counterfoil::protocol::checkpoint::vkey;
use ed25519_dalek::{Signature, VerifyingKey};
use reqwest::{Method, StatusCode};
use sha2::{Digest, Sha256};
use signed_note::{Note, StandardVerifier, VerifierList};
use support::chain::{key, sale, terms};
use support::node::{Node, json};

type Hash = [u8; 32];

fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

fn node_hash(left: Hash, right: Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// RFC 6962 section 2.1, word for word.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(root(left), root(right))
        }
    }
}

/// The path of a tile's number: groups of three digits, all but the last after an `x`.
fn number_path(number: usize) -> String {
    let last = format!("{:03}", number % 1000);
    if number < 1000 { last } else { format!("{}/{last}", groups(number / 1000)) }
}

fn groups(number: usize) -> String {
    let last = format!("x{:03}", number % 1000);
    if number < 1000 { last } else { format!("{}/{last}", groups(number / 1000)) }
}

fn path(level: &str, number: usize, width: usize) -> String {
    let part = if width == 256 { String::new() } else { format!(".p/{width}") };
    format!("/tile/{level}/{}{part}", number_path(number))
}

async fn fetch(node: &Node, path: &str) -> Vec<u8> {
    let response = node.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert_eq!(response.headers()["content-type"], "application/octet-stream", "{path}");
    let cache = response.headers()["cache-control"].to_str().unwrap();
    assert!(cache.contains("immutable"), "{path}: {cache}");
    response.bytes().await.unwrap().into()
}

/// Size and root of the latest checkpoint, its signature checked by another implementation.
async fn checkpoint(node: &Node) -> (usize, Hash) {
    let response = node.request(Method::GET, "/checkpoint").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    let text = response.text().await.unwrap();
    let origin = &node.chain.spec().origin;
    let verifier = StandardVerifier::new(&vkey(origin, &key().public())).unwrap();
    let signed = Note::from_bytes(text.as_bytes()).unwrap();
    let (by_the_key, _) = signed.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(by_the_key.len(), 1);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], origin);
    assert_eq!(lines[3], "", "no extension lines");
    let root = BASE64_STANDARD.decode(lines[2]).unwrap();
    (lines[1].parse().unwrap(), root.try_into().unwrap())
}

/// Reads all leaves from the bundles.
async fn leaves(node: &Node, size: usize) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    for number in 0..size.div_ceil(256) {
        let width = (size - number * 256).min(256);
        let bundle = fetch(node, &path("entries", number, width)).await;
        let mut rest = bundle.as_slice();
        for _ in 0..width {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            leaves.push(rest[2..2 + length].to_vec());
            rest = &rest[2 + length..];
        }
        assert!(rest.is_empty());
    }
    leaves
}

/// Reads all hashes from the tiles of each level and compares them with those of the leaves.
async fn compare_tiles(node: &Node, size: usize, leaves: &[Hash]) {
    let mut hashes = leaves.to_vec();
    for level in 0..2 {
        assert_eq!(hashes.len(), size >> (8 * level));
        for number in 0..hashes.len().div_ceil(256) {
            let width = (hashes.len() - number * 256).min(256);
            let tile = fetch(node, &path(&level.to_string(), number, width)).await;
            let expected = hashes[number * 256..number * 256 + width].concat();
            assert_eq!(tile, expected, "tile {level}/{number} of width {width}");
        }
        hashes = hashes.chunks_exact(256).map(root).collect();
    }
}

#[tokio::test]
async fn leaves_and_tiles_give_the_root_of_the_checkpoint() {
    let node = Node::start("tiles").await;
    assert_eq!(checkpoint(&node).await, (1, root(&[leaf_hash(&leaves(&node, 1).await[0])])));
    node.seal(&[terms()]).await;
    // Sizes around the ends of tiles.
    for (first, last) in [(1, 250), (251, 251), (252, 252), (253, 700), (701, 5_000)] {
        for batch in (first..=last).collect::<Vec<u64>>().chunks(1000) {
            let sales: Vec<_> = batch.iter().map(|number| sale(*number, *number)).collect();
            node.seal(&sales).await;
        }
        let (size, signed_root) = checkpoint(&node).await;
        let leaves = leaves(&node, size).await;
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        assert_eq!(root(&hashes), signed_root, "at size {size}");
        compare_tiles(&node, size, &hashes).await;
        // A checkpoint ends at a header, whose first byte is 0.
        assert_eq!(leaves.last().unwrap()[0], 0);
        assert!(matches!(Leaf::decode(leaves.last().unwrap()), Ok(Leaf::Header(_))));
    }
    node.check(5_001);
}

#[tokio::test]
async fn partial_tiles_of_every_published_size_are_served() {
    let node = Node::start("partial").await;
    node.seal(&[terms()]).await;
    let mut published = vec![1, 3];
    for number in 1..=150 {
        node.seal(&[sale(number, 1)]).await;
        published.push(checkpoint(&node).await.0);
    }
    let (size, _) = checkpoint(&node).await;
    assert_eq!(size, 303);
    let leaves = leaves(&node, size).await;
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    for size in published {
        let (number, width) = (size / 256, size % 256);
        if width == 0 {
            continue;
        }
        let tile = fetch(&node, &path("0", number, width)).await;
        assert_eq!(tile, hashes[number * 256..size].concat(), "at size {size}");
        fetch(&node, &path("entries", number, width)).await;
    }
}

/// Each signature is read where FORMAT.md says, and checked with nothing but the leaves.
#[tokio::test]
async fn signatures_are_those_of_the_checkpoint_of_each_block() {
    let node = Node::start("signatures").await;
    node.seal(&[terms()]).await;
    for number in 1..=258 {
        node.seal(&[sale(number, 1)]).await;
    }
    let (size, _) = checkpoint(&node).await;
    let leaves = leaves(&node, size).await;
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let mut signatures = fetch(&node, &path("signatures", 0, 256)).await;
    assert_eq!(fetch(&node, &path("signatures", 0, 17)).await, signatures[..17 * 64]);
    signatures.extend(fetch(&node, &path("signatures", 1, 3)).await);
    // Headers begin with 0; the first is genesis, which nobody signed.
    let headers = (0..size).filter(|index| leaves[*index][0] == 0).skip(1);
    let authority = VerifyingKey::from_bytes(key().public().as_bytes()).unwrap();
    let origin = &node.chain.spec().origin;
    let mut count = 0;
    for (index, signature) in headers.zip(signatures.as_chunks::<64>().0) {
        let root = BASE64_STANDARD.encode(root(&hashes[..=index]));
        let signed = format!("{origin}\n{}\n{root}\n", index + 1);
        let signature = Signature::from_bytes(signature);
        authority.verify_strict(signed.as_bytes(), &signature).expect("signed");
        count += 1;
    }
    assert_eq!((count, signatures.len()), (259, 259 * 64));
    // What there is no more of isn't there.
    for path in [path("signatures", 1, 4), path("signatures", 1, 256), path("signatures", 2, 1)] {
        let response = node.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_tile_is_not_found() {
    let node = Node::start("no-tile").await;
    node.seal(&[terms(), sale(1, 1)]).await;
    let (size, _) = checkpoint(&node).await;
    assert_eq!(size, 4);
    let paths = [
        "/tile/0/000",
        "/tile/0/000.p/5",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/04",
        "/tile/0/001.p/1",
        "/tile/1/000.p/1",
        "/tile/8/000.p/1",
        "/tile/63/000.p/1",
        "/tile/64/000.p/1",
        "/tile/00/000.p/4",
        "/tile/0/0.p/4",
        "/tile/0/x000/000.p/4",
        "/tile/0/000%2Ep/4",
        "/tile/0/000.p%2F4",
        "/tile/0/000.p/4/",
        "/tile/0/",
        "/tile/0",
        "/tile",
        "/tile/entries",
        "/tile/entries/",
        "/tile/entries/000",
        "/tile/entries/000.p/5",
        "/tile/entries/000.p/0",
        "/tile/entries/001.p/1",
        "/tile/signatures/000",
        "/tile/signatures/000.p/2",
        "/tile/signatures/000.p/0",
        "/tile/signatures/0.p/1",
        "/tile/signatures/x999/x999/x999/x999/x999/999.p/1",
        "/tile/entries/x999/x999/x999/x999/x999/999.p/1",
        "/tile/-1/000.p/4",
        "/tile/0/x018/x446/x744/x073/x709/x551/615",
    ];
    for path in paths {
        let response = node.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        let (status, problem) = json(response).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {problem}");
    }
    for width in 1..=4 {
        assert_eq!(fetch(&node, &path("0", 0, width)).await.len(), 32 * width);
        fetch(&node, &path("entries", 0, width)).await;
    }
}
