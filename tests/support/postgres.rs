//! A PostgreSQL server of a test's own: on a free port of loopback, in a temporary folder,
//! ended with the test.

#![allow(clippy::panic, reason = "a test fails by it")]

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use super::binary::block_on;

/// Where PostgreSQL's programs are, if `initdb` isn't on the path.
const FOLDER_VARIABLE: &str = "POSTGRES_BIN";
/// Where Debian puts them, in a folder for each version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";
/// How long the server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often another port is tried when somebody else was faster.
const ATTEMPTS: u32 = 5;
/// Who runs it where the test is the superuser, whom PostgreSQL refuses: `nobody`.
const UNPRIVILEGED: u32 = 65_534;
/// The superuser of the server.
const USER: &str = "tester";
/// What is given as a password, though the server asks for none: nothing may log it.
pub const PASSWORD: &str = "unused-password";

/// A server that accepts connections. It stops when it is dropped.
pub struct Postgres {
    child: Child,
    port: u16,
    settings: Vec<String>,
    folder: TempDir,
}

impl Postgres {
    /// Makes a server and starts it.
    pub fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// The same with settings of one's own, such as `ssl=on`, given its folder, in which it finds
    /// files.
    pub fn start_with(settings: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let superuser = folder.path().metadata().expect("it is there").uid() == 0;
        let owner = superuser.then_some(UNPRIVILEGED);
        if owner.is_some() {
            chown(folder.path(), owner, owner).expect("the superuser may");
        }
        initialise(folder.path(), owner);
        let settings = settings(folder.path());
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut child = launch(folder.path(), owner, port, &settings);
            if becomes_ready(&mut child, folder.path()) {
                return Self { child, port, settings, folder };
            }
        }
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start: {log}");
    }

    /// Where to connect to its first database, as its superuser.
    pub fn url(&self) -> String {
        self.url_of(USER)
    }

    /// The same as somebody else.
    pub fn url_of(&self, user: &str) -> String {
        format!("postgres://{user}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes another database on it; where to connect to that, as its superuser.
    pub fn database(&self, name: &str) -> String {
        execute(&self.url(), &format!("CREATE DATABASE {name}"));
        let url = self.url();
        let server = url.strip_suffix("/postgres").expect("it ends with its first database");
        format!("{server}/{name}")
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once: every connection breaks, and what wasn't committed is gone. With `kill -9`,
    /// or by its own immediate shutdown.
    pub fn crash(&mut self, kill: bool) {
        let signal = if kill { "-KILL" } else { "-QUIT" };
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        self.child.wait().expect("it was started here");
    }

    /// Starts it again after a crash, on the same port: it recovers.
    pub fn recover(&mut self) {
        let owner = self.folder.path().metadata().expect("it is there").uid();
        let owner = (owner == UNPRIVILEGED).then_some(owner);
        let since = Instant::now();
        loop {
            // Its processes may outlive the first of them by a moment.
            let _ = std::fs::remove_file(self.folder.path().join("data/postmaster.pid"));
            let mut child = launch(self.folder.path(), owner, self.port, &self.settings);
            if becomes_ready(&mut child, self.folder.path()) {
                self.child = child;
                return;
            }
            assert!(since.elapsed() < PATIENCE, "PostgreSQL does not start again");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// All that the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            // It crashed, as it was told; its number may be somebody else's by now.
            return;
        }
        // A fast shutdown, by its manual: clients are disconnected, its own processes end.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let since = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if since.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One of PostgreSQL's programs, run by whom it takes.
fn program(name: &str, owner: Option<u32>) -> Command {
    let mut command = Command::new(folder().join(name));
    // Its messages and its port are to be ours.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PG") {
            command.env_remove(variable);
        }
    }
    command.env("LC_ALL", "C").stdin(Stdio::null());
    if let Some(owner) = owner {
        command.uid(owner).gid(owner);
    }
    command
}

/// The folder of PostgreSQL's programs: as named, on the path, or Debian's newest.
fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return folder.into();
    }
    let on_path = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    });
    let debian = || {
        let versions = std::fs::read_dir(DEBIAN_FOLDER).ok()?.filter_map(Result::ok);
        let folders = versions.map(|version| version.path().join("bin"));
        let number = |folder: &PathBuf| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
        folders.filter(|folder| folder.join("initdb").exists()).max_by_key(number)
    };
    on_path.or_else(debian).unwrap_or_else(|| {
        panic!("no initdb: install Debian's package `postgresql`, or set {FOLDER_VARIABLE}")
    })
}

fn initialise(folder: &Path, owner: Option<u32>) {
    let made = program("initdb", owner)
        .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username", USER])
        .arg("--pgdata")
        .arg(folder.join("data"))
        .current_dir(folder)
        .output()
        .expect("initdb runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn launch(folder: &Path, owner: Option<u32>, port: u16, settings: &[String]) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
    let log = log.expect("a file for the log");
    program("postgres", owner)
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("postgres runs")
}

/// Waits until the server says in its lock file that it is ready; false if it ends instead.
fn becomes_ready(child: &mut Child, folder: &Path) -> bool {
    let since = Instant::now();
    let lock_file = folder.join("data/postmaster.pid");
    loop {
        let said = std::fs::read_to_string(&lock_file).unwrap_or_default();
        if said.lines().any(|line| line.trim() == "ready") {
            return true;
        }
        if child.try_wait().expect("it was started here").is_some() {
            return false;
        }
        assert!(since.elapsed() < PATIENCE, "PostgreSQL does not become ready");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Runs statements.
pub fn execute(url: &str, statements: &str) {
    let done = try_execute(url, statements);
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// Runs statements that may be refused.
pub fn try_execute(url: &str, statements: &str) -> Result<(), sqlx::Error> {
    block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await?;
        Ok(())
    })
}

/// What a query answers: an array of objects.
pub fn query(url: &str, query: &str) -> serde_json::Value {
    let wrapped = format!("SELECT coalesce(json_agg(asked), '[]')::text FROM ({query}) AS asked");
    let answer: Result<String, sqlx::Error> = block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query_scalar(AssertSqlSafe(wrapped)).fetch_one(&mut connection).await
    });
    let answer = answer.unwrap_or_else(|error| panic!("{query}: {error}"));
    serde_json::from_str(&answer).expect("JSON")
}
