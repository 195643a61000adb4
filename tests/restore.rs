//! Restores, copies and snapshots: never two roots at one size, and a way back to sealing, which
//! docs/recovery.md describes and these tests follow command by command.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use counterfoil::ledger::{Health, Hold};
use counterfoil::protocol::checkpoint::Checkpoint;
use counterfoil::protocol::hash::{ChainId, HeaderHash, TreeHash};
use counterfoil::protocol::spec::ChainSpec;
use counterfoil::protocol::succession::KeyRole;
use counterfoil::store::{NotAtHome, Standing, StoreError};
use serde_json::{Value, json};
use support::binary::{Node, block_on, copy_directory, json, operator, path, run};
use support::load::{self, terms};

const PAGE: &str = include_str!("../docs/recovery.md");
/// What the page calls a node that has a copy of the ledger.
const MIRROR: &str = "https://mirror.example";
/// What a node says that is ready to seal.
const SEALING: &str = "\"sealing\"";
/// How long a node may take to find out that it may seal.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many blocks of commands each section has; each is followed by a test below.
const FOLLOWED: [(&str, usize); 7] = [
    ("A copy", 2),
    ("Blocks are missing", 2),
    ("The guard is lost", 1),
    ("The guard is another's", 1),
    ("Two histories", 1),
    ("Damage", 3),
    ("Moving to another machine", 1),
];

/// An operator's folder, with the ledger's directory as `ledger`, and every checkpoint that
/// could be had of it.
struct Site {
    home: tempfile::TempDir,
    spec: ChainSpec,
    seen: BTreeMap<u64, TreeHash>,
    sales: u32,
}

impl Site {
    /// A ledger without any blocks.
    fn empty() -> Self {
        let home = operator();
        let spec = fs::read_to_string(home.path().join("spec.toml")).unwrap();
        let spec = ChainSpec::parse(&spec).unwrap();
        Self { home, spec, seen: BTreeMap::new(), sales: 0 }
    }

    /// A ledger of a few blocks whose node isn't running.
    fn new() -> Self {
        let mut site = Self::empty();
        let node = site.node("ledger", &[]);
        assert_eq!(site.submit(&node, &json!([terms()])).0, 200);
        site.seal(&node, 2);
        node.stop();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        path(self.home.path(), name)
    }

    /// A node with the sealing key, on the data directory `name`.
    fn node(&self, name: &str, more: &[&str]) -> Node {
        let (dir, key, token) = (self.path(name), self.path("key"), self.path("token"));
        let keys = ["--key-file", &key, "--token-file", &token];
        let basics = ["node", "--dir", &dir, "--listen", "127.0.0.1:0", "--json"];
        Node::start(&[&basics[..], &keys, more].concat())
    }

    /// A node without the key, on the data directory `name`: anybody can have one.
    fn mirror(&self, name: &str, listen: &str) -> Node {
        Node::start(&["node", "--dir", &self.path(name), "--listen", listen, "--json"])
    }

    fn submit(&self, node: &Node, body: &Value) -> (u16, Value) {
        let token = fs::read_to_string(self.at("token")).unwrap();
        block_on(async {
            let request = reqwest::Client::new()
                .post(format!("{}/v1/entries", node.url))
                .bearer_auth(token.trim())
                .json(body);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        })
    }

    /// Seals as many blocks of one sale each; no two of all sales are the same.
    fn seal(&mut self, node: &Node, blocks: u32) {
        for _ in 0..blocks {
            self.sales += 1;
            let (status, answer) = self.submit(node, &json!([sale(self.sales)]));
            assert_eq!(status, 200, "{answer}");
            assert_eq!(answer["results"][0]["status"], "sealed", "{answer}");
        }
        self.look(node);
    }

    /// Submitting is refused for a reason that the page names in its table; what is said.
    fn refused(&mut self, node: &Node, reason: &str) -> String {
        self.sales += 1;
        let (status, problem) = self.submit(node, &json!([sale(self.sales)]));
        assert_eq!(status, 503, "{problem}");
        let said = problem["detail"].as_str().unwrap().to_owned();
        says(&said, reason);
        let (ready, told) = readiness(node);
        assert!(ready == 503 && told.contains(reason), "{told}");
        self.look(node);
        said
    }

    /// Reads the checkpoint of every block that a node serves. None tells another story than
    /// any that was seen before.
    fn look(&mut self, node: &Node) {
        let height = node.json("/v1/chain")["head"]["height"].as_u64().unwrap();
        let blocks = (1..=height).map(|height| node.json(&format!("/v1/blocks/{height}?limit=1")));
        let notes: Vec<Value> = blocks.map(|block| block["checkpoint"].clone()).collect();
        let latest = String::from_utf8(node.get("/checkpoint")).unwrap();
        for note in notes.iter().map(|note| note.as_str().unwrap()).chain([&*latest]) {
            let opened = Checkpoint::open(note, &self.spec.origin, &self.spec.authority());
            let (checkpoint, _) = opened.expect("signed");
            let root = self.seen.entry(checkpoint.size).or_insert(checkpoint.root);
            assert_eq!(*root, checkpoint.root, "two roots at size {}", checkpoint.size);
        }
    }

    /// Keeps the checkpoint that a node serves now as a file.
    fn keep_checkpoint(&self, node: &Node, name: &str) {
        fs::write(self.at(name), node.get("/checkpoint")).unwrap();
    }

    /// Follows a block of the page's commands; whether they did what they were asked, and what
    /// they said.
    fn follow(&self, section: &str, block: usize, mirror: &str) -> (bool, String) {
        let commands = commands(section)[block].replace(MIRROR, mirror);
        let binary = env!("CARGO_BIN_EXE_counterfoil");
        let script = format!("set -eu\ncounterfoil() {{ '{binary}' \"$@\"; }}\n{commands}");
        let mut shell = Command::new("timeout");
        shell.args(["100", "bash", "-c", &script]).current_dir(self.home.path());
        let output = shell.output().expect("bash and timeout");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// The way back leads to sealing: everything that was ever seen is there, more is sealed, and
    /// `fsck` and `verify` have nothing to say.
    fn is_back(&mut self, name: &str, more: &[&str]) {
        let node = self.node(name, more);
        wait_until_ready_says(&node, SEALING);
        let newest = *self.seen.keys().next_back().unwrap();
        assert!(node.size() >= newest, "{} of {newest}", node.size());
        self.seal(&node, 2);
        assert_eq!(node.stop().code, 0);
        let dir = self.path(name);
        assert_eq!(json(&["fsck", "--dir", &dir])["clean"], true);
        assert_eq!(run(&["verify", "--dir", &dir]).code, 0);
        // And it is at home again.
        let node = self.node(name, &[]);
        self.seal(&node, 1);
        node.stop();
    }
}

/// What is said has a reason, and the page's table has it too.
fn says(said: &str, reason: &str) {
    assert!(said.contains(reason), "{said}");
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let reasons: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert!(reasons.iter().any(|row| said.contains(row)), "the page knows nothing of: {said}");
}

/// The blocks of commands in a section of the page.
fn commands(section: &str) -> Vec<&'static str> {
    let sections = PAGE.split("\n## ").skip(1);
    let mut found = sections.filter(|text| text.lines().next() == Some(section));
    let text = found.next().unwrap_or_else(|| panic!("the page has no section {section}"));
    text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn all_commands_of_the_page_are_followed_here() {
    let headings = PAGE.split("\n## ").skip(1).map(|text| text.lines().next().unwrap());
    let found: Vec<_> = headings
        .map(|heading| (heading, commands(heading).len()))
        .filter(|(_, blocks)| *blocks > 0)
        .collect();
    assert_eq!(found, FOLLOWED);
}

#[test]
fn the_page_knows_whatever_keeps_a_node_from_sealing() {
    let (place, root) = ("a place".to_owned(), TreeHash([0; 32]));
    let (height, hash, size) = (1, HeaderHash([0; 32]), 2);
    let (found, expected) = (ChainId([0; 32]), ChainId([1; 32]));
    let guarded = Box::new(support::chain::chain("page").genesis().clone());
    let standings = [
        Standing::RolledBack { guard: 9, guarded, store: 5 },
        Standing::GuardLost { guard: None, store: 5 },
        Standing::NotAtHome(NotAtHome::Copied),
        Standing::NotAtHome(NotAtHome::NoRecord),
    ];
    let holds = [
        Hold::Awaiting(vec![place.clone()]),
        Hold::Behind { place: place.clone(), size, own: 1 },
        Hold::Contradicted { place: place.clone(), size, published: root, own: root },
    ];
    let healths = standings.map(Health::Standing).into_iter().chain(holds.map(Health::Held));
    let authority = support::chain::key().public();
    let roles = [KeyRole::Awaited { from_height: 7 }, KeyRole::StandsBy, KeyRole::Retired];
    let not_authority = roles
        .into_iter()
        .chain([KeyRole::Unknown])
        .map(|role| Health::NotAuthority { role, authority });
    let healths = healths.chain(not_authority);
    let healths = healths.chain([Health::Recovering("the disk is full"), Health::Failed]);
    let errors = [
        StoreError::Locked { path: "ledger".into() },
        StoreError::OtherChain { found, expected },
        StoreError::OtherGuard { found, expected },
        StoreError::Diverged { height, guard: hash, store: hash },
        StoreError::Damaged { place, problem: "a problem".to_owned() },
        StoreError::Panicked,
    ];
    let said = healths.map(|health| health.to_string());
    for said in said.chain(errors.map(|error| error.to_string())) {
        says(&said, "");
    }
}

#[test]
fn an_old_copy_seals_only_after_what_is_missing_is_back() {
    let mut site = Site::new();
    copy_directory(&site.at("ledger"), &site.at("old"));
    let node = site.node("ledger", &[]);
    site.seal(&node, 3);
    site.keep_checkpoint(&node, "newest.checkpoint");
    node.stop();
    json(&["export", "--dir", &site.path("ledger"), &site.path("backup.cfx")]);
    fs::rename(site.at("ledger"), site.at("newer")).unwrap();
    copy_directory(&site.at("old"), &site.at("ledger"));

    let node = site.node("ledger", &[]);
    site.refused(&node, "this directory is a copy of another");
    node.stop();
    // A copy is whole, and proves as much as it has.
    assert_eq!(json(&["fsck", "--dir", &site.path("ledger")])["clean"], true);
    assert_eq!(run(&["verify", "--dir", &site.path("ledger")]).code, 0);

    let mirror = site.mirror("newer", "127.0.0.1:0");
    let (adopted, said) = site.follow("A copy", 0, &mirror.url);
    assert!(!adopted && said.contains("import the missing blocks first"), "{said}");
    let node = site.node("ledger", &[]);
    site.refused(&node, "this directory is a copy of another");
    node.stop();
    let (imported, said) = site.follow("Blocks are missing", 1, &mirror.url);
    assert!(imported, "{said}");
    let node = site.node("ledger", &[]);
    site.refused(&node, "this directory is a copy of another");
    node.stop();
    let (adopted, said) = site.follow("A copy", 0, &mirror.url);
    assert!(adopted && said.contains("no other copy may ever seal again"), "{said}");
    mirror.stop();
    site.is_back("ledger", &[]);
}

#[test]
fn of_two_copies_that_run_at_the_same_time_one_seals() {
    let mut site = Site::new();
    copy_directory(&site.at("ledger"), &site.at("second"));
    let (first, second) = (site.node("ledger", &[]), site.node("second", &[]));
    for _ in 0..3 {
        site.seal(&first, 1);
        site.refused(&second, "this directory is a copy of another");
    }
    second.stop();
    // Not even by mistake while the first goes on: it is asked, and knows better.
    let dir = site.path("second");
    let checkpoint = format!("{}/checkpoint", first.url);
    let adopt = run(&["adopt", "--dir", &dir, "--checkpoint", &checkpoint]);
    assert!(adopt.code == 1 && adopt.err.contains("import the missing blocks first"), "{adopt:?}");
    let usage = run(&["adopt", "--dir", &dir]);
    assert!(usage.code == 2 && usage.err.contains("--nothing-newer-was-published"), "{usage:?}");
    site.keep_checkpoint(&first, "newest.checkpoint");
    assert_eq!(json(&["mirror", &first.url, "--dir", &dir])["appended"], 3);
    first.stop();
    let adopted = json(&["adopt", "--dir", &dir, "--checkpoint", &site.path("newest.checkpoint")]);
    assert_eq!(adopted["adopted"], true);
    fs::remove_dir_all(site.at("ledger")).unwrap();
    site.is_back("second", &[]);
    let again = json(&["adopt", "--dir", &dir, "--nothing-newer-was-published"]);
    assert_eq!(again["adopted"], false);
}

#[test]
fn moving_keeps_the_directory_and_copying_is_followed_by_adopting() {
    let mut site = Site::new();
    fs::rename(site.at("ledger"), site.at("moved")).unwrap();
    let node = site.node("moved", &[]);
    site.seal(&node, 1);
    site.keep_checkpoint(&node, "newest.checkpoint");
    node.stop();
    fs::rename(site.at("moved"), site.at("ledger")).unwrap();
    let (moved, said) = site.follow("Moving to another machine", 0, MIRROR);
    assert!(moved, "{said}");
    site.is_back("elsewhere", &[]);

    fs::rename(site.at("elsewhere"), site.at("away")).unwrap();
    copy_directory(&site.at("away"), &site.at("ledger"));
    fs::remove_dir_all(site.at("away")).unwrap();
    let (adopted, said) = site.follow("A copy", 1, MIRROR);
    assert!(adopted, "{said}");
    site.is_back("ledger", &[]);
}

/// Every file of a directory, to put back in place.
fn remember(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for item in fs::read_dir(directory).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            remember(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// Rolls all files of a directory back as a snapshot of the machine does: the same files with
/// their old content.
fn roll_back(directory: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let mut now = BTreeMap::new();
    remember(directory, &mut now);
    for path in now.keys().filter(|path| !files.contains_key(*path)) {
        fs::remove_file(path).unwrap();
    }
    for (path, content) in files {
        fs::write(path, content).unwrap();
    }
}

#[test]
fn after_a_snapshot_of_the_machine_what_was_published_knows_better() {
    let mut site = Site::new();
    let mut snapshot = BTreeMap::new();
    remember(&site.at("ledger"), &mut snapshot);
    let node = site.node("ledger", &[]);
    site.seal(&node, 3);
    site.keep_checkpoint(&node, "newest.checkpoint");
    node.stop();
    copy_directory(&site.at("ledger"), &site.at("mirror"));
    roll_back(&site.at("ledger"), &snapshot);

    // A place that doesn't answer is awaited; its password is nobody's business.
    let listen = free_address();
    let place = format!("http://user:secret@{listen}/checkpoint?token=secret");
    let places = ["--published", &*place];
    let node = site.node("ledger", &places);
    let said = site.refused(&node, &format!("waiting for http://{listen}/checkpoint"));
    assert!(!said.contains("secret"), "{said}");
    // Then it answers, and knows of more.
    let mirror = site.mirror("mirror", &listen);
    wait_until_ready_says(&node, "blocks that were published");
    site.refused(&node, "blocks that were published are missing here");
    node.stop();
    // The same by a file.
    let newest = site.path("newest.checkpoint");
    let node = site.node("ledger", &["--published", &newest]);
    wait_until_ready_says(&node, "blocks that were published");
    let said = site.refused(&node, "blocks that were published are missing here");
    assert!(said.contains("the file newest.checkpoint") && !said.contains('/'), "{said}");
    node.stop();

    let (imported, said) = site.follow("Blocks are missing", 0, &mirror.url);
    assert!(imported && said.contains("appended 3 blocks"), "{said}");
    site.is_back("ledger", &["--published", &newest, "--published", &place]);
}

#[test]
fn after_a_snapshot_that_nobody_noticed_two_histories_are_never_mended() {
    let mut site = Site::new();
    let mut snapshot = BTreeMap::new();
    remember(&site.at("ledger"), &mut snapshot);
    let node = site.node("ledger", &[]);
    site.seal(&node, 2);
    let true_history = site.seen.clone();
    node.stop();
    copy_directory(&site.at("ledger"), &site.at("mirror"));
    roll_back(&site.at("ledger"), &snapshot);
    // Nobody is asked, so nothing tells: this is what `published` is for. From here on there are
    // two histories, and what matters is that they are found out.
    site.seen.clear();
    let node = site.node("ledger", &[]);
    site.seal(&node, 3);
    let contradicts = |(size, root): (&u64, &TreeHash)| true_history.get(size) != Some(root);
    assert!(site.seen.iter().any(contradicts), "this test is of two histories");
    node.stop();

    let mirror = site.mirror("mirror", "127.0.0.1:0");
    let place = format!("{}/checkpoint", mirror.url);
    let node = site.node("ledger", &["--published", &place]);
    wait_until_ready_says(&node, "two histories");
    site.refused(&node, "two histories");
    node.stop();
    let dir = site.path("ledger");
    for command in [&["adopt", "--checkpoint", &place][..], &["mirror", &mirror.url]] {
        let ran = run(&[command, &["--dir", &dir]].concat());
        assert!(ran.code == 1 && ran.err.contains("two histories"), "{ran:?}");
    }
    let (kept, said) = site.follow("Two histories", 0, &mirror.url);
    assert!(kept, "{said}");
    let theirs = fs::read_to_string(site.at("theirs.checkpoint")).unwrap();
    assert!(Checkpoint::open(&theirs, &site.spec.origin, &site.spec.authority()).is_ok());
    assert!(site.at("ours.cfx").exists());
}

#[test]
fn a_new_ledger_waits_for_nothing_that_can_not_be_there() {
    let mut site = Site::empty();
    let place = site.path("not-yet-published");
    let node = site.node("ledger", &["--published", &place]);
    wait_until_ready_says(&node, SEALING);
    assert_eq!(site.submit(&node, &json!([terms()])).0, 200);
    let checkpoint = node.get("/checkpoint");
    node.stop();
    // Once it has begun, a place without anything may have lost it.
    let node = site.node("ledger", &["--published", &place]);
    wait_until_ready_says(&node, "nothing is published there");
    site.refused(&node, "waiting for the file not-yet-published");
    fs::write(&place, checkpoint).unwrap();
    wait_until_ready_says(&node, SEALING);
    site.seal(&node, 1);
}

#[test]
fn a_lost_guard_is_made_again_from_what_anybody_has_seen() {
    let mut site = Site::new();
    copy_directory(&site.at("ledger"), &site.at("mirror"));
    let mirror = site.mirror("mirror", "127.0.0.1:0");
    for lose in [
        |guard: &Path| fs::remove_dir_all(guard).unwrap(),
        |guard: &Path| {
            for slot in ["even", "odd"] {
                fs::write(guard.join(slot), b"").unwrap();
            }
        },
    ] {
        lose(&site.at("ledger/guard"));
        let node = site.node("ledger", &[]);
        site.refused(&node, "the guard was lost or rolled back");
        node.stop();
        let (adopted, said) = site.follow("The guard is lost", 0, &mirror.url);
        assert!(adopted, "{said}");
        site.is_back("ledger", &[]);
    }
}

#[test]
fn a_guard_of_another_chain_is_refused_and_named() {
    let mut site = Site::new();
    let other = Site::new();
    copy_directory(&site.at("ledger"), &site.at("mirror"));
    let mirror = site.mirror("mirror", "127.0.0.1:0");
    fs::remove_dir_all(site.at("ledger/guard")).unwrap();
    copy_directory(&other.at("ledger/guard"), &site.at("ledger/guard"));
    let dir = site.path("ledger");
    for command in
        [&["fsck", "--dir", &dir][..], &["adopt", "--nothing-newer-was-published", "--dir", &dir]]
    {
        let ran = run(command);
        assert_eq!(ran.code, 1, "{ran:?}");
        says(&ran.err, "the guard holds a block of chain");
    }
    let (adopted, said) = site.follow("The guard is another's", 0, &mirror.url);
    assert!(adopted, "{said}");
    site.is_back("ledger", &[]);
}

#[test]
fn what_was_filled_by_an_import_seals_only_when_adopted() {
    let mut site = Site::new();
    copy_directory(&site.at("ledger"), &site.at("mirror"));
    let mirror = site.mirror("mirror", "127.0.0.1:0");
    json(&["export", "--dir", &site.path("ledger"), &site.path("backup.cfx")]);
    let (from_file, from_url) = (site.path("from-file"), site.path("from-url"));
    for (dir, verb, source) in
        [(&from_file, "import", &site.path("backup.cfx")), (&from_url, "mirror", &mirror.url)]
    {
        assert_eq!(run(&["init", "--spec", &site.path("spec.toml"), "--dir", dir]).code, 0);
        let ran = run(&[verb, source, "--dir", dir]);
        assert!(ran.code == 0 && ran.out.contains("`counterfoil adopt`"), "{ran:?}");
        let again = json(&[verb, source, "--dir", dir]);
        assert_eq!((&again["appended"], &again["height"]), (&0.into(), &3.into()), "{again}");
    }
    let node = site.node("from-file", &[]);
    site.refused(&node, "this directory was filled from elsewhere");
    node.stop();
    let node = site.mirror("from-file", "127.0.0.1:0");
    let ready: Value = node.json("/readyz");
    assert_eq!(ready["status"], "serving", "without a key a copy is as good as any");
    node.stop();
    let checkpoint = format!("{}/checkpoint", mirror.url);
    json(&["adopt", "--dir", &from_url, "--checkpoint", &checkpoint]);
    mirror.stop();
    site.is_back("from-url", &[]);
}

#[test]
fn a_damaged_store_is_named_and_comes_back_whole() {
    let mut site = Site::new();
    copy_directory(&site.at("ledger"), &site.at("mirror"));
    let mirror = site.mirror("mirror", "127.0.0.1:0");
    let (checked, said) = site.follow("Damage", 0, &mirror.url);
    assert!(checked && said.contains("clean"), "{said}");
    let (made_anew, said) = site.follow("Damage", 1, &mirror.url);
    assert!(made_anew, "{said}");
    site.is_back("ledger", &[]);
    mirror.stop();
    // Beyond repair: the blocks come from elsewhere, and the guard knows when all are back.
    let node = site.node("ledger", &[]);
    site.keep_checkpoint(&node, "newest.checkpoint");
    node.stop();
    fs::remove_dir_all(site.at("mirror")).unwrap();
    copy_directory(&site.at("ledger"), &site.at("mirror"));
    let mirror = site.mirror("mirror", "127.0.0.1:0");
    fs::write(site.at("ledger/store/db"), vec![0x5a; 4096]).unwrap();
    let (checked, said) = site.follow("Damage", 0, &mirror.url);
    assert!(!checked, "{said}");
    assert!(said.contains("the database"), "{said}");
    let ran = run(&["reindex", "--dir", &site.path("ledger")]);
    assert_eq!(ran.code, 1);
    says(&ran.err, "the store is damaged at");
    let (back, said) = site.follow("Damage", 2, &mirror.url);
    assert!(back && said.contains("clean"), "{said}");
    site.is_back("ledger", &[]);
}

#[test]
fn a_copied_development_ledger_says_what_to_type() {
    let home = tempfile::tempdir().unwrap();
    let (dir, copy) = (home.path().join("dev"), home.path().join("copy"));
    let node = Node::dev(&dir, &["--empty"]);
    let post = |node: &Node| {
        block_on(async {
            let request = reqwest::Client::new().post(format!("{}/v1/entries", node.url));
            let answer = request.json(&json!([terms()])).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    };
    assert_eq!(post(&node).0, 200);
    node.stop();
    copy_directory(&dir, &copy);
    let node = Node::dev(&copy, &[]);
    let (status, said) = post(&node);
    assert!(status == 503 && said.contains("`counterfoil adopt`"), "{said}");
    let stopped = node.stop();
    assert!(stopped.err.contains("`counterfoil adopt`"), "{stopped:?}");
    json(&["adopt", "--nothing-newer-was-published", "--dir", copy.to_str().unwrap()]);
    assert_eq!(post(&Node::dev(&copy, &[])).0, 200);
}

/// Waits until a node that is asked whether it is ready says this.
fn wait_until_ready_says(node: &Node, expected: &str) {
    let since = Instant::now();
    loop {
        let (_, said) = readiness(node);
        if said.contains(expected) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "it does not say {expected:?} but {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a node is ready, and what it says of that.
fn readiness(node: &Node) -> (u16, String) {
    block_on(async {
        let answer = reqwest::get(format!("{}/readyz", node.url)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

/// An address on which nobody listens.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn sale(number: u32) -> Value {
    load::sale(&format!("sale-{number}"))
}
