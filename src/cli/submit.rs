//! `counterfoil submit`: entries from a file to a node.
//!
//! Lines go in batches, one request a batch and one request at a time: an entry finds those
//! before it, whatever has to be repeated. What a batch was answered is kept line by line; after
//! a failure the lines without an answer are sent again, which the ledger takes for what it is.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::ProgressBar;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::address::base_url;
use super::{Exit, Outcome, output, progress};
use crate::node::secret;
use crate::protocol::text::MAX_ENTRY_TEXT_BYTES;

/// The most lines of one request.
const MAX_BATCH_LINES: usize = 10_000;
/// The bytes of text after which a request is full.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How often in a row a request may fail without an answer to a single line.
const MAX_ATTEMPTS: u32 = 10;
/// The pause before the second attempt, in milliseconds; it doubles each time.
const FIRST_PAUSE_MS: u64 = 250;
/// The longest pause between attempts, in milliseconds.
const MAX_PAUSE_MS: u64 = 15_000;
/// How long connecting may take, in seconds.
const CONNECT_TIMEOUT_SECONDS: u64 = 10;
/// How long the node may say nothing, in seconds.
const SILENCE_TIMEOUT_SECONDS: u64 = 120;
/// The longest line of an answer, in bytes.
const MAX_ANSWER_LINE_BYTES: usize = 1024 * 1024;

/// Submit entries from a file, one JSON object a line
///
/// Safe to repeat: what is on the ledger already is answered as existing. Broken connections
/// and busy nodes are tried again. Lines that conflict with an earlier entry or are rejected go
/// to a file of their own, with the problem, and the exit code is 1; the rest is sealed all
/// the same.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil submit entries.ndjson --url http://127.0.0.1:8080 --token-file submit.token"
)]
pub struct Arguments {
    /// The entries (NDJSON); `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The node
    #[arg(long)]
    url: String,
    /// The bearer token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where to write lines that conflict or are rejected [default: FILE.rejected.ndjson]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How many lines became what.
#[derive(Default, Serialize)]
struct Summary {
    lines: u64,
    sealed: u64,
    existing: u64,
    conflict: u64,
    rejected: u64,
    /// The file with those of the last two, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_file: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let token = self.token_file.as_deref().map(secret::read_token).transpose()?;
        let sender = Sender::new(&self.url, token)?;
        let (input, bar) = self.open()?;
        let rejects = Rejects::new(self.rejects_path());
        let mut submission = Submission { sender, rejects, bar, summary: Summary::default() };
        let sent = tokio::runtime::Runtime::new()?.block_on(submission.submit(input));
        let rejected_file = submission.rejects.finish();
        submission.bar.finish_and_clear();
        let summary = Summary { rejected_file: rejected_file?, ..submission.summary };
        summary.print(self.json)?;
        sent?;
        let all_sealed = summary.conflict + summary.rejected == 0;
        Ok(if all_sealed { Exit::Fine } else { Exit::Failed })
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    fn open(&self) -> anyhow::Result<(Box<dyn BufRead>, ProgressBar)> {
        if self.is_stdin() {
            let bar = ProgressBar::no_length().with_message("submit");
            return Ok((Box::new(BufReader::new(bar.wrap_read(std::io::stdin()))), bar));
        }
        let name = self.file.display();
        let file = File::open(&self.file).with_context(|| format!("can't open {name}"))?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let bar = progress::bytes(bytes, "submit");
        Ok((Box::new(BufReader::new(bar.wrap_read(file))), bar))
    }

    fn rejects_path(&self) -> PathBuf {
        let beside = || {
            let mut name = self.file.file_name().unwrap_or_default().to_owned();
            name.push(".rejected.ndjson");
            self.file.with_file_name(name)
        };
        match &self.rejected {
            Some(path) => path.clone(),
            None if self.is_stdin() => PathBuf::from("stdin.rejected.ndjson"),
            None => beside(),
        }
    }
}

impl Summary {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return output::json(self);
        }
        let lines = [
            ("sealed", self.sealed),
            ("existing", self.existing),
            ("conflict", self.conflict),
            ("rejected", self.rejected),
        ];
        for (name, count) in lines {
            output::line(format_args!("{name:<9} {:>12}", output::count(count)))?;
        }
        match &self.rejected_file {
            Some(path) => output::line(format_args!("the last two are in {}", path.display())),
            None => Ok(()),
        }
    }
}

/// A line that is to be submitted.
struct Line {
    /// Its number in the file, from 1.
    number: u64,
    text: Vec<u8>,
}

/// What a line was answered, or what ended the answers.
#[derive(Deserialize)]
struct Answer {
    status: Status,
    /// The number of the line in the request, from 1.
    line: u64,
    #[serde(default)]
    problem: Option<Box<RawValue>>,
    #[serde(default)]
    first: Option<Box<RawValue>>,
    #[serde(default)]
    differing_fields: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Sealed,
    Existing,
    Conflict,
    Rejected,
    Stopped,
}

/// A problem as far as it matters here (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    status: Option<u16>,
}

struct Submission {
    sender: Sender,
    rejects: Rejects,
    bar: ProgressBar,
    summary: Summary,
}

impl Submission {
    async fn submit(&mut self, mut input: Box<dyn BufRead>) -> anyhow::Result<()> {
        let mut lines = Lines { input: &mut input, number: 0 };
        loop {
            let batch = lines.batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            self.summary.lines += batch.len() as u64;
            self.submit_batch(&batch).await?;
        }
    }

    /// Submits a batch until every line of it is answered.
    async fn submit_batch(&mut self, batch: &[Line]) -> anyhow::Result<()> {
        let mut rest = batch;
        let mut failures = 0;
        while let Some(first) = rest.first() {
            let mut answered = 0;
            let result = self.sender.send(rest, |answer| {
                let line =
                    rest.get(answered).context("the node answered more lines than it got")?;
                if answer.line != answered as u64 + 1 {
                    bail!("the node answered line {} where {} was due", answer.line, answered + 1);
                }
                answered += 1;
                self.summary.count(answer.status);
                self.rejects.keep(line, answer)
            });
            let failure = match result.await {
                Ok(()) if answered == rest.len() => return Ok(()),
                Ok(()) => anyhow!("the answer ended early"),
                Err(Failure::Final(error)) => {
                    let context = format!("stopped at line {}", first.number + answered as u64);
                    return Err(error.context(context));
                }
                Err(Failure::Passing(error)) => error,
            };
            failures = if answered > 0 { 1 } else { failures + 1 };
            rest = rest.get(answered..).unwrap_or_default();
            if failures >= MAX_ATTEMPTS {
                let number = rest.first().map_or(first.number, |line| line.number);
                return Err(failure.context(format!(
                    "given up after {MAX_ATTEMPTS} attempts; nothing is known from line {number} on, submit the same file again"
                )));
            }
            let pause = FIRST_PAUSE_MS.saturating_mul(1 << failures.min(16)).min(MAX_PAUSE_MS);
            self.bar.suspend(|| eprintln!("{failure:#}; trying again in {pause} ms"));
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }
}

impl Summary {
    fn count(&mut self, status: Status) {
        match status {
            Status::Sealed => self.sealed += 1,
            Status::Existing => self.existing += 1,
            Status::Conflict => self.conflict += 1,
            Status::Rejected => self.rejected += 1,
            Status::Stopped => unreachable!("the sender tells it apart"),
        }
    }
}

/// The lines of a file.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
}

impl Lines<'_> {
    /// The next lines, as many as make a request; none at the end. A line too long for any
    /// entry is cut, but stays too long.
    fn batch(&mut self) -> anyhow::Result<Vec<Line>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < MAX_BATCH_LINES && bytes < MAX_BATCH_BYTES {
            let mut text = Vec::new();
            let limit = MAX_ENTRY_TEXT_BYTES as u64 + 1;
            self.input.take(limit).read_until(b'\n', &mut text).context("can't read the input")?;
            if text.is_empty() {
                break;
            }
            self.number += 1;
            if text.last() == Some(&b'\n') {
                text.pop();
            } else if text.len() as u64 == limit {
                self.input.skip_until(b'\n').context("can't read the input")?;
            }
            if !text.trim_ascii().is_empty() {
                bytes += text.len() + 1;
                batch.push(Line { number: self.number, text });
            }
        }
        Ok(batch)
    }
}

/// Why a request failed, and whether the same again may not.
enum Failure {
    Passing(anyhow::Error),
    Final(anyhow::Error),
}

struct Sender {
    client: Client,
    url: Url,
    token: Option<Zeroizing<String>>,
}

impl Sender {
    fn new(url: &str, token: Option<Zeroizing<String>>) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_SECONDS))
            .read_timeout(Duration::from_secs(SILENCE_TIMEOUT_SECONDS))
            .build()?;
        Ok(Self { client, url: base_url(url)?.join("v1/entries")?, token })
    }

    /// Sends lines in one request, and tells each answer to `answered`.
    async fn send(
        &self,
        lines: &[Line],
        mut answered: impl FnMut(&Answer) -> anyhow::Result<()>,
    ) -> Result<(), Failure> {
        let body: Vec<u8> =
            lines.iter().flat_map(|line| [&line.text[..], b"\n"]).flatten().copied().collect();
        let mut request =
            self.client.post(self.url.clone()).header("content-type", "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        let mut response = request.body(body).send().await.map_err(|error| self.broken(error))?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let text = response.text().await.unwrap_or_default();
            return Err(self.refused(&text, status));
        }
        let mut pending = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            pending.extend_from_slice(&chunk);
            let mut rest = &pending[..];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let (line, tail) = rest.split_at(end);
                rest = tail.get(1..).unwrap_or_default();
                self.read_answer(line, &mut answered)?;
            }
            pending = rest.to_vec();
            if pending.len() > MAX_ANSWER_LINE_BYTES {
                return Err(Failure::Final(anyhow!("{} answered an endless line", self.url)));
            }
        }
        Ok(())
    }

    fn read_answer(
        &self,
        line: &[u8],
        answered: &mut impl FnMut(&Answer) -> anyhow::Result<()>,
    ) -> Result<(), Failure> {
        let answer: Answer = serde_json::from_slice(line)
            .with_context(|| format!("{} answered what is no result", self.url))
            .map_err(Failure::Final)?;
        if answer.status == Status::Stopped {
            let problem = answer.problem.as_deref().map_or("", RawValue::get);
            return Err(self.refused(problem, 503));
        }
        answered(&answer).map_err(Failure::Final)
    }

    /// The failure of a problem; `status` where it names none.
    fn refused(&self, problem: &str, status: u16) -> Failure {
        let problem: Option<Problem> = serde_json::from_str(problem).ok();
        let status = problem.as_ref().and_then(|problem| problem.status).unwrap_or(status);
        let text = match problem {
            Some(Problem { title, detail: Some(detail), .. }) => format!("{title}: {detail}"),
            Some(Problem { title, .. }) => title,
            None => "it gave no reason".to_owned(),
        };
        let error = anyhow!("{} answered {status}: {text}", self.url);
        // 400 is an upload that broke off; what is wrong with a line is that line's answer.
        if status >= 500 || matches!(status, 400 | 408 | 429) {
            Failure::Passing(error)
        } else {
            Failure::Final(error)
        }
    }

    fn broken(&self, error: reqwest::Error) -> Failure {
        let error = anyhow::Error::new(error.without_url());
        Failure::Passing(error.context(format!("the connection to {} failed", self.url)))
    }
}

/// Lines that conflict or are rejected, in a file that is made when the first comes.
struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

/// A line of that file.
#[derive(Serialize)]
struct Reject<'a> {
    line: u64,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differing_fields: Option<&'a [String]>,
    /// The line, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a RawValue>,
    /// The line, if it is not; cut, if it is too long for any entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Rejects {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Keeps a line that isn't on the ledger.
    fn keep(&mut self, line: &Line, answer: &Answer) -> anyhow::Result<()> {
        if matches!(answer.status, Status::Sealed | Status::Existing) {
            return Ok(());
        }
        let entry: Option<&RawValue> = serde_json::from_slice(&line.text).ok();
        self.write(&Reject {
            line: line.number,
            status: answer.status,
            problem: answer.problem.as_deref(),
            first: answer.first.as_deref(),
            differing_fields: answer.differing_fields.as_deref(),
            entry,
            text: entry.is_none().then(|| String::from_utf8_lossy(&line.text).into_owned()),
        })
    }

    fn write(&mut self, reject: &Reject<'_>) -> anyhow::Result<()> {
        let context = || format!("can't write {}", self.path.display());
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let file = File::create(&self.path).with_context(context)?;
            self.file.insert(BufWriter::new(file))
        };
        let mut line = serde_json::to_vec(reject)?;
        line.push(b'\n');
        file.write_all(&line).with_context(context)
    }

    /// The file, if there is one, complete.
    fn finish(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        file.flush().with_context(|| format!("can't write {}", self.path.display()))?;
        Ok(Some(self.path.clone()))
    }
}
