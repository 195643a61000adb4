//! Processes of our own: each part is measured in one, so that memory is its own, and one that
//! is to be killed can be.
//!
//! A child is this program again, told its job in a hidden argument. On its standard output it
//! says how far it has come and, at last, what it found, one JSON text a line.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, anyhow, bail};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::ground::Workload;
use super::report::Findings;
use super::{alone, http, ingest, old_decisions, open, postgres, queries, read, sync, verify};
use crate::cli::{Exit, Outcome, progress, sentence};

/// What a child is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The part, or a piece of it.
    pub task: Task,
    /// The directory to write in.
    pub home: PathBuf,
    /// The directory of the ledger.
    pub ledger: PathBuf,
    /// Which entries.
    pub workload: Workload,
    /// How long one thing is measured, in seconds, where entries don't tell.
    pub seconds: u64,
    /// How many clients submit single entries.
    pub clients: usize,
}

/// A part, or a piece of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Making entries, and a bare file, without a ledger.
    Alone,
    /// Filling an empty ledger, or a bare file, or both in turn.
    Fill {
        /// Whether a ledger is filled.
        ledger: bool,
        /// Whether a bare file is.
        raw: bool,
        /// Whether to go on after that until killed.
        go_on: bool,
    },
    /// Writing to a ledger that is there, until killed.
    GoOn,
    /// Opening the ledger.
    Open,
    /// Reading.
    Read,
    /// Verifying everything.
    Verify,
    /// Checking the store.
    Fsck,
    /// Decisions on old commissions, the state read from the disk and from memory in turn.
    OldDecisions,
    /// Questions over HTTP.
    Queries,
    /// Submitting over HTTP.
    Http,
    /// The node that `Http` submits to.
    Serve,
    /// A node that drains the outbox of a database.
    ServeDatabase {
        /// Where that is.
        url: String,
    },
    /// Catching up with a peer, and following one.
    Sync,
    /// The blocks of the full ledger, appended to another with nobody between.
    AppendAlone,
    /// The peer to catch up with.
    ServePeers,
    /// Whoever catches up with it.
    Follow {
        /// Where it is.
        peer: String,
    },
    /// An authority and a replica that follows it.
    Tail,
    /// Tables in PostgreSQL.
    Postgres {
        /// Where.
        url: String,
    },
}

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// So many entries are done.
    Progress(u64),
    /// It serves at this address.
    Serving(SocketAddr),
    /// It serves peers at this multiaddress.
    ServingPeers(String),
    /// What was found.
    Found(Findings),
    /// It didn't work, and why.
    Failed(String),
}

/// Does a job, as a child.
pub fn work(job: &str) -> Outcome {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let job: Job = serde_json::from_str(job).context("a job is given by the parent")?;
    match job.run() {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => {
            say(&Message::Failed(sentence(&error)))?;
            Ok(Exit::Failed)
        }
    }
}

/// Tells the parent how far it has come.
pub fn progress(entries: u64) -> anyhow::Result<()> {
    say(&Message::Progress(entries))
}

/// Tells the parent what was found.
pub fn found(findings: Findings) -> anyhow::Result<()> {
    say(&Message::Found(findings))
}

/// Tells the parent where it serves.
pub fn serving(address: SocketAddr) -> anyhow::Result<()> {
    say(&Message::Serving(address))
}

/// Tells the parent where it serves peers.
pub fn serving_peers(address: String) -> anyhow::Result<()> {
    say(&Message::ServingPeers(address))
}

/// Fails where nobody listens any more: then there is nothing left to do.
fn say(message: &Message) -> anyhow::Result<()> {
    let text = serde_json::to_string(message)?;
    writeln!(std::io::stdout().lock(), "{text}").context("nobody waits for what is measured")
}

impl Job {
    fn run(&self) -> anyhow::Result<()> {
        let findings = match &self.task {
            Task::Alone => alone::measure(self),
            Task::Fill { ledger, raw, go_on } => ingest::fill(self, *ledger, *raw, *go_on),
            Task::GoOn => ingest::go_on(self),
            Task::Open => open::measure(self),
            Task::Read => read::measure(self),
            Task::Verify => verify::measure(self),
            Task::Fsck => verify::measure_fsck(self),
            Task::OldDecisions => old_decisions::measure(self),
            Task::Queries => queries::measure(self),
            Task::Http => http::measure(self),
            Task::Serve => http::serve(self, None),
            Task::ServeDatabase { url } => http::serve(self, Some(url)),
            Task::Sync => sync::measure(self),
            Task::AppendAlone => sync::append_alone(self),
            Task::ServePeers => sync::serve_peers(self),
            Task::Follow { peer } => sync::follow(self, peer),
            Task::Tail => sync::tail(self),
            Task::Postgres { url } => postgres::measure(self, url),
        }?;
        found(findings)
    }

    /// Has the job done by a child, and waits for what it finds.
    pub fn delegate(&self) -> anyhow::Result<Findings> {
        let mut running = self.start()?;
        let findings = running.wait_for_findings()?;
        running.child.wait()?;
        Ok(findings)
    }

    /// Starts a child.
    pub fn start(&self) -> anyhow::Result<Running> {
        let program = std::env::current_exe().context("can't find this program")?;
        let mut child = Command::new(program)
            .args(["bench", "--job", &serde_json::to_string(self)?])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("can't start a process")?;
        let messages = BufReader::new(child.stdout.take().context("the process has no output")?);
        let bar = progress::bar(self.workload.entries, "entries");
        Ok(Running { child, messages, bar })
    }
}

/// A child that works. Killed when it is dropped.
pub struct Running {
    child: Child,
    messages: BufReader<ChildStdout>,
    bar: ProgressBar,
}

impl Running {
    /// Waits until it says what it found; it may go on after that.
    pub fn wait_for_findings(&mut self) -> anyhow::Result<Findings> {
        loop {
            match self.next_message()? {
                Message::Progress(entries) => self.bar.set_position(entries),
                Message::Serving(_) | Message::ServingPeers(_) => {}
                Message::Found(findings) => {
                    self.bar.finish_and_clear();
                    return Ok(findings);
                }
                Message::Failed(problem) => bail!(problem),
            }
        }
    }

    /// Waits until it says so often how far it has come.
    pub fn wait_for_progress(&mut self, times: u64) -> anyhow::Result<()> {
        let mut seen = 0;
        while seen < times {
            match self.next_message()? {
                Message::Progress(_) => seen += 1,
                Message::Serving(_) | Message::ServingPeers(_) | Message::Found(_) => {}
                Message::Failed(problem) => bail!(problem),
            }
        }
        Ok(())
    }

    /// Waits until it says where it serves.
    pub fn wait_for_address(&mut self) -> anyhow::Result<SocketAddr> {
        match self.next_message()? {
            Message::Serving(address) => Ok(address),
            Message::Failed(problem) => bail!(problem),
            other => bail!("the serving process said {other:?}"),
        }
    }

    /// Waits until it says where it serves peers.
    pub fn wait_for_peer_address(&mut self) -> anyhow::Result<String> {
        match self.next_message()? {
            Message::ServingPeers(address) => Ok(address),
            Message::Failed(problem) => bail!(problem),
            other => bail!("the serving process said {other:?}"),
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn next_message(&mut self) -> anyhow::Result<Message> {
        let mut line = String::new();
        self.messages.read_line(&mut line)?;
        if line.is_empty() {
            let status = self.child.wait()?;
            return Err(anyhow!("the measuring process ended early ({status})"));
        }
        serde_json::from_str(&line).with_context(|| format!("the measuring process said {line:?}"))
    }

    /// Kills it as a crash would: it gets no time to tidy up.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        // Ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
