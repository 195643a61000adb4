//! Peers that lie, dawdle, shout or come by the thousand: a replica refuses what they send, bans whoever
//! no honest peer would be like, and goes on with the others.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod market;
mod support;

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil::network::PeerId;
use counterfoil::network::wire::{Answer, BlockBytes, EvidenceList, Question};
use counterfoil::protocol::block::Block;
use counterfoil::protocol::entry::Entry;
use counterfoil::protocol::evidence::{Evidence, SignedRoot};
use counterfoil::protocol::hash::ChainId;
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::verify::Chain;
use market::cases::{Case, cases};
use market::changes::{GOVERNING, change, signed};
use market::{Market, NOW, another_key, key, sale, terms};
use serde_json::{Value, json};
use support::binary::{Node, path, run};
use support::network::{PATIENCE, checkpoint};
use support::stranger::{Mind, Says, Stranger};
use support::tale::Tale;
use tokio::runtime::Runtime;

/// How many lie at the same time.
const LIARS: usize = 8;

/// A replica of the market's chain, and the runtime of the strangers around it.
struct Victim {
    home: tempfile::TempDir,
    chain: ChainId,
    runtime: Arc<Runtime>,
    node: Option<Node>,
}

impl Victim {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let chain = Chain::new(market::spec());
        let spec = path(home.path(), "spec.toml");
        std::fs::write(&spec, chain.spec().to_toml()).unwrap();
        let ran = run(&["init", "--spec", &spec, "--dir", &path(home.path(), "replica")]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let runtime = Arc::new(Runtime::new().unwrap());
        let mut victim = Self { home, chain: chain.id(), runtime, node: None };
        victim.start();
        victim
    }

    fn start(&mut self) {
        let dir = path(self.home.path(), "replica");
        let listen = support::network::LISTEN;
        let arguments =
            ["node", "--dir", &dir, "--listen", "127.0.0.1:0", "--json", "--p2p-listen", listen];
        self.node = Some(Node::start(&arguments));
    }

    fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    fn report(&self) -> Value {
        self.node().json("/v1/peers")
    }

    fn id(&self) -> PeerId {
        self.report()["id"].as_str().unwrap().parse().unwrap()
    }

    fn height(&self) -> u64 {
        self.node().json("/v1/chain")["head"]["height"].as_u64().unwrap()
    }

    fn refused(&self, what: &str) -> u64 {
        self.report()["refused"][what].as_u64().unwrap_or(0)
    }

    fn stranger(&self, mind: impl Fn(Question) -> Says + Send + Sync + 'static) -> Stranger {
        let mind: Mind = Arc::new(mind);
        let stranger = Stranger::new(&self.runtime, self.chain, mind);
        stranger.dial(&self.node().p2p());
        stranger
    }

    /// Somebody who tells a tale straight.
    fn teller(&self, tale: Tale) -> Stranger {
        self.stranger(move |question| tale.answer(question).into())
    }

    /// Somebody who tells a tale, but for what he says of blocks.
    fn liar(
        &self,
        tale: Tale,
        blocks: impl Fn(u64, u8) -> Says + Send + Sync + 'static,
    ) -> Stranger {
        self.stranger(move |question| match question {
            Question::Blocks { from, count } => blocks(from, count),
            question => tale.answer(question).into(),
        })
    }

    fn is_banned(&self, stranger: &Stranger, reason: &str) -> bool {
        let id = stranger.id.to_string();
        let report = self.report();
        let bans = report["banned"].as_array().unwrap();
        bans.iter().any(|ban| ban["id"] == id && ban["reason"] == reason)
    }

    fn wait_for_ban(&self, what: &str, stranger: &Stranger, reason: &str) {
        self.wait_until(what, || self.is_banned(stranger, reason));
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < PATIENCE, "still not: {what}: {}", self.report());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How much memory it has, in MiB.
    fn memory_mib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.node().process());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Stops it and verifies all that it holds.
    fn check(mut self) {
        assert_eq!(self.node.take().unwrap().stop().code, 0);
        let report = support::binary::json(&["fsck", "--dir", &path(self.home.path(), "replica")]);
        assert_eq!(report["clean"], true, "{report}");
    }
}

/// A few good blocks.
fn honest(count: u64) -> (Market, Tale) {
    let mut market = Market::new();
    let mut blocks = Vec::new();
    for number in 0..count {
        let name = format!("S-{}", number + 10);
        let sale = sale(&name, |_| ());
        let entries = if number == 0 { vec![terms("T-1", |_| ()), sale] } else { vec![sale] };
        blocks.push(Block::decode(&market.seal(NOW - count + number, &entries).encode()).unwrap());
    }
    let tale = Tale::new(market.chain.genesis(), blocks);
    (market, tale)
}

#[test]
fn blocks_that_each_break_one_rule_are_refused_though_the_authority_signed_them() {
    let victim = Victim::new();
    let market = Market::new();
    let mut waiting = cases();
    while !waiting.is_empty() {
        let some = waiting.split_off(waiting.len().saturating_sub(LIARS));
        let before = victim.report()["refused"].clone();
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        let mut strangers = Vec::new();
        for Case { rule, given, broken, .. } in some {
            let forged = market.forge(&[given, vec![broken]].concat(), |_| ());
            let tale = Tale::new(market.chain.genesis(), vec![forged]);
            strangers.push((rule, victim.teller(tale)));
            *expected.entry(rule).or_default() += 1;
        }
        for (rule, stranger) in &strangers {
            victim.wait_for_ban(rule, stranger, "invalid_block");
        }
        for (rule, times) in expected {
            let times = times + before[rule].as_u64().unwrap_or(0);
            victim.wait_until(rule, || victim.refused(rule) == times);
        }
        assert_eq!(victim.height(), 0);
    }
    // Nothing is left of it all.
    let (_, tale) = honest(3);
    let _honest = victim.teller(tale);
    victim.wait_until("the honest blocks are here", || victim.height() == 3);
    victim.check();
}

#[test]
fn whoever_sends_what_no_honest_peer_sends_is_banned_and_the_honest_are_heard() {
    let mut victim = Victim::new();
    let (market, tale) = honest(4);
    let encoded: Vec<Vec<u8>> = tale.blocks.iter().map(Block::encode).collect();
    let say = |blocks: Vec<Vec<u8>>| Says::from(Answer::Blocks(BlockBytes(blocks)));
    let altered = |alter: &dyn Fn(&mut Block)| {
        let mut block = tale.blocks[0].clone();
        alter(&mut block);
        say(vec![block.encode()])
    };
    let other = market.chain.genesis().clone();
    let lies: Vec<(&str, &str, Says)> = vec![
        ("a wrong signature", "invalid_block", altered(&|block| block.signature.0[3] ^= 1)),
        ("a wrong root", "invalid_block", altered(&|block| block.header.log_root.0[3] ^= 1)),
        ("a missing entry", "invalid_block", altered(&|block| drop(block.entries.pop()))),
        ("an altered time", "invalid_block", altered(&|block| block.header.time = market::at(NOW))),
        (
            "another chain",
            "invalid_block",
            altered(&|block| block.header.chain_id = ChainId([3; 32])),
        ),
        (
            "another key",
            "invalid_block",
            altered(&|block| block.header.authority = another_key().public()),
        ),
        ("no entries", "invalid_block", altered(&|block| block.entries.clear())),
        ("the block after", "garbage", say(vec![encoded[1].clone()])),
        ("a repetition", "garbage", say(vec![encoded[0].clone(), encoded[0].clone()])),
        ("a gap", "garbage", say(vec![encoded[0].clone(), encoded[2].clone()])),
        ("no block at all", "garbage", say(vec![other.to_leaf()])),
        ("noise", "garbage", Says::Bytes(vec![255; 1000])),
        ("nothing but an end", "garbage", Says::Bytes(Vec::new())),
        ("another answer", "garbage", Says::from(Answer::Head(None))),
        ("more than can be said", "garbage", Says::Endless),
        ("more than was asked", "excess", say([&encoded[..], &encoded[..]].concat())),
    ];
    for (what, reason, says) in lies {
        let truth = tale.clone();
        let liar = victim.liar(tale.clone(), move |from, count| match from {
            1 => says.clone(),
            from => truth.answer(Question::Blocks { from, count }).into(),
        });
        victim.wait_for_ban(what, &liar, reason);
        assert_eq!(victim.height(), 0, "{what}");
    }
    // A ban outlasts the process.
    let banned = victim.report()["banned"].clone();
    assert_eq!(victim.node.take().unwrap().stop().code, 0);
    victim.start();
    assert_eq!(victim.report()["banned"], banned);
    let _honest = victim.teller(tale);
    victim.wait_until("the honest blocks are here", || victim.height() == 4);
    victim.check();
}

#[test]
fn rules_that_are_not_known_yet_stop_a_replica_and_nobody_is_to_blame() {
    let mut victim = Victim::new();
    let (market, tale) = honest(2);
    let newer =
        change(1, |body| (body.rules_version, body.currencies) = (Some(2), Currencies::default()));
    let told = |change: Entry| {
        let blocks = [tale.blocks.clone(), vec![market.forge(&[change], |_| ())]].concat();
        Tale::new(market.chain.genesis(), blocks)
    };
    // Those who govern say so, or it is a lie.
    let liar = victim.teller(told(signed(newer.clone(), &GOVERNING[..1])));
    victim.wait_for_ban("signed by one", &liar, "invalid_block");
    assert_eq!(victim.refused("below-quorum"), 1);
    let teller = victim.teller(told(newer));
    victim.wait_until("tried", || victim.refused("unknown-rules-version") > 0);
    assert_eq!(victim.height(), 2);
    assert!(!victim.is_banned(&teller, "invalid_block"), "{}", victim.report());
    // What it has it serves, and it stays in touch.
    let report = victim.report();
    assert_eq!((report["sync"]["lag_blocks"].as_u64(), teller.times_asked() > 1), (Some(1), true));
    assert_eq!(report["peers"][0]["id"], teller.id.to_string(), "{report}");
    let stopped = victim.node.take().unwrap().stop();
    assert!(stopped.err.contains("install a newer one"), "{}", stopped.err);
    victim.start();
    victim.check();
}

#[test]
fn whoever_shouts_nonsense_is_banned() {
    let victim = Victim::new();
    let (_, tale) = honest(2);
    let announced = tale.announcement().unwrap();
    let unsigned = {
        let mut announced = announced.clone();
        announced.header.height += 1;
        announced
    };
    let quiet = Tale::new(Market::new().chain.genesis(), Vec::new());
    let root =
        SignedRoot { size: 3, root: announced.header.log_root, signature: announced.signature };
    let larger = SignedRoot { size: 3, root: announced.proof[0], ..root };
    let no_evidence = Evidence::of_two_roots(key().public(), root, larger);
    let shouts: Vec<(&str, Vec<u8>, &str)> = vec![
        ("heads", vec![1, 2, 3], "bad_announcement"),
        ("heads", unsigned.encode(), "bad_announcement"),
        ("evidence", vec![1, 2, 3], "bad_evidence"),
        ("evidence", no_evidence.encode(), "bad_evidence"),
    ];
    for (topic, bytes, reason) in shouts {
        let shouter = victim.teller(quiet.clone());
        victim.wait_until(&format!("{reason}, {bytes:?}"), || {
            shouter.gossip(topic, bytes.clone());
            victim.is_banned(&shouter, reason)
        });
    }
    // The same, not shouted but said when asked.
    let accuser = victim.stranger({
        let (tale, false_evidence) = (tale.clone(), no_evidence);
        move |question| match question {
            Question::Evidence => {
                Answer::Evidence(EvidenceList(vec![false_evidence.clone()])).into()
            }
            question => tale.answer(question).into(),
        }
    });
    victim.wait_for_ban("false evidence", &accuser, "bad_evidence");
    // What nobody may ask.
    let mut asker = victim.teller(quiet);
    victim.wait_until("connected", || asker.times_asked() > 0);
    let answer = asker.ask(victim.id(), vec![9; 20]);
    assert!(answer.unwrap_or_default().is_empty());
    victim.wait_for_ban("a bad question", &asker, "bad_question");
    assert_eq!(victim.node().json("/v1/evidence"), json!({"evidence": []}));
    assert!(checkpoint(victim.node()).is_empty());
}

#[test]
fn dawdlers_hold_nobody_up() {
    let victim = Victim::new();
    let (_, tale) = honest(40);
    let bytes =
        Answer::Blocks(BlockBytes(tale.blocks.iter().map(Block::encode).collect())).encode();
    let _silent: Vec<Stranger> =
        (0..3).map(|_| victim.liar(tale.clone(), |_, _| Says::Nothing)).collect();
    let _slow: Vec<Stranger> = (0..3)
        .map(|_| {
            let bytes = bytes.clone();
            victim.liar(tale.clone(), move |_, _| Says::Slowly(bytes.clone()))
        })
        .collect();
    let _deaf: Vec<Stranger> = (0..3).map(|_| victim.stranger(|_| Says::Nothing)).collect();
    std::thread::sleep(Duration::from_millis(500));
    let _honest = victim.teller(tale);
    victim.wait_until("the honest blocks are here", || victim.height() == 40);
    victim.check();
}

#[test]
fn a_crowd_and_endless_answers_take_bounded_memory_and_the_honest_get_through() {
    const CROWD: usize = 10_000;
    const CEILING_MIB: u64 = 400;
    let victim = Victim::new();
    let (_, tale) = honest(30);
    let address = victim.node().p2p();
    let port = address.split('/').nth(4).unwrap().to_owned();
    let _endless: Vec<Stranger> =
        (0..6).map(|_| victim.liar(tale.clone(), |_, _| Says::Endless)).collect();
    // As many as this process may have open at a time, until there were enough.
    let mut open = std::collections::VecDeque::new();
    let mut crowd = 0;
    while crowd < CROWD {
        match TcpStream::connect(format!("127.0.0.1:{port}")) {
            Ok(stream) => {
                crowd += 1;
                open.push_back(stream);
            }
            Err(_) => drop(open.pop_front()),
        }
        if open.len() > 500 {
            open.pop_front();
        }
    }
    // The crowd is at the same address; the operator names the honest peer, which is dialled.
    let honest = Stranger::new(&victim.runtime, victim.chain, {
        let tale = tale.clone();
        Arc::new(move |question| tale.answer(question).into())
    });
    let memory = victim.memory_mib();
    assert!(memory < CEILING_MIB, "{memory} MiB");
    assert!(victim.refused("connections_of_an_address") > 0, "{}", victim.report());
    drop(open);
    victim.wait_until("the honest blocks are here", || {
        honest.dial(&victim.node().p2p());
        victim.height() == 30
    });
    let memory = victim.memory_mib();
    assert!(memory < CEILING_MIB, "{memory} MiB");
    victim.check();
}

#[test]
fn a_block_from_the_future_waits_and_is_nobodys_fault() {
    let victim = Victim::new();
    let market = Market::new();
    let ahead = counterfoil::network::MAX_CLOCK_AHEAD_MS + 3_000;
    let soon = counterfoil::ledger::now().as_millis() + ahead;
    let entries = [terms("T-1", |_| ()), sale("S-1", |_| ())];
    let block = market.forge(&entries, |header| header.time = market::at(soon));
    let teller = victim.teller(Tale::new(market.chain.genesis(), vec![block]));
    victim.wait_until("it is halted", || victim.report()["sync"]["state"] == "halted");
    assert_eq!(victim.height(), 0);
    victim.wait_until("its time has come", || victim.height() == 1);
    assert_eq!(victim.report()["refused"], json!({}));
    drop(teller);
    victim.check();
}
