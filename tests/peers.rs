//! Replicas: made from nothing, cut off, killed, and the same as the authority in the end; and an
//! authority that has its replicas to thank for what it lost.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::binary::{Node, dev, json, run};
use support::line::State;
use support::network::{Site, checkpoint, line_to, peers, sync, wait_for_agreement, wait_until};
use support::random::Random;

#[test]
fn a_replica_is_made_from_nothing_cut_off_and_healed() {
    let mut site = Site::new(600);
    let authority = site.authority("ledger", &[]);
    site.seal(&authority, 300, 7);
    let (line, through) = line_to(&authority);
    let replica = site.replica("replica", &[&through]);
    wait_for_agreement(&[&authority, &replica]);
    assert_eq!(peers(&authority), 1);
    wait_until("up to date", || sync(&replica)["state"] == "up_to_date");

    line.set(State::Cut);
    wait_until("alone", || sync(&replica)["state"] == "alone");
    let before = checkpoint(&replica);
    site.seal(&authority, 200, 50);
    assert_eq!(checkpoint(&replica), before);
    // What it has it serves all the same.
    assert_eq!(replica.json("/readyz")["status"], "serving");

    line.set(State::Whole);
    wait_for_agreement(&[&authority, &replica]);
    site.seal(&authority, 100, 1);
    wait_for_agreement(&[&authority, &replica]);
    for node in [authority, replica] {
        assert_eq!(node.stop().code, 0);
    }
    site.check("replica");
    site.check("ledger");
}

#[test]
fn a_line_that_goes_silent_is_given_up() {
    let mut site = Site::new(20);
    let authority = site.authority("ledger", &[]);
    let (line, through) = line_to(&authority);
    let replica = site.replica("replica", &[&through]);
    wait_until("connected", || peers(&replica) == 1);
    line.set(State::Silent);
    site.seal(&authority, 10, 10);
    wait_until("given up", || peers(&replica) == 0);
    line.set(State::Whole);
    wait_for_agreement(&[&authority, &replica]);
}

#[test]
fn replicas_serve_replicas_over_quic_too() {
    let mut site = Site::new(400);
    let authority = site.authority("ledger", &[]);
    site.init("first");
    let quic = "/ip4/127.0.0.1/udp/0/quic-v1";
    let first = site.node("first", &["--peer", &authority.p2p(), "--p2p-listen", quic]);
    let second_address = first.announced["p2p"][1].as_str().unwrap().to_owned();
    assert!(second_address.contains("quic-v1"), "{second_address}");
    let second = site.replica("second", &[&second_address]);
    for _ in 0..20 {
        site.seal(&authority, 20, 20);
    }
    wait_for_agreement(&[&authority, &first, &second]);
    // Nobody sealed anything but the authority.
    assert_eq!(second.json("/v1/chain")["role"], "serving");
    let id = |node: &Node| node.json("/v1/peers")["id"].clone();
    assert_eq!(second.json("/v1/peers")["peers"][0]["id"], id(&first));
    // A peer is who it was before.
    let before = id(&second);
    assert_eq!(second.stop().code, 0);
    let second = site.replica("second", &[&second_address]);
    assert_eq!(id(&second), before);
}

#[test]
fn a_replica_that_is_killed_at_any_time_goes_on() {
    let mut random = Random::seeded("COUNTERFOIL_KILL_SEED");
    let mut site = Site::new(6_000);
    let authority = site.authority("ledger", &[]);
    site.seal(&authority, 6_000, 40);
    let whole = authority.size();
    let mut kills = 0;
    loop {
        let replica = site.replica("replica", &[&authority.p2p()]);
        std::thread::sleep(Duration::from_millis(random.below(400)));
        let reached = replica.size();
        replica.kill();
        kills += 1;
        if reached == whole {
            break;
        }
        assert!(kills < 200, "it is at {reached} of {whole}");
    }
    site.check("replica");
    let replica = site.replica("replica", &[&authority.p2p()]);
    wait_for_agreement(&[&authority, &replica]);
}

#[test]
fn replicas_follow_an_authority_that_is_killed_and_started_again() {
    let mut site = Site::new(200);
    // A port that it has again.
    let listen = free_address();
    let at = ["--p2p-listen", &listen];
    let start = |site: &Site| site.authority_at("ledger", &at);
    let authority = start(&site);
    let replica = site.replica("replica", &[&authority.p2p()]);
    site.seal(&authority, 100, 3);
    wait_for_agreement(&[&authority, &replica]);
    authority.kill();
    wait_until("alone", || peers(&replica) == 0);
    let authority = start(&site);
    site.seal(&authority, 100, 3);
    wait_for_agreement(&[&authority, &replica]);
}

/// A multiaddress with a port that nobody has.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port())
}

#[test]
fn an_authority_that_lost_its_disk_has_it_back_from_replicas_and_seals_on() {
    let mut site = Site::new(100);
    let authority = site.authority("ledger", &[]);
    let replica = site.replica("replica", &[&authority.p2p()]);
    site.seal(&authority, 50, 5);
    wait_for_agreement(&[&authority, &replica]);
    authority.kill();
    std::fs::remove_dir_all(site.path("ledger")).unwrap();

    // A new directory with the old key. It seals nothing before it has asked.
    site.init("anew");
    let anew = site.authority("anew", &["--peer", &replica.p2p()]);
    wait_for_agreement(&[&replica, &anew]);
    let entry = site.next_entry();
    let (status, refused) = site.submit(&anew, &json!([entry]));
    assert_eq!(status, 503, "{refused}");
    assert_eq!(anew.stop().code, 0);
    // Whether the old machine is really gone is for the operator to say.
    let adopt = ["adopt", "--dir", &site.path("anew"), "--nothing-newer-was-published"];
    let adopted = run(&adopt);
    assert_eq!(adopted.code, 0, "{adopted:?}");
    let anew = site.authority("anew", &["--peer", &replica.p2p()]);
    wait_until("it seals", || anew.json("/v1/chain")["role"] == "sealing");
    let (status, sealed) = site.submit(&anew, &json!([entry]));
    assert_eq!(status, 200, "{sealed}");
    wait_for_agreement(&[&replica, &anew]);
    assert_eq!(replica.json("/v1/evidence"), json!({"evidence": []}));
}

#[test]
fn an_authority_that_names_peers_seals_after_one_of_them_was_asked() {
    let mut site = Site::new(10);
    let replica = site.replica("replica", &[]);
    let (line, through) = line_to(&replica);
    line.set(State::Cut);
    let authority = site.authority("ledger", &["--peer", &through]);
    let entry = json!([site.next_entry()]);
    let (status, refused) = site.submit(&authority, &entry);
    assert_eq!(status, 503, "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("waiting for"), "{refused}");
    line.set(State::Whole);
    wait_until("it seals", || authority.json("/v1/chain")["role"] == "sealing");
    assert_eq!(site.submit(&authority, &entry).0, 200);
    wait_for_agreement(&[&authority, &replica]);
    // From then on it seals whether they are there or not.
    line.set(State::Cut);
    site.seal(&authority, 5, 1);
}

#[test]
fn only_who_is_allowed_may_connect() {
    let mut site = Site::new(10);
    let friend = site.replica("friend", &[]);
    let id = friend.json("/v1/peers")["id"].as_str().unwrap().to_owned();
    assert_eq!(friend.stop().code, 0);
    let authority = site.authority("ledger", &["--allow-peer", &id]);
    site.seal(&authority, 5, 1);
    let friend = site.replica("friend", &[&authority.p2p()]);
    let stranger = site.replica("stranger", &[&authority.p2p()]);
    wait_for_agreement(&[&authority, &friend]);
    wait_until("turned away", || {
        authority.json("/v1/peers")["refused"]["connection_not_allowed"].as_u64() > Some(0)
    });
    assert_eq!((peers(&stranger), peers(&authority)), (0, 1));
    assert!(checkpoint(&stranger).is_empty());
}

#[test]
fn another_chains_peer_is_let_go() {
    let (mut site, other) = (Site::new(10), Site::new(10));
    let authority = site.authority("ledger", &[]);
    let lost = other.replica("lost", &[&authority.p2p()]);
    // Whichever of them notices first hangs up.
    wait_until("banned", || {
        let reasons = [&authority, &lost].map(|node| node.json("/v1/peers")["banned"].clone());
        reasons.iter().any(|banned| banned[0]["reason"] == "other_chain")
    });
    assert_eq!((peers(&authority), peers(&lost)), (0, 0));
    site.seal(&authority, 5, 1);
    assert!(checkpoint(&lost).is_empty());
}

#[test]
fn one_command_starts_a_network() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("dev");
    let node = Node::launch(dev(&directory, &["--nodes", "3", "--entries", "500"]));
    let replicas = node.announced["replicas"].as_array().unwrap().clone();
    assert_eq!(replicas.len(), 2);
    let chain = |url: &str| support::binary::get(&format!("{url}/v1/chain"));
    let head = |url: &str| {
        let told: serde_json::Value = serde_json::from_slice(&chain(url)).unwrap();
        told["head"].clone()
    };
    wait_until("the sample is everywhere", || {
        let own = head(&node.url);
        own["size"].as_u64() > Some(500)
            && replicas.iter().all(|url| head(url.as_str().unwrap()) == own)
    });
    assert_eq!(node.stop().code, 0);
    for replica in ["replica-1", "replica-2"] {
        let path = directory.join(replica);
        let report = json(&["fsck", "--dir", path.to_str().unwrap()]);
        assert_eq!(report["clean"], true, "{report}");
    }
}

#[test]
fn what_a_replica_is_sent_goes_on_to_the_authority() {
    let mut site = Site::new(10);
    let authority = site.authority("ledger", &[]);
    site.init("replica");
    let forward = ["--peer", &authority.p2p(), "--forward-to", &authority.url];
    let replica = site.node("replica", &forward);
    // The answer is the authority's, and soon the entry is here, too.
    let entry = site.next_entry();
    let (status, sealed) = site.submit(&replica, &entry);
    assert_eq!((status, &sealed["status"]), (201, &json!("sealed")), "{sealed}");
    wait_for_agreement(&[&authority, &replica]);
    replica.get(sealed["receipt"].as_str().unwrap());
    let (status, existing) = site.submit(&replica, &entry);
    assert_eq!((status, &existing["status"]), (200, &json!("existing")), "{existing}");
    // So are its refusals; only it knows who may submit.
    let (status, refused) = site.submit(&replica, &json!({"tenant": "acme"}));
    assert_eq!((status, &refused["type"]), (422, &json!("/problems/malformed-entry")));
    let status = support::binary::block_on(async {
        let request = reqwest::Client::new().post(format!("{}/v1/entries", replica.url));
        request.json(&entry).send().await.unwrap().status()
    });
    assert_eq!(status, 401);
    // Where there is nobody to ask, it says so.
    authority.kill();
    let (status, refused) = site.submit(&replica, &entry);
    assert_eq!((status, &refused["type"]), (502, &json!("/problems/authority-unreachable")));
    // One that doesn't forward says where to go.
    assert_eq!(replica.stop().code, 0);
    let replica = site.replica("replica", &[]);
    let (status, refused) = site.submit(&replica, &entry);
    assert_eq!((status, &refused["type"]), (401, &json!("/problems/unauthorized")), "{refused}");
}

#[test]
fn what_is_said_to_whoever_watches() {
    let mut site = Site::new(40);
    let authority = site.authority("ledger", &[]);
    let replica = site.replica("replica", &[&authority.p2p()]);
    site.seal(&authority, 30, 3);
    wait_for_agreement(&[&authority, &replica]);
    let figure = |node: &Node, name: &str| {
        let text = String::from_utf8(node.get("/metrics")).unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("{name}: {text}")).rsplit(' ').next().unwrap().to_owned()
    };
    wait_until("it is told", || figure(&replica, "counterfoil_peers") == "1");
    assert_eq!(figure(&replica, "counterfoil_height"), "10");
    assert_eq!(
        figure(&replica, "counterfoil_log_size"),
        figure(&authority, "counterfoil_log_size")
    );
    assert_eq!(
        (figure(&replica, "counterfoil_sealing"), figure(&authority, "counterfoil_sealing")),
        ("0".into(), "1".into())
    );
    assert_eq!(figure(&replica, "counterfoil_lag_blocks"), "0");
    let sent: u64 = figure(&authority, "counterfoil_peers_sent_bytes").parse().unwrap();
    let received: u64 = figure(&replica, "counterfoil_peers_received_bytes").parse().unwrap();
    assert!(sent > 0 && received > 0, "{sent}, {received}");
}
