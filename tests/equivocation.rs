//! An authority that signs two histories: whoever hears of both has the proof, keeps it, spreads it, and
//! takes no more of that key where it may be one history or the other.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use counterfoil::protocol::evidence::{Evidence, EvidenceKind};
use counterfoil::protocol::spec::ChainSpec;
use serde_json::{Value, json};
use support::binary::{Node, copy_directory, path, run};
use support::network::{
    Site, checkpoint, done, line_to, peers, sync, wait_for_agreement, wait_until,
};

/// A ledger of a few blocks, and a second copy of it that could seal as well: only a hostile operator
/// would make one.
fn forged(site: &mut Site, replica: &Node, authority: Node) -> Vec<u8> {
    site.seal(&authority, 30, 5);
    wait_for_agreement(&[&authority, replica]);
    let common = checkpoint(replica);
    assert_eq!(authority.stop().code, 0);
    copy_directory(site.home.path().join("ledger").as_path(), &site.home.path().join("forged"));
    // Among peers each is somebody of its own.
    std::fs::remove_file(site.home.path().join("forged/network.key")).unwrap();
    let adopt = ["adopt", "--dir", &site.path("forged"), "--nothing-newer-was-published"];
    let adopted = run(&adopt);
    assert_eq!(adopted.code, 0, "{adopted:?}");
    common
}

fn evidence(node: &Node) -> Vec<Value> {
    node.json("/v1/evidence")["evidence"].as_array().unwrap().clone()
}

/// What a node says of evidence, checked here.
fn check(site: &Site, node: &Node) -> EvidenceKind {
    let spec = std::fs::read_to_string(path(site.home.path(), "spec.toml")).unwrap();
    let spec = ChainSpec::parse(&spec).unwrap();
    let served = evidence(node);
    let bytes = hex::decode(served[0]["bytes"].as_str().unwrap()).unwrap();
    Evidence::decode(&bytes).unwrap().check(&spec.origin, spec.authority()).unwrap()
}

#[test]
fn two_blocks_at_one_height_are_evidence() {
    let mut site = Site::new(100);
    let authority = site.authority("ledger", &[]);
    let observer = site.replica("observer", &[&authority.p2p()]);
    forged(&mut site, &observer, authority);
    let one = site.authority("ledger", &[]);
    let other = site.authority("forged", &[]);
    site.seal(&one, 1, 1);
    site.again(1);
    // In another block, for it is of another time.
    site.seal(&other, 1, 1);
    let witness = site.replica("witness", &[&one.p2p()]);
    wait_for_agreement(&[&one, &witness]);
    assert_eq!(witness.stop().code, 0);
    let witness = site.replica("witness", &[&other.p2p()]);
    for node in [&witness, &other] {
        wait_until("it holds the evidence", || !evidence(node).is_empty());
        assert_eq!(check(&site, node), EvidenceKind::TwoRoots);
    }
}

#[test]
fn every_honest_node_holds_the_evidence_and_stops() {
    let mut site = Site::new(100);
    let authority = site.authority("ledger", &[]);
    let observer = site.replica("observer", &[&authority.p2p()]);
    let common = forged(&mut site, &observer, authority);

    // Two authorities of one key, each with a replica that believes in it, so far.
    let one = site.authority("ledger", &[]);
    let other = site.authority("forged", &[]);
    let one_replica = site.replica("one-replica", &[&one.p2p()]);
    let (line, through) = line_to(&one_replica);
    line.set(support::line::State::Cut);
    let other_replica = site.replica("other-replica", &[&other.p2p(), &through]);
    // Of different lengths, so that it takes a proof to see that neither begins with the other.
    site.seal(&one, 10, 5);
    site.again(10);
    site.seal(&other, 25, 7);
    wait_for_agreement(&[&one, &one_replica]);
    wait_for_agreement(&[&other, &other_replica]);
    assert_ne!(checkpoint(&one), checkpoint(&other));
    assert_eq!((evidence(&one_replica).len(), evidence(&other_replica).len()), (0, 0));

    line.set(support::line::State::Whole);
    for node in [&one_replica, &other_replica, &one, &other] {
        wait_until("it holds the evidence", || !evidence(node).is_empty());
        check(&site, node);
    }
    // Both keys are one, and it seals no more; its replicas say what is the matter.
    for node in [&one, &other] {
        let entry = site.next_entry();
        let (status, refused) = site.submit(node, &json!([entry]));
        assert_eq!(status, 503, "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("two histories"), "{refused}");
    }
    for node in [&one_replica, &other_replica, &one, &other] {
        assert_eq!(node.json("/v1/chain")["role"], "halted");
    }

    // Whoever has neither history yet hears of it first, and stays where both are the same.
    assert_eq!(observer.stop().code, 0);
    let observer = site.replica("observer", &[&one_replica.p2p(), &other_replica.p2p()]);
    wait_until("it holds the evidence", || !evidence(&observer).is_empty());
    wait_until("connected", || peers(&observer) == 2);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(checkpoint(&observer), common);
    // So does whoever begins from nothing.
    let late = site.replica("late", &[&observer.p2p()]);
    wait_for_agreement(&[&observer, &late]);
    wait_until("it holds the evidence", || !evidence(&late).is_empty());

    // It outlasts the process.
    let told = evidence(&late);
    assert_eq!(late.stop().code, 0);
    let late = site.replica("late", &[]);
    assert_eq!(evidence(&late), told);
    for (node, name) in [(observer, "observer"), (late, "late"), (one_replica, "one-replica")] {
        assert_eq!(node.stop().code, 0);
        site.check(name);
    }
}

#[test]
fn the_governance_quorum_leads_out_of_it() {
    let mut site = Site::governed(200);
    let authority = site.authority("ledger", &[]);
    let observer = site.replica("observer", &[&authority.p2p()]);
    let common = forged(&mut site, &observer, authority);
    let (one, other) = (site.authority("ledger", &[]), site.authority("forged", &[]));
    let one_replica = site.replica("one-replica", &[&one.p2p()]);
    site.seal(&one, 10, 5);
    wait_for_agreement(&[&one, &one_replica]);
    site.again(10);
    site.seal(&other, 10, 3);
    assert_eq!(one_replica.stop().code, 0);
    let one_replica = site.replica("one-replica", &[&one.p2p(), &other.p2p()]);
    wait_until("one replica holds the evidence", || !evidence(&one_replica).is_empty());
    assert_eq!(observer.stop().code, 0);
    let observer = site.replica("observer", &[&one_replica.p2p()]);
    wait_until("it holds the evidence", || !evidence(&observer).is_empty());
    wait_until("it is halted", || sync(&observer)["state"] == "halted");
    assert_eq!(checkpoint(&observer), common);

    // Those who govern choose what all have, and a new key.
    let at = |name: &str| site.path(name);
    site.init("chosen");
    done(&["mirror", &observer.url, "--dir", &at("chosen")]);
    let honest = support::binary::json(&["key", "generate", "--out", &at("honest")]);
    let honest = honest["public_key"].as_str().unwrap();
    let (change, chosen) = (at("change.toml"), at("chosen"));
    done(&[
        "spec",
        "change",
        "--dir",
        &chosen,
        "--at-once",
        "--authority",
        honest,
        "--out",
        &change,
    ]);
    done(&["spec", "sign", &change, "--spec", &at("spec.toml"), "--key", &at("governance")]);
    done(&["adopt", "--dir", &chosen, "--nothing-newer-was-published"]);
    done(&["spec", "submit", &change, "--dir", &chosen, "--key", &at("honest")]);
    let successor = site.sealing_with("honest", "chosen", &["--peer", &observer.p2p()]);
    wait_for_agreement(&[&successor, &observer]);
    wait_until("it seals", || successor.json("/v1/chain")["role"] == "sealing");
    // What the old authority sealed after that isn't there; it may be stated anew.
    site.again(10);
    site.seal(&successor, 30, 5);
    wait_for_agreement(&[&successor, &observer]);
    assert_eq!(observer.json("/v1/chain")["role"], "serving");
    // Whoever begins from nothing comes as far, whoever told it of the old key.
    let late = site.replica("late", &[&observer.p2p()]);
    wait_for_agreement(&[&successor, &observer, &late]);
    for (node, name) in [(observer, "observer"), (late, "late"), (successor, "chosen")] {
        assert_eq!(node.stop().code, 0);
        site.check(name);
    }
}
