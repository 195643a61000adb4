//! Nodes on hosts of their own, which find each other without being told where everybody is, and
//! whose cables are pulled.

#![cfg(target_os = "linux")]

mod support;

use support::binary::Node;
use support::hosts::{Host, Switch};
use support::network::{Site, checkpoint, peers, wait_until};

/// A host and the node on it.
struct Place {
    host: Host,
    node: Node,
}

impl Place {
    fn peers(&self) -> usize {
        self.host.within(|| peers(&self.node))
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.host.within(|| checkpoint(&self.node))
    }
}

fn agree(places: &[&Place]) -> bool {
    let (first, others) = places.split_first().expect("somebody");
    let note = first.checkpoint();
    others.iter().all(|place| place.checkpoint() == note)
}

#[test]
fn they_find_each_other_and_heal_when_cables_are_pulled() {
    let Some(mut switch) = Switch::new() else {
        // Where hosts can't be made, `peers.rs` shows the same of nodes on loopback.
        println!("this machine makes no network namespaces: nothing is tested");
        return;
    };
    let mut site = Site::new(300);
    let host = switch.host();
    let listen = format!("/ip4/{}/tcp/4001", host.address);
    let both = ["--discover", "kademlia", "--discover", "mdns", "--p2p-listen", &listen];
    let node = host.within(|| site.authority_at("ledger", &both));
    let authority = Place { host, node };
    let mut add = |name: &str, more: &[&str]| {
        let host = switch.host();
        site.init(name);
        let listen = format!("/ip4/{}/tcp/4001", host.address);
        let node = host.within(|| site.node_at(name, &[&["--p2p-listen", &listen], more].concat()));
        Place { host, node }
    };
    let kademlia = ["--discover", "kademlia", "--bootnode"];
    let near = add("near", &[&kademlia[..], &[&authority.node.p2p()]].concat());
    // It knows of one replica only, and hears of the authority there.
    let far = add("far", &[&kademlia[..], &[&near.node.p2p()]].concat());
    // It knows of nobody.
    let neighbour = add("neighbour", &["--discover", "mdns"]);
    let all = [&authority, &near, &far, &neighbour];
    wait_until("everybody is found", || authority.peers() == 3 && far.peers() >= 2);
    authority.host.within(|| site.seal(&authority.node, 100, 10));
    wait_until("one checkpoint everywhere", || agree(&all));

    // Two of them are cut off, one after the other was.
    near.host.pull();
    wait_until("given up", || authority.peers() == 2);
    far.host.pull();
    let before = far.checkpoint();
    authority.host.within(|| site.seal(&authority.node, 100, 10));
    wait_until("whoever is connected follows", || agree(&[&authority, &neighbour]));
    assert_eq!(far.checkpoint(), before);
    near.host.plug();
    far.host.plug();
    authority.host.within(|| site.seal(&authority.node, 100, 10));
    wait_until("one checkpoint everywhere, again", || agree(&all));
    for place in [authority, near, far, neighbour] {
        let stopped = place.node.stop();
        assert_eq!(stopped.code, 0, "{stopped:?}");
    }
    for name in ["ledger", "near", "far", "neighbour"] {
        site.check(name);
    }
}
