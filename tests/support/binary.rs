//! The real binary: commands, and nodes that end with the test.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use counterfoil::protocol::spec::Currencies;
use counterfoil::sample::{Marketplace, Profile};
use serde_json::{Value, json};

/// How long a node may take to serve, or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a node under load may live before something kills it.
const MAX_WAIT_FOR_KILL: Duration = Duration::from_mins(3);

/// The binary, in an environment without settings of ours.
pub fn counterfoil<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COUNTERFOIL_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// `counterfoil dev` on `directory` and a free port.
pub fn dev(directory: &Path, more: &[&str]) -> Command {
    let directory = directory.to_str().expect("UTF-8");
    let basics = ["dev", "--dir", directory, "--listen", "127.0.0.1:0", "--json"];
    counterfoil([&basics[..], more].concat())
}

/// Runs a command; its exit code, standard output and standard error.
pub fn run(arguments: &[&str]) -> Ran {
    counterfoil(arguments).output().expect("the binary runs").into()
}

/// Runs a command that must do what it is asked; what it printed as JSON.
pub fn json(arguments: &[&str]) -> Value {
    let ran = run(&[arguments, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.json()
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// A node that serves. It is killed when the test is done with it.
pub struct Node {
    child: Child,
    pub url: String,
    /// What it said on standard output when it served.
    pub announced: Value,
    /// Reads what it says on standard error: it must not wait for somebody who does.
    said: Option<JoinHandle<String>>,
}

impl Node {
    /// Starts `counterfoil dev` on `directory` and a free port.
    pub fn dev(directory: &Path, more: &[&str]) -> Self {
        Self::launch(dev(directory, more))
    }

    /// Starts a node that says in JSON where it serves.
    pub fn start(arguments: &[&str]) -> Self {
        Self::launch(counterfoil(arguments))
    }

    /// Starts the node of a command that says in JSON where it serves.
    pub fn launch(command: Command) -> Self {
        let shown = format!("{command:?}");
        Self::try_launch(command).unwrap_or_else(|refused| panic!("{shown}: {refused:?}"))
    }

    /// The same, of one that may refuse to start; what it said then.
    pub fn try_launch(mut command: Command) -> Result<Self, Ran> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("standard output");
        let announced = serde_json::from_str::<Value>(&line).unwrap_or_default();
        let url = announced.get("url").and_then(Value::as_str).map(str::to_owned);
        let mut err = child.stderr.take().expect("piped");
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            err.read_to_string(&mut said).expect("UTF-8");
            said
        });
        if let Some(url) = url {
            return Ok(Self { child, url, announced, said: Some(said) });
        }
        let code = child.wait().expect("it was started here").code().unwrap_or(-1);
        Err(Ran { code, out: line, err: said.join().expect("it only reads") })
    }

    /// Where peers find it.
    pub fn p2p(&self) -> String {
        self.announced["p2p"][0].as_str().expect("it has a network").to_owned()
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started here");
    }

    /// Waits until it was killed by somebody else.
    pub fn wait_for_kill(mut self) {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.end_within(MAX_WAIT_FOR_KILL);
        assert_eq!(status.signal(), Some(9), "{status}");
    }

    /// How it ends, which it must within `patience`.
    fn end_within(&mut self, patience: Duration) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return status;
            }
            assert!(since.elapsed() < patience, "it goes on for more than {patience:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Tells it to stop, and waits until it did; what it said on standard error.
    pub fn stop(mut self) -> Ran {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(told.success());
        let status = self.end_within(PATIENCE);
        let said = self.said.take().expect("it is stopped once");
        let err = said.join().expect("it only reads");
        Ran { code: status.code().unwrap_or(-1), out: String::new(), err }
    }

    /// What stands at a path.
    pub fn get(&self, path: &str) -> Vec<u8> {
        get(&format!("{}{path}", self.url))
    }

    /// The JSON at a path.
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path)).expect("JSON")
    }

    /// The size of its log.
    pub fn size(&self) -> u64 {
        self.json("/v1/chain")["head"]["size"].as_u64().expect("a size")
    }

    /// Waits until its log has at least `size` leaves.
    pub fn wait_for_size(&self, size: u64) {
        let since = Instant::now();
        while self.size() < size {
            assert!(since.elapsed() < PATIENCE, "{} of {size}", self.size());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a URL, which must answer 200.
pub fn get(url: &str) -> Vec<u8> {
    block_on(async {
        let response = reqwest::get(url).await.expect("it answers");
        assert_eq!(response.status(), 200, "{url}");
        response.bytes().await.expect("a whole body").to_vec()
    })
}

/// Runs something async to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// A file in `directory`, as text.
pub fn path(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().expect("UTF-8").to_owned()
}

/// Makes key, token, spec and data directory of a chain, as an operator would; the directory
/// that has them as `key`, `token`, `spec.toml` and `ledger`.
pub fn operator() -> tempfile::TempDir {
    operator_under(&[])
}

/// The same, of a chain whose spec each of these keys, made with the rest, can change.
pub fn operator_under(governance: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| path(home.path(), name);
    let public = |name: &str| {
        let key = json(&["key", "generate", "--out", &at(name)]);
        key["public_key"].as_str().expect("a key").to_owned()
    };
    let mut spec: Vec<String> = ["spec", "new", "--name", "Test"].map(str::to_owned).into();
    spec.extend(["--origin", "ledger.example/test", "--authority"].map(str::to_owned));
    spec.extend([public("key"), "--out".to_owned(), at("spec.toml")]);
    for name in governance {
        spec.extend(["--governance".to_owned(), public(name)]);
    }
    if !governance.is_empty() {
        spec.extend(["--quorum", "1"].map(str::to_owned));
    }
    let spec: Vec<&str> = spec.iter().map(String::as_str).collect();
    let commands: [&[&str]; 3] = [
        &["token", "generate", "--out", &at("token")],
        &spec,
        &["init", "--spec", &at("spec.toml"), "--dir", &at("ledger"), "--key", &at("key")],
    ];
    for command in commands {
        let ran = run(command);
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
    }
    home
}

/// A node of such a directory.
pub fn operated(home: &Path) -> Node {
    operated_on(home, "127.0.0.1:0")
}

/// A node of such a directory, on an address of one's choice.
pub fn operated_on(home: &Path, address: &str) -> Node {
    Node::start(&[
        "node",
        "--dir",
        &path(home, "ledger"),
        "--key-file",
        &path(home, "key"),
        "--token-file",
        &path(home, "token"),
        "--listen",
        address,
        "--json",
    ])
}

/// Copies a directory with all that is in it.
pub fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new directory");
    for item in std::fs::read_dir(from).expect("a directory") {
        let item = item.expect("a directory");
        let target: PathBuf = to.join(item.file_name());
        if item.path().is_dir() {
            copy_directory(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).expect("a copy");
        }
    }
}

/// Entries that the rules of [`operator`]'s chain admit, one a line.
pub fn sample(count: usize) -> String {
    let currencies = ["EUR", "GBP", "USD"].map(|code| (code.parse().expect("a currency"), 2));
    let until = "2025-06-01T00:00:00Z".parse().expect("a time");
    let profile = Profile::history(7, count as u64, until);
    let market = Marketplace::new(profile, &Currencies::new(currencies)).expect("a good profile");
    market.into_lines().take(count).fold(String::new(), |mut lines, line| {
        writeln!(lines, "{line}").expect("memory");
        lines
    })
}

/// Seals entries on an operator's ledger, in several blocks, and stops the node.
pub fn seal(home: &Path, count: usize) {
    let (entries, token) = (path(home, "entries.ndjson"), path(home, "token"));
    std::fs::write(&entries, sample(count)).expect("a file");
    let node = operated(home);
    let done = json(&["submit", &entries, "--url", &node.url, "--token-file", &token]);
    assert_eq!(
        done,
        json!({"lines": count, "sealed": count, "existing": 0, "conflict": 0, "rejected": 0})
    );
    assert_eq!(node.stop().code, 0);
}
